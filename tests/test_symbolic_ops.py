"""Functions of ops and operators on symbolic tensors give what they give on the data itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import ops
from tinygrad_cn.testing import assert_close

X = np.random.default_rng(0).standard_normal((4, 6, 3)).astype("float32")
W = np.random.default_rng(1).standard_normal((3, 5)).astype("float32")
ROWS = np.ones((2, 6), "float32")

CALLS = {
    "comparisons": lambda x: ops.where((x > -1) & (x <= 1) | ~(x >= -2) | (x < -3), x, 0.0),
    "exclusive or": lambda x: (x > 0) ^ (x < 1),
    "numbers on the left": lambda x: 2.0**x + 5.0 % x + 5.0 // x,
    "mod and floor": lambda x: x % 2 + x // 2,
    "array @ x": lambda x: ROWS @ x * np.arange(3.0),
    "tensordot": lambda x: ops.tensordot(x, W, 1),
    "dot": lambda x: ops.dot(x, W),
    "dot by a number": lambda x: ops.dot(2.0, x),
    "linear": lambda x: ops.linear(x, W, np.ones(5, "float32"), "tanh"),
    "einsum": lambda x: ops.einsum("btd,dk->btk", x, W),
    "einsum in batches": lambda x: ops.einsum("btd,bsd->bts", x, x),
    "softmax over two axes": lambda x: ops.softmax(x, (1, 2)),
    "prod over two axes": lambda x: ops.prod(x, (1, 2)),
    "median": lambda x: ops.median(x, (1, 2)),
    "median of all": ops.median,
    "var over the batch": lambda x: ops.var(x, 0),
    "std": ops.std,
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3))),
    "pad by reflection": lambda x: ops.pad(x, [[0, 0], [1, 1], [0, 0]], mode="reflect"),
    "tile": lambda x: ops.tile(x, (1, 2, 1)),
    "repeat": lambda x: ops.repeat(x, 2, axis=1),
    "roll along the batch": lambda x: ops.roll(x, 1, 0),
    "roll": lambda x: ops.roll(x, 1, 1),
    "cast": lambda x: ops.cast(5 * x, "int32"),
    "one_hot": lambda x: ops.one_hot(ops.cast(ops.argmax(x, 1), "int64"), 6, dtype="float64"),
    "topk": lambda x: ops.topk(x, 2, 1)[0],
    "top_k": lambda x: ops.top_k(x, k=2)[1],
    "take_along_axis": lambda x: ops.take_along_axis(x, ops.argsort(x, 1), 1),
    "take from an array": lambda x: ops.take_along_axis(W.T, ops.argsort(x[0], 1) * 0, axis=0),
    "take by positions": lambda x: ops.take(W, ops.argmax(x, -1), axis=0),
    "take of a triangle": lambda x: ops.take(ops.tril(x), np.array([0, 2]), axis=1),
    "likes": lambda x: ops.zeros_like(x) + ops.ones_like(x) + ops.full_like(x, 2.0),
    "isclose": lambda x: ops.isclose(1.0, x),
    "stop_gradient": lambda x: ops.stop_gradient(x) + x,
    "nan_to_num": ops.nan_to_num,
    "conv_transpose": lambda x: ops.conv_transpose(x, np.ones((3, 2, 3), "float32"), 2),
    "gru": lambda x: ops.gru(x, np.ones((3, 6), "float32"), np.ones((2, 6), "float32"))[0],
}


@pytest.mark.parametrize("name", CALLS)
def test_on_symbolic_tensors(name):
    expected = CALLS[name](tg.tensor(X))
    x = tg.Input((6, 3))
    y = CALLS[name](x)
    model = tg.Model(x, y)
    assert_close(model(X), expected)
    assert_close(model(X[:1]), CALLS[name](tg.tensor(X[:1])))
    config = json.loads(json.dumps(model.get_config()))
    for one in (model, tg.Model.from_config(config)):
        found = one(X)
        assert_close(found, expected)
        assert found.dtype == expected.dtype
    if y.shape and y.shape[0] is None:
        assert y.shape[1:] == expected.shape[1:]


def test_arrays_of_constants_are_saved():
    x = tg.Input((6, 3))
    y = ops.matmul(np.ones((2, 6), "float32"), x) + ops.arange(3, dtype="float64")
    model = tg.Model(x, ops.take(y, np.array([2, 0]), axis=-1))
    again = tg.Model.from_config(json.loads(json.dumps(model.get_config())))
    assert again(X).dtype == model(X).dtype
    np.testing.assert_array_equal(again(X), model(X))
    learnt = tg.Tensor(np.ones((6, 3), "float32"), requires_grad=True)
    with pytest.raises(ValueError, match="no name that a file could hold"):
        tg.Model(x, x * learnt).get_config()
