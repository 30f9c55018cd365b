"""Compiled elementwise kernels against their twins: shapes, strides, dtypes, ISAs, threads."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Iterator

import numpy as np
import pytest

from tinygrad_cn import kernels
from tinygrad_cn.kernels import core
from tinygrad_cn.kernels import reference as ref

UNARY = """negative abs sign exp expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos
tan asin acos atan sinh cosh tanh asinh acosh atanh erf floor ceil round trunc relu sigmoid
softplus silu gelu gelu_tanh""".split()
BINARY = """add subtract multiply divide pow maximum minimum atan2 logaddexp relu_grad tanh_grad
sigmoid_grad silu_grad gelu_grad gelu_tanh_grad""".split()
KERNEL_DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]
COMPARE = "equal not_equal less less_equal greater greater_equal".split()
FLOATS = [np.float32, np.float64]
SHAPES = [
    ((37, 19), (19,)), ((37, 1), (1, 19)), ((4, 5, 6), (5, 1)), ((3, 1, 5, 1), (1, 4, 1, 6)),
    ((300, 10), (10,)), ((2, 3, 7), (2, 1, 7)), ((1000,), ()), ((0, 3), (3,)), ((2, 1000), (1000,)),
    ((40, 3, 3, 5), (5,)), ((4, 3000), (4, 1)), ((9, 8, 7, 6), (8, 1, 6)),
    ((2, 3, 1, 5), (3, 4, 5)),
    ((), ()), ((17, 40, 3), (17, 1, 3)), ((30, 1), (30, 700)), ((1,), (5, 1)),
]  # fmt: skip

isas = core.isa_found() if core is not None else ("reference",)


@pytest.fixture(params=isas)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set of this machine in turn."""
    if core is None:
        yield request.param
        return
    before = core.isa_name()
    core.isa_select(request.param)
    yield request.param
    core.isa_select(before)


def tolerance(dtype: type) -> float:
    return 3e-6 if dtype == np.float32 else 1e-13


def assert_same(y: np.ndarray, expected: np.ndarray, limit: float) -> None:
    assert isinstance(y, np.ndarray)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(y, expected, rtol=limit, atol=limit)


