"""Gather rows and add rows back, in plain NumPy."""

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


def take(x: Any, indices: Any) -> Array:
    """y[i] = x[indices[i]]: rows of axis 0; a negative index counts from the end.

    x (V, ...) and indices of any shape (I) give (I, ...).
    """
    x, indices = np.asarray(x), np.asarray(indices)
    if x.ndim == 0:
        raise ValueError("[take] x has no axis 0. Expected x.ndim >= 1, received x.ndim=0.")
    _check_indices("take", indices, x.shape[0])
    return np.asarray(x[indices.astype(np.intp)], dtype=x.dtype.newbyteorder("="))


def scatter_add(g: Any, indices: Any, shape: tuple[int, ...]) -> Array:
    """An array of zeros of `shape` where y[indices[i]] += g[i], in the order of i.

    The gradient of take: g (I, ...) and indices (I) give `shape` = (V, ...).
    """
    g, indices, shape = np.asarray(g), np.asarray(indices), tuple(shape)
    if not shape or g.shape != indices.shape + shape[1:]:
        raise ValueError(
            "[scatter_add] shapes do not match. Expected g.shape == indices.shape + shape[1:], "
            f"received g.shape={g.shape}, indices.shape={indices.shape}, shape={shape}."
        )
    _check_indices("scatter_add", indices, shape[0])
    y = np.zeros(shape, dtype=g.dtype.newbyteorder("="))
    np.add.at(y, indices.astype(np.intp), g)
    return y
