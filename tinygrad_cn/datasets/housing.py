"""House prices from a CSV file of yours: Boston, California, or any table of numbers.

scikit-learn no longer carries the Boston table (it has a variable built on an offensive assumption)
and downloads the California one; so both are read from a file here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .sources import Split, read_table, split

TARGETS = ("medv", "median_house_value", "medhouseval", "price", "target")


def load_data(
    path: Any, target: str | None = None, test_split: float = 0.2, seed: int = 0
) -> Split:
    """The table, split.

    Args:
        path: a CSV file whose first line names the columns.
        target: the column of prices; None: the one with a usual name ("MEDV",
            "median_house_value", ...), else the last.
        test_split: the share held out.
        seed: of the random order.

    Returns:
        (x_train, y_train), (x_test, y_test): float32 (N, features) and (N,).
    """
    if target is None:
        with open(path, encoding="utf-8-sig") as file:
            names = [name.strip().strip('"').lower() for name in file.readline().split(",")]
        target = next((name for name in TARGETS if name in names), None)
    x, y, _ = read_table(path, target)
    return split(x.astype(np.float32), y.astype(np.float32), test_split, seed)
