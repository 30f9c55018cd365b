# ruff: noqa: E501 # a table is read by its rows
"""Values and gradients of every op that PyTorch has too, on random shapes and at awkward points."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import ops

torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
F = torch.nn.functional

AWKWARD = np.array(
    [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.5, 6.0, 7.0, -4.0, 1e-3, -1e-3, 40.0, -40.0]
)
POSITIVE = np.array([0.0, 1e-6, 0.3, 1.0, 2.5, 1e3])
UNIT = np.array([0.0, 0.5, -0.5, 0.99, -0.99])


def rows(x):
    return x.reshape(-1, 4)


UNARY = {
    **{name: (getattr(ops, name), getattr(torch, name), AWKWARD) for name in
       "abs negative sign exp expm1 sin cos tan atan sinh cosh tanh asinh square erf floor ceil trunc round sigmoid relu".split()},
    **{name: (getattr(ops, name), getattr(torch, name), POSITIVE) for name in
       "log log1p log2 log10 sqrt rsqrt reciprocal".split()},
    **{name: (getattr(ops, name), getattr(torch, name), UNIT) for name in "asin acos atanh".split()},
    "acosh": (ops.acosh, torch.acosh, np.array([1.5, 2.0, 1e3])),
    "relu6": (ops.relu6, F.relu6, AWKWARD),
    "elu": (ops.elu, F.elu, AWKWARD),
    "celu": (ops.celu, F.celu, AWKWARD),
    "selu": (ops.selu, F.selu, AWKWARD),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.01), F.leaky_relu, AWKWARD),
    "gelu": (lambda x: ops.gelu(x, approximate=False), F.gelu, AWKWARD),
    "gelu_tanh": (ops.gelu, lambda x: F.gelu(x, approximate="tanh"), AWKWARD),
    "silu": (ops.silu, F.silu, AWKWARD),
    "softplus": (ops.softplus, lambda x: F.softplus(x, threshold=1e3), AWKWARD),
    "softsign": (ops.softsign, F.softsign, AWKWARD),
    "mish": (ops.mish, F.mish, AWKWARD),
    "hard_sigmoid": (ops.hard_sigmoid, F.hardsigmoid, np.append(AWKWARD, [3.0, -3.0])),
    "hard_silu": (ops.hard_silu, F.hardswish, AWKWARD),
    "hard_tanh": (ops.hard_tanh, lambda x: torch.clamp(x, -1, 1), AWKWARD),
    "hard_shrink": (ops.hard_shrink, F.hardshrink, AWKWARD),
    "soft_shrink": (ops.soft_shrink, F.softshrink, AWKWARD),
    "tanh_shrink": (ops.tanh_shrink, F.tanhshrink, AWKWARD),
    "log_sigmoid": (ops.log_sigmoid, F.logsigmoid, np.append(AWKWARD, [1e4, -1e4])),
    "pow 2": (lambda x: x**2, lambda x: x**2, AWKWARD),
    "pow 0": (lambda x: x**0, lambda x: x**0, AWKWARD),
    "pow 0.5": (lambda x: x**0.5, lambda x: x**0.5, POSITIVE),
    "scalar pow": (lambda x: 2.0**x, lambda x: 2.0**x, AWKWARD),
    "zero pow": (lambda x: 0.0**x, lambda x: 0.0**x, np.array([0.5, 1.0, 3.0])),
    "clip": (lambda x: ops.clip(x, -1, 2), lambda x: torch.clamp(x, -1, 2), AWKWARD),
    "softmax": (lambda x: ops.softmax(rows(x)), lambda x: F.softmax(rows(x), -1), AWKWARD * 250),
    "log_softmax": (lambda x: ops.log_softmax(rows(x)), lambda x: F.log_softmax(rows(x), -1), AWKWARD * 250),
    "logsumexp": (lambda x: ops.logsumexp(rows(x), -1), lambda x: torch.logsumexp(rows(x), -1), AWKWARD * 250),
    "max": (ops.max, torch.amax, np.array([1.0, 3.0, 3.0, 2.0])),
    "min": (ops.min, torch.amin, np.array([1.0, 1.0, 3.0, 2.0])),
    "norm at 0": (ops.norm, torch.linalg.vector_norm, np.zeros(3)),
    "norm": (ops.norm, torch.linalg.vector_norm, AWKWARD),
    "norm 1": (lambda x: ops.norm(x, 1, 0), lambda x: torch.linalg.vector_norm(x, 1), AWKWARD),
    "norm 3": (lambda x: ops.norm(x, 3, 0), lambda x: torch.linalg.vector_norm(x, 3), AWKWARD),
    "std of equal": (ops.std, lambda x: torch.std(x, correction=0), np.ones(3)),
    "prod with a zero": (ops.prod, torch.prod, np.array([2.0, 0.0, 3.0])),
    "prod with zeros": (ops.prod, torch.prod, np.array([2.0, 0.0, 0.0])),
    "cumprod with a zero": (ops.cumprod, lambda x: torch.cumprod(x, 0), np.array([2.0, 0.0, 3.0, 4.0])),
}  # fmt: skip

BINARY = {
    "add": (ops.add, torch.add), "subtract": (ops.subtract, torch.sub),
    "multiply": (ops.multiply, torch.mul), "divide": (ops.divide, torch.div),
    "maximum": (ops.maximum, torch.maximum), "minimum": (ops.minimum, torch.minimum),
    "atan2": (ops.atan2, torch.atan2), "logaddexp": (ops.logaddexp, torch.logaddexp),
    "remainder": (ops.remainder, torch.remainder),
    "pow": (lambda a, b: ops.pow(ops.abs(a) + 0.1, b), lambda a, b: torch.pow(torch.abs(a) + 0.1, b)),
    "where": (lambda a, b: ops.where(ops.greater(a, b), a, b), lambda a, b: torch.where(a > b, a, b)),
}  # fmt: skip

SHAPED = {
    "sum": ((2, 3, 4), lambda x: ops.sum(x, (0, 2)), lambda x: torch.sum(x, (0, 2))),
    "mean": ((2, 3, 4), lambda x: ops.mean(x, 1, True), lambda x: torch.mean(x, 1, True)),
    "var": ((3, 5), lambda x: ops.var(x, 1, 1), lambda x: torch.var(x, 1)),
    "std": ((3, 5), lambda x: ops.std(x, 0), lambda x: torch.std(x, 0, correction=0)),
    "amax": ((3, 5), lambda x: ops.max(x, 1), lambda x: torch.amax(x, 1)),
    "prod": ((3, 4), lambda x: ops.prod(x, 1), lambda x: torch.prod(x, 1)),
    "cumsum": ((3, 4), lambda x: ops.cumsum(x, 1), lambda x: torch.cumsum(x, 1)),
    "cumprod": ((3, 4), lambda x: ops.cumprod(x, 1), lambda x: torch.cumprod(x, 1)),
    "sort": ((3, 4), lambda x: ops.sort(x, 1), lambda x: torch.sort(x, 1)[0]),
    "topk": ((3, 6), lambda x: ops.topk(x, 2)[0], lambda x: torch.topk(x, 2)[0]),
    "median": ((3, 5), lambda x: ops.median(x, 1), lambda x: torch.median(x, 1)[0]),
    "roll": ((3, 4), lambda x: ops.roll(x, (1, 2), (0, 1)), lambda x: torch.roll(x, (1, 2), (0, 1))),
    "flip": ((3, 4), lambda x: ops.flip(x, 0), lambda x: torch.flip(x, (0,))),
    "tile": ((3, 4), lambda x: ops.tile(x, (2, 1, 2)), lambda x: torch.tile(x, (2, 1, 2))),
    "repeat": ((3, 4), lambda x: ops.repeat(x, 2, 1), lambda x: torch.repeat_interleave(x, 2, 1)),
    "tril": ((3, 4), lambda x: ops.tril(x, 1), lambda x: torch.tril(x, 1)),
    "triu": ((3, 4), lambda x: ops.triu(x, -1), lambda x: torch.triu(x, -1)),
    "diagonal": ((2, 3, 4), lambda x: ops.diagonal(x, 1, 1, 2), lambda x: torch.diagonal(x, 1, 1, 2)),
    "pad": ((2, 3), lambda x: ops.pad(x, ((1, 2), (0, 1))), lambda x: F.pad(x, (0, 1, 1, 2))),
    "stack": ((2, 3), lambda x: ops.stack([x, x * 2], 1), lambda x: torch.stack([x, x * 2], 1)),
    "concat": ((2, 3), lambda x: ops.concat([x, x * 2], 1), lambda x: torch.cat([x, x * 2], 1)),
    "gather": ((3, 4), lambda x: ops.gather(x, np.array([[0, 1], [3, 3], [2, 0]]), 1), lambda x: torch.gather(x, 1, torch.tensor([[0, 1], [3, 3], [2, 0]]))),
    "take": ((5, 4), lambda x: ops.take(x, [4, 0, 4], 0), lambda x: x[[4, 0, 4]]),
    "mask": ((3, 4), lambda x: x[x > 0], lambda x: x[x > 0]),
    "einsum": ((2, 3, 4), lambda x: ops.einsum("bij,bkj->bik", x, x), lambda x: torch.einsum("bij,bkj->bik", x, x)),
    "matmul": ((2, 3, 4), lambda x: x @ x.mT, lambda x: x @ x.mT),
    "inv": ((3, 3), lambda x: ops.linalg.inv(x + 3 * np.eye(3)), lambda x: torch.linalg.inv(x + 3 * torch.eye(3))),
    "det": ((3, 3), ops.linalg.det, torch.linalg.det),
    "slogdet": ((3, 3), lambda x: ops.linalg.slogdet(x)[1], lambda x: torch.linalg.slogdet(x)[1]),
    "solve": ((3, 3), lambda x: ops.linalg.solve(x + 3 * np.eye(3), x), lambda x: torch.linalg.solve(x + 3 * torch.eye(3), x)),
    "cholesky": ((3, 3), lambda x: ops.linalg.cholesky(x @ x.mT + np.eye(3)), lambda x: torch.linalg.cholesky(x @ x.mT + torch.eye(3))),
    "eigvalsh": ((3, 3), lambda x: ops.linalg.eigvalsh(x + x.mT), lambda x: torch.linalg.eigvalsh(x + x.mT)),
    "svdvals": ((3, 4), ops.linalg.svdvals, torch.linalg.svdvals),
    "pinv": ((4, 2), ops.linalg.pinv, torch.linalg.pinv),
    "nuclear norm": ((3, 4), lambda x: ops.norm(x, "nuc"), lambda x: torch.linalg.matrix_norm(x, "nuc")),
    "matrix norm 2": ((3, 4), lambda x: ops.norm(x, 2), lambda x: torch.linalg.matrix_norm(x, 2)),
    "cross_entropy": ((3, 4), lambda x: ops.sparse_categorical_crossentropy([0, 3, 1], x, True), lambda x: F.cross_entropy(x, torch.tensor([0, 3, 1]), reduction="none")),
    "soft cross_entropy": ((3, 4), lambda x: ops.categorical_crossentropy(np.full((3, 4), 0.25), x, True), lambda x: F.cross_entropy(x, torch.full((3, 4), 0.25, dtype=torch.float64), reduction="none")),
    "bce with logits": ((3, 4), lambda x: ops.binary_crossentropy(np.full((3, 4), 0.3), 50 * x, True), lambda x: F.binary_cross_entropy_with_logits(50 * x, torch.full((3, 4), 0.3, dtype=torch.float64), reduction="none")),
    "glu": ((3, 4), ops.glu, F.glu),
}  # fmt: skip


def compare(ours, theirs, *arrays, rtol=1e-9):
    """Values, and gradients of a random weighting of them."""
    a = [tg.Tensor(x.copy(), requires_grad=True) for x in arrays]
    b = [torch.tensor(x.copy(), requires_grad=True) for x in arrays]
    y, z = ours(*a), theirs(*b)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=rtol, atol=1e-12)
    if not z.requires_grad:
        return
    g = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(tg.Tensor(g))
    z.backward(torch.tensor(g).reshape(z.shape))
    for p, q in zip(a, b, strict=True):
        expected = np.zeros(p.shape) if q.grad is None else q.grad.numpy()
        found = np.zeros(p.shape) if p.grad is None else p.grad.data
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-11)


@pytest.mark.parametrize("name", UNARY)
def test_awkward_points(name):
    ours, theirs, x = UNARY[name]
    # PyTorch keeps the constants of some activations in float32
    compare(ours, theirs, x, rtol=1e-7 if name.startswith(("gelu", "hard")) else 1e-9)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("seed", range(3))
def test_binary_on_random_shapes(name, seed):
    ours, theirs = BINARY[name]
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 5, rng.integers(1, 4))
    a, b = rng.standard_normal(shape), rng.standard_normal(shape[1:] if seed == 1 else shape)
    if name in ("maximum", "minimum"):
        a.flat[0] = b.flat[0]  # a tie
    compare(ours, theirs, a, b)


@pytest.mark.parametrize("name", SHAPED)
def test_shaped(name):
    shape, ours, theirs = SHAPED[name]
    torch.set_default_dtype(torch.float64)
    try:
        compare(ours, theirs, np.random.default_rng(2).standard_normal(shape), rtol=1e-7)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("value", [1e4, -1e4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_of_softmax_and_log_sigmoid(value, dtype):
    x = np.array([value, 0.0, value], dtype)
    for ours, theirs in [
        (ops.softmax, lambda x: F.softmax(x, -1)),
        (ops.log_softmax, lambda x: F.log_softmax(x, -1)),
        (ops.log_sigmoid, F.logsigmoid),
        (ops.logsumexp, lambda x: torch.logsumexp(x, -1)),
    ]:
        a, b = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        y.sum().backward()
        z.sum().backward()
        np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-6)
        # PyTorch's logsumexp subtracts two large numbers for its gradient, ours does not
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-3, atol=1e-7)


def nchw(x):
    return x.permute(0, x.ndim - 1, *range(1, x.ndim - 1))


def nhwc(x):
    return x.permute(0, *range(2, x.ndim), 1)


def oihw(w):
    return w.permute(w.ndim - 1, w.ndim - 2, *range(w.ndim - 2))


@pytest.mark.parametrize("seed", range(6))
def test_convolution_on_random_shapes(seed):
    rng = np.random.default_rng(seed)
    n, groups, c, o = 2, int(rng.integers(1, 3)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    k, s, d = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(3))
    size = [int(v) for v in rng.integers(7, 11, 2)]
    x, w = rng.standard_normal((n, *size, c * groups)), rng.standard_normal((*k, c, o * groups))
    compare(
        lambda x, w: ops.conv(x, w, s, "valid", dilation_rate=d),
        lambda x, w: nhwc(F.conv2d(nchw(x), oihw(w), None, s, 0, d, groups)),
        x, w,
    )  # fmt: skip
    w = rng.standard_normal((*k, o, c * groups))
    s = tuple(min(a, b) for a, b in zip(s, k, strict=True))
    compare(
        lambda x, w: ops.conv_transpose(x, w, s),
        lambda x, w: nhwc(F.conv_transpose2d(nchw(x), oihw(w), None, s)),
        x, w,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_pooling_on_random_shapes(seed):
    rng = np.random.default_rng(seed)
    k, s = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(2))
    x = rng.standard_normal((2, *rng.integers(4, 9, 2), 3))
    for ours, theirs in ((ops.max_pool, F.max_pool2d), (ops.average_pool, F.avg_pool2d)):
        compare(lambda x, f=ours: f(x, k, s), lambda x, f=theirs: nhwc(f(nchw(x), k, s)), x)


def test_conv_1d():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 9, 3)), rng.standard_normal((3, 3, 4))
    compare(
        lambda x, w: ops.conv(x, w, 2),
        lambda x, w: nhwc(F.conv1d(nchw(x), oihw(w), stride=2)),
        x,
        w,
    )


def test_second_order_agrees():
    x0 = np.random.default_rng(0).standard_normal((2, 3))

    def twice(grad, softmax, x):
        y = (softmax(x) ** 2).sum()
        (g,) = grad(y, (x,), create_graph=True)
        return grad((g**3).sum(), (x,))[0]

    ours = twice(tg.grad, ops.softmax, tg.Tensor(x0, requires_grad=True))
    theirs = twice(
        torch.autograd.grad, lambda x: x.softmax(-1), torch.tensor(x0, requires_grad=True)
    )
    np.testing.assert_allclose(ours.data, theirs.numpy(), rtol=1e-9, atol=1e-14)
    assert math.isfinite(ours.sum().item())
