"""The page of a trace: one HTML file with its data, style and script inside."""

from __future__ import annotations

import html
import json
import linecache
import math
from importlib import resources
from typing import Any

import numpy as np

from .trace import Entry, Trace

LONG_LINE = 200
CELLS = 60_000  # of all arrays together, about; so much of each goes into the page as fits


def page(trace: Trace, title: str) -> str:
    """The HTML of the trace. It asks nothing of the network; nothing in its data is markup."""
    parts = resources.files(__package__)
    text = (parts / "page.html").read_text("utf-8")
    shown = _data(trace, title)
    data = json.dumps(shown, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # "<" would let a string in the data end the script element; the others end a line of script
    for mark in "<\u2028\u2029":
        data = data.replace(mark, f"\\u{ord(mark):04x}")
    pieces = {
        "TITLE": html.escape(title),
        "STYLE": (parts / "page.css").read_text("utf-8"),
        "SCRIPT": (parts / "layout.js").read_text("utf-8") + (parts / "page.js").read_text("utf-8"),
        "DATA": data,
    }
    for name, piece in pieces.items():
        text = text.replace(f"<!--{name}-->", piece, 1)
    return text


def _data(trace: Trace, title: str) -> dict[str, Any]:
    side = max(3, min(16, math.isqrt(CELLS // len(trace.entries))))
    return {
        "title": title,
        "entries": [_entry(entry, side) for entry in trace.entries],
        "backward": [entry.number for entry in trace.backward],
        "source": _source(trace),
    }


def _source(trace: Trace) -> dict[str, dict[int, str]]:
    """The lines of the user's programs that made the graph, with their neighbours."""
    shown: dict[str, dict[int, str]] = {}
    for file, at in {
        entry.source[:2] for entry in trace.entries if entry.source and entry.source[2]
    }:
        for line in range(max(at - 2, 1), at + 3):
            if text := linecache.getline(file, line).rstrip():
                shown.setdefault(file, {})[line] = text[:LONG_LINE]
    return shown


def _entry(entry: Entry, side: int) -> dict[str, Any]:
    formula, *rules = [part.strip() for part in entry.formula.split(";", 1)]
    return {
        "name": entry.name,
        "named": entry.named,
        "op": entry.node.op.name if entry.node.op is not None else "",
        "kind": entry.kind,
        "formula": formula,
        "rule": rules[0] if rules else "",
        "scope": entry.scope,
        "source": entry.source,
        "shape": _shape(entry),
        "many": isinstance(entry.shape, list),
        "value": summary(entry.value, side),
        "gradient": summary(entry.gradient, side),
        "check": entry.check,
        "fault": entry.fault,
        "inputs": [
            {
                "from": None if x.entry is None else x.entry.number,
                "value": summary(x.value, side) if x.entry is None else None,
                "sent": summary(x.sent, side),
                "summed": list(x.summed),
            }
            for x in entry.inputs
        ],
    }


def _shape(entry: Entry) -> str:
    shapes = entry.shape if isinstance(entry.shape, list) else [entry.shape]
    return ", ".join("×".join(map(str, shape)) or "1" for shape in shapes)


def summary(x: Any, side: int) -> dict[str, Any] | None:
    """At most ``side`` x ``side`` elements of an array, evenly chosen, with extremes and mean."""
    if x is None or isinstance(x, tuple):
        return None
    x = np.asarray(x)
    flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) if x.ndim else x.reshape(1, 1)
    rows, columns = _chosen(flat.shape[0], side), _chosen(flat.shape[1], side)
    finite = x[np.isfinite(x)] if x.dtype.kind == "f" else x
    return {
        "shape": list(x.shape),
        "rows": rows,
        "columns": columns,
        "cells": [[number(flat[i, j]) for j in columns] for i in rows],
        "least": number(finite.min()) if finite.size else "",
        "most": number(finite.max()) if finite.size else "",
        "mean": number(finite.mean(dtype=np.float64)) if finite.size else "",
        "odd": int(x.size - finite.size),
    }


def _chosen(n: int, most: int) -> list[int]:
    """At most so many of the numbers below n, the first and the last among them."""
    return [round(i * (n - 1) / max(min(n, most) - 1, 1)) for i in range(min(n, most))]


def number(x: Any) -> str:
    """Four digits; NaN and infinity as words (JSON has no numbers for them)."""
    value = float(x)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.4g}"
