"""Sequential, functional and subclassed models: structure, weights, summary, config."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import layers

X = np.random.default_rng(0).standard_normal((6, 4)).astype("float32")


def through_json(model: Any) -> Any:
    """The model of its own config, with the same weights."""
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    return again


# --- Sequential -----------------------------------------------------------------------------------


def test_sequential_with_input_is_built_at_once() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3), layers.Dense(2)])
    assert model.built
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 2))
    assert [w.shape for w in model.weights] == [(4, 3), (3,), (3, 2), (2,)]
    assert [layer.name for layer in model.layers] == [model.layers[0].name, model.layers[1].name]
    assert len(model.layers) == 2


@pytest.mark.parametrize("argument", [{"input_shape": (4,)}, {"input_dim": 4}])
def test_first_layer_may_tell_the_input(argument: dict) -> None:
    model = tg.Sequential([layers.Dense(3, **argument), layers.Dense(2)])
    assert model.built
    assert model.input_shape == (None, 4)


def test_sequential_without_input_is_built_by_data() -> None:
    model = tg.Sequential([layers.Dense(3), layers.Dense(2)])
    assert not model.built
    assert model.weights == []
    with pytest.raises(ValueError, match="no weights yet"):
        model.count_params()
    assert model(X).shape == (6, 2)
    assert model.output_shape == (None, 2)
    assert model.count_params() == 23


def test_a_shape_that_nobody_stated_does_not_bind() -> None:
    model = tg.Sequential([layers.Embedding(9, 3), layers.GRU(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    for n in (5, 3, 5):
        assert model.train_on_batch(np.ones((4, n), int), np.ones(4)) > 0
        assert model.predict(np.ones((4, n), int), verbose=0).shape == (4, 1)
    assert model(tg.Input((7,), dtype="int32")).shape == (None, 1)
    again = through_json(model)
    assert again.predict(np.ones((2, 4), int), verbose=0).shape == (2, 1)
    with pytest.raises(ValueError, match="another shape"):
        model(np.ones(4, int))


def test_build_by_shape_add_and_pop() -> None:
    model = tg.Sequential()
    for layer in (layers.Dense(3), layers.Dense(2)):
        model.add(layer)
    model.build((None, 4))
    kernel = model.layers[0].kernel
    model.pop()
    assert model(X).shape == (6, 3)
    model.add(layers.Dense(5))
    assert model(X).shape == (6, 5)
    assert model.layers[0].kernel is kernel


def test_sequential_refuses() -> None:
    with pytest.raises(TypeError, match="Expected a layer"):
        tg.Sequential([3])
    with pytest.raises(ValueError, match="unique names"):
        tg.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")])
    with pytest.raises(ValueError, match=r"Input\(\) first"):
        tg.Sequential([layers.Dense(1), tg.Input((3,))])
    with pytest.raises(ValueError, match="no layers"):
        tg.Sequential()(X)
    with pytest.raises(IndexError):
        tg.Sequential().pop()
    with pytest.raises(ValueError, match="one tensor"):
        tg.Sequential([tg.Input((3, 2)), layers.LSTM(2, return_state=True), layers.Dense(1)])


def test_failing_add_leaves_the_model_as_it_was() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="4 axes"):
        model.add(layers.Conv2D(2, 2))
    assert len(model.layers) == 1
    assert model(X).shape == (6, 3)


def test_wrong_input_names_the_model_and_both_shapes() -> None:
    model = tg.Sequential([tg.Input((4,), name="table"), layers.Dense(3)], name="m")
    with pytest.raises(ValueError, match=r"\[m\].*'table'.*\(None, 4\).*\(6, 5\)"):
        model(np.ones((6, 5)))


def test_last_axis_of_one_is_forgiven() -> None:
    model = tg.Sequential([tg.Input((1,)), layers.Dense(3)])
    assert model(np.ones(6)).shape == (6, 3)


# --- functional -----------------------------------------------------------------------------------


def two_towers() -> Any:
    a, b = tg.Input((4,), name="a"), tg.Input((4,), name="b")
    shared = layers.Dense(3, activation="relu", name="shared")
    both = layers.Concatenate(name="both")([shared(a), shared(b)])
    first = layers.Dense(2, name="first")(both)
    second = layers.Dense(1, name="second")(layers.Add()([shared(a), first[:, :1]]))
    return tg.Model([a, b], [first, second])


def test_several_inputs_and_outputs_and_a_shared_layer() -> None:
    model = two_towers()
    first, second = model([X, 2 * X])
    assert (first.shape, second.shape) == ((6, 2), (6, 1))
    assert [w.path for w in model.weights].count("shared/kernel") == 1
    assert model.output_names == ["first", "second"]
    by_name = model({"b": 2 * X, "a": X})
    np.testing.assert_array_equal(by_name[0].numpy(), first.numpy())
    again = through_json(model)
    for y, z in zip(again.predict([X, 2 * X]), (first, second), strict=True):
        np.testing.assert_array_equal(y, z.numpy())


def test_shared_layer_adds_its_gradients() -> None:
    x = tg.Input((4,))
    dense = layers.Dense(4, use_bias=False)
    once, twice = tg.Model(x, dense(x)), tg.Model(x, layers.Add()([dense(x), dense(x)]))
    g1 = tg.grad(once(X).sum(), dense.kernel).numpy()
    g2 = tg.grad(twice(X).sum(), dense.kernel).numpy()
    np.testing.assert_allclose(g2, 2 * g1, rtol=1e-6)


def test_dicts_in_and_out() -> None:
    x = {"a": tg.Input((4,)), "b": tg.Input((4,))}
    model = tg.Model(x, {"sum": x["a"] + x["b"], "relu": tg.ops.relu(x["a"])})
    y = model({"a": X, "b": X})
    np.testing.assert_array_equal(y["sum"].numpy(), 2 * X)
    np.testing.assert_array_equal(y["relu"].numpy(), np.maximum(X, 0))
    with pytest.raises(ValueError, match=r"missing: \['b'\]"):
        model({"a": X})


def test_ops_on_symbolic_tensors() -> None:
    x = tg.Input((4,))
    y = -tg.ops.tanh(x * 2.0 + 1.0) / 3.0 - x**2 @ np.ones((4, 2), "float32")[:, :1]
    y = tg.ops.concatenate([y, abs(y)], axis=-1)
    y = tg.ops.softmax(tg.ops.reshape(y, (-1, 4, 2)), axis=1)
    model = tg.Model(x, y.sum(axis=1))
    t = -np.tanh(X * 2 + 1) / 3 - (X**2).sum(1, keepdims=True)
    t = np.concatenate([t, abs(t)], -1).reshape(-1, 4, 2)
    e = np.exp(t - t.max(1, keepdims=True))
    np.testing.assert_allclose(model(X).numpy(), (e / e.sum(1, keepdims=True)).sum(1), rtol=1e-5)


def test_symbolic_tensor_has_no_values() -> None:
    x = tg.Input((4,))
    assert tg.utils.is_keras_tensor(x)
    for use in (np.asarray, bool, len, iter):
        with pytest.raises(TypeError, match=r"values|true|length|iterated"):
            use(x)


def test_features_of_a_model() -> None:
    """A model of the outputs of another model's layers shares its weights."""
    for model in (
        tg.Sequential([tg.Input((4,)), layers.Dense(3, name="hidden"), layers.Dense(2)]),
        tg.Sequential([layers.Dense(3, name="hidden"), layers.Dense(2)]),
    ):
        model(X)
        features = tg.Model(model.inputs, model.get_layer("hidden").output)
        np.testing.assert_array_equal(features(X).numpy(), model.layers[0](X).numpy())
        assert features.weights[0] is model.weights[0]


