"""Layer, RMS and batch normalization.

Each is a fused op: one kernel forward, one kernel backward. The backward kernel is an op too, whose
``reference`` is the same formula written with ops on Tensors; it gives the higher derivatives.
Statistics that forward returns for its gradient (mean, rstd) are functions of x: a reference finds
them again from x, so that the derivative goes through them.
"""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cn import kernels
from tinygrad_cn.op import Op

from .creation import asarray
from .elementwise import sqrt
from .reduction import mean, sum
from .shape import _axis, permute_dims, reshape


class LayerNorm(Op):
    """y = n gamma + beta, n = (x - mean) / sqrt(var + epsilon) over the last axis;
    gx = (w - mean(w) - n mean(w n)) / sqrt(var + epsilon) with w = g gamma."""

    extra = ("mu", "rstd")

    def forward(x, gamma, beta, *, epsilon=1e-3):
        return kernels.layer_norm(x, gamma, beta, epsilon)

    def vjp(g, x, gamma, mu, rstd, epsilon):
        return layer_norm_grad(g, x, gamma, mu, rstd, epsilon=epsilon)


class LayerNormGrad(Op):
    """The gradients of LayerNorm in x, gamma and beta."""

    many = True

    def forward(g, x, gamma, mu, rstd, *, epsilon):
        return kernels.layer_norm_grad(g, x, gamma, mu, rstd)

    def reference(g, x, gamma, mu, rstd, *, epsilon):
        centred = x - mean(x, axis=-1, keepdims=True)
        std = sqrt(mean(centred * centred, axis=-1, keepdims=True) + epsilon)
        n = centred / std
        w = g if gamma is None else g * gamma
        gx = w - mean(w, axis=-1, keepdims=True) - n * mean(w * n, axis=-1, keepdims=True)
        return gx / std, _sum_rows(g * n), _sum_rows(g)


class RMSNorm(Op):
    """y = n gamma, n = x / sqrt(mean(x^2) + epsilon) over the last axis;
    gx = (w - n mean(w n)) / sqrt(mean(x^2) + epsilon) with w = g gamma."""

    extra = ("rrms",)

    def forward(x, gamma, *, epsilon=1e-6):
        return kernels.rms_norm(x, gamma, epsilon)

    def vjp(g, x, gamma, rrms, epsilon):
        return rms_norm_grad(g, x, gamma, rrms, epsilon=epsilon)


class RMSNormGrad(Op):
    """The gradients of RMSNorm in x and gamma."""

    many = True

    def forward(g, x, gamma, rrms, *, epsilon):
        return kernels.rms_norm_grad(g, x, gamma, rrms)

    def reference(g, x, gamma, rrms, *, epsilon):
        rms = sqrt(mean(x * x, axis=-1, keepdims=True) + epsilon)
        n = x / rms
        w = g if gamma is None else g * gamma
        return (w - n * mean(w * n, axis=-1, keepdims=True)) / rms, _sum_rows(g * n)


class BatchNorm(Op):
    """y = n gamma + beta, n = (x - mean) / sqrt(var + epsilon) over all axes but the last;
    gx = gamma (g - mean(g) - n mean(g n)) / sqrt(var + epsilon)."""

    many = True

    def forward(x, gamma, beta, *, epsilon=1e-3):
        return kernels.batch_norm(x, gamma, beta, epsilon)

    def vjp(g, x, gamma, y, epsilon):
        _, mu, var = y
        return batch_norm_grad(g[0], x, gamma, mu, var, epsilon=epsilon)


class BatchNormGrad(Op):
    """The gradients of BatchNorm in x, gamma and beta."""

    many = True

    def forward(g, x, gamma, mu, var, *, epsilon):
        return kernels.batch_norm_grad(g, x, gamma, mu, var, epsilon)

    def reference(g, x, gamma, mu, var, *, epsilon):
        rows = tuple(range(x.ndim - 1))
        centred = x - mean(x, axis=rows)
        std = sqrt(mean(centred * centred, axis=rows) + epsilon)
        n = centred / std
        gx = (g - mean(g, axis=rows) - n * mean(g * n, axis=rows)) / std
        return gx if gamma is None else gx * gamma, _sum_rows(g * n), _sum_rows(g)


_layer_norm = LayerNorm()
layer_norm_grad = LayerNormGrad()
_rms_norm = RMSNorm()
rms_norm_grad = RMSNormGrad()
_batch_norm = BatchNorm()
batch_norm_grad = BatchNormGrad()


def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float = 1e-3
) -> Any:
    """y = (x - mean) / sqrt(var + epsilon) gamma + beta, statistics over ``axis`` (Ba, 2016).

    Args:
        x: any shape of at least one axis.
        gamma, beta: of the shape of the axes of ``axis``, in that order; None means 1 and 0.
        axis: an int or several.
        epsilon: keeps the root away from 0.

    Returns:
        y of the shape of x.

    >>> tg.ops.layer_normalization(tg.tensor([[1.0, 3.0]]), epsilon=0.0)
    Tensor([[-1.,  1.]])
    """
    x, restore = _axes_last("layer_normalization", x, axis)
    gamma, beta = _flat(gamma), _flat(beta)
    return restore(_layer_norm(x, gamma, beta, epsilon=epsilon))


