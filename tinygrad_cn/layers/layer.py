"""Layer: a function with weights.

A subclass says three things: ``__init__`` its settings, ``build(input_shape)`` its weights,
``call(inputs)`` its maths. All else is here: weights are made when the first input shows their
shapes, inputs are converted, masks and the ``training`` flag are passed on, and the arguments of
``__init__`` are the config that makes the same layer again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ClassVar

import numpy as np

from tinygrad_cn import ops, registry, regularizers, tree
from tinygrad_cn.mode import Mode, mode, set_mode
from tinygrad_cn.op import Value, wrap
from tinygrad_cn.symbolic import PROBES, Call, SymbolicTensor, common, fill, is_symbolic
from tinygrad_cn.tensor import Tensor

from .input_spec import check
from .module import Module, standard_dtype

_names_given: dict[str, int] = {}
_adding: ContextVar[list[Any]] = ContextVar("layers that called add_loss in the outermost call")
_UNSET = {"zero_output_for_mask": False}  # in Keras's configs: an argument that has no effect
_BASE = ("activity_regularizer", "trainable", "dtype", "autocast", "name")


class Masked(Tensor):
    """A Tensor that comes with a mask: a boolean ``mask`` tells which entries count."""

    __slots__ = ("mask",)
    mask: Any


def with_mask(x: Any, mask: Any) -> Any:
    """The tensor, carrying the mask; carrying none if that is None."""
    if mask is None and type(x) is not Masked:
        return x
    out = object.__new__(Tensor if mask is None else Masked)
    out.data, out.node = x.data, x.node
    if isinstance(out, Masked):
        out.mask = mask
    return out


def get_mask(x: Any) -> Any:
    """The mask that a tensor carries; for a list of tensors a list; None where there is none."""
    if isinstance(x, (list, tuple)):
        masks = [get_mask(item) for item in x]
        return masks if any([m is not None for m in masks]) else None
    return x.mask if type(x) is Masked else None


def unique_name(prefix: str) -> str:
    """``prefix``, or ``prefix_1``, ``prefix_2``, ... if it has been given out before."""
    n = _names_given.get(prefix, 0)
    _names_given[prefix] = n + 1
    return f"{prefix}_{n}" if n else prefix


def forget_names() -> None:
    """Start counting names again (``utils.clear_session``)."""
    _names_given.clear()


class Layer(Module):
    """The base of all layers.

    Args:
        activity_regularizer: a regularizer of the output, whose value is added to the loss.
        trainable: whether training changes the weights.
        dtype: "float32" or "float64": of the weights and, unless ``autocast`` is False, of floating
            inputs.
        autocast: convert floating inputs to ``dtype``.
        name: unique within a model; made from the class name if None.

    >>> class Scale(tg.layers.Layer):
    ...     "y = w x."
    ...     def build(self, input_shape): self.w = self.add_weight((), "ones")
    ...     def call(self, x): return self.w * x
    >>> Scale()(tg.tensor([1.0, 2.0]))
    Tensor([1., 2.], from=Multiply)
    """

    supports_masking = False
    input_spec: Any = None
    float_inputs: ClassVar[bool] = False  # integer inputs become floats too
    __signature__: ClassVar[inspect.Signature]
    _not_in_config: ClassVar[frozenset[str]] = frozenset()  # arguments that get_config leaves out
    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    _call_names: ClassVar[tuple[str, ...]] = ("inputs",)
    _build_names: ClassVar[tuple[str, ...]] = ("input_shape",)
    _takes: ClassVar[frozenset[str]] = frozenset()  # of call's arguments: training and masks
    _training_at: ClassVar[int | None] = None  # its place among the arguments of call
    _training_default: ClassVar[Any] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = super().__new__(cls)
        layer._arguments = (args, kwargs)
        return layer

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        input_dim, input_shape = kwargs.pop("input_dim", None), kwargs.pop("input_shape", None)
        if kwargs:
            known = {*inspect.signature(type(self)).parameters, *_BASE} - {"kwargs", "args"}
            raise ValueError(registry.unknown(f"{kind} argument", next(iter(kwargs)), known))
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"[{kind}] Expected a name without '/', received name={name!r}.")
        self.name = name or unique_name(registry.snake_case(kind))
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.autocast = bool(autocast)
        self._dtype = standard_dtype(dtype)
        self._trainable = bool(trainable)
        self._calls: list[Call] = []
        self._losses: list[Any] = []
        self._lossy: list[Layer] = []  # who called add_loss in the last call of this layer
        self._frozen = []
        self._checked: Any = None  # the last input shape that was found good
        self._build_shapes: dict[str, Any] | None = None
        self._output_shape: Any = None
        shape = input_shape if input_dim is None else (input_dim,)
        self._input_shape_given = None if shape is None else tuple(shape)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls):  # for help() and get_config: __new__ hides it
            cls.__signature__ = _signature(cls)
        if "call" in vars(cls):
            parameters = dict(inspect.signature(cls.call).parameters)
            names = [n for n, p in parameters.items() if p.kind != p.VAR_KEYWORD][1:]
            cls._call_names = tuple(names)
            cls._takes = frozenset([n for n in names if n == "training" or n.endswith("mask")])
            cls._training_at = names.index("training") if "training" in names else None
            cls._training_default = getattr(parameters.get("training"), "default", None)
        if "build" in vars(cls):
            cls._build_names = tuple([*inspect.signature(cls.build).parameters][1:])
            cls.build = _noting(cls.build)  # type: ignore[method-assign] # the same, remembered

    # --- to be stated by subclasses ---------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights, given the shape of the input."""
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The maths: the output for the inputs."""
        raise ValueError(f"[{self.name}] The class {type(self).__name__} has no method call().")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the output; here that of the input."""
        return previous_mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output; here found by running ``call`` on zeros."""
        given = map_shapes(lambda shape: SymbolicTensor(shape, self._dtype), input_shape)
        with set_mode(scope=self._scope()):
            if not self.built:
                self._build((given,), {})
            return tree.map_structure(lambda y: y.shape, self._probe((given,), {}))

    # --- calling ----------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``call``, with all that belongs to it: weights made, inputs converted, masks passed
        on."""
        if "_dtype" not in self.__dict__:
            raise RuntimeError(
                f"[{type(self).__name__}] Expected super().__init__() at the start of __init__."
            )
        if not args and self._call_names and self._call_names[0] in kwargs:
            args = (kwargs.pop(self._call_names[0]),)
        args = tuple([self._convert(x) for x in args])
        if kwargs:
            kwargs = {k: v if k == "training" else self._convert(v) for k, v in kwargs.items()}
        if is_symbolic(args) or (kwargs and is_symbolic(kwargs)):
            return self._call_symbolic(args, kwargs)
        now = mode.get()
        scope = f"{now.scope}/{self.name}" if now.scope else self.name
        training = kwargs.pop("training", None)
        at = self._training_at
        if at is not None and at < len(args):  # given by position
            training, at = args[at], None
        training = now.training if training is None else training
        if at is not None:
            wanted = self._training_default if training is None else training
            kwargs["training"] = bool(wanted)
        mask = get_mask(args[0]) if args else None
        if self._takes:
            self._fill_masks(args, kwargs, mask)
        if not now.scope:
            self._forget_losses()
        token = mode.set(Mode(now.recording, now.observer, scope, training, *now[4:]))
        try:
            if self.input_spec is not None and args:
                self._check(args[0])
            if not self.built:
                self._build(args, kwargs)
            y = self.call(*args, **kwargs)
            if self.activity_regularizer is not None:
                for output in tree.flatten(y):  # the mean over the batch, as in Keras
                    self.add_loss(self.activity_regularizer(output) / max(output.shape[0], 1))
            if self.supports_masking and (mask is not None or self._makes_masks()):
                y = _attach(y, self.compute_mask(args[0], mask))
        except Exception as error:
            _add_note(error, scope, args)
            raise
        finally:
            mode.reset(token)
        if self._output_shape is None:
            self._output_shape = tree.map_structure(_shape_without_batch, y)
        return y

    def _convert(self, x: Any) -> Any:
        """An argument as a Tensor of the layer's dtype if it is an array, else as it is."""
        if isinstance(x, Value):
            dtype = x.data.dtype
            if dtype is self._dtype or not self.autocast or dtype == self._dtype:
                return x
            if dtype.kind == "f" or (self.float_inputs and dtype.kind in "biu"):
                return with_mask(ops.astype(x, dtype=self._dtype), get_mask(x))
            return x
        if x is None or isinstance(x, (int, float, str, SymbolicTensor)):
            return x
        if isinstance(x, (list, tuple)) and x and _all_numbers(x):
            return self._convert(Tensor(x))
        if isinstance(x, (list, tuple, dict)):
            return tree.map_structure(self._convert, x)
        if hasattr(x, "__array__"):
            return self._convert(Tensor(np.asarray(x)))
        return x

    def _check(self, inputs: Any) -> None:
        """Compare the inputs with ``input_spec``, once for each new shape."""
        shape = inputs.data.shape if isinstance(inputs, Value) else None
        if shape is None or shape != self._checked:
            check(self.input_spec, inputs, self.name)
            self._checked = shape

    def _makes_masks(self) -> bool:
        return type(self).compute_mask is not Layer.compute_mask

    def _fill_masks(self, args: tuple[Any, ...], kwargs: dict[str, Any], mask: Any) -> None:
        """Give ``call`` the masks that its inputs carry, where it takes them and was given none."""
        takes, names = self._takes, self._call_names
        if mask is not None and "mask" in takes and kwargs.get("mask") is None:
            if len(args) <= names.index("mask"):
                kwargs["mask"] = mask
        for name, x in [*zip(names, args, strict=False), *kwargs.items()]:
            wanted = f"{name}_mask"
            if wanted in takes and kwargs.get(wanted) is None and get_mask(x) is not None:
                kwargs[wanted] = get_mask(x)

    def _build(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Call ``build`` with the shapes of the arguments."""
        given = {**dict(zip(self._call_names, args, strict=False)), **kwargs}
        if len(self._build_names) == 1:
            self.build(shape_of(args[0] if args else next(iter(kwargs.values()))))
        else:
            names = [
                n for n in self._build_names if given.get(n.removesuffix("_shape")) is not None
            ]
            self.build(**{n: shape_of(given[n.removesuffix("_shape")]) for n in names})
        self.built = True

    # --- calling on symbolic tensors --------------------------------------------------------------

    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute shapes only; note the call for the functional model."""
        scope = self._scope()
        with set_mode(scope=scope):
            try:
                if self.input_spec is not None and args:
                    check(self.input_spec, args[0], self.name)
                if not self.built:
                    self._build(args, kwargs)
                outputs = self.compute_output_spec(*args, **kwargs)
            except Exception as error:
                _add_note(error, scope, args)
                raise
        call = Call(self, args, kwargs)
        # an output that is an input passed on would otherwise change its maker
        outputs = tree.map_structure(
            lambda y: SymbolicTensor(y.shape, y.dtype, None, call), outputs
        )
        call.outputs = outputs
        self._calls.append(call)
        self._output_shape = tree.map_structure(lambda y: y.shape, outputs)
        return outputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs, as symbolic tensors, for symbolic inputs."""
        tensors = [x for x in [*args, *kwargs.values()] if is_symbolic(x)]
        stated = type(self).compute_output_shape is not Layer.compute_output_shape
        if not stated or len(tensors) != 1:
            return self._probe(args, kwargs)
        if not all([layer.built for layer in self._flatten_layers()]):
            self._probe(args, kwargs)  # the layers inside make their weights when called
        shape = self.compute_output_shape(shape_of(tensors[0]))
        dtype = self._output_dtype(tree.flatten(tensors[0])[0].dtype)
        return map_shapes(lambda s: SymbolicTensor(s, dtype), shape)

    def _output_dtype(self, dtype: np.dtype) -> np.dtype:
        return self._dtype if self.float_inputs or dtype.kind == "f" else dtype

    def _probe(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The outputs, found by running ``call`` on zeros of two batch sizes."""
        outputs = []
        for probe in PROBES:

            def zeros(x: Any, probe: Any = probe) -> Any:
                symbolic = isinstance(x, SymbolicTensor)
                return wrap(np.zeros(fill(x.shape, probe), x.dtype)) if symbolic else x

            with set_mode(recording=False, training=False, probing=True):
                given = [tree.map_structure(zeros, x) for x in args]
                outputs.append(
                    self(*given, **{k: tree.map_structure(zeros, v) for k, v in kwargs.items()})
                )
        leaves = zip(*[tree.flatten(y) for y in outputs], strict=True)
        specs = [SymbolicTensor(common(a.shape, b.shape), a.dtype) for a, b in leaves]
        return tree.pack_like(outputs[0], specs)

    # --- losses -----------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add a scalar, or a list of them, to the loss; valid until the next outermost call."""
        if mode.get().probing:  # of zeros, and not of a batch
            return
        lossy = _adding.get([])
        if not any([layer is self for layer in lossy]):
            self._losses = []
            lossy.append(self)
        self._losses.extend(tree.flatten(loss))

    def _forget_losses(self) -> None:
        """Start an outermost call."""
        if self._lossy:
            for layer in self._lossy:
                layer._losses = []
            self._lossy = []
        _adding.set(self._lossy)

    @property
    def losses(self) -> list[Any]:
        """What the last call added, and the regularizers of the trainable weights."""
        added = [term for layer in self._flatten_layers() for term in layer._losses]
        weights = [v for v in self.trainable_weights if v.regularizer is not None]
        return added + [v.regularizer(v) for v in weights]

    # --- what it is -------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """The name of the dtype of the weights."""
        return str(self._dtype)

    @property
    def compute_dtype(self) -> str:
        """The same as ``dtype``."""
        return str(self._dtype)

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's only call in a functional or Sequential model."""
        given = [x for x in self._only_call().args if is_symbolic(x)]
        return given[0] if len(given) == 1 else given

    @property
    def output(self) -> Any:
        """The symbolic output of the layer's only call in a functional or Sequential model."""
        return self._only_call().outputs

    def _only_call(self) -> Call:
        if len(self._calls) != 1:
            raise AttributeError(
                f"[{self.name}] Expected one call on symbolic tensors, found {len(self._calls)}."
            )
        return self._calls[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # --- config -----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The settings, from which ``from_config`` makes the same layer (with fresh weights)."""
        config = {"name": self.name, "trainable": self._trainable, "dtype": self.dtype}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = _setting(self.activity_regularizer)
        # a subclass with a get_config of its own adds its own arguments to those of its base
        kinds = type(self).__mro__
        overriding = [i for i, kind in enumerate(kinds) if "get_config" in vars(kind)][:-1]
        owner = kinds[overriding[-1] + 1] if overriding else kinds[0]
        return {**config, **self._settings(owner)}

    def _settings(self, owner: Any) -> dict[str, Any]:
        """The arguments of ``owner.__init__``: in layers of this package the attributes of the same
        names, in others what was given."""
        if owner is Layer:
            return {}
        parameters = dict(inspect.signature(owner).parameters)
        same = type(self).__signature__ is owner.__signature__  # no __init__ between them
        args, kwargs = self._arguments if same else ((), {})
        given = {**dict(zip(parameters, args, strict=False)), **kwargs}
        if owner.__module__.startswith(__package__.split(".")[0] + "."):
            given.update({n: getattr(self, n) for n in parameters if hasattr(self, n)})
        settings = {}
        for name, parameter in parameters.items():
            value = given.get(name, parameter.default)
            variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            told = variadic or name in _BASE or name in self._not_in_config
            if not told and value is not parameter.empty:
                settings[name] = _setting(value)
        return settings

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of a config."""
        parameters = inspect.signature(cls).parameters.values()
        settings = {
            k: registry.deserialize_keras_object(v)
            for k, v in config.items()
            if not (k in _UNSET and v == _UNSET[k])
        }
        late: dict[str, Any] = {}
        if not any([p.kind == p.VAR_KEYWORD for p in parameters]):
            own = {p.name for p in parameters}
            late = {
                k: settings.pop(k)
                for k in ("name", "trainable", "dtype")
                if k in settings and k not in own
            }
        layer = cls(**settings)
        layer.name = late.get("name", layer.name)
        if not late.get("trainable", True):  # True would set free what is frozen inside
            layer.trainable = False
        return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that ``build`` was given, for ``build_from_config``."""
        return self._build_shapes

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Make the weights for the shapes of ``get_build_config``."""
        if config and not self.built:
            self.build(**{name: map_shapes(tuple, shape) for name, shape in config.items()})
            self.built = True


def _signature(cls: Any) -> inspect.Signature:
    """The arguments of ``__init__`` without self."""
    own = inspect.signature(vars(cls)["__init__"])
    return own.replace(parameters=[*own.parameters.values()][1:])


Layer.__signature__ = _signature(Layer)


def shape_of(structure: Any) -> Any:
    """The shapes of the tensors in a structure."""
    return tree.map_structure(lambda x: tuple(x.shape) if hasattr(x, "shape") else None, structure)


def map_shapes(function: Callable[..., Any], shapes: Any) -> Any:
    """``function(shape)`` in place of each shape (a tuple or list of numbers and None)."""
    if shapes is None:
        return None
    if isinstance(shapes, dict):
        return {name: map_shapes(function, shape) for name, shape in shapes.items()}
    if all([n is None or isinstance(n, (int, np.integer)) for n in shapes]):
        return function(shapes)
    made = [map_shapes(function, shape) for shape in shapes]
    return tuple(made) if isinstance(shapes, tuple) else made


def _shape_without_batch(y: Any) -> Any:
    shape = getattr(y, "shape", None)
    return (None, *shape[1:]) if shape else shape


def _all_numbers(x: Any) -> bool:
    """Is it a nested list of numbers?"""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, (int, float))


def _attach(y: Any, mask: Any) -> Any:
    if isinstance(y, (list, tuple)):
        masks = mask if isinstance(mask, (list, tuple)) else [mask] + [None] * (len(y) - 1)
        return type(y)([with_mask(*pair) for pair in zip(y, masks, strict=True)])
    return with_mask(y, mask) if isinstance(y, Value) else y


def _noting(build: Callable[..., Any]) -> Callable[..., Any]:
    """``build`` that remembers its shapes, names its variables, and sets ``built``."""

    @wraps(build)
    def wrapper(self: Layer, *shapes: Any, **named: Any) -> Any:
        if self._build_shapes is None:
            given = {**dict(zip(self._build_names, shapes, strict=False)), **named}
            free = map_shapes(lambda shape: (None, *shape[1:]) if len(shape) else (), given)
            self._build_shapes = free
        with set_mode(scope=self._scope(), probing=False):  # weights are made, also in a probe
            build(self, *shapes, **named)
        self.built = True

    return wrapper


def _add_note(error: Exception, scope: str, args: tuple[Any, ...]) -> None:
    """Say in which layer it happened (the innermost one)."""
    if getattr(error, "told_layer", False):
        return
    note = f"In layer {scope}, called with shapes {shape_of(list(args))}."
    if hasattr(error, "add_note"):
        error.add_note(note)
    elif len(error.args) == 1 and isinstance(error.args[0], str):  # Python 3.10
        error.args = (f"{error.args[0]} {note}",)
    error.told_layer = True  # type: ignore[attr-defined] # our own mark on a foreign exception


def _setting(value: Any) -> Any:
    """The value of an argument as it stands in a config."""
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return tuple([_setting(item) for item in value])
    name = getattr(value, "__name__", None)
    if callable(value) and name and not isinstance(value, type):
        try:
            if registry.lookup("activations", name) is value:
                return name
        except ValueError:
            return registry.serialize_keras_object(value)
    return registry.serialize_keras_object(value)
