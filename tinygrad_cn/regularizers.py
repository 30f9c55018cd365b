"""Penalties on weights, added to the loss: by class, or by name (``"l2"`` is ``L2()``).

A regularizer is called with a variable and returns a scalar Tensor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import ops, registry
from .settings import Settings


class Regularizer(Settings):
    """The base: a subclass has ``__call__(x)`` and ``get_config``."""

    def __call__(self, x: Any) -> Any:
        """The penalty, a scalar Tensor."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Regularizer defines __call__.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same regularizer."""
        raise TypeError(
            f"[{type(self).__name__}] A subclass that is to be saved defines get_config."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The regularizer of a config."""
        return cls(**config)


class L1L2(Regularizer):
    """l1 sum(|w|) + l2 sum(w^2).

    >>> tg.regularizers.L1L2(l1=0.5, l2=0.1)(tg.tensor([1.0, -2.0]))
    Tensor(2.)
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1, self.l2 = _factor("l1", l1, 0.0), _factor("l2", l2, 0.0)

    def __call__(self, x: Any) -> Any:
        penalty = None
        if self.l1:
            penalty = self.l1 * ops.sum(ops.abs(x))
        if self.l2:
            squares = self.l2 * ops.sum(ops.square(x))
            penalty = squares if penalty is None else penalty + squares
        return ops.sum(x) * 0.0 if penalty is None else penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """l1 sum(|w|): drives weights that do little to exactly 0 (Tibshirani, 1996)."""

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = _factor("l1", l1, 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l1 * ops.sum(ops.abs(x))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """l2 sum(w^2): keeps weights small (Hoerl and Kennard, 1970)."""

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = _factor("l2", l2, 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l2 * ops.sum(ops.square(x))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """factor times the mean |cosine| between two rows (or columns) of a matrix, over all pairs.

    >>> tg.regularizers.OrthogonalRegularizer(1.0)(tg.tensor([[1.0, 0.0], [0.0, 2.0]]))
    Tensor(0.)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(
                f"[OrthogonalRegularizer] Expected mode 'rows' or 'columns', received {mode!r}."
            )
        self.factor, self.mode = _factor("factor", factor, 0.01), mode

    def __call__(self, x: Any) -> Any:
        if x.ndim != 2:
            raise ValueError(
                f"[OrthogonalRegularizer] Expected a matrix, received shape={x.shape}."
            )
        vectors = x if self.mode == "rows" else ops.permute_dims(x, axes=(1, 0))
        length = ops.sqrt(ops.maximum(ops.sum(ops.square(vectors), axis=1, keepdims=True), 1e-12))
        vectors = vectors / length
        cosines = ops.abs(vectors @ ops.permute_dims(vectors, axes=(1, 0)))
        n = vectors.shape[0]
        apart = (1 - np.eye(n)).astype(x.dtype)
        return self.factor * ops.sum(cosines * apart) / max(n * (n - 1), 1)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def _factor(name: str, value: Any, default: float) -> float:
    """A weight of a penalty: a float that is not negative."""
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ValueError(f"[regularizers] Expected a number, received {name}={value!r}.")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"[regularizers] Expected 0 <= {name} < inf, received {name}={value}.")
    return float(value)


Orthogonal = OrthogonalRegularizer
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer
registry.publish("regularizers", L1, L2, L1L2, OrthogonalRegularizer)
registry.publish(
    "regularizers", l1=L1, l2=L2, l1_l2=L1L2, l1l2=L1L2, orthogonal_regularizer=Orthogonal,
    orthogonal=Orthogonal,
)  # fmt: skip


def get(identifier: Any) -> Any:
    """The regularizer of a name, config, class or object; None stays None.

    >>> tg.regularizers.get("l2").l2
    0.01
    """
    return registry.find("regularizers", identifier, Regularizer)


def serialize(regularizer: Any) -> Any:
    """A regularizer as a JSON-able config."""
    return registry.serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The regularizer of a config."""
    return registry.deserialize_keras_object(config, custom_objects, "regularizers")
