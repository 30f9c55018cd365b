"""What a plan does, for people: its calls and fusions, its memory, where its time goes."""

from __future__ import annotations

import html
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cn import kernels

from .compiled import CompiledStep
from .jit import Jit
from .program import Call


def explain_plan(step: Jit, path: str | Path | None = None) -> str:
    """A description of the plan that ``step`` replayed last.

    Every call with the op that made it, its shapes, the time it takes (measured now, on copies of
    the step's state, which does not change) and, for products and convolutions, its share of the
    rate that a large matrix product reaches; what the passes did; the size of the arena beside the
    memory that the same temporaries take in eager execution; and the ops that break the plan
    because they have no compiled kernel. With ``path`` also an HTML page with the calls along a
    time axis.
    """
    if not isinstance(step, Jit):
        raise TypeError(f"[explain_plan] Expected a function made by tg.jit, received {step!r}.")
    plan, name = step.last, getattr(step, "__name__", "step")
    if plan is None:
        return (
            f"{name}: no plan yet. It is made by the second call with arguments of the same shapes."
        )
    calls = plan.program.calls
    times = _measure(plan)
    peak = _peak()
    lines = [f"{name}: {len(calls)} calls, {sum(times) / 1e3:.1f} us on one thread"]
    lines += [f"  {note}" for note in plan.program.notes]
    breaks = Counter(call.label for call in calls if call.python is not None)
    lines += [f"  plan break: {op} has no compiled kernel ({n} times)" for op, n in breaks.items()]
    rows = [_row(call, ns, peak) for call, ns in zip(calls, times, strict=True)]
    lines += [
        "  {:>4d} {:>9.2f} us {:>5s}  {:18s} {:28s} {}".format(i, *r) for i, r in enumerate(rows)
    ]
    if path is not None:
        Path(path).write_text(_page(name, lines[:1] + plan.program.notes, rows), encoding="utf-8")
    return "\n".join(lines)


def _row(call: Call, ns: float, peak: float) -> tuple:
    work = call.flops
    share = f"{100 * work / ns / peak:.0f}%" if work and ns * peak > 0 else ""
    shapes = [v.shape for v in call.arrays if v is not None and v.dtype != np.int32]
    text = " ".join("x".join(map(str, shape)) or "()" for shape in shapes)
    if call.members:
        text = (
            f"{len(call.members)} variables, {sum(m.outputs[0].size for m in call.members)} numbers"
        )
    if call.together > 1:
        text += f"  (and the next {call.together - 1}, at the same time)"
    return ns / 1e3, share, call.kernel, call.label[:28], text


def _measure(plan: CompiledStep) -> list[float]:
    """Nanoseconds of each call, the median of five runs; what the calls change is put back."""
    state = {v.buffer: v.buffer.owner for call in plan.program.calls for v in call.outputs}
    owners = [owner for owner in state.values() if owner is not None]
    with plan.lock:
        # the last arguments may be gone
        kernels.core.fill_inputs(plan.inputs, plan.inputs, plan.bound, plan.written)
        before = [owner.copy() for owner in owners]
        runs = []
        for _ in range(5):
            times: list[float] = []
            for part in plan.parts:
                start = time.perf_counter_ns()
                if hasattr(part, "times"):
                    times.extend(part.times(False).tolist())
                else:
                    part.run(False)
                    times.append(time.perf_counter_ns() - start)
            runs.append(times)
            for owner, values in zip(owners, before, strict=True):
                owner[...] = values
    return [float(ns) for ns in np.median(runs, axis=0)]


def _peak() -> float:
    """Floating-point operations a nanosecond of a matrix product of 384 x 384, on one thread."""
    a = np.ones((384, 384), np.float32)
    threads = kernels.core.num_threads()
    kernels.core.set_num_threads(1)
    try:
        best = math.inf
        for _ in range(5):
            start = time.perf_counter_ns()
            kernels.core.matmul(a, a)
            best = min(best, time.perf_counter_ns() - start)
    finally:
        kernels.core.set_num_threads(threads)
    return 2 * 384**3 / best


def _page(name: str, head: list[str], rows: list[tuple[Any, ...]]) -> str:
    """The calls as bars along a time axis, in one HTML file without scripts."""
    total = sum(row[0] for row in rows) or 1.0
    bars, start = [], 0.0
    for us, share, kernel, label, shapes in rows:
        text = html.escape(f"{kernel} {label} {shapes} {us:.2f} us {share}")
        left, width = 100 * start / total, max(100 * us / total, 0.15)
        bars.append(
            f"<li><span>{html.escape(kernel)} <small>{html.escape(label)}</small></span>"
            f'<i title="{text}" style="margin-left:{left:.3f}%;width:{width:.3f}%"></i>'
            f"<b>{us:.2f}</b></li>"
        )
        start += us
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in head)
    return _TEMPLATE.format(title=html.escape(name), notes=notes, bars="\n".join(bars))


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Plan of {title}</title>
<style>
:root {{ color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }}
body {{ margin: 1rem auto; max-width: 80rem; padding: 0 1rem; }}
ol {{ padding: 0; list-style: none; }}
li {{ display: grid; grid-template-columns: 14rem 1fr 5rem; gap: .5rem; align-items: center; }}
li:hover {{ background: color-mix(in srgb, currentColor 8%, transparent); }}
span {{ overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }}
i {{ display: block; height: .8rem; background: #2a7fb8; border-radius: 2px; }}
b {{ font-weight: normal; text-align: right; font-variant-numeric: tabular-nums; }}
@media (max-width: 40rem) {{ li {{ grid-template-columns: 8rem 1fr 4rem; }} }}
</style>
<h1>Plan of {title}</h1>
{notes}
<p>Microseconds of each call, one after the other on one thread.</p>
<ol>
{bars}
</ol>
</html>
"""
