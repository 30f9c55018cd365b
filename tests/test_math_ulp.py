"""The elementary functions over the float32 line, in units in the last place of the true value.

    python tests/test_math_ulp.py                  every function, every 1009th float
    python tests/test_math_ulp.py --step 1 exp     all 2^32 of them (a minute or more a function)

The truth is double precision: NumPy's, or for erf the C library's.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
import pytest

from tinygrad_cn import kernels
from tinygrad_cn.kernels import core
from tinygrad_cn.kernels import reference as ref

STEP = 1009
CHUNK = 1 << 20

# The largest error in ULP, on the whole line: denormal results too.
LIMITS = {
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "log2", "log10"), 2.0),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"), 3.0),
    **dict.fromkeys(("asinh", "acosh", "atanh", "erf", "sigmoid", "softplus"), 3.0),
    **dict.fromkeys(("gelu", "gelu_tanh", "silu"), 3.0),
    **dict.fromkeys(("sqrt", "reciprocal", "square"), 0.501),
    "rsqrt": 2.0,
}
SLOPES = {"gelu_grad": 3.0, "gelu_tanh_grad": 3.0, "silu_grad": 3.0}  # at g = 1

# Slow truths, which are looked at in fewer places.
SLOW = ("erf", "gelu", "gelu_grad")

SPECIALS = np.array(
    """0 -0 inf -inf nan 1 -1 0.5 -0.5 2 1e-45 -1e-45 1e-40 1.1754944e-38 88.72283 88.72284
    -87.33654
    -87.3366 -88.02 -103.97208 -103.9721 89.4159 9.011 9.02 3.92 3.95 0.99999994 1.0000001 0.34657
    0.34658 1e5 99999.99 1e10 1e30 3.4028235e38""".split(),
    dtype=np.float32,
)


def floats(step: int, start: int = 0) -> Iterator[np.ndarray]:
    """Every step-th float32 by its bits, in chunks, and the special ones."""
    yield np.concatenate([SPECIALS, -SPECIALS, np.nextafter(SPECIALS, np.float32(0))])
    for first in range(start, 1 << 32, step * CHUNK):
        bits = np.arange(first, min(first + step * CHUNK, 1 << 32), step, dtype=np.uint64)
        yield bits.astype(np.uint32).view(np.float32)


def truth(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):  # signalling NaN, 1e38^3
        x = x.astype(np.float64)
        return np.asarray(getattr(ref, name)(*arguments_of(name, x)))


def arguments_of(name: str, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.ones_like(x), x) if name in SLOPES else (x,)


def errors(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The error of y in ULP; infinite where it is NaN, or should be."""
    exact = truth(name, x)
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        largest = np.finfo(np.float32).max
        ulp = np.spacing(np.minimum(np.abs(rounded), largest)).astype(np.float64)
        error = np.abs(y.astype(np.float64) - exact) / ulp
    agree = (y == rounded) | (np.isnan(y) & np.isnan(exact))
    error = np.where(agree & ~np.isfinite(error), 0.0, error)
    return np.where(np.isnan(y) != np.isnan(exact), np.inf, error)


def worst(name: str, step: int) -> tuple[float, float]:
    """The largest error and where it is."""
    best = (0.0, 0.0)
    x: np.ndarray
    for x in floats(step):
        error = errors(name, x, getattr(kernels, name)(*arguments_of(name, x)))
        at = int(np.argmax(error))
        best = max(best, (float(error[at]), float(x[at])))
    return best


@pytest.mark.skipif(core is None, reason="the NumPy kernels are NumPy's own")
def test_slope_of_silu_where_roundings_add_up() -> None:
    """Neighbours of the largest errors of earlier forms, which a sparse sweep misses."""
    for centre in (-3.8096848, -1.0345669, -0.5244, -0.0634689):
        first = np.float32(centre).view(np.int32)
        x = np.arange(first - 2000, first + 2000, dtype=np.int32).view(np.float32)
        assert errors("silu_grad", x, kernels.silu_grad(np.ones_like(x), x)).max() <= 3


