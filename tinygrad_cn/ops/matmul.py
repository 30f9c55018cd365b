"""Matrix products, batched and broadcast."""

from __future__ import annotations

from tinygrad_cn import kernels
from tinygrad_cn.op import Op

from .shape import permute_dims, reshape


class MatMul(Op):
    """y = a @ b for (..., m, k) and (..., k, n);  ga = g @ b^T,  gb = a^T @ g."""

    def forward(a, b):
        return kernels.matmul(a, b)

    def vjp(g, a, b, needs):
        ga = matrix_product(g, matrix_transpose(b)) if needs[0] else None
        gb = matrix_product(matrix_transpose(a), g) if needs[1] else None
        return ga, gb


matrix_product = MatMul()


def matmul(x1, x2):
    """The matrix product ``x1 @ x2``, by NumPy's rules.

    Shapes (..., m, k) and (..., k, n) give (..., m, n); the leading axes broadcast. A vector on the
    left is a row, on the right a column, and its axis is dropped from the result.
    """
    a = reshape(x1, shape=(1, -1)) if x1.ndim == 1 else x1
    b = reshape(x2, shape=(-1, 1)) if x2.ndim == 1 else x2
    y = matrix_product(a, b)
    if x1.ndim == 1:
        y = reshape(y, shape=(*y.shape[:-2], y.shape[-1]))
    return reshape(y, shape=y.shape[:-1]) if x2.ndim == 1 else y


def matrix_transpose(x):
    """x with its last two axes swapped."""
    return permute_dims(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
