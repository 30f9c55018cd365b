"""For tests, ours and yours: are the gradients right, are two results close enough?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .autograd import grad
from .op import Value, wrap
from .tensor import Tensor


def tolerance(dtype: Any, n: int = 1) -> float:
    """The relative error to allow a result of dtype that sums up n products: rounding errors add up
    like a random walk, so it grows with the square root of n."""
    return float(np.finfo(dtype).eps) * 16 * max(1.0, float(n)) ** 0.5


def assert_close(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, n: int = 1
) -> None:
    """Raise AssertionError unless shapes, dtypes and values agree, NaN with NaN.

    Args:
        rtol, atol: relative and absolute error; by default from the dtype and ``n``, the length of
            the sums behind each element.

    >>> tg.testing.assert_close(tg.tensor([1.0]) / 3, tg.tensor([1 / 3]))
    """
    a, b = (x.data if isinstance(x, Value) else np.asarray(x) for x in (actual, expected))
    if a.shape != b.shape or a.dtype != b.dtype:
        raise AssertionError(
            f"[assert_close] Expected {b.shape} {b.dtype}, received {a.shape} {a.dtype}."
        )
    default = tolerance(a.dtype, n) if a.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(
        a, b, default if rtol is None else rtol, default if atol is None else atol
    )


def check_grads(
    f: Callable[..., Any],
    *xs: Any,
    order: int = 2,
    eps: float = 1e-5,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Raise AssertionError unless the gradients of f agree with finite differences.

    In float64, along random directions u and for random weights v of the outputs, the slope <grad,
    u> of <v, f(x)> is compared with (f(x + eps u) - f(x - eps u)) / (2 eps). For order 2 and more
    the same is asked of the gradient itself, as a function of x and v. f must be smooth near xs.

    Args:
        f: takes as many Tensors as there are xs, returns a Tensor or several.
        xs: arrays or Tensors; floats are differentiated, others passed on.

    >>> tg.testing.check_grads(lambda x: x.exp().sum(), np.array([0.0, 1.0]))
    """
    rng = np.random.default_rng(seed)
    arrays = [x.data if isinstance(x, Value) else np.asarray(x) for x in xs]
    floats = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
    points = [arrays[i].astype(np.float64) for i in floats]

    def of_floats(*values: Any) -> tuple[Any, ...]:
        whole: list[Any] = [*arrays]
        for i, value in zip(floats, values, strict=True):
            whole[i] = value
        y = f(*whole)
        outputs = y if isinstance(y, (tuple, list)) else (y,)
        return tuple([y for y in outputs if y.dtype.kind == "f"])

    _check(of_floats, points, order, 1, eps, rtol, atol, rng)


def _check(
    f: Callable[..., tuple[Any, ...]],
    points: list[np.ndarray],
    orders: int,
    order: int,
    eps: float,
    rtol: float,
    atol: float,
    rng: Any,
) -> None:
    inputs = [Tensor(x.copy(), requires_grad=True) for x in points]
    outputs = f(*inputs)
    weights = [rng.standard_normal(y.shape) for y in outputs]

    def slopes(*tensors: Any) -> tuple[Any, ...]:
        """The gradients of the weighted sum of the outputs."""
        xs, vs = tensors[: len(points)], tensors[len(points) :]
        pairs = [(y, v) for y, v in zip(f(*xs), vs, strict=True) if y.node is not None]
        ys, seeds = [y for y, _ in pairs], [v for _, v in pairs]
        found = grad(ys, xs, seeds, create_graph=True, allow_unused=True)
        zeros = [wrap(np.zeros(x.shape)) for x in xs]
        return tuple([z if g is None else g for g, z in zip(found, zeros, strict=True)])

    def value(moved: list[np.ndarray]) -> float:
        ys = f(*[Tensor(x, requires_grad=True) for x in moved])
        return sum(float((y.data * v).sum()) for y, v in zip(ys, weights, strict=True))

    found = slopes(*inputs, *[Tensor(v) for v in weights])
    for i, x in enumerate(points):
        u = rng.standard_normal(x.shape)
        ahead, behind = (
            value([p + sign * eps * u if j == i else p for j, p in enumerate(points)])
            for sign in (1, -1)
        )
        expected = (ahead - behind) / (2 * eps)
        actual = float((found[i].data * u).sum())
        scale = max(abs(expected), float(np.abs(found[i].data * u).sum()))
        if not abs(actual - expected) <= atol + rtol * scale:
            raise AssertionError(
                f"[check_grads] Order {order}, input {i} of shape {x.shape}: along a random "
                f"direction the gradient says {actual:.9g}, finite differences say {expected:.9g} "
                f"(difference {abs(actual - expected):.2g}, allowed {atol + rtol * scale:.2g})."
            )
    if order < orders:
        _check(slopes, [*points, *weights], orders, order + 1, eps, rtol, atol, rng)
