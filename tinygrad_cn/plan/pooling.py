"""Pooling: what relu stops is stopped before max pooling spreads it.

Behind relu and max pooling the gradient goes back to the winner of each window, and on if the
winner is above 0. The winner is the pooled value, so the second question can be asked first, on an
array that is smaller by the size of the window, and one pass over the large array is saved:

    relu_grad(max_pool2d_grad(g, index), y) = max_pool2d_grad(relu_grad(g, pooled), index)

The results are the same to the last bit.
"""

from __future__ import annotations

from collections import Counter

from tinygrad_cn import kernels

from .program import Buffer, Call, Program, View, parts

RELU_GRAD = ("binary", "ReluGrad")  # kernel and op


def move_relu_behind_pooling(program: Program) -> None:
    """Rewrite each pair of calls of the left side into one of the right side."""
    read = Counter(v.buffer for call in program.calls for v in call.inputs)
    read.update(view.buffer for view in program.results)
    written = Counter(v.buffer for call in program.calls for v in call.outputs)
    pooled_of: dict[View, tuple[View, View]] = {}  # the index of winners -> pooled and y
    rewritten = 0
    for i, (pool, relu) in enumerate(zip(program.calls, program.calls[1:], strict=False)):
        if pool.kernel == "max_pool2d":
            pooled, index = pool.outputs
            pooled_of[index] = pooled, pool.inputs[0]
        elif pool.kernel == "max_pool2d_grad" and (relu.kernel, relu.label) == RELU_GRAD:
            (spread,), (g, index), (passed,) = pool.outputs, pool.inputs, relu.outputs
            if index not in pooled_of or spread.buffer.role != "temporary":
                continue
            pooled, y = pooled_of[index]
            once = all([written[v.buffer] == 1 for v in (spread, index, pooled, y)])
            if once and read[spread.buffer] == 1 and relu.inputs == [spread, y]:
                if (passed.shape, passed.strides) == (spread.shape, spread.strides):
                    program.calls[i : i + 2] = _swapped(pool, relu, g, index, pooled, passed)
                    rewritten += 1
    program.notes.append(f"pooling: relu moved behind it {rewritten} times")


def _swapped(
    pool: Call, relu: Call, g: View, index: View, pooled: View, passed: View
) -> list[Call]:
    stopped = _new(g)
    record = kernels.core.make_call(
        "binary", [parts(v) for v in (stopped, g, pooled)], relu.numbers[:1]
    )
    first = Call("binary", [stopped, g, pooled], 1, (), relu.numbers, record)
    second = Call(pool.kernel, [passed, stopped, index], 1, (), pool.numbers, pool.record)
    first.label, second.label = relu.label, pool.label
    first.origin, second.origin = (None,), relu.origin
    return [first, second]


def _new(like: View) -> View:
    """A temporary of the same shape, in C order."""
    strides, step = [], like.dtype.itemsize
    for n in reversed(like.shape):
        strides.append(0 if n == 1 else step)
        step *= n
    return View(Buffer(None, 0, step), 0, like.shape, tuple(reversed(strides)), like.dtype)
