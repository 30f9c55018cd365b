"""The plainest layers: input, dense, activation, embedding, masking, any function."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from tinygrad_cn import activations, constraints, initializers, ops, regularizers, tree
from tinygrad_cn.symbolic import Call, SymbolicTensor

from .input_spec import InputSpec
from .layer import Layer, map_shapes
from .module import refuse, standard_dtype

# activations that the kernels of dense and convolutional layers compute on their way out
_IN_KERNEL = {activations.relu: "relu", activations.tanh: "tanh", activations.sigmoid: "sigmoid"}


NOT_HERE = ("lora_rank", "lora_alpha", "quantization_config")  # Keras's arguments that are refused


def in_kernel(activation: Any) -> str | None:
    """The name of an activation that matrix product and convolution apply themselves."""
    return _IN_KERNEL.get(activation)


def finish(y: Any, activation: Any) -> Any:
    """y with an activation that the kernel has not applied."""
    done = activation is activations.linear or activation in _IN_KERNEL
    return y if done else activation(y)


def positive(layer: str, name: str, value: Any) -> int:
    """An argument that must be an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"[{layer}] Expected {name} to be an integer >= 1, received {value!r}.")
    return int(value)


class InputLayer(Layer):
    """Where data enters a model: gives back what comes in.

    Args:
        shape: the shape of one sample, None where free.
        batch_size: the number of samples, if it is fixed.
        dtype: "float32" if None.
        batch_shape: shape with the batch axis, in place of the two.
        name: a name.

    Input shape: (N, *shape).
    Output shape: the same.

    >>> tg.layers.InputLayer((3,)).output.shape
    (None, 3)
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: Any = None,
        ragged: Any = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, autocast=False)
        refuse(self.name, sparse=sparse or None, ragged=ragged or None, input_tensor=input_tensor)
        refuse(self.name, optional=optional or None)
        if (shape is None) == (batch_shape is None):
            raise ValueError(
                f"[{self.name}] Expected one of shape and batch_shape, received shape={shape!r}, "
                f"batch_shape={batch_shape!r}."
            )
        if batch_shape is None:
            axes = shape if isinstance(shape, (tuple, list)) else (shape,)
            batch_shape = (batch_size, *axes)
        for n in batch_shape:
            if n is not None and (not isinstance(n, (int, np.integer)) or n < 0):
                raise ValueError(
                    f"[{self.name}] Expected a shape of integers and None, received "
                    f"{batch_shape!r}."
                )
        self.batch_shape = tuple(batch_shape)
        self._dtype = standard_dtype(dtype)
        self.built = True
        call = Call(self, (), {})
        call.outputs = SymbolicTensor(self.batch_shape, self._dtype, self.name, call)
        self._calls.append(call)
        self._output_shape = self.batch_shape

    def call(self, inputs):
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {"batch_shape": self.batch_shape, "dtype": self.dtype, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        known = {k: config[k] for k in ("batch_shape", "dtype", "name") if k in config}
        return cls(**known)


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: Any = None,
    ragged: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> SymbolicTensor:
    """The start of a functional model: a symbolic tensor that data will take the place of.

    >>> x = tg.Input((4,))
    >>> y = tg.layers.Dense(2)(x)
    >>> tg.Model(x, y).output_shape
    (None, 2)
    """
    layer = InputLayer(
        shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name
    )
    return layer.output


class Dense(Layer):
    """Every output is connected with every input:  y = activation(x W + b).

    Args:
        units: how many outputs.
        activation: a name or a function; None is the identity.
        use_bias: whether there is a b.
        kernel_initializer, bias_initializer: how W and b begin.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on W, b and y.
        kernel_constraint, bias_constraint: what W and b are brought to after each update.

    Input shape: (..., D).
    Output shape: (..., units).

    >>> layer = tg.layers.Dense(2, kernel_initializer="ones", activation="relu")
    >>> layer(tg.tensor([[1.0, 2.0], [-1.0, 0.0]])).numpy()
    array([[3., 3.],
           [0., 0.]], dtype=float32)
    """

    float_inputs = True
    supports_masking = True
    _not_in_config = frozenset(NOT_HERE)

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        refuse(self.name, lora_rank=lora_rank, lora_alpha=lora_alpha)
        refuse(self.name, quantization_config=quantization_config)
        self.units = positive(self.name, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape):
        n = last_axis(self.name, input_shape)
        self.kernel = self.add_weight(
            (n, self.units), self.kernel_initializer, regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint, name="kernel",
        )  # fmt: skip
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,), self.bias_initializer, regularizer=self.bias_regularizer,
                constraint=self.bias_constraint, name="bias",
            )  # fmt: skip
        self.input_spec = InputSpec(min_ndim=2, axes={-1: n})

    def call(self, inputs):
        y = ops.linear(inputs, self.kernel, self.bias, in_kernel(self.activation))
        return finish(y, self.activation)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)


def last_axis(layer: str, shape: Any) -> int:
    """The length of the last axis, which must be known."""
    if not shape or shape[-1] is None:
        raise ValueError(
            f"[{layer}] The length of the last axis decides the shape of the weights. Expected it "
            f"to be known, received an input of shape {shape}."
        )
    return int(shape[-1])


class Activation(Layer):
    """y = activation(x).

    Args:
        activation: a name or a function.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.Activation("relu")(tg.tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    float_inputs = True
    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs):
        return self.activation(inputs)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class Identity(Layer):
    """y = x.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.Identity()(tg.tensor([1.0]))
    Tensor([1.])
    """

    supports_masking = True

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class Rescaling(Layer):
    """y = scale x + offset.

    Args:
        scale, offset: numbers, or arrays that broadcast with the input: one per channel, say.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.Rescaling(1 / 255)(np.array([[0, 255]], "uint8"))
    Tensor([[0., 1.]])
    """

    float_inputs = True
    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs):
        scale, offset = [np.asarray(v, inputs.dtype) for v in (self.scale, self.offset)]
        return inputs * scale + offset

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class Embedding(Layer):
    """Each integer becomes a row of a table:  y[...] = E[x[...]].

    Args:
        input_dim: how many rows: one more than the largest integer.
        output_dim: the length of a row.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of E.
        mask_zero: whether 0 stands for nothing; layers that know masks then leave it out.
        weights: the table to begin with, if there is one already.

    Input shape: (N, ...), of integers.
    Output shape: (N, ..., output_dim).

    >>> layer = tg.layers.Embedding(3, 2, embeddings_initializer="ones")
    >>> layer(np.array([[0, 2]])).shape
    (1, 2, 2)
    """

    _not_in_config = frozenset(["weights", *NOT_HERE])

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        length = kwargs.pop("input_length", None)
        super().__init__(**kwargs)
        refuse(self.name, lora_rank=lora_rank, lora_alpha=lora_alpha)
        refuse(self.name, quantization_config=quantization_config)
        if length is not None:
            self._input_shape_given = (length,)
        self.input_dim = positive(self.name, "input_dim", input_dim)
        self.output_dim = positive(self.name, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = self.supports_masking = bool(mask_zero)
        if weights is not None:
            self.build(None)
            self.set_weights(weights if isinstance(weights, list) else [weights])

    def build(self, input_shape):
        if not self.built:
            self.embeddings = self.add_weight(
                (self.input_dim, self.output_dim), self.embeddings_initializer,
                regularizer=self.embeddings_regularizer, constraint=self.embeddings_constraint,
                name="embeddings",
            )  # fmt: skip

    def call(self, inputs):
        if inputs.dtype.kind not in "iu":
            inputs = ops.astype(inputs, dtype=np.dtype("int32"))
        return ops.take(self.embeddings, inputs, axis=0)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.output_dim)

    def _output_dtype(self, dtype):
        return self._dtype


