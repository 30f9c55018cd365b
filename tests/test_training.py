"""compile, fit, evaluate, predict: data of every kind, weights, names of logs, errors,
interruption."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import layers

RNG = np.random.default_rng(0)
X = RNG.standard_normal((70, 4)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5], [0.0]]) + 0.3).astype("float32")
LABELS = RNG.integers(0, 3, 70)


def linear(**compile_args: Any) -> Any:
    """One unit that starts at zero: its numbers can be worked out by hand."""
    model = tg.Sequential([tg.Input((4,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compile_args})
    return model


def classifier(**compile_args: Any) -> Any:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3, activation="softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(**{"optimizer": "adam", "loss": loss, "metrics": ["accuracy"], **compile_args})
    return model


def fit(model: Any, *args: Any, **kwargs: Any) -> dict:
    return model.fit(*args, **{"verbose": 0, **kwargs}).history


# --- it learns ------------------------------------------------------------------------------------


def test_fit_finds_the_line() -> None:
    model = linear(optimizer=tg.optimizers.Adam(0.05))
    history = fit(model, X, Y, epochs=60, batch_size=10)
    assert history["loss"][-1] < 1e-3 < history["loss"][0]
    np.testing.assert_allclose(model.layers[0].kernel.numpy()[:, 0], [1, -2, 0.5, 0], atol=0.05)


def test_one_step_is_gradient_descent() -> None:
    model = linear(optimizer=tg.optimizers.SGD(0.1))
    loss = model.train_on_batch(X, Y)
    assert loss == pytest.approx(float((Y**2).mean()), rel=1e-5)
    np.testing.assert_allclose(
        model.layers[0].kernel.numpy(), 0.1 * 2 * X.T @ Y / len(X), rtol=1e-4, atol=1e-6
    )
    after = float(((Y - model(X).numpy()) ** 2).mean())  # and the mean of what the metrics saw:
    assert model.test_on_batch(X, Y) == pytest.approx((loss + after) / 2, rel=1e-5)


def test_same_seed_same_bits() -> None:
    ends = []
    for _ in range(2):
        tg.utils.set_random_seed(7)
        model = tg.Sequential(
            [tg.Input((4,)), layers.Dense(8), layers.Dropout(0.5), layers.Dense(1)]
        )
        model.compile("adam", "mse")
        fit(model, X, Y, epochs=2)
        ends.append(model.get_weights())
    for a, b in zip(*ends, strict=True):
        np.testing.assert_array_equal(a, b)


# --- data -----------------------------------------------------------------------------------------


class Table(tg.utils.PyDataset):
    ended = 0

    def __len__(self) -> int:
        return 7

    def __getitem__(self, i: int) -> Any:
        return X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10]

    def on_epoch_end(self) -> None:
        self.ended += 1


class Loader:
    """Like a torch DataLoader: can be iterated over again and again."""

    def __iter__(self) -> Any:
        return (Table()[i] for i in range(7))


def endless() -> Any:
    while True:
        yield from Loader()


def frames() -> tuple:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(X, columns=list("abcd")), pandas.Series(Y[:, 0], name="y")


@pytest.mark.parametrize(
    "given",
    [
        lambda: {"x": X, "y": Y},
        lambda: {"x": X.astype("float64"), "y": Y.tolist()},
        lambda: {"x": tg.tensor(X), "y": tg.tensor(Y)},
        lambda: {"x": X, "y": Y[:, 0]},
        lambda: dict(zip("xy", frames(), strict=True)),
        lambda: {"x": Table()},
        lambda: {"x": Loader()},
        lambda: {"x": endless(), "steps_per_epoch": 7},
        lambda: {"x": (batch for batch in [*Loader(), *Loader(), *Loader()]), "steps_per_epoch": 7},
    ],
    ids="arrays lists tensors flat frames dataset loader endless generator".split(),
)
def test_data_of_every_kind_trains_alike(given: Any) -> None:
    told = given()
    if not isinstance(told["x"], (Table, Loader)) and "steps_per_epoch" not in told:
        told["batch_size"] = 10
    model = linear()
    history = fit(model, **told, epochs=3, shuffle=False)
    reference = linear()
    expected = fit(reference, X, Y, batch_size=10, epochs=3, shuffle=False)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], reference.get_weights()[0], rtol=1e-5)


def test_steps_per_epoch_of_arrays_goes_round() -> None:
    model = linear(optimizer=tg.optimizers.SGD(0.0))
    history = fit(model, X, Y, batch_size=35, epochs=4, steps_per_epoch=np.int64(1), shuffle=False)
    first, second = float((Y[:35] ** 2).mean()), float((Y[35:] ** 2).mean())
    assert history["loss"] == pytest.approx([first, second] * 2, rel=1e-5)
    assert model.evaluate(X, Y, batch_size=35, steps=1, verbose=0) == pytest.approx(first, rel=1e-5)


def test_dataset_is_told_of_epochs() -> None:
    table = Table()
    fit(linear(), table, epochs=2)
    assert table.ended == 2


def test_generator_that_ends_stops_training_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="data ended"):
        history = fit(linear(), (b for b in Loader()), epochs=3)
    assert len(history["loss"]) == 1
    with pytest.raises(ValueError, match="data ended"):
        fit(linear(), iter([]))


def test_validation_split_takes_the_last_samples_before_shuffling() -> None:
    seen: list[np.ndarray] = []

    class Watch(tg.Sequential):
        def call(self, inputs, training=None, mask=None):
            if not training:
                seen.append(inputs.numpy())
            return super().call(inputs)

    model = Watch([layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    fit(model, X, Y, validation_split=0.25, shuffle=True)
    np.testing.assert_array_equal(np.concatenate(seen), X[52:])


def test_validation_data_wins_and_its_frequency() -> None:
    history = fit(
        linear(), X, Y, epochs=5, validation_split=0.5, validation_data=(X[:5], Y[:5]),
        validation_freq=2,
    )  # fmt: skip
    assert len(history["val_loss"]) == 2
    history = fit(linear(), X, Y, epochs=5, validation_data=Loader(), validation_freq=[1, 5])
    assert len(history["val_loss"]) == 2


def test_several_inputs_and_outputs_by_list_and_by_name() -> None:
    a, b = tg.Input((4,), name="a"), tg.Input((4,), name="b")
    h = layers.Concatenate()([a, b])
    kind = layers.Dense(3, activation="softmax", name="kind")(h)
    model = tg.Model([a, b], [kind, layers.Dense(1, name="size")(h)])
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model.compile(
        "sgd", losses, loss_weights={"kind": 0.5, "size": 2.0},
        metrics={"kind": "accuracy", "size": ["mae", "mse"]},
    )  # fmt: skip
    for x, y in (
        ([X, X], [LABELS, Y]),
        ({"b": X, "a": X}, {"size": Y, "kind": LABELS}),
        ((X, X), (LABELS, Y)),
    ):
        logs = model.evaluate(x, y, verbose=0, return_dict=True)
        names = ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae", "size_mse"]
        assert list(logs) == names
        assert logs["loss"] == pytest.approx(0.5 * logs["kind_loss"] + 2 * logs["size_loss"])
        assert logs["size_mse"] == pytest.approx(logs["size_loss"], rel=1e-5)
        assert set(fit(model, x, y)) == set(names)
    assert [p.shape for p in model.predict([X, X])] == [(70, 3), (70, 1)]
    with pytest.raises(ValueError, match="2 outputs"):
        fit(model, [X, X], [LABELS])
    with pytest.raises(ValueError, match="Did you mean 'kind'"):
        fit(model, [X, X], {"kinds": LABELS})
    model.compile("sgd", [losses["kind"], None])
    with pytest.warns(UserWarning, match="no gradient"):
        assert list(fit(model, [X, X], [LABELS, Y])) == ["loss", "kind_loss"]


# --- weights --------------------------------------------------------------------------------------


def test_sample_weight() -> None:
    w = np.arange(70, dtype="float32")
    model = linear(metrics=["mae"], weighted_metrics=["mae"])
    logs = model.evaluate(X, Y, sample_weight=w, verbose=0, batch_size=70, return_dict=True)
    square, size = (Y**2)[:, 0], abs(Y)[:, 0]
    assert logs["loss"] == pytest.approx((square * w).mean(), rel=1e-5)
    assert logs["mae"] == pytest.approx(size.mean(), rel=1e-5)
    assert logs["weighted_mae"] == pytest.approx((size * w).sum() / w.sum(), rel=1e-5)
    model.train_on_batch(X, Y, sample_weight=np.zeros(70))
    np.testing.assert_array_equal(model.get_weights()[0], 0)


def test_class_weight_is_a_sample_weight() -> None:
    one, other = classifier(), classifier()
    other.set_weights(one.get_weights())
    weight = {0: 1.0, 1: 2.0, 2: 5.0}
    a = fit(one, X, LABELS, class_weight=weight, shuffle=False)
    by_sample = np.array([weight[c] for c in LABELS])
    b = fit(other, X, LABELS, sample_weight=by_sample, shuffle=False)
    assert a["loss"] == pytest.approx(b["loss"])
    with pytest.raises(ValueError, match="received both"):
        fit(one, X, LABELS, class_weight=weight, sample_weight=by_sample)
    with pytest.raises(ValueError, match="received both"):
        fit(one, iter([(X, LABELS, by_sample)]), class_weight=weight)


def test_masked_steps_do_not_count() -> None:
    model = tg.Sequential([layers.Embedding(5, 3, mask_zero=True), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.array([[1, 2, 0], [3, 0, 0]])
    loss, mae = model.evaluate(x, np.ones((2, 3, 1)), verbose=0)
    error = (model.predict(x) - 1)[..., 0][x != 0]
    assert loss == pytest.approx((error**2).mean(), rel=1e-5)
    assert mae == pytest.approx(abs(error).mean(), rel=1e-5)


# --- names, logs, callbacks -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        (["accuracy", "acc"], ["accuracy", "acc"]),
        (["mse", "MeanSquaredError"], ["mse", "MeanSquaredError"]),
        ([tg.metrics.SparseCategoricalAccuracy()], ["sparse_categorical_accuracy"]),
        ([tg.metrics.SparseCategoricalAccuracy(name="me")], ["me"]),
        (["accuracy", "accuracy"], ["accuracy", "accuracy_1"]),
        ([tg.losses.mean_absolute_error], ["mean_absolute_error"]),
    ],
    ids=lambda value: "-".join([getattr(item, "__name__", str(item)) for item in value]),
)
def test_names_in_logs(metrics: Any, names: list[str]) -> None:
    one_hot = tg.utils.to_categorical(LABELS)
    sparse = not any("accuracy" == m or "acc" == m for m in metrics if isinstance(m, str))
    y = LABELS if (sparse and "sparse" in names[0]) or names == ["me"] else one_hot
    loss = "categorical_crossentropy" if y is one_hot else "sparse_categorical_crossentropy"
    history = fit(classifier(loss=loss, metrics=metrics), X, y, validation_split=0.1)
    assert list(history) == ["loss", *names, "val_loss", *[f"val_{n}" for n in names]]


@pytest.mark.parametrize(
    ("units", "y", "kind"),
    [
        (1, LABELS % 2, "BinaryAccuracy"),
        (3, LABELS, "SparseCategoricalAccuracy"),
        (3, LABELS[:, None], "SparseCategoricalAccuracy"),
        (3, np.eye(3)[LABELS], "CategoricalAccuracy"),
    ],
)
def test_accuracy_is_the_one_that_fits(units: int, y: np.ndarray, kind: str) -> None:
    activation = "sigmoid" if units == 1 else "softmax"
    model = tg.Sequential([layers.Dense(units, activation=activation)])
    model.compile("sgd", "crossentropy", metrics=["accuracy"])
    logs = model.evaluate(X, y, verbose=0, return_dict=True)
    assert type(model.metrics[-1]).__name__ == kind
    p = model.predict(X)
    read = p[:, 0] > 0.5 if units == 1 else p.argmax(1)
    truth = y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    assert logs["accuracy"] == pytest.approx((read == truth).mean())


def test_epochs_count_from_the_initial_one() -> None:
    history = linear().fit(X, Y, initial_epoch=2, epochs=5, verbose=0)
    assert history.epoch == [2, 3, 4]


class Spy(tg.callbacks.Callback):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_train_begin(self, logs=None):
        self.seen.append("begin")

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(f"batch {batch} {'loss' in logs}")

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(f"test {batch}")

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(f"epoch {epoch} {'val_loss' in logs}")
        if epoch == 1:
            self.model.stop_training = True


def test_callbacks_hear_of_all_and_may_stop() -> None:
    spy = Spy()
    linear().fit(
        X, Y, batch_size=35, epochs=9, validation_data=(X[:9], Y[:9]), callbacks=[spy], verbose=0
    )
    once = ["batch 0 True", "batch 1 True", "test 0"]
    assert spy.seen == ["begin", *once, "epoch 0 True", *once, "epoch 1 True"]


def test_learning_rate_and_freezing_take_effect_while_training() -> None:
    class Freeze(tg.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.kernel = self.model.layers[0].kernel.numpy().copy()
            self.model.layers[0].trainable = False

    freeze = Freeze()
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, X, Y, epochs=2, callbacks=[freeze])
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), freeze.kernel)


def test_verbose_without_a_terminal(capsys: pytest.CaptureFixture) -> None:
    model = linear(metrics=["mae"])
    model.fit(X, Y, epochs=2, validation_split=0.1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert lines[1].startswith("2/2 - ")
    assert "val_mae: " in lines[1]
    assert len(lines) == 4
    model.fit(X, Y, verbose=0)
    model.predict(X)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="verbose"):
        model.fit(X, Y, verbose=3)


def test_bar_in_a_terminal(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_cn.progress.is_live", lambda: True)
    linear().fit(X, Y, epochs=1)
    assert "3/3" in capsys.readouterr().out


# --- evaluate and predict -------------------------------------------------------------------------


def test_evaluate_is_the_mean_over_samples() -> None:
    model = linear()
    for batch_size in (70, 32, 1):
        loss = model.evaluate(X, Y, batch_size=batch_size, verbose=0)
        assert loss == pytest.approx(float((Y**2).mean()), rel=1e-5)
    assert model.test_on_batch(X, Y, return_dict=True) == {"loss": pytest.approx(loss, rel=1e-5)}


def test_predict_in_batches_and_of_little() -> None:
    model = linear()
    whole = model(X).numpy()
    for batch_size in (None, 1, 7, 100):
        np.testing.assert_allclose(model.predict(X, batch_size=batch_size), whole, rtol=1e-5)
    assert model.predict(X[:0]).shape == (0, 1)
    assert model.predict(x for x, _ in Loader()).shape == (70, 1)
    np.testing.assert_allclose(model.predict((x for x, _ in Loader())), whole, rtol=1e-5)
    assert isinstance(model.predict_on_batch(X), np.ndarray)


def test_predict_of_arrays_of_every_layout() -> None:
    model = linear()
    model.set_weights([RNG.random((4, 1)), RNG.random(1)])
    whole = X @ model.get_weights()[0] + model.get_weights()[1]
    frozen = X.copy()
    frozen.flags.writeable = False
    for x in (np.asfortranarray(X), X[::-1][::-1], X.astype(">f8"), frozen, X.astype("float16")):
        np.testing.assert_allclose(model.predict(x), whole, atol=2e-3)
    np.testing.assert_allclose(model.predict(X[::-1]), whole[::-1], rtol=1e-5)


def test_predictions_are_the_callers_own() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Identity()])
    y = model.predict(X)
    y += 1
    assert not np.shares_memory(y, X)


@pytest.mark.parametrize("use", ["predict", "train_on_batch"])
def test_memory_is_flat_without_the_garbage_collector(use: str) -> None:
    model = classifier()
    call = {
        "predict": lambda: model.predict(X[:1]),
        "train_on_batch": lambda: model.train_on_batch(X, LABELS),
    }[use]
    gc.collect()
    gc.disable()
    for _ in range(2500):  # Python keeps up to 2,000 freed tuples of each length for itself
        call()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        call()
    after = sys.getallocatedblocks()
    gc.enable()
    assert after - before < 300


# --- losses of layers, custom steps ---------------------------------------------------------------


def test_regularizers_and_add_loss_belong_to_the_loss() -> None:
    class Pay(layers.Layer):
        def call(self, x):
            self.add_loss(tg.ops.mean(tg.ops.square(x)))
            return x

    dense = layers.Dense(1, kernel_initializer="ones", kernel_regularizer=tg.regularizers.L2(0.5))
    model = tg.Sequential([tg.Input((4,)), Pay(), dense])
    model.compile("sgd", "mse")
    loss = model.evaluate(X, Y, verbose=0, batch_size=70)
    expected = ((X.sum(1, keepdims=True) - Y) ** 2).mean() + (X**2).mean() + 0.5 * 4
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert len(model.losses) == 2
    before = dense.kernel.numpy().copy()
    fit(model, X, Y)
    assert (dense.kernel.numpy() != before).all()


def test_loss_may_come_from_layers_alone() -> None:
    x = tg.Input((4,))
    y = layers.Dense(2, activity_regularizer="l2")(x)
    model = tg.Model(x, y)
    model.compile("sgd")
    assert fit(model, X, epochs=3)["loss"][-1] > 0
    model = tg.Sequential([layers.Dense(1)])
    model.compile("sgd")
    with pytest.raises(ValueError, match="nothing to make small"):
        fit(model, X, Y)


def test_own_loss_and_metric_functions() -> None:
    def cubic(y_true, y_pred):
        return tg.ops.mean(tg.ops.abs(y_true - y_pred) ** 3, axis=-1)

    history = fit(linear(loss=cubic, metrics=[cubic]), X, Y, batch_size=70)
    assert history["loss"][0] == pytest.approx(float((abs(Y) ** 3).mean()), rel=1e-5)
    assert history["cubic"][0] < history["loss"][0] * 1.01


class Own(tg.Sequential):
    """Keras's way to write a step of one's own."""

    def train_step(self, data):
        x, y = data
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        grads = tg.grad(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"loss": loss, "twice": 2 * loss}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 3 * super().compute_loss(x, y, y_pred, sample_weight, training)


def test_own_train_step_and_compute_loss() -> None:
    model = Own([tg.Input((4,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(tg.optimizers.SGD(0.0), "mse")
    history = fit(model, X, Y, batch_size=70)
    assert history["twice"] == [pytest.approx(2 * history["loss"][0])]
    expected = 3 * float((Y**2).mean())
    assert history["loss"] == [pytest.approx(expected, rel=1e-5)]
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_explicit_loop() -> None:
    """The documents' loop: loss, gradients, apply_gradients."""
    model = linear()
    loss_fn, optimizer = tg.losses.MeanSquaredError(), tg.optimizers.SGD(0.1)
    first = None
    for _ in range(50):
        loss = loss_fn(Y, model(X, training=True))
        grads = tg.grad(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        first = first or loss.item()
    assert loss.item() < 0.1 * first


# --- what is refused, reported, survived ----------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": "adamm"}, "Did you mean"),
        ({"loss": "mean_squared"}, "Did you mean"),
        ({"metrics": ["acuracy"]}, "Did you mean"),
        ({"metrics": [3]}, "Expected a metric"),
        ({"loss": 3}, "Expected a loss"),
        ({"loss_weights": ["accuracy"]}, "metrics="),
        ({"steps_per_execution": 4}, "steps_per_execution"),
        ({"jit_compile": "yes"}, "jit_compile"),
        ({"run_eagerly": True, "jit_compile": True}, "run_eagerly"),
    ],
)
def test_compile_refuses(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        linear(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"y": Y[:3]}, "numbers of samples differ"),
        ({"x": list(X)}, "np.stack"),
        ({"x": [[1, 2], [3]]}, "pad_sequences"),
        ({"x": X[:0], "y": Y[:0]}, "data ended"),
        ({"batch_size": 0}, "batch_size"),
        ({"epochs": "3"}, "epochs"),
        ({"x": {"a": X}}, "missing"),
        ({"steps_per_epoch": 0}, "steps"),
        ({"validation_split": 1.0}, "validation_split"),
        ({"validation_split": 0.999}, "cannot be split"),
        ({"x": Table(), "validation_split": 0.1, "y": None}, "needs arrays"),
        ({"x": Table()}, "y of ndarray"),
        ({"x": Table(), "y": None, "batch_size": 3}, "batch_size"),
        ({"y": np.array(["a"] * 70)}, "holds no numbers"),
        ({"y": RNG.random((70, 3))}, "not broadcast"),
        ({"y": None}, "Expected y"),
        ({"x": None}, "Expected data in x"),
    ],
)
def test_fit_refuses_before_anything_changes(settings: dict, words: str) -> None:
    model = linear()
    with pytest.raises(ValueError, match=words):
        fit(model, **{"x": X, "y": Y, **settings})
    np.testing.assert_array_equal(model.get_weights()[0], 0)