def test_nested_models() -> None:
    inner = tg.Sequential([tg.Input((4,)), layers.Dense(3), layers.Dropout(0.5)], name="inner")
    x = tg.Input((4,))
    model = tg.Model(x, layers.Dense(1)(inner(x)))
    assert len(model.weights) == 4
    calm = model(X).numpy()
    np.testing.assert_array_equal(model(X).numpy(), calm)
    assert (model(X, training=True).numpy() != calm).any()
    np.testing.assert_array_equal(through_json(model).predict(X), calm)
    inner.trainable = False
    assert len(model.trainable_weights) == 2
    chain = tg.Sequential([tg.Sequential([layers.Dense(2)]), tg.Sequential([layers.Dense(1)])])
    assert chain(X).shape == (6, 1)


def test_model_of_a_missing_input_is_told() -> None:
    a, b = tg.Input((4,), name="a"), tg.Input((4,), name="b")
    with pytest.raises(ValueError, match="name=b"):
        tg.Model(a, a + b)
    with pytest.raises(ValueError, match="symbolic tensors"):
        tg.Model(X, a)
    with pytest.raises(ValueError, match="inputs and outputs"):
        tg.Model(inputs=a)
    with pytest.raises(ValueError, match="unique names"):
        tg.Model(a, layers.Dense(1, name="d")(layers.Dense(1, name="d")(a)))


