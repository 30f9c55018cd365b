"""Tables and plots of the last run: ``python -m benchmarks report``.

Reads bench_output/kernels.json (pytest-benchmark's record), measures the machine's limits, prints
one line per kernel and size and the geometric mean of each family, and writes

    table.md       the same as a Markdown table, for docs/performance.md
    ratios.png     how many times faster than NumPy and PyTorch, per family
    roofline.png   GFLOP/s against flops per byte, under the machine's limits
    growth.png     time against size
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.probe import probe

OUTPUT = Path(__file__).parents[1] / "bench_output"
COLORS = {"numpy": "#4c78a8", "torch": "#e4572e", "compiled": "#2a9d5c"}
Row = dict[str, Any]


def main() -> int:
    path = OUTPUT / "kernels.json"
    if not path.is_file():
        print(f"No measurements yet: run `make bench` first (expected {path.name}).")
        return 1
    rows = load(path)
    if not rows:
        print("Nothing was measured.")
        return 1
    limits = {n: probe(n) for n in sorted({row["threads"] for row in rows})}
    text = table(rows, limits)
    print(text)
    (OUTPUT / "table.md").write_text(markdown(rows, limits), encoding="utf-8")
    try:
        draw_ratios(rows, OUTPUT / "ratios.png")
        draw_roofline(rows, limits, OUTPUT / "roofline.png")
        draw_growth(rows, OUTPUT / "growth.png")
    except ImportError:
        print("No plots: matplotlib is not installed.")
    else:
        print(f"Plots and the table as Markdown are in {OUTPUT.name}/.")
    return 0


def load(path: Path) -> list[Row]:
    record = json.loads(path.read_text(encoding="utf-8"))
    return [entry["extra_info"] for entry in record["benchmarks"] if entry["extra_info"]]


def geometric_mean(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def rivals(row: Row) -> dict[str, float]:
    """How many times faster than each other side."""
    return {side: ratio for side, ratio in row["ratios"].items() if side != "compiled"}


def share(row: Row, limits: dict[int, Any]) -> float | None:
    """The part of the machine's limit that is reached: peak, or bandwidth for what moves data."""
    limit = limits[row["threads"]]
    if limit is None or not (row["flops"] or row["bytes"]):
        return None
    seconds = row["seconds"]["compiled"]
    if row["flops"]:
        return row["flops"] / seconds * 1e-9 / limit["f64" if "f64" in row["label"] else "f32"]
    return row["bytes"] / seconds * 1e-9 / limit["triad"]


