"""Module: an object whose attributes may be variables and other modules.

Nothing is registered: variables and sublayers are found by looking at the attributes, in the order
in which they were set, also inside lists, tuples and dicts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, ClassVar, TypeVar

import numpy as np

from tinygrad_cn import constraints, initializers, regularizers
from tinygrad_cn.mode import mode
from tinygrad_cn.op import Value
from tinygrad_cn.settings import Settings
from tinygrad_cn.tensor import Variable

NOT_LOOKED_INTO = frozenset(
    "_arguments _calls _losses _lossy _frozen _graph _compiled _plans _memo history".split()
)
T = TypeVar("T")

# How many elements the weights made from now on may have: set while a file is being loaded, whose
# config might ask for more than the file holds.
size_limit: ContextVar[int | None] = ContextVar("elements left", default=None)


def standard_dtype(dtype: Any) -> np.dtype:
    """The dtype of an argument ``dtype`` of layers: float32 unless told otherwise."""
    if isinstance(dtype, dict):
        dtype = dtype["config"]["name"]
    name = str(getattr(dtype, "name", dtype)) if dtype is not None else "float32"
    if name not in ("float32", "float64", "int32", "int64", "uint8", "bool"):
        raise ValueError(
            f"[dtype] Layers compute in float32 or float64. Expected one of these, received "
            f"{dtype!r}."
        )
    return np.dtype(name)


def within(value: Any, kind: type[T]) -> Iterator[T]:
    """The objects of a kind among the attributes of a module, or the items of a container."""
    if isinstance(value, Module):
        attributes = vars(value)
        items: Any = [v for k, v in attributes.items() if k not in NOT_LOOKED_INTO]
    else:
        items = value.values() if isinstance(value, dict) else value
    for item in items:
        if isinstance(item, kind):
            yield item
        elif type(item) in (list, tuple, dict):
            yield from within(item, kind)


def unique(things: Any) -> list[Any]:
    """The same things, each once; what matters is which object it is."""
    return list({id(thing): thing for thing in things}.values())


class Module(Settings):
    """What has weights; the base of :class:`Layer`."""

    freezes: ClassVar[int] = 0  # how often layers of moving averages alone were frozen, or set free
    name: str
    built = False
    _trainable = True
    _dtype: np.dtype
    _frozen: list[Variable]  # variables that ``trainable = True`` sets free again

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Make a Variable that belongs to the layer.

        Args:
            shape: its shape; () is a scalar.
            initializer: a name, an object or a function of (shape, dtype); Glorot uniform if None
                (zeros for integers).
            dtype: that of the layer if None.
            trainable: whether optimizers change it.
            regularizer: a function of the variable, added to the loss.
            constraint: a function of the variable, whose value it takes after each update.
            name: a name within the layer.
        """
        if isinstance(shape, str):
            raise TypeError(
                f"[{self.name}] Expected the shape first, received {shape!r}; use name=."
            )
        if overwrite_with_gradient or not autocast or aggregation not in ("none", "mean", "sum"):
            raise ValueError(f"[{self.name}] add_weight: this argument is not supported.")
        kind = standard_dtype(dtype) if dtype is not None else self._dtype
        usual = "glorot_uniform" if kind.kind == "f" else "zeros"
        make = initializers.get(usual if initializer is None else initializer)
        left = size_limit.get()
        if left is not None:
            left -= math.prod(() if shape is None else shape)
            if left < 0:
                raise ValueError(f"[{self.name}] The config asks for more weights than there are.")
            size_limit.set(left)
        value = make(() if shape is None else tuple(shape), dtype=kind)
        value = np.array(value.data if isinstance(value, Value) else value, dtype=kind)
        added = vars(self).setdefault("_added", [])
        name = name or (f"variable_{len(added)}" if added else "variable")
        variable = Variable(value, trainable=trainable and kind.kind == "f", name=name)
        variable.path = f"{self._scope()}/{name}"
        added.append(variable)
        if not self._trainable and variable.trainable:
            self._freeze(variable)
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        return variable

    def _scope(self) -> str:
        scope = mode.get().scope
        if scope == self.name or scope.endswith(f"/{self.name}"):
            return scope
        return f"{scope}/{self.name}" if scope else self.name

    def _freeze(self, variable: Variable) -> None:
        variable.trainable = False
        self._frozen.append(variable)

    def _own_variables(self) -> list[Variable]:
        """The variables among the attributes; those that never train come last."""
        own = unique(within(self, Variable))
        frozen = {id(v) for v in self._frozen}
        return sorted(own, key=lambda v: not (v.trainable or id(v) in frozen))

    def _sublayers(self) -> list[Any]:
        """The modules among the attributes."""
        return unique(within(self, Module))

    def _flatten_layers(self) -> list[Any]:
        """This layer and all inside it, depth first."""
        found: dict[int, Any] = {}
        waiting: list[Any] = [self]  # a stack: a function that calls itself would be a cycle
        while waiting:
            layer = waiting.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                waiting += reversed(layer._sublayers())
        return list(found.values())

    @property
    def weights(self) -> list[Variable]:
        """All variables: the trainable ones of the layer, its others, those of its sublayers."""
        below = [v for layer in self._sublayers() for v in layer.weights]
        return unique(self._own_variables() + below)

    @property
    def variables(self) -> list[Variable]:
        """The same as ``weights``."""
        return self.weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes."""
        return [v for v in self.weights if v.trainable] if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that training leaves alone (moving averages; all of a frozen layer)."""
        return [v for v in self.weights if not (self._trainable and v.trainable)]

    @property
    def trainable_variables(self) -> list[Variable]:
        """The same as ``trainable_weights``."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The same as ``non_trainable_weights``."""
        return self.non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it reaches all sublayers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        own = unique(within(self, Variable))
        if value != self._trainable and own and not self._frozen:
            if not any([v.trainable for v in own]):  # moving averages alone: no list of trainable
                Module.freezes += 1  # variables tells that the layer works in another way now
        self._trainable = value
        if value:
            for variable in self._frozen:
                variable.trainable = True
            self._frozen = []
        else:
            for variable in own:
                if variable.trainable:
                    self._freeze(variable)
        for layer in self._sublayers():
            layer.trainable = value

    def get_weights(self) -> list[np.ndarray]:
        """The values of ``weights``, as arrays (copies)."""
        return [np.array(v.data) for v in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Set the values of ``weights``; nothing changes unless all fit."""
        mine, given = self.weights, [np.asarray(w) for w in weights]
        if len(mine) != len(given):
            listed = ", ".join([f"{v.path} {v.shape}" for v in mine[:6]])
            raise ValueError(
                f"[{self.name}] The number of arrays differs. Expected {len(mine)} "
                f"({listed}{', ...' if len(mine) > 6 else ''}), received {len(given)}."
            )
        for v, w in zip(mine, given, strict=True):
            if v.shape != w.shape:
                raise ValueError(
                    f"[{self.name}] The weight {v.path} does not fit. Expected shape {v.shape}, "
                    f"received {w.shape}."
                )
        for v, w in zip(mine, given, strict=True):
            v.assign(w)

    def count_params(self) -> int:
        """The number of elements of all weights."""
        if not self.built:
            raise ValueError(
                f"[{self.name}] The layer has no weights yet. Expected a call or build() before "
                "count_params()."
            )
        return sum([v.size for v in self.weights])


def refuse(who: str, **arguments: Any) -> None:
    """Raise ValueError for arguments that Keras has and this package has not, unless None."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"[{who}] {name} is not supported. Expected None, received {value!r}.")
