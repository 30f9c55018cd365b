"""Graph: the layers between symbolic inputs and symbolic outputs, in an order in which they can
run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ops, tree
from .op import Value
from .symbolic import Call, SymbolicTensor


class Slot:
    """Stands for a tensor of a graph, by its number."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class Graph:
    """What a functional model computes.

    Args:
        inputs: symbolic tensors, alone or in a list, tuple or dict.
        outputs: symbolic tensors made from them, likewise.
        name: of the model, for messages.
        strict: whether inputs must have the shapes of the symbolic ones, or only as many axes:
            where nobody stated a shape, the first data did, and the layers know what they need.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str = "model", strict: bool = True) -> None:
        self.inputs, self.outputs, self.name, self.strict = inputs, outputs, name, strict
        self.input_list = _symbolic(name, "inputs", inputs)
        self.output_list = _symbolic(name, "outputs", outputs)
        if len({id(x) for x in self.input_list}) != len(self.input_list):
            raise ValueError(f"[{name}] Expected each input once, received {self.input_list}.")
        self.calls, order = self._trace()
        self.layers = self._sort_layers(order)
        names = [layer.name for layer in self.layers]
        for one in names:
            if names.count(one) > 1:
                raise ValueError(
                    f"[{name}] Expected unique names of layers, received {names.count(one)} named "
                    f"{one!r}."
                )
        self._make_plan()

    # --- drawing ----------------------------------------------------------------------------------

    def _trace(self) -> tuple[list[Call], dict[int, int]]:
        """The calls that lead from the inputs to the outputs, each after those it needs; and the
        order in which their layers were met, walking back from the outputs."""
        given = {id(x) for x in self.input_list}
        done: dict[int, Call] = {}
        met: dict[int, int] = {}
        for output in self.output_list:
            stack: list[tuple[Any, bool]] = [(output, False)]
            while stack:
                tensor, finished = stack.pop()
                call = tensor.call
                if finished:
                    done.setdefault(id(call), call)
                    continue
                if call is not None:
                    met.setdefault(id(call.layer), len(met))
                if id(tensor) in given or (call is not None and id(call) in done):
                    continue
                if call is None or not call.inputs:
                    raise ValueError(
                        f"[{self.name}] An output depends on {tensor!r}, which is not among the "
                        f"inputs. Expected Model(inputs=[..., it], outputs=...)."
                    )
                stack.append((tensor, True))
                stack.extend([(x, False) for x in reversed(call.inputs)])
        return list(done.values()), met

    def _sort_layers(self, met: dict[int, int]) -> list[Any]:
        """The layers as Keras lists them: the farther from the outputs, the earlier."""
        depth: dict[int, int] = {}
        of_layer: dict[int, int] = {}
        made = {id(y): call for call in self.calls for y in tree.flatten(call.outputs)}
        layers: dict[int, Any] = {}
        for call in reversed(self.calls):
            here = max(depth.get(id(call), 0), of_layer.get(id(call.layer), 0))
            depth[id(call)] = of_layer[id(call.layer)] = here
            layers[id(call.layer)] = call.layer
            for x in call.inputs:
                maker = made.get(id(x), x.call)
                depth[id(maker)] = max(here + 1, depth.get(id(maker), 0))
        for x in self.input_list:
            if x.call is not None and not x.call.inputs:
                of_layer[id(x.call.layer)] = depth.get(id(x.call), 0)
                layers[id(x.call.layer)] = x.call.layer
        place = sorted(layers, key=lambda i: (-of_layer[i], met.get(i, len(met))))
        return [layers[i] for i in place]

    def _make_plan(self) -> None:
        """Number the tensors, so that running is a walk over lists. The plan holds the numbers
        alone: in a copy of the graph the tensors have other identities."""
        slots: dict[int, int] = {id(x): i for i, x in enumerate(self.input_list)}
        self.plan: list[tuple[Any, Any, int | None, list[int]]] = []
        for call in self.calls:
            only = len(call.args) == 1 and not call.kwargs and call.inputs == [call.args[0]]
            source = slots[id(call.inputs[0])] if only else None
            arguments = tree.map_structure(
                lambda x: Slot(slots[id(x)]) if isinstance(x, SymbolicTensor) else x,
                (call.args, call.kwargs),
            )
            made = [slots.setdefault(id(y), len(slots)) for y in tree.flatten(call.outputs)]
            self.plan.append((call.layer, arguments, source, made))
        self.n_slots = len(slots)
        self.output_slots = [slots[id(y)] for y in self.output_list]

    # --- running ----------------------------------------------------------------------------------

    def run(self, inputs: Any, call_layer: Callable[..., Any] | None = None) -> Any:
        """The outputs for real inputs (arranged as the symbolic ones).

        Args:
            inputs: tensors.
            call_layer: called as (layer, *args, **kwargs) instead of the layer.
        """
        values: list[Any] = [None] * self.n_slots
        values[: len(self.input_list)] = self.arrange(inputs)
        for layer, arguments, source, made in self.plan:
            if source is not None:
                args, kwargs = (values[source],), {}
            else:
                args, kwargs = tree.map_structure(
                    lambda x: values[x.number] if type(x) is Slot else x, arguments
                )
            y = layer(*args, **kwargs) if call_layer is None else call_layer(layer, *args, **kwargs)
            for slot, value in zip(made, tree.flatten(y), strict=True):
                values[slot] = value
        return tree.pack_like(self.outputs, [values[i] for i in self.output_slots])

    def arrange(self, inputs: Any) -> list[Any]:
        """The inputs in our order, fitted to our shapes and dtypes."""
        wanted = self.input_list
        if isinstance(inputs, dict):
            keys = list(self.inputs) if isinstance(self.inputs, dict) else [x.name for x in wanted]
            missing = [key for key in keys if key not in inputs]
            if missing:
                raise ValueError(
                    f"[{self.name}] Inputs are missing: {missing}. Expected {keys}, received "
                    f"{list(inputs)}."
                )
            inputs = [inputs[key] for key in keys]
        given = tree.flatten(inputs)
        if len(given) != len(wanted):
            raise ValueError(
                f"[{self.name}] Expected {len(wanted)} inputs ({[x.name for x in wanted]}), "
                f"received {len(given)}."
            )
        return [
            fit_input(x, to, self.name, self.strict) for x, to in zip(given, wanted, strict=True)
        ]


def fit_input(x: Any, to: SymbolicTensor, model: str, strict: bool = True) -> Any:
    """x in the dtype of an input, with a last axis of length 1 more or less if that makes it
    fit; compared in all axes if ``strict``, else in their number."""
    shape = to.shape
    if x.ndim != len(shape):
        if x.ndim == len(shape) - 1 and shape[-1] == 1:
            x = ops.reshape(x, shape=(*x.shape, 1))
        elif x.ndim == len(shape) + 1 and x.shape[-1] == 1:
            x = ops.reshape(x, shape=x.shape[:-1])
    given = tuple(x.shape)
    pairs = zip(shape, given, strict=False) if strict else ()
    wrong = len(given) != len(shape) or any(
        [n is not None and m is not None and n != m for n, m in pairs]
    )
    if wrong:
        raise ValueError(
            f"[{model}] Input {to.name!r} has another shape. Expected {shape}, received {given}."
        )
    if isinstance(x, Value) and x.data.dtype != to.dtype:
        x = ops.astype(x, dtype=to.dtype)
    return x


def _symbolic(model: str, what: str, structure: Any) -> list[Any]:
    leaves = tree.flatten(structure)
    for leaf in leaves:
        if not isinstance(leaf, SymbolicTensor):
            raise ValueError(
                f"[{model}] Expected {what} to be symbolic tensors, as Input() and layers called "
                f"on them give; received {type(leaf).__name__} {leaf!r:.60}."
            )
    if not leaves:
        raise ValueError(f"[{model}] Expected at least one tensor in {what}, received none.")
    return leaves


def output_names(outputs: list[Any]) -> list[str]:
    """A name per output: that of its layer; made unique by a number."""
    names: list[str] = []
    for y in outputs:
        base = y.call.layer.name if y.call is not None else y.name
        n = sum([1 for other in names if other == base or other.startswith(f"{base}_")])
        names.append(f"{base}_{n}" if base in names else base)
    return names
