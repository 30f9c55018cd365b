"""Activations. Those with a gradient kernel hand the gradient on in one pass; that kernel is an op
too, whose ``reference`` is its formula in ops, for the higher orders."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cn import kernels
from tinygrad_cn.op import Op

from .comparison import greater, greater_equal, less_equal
from .creation import asarray
from .elementwise import abs, clip, divide, exp, expm1, multiply, square, where
from .joining import split
from .shape import _axis
from .trigonometry import erf, tanh


class Relu(Op):
    """y = max(x, 0);  gx = g where x > 0, else 0 (so the slope at 0 is 0).

    >>> tg.ops.relu([-1, 2])
    Tensor([0., 2.])
    """

    def forward(x):
        return kernels.relu(x)

    def vjp(g, y):
        return relu_grad(g, y)


class ReluGrad(Op):
    """gx = g where y > 0, else 0: linear in g, and flat in y."""

    def forward(g, y):
        return kernels.relu_grad(g, y)

    def vjp(g, y):
        return relu_grad(g, y), None


class Sigmoid(Op):
    """y = 1 / (1 + e^-x);  gx = g y (1 - y).

    >>> tg.ops.sigmoid([0])
    Tensor([0.5])
    """

    def forward(x):
        return kernels.sigmoid(x)

    def vjp(g, y):
        return sigmoid_grad(g, y)


class SigmoidGrad(Op):
    """gx = g y (1 - y)."""

    def forward(g, y):
        return kernels.sigmoid_grad(g, y)

    def reference(g, y):
        return g * (y * (1 - y))


class Softplus(Op):
    """y = ln(1 + e^x);  gx = g sigmoid(x).

    >>> tg.ops.softplus([0]).round(3)
    Tensor([0.693])
    """

    def forward(x):
        return kernels.softplus(x)

    def vjp(g, x):
        return g * sigmoid(x)


class Silu(Op):
    """y = x s, s = sigmoid(x);  gx = g s (1 + x (1 - s)). Also called swish.

    >>> tg.ops.silu([0, 2]).round(3)
    Tensor([0.   , 1.762])
    """

    def forward(x):
        return kernels.silu(x)

    def vjp(g, x):
        return silu_grad(g, x)


class SiluGrad(Op):
    """gx = g s (1 + x (1 - s)), s = sigmoid(x)."""

    def forward(g, x):
        return kernels.silu_grad(g, x)

    def reference(g, x):
        s = sigmoid(x)
        return g * (s + x * s * sigmoid(-x))


class Gelu(Op):
    """y = x P(x), P(x) = (1 + erf(x / sqrt 2)) / 2;  gx = g (P(x) + x p(x)), p = P'."""

    def forward(x):
        return kernels.gelu(x)

    def vjp(g, x):
        return gelu_grad(g, x)


class GeluGrad(Op):
    """gx = g (P(x) + x p(x)), P and p the distribution and the density of the standard normal."""

    def forward(g, x):
        return kernels.gelu_grad(g, x)

    def reference(g, x):
        p = exp(-0.5 * square(x)) * (1 / math.sqrt(2 * math.pi))
        return g * (0.5 * (1 + erf(x * math.sqrt(0.5))) + x * p)


class GeluTanh(Op):
    """y = x s, s = sigmoid(u), u = 2 sqrt(2 / pi) (x + 0.044715 x^3);
    gx = g (s + x s (1 - s) u')."""

    def forward(x):
        return kernels.gelu_tanh(x)

    def vjp(g, x):
        return gelu_tanh_grad(g, x)


class GeluTanhGrad(Op):
    """gx = g (s + x s (1 - s) u'), with s and u as in GeluTanh."""

    def forward(g, x):
        return kernels.gelu_tanh_grad(g, x)

    def reference(g, x):
        slope, cubic = 2 * math.sqrt(2 / math.pi), 0.044715
        u = slope * (x + cubic * x * square(x))
        du = slope * (1 + 3 * cubic * square(x))
        s = sigmoid(u)
        return g * (s + x * s * sigmoid(-u) * du)


relu = Relu()
relu_grad = ReluGrad()
sigmoid = Sigmoid()
sigmoid_grad = SigmoidGrad()
softplus = Softplus()
silu = swish = Silu()
silu_grad = SiluGrad()
_gelu = Gelu()
gelu_grad = GeluGrad()
gelu_tanh = GeluTanh()
gelu_tanh_grad = GeluTanhGrad()


