"""Two-dimensional convolution and its two gradients in plain NumPy, images NHWC, kernels HWIO.

A convolution is a sum over the kernel's taps: at each tap the image, shifted and strided, is one
(pixels, channels) matrix that is multiplied by the tap's (channels, outputs) matrix. The three
functions are the three ways to contract that trilinear form, and each is the gradient of the
other two.
"""

import numpy as np

from tinygrad_cn.kernels.reference.matmul import check_activation, finish


def _pairs(op, name, value, least):
    if len(value) != 2 or any(int(v) != v or v < least for v in value):
        raise ValueError(
            f"[{op}] bad {name}. Expected two integers >= {least}, received {name}={value!r}."
        )


def check_padding(op, padding):
    """Raise unless `padding` is ((top, bottom), (left, right)) with no negative number."""
    if len(padding) != 2 or any(len(p) != 2 or min(p) < 0 for p in padding):
        raise ValueError(
            f"[{op}] bad padding. Expected ((top, bottom), (left, right)), all >= 0, "
            f"received padding={padding!r}."
        )


def output_shape(op, x_shape, w_shape, strides, padding, dilation, groups):
    """The shape of `conv2d`'s result; raises when the arguments do not fit together."""
    if len(x_shape) != 4 or len(w_shape) != 4:
        raise ValueError(
            f"[{op}] wrong number of axes. Expected x (N, H, W, C) and w (KH, KW, C, O), "
            f"received x.shape={tuple(x_shape)}, w.shape={tuple(w_shape)}."
        )
    _pairs(op, "strides", strides, 1)
    _pairs(op, "dilation", dilation, 1)
    check_padding(op, padding)
    n, *image, c = x_shape
    *kernel, kernel_c, o = w_shape
    if groups < 1 or c != kernel_c * groups or o % groups:
        raise ValueError(
            f"[{op}] channels do not fit. Expected x (N, H, W, C), w (KH, KW, C / groups, O) and "
            f"O divisible by groups, received x.shape={tuple(x_shape)}, "
            f"w.shape={tuple(w_shape)}, groups={groups}."
        )
    if min(kernel) < 1:
        raise ValueError(
            f"[{op}] empty kernel. Expected KH, KW >= 1, received w.shape={tuple(w_shape)}."
        )
    out = [
        (size + sum(pad) - dil * (k - 1) - 1) // stride + 1
        for size, k, stride, pad, dil in zip(image, kernel, strides, padding, dilation, strict=True)
    ]
    if min(out) < 1:
        raise ValueError(
            f"[{op}] the kernel is larger than the padded image. Expected an output of at least "
            f"one pixel, received x.shape={tuple(x_shape)}, w.shape={tuple(w_shape)}, "
            f"padding={padding!r}, dilation={tuple(dilation)}."
        )
    return (n, *out, o)


def check_like(op, name, array, shape):
    """Raise unless `array` has `shape`."""
    if array.shape != tuple(shape):
        raise ValueError(
            f"[{op}] {name} does not fit the other arguments. Expected shape {tuple(shape)}, "
            f"received {name}.shape={array.shape}."
        )


