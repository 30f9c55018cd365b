"""Compiled softmax and cross-entropy against their NumPy twins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tinygrad_cn import kernels
from tinygrad_cn.kernels import core
from tinygrad_cn.kernels import reference as ref

FLOATS = [np.float32, np.float64]
SHAPES = [
    (5, 10),
    (3, 4, 5),
    (2, 3000),
    (4000, 7),
    (1, 1),
    (6,),
    (100, 32),
    (50, 33),
    (70, 2),
    (3, 200, 37),
]

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


def assert_near(y: np.ndarray, exact: np.ndarray, dtype: type) -> None:
    assert (y.dtype, y.shape) == (np.dtype(dtype), exact.shape)
    limit = 3e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(y, exact, rtol=limit, atol=limit)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name: str, dtype: type, isa: str, rng: np.random.Generator) -> None:
    for shape in SHAPES:
        x = (rng.normal(size=shape) * 3).astype(dtype)
        g = rng.normal(size=shape).astype(dtype)
        for axis in range(-x.ndim, x.ndim):
            y = getattr(kernels, name)(x, axis)
            assert_near(y, getattr(ref, name)(x.astype(np.float64), axis), dtype)
            gx = getattr(kernels, name + "_grad")(g, y, axis)
            wide = getattr(ref, name + "_grad")(g.astype(np.float64), y.astype(np.float64), axis)
            # log_softmax_grad multiplies by a sum of up to 4000 terms of size 1
            scale = max(1.0, float(np.abs(wide).max())) * (10 if "log" in name else 1)
            assert_near(gx / dtype(scale), wide / scale, dtype)
        assert_near(getattr(kernels, name)(x[::-1]), getattr(ref, name)(x[::-1] * 1.0), dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_cross_entropy(kind: type, dtype: type, isa: str, rng: np.random.Generator) -> None:
    for shape in SHAPES[:5] + SHAPES[6:]:
        x = (rng.normal(size=shape) * 3).astype(dtype)
        labels = rng.integers(0, min(shape[-1], 250), shape[:-1]).astype(kind)
        loss, lse = kernels.cross_entropy(x, labels)
        wide = ref.cross_entropy(x.astype(np.float64), labels)
        assert_near(loss, wide[0], dtype)
        assert_near(lse, wide[1], dtype)
        g = rng.normal(size=shape[:-1]).astype(dtype)
        gx = kernels.cross_entropy_grad(g, x, labels, lse)
        exact = ref.cross_entropy_grad(g.astype(np.float64), x.astype(np.float64), labels, wide[1])
        assert_near(gx, exact, dtype)


def test_extreme_rows(isa: str) -> None:
    for n in (5, 100):
        x = np.full((20, n), -np.inf, np.float32)
        assert np.isnan(kernels.softmax(x)).all()  # no largest element: as the formula
        x[3, 2] = 1
        np.testing.assert_array_equal(kernels.softmax(x)[3], np.eye(n)[2])
        x = np.zeros((20, n), np.float32)
        x[:, 1] = 1e30
        np.testing.assert_array_equal(kernels.softmax(x), np.tile(np.eye(n)[1], (20, 1)))
        x[4, 0] = np.nan
        assert np.isnan(kernels.softmax(x)[4]).all()
        loss, _ = kernels.cross_entropy(x[:4] * 1e-28, np.ones(4, np.int64))
        np.testing.assert_allclose(loss, np.log1p((n - 1) * np.exp(-100.0)), atol=1e-30)


def test_bad_labels_name_the_row() -> None:
    x = np.zeros((4, 3), np.float32)
    for labels in (np.array([0, 1, 3, 0]), np.array([0, 1, -1, 0], np.int32)):
        with pytest.raises(ValueError, match=r"labels\[2\]"):
            kernels.cross_entropy(x, labels)
        with pytest.raises(ValueError, match=r"labels\[2\]"):
            kernels.cross_entropy_grad(x[:, 0], x, labels, x[:, 0])
    with pytest.raises(TypeError):
        kernels.cross_entropy(x, np.zeros(4))
    with pytest.raises(ValueError):
        kernels.cross_entropy(x, np.zeros(3, np.int64))


def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    if core is None:
        pytest.skip("the NumPy kernels run on one thread")
    x, labels = rng.normal(size=(9000, 37)).astype(np.float32), rng.integers(0, 37, 9000)
    before, results = core.num_threads(), set()
    try:
        for n in (1, 2, 3, 5, 8):
            core.set_num_threads(n)
            loss, lse = kernels.cross_entropy(x, labels)
            parts = [kernels.softmax(x), loss, kernels.cross_entropy_grad(loss, x, labels, lse)]
            results.add(b"".join(y.tobytes() for y in parts))
    finally:
        core.set_num_threads(before)
    assert len(results) == 1
