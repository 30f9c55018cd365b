"""Joining and cutting: tensors put together along an axis, cut, padded and repeated."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Placeholder, apply_as_one, as_one

from .creation import asarray
from .shape import (
    _axis,
    basic_getitem,
    broadcast_to,
    copy,
    expand_dims,
    flatten,
    place,
    reshape,
)


class Concat(Op):
    """y = the xs one after the other along axis;  gx = the part of g that x filled."""

    def forward(*xs, axis=0):
        shape = [*xs[0].shape]
        shape[axis] = sum([x.shape[axis] for x in xs])
        y = kernels.empty(tuple(shape), np.result_type(*xs))
        start = 0
        for x in xs:
            stop = start + x.shape[axis]
            if x.size:
                kernels.copy(x, y[(slice(None),) * axis + (slice(start, stop),)])
            start = stop
        return y

    def vjp(g, xs, axis, needs):
        grads, start = [], 0
        for x, need in zip(xs, needs, strict=True):
            stop = start + x.shape[axis]
            key = (*(slice(None),) * axis, slice(start, stop), ...)
            grads.append(basic_getitem(g, key=key) if need else None)
            start = stop
        return tuple(grads)


class Take(Op):
    """y[o, i] = x[o, indices[i]], rows of an axis;  gx = zeros, g[o, i] added at [o, indices[i]].

    o: the place along the axes before this one.
    """

    def forward(x, indices, *, axis=0):
        return kernels.take(x, indices, axis)

    def vjp(g, x_shape, indices, axis):
        return _scatter_add(g, indices, shape=x_shape, axis=axis), None


class ScatterAdd(Op):
    """y = zeros, x[o, i] added at [o, indices[i]];  gx[o, i] = g[o, indices[i]]."""

    def forward(x, indices, *, shape, axis=0):
        return kernels.scatter_add(x, indices, shape, axis)

    def vjp(g, indices, axis):
        return _take(g, indices, axis=axis), None


_take = Take()
_scatter_add = ScatterAdd()
_concat = Concat()


def concat(xs: Any, axis: int | None = 0) -> Any:
    """The tensors one after the other along an axis (flattened first, if None). Their other lengths
    agree; `concatenate` is the same.

    >>> tg.ops.concat([[1, 2], [3]])
    Tensor([1., 2., 3.])
    """
    xs = _list("concat", xs)
    if axis is None:
        xs, axis = [flatten(x) for x in xs], 0
    ndim = xs[0].ndim
    at = _axis("concat", axis, ndim)
    for i, x in enumerate(xs):
        if x.ndim != ndim:
            raise ValueError(
                f"[concat] Expected as many axes in each, received xs[0].shape={xs[0].shape}, "
                f"xs[{i}].shape={x.shape}."
            )
        for j in range(ndim):
            if j != at and x.shape[j] != xs[0].shape[j]:
                raise ValueError(
                    f"[concat] Lengths along axis {j} differ. Expected equal ones in all axes but "
                    f"axis {at}, received xs[0].shape={xs[0].shape}, xs[{i}].shape={x.shape}."
                )
    return xs[0] if len(xs) == 1 else _concat(*xs, axis=at)


concatenate = concat


def stack(xs: Any, axis: int = 0) -> Any:
    """Tensors of one shape along a new axis.

    >>> tg.ops.stack([[1, 2], [3, 4]], axis=1)
    Tensor([[1., 3.],
            [2., 4.]])
    """
    xs = _list("stack", xs)
    for i, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise ValueError(
                f"[stack] Expected one shape for all, received xs[0].shape={xs[0].shape}, "
                f"xs[{i}].shape={x.shape}."
            )
    shape = xs[0].shape
    at = _axis("stack", axis, len(shape) + 1)
    if at == len(shape):
        return concat([expand_dims(x, at) for x in xs], at)
    return reshape(concat(xs, at), shape=(*shape[:at], len(xs), *shape[at:]))


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """x cut along an axis: into so many equal parts, or at these indices. Views.

    >>> tg.ops.split([1, 2, 3, 4], [1, 3])
    [Tensor([1.]), Tensor([2., 3.]), Tensor([4.])]
    """
    x = asarray(x)
    axis = _axis("split", axis, x.ndim)
    n = x.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        sections = int(indices_or_sections)
        if sections < 1 or n % sections:
            raise ValueError(
                f"[split] Expected a number of parts that divides axis {axis} of length {n}, "
                f"received indices_or_sections={sections}."
            )
        indices = [*range(n // sections, n, n // sections)] if n else [0] * (sections - 1)
    else:
        indices = [int(i) for i in indices_or_sections]
    bounds = zip([0, *indices], [*indices, n], strict=True)
    head = (slice(None),) * axis
    return [basic_getitem(x, key=(*head, slice(i, j), ...)) for i, j in bounds]


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The parts of x along an axis, without that axis. Views.

    >>> tg.ops.unstack([[1, 2], [3, 4]])
    (Tensor([1., 2.]), Tensor([3., 4.]))
    """
    x = asarray(x)
    head = (slice(None),) * _axis("unstack", axis, x.ndim)
    return tuple([basic_getitem(x, key=(*head, i, ...)) for i in range(x.shape[axis])])


