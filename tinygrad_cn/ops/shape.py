"""Shape: the same values, arranged otherwise. A rearrangement that NumPy can express by strides is
a view: it copies nothing, and shares memory with its input. Copies go through ``kernels.copy``.

The views are closed under differentiation: reshape undoes reshape, a permutation its inverse,
broadcasting is undone by summing, and a slice by placing it into zeros (``getitem`` and ``place``).
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Placeholder

from .creation import asarray, filled


class Reshape(Op):
    """y = the elements of x in row-major order, in another shape;  gx = g in the shape of x.

    One length may be -1. The result is a view, unless the strides of x cannot say it.

    >>> tg.ops.reshape([1, 2, 3, 4], (2, -1))
    Tensor([[1., 2.],
            [3., 4.]])
    """

    def forward(x, *, shape):
        try:
            return x.reshape(shape, copy=False)
        except ValueError:  # strides cannot say it, or it has another size
            if _fills(shape, x.size):
                return kernels.copy(x).reshape(shape)
            raise ValueError(
                f"[reshape] {x.size} elements do not fill the shape. Expected lengths whose "
                f"product is {x.size} (one may be -1), received x.shape={x.shape}, shape={shape}."
            ) from None

    def vjp(g, x_shape):
        return reshape(g, shape=x_shape)


def _fills(shape, size):
    lengths = np.ravel(shape).tolist()
    known = math.prod([n for n in lengths if n != -1])
    if min(lengths, default=0) < -1 or lengths.count(-1) > 1:
        return False
    return known == size if -1 not in lengths else known > 0 and size % known == 0


class PermuteDims(Op):
    """y[i_axes[0], i_axes[1], ...] = x[i_0, i_1, ...];  gx by the inverse permutation.

    Axis i of the result is axis ``axes[i]`` of x: a view.

    >>> tg.ops.permute_dims(np.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """

    def forward(x, *, axes):
        return x.transpose(axes)

    def vjp(g, axes):
        return permute_dims(g, axes=tuple(np.argsort(axes).tolist()))


class BroadcastTo(Op):
    """y = x repeated along new axes and axes of length 1;  gx = g summed over them."""

    def forward(x, *, shape):
        try:
            return np.broadcast_to(x, shape)
        except ValueError:
            raise ValueError(
                "[broadcast_to] the shape is no broadcast of x. Expected lengths that end in "
                f"those of x, where x has not 1, received x.shape={np.shape(x)}, shape={shape}."
            ) from None

    def vjp(g):
        return g  # the engine sums it back to the shape of x


class Astype(Op):
    """y = x in another dtype;  gx = g in the dtype of x."""

    def forward(x, *, dtype):
        return kernels.copy(x, kernels.empty(x.shape, np.dtype(dtype)))

    def vjp(g):
        return g  # the engine casts it back


class Copy(Op):
    """y = x in memory of its own;  gx = g."""

    def forward(x):
        return kernels.copy(x)

    def vjp(g):
        return g


class GetItem(Op):
    """y = x[key], a view, for a key of integers, slices, None and ...;  gx = zeros with g at
    key."""

    def forward(x, *, key):
        return x[key]

    def vjp(g, x_shape, key):
        return place(g, shape=x_shape, key=key)


class Place(Op):
    """y = x at key, ``value`` elsewhere;  gx = g[key]."""

    def forward(x, *, shape, key, value=0):
        y = filled(shape, x.dtype, value)
        if x.size:
            kernels.copy(x, y[key])
        return y

    def vjp(g, key):
        return basic_getitem(g, key=key)


reshape = Reshape()
permute_dims = PermuteDims()
broadcast_to = BroadcastTo()
_astype = Astype()
copy = Copy()
basic_getitem = GetItem()
place = Place()


# --- views ----------------------------------------------------------------------------------------


def transpose(x: Any, axes: Any = None) -> Any:
    """x with its axes reversed, or in the order ``axes`` (then `permute_dims`). A view.

    >>> tg.ops.transpose([[1, 2]])
    Tensor([[1.],
            [2.]])
    """
    x = asarray(x)
    axes = tuple(range(x.ndim))[::-1] if axes is None else _axes("transpose", axes, x.ndim)
    if len(axes) != x.ndim:
        raise ValueError(
            f"[transpose] Expected each of {x.ndim} axes once, received axes={tuple(axes)}."
        )
    return permute_dims(x, axes=axes)


def matrix_transpose(x: Any) -> Any:
    """x with its last two axes swapped. A view."""
    x = asarray(x)
    if x.ndim < 2:
        raise ValueError(f"[matrix_transpose] Expected 2 axes or more, received x.shape={x.shape}.")
    return permute_dims(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged. A view.

    >>> tg.ops.swapaxes(np.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    x = asarray(x)
    i, j = _axis("swapaxes", axis1, x.ndim), _axis("swapaxes", axis2, x.ndim)
    axes = [*range(x.ndim)]
    axes[i], axes[j] = j, i
    return permute_dims(x, axes=tuple(axes))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """x with the axes ``source`` moved to ``destination``, the others in order. A view.

    >>> tg.ops.moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = asarray(x)
    source = _axes("moveaxis", source, x.ndim)
    destination = _axes("moveaxis", destination, x.ndim)
    if len(source) != len(destination):
        raise ValueError(
            "[moveaxis] Expected as many destinations as sources, received "
            f"source={source}, destination={destination}."
        )
    axes = [i for i in range(x.ndim) if i not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        axes.insert(to, axis)
    return permute_dims(x, axes=tuple(axes))


def expand_dims(x: Any, axis: Any) -> Any:
    """x with new axes of length 1 at these places of the result. A view.

    >>> tg.ops.expand_dims([1, 2], 0)
    Tensor([[1., 2.]])
    """
    x = asarray(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    axes, lengths = _axes("expand_dims", axis, ndim), iter(x.shape)
    return reshape(x, shape=tuple([1 if i in axes else next(lengths) for i in range(ndim)]))


def squeeze(x: Any, axis: Any = None) -> Any:
    """x without its axes of length 1, or without those of them that ``axis`` names. A view.

    >>> tg.ops.squeeze([[1], [2]], -1)
    Tensor([1., 2.])
    """
    x = asarray(x)
    if axis is None:
        return reshape(x, shape=tuple([n for n in x.shape if n != 1]))
    axes = _axes("squeeze", axis, x.ndim)
    if any(x.shape[i] != 1 for i in axes):
        raise ValueError(
            f"[squeeze] Expected axes of length 1, received x.shape={x.shape}, axis={axis}."
        )
    return reshape(x, shape=tuple([n for i, n in enumerate(x.shape) if i not in axes]))


def flatten(x: Any) -> Any:
    """x with one axis, in row-major order. A view where possible; `ravel` is the same.

    >>> tg.ops.flatten([[1, 2], [3, 4]])
    Tensor([1., 2., 3., 4.])
    """
    return reshape(x, shape=(-1,))


ravel = flatten


def flip(x: Any, axis: Any = None) -> Any:
    """x in reverse order along the axes (all, if None). A view.

    >>> tg.ops.flip([1, 2, 3])
    Tensor([3., 2., 1.])
    """
    x = asarray(x)
    axes = range(x.ndim) if axis is None else _axes("flip", axis, x.ndim)
    key = tuple([slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim)])
    return basic_getitem(x, key=(*key, ...))


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements x[i, i + offset] over two axes, as the last axis of the result. A view.

    >>> tg.ops.diagonal([[1, 2], [3, 4]])
    Tensor([1., 4.])
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ValueError(f"[diagonal] Expected 2 axes or more, received x.shape={x.shape}.")
    if _axis("diagonal", axis1, x.ndim) == _axis("diagonal", axis2, x.ndim):
        raise ValueError(f"[diagonal] Expected two axes, received axis1={axis1}, axis2={axis2}.")
    return _diagonal(moveaxis(x, (axis1, axis2), (-2, -1)), offset=offset)


class Diagonal(Op):
    """y[..., i] = x[..., i, i + offset];  gx = g on that diagonal, zeros elsewhere."""

    def forward(x, *, offset):
        return np.diagonal(x, offset, -2, -1)

    def vjp(g, x_shape, offset):
        return place_diagonal(g, shape=x_shape, offset=offset)


class PlaceDiagonal(Op):
    """y[..., i, i + offset] = x[..., i], zeros elsewhere;  gx = the diagonal of g."""

    def forward(x, *, shape, offset):
        y = filled(shape, x.dtype)
        target = np.diagonal(y, offset, -2, -1)
        target.flags.writeable = True  # NumPy hands out diagonals read-only; y is ours
        if x.size:
            kernels.copy(x, target)
        return y

    def vjp(g, offset):
        return _diagonal(g, offset=offset)


_diagonal = Diagonal()
place_diagonal = PlaceDiagonal()


def diag(x: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or the matrix with this vector on its k-th diagonal.

    >>> tg.ops.diag([1, 2])
    Tensor([[1., 0.],
            [0., 2.]])
    """
    x = asarray(x)
    if x.ndim == 1:
        n = x.shape[0] + builtins.abs(k)
        return place_diagonal(x, shape=(n, n), offset=k)
    if x.ndim != 2:
        raise ValueError(f"[diag] Expected a vector or a matrix, received x.shape={x.shape}.")
    return _diagonal(x, offset=k)


def tril(x: Any, k: int = 0) -> Any:
    """x with zeros above the k-th diagonal of its last two axes.

    >>> tg.ops.tril([[1, 2], [3, 4]])
    Tensor([[1., 0.],
            [3., 4.]])
    """
    x = asarray(x)
    return _keep_where(x, np.tri(*_matrix("tril", x), k, dtype=bool))


def triu(x: Any, k: int = 0) -> Any:
    """x with zeros below the k-th diagonal of its last two axes.

    >>> tg.ops.triu([[1, 2], [3, 4]])
    Tensor([[1., 2.],
            [0., 4.]])
    """
    x = asarray(x)
    return _keep_where(x, ~np.tri(*_matrix("triu", x), k - 1, dtype=bool))


class KeepWhere(Op):
    """y = x where the constant mask holds, else 0;  gx = g there, else 0."""

    def forward(x, mask):
        return kernels.where(mask, x, x.dtype.type(0))

    def vjp(g, mask):
        return _keep_where(g, mask), None


_keep_where = KeepWhere()


def _matrix(op: str, x: Any) -> tuple[int, int]:
    if x.ndim < 2:
        raise ValueError(f"[{op}] Expected 2 axes or more, received x.shape={x.shape}.")
    return x.shape[-2:]


def astype(x: Any, dtype: Any) -> Any:
    """x in another dtype (a copy); `cast` is the same. Only floats carry gradients on.

    >>> tg.ops.astype([1.5, -1.5], "int64")
    Tensor([ 1, -1], dtype=int64)
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf":
        raise TypeError(f"[astype] Expected bool, an integer or a float, received dtype={dtype}.")
    if not hasattr(x, "dtype"):  # Python numbers: not by way of float32
        return asarray(x, dtype)
    y = _astype(x, dtype=dtype)
    return y if dtype.kind == "f" or isinstance(y, Placeholder) else y.detach()


cast = astype


def _all_as_one(op: str, x: Any, axis: Any, keepdims: bool) -> tuple[Any, Any]:
    """x with some axes made one, at the end; and what gives a result without it its right shape."""
    axes = tuple(range(x.ndim)) if axis is None else _axes(op, axis, x.ndim)
    kept = tuple([i for i in range(x.ndim) if i not in axes])
    shape = tuple([x.shape[i] for i in kept])
    final = shape
    if keepdims:
        final = tuple([1 if i in axes else n for i, n in enumerate(x.shape)])
    n = math.prod([x.shape[i] for i in axes])
    rows = reshape(moveaxis(x, kept, tuple(range(len(kept)))), shape=(*shape, n))
    return rows, lambda y: reshape(y, shape=final)


def _axis(op: str, axis: Any, ndim: int) -> int:
    try:
        return normalize_axis_index(axis, ndim)
    except (ValueError, TypeError) as error:
        raise type(error)(
            f"[{op}] axis is out of range. Expected an integer, -{ndim} <= axis < {ndim}, "
            f"received axis={axis!r}."
        ) from None


def _axes(op: str, axis: Any, ndim: int) -> tuple[int, ...]:
    try:
        return normalize_axis_tuple(axis, ndim)
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"[{op}] bad axes. Expected different integers, -{ndim} <= axis < {ndim}, "
            f"received axis={axis!r}."
        ) from None
