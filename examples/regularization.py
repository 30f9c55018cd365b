"""L1 and L2 regularisation: the loss plus a penalty on the weights, compared on one problem.

    loss = MSE                      without
    loss = MSE + lambda sum |w|     L1: weights that do little become 0
    loss = MSE + lambda sum w^2     L2: all weights stay small

    tinygrad-cn run regularization

Data: the diabetes table of scikit-learn, a third of it, with fifty columns of pure noise beside the
ten measurements: enough rope for a linear model to hang itself. Each penalty is tried at several
strengths.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots

NOISE = 50
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def make_data():
    (x_train, y_train), (x_test, y_test) = keras.datasets.diabetes.load_data()
    rng = np.random.default_rng(0)
    tables = []
    for x, n in ((x_train, 120), (x_test, len(x_test))):
        noise = rng.normal(size=(n, NOISE))
        tables.append(
            np.concatenate([x[:n] / x_train.std(axis=0), noise], axis=1).astype("float32")
        )
    mean, std = y_train.mean(), y_train.std()
    return tables[0], (y_train[:120] - mean) / std, tables[1], (y_test - mean) / std


def train(data, regularizer, epochs):
    """The weights, the MSE on training data and the MSE on held-out data."""
    x_train, y_train, x_test, y_test = data
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((x_train.shape[1],)), keras.layers.Dense(1, kernel_regularizer=regularizer)]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.02), loss="mse", metrics=["mse"])
    model.fit(x_train, y_train, batch_size=len(x_train), epochs=epochs, verbose=0)
    seen = model.evaluate(x_train, y_train, verbose=0)[1]
    unseen = model.evaluate(x_test, y_test, verbose=0)[1]
    return model.get_weights()[0][:, 0], seen, unseen


def main(tiny=False, folder="."):
    data, epochs = make_data(), 5 if tiny else 600
    runs = {("none", 0.0): train(data, None, epochs)}
    for kind, make in (("L1", keras.regularizers.L1), ("L2", keras.regularizers.L2)):
        for strength in STRENGTHS[::3] if tiny else STRENGTHS:
            runs[kind, strength] = train(data, make(strength), epochs)
    print("penalty  lambda   MSE seen  MSE unseen  weights below 0.01")
    for (kind, strength), (w, seen, unseen) in runs.items():
        small = int((abs(w) < 0.01).sum())
        print(f"{kind:7} {strength:7g} {seen:10.3f} {unseen:11.3f} {small:12} of {len(w)}")
    best = {k: min((v for v in runs.items() if v[0][0] == k), key=lambda v: v[1][2]) for k in
            ("none", "L1", "L2")}  # fmt: skip
    draw(runs, best, Path(folder) / "regularization.png")
    return {kind: run[1][2] for kind, run in best.items()}


def draw(runs, best, path):
    plt = plots.pyplot()
    figure, panels = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
    for kind in ("L1", "L2"):
        points = [(s, run[2]) for (k, s), run in runs.items() if k == kind]
        panels[0].semilogx(*zip(*points, strict=True), "o-", label=kind)
    panels[0].axhline(runs["none", 0.0][2], color="0.5", label=plots.label("无", "none"))
    panels[0].set_title(plots.label("测试误差", "error on held-out data"))
    panels[0].set_xlabel("λ")
    panels[0].legend()
    for panel, (kind, ((_, strength), (w, *_))) in zip(panels[1:], best.items(), strict=True):
        colours = ["C3"] * (len(w) - NOISE) + ["0.6"] * NOISE
        panel.bar(range(len(w)), w, color=colours)
        name = plots.label("无正则化", "no penalty") if kind == "none" else kind
        panel.set_title(f"{name}  λ = {strength:g}")
        panel.set_ylim(-0.45, 0.45)
        panel.set_xlabel(plots.label("红: 真实特征; 灰: 噪声", "red: real; grey: noise"))
    panels[1].set_ylabel(plots.label("权重", "weight"))
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
