"""Functions that are a line or two of others: NumPy's and keras.ops' further names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn.mode import value_of
from tinygrad_cn.op import Placeholder, Value, apply_as_one, as_one

from .comparison import isclose, isinf, isnan, logical_and
from .creation import asarray, eye, ones
from .elementwise import maximum, power, rsqrt, square, where
from .joining import concat
from .linalg import slogdet, vector_norm
from .matmul import tensordot
from .reduction import max, mean, min, sum
from .shape import _axes, _axis, basic_getitem, diagonal, flatten, flip, reshape, swapaxes, tril
from .trigonometry import erf


def shape(x: Any) -> tuple[int, ...]:
    """The lengths of the axes."""
    return asarray(x).shape


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: Any) -> int:
    """The number of elements."""
    return math.prod(shape(x))


def convert_to_numpy(x: Any) -> np.ndarray:
    """x as a NumPy array, without a copy where there is one already."""
    if isinstance(x, Value):
        return value_of(x.data, "convert_to_numpy()")
    return np.asarray(x)


@as_one
def stop_gradient(x: Any) -> Any:
    """x as a constant."""
    if isinstance(x, Placeholder):
        return apply_as_one(stop_gradient, x)
    return asarray(x).detach()


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |a - b| <= atol + rtol |b| everywhere.

    >>> tg.ops.allclose([1.0], [1.0 + 1e-7])
    True
    """
    return bool(isclose(a, b, rtol, atol, equal_nan).all())


def identity(n: int, dtype: Any = None) -> Any:
    """The (n, n) matrix with ones on the diagonal."""
    return eye(n, dtype=dtype)


def tri(n: int, m: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """An (n, m) matrix with ones on and below the k-th diagonal.

    >>> tg.ops.tri(2)
    Tensor([[1., 0.],
            [1., 1.]])
    """
    return tril(ones((n, n if m is None else m), dtype), k)


def exp2(x: Any) -> Any:
    """y = 2^x."""
    return power(2.0, asarray(x))


def erfc(x: Any) -> Any:
    """y = 1 - erf(x)."""
    return 1 - erf(x)


def deg2rad(x: Any) -> Any:
    """Degrees as radians."""
    return asarray(x) * (math.pi / 180)


def rad2deg(x: Any) -> Any:
    """Radians as degrees."""
    return asarray(x) * (180 / math.pi)


def nan_to_num(x: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with NaN and infinities replaced: infinities by the largest finite numbers, if None.

    >>> tg.ops.nan_to_num([np.nan, 1.0])
    Tensor([0., 1.])
    """
    x = asarray(x)
    if x.dtype.kind != "f":  # all of them are numbers
        return x
    limit = float(np.finfo(x.dtype).max)
    x = where(isnan(x), nan, x)
    high, low = (limit if posinf is None else posinf), (-limit if neginf is None else neginf)
    x = where(logical_and(isinf(x), x > 0), high, x)
    return where(isinf(x), low, x)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """y[i] = x[i + 1] - x[i] along the axis, n times over.

    >>> tg.ops.diff([1, 4, 9])
    Tensor([3., 5.])
    """
    x = asarray(x)
    head = (slice(None),) * _axis("diff", axis, x.ndim)
    for _ in range(n):
        later = basic_getitem(x, key=(*head, slice(1, None), ...))
        x = later - basic_getitem(x, key=(*head, slice(None, -1), ...))
    return x


def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean along the axes, each element counted with its weight.

    >>> tg.ops.average([1, 3], weights=[3, 1])
    Tensor(1.5)
    """
    if weights is None:
        return mean(x, axis=axis)
    x, weights = asarray(x), asarray(weights)
    if weights.ndim == 1 and x.ndim > 1 and isinstance(axis, (int, np.integer)):
        line = [1] * x.ndim
        line[axis] = -1
        weights = reshape(weights, shape=tuple(line))
    return sum(x * weights, axis=axis) / sum(weights * ones(x.shape, weights.dtype), axis=axis)


def moments(x: Any, axes: Any, keepdims: bool = False) -> tuple[Any, Any]:
    """The mean and the variance along the axes.

    >>> tg.ops.moments([1, 3], 0)
    (Tensor(2.), Tensor(1.))
    """
    m = mean(x, axis=axes, keepdims=True)
    variance = mean(square(x - m), axis=axes, keepdims=keepdims)
    return (m if keepdims else mean(x, axis=axes)), variance


def normalize(x: Any, axis: int = -1, order: float = 2, epsilon: float = 1e-12) -> Any:
    """x over its norm along the axis, which counts as epsilon at least.

    >>> tg.ops.normalize([3, 4])
    Tensor([0.6, 0.8])
    """
    x = asarray(x)
    if order == 2:
        return x * rsqrt(maximum(sum(square(x), axis=axis, keepdims=True), epsilon**2))
    return x / maximum(vector_norm(x, order, axis, keepdims=True), epsilon)


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element less the smallest, along the axes."""
    return max(x, axis=axis, keepdims=keepdims) - min(x, axis=axis, keepdims=keepdims)


def logdet(x: Any) -> Any:
    """ln |det x|."""
    return slogdet(x)[1]


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal of two axes.

    >>> tg.ops.trace([[1, 2], [3, 4]])
    Tensor(5.)
    """
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)


def inner(x1: Any, x2: Any) -> Any:
    """The sum of products over the last axes of both.

    >>> tg.ops.inner([1, 2], [3, 4])
    Tensor(11.)
    """
    x1, x2 = asarray(x1), asarray(x2)
    return x1 * x2 if x1.ndim == 0 or x2.ndim == 0 else tensordot(x1, x2, (-1, -1))


def vdot(x1: Any, x2: Any) -> Any:
    """The sum of products of all elements."""
    return tensordot(flatten(x1), flatten(x2), 1)


def hstack(xs: Any) -> Any:
    """Tensors one after the other along axis 1 (vectors: along axis 0)."""
    xs = [reshape(x, shape=(1,)) if ndim(x) == 0 else asarray(x) for x in xs]
    return concat(xs, 0 if xs[0].ndim == 1 else 1)


def vstack(xs: Any) -> Any:
    """Tensors as rows, one below the other.

    >>> tg.ops.vstack([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    return concat([reshape(x, shape=(1, -1)) if ndim(x) < 2 else asarray(x) for x in xs], 0)


def fliplr(x: Any) -> Any:
    """x in reverse order along axis 1."""
    return flip(x, 1)


def flipud(x: Any) -> Any:
    """x in reverse order along axis 0."""
    return flip(x, 0)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """x turned by k right angles in the plane of two axes.

    >>> tg.ops.rot90([[1, 2], [3, 4]])
    Tensor([[2., 4.],
            [1., 3.]])
    """
    x = asarray(x)
    i, j = _axes("rot90", axes, x.ndim)
    if k % 4 in (1, 2):
        x = flip(x, j)
    if k % 4 == 2:
        return flip(x, i)
    return swapaxes(x if k % 4 == 1 else flip(x, i), i, j) if k % 4 else x
