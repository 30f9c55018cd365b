"""Softmax, its logarithm and the cross-entropy in plain NumPy.

The largest element is subtracted first, so that exp never overflows. A slice whose elements are
all -inf has no largest finite one: its softmax is NaN, as the formula gives (and as in PyTorch).
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _floating(x: Any) -> Array:
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def softmax(x: Any, axis: int = -1) -> Array:
    """y = e^x / sum e^x along axis."""
    x = _floating(x)
    with np.errstate(all="ignore"):
        e = np.exp(x - np.max(x, axis=axis, keepdims=True)) if x.size else np.exp(x)
        return np.asarray(e / np.sum(e, axis=axis, keepdims=True))


def softmax_grad(g: Any, y: Any, axis: int = -1) -> Array:
    """gx = y (g - sum g y)."""
    with np.errstate(all="ignore"):
        return np.asarray(y * (g - np.sum(g * y, axis=axis, keepdims=True)))


def log_softmax(x: Any, axis: int = -1) -> Array:
    """y = x - ln sum e^x along axis."""
    x = _floating(x)
    with np.errstate(all="ignore"):
        shifted = x - np.max(x, axis=axis, keepdims=True) if x.size else x + 0
        return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))


def log_softmax_grad(g: Any, y: Any, axis: int = -1) -> Array:
    """gx = g - e^y sum g."""
    with np.errstate(all="ignore"):
        return np.asarray(g - np.exp(y) * np.sum(g, axis=axis, keepdims=True))


def _check_labels(op: str, logits: Array, labels: Array) -> None:
    if logits.ndim < 1 or labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"[{op}] labels do not match logits. Expected labels of shape logits.shape[:-1], "
            f"received logits.shape={logits.shape}, labels.shape={labels.shape}."
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"[{op}] labels are not integers. Expected an integer dtype, "
            f"received labels.dtype={labels.dtype}."
        )
    n_classes = logits.shape[-1]
    bad = (labels < 0) | (labels >= n_classes)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"[{op}] a label is out of range. Expected 0 <= label < {n_classes}, "
            f"received labels[{row}]={labels.reshape(-1)[row]}."
        )


def cross_entropy(logits: Any, labels: Any) -> tuple[Array, Array]:
    """The loss -ln softmax(logits)[label] of each row, and the row's ln sum e^logits.

    logits (..., C) and integer labels (...) give two arrays (...).
    """
    logits, labels = _floating(logits), np.asarray(labels)
    _check_labels("cross_entropy", logits, labels)
    with np.errstate(all="ignore"):
        if logits.size == 0:
            empty = np.empty(labels.shape, logits.dtype.newbyteorder("="))
            return empty, empty.copy()
        m = np.max(logits, axis=-1)
        shifted = logits - m[..., None]
        log_sum = np.log(np.sum(np.exp(shifted), axis=-1))
        picked = np.take_along_axis(shifted, labels[..., None].astype(np.intp), -1)[..., 0]
        # m is added last and only to lse: the loss keeps its digits when the logits are large.
        return np.asarray(log_sum - picked), np.asarray(log_sum + m)


def cross_entropy_grad(g: Any, logits: Any, labels: Any, lse: Any) -> Array:
    """glogits = g (e^(logits - lse) - onehot(labels)), with g and lse one number per row."""
    logits, labels = _floating(logits), np.asarray(labels)
    _check_labels("cross_entropy_grad", logits, labels)
    with np.errstate(all="ignore"):
        y = np.exp(logits - np.asarray(lse)[..., None])
        at = labels[..., None].astype(np.intp)
        if y.size:
            np.put_along_axis(y, at, np.take_along_axis(y, at, -1) - 1, -1)
        return np.asarray(np.asarray(g)[..., None] * y)
