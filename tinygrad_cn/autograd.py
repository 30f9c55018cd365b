"""Gradients: from a result back through the nodes that made it.

The chain rule in one loop (:func:`gradients`): visit the nodes in reverse order of their making, so
that a node is visited when all that its output fed has been; add up what arrives; let the op's rule
turn the gradient of its output into gradients of its inputs. The rules compute with Tensors, so
with ``create_graph=True`` the gradients are themselves recorded, and can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import kernels
from .mode import mode, set_mode
from .op import Identity, Node, Output, Value, wrap, written

_identity = Identity()


def gradients(
    roots: Iterable[tuple[Node, Any]],
    targets: Iterable[Node] | None = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> dict[Node, Any]:
    """The gradient of sum(root * seed) over ``roots`` with respect to each target node.

    A pure function of the graph: it deposits nothing. ``targets`` None means every leaf. Nodes that
    lead to no target are not visited, and the gradients that nobody needs are not computed.
    """
    roots = list(roots)
    wanted = None if targets is None else set(targets)
    order = _order([node for node, _ in roots], wanted)
    retain = create_graph if retain_graph is None else retain_graph
    arrived: dict[Node, Any] = {}
    found: dict[Node, Any] = {}
    with set_mode(recording=create_graph):
        for node, seed in roots:
            _arrive(arrived, node, seed)
        for node in order:
            g = arrived.pop(node, None)
            if g is not None:
                for hook in node.hooks:
                    replaced = hook(g)
                    g = g if replaced is None else replaced
                if node.keeps_grad if wanted is None else node in wanted:
                    found[node] = g
                _send(node, g, order, arrived)
            if node.op is not None and not retain:
                node.saved, node.parents = None, ()
    return found


def _send(node: Node, g: Any, order: dict[Node, None], arrived: dict[Node, Any]) -> None:
    """Turn the gradient of a node's output into gradients of its inputs, and add them up there."""
    needs = tuple([parent in order for parent in node.parents])
    if isinstance(node, Output) and needs[0]:
        parent = node.parents[0]
        assert parent is not None
        slots = arrived.setdefault(parent, [None] * len(parent.shape))
        slots[node.index] = g if slots[node.index] is None else slots[node.index] + g
    elif node.op is not None and any(needs):
        if node.op.many:
            kinds = zip(g, node.shape, node.dtype, strict=True)
            g = tuple([wrap(np.zeros(*kind)) if x is None else x for x, *kind in kinds])
        if node.stamp != written(node.saved):
            raise RuntimeError(f"[backward] An input of {node} was written to after it was used.")
        use = pull_back_reference if node.op.vjp is None else node.op.pull_back
        for parent, need, gx in zip(node.parents, needs, use(node, g, needs), strict=True):
            if need and gx is not None:
                _arrive(arrived, parent, gx)


def _arrive(arrived: dict[Node, Any], node: Any, g: Any) -> None:
    """Add ``g`` to what has come to ``node``; undo the broadcasting and casting of its output."""
    if g.shape != node.shape:
        g = g.sum_to(node.shape)
    if g.dtype != node.dtype:
        g = g.astype(node.dtype)
    arrived[node] = arrived[node] + g if node in arrived else g


def _order(roots: list[Node], wanted: set[Node] | None) -> dict[Node, None]:
    """The nodes on a way from a root to a wanted node, each after all nodes that it feeds."""
    leads: dict[Node, bool | None] = {}  # None: its parents are being looked at
    postorder: list[Node] = []
    stack: list[tuple[Node, bool]] = [(root, False) for root in roots]
    while stack:  # depth first without recursion: a chain of 100,000 ops is fine
        node, finished = stack.pop()
        if finished:
            way = any([leads[parent] for parent in node.parents if parent is not None])
            leads[node] = way or (node.keeps_grad if wanted is None else node in wanted)
            if leads[node]:
                postorder.append(node)
        elif node not in leads:
            if node.saved is None:
                raise RuntimeError(
                    "[backward] The graph was freed by an earlier backward. Expected one backward "
                    f"per graph, or retain_graph=True in the earlier call; met again: {node}."
                )
            leads[node] = None
            stack.append((node, True))
            stack.extend([(parent, False) for parent in node.parents if parent is not None])
        elif leads[node] is None:
            raise RuntimeError(f"[backward] The graph has a cycle through {node}.")
    return dict.fromkeys(reversed(postorder))


def pull_back_reference(node: Node, g: Any, needs: tuple[bool, ...]) -> Sequence[Any]:
    """The gradients of a fused op's inputs, by differentiating its reference."""
    op, linked = node.op, mode.get().recording
    assert op is not None and op.reference is not None and node.saved is not None
    inputs: list[Any] = list(node.saved[0] if op.variadic else node.saved)
    for i, x in enumerate(inputs):
        if needs[i]:  # an alias of its own, lest an input given twice get both gradients twice
            inputs[i] = independent(x)
    with set_mode(recording=True):
        y = op.reference(*inputs, **node.settings)
    roots = zip(y, g, strict=True) if op.many else [(y, g)]
    aliases = [x.node if need else None for x, need in zip(inputs, needs, strict=True)]
    found = gradients(
        [(y.node, seed) for y, seed in roots if y.node is not None],
        [alias for alias in aliases if alias is not None],
        create_graph=linked,
        retain_graph=True,
    )
    return [None if alias is None else found.get(alias) for alias in aliases]


