"""A Sequential binary classifier: Dense 10 relu, Dense 10 relu, Dense 1 sigmoid; log loss, Adam,
accuracy.

    tinygrad-cn run binary_classifier

Data: 569 tumours, carried by scikit-learn. The inputs are the ten mean measurements of the cell
nuclei; the question is whether the tumour is benign.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots


def main(tiny=False, folder="."):
    keras.utils.set_random_seed(0)
    (X_train, y_train), (X_test, y_test) = keras.datasets.breast_cancer.load_data()
    X_train, X_test = X_train[:, :10], X_test[:, :10]
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    X_train, X_test = (X_train - mean) / std, (X_test - mean) / std

    # 定义神经网络的结构
    model = keras.Sequential(
        [
            keras.layers.Dense(10, activation="relu", input_shape=(10,)),
            keras.layers.Dense(10, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.summary()
    # 定义损失函数和优化器
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy", "auc"])
    # 训练神经网络
    epochs = 2 if tiny else 60
    history = model.fit(X_train, y_train, epochs=epochs, validation_split=0.1, verbose=0)

    loss, accuracy, auc = model.evaluate(X_test, y_test, verbose=0)
    print(f"Held-out tumours: accuracy {accuracy:.3f}, AUC {auc:.4f}, log loss {loss:.3f}")
    draw(history, model.predict(X_test, verbose=0)[:, 0], y_test, Path(folder))
    return {"accuracy": accuracy, "auc": auc}


def draw(history, probability, y, folder):
    plt = plots.pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    left.plot(history.history["accuracy"], label=plots.label("训练", "training"))
    left.plot(history.history["val_accuracy"], label=plots.label("验证", "validation"))
    left.set_title(plots.label("准确率", "accuracy"))
    left.set_xlabel(plots.label("轮次", "epoch"))
    left.legend()
    names = plots.label("恶性", "malignant"), plots.label("良性", "benign")
    bins = np.linspace(0, 1, 21)
    for value, name in enumerate(names):
        right.hist(probability[y == value], bins, alpha=0.6, label=name)
    right.set_title(plots.label("预测为良性的概率", "probability of being benign"))
    right.legend()
    plots.finish(figure, folder / "binary_classifier.png")
    print("Picture:", folder / "binary_classifier.png")


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    main("--tiny" in sys.argv, *names[:1])
