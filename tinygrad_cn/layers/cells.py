"""Cells: what recurrent layers do at one step, and their weights.

A cell is called with the input of one step, (N, D), and a list of states; it returns its output
and the next states. ``RNN`` runs any cell over a sequence. The weights are Keras's: ``kernel`` (D,
parts U) for the input, ``recurrent_kernel`` (U, parts U) for the state, ``bias``; the parts are the
gates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from tinygrad_cn import activations, constraints, initializers, ops, regularizers, tree
from tinygrad_cn.mode import mode
from tinygrad_cn.op import wrap

from .layer import Layer
from .regularization import Random, check_rate, dropout


class Cell(Random):
    """What cells and the layers made of one share: settings, weights, dropout.

    A subclass says how many ``parts`` its kernel has and how many ``states`` it carries, and
    computes a step in ``step``.
    """

    parts: ClassVar[int] = 1
    n_states: ClassVar[int] = 1
    recurrent_activation: Any

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        if isinstance(units, bool) or not isinstance(units, (int, np.integer)) or units <= 0:
            raise ValueError(f"[{self.name}] Expected units > 0, received units={units!r}.")
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = check_rate(self.name, dropout)
        self.recurrent_dropout = check_rate(self.name, recurrent_dropout)
        self._dropout_mask: Any = None
        self._recurrent_dropout_mask: Any = None

    @property
    def state_size(self) -> Any:
        """The length of the state; of each of them, if there are several."""
        return self.units if self.n_states == 1 else [self.units] * self.n_states

    @property
    def output_size(self) -> int:
        """The length of the output."""
        return self.units

    # --- weights ----------------------------------------------------------------------------------

    def build(self, input_shape):
        n, width = input_shape[-1], self.parts * self.units
        if n is None:
            raise ValueError(
                f"[{self.name}] Expected inputs with a known number of features, received a "
                f"shape of {tuple(input_shape)}."
            )
        self.kernel = self.add_weight(
            (n, width), self.kernel_initializer, regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint, name="kernel",
        )  # fmt: skip
        self.recurrent_kernel = self.add_weight(
            (self.units, width), self.recurrent_initializer,
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )  # fmt: skip
        self.bias: Any = None
        if self.use_bias:
            self.bias = self.add_weight(
                self.bias_shape(), self.start_of_bias(), regularizer=self.bias_regularizer,
                constraint=self.bias_constraint, name="bias",
            )  # fmt: skip

    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.parts * self.units,)

    def start_of_bias(self) -> Any:
        """The initializer of the bias."""
        return self.bias_initializer

    # --- a step -----------------------------------------------------------------------------------

    def project(self, x: Any) -> Any:
        """x W + b, for one step or for all of them."""
        z = x @ self.kernel
        return z if self.bias is None else z + (self.bias if self.bias.ndim == 1 else self.bias[0])

    def step(self) -> Callable[..., Any]:
        """A function (z, states, seen) -> (y, states) of one step: z is x W + b, and ``seen`` what
        the product with R sees of the first state."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Cell defines step.")

    def call(self, inputs, states, training=False):
        given = list(states) if isinstance(states, (list, tuple)) else [states]
        seen = given[0]
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            seen = seen * self.get_recurrent_dropout_mask(seen)
        y, new = self.step()(self.project(inputs), tuple(given), seen)
        return y, (list(new) if isinstance(states, (list, tuple)) else new[0])

    # --- dropout: the same units at all steps of a sequence (Gal and Ghahramani, 2016) ------------

    def get_dropout_mask(self, step_input: Any) -> Any:
        """What inputs are multiplied by while training, until ``reset_dropout_mask``."""
        if self._dropout_mask is None and self.dropout:
            self._dropout_mask = self._drawn(step_input, self.dropout)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """What the state is multiplied by, until ``reset_recurrent_dropout_mask``."""
        if self._recurrent_dropout_mask is None and self.recurrent_dropout:
            self._recurrent_dropout_mask = self._drawn(step_input, self.recurrent_dropout)
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self) -> None:
        """Draw another mask for the next sequence; ``RNN`` does so."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Draw another mask for the next sequence; ``RNN`` does so."""
        self._recurrent_dropout_mask = None

    def _drawn(self, x: Any, rate: float) -> Any:
        return dropout(np.ones(x.shape, x.dtype), self.state, rate=rate)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """States of 0."""
        return [wrap(np.zeros((batch_size, self.units), self.dtype)) for _ in range(self.n_states)]

    def compute_output_shape(self, input_shape, states_shape=None):
        shape = (input_shape[0], self.units)
        return [shape, [shape] * self.n_states]


