"""Saving: round trips, atomic writing, and the refusal of damaged, foreign and malicious files."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tinygrad_cn as tg
from tinygrad_cn import saving
from tinygrad_cn.saving import files

layers = tg.layers


def chain():
    return tg.Sequential(
        [tg.Input((6,)), layers.Dense(5, activation="relu", kernel_regularizer="l2"),
         layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(2, name="last")]
    )  # fmt: skip


def graph():
    a, b = tg.Input((6,), name="a"), tg.Input((6,), name="b")
    shared = layers.Dense(4, activation="tanh")
    x = layers.Concatenate()([shared(a), shared(b)])
    return tg.Model([a, b], [layers.Dense(2)(x), layers.Dense(3)(x)])


@saving.register_keras_serializable(package="tests")
class Block(tg.Model):
    def __init__(self, units, depth=2, **kwargs):
        super().__init__(**kwargs)
        self.units, self.depth = units, depth
        self.steps = [layers.Dense(units, activation="relu") for _ in range(depth)]
        self.last = layers.Dense(2)

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return self.last(x)


def equal(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


X = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
Y = X[:, :2]


@pytest.mark.parametrize("make", [chain, lambda: Block(4, depth=3)], ids=["chain", "subclass"])
def test_a_saved_model_trains_on_to_the_same_bits(make, tmp_path):
    model = make()
    model.compile(optimizer=tg.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(tmp_path / "m.tgcn")
    again = saving.load_model(tmp_path / "m.tgcn")
    equal(model, again)
    logs = []
    for one in (model, again):
        tg.random.seed(1)
        logs.append(one.fit(X, Y, epochs=2, verbose=0).history)
    assert logs[0] == logs[1]
    equal(model, again)


def test_a_graph_with_shared_layers(tmp_path):
    model = graph()
    model.save(tmp_path / "m.tgcn")
    again = saving.load_model(tmp_path / "m.tgcn")
    for a, b in zip(model.predict([X, -X]), again.predict([X, -X]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cell", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_both_directions(cell, tmp_path):
    model = tg.Sequential([tg.Input((4, 3)), layers.Bidirectional(cell(2)), layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).standard_normal((5, 4, 3)).astype("float32")
    model.fit(x, x[:, 0, :1], verbose=0)
    model.save(tmp_path / "m.tgcn")
    again = tg.models.load_model(tmp_path / "m.tgcn")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_weights_fit_any_model_of_the_architecture(tmp_path):
    model, other = chain(), chain()
    model.save_weights(tmp_path / "w.safetensors")
    other.load_weights(tmp_path / "w.safetensors")
    equal(model, other)
    names = list(load_file(tmp_path / "w.safetensors"))
    assert "layers.0.kernel" in names and "layers.1.moving_mean" in names


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    model = chain()
    model.save_weights(tmp_path / "w.safetensors")
    other = tg.Sequential([tg.Input((6,)), layers.Dense(7), layers.Dense(2)])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"layers.0.kernel: expected \(6, 7\), received \(6, 5\)"):
        other.load_weights(tmp_path / "w.safetensors")
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other.load_weights(tmp_path / "w.safetensors", skip_mismatch=True)


def test_arrays_of_any_layout_are_written_right(tmp_path):
    base = np.arange(12, dtype="float32").reshape(3, 4)
    arrays = {
        "transposed": base.T, "stepped": base[::2], "fortran": np.asfortranarray(base),
        "big-endian": base.astype(">f4"), "scalar": np.array(2.5), "empty": base[:0],
    }  # fmt: skip
    files.write(tmp_path / "a.safetensors", "weights", arrays, {})
    found, _ = files.read(tmp_path / "a.safetensors", "weights")
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    model = chain()
    path = tmp_path / "w.safetensors"
    model.save_weights(path)
    before = path.read_bytes()
    model.set_weights([w + 1 for w in model.get_weights()])
    for broken in ("fsync", "replace"):

        def fail(*args, **kwargs):
            raise OSError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(files.os, broken, fail)
            with pytest.raises(OSError, match="disk full"):
                model.save_weights(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["w.safetensors"]


def test_a_file_that_cannot_be_written_is_an_os_error(tmp_path):
    resource = pytest.importorskip("resource")
    model = tg.Sequential([tg.Input((100,)), layers.Dense(100)])
    path = tmp_path / "w.safetensors"
    model.save_weights(path)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match=r"w.safetensors.* could not be written"):
            model.save_weights(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"]
    with pytest.raises(FileNotFoundError, match=r"no folder .*missing"):
        model.save(tmp_path / "missing" / "m.tgcn")


@pytest.mark.parametrize("keep", [0, 3, 8, 60, 0.3, 0.7, -1])
def test_truncated_files_are_refused(tmp_path, keep):
    model = chain()
    model.save(tmp_path / "m.tgcn")
    data = (tmp_path / "m.tgcn").read_bytes()
    n = int(len(data) * keep) if isinstance(keep, float) else keep
    (tmp_path / "t.tgcn").write_bytes(data[:n])
    with pytest.raises(ValueError, match="damaged"):
        saving.load_model(tmp_path / "t.tgcn")


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "p.tgcn").write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(ValueError, match="damaged or not a safetensors file"):
        saving.load_model(tmp_path / "p.tgcn")
    save_file({"w": np.ones(3, "float32")}, tmp_path / "s.tgcn")
    with pytest.raises(ValueError, match="something else"):
        saving.load_model(tmp_path / "s.tgcn")
    with pytest.raises(FileNotFoundError):
        saving.load_model(tmp_path / "none.tgcn")


def tampered(tmp_path, change):
    """A model file with its config changed."""
    chain().save(tmp_path / "m.tgcn")
    arrays, notes = files.read(tmp_path / "m.tgcn")
    config = json.loads(notes["config"])
    notes["config"] = change(config) or json.dumps(config)
    save_file(arrays, tmp_path / "t.tgcn", notes)
    return tmp_path / "t.tgcn"


def unknown_class(config):
    config["config"]["layers"][1]["class_name"] = "Popen"
    config["config"]["layers"][1]["module"] = "subprocess"


def unknown_function(config):
    config["config"]["layers"][1]["config"]["activation"] = "system"


def evil_function(config):
    config["config"]["layers"][1]["config"]["activation"] = {
        "class_name": "function", "module": "os", "config": "system",
    }  # fmt: skip


def giant_layer(config):
    config["config"]["layers"][1]["config"]["units"] = 10**11


def wrong_type(config):
    config["config"]["layers"][1]["config"]["units"] = {"a": 1}


def no_model(config):
    config["class_name"], config["module"] = "Dense", "tinygrad_cn.layers"
    config["config"] = {"units": 3}


def not_json(config):
    return '{"class_name": '


def deep_json(config):
    return "[" * 100000


@pytest.mark.parametrize(
    "change",
    [unknown_class, unknown_function, evil_function, giant_layer, wrong_type, no_model, not_json,
     deep_json],
)  # fmt: skip
def test_malicious_configs_are_refused(tmp_path, change):
    with pytest.raises(ValueError):
        saving.load_model(tampered(tmp_path, change))


def test_lambda_code_is_not_written(tmp_path):
    model = tg.Sequential([tg.Input((3,)), layers.Lambda(lambda x: x * 2)])
    with pytest.raises(ValueError, match="no name that a file could hold"):
        model.save(tmp_path / "m.tgcn")


def test_unregistered_classes_are_told(tmp_path):
    class Mine(tg.Model):
        def call(self, x):
            return x

    model = Mine()
    model(X)
    model.save(tmp_path / "m.tgcn")
    with pytest.raises(ValueError, match=r"'Mine'. Expected it in custom_objects, or registered"):
        saving.load_model(tmp_path / "m.tgcn")
    loaded = saving.load_model(tmp_path / "m.tgcn", custom_objects={"Mine": Mine})
    np.testing.assert_array_equal(loaded(X), model(X))


def test_unregistered_functions_come_back_by_custom_objects_alone(tmp_path):
    def mse(y_true, y_pred):  # not the published one
        return abs(y_true - y_pred).mean()

    path = tmp_path / "m.tgcn"
    model = tg.Sequential([tg.Input((6,)), layers.Dense(2)])
    model.compile("adam", mse, metrics=[mse])
    model.fit(X, X[:, :2], verbose=0)
    model.save(path)
    with pytest.raises(ValueError, match=r"'mse'\. Expected it in custom_objects"):
        saving.load_model(path)
    assert saving.load_model(path, compile=False).optimizer is None
    loaded = saving.load_model(path, custom_objects={"mse": mse})
    assert loaded.loss is mse and int(loaded.optimizer.iterations) == 1


def test_copies_know_functions_that_are_not_registered():
    def half(x):
        return x / 2

    both = layers.Bidirectional(layers.LSTM(3, activation=half))
    assert both.backward_layer.activation is half
    model = tg.Sequential([tg.Input((5, 3)), both, layers.Dense(2, activation=half)])
    copy = tg.models.clone_model(model)
    copy.set_weights(model.get_weights())
    x = np.ones((2, 5, 3), "float32")
    np.testing.assert_array_equal(copy(x), model(x))
    model.add(layers.Dense(2, activation=lambda x: x))
    with pytest.raises(ValueError, match="Expected a function with a name"):
        tg.models.clone_model(model)


def test_custom_objects(tmp_path):
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    saving.register_keras_serializable(package="once")(Twice)
    model = tg.Sequential([tg.Input((6,)), Twice()])
    model.save(tmp_path / "m.tgcn")
    again = saving.load_model(tmp_path / "m.tgcn", custom_objects={"once>Twice": Twice})
    np.testing.assert_array_equal(again.predict(X), 2 * X)


def test_a_loss_that_cannot_be_written_is_told(tmp_path):
    model = chain()
    model.compile(loss=lambda t, p: (t - p) ** 2)
    with pytest.warns(UserWarning, match=r"compile\(\) is not saved"):
        model.save(tmp_path / "m.tgcn")
    assert not saving.load_model(tmp_path / "m.tgcn").compiled


def test_names_and_overwriting(tmp_path):
    model = chain()
    with pytest.raises(ValueError, match=r"ends in '.tgcn'"):
        model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"ends in '.safetensors'"):
        model.save_weights(tmp_path / "w.weights.h5")
    model.save(tmp_path / "m.tgcn")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "m.tgcn", overwrite=False)
    unbuilt = tg.Sequential([layers.Dense(2)])
    for save in (unbuilt.save_weights, unbuilt.load_weights):
        with pytest.raises(ValueError, match="no weights yet"):
            save(tmp_path / "w.safetensors")


def test_safe_mode_cannot_be_left(tmp_path):
    chain().save(tmp_path / "m.tgcn")
    with pytest.raises(ValueError, match="safe_mode=True"):
        saving.load_model(tmp_path / "m.tgcn", safe_mode=False)


def test_generators_of_layers_go_on(tmp_path):
    model = tg.Sequential([tg.Input((6,)), layers.Dropout(0.5, seed=3)])
    model(X, training=True)
    model.save(tmp_path / "m.tgcn")
    again = saving.load_model(tmp_path / "m.tgcn")
    np.testing.assert_array_equal(model(X, training=True).numpy(), again(X, training=True).numpy())


@pytest.mark.parametrize("kind", ["chain", "graph"])
def test_a_frozen_layer_stays_frozen(tmp_path, kind):
    model = tg.Sequential([tg.Input((3,)), layers.Dense(2, name="base"), layers.Dense(1)])
    if kind == "graph":
        model = tg.Model(model.inputs, model.outputs)
    model.get_layer("base").trainable = False
    model.save(tmp_path / "model.tgcn")
    for again in (tg.models.load_model(tmp_path / "model.tgcn"), tg.models.clone_model(model)):
        assert not again.get_layer("base").trainable and again.trainable
        assert len(again.trainable_weights) == 2
    model.trainable = False
    assert not tg.models.clone_model(model).trainable_weights
