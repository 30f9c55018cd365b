"""A function of ops, called on symbolic tensors, as a layer of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import registry
from tinygrad_cn.op import AS_ONE, Op
from tinygrad_cn.symbolic import SymbolicTensor

from .layer import Layer, unique_name

_published: dict[str, Any] = {}


class Operation(Layer):
    """An op of ``tinygrad_cn.ops`` with its settings: what ``x + 1`` or ``ops.relu(x)`` becomes
    when x is a symbolic tensor.

    Args:
        op: the op, or its name.
        settings: its settings.

    Input shape: that of the op's inputs.
    Output shape: that of its output. It carries no mask, as where ops are called on tensors.
    """

    def __init__(self, op: Any, settings: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.op = _find(op) if isinstance(op, str) else op
        self.settings = {name: _read(value) for name, value in (settings or {}).items()}

    def call(self, *args):
        settings = self.settings
        if "shape" in settings and None in settings["shape"]:
            settings = {
                **settings,
                "shape": tuple([-1 if n is None else n for n in settings["shape"]]),
            }
        return self.op(*args, **settings)

    def compute_output_spec(self, *args, **kwargs):
        return self._probe(args, kwargs)

    def get_config(self) -> dict[str, Any]:
        settings = {name: _write(value) for name, value in self.settings.items()}
        return {"name": self.name, "op": self.op.name, "settings": settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The operation of a config."""
        return cls(**config)


def _find(name: str) -> Any:
    """The op of a name."""
    if not _published:
        _published.update(AS_ONE)
        for thing in _all_ops(Op):
            _published.setdefault(thing.__name__, thing())
    if name not in _published:
        raise ValueError(registry.unknown("op", name, _published))
    return _published[name]


def _all_ops(kind: type) -> list[type]:
    below: list[type] = kind.__subclasses__()
    return [*below, *[deeper for one in below for deeper in _all_ops(one)]]


def _write(value: Any) -> Any:
    """A setting as JSON can hold it; what indices and dtypes are made of gets a key that says
    so."""
    if isinstance(value, tuple):
        return [_write(item) for item in value]
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    return registry.serialize_keras_object(value)


def _read(value: Any) -> Any:
    """What :func:`_write` wrote (settings of ops are never lists, but tuples)."""
    if isinstance(value, list):
        return tuple([_read(item) for item in value])
    if not isinstance(value, dict):
        return value
    if "class_name" in value:  # an array
        return registry.deserialize_keras_object(value)
    if "slice" in value:
        return slice(*value["slice"])
    return Ellipsis if "ellipsis" in value else np.dtype(value["dtype"])


def record(op: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Call an op on symbolic tensors."""
    name = unique_name(registry.snake_case(op.name))
    return Operation(op, settings, name=name)(*args)


SymbolicTensor.record_op = staticmethod(record)  # the knot: symbolic.py knows no layers
