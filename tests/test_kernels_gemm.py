"""Matrix products: every path and edge against the reference, in both precisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import one_and_many_threads

from tinygrad_cn import kernels
from tinygrad_cn.kernels import reference
from tinygrad_cn.kernels.reference.matmul import finish

pytestmark = pytest.mark.skipif(
    not kernels.can_capture, reason="compares the compiled kernels with the reference"
)

DTYPES = [np.float32, np.float64]
LAYOUTS = ["rows", "columns", "window", "reversed"]


@pytest.fixture(params=kernels.core.isa_found() if kernels.core else [])
def isa(request):
    """Each instruction set of this machine in turn."""
    before = kernels.core.isa_name()
    kernels.core.isa_select(request.param)
    yield request.param
    kernels.core.isa_select(before)


def matrix(rng, shape, dtype, layout="rows"):
    """The same kind of values in memory that is laid out in different ways."""
    *batch, m, n = shape
    if layout == "columns":
        return np.swapaxes(rng.standard_normal((*batch, n, m)).astype(dtype), -1, -2)
    if layout == "window":
        return rng.standard_normal((*batch, m, n + 5)).astype(dtype)[..., 3 : 3 + n]
    if layout == "reversed":
        return rng.standard_normal((*batch, 2 * m, 3 * n)).astype(dtype)[..., ::2, ::-3]
    return rng.standard_normal(shape).astype(dtype)


def in_double(a, b):
    """The product, and how large the errors of its sums may grow."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.matmul(a, b), np.matmul(np.abs(a), np.abs(b)) + 1


def assert_product(y, a, b, bias=None, activation=None, known=None):
    """y against the product in double; the error of a sum grows with its terms' magnitudes."""
    product, scale = known or in_double(a, b)
    bias = None if bias is None else bias.astype(np.float64)
    expected = finish("matmul", product.copy(), bias, activation)
    error = np.abs(y - expected) / scale
    assert y.dtype == a.dtype and y.shape == expected.shape
    assert error.max(initial=0) <= 8 * np.finfo(a.dtype).eps, (a.shape, b.shape, error.max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [0, 1, 3, 17, 64, 330])
def test_every_edge(isa, dtype, k, rng):
    for m in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 25):
        for n in (1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 70, 130):
            a, b = matrix(rng, (m, k), dtype), matrix(rng, (k, n), dtype)
            assert_product(kernels.matmul(a, b), a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("left", "right"),
    [("rows", "rows"), ("rows", "columns"), ("columns", "window"), ("reversed", "reversed")],
)
@pytest.mark.parametrize(
    "shape",
    [
        *[(1, 700, 300), (3, 400, 600), (130, 1000, 1), (2, 900, 3), (60, 40, 7), (129, 650, 140)],
        *[(700, 20, 8), (601, 900, 5), (90, 700, 6), (20, 900, 400), (900, 4, 300), (300, 9, 1100)],
    ],
    ids=str,
)
def test_layouts_and_threads(isa, shape, left, right, dtype, rng):
    m, k, n = shape
    a, b = matrix(rng, (m, k), dtype, left), matrix(rng, (k, n), dtype, right)
    bias = rng.standard_normal(n).astype(dtype)
    y = kernels.matmul(a, b, bias, "relu")
    assert_product(y, a, b, bias, "relu")
    threads = kernels.core.num_threads()
    try:
        for n_threads in (1, 3):
            kernels.core.set_num_threads(n_threads)
            np.testing.assert_array_equal(kernels.matmul(a, b, bias, "relu"), y)
    finally:
        kernels.core.set_num_threads(threads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        *[((3, 4), (3, 4)), ((5,), (1,)), ((1,), (5,)), ((2, 3), (3,)), ((), (7,)), ((7,), ())],
        *[((2, 1, 3), (1, 4, 1)), ((0,), (1,)), ((70,), (70,))],
    ],
    ids=str,
)
def test_batches(left, right, dtype, rng):
    for m, k, n in [(1, 5, 3), (4, 40, 2), (20, 30, 40), (64, 32, 64), (0, 3, 2), (3, 0, 2)]:
        for layout in ("rows", "columns"):
            a, b = matrix(rng, (*left, m, k), dtype), matrix(rng, (*right, k, n), dtype, layout)
            assert_product(kernels.matmul(a, b), a, b)


