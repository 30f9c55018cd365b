"""MNIST: 70,000 handwritten digits, 28x28 pixels (LeCun, Cortes and Burges)."""

from __future__ import annotations

from typing import Any

from .sources import Split, idx_images

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)


def load_data(path: Any = None) -> Split:
    """The images and labels.

    Args:
        path: a folder with the four IDX files (packed or not), or Keras's mnist.npz. None: download
            once into the cache (``TINYGRAD_CN_HOME``), with checksums.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 (60000, 28, 28), (60000,), (10000, 28, 28),
        (10000,).

    Raises:
        OSError: nothing there, and no network; the message says what to do.
    """
    return idx_images("mnist", path, MIRRORS, MD5)
