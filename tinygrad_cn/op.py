"""What an operation is, and what it leaves behind when it runs.

Calling an :class:`Op` computes its ``forward`` on arrays. If an input needs a gradient, the output
remembers a :class:`Node`: the op, the nodes of its inputs, and just what the op's rule asks for.
``autograd.py`` walks those nodes back. A rule (``vjp``) is written with Tensors, so what it
computes can itself be recorded: that is all there is to second derivatives.

References run one way, Tensor -> Node -> parent Nodes, so a dropped graph is freed at once.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from . import kernels
from .mode import mode

_PACKAGE = str(Path(__file__).parent)


class Node:
    """A recorded operation; with ``op`` None a leaf: a Tensor whose gradient was asked for."""

    grad: Any = None  # what backward has added up, where keeps_grad
    keeps_grad = False
    hooks: tuple[Callable, ...] = ()  # each may replace the gradient that arrives here
    settings: dict[str, Any]
    saved: tuple | None = ()  # what op.rule names; None once the graph is freed
    stamp = 0  # how often what is saved had been written to: has it been since?
    scope = ""  # the layer that was being called
    constants: tuple = ()  # per input without a node: the number, or a weak reference to the array
    tensor: Callable[[], Any] = staticmethod(lambda: None)  # of a leaf: its Tensor, while it lives
    _where: Any = None

    def __init__(self, shape: Any, dtype: Any, op: Op | None = None, parents: tuple = ()) -> None:
        self.op = op
        self.parents: tuple[Node | None, ...] = parents  # one per input; None: no gradient wanted
        self.shape, self.dtype = shape, dtype  # of the output (lists of them for an op with many)

    @property
    def where(self) -> tuple[str, int] | None:
        """(file, line) of the code outside this package that recorded the op."""
        if self._where is None:
            return None
        code, at = self._where
        lines = [line for start, end, line in code.co_lines() if start <= at < end and line]
        return code.co_filename, lines[0] if lines else code.co_firstlineno

    def __repr__(self) -> str:
        place = "" if self.where is None else " recorded at {}:{}".format(*self.where)
        return f"<{self.op.name if self.op else 'leaf'} {self.shape} {self.dtype}{place}>"


class Output(Node):
    """One of the outputs of an op that has many; its one parent collects their gradients."""

    index = 0


# How often memory was written to in place, by the id of the array that owns it. What a node has
# saved is alive, so its id is its own; a count that a dead array left behind does no harm.
_writes: dict[int, int] = {}


class Value:
    """What the engine knows of a Tensor: its array, and its node (None: a constant)."""

    __slots__ = ("__weakref__", "data", "node")
    data: np.ndarray
    node: Node | None

    @property
    def version(self) -> int:
        """Counts writes in place, through this Tensor or any that shares its memory."""
        return _writes.get(id(_owner(self.data)), 0)

    @version.setter
    def version(self, count: int) -> None:
        _writes[id(_owner(self.data))] = count


class Placeholder:
    """A value that is not there yet: an op that is given one hands itself over to it."""

    def apply(self, op: Any, args: tuple, settings: dict[str, Any]) -> Any:
        """What stands for the result of the op."""
        raise TypeError(f"[{op.name}] Expected values, received {self!r}.")


class PlaceholderMet(TypeError):
    """Raised where an array was expected and a :class:`Placeholder` was found."""

    def __init__(self, placeholder: Placeholder) -> None:
        super().__init__(
            f"Expected values, received {placeholder!r}. A symbolic tensor can be given to layers "
            "and to functions of tinygrad_cn.ops only."
        )
        self.placeholder = placeholder


AS_ONE: dict[str, Any] = {}  # the functions below, by name
F = TypeVar("F", bound=Callable)


def as_one(function: F) -> F:
    """Mark a function of ops that looks at what placeholders do not know: all lengths, or values.
    It hands itself over to them as if it were one op, by :func:`apply_as_one`."""
    function.name = function.__name__  # type: ignore[attr-defined] # as ops have
    AS_ONE[function.__name__] = function
    return function


def apply_as_one(function: Any, *args: Any) -> Any:
    """What stands for the result. The arguments up to the last placeholder are inputs (all, of
    ``*operands``), the others are settings."""
    names = [*inspect.signature(function).parameters]
    placeholders = [i for i, x in enumerate(args) if isinstance(x, Placeholder)]
    n = placeholders[-1] + 1 if len(args) <= len(names) else len(args)
    settings = dict(zip(names[n:], args[n:], strict=False))
    return args[placeholders[0]].apply(function, args[:n], settings)


class Op:
    """One differentiable function. A subclass states it; an instance of that is the function.

    ``forward`` works on arrays. Its parameters without default are inputs, those with one are
    settings. ``vjp`` works on Tensors: it is given ``g``, the gradient of the output, and returns
    the gradient of the input, or a tuple with one per input (None: has none). Its other parameters
    say what is kept for it, and nothing else is: an input (``x``), only its shape (``x_shape``),
    the output ``y``, a setting, a name in ``extra`` (what forward returns beside its output), or
    ``needs`` (per input: is its gradient wanted?). A fused op may state instead of ``vjp`` a
    ``reference``: the same function written with other ops, to be differentiated in its place.

    >>> class Cube(Op):
    ...     "y = x^3;  gx = 3 g x^2."
    ...     def forward(x): return x * x * x
    ...     def vjp(g, x): return 3 * g * x * x
    >>> cube = Cube()
    """

    result: ClassVar[type[Value]]  # the class of outputs; tensor.py sets it: the package's one knot
    name: ClassVar[str]
    many: ClassVar[bool] = False  # forward returns a tuple of outputs
    extra: ClassVar[tuple[str, ...]] = ()
    __signature__: ClassVar[inspect.Signature]
    forward: ClassVar[Callable]
    vjp: ClassVar[Callable | None] = None
    reference: ClassVar[Callable | None] = None
    inputs: ClassVar[tuple[str, ...]]
    differentiable: ClassVar[bool]  # has a rule or a reference; else its output is a constant
    variadic: ClassVar[bool]  # forward(*xs, ...)
    settings: ClassVar[dict[str, Any]]
    rule: ClassVar[list[tuple[str, Any]]] = []  # what vjp asks for after g: (kind, which)

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__
        for function in {"forward", "vjp", "reference"} & vars(cls).keys():
            setattr(cls, function, staticmethod(vars(cls)[function]))
        cls.__signature__ = inspect.signature(cls.forward)  # for help()
        parameters = cls.__signature__.parameters.values()
        cls.settings = {
            p.name: p.default
            for p in parameters
            if p.default is not p.empty or p.kind == p.KEYWORD_ONLY
        }
        cls.inputs = tuple(p.name for p in parameters if p.name not in cls.settings)
        cls.variadic = any(p.kind == p.VAR_POSITIONAL for p in parameters)
        cls.differentiable = cls.vjp is not None or cls.reference is not None
        cls.rule = [("input", i) for i in range(len(cls.inputs))] if cls.reference else []
        if cls.vjp is not None:
            cls.rule = [cls._source(name) for name in [*inspect.signature(cls.vjp).parameters][1:]]

    @classmethod
    def _source(cls, name: str) -> tuple[str, Any]:
        """Where the value of a vjp's parameter comes from."""
        if name in cls.inputs:
            return ("inputs", None) if cls.variadic else ("input", cls.inputs.index(name))
        if name.endswith("_shape") and name[:-6] in cls.inputs:
            return "shape", cls.inputs.index(name[:-6])
        if name in cls.extra:
            return "extra", cls.extra.index(name)
        if name in ("y", "needs"):
            return name, None
        if name in cls.settings:
            return "setting", name
        known = [*cls.inputs, *[f"{x}_shape" for x in cls.inputs], "y", "needs"]
        known += [*cls.settings, *cls.extra]
        raise TypeError(f"[{cls.name}] vjp asks for {name!r}. Expected one of {known}.")

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Run forward; record a node if a gradient may be wanted."""
        if len(args) != len(self.inputs) and not self.variadic:
            args = self._bind(args, settings)
        arrays: list[Any] = []
        parents: list[Node | None] = []
        recorded = False
        try:
            for a in args:
                if isinstance(a, Value):
                    arrays.append(a.data)
                    parents.append(a.node)
                    recorded = recorded or a.node is not None
                else:
                    alone = len(args) == 1 and isinstance(a, (int, float))
                    arrays.append(to_array(a) if alone else as_array(a))
                    parents.append(None)
        except PlaceholderMet as met:
            return met.placeholder.apply(self, args, settings)
        now = mode.get()
        if now.capture is not None:
            now.capture.begin_op()
        result = self.forward(*arrays, **settings) if settings else self.forward(*arrays)
        kept: tuple = ()
        if self.extra:
            split = len(result) - len(self.extra)
            result, kept = result[:split] if self.many else result[0], result[split:]
        if now.capture is not None:
            now.capture.end_op(self, args, settings, result if self.many else (result,))
        node = None
        if recorded and now.recording and self.differentiable:
            node = self._record(args, tuple(parents), settings, result, kept)
            node.scope = now.scope
        out = wrap(result, node) if not self.many else _wrap_outputs(result, node)
        if now.observer is not None:
            now.observer(self, args, settings, out, node)
        return out

    def _bind(self, args: tuple, settings: dict[str, Any]) -> tuple:
        """Settings given by position, inputs given by name: sort them out."""
        names = [*self.inputs, *self.settings]
        settings.update(zip(names, args, strict=False))
        if len(args) > len(names) or not set(self.inputs) <= settings.keys():
            raise TypeError(f"[{self.name}] Expected {names}, received {len(args)} arguments.")
        return tuple(settings.pop(name) for name in self.inputs)

    def _record(
        self, args: tuple, parents: tuple, settings: dict, result: Any, kept: tuple
    ) -> Node:
        """Make the node: keep what the rule names, and remember the user's line."""
        if self.many:
            node = Node([y.shape for y in result], [y.dtype for y in result], self, parents)
        else:
            node = Node(result.shape, result.dtype, self, parents)
        saved: list[Any] = []
        for kind, which in self.rule:
            if kind == "input":
                saved.append(args[which])
            elif kind == "y":
                saved.append(result)
            elif kind == "shape":
                x = args[which]
                saved.append(x.data.shape if isinstance(x, Value) else np.shape(as_array(x)))
            elif kind == "extra":
                saved.append(kept[which])
            elif kind == "setting":
                saved.append(settings.get(which, self.settings[which]))
            elif kind == "inputs":
                saved.append(args)
            else:  # "needs" is known when the rule runs
                saved.append(None)
        node.saved, node.settings = tuple(saved), settings
        node.stamp = written(node.saved)
        if None in parents:
            node.constants = tuple([_remember(x) for x in args])
        frame = sys._getframe(2)
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            frame = frame.f_back
        node._where = frame.f_code, frame.f_lasti
        return node

    def pull_back(self, node: Node, g: Any, needs: tuple[bool, ...]) -> Sequence:
        """The gradients of the inputs of ``node``, given the gradient of its output."""
        assert self.vjp is not None
        linked = node if mode.get().recording else None
        values: list[Any] = []
        for (kind, _), kept in zip(self.rule, node.saved or (), strict=True):
            if kind == "needs":
                kept = needs
            elif kind == "y":
                kept = _wrap_outputs(kept, linked) if self.many else wrap(kept, linked)
            elif kind in ("input", "extra") and isinstance(kept, np.ndarray):
                kept = wrap(kept)
            values.append(kept)
        result = self.vjp(g, *values)
        return result if isinstance(result, (tuple, list)) else (result,)


