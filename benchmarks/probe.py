"""What the machine can do at best: compiles and runs probe.c."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("probe.c")


def probe(threads: int) -> dict[str, float] | None:
    """Peak ("f32", "f64": GFLOP/s) and bandwidth ("triad", "read": GB/s); None without compiler."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder, "probe"))
        command = [*compiler, "-O3", "-march=native", str(SOURCE), "-o", program]
        for openmp in (["-fopenmp"], []):
            try:
                subprocess.run([*command, *openmp], check=True, capture_output=True)
                run = subprocess.run(
                    [program, str(threads)], check=True, capture_output=True, text=True
                )
                return json.loads(run.stdout)
            except (OSError, subprocess.CalledProcessError):
                continue
    return None


if __name__ == "__main__":
    for count in sorted({1, os.cpu_count() or 1}):
        print(probe(count))
