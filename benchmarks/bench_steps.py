"""Training steps of twelve networks in tinygrad_cn, PyTorch and JAX, in one command.

    python -m benchmarks steps [PART] [--quick] [--compile] [--eager]

A step is forward, loss, gradients and Adam. Each side runs in a process of its own, since their
threads would disturb each other; the processes take turns at each network, and a ratio is the
median of the rounds' ratios. PyTorch and JAX take part where they are installed; torch.compile with
``--compile`` (it needs half a minute per network), tinygrad_cn without `jit` with ``--eager``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import common

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "bench_output"
MODULES = {
    "tinygrad_cn": "steps_tinygrad_cn",
    "torch": "steps_torch",
    "compile": "steps_torch",
    "jax": "steps_jax",
    "eager": "steps_tinygrad_cn",
}
ENVIRONMENT = {"eager": {"TINYGRAD_CN_JIT": "off"}}  # beside the usual one


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="only networks with this in the name")
    parser.add_argument("--quick", action="store_true", help="one round: does it run at all?")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well")
    parser.add_argument("--eager", action="store_true", help="tinygrad_cn without jit as well")
    parser.add_argument("--worker", choices=MODULES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker)
    sides = ["tinygrad_cn"]
    sides += [name for name in ("torch", "jax") if importlib.util.find_spec(name)]
    if options.compile and "torch" in sides:
        sides.append("compile")
    if options.eager:
        sides.append("eager")
    workers = {side: Worker(side) for side in sides}
    try:
        times = compare(workers, options.part, 1 if options.quick else 5)
    finally:
        for each in workers.values():
            each.stop()
    OUTPUT.mkdir(exist_ok=True)
    record = {"machine": common.machine(), "microseconds": times}
    (OUTPUT / "steps.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    (OUTPUT / "steps.md").write_text(markdown(times), encoding="utf-8")
    return 0


def markdown(times: dict[str, dict[str, list[float]]]) -> str:
    """The table for docs/performance.md: medians, and medians of the rounds' ratios."""
    sides = list(next(iter(times.values()), {}))
    lines = ["| step | " + " | ".join(sides) + " |", "|---|" + "---:|" * len(sides)]
    for name, taken in times.items():
        cells = [figure(taken, side) for side in sides]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figure(taken: dict[str, list[float]], side: str) -> str:
    """The median time of a side, and in brackets how many times tinygrad_cn's."""
    median = statistics.median(taken[side])
    text = f"{median:.1f}" if median < 100 else f"{median:.0f}"
    return text if side == "tinygrad_cn" else f"{text} ({ratio(taken, side):.1f}x)"


def ratio(taken: dict[str, list[float]], side: str) -> float:
    """How many times tinygrad_cn's time: the median of the rounds' ratios."""
    pairs = zip(taken[side], taken["tinygrad_cn"], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)


def compare(
    workers: dict[str, Worker], part: str, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Print one line per network; returns the microseconds of each round."""
    print(common.describe(common.machine()))
    print("\nmicroseconds a step; in brackets how many times tinygrad_cn's")
    print(f"{'':<28}" + "".join(f"{side:>20}" for side in workers))
    times: dict[str, dict[str, list[float]]] = {}
    names = next(iter(workers.values())).ask({"list": part})
    for name in names:
        for each in workers.values():
            each.ask({"make": name})
        taken = [
            {
                side: each.ask({"time": 0.02 if rounds == 1 else 0.3})
                for side, each in workers.items()
            }
            for _ in range(rounds)
        ]
        times[name] = {side: [turn[side] for turn in taken] for side in workers}
        print(f"{name:<28}" + "".join(f"{figure(times[name], s):>20}" for s in workers), flush=True)
    return times


class Worker:
    """A process that makes and times the steps of one side, on request."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bench_steps", "--worker", side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**common.fair_environment(), **ENVIRONMENT.get(side, {})},
        )

    def ask(self, request: dict[str, Any]) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The process of {self.side} ended at {request}.")
        return json.loads(answer)

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def worker(side: str) -> int:
    """Answer requests from standard input, one JSON value per line."""
    makers = importlib.import_module(f"benchmarks.{MODULES[side]}").workloads()
    options = {"compiled": True} if side == "compile" else {}
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    step: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = None
        if "list" in request:
            answer = [name for name in makers if request["list"] in name]
        elif "make" in request:
            step = makers[request["make"]](**options)
            first = step().item()
            later = [step().item() for _ in range(10)]
            assert min(later) < first, f"{side}: the loss of {request['make']} does not fall"
        else:
            time.sleep(common.SHORT_SPIN)  # the threads of the side before still spin
            answer = timed(step, request["time"])
        print(json.dumps(answer), file=answers, flush=True)
    return 0


def timed(step: Any, seconds: float) -> float:
    """The median time of a step in microseconds, after a short warm-up."""
    begin = time.perf_counter()
    count = 0
    while time.perf_counter() - begin < seconds / 3 or count < 2:
        step()
        count += 1
    inner = max(1, int(count * 0.02 / (time.perf_counter() - begin)))
    samples = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or len(samples) < 3:
        start = time.perf_counter()
        for _ in range(inner):
            step()
        samples.append((time.perf_counter() - start) / inner)
    return statistics.median(samples) * 1e6


if __name__ == "__main__":
    sys.exit(main())
