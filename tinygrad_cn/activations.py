"""Activations by name: the functions that ``activation="relu"`` and ``activations.get`` mean.

They are the functions of ``ops`` under Keras's names and with its defaults.
"""

from __future__ import annotations

from typing import Any

from . import ops, registry


def linear(x: Any) -> Any:
    """y = x."""
    return x


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """y = max(x, 0); in general x above ``threshold``, ``negative_slope (x - threshold)`` below it,
    and never more than ``max_value``.

    >>> tg.activations.relu(tg.tensor([-2.0, 3.0]), negative_slope=0.5, max_value=2.0)
    Tensor([-1.,  2.])
    """
    x = ops.asarray(x)
    y = ops.relu(x) if threshold == 0 else ops.where(x <= threshold, 0.0, x)
    y = y if max_value is None else ops.clip(y, 0.0, max_value)
    return y if negative_slope == 0 else y - negative_slope * ops.relu(threshold - x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """y = x P(z <= x), z a standard normal number; the exact form unless ``approximate``."""
    return ops.gelu(x, approximate=approximate)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """y = x where x > 0, else negative_slope x."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def relu6(x: Any) -> Any:
    """y = min(max(x, 0), 6)."""
    return ops.relu6(x)


def softmax(x: Any, axis: int = -1) -> Any:
    """y = e^x / sum(e^x) along the axis."""
    return ops.softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """y = x - ln(sum(e^x)) along the axis."""
    return ops.log_softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else alpha (e^x - 1)."""
    return ops.elu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """y = 1.0507 elu(x, 1.6733)."""
    return ops.selu(x)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else alpha (e^(x / alpha) - 1)."""
    return ops.celu(x, alpha=alpha)


def softplus(x: Any) -> Any:
    """y = ln(1 + e^x)."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """y = x / (1 + |x|)."""
    return ops.softsign(x)


def silu(x: Any) -> Any:
    """y = x sigmoid(x), also called swish."""
    return ops.silu(x)


def tanh(x: Any) -> Any:
    """y = (e^x - e^-x) / (e^x + e^-x)."""
    return ops.tanh(x)


def sigmoid(x: Any) -> Any:
    """y = 1 / (1 + e^-x)."""
    return ops.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """y = x / 6 + 1 / 2, cut to within 0 and 1."""
    return ops.hard_sigmoid(x)


def hard_silu(x: Any) -> Any:
    """y = x hard_sigmoid(x), also called hard_swish."""
    return ops.hard_silu(x)


def hard_tanh(x: Any) -> Any:
    """y = x, cut to within -1 and 1."""
    return ops.hard_tanh(x)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """y = x where |x| > threshold, else 0."""
    return ops.hard_shrink(x, threshold=threshold)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """y = x moved towards 0 by threshold, stopping there."""
    return ops.soft_shrink(x, threshold=threshold)


def tanh_shrink(x: Any) -> Any:
    """y = x - tanh(x)."""
    return ops.tanh_shrink(x)


def log_sigmoid(x: Any) -> Any:
    """y = ln sigmoid(x)."""
    return ops.log_sigmoid(x)


def mish(x: Any) -> Any:
    """y = x tanh(softplus(x))."""
    return ops.mish(x)


def glu(x: Any, axis: int = -1) -> Any:
    """y = a sigmoid(b), a and b the halves of x along the axis."""
    return ops.glu(x, axis=axis)


def squareplus(x: Any, b: float = 4.0) -> Any:
    """y = (x + sqrt(x^2 + b)) / 2."""
    return ops.squareplus(x, b=b)


def exponential(x: Any) -> Any:
    """y = e^x."""
    return ops.exp(x)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """y = x where x > threshold, else default_value."""
    return ops.where(x > threshold, x, default_value)


def sparse_sigmoid(x: Any) -> Any:
    """y = (x + 1) / 2, cut to within 0 and 1."""
    return ops.clip(0.5 * (x + 1), 0.0, 1.0)


def sparse_plus(x: Any) -> Any:
    """y = 0 up to -1, (x + 1)^2 / 4 up to 1, then x: the integral of sparse_sigmoid."""
    middle = 0.25 * ops.square(x + 1)
    return ops.where(x <= -1, 0.0, ops.where(x < 1, middle, x))


swish, hard_swish = silu, hard_silu
registry.publish("activations", threshold, sparse_sigmoid, sparse_plus)
registry.publish(
    "activations", linear, relu, gelu, exponential, leaky_relu, relu6, softmax, log_softmax,
    elu, selu, celu, softplus, softsign, silu, tanh, sigmoid, hard_sigmoid, hard_silu,
    hard_tanh, hard_shrink, soft_shrink, tanh_shrink, log_sigmoid, mish, glu, squareplus,
    swish=silu, hard_swish=hard_silu,
)  # fmt: skip


def get(identifier: Any) -> Any:
    """The function of a name, a config or a callable; None is ``linear``.

    >>> tg.activations.get("swish").__name__
    'silu'
    """
    return registry.find("activations", "linear" if identifier is None else identifier)


def serialize(activation: Any) -> Any:
    """An activation as a JSON-able config: the name, for those of this module."""
    config = registry.serialize_keras_object(activation)
    known = isinstance(config, dict) and config.get("module") == "tinygrad_cn.activations"
    return config["config"] if known else config


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The activation of a config or a name."""
    if isinstance(config, str):
        return registry.lookup("activations", config, custom_objects)
    return registry.deserialize_keras_object(config, custom_objects, "activations")
