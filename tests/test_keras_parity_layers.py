"""Layers against Keras 3, where it is installed: same weights and inputs give the same outputs,
gradients, shapes, masks and losses."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, LayerCase, make

import tinygrad_cn as tg

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras", reason="the peers extra is not installed")
tf = pytest.importorskip("tensorflow", reason="Keras is compared with on TensorFlow")

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, at import and at first use
ONLY_HERE = {"channels_first"}  # TensorFlow's CPU kernels know channels_last only


def both(case: LayerCase) -> tuple[Any, Any, Any]:
    """Our layer and Keras's with the same weights, and inputs for them."""
    x = case.inputs()
    theirs = make(keras.layers, case)
    ours = make(tg.layers, case)
    theirs(x)
    ours(x)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(w.shape).astype("float32") for w in theirs.get_weights()]
    theirs.set_weights(weights)
    if case.name == "Normalization":
        theirs.finalize_state()  # it computes with copies of its weights
    ours.set_weights(weights)
    return ours, theirs, x


def runs_on_tensorflow(case: LayerCase) -> bool:
    pools = "Pooling" in case.name or "Conv" in case.name
    return not (pools and case.args.get("data_format") == "channels_first")


@pytest.mark.parametrize("case", [c for c in CASES if runs_on_tensorflow(c)], ids=lambda c: c.id)
def test_output_and_gradients(case: LayerCase) -> None:
    ours, theirs, x = both(case)
    xs = x if isinstance(x, list) else [x]
    floats = [i for i, a in enumerate(xs) if a.dtype.kind == "f"]
    seed = np.random.default_rng(2)

    mine = [tg.tensor(a, requires_grad=i in floats) for i, a in enumerate(xs)]
    y = ours(mine if isinstance(x, list) else mine[0])
    g = seed.standard_normal(y.shape).astype("float32")
    loss = (y * g).sum()
    for term in ours.losses:
        loss = loss + term
    wanted = [mine[i] for i in floats] + list(ours.trainable_weights)

    yours = [tf.constant(a) for a in xs]
    with tf.GradientTape() as tape:
        tape.watch([yours[i] for i in floats])
        z = theirs(yours if isinstance(x, list) else yours[0])
        total = tf.reduce_sum(z * g)
        for term in theirs.losses:
            total = total + term
    sources = [yours[i] for i in floats] + [v.value for v in theirs.trainable_weights]
    expected = tape.gradient(total, sources)

    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(loss.item(), float(total), rtol=1e-4, atol=1e-4)
    if wanted:
        for got, want in zip(tg.grad(loss, wanted), expected, strict=True):
            np.testing.assert_allclose(
                got.numpy(), tf.convert_to_tensor(want).numpy(), rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_shapes_and_weights(case: LayerCase) -> None:
    """Symbolic shapes (with an unknown batch), names, shapes and number of weights."""
    ours, theirs = make(tg.layers, case), make(keras.layers, case)
    x = case.inputs()
    xs = x if isinstance(x, list) else [x]
    a = [tg.Input(v.shape[1:], dtype=str(v.dtype)) for v in xs]
    b = [keras.Input(v.shape[1:], dtype=str(v.dtype)) for v in xs]
    y, z = (ours(a), theirs(b)) if len(xs) > 1 else (ours(a[0]), theirs(b[0]))
    assert y.shape == tuple(z.shape)
    assert [(w.name, w.shape, w.trainable) for w in ours.weights] == [
        (w.name, tuple(w.shape), w.trainable) for w in theirs.weights
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_masks(case: LayerCase) -> None:
    """A mask that comes in goes out, or does not, as in Keras."""
    if len(case.shapes) != 1 or case.shapes[0][0] == "int" or len(case.shapes[0]) < 2:
        return
    ours, theirs, x = both(case)
    mask = np.random.default_rng(3).random(x.shape[:2]) < 0.7
    if not theirs.supports_masking or case.name == "Softmax":
        assert ours.supports_masking == theirs.supports_masking
        return
    y = ours.compute_mask(tg.tensor(x), tg.tensor(mask))
    z = theirs.compute_mask(tf.constant(x), tf.constant(mask))
    assert (y is None) == (z is None)
    if y is not None:
        np.testing.assert_array_equal(y.numpy(), z.numpy())


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_config(case: LayerCase) -> None:
    """Our config has the keys of Keras's, with the same plain values."""
    mine, yours = make(tg.layers, case).get_config(), make(keras.layers, case).get_config()
    silent = {"dtype", "quantization_config", "activity_regularizer"}  # left out where None
    assert set(yours) - silent <= set(mine)
    for key, value in yours.items():
        if key not in ("name", "dtype") and isinstance(value, (bool, int, float, str, tuple)):
            assert mine[key] == value, key


@pytest.mark.parametrize("name", ["Dense", "Conv2D", "MaxPooling2D", "ReLU", "LSTM", "ELU"])
def test_names_count_as_in_keras(name: str) -> None:
    args = {"Dense": (1,), "Conv2D": (1, 1), "LSTM": (1,)}.get(name, ())
    tg.utils.clear_session()
    keras.utils.clear_session()
    mine = [getattr(tg.layers, name)(*args).name for _ in range(3)]
    assert mine == [getattr(keras.layers, name)(*args).name for _ in range(3)]


def test_masked_average_over_steps() -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype("float32")
    mask = np.array([[1, 1, 0, 0], [1, 0, 1, 1]], bool)
    y = tg.layers.GlobalAveragePooling1D()(x, mask=tg.tensor(mask))
    z = keras.layers.GlobalAveragePooling1D()(x, mask=tf.constant(mask))
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-6)


def test_time_distributed() -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 5, 1)).astype("float32")
    ours = tg.layers.TimeDistributed(tg.layers.Conv2D(2, 3))
    theirs = keras.layers.TimeDistributed(keras.layers.Conv2D(2, 3))
    z = theirs(x)
    y = ours(x)
    ours.set_weights(theirs.get_weights())
    y = ours(x)
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5, atol=1e-5)
    assert ours.compute_output_shape(x.shape) == tuple(theirs.compute_output_shape(x.shape))
