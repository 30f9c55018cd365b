"""Adam and its kin: a running mean of the gradient over the root of one of its square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cn import kernels

from .base import Optimizer, settings


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015); with ``amsgrad`` the variant of Reddi et al. (2018).

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
    p -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon), t the step;
    with ``amsgrad`` the largest v so far in place of v.

    ``epsilon`` is the "epsilon hat" of the paper, as in Keras: it is not divided by sqrt(1 - b2^t).

    >>> w = tg.Variable([1.0])
    >>> _ = tg.optimizers.Adam(0.1).apply_gradients([(tg.tensor([2.0]), w)])
    >>> w.numpy().round(5)
    array([0.9], dtype=float32)
    """

    reads_state = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **settings: Any,
    ) -> None:
        _betas(type(self).__name__, beta_1, beta_2)
        settings.setdefault("name", "adam")
        super().__init__(learning_rate, **settings)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad
        fixed = beta_1, beta_2, epsilon
        self._hyper = np.array([*fixed, self.weight_decay or 0.0])
        self._hyper_undecayed = np.array([*fixed, 0.0])

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        names = ["momentum", "velocity"]
        self._momentums, self._velocities = self.add_optimizer_variables(variables, names)
        if self.amsgrad:
            self._velocity_hats = self.add_optimizer_variables(variables, "velocity_hat")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i = self._get_variable_index(variable)
        m, v = self._momentums[i].data, self._velocities[i].data
        hyper = self._hyper if self._use_weight_decay(variable) else self._hyper_undecayed
        vhat = self._velocity_hats[i].data if self.amsgrad else None
        step = self._step
        kernels.adam(variable.data, gradient.data, m, v, learning_rate, step, hyper, vhat)

    def get_config(self) -> dict[str, Any]:
        own = settings(self, "beta_1", "beta_2", "epsilon", "amsgrad")
        return {**super().get_config(), **own}


class AdamW(Adam):
    """Adam with weight decay beside the gradient, not in it (Loshchilov and Hutter, 2019):
    each step also does p -= lr weight_decay p."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **settings: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError("[AdamW] Expected a number, received weight_decay=None.")
        settings = {"name": "adamw", "weight_decay": weight_decay, **settings}
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **settings)


class Adamax(Optimizer):
    """Adam with the largest gradient, fading, in place of the root mean square (Kingma and Ba,
    2015).

    m = b1 m + (1 - b1) g;  u = max(b2 u, |g|);  p -= lr / (1 - b1^t) m / (u + epsilon).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **settings: Any,
    ) -> None:
        _betas("Adamax", beta_1, beta_2)
        settings.setdefault("name", "adamax")
        super().__init__(learning_rate, **settings)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        self._m, self._u = self.add_optimizer_variables(variables, ["momentum", "norm"])

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        return {"alpha": rate / (1 - self.beta_1**step)}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i, p, g = self._get_variable_index(variable), variable.data, gradient.data
        m, u = self._m[i].data, self._u[i].data
        follow(m, g, 1 - self.beta_1)
        kernels.maximum(kernels.multiply(u, self.beta_2), kernels.abs(g), out=u)
        step = kernels.divide(m, kernels.add(u, self.epsilon))
        kernels.subtract(p, kernels.multiply(step, self.number("alpha", p.dtype)), out=p)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **settings(self, "beta_1", "beta_2", "epsilon")}


