"""Kernel calls of every driver, recorded as they run here, to be run again on another machine.

A file of them is, for each call: the number of bytes of its memory, its tg_call struct with offsets
(plus 1; 0 means absent) in place of addresses, and the memory. The struct has the same layout on
every 64-bit machine.
"""

from __future__ import annotations

import ctypes
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
from op_cases import CASES, Case

import tinygrad_cn as tg
from tinygrad_cn import kernels

core = kernels.core
ROOM = 64  # bytes before and after each array, and what they are multiples of

# Their arrays hold addresses, or nothing that vectors work on: the plan's merged updates.
UNRECORDED = {"sgd_all", "adam_all", "increment"}


def names(family: str) -> list[str]:
    """The X-macro TG_<family> of csrc/tg.h."""
    text = (Path(__file__).parents[1] / "csrc" / "tg.h").read_text()
    found = re.search(rf"#define TG_{family}\(X\)((?:.*\\\n)*.*)", text)
    assert found is not None
    return re.findall(r"X\((\w+)\)", found[1])


class Calls:
    """A recorder (see kernels.core.set_recorder) that writes each call with its memory."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.drivers: dict[str, int] = {}

    def refuse(self, name: str) -> None:
        """Computed by NumPy: not a call."""

    def record(self, call: bytes, arrays: Any = ()) -> None:
        what = core.describe_call(call)
        if what["driver"] in UNRECORDED:
            return
        self.drivers[what["driver"]] = self.drivers.get(what["driver"], 0) + 1
        spans = [extent(a) if a else None for a in what["arrays"]]
        merged: list[list[int]] = []  # what overlaps stays together
        for first, last in sorted(span for span in spans if span):
            if merged and first < merged[-1][1]:
                merged[-1][1] = max(last, merged[-1][1])
            else:
                merged.append([first, last])
        memory = bytearray(ROOM)
        starts = {}
        for first, last in merged:
            starts[first] = len(memory)
            memory += ctypes.string_at(first, last - first)
            memory += bytes(-len(memory) % ROOM + ROOM)
        places: list[int | None] = []
        for a, span in zip(what["arrays"], spans, strict=True):
            if a is None or span is None:
                places.append(None)
                continue
            first = max(f for f, last in merged if f <= span[0] < max(last, f + 1))
            places.append(starts[first] + a["address"] - first + 1)
        self.file.write(struct.pack("q", len(memory)) + core.relocate_call(call, places) + memory)


def extent(array: dict[str, Any]) -> tuple[int, int]:
    """The first byte of an array, and the one after the last."""
    item = np.dtype(array["dtype"]).itemsize
    steps = [(n - 1) * s * item for n, s in zip(array["shape"], array["strides"], strict=True)]
    if 0 in array["shape"]:
        return array["address"], array["address"]
    low, high = sum(s for s in steps if s < 0), sum(s for s in steps if s > 0)
    return array["address"] + low, array["address"] + high + item


def run_case(case: Case, dtype: str) -> None:
    """Forward, and the gradient of a weighted sum."""
    rng = np.random.default_rng(1)
    xs = [tg.Tensor(x) for x in case.inputs(dtype=dtype)]
    for x in xs:
        x.requires_grad = True
    ys = case(*xs)
    ys = [y for y in (ys if isinstance(ys, tuple) else (ys,)) if y.dtype == np.dtype(dtype)]
    if ys:
        tg.grad(ys, xs, [rng.uniform(0.5, 1, y.shape).astype(dtype) for y in ys], allow_unused=True)


def run_kernels(dtype: str) -> None:
    """What the cases leave out, and shapes with full vectors and a rest."""
    rng = np.random.default_rng(0)

    def x(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(dtype)

    k, state, rate = kernels, np.array([5, 0]), np.array(0.1)
    for size in (37, 1100):
        a, b, positive = x(size), x(size), np.abs(x(size)) + np.asarray(0.1, dtype)
        for name in names("UNARY"):
            getattr(k, name)(positive if name in ("log", "log2", "log10", "sqrt", "rsqrt") else a)
        for name in names("BINARY"):
            getattr(k, name)(positive, b)
        k.sgd(a, b, x(size), rate, np.array([0.9, 0.01]), True)
        k.adam(a, b, x(size), positive, rate, np.array(3), np.array([0.9, 0.999, 1e-7, 0.01]))
        k.uniform(state, (size,), dtype), k.normal(state, (size,), dtype), k.dropout(a, 0.3, state)
    for m, n, inner in ((1, 37, 53), (5, 37, 53), (70, 45, 33), (64, 64, 64)):
        for activation in (None, "relu", "tanh", "sigmoid", "gelu_tanh"):
            k.matmul(x(m, inner), x(inner, n), x(n), activation)
        k.matmul(x(inner, m).T, x(n, inner).T)
    k.argmax(x(9, 37), axis=1), k.argmin(x(9, 37), axis=0), k.cumsum(x(3, 40), 1)
    k.top_k(x(9, 70), 5)
    for height, channels, filters, groups in ((9, 3, 20, 1), (16, 16, 24, 1), (12, 24, 24, 24)):
        image, w = x(2, height, height, channels), x(3, 3, channels // groups, filters)
        same = ((1, 1), (1, 1))
        y = k.conv2d(image, w, (1, 1), same, (1, 1), groups)
        k.conv2d_input_grad(y, w, image.shape, (1, 1), same, (1, 1), groups)
        k.conv2d_weight_grad(image, y, w.shape, (1, 1), same, (1, 1), groups)
        y, index = k.max_pool2d(image, (3, 3), (2, 2), same)
        k.max_pool2d_grad(y, index, image.shape, (3, 3), (2, 2), same)
        k.max_pool2d_gather(image, index, (3, 3), (2, 2), same)
        k.average_pool2d_grad(k.average_pool2d(image), image.shape)
    rows, gamma = x(12, 37), x(37)
    _, mean, rstd = k.layer_norm(rows, gamma, gamma)
    k.layer_norm_grad(rows, rows, gamma, mean, rstd)
    _, mean, var = k.batch_norm(rows, gamma, gamma)
    k.batch_norm_grad(rows, rows, gamma, mean, var)
    q = x(2, 2, 19, 20)
    y, lse = k.attention(q, q, q, causal=True)
    k.attention_grad(q, q, q, q, y, lse, causal=True)
    units, z = 21, x(4, 5, 84)
    states, joined = k.simple_rnn(z, x(84, units), x(units, units), x(units))
    k.simple_rnn_grad(x(*states.shape), states, joined, x(units, units))
    for rows in (z, x(4, 9, 84)):  # the product of the inputs before the steps, and in them
        states, cells, gates, joined = k.lstm(rows, x(84, 84), x(units, 84), x(84))
        k.lstm_grad(x(*states.shape), None, cells, gates, joined, x(units, 84))
    states, gates = k.gru(z[..., :63], x(units, 63), x(63))
    k.gru_grad(x(*states.shape), states, gates, x(units, 63))


def run_plans(calls: Calls, dtype: str) -> None:
    """What only a plan makes, chains of elementwise calls say, from its calls once it has run."""
    made: list[bytes] = []

    def plan(records: list[bytes], together: list[int]) -> Any:
        made.extend(records)
        return real(records, together)

    real, core.Plan = core.Plan, plan
    try:
        x, labels = np.linspace(-1, 1, 1500, dtype=dtype).reshape(30, 50), np.arange(30)
        steps = [
            tg.jit(lambda x: tg.ops.tanh(x) * x + 1),
            tg.jit(lambda x: tg.ops.sum(tg.ops.exp(x) * x, axis=1)),
            tg.jit(tg.value_and_grad(lambda x: tg.ops.mean(tg.ops.cross_entropy(x, labels)))),
        ]
        for step in steps * 3:
            step(x)
        for call in made:
            calls.record(call)
    finally:
        core.Plan = real


def write_calls(path: Path) -> dict[str, int]:
    """Write the calls of everything; how many there are of each driver."""
    calls = Calls(path)
    for dtype in ("float32", "float64"):
        before = core.set_recorder(calls)
        try:
            for case in CASES:
                run_case(case, dtype)
            run_kernels(dtype)
        finally:
            core.set_recorder(before)
        run_plans(calls, dtype)
    calls.file.close()
    return calls.drivers
