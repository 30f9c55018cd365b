"""What the kernel tests share: the compiled kernels, every instruction set, how equal is equal."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

try:
    from tinygrad_cn.kernels import _core as compiled
except ImportError:  # built without a compiler
    compiled = None

DTYPES = ["float32", "float64"]
ISAS = compiled.isa_found() if compiled else ()


def each_isa(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test that takes ``isa`` once with the kernels of each instruction set there is."""

    @pytest.mark.parametrize("isa", ISAS)
    @functools.wraps(test)
    def run(*args: Any, isa: str, **others: Any) -> None:
        before = compiled.isa_name()
        compiled.isa_select(isa)
        try:
            test(*args, isa=isa, **others)
        finally:
            compiled.isa_select(before)

    return run


def assert_same(found: Any, expected: Any, terms: int, scale: float = 1) -> None:
    """Equal but for rounding in sums of so many terms, each up to ``scale`` times the result."""
    found = found if isinstance(found, tuple) else (found,)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        finite = np.abs(b[np.isfinite(b)])
        size = max(float(finite.max()) if finite.size else 1, 1)
        tolerance = np.finfo(b.dtype).eps * scale * (16 + 4 * terms**0.5)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * size)


def one_and_many_threads(run: Callable[[], list[np.ndarray]]) -> None:
    """The same bits with 1, 2, 3, 5 and 8 threads."""
    before = compiled.num_threads()
    try:
        compiled.set_num_threads(1)
        expected = [a.copy() for a in run()]
        for n in (2, 3, 5, 8):
            compiled.set_num_threads(n)
            for a, b in zip(run(), expected, strict=True):
                assert a.tobytes() == b.tobytes(), f"{n} threads"
    finally:
        compiled.set_num_threads(before)
