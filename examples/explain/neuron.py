"""一个神经元：前向与反向。One neuron, forward and backward.

tinygrad-cn explain neuron
"""

from typing import Any

import tinygrad_cn as tg


def main() -> Any:
    """y = tanh(w1 x1 + w2 x2 + b), and what y asks of each of the five numbers."""
    x1 = tg.tensor(2.0, requires_grad=True)
    x2 = tg.tensor(-1.0, requires_grad=True)
    w1 = tg.tensor(0.5, requires_grad=True)
    w2 = tg.tensor(1.5, requires_grad=True)
    b = tg.tensor(0.75, requires_grad=True)
    p1 = x1 * w1
    p2 = x2 * w2
    s = p1 + p2 + b
    y = tg.ops.tanh(s)
    return tg.explain(y, title="一个神经元 · one neuron")


if __name__ == "__main__":
    print(main().text())
