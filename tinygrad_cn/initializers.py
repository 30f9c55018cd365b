"""How weights begin: Keras 3's initializers, by class or by name.

An initializer is called with a shape and a dtype and returns a Tensor. ``seed``: None draws from
the default generator (``tg.random.seed``), so two layers differ; an int gives the same values at
each call; a ``random.SeedGenerator`` goes on from call to call.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import random, registry
from .op import Value, wrap


class Initializer:
    """The base: a subclass has ``__call__(shape, dtype)`` and ``get_config``."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """A Tensor of initial values."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Initializer defines __call__.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The initializer of a config."""
        return cls(**{k: registry.deserialize_keras_object(v) for k, v in config.items()})

    def clone(self) -> Any:
        """Another one with the same arguments."""
        return type(self).from_config(self.get_config())


class Constant(Initializer):
    """Each element is ``value`` (a number, or an array of the shape that is asked for).

    >>> tg.initializers.Constant(3.0)((2,))
    Tensor([3., 3.])
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        value = self.value.data if isinstance(self.value, Value) else self.value
        return wrap(np.array(np.broadcast_to(value, tuple(shape)), dtype=dtype or "float32"))

    def get_config(self) -> dict[str, Any]:
        return {"value": np.asarray(self.value).tolist()}


class Zeros(Initializer):
    """Each element is 0."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return wrap(np.zeros(tuple(shape), dtype or "float32"))


class Ones(Initializer):
    """Each element is 1."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return wrap(np.ones(tuple(shape), dtype or "float32"))


class Identity(Initializer):
    """``gain`` times the identity matrix; for matrices only."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if len(shape) != 2:
            raise ValueError(f"[Identity] Expected the shape of a matrix, received shape={shape}.")
        return wrap((self.gain * np.eye(*shape)).astype(dtype or "float32"))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """The base of those that draw."""

    def __init__(self, seed: Any = None) -> None:
        if seed is not None and not isinstance(seed, (int, np.integer, random.SeedGenerator)):
            raise ValueError(
                f"[{type(self).__name__}] Expected an int, a SeedGenerator or None, received "
                f"seed={seed!r}."
            )
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {"seed": registry.serialize_keras_object(self.seed)}


class RandomNormal(RandomInitializer):
    """Normal with the given mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomNormal):
    """Normal, but never farther than two standard deviations from the mean."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


