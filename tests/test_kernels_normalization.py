"""Layer, RMS and batch norm: the compiled kernels against NumPy, for every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import DTYPES, assert_same, compiled, each_isa, one_and_many_threads

import tinygrad_cn as tg
from tinygrad_cn.kernels import reference

pytestmark = pytest.mark.skipif(compiled is None, reason="the package was built without a compiler")

SHAPES = [
    (1,), (7,), (3, 1), (5, 7), (33, 16), (64, 512), (2, 3, 130), (1000, 5), (4096, 17), (9, 1000),
    (300, 8), (0, 4), (4, 0), (2, 0, 3),
]  # fmt: skip


def arrays(shape: tuple[int, ...], dtype: str, seed: int = 0) -> tuple[np.ndarray, ...]:
    """x, g, gamma, beta; x has a mean that a one-pass variance would stumble over."""
    rng = np.random.default_rng(seed)
    full = [rng.normal(size=shape).astype(dtype) for _ in range(2)]
    rows = [rng.normal(size=shape[-1:]).astype(dtype) for _ in range(2)]
    return full[0] + np.dtype(dtype).type(30), full[1], *rows


def check_all(x: np.ndarray, g: np.ndarray, gamma: np.ndarray | None, beta: np.ndarray | None):
    terms = max(x.size, 1)
    y = reference.layer_norm(x, gamma, beta)
    assert_same(compiled.layer_norm(x, gamma, beta), y, terms, scale=30)
    args = (g, x, gamma, *y[1:])
    assert_same(compiled.layer_norm_grad(*args), reference.layer_norm_grad(*args), terms, scale=30)
    y = reference.rms_norm(x, gamma)
    assert_same(compiled.rms_norm(x, gamma), y, terms)
    args = (g, x, gamma, y[1])
    assert_same(compiled.rms_norm_grad(*args), reference.rms_norm_grad(*args), terms)
    if np.prod(x.shape[:-1]) > 0:
        y = reference.batch_norm(x, gamma, beta)
        assert_same(compiled.batch_norm(x, gamma, beta), y, terms, scale=30)
        args = (g, x, gamma, *y[1:])
        assert_same(
            compiled.batch_norm_grad(*args), reference.batch_norm_grad(*args), terms, scale=30
        )


@each_isa
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_reference(shape, dtype, isa):
    x, g, gamma, beta = arrays(shape, dtype)
    for given_gamma, given_beta in [(gamma, beta), (None, None), (gamma, None), (None, beta)]:
        check_all(x, g, given_gamma, given_beta)


@given(st.integers(1, 70), st.integers(1, 200), st.sampled_from(DTYPES))
def test_any_shape(rows, columns, dtype):
    check_all(*arrays((rows, columns), dtype, seed=rows))


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_layout(dtype):
    x, g, gamma, beta = arrays((6, 5, 8), dtype)
    double = np.repeat(gamma, 2)
    check_all(x.transpose(1, 0, 2)[::-1], g.transpose(1, 0, 2), double[::2], beta[::-1])
    check_all(x[:, :, :3], g[:, :, :3], gamma[:3], beta[:3])
    swapped = x.astype(x.dtype.newbyteorder())
    assert_same(compiled.layer_norm(swapped), reference.layer_norm(x), x.size, scale=30)
    x.flags.writeable = False
    assert_same(compiled.rms_norm(x), reference.rms_norm(x), x.size)


def test_other_dtypes_are_the_reference():
    x = np.arange(12).reshape(3, 4)
    for name in ("layer_norm", "rms_norm", "batch_norm"):
        for a, b in zip(getattr(compiled, name)(x), getattr(reference, name)(x), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype == np.float64
    assert compiled.layer_norm(x.astype("float16"))[0].dtype == np.float16


@each_isa
def test_nan_stays_in_its_row_or_column(isa):
    x, g, gamma, beta = arrays((40, 37), "float32")
    x[3, 36] = np.nan
    y, mean, rstd = compiled.layer_norm(x, gamma, beta)
    assert np.isnan(y[3]).all() and np.isnan(y).sum() == 37
    gx, ggamma, gbeta = compiled.layer_norm_grad(g, x, gamma, mean, rstd)
    assert np.isnan(gx).sum() == 37 and np.isnan(ggamma).all() and not np.isnan(gbeta).any()
    y, mean, var = compiled.batch_norm(x, gamma, beta)
    assert np.isnan(y[:, 36]).all() and np.isnan(y).sum() == 40
    gx, _, gbeta = compiled.batch_norm_grad(g, x, gamma, mean, var)
    assert np.isnan(gx).sum() == 40 and not np.isnan(gbeta).any()


@each_isa
def test_large_mean_keeps_the_variance(isa):
    x = (np.random.default_rng(0).normal(size=(4096, 3)) + 1000).astype("float32")
    exact = x.astype("float64").var(axis=0)
    np.testing.assert_allclose(compiled.batch_norm(x)[2], exact, rtol=1e-4)
    rstd = compiled.layer_norm(x.T, epsilon=0.0)[2]
    np.testing.assert_allclose(rstd, exact**-0.5, rtol=1e-4)


def test_bitwise_equal_for_any_number_of_threads():
    def run():
        x, g, gamma, beta = arrays((3000, 70), "float32")
        y = compiled.layer_norm(x, gamma, beta)
        z = compiled.batch_norm(x, gamma, beta)
        return [
            *y, *compiled.layer_norm_grad(g, x, gamma, *y[1:]),
            *z, *compiled.batch_norm_grad(g, x, gamma, *z[1:]),
        ]  # fmt: skip

    one_and_many_threads(run)


@pytest.mark.parametrize("kernels", [compiled, reference], ids=["compiled", "reference"])
def test_errors(kernels):
    x = np.ones((2, 3), "float32")
    with pytest.raises(ValueError, match=r"\[layer_norm\] gamma .*\(3,\).*gamma.shape=\(2,\)"):
        kernels.layer_norm(x, np.ones(2, "float32"))
    with pytest.raises(ValueError, match=r"\[rms_norm\] x has no axis"):
        kernels.rms_norm(np.float32(1))
    with pytest.raises(ValueError, match=r"\[batch_norm\] .*empty batch.*x.shape=\(0, 3\)"):
        kernels.batch_norm(x[:0])
    with pytest.raises(ValueError, match=r"\[layer_norm_grad\] g does not fit"):
        kernels.layer_norm_grad(x[:1], x, None, x[:, 0], x[:, 0])


# --- the ops on top -------------------------------------------------------------------------------


def test_axes_of_the_ops():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    for axis in (1, (1, 2), (-1, 0), (2, 3)):
        y = tg.ops.layer_normalization(tg.tensor(x), axis=axis, epsilon=0.0).numpy()
        np.testing.assert_allclose(y.mean(axis), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(axis), 1)
        np.testing.assert_allclose((y / x).std(), ((y / x) * np.ones_like(x)).std())
        y = tg.ops.rms_normalization(tg.tensor(x), axis=axis, epsilon=0.0).numpy()
        np.testing.assert_allclose(y, x / np.sqrt((x * x).mean(axis, keepdims=True)))
    gamma = np.arange(12.0).reshape(3, 4)
    y = tg.ops.layer_normalization(tg.tensor(x), tg.tensor(gamma), axis=(1, 2)).numpy()
    centred = x - x.mean((1, 2), keepdims=True)
    n = centred / np.sqrt(x.var((1, 2), keepdims=True) + 1e-3)
    np.testing.assert_allclose(y, n * gamma[None, :, :, None])
    y, mean, var = tg.ops.batch_normalization_training(tg.tensor(x), axis=1)
    np.testing.assert_allclose(mean, x.mean((0, 2, 3)))
    again = tg.ops.batch_normalization(tg.tensor(x), mean, var, axis=1)
    np.testing.assert_allclose(y, again, atol=1e-12)
    with pytest.raises(ValueError, match=r"axis is out of range"):
        tg.ops.layer_normalization(tg.tensor(x), axis=4)


def test_gradients_of_both_orders():
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.normal(size=(3, 2, 5)), rng.normal(size=5), rng.normal(size=5)

    def batch(x, gamma=None, beta=None):
        return tg.ops.batch_normalization_training(x, gamma, beta)[0]

    for f, args in [
        (tg.ops.layer_normalization, (x, gamma, beta)),
        (tg.ops.layer_normalization, (x,)),
        (tg.ops.rms_normalization, (x, gamma)),
        (batch, (x, gamma, beta)),
        (batch, (x,)),
    ]:
        tg.testing.check_grads(f, *args, order=2)
