"""Learning rates that change with the step: pass one as ``learning_rate`` of an optimizer.

A schedule is a function of the number of steps done. Keras's ones, and the 1/sqrt decay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import registry


class LearningRateSchedule:
    """The base: a subclass defines ``__call__(step)``, a float, and ``get_config``."""

    def __call__(self, step: Any) -> float:
        raise TypeError(f"[{type(self).__name__}] A subclass defines __call__(step).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same schedule."""
        return {key.removeprefix("_"): value for key, value in vars(self).items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The schedule of a config."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items() if k != "name")
        return f"{type(self).__name__}({arguments})"

    def _positive(self, **values: Any) -> None:
        for name, value in values.items():
            if not value > 0:
                raise ValueError(
                    f"[{type(self).__name__}] Expected {name} > 0, received {name}={value}."
                )


class InverseSqrtDecay(LearningRateSchedule):
    """eta / sqrt(1 + delta t), t the step: the decaying rate of textbooks.

    Args:
        initial_learning_rate: eta.
        delta: how fast it decays; at t = 3 / delta it has halved.
        decay_steps: count t in units of so many steps (the steps of an epoch, say).

    >>> rate = tg.schedules.InverseSqrtDecay(0.1, delta=1.0)
    >>> rate(0), rate(3)
    (0.1, 0.05)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        delta: float,
        decay_steps: float = 1,
        name: str = "InverseSqrtDecay",
    ) -> None:
        self._positive(decay_steps=decay_steps)
        if delta < 0:
            raise ValueError(f"[InverseSqrtDecay] Expected delta >= 0, received delta={delta}.")
        self.initial_learning_rate, self.delta = initial_learning_rate, delta
        self.decay_steps, self.name = decay_steps, name

    def __call__(self, step: Any) -> float:
        return self.initial_learning_rate / math.sqrt(
            1 + self.delta * float(step) / self.decay_steps
        )


class ExponentialDecay(LearningRateSchedule):
    """initial * decay_rate^(step / decay_steps); with ``staircase`` the exponent is rounded down.

    >>> tg.schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
    0.025
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self._positive(decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase, self.name = decay_rate, staircase, name

    def __call__(self, step: Any) -> float:
        return self.initial_learning_rate * self.decay_rate ** self._exponent(step)

    def _exponent(self, step: Any) -> float:
        exponent = float(step) / self.decay_steps
        return math.floor(exponent) if self.staircase else exponent


class InverseTimeDecay(ExponentialDecay):
    """initial / (1 + decay_rate step / decay_steps); with ``staircase`` the quotient is rounded
    down.

    >>> tg.schedules.InverseTimeDecay(0.1, decay_steps=10, decay_rate=1.0)(10)
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step: Any) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self._exponent(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and with step boundaries[i], then values[i + 1].

    >>> rate = tg.schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    >>> rate(10), rate(11), rate(21)
    (1.0, 0.5, 0.1)
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        if len(boundaries) != len(values) - 1 or list(boundaries) != sorted(boundaries):
            raise ValueError(
                "[PiecewiseConstantDecay] Expected rising boundaries and one value more, received "
                f"boundaries={boundaries}, values={values}."
            )
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> float:
        return self.values[sum(float(step) > boundary for boundary in self.boundaries)]


class PolynomialDecay(LearningRateSchedule):
    """(initial - end) (1 - step / decay_steps)^power + end, and end afterwards; with ``cycle`` it
    starts again at each multiple of decay_steps, stretched.

    >>> tg.schedules.PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)(5)
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self._positive(decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power = end_learning_rate, power
        self.cycle, self.name = cycle, name

    def __call__(self, step: Any) -> float:
        step, steps = float(step), self.decay_steps
        if self.cycle:
            steps = steps * max(1, math.ceil(step / steps))
        left = 1 - min(step, steps) / steps
        span = self.initial_learning_rate - self.end_learning_rate
        return span * left**self.power + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """initial ((1 - alpha) (1 + cos(pi step / decay_steps)) / 2 + alpha) (Loshchilov and Hutter,
    2017), after an optional rise in a straight line from initial to ``warmup_target``.

    >>> rate = tg.schedules.CosineDecay(0.0, 100, warmup_target=0.1, warmup_steps=10)
    >>> rate(5), rate(10), round(rate(60), 3)
    (0.05, 0.1, 0.05)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self._positive(decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.alpha, self.name = alpha, name
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: Any) -> float:
        step, top = float(step), self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            step, top = step - self.warmup_steps, self.warmup_target
        done = min(step, self.decay_steps) / self.decay_steps
        return top * ((1 - self.alpha) * 0.5 * (1 + math.cos(math.pi * done)) + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """A cosine decay that starts again and again: each run ``t_mul`` times as long as the one
    before it and ``m_mul`` times as high (Loshchilov and Hutter, 2017).

    >>> rate = tg.schedules.CosineDecayRestarts(0.1, first_decay_steps=10)
    >>> rate(0), rate(10), round(rate(20), 3)
    (0.1, 0.1, 0.05)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self._positive(first_decay_steps=first_decay_steps)
        if not t_mul >= 1:  # runs that get shorter come to an end
            raise ValueError(f"[CosineDecayRestarts] Expected t_mul >= 1, received t_mul={t_mul}.")
        self.initial_learning_rate, self.first_decay_steps = (
            initial_learning_rate,
            first_decay_steps,
        )
        self._t_mul, self._m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step: Any) -> float:
        done, run, length = float(step) / self.first_decay_steps, 0, 1.0
        while done >= length:
            done, run, length = done - length, run + 1, length * self._t_mul
        cosine = 0.5 * self._m_mul**run * (1 + math.cos(math.pi * done / length))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


registry.publish(
    "schedules", CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseSqrtDecay,
    InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay,
)  # fmt: skip


def serialize(learning_rate_schedule: Any) -> Any:
    """A schedule as a JSON-able config."""
    return registry.serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The schedule of a config."""
    return registry.deserialize_keras_object(config, custom_objects, "schedules")
