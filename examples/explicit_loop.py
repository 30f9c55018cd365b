"""Two hidden layers, trained by an explicit loop: forward, loss, gradients, ``apply_gradients``.

    tinygrad-cn run explicit_loop

Data: ten measurements of 442 patients (the diabetes table of scikit-learn); the question is whether
the disease will have progressed more than in half of them.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as tg
from tinygrad_cn import plots


# 定义神经网络模型
class NeuralNetwork(tg.Model):
    def __init__(self, hidden_dim, output_dim):
        super().__init__()
        self.layer1 = tg.layers.Dense(hidden_dim, activation="relu")
        self.layer2 = tg.layers.Dense(hidden_dim, activation="relu")
        self.output_layer = tg.layers.Dense(output_dim)  # logits: the loss applies the sigmoid

    def call(self, x):
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.output_layer(x)
        return x


def main(tiny=False, folder="."):
    tg.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = tg.datasets.diabetes.load_data()
    middle = np.median(y_train)
    y_train, y_test = ((y > middle).astype("float32")[:, None] for y in (y_train, y_test))
    scale = x_train.std(axis=0)
    x_train, x_test = x_train / scale, x_test / scale

    # 创建神经网络模型, 定义损失函数和优化器
    model = NeuralNetwork(hidden_dim=50, output_dim=1)
    loss_fn = tg.losses.BinaryCrossentropy(from_logits=True)
    optimizer = tg.optimizers.Adam()

    # 训练神经网络
    losses, held_out = [], []
    for epoch in range(20 if tiny else 1000):
        # 前向传播, 计算损失值
        predictions = model(x_train)
        loss = loss_fn(y_train, predictions)
        # 反向传播
        grads = tg.grad(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        losses.append(loss.item())
        with tg.no_grad():
            held_out.append(loss_fn(y_test, model(x_test)).item())
        if epoch % 100 == 0:
            print(f"Epoch {epoch:4}  loss {losses[-1]:.4f}  held out {held_out[-1]:.4f}")
    accuracy = float(np.mean((model(x_test).numpy() > 0) == y_test))
    best = int(np.argmin(held_out))
    print(f"Accuracy on held-out patients: {accuracy:.3f}; held-out loss least at epoch {best}")

    path = Path(folder) / "explicit_loop.png"
    plt = plots.pyplot()
    figure, panel = plt.subplots(figsize=(6, 3.8), layout="constrained")
    panel.plot(losses, label=plots.label("训练", "training"))
    panel.plot(held_out, label=plots.label("测试", "held out"))
    panel.axvline(
        best, color="0.6", linestyle=":", label=plots.label("此后过拟合", "overfits after")
    )
    panel.set_title(plots.label("交叉熵", "cross-entropy"))
    panel.set_xlabel(plots.label("轮次", "epoch"))
    panel.legend()
    plots.finish(figure, path)
    print("Picture:", path)
    return {"accuracy": accuracy}


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
