"""Threads: how many there are, that they change no bit, and that a fork never hangs."""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from benchmarks.cases import Case, all_cases
from tinygrad_cn import config, kernels

openmp = pytest.mark.skipif(
    not config.get_config()["openmp"], reason="this build has one thread: no OpenMP"
)


def run(script: str, **environment: str) -> str:
    """The output of a script in a new process, whose environment says nothing of threads."""
    clean = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return result.stdout.strip() if result.returncode == 0 else result.stderr


ASK = "from tinygrad_cn import config; print(config.get_num_threads())"


@openmp
def test_environment_sets_the_number_of_threads() -> None:
    assert run(ASK, OMP_NUM_THREADS="3") == "3"
    assert run(ASK, OMP_NUM_THREADS="4,2") == "4"
    assert run(ASK, OMP_NUM_THREADS="3", TINYGRAD_CN_NUM_THREADS="5") == "5"


def test_a_wrong_number_in_the_environment_is_an_error() -> None:
    if kernels.core is None:
        pytest.skip("the reference kernels read no number of threads")
    for wrong in ("0", "-2", "many", "2.5"):
        assert "TINYGRAD_CN_NUM_THREADS" in run(ASK, TINYGRAD_CN_NUM_THREADS=wrong)


@openmp
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs an affinity mask")
def test_default_is_what_the_process_may_use() -> None:
    usable = sorted(os.sched_getaffinity(0))
    assert 1 <= int(run(ASK)) <= len(usable)  # a cgroup's quota may allow less
    pin = f"import os; os.sched_setaffinity(0, {{{usable[0]}}}); "
    assert run(pin + ASK) == "1"


@openmp
def test_number_of_threads_can_be_changed_at_any_time() -> None:
    before = config.get_num_threads()
    with config.num_threads(3):
        assert config.get_num_threads() == 3
        with config.num_threads(1):
            assert config.get_num_threads() == 1
        assert config.get_num_threads() == 3
    assert config.get_num_threads() == before


def test_wrong_numbers_of_threads_are_refused() -> None:
    before = config.get_num_threads()
    with pytest.raises(ValueError, match="n=0"):
        config.set_num_threads(0)
    with pytest.raises(TypeError, match=r"n=1\.5"):
        config.set_num_threads(1.5)  # type: ignore[arg-type]  # that is the test
    assert config.get_num_threads() == before


def fingerprint(case: Case, args: tuple) -> str:
    """A hash of what a kernel returns and of what it leaves in its arguments."""
    args = copy.deepcopy(args)
    with np.errstate(all="ignore"):
        returned = case.function(kernels)(*args, **case.settings)
    digest = hashlib.sha256()
    for array in (*(returned if isinstance(returned, tuple) else (returned,)), *args):
        if isinstance(array, np.ndarray):
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


@openmp
@pytest.mark.skipif(kernels.CHOICE != "compiled", reason="NumPy's own threads are its affair")
@pytest.mark.parametrize(
    "case", [case for case in all_cases() if not case.large], ids=lambda case: case.name
)
def test_every_kernel_gives_the_same_bits_for_any_number_of_threads(case: Case) -> None:
    args = case.make(np.random.default_rng(0))
    with config.num_threads(1):
        expected = fingerprint(case, args)
    for n in (2, 3, 5, 8):
        with config.num_threads(n):
            assert fingerprint(case, args) == expected, f"{n} threads"


def test_python_threads_may_run_kernels_at_once(rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 300))
    expected = kernels.matmul(x, x)
    wrong = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(kernels.matmul(x, x), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORK = """
import os, signal
import numpy as np
from tinygrad_cn import config, kernels

config.set_num_threads(4)
x = np.ones((400, 400), np.float32)
kernels.matmul(x, x)                      # starts the threads of the parent
for _ in range(3):
    child = os.fork()
    if child == 0:
        signal.alarm(60)                  # a hang ends as an error
        y = kernels.matmul(x, x)
        config.set_num_threads(4)         # still serial
        y = kernels.matmul(x, y)
        os._exit(0 if (y == 160000).all() and config.get_num_threads() == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    kernels.matmul(x, x)                  # the parent still has its threads
print(config.get_num_threads(), "done")
"""


@openmp
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_runs_serial_and_never_hangs() -> None:
    assert run(FORK) == "4 done"
