"""jit: run a function twice as it is, and from then on replay its kernel calls.

The first two calls with arguments of some shapes run the function in Python, and record it. If the
two records agree, later calls copy the new arguments in, run the plan, and copy the results out.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.mode import Mode, mode
from tinygrad_cn.op import Op, Value, wrap
from tinygrad_cn.tree import map_structure

from .capture import Capture, CaptureError, release
from .check import run_checked
from .compiled import MISFIT, CompiledStep, Result
from .verify import verify

CHOICE = os.environ.get("TINYGRAD_CN_JIT", "on")  # "off": run eagerly; "check": see check.py
if CHOICE not in ("on", "off", "check"):
    raise ValueError(f"[jit] Expected TINYGRAD_CN_JIT to be on, off or check, received {CHOICE!r}.")
MAX_SIGNATURES = 8  # plans kept per function, the least recently used is dropped


class Quick(NamedTuple):
    """The last call, if its arguments were arrays and nothing else: the next one is most likely
    alike, and shapes and dtypes then tell all."""

    mode: Mode
    phase: Hashable
    step: CompiledStep
    key: Any


class Jit:
    """A function that is captured, and replayed; made by :func:`jit`.

    Args:
        function: what to capture.
        fallback: run eagerly, after a warning, what cannot be captured.
        phase: asked before each call; for each answer there is a plan.
    """

    def __init__(
        self,
        function: Callable,
        fallback: bool = False,
        phase: Callable[[], Hashable] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = getattr(function, "__name__", "the function")
        self.function = function
        self.fallback, self.phase = fallback, phase
        self.gave_up = False
        self.steps: OrderedDict[Any, Any] = OrderedDict()  # signature -> Recorded or CompiledStep
        self.last: CompiledStep | None = None
        self._quick: Quick | None = None
        self._dropped = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = mode.get()
        phase = self.phase and self.phase()
        quick = self._quick
        if quick is not None and quick.mode == now and quick.phase == phase and not kwargs:
            result = quick.step.run(args)
            if result is not MISFIT:
                return result
        if now.capture is not None or kernels.core is None or CHOICE == "off" or self.gave_up:
            return self.function(*args, **kwargs)  # part of a larger step; or nothing to replay
        if now.observer is not None:  # who watches the ops, as detect_anomaly does, is to see them
            return self.function(*args, **kwargs)
        arrays: list[np.ndarray] = []
        words: list[Any] = [now.recording, now.training, phase]
        _read(args, arrays, words)
        if kwargs:
            _read(kwargs, arrays, words)
        key = tuple(words)
        step = self.steps.get(key)
        if isinstance(step, CompiledStep):
            if quick is not None and quick.key in self.steps:
                self.steps.move_to_end(quick.key)
            self.steps.move_to_end(key)
            self.last = step
            if CHOICE == "check":
                return run_checked(step, self.function, *_filled(args, kwargs))
            if words[3:] == [word for array in arrays for word in (array.shape, array.dtype)]:
                self._quick = Quick(now, phase, step, key)
            return step.run(arrays)
        try:
            result, recorded = self._record(args, kwargs, step)
        except CaptureError as error:
            if not self.fallback:
                raise
            self._give_up(error)
            return error.result  # the function did run, and must not run again
        self._keep(key, recorded)
        return result

    def _give_up(self, error: CaptureError) -> None:
        self.gave_up = True
        self.steps.clear()
        self._quick = None
        warnings.warn(f"{error} The step runs eagerly from here on.", stacklevel=5)

    def _record(self, args: tuple, kwargs: dict, first: Any) -> tuple[Any, Any]:
        """Run the function and watch. ``first``: what the first such run left, if there was one."""
        capture = Capture(self.phase is not None, self.fallback)
        args, kwargs, mine = _filled(args, kwargs)
        returned = capture.run(self.function, args, kwargs, mine)
        found: list[np.ndarray] = []
        try:
            if capture.refusal is not None:
                raise capture.refusal
            result = map_structure(functools.partial(_note_result, found), returned)
        except CaptureError as error:
            error.result = returned
            raise
        program = capture.program(found)
        copies = [array.copy() for array in found]
        answer = map_structure(lambda x: x.of(copies) if type(x) is Result else x, result)
        if first is None:
            return answer, (program, capture)
        try:
            verify(first[0], program)
        except CaptureError as error:
            error.result = answer
            raise
        del args, kwargs, returned, found, mine
        capture.forget()
        release(program)
        return answer, CompiledStep(program, capture, result)

    def _keep(self, key: Any, step: Any) -> None:
        self.steps[key] = step
        if isinstance(step, CompiledStep):
            self.last = step
        if len(self.steps) > MAX_SIGNATURES:
            self.steps.popitem(last=False)
            self._dropped += 1
            if self._dropped == MAX_SIGNATURES:
                warnings.warn(
                    f"[jit] {self.name} is called with ever new shapes or Python values, so that "
                    "hardly any call is a replay. Expected few shapes, and numbers as Tensors.",
                    stacklevel=3,
                )

    def __getstate__(self) -> dict:
        return {"function": self.function, "fallback": self.fallback, "phase": self.phase}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: the instance is an argument that is told apart by identity."""
        return self if instance is None else functools.partial(self, instance)


