"""Attention and Transformer layers: masks, causality, positions, heads."""

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn.layers.transformer import sinusoids

layers = tg.layers
rng = np.random.default_rng(0)
X = rng.normal(size=(2, 5, 8)).astype("float32")
Z = rng.normal(size=(2, 7, 6)).astype("float32")


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def test_weight_shapes_are_those_of_keras():
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=4)
    layer(X, Z)
    assert [w.shape for w in layer.weights] == [
        (8, 2, 3), (2, 3), (6, 2, 3), (2, 3), (6, 2, 4), (2, 4), (2, 4, 8), (8,),
    ]  # fmt: skip


def test_attention_by_hand():
    """The layer against the formula, head by head."""
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=3)
    y, weights = layer(X, Z, return_attention_scores=True)
    wq, bq, wk, bk, wv, bv, wo, bo = layer.get_weights()
    out = np.zeros_like(X)
    for h in range(2):
        q, k, v = X @ wq[:, h] + bq[h], Z @ wk[:, h] + bk[h], Z @ wv[:, h] + bv[h]
        s = q @ k.swapaxes(1, 2) / np.sqrt(3)
        p = np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)
        close(weights[:, h], p)
        out += p @ v @ wo[h]
    close(y, out + bo)
    close(layer(X, Z), y)  # the fused way


def test_causal_attention_does_not_see_the_future():
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=4)
    y = layer(X, X, use_causal_mask=True).numpy()
    changed = X.copy()
    changed[:, 3:] += 1
    z = layer(changed, changed, use_causal_mask=True).numpy()
    close(y[:, :3], z[:, :3])
    assert abs(y[:, 3:] - z[:, 3:]).max() > 1e-3


@pytest.mark.parametrize("scores", [False, True])
def test_all_ways_to_mask_agree(scores):
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=4)
    keep = np.array([[1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]], bool)
    masks = [
        {"value_mask": tg.Tensor(keep)},
        {"key_mask": tg.Tensor(keep)},
        {"attention_mask": tg.Tensor(np.repeat(keep[:, None], 5, axis=1))},
        {"attention_mask": tg.Tensor(keep[:, None, None])},
    ]
    outputs = [layer(X, Z, return_attention_scores=scores, **mask) for mask in masks]
    first = [y[0] if scores else y for y in outputs]
    for y in first[1:]:
        close(y, first[0])
    if scores:
        assert (outputs[0][1].numpy()[1, :, :, 2:] == 0).all()
    changed = np.where(keep[..., None], Z, 99).astype("float32")
    again = layer(X, changed, value_mask=tg.Tensor(keep))
    close(again, first[0])


def test_a_mask_that_is_no_list_is_refused():
    x = np.ones((2, 3, 4), "float32")
    for layer in (layers.Attention(), layers.AdditiveAttention()):
        with pytest.raises(ValueError, match="Expected mask as a list"):
            layer([x, x], mask=np.ones((2, 3), bool))


def test_masks_are_carried_by_inputs():
    tokens = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]])
    x = layers.Embedding(6, 8, mask_zero=True)(tokens)
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=4)
    y, weights = layer(x, x, return_attention_scores=True)
    assert (weights.numpy()[0, :, :3, 3:] == 0).all()
    np.testing.assert_array_equal(y.mask.numpy(), tokens != 0)


def test_sliding_window():
    layer = layers.MultiHeadAttention(num_heads=1, key_dim=4, sliding_window=2)
    _, weights = layer(X, X, return_attention_scores=True)
    far = abs(np.arange(5)[:, None] - np.arange(5)) >= 2
    assert (weights.numpy()[:, 0][:, far] == 0).all()


def test_dropout_only_while_training():
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=4, dropout=0.5, seed=1)
    np.testing.assert_array_equal(layer(X, X).numpy(), layer(X, X).numpy())
    assert (layer(X, X, training=True).numpy() != layer(X, X).numpy()).any()


def test_self_attention_is_the_documents_formula():
    layer = layers.SelfAttention(4)
    y = layer(X)
    q, k, v = (X @ w for w in layer.get_weights())
    s = q @ k.swapaxes(1, 2) / 2
    p = np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True)
    close(y, p @ v)


