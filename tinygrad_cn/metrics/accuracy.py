"""How often the prediction is right."""

from __future__ import annotations

from typing import Any

from tinygrad_cn import ops
from tinygrad_cn.losses.base import as_tensor

from .base import MeanMetricWrapper, tensors


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where y_pred equals y_true, else 0."""
    return _hits(*tensors("accuracy", y_true, y_pred))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where y_pred is on the right side of the threshold, else 0.

    >>> tg.metrics.binary_accuracy([1, 0, 1], [0.9, 0.6, 0.5])
    Tensor([1., 0., 0.])
    """
    t, p = tensors("binary_accuracy", y_true, y_pred)
    return _hits(t, ops.greater(p, threshold))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands where the largest of y_true does (one-hot), else 0."""
    t, p = tensors("categorical_accuracy", y_true, y_pred)
    return _hits(ops.argmax(t, axis=-1), ops.argmax(p, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands at y_true, a class number, else 0.

    >>> tg.metrics.sparse_categorical_accuracy([2, 0], [[0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    Tensor([1., 0.])
    """
    t, p = _labels("sparse_categorical_accuracy", y_true, y_pred)
    return _hits(t, ops.argmax(p, axis=-1))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the class of y_true (one-hot) is among the k largest of y_pred, else 0."""
    t, p = tensors("top_k_categorical_accuracy", y_true, y_pred)
    return _in_top(ops.argmax(t, axis=-1), p, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the class number y_true is among the k largest of y_pred, else 0.

    >>> y_pred = [[0.1, 0.2, 0.7], [0.2, 0.5, 0.3]]
    >>> tg.metrics.sparse_top_k_categorical_accuracy([2, 0], y_pred, k=2)
    Tensor([1., 0.])
    """
    t, p = _labels("sparse_top_k_categorical_accuracy", y_true, y_pred)
    return _in_top(t, p, k)


def _labels(name: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    t, p = as_tensor(y_true), as_tensor(y_pred)
    if t.ndim == p.ndim and t.shape[-1] == 1:
        t = ops.reshape(t, shape=t.shape[:-1])
    if t.shape != p.shape[:-1]:
        raise ValueError(
            f"[{name}] Expected y_true of shape {p.shape[:-1]} (class numbers), received "
            f"y_true.shape={t.shape}, y_pred.shape={p.shape}."
        )
    return t, p


def _hits(t: Any, p: Any) -> Any:
    """1 where both are equal, else 0."""
    return ops.astype(ops.equal(t, p), "float32")


def _in_top(t: Any, p: Any, k: int) -> Any:
    """Fewer than k are larger, or NaN: ties with the k-th are in. Labels < 0 never are."""
    own = ops.take_along_axis(p, ops.astype(ops.expand_dims(t, -1), "int64"), axis=-1)
    larger = ops.astype(ops.logical_not(ops.less_equal(p, own)), "float32")
    few = ops.less(ops.sum(larger, axis=-1), float(k))
    return ops.astype(ops.logical_and(few, ops.greater_equal(t, 0)), "float32")


class Accuracy(MeanMetricWrapper):
    """How often y_pred equals y_true. (The word "accuracy" in ``compile`` chooses, by shape, one of
    the three below.)"""

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often y_pred is on the right side of the threshold.

    >>> tg.metrics.BinaryAccuracy()([[1], [0]], [[0.9], [0.8]])
    Tensor(0.5)
    """

    def __init__(
        self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest of y_pred is the class of y_true, one-hot."""

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest of y_pred is the class number y_true."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of y_true (one-hot) is among the k largest of y_pred."""

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class number y_true is among the k largest of y_pred."""

    def __init__(
        self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k)
