"""Fusion: neighbouring elementwise calls of one shape become one pass over memory.

The calls of a run are turned into a program for the interpreter csrc/drivers/fused.c. Whatever only
the run itself reads becomes a register of it: a block in the first-level cache instead of an array.
"""

from __future__ import annotations

import numpy as np

from tinygrad_cn import kernels

from .program import Buffer, Call, Program, View, parts

KINDS = {"unary": 0, "binary": 1, "compare": 2, "where": 3}
MAX_REGISTERS = 8  # as in fused.c
MAX_ARRAYS = 12  # TG_MAX_ARRAYS, one of them for the program
MAX_CALLS = 32


def fuse(program: Program) -> None:
    """Replace every run of two or more fusable calls by one call of ``fused``."""
    readers = last_readers(program)
    calls: list[Call] = []
    run: list[Call] = []
    fused = 0
    for at, call in enumerate([*program.calls, None]):
        if call is not None and _joins(run, call, readers, at):
            run.append(call)
            continue
        if len(run) > 1:
            calls.append(fused_call(run, readers, at))
            fused += len(run)
        else:
            calls.extend(run)
        run = []
        if call is not None:
            if _joins([], call, readers, at):
                run = [call]
            else:
                calls.append(call)
    program.notes.append(
        f"fusion: {fused} elementwise calls in {fused - len(program.calls) + len(calls)}"
    )
    program.calls = calls


def last_readers(program: Program) -> dict[Buffer, int]:
    """The number of the last call that reads each buffer; results and what is kept, for ever."""
    last: dict[Buffer, int] = {}
    for at, call in enumerate(program.calls):
        for view in call.inputs:
            last[view.buffer] = at
    end = len(program.calls)
    for buffer in program.buffers():
        if buffer.role != "temporary":
            last[buffer] = end
    for view in program.results:
        last[view.buffer] = end
    return last


def _joins(run: list[Call], call: Call, readers: dict[Buffer, int], at: int) -> bool:
    """Can the call be the next of the run?"""
    if not fusable(call) or len(run) == MAX_CALLS:
        return False
    y = call.outputs[0]
    if not run:
        return True
    if y.shape != run[0].outputs[0].shape or _arithmetic(call) != _arithmetic(run[0]):
        return False
    written = {c.outputs[0].buffer: c.outputs[0] for c in run}
    for view in call.inputs:  # what the run wrote may be read only as it was written
        if view.buffer in written and not _same(view, written[view.buffer]):
            return False
    # writing over what the run has read is right only at the very same place
    if any(v.buffer is y.buffer and not _same(y, v) for c in run for v in c.inputs):
        return False
    if y.buffer in written:
        return False
    arrays, registers = _operands([*run, call], readers, at + 1)
    return len(arrays) < MAX_ARRAYS and registers <= MAX_REGISTERS


def _operands(run: list[Call], readers: dict[Buffer, int], end: int) -> tuple[list[View], int]:
    """The arrays that the run needs beside its registers, outputs first; and the registers'
    number."""
    written = {call.outputs[0].buffer for call in run}
    inner: set[Buffer] = set()
    seen: set[Buffer] = set()  # read before it is written: it holds what came from before the run
    for call in run:
        seen.update(view.buffer for view in call.inputs)
        y = call.outputs[0].buffer
        if y.role == "temporary" and y not in seen and readers.get(y, -1) < end:
            inner.add(y)
    outputs = [c.outputs[0] for c in run if c.outputs[0].buffer not in inner]
    arrays = list(outputs)
    for call in run:
        for view in call.inputs:
            if view.buffer not in written or view.buffer.role != "temporary":
                if not any(_same(view, other) for other in arrays):
                    arrays.append(view)
    return arrays, len(inner)


def fusable(call: Call) -> bool:
    """Can the call be part of a run?"""
    return call.kernel in KINDS and contiguous(call.outputs[0]) and _arithmetic(call) is not None


def fused_call(run: list[Call], readers: dict[Buffer, int], end: int) -> Call:
    """One call of ``fused`` for the calls of a run, the last of which is number ``end`` - 1."""
    arrays, _ = _operands(run, readers, end)
    outputs = [v for v in arrays if any(v is c.outputs[0] for c in run)]
    registers: dict[Buffer, int] = {}

    def operand(view: View) -> int:
        if view.buffer in registers:
            return MAX_ARRAYS + registers[view.buffer]
        return next(i for i, other in enumerate(arrays) if _same(view, other))

    instructions = []
    for call in run:
        y = call.outputs[0]
        inputs = [operand(view) for view in call.inputs]
        if not any(y is v for v in outputs):
            registers[y.buffer] = len(registers)
        inputs += [inputs[0]] * (3 - len(inputs))
        instructions.append([KINDS[call.kernel], int(call.numbers[0]), operand(y), *inputs])
    code = np.array(instructions, np.int32)
    dtype = _arithmetic(run[0])
    numbers = (len(outputs), len(arrays) - len(outputs), len(run), kernels.core.dtype_code(dtype))
    record = kernels.core.make_call("fused", [parts(v) for v in arrays], numbers, code)
    views = [*arrays, constant(code)]
    label = "+".join(call.label for call in run)
    origin = tuple([c.origin[0] for v in outputs for c in run if c.outputs[0] is v])
    return Call("fused", list(views), len(outputs), (), numbers, record, None, label, origin)


def constant(array: np.ndarray) -> View:
    """A view of an array that stays where it is."""
    home = Buffer(array, array.ctypes.data, array.nbytes, "outside")
    return View(home, 0, array.shape, array.strides, array.dtype)


def _arithmetic(call: Call) -> np.dtype | None:
    """float32 or float64: what the call computes with."""
    floats = {v.dtype for v in call.arrays if v is not None and v.dtype.kind == "f"}
    return floats.pop() if len(floats) == 1 else None


def _same(a: View, b: View) -> bool:
    mine = (a.buffer, a.offset, a.shape, a.strides, a.dtype)
    return mine == (b.buffer, b.offset, b.shape, b.strides, b.dtype)


def contiguous(view: View) -> bool:
    """Do the elements lie in C order without gaps?"""
    expected = view.dtype.itemsize
    for n, stride in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if n != 1 and stride != expected:
            return False
        expected *= n
    return True


def same_elements(made: View, read: View) -> bool:
    """Is what one call made all that another reads, in the same order?"""
    same_place = (made.buffer, made.offset, made.dtype) == (read.buffer, read.offset, read.dtype)
    whole = made.size == read.size and contiguous(made) and contiguous(read)
    return same_place and whole and made.dtype.kind == "f"
