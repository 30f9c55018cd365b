"""Order: sorting, the largest few, the middle one. The gradient of a sort goes back through its
permutation, which has none itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.kernels import reference
from tinygrad_cn.op import Op, Placeholder, apply_as_one, as_one

from .comparison import isnan
from .creation import asarray
from .elementwise import where
from .indexing import _add_along_axis, take_along_axis
from .reduction import mean
from .shape import _all_as_one, _axis, basic_getitem, flatten


class ArgSort(Op):
    """y = the positions that put x in order along the axis; equal elements keep theirs, NaN is
    last."""

    def forward(x, *, axis, descending):
        if x.dtype == np.float32 and x.shape[axis] < 2**31:
            return _argsort_float32(x, axis, descending)
        if not descending:
            return np.argsort(x, axis, stable=True)
        return np.moveaxis(reference.top_k(np.moveaxis(x, axis, -1), x.shape[axis]), -1, axis)


def _argsort_float32(x, axis, descending):
    """The same by sorting int64: the number, as an integer of the same order, and below it its
    position. NumPy sorts such keys with vectors, four times as fast as it finds a stable order."""
    x = np.moveaxis(x, axis, -1)
    bits = (x + np.float32(0)).view(np.int32)  # -0 becomes 0
    number = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)
    number = np.where(np.isnan(x), np.int32(0x7FFFFFFF), number)
    key = np.left_shift(~number if descending else number, 32, dtype=np.int64)
    key |= np.arange(x.shape[-1])
    key.sort(axis=-1)
    return np.moveaxis(key & 0xFFFFFFFF, -1, axis)


class Sort(Op):
    """y = x in order along the axis;  gx = zeros to which g is added where y came from."""

    def forward(x, *, axis, descending):
        y = np.sort(x, axis)
        return np.flip(y, axis) if descending else y

    def vjp(g, x, axis, descending):
        order = _argsort(x, axis=axis, descending=descending)
        return _add_along_axis(g, order, length=g.shape[axis], axis=axis)


class TopK(Op):
    """y = the positions of the k largest along the axis, the largest first; of equal elements the
    first one first, NaN above all."""

    def forward(x, *, k, axis):
        return np.moveaxis(kernels.top_k(np.moveaxis(x, axis, -1), k), -1, axis)


_argsort = ArgSort()
_sort = Sort()
_top_k = TopK()


def argsort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    """The positions that put x in order along an axis (of x flattened, if None). Stable: of equal
    elements the first comes first.

    >>> tg.ops.argsort([3, 1, 2])
    Tensor([1, 2, 0], dtype=int64)
    """
    x = flatten(x) if axis is None else asarray(x)
    at = _axis("argsort", -1 if axis is None else axis, x.ndim)
    return _argsort(x, axis=at, descending=descending)


def sort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    """x in order along an axis (flattened, if None); the gradient goes where each element came
    from.

    >>> tg.ops.sort([3, 1, 2])
    Tensor([1., 2., 3.])
    """
    x = flatten(x) if axis is None else asarray(x)
    at = _axis("sort", -1 if axis is None else axis, x.ndim)
    return _sort(x, axis=at, descending=descending)


def topk(x: Any, k: int, axis: int = -1, sorted: bool = True) -> tuple[Any, Any]:
    """The k largest elements along the axis, the largest first, and their positions; `top_k` is the
    same. ``sorted`` is accepted for Keras's sake: they are always in order.

    >>> tg.ops.topk([1, 9, 5], 2)
    (Tensor([9., 5.]), Tensor([1, 2], dtype=int64))
    """
    x = asarray(x)
    at = _axis("topk", axis, x.ndim)
    if not 0 <= k <= x.shape[at]:
        raise ValueError(f"[topk] Expected 0 <= k <= {x.shape[at]}, received k={k}.")
    order = _top_k(x, k=k, axis=at)
    return take_along_axis(x, order, at), order


top_k = topk


@as_one
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle element along the axes, the mean of the two middle ones of an even number; NaN if
    there is one.

    >>> tg.ops.median([5, 1, 3])
    Tensor(3.)
    """
    if isinstance(x, Placeholder):
        return apply_as_one(median, x, axis, keepdims)
    x = asarray(x)
    rows, restore = _all_as_one("median", x, axis, keepdims)
    n = rows.shape[-1]
    if n == 0:
        return restore(mean(rows, axis=-1))
    ordered = sort(rows)
    middle = basic_getitem(ordered, key=(..., slice((n - 1) // 2, n // 2 + 1)))
    last = basic_getitem(ordered, key=(..., slice(n - 1, n)))  # NaN, if there is one
    return restore(mean(where(isnan(last), last, middle), axis=-1))
