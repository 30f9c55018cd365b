"""What all metrics share, and the mean of values seen so far.

A metric is told of batches (``update_state``) and asked for its value over all of them
(``result``). It has no gradient; its sums are kept in float64. What is a mean over samples is
computed with ops, so that a captured training step can include it; the others use NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from tinygrad_cn import initializers, ops, registry
from tinygrad_cn.losses.base import as_tensor, spread
from tinygrad_cn.mode import no_grad
from tinygrad_cn.op import wrap
from tinygrad_cn.tensor import Variable


class Metric:
    """The base of all metrics: ``update_state`` for each batch, ``result()``, ``reset_state()``.

    Called, ``metric(y_true, y_pred)``, it does the first two. A subclass makes its sums with
    ``add_variable`` and defines ``update_state`` and ``result``.

    Args:
        dtype: of the result; "float32" when None.
        name: the word in the logs.
    """

    made: ClassVar[int] = 0  # how many there were: who collects metrics looks again for new ones

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        Metric.made += 1
        self.name = name or registry.snake_case(type(self).__name__)
        self.dtype = np.dtype(dtype or "float32")
        self._variables: list[Variable] = []

    @property
    def variables(self) -> list[Variable]:
        """The sums."""
        return list(self._variables)

    @property
    def in_ops(self) -> bool:
        """Whether ``update_state`` is ops and nothing else: a captured step may include it."""
        return False

    def add_variable(
        self, shape: Any, initializer: Any = "zeros", dtype: Any = None, name: str | None = None
    ) -> Variable:
        """A sum of a shape, kept in float64."""
        value = initializers.get(initializer)(tuple(shape), dtype or "float64")
        self._variables.append(Variable(value.data, trainable=False, name=name or "variable"))
        return self._variables[-1]

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """As ``add_variable``."""
        return self.add_variable(shape, initializer, dtype, name)

    def reset_state(self) -> None:
        """Forget what was seen: all sums are 0 again."""
        for v in self._variables:
            v.data[...] = 0

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in a batch."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Metric defines update_state.")

    def result(self) -> Any:
        """The value over all that was taken in: a Tensor."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Metric defines result.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.update_state(*args, **kwargs)
        return self.result()

    def _tensor(self, value: Any) -> Any:
        return wrap(np.asarray(value, self.dtype))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric."""
        return {"name": self.name, "dtype": str(self.dtype)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The metric of a config."""
        return cls(**{k: registry.deserialize_keras_object(v) for k, v in config.items()})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class Sum(Metric):
    """The (weighted) sum of the values.

    >>> tg.metrics.Sum()([1.0, 2.0])
    Tensor(3.)
    """

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        with no_grad():
            values, _ = samplewise(self.name, values, sample_weight, ops.sum)
            _add(self.total, values)

    def result(self) -> Any:
        return self._tensor(self.total.data)


class _Averaging(Metric):
    """The base of means: a sum and a count."""

    def __init__(self, name: str | None, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), name="total")
        self.count = self.add_variable((), name="count")

    def _take_in(self, values: Any, sample_weight: Any) -> None:
        values, weights = samplewise(self.name, values, sample_weight, ops.mean)
        _add(self.total, values)
        _add(self.count, wrap(np.array(float(values.size))) if weights is None else weights)

    def result(self) -> Any:
        return self._tensor(self.total.data / (self.count.data or 1))


class Mean(_Averaging):
    """The (weighted) mean of the values.

    >>> tg.metrics.Mean()([1.0, 2.0, 6.0], sample_weight=[1, 1, 0])
    Tensor(1.5)
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    @property
    def in_ops(self) -> bool:
        return True

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        with no_grad():
            self._take_in(values, sample_weight)


class MeanMetricWrapper(_Averaging):
    """The mean of ``fn(y_true, y_pred, **kwargs)``, a function that gives a value per sample."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name or getattr(fn, "name", None) or fn.__name__, dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    @property
    def in_ops(self) -> bool:
        ours = type(self).__module__.startswith(__package__)  # and so is the function
        return ours and type(self) is not MeanMetricWrapper

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        with no_grad():
            values = self._fn(y_true, y_pred, **self._fn_kwargs)
            self._take_in(values, sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self._fn_kwargs}
        if type(self) is MeanMetricWrapper:
            config["fn"] = registry.serialize_keras_object(self._fn)
        return config


def array(x: Any) -> np.ndarray:
    """x as an array: a captured step that would need it is refused, and runs without capture."""
    return as_tensor(x).numpy()


def arrays(name: str, y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of one shape; a last axis of 1 may be missing in one. Nothing is broadcast."""
    t, p = tensors(name, y_true, y_pred)
    return array(t), array(p)


def tensors(name: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """As ``arrays``, but Tensors, to go on with in ops."""
    t, p = as_tensor(y_true), as_tensor(y_pred)
    if t.ndim == p.ndim + 1 and t.shape[-1] == 1:
        t = ops.reshape(t, shape=t.shape[:-1])
    elif p.ndim == t.ndim + 1 and p.shape[-1] == 1:
        p = ops.reshape(p, shape=p.shape[:-1])
    if t.shape != p.shape:
        raise ValueError(
            f"[{name}] y_true and y_pred do not match. Expected equal shapes, received "
            f"y_true.shape={t.shape}, y_pred.shape={p.shape}."
        )
    return t, p


def weights_of(name: str, sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The weights of values of this shape: all 1 if None; one for each, or for leading axes."""
    if sample_weight is None:
        return np.ones(shape)
    return array(spread(name, as_tensor(sample_weight, "float64"), shape))


def samplewise(
    name: str, values: Any, sample_weight: Any, reduce: Callable[..., Any]
) -> tuple[Any, Any]:
    """A (weighted) value per sample, and the weights of the samples (None: all 1).

    ``reduce`` makes one value of those of a sample.
    """
    values = as_tensor(values, "float64")
    if sample_weight is None:
        rest = tuple(range(1, values.ndim))
        return (reduce(values, axis=rest) if rest else values), None
    weights = as_tensor(sample_weight, values.dtype)
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = ops.reshape(weights, shape=weights.shape[:-1])
    if values.ndim > weights.ndim:
        values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
    try:
        weights = ops.broadcast_to(weights, shape=values.shape)
    except ValueError:
        raise ValueError(
            f"[{name}] The weights do not fit the values. Expected shape {values.shape} or its "
            f"leading axes, received sample_weight.shape={weights.shape}."
        ) from None
    values = values * weights
    rest = tuple(range(1, values.ndim))
    if rest:
        values, weights = reduce(values, axis=rest), reduce(weights, axis=rest)
    return values, weights


def _add(total: Variable, values: Any) -> None:
    """total += the sum of the values."""
    values = values if values.ndim == 0 else ops.sum(values)
    total.assign_add(ops.astype(values, total.dtype))
