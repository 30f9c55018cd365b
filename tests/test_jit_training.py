"""Every layer, loss and optimizer: 50 steps of training captured, and by hand, to the same
weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tests import layer_cases
from tinygrad_cn import kernels, layers, losses, ops, tree

pytestmark = pytest.mark.skipif(kernels.core is None, reason="the NumPy kernels are not captured")

STEPS = 50
rng = np.random.default_rng(0)


class Head(tg.Model):
    """A layer, and one number of all that it returns."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer, self.head = layer, layers.Dense(1)

    def call(self, x: Any) -> Any:
        made = [
            ops.reshape(y, shape=(y.shape[0], -1))
            for y in tree.flatten(self.layer(x))
            if y.dtype.kind == "f"
        ]
        return self.head(ops.concatenate(made, axis=-1) if len(made) > 1 else made[0])


def same_training(make: Any, x: Any, y: Any, loss: Any = "mse", **how: Any) -> Any:
    """Train twice, captured (without a way out) and eagerly; returns the captured model."""
    models = []
    for eager in (False, True):
        tg.utils.set_random_seed(1)
        model = make()
        optimizer = how.get("optimizer", lambda: tg.optimizers.Adam(0.01))()
        told = {"run_eagerly": True, "jit_compile": False} if eager else {"jit_compile": True}
        model.compile(optimizer, loss, metrics=how.get("metrics"), **told)
        model.history = model.fit(
            x, y, epochs=STEPS, batch_size=64, shuffle=False, verbose=0
        ).history
        models.append(model)
    captured, eager = models
    plan = captured._plans["learn"].last
    assert plan is not None, "nothing was replayed"
    breaks = [call.label for call in plan.program.calls if call.python is not None]
    assert not breaks, "no compiled kernel"
    for a, b in zip(captured.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(captured.optimizer.variables, eager.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert captured.history == eager.history
    return captured


@pytest.mark.parametrize("case", layer_cases.CASES, ids=lambda case: case.id)
def test_layers(case: Any) -> None:
    x = case.inputs(batch=4)
    same_training(
        lambda: Head(layer_cases.make(layers, case)), x, rng.standard_normal((4, 1), np.float32)
    )


def mlp(width: int = 4, activation: str = "softmax") -> Any:
    return tg.Sequential([tg.Input((5,)), layers.Dense(8, "relu"), layers.Dense(width, activation)])


def per_step() -> Any:
    return tg.Sequential([tg.Input((7, 5)), layers.Dense(4)])


CLASSES = [
    getattr(losses, name)
    for name in losses.__all__
    if isinstance(getattr(losses, name), type) and name not in ("Loss", "LossFunctionWrapper")
]
CLASS_NUMBERS = ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy", "Circle")


@pytest.mark.parametrize("loss", CLASSES, ids=lambda loss: loss.__name__)
def test_losses(loss: Any) -> None:
    x = rng.standard_normal((6, 5), np.float32)
    y: Any = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 6)]
    make: Any = mlp
    if loss.__name__ in CLASS_NUMBERS:
        y = rng.integers(0, 3, 6)
    if loss.__name__ == "CTC":
        x = rng.standard_normal((6, 7, 5), np.float32)
        y = rng.integers(1, 4, (6, 3))
        make = per_step
    same_training(make, x, y, loss())


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "schedule": {"learning_rate": tg.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)},
    "clipnorm": {"clipnorm": 0.1},
    "clipvalue": {"clipvalue": 0.01},
    "global_clipnorm": {"global_clipnorm": 0.1},
    "weight_decay": {"weight_decay": 0.01},
    "ema": {"use_ema": True, "ema_momentum": 0.9},
    "ema_overwrite": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 7},
    "accumulation": {"gradient_accumulation_steps": 3},
    "loss_scale": {"loss_scale_factor": 16.0},
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    "name",
    ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "AdamW", "Adamax", "Nadam", "Lion"],
)
def test_optimizers(name: str, setting: str) -> None:
    x, y = rng.standard_normal((6, 5), np.float32), rng.standard_normal((6, 1), np.float32)
    told = {"learning_rate": 0.01, **SETTINGS[setting]}
    same_training(
        lambda: mlp(1, "linear"), x, y, optimizer=lambda: getattr(tg.optimizers, name)(**told)
    )


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("accuracy", 1), ("accuracy", 4), ("mae", 1), ("AUC", 1), ("top_k_categorical_accuracy", 4)],
)
def test_metrics(kind: str, classes: int) -> None:
    x = rng.standard_normal((6, 5), np.float32)
    if classes == 1:
        y = rng.integers(0, 2, (6, 1)).astype(np.float32)
        same_training(lambda: mlp(1, "sigmoid"), x, y, "binary_crossentropy", metrics=[kind])
    else:
        y = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 6)]
        same_training(mlp, x, y, "categorical_crossentropy", metrics=[kind])


class Late(tg.Model):
    """Makes a layer, and its variables, when it is called."""

    def __init__(self):
        super().__init__()
        self.first, self.last = tg.layers.Dense(4, activation="relu"), None

    def call(self, x):
        self.last = self.last or tg.layers.Dense(1)
        return self.last(self.first(x))


def unbuilt():
    return tg.Sequential([tg.layers.Dense(4, activation="relu"), tg.layers.Dense(1)])