def layouts(dtype: type, rng: np.random.Generator) -> Iterator[np.ndarray]:
    a = rng.normal(size=(37, 19)).astype(dtype)
    yield a
    yield a.T
    yield a[::-1, ::2]
    yield a[:0]
    yield np.array(0.3, dtype)
    yield np.asfortranarray(rng.normal(size=(5, 6, 7)).astype(dtype))
    yield a.astype(a.dtype.newbyteorder(">"))
    yield np.broadcast_to(a[0], (4, 19))
    yield np.broadcast_to(a[:, :1], (37, 19))
    yield rng.normal(size=50_000).astype(dtype)[::3]
    frozen = a.copy()
    frozen.flags.writeable = False
    yield frozen
    raw = np.zeros(8 * 9 + 1, np.uint8)
    unaligned = raw[1:].view(dtype)[:9]
    unaligned[:] = 0.7
    yield unaligned


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: type, isa: str, rng: np.random.Generator) -> None:
    for x in layouts(dtype, rng):
        assert_same(getattr(kernels, name)(x), getattr(ref, name)(x), tolerance(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str, dtype: type, isa: str, rng: np.random.Generator) -> None:
    for shape_a, shape_b in SHAPES:
        a, b = rng.normal(size=shape_a).astype(dtype), rng.normal(size=shape_b).astype(dtype)
        if name == "pow":
            a, b = np.abs(a), np.abs(b)
        for u, v in ((a, b), (b, a), (np.asfortranarray(a), b), (a[::-1] if a.ndim else a, b)):
            y, expected = getattr(kernels, name)(u, v), getattr(ref, name)(u, v)
            assert_same(y, expected, tolerance(dtype))


@pytest.mark.parametrize("name", COMPARE)
def test_compare(name: str, isa: str, rng: np.random.Generator) -> None:
    for dtype in FLOATS:
        for shape_a, shape_b in SHAPES:
            a = rng.integers(-2, 3, shape_a).astype(dtype)
            b = rng.integers(-2, 3, shape_b).astype(dtype)
            if a.size:
                a.reshape(-1)[0] = np.nan
            y, expected = getattr(kernels, name)(a, b), getattr(ref, name)(a, b)
            assert y.dtype == bool
            np.testing.assert_array_equal(y, expected)


def test_where_and_copy(isa: str, rng: np.random.Generator) -> None:
    for dtype in FLOATS:
        a = rng.normal(size=(37, 19)).astype(dtype)
        for shape in ((37, 19), (19,), (37, 1), ()):
            condition = rng.random(shape) < 0.5
            np.testing.assert_array_equal(
                kernels.where(condition, a, a[0]), np.where(condition, a, a[0])
            )
            assert kernels.where(condition, 2.0, a).dtype == dtype
        turned = [a, a.T, a[::-1, ::-1], rng.normal(size=(5, 130, 140)).transpose(0, 2, 1)]
        turned += [
            rng.normal(size=(70, 65, 3)).astype(dtype).T,
            a.astype(np.int64).T,
            a[:0],
            a[0, 0],
            a.reshape(-1)[::3],
            np.broadcast_to(a[:, :, None], (37, 19, 5)),
            rng.normal(size=(3, 40, 5, 33)).astype(dtype).transpose(0, 2, 1, 3),
        ]
        for x in turned:
            y = kernels.copy(x)
            assert y.flags.c_contiguous
            assert y.dtype == np.asarray(x).dtype
            np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("far", [2**31, -(2**31) - 1, 2**53 + 1, -(2**63)])
@pytest.mark.parametrize("floats", FLOATS)
def test_conversions_of_small_integers_and_a_large_one(
    isa: str, floats: str, far: int, rng: np.random.Generator
) -> None:
    whole = rng.integers(-(2**31), 2**31, 300)
    for place in (None, 70, 299):
        if place is not None:
            whole[place] = far
        np.testing.assert_array_equal(
            kernels.copy(whole, np.empty(300, floats)), whole.astype(floats)
        )
        back = whole.astype(floats)
        np.testing.assert_array_equal(
            kernels.copy(back, np.empty(300, np.int64)), back.astype(np.int64)
        )


def values_of(dtype: str, rng: np.random.Generator) -> np.ndarray:
    """700 values of every size, and for floats what integers cannot hold."""
    if dtype == "bool":
        return rng.random(700) < 0.5
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        x = rng.integers(limits.min, limits.max, 700, dtype=dtype)
        x[:4] = limits.min, limits.max, 0, 1
        return x
    x = (rng.normal(size=700) * 10.0 ** rng.integers(-3, 12, 700)).astype(dtype)
    x[:8] = np.nan, np.inf, -np.inf, -0.0, 2.0**31, -(2.0**31), 2.0**63, -(2.0**63)
    x[8:16] = 255, 256, 300, -1, -300.5, 1e20, 0.5, 2.0**31 - 1
    return x


@pytest.mark.parametrize("to", KERNEL_DTYPES)
@pytest.mark.parametrize("dtype", KERNEL_DTYPES)
def test_copy_converts(dtype: str, to: str, isa: str, rng: np.random.Generator) -> None:
    base = values_of(dtype, rng)
    if platform.machine() not in ("x86_64", "AMD64") and np.dtype(to).kind in "iu":
        base = base[np.isfinite(base) & (np.abs(base) < 100)]  # the rest is NumPy's on x86
    layouts = [base, base[::-3], base[:600].reshape(20, 30).T, base[:0], base[7:8].reshape(())]
    layouts += [np.broadcast_to(base[:9, None], (9, 70)), np.broadcast_to(base[8], (3000,))]
    for x in layouts:
        with np.errstate(all="ignore"):
            expected = x.astype(to)
        y = kernels.copy(x, kernels.empty(x.shape, np.dtype(to)))
        np.testing.assert_array_equal(y, expected)
        spread = np.zeros((*x.shape, 2), to)
        kernels.copy(x, spread[..., 1])
        np.testing.assert_array_equal(spread[..., 1], expected)
        assert not spread[..., 0].any()


@pytest.mark.parametrize("name", COMPARE)
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_compare_integers(name: str, dtype: str, isa: str, rng: np.random.Generator) -> None:
    for shape_a, shape_b in SHAPES:
        a = rng.integers(0, 3, shape_a).astype(dtype)
        b = rng.integers(0, 3, shape_b).astype(dtype)
        for u, v in ((a, b), (b, a), (a, 1), (True, b), (a, b.astype(np.int64)), (a, 0.5)):
            y, expected = getattr(kernels, name)(u, v), getattr(ref, name)(u, v)
            assert y.dtype == bool
            np.testing.assert_array_equal(y, expected)
    large = np.array([-(2**63), 2**63 - 1, 2**53 + 1, 0])
    for number in (2**63 - 1, -(2**63), 2**70, -(2**70), 2**53):
        y, expected = getattr(kernels, name)(large, number), getattr(ref, name)(large, number)
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_integer_arithmetic(name: str, dtype: str, isa: str, rng: np.random.Generator) -> None:
    if (name, dtype) == ("subtract", "bool"):
        with pytest.raises(TypeError):
            kernels.subtract(np.ones(3, bool), np.ones(3, bool))
        return
    for shape_a, shape_b in SHAPES:
        a = rng.integers(0, 200, shape_a).astype(dtype)
        b = rng.integers(0, 200, shape_b).astype(dtype)
        turned = a[::-1] if a.ndim else a
        for u, v in ((a, b), (b, a), (a, b.astype(np.int64)), (a, 3), (2.5, b), (turned, b)):
            y, expected = getattr(kernels, name)(u, v), getattr(ref, name)(u, v)
            assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
            np.testing.assert_array_equal(y, expected)
    most = np.array([2**63 - 1, -(2**63)])
    np.testing.assert_array_equal(kernels.add(most, most), ref.add(most, most))
    out = np.arange(5)
    assert kernels.add(out, 1, out=out) is out
    np.testing.assert_array_equal(out, np.arange(1, 6))


@pytest.mark.parametrize("dtype", KERNEL_DTYPES)
def test_where_of_any_dtype(dtype: str, isa: str, rng: np.random.Generator) -> None:
    a, b = (rng.integers(0, 2, (37, 19)).astype(dtype) for _ in range(2))
    for condition in (a > b, (a > b)[0], (a > b).astype(np.int64), (a > b).astype(np.float32)):
        for u, v in ((a, b), (a[0], b), (a.T.copy().T, b[::-1]), (a, 1), (0.5, b)):
            y, expected = kernels.where(condition, u, v), ref.where(condition, u, v)
            assert y.dtype == expected.dtype
            np.testing.assert_array_equal(y, expected)


def test_functions_of_integers() -> None:
    for dtype in ("int64", "int32", "uint8", "bool"):
        x = np.arange(1, 60).astype(dtype)
        for name in ("exp", "log", "tanh", "sqrt", "sigmoid", "gelu", "abs", "square", "relu"):
            y, expected = getattr(kernels, name)(x), getattr(ref, name)(x)
            assert y.dtype == expected.dtype, (name, dtype)
            np.testing.assert_allclose(y, expected, rtol=1e-3 if y.dtype == "f2" else 1e-13)


def test_different_dtypes_meet_in_the_one_that_numpy_chooses(rng: np.random.Generator) -> None:
    of = {dtype: (rng.random((5, 40)) * 9).astype(dtype) for dtype in KERNEL_DTYPES}
    for one, a in of.items():
        for other, b in of.items():
            for name in ("add", "multiply", "divide", "maximum", "less"):
                y, expected = getattr(kernels, name)(a, b[0]), getattr(ref, name)(a, b[0])
                assert y.dtype == expected.dtype, (name, one, other)
                np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_scalars_do_not_promote_and_arrays_do() -> None:
    x = np.ones(3, np.float32)
    assert kernels.add(x, 1.0).dtype == np.float32
    assert kernels.add(2, x).dtype == np.float32
    assert kernels.add(True, x).dtype == np.float32
    assert kernels.add(x, np.float64(1)).dtype == np.float64
    assert kernels.add(x, np.ones(3)).dtype == np.float64
    assert kernels.multiply(np.arange(3), 2).dtype == np.arange(3).dtype
    assert kernels.exp(np.arange(3)).dtype == np.float64
    assert kernels.divide(np.arange(3), 2).dtype == np.float64
    assert kernels.add(x.astype(np.float16), 1.0).dtype == np.float16


@pytest.mark.parametrize("dtype", FLOATS)
def test_short_rows_are_put_together_across_axes(
    dtype: type, isa: str, rng: np.random.Generator
) -> None:
    shapes = [(26, 31, 5, 4), (1000, 2, 2), (3, 2, 3, 2, 3, 2), (20, 6, 4, 14), (40, 3, 1, 7)]
    for shape in shapes:
        for ones in itertools.product([False, True], repeat=len(shape)):
            other = tuple([1 if one else n for n, one in zip(shape, ones, strict=True)])
            a = rng.standard_normal(shape).astype(dtype)
            b = rng.standard_normal(other).astype(dtype)
            np.testing.assert_array_equal(kernels.add(a, b), a + b)
            apart = np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]  # between other numbers
            np.testing.assert_array_equal(kernels.subtract(b, a, out=apart), b - a)


