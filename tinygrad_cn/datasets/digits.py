"""1,797 real handwritten digits of 8x8 pixels, carried by scikit-learn: no download.

The UCI "Optical Recognition of Handwritten Digits" set (Alpaydin and Kaynak, 1998).
"""

from __future__ import annotations

import numpy as np

from .sources import Split, bundled, split


def load_data(size: int = 8, test_split: float = 0.2, seed: int = 0) -> Split:
    """The images and labels.

    Args:
        size: pixels of a side; the 8x8 originals are enlarged by bilinear interpolation.
        test_split: the share held out.
        seed: of the random order.

    Returns:
        (x_train, y_train), (x_test, y_test): float32 (N, size, size, 1) from 0 to 1, int64 (N,).
    """
    data = bundled("digits")
    x = enlarge(data.images.astype(np.float32) / 16, size)[..., None]
    return split(x, data.target.astype(np.int64), test_split, seed)


def enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """(N, H, W) -> (N, size, size), bilinear; pixels are squares with their value in the middle."""
    if size < 1:
        raise ValueError(f"[digits] Expected size >= 1, received size={size}.")
    for axis in (1, 2):
        n = images.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, n - 1)
        share = (at - low).astype(images.dtype).reshape([-1 if i == axis else 1 for i in range(3)])
        images = images.take(low, axis) * (1 - share) + images.take(high, axis) * share
    return images
