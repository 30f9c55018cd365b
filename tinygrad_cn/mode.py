"""What holds for the ops that run now: a context per thread and task, changed only by ``with``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any, NamedTuple


class Mode(NamedTuple):
    """The fields; see :func:`set_mode`."""

    recording: bool = True  # do ops remember how they were made?
    observer: Callable[..., None] | None = None  # sees each op: (op, args, settings, output, node)
    scope: str = ""  # the layer being called, as in "model/dense_1"
    training: bool | None = None  # what the outermost layer was called with; None: was not told
    capture: Any = None  # the plan.Capture that is watching, while `jit` records a step


_DEFAULT = Mode()
mode: ContextVar[Mode] = ContextVar("tinygrad_cn_mode", default=_DEFAULT)


class set_mode(ContextDecorator):
    """Run a block with some fields of :class:`Mode` changed."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._before: list[Any] = []  # a stack: a block may be entered again inside itself

    def _recreate_cm(self) -> set_mode:  # as a decorator: one for each call
        return set_mode(**self._changes)

    def __enter__(self) -> None:
        self._before.append(mode.set(mode.get()._replace(**self._changes)))

    def __exit__(self, *exception: object) -> None:
        mode.reset(self._before.pop())


def no_grad() -> Any:
    """Record nothing inside: ``with no_grad(): ...``, or ``@no_grad()`` above a function."""
    return set_mode(recording=False)


def enable_grad() -> Any:
    """Record again, inside a ``no_grad`` block."""
    return set_mode(recording=True)


def is_grad_enabled() -> bool:
    """Whether ops record now."""
    return mode.get().recording


def each_step(update: Callable[[], None]) -> None:
    """Run ``update``; inside a step that ``jit`` captures, also before each replay of it.

    For what Python decides anew at every step, such as a scheduled learning rate: ``update`` writes
    it into an array that kernels read.
    """
    update()
    capture = mode.get().capture
    if capture is not None:
        capture.each_step.append(update)
