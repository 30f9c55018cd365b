"""What programs ask of ``keras.backend``: a few numbers and names that are the same everywhere."""

from __future__ import annotations

from typing import Any

from .losses.base import EPSILON
from .utils import clear_session, is_keras_tensor

__all__ = [
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_keras_tensor",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]


def floatx() -> str:
    """The dtype of weights and computations unless a layer's ``dtype`` says otherwise."""
    return "float32"


def set_floatx(value: str) -> None:
    """Accepts "float32" only: give the layers ``dtype="float64"`` instead."""
    _only("set_floatx", value, floatx())


def epsilon() -> float:
    """What keeps logarithms and quotients of losses finite."""
    return EPSILON


def set_epsilon(value: float) -> None:
    """Accepts 1e-7 only."""
    _only("set_epsilon", value, epsilon())


def image_data_format() -> str:
    """The layout of images unless a layer's ``data_format`` says otherwise."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accepts "channels_last" only: give the layers ``data_format="channels_first"`` instead."""
    _only("set_image_data_format", data_format, image_data_format())


def _only(who: str, value: Any, known: Any) -> None:
    if value != known:
        raise ValueError(f"[{who}] This cannot be changed. Expected {known!r}, received {value!r}.")
