"""Trigonometric and hyperbolic functions, their inverses, and erf: elementwise, as in NumPy."""

from __future__ import annotations

import math

from tinygrad_cn import kernels
from tinygrad_cn.op import Op

from .comparison import equal
from .elementwise import exp, rsqrt, square, where


class Sin(Op):
    """y = sin x;  gx = g cos x."""

    def forward(x):
        return kernels.sin(x)

    def vjp(g, x):
        return g * cos(x)


class Cos(Op):
    """y = cos x;  gx = -g sin x."""

    def forward(x):
        return kernels.cos(x)

    def vjp(g, x):
        return -g * sin(x)


class Tan(Op):
    """y = tan x;  gx = g (1 + y^2)."""

    def forward(x):
        return kernels.tan(x)

    def vjp(g, y):
        return g * (1 + square(y))


class Asin(Op):
    """y = arcsin x;  gx = g / sqrt(1 - x^2)."""

    def forward(x):
        return kernels.asin(x)

    def vjp(g, x):
        return g * rsqrt(1 - square(x))


class Acos(Op):
    """y = arccos x;  gx = -g / sqrt(1 - x^2)."""

    def forward(x):
        return kernels.acos(x)

    def vjp(g, x):
        return -g * rsqrt(1 - square(x))


class Atan(Op):
    """y = arctan x;  gx = g / (1 + x^2)."""

    def forward(x):
        return kernels.atan(x)

    def vjp(g, x):
        return g / (1 + square(x))


class Sinh(Op):
    """y = sinh x;  gx = g cosh x."""

    def forward(x):
        return kernels.sinh(x)

    def vjp(g, x):
        return g * cosh(x)


class Cosh(Op):
    """y = cosh x;  gx = g sinh x."""

    def forward(x):
        return kernels.cosh(x)

    def vjp(g, x):
        return g * sinh(x)


class Tanh(Op):
    """y = tanh x;  gx = g (1 - y^2).

    >>> tg.ops.tanh([0])
    Tensor([0.])
    """

    def forward(x):
        return kernels.tanh(x)

    def vjp(g, y):
        return tanh_grad(g, y)


class TanhGrad(Op):
    """gx = g (1 - y^2)."""

    def forward(g, y):
        return kernels.tanh_grad(g, y)

    def reference(g, y):
        return g * (1 - square(y))


class Asinh(Op):
    """y = arsinh x;  gx = g / sqrt(x^2 + 1)."""

    def forward(x):
        return kernels.asinh(x)

    def vjp(g, x):
        return g * rsqrt(square(x) + 1)


class Acosh(Op):
    """y = arcosh x;  gx = g / sqrt(x^2 - 1)."""

    def forward(x):
        return kernels.acosh(x)

    def vjp(g, x):
        return g * rsqrt(square(x) - 1)


class Atanh(Op):
    """y = artanh x;  gx = g / (1 - x^2)."""

    def forward(x):
        return kernels.atanh(x)

    def vjp(g, x):
        return g / (1 - square(x))


class Erf(Op):
    """y = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x;  gx = g 2 / sqrt(pi)
    e^(-x^2)."""

    def forward(x):
        return kernels.erf(x)

    def vjp(g, x):
        return g * (2 / math.sqrt(math.pi) * exp(-square(x)))


class Atan2(Op):
    """y = the angle of the point (b, a), in [-pi, pi];  ga = g b / (a^2 + b^2),
    gb = -g a / (a^2 + b^2), both 0 at the origin."""

    def forward(a, b):
        return kernels.atan2(a, b)

    def vjp(g, a, b, needs):
        r = a * a + b * b
        h = g / where(equal(r, 0), 1.0, r)
        return h * b if needs[0] else None, -h * a if needs[1] else None


sin = Sin()
cos = Cos()
tan = Tan()
asin = Asin()
acos = Acos()
atan = Atan()
sinh = Sinh()
cosh = Cosh()
asinh = Asinh()
acosh = Acosh()
atanh = Atanh()
erf = Erf()
tanh = Tanh()
tanh_grad = TanhGrad()
atan2 = Atan2()
