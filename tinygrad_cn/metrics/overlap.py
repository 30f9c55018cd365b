"""F scores, and the overlap of regions (intersection over union)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import Metric, array, arrays, weights_of

EPSILON = 1e-7


class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), per column of y_true (one-hot).

    Args:
        average: over columns: None (an array), "micro" (of all counts together), "macro" (the mean)
            or "weighted" (by how many ones a column has).
        beta: recall counts beta times as much as precision.
        threshold: what counts as 1; None: the largest of each row.
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        known = (None, "micro", "macro", "weighted")
        if average not in known:
            raise ValueError(f"[{name}] Expected average in {known}, received {average!r}.")
        if not beta > 0:
            raise ValueError(f"[{name}] Expected beta > 0, received beta={beta}.")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"[{name}] Expected 0 < threshold <= 1, received {threshold}.")
        self.average, self.beta, self.threshold = average, beta, threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        t, p = arrays(self.name, y_true, y_pred)
        if t.ndim != 2:
            raise ValueError(f"[{self.name}] Expected shape (N, classes), received {t.shape}.")
        if self.threshold is None:
            said = (p >= p.max(axis=-1, keepdims=True)) & (np.abs(p) > 1e-9)
        else:
            said = p > self.threshold
        weights = weights_of(self.name, sample_weight, t.shape)
        t = t.astype(np.float64)
        counts = [said * t, said * (1 - t), ~said * t, t]
        axis = None if self.average == "micro" else 0
        sums = [np.sum(count * weights, axis=axis) for count in counts]
        names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
        for name, value in zip(names, sums, strict=True):
            if len(self._variables) < len(names):
                setattr(self, name, self.add_variable(np.shape(value), name=name))
            getattr(self, name).data[...] += value

    def result(self) -> Any:
        if not self._variables:
            return self._tensor(0.0)
        tp, fp, fn, weights = (v.data for v in self._variables)
        precision, recall = tp / (tp + fp + EPSILON), tp / (tp + fn + EPSILON)
        square = self.beta**2
        score = (1 + square) * precision * recall / (square * precision + recall + EPSILON)
        if self.average == "weighted":
            score = (score * weights / (weights.sum() + EPSILON)).sum()
        elif self.average is not None:
            score = score.mean()
        return self._tensor(score)

    def get_config(self) -> dict[str, Any]:
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """2 precision recall / (precision + recall); arguments as of FBetaScore.

    >>> score = tg.metrics.F1Score(average="micro", threshold=0.5)
    >>> round(score([[1], [0], [1]], [[0.9], [0.8], [0.2]]).item(), 4)
    0.5
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config


class IoU(Metric):
    """Intersection over union, TP / (TP + FP + FN), the mean over some classes.

    Args:
        num_classes: how many there are.
        target_class_ids: which to average.
        ignore_class: leave out what truly is of this class.
        sparse_y_true, sparse_y_pred: class numbers; False: one-hot or scores along ``axis``.

    >>> iou = tg.metrics.IoU(num_classes=2, target_class_ids=[0])
    >>> round(iou([0, 0, 1, 1], [0, 1, 0, 1]).item(), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype, name)
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                f"[{self.name}] Expected classes below {num_classes}, received "
                f"target_class_ids={list(target_class_ids)}."
            )
        self.num_classes, self.target_class_ids = num_classes, list(target_class_ids)
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self.add_variable((num_classes, num_classes), name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        t, p = array(y_true), array(y_pred)
        t = t if self.sparse_y_true else t.argmax(axis=self.axis)
        p = p if self.sparse_y_pred else p.argmax(axis=self.axis)
        t, p = (x.reshape(-1).astype(np.int64) for x in arrays(self.name, t, p))
        flat = None if sample_weight is None else array(sample_weight).reshape(-1)
        weights = weights_of(self.name, flat, t.shape)
        n = self.num_classes
        valid = (t >= 0) & (t < n) & (p >= 0) & (p < n)
        if self.ignore_class is not None:
            valid &= t != self.ignore_class
        cells = np.bincount((t * n + p)[valid], weights[valid], minlength=n * n)
        self.total_cm.data[...] += cells.reshape(n, n)

    def result(self) -> Any:
        matrix = self.total_cm.data
        both = np.diagonal(matrix)
        union = matrix.sum(axis=0) + matrix.sum(axis=1) - both
        both, union = both[self.target_class_ids], union[self.target_class_ids]
        present = union > 1e-9
        shares = np.where(present, both / (union + EPSILON), 0.0)
        return self._tensor(shares.sum() / (present.sum() + EPSILON))

    def get_config(self) -> dict[str, Any]:
        own = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred")
        return {**super().get_config(), **{k: getattr(self, k) for k in own}, "axis": self.axis}


class BinaryIoU(IoU):
    """IoU of two classes, 1 being what reaches ``threshold``."""

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, array(y_pred) >= self.threshold, sample_weight)

    def get_config(self) -> dict[str, Any]:
        own = {"target_class_ids": self.target_class_ids, "threshold": self.threshold}
        return {**Metric.get_config(self), **own}


class MeanIoU(IoU):
    """The mean IoU of all classes; arguments as of IoU."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        sparse = sparse_y_true, sparse_y_pred
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, *sparse, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config


class OneHotIoU(IoU):
    """IoU of targets that are one-hot; arguments as of IoU."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        sparse = False, sparse_y_pred
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, *sparse, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config


class OneHotMeanIoU(OneHotIoU):
    """The mean IoU of all classes, targets being one-hot; arguments as of IoU."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        rest = name, dtype, ignore_class, sparse_y_pred, axis
        super().__init__(num_classes, range(num_classes), *rest)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config