def gelu(x: Any, approximate: bool = True) -> Any:
    """y = x P(z <= x), z a standard normal number (Hendrycks and Gimpel, 2016); by tanh if
    ``approximate`` (Keras's default).

    >>> tg.ops.gelu([1.0], approximate=False).round(3)
    Tensor([0.841])
    """
    return gelu_tanh(x) if approximate else _gelu(x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """y = x where x > 0, else negative_slope x. The slope at 0 is negative_slope, as in PyTorch.

    >>> tg.ops.leaky_relu([-1, 2])
    Tensor([-0.2,  2. ])
    """
    x = asarray(x)
    return where(greater(x, 0), x, negative_slope * x)


def relu6(x: Any) -> Any:
    """y = min(max(x, 0), 6);  gx = g where 0 < x < 6, else 0.

    >>> tg.ops.relu6([-1, 2, 7])
    Tensor([0., 2., 6.])
    """
    y = relu(x)
    return where(greater_equal(y, 6), 6.0, y)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else alpha (e^x - 1).

    >>> tg.ops.elu([0, 2])
    Tensor([0., 2.])
    """
    x = asarray(x)
    return where(greater(x, 0), x, alpha * expm1(minimum_zero(x)))


def selu(x: Any) -> Any:
    """y = 1.0507 elu(x, 1.6733), which keeps mean 0 and variance 1 (Klambauer et al., 2017).

    >>> tg.ops.selu([1.0]).round(3)
    Tensor([1.051])
    """
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else alpha (e^(x / alpha) - 1).

    >>> tg.ops.celu([0, 2])
    Tensor([0., 2.])
    """
    x = asarray(x)
    return where(greater(x, 0), x, alpha * expm1(minimum_zero(x) / alpha))


class MinimumZero(Op):
    """y = min(x, 0);  gx = g where x <= 0, else 0: for the left branch of a `where`, at 0 too."""

    def forward(x):
        return kernels.minimum(x, 0.0)

    def vjp(g, x):
        return where(less_equal(x, 0), g, 0.0)


minimum_zero = MinimumZero()


def softsign(x: Any) -> Any:
    """y = x / (1 + |x|).

    >>> tg.ops.softsign([1, -3])
    Tensor([ 0.5 , -0.75])
    """
    x = asarray(x)
    return divide(x, 1 + abs(x))


def mish(x: Any) -> Any:
    """y = x tanh(softplus(x)) (Misra, 2019).

    >>> tg.ops.mish([0, 1]).round(3)
    Tensor([0.   , 0.865])
    """
    x = asarray(x)
    return multiply(x, tanh(softplus(x)))


def hard_sigmoid(x: Any) -> Any:
    """y = min(max(x / 6 + 1/2, 0), 1); the slope at the corners is 0.

    >>> tg.ops.hard_sigmoid([-3, 0, 3])
    Tensor([0. , 0.5, 1. ])
    """
    return relu6(asarray(x) + 3) / 6


def hard_silu(x: Any) -> Any:
    """y = x hard_sigmoid(x). Also called hard_swish.

    >>> tg.ops.hard_silu([-3, 0, 3])
    Tensor([-0.,  0.,  3.])
    """
    x = asarray(x)
    return multiply(x, hard_sigmoid(x))


hard_swish = hard_silu


def hard_tanh(x: Any) -> Any:
    """y = min(max(x, -1), 1).

    >>> tg.ops.hard_tanh([-3, 0.5])
    Tensor([-1. ,  0.5])
    """
    return clip(x, -1.0, 1.0)


class LogSigmoid(Op):
    """y = ln sigmoid(x) = -softplus(-x);  gx = g sigmoid(-x). Exact also far below 0.

    >>> tg.ops.log_sigmoid([-1e4])
    Tensor([-10000.])
    """

    def forward(x):
        return kernels.negative(kernels.softplus(kernels.negative(x)))

    def vjp(g, x):
        return g * sigmoid(-x)


log_sigmoid = LogSigmoid()


def tanh_shrink(x: Any) -> Any:
    """y = x - tanh(x).

    >>> tg.ops.tanh_shrink([0])
    Tensor([0.])
    """
    x = asarray(x)
    return x - tanh(x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """y = x moved towards 0 by the threshold, 0 within it.

    >>> tg.ops.soft_shrink([-2, 0.1])
    Tensor([-1.5,  0. ])
    """
    x = asarray(x)
    return relu(x - threshold) - relu(-x - threshold)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """y = x, 0 where |x| <= threshold.

    >>> tg.ops.hard_shrink([-2, 0.1])
    Tensor([-2.,  0.])
    """
    x = asarray(x)
    return where(less_equal(abs(x), threshold), 0.0, x)


def squareplus(x: Any, b: float = 4.0) -> Any:
    """y = (x + sqrt(x^2 + b)) / 2.

    >>> tg.ops.squareplus([0])
    Tensor([1.])
    """
    x = asarray(x)
    return (x + (square(x) + b) ** 0.5) / 2


def glu(x: Any, axis: int = -1) -> Any:
    """y = a sigmoid(b), a and b the halves of x along the axis (Dauphin et al., 2016).

    >>> tg.ops.glu([2, 0])
    Tensor([1.])
    """
    x = asarray(x)
    axis = _axis("glu", axis, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(f"[glu] Expected an even length, received x.shape={x.shape}, axis={axis}.")
    a, b = split(x, 2, axis)
    return a * sigmoid(b)
