"""How everything here is timed.

Machines change speed from minute to minute, so only what was measured in turn, in one run, is
compared: each round takes one sample of each side, and a ratio is the median of the rounds' ratios.
Threads that wait for work spin for a while and take a core from whoever is timed next (OpenBLAS's
for 0.1 s, those of PyTorch for 0.012 s), so each sample is preceded by a pause and a warm-up.
Nothing is timed before its result has been checked.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_cn as tg

try:
    import torch
except ImportError:
    torch = None

# Set on some machines to work around bugs; they make NumPy's or PyTorch's BLAS slower than it is.
SLOWING = ("OPENBLAS_CORETYPE", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "OMP_WAIT_POLICY")

SPIN = 0.15  # seconds after which the threads of an OpenBLAS call sleep
SHORT_SPIN = 0.03  # the same for those of an OpenMP library
SAMPLE = 0.01  # seconds that a sample should take at least


def fair_environment() -> dict[str, str]:
    """The environment for a process that times something."""
    return {name: value for name, value in os.environ.items() if name not in SLOWING}


@dataclass
class Comparison:
    """Times per call in seconds, one per round, of each side."""

    times: dict[str, list[float]]

    def median(self, side: str) -> float:
        return statistics.median(self.times[side])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times the time of ``fast`` does ``slow`` take?"""
        pairs = zip(self.times[slow], self.times[fast], strict=True)
        return statistics.median(a / b for a, b in pairs)


def compare(
    sides: Mapping[str, Callable[[], Any]],
    rounds: int = 7,
    spinning: tuple[str, ...] = (),
    sample: float = SAMPLE,
) -> Comparison:
    """Time the sides in turn; ``spinning`` names those whose threads go on spinning afterwards."""
    inner = {name: _calls_per_sample(call, sample) for name, call in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    pause = SPIN
    for _ in range(rounds):
        for name, call in sides.items():
            if len(sides) > 1:
                time.sleep(pause)
            pause = SPIN if name in spinning else SHORT_SPIN
            for _ in range(max(1, inner[name] // 10)):
                call()
            start = time.perf_counter()
            for _ in range(inner[name]):
                call()
            times[name].append((time.perf_counter() - start) / inner[name])
    return Comparison(times)


def _calls_per_sample(call: Callable[[], Any], sample: float) -> int:
    call()
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    if once > sample / 4:
        return max(1, round(sample / once))
    count = max(1, int(sample / 4 / max(once, 1e-7)))
    start = time.perf_counter()
    for _ in range(count):
        call()
    return max(1, int(sample * count / (time.perf_counter() - start)))


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """The same number of threads for tinygrad_cn, NumPy's BLAS and PyTorch."""
    from threadpoolctl import threadpool_limits

    before = tg.get_num_threads()
    tg.set_num_threads(count)
    if torch is not None:
        torch.set_num_threads(count)
    with threadpool_limits(count, user_api="blas"):
        try:
            yield
        finally:
            tg.set_num_threads(before)


def all_threads() -> int:
    """What the process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def assert_same(actual: Any, expected: Any, scale: float = 1.0) -> None:
    """Arrays, or tuples of them, agree to the precision of their dtype times ``scale``."""
    if isinstance(expected, tuple):
        assert len(actual) == len(expected)
        for ours, theirs in zip(actual, expected, strict=True):
            assert_same(ours, theirs, scale)
    elif expected is not None:
        actual, expected = np.asarray(actual), np.asarray(expected)
        assert actual.shape == expected.shape and actual.dtype == expected.dtype
        if expected.dtype.kind == "f":
            unit = float(np.finfo(expected.dtype).eps) * 16 * scale
            size = float(np.abs(expected[np.isfinite(expected)]).max(initial=1e-30))
            np.testing.assert_allclose(actual, expected, rtol=unit, atol=unit * size)
        else:
            np.testing.assert_array_equal(actual, expected)


def machine() -> dict[str, Any]:
    """Where and with what the numbers were measured."""
    config = tg.get_config()
    facts = {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu_name(),
        "cores": all_threads(),
        "python": platform.python_version(),
        "tinygrad_cn": tg.__version__,
        "instruction set": config["instruction set"],
        "compiler": config["compiler"],
        "numpy": np.__version__,
        "blas": _blas_name(),
    }
    if torch is not None:
        facts["torch"] = torch.__version__
    return facts


def _cpu_name() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _blas_name() -> str:
    from threadpoolctl import threadpool_info

    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            parts = (pool["internal_api"], pool["version"], pool.get("architecture"))
            return " ".join(filter(None, parts))
    return "unknown"


def describe(facts: Mapping[str, Any]) -> str:
    """The machine's facts in one line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())
