"""The training steps of bench_steps.py in JAX: one jit of loss, gradients and Adam."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return jnp.asarray(rng.standard_normal(shape, dtype=np.float32))


def uniform(*shape: int) -> Any:
    return jnp.asarray(rng.random(shape, dtype=np.float32))


def integers(high: int, *shape: int) -> Any:
    return jnp.asarray(rng.integers(0, high, shape, dtype=np.int32))


def trainer(parameters: Any, loss: Callable, inputs: tuple) -> Callable:
    """A step that trains the parameters on the same inputs again and again."""
    m = jax.tree.map(jnp.zeros_like, parameters)
    v = jax.tree.map(jnp.zeros_like, parameters)

    def update(p: Any, m: Any, v: Any, t: Any, *batch: Any) -> tuple:
        value, g = jax.value_and_grad(loss)(p, *batch)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        m_scale, v_scale = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        p = jax.tree.map(
            lambda p, m, v: p - 1e-3 * (m * m_scale) / (jnp.sqrt(v * v_scale) + 1e-8), p, m, v
        )
        return p, m, v, t, value

    compiled = jax.jit(update, donate_argnums=(0, 1, 2))
    state = [parameters, m, v, jnp.float32(0)]

    def step() -> Any:
        *state[:], value = compiled(*state, *inputs)
        return value.block_until_ready()

    return step


# --- parts ----------------------------------------------------------------------------------------


def linear(n_in: int, n_out: int) -> dict:
    return {"w": normal(n_in, n_out) / math.sqrt(n_in), "b": jnp.zeros(n_out)}


def dense(p: dict, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def filters(n_in: int, n_out: int) -> dict:
    return {"w": normal(3, 3, n_in, n_out) / math.sqrt(9 * n_in), "b": jnp.zeros(n_out)}


def conv(p: dict, x: Any, padding: str) -> Any:
    dimensions = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, p["w"], (1, 1), padding, dimension_numbers=dimensions)
    return y + p["b"]


def pool(x: Any) -> Any:
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def scale_and_shift(width: int) -> dict:
    return {"g": jnp.ones(width), "b": jnp.zeros(width)}


def normalize(p: dict, x: Any, axes: Any) -> Any:
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p["g"] + p["b"]


def attention(p: dict, x: Any, memory: Any, causal: bool, heads: int = 4) -> Any:
    n, t, width = x.shape
    s = memory.shape[1]

    def split(y: Any, length: int) -> Any:
        return y.reshape(n, length, heads, -1).transpose(0, 2, 1, 3)

    q, k, v = split(dense(p["q"], x), t), split(dense(p["k"], memory), s), dense(p["v"], memory)
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(width // heads)
    if causal:
        scores = jnp.where(jnp.tril(jnp.ones((t, s), bool)), scores, -1e9)
    y = jax.nn.softmax(scores) @ split(v, s)
    return dense(p["out"], y.transpose(0, 2, 1, 3).reshape(n, t, width))


def block_parameters(width: int, cross: bool = False) -> dict:
    names = ("q", "k", "v", "out")
    p = {
        "own": {name: linear(width, width) for name in names},
        "n1": scale_and_shift(width),
        "n2": scale_and_shift(width),
        "up": linear(width, 4 * width),
        "down": linear(4 * width, width),
    }
    if cross:
        p["other"] = {name: linear(width, width) for name in names}
        p["n3"] = scale_and_shift(width)
    return p


def block(p: dict, x: Any, causal: bool, memory: Any = None) -> Any:
    h = normalize(p["n1"], x, -1)
    x = x + attention(p["own"], h, h, causal)
    if memory is not None:
        x = x + attention(p["other"], normalize(p["n3"], x, -1), memory, False)
    h = dense(p["up"], normalize(p["n2"], x, -1))
    return x + dense(p["down"], jax.nn.gelu(h, approximate=True))


# --- losses ---------------------------------------------------------------------------------------


def cross_entropy(logits: Any, labels: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1))


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    soft = jnp.log1p(jnp.exp(-jnp.abs(logits)))
    return jnp.mean(jnp.maximum(logits, 0) - logits * targets + soft)


def squared_error(y: Any, targets: Any) -> Any:
    return jnp.mean((y - targets) ** 2)


# --- networks -------------------------------------------------------------------------------------


def mlp(widths: list[int], loss: Callable, inputs: tuple, activation: Any = jax.nn.relu) -> Any:
    def total(p: list, x: Any, y: Any) -> Any:
        for layer in p[:-1]:
            x = activation(dense(layer, x))
        return loss(dense(p[-1], x), y)

    return trainer([linear(a, b) for a, b in itertools.pairwise(widths)], total, inputs)


def cnn(batch: int) -> Callable:
    p = {
        "c1": filters(1, 32),
        "c2": filters(32, 64),
        "d1": linear(1600, 128),
        "d2": linear(128, 10),
    }

    def loss(p: dict, x: Any, y: Any) -> Any:
        x = pool(jax.nn.relu(conv(p["c1"], x, "VALID")))
        x = pool(jax.nn.relu(conv(p["c2"], x, "VALID"))).reshape(batch, -1)
        return cross_entropy(dense(p["d2"], jax.nn.relu(dense(p["d1"], x))), y)

    return trainer(p, loss, (normal(batch, 28, 28, 1), integers(10, batch)))


def vgg() -> Callable:
    p = {"c1": filters(3, 64), "c2": filters(64, 64), "c3": filters(64, 128)}
    p |= {"b2": scale_and_shift(64), "b3": scale_and_shift(128), "d": linear(128 * 64, 10)}

    def loss(p: dict, x: Any, y: Any) -> Any:
        x = jax.nn.relu(conv(p["c1"], x, "SAME"))
        x = pool(jax.nn.relu(normalize(p["b2"], conv(p["c2"], x, "SAME"), (0, 1, 2))))
        x = pool(jax.nn.relu(normalize(p["b3"], conv(p["c3"], x, "SAME"), (0, 1, 2))))
        return cross_entropy(dense(p["d"], x.reshape(32, -1)), y)

    return trainer(p, loss, (normal(32, 32, 32, 3), integers(10, 32)))


def rnn(gates: int) -> Callable:
    width = 128 * gates
    p = {"x": linear(32, width), "h": linear(128, width), "out": linear(128, 10)}

    def loss(p: dict, x: Any, y: Any) -> Any:
        def cell(carry: tuple, z: Any) -> tuple:
            h, c = carry
            z = z + dense(p["h"], h)
            if gates == 1:
                return (jnp.tanh(z), c), None
            i, f, u, o = jnp.split(z, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(u)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zero = jnp.zeros((32, 128))
        (h, _), _ = jax.lax.scan(cell, (zero, zero), dense(p["x"], x).transpose(1, 0, 2))
        return cross_entropy(dense(p["out"], h), y)

    return trainer(p, loss, (normal(32, 50, 32), integers(10, 32)))


def gpt() -> Callable:
    p = {"token": normal(65, 128) * 0.02, "place": normal(64, 128) * 0.02}
    p |= {"blocks": [block_parameters(128) for _ in range(4)]}
    p |= {"norm": scale_and_shift(128), "out": normal(128, 65) * 0.02}

    def loss(p: dict, t: Any, y: Any) -> Any:
        x = p["token"][t] + p["place"]
        for each in p["blocks"]:
            x = block(each, x, True)
        return cross_entropy(normalize(p["norm"], x, -1) @ p["out"], y)

    return trainer(p, loss, (integers(65, 12, 64), integers(65, 12, 64)))


def encoder_decoder() -> Callable:
    p = {
        "token": normal(100, 128) * 0.02,
        "encoder": [block_parameters(128) for _ in range(2)],
        "decoder": [block_parameters(128, cross=True) for _ in range(2)],
        "norm": scale_and_shift(128),
        "out": linear(128, 100),
    }

    def loss(p: dict, source: Any, target: Any, y: Any) -> Any:
        x, z = p["token"][source], p["token"][target]
        for each in p["encoder"]:
            x = block(each, x, False)
        for each in p["decoder"]:
            z = block(each, z, True, x)
        return cross_entropy(dense(p["out"], normalize(p["norm"], z, -1)), y)

    return trainer(p, loss, tuple(integers(100, 32, 32) for _ in range(3)))


def workloads() -> dict[str, Callable[[], Callable]]:
    bce, mse, ce = binary_cross_entropy, squared_error, cross_entropy
    return {
        "seed0 mlp 2-10-2 b100": lambda: mlp(
            [2, 10, 2], bce, (normal(100, 2), uniform(100, 2)), jax.nn.sigmoid
        ),
        "seed1 mlp 13-10-1 b10": lambda: mlp([13, 10, 1], mse, (normal(10, 13), normal(10, 1))),
        "seed3 mlp 10-50-50-1 b32": lambda: mlp(
            [10, 50, 50, 1], bce, (normal(32, 10), uniform(32, 1))
        ),
        "seed2 mlp 784-128-10 b32": lambda: mlp(
            [784, 128, 10], ce, (normal(32, 784), integers(10, 32))
        ),
        "mlp 784-512-512-10 b128": lambda: mlp(
            [784, 512, 512, 10], ce, (normal(128, 784), integers(10, 128))
        ),
        "seed2 cnn 28x28 b32": lambda: cnn(32),
        "seed2 cnn 28x28 b128": lambda: cnn(128),
        "vgg-ish 32x32x3 b32": vgg,
        "rnn T50 h128 b32": lambda: rnn(1),
        "lstm T50 h128 b32": lambda: rnn(4),
        "gpt 4x128 T64 b12": gpt,
        "encdec 2+2x128 T32 b32": encoder_decoder,
    }
