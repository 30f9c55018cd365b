"""NumPy's functions on Tensors: ``np.exp(t)``, ``array + t``, ``np.concatenate([t, u])`` compute
here, and are recorded.

NumPy hands a call over when an argument has ``__array_ufunc__`` or ``__array_function__`` (NEP 13
and 18). Two tables say which function of ``ops`` stands for which of NumPy's. What has no entry
raises TypeError: a silent conversion to an array would lose the gradient.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import array_api, ops
from .mode import value_of
from .op import Value

SAME_NAME = (
    "add subtract multiply divide negative positive power floor_divide remainder exp expm1 log "
    "log1p log2 log10 sqrt square reciprocal sign sin cos tan sinh cosh tanh floor ceil trunc "
    "maximum minimum logaddexp equal not_equal less less_equal greater greater_equal logical_and "
    "logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor isnan isinf isfinite "
    "matmul vecdot cbrt hypot exp2 deg2rad rad2deg"
).split()
UFUNCS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): getattr(ops, name) for name in SAME_NAME if hasattr(np, name)},
    np.absolute: ops.abs,
    np.fabs: ops.abs,
    np.invert: ops.bitwise_invert,
    np.arcsin: ops.asin,
    np.arccos: ops.acos,
    np.arctan: ops.atan,
    np.arctan2: ops.atan2,
    np.arcsinh: ops.asinh,
    np.arccosh: ops.acosh,
    np.arctanh: ops.atanh,
    np.rint: ops.round,
    np.radians: ops.deg2rad,
    np.degrees: ops.rad2deg,
}
REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: ops.sum,
    np.multiply: ops.prod,
    np.maximum: ops.max,
    np.minimum: ops.min,
    np.logical_and: ops.all,
    np.logical_or: ops.any,
    np.logaddexp: ops.logsumexp,
}
ACCUMULATIONS: dict[Any, Callable[..., Any]] = {np.add: ops.cumsum, np.multiply: ops.cumprod}


def ufunc(function: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``Tensor.__array_ufunc__`` returns: the same computed by ``ops``."""
    dtype = kwargs.pop("dtype", None)
    out = kwargs.pop("out", None)
    keywords = {name: value for name, value in kwargs.items() if value is not np._NoValue}
    if method == "__call__" and function in UFUNCS and not keywords:
        result = UFUNCS[function](*inputs)
    elif method == "reduce" and function in REDUCTIONS and {"axis", "keepdims"} >= keywords.keys():
        result = REDUCTIONS[function](*inputs, **{"axis": 0, **keywords})
    elif method == "accumulate" and function in ACCUMULATIONS and {"axis"} >= keywords.keys():
        result = ACCUMULATIONS[function](*inputs, **{"axis": 0, **keywords})
    elif method == "outer" and function in UFUNCS and len(inputs) == 2:
        a, b = map(ops.asarray, inputs)
        result = UFUNCS[function](ops.reshape(a, shape=(*a.shape, *(1,) * b.ndim)), b)
    else:
        extra = f" with {sorted(kwargs)}" if kwargs else ""
        raise _unknown(
            f"np.{function.__name__}{'' if method == '__call__' else '.' + method}{extra}"
        )
    if dtype is not None:
        result = ops.astype(result, dtype)
    return result if out is None else _store(result, out)


def _store(result: Any, out: tuple[Any, ...]) -> Any:
    """Write into ``out=``: into a Tensor with its checks, into an array only what has no
    gradient."""
    (target,) = out
    if isinstance(target, Value):
        target[...] = result  # type: ignore[index] # a Tensor, which checks the write
    elif result.node is not None:
        raise TypeError(
            "[numpy] Writing a tensor that requires grad to an array would lose its gradient. "
            "Expected detach(), or an expression that makes a new tensor."
        )
    else:
        np.copyto(target, value_of(result.data, "out= with an array"), casting="same_kind")
    return target


