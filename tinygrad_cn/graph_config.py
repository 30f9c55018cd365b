"""A graph of layers as something JSON can hold, in Keras 3's form, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import registry, tree
from .graph import Graph
from .layers.operation import Operation
from .symbolic import SymbolicTensor


def graph_config(graph: Graph) -> dict[str, Any]:
    """{"layers": each with the calls that belong to the graph, "input_layers", "output_layers"}."""
    numbers: dict[int, int] = {}  # of each call among its layer's calls in this graph
    for call in graph.calls:
        numbers[id(call)] = sum(
            [1 for c in graph.calls[: graph.calls.index(call)] if c.layer is call.layer]
        )
    for x in graph.input_list:
        numbers.setdefault(id(x.call), 0)

    def place(x: SymbolicTensor) -> list[Any]:
        assert x.call is not None
        index = [id(y) for y in tree.flatten(x.call.outputs)].index(id(x))
        return [x.call.layer.name, numbers[id(x.call)], index]

    def write(x: Any) -> Any:
        if not isinstance(x, SymbolicTensor):
            return registry.serialize_keras_object(x)
        known = {"shape": list(x.shape), "dtype": str(x.dtype), "keras_history": place(x)}
        return {"class_name": "__keras_tensor__", "config": known}

    layers = []
    for layer in graph.layers:
        entry = registry.serialize_keras_object(layer)
        entry["build_config"] = layer.get_build_config()
        entry["name"] = layer.name
        calls = [call for call in graph.calls if call.layer is layer]
        entry["inbound_nodes"] = [
            {"args": _without_tuples(tree.map_structure(write, list(call.args))),
             "kwargs": _without_tuples(tree.map_structure(write, call.kwargs))}
            for call in calls
        ]  # fmt: skip
        layers.append(entry)
    return {
        "layers": layers,
        "input_layers": _without_tuples(tree.map_structure(place, graph.inputs)),
        "output_layers": _without_tuples(tree.map_structure(place, graph.outputs)),
    }


def _without_tuples(structure: Any) -> Any:
    """JSON would make lists of tuples: they are written as Keras writes them."""
    if isinstance(structure, dict):
        return {key: _without_tuples(value) for key, value in structure.items()}
    if not isinstance(structure, (list, tuple)):
        return structure
    items = [_without_tuples(item) for item in structure]
    if isinstance(structure, list):
        return items
    return {"class_name": "__tuple__", "config": {"value": items}}


def graph_from_config(
    config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> tuple[Any, Any]:
    """The symbolic inputs and outputs that a :func:`graph_config` (or Keras's) describes."""
    layers: dict[str, Any] = {}
    outputs: dict[tuple[str, int], list[Any]] = {}  # of each call of each layer
    waiting: list[tuple[str, int, dict[str, Any]]] = []
    for entry in config["layers"]:
        if str(entry.get("module")).startswith("keras.src.ops"):  # x + 1, drawn by Keras
            layer = Operation(entry["class_name"], name=entry["name"])
        else:
            layer = registry.deserialize_keras_object(entry, custom_objects)
        name = layer.name
        if name in layers:
            raise ValueError(
                f"[from_config] Expected unique names of layers, received {name!r} twice."
            )
        layers[name] = layer
        nodes = entry.get("inbound_nodes", [])
        waiting += [(name, i, node) for i, node in enumerate(nodes)]
        if not nodes:
            outputs[name, 0] = tree.flatten(layer.output)

    def find(where: Any) -> Any:
        name, call, index = where
        return outputs[name, call][index]

    def read(x: Any) -> Any:
        if isinstance(x, dict) and x.get("class_name") == "__keras_tensor__":
            return find(x["config"]["keras_history"])
        if isinstance(x, dict) and x.get("class_name") == "__tuple__":
            return tuple([read(item) for item in x["config"]["value"]])
        if isinstance(x, dict) and "class_name" in x:
            return registry.deserialize_keras_object(x, custom_objects)
        if isinstance(x, dict):
            return {key: read(value) for key, value in x.items()}
        return [read(item) for item in x] if isinstance(x, list) else x

    while waiting:
        later = []
        for name, number, node in waiting:
            if number and (name, number - 1) not in outputs:
                later.append((name, number, node))
                continue
            try:
                args, kwargs = read(list(node["args"])), read(dict(node.get("kwargs", {})))
            except KeyError:  # made by a call that is still waiting
                later.append((name, number, node))
                continue
            outputs[name, number] = tree.flatten(layers[name](*args, **kwargs))
        if len(later) == len(waiting):
            raise ValueError(
                f"[from_config] These calls use tensors that nothing makes: {later!r:.200}"
            )
        waiting = later
    return _structure(config["input_layers"], find), _structure(config["output_layers"], find)


def _structure(places: Any, find: Any) -> Any:
    """Tensors in place of ["name", call, index]; one alone stands for itself."""
    if isinstance(places, dict) and places.get("class_name") == "__tuple__":
        return tuple([_structure(place, find) for place in places["config"]["value"]])
    if isinstance(places, dict):
        return {key: _structure(value, find) for key, value in places.items()}
    if len(places) == 3 and isinstance(places[0], str) and isinstance(places[1], int):
        return find(places)
    return [_structure(place, find) for place in places]