class RandomUniform(RandomInitializer):
    """Equally likely anywhere in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


class VarianceScaling(RandomInitializer):
    """Mean 0 and variance ``scale / n``, so that signals keep their size from layer to layer.

    n is the number of inputs of a unit (``mode="fan_in"``), of outputs (``"fan_out"``) or their
    mean (``"fan_avg"``). ``distribution`` is ``"truncated_normal"`` (= ``"normal"``),
    ``"untruncated_normal"`` or ``"uniform"``: then the limits are +- sqrt(3 scale / n). The last
    axis of a shape is that of the outputs and the one before it that of the inputs, unless
    ``input_axes`` and ``output_axes`` say otherwise.

    >>> w = tg.initializers.VarianceScaling(2.0, "fan_in", "uniform", seed=1)((6, 5))
    >>> float(abs(w).numpy().max()) <= 1.0  # sqrt(3 * 2 / 6)
    True
    """

    modes = ("fan_in", "fan_out", "fan_avg")
    distributions = ("truncated_normal", "untruncated_normal", "uniform")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(seed)
        distribution = {"normal": "truncated_normal"}.get(
            distribution.lower(), distribution.lower()
        )
        if scale <= 0:
            raise ValueError(f"[VarianceScaling] Expected scale > 0, received scale={scale}.")
        if mode not in self.modes:
            raise ValueError(f"[VarianceScaling] Expected mode in {self.modes}, received {mode!r}.")
        if distribution not in self.distributions:
            raise ValueError(
                f"[VarianceScaling] Expected distribution in {self.distributions}, received "
                f"{distribution!r}."
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        stddev = math.sqrt(variance) / TRUNCATED_STD
        return random.truncated_normal(shape, 0.0, stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        own = {"scale": self.scale, "mode": self.mode, "distribution": self.distribution}
        return {**own, **self._axes(), **super().get_config()}

    def _axes(self) -> dict[str, Any]:
        return {"input_axes": self.input_axes, "output_axes": self.output_axes}

    def with_axes(self, input_axes: Any, output_axes: Any) -> Any:
        """The same, told the axes of a kernel, unless it knows them already."""
        if self.input_axes is not None and self.output_axes is not None:
            return self
        axes = {"input_axes": input_axes, "output_axes": output_axes}
        return type(self)(**{**self.get_config(), "seed": self.seed, **axes})


# The standard deviation of a standard normal variable that is cut off at +-2:
# sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)), with phi its density and Phi its distribution function.
TRUNCATED_STD = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))


class _Scaled(VarianceScaling):
    """A VarianceScaling whose choices are made."""

    fixed: tuple[float, str, str]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(*self.fixed, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        return {**RandomInitializer.get_config(self), **self._axes()}


class GlorotUniform(_Scaled):
    """Uniform in +- sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""

    fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform in +- sqrt(6 / fan_in) (He et al., 2015): for relu."""

    fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of variance 2 / fan_in (He et al., 2015): for relu."""

    fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform in +- sqrt(3 / fan_in) (LeCun et al., 1998)."""

    fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / fan_in (LeCun et al., 1998): for selu."""

    fixed = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """``gain`` times a random matrix with orthonormal columns, or rows if these are fewer (Saxe et
    al., 2014). More than two axes: the matrix is (all but the last, the last).

    >>> q = tg.initializers.Orthogonal(seed=1)((3, 3)).numpy()
    >>> bool(np.allclose(q.T @ q, np.eye(3), atol=1e-6))
    True
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if len(shape) < 2:
            raise ValueError(f"[Orthogonal] Expected at least 2 axes, received shape={shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(random.normal(tall, dtype="float64", seed=self.seed).data)
        q = q * np.sign(np.diagonal(r))  # makes every orthogonal matrix equally likely
        q = q.T if rows < columns else q
        return wrap(np.ascontiguousarray(self.gain * q.reshape(shape), dtype=dtype or "float32"))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}


def compute_fans(shape: Any, input_axes: Any = None, output_axes: Any = None) -> tuple[int, int]:
    """The numbers of inputs and outputs of a unit whose weights have this shape: (in, out) for a
    matrix, (..., in, out) with a window before it for a convolution; or the lengths of these axes
    multiplied."""
    if input_axes is not None and output_axes is not None:
        fan_in = math.prod([int(shape[a]) for a in input_axes])
        return fan_in, math.prod([int(shape[a]) for a in output_axes])
    if len(shape) < 2:
        n = int(shape[0]) if len(shape) else 1
        return n, n
    window = math.prod(shape[:-2])
    return int(shape[-2]) * window, int(shape[-1]) * window


def with_axes(initializer: Any, input_axes: Any, output_axes: Any) -> Any:
    """An initializer that knows which axes of a kernel are those of its inputs and its outputs, if
    that matters to it."""
    if not isinstance(initializer, VarianceScaling):
        return initializer
    return initializer.with_axes(list(input_axes), list(output_axes))


_CLASSES = (
    Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal, LecunUniform,
    Ones, Orthogonal, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Zeros,
)  # fmt: skip
registry.publish("initializers", *_CLASSES)
registry.publish("initializers", **{registry.snake_case(c.__name__): c for c in _CLASSES})
registry.publish("initializers", normal=RandomNormal, uniform=RandomUniform, one=Ones, zero=Zeros)
registry.publish("initializers", IdentityInitializer=Identity, OrthogonalInitializer=Orthogonal)


def get(identifier: Any) -> Any:
    """The initializer of a name, config, class or object.

    >>> type(tg.initializers.get("he_normal")).__name__
    'HeNormal'
    """
    return registry.find("initializers", identifier, Initializer)


def serialize(initializer: Any) -> Any:
    """The initializer as a JSON-able config."""
    return registry.serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The initializer of a config."""
    return registry.deserialize_keras_object(config, custom_objects, "initializers")


constant, zeros, ones, identity = Constant, Zeros, Ones, Identity
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
random_normal, random_uniform = RandomNormal, RandomUniform
truncated_normal, variance_scaling, orthogonal = TruncatedNormal, VarianceScaling, Orthogonal
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