def jit(function: Callable) -> Jit:
    """Capture a function of Tensors, and replay its kernel calls without Python.

    The function may compute forward, gradients of any order, and optimizer updates. Its arguments
    and its result may be nested tuples, lists and dicts. Tensors and arrays may hold new values at
    every call; a change of shape or dtype, or of any other argument, starts a new plan (8 are
    kept). Leaves with ``requires_grad`` and ``Variable`` s belong to the function's state: they are
    updated where they are. The result's Tensors are constants with memory of their own.

    Raises CaptureError, in words, for what a replay could not repeat: values read in Python, a path
    that depends on data, arrays exchanged from call to call.

    >>> @tg.jit
    ... def energy(x):
    ...     return (x * x).sum()
    >>> [energy(tg.tensor([1.0, float(n)])).item() for n in range(4)]
    [1.0, 2.0, 5.0, 10.0]
    """
    if not callable(function):
        raise TypeError(f"[jit] Expected a function, received {function!r}.")
    return Jit(function)


def _read(tree: Any, arrays: list[np.ndarray], words: list[Any]) -> None:
    """Collect the arrays in nested arguments, and in words all else: what a plan depends on."""
    for leaf in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(leaf, (tuple, list, dict)):
            words.append((type(leaf), tuple(leaf) if isinstance(leaf, dict) else len(leaf)))
            _read(leaf, arrays, words)
            continue
        data = _changing(leaf)
        if data is not None:
            arrays.append(data)
            words.append(data.shape)
            words.append(data.dtype)
            continue
        try:
            hash(leaf)
        except TypeError:
            raise TypeError(
                "[jit] Expected arguments that are Tensors, arrays, nested lists, tuples or dicts "
                f"of them, or can be told apart by hash(); received {type(leaf).__name__}."
            ) from None
        # as text, 0.0 differs from -0.0, and NaN is itself
        words.append((type(leaf), str(leaf) if isinstance(leaf, float) else leaf))
    if isinstance(tree, dict):
        words.append(tuple(tree))


def _changing(leaf: Any) -> np.ndarray | None:
    """The array of an argument that may hold new values at every call."""
    if isinstance(leaf, np.ndarray):
        return leaf
    if not isinstance(leaf, Value) or (leaf.node is not None and leaf.node.keeps_grad):
        return None
    if leaf.node is not None and mode.get().recording:
        raise ValueError(
            "[jit] Expected constants or leaves, since no gradient flows through a captured "
            f"function; received the result of {leaf.node}. Call it with x.detach(), or inside "
            "no_grad()."
        )
    return leaf.data


def _filled(args: tuple, kwargs: dict) -> tuple[tuple, dict, list[np.ndarray]]:
    """The arguments with copies of their arrays, which are to be the plan's memory for them."""
    mine: list[np.ndarray] = []

    def copy(leaf: Any) -> Any:
        data = _changing(leaf)
        if data is None:
            return leaf
        mine.append(np.array(data, order="C"))
        return wrap(mine[-1])

    filled_args = map_structure(copy, args)
    return filled_args, map_structure(copy, kwargs), mine


def _note_result(found: list[np.ndarray], leaf: Any) -> Any:
    if not isinstance(leaf, (Value, np.ndarray)):
        parts = (
            leaf if isinstance(leaf, (set, frozenset)) else getattr(leaf, "__dict__", {}).values()
        )
        if any(type(part) is Op.result for part in parts):
            raise CaptureError(
                "[jit] Expected results that are Tensors, or tuples, lists and dicts of them; "
                f"received {type(leaf).__name__} with Tensors in it."
            )
        return leaf
    found.append(leaf.data if isinstance(leaf, Value) else leaf)
    return Result(len(found) - 1, bare=not isinstance(leaf, Value))
