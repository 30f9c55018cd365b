"""Schedule: products that do not depend on each other stand side by side.

The gradients of a product's two operands, or the queries, keys and values of attention, cost the
same and need nothing of each other. A team runs such calls at the same time, a thread each, instead
of splitting one after the other (csrc/plan.c).
"""

from __future__ import annotations

from .program import Call, Program, depends

LOOK_AHEAD = 40  # calls
AT_ONCE = 4  # calls
LEAST_WORK = 1e5  # multiplications and additions: a microsecond


def schedule(program: Program) -> None:
    """Move each costly product up to the first one of the same cost that it can stand beside."""
    calls = list(program.calls)
    moved = 0
    at = 0
    while at < len(calls):
        group = [calls[at]] if _costly(calls[at]) else []
        passed: list[Call] = []  # what a later call would have to move ahead of
        for call in calls[at + 1 : at + LOOK_AHEAD] if group else []:
            alike = call.kernel == group[0].kernel and call.flops == group[0].flops
            if alike and len(group) < AT_ONCE and not depends(call, [*group, *passed]):
                group.append(call)
            else:
                passed.append(call)
        if len(group) > 1:
            calls[at : at + len(group) + len(passed)] = [*group, *passed]
            for left, call in enumerate(reversed(group)):
                call.together = left + 1
            moved += len(group)
        at += max(len(group), 1)
    program.calls = calls
    program.notes.append(f"schedule: {moved} products beside others of the same cost")


def _costly(call: Call) -> bool:
    return call.kernel == "matmul" and call.flops >= LEAST_WORK
