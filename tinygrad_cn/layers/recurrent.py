"""Recurrent layers: a state that goes from step to step of a sequence.

Their weights are Keras's: ``kernel`` (D, parts U) for the input, ``recurrent_kernel`` (U, parts U)
for the state, ``bias``; the parts are the gates. With the default activations a fused op runs the
whole sequence, otherwise ``ops.rnn`` runs the cell step by step: the same numbers either way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import activations, kernels, ops, registry
from tinygrad_cn.op import wrap

from .cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, keeps_states
from .input_spec import InputSpec
from .layer import Layer
from .module import refuse
from .regularization import dropout
from .rnn import RNN


class Recurrent(Cell):
    """What SimpleRNN, LSTM and GRU share: a cell, run over a sequence; states, masks.

    A subclass computes a whole sequence in ``fused`` (one op) and a step in ``step`` (plain ops).
    """

    zero_output_for_mask = False  # Bidirectional sets it

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
        activity_regularizer: Any,
        limits: tuple[Any, Any, Any],
        dropout: float,
        recurrent_dropout: float,
        seed: Any,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        stateful: bool,
        unroll: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            limits[0], limits[1], limits[2], dropout, recurrent_dropout, seed,
            activity_regularizer=activity_regularizer, **kwargs,
        )  # fmt: skip
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards, self.stateful = bool(go_backwards), bool(stateful)
        self.unroll = bool(unroll)
        self.states: Any = None  # kept from batch to batch if stateful
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = InputSpec(ndim=3, axes={-1: input_shape[-1]})

    # --- running ----------------------------------------------------------------------------------

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if sequences.shape[1] == 0:
            raise ValueError(f"[{self.name}] Expected at least one step, received a length of 0.")
        states = self._begin(sequences, initial_state)
        rate = self.dropout if training else 0.0
        if rate:  # one mask for all steps (Gal and Ghahramani, 2016)
            shape = (sequences.shape[0], 1, sequences.shape[2])
            sequences = sequences * dropout(np.ones(shape, sequences.dtype), self.state, rate=rate)
        steps_dropped = self.recurrent_dropout if training else 0.0
        if self.is_usual() and not steps_dropped:
            y, *states = self.fused(sequences, states, mask)
        else:
            y, *states = self._unrolled(sequences, states, mask, steps_dropped)
        if keeps_states(self):
            for kept, state in zip(self.states, states, strict=True):
                kernels.copy(state.data, kept.data)
        if not self.return_sequences:
            y = y[:, -1]
        elif mask is not None and self.zero_output_for_mask:
            live = mask[:, ::-1] if self.go_backwards else mask
            y = ops.where(live[:, :, None], y, 0.0)
        return (y, *states) if self.return_state else y

    def is_usual(self) -> bool:
        """Whether the activations are those that the fused op knows."""
        return self.activation is activations.tanh

    def fused(self, x, states, mask):
        """(y (N, T, U), last states...) of the whole sequence, by one op."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Recurrent defines fused.")

    def _unrolled(self, x, states, mask, rate):
        """The same step by step."""
        x = ops.permute_dims(x, axes=(1, 0, 2))
        live = None if mask is None else ops.permute_dims(mask, axes=(1, 0))
        if self.go_backwards:
            x, live = x[::-1], live if live is None else live[::-1]
        zeros = np.zeros((x.shape[1], self.units), x.dtype)
        states = [wrap(zeros) if s is None else s for s in states]
        step, kept = self.step(), None
        if rate:  # the products with the state lose the same units at each step
            kept = dropout(np.ones(states[0].shape, x.dtype), self.state, rate=rate)

        def one(z, states):
            return step(z, states, states[0] if kept is None else states[0] * kept)

        y, states = ops.rnn(one, self.project(x), states, live)
        return ops.permute_dims(y, axes=(1, 0, 2)), *states

    def _begin(self, x: Any, initial_state: Any) -> list[Any]:
        """The states before the first step; None for zeros."""
        shape = (x.shape[0], self.units)
        stateful = keeps_states(self)
        if stateful and self.states is None:
            self.states = self.get_initial_state(x.shape[0])
        if stateful and self.states[0].shape != shape:
            raise ValueError(
                f"[{self.name}] A stateful layer keeps a state per sample. Expected batches of "
                f"{self.states[0].shape[0]} as before, received one of {x.shape[0]}."
            )
        if initial_state is None and stateful:  # copies: they are overwritten in place
            initial_state = [wrap(kernels.copy(s.data)) for s in self.states]
        if initial_state is None:
            return [None] * self.n_states
        given = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
        if len(given) != self.n_states or any(s.shape != shape for s in given):
            raise ValueError(
                f"[{self.name}] initial_state does not fit. Expected {self.n_states} of shape "
                f"{shape}, received {[s.shape for s in given]}."
            )
        return list(given)

    def reset_states(self) -> None:
        """Begin at 0 again, if stateful."""
        for state in self.states or []:  # in place: captured steps go on with these arrays
            kernels.copy(np.zeros(state.shape, state.dtype), state.data)

    reset_state = reset_states

    def compute_mask(self, inputs, mask=None):
        kept = mask if self.return_sequences else None
        return [kept, *[None] * self.n_states] if self.return_state else kept

    def compute_output_shape(self, input_shape):
        first = input_shape[0] if isinstance(input_shape[0], (tuple, list)) else input_shape
        rows, steps = first[0], first[1]
        y = (rows, steps, self.units) if self.return_sequences else (rows, self.units)
        return [y, *[(rows, self.units)] * self.n_states] if self.return_state else y


