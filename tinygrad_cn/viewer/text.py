"""A trace as text: the chain rule line by line, with numbers, for a terminal."""

from __future__ import annotations

from typing import Any

import numpy as np

from .page import number, summary
from .trace import Entry, Trace

WORDS = {
    "zh": {
        "forward": "前向：一步一步算出结果",
        "backward": "反向：从结果走回每个叶子",
        "start": "从这里开始",
        "arrives": "到达的梯度",
        "sends": "送给",
        "unknown": "（未保留）",
        "many": "（多个输出）",
        "sum": "相加",
        "axes": "沿轴求和",
        "right": "有限差分：一致",
        "wrong": "有限差分：不一致",
        "fault": "这里第一次出现 NaN 或无穷",
    },
    "en": {
        "forward": "Forward: the result, step by step",
        "backward": "Backward: from the result to the leaves",
        "start": "starts here",
        "arrives": "gradient that arrives",
        "sends": "sends to",
        "unknown": "(not kept)",
        "many": "(several outputs)",
        "sum": "added up",
        "axes": "summed over axes",
        "right": "finite differences agree",
        "wrong": "finite differences disagree",
        "fault": "NaN or infinity appears here first",
    },
}


def text(trace: Trace, language: str = "zh") -> str:
    """The derivation, in Chinese ("zh") or English ("en")."""
    if language not in WORDS:
        raise ValueError(f"[text] Expected a language of {list(WORDS)}, received {language!r}.")
    words = WORDS[language]
    lines = [words["forward"]]
    for entry in trace.entries:
        lines.append(f"  {_left(entry):32s} = {_value(entry.value, words)}{_place(entry)}")
    lines += ["", words["backward"]]
    arrivals: dict[int, list[str]] = {}
    for entry in trace.backward:
        lines.append(f"  d{label(entry)} = {_arrived(entry, arrivals, words)}")
        if entry.node.op is not None and ";" in entry.formula:
            lines.append(f"      {entry.formula.split(';', 1)[1].strip()}")
        for given in entry.inputs:
            if given.entry is not None and given.sent is not None:
                shown = _value(given.sent, words)
                fitted = given.sent
                if given.summed:
                    fitted = given.sent.sum(given.summed).reshape(given.entry.shape)
                    shown += f"  {words['axes']} {given.summed}: {_value(fitted, words)}"
                arrivals.setdefault(given.entry.number, []).append(_value(fitted, words))
                lines.append(f"      {words['sends']} d{label(given.entry)}: {shown}")
        if entry.check:
            lines.append(f"      {words[entry.check]}")
        if entry.fault:
            lines.append(f"      !! {words['fault']}")
    return "\n".join(lines)


def label(entry: Entry) -> str:
    """The name of an entry: the user's, or one made of its number."""
    return entry.name if entry.named or entry.kind in ("parameter", "input") else f"v{entry.number}"


def _left(entry: Entry) -> str:
    if not entry.inputs:
        return label(entry)
    given = [label(x.entry) if x.entry else _short(x.value) for x in entry.inputs]
    op = entry.node.op.name if entry.node.op is not None else entry.name
    return f"{label(entry)} = {op}({', '.join(given)})"


def _arrived(entry: Entry, arrivals: dict[int, list[str]], words: dict[str, str]) -> str:
    total = _value(entry.gradient, words)
    parts = arrivals.get(entry.number, [])
    if isinstance(entry.gradient, tuple):
        return " , ".join(_value(g, words) for g in entry.gradient)
    if len(parts) > 1:
        return f"{' + '.join(parts)} = {total}   ({words['sum']})"
    return f"{total}   ({words['arrives'] if parts else words['start']})"


def _place(entry: Entry) -> str:
    return "" if entry.source is None else f"    # {entry.source[2]}"


def _short(value: Any) -> str:
    return "?" if value is None else number(value) if np.ndim(value) == 0 else f"{np.shape(value)}"


def _value(value: Any, words: dict[str, str]) -> str:
    if value is None or isinstance(value, tuple):
        return words["unknown" if value is None else "many"]
    array = np.asarray(value)
    if array.ndim == 0:
        return number(array)
    if array.size <= 8:
        return np.array2string(array, precision=4, separator=", ").replace("\n", "")
    found = summary(array, 1) or {}
    odd = f", {found['odd']} NaN/∞" if found["odd"] else ""
    return f"[{'×'.join(map(str, array.shape))}: {found['least']} … {found['most']}{odd}]"
