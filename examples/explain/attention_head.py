"""一个注意力头：softmax(Q Kᵀ / √d) V。One attention head.

tinygrad-cn explain attention_head
"""

from typing import Any

import numpy as np

import tinygrad_cn as tg


def main() -> Any:
    """Four tokens of six features look at one another, none at what comes after it."""
    rng = np.random.default_rng(0)
    tokens = tg.tensor(rng.standard_normal((4, 6)).astype(np.float32), requires_grad=True)
    to_query, to_key, to_value = (
        tg.Variable(rng.standard_normal((6, 3)).astype(np.float32) * 0.5, name=name)
        for name in ("to_query", "to_key", "to_value")
    )
    query, key, value = tokens @ to_query, tokens @ to_key, tokens @ to_value
    scores = query @ key.mT / np.sqrt(3)
    earlier = np.tril(np.ones((4, 4), bool))
    weights = tg.ops.softmax(tg.ops.where(earlier, scores, -1e9))
    attended = weights @ value
    loss = tg.ops.mean(attended * attended)
    return tg.explain(loss, title="一个注意力头 · an attention head")


if __name__ == "__main__":
    print(main().text())
