"""The optimizers of the textbooks side by side: gradient descent, stochastic gradient descent, the
decaying rate eta / sqrt(1 + delta t), mini-batches with that rate, and Adam.

    w <- w - eta_t dL/dw,   eta_t = eta / sqrt(1 + delta t)

    tinygrad-cn run learning_rates

Data: the breast cancer table of scikit-learn. All start from the same weights and see the data
equally often; what differs is the batch and the rate.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots

ETA = 0.05


def methods(n):
    """name: (optimizer, batch size); t counts epochs in the decaying rate."""
    sgd, decay = keras.optimizers.SGD, keras.schedules.InverseSqrtDecay
    return {
        plots.label("梯度下降", "gradient descent"): (sgd(ETA), n),
        plots.label("随机梯度下降", "stochastic gradient descent"): (sgd(ETA), 1),
        plots.label("随机, 衰减学习率", "stochastic, decaying rate"): (
            sgd(decay(ETA, delta=1.0, decay_steps=n)),
            1,
        ),
        plots.label("小批量, 衰减学习率", "mini-batch, decaying rate"): (
            sgd(decay(ETA, delta=1.0, decay_steps=n // 16)),
            16,
        ),
        "Adam": (keras.optimizers.Adam(0.005), 16),
    }


def main(tiny=False, folder="."):
    (x_train, y_train), (x_test, y_test) = keras.datasets.breast_cancer.load_data()
    if tiny:
        x_train, y_train = x_train[:64], y_train[:64]
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    x_train, x_test = (x_train - mean) / std, (x_test - mean) / std
    curves, accuracies = {}, {}
    for name, (optimizer, batch) in methods(len(x_train)).items():
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((30,)),
                keras.layers.Dense(10, activation="relu"),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
        epochs = 2 if tiny else 20
        history = model.fit(
            x_train, y_train, batch_size=batch, epochs=epochs,
            validation_data=(x_test, y_test), verbose=0,
        )  # fmt: skip
        curves[name] = history.history["loss"], history.history["val_loss"]
        accuracies[name] = history.history["val_accuracy"][-1]
        print(f"loss {curves[name][0][-1]:.4f}, held out {curves[name][1][-1]:.4f}, "
              f"accuracy {accuracies[name]:.3f}: {name}")  # fmt: skip
    draw(curves, Path(folder) / "learning_rates.png")
    return {"best": max(accuracies.values())}


def draw(curves, path):
    plt = plots.pyplot()
    figure, panels = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    titles = plots.label("训练损失", "training loss"), plots.label("测试损失", "held-out loss")
    for i, (panel, title) in enumerate(zip(panels, titles, strict=False)):
        for name, both in curves.items():
            panel.semilogy(range(1, len(both[i]) + 1), both[i], label=name)
        panel.set_title(title)
        panel.set_xlabel(plots.label("轮次", "epoch"))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    t = np.arange(200)
    for delta in (0.0, 0.1, 1.0, 10.0):
        rate = keras.schedules.InverseSqrtDecay(ETA, delta)
        panels[2].plot(t, [rate(step) for step in t], label=f"δ = {delta:g}")
    panels[2].set_title("η / sqrt(1 + δ t)")
    panels[2].set_xlabel("t")
    panels[2].legend()
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
