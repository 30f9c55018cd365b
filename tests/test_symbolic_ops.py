"""Functions of ops and operators on symbolic tensors give what they give on the data itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import ops

X = np.random.default_rng(0).standard_normal((4, 6, 3)).astype("float32")


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
