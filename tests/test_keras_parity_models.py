"""Whole programs, run twice: with Keras 3 and with ``import tinygrad_cn as keras``. The same
weights to begin with give the same summary counts, histories, weights and predictions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cn

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras_3 = pytest.importorskip("keras", reason="the peers extra is not installed")
pytest.importorskip("tensorflow", reason="Keras is compared with on TensorFlow")

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, at import and at first use

RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((48, 6)).astype("float32")
TARGET = RNG.standard_normal((48, 1)).astype("float32")
KIND = RNG.integers(0, 3, 48)
IMAGES = RNG.random((48, 12, 12, 1)).astype("float32")
WORDS = np.where(RNG.random((48, 7)) < 0.3, 0, RNG.integers(1, 9, (48, 7)))
WORDS[:, 0] = 1


def mlp(keras: Any) -> tuple:
    model = keras.Sequential()
    model.add(keras.layers.Dense(10, input_shape=(6,), activation="relu"))
    model.add(keras.layers.Dense(1, activation="linear"))
    model.compile(optimizer="adam", loss="mean_squared_error", metrics=["mean_squared_error"])
    return model, TABLE, TARGET, {"batch_size": 10, "validation_split": 0.2}


def binary(keras: Any) -> tuple:
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(10, activation="relu", kernel_regularizer="l2"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, activation="sigmoid", activity_regularizer="l1"),
        ]
    )
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC()])
    return model, TABLE, KIND % 2, {"class_weight": {0: 1.0, 1: 3.0}}


def cnn(keras: Any) -> tuple:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(4, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(6, 3, padding="same", strides=2),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dropout(0.0),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, IMAGES, KIND, {"validation_data": (IMAGES[:9], KIND[:9])}


def subclass(keras: Any) -> tuple:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = keras.layers.Conv2D(3, (3, 3), activation="relu")
            self.flatten = keras.layers.Flatten()
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            x = self.conv1(inputs)
            x = keras.layers.AveragePooling2D((2, 2))(x)
            return self.dense(self.flatten(x))

    model = Net()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.RMSprop(0.01), loss, metrics=["accuracy"])
    return model, IMAGES, KIND, {"sample_weight": np.linspace(0, 2, 48)}


def towers(keras: Any) -> tuple:
    layers = keras.layers
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    shared = layers.Dense(4, activation="tanh", name="shared")
    both = layers.Concatenate()([shared(a), shared(b)])
    summed = layers.Add()([shared(a), shared(b)]) * 2.0
    kind = layers.Dense(3, activation="softmax", name="kind")(both)
    size = layers.Dense(1, name="size")(keras.ops.relu(summed))
    model = keras.Model(inputs=[a, b], outputs=[kind, size])
    model.compile(
        keras.optimizers.Adam(0.01),
        loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights={"kind": 0.5, "size": 2.0},
        metrics={"kind": "accuracy", "size": ["mae"]},
    )
    # equal batches: Keras averages the losses of single outputs over batches, not over samples
    return model, [TABLE, TABLE[::-1]], [KIND, TARGET], {"batch_size": 24}


def words(keras: Any) -> tuple:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(9, 5, mask_zero=True),
            layers.LSTM(4, return_sequences=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    # SGD: on TensorFlow, Adam treats the rows of a table that occur twice in a batch in its own way
    model.compile("sgd", "mse", metrics=["mae"])
    return model, WORDS, TARGET, {}


def tagging(keras: Any) -> tuple:
    """A mask that reaches the loss."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(9, 5, mask_zero=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, WORDS, WORDS % 3, {}


def nested(keras: Any) -> tuple:
    layers = keras.layers
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.ReLU()])
    x = keras.Input((6,))
    h = inner(x)
    h = layers.Multiply()([h, layers.Dense(5, activation="sigmoid")(h)])
    y = layers.Dense(1)(layers.Reshape((5,))(layers.Permute((2, 1))(layers.RepeatVector(1)(h))))
    model = keras.Model(x, y)
    model.compile("adamw", keras.losses.Huber(), weighted_metrics=["mae"])
    return model, TABLE, TARGET, {"sample_weight": np.linspace(0, 2, 48)}


