"""How the package runs here: kernels, instruction set, threads, Winograd, memory.

The instruction set and the number of threads belong to the whole process. The number of threads
does not change a single bit of a result; the instruction set may change how its last bits round.
"""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn._version import __version__

__all__ = [
    "empty_cache",
    "get_config",
    "get_isa",
    "get_num_threads",
    "get_winograd",
    "isas",
    "memory_stats",
    "num_threads",
    "set_cache_limit",
    "set_isa",
    "set_num_threads",
    "set_winograd",
    "show_config",
    "using_isa",
    "using_winograd",
]

_core = kernels.core


# --- threads --------------------------------------------------------------------------------------


def get_num_threads() -> int:
    """How many threads a large kernel uses.

    At first that is what the process may use (its affinity mask and the CPU quota of its cgroup),
    unless the environment says otherwise: OMP_NUM_THREADS, or before it TINYGRAD_CN_NUM_THREADS.
    It is 1 without OpenMP, and in a child process after a fork.
    """
    return int(_core.num_threads()) if _core else 1


def set_num_threads(n: int) -> None:
    """Let a large kernel use ``n`` threads from now on; small ones run on one.

    Args:
        n: at least 1. Without OpenMP it stays 1.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(
            f"[set_num_threads] not a number of threads. Expected an int, received n={n!r}."
        )
    if n < 1:
        raise ValueError(f"[set_num_threads] too few threads. Expected n >= 1, received n={n}.")
    if _core:
        _core.set_num_threads(min(n, 2**31 - 1))


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Use ``n`` threads inside a ``with`` block. The number belongs to the whole process.

    >>> with num_threads(1):
    ...     get_num_threads()
    1
    """
    before = get_num_threads()
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)


# --- instruction set ------------------------------------------------------------------------------


def isas() -> tuple[str, ...]:
    """The instruction sets that this machine and this build have, best first; () on NumPy alone.

    ``"x86_v4"`` (AVX-512), ``"x86_v3"`` (AVX2 and FMA), ``"neon"`` (AArch64), ``"baseline"`` (any
    machine). The best is used, unless TINYGRAD_CN_ISA in the environment names another.
    """
    return tuple(_core.isa_found()) if _core else ()


def get_isa() -> str:
    """The instruction set whose kernels are used; ``"numpy"`` with the reference kernels."""
    return str(_core.isa_name()) if _core else "numpy"


def set_isa(name: str) -> None:
    """Use the kernels of another instruction set: to compare or to test. Not while a kernel runs.

    Raises:
        ValueError: this machine or this build lacks it.
    """
    if _core is None or name not in isas():
        raise ValueError(
            "[set_isa] this machine or this build lacks the instruction set. "
            f"Expected one of {isas()}, received name={name!r}."
        )
    _core.isa_select(name)


@contextmanager
def using_isa(name: str) -> Iterator[None]:
    """Use an instruction set inside a ``with`` block."""
    before = get_isa()
    set_isa(name)
    try:
        yield
    finally:
        set_isa(before)


# --- Winograd -------------------------------------------------------------------------------------


def get_winograd() -> bool:
    """Whether convolutions may use Winograd's algorithm; False with the reference kernels."""
    return bool(_core and _core.winograd())


def set_winograd(on: bool) -> None:
    """Let convolutions use Winograd's algorithm where it is faster; at first they may.

    For 3 x 3 filters it needs a quarter of the multiplications, and it rounds more. It takes part
    in float32 convolutions of stride 1, forward and both gradients, where there are channels and
    pixels enough to gain from it. Relative to the convolution of the magnitudes ``|x| * |w|`` its
    error stays below 4e-6, where that of a direct sum stays below 2e-6, for numbers of similar
    size: a tile of 6 x 6 pixels shares its rounding errors, so beside a pixel that is 1000 times
    larger they are 1000 times larger.
    float64 is always summed directly. The setting belongs to the whole process.

    >>> before = get_winograd()
    >>> set_winograd(False)
    >>> get_winograd()
    False
    >>> set_winograd(before)
    """
    if not isinstance(on, (bool, np.bool_)):
        raise TypeError(f"[set_winograd] not a switch. Expected a bool, received on={on!r}.")
    if _core:
        _core.set_winograd(bool(on))


@contextmanager
def using_winograd(on: bool) -> Iterator[None]:
    """Allow or forbid Winograd's algorithm inside a ``with`` block."""
    before = get_winograd()
    set_winograd(on)
    try:
        yield
    finally:
        set_winograd(before)


# --- memory ---------------------------------------------------------------------------------------


def empty_cache() -> None:
    """Give the memory that is kept for reuse back to the system. Arrays in use are not touched."""
    if _core:
        _core.empty_cache()


def set_cache_limit(n_bytes: int) -> None:
    """Keep at most ``n_bytes`` for reuse. At first: a quarter of the memory, at most 2 GiB."""
    if n_bytes < 0:
        raise ValueError(
            f"[set_cache_limit] not a size. Expected n_bytes >= 0, received n_bytes={n_bytes}."
        )
    if _core:
        _core.set_cache_limit(n_bytes)


def memory_stats() -> dict[str, int]:
    """Memory of arrays from 4 KB up, in bytes, as the caching allocator sees it.

    Returns:
        ``in_use`` now, ``peak`` (the most that ever was), ``cached`` for reuse, and ``reuses``: how
        often an array got cached memory.
    """
    if _core is None:
        return {"in_use": 0, "peak": 0, "cached": 0, "reuses": 0}
    return dict(_core.memory_stats())


# --- all of it ------------------------------------------------------------------------------------


def _numpy_blas() -> str:
    """The BLAS that NumPy was built with: what the reference kernels and comparisons run on."""
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):  # older NumPy: no such structure
        return "unknown"


def get_config() -> dict[str, Any]:
    """What :func:`show_config` prints, as a dict."""
    return {
        "tinygrad_cn": __version__,
        "kernels": kernels.CHOICE,
        "instruction set": get_isa(),
        "found": isas(),
        "openmp": bool(_core and _core.openmp()),
        "threads": get_num_threads(),
        "winograd": get_winograd(),
        "compiler": str(_core.compiler()) if _core else "none",
        "python": f"{platform.python_version()} on {sys.platform}",
        "machine": platform.machine(),
        "numpy": np.__version__,
        "numpy's blas": _numpy_blas(),
    }


def show_config() -> None:
    """Print versions, instruction set, threads and compiler: what a bug report needs."""
    for key, value in get_config().items():
        text = ", ".join(value) if isinstance(value, tuple) else value
        print(f"{key:<16} {text}")
