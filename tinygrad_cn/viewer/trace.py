"""A trace: the recorded graph of a tensor with every number in it, and its backward pass in steps.

Nothing is recorded for it in advance. The forward values are put together from what the nodes kept
for their rules, from leaves that are alive, and by computing again what follows from these; the
gradients come from the engine itself, through hooks that listen to it.
"""

from __future__ import annotations

import linecache
import posixpath
import re
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_cn.autograd import gradients, pull_back_reference
from tinygrad_cn.mode import set_mode
from tinygrad_cn.op import Node, Op, Output, Value, wrap

CHECKED_ELEMENTS = 20_000  # larger ops are not checked by finite differences


@dataclass(eq=False)
class Input:
    """An input of an op: another entry, or a constant."""

    entry: Entry | None
    value: Any  # an array or a number; None: not known, or an input left out
    left_out: bool = False  # the op was given None here, say for no mask
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
    gradient: Any = None  # an array; value and gradient of an op with many outputs are tuples
    check: str = ""  # "right", "wrong" or, where it cannot be done, ""
    named: bool = False  # `name` is that of the user's variable
    fault: bool = False  # finite inputs, but NaN or infinity in the value or in what is sent

    @property
    def shape(self) -> Any:
        """The shape of the value; a list of shapes for an op with many outputs."""
        return self.node.shape


# Ops that arrange the same values otherwise: they are drawn lightly.
VIEWS = {"Reshape", "PermuteDims", "BroadcastTo", "Identity", "ExpandDims", "Squeeze", "Astype"}


class Trace:
    """The entries in the order of their making, and those met backward in the engine's order."""

    def __init__(
        self, root: Any, gradient: Any = None, names: dict[str, Any] | None = None
    ) -> None:
        if not isinstance(root, Value):
            raise TypeError(f"[explain] Expected a Tensor, received {type(root).__name__}.")
        if root.node is None:
            raise ValueError(
                "[explain] This tensor has no graph to show. Expected one made, outside no_grad, "
                "from a tensor with requires_grad=True; received a constant of shape "
                f"{root.data.shape}."
            )
        seed = np.ones(root.data.shape) if gradient is None else np.asarray(gradient)
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
        _place_parameters(self.entries, self._of)
        self._of[root.node].kind = "result"
        self._of[root.node].value = root.data
        self._fill_values()
        self.backward = self._run_backward(root.node, seed.astype(root.data.dtype))

    def _fill_values(self) -> None:
        kept = _kept_values(self.entries)
        for entry in self.entries:
            node = entry.node
            for i, parent in enumerate(node.parents):
                if parent is not None:
                    entry.inputs.append(Input(self._of[parent], self._of[parent].value))
                else:
                    entry.inputs.append(_constant(node, i))
            if entry.value is None:
                entry.value = kept.get(node)
            if entry.value is None:
                entry.value = _computed(entry)
            entry.fault = _finite([x.value for x in entry.inputs]) and not _finite([entry.value])

    def _run_backward(self, root: Node, seed: np.ndarray) -> list[Entry]:
        """Let the engine differentiate, and listen."""
        order: list[Entry] = []

        def listener(entry: Entry) -> Any:
            def listen(g: Any) -> None:
                entry.gradient = _data(g, entry)
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
        reached = {entry.node for entry in order}
        with set_mode(recording=False):
            for entry in order:
                _fill_sent(entry, reached)
        return order


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


def _place_parameters(entries: list[Entry], of: dict[Node, Entry]) -> None:
    """Put each parameter into the layer that uses it, that it may be folded with it; also a leaf
    that is dropped, which was one of a layer that is gone."""
    users: dict[Entry, list[str]] = {}
    for entry in entries:
        for parent in entry.node.parents:
            if parent is not None and parent.op is None:
                users.setdefault(of[parent], []).append(entry.scope)
    for entry, scopes in users.items():
        if entry.kind == "parameter" or (entry.kind == "input" and entry.value is None):
            entry.scope = posixpath.commonpath(scopes)


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
        for (kind, _), value in zip(op.rule, node.saved or (), strict=True):
            if kind == "y":
                kept[node] = value
            elif kind == "input" and isinstance(value, Value) and value.node is not None:
                kept[value.node] = value.data
            elif kind == "inputs":
                kept.update((x.node, x.data) for x in value if getattr(x, "node", None) is not None)
    return kept


def _constant(node: Node, i: int) -> Input:
    """An input that has no node, with its value if that is still known."""
    value = node.constants[i] if node.constants else None
    if isinstance(value, weakref.ref):
        value = value()
        return Input(None, _kept_input(node, i) if value is None else value)
    if isinstance(value, Value):
        value = value.data
    return Input(None, value, left_out=value is None)


def _kept_input(node: Node, i: int) -> Any:
    """What the op's rule keeps of an input, which nothing else may keep alive."""
    assert node.op is not None
    for (kind, which), value in zip(node.op.rule, node.saved or (), strict=True):
        if kind == "inputs" or (kind == "input" and which == i):
            value = value[i] if kind == "inputs" else value
            return value.data if isinstance(value, Value) else value
    return None


def _unknown(entry: Entry) -> bool:
    """Is the value of an input not known?"""
    return any(x.value is None and not x.left_out for x in entry.inputs)


