"""Products: a product, a convolution or a batch norm ends in the elementwise call that reads it.

The call may add the residual, apply an activation, or multiply by an activation's gradient. It
becomes the product's chain (csrc/chain.h), which works on each piece of the result as soon as it is
written, while it is in the cache. Where nobody else wants the product itself, it has no memory of
its own: the chain overwrites it. The operations are the same, and so is every bit.

What computes a polynomial for each number (exp, gelu) waits for arithmetic, not for memory, and
would only lose by short rows: it joins far results alone. A small result is near anyway.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tinygrad_cn import kernels

from .fusion import (
    KINDS,
    MAX_ARRAYS,
    constant,
    contiguous,
    fusable,
    fused_call,
    last_readers,
    same_elements,
)
from .program import MAX_INTS, NEAR, Call, Program, View, depends, maker_before, parts

PRODUCTS = ("matmul", "conv2d", "conv2d_input_grad", "batch_norm")
CHAIN_ARRAYS, CHAIN_INTS = 6, 16  # csrc/chain.h
IN_PLACE = (KINDS["unary"], KINDS["binary"])  # the kinds that may write where they read
FAR = 4 << 20  # bytes that are in no second-level cache


def end_in_chains(program: Program) -> None:
    """Merge each elementwise call into the product just before it that it reads."""
    readers = last_readers(program)
    uses = Counter(b for call in program.calls for b in {view.buffer for view in call.inputs})
    uses.update(view.buffer for view in program.results)
    calls: list[Call | None] = list(program.calls)
    merged = 0
    for at, call in enumerate(program.calls):
        if call.kernel != "fused" and not fusable(call):
            continue
        found = _product_before(calls, at, call)
        if found is None:
            continue
        place, product = found
        y = product.arrays[0]
        assert y is not None
        free = y.buffer.role == "temporary" and uses[y.buffer] == 1
        chain = call if call.kernel == "fused" else fused_call([call], readers, at + 1)
        joined = _joined(product, chain, y, free) if _pays(chain, y) else None
        if joined is not None:
            calls[place], calls[at] = joined, None
            merged += 1
    program.calls = [call for call in calls if call is not None]
    program.notes.append(f"products: {merged} end in the elementwise call that reads them")


def _product_before(calls: list[Call | None], at: int, reader: Call) -> tuple[int, Call] | None:
    """The last product that the call reads, and its place, if the call can move there."""
    found = maker_before(calls, at, {view.buffer for view in reader.inputs})
    if found is None:
        return None
    place, passed = found
    call = calls[place]
    assert call is not None
    y = call.arrays[0]
    if call.kernel not in PRODUCTS or call.also or y is None or not contiguous(y):
        return None
    if depends(reader, passed) or not _follows(reader, call, y):
        return None
    return place, call


def _follows(reader: Call, product: Call, y: View) -> bool:
    """Can the reader work on a piece of y when the product has written no more than that piece?"""
    if any(v.size != y.size for v in reader.outputs):
        return False
    if any(v.buffer is y.buffer and not same_elements(y, v) for v in reader.inputs):
        return False  # it reads y transposed, say
    used = {view.buffer for view in product.inputs}
    return all(v.buffer not in used for v in reader.outputs)


def _pays(chain: Call, y: View) -> bool:
    if y.nbytes < NEAR:
        return False
    names = {number: kind for kind, number in KINDS.items()}
    code = chain.inputs[-1].buffer.owner
    arithmetic = all(kernels.core.is_arithmetic(names[i[0]], int(i[1])) for i in code.tolist())
    return arithmetic or y.nbytes >= FAR


def _joined(product: Call, chain: Call, y: View, free: bool) -> Call | None:
    """The product with the chain; None if there are too many arrays. ``free``: only the chain wants
    y."""
    arrays = list(chain.arrays[:-1])
    places = [i for i in range(chain.n_outputs, len(arrays)) if _is(arrays[i], y)]
    if len(places) != 1:
        return None
    at, first, origin = places[0], y, product.origin[0]
    code = np.array(chain.inputs[-1].buffer.owner)
    over = _overwritten(product, chain, code, at) if free else None
    if over is not None:  # the chain reads y where its own output will be
        out = arrays[over]
        assert out is not None
        first, origin = replace(y, buffer=out.buffer, offset=out.offset), chain.origin[over]
        operands = code[:, 3:]
        operands[operands == at] = over
        operands[(operands > at) & (operands < MAX_ARRAYS)] -= 1
        del arrays[at]
    own = [first, *product.arrays[1:]]
    views = [*own, *[None] * (CHAIN_ARRAYS - len(own)), *arrays]
    if len(views) + 1 > MAX_ARRAYS:
        return None
    sizes = (chain.n_outputs, len(arrays) - chain.n_outputs, *chain.numbers[2:4])
    numbers = (*product.numbers[:CHAIN_INTS], *sizes)
    floats = product.numbers[MAX_INTS:]
    record = kernels.core.make_call(
        product.kernel, [parts(v) for v in views], numbers, code, floats[0]
    )
    return Call(
        product.kernel,
        [*views, constant(code)],
        product.n_outputs,
        (),
        (*numbers, *floats),
        record,
        label=f"{product.label}+{chain.label}",
        origin=(origin, *product.origin[1 : product.n_outputs], *chain.origin),
        also=tuple(range(CHAIN_ARRAYS, CHAIN_ARRAYS + chain.n_outputs)),
    )


def _is(view: View | None, y: View) -> bool:
    return view is not None and same_elements(y, view)


def _overwritten(product: Call, chain: Call, code: np.ndarray, at: int) -> int | None:
    """The output of the chain in whose memory the product may be written: it is written by the last
    instruction that reads the product (array ``at``), or later, and nobody reads what was there."""
    last = max(i for i, instruction in enumerate(code) if at in instruction[3:])
    y = product.arrays[0]
    read = {v.buffer for v in [*product.inputs, *chain.inputs]}
    for i in range(last, len(code)):
        kind, _, to = code[i, :3]
        if to >= chain.n_outputs or (i == last and kind not in IN_PLACE) or to in code[: i + 1, 3:]:
            continue
        out = chain.arrays[to]
        if out is not None and y is not None and out.dtype == y.dtype and out.buffer not in read:
            return int(to)
    return None
