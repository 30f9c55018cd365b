"""The training steps of bench_steps.py in tinygrad_cn: loss, gradients and Adam in one jit.

``workloads() -> {name: maker}``, ``maker() -> step``, ``step() -> loss``; the same networks as in
steps_torch.py and steps_jax.py, with parameters as plain Variables so that nothing is hidden.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cn as tg
from tinygrad_cn import ops

rng = np.random.default_rng(0)


class Parameters:
    """Makes variables, and remembers them for the optimizer."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def make(self, value: Any) -> Any:
        self.all.append(tg.Variable(np.asarray(value, dtype=np.float32)))
        return self.all[-1]

    def dense(self, n_in: int, n_out: int) -> Callable[..., Any]:
        w, b = self.make(normal(n_in, n_out) / math.sqrt(n_in)), self.make(np.zeros(n_out))
        return lambda x, activation=None: ops.linear(x, w, b, activation=activation)

    def conv(self, n_in: int, n_out: int) -> Callable[..., Any]:
        w = self.make(normal(3, 3, n_in, n_out) / math.sqrt(9 * n_in))
        b = self.make(np.zeros(n_out))
        return lambda x, padding, activation=None: ops.conv(
            x, w, padding=padding, bias=b, activation=activation
        )

    def layer_norm(self, width: int) -> Callable[[Any], Any]:
        gamma, beta = self.make(np.ones(width)), self.make(np.zeros(width))
        return lambda x: ops.layer_normalization(x, gamma, beta, epsilon=1e-5)

    def batch_norm(self, width: int) -> Callable[[Any], Any]:
        gamma, beta = self.make(np.ones(width)), self.make(np.zeros(width))
        return lambda x: ops.batch_normalization_training(x, gamma, beta, epsilon=1e-5)[0]


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def integers(high: int, *shape: int) -> np.ndarray:
    return rng.integers(0, high, shape)


def trainer(parameters: Parameters, loss: Callable[..., Any], inputs: tuple) -> Callable[[], Any]:
    """A step that trains the parameters on the same inputs again and again."""
    optimizer = tg.optimizers.Adam(1e-3, epsilon=1e-8)

    @tg.jit
    def step(*batch: Any) -> Any:
        return optimizer.minimize(lambda: loss(*batch), parameters.all)

    tensors = [tg.tensor(x) for x in inputs]
    return lambda: step(*tensors)


def cross_entropy(logits: Any, labels: Any) -> Any:
    return ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    return ops.mean(ops.binary_crossentropy(targets, logits, from_logits=True))


def squared_error(y: Any, targets: Any) -> Any:
    return ops.mean(ops.square(y - targets))


def mlp(widths: list[int], loss: Callable, inputs: tuple, activation: str = "relu") -> Callable:
    p = Parameters()
    layers = [p.dense(a, b) for a, b in itertools.pairwise(widths)]

    def total(x: Any, y: Any) -> Any:
        for layer in layers[:-1]:
            x = layer(x, activation)
        return loss(layers[-1](x), y)

    return trainer(p, total, inputs)


def cnn(batch: int) -> Callable:
    p = Parameters()
    c1, c2, d1, d2 = p.conv(1, 32), p.conv(32, 64), p.dense(1600, 128), p.dense(128, 10)

    def loss(x: Any, y: Any) -> Any:
        x = ops.max_pool(c1(x, "valid", "relu"), 2)
        x = ops.max_pool(c2(x, "valid", "relu"), 2)
        return cross_entropy(d2(d1(x.reshape(batch, -1), "relu")), y)

    return trainer(p, loss, (normal(batch, 28, 28, 1), integers(10, batch)))


def vgg() -> Callable:
    p = Parameters()
    c1, c2, c3 = p.conv(3, 64), p.conv(64, 64), p.conv(64, 128)
    b2, b3, dense = p.batch_norm(64), p.batch_norm(128), p.dense(128 * 64, 10)

    def loss(x: Any, y: Any) -> Any:
        x = c1(x, "same", "relu")
        x = ops.max_pool(ops.relu(b2(c2(x, "same"))), 2)
        x = ops.max_pool(ops.relu(b3(c3(x, "same"))), 2)
        return cross_entropy(dense(x.reshape(32, -1)), y)

    return trainer(p, loss, (normal(32, 32, 32, 3), integers(10, 32)))


def rnn(kind: str) -> Callable:
    p = Parameters()
    width = 128 * {"simple_rnn": 1, "lstm": 4}[kind]
    kernel = p.make(normal(32, width) / math.sqrt(32))
    recurrent, bias = p.make(normal(128, width) / math.sqrt(128)), p.make(np.zeros(width))
    dense, run = p.dense(128, 10), getattr(ops, kind)

    def loss(x: Any, y: Any) -> Any:
        h = run(x, kernel, recurrent, bias)[1]
        return cross_entropy(dense(h), y)

    return trainer(p, loss, (normal(32, 50, 32), integers(10, 32)))


