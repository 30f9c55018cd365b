"""A trace: the recorded graph of a tensor with every number in it, and its backward pass in steps.

Nothing is recorded for it in advance. The forward values are put together from what the nodes kept for
their rules, from leaves that are alive, and by computing again what follows from these; the gradients
come from the engine itself, through hooks that listen to it.
"""

from __future__ import annotations

import linecache
import re
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_cn.autograd import gradients
from tinygrad_cn.op import Node, Output, Value, wrap

CHECKED_ELEMENTS = 20_000  # larger ops are not checked by finite differences


@dataclass(eq=False)
class Input:
    """An input of an op: another entry, or a constant."""

    entry: Entry | None
    value: Any  # an array or a number; None: not known
    sent: np.ndarray | None = None  # the gradient that the rule sends here, before it is fitted
    summed: tuple[int, ...] = ()  # the axes that broadcasting had added, summed to undo it


@dataclass(eq=False)
class Entry:
    """A node of the graph, with its numbers."""

    number: int
    node: Node
    name: str
    kind: str  # "parameter", "input", "op", "view", "part" or "result"
    formula: str
    scope: str
    source: tuple[str, int, str] | None
    inputs: list[Input] = field(default_factory=list)
    value: Any = None  # an array; None: it was not kept, and does not follow from what was
    gradient: np.ndarray | None = None
    check: str = ""  # "right", "wrong" or, where it cannot be done, ""
    named: bool = False  # `name` is that of the user's variable
    fault: bool = False  # finite inputs, but NaN or infinity in the value or in what is sent

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.node.shape


# Ops that arrange the same values otherwise: they are drawn lightly.
VIEWS = {"Reshape", "PermuteDims", "BroadcastTo", "Identity", "ExpandDims", "Squeeze", "Astype"}


class Trace:
    """What :func:`explain` returns: entries in the order of their making, and the backward order."""

    def __init__(
        self, root: Any, gradient: Any = None, names: dict[str, Any] | None = None
    ) -> None:
        if not isinstance(root, Value):
            raise TypeError(f"[explain] Expected a Tensor, received {type(root).__name__}.")
        if root.node is None:
            raise ValueError(
                "[explain] This tensor has no graph to show. Expected one made, outside no_grad, from a "
                f"tensor with requires_grad=True; received a constant of shape {root.data.shape}."
            )
        seed = np.ones(root.data.shape, root.data.dtype) if gradient is None else np.asarray(gradient)
        if seed.shape != root.data.shape:
            raise ValueError(
                f"[explain] Expected a gradient of shape {root.data.shape}, received {seed.shape}."
            )
        nodes = _in_order(root.node)
        self.entries = [_entry(i, node) for i, node in enumerate(nodes)]
        self._of = dict(zip(nodes, self.entries, strict=True))
        for name, tensor in (names or {}).items():
            entry = self._of.get(tensor.node)
            if entry is not None and entry.kind != "parameter":
                entry.name, entry.named = name, True
        self._of[root.node].kind = "result"
        self._of[root.node].value = root.data
        self._fill_values()
        self.backward = self._run_backward(root.node, seed.astype(root.data.dtype))

    # --- numbers ----------------------------------------------------------------------------------

    def _fill_values(self) -> None:
        kept = _kept_values(self.entries)
        for entry in self.entries:
            node = entry.node
            entry.inputs = [
                Input(None if p is None else self._of[p], _constant(node, i))
                for i, p in enumerate(node.parents)
            ]
            for given in entry.inputs:
                if given.entry is not None:
                    given.value = given.entry.value
            if entry.value is None:
                entry.value = kept.get(node)
            if entry.value is None:
                entry.value = _computed(entry)
            inputs = [x.value for x in entry.inputs]
            entry.fault = _finite(inputs) and not _finite([entry.value])

    def _run_backward(self, root: Node, seed: np.ndarray) -> list[Entry]:
        """Let the engine differentiate, and listen."""
        order: list[Entry] = []

        def listener(entry: Entry) -> Any:
            def listen(g: Any) -> None:
                entry.gradient = _data(g)
                order.append(entry)

            return listen

        before = [(entry.node, entry.node.hooks) for entry in self.entries]
        try:
            for entry in self.entries:
                entry.node.hooks = (*entry.node.hooks, listener(entry))
            gradients([(root, wrap(seed))], None, retain_graph=True)
        finally:
            for node, hooks in before:
                node.hooks = hooks
        for entry in order:
            self._fill_sent(entry)
        return order

    def _fill_sent(self, entry: Entry) -> None:
        """What the entry's rule makes of the gradient that came."""
        node, op = entry.node, entry.node.op
        if isinstance(node, Output):
            entry.inputs[0].sent = entry.gradient
            return
        if op is None or op.many or entry.gradient is None:
            return
        if op.vjp is not None:
            needs = tuple([p is not None for p in node.parents])
            sent: Any = op.pull_back(node, wrap(entry.gradient), needs)
        else:
            sent = [None] * len(node.parents)
            found = _through_reference(entry)
            sent = found if found is not None else sent
        for given, gx in zip(entry.inputs, sent, strict=True):
            if given.entry is not None and gx is not None:
                given.sent = _data(gx)
                given.summed = _summed_axes(given.sent.shape, given.entry.shape)
        if not entry.fault and _finite([entry.gradient]):
            entry.fault = not _finite([x.sent for x in entry.inputs])
        entry.check = _check(entry)