def _taps(out, kernel, strides, dilation):
    """For each tap (i, j) of the kernel, the slices of the padded image that it meets."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows, cols = (
                slice(start, start + stride * (n - 1) + 1, stride)
                for start, stride, n in zip(
                    (i * dilation[0], j * dilation[1]), strides, out, strict=True
                )
            )
            yield i, j, rows, cols


def _pad(x, padding):
    return np.pad(x, ((0, 0), *padding, (0, 0)))


def conv2d(
    x,
    w,
    strides=(1, 1),
    padding=((0, 0), (0, 0)),
    dilation=(1, 1),
    groups=1,
    bias=None,
    activation=None,
):
    """y[n, p, q, o] = activation(sum x[n, p s + i d, q s + j d, c] w[i, j, c, o] + bias[o]).

    The sum runs over the taps i, j and the channels c; s are the strides, d the dilation.

    Args:
        x: (N, H, W, C). w: (KH, KW, C / groups, O). bias: (O,) or None.
        strides, dilation: (rows, columns). padding: ((top, bottom), (left, right)) zeros.
        groups: channels and outputs are cut into this many parts that do not see each other.
        activation: as in `matmul`.

    Returns:
        (N, OH, OW, O) with OH = (H + top + bottom - (KH - 1) dilation - 1) // stride + 1.
    """
    x, w = np.asarray(x), np.asarray(w)
    n, oh, ow, o = output_shape("conv2d", x.shape, w.shape, strides, padding, dilation, groups)
    check_activation("conv2d", activation)
    kh, kw, c, _ = w.shape
    padded = _pad(x, padding)
    y = np.zeros((n, oh, ow, groups, o // groups), np.result_type(x, w))
    w = w.reshape(kh, kw, c, groups, o // groups)
    for i, j, rows, cols in _taps((oh, ow), (kh, kw), strides, dilation):
        pixels = padded[:, rows, cols].reshape(n, oh, ow, groups, c)
        y += np.einsum("nhwgc,cgo->nhwgo", pixels, w[i, j], optimize=True)
    return finish("conv2d", y.reshape(n, oh, ow, o), bias, activation)


def conv2d_input_grad(
    g, w, x_shape, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1
):
    """The gradient of `conv2d` in x: each output pixel hands g w back to the pixels it came from.

    Args:
        g: (N, OH, OW, O), the gradient of the result. x_shape: (N, H, W, C). Others as in `conv2d`.

    Returns:
        (N, H, W, C).
    """
    op = "conv2d_input_grad"
    g, w = np.asarray(g), np.asarray(w)
    y_shape = output_shape(op, x_shape, w.shape, strides, padding, dilation, groups)
    check_like(op, "g", g, y_shape)
    n, oh, ow, o = y_shape
    kh, kw, c, _ = w.shape
    (top, bottom), (left, right) = padding
    height, width = x_shape[1:3]
    padded = np.zeros(
        (n, height + top + bottom, width + left + right, groups, c),
        np.result_type(g, w),
    )
    g = g.reshape(n, oh, ow, groups, o // groups)
    w = w.reshape(kh, kw, c, groups, o // groups)
    for i, j, rows, cols in _taps((oh, ow), (kh, kw), strides, dilation):
        padded[:, rows, cols] += np.einsum("nhwgo,cgo->nhwgc", g, w[i, j], optimize=True)
    inside = padded[:, top : top + height, left : left + width]
    return np.ascontiguousarray(inside).reshape(x_shape)


def conv2d_weight_grad(
    x, g, w_shape, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1
):
    """The gradient of `conv2d` in w: at each tap, the product of its pixels with g.

    Args:
        x: (N, H, W, C). g: (N, OH, OW, O). w_shape: (KH, KW, C / groups, O). Others as in `conv2d`.

    Returns:
        (KH, KW, C / groups, O).
    """
    op = "conv2d_weight_grad"
    x, g = np.asarray(x), np.asarray(g)
    y_shape = output_shape(op, x.shape, w_shape, strides, padding, dilation, groups)
    check_like(op, "g", g, y_shape)
    n, oh, ow, o = y_shape
    kh, kw, c, _ = w_shape
    padded = _pad(x, padding)
    gw = np.zeros((kh, kw, c, groups, o // groups), np.result_type(x, g))
    g = g.reshape(n, oh, ow, groups, o // groups)
    for i, j, rows, cols in _taps((oh, ow), (kh, kw), strides, dilation):
        pixels = padded[:, rows, cols].reshape(n, oh, ow, groups, c)
        gw[i, j] = np.einsum("nhwgc,nhwgo->cgo", pixels, g, optimize=True)
    return gw.reshape(w_shape)