@pytest.mark.parametrize("make", [unbuilt, Late])
def test_a_model_that_is_not_built_yet_learns_from_its_first_batch(make):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 3)).astype("float32"), np.ones((24, 1), "float32")
    ends = []
    for build in (False, True):
        tg.random.seed(1)
        model = make()
        model.compile(tg.optimizers.SGD(0.1), "mse")
        if build:
            model(x)
        before = model.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"][0]
        assert model.evaluate(x, y, verbose=0) < before
        ends.append(model.get_weights())
    for mine, theirs in zip(*ends, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("make", [unbuilt, Late])
def test_its_first_train_on_batch_learns(make):
    x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
    tg.random.seed(1)
    model = make()
    model.compile(tg.optimizers.SGD(0.01), "mse")
    losses = [model.train_on_batch(x, y) for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]


def test_a_step_that_cannot_be_captured_is_taken_once():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 3)).astype("float32"), np.ones((24, 1), "float32")

    def loss(y, p):
        error = tg.ops.mean((y - p) ** 2)
        float(error)
        return error

    def trained(**how):
        tg.random.seed(1)
        make = [tg.layers.BatchNormalization(), tg.layers.Dropout(0.5, seed=1), tg.layers.Dense(1)]
        model = tg.Sequential([tg.Input((3,)), *make])
        model.compile(tg.optimizers.SGD(0.1), loss, **how)
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        return model.get_weights()

    with pytest.warns(UserWarning, match="wants a value"):
        captured = trained()
    for mine, theirs in zip(captured, trained(jit_compile=False), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_ctc_sees_the_labels_of_each_batch():
    x, y = rng.standard_normal((6, 7, 5), np.float32), rng.integers(1, 4, (6, 3))
    seen = []
    for jit in (True, False):
        tg.utils.set_random_seed(1)
        model = per_step()
        model.compile("sgd", losses.CTC(), jit_compile=jit)
        seen.append([model.train_on_batch(x, labels) for labels in (y, y, y, y[::-1].copy())])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("from_logits", [True, False])
def test_a_label_that_is_no_class_is_an_error_in_a_replay_too(from_logits):
    model = mlp(activation="linear" if from_logits else "softmax")
    loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile("sgd", loss, jit_compile=True)
    x, y = np.ones((4, 5), "float32"), np.arange(4)
    for _ in range(3):
        model.train_on_batch(x, y)
    kept = model.get_weights()
    for wrong in (-1, 4):
        with pytest.raises((IndexError, ValueError), match=r"^\[(cross_entropy|take_along_axis)\]"):
            model.train_on_batch(x, np.array([0, 1, 2, wrong]))
    for mine, before in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(mine, before)
    assert np.isfinite(model.train_on_batch(x, y))


class Penalty(layers.Layer):
    """Adds a multiple of the mean square to the loss."""

    weight = 0.0

    def call(self, x):
        self.add_loss(self.weight * ops.mean(ops.square(x)))
        return x


class Scaled(losses.Loss):
    factor = 1.0

    def call(self, y_true, y_pred):
        return self.factor * ops.mean(ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize("per", ["epoch", "train_batch"])
def test_steps_are_captured_anew_when_a_setting_changes(per):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((48, 4)).astype("float32"), np.ones((48, 1), "float32")

    def train(eager):
        tg.utils.set_random_seed(1)
        penalty, loss = Penalty(), Scaled()
        dense = layers.Dense(3, kernel_regularizer=tg.regularizers.L2(0.1))
        model = tg.Sequential([tg.Input((4,)), dense, penalty, layers.Dense(1)])
        model.compile(tg.optimizers.SGD(0.01, momentum=0.1), loss, run_eagerly=eager)

        def change(i, logs=None):
            if i == 3:
                penalty.weight, loss.factor, dense.activation = 2.0, 3.0, ops.tanh
                dense.kernel_regularizer.l2, model.optimizer.momentum = 0.5, 0.7

        told = tg.callbacks.LambdaCallback(**{f"on_{per}_begin": change})
        model.fit(x, y, epochs=6, batch_size=8, shuffle=False, verbose=0, callbacks=[told])
        values = [model.predict(x, verbose=0) for _ in range(3)]
        assert eager or model._plans["learn"].last is not None
        dense.activation = ops.sin
        return [*values, model.predict(x, verbose=0), *model.get_weights()]

    for captured, by_hand in zip(train(False), train(True), strict=True):
        np.testing.assert_array_equal(captured, by_hand)


def test_freezing_moving_averages_takes_effect():
    found = []
    for eager in (False, True):
        norm = layers.BatchNormalization(center=False, scale=False)
        model = tg.Sequential([tg.Input((4,)), norm, layers.Dense(1, kernel_initializer="ones")])
        model.compile("sgd", "mse", run_eagerly=eager)
        x, y = np.arange(32, dtype="float32").reshape(8, 4), np.ones((8, 1), "float32")
        model.fit(x, y, epochs=4, verbose=0)
        norm.trainable = False
        before = norm.get_weights()
        model.fit(x, y, epochs=4, verbose=0)
        np.testing.assert_array_equal(norm.get_weights()[0], before[0])
        found.append(model.get_weights()[0])
    np.testing.assert_array_equal(*found)
