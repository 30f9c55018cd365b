"""Elementwise functions, one value in, one value out; operands broadcast as in NumPy.

Each class states a forward kernel and, beside it, its vector-Jacobian product: given ``g``, the
gradient of the output ``y``, it returns the gradient of the input. Broadcasting is undone by the
engine, so no rule mentions it. Each rule is made of ops, so it can be differentiated again.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Value, wrap

from .comparison import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
)  # fmt: skip
from .creation import asarray, zeros_like

# --- arithmetic -----------------------------------------------------------------------------------


class Add(Op):
    """y = a + b;  ga = g,  gb = g."""

    def forward(a, b):
        return kernels.add(a, b)

    def vjp(g):
        return g, g


class Subtract(Op):
    """y = a - b;  ga = g,  gb = -g."""

    def forward(a, b):
        return kernels.subtract(a, b)

    def vjp(g, needs):
        return g, -g if needs[1] else None


class Multiply(Op):
    """y = a b;  ga = g b,  gb = g a."""

    def forward(a, b):
        return kernels.multiply(a, b)

    def vjp(g, a, b, needs):
        return g * b if needs[0] else None, g * a if needs[1] else None


class Divide(Op):
    """y = a / b;  ga = g / b,  gb = -g y / b."""

    def forward(a, b):
        return kernels.divide(a, b)

    def vjp(g, b, y, needs):
        ga = g / b
        return ga, -ga * y if needs[1] else None


class Negative(Op):
    """y = -x;  gx = -g."""

    def forward(x):
        return kernels.negative(x)

    def vjp(g):
        return -g


class Pow(Op):
    """y = a^b;  ga = g b a^(b-1),  gb = g y ln a; where a = 0, ga is 0 if b = 0, gb is 0 if b >=
    0."""

    def forward(a, b):
        return kernels.pow(a, b)

    def vjp(g, a, b, y, needs):
        ga = gb = None
        if needs[0] and not isinstance(b, Value):
            ga = g * (b * power(a, b - 1)) if b != 0 else g * 0.0
        elif needs[0]:
            both = logical_and(equal(a, 0), equal(b, 0))  # 0 * 0^-1 would be NaN
            # 1.0: an unsigned 0 less 1 would be 255
            ga = g * (b * power(where(both, 1.0, a), b - 1.0))
        if needs[1]:
            a = a if isinstance(a, Value) else wrap(np.asarray(a, y.dtype))
            # where a is 0, ln a would be -inf and 0 * -inf NaN, though y = 0 does not move with b
            still = logical_and(equal(a, 0), greater_equal(b, 0))
            gb = g * y * log(where(still, 1.0, a))
        return ga, gb


class Square(Op):
    """y = x^2;  gx = 2 g x."""

    def forward(x):
        return kernels.square(x)

    def vjp(g, x):
        return 2 * g * x


class Reciprocal(Op):
    """y = 1 / x;  gx = -g y^2."""

    def forward(x):
        return kernels.reciprocal(x)

    def vjp(g, y):
        return -g * square(y)


class Abs(Op):
    """y = |x|;  gx = g sign(x), which is 0 at 0."""

    def forward(x):
        return kernels.abs(x)

    def vjp(g, x):
        return g * sign(x)


class Sign(Op):
    """y = -1, 0 or 1;  gx = 0."""

    def forward(x):
        return kernels.sign(x)

    def vjp(g):
        return zeros_like(g)


class Maximum(Op):
    """y = max(a, b);  g goes to the larger operand, half to each where they are equal."""

    def forward(a, b):
        return kernels.maximum(a, b)

    def vjp(g, a, b, needs):
        return _share(g, greater(a, b), equal(a, b), needs)


class Minimum(Op):
    """y = min(a, b);  g goes to the smaller operand, half to each where they are equal."""

    def forward(a, b):
        return kernels.minimum(a, b)

    def vjp(g, a, b, needs):
        return _share(g, less(a, b), equal(a, b), needs)


def _share(g, first, tie, needs):
    """g where ``first``, half of it at a tie, else 0; and the rest of it."""
    half = where(tie, 0.5 * g, 0.0)
    ga = where(first, g, half) if needs[0] else None
    return ga, where(first, 0.0, where(tie, half, g)) if needs[1] else None


class Clip(Op):
    """y = min(max(x, min), max);  gx = g where min <= x <= max, else 0; a bound gets g where it
    wins."""

    def forward(x, min, max):
        if min is None:
            return x if max is None else kernels.minimum(x, max)
        y = kernels.maximum(x, min)
        if max is None:
            return y
        fits = type(max) in (int, float) and y.dtype.kind == "f" and y.ndim > 0  # keeps the dtype
        return kernels.minimum(y, max, y if fits else None)  # into y, where the result fits

    def vjp(g, x, min, max, needs):
        low = False if min is None else less(x, min)
        high = False if max is None else greater(x if min is None else maximum(x, min), max)
        inside = equal(x, x) if min is None else greater_equal(x, min)
        inside = inside if max is None else logical_and(inside, less_equal(x, max))
        return (
            where(inside, g, 0.0) if needs[0] else None,
            where(logical_and(low, logical_not(high)), g, 0.0) if needs[1] else None,
            where(high, g, 0.0) if needs[2] else None,
        )


class FloorDivide(Op):
    """y = floor(a / b), rounded down as in Python;  ga = 0,  gb = 0."""

    def forward(a, b):
        with np.errstate(all="ignore"):
            return np.asarray(np.floor_divide(a, b))

    def vjp(g):
        return zeros_like(g), zeros_like(g)


class Remainder(Op):
    """y = a - b floor(a / b), of the sign of b;  ga = g,  gb = -g floor(a / b).

    >>> tg.ops.remainder([5, -5], 3)
    Tensor([2., 1.])
    """

    def forward(a, b):
        with np.errstate(all="ignore"):
            return np.asarray(np.remainder(a, b))

    def vjp(g, a, b, needs):
        return g, -g * floor_divide(a, b) if needs[1] else None


class Where(Op):
    """y = a where the condition holds, else b;  ga = g there, else 0,  gb = g elsewhere, else 0."""

    def forward(condition, a, b):
        if isinstance(a, float) and isinstance(b, (float, int)):
            a = np.float32(a)  # Python numbers become float32 where no array says otherwise
        return kernels.where(condition, a, b)

    def vjp(g, condition, needs):
        ga = where(condition, g, 0) if needs[1] else None
        gb = where(condition, 0, g) if needs[2] else None
        return None, ga, gb


add = Add()
subtract = Subtract()
multiply = Multiply()
divide = true_divide = Divide()
negative = Negative()
pow = power = Pow()
square = Square()
reciprocal = Reciprocal()
abs = absolute = Abs()
sign = Sign()
maximum = Maximum()
minimum = Minimum()
where = Where()
floor_divide = FloorDivide()
remainder = mod = Remainder()
_clip = Clip()


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """y = min(max(x, min), max);  gx = g where min <= x <= max, else 0; a bound gets g where it
    wins.

    Either bound may be None. Where min > max, y is max, as in NumPy.

    >>> tg.ops.clip([-2, 0.5, 2], -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    return _clip(x, min, max)


def positive(x: Any) -> Any:
    """y = x."""
    return asarray(x)


# --- exponentials and logarithms ------------------------------------------------------------------


class Exp(Op):
    """y = e^x;  gx = g y."""

    def forward(x):
        return kernels.exp(x)

    def vjp(g, y):
        return g * y


class Log(Op):
    """y = ln x;  gx = g / x."""

    def forward(x):
        return kernels.log(x)

    def vjp(g, x):
        return g / x


class Expm1(Op):
    """y = e^x - 1, exact near 0;  gx = g (y + 1)."""

    def forward(x):
        return kernels.expm1(x)

    def vjp(g, y):
        return g * (y + 1)


class Log1p(Op):
    """y = ln(1 + x), exact near 0;  gx = g / (1 + x)."""

    def forward(x):
        return kernels.log1p(x)

    def vjp(g, x):
        return g / (1 + x)


class Log2(Op):
    """y = ln x / ln 2;  gx = g / (x ln 2)."""

    def forward(x):
        return kernels.log2(x)

    def vjp(g, x):
        return g / (x * math.log(2))


class Log10(Op):
    """y = ln x / ln 10;  gx = g / (x ln 10)."""

    def forward(x):
        return kernels.log10(x)

    def vjp(g, x):
        return g / (x * math.log(10))


class Sqrt(Op):
    """y = sqrt(x);  gx = g / (2 y), which is infinite at 0."""

    def forward(x):
        return kernels.sqrt(x)

    def vjp(g, y):
        return g / (2 * y)


class Rsqrt(Op):
    """y = 1 / sqrt(x);  gx = -g y^3 / 2."""

    def forward(x):
        return kernels.rsqrt(x)

    def vjp(g, y):
        return -0.5 * g * (y * square(y))


class Cbrt(Op):
    """y = the cube root of x, also below 0;  gx = g / (3 y^2), which is infinite at 0.

    >>> tg.ops.cbrt([-8.0])
    Tensor([-2.])
    """

    def forward(x):
        return np.asarray(np.cbrt(x))

    def vjp(g, y):
        return g / (3 * square(y))


class Hypot(Op):
    """y = sqrt(a^2 + b^2), also where the squares overflow;  ga = g a / y,  gb = g b / y, both 0 at
    the origin.

    >>> tg.ops.hypot([3e30], [4e30])
    Tensor([5.e+30])
    """

    def forward(a, b):
        with np.errstate(all="ignore"):
            return np.asarray(np.hypot(a, b))

    def vjp(g, a, b, y, needs):
        h = g / where(equal(y, 0), 1.0, y)
        return h * a if needs[0] else None, h * b if needs[1] else None


exp = Exp()
log = Log()
expm1 = Expm1()
log1p = Log1p()
log2 = Log2()
log10 = Log10()
sqrt = Sqrt()
rsqrt = Rsqrt()
cbrt = Cbrt()
hypot = Hypot()


# --- rounding: the slope is 0 ---------------------------------------------------------------------


class Floor(Op):
    """y = the largest integer <= x;  gx = 0."""

    def forward(x):
        return kernels.floor(x)

    def vjp(g):
        return zeros_like(g)


class Ceil(Op):
    """y = the smallest integer >= x;  gx = 0."""

    def forward(x):
        return kernels.ceil(x)

    def vjp(g):
        return zeros_like(g)


class Round(Op):
    """y = the nearest integer, the even one of two;  gx = 0."""

    def forward(x):
        return kernels.round(x)

    def vjp(g):
        return zeros_like(g)


class Trunc(Op):
    """y = x without its fraction;  gx = 0."""

    def forward(x):
        return kernels.trunc(x)

    def vjp(g):
        return zeros_like(g)


floor = Floor()
ceil = Ceil()
trunc = Trunc()
_round = Round()


def round(x: Any, decimals: int = 0) -> Any:
    """The nearest number with so many decimals; of two, the one with the even last digit.

    >>> tg.ops.round([0.5, 1.5, 2.6])
    Tensor([0., 2., 3.])
    """
    x = asarray(x)
    if x.dtype.kind in "iu" and decimals >= 0:  # a float would lose digits of int64
        return x
    if decimals == 0:
        return _round(x)
    scale = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        return _round(multiply(x, scale)) / scale
    y = _round(x / scale) * scale
    return y if x.dtype.kind == "f" else y.astype(x.dtype)
