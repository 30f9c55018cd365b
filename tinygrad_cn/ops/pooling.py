"""Pooling, by the names and arguments of keras.ops; one or two spatial axes, by the rank.

Max pooling remembers which place of each window won. Its gradient hands g to the winners, and the
gradient of that reads the winners' places again; both are linear, so the family is closed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op

from .convolution import _per_axis, same_padding, to_nhwc
from .indexing import take
from .joining import concatenate


class MaxPool2D(Op):
    """y = the largest x in each window;  gx = g at the winner (the first, at ties), else 0."""

    extra = ("index",)

    def forward(x, *, pool_size, strides, padding):
        return kernels.max_pool2d(x, pool_size, strides, padding)

    def vjp(g, index, x_shape, pool_size, strides, padding):
        same = {"pool_size": pool_size, "strides": strides, "padding": padding}
        return max_pool2d_grad(g, index, x_shape=x_shape, **same)


class MaxPool2DGrad(Op):
    """y = x added at the winners' places, zeros elsewhere;  gx = g at the winners."""

    def forward(x, index, *, x_shape, pool_size, strides, padding):
        return kernels.max_pool2d_grad(x, index, x_shape, pool_size, strides, padding)

    def vjp(g, index, pool_size, strides, padding):
        same = {"pool_size": pool_size, "strides": strides, "padding": padding}
        return max_pool2d_gather(g, index, **same), None


class MaxPool2DGather(Op):
    """y = x at the winners' places;  gx = g added at these places, zeros elsewhere."""

    def forward(x, index, *, pool_size, strides, padding):
        return kernels.max_pool2d_gather(x, index, pool_size, strides, padding)

    def vjp(g, index, x_shape, pool_size, strides, padding):
        same = {"pool_size": pool_size, "strides": strides, "padding": padding}
        return max_pool2d_grad(g, index, x_shape=x_shape, **same), None


class AveragePool2D(Op):
    """y = the mean of x in each window, padding not counted;  gx = g / n, to all of the window."""

    def forward(x, *, pool_size, strides, padding):
        return kernels.average_pool2d(x, pool_size, strides, padding)

    def vjp(g, x_shape, pool_size, strides, padding):
        same = {"pool_size": pool_size, "strides": strides, "padding": padding}
        return average_pool2d_grad(g, x_shape=x_shape, **same)


class AveragePool2DGrad(Op):
    """y = x / n spread over each window;  gx = the mean of g in each window."""

    def forward(x, *, x_shape, pool_size, strides, padding):
        return kernels.average_pool2d_grad(x, x_shape, pool_size, strides, padding)

    def vjp(g, pool_size, strides, padding):
        return average_pool2d(g, pool_size=pool_size, strides=strides, padding=padding)


max_pool2d = MaxPool2D()
max_pool2d_grad = MaxPool2DGrad()
max_pool2d_gather = MaxPool2DGather()
average_pool2d = AveragePool2D()
average_pool2d_grad = AveragePool2DGrad()


def max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The largest element of each window; NaN wins, and gets the gradient. At ties the first does.

    Args:
        inputs: (N, L, C) or (N, H, W, C); channels first with ``data_format="channels_first"``.
        pool_size: one integer, or one per spatial axis. strides: as pool_size when None.
        padding: "valid" (windows lie inside) or "same" (ceil(length / stride) of them).

    >>> tg.ops.max_pool([[[1], [3], [2], [4]]], 2)
    Tensor([[[3.],
             [4.]]])
    """
    return _pool("max_pool", max_pool2d, inputs, pool_size, strides, padding, data_format)


def average_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """The mean of each window; what "same" pads does not count. The arguments are `max_pool`'s.

    >>> tg.ops.average_pool([[[1], [3], [2], [4]]], 2)
    Tensor([[[2.],
             [3.]]])
    """
    return _pool("average_pool", average_pool2d, inputs, pool_size, strides, padding, data_format)


def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The largest element of each of ``output_size`` windows, of nearly the same length, over all
    the input: the i-th of k over n places reaches from floor(i n / k) to ceil((i + 1) n / k).

    Args:
        inputs: (N, L, C) or (N, H, W, C); channels first with ``data_format="channels_first"``.
        output_size: k, one integer, or one per spatial axis.

    >>> tg.ops.adaptive_max_pool([[[1], [3], [2], [4], [0]]], 2)
    Tensor([[[3.],
             [4.]]])
    """
    return _adaptive("adaptive_max_pool", max_pool2d, inputs, output_size, data_format)


def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The mean of each of ``output_size`` windows. They, and the arguments, are
    `adaptive_max_pool`'s.

    >>> tg.ops.adaptive_average_pool([[[1], [3], [2], [4], [0]]], 2)
    Tensor([[[2.],
             [2.]]])
    """
    return _adaptive("adaptive_average_pool", average_pool2d, inputs, output_size, data_format)


def _adaptive(name: str, op: Op, inputs: Any, output_size: Any, data_format: Any) -> Any:
    """Pool one axis after the other: windows of each length that occurs, begun at every place, of
    which those that are wanted are taken."""
    x, n, restore = to_nhwc(name, inputs, data_format)
    wanted = _per_axis(name, "output_size", output_size, n)
    for axis, k in ((1, wanted[0]), (2, wanted[1])):
        length = x.shape[axis]
        if n == 1 and axis == 1:
            continue
        starts = [i * length // k for i in range(k)]
        sizes = [-(-(i + 1) * length // k) - start for i, start in enumerate(starts)]
        pools, first, places = [], 0, [0] * k
        for size in sorted(set(sizes)):
            window = (size, 1) if axis == 1 else (1, size)
            pads = ((0, 0), (0, 0))
            pools.append(op(x, pool_size=window, strides=(1, 1), padding=pads))
            for i, start in enumerate(starts):
                if sizes[i] == size:
                    places[i] = first + start
            first += length - size + 1
        x = take(concatenate(pools, axis=axis), np.array(places), axis=axis)
    return restore(x)


def _pool(
    name: str, op: Op, inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: Any
) -> Any:
    x, n, restore = to_nhwc(name, inputs, data_format)
    size = _per_axis(name, "pool_size", pool_size, n)
    steps = size if strides is None else _per_axis(name, "strides", strides, n)
    if padding not in ("valid", "same"):
        raise ValueError(f"[{name}] Expected 'valid' or 'same', received padding={padding!r}.")
    pads = ((0, 0), (0, 0))
    if padding == "same":
        pads = same_padding(x.shape[1:3], size, steps)
    return restore(op(x, pool_size=size, strides=steps, padding=pads))
