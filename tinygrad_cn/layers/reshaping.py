"""Layers that rearrange, repeat or pad; no weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn import ops

from .convolution import check_format, per_axis
from .core import positive
from .input_spec import InputSpec
from .layer import Layer


class Flatten(Layer):
    """All axes but the first become one, in row-major order.

    Args:
        data_format: with "channels_first" (N, C, ...), the channels are moved to the end before.

    Input shape: (N, ...).
    Output shape: (N, the product of the others).

    >>> tg.layers.Flatten()(np.zeros((2, 3, 4), "float32")).shape
    (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_format(self.name, data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs):
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = ops.moveaxis(inputs, 1, -1)
        shape = inputs.shape
        return ops.reshape(inputs, shape=(shape[0], math.prod(shape[1:])))

    def compute_output_shape(self, input_shape):
        rest = input_shape[1:]
        return (input_shape[0], None if None in rest else math.prod(rest))


class Reshape(Layer):
    """The elements of each sample in another shape.

    Args:
        target_shape: the shape of one sample; one length may be -1, and is then found.

    Input shape: (N, ...).
    Output shape: (N, *target_shape).

    >>> tg.layers.Reshape((2, -1))(np.zeros((5, 6), "float32")).shape
    (5, 2, 3)
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        shape = target_shape if isinstance(target_shape, (tuple, list)) else (target_shape,)
        self.target_shape = tuple([int(n) for n in shape])
        if self.target_shape.count(-1) > 1 or min(self.target_shape, default=0) < -1:
            raise ValueError(
                f"[{self.name}] Expected a shape with at most one -1, received {target_shape!r}."
            )

    def call(self, inputs):
        return ops.reshape(inputs, shape=(inputs.shape[0], *self._resolved(inputs.shape[1:])))

    def _resolved(self, rest: tuple[Any, ...]) -> tuple[Any, ...]:
        """The target shape with the number in place of -1; None where it is not known."""
        target, known = self.target_shape, [n for n in self.target_shape if n != -1]
        if None in rest:
            return tuple([None if n == -1 else n for n in target])
        size, fixed = math.prod(rest), math.prod(known)
        free = -1 in target
        if (size % fixed if fixed else size) if free else size != fixed:
            raise ValueError(
                f"[{self.name}] A sample does not fit. Expected {fixed} elements"
                f"{' or a multiple' if free else ''} for target_shape={target}, received {size}: "
                f"input shape (N, {', '.join(map(str, rest))})."
            )
        return tuple([size // fixed if n == -1 else n for n in target])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self._resolved(tuple(input_shape[1:])))


class Permute(Layer):
    """The axes of each sample in another order.

    Args:
        dims: the old axis that each new one is, counted from 1 (0 is the batch).

    Input shape: (N, ...).
    Output shape: (N, ...), permuted.

    >>> tg.layers.Permute((2, 1))(np.zeros((5, 2, 3), "float32")).shape
    (5, 3, 2)
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"[{self.name}] Expected each of 1 .. {len(self.dims)} once, received dims={dims}."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        return ops.permute_dims(inputs, axes=(0, *self.dims))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *[input_shape[i] for i in self.dims])


class RepeatVector(Layer):
    """Each vector n times, as a sequence.

    Args:
        n: how often.

    Input shape: (N, D).
    Output shape: (N, n, D).

    >>> tg.layers.RepeatVector(3)(np.zeros((2, 4), "float32")).shape
    (2, 3, 4)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive(self.name, "n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        rows, features = inputs.shape
        spread = ops.reshape(inputs, shape=(rows, 1, features))
        return ops.broadcast_to(spread, shape=(rows, self.n, features))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.n, input_shape[1])


def pair(layer: str, name: str, value: Any) -> tuple[int, int]:
    """n, or (before, after), as the two numbers."""
    two = (value, value) if isinstance(value, (int, np.integer)) else value
    if not isinstance(two, (tuple, list)) or len(two) != 2 or not all(map(_counts, two)):
        raise ValueError(
            f"[{layer}] Expected {name} to be n or (before, after), integers >= 0, received "
            f"{value!r}."
        )
    return int(two[0]), int(two[1])


def pairs(layer: str, name: str, value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """n, (rows, columns) or ((top, bottom), (left, right)), as the four numbers."""
    both = (value, value) if isinstance(value, (int, np.integer)) else value
    if not isinstance(both, (tuple, list)) or len(both) != 2:
        raise ValueError(
            f"[{layer}] Expected {name} to be n, (rows, columns) or ((top, bottom), (left, "
            f"right)), received {value!r}."
        )
    return pair(layer, name, both[0]), pair(layer, name, both[1])


def _counts(n: Any) -> bool:
    """Whether n is an integer that is not negative."""
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(n >= 0)


class ZeroPadding2D(Layer):
    """Rows and columns of zeros around an image.

    Args:
        padding: one integer, (rows, columns), or ((top, bottom), (left, right)).
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).

    Input shape: (N, H, W, C).
    Output shape: (N, top + H + bottom, left + W + right, C).

    >>> tg.layers.ZeroPadding2D(1)(np.zeros((1, 4, 4, 2), "float32")).shape
    (1, 6, 6, 2)
    """

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.padding = pairs(self.name, "padding", padding)
        self.data_format = check_format(self.name, data_format)
        self.input_spec = InputSpec(ndim=4)

    def _all_axes(self):
        first = self.data_format == "channels_first"
        return ((0, 0), (0, 0), *self.padding) if first else ((0, 0), *self.padding, (0, 0))

    def call(self, inputs):
        return ops.pad(inputs, self._all_axes())

    def compute_output_shape(self, input_shape):
        axes = zip(input_shape, self._all_axes(), strict=True)
        return tuple([None if n is None else n + sum(ends) for n, ends in axes])


class ZeroPadding1D(ZeroPadding2D):
    """Steps of zeros around a sequence.

    Args:
        padding: one integer, or (before, after).
        data_format: "channels_last" (N, T, C) or "channels_first" (N, C, T).

    Input shape: (N, T, C).
    Output shape: (N, before + T + after, C).

    >>> tg.layers.ZeroPadding1D((0, 2))(np.zeros((1, 4, 2), "float32")).shape
    (1, 6, 2)
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.padding: Any = pair(self.name, "padding", padding)
        self.input_spec = InputSpec(ndim=3)

    def _all_axes(self):
        first = self.data_format == "channels_first"
        return ((0, 0), (0, 0), self.padding) if first else ((0, 0), self.padding, (0, 0))


