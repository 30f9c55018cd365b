"""Callbacks: what is to happen at the marks of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_cn import plots

MARKS = (
    "epoch_begin", "epoch_end", "train_begin", "train_end", "test_begin", "test_end",
    "predict_begin", "predict_end", "train_batch_begin", "train_batch_end", "test_batch_begin",
    "test_batch_end", "predict_batch_begin", "predict_batch_end",
)  # fmt: skip


class Callback:
    """The base: a subclass overrides the methods of the marks it cares for.

    ``self.model`` is the model, ``self.params`` a dict with "epochs", "steps" and "verbose".
    Setting ``self.model.stop_training = True`` ends training, ``stop_evaluating`` and
    ``stop_predicting`` the others. ``logs`` maps names to numbers; what is added to it at the end
    of an epoch stands in the history.

    >>> class Shout(tg.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(f"EPOCH {epoch} DONE")
    """

    params: dict[str, Any]
    _model: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Told before training: the settings of the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Told before training: the model."""
        self._model = model

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self._model

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The same as on_train_batch_begin."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """The same as on_train_batch_end."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before an epoch; epochs count from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a training batch; batches count from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a training batch."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of evaluate, or of the validation in fit."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of evaluate, or of the validation in fit."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of predict."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of predict."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before evaluate, or the validation in fit."""

    def on_test_end(self, logs: Any = None) -> None:
        """After evaluate, or the validation in fit."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before predict."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After predict."""


class CallbackList(Callback):
    """Many callbacks as one.

    Args:
        callbacks: the callbacks, or None.
        add_history: put a History with them if there is none.
        model: given to all.
        **params: given to all.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        given = callbacks if isinstance(callbacks, Iterable) else [callbacks]
        self.callbacks: list[Callback] = [c for c in given if c is not None]
        for c in self.callbacks:
            if not isinstance(c, Callback):
                raise TypeError(f"[callbacks] Expected Callback objects, received {c!r}.")
        if add_history and not any(isinstance(c, History) for c in self.callbacks):
            self.callbacks.append(History())
        self._who: dict[str, list[Callable[..., Any]]] = {}
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def append(self, callback: Callback) -> None:
        """Add one."""
        self.callbacks.append(callback)
        self._who.clear()

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for c in self.callbacks:
            c.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for c in self.callbacks:
            c.set_model(model)
        for c in self.callbacks:
            if isinstance(c, History):
                model.history = c

    def listens(self, mark: str) -> bool:
        """Whether any callback does something at a mark ("train_batch_end", ...)."""
        return bool(self._listeners(mark))

    def _listeners(self, mark: str) -> list[Callable[..., Any]]:
        """The methods to call at a mark: only those that a subclass wrote, so that a step costs
        nothing for callbacks that only look at epochs."""
        if mark not in self._who:
            name = f"on_{mark}"
            short = name.replace("train_batch", "batch")
            self._who[mark] = [
                getattr(c, name)
                for c in self.callbacks
                if _overrides(c, name) or _overrides(c, short)
            ]
        return self._who[mark]


def _overrides(callback: Callback, name: str) -> bool:
    own = getattr(callback, name)
    return getattr(own, "__func__", own) is not getattr(Callback, name)


def _forward(mark: str) -> Any:
    numbered = "epoch" in mark or "batch" in mark

    def call_numbered(self: CallbackList, index: int, logs: Any = None) -> None:
        for method in self._listeners(mark):
            method(index, logs if logs is not None else {})

    def call(self: CallbackList, logs: Any = None) -> None:
        for method in self._listeners(mark):
            method(logs if logs is not None else {})

    made = call_numbered if numbered else call
    made.__doc__ = f"Tell all callbacks: on_{mark}."
    return made


for _mark in (*MARKS, "batch_begin", "batch_end"):
    setattr(CallbackList, f"on_{_mark}", _forward(_mark))


class History(Callback):
    """The logs of all epochs: ``history.history["val_loss"][epoch]``; ``fit`` returns one."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def plot(self, path: Any = None, title: str | None = None, show: bool = False) -> Any:
        """Draw the curves with matplotlib: one panel per measure, training and validation together.

        Args:
            path: a file to write.
            title: a heading.
            show: open a window.

        Returns:
            The figure.
        """
        return plots.draw_history(self.history, self.epoch, path, title, show)


class LambdaCallback(Callback):
    """A callback of functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))``."""

    def __init__(self, **functions: Callable[..., Any] | None) -> None:
        for name, function in functions.items():
            if name.removeprefix("on_") not in (*MARKS, "batch_begin", "batch_end"):
                raise ValueError(f"[LambdaCallback] There is no mark {name!r}.")
            if function is not None:
                setattr(self, name, function)
