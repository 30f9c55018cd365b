"""What all optimizers share: their state, clipping, weight decay, averages, and the order of a
step.

A step is split in two so that it can be captured and replayed. ``prepare`` computes the few numbers
that Python decides anew at every step (a scheduled learning rate, powers of beta) and writes them
into small arrays that stay where they are; ``update_step`` is kernel calls only, which read those
arrays, the learning rate and the step counter.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_cn import autograd, initializers, kernels, registry
from tinygrad_cn.mode import each_step, enable_grad, mode, set_mode
from tinygrad_cn.op import Value, as_array, wrap
from tinygrad_cn.schedules import LearningRateSchedule
from tinygrad_cn.settings import Settings
from tinygrad_cn.tensor import Variable

_RATE = "rate", np.dtype(np.float64)  # a number that is kept; see Optimizer.number
Pairs = list[tuple[Any, np.ndarray]]  # variables and their gradients


class Optimizer(Settings):
    """The base of all optimizers.

    A subclass makes its state in ``build`` and moves one variable in ``update_step``.

    Args:
        learning_rate: a number, a schedule of the step, or a callable without arguments.
        weight_decay: with each step a variable also loses this fraction of itself, times the
            learning rate (Loshchilov and Hutter, 2019).
        clipnorm: the gradient of each variable is shortened to this length.
        clipvalue: each element of the gradients is cut to within +- this.
        global_clipnorm: all gradients together, as one vector, are shortened to this length.
        use_ema: keep a moving average of the variables, ``a = m a + (1 - m) p``; at the end of
            training they are replaced by it.
        ema_momentum: m.
        ema_overwrite_frequency: replace them also every so many updates.
        loss_scale_factor: the loss is multiplied by this (``scale_loss``) and gradients divided.
        gradient_accumulation_steps: update once in so many calls, with the mean gradient.
        name: a label.
    """

    # The kernel of update_step itself reads the learning rate and the step counter, and does the
    # weight decay.
    reads_state = False

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ) -> None:
        kind = type(self).__name__
        limits = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {key: value for key, value in limits.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"[{kind}] Expected one way of clipping at most, received {given}.")
        if any(not value > 0 for value in given.values()):
            raise ValueError(f"[{kind}] Expected a limit > 0, received {given}.")
        if not 0 <= ema_momentum <= 1:
            raise ValueError(f"[{kind}] Expected 0 <= ema_momentum <= 1, received {ema_momentum}.")
        for key, value, least in (
            ("ema_overwrite_frequency", ema_overwrite_frequency, 1),
            ("gradient_accumulation_steps", gradient_accumulation_steps, 2),
        ):
            if value is not None and (not isinstance(value, int) or value < least):
                raise ValueError(f"[{kind}] Expected {key} >= {least}, received {key}={value!r}.")
        self.name = name or registry.snake_case(kind)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._variables: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._index: dict[int, int] = {}
        self._undecayed: tuple[list[Any], str] = ([], "")
        self._values: dict[str, float] = {}
        self._arrays: dict[tuple[str, np.dtype], np.ndarray] = {}
        self._iterations = self._track(
            Variable(np.array(0, np.int64), trainable=False, name="iteration")
        )
        self._updates = np.array(0)  # see _step
        self._learning_rate: Any = learning_rate
        if not callable(learning_rate):
            rate = np.array(_rate(kind, learning_rate))
            self._learning_rate = self._track(Variable(rate, trainable=False, name="learning_rate"))

    # --- state ------------------------------------------------------------------------------------

    @property
    def iterations(self) -> Variable:
        """How many updates were done."""
        if self.gradient_accumulation_steps:
            done = self._iterations.data // self.gradient_accumulation_steps
            return Variable(done, trainable=False, name="iteration")
        return self._iterations

    @property
    def _step(self) -> np.ndarray:
        """The number of the update in hand, for kernels: what ``iterations`` will be after it."""
        return self._updates if self.gradient_accumulation_steps else self._iterations.data

    @property
    def variables(self) -> list[Variable]:
        """All state, as it is saved: the step counter, the learning rate (unless scheduled), and
        what the method keeps for each variable."""
        return list(self._variables)

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the coming step. May be set, unless a schedule decides it."""
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self._rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value):
            if isinstance(self._learning_rate, Variable):  # a captured step goes on reading there
                self._arrays[_RATE] = self._learning_rate.data
            self._variables = [v for v in self._variables if v is not self._learning_rate]
            self._learning_rate = value
        elif isinstance(self._learning_rate, Variable):
            self._learning_rate.assign(np.array(_rate(type(self).__name__, value)))
        else:
            raise TypeError(
                f"[{type(self).__name__}] The learning rate follows {self._learning_rate!r} and "
                f"cannot be set to a number. Expected another schedule, received {value!r}."
            )

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the state for these variables; a subclass makes its own after ``super().build``."""
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        self._trainable_variables = list(variables)
        self._index = {id(v): i for i, v in enumerate(variables)}
        self.built = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.built:  # a copy's variables are others
            self._index = {id(v): i for i, v in enumerate(self._trainable_variables)}

    def add_variable(
        self, shape: Any, initializer: Any = "zeros", dtype: Any = None, name: str | None = None
    ) -> Variable:
        """A new array of state."""
        value = initializers.get(initializer)(tuple(shape), dtype)
        return self._track(Variable(np.array(value.data), trainable=False, name=name or "variable"))

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A new array of state, shaped like a variable."""
        path = getattr(reference_variable, "path", None) or reference_variable.name
        full = f"{path.replace('/', '_')}_{name or 'var'}"
        shape, dtype = reference_variable.shape, reference_variable.dtype
        return self.add_variable(shape, initializer, dtype, full)

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Any], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """One array of state per variable; for a list of names, one list of them per name, with an
        initializer for all or one each."""
        names = [name] if isinstance(name, str) else list(name)
        several = isinstance(initializer, (list, tuple))
        starts = list(initializer) if several else [initializer] * len(names)
        made: list[list[Variable]] = [[] for _ in names]
        for variable in trainable_variables:
            for of_name, each, start in zip(made, names, starts, strict=True):
                of_name.append(self.add_variable_from_reference(variable, each, start))
        return made[0] if isinstance(name, str) else tuple(made)

    def _track(self, variable: Variable) -> Variable:
        self._variables.append(variable)
        return variable

    def _get_variable_index(self, variable: Any) -> int:
        return self._index[id(variable)]

    def assign(self, variable: Any, value: Any) -> None:
        """Overwrite a variable, in place."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        """Add to a variable, in place."""
        variable.assign(kernels.add(variable.data, as_array(value)))

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtract from a variable, in place."""
        variable.assign(kernels.subtract(variable.data, as_array(value)))

    # --- a step -----------------------------------------------------------------------------------

    def minimize(self, loss: Any, variables: Sequence[Variable]) -> Any:
        """One step down: the gradients of ``loss`` (a Tensor, or a function of no arguments that
        returns one) in ``variables``, applied. Returns the loss.

        >>> w = tg.Variable([3.0])
        >>> optimizer = tg.optimizers.SGD(0.1)
        >>> optimizer.minimize(lambda: (w * w).sum(), [w])
        Tensor(9.)
        >>> w.numpy()
        array([2.4], dtype=float32)
        """
        variables = list(variables)
        if not isinstance(loss, Value):
            with enable_grad():
                loss = loss()
        grads = autograd.grad(self.scale_loss(loss), variables, allow_unused=True)
        self.apply(grads, variables)
        return wrap(loss.data)

    def scale_loss(self, loss: Any) -> Any:
        """The loss times ``loss_scale_factor``: what to differentiate, if that is set."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Variable:
        """One step: pairs of a gradient and its variable, as ``zip(grads,
        model.trainable_variables)`` gives them. Returns ``iterations``."""
        pairs = list(grads_and_vars)
        if pairs:
            self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """One step with the gradients of ``trainable_variables`` (those of ``build`` when None)."""
        pairs = self._check(grads, trainable_variables)
        if not pairs:
            return
        capture = mode.get().capture
        if capture is not None and self.cyclic and not capture.phased:
            capture.refuse_step(
                f"{type(self).__name__} with gradient_accumulation_steps or "
                "ema_overwrite_frequency does something else at every n-th step, which Model.fit "
                "captures apart and this function does not"
            )
        if capture is not None and self._prepares and self.prepare in capture.each_step:
            capture.refuse_step(
                f"{type(self).__name__} takes more than one update in a step, and a number of it "
                "(a scheduled learning rate, a power of beta, an average) is not the same in each: "
                "let each be a call of its own"
            )
        each_step(self.prepare)
        kernels.increment(self._iterations.data)
        self._apply(pairs)
        with set_mode(recording=False):
            for v, _ in pairs:
                if v.constraint is not None:
                    v.assign(v.constraint(v))

    @property
    def cyclic(self) -> bool:
        """Whether a step in so many does more than the others."""
        return bool(self.gradient_accumulation_steps or self.ema_overwrite_frequency)

    @property
    def _prepares(self) -> bool:
        """Whether numbers that ``prepare`` writes change from update to update."""
        changing = self.use_ema or type(self).numbers is not Optimizer.numbers
        return changing or not isinstance(self._learning_rate, Variable)

    @property
    def phase(self) -> tuple[bool, bool]:
        """Whether the coming step ends an accumulation, and whether it overwrites the variables."""
        step = int(self._iterations.data) + 1
        ends = step % (self.gradient_accumulation_steps or 1) == 0
        return ends, self.use_ema and self._overwrites(step)

    def _overwrites(self, step: int) -> bool:
        """Whether the averages replace the variables in this call, the first being 1: in those that
        belong to every so-manieth update."""
        update = math.ceil(step / (self.gradient_accumulation_steps or 1))
        every = self.ema_overwrite_frequency
        return every is not None and update % every == 0

    def _check(self, grads: Sequence[Any], variables: Any) -> Pairs:
        """(variable, gradient array) of those that have one; errors before anything changes."""
        kind, grads = type(self).__name__, list(grads)
        if variables is None:
            if not self.built:
                raise ValueError(
                    f"[{kind}] Expected variables with the gradients, or build() before."
                )
            variables = self._trainable_variables
        variables = list(variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"[{kind}] Expected a gradient per variable, received {len(grads)} gradients for "
                f"{len(variables)} variables."
            )
        pairs = []
        for v, g in zip(variables, grads, strict=True):
            if g is None:
                continue
            g = np.asarray(as_array(g))
            if g.shape != v.shape:
                raise ValueError(
                    f"[{kind}] A gradient has another shape than its variable {v.name!r}. Expected "
                    f"{v.shape}, received {g.shape}."
                )
            pairs.append((v, g if g.dtype == v.dtype else g.astype(v.dtype)))
        if not pairs:
            if variables:
                raise ValueError(f"[{kind}] None of the variables has a gradient.")
            return []
        if len(pairs) < len(variables):
            missing = [v.name for v, g in zip(variables, grads, strict=True) if g is None]
            warnings.warn(f"[{kind}] These variables have no gradient: {missing}.", stacklevel=4)
        if not self.built:
            self.build(variables)
            self.built = True
        unknown = [v.name for v in variables if id(v) not in self._index]
        if unknown:
            raise ValueError(
                f"[{kind}] Variables {unknown} are not among those the optimizer was built for. "
                "Expected the same ones at each step, or a new optimizer."
            )
        return pairs

    def _apply(self, pairs: Pairs) -> None:
        if self.loss_scale_factor is not None:
            pairs = [(v, kernels.multiply(g, 1 / self.loss_scale_factor)) for v, g in pairs]
        if self.gradient_accumulation_steps:
            pairs = self._accumulate(pairs)
        for v, g in self._clip(pairs):
            if self.weight_decay and not self.reads_state and self._use_weight_decay(v):
                kernels.multiply(v.data, self.number("keep", v.dtype), out=v.data)
            self.update_step(wrap(g), v, self._rate_for(v.dtype))
            v.version += 1
        if self.use_ema:
            self._average()

    def prepare(self) -> None:
        """Write the numbers of the coming step where ``update_step`` reads them."""
        if self.gradient_accumulation_steps:
            done = int(self._iterations.data) + 1
            self._updates[...] = done // self.gradient_accumulation_steps
        if self.reads_state and isinstance(self._learning_rate, Variable) and not self.use_ema:
            return  # they are where they are read
        step = int(self.iterations.data) + 1
        rate = self._rate()
        ema = self.ema_momentum if step > 1 else 0.0
        self._values = {
            "rate": rate,
            "keep": 1.0 - rate * (self.weight_decay or 0.0),
            "ema": ema,
            "1 - ema": 1.0 - ema,
            **self.numbers(rate, step),
        }
        for (name, _), array in self._arrays.items():
            array[...] = self._values[name]

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        """What changes from step to step in ``update_step``, beside the rate; steps count from
        1."""
        return {}

    def number(self, name: str, dtype: Any) -> np.ndarray:
        """An array without axes that ``prepare`` keeps up to date."""
        key = name, np.dtype(dtype)
        if key == _RATE and isinstance(self._learning_rate, Variable):
            return self._learning_rate.data
        if key not in self._arrays:
            self._arrays[key] = np.array(self._values[name], dtype)
        return self._arrays[key]

    def _rate_for(self, dtype: Any) -> np.ndarray:
        """The array in which ``update_step`` finds the learning rate."""
        return self.number("rate", np.float64 if self.reads_state else dtype)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move ``variable`` by one step, in place."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Optimizer defines update_step.")

    def _rate(self) -> float:
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return float(rate(int(self._iterations.data)))
        return float(rate.data) if isinstance(rate, Variable) else float(rate())

    # --- what is done to gradients and variables on the way ---------------------------------------

    def _clip(self, pairs: Pairs) -> Pairs:
        if self.clipvalue is not None:
            limit = self.clipvalue
            return [(v, kernels.minimum(kernels.maximum(g, -limit), limit)) for v, g in pairs]
        if self.clipnorm is not None:
            return [(v, _shorten(g, _squares(g), self.clipnorm)) for v, g in pairs]
        if self.global_clipnorm is not None and pairs:
            total = _squares(pairs[0][1])
            for _, g in pairs[1:]:
                total = kernels.add(total, _squares(g))
            return [(v, _shorten(g, total, self.global_clipnorm)) for v, g in pairs]
        return pairs

    def _accumulate(self, pairs: Pairs) -> Pairs:
        """Nothing yet, or the mean of the gradients that have come together."""
        steps = self.gradient_accumulation_steps or 1
        sums = [(v, self._accumulators[self._index[id(v)]].data) for v, _ in pairs]
        for (_, g), (_, total) in zip(pairs, sums, strict=True):
            kernels.add(total, g, out=total)
        if int(self._iterations.data) % steps:
            return []
        means = [(v, kernels.multiply(total, 1 / steps)) for v, total in sums]
        for _, total in sums:
            kernels.multiply(total, 0.0, out=total)
        return means

    def _average(self) -> None:
        for v, average in zip(self._trainable_variables, self._averages, strict=True):
            keep, rest = self.number("ema", v.dtype), self.number("1 - ema", v.dtype)
            kernels.multiply(average.data, keep, out=average.data)
            kernels.add(average.data, kernels.multiply(v.data, rest), out=average.data)
        if self._overwrites(int(self._iterations.data)):
            self.finalize_variable_values(self._trainable_variables)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """At the end of training: replace the variables by their averages, if these are kept."""
        if self.use_ema:
            for v in var_list:
                v.assign(self._averages[self._index[id(v)]].data)

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Spare variables from weight decay: these, and those with one of these words in their
        name.
        To be called before the first step."""
        if self.built:
            raise ValueError("[exclude_from_weight_decay] Expected a call before the first step.")
        words = "|".join(map(re.escape, var_names or ()))
        self._undecayed = list(var_list or ()), words

    def _use_weight_decay(self, variable: Any) -> bool:
        spared, words = self._undecayed
        named = bool(words) and re.search(words, variable.name) is not None
        return not named and not any([variable is v for v in spared])

    # --- config -----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer."""
        rate: Any = self._learning_rate
        if isinstance(rate, Variable):
            rate = float(rate.data)
        else:
            rate = registry.serialize_keras_object(rate)
        return {
            "name": self.name,
            "learning_rate": rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer of a config."""
        rate = registry.deserialize_keras_object(
            config.get("learning_rate"), custom_objects, "schedules"
        )
        return cls(**({**config, "learning_rate": rate} if "learning_rate" in config else config))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Put back what ``[v.numpy() for v in optimizer.variables]`` was."""
        if len(weights) != len(self._variables):
            raise ValueError(
                f"[{type(self).__name__}] Expected {len(self._variables)} arrays of state "
                f"(has it been built?), received {len(weights)}."
            )
        for v, w in zip(self._variables, weights, strict=True):
            if np.shape(w) != v.shape:
                raise ValueError(f"[{v.name}] Expected shape {v.shape}, received {np.shape(w)}.")
        for v, w in zip(self._variables, weights, strict=True):
            v.assign(w)


def _rate(kind: str, value: Any) -> float:
    """A learning rate as a float."""
    if isinstance(value, (bool, str)) or value is None or np.ndim(value) != 0:
        raise ValueError(
            f"[{kind}] Expected a learning rate: a number, a schedule or a callable; received "
            f"learning_rate={value!r}."
        )
    rate = float(value)
    if not rate >= 0:
        raise ValueError(f"[{kind}] Expected learning_rate >= 0, received learning_rate={rate}.")
    return rate


def _squares(g: np.ndarray) -> np.ndarray:
    """The sum of the squares."""
    return kernels.sum(kernels.square(g))


def _shorten(g: np.ndarray, squares: np.ndarray, limit: float) -> np.ndarray:
    """g, scaled down if the root of ``squares`` is above the limit."""
    length = kernels.sqrt(squares)
    return kernels.multiply(g, kernels.divide(limit, kernels.maximum(length, limit)))


def settings(optimizer: Optimizer, *names: str) -> dict[str, Any]:
    """Attributes by name, for ``get_config``."""
    return {name: getattr(optimizer, name) for name in names}
