"""TINYGRAD_CN_JIT=check: every replay runs beside eager execution, and every array is compared.

The function runs in Python first, and what each of its kernels wrote is copied. Then its state is
put back, and the plan runs one call at a time: an array that differs names the kernel and the op.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels

from .capture import Capture, CaptureError
from .compiled import CompiledStep
from .program import WRITES, Call, View


class Witness(Capture):
    """A capture that copies what each call wrote."""

    def __init__(self) -> None:
        super().__init__(phased=True)  # they were, or there would be nothing to compare with
        self.written: list[list[np.ndarray]] = []  # per call: its outputs

    def record(self, call: bytes, arrays: tuple) -> None:
        """A kernel is about to run; the one before it has."""
        self.look()
        super().record(call, arrays)

    def end_op(self, op: Any, args: tuple, settings: dict, outputs: tuple) -> None:
        """An op has run; it may stand for the calls that it made."""
        self.look()
        super().end_op(op, args, settings, outputs)
        if self._calls and self._calls[-1][2] is not None:
            del self.written[len(self._calls) - 1 :]
        self.look()

    def look(self) -> None:
        """Copy the outputs of the last call, once."""
        if len(self.written) < len(self._calls):
            _, arrays, python, _ = self._calls[-1]
            n_outputs = WRITES[self.kernel][0] if python is None else python[3]
            self.written.append([np.copy(a) for a in arrays[:n_outputs] if a is not None])


def run_checked(step: CompiledStep, function: Any, args: Any, kwargs: Any, inputs: list) -> Any:
    """The result of a replay in which every array was found equal to eager's."""
    state = {v.buffer: v.buffer.owner for call in step.program.calls for v in call.outputs}
    owners = [owner for owner in state.values() if owner is not None]
    before = [owner.copy() for owner in owners]
    witness = Witness()
    witness.run(function, args, kwargs, inputs)
    witness.look()
    for owner, values in zip(owners, before, strict=True):
        owner[...] = values
    with step.lock:
        kernels.core.fill_inputs(inputs, step.inputs, [None] * len(inputs), step.written)
        for call in step.program.calls:
            step.run_one(call)
            for view, number in zip(call.outputs, call.origin, strict=False):
                if number is not None:
                    _compare(step, call, view, witness.written[number])
        return step.finish()


def _compare(step: CompiledStep, call: Call, view: View, eager: list[np.ndarray]) -> None:
    mine = step.array(view)
    tolerance = 1e-5 if mine.dtype == np.float32 else 1e-10
    for theirs in eager:
        if theirs.size == mine.size and np.allclose(
            mine.reshape(-1), theirs.reshape(-1), tolerance, tolerance, equal_nan=True
        ):
            return
    raise CaptureError(
        f"[jit] The plan and eager execution disagree on what kernel {call.kernel!r} "
        f"({call.label}) writes, an array of shape {view.shape}. This is a defect of tinygrad_cn: "
        "please report it, and set TINYGRAD_CN_JIT=off meanwhile."
    )
