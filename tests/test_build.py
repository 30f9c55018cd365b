"""The build: what a user without a compiler is told, and what the package picks when imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cn import config, kernels
from tinygrad_cn._version import __version__

ROOT = Path(__file__).parents[1]
SHOW = "from tinygrad_cn import config; config.show_config()"
compiled = pytest.mark.skipif(kernels.core is None, reason="the reference kernels are in use")
checkout = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run outside of a checkout"
)


def run(*command: str, **environment: str) -> tuple[bool, str]:
    """Whether a command succeeded, and what it wrote."""
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return result.returncode == 0, result.stdout + result.stderr


def python(script: str, **environment: str) -> tuple[bool, str]:
    return run(sys.executable, "-c", script, **environment)


# --- import ---------------------------------------------------------------------------------------


def test_show_config_says_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    config.show_config()
    shown = capsys.readouterr().out
    for text in (__version__, config.get_isa(), str(config.get_num_threads()), np.__version__):
        assert text in shown


def test_missing_extension_is_a_clear_import_error() -> None:
    block = "import sys; sys.modules['tinygrad_cn.kernels._core'] = None; "
    block += "import tinygrad_cn.kernels"
    works, output = python(block, TINYGRAD_CN_KERNELS="")
    assert not works
    assert "ImportError: [kernels] the compiled kernels are missing" in output
    works, output = python(block, TINYGRAD_CN_KERNELS="reference")
    assert works, output


def test_environment_chooses_the_kernels() -> None:
    works, output = python(SHOW, TINYGRAD_CN_KERNELS="reference")
    assert works and "reference" in output
    works, output = python(SHOW, TINYGRAD_CN_KERNELS="fastest")
    assert not works and "TINYGRAD_CN_KERNELS='fastest'" in output


@compiled
def test_environment_chooses_the_instruction_set() -> None:
    for isa in config.isas():
        works, output = python(
            "from tinygrad_cn import config; print(config.get_isa())", TINYGRAD_CN_ISA=isa
        )
        assert works and output.strip() == isa
    works, output = python(SHOW, TINYGRAD_CN_ISA="altivec")
    assert not works and "TINYGRAD_CN_ISA='altivec'" in output and "baseline" in output


@compiled
def test_instruction_set_changes_in_a_with_block() -> None:
    before = config.get_isa()
    for isa in config.isas():
        with config.using_isa(isa):
            assert config.get_isa() == isa
    assert config.get_isa() == before
    with pytest.raises(ValueError, match="altivec"):
        config.set_isa("altivec")


# --- setup.py -------------------------------------------------------------------------------------


@checkout
def test_without_a_compiler_the_build_says_what_is_missing(tmp_path: Path) -> None:
    folders = ["--build-temp", str(tmp_path / "temp"), "--build-lib", str(tmp_path / "lib")]
    works, output = run(
        sys.executable,
        "setup.py",
        "build_ext",
        *folders,
        CC="no-such-compiler",
        TINYGRAD_CN_KERNELS="",
    )
    assert not works
    assert "no-such-compiler" in output and "apt install gcc" in output
    assert "TINYGRAD_CN_KERNELS=reference pip install" in output


@checkout
def test_reference_build_needs_no_compiler(tmp_path: Path) -> None:
    works, output = run(
        sys.executable,
        *("setup.py", "-q", "build", "--build-base", str(tmp_path)),
        CC="no-such-compiler",
        TINYGRAD_CN_KERNELS="reference",
    )
    assert works, output
    built = [path.name for path in tmp_path.rglob("*")]
    assert "reference" in built and not any("_core.c" in name for name in built)


@checkout
def test_sdist_holds_all_that_a_build_and_the_tests_need(tmp_path: Path) -> None:
    works, output = run(
        sys.executable,
        *("setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)),
        *("sdist", "--dist-dir", str(tmp_path)),
    )
    assert works, output
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"LICENSE", "pyproject.toml", "setup.py", "tinygrad_cn/py.typed"}
    for pattern in ("csrc/**/*.[ch]", "tinygrad_cn/**/*.p[yx]*", "tests/**/*.py", "tests/c/*"):
        needed |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
    needed = {name for name in needed if not name.endswith((".pyc", ".so"))}
    assert needed <= packed, sorted(needed - packed)
    assert not [name for name in packed if name.endswith((".so", ".o", "_core.c"))]


# --- warnings -------------------------------------------------------------------------------------

X86_V3 = ["-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mmovbe", "-mpopcnt"]
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"]
ISA_FLAGS = {"x86_v3": X86_V3, "x86_v4": X86_V3 + AVX512}
X86 = ("gcc", "clang")
ARM = ("aarch64-linux-gnu-gcc",)


@checkout
@pytest.mark.parametrize("compiler", [*X86, *ARM])
def test_c_core_compiles_without_a_warning(compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    _, target = run(compiler, "-dumpmachine")
    skipped = {"neon"} if target.startswith("x86_64") else {"x86_v3", "x86_v4"}
    options = ["-fsyntax-only", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
    for source in sorted((ROOT / "csrc").rglob("*.c")):
        if source.stem in skipped:
            continue
        works, output = run(compiler, *options, *ISA_FLAGS.get(source.stem, []), str(source))
        assert works, output
