"""Training: ``fit``, ``evaluate`` and ``predict``: passes over data, with callbacks and
progress."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from . import data, tree
from .callbacks import CallbackList
from .interrupt import Deferred
from .mode import set_mode
from .op import Value
from .progress import Progress, is_live, resolve
from .training_step import Stepper


class Trainer(Stepper):
    """The training half of :class:`Model`."""

    # --- fit --------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train.

        Args:
            x, y: arrays, lists or dicts of them; or x yields batches (x, y) or (x, y,
                sample_weight).
            batch_size: samples per step; 32 when None.
            epochs: the index of the epoch to stop before: passes over the data, from initial_epoch.
            verbose: 0 silent, 1 a bar, 2 a line per epoch; "auto" is 1 in a terminal and 2
                elsewhere.
            callbacks: objects that are told of what happens.
            validation_split: this part of the samples, the last ones before shuffling, is not
                trained on, but evaluated after each epoch.
            validation_data: (x, y) or (x, y, sample_weight) to evaluate instead.
            shuffle: draw a new order of the samples for each epoch.
            class_weight: {class: weight of its samples}.
            sample_weight: a weight per sample (or per step of it).
            initial_epoch: where to go on from.
            steps_per_epoch: batches per epoch; all of them when None.
            validation_steps, validation_batch_size: likewise for validation.
            validation_freq: evaluate every so many epochs, or after the epochs of a list (from 1).

        Returns:
            The History: ``history.history`` is {"loss": [...], "val_loss": [...], ...}.
        """
        compiled = self._needs_compile("fit")
        verbose = resolve(verbose, "fit")
        for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                raise ValueError(
                    f"[fit] Expected {name} to be an integer >= 0, received {value!r}."
                )
        if isinstance(validation_freq, (int, np.integer)) and validation_freq < 1:
            raise ValueError(f"[fit] Expected validation_freq >= 1, received {validation_freq!r}.")
        if validation_split and validation_data is None:
            if data.is_batches(x):
                raise ValueError("[fit] validation_split needs arrays, received batches in x.")
            whole = [data.arrays(part, self._dtype) for part in (x, y, sample_weight)]
            data.check_lengths("fit", *whole)
            (x, y, sample_weight), validation_data = data.split(validation_split, *whole)
        batches = data.batches(
            "fit",
            x,
            y,
            sample_weight,
            batch_size,
            steps_per_epoch,
            shuffle,
            class_weight,
            self._dtype,
        )
        check = None
        if validation_data is not None:
            parts = (validation_data, None, None)
            if not data.is_batches(validation_data):
                parts = data.unpack_x_y_sample_weight(validation_data)
            size = None if data.is_batches(parts[0]) else validation_batch_size or batch_size
            check = data.batches("fit", *parts, size, validation_steps, dtype=self._dtype)
        told = self._callback_list(
            callbacks, epochs=epochs, steps=len(batches) or None, verbose=verbose
        )
        self.stop_training, compiled.nan_told = False, False
        self._initial_epoch = initial_epoch  # BackupAndRestore may move it on
        told.on_train_begin()
        logs: dict[str, Any] = {}
        with Deferred() as interrupt:
            for epoch in range(self._initial_epoch, epochs):
                self.reset_metrics()
                told.on_epoch_begin(epoch)
                compiled.variables = None
                self._renew_plans()
                bar = Progress(verbose, len(batches), f"Epoch {epoch + 1}/{epochs}")
                try:
                    logs = self._train_epoch(batches, told, bar, interrupt)
                    if bar.done == 0:
                        self._no_data(epoch == self._initial_epoch)
                        break
                    if check is not None and _due(epoch + 1, validation_freq):
                        seen = Progress(0, 0)
                        found = self._evaluate(check, told, seen, interrupt)
                        if seen.done == 0:
                            self._no_data(epoch == self._initial_epoch, "validation data")
                            found = {}
                        logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
                except BaseException:
                    bar.abandon()
                    raise
                told.on_epoch_end(epoch, logs)
                bar.finish(logs)
                if self.stop_training:
                    break
        if hasattr(self.optimizer, "finalize_variable_values") and compiled.variables:
            self.optimizer.finalize_variable_values(compiled.variables)
        told.on_train_end(logs)
        return self.history

    def _train_epoch(
        self, batches: Any, told: Any, bar: Progress, interrupt: Deferred
    ) -> dict[str, Any]:
        wants = told.listens("train_batch_end") or told.listens("train_batch_begin")
        take_step = self._stepper("train")
        own: dict[str, Any] | None = None
        for step, batch in enumerate(batches):
            if wants:
                told.on_train_batch_begin(step)
                self._renew_plans()
            own = take_step(batch)
            show = bar.wants_logs
            logs = (own or self.get_metrics_result()) if wants or show else None
            if wants:
                told.on_train_batch_end(step, logs)
            bar.step(logs if show else None)
            interrupt.check()
            if self.stop_training:
                break
        return own or (self.get_metrics_result() if bar.done else {})

    def _no_data(self, first: bool, what: str = "data") -> None:
        steps, then = "steps_per_epoch", "Training stops here."
        if what != "data":
            steps, then = "validation_steps", "This epoch has no val_ values."
        said = (
            f"[fit] The {what} ended before the first batch of an epoch. Expected a source that "
            f"can be iterated over in every epoch, or {steps} with an endless one."
        )
        if first:
            raise ValueError(said)
        warnings.warn(f"{said} {then}", stacklevel=3)

    def _callback_list(self, callbacks: Any, **params: Any) -> Any:
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(callbacks, add_history="epochs" in params, model=self, **params)

    # --- evaluate and predict ---------------------------------------------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics over data; arguments as in ``fit``.

        Returns:
            The loss; a list of loss and metrics if there are any; a dict with ``return_dict``.
        """
        self._needs_compile("evaluate")
        batches = data.batches(
            "evaluate", x, y, sample_weight, batch_size, steps, dtype=self._dtype
        )
        told = self._callback_list(callbacks, steps=len(batches) or None)
        bar = Progress(resolve(verbose, "evaluate"), len(batches))
        logs = self._evaluate(batches, told, bar, Deferred())
        if bar.done == 0:
            raise ValueError("[evaluate] Expected at least one sample, received none.")
        bar.finish(logs)
        return logs if return_dict else _as_list(logs)

    def _evaluate(
        self, batches: Any, told: Any, bar: Progress, interrupt: Deferred
    ) -> dict[str, Any]:
        self.reset_metrics()
        self.stop_evaluating = False
        told.on_test_begin()
        self._renew_plans()
        wants = told.listens("test_batch_end") or told.listens("test_batch_begin")
        take_step = self._stepper("test")
        own: dict[str, Any] | None = None
        with set_mode(recording=False):
            for step, batch in enumerate(batches):
                if wants:
                    told.on_test_batch_begin(step)
                own = take_step(batch)
                show = bar.wants_logs
                logs = (own or self.get_metrics_result()) if wants or show else None
                if wants:
                    told.on_test_batch_end(step, logs)
                bar.step(logs if show else None)
                interrupt.check()
                if self.stop_evaluating:
                    break
        logs = own or self.get_metrics_result()
        told.on_test_end(logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for x, as arrays: computed in batches, and joined.

        Args:
            x: arrays, or batches.
            batch_size: 32 when None.
            verbose: as in ``fit``; "auto" shows a bar in a terminal if there are several batches.
            steps: how many batches; all when None.
            callbacks: as in ``fit``.
        """
        batches = data.batches("predict", x, None, None, batch_size, steps, dtype=self._dtype)
        n = len(batches)
        if verbose == "auto":
            verbose = 1 if n > 1 and is_live() else 0
        told = None if callbacks is None else self._callback_list(callbacks, steps=n or None)
        bar = Progress(resolve(verbose, "predict"), n)
        if self.stop_predicting:
            self.stop_predicting = False
        if told is not None:
            told.on_predict_begin()
        self._renew_plans()
        made = []
        with set_mode(recording=False):
            for step, batch in enumerate(
                batches if n or data.is_batches(x) else [_all_of(batches)]
            ):
                if told is not None:
                    told.on_predict_batch_begin(step)
                made.append(tree.map_structure(_array, self._predict(batch)))
                if told is not None:
                    told.on_predict_batch_end(step, {"outputs": made[-1]})
                bar.step()
                if self.stop_predicting:
                    break
        if told is not None:
            told.on_predict_end()
        bar.finish({})
        if not made:
            raise ValueError("[predict] Expected at least one batch, received none.")
        return _join(made)

    # --- single batches ---------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on these samples.

        Returns:
            Loss and metrics as ``evaluate`` does: means over what they saw since
            ``reset_metrics()``, ``fit`` or ``evaluate``, as in Keras 3.
        """
        compiled = self._needs_compile("train_on_batch")
        compiled.variables = None
        self._renew_plans()
        batch = self._one_batch("train_on_batch", x, y, sample_weight, class_weight)
        logs = self._stepper("train")(batch) or self.get_metrics_result()
        return logs if return_dict else _as_list(logs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics, these samples included; means as those of ``train_on_batch``."""
        self._needs_compile("test_on_batch")
        self._renew_plans()
        batch = self._one_batch("test_on_batch", x, y, sample_weight, None)
        with set_mode(recording=False):
            logs = self._stepper("test")(batch) or self.get_metrics_result()
        return logs if return_dict else _as_list(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for these samples, as arrays."""
        self._renew_plans()
        with set_mode(recording=False):
            batch = (data.arrays(x, self._dtype, "x", "predict_on_batch"),)
            return tree.map_structure(_array, self._predict(batch))

    def _predict(self, batch: tuple[Any, ...]) -> Any:
        if self._has_own("predict_step"):
            return self.predict_step(batch[:1])
        return self._run("infer", batch[0])

    def _one_batch(
        self, who: str, x: Any, y: Any, sample_weight: Any, class_weight: Any
    ) -> tuple[Any, ...]:
        whole = data.ArrayBatches(x, y, sample_weight, 1, False, class_weight, self._dtype, who)
        return _all_of(whole)


def _all_of(batches: Any) -> tuple[Any, ...]:
    return batches.x, batches.y, batches.weight


def _array(y: Any) -> Any:
    return y.data if isinstance(y, Value) else np.asarray(y)


def _join(made: list[Any]) -> Any:
    """The outputs of all batches, joined along the first axis."""
    if len(made) == 1:
        return tree.map_structure(np.array, made[0])
    leaves = [np.concatenate(parts) for parts in zip(*map(tree.flatten, made), strict=True)]
    return tree.pack_like(made[0], leaves)


def _as_list(logs: dict[str, Any]) -> Any:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, (int, np.integer)):
        return epoch % frequency == 0
    return epoch in frequency
