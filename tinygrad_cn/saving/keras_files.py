"""Keras 3's own files, read: ".weights.h5", and ".keras" (a zip of a JSON config and such weights).

Needs h5py (``pip install tinygrad_cn[keras]``). Layers are found by the published names, as in our
own files; nothing else in a file is looked at, and links out of an HDF5 file are refused. The
groups of the HDF5 file are named after the classes of the layers, counted ("dense", "dense_1"), or
after the attributes of a subclass; a layer's arrays are numbered below "vars".
"""

from __future__ import annotations

import inspect
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cn import registry

from .building import build
from .names import children

# Keras's sublayers in the order of our weights; those of no weights are left out.
PARTS = (
    "query_dense", "key_dense", "value_dense", "output_dense", "forward_layer", "backward_layer",
    "cell", "layer",
)  # fmt: skip
MERGING = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
COMPILE = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")


def load_model(path: Any, custom_objects: Any, compile: bool) -> Any:
    """The model of a ".keras" file, if all its layers are supported."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"[load] There is no file {str(path)!r}.")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            data = archive.read("model.weights.h5")
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"[load] {str(path)!r} is no Keras file ({error}).") from None
    told = config.get("compile_config") if isinstance(config, dict) else None
    with _open(io.BytesIO(data), path) as file:
        n = sum(array.size for array in _all(file))
        model = build(translate(config), custom_objects, n)
        _assign(model, file)
        if compile and told:
            wanted = {k: told[k] for k in COMPILE if told.get(k) is not None}
            model.compile_from_config(translate(wanted))
            _restore_optimizer(model, file)
    return model


def load_weights(model: Any, path: Any) -> None:
    """Read the weights of a ".weights.h5" or ".keras" file into a model of the same
    architecture."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"[load] There is no file {str(path)!r}.")
    source: Any = path
    if path.suffix == ".keras":
        try:
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(archive.read("model.weights.h5"))
        except (zipfile.BadZipFile, KeyError) as error:
            raise ValueError(f"[load] {str(path)!r} is no Keras file ({error}).") from None
    with _open(source, path) as file:
        _assign(model, file)