class Masking(Layer):
    """Hides steps: a step of a sequence all of whose features are ``mask_value`` does not count for
    the layers after it; y is x with zeros there.

    Args:
        mask_value: the number that says "nothing".

    Input shape: (N, T, D).
    Output shape: the same.

    >>> x = tg.tensor([[[1.0], [-1.0]]])
    >>> tg.layers.Masking(-1.0)(x).mask
    Tensor([[ True, False]], dtype=bool)
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def call(self, inputs):
        return ops.where(self._counts(inputs, keepdims=True), inputs, 0.0)

    def compute_mask(self, inputs, mask=None):
        return self._counts(inputs, keepdims=False)

    def _counts(self, x, keepdims):
        """Which steps count: those with a feature other than mask_value."""
        other = ops.not_equal(x, self.mask_value)
        return ops.max(other.astype("float32"), axis=-1, keepdims=keepdims) > 0

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class Lambda(Layer):
    """y = function(x): any function of ops as a layer.

    Args:
        function: of a tensor (and, by name, of ``mask`` or ``training`` if it takes them).
        output_shape: the shape of one sample of the output, or a function of the input's shape;
            found by trying when None.
        mask: the mask of the output, or a function of (inputs, mask).
        arguments: a dict of further arguments.

    Input shape: what the function takes.
    Output shape: what it returns.

    >>> tg.layers.Lambda(lambda x: x * 2)(tg.tensor([1.0]))
    Tensor([2.])
    """

    def __init__(
        self,
        function: Any,
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(f"[{self.name}] Expected a function, received {function!r}.")
        self.function, self.mask, self.arguments = function, mask, dict(arguments or {})
        self._shape = output_shape
        self.supports_masking = mask is not None
        parameters = (
            inspect.signature(function).parameters if not isinstance(function, type) else {}
        )
        self._extra = [name for name in ("mask", "training") if name in parameters]

    def call(self, inputs, mask=None, training=False):
        told = {"mask": mask, "training": training}
        extra = {name: told[name] for name in self._extra}
        return self.function(inputs, **{**self.arguments, **extra})

    def compute_mask(self, inputs, mask=None):
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape):
        if self._shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._shape):
            return self._shape(input_shape)
        batch = tree.flatten(input_shape)[0]
        return map_shapes(lambda shape: (batch, *shape), self._shape)

    def compute_output_spec(self, *args, **kwargs):
        return (
            self._probe(args, kwargs) if self._shape is None else super().compute_output_spec(*args)
        )

    def get_config(self) -> dict[str, Any]:
        name = getattr(self.function, "__name__", "")
        if name == "<lambda>":
            raise ValueError(
                f"[{self.name}] A lambda has no name that a file could hold. Expected a function "
                "registered with saving.register_keras_serializable(), or a Layer subclass."
            )
        return super().get_config()
