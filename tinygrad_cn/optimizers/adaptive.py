"""A learning rate per element, from the squares of its gradients: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

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