class Cropping2D(Layer):
    """An image without rows and columns at its edges.

    Args:
        cropping: one integer, (rows, columns), or ((top, bottom), (left, right)).
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).

    Input shape: (N, H, W, C).
    Output shape: (N, H - top - bottom, W - left - right, C).

    >>> tg.layers.Cropping2D(((1, 0), (0, 2)))(np.zeros((1, 4, 5, 2), "float32")).shape
    (1, 3, 3, 2)
    """

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.cropping: Any = pairs(self.name, "cropping", cropping)
        self.data_format = check_format(self.name, data_format)
        self.input_spec = InputSpec(ndim=4)

    def _spatial(self) -> tuple[Any, int]:
        """What is cut from each spatial axis, and where these begin."""
        return self.cropping, 2 if self.data_format == "channels_first" else 1

    def call(self, inputs):
        self.compute_output_shape(inputs.shape)
        cut, first = self._spatial()
        lengths = inputs.shape[first : first + len(cut)]
        kept = [slice(a, n - b) for (a, b), n in zip(cut, lengths, strict=True)]
        return inputs[(slice(None),) * first + tuple(kept)]

    def compute_output_shape(self, input_shape):
        cut, first = self._spatial()
        shape = list(input_shape)
        for i, ends in enumerate(cut, first):
            if shape[i] is not None:
                shape[i] -= sum(ends)
                if shape[i] <= 0:
                    raise ValueError(
                        f"[{self.name}] Nothing is left. Expected cropping less than the length of "
                        f"the axes, received cropping={self.cropping}, an input of shape "
                        f"{tuple(input_shape)}."
                    )
        return tuple(shape)


class Cropping1D(Cropping2D):
    """A sequence without steps at its ends.

    Args:
        cropping: one integer, or (before, after).

    Input shape: (N, T, C).
    Output shape: (N, T - before - after, C).

    >>> tg.layers.Cropping1D((1, 0))(tg.tensor([[[1.0], [2.0], [3.0]]])).numpy().ravel()
    array([2., 3.], dtype=float32)
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = pair(self.name, "cropping", cropping)
        self.input_spec = InputSpec(ndim=3)

    def _spatial(self):
        return (self.cropping,), 1


class UpSampling1D(Layer):
    """Longer sequences: each step ``size`` times.

    Args:
        size: how many times.

    Input shape: (N, T, C).
    Output shape: (N, T size, C).

    >>> tg.layers.UpSampling1D(2)(tg.tensor([[[1.0], [2.0]]])).numpy().ravel()
    array([1., 1., 2., 2.], dtype=float32)
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = positive(self.name, "size", size)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        return ops.repeat(inputs, self.size, axis=1)

    def compute_output_shape(self, input_shape):
        rows, steps, channels = input_shape
        return (rows, None if steps is None else steps * self.size, channels)


class UpSampling2D(Layer):
    """Larger images: each pixel ``size`` times in both directions, or interpolated.

    Args:
        size: one integer, or (rows, columns): how many times larger.
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).
        interpolation: "nearest" (each pixel repeated) or "bilinear" (linear between the centres of
            pixels, constant beyond them).

    Input shape: (N, H, W, C).
    Output shape: (N, H size, W size, C).

    >>> tg.layers.UpSampling2D((1, 2))(tg.tensor([[[[1.0], [2.0]]]])).numpy().ravel()
    array([1., 1., 2., 2.], dtype=float32)
    """

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(
                f"[{self.name}] Expected interpolation 'nearest' or 'bilinear', received "
                f"{interpolation!r}."
            )
        self.size = per_axis(self.name, "size", size, 2)
        self.data_format = check_format(self.name, data_format)
        self.interpolation = interpolation
        self.input_spec = InputSpec(ndim=4)

    def _axes(self):
        return (2, 3) if self.data_format == "channels_first" else (1, 2)

    def call(self, inputs):
        for axis, times in zip(self._axes(), self.size, strict=True):
            if self.interpolation == "nearest":
                inputs = ops.repeat(inputs, times, axis=axis)
            else:  # along one axis, interpolation is a product with a matrix
                weights = _hats(inputs.shape[axis], times, inputs.dtype)
                moved = ops.moveaxis(inputs, axis, -1)
                inputs = ops.moveaxis(ops.matmul(moved, weights), -1, axis)
        return inputs

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        for axis, times in zip(self._axes(), self.size, strict=True):
            shape[axis] = None if shape[axis] is None else shape[axis] * times
        return tuple(shape)


def _hats(n: int, times: int, dtype: Any) -> np.ndarray:
    """(n, n times): the share of each of n pixels in each of the new ones."""
    place = (np.arange(n * times) + 0.5) / times - 0.5  # of the new centres, in old pixels
    place = np.clip(place, 0, n - 1)
    share = np.maximum(0, 1 - np.abs(np.arange(n)[:, np.newaxis] - place))
    return share.astype(dtype)
