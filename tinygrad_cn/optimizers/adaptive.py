"""A learning rate per element, from the squares of its gradients: Adagrad, RMSprop, Adadelta, Ftrl,
Adafactor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_cn import initializers, kernels

from .adam import follow
from .base import Optimizer, settings


class Adagrad(Optimizer):
    """What has moved much moves less (Duchi et al., 2011).

    a += g^2;  p -= lr g / sqrt(a + epsilon);  a begins at ``initial_accumulator_value``.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **settings: Any,
    ) -> None:
        settings.setdefault("name", "adagrad")
        super().__init__(learning_rate, **settings)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        start = initializers.Constant(self.initial_accumulator_value)
        self._accumulators_of_squares = self.add_optimizer_variables(
            variables, "accumulator", start
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        p, g = variable.data, gradient.data
        a = self._accumulators_of_squares[self._get_variable_index(variable)].data
        kernels.add(a, kernels.square(g), out=a)
        size = kernels.sqrt(kernels.add(a, self.epsilon))
        step = kernels.divide(kernels.multiply(g, learning_rate), size)
        kernels.subtract(p, step, out=p)

    def get_config(self) -> dict[str, Any]:
        own = settings(self, "initial_accumulator_value", "epsilon")
        return {**super().get_config(), **own}


class RMSprop(Optimizer):
    """The gradient over the root of a running mean of its square (Tieleman and Hinton, 2012).

    v = rho v + (1 - rho) g^2;  s = lr g / sqrt(v + epsilon);  p -= s;
    with ``momentum`` d = momentum d + s and p -= d;
    with ``centered`` a = rho a + (1 - rho) g and v - a^2 (the variance) in place of v.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **settings: Any,
    ) -> None:
        settings.setdefault("name", "rmsprop")
        super().__init__(learning_rate, **settings)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        if self.momentum:
            self._momentums = self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self._average_gradients = self.add_optimizer_variables(variables, "average_gradient")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i, p, g = self._get_variable_index(variable), variable.data, gradient.data
        v = self._velocities[i].data
        follow(v, kernels.square(g), 1 - self.rho)
        size = v
        if self.centered:
            a = self._average_gradients[i].data
            follow(a, g, 1 - self.rho)
            size = kernels.subtract(v, kernels.square(a))
        size = kernels.sqrt(kernels.add(size, self.epsilon))
        step = kernels.divide(kernels.multiply(g, learning_rate), size)
        if self.momentum:
            d = self._momentums[i].data
            step = kernels.add(kernels.multiply(d, self.momentum), step, out=d)
        kernels.subtract(p, step, out=p)

    def get_config(self) -> dict[str, Any]:
        own = settings(self, "rho", "momentum", "epsilon", "centered")
        return {**super().get_config(), **own}


class Adadelta(Optimizer):
    """Steps as long as the steps before them, in units of the variable (Zeiler, 2012).

    a = rho a + (1 - rho) g^2;  s = sqrt(b + epsilon) / sqrt(a + epsilon) g;
    b = rho b + (1 - rho) s^2;  p -= lr s.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **settings: Any,
    ) -> None:
        settings.setdefault("name", "adadelta")
        super().__init__(learning_rate, **settings)
        self.rho, self.epsilon = rho, epsilon

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        names = ["accumulated_grad", "accumulated_delta_var"]
        self._squares, self._steps = self.add_optimizer_variables(variables, names)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i, p, g = self._get_variable_index(variable), variable.data, gradient.data
        a, b = self._squares[i].data, self._steps[i].data
        follow(a, kernels.square(g), 1 - self.rho)
        step = kernels.multiply(kernels.sqrt(kernels.add(b, self.epsilon)), g)
        step = kernels.divide(step, kernels.sqrt(kernels.add(a, self.epsilon)))
        follow(b, kernels.square(step), 1 - self.rho)
        kernels.subtract(p, kernels.multiply(step, learning_rate), out=p)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **settings(self, "rho", "epsilon")}


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013): for wide, sparse linear models; l1
    makes weights exactly 0.

    n' = n + g^2;  z += g + 2 l2_shrinkage p - (n'^a - n^a) / lr p, a = -learning_rate_power;
    p = (clip(z, -l1, l1) - z) / ((n'^a + beta) / lr + 2 l2);  n = n'.

    Args:
        learning_rate_power: -a, not above 0.
        initial_accumulator_value: what n begins at.
        l1_regularization_strength, l2_regularization_strength,
        l2_shrinkage_regularization_strength, beta: as in the formulas.
        **settings: those of :class:`Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **settings: Any,
    ) -> None:
        settings.setdefault("name", "ftrl")
        super().__init__(learning_rate, **settings)
        if learning_rate_power > 0:
            raise ValueError(
                f"[Ftrl] Expected learning_rate_power <= 0, received {learning_rate_power}."
            )
        for name, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0:
                raise ValueError(f"[Ftrl] Expected {name} >= 0, received {value}.")
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        starts = [initializers.Constant(self.initial_accumulator_value), "zeros"]
        self._sums, self._linears = self.add_optimizer_variables(
            variables, ["accumulator", "linear"], starts
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i, p, g = self._get_variable_index(variable), variable.data, gradient.data
        n, z = self._sums[i].data, self._linears[i].data
        before = kernels.pow(n, -self.learning_rate_power)
        kernels.add(n, kernels.square(g), out=n)
        after = kernels.pow(n, -self.learning_rate_power)
        if self.l2_shrinkage_regularization_strength:
            g = kernels.add(g, kernels.multiply(p, 2 * self.l2_shrinkage_regularization_strength))
        change = kernels.divide(kernels.subtract(after, before), learning_rate)
        kernels.add(z, kernels.subtract(g, kernels.multiply(change, p)), out=z)
        limit = self.l1_regularization_strength
        clipped = kernels.minimum(kernels.maximum(z, -limit), limit)
        curvature = kernels.divide(kernels.add(after, self.beta), learning_rate)
        curvature = kernels.add(curvature, 2 * self.l2_regularization_strength)
        kernels.divide(kernels.subtract(clipped, z), curvature, out=p)

    def get_config(self) -> dict[str, Any]:
        own = settings(
            self, "learning_rate_power", "initial_accumulator_value",
            "l1_regularization_strength", "l2_regularization_strength",
            "l2_shrinkage_regularization_strength", "beta",
        )  # fmt: skip
        return {**super().get_config(), **own}


class Adafactor(Optimizer):
    """Adam's second moment kept as a row and a column per matrix, which takes little memory
    (Shazeer and Stern, 2018).

    With b = 1 - t^beta_2_decay and s = g^2 + epsilon_1, for two axes or more:
    r = b r + (1 - b) mean(s, last axis);  c = b c + (1 - b) mean(s, last but one);
    v = r c / mean(r);  for fewer: v = b v + (1 - b) s.  u = g / sqrt(v);
    p -= max(epsilon_2, rms(p)) min(lr, 1 / sqrt(t)) u / max(1, rms(u) / clip_threshold).

    Args:
        beta_2_decay, epsilon_1, epsilon_2, clip_threshold: as in the formulas.
        relative_step: has no effect on the formulas: lr never exceeds 1 / sqrt(t).
        **settings: those of :class:`Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **settings: Any,
    ) -> None:
        settings.setdefault("name", "adafactor")
        super().__init__(learning_rate, **settings)
        if not clip_threshold > 0:
            raise ValueError(f"[Adafactor] Expected clip_threshold > 0, received {clip_threshold}.")
        self.beta_2_decay, self.relative_step = beta_2_decay, relative_step
        self.epsilon_1, self.epsilon_2 = epsilon_1, epsilon_2
        self.clip_threshold = clip_threshold

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        self._rows: list[Any] = []
        self._columns: list[Any] = []
        self._velocities: list[Any] = []
        for p in variables:
            row = column = None
            if p.ndim >= 2:
                row = self.add_variable(p.shape[:-1], dtype=p.dtype, name=p.name)
                column = self.add_variable((*p.shape[:-2], p.shape[-1]), dtype=p.dtype, name=p.name)
            self._rows.append(row)
            self._columns.append(column)
            self._velocities.append(self.add_variable_from_reference(p, "velocity"))

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        fade = step**self.beta_2_decay
        return {"keep s": 1 - fade, "take s": fade, "rho": min(rate, 1 / math.sqrt(step))}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i, p, g = self._get_variable_index(variable), variable.data, gradient.data
        keep, take, rho = [self.number(name, p.dtype) for name in ("keep s", "take s", "rho")]
        squares, v = kernels.add(kernels.square(g), self.epsilon_1), self._velocities[i].data

        def mix(average: Any, value: Any) -> None:
            kernels.multiply(average, keep, out=average)
            kernels.add(average, kernels.multiply(value, take), out=average)

        if p.ndim < 2:
            mix(v, squares)
        else:
            row, column = self._rows[i].data, self._columns[i].data
            mix(row, kernels.mean(squares, -1))
            mix(column, kernels.mean(squares, -2))
            shares = kernels.divide(row, kernels.mean(row, -1, True))
            kernels.multiply(shares[..., None], column[..., None, :], out=v)
        u = kernels.divide(g, kernels.sqrt(v))
        excess = kernels.maximum(kernels.divide(_rms(u), self.clip_threshold), 1.0)
        size = kernels.multiply(kernels.maximum(_rms(p), self.epsilon_2), rho)
        kernels.subtract(p, kernels.multiply(u, kernels.divide(size, excess)), out=p)

    def get_config(self) -> dict[str, Any]:
        own = settings(
            self, "beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"
        )
        return {**super().get_config(), **own}


def _rms(x: Any) -> Any:
    """The root of the mean of squares."""
    return kernels.sqrt(kernels.mean(kernels.square(x)))
