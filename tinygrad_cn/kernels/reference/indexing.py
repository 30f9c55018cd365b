"""Gather rows or single elements and add them back, in plain NumPy."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _check_indices(op: str, indices: Array, n_rows: int) -> None:
    if indices.dtype.kind not in "iu":
        raise IndexError(
            f"[{op}] indices are not integers. Expected an integer dtype, "
            f"received indices.dtype={indices.dtype}."
        )
    bad = (indices < -n_rows) | (indices >= n_rows)
    if bad.any():
        at = int(np.argmax(bad))
        raise IndexError(
            f"[{op}] an index is out of range. Expected {-n_rows} <= index < {n_rows}, "
            f"received indices[{at}]={indices.reshape(-1)[at]}."
        )


def take(x: Any, indices: Any, axis: int = 0) -> Array:
    """y[o, i] = x[o, indices[i]]: rows of an axis; a negative index counts from the end.

    x (O, V, ...) and indices of any shape (I) give (O, I, ...), O all axes before this one.
    """
    x, indices = np.asarray(x), np.asarray(indices)
    if not 0 <= axis < x.ndim:
        raise ValueError(
            f"[take] x has no axis {axis}. Expected x.ndim >= {axis + 1}, received x.ndim={x.ndim}."
        )
    _check_indices("take", indices, x.shape[axis])
    return np.asarray(np.take(x, indices.astype(np.intp), axis), x.dtype.newbyteorder("="))


def scatter_add(g: Any, indices: Any, shape: tuple[int, ...], axis: int = 0) -> Array:
    """An array of zeros of `shape` where y[o, indices[i]] += g[o, i], in the order of i.

    The gradient of take: g (O, I, ...) and indices (I) give `shape` = (O, V, ...).
    """
    g, indices, shape = np.asarray(g), np.asarray(indices), tuple(shape)
    if not 0 <= axis < len(shape) or g.shape != shape[:axis] + indices.shape + shape[axis + 1 :]:
        raise ValueError(
            "[scatter_add] shapes do not match. Expected g.shape == shape[:axis] + indices.shape + "
            f"shape[axis + 1:], received g.shape={g.shape}, indices.shape={indices.shape}, "
            f"shape={shape}, axis={axis}."
        )
    _check_indices("scatter_add", indices, shape[axis])
    y = np.zeros(shape, dtype=g.dtype.newbyteorder("="))
    np.add.at(y, (slice(None),) * axis + (indices.astype(np.intp),), g)
    return y


def take_along_axis(x: Any, indices: Any, axis: int) -> Array:
    """y[i, j, k] = x[i, indices[i, j, k], k], j along the axis; a negative index counts from the
    end. All but this axis of x and indices agree; y has the shape of indices.
    """
    x, indices = np.asarray(x), np.asarray(indices)
    _check_columns("take_along_axis", indices, x.shape, axis)
    return np.take_along_axis(x, indices.astype(np.intp), axis)


def add_along_axis(g: Any, indices: Any, axis: int, length: int) -> Array:
    """Zeros, with `length` elements along the axis, where y[i, indices[i, j, k], k] += g[i, j, k],
    in the order of j: the gradient of take_along_axis. g and indices have the same shape.
    """
    g, indices = np.asarray(g), np.asarray(indices)
    shape = (*g.shape[:axis], length, *g.shape[axis + 1 :])
    if g.shape != indices.shape:
        raise ValueError(
            "[add_along_axis] shapes do not match. Expected g.shape == indices.shape, received "
            f"g.shape={g.shape}, indices.shape={indices.shape}."
        )
    _check_columns("add_along_axis", indices, shape, axis)
    y = np.zeros(shape, dtype=g.dtype.newbyteorder("="))
    at: list[Array] = list(np.ogrid[tuple([slice(n) for n in g.shape])])
    at[axis] = indices.astype(np.intp)
    np.add.at(y, tuple(at), g)
    return y


def _check_columns(op: str, indices: Array, shape: tuple[int, ...], axis: int) -> None:
    if not 0 <= axis < len(shape):
        raise ValueError(f"[{op}] Expected 0 <= axis < {len(shape)}, received axis={axis}.")
    like = (*shape[:axis], *indices.shape[axis : axis + 1], *shape[axis + 1 :])
    if indices.shape != like:
        raise ValueError(
            f"[{op}] shapes do not match. Expected them to agree but for axis {axis}, received "
            f"{shape} and indices.shape={indices.shape}."
        )
    _check_indices(op, indices, shape[axis])
