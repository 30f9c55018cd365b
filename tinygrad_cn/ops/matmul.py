"""Matrix products, batched and broadcast; and the product with bias and activation in one kernel.

The family is closed: the gradient of a product is two products, with a transposed view.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Placeholder, apply_as_one, as_one

from .activation import gelu_tanh, relu_grad, sigmoid_grad
from .creation import asarray
from .shape import matrix_transpose, moveaxis, reshape
from .trigonometry import tanh_grad


class MatMul(Op):
    """y = a @ b for (..., m, k) and (..., k, n);  ga = g @ b^T,  gb = a^T @ g."""

    def forward(a, b):
        return kernels.matmul(a, b)

    def vjp(g, a, b, needs):
        ga = matrix_product(g, matrix_transpose(b)) if needs[0] else None
        gb = matrix_product(matrix_transpose(a), g) if needs[1] else None
        return ga, gb


class Linear(Op):
    """y = f(x @ w + b), f an activation that its y tells the slope of;  with h = f'(y) g:
    gx = h @ w^T,  gw = x^T @ h,  gb = h summed over the rows."""

    def forward(x, w, b, *, activation=None):
        return kernels.matmul(x, w, b, activation)

    def vjp(g, x, w, y, needs, activation):
        h = before_activation(activation, g, y)
        gx = matrix_product(h, matrix_transpose(w)) if needs[0] else None
        gw = matrix_product(matrix_transpose(x), h) if needs[1] else None
        return gx, gw, h  # the engine sums h over the rows


matrix_product = MatMul()
_linear = Linear()

FUSED = {None: None, "relu": relu_grad, "tanh": tanh_grad, "sigmoid": sigmoid_grad}


def before_activation(activation: str | None, g: Any, y: Any) -> Any:
    """The gradient of the activation's input, from that of its output y."""
    rule = FUSED[activation]
    return g if rule is None else rule(g, y)


