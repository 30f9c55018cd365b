"""The SIMD layer (csrc/vec) by itself: tests/c/vec_test.c compares every verb with plain C."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tinygrad_cn import config

HERE = Path(__file__).parent
COMPILER = shlex.split(os.environ.get("CC", "")) or ["cc"]
AVX2 = ["-mavx2", "-mfma", "-mbmi2"]
BUILDS = {
    "baseline": ("vec_scalar.h", []),
    "x86_v3": ("vec_avx2.h", AVX2),
    "x86_v4": (
        "vec_avx512.h",
        [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"],
    ),
    "neon": ("vec_neon.h", []),
}


@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="needs a C compiler")
@pytest.mark.skipif(os.name != "posix", reason="guards its memory with mmap")
@pytest.mark.parametrize("isa", config.isas() or ("baseline",))
def test_every_verb_agrees_with_plain_c(isa: str, tmp_path: Path) -> None:
    header, flags = BUILDS[isa]
    program = tmp_path / "vec_test"
    # Contraction is off: what is expected must not itself be rounded once where C rounds twice.
    options = "-std=c11 -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off -Wall -Wextra"
    command = [*COMPILER, *options.split(), "-Werror", *flags, f'-DTG_VEC_HEADER="{header}"']
    source = str(HERE / "c" / "vec_test.c")
    subprocess.run([*command, source, "-o", str(program), "-lm"], check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
