"""Cross-entropy: a row's loss and the gradient of its logits in one visit.

The gradient e^(logits - lse) - onehot(label), times what comes from behind the loss, needs nothing
else that the loss computes on the way, and in training what comes from behind is a constant (1 / N
of a mean). So a row is differentiated while it is in the cache, instead of being read again.
"""

from __future__ import annotations

from tinygrad_cn import kernels

from .program import Call, Program, depends, parts


def join_cross_entropies(program: Program) -> None:
    """Merge each cross-entropy with its gradient, and move up what that gradient needs."""
    joined = 0
    for loss in [call for call in program.calls if call.kernel == "cross_entropy"]:
        at = program.calls.index(loss)
        for end in range(at + 1, len(program.calls)):
            if _is_gradient_of(program.calls[end], loss):
                between = _in_front(program.calls[at + 1 : end], loss, program.calls[end])
                if between is not None:
                    program.calls[at : end + 1] = between
                    joined += 1
                break
    program.notes.append(f"cross-entropy: {joined} together with their gradient")


def _is_gradient_of(call: Call, loss: Call) -> bool:
    if call.kernel != "cross_entropy_grad":
        return False
    _, logits, labels, lse = call.inputs
    return [logits, labels] == loss.inputs and lse == loss.outputs[1]


def _in_front(between: list[Call], loss: Call, grad: Call) -> list[Call] | None:
    """The calls from the loss to its gradient in an order that allows to merge these two: what
    makes the gradient's g, both, the rest. None if there is no such order."""
    makers: list[Call] = []
    rest: list[Call] = []
    wanted = {grad.inputs[0].buffer}
    for call in reversed(between):
        if wanted.isdisjoint([view.buffer for view in call.outputs]):
            rest.insert(0, call)
            continue
        if depends(call, [loss]) or depends(call, rest):
            return None
        makers.insert(0, call)
        wanted.update(view.buffer for view in call.inputs)
    if depends(grad, rest) or depends(loss, makers):
        return None
    return [*makers, _both(loss, grad), *rest]


def _both(loss: Call, grad: Call) -> Call:
    arrays = [*loss.outputs, *grad.outputs, *loss.inputs, grad.inputs[0]]
    record = kernels.core.make_call("cross_entropy_both", [parts(v) for v in arrays], ())
    both = Call("cross_entropy_both", list(arrays), 3, (), (), record)
    both.label = f"{loss.label}+{grad.label}"
    both.origin = (*loss.origin[:2], *grad.origin[:1])
    return both
