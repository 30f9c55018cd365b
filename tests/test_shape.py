"""reshape where strides cannot say it: one copy, and none before the shape is known to fit."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cn import ops


@pytest.mark.parametrize("shape", [6, -1, np.int64(6), [2, 3], (2, -1), (1, -1, 3)], ids=str)
def test_reshape_of_a_transpose(shape):
    x = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    y = ops.reshape(x, shape)
    np.testing.assert_array_equal(y.numpy(), x.reshape(shape))
    assert not np.shares_memory(y.numpy(), x)


@pytest.mark.parametrize("shape", [(), 5, (4, -1), (-1, -1), (-1, 0), (-2, -3)], ids=str)
def test_reshape_refuses_a_shape_that_does_not_fit(shape):
    x = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    with pytest.raises(ValueError, match=r"\[reshape\] 6 elements do not fill the shape"):
        ops.reshape(x, shape)


def test_reshape_refuses_before_it_copies():
    x = np.broadcast_to(np.float32(1), (10**12,))  # a copy would be 4 TB
    with pytest.raises(ValueError, match="do not fill the shape"):
        ops.reshape(x, (7, 11))