def _computed(entry: Entry) -> Any:
    """The value from those of the inputs, if all are known."""
    node, inputs = entry.node, [x.value for x in entry.inputs]
    if isinstance(node, Output):
        return inputs[0][node.index] if isinstance(inputs[0], tuple) else None
    if node.op is None or _unknown(entry):
        return None
    with np.errstate(all="ignore"):
        return _without_extra(node.op, node.op.forward(*inputs, **node.settings))


def _without_extra(op: Op, made: Any) -> Any:
    """The output, or the tuple of outputs, of what forward returned."""
    if not op.extra:
        return made
    made = made[: len(made) - len(op.extra)]
    return made if op.many else made[0]


def _fill_sent(entry: Entry, reached: set[Node]) -> None:
    """What the entry's rule makes of the gradient that came, by the engine's own way."""
    node, op = entry.node, entry.node.op
    needs = tuple([p in reached for p in node.parents])
    if isinstance(node, Output) and needs[0]:
        entry.inputs[0].sent = entry.gradient
    if op is None or not any(needs):
        return
    given = entry.gradient
    g = tuple(map(wrap, given)) if isinstance(given, tuple) else wrap(given)
    with np.errstate(all="ignore"):
        use = pull_back_reference if op.vjp is None else op.pull_back
        sent = use(node, g, needs)
    for x, need, gx in zip(entry.inputs, needs, sent, strict=True):
        if need and gx is not None and x.entry is not None:
            x.sent = np.array(gx.data)
            x.summed = _summed_axes(x.sent.shape, x.entry.shape)
    if not entry.fault and _finite([given]):
        entry.fault = not _finite([x.sent for x in entry.inputs])
    entry.check = _check(entry)


def _data(g: Any, entry: Entry) -> Any:
    """A copy of the gradient; for an op with many outputs a tuple, with zeros where none came."""
    if not isinstance(g, (list, tuple)):
        return np.array(g.data)
    kinds = zip(g, entry.node.shape, entry.node.dtype, strict=True)
    return tuple([np.zeros(*kind) if x is None else np.array(x.data) for x, *kind in kinds])


def _finite(values: Any) -> bool:
    for value in values:
        if isinstance(value, tuple):
            if not _finite(value):
                return False
        elif isinstance(value, float) or getattr(value, "dtype", np.dtype(int)).kind == "f":
            if not np.isfinite(value).all():
                return False
    return True


def _summed_axes(given: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of ``given`` that are summed to come back to the shape ``wanted``."""
    lead = len(given) - len(wanted)
    stretched = [i + lead for i, n in enumerate(wanted) if n == 1 and given[i + lead] != 1]
    return (*range(lead), *stretched)


def _check(entry: Entry) -> str:
    """Compare what the rule sends with central differences in a random direction, in float64."""
    op, inputs = entry.node.op, entry.inputs
    if op is None or _unknown(entry) or any(isinstance(x.value, tuple) for x in inputs):
        return ""
    given = entry.gradient if isinstance(entry.gradient, tuple) else (entry.gradient,)
    values: list[Any] = [None if x.left_out else np.asarray(x.value) for x in inputs]
    if sum(v.size for v in [*values, *given] if v is not None) > CHECKED_ELEMENTS:
        return ""
    rng = np.random.default_rng(entry.number)
    ways: list[Any] = [None] * len(inputs)
    for i, (x, v) in enumerate(zip(inputs, values, strict=True)):
        if x.entry is not None and v is not None and v.dtype.kind == "f":
            size = np.where(v == 0, 1, np.abs(v)).astype(np.float64)  # steps in proportion
            ways[i] = rng.standard_normal(v.shape) * size

    def at(t: float) -> float:
        moved = [
            x.value if w is None else v.astype(np.float64) + t * w
            for x, v, w in zip(inputs, values, ways, strict=True)
        ]
        return _weighted(_outputs(entry, moved), given)

    h = 1e-5
    with np.errstate(all="ignore"):
        here, after, before = at(0.0), at(h), at(-h)
        numeric, kink = (after - before) / (2 * h), (after - 2 * here + before) / h
        parts = [
            np.asarray(x.sent) * w for x, w in zip(inputs, ways, strict=True) if x.sent is not None
        ]
        exact = float(sum(part.sum() for part in parts))
        total = float(sum(np.abs(part).sum() for part in parts))
        noise = sum(float(np.abs(g.astype(np.float64)).sum()) for g in given) + abs(here)
    if not np.isfinite([numeric, exact, noise]).all():
        return ""
    precision = max(float(np.finfo(g.dtype).eps) for g in given)
    allowed = max(1e-3, 20 * precision) * total + max(100 * precision, 1e-8) * noise
    if abs(numeric - exact) <= allowed:
        return "right"
    return "" if abs(kink) > allowed else "wrong"  # no derivative here: relu at 0, a tie of max


def _outputs(entry: Entry, inputs: list) -> tuple:
    """The outputs at other inputs; of a fused op by its reference, which is what is derived."""
    op, settings = entry.node.op, entry.node.settings
    assert op is not None
    if op.vjp is None and op.reference is not None:
        tensors = [wrap(x) if isinstance(x, np.ndarray) else x for x in inputs]
        made = op.reference(*tensors, **settings)
        return tuple([y.data for y in made]) if op.many else (made.data,)
    made = _without_extra(op, op.forward(*inputs, **settings))
    return made if op.many else (made,)


def _weighted(outputs: tuple, weights: tuple) -> float:
    pairs = zip(outputs, weights, strict=True)
    return float(sum(np.sum(g.astype(np.float64) * y) for y, g in pairs))
