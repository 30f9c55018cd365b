"""Settings: the numbers, names and functions among the attributes of layers, losses, regularizers
and optimizers.

A captured step holds the settings that it was recorded with, and runs no Python that would see new
ones. So changes are counted, and whoever keeps captured steps compares the count.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .mode import mode

# Looked after where they matter, or nothing that a step depends on.
_NOT_COUNTED = frozenset(
    (
        "_trainable", "stop_training", "stop_evaluating", "stop_predicting", "_initial_epoch",
        "_planned_at",
    )
)  # fmt: skip
_PLAIN = type(None), int, float, str, np.generic
_set = object.__setattr__


class Settings:
    """The base of what has settings.

    >>> layer, before = tg.layers.Dropout(0.5), Settings.changes
    >>> layer.rate = 0.1
    >>> Settings.changes - before
    1
    """

    changes: ClassVar[int] = 0  # how often a setting of any object was replaced by another

    def __setattr__(self, name: str, value: Any) -> None:
        if (isinstance(value, _PLAIN) or callable(value)) and name not in _NOT_COUNTED:
            old = vars(self).get(name, getattr(type(self), name, value))
            if old is not value and (isinstance(old, _PLAIN) or callable(old)) and old != value:
                # what a step changes while it is captured, such as a count of calls, is its own
                if mode.get().capture is None:
                    Settings.changes += 1
        _set(self, name, value)
