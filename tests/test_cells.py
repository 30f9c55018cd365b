"""Cells and RNN: the same as the layers that are made of them; stacks; a user's own cells."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tests.test_jit_layers import unbroken
from tests.test_jit_training import same_training
from tinygrad_cn import kernels, layers, ops

X = np.random.default_rng(0).standard_normal((3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 0]], bool)
PAIRS = [
    (layers.SimpleRNN, layers.SimpleRNNCell, {}),
    (layers.LSTM, layers.LSTMCell, {"recurrent_activation": "hard_sigmoid"}),
    (layers.LSTM, layers.LSTMCell, {"use_bias": False}),
    (layers.GRU, layers.GRUCell, {}),
    (layers.GRU, layers.GRUCell, {"reset_after": False}),
]


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize(
    "how", [{}, {"return_sequences": True}, {"go_backwards": True}, {"return_state": True}], ids=str
)
@pytest.mark.parametrize(("kind", "cell", "settings"), PAIRS)
def test_a_cell_in_rnn_is_the_layer(kind: Any, cell: Any, settings: Any, how: Any, mask: Any):
    whole, steps = kind(3, **settings, **how), layers.RNN(cell(3, **settings), **how)
    told = {} if mask is None else {"mask": tg.tensor(mask)}
    whole(X)
    steps(X)
    assert [w.name for w in whole.weights] == [w.name for w in steps.weights]
    steps.set_weights(whole.get_weights())
    for a, b in zip(
        tg.tree.flatten(whole(X, **told)), tg.tree.flatten(steps(X, **told)), strict=True
    ):
        close(a, b)


class Minimal(layers.Layer):
    """The example of Keras's documentation."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), "uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            (self.units, self.units), "uniform", name="recurrent_kernel"
        )

    def call(self, inputs, states):
        output = inputs @ self.kernel + states[0] @ self.recurrent_kernel
        return output, [output]


class Counter:
    """A cell that is no Layer and has no weights."""

    state_size = 2

    def call(self, inputs, states):
        return inputs[:, :2] + states[0], states[0] + 1


def test_a_cell_of_ones_own() -> None:
    layer = layers.RNN(Minimal(3), return_sequences=True)
    twin = layers.SimpleRNN(3, activation="linear", use_bias=False, return_sequences=True)
    twin(X)
    layer(X)
    twin.set_weights(layer.get_weights())
    close(layer(X), twin(X))
    assert layer.compute_output_shape((None, 5, 4)) == (None, 5, 3)
    y, state = layers.RNN(Counter(), return_state=True)(X)
    close(y, X[:, -1, :2] + 4)
    close(state, np.full((3, 2), 5))


def test_stacked_cells_are_layers_on_layers() -> None:
    stack = layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)], return_state=True)
    y, first, second = stack(X, mask=tg.tensor(MASK))
    assert [tuple(s.shape) for s in [*first, *second]] == [(3, 3), (3, 2), (3, 2)]
    shapes = stack.compute_output_shape((None, 5, 4))
    assert shapes == [(None, 2), (None, 3), [(None, 2), (None, 2)]]
    below, above = layers.GRU(3, return_sequences=True, return_state=True), layers.LSTM(2)
    below(X)
    above(np.zeros((1, 5, 3), "float32"))
    weights = stack.get_weights()
    below.set_weights(weights[:3])
    above.set_weights(weights[3:])
    seen, last = below(X, mask=tg.tensor(MASK))
    close(y, above(seen.numpy(), mask=tg.tensor(MASK)))
    close(first[0], last)


def test_states_are_kept_and_given() -> None:
    cell = layers.LSTMCell(3)
    layer = layers.RNN(cell, return_sequences=True, stateful=True)
    whole = layers.RNN(cell, return_sequences=True, return_state=True)
    y, h, _ = whole(X)
    close(np.concatenate([layer(X[:, :2]), layer(X[:, 2:])], axis=1), y)
    layer.reset_state()
    close(layer(X[:, :2]), y[:, :2])
    _, h2, c2 = whole(X[:, :2])
    close(whole(X[:, 2:], initial_state=[h2, c2])[1], h)
    with pytest.raises(ValueError, match="states do not fit"):
        layer(X[:2])


@pytest.mark.parametrize("make", [
    lambda: layers.RNN([layers.GRUCell(3, dropout=0.2, seed=1), layers.SimpleRNNCell(2)]),
    lambda: layers.RNN(layers.LSTMCell(2, kernel_constraint="unit_norm"), go_backwards=True),
    lambda: layers.Bidirectional(layers.RNN(layers.GRUCell(2, reset_after=False))),
])  # fmt: skip
def test_config_and_model(make: Any) -> None:
    x = tg.Input((None, 4))
    model = tg.Model(x, make()(x))
    assert model.output_shape[0] is None
    again = tg.Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))


