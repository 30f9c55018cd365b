# ruff: noqa: E501 # a table is read by its rows
"""The ops, in one table: what each is in NumPy, on which inputs, with which tolerance.

A case is one call. Tests take values, gradients of both orders, layouts, dtypes and kernel sets from
here, so that an op is tested in every way by being listed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cn import ops

erf = np.vectorize(math.erf, otypes=[float])


@dataclass(frozen=True)
class Case:
    """A call ``op(*inputs, **settings)`` and what NumPy says it is."""

    name: str
    op: Callable[..., Any]
    oracle: Callable[..., Any] | None  # of float64 arrays; None: another test says what is right
    shapes: tuple[tuple[int, ...], ...]
    domain: tuple[str, float, float] = ("any", -2.0, 2.0)  # see `draw`
    settings: dict[str, Any] = field(default_factory=dict)
    order: int = 2  # up to which derivative finite differences hold
    n: int = 1  # the length of the sums behind an element: widens the tolerance

    def __call__(self, *xs: Any) -> Any:
        return self.op(*xs, **self.settings)

    def inputs(self, seed: int = 0, dtype: Any = np.float64) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [draw(rng, shape, *self.domain).astype(dtype) for shape in self.shapes]

    def __str__(self) -> str:
        return self.name


def draw(rng: np.random.Generator, shape: tuple, kind: str, low: float, high: float) -> np.ndarray:
    """Random numbers in [low, high): "any"; "kinked": not near integers or halves; "distinct": no two
    near each other; "spd": symmetric positive definite matrices; "regular": well-conditioned ones."""
    if kind == "kinked":  # the middle half of each half unit
        cells = rng.integers(int(low * 2), int(high * 2), shape)
        return (cells + rng.uniform(0.25, 0.75, shape)) / 2
    if kind == "distinct":
        n = math.prod(shape)
        places = rng.permutation(n) + rng.uniform(0.25, 0.75, n)
        return (low + (high - low) * places / max(n, 1)).reshape(shape)
    if kind in ("spd", "regular"):
        x = rng.uniform(-1, 1, shape)
        k = min(shape[-2:])
        plus = np.eye(shape[-2], shape[-1]) * np.linspace(1, 2, shape[-1])
        return x @ np.swapaxes(x, -1, -2) + k * plus if kind == "spd" else x + k * plus
    return rng.uniform(low, high, shape)


SMOOTH, KINKED = ("any", -2.0, 2.0), ("kinked", -4.0, 4.0)
POSITIVE, UNIT, DISTINCT = ("any", 0.3, 3.0), ("any", -0.9, 0.9), ("distinct", -2.0, 2.0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def softmax(x, axis=-1):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


UNARY: list[tuple[str, Callable, tuple]] = [
    ("abs", np.abs, KINKED),
    ("negative", np.negative, SMOOTH),
    ("sign", np.sign, KINKED),
    ("exp", np.exp, SMOOTH),
    ("expm1", np.expm1, SMOOTH),
    ("log", np.log, POSITIVE),
    ("log1p", np.log1p, POSITIVE),
    ("log2", np.log2, POSITIVE),
    ("log10", np.log10, POSITIVE),
    ("sqrt", np.sqrt, POSITIVE),
    ("rsqrt", lambda x: 1 / np.sqrt(x), POSITIVE),
    ("square", np.square, SMOOTH),
    ("reciprocal", np.reciprocal, POSITIVE),
    ("sin", np.sin, SMOOTH),
    ("cos", np.cos, SMOOTH),
    ("tan", np.tan, UNIT),
    ("asin", np.arcsin, UNIT),
    ("acos", np.arccos, UNIT),
    ("atan", np.arctan, SMOOTH),
    ("sinh", np.sinh, SMOOTH),
    ("cosh", np.cosh, SMOOTH),
    ("tanh", np.tanh, SMOOTH),
    ("asinh", np.arcsinh, SMOOTH),
    ("acosh", np.arccosh, ("any", 1.5, 3.0)),
    ("atanh", np.arctanh, UNIT),
    ("erf", erf, SMOOTH),
    ("floor", np.floor, KINKED),
    ("ceil", np.ceil, KINKED),
    ("trunc", np.trunc, KINKED),
    ("round", np.round, KINKED),
    ("relu", lambda x: np.maximum(x, 0), KINKED),
    ("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x), KINKED),
    ("relu6", lambda x: np.clip(x, 0, 6), ("kinked", -3.0, 9.0)),
    ("elu", lambda x: np.where(x > 0, x, np.expm1(x)), KINKED),
    ("celu", lambda x: np.where(x > 0, x, np.expm1(x)), KINKED),
    ("selu", lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
     KINKED),
    ("gelu", lambda x: x * sigmoid(1.5957691216057308 * (x + 0.044715 * x**3)), SMOOTH),
    ("silu", lambda x: x * sigmoid(x), SMOOTH),
    ("sigmoid", sigmoid, SMOOTH),
    ("softplus", softplus, SMOOTH),
    ("softsign", lambda x: x / (1 + np.abs(x)), KINKED),
    ("mish", lambda x: x * np.tanh(softplus(x)), SMOOTH),
    ("hard_sigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), KINKED),
    ("hard_silu", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), KINKED),
    ("hard_tanh", lambda x: np.clip(x, -1, 1), KINKED),
    ("hard_shrink", lambda x: np.where(np.abs(x) > 0.5, x, 0), KINKED),
    ("soft_shrink", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), KINKED),
    ("tanh_shrink", lambda x: x - np.tanh(x), SMOOTH),
    ("squareplus", lambda x: (x + np.sqrt(x * x + 4)) / 2, SMOOTH),
    ("log_sigmoid", lambda x: -softplus(-x), SMOOTH),
]  # fmt: skip

BINARY: list[tuple[str, Callable, tuple]] = [
    ("add", np.add, SMOOTH),
    ("subtract", np.subtract, SMOOTH),
    ("multiply", np.multiply, SMOOTH),
    ("divide", np.divide, POSITIVE),
    ("pow", np.power, POSITIVE),
    ("maximum", np.maximum, DISTINCT),
    ("minimum", np.minimum, DISTINCT),
    ("atan2", np.arctan2, POSITIVE),
    ("logaddexp", np.logaddexp, SMOOTH),
]

COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
LOGIC = ["logical_and", "logical_or", "logical_xor"]


def _adaptive(x, sizes, function):
    """A function of the windows of adaptive pooling."""
    for axis, k in ((1, sizes[0]), (2, sizes[1])):
        n = x.shape[axis]
        ends = [(i * n // k, -(-(i + 1) * n // k)) for i in range(k)]
        parts = [function(np.take(x, range(*e), axis), axis, keepdims=True) for e in ends]
        x = np.concatenate(parts, axis)
    return x


def _windows(x, size, stride):
    view = np.lib.stride_tricks.sliding_window_view(x, size, (1, 2))
    return view[:, :: stride[0], :: stride[1]]


def _conv(x, w, stride=(1, 1)):
    return np.einsum("npqcij,ijco->npqo", _windows(x, w.shape[:2], stride), w)


def _same(x, size):
    total = [k - 1 for k in size]
    pads = [(t // 2, t - t // 2) for t in total]
    return np.pad(x, ((0, 0), *pads, (0, 0)))


def _transposed(x, w, stride):
    n, h, width, _ = x.shape
    kh, kw, out, _ = w.shape
    y = np.zeros((n, h * stride + max(kh - stride, 0), width * stride + max(kw - stride, 0), out))
    for p in range(h):
        for q in range(width):
            patch = np.einsum("nc,ijoc->nijo", x[:, p, q], w)
            y[:, p * stride : p * stride + kh, q * stride : q * stride + kw] += patch
    return y


ROWS, J = np.array([0, 2, 0, -1]), np.array([1, 1, 0, 2])
MASK = np.array([[True, False, True], [False, True, True]])
LABELS = np.array([2, 0, 3, 1, 0])
M23, M33, V5 = ((2, 3),), ((3, 3),), ((5,),)
SPD, REGULAR = ("spd", -1.0, 1.0), ("regular", -1.0, 1.0)


def _sign_free(x):
    """Of a factor whose columns are known up to their sign: what does not depend on it."""
    return x * x


CASES: list[Case] = [
    *[Case(name, getattr(ops, name), oracle, ((3, 4),), domain) for name, oracle, domain in UNARY],
    *[
        Case(name, getattr(ops, name), oracle, ((3, 4), (3, 4)), domain)
        for name, oracle, domain in BINARY
    ],
    Case("gelu_exact", ops.gelu, lambda x, approximate: x * (1 + erf(x / 2**0.5)) / 2, M23, settings={"approximate": False}),
    Case("round_decimals", lambda x: ops.round(x, 1), lambda x: np.round(x, 1), M23, ("any", 1.02, 1.03), order=1),
    Case("pow_2", lambda x: x**2, lambda x: x**2, M23),
    Case("pow_3", lambda x: x**3, lambda x: x**3, M23),
    Case("pow_scalar", lambda x: 2.0**x, lambda x: 2.0**x, M23),
    *[
        Case(f"scalar {name}", partial(getattr(ops, name), 0.1), partial(oracle, 0.1), M23, POSITIVE)
        for name, oracle, _ in BINARY
    ],
    *[
        Case(f"{name} scalar", lambda x, name=name: getattr(ops, name)(x, 0.1), lambda x, oracle=oracle: oracle(x, 0.1), M23, POSITIVE)
        for name, oracle, _ in BINARY
    ],
    Case("remainder", ops.remainder, np.remainder, ((3, 4), (3, 4)), ("any", 2.1, 2.9)),
    Case("floor_divide", ops.floor_divide, np.floor_divide, ((3, 4), (3, 4)), ("any", 2.1, 2.9)),
    Case("clip", lambda x: ops.clip(x, -1, 1), lambda x: np.clip(x, -1, 1), M23, KINKED),
    Case("clip_min", lambda x: ops.clip(x, min=-1), lambda x: np.clip(x, -1, None), M23, KINKED),
    Case("clip_bounds", ops.clip, np.clip, ((4, 6), (4, 6), (4, 6)), DISTINCT),
    Case("where", lambda a, b: ops.where(MASK, a, b), lambda a, b: np.where(MASK, a, b), ((2, 3), (2, 3))),
    # reductions
    Case("sum", ops.sum, np.sum, ((2, 3, 4),), n=24),
    Case("sum_axis", ops.sum, lambda x, **k: x.sum(**k), ((2, 3, 4),), settings={"axis": (0, -1)}, n=8),
    Case("sum_keepdims", ops.sum, lambda x, **k: x.sum(**k), ((2, 3, 4),), settings={"axis": 1, "keepdims": True}, n=3),
    Case("mean", ops.mean, np.mean, ((2, 3, 4),), n=24),
    Case("mean_axis", ops.mean, lambda x, **k: x.mean(**k), ((2, 3, 4),), settings={"axis": 1}, n=3),
    Case("prod", ops.prod, np.prod, M23, POSITIVE, n=6),
    Case("prod_axis", ops.prod, lambda x, **k: x.prod(**k), ((2, 3, 5),), settings={"axis": (0, 2)}, n=10),
    Case("max", ops.max, np.max, M23, DISTINCT),
    Case("max_axis", ops.max, lambda x, **k: x.max(**k), ((2, 3, 4),), DISTINCT, settings={"axis": 1}),
    Case("min", ops.min, np.min, M23, DISTINCT),
    Case("min_axis", ops.min, lambda x, **k: x.min(**k), ((2, 3, 4),), DISTINCT, settings={"axis": (0, 1), "keepdims": True}),
    Case("var", ops.var, np.var, M23, n=6),
    Case("var_sample", ops.var, lambda x, axis, correction: x.var(axis, ddof=correction), ((3, 4),), settings={"axis": 0, "correction": 1}, n=4),
    Case("std", ops.std, np.std, M23, n=6),
    Case("logsumexp", ops.logsumexp, lambda x: np.log(np.exp(x).sum()), M23, n=6),
    Case("logsumexp_axis", ops.logsumexp, lambda x, axis: np.log(np.exp(x).sum(axis)), ((2, 3, 4),), settings={"axis": (0, 2)}, n=8),
    Case("cumsum", ops.cumsum, np.cumsum, V5, n=5),
    Case("cumsum_axis", ops.cumsum, np.cumsum, ((3, 4),), settings={"axis": 0}, n=3),
    Case("cumprod", ops.cumprod, np.cumprod, V5, n=5),
    Case("cumprod_axis", ops.cumprod, np.cumprod, ((3, 4),), settings={"axis": 1}, n=4),
    Case("median_odd", ops.median, np.median, V5, DISTINCT),
    Case("median_even", ops.median, lambda x, axis: np.median(x, axis), ((3, 4),), DISTINCT, {"axis": 1}),
    Case("sort", ops.sort, np.sort, ((3, 4),), DISTINCT),
    Case("sort_descending", ops.sort, lambda x, axis, descending: -np.sort(-x, axis), ((3, 4),), DISTINCT, {"axis": 0, "descending": True}),
    Case("topk", lambda x: ops.topk(x, 2)[0], lambda x: -np.sort(-x)[:, :2], ((3, 4),), DISTINCT),
    Case("norm", ops.norm, np.linalg.norm, M23, n=6),
    Case("norm_axis", ops.norm, lambda x, axis: np.linalg.norm(x, axis=axis), M23, settings={"axis": 1}, n=3),
    Case("norm_1", ops.norm, lambda x, ord, axis: np.linalg.norm(x, ord, axis), M23, KINKED, {"ord": 1, "axis": 0}, n=3),
    Case("norm_3", ops.norm, lambda x, ord, axis: np.linalg.norm(x, ord, axis), M23, KINKED, {"ord": 3, "axis": 0}, n=3),
    Case("norm_inf", ops.norm, lambda x, ord, axis: np.linalg.norm(x, ord, axis), M23, DISTINCT, {"ord": math.inf, "axis": 0}),
    Case("norm_nuc", ops.norm, lambda x, ord: np.linalg.norm(x, ord), M23, REGULAR, {"ord": "nuc"}, n=12),
    Case("norm_matrix_2", ops.norm, lambda x, ord: np.linalg.norm(x, ord), M23, REGULAR, {"ord": 2}, n=12),
    Case("norm_matrix_1", ops.norm, lambda x, ord: np.linalg.norm(x, ord), M23, REGULAR, {"ord": 1}, n=3),
    # shape
    Case("reshape", ops.reshape, lambda x, shape: x.reshape(shape), M23, settings={"shape": (3, -1)}),
    Case("permute_dims", ops.permute_dims, np.transpose, ((2, 3, 4),), settings={"axes": (2, 0, 1)}),
    Case("transpose", ops.transpose, np.transpose, ((2, 3, 4),)),
    Case("matrix_transpose", ops.matrix_transpose, lambda x: np.swapaxes(x, -1, -2), ((2, 3, 4),)),
    Case("swapaxes", ops.swapaxes, np.swapaxes, ((2, 3, 4),), settings={"axis1": 0, "axis2": -1}),
    Case("moveaxis", ops.moveaxis, np.moveaxis, ((2, 3, 4),), settings={"source": (0, 1), "destination": (-1, 0)}),
    Case("squeeze", ops.squeeze, np.squeeze, ((1, 3, 1),), settings={"axis": 0}),
    Case("expand_dims", ops.expand_dims, np.expand_dims, M23, settings={"axis": (0, -1)}),
    Case("broadcast_to", ops.broadcast_to, np.broadcast_to, ((3, 1),), settings={"shape": (2, 3, 4)}),
    Case("flip", ops.flip, np.flip, M23, settings={"axis": 1}),
    Case("roll", ops.roll, np.roll, M23, settings={"shift": 2}),
    Case("roll_axes", ops.roll, np.roll, M23, settings={"shift": (1, -1), "axis": (0, 1)}),
    Case("tile", ops.tile, lambda x, repeats: np.tile(x, repeats), M23, settings={"repeats": (2, 1, 3)}),
    Case("repeat", ops.repeat, np.repeat, M23, settings={"repeats": 2, "axis": 1}),
    Case("repeat_counts", ops.repeat, np.repeat, M23, settings={"repeats": [1, 0, 3], "axis": 1}),
    Case("concat", lambda a, b: ops.concat([a, b], 1), lambda a, b: np.concatenate([a, b], 1), ((2, 3), (2, 1))),
    Case("stack", lambda a, b: ops.stack([a, b], -1), lambda a, b: np.stack([a, b], -1), ((2, 3), (2, 3))),
    Case("split", lambda x: tuple(ops.split(x, 2, 1)), lambda x: np.split(x, 2, 1), ((2, 4),)),
    Case("split_at", lambda x: tuple(ops.split(x, [1, 3])), lambda x: np.split(x, [1, 3]), V5),
    Case("unstack", lambda x: ops.unstack(x, 1), lambda x: [x[:, 0], x[:, 1], x[:, 2]], M23),
    Case("pad", ops.pad, np.pad, M23, settings={"pad_width": ((1, 0), (2, 1))}),
    Case("pad_value", ops.pad, np.pad, M23, settings={"pad_width": 1, "constant_values": 3.0}),
    Case("pad_reflect", ops.pad, np.pad, M23, settings={"pad_width": ((1, 1), (2, 1)), "mode": "reflect"}),
    Case("pad_wrap", ops.pad, np.pad, M23, settings={"pad_width": 1, "mode": "wrap"}),
    Case("flatten", ops.flatten, np.ravel, M23),
    Case("tril", ops.tril, np.tril, M33),
    Case("triu", ops.triu, np.triu, ((2, 3, 4),), settings={"k": 1}),
    Case("diag", ops.diag, np.diag, ((3,),), settings={"k": -1}),
    Case("diag_of", ops.diag, np.diag, ((3, 4),), settings={"k": 1}),
    Case("diagonal", ops.diagonal, np.diagonal, ((2, 3, 4),), settings={"offset": 1, "axis1": 2, "axis2": 0}),
    Case("meshgrid", lambda a, b: tuple(ops.meshgrid(a, b)), lambda a, b: np.meshgrid(a, b), ((2,), (3,))),
    Case("meshgrid_ij", lambda a, b, c: tuple(ops.meshgrid(a, b, c, indexing="ij")), lambda a, b, c: np.meshgrid(a, b, c, indexing="ij"), ((2,), (3,), (4,))),
    Case("copy", ops.copy, np.copy, M23),
    # indexing
    Case("getitem_int", lambda x: x[1], lambda x: x[1], M23),
    Case("getitem_element", lambda x: x[1, -1], lambda x: np.asarray(x[1, -1]), M23),
    Case("getitem_slice", lambda x: x[:, ::-2], lambda x: x[:, ::-2], ((2, 5),)),
    Case("getitem_ellipsis", lambda x: x[..., None, 1], lambda x: x[..., None, 1], ((2, 3, 4),)),
    Case("getitem_rows", lambda x: x[ROWS], lambda x: x[ROWS], ((3, 4),)),
    Case("getitem_pairs", lambda x: x[ROWS, J], lambda x: x[ROWS, J], ((3, 4),)),
    Case("getitem_mixed", lambda x: x[:, ROWS, 1:], lambda x: x[:, ROWS, 1:], ((2, 3, 4),)),
    Case("getitem_mask", lambda x: x[MASK], lambda x: x[MASK], M23),
    Case("getitem_mask_rows", lambda x: x[[True, False]], lambda x: x[[True, False]], M23),
    Case("take", lambda x: ops.take(x, ROWS), lambda x: np.take(x, ROWS), M23),
    Case("take_axis", lambda x: ops.take(x, ROWS.reshape(2, 2), 1), lambda x: np.take(x, ROWS.reshape(2, 2), 1), ((2, 3, 4),)),
    Case("take_along_axis", lambda x: ops.take_along_axis(x, J.reshape(2, 2), 1), lambda x: np.take_along_axis(x, J.reshape(2, 2), 1), M23),
    Case("scatter_add", lambda x, u: ops.scatter_add(x, ROWS, u), lambda x, u: np.stack([x[0] + u[0] + u[2], x[1], x[2] + u[1] + u[3]]), ((3, 2), (4, 2))),
    Case("scatter", lambda u: ops.scatter(np.stack([ROWS % 3, J], -1), u, (3, 4)), None, ((4,),)),
    # products
    Case("matmul", ops.matmul, np.matmul, ((3, 4), (4, 2)), n=4),
    Case("matmul_batch", ops.matmul, np.matmul, ((2, 1, 3, 4), (5, 4, 2)), n=4),
    Case("matmul_vector", ops.matmul, np.matmul, ((3, 4), (4,)), n=4),
    Case("matmul_row", ops.matmul, np.matmul, ((4,), (2, 4, 3)), n=4),
    Case("matmul_dot", ops.matmul, np.matmul, ((4,), (4,)), n=4),
    Case("dot", ops.dot, np.dot, ((2, 3, 4), (2, 4, 3)), n=4),
    Case("outer", ops.outer, np.outer, ((3,), (4,))),
    Case("vecdot", ops.vecdot, lambda a, b: (a * b).sum(-1), ((2, 4), (2, 4)), n=4),
    Case("tensordot", ops.tensordot, np.tensordot, ((2, 3, 4), (4, 3, 2)), settings={"axes": ([1, 2], [1, 0])}, n=12),
    Case("tensordot_2", ops.tensordot, np.tensordot, ((2, 3, 4), (3, 4, 2)), n=12),
    Case("trace", ops.trace, np.trace, ((3, 4),), n=3),
    Case("cross", ops.cross, np.cross, ((2, 3), (2, 3)), n=2),
    Case("kron", ops.kron, np.kron, ((2, 3), (3, 2))),
    *[
        Case(f"einsum {text}", lambda *xs, text=text: ops.einsum(text, *xs), lambda *xs, text=text: np.einsum(text, *xs), shapes, n=12)
        for text, shapes in [
            ("ij,jk->ik", ((2, 3), (3, 4))),
            ("ij,jk", ((2, 3), (3, 4))),
            ("ii->i", ((3, 3),)),
            ("ii", ((3, 3),)),
            ("ij->ji", ((2, 3),)),
            ("ij->", ((2, 3),)),
            ("bij,bjk->bik", ((2, 3, 4), (2, 4, 2))),
            ("...ij,...j->...i", ((2, 3, 4), (2, 4))),
            ("bhqd,bhkd->bhqk", ((1, 2, 3, 4), (1, 2, 5, 4))),
            ("i,j,k->kji", ((2,), (3,), (4,))),
            ("ij,ij->ij", ((2, 3), (2, 3))),
            ("ijk,k->i", ((2, 3, 4), (4,))),
        ]
    ],
    Case("linear", ops.linear, lambda x, w, b: x @ w + b, ((2, 3, 4), (4, 5), (5,)), n=4),
    *[
        Case(f"linear_{f}", ops.linear, lambda x, w, b, activation, f=oracle: f(x @ w + b), ((3, 4), (4, 5), (5,)), settings={"activation": f}, n=4)
        for f, oracle in [("tanh", np.tanh), ("sigmoid", sigmoid), ("gelu_tanh", lambda x: x * sigmoid(1.5957691216057308 * (x + 0.044715 * x**3)))]
    ],
    # linear algebra
    Case("inv", ops.linalg.inv, np.linalg.inv, ((2, 3, 3),), REGULAR, n=9),
    Case("det", ops.linalg.det, np.linalg.det, ((2, 3, 3),), REGULAR, n=9),
    Case("slogdet", ops.linalg.slogdet, np.linalg.slogdet, M33, REGULAR, n=9),
    Case("solve", ops.linalg.solve, np.linalg.solve, ((3, 3), (3, 2)), REGULAR, n=9),
    Case("solve_vector", lambda a, b: ops.linalg.solve(a, b[0]), lambda a, b: np.linalg.solve(a, b[0]), ((3, 3), (3, 3)), REGULAR, n=9),
    Case("cholesky", lambda x: ops.linalg.cholesky((x + x.mT) / 2), lambda x: np.linalg.cholesky(x), M33, SPD, n=9),
    Case("qr", ops.linalg.qr, np.linalg.qr, ((4, 3),), REGULAR, n=12),
    Case("qr_wide", ops.linalg.qr, np.linalg.qr, ((2, 4),), REGULAR, n=12),
    Case("eigh_values", lambda x: ops.linalg.eigh((x + x.mT) / 2)[0], lambda x: np.linalg.eigh(x)[0], M33, SPD, n=9),
    Case("eigh_vectors", lambda x: _sign_free(ops.linalg.eigh((x + x.mT) / 2)[1]), lambda x: _sign_free(np.linalg.eigh(x)[1]), M33, SPD, n=27),
    Case("svd_values", lambda x: ops.linalg.svd(x)[1], lambda x: np.linalg.svd(x)[1], ((3, 4),), REGULAR, n=12),
    Case("svd_u", lambda x: _sign_free(ops.linalg.svd(x)[0]), lambda x: _sign_free(np.linalg.svd(x, False)[0]), ((4, 3),), REGULAR, n=48),
    Case("svd_vh", lambda x: _sign_free(ops.linalg.svd(x)[2]), lambda x: _sign_free(np.linalg.svd(x, False)[2]), ((2, 4),), REGULAR, n=48),
    Case("svd_product", lambda x: (lambda u, s, v: (u * s.exp()) @ v)(*ops.linalg.svd(x)), None, ((3, 3),), REGULAR, n=48),
    Case("pinv", ops.linalg.pinv, np.linalg.pinv, ((4, 2),), REGULAR, n=48),
    Case("matrix_power", ops.linalg.matrix_power, np.linalg.matrix_power, M33, settings={"n": 3}, n=27),
    # further functions
    Case("cbrt", ops.cbrt, np.cbrt, M23, KINKED),
    Case("exp2", ops.exp2, np.exp2, M23),
    Case("hypot", ops.hypot, np.hypot, ((2, 3), (2, 3)), POSITIVE),
    Case("erfc", ops.erfc, lambda x: 1 - erf(x), M23),
    Case("deg2rad", ops.deg2rad, np.deg2rad, M23),
    Case("rad2deg", ops.rad2deg, np.rad2deg, M23),
    Case("diff", ops.diff, np.diff, ((3, 5),), settings={"n": 2}),
    Case("average", lambda x, w: ops.average(x, 1, w), lambda x, w: np.average(x, 1, w), ((3, 5), (5,)), POSITIVE, n=5),
    Case("moments", ops.moments, lambda x, axes: (x.mean(axes), x.var(axes)), ((3, 5),), settings={"axes": 0}, n=3),
    Case("normalize", ops.normalize, lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True), ((3, 5),), POSITIVE, n=5),
    Case("normalize_1", ops.normalize, lambda x, order: x / np.abs(x).sum(-1, keepdims=True), ((3, 5),), POSITIVE, {"order": 1}, n=5),
    Case("ptp", ops.ptp, lambda x, axis: np.ptp(x, axis), ((3, 5),), DISTINCT, {"axis": 0}),
    Case("logdet", ops.logdet, lambda x: np.linalg.slogdet(x)[1], M33, REGULAR, n=9),
    Case("inner", ops.inner, np.inner, ((2, 4), (3, 4)), n=4),
    Case("vdot", ops.vdot, np.vdot, ((2, 3), (2, 3)), n=6),
    Case("hstack", lambda a, b: ops.hstack([a, b]), lambda a, b: np.hstack([a, b]), ((2, 3), (2, 1))),
    Case("vstack", lambda a, b: ops.vstack([a, b]), lambda a, b: np.vstack([a, b]), ((3,), (2, 3))),
    *[Case(f"rot90_{k}", ops.rot90, np.rot90, ((2, 3, 2),), settings={"k": k}) for k in range(-1, 4)],
    Case("fliplr", ops.fliplr, np.fliplr, M23),
    Case("flipud", ops.flipud, np.flipud, M23),
    # networks
    Case("softmax", ops.softmax, softmax, ((3, 4),), n=4),
    Case("softmax_axis", ops.softmax, softmax, ((2, 3, 4),), settings={"axis": 1}, n=3),
    Case("softmax_axes", ops.softmax, softmax, ((2, 3, 4),), settings={"axis": (0, 2)}, n=8),
    Case("log_softmax", ops.log_softmax, lambda x: np.log(softmax(x)), ((3, 4),), n=4),
    Case("log_softmax_axis", ops.log_softmax, lambda x, axis: np.log(softmax(x, axis)), ((3, 4),), settings={"axis": 0}, n=4),
    Case("glu", ops.glu, lambda x: x[:, :2] * sigmoid(x[:, 2:]), ((3, 4),)),
    Case("sparse_categorical_crossentropy", lambda x: ops.sparse_categorical_crossentropy(LABELS, x, True), lambda x: -np.log(softmax(x))[np.arange(5), LABELS], ((5, 4),), n=4),
    Case("sparse_categorical_crossentropy_p", lambda x: ops.sparse_categorical_crossentropy(LABELS, x), lambda x: -np.log(x / x.sum(-1, keepdims=True))[np.arange(5), LABELS], ((5, 4),), POSITIVE, n=4),
    Case("categorical_crossentropy", lambda t, x: ops.categorical_crossentropy(t, x, True), lambda t, x: -(t * np.log(softmax(x))).sum(-1), ((3, 4), (3, 4)), n=4),
    Case("categorical_crossentropy_p", ops.categorical_crossentropy, lambda t, x: -(t * np.log(x / x.sum(-1, keepdims=True))).sum(-1), ((3, 4), (3, 4)), POSITIVE, n=4),
    Case("binary_crossentropy", lambda t, x: ops.binary_crossentropy(t, x, True), lambda t, x: softplus(x) - t * x, ((3, 4), (3, 4))),
    Case("binary_crossentropy_p", ops.binary_crossentropy, lambda t, x: -(t * np.log(x) + (1 - t) * np.log(1 - x)), ((3, 4), (3, 4)), ("any", 0.1, 0.9)),
    Case("conv", ops.conv, _conv, ((2, 5, 6, 3), (3, 2, 3, 4)), n=18),
    Case("conv_same", ops.conv, lambda x, w, padding: _conv(_same(x, w.shape[:2]), w), ((1, 4, 5, 2), (3, 2, 2, 3)), settings={"padding": "same"}, n=12),
    Case("conv_strides", ops.conv, lambda x, w, strides: _conv(x, w, strides), ((1, 5, 7, 2), (2, 3, 2, 3)), settings={"strides": (2, 3)}, n=12),
    Case("conv_dilated", ops.conv, None, ((1, 6, 7, 2), (2, 3, 2, 3)), settings={"dilation_rate": (2, 1), "padding": "same"}, n=12),
    Case("conv_groups", ops.conv, None, ((1, 4, 4, 4), (2, 2, 2, 6)), n=8),
    Case("conv_1d", ops.conv, lambda x, w: _conv(x[:, None], w[None])[:, 0], ((2, 6, 3), (3, 3, 4)), n=9),
    Case("conv_causal", ops.conv, lambda x, w, padding: _conv(np.pad(x, ((0, 0), (2, 0), (0, 0)))[:, None], w[None])[:, 0], ((2, 6, 3), (3, 3, 4)), settings={"padding": "causal"}, n=9),
    Case("conv_first", ops.conv, lambda x, w, data_format: np.moveaxis(_conv(np.moveaxis(x, 1, -1), w), -1, 1), ((2, 3, 4, 5), (2, 2, 3, 2)), settings={"data_format": "channels_first"}, n=12),
    Case("conv_bias_tanh", lambda x, w, b: ops.conv(x, w, bias=b, activation="tanh"), lambda x, w, b: np.tanh(_conv(x, w) + b), ((1, 4, 4, 2), (2, 2, 2, 3), (3,)), n=8),
    Case("conv_transpose", ops.conv_transpose, lambda x, w, strides: _transposed(x, w, strides), ((2, 3, 4, 3), (3, 3, 2, 3)), settings={"strides": 2}, n=12),
    Case("conv_transpose_same", ops.conv_transpose, None, ((1, 3, 4, 2), (3, 3, 3, 2)), settings={"strides": 2, "padding": "same"}, n=12),
    Case("conv_transpose_1d", ops.conv_transpose, lambda x, w: _transposed(x[:, None], w[None], 1)[:, 0], ((2, 4, 3), (2, 5, 3)), n=9),
    Case("depthwise_conv", ops.depthwise_conv, lambda x, w: np.einsum("npqcij,ijcm->npqcm", _windows(x, w.shape[:2], (1, 1)), w).reshape(1, 4, 4, 6), ((1, 5, 5, 3), (2, 2, 3, 2)), n=4),
    Case("separable_conv", ops.separable_conv, None, ((1, 5, 5, 3), (2, 2, 3, 2), (1, 1, 6, 4)), n=24),
    Case("max_pool", ops.max_pool, lambda x, pool_size: _windows(x, (2, 2), (2, 2)).max((-1, -2)), ((2, 4, 6, 3),), DISTINCT, {"pool_size": 2}),
    Case("max_pool_overlap", ops.max_pool, lambda x, **k: _windows(x, (3, 2), (1, 2)).max((-1, -2)), ((1, 5, 6, 2),), DISTINCT, {"pool_size": (3, 2), "strides": (1, 2)}),
    Case("max_pool_same", ops.max_pool, None, ((1, 5, 5, 2),), DISTINCT, {"pool_size": 3, "strides": 2, "padding": "same"}),
    Case("max_pool_1d", ops.max_pool, lambda x, pool_size: _windows(x[:, None], (1, 2), (1, 2)).max((-1, -2))[:, 0], ((2, 6, 3),), DISTINCT, {"pool_size": 2}),
    Case("average_pool", ops.average_pool, lambda x, pool_size: _windows(x, (2, 2), (2, 2)).mean((-1, -2)), ((2, 4, 6, 3),), settings={"pool_size": 2}, n=4),
    Case("adaptive_average_pool", ops.adaptive_average_pool, lambda x, output_size: _adaptive(x, output_size, np.mean), ((2, 5, 7, 3),), settings={"output_size": (2, 3)}),
    Case("adaptive_average_pool_1d", ops.adaptive_average_pool, lambda x, output_size: _adaptive(x[:, None], (1, 6), np.mean)[:, 0], ((2, 4, 3),), settings={"output_size": 6}),
    Case("adaptive_max_pool", ops.adaptive_max_pool, lambda x, output_size: _adaptive(x, (3, 3), np.max), ((2, 5, 6, 2),), DISTINCT, {"output_size": 3}),
    Case("average_pool_same", ops.average_pool, None, ((1, 5, 5, 2),), settings={"pool_size": 3, "strides": 2, "padding": "same"}, n=9),
]  # fmt: skip