class SimpleRNN(Recurrent):
    """h_t = activation(x_t W + h_{t-1} R + b) (Elman, 1990).

    Args:
        units: the number of units, U.
        activation: tanh by default.
        use_bias: whether there is a b.
        kernel_initializer, recurrent_initializer, bias_initializer: how the weights begin.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer:
        penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: what the weights are brought to
        after each update.
        dropout, recurrent_dropout: of the inputs, of the state; the same units at all steps.
        return_sequences: all outputs, not the last alone.
        return_state: the last state, too.
        go_backwards: from the last step to the first; outputs are in that order.
        stateful: begin each batch with the last state of the one before it.

    Call arguments: initial_state; mask (N, T), at False steps the state stays.
    Input shape: (N, T, D).
    Output shape: (N, U), or (N, T, U) with ``return_sequences``.

    >>> layer = tg.layers.SimpleRNN(4, return_sequences=True)
    >>> layer(np.zeros((2, 3, 5), "float32")).shape
    (2, 3, 4)
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            activity_regularizer, (kernel_constraint, recurrent_constraint, bias_constraint),
            dropout, recurrent_dropout, seed, return_sequences, return_state, go_backwards,
            stateful, unroll, **kwargs,
        )  # fmt: skip

    def fused(self, x, states, mask):
        kernels = self.kernel, self.recurrent_kernel
        return ops.simple_rnn(x, *kernels, self.bias, states[0], mask, self.go_backwards)

    step = SimpleRNNCell.step


class _Gated(Recurrent):
    """A layer with gates, which have an activation of their own."""

    def is_usual(self):
        return super().is_usual() and self.recurrent_activation is activations.sigmoid

    def _set_gates(self, recurrent_activation: Any, use_cudnn: Any) -> None:
        self.recurrent_activation = activations.get(recurrent_activation)
        if use_cudnn is True:
            raise ValueError(f"[{self.name}] Expected use_cudnn 'auto' or False, received True.")


class LSTM(_Gated):
    """The long short-term memory (Hochreiter and Schmidhuber, 1997).

    i, f, u, o are the parts of x_t W + h_{t-1} R + b;
    c_t = s(f) c_{t-1} + s(i) activation(u);  h_t = s(o) activation(c_t), s = recurrent_activation.

    Args:
        units: the number of units, U.
        activation, recurrent_activation: tanh and sigmoid by default.
        unit_forget_bias: the bias of f begins at 1, so that at first nothing is forgotten.
        use_cudnn: "auto" or False (there is no GPU here).
        The other arguments: as in :class:`SimpleRNN`. There are two states, h and c.

    Input shape: (N, T, D).
    Output shape: (N, U), or (N, T, U) with ``return_sequences``.

    >>> y, h, c = tg.layers.LSTM(4, return_state=True)(np.zeros((2, 3, 5), "float32"))
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            activity_regularizer, (kernel_constraint, recurrent_constraint, bias_constraint),
            dropout, recurrent_dropout, seed, return_sequences, return_state, go_backwards,
            stateful, unroll, **kwargs,
        )  # fmt: skip
        self._set_gates(recurrent_activation, use_cudnn)
        self.unit_forget_bias = bool(unit_forget_bias)

    def fused(self, x, states, mask):
        kernels, (h, c) = (self.kernel, self.recurrent_kernel), states
        return ops.lstm(x, *kernels, self.bias, h, c, mask, self.go_backwards)

    step, start_of_bias = LSTMCell.step, LSTMCell.start_of_bias