class Identity(Op):
    """y = x;  gx = g."""

    def forward(x: np.ndarray) -> np.ndarray:  # type: ignore[misc] # a static method, see Op
        return x

    def vjp(g: Any) -> Any:
        return g


def wrap(data: np.ndarray, node: Node | None = None) -> Any:
    """The array as a Tensor, without a copy."""
    out = object.__new__(Op.result)
    out.data = data
    out.node = node
    return out


def leaf(tensor: Value) -> Node:
    """The node of a Tensor whose gradient is asked for."""
    node = Node(tensor.data.shape, tensor.data.dtype)
    node.keeps_grad = True
    node.tensor = weakref.ref(tensor)
    return node


def _remember(x: Any) -> Any:
    """What a node knows of a constant input without keeping it alive: for the viewer."""
    if isinstance(x, Value):
        return None if x.node is not None else weakref.ref(x.data)
    return weakref.ref(x) if isinstance(x, np.ndarray) else x


def _wrap_outputs(results: tuple, node: Node | None) -> tuple:
    if node is None:
        return tuple([wrap(y) for y in results])
    outputs = [Output(y.shape, y.dtype, None, (node,)) for y in results]
    for i, output in enumerate(outputs):
        output.index = i
        output.scope, output._where = node.scope, node._where
    return tuple([wrap(y, output) for y, output in zip(results, outputs, strict=True)])