def test_deep_graph() -> None:
    x = y = tg.Input((4,))
    for _ in range(2000):
        y = y + 1.0
    np.testing.assert_allclose(tg.Model(x, y)(X).numpy(), X + 2000, rtol=1e-5)


def test_layers_are_listed_as_keras_lists_them() -> None:
    assert [layer.name for layer in two_towers().layers][:3] == ["a", "b", "shared"]


# --- subclassed -----------------------------------------------------------------------------------


class Net(tg.Model):
    """The documents' way to write a model."""

    def __init__(self, input_shape: Any, units: int = 5) -> None:
        super(Net, self).__init__()  # noqa: UP008 # as users write it
        self.input_shape = input_shape
        self.units = units
        self.dense1 = layers.Dense(units, activation="relu")
        self.dense2 = layers.Dense(2, activation="softmax")

    def call(self, inputs):
        x = self.dense1(inputs)
        x = layers.Reshape((self.units,))(x)
        return self.dense2(x)


def test_subclass() -> None:
    model = Net((4,))
    assert not model.weights
    y = model(X)
    assert y.shape == (6, 2)
    assert model.input_shape == (4,)
    assert model.weights[0].path == f"{model.name}/{model.dense1.name}/kernel"
    assert [layer.name for layer in model.layers] == [model.dense1.name, model.dense2.name]
    assert model.count_params() == 37


def test_subclass_is_built_by_shape() -> None:
    model = Net((4,))
    model.build((None, 4))
    assert model.count_params() == 37


class Wrapped(layers.Layer):
    def call(self, x):
        return {"y": [(2 * x,)]}


def test_the_one_output_of_a_layer_may_be_inside_a_structure() -> None:
    x = tg.Input((4,))
    model = tg.Model(x, layers.Identity()(Wrapped()(x)["y"][0][0]))
    np.testing.assert_array_equal(model.predict(X), 2 * X)


def test_an_output_that_the_dict_of_losses_does_not_name_has_none() -> None:
    x = tg.Input((4,))
    model = tg.Model(x, {"a": layers.Dense(1)(x), "b": layers.Dense(2)(x)})
    model.compile("sgd", {"a": "mse"})
    found = model.evaluate(X, {"a": np.zeros((6, 1))}, verbose=0, return_dict=True)
    error = model.predict(X)["a"]
    assert found["loss"] == pytest.approx((error**2).mean(), rel=1e-5)
    model.compile("sgd", {"c": "mse"})
    with pytest.raises(ValueError, match="Unknown name 'c'"):
        model.evaluate(X, {"a": np.zeros((6, 1))}, verbose=0)
    model = tg.Model(x, {"a": [layers.Dense(1)(x), layers.Dense(2)(x)]})
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="one tensor for each name"):
        model.evaluate(X, {"a": [np.zeros((6, 1)), np.zeros((6, 2))]}, verbose=0)


@pytest.mark.parametrize("known", [True, False], ids=["drawn", "built by data"])
def test_what_a_layer_counts_is_not_what_it_was_probed_with(known: bool) -> None:
    class Counter(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.n = self.add_weight((), "zeros", trainable=False)
            self.inner = Filled()

        def call(self, x: Any) -> Any:
            self.n.assign_add(1.0)
            return self.inner(x)

    class Filled(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight((), "zeros")
            self.w.assign(3.0)

        def call(self, x: Any) -> Any:
            return x * self.w

    counter = Counter()
    model = tg.Sequential([tg.Input((2,)), counter] if known else [counter])
    np.testing.assert_array_equal(model(np.ones((1, 2))), [[3.0, 3.0]])
    assert counter.n.item() == 1.0


def test_subclass_called_on_symbolic_input() -> None:
    x = tg.Input((4,))
    model = tg.Model(x, Net((4,))(x))
    assert model.output_shape == (None, 2)
    assert model.count_params() == 37


def test_subclass_without_call() -> None:
    class Empty(tg.Model):
        pass

    with pytest.raises(ValueError, match=r"call\(inputs\)"):
        Empty()(X)


def test_only_drawn_models_have_inputs() -> None:
    with pytest.raises(AttributeError, match="functional"):
        _ = Net((4,)).inputs
    with pytest.raises(AttributeError, match="no attribute"):
        _ = Net((4,)).nothing


# --- all ------------------------------------------------------------------------------------------


def test_get_layer() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3, name="one"), layers.Dense(2)])
    assert model.get_layer("one") is model.get_layer(index=0)
    with pytest.raises(ValueError, match="Did you mean 'one'"):
        model.get_layer("onee")
    with pytest.raises(ValueError, match="index below 2"):
        model.get_layer(index=2)


