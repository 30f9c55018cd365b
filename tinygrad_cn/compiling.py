"""What ``compile`` is told: a loss and metrics per output of the model, resolved at the first
batch, when the outputs are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import losses, metrics, ops, registry, tree
from .op import Value

_BY_SHAPE = {"accuracy", "acc", "crossentropy", "ce"}  # what they stand for depends on the shapes


def check_names(loss: Any, loss_weights: Any, given_metrics: Any) -> None:
    """Look all names up, so that a wrong one is reported by ``compile`` and not by ``fit``."""
    for weight in tree.flatten(loss_weights):
        if isinstance(weight, str) or callable(weight):
            raise ValueError(
                f"[compile] Expected numbers in loss_weights, received {loss_weights!r}. Metrics "
                "are the fourth argument: metrics=[...]."
            )
    for name in tree.flatten(loss):
        if isinstance(name, str):
            if name not in ("crossentropy", "ce"):
                losses.get(name)
        elif name is not None and not callable(name):
            raise ValueError(f"[compile] Expected a loss, received {name!r}.")
    for name in tree.flatten(given_metrics):
        if isinstance(name, str) and name not in _BY_SHAPE:
            metrics.get(name)
        elif (
            name is not None and not isinstance(name, (str, metrics.Metric)) and not callable(name)
        ):
            raise ValueError(f"[compile] Expected a metric, received {name!r}.")


def per_output(
    what: str, given: Any, names: Sequence[str], nested: bool = False, keys: Any = None
) -> list[Any]:
    """One entry per output, from a dict by name, a list in order, or one thing for all.

    Args:
        what: the argument, for messages.
        given: what ``compile`` was given.
        names: of the outputs.
        nested: whether an entry may itself be a list (metrics).
    """
    n = len(names)
    if given is None:
        return [None] * n
    if isinstance(given, dict):
        for key in given:
            if key not in names:
                raise ValueError(registry.unknown(f"{what} for output", key, names))
        return [given.get(name) for name in names]
    if not isinstance(given, (list, tuple)):
        return [given] * n
    if n == 1:
        if not nested:
            if len(given) == 1:
                return list(given)
        elif not any([isinstance(item, (list, tuple)) for item in given]):
            return [list(given)]
        else:
            return [[item for part in given for item in _listed(part)]]
    if len(given) != n:
        raise ValueError(
            f"[compile] Expected {what} to have {n} entries, one for each output of {list(names)}, "
            f"received {given!r}."
        )
    return list(given)


def _listed(x: Any) -> list[Any]:
    return [] if x is None else list(x) if isinstance(x, (list, tuple)) else [x]


class CompiledLoss:
    """The loss of a model: the weighted sum over its outputs.

    Args:
        given, weights: as given to ``compile``; an output that a dict does not name has no loss.
        names: of the outputs.
    """

    def __init__(self, given: Any, weights: Any, names: Sequence[str]) -> None:
        self.names = list(names)
        self.given = per_output("loss", given, names)
        self.weights = [1.0 if w is None else w for w in per_output("loss_weights", weights, names)]
        self.functions: list[Any] = [None] * len(self.names)
        self.log_names = [
            f"{name}_loss"
            for name, one in zip(names, self.given, strict=True)
            if one is not None and len(self.names) > 1
        ]

    def __call__(
        self, y_true: list[Any], y_pred: list[Any], sample_weight: list[Any], masks: list[Any]
    ) -> list[Any]:
        """The loss of each output that has one (unweighted by ``loss_weights``)."""
        found: list[Any] = []
        for i, given in enumerate(self.given):
            if given is None:
                found.append(None)
                continue
            if y_true[i] is None:
                raise ValueError(f"[loss] Expected y for output {self.names[i]!r}, received None.")
            if self.functions[i] is None:
                self.functions[i] = resolve_loss(given, y_true[i].shape, y_pred[i].shape)
            found.append(
                _call_loss(self.functions[i], y_true[i], y_pred[i], sample_weight[i], masks[i])
            )
        return found

    def total(self, terms: list[Any]) -> Any:
        """The weighted sum."""
        total = None
        for term, weight in zip(terms, self.weights, strict=True):
            if term is not None:
                term = term if weight == 1.0 else term * weight
                total = term if total is None else total + term
        return total


def resolve_loss(given: Any, true_shape: Any, pred_shape: Any) -> Any:
    """A Loss object for a name, a function or an object."""
    if given in ("crossentropy", "ce") if isinstance(given, str) else False:
        given = losses.crossentropy_for(true_shape, pred_shape)
    found = losses.get(given)
    return found if isinstance(found, losses.Loss) else losses.LossFunctionWrapper(found)


def _call_loss(loss: Any, y_true: Any, y_pred: Any, weight: Any, mask: Any) -> Any:
    masked = {} if mask is None else {"mask": mask}  # a loss of one's own may not know masks
    value = loss(y_true, y_pred, sample_weight=weight, **masked)
    return value if value.ndim == 0 else ops.mean(value)


def weight_of_mask(weight: Any, mask: Any) -> Any:
    """Sample weights times a mask."""
    if mask is None:
        return weight
    mask = ops.astype(mask, dtype=np.dtype(np.float32))  # ops, for the step may be captured
    if weight is None:
        return mask
    return mask * ops.reshape(weight, shape=(*weight.shape, *[1] * (mask.ndim - weight.ndim)))


class CompiledMetrics:
    """The metrics of a model, by their names in the logs.

    Args:
        given, weighted: ``metrics`` and ``weighted_metrics`` as given to ``compile``.
        names: of the outputs.
    """

    def __init__(self, given: Any, weighted: Any, names: Sequence[str]) -> None:
        self.given = per_output("metrics", given, names, nested=True)
        self.weighted = per_output("weighted_metrics", weighted, names, nested=True)
        self.names = list(names)
        self.entries: list[tuple[int, str, Any, bool]] = []  # output, name, metric, weighted
        self.resolved = not any(map(_listed, [*self.given, *self.weighted]))

    def resolve(self, y_true: list[Any], y_pred: list[Any]) -> None:
        """Make the metric objects; some depend on the shapes."""
        used: set[str] = set()
        for i, name in enumerate(self.names):
            prefix = f"{name}_" if len(self.names) > 1 else ""
            for weighted, group in ((False, self.given[i]), (True, self.weighted[i])):
                for one in _listed(group):
                    if y_true[i] is None:
                        raise ValueError(
                            f"[metrics] Expected y for output {name!r}, received None."
                        )
                    metric, own = resolve_metric(one, y_true[i].shape, y_pred[i].shape)
                    metric.reset_state()  # an object may have seen what another model was told
                    key = prefix + own
                    if key in used and weighted:
                        key = f"{prefix}weighted_{own}"
                    key = _unused(key, used)
                    used.add(key)
                    self.entries.append((i, key, metric, weighted))
        self.resolved = True

    @property
    def others(self) -> bool:
        """Are there metrics that are not made of ops?"""
        return not all([metric.in_ops for _, _, metric, _ in self.entries])

    def update(
        self, in_ops: bool, y_true: list[Any], y_pred: list[Any], sample_weight: list[Any],
        masks: list[Any],
    ) -> None:  # fmt: skip
        """Tell the metrics that are made of ops, or the others, of a batch."""
        for i, _, metric, weighted in self.entries:
            if metric.in_ops == in_ops:
                weight = sample_weight[i] if weighted else None
                weight = weight_of_mask(weight, masks[i])
                metric.update_state(y_true[i], y_pred[i], sample_weight=weight)

    def reset(self) -> None:
        """Forget what was seen."""
        for _, _, metric, _ in self.entries:
            metric.reset_state()

    def results(self) -> dict[str, Any]:
        """The values, by name."""
        found: dict[str, Any] = {}
        for _, key, metric, _ in self.entries:
            value = metric.result()
            if isinstance(value, dict):
                found.update({name: number(v) for name, v in value.items()})
            else:
                found[key] = number(value)
        return found


def resolve_metric(given: Any, true_shape: Any, pred_shape: Any) -> tuple[Any, str]:
    """A Metric object and its name in the logs."""
    if isinstance(given, str):
        if given in ("accuracy", "acc"):
            return metrics.get(metrics.accuracy_for(true_shape, pred_shape)), given
        if given in ("crossentropy", "ce"):
            return metrics.get(metrics.crossentropy_for(true_shape, pred_shape)), given
        return metrics.get(given), given
    if isinstance(given, type) and issubclass(given, metrics.Metric):
        given = given()
    if isinstance(given, metrics.Metric):
        return given, given.name
    name = str(getattr(given, "name", None) or getattr(given, "__name__", type(given).__name__))
    return metrics.MeanMetricWrapper(_as_function(given), name=name), name


def _as_function(given: Any) -> Callable[..., Any]:
    """A loss object gives one number per batch: what Keras takes the mean of."""
    if not isinstance(given, losses.Loss):
        return given
    return lambda y_true, y_pred: given(y_true, y_pred)


def _unused(name: str, used: set[str]) -> str:
    if name not in used:
        return name
    n = 1
    while f"{name}_{n}" in used:
        n += 1
    return f"{name}_{n}"


def number(value: Any) -> Any:
    """A Python float of a scalar, an array of the others."""
    if isinstance(value, Value):
        value = value.data
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else array