def test_large_batch_goes_one_by_one(rng):
    a, b = matrix(rng, (2, 200, 200), np.float32), matrix(rng, (2, 200, 210), np.float32)
    assert_product(kernels.matmul(a, b), a, b)


@given(
    st.integers(1, 60), st.integers(0, 400), st.integers(1, 70), st.sampled_from(LAYOUTS),
    st.sampled_from(LAYOUTS), st.sampled_from([None, "relu", "tanh", "sigmoid", "gelu_tanh"]),
)  # fmt: skip
def test_any_shape(m, k, n, left, right, activation):
    rng = np.random.default_rng(m * 1000 + k)
    a, b = matrix(rng, (m, k), np.float32, left), matrix(rng, (k, n), np.float32, right)
    bias = rng.standard_normal(n).astype(np.float32)
    assert_product(kernels.matmul(a, b, bias, activation), a, b, bias, activation)


def test_a_row_does_not_depend_on_its_neighbours(isa, rng):
    a, b = matrix(rng, (97, 700), np.float32), matrix(rng, (700, 150), np.float32)
    whole = kernels.matmul(a, b)
    for rows in (1, 2, 4, 5, 11, 48):
        np.testing.assert_array_equal(kernels.matmul(a[:rows], b), whole[:rows])


@pytest.mark.parametrize("shape", [(5, 9, 20), (1, 64, 300), (50, 400, 1), (90, 400, 90)], ids=str)
def test_nan_and_inf_pass_through(shape, rng):
    m, k, n = shape
    a, b = matrix(rng, (m, k), np.float32), matrix(rng, (k, n), np.float32)
    a[-1, -1], b[k // 2, 0] = np.nan, np.inf
    y = kernels.matmul(a, b, None, "relu")
    assert np.isnan(y[-1]).all()
    assert set(np.isinf(y[:-1, 0]) | (y[:-1, 0] == 0)) <= {True}
    assert np.isfinite(y[:-1, 1:]).all()


def test_vectors_like_numpy(rng):
    a, x = matrix(rng, (4, 7), np.float32), matrix(rng, (1, 7), np.float32)[0]
    stack = matrix(rng, (3, 7, 5), np.float32)
    for left, right in [(a, x), (x, a.T), (x, x), (x, stack)]:
        y = kernels.matmul(left, right)
        np.testing.assert_allclose(y, np.matmul(left, right), rtol=1e-5, atol=1e-5)
        assert y.shape == np.matmul(left, right).shape


def test_other_dtypes_are_numpys():
    a = np.arange(6).reshape(2, 3)
    y = kernels.matmul(a, a.T)
    assert y.dtype == a.dtype
    np.testing.assert_array_equal(y, a @ a.T)
    assert kernels.matmul(a.astype(np.float32), np.eye(3)).dtype == np.float64


@pytest.mark.parametrize("function", [kernels.matmul, reference.matmul])
def test_bad_arguments(function):
    a = np.ones((2, 3), np.float32)
    for arguments, message in [
        ((a, a), r"inner sizes differ.*a.shape=\(2, 3\), b.shape=\(2, 3\)"),
        ((np.float32(1), a), "a scalar has no columns"),
        ((np.ones((2, 4, 3), "f4"), np.ones((3, 3, 2), "f4")), "batch axes do not broadcast"),
        ((a, a.T, np.ones(3, "f4")), r"bias must hold .* \(2,\), received bias.shape=\(3,\)"),
        ((a, a.T, None, "swish"), "unknown activation"),
    ]:
        with pytest.raises(ValueError, match=message):
            function(*arguments)


@pytest.mark.parametrize("n", [2**31 + 1, 3 * 2**30, 2**40, 2**60])
def test_results_beyond_memory_are_refused(n):
    column = np.broadcast_to(np.float32(1), (n, 1))
    with pytest.raises((MemoryError, ValueError)):
        kernels.matmul(column, column.T)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("shape", [(512, 512, 600), (300, 200, 128)], ids=str)
def test_what_a_thread_has_packed_is_not_taken_for_another_product(shape, layout, isa, rng):
    m, k, n = shape
    a, b = matrix(rng, (m, k), np.float32, layout), matrix(rng, (k, n), np.float32)
    for _ in range(3):  # the same arrays with other numbers
        assert_product(kernels.matmul(a, b), a, b)
        a += 1
        b *= -2


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6])
def test_few_rows_against_a_large_matrix(rows, isa, rng):
    for k, n in ((2048, 1024), (1000, 1003), (3001, 517), (20001, 17), (4000, 100), (90, 9001)):
        a, b = matrix(rng, (rows, k), np.float32), matrix(rng, (k, n), np.float32)
        known, bias = in_double(a, b), rng.standard_normal(n, np.float32)
        for added, activation in ((None, None), (bias, "relu"), (bias, "tanh")):
            y = kernels.matmul(a, b, added, activation)
            assert_product(y, a, b, added, activation, known)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [7, 8])
