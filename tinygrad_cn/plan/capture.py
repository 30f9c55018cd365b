"""Capture: watch one run of a function, and keep its kernel calls.

The kernels' boundary tells of every call (its one hook), and the engine of every op. All arrays are
kept alive while the capture lives, so that an address stands for one array all along.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.mode import set_mode
from tinygrad_cn.op import Value

from .program import WRITES, Buffer, Buffers, Call, Program, View, root


class CaptureError(RuntimeError):
    """What a function does cannot be captured; the message says what, and where."""

    result: Any = None  # what the function returned, if it ran to its end


class Capture:
    """The record of one run of a function.

    With ``fallback`` a refusal does not end the run, which may have changed state by then and must
    not start again: it is kept in ``refusal``, and the function goes on as if nobody watched.
    """

    def __init__(self, phased: bool = False, fallback: bool = False) -> None:
        self.phased = phased  # steps of different phases of the optimizer are captured apart
        self.fallback = fallback
        self.refusal: CaptureError | None = None
        self.each_step: list[Callable[[], None]] = []  # see mode.each_step
        self.gradients: dict[Any, Any] = {}  # leaf node -> the .grad that backward left
        self._calls: list[list] = []  # [record, arrays, python, label]
        self._inputs: list[np.ndarray] = []
        self._computed: dict[int, np.ndarray] = {}  # the owners of what was computed, by id
        self._op_begins = 0  # the number of calls when the current op began
        self.kernel = ""  # the last one that ran
        self._not_compiled = ""  # a kernel of the current op that NumPy computed

    def run(self, function: Callable, args: Any, kwargs: Any, inputs: list[np.ndarray]) -> Any:
        """Call the function; the Tensors in its arguments hold the arrays ``inputs``."""
        self._inputs = inputs
        self._note_computed(inputs)
        previous = kernels.core.set_recorder(self)
        try:
            with set_mode(capture=self):
                result = function(*args, **kwargs)
        finally:
            kernels.core.set_recorder(previous)
        self._check_compiled()
        return result

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Watch nothing of what runs inside."""
        kernels.core.set_recorder(None)
        try:
            with set_mode(capture=None):
                yield
        finally:
            kernels.core.set_recorder(self)

    def _refuse(self, message: str) -> None:
        error = CaptureError(message)
        if not self.fallback:
            raise error
        self.refusal = self.refusal or error

    # --- what the kernels' boundary tells ---------------------------------------------------------

    def record(self, call: bytes, arrays: tuple) -> None:
        """A kernel is about to run."""
        kernel = kernels.core.driver_of(call)
        n_outputs, _ = WRITES[kernel]
        self.kernel = kernel
        self._note_computed([array for array in arrays[:n_outputs] if array is not None])
        self._calls.append([call, arrays, None, ""])

    def refuse(self, name: str) -> None:
        """NumPy computes a kernel, for a dtype that the compiled ones do not take."""
        self._not_compiled = name

    # --- what the engine tells --------------------------------------------------------------------

    def begin_op(self) -> None:
        """An op is about to run."""
        self._check_compiled()
        self._op_begins = len(self._calls)

    def end_op(self, op: Any, args: tuple, settings: dict, outputs: tuple) -> None:
        """An op has run. If NumPy computed any of it, keep the op itself instead of its calls."""
        for call in self._calls[self._op_begins :]:
            call[3] = op.name
        arguments = [a.data if isinstance(a, Value) else a for a in args]
        arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        given = {id(root(a)) for a in arrays}
        made = [y for y in outputs if id(root(y)) not in given]
        if self._not_compiled or any(id(root(y)) not in self._computed for y in made):
            if arrays:  # variables among them may change between steps; of numbers comes a constant
                del self._calls[self._op_begins :]
                python = (op, arguments, settings, len(outputs))
                self._calls.append([b"", (*outputs, *arrays), python, op.name])
                self._note_computed(list(outputs))
            self._not_compiled = ""

    def _check_compiled(self) -> None:
        """Refuse what NumPy computed outside of any op, such as an update in place."""
        if self._not_compiled:
            name, self._not_compiled = self._not_compiled, ""
            self._refuse(
                f"[jit] Outside of any op, NumPy computed {name!r}; a replay would not repeat it. "
                "Expected float32 or float64 arrays, or an op of tinygrad_cn.ops."
            )

    def computed(self, array: np.ndarray) -> bool:
        """Does the array hold what the step computes, or an input of it?"""
        return id(root(array)) in self._computed

    def refuse_step(self, reason: str) -> None:
        """The step cannot be captured, because of what it is made of."""
        self._refuse(f"[jit] {reason}. Expected a step whose kernels are the same every time.")

    def refuse_read(self, data: np.ndarray, how: str) -> None:
        """A Tensor's value is wanted in Python: an error if the next step's would be another."""
        if self.computed(data):
            self._refuse(
                f"[jit] {how} wants a value that the captured step computes: a replay runs no "
                "Python, so it would be that of the first step for ever. Expected a function that "
                f"returns the tensor, to be read after the call. Received a tensor of shape "
                f"{data.shape}."
            )

    def _note_computed(self, arrays: list[np.ndarray]) -> None:
        for array in arrays:
            owner = root(array)
            self._computed[id(owner)] = owner

    def forget(self) -> None:
        """Let go of the arrays; what a plan needs after this is in the program."""
        self._calls, self._inputs, self._computed = [], [], {}

    # --- the program ------------------------------------------------------------------------------

    def program(self, results: list[np.ndarray]) -> Program:
        """The calls as data."""
        buffers = Buffers()
        calls: list[Call] = []
        for record, arrays, python, label in self._calls:
            origin = (len(calls),) * len(arrays)
            if python is not None:
                views: list = [buffers.view(array) for array in arrays]
                calls.append(Call("python", views, python[3], (), (), b"", python, label, origin))
                continue
            told = kernels.core.describe_call(record)
            kernel = told["driver"]
            n_outputs, updates = WRITES[kernel]
            views = [
                None if array is None else buffers.described(array, one)
                for array, one in zip(arrays, told["arrays"], strict=True)
            ]
            updates = tuple([i for i in updates if views[i] is not None])
            numbers = (*told["ints"], *told["floats"])
            calls.append(
                Call(kernel, views, n_outputs, updates, numbers, record, None, label, origin)
            )
        inputs = [buffers.view(array) for array in self._inputs]
        program = Program(calls, inputs, [buffers.view(array) for array in results])
        _assign_roles(program)
        return program


