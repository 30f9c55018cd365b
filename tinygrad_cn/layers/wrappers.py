"""Layers around a layer."""

from __future__ import annotations

from typing import Any

from tinygrad_cn import ops, registry

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
