"""Memory: all temporaries in one arena, each where nothing alive at the same time lies."""

from __future__ import annotations

from .program import Buffer, Program

ALIGNMENT = 64


def place(program: Program) -> tuple[dict[Buffer, int], int]:
    """Where in the arena each temporary begins, and how large the arena is.

    Largest first, each at the lowest address that is free during its life (from the first call that
    touches it to the last): simple, and close to the least possible.
    """
    lives = _lives(program)
    placed: list[tuple[int, int, int, int]] = []  # start, end, first call, last call
    starts: dict[Buffer, int] = {}
    size = 0
    for buffer in sorted(lives, key=lambda b: (-b.nbytes, lives[b])):
        first, last = lives[buffer]
        length = -(-max(buffer.nbytes, 1) // ALIGNMENT) * ALIGNMENT
        start = 0
        for low, high, begins, ends in sorted(placed):
            if begins <= last and first <= ends:
                if start + length <= low:
                    break
                start = max(start, high)
        placed.append((start, start + length, first, last))
        starts[buffer] = start
        size = max(size, start + length)
    total = sum(buffer.nbytes for buffer in lives)
    program.notes.append(f"memory: {total} bytes of temporaries in an arena of {size}")
    return starts, size


def _lives(program: Program) -> dict[Buffer, tuple[int, int]]:
    """The first and last call that touches each temporary; results live to the end."""
    lives: dict[Buffer, tuple[int, int]] = {}
    begin = end = -1  # of the calls that may run at the same time as this one
    for at, call in enumerate(program.calls):
        if at > end:
            begin, end = at, at + call.together - 1
        for view in call.arrays:
            if view is not None and view.buffer.role == "temporary":
                first, _ = lives.get(view.buffer, (begin, end))
                lives[view.buffer] = (first, end)
    for view in program.results:
        if view.buffer in lives:
            lives[view.buffer] = (lives[view.buffer][0], len(program.calls))
    return lives
