"""A dense classifier of 28x28x1 images as a subclass of Model: Dense 128 relu, Dense 10 softmax.

    tinygrad-cn run dense_classifier

Data: the 1,797 real handwritten digits that scikit-learn carries, enlarged from 8x8.
"""

import sys
from pathlib import Path

import tinygrad_cn as keras
from tinygrad_cn import plots


class SimpleNeuralNetwork(keras.Model):
    def __init__(self, hidden_units, output_units):
        super().__init__()
        self.flatten = keras.layers.Flatten()
        self.dense1 = keras.layers.Dense(hidden_units, activation="relu")
        self.dense2 = keras.layers.Dense(output_units, activation="softmax")

    def call(self, inputs):
        x = self.flatten(inputs)
        x = self.dense1(x)
        x = self.dense2(x)
        return x


def main(tiny=False, folder="."):
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data(size=28)

    # 创建神经网络实例, 编译模型, 训练模型
    model = SimpleNeuralNetwork(hidden_units=128, output_units=10)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    epochs = 1 if tiny else 20
    history = model.fit(x_train, y_train, epochs=epochs, validation_split=0.1, verbose=2)

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}, loss: {loss:.4f}")
    path = Path(folder) / "dense_classifier.png"
    history.plot(path, title=plots.label("全连接分类器", "dense classifier"))
    print("Picture:", path)
    return {"accuracy": accuracy}


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