def function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``Tensor.__array_function__`` returns: the same computed by ``ops``."""
    ours = FUNCTIONS.get(func)
    if ours is None:
        raise _unknown(f"{func.__module__.replace('numpy', 'np')}.{func.__name__}")
    args, kwargs = _by_name(func, args, kwargs)
    for name, other in RENAMED:
        if name in kwargs:
            kwargs[other] = kwargs.pop(name)
    return ours(*args, **kwargs)


def _by_name(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments after the second by name, for their order is NumPy's (``np.sum(a, axis, dtype)``),
    and none of them that says what holds anyway (``out=None``)."""
    if len(args) < 3 and not kwargs:
        return args, kwargs
    try:
        parameters = inspect.signature(func).parameters
    except ValueError:  # written in C: concatenate, dot
        return args, kwargs
    if all(p.kind is p.POSITIONAL_OR_KEYWORD for p in [*parameters.values()][: len(args)]):
        kwargs = {**dict(zip([*parameters][2:], args[2:], strict=False)), **kwargs}
        args = args[:2]
    for name, p in parameters.items():
        if name in kwargs and (kwargs[name] is p.default or kwargs[name] is np._NoValue):
            del kwargs[name]
    return args, kwargs


def _unknown(name: str) -> TypeError:
    return TypeError(
        f"[numpy] {name} has no counterpart for Tensors. Expected one of tinygrad_cn.ops, or "
        "t.numpy() to compute with the array (without gradient)."
    )


RENAMED = (("ddof", "correction"), ("a_min", "min"), ("a_max", "max"))
_BY_NAME = (
    "sum prod mean var std argmax argmin any all cumsum cumprod sort argsort median reshape "
    "transpose swapaxes moveaxis squeeze expand_dims broadcast_to flip roll tile repeat "
    "concatenate stack split pad ravel tril triu diag diagonal meshgrid take take_along_axis "
    "nonzero einsum tensordot outer dot trace where clip zeros_like ones_like empty_like "
    "full_like round isclose logaddexp count_nonzero matrix_transpose unstack astype vdot inner "
    "kron vstack hstack cross average diff ptp nan_to_num rot90 fliplr flipud"
)
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): getattr(ops, name)
    for name in _BY_NAME.split()
    if hasattr(np, name) and hasattr(ops, name)
}
FUNCTIONS.update(
    {
        np.max: ops.max,
        np.min: ops.min,
        np.amax: ops.max,
        np.amin: ops.min,
        np.around: ops.round,
        # the values are the same for any kind, and equal elements keep their order
        np.sort: lambda a, axis=-1, kind=None, stable=None: ops.sort(a, axis),
        np.argsort: lambda a, axis=-1, kind=None, stable=None: ops.argsort(a, axis),
        np.copy: ops.copy,
        np.shape: lambda a: a.shape,
        np.ndim: lambda a: a.ndim,
        np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
        np.allclose: lambda a, b, **options: bool(ops.isclose(a, b, **options).all()),
        np.array_equal: lambda a, b: np.array_equal(_array(a), _array(b)),
        np.result_type: lambda *args: np.result_type(*map(_array, args)),
        np.can_cast: lambda a, to, casting="safe": np.can_cast(_array(a).dtype, to, casting),
        np.may_share_memory: lambda a, b, **_: np.may_share_memory(_array(a), _array(b)),
        np.shares_memory: lambda a, b, **_: np.shares_memory(_array(a), _array(b)),
        np.array_repr: lambda a, *_, **__: repr(a),
        np.array_str: lambda a, *_, **__: str(a),
        np.iscomplexobj: lambda a: False,
        np.isrealobj: lambda a: True,
    }
)
FUNCTIONS.update(
    {
        getattr(np.linalg, name): getattr(ops.linalg, name)
        for name in "inv solve det slogdet cholesky qr svd svdvals eigh eigvalsh norm matmul outer "
        "trace diagonal tensordot vecdot vector_norm matrix_norm matrix_transpose matrix_power "
        "pinv cross".split()
        if hasattr(np.linalg, name) and hasattr(ops.linalg, name)
    }
)


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def namespace(api_version: str | None) -> Any:
    """What ``Tensor.__array_namespace__`` returns (the Python array API standard)."""
    from_year = (None, "2021.12", "2022.12", "2023.12", "2024.12")
    if api_version not in from_year:
        raise ValueError(
            f"[array API] Expected one of {from_year[1:]}, received api_version={api_version!r}."
        )
    return array_api
