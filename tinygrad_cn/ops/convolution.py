"""Convolution, by the names and arguments of keras.ops; one or two spatial axes, by the rank.

Three bilinear functions of an image, a kernel and an output image are each the gradient of the
other two, so the family is closed. A transposed convolution is the gradient in the image, a
depthwise one has as many groups as channels, and one spatial axis is two of which the first has
length 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Placeholder, apply_as_one, as_one

from .activation import gelu_tanh
from .creation import asarray
from .matmul import FUSED, before_activation
from .shape import moveaxis, reshape


class Conv2D(Op):
    """y = f(x * w + b), f an activation that its y tells the slope of;  with h = f'(y) g:
    gx = conv_input_grad(h, w),  gw = conv_weight_grad(x, h),  gb = h summed over the pixels."""

    def forward(x, w, b, *, strides, padding, dilation, groups, activation=None):
        return kernels.conv2d(x, w, strides, padding, dilation, groups, b, activation)

    def vjp(g, x, w, y, needs, strides, padding, dilation, groups, activation):
        h = before_activation(activation, g, y)
        same = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        gx = conv2d_input_grad(h, w, x_shape=x.shape, **same) if needs[0] else None
        gw = conv2d_weight_grad(x, h, w_shape=w.shape, **same) if needs[1] else None
        return gx, gw, h  # the engine sums h over the pixels


class Conv2DInputGrad(Op):
    """y = the gradient of a convolution in its image: each pixel of x (an output image) hands x w
    back;  gx = conv(g, w),  gw = conv_weight_grad(g, x)."""

    def forward(x, w, *, x_shape, strides, padding, dilation, groups):
        return kernels.conv2d_input_grad(x, w, x_shape, strides, padding, dilation, groups)

    def vjp(g, x, w, needs, strides, padding, dilation, groups):
        same = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        gx = conv2d(g, w, None, **same) if needs[0] else None
        return gx, conv2d_weight_grad(g, x, w_shape=w.shape, **same) if needs[1] else None


class Conv2DWeightGrad(Op):
    """y = the gradient of a convolution in its kernel, from its image x and the gradient b of its
    output;  gx = conv_input_grad(b, g),  gb = conv(x, g)."""

    def forward(x, b, *, w_shape, strides, padding, dilation, groups):
        return kernels.conv2d_weight_grad(x, b, w_shape, strides, padding, dilation, groups)

    def vjp(g, x, b, needs, strides, padding, dilation, groups):
        same = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        gx = conv2d_input_grad(b, g, x_shape=x.shape, **same) if needs[0] else None
        return gx, conv2d(x, g, None, **same) if needs[1] else None


conv2d = Conv2D()
conv2d_input_grad = Conv2DInputGrad()
conv2d_weight_grad = Conv2DWeightGrad()


def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    bias: Any = None,
    activation: str | None = None,
) -> Any:
    """y[n, p, o] = f(sum over taps k and channels c of x[n, p s + k d, c] w[k, c, o] + b[o]), with
    s the strides and d the dilation; one or two spatial axes.

    Args:
        inputs: (N, L, C) or (N, H, W, C); channels first with ``data_format="channels_first"``.
        kernel: (K, C / groups, O) or (KH, KW, C / groups, O).
        strides, dilation_rate: one integer, or one per spatial axis.
        padding: "valid" (none), "same" (the output has ceil(length / stride) pixels), "causal" (one
            axis: all of it on the left), or pairs ((before, after), ...).
        bias: (O,) or None. activation: None, "relu", "tanh", "sigmoid" or "gelu_tanh"; both are
            computed in the same kernel.

    >>> tg.ops.conv([[[1], [2], [3]]], [[[1]], [[10]]])
    Tensor([[[21.],
             [32.]]])
    """
    x, w, n, restore = _image("conv", inputs, kernel, data_format)
    strides = _per_axis("conv", "strides", strides, n)
    dilation = _per_axis("conv", "dilation_rate", dilation_rate, n)
    groups = x.shape[3] // w.shape[2] if w.shape[2] else 1
    pads = _padding("conv", padding, x.shape, w.shape, strides, dilation, n)
    return restore(_convolve(x, w, bias, strides, pads, dilation, max(groups, 1), activation))


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    bias: Any = None,
    activation: str | None = None,
) -> Any:
    """Each channel c is convolved with its own M kernels: they give outputs c M ... c M + M - 1.

    Args:
        kernel: (K, C, M) or (KH, KW, C, M). Others as in `conv`.

    >>> tg.ops.depthwise_conv([[[1, 2]]], [[[3], [4]]])
    Tensor([[[3., 8.]]])
    """
    x, w, n, restore = _image("depthwise_conv", inputs, kernel, data_format)
    if x.shape[3] != w.shape[2]:
        raise ValueError(
            "[depthwise_conv] Expected as many channels in the kernel (its last axis but one), "
            f"received inputs.shape={asarray(inputs).shape}, kernel.shape={asarray(kernel).shape}."
        )
    strides = _per_axis("depthwise_conv", "strides", strides, n)
    dilation = _per_axis("depthwise_conv", "dilation_rate", dilation_rate, n)
    pads = _padding("depthwise_conv", padding, x.shape, w.shape, strides, dilation, n)
    flat = reshape(w, shape=(*w.shape[:2], 1, w.shape[2] * w.shape[3]))
    return restore(_convolve(x, flat, bias, strides, pads, dilation, w.shape[2], activation))


def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    bias: Any = None,
    activation: str | None = None,
) -> Any:
    """`depthwise_conv`, then a `conv` with a kernel of one pixel that mixes the channels.

    Args:
        depthwise_kernel: (K, C, M) or (KH, KW, C, M).
        pointwise_kernel: (1, C M, O) or (1, 1, C M, O). Others as in `conv`.

    >>> tg.ops.separable_conv([[[1, 2]]], [[[3], [4]]], [[[1], [1]]])
    Tensor([[[11.]]])
    """
    y = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(y, pointwise_kernel, 1, "valid", data_format, 1, bias, activation)


@as_one
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """The gradient of `conv` in its image, as a function: each pixel of the input paints its kernel
    into the output, strides apart.

    Args:
        inputs: (N, L, C) or (N, H, W, C). kernel: (K, O, C) or (KH, KW, O, C).
        padding: "valid": the output has L s + max(k - s, 0) pixels (s the stride, k the extent of
            the kernel); "same": L s.
        output_padding: per axis, or None; then there are (L - 1) s + k (less 2 (k // 2) for "same")
            and so many more. Less than the stride.

    >>> tg.ops.conv_transpose([[[1], [2]]], [[[1]], [[10]]])
    Tensor([[[ 1.],
             [12.],
             [20.]]])
    """
    if isinstance(inputs, Placeholder) or isinstance(kernel, Placeholder):
        return apply_as_one(
            conv_transpose,
            inputs,
            kernel,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
        )
    op = "conv_transpose"
    x, w, n, restore = _image(op, inputs, kernel, data_format)
    if x.shape[3] != w.shape[3]:
        raise ValueError(
            f"[{op}] Expected kernel (..., O, C) with the channels of the inputs last, received "
            f"inputs.shape={asarray(inputs).shape}, kernel.shape={asarray(kernel).shape}."
        )
    if padding not in ("valid", "same"):
        raise ValueError(f"[{op}] Expected 'valid' or 'same', received padding={padding!r}.")
    strides = _per_axis(op, "strides", strides, n)
    dilation = _per_axis(op, "dilation_rate", dilation_rate, n)
    extra: Any = (None, None)
    if output_padding is not None:
        extra = _per_axis(op, "output_padding", output_padding, n, least=0, filler=None)
    image, pads = [], []
    for i in range(2):
        extent = (w.shape[i] - 1) * dilation[i] + 1
        more = extra[i]
        if more is not None and more >= strides[i]:
            raise ValueError(
                f"[{op}] Expected output_padding less than the stride, received "
                f"output_padding={output_padding}, strides={strides}."
            )
        if more is None:
            more = max(strides[i] - extent, 0)
            total = max(extent - strides[i], 0) if padding == "same" else 0
            size = x.shape[1 + i] * strides[i] + (0 if padding == "same" else extent - strides[i])
            size += more if padding == "valid" else 0
            low = total // 2
        else:
            crop = 2 * (extent // 2) if padding == "same" else 0
            size = (x.shape[1 + i] - 1) * strides[i] + extent - crop + more
            ends = extent + extent % 2 - 2 + more  # how Keras splits what is cut between the ends
            low = extent - 1 - min((ends + 1) // 2, extent - 1) if padding == "same" else 0
        high = (x.shape[1 + i] - 1) * strides[i] + extent - low - size
        image.append(size)
        pads.append((low, max(high, 0)))
    y = conv2d_input_grad(
        x, w, x_shape=(x.shape[0], *image, w.shape[2]), strides=strides, padding=tuple(pads),
        dilation=dilation, groups=1,
    )  # fmt: skip
    return restore(y)


def _convolve(
    x: Any, w: Any, b: Any, strides: Any, pads: Any, dilation: Any, groups: int, activation: Any
) -> Any:
    settings = {"strides": strides, "padding": pads, "dilation": dilation, "groups": groups}
    b = None if b is None else asarray(b)
    if activation == "gelu_tanh":  # its slope needs what comes in, so it is an op of its own
        return gelu_tanh(conv2d(x, w, b, **settings))
    if activation not in FUSED:
        raise ValueError(
            f"[conv] Expected one of {[*FUSED, 'gelu_tanh']}, received activation={activation!r}."
        )
    return conv2d(x, w, b, **settings, activation=activation)


def _image(op: str, inputs: Any, kernel: Any, data_format: str | None) -> tuple[Any, Any, int, Any]:
    """Inputs as (N, H, W, C), the kernel with four axes, the number of spatial axes, and the
    function that gives a result the axes of the inputs."""
    x, n, restore = to_nhwc(op, inputs, data_format)
    w = asarray(kernel)
    if w.ndim != n + 2:
        raise ValueError(
            f"[{op}] Expected a kernel with {n + 2} axes for inputs with {n + 2}, received "
            f"inputs.shape={asarray(inputs).shape}, kernel.shape={w.shape}."
        )
    return x, reshape(w, shape=(1, *w.shape)) if n == 1 else w, n, restore


def to_nhwc(op: str, inputs: Any, data_format: str | None) -> tuple[Any, int, Any]:
    """Inputs as (N, H, W, C), the number of spatial axes, and the way back."""
    x = asarray(inputs)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"[{op}] Expected inputs (N, L, C) or (N, H, W, C), received shape {x.shape}."
        )
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            f"[{op}] Expected 'channels_last' or 'channels_first', received "
            f"data_format={data_format!r}."
        )
    first, n = data_format == "channels_first", x.ndim - 2

    def restore(y: Any) -> Any:
        y = reshape(y, shape=(y.shape[0], *y.shape[2:])) if n == 1 else y
        return moveaxis(y, -1, 1) if first else y

    x = moveaxis(x, 1, -1) if first else x
    return (reshape(x, shape=(x.shape[0], 1, *x.shape[1:])) if n == 1 else x), n, restore


def _per_axis(
    op: str, name: str, value: Any, n: int, least: int = 1, filler: Any = 1
) -> tuple[int, int]:
    """One integer, or one per spatial axis, as one per axis of (H, W)."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
    whole = all(isinstance(v, (int, np.integer)) and v >= least for v in values)
    if len(values) != n or not whole:
        raise ValueError(
            f"[{op}] Expected an integer >= {least}, or {n} of them, received {name}={value!r}."
        )
    values = tuple(map(int, values))
    return values if n == 2 else (filler, values[0])


def _padding(
    op: str, padding: Any, x_shape: Any, w_shape: Any, strides: Any, dilation: Any, n: int
) -> tuple[Any, ...]:
    """The pixels to add before and after each axis of (H, W)."""
    extents = [(k - 1) * d + 1 for k, d in zip(w_shape[:2], dilation, strict=True)]
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        return same_padding(x_shape[1:3], extents, strides)
    if padding == "causal" and n == 1:
        return (0, 0), (extents[1] - 1, 0)
    if not isinstance(padding, str):
        if np.shape(padding) != (n, 2) or np.asarray(padding).dtype.kind not in "iu":
            raise ValueError(
                f"[{op}] Expected {n} pairs of integers (before, after), received "
                f"padding={padding!r}."
            )
        pairs = tuple([(int(before), int(after)) for before, after in padding])
        return pairs if n == 2 else ((0, 0), *pairs)
    known = ["valid", "same", *(["causal"] if n == 1 else [])]
    raise ValueError(f"[{op}] Expected one of {known} or pairs, received padding={padding!r}.")


def same_padding(image: Any, extents: Any, strides: Any) -> tuple[Any, ...]:
    """What "same" adds: as much as gives ceil(length / stride) outputs, the odd pixel at the
    end."""
    totals = [
        max((-(-size // s) - 1) * s + k - size, 0)
        for size, k, s in zip(image, extents, strides, strict=True)
    ]
    return tuple([(total // 2, total - total // 2) for total in totals])
