"""Callbacks: when they are called, what they decide, and the files they write."""

import csv
import json
import math
import struct
import warnings

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import callbacks
from tinygrad_cn.callbacks.events import crc32c

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make_model(rate=0.05):
    model = tg.Sequential([tg.Input((3,)), tg.layers.Dense(1)])
    model.compile(optimizer=tg.optimizers.Adam(rate), loss="mse")
    return model


def fit(model, *given, epochs=4, **settings):
    settings = {"verbose": 0, "validation_data": (X, Y), "batch_size": 10, **settings}
    return model.fit(X, Y, epochs=epochs, callbacks=list(given), **settings)


class Watch(callbacks.Callback):
    """Gives val_loss the values it is told."""

    def __init__(self, values):
        self.values, self.weights = values, []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.values[epoch]
        self.weights.append(self.model.get_weights())


def test_all_marks_are_called_in_order():
    seen = []
    names = [f"on_{mark}" for mark in callbacks.base.MARKS]

    def note(name):
        return lambda *args: seen.append((name, *args[:-1]))

    everything = callbacks.LambdaCallback(**{name: note(name) for name in names})
    model = make_model()
    fit(model, everything, epochs=1, batch_size=20)
    assert seen == [
        ("on_train_begin",), ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0), ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1), ("on_train_batch_end", 1),
        ("on_test_begin",), ("on_test_batch_begin", 0), ("on_test_batch_end", 0),
        ("on_test_batch_begin", 1), ("on_test_batch_end", 1), ("on_test_end",),
        ("on_epoch_end", 0), ("on_train_end",),
    ]  # fmt: skip
    seen.clear()
    model.predict(X, verbose=0, callbacks=[everything], batch_size=40)
    assert [name for name, *_ in seen] == [
        "on_predict_begin", "on_predict_batch_begin", "on_predict_batch_end", "on_predict_end",
    ]  # fmt: skip


@pytest.mark.parametrize(("use", "gerund"), [("evaluate", "evaluating"), ("predict", "predicting")])
def test_a_callback_ends_evaluate_and_predict(use, gerund):
    def forever():
        for _ in range(1000):
            yield (X, Y)

    def stop(batch, logs):
        seen.append(batch)
        setattr(model, f"stop_{gerund}", batch == 2)

    seen, model = [], make_model()
    mark = "test" if use == "evaluate" else use
    for _ in range(2):
        callback = callbacks.LambdaCallback(**{f"on_{mark}_batch_end": stop})
        getattr(model, use)(forever(), callbacks=[callback], verbose=0)
    assert seen == [0, 1, 2] * 2


def test_a_callback_list_forwards_the_short_names_too():
    class Short(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append(batch)

    seen = []
    told = callbacks.CallbackList([Short()])
    told.on_batch_end(1)
    told.on_train_batch_end(2)
    assert seen == [1, 2]


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match="Expected Callback objects"):
        fit(make_model(), print)
    with pytest.raises(ValueError, match="no mark"):
        callbacks.LambdaCallback(on_epoch=print)


def test_history():
    history = fit(make_model(), epochs=3)
    assert history.epoch == [0, 1, 2]
    assert list(history.history) == ["loss", "val_loss"]
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.filterwarnings("ignore:Glyph .* missing")  # where no Chinese font is installed
def test_history_can_be_drawn(tmp_path):
    history = fit(make_model(), epochs=2)
    history.plot(tmp_path / "curves.png", title="标题 title")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_early_stopping_waits_and_restores():
    watch = Watch([5.0, 3.0, 4.0, 3.5, 3.4, 1.0])
    model = make_model()
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = fit(model, watch, stop, epochs=6)
    assert history.epoch == [0, 1, 2, 3] and stop.stopped_epoch == 3 and stop.best_epoch == 1
    for mine, best in zip(model.get_weights(), watch.weights[1], strict=True):
        np.testing.assert_array_equal(mine, best)


@pytest.mark.parametrize(
    ("settings", "values", "epochs"),
    [
        ({"patience": 1, "min_delta": 0.5}, [3.0, 2.8, 2.7], 2),
        ({"patience": 1, "mode": "max"}, [1.0, 2.0, 1.5], 3),
        ({"patience": 1, "start_from_epoch": 2}, [1.0, 2.0, 3.0, 4.0, 5.0], 4),
        ({"patience": 2, "baseline": 0.5}, [3.0, 2.0, 1.0, 1.5, 1.4], 4),
    ],
)
def test_early_stopping_settings(settings, values, epochs):
    history = fit(
        make_model(), Watch(values), callbacks.EarlyStopping(**settings), epochs=len(values)
    )
    assert len(history.epoch) == epochs


