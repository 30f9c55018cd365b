"""Gather, random numbers and optimizer steps: compiled against their NumPy twins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tinygrad_cn import kernels
from tinygrad_cn.kernels import core
from tinygrad_cn.kernels import reference as ref

FLOATS = [np.float32, np.float64]
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


@pytest.mark.parametrize("dtype", FLOATS)
def test_take_and_scatter_add(dtype: type, isa: str, rng: np.random.Generator) -> None:
    limit = 1e-4 if dtype == np.float32 else 1e-12
    for rows, width in ((10, 1), (10, 2), (100, 64), (50, 7), (1000, 33), (3, 200), (9, 5000)):
        for shape in ((rows, width), (rows, width, 2), (rows,)):
            x = rng.normal(size=shape).astype(dtype)
            for kind in (np.int64, np.int32, np.int16):
                at = rng.integers(-rows, rows, (20, 30)).astype(kind)
                np.testing.assert_array_equal(kernels.take(x, at), x[at])
                np.testing.assert_array_equal(
                    kernels.take(x[::-1], at[:, ::2]), x[::-1][at[:, ::2]]
                )
                g = rng.normal(size=at.shape + shape[1:]).astype(dtype)
                y = kernels.scatter_add(g, at, shape)
                np.testing.assert_allclose(y, ref.scatter_add(g, at, shape), rtol=limit, atol=limit)
    np.testing.assert_array_equal(kernels.take(np.arange(10), np.array([1, -1])), [1, 9])
    assert kernels.take(np.ones((3, 2), dtype), np.zeros((0,), np.int64)).shape == (0, 2)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_take_and_scatter_add_along_later_axes(
    axis: int, isa: str, rng: np.random.Generator
) -> None:
    for shape in ((3, 40, 5, 7), (900, 3, 2, 11), (2, 9, 700, 4), (1, 1, 4, 9), (0, 3, 2, 2)):
        x = rng.normal(size=shape)
        for places in ((1,), (6, 5), (0,), (4000,)):
            at = rng.integers(-shape[axis], shape[axis], places)
            y = kernels.take(x, at, axis)
            np.testing.assert_array_equal(y, np.take(x, at, axis))
            added = kernels.scatter_add(y, at, shape, axis)
            np.testing.assert_allclose(added, ref.scatter_add(y, at, shape, axis), 1e-12, 1e-12)
            np.testing.assert_array_equal(
                kernels.take(x.astype(np.uint8), at.astype(np.int32), axis),
                np.take(x.astype(np.uint8), at, axis),
            )
    with pytest.raises(IndexError, match=r"-7 <= index < 7, received indices\[1\]=7"):
        kernels.take(np.zeros((2, 7)), np.array([0, 7]), 1)
    with pytest.raises(IndexError, match=r"-7 <= index < 7, received indices\[0\]=-8"):
        kernels.scatter_add(np.zeros((2, 1)), np.array([-8]), (2, 7), 1)
    with pytest.raises(ValueError, match=r"x has no axis 2.*received x.ndim=2"):
        kernels.take(np.zeros((2, 7)), np.array([0]), 2)
    with pytest.raises(ValueError, match=r"axis=1"):
        kernels.scatter_add(np.zeros((2, 2)), np.array([0]), (2, 7), 1)


def test_take_and_add_along_an_axis(isa: str, rng: np.random.Generator) -> None:
    cases = (((7,), 0), ((5, 9), 0), ((5, 9), 1), ((4, 3, 6), 1), ((2, 3, 2500), 1), ((3000, 4), 1))
    for shape, axis in cases:
        for m in (1, 3):
            at = rng.integers(-shape[axis], shape[axis], (*shape[:axis], m, *shape[axis + 1 :]))
            for kind in (np.int64, np.int32, np.int16):
                places = at.astype(kind)
                for dtype in (np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_):
                    x = (10 * rng.normal(size=shape)).astype(dtype)
                    y = kernels.take_along_axis(x, places, axis)
                    assert y.dtype == dtype
                    np.testing.assert_array_equal(y, np.take_along_axis(x, at, axis))
                for dtype in FLOATS:
                    g = rng.normal(size=at.shape).astype(dtype)
                    y = kernels.add_along_axis(g, places, axis, shape[axis])
                    expected = ref.add_along_axis(g, places, axis, shape[axis])
                    assert y.dtype == dtype
                    np.testing.assert_array_equal(y, expected)
    x = rng.normal(size=(4, 6)).astype(np.float32)[:, ::-2]
    at = np.array([[2, 0, 9], [1, 1, 9], [0, 2, 9], [-1, -3, 9]])[:, :2]
    np.testing.assert_array_equal(kernels.take_along_axis(x, at, 1), np.take_along_axis(x, at, 1))
    np.testing.assert_array_equal(
        kernels.add_along_axis(x[:, :2], at, 1, 3), ref.add_along_axis(x[:, :2], at, 1, 3)
    )
    for shape in ((0, 3), (3, 0), (0, 0)):
        none = np.zeros(shape, np.int64)
        x = np.ones((shape[0], 5), np.float32)
        assert kernels.take_along_axis(x, none, 1).shape == shape
        y = kernels.add_along_axis(none.astype(np.float32), none, 1, 5)
        np.testing.assert_array_equal(y, np.zeros((shape[0], 5), np.float32))
    assert kernels.take_along_axis(np.ones((3, 0)), np.zeros((0, 0), int), 0).shape == (0, 0)


def test_what_does_not_fit_along_an_axis_is_refused() -> None:
    x, at = np.ones((2, 3), np.float32), np.zeros((2, 1), np.int64)
    for bad in (3, -4):
        with pytest.raises(IndexError, match=rf"\[take_along_axis\].*indices\[1\]={bad}"):
            kernels.take_along_axis(x, np.array([[0], [bad]]), 1)
        with pytest.raises(IndexError, match=rf"\[add_along_axis\].*indices\[1\]={bad}"):
            kernels.add_along_axis(x[:, :1], np.array([[0], [bad]]), 1, 3)
    for axis in (2, -3):
        with pytest.raises(ValueError, match="axis"):
            kernels.take_along_axis(x, at, axis)
    with pytest.raises(ValueError, match="agree"):
        kernels.take_along_axis(x, np.zeros((3, 1), np.int64), 1)
    with pytest.raises(ValueError, match="do not match"):
        kernels.add_along_axis(x, at, 1, 3)
    with pytest.raises(IndexError, match="integer"):
        kernels.take_along_axis(x, at.astype(np.float32), 1)


def test_indices_out_of_range_are_named() -> None:
    x = np.ones((4, 3), np.float32)
    for at in (np.array([0, 4]), np.array([1, -5], np.int32)):
        with pytest.raises(IndexError, match=r"indices\[1\]"):
            kernels.take(x, at)
        with pytest.raises(IndexError, match=r"indices\[1\]"):
            kernels.scatter_add(x[:2], at, (4, 3))
    with pytest.raises(IndexError):
        kernels.take(x, np.array([0.0]))
    with pytest.raises(ValueError):
        kernels.scatter_add(x, np.array([0, 1]), (4, 3))


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_numbers_have_the_bits_of_the_twin(dtype: type, isa: str) -> None:
    for shape in ((5,), (64,), (1000,), (3, 333), (40_000,), (0,), ()):
        for seed, offset in ((7, 0), (-7, 3), (2**62, 2**62 + 5)):
            mine, theirs = np.array([seed, offset]), np.array([seed, offset])
            np.testing.assert_array_equal(
                kernels.uniform(mine, shape, dtype), ref.uniform(theirs, shape, dtype)
            )
            limit = 1e-5 if dtype == np.float32 else 1e-13
            y, expected = kernels.normal(mine, shape, dtype), ref.normal(theirs, shape, dtype)
            np.testing.assert_allclose(y, expected, rtol=limit, atol=limit)
            x = np.ones(shape, dtype)
            for rate in (0.0, 0.3, 1.0):
                y, mask = kernels.dropout(x, rate, mine)
                y_ref, mask_ref = ref.dropout(x, rate, theirs)
                np.testing.assert_array_equal(y, y_ref)
                np.testing.assert_array_equal(mask, mask_ref)
            np.testing.assert_array_equal(mine, theirs)


def test_philox_known_answers() -> None:
    """The first words of the key and counter 0 (from the paper's test vectors)."""
    y = ref.uniform(np.array([0, 0]), (64,), np.float32).reshape(4, 16)[:, 0]
    words = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
    np.testing.assert_array_equal(y, (words >> 8) * 2.0**-24)


def test_random_numbers_look_random() -> None:
    state = np.array([1, 0])
    u, z = (
        kernels.uniform(state, (200_000,), np.float32),
        kernels.normal(state, (200_000,), np.float32),
    )
    assert 0 <= u.min() and u.max() < 1
    assert abs(u.mean() - 0.5) < 0.003 and abs(u.var() - 1 / 12) < 0.001
    assert abs(z.mean()) < 0.01 and abs(z.var() - 1) < 0.02 and abs((z**4).mean() - 3) < 0.15
    assert np.unique(u).size > 198_000
    with pytest.raises(ValueError):
        kernels.dropout(u, 1.5, state)


@pytest.mark.parametrize("dtype", FLOATS)
def test_optimizers(dtype: type, isa: str, rng: np.random.Generator) -> None:
    limit = 3e-6 if dtype == np.float32 else 1e-13
    for n in (1, 7, 100, 40_003):
        p0, g = rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype)
        for nesterov in (False, True):
            for has_velocity in (False, True):
                runs = []
                for module in (kernels, ref):
                    p, v = p0.copy(), np.ones(n, dtype) if has_velocity else None
                    module.sgd(p, g, v, np.array(0.1), np.array([0.9, 0.01]), nesterov)
                    runs.append([p] + ([v] if has_velocity else []))
                for mine, theirs in zip(*runs, strict=True):
                    np.testing.assert_allclose(mine, theirs, rtol=limit, atol=limit)
        for amsgrad in (False, True):
            runs = []
            for module in (kernels, ref):
                p, m, v = p0.copy(), np.zeros(n, dtype), np.zeros(n, dtype)
                vhat = np.zeros(n, dtype) if amsgrad else None
                step, hyper = np.array(0), np.array([0.9, 0.999, 1e-7, 0.01])
                for _ in range(3):
                    module.increment(step)
                    module.adam(p, g, m, v, np.array(0.1), step, hyper, vhat)
                assert step == 3
                runs.append([p, m, v] + ([vhat] if amsgrad else []))
            for mine, theirs in zip(*runs, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=limit * 4, atol=limit)


