"""RNN: any cell run over a sequence, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels, ops, tree
from tinygrad_cn.op import wrap

from .cells import (
    StackedRNNCells,
    build_cell,
    check_cell,
    forget_masks,
    initial_state,
    keeps_states,
    output_size,
    run_cell,
)
from .layer import Layer


class RNN(Layer):
    """y_t, states = cell(x_t, states), for t = 1, 2, ...

    Args:
        cell: a cell, or a list of them (:class:`StackedRNNCells`). A cell of one's own has
            ``call(inputs, states)``, which returns the output and the next states, and
            ``state_size``, the length of the state or a list of lengths; it may have
            ``output_size`` and ``get_initial_state(batch_size)``.
        return_sequences: all outputs, not the last alone.
        return_state: the last states, too.
        go_backwards: from the last step to the first; outputs are in that order.
        stateful: begin each batch with the last states of the one before it.
        unroll: has no effect: the loop is always Python's (and its steps are captured in plans).
        zero_output_for_mask: at masked steps the output is 0, not that of the step before.

    Call arguments: initial_state; mask (N, T), at False steps the states stay.
    Input shape: (N, T, ...).
    Output shape: (N, U), or (N, T, U) with ``return_sequences``, U the output size of the cell.

    >>> class Sum(tg.layers.Layer):
    ...     "h' = x + h."
    ...     state_size = 3
    ...     def call(self, x, states): return x + states[0], [x + states[0]]
    >>> tg.layers.RNN(Sum())(np.ones((1, 5, 3), "float32"))
    Tensor([[5., 5., 5.]])
    """

    supports_masking = True
    float_inputs = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        check_cell(self.name, cell)
        self.cell = cell
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards, self.stateful = bool(go_backwards), bool(stateful)
        self.unroll, self.zero_output_for_mask = bool(unroll), bool(zero_output_for_mask)
        self.states: Any = None  # kept from batch to batch if stateful

    @property
    def state_size(self) -> list[Any]:
        """The lengths of the states."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    @property
    def n_states(self) -> int:
        """How many states are returned."""
        return len(self.state_size)

    def build(self, sequences_shape):
        build_cell(self.cell, (sequences_shape[0], *sequences_shape[2:]))

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if sequences.shape[1] == 0:
            raise ValueError(f"[{self.name}] Expected at least one step, received a length of 0.")
        begin = self._begin(sequences.shape[0], initial_state)
        x = ops.moveaxis(sequences, 1, 0)
        live = None if mask is None else ops.permute_dims(mask, axes=(1, 0))
        if self.go_backwards:
            x, live = x[::-1], live if live is None else live[::-1]

        def step(x, states):
            y, new = run_cell(self.cell, x, tree.pack_like(begin, list(states)), training)
            return y, tuple(tree.flatten(new))

        forget_masks(self.cell)
        y, last = ops.rnn(step, x, tree.flatten(begin), live)
        forget_masks(self.cell)
        if keeps_states(self):
            for state, value in zip(tree.flatten(self.states), last, strict=True):
                kernels.copy(value.data, state.data)
        if live is not None and self.zero_output_for_mask:
            y = ops.where(ops.reshape(live, shape=(*live.shape, *(1,) * (y.ndim - 2))), y, 0.0)
        y = ops.moveaxis(y, 0, 1) if self.return_sequences else y[-1]
        return (y, *tree.pack_like(begin, list(last))) if self.return_state else y

    def _begin(self, rows: int, given: Any) -> list[Any]:
        """The states before the first step, arranged as the cell has them."""
        zeros = self.get_initial_state(rows)
        stateful = keeps_states(self)
        if stateful and self.states is None:
            # copied by NumPy, for that is no part of a step that is being captured
            self.states = tree.map_structure(lambda s: wrap(np.array(s.data)), zeros)
        if given is None and stateful:  # copies: the states are overwritten in place
            given = tree.map_structure(lambda s: wrap(kernels.copy(s.data)), self.states)
        if given is None:
            return zeros
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        wanted, found = [[s.shape for s in tree.flatten(states)] for states in (zeros, given)]
        if wanted != found:
            raise ValueError(
                f"[{self.name}] The states do not fit. Expected shapes {wanted}, received {found}."
            )
        return tree.pack_like(zeros, tree.flatten(given))

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states before the first step: the cell's, or 0."""
        return initial_state(self.cell, batch_size, self.dtype)

    def reset_state(self) -> None:
        """Begin at 0 again, if stateful."""
        for state in tree.flatten(self.states or []):
            kernels.copy(np.zeros(state.shape, state.dtype), state.data)

    reset_states = reset_state

    def compute_mask(self, inputs, mask=None):
        kept = mask if self.return_sequences else None
        return [kept, *[None] * self.n_states] if self.return_state else kept

    def compute_output_shape(self, input_shape, initial_state_shape=None):
        rows, steps = input_shape[:2]
        size = output_size(self.cell)
        y = (rows, steps, size) if self.return_sequences else (rows, size)
        if not self.return_state:
            return y
        return [y, *tree.map_structure(lambda n: (rows, n), self.state_size)]