@pytest.mark.parametrize(
    ("metric", "rises"),
    [
        ("acc", True),
        ("mae", False),
        (tg.metrics.AUC(name="roc"), True),
        (tg.metrics.BinaryIoU(), True),
        (tg.metrics.MeanAbsoluteError(name="score"), False),
        (tg.metrics.FalsePositives(), False),
        (tg.metrics.TrueNegatives(), True),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_mode_is_that_of_the_metric_whatever_it_is_called(metric, rises):
    x = tg.Input((3,))
    outputs = [tg.layers.Dense(1, "sigmoid", name=name)(x) for name in ("accelerator", "other")]
    model = tg.Model(x, outputs)
    model.compile("sgd", "mse", metrics=[[metric], None])
    for name in model.fit(X, [Y > 0, Y], verbose=0).history:
        watch = callbacks.MonitorCallback(f"val_{name}")
        watch.set_model(model)
        assert watch._rises() == (rises and "loss" not in name), name


def test_a_mode_that_cannot_be_told_is_refused():
    def kappa(y_true, y_pred):
        return y_pred

    model = make_model()
    model.compile("sgd", "mse", metrics=[kappa])
    with pytest.raises(ValueError, match="Expected mode='min' or mode='max'"):
        fit(model, callbacks.EarlyStopping(monitor="val_kappa"), epochs=1)
    fit(model, callbacks.EarlyStopping(monitor="val_kappa", mode="max"), epochs=1)


def test_a_monitor_that_is_not_there_is_told():
    with pytest.warns(UserWarning, match="'val_acc' is not in the logs"):
        fit(make_model(), callbacks.EarlyStopping(monitor="val_acc"), epochs=1)


def test_model_checkpoint_names_epochs_and_keeps_the_best(tmp_path):
    every = callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.1f}.tgcn")
    best = callbacks.ModelCheckpoint(
        tmp_path / "best.safetensors", save_best_only=True, save_weights_only=True
    )
    watch = Watch([3.0, 1.0, 2.0])
    model = make_model()
    fit(model, watch, every, best, epochs=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["01-3.0.tgcn", "02-1.0.tgcn", "03-2.0.tgcn", "best.safetensors"]
    model.load_weights(tmp_path / "best.safetensors")
    np.testing.assert_array_equal(model.get_weights()[0], watch.weights[1][0])
    again = tg.saving.load_model(tmp_path / "02-1.0.tgcn")
    np.testing.assert_array_equal(again.get_weights()[0], watch.weights[1][0])


def test_model_checkpoint_refuses_bad_names(tmp_path):
    with pytest.raises(ValueError, match=r"ends in '.tgcn'"):
        callbacks.ModelCheckpoint(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="not in the logs"):
        fit(make_model(), callbacks.ModelCheckpoint(tmp_path / "{nothing}.tgcn"), epochs=1)


def test_reduce_lr_on_plateau():
    plateau = callbacks.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=0.2)
    model = make_model(rate=1.0)
    history = fit(model, Watch([1.0] * 8), plateau, epochs=8)
    assert history.history["learning_rate"] == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2]


def test_learning_rate_scheduler_takes_both_forms():
    model = make_model()
    history = fit(model, callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2), epochs=2)
    assert history.history["learning_rate"] == [0.025, 0.0125]
    history = fit(model, callbacks.LearningRateScheduler(lambda epoch: 0.1 * epoch), epochs=2)
    assert history.history["learning_rate"] == [0.0, 0.1]
    with pytest.raises(ValueError, match="Expected a float"):
        fit(model, callbacks.LearningRateScheduler(lambda epoch: "fast"), epochs=1)


def test_csv_logger(tmp_path):
    for append in (False, True):
        fit(make_model(), callbacks.CSVLogger(tmp_path / "log.csv", append=append), epochs=2)
    rows = list(csv.reader((tmp_path / "log.csv").read_text().splitlines()))
    assert rows[0] == ["epoch", "loss", "val_loss"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "0", "1"]


@pytest.mark.parametrize("append", [False, True])
def test_csv_logger_can_be_used_again_and_begins_an_empty_file(tmp_path, append):
    path = tmp_path / "log.csv"
    path.touch()
    logger, model = callbacks.CSVLogger(path, append=append), make_model()
    for _ in range(2):
        fit(model, logger, epochs=1)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0] == ["epoch", "loss", "val_loss"]
    assert [row[0] for row in rows[1:]] == ["0"] * (1 + append)


def test_csv_logger_makes_room_for_what_comes_late(tmp_path):
    path, model = tmp_path / "log.csv", make_model()
    for _ in range(2):
        fit(model, callbacks.CSVLogger(path, append=True), epochs=3, validation_freq=2)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0] == ["epoch", "loss", "val_loss"]
    assert [row[2] == "NA" for row in rows[1:]] == [True, False, True] * 2
    model.compile("sgd", "mse", metrics=[tg.metrics.F1Score()])
    fit(model, callbacks.CSVLogger(path), epochs=1)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0][2] == "f1_score" and rows[1][2].startswith('"[')


