"""What weights must keep to: by class, or by name (``"non_neg"`` is ``NonNeg()``).

A constraint is called with a variable and returns the value that the variable takes in its place;
optimizers do so after each update.
"""

from __future__ import annotations

from typing import Any

from . import ops, registry
from .ops.loss import EPSILON


class Constraint:
    """The base: a subclass has ``__call__(w)``, made of ops, and ``get_config``.

    >>> class Small(tg.constraints.Constraint):
    ...     def __call__(self, w): return tg.ops.clip(w, -1.0, 1.0)
    >>> Small()(tg.tensor([0.5, 3.0]))
    Tensor([0.5, 1. ])
    """

    def __call__(self, w: Any) -> Any:
        """The value that w is to have; here w itself."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same constraint."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The constraint of a config."""
        return cls(**config)


class MaxNorm(Constraint):
    """w min(n, max_value) / n, with n the length of w along ``axis``: no longer than
    ``max_value`` (Srebro et al., 2004).

    Args:
        max_value: the greatest length.
        axis: the axis or axes of one vector; 0 for the columns of a Dense kernel, (0, 1, 2) for the
            filters of a Conv2D.

    >>> tg.constraints.MaxNorm(1.0)(tg.tensor([[3.0, 0.3], [4.0, 0.4]])).numpy().round(4)
    array([[0.6, 0.3],
           [0.8, 0.4]], dtype=float32)
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        length = _length(w, self.axis)
        return w * (ops.clip(length, 0, self.max_value) / (EPSILON + length))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """max(w, 0).

    >>> tg.constraints.NonNeg()(tg.tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0)


class UnitNorm(Constraint):
    """w / n, with n the length of w along ``axis``: of length 1.

    Args:
        axis: as in :class:`MaxNorm`.

    >>> tg.constraints.UnitNorm()(tg.tensor([[3.0], [4.0]])).numpy()
    array([[0.6],
           [0.8]], dtype=float32)
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (EPSILON + _length(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """w (rate min(max(n, min_value), max_value) + (1 - rate) n) / n, with n the length of w along
    ``axis``: brought between the two, or nearer to it.

    Args:
        min_value, max_value: the least and the greatest length.
        rate: which part of the way w goes at each update; 1 is all of it.
        axis: as in :class:`MaxNorm`.

    >>> w = tg.tensor([[3.0, 0.3], [4.0, 0.4]])
    >>> tg.constraints.MinMaxNorm(1.0, 2.0)(w).numpy().round(4)
    array([[1.2, 0.6],
           [1.6, 0.8]], dtype=float32)
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        length = _length(w, self.axis)
        wanted = self.rate * ops.clip(length, self.min_value, self.max_value)
        return w * ((wanted + (1 - self.rate) * length) / (EPSILON + length))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


def _length(w: Any, axis: Any) -> Any:
    """The root of the sum of squares along the axes, which stay with length 1."""
    axis = tuple(axis) if isinstance(axis, list) else axis
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
registry.publish("constraints", MaxNorm, NonNeg, UnitNorm, MinMaxNorm)
registry.publish(
    "constraints", max_norm=MaxNorm, non_neg=NonNeg, unit_norm=UnitNorm, min_max_norm=MinMaxNorm
)


def get(identifier: Any) -> Any:
    """The constraint of a name, config, class or object; None stays None.

    >>> tg.constraints.get("max_norm").max_value
    2
    """
    return registry.find("constraints", identifier, Constraint)


def serialize(constraint: Any) -> Any:
    """A constraint as a JSON-able config."""
    return registry.serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The constraint of a config."""
    return registry.deserialize_keras_object(config, custom_objects, "constraints")
