"""Compiled reductions against their NumPy twins: axes, layouts, NaN, accuracy, ISAs, threads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tinygrad_cn import kernels
from tinygrad_cn.kernels import core
from tinygrad_cn.kernels import reference as ref

REDUCTIONS = ["sum", "mean", "prod", "max", "min"]
FLOATS = [np.float32, np.float64]
SHAPES = [
    (7,), (1,), (), (64,), (65,), (515,), (5000,), (140_000,), (37, 19), (500, 10), (10_000, 3),
    (3, 5, 7), (4, 1, 6, 1), (2, 3, 4, 5), (33, 1000), (1000, 33), (30_000, 2), (2, 140_000),
    (5, 300, 4),
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


def axes_of(ndim: int) -> list[Any]:
    some = [tuple(c) for k in range(ndim + 1) for c in combinations(range(ndim), k)]
    return [None, *range(-ndim, ndim), *some]


def arrays(dtype: type, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for shape in SHAPES:
        x = rng.normal(size=shape).astype(dtype)
        yield x
        if x.ndim > 1 and x.size < 50_000:
            yield x.T
    x = rng.normal(size=(12, 10, 7)).astype(dtype)
    yield x.transpose(1, 2, 0)
    yield x[::-1, ::2]
    yield np.broadcast_to(x[0], (3, 10, 7))
    yield x.astype(x.dtype.newbyteorder(">"))


def limit(dtype: type, n: int) -> float:
    """Tree sums: a few roundings per level, of numbers of size 1."""
    return float(np.finfo(dtype).eps) * 8 * np.sqrt(n + 10)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, dtype: type, isa: str, rng: np.random.Generator) -> None:
    for x in arrays(dtype, rng):
        for axis in axes_of(x.ndim):
            for keepdims in (False, True):
                y = getattr(kernels, name)(x, axis=axis, keepdims=keepdims)
                exact = getattr(ref, name)(x.astype(np.float64), axis=axis, keepdims=keepdims)
                assert isinstance(y, np.ndarray)
                assert (y.dtype, y.shape) == (np.dtype(dtype), exact.shape)
                bound = limit(dtype, x.size // max(exact.size, 1))
                np.testing.assert_allclose(y, exact, rtol=bound, atol=bound)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_integers(name: str, dtype: str, isa: str, rng: np.random.Generator) -> None:
    for shape in SHAPES:
        x = rng.integers(0, 200, shape).astype(dtype)
        for axis in axes_of(x.ndim):
            y, expected = getattr(kernels, name)(x, axis), getattr(ref, name)(x, axis)
            assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
            np.testing.assert_allclose(y, expected, rtol=1e-13 if name == "mean" else 0)
        if x.ndim > 1:
            np.testing.assert_array_equal(kernels.sum(x.T, 0), ref.sum(x.T, 0))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_arg_reductions(name: str, isa: str, rng: np.random.Generator) -> None:
    for dtype in FLOATS:
        for x in arrays(dtype, rng):
            for axis in (None, *range(-x.ndim, x.ndim)):
                for keepdims in (False, True):
                    y = getattr(kernels, name)(x, axis, keepdims)
                    assert y.dtype == np.int64
                    np.testing.assert_array_equal(y, getattr(ref, name)(x, axis, keepdims))


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_running_sums_are_numpy_s_to_the_bit(
    name: str, dtype: type, isa: str, rng: np.random.Generator
) -> None:
    shapes = [(3, 5000), (19, 40), (5, 130, 7), (6, 70, 200), (20, 33, 65), (40_000,), (0, 3)]
    zeros = -np.zeros((20, 30), dtype)
    for x in [zeros, *arrays(dtype, rng), *(rng.normal(size=s).astype(dtype) for s in shapes)]:
        for axis in range(-x.ndim, x.ndim):
            y, expected = getattr(kernels, name)(x, axis), getattr(ref, name)(x, axis)
            assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
            np.testing.assert_array_equal(y, expected)
            np.testing.assert_array_equal(np.signbit(y), np.signbit(expected))


def test_nan_wins_and_the_first_of_equals(isa: str) -> None:
    x = np.zeros((50, 300), np.float32)
    x[3, 4] = x[3, 9] = np.nan
    x[10], x[:, 7] = np.inf, -np.inf
    for axis in (None, 0, 1):
        for name in ("max", "min", "argmax", "argmin"):
            np.testing.assert_array_equal(
                getattr(kernels, name)(x, axis), getattr(ref, name)(x, axis), err_msg=name
            )
    x = np.zeros(300_000)
    x[200_000] = x[250_000] = 5
    assert kernels.argmax(x) == 200_000
    x[100_000] = np.nan
    assert kernels.argmax(x) == kernels.argmin(x) == 100_000


@pytest.mark.parametrize("dtype", FLOATS)
def test_extremes_of_rows_and_columns(dtype: type, isa: str, rng: np.random.Generator) -> None:
    shapes = [(100, 3), (33, 17), (70, 65), (17, 5000)]  # rows turned in squares, and left over
    shapes += [(5000, 31), (2, 4500, 5), (5, 700, 7)]  # columns side by side, in pieces of rows
    for shape in shapes:
        few = rng.integers(-2, 3, shape).astype(dtype)  # many ties
        gaps = np.where(rng.random(shape) < 0.1, np.nan, few).astype(dtype)
        least = np.where(rng.random(shape) < 0.5, -np.inf, np.nan).astype(dtype)
        for x in (few, gaps, least, np.full(shape, -np.inf, dtype)):
            for axis in range(x.ndim):
                for name in ("max", "min", "argmax", "argmin"):
                    np.testing.assert_array_equal(
                        getattr(kernels, name)(x, axis), getattr(ref, name)(x, axis), err_msg=name
                    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_places_of_the_largest(dtype: type, isa: str, rng: np.random.Generator) -> None:
    for shape in ((1,), (3, 7), (4, 33), (9, 61), (2, 3, 500), (2, 4097)):
        n = shape[-1]
        noise, few = rng.normal(size=shape).astype(dtype), rng.integers(-2, 3, shape).astype(dtype)
        gaps = np.where(rng.random(shape) < 0.1, np.nan, few).astype(dtype)
        least = np.where(rng.random(shape) < 0.5, -np.inf, -0.0).astype(dtype)
        for x in (noise, few, gaps, least, np.sort(noise), -np.sort(noise), noise[..., ::-1]):
            for k in {0, 1, min(5, n), min(8, n), min(40, n), n // 2, n}:
                y, expected = kernels.top_k(x, k), ref.top_k(x, k)
                assert (y.dtype, y.shape) == (np.int64, expected.shape)
                np.testing.assert_array_equal(y, expected)
    for k in (-1, 4):
        with pytest.raises(ValueError, match=f"0 <= k <= 3, received k={k}"):
            kernels.top_k(np.ones((2, 3), dtype), k)
    assert kernels.top_k(np.array([[1, 5, 5]]), 2).tolist() == [[1, 2]]


def test_empty_arrays() -> None:
    x = np.zeros((0, 3), np.float32)
    assert kernels.sum(x) == 0
    assert kernels.prod(x) == 1
    assert np.isnan(kernels.mean(x))
    np.testing.assert_array_equal(kernels.sum(x, axis=0), np.zeros(3))
    assert kernels.max(x, axis=1).shape == (0,)
    for name in ("max", "min", "argmax"):
        with pytest.raises(ValueError):
            getattr(kernels, name)(x, 0)


def test_bad_axes_and_other_dtypes() -> None:
    x = np.ones((2, 3), np.float32)
    for axis in (2, -3, (0, 0)):
        with pytest.raises(ValueError):
            kernels.sum(x, axis=axis)
    assert kernels.sum(np.ones(3, bool)).dtype == np.sum(np.ones(3, bool)).dtype
    assert kernels.mean(np.arange(4)) == 1.5
    assert kernels.max(np.arange(4)) == 3
    np.testing.assert_array_equal(kernels.cumsum(x, 1), np.cumsum(x, 1))
    np.testing.assert_array_equal(kernels.cumprod(x, 0), np.cumprod(x, 0))


def test_sums_of_many_numbers_keep_their_digits() -> None:
    if core is None:
        pytest.skip("NumPy adds columns one after the other")
    x = np.full(3_000_000, 0.1, np.float32)
    exact = float(np.float32(0.1)) * x.size
    for y in (kernels.sum(x), kernels.sum(x.reshape(-1, 3)), kernels.sum(x.reshape(-1, 3), 0) * 3):
        np.testing.assert_allclose(y, exact, rtol=1e-6)


def test_same_bits_for_any_isa_and_any_number_of_threads(rng: np.random.Generator) -> None:
    if core is None:
        pytest.skip("the NumPy kernels run on one thread")
    inputs = [rng.normal(size=s).astype(np.float32) for s in ((999_999,), (3000, 77), (200_000, 3))]
    threads, isa, results = core.num_threads(), core.isa_name(), {}
    try:
        for name in core.isa_found():
            core.isa_select(name)
            for n in (1, 2, 3, 5, 8):
                core.set_num_threads(n)
                parts = [kernels.sum(x, axis) for x in inputs for axis in (None, 0)]
                parts += [kernels.sum(inputs[1], 1), kernels.mean(inputs[2], 1)]
                parts += [kernels.cumsum(inputs[1], axis) for axis in (0, 1)]
                parts += [kernels.top_k(x.reshape(-1, x.shape[-1]), 3) for x in inputs]
                results[name, n] = b"".join(y.tobytes() for y in parts)
    finally:
        core.set_num_threads(threads)
        core.isa_select(isa)
    assert len(set(results.values())) == 1