@pytest.mark.parametrize("dtype", FLOATS)
def test_some_rows_at_once(dtype: type, isa: str, rng: np.random.Generator) -> None:
    for n in (1, 7, 8, 9, 16, 23, 24, 31, 33, 100, 257):
        for shape_a, shape_b in (
            ((50, n), (50, 1)),
            ((50, 1), (1, n)),
            ((50, n), (n,)),
            ((4, 30, n), (4, 1, n)),
            ((3, 30, 1), (30, n)),
        ):
            a, b = rng.normal(size=shape_a).astype(dtype), rng.normal(size=shape_b).astype(dtype)
            np.testing.assert_array_equal(kernels.multiply(a, b), a * b)
            y = (a + b).copy()
            expected = y - b
            assert kernels.subtract(y, b, out=y) is y
            np.testing.assert_array_equal(y, expected)
        exponents = np.array([[2], [-1], [3], [0.5]] * 10, dtype)  # the first has a shortcut
        a = rng.uniform(0.5, 2, size=(40, n)).astype(dtype)
        assert_same(kernels.pow(a, exponents), a**exponents, tolerance(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("exponent", [2, 3, -1])
def test_powers_that_have_a_shortcut(
    exponent: int, dtype: type, isa: str, rng: np.random.Generator
) -> None:
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e30, -1.0]
    x = np.concatenate([rng.normal(size=552), special]).astype(dtype).reshape(20, 28)
    for a in (x, x[:, ::2], x.T, x[3:4], x[::-1, 5:6], np.broadcast_to(x[:, -1:], x.shape)):
        with np.errstate(all="ignore"):
            expected = np.power(a.astype(np.longdouble), exponent).astype(dtype)
        y = kernels.pow(a, dtype(exponent))
        np.testing.assert_allclose(y, expected, rtol=3 * np.finfo(dtype).eps)
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]))
    y = x.copy()
    np.testing.assert_array_equal(kernels.pow(y, dtype(exponent), out=y), kernels.pow(x, exponent))


