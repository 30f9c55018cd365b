"""Symbolic tensors: what layers are called on while a functional model is being drawn.

A :class:`SymbolicTensor` has a shape and a dtype but no values. A layer that is called on one
computes nothing: it notes a :class:`Call` and returns new symbolic tensors. ``graph.py`` reads
the calls back from the outputs to the inputs, and runs them on real data.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from . import ops, tree
from .op import Placeholder

Shape = tuple[int | None, ...]
_counter = itertools.count()


class Call:
    """A layer's call on symbolic tensors."""

    def __init__(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.layer, self.args, self.kwargs = layer, args, kwargs
        self.inputs = [x for x in tree.flatten([args, kwargs]) if isinstance(x, SymbolicTensor)]
        self.outputs: Any = None  # a structure of symbolic tensors

    def __repr__(self) -> str:
        return f"<Call of {self.layer.name}>"


class SymbolicTensor(Placeholder):
    """A tensor without values: the result of ``Input()``, or of a layer called on one.

    Args:
        shape: lengths of the axes; None where unknown until data comes.
        dtype: a NumPy dtype or its name.
        name: a label.
        call: the call that it comes from.
    """

    record_op: ClassVar[
        Callable[..., Any]
    ]  # layers/operation.py sets it: an op called on symbolic tensors
    __array_priority__ = 100.0  # NumPy arrays leave the operators to us

    def __init__(
        self, shape: Any, dtype: Any = "float32", name: str | None = None, call: Call | None = None
    ) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.name = name or f"keras_tensor_{next(_counter)}"
        self.call = call

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def data(self) -> SymbolicTensor:
        """Itself: what functions of ops want to know of the data before they compute (shape, number
        of axes, dtype), it can tell."""
        return self

    def apply(self, op: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Note the call of an op as if it were a layer."""
        return SymbolicTensor.record_op(op, args, settings)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            f"[SymbolicTensor] {self!r} has no values yet. Expected it to be given to layers or to "
            "functions of tinygrad_cn.ops; Model(inputs, outputs) then computes with real data."
        )

    def __bool__(self) -> bool:
        raise TypeError(
            f"[SymbolicTensor] {self!r} has no values, so it is neither true nor false."
        )

    def __len__(self) -> int:
        raise TypeError(f"[SymbolicTensor] The length of {self!r} is not known before data comes.")

    def __iter__(self) -> Any:
        raise TypeError(f"[SymbolicTensor] {self!r} cannot be iterated over.")

    def __add__(self, other: Any) -> Any:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return ops.power(other, self)

    def __mod__(self, other: Any) -> Any:
        return ops.mod(self, other)

    def __rmod__(self, other: Any) -> Any:
        return ops.mod(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return ops.floor_divide(other, self)

    def __matmul__(self, other: Any) -> Any:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return ops.matmul(other, self)

    def __lt__(self, other: Any) -> Any:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Any:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return ops.greater_equal(self, other)

    def __and__(self, other: Any) -> Any:
        return ops.bitwise_and(self, other)

    def __or__(self, other: Any) -> Any:
        return ops.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Any:
        return ops.bitwise_xor(self, other)

    def __invert__(self) -> Any:
        return ops.bitwise_invert(self)

    def __neg__(self) -> Any:
        return ops.negative(self)

    def __abs__(self) -> Any:
        return ops.abs(self)

    def __getitem__(self, key: Any) -> Any:
        return ops.getitem(self, key=key)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum along the axes."""
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean along the axes."""
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def sum_to(self, shape: tuple[int, ...]) -> Any:
        """The sum over the axes that broadcasting from ``shape`` would add."""
        return ops.sum_to(self, shape=shape)

    def astype(self, dtype: Any) -> Any:
        """In another dtype."""
        return ops.astype(self, dtype=np.dtype(dtype))

    def reshape(self, *shape: Any) -> Any:
        """In another shape with the same elements."""
        return ops.reshape(self, shape=shape[0] if len(shape) == 1 else shape)


KerasTensor = SymbolicTensor


def is_symbolic(structure: Any) -> bool:
    """Whether any leaf is a symbolic tensor."""
    if isinstance(structure, SymbolicTensor):
        return True
    if isinstance(structure, dict):
        structure = structure.values()
    elif not isinstance(structure, (list, tuple)):
        return False
    return any(map(is_symbolic, structure))


# --- shapes of layers that do not state theirs ----------------------------------------------------

PROBES = ({"batch": 2, "other": 16}, {"batch": 3, "other": 17})


def fill(shape: Shape, probe: dict[str, int]) -> tuple[int, ...]:
    """The shape with numbers in place of None."""
    sizes = [probe["other"] if n is None else n for n in shape]
    if shape and shape[0] is None:
        sizes[0] = probe["batch"]
    return tuple(sizes)


def common(first: tuple[int, ...], second: tuple[int, ...]) -> Shape:
    """The shape of which two probes gave these: None where they differ."""
    return tuple([n if n == m else None for n, m in zip(first, second, strict=True)])
