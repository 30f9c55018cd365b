"""Bias gradients: the sum of g over its rows is taken where the gradient of the weights reads g.

A product's tasks, or a convolution's, take pieces of the sum along while the rows are in the cache
(csrc/reduction.h): g is read once, not twice. The pieces and the order of the additions are those
of the sum by itself, and so is every bit. What is near anyway is left alone.
"""

from __future__ import annotations

from tinygrad_cn import kernels

from .fusion import same_elements
from .program import MAX_INTS, NEAR, Call, Program, depends, parts

SUM = 0  # tg_reduce_op
# Per driver: the place of g, and that of the sums (csrc/drivers/matmul.c, convolution_weight.c).
PLACES = {"matmul": (2, 4), "conv2d_weight_grad": (2, 3)}


def take_sums_along(program: Program) -> None:
    """Merge each sum over rows into a product that reads the same rows."""
    calls: list[Call | None] = list(program.calls)
    merged = 0
    for at, call in enumerate(program.calls):
        if call.kernel != "reduce" or call.numbers[0] != SUM:
            continue
        place = _reader_of_rows(calls, at, call)
        if place is not None:
            product = calls[place]
            assert product is not None
            calls[place], calls[at] = _joined(product, call), None
            merged += 1
    program.calls = [call for call in calls if call is not None]
    program.notes.append(f"bias gradients: {merged} taken along with those of weights")


def _reader_of_rows(calls: list[Call | None], at: int, reduce: Call) -> int | None:
    """The place of a call that reads what the sum reads, if the sum can move there."""
    outer, _, inner = reduce.inputs[0].shape
    if outer != 1 or inner < 2 or reduce.inputs[0].nbytes < NEAR:
        return None
    for step in (1, -1):
        passed: list[Call] = []
        i = at + step
        while 0 <= i < len(calls):
            call = calls[i]
            if call is not None:
                if _reads_rows(call, reduce):
                    if not depends(reduce, [*passed, call]):
                        return i
                    break
                passed.append(call)
            i += step
    return None


def _reads_rows(call: Call, reduce: Call) -> bool:
    if call.kernel not in PLACES:
        return False
    at, place = PLACES[call.kernel]
    g = call.arrays[at]
    if g is None or (len(call.arrays) > place and call.arrays[place] is not None):
        return False
    n, inner = reduce.inputs[0].shape[1:]
    if call.kernel == "matmul" and (len(g.shape) != 2 or len(call.outputs[0].shape) != 2):
        return False
    return g.shape[-1] == inner and g.size == n * inner and same_elements(g, reduce.inputs[0])


def _joined(product: Call, reduce: Call) -> Call:
    _, place = PLACES[product.kernel]
    sums = reduce.outputs[0]
    arrays = [*product.arrays, *[None] * (place - len(product.arrays)), sums]
    record = kernels.core.make_call(
        product.kernel, [parts(v) for v in arrays], product.numbers[:MAX_INTS]
    )
    label = f"{product.label}+{reduce.label}"
    origin = (*product.origin[:1], *reduce.origin[:1])
    return Call(
        product.kernel, arrays, 1, (), product.numbers, record, None, label, origin, also=(place,)
    )
