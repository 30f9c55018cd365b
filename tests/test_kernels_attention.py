"""Attention: the compiled kernel against NumPy, for every instruction set; the op on top."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import DTYPES, assert_same, compiled, each_isa, one_and_many_threads

import tinygrad_cn as tg
from tinygrad_cn.kernels import reference

pytestmark = pytest.mark.skipif(compiled is None, reason="the package was built without a compiler")

# B, H, T, S, D, E: a block is 64 queries by 128 keys.
SHAPES = [
    (1, 1, 1, 1, 1, 1), (2, 3, 5, 7, 4, 6), (1, 2, 64, 128, 32, 32), (2, 1, 100, 130, 17, 9),
    (1, 1, 200, 300, 64, 64), (2, 2, 70, 10, 8, 8), (1, 3, 33, 260, 5, 40), (1, 1, 3, 0, 4, 4),
    (1, 1, 0, 3, 4, 4), (0, 2, 3, 3, 4, 4), (1, 1, 2, 3, 0, 2), (1, 1, 2, 3, 2, 0),
]  # fmt: skip


def arrays(shape: tuple[int, ...], dtype: str, seed: int = 0) -> tuple[np.ndarray, ...]:
    """q, k, v, g."""
    b, h, t, s, d, e = shape
    rng = np.random.default_rng(seed)
    sizes = [(b, h, t, d), (b, h, s, d), (b, h, s, e), (b, h, t, e)]
    return tuple([rng.normal(size=size).astype(dtype) for size in sizes])


def masks(shape: tuple[int, ...], dtype: str) -> list[np.ndarray | None]:
    b, h, t, s = shape[:4]
    rng = np.random.default_rng(1)
    return [
        None,
        rng.random((b, 1, 1, s)) > 0.4,  # padding
        rng.random((t, s)) > 0.5,
        rng.normal(size=(b, h, t, s)).astype(dtype),
        np.where(rng.random((h, t, s)) > 0.5, 0, -np.inf).astype("float32"),
        np.zeros((1, s), bool),  # nothing may be attended
    ]


def check(q, k, v, g, mask=None, causal=False, scale=None):
    y = reference.attention(q, k, v, mask, causal, scale)
    assert_same(compiled.attention(q, k, v, mask, causal, scale), y, 64, scale=4)
    args = (g, q, k, v, *y, mask, causal, scale)
    terms = q.shape[2] + k.shape[2] + v.shape[3]
    # the difference of two products of e terms: of few keys it is nothing but their rounding
    assert_same(compiled.attention_grad(*args), reference.attention_grad(*args), terms, scale=16)


@each_isa
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_reference(shape, dtype, causal, isa):
    for mask in masks(shape, dtype):
        check(*arrays(shape, dtype), mask, causal)
    check(*arrays(shape, dtype), None, causal, scale=0.3)


@given(
    st.tuples(*[st.integers(1, n) for n in (2, 3, 140, 280, 40, 40)]),
    st.sampled_from(DTYPES),
    st.booleans(),
)
def test_any_shape(shape, dtype, causal):
    check(*arrays(shape, dtype, seed=shape[2]), None, causal)


def test_any_layout():
    q, k, v, g = arrays((2, 3, 70, 50, 16, 24), "float32")

    def lie_as(x, order):
        return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))

    for order in [(0, 2, 1, 3), (2, 1, 0, 3), (3, 2, 1, 0)]:
        check(*[lie_as(x, order) for x in (q, k, v, g)])
    check(q[:, :, ::-1], k[:, :, ::2], v[:, :, ::2], g[:, ::-1])
    check(*[np.broadcast_to(x[:, :1], x.shape) for x in (q, k, v, g)])


def test_transposed_heads_come_back_transposed():
    """(B, T, H, D) seen as (B, H, T, D): the results are put together again without a copy."""
    q = np.random.default_rng(0).normal(size=(2, 5, 3, 4)).transpose(0, 2, 1, 3)
    y, lse = compiled.attention(q, q, q)
    assert y.transpose(0, 2, 1, 3).flags.c_contiguous
    for gradient in compiled.attention_grad(q, q, q, q, y, lse):
        assert gradient.transpose(0, 2, 1, 3).flags.c_contiguous


@each_isa
def test_queries_with_nothing_to_attend(isa):
    q, k, v, g = arrays((1, 1, 70, 200, 8, 8), "float32")
    mask = np.ones((70, 200), bool)
    mask[[3, 69]] = False
    y, lse = compiled.attention(q, k, v, mask)
    assert (y[0, 0, [3, 69]] == 0).all() and (lse[0, 0, [3, 69]] == -np.inf).all()
    assert np.isfinite(np.delete(lse, [3, 69])).all()
    gq, gk, gv = compiled.attention_grad(g, q, k, v, y, lse, mask)
    assert (gq[0, 0, [3, 69]] == 0).all() and np.isfinite(gk).all() and np.isfinite(gv).all()


@each_isa
def test_nan_stays_in_its_row(isa):
    q, k, v, _ = arrays((1, 1, 70, 40, 8, 8), "float32")
    q[0, 0, 5, 2] = np.nan
    y, lse = compiled.attention(q, k, v)
    assert np.isnan(y[0, 0, 5]).all() and np.isnan(y).sum() == 8 and np.isnan(lse).sum() == 1


@each_isa
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_scores_do_not_overflow(dtype, isa):
    q, k, v, g = arrays((1, 2, 90, 300, 8, 8), dtype)
    check(100 * q, k, v, g)
    assert np.isfinite(compiled.attention(1000 * q, 1000 * k, v)[0]).all()


def test_bitwise_equal_for_any_number_of_threads():
    def run():
        found = []
        for shape in [(2, 3, 300, 290, 16, 24), (1, 2, 700, 300, 16, 16)]:
            q, k, v, g = arrays(shape, "float32")
            for causal in (False, True):
                y = compiled.attention(q, k, v, None, causal)
                found += [*y, *compiled.attention_grad(g, q, k, v, *y, None, causal)]
        return found

    one_and_many_threads(run)


@pytest.mark.parametrize("kernels", [compiled, reference], ids=["compiled", "reference"])
def test_errors(kernels):
    q, k, v, g = arrays((2, 3, 4, 5, 6, 7), "float32")
    with pytest.raises(ValueError, match=r"\[attention\] .*4-D.*q.shape=\(3, 4, 6\)"):
        kernels.attention(q[0], k, v)
    with pytest.raises(ValueError, match=r"do not fit together.*v.shape=\(2, 3, 4, 7\)"):
        kernels.attention(q, k, v[:, :, 1:])
    with pytest.raises(ValueError, match=r"mask does not broadcast.*mask.shape=\(5, 4\)"):
        kernels.attention(q, k, v, np.ones((5, 4), bool))
    with pytest.raises(TypeError, match=r"mask.dtype=int64"):
        kernels.attention(q, k, v, np.ones((4, 5), "int64"))
    with pytest.raises(ValueError, match=r"\[attention_grad\] g, y and lse do not fit"):
        kernels.attention_grad(g[:, :, 1:], q, k, v, g, g[..., 0])


# --- the op on top --------------------------------------------------------------------------------


def test_op_is_the_softmax_of_the_scores():
    q, k, v, _ = map(tg.tensor, arrays((2, 3, 6, 5, 4, 7), "float64"))
    for mask in masks((2, 3, 6, 5, 4, 7), "float64"):
        for causal in (False, True):
            y = tg.ops.attention(q, k, v, mask, causal)
            weights = tg.ops.attention_weights(q, k, mask, causal)
            np.testing.assert_allclose(y, weights @ v, atol=1e-12)


def test_gradients_of_both_orders():
    q, k, v, _ = arrays((1, 2, 3, 4, 2, 3), "float64")
    padding = np.array([True, False, True, True])
    added = np.random.default_rng(0).normal(size=(3, 4))
    for mask in (None, padding, added, np.where(padding, 0.0, -np.inf)):
        for causal in (False, True):

            def f(q, k, v, mask=mask, causal=causal):
                return tg.ops.attention(q, k, v, mask, causal)

            tg.testing.check_grads(f, q, k, v, order=2)
    tg.testing.check_grads(tg.ops.attention, q, k, v, added, order=2)