def test_self_attention_masks():
    layer = layers.SelfAttention(4)
    keep = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
    _, padded = layer(X, mask=tg.Tensor(keep), return_attention_scores=True)
    assert (padded.numpy()[0, :, 3:] == 0).all()
    _, causal = layer(X, use_causal_mask=True, return_attention_scores=True)
    assert (np.triu(causal.numpy(), 1) == 0).all()
    _, given = layer(X, attention_mask=np.tri(5, dtype=bool), return_attention_scores=True)
    close(given, causal)


def test_positions():
    table = sinusoids(50, 6)
    close(table[0], [0, 1, 0, 1, 0, 1])
    close(table[7, 2:4], [np.sin(7 / 10000 ** (2 / 6)), np.cos(7 / 10000 ** (2 / 6))])
    assert len(np.unique(table.round(6), axis=0)) == 50
    layer = layers.PositionalEncoding(multiplier=None)
    close(layer(X), X * np.sqrt(8) + sinusoids(5, 8), 1e-5)
    close(layer(X[:, :2]), X[:, :2] * np.sqrt(8) + sinusoids(2, 8), 1e-5)


@pytest.mark.parametrize("first", [False, True])
def test_encoder_with_a_causal_mask_does_not_see_the_future(first):
    block = layers.TransformerEncoder(16, num_heads=2, normalize_first=first)
    y = block(X, use_causal_mask=True).numpy()
    z = block(X[:, :3], use_causal_mask=True).numpy()
    close(y[:, :3], z, 1e-4)


def test_decoder_sees_its_past_and_the_whole_source():
    block = layers.TransformerDecoder(16, num_heads=2)
    y = block(X, Z).numpy()
    close(block(X[:, :2], Z), y[:, :2], 1e-4)
    assert abs(block(X, Z[:, :6]).numpy() - y).max() > 1e-4
    keep = np.ones((2, 7), bool)
    keep[:, 6] = False
    close(block(X, Z, encoder_outputs_mask=tg.Tensor(keep)), block(X, Z[:, :6]), 1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=4, sliding_window=3),
        layers.Attention(use_scale=True, score_mode="concat", dropout=0.1),
        layers.SelfAttention(4, use_bias=True),
        layers.PositionalEncoding(max_wavelength=100.0, multiplier=None),
        layers.TransformerEncoder(16, 2, dropout=0.1, activation="gelu", normalize_first=True),
        layers.TransformerDecoder(16, 2, kernel_initializer="he_normal"),
    ],
    ids=lambda layer: layer.name,
)
def test_config_round_trip(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.MultiHeadAttention(0, 3), "num_heads > 0"),
        (lambda: layers.MultiHeadAttention(2, 3, attention_axes=(1, 2)), "attention_axes"),
        (lambda: layers.MultiHeadAttention(2, 3, use_gate=True), "use_gate"),
        (lambda: layers.MultiHeadAttention(2, 3)(X[0], X[0]), r"\(N, T, D\)"),
        (lambda: layers.Attention()(X), "a list"),
        (lambda: layers.Attention(score_mode="mul"), "score_mode"),
        (lambda: layers.SelfAttention(-1), "attention_head_size"),
        (lambda: layers.TransformerEncoder(16, 3)(X), "num_heads"),
        (lambda: layers.PositionalEncoding()(X[0]), r"\(N, T, D\)"),
    ],
)
def test_bad_input(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_transformer_learns_to_copy_in_reverse():
    tg.utils.set_random_seed(0)
    x = np.random.default_rng(0).integers(1, 6, (512, 4))
    tokens = tg.Input((4,), dtype="int32")
    y = layers.PositionalEncoding()(layers.Embedding(6, 32)(tokens))
    y = layers.TransformerEncoder(64, num_heads=4)(y)
    model = tg.Model(tokens, layers.Dense(6)(y))
    loss = tg.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tg.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    history = model.fit(x, x[:, ::-1], epochs=15, verbose=0)
    assert history.history["accuracy"][-1] > 0.95


@pytest.mark.parametrize("additive", [False, True], ids=["boolean", "float"])
def test_captured_weights_heed_the_mask_of_each_call(additive):
    q = np.random.default_rng(0).normal(size=(1, 1, 3, 2)).astype("float32")
    weights = tg.jit(lambda q, mask: tg.ops.attention_weights(q, q, mask, causal=True))
    for last in (True, True, True, False):  # the first two calls are what is captured
        mask = np.array([[True, True, last]])
        mask = np.where(mask, 0, -np.inf).astype("float32") if additive else mask
        found = weights(q, mask).numpy()[0, 0, 2]
        assert (found > 0).tolist() == [True, True, last]