def test_set_weights_changes_all_or_nothing() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3), layers.Dense(2)])
    before = model.get_weights()
    wrong = [np.zeros_like(w) for w in before[:-1]] + [np.zeros(7)]
    with pytest.raises(ValueError, match=r"\(2,\), received \(7,\)"):
        model.set_weights(wrong)
    for now, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_sequential_config_and_clone() -> None:
    model = tg.Sequential(
        [
            layers.Conv2D(2, 3, activation="relu", kernel_regularizer="l2"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2, seed=3),
            layers.Dense(3, kernel_initializer=tg.initializers.HeNormal(seed=1)),
        ],
        name="cnn",
    )
    x = np.random.default_rng(0).random((2, 8, 8, 1)).astype("float32")
    y = model.predict(x)
    again = through_json(model)
    np.testing.assert_array_equal(again.predict(x), y)
    assert again.name == "cnn"
    clone = tg.models.clone_model(model)
    assert clone.count_params() == model.count_params()
    assert clone.weights[0] is not model.weights[0]


def test_json_and_names_of_the_module() -> None:
    model = two_towers()
    again = tg.models.model_from_json(model.to_json(indent=1))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict([X, X])[0], model.predict([X, X])[0])
    assert tg.models.load_model is tg.saving.load_model


def test_plot_model(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the demo extra is not installed")
    figure = tg.utils.plot_model(
        two_towers(), tmp_path / "m.png", show_shapes=True, show_layer_names=True, dpi=50
    )
    assert (tmp_path / "m.png").stat().st_size > 1000
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "shared (Dense)" in words and "(None, 3)" in words
    with pytest.raises(ValueError, match="rankdir"):
        tg.utils.plot_model(two_towers(), None, rankdir="up")


def test_backend_names() -> None:
    assert (tg.backend.floatx(), tg.backend.image_data_format()) == ("float32", "channels_last")
    with pytest.raises(ValueError, match="cannot be changed"):
        tg.backend.set_floatx("float16")


def test_pickle() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3)])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_fitted_model_trains_on_to_the_same_bits(copied: Any) -> None:
    optimizer = tg.optimizers.AdamW(0.01, use_ema=True)
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(1)])
    optimizer.exclude_from_weight_decay([model.layers[0].kernel])
    model.compile(optimizer, "mse")
    x, y = np.tile(X, (5, 1)), np.tile(X[:, :1], (5, 1))
    model.fit(x, y, epochs=3, shuffle=False, verbose=0)
    again = copied(model)
    for each in (model, again):
        each.fit(x, y, epochs=3, shuffle=False, verbose=0)
    for mine, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert again.layers[0].kernel is not model.layers[0].kernel


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_graph_runs_without_the_original(copied: Any) -> None:
    inputs = tg.Input((4,))
    x = layers.Dense(4)(inputs)
    model = tg.Model(inputs, layers.Dense(1)(layers.Add()([inputs, x])) * 2.0)
    expected = model.predict(X, verbose=0)
    again = copied(copied(model))
    np.testing.assert_array_equal(again.predict(X, verbose=0), expected)
    again.set_weights([w + 1 for w in again.get_weights()])
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)
    assert again.get_config() == model.get_config()


def summary_of(model: Any, **settings: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, **settings)
    return "\n".join(lines)


def test_summary() -> None:
    model = tg.Sequential(
        [tg.Input((28, 28, 1)), layers.Conv2D(32, 3), layers.Flatten(), layers.Dense(10)], name="m"
    )
    text = summary_of(model)
    for words in ('Model: "m"', "(None, 26, 26, 32)", "320", "216,330", "216,650 (846.29 KB)"):
        assert words in text
    for words in ("Total params", "Trainable params", "Non-trainable params: 0"):
        assert words in text
    assert "unbuilt" in summary_of(tg.Sequential([layers.Dense(2)]))


def test_summary_lines_are_equally_wide_in_a_terminal() -> None:
    from tinygrad_cn.summary import width

    model = tg.Sequential(
        [tg.Input((4,)), layers.Dense(3, name="隐藏层"), layers.Dense(2, name="输出" * 20)],
        name="模型",
    )
    lines = [line for line in summary_of(model).split("\n") if line[0] in "┏┃┡│├└"]
    assert len({width(line) for line in lines}) == 1


