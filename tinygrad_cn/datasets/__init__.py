"""Data to learn from, in Keras's form: ``(x_train, y_train), (x_test, y_test) =
NAME.load_data()``."""

from . import breast_cancer, diabetes, digits, fashion_mnist, housing, mnist

__all__ = [
    "breast_cancer", "diabetes", "digits", "fashion_mnist", "housing", "mnist",
]  # fmt: skip
