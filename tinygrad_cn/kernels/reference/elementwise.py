"""Elementwise kernels in plain NumPy: one value in, one value out, with broadcasting.

Every unary kernel is `name(x, out=None)`, every binary one `name(a, b, out=None)`. The result has
the dtype that NumPy gives it (float32 stays float32; a Python scalar is weak, as in NEP 50) and is
always an ndarray, also with zero dimensions. NaN passes through; no warning is printed. Functions
that NumPy has are NumPy's; the formulas of the others are written so that nothing overflows on the
way and the limits at plus and minus infinity are right.
"""

import builtins
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SQRT_HALF = math.sqrt(0.5)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
GELU_SLOPE = 2.0 * math.sqrt(2.0 / math.pi)  # twice, as tanh(u) = 2 sigmoid(2 u) - 1
GELU_CUBIC = 0.044715

_quiet: Callable[..., Any] = np.errstate(all="ignore")


def _broadcasting(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """The kernel without warnings, and with an error that names the axis that does not
    broadcast."""
    names = [name for name in inspect.signature(kernel).parameters if name != "out"]

    @functools.wraps(kernel)
    def checked(*args: Any, **kwargs: Any) -> Array:
        try:
            with np.errstate(all="ignore"):
                return kernel(*args, **kwargs)
        except ValueError:
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            _refuse_shapes(kernel.__name__, {name: np.shape(given[name]) for name in names})
            raise

    return checked


def _refuse_shapes(op: str, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise if the shapes do not broadcast: axes are aligned at the end, so they count from
    there."""
    for axis in range(-1, -1 - builtins.max(map(len, shapes.values())), -1):
        lengths = {shape[axis] for shape in shapes.values() if len(shape) >= -axis} - {1}
        if len(lengths) > 1:
            received = ", ".join(f"{name}.shape={shape}" for name, shape in shapes.items())
            raise ValueError(
                f"[{op}] Lengths along axis {axis} differ: {sorted(lengths)}. Expected equal "
                f"ones, or 1, received {received}."
            ) from None


_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def _floating(x: Any) -> Array:
    """x as a floating array: integers and booleans become float64."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _store(value: Any, out: Array | None) -> Array:
    """value as an ndarray, or written into out."""
    if out is None:
        return np.asarray(value)
    np.copyto(out, value, casting="same_kind")
    return out


def _bounded(x: Array) -> Array:
    """x without infinities (0 * inf is NaN), still beyond the point where exp(-|x|) is 0."""
    return np.clip(x, -2e3, 2e3)


# --- unary: NumPy's own ---------------------------------------------------------------------------


@_quiet
def negative(x: Any, out: Array | None = None) -> Array:
    """y = -x."""
    return np.asarray(np.negative(x, out=out))


@_quiet
def abs(x: Any, out: Array | None = None) -> Array:
    """y = |x|."""
    return np.asarray(np.absolute(x, out=out))


@_quiet
def sign(x: Any, out: Array | None = None) -> Array:
    """y = -1, 0 or 1 (NaN for NaN)."""
    return np.asarray(np.sign(x, out=out))


@_quiet
def exp(x: Any, out: Array | None = None) -> Array:
    """y = e^x."""
    return np.asarray(np.exp(x, out=out))


@_quiet
def expm1(x: Any, out: Array | None = None) -> Array:
    """y = e^x - 1, accurate near 0."""
    return np.asarray(np.expm1(x, out=out))


@_quiet
def log(x: Any, out: Array | None = None) -> Array:
    """y = ln x (-inf at 0, NaN below)."""
    return np.asarray(np.log(x, out=out))


@_quiet
def log1p(x: Any, out: Array | None = None) -> Array:
    """y = ln(1 + x), accurate near 0."""
    return np.asarray(np.log1p(x, out=out))


@_quiet
def log2(x: Any, out: Array | None = None) -> Array:
    """y = ln x / ln 2."""
    return np.asarray(np.log2(x, out=out))


@_quiet
def log10(x: Any, out: Array | None = None) -> Array:
    """y = ln x / ln 10."""
    return np.asarray(np.log10(x, out=out))


@_quiet
def sqrt(x: Any, out: Array | None = None) -> Array:
    """y = x^(1/2), correctly rounded (NaN below 0)."""
    return np.asarray(np.sqrt(x, out=out))


@_quiet
def rsqrt(x: Any, out: Array | None = None) -> Array:
    """y = x^(-1/2)."""
    return _store(1.0 / np.sqrt(x), out)


@_quiet
def square(x: Any, out: Array | None = None) -> Array:
    """y = x^2."""
    return np.asarray(np.square(x, out=out))


@_quiet
def reciprocal(x: Any, out: Array | None = None) -> Array:
    """y = 1 / x."""
    return np.asarray(np.reciprocal(x, out=out))


@_quiet
def sin(x: Any, out: Array | None = None) -> Array:
    """y = sin x."""
    return np.asarray(np.sin(x, out=out))


@_quiet
def cos(x: Any, out: Array | None = None) -> Array:
    """y = cos x."""
    return np.asarray(np.cos(x, out=out))


@_quiet
def tan(x: Any, out: Array | None = None) -> Array:
    """y = sin x / cos x."""
    return np.asarray(np.tan(x, out=out))


@_quiet
def asin(x: Any, out: Array | None = None) -> Array:
    """The y in [-pi/2, pi/2] with sin y = x."""
    return np.asarray(np.arcsin(x, out=out))


@_quiet
def acos(x: Any, out: Array | None = None) -> Array:
    """The y in [0, pi] with cos y = x."""
    return np.asarray(np.arccos(x, out=out))


@_quiet
def atan(x: Any, out: Array | None = None) -> Array:
    """The y in [-pi/2, pi/2] with tan y = x."""
    return np.asarray(np.arctan(x, out=out))


@_quiet
def sinh(x: Any, out: Array | None = None) -> Array:
    """y = (e^x - e^-x) / 2."""
    return np.asarray(np.sinh(x, out=out))


@_quiet
def cosh(x: Any, out: Array | None = None) -> Array:
    """y = (e^x + e^-x) / 2."""
    return np.asarray(np.cosh(x, out=out))


@_quiet
def tanh(x: Any, out: Array | None = None) -> Array:
    """y = sinh x / cosh x."""
    return np.asarray(np.tanh(x, out=out))


@_quiet
def asinh(x: Any, out: Array | None = None) -> Array:
    """The y with sinh y = x."""
    return np.asarray(np.arcsinh(x, out=out))


@_quiet
def acosh(x: Any, out: Array | None = None) -> Array:
    """The y >= 0 with cosh y = x (NaN for x < 1)."""
    return np.asarray(np.arccosh(x, out=out))


@_quiet
def atanh(x: Any, out: Array | None = None) -> Array:
    """The y with tanh y = x."""
    return np.asarray(np.arctanh(x, out=out))


@_quiet
def floor(x: Any, out: Array | None = None) -> Array:
    """The largest integer <= x."""
    return np.asarray(np.floor(x, out=out))


@_quiet
def ceil(x: Any, out: Array | None = None) -> Array:
    """The smallest integer >= x."""
    return np.asarray(np.ceil(x, out=out))


@_quiet
def round(x: Any, out: Array | None = None) -> Array:
    """The nearest integer; the even one of two that are equally near."""
    return np.asarray(np.rint(x, out=out))


@_quiet
def trunc(x: Any, out: Array | None = None) -> Array:
    """x without its fraction."""
    return np.asarray(np.trunc(x, out=out))


# --- unary: activations and others that NumPy lacks -----------------------------------------------


@_quiet
def erf(x: Any, out: Array | None = None) -> Array:
    """y = 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    x = _floating(x)
    return _store(np.asarray(_erf(x.astype(np.float64))).astype(x.dtype.newbyteorder("=")), out)


@_quiet
def relu(x: Any, out: Array | None = None) -> Array:
    """y = max(x, 0); relu(NaN) = NaN."""
    x = np.asarray(x)
    return np.asarray(np.maximum(x, x.dtype.type(0), out=out))


@_quiet
def sigmoid(x: Any, out: Array | None = None) -> Array:
    """y = 1 / (1 + e^-x)."""
    x = _floating(x)
    e = np.exp(-np.abs(x))  # in (0, 1]: never overflows
    return _store(np.where(x < 0, e, 1) / (1 + e), out)


@_quiet
def softplus(x: Any, out: Array | None = None) -> Array:
    """y = ln(1 + e^x)."""
    x = _floating(x)
    return _store(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), out)


@_quiet
def silu(x: Any, out: Array | None = None) -> Array:
    """y = x sigmoid(x); 0 at -inf."""
    x = _floating(x)
    return _store(np.maximum(x, np.finfo(x.dtype).min) * sigmoid(x), out)


def _normal_cdf(x: Array) -> Array:
    """The probability that a standard normal number is below x, accurate in both tails."""
    y = _erfc(-SQRT_HALF * x.astype(np.float64))
    return 0.5 * np.asarray(y).astype(x.dtype.newbyteorder("="))


@_quiet
def gelu(x: Any, out: Array | None = None) -> Array:
    """y = x P(z <= x) = x (1 + erf(x / sqrt 2)) / 2, z standard normal; 0 at -inf."""
    x = _floating(x)
    return _store(np.maximum(x, np.finfo(x.dtype).min) * _normal_cdf(x), out)


@_quiet
def gelu_tanh(x: Any, out: Array | None = None) -> Array:
    """y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2; 0 at -inf."""
    x = _floating(x)
    u = GELU_SLOPE * x * (1 + GELU_CUBIC * x * x)
    return _store(np.maximum(x, np.finfo(x.dtype).min) * sigmoid(u), out)


# --- binary ---------------------------------------------------------------------------------------


@_broadcasting
def add(a: Any, b: Any, out: Array | None = None) -> Array:
    """y = a + b."""
    return np.asarray(np.add(a, b, out=out))


@_broadcasting
def subtract(a: Any, b: Any, out: Array | None = None) -> Array:
    """y = a - b."""
    return np.asarray(np.subtract(a, b, out=out))


@_broadcasting
def multiply(a: Any, b: Any, out: Array | None = None) -> Array:
    """y = a b."""
    return np.asarray(np.multiply(a, b, out=out))


@_broadcasting
def divide(a: Any, b: Any, out: Array | None = None) -> Array:
    """y = a / b (floating, also for integers)."""
    return np.asarray(np.true_divide(a, b, out=out))


@_broadcasting
def pow(a: Any, b: Any, out: Array | None = None) -> Array:
    """y = a^b."""
    return np.asarray(np.power(a, b, out=out))


@_broadcasting
def maximum(a: Any, b: Any, out: Array | None = None) -> Array:
    """The larger of a and b; NaN where either is."""
    return np.asarray(np.maximum(a, b, out=out))


@_broadcasting
def minimum(a: Any, b: Any, out: Array | None = None) -> Array:
    """The smaller of a and b; NaN where either is."""
    return np.asarray(np.minimum(a, b, out=out))


@_broadcasting
def atan2(a: Any, b: Any, out: Array | None = None) -> Array:
    """The angle in [-pi, pi] of the point (b, a)."""
    return np.asarray(np.arctan2(a, b, out=out))


@_broadcasting
def logaddexp(a: Any, b: Any, out: Array | None = None) -> Array:
    """y = ln(e^a + e^b)."""
    return np.asarray(np.logaddexp(a, b, out=out))


# The derivatives of the activations. relu, tanh and sigmoid need only their result y; the others x.


@_broadcasting
def relu_grad(g: Any, y: Any, out: Array | None = None) -> Array:
    """gx = g where y > 0, else 0 (g where y is NaN)."""
    return _store(np.where(np.less_equal(y, 0), 0, g).astype(np.result_type(g, y)), out)


@_broadcasting
def tanh_grad(g: Any, y: Any, out: Array | None = None) -> Array:
    """gx = g (1 - y^2)."""
    return _store(g * (1 - np.square(y)), out)


@_broadcasting
def sigmoid_grad(g: Any, y: Any, out: Array | None = None) -> Array:
    """gx = g y (1 - y)."""
    return _store(g * (y * np.subtract(1, y)), out)


@_broadcasting
def silu_grad(g: Any, x: Any, out: Array | None = None) -> Array:
    """gx = g s (1 + x (1 - s)), s = sigmoid(x)."""
    x = _bounded(_floating(x))
    s = sigmoid(x)
    return _store(g * (s + x * s * sigmoid(-x)), out)


@_broadcasting
def gelu_grad(g: Any, x: Any, out: Array | None = None) -> Array:
    """gx = g (P(z <= x) + x p(x)), p the density of the standard normal z."""
    x = _bounded(_floating(x))
    return _store(g * (_normal_cdf(x) + x * (INV_SQRT_2PI * np.exp(-0.5 * x * x))), out)


@_broadcasting
def gelu_tanh_grad(g: Any, x: Any, out: Array | None = None) -> Array:
    """gx = g (s + x s (1 - s) u'), s = sigmoid(u), u = 2 sqrt(2/pi) (x + 0.044715 x^3)."""
    x = _bounded(_floating(x))
    u = GELU_SLOPE * x * (1 + GELU_CUBIC * x * x)
    du = GELU_SLOPE * (1 + 3 * GELU_CUBIC * x * x)
    s = sigmoid(u)
    return _store(g * (s + x * du * s * sigmoid(-u)), out)


# --- comparison, choice, copy ---------------------------------------------------------------------


@_broadcasting
def equal(a: Any, b: Any) -> Array:
    """a == b, as booleans."""
    return np.asarray(np.equal(a, b))


@_broadcasting
def not_equal(a: Any, b: Any) -> Array:
    """a != b, as booleans."""
    return np.asarray(np.not_equal(a, b))


@_broadcasting
def less(a: Any, b: Any) -> Array:
    """a < b, as booleans."""
    return np.asarray(np.less(a, b))


@_broadcasting
def less_equal(a: Any, b: Any) -> Array:
    """a <= b, as booleans."""
    return np.asarray(np.less_equal(a, b))


@_broadcasting
def greater(a: Any, b: Any) -> Array:
    """a > b, as booleans."""
    return np.asarray(np.greater(a, b))


@_broadcasting
def greater_equal(a: Any, b: Any) -> Array:
    """a >= b, as booleans."""
    return np.asarray(np.greater_equal(a, b))


@_broadcasting
def where(condition: Any, a: Any, b: Any) -> Array:
    """a where condition is true (not 0), else b."""
    return np.asarray(np.where(condition, a, b))


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """A new array, its values whatever the memory held."""
    return np.empty(shape, dtype)


def copy(x: Any, out: Array | None = None) -> Array:
    """A new array in C order and native byte order with the values of x; or x written into out,
    which may have any strides and another dtype. Floats lose their fraction in integers; one that
    the integer cannot hold gives what NumPy gives on x86: the least int32 or int64, or for uint8
    the low byte of the int32. All but 0 is True."""
    x = np.asarray(x)
    if out is None:
        return np.array(x, dtype=x.dtype.newbyteorder("="), order="C", copy=True)
    with np.errstate(all="ignore"):
        np.copyto(out, x, casting="unsafe")
    return out