@as_one
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """x with ``pad_width`` more elements before and after each axis.

    Args:
        x: any shape.
        pad_width: ((before, after), ...) per axis, one pair for all, or one number for all.
        mode: "constant", or "edge", "reflect", "symmetric", "wrap" as in `numpy.pad`.
        constant_values: one number, for mode "constant".

    >>> tg.ops.pad([1, 2], (1, 2))
    Tensor([0., 1., 2., 0., 0.])
    """
    if isinstance(x, Placeholder):
        return apply_as_one(pad, x, pad_width, mode, constant_values)
    x = asarray(x)
    width = np.asarray(pad_width)
    if width.dtype.kind not in "iu" or (width < 0).any() or width.size not in (1, 2, 2 * x.ndim):
        raise ValueError(
            "[pad] Expected pad_width as ((before, after), ...) per axis, all >= 0, received "
            f"pad_width={pad_width!r} for x.shape={x.shape}."
        )
    pairs = np.broadcast_to(width, (x.ndim, 2)).tolist()
    if mode != "constant":  # the padding repeats elements of x: find which, axis by axis
        for axis, pair in enumerate(pairs):
            if any(pair):
                places: Any = np.pad  # mode may be any text: NumPy names those it knows
                x = _take(x, places(np.arange(x.shape[axis]), pair, mode), axis=axis)
        return x
    if np.ndim(constant_values) != 0:
        raise ValueError(
            f"[pad] Expected one number, received constant_values={constant_values!r}."
        )
    shape = tuple([lo + n + hi for (lo, hi), n in zip(pairs, x.shape, strict=True)])
    key = tuple([slice(lo, lo + n) for (lo, _), n in zip(pairs, x.shape, strict=True)])
    return place(x, shape=shape, key=(*key, ...), value=float(constant_values))


@as_one
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """x moved along the axes; what leaves at the end comes back at the start.

    >>> tg.ops.roll([1, 2, 3], 1)
    Tensor([3., 1., 2.])
    """
    if isinstance(x, Placeholder):
        return apply_as_one(roll, x, shift, axis)
    x = asarray(x)
    if axis is None:
        return reshape(roll(flatten(x), shift, 0), shape=x.shape)
    shifts, axes = np.ravel(shift).tolist(), np.ravel(axis).tolist()
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"[roll] Expected a shift per axis, received shift={shift}, axis={axis}.")
    for by, i in zip(shifts, axes, strict=True):
        i = _axis("roll", i, x.ndim)
        if x.shape[i] and by % x.shape[i]:
            x = concat(split(x, [x.shape[i] - by % x.shape[i]], i)[::-1], i)
    return x


@as_one
def tile(x: Any, repeats: Any) -> Any:
    """x repeated as a whole, ``repeats[i]`` times along axis i.

    >>> tg.ops.tile([1, 2], 2)
    Tensor([1., 2., 1., 2.])
    """
    if isinstance(x, Placeholder):
        return apply_as_one(tile, x, repeats)
    x = asarray(x)
    repeats = (repeats,) if isinstance(repeats, (int, np.integer)) else tuple(repeats)
    ndim = builtins.max(x.ndim, len(repeats))
    repeats = (1,) * (ndim - len(repeats)) + repeats
    shape = (1,) * (ndim - x.ndim) + x.shape
    apart = tuple([n for pair in zip((1,) * ndim, shape, strict=True) for n in pair])
    wide = tuple([n for pair in zip(repeats, shape, strict=True) for n in pair])
    merged = tuple([r * n for r, n in zip(repeats, shape, strict=True)])
    return reshape(broadcast_to(reshape(x, shape=apart), shape=wide), shape=merged)


@as_one
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element repeated, along an axis (flattened first, if None).

    >>> tg.ops.repeat([1, 2], 2)
    Tensor([1., 1., 2., 2.])
    """
    if isinstance(x, Placeholder):
        return apply_as_one(repeat, x, repeats, axis)
    x = flatten(x) if axis is None else asarray(x)
    at = _axis("repeat", axis or 0, x.ndim)
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or (counts < 0).any():
        raise ValueError(f"[repeat] Expected integers >= 0, received repeats={repeats!r}.")
    if counts.size != 1:
        if counts.shape != (x.shape[at],):
            raise ValueError(
                f"[repeat] Expected one count, or one per element of axis {at} of length "
                f"{x.shape[at]}, received repeats={repeats!r}."
            )
        return _take(x, np.repeat(np.arange(x.shape[at]), counts), axis=at)
    head, tail = x.shape[: at + 1], x.shape[at + 1 :]
    n = int(counts.reshape(()))
    wide = broadcast_to(reshape(x, shape=(*head, 1, *tail)), shape=(*head, n, *tail))
    return reshape(wide, shape=(*head[:-1], head[-1] * n, *tail))


def meshgrid(*xs: Any, indexing: str = "xy") -> list[Any]:
    """Coordinate matrices of the vectors ``xs``; "xy" swaps the first two axes of the results.

    >>> tg.ops.meshgrid([1, 2], [3])
    [Tensor([[1., 2.]]), Tensor([[3., 3.]])]
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"[meshgrid] Expected 'xy' or 'ij', received indexing={indexing!r}.")
    vectors = [flatten(x) for x in xs]
    order = [*range(len(vectors))]
    if indexing == "xy" and len(vectors) > 1:
        order[0], order[1] = 1, 0
    shape = tuple([vectors[i].size for i in order])
    grids = []
    for i, x in enumerate(vectors):
        line = tuple([-1 if order[j] == i else 1 for j in range(len(order))])
        grids.append(copy(broadcast_to(reshape(x, shape=line), shape=shape)))
    return grids


def _list(op: str, xs: Any) -> list[Any]:
    xs = [asarray(x) for x in xs]
    if not xs:
        raise ValueError(f"[{op}] Expected at least one tensor, received none.")
    return xs
