"""Errors and agreement of numbers, and the losses as metrics."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tinygrad_cn import losses, ops

from .base import MeanMetricWrapper, Metric, arrays, tensors, weights_of


class MeanSquaredError(MeanMetricWrapper):
    """mean((t - p)^2)

    >>> tg.metrics.MeanSquaredError()([0.0, 1.0], [1.0, 3.0])
    Tensor(2.5)
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """mean(|t - p|)"""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """100 mean(|t - p| / |t|)"""

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """mean((ln(1 + t) - ln(1 + p))^2)"""

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """mean(ln cosh(p - t))"""

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


def _squared_error(y_true: Any, y_pred: Any) -> Any:
    t, p = tensors("root_mean_squared_error", y_true, y_pred)
    return ops.square(ops.astype(t, p.dtype if p.dtype.kind == "f" else "float64") - p)


class RootMeanSquaredError(MeanMetricWrapper):
    """sqrt(mean((t - p)^2))"""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(_squared_error, name, dtype)

    def result(self) -> Any:
        return self._tensor(math.sqrt(super().result().item()))


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """sum(t p) / (|t| |p|): 1 for the same direction (the loss of this name has the other sign)"""
    return -losses.cosine_similarity(y_true, y_pred, axis=axis)


class CosineSimilarity(MeanMetricWrapper):
    """mean(cos of the angle between t and p)"""

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The correlation of t and p along the axis: their covariance over both standard deviations"""
    t, p = tensors("pearson_correlation", y_true, y_pred)
    t, p = (x - ops.mean(x, axis=axis, keepdims=True) for x in (t, p))
    sizes = (ops.sqrt(ops.mean(ops.square(x), axis=axis)) for x in (t, p))
    return ops.mean(t * p, axis=axis) / math.prod(sizes)


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of the correlations of the rows of t and p."""

    def __init__(
        self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class R2Score(Metric):
    """The share of the variance that is explained: 1 - sum((t - p)^2) / sum((t - mean(t))^2).

    Args:
        class_aggregation: over columns: "uniform_average", "variance_weighted_average" or None.
        num_regressors: if given, the score is adjusted for so many inputs:
            1 - (1 - R2) (n - 1) / (n - num_regressors - 1).

    >>> score = tg.metrics.R2Score()
    >>> round(score([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]).item(), 4)
    0.5714
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        known = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in known:
            raise ValueError(f"[R2Score] Expected one of {known}, received {class_aggregation!r}.")
        if num_regressors < 0:
            raise ValueError(f"[R2Score] Expected num_regressors >= 0, received {num_regressors}.")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), name="num_samples")
        self._sums: list[Any] = []  # of t^2, t, (t - p)^2 and 1, each per column

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        t, p = (x.astype(np.float64) for x in arrays(self.name, y_true, y_pred))
        t, p = t.reshape(len(t), -1), p.reshape(len(p), -1)
        weights = weights_of(self.name, sample_weight, t.shape)
        names = ("squared_sum", "sum", "residual", "count")
        if not self._sums:
            self._sums = [self.add_variable(t.shape[1:], name=name) for name in names]
        parts = (weights * t * t, weights * t, weights * (t - p) ** 2, weights)
        for total, part in zip(self._sums, parts, strict=True):
            total.data[...] += part.sum(axis=0)
        self.num_samples.data += t.size

    def result(self) -> Any:
        if not self._sums or not self._sums[3].data.any():
            return self._tensor(0.0)
        squares, sums, residual, count = (v.data for v in self._sums)
        total = squares - sums**2 / count
        with np.errstate(all="ignore"):
            scores = 1 - residual / total
        scores = np.where(np.isinf(scores), 0.0, scores)
        score: Any = scores
        if self.class_aggregation == "uniform_average":
            score = scores.mean()
        elif self.class_aggregation is not None:
            score = (total * scores).sum() / total.sum()
        free = float(self.num_samples.data) - self.num_regressors - 1
        if self.num_regressors and free <= 0:
            warnings.warn("[R2Score] Too few samples to adjust for the regressors.", stacklevel=2)
        elif self.num_regressors:
            score = 1 - (1 - score) * (float(self.num_samples.data) - 1) / free
        return self._tensor(score)

    def get_config(self) -> dict[str, Any]:
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}


# --- losses as metrics ----------------------------------------------------------------------------


class Hinge(MeanMetricWrapper):
    """mean(max(1 - t p, 0))"""

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """mean(max(1 - t p, 0)^2)"""

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """max(max((1 - t) p) - sum(t p) + 1, 0)"""

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)


class KLDivergence(MeanMetricWrapper):
    """sum(t ln(t / p))"""

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """mean(p - t ln p)"""

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.poisson, name, dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """mean(-t ln p - (1 - t) ln(1 - p))"""

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        settings = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(losses.binary_crossentropy, name, dtype, **settings)


class CategoricalCrossentropy(MeanMetricWrapper):
    """-sum(t ln p), t one-hot"""

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        settings = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(losses.categorical_crossentropy, name, dtype, **settings)


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """-ln p[t], t a class number"""

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        settings = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(losses.sparse_categorical_crossentropy, name, dtype, **settings)