def as_array(x: Any) -> Any:
    """An argument of an op as its forward takes it: arrays and Python numbers as they are."""
    if x is None or isinstance(x, (np.ndarray, float, int)):
        return x
    if isinstance(x, np.generic):
        return np.asarray(x)
    if isinstance(x, Placeholder):
        raise PlaceholderMet(x)
    return to_array(x)


def to_array(x: Any, dtype: Any = None) -> np.ndarray:
    """The data of a new Tensor. Python numbers and lists of them become float32 (bools stay bool);
    what has a dtype keeps it."""
    if isinstance(x, Value):
        x = x.data
        if dtype is not None and x.dtype != dtype and np.dtype(dtype).kind in "biuf":
            return kernels.copy(x, kernels.empty(x.shape, np.dtype(dtype)))  # captured by a plan
    array = np.asarray(x, dtype=dtype)
    if (
        dtype is None
        and isinstance(x, (int, float, list, tuple, range))
        and array.dtype.kind in "iuf"
    ):
        if not _has_dtype(x):
            array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"[Tensor] Expected numbers, received dtype={array.dtype} from {x!r:.80}.")
    return array


def _has_dtype(x: Any) -> bool:
    """Does a nested list hold arrays or NumPy scalars, whose dtype is to be kept?"""
    if isinstance(x, (list, tuple)):
        return any(map(_has_dtype, x[:1]))
    return hasattr(x, "dtype")


def written(saved: tuple | None) -> int:
    """How often what was saved has been written to."""
    count = 0
    if _writes:
        for kept in saved or ():
            for x in kept if isinstance(kept, tuple) else (kept,):
                x = x.data if isinstance(x, Value) else x
                if isinstance(x, np.ndarray):
                    count += _writes.get(id(_owner(x)), 0)
    return count


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory a view looks at; itself, if it is none."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