def test_dropout_is_the_same_at_all_steps() -> None:
    layer = layers.RNN(
        layers.SimpleRNNCell(
            4, "linear", use_bias=False, dropout=0.5, kernel_initializer="identity",
            recurrent_initializer="zeros", seed=3,
        ),
        return_sequences=True,
    )  # fmt: skip
    ones = np.ones((6, 5, 4), "float32")
    close(layer(ones), ones)
    y = layer(ones, training=True).numpy()
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 5, axis=1))
    assert set(np.unique(y)) == {0, 2}
    assert (layer(ones, training=True).numpy() != y).any()


@pytest.mark.parametrize("reset_after", [True, False])
def test_recurrent_dropout_of_a_gru_spares_the_state_that_is_mixed_in(reset_after: bool) -> None:
    """Only the products with R lose units: without them, u and n come from x alone."""
    layer = layers.GRU(3, recurrent_dropout=1.0, reset_after=reset_after, return_sequences=True)
    y = layer(X, training=True).numpy()
    z = X @ layer.kernel.numpy()
    u, n = 1 / (1 + np.exp(-z[..., :3])), np.tanh(z[..., 6:])
    h = np.zeros((3, 3))
    for t in range(5):
        h = u[:, t] * h + (1 - u[:, t]) * n[:, t]
        close(y[:, t], h)


def test_second_derivatives() -> None:
    layer = layers.RNN(layers.LSTMCell(2, dtype="float64"), dtype="float64")
    x = tg.Tensor(X[:1, :2].astype("float64"), requires_grad=True)
    gx = tg.grad(layer(x).sum(), x, create_graph=True)
    fused = layers.LSTM(2, dtype="float64")
    fused(x)
    fused.set_weights(layer.get_weights())
    fx = tg.grad(fused(x).sum(), x, create_graph=True)
    close(tg.grad((gx * gx).sum(), x), tg.grad((fx * fx).sum(), x))


@pytest.mark.skipif(kernels.core is None, reason="the NumPy kernels are not captured")
@pytest.mark.parametrize("stateful", [False, True])
def test_captured(stateful: bool) -> None:
    y = np.ones((3, 1), "float32")

    def make() -> Any:
        cells = [layers.GRUCell(3, dropout=0.2, recurrent_dropout=0.2), layers.LSTMCell(2)]
        return tg.Sequential(
            [tg.Input((5, 4)), layers.RNN(cells, stateful=stateful), layers.Dense(1)]
        )

    unbroken(same_training(make, X, y))


@pytest.mark.skipif(kernels.core is None, reason="the NumPy kernels are not captured")
@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_stateful_layers_captured(kind: Any) -> None:
    def make() -> Any:
        return tg.Sequential([tg.Input((5, 4)), kind(3, stateful=True), layers.Dense(1)])

    unbroken(same_training(make, X, np.ones((3, 1), "float32")))


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_captured_steps_begin_again_after_reset_state(kind: Any) -> None:
    model = tg.Sequential([tg.Input((5, 4)), kind(3, stateful=True)])
    first = model.predict(X, verbose=0)
    for _ in range(4):  # recorded, then replayed
        assert not np.allclose(model.predict(X, verbose=0), first)
    model.layers[0].reset_state()
    close(model.predict(X, verbose=0), first)
    with pytest.raises(ValueError, match="batches of 3"):
        model.predict(X[:1], verbose=0)


class Keeper(layers.Layer):
    """A stateful layer inside another, which does not state its output shape."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner(x)


def test_shapes_are_found_without_a_trace_in_stateful_layers() -> None:
    for inner in (layers.GRU(2, stateful=True), layers.RNN(layers.GRUCell(2), stateful=True)):
        x = tg.Input((5, 4))
        model = tg.Model(x, Keeper(inner)(x))
        assert model.output_shape == (None, 2)
        assert inner.states is None
        first = model.predict(X, verbose=0)
        assert not np.allclose(model.predict(X, verbose=0), first)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.RNN(layers.Dense(2)), "a cell with state_size"),
        (lambda: layers.RNN([layers.GRUCell(2), ops.tanh]), "a cell with call"),
        (lambda: layers.GRUCell(0), "units > 0"),
        (lambda: layers.LSTMCell(2, recurrent_dropout=2), "rate"),
        (lambda: layers.RNN(layers.GRUCell(2))(X[:, :0]), "at least one step"),
        (lambda: layers.RNN(layers.GRUCell(2))(X, [tg.zeros((3, 4))]), "states do not fit"),
    ],
)
def test_bad_input(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
