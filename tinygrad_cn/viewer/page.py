"""The page of a trace: one HTML file with its data, style and script inside."""

from __future__ import annotations

import html
import json
import math
from importlib import resources
from typing import Any

import numpy as np

from .trace import Entry, Trace

LARGE_GRAPH = 200  # from this many entries on, less of each array goes into the page


def page(trace: Trace, title: str) -> str:
    """The HTML of the trace. It asks nothing of the network, and nothing in it is taken as markup."""
    parts = resources.files(__package__)
    text = (parts / "page.html").read_text("utf-8")
    data = json.dumps(_data(trace, title), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    pieces = {
        "TITLE": html.escape(title),
        "STYLE": (parts / "page.css").read_text("utf-8"),
        "SCRIPT": (parts / "layout.js").read_text("utf-8") + (parts / "page.js").read_text("utf-8"),
        # "<" would let a string in the data end the script element
        "DATA": data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
    }
    for name, piece in pieces.items():
        text = text.replace(f"<!--{name}-->", piece, 1)
    return text


def _data(trace: Trace, title: str) -> dict[str, Any]:
    side = 8 if len(trace.entries) > LARGE_GRAPH else 16
    return {
        "title": title,
        "entries": [_entry(entry, side) for entry in trace.entries],
        "backward": [entry.number for entry in trace.backward],
    }


def _entry(entry: Entry, side: int) -> dict[str, Any]:
    formula, *rules = [part.strip() for part in entry.formula.split(";  ".strip(), 1)]
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
        "value": None if isinstance(entry.value, tuple) else summary(entry.value, side),
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
    """At most ``side`` x ``side`` elements of an array, evenly chosen, with its extremes and mean."""
    if x is None:
        return None
    x = np.asarray(x)
    flat = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(1, -1)
    rows, columns = _chosen(flat.shape[0], side), _chosen(flat.shape[1], side)
    finite = x[np.isfinite(x)] if x.dtype.kind == "f" else x
    return {
        "shape": list(x.shape),
        "rows": rows,
        "columns": columns,
        "cells": [[number(flat[i, j]) for j in columns] for i in rows],
        "least": number(finite.min()) if finite.size else "",
        "most": number(finite.max()) if finite.size else "",
        "mean": number(finite.mean()) if finite.size else "",
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
