"""New tensors: constants made from a shape. Their default dtype is float32, as everywhere here."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Placeholder, Value, apply_as_one, as_one, to_array, wrap

FLOAT = np.dtype(np.float32)


def asarray(x: Any, dtype: Any = None) -> Any:
    """x as a Tensor: a Tensor as it is, an array without a copy, a number or lists as float32.

    >>> tg.ops.asarray([1, 2])
    Tensor([1., 2.])
    """
    if isinstance(x, Value):
        return x if dtype is None or x.data.dtype == dtype else wrap(to_array(x, dtype))
    if isinstance(x, Placeholder):  # a symbolic tensor: ops hand themselves over to it
        return x
    return wrap(to_array(x, dtype))


def zeros(shape: Any, dtype: Any = None) -> Any:
    """A tensor of zeros.

    >>> tg.ops.zeros((2,))
    Tensor([0., 0.])
    """
    return wrap(np.zeros(shape, dtype or FLOAT))


def ones(shape: Any, dtype: Any = None) -> Any:
    """A tensor of ones.

    >>> tg.ops.ones((2,), dtype="float64")
    Tensor([1., 1.], dtype=float64)
    """
    return wrap(np.ones(shape, dtype or FLOAT))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A tensor with one value everywhere.

    >>> tg.ops.full((2,), 7)
    Tensor([7., 7.])
    """
    value = to_array(fill_value, dtype)
    if isinstance(fill_value, Value):
        return wrap(filled(_shape(shape), value.dtype, value))
    return wrap(np.full(shape, value, value.dtype))


def empty(shape: Any, dtype: Any = None) -> Any:
    """A tensor whose values are whatever the memory held."""
    return wrap(kernels.empty(_shape(shape), np.dtype(dtype or FLOAT)))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """start, start + step, ... before stop; ``arange(n)`` is 0 ... n - 1. Integers give int64.

    >>> tg.ops.arange(3)
    Tensor([0, 1, 2], dtype=int64)
    >>> tg.ops.arange(0.0, 1.0, 0.5)
    Tensor([0. , 0.5])
    """
    start, stop = (0, start) if stop is None else (start, stop)
    if dtype is None and any(isinstance(x, (float, np.floating)) for x in (start, stop, step)):
        dtype = FLOAT
    return wrap(np.arange(start, stop, step, dtype=dtype))


def linspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Any = None
) -> Any:
    """``num`` numbers at equal steps from start to stop (with it, if ``endpoint``).

    >>> tg.ops.linspace(0, 1, 3)
    Tensor([0. , 0.5, 1. ])
    """
    return wrap(np.linspace(start, stop, num, endpoint, dtype=dtype or FLOAT))


def eye(n: int, m: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """An (n, m) matrix with ones on the k-th diagonal, zeros elsewhere.

    >>> tg.ops.eye(2)
    Tensor([[1., 0.],
            [0., 1.]])
    """
    return wrap(np.eye(n, m, k, dtype or FLOAT))


@as_one
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape and dtype of x."""
    if isinstance(x, Placeholder):
        return apply_as_one(zeros_like, x, dtype)
    x = asarray(x).data
    return wrap(np.zeros(x.shape, dtype or x.dtype))


@as_one
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape and dtype of x."""
    if isinstance(x, Placeholder):
        return apply_as_one(ones_like, x, dtype)
    x = asarray(x).data
    return wrap(np.ones(x.shape, dtype or x.dtype))


@as_one
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """One value everywhere, in the shape and dtype of x."""
    if isinstance(x, Placeholder) or isinstance(fill_value, Placeholder):
        return apply_as_one(full_like, x, fill_value, dtype)
    x = asarray(x).data
    return full(x.shape, fill_value, dtype or x.dtype)


@as_one
def empty_like(x: Any, dtype: Any = None) -> Any:
    """Memory as it was, in the shape and dtype of x."""
    if isinstance(x, Placeholder):
        return apply_as_one(empty_like, x, dtype)
    x = asarray(x).data
    return empty(x.shape, dtype or x.dtype)


def filled(shape: tuple[int, ...], dtype: Any, value: Any = 0) -> np.ndarray:
    """An array with one value everywhere, made by a kernel (so that a captured step fills it
    anew)."""
    return kernels.copy(np.broadcast_to(np.asarray(value, dtype), shape))


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, builtins.list)) else (int(shape),)