def test_terminate_on_nan(capsys):
    model = make_model()
    model.set_weights([np.full((3, 1), np.nan, "float32"), np.zeros(1, "float32")])
    seen = []
    count = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fit tells of the NaN, too
        fit(model, callbacks.TerminateOnNaN(), count)
    assert seen == [0]
    assert "training ends" in capsys.readouterr().out


def test_a_run_that_was_killed_goes_on_to_the_same_bits(tmp_path):
    class Killed(Exception):
        pass

    class Kill(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise Killed

    def make():
        tg.utils.set_random_seed(3)
        model = tg.Sequential(
            [tg.Input((3,)), tg.layers.Dense(8), tg.layers.BatchNormalization(),
             tg.layers.Dropout(0.3), tg.layers.Dropout(0.1, seed=5), tg.layers.Dense(1)]
        )  # fmt: skip
        model.compile(optimizer=tg.optimizers.Nadam(0.01), loss="mse")
        return model

    whole = make()
    fit(whole, epochs=5)
    with pytest.raises(Killed):
        fit(make(), callbacks.BackupAndRestore(tmp_path / "b"), Kill(), epochs=5)
    resumed = make()
    tg.random.seed(99)  # whatever the new process did before
    history = fit(resumed, callbacks.BackupAndRestore(tmp_path / "b"), epochs=5)
    assert history.epoch == [3, 4]
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not (tmp_path / "b").exists()


def test_backup_of_an_untouched_folder_leaves_other_files_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    fit(make_model(), callbacks.BackupAndRestore(tmp_path), epochs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def read_events(path):
    """The scalars of an event file: (tag, value, step)."""
    data, found = path.read_bytes(), []

    def fields(message):
        i = 0
        while i < len(message):
            number, kind = message[i] >> 3, message[i] & 7
            i += 1
            if kind == 0:
                value = shift = 0
                while True:
                    value |= (message[i] & 0x7F) << shift
                    shift += 7
                    i += 1
                    if message[i - 1] < 128:
                        break
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
                value = message[i : i + size]
                i += size
            else:
                n = message[i]
                value = message[i + 1 : i + 1 + n]
                i += 1 + n
            yield number, value

    def masked(part):
        crc = crc32c(part)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    i = 0
    while i < len(data):
        (n,) = struct.unpack_from("<Q", data, i)
        assert struct.unpack_from("<I", data, i + 8) == (masked(data[i : i + 8]),)
        body = data[i + 12 : i + 12 + n]
        assert struct.unpack_from("<I", data, i + 12 + n) == (masked(body),)
        i += 16 + n
        event = dict(fields(body))
        if 5 in event:
            value = dict(fields(dict(fields(event[5]))[1]))
            found.append((value[1].decode(), struct.unpack("<f", value[2])[0], event.get(2, 0)))
    return found


def test_tensorboard_writes_events(tmp_path):
    history = fit(make_model(), callbacks.TensorBoard(tmp_path, update_freq=3), epochs=2)
    (train,) = (tmp_path / "train").iterdir()
    (validation,) = (tmp_path / "validation").iterdir()
    events = read_events(train)
    losses = [value for tag, value, _ in events if tag == "epoch_loss"]
    assert losses == pytest.approx(history.history["loss"])
    assert [step for tag, _, step in events if tag == "batch_loss"] == [3, 6]
    assert [(t, s) for t, _, s in read_events(validation)] == [("epoch_loss", 0), ("epoch_loss", 1)]


def test_tensorboard_refuses_what_it_does_not_write(tmp_path):
    with pytest.raises(ValueError, match="histogram_freq"):
        callbacks.TensorBoard(tmp_path, histogram_freq=1)


def test_a_callback_that_looks_at_epochs_costs_nothing_per_batch():
    told = callbacks.CallbackList([callbacks.EarlyStopping()], add_history=True)
    assert not told.listens("train_batch_end")
    assert told.listens("epoch_end")


def test_json_has_no_part_in_the_logs():
    """Logs are plain numbers, which any logger can write."""
    history = fit(make_model(), epochs=1)
    assert math.isfinite(json.loads(json.dumps(history.history))["loss"][0])


def test_a_metric_with_a_value_per_class(tmp_path):
    model = tg.Sequential([tg.Input((3,)), tg.layers.Dense(2, "softmax")])
    model.compile("sgd", "mse", metrics=[tg.metrics.F1Score(average=None)])
    y = np.eye(2)[(X[:, 0] > 0).astype(int)]
    board = callbacks.TensorBoard(tmp_path)
    (scores,) = model.fit(X, y, verbose=0, callbacks=[board]).history["f1_score"]
    events = read_events(next((tmp_path / "train").iterdir()))
    written = [value for tag, value, _ in events if tag.startswith("epoch_f1_score_")]
    assert written == pytest.approx(list(scores))
    with pytest.raises(ValueError, match="Expected one number as 'f1_score'"):
        model.fit(X, y, verbose=0, callbacks=[callbacks.EarlyStopping("f1_score")])
