"""How often the prediction is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn.op import wrap

from .base import MeanMetricWrapper, array, arrays


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where y_pred equals y_true, else 0."""
    t, p = arrays("accuracy", y_true, y_pred)
    return wrap((t == p).astype(np.float32))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where y_pred is on the right side of the threshold, else 0.

    >>> tg.metrics.binary_accuracy([1, 0, 1], [0.9, 0.6, 0.5])
    Tensor([1., 0., 0.])
    """
    t, p = arrays("binary_accuracy", y_true, y_pred)
    return wrap((t == (p > threshold)).astype(np.float32))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands where the largest of y_true does (one-hot), else 0."""
    t, p = arrays("categorical_accuracy", y_true, y_pred)
    return wrap((t.argmax(axis=-1) == p.argmax(axis=-1)).astype(np.float32))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands at y_true, a class number, else 0.

    >>> tg.metrics.sparse_categorical_accuracy([2, 0], [[0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    Tensor([1., 0.])
    """
    t, p = _labels("sparse_categorical_accuracy", y_true, y_pred)
    return wrap((t == p.argmax(axis=-1)).astype(np.float32))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the class of y_true (one-hot) is among the k largest of y_pred, else 0."""
    t, p = arrays("top_k_categorical_accuracy", y_true, y_pred)
    return wrap(_in_top(t.argmax(axis=-1), p, k))


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the class number y_true is among the k largest of y_pred, else 0.

    >>> y_pred = [[0.1, 0.2, 0.7], [0.2, 0.5, 0.3]]
    >>> tg.metrics.sparse_top_k_categorical_accuracy([2, 0], y_pred, k=2)
    Tensor([1., 0.])
    """
    t, p = _labels("sparse_top_k_categorical_accuracy", y_true, y_pred)
    return wrap(_in_top(t, p, k))


def _labels(name: str, y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    t, p = array(y_true), array(y_pred)
    if t.ndim == p.ndim and t.shape[-1] == 1:
        t = t[..., 0]
    if t.shape != p.shape[:-1]:
        raise ValueError(
            f"[{name}] Expected y_true of shape {p.shape[:-1]} (class numbers), received "
            f"y_true.shape={t.shape}, y_pred.shape={p.shape}."
        )
    return t, p


def _in_top(t: np.ndarray, p: np.ndarray, k: int) -> np.ndarray:
    """Fewer than k are larger: at a tie with the k-th, both are in."""
    own = np.take_along_axis(p, t[..., None].astype(np.intp), axis=-1)
    return ((p > own).sum(axis=-1) < k).astype(np.float32)


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
