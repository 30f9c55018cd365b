"""Two captures of the same function must tell the same story; else a replay would tell a false
one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .capture import CaptureError
from .program import Buffer, Program, View


def verify(first: Program, second: Program) -> None:
    """Raise CaptureError unless the two programs differ in nothing but where temporaries lie."""
    if [c.kernel for c in first.calls] != [c.kernel for c in second.calls]:
        at, name, other_name = _first_difference(first, second)
        raise CaptureError(
            f"[jit] Two runs of the function called different kernels, from call {at}: {name} "
            f"and {other_name}. Expected a function whose path does not depend on data, on how "
            "often it ran, or on a .grad left by the run before (clear gradients inside the "
            "function)."
        )
    twin: dict[Buffer, Buffer] = {}
    for at, (a, b) in enumerate(zip(first.calls, second.calls, strict=True)):
        if a.numbers != b.numbers:
            raise CaptureError(
                f"[jit] A number given to kernel {a.kernel!r} (call {at}, {a.label}) changed from "
                f"one run to the next: {_changed(a.numbers, b.numbers)}. A replay would keep the "
                "second. Expected such numbers as Tensors, or written to an array in "
                "mode.each_step."
            )
        if a.python is not None:
            _, *mine, _ = a.python
            _, *others, _ = b.python
            if _numbers(mine) != _numbers(others):
                raise CaptureError(
                    f"[jit] What op {a.label} (call {at}) is told, beside its arrays, changed from "
                    f"one run to the next: {_numbers(mine)} to {_numbers(others)}. A replay would "
                    "keep the second. Expected such numbers as Tensors."
                )
        for one, other in zip(a.arrays, b.arrays, strict=True):
            if one is not None and other is not None:
                _verify_views(one, other, f"kernel {a.kernel!r} (call {at}, {a.label})")
                if twin.setdefault(one.buffer, other.buffer) is not other.buffer:
                    raise CaptureError(
                        f"[jit] Two runs connect kernel {a.kernel!r} (call {at}) to different "
                        "arrays. Expected a function that does not exchange arrays from run to run."
                    )
    _verify_outside(first, second, twin)
    _fold(second, {b for a, b in twin.items() if b.role == "outside" and a.address != b.address})


def _fold(program: Program, constants: set[Buffer]) -> None:
    """Ops that run in Python on nothing but constants that the function makes: once is enough."""
    writes = Counter(view.buffer for call in program.calls for view in call.outputs)
    calls = []
    for call in program.calls:
        made = {view.buffer for view in call.outputs}
        once = all(writes[buffer] == 1 for buffer in made)
        if call.python is not None and once and {v.buffer for v in call.inputs} <= constants:
            constants |= made
            for buffer in made:
                buffer.role = "outside"
        else:
            calls.append(call)
    program.calls = calls


def _verify_views(a: View, b: View, where: str) -> None:
    if (a.shape, a.strides, a.dtype, a.offset) != (b.shape, b.strides, b.dtype, b.offset):
        raise CaptureError(
            f"[jit] Two runs gave {where} arrays of different shape or layout: {a.shape} "
            f"{a.strides} and {b.shape} {b.strides}. Expected shapes that follow from those of "
            "the arguments."
        )
    if a.buffer.role != b.buffer.role:
        raise CaptureError(
            f"[jit] Two runs gave {where} a {a.buffer.role} and a {b.buffer.role} array."
        )


def _verify_outside(first: Program, second: Program, twin: dict[Buffer, Buffer]) -> None:
    """What is read from outside must be the same array both times, or a constant."""
    written = {view.buffer for call in first.calls for view in call.outputs}
    for one, other in twin.items():
        if one.role != "outside" or one.address == other.address:
            continue
        if one in written:
            raise CaptureError(
                "[jit] The step reads an array and writes there, and every run has another: a "
                "result kept in a variable, a .grad that adds up over calls, or zeros made inside "
                "and then written to (a replay would go on from the last sum). Expected state that "
                "is updated in place (Variable.assign, an optimizer), gradients cleared inside the "
                "step, `total = total + x` for `total += x`."
            )
        if not np.array_equal(_bytes(one), _bytes(other)):
            raise CaptureError(
                f"[jit] An array of {one.nbytes} bytes that NumPy computed inside the function "
                "changed from one run to the next; a replay would not compute it again. Expected "
                "the functions of tinygrad_cn.ops, which are captured."
            )


def _numbers(told: Any) -> Any:
    """The numbers and words in the arguments and settings of an op that runs in Python."""
    if isinstance(told, dict):
        return {name: _numbers(value) for name, value in told.items()}
    if isinstance(told, (tuple, list)):
        return [_numbers(value) for value in told]
    # a string, since NaN is not equal to itself
    return repr(told) if isinstance(told, (int, float, str, slice, np.generic)) else None


def _bytes(buffer: Buffer) -> np.ndarray:
    return np.ascontiguousarray(buffer.owner).view(np.uint8).reshape(-1)


def _first_difference(first: Program, second: Program) -> tuple[int, str, str]:
    names = [[c.kernel for c in p.calls] + ["the end"] for p in (first, second)]
    pairs = enumerate(zip(*names, strict=False))
    return next((i, repr(a), repr(b)) for i, (a, b) in pairs if a != b)


def _changed(a: tuple, b: tuple) -> str:
    return ", ".join(f"{x} to {y}" for x, y in zip(a, b, strict=True) if x != y)
