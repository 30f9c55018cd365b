"""Batches: what they hold, and what is said of data that end."""

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import data, random


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "int64", "bool"])
def test_shuffled_batches_are_rows_of_the_arrays_in_one_order(dtype):
    """Of any type and layout, and each row once."""
    x = np.arange(6 * 23).reshape(6, 23).T.astype(dtype)  # its rows lie apart
    y = {"a": np.arange(23), "b": [np.arange(46.0)[::2], None]}
    with_rows = list(data.ArrayBatches(x, y, batch_size=5, shuffle=True, dtype="float64"))
    rows = np.concatenate([b[1]["a"] for b in with_rows])
    assert sorted(rows) == list(range(23)) and (rows != np.arange(23)).any()
    assert [len(b[0]) for b in with_rows] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate([b[0] for b in with_rows]), x[rows])
    np.testing.assert_array_equal(np.concatenate([b[1]["b"][0] for b in with_rows]), 2.0 * rows)
    assert all(b[1]["b"][1] is None and b[2] is None for b in with_rows)


def test_arrays_in_c_order_are_not_copied():
    x, y = np.zeros((8, 3), np.float32), np.zeros(8)
    batches = data.ArrayBatches(x, y, shuffle=True, dtype="float64")
    assert batches.x.dtype == np.float64 and batches.y is y
    assert data.ArrayBatches(x, y, shuffle=True).x is x


@pytest.mark.parametrize("drawn", [1, 100, 1 << 20])  # bytes: a batch, some batches, all rows
@pytest.mark.parametrize("n", [0, 1, 7, 23])
def test_rows_that_are_drawn_together_are_cut_into_the_same_batches(monkeypatch, drawn, n):
    monkeypatch.setattr(data, "DRAWN_BYTES", drawn)
    x = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    tg.random.seed(1)
    batches = list(data.ArrayBatches(x, x[:, 0], batch_size=4, shuffle=True))
    tg.random.seed(1)
    order = random.permutation(n)
    assert [len(batch[0]) for batch in batches] == [min(4, n - i) for i in range(0, n, 4)]
    for i, (some, first, weight) in enumerate(batches):
        np.testing.assert_array_equal(some, x[order[4 * i : 4 * i + 4]])
        np.testing.assert_array_equal(first, some[:, 0])
        assert weight is None


def test_data_that_end_too_early_are_named():
    model = tg.Sequential([tg.Input((1,)), tg.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"before the first batch.*can be iterated over in every"):
        model.fit(iter([]), verbose=0)
    once = iter([(np.zeros((2, 1)), np.zeros((2, 1)))])
    with pytest.warns(UserWarning, match="source that can be iterated over"):
        model.fit(once, epochs=2, verbose=0)


def test_validation_data_that_ended_give_no_value():
    x = np.ones((8, 2))
    model = tg.Sequential([tg.layers.Dense(1)])
    model.compile("sgd", "mse")
    once = (batch for batch in [(x, x[:, :1])])
    with pytest.warns(UserWarning, match="validation data ended .* has no val_ values"):
        history = model.fit(x, x[:, :1], epochs=2, validation_data=once, verbose=0).history
    assert len(history["loss"]) == 2 and len(history["val_loss"]) == 1
    with pytest.raises(ValueError, match="validation data ended"):
        model.fit(x, x[:, :1], validation_data=once, verbose=0)


def test_a_dataset_hears_of_each_epoch_also_of_short_ones():
    told = []

    class Heard(tg.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return np.ones((2, 2)), np.ones((2, 1))

        def on_epoch_begin(self):
            told.append("begin")

        def on_epoch_end(self):
            told.append("end")

    model = tg.Sequential([tg.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(Heard(), epochs=3, steps_per_epoch=2, verbose=0)
    assert told == ["begin", "end"] * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"class_weight": {"0": 2.0}},
        {"class_weight": [1.0, 2.0]},
        {"shuffle": "batch"},
        {"validation_data": (np.ones((4, 2)), np.ones((4, 1))), "validation_freq": 0},
    ],
    ids=str,
)
def test_what_fit_would_not_heed_is_refused(settings):
    model = tg.Sequential([tg.layers.Dense(1)])
    model.compile("sgd", "mse")
    name = list(settings)[-1]
    with pytest.raises(ValueError, match=name):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, **settings)
    assert not model.built  # and before anything is trained


def test_sample_weights_for_an_output_that_there_is_not_are_refused():
    x = tg.Input((2,))
    model = tg.Model(x, {"a": tg.layers.Dense(1)(x), "b": tg.layers.Dense(1)(x)})
    model.compile("sgd", {"a": "mse", "b": "mse"})
    data_of = np.ones((4, 2)), {"a": np.ones((4, 1)), "b": np.ones((4, 1))}
    with pytest.raises(ValueError, match=r"Unknown name 'c'.*a, b"):
        model.fit(*data_of, sample_weight={"a": np.ones(4), "c": np.ones(4)}, verbose=0)
    model.fit(*data_of, sample_weight={"a": np.ones(4)}, verbose=0)
