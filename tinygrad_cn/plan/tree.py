"""Nested tuples, lists and dicts of things, taken apart into their leaves and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same structure with ``function(leaf)`` in the place of each leaf.

    >>> map_leaves(lambda x: 2 * x, {"a": (1, 2), "b": [3]})
    {'a': (2, 4), 'b': [6]}
    """
    if isinstance(tree, dict):
        return type(tree)((key, map_leaves(function, value)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[map_leaves(function, value) for value in tree])
    if isinstance(tree, (tuple, list)):
        return type(tree)([map_leaves(function, value) for value in tree])
    return function(tree)