@pytest.mark.parametrize("dtype", [*FLOATS, np.int64])
def test_operands_that_lie_across_long_rows(
    dtype: type, isa: str, rng: np.random.Generator
) -> None:
    for shape in ((4, 256), (3, 300), (17, 257), (100, 400), (5, 40, 333), (2, 3, 19, 260)):
        turned = (*shape[:-2], shape[-1], shape[-2])
        a = (rng.normal(size=shape) * 9).astype(dtype)
        b = (rng.normal(size=turned) * 9).astype(dtype).swapaxes(-1, -2)
        for c in (a, a[..., :1, :], a[..., :1], a[..., ::2].repeat(2, -1)[..., : shape[-1]]):
            np.testing.assert_array_equal(kernels.add(c, b), c + b)
            np.testing.assert_array_equal(kernels.maximum(b, c), np.maximum(b, c))
        np.testing.assert_array_equal(kernels.add(b, b[..., ::-1]), b + b[..., ::-1])
        np.testing.assert_array_equal(kernels.where(b > 1, a, b), np.where(b > 1, a, b))
        np.testing.assert_array_equal(kernels.abs(b), np.abs(b))
        expected = a - b
        assert kernels.subtract(a, b, out=a) is a
        np.testing.assert_array_equal(a, expected)


def test_out_may_be_an_input_or_overlap_it(rng: np.random.Generator) -> None:
    a = rng.normal(size=5000).astype(np.float32)
    x = a.copy()
    assert kernels.exp(x, out=x) is x
    np.testing.assert_array_equal(x, kernels.exp(a))
    x = a.copy()
    kernels.add(x[1:], x[:-1], out=x[1:])
    np.testing.assert_array_equal(x[1:], a[1:] + a[:-1])
    x = a.copy()
    kernels.negative(x[::-1], out=x)
    np.testing.assert_array_equal(x, -a[::-1])
    y = np.zeros((5000, 2), np.float32)
    kernels.add(a, 1.0, out=y[:, 1])
    np.testing.assert_array_equal(y[:, 1], a + 1)
    assert not y[:, 0].any()


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\)"):
        kernels.add(np.ones(3), np.ones(4))
    with pytest.raises(ValueError):
        kernels.add(np.ones(3), np.ones(3), out=np.ones(4))


def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    if core is None:
        pytest.skip("the NumPy kernels run on one thread")
    a, b = (rng.normal(size=(700, 300)).astype(np.float32) for _ in range(2))
    before, results = core.num_threads(), []
    try:
        for n in (1, 2, 3, 5, 8):
            core.set_num_threads(n)
            parts = [
                kernels.gelu(a),
                kernels.add(a, b[0]),
                kernels.pow(np.abs(a), b),
                kernels.copy(a.T),
                kernels.add(a.reshape(300, 700), a.T),
            ]
            results.append(b"".join(y.tobytes() for y in parts))
    finally:
        core.set_num_threads(before)
    assert len(set(results)) == 1
