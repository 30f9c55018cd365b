"""Comparisons and logic: elementwise, as in NumPy; the results are bools, and carry no gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op


class Equal(Op):
    """y = (a == b), of dtype bool."""

    def forward(a, b):
        return kernels.equal(a, b)


class NotEqual(Op):
    """y = (a != b), of dtype bool."""

    def forward(a, b):
        return kernels.not_equal(a, b)


class Less(Op):
    """y = (a < b), of dtype bool."""

    def forward(a, b):
        return kernels.less(a, b)


class LessEqual(Op):
    """y = (a <= b), of dtype bool."""

    def forward(a, b):
        return kernels.less_equal(a, b)


class Greater(Op):
    """y = (a > b), of dtype bool."""

    def forward(a, b):
        return kernels.greater(a, b)


class GreaterEqual(Op):
    """y = (a >= b), of dtype bool."""

    def forward(a, b):
        return kernels.greater_equal(a, b)


equal = Equal()
not_equal = NotEqual()
less = Less()
less_equal = LessEqual()
greater = Greater()
greater_equal = GreaterEqual()


# --- logic: no gradient ---------------------------------------------------------------------------
# On truth values, 0 and 1, comparisons are logic: a and b is a > not b, a or b is a >= not b.


class LogicalAnd(Op):
    """y = a and b, of dtype bool; what is not 0 counts as true."""

    def forward(a, b):
        return kernels.greater(_truth(a), _untruth(b))


class LogicalOr(Op):
    """y = a or b, of dtype bool; what is not 0 counts as true."""

    def forward(a, b):
        return kernels.greater_equal(_truth(a), _untruth(b))


class LogicalXor(Op):
    """y = either a or b, of dtype bool; what is not 0 counts as true."""

    def forward(a, b):
        return kernels.not_equal(_truth(a), _truth(b))


class LogicalNot(Op):
    """y = not x, of dtype bool; what is not 0 counts as true."""

    def forward(x):
        return _untruth(x)


def _truth(x: Any) -> Any:
    return x if _is_bool(x) else kernels.not_equal(x, 0)


def _untruth(x: Any) -> Any:
    return kernels.equal(x, False if _is_bool(x) else 0)


def _is_bool(x: Any) -> bool:
    return getattr(x, "dtype", None) == np.bool_


class BitwiseAnd(Op):
    """y = a & b, of integers or bools."""

    def forward(a, b):
        return np.asarray(np.bitwise_and(a, b))


class BitwiseOr(Op):
    """y = a | b, of integers or bools."""

    def forward(a, b):
        return np.asarray(np.bitwise_or(a, b))


class BitwiseXor(Op):
    """y = a ^ b, of integers or bools."""

    def forward(a, b):
        return np.asarray(np.bitwise_xor(a, b))


class BitwiseInvert(Op):
    """y = ~x, of integers or bools."""

    def forward(x):
        return np.asarray(np.bitwise_invert(x))


class IsNan(Op):
    """y = (x is NaN), of dtype bool."""

    def forward(x):
        return kernels.not_equal(x, x)


class IsInf(Op):
    """y = (x is inf or -inf), of dtype bool."""

    def forward(x):
        return kernels.equal(kernels.abs(x), math.inf)


class IsFinite(Op):
    """y = (x is a number), of dtype bool: neither NaN nor infinite."""

    def forward(x):
        return kernels.less(kernels.abs(x), math.inf)


logical_and = LogicalAnd()
logical_or = LogicalOr()
logical_xor = LogicalXor()
logical_not = LogicalNot()
bitwise_and = BitwiseAnd()
bitwise_or = BitwiseOr()
bitwise_xor = BitwiseXor()
bitwise_invert = BitwiseInvert()
isnan = IsNan()
isinf = IsInf()
isfinite = IsFinite()


class IsClose(Op):
    """y = |a - b| <= atol + rtol |b|."""

    def forward(a, b, *, rtol, atol, equal_nan):
        return np.asarray(np.isclose(a, b, rtol, atol, equal_nan))


_is_close = IsClose()


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """|a - b| <= atol + rtol |b|, elementwise, of dtype bool."""
    return _is_close(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
