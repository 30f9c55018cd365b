"""The training steps of bench_steps.py in PyTorch: eager with fused Adam, or torch.compile."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def uniform(*shape: int) -> Any:
    return torch.from_numpy(rng.random(shape, dtype=np.float32))


def integers(high: int, *shape: int) -> Any:
    return torch.from_numpy(rng.integers(0, high, shape))


def trainer(model: Any, loss: Callable, inputs: tuple, compiled: bool = False) -> Callable:
    """A step that trains the model on the same inputs again and again."""
    if inputs[0].ndim == 4:  # images: PyTorch's faster layout
        model = model.to(memory_format=torch.channels_last)
        inputs = (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def loss_of(*batch: Any) -> Any:
        return loss(model, *batch)

    if compiled:
        torch._dynamo.reset()  # it counts the networks before as recompilations of loss_of
    run = torch.compile(loss_of) if compiled else loss_of

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        value = run(*inputs)
        value.backward()
        optimizer.step()
        return value

    return step


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k = nn.Linear(width, width), nn.Linear(width, width)
        self.v, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Any, memory: Any, causal: bool) -> Any:
        n, t, width = x.shape
        q, k, v = (
            y.view(n, y.shape[1], self.heads, -1).transpose(1, 2)
            for y in (self.q(x), self.k(memory), self.v(memory))
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out(y.transpose(1, 2).reshape(n, t, width))


class Block(nn.Module):
    def __init__(self, width: int, causal: bool, cross: bool = False) -> None:
        super().__init__()
        self.causal = causal
        self.own = Attention(width, 4)
        self.other = Attention(width, 4) if cross else None
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.n3 = nn.LayerNorm(width) if cross else None
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Any, memory: Any = None) -> Any:
        h = self.n1(x)
        x = x + self.own(h, h, self.causal)
        if self.other is not None:
            x = x + self.other(self.n3(x), memory, False)
        return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(65, 128), nn.Embedding(64, 128)
        self.blocks = nn.ModuleList(Block(128, causal=True) for _ in range(4))
        self.norm, self.out = nn.LayerNorm(128), nn.Linear(128, 65, bias=False)

    def forward(self, t: Any) -> Any:
        x = self.token(t) + self.place.weight[: t.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x))


class EncoderDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(100, 128)
        self.encoder = nn.ModuleList(Block(128, causal=False) for _ in range(2))
        self.decoder = nn.ModuleList(Block(128, causal=True, cross=True) for _ in range(2))
        self.norm, self.out = nn.LayerNorm(128), nn.Linear(128, 100)

    def forward(self, source: Any, target: Any) -> Any:
        x, z = self.token(source), self.token(target)
        for block in self.encoder:
            x = block(x)
        for block in self.decoder:
            z = block(z, x)
        return self.out(self.norm(z))


class Recurrent(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.run, self.out = kind(32, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        return self.out(self.run(x)[0][:, -1])


def mlp(widths: list[int], activation: Any = nn.ReLU) -> Any:
    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def cnn() -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def vgg() -> Any:
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(128 * 64, 10)),
    )


def cross_entropy(model: Any, x: Any, y: Any) -> Any:
    return F.cross_entropy(model(x).flatten(0, -2), y.flatten())


def sequence_cross_entropy(model: Any, source: Any, target: Any, y: Any) -> Any:
    return F.cross_entropy(model(source, target).flatten(0, 1), y.flatten())


def binary_cross_entropy(model: Any, x: Any, y: Any) -> Any:
    return F.binary_cross_entropy_with_logits(model(x), y)


def squared_error(model: Any, x: Any, y: Any) -> Any:
    return F.mse_loss(model(x), y)


def workloads() -> dict[str, Callable[..., Callable]]:
    def images(n: int, channels: int, side: int) -> tuple:
        return normal(n, channels, side, side), integers(10, n)

    ce, bce, mse = cross_entropy, binary_cross_entropy, squared_error
    makers: dict[str, Callable[[], tuple]] = {
        "seed0 mlp 2-10-2 b100": lambda: (
            mlp([2, 10, 2], nn.Sigmoid), bce, (normal(100, 2), uniform(100, 2))
        ),
        "seed1 mlp 13-10-1 b10": lambda: (mlp([13, 10, 1]), mse, (normal(10, 13), normal(10, 1))),
        "seed3 mlp 10-50-50-1 b32": lambda: (
            mlp([10, 50, 50, 1]), bce, (normal(32, 10), uniform(32, 1))
        ),
        "seed2 mlp 784-128-10 b32": lambda: (
            mlp([784, 128, 10]), ce, (normal(32, 784), integers(10, 32))
        ),
        "mlp 784-512-512-10 b128": lambda: (
            mlp([784, 512, 512, 10]), ce, (normal(128, 784), integers(10, 128))
        ),
        "seed2 cnn 28x28 b32": lambda: (cnn(), ce, images(32, 1, 28)),
        "seed2 cnn 28x28 b128": lambda: (cnn(), ce, images(128, 1, 28)),
        "vgg-ish 32x32x3 b32": lambda: (vgg(), ce, images(32, 3, 32)),
        "rnn T50 h128 b32": lambda: (
            Recurrent(nn.RNN), ce, (normal(32, 50, 32), integers(10, 32))
        ),
        "lstm T50 h128 b32": lambda: (
            Recurrent(nn.LSTM), ce, (normal(32, 50, 32), integers(10, 32))
        ),
        "gpt 4x128 T64 b12": lambda: (GPT(), ce, (integers(65, 12, 64), integers(65, 12, 64))),
        "encdec 2+2x128 T32 b32": lambda: (
            EncoderDecoder(), sequence_cross_entropy, tuple(integers(100, 32, 32) for _ in range(3))
        ),
    }  # fmt: skip
    return {
        name: lambda compiled=False, make=make: trainer(*make(), compiled=compiled)
        for name, make in makers.items()
    }