def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product ``x1 @ x2``, by NumPy's rules.

    Shapes (..., m, k) and (..., k, n) give (..., m, n); the leading axes broadcast. A vector on the
    left is a row, on the right a column, and its axis is dropped from the result.

    >>> tg.ops.matmul([[1, 2], [3, 4]], [1, 1])
    Tensor([3., 7.])
    """
    x1, x2 = asarray(x1), asarray(x2)
    if x1.data.ndim > 1 and x2.data.ndim > 1:
        return matrix_product(x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError(
            "[matmul] A scalar has no axis to sum over. Expected one axis or more, received "
            f"x1.shape={x1.shape}, x2.shape={x2.shape}."
        )
    a = reshape(x1, shape=(1, -1)) if x1.ndim == 1 else x1
    b = reshape(x2, shape=(-1, 1)) if x2.ndim == 1 else x2
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            "[matmul] Inner lengths differ. Expected the last axis of x1 as long as "
            f"{'the axis' if x2.ndim == 1 else 'the axis before the last'} of x2, received "
            f"x1.shape={x1.shape}, x2.shape={x2.shape}."
        )
    y = matrix_product(a, b)
    if x1.ndim == 1:
        y = reshape(y, shape=(*y.shape[:-2], y.shape[-1]))
    return reshape(y, shape=y.shape[:-1]) if x2.ndim == 1 else y


@as_one
def linear(x: Any, w: Any, b: Any = None, activation: str | None = None) -> Any:
    """y = f(x @ w + b), in one kernel: a dense layer.

    Args:
        x: (..., D). w: (D, O). b: (O,) or None.
        activation: None, "relu", "tanh", "sigmoid" or "gelu_tanh".

    Returns:
        (..., O).

    >>> tg.ops.linear([[1, 2]], [[1], [1]], [-5], "relu")
    Tensor([[0.]])
    """
    if isinstance(x, Placeholder) or isinstance(w, Placeholder):
        return apply_as_one(linear, x, w, b, activation)
    x, w = asarray(x), asarray(w)
    b = None if b is None else asarray(b)
    if (
        x.ndim < 1
        or w.ndim != 2
        or x.shape[-1] != w.shape[0]
        or not (b is None or b.shape == w.shape[1:])
    ):
        raise ValueError(
            "[linear] Shapes do not fit. Expected x (..., D), w (D, O), b (O,), received "
            f"x.shape={x.shape}, w.shape={w.shape}{'' if b is None else f', b.shape={b.shape}'}."
        )
    rows = x if x.ndim == 2 else reshape(x, shape=(_rows(x.shape), x.shape[-1]))
    if activation == "gelu_tanh":  # its slope needs what comes in, so it is an op of its own
        y = gelu_tanh(_linear(rows, w, b))
    elif activation in FUSED:
        y = _linear(rows, w, b, activation=activation)
    else:
        raise ValueError(
            f"[linear] Expected one of {[*FUSED, 'gelu_tanh']}, received activation={activation!r}."
        )
    return y if x.ndim == 2 else reshape(y, shape=(*x.shape[:-1], w.shape[1]))


def _rows(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape[:-1], dtype=np.int64))


@as_one
def dot(x1: Any, x2: Any) -> Any:
    """NumPy's dot: a product with a scalar, else the sum over the last axis of x1 and the last but
    one of x2 (the only one of a vector).

    >>> tg.ops.dot([1, 2], [3, 4])
    Tensor(11.)
    """
    if isinstance(x1, Placeholder) or isinstance(x2, Placeholder):
        return apply_as_one(dot, x1, x2)
    x1, x2 = asarray(x1), asarray(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    if x1.ndim <= 2 and x2.ndim <= 2:
        return matmul(x1, x2)
    return tensordot(x1, x2, ([-1], [-2 if x2.ndim > 1 else -1]))


@as_one
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes: the last ``axes`` of x1 with the first of x2, or the
    axes listed in ``(axes of x1, axes of x2)``.

    >>> tg.ops.tensordot([[1, 2]], [[3], [4]], axes=1)
    Tensor([[11.]])
    """
    if isinstance(x1, Placeholder) or isinstance(x2, Placeholder):
        return apply_as_one(tensordot, x1, x2, axes)
    x1, x2 = asarray(x1), asarray(x2)
    if isinstance(axes, (int, np.integer)):
        left, right = [*range(x1.ndim - int(axes), x1.ndim)], [*range(int(axes))]
    else:
        left, right = (np.ravel(a).tolist() for a in axes)
    try:
        left, right = [range(x1.ndim)[i] for i in left], [range(x2.ndim)[i] for i in right]
        fit = [x1.shape[i] for i in left] == [x2.shape[i] for i in right]
    except IndexError:
        fit = False
    if not fit:
        raise ValueError(
            "[tensordot] Axes do not fit. Expected pairs of axes of equal length, received "
            f"x1.shape={x1.shape}, x2.shape={x2.shape}, axes={axes}."
        )
    n = len(left)
    a = moveaxis(x1, left, range(x1.ndim - n, x1.ndim)) if n else x1
    b = moveaxis(x2, right, range(n)) if n else x2
    inner = int(np.prod([x1.shape[i] for i in left], dtype=np.int64))
    rows, columns = a.shape[: x1.ndim - n], b.shape[n:]
    flat = int(np.prod(rows, dtype=np.int64)), int(np.prod(columns, dtype=np.int64))
    y = matrix_product(reshape(a, shape=(flat[0], inner)), reshape(b, shape=(inner, flat[1])))
    return reshape(y, shape=(*rows, *columns))


def outer(x1: Any, x2: Any) -> Any:
    """y[i, j] = x1[i] x2[j], of vectors (else flattened).

    >>> tg.ops.outer([1, 2], [3, 4])
    Tensor([[3., 4.],
            [6., 8.]])
    """
    return reshape(x1, shape=(-1, 1)) * reshape(x2, shape=(1, -1))
