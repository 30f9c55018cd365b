"""Activations as layers: those with settings."""

from __future__ import annotations

from typing import Any

from tinygrad_cn import constraints, initializers, ops, regularizers
from tinygrad_cn.op import Value

from .input_spec import InputSpec
from .layer import Layer


class Elementwise(Layer):
    """What these layers share: the output has the shape of the input."""

    float_inputs = True
    supports_masking = True

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class ReLU(Elementwise):
    """y = x where x > threshold, at most max_value; else negative_slope (x - threshold).

    Args:
        max_value: a limit, or None.
        negative_slope: the slope below the threshold.
        threshold: where the kink is.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.ReLU(max_value=2.0)(tg.tensor([-1.0, 1.0, 3.0]))
    Tensor([0., 1., 2.])
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        told = {
            "max_value": max_value or 0,
            "negative_slope": negative_slope,
            "threshold": threshold,
        }
        for name, value in told.items():
            if value is None or value < 0:
                raise ValueError(f"[{self.name}] Expected {name} >= 0, received {value!r}.")
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, inputs):
        if not self.negative_slope and not self.threshold:
            y = ops.relu(inputs)
        else:
            below = self.negative_slope * (inputs - self.threshold)
            y = ops.where(inputs > self.threshold, inputs, below)
        return y if self.max_value is None else ops.minimum(y, self.max_value)


class LeakyReLU(Elementwise):
    """y = x where x > 0, else negative_slope x.

    Args:
        negative_slope: the slope below 0.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.LeakyReLU(0.5)(tg.tensor([-2.0, 2.0]))
    Tensor([-1.,  2.])
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        alpha = kwargs.pop("alpha", None)  # Keras 2's name
        super().__init__(**kwargs)
        self.negative_slope = negative_slope if alpha is None else alpha
        if self.negative_slope is None or self.negative_slope < 0:
            raise ValueError(
                f"[{self.name}] Expected negative_slope >= 0, received {self.negative_slope!r}."
            )

    def call(self, inputs):
        return ops.leaky_relu(inputs, self.negative_slope)


class PReLU(Elementwise):
    """y = x where x > 0, else alpha x, with a learned alpha for each place (He et al., 2015).

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of alpha.
        shared_axes: axes along which all places share one alpha (1, 2 for the pixels of an image).

    Input shape: (N, ...).
    Output shape: the same.

    >>> tg.layers.PReLU("ones")(tg.tensor([[-2.0, 2.0]])).numpy()
    array([[-2.,  2.]], dtype=float32)
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if axes is None else list(axes)

    def build(self, input_shape):
        shared = self.shared_axes or ()
        shape = [1 if i in shared else n for i, n in enumerate(input_shape)][1:]
        if None in shape:
            raise ValueError(
                f"[{self.name}] Expected known lengths, or shared_axes where they are not, "
                f"received an input of shape {input_shape}."
            )
        self.alpha = self.add_weight(
            tuple(shape), self.alpha_initializer, regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint, name="alpha",
        )  # fmt: skip
        axes = {i: n for i, n in enumerate(input_shape) if i and i not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs):
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)


class ELU(Elementwise):
    """y = x where x > 0, else alpha (e^x - 1) (Clevert et al., 2016).

    Args:
        alpha: the limit at minus infinity is -alpha.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.ELU()(tg.tensor([0.0, 2.0]))
    Tensor([0., 2.])
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return ops.elu(inputs, self.alpha)


class Softmax(Elementwise):
    """y = e^x / sum of e^x along an axis; masked places get 0.

    Args:
        axis: the axis, or several.

    Input shape: any; a mask (True where a place counts) of the same shape may be given.
    Output shape: the same.

    >>> tg.layers.Softmax()(tg.tensor([[0.0, 0.0]]))
    Tensor([[0.5, 0.5]])
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs, mask=None):
        if mask is not None:
            counts = mask if isinstance(mask, Value) else ops.asarray(mask)
            inputs = ops.where(counts, inputs, -3e38 if inputs.dtype.itemsize == 4 else -1e308)
        if isinstance(self.axis, int):
            return ops.softmax(inputs, axis=self.axis)
        axes = tuple(self.axis)
        e = ops.exp(inputs - ops.max(inputs, axis=axes, keepdims=True))
        return e / ops.sum(e, axis=axes, keepdims=True)
