"""Optimizers: how gradients move variables. By class, or by name: ``optimizers.get("adam")``."""

from __future__ import annotations

from typing import Any

from tinygrad_cn import registry
from tinygrad_cn import schedules as schedules  # also optimizers.schedules, as in Keras

from .adam import Adam, Adamax, AdamW, Lamb, Lion, Nadam
from .adaptive import Adadelta, Adafactor, Adagrad, Ftrl, RMSprop
from .base import Optimizer
from .sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]  # fmt: skip

_CLASSES = (
    SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam, Lion, Lamb, Ftrl, Adafactor,
)  # fmt: skip
registry.publish("optimizers", *_CLASSES)
registry.publish("optimizers", **{c.__name__.lower(): c for c in _CLASSES})


def get(identifier: Any) -> Any:
    """The optimizer of a name (in any case), a config or an object.

    >>> tg.optimizers.get("AdamW").weight_decay
    0.004
    """
    if isinstance(identifier, str) and registry.get_registered_object(identifier) is None:
        identifier = registry.lookup("optimizers", identifier.lower())
    found = registry.find("optimizers", identifier, Optimizer)
    if not isinstance(found, Optimizer):
        raise ValueError(
            f"[optimizers] Expected a name, a config or an Optimizer, received {identifier!r}."
        )
    return found


def serialize(optimizer: Any) -> Any:
    """An optimizer as a JSON-able config; its state is in ``optimizer.variables``."""
    return registry.serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The optimizer of a config."""
    return registry.deserialize_keras_object(config, custom_objects, "optimizers")
