"""Recurrent layers: states, masks, directions; the fused op against the cell in plain ops."""

import numpy as np
import pytest

import tinygrad_cn as tg

layers = tg.layers
KINDS = [layers.SimpleRNN, layers.LSTM, layers.GRU]
X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)


def twin(layer, **changes):
    """A layer with the same weights and other settings."""
    other = type(layer).from_config({**layer.get_config(), "name": "twin", **changes})
    other.build(X.shape)
    other.set_weights(layer.get_weights())
    return other


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_fused_and_unrolled_agree(kind, masked, backwards):
    layer = kind(3, return_sequences=True, return_state=True, go_backwards=backwards)
    layer.build(X.shape)
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.weights])
    mask = MASK if masked else None
    states = layer.get_initial_state(3)

    def run(outputs):
        total = sum([(y * y).sum() for y in outputs])
        return outputs, tg.grad(total, layer.trainable_weights)

    outputs, gradients = run(layer.fused(tg.Tensor(X), states, None if mask is None else mask))
    wrapped = None if mask is None else tg.Tensor(mask)
    others, other_gradients = run(layer._unrolled(tg.Tensor(X), states, wrapped, 0.0))
    for a, b in zip([*outputs, *gradients], [*others, *other_gradients], strict=True):
        close(a, b, 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_halves_is_one_sequence(kind):
    layer = kind(3, return_sequences=True, return_state=True)
    whole, *_ = layer(X)
    first, *states = layer(X[:, :2])
    second, *_ = layer(X[:, 2:], initial_state=states)
    close(np.concatenate([first, second], axis=1), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_stateful_layers_go_on(kind):
    layer = kind(3, return_sequences=True)
    whole = layer(X)
    keeper = twin(layer, stateful=True)
    halves = [keeper(X[:, :2]), keeper(X[:, 2:])]
    close(np.concatenate(halves, axis=1), whole)
    keeper.reset_states()
    close(keeper(X[:, :2]), whole[:, :2])


@pytest.mark.parametrize("kind", KINDS)
def test_padding_at_the_end_does_not_matter(kind):
    layer = kind(3)
    padded = np.concatenate([X, np.full((3, 2, 4), 9, "float32")], axis=1)
    mask = np.concatenate([np.ones((3, 5), bool), np.zeros((3, 2), bool)], axis=1)
    close(layer(padded, mask=tg.Tensor(mask)), layer(X))


@pytest.mark.parametrize("kind", KINDS)
def test_backwards_is_forwards_on_the_reversed_sequence(kind):
    layer = kind(3, return_sequences=True)
    close(twin(layer, go_backwards=True)(X) if layer(X) is not None else None, layer(X[:, ::-1]))


def test_masks_come_from_embeddings_and_go_on():
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    embedding = layers.Embedding(5, 4, mask_zero=True)
    rnn = layers.LSTM(3, return_sequences=True)
    y = rnn(embedding(tokens))
    np.testing.assert_array_equal(y.mask.numpy(), tokens != 0)
    close(y.numpy()[1, 3], y.numpy()[1, 0])  # the state stays
    last = layers.GRU(2)(y)
    assert not hasattr(last, "mask")


def test_bidirectional_is_two_layers():
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="concat")
    y = both(X).numpy()
    close(y[..., :3], both.forward_layer(X))
    close(y[..., 3:], both.backward_layer(X).numpy()[:, ::-1])
    assert both.compute_output_shape((None, 5, 4)) == (None, 5, 6)
    again = layers.Bidirectional.from_config({**both.get_config(), "name": "again"})
    again.build(X.shape)
    again.set_weights(both.get_weights())
    close(again(X), y)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
def test_bidirectional_config(mode):
    both = layers.Bidirectional(layers.GRU(2, return_state=True), merge_mode=mode)
    again = layers.Bidirectional.from_config(both.get_config())
    assert again.merge_mode == mode
    assert again.get_config() == both.get_config()


def test_bidirectional_masks_its_outputs():
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True))
    y = both(X, mask=tg.Tensor(MASK)).numpy()
    assert (y[~MASK] == 0).all() and (y[MASK] != 0).any(axis=-1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_only_while_training(kind):
    layer = kind(4, dropout=0.5, recurrent_dropout=0.5, seed=1)
    a, b = layer(X).numpy(), layer(X).numpy()
    np.testing.assert_array_equal(a, b)
    assert (layer(X, training=True).numpy() != a).any()


def test_the_forget_gate_begins_open():
    layer = layers.LSTM(2)
    layer.build((None, 5, 4))
    assert layer.bias.numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    shut = layers.LSTM(2, unit_forget_bias=False)
    shut.build((None, 5, 4))
    assert not shut.bias.numpy().any()


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind):
    layer = kind(2, dtype="float64")
    x = tg.Tensor(X[:1, :2].astype("float64"), requires_grad=True)
    gx = tg.grad(layer(x).sum(), x, create_graph=True)
    assert np.isfinite(tg.grad((gx * gx).sum(), x).numpy()).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.LSTM(0), "units > 0"),
        (lambda: layers.GRU(2, dropout=1.5), "rate"),
        (lambda: layers.SimpleRNN(2, kernel_constraint="x"), "Unknown name"),
        (lambda: layers.LSTM(2, use_cudnn=True), "use_cudnn"),
        (lambda: layers.LSTM(2)(X[0]), "3 axes"),
        (lambda: layers.LSTM(2)(X[:, :0]), "at least one step"),
        (lambda: layers.GRU(2)(X, initial_state=[tg.zeros((3, 4))]), "initial_state"),
        (lambda: layers.Bidirectional(layers.Dense(2)), "recurrent layer"),
        (lambda: layers.Bidirectional(layers.GRU(2), merge_mode="max"), "merge_mode"),
        (lambda: layers.LSTM(2, actvation="relu"), "Did you mean 'activation'"),
    ],
)
def test_bad_input(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_an_rnn_learns_to_remember():
    """The class is the sign of the first step; the others are noise."""
    tg.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8, 1)).astype("float32")
    y = (x[:, 0] > 0).astype("float32")
    model = tg.Sequential([tg.Input((8, 1)), layers.LSTM(8), layers.Dense(1, activation="sigmoid")])
    model.compile(tg.optimizers.Adam(0.03), "bce", metrics=["accuracy"])
    history = model.fit(x, y, epochs=12, verbose=0)
    assert history.history["accuracy"][-1] > 0.9


def test_both_directions_forget_under_both_names():
    x = np.ones((2, 3, 4), "float32")
    layer = layers.Bidirectional(layers.LSTM(2, stateful=True))
    first = layer(x).numpy()
    for forget in (layer.reset_state, layer.reset_states):
        assert np.abs(layer(x).numpy() - first).max() > 1e-4
        forget()
        np.testing.assert_array_equal(layer(x).numpy(), first)


def test_a_chain_without_input_takes_sequences_of_any_length(tmp_path):
    model = tg.Sequential([layers.Embedding(5, 3), layers.LSTM(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(((np.ones((2, n), "int32"), np.ones((2, 1))) for n in (3, 5, 4)), verbose=0)
    model.save(tmp_path / "model.tgcn")
    again = tg.models.load_model(tmp_path / "model.tgcn")
    for n in (2, 7):
        x = np.ones((2, n), "int32")
        close(again(x), model(x))
    known = tg.Sequential([tg.Input((3, 2)), layers.LSTM(2)])
    with pytest.raises(ValueError, match="another shape"):
        known(np.ones((1, 4, 2)))
