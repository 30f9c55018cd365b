"""Callbacks that watch a number and act: stop, keep the best, lower the learning rate."""

from __future__ import annotations

import math
import os
import string
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cn import metrics, registry

from .base import Callback

RISING = (
    "acc", "auc", "precision", "recall", "f1", "fbeta", "r2", "iou", "io_u", "top_k", "sensitivity",
    "specificity", "cosine", "correlation", "true", "score", "exact",
)  # fmt: skip
FALLING = ("entropy", "hinge", "divergence", "poisson", "cosh", "false")
FALLING_ENDS = ("loss", "error", "mse", "mae", "mape", "msle")


class MonitorCallback(Callback):
    """The base: is the number better than it was?

    Args:
        monitor: a name in the logs.
        mode: "min", "max", or "auto": by what the metric of that name computes, min for losses and
            errors; where that cannot be told, "auto" is refused.
        min_delta: a smaller change is none.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0.0,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(
                f"[{type(self).__name__}] Expected mode 'auto', 'min' or 'max', received {mode!r}."
            )
        self.monitor, self.mode, self.baseline = monitor, mode, baseline
        self.min_delta = abs(min_delta)
        self.best: float | None = baseline

    def _rises(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self._measure()
        if name.endswith(FALLING_ENDS) or any(word in name for word in FALLING):
            return False
        if any(word in name for word in RISING):
            return True
        raise ValueError(
            f"[{type(self).__name__}] Whether {self.monitor!r} should fall or rise cannot be told "
            "from its name. Expected mode='min' or mode='max'."
        )

    def _measure(self) -> str:
        """What is monitored: the class of the metric if it is one of ours, since its name in the
        logs may be any word and begins with that of the output; else the name."""
        name = self.monitor.removeprefix("val_")
        named = {metric.name: metric for metric in getattr(self.model, "metrics", [])}
        compiled = getattr(self.model, "_compiled", None)
        if compiled is not None and compiled.metrics is not None:
            named.update({key: metric for _, key, metric, _ in compiled.metrics.entries})
        metric = named.get(name)
        kind = type(metric)
        if metric is None or kind in (metrics.Mean, metrics.Sum):  # of whatever it is told
            return name
        ours = (
            kind is getattr(metrics, kind.__name__, None) and kind is not metrics.MeanMetricWrapper
        )
        return registry.snake_case(kind.__name__) if ours else str(metric.name)

    def _better(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return not math.isnan(value)
        if self._rises():
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def _value(self, logs: Any) -> float | None:
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"[{type(self).__name__}] {self.monitor!r} is not in the logs. Expected one of "
                f"{list(logs or {})}.",
                stacklevel=4,
            )
            return None
        if np.ndim(value):
            raise ValueError(
                f"[{type(self).__name__}] Expected one number as {self.monitor!r}, received "
                f"{value}: a metric with average='macro', say, gives one."
            )
        self._rises()  # an "auto" that cannot be told is refused in the first epoch
        return float(value)


class EarlyStopping(MonitorCallback):
    """End training when the number has not become better for ``patience`` epochs.

    Args:
        monitor, min_delta, mode: see :class:`MonitorCallback`.
        patience: how many epochs to wait for something better.
        verbose: 1 prints when it stops.
        baseline: what has to be beaten, too, for an epoch to count as better.
        restore_best_weights: at the end, go back to the weights of the best epoch.
        start_from_epoch: do not look before.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, baseline, min_delta)
        self.patience, self.verbose = patience, verbose
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best, self.best_weights = None, None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self._value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Back to the weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(MonitorCallback):
    """Save the model, or its weights, after epochs.

    Args:
        filepath: where to; may name the epoch (from 1) and logs: "{epoch:02d}-{val_loss:.2f}.tgcn".
            Ends in ".tgcn" for models, in ".safetensors" for weights.
        monitor, mode: see :class:`MonitorCallback`.
        verbose: 1 prints what is done.
        save_best_only: save only what is better than all before.
        save_weights_only: the weights alone.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: save only what is better than this.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq = save_freq
        if save_freq != "epoch" and not (isinstance(save_freq, int) and save_freq > 0):
            raise ValueError(
                f"[ModelCheckpoint] Expected save_freq 'epoch' or an int > 0, got {save_freq!r}."
            )
        suffix = ".safetensors" if save_weights_only else ".tgcn"
        if not self.filepath.endswith(suffix):
            raise ValueError(
                f"[ModelCheckpoint] Expected a filepath that ends in {suffix!r} (with "
                f"save_weights_only={save_weights_only}), received {self.filepath!r}."
            )
        self._epoch = self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.save_freq != "epoch":
            self._batches += 1
            if self._batches % self.save_freq == 0:
                self._save(self._epoch, {**(logs or {}), "batch": batch + 1})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: dict[str, Any]) -> None:
        if self.save_best_only:
            value = self._value(logs)
            if value is None:
                return
            if not self._better(value, self.best):
                if self.verbose:
                    print(f"Epoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            self.best = value
        path = _fill_in(self.filepath, {**logs, "epoch": epoch + 1})
        if self.verbose:
            print(f"Epoch {epoch + 1}: saving to {path}")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)


def _fill_in(template: str, values: dict[str, Any]) -> str:
    """The template with the values in place of "{name:format}"; nothing but plain names."""
    for _, name, _, _ in string.Formatter().parse(template):
        if name is not None and name not in values:
            raise ValueError(
                f"[ModelCheckpoint] The filepath names {name!r}, which is not in the logs. "
                f"Expected names among {list(values)}."
            )
    return template.format(**values)


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by ``factor`` when the number has not become better for
    ``patience`` epochs.

    Args:
        monitor, mode, min_delta: see :class:`MonitorCallback`.
        cooldown: epochs to wait after a reduction before looking again.
        min_lr: never go below.
        verbose: 1 prints each reduction.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, None, min_delta)
        if not 0 < factor < 1:
            raise ValueError(f"[ReduceLROnPlateau] Expected 0 < factor < 1, received {factor}.")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        rate = float(self.model.optimizer.learning_rate)
        value = self._value(logs)
        if logs is not None:
            logs["learning_rate"] = rate
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                new = max(rate * self.factor, self.min_lr)
                self.model.optimizer.learning_rate = new
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {new:.4g}")


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch to ``schedule(epoch, rate)`` (or
    ``schedule(epoch)``).

    Args:
        schedule: the function; epochs count from 0.
        verbose: 1 prints the rate.
    """

    def __init__(self, schedule: Any, verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:  # it may take the epoch alone
            rate = self.schedule(epoch)
        try:
            rate = float(rate)
        except (TypeError, ValueError):
            raise ValueError(
                f"[LearningRateScheduler] Expected a float from the schedule, received {rate!r}."
            ) from None
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate is {rate:.4g}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class TerminateOnNaN(Callback):
    """End training when the loss is NaN or infinite."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            print(f"Batch {batch}: the loss is {float(loss)}; training ends.")
            self.model.stop_training = True
