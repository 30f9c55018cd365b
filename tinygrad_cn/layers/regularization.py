"""Layers that disturb the signal while training, lest the model learn by heart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn import kernels, ops, random, registry
from tinygrad_cn.op import Op, wrap

from .convolution import check_format
from .input_spec import InputSpec
from .layer import Layer


class DropoutOp(Op):
    """y = x m / (1 - rate), m random: 0 with probability ``rate``, else 1;
    gx = g m / (1 - rate)."""

    extra = ("mask",)

    def forward(x: Any, state: Any, *, rate: float) -> Any:
        return kernels.dropout(x, rate, state)

    def vjp(g: Any, mask: Any, rate: float) -> Any:
        return ops.where(mask, g * (1 / (1 - rate) if rate < 1 else 0.0), 0), None


dropout = DropoutOp()


class Random(Layer):
    """What layers that draw share: a generator of their own if a seed is given, else the default
    one, which ``tg.random.seed`` and ``utils.set_random_seed`` start."""

    supports_masking = True

    def __init__(self, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        drawn = isinstance(seed, random.SeedGenerator)
        self.seed_generator = seed if drawn or seed is None else random.SeedGenerator(seed)

    @property
    def state(self) -> np.ndarray:
        """The state that kernels draw from and advance."""
        return random.state_of(self.seed_generator)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


def check_rate(layer: str, rate: Any) -> float:
    """A probability."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        raise ValueError(f"[{layer}] Expected 0 <= rate <= 1, received rate={rate!r}.")
    return rate


class Dropout(Random):
    """While training, each element is 0 with probability ``rate``, and the others are divided by
    1 - rate, so that the mean stays (Srivastava et al., 2014). Otherwise y = x.

    Args:
        rate: the probability.
        noise_shape: the shape of the random mask, 1 where an axis shares it, None where it is that
            of the input.
        seed: for a generator of the layer's own.

    Input shape: any.
    Output shape: the same.

    >>> y = tg.layers.Dropout(0.5, seed=1)(np.ones((2, 3), "float32"), training=True)
    >>> set(y.numpy().ravel().tolist()) <= {0.0, 2.0}
    True
    """

    float_inputs = True

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = check_rate(self.name, rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        shape = self.mask_shape(inputs.shape)
        if shape is None:
            return dropout(inputs, self.state, rate=self.rate)
        return inputs * dropout(np.ones(shape, inputs.dtype), self.state, rate=self.rate)

    def mask_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The shape of the mask; None if it is that of the input."""
        if self.noise_shape is None:
            return None
        if len(self.noise_shape) != len(shape):
            raise ValueError(
                f"[{self.name}] Expected a noise_shape of {len(shape)} axes, received "
                f"{self.noise_shape}."
            )
        return tuple([n if m is None else m for n, m in zip(shape, self.noise_shape, strict=True)])


class AlphaDropout(Dropout):
    """Dropout for nets of SELUs (Klambauer et al., 2017): while training, y = a (x or, with
    probability ``rate``, m) + b, with m = -1.7581 the least value of SELU, and a, b such that mean
    0 and variance 1 stay. Otherwise y = x.

    Args:
        rate: the probability, less than 1.
        noise_shape: as in Dropout.
        seed: for a generator of the layer's own.

    Input shape: any.
    Output shape: the same.

    >>> y = tg.layers.AlphaDropout(0.5, seed=1)(np.zeros((2, 3), "float32"), training=True)
    >>> np.unique(y.numpy().round(3))
    array([-0.779,  0.779], dtype=float32)
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)
        if rate == 1:
            raise ValueError(f"[{self.name}] Expected 0 <= rate < 1, received rate={rate}.")

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        shape = self.mask_shape(inputs.shape) or inputs.shape
        kept = kernels.greater_equal(kernels.uniform(self.state, shape, inputs.dtype), self.rate)
        least = -1.6732632423543772 * 1.0507009873554805
        a = ((1 - self.rate) * (1 + self.rate * least**2)) ** -0.5
        return ops.where(kept, inputs, least) * a - a * least * self.rate


class SpatialDropout1D(Dropout):
    """Dropout of whole channels of a sequence.

    Args:
        rate: the probability.
        seed: for a generator of the layer's own.

    Input shape: (N, T, C).
    Output shape: the same.

    >>> x = np.ones((1, 4, 2), "float32")
    >>> y = tg.layers.SpatialDropout1D(0.5, seed=1)(x, training=True).numpy()
    >>> bool((y == y[:, :1]).all())
    True
    """

    def __init__(
        self, rate: float, seed: Any = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=3)

    def mask_shape(self, shape):
        return (shape[0], 1, shape[2])


class SpatialDropout2D(Dropout):
    """Dropout of whole channels of an image.

    Args:
        rate: the probability.
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).
        seed: for a generator of the layer's own.

    Input shape: (N, H, W, C).
    Output shape: the same.

    >>> x = np.ones((1, 4, 4, 2), "float32")
    >>> y = tg.layers.SpatialDropout2D(0.5, seed=1)(x, training=True).numpy()
    >>> bool((y == y[:, :1, :1]).all())
    True
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)
        self.data_format = check_format(self.name, data_format)
        self.input_spec = InputSpec(ndim=4)

    def mask_shape(self, shape):
        if self.data_format == "channels_first":
            return (*shape[:2], 1, 1)
        return (shape[0], 1, 1, shape[3])


class GaussianNoise(Random):
    """While training, y = x + stddev z with z standard normal; otherwise y = x.

    Args:
        stddev: the standard deviation of the noise.
        seed: for a generator of the layer's own.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.GaussianNoise(0.1)(tg.tensor([1.0]))
    Tensor([1.])
    """

    float_inputs = True

    def __init__(self, stddev: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        if not stddev >= 0:
            raise ValueError(f"[{self.name}] Expected stddev >= 0, received stddev={stddev!r}.")
        self.stddev = stddev

    def call(self, inputs, training=False):
        if not training or self.stddev == 0:
            return inputs
        return inputs + wrap(kernels.normal(self.state, inputs.shape, inputs.dtype)) * self.stddev


class GaussianDropout(Random):
    """While training, y = x (1 + s z) with z standard normal and s = sqrt(rate / (1 - rate)), which
    disturbs as much as Dropout(rate) does; otherwise y = x.

    Args:
        rate: as in Dropout.
        seed: for a generator of the layer's own.

    Input shape: any.
    Output shape: the same.

    >>> tg.layers.GaussianDropout(0.1)(tg.tensor([1.0]))
    Tensor([1.])
    """

    float_inputs = True

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.rate = check_rate(self.name, rate)

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        s = math.sqrt(self.rate / (1 - self.rate)) if self.rate < 1 else math.inf
        return inputs * (wrap(kernels.normal(self.state, inputs.shape, inputs.dtype)) * s + 1)


class ActivityRegularization(Layer):
    """y = x; adds l1 sum |x| + l2 sum x^2 to the loss.

    Args:
        l1, l2: the two factors.

    Input shape: any.
    Output shape: the same.

    >>> layer = tg.layers.ActivityRegularization(l2=0.5)
    >>> _ = layer(tg.tensor([2.0])); layer.losses
    [Tensor(2.)]
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(
            activity_regularizer=registry.lookup("regularizers", "L1L2")(l1=l1, l2=l2), **kwargs
        )
        self.l1, self.l2 = l1, l2

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("activity_regularizer")
        return {**config, "l1": self.l1, "l2": self.l2}
