"""Two-dimensional pooling in plain NumPy, images NHWC.

A window is visited tap by tap, row by row; the image is extended by padding that never wins a
maximum and never counts in an average.
"""

import numpy as np

from tinygrad_cn.kernels.reference.convolution import (
    _pairs,
    _taps,
    check_like,
    check_padding,
)


def pool_shape(op, x_shape, pool_size, strides, padding):
    """The shape of a pooled image; raises when the arguments do not fit together."""
    if len(x_shape) != 4:
        raise ValueError(
            f"[{op}] wrong number of axes. Expected x (N, H, W, C), "
            f"received x.shape={tuple(x_shape)}."
        )
    _pairs(op, "pool_size", pool_size, 1)
    _pairs(op, "strides", strides, 1)
    check_padding(op, padding)
    if any(max(pad) >= size for pad, size in zip(padding, pool_size, strict=True)):
        raise ValueError(
            f"[{op}] a window may lie in the padding alone. Expected each padding smaller than "
            f"the window, received padding={padding!r}, pool_size={tuple(pool_size)}."
        )
    n, *image, c = x_shape
    out = [
        (size + sum(pad) - k) // stride + 1
        for size, k, stride, pad in zip(image, pool_size, strides, padding, strict=True)
    ]
    if min(out) < 1:
        raise ValueError(
            f"[{op}] the window is larger than the padded image. Expected an output of at least "
            f"one pixel, received x.shape={tuple(x_shape)}, pool_size={tuple(pool_size)}, "
            f"padding={padding!r}."
        )
    return (n, *out, c)


def index_dtype(pool_size):
    """The smallest of uint8 and int32 that can name every place in a window."""
    return np.dtype(np.uint8 if pool_size[0] * pool_size[1] <= 256 else np.int32)


def _pad(x, padding, value):
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def _crop(padded, padding, x_shape):
    (top, _), (left, _) = padding
    return np.ascontiguousarray(padded[:, top : top + x_shape[1], left : left + x_shape[2]])


def _padded_zeros(x_shape, padding, dtype):
    n, height, width, c = x_shape
    return np.zeros((n, height + sum(padding[0]), width + sum(padding[1]), c), dtype)


def _check_index(op, index, shape):
    if index.dtype.kind not in "ui":
        raise TypeError(
            f"[{op}] index must hold integers. Expected uint8 or int32, "
            f"received index.dtype={index.dtype}."
        )
    check_like(op, "index", index, shape)


def max_pool2d(x, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """y[n, p, q, c] = max over i, j of x[n, p s + i, q s + j, c]; a nan in the window wins.

    Args:
        x: (N, H, W, C). pool_size, strides: (rows, columns).
        padding: ((top, bottom), (left, right)), each smaller than the window.

    Returns:
        y (N, OH, OW, C), and index of the same shape: the winner's place i KW + j in its window
        (the first at ties), uint8, or int32 when the window has more than 256 places.
    """
    x = np.asarray(x)
    shape = pool_shape("max_pool2d", x.shape, pool_size, strides, padding)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = _pad(x, padding, lowest)
    inside = _pad(np.ones(x.shape, bool), padding, False)
    y = np.zeros(shape, x.dtype)
    index = np.full(shape, -1, np.int32)
    for i, j, rows, cols in _taps(shape[1:3], pool_size, strides, (1, 1)):
        tap = padded[:, rows, cols]
        better = (tap > y) | (np.isnan(tap) & ~np.isnan(y)) | (index < 0)
        better &= inside[:, rows, cols]
        y[better] = tap[better]
        index[better] = i * pool_size[1] + j
    return y, index.astype(index_dtype(pool_size))


def max_pool2d_grad(g, index, x_shape, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """The gradient of `max_pool2d` in x: g goes to each window's winner.

    Args:
        g, index: (N, OH, OW, C). x_shape: (N, H, W, C). Others as in `max_pool2d`.

    Returns:
        (N, H, W, C).
    """
    op = "max_pool2d_grad"
    g, index = np.asarray(g), np.asarray(index)
    shape = pool_shape(op, x_shape, pool_size, strides, padding)
    check_like(op, "g", g, shape)
    _check_index(op, index, shape)
    padded = _padded_zeros(x_shape, padding, g.dtype)
    for i, j, rows, cols in _taps(shape[1:3], pool_size, strides, (1, 1)):
        padded[:, rows, cols] += np.where(index == i * pool_size[1] + j, g, g.dtype.type(0))
    return _crop(padded, padding, x_shape)


def max_pool2d_gather(x, index, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """y[n, p, q, c] = x at the place that index names: the gradient of `max_pool2d_grad` in g.

    Args:
        x: (N, H, W, C). index: (N, OH, OW, C). Others as in `max_pool2d`.

    Returns:
        (N, OH, OW, C).
    """
    op = "max_pool2d_gather"
    x, index = np.asarray(x), np.asarray(index)
    shape = pool_shape(op, x.shape, pool_size, strides, padding)
    _check_index(op, index, shape)
    padded = _pad(x, padding, 0)
    y = np.zeros(shape, x.dtype)
    for i, j, rows, cols in _taps(shape[1:3], pool_size, strides, (1, 1)):
        np.copyto(y, padded[:, rows, cols], where=index == i * pool_size[1] + j)
    return y


def _window_counts(x_shape, pool_size, strides, padding, shape):
    """How many pixels of the image, padding apart, each window covers: (OH, OW, 1)."""
    counts = [
        np.array([min(p * s - lo + k, size) - max(p * s - lo, 0) for p in range(out)])
        for size, k, s, (lo, _), out in zip(
            x_shape[1:3], pool_size, strides, padding, shape[1:3], strict=True
        )
    ]
    return (counts[0][:, None] * counts[1])[..., None]


def average_pool2d(x, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """y[n, p, q, c] = mean over i, j of x[n, p s + i, q s + j, c]; padding does not count (Keras).

    Args and result: as `max_pool2d`, without the index.
    """
    x = np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    shape = pool_shape("average_pool2d", x.shape, pool_size, strides, padding)
    padded = _pad(x, padding, 0)
    y = np.zeros(shape, x.dtype)
    for _, _, rows, cols in _taps(shape[1:3], pool_size, strides, (1, 1)):
        y += padded[:, rows, cols]
    return y / _window_counts(x.shape, pool_size, strides, padding, shape).astype(x.dtype)


def average_pool2d_grad(g, x_shape, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """The gradient of `average_pool2d` in x: g is shared equally by the window's pixels.

    Args:
        g: (N, OH, OW, C). x_shape: (N, H, W, C). Others as in `average_pool2d`.

    Returns:
        (N, H, W, C).
    """
    op = "average_pool2d_grad"
    g = np.asarray(g)
    g = g if g.dtype.kind == "f" else g.astype(np.float64)
    shape = pool_shape(op, x_shape, pool_size, strides, padding)
    check_like(op, "g", g, shape)
    share = g / _window_counts(x_shape, pool_size, strides, padding, shape).astype(g.dtype)
    padded = _padded_zeros(x_shape, padding, g.dtype)
    for _, _, rows, cols in _taps(shape[1:3], pool_size, strides, (1, 1)):
        padded[:, rows, cols] += share
    return _crop(padded, padding, x_shape)
