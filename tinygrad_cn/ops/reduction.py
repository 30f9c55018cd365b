"""Reductions: many values become one, along some axes or all."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Value

from .elementwise import equal
from .shape import broadcast_to, reshape


class Sum(Op):
    """y = sum of x along the axes;  gx = g, spread over what was summed."""

    def forward(x, axis=None, keepdims=False):
        return kernels.sum(x, axis, keepdims)

    def vjp(g, x_shape, axis, keepdims):
        return broadcast_to(_keep(g, x_shape, axis, keepdims), shape=x_shape)


class Mean(Op):
    """y = mean of x along the axes;  gx = g / n, spread over what was averaged."""

    def forward(x, axis=None, keepdims=False):
        return kernels.mean(x, axis, keepdims)

    def vjp(g, x_shape, axis, keepdims):
        n = math.prod([x_shape[i] for i in _axes(axis, len(x_shape))])
        return broadcast_to(_keep(g / n, x_shape, axis, keepdims), shape=x_shape)


class Max(Op):
    """y = the largest x along the axes;  g is shared equally by the elements that reach it."""

    def forward(x, axis=None, keepdims=False):
        return kernels.max(x, axis, keepdims)

    def vjp(g, x, y, axis, keepdims):
        return _to_winners(g, x, y, axis, keepdims)


class Min(Op):
    """y = the smallest x along the axes;  g is shared equally by the elements that reach it."""

    def forward(x, axis=None, keepdims=False):
        return kernels.min(x, axis, keepdims)

    def vjp(g, x, y, axis, keepdims):
        return _to_winners(g, x, y, axis, keepdims)


def _to_winners(g, x, y, axis, keepdims):
    reached = equal(x, _keep(y, x.shape, axis, keepdims)).astype(g.dtype)
    return _keep(g, x.shape, axis, keepdims) * (reached / sum(reached, axis=axis, keepdims=True))


class SumTo(Op):
    """y = x summed over the axes that broadcasting from ``shape`` would add;  gx = g broadcast."""

    def forward(x, *, shape):
        lead = x.ndim - len(shape)
        stretched = [i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1]
        return kernels.sum(x, (*range(lead), *stretched), True).reshape(shape)

    def vjp(g, x_shape):
        return broadcast_to(g, shape=x_shape)


sum = Sum()
mean = Mean()
max = Max()
min = Min()
sum_to = SumTo()


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    axes = range(ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple([i % ndim for i in axes])


def _keep(y: Value, x_shape: tuple, axis: Any, keepdims: bool) -> Any:
    """y with the reduced axes put back as axes of length 1, if they were dropped."""
    if keepdims:
        return y
    axes = _axes(axis, len(x_shape))
    return reshape(y, shape=tuple([1 if i in axes else n for i, n in enumerate(x_shape)]))
