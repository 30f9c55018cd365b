"""Memory: all temporaries in one arena, each where nothing alive at the same time lies.

A result may take the place of an input that nobody reads later, if the kernel reads each number
before it writes there: the memory is in the cache already, and the arena is smaller.
"""

from __future__ import annotations

from .program import Buffer, Call, Program, View

ALIGNMENT = 64

# Per driver: an output, and the inputs in whose place it may be written (numbers of arrays).
OVERWRITES: dict[str, tuple[int, tuple[int, ...]]] = {
    "unary": (0, (1,)),
    "binary": (0, (1, 2)),
    "batch_norm_grad": (0, (3,)),  # gx, g
    "layer_norm_grad": (0, (3,)),
    "lstm_grad": (0, (7,)),  # gz, gates
}


def place(program: Program) -> tuple[dict[Buffer, int], int]:
    """Where in the arena each temporary begins, and how large the arena is.

    Largest first, each at the lowest address that is free during its life (from the first call that
    touches it to the last): simple, and close to the least possible.
    """
    lives = _lives(program)
    total = sum(buffer.nbytes for buffer in lives)
    places = _share(program, lives)
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
    starts |= {buffer: starts[other] for buffer, other in places.items()}
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


def _share(program: Program, lives: dict[Buffer, tuple[int, int]]) -> dict[Buffer, Buffer]:
    """The buffers that lie where another one does, and that one, which lives on for them."""
    places: dict[Buffer, Buffer] = {}
    for at, call in enumerate(program.calls):
        out, inputs = OVERWRITES.get(call.kernel, (0, ()))
        y = call.arrays[out] if inputs else None
        if y is None or lives.get(y.buffer, (-1, 0))[0] != at:
            continue
        for x in (call.arrays[i] for i in inputs):
            old = x and places.get(x.buffer, x.buffer)
            if x and old in lives and lives[old][1] == at and _may_replace(call, y, x):
                places[y.buffer] = old
                lives[old] = (lives[old][0], lives.pop(y.buffer)[1])
                break
    return places


def _may_replace(call: Call, y: View, x: View) -> bool:
    """Do both fill their buffers in the same order, and is nothing else of x read?"""
    same = (y.offset, y.shape, y.strides, y.dtype) == (x.offset, x.shape, x.strides, x.dtype)
    whole = y.buffer.nbytes == x.buffer.nbytes == y.nbytes == y.size * y.dtype.itemsize > 0
    return same and whole and all(v == x for v in call.inputs if v.buffer is x.buffer)
