"""A function of ops, called on symbolic tensors, as a layer of the graph."""

from __future__ import annotations

from typing import Any

from tinygrad_cn import registry
from tinygrad_cn.op import Op
from tinygrad_cn.symbolic import SymbolicTensor

from .layer import Layer, unique_name

_published: dict[str, Op] = {}


class Operation(Layer):
    """An op of ``tinygrad_cn.ops`` with its settings: what ``x + 1`` or ``ops.relu(x)`` becomes when x
    is a symbolic tensor.

    Args:
        op: the op, or its name.
        settings: its settings.

    Input shape: that of the op's inputs.
    Output shape: that of its output.
    """

    supports_masking = True

    def __init__(self, op: Any, settings: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.op = _find(op) if isinstance(op, str) else op
        self.settings = {k: _tuples(v) for k, v in (settings or {}).items()}

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
        config = {"name": self.name, "op": self.op.name, "settings": dict(self.settings)}
        registry.serialize_keras_object(config["settings"])
        return config


def _find(name: str) -> Op:
    """The op of a name."""
    if not _published:
        for thing in _all_ops(Op):
            _published.setdefault(thing.__name__, thing())
    if name not in _published:
        raise ValueError(registry.unknown("op", name, _published))
    return _published[name]


def _all_ops(kind: type) -> list[type]:
    below = kind.__subclasses__()
    return [*below, *[deeper for one in below for deeper in _all_ops(one)]]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def record(op: Op, args: tuple, settings: dict[str, Any]) -> Any:
    """Call an op on symbolic tensors."""
    name = unique_name(registry.snake_case(op.name))
    return Operation(op, settings, name=name)(*args)


SymbolicTensor.record_op = staticmethod(record)  # the knot: symbolic.py knows no layers
