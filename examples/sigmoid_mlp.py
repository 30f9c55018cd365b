"""A 2-10-2 network of sigmoids with a training loop written by hand: weights in dicts, nothing
hidden.

    tinygrad-cn run sigmoid_mlp

Data: made up here. Points of a square; the first output says whether a point lies in a ring, the
second whether it lies above a wave. The loop is the textbook's: forward, loss, gradients, update.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as tg
from tinygrad_cn import plots


class NeuralNetwork:
    """input -> sigmoid hidden layer -> sigmoid output layer."""

    def __init__(self, input_dim, hidden_dim, output_dim):
        normal = tg.random.normal
        self.weights = {
            "hidden": tg.Variable(normal([input_dim, hidden_dim])),
            "output": tg.Variable(normal([hidden_dim, output_dim])),
        }
        self.biases = {
            "hidden": tg.Variable(tg.zeros([hidden_dim])),
            "output": tg.Variable(tg.zeros([output_dim])),
        }

    def logits(self, x):
        hidden_layer = tg.ops.sigmoid(x @ self.weights["hidden"] + self.biases["hidden"])
        return hidden_layer @ self.weights["output"] + self.biases["output"]

    def forward(self, x):
        return tg.ops.sigmoid(self.logits(x))

    def loss(self, y, logits):
        return tg.ops.mean(tg.ops.binary_crossentropy(y, logits, from_logits=True))

    def train(self, x, y, learning_rate, epochs=1000):
        optimizer = tg.optimizers.Adam(learning_rate=learning_rate)
        variables = [*self.weights.values(), *self.biases.values()]
        losses = []
        for epoch in range(epochs):
            loss = self.loss(y, self.logits(x))
            gradients = tg.grad(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            losses.append(loss.item())
            if epoch % max(epochs // 10, 1) == 0:
                print("Epoch:", epoch, "Loss:", round(losses[-1], 4))
        return losses


def make_data(n, rng):
    """x (n, 2) in the square from -1 to 1, y (n, 2) of 0 and 1."""
    x = rng.uniform(-1, 1, (n, 2)).astype("float32")
    radius = np.hypot(x[:, 0], x[:, 1])
    ring = (0.4 < radius) & (radius < 0.85)
    above = x[:, 1] > 0.5 * np.sin(3 * x[:, 0])
    return x, np.stack([ring, above], axis=1).astype("float32")


def main(tiny=False, folder="."):
    tg.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x_train, y_train = make_data(1000, rng)
    x_test, y_test = make_data(1000, rng)
    network = NeuralNetwork(input_dim=2, hidden_dim=10, output_dim=2)
    losses = network.train(x_train, y_train, learning_rate=0.05, epochs=50 if tiny else 2000)
    right = (network.forward(x_test).numpy() > 0.5) == y_test
    accuracy = right.mean(axis=0)
    print(f"Right on new points: ring {accuracy[0]:.1%}, wave {accuracy[1]:.1%}")
    draw(network, losses, x_test, y_test, Path(folder) / "sigmoid_mlp.png")
    return {"accuracy": float(right.mean()), "loss": losses[-1]}


def draw(network, losses, x, y, path):
    plt = plots.pyplot()
    figure, panels = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    panels[0].semilogy(losses)
    panels[0].set_title(plots.label("损失", "loss"))
    panels[0].set_xlabel(plots.label("步数", "step"))
    side = np.linspace(-1, 1, 120, dtype="float32")
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    probability = network.forward(grid).numpy().reshape(120, 120, 2)
    titles = plots.label("圆环", "ring"), plots.label("波线之上", "above the wave")
    for i, (panel, title) in enumerate(zip(panels[1:], titles, strict=True)):
        shades = panel.contourf(side, side, probability[..., i], 20, cmap="RdBu", vmin=0, vmax=1)
        panel.scatter(*x[:250].T, c=y[:250, i], cmap="RdBu", s=10, edgecolors="k", linewidths=0.4)
        panel.set_title(title)
        panel.set_aspect("equal")
    figure.colorbar(shades, ax=panels[2], label=plots.label("概率", "probability"))
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
