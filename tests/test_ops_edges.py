"""Ops at the ends of their domains: the smallest and largest numbers of a dtype, integers where
floats are usual, shapes that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import ops
from tinygrad_cn.testing import assert_close


def test_hypot_and_cbrt_at_the_ends_of_the_dtypes():
    lengths = np.array([0, 100, -128], np.int8)
    assert_close(ops.hypot(lengths, lengths), np.hypot(lengths, lengths))
    assert_close(ops.cbrt(lengths), np.cbrt(lengths))
    x = tg.tensor([0.0, 3e30], requires_grad=True)
    y = ops.hypot(x, [0.0, 4e30])
    assert_close(y, np.float32([0.0, 5e30]))
    assert_close(tg.grad(y.sum(), x), np.float32([0.0, 0.6]))
    assert tg.grad(ops.cbrt(x)[0], x).tolist()[0] == np.inf
    step = tg.jit(lambda x: ops.hypot(ops.cbrt(x), x))
    for last in (1.0, 8.0, 27.0):
        assert_close(step(tg.tensor([last])), np.hypot(np.cbrt(np.float32([last])), last))


def test_integers_are_rounded_as_integers():
    x = np.array([2**62 + 1, -15, 25])
    assert ops.round(x).tolist() == x.tolist() and ops.round(x, 2).dtype == np.int64
    assert_close(ops.round(x[1:], -1), np.round(x[1:], -1))
    assert ops.nan_to_num(x).tolist() == x.tolist()


def test_products_of_sums_do_not_broadcast():
    for a, b in (([1.0, 2.0], [3.0]), ([[1.0, 2.0]], [[3.0], [4.0], [5.0]])):
        with pytest.raises(ValueError, match="do not fit"):
            ops.inner(a, b)
        with pytest.raises(ValueError, match="do not fit"):
            ops.vdot(a, b)
    assert ops.inner(2.0, [1.0, 2.0]).tolist() == [2, 4]


def test_numbers_of_numpy_are_taken_for_axes_and_sizes():
    x, one = np.arange(12, dtype=np.float32).reshape(3, 4), np.int64(1)
    assert_close(ops.roll(x, np.array([1, 2]), (0, 1)), np.roll(x, (1, 2), (0, 1)))
    assert_close(ops.roll(x, one, one), np.roll(x, 1, 1))
    assert_close(ops.diagonal(x, one, one - 1, one), np.diagonal(x, 1))
    assert_close(ops.tensordot(x, x, (one, one)), np.tensordot(x, x, (1, 1)))
    weights = np.arange(1, 4, dtype=np.float32)
    assert_close(ops.average(x, one - 1, weights), np.average(x, 0, weights))
    pooled = ops.max_pool(x[None, :, :, None], 2 * one, strides=(one, 1))
    assert_close(pooled, ops.max_pool(x[None, :, :, None], 2, 1))


def test_variance_of_too_few_is_that_of_numpy():
    x = np.float32([[1.0, 3.0], [2.0, 2.0]])
    for correction in (2, 3):
        assert_close(ops.var(x, 1, correction), np.float32([np.inf, np.nan]))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_powers_with_exponents_of_any_dtype(dtype):
    x = tg.tensor([100.0, 0.0, 3.0], requires_grad=True)
    y = x ** np.array([0, 0, 2], dtype)
    assert tg.grad(y.sum(), x).tolist() == [0, 0, 6]


def test_python_numbers_do_not_pass_through_float32():
    n = 2**24 + 1  # float32 has no such number
    for x in (ops.full((1,), 0.1, "float64"), ops.full_like(np.zeros(1), 0.1)):
        assert x.tolist() == [0.1]
    for x in (ops.full((1,), n, "int64"), ops.full_like(np.zeros(1, int), n), ops.cast([n], int)):
        assert x.tolist() == [n]
    assert ops.cast(0.1, "float64").item() == 0.1
    steps, rate = tg.Variable(np.zeros((), np.int64)), tg.Variable(np.zeros(()))
    assert steps.assign(n).item() == n and steps.assign_add(n).item() == 2 * n
    assert rate.assign(0.1).item() == 0.1 and rate.assign_sub(0.1).item() == 0


def test_written_numbers_fit_the_dtype_and_leading_axes_of_length_1_are_dropped():
    x = tg.tensor(np.array([1, 2], np.uint8))
    for n in (-1, 300):
        with pytest.raises(OverflowError):
            x[0] = n
        with pytest.raises(OverflowError):
            ops.full_like(x, n)
    x[:] = np.array([[3, 4]])
    assert x.tolist() == [3, 4]


def test_exp2_of_large_numbers_is_exact():
    x = tg.tensor([100.0, -100.0, 10.0], requires_grad=True)
    y = ops.exp2(x)
    assert y.tolist() == [2.0**100, 2.0**-100, 1024.0]
    assert_close(tg.grad(y[2], x)[2:], np.float32([1024 * np.log(2)]))


@pytest.mark.parametrize("padding", [5, None, (1, 1), ((1, 1), (1, 1)), ((0.5, 1),)])
def test_padding_of_a_convolution_is_pairs_of_integers(padding):
    with pytest.raises(ValueError, match=r"\[conv\] Expected 1 pairs of integers"):
        tg.ops.conv(np.ones((1, 5, 1)), np.ones((2, 1, 1)), padding=padding)


def test_positive_keeps_the_sign_of_zero():
    assert np.signbit(tg.ops.positive([-0.0]).numpy()).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_logaddexp_share_g_however_large_the_operands(dtype):
    a = tg.tensor(np.array([1e30, 1e9, 1e9, np.inf, -np.inf, 0], dtype), requires_grad=True)
    b = tg.tensor(np.array([1e30, 1e9, 0, 0, -np.inf, np.inf], dtype), requires_grad=True)
    ga, gb = tg.grad(ops.logaddexp(a, b).sum(), [a, b])
    assert ga.numpy().tolist() == [0.5, 0.5, 1, 1, 0, 0]
    assert gb.numpy().tolist() == [0.5, 0.5, 0, 0, 0, 1]


def test_hard_shrink_keeps_nan():
    assert_close(ops.hard_shrink([np.nan, 0.5, -0.6]), np.float32([np.nan, 0, -0.6]))


@pytest.mark.parametrize("order", [1, 2, 3, np.inf, -np.inf, 0])
def test_normalize_takes_the_orders_of_norm(order):
    x = np.array([[3.0, -4.0], [0.5, 2.0]])
    length = np.linalg.norm(x, order, axis=-1, keepdims=True)
    assert_close(ops.normalize(x, order=order), x / length)


def test_relu_with_bounds_is_flat_at_0_and_keeps_nan():
    relu, x = tg.activations.relu, tg.tensor([-1.0, 0.0, 2.0, 7.0], requires_grad=True)
    assert tg.grad(relu(x, max_value=6.0).sum(), x).numpy().tolist() == [0, 0, 1, 0]
    assert_close(relu([np.nan, 0.5, 3.0], threshold=1.0), np.float32([np.nan, 0, 3]))
    assert_close(relu([-2.0, 9.0], negative_slope=0.5, max_value=6.0), np.float32([-1, 6]))


@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_that_is_not_there_is_named(axis):
    x, c = np.ones((2, 4)), np.ones(4)
    for f in (
        lambda: ops.glu(x, axis),
        lambda: ops.batch_normalization(x, c, c, axis),
        lambda: tg.layers.BatchNormalization(axis)(x),
        lambda: tg.layers.GroupNormalization(2, axis)(x),
    ):
        with pytest.raises(ValueError, match=r"Expected .* <= axis < 2, received axis="):
            f()


@pytest.mark.parametrize(
    ("indices", "values", "shape"),
    [([[0], [1]], (1,), (4,)), ([[0], [1]], (2, 1), (4, 3)), ([[0, 1, 2]], (1,), (4, 4))],
)
def test_scatter_does_not_broadcast_values(indices, values, shape):
    with pytest.raises(ValueError, match=r"\[scatter\] Expected values of shape"):
        ops.scatter(indices, np.ones(values), shape)
    assert ops.scatter([[0], [1]], np.ones((2, 3)), (4, 3)).sum().item() == 6