def _assign_roles(program: Program) -> None:
    """Which buffers hold nothing but what the calls wrote there before reading it?"""
    for view in program.inputs:
        view.buffer.role = "input"
    written: dict[Buffer, np.ndarray | None] = {}  # which bytes; None: all
    found: dict[Buffer, np.ndarray] = {}  # which bytes a "kept" one had before the step
    ends = Call("end", list(program.results), 0)
    for call in [*program.calls, ends]:
        for view in call.inputs:
            buffer = view.buffer
            if buffer.role != "temporary" or not buffer.nbytes:
                continue
            if buffer not in written:
                buffer.role = "outside"
            elif (bytes_written := written[buffer]) is not None:
                if bytes_written.all():
                    written[buffer] = None
                else:  # the rest (a border of zeros, say) stays as it is now
                    buffer.role, found[buffer] = "kept", ~bytes_written
        for view in call.outputs:
            buffer = view.buffer
            if buffer.role == "kept" and _bytes_of(view, found[buffer]).any():
                buffer.role = "outside"  # the rest does not stay as it is
            elif buffer.role == "temporary":
                if view.nbytes == buffer.nbytes:
                    written[buffer] = None
                elif buffer not in written:
                    written[buffer] = np.zeros(buffer.nbytes, bool)
                if (bytes_written := written[buffer]) is not None:
                    _bytes_of(view, bytes_written)[...] = True


def _bytes_of(view: View, marks: np.ndarray) -> np.ndarray:
    """The marks of the bytes of a view, among those of its buffer."""
    shape, strides = (*view.shape, view.dtype.itemsize), (*view.strides, 1)
    return np.ndarray(shape, bool, marks, view.offset, strides)


def release(program: Program) -> None:
    """Give up the temporaries' memory, but for those that somebody outside still holds.

    To be called when the capture is gone: an array that is alive then is held by the user (a
    ``.grad``, say) or by the optimizer, and has to stay where it is.
    """
    waiting = []
    for buffer in program.buffers():
        if buffer.role == "temporary":
            waiting.append((buffer, weakref.ref(buffer.owner)))
            buffer.owner = None
    for buffer, reference in waiting:
        buffer.owner = reference()
        if buffer.owner is not None:
            buffer.role = "kept"
