"""Tensor: an array that remembers how it was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import autograd, ops
from .mode import mode
from .op import Node, Op, Value, leaf, to_array, wrap


class Tensor(Value):
    """An n-dimensional array of numbers whose gradient can be asked for.

    Args:
        data: an array, a Tensor, a number, or nested lists of numbers. Lists and Python numbers
            become float32; what has a dtype keeps it. A NumPy array is not copied.
        dtype: a NumPy dtype to convert to.
        requires_grad: whether ops on this tensor are recorded, so that ``backward`` fills ``grad``.

    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.])
    """

    __slots__ = ()

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> None:
        self.data = to_array(data, dtype)
        self.node = None
        self.version = 0
        if requires_grad:
            self.requires_grad = True

    # --- what it is -------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        """NumPy's dtype of the elements."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    @property
    def requires_grad(self) -> bool:
        """Whether ops on this tensor are recorded."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.node is not None and self.node.parents:
            raise RuntimeError(
                f"[requires_grad] Expected a leaf, received the result of {self.node}; "
                "detach() gives a leaf with the same data."
            )
        if wanted and self.data.dtype.kind != "f":
            raise TypeError(
                f"[requires_grad] Only floats have gradients. Expected float32 or float64, "
                f"received dtype={self.data.dtype}."
            )
        if wanted != (self.node is not None):
            self.node = leaf(self.data) if wanted else None

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self.node is None or (self.node.op is None and not self.node.parents)

    @property
    def grad(self) -> Any:
        """The gradient that ``backward`` has added up here; None before."""
        return None if self.node is None else self.node.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if self.node is None:
            raise RuntimeError("[grad] Expected a tensor with requires_grad=True.")
        if value is not None and value.shape != self.shape:
            raise ValueError(f"[grad] Expected shape {self.shape}, received {value.shape}.")
        self.node.grad = value

    def __repr__(self) -> str:
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        if self.node is None:
            made = ""
        else:
            made = ", requires_grad=True" if self.is_leaf else f", from={_maker(self.node)}"
        return f"Tensor({body}{dtype}{made})"

    # --- gradients --------------------------------------------------------------------------------

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add the gradient of this tensor to ``grad`` of every leaf it was made from.

        Args:
            gradient: the gradient of whatever is differentiated with respect to this tensor, of its
                shape and dtype; may be left out for a scalar (then 1).
            retain_graph: keep the graph for another backward (default: as ``create_graph``).
            create_graph: record the gradients too, so that they can be differentiated.
        """
        autograd.backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same data (shared) as a constant."""
        return wrap(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` and return self."""
        self.requires_grad = requires_grad
        return self

    # --- leaving ----------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The data as a NumPy array, without a copy; read-only where the graph relies on it."""
        view = self.data.view()
        if not self.is_leaf:
            view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The one element as a Python number."""
        return self.data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        view = self.numpy()
        return view if dtype is None and not copy else np.array(view, dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __index__(self) -> int:
        return self.data.__index__()

    __hash__ = object.__hash__

    # --- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.divide(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override] # elementwise, as NumPy
        return ops.equal(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override] # elementwise, as NumPy
        return ops.not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.greater_equal(self, other)

    # --- methods ----------------------------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The sum along the axes; see :func:`ops.sum`."""
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The mean along the axes; see :func:`ops.mean`."""
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def sum_to(self, shape: tuple[int, ...]) -> Tensor:
        """The sum over the axes that broadcasting from ``shape`` would add."""
        return ops.sum_to(self, shape=shape)

    def astype(self, dtype: Any) -> Tensor:
        """In another dtype."""
        return ops.astype(self, dtype=np.dtype(dtype))

    def reshape(self, *shape: Any) -> Tensor:
        """In another shape with the same elements; ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        return ops.reshape(self, shape=shape[0] if len(shape) == 1 else shape)


Op.result = Tensor  # the package's one knot: ops are below Tensor, and return Tensors


def _maker(node: Node) -> str:
    op = node.op if node.op is not None else node.parents[0].op  # type: ignore[union-attr]
    return op.name if op is not None else "leaf"


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of the data; see :class:`Tensor`."""
    return Tensor(np.array(to_array(data, dtype)), requires_grad=requires_grad)
