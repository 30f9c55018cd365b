"""Random numbers from a counter: the same seed gives the same bits, whoever computes them.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011)
maps a 64-bit key and a counter to four 32-bit words. `state` is an int64 array (seed, offset): the
key and the next counter; a kernel advances the offset itself. Counters are used in tiles of 16:
word j of the tile's counter l stands at 16 j + l, so vectors of 4, 8 or 16 lanes store straight.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TILE = 16  # counters
ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and sqrt(3) - 1
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def _philox(seed: int, offset: int, n_tiles: int) -> Array:
    """The words of n_tiles tiles from counter offset on: uint64 holding 32 bits, (tiles, 4, 16)."""
    counter = (np.arange(n_tiles * TILE, dtype=np.uint64) + np.uint64(offset)).reshape(-1, TILE)
    zero = np.zeros_like(counter)
    c0, c1, c2, c3 = counter & LOW, counter >> HALF, zero, zero
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(ROUNDS):
        p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (p1 >> HALF) ^ c1 ^ np.uint64(k0),
            p1 & LOW,
            (p0 >> HALF) ^ c3 ^ np.uint64(k1),
            p0 & LOW,
        )
        k0, k1 = (k0 + KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


def _draw(state: Array, n: int, per_tile: int) -> Array:
    """Enough tiles for n numbers, per_tile of which come from one; state is advanced."""
    n_tiles = -(-n // per_tile)
    seed, offset = (int(v) & 0xFFFFFFFFFFFFFFFF for v in state)
    words = _philox(seed, offset, n_tiles)
    state[1:].view(np.uint64)[0] = (offset + n_tiles * TILE) & 0xFFFFFFFFFFFFFFFF
    return words


def _pair(words: Array) -> Array:
    """53 random bits of the words 2j and 2j + 1: (tiles, 2, 16)."""
    return (words[:, 0::2] << np.uint64(21)) ^ (words[:, 1::2] >> np.uint64(11))


def _size(shape: Any) -> tuple[tuple[int, ...], int]:
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
    return shape, int(np.prod(shape, dtype=np.int64))


def uniform(state: Array, shape: Any, dtype: Any) -> Array:
    """Numbers k 2^-24 (float32) or k 2^-53 (float64) in [0, 1), each k equally likely."""
    shape, n = _size(shape)
    dtype = np.dtype(dtype)
    if dtype == np.float64:
        y = _pair(_draw(state, n, 2 * TILE)) * 2.0**-53
    else:
        y = (_draw(state, n, 4 * TILE) >> np.uint64(8)) * 2.0**-24
    return y.reshape(-1)[:n].astype(dtype).reshape(shape)


def normal(state: Array, shape: Any, dtype: Any) -> Array:
    """Standard normal numbers (Box and Muller): sqrt(-2 ln u) cos 2 pi v, and the same with sin.

    u in (0, 1] and v in [0, 1) have 24 bits (float32) or 53 bits (float64).
    """
    shape, n = _size(shape)
    dtype = np.dtype(dtype)
    if dtype == np.float64:
        bits, scale = _pair(_draw(state, n, 2 * TILE)), 2.0**-53
    else:
        bits, scale = _draw(state, n, 4 * TILE) >> np.uint64(8), 2.0**-24
    radius = np.sqrt(-2 * np.log((bits[:, 0::2] + np.uint64(1)) * scale))
    angle = 2 * np.pi * (bits[:, 1::2] * scale)
    y = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)  # cos at 2j, sin at 2j+1
    return y.reshape(-1)[:n].astype(dtype).reshape(shape)


def dropout(x: Any, rate: float, state: Array) -> tuple[Array, Array]:
    """(y, mask): mask (uint8) is 1 with probability 1 - rate; y = mask x / (1 - rate)."""
    x = np.asarray(x)
    if not 0.0 <= rate <= 1.0:
        raise ValueError(
            f"[dropout] rate is no probability. Expected 0 <= rate <= 1, received rate={rate}."
        )
    dtype = x.dtype.newbyteorder("=") if x.dtype.kind == "f" else np.dtype(np.float64)
    bits = _draw(state, x.size, 4 * TILE).reshape(-1)[: x.size] >> np.uint64(8)
    mask = (bits >= rate * 2.0**24).reshape(x.shape)
    scale = dtype.type(1.0 / (1.0 - rate) if rate < 1.0 else 0.0)
    return np.where(mask, x * scale, dtype.type(0)), mask.astype(np.uint8)
