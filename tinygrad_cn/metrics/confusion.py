"""Right and wrong alarms: counts at thresholds, precision, recall, and the area under curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Metric, array, arrays, weights_of

COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


def confusion(
    name: str,
    y_true: Any,
    y_pred: Any,
    thresholds: np.ndarray,
    sample_weight: Any = None,
    top_k: int | None = None,
    class_id: int | None = None,
    multi_label: bool = False,
    label_weights: Any = None,
) -> dict[str, np.ndarray]:
    """The four counts at each threshold: how often y_pred lies above it, and y_true is 1 or 0.

    Args:
        top_k: leave in each row of y_pred only the k largest, at ties the first.
        class_id: look at this column only.
        multi_label: count each column by itself.
        label_weights: how much each column counts.

    Returns:
        Arrays (thresholds,), or (thresholds, columns).
    """
    t, p = arrays(name, y_true, y_pred)
    t, p = t.astype(np.float64), p.astype(np.float64)
    for word, x in (("y_true", t), ("y_pred", p)):
        free = top_k is not None and x is p
        if x.size and not free and not (x.min() >= 0 and x.max() <= 1):
            raise ValueError(
                f"[{name}] Expected probabilities in {word}, 0 to 1, received {x.min()} to "
                f"{x.max()}."
            )
    weights = weights_of(name, sample_weight, t.shape)
    if label_weights is not None:
        weights = weights * np.asarray(label_weights, np.float64)
    if top_k is not None:
        if not 1 <= top_k <= p.shape[-1]:
            raise ValueError(f"[{name}] Expected 1 <= top_k <= {p.shape[-1]}, received {top_k}.")
        best = np.argsort(-p, axis=-1, kind="stable")[..., :top_k]  # at ties the first
        kept = np.full_like(p, -np.inf)
        np.put_along_axis(kept, best, np.take_along_axis(p, best, axis=-1), axis=-1)
        p = kept
    if class_id is not None:
        t, p, weights = t[..., class_id], p[..., class_id], weights[..., class_id]
    columns = t.shape[-1] if multi_label else 1
    t, p, weights = (x.reshape(-1, columns) for x in (t, p, weights))
    said = p[None] > thresholds[:, None, None]
    true, false = weights * t, weights * (1 - t)
    found = np.where(said, true, 0.0).sum(axis=1)
    alarms = np.where(said, false, 0.0).sum(axis=1)
    counts = [found, alarms, false.sum(axis=0) - alarms, true.sum(axis=0) - found]
    return {k: c if multi_label else c[:, 0] for k, c in zip(COUNTS, counts, strict=True)}


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0)


def _thresholds(name: str, thresholds: Any, default: float) -> np.ndarray:
    given = np.atleast_1d(np.asarray(default if thresholds is None else thresholds, np.float64))
    if thresholds is not None and not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"[{name}] Expected thresholds from 0 to 1, received {thresholds}.")
    return given


class _Counting(Metric):
    """The base of metrics made of the four counts at some thresholds."""

    counted: tuple[str, ...] = COUNTS

    def __init__(
        self, thresholds: np.ndarray, class_id: int | None, name: str | None, dtype: Any
    ) -> None:
        super().__init__(dtype, name)
        self._at = thresholds
        self.class_id = class_id
        self.top_k: int | None = None
        for count in self.counted:
            setattr(self, count, self.add_variable(thresholds.shape, name=count))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        counts = confusion(
            self.name, y_true, y_pred, self._at, sample_weight, self.top_k, self.class_id
        )
        for count in self.counted:
            getattr(self, count).data[...] += counts[count]

    def _one_or_all(self, values: np.ndarray) -> Any:
        return self._tensor(values[0] if len(values) == 1 else values)


class _Count(_Counting):
    """The base of the four counts themselves."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        kind = type(self).__name__
        super().__init__(_thresholds(kind, thresholds, 0.5), None, name, dtype)
        self.thresholds = thresholds

    def result(self) -> Any:
        return self._one_or_all(getattr(self, self.counted[0]).data)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.thresholds}


class TruePositives(_Count):
    """How many ones were seen as ones."""

    counted = ("true_positives",)


class FalsePositives(_Count):
    """How many zeros were seen as ones."""

    counted = ("false_positives",)


