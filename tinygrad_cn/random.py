"""Random numbers: one generator by default, others by seed; the same seed gives the same bits.

A generator is an int64 array (seed, offset): a counter-based generator (see kernels) turns seed and
offset into numbers and moves the offset on. The array can be saved and put back.

>>> tg.random.seed(1)
>>> a = tg.random.normal((3,))
>>> tg.random.seed(1)
>>> bool((tg.random.normal((3,)) == a).numpy().all())
True
"""

from __future__ import annotations

import math
import secrets
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import kernels, registry
from .mode import value_of
from .op import Value, to_array, wrap

_generators: weakref.WeakSet[SeedGenerator] = weakref.WeakSet()


class SeedGenerator:
    """A generator of its own.

    Args:
        seed: an int; drawn by the operating system when None.
        name: a label.
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is not None and (not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ValueError(
                f"[SeedGenerator] Expected a seed of int >= 0, received seed={seed!r}."
            )
        self.initial_seed = secrets.randbits(31) if seed is None else int(seed)
        self.name = name or "seed_generator"
        self.state = np.array([self.initial_seed, 0], np.int64)
        _generators.add(self)

    def reset(self, seed: int | None = None) -> None:
        """Start again, from another seed if one is given. The array stays the same object."""
        self.initial_seed = self.initial_seed if seed is None else int(seed)
        self.state[:] = (self.initial_seed, 0)

    def get_config(self) -> dict[str, Any]:
        """What ``SeedGenerator(**config)`` needs."""
        return {"seed": self.initial_seed, "name": self.name}


default = SeedGenerator(name="default")
registry.publish("random", SeedGenerator)


def seed(n: int) -> None:
    """Start the default generator again from ``n``."""
    if not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(f"[seed] Expected an int >= 0, received {n!r}.")
    default.reset(int(n))


def get_state() -> np.ndarray:
    """A copy of the default generator's state, for :func:`set_state`."""
    return default.state.copy()


def set_state(state: Any) -> None:
    """Continue from a state that :func:`get_state` gave."""
    state = np.asarray(state, np.int64)
    if state.shape != (2,):
        raise ValueError(f"[set_state] Expected 2 integers, received shape={state.shape}.")
    default.state[:] = state


def snapshot() -> list[tuple[SeedGenerator, np.ndarray]]:
    """Where all generators stand; copied by a kernel, so that a captured step takes it anew."""
    return [(generator, kernels.copy(generator.state)) for generator in list(_generators)]


@contextmanager
def rewound(states: list[tuple[SeedGenerator, np.ndarray]]) -> Iterator[None]:
    """Run a block with the generators where they stood at a snapshot; then go on as before."""
    now = snapshot()
    for generator, state in states:
        kernels.copy(state, generator.state)
    try:
        yield
    finally:
        for generator, state in now:
            kernels.copy(state, generator.state)


def state_of(generator: SeedGenerator | int | None) -> np.ndarray:
    """The array that kernels draw from: of a generator, of a fresh one, or of the default one."""
    if generator is None:
        return default.state
    if isinstance(generator, SeedGenerator):
        return generator.state
    return SeedGenerator(generator).state


def _float(name: str, dtype: Any) -> np.dtype:
    """The dtype of numbers that are not whole; float32 if None."""
    dtype = np.dtype(dtype or "float32")
    if dtype.kind != "f":
        raise ValueError(f"[{name}] Expected a float dtype, received dtype={dtype}.")
    return dtype


def uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = "float32", seed: Any = None
) -> Any:
    """Numbers that are equally likely anywhere in [minval, maxval)."""
    u = kernels.uniform(state_of(seed), tuple(shape), _float("uniform", dtype))
    return wrap(kernels.add(kernels.multiply(u, maxval - minval), minval))


def normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None
) -> Any:
    """Numbers of the density exp(-(x - mean)^2 / (2 stddev^2)) / (stddev sqrt(2 pi))."""
    z = kernels.normal(state_of(seed), tuple(shape), _float("normal", dtype))
    return wrap(kernels.add(kernels.multiply(z, stddev), mean))


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None
) -> Any:
    """Normal numbers; those farther than two standard deviations from the mean are drawn again."""
    state, shape, dtype = state_of(seed), tuple(shape), _float("truncated_normal", dtype)
    kept, missing = [], math.prod(shape)
    while missing:
        z = kernels.normal(state, (missing + missing // 8 + 16,), dtype)
        kept.append(z[np.abs(z) < 2][:missing])
        missing -= len(kept[-1])
    z = np.concatenate(kept) if kept else np.empty(0, dtype)
    return wrap(kernels.add(kernels.multiply(z.reshape(shape), stddev), mean))


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Integers that are equally likely, minval <= i < maxval."""
    if not minval < maxval:
        raise ValueError(f"[randint] Expected minval < maxval, received {minval} and {maxval}.")
    u = kernels.uniform(state_of(seed), tuple(shape), np.dtype("float64"))
    y = kernels.add(kernels.floor(kernels.multiply(u, maxval - minval)), minval)
    return wrap(kernels.copy(y, kernels.empty(y.shape, np.dtype(dtype))))


def bernoulli(p: Any, shape: Any = None, dtype: Any = "float32", seed: Any = None) -> Any:
    """1 with probability p, else 0; one draw per element of p, or p, broadcast, in a given shape.

    >>> tg.random.bernoulli([0.0, 1.0])
    Tensor([0., 1.])
    """
    p = to_array(p, np.dtype(np.float64))
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"[bernoulli] Expected probabilities in [0, 1], received p={p!r:.80}.")
    shape = p.shape if shape is None else tuple(shape)
    lengths = zip(reversed(p.shape), reversed(shape), strict=False)
    if p.ndim > len(shape) or not all([a in (1, b) for a, b in lengths]):
        raise ValueError(
            f"[bernoulli] Expected p to broadcast to shape={shape}, received p.shape={p.shape}."
        )
    u = kernels.uniform(state_of(seed), shape, p.dtype)
    y = kernels.less(u, p)
    return wrap(kernels.copy(y, kernels.empty(y.shape, np.dtype(dtype or "float32"))))


def permutation(n: int, seed: Any = None) -> np.ndarray:
    """The integers 0 .. n-1 in random order: NumPy's, whose RandomState gives the same order in
    every version, with a key of two draws."""
    key = kernels.uniform(state_of(seed), (2,), np.dtype("float64"))
    key = value_of(key, "random.permutation()") * 2.0**53
    return np.random.RandomState(np.random.Philox(key=key.astype(np.uint64))).permutation(n)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """x with its slices along ``axis`` in random order."""
    x = x.data if isinstance(x, Value) else np.asarray(x)
    return wrap(np.take(x, permutation(x.shape[axis], seed), axis=axis))


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Class numbers drawn with probabilities softmax(logits).

    Args:
        logits: (N, classes).
        num_samples: how many draws per row.

    Returns:
        (N, num_samples).
    """
    logits = logits.data if isinstance(logits, Value) else np.asarray(logits)
    if logits.ndim != 2:
        raise ValueError(f"[categorical] Expected logits (N, C), received {logits.shape}.")
    total = np.cumsum(kernels.softmax(logits.astype(np.float64), -1), axis=-1)
    u = kernels.uniform(state_of(seed), (len(logits), num_samples), np.dtype("float64"))
    u = value_of(u, "random.categorical()")
    below = total[:, None, :-1] <= u[:, :, None] * total[:, None, -1:]
    return wrap(below.sum(axis=-1).astype(dtype))
