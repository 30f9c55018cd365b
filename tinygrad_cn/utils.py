"""Small helps around training, under Keras's names."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from . import random
from .data import PyDataset, pack_x_y_sample_weight, unpack_x_y_sample_weight
from .layers.layer import forget_names
from .model_plot import plot_model
from .op import Value
from .registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)  # fmt: skip
from .symbolic import SymbolicTensor

__all__ = [
    "PyDataset", "Sequence", "clear_session", "custom_object_scope", "deserialize_keras_object",
    "get_registered_name", "get_registered_object", "is_keras_tensor", "normalize",
    "pack_x_y_sample_weight", "pad_sequences", "plot_model", "register_keras_serializable",
    "serialize_keras_object", "set_random_seed", "to_categorical", "unpack_x_y_sample_weight",
]  # fmt: skip

Sequence = PyDataset


def set_random_seed(seed: int) -> None:
    """Start all generators from one seed: this package's, NumPy's and Python's. The same seed gives
    the same training, bit for bit, for any number of threads.

    >>> tg.utils.set_random_seed(0)
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"[set_random_seed] Expected 0 <= seed < 2**32, received seed={seed!r}.")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    random.seed(int(seed))


def clear_session(free_memory: bool = True) -> None:
    """Start counting the names of layers again: the next Dense is "dense"."""
    forget_names()


def is_keras_tensor(x: Any) -> bool:
    """Whether x is a symbolic tensor, as ``Input()`` gives."""
    return isinstance(x, SymbolicTensor)


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Class numbers as rows with a single 1.

    Args:
        x: integers, (...) or (..., 1).
        num_classes: the length of a row; the largest number plus 1 when None.

    Returns:
        (..., num_classes) of dtype float64, as in Keras.

    >>> tg.utils.to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    labels = np.asarray(x.data if isinstance(x, Value) else x).astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    n = int(labels.max(initial=-1)) + 1 if num_classes is None else int(num_classes)
    if labels.size and (labels.min() < 0 or labels.max() >= n):
        raise ValueError(
            f"[to_categorical] Expected 0 <= class < {n}, received classes from {labels.min()} to "
            f"{labels.max()}."
        )
    return np.eye(n)[labels]


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """x divided by its norms along an axis (by 1 where the norm is 0).

    >>> tg.utils.normalize([[3.0, 4.0]])
    array([[0.6, 0.8]])
    """
    array = np.asarray(x.data if isinstance(x, Value) else x)
    norms = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norms == 0, 1, norms)


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array.

    Args:
        sequences: a list of lists.
        maxlen: the length of all; that of the longest when None.
        dtype: of the array.
        padding, truncating: "pre" or "post": where values are added or cut.
        value: what is added.

    Returns:
        (the number of sequences, maxlen, ...).

    >>> tg.utils.pad_sequences([[1], [2, 3]])
    array([[0, 1],
           [2, 3]], dtype=int32)
    """
    for name, where in (("padding", padding), ("truncating", truncating)):
        if where not in ("pre", "post"):
            raise ValueError(
                f"[pad_sequences] Expected {name} 'pre' or 'post', received {where!r}."
            )
    rows = [np.asarray(row) for row in sequences]
    n = max([len(row) for row in rows], default=0) if maxlen is None else int(maxlen)
    inner = next((row.shape[1:] for row in rows if len(row)), ())
    padded = np.full((len(rows), n, *inner), value, dtype)
    for to, row in zip(padded, rows, strict=True):
        if not len(row) or not n:
            continue
        if row.shape[1:] != inner:
            raise ValueError(
                f"[pad_sequences] Expected steps of shape {inner} everywhere, received "
                f"{row.shape[1:]}."
            )
        kept = row[-n:] if truncating == "pre" else row[:n]
        if padding == "pre":
            to[n - len(kept) :] = kept
        else:
            to[: len(kept)] = kept
    return padded
