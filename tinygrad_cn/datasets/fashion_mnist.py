"""Fashion-MNIST: 70,000 pictures of clothes, 28x28 pixels (Xiao, Rasul and Vollgraf, 2017)."""

from __future__ import annotations

from typing import Any

from .sources import Split, idx_images

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
MD5 = (
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
)


def load_data(path: Any = None) -> Split:
    """The images and labels; arguments and results as of :func:`mnist.load_data`."""
    return idx_images("fashion_mnist", path, MIRRORS, MD5)
