"""Models: layers that can be trained, summarised and saved.

``Sequential`` is a chain; ``Model(inputs, outputs)`` is any graph of layers; a subclass of
``Model`` with a method ``call`` is whatever that computes.
"""

from __future__ import annotations

import json
from typing import Any

from . import registry, tree
from .graph import Graph, fit_input, output_names
from .graph_config import graph_config, graph_from_config
from .layers.core import InputLayer
from .layers.layer import Layer, map_shapes, shape_of, unique_name
from .layers.module import unique
from .layers.operation import Operation
from .saving import Saveable, load_model, save_model
from .summary import print_summary
from .symbolic import SymbolicTensor, is_symbolic
from .training import Trainer

__all__ = [
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]


class Model(Trainer, Saveable, Layer):
    """Layers between inputs and outputs, to be trained as one.

    Args:
        inputs: what ``Input()`` gave; several in a list or dict.
        outputs: what layers, called on these, gave; several in a list or dict.
        name: a name.

    A subclass needs no inputs and outputs: it makes layers in ``__init__`` and uses them in
    ``call``.

    >>> x = tg.Input((2,))
    >>> model = tg.Model(x, tg.layers.Dense(1, kernel_initializer="ones")(x))
    >>> model.predict(np.array([[1.0, 2.0]]))
    array([[3.]], dtype=float32)
    """

    _graph: Graph | None = None

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        functional = inputs is not None or outputs is not None
        if functional and (inputs is None or outputs is None):
            raise ValueError(
                "[Model] Expected inputs and outputs, or neither; received one of them."
            )
        if name is None and functional and type(self) is Model:
            name = unique_name("functional")
        super().__init__(name=name, **kwargs)
        if functional:
            self._graph = Graph(inputs, outputs, self.name)
            self.built = True
            self._output_shape = tree.map_structure(lambda y: y.shape, outputs)
            if not self._trainable:
                self.trainable = False

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if self._graph is None:
            raise ValueError(
                f"[{self.name}] A subclass of Model defines call(inputs). Expected that, or "
                "Model(inputs, outputs)."
            )
        return self._graph.run(inputs)

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape, (None, ...)."""
        if not self.built and self._graph is None:
            given = map_shapes(lambda shape: SymbolicTensor(shape, self._dtype), input_shape)
            outputs = self._probe((given,), {})
            self._output_shape = tree.map_structure(lambda y: y.shape, outputs)

    def _build(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A subclass is built by its first call; only one that has its own build() hears of
        shapes."""
        if type(self).build is not Model.build:
            super()._build(args, kwargs)
        elif is_symbolic([args, kwargs]):
            self._probe(args, kwargs)
        if args and type(self).build is Model.build:
            free = map_shapes(lambda shape: (None, *shape[1:]), shape_of(args[0]))
            self._build_shapes = {"input_shape": free}  # for build_from_config
        self.built = True

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._graph is None:
            stated = type(self).compute_output_shape is not Model.compute_output_shape
            return (
                super().compute_output_spec(*args, **kwargs)
                if stated
                else self._probe(args, kwargs)
            )
        return self._graph.run(args[0], lambda layer, *a, **k: layer.compute_output_spec(*a, **k))

    def compute_output_shape(self, input_shape: Any) -> Any:
        given = map_shapes(lambda shape: SymbolicTensor(shape, self._dtype), input_shape)
        return tree.map_structure(lambda y: y.shape, self.compute_output_spec(given))

    # --- what it consists of ----------------------------------------------------------------------

    def _sublayers(self) -> list[Any]:
        own = super()._sublayers()
        return own if self._graph is None else unique([*self._graph.layers, *own])

    @property
    def layers(self) -> list[Any]:
        """The layers; models inside are not taken apart, functions of ops not listed."""
        return [layer for layer in self.summary_layers() if not isinstance(layer, Operation)]

    def summary_layers(self) -> list[Any]:
        """What ``summary`` lists: the layers, and the ops between them."""
        return [layer for layer in self._sublayers() if isinstance(layer, Layer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """The layer of a name or a position."""
        if (name is None) == (index is None):
            raise ValueError(
                f"[get_layer] Expected name or index, received {name!r} and {index!r}."
            )
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"[get_layer] Expected an index below {len(layers)}, received {index}."
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(registry.unknown("get_layer", name, [layer.name for layer in layers]))

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs of a functional or Sequential model."""
        return self._drawn("inputs").input_list

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs of a functional or Sequential model."""
        return self._drawn("outputs").output_list

    @property
    def input(self) -> Any:
        """The symbolic input, or their structure if there are several."""
        return self._drawn("input").inputs

    @property
    def output(self) -> Any:
        """The symbolic output, or their structure if there are several."""
        return self._drawn("output").outputs

    def _drawn(self, what: str) -> Graph:
        if self._graph is None:
            raise AttributeError(
                f"[{self.name}] Only functional models, and Sequential ones that know their "
                f"input, have {what}."
            )
        return self._graph

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: their layers' names, or the keys of a dict."""
        if self._graph is None:
            return []
        if isinstance(self._graph.outputs, dict):
            return list(self._graph.outputs)
        return output_names(self._graph.output_list)

    def __getattr__(self, name: str) -> Any:
        if name in ("input_shape", "output_shape"):  # not properties: a subclass may set them
            symbolic = (
                self._drawn(name).inputs if name == "input_shape" else self._drawn(name).outputs
            )
            return tree.map_structure(lambda x: x.shape, symbolic)
        if name in ("inputs", "outputs", "input", "output"):  # the property found no graph
            self._drawn(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers, with the shapes of their outputs and numbers of weights.

        Args:
            line_length: columns in all.
            positions: where each column ends, as parts of the line.
            print_fn: called with each line instead of ``print``.
            expand_nested: also list the layers of models inside.
            show_trainable: also say which layers are trained.
            layer_range: (first, last) names of the layers to list.
        """
        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    # --- config -----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The layers and how they are connected; for a subclass, its arguments."""
        if self._graph is None or type(self).__init__ is not Model.__init__:
            return self._subclass_config(Model)
        return {"name": self.name, "trainable": self.trainable, **graph_config(self._graph)}

    def _subclass_config(self, base: type) -> dict[str, Any]:
        """What a subclass was made with; a get_config of its own adds its arguments itself."""
        config = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        own = type(self).get_config is not base.get_config  # type: ignore[attr-defined] # a Layer
        return config if own else {**config, **self._settings(type(self))}

    def to_json(self, **settings: Any) -> str:
        """The config as JSON, for :func:`model_from_json`; settings go to ``json.dumps``."""
        return json.dumps(registry.serialize_keras_object(self), **settings)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model of a config."""
        if "output_layers" not in config:
            return super().from_config(config)
        inputs, outputs = graph_from_config(config, custom_objects)
        model = cls(inputs, outputs, name=config.get("name"))
        if not config.get("trainable", True):  # True would set free what is frozen inside
            model.trainable = False
        return model


class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: a list of them; the first may be ``Input(shape)``. Without that, the weights are
            made when the first data come.
        trainable: whether training changes the weights.
        name: a name.

    >>> model = tg.Sequential([tg.Input((4,)), tg.layers.Dense(3, activation="relu")])
    >>> model.add(tg.layers.Dense(1))
    >>> model.output_shape, model.count_params()
    ((None, 1), 19)
    """

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        Layer.__init__(self, trainable=trainable, name=name)
        self._layers: list[Any] = []
        for layer in layers or []:
            self.add(layer)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer at the end."""
        if isinstance(layer, SymbolicTensor) and layer.call is not None:
            layer = layer.call.layer
        if not isinstance(layer, Layer):
            raise TypeError(f"[{self.name}] Expected a layer, received {layer!r}.")
        if any([layer.name == other.name for other in self._layers]):
            raise ValueError(
                f"[{self.name}] Expected unique names of layers, received a second {layer.name!r}."
            )
        if isinstance(layer, InputLayer) and self._layers:
            raise ValueError(
                f"[{self.name}] Expected Input() first, received it after other layers."
            )
        if not self._layers and not isinstance(layer, InputLayer):
            shape = _input_shape_of(layer)
            if shape is not None:
                self._layers.append(InputLayer(batch_shape=shape))
        self._layers.append(layer)
        if isinstance(self._layers[0], InputLayer):
            try:
                self._draw()
            except Exception:
                self._layers.pop()
                raise
        elif self.built:
            self.built, self._graph = False, None
        if not self._trainable:
            layer.trainable = False

    def pop(self, rebuild: bool = True) -> Any:
        """Take the last layer away, and return it."""
        if not self._layers:
            raise IndexError(f"[{self.name}] Expected a layer to take away, there is none.")
        layer = self._layers.pop()
        layer._calls = []
        self.built, self._graph = False, None
        if self._layers and isinstance(self._layers[0], InputLayer):
            self._draw()
        return layer

    def _draw(self) -> None:
        """Call the layers on the symbolic input."""
        first, *rest = self._layers
        x = first.output
        done = [] if self._graph is None else [call.layer for call in self._graph.calls]
        if done and done == rest[: len(done)] and self._graph is not None:
            x, rest = self._graph.outputs, rest[len(done) :]
        for layer in rest:
            x = layer(x)
            if not isinstance(x, SymbolicTensor):
                raise ValueError(
                    f"[{self.name}] Every layer of a chain gives one tensor. Expected that of "
                    f"{layer.name!r} too, received {x!r}. Use Model(inputs, outputs) instead."
                )
        if len(self._layers) > 1:
            self._graph = Graph(first.output, x, self.name)
            self._output_shape = x.shape
            self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for inputs of this shape, (None, ...)."""
        if self.built:
            return
        if not self._layers:
            raise ValueError(
                f"[{self.name}] The model has no layers. Expected add() before it is used."
            )
        if input_shape is None:
            raise ValueError(f"[{self.name}] Expected an input_shape: no Input() came first.")
        shape = tuple(input_shape)
        if any([not (n is None or isinstance(n, int)) for n in shape]):
            raise ValueError(
                f"[{self.name}] Expected one shape, received input_shape={input_shape!r}."
            )
        self._start = InputLayer(batch_shape=(None, *shape[1:]), dtype=self._first_dtype)
        x = self._start.output
        for layer in self._layers:
            x = layer(x)
        self._graph = Graph(self._start.output, x, self.name, strict=False)
        self._output_shape = x.shape

    _first_dtype: Any = None

    def _build(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        kind = args[0].dtype if hasattr(args[0], "dtype") else None
        self._first_dtype = kind
        super()._build(args, kwargs)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if isinstance(inputs, (dict, list, tuple)) and self._graph is not None:
            (inputs,) = self._graph.arrange(inputs)
        elif self._graph is not None:
            to, strict = self._graph.input_list[0], self._graph.strict
            inputs = fit_input(inputs, to, self.name, strict)
        for layer in self._layers:
            inputs = layer(inputs)
        return inputs

    def _sublayers(self) -> list[Any]:
        return unique([*self._layers, *super(Model, self)._sublayers()])

    def summary_layers(self) -> list[Any]:
        return self.layers

    @property
    def layers(self) -> list[Any]:
        """The layers, without the one that is only the input."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    def get_config(self) -> dict[str, Any]:
        """The layers' names and settings, in order."""
        if type(self) is not Sequential:
            return self._subclass_config(Sequential)
        layers = [registry.serialize_keras_object(layer) for layer in self._layers]
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "layers": layers}
        if self._build_shapes and not isinstance(self._layers[0], InputLayer):
            config["build_input_shape"] = self._build_shapes["input_shape"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model of a config."""
        if "layers" not in config:
            return super().from_config(config, custom_objects)
        layers = [
            registry.deserialize_keras_object(entry, custom_objects) for entry in config["layers"]
        ]
        model = cls(layers, name=config.get("name"))
        if not config.get("trainable", True):  # True would set free what is frozen inside
            model.trainable = False
        if not model.built and config.get("build_input_shape"):
            model.build(tuple(config["build_input_shape"]))
        return model


def _input_shape_of(layer: Any) -> tuple[Any, ...] | None:
    """The shape that a first layer's argument input_shape or input_dim, or a model's own input,
    tells."""
    if layer._input_shape_given is not None:
        return (None, *layer._input_shape_given)
    graph = getattr(layer, "_graph", None)
    return graph.input_list[0].shape if graph is not None and len(graph.input_list) == 1 else None


registry.publish("models", Model, Sequential, Functional=Model)
registry.publish("layers", Model, Sequential, Functional=Model)


def clone_model(model: Any, input_tensors: Any = None, clone_function: Any = None) -> Any:
    """Another model with the same layers, and weights of its own (as new).

    Args:
        model: functional or Sequential, or of a class with ``get_config()``.
        input_tensors, clone_function: not supported.
    """
    if input_tensors is not None or clone_function is not None:
        raise ValueError("[clone_model] Expected input_tensors and clone_function to be None.")
    with registry.own_names():
        return type(model).from_config(model.get_config())


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """The model, with fresh weights, that ``to_json`` described.

    >>> model = tg.Sequential([tg.Input((4,)), tg.layers.Dense(3)])
    >>> tg.models.model_from_json(model.to_json()).output_shape
    (None, 3)
    """
    return registry.deserialize_keras_object(json.loads(json_string), custom_objects, "models")
