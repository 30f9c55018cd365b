"""The Transformer's blocks (Vaswani et al., 2017): positions, encoder, decoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import activations, initializers, registry

from .attention import MultiHeadAttention
from .core import Dense
from .layer import Layer
from .normalization import LayerNormalization
from .regularization import Dropout, check_rate


def sinusoids(steps: int, features: int, max_wavelength: float = 10000.0) -> np.ndarray:
    """P[t, 2 i] = sin(t / w^(2 i / D)), P[t, 2 i + 1] = cos(t / w^(2 i / D)), w the longest
    wavelength over 2 pi; float64 (steps, features).

    >>> from tinygrad_cn.layers.transformer import sinusoids
    >>> sinusoids(2, 2).round(3)
    array([[0.   , 1.   ],
           [0.841, 0.54 ]])
    """
    i = np.arange(features) // 2 * 2
    angle = np.arange(steps)[:, None] / max_wavelength ** (i / features)
    return np.where(np.arange(features) % 2 == 0, np.sin(angle), np.cos(angle))


class PositionalEncoding(Layer):
    """y[n, t] = multiplier x[n, t] + P[t]: tells the steps apart, for attention by itself does not
    see their order. P is made of sine and cosine waves of geometrically growing lengths.

    Args:
        max_wavelength: the longest wavelength over 2 pi.
        multiplier: the Transformer multiplies embeddings by sqrt(D); None means that.

    Input shape: (N, T, D).
    Output shape: the same.

    >>> tg.layers.PositionalEncoding(multiplier=1.0)(tg.tensor(np.zeros((1, 1, 4)))).numpy()
    array([[[0., 1., 0., 1.]]], dtype=float32)
    """

    supports_masking = True
    float_inputs = True

    def __init__(
        self, max_wavelength: float = 10000.0, multiplier: float | None = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not max_wavelength > 0:
            raise ValueError(f"[{self.name}] Expected max_wavelength > 0, got {max_wavelength}.")
        self.max_wavelength, self.multiplier = max_wavelength, multiplier
        self._table = np.zeros((0, 0))

    def call(self, inputs):
        if inputs.ndim != 3:
            raise ValueError(f"[{self.name}] Expected (N, T, D), received {inputs.shape}.")
        _, steps, features = inputs.shape
        if self._table.shape[0] < steps or self._table.shape[1] != features:
            self._table = sinusoids(steps, features, self.max_wavelength).astype(inputs.dtype)
        factor = features**0.5 if self.multiplier is None else self.multiplier
        return (inputs if factor == 1 else inputs * factor) + self._table[:steps]

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class _Block(Layer):
    """What encoder and decoder share: settings, and the residual around each part.

    The parts are made in ``build``, when the width D is known. ``normalize_first`` puts the
    normalization before each part (Xiong et al., 2020), which trains more calmly when deep.
    """

    supports_masking = True
    float_inputs = True

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: Any = "relu",
        layer_norm_epsilon: float = 1e-5,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        normalize_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.intermediate_dim, self.num_heads = intermediate_dim, num_heads
        self.dropout = check_rate(self.name, dropout)
        self.activation = activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.normalize_first = bool(normalize_first)

    def _attention(self, name: str, width: int) -> MultiHeadAttention:
        if width is None or width % self.num_heads:
            raise ValueError(
                f"[{self.name}] Expected a width that num_heads divides, received width={width}, "
                f"num_heads={self.num_heads}."
            )
        starts = self._starts()
        size, rate = width // self.num_heads, self.dropout
        return MultiHeadAttention(self.num_heads, size, dropout=rate, name=name, **starts)

    def _feed_forward(self, width: int) -> list[Layer]:
        inner = Dense(self.intermediate_dim, self.activation, name="inner", **self._starts())
        return [inner, Dense(width, name="outer", **self._starts())]

    def _starts(self) -> dict[str, Any]:
        starts = {"kernel_initializer": self.kernel_initializer}
        return {**starts, "bias_initializer": self.bias_initializer, "dtype": self.dtype}

    def _norm(self, name: str) -> LayerNormalization:
        return LayerNormalization(epsilon=self.layer_norm_epsilon, name=name, dtype=self.dtype)

    def _residual(self, x, part, norm, drop):
        """x + part(x), normalized before or after."""
        if self.normalize_first:
            return x + drop(part(norm(x)))
        return norm(x + drop(part(x)))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class TransformerEncoder(_Block):
    """Self-attention, then a network of two layers for each step; around both a residual connection
    and layer normalization.

    Args:
        intermediate_dim: the width of the hidden layer.
        num_heads: of the attention; divides D.
        dropout: while training.
        activation: of the hidden layer.
        layer_norm_epsilon: of the normalizations.
        kernel_initializer, bias_initializer: how the weights begin.
        normalize_first: normalize before each part, not after.

    Call arguments: mask (N, T), False for padding; attention_mask (N, T, T), True where a step may
    attend another; use_causal_mask: no step attends a later one (a decoder without encoder).
    Input shape: (N, T, D).
    Output shape: the same.

    >>> tg.layers.TransformerEncoder(16, num_heads=2)(tg.random.normal((2, 5, 8))).shape
    (2, 5, 8)
    """

    def build(self, input_shape):
        width = input_shape[-1]
        self.self_attention = self._attention("self_attention", width)
        self.self_attention_norm = self._norm("self_attention_norm")
        self.feed_forward = self._feed_forward(width)
        self.feed_forward_norm = self._norm("feed_forward_norm")
        self.drops = [Dropout(self.dropout, name=f"drop_{i}") for i in range(2)]
        self.self_attention.build(input_shape, input_shape)
        self.self_attention_norm.build(input_shape)
        self.feed_forward[0].build(input_shape)
        self.feed_forward[1].build((*input_shape[:-1], self.intermediate_dim))
        self.feed_forward_norm.build(input_shape)

    def call(self, inputs, mask=None, attention_mask=None, use_causal_mask=False):
        def attend(x):
            return self.self_attention(
                x, x, value_mask=mask, attention_mask=attention_mask,
                use_causal_mask=use_causal_mask,
            )  # fmt: skip

        def think(x):
            return self.feed_forward[1](self.feed_forward[0](x))

        x = self._residual(inputs, attend, self.self_attention_norm, self.drops[0])
        return self._residual(x, think, self.feed_forward_norm, self.drops[1])


class TransformerDecoder(_Block):
    """Causal self-attention, attention to the encoder's output, then a network of two layers for
    each step; around each a residual connection and layer normalization.

    Args: as of :class:`TransformerEncoder`.

    Call arguments:
        inputs: (N, T, D), what was written so far. encoder_outputs: (N, S, E).
        mask (N, T), encoder_outputs_mask (N, S): False for padding; taken from the inputs if they
            carry them.
        use_causal_mask: no step attends a later one; True unless told otherwise.

    Output shape: (N, T, D).

    >>> layer = tg.layers.TransformerDecoder(16, num_heads=2)
    >>> layer(tg.random.normal((2, 5, 8)), tg.random.normal((2, 7, 8))).shape
    (2, 5, 8)
    """

    def build(self, inputs_shape, encoder_outputs_shape):
        width = inputs_shape[-1]
        self.self_attention = self._attention("self_attention", width)
        self.self_attention_norm = self._norm("self_attention_norm")
        self.cross_attention = self._attention("cross_attention", width)
        self.cross_attention_norm = self._norm("cross_attention_norm")
        self.feed_forward = self._feed_forward(width)
        self.feed_forward_norm = self._norm("feed_forward_norm")
        self.drops = [Dropout(self.dropout, name=f"drop_{i}") for i in range(3)]
        self.self_attention.build(inputs_shape, inputs_shape)
        self.self_attention_norm.build(inputs_shape)
        self.cross_attention.build(inputs_shape, encoder_outputs_shape)
        self.cross_attention_norm.build(inputs_shape)
        self.feed_forward[0].build(inputs_shape)
        self.feed_forward[1].build((*inputs_shape[:-1], self.intermediate_dim))
        self.feed_forward_norm.build(inputs_shape)

    def call(
        self,
        inputs,
        encoder_outputs,
        mask=None,
        encoder_outputs_mask=None,
        use_causal_mask=True,
    ):
        def attend(x):
            return self.self_attention(x, x, value_mask=mask, use_causal_mask=use_causal_mask)

        def consult(x):
            return self.cross_attention(x, encoder_outputs, value_mask=encoder_outputs_mask)

        def think(x):
            return self.feed_forward[1](self.feed_forward[0](x))

        x = self._residual(inputs, attend, self.self_attention_norm, self.drops[0])
        x = self._residual(x, consult, self.cross_attention_norm, self.drops[1])
        return self._residual(x, think, self.feed_forward_norm, self.drops[2])

    def compute_output_shape(self, inputs_shape, encoder_outputs_shape=None):
        return tuple(inputs_shape)


registry.publish("layers", PositionalEncoding, TransformerEncoder, TransformerDecoder)
