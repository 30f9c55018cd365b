"""Regression with a network of two layers: Dense 10 relu, Dense 1 linear; Adam, mean squared error,
100 epochs of batch 10, a fifth held out.

    tinygrad-cn run house_prices                    # the diabetes table that scikit-learn carries
    tinygrad-cn run house_prices housing.csv        # any CSV: Boston, California, ...

Textbooks use the Boston house prices, which scikit-learn no longer carries; give a CSV file of them
and they are used. Otherwise ten measurements of 442 patients foretell the course of their diabetes.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cn as keras
from tinygrad_cn import plots
from tinygrad_cn.layers import Dense
from tinygrad_cn.models import Sequential


def main(tiny=False, folder=".", csv=None):
    keras.utils.set_random_seed(42)
    # 加载数据集, 并将其划分为训练集和测试集
    if csv is None:
        data = keras.datasets.diabetes.load_data(test_split=0.2, seed=42)
        print("Data: the diabetes table of scikit-learn.")
    else:
        data = keras.datasets.housing.load_data(csv, test_split=0.2, seed=42)
        print(f"Data: {csv}")
    (X_train, y_train), (X_test, y_test) = data
    X_mean, X_std = X_train.mean(axis=0), X_train.std(axis=0) + 1e-8
    y_mean, y_std = y_train.mean(), y_train.std()
    X_train, X_test = (X_train - X_mean) / X_std, (X_test - X_mean) / X_std

    # 创建神经网络模型
    model = Sequential()
    model.add(Dense(10, input_dim=X_train.shape[1], activation="relu"))
    model.add(Dense(1, activation="linear"))

    # 编译模型, 训练模型
    model.compile(optimizer="adam", loss="mean_squared_error", metrics=["mean_squared_error"])
    history = model.fit(
        X_train,
        (y_train - y_mean) / y_std,
        epochs=2 if tiny else 100,
        batch_size=10,
        validation_split=0.1,
        verbose=0,
    )

    # 预测, 评估
    y_pred = model.predict(X_test, verbose=0)[:, 0] * y_std + y_mean
    mse = float(np.mean((y_test - y_pred) ** 2))
    guess = float(np.mean((y_test - y_mean) ** 2))
    print(f"Mean Squared Error: {mse:.1f}  (always guessing the mean: {guess:.1f})")
    print(f"R^2 on held-out data: {1 - mse / guess:.3f}")
    draw(history, y_test, y_pred, Path(folder) / "house_prices.png")
    return {"mse": mse, "guess": guess}


def draw(history, y_test, y_pred, path):
    plt = plots.pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    left.semilogy(history.history["loss"], label=plots.label("训练", "training"))
    left.semilogy(history.history["val_loss"], label=plots.label("验证", "validation"))
    left.set_title(plots.label("均方误差 (标准化)", "mean squared error (standardized)"))
    left.set_xlabel(plots.label("轮次", "epoch"))
    left.legend()
    right.scatter(y_test, y_pred, s=14, alpha=0.7)
    ends = [min(y_test.min(), y_pred.min()), max(y_test.max(), y_pred.max())]
    right.plot(ends, ends, "k--", linewidth=1)
    right.set_xlabel(plots.label("真实值", "true"))
    right.set_ylabel(plots.label("预测值", "predicted"))
    right.set_title(plots.label("测试集", "held-out samples"))
    plots.finish(figure, path)
    print("Picture:", path)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    table = next((a for a in names if a.endswith(".csv")), None)
    places = [a for a in names if not a.endswith(".csv")]
    main("--tiny" in sys.argv, *places[:1] or ["."], csv=table)