def _in_order(root: Node) -> list[Node]:
    """The nodes behind the root, each after those that it was made from."""
    done: dict[Node, None] = {}
    stack = [(root, False)]
    seen: set[Node] = set()
    while stack:
        node, finished = stack.pop()
        if finished:
            done[node] = None
        elif node not in seen:
            if node.saved is None:
                raise RuntimeError(
                    "[explain] The graph was freed by backward. Expected explain(loss) before "
                    f"loss.backward(), or backward(retain_graph=True); met: {node}."
                )
            seen.add(node)
            stack.append((node, True))
            stack.extend([(p, False) for p in reversed(node.parents) if p is not None])
    return list(done)


def _entry(number: int, node: Node) -> Entry:
    source = None
    if node.where is not None:
        file, line = node.where
        source = (file, line, linecache.getline(file, line).strip())
    if isinstance(node, Output):
        return Entry(number, node, f"[{node.index}]", "part", "", node.scope, source)
    if node.op is None:
        tensor = node.tensor()
        name = getattr(tensor, "path", None) or getattr(tensor, "name", None)
        kind = "parameter" if name else "input"
        leaf = Entry(number, node, name or f"x{number}", kind, "", node.scope, source)
        leaf.value = None if tensor is None else tensor.data
        return leaf
    formula = " ".join((type(node.op).__doc__ or "").strip().split("\n\n")[0].split())
    kind = "view" if node.op.name in VIEWS else "op"
    return Entry(number, node, _words(node.op.name), kind, formula, node.scope, source)


def _words(name: str) -> str:
    """MaxPool2D as max pool 2D."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", name).lower().replace("2 d", "2D")


def _kept_values(entries: list[Entry]) -> dict[Node, Any]:
    """The values that nodes kept: their own output, or an input made by another node."""
    kept: dict[Node, Any] = {}
    for entry in entries:
        node, op = entry.node, entry.node.op
        if op is None:
            continue
        for (kind, which), value in zip(op.rule, node.saved or (), strict=True):
            if kind == "y":
                kept[node] = value
            elif kind == "input" and isinstance(value, Value) and value.node is not None:
                kept[value.node] = value.data
            elif kind == "inputs":
                kept.update((x.node, x.data) for x in value if getattr(x, "node", None) is not None)
    return kept


def _constant(node: Node, i: int) -> Any:
    """The value of an input that has no node, if it is still known."""
    value = node.constants[i] if node.parents[i] is None and node.constants else None
    return value() if isinstance(value, weakref.ref) else value


def _computed(entry: Entry) -> Any:
    """The value from those of the inputs, if all are known."""
    node, inputs = entry.node, [x.value for x in entry.inputs]
    if isinstance(node, Output):
        return inputs[0][node.index] if isinstance(inputs[0], tuple) else None
    if node.op is None or any(value is None for value in inputs):
        return None
    made = node.op.forward(*inputs, **node.settings)
    if node.op.extra:
        made = made[: len(made) - len(node.op.extra)]
        return made if node.op.many else made[0]
    return made


def _through_reference(entry: Entry) -> list | None:
    """The gradients of a fused op's inputs, as the engine gets them: from its reference."""
    node = entry.node
    targets = [x.entry for x in entry.inputs if x.entry is not None]
    if any(x.value is None for x in entry.inputs) or not targets:
        return None
    assert node.op is not None and node.op.reference is not None
    leaves = [type(node.op).result(np.array(x.value), requires_grad=True) for x in entry.inputs]  # type: ignore[call-arg]
    y = node.op.reference(*leaves, **node.settings)
    found = gradients([(y.node, wrap(entry.gradient))], [leaf.node for leaf in leaves])
    return [found.get(leaf.node) for leaf in leaves]


def _data(g: Any) -> Any:
    if isinstance(g, tuple):
        return None
    return np.array(g.data)


def _finite(values: list) -> bool:
    return all(np.isfinite(v).all() for v in values if isinstance(v, np.ndarray) and v.dtype.kind == "f")


def _summed_axes(given: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of ``given`` that are summed to come back to the shape ``wanted``."""
    lead = len(given) - len(wanted)
    stretched = [i + lead for i, n in enumerate(wanted) if n == 1 and given[i + lead] != 1]
    return (*range(lead), *stretched)


def _check(entry: Entry) -> str:
    """Compare what the rule sends with central differences of forward, in a random direction."""
    op, inputs = entry.node.op, entry.inputs
    if op is None or entry.gradient is None:
        return ""
    if any(not isinstance(x.value, (np.ndarray, float, int)) for x in inputs):
        return ""
    values = [np.asarray(x.value) for x in inputs]
    if sum(v.size for v in values) + entry.gradient.size > CHECKED_ELEMENTS:
        return ""
    rng = np.random.default_rng(entry.number)
    wide = [v.astype(np.float64) if v.dtype.kind == "f" else v for v in values]
    ways = [rng.standard_normal(v.shape) if v.dtype.kind == "f" else np.zeros(v.shape) for v in wide]
    ways = [w if x.entry is not None else 0 * w for w, x in zip(ways, inputs, strict=True)]
    g = entry.gradient.astype(np.float64)
    h = 1e-5

    def at(t: float) -> float:
        moved = [v + t * w if v.dtype.kind == "f" else v for v, w in zip(wide, ways, strict=True)]
        y = op.forward(*moved, **entry.node.settings)
        return float(np.sum(g * (y[0] if op.extra else y)))

    with np.errstate(all="ignore"):
        numeric = (at(h) - at(-h)) / (2 * h)
        pairs = [(x.sent, w) for x, w in zip(inputs, ways, strict=True) if x.sent is not None]
        exact = sum(float(np.sum(sent.astype(np.float64) * w)) for sent, w in pairs)
        scale = 1 + sum(float(np.sum(np.abs(sent.astype(np.float64) * w))) for sent, w in pairs)
    if not np.isfinite(numeric) or not np.isfinite(exact):
        return ""
    return "right" if abs(numeric - exact) <= 2e-4 * scale else "wrong"
