"""Recurrent layers: a state that goes from step to step of a sequence.

Their weights are Keras's: ``kernel`` (D, parts U) for the input, ``recurrent_kernel`` (U, parts U)
for the state, ``bias``; the parts are the gates. With the default activations a fused op runs the
whole sequence, otherwise ``ops.rnn`` runs the cell step by step: the same numbers either way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cn import activations, constraints, initializers, ops, registry, regularizers
from tinygrad_cn.op import wrap

from .input_spec import InputSpec
from .layer import Layer
from .module import refuse
from .regularization import Random, check_rate, dropout


class Recurrent(Random):
    """What SimpleRNN, LSTM and GRU share: settings, weights, states, masks.

    A subclass says how many ``parts`` its kernel has and how many ``states`` it carries, and runs a
    sequence in ``fused`` (one op) and ``step`` (one step, in plain ops).
    """

    parts = 1
    n_states = 1
    zero_output_for_mask = False  # Bidirectional sets it
    usual = (activations.tanh,)  # the activations that the fused op knows

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
        limits: tuple[Any, ...],
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
        super().__init__(seed, activity_regularizer=activity_regularizer, **kwargs)
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
        self.kernel_constraint, self.recurrent_constraint, self.bias_constraint = [
            constraints.get(limit) for limit in limits
        ]
        self.dropout = check_rate(self.name, dropout)
        self.recurrent_dropout = check_rate(self.name, recurrent_dropout)
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards, self.stateful = bool(go_backwards), bool(stateful)
        self.unroll = bool(unroll)
        self.states: Any = None  # kept from batch to batch if stateful
        self.input_spec = InputSpec(ndim=3)

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
        self.input_spec = InputSpec(ndim=3, axes={-1: n})

    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.parts * self.units,)

    def start_of_bias(self) -> Any:
        """The initializer of the bias."""
        return self.bias_initializer

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
        if self.stateful:
            self.states = [wrap(np.array(s.data)) for s in states]
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

    def step(self, recurrent_kernel: Any) -> Callable[..., Any]:
        """A function (z, states) -> (y, states) of one step, z being x W + b."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Recurrent defines step.")

    def _unrolled(self, x, states, mask, rate):
        """The same step by step."""
        x = ops.permute_dims(x, axes=(1, 0, 2))
        live = None if mask is None else ops.permute_dims(mask, axes=(1, 0))
        if self.go_backwards:
            x, live = x[::-1], live if live is None else live[::-1]
        zeros = np.zeros((x.shape[1], self.units), x.dtype)
        states = [wrap(zeros) if s is None else s for s in states]
        z = x @ self.kernel
        if self.bias is not None:
            z = z + (self.bias if self.bias.ndim == 1 else self.bias[0])
        step = self.step(self.recurrent_kernel)
        if rate:  # the state loses the same units at each step
            kept = dropout(np.ones(states[0].shape, x.dtype), self.state, rate=rate)

            def thinned(z, states, step=step):
                return step(z, (states[0] * kept, *states[1:]))

            y, states = ops.rnn(thinned, z, states, live)
        else:
            y, states = ops.rnn(step, z, states, live)
        return ops.permute_dims(y, axes=(1, 0, 2)), *states

    def _begin(self, x: Any, initial_state: Any) -> list[Any]:
        """The states before the first step; None for zeros."""
        shape = (x.shape[0], self.units)
        if initial_state is None and self.stateful and self.states is not None:
            initial_state = self.states
        if initial_state is None:
            return [None] * self.n_states
        given = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
        if len(given) != self.n_states or any(s.shape != shape for s in given):
            raise ValueError(
                f"[{self.name}] initial_state does not fit. Expected {self.n_states} of shape "
                f"{shape}, received {[s.shape for s in given]}."
            )
        return list(given)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """States of 0."""
        shape = (batch_size, self.units)
        return [wrap(np.zeros(shape, self.dtype)) for _ in range(self.n_states)]

    def reset_states(self) -> None:
        """Forget the states of a stateful layer."""
        self.states = None

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

    def step(self, recurrent_kernel):
        return lambda z, states: ops.simple_rnn_step(z, states, recurrent_kernel, self.activation)


class _Gated(Recurrent):
    """A layer with gates, which have an activation of their own."""

    recurrent_activation: Any

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

    def start_of_bias(self):
        if not self.unit_forget_bias:
            return self.bias_initializer

        def start(shape, dtype=None):
            bias = np.array(self.bias_initializer(shape, dtype).data)
            bias[self.units : 2 * self.units] = 1
            return bias

        return start

    def fused(self, x, states, mask):
        kernels, (h, c) = (self.kernel, self.recurrent_kernel), states
        return ops.lstm(x, *kernels, self.bias, h, c, mask, self.go_backwards)

    def step(self, recurrent_kernel):
        functions = self.activation, self.recurrent_activation
        return lambda z, states: ops.lstm_step(z, states, recurrent_kernel, *functions)


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

    def bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def is_usual(self):
        return super().is_usual() and self.reset_after

    def fused(self, x, states, mask):
        kernels = self.kernel, self.recurrent_kernel
        return ops.gru(x, *kernels, self.bias, states[0], mask, self.go_backwards)

    def step(self, recurrent_kernel):
        bias = self.bias[1] if self.reset_after and self.bias is not None else None
        functions = self.activation, self.recurrent_activation, self.reset_after
        return lambda z, states: ops.gru_step(z, states, recurrent_kernel, bias, *functions)


class Bidirectional(Layer):
    """A recurrent layer run forwards and another like it run backwards, their outputs put together.

    Args:
        layer: a SimpleRNN, LSTM or GRU.
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
        if not isinstance(layer, Recurrent):
            raise ValueError(f"[{self.name}] Expected a recurrent layer, received {layer!r}.")
        known = ("concat", "sum", "mul", "ave", None)
        if merge_mode not in known:
            raise ValueError(f"[{self.name}] Expected merge_mode in {known}, got {merge_mode!r}.")
        self.merge_mode = merge_mode
        self.layer = self.forward_layer = layer  # not a copy: the name that was given stays
        if backward_layer is None:
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
        self.input_spec = InputSpec(ndim=3)

    def build(self, sequences_shape):
        self.forward_layer.build(sequences_shape)
        self.backward_layer.build(sequences_shape)

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

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layer": registry.serialize_keras_object(self.forward_layer),
            "merge_mode": self.merge_mode,
            "backward_layer": registry.serialize_keras_object(self.backward_layer),
        }


registry.publish("layers", SimpleRNN, LSTM, GRU, Bidirectional)
