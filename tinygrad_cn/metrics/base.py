"""What all metrics share, and the mean of values seen so far.

A metric is told of batches (``update_state``) and asked for its value over all of them
(``result``).
It has no gradient and is computed with NumPy, on sums kept in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cn import initializers, registry
from tinygrad_cn.mode import no_grad
from tinygrad_cn.op import Value, to_array, wrap
from tinygrad_cn.tensor import Variable


class Metric:
    """The base of all metrics: ``update_state`` for each batch, ``result()``, ``reset_state()``.

    Called, ``metric(y_true, y_pred)``, it does the first two. A subclass makes its sums with
    ``add_variable`` and defines ``update_state`` and ``result``.

    Args:
        dtype: of the result; "float32" when None.
        name: the word in the logs.
    """

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or registry.snake_case(type(self).__name__)
        self.dtype = np.dtype(dtype or "float32")
        self._variables: list[Variable] = []

    @property
    def variables(self) -> list[Variable]:
        """The sums."""
        return list(self._variables)

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
        values, _ = samplewise(self.name, values, sample_weight, np.sum)
        self.total.data += values.sum()

    def result(self) -> Any:
        return self._tensor(self.total.data)


class _Averaging(Metric):
    """The base of means: a sum and a count."""

    def __init__(self, name: str | None, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), name="total")
        self.count = self.add_variable((), name="count")

    def _take_in(self, values: Any, sample_weight: Any) -> None:
        values, weights = samplewise(self.name, values, sample_weight, np.mean)
        self.total.data += values.sum()
        self.count.data += weights.sum()

    def result(self) -> Any:
        return self._tensor(self.total.data / (self.count.data or 1))


class Mean(_Averaging):
    """The (weighted) mean of the values.

    >>> tg.metrics.Mean()([1.0, 2.0, 6.0], sample_weight=[1, 1, 0])
    Tensor(1.5)
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        self._take_in(values, sample_weight)


class MeanMetricWrapper(_Averaging):
    """The mean of ``fn(y_true, y_pred, **kwargs)``, a function that gives a value per sample."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name or getattr(fn, "name", None) or fn.__name__, dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

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
    """x as an array."""
    return x.data if isinstance(x, Value) else to_array(x)


def arrays(name: str, y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of one shape; a last axis of 1 may be missing in one. Nothing is broadcast."""
    t, p = array(y_true), array(y_pred)
    if t.ndim == p.ndim + 1 and t.shape[-1] == 1:
        t = t[..., 0]
    elif p.ndim == t.ndim + 1 and p.shape[-1] == 1:
        p = p[..., 0]
    if t.shape != p.shape:
        raise ValueError(
            f"[{name}] y_true and y_pred do not match. Expected equal shapes, received "
            f"y_true.shape={t.shape}, y_pred.shape={p.shape}."
        )
    return t, p


def samplewise(
    name: str, values: Any, sample_weight: Any, reduce: Callable[..., Any]
) -> tuple[np.ndarray, np.ndarray]:
    """A weighted value and a weight per sample, both of shape (N,)."""
    values = np.asarray(array(values), np.float64)
    if sample_weight is None:
        values = np.atleast_1d(values)
        values = values if values.ndim == 1 else reduce(values, axis=tuple(range(1, values.ndim)))
        return values, np.ones(len(values))
    weights = np.asarray(array(sample_weight), np.float64)
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if values.ndim > weights.ndim:
        values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
    try:
        weights = np.broadcast_to(weights, values.shape)
    except ValueError:
        raise ValueError(
            f"[{name}] The weights do not fit the values. Expected shape {values.shape} or its "
            f"leading axes, received sample_weight.shape={weights.shape}."
        ) from None
    values = np.atleast_1d(values * weights)
    weights = np.atleast_1d(weights)
    rest = tuple(range(1, values.ndim))
    return (reduce(values, axis=rest), reduce(weights, axis=rest)) if rest else (values, weights)
