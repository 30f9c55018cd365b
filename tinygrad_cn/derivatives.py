"""Derivatives of functions: products with the Jacobian from either side, whole Jacobians and
Hessians, and checkpoints, which trade time for memory.

All are made of `autograd.gradients`. Forward mode (`jvp`) is backward mode twice: the gradient that
comes back, J^T g, is linear in g, so differentiating it with respect to g gives J.

What they return is recorded where ``create_graph`` asks for it, and inside one another: where an
input was itself made by recorded ops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import ops, random
from .autograd import differentiated, grad, gradients, independent
from .mode import mode, set_mode
from .op import Op, Value, wrap


def vjp(f: Callable[..., Any], *xs: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """``f(*xs)``, and the function that takes the gradient g of the result to g^T J: one gradient
    per input. It may be called again and again.

    >>> y, pull = tg.vjp(lambda x: x * x, tg.tensor([1.0, 2.0]))
    >>> pull(tg.tensor([1.0, 1.0]))
    (Tensor([2., 4.]),)
    """
    linked = _linked(*xs)
    inputs = [independent(ops.asarray(x)) for x in xs]
    with set_mode(recording=True):
        y = f(*inputs)

    def pull(g: Any, create_graph: bool = False) -> tuple[Any, ...]:
        create = create_graph or linked or _linked(*_tuple(g))
        found = grad(y, inputs, g, create, allow_unused=True, retain_graph=True)
        return tuple([_zeros(x) if gx is None else gx for x, gx in zip(inputs, found, strict=True)])

    return (y if linked else _detach(y)), pull


def jvp(
    f: Callable[..., Any], xs: Any, tangents: Any, create_graph: bool = False
) -> tuple[Any, Any]:
    """``f(*xs)``, and J v: how the result moves when the inputs move along ``tangents``.

    >>> tg.jvp(lambda x: x * x, (tg.tensor([1.0, 2.0]),), (tg.tensor([1.0, 0.0]),))
    (Tensor([1., 4.]), Tensor([2., 0.]))
    """
    xs, tangents = _tuple(xs), _tuple(tangents)
    if len(xs) != len(tangents):
        raise ValueError(f"[jvp] Expected {len(xs)} tangents, received {len(tangents)}.")
    inputs = [independent(ops.asarray(x)) for x in xs]
    create = create_graph or _linked(*xs, *tangents)
    with set_mode(recording=True):
        y = f(*inputs)
        many = isinstance(y, (tuple, list))
        outputs = [*y] if many else [y]
        # any g will do, for the result is linear in it
        seeds = [independent(wrap(np.zeros(out.shape, out.dtype))) for out in outputs]
        back = grad(outputs, inputs, seeds, create_graph=True, allow_unused=True)
        pairs = [(b, ops.asarray(t)) for b, t in zip(back, tangents, strict=True) if b is not None]
        found = grad([b for b, _ in pairs], seeds, [t for _, t in pairs], create, True)
    moved = [_zeros(s) if dy is None else dy for s, dy in zip(seeds, found, strict=True)]
    y = y if create else _detach(y)
    return y, (tuple(moved) if many else moved[0])


def jacobian(f: Callable[..., Any], xs: Any, create_graph: bool = False) -> Any:
    """J[i, j] = d f(x)[i] / d x[j], of shape (*y.shape, *x.shape).

    Args:
        f: takes the inputs, returns one Tensor.
        xs: a Tensor; or a tuple of them, then the result is a tuple.
        create_graph: record the result too, so that it can be differentiated.

    >>> tg.jacobian(lambda x: x * x, tg.tensor([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    """
    create_graph = create_graph or _linked(*_tuple(xs))
    inputs = [independent(ops.asarray(x)) for x in _tuple(xs)]
    with set_mode(recording=True):
        y = f(*inputs)
    flat = []
    for i in range(y.size):
        seed = np.zeros(y.size, y.dtype)
        seed[i] = 1
        row = grad(y, inputs, wrap(seed.reshape(y.shape)), create_graph, True, retain_graph=True)
        flat.append([_zeros(x) if g is None else g for x, g in zip(inputs, row, strict=True)])
    with set_mode(recording=create_graph):
        whole = [
            ops.reshape(ops.stack([row[k] for row in flat]), shape=(*y.shape, *x.shape))
            if flat
            else ops.zeros((*y.shape, *x.shape), x.dtype)
            for k, x in enumerate(inputs)
        ]
    return tuple(whole) if isinstance(xs, (tuple, list)) else whole[0]


def hessian(f: Callable[..., Any], x: Any, create_graph: bool = False) -> Any:
    """H[i, j] = d^2 f(x) / d x[i] d x[j] of a scalar function, of shape (*x.shape, *x.shape).

    >>> tg.hessian(lambda x: (x**3).sum(), tg.tensor([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacobian(_gradient_of(f, "hessian"), x, create_graph)


def hvp(f: Callable[..., Any], x: Any, v: Any, create_graph: bool = False) -> Any:
    """H v, the Hessian of a scalar function times a vector, without the Hessian.

    >>> tg.hvp(lambda x: (x**3).sum(), tg.tensor([1.0, 2.0]), tg.tensor([1.0, 1.0]))
    Tensor([ 6., 12.])
    """
    _, pull = vjp(_gradient_of(f, "hvp"), x)  # H is symmetric: v^T H is H v
    return pull(v, create_graph)[0]


def _gradient_of(f: Callable[..., Any], what: str) -> Callable[..., Any]:
    def gradient(x: Any) -> Any:
        y = f(x)
        if y.size != 1:
            raise ValueError(f"[{what}] Expected a scalar function, received shape {y.shape}.")
        g = grad(y, x, create_graph=True, allow_unused=True) if y.node is not None else None
        return _zeros(x) if g is None else g

    return gradient


# --- checkpoints ----------------------------------------------------------------------------------


class Checkpoint(Op):
    """y = function(xs), of which nothing is kept but the inputs; its rule computes it again."""

    def forward(*xs: Any, function: Any, count: int, state: Any, value: Any) -> Any:
        return value

    def vjp(g: Any, xs: Any, needs: Any, function: Any, count: int, state: Any) -> Any:
        linked = mode.get().recording
        wanted = [x if need else None for x, need in zip(xs, needs, strict=True)]
        inputs = [_alias(x) for x in wanted[:count]]
        inputs = [x if alias is None else alias for x, alias in zip(xs, inputs, strict=False)]
        # a tensor that the function finds by itself is cut off from its own past for the while
        outer = [x for x in wanted[count:] if x is not None and x.node.parents]
        nodes = [x.node for x in outer]
        try:
            for x in outer:
                x.node = _alias(x).node
            with set_mode(recording=True), random.rewound(state):
                y = function(*inputs)
            targets = [
                None if x is None else inputs[i].node if i < count else x.node
                for i, x in enumerate(wanted)
            ]
        finally:
            for x, node in zip(outer, nodes, strict=True):
                x.node = node
        found = gradients([(y.node, g)], [t for t in targets if t is not None], linked)
        return tuple([None if t is None else found.get(t) for t in targets])


_checkpoint = Checkpoint()


def checkpoint(function: Callable[..., Any], *xs: Any) -> Any:
    """``function(*xs)``, keeping only the inputs for backward, which runs the function again: the
    memory of what lies between is saved, at the cost of a second forward (Chen et al., "Training
    deep nets with sublinear memory cost", 2016).

    The function returns one Tensor and depends on nothing that changes. Tensors that it finds by
    itself, like the weights of a layer, get their gradients too; random numbers are the same in
    both runs.

    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> tg.checkpoint(lambda x: (x * x).exp(), x).sum().backward()
    >>> bool((x.grad == 2 * x * (x * x).exp()).all())
    True
    """
    used: dict[int, Value] = {}
    before = mode.get().observer
    state = random.snapshot()

    def watch(op: Any, args: Any, settings: Any, out: Any, node: Any) -> None:
        for a in args:
            if isinstance(a, Value) and a.node is not None:
                used[id(a)] = a
        if before is not None:
            before(op, args, settings, out, node)

    with set_mode(recording=False, observer=watch):
        y = function(*xs)
    if not isinstance(y, Value):
        raise TypeError(
            f"[checkpoint] Expected a function that returns a Tensor, received {y!r:.80}."
        )
    given = {id(x) for x in xs}
    found = [x for key, x in used.items() if key not in given]
    places = [i for i, x in enumerate(xs) if isinstance(x, Value)]

    def of_tensors(*tensors: Any) -> Any:
        arguments = list(xs)
        for i, x in zip(places, tensors, strict=True):
            arguments[i] = x
        return function(*arguments)

    inputs = [xs[i] for i in places]
    return _checkpoint(
        *inputs, *found, function=of_tensors, count=len(inputs), state=state, value=y.data
    )


# --- small helpers --------------------------------------------------------------------------------


def _alias(x: Any) -> Any:
    """x with a node of its own, or None."""
    return None if x is None else independent(x)


def _tuple(xs: Any) -> tuple[Any, ...]:
    return tuple(xs) if isinstance(xs, (tuple, list)) else (xs,)


def _zeros(x: Any) -> Any:
    return wrap(np.zeros(x.shape, x.dtype))


def _detach(y: Any) -> Any:
    return tuple([x.detach() for x in y]) if isinstance(y, (tuple, list)) else y.detach()


def _linked(*xs: Any) -> bool:
    return any(differentiated(x) for x in xs if isinstance(x, Value))
