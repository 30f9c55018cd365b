"""Updates: an optimizer's calls, one per variable, become one call for all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_cn import kernels

from .program import Call, Program, View, parts

# Per driver of csrc/drivers/optimizer.c: how many arrays of state follow the variable in its call.
STATE = {"sgd": 1, "adam": 3}


def merge_updates(program: Program) -> None:
    """Neighbouring updates that share their rate, step and settings are done at once."""
    calls: list[Call] = []
    for call in program.calls:
        if call.kernel in STATE and calls and _alike(calls[-1], call):
            calls[-1] = _joined(calls[-1], call)
        else:
            calls.append(call)
    program.notes.append(f"updates: {len(program.calls) - len(calls)} calls merged into others")
    program.calls = calls


def _alike(merged: Call, call: Call) -> bool:
    first = merged.members[0] if merged.members else merged
    if first.kernel != call.kernel or first.numbers != call.numbers:
        return False
    n = STATE[call.kernel] + 2  # p, its state, and g
    if first.arrays[n:] != call.arrays[n:] or first.outputs[0].dtype != call.outputs[0].dtype:
        return False
    changed = {view.buffer for view in merged.outputs}
    return not changed & {v.buffer for v in call.arrays[:n] if v is not None}


def _joined(merged: Call, call: Call) -> Call:
    members = [*(merged.members or [merged]), call]
    n = STATE[call.kernel] + 1
    outputs = [v for member in members for v in member.arrays[:n] if v is not None]
    inputs = [member.arrays[n] for member in members] + call.arrays[n + 1 :]
    origin = tuple([member.origin[0] for member in members for v in member.arrays[:n] if v])
    return Call(
        f"{call.kernel}_all",
        [*outputs, *inputs],
        len(outputs),
        tuple(range(len(outputs))),
        call.numbers,
        origin=origin,
        members=members,
    )


def record_of(call: Call, address: Callable[[View], int]) -> tuple[bytes, np.ndarray]:
    """The tg_call of merged updates, and the table of tensors that it points to."""
    kernel = call.members[0].kernel
    n = STATE[kernel]
    rows = []
    for member in call.members:
        at = [0 if v is None else address(v) for v in member.arrays[: n + 2]]
        *state, gradient = at
        size = member.arrays[0].size  # type: ignore[union-attr] # p is there
        rows.append([*state, *[0] * (4 - len(state)), gradient, size, 0])
    table = np.array(rows, np.int64)
    shared = [v for v in call.members[0].arrays[n + 2 :] if v is not None]
    dtype = kernels.core.dtype_code(call.outputs[0].dtype)
    numbers = (len(rows), dtype, int(call.numbers[0]))
    record = kernels.core.make_call(call.kernel, [parts(v) for v in shared], numbers, table)
    return kernels.core.relocate_call(record, [address(v) for v in shared]), table
