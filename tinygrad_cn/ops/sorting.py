"""Order: sorting, the largest few, the middle one. A sort is a permutation, found without gradient
and then applied by `take_along_axis`, which has one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn.op import Op

from .comparison import isnan
from .creation import asarray
from .elementwise import where
from .indexing import take_along_axis
from .reduction import mean
from .shape import _all_as_one, _axis, basic_getitem, flatten


class ArgSort(Op):
    """y = the positions that put x in order along the axis; equal elements keep theirs, NaN is
    last."""

    def forward(x, *, axis, descending):
        if not descending:
            return np.argsort(x, axis, stable=True)
        back = np.argsort(np.flip(x, axis), axis, stable=True)  # flipped, so that ties keep order
        return np.flip(x.shape[axis] - 1 - back, axis)


_argsort = ArgSort()


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
    return take_along_axis(x, _argsort(x, axis=at, descending=descending), at)


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
    order = _argsort(x, axis=at, descending=True)
    order = basic_getitem(order, key=((slice(None),) * at + (slice(0, k), ...)))
    return take_along_axis(x, order, at), order


top_k = topk


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle element along the axes, the mean of the two middle ones of an even number; NaN if
    there is one.

    >>> tg.ops.median([5, 1, 3])
    Tensor(3.)
    """
    x = asarray(x)
    rows, restore = _all_as_one("median", x, axis, keepdims)
    n = rows.shape[-1]
    if n == 0:
        return restore(mean(rows, axis=-1))
    ordered = sort(rows)
    middle = basic_getitem(ordered, key=(..., slice((n - 1) // 2, n // 2 + 1)))
    last = basic_getitem(ordered, key=(..., slice(n - 1, n)))  # NaN, if there is one
    return restore(mean(where(isnan(last), last, middle), axis=-1))
