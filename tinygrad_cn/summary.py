"""The table that ``model.summary()`` prints."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from . import tree

BOX = {"top": "┏━┳┓", "head": "┃", "below": "┡━╇┩", "row": "│", "between": "├─┼┤", "bottom": "└─┴┘"}
PLAIN = {
    "top": "+-++",
    "head": "|",
    "below": "+=++",
    "row": "|",
    "between": "+-++",
    "bottom": "+-++",
}


def width(text: str) -> int:
    """How many columns of a terminal a text takes: Chinese characters take two.

    >>> from tinygrad_cn.summary import width
    >>> width("dense"), width("全连接")
    (5, 6)
    """
    marks = [c for c in text if not unicodedata.combining(c)]
    return len(marks) + sum([unicodedata.east_asian_width(c) in "WF" for c in marks])


def wrap_text(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many columns."""
    lines, line = [], ""
    for c in text:
        if line and width(line + c) > columns:
            lines.append(line)
            line = ""
        line += c
    return [*lines, line]


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: Sequence[int],
    box: dict[str, Any],
) -> str:
    """A table; the number columns ("Param #") are set to the right."""
    right = [name.endswith("#") for name in header]

    def rule(kind: str) -> str:
        first, line, cross, last = box[kind]
        return first + cross.join([line * (n + 2) for n in columns]) + last

    def cells(row: Sequence[str], bar: str) -> list[str]:
        wrapped = [wrap_text(text, n) for text, n in zip(row, columns, strict=True)]
        lines = []
        for i in range(max(map(len, wrapped))):
            parts = []
            for text, n, to_right in zip(wrapped, columns, right, strict=True):
                piece = text[i] if i < len(text) else ""
                gap = " " * (n - width(piece))
                parts.append(f" {gap}{piece} " if to_right else f" {piece}{gap} ")
            lines.append(bar + bar.join(parts) + bar)
        return lines

    lines = [rule("top"), *cells(header, box["head"]), rule("below")]
    for i, row in enumerate(rows):
        lines += cells(row, box["row"])
        lines.append(rule("between") if i + 1 < len(rows) else rule("bottom"))
    if not rows:
        lines.append(rule("bottom"))
    return "\n".join(lines)


def bytes_in_words(n: float) -> str:
    """A number of bytes in a unit that fits."""
    units = ["B", "KB", "MB", "GB"]
    while n >= 1024 and len(units) > 1:
        n, units = n / 1024, units[1:]
    return f"{n:.2f} {units[0]}"


def shape_in_words(structure: Any) -> str:
    """One shape, or a list of them."""
    if structure is None:
        return "?"
    if isinstance(structure, tuple) and all([n is None or isinstance(n, int) for n in structure]):
        return str(structure)
    parts = structure.values() if isinstance(structure, dict) else structure
    return ", ".join([shape_in_words(part) for part in parts])


def rows_of(model: Any, columns: dict[str, bool], depth: int, nested: bool) -> list[list[str]]:
    """The rows of a model's layers, and of the layers of models inside it."""
    rows = []
    for layer in model.summary_layers():
        name = f"{'  ' * depth}{'└ ' if depth else ''}{layer.name} ({type(layer).__name__})"
        unbuilt = not layer.built and not layer.weights
        count = "0 (unbuilt)" if unbuilt else f"{sum([v.size for v in layer.weights]):,}"
        row = [name, shape_in_words(layer._output_shape), count]
        if columns["connected"]:
            row.append(_sources(model, layer))
        if columns["trainable"]:
            row.append(("Y" if layer.trainable else "N") if layer.weights else "-")
        rows.append(row)
        if nested and hasattr(layer, "summary_layers"):
            rows += rows_of(layer, columns, depth + 1, nested)
    return rows


def _sources(model: Any, layer: Any) -> str:
    graph = getattr(model, "_graph", None)
    found = []
    for call in graph.calls if graph is not None else []:
        if call.layer is layer:
            for x in call.inputs:
                number = tree.flatten(x.call.outputs).index(x) if x.call is not None else 0
                at = x.call.layer._calls.index(x.call) if x.call is not None else 0
                found.append(
                    f"{x.call.layer.name if x.call is not None else x.name}[{at}][{number}]"
                )
    return ", ".join(found) or "-"


def print_summary(
    model: Any,
    line_length: int | None,
    positions: Any,
    print_fn: Callable[..., Any] | None,
    expand_nested: bool,
    show_trainable: bool,
    layer_range: Any,
) -> None:
    """Print the table, and the numbers of parameters below it."""
    graph = getattr(model, "_graph", None)
    chain = graph is None or _is_chain(graph)
    header, share = ["Layer (type)", "Output Shape", "Param #"], [0.46, 0.34, 0.20]
    if not chain:
        header, share = [*header, "Connected to"], [0.30, 0.27, 0.16, 0.27]
    if show_trainable:
        header, share = [*header, "Trainable"], [*[0.88 * s for s in share], 0.12]
    if positions is not None:
        cuts = [0.0, *[float(p) for p in positions]]
        cuts = [c / cuts[-1] for c in cuts] if cuts[-1] > 1 else cuts
        if len(cuts) != len(header) + 1:
            raise ValueError(
                f"[summary] Expected {len(header)} positions for {header}, received {positions!r}."
            )
        share = [b - a for a, b in pairwise(cuts)]
    rows = rows_of(model, {"connected": not chain, "trainable": show_trainable}, 0, expand_nested)
    rows = _in_range(model, rows, layer_range)
    total = line_length or (78 if chain else 98)
    room = total - 3 * len(header) - 1
    columns = [max(int(room * s), 9) for s in share]
    if line_length is None:  # wide enough for numbers and shapes; names may break
        for i in (1, 2):
            columns[i] = max([columns[i], *[width(row[i]) for row in rows if width(row[i]) < 60]])
    text = table(header, rows, columns, BOX if _can_print("".join(BOX.values())) else PLAIN)
    lines = [f'Model: "{model.name}"', *text.split("\n")]
    trainable = {id(v) for v in model.trainable_weights}
    weights = model.weights
    kept = [] if getattr(model, "optimizer", None) is None else model.optimizer.variables
    groups = {
        "Total": [*weights, *(kept if len(kept) > 2 else [])],
        "Trainable": [v for v in weights if id(v) in trainable],
        "Non-trainable": [v for v in weights if id(v) not in trainable],
    }
    if len(kept) > 2:
        groups["Optimizer"] = kept
    for name, group in groups.items():
        n = sum([v.size for v in group])
        lines.append(
            f" {name} params: {n:,} ({bytes_in_words(sum([v.data.nbytes for v in group]))})"
        )
    out = print_fn or print
    if print_fn is None:
        out("\n".join(lines))
    else:
        for line in lines:
            out(line)


def _is_chain(graph: Any) -> bool:
    """Does every layer take the output of the one before?"""
    if len(graph.input_list) != 1 or len(graph.output_list) != 1:
        return False
    used = [id(x) for call in graph.calls for x in call.inputs]
    return len(used) == len(set(used)) == len(graph.calls)


def _in_range(model: Any, rows: list[Any], layer_range: Any) -> list[Any]:
    """The rows from the first to the last layer named."""
    if layer_range is None:
        return rows
    names = [row[0].split(" (")[0].strip(" └") for row in rows]
    first, last = layer_range
    for name in (first, last):
        if name not in names:
            raise ValueError(
                f"[summary] Expected names of layers {names}, received {layer_range!r}."
            )
    return rows[names.index(first) : names.index(last) + 1]


def _can_print(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
