"""A compiled step: the plan of one signature, its memory, and the way in and out of it."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import wrap
from tinygrad_cn.tree import map_structure

from .bias_gradients import take_sums_along
from .capture import Capture, CaptureError
from .cross_entropy import join_cross_entropies
from .dead_code import drop_dead_code
from .fusion import fuse
from .memory import ALIGNMENT, place
from .pooling import move_relu_behind_pooling
from .products import end_in_chains
from .program import Buffer, Call, Program, View, root
from .reductions import end_in_reductions
from .schedule import schedule
from .updates import merge_updates, record_of

# Replays that are timed, by turns with a team of threads and alone, before the faster way is taken,
# for so many seconds but at least so many replays. Other programs may have held the cores at the
# time of the trial, which costs a step that then runs alone the most: it is looked at again sooner.
# A team takes the cores from other programs and spins between steps, so in a short step it must
# gain a tenth. In a long one it is taken unless it loses: a small gain is often that of a busy
# moment, and the usual one is missed until the next trial.
TRIALS = 6
UNTIMED_ALONE, SECONDS_ALONE = 10, 0.05
UNTIMED_BY_TEAM, SECONDS_BY_TEAM = 300, 0.2
WORTH_A_TEAM = 0.9
LONG_STEP = 1e-3  # seconds

BIND_FROM_BYTES = 32768  # a smaller input is copied; a larger one is read where the caller has it

MISFIT = object()  # what CompiledStep.run returns for arguments of other shapes than the plan's


class Result:
    """Stands, in the structure that the function returned, for the result of this number.

    Args:
        index: the number.
        bare: whether it is an array, not a Tensor.
    """

    def __init__(self, index: int, bare: bool = False) -> None:
        self.index, self.bare = index, bare

    def of(self, arrays: list[np.ndarray]) -> Any:
        """The result among all."""
        return arrays[self.index] if self.bare else wrap(arrays[self.index])


class CompiledStep:
    """Runs a captured step again: :meth:`run`."""

    def __init__(self, program: Program, capture: Capture, result: Any) -> None:
        drop_dead_code(program)
        join_cross_entropies(program)
        move_relu_behind_pooling(program)
        fuse(program)
        take_sums_along(program)
        end_in_reductions(program)
        end_in_chains(program)
        merge_updates(program)
        schedule(program)
        self.program = program
        self.each_step = capture.each_step
        self.gradients = capture.gradients
        self.result = result
        self.starts, self.arena_bytes = place(program)
        self.arena = kernels.core.empty(((self.arena_bytes + ALIGNMENT) // 4 + 1,), np.float32)
        self._origin = -(-self.arena.ctypes.data // ALIGNMENT) * ALIGNMENT
        self._owners = [buffer.owner for buffer in program.buffers()]  # they keep the memory
        self.inputs = [self.array(view) for view in program.inputs]
        self.bound: list[list[tuple] | None] = self._bindable()
        self.written = self._written()
        self.parts = self._link()
        self.results = [self.array(view) for view in program.results]
        self.lock = threading.Lock()
        self._team = False
        self._best = [math.inf, math.inf]  # seconds: alone, with a team
        self._to_try, self._untimed = TRIALS, 0

    def address(self, buffer: Buffer) -> int:
        """Where the buffer lies now."""
        start = self.starts.get(buffer)
        return buffer.address if start is None else self._origin + start

    def array(self, view: View) -> np.ndarray:
        """The memory of a view as an array."""
        memory = (ctypes.c_char * max(view.buffer.nbytes, 1)).from_address(
            self.address(view.buffer)
        )
        return np.ndarray(view.shape, view.dtype, memoryview(memory), view.offset, view.strides)

    def _link(self) -> list[Any]:
        """The calls with their final addresses: plans, and between them ops that run in Python."""
        parts: list[Any] = []
        ready: list[Call] = []
        for call in self.program.calls:
            if call.python is None:
                ready.append(call)
            else:
                parts += [self._plan(ready)] if ready else []
                parts.append(PythonOp(call, self))
                ready = []
        return [*parts, self._plan(ready)] if ready or not parts else parts

    def _plan(self, calls: list[Call]) -> Any:
        plan = kernels.core.Plan([self._placed(c) for c in calls], [c.together for c in calls])
        buffers = [view.buffer for view in self.program.inputs]
        for i, call in enumerate(calls):
            for j, view in enumerate(call.arrays):
                if view is not None and view.buffer.role == "input":
                    places = self.bound[buffers.index(view.buffer)]
                    if places is not None:
                        places.append((plan, i, j, view.offset))
        return plan

    def _bindable(self) -> list[list[tuple] | None]:
        """Per input, an empty list if the plan can read it where the caller has it; or None."""
        fixed = {view.buffer for view in self.program.results}
        held = {id(root(tensor.data)) for tensor in self.gradients.values()}
        fixed.update(v.buffer for v in self.program.inputs if id(v.buffer.owner) in held)
        for call in self.program.calls:
            fixed.update(view.buffer for view in call.outputs)
            if call.python is not None or call.members:
                fixed.update(view.buffer for view in call.inputs)
        return [
            None if v.buffer in fixed or v.nbytes < BIND_FROM_BYTES else []
            for v in self.program.inputs
        ]

    def _written(self) -> np.ndarray:
        """The memory outside of the arena that the calls write, as sorted spans (low, high). An
        argument that lies there is copied: the step is to see what it was at the beginning."""
        outputs = {view.buffer for call in self.program.calls for view in call.outputs}
        there = [b for b in outputs if b.role in ("outside", "kept")]
        spans: list[list[int]] = []
        for low, n_bytes in sorted((b.address, b.nbytes) for b in there):
            if not spans or low > spans[-1][1]:
                spans.append([low, low])
            spans[-1][1] = max(spans[-1][1], low + n_bytes)
        return np.array(spans, np.int64).reshape(-1)

    def run(self, given: Sequence[Any]) -> Any:
        """One step on new arguments: the results, as Tensors of their own; or MISFIT."""
        with self.lock:
            if not kernels.core.fill_inputs(given, self.inputs, self.bound, self.written):
                return MISFIT
            for update in self.each_step:
                update()
            if self._untimed > 0:
                self._untimed -= 1
                for part in self.parts:
                    part.run(self._team)
            else:
                self._try()
            return self.finish()

    def run_one(self, call: Call) -> None:
        """Run a single call of the program."""
        if call.python is not None:
            PythonOp(call, self).run(False)
        else:
            kernels.core.run_call(self._placed(call))

    def _placed(self, call: Call) -> bytes:
        if call.members:
            record, table = record_of(call, lambda v: self.address(v.buffer) + v.offset)
            self._owners.append(table)
            return record
        at = [None if v is None else self.address(v.buffer) + v.offset for v in call.arrays]
        return kernels.core.relocate_call(call.record, at)

    def finish(self) -> Any:
        """After the calls: hand out the gradients and copies of the results."""
        for node, tensor in self.gradients.items():
            node.grad = tensor
        arrays = kernels.core.copies(self.results)
        if type(self.result) is Result:
            return self.result.of(arrays)
        return map_structure(lambda x: x.of(arrays) if type(x) is Result else x, self.result)

    def _try(self) -> None:
        """Run, and time it, one way or the other; after some such runs settle for one."""
        self._to_try -= 1
        team = self._to_try % 2 == 0
        start = time.perf_counter()
        for part in self.parts:
            part.run(team)
        self._best[team] = min(self._best[team], time.perf_counter() - start)
        if self._to_try == 0:
            worth = WORTH_A_TEAM if self._best[False] < LONG_STEP else 1
            self._team = self._best[True] < worth * self._best[False]
            self._to_try = TRIALS
            alone = (UNTIMED_ALONE, SECONDS_ALONE)
            least, seconds = (UNTIMED_BY_TEAM, SECONDS_BY_TEAM) if self._team else alone
            self._untimed = max(least, int(seconds / max(min(self._best), 1e-6)))
            self._best = [math.inf, math.inf]


class PythonOp:
    """An op without a compiled kernel: its forward runs in Python on the step's memory."""

    def __init__(self, call: Call, step: CompiledStep) -> None:
        self.op, arguments, self.settings, _ = call.python
        arrays = [step.array(view) for view in call.arrays if view is not None]
        self.outputs = arrays[: call.n_outputs]
        given = iter(arrays[call.n_outputs :])
        self.arguments = [next(given) if isinstance(a, np.ndarray) else a for a in arguments]

    def run(self, team: bool) -> None:
        """Compute the outputs."""
        made = self.op.forward(*self.arguments, **self.settings)
        made = made if self.op.many or self.op.extra else (made,)
        for mine, y in zip(self.outputs, made, strict=False):
            if y.shape != mine.shape:
                raise CaptureError(
                    f"[jit] {self.op.name} gave an array of shape {y.shape}, and {mine.shape} when "
                    "the step was captured. Expected shapes that follow from those of the "
                    "arguments."
                )
            np.copyto(mine, y)