@pytest.mark.skipif(core is None, reason="the NumPy kernels are NumPy's own")
@pytest.mark.parametrize("name", [*LIMITS, *SLOPES])
def test_errors_stay_within_the_stated_ulp(name: str) -> None:
    assert core is not None
    found = core.isa_name()
    try:
        for i, isa in enumerate(core.isa_found()):
            core.isa_select(isa)
            # The first ISA at every 1009th float; the others share the code.
            step = STEP * (1 if i == 0 else 16) * (40 if name in SLOW else 1)
            limit = max((LIMITS | SLOPES)[name], 3.0 if isa == "baseline" else 0)  # without FMA
            error, x = worst(name, step)
            assert error <= limit, f"{isa}: {error:.3f} ULP at {x!r}"
    finally:
        core.isa_select(found)


@pytest.mark.parametrize("name", [n for n in LIMITS if n not in ("square", "sqrt")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(name: str, dtype: type) -> None:
    """Signed zeros, infinities and NaN come out as NumPy's."""
    x: np.ndarray = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.0, -2.0], dtype)
    y, expected = getattr(kernels, name)(x), getattr(ref, name)(x)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-12)
    zero = (expected == 0) & (np.abs(x) != 2)
    np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(expected[zero]))


def test_pow_special_values() -> None:
    values = [
        0.0,
        -0.0,
        1,
        -1,
        2,
        -2,
        0.5,
        -0.5,
        3,
        -3,
        np.inf,
        -np.inf,
        np.nan,
        1e30,
        1e-40,
        7,
        -7,
    ]
    for dtype in (np.float32, np.float64):
        a, b = np.meshgrid(np.array(values, dtype), np.array(values, dtype))
        y, expected = kernels.pow(a, b), ref.pow(a, b)
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=0)
        np.testing.assert_array_equal(
            np.signbit(y[expected == 0]), np.signbit(expected[expected == 0])
        )


def test_pow_within_three_ulp(rng: np.random.Generator) -> None:
    """Over all of the range of results, with bases from everywhere and from near 1."""
    n = 200_000
    near = 1 + rng.uniform(-0.5, 0.5, n) * 2.0 ** -rng.uniform(0, 20, n)
    a = np.concatenate([np.exp(rng.uniform(-87, 88, n)), near]).astype(np.float32)
    a = a[a != 1]
    with np.errstate(over="ignore"):
        b = (rng.uniform(-149, 128, a.size) / np.log2(a.astype(np.float64))).astype(np.float32)
        exact = np.power(a.astype(np.float64), b.astype(np.float64))
        keep = exact < np.finfo(np.float32).max
        error = np.abs(kernels.pow(a, b) - exact)[keep] / np.spacing(exact[keep].astype(np.float32))
    assert error.max() <= 3


@pytest.mark.parametrize("name", [n for n in LIMITS if n != "gelu_tanh"])
def test_float64_against_the_c_library(name: str, rng: np.random.Generator) -> None:
    parts = [rng.normal(scale=s, size=300) for s in (1e-8, 0.01, 0.3, 1.0, 3.0, 20.0, 100.0)]
    x = np.concatenate(parts)
    if name in ("log", "log2", "log10", "sqrt", "rsqrt"):
        x = np.abs(x)
    elif name in ("asin", "acos", "atanh"):
        x = x[np.abs(x) < 1]
    elif name == "acosh":
        x = 1 + np.abs(x)
    elif name == "log1p":
        x = np.where(x <= -1, -x, x)
    y, expected = getattr(kernels, name)(x), getattr(ref, name)(x)
    # Twins are both a few ULP off; gelu's far tail more.
    tolerance = (
        1e-12 if name in ("gelu", "silu") else 6e-15 if name in ("softplus", "sigmoid") else 3e-15
    )
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=1e-290)


def main() -> None:
    parser = argparse.ArgumentParser(description="Errors of the elementary functions in ULP.")
    parser.add_argument("--step", type=int, default=STEP, help="look at every step-th float")
    parser.add_argument("names", nargs="*", help="functions; all without")
    arguments = parser.parse_args()
    for name in arguments.names or (*LIMITS, *SLOPES):
        slow = name in SLOW and arguments.step > 1
        error, x = worst(name, arguments.step * (40 if slow else 1))
        print(f"{name:10} {error:7.3f} ULP at {x!r}  (limit {(LIMITS | SLOPES)[name]})", flush=True)


if __name__ == "__main__":
    assert math.isclose(np.spacing(np.float32(1)), 2**-23)
    main()
