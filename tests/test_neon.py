"""The C core on AArch64: its NEON kernels against plain C, by an emulator.

Every driver is run: the calls are recorded here (neon_calls.py) and replayed there
(c/replay_calls.c), once with each set of kernels.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from neon_calls import UNRECORDED, names, write_calls

from tinygrad_cn import kernels

ROOT = Path(__file__).parents[1]
COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
OPTIONS = "-std=c11 -O1 -ffp-contract=fast -fno-math-errno -fno-trapping-math -static".split()
HERE = ROOT / "tests" / "c"

pytestmark = [
    pytest.mark.skipif(kernels.core is None, reason="the calls are the compiled kernels'"),
    pytest.mark.skipif(not (ROOT / "csrc").exists(), reason="the tests run outside of a checkout"),
    pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"{COMPILER} is not installed"),
    pytest.mark.skipif(shutil.which(EMULATOR) is None, reason=f"{EMULATOR} is not installed"),
]


def build(program: Path, sources: list[Path], *flags: str) -> None:
    options = [*OPTIONS, "-Wall", "-Wextra", "-Werror", *flags, "-o", str(program)]
    subprocess.run([COMPILER, *options, *map(str, sources), "-lm", "-lpthread"], check=True)


def emulate(*command: str) -> str:
    result = subprocess.run(
        [EMULATOR, *command], capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_every_verb_agrees_with_plain_c(tmp_path: Path) -> None:
    program = tmp_path / "vec_test"
    build(program, [HERE / "vec_test.c"], "-ffp-contract=off", '-DTG_VEC_HEADER="vec_neon.h"')
    emulate(str(program))


def test_every_driver_agrees_with_the_baseline(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    drivers = write_calls(calls)
    assert set(names("DRIVERS")) - set(drivers) == UNRECORDED
    program = tmp_path / "replay_calls"
    x86 = ("x86_v3", "x86_v4")
    sources = [p for p in sorted((ROOT / "csrc").rglob("*.c")) if p.stem not in x86]
    build(program, [*sources, HERE / "replay_calls.c"], "-fopenmp", "-DTG_HAVE_neon")
    shown = emulate(str(program), str(calls), "neon")
    assert all(f"{name} " in shown for name in drivers)
