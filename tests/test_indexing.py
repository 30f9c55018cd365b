"""Indexing reads, writes and differentiates as NumPy's does."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import ops

X = np.arange(24.0).reshape(2, 3, 4)
MASK = X % 5 == 0

BASIC = {
    "int": 1,
    "negative int": -1,
    "numpy int": np.int64(1),
    "ints": (1, 2),
    "all ints": (1, 2, 3),
    "slice": slice(0, 1),
    "empty slice": slice(2, 1),
    "step": (slice(None), slice(None, None, 2)),
    "backwards": (slice(None, None, -1), Ellipsis, slice(None, None, -2)),
    "ellipsis": Ellipsis,
    "ellipsis first": (Ellipsis, 0),
    "ellipsis between": (0, Ellipsis, 1),
    "newaxis": (None, 0, None, slice(1, 3)),
    "nothing": (),
}
ADVANCED = {
    "array": np.array([1, 0, 1]),
    "list": [1, 0, 1],
    "negative": np.array([-1, -2]),
    "matrix of rows": np.array([[0, 1], [1, 1]]),
    "pairs": (np.array([0, 1, 0]), np.array([2, 2, 2])),
    "outer": (np.array([[0], [1]]), np.array([0, 2])),
    "with slice": (slice(None), np.array([2, 0])),
    "apart": (np.array([0, 1]), slice(None), np.array([1, 3])),
    "with int": (0, np.array([2, 0, 0])),
    "with newaxis": (None, np.array([1, 1])),
    "with ellipsis": (Ellipsis, np.array([0, 0, 3])),
    "mask": MASK,
    "mask of rows": np.array([False, True]),
    "mask and int": (np.array([True, True]), 1),
    "mask after": (slice(None), np.array([True, False, True])),
    "nothing masked": np.zeros_like(MASK),
    "no rows": [],
    "0-d": np.array(1),
    "bool": True,
    "int32": np.array([1, 0], np.int32),
    "uint8": np.array([1, 0], np.uint8),
}
KEYS = BASIC | ADVANCED


def for_numpy(key):
    """The key, where NumPy's functions take an empty list for floats."""
    return np.array([], int) if isinstance(key, list) and not key else key


@pytest.mark.parametrize("name", KEYS)
def test_reading(name):
    key = KEYS[name]
    t = tg.Tensor(X, requires_grad=True)
    y = t[key]
    expected = np.asarray(X[for_numpy(key)])
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.data, expected)
    assert np.shares_memory(y.data, X) == (name in BASIC and expected.size > 0)


@pytest.mark.parametrize("name", KEYS)
def test_gradient_adds_up_what_was_read(name):
    key = KEYS[name]
    t = tg.Tensor(X, requires_grad=True)
    y = t[key]
    g = np.arange(1.0, y.size + 1).reshape(y.shape)
    (y * g).sum().backward()
    expected = np.zeros_like(X)
    np.add.at(expected, for_numpy(key), g)
    np.testing.assert_array_equal(t.grad.data, expected)
    if y.size:
        tg.testing.check_grads(lambda t: t[key] ** 2, X / 10)


@pytest.mark.parametrize("name", KEYS)
def test_writing(name):
    key = for_numpy(KEYS[name])
    t, expected = tg.Tensor(X.copy()), X.copy()
    t[KEYS[name]] = 7.0
    expected[key] = 7.0
    np.testing.assert_array_equal(t.data, expected)
    value = np.arange(X[key].size, dtype=float).reshape(X[key].shape)
    t[KEYS[name]] = tg.Tensor(value)
    expected[key] = value
    np.testing.assert_array_equal(t.data, expected)


def test_tensors_as_keys():
    t = tg.Tensor(X)
    i = tg.tensor(np.array([1, 0]))
    np.testing.assert_array_equal(t[i].data, X[[1, 0]])
    np.testing.assert_array_equal(t[:, i].data, X[:, [1, 0]])
    np.testing.assert_array_equal(t[t > 20].data, X[X > 20])
    assert t[tg.tensor(np.array(1)), 2].shape == (4,)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (2, r"\[getitem\] index 2 is out of bounds for axis 0.*x.shape=\(2, 3, 4\)"),
        ((0, 3), r"\[getitem\].*axis 1"),
        ((0, 0, 0, 0), r"\[getitem\].*too many indices"),
        (np.array([0, 5]), r"\[take\].*5"),
        ((slice(None), np.array([3])), r"\[getitem\].*axis 1"),
        (1.5, r"\[getitem\] Only integers.*1.5"),
        (np.array([0.5]), r"\[getitem\] Only integers.*float64"),
        ("a", r"\[getitem\] Only integers.*'a'"),
        ((0, [0.5]), r"\[getitem\] Only integers"),
        (np.ones((3, 3), bool), r"\[getitem\].*bool"),
        ((np.array([0, 1]), np.array([0, 1, 2])), r"\[getitem\].*broadcast"),
        ((Ellipsis, Ellipsis), r"\[getitem\].*ellipsis"),
    ],
    ids=str,
)
def test_bad_keys_are_index_errors(key, words):
    with pytest.raises(IndexError, match=words):
        tg.Tensor(X)[key]
    with pytest.raises(IndexError):
        X[key]


def test_repeated_positions_add_their_gradients():
    t = tg.Tensor(np.zeros(3), requires_grad=True)
    t[np.array([1, 1, 1, 2])].sum().backward()
    assert t.grad.tolist() == [0.0, 3.0, 1.0]


def test_take_and_scatter_are_each_others_gradient():
    table = tg.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    i = np.array([[0, 2], [2, 2]])
    y = ops.take(table, i, axis=0)
    assert y.shape == (2, 2, 2)
    g = tg.grad(y, table, np.ones((2, 2, 2)), create_graph=True)
    assert g.tolist() == [[1, 1], [0, 0], [3, 3]]
    tg.testing.check_grads(lambda t, u: ops.scatter_add(t * t, i, u * u), table, np.ones((2, 2, 2)))


def test_one_row_of_a_large_table():
    table = tg.Tensor(np.ones((1000, 8), np.float32), requires_grad=True)
    ops.take(table, [3, 3, 999], axis=0).sum().backward()
    assert table.grad.data.sum() == 24 and table.grad.data[3].sum() == 16


def test_a_view_chain_writes_through():
    t = tg.tensor(X)
    t[0][1] = 0.0
    assert t.data[0, 1].sum() == 0
