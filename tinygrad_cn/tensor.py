"""Tensor: an array that remembers how it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import autograd, kernels, numpy_protocol, ops
from .methods import Methods
from .mode import mode, value_of
from .op import Node, Op, Value, leaf, to_array, wrap


class Tensor(Methods):
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
            self.node = leaf(self) if wanted else None

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
            if value is None:  # there is none to drop
                return
            raise RuntimeError("[grad] Expected a tensor with requires_grad=True.")
        if value is not None and value.shape != self.shape:
            raise ValueError(f"[grad] Expected shape {self.shape}, received {value.shape}.")
        self.node.grad = value

    def __repr__(self) -> str:
        body = np.array2string(self._value("print or repr"), separator=", ", prefix="Tensor(")
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

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call ``hook`` with the gradient that arrives here, in each backward; what it returns, if
        not None, goes on in its place. Returns a function that removes the hook."""
        node = self._recorded("register_hook")
        node.hooks = (*node.hooks, hook)

        def remove() -> None:
            node.hooks = tuple([h for h in node.hooks if h is not hook])

        return remove

    def retain_grad(self) -> None:
        """Have ``backward`` fill ``grad`` here too, though an op made this tensor."""
        self._recorded("retain_grad").keeps_grad = True

    def why_no_grad(self) -> str:
        """Why ``grad`` is None, in words; "" if it is not.

        >>> tg.tensor(1.0).why_no_grad()
        'does not require grad: made by tensor() without requires_grad=True, or under no_grad()'
        """
        node = self.node
        if node is None:
            made = "made by tensor() without requires_grad=True, or under no_grad()"
            return f"does not require grad: {made}"
        if node.grad is not None:
            return ""
        if not node.keeps_grad:
            made = f"this is the result of {_maker(node)}"
            return f"not kept: {made}; call retain_grad() before backward"
        return "not reached: no backward() from a tensor that was computed from this one"

    def _recorded(self, what: str) -> Node:
        if self.node is None:
            raise RuntimeError(
                f"[{what}] Expected a tensor that requires grad, received a constant."
            )
        return self.node

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
        view = self._value("numpy()").view()
        if not self.is_leaf:
            view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The one element as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"[item] Expected one element, received shape={self.shape}.")
        return self._value("item()").item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._value("tolist()").tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        view = self.numpy()
        return view if dtype is None and not copy else np.array(view, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return numpy_protocol.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return numpy_protocol.function(func, args, kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return numpy_protocol.namespace(api_version)

    def __dlpack__(self, **options: Any) -> Any:
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                f"[copy] Expected a leaf to copy or pickle, received the result of {self.node}; "
                "detach() gives its data as a constant."
            )
        return _rebuild, (type(self), self.data, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        rebuild, (kind, data, *rest) = self.__reduce__()
        out: Tensor = rebuild(kind, kernels.copy(data), *rest)
        if self.grad is not None:
            out.grad = self.grad.detach().copy()
        memo[id(self)] = out
        return out

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("[len] A tensor without axes has no length.")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.data.ndim == 0:
            raise TypeError("[iter] A tensor without axes has no elements to go through.")
        return iter(ops.unstack(self))

    def __contains__(self, value: Any) -> bool:
        return bool(ops.any(ops.equal(self, value)))

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"[bool] A tensor of shape {self.shape} is neither true nor false. Expected one "
                "element, or any() or all()."
            )
        return bool(self._value("bool()"))

    def __float__(self) -> float:
        return float(self._one("float"))

    def __int__(self) -> int:
        return int(self._one("int"))

    def __complex__(self) -> complex:
        return complex(self._one("complex"))

    def __index__(self) -> int:
        return self._value("an index").__index__()

    def __format__(self, spec: str) -> str:
        return format(self._one("format"), spec) if spec else repr(self)

    def _one(self, what: str) -> Any:
        if self.data.size != 1:
            raise TypeError(f"[{what}] Expected one element, received shape={self.shape}.")
        return self._value(what).item()

    def _value(self, how: str) -> np.ndarray:
        """The data, for Python to look at: refused while `jit` captures what computes it."""
        return value_of(self.data, how)

    __hash__ = object.__hash__

    # --- parts, and writing in place --------------------------------------------------------------

    def __getitem__(self, key: Any) -> Tensor:
        return ops.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._check_write("setitem", value)
        ops.setitem(self, key, value)
        self.version += 1

    def fill_(self, value: Any) -> Tensor:
        """Write one value everywhere, in place."""
        self[...] = value
        return self

    def zero_(self) -> Tensor:
        """Write zeros everywhere, in place."""
        return self.fill_(0)

    def copy_(self, value: Any) -> Tensor:
        """Write the value, which broadcasts, in place."""
        self[...] = value
        return self

    def _check_write(self, what: str, value: Any) -> None:
        """Refuse a write in place that would make gradients wrong, or lose one."""
        recording = mode.get().recording
        if not self.is_leaf:
            raise RuntimeError(
                f"[{what}] Gradients rely on the result of {self.node}. Expected an expression "
                "that makes a new tensor, or a write to detach().copy()."
            )
        if self.node is not None and recording:
            raise RuntimeError(
                f"[{what}] A leaf that requires grad is not written to while ops are recorded. "
                "Expected the write inside `with no_grad():`."
            )
        if recording and isinstance(value, Value) and value.node is not None:
            raise RuntimeError(
                f"[{what}] A write in place would lose the gradient of the value. Expected an "
                "expression that makes a new tensor (t = t + v), or detach()."
            )
        if not self.data.flags.writeable:
            raise ValueError(f"[{what}] The array of this tensor is read-only.")

    def _update(self, what: str, kernel: Callable[..., Any], other: Any) -> Tensor:
        """Compute in place: self = kernel(self, other)."""
        self._check_write(what, other)
        operand = other.data if isinstance(other, Value) else other
        if not isinstance(operand, (int, float)):
            operand = to_array(operand)
            if np.broadcast_shapes(operand.shape, self.shape) != self.shape:
                raise ValueError(
                    f"[{what}] The result does not fit in place. Expected an operand that "
                    f"broadcasts to shape {self.shape}, received shape {operand.shape}."
                )
        kind = np.result_type(self.data, operand)
        if not np.can_cast(kind, self.dtype, "same_kind"):
            raise TypeError(f"[{what}] {kind} does not fit in place into dtype={self.dtype}.")
        if kind == self.dtype:
            kernel(self.data, operand, self.data)
        else:
            kernels.copy(kernel(self.data, operand), self.data)
        self.version += 1
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._update("+=", kernels.add, other)

    def __isub__(self, other: Any) -> Tensor:
        return self._update("-=", kernels.subtract, other)

    def __imul__(self, other: Any) -> Tensor:
        return self._update("*=", kernels.multiply, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._update("/=", kernels.divide, other)

    def __ipow__(self, other: Any) -> Tensor:
        return self._update("**=", kernels.pow, other)


class Variable(Tensor):
    """A named Tensor that a model owns and an optimizer may change: a weight, or a layer's state.

    Args:
        value: as for `Tensor`; copied.
        trainable: whether it requires grad.
        name: what it is called inside its layer.

    Attributes: ``path``, its name in the whole model ("dense_1/kernel"); ``regularizer``, a
    function of it whose value is added to the loss, or None; ``constraint``, a function of it whose
    value it takes after each update by an optimizer, or None.

    >>> v = tg.Variable([1.0, 2.0], name="scale")
    >>> v.assign([3.0, 4.0])
    Variable([3., 4.], name=scale)
    """

    __slots__ = ("constraint", "name", "path", "regularizer")

    def __init__(
        self, value: Any, dtype: Any = None, trainable: bool = True, name: str = "variable"
    ) -> None:
        given = to_array(value, dtype)
        data = kernels.empty(given.shape, given.dtype)  # aligned to cache lines
        if isinstance(value, Value):
            kernels.copy(given, data)
        else:
            np.copyto(data, given)
        super().__init__(data, requires_grad=trainable and data.dtype.kind == "f")
        self.name = name
        self.path = name
        self.regularizer: Any = None
        self.constraint: Any = None

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it; False freezes it."""
        return self.node is not None

    @trainable.setter
    def trainable(self, wanted: bool) -> None:
        self.requires_grad = wanted

    @property
    def value(self) -> Tensor:
        """The variable itself: what ops compute with."""
        return self

    def assign(self, value: Any) -> Variable:
        """Write a value of the same shape, in place; the dtype stays."""
        array = self._given(value)
        if array.shape != self.shape:
            raise ValueError(
                f"[assign] Expected shape {self.shape} for variable {self.path!r}, received "
                f"value.shape={array.shape}."
            )
        if not mode.get().probing:
            kernels.copy(array, self.data)
            self.version += 1
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add a value, in place."""
        return self.assign(kernels.add(self.data, self._given(value)))

    def assign_sub(self, value: Any) -> Variable:
        """Subtract a value, in place."""
        return self.assign(kernels.subtract(self.data, self._given(value)))

    def _given(self, value: Any) -> Any:
        """The value as an array; Python numbers in the dtype of the variable."""
        return to_array(value, None if hasattr(value, "dtype") else self.dtype)

    def __reduce__(self) -> Any:
        state = self.trainable, self.name, self.path, self.regularizer, self.constraint
        return _rebuild_variable, (type(self), self.data, *state)

    def __repr__(self) -> str:
        body = np.array2string(self._value("print or repr"), separator=", ", prefix="Variable(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        return f"Variable({body}{dtype}, name={self.path})"


Op.result = Tensor  # the package's one knot: ops are below Tensor, and return Tensors


def _maker(node: Node) -> str:
    op = node.op if node.op is not None else node.parents[0].op  # type: ignore[union-attr]
    return op.name if op is not None else "leaf"


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of the data; see :class:`Tensor`."""
    array = to_array(data, dtype)
    array = kernels.copy(array) if isinstance(data, Value) else np.array(array)
    return Tensor(array, requires_grad=requires_grad)


def from_dlpack(x: Any) -> Tensor:
    """A Tensor on the memory of another library's array (``x.__dlpack__``), without a copy."""
    return wrap(np.from_dlpack(x))


def stop_gradient(x: Any) -> Any:
    """x as a constant: `Tensor.detach` as a function."""
    return wrap(to_array(x))


def _rebuild(kind: type[Tensor], data: np.ndarray, requires_grad: bool) -> Tensor:
    return kind(data, requires_grad=requires_grad)


def _rebuild_variable(
    kind: type[Variable],
    data: np.ndarray,
    trainable: bool,
    name: str,
    path: str,
    regularizer: Any,
    constraint: Any,
) -> Variable:
    out = kind(data, trainable=trainable, name=name)
    out.path, out.regularizer, out.constraint = path, regularizer, constraint
    return out