class SimpleRNNCell(Cell):
    """One step of :class:`SimpleRNN`:  h' = activation(x W + h R + b).

    Args:
        units, activation, ..., recurrent_dropout, seed: as in :class:`SimpleRNN`.

    Call arguments: inputs (N, D); states: [h], (N, U).
    Output: y = h' (N, U), and [h'].

    >>> cell = tg.layers.SimpleRNNCell(4)
    >>> y, states = cell(np.zeros((2, 5), "float32"), cell.get_initial_state(2))
    >>> y.shape, len(states)
    ((2, 4), 1)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout,
            seed, **kwargs,
        )  # fmt: skip

    def step(self):
        kernel, function = self.recurrent_kernel, self.activation
        return lambda z, states, seen: ops.simple_rnn_step(z, (seen,), kernel, function)


class LSTMCell(Cell):
    """One step of :class:`LSTM`: i, f, u, o are the parts of x W + h R + b;
    c' = s(f) c + s(i) activation(u);  h' = s(o) activation(c'), s = recurrent_activation.

    Args:
        units, activation, ..., recurrent_dropout, seed: as in :class:`LSTM`.
        implementation: 1 or 2; the numbers are the same here.

    Call arguments: inputs (N, D); states: [h, c], (N, U) each.
    Output: y = h' (N, U), and [h', c'].

    >>> cell = tg.layers.LSTMCell(4)
    >>> y, (h, c) = cell(np.zeros((2, 5), "float32"), cell.get_initial_state(2))
    >>> y.shape, c.shape
    ((2, 4), (2, 4))
    """

    parts, n_states = 4, 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout,
            seed, **kwargs,
        )  # fmt: skip
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.implementation = implementation

    def start_of_bias(self):
        if not self.unit_forget_bias:
            return self.bias_initializer

        def start(shape, dtype=None):
            bias = np.array(self.bias_initializer(shape, dtype).data)
            bias[self.units : 2 * self.units] = 1
            return bias

        return start

    def step(self):
        kernel, functions = self.recurrent_kernel, (self.activation, self.recurrent_activation)
        return lambda z, states, seen: ops.lstm_step(z, (seen, states[1]), kernel, *functions)


class GRUCell(Cell):
    """One step of :class:`GRU`, which states the formulas.

    Args:
        units, activation, ..., recurrent_dropout, reset_after, seed: as in :class:`GRU`.
        implementation: 1 or 2; the numbers are the same here.

    Call arguments: inputs (N, D); states: [h], (N, U).
    Output: y = h' (N, U), and [h'].

    >>> cell = tg.layers.GRUCell(4)
    >>> y, states = cell(np.zeros((2, 5), "float32"), cell.get_initial_state(2))
    >>> y.shape, cell.bias.shape
    ((2, 4), (2, 12))
    """

    parts = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: Any = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout,
            seed, **kwargs,
        )  # fmt: skip
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = bool(reset_after)
        self.implementation = implementation

    def bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def step(self):
        bias = self.bias[1] if self.reset_after and self.bias is not None else None
        settings = bias, self.activation, self.recurrent_activation, self.reset_after
        kernel = self.recurrent_kernel
        return lambda z, states, seen: ops.gru_step(z, states, kernel, *settings, seen=seen)


class StackedRNNCells(Layer):
    """Cells on top of each other as one: the output of each is the input of the next.

    Args:
        cells: a list of cells.

    Call arguments: inputs (N, D); states: a list with the states of each cell.
    Output: y of the last cell, and the next states in the same order.

    >>> cells = [tg.layers.GRUCell(4), tg.layers.LSTMCell(3)]
    >>> tg.layers.RNN(tg.layers.StackedRNNCells(cells))(np.zeros((2, 6, 5), "float32")).shape
    (2, 3)
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(self.name, cell)
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The lengths of the states of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The length of the output."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """States of 0."""
        return [initial_state(cell, batch_size, self.dtype) for cell in self.cells]

    def build(self, input_shape):
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs, states, training=False):
        new = []
        for cell, state in zip(self.cells, states, strict=True):
            several = isinstance(state, (list, tuple))
            inputs, after = run_cell(cell, inputs, list(state) if several else [state], training)
            new.append(after if several else tree.flatten(after)[0])
        return inputs, new


# --- any cell: also a user's own, which need not be a Layer ---------------------------------------


def check_cell(layer: str, cell: Any) -> None:
    """Raise ValueError unless it has what a cell needs."""
    for name in ("call", "state_size"):
        if not hasattr(cell, name):
            raise ValueError(f"[{layer}] Expected a cell with {name}, received {cell!r}.")


def output_size(cell: Any) -> int:
    """The length of a cell's output: its first state's, unless it says otherwise."""
    stated = getattr(cell, "output_size", None)
    if stated is not None:
        return stated
    size = cell.state_size
    return size[0] if isinstance(size, (list, tuple)) else size


def initial_state(cell: Any, batch_size: int, dtype: Any) -> list[Any]:
    """The states of a cell before the first step."""
    if hasattr(cell, "get_initial_state"):
        states = cell.get_initial_state(batch_size=batch_size)
        return list(states) if isinstance(states, (list, tuple)) else [states]
    size = cell.state_size
    sizes = size if isinstance(size, (list, tuple)) else [size]
    return [wrap(np.zeros((batch_size, n), dtype)) for n in sizes]


def keeps_states(layer: Any) -> bool:
    """Whether a layer goes on from its last states: not on zeros, that are to find a shape."""
    return layer.stateful and not mode.get().probing


def build_cell(cell: Any, input_shape: Any) -> None:
    """Make the weights of a cell, if it is a Layer that has none yet."""
    if isinstance(cell, Layer) and not cell.built:
        cell.build(input_shape)
        cell.built = True


def run_cell(cell: Any, inputs: Any, states: Any, training: bool) -> tuple[Any, Any]:
    """(output, list of states) of one step."""
    told = {"training": training} if isinstance(cell, Layer) and "training" in cell._takes else {}
    y, new = (cell if callable(cell) else cell.call)(inputs, states, **told)
    return y, (list(new) if isinstance(new, (list, tuple)) else [new])


def forget_masks(cell: Any) -> None:
    """Let a cell, or each of a stack, draw other dropout masks."""
    for one in [cell, *getattr(cell, "cells", [])]:
        if isinstance(one, Cell):
            one.reset_dropout_mask()
            one.reset_recurrent_dropout_mask()