def backward(
    root: Value, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add the gradient of ``root`` to ``.grad`` of every leaf that it was made from."""
    if root.node is None:
        raise RuntimeError(
            "[backward] This tensor has no graph. Expected one made, outside no_grad, from a "
            f"tensor with requires_grad=True; received a constant of shape {root.data.shape}."
        )
    seed = _seed(root, gradient)
    found = gradients([(root.node, seed)], None, create_graph, retain_graph)
    capture = mode.get().capture
    for node, g in found.items():
        # a copy: the same array may have been handed to several nodes, and .grad may be written to
        g = g if create_graph else wrap(kernels.copy(g.data))
        node.grad = g if node.grad is None else node.grad + g
        if capture is not None:
            capture.gradients[node] = node.grad


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    retain_graph: bool | None = None,
) -> Any:
    """The gradient of the sum of ``outputs``, each weighted by its ``grad_outputs``, with respect
    to each of ``inputs``; a tuple if ``inputs`` is one, else a Tensor. No ``.grad`` changes.

    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> gx = tg.grad(x**3, x, create_graph=True)
    >>> gx.item(), tg.grad(gx, x).item()
    (27.0, 18.0)
    """
    many = isinstance(inputs, (tuple, list))
    inputs = tuple(inputs) if many else (inputs,)
    if isinstance(outputs, Value):
        outputs, grad_outputs = (outputs,), (grad_outputs,)
    seeds = [None] * len(outputs) if grad_outputs is None else grad_outputs
    if len(seeds) != len(outputs):
        raise ValueError(f"[grad] Expected {len(outputs)} grad_outputs, received {len(seeds)}.")
    for i, x in enumerate(inputs):
        if x.node is None and not allow_unused:
            raise ValueError(
                f"[grad] Input {i} does not require grad. Expected requires_grad=True."
            )
    roots = [
        (y.node, _seed(y, s)) for y, s in zip(outputs, seeds, strict=True) if y.node is not None
    ]
    targets = [x.node for x in inputs if x.node is not None]
    found = gradients(roots, targets, create_graph, retain_graph)
    result = tuple([None if x.node is None else found.get(x.node) for x in inputs])
    if not allow_unused and None in [g if g is None else True for g in result]:
        unused = [i for i, g in enumerate(result) if g is None]
        raise ValueError(
            f"[grad] The outputs do not depend on inputs {unused} (not reached). Expected inputs "
            "that were used, or allow_unused=True to get None for them."
        )
    return result if many else result[0]


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that returns ``f``'s value and its gradient with respect to argument ``argnums``.
    In a function that is itself differentiated, both are recorded.

    >>> tg.value_and_grad(lambda x: x**3)(tg.tensor(2.0))
    (Tensor(8.), Tensor(12.))
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        numbers = [argnums] if isinstance(argnums, int) else list(argnums)
        linked = any(differentiated(args[i]) for i in numbers)
        xs = list(args)
        for i in numbers:
            xs[i] = independent(xs[i])
        with set_mode(recording=True):
            y = f(*xs, **kwargs)
        found = grad(y, [xs[i] for i in numbers], create_graph=linked)
        return y if linked else wrap(y.data), found[0] if isinstance(argnums, int) else found

    return value_and_gradient


def differentiated(x: Any) -> bool:
    """Was x made by a recorded op, so that someone further out may want its gradient?"""
    return x.node is not None and bool(x.node.parents) and mode.get().recording


def independent(x: Any) -> Any:
    """x with a node of its own, which gets the gradient of what is made from this alias alone. If
    ops are recorded, that gradient can go on to x."""
    parent = x.node if mode.get().recording else None
    return wrap(x.data, Node(x.data.shape, x.data.dtype, _identity, (parent,)))


def _seed(root: Value, gradient: Any) -> Any:
    """The gradient to start from: given, or 1 for a scalar."""
    shape, dtype = root.data.shape, root.data.dtype
    if gradient is None:
        if root.data.size != 1:
            raise ValueError(
                f"[backward] A tensor of shape {shape} has no single gradient. Expected a scalar "
                f"(take its sum() or mean()), or gradient= with shape {shape}."
            )
        return wrap(np.ones(shape, dtype))
    given = gradient if isinstance(gradient, Value) else wrap(np.asarray(gradient, dtype))
    if given.data.shape != shape or given.data.dtype != dtype:
        raise ValueError(
            f"[backward] Expected a gradient of shape {shape} and dtype {dtype}, received "
            f"gradient={given.data.shape} {given.data.dtype}."
        )
    return given
