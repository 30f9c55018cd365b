"""Softmax and its logarithm: fused ops with gradient kernels of their own; and log-sum-exp, of one
tensor or two."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Placeholder, apply_as_one, as_one

from .activation import sigmoid
from .comparison import equal
from .creation import asarray
from .elementwise import exp, where
from .reduction import _all_axes, _keep, sum
from .shape import _axes, moveaxis, reshape


class Softmax(Op):
    """y = e^x / sum e^x along the axis;  gx = y (g - sum g y)."""

    def forward(x, axis=-1):
        return kernels.softmax(x, axis)

    def vjp(g, y, axis):
        return softmax_grad(g, y, axis=axis)


class SoftmaxGrad(Op):
    """gx = y (g - sum g y)."""

    def forward(g, y, axis=-1):
        return kernels.softmax_grad(g, y, axis)

    def reference(g, y, axis=-1):
        return y * (g - sum(g * y, axis=axis, keepdims=True))


class LogSoftmax(Op):
    """y = x - ln sum e^x along the axis;  gx = g - e^y sum g."""

    def forward(x, axis=-1):
        return kernels.log_softmax(x, axis)

    def vjp(g, y, axis):
        return log_softmax_grad(g, y, axis=axis)


class LogSoftmaxGrad(Op):
    """gx = g - e^y sum g."""

    def forward(g, y, axis=-1):
        return kernels.log_softmax_grad(g, y, axis)

    def reference(g, y, axis=-1):
        return g - exp(y) * sum(g, axis=axis, keepdims=True)


class LogSumExp(Op):
    """y = ln sum e^x along the axes;  gx = g softmax(x). No input is too large.

    >>> tg.ops.logsumexp([1000, 1000]).round(1)
    Tensor(1000.7)
    """

    def forward(x, axis=None, keepdims=False):
        axes = _all_axes(axis, x.ndim)
        if x.size == 0:
            return kernels.log(kernels.sum(kernels.exp(x), axes, keepdims))
        top = kernels.max(x, axes, True)
        top = kernels.where(kernels.less(kernels.abs(top), math.inf), top, top.dtype.type(0))
        total = kernels.sum(kernels.exp(kernels.subtract(x, top)), axes, True)
        y = kernels.add(kernels.log(total), top)
        kept = [n for i, n in enumerate(y.shape) if i not in axes]
        return y if keepdims else y.reshape(kept)

    def vjp(g, x, y, axis, keepdims):
        nothing = equal(_keep(y, x.shape, axis, keepdims), -math.inf)  # all of x is -inf
        return _keep(g, x.shape, axis, keepdims) * where(nothing, 0.0, softmax(x, axis))


class LogAddExp(Op):
    """y = ln(e^a + e^b);  ga = g sigmoid(a - b),  gb = g sigmoid(b - a), both 0 where y is -inf.

    >>> tg.ops.logaddexp([1000], [1000]).round(1)
    Tensor([1000.7])
    """

    def forward(a, b):
        return kernels.logaddexp(a, b)

    def vjp(g, a, b, y):
        nothing = equal(y, -math.inf)  # -inf + inf would be NaN
        ga, gb = [g * sigmoid(where(nothing, -math.inf, d)) for d in (a - b, b - a)]
        return ga, gb


_softmax = Softmax()
softmax_grad = SoftmaxGrad()
_log_softmax = LogSoftmax()
log_softmax_grad = LogSoftmaxGrad()
logsumexp = LogSumExp()
logaddexp = LogAddExp()


@as_one
def softmax(x: Any, axis: Any = -1) -> Any:
    """y = e^x / sum e^x along an axis, several, or all (None). No input is too large.

    >>> tg.ops.softmax([1000, 1000])
    Tensor([0.5, 0.5])
    """
    if isinstance(x, Placeholder):
        return apply_as_one(softmax, x, axis)
    return _along("softmax", _softmax, x, axis)


@as_one
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """y = x - ln sum e^x along an axis, several, or all (None). No input is too large.

    >>> tg.ops.log_softmax([1000, 1000]).round(3)
    Tensor([-0.693, -0.693])
    """
    if isinstance(x, Placeholder):
        return apply_as_one(log_softmax, x, axis)
    return _along("log_softmax", _log_softmax, x, axis)


def _along(name: str, op: Op, x: Any, axis: Any) -> Any:
    """The op along ``axis``; several axes are first made one, at the end."""
    if isinstance(axis, int) and -x.ndim <= axis < x.ndim if hasattr(x, "ndim") else False:
        return op(x, axis=axis)
    x = asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else _axes(name, axis, x.ndim)
    if len(axes) == 1:
        return op(x, axis=axes[0])
    end = tuple(range(x.ndim - len(axes), x.ndim))
    moved = moveaxis(x, axes, end)
    y = op(reshape(moved, shape=(*moved.shape[: x.ndim - len(axes)], -1)), axis=-1)
    return moveaxis(reshape(y, shape=moved.shape), end, axes)
