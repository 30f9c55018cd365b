"""The namespace of the Python array API standard: the functions of ``ops``, dtypes and constants.

Code written for the standard gets it from ``t.__array_namespace__()``. Not supported: complex
dtypes, the fft extension, and devices other than "cpu".
"""

from __future__ import annotations

from math import e, inf, nan, pi  # noqa: F401 # constants of the namespace
from typing import Any

import numpy as np

from .op import Value, wrap
from .ops import *  # noqa: F403 # the namespace is theirs
from .ops import bitwise_invert, broadcast_to, cumprod, cumsum, linalg  # noqa: F401

newaxis = None
cumulative_sum, cumulative_prod = cumsum, cumprod
bool = np.dtype(np.bool_)
int8, int16, int32, int64 = map(np.dtype, ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = map(np.dtype, ("uint8", "uint16", "uint32", "uint64"))
float32, float64 = np.dtype("float32"), np.dtype("float64")
__array_api_version__ = "2024.12"


def finfo(dtype: Any) -> Any:
    """The limits of a float dtype."""
    return np.finfo(_dtype(dtype))


def iinfo(dtype: Any) -> Any:
    """The limits of an integer dtype."""
    return np.iinfo(_dtype(dtype))


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind: "bool", "integral", "real floating", "numeric", ..."""
    return np.isdtype(_dtype(dtype), kind)


def result_type(*args: Any) -> Any:
    """The dtype that NumPy's promotion gives."""
    return np.result_type(*[_dtype(x) if not isinstance(x, (int, float)) else x for x in args])


def can_cast(x: Any, to: Any) -> Any:
    """Whether promotion can lead from x's dtype to another."""
    return np.can_cast(_dtype(x), to)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that all of these broadcast to."""
    return np.broadcast_shapes(*shapes)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, each broadcast to the shape of all."""
    shape = np.broadcast_shapes(*[x.shape for x in arrays])
    return [broadcast_to(x, shape=shape) for x in arrays]


def from_dlpack(x: Any) -> Any:
    """A Tensor on the memory of another library's array."""
    return wrap(np.from_dlpack(x))


def _dtype(x: Any) -> Any:
    return x.data.dtype if isinstance(x, Value) else getattr(x, "dtype", x)
