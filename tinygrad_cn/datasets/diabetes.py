"""442 diabetes patients: ten measurements, and the progression of the disease a year later. Carried
by scikit-learn: no download (Efron, Hastie, Johnstone and Tibshirani, 2004)."""

from __future__ import annotations

import numpy as np

from .sources import Split, bundled, split


def load_data(test_split: float = 0.2, seed: int = 0) -> Split:
    """(x_train, y_train), (x_test, y_test): float32 (N, 10), centred and scaled, and (N,), 25 to
    346."""
    data = bundled("diabetes")
    return split(data.data.astype(np.float32), data.target.astype(np.float32), test_split, seed)
