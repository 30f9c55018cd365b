"""Reductions over any axes in plain NumPy.

`axis` is None (all axes), an integer or a tuple, as in NumPy; NaN wins in max, min, argmax and
argmin; the sum of nothing is 0, its product 1, its mean NaN, and its maximum a ValueError.
"""

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

Array = np.ndarray[Any, Any]
Axis = int | tuple[int, ...] | None


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum of the elements along axis; float32 stays float32."""
    with np.errstate(all="ignore"):
        return np.asarray(np.sum(x, axis=axis, keepdims=keepdims))


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum over the number of elements; integers give float64, nothing gives NaN."""
    x = np.asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    n = math.prod(x.shape[i] for i in axes)
    dtype = x.dtype.newbyteorder("=") if x.dtype.kind == "f" else np.dtype(np.float64)
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype  # as NumPy: float16 overflows
    with np.errstate(all="ignore"):
        y = np.sum(x, axis=axes, keepdims=keepdims, dtype=wide) / wide.type(n)
    return np.asarray(y, dtype=dtype)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """The product of the elements along axis."""
    with np.errstate(all="ignore"):
        return np.asarray(np.prod(x, axis=axis, keepdims=keepdims))


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element along axis; NaN if there is one."""
    with np.errstate(all="ignore"):
        return np.asarray(np.max(x, axis=axis, keepdims=keepdims))


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element along axis; NaN if there is one."""
    with np.errstate(all="ignore"):
        return np.asarray(np.min(x, axis=axis, keepdims=keepdims))


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Array:
    """The position (int64) of the first largest element; of the first NaN if there is one."""
    return np.asarray(np.argmax(x, axis=axis, keepdims=keepdims), dtype=np.int64)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Array:
    """The position (int64) of the first smallest element; of the first NaN if there is one."""
    return np.asarray(np.argmin(x, axis=axis, keepdims=keepdims), dtype=np.int64)


def top_k(x: Any, k: int) -> Array:
    """The positions (int64) of the k largest along the last axis, the largest first; of equal
    elements the first one comes first, and NaN is above all."""
    n = x.shape[-1]
    if not 0 <= k <= n:
        raise ValueError(f"[top_k] Expected 0 <= k <= {n}, received k={k}.")
    back = np.argsort(np.flip(x, -1), -1, stable=True)  # flipped, so that ties keep their order
    return np.asarray((n - 1 - np.flip(back, -1))[..., :k], dtype=np.int64)


def cumsum(x: Any, axis: int) -> Array:
    """y[i] = x[0] + ... + x[i] along axis."""
    with np.errstate(all="ignore"):
        return np.asarray(np.cumsum(x, axis=axis))


def cumprod(x: Any, axis: int) -> Array:
    """y[i] = x[0] ... x[i] along axis."""
    with np.errstate(all="ignore"):
        return np.asarray(np.cumprod(x, axis=axis))