def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float = 1e-6) -> Any:
    """y = x / sqrt(mean(x^2) + epsilon) scale, the mean over ``axis`` (Zhang and Sennrich, 2019).

    Args:
        x: any shape of at least one axis.
        scale: of the shape of the axes of ``axis``, in that order; None means 1.
        axis: an int or several.
        epsilon: keeps the root away from 0.

    Returns:
        y of the shape of x.

    >>> tg.ops.rms_normalization(tg.tensor([[3.0, 3.0]]), epsilon=0.0)
    Tensor([[1., 1.]])
    """
    x, restore = _axes_last("rms_normalization", x, axis)
    return restore(_rms_norm(x, _flat(scale), epsilon=epsilon))


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int = -1,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """y = (x - mean) / sqrt(variance + epsilon) scale + offset, with given statistics (inference).

    Args:
        x: any shape of at least one axis.
        mean, variance: one number per position of ``axis``.
        axis: the axis of the features.
        offset, scale: like mean; None means 0 and 1.
        epsilon: keeps the root away from 0.

    Returns:
        y of the shape of x.

    >>> x = tg.tensor([[1.0, 3.0]])
    >>> tg.ops.batch_normalization(x, tg.tensor([1.0, 1.0]), tg.tensor([4.0, 4.0]), epsilon=0.0)
    Tensor([[0., 1.]])
    """
    x, mean, variance = asarray(x), asarray(mean), asarray(variance)
    shape = [1] * x.ndim
    shape[_axis("batch_normalization", axis, x.ndim)] = -1
    factor = 1 / sqrt(variance + epsilon)
    factor = factor if scale is None else factor * scale
    shift = -mean * factor if offset is None else offset - mean * factor
    return x * reshape(factor, shape=tuple(shape)) + reshape(shift, shape=tuple(shape))


def batch_normalization_training(
    x: Any, gamma: Any = None, beta: Any = None, axis: int = -1, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """y = (x - mean) / sqrt(var + epsilon) gamma + beta, the statistics being those of this very x
    over all axes but ``axis`` (Ioffe and Szegedy, 2015); the variance is the biased one.

    Args:
        x: any shape of at least one axis, with at least one row.
        gamma, beta: one number per position of ``axis``; None means 1 and 0.
        axis: the axis of the features.
        epsilon: keeps the root away from 0.

    Returns:
        y of the shape of x, and mean and var (C,), constants, for the moving averages of a layer.

    >>> y, mean, var = tg.ops.batch_normalization_training(tg.tensor([[1.0], [3.0]]))
    >>> mean, var
    (Tensor([2.]), Tensor([1.]))
    """
    x, restore = _axes_last("batch_normalization_training", x, axis)
    y, mu, var = _batch_norm(x, _flat(gamma), _flat(beta), epsilon=epsilon)
    return restore(y), mu.detach(), var.detach()


def _sum_rows(a: Any) -> Any:
    """The sum over all axes but the last."""
    return sum(a, axis=tuple(range(a.ndim - 1))) if a.ndim > 1 else a


def _flat(vector: Any) -> Any:
    if vector is None:
        return None
    vector = asarray(vector)
    return vector if vector.ndim == 1 else reshape(vector, shape=(-1,))


def _axes_last(op: str, x: Any, axis: Any) -> tuple[Any, Any]:
    """x with the axes of ``axis`` joined to one at the end, and the function that undoes it."""
    x = asarray(x)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for a in axes:
        if not -x.ndim <= a < x.ndim:
            raise ValueError(
                f"[{op}] axis is out of range. Expected -{x.ndim} <= axis < {x.ndim} for x of "
                f"shape {x.shape}, received axis={axis}."
            )
    axes = tuple([a % x.ndim for a in axes])
    kept = tuple([a for a in range(x.ndim) if a not in axes])
    order = (*kept, *axes)
    if order == tuple(range(x.ndim)) and len(axes) == 1:
        return x, lambda y: y
    if len(set(order)) != len(axes) + len(kept):
        raise ValueError(f"[{op}] axis names an axis twice, received axis={axis}.")
    moved = x if order == tuple(range(x.ndim)) else permute_dims(x, axes=order)
    shape = moved.shape
    n = math.prod(shape[len(kept) :])
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))

    def restore(y: Any) -> Any:
        y = reshape(y, shape=shape)
        return y if back == tuple(range(len(back))) else permute_dims(y, axes=back)

    return reshape(moved, shape=(*shape[: len(kept)], n)), restore
