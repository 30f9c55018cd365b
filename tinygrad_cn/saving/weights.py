"""The weights of a model by name: where they stand in it, such as "layers.0.kernel".

The names do not depend on how often a program has made a Dense before, so weights fit every model
of the same architecture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_cn import random
from tinygrad_cn.layers.module import Module
from tinygrad_cn.tensor import Variable

from . import files

SUFFIX = ".safetensors"


def named_variables(module: Any) -> dict[str, Variable]:
    """Each variable of a module by its place; a shared one by its first place."""
    found: dict[str, Variable] = {}
    seen: set[int] = set()
    for place, part in _modules(module):
        for variable in part._own_variables():
            if id(variable) not in seen:
                seen.add(id(variable))
                name = ".".join(filter(None, (place, variable.name.replace("/", "."))))
                unique, n = name, 0
                while unique in found:
                    n += 1
                    unique = f"{name}_{n}"
                found[unique] = variable
    return found


def named_generators(module: Any) -> dict[str, np.ndarray]:
    """The state of each random generator that layers of a module own, by its place."""
    return {
        ".".join(filter(None, (place, key.lstrip("_")))): value.state
        for place, part in _modules(module)
        for key, value in vars(part).items()
        if isinstance(value, random.SeedGenerator)
    }


def _modules(module: Any) -> Iterator[tuple[str, Any]]:
    """The module and all inside it, each once, with the attributes that lead to it."""
    seen: set[int] = set()

    def visit(place: str, part: Any) -> Iterator[tuple[str, Any]]:
        if id(part) in seen:
            return
        seen.add(id(part))
        yield place, part
        for key, inner in _children(part):
            yield from visit(f"{place}.{key}" if place else key, inner)

    yield from visit("", module)


def _children(module: Any) -> list[tuple[str, Any]]:
    """The modules inside a module, with a name for each: the layers of a model that was put
    together by number, others by attribute."""
    numbered = getattr(module, "_graph", None) is not None or hasattr(module, "_layers")
    listed = [(f"layers.{i}", layer) for i, layer in enumerate(module.layers)] if numbered else []
    known = {id(sub) for sub in module._sublayers()}
    named: dict[int, str] = {}

    def look(key: str, value: Any) -> None:
        if isinstance(value, Module):
            if id(value) in known:
                named.setdefault(id(value), key)
        elif type(value) in (list, tuple):
            for i, item in enumerate(value):
                look(f"{key}.{i}", item)
        elif type(value) is dict:
            for name, item in value.items():
                look(f"{key}.{name}", item)

    for key, value in vars(module).items():
        look(key.lstrip("_"), value)
    done = {id(layer) for _, layer in listed}
    rest = [sub for sub in module._sublayers() if id(sub) not in done]
    return listed + [(named.get(id(sub), sub.name), sub) for sub in rest]


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """The values of all variables by name."""
    return {name: v.data for name, v in named_variables(model).items()}


def check(model: Any, arrays: Mapping[str, np.ndarray], who: str) -> dict[str, Variable]:
    """The variables, if each has an array of its shape and no array is left."""
    variables = named_variables(model)
    missing = [name for name in variables if name not in arrays]
    unknown = [name for name in arrays if name not in variables]
    wrong = [
        f"{name}: expected {v.shape}, received {arrays[name].shape}"
        for name, v in variables.items()
        if name in arrays and arrays[name].shape != v.shape
    ]
    if missing or unknown or wrong:
        told = [f"wrong shapes: {wrong[:4]}"] if wrong else []
        told += [f"not in the file: {missing[:4]}"] if missing else []
        told += [f"not in the model: {unknown[:4]}"] if unknown else []
        raise ValueError(f"[{who}] The weights do not fit {model.name!r}; {'; '.join(told)}.")
    return variables


def assign(variables: Mapping[str, Variable], arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays into the variables of the same names."""
    for name, variable in variables.items():
        variable.assign(arrays[name])


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights to a safetensors file.

    Args:
        model: a model or layer.
        filepath: ends in ".safetensors".
        overwrite: whether a file of this name may be replaced.
    """
    path = files.check_overwrite(filepath, overwrite)
    if path.suffix != SUFFIX:
        raise ValueError(
            f"[save_weights] Weights are written as safetensors. Expected a name that ends in "
            f"{SUFFIX!r}, received {path.name!r}."
        )
    arrays = arrays_of(model)
    if not arrays and not model.built:
        raise ValueError(
            f"[save_weights] {model.name!r} has no weights yet. Expected a call or build()."
        )
    files.write(path, "weights", arrays, {})


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> None:
    """Read weights that :func:`save_weights` wrote, or a whole model's, or Keras's ".weights.h5".

    Nothing changes unless all fit.

    Args:
        model: a model of the same architecture, with weights made.
        filepath: the file.
        skip_mismatch: leave out what does not fit.
    """
    if not model.built:
        raise ValueError(
            f"[load_weights] {model.name!r} has no weights yet. Expected a call or build()."
        )
    if str(filepath).endswith((".h5", ".hdf5", ".keras")):
        from . import keras_files

        keras_files.load_weights(model, filepath)
        return
    arrays, notes = files.read(filepath)
    if notes.get(files.KIND, "weights").split("/")[0] != "weights":
        arrays = {name[6:]: a for name, a in arrays.items() if name.startswith("model/")}
    if skip_mismatch:
        own = named_variables(model)
        fitting = {n: v for n, v in own.items() if n in arrays and arrays[n].shape == v.shape}
        assign(fitting, arrays)
    else:
        assign(check(model, arrays, "load_weights"), arrays)