class _Moments(Optimizer):
    """What keeps the running means m of g and v of g^2."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **settings: Any,
    ) -> None:
        _betas(type(self).__name__, beta_1, beta_2)
        settings.setdefault("name", type(self).__name__.lower())
        super().__init__(learning_rate, **settings)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        names = ["momentum", "velocity"]
        self._momentums, self._velocities = self.add_optimizer_variables(variables, names)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **settings(self, "beta_1", "beta_2", "epsilon")}


class Nadam(_Moments):
    """Adam with Nesterov's look-ahead (Dozat, 2016).

    With c_t = b1 (1 - 0.96^t / 2) and C_t = c_1 ... c_t:
    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
    p -= lr (c_{t+1} m / (1 - C_{t+1}) + (1 - c_t) g / (1 - C_t)) / (sqrt(v / (1 - b2^t)) +
    epsilon).
    """

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        c = [self.beta_1 * (1 - 0.5 * 0.96**t) for t in range(1, step + 2)]
        product = math.prod(c[:-1])
        return {
            "of m": rate * c[-1] / (1 - product * c[-1]),
            "of g": rate * (1 - c[-2]) / (1 - product),
            "of v": 1 / (1 - self.beta_2**step),
        }

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i, p, g = self._get_variable_index(variable), variable.data, gradient.data
        m, v = self._momentums[i].data, self._velocities[i].data
        follow(m, g, 1 - self.beta_1)
        follow(v, kernels.square(g), 1 - self.beta_2)
        of_m, of_g, of_v = (self.number(name, p.dtype) for name in ("of m", "of g", "of v"))
        step = kernels.add(kernels.multiply(m, of_m), kernels.multiply(g, of_g))
        size = kernels.add(kernels.sqrt(kernels.multiply(v, of_v)), self.epsilon)
        kernels.subtract(p, kernels.divide(step, size), out=p)


class Lamb(_Moments):
    """Adam with steps in proportion to the length of the variable, for large batches (You et al.,
    2020).

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
    u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon);  p -= lr |p| / |u| u, and lr u where |p|
    or |u| is 0.
    """

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        return {"of m": 1 / (1 - self.beta_1**step), "of v": 1 / (1 - self.beta_2**step)}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i, p, g = self._get_variable_index(variable), variable.data, gradient.data
        m, v = self._momentums[i].data, self._velocities[i].data
        follow(m, g, 1 - self.beta_1)
        follow(v, kernels.square(g), 1 - self.beta_2)
        of_m, of_v = self.number("of m", p.dtype), self.number("of v", p.dtype)
        size = kernels.add(kernels.sqrt(kernels.multiply(v, of_v)), self.epsilon)
        step = kernels.divide(kernels.multiply(m, of_m), size)
        ratio = kernels.divide(_length(p), kernels.maximum(_length(step), TINY))
        moves = kernels.minimum(_length(p), _length(step))
        ratio = kernels.where(kernels.greater(moves, 0), ratio, np.ones((), p.dtype))
        step = kernels.multiply(step, kernels.multiply(ratio, learning_rate))
        kernels.subtract(p, step, out=p)


class Lion(Optimizer):
    """Only the sign of a mixed gradient counts (Chen et al., 2023); wants a learning rate 3 to 10
    times smaller than Adam's.

    p -= lr sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **settings: Any,
    ) -> None:
        _betas("Lion", beta_1, beta_2)
        settings.setdefault("name", "lion")
        super().__init__(learning_rate, **settings)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables: Sequence[Any]) -> None:
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        p, g = variable.data, gradient.data
        m = self._momentums[self._get_variable_index(variable)].data
        mixed = kernels.add(kernels.multiply(m, self.beta_1), kernels.multiply(g, 1 - self.beta_1))
        kernels.subtract(p, kernels.multiply(kernels.sign(mixed), learning_rate), out=p)
        kernels.add(kernels.multiply(m, self.beta_2), kernels.multiply(g, 1 - self.beta_2), out=m)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **settings(self, "beta_1", "beta_2")}


TINY = 1e-37  # a length that is no length


def _length(x: Any) -> Any:
    """The root of the sum of squares."""
    return kernels.sqrt(kernels.sum(kernels.square(x)))


def follow(average: Any, value: Any, share: float) -> None:
    """average += share (value - average), in place."""
    change = kernels.multiply(kernels.subtract(value, average), share)
    kernels.add(average, change, out=average)


def _betas(kind: str, beta_1: float, beta_2: float) -> None:
    for name, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
        if not 0 <= beta < 1:
            raise ValueError(f"[{kind}] Expected 0 <= {name} < 1, received {name}={beta}.")
