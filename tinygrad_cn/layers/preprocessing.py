"""Layers that bring raw columns of data into a form that models learn from well."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn import ops
from tinygrad_cn.op import Value

from .core import positive
from .layer import Layer
from .module import refuse

EPSILON = 1e-7  # keras.config.epsilon(): the least standard deviation


class Normalization(Layer):
    """y = (x - mean) / sqrt(variance), with mean and variance of the data that ``adapt`` has seen.

    Args:
        axis: the axis or axes whose places have a mean each; all others are averaged over. None for
            one mean of everything.
        mean, variance: the two, if they are known; ``adapt`` is not needed then.
        invert: compute x sqrt(variance) + mean, which undoes it.

    Input shape: any.
    Output shape: the same.

    >>> layer = tg.layers.Normalization()
    >>> layer.adapt(np.array([[1.0, 10.0], [3.0, 30.0]], "float32"))
    >>> layer(np.array([[2.0, 30.0]], "float32"))
    Tensor([[0., 1.]])
    """

    float_inputs = True
    supports_masking = True
    _not_in_config = frozenset(["mean", "variance"])  # see get_config

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None) or np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"[{self.name}] Expected mean and variance of the same shape, or none of the two, "
                f"received mean={mean!r}, variance={variance!r}."
            )
        if mean is not None and np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"[{self.name}] Expected mean to have at most as many axes as axis={self.axis}, "
                f"received mean of shape {np.shape(mean)}."
            )
        self.input_mean, self.input_variance, self.invert = mean, variance, bool(invert)

    def build(self, input_shape):
        ndim = len(input_shape)
        if any([not -ndim <= a < ndim for a in self.axis]):
            raise ValueError(
                f"[{self.name}] Expected axes within an input of shape {tuple(input_shape)}, "
                f"received axis={self.axis}."
            )
        self._kept = tuple(sorted([a % ndim for a in self.axis]))
        shape = tuple([input_shape[a] for a in self._kept])
        if None in shape:
            raise ValueError(
                f"[{self.name}] Expected the lengths of axis={self.axis} to be known, received an "
                f"input of shape {tuple(input_shape)}."
            )
        self._along = tuple([n if i in self._kept else 1 for i, n in enumerate(input_shape)])
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", "int32", trainable=False, name="count")

    @property
    def mean(self) -> Any:
        """The mean, with the axes of the input."""
        given = self.input_mean
        return self._spread(given) if given is not None else self._reshaped(self.adapt_mean)

    @property
    def variance(self) -> Any:
        """The variance, with the axes of the input."""
        given = self.input_variance
        return self._spread(given) if given is not None else self._reshaped(self.adapt_variance)

    def _reshaped(self, weight: Any) -> Any:
        return ops.reshape(weight, shape=self._along)

    def _spread(self, given: Any) -> np.ndarray:
        """Numbers that were given, along the last of the axes."""
        given, shape = np.asarray(given, self._dtype), [1] * len(self._along)
        for i in range(1, given.ndim + 1):
            shape[self._kept[-i]] = given.shape[-i]
        return np.broadcast_to(given.reshape(shape), self._along)

    def adapt(self, data: Any) -> None:
        """Set mean and variance to those of the data: an array or Tensor, or an iterable of batches
        (pairs of batch and target too)."""
        if self.input_mean is not None:
            raise ValueError(
                f"[{self.name}] adapt: expected a layer without mean and variance, received "
                f"mean={self.input_mean!r}."
            )
        whole = isinstance(data, (np.ndarray, Value))
        total: Any = None
        for batch in [data] if whole else data:
            batch = batch[0] if isinstance(batch, (tuple, list)) else batch
            array = np.asarray(batch.data if isinstance(batch, Value) else batch)
            total = self._with_batch(total, array)
        if total is None:
            raise ValueError(f"[{self.name}] adapt: expected at least one batch, received none.")
        self.adapt_mean.assign(total[1])
        self.adapt_variance.assign(total[2])

    def _with_batch(self, total: Any, batch: np.ndarray) -> tuple[int, Any, Any]:
        """(count, mean, variance) of what was seen and a batch together."""
        if not self.built:
            self.build(batch.shape)
        wanted = [self._along[a] for a in self._kept]
        if batch.ndim != len(self._along) or [batch.shape[a] for a in self._kept] != wanted:
            raise ValueError(
                f"[{self.name}] adapt: expected data of shape "
                f"{tuple([n if i in self._kept else None for i, n in enumerate(self._along)])}, "
                f"received {batch.shape}."
            )
        rest = tuple([i for i in range(batch.ndim) if i not in self._kept])
        n = math.prod([batch.shape[i] for i in rest])
        mean = batch.mean(axis=rest, dtype="float64")
        variance = batch.var(axis=rest, dtype="float64")
        if total is None:
            return n, mean, variance
        n_before, mean_before, variance_before = total
        share = n / (n_before + n)
        middle = mean_before * (1 - share) + mean * share
        before = variance_before + (mean_before - middle) ** 2
        return (
            n_before + n,
            middle,
            before * (1 - share) + (variance + (mean - middle) ** 2) * share,
        )

    def call(self, inputs):
        size = ops.maximum(ops.sqrt(self.variance), EPSILON)
        return inputs * size + self.mean if self.invert else (inputs - self.mean) / size

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        given = self.input_mean, self.input_variance
        mean, variance = [None if v is None else np.asarray(v).tolist() for v in given]
        own = {"axis": self.axis, "invert": self.invert, "mean": mean, "variance": variance}
        return {**super().get_config(), **own}


class CategoryEncoding(Layer):
    """Integers below ``num_tokens`` as vectors of that length.

    Args:
        num_tokens: how many different integers there are.
        output_mode: "one_hot": a vector per integer, 1 in its place; "multi_hot": one per sample, 1
            in the places of all its integers; "count": how often each occurs.

    Call arguments: inputs, of integers; count_weights, of their shape: what each adds ("count").
    Input shape: (N,) or (N, L).
    Output shape: (N, num_tokens); with "one_hot" (N, L, num_tokens), unless L is 1.

    >>> tg.layers.CategoryEncoding(4)(np.array([[0, 1], [0, 0], [1, 2], [3, 1]]))
    Tensor([[1., 1., 0., 0.],
            [1., 0., 0., 0.],
            [0., 1., 1., 0.],
            [0., 1., 0., 1.]])
    """

    _not_in_config = frozenset(["sparse"])

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(self.name, sparse=sparse or None)
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        if output_mode not in ("one_hot", "multi_hot", "count"):
            raise ValueError(
                f"[{self.name}] Expected output_mode 'one_hot', 'multi_hot' or 'count', received "
                f"{output_mode!r}."
            )
        self.num_tokens = positive(self.name, "num_tokens", num_tokens)
        self.output_mode = output_mode

    def call(self, inputs, count_weights=None):
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"[{self.name}] Expected count_weights with output_mode 'count' only, received "
                f"output_mode={self.output_mode!r}."
            )
        self.compute_output_shape(inputs.shape)
        if self.output_mode == "one_hot":
            if inputs.ndim > 1 and inputs.shape[-1] == 1:
                inputs = ops.squeeze(inputs, axis=-1)
            return self._one_hot(inputs)
        hot = self._one_hot(inputs)
        if self.output_mode == "multi_hot":
            return ops.max(hot, axis=-2)
        if count_weights is not None:
            hot = hot * ops.expand_dims(ops.astype(count_weights, dtype=self._dtype), -1)
        return ops.sum(hot, axis=-2)

    def _one_hot(self, inputs):
        whole = inputs if inputs.dtype.kind in "iu" else ops.astype(inputs, dtype=np.dtype("int64"))
        return ops.one_hot(whole, self.num_tokens, dtype=self._dtype)

    def compute_output_shape(self, input_shape):
        if len(input_shape) not in (1, 2) and self.output_mode != "one_hot":
            raise ValueError(
                f"[{self.name}] Expected (N, L) integers with output_mode {self.output_mode!r}, "
                f"received shape {tuple(input_shape)}."
            )
        single = len(input_shape) > 1 and input_shape[-1] == 1
        kept = self.output_mode == "one_hot" and not single
        return (*(input_shape if kept else input_shape[:-1]), self.num_tokens)

    def _output_dtype(self, dtype):
        return self._dtype


class Discretization(Layer):
    """The number of the bin that each number falls into: how many boundaries are not above it.

    Args:
        bin_boundaries: the boundaries, rising; ``adapt`` finds them if ``num_bins`` is given.
        num_bins: how many bins; each gets about as many of the numbers that ``adapt`` sees.
        epsilon: how exactly quantiles are kept while ``adapt`` sees one batch after the other.
        output_mode: "int", or one of those of :class:`CategoryEncoding`.

    Input shape: any.
    Output shape: the same ("int", of int32), else as of :class:`CategoryEncoding`.

    >>> tg.layers.Discretization([0.0, 1.0])(tg.tensor([-1.0, 0.0, 0.5, 2.0]))
    Tensor([0, 1, 1, 2], dtype=int32)
    """

    _not_in_config = frozenset(["sparse"])

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        refuse(self.name, sparse=sparse or None)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                f"[{self.name}] Expected one of bin_boundaries and num_bins, received "
                f"{bin_boundaries=}, {num_bins=}."
            )
        if output_mode not in ("int", "one_hot", "multi_hot", "count"):
            raise ValueError(
                f"[{self.name}] Expected output_mode 'int', 'one_hot', 'multi_hot' or 'count', "
                f"received {output_mode!r}."
            )
        self.bin_boundaries: Any = None
        if bin_boundaries is not None:
            self.bin_boundaries = [float(b) for b in bin_boundaries]
        self.num_bins = None if num_bins is None else positive(self.name, "num_bins", num_bins)
        self.epsilon, self.output_mode = float(epsilon), output_mode

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the boundaries to quantiles of the data: an array or Tensor, or an iterable of
        batches, of which ``steps`` are read."""
        if self.num_bins is None:
            raise ValueError(
                f"[{self.name}] adapt: expected a layer with num_bins, received bin_boundaries="
                f"{self.bin_boundaries}."
            )
        seen = np.zeros((2, 0), "float32")
        batches = [data] if isinstance(data, (np.ndarray, Value)) else data
        for i, batch in enumerate(batches):
            if steps is not None and i >= steps:
                break
            array = np.asarray(batch.data if isinstance(batch, Value) else batch, "float32")
            both = np.concatenate([_sample(array.reshape(-1), self.epsilon), seen], axis=1)
            seen = _thin(both[:, np.argsort(both[0])], self.epsilon)
        self.bin_boundaries = _thin(seen, 1 / self.num_bins)[0, :-1].tolist()

    def call(self, inputs):
        if self.bin_boundaries is None:
            raise ValueError(f"[{self.name}] Expected bin_boundaries, or a call of adapt() before.")
        dtype = inputs.dtype if inputs.dtype.kind == "f" else self._dtype
        above = ops.expand_dims(inputs, -1) >= np.asarray(self.bin_boundaries, dtype)
        bins = ops.sum(ops.astype(above, dtype=np.dtype("int32")), axis=-1)
        bins = ops.astype(bins, dtype=np.dtype("int32"))
        return bins if self.output_mode == "int" else self._encoding()(bins)

    def _encoding(self) -> Any:
        known = self.bin_boundaries is not None
        n = len(self.bin_boundaries) + 1 if known else self.num_bins
        return CategoryEncoding(n, self.output_mode, dtype=self.dtype, name=self.name)

    def compute_output_shape(self, input_shape):
        if self.output_mode == "int":
            return tuple(input_shape)
        return self._encoding().compute_output_shape(input_shape)

    def _output_dtype(self, dtype):
        return np.dtype("int32") if self.output_mode == "int" else self._dtype

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        both = config.get("num_bins") is not None and config.get("bin_boundaries") is not None
        layer = super().from_config({**config, "bin_boundaries": None} if both else config)
        if both:  # it has been adapted
            layer.bin_boundaries = list(config["bin_boundaries"])
        return layer


def _sample(values: np.ndarray, epsilon: float) -> np.ndarray:
    """(value, weight) columns: about 1 / epsilon of the values, evenly spaced in their order; the
    weight is how many values each stands for."""
    step = max(values.size * epsilon, 1)
    chosen = np.sort(values)[int(step - 1) :: int(step)]
    return np.stack([chosen, np.full_like(chosen, step)])


def _thin(columns: np.ndarray, epsilon: float) -> np.ndarray:
    """The values at each epsilon-th part of the whole weight, in between interpolated."""
    if columns.shape[1] * epsilon < 1:
        return columns
    wanted = epsilon + np.arange(0.0, 1.0, epsilon)
    weight = columns[1].cumsum()
    part = weight / weight[-1]
    values, upto = np.interp(wanted, part, columns[0]), np.interp(wanted, part, weight)
    return np.stack([values, np.diff(upto, prepend=0)]).astype("float32")