def test_columns_turned_are_not_shared(columns, dtype, isa, rng):
    a, b = matrix(rng, (4146, 255), dtype).T, matrix(rng, (4146, columns), dtype)
    bias = np.ones(columns, dtype)
    for _ in range(8):  # two threads that added the bias to the same rows, now and then
        assert_product(kernels.matmul(a, b, bias), a, b, bias)


@pytest.mark.parametrize("columns", [33, 48, 64, 128])
@pytest.mark.parametrize("rows", [192, 300])
def test_transposed_matrix_packed_by_depth(rows, columns, isa, rng):
    for k in (128, 700, 5000):
        a, b = matrix(rng, (k, rows), np.float32).T, matrix(rng, (k, columns), np.float32)
        bias = rng.standard_normal(columns, np.float32)
        assert_product(kernels.matmul(a, b, bias, "gelu_tanh"), a, b, bias, "gelu_tanh")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(33, 1600, 512), (8, 321, 1101), (200, 700, 601), (50, 400, 5001)]
)
def test_columns_from_afar_packed_by_depth(shape, dtype, isa, rng):
    m, k, n = shape
    b, bias = matrix(rng, (k, n), dtype), rng.standard_normal(n).astype(dtype)
    for a in (matrix(rng, (k, m), dtype).T, matrix(rng, (m, k), dtype)):
        y = kernels.matmul(a, b, bias, "gelu_tanh")
        assert_product(y, a, b, bias, "gelu_tanh")
        np.testing.assert_array_equal(
            y[m // 2 :], kernels.matmul(a[m // 2 :], b, bias, "gelu_tanh")
        )
        one_and_many_threads(lambda a=a: [kernels.matmul(a, b, bias, "gelu_tanh")])  # cut for each


@pytest.mark.parametrize("columns", [2, 3, 5, 8])
def test_few_columns_of_a_large_transposed_matrix(columns, isa, rng):
    for m, k in ((1100, 2000), (2048, 1030)):  # 8 MB and more are streamed
        a, b = matrix(rng, (m, k), np.float32, "columns"), matrix(rng, (k, columns), np.float32)
        bias = rng.standard_normal(columns, np.float32)
        assert_product(kernels.matmul(a, b, bias, "relu"), a, b, bias, "relu")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape",
    [
        *[(7, 5000, 300), (30, 9000, 31), (20, 16000, 17), (12, 2600, 128), (8, 20490, 48)],
        *[(8, 2567, 520), (64, 9000, 9)],
    ],
)
@pytest.mark.parametrize(("left", "right"), [("rows", "rows"), ("columns", "window")])
def test_the_terms_of_a_long_sum_are_shared(shape, left, right, dtype, isa, rng):
    m, k, n = shape
    a, b = matrix(rng, (m, k), dtype, left), matrix(rng, (k, n), dtype, right)
    bias = rng.standard_normal(n).astype(dtype)
    turned, known = np.asfortranarray(b), in_double(a, b)
    assert_product(kernels.matmul(a, b), a, b, known=known)
    assert_product(kernels.matmul(a, turned, bias, "relu"), a, b, bias, "relu", known)
    one_and_many_threads(
        lambda: [kernels.matmul(a, b, bias, "gelu_tanh"), kernels.matmul(a, turned)]
    )
