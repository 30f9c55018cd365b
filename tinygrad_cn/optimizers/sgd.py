"""Gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cn import kernels

from .base import Optimizer, settings


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    p -= lr g;  with momentum v = momentum v - lr g and p += v (Polyak, 1964);  with ``nesterov``
    p += momentum v - lr g, the gradient as if the velocity had been followed already (Sutskever et
    al., 2013).

    Args:
        learning_rate, momentum, nesterov: as in the formulas.
        **settings: those of :class:`Optimizer`.

    >>> w = tg.Variable([1.0])
    >>> _ = tg.optimizers.SGD(0.1).apply_gradients([(tg.tensor([2.0]), w)])
    >>> w.numpy()
    array([0.8], dtype=float32)
    """

    reads_state = True

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **settings: Any,
    ) -> None:
        if not 0 <= momentum <= 1:
            raise ValueError(f"[SGD] Expected 0 <= momentum <= 1, received momentum={momentum}.")
        settings.setdefault("name", "SGD")
        super().__init__(learning_rate, **settings)
        self.momentum, self.nesterov = momentum, nesterov
        self._hyper = np.array([momentum, self.weight_decay or 0.0])
        self._hyper_undecayed = np.array([momentum, 0.0])

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        self.momentums = (
            self.add_optimizer_variables(variables, "momentum") if self.momentum else []
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        velocity = (
            self.momentums[self._get_variable_index(variable)].data if self.momentum else None
        )
        hyper = self._hyper if self._use_weight_decay(variable) else self._hyper_undecayed
        kernels.sgd(variable.data, gradient.data, velocity, learning_rate, hyper, self.nesterov)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **settings(self, "momentum", "nesterov")}