def _open(source: Any, path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise ImportError(
            "[load] Keras's files are HDF5. Expected: pip install tinygrad_cn[keras]"
        ) from None
    try:
        return h5py.File(source, "r")
    except OSError as error:
        raise ValueError(f"[load] {str(path)!r} is damaged or not HDF5 ({error}).") from None


# --- config ---------------------------------------------------------------------------------------


def translate(config: Any) -> Any:
    """A config of Keras as one of ours: without arguments that are off and that we do not have,
    with ops between layers as layers, and without the tensors that pass masks on (masks go by
    themselves here)."""
    if isinstance(config, list):
        return [translate(item) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: translate(value) for key, value in config.items()}
    inner = config.get("config")
    if isinstance(inner, dict) and isinstance(inner.get("layers"), list):
        inner["layers"] = _without_ops(inner["layers"])
    if isinstance(inner, dict) and "class_name" in config and not config.get("registered_name"):
        config["config"] = _known_arguments(config, inner)
    return config


def _known_arguments(entry: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those that our class lacks, if these are off."""
    module = registry.kind_of_module(entry.get("module"))
    try:
        found = registry.lookup(module, str(entry["class_name"]))
    except ValueError:
        return inner
    if not isinstance(found, type) or "layers" in inner:
        return inner
    known = set()
    for base in found.__mro__:
        if base is not object:
            known |= set(inspect.signature(vars(base).get("__init__", len)).parameters)
    extra = {key: value for key, value in inner.items() if key not in known}
    wanted = {k: v for k, v in extra.items() if v and k != "zero_output_for_mask"}
    if wanted:
        raise ValueError(
            f"[load] {entry['class_name']}: these settings are not supported: {wanted}."
        )
    return {key: value for key, value in inner.items() if key in known}


def _without_ops(layers: list[Any]) -> list[Any]:
    kept, dropped = [], set()
    for entry in layers:
        if ".ops" not in str(entry.get("module")):
            kept.append(entry)
        elif entry.get("class_name") in MERGING:
            nodes = [{"args": [n["args"]], "kwargs": {}} for n in entry.get("inbound_nodes", [])]
            kept.append({**entry, "module": "keras.layers", "registered_name": None,
                         "config": {"name": entry["name"]}, "inbound_nodes": nodes})  # fmt: skip
        elif entry.get("class_name") == "NotEqual":
            dropped.add(entry.get("name"))
        else:
            raise ValueError(f"[load] The op {entry.get('class_name')!r} is not supported.")
    for entry in kept:
        for node in entry.get("inbound_nodes", []):
            node["kwargs"] = {
                key: value
                for key, value in node.get("kwargs", {}).items()
                if not (key.endswith("mask") and _made_by(value) in dropped)
            }
    return kept


def _made_by(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return value["config"]["keras_history"][0]
    return None


# --- weights --------------------------------------------------------------------------------------


def _get(group: Any, name: str) -> Any:
    """A member of a group that is really in this file; None if there is none."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"[load] {group.name}/{name} is a link out of its place: refused.")
    found = group[name]
    if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
        raise ValueError(f"[load] {group.name}/{name} is stored in another file: refused.")
    return found


def _numbered(group: Any) -> list[np.ndarray]:
    """The arrays "0", "1", ... of a group's "vars"."""
    found: list[np.ndarray] = []
    variables = _get(group, "vars")
    while variables is not None:
        array = _get(variables, str(len(found)))
        if array is None:
            break
        found.append(np.asarray(array))
    return found


def _all(group: Any) -> Iterator[np.ndarray]:
    """Every array below a group's layers."""
    if group.name != "/optimizer":
        yield from _numbered(group)
        for name in group:
            inner = _get(group, name) if name != "vars" else None
            if hasattr(inner, "keys"):
                yield from _all(inner)


def _of_layer(group: Any) -> list[np.ndarray]:
    """The arrays of a layer in the order of our weights."""
    found = _numbered(group)
    for name in PARTS:
        part = _get(group, name)
        if part is not None:
            found += _of_layer(part)
    return found


def _groups(module: Any, group: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of a layer without layers of its own that Keras would know, and its group."""
    inner = children(module)
    container = getattr(module, "_graph", None) is not None or hasattr(module, "_layers")
    if not (container or hasattr(module, "compile_from_config")):
        yield module, group
        return
    inside = _get(group, "layers") if container else group
    counts: dict[tuple[Any, str], int] = {}
    for place, child in inner:
        where, _, number = place.partition(".")
        name = registry.snake_case(type(child).__name__) if container or number else where
        name = "functional" if name == "model" else name
        holder = _get(inside, where) if number and not container else inside
        n = counts.get((where, name), 0)
        counts[where, name] = n + 1
        found = None if holder is None else _get(holder, f"{name}_{n}" if n else name)
        if found is None and child.weights:
            raise ValueError(f"[load] The file has no weights for {child.name!r} ({name}).")
        if found is not None:
            yield from _groups(child, found)


def _assign(model: Any, file: Any) -> None:
    """Write the arrays of a file into a model, if all fit."""
    fitting = []
    for layer, group in _groups(model, file):
        arrays, own = _of_layer(group), layer.weights
        if [a.shape for a in arrays] != [v.shape for v in own]:
            raise ValueError(
                f"[load] The weights of {layer.name!r} do not fit. Expected shapes "
                f"{[v.shape for v in own]}, received {[a.shape for a in arrays]}."
            )
        fitting += list(zip(own, arrays, strict=True))
    for variable, array in fitting:
        variable.assign(array)


def _restore_optimizer(model: Any, file: Any) -> None:
    group = _get(file, "optimizer")
    arrays = [] if group is None else _numbered(group)
    optimizer = model.optimizer
    if len(arrays) > 2:
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        optimizer.set_weights(arrays)
