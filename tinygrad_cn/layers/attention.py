"""Attention: each query takes a mean of values, weighted by how well its query fits their keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn import constraints, initializers, ops, registry, regularizers
from tinygrad_cn.initializers import with_axes
from tinygrad_cn.op import Value, wrap

from .layer import Layer
from .module import refuse
from .regularization import Random, check_rate, dropout


class MultiHeadAttention(Random):
    """y = concat(head_1, ..., head_H) W_o,  head = softmax(q k^T / sqrt(key_dim)) v  with q = x
    W_q, k = z W_k, v = z W_v of that head (Vaswani et al., 2017).

    Args:
        num_heads: H.
        key_dim: the length K of a head's queries and keys.
        value_dim: of its values, V; K when None.
        dropout: share of the attention weights that are 0 while training.
        use_bias: whether the projections have biases.
        output_shape: the length of the output; that of the query when None.
        sliding_window: a query attends keys less than so many steps away only.
        kernel_initializer, bias_initializer: how the weights begin.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: what the weights are brought to after each update.
        seed: for a generator of the layer's own.

    Weights, as in Keras: query kernel (D, H, K) and bias (H, K), the same for key and value (with
    V), output kernel (H, V, O) and bias (O,).

    Call arguments:
        query: (N, T, D). value: (N, S, E): the sequence itself, or another one (cross-attention).
        key: (N, S, F); the value when None.
        query_mask (N, T), value_mask, key_mask (N, S): padding; taken from the inputs if they carry
        it.
        attention_mask: broadcastable to (N, T, S), or (N, H, T, S): True where a query may attend.
        use_causal_mask: query t attends keys 0 .. t only.
        return_attention_scores: also the weights, (N, H, T, S).

    Output shape: (N, T, O). A query that may attend nothing gives 0 before W_o.

    >>> layer = tg.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    >>> x = tg.random.normal((3, 5, 8))
    >>> y, weights = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    >>> y.shape, weights.shape, layer.weights[0].shape
    ((3, 5, 8), (3, 2, 5, 5), (8, 2, 4))
    """

    float_inputs = True

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, activity_regularizer=activity_regularizer, **kwargs)
        refuse(self.name, use_gate=use_gate or None)
        if attention_axes not in (None, 1, (1,), [1]):
            refuse(self.name, attention_axes=attention_axes)
        for name, n in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim)):
            if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n <= 0):
                raise ValueError(f"[{self.name}] Expected {name} > 0, received {name}={n!r}.")
        if isinstance(output_shape, (tuple, list)):
            if len(output_shape) != 1:
                raise ValueError(f"[{self.name}] Expected one length, got {output_shape=}.")
            output_shape = output_shape[0]
        self.num_heads, self.key_dim = num_heads, key_dim
        self.value_dim = value_dim or key_dim
        self.dropout = check_rate(self.name, dropout)
        self.use_bias = bool(use_bias)
        self.output_dim = output_shape
        self.sliding_window, self.flash_attention = sliding_window, flash_attention
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        for name, shape in (("query", query_shape), ("value", value_shape), ("key", key_shape)):
            if len(shape) != 3 or shape[-1] is None:
                raise ValueError(f"[{self.name}] Expected {name} (N, T, D), received {shape}.")
        heads, out = self.num_heads, self.output_dim or query_shape[-1]
        self._query = self._projection("query", (query_shape[-1], heads, self.key_dim), 2)
        self._key = self._projection("key", (key_shape[-1], self.n_keys, self.key_dim), 2)
        self._value = self._projection("value", (value_shape[-1], self.n_keys, self.value_dim), 2)
        self._out = self._projection("attention_output", (heads, self.value_dim, out), 1)

    @property
    def n_keys(self) -> int:
        """How many heads of keys and values there are."""
        return self.num_heads

    def _projection(self, name: str, shape: tuple[int, ...], n_bias_axes: int) -> list[Any]:
        """A kernel and a bias (or None)."""
        n_in = len(shape) - n_bias_axes  # the axes of the bias are those of the outputs
        axes = range(n_in), range(n_in, len(shape))
        kernel = self.add_weight(
            shape, with_axes(self.kernel_initializer, *axes), regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint, name=f"{name}/kernel",
        )  # fmt: skip
        if not self.use_bias:
            return [kernel, None]
        bias = self.add_weight(
            shape[-n_bias_axes:], self.bias_initializer, regularizer=self.bias_regularizer,
            constraint=self.bias_constraint, name=f"{name}/bias",
        )  # fmt: skip
        return [kernel, bias]

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=False,
        use_causal_mask=False,
    ):
        key = value if key is None else key
        q = self._heads(query, *self._query)
        k = self._heads(key, *self._key)
        v = self._heads(value, *self._value)
        mask = self._mask((query_mask, value_mask, key_mask), attention_mask, q, k)
        if return_attention_scores or (training and self.dropout):
            weights = ops.attention_weights(q, k, mask, causal=use_causal_mask)
            used = weights
            if training and self.dropout:
                used = dropout(weights, self.state, rate=self.dropout)
            y = used @ v
        else:
            y = ops.attention(q, k, v, mask, causal=use_causal_mask)
        y = self._join(y)
        return (y, weights) if return_attention_scores else y

    def _heads(self, x, kernel, bias):
        """x W + b with the heads apart: (N, T, D) -> (N, H, T, K)."""
        heads, width = kernel.shape[1:]
        flat = None if bias is None else ops.reshape(bias, shape=(heads * width,))
        y = ops.linear(x, ops.reshape(kernel, shape=(kernel.shape[0], heads * width)), flat)
        y = ops.reshape(y, shape=(*x.shape[:2], heads, width))
        return ops.permute_dims(y, axes=(0, 2, 1, 3))

    def _join(self, y):
        """The heads side by side, times W_o: (N, H, T, V) -> (N, T, O)."""
        kernel, bias = self._out
        n, heads, steps, width = y.shape
        y = ops.reshape(ops.permute_dims(y, axes=(0, 2, 1, 3)), shape=(n, steps, heads * width))
        return ops.linear(y, ops.reshape(kernel, shape=(heads * width, kernel.shape[2])), bias)

    def _mask(self, padding, attention_mask, q, k):
        """All masks as one, broadcastable to (N, H, T, S); None if there is none."""
        query_mask, *others = padding
        parts = []
        if query_mask is not None:
            parts.append(_boolean(query_mask)[:, None, :, None])
        parts += [_boolean(m)[:, None, None, :] for m in others if m is not None]
        if attention_mask is not None:
            mask = _boolean(attention_mask)
            while mask.ndim < 4:
                mask = mask[:, None] if mask.ndim == 3 else mask[None]
            parts.append(mask)
        if self.sliding_window is not None:
            t, s = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])[None, :]
            parts.append(wrap((abs(t - s) < self.sliding_window)[None, None]))
        return _all(parts)

    def compute_output_shape(self, query_shape, value_shape=None, key_shape=None):
        return (*query_shape[:-1], self.output_dim or query_shape[-1])

    def get_config(self) -> dict[str, Any]:
        own = self._settings(MultiHeadAttention)
        return {**super().get_config(), **own, "output_shape": self.output_dim}


def _boolean(mask: Any) -> Any:
    """A mask as a Tensor of bools."""
    mask = mask if isinstance(mask, Value) else wrap(np.asarray(mask))
    return mask if mask.dtype == bool else ops.not_equal(mask, 0)


def _all(masks: list[Any]) -> Any:
    """Where all of the masks are True; None if there are none."""
    merged = None
    for mask in masks:
        merged = mask if merged is None else ops.logical_and(merged, mask)
    return merged


def _causal(steps: int, keys: int) -> Any:
    """True where the query does not come before the key, (1, T, S)."""
    return wrap(np.tri(steps, keys, dtype=bool)[None])


class Attention(Random):
    """y = softmax(scores) v, one head without weights of its own (Luong et al., 2015).

    Args:
        use_scale: a trained factor of the scores.
        score_mode: "dot": q k^T; "concat": w sum(tanh(q + k)), w trained.
        dropout: share of the attention weights that are 0 while training.
        seed: for a generator of the layer's own.

    Call arguments: inputs: [query (N, T, D), value (N, S, D)] and, if it is not the value, a key;
    mask: [query_mask, value_mask]; use_causal_mask; return_attention_scores.
    Output shape: (N, T, D).

    >>> x = tg.random.normal((2, 3, 4))
    >>> tg.layers.Attention()([x, x]).shape
    (2, 3, 4)
    """

    float_inputs = True

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"[{self.name}] Expected 'dot' or 'concat', got {score_mode=}.")
        self.use_scale, self.score_mode = bool(use_scale), score_mode
        self.dropout = check_rate(self.name, dropout)

    def build(self, input_shape):
        self._check(input_shape)
        self.scale: Any = self.add_weight((), "ones", name="scale") if self.use_scale else None
        self.concat_score_weight: Any = None
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _check(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            raise ValueError(
                f"[{self.name}] Expected a list [query, value] or [query, value, key], received "
                f"{inputs!r}."
            )

    def call(
        self,
        inputs,
        mask=None,
        training=False,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        self._check(inputs)
        if mask is not None and (not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3)):
            raise ValueError(
                f"[{self.name}] Expected mask as a list [query_mask, value_mask] (None where there "
                f"is none), received {mask!r:.60}."
            )
        q, v = inputs[:2]
        k = inputs[2] if len(inputs) > 2 else v
        q_mask, v_mask = (mask[0], mask[1]) if mask is not None else (None, None)
        scores = self._scores(q, k)
        masks = [] if v_mask is None else [_boolean(v_mask)[:, None, :]]
        if use_causal_mask:
            masks.append(_causal(q.shape[1], k.shape[1]))
        allowed = _all(masks)
        if allowed is not None:
            scores = ops.where(allowed, scores, scores - 1e9)
        weights = ops.softmax(scores, axis=-1)
        used = weights
        if training and self.dropout:
            used = dropout(weights, self.state, rate=self.dropout)
        y = used @ v
        if q_mask is not None:
            y = ops.where(_boolean(q_mask)[:, :, None], y, 0.0)
        return (y, weights) if return_attention_scores else y

    def _scores(self, q, k):
        if self.score_mode == "dot":
            scores = q @ ops.swapaxes(k, -2, -1)
            return scores if self.scale is None else scores * self.scale
        both = ops.expand_dims(q, -2) + ops.expand_dims(k, -3)
        if self.scale is not None:
            both = both * self.scale
        return self.concat_score_weight * ops.sum(ops.tanh(both), axis=-1)

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else mask[0]

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], input_shape[1][-1])


class AdditiveAttention(Attention):
    """y = softmax(sum(w tanh(q + k))) v, with w a trained vector (Bahdanau et al., 2015).

    Args:
        use_scale: whether there is a w; 1 otherwise.
        dropout: share of the attention weights that are 0 while training.
        seed: for a generator of the layer's own.

    Call arguments: as in :class:`Attention`.
    Output shape: (N, T, D).

    >>> x = tg.random.normal((2, 3, 4))
    >>> layer = tg.layers.AdditiveAttention()
    >>> layer([x, x]).shape, layer.scale.shape
    ((2, 3, 4), (4,))
    """

    def __init__(
        self, use_scale: bool = True, dropout: float = 0.0, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(use_scale, "concat", dropout, seed, **kwargs)

    def build(self, input_shape):
        self._check(input_shape)
        self.scale = (
            self.add_weight((input_shape[0][-1],), name="scale") if self.use_scale else None
        )

    def _scores(self, q, k):
        both = ops.tanh(ops.expand_dims(q, -2) + ops.expand_dims(k, -3))
        return ops.sum(both if self.scale is None else self.scale * both, axis=-1)


class GroupedQueryAttention(MultiHeadAttention):
    """As :class:`MultiHeadAttention`, with fewer heads of keys and values than of queries: each of
    them serves num_query_heads / num_key_value_heads heads of queries (Ainslie et al., 2023).

    Args:
        head_dim: the length K of a head's queries, keys and values.
        num_query_heads: H.
        num_key_value_heads: G, which divides H.
        The other arguments: as in :class:`MultiHeadAttention`.

    Weights, as in Keras: query kernel (D, H, K) and bias (H, K), the same for key and value with G
    heads, output kernel (H, K, D) and bias (D,).

    Call arguments, output shape: as in :class:`MultiHeadAttention`.

    >>> layer = tg.layers.GroupQueryAttention(head_dim=4, num_query_heads=6, num_key_value_heads=2)
    >>> x = tg.random.normal((3, 5, 8))
    >>> layer(x, x).shape, layer.weights[2].shape
    ((3, 5, 8), (8, 2, 4))
    """

    supports_masking = True

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_query_heads, head_dim, None, dropout, use_bias, None, None, sliding_window,
            flash_attention, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, use_gate,
            seed, **kwargs,
        )  # fmt: skip
        groups = num_key_value_heads
        if isinstance(groups, bool) or not isinstance(groups, int) or groups <= 0:
            raise ValueError(
                f"[{self.name}] Expected num_key_value_heads > 0, received {groups!r}."
            )
        if num_query_heads % groups:
            raise ValueError(
                f"[{self.name}] Expected num_query_heads to be a multiple of num_key_value_heads, "
                f"received {num_query_heads=}, {num_key_value_heads=}."
            )
        self.head_dim, self.num_query_heads = head_dim, num_query_heads
        self.num_key_value_heads = groups

    def _heads(self, x, kernel, bias):
        y = super()._heads(x, kernel, bias)
        return y if y.shape[1] == self.num_heads else ops.repeat(y, self.n_served, axis=1)

    @property
    def n_served(self) -> int:
        """How many heads of queries a head of keys serves."""
        return self.num_query_heads // self.num_key_value_heads

    @property
    def n_keys(self) -> int:
        return self.num_key_value_heads

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("num_heads", "key_dim", "value_dim", "output_shape", "attention_axes"):
            config.pop(name, None)
        return {**config, **self._settings(GroupedQueryAttention)}


class SelfAttention(Layer):
    """Self-attention with one head, as textbooks write it: A(Q, K, V) = softmax(Q K^T / sqrt(d)) V
    with Q = x W_q, K = x W_k, V = x W_v.

    Args:
        attention_head_size: d, the length of queries, keys and values.
        use_bias: whether the projections have biases.
        kernel_initializer: how the weights begin.

    Call arguments:
        mask: (N, T), False for padding, which nobody attends; taken from the input if it carries
        it.
        attention_mask: broadcastable to (N, T, T): True where a query may attend a key. (Texts that
        mark what is to be hidden mean the opposite: pass ``~hidden``.)
        use_causal_mask: each step attends itself and the steps before it.
        return_attention_scores: also the weights, (N, T, T).

    Input shape: (N, T, D).
    Output shape: (N, T, d).

    >>> layer = tg.layers.SelfAttention(4)
    >>> y, weights = layer(tg.random.normal((2, 3, 8)), return_attention_scores=True)
    >>> y.shape, bool(np.allclose(weights.numpy().sum(axis=-1), 1))
    ((2, 3, 4), True)
    """

    supports_masking = True
    float_inputs = True

    def __init__(
        self,
        attention_head_size: int,
        use_bias: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(attention_head_size, int) or attention_head_size <= 0:
            raise ValueError(
                f"[{self.name}] Expected attention_head_size > 0, received {attention_head_size!r}."
            )
        self.attention_head_size, self.use_bias = attention_head_size, bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ValueError(f"[{self.name}] Expected (N, T, D), received {tuple(input_shape)}.")
        shape, bias = (input_shape[-1], self.attention_head_size), (self.attention_head_size,)
        for name in ("query", "key", "value"):
            kernel = self.add_weight(shape, self.kernel_initializer, name=f"{name}_kernel")
            setattr(self, f"{name}_kernel", kernel)
            made = self.add_weight(bias, "zeros", name=f"{name}_bias") if self.use_bias else None
            setattr(self, f"{name}_bias", made)

    def call(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
    ):
        query = ops.linear(inputs, self.query_kernel, self.query_bias)
        key = ops.linear(inputs, self.key_kernel, self.key_bias)
        value = ops.linear(inputs, self.value_kernel, self.value_bias)
        logits = query @ ops.swapaxes(key, -2, -1) / math.sqrt(self.attention_head_size)
        allowed = self._allowed(mask, attention_mask, use_causal_mask, inputs.shape[1])
        if allowed is not None:
            logits = ops.where(allowed, logits, -1e9)
        weights = ops.softmax(logits, axis=-1)
        output = weights @ value
        return (output, weights) if return_attention_scores else output

    def _allowed(self, mask, attention_mask, causal, steps):
        """Which keys a query may attend, (N or 1, T or 1, T); None if all."""
        parts = []
        if mask is not None:
            parts.append(_boolean(mask)[:, None, :])
        if attention_mask is not None:
            given = _boolean(attention_mask)
            parts.append(given if given.ndim == 3 else given[None])
        if causal:
            parts.append(_causal(steps, steps))
        return _all(parts)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.attention_head_size)


GroupQueryAttention = GroupedQueryAttention  # Keras's public name
registry.publish(
    "layers", MultiHeadAttention, GroupedQueryAttention, Attention, AdditiveAttention, SelfAttention
)
