"""Layers that adapt to data, or encode it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import layers

rng = np.random.default_rng(0)
DATA = (rng.standard_normal((60, 5, 3)) * [1, 4, 0.1] + [0, 2, -3]).astype("float32")


@pytest.mark.parametrize("axis", [-1, None, (1, 2), (0, -1)])
def test_adapted_data_has_mean_0_and_variance_1(axis: Any) -> None:
    layer = layers.Normalization(axis=axis)
    layer.adapt(DATA)
    y = layer(DATA).numpy()
    rest = tuple(i for i in range(3) if i not in [a % 3 for a in layer.axis])
    np.testing.assert_allclose(y.mean(axis=rest), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(axis=rest), 1, atol=1e-4)
    back = layers.Normalization(axis=axis, invert=True)
    back.adapt(DATA)
    np.testing.assert_allclose(back(y).numpy(), DATA, atol=1e-4)


def test_batches_give_what_the_whole_gives() -> None:
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(tg.tensor(DATA))
    parts.adapt([DATA[:7], (DATA[7:40], None), DATA[40:]])
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_in_a_model_that_is_trained_and_saved(tmp_path: Any) -> None:
    normalize = layers.Normalization()
    normalize.adapt(DATA)
    model = tg.Sequential([tg.Input((5, 3)), normalize, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(DATA, np.ones((60, 1), "float32"), epochs=3, verbose=0)
    assert [w.trainable for w in normalize.weights] == [False] * 3
    model.save(tmp_path / "model.tgcn")
    again = tg.models.load_model(tmp_path / "model.tgcn")
    np.testing.assert_array_equal(again.predict(DATA, verbose=0), model.predict(DATA, verbose=0))
    before = model.predict(DATA, verbose=0)
    normalize.adapt(DATA * 3)  # a captured step reads the new numbers
    assert (model.predict(DATA, verbose=0) != before).any()


def test_counts_have_weights() -> None:
    layer = layers.CategoryEncoding(3, "count")
    tokens, weights = np.array([[0, 1, 1], [2, 2, 2]]), np.array([[1, 2, 3], [0.5, 0.5, 1]])
    y = layer(tokens, count_weights=weights.astype("float32")).numpy()
    np.testing.assert_array_equal(y, [[1, 5, 0], [0, 0, 2]])
    with pytest.raises(ValueError, match="count_weights with output_mode 'count' only"):
        layers.CategoryEncoding(3)(tokens, count_weights=weights)


@pytest.mark.parametrize("n", [2, 4, 10])
def test_bins_are_filled_evenly(n: int) -> None:
    layer = layers.Discretization(num_bins=n)
    values = rng.standard_normal(5000).astype("float32")
    layer.adapt(np.array_split(values, 7))
    assert len(layer.bin_boundaries) == n - 1
    shares = np.bincount(layer(values).numpy(), minlength=n) / 5000
    np.testing.assert_allclose(shares, 1 / n, atol=0.02)
    again = layers.deserialize(layers.serialize(layer))
    np.testing.assert_array_equal(again(values).numpy(), layer(values).numpy())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.Normalization(mean=1.0), "mean and variance"),
        (lambda: layers.Normalization(mean=[1.0], variance=[1.0, 2.0]), "the same shape"),
        (lambda: layers.Normalization(axis=None, mean=[1.0], variance=[1.0]), "at most as many"),
        (lambda: layers.Normalization(axis=3)(DATA), "axes within"),
        (lambda: layers.Normalization().adapt([]), "at least one batch"),
        (lambda: layers.Normalization().adapt([DATA, DATA[..., :2]]), "expected data of shape"),
        (lambda: layers.Normalization(mean=0.0, variance=1.0).adapt(DATA), "without mean"),
        (lambda: layers.CategoryEncoding(), "num_tokens"),
        (lambda: layers.CategoryEncoding(3, "two_hot"), "output_mode"),
        (lambda: layers.CategoryEncoding(3, sparse=True), "not supported"),
        (lambda: layers.CategoryEncoding(3)(np.zeros((2, 2, 2), "int32")), r"\(N, L\)"),
        (lambda: layers.Discretization(), "one of bin_boundaries and num_bins"),
        (lambda: layers.Discretization(num_bins=3)(DATA), "adapt"),
        (lambda: layers.Discretization([1.0]).adapt(DATA), "num_bins"),
        (lambda: layers.EinsumDense("ab->a", 3), "an equation"),
        (lambda: layers.EinsumDense("ab,bc->ad", 3), "axis 'd' of the output"),
        (lambda: layers.EinsumDense("ab,bcd->ac", 3), "axis 'd' of w"),
        (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="b"), "axis 'b' of the bias"),
        (lambda: layers.EinsumDense("ab,bc->ac", (2, 3)), "1 lengths"),
        (lambda: layers.EinsumDense("abc,cd->abd", (4, 3))(DATA), "two lengths"),
        (lambda: layers.EinsumDense("ab,bc->ac", 3)(DATA), "does not fit"),
        (lambda: layers.GroupQueryAttention(2, 3, 2), "a multiple of num_key_value_heads"),
        (lambda: layers.GroupQueryAttention(2, 3, 0), "num_key_value_heads > 0"),
    ],
)
def test_bad_input(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_einsum_dense_begins_as_wide_as_dense_does() -> None:
    """Its kernel (in, heads, width) has heads times width outputs."""
    tg.utils.set_random_seed(1)
    layer = layers.EinsumDense("abc,cde->abde", (None, 10, 20))
    layer.build((None, 5, 40))
    limit = np.sqrt(6 / (40 + 200))
    assert 0.98 * limit < np.abs(layer.kernel.numpy()).max() <= limit
    many = layers.MultiHeadAttention(10, 20)
    many.build((None, 5, 40), (None, 5, 40))
    for kernel in (many.weights[0], many.weights[6]):
        assert 0.98 * limit < np.abs(kernel.numpy()).max() <= limit


def test_adapting_as_keras_does() -> None:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = pytest.importorskip("keras", reason="the peers extra is not installed")
    batches = [DATA[:30], DATA[30:]]
    for settings in ({}, {"axis": None}, {"axis": (1, 2), "invert": True}):
        mine, yours = layers.Normalization(**settings), keras.layers.Normalization(**settings)
        mine.adapt(batches)
        yours.adapt(batches)
        np.testing.assert_allclose(
            mine(DATA).numpy(), np.asarray(yours(DATA)), rtol=1e-4, atol=1e-4
        )
    for n in (3, 7):
        mine, yours = layers.Discretization(num_bins=n), keras.layers.Discretization(num_bins=n)
        for data in (DATA, batches):
            mine.adapt(data)
            yours.adapt(data)
            np.testing.assert_allclose(mine.bin_boundaries, yours.bin_boundaries, rtol=1e-6)
            np.testing.assert_array_equal(mine(DATA).numpy(), np.asarray(yours(DATA)))
