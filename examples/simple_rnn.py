"""A simple recurrent network, h_t = tanh(W [h_{t-1}, x_t] + b), that continues a curve.

    tinygrad-cn run simple_rnn

Data: made up here, and noisy: the sum of two sine waves of different periods. The network sees 40
points and foretells the next; fed with its own forecasts it then goes on by itself.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots

STEPS = 40


def wave(n, rng):
    t = np.arange(n)
    clean = 0.6 * np.sin(2 * np.pi * t / 20) + 0.4 * np.sin(2 * np.pi * t / 33)
    return clean.astype("float32"), (clean + rng.normal(0, 0.05, n)).astype("float32")


def main(tiny=False, folder="."):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    clean, noisy = wave(1200, rng)
    windows = np.lib.stride_tricks.sliding_window_view(noisy, STEPS + 1)
    x, y = windows[:, :STEPS, None], windows[:, STEPS]
    n = 900
    model = keras.Sequential(
        [keras.Input((STEPS, 1)), keras.layers.SimpleRNN(32), keras.layers.Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mse")
    history = model.fit(
        x[:n], y[:n], epochs=2 if tiny else 40, validation_data=(x[n:], y[n:]), verbose=0
    )
    error = model.evaluate(x[n:], y[n:], verbose=0)
    naive = float(np.mean((x[n:, -1, 0] - y[n:]) ** 2))
    print(f"Mean squared error of the next point: {error:.5f}")
    print(f"  of repeating the last point:        {naive:.5f}")
    print(f"  of knowing the curve (the noise):   {np.mean((clean[n + STEPS :] - y[n:]) ** 2):.5f}")

    seen = noisy[n : n + STEPS].copy()
    for _ in range(120):
        seen = np.append(seen, model.predict(seen[None, -STEPS:, None], verbose=0)[0, 0])
    draw(history, clean[n : n + STEPS + 120], seen, Path(folder) / "simple_rnn.png")
    return {"mse": error, "naive": naive}


def draw(history, clean, seen, path):
    plt = plots.pyplot()
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 3.6), width_ratios=[1, 2], layout="constrained"
    )
    left.semilogy(history.history["loss"], label=plots.label("训练", "training"))
    left.semilogy(history.history["val_loss"], label=plots.label("验证", "validation"))
    left.set_title(plots.label("均方误差", "mean squared error"))
    left.set_xlabel(plots.label("轮次", "epoch"))
    left.legend()
    right.plot(clean, color="0.6", label=plots.label("真实曲线", "true curve"))
    right.plot(range(STEPS), seen[:STEPS], "k.", label=plots.label("看到的", "seen"))
    right.plot(range(STEPS, len(seen)), seen[STEPS:], label=plots.label("预测", "foretold"))
    right.set_title(plots.label("自由续写 120 步", "120 steps on its own"))
    right.legend(loc="lower right")
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
