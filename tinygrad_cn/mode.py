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
    probing: bool = False  # does a layer run on zeros, to find a shape? Its state stays


_DEFAULT = Mode()
mode: ContextVar[Mode] = ContextVar("tinygrad_cn_mode", default=_DEFAULT)


_outer: ContextVar[Any] = ContextVar("tinygrad_cn_outer_modes", default=None)


class set_mode(ContextDecorator):
    """Run a block with some fields of :class:`Mode` changed.

    What was before is kept by the thread or task, not here: one object may serve many of them.
    """

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def __enter__(self) -> None:
        now = mode.get()
        mode.set(now._replace(**self._changes))
        _outer.set((now, _outer.get()))  # a stack

    def __exit__(self, *exception: object) -> None:
        before, rest = _outer.get()
        mode.set(before)
        _outer.set(rest)


def no_grad() -> Any:
    """Record nothing inside: ``with no_grad(): ...``, or ``@no_grad()`` above a function."""
    return set_mode(recording=False)


def enable_grad() -> Any:
    """Record again, inside a ``no_grad`` block."""
    return set_mode(recording=True)


def is_grad_enabled() -> bool:
    """Whether ops record now."""
    return mode.get().recording


def value_of(array: Any, how: str) -> Any:
    """The array, for Python or NumPy to look at: refused while `jit` captures what computes it."""
    capture = mode.get().capture
    if capture is not None:
        capture.refuse_read(array, how)
    return array


def each_step(update: Callable[[], None]) -> None:
    """Run ``update``; inside a step that ``jit`` captures, also before each replay of it.

    For what Python decides anew at every step, such as a scheduled learning rate: ``update`` writes
    it into an array that kernels read. The ops that it may use are no part of the captured step.
    """
    capture = mode.get().capture
    if capture is None:
        update()
        return
    with capture.paused():
        update()
    capture.each_step.append(update)
