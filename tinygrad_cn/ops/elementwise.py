"""Elementwise functions, one value in, one value out; operands broadcast as in NumPy.

Each class states a forward kernel and, beside it, its vector-Jacobian product: given ``g``, the
gradient of the output ``y``, it returns the gradient of the input. Broadcasting is undone by the
engine, so no rule mentions it. Each rule is made of ops, so it can be differentiated again.
"""

from __future__ import annotations

from tinygrad_cn import kernels
from tinygrad_cn.op import Op


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
    """y = a^b;  ga = g b a^(b-1),  gb = g y log(a), which is 0 where a = 0 and b >= 0."""

    def forward(a, b):
        return kernels.pow(a, b)

    def vjp(g, a, b, y, needs):
        ga = g * (b * power(a, b - 1)) if needs[0] else None
        # where a is 0, log would be -inf and 0 * -inf NaN, though y = 0 does not move with b
        log_a = log(where(equal(a, 0), 1, a)) if needs[1] else None
        return ga, g * y * log_a if needs[1] else None


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
        return None


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
    weight = where(tie, 0.5, where(first, 1.0, 0.0))
    return g * weight if needs[0] else None, g * (1 - weight) if needs[1] else None


class Where(Op):
    """y = a where the condition holds, else b;  ga = g there, else 0,  gb = g elsewhere, else 0."""

    def forward(condition, a, b):
        return kernels.where(condition, a, b)

    def vjp(g, condition, needs):
        ga = where(condition, g, 0) if needs[1] else None
        gb = where(condition, 0, g) if needs[2] else None
        return None, ga, gb


add = Add()
subtract = Subtract()
multiply = Multiply()
divide = Divide()
negative = Negative()
power = Pow()
square = Square()
reciprocal = Reciprocal()
abs = Abs()
sign = Sign()
maximum = Maximum()
minimum = Minimum()
where = Where()


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


class Sqrt(Op):
    """y = sqrt(x);  gx = g / (2 y)."""

    def forward(x):
        return kernels.sqrt(x)

    def vjp(g, y):
        return g / (2 * y)


exp = Exp()
log = Log()
sqrt = Sqrt()


# --- comparisons: no gradient ---------------------------------------------------------------------


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
