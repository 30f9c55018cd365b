"""Reductions: a sum (mean, max, ...) of what an elementwise call makes is taken in the same pass.

The call ``fused_reduce`` makes a piece of the array just before the reduction reads it, while it is
in the cache; the reduction adds in the order in which it always adds, so the bits stay the same.
"""

from __future__ import annotations

from tinygrad_cn import kernels

from .fusion import MAX_ARRAYS, fusable, fused_call, last_readers, same_elements
from .program import MAX_INTS, Buffer, Call, Program, depends, maker_before, parts


def end_in_reductions(program: Program) -> None:
    """Merge each reduction into the elementwise call that makes its input."""
    readers = last_readers(program)
    calls: list[Call | None] = list(program.calls)
    merged = 0
    for at, call in enumerate(program.calls):
        found = _maker(calls, at, call) if call.kernel == "reduce" else None
        if found is None:
            continue
        maker_at, maker, output = found
        first = maker
        if maker.kernel != "fused":
            first = fused_call([maker], readers, maker_at + 1)
        if len(first.arrays) < MAX_ARRAYS:
            calls[maker_at], calls[at] = _joined(first, call, output), None
            merged += 1
    program.calls = [call for call in calls if call is not None]
    program.notes.append(f"reductions: {merged} taken in the pass that makes their input")


def _maker(calls: list[Call | None], at: int, reduce: Call) -> tuple[int, Call, int] | None:
    """The call that makes all of the reduction's input: its place, and the number of the output."""
    x = reduce.inputs[0]
    found = maker_before(calls, at, {x.buffer})
    if found is None:
        return None
    place, passed = found
    call = calls[place]
    assert call is not None
    if (call.kernel == "fused" or fusable(call)) and not depends(reduce, passed):
        for k, v in enumerate(call.outputs):
            if same_elements(v, x):
                return place, call, k
    return None


def _joined(first: Call, reduce: Call, output: int) -> Call:
    y, x = reduce.outputs[0], reduce.inputs[0]
    code: Buffer = first.inputs[-1].buffer
    arrays = [y, *first.outputs, *first.inputs]
    numbers = (*first.numbers[:4], output, int(reduce.numbers[0]), *x.shape)
    record = kernels.core.make_call(
        "fused_reduce",
        [parts(v) for v in arrays[:-1]],
        numbers,
        code.owner,
        reduce.numbers[MAX_INTS],
    )
    label = f"{first.label}+{reduce.label}"
    n_outputs = 1 + first.n_outputs
    merged = Call("fused_reduce", list(arrays), n_outputs, (), numbers, record, None, label)
    merged.origin = (*reduce.origin[:1], *first.origin)
    return merged
