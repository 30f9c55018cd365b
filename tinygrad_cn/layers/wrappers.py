"""Layers around a layer."""

from __future__ import annotations

from typing import Any

from tinygrad_cn import initializers, ops, registry
from tinygrad_cn.mode import set_mode

from .core import positive
from .input_spec import InputSpec
from .layer import Layer, get_mask, with_mask


class Wrapper(Layer):
    """A layer that has another, ``layer``.

    Args:
        layer: the layer inside.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(f"[{self.name}] Expected a layer, received {layer!r}.")
        self.layer = layer

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        layer = registry.deserialize_keras_object(config["layer"], custom_objects, "layers")
        return cls(layer, **{k: v for k, v in config.items() if k != "layer"})


class TimeDistributed(Wrapper):
    """The same layer on every step of a sequence.

    Args:
        layer: the layer.

    Input shape: (N, T, ...).
    Output shape: (N, T, the shape of the layer's output for one step).

    >>> tg.layers.TimeDistributed(tg.layers.Dense(2))(np.zeros((3, 5, 4), "float32")).shape
    (3, 5, 2)
    """

    supports_masking = True

    def build(self, input_shape):
        if len(input_shape) < 3:
            raise ValueError(
                f"[{self.name}] Expected a sequence (N, T, ...), received shape {input_shape}."
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs, training=False, mask=None):
        n, t, *rest = inputs.shape
        steps = ops.reshape(inputs, shape=(n * t, *rest))  # the layer sees n t samples
        if mask is not None and "mask" in self.layer._takes:
            steps = with_mask(steps, ops.reshape(mask, shape=(n * t,)))
        y = self.layer(steps, training=training)
        y = with_mask(y, None) if get_mask(y) is not None else y
        return ops.reshape(y, shape=(n, t, *y.shape[1:]))

    def compute_output_shape(self, input_shape):
        n, t, *rest = input_shape
        return (n, t, *self.layer.compute_output_shape((n, *rest))[1:])


class SpectralNormalization(Wrapper):
    """A layer whose kernel is divided by its largest singular value at each call while training, so
    that the layer lengthens no vector (Miyato et al., 2018).

    With W the kernel as a matrix (..., its last axis), v = u W^T / |u W^T| and u = v W / |v W|
    come nearer to the singular vectors from call to call;  kernel = W / (v W u^T).

    Args:
        layer: a layer with a ``kernel``, or an Embedding.
        power_iterations: how often u and v are improved in one call.

    Input shape: that of the layer.
    Output shape: that of the layer.

    >>> dense = tg.layers.Dense(2, kernel_initializer=tg.initializers.Constant(3.0))
    >>> layer = tg.layers.SpectralNormalization(dense, power_iterations=5)
    >>> layer(np.ones((1, 2), "float32"), training=True).numpy().round(4)
    array([[1., 1.]], dtype=float32)
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive(self.name, "power_iterations", power_iterations)

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        self.kernel = getattr(self.layer, "kernel", getattr(self.layer, "embeddings", None))
        if self.kernel is None:
            raise ValueError(
                f"[{self.name}] Expected a layer with a kernel or embeddings, received "
                f"{self.layer!r}."
            )
        self.vector_u = self.add_weight(
            (1, self.kernel.shape[-1]), initializers.TruncatedNormal(stddev=0.02), trainable=False,
            name="vector_u",
        )  # fmt: skip

    def call(self, inputs, training=False):
        if training:
            with set_mode(recording=False):
                self._normalize()
        return self.layer(inputs)

    def _normalize(self) -> None:
        """Divide the kernel by the estimate; a kernel of zeros stays, and so does u."""
        u, w = self.vector_u, ops.reshape(self.kernel, shape=(-1, self.kernel.shape[-1]))
        for _ in range(self.power_iterations):
            v = ops.normalize(u @ ops.transpose(w))
            u = ops.normalize(v @ w)
        nonzero = ops.max(ops.abs(w)) > 0
        sigma = ops.reshape(v @ w @ ops.transpose(u), shape=())
        self.vector_u.assign(ops.where(nonzero, u, self.vector_u))
        self.kernel.assign(self.kernel / ops.where(nonzero, sigma, 1.0))

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)
