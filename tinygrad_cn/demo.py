"""The main job: train a CNN on real handwritten digits, time it, draw it, keep it.

    tinygrad-cn demo                             # or: python -m tinygrad_cn demo
    tinygrad-cn predict digits.safetensors digit_3.png

The data are the 1,797 digits of the UCI "Optical Recognition of Handwritten Digits" set, which
scikit-learn carries: 8x8 pixels, written by 43 people. They are enlarged to 28x28x1, the shape that
textbook CNNs expect. A fifth is held out and looked at once, after training. Nothing is downloaded.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_cn as tg
from tinygrad_cn import kernels, plots

GOAL = 0.98  # the accuracy on held-out digits that a full run must reach
EPOCHS = 15
BATCH = 32
SIDE = 28


def main(folder: str | Path = ".", epochs: int = EPOCHS, seed: int = 0, timing: bool = True) -> int:
    """Train, report and write the results to ``folder``; 0 when the goal was reached."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (x_train, y_train), (x_test, y_test) = tg.datasets.digits.load_data(size=SIDE)
    tg.utils.set_random_seed(seed)
    model = build_model()
    model.summary()
    print(f"\n{len(x_train)} digits to learn from, {len(x_test)} held out.")

    begin = time.perf_counter()
    history = model.fit(
        x_train,
        y_train,
        batch_size=BATCH,
        epochs=epochs,
        validation_split=0.1,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    print(f"Trained for {time.perf_counter() - begin:.1f} s.")

    probability = model.predict(x_test, verbose=0)
    read = probability.argmax(axis=-1)
    right = int((read == y_test).sum())
    accuracy = right / len(y_test)
    print(f"\nTest accuracy: {accuracy:.4f} ({right} of {len(y_test)} held-out digits)")
    if timing:
        print(compare_kernels())

    picture = folder / "digits.png"
    draw(picture, history.history, x_test, y_test, probability)
    weights = folder / "digits.safetensors"
    model.save_weights(weights)
    samples = write_samples(folder, x_test, y_test)
    print(f"\nPicture: {picture}\nWeights: {weights}")
    print(f"Try:     tinygrad-cn predict {weights} {samples[0]} {samples[1]}")
    if epochs >= EPOCHS and accuracy < GOAL:
        print(f"The test accuracy is below {GOAL}: something is wrong.", file=sys.stderr)
        return 1
    return 0


# --- model ----------------------------------------------------------------------------------------


def build_model() -> tg.Sequential:
    """The CNN of the textbooks: two convolutions with pooling, then two dense layers; compiled."""
    layers = tg.layers
    model = tg.Sequential(
        [
            tg.Input(shape=(SIDE, SIDE, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# --- timing ---------------------------------------------------------------------------------------


def step_time(seconds: float = 1.0) -> float:
    """The median time of one training step of the model (batch 32), in seconds."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, SIDE, SIDE, 1), dtype=np.float32)
    y = rng.integers(0, 10, BATCH)
    model = build_model()
    for _ in range(3):
        model.train_on_batch(x, y)
    samples: list[float] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or len(samples) < 5:
        start = time.perf_counter()
        model.train_on_batch(x, y)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def compare_kernels(rounds: int = 2) -> str:
    """A line that sets a step with the compiled kernels beside one with the NumPy kernels.

    Each side is timed in processes of its own, in turn, so that neither the threads of one nor a
    change of the machine's speed falls on the other alone.
    """
    if kernels.CHOICE != "compiled":
        return f"Time per step of {BATCH} digits: {step_time() * 1e3:.1f} ms (NumPy kernels only)."
    times: dict[str, list[float]] = {"compiled": [], "reference": []}
    for _ in range(rounds):
        for side, values in times.items():
            values.append(_step_time_in_process(side))
    ours, numpys = (statistics.median(values) for values in times.values())
    return (
        f"Time per step of {BATCH} digits: compiled kernels {ours * 1e3:.1f} ms, NumPy kernels "
        f"{numpys * 1e3:.1f} ms: {numpys / ours:.1f} times faster."
    )


def _step_time_in_process(side: str) -> float:
    code = "from tinygrad_cn.demo import step_time; print(step_time())"
    environment = {**os.environ, "TINYGRAD_CN_KERNELS": side}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(run.stdout.split()[-1])


# --- pictures -------------------------------------------------------------------------------------


def draw(
    path: Path, history: dict[str, Any], x: np.ndarray, y: np.ndarray, probability: np.ndarray
) -> None:
    """One PNG: the learning curve, the digits read wrongly or with most doubt, the confusions."""
    figure = plots.pyplot().figure(figsize=(15, 5.2), layout="constrained")
    curve, grid, matrix = figure.subfigures(1, 3, width_ratios=(5, 4, 5))
    _draw_curve(curve.subplots(), history)
    _draw_doubtful(grid, x, y, probability)
    _draw_confusions(matrix.subplots(), y, probability.argmax(axis=-1))
    plots.finish(figure, path)


def _draw_curve(axes: Any, history: dict[str, Any]) -> None:
    epochs = range(1, len(history["loss"]) + 1)
    loss, accuracy = plots.label("损失", "loss"), plots.label("准确率", "accuracy")
    train, check = plots.label("训练", "training"), plots.label("验证", "validation")
    axes.plot(epochs, history["loss"], "o-", color="#1f6fb4", label=f"{loss}, {train}")
    axes.plot(epochs, history["val_loss"], "o--", color="#7fb6e0", label=f"{loss}, {check}")
    axes.set(xlabel=plots.label("轮次", "epoch"), ylabel=loss, yscale="log")
    axes.set_title(plots.label("学习曲线", "Learning curve"))
    right = axes.twinx()
    right.plot(epochs, history["accuracy"], "s-", color="#d2691e", label=f"{accuracy}, {train}")
    right.plot(
        epochs, history["val_accuracy"], "s--", color="#eab68a", label=f"{accuracy}, {check}"
    )
    right.set_ylabel(accuracy)
    lines = axes.get_lines() + right.get_lines()
    names = [line.get_label() for line in lines]
    axes.legend(lines, names, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9)
    axes.grid(alpha=0.3)


def _draw_doubtful(figure: Any, x: np.ndarray, y: np.ndarray, probability: np.ndarray) -> None:
    """Twelve digits, those with the least probability for the truth first."""
    of_truth = probability[np.arange(len(y)), y]
    wrong = int((probability.argmax(axis=-1) != y).sum())
    figure.suptitle(plots.label(f"认错 {wrong} 个 ·", f"{wrong} misread, then the most doubtful"))
    for axes, i in zip(figure.subplots(3, 4).flat, np.argsort(of_truth), strict=False):
        read = int(probability[i].argmax())
        axes.imshow(x[i, ..., 0], cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(
            f"{y[i]} → {read}  {probability[i, read]:.0%}",
            fontsize=10,
            color="black" if read == y[i] else "#c00000",
        )
        axes.set_axis_off()


def _draw_confusions(axes: Any, y: np.ndarray, read: np.ndarray) -> None:
    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (y, read), 1)
    axes.imshow(counts, cmap="Blues")
    for truth, given in np.argwhere(counts):
        shade = "white" if counts[truth, given] > counts.max() / 2 else "black"
        number = counts[truth, given]
        axes.text(given, truth, number, ha="center", va="center", color=shade, fontsize=9)
    axes.set(xlabel=plots.label("识别为", "read as"), ylabel=plots.label("真值", "truth"))
    axes.set(xticks=range(10), yticks=range(10))
    axes.set_title(plots.label("混淆矩阵", "Confusion matrix"))


def write_samples(folder: Path, x: np.ndarray, y: np.ndarray, count: int = 5) -> list[Path]:
    """A few held-out digits as PNG files, named by what they show."""
    imsave = plots.pyplot().imsave
    paths = []
    for label in range(count):
        image = x[np.flatnonzero(y == label)[0], ..., 0]
        paths.append(folder / f"digit_{label}.png")
        imsave(paths[-1], image, cmap="gray", vmin=0, vmax=1)
    return paths


# --- prediction -----------------------------------------------------------------------------------


def predict(weights: str | Path, images: list[str]) -> list[tuple[str, int, float]]:
    """Read digits from image files with the weights that :func:`main` wrote.

    Returns (file, digit, probability) for each image; a .npy file may hold many.
    """
    model = build_model()
    model.load_weights(weights)
    results = []
    for name in images:
        for image in read_images(name):
            probability = model.predict(image[np.newaxis], verbose=0)[0]
            digit = int(probability.argmax())
            results.append((name, digit, float(probability[digit])))
    return results


def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images (..., H, W) in another size, linearly interpolated; averaged over when shrinking.

    >>> resize(np.array([[0.0, 1.0]]), (1, 4))
    array([[0.  , 0.25, 0.75, 1.  ]])
    """
    rows, columns = (_hats(n, m) for n, m in zip(images.shape[-2:], size, strict=True))
    return rows @ images @ columns.T


def _hats(n: int, m: int) -> np.ndarray:
    """(m, n): the weight of each of n old pixels in each of m new ones, a hat around its place."""
    centre = (np.arange(m)[:, np.newaxis] + 0.5) * n / m - 0.5
    centre = np.clip(centre, 0, n - 1)
    weight = np.maximum(0, 1 - np.abs(centre - np.arange(n)) / max(1.0, n / m))
    return weight / weight.sum(axis=1, keepdims=True)


def read_images(path: str | Path) -> np.ndarray:
    """The images of a PNG (one) or NPY file as (N, 28, 28, 1), ink 1 on a ground of 0.

    An image with a light border is taken for dark ink on light paper, and inverted.
    """
    if Path(path).suffix.lower() == ".npy":
        images = np.load(path, allow_pickle=False)
    else:
        images = plots.pyplot().imread(path)
        if images.ndim == 3:
            images = _to_grey(images)
    images = np.asarray(images, dtype=np.float64)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim == 2:
        images = images[np.newaxis]
    if images.ndim != 3 or 0 in images.shape or not np.isfinite(images).all():
        raise ValueError(
            f"[predict] not an image. Expected finite numbers of shape (H, W) or (N, H, W), "
            f"received {path} with shape={images.shape}."
        )
    top = images.max(axis=(1, 2), keepdims=True)
    images = images / np.where(top > 1, np.where(top > 16, 255.0, 16.0), 1.0)
    images = resize(images, (SIDE, SIDE))
    border = np.concatenate([images[:, [0, -1]], images[:, :, [0, -1]].swapaxes(1, 2)], axis=1)
    light = np.median(border, axis=(1, 2)) > 0.5
    images[light] = 1 - images[light]
    return images[..., np.newaxis].astype(np.float32)


def _to_grey(image: np.ndarray) -> np.ndarray:
    """(H, W, 1 to 4) with colours and transparency -> (H, W), on white paper."""
    image = image / 255.0 if image.dtype == np.uint8 else image
    colour, alpha = image[..., :3], image[..., 3:4]
    if image.shape[-1] == 2:
        colour, alpha = image[..., :1], image[..., 1:]
    grey = colour @ np.array([0.299, 0.587, 0.114]) if colour.shape[-1] == 3 else colour[..., 0]
    return grey * alpha[..., 0] + 1 - alpha[..., 0] if alpha.size else grey