# --- transformers ---------------------------------------------------------------------------------


def attention_of(p: Parameters, width: int, heads: int) -> Callable[..., Any]:
    q, k, v, out = (p.dense(width, width) for _ in range(4))

    def split(x: Any) -> Any:  # (N, T, D) -> (N, H, T, D / H)
        n, t, _ = x.shape
        return ops.transpose(x.reshape(n, t, heads, width // heads), (0, 2, 1, 3))

    def attend(x: Any, memory: Any, causal: bool) -> Any:
        y = ops.attention(split(q(x)), split(k(memory)), split(v(memory)), causal=causal)
        return out(ops.transpose(y, (0, 2, 1, 3)).reshape(x.shape))

    return attend


def block_of(p: Parameters, width: int, causal: bool, cross: bool = False) -> Callable[..., Any]:
    own, n1, n2 = attention_of(p, width, 4), p.layer_norm(width), p.layer_norm(width)
    up, down = p.dense(width, 4 * width), p.dense(4 * width, width)
    other, n3 = (attention_of(p, width, 4), p.layer_norm(width)) if cross else (None, None)

    def block(x: Any, memory: Any = None) -> Any:
        h = n1(x)
        x = x + own(h, h, causal)
        if other is not None and n3 is not None:
            x = x + other(n3(x), memory, False)
        return x + down(ops.gelu(up(n2(x)), approximate=True))

    return block


def gpt() -> Callable:
    p, width = Parameters(), 128
    token, place = p.make(normal(65, width) * 0.02), p.make(normal(64, width) * 0.02)
    blocks = [block_of(p, width, causal=True) for _ in range(4)]
    norm, out = p.layer_norm(width), p.make(normal(width, 65) * 0.02)

    def loss(t: Any, y: Any) -> Any:
        x = ops.take(token, t, axis=0) + place
        for block in blocks:
            x = block(x)
        return cross_entropy(norm(x) @ out, y)

    return trainer(p, loss, (integers(65, 12, 64), integers(65, 12, 64)))


def encoder_decoder() -> Callable:
    p, width = Parameters(), 128
    token = p.make(normal(100, width) * 0.02)
    encoder = [block_of(p, width, causal=False) for _ in range(2)]
    decoder = [block_of(p, width, causal=True, cross=True) for _ in range(2)]
    norm, out = p.layer_norm(width), p.dense(width, 100)

    def loss(source: Any, target: Any, y: Any) -> Any:
        x, z = ops.take(token, source, axis=0), ops.take(token, target, axis=0)
        for block in encoder:
            x = block(x)
        for block in decoder:
            z = block(z, x)
        return cross_entropy(out(norm(z)), y)

    sentences = tuple(integers(100, 32, 32) for _ in range(3))
    return trainer(p, loss, sentences)


def workloads() -> dict[str, Callable[[], Callable]]:
    def uniform(*shape: int) -> np.ndarray:
        return rng.random(shape, dtype=np.float32)

    def classes(n_in: int, n: int) -> tuple:
        return normal(n, n_in), integers(10, n)

    bce, mse, ce = binary_cross_entropy, squared_error, cross_entropy
    return {
        "seed0 mlp 2-10-2 b100": lambda: mlp(
            [2, 10, 2], bce, (normal(100, 2), uniform(100, 2)), "sigmoid"
        ),
        "seed1 mlp 13-10-1 b10": lambda: mlp([13, 10, 1], mse, (normal(10, 13), normal(10, 1))),
        "seed3 mlp 10-50-50-1 b32": lambda: mlp(
            [10, 50, 50, 1], bce, (normal(32, 10), uniform(32, 1))
        ),
        "seed2 mlp 784-128-10 b32": lambda: mlp([784, 128, 10], ce, classes(784, 32)),
        "mlp 784-512-512-10 b128": lambda: mlp([784, 512, 512, 10], ce, classes(784, 128)),
        "seed2 cnn 28x28 b32": lambda: cnn(32),
        "seed2 cnn 28x28 b128": lambda: cnn(128),
        "vgg-ish 32x32x3 b32": vgg,
        "rnn T50 h128 b32": lambda: rnn("simple_rnn"),
        "lstm T50 h128 b32": lambda: rnn("lstm"),
        "gpt 4x128 T64 b12": gpt,
        "encdec 2+2x128 T32 b32": encoder_decoder,
    }
