"""文档中的 2-10-2 网络：sigmoid 多层感知机的一步。The documents' 2-10-2 network, one step of it.

tinygrad-cn explain two_ten_two
"""

from typing import Any

import numpy as np

import tinygrad_cn as tg
from tinygrad_cn import layers


def main() -> Any:
    """The mean squared error of four points of XOR, by layers that can be unfolded."""
    tg.utils.set_random_seed(3)
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    targets = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], np.float32)
    hidden_layer = layers.Dense(10, activation="sigmoid", name="hidden")
    output_layer = layers.Dense(2, activation="sigmoid", name="output")
    hidden = hidden_layer(inputs)
    outputs = output_layer(hidden)
    error = outputs - targets
    loss = tg.ops.mean(error * error)
    return tg.explain(loss, title="2-10-2")


if __name__ == "__main__":
    print(main().text())
