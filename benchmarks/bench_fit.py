"""What `fit` adds to a training step, and what `predict` takes for one row.

    python -m benchmarks fit [PART] [--quick]

The bare step is loss, gradients and Adam in one ``tg.jit`` on a batch that lies ready. ``fit`` also
shuffles and gathers batches, keeps the loss and the accuracy, calls callbacks and draws its
progress bar (into nowhere, here). Epochs of ``fit`` and bare steps take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cn as tg
from benchmarks import common
from tinygrad_cn import layers

EPOCH = 0.15  # seconds, about


def models() -> dict[str, tuple[Callable[[], list[Any]], tuple[int, ...], int, int]]:
    """Name -> maker of layers, shape of a sample, number of classes, batch size."""

    def mlp(*widths: int) -> Callable[[], list[Any]]:
        hidden, classes = widths[:-1], widths[-1]
        return lambda: [
            *[layers.Dense(n, activation="relu") for n in hidden],
            layers.Dense(classes, activation="softmax"),
        ]

    def cnn() -> list[Any]:
        found: list[Any] = []
        for n in (32, 64):
            found += [layers.Conv2D(n, 3, activation="relu"), layers.MaxPooling2D(2)]
        return [*found, layers.Flatten(), *mlp(128, 10)()]

    return {
        "MLP 2-10-2, batch 100": (mlp(10, 2), (2,), 2, 100),
        "MLP 13-10-2, batch 10": (mlp(10, 2), (13,), 2, 10),
        "MLP 10-50-50-2, batch 32": (mlp(50, 50, 2), (10,), 2, 32),
        "MLP 784-128-10, batch 32": (mlp(128, 10), (784,), 10, 32),
        "MLP 784-512-512-10, batch 128": (mlp(512, 512, 10), (784,), 10, 128),
        "CNN 28x28, batch 32": (cnn, (28, 28, 1), 10, 32),
        "LSTM, 50 steps of 128, batch 32": (
            lambda: [layers.LSTM(128), layers.Dense(10, activation="softmax")],
            (50, 32),
            10,
            32,
        ),
    }


def model_of(make: Callable[[], list[Any]], shape: tuple[int, ...]) -> Any:
    model = tg.Sequential([layers.Input(shape), *make()])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def bare_step(model: Any, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    """Loss, gradients and Adam for one batch."""
    variables = model.trainable_weights
    optimizer = tg.optimizers.Adam()
    loss = tg.losses.SparseCategoricalCrossentropy()

    @tg.jit
    def step(x: Any, y: Any) -> Any:
        return optimizer.minimize(lambda: loss(y, model(x, training=True)), variables)

    batch = tg.tensor(x), tg.tensor(y)
    for _ in range(20):
        step(*batch)
    return lambda: step(*batch)


def measure(name: str, rounds: int) -> tuple[float, float, float, float]:
    """Microseconds: of the bare step, of a step of fit, what fit adds (the median of the rounds'
    differences), and of predict for one row."""
    make, shape, classes, batch = models()[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *shape), dtype=np.float32)
    step = bare_step(model_of(make, shape), x, rng.integers(0, classes, batch))
    start = time.perf_counter()
    step()
    count = min(2000, max(20, int(EPOCH / (time.perf_counter() - start))))
    x = rng.standard_normal((count * batch, *shape), dtype=np.float32)
    y = rng.integers(0, classes, count * batch)
    model = model_of(make, shape)
    bare, whole, rows = [], [], []
    for turn in range(rounds + 1):  # the first warms up
        start = time.perf_counter()
        for _ in range(count):
            step()
        middle = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            model.fit(x, y, batch_size=batch, epochs=1, verbose=1)
        end = time.perf_counter()
        for _ in range(100):
            model.predict(x[:1], verbose=0)
        if turn:
            bare.append((middle - start) / count)
            whole.append((end - middle) / count)
            rows.append((time.perf_counter() - end) / 100)
    added = [theirs - ours for theirs, ours in zip(whole, bare, strict=True)]
    a, b, c, d = (statistics.median(times) * 1e6 for times in (bare, whole, added, rows))
    return a, b, c, d


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="only networks with this in the name")
    parser.add_argument("--quick", action="store_true", help="one round: does it run at all?")
    options = parser.parse_args()
    print(common.describe(common.machine()))
    print(f"\n{'microseconds':<34}{'bare step':>11}{'fit':>10}{'adds':>9}{'predict 1 row':>16}")
    for name in models():
        if options.part in name:
            bare, whole, added, row = measure(name, 1 if options.quick else 11)
            adds = f"{added:.1f}" if bare < 1000 else f"{100 * added / bare:.1f} %"
            print(f"{name:<34}{bare:>11.1f}{whole:>10.1f}{adds:>9}{row:>16.1f}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