class GRU(_Gated):
    """The gated recurrent unit (Cho et al., 2014).

    With a = x_t W + b and r the state part h_{t-1} R + b': u, r = s(a + r) of their first two
    parts, n = activation(a + r r) of their third;  h_t = u h_{t-1} + (1 - u) n, s =
    recurrent_activation.

    Args:
        units: the number of units, U.
        activation, recurrent_activation: tanh and sigmoid by default.
        reset_after: the reset gate multiplies the product with R (and there are two biases, shape
            (2, 3 U)); if False it multiplies the state before.
        The other arguments: as in :class:`SimpleRNN`.

    Input shape: (N, T, D).
    Output shape: (N, U), or (N, T, U) with ``return_sequences``.

    >>> tg.layers.GRU(4)(np.zeros((2, 3, 5), "float32")).shape
    (2, 4)
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer,
            bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
            activity_regularizer, (kernel_constraint, recurrent_constraint, bias_constraint),
            dropout, recurrent_dropout, seed, return_sequences, return_state, go_backwards,
            stateful, unroll, **kwargs,
        )  # fmt: skip
        self._set_gates(recurrent_activation, use_cudnn)
        self.reset_after = bool(reset_after)

    def is_usual(self):
        return super().is_usual() and self.reset_after

    def fused(self, x, states, mask):
        kernels = self.kernel, self.recurrent_kernel
        return ops.gru(x, *kernels, self.bias, states[0], mask, self.go_backwards)

    step, bias_shape = GRUCell.step, GRUCell.bias_shape


class Bidirectional(Layer):
    """A recurrent layer run forwards and another like it run backwards, their outputs put together.

    Args:
        layer: a SimpleRNN, LSTM, GRU or RNN.
        merge_mode: "concat", "sum", "mul", "ave", or None for both outputs.
        backward_layer: the layer to run backwards; one with the settings of ``layer`` when None.

    Call arguments: initial_state (those of the forward layer first), mask, training.
    Input shape: (N, T, D).
    Output shape: as of ``layer``, with 2 U for "concat".

    >>> tg.layers.Bidirectional(tg.layers.GRU(4))(np.zeros((2, 3, 5), "float32")).shape
    (2, 8)
    """

    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(self.name, weights=weights)
        if not isinstance(layer, (Recurrent, RNN)):
            raise ValueError(f"[{self.name}] Expected a recurrent layer, received {layer!r}.")
        known = ("concat", "sum", "mul", "ave", None)
        if merge_mode not in known:
            raise ValueError(f"[{self.name}] Expected merge_mode in {known}, got {merge_mode!r}.")
        self.merge_mode = merge_mode
        self.layer = self.forward_layer = layer  # not a copy: the name that was given stays
        if backward_layer is None:
            with registry.own_names():
                config = layer.get_config()
                config["name"] = f"backward_{layer.name}"
                config["go_backwards"] = not layer.go_backwards
                backward_layer = type(layer).from_config(config)
        self.backward_layer = backward_layer
        for name in ("return_sequences", "return_state", "stateful"):
            if getattr(layer, name) != getattr(backward_layer, name):
                raise ValueError(f"[{self.name}] Expected both layers to have the same {name}.")
        if layer.go_backwards == backward_layer.go_backwards:
            raise ValueError(f"[{self.name}] Expected layers of different go_backwards.")
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        for one in (layer, backward_layer):
            one.zero_output_for_mask = layer.return_sequences
        self.input_spec = InputSpec(min_ndim=3)

    def build(self, sequences_shape):
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)

    def call(self, sequences, initial_state=None, mask=None, training=False):
        first, second = None, None
        if initial_state is not None:
            half = len(initial_state) // 2
            first, second = initial_state[:half], initial_state[half:]
        settings = {"mask": mask, "training": training}
        y = self.forward_layer(sequences, initial_state=first, **settings)
        z = self.backward_layer(sequences, initial_state=second, **settings)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*y[1:], *z[1:])
            y, z = y[0], z[0]
        if self.return_sequences:
            z = z[:, ::-1]
        outputs = self._merge(y, z)
        return (*outputs, *states) if states or len(outputs) > 1 else outputs[0]

    def _merge(self, y: Any, z: Any) -> tuple[Any, ...]:
        if self.merge_mode is None:
            return y, z
        if self.merge_mode == "concat":
            return (ops.concatenate([y, z], axis=-1),)
        merged = y * z if self.merge_mode == "mul" else y + z
        return (merged * 0.5 if self.merge_mode == "ave" else merged,)

    def compute_mask(self, inputs, mask=None):
        kept = mask if self.return_sequences else None
        many = 2 if self.merge_mode is None else 1
        states = 2 * self.forward_layer.n_states if self.return_state else 0
        return [*[kept] * many, *[None] * states] if many + states > 1 else kept

    def compute_output_shape(self, input_shape):
        shapes = self.forward_layer.compute_output_shape(input_shape)
        y, *states = shapes if self.return_state else [shapes]
        if self.merge_mode == "concat":
            y = (*y[:-1], 2 * y[-1])
        outputs = [y, y] if self.merge_mode is None else [y]
        outputs = [*outputs, *states, *states]
        return outputs if len(outputs) > 1 else outputs[0]

    def reset_states(self) -> None:
        """Forget the states of stateful layers."""
        self.forward_layer.reset_states()
        self.backward_layer.reset_states()

    reset_state = reset_states

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layer": registry.serialize_keras_object(self.forward_layer),
            "merge_mode": self.merge_mode,
            "backward_layer": registry.serialize_keras_object(self.backward_layer),
        }


registry.publish("layers", SimpleRNN, LSTM, GRU, Bidirectional)
