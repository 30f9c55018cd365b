"""Every kernel beside its NumPy twin and, where installed, PyTorch: correct first, then timed.

    python -m benchmarks kernels                      # all, then tables and plots
    python -m pytest benchmarks/bench_kernels.py -o python_files='bench_*.py' -k matmul

pytest-benchmark keeps the records; the comparison itself is taken in turn (see common.py) and
stored with them under ``extra_info``.
"""

from __future__ import annotations

import copy
import os

import numpy as np
import pytest

from benchmarks import common
from benchmarks.cases import Case, all_cases
from tinygrad_cn import kernels
from tinygrad_cn.kernels import reference

QUICK = os.environ.get("TINYGRAD_CN_BENCH_QUICK") == "1"
CASES = [case for case in all_cases() if not (QUICK and case.large)]
UNTIMED = {"empty", "increment"}  # one allocates, the other adds 1: nothing to compare
THREADS = sorted({common.all_threads()} | (set() if QUICK else {1}))


@pytest.mark.skipif(kernels.CHOICE != "compiled", reason="the NumPy kernels are in use")
@pytest.mark.parametrize("threads", THREADS, ids=lambda n: f"{n} thread{'s' * (n > 1)}")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kernel(case: Case, threads: int, benchmark) -> None:
    compiled, twin = case.function(kernels), case.function(reference)
    args = case.make(np.random.default_rng(0))
    with common.threads(threads), np.errstate(all="ignore"):
        check(case, compiled, twin, args)
        sides = {
            "compiled": lambda: compiled(*args, **case.settings),
            "numpy": lambda: twin(*args, **case.settings),
        }
        if common.torch is not None and case.peer is not None:
            tensors = [common.torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in args]
            sides["torch"] = case.peer(*tensors)
        spinning = ("numpy",) if threads > 1 else ()
        rounds, sample = (1, 1e-4) if QUICK else (5, common.SAMPLE)
        result = common.compare(sides, rounds, spinning, sample)
        benchmark.extra_info.update(
            family=case.family,
            kernel=case.kernel,
            label=case.label,
            size=case.size,
            threads=threads,
            flops=case.flops,
            bytes=case.bytes,
            seconds={side: result.median(side) for side in sides},
            ratios={side: result.ratio(side, "compiled") for side in sides},
        )
        benchmark.pedantic(sides["compiled"], rounds=1 if QUICK else 3, warmup_rounds=1)


def check(case: Case, compiled, twin, args: tuple) -> None:
    """Both give the same results, and do the same to arguments that they change."""
    ours, theirs = copy.deepcopy(args), copy.deepcopy(args)
    actual, expected = compiled(*ours, **case.settings), twin(*theirs, **case.settings)
    common.assert_same(actual, expected, case.scale)
    for changed, as_wanted in zip(ours, theirs, strict=True):
        if isinstance(as_wanted, np.ndarray):
            common.assert_same(changed, as_wanted, case.scale)


def test_every_kernel_is_timed() -> None:
    timed = {case.kernel for case in all_cases()}
    assert set(kernels.__all__) - timed - UNTIMED == set()
