"""A convolutional network on 28x28x1 images as a subclass of Model.

Conv 32 3x3 relu, pool, Conv 64 3x3 relu, pool, Flatten, Dense 128 relu, Dense 10 softmax.

    tinygrad-cn run cnn

Data: the 1,797 real handwritten digits that scikit-learn carries, enlarged from 8x8. The picture
shows the 32 filters of the first layer, and what they make of a digit.
"""

import sys
from pathlib import Path

import tinygrad_cn as keras
from tinygrad_cn import plots


class ConvolutionalNeuralNetwork(keras.Model):
    def __init__(self, hidden_units, output_units):
        super().__init__()
        self.conv1 = keras.layers.Conv2D(32, (3, 3), activation="relu")
        self.pool1 = keras.layers.MaxPooling2D((2, 2))
        self.conv2 = keras.layers.Conv2D(64, (3, 3), activation="relu")
        self.pool2 = keras.layers.MaxPooling2D((2, 2))
        self.flatten = keras.layers.Flatten()
        self.dense1 = keras.layers.Dense(hidden_units, activation="relu")
        self.dense2 = keras.layers.Dense(output_units, activation="softmax")

    def call(self, inputs):
        x = self.pool1(self.conv1(inputs))
        x = self.pool2(self.conv2(x))
        x = self.flatten(x)
        x = self.dense1(x)
        x = self.dense2(x)
        return x


def main(tiny=False, folder="."):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data(size=28)
    if tiny:
        x_train, y_train, x_test, y_test = x_train[:128], y_train[:128], x_test[:64], y_test[:64]

    # 创建卷积神经网络实例, 编译模型, 训练模型
    model = ConvolutionalNeuralNetwork(hidden_units=128, output_units=10)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    epochs = 1 if tiny else 10
    history = model.fit(x_train, y_train, epochs=epochs, validation_split=0.1, verbose=2)

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}, loss: {loss:.4f}")
    draw(model, history, x_test[0], Path(folder) / "cnn.png")
    return {"accuracy": accuracy}


def draw(model, history, image, path):
    plt = plots.pyplot()
    figure = plt.figure(figsize=(12, 4.2), layout="constrained")
    curves, filters, maps = figure.subfigures(1, 3, width_ratios=[1.1, 1, 1])
    panel = curves.subplots()
    panel.plot(history.history["accuracy"], "o-", label=plots.label("训练", "training"))
    panel.plot(history.history["val_accuracy"], "o-", label=plots.label("验证", "validation"))
    panel.set_title(plots.label("准确率", "accuracy"))
    panel.set_xlabel(plots.label("轮次", "epoch"))
    panel.legend()
    kernel = model.conv1.kernel.numpy()
    made = model.conv1(image[None]).numpy()[0]
    for part, title, pictures in (
        (filters, plots.label("卷积核", "filters"), kernel[:, :, 0]),
        (maps, plots.label("特征图", "feature maps"), made),
    ):
        part.suptitle(title)
        for i, cell in enumerate(part.subplots(4, 8).flat):
            cell.imshow(pictures[..., i], cmap="gray")
            cell.axis("off")
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
