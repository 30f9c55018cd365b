"""Layers that bring their input to mean 0 and variance 1, over the batch or over the features."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import constraints, initializers, kernels, ops, registry, regularizers

from .input_spec import InputSpec
from .layer import Layer
from .module import refuse


class _Affine(Layer):
    """The base: y = gamma n + beta, n the normalized input."""

    supports_masking = True
    float_inputs = True

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon, self.center, self.scale = float(epsilon), bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None

    def _add_affine(self, shape: tuple[int | None, ...]) -> None:
        if None in shape:
            raise ValueError(f"[{self.name}] Expected axes of known length, received {shape}.")
        if self.scale:
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint, name="gamma",
            )  # fmt: skip
        if self.center:
            self.beta = self.add_weight(
                shape, self.beta_initializer, regularizer=self.beta_regularizer,
                constraint=self.beta_constraint, name="beta",
            )  # fmt: skip

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class BatchNormalization(_Affine):
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta, per feature (Ioffe and Szegedy, 2015).

    While training, mean and var are those of the batch, over all axes but ``axis``, and moving
    averages follow them: m = momentum m + (1 - momentum) mean. Otherwise, or if the layer is frozen
    (``trainable = False``), the moving averages take their place.

    Args:
        axis: the axis of the features.
        momentum: how slowly the moving averages follow.
        epsilon: keeps the root away from 0.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer:
            how the weights begin.
        beta_regularizer, gamma_regularizer: penalties.
        beta_constraint, gamma_constraint: what they are brought to after each update.

    Call arguments: mask: (N, T), say; entries where it is False do not count for mean and var.
    Input shape: any.
    Output shape: the same.

    >>> layer = tg.layers.BatchNormalization(epsilon=0.0)
    >>> layer(tg.tensor([[1.0], [3.0]]), training=True).numpy()
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
            gamma_regularizer, beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        refuse(self.name, renorm=renorm or None, renorm_clipping=renorm_clipping)
        refuse(self.name, synchronized=synchronized or None)
        self.axis, self.momentum = int(axis), float(momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape):
        (axis,) = _sorted_axes(self.axis, len(input_shape))
        shape = (input_shape[axis],)
        self._add_affine(shape)
        self.moving_mean = self.add_weight(
            shape, self.moving_mean_initializer, trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: shape[0]})

    def call(self, inputs, mask=None, training=False):
        settings: dict[str, Any] = {"axis": self.axis, "epsilon": self.epsilon}
        if not (training and self.trainable):
            mean, var = self.moving_mean, self.moving_variance
            return ops.batch_normalization(
                inputs, mean, var, offset=self.beta, scale=self.gamma, **settings
            )
        if mask is None:
            y, mean, var = ops.batch_normalization_training(
                inputs, self.gamma, self.beta, **settings
            )
        else:
            mean, var = self._moments(inputs, mask)
            y = ops.batch_normalization(
                inputs, mean, var, offset=self.beta, scale=self.gamma, **settings
            )
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, var)
        return y

    def _moments(self, x, mask):
        """Mean and variance over the entries that count."""
        if mask.ndim != x.ndim - 1:
            raise ValueError(
                f"[{self.name}] Expected a mask with one axis less than the input, received "
                f"mask.shape={mask.shape}, input.shape={x.shape}."
            )
        rows = tuple([i for i in range(x.ndim) if i != self.axis % x.ndim])
        counts = ops.reshape(mask, shape=(*mask.shape, 1))
        weights = ops.broadcast_to(ops.astype(counts, dtype=x.dtype), shape=x.shape)
        n = ops.sum(weights, axis=rows, keepdims=True) + 1e-7
        mean = ops.sum(x * weights, axis=rows, keepdims=True) / n
        var = ops.sum(ops.square(x - mean) * weights, axis=rows, keepdims=True) / n
        return ops.reshape(mean, shape=(-1,)), ops.reshape(var, shape=(-1,))

    def _follow(self, average, value):
        """average = momentum average + (1 - momentum) value"""
        kept = kernels.multiply(average.data, self.momentum)
        average.assign(kernels.add(kept, kernels.multiply(value.data, 1 - self.momentum)))


class LayerNormalization(_Affine):
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta, per sample, over the features (Ba et al.,
    2016).

    Args:
        axis: the axis or axes of the features.
        epsilon: keeps the root away from 0.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: how they begin.
        beta_regularizer, gamma_regularizer: penalties.
        beta_constraint, gamma_constraint: what they are brought to after each update.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.LayerNormalization(epsilon=0.0)(tg.tensor([[1.0, 3.0]])).numpy()
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
            gamma_regularizer, beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        refuse(self.name, rms_scaling=rms_scaling or None)
        self.axis = [int(a) for a in axis] if isinstance(axis, (list, tuple)) else int(axis)

    def build(self, input_shape):
        self._axes = _sorted_axes(self.axis, len(input_shape))
        self._add_affine(tuple([input_shape[a] for a in self._axes]))

    def call(self, inputs):
        settings: dict[str, Any] = {"axis": self._axes, "epsilon": self.epsilon}
        return ops.layer_normalization(inputs, self.gamma, self.beta, **settings)


class RMSNormalization(Layer):
    """y = scale x / sqrt(mean(x^2) + epsilon), over the features (Zhang and Sennrich, 2019).

    Args:
        axis: the axis or axes of the features.
        epsilon: keeps the root away from 0.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.RMSNormalization(epsilon=0.0)(tg.tensor([[3.0, 3.0]])).numpy()
    array([[1., 1.]], dtype=float32)
    """

    supports_masking = True
    float_inputs = True

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = [int(a) for a in axis] if isinstance(axis, (list, tuple)) else int(axis)
        self.epsilon = float(epsilon)

    def build(self, input_shape):
        self._axes = _sorted_axes(self.axis, len(input_shape))
        self.scale = self.add_weight([input_shape[a] for a in self._axes], "ones", name="scale")

    def call(self, inputs):
        return ops.rms_normalization(inputs, self.scale, axis=self._axes, epsilon=self.epsilon)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class UnitNormalization(Layer):
    """y = x / sqrt(sum(x^2)): of length 1 along the axes.

    Args:
        axis: the axis or axes.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.UnitNormalization()(tg.tensor([[3.0, 4.0]])).numpy().round(6)
    array([[0.6, 0.8]], dtype=float32)
    """

    supports_masking = True
    float_inputs = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(
                f"[{self.name}] Expected an integer or a list of them, received axis={axis!r}."
            )
        self.axis = axis if isinstance(axis, int) else list(axis)

    def call(self, inputs):
        axes = _sorted_axes(self.axis, inputs.ndim)
        return ops.normalize(inputs, axis=axes, order=2, epsilon=1e-12)

    def compute_output_shape(self, input_shape):
        _sorted_axes(self.axis, len(input_shape))
        return tuple(input_shape)


class GroupNormalization(_Affine):
    """As layer normalization, over each of ``groups`` groups of channels by itself, together with
    the places (Wu and He, 2018).

    Args:
        groups: how many; -1: as many as channels.
        axis: the axis of the channels.
        epsilon, center, scale, initializers, regularizers: as in :class:`LayerNormalization`.

    Input shape: any.
    Output shape: the same.

    >>> x = tg.tensor([[[1.0, 3.0], [1.0, 3.0]]])
    >>> tg.layers.GroupNormalization(groups=1, epsilon=0.0)(x).numpy()[0, 0]
    array([-1.,  1.], dtype=float32)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
            gamma_regularizer, beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(
                f"[{self.name}] Expected groups > 0 or -1, received groups={groups!r}."
            )
        self.groups, self.axis = groups, int(axis)

    def build(self, input_shape):
        (axis,) = _sorted_axes(self.axis, len(input_shape))
        channels = input_shape[axis]
        self._add_affine((channels,))
        self._groups = channels if self.groups == -1 else self.groups
        if channels % self._groups:
            raise ValueError(
                f"[{self.name}] Expected channels to be a multiple of groups, received "
                f"{channels} channels, groups={self.groups}."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs):
        """Each group becomes one row of numbers, which layer normalization brings in order."""
        axis, ndim = self.axis % inputs.ndim, inputs.ndim
        order = (0, axis, *[i for i in range(1, ndim) if i != axis])
        x = ops.permute_dims(inputs, axes=order)
        rows = ops.reshape(x, shape=(x.shape[0], self._groups, _rest(x.shape, self._groups)))
        y = ops.reshape(ops.layer_normalization(rows, epsilon=self.epsilon), shape=x.shape)
        y = ops.permute_dims(y, axes=tuple(np.argsort(order).tolist()))
        along = tuple([-1 if i == axis else 1 for i in range(ndim)])
        if self.gamma is not None:
            y = y * ops.reshape(self.gamma, shape=along)
        return y if self.beta is None else y + ops.reshape(self.beta, shape=along)


def _rest(shape: tuple[int, ...], groups: int) -> int:
    """The size of a group: -1 cannot be left to reshape, for an empty batch."""
    n = 1
    for length in shape[1:]:
        n *= length
    return n // groups


def _sorted_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    axes = axis if isinstance(axis, list) else [axis]
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"[axis] Expected -{ndim} <= axis < {ndim}, received axis={axis}.")
    return tuple(sorted([a % ndim for a in axes]))


registry.publish(
    "layers",
    BatchNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
    GroupNormalization,
)
