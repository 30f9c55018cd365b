"""Linear algebra: LAPACK, by way of NumPy, with gradients of our own.

Inputs are matrices (..., N, N) or (..., M, N); leading axes are a batch. The rules are written with
``^T`` for the transpose of the last two axes; they follow M. Giles, "Collected matrix derivative
results for forward and reverse mode algorithmic differentiation" (2008), for the eigenvectors and
the SVD with the usual F_ij = 1 / (s_j - s_i). Those hold where the values differ: with equal ones
the vectors, and so their gradients, are not unique. A matrix that is singular raises LinAlgError.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from tinygrad_cn.op import Op

from . import shape
from .comparison import equal
from .creation import asarray, eye, ones
from .elementwise import abs, reciprocal, square, where
from .joining import concat, stack
from .matmul import matrix_product
from .reduction import max, min, sqrt_flat, sum
from .shape import (
    _axes,
    expand_dims,
    matrix_transpose,
    moveaxis,
    place_diagonal,
    reshape,
    squeeze,
    tril,
)  # fmt: skip


def _lapack(op: str, function: Any, *arrays: Any) -> Any:
    """Call NumPy; name the op and the shapes where it refuses."""
    shapes = ", ".join(str(x.shape) for x in arrays)
    if not builtins.all(x.ndim >= 2 for x in arrays[:1]):
        raise ValueError(f"[{op}] Expected matrices (..., M, N), received shapes {shapes}.")
    try:
        return function(*arrays)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"[{op}] {error}. Received shapes {shapes}.") from None


class Inv(Op):
    """y = x^-1;  gx = -y^T g y^T.

    >>> tg.ops.linalg.inv([[2, 0], [0, 4]])
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """

    def forward(x):
        return _lapack("inv", np.linalg.inv, x)

    def vjp(g, y):
        yt = matrix_transpose(y)
        return -matrix_product(matrix_product(yt, g), yt)


class Solve(Op):
    """y with a y = b, matrices;  gb = a^-T g,  ga = -gb y^T."""

    def forward(a, b):
        return _lapack("solve", np.linalg.solve, a, b)

    def vjp(g, a, y, needs):
        gb = _solve(matrix_transpose(a), g)
        return -matrix_product(gb, matrix_transpose(y)) if needs[0] else None, gb


class Det(Op):
    """y = det x;  gx = g times the matrix of cofactors, which exists also where x is singular.

    >>> tg.ops.linalg.det([[1, 2], [3, 4]])
    Tensor(-2.)
    """

    def forward(x):
        return np.asarray(_lapack("det", np.linalg.det, x))

    def vjp(g, x):
        return expand_dims(g, (-2, -1)) * cofactors(x)


class Cofactors(Op):
    """y = det(x) x^-T, as it is also where x is singular: y_ij = (-1)^(i+j) times the determinant
    of x without row i and column j."""

    def forward(x):
        determinant = np.linalg.det(x)
        scale = np.prod(np.linalg.norm(x, axis=-1), axis=-1)
        if (np.abs(determinant) > 1e-3 * scale).all():
            return determinant[..., None, None] * np.swapaxes(np.linalg.inv(x), -1, -2)
        y = np.empty(x.shape, x.dtype)
        for i, j in np.ndindex(x.shape[-2:]):
            minor = np.delete(np.delete(x, i, -2), j, -1)
            y[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor)
        return y

    def reference(x):
        n = x.shape[-1]
        if n == 1:
            return ones(x.shape, x.dtype)
        without = [np.array([k for k in range(n) if k != i]) for i in range(n)]
        parts = [x[..., without[i], :][..., without[j]] for i in range(n) for j in range(n)]
        signs = [(-1) ** (i + j) for i in range(n) for j in range(n)]
        minors = [sign * det(part) for sign, part in zip(signs, parts, strict=True)]
        return reshape(stack(minors, -1), shape=x.shape)


class SlogDet(Op):
    """y = sign(det x) and ln |det x|;  gx = g x^-T, g the gradient of the logarithm."""

    many = True

    def forward(x):
        sign, logarithm = _lapack("slogdet", np.linalg.slogdet, x)
        return np.asarray(sign), np.asarray(logarithm)

    def vjp(g, x):
        return expand_dims(g[1], (-2, -1)) * matrix_transpose(inv(x))


class Cholesky(Op):
    """y lower triangular with y y^T = x;  gx = the symmetric part of y^-T P(y^T g) y^-1, where P
    keeps the lower triangle and half of the diagonal. Only the lower triangle of x is read.

    >>> tg.ops.linalg.cholesky([[4, 0], [0, 9]])
    Tensor([[2., 0.],
            [0., 3.]])
    """

    def forward(x):
        return _lapack("cholesky", np.linalg.cholesky, x)

    def vjp(g, y):
        p = _lower_half(matrix_product(matrix_transpose(y), g))
        yt = matrix_transpose(y)
        gx = matrix_transpose(_solve(yt, matrix_transpose(_solve(yt, p))))
        return 0.5 * (gx + matrix_transpose(gx))


class QR(Op):
    """q with orthonormal columns and r upper triangular, q r = x (M, N);  for M >= N, with
    m = r gr^T - gq^T q:  gx = (gq + q C(m)) r^-T, where C mirrors the lower triangle upwards."""

    many = True

    def forward(x):
        return tuple(_lapack("qr", np.linalg.qr, x))

    def vjp(g, x, y):
        m, n = x.shape[-2:]
        if m >= n:
            return _qr_grad(*g, *y)
        # a wide x = [a b]: a = q u is square, and r = [u v] with v = q^T b
        (gq, gr), (q, r) = g, y
        b = x[..., m:]
        gu, gv, u = gr[..., :m], gr[..., m:], r[..., :m]
        gb = matrix_product(q, gv)
        ga = _qr_grad(gq + matrix_product(b, matrix_transpose(gv)), gu, q, u)
        return concat([ga, gb], -1)


class Eigh(Op):
    """Eigenvalues w (ascending) and eigenvectors v of a symmetric x, of which the lower triangle is
    read;  gx = v (diag(gw) + F o sym(v^T gv)) v^T, F_ij = 1 / (w_j - w_i), 0 on the diagonal."""

    many = True

    def forward(x):
        return tuple(_lapack("eigh", np.linalg.eigh, x))

    def vjp(g, y):
        (gw, gv), (w, v) = g, y
        vt = matrix_transpose(v)
        inner = _differences(w) * matrix_product(vt, gv)
        gx = matrix_product(matrix_product(v, inner + _diag(gw)), vt)
        return 0.5 * (gx + matrix_transpose(gx))


class SVD(Op):
    """u (M, K), s (K,) descending, vh (K, N), K = min(M, N), with u diag(s) vh = x;
    gx = u (A diag(s) + diag(s) B + diag(gs)) vh and what leaves the columns of u and v, where
    A = F o skew(u^T gu), B = F o skew(v^T gv), F_ij = 1 / (s_j^2 - s_i^2)."""

    many = True

    def forward(x):
        return tuple(_lapack("svd", lambda x: np.linalg.svd(x, full_matrices=False), x))

    def vjp(g, y):
        (gu, gs, gvh), (u, s, vh) = g, y
        v, gv, ut = matrix_transpose(vh), matrix_transpose(gvh), matrix_transpose(u)
        f = _differences(square(s))
        row, column = expand_dims(s, -2), expand_dims(s, -1)
        a = f * _twice_skew(matrix_product(ut, gu))
        b = f * _twice_skew(matrix_product(vh, gv))
        middle = a * row + column * b + _diag(gs)
        gx = matrix_product(matrix_product(u, middle), vh)
        over = reciprocal(row)
        if u.shape[-2] > s.shape[-1]:  # the part of gu outside the columns of u
            rest = gu - matrix_product(u, matrix_product(ut, gu))
            gx = gx + matrix_product(rest * over, vh)
        if v.shape[-2] > s.shape[-1]:
            rest = gv - matrix_product(v, matrix_product(vh, gv))
            gx = gx + matrix_product(u, matrix_transpose(rest * over))
        return gx


def _qr_grad(gq, gr, q, r):
    m = matrix_product(r, matrix_transpose(gr)) - matrix_product(matrix_transpose(gq), q)
    low = tril(m, -1)
    m = low + matrix_transpose(low) + m * eye(m.shape[-1], dtype=m.dtype)
    b = gq + matrix_product(q, m)
    return matrix_transpose(_solve(r, matrix_transpose(b)))


def _lower_half(x):
    return tril(x) - 0.5 * x * eye(x.shape[-1], dtype=x.dtype)


def _twice_skew(x):
    return x - matrix_transpose(x)


def _diag(x):
    return place_diagonal(x, shape=(*x.shape, x.shape[-1]), offset=0)


def _differences(w):
    """F_ij = 1 / (w_j - w_i), 0 where they are equal."""
    d = expand_dims(w, -2) - expand_dims(w, -1)
    same = equal(d, 0)
    return where(same, 0.0, reciprocal(where(same, 1.0, d)))


inv = Inv()
_solve = Solve()
det = Det()
cofactors = Cofactors()
_slogdet = SlogDet()
cholesky = Cholesky()
_qr = QR()
_eigh = Eigh()
_svd = SVD()


def solve(a: Any, b: Any) -> Any:
    """y with a y = b. b is a vector (N,) or matrices (..., N, K).

    >>> tg.ops.linalg.solve([[2, 0], [0, 4]], [2, 2])
    Tensor([1. , 0.5])
    """
    a, b = asarray(a), asarray(b)
    if b.ndim == 1:
        return squeeze(_solve(a, expand_dims(b, -1)), -1)
    return _solve(a, b)


def slogdet(x: Any) -> tuple[Any, Any]:
    """The sign of det x, and ln |det x|, which does not overflow.

    >>> tg.ops.linalg.slogdet([[2, 0], [0, 0.5]])
    (Tensor(1.), Tensor(0.))
    """
    return _slogdet(x)


def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    """q (M, K) with orthonormal columns and r (K, N) upper triangular, K = min(M, N), q r = x."""
    if mode != "reduced":
        raise ValueError(f"[qr] Expected mode='reduced', received mode={mode!r}.")
    return _qr(x)


def eigh(x: Any) -> tuple[Any, Any]:
    """Eigenvalues (ascending) and eigenvectors (in columns) of a symmetric matrix, of which the
    lower triangle is read. The gradient of the vectors needs eigenvalues that differ.

    >>> tg.ops.linalg.eigh([[2, 0], [0, 1]])[0]
    Tensor([1., 2.])
    """
    return _eigh(x)


def eigvalsh(x: Any) -> Any:
    """The eigenvalues of a symmetric matrix, ascending."""
    return _eigh(x)[0]


def svd(x: Any, full_matrices: bool = False) -> tuple[Any, Any, Any]:
    """u (M, K), s (K,) descending and vh (K, N), K = min(M, N), with u diag(s) vh = x. The gradient
    of the vectors needs singular values that differ.

    >>> tg.ops.linalg.svd([[0, 2], [1, 0]])[1]
    Tensor([2., 1.])
    """
    if full_matrices:
        raise ValueError(
            "[svd] The further vectors of full_matrices=True have no gradient. Expected False."
        )
    return _svd(x)


def svdvals(x: Any) -> Any:
    """The singular values, descending."""
    return _svd(x)[1]


def pinv(x: Any) -> Any:
    """The pseudo-inverse of a matrix of full rank: the solution of least squares.

    >>> tg.ops.linalg.pinv([[2], [0]])
    Tensor([[0.5, 0. ]])
    """
    x = asarray(x)
    xt = matrix_transpose(x)
    if x.shape[-2] >= x.shape[-1]:
        return _solve(matrix_product(xt, x), xt)
    return matrix_transpose(_solve(matrix_product(x, xt), x))


def matrix_power(x: Any, n: int) -> Any:
    """x @ x @ ... @ x, n times; n < 0 of the inverse.

    >>> tg.ops.linalg.matrix_power([[1, 1], [0, 1]], 3)
    Tensor([[1., 3.],
            [0., 1.]])
    """
    x = inv(x) if n < 0 else asarray(x)
    y, n = None, builtins.abs(n)
    while n:
        if n % 2:
            y = x if y is None else matrix_product(y, x)
        n //= 2
        x = matrix_product(x, x) if n else x
    return eye(x.shape[-1], dtype=x.dtype) + 0 * x if y is None else y


def diagonal(x: Any, offset: int = 0) -> Any:
    """The elements x[..., i, i + offset] of matrices. A view."""
    return shape.diagonal(x, offset, -2, -1)


def trace(x: Any, offset: int = 0) -> Any:
    """The sum of the diagonal of matrices, their last two axes (``tg.ops.trace`` lets you choose).

    >>> tg.ops.linalg.trace([[[1, 2], [3, 4]]])
    Tensor([5.])
    """
    return sum(diagonal(x, offset), axis=-1)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """The sum of x1 x2 along the axis.

    >>> tg.ops.vecdot([[1, 2], [3, 4]], [1, 1])
    Tensor([3., 7.])
    """
    return sum(asarray(x1) * asarray(x2), axis=axis)


def cross(x1: Any, x2: Any, axis: int = -1) -> Any:
    """The vector product of vectors of length 3 along the axis.

    >>> tg.ops.cross([1, 0, 0], [0, 1, 0])
    Tensor([0., 0., 1.])
    """
    a, b = moveaxis(x1, axis, 0), moveaxis(x2, axis, 0)
    if a.shape[0] != 3 or b.shape[0] != 3:
        raise ValueError(f"[cross] Expected length 3 along axis {axis}, received {a.shape[0]}.")
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return stack(parts, axis)


def kron(x1: Any, x2: Any) -> Any:
    """The Kronecker product of two matrices: x2 times each element of x1, as blocks.

    >>> tg.ops.kron([[1, 2]], [[1, 1]])
    Tensor([[1., 1., 2., 2.]])
    """
    a, b = asarray(x1), asarray(x2)
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"[kron] Expected two matrices, received shapes {a.shape} and {b.shape}.")
    blocks = expand_dims(a, (1, 3)) * expand_dims(b, (0, 2))
    return reshape(blocks, shape=(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]))


# --- norms ----------------------------------------------------------------------------------------


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The length of vectors: (sum |x|^ord)^(1/ord) along ``axis``; or a norm of matrices.

    Args:
        ord: None is 2 (of a matrix, "fro"); for vectors any number, inf, -inf or 0 (the count of
            elements that are not 0); for matrices "fro", "nuc", 1, -1, 2, -2, inf, -inf.
        axis: an int for vectors, a pair for matrices; None means all of x (flattened if ord is
        None).

    The gradient of a norm of 0 is 0.

    >>> tg.ops.norm([3, 4])
    Tensor(5.)
    """
    x = asarray(x)
    if axis is None and ord is None:
        y = sqrt_flat(sum(square(x)))
        return reshape(y, shape=(1,) * x.ndim) if keepdims else y
    axes = tuple(range(x.ndim)) if axis is None else _axes("norm", axis, x.ndim)
    if len(axes) == 1:
        return vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(f"[norm] Expected one axis or two, received axis={axis} of {x.shape}.")
    return matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def vector_norm(x: Any, ord: Any = 2, axis: Any = None, keepdims: bool = False) -> Any:
    """(sum |x|^ord)^(1/ord) along the axes (all, if None); see `norm`.

    >>> tg.ops.linalg.vector_norm([3, -4], ord=1)
    Tensor(7.)
    """
    x = asarray(x)
    along = {"axis": axis, "keepdims": keepdims}
    if isinstance(ord, str):
        raise ValueError(f"[norm] Expected a number for vectors, received ord={ord!r}.")
    if ord == 2:
        return sqrt_flat(sum(square(x), **along))
    size = abs(x)
    if ord == math.inf:
        return max(size, **along)
    if ord == -math.inf:
        return min(size, **along)
    if ord == 0:
        return sum((x != 0).astype(x.dtype), **along)
    if ord == 1:
        return sum(size, **along)
    total = sum(size**ord, **along)
    zero = equal(total, 0)
    return where(zero, 0.0, where(zero, 1.0, total) ** (1 / ord))


def matrix_norm(x: Any, ord: Any = "fro", axis: Any = (-2, -1), keepdims: bool = False) -> Any:
    """A norm of the matrices in two axes: see `norm`."""
    x = asarray(x)
    rows, columns = _axes("norm", axis, x.ndim)
    both = (rows, columns)
    if ord == "fro":
        return sqrt_flat(sum(square(x), axis=both, keepdims=keepdims))
    if ord in (1, -1, math.inf, -math.inf):
        inner, outer = (rows, columns) if builtins.abs(ord) == 1 else (columns, rows)
        y = sum(abs(x), axis=inner, keepdims=True)
        y = (max if ord > 0 else min)(y, axis=outer, keepdims=True)
    elif ord in (2, -2, "nuc"):
        s = svdvals(moveaxis(x, both, (-2, -1)))
        reduce = sum if ord == "nuc" else max if ord > 0 else min
        y = reduce(s, axis=-1)
        kept = [1 if i in both else n for i, n in enumerate(x.shape)]
        y = reshape(y, shape=tuple(kept)) if keepdims else y
    else:
        raise ValueError(
            f"[norm] Expected 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, received ord={ord!r}."
        )
    return y if keepdims or y.ndim == x.ndim - 2 else squeeze(y, both)
