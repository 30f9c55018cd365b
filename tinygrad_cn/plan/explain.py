"""What a plan does, for people: its calls, its memory, where its time goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .compiled import CompiledStep
from .jit import Jit


def explain_plan(step: Jit) -> str:
    """A description of the plan that ``step`` replayed last.

    Names every call with the op that made it, its shapes and its bytes; says what the passes did, how
    large the arena is beside the memory that eager execution takes, and which ops break the plan
    because they have no compiled kernel.
    """
    if not isinstance(step, Jit):
        raise TypeError(f"[explain_plan] Expected a function made by tg.jit, received {step!r}.")
    plan = step.last
    if plan is None:
        return f"{step.__name__}: no plan yet; it is made by the second call."  # type: ignore[attr-defined]
    lines = [f"{step.__name__}: {len(plan.program.calls)} calls, {len(plan.parts)} parts"]  # type: ignore[attr-defined]
    lines += [f"  {note}" for note in plan.program.notes]
    breaks = Counter(call.label for call in plan.program.calls if call.python is not None)
    lines += [f"  break: op {name} has no compiled kernel ({n} times)" for name, n in breaks.items()]
    lines += [f"  {i:4d}  {_line(call, plan)}" for i, call in enumerate(plan.program.calls)]
    return "\n".join(lines)


def _line(call: Any, plan: CompiledStep) -> str:
    shapes = " ".join("x".join(map(str, v.shape)) or "scalar" for v in call.arrays if v is not None)
    size = sum(view.nbytes for view in call.arrays if view is not None)
    return f"{call.kernel:20s} {call.label:16s} {size:>10d} B  {shapes}"
