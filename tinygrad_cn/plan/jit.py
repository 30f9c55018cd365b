"""jit: run a function twice as it is, and from then on replay its kernel calls.

The first two calls with arguments of some shapes run the function in Python, and record it. If the
two records agree, later calls copy the new arguments in, run the plan, and copy the results out.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.mode import mode
from tinygrad_cn.op import Value, wrap
from tinygrad_cn.tree import map_structure

from .capture import Capture, CaptureError, release
from .check import run_checked
from .compiled import CompiledStep, Result
from .verify import verify

CHOICE = os.environ.get("TINYGRAD_CN_JIT", "on")  # "off": run eagerly; "check": see check.py
if CHOICE not in ("on", "off", "check"):
    raise ValueError(f"[jit] Expected TINYGRAD_CN_JIT to be on, off or check, received {CHOICE!r}.")
MAX_SIGNATURES = 8  # plans kept per function, the least recently used is dropped


class Argument:
    """Stands, in the structure of the arguments, for the array of this number."""

    def __init__(self, index: int) -> None:
        self.index = index


class Jit:
    """A function that is captured, and replayed; made by :func:`jit`."""

    def __init__(self, function: Callable, fallback: bool = False) -> None:
        functools.update_wrapper(self, function)
        self.name = getattr(function, "__name__", "the function")
        self.function = function
        self.fallback = fallback  # run eagerly, after a warning, what cannot be captured
        self.gave_up = False
        self.steps: OrderedDict[Any, Any] = OrderedDict()  # signature -> Recorded or CompiledStep
        self.last: CompiledStep | None = None
        self._dropped = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = mode.get()
        if now.capture is not None or kernels.core is None or CHOICE == "off" or self.gave_up:
            return self.function(*args, **kwargs)  # part of a larger step; or nothing to replay
        if now.observer is not None:  # who watches the ops, as detect_anomaly does, is to see them
            return self.function(*args, **kwargs)
        arrays: list[np.ndarray] = []
        fixed: list[Any] = []
        structure = map_structure(functools.partial(_sort_out, arrays, fixed), (args, kwargs))
        kinds = tuple([(a.shape, a.dtype.str) for a in arrays])
        key = (_shape_of(structure), kinds, tuple(fixed), now.recording, now.training)
        step = self.steps.get(key)
        if isinstance(step, CompiledStep):
            self.steps.move_to_end(key)
            self.last = step
            if CHOICE == "check":
                return run_checked(step, self.function, *self._filled(structure, arrays))
            return step.run(arrays)
        try:
            result, recorded = self._record(structure, arrays, step)
        except CaptureError as error:
            if not self.fallback:
                raise
            self._give_up(error)
            return self.function(*args, **kwargs) if error.result is None else error.result
        self._keep(key, recorded)
        return result

    def _give_up(self, error: CaptureError) -> None:
        self.gave_up = True
        self.steps.clear()
        warnings.warn(f"{error} The step runs eagerly from here on.", stacklevel=5)

    def _record(self, structure: Any, arrays: list, first: Any) -> tuple[Any, Any]:
        """Run the function and watch. ``first`` is what the first such run left, if there was
        one."""
        capture = Capture()
        args, kwargs, mine = self._filled(structure, arrays)
        returned = capture.run(self.function, args, kwargs, mine)
        found: list[np.ndarray] = []
        result = map_structure(functools.partial(_note_result, found), returned)
        program = capture.program(found)
        copies = [wrap(array.copy()) for array in found]
        answer = map_structure(lambda x: copies[x.index] if type(x) is Result else x, result)
        if first is None:
            return answer, (program, capture)
        try:
            verify(first[0], program)
        except CaptureError as error:
            error.result = answer  # the function did run, and must not run again
            raise
        del args, kwargs, returned, found, mine
        capture.forget()
        release(program)
        return answer, CompiledStep(program, capture, result)

    def _filled(self, structure: Any, arrays: list) -> tuple[Any, Any, list[np.ndarray]]:
        """The arguments, with copies of the arrays, which are the plan's own memory for its
        inputs."""
        mine = [np.array(a, order="C") for a in arrays]
        args, kwargs = map_structure(
            lambda x: wrap(mine[x.index]) if type(x) is Argument else x, structure
        )
        return args, kwargs, mine

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
        return {"function": self.function, "fallback": self.fallback}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["function"], state["fallback"])  # type: ignore[misc]

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


def _sort_out(arrays: list[np.ndarray], fixed: list[Any], leaf: Any) -> Any:
    """Arguments that may change from call to call become numbers; the others are part of the
    key."""
    if isinstance(leaf, Value) and leaf.node is None:
        leaf = leaf.data
    if isinstance(leaf, np.ndarray):
        arrays.append(leaf)
        return Argument(len(arrays) - 1)
    try:
        hash(leaf)
        fixed.append((type(leaf), leaf))
    except TypeError:
        fixed.append((type(leaf), id(leaf)))
    return leaf


def _shape_of(structure: Any) -> Any:
    """The nesting of the arguments as something hashable."""
    if isinstance(structure, dict):
        return dict, tuple([(key, _shape_of(value)) for key, value in structure.items()])
    if isinstance(structure, (tuple, list)):
        return type(structure), tuple([_shape_of(value) for value in structure])
    return type(structure) is Argument


def _note_result(found: list[np.ndarray], leaf: Any) -> Any:
    if not isinstance(leaf, Value):
        return leaf
    found.append(leaf.data)
    return Result(len(found) - 1)
