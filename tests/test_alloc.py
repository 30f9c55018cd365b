"""The caching allocator under the arrays: alignment, reuse, limits, threads and forks."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tinygrad_cn import config, kernels

pytestmark = pytest.mark.skipif(
    kernels.core is None, reason="the reference kernels use NumPy's memory"
)

MB = 2**20


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Start with nothing cached, and with the usual limit at the end."""
    gc.collect()
    config.empty_cache()
    yield
    config.empty_cache()
    config.set_cache_limit(2**31)


def array(n_bytes: int) -> np.ndarray:
    return kernels.empty((n_bytes,), np.uint8)


def address(x: np.ndarray) -> int:
    return int(x.__array_interface__["data"][0])


@pytest.mark.parametrize("n_bytes", [4096, 5000, 2**17 + 1, 2 * MB - 1, 2 * MB, 20 * MB + 5])
def test_blocks_are_aligned_writable_and_whole(n_bytes: int) -> None:
    x, y = array(n_bytes), array(n_bytes)
    assert address(x) % 64 == 0 and address(y) % 64 == 0
    x[:], y[:] = 1, 2  # to the last byte, and not into each other
    assert (x == 1).all() and (y == 2).all()


def test_at_most_a_quarter_of_a_block_is_waste() -> None:
    before = config.memory_stats()["in_use"]
    for n_bytes in [4096, 4097, 5121, 6145, 7169, 2**16 + 1, 10 * MB + 1]:
        x = array(n_bytes)
        used = config.memory_stats()["in_use"] - before
        assert n_bytes <= used <= 1.25 * n_bytes + 64
        del x


def test_a_freed_block_is_reused_last_in_first_out() -> None:
    x, y = array(50_000), array(50_000)
    places = address(x), address(y)
    reuses = config.memory_stats()["reuses"]
    del x, y
    first, second = array(57_000), array(50_001)  # the same size class
    assert (address(first), address(second)) == (places[1], places[0])
    assert config.memory_stats()["reuses"] == reuses + 2


def test_views_keep_a_block_alive() -> None:
    x = array(MB)
    x[:] = 7
    view = x[1000:2000]
    del x
    others = [array(MB) for _ in range(3)]
    for other in others:
        other[:] = 0
    assert (view == 7).all()


def test_statistics_follow_the_arrays() -> None:
    before = config.memory_stats()
    x = array(4 * MB)
    during = config.memory_stats()
    assert during["in_use"] == before["in_use"] + 4 * MB
    assert during["peak"] >= during["in_use"]
    del x
    after = config.memory_stats()
    assert after["in_use"] == before["in_use"] and after["cached"] == before["cached"] + 4 * MB
    config.empty_cache()
    assert config.memory_stats()["cached"] == 0


def test_the_cache_stays_below_its_limit_and_drops_the_oldest() -> None:
    config.set_cache_limit(3 * MB)
    x, y, z = array(MB), array(MB + MB // 4), array(MB + MB // 2)
    place = address(z)
    del x, y, z
    assert config.memory_stats()["cached"] == MB + MB // 4 + MB + MB // 2  # without x
    assert address(array(MB + MB // 2)) == place
    config.set_cache_limit(0)
    assert config.memory_stats()["cached"] == 0


def test_absurd_sizes_are_memory_errors() -> None:
    with pytest.raises(MemoryError, match="n_bytes"):
        kernels.empty((2**46,), np.float64)
    with pytest.raises((MemoryError, ValueError)):
        kernels.empty((2**62,), np.float64)
    with pytest.raises((MemoryError, ValueError)):
        kernels.empty((2**40, 2**40), np.float32)
    with pytest.raises(ValueError, match="negative"):
        kernels.empty((-1,), np.float32)


def test_small_and_odd_arrays_come_from_numpy() -> None:
    cases = [((3,), "f4"), ((), "f8"), ((0, 5), "f4"), ((9000,), "f2"), ((9000,), ">f8")]
    for shape, dtype in cases:
        x = kernels.empty(shape, np.dtype(dtype))
        assert x.base is None and x.shape == shape and x.dtype == dtype


def test_threads_may_allocate_and_free_at_once() -> None:
    errors = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        held: list[tuple[np.ndarray, int]] = []
        for i in range(400):
            x = array(int(rng.integers(4096, 40_000)))
            x[:] = i % 251
            held.append((x, i % 251))
            if len(held) > 8:
                y, value = held.pop(int(rng.integers(len(held))))
                if not (y == value).all():
                    errors.append(seed)

    before = config.memory_stats()["in_use"]
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert config.memory_stats()["in_use"] == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_may_happen_while_another_thread_allocates() -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            array(5000)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                array(5000)[:] = 1
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
