"""Structures: lists, tuples and dicts of leaves, as models take and return them.

The order of the leaves is that of writing (Keras sorts the keys of dicts; we do not).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def flatten(structure: Any) -> list[Any]:
    """The leaves, in order.

    >>> from tinygrad_cn import tree
    >>> tree.flatten({"a": 1, "b": [2, (3,)]})
    [1, 2, 3]
    """
    if isinstance(structure, dict):
        structure = list(structure.values())
    if not isinstance(structure, (list, tuple)):
        return [structure]
    return [leaf for item in structure for leaf in flatten(item)]


def map_structure(function: Callable[..., Any], structure: Any) -> Any:
    """The same structure with ``function(leaf)`` in place of each leaf."""
    if isinstance(structure, dict):
        return {key: map_structure(function, item) for key, item in structure.items()}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*[map_structure(function, item) for item in structure])
    if isinstance(structure, (list, tuple)):
        return type(structure)([map_structure(function, item) for item in structure])
    return function(structure)


def pack_like(structure: Any, leaves: list[Any]) -> Any:
    """``leaves`` arranged as in ``structure``.

    >>> from tinygrad_cn import tree
    >>> tree.pack_like({"a": 0, "b": [0, 0]}, [1, 2, 3])
    {'a': 1, 'b': [2, 3]}
    """
    rest = iter(leaves)
    return map_structure(lambda _: next(rest), structure)