def test_optimizers_check_before_they_write() -> None:
    p = np.ones(3, np.float32)
    with pytest.raises(ValueError):
        kernels.sgd(p, np.ones(4, np.float32), None, np.zeros(()), np.zeros(2))
    with pytest.raises(TypeError):
        kernels.sgd(p, np.ones(3), None, np.zeros(()), np.zeros(2))
    with pytest.raises(ValueError):
        kernels.adam(p, p, p, p, np.zeros(()), np.array(1), np.zeros(5))
    with pytest.raises(ValueError):
        kernels.adam(p, p, p, p, np.zeros(()), np.array(1.0), np.zeros(4))
    with pytest.raises(ValueError):
        kernels.increment(np.array([1]))
    np.testing.assert_array_equal(p, np.ones(3))


def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    if core is None:
        pytest.skip("the NumPy kernels run on one thread")
    g, at = rng.normal(size=(20_000, 40)).astype(np.float32), rng.integers(0, 90, 20_000)
    before, results = core.num_threads(), set()
    try:
        for n in (1, 2, 3, 5, 8):
            core.set_num_threads(n)
            state = np.array([3, 0])
            parts = [kernels.scatter_add(g, at, (90, 40)), kernels.scatter_add(g[:, 0], at, (90,))]
            columns = kernels.take_along_axis(g, at[:, None] % 40, 1)
            parts += [columns, kernels.add_along_axis(columns, at[:, None], 1, 90)]
            parts += [
                kernels.normal(state, (100_001,), np.float32),
                *kernels.dropout(g, 0.3, state),
            ]
            results.add(b"".join(y.tobytes() for y in parts))
    finally:
        core.set_num_threads(before)
    assert len(results) == 1
