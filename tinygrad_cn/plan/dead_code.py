"""Dead code: drop the calls whose results nobody reads."""

from __future__ import annotations

from .program import Buffer, Program


def drop_dead_code(program: Program) -> None:
    """Walk back from the end: a call stays if a later one, or the caller, wants what it writes.

    Gradients of inputs that nobody asked for, and copies for readers that are gone, go here.
    """
    wanted: set[Buffer] = {view.buffer for view in program.results}
    kept = []
    for call in reversed(program.calls):
        if any(v.buffer.role != "temporary" or v.buffer in wanted for v in call.outputs):
            kept.append(call)
            wanted.update(view.buffer for view in call.inputs)
    program.notes.append(f"dead code: {len(program.calls) - len(kept)} calls dropped")
    program.calls = kept[::-1]
