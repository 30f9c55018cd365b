"""A dense layer along any axes, written as an einsum."""

from __future__ import annotations

import re
from typing import Any

from tinygrad_cn import activations, constraints, initializers, ops, regularizers
from tinygrad_cn.initializers import with_axes

from .core import NOT_HERE, positive
from .input_spec import InputSpec
from .layer import Layer
from .module import refuse

_FORMS = [
    re.compile(form)
    for form in (
        r"(?P<x>[a-zA-Z]+),(?P<w>[a-zA-Z]+)->(?P<y>[a-zA-Z]+)",
        r"(?P<left>\.\.\.)(?P<x>[a-zA-Z]+),(?P<w>[a-zA-Z]+)->\.\.\.(?P<y>[a-zA-Z]+)",
        r"(?P<x>[a-zA-Z]{2,})(?P<right>\.\.\.),(?P<w>[a-zA-Z]+)->(?P<y>[a-zA-Z]+)\.\.\.",
    )
]


class EinsumDense(Layer):
    """y = activation(einsum(equation, x, W) + b).

    Args:
        equation: "x,w->y" in letters: "abc,cd->abd" is a Dense on the last axis. "..." may stand
            for further axes at the beginning or the end of x and y.
        output_shape: the shape of one sample of the output, without the axes that "..." stands for;
            None where an axis has the length of the input's, and one integer for a single axis.
        activation: a name or a function; None is the identity.
        bias_axes: the letters of y along which there is a b, or None for none.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: as in Dense.

    Input shape: that of x in the equation; its first axis is the batch.
    Output shape: that of y.

    >>> layer = tg.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de")
    >>> layer(np.zeros((5, 7, 4), "float32")).shape, layer.kernel.shape, layer.bias.shape
    ((5, 7, 2, 3), (4, 2, 3), (2, 3))
    """

    float_inputs = True
    _not_in_config = frozenset([*NOT_HERE, "gptq_unpacked_column_size"])

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        gptq_unpacked_column_size: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(self.name, lora_rank=lora_rank, lora_alpha=lora_alpha)
        refuse(self.name, gptq_unpacked_column_size=gptq_unpacked_column_size)
        refuse(self.name, quantization_config=quantization_config)
        found = [form.fullmatch(equation) for form in _FORMS if isinstance(equation, str)]
        parts = next((match.groupdict() for match in found if match), None)
        if parts is None:
            raise ValueError(
                f"[{self.name}] Expected an equation 'x,w->y', '...x,w->...y' or 'x...,w->y...' in "
                f"letters, received equation={equation!r}."
            )
        self.equation, self._x, self._w, self._y = equation, parts["x"], parts["w"], parts["y"]
        self._left, self._right = bool(parts.get("left")), bool(parts.get("right"))
        given = output_shape if isinstance(output_shape, (tuple, list)) else (output_shape,)
        self.partial_output_shape = tuple(
            [None if n is None else positive(self.name, "output_shape", n) for n in given]
        )
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._check_letters()

    def _check_letters(self) -> None:
        for letter in self._y:
            if letter not in self._x + self._w:
                self._refuse(f"the axis {letter!r} of the output among those of x or w")
        for letter in self._w:
            if letter not in self._x + self._y:
                self._refuse(f"the axis {letter!r} of w among those of x or y")
        for letter in self.bias_axes or "":
            if letter not in self._y:
                self._refuse(f"the axis {letter!r} of the bias among those of y")
        if len(self.partial_output_shape) != len(self._y) - (not self._left):
            self._refuse(
                f"{len(self._y) - (not self._left)} lengths in output_shape="
                f"{self.partial_output_shape}"
            )

    def _refuse(self, expected: str) -> None:
        raise ValueError(
            f"[{self.name}] The equation does not fit. Expected {expected}, received equation="
            f"{self.equation!r}, bias_axes={self.bias_axes!r}."
        )

    def build(self, input_shape):
        lengths = self._lengths(input_shape)
        shape = [lengths[letter] for letter in self._w]
        if None in shape:
            raise ValueError(
                f"[{self.name}] The weights need known lengths. Expected them for the axes of w in "
                f"{self.equation!r}, received an input of shape {tuple(input_shape)}."
            )
        out = [i for i, letter in enumerate(self._w) if letter in self._y]
        rest = [i for i, letter in enumerate(self._w) if letter not in self._y]
        self.kernel = self.add_weight(
            shape, with_axes(self.kernel_initializer, rest, out),
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint, name="kernel",
        )  # fmt: skip
        self.bias: Any = None
        if self.bias_axes is not None:
            first = min([self._y.find(letter) for letter in self.bias_axes])
            along = [lengths[c] if c in self.bias_axes else 1 for c in self._y[first:]]
            along += [1] * (len(input_shape) - len(self._x) if self._right else 0)
            self.bias = self.add_weight(
                along, self.bias_initializer, regularizer=self.bias_regularizer,
                constraint=self.bias_constraint, name="bias",
            )  # fmt: skip
        self.input_spec = InputSpec(ndim=len(input_shape))

    def _lengths(self, input_shape: Any) -> dict[str, Any]:
        """The length of the axis of each letter, from the input and from ``output_shape``."""
        n = len(self._x)
        if len(input_shape) < n + self._left or (
            len(input_shape) != n and not (self._left or self._right)
        ):
            raise ValueError(
                f"[{self.name}] The input does not fit {self.equation!r}. Expected {n} axes"
                f"{' or more' if self._left or self._right else ''}, received shape "
                f"{tuple(input_shape)}."
            )
        given = input_shape[len(input_shape) - n :] if self._left else input_shape[:n]
        lengths = dict(zip(self._x, given, strict=True))
        told = self.partial_output_shape
        stated = zip(self._y, told if self._left else (None, *told), strict=True)
        for letter, length in stated:
            if lengths.get(letter) is None:
                lengths[letter] = length
            elif length not in (None, lengths[letter]):
                raise ValueError(
                    f"[{self.name}] The axis {letter!r} of {self.equation!r} has two lengths. "
                    f"Expected {lengths[letter]}, as in the input of shape {tuple(input_shape)}, "
                    f"received output_shape={told}."
                )
        return lengths

    def call(self, inputs):
        y = ops.einsum(self.equation, inputs, self.kernel)
        return self.activation(y if self.bias is None else y + self.bias)

    def compute_output_shape(self, input_shape):
        lengths = self._lengths(input_shape)
        shape = tuple([lengths[letter] for letter in self._y])
        more = len(input_shape) - len(self._x)
        before = tuple(input_shape[:more]) if self._left else ()
        return before + shape + (tuple(input_shape[len(self._x) :]) if self._right else ())

    def get_config(self) -> dict[str, Any]:
        own = {**self._settings(EinsumDense), "output_shape": self.partial_output_shape}
        return {**super().get_config(), **own}
