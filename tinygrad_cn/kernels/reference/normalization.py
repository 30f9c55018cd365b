"""Layer, RMS and batch normalization in plain NumPy: what the compiled kernels must compute.

Statistics are taken over the last axis (layer, RMS) or over all axes but the last (batch). The
variance is the biased one, found in two passes (the mean first, then the squared distances from
it), because the one-pass form E[x^2] - E[x]^2 cancels badly when the mean is large. Each forward
returns what its gradient wants, so that nothing is computed twice.
"""

import math

import numpy as np


def check_rows(op, x, **vectors):
    """`x` has an axis to normalize, and each vector that is given has one value per feature."""
    if np.ndim(x) == 0:
        raise ValueError(f"[{op}] x has no axis to normalize. Expected ndim >= 1, received ndim=0.")
    for name, vector in vectors.items():
        if vector is not None and np.shape(vector) != np.shape(x)[-1:]:
            raise ValueError(
                f"[{op}] {name} must hold one value per feature. Expected shape "
                f"{np.shape(x)[-1:]} for x of shape {np.shape(x)}, "
                f"received {name}.shape={np.shape(vector)}."
            )


def check_like(op, name, array, shape):
    if np.shape(array) != tuple(shape):
        raise ValueError(
            f"[{op}] {name} does not fit x. Expected shape {tuple(shape)}, "
            f"received {name}.shape={np.shape(array)}."
        )


def _affine(y, gamma, beta):
    if gamma is not None:
        y = y * gamma
    return y if beta is None else y + beta


def _sum_rows(a):
    """The sum over all axes but the last."""
    return a.reshape(-1, a.shape[-1]).sum(axis=0) if a.size else np.zeros(a.shape[-1:], a.dtype)


def _mean_last(a):
    """The mean over the last axis, kept; nan when the axis is empty."""
    return np.divide(a.sum(axis=-1, keepdims=True), a.dtype.type(a.shape[-1]))


def _as_float(x):
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


@np.errstate(all="ignore")
def layer_norm(x, gamma=None, beta=None, epsilon=1e-3):
    """y = (x - mean) rstd gamma + beta over the last axis, rstd = 1 / sqrt(var + epsilon).

    Args:
        x: (..., D). gamma, beta: (D,) or None (1 and 0).

    Returns:
        y (..., D), mean (...), rstd (...).
    """
    check_rows("layer_norm", x, gamma=gamma, beta=beta)
    x = _as_float(x)
    mean = _mean_last(x)
    centred = x - mean
    rstd = 1 / np.sqrt(_mean_last(centred * centred) + x.dtype.type(epsilon))
    return _affine(centred * rstd, gamma, beta), mean[..., 0], rstd[..., 0]


@np.errstate(all="ignore")
def layer_norm_grad(g, x, gamma, mean, rstd):
    """Gradients of `layer_norm` in x, gamma and beta.

    With n = (x - mean) rstd and w = g gamma:
    gx = rstd (w - mean(w) - n mean(w n)), ggamma = sum g n, gbeta = sum g over the rows.

    Returns:
        gx (..., D), ggamma (D,), gbeta (D,).
    """
    check_rows("layer_norm_grad", x, gamma=gamma)
    check_like("layer_norm_grad", "g", g, x.shape)
    check_like("layer_norm_grad", "mean", mean, x.shape[:-1])
    check_like("layer_norm_grad", "rstd", rstd, x.shape[:-1])
    rstd = rstd[..., None]
    n = (x - mean[..., None]) * rstd
    w = _affine(g, gamma, None)
    gx = rstd * (w - _mean_last(w) - n * _mean_last(w * n))
    return gx, _sum_rows(g * n), _sum_rows(g)


@np.errstate(all="ignore")
def rms_norm(x, gamma=None, epsilon=1e-6):
    """y = x rrms gamma over the last axis, rrms = 1 / sqrt(mean(x^2) + epsilon).

    Returns:
        y (..., D), rrms (...).
    """
    check_rows("rms_norm", x, gamma=gamma)
    x = _as_float(x)
    rrms = 1 / np.sqrt(_mean_last(x * x) + x.dtype.type(epsilon))
    return _affine(x * rrms, gamma, None), rrms[..., 0]


@np.errstate(all="ignore")
def rms_norm_grad(g, x, gamma, rrms):
    """Gradients of `rms_norm` in x and gamma.

    With n = x rrms and w = g gamma: gx = rrms (w - n mean(w n)), ggamma = sum g n over the rows.

    Returns:
        gx (..., D), ggamma (D,).
    """
    check_rows("rms_norm_grad", x, gamma=gamma)
    check_like("rms_norm_grad", "g", g, x.shape)
    check_like("rms_norm_grad", "rrms", rrms, x.shape[:-1])
    rrms = rrms[..., None]
    n = x * rrms
    w = _affine(g, gamma, None)
    return rrms * (w - n * _mean_last(w * n)), _sum_rows(g * n)


@np.errstate(all="ignore")
def batch_norm(x, gamma=None, beta=None, epsilon=1e-3):
    """y = (x - mean) / sqrt(var + epsilon) gamma + beta, statistics over all axes but the last.

    Args:
        x: (..., C), at least one row. gamma, beta: (C,) or None (1 and 0).

    Returns:
        y (..., C), mean (C,), var (C,): the biased variance, as Keras keeps it.
    """
    check_rows("batch_norm", x, gamma=gamma, beta=beta)
    x = _as_float(x)
    n_rows = check_batch("batch_norm", x)
    mean = _sum_rows(x) / n_rows
    centred = x - mean
    var = _sum_rows(centred * centred) / n_rows
    rstd = 1 / np.sqrt(var + x.dtype.type(epsilon))
    return _affine(centred * rstd, gamma, beta), mean, var


@np.errstate(all="ignore")
def batch_norm_grad(g, x, gamma, mean, var, epsilon=1e-3):
    """Gradients of `batch_norm` in x, gamma and beta, the statistics being functions of x.

    With n = (x - mean) rstd, means and sums over all axes but the last:
    gx = gamma rstd (g - mean(g) - n mean(g n)), ggamma = sum g n, gbeta = sum g.

    Returns:
        gx (..., C), ggamma (C,), gbeta (C,).
    """
    check_rows("batch_norm_grad", x, gamma=gamma, mean=mean, var=var)
    check_like("batch_norm_grad", "g", g, x.shape)
    n_rows = check_batch("batch_norm_grad", x)
    rstd = 1 / np.sqrt(var + var.dtype.type(epsilon))
    n = (x - mean) * rstd
    ggamma, gbeta = _sum_rows(g * n), _sum_rows(g)
    gx = _affine(rstd, gamma, None) * (g - gbeta / n_rows - n * (ggamma / n_rows))
    return gx, ggamma, gbeta


def check_batch(op, x):
    """The number of rows as a scalar of x's dtype (a Python int would promote nothing either)."""
    n_rows = math.prod(x.shape[:-1])
    if n_rows == 0:
        raise ValueError(
            f"[{op}] the statistics of an empty batch are undefined. Expected at least one row, "
            f"received x.shape={x.shape}."
        )
    return x.dtype.type(n_rows)
