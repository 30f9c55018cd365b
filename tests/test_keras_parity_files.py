"""Keras's own files load: the same predictions, and the same next training step."""

import json
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import tinygrad_cn as tg

h5py = pytest.importorskip("h5py", reason="reads Keras's HDF5 files (extra: keras)")
DATA = pathlib.Path(__file__).parent / "data"
with np.load(DATA / "keras_files.npz") as file:
    EXPECTED = dict(file)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_sequential_model_and_its_next_step():
    model = tg.saving.load_model(DATA / "keras_chain.keras")
    close(model.predict(EXPECTED["images"], verbose=0), EXPECTED["chain"])
    assert model.optimizer.iterations.item() == 3
    model.train_on_batch(EXPECTED["images"], EXPECTED["labels"])
    close(model.predict(EXPECTED["images"], verbose=0), EXPECTED["chain next"])


def test_a_program_may_begin_with_loading():
    script = "import sys, tinygrad_cn as tg; print(tg.saving.load_model(sys.argv[1]).built)"
    command = [sys.executable, "-c", script, str(DATA / "keras_chain.keras")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


def test_a_functional_model_with_masks_and_ops():
    model = tg.saving.load_model(DATA / "keras_graph.keras")
    close(model.predict([EXPECTED["tokens"], EXPECTED["vectors"]], verbose=0), EXPECTED["graph"])


@pytest.mark.parametrize("name", ["keras_chain.weights.h5", "keras_chain.keras"])
def test_weights_into_a_model_of_ours(name):
    layers = tg.layers
    model = tg.Sequential(
        [
            tg.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(4),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.load_weights(DATA / name)
    close(model.predict(EXPECTED["images"], verbose=0), EXPECTED["chain"])


def test_weights_that_do_not_fit_are_refused():
    model = tg.Sequential([tg.Input((8, 8, 1)), tg.layers.Conv2D(4, 3)])
    with pytest.raises(ValueError, match="do not fit"):
        model.load_weights(DATA / "keras_chain.weights.h5")
    other = tg.Sequential([tg.Input((8, 2)), tg.layers.LSTM(4)])
    with pytest.raises(ValueError, match="no weights for"):
        other.load_weights(DATA / "keras_chain.weights.h5")


def test_damaged_files_are_refused(tmp_path):
    for name in ("keras_chain.keras", "keras_chain.weights.h5"):
        broken = tmp_path / name
        broken.write_bytes((DATA / name).read_bytes()[:2000])
        load = tg.saving.load_model if name.endswith(".keras") else None
        model = tg.Sequential([tg.Input((3,)), tg.layers.Dense(2)])
        with pytest.raises(ValueError, match=r"no Keras file|damaged"):
            load(broken) if load else model.load_weights(broken)


def rezip(tmp_path, change):
    with zipfile.ZipFile(DATA / "keras_chain.keras") as old:
        parts = {name: old.read(name) for name in old.namelist()}
    config = json.loads(parts["config.json"])
    change(config["config"]["layers"])
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)
    return tmp_path / "m.keras"


def lambda_layer(layers):
    layers[4] = {
        "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
        "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wE="}}},
    }  # fmt: skip


def other_module(layers):
    layers[4].update(module="os", class_name="system")


def unsupported(layers):
    layers[1]["config"]["lora_rank"] = 4


@pytest.mark.parametrize("change", [lambda_layer, other_module, unsupported])
def test_what_is_not_supported_is_refused(tmp_path, change):
    with pytest.raises(ValueError):
        tg.saving.load_model(rezip(tmp_path, change))


def test_links_out_of_the_file_are_refused(tmp_path):
    (tmp_path / "secret.h5").touch()
    with h5py.File(tmp_path / "w.weights.h5", "w") as out:
        variables = out.create_group("layers/dense/vars")
        variables["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "x")
    model = tg.Sequential([tg.Input((3,)), tg.layers.Dense(2)])
    with pytest.raises(ValueError, match="refused"):
        model.load_weights(tmp_path / "w.weights.h5")