def constrained(keras: Any) -> tuple:
    layers, limits = keras.layers, keras.constraints
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(4, 3, kernel_constraint=limits.MaxNorm(0.5, axis=[0, 1, 2])),
            layers.BatchNormalization(gamma_constraint="non_neg"),
            layers.PReLU(alpha_constraint=limits.MinMaxNorm(0.1, 0.4, rate=0.9), shared_axes=[1]),
            layers.Reshape((10, 40)),
            layers.LSTM(5, recurrent_constraint="unit_norm", bias_constraint=limits.MaxNorm(0.3)),
            layers.Dense(1, kernel_constraint=limits.UnitNorm(), bias_constraint="NonNeg"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.5), "mse")
    return model, IMAGES, TARGET, {"batch_size": 16}


def cells(keras: Any) -> tuple:
    layers = keras.layers
    stack = [layers.GRUCell(4), layers.LSTMCell(3, unit_forget_bias=False)]
    tops = [layers.LSTMCell(4), layers.SimpleRNNCell(3, activation="relu")]
    both = layers.RNN(layers.SimpleRNNCell(3, kernel_regularizer="l2"), return_sequences=True)
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(9, 5, mask_zero=True),
            layers.RNN(stack, return_sequences=True),
            layers.Bidirectional(both, merge_mode="concat"),
            layers.RNN(layers.StackedRNNCells(tops), go_backwards=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.5, momentum=0.5),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model, WORDS, KIND, {"batch_size": 16}


PROGRAMS: list[Callable] = [
    mlp, binary, cnn, subclass, towers, words, tagging, nested, constrained, cells,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_program(program: Callable) -> None:
    keras_3.utils.clear_session()
    tinygrad_cn.utils.clear_session()
    theirs, x, y, settings = program(keras_3)
    ours, *_ = program(tinygrad_cn)
    first = [a[:2] for a in x] if isinstance(x, list) else x[:2]
    theirs(first)
    ours(first)
    mine, yours = ours.get_weights(), theirs.get_weights()
    assert [w.shape for w in mine] == [w.shape for w in yours]
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert len(ours.trainable_weights) == len(theirs.trainable_weights)
    ours.set_weights(yours)

    told = {"epochs": 3, "shuffle": False, "verbose": 0, **settings}
    expected = theirs.fit(x, y, **told).history
    history = ours.fit(x, y, **told).history
    assert set(history) == set(expected)
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[name], rtol=2e-4, atol=2e-5, err_msg=name)
    for w, v in zip(ours.weights, theirs.get_weights(), strict=True):
        np.testing.assert_allclose(w.numpy(), v, rtol=5e-3, atol=2e-4, err_msg=w.path)
    mine, yours = ours.predict(x, verbose=0), theirs.predict(x, verbose=0)
    for p, q in zip(*[v if isinstance(v, list) else [v] for v in (mine, yours)], strict=True):
        np.testing.assert_allclose(p, q, rtol=5e-3, atol=5e-4)
    mine, yours = [m.evaluate(x, y, verbose=0, batch_size=24) for m in (ours, theirs)]
    np.testing.assert_allclose(mine, yours, rtol=2e-3, atol=2e-4)
    mine, yours = ours.train_on_batch(x, y), theirs.train_on_batch(x, y)
    np.testing.assert_allclose(mine, yours, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(
    "program", [p for p in PROGRAMS if p is not subclass], ids=lambda program: program.__name__
)
def test_config_of_a_keras_model_is_understood(program: Callable) -> None:
    """A model that Keras describes is built here, and computes the same."""
    theirs, x, _, _ = program(keras_3)
    kind = "Sequential" if isinstance(theirs, keras_3.Sequential) else "Model"
    ours = getattr(tinygrad_cn, kind).from_config(theirs.get_config())
    ours.set_weights(theirs.get_weights())
    mine, yours = ours.predict(x, verbose=0), theirs.predict(x, verbose=0)
    for p, q in zip(*[v if isinstance(v, list) else [v] for v in (mine, yours)], strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)