def families(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    found: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["family"], row["threads"]].append(row)
    return found


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def count(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def table(rows: list[Row], limits: dict[int, Any]) -> str:
    """One line per kernel, size and thread count; then a line per family."""
    lines = [common.describe(common.machine()), ""]
    for threads, limit in limits.items():
        if limit:
            lines.append(
                f"{count(threads)}: peak {limit['f32']:.0f} GFLOP/s (float64: "
                f"{limit['f64']:.0f}); memory {limit['triad']:.1f} GB/s, read {limit['read']:.1f}"
            )
    head = f"{'kernel':<44}{'threads':>8}{'time':>10}{'/NumPy':>9}{'/torch':>9}{'of limit':>10}"
    lines += ["", head, "-" * len(head)]
    for row in rows:
        part = share(row, limits)
        ratios = [f"{row['ratios'][s]:.2f}x" if s in row["ratios"] else "-" for s in SIDES]
        lines.append(
            f"{row['kernel'] + ' ' + row['label']:<44}{row['threads']:>8}"
            f"{duration(row['seconds']['compiled']):>10}{ratios[0]:>9}{ratios[1]:>9}"
            f"{'-' if part is None else format(part, '.0%'):>10}"
        )
    lines += ["", "Against the faster of NumPy and PyTorch:", ""]
    lines += [f"{'family':<20}{'threads':>8}{'mean':>9}{'worst':>9}   where"]
    for (family, threads), members in families(rows).items():
        mean, worst, where = summary(members)
        lines.append(f"{family:<20}{threads:>8}{mean:>8.2f}x{worst:>8.2f}x   {where}")
    return "\n".join(lines) + "\n"


SIDES = ("numpy", "torch")


def summary(rows: list[Row]) -> tuple[float, float, str]:
    """Geometric mean and worst ratio against the faster rival, and where the worst is."""
    best = [(min(rivals(row).values()), f"{row['kernel']} {row['label']}") for row in rows]
    worst, where = min(best)
    return geometric_mean(ratio for ratio, _ in best), worst, where


def markdown(rows: list[Row], limits: dict[int, Any]) -> str:
    lines = [common.describe(common.machine()) + "  "]
    for threads, limit in limits.items():
        if limit:
            lines.append(
                f"{count(threads)}: {limit['f32']:.0f} GFLOP/s (float32) at the peak, "
                f"{limit['triad']:.1f} GB/s from memory  "
            )
    lines += ["", "| family | threads | geometric mean | worst | where |", "|---|---|---|---|---|"]
    for (family, threads), members in families(rows).items():
        mean, worst, where = summary(members)
        lines.append(f"| {family} | {threads} | {mean:.2f}x | {worst:.2f}x | {where} |")
    lines += ["", "| kernel | threads | time | NumPy | PyTorch | of the limit |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in rows:
        part = share(row, limits)
        ratios = [f"{row['ratios'][s]:.2f}x" if s in row["ratios"] else "" for s in SIDES]
        lines.append(
            f"| {row['kernel']} {row['label']} | {row['threads']} | "
            f"{duration(row['seconds']['compiled'])} | {' | '.join(ratios)} | "
            f"{'' if part is None else format(part, '.0%')} |"
        )
    return "\n".join(lines) + "\n"


# --- plots ----------------------------------------------------------------------------------------


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_ratios(rows: list[Row], path: Path) -> None:
    """Per family: the geometric mean as a bar, each kernel and size as a dot."""
    rows = [row for row in rows if row["threads"] == max(row["threads"] for row in rows)]
    names = list(dict.fromkeys(row["family"] for row in rows))
    figure = _figure(10, 1.2 + 0.55 * len(names))
    axes = figure.subplots()
    for offset, (side, label) in zip(
        (-0.2, 0.2), (("numpy", "NumPy"), ("torch", "PyTorch")), strict=True
    ):
        shown = False
        for at, name in enumerate(names):
            ratios = [
                r["ratios"][side] for r in rows if r["family"] == name and side in r["ratios"]
            ]
            if not ratios:
                continue
            mean = geometric_mean(ratios)
            axes.barh(
                at + offset, mean - 1, left=1, height=0.36, color=COLORS[side], alpha=0.55,
                label=None if shown else f"against {label}",
            )  # fmt: skip
            axes.plot(ratios, [at + offset] * len(ratios), ".", color=COLORS[side], markersize=4)
            axes.text(
                1.01, at + offset, f"{mean:.2f}x", color=COLORS[side], fontsize=9, va="center",
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
            shown = True
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, 0.04), min(high, 120))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}x")
    axes.set_xlabel("times faster (bar: geometric mean, dots: kernels and sizes)")
    axes.set_title(f"tinygrad_cn's kernels, {count(rows[0]['threads'])}")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def draw_roofline(rows: list[Row], limits: dict[int, Any], path: Path) -> None:
    """Where each product and convolution stands under the machine's two limits."""
    threads = max(limits)
    limit = limits[threads]
    rows = [row for row in rows if row["threads"] == threads and row["flops"] and row["bytes"]]
    rows = [row for row in rows if "f64" not in row["label"]]
    if limit is None or not rows:
        return
    figure = _figure(9, 6)
    axes = figure.subplots()
    reach = [row["flops"] / row["bytes"] for row in rows]
    xs = [min(reach) / 2, limit["f32"] / limit["triad"], max(reach) * 2]
    axes.plot(xs, [min(x * limit["triad"], limit["f32"]) for x in xs], color="black", linewidth=1.5)
    axes.annotate(
        f"peak {limit['f32']:.0f} GFLOP/s", (xs[2], limit["f32"]), xytext=(0, 5),
        textcoords="offset points", ha="right",
    )  # fmt: skip
    axes.annotate(
        f"memory {limit['triad']:.0f} GB/s", (xs[0], xs[0] * limit["triad"]), xytext=(8, -4),
        textcoords="offset points", va="top",
    )  # fmt: skip
    markers = {"matmul": "o", "conv2d": "s", "conv2d_input_grad": "^", "conv2d_weight_grad": "v"}
    for side, label in (("numpy", "NumPy"), ("torch", "PyTorch"), ("compiled", "tinygrad_cn")):
        for kernel, marker in markers.items():
            mine = [row for row in rows if row["kernel"] == kernel and side in row["seconds"]]
            if mine and not (side == "numpy" and kernel != "matmul"):
                axes.scatter(
                    [row["flops"] / row["bytes"] for row in mine],
                    [row["flops"] / row["seconds"][side] * 1e-9 for row in mine],
                    marker=marker, s=26, color=COLORS[side], alpha=0.75, label=f"{label} {kernel}",
                )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="flops per byte", ylabel="GFLOP/s")
    axes.set_ylim(limit["f32"] / 2000, limit["f32"] * 2)
    axes.set_title(f"Under the roofline, {count(threads)}, float32")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=120)


def draw_growth(rows: list[Row], path: Path) -> None:
    """Time against size for the kernels measured at several sizes: a cliff would show."""
    threads = max(row["threads"] for row in rows)
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["size"] and row["threads"] == threads:
            groups[row["kernel"]].append(row)
    groups = {name: members for name, members in groups.items() if len(members) > 2}
    if not groups:
        return
    columns = min(4, len(groups))
    lines = -(-len(groups) // columns)
    figure = _figure(3.4 * columns, 2.9 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, (name, members) in zip(grid.flat, groups.items(), strict=False):
        for side, label in (("numpy", "NumPy"), ("torch", "PyTorch"), ("compiled", "tinygrad_cn")):
            points = [
                (row["size"], row["seconds"][side]) for row in members if side in row["seconds"]
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=COLORS[side], label=label, ms=3)
        axes.set(xscale="log", yscale="log", title=name)
        axes.grid(alpha=0.3)
    for axes in list(grid.flat)[len(groups) :]:
        axes.set_axis_off()
    figure.supxlabel("size")
    figure.supylabel("seconds")
    grid[0, 0].legend(fontsize=8)
    figure.suptitle(f"Time against size, {count(threads)}")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
