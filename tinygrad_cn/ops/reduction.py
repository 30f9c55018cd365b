"""Reductions: many values become one, along some axes or all (``axis=None``)."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Placeholder, Value, apply_as_one, as_one

from .comparison import equal
from .creation import asarray, ones
from .elementwise import sqrt, square, where
from .joining import concat
from .shape import _all_as_one, _axes, _axis, basic_getitem, broadcast_to, flatten, flip, reshape


class Sum(Op):
    """y = sum of x along the axes;  gx = g, spread over what was summed."""

    def forward(x, axis=None, keepdims=False):
        return kernels.sum(x, axis, keepdims)

    def vjp(g, x_shape, axis, keepdims):
        return broadcast_to(_keep(g, x_shape, axis, keepdims), shape=x_shape)


class Mean(Op):
    """y = mean of x along the axes;  gx = g / n, spread over what was averaged.

    >>> tg.ops.mean([[1, 2], [3, 4]], axis=0)
    Tensor([2., 3.])
    """

    def forward(x, axis=None, keepdims=False):
        return kernels.mean(x, axis, keepdims)

    def vjp(g, x_shape, axis, keepdims):
        n = math.prod([x_shape[i] for i in _all_axes(axis, len(x_shape))])
        return broadcast_to(_keep(g / n, x_shape, axis, keepdims), shape=x_shape)


class Prod(Op):
    """y = product of x along the axes;  gx = g times the product of the others (zeros are no harm).

    >>> tg.ops.prod([2, 3, 4])
    Tensor(24.)
    """

    def forward(x, axis=None, keepdims=False):
        return kernels.prod(x, axis, keepdims)

    def reference(x, axis=None, keepdims=False):
        rows, restore = _all_as_one("prod", x, axis, keepdims)
        while rows.shape[-1] != 1:  # halves times halves: a tree of products
            n = rows.shape[-1]
            if n % 2 or n == 0:
                rows, n = concat([rows, ones((*rows.shape[:-1], 1), x.dtype)], -1), n + 1
            if n > 1:
                front = basic_getitem(rows, key=(..., slice(None, n // 2)))
                rows = front * basic_getitem(rows, key=(..., slice(n // 2, None)))
        return restore(rows)


class Max(Op):
    """y = the largest x along the axes;  g is shared equally by the elements that reach it.

    >>> tg.ops.max([[1, 5], [7, 2]], axis=1)
    Tensor([5., 7.])
    """

    def forward(x, axis=None, keepdims=False):
        return kernels.max(x, axis, keepdims)

    def vjp(g, x, y, axis, keepdims):
        return _to_winners(g, x, y, axis, keepdims)


class Min(Op):
    """y = the smallest x along the axes;  g is shared equally by the elements that reach it.

    >>> tg.ops.min([[1, 5], [7, 2]], axis=1)
    Tensor([1., 2.])
    """

    def forward(x, axis=None, keepdims=False):
        return kernels.min(x, axis, keepdims)

    def vjp(g, x, y, axis, keepdims):
        return _to_winners(g, x, y, axis, keepdims)


def _to_winners(g, x, y, axis, keepdims):
    reached = equal(x, _keep(y, x.shape, axis, keepdims)).astype(g.dtype)
    return _keep(g, x.shape, axis, keepdims) * (reached / sum(reached, axis=axis, keepdims=True))


class SumTo(Op):
    """y = x summed over the axes that broadcasting from ``shape`` would add;  gx = g broadcast."""

    def forward(x, *, shape):
        lead = x.ndim - len(shape)
        stretched = [i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1]
        return kernels.sum(x, (*range(lead), *stretched), True).reshape(shape)

    def vjp(g, x_shape):
        return broadcast_to(g, shape=x_shape)


class CumSum(Op):
    """y[i] = x[0] + ... + x[i] along the axis;  gx[i] = g[i] + ... + g[n-1]."""

    def forward(x, *, axis):
        return kernels.cumsum(x, axis)

    def vjp(g, axis):
        return flip(_cumsum(flip(g, axis), axis=axis), axis)


class CumProd(Op):
    """y[i] = x[0] ... x[i] along the axis;  the gradient is that of log2(n) products of x with
    itself shifted, so that zeros are no harm."""

    def forward(x, *, axis):
        return kernels.cumprod(x, axis)

    def reference(x, *, axis):
        n, step, y = x.shape[axis], 1, x
        head = (slice(None),) * axis
        one = list(x.shape)
        while step < n:  # now y[i] is the product of the last `step` elements up to i
            one[axis] = step
            front = basic_getitem(y, key=(*head, slice(None, n - step), ...))
            y = y * concat([ones(tuple(one), x.dtype), front], axis)
            step *= 2
        return y


_sum = Sum()
_mean = Mean()
_prod = Prod()
max = amax = Max()
min = amin = Min()
sum_to = SumTo()
_cumsum = CumSum()
_cumprod = CumProd()


def sum(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The sum along the axes; small integers and bools add up as int64, as in NumPy.

    >>> tg.ops.sum([[1, 2], [3, 4]], axis=1)
    Tensor([3., 7.])
    """
    if dtype is not None:
        x = asarray(x).astype(dtype)
    return _sum(x, axis=axis, keepdims=keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The mean along the axes; integers give float64, nothing gives NaN.

    >>> tg.ops.mean([[1, 2], [3, 4]], axis=0)
    Tensor([2., 3.])
    """
    if dtype is not None:
        x = asarray(x).astype(dtype)
    return _mean(x, axis=axis, keepdims=keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product along the axes.

    >>> tg.ops.prod([2, 3, 4])
    Tensor(24.)
    """
    if dtype is not None:
        x = asarray(x).astype(dtype)
    return _prod(x, axis=axis, keepdims=keepdims)


@as_one
def var(x: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Any:
    """The mean squared distance from the mean, sum (x - mean)^2 / (n - correction), along the axes.

    ``correction`` is NumPy's ddof: 1 for the unbiased estimate from a sample.

    >>> tg.ops.var([1, 3])
    Tensor(1.)
    """
    if isinstance(x, Placeholder):
        return apply_as_one(var, x, axis, correction, keepdims)
    x = asarray(x)
    n = math.prod([x.shape[i] for i in _all_axes(axis, x.ndim)])
    centred = square(x - mean(x, axis=axis, keepdims=True))
    if correction == 0:
        return mean(centred, axis=axis, keepdims=keepdims)
    return sum(centred, axis=axis, keepdims=keepdims) / builtins.max(n - correction, 0)


@as_one
def std(x: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Any:
    """The square root of `var`. Where it is 0 its gradient is 0, as in PyTorch.

    >>> tg.ops.std([1, 3])
    Tensor(1.)
    """
    if isinstance(x, Placeholder):
        return apply_as_one(std, x, axis, correction, keepdims)
    return sqrt_flat(var(x, axis, correction, keepdims))


def sqrt_flat(x: Any) -> Any:
    """sqrt(x), with slope 0 (not infinite) where x = 0."""
    zero = equal(x, 0)
    return where(zero, 0.0, sqrt(where(zero, 1.0, x)))


def cumsum(x: Any, axis: int | None = None) -> Any:
    """y[i] = x[0] + ... + x[i] along the axis (of x flattened, if None).

    >>> tg.ops.cumsum([1, 2, 3])
    Tensor([1., 3., 6.])
    """
    x = asarray(x) if axis is not None else flatten(x)
    return _cumsum(x, axis=_axis("cumsum", axis or 0, x.ndim))


def cumprod(x: Any, axis: int | None = None) -> Any:
    """y[i] = x[0] ... x[i] along the axis (of x flattened, if None).

    >>> tg.ops.cumprod([1, 2, 3])
    Tensor([1., 2., 6.])
    """
    x = asarray(x) if axis is not None else flatten(x)
    return _cumprod(x, axis=_axis("cumprod", axis or 0, x.ndim))


# --- no gradient ----------------------------------------------------------------------------------


class ArgMax(Op):
    """y = the position of the largest x along the axis (in x flattened, if None); the first at
    ties.

    >>> tg.ops.argmax([1, 7, 7])
    Tensor(1, dtype=int64)
    """

    def forward(x, axis=None, keepdims=False):
        return kernels.argmax(x, axis, keepdims)


class ArgMin(Op):
    """y = the position of the smallest x along the axis (in x flattened, if None); the first at
    ties.

    >>> tg.ops.argmin([3, 1, 1])
    Tensor(1, dtype=int64)
    """

    def forward(x, axis=None, keepdims=False):
        return kernels.argmin(x, axis, keepdims)


def _truth(x: Any) -> Any:
    return x if x.dtype == np.bool_ else kernels.not_equal(x, 0)


class Any_(Op):
    """y = whether some x along the axes is not 0.

    >>> tg.ops.any([0, 1])
    Tensor(True, dtype=bool)
    """

    def forward(x, axis=None, keepdims=False):
        if x.size == 0:
            return np.asarray(np.any(x, axis=axis, keepdims=keepdims))
        return kernels.max(_truth(x), axis, keepdims)


class All(Op):
    """y = whether every x along the axes is not 0.

    >>> tg.ops.all([0, 1])
    Tensor(False, dtype=bool)
    """

    def forward(x, axis=None, keepdims=False):
        if x.size == 0:
            return np.asarray(np.all(x, axis=axis, keepdims=keepdims))
        return kernels.min(_truth(x), axis, keepdims)


class CountNonzero(Op):
    """y = how many x along the axes are not 0.

    >>> tg.ops.count_nonzero([0, 5, 6])
    Tensor(2, dtype=int64)
    """

    def forward(x, axis=None, keepdims=False):
        return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims), np.int64)


argmax = ArgMax()
argmin = ArgMin()
any = Any_()
all = All()
count_nonzero = CountNonzero()


def _all_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes as numbers >= 0."""
    return tuple(range(ndim)) if axis is None else _axes("reduce", axis, ndim)


def _keep(y: Value, x_shape: tuple[Any, ...], axis: Any, keepdims: bool) -> Any:
    """y with the reduced axes put back as axes of length 1, if they were dropped."""
    if keepdims:
        return y
    axes = _all_axes(axis, len(x_shape))
    return reshape(y, shape=tuple([1 if i in axes else n for i, n in enumerate(x_shape)]))