def test_what_needs_compile_says_so() -> None:
    model = tg.Sequential([layers.Dense(1)])
    for use in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=r"compile\(\) before"):
            use(X, Y)
    assert model.predict(X).shape == (70, 1)


def test_nan_is_reported_with_its_cause() -> None:
    bad = X.copy()
    bad[5, 2] = np.nan
    with pytest.warns(UserWarning, match=r"x holds NaN or infinity \(first in row 5"):
        fit(linear(), bad, Y, batch_size=70, shuffle=False)
    with pytest.warns(UserWarning, match="data are finite"), np.errstate(all="ignore"):
        fit(linear(optimizer=tg.optimizers.SGD(1e30)), X, Y, epochs=5)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_interrupt_ends_between_steps() -> None:
    class Press(tg.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    model = linear(optimizer=tg.optimizers.SGD(0.1))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # CI may ignore the signal
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(model, X, Y, batch_size=10, shuffle=False, callbacks=[Press()])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert int(model.optimizer.iterations.data) == 2
    assert np.isfinite(model.predict(X)).all()
    fit(model, X, Y)


def test_config_of_compile() -> None:
    model = classifier(loss_weights=[2.0])
    other = classifier()
    other.compile_from_config(model.get_compile_config())
    assert other.optimizer.get_config() == model.optimizer.get_config()
    assert other.loss == model.loss
    fit(other, X, LABELS)
