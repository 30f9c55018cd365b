"""569 tumours: thirty measurements of cell nuclei, and whether they are benign (1) or malignant
(0).
Carried by scikit-learn: no download (Street, Wolberg and Mangasarian, 1993)."""

from __future__ import annotations

import numpy as np

from .sources import Split, bundled, split


def load_data(test_split: float = 0.2, seed: int = 0) -> Split:
    """(x_train, y_train), (x_test, y_test): float32 (N, 30) as measured, and int64 (N,)."""
    data = bundled("breast_cancer")
    return split(data.data.astype(np.float32), data.target.astype(np.int64), test_split, seed)
