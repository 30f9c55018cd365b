"""What all losses share: shapes that must agree, sample weights, and the reduction to one
number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cn import ops, registry
from tinygrad_cn.op import Value, to_array, wrap
from tinygrad_cn.settings import Settings

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
EPSILON = 1e-7  # keras.config.epsilon(): keeps logarithms and quotients finite


class Loss(Settings):
    """The base of all losses. ``loss(y_true, y_pred)`` is a scalar Tensor to be differentiated.

    A subclass defines ``call(y_true, y_pred)``, which returns a value per sample (or per step of a
    sample); this class weights and reduces them.

    Args:
        name: a label.
        reduction: ``"sum_over_batch_size"`` (the sum over the number of values; ``"mean"`` is the
            same), ``"sum"``, ``"mean_with_sample_weight"`` (the sum over the sum of the weights),
            or None or ``"none"`` for the values themselves.
        dtype: what to compute in; that of ``y_pred`` when None.
    """

    def __init__(
        self, name: str | None = None, reduction: Any = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(registry.unknown("reduction", reduction, REDUCTIONS))
        self.name = name or registry.snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = dtype

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None
    ) -> Any:
        """The reduced loss.

        Args:
            y_true, y_pred: targets and predictions.
            sample_weight: a number per value, or per leading axes of the values (one per sample,
            say).
            mask: True where a value counts; means are then taken over those only.
        """
        y_pred = as_tensor(y_pred, self.dtype)
        values = self.call(y_true, y_pred)
        valid = self.valid(y_true, values)
        if valid is not None:
            mask = valid if mask is None else ops.logical_and(as_tensor(mask), valid)
        return reduce(self.name, values, sample_weight, mask, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A value per sample."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Loss defines call(y_true, y_pred).")

    def valid(self, y_true: Any, values: Any) -> Any:
        """Which values count at all (a Tensor of bools); None: every one."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same loss."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The loss of a config."""
        config.pop("dtype", None)
        return cls(**{k: registry.deserialize_keras_object(v) for k, v in config.items()})


class LossFunctionWrapper(Loss):
    """The loss of a function ``fn(y_true, y_pred, **kwargs)`` that gives a value per sample."""

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Any = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn = fn
        self.kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self.kwargs)

    def get_config(self) -> dict[str, Any]:
        """Beside the base's: the function's own settings (its class fixes the function)."""
        config = {**super().get_config(), **self.kwargs}
        if type(self) is LossFunctionWrapper:
            config["fn"] = registry.serialize_keras_object(self.fn)
        return config


def as_tensor(x: Any, dtype: Any = None) -> Any:
    """x as a Tensor, in a dtype if one is given."""
    x = x if isinstance(x, Value) else wrap(to_array(x))
    return x if dtype is None or x.dtype == dtype else ops.astype(x, dtype=np.dtype(dtype))


def pair(name: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as Tensors of one dtype and one shape. The one liberty taken is Keras's: a last axis of
    length 1 may be missing in one of them. Nothing is ever broadcast."""
    y_pred = as_tensor(y_pred)
    if y_pred.dtype.kind != "f":
        y_pred = as_tensor(y_pred, "float32")
    y_true = as_tensor(y_true, y_pred.dtype)
    y_true, y_pred = same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"[{name}] y_true and y_pred do not match (and are not broadcast). Expected "
            f"equal shapes, received y_true.shape={y_true.shape}, y_pred.shape={y_pred.shape}."
        )
    return y_true, y_pred


def same_rank(a: Any, b: Any) -> tuple[Any, Any]:
    """Give or take the last axis of length 1 that one of the two has beyond the other's."""
    for first, second, swapped in ((a, b, False), (b, a, True)):
        if first.ndim == second.ndim + 1 and first.shape[-1] == 1:
            if second.ndim == 1:
                second = ops.reshape(second, shape=(*second.shape, 1))
            else:
                first = ops.reshape(first, shape=first.shape[:-1])
            return (second, first) if swapped else (first, second)
    return a, b


def reduce(name: str, values: Any, sample_weight: Any, mask: Any, reduction: str | None) -> Any:
    """The values, weighted and summed or averaged."""
    total = None
    if mask is not None:
        mask = _counts(as_tensor(mask, values.dtype), reduction)
    for weight in (sample_weight, mask):
        if weight is not None:
            weight = spread(name, as_tensor(weight, values.dtype), values.shape)
            total = weight if total is None else total * weight
    values = values if total is None else values * total
    if reduction in (None, "none"):
        return values
    loss = ops.sum(values)
    if reduction == "sum" or values.ndim == 0:
        return loss
    if reduction == "mean_with_sample_weight" and total is not None:
        total = ops.sum(total)
        return loss / ops.where(ops.equal(total, 0.0), 1.0, total)
    return loss / max(math.prod(values.shape), 1)


def _counts(mask: Any, reduction: str | None) -> Any:
    """A mask as weights: so that a mean over all values is one over those that count."""
    if reduction not in ("mean", "sum_over_batch_size"):
        return mask
    return mask * (mask.size / ops.maximum(ops.sum(mask), 1.0))


def spread(name: str, weight: Any, shape: tuple[int, ...]) -> Any:
    """The weights in the shape of the values."""
    if weight.ndim == len(shape) + 1 and weight.shape[-1] == 1:
        weight = ops.reshape(weight, shape=weight.shape[:-1])
    lead = shape[: weight.ndim]
    if weight.ndim > len(shape) or any(
        n not in (m, 1) for n, m in zip(weight.shape, lead, strict=True)
    ):
        raise ValueError(
            f"[{name}] The weights do not fit the values. Expected shape {shape} or its leading "
            f"axes, received sample_weight.shape={weight.shape}."
        )
    weight = ops.reshape(weight, shape=(*weight.shape, *[1] * (len(shape) - weight.ndim)))
    return ops.broadcast_to(weight, shape=shape)
