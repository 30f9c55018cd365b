"""What is timed on sequences: attention, and recurrent networks from the first step to the last."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, arrays, call, f32
from benchmarks.common import torch
from tinygrad_cn.kernels import reference

GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}


def attention() -> Iterator[Case]:
    for b, h, t, d in ((12, 4, 64, 32), (4, 8, 256, 64), (1, 8, 1024, 64)):
        q = f32(b, h, t, d)
        for causal in (False, True):
            label = f"B{b} H{h} T{t} D{d}{' causal' if causal else ''}"
            flops = 4 * b * h * t * t * d * (0.5 if causal else 1)
            settings = {"causal": causal}
            yield Case(
                "attention", "attention", label, arrays(q, q, q), settings, flops=flops, scale=16,
                peer=lambda q, k, v, c=causal: call(
                    torch.nn.functional.scaled_dot_product_attention, q, k, v, is_causal=c
                ),
            )  # fmt: skip
            yield Case(
                "attention", "attention_grad", label,
                lambda rng, q=q, c=causal: _attention_grad_args(rng, q, c), settings,
                flops=2.5 * flops, scale=256,
                peer=lambda g, q, k, v, y, lse, c=causal: call(
                    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward,
                    g, q, k, v, y, lse, 0.0, c,
                ),
            )  # fmt: skip


def _attention_grad_args(rng: np.random.Generator, make: Any, causal: bool) -> tuple:
    g, q, k, v = (make(rng) for _ in range(4))
    return g, q, k, v, *reference.attention(q, k, v, causal=causal)


def recurrent() -> Iterator[Case]:
    t, n, d, units = 50, 32, 32, 128
    for name, gates in GATES.items():
        width = gates * units
        kernel, label = _recurrent_kernel(units, width), f"T{t} N{n} U{units}"
        make = arrays(f32(t, n, d), f32(d, width), kernel, f32(width))
        if name == "gru":  # which is given the product with its inputs
            make = arrays(f32(t, n, width), kernel, f32(width))
        flops = 2 * t * n * (units + (0 if name == "gru" else d)) * width
        yield Case("recurrent", name, label, make, flops=flops, scale=1024)
        yield Case(
            "recurrent", f"{name}_grad", label,
            lambda rng, name=name, make=make: _recurrent_grad_args(rng, name, make(rng)),
            flops=flops + 2 * t * n * units * width, scale=4096,
        )  # fmt: skip
    sizes = ((50, 32, 32, 128), (10, 1, 16, 64), (200, 32, 64, 64), (30, 64, 100, 200))
    for (name, gates), (t, n, d, units) in itertools.product(GATES.items(), sizes):
        # with the input's projection, as PyTorch computes it
        width = gates * units
        kernel, label = _recurrent_kernel(units, width), f"T{t} N{n} U{units}"
        make = arrays(f32(t, n, d), f32(d, width), kernel, f32(width))
        whole = 2 * t * n * (d + units) * width
        yield Case(
            "recurrent", name, f"{label} D{d} forward", make, flops=whole, scale=1024,
            run=lambda k, name=name: lambda x, w, r, b: _forward(k, name, x, w, r, b)[0],
            peer=lambda x, w, r, b, name=name: _torch_recurrent(name, x, w, r, b, False),
        )  # fmt: skip
        yield Case(
            "recurrent", name, f"{label} D{d} forward+backward", make, flops=3 * whole, scale=8192,
            run=lambda k, name=name: lambda x, w, r, b: _forward_and_backward(k, name, x, w, r, b),
            peer=lambda x, w, r, b, name=name: _torch_recurrent(name, x, w, r, b, True),
        )  # fmt: skip


def _recurrent_kernel(units: int, width: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: f32(units, width)(rng) / np.float32(math.sqrt(units))


def _forward(k: Any, name: str, x: Any, w: Any, r: Any, b: Any) -> tuple:
    if name == "gru":
        return k.gru(k.matmul(x, w, b), r)
    return getattr(k, name)(x, w, r, b)


def _forward_and_backward(k: Any, name: str, x: Any, w: Any, r: Any, b: Any) -> tuple:
    """The gradients of the sum of all states in x, w, r and b."""
    results = _forward(k, name, x, w, r, b)
    g = np.ones_like(results[0])
    before, kept = ((g, None), results[1:]) if name == "lstm" else ((g,), results)
    gz, gr = getattr(k, f"{name}_grad")(*before, *kept, r, initial=False)[:2]
    gx = k.matmul(gz, w.T)
    if name != "gru":
        d = x.shape[-1]
        return gx, gr[:d], gr[d + 1 :], gr[d]
    rows = gz.reshape(-1, gz.shape[-1])
    return gx, k.matmul(x.reshape(-1, x.shape[-1]).T, rows), gr, k.sum(rows, 0)


def _torch_recurrent(
    name: str, x: Any, w: Any, r: Any, b: Any, backward: bool
) -> Callable[[], Any]:
    kind = {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}[name]
    module = getattr(torch.nn, kind)(x.shape[-1], r.shape[0])
    if name == "gru":  # PyTorch has the reset gate first
        w, r, b = (torch.cat([p.chunk(3, -1)[i] for i in (1, 0, 2)], -1) for p in (w, r, b))
    values = (w.T, r.T, b, torch.zeros_like(b))
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), values, strict=True):
            parameter.copy_(value)
    x = x.clone().requires_grad_(backward)
    inputs = [x, *module.parameters()]
    ones = torch.ones(*x.shape[:2], r.shape[0])

    def forward() -> Any:
        with torch.no_grad():
            return module(x)[0]

    return (lambda: torch.autograd.grad(module(x)[0], inputs, ones)) if backward else forward


def _recurrent_grad_args(rng: np.random.Generator, name: str, given: tuple) -> tuple:
    results = getattr(reference, name)(*given)
    g = rng.standard_normal(results[0].shape, dtype=np.float32)
    r = given[1 if name == "gru" else 2]
    return (g, None, *results[1:], r) if name == "lstm" else (g, *results, r)
