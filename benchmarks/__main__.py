"""``python -m benchmarks``: measure, print one table of ratios, draw it.

    python -m benchmarks [kernels] [-k PART] [--quick]   every kernel beside NumPy and PyTorch
    python -m benchmarks steps [PART] [--quick]          training steps beside PyTorch and JAX
                               [--compile]               and torch.compile (half a minute a network)
                               [--eager]                 and tinygrad_cn without jit
    python -m benchmarks fit [PART] [--quick]            what fit adds to a step; predict on a row
    python -m benchmarks overhead [--quick]              what a small operation and an import cost
    python -m benchmarks report                          the tables and plots of the last runs again

Results go to bench_output/. PyTorch and JAX take part where they are installed (`make peers`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import common

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "bench_output"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="kernels",
        choices=("kernels", "steps", "fit", "overhead", "report"),
    )  # fmt: skip
    parser.add_argument("part", nargs="?", default="", help="only what has this in its name")
    parser.add_argument("-k", dest="chosen", metavar="PART", default="", help="the same")
    parser.add_argument("--quick", action="store_true", help="one round: does it run at all?")
    parser.add_argument("--compile", action="store_true", help="steps: torch.compile as well")
    parser.add_argument("--eager", action="store_true", help="steps: without jit as well")
    options = parser.parse_args()
    if (options.compile or options.eager) and options.what != "steps":
        parser.error("--compile and --eager are for steps")
    part = options.chosen or options.part
    OUTPUT.mkdir(exist_ok=True)
    if options.what == "report":
        return run("benchmarks.report")
    if options.what == "kernels":
        return kernels(part, options.quick) or run("benchmarks.report")
    flags = [f"--{name}" for name in ("quick", "compile", "eager") if getattr(options, name)]
    return run(f"benchmarks.bench_{options.what}", part, *flags)


def kernels(part: str, quick: bool) -> int:
    extra = {"TINYGRAD_CN_BENCH_QUICK": "1"} if quick else {}
    command = ["pytest", "benchmarks/bench_kernels.py", "-o", "python_files=bench_*.py", "-q"]
    command += ["-p", "no:cacheprovider", "--benchmark-columns=median", "--benchmark-quiet"]
    command += [f"--benchmark-json={OUTPUT / 'kernels.json'}", "--no-header"]
    return run(*command, *(["-k", part] if part else []), **extra)


def run(module: str, *arguments: str, **environment: str) -> int:
    command = [sys.executable, "-m", module, *filter(None, arguments)]
    environment = {**common.fair_environment(), **environment}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