class TrueNegatives(_Count):
    """How many zeros were seen as zeros."""

    counted = ("true_negatives",)


class FalseNegatives(_Count):
    """How many ones were seen as zeros."""

    counted = ("false_negatives",)


class Precision(_Counting):
    """Of what was called 1, the share that is: TP / (TP + FP).

    Args:
        thresholds: what counts as 1 (one, or a list: the result is then an array); 0.5 when None.
        top_k: count as 1 the k largest of each row.
        class_id: look at this column only.

    >>> tg.metrics.Precision()([1, 0, 1, 1], [0.9, 0.8, 0.2, 0.7])
    Tensor(0.6666667)
    """

    counted = ("true_positives", "false_positives")

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        default = 0.5 if top_k is None else -1e10
        at = _thresholds(type(self).__name__, thresholds, default)
        super().__init__(at, class_id, name, dtype)
        self.thresholds, self.top_k = thresholds, top_k

    def result(self) -> Any:
        right, wrong = (getattr(self, count).data for count in self.counted)
        return self._one_or_all(ratio(right, right + wrong))

    def get_config(self) -> dict[str, Any]:
        own = {"thresholds": self.thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


class Recall(Precision):
    """Of what is 1, the share that was called so: TP / (TP + FN). Arguments as of Precision.

    >>> tg.metrics.Recall()([1, 0, 1, 1], [0.9, 0.8, 0.2, 0.7])
    Tensor(0.6666667)
    """

    counted = ("true_positives", "false_negatives")


def _even_thresholds(n: int) -> np.ndarray:
    if n < 1:
        raise ValueError(f"[metrics] Expected num_thresholds >= 1, received {n}.")
    return np.array([0.5]) if n == 1 else np.arange(n) / (n - 1)


class _BestAt(_Counting):
    """The largest value of one rate over the thresholds where another one reaches a bound."""

    bound: str  # the name of the argument, and of the rate that has to reach it
    best: str

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if not 0 <= value <= 1:
            raise ValueError(
                f"[{type(self).__name__}] Expected 0 <= {self.bound} <= 1, received {value}."
            )
        super().__init__(_even_thresholds(num_thresholds), class_id, name, dtype)
        self.value, self.num_thresholds = value, num_thresholds

    def result(self) -> Any:
        tp, fp, tn, fn = (getattr(self, count).data for count in COUNTS)
        rates = {
            "sensitivity": ratio(tp, tp + fn),
            "specificity": ratio(tn, tn + fp),
            "recall": ratio(tp, tp + fn),
            "precision": ratio(tp, tp + fp),
        }
        good = rates[self.bound] >= self.value
        return self._tensor(np.where(good, rates[self.best], 0).max())

    def get_config(self) -> dict[str, Any]:
        own = {self.bound: self.value, "num_thresholds": self.num_thresholds}
        return {**super().get_config(), **own, "class_id": self.class_id}


class SensitivityAtSpecificity(_BestAt):
    """The best sensitivity (recall) where the specificity is at least so much."""

    bound, best = "specificity", "sensitivity"

    def __init__(self, specificity: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(specificity, *args, **kwargs)


class SpecificityAtSensitivity(_BestAt):
    """The best specificity where the sensitivity is at least so much."""

    bound, best = "sensitivity", "specificity"

    def __init__(self, sensitivity: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(sensitivity, *args, **kwargs)


class PrecisionAtRecall(_BestAt):
    """The best precision where the recall is at least so much."""

    bound, best = "recall", "precision"

    def __init__(self, recall: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(recall, *args, **kwargs)


class RecallAtPrecision(_BestAt):
    """The best recall where the precision is at least so much."""

    bound, best = "precision", "recall"

    def __init__(self, precision: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(precision, *args, **kwargs)


class AUC(Metric):
    """The area under the ROC curve (recall over false alarm rate) or the PR curve, from counts at
    ``num_thresholds`` thresholds between 0 and 1.

    Args:
        curve: "ROC" or "PR".
        summation_method: "interpolation" (between thresholds: linear, for PR after Davis and
            Goadrich, 2006), "minoring" or "majoring" (the lower or higher side of each step).
        thresholds: inner thresholds to use in place of evenly spaced ones.
        multi_label: an area per column, averaged with ``label_weights``.
        num_labels: the number of columns; found from the data when None.
        label_weights: a weight per column; without ``multi_label``, of what stands in it.
        from_logits: y_pred holds logits.

    >>> tg.metrics.AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
    Tensor(0.75)
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        if curve.upper() not in ("ROC", "PR"):
            raise ValueError(f"[AUC] Expected curve 'ROC' or 'PR', received {curve!r}.")
        if summation_method.lower() not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                "[AUC] Expected summation_method 'interpolation', 'minoring' or 'majoring', "
                f"received {summation_method!r}."
            )
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"[AUC] Expected num_thresholds > 1, received {num_thresholds}.")
        inner = _even_thresholds(num_thresholds)[1:-1] if thresholds is None else thresholds
        inner = sorted(_thresholds("AUC", inner, 0.5).tolist())
        self._at = np.array([-1e-7, *inner, 1 + 1e-7])
        self.thresholds, self.num_thresholds = thresholds, len(self._at)
        self.curve, self.summation_method = curve.upper(), summation_method.lower()
        self.multi_label, self.num_labels = multi_label, num_labels
        self.label_weights, self._from_logits = label_weights, from_logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        p = array(y_pred).astype(np.float64)
        if self._from_logits:
            p = 0.5 * (1 + np.tanh(0.5 * p))
        given = None if self.label_weights is None else len(self.label_weights)
        if self.multi_label and (p.ndim < 2 or self.num_labels not in (None, p.shape[-1])):
            raise ValueError(
                f"[{self.name}] Expected y_pred of shape (N, {self.num_labels or 'labels'}), "
                f"received {p.shape}."
            )
        if given is not None and p.shape[-1:] != (given,):
            raise ValueError(
                f"[{self.name}] Expected a weight per column of y_pred, received {given} "
                f"label_weights, y_pred.shape={p.shape}."
            )
        counts = confusion(
            self.name, y_true, p, self._at, sample_weight, multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )  # fmt: skip
        if not self._variables:
            for count in COUNTS:
                setattr(self, count, self.add_variable(counts[count].shape, name=count))
        for count in COUNTS:
            getattr(self, count).data[...] += counts[count]

    def result(self) -> Any:
        if not self._variables:
            return self._tensor(0.0)
        tp, fp, tn, fn = (getattr(self, count).data for count in COUNTS)
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = _interpolated_pr(tp, fp, fn)
        else:
            roc = ratio(fp, fp + tn), ratio(tp, tp + fn)
            pr = ratio(tp, tp + fn), ratio(tp, tp + fp)
            x, y = roc if self.curve == "ROC" else pr
            areas = ((x[:-1] - x[1:]) * self._heights(y[:-1], y[1:])).sum(axis=0)
        if not self.multi_label:
            return self._tensor(areas)
        return self._tensor(np.average(areas, weights=self.label_weights))

    def _heights(self, a: np.ndarray, b: np.ndarray) -> Any:
        """The height of each strip between two thresholds."""
        if self.summation_method == "interpolation":
            return (a + b) / 2
        return np.minimum(a, b) if self.summation_method == "minoring" else np.maximum(a, b)

    def get_config(self) -> dict[str, Any]:
        own = ("num_thresholds", "curve", "summation_method", "multi_label", "num_labels")
        config = {**super().get_config(), **{key: getattr(self, key) for key in own}}
        config |= {"label_weights": self.label_weights, "from_logits": self._from_logits}
        return config if self.thresholds is None else {**config, "thresholds": self.thresholds}


def _interpolated_pr(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """Between two thresholds TP falls in step with P = TP + FP, TP = a + b P; the precision TP / P
    integrates over it to b dTP + a b ln(P1 / P2)."""
    dtp = tp[:-1] - tp[1:]
    p = tp + fp
    slope = ratio(dtp, np.maximum(p[:-1] - p[1:], 0))
    intercept = tp[1:] - slope * p[1:]
    both = (p[:-1] > 0) & (p[1:] > 0)
    log = np.log(np.where(both, ratio(p[:-1], np.maximum(p[1:], 0)), 1.0))
    steps = slope * (dtp + intercept * log)
    return ratio(steps, np.maximum(tp[1:] + fn[1:], 0)).sum(axis=0)