def test_summary_settings() -> None:
    inner = tg.Sequential([tg.Input((4,)), layers.Dense(3, name="deep")], name="inner")
    model = tg.Sequential([tg.Input((4,)), inner, layers.Dense(1, name="last")])
    inner.trainable = False
    text = summary_of(model, expand_nested=True, show_trainable=True)
    assert "└ deep" in text
    assert "Non-trainable params: 15" in text
    assert "deep" not in summary_of(model)
    assert "inner" not in summary_of(model, layer_range=("last", "last"))
    assert "Connected to" in summary_of(two_towers())
    with pytest.raises(ValueError, match="positions"):
        summary_of(model, positions=[0.5, 1.0])
    with pytest.raises(ValueError, match="names of layers"):
        summary_of(model, layer_range=("a", "b"))


def test_summary_without_box_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    tg.Sequential([tg.Input((4,)), layers.Dense(3)]).summary()
    out.seek(0)
    assert "+--" in out.read()


def test_trainable_of_a_model_reaches_all() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (4, 2)
    model.trainable = False
    assert model.layers[0].trainable is False
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (0, 6)
    model.trainable = True
    assert len(model.trainable_weights) == 4


class OldLoss(tg.Sequential):
    """compute_loss as it was before it was told whether it is for training."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return 3 * super().compute_loss(x, y, y_pred, sample_weight)


def test_own_compute_loss_without_training() -> None:
    model = OldLoss([tg.Input((4,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(tg.optimizers.SGD(0.0), "mse")
    x, y = np.ones((8, 4)), np.full((8, 1), 2.0)
    assert model.fit(x, y, verbose=0).history["loss"] == [pytest.approx(12.0)]
    assert model.evaluate(x, y, verbose=0) == pytest.approx(12.0)


@pytest.mark.parametrize("known", [True, False], ids=["drawn", "built by data"])
def test_no_loss_is_added_for_what_a_layer_was_probed_with(known: bool) -> None:
    class Lossy(layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(1.0 + x.sum())
            return x

    lossy = [tg.Input((2,)), Lossy()] if known else [Lossy()]
    model = tg.Sequential([*lossy, layers.Dense(1, kernel_initializer="zeros")])
    assert len(model.losses) == 0
    model.compile(tg.optimizers.SGD(0.0), "mse")
    history = model.fit(np.ones((4, 2)), np.zeros((4, 1)), epochs=2, verbose=0).history
    assert history["loss"] == [9.0, 9.0]


@tg.saving.register_keras_serializable()
class Twice(layers.Layer):
    """Takes a tuple, gives one, and states its shapes as one."""

    def call(self, pair: Any) -> Any:
        assert isinstance(pair, tuple)
        return pair[0], pair[1] + 1

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0], input_shape[1]


def test_tuples_stay_tuples_also_in_files(tmp_path: Any) -> None:
    x = tg.Input((2,))
    outputs = Twice()((x, x))
    assert isinstance(outputs, tuple)
    model = tg.Model((x,), outputs)
    model.save(tmp_path / "model.tgcn")
    again = tg.models.load_model(tmp_path / "model.tgcn")
    drawn = tg.models.model_from_json(model.to_json())
    for one in (model, again, drawn):
        assert isinstance(one(np.zeros((1, 2))), tuple)
        assert isinstance(one.predict(np.zeros((1, 2)), verbose=0), tuple)
        assert isinstance(one.input, tuple)


@pytest.mark.parametrize("change", [lambda x: tg.ops.mean(x, axis=1), lambda x: x[:, 0]])
def test_functions_of_ops_carry_no_mask(change: Any) -> None:
    x = tg.Input((4,), dtype="int32")
    h = change(layers.Embedding(3, 2, mask_zero=True)(x))
    model = tg.Model(x, layers.Dense(1, kernel_initializer="zeros")(h))
    model.compile(tg.optimizers.SGD(0.0), "mse")
    data = np.array([[1, 2, 0, 0], [1, 0, 0, 0]])
    assert model.fit(data, np.ones((2, 1)), verbose=0).history["loss"] == [1.0]


def test_training_what_is_frozen_is_told() -> None:
    model = tg.Sequential([tg.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.trainable = False  # as a GAN's discriminator, after its compile()
    before = model.get_weights()
    with pytest.warns(UserWarning, match="nothing to train"):
        model.train_on_batch(X, np.ones(6))
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
