"""What Python costs: a small operation, recorded or not, its backward, and the import.

    python -m benchmarks overhead

On four numbers the arithmetic is free; all that is timed is the way to it and back.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cn as tg
from benchmarks import common

Sides = dict[str, Callable[[], Any]]


def cases() -> dict[str, Sides]:
    """Name of what is done -> how each side does it."""
    a, b = np.float32([1, 2, 3, 4]), np.float32([5, 6, 7, 8])
    x, y = tg.tensor(a), tg.tensor(b)
    p, q = tg.tensor(a, requires_grad=True), tg.tensor(b, requires_grad=True)
    w = np.ones((4, 4), dtype=np.float32)
    weight = tg.tensor(w, requires_grad=True)
    found: dict[str, Sides] = {
        "add, not recorded": {"tinygrad_cn": lambda: x + y, "numpy": lambda: a + b},
        "add, recorded": {"tinygrad_cn": lambda: p + q},
        "exp, recorded": {"tinygrad_cn": lambda: tg.ops.exp(p)},
        "matmul 4x4, recorded": {"tinygrad_cn": lambda: weight @ weight},
        "sum(p * q), forward and backward": {"tinygrad_cn": lambda: tg.grad((p * q).sum(), [p, q])},
    }
    if common.torch is not None:
        torch = common.torch
        tx, ty = torch.from_numpy(a), torch.from_numpy(b)
        tp, tq = tx.clone().requires_grad_(), ty.clone().requires_grad_()
        tw = torch.from_numpy(w).requires_grad_()
        found["add, not recorded"]["torch"] = lambda: tx + ty
        found["add, recorded"]["torch"] = lambda: tp + tq
        found["exp, recorded"]["torch"] = lambda: torch.exp(tp)
        found["matmul 4x4, recorded"]["torch"] = lambda: tw @ tw
        found["sum(p * q), forward and backward"]["torch"] = lambda: torch.autograd.grad(
            (tp * tq).sum(), [tp, tq]
        )
    return found


def import_time(module: str, rounds: int) -> float:
    """Seconds that importing a module takes after NumPy is there; the median of fresh processes."""
    code = (
        "import time, numpy; start = time.perf_counter(); "
        f"import {module}; print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True) for _ in range(rounds + 1)]
    return statistics.median(
        float(run.stdout) for run in runs[1:]
    )  # the first fills the file cache


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="only what has this in its name")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(common.describe(common.machine()))
    print(f"\n{'microseconds':<36}{'tinygrad_cn':>13}{'torch':>9}{'numpy':>9}{'torch/ours':>12}")
    with common.threads(1):
        for name, sides in cases().items():
            if options.part not in name:
                continue
            result = common.compare(sides, rounds=1 if options.quick else 15)
            times = [
                f"{result.median(side) * 1e6:.2f}" if side in sides else "-"
                for side in ("tinygrad_cn", "torch", "numpy")
            ]
            ratio = f"{result.ratio('torch', 'tinygrad_cn'):.2f}x" if "torch" in sides else "-"
            print(f"{name:<36}{times[0]:>13}{times[1]:>9}{times[2]:>9}{ratio:>12}")
    print("\nmilliseconds to import, after NumPy")
    for module in ("tinygrad_cn", *(["torch"] if common.torch is not None else [])):
        print(f"{module:<36}{import_time(module, 1 if options.quick else 7) * 1e3:>13.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
