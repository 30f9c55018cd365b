"""Names for what a model holds: where it stands in it, such as "layers.0.kernel".

The names do not depend on how often a program has made a Dense before, so weights fit every model
of the same architecture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_cn import random
from tinygrad_cn.layers.module import NOT_LOOKED_INTO, Module
from tinygrad_cn.tensor import Variable


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
        for key, inner in children(part):
            yield from visit(f"{place}.{key}" if place else key, inner)

    yield from visit("", module)


def children(module: Any) -> list[tuple[str, Any]]:
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
        if key not in NOT_LOOKED_INTO:
            look(key.lstrip("_"), value)
    done = {id(layer) for _, layer in listed}
    rest = [sub for sub in module._sublayers() if id(sub) not in done]
    return listed + [(named.get(id(sub), sub.name), sub) for sub in rest]
