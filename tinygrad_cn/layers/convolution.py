"""Convolutions. Images are (N, H, W, C), kernels (KH, KW, C / groups, filters)."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_cn import activations, constraints, initializers, ops, regularizers

from .core import finish, in_kernel, positive
from .input_spec import InputSpec
from .layer import Layer


def per_axis(layer: str, name: str, value: Any, n: int) -> tuple[int, ...]:
    """One integer for all axes, or one for each."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
    if len(values) != n:
        raise ValueError(f"[{layer}] Expected {name} to be 1 or {n} integers, received {value!r}.")
    return tuple([positive(layer, name, v) for v in values])


def check_format(layer: str, data_format: Any) -> str:
    """ "channels_last" (when None) or "channels_first"."""
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            f"[{layer}] Expected data_format 'channels_last' or 'channels_first', received "
            f"{data_format!r}."
        )
    return data_format or "channels_last"


def check_padding(layer: str, padding: Any, known: tuple[str, ...]) -> str:
    """A padding by name, in lower case."""
    if not isinstance(padding, str) or padding.lower() not in known:
        raise ValueError(f"[{layer}] Expected padding to be one of {known}, received {padding!r}.")
    return padding.lower()


def output_length(n: int | None, kernel: int, stride: int, padding: str, dilation: int = 1) -> Any:
    """The length of an axis after a convolution or pooling; None if it is not known."""
    if n is None:
        return None
    if padding == "valid":
        n = n - (kernel - 1) * dilation
    return -(-n // stride)


class BaseConv(Layer):
    """What convolutions share: arguments, the weights ``kernel`` and ``bias``, shapes."""

    float_inputs = True
    rank: ClassVar[int]
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __init__(
        self,
        filters: int | None,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = None if filters is None else positive(self.name, "filters", filters)
        self.kernel_size = per_axis(self.name, "kernel_size", kernel_size, self.rank)
        self.strides = per_axis(self.name, "strides", strides, self.rank)
        self.padding = check_padding(self.name, padding, self.paddings)
        self.data_format = check_format(self.name, data_format)
        self.dilation_rate = per_axis(self.name, "dilation_rate", dilation_rate, self.rank)
        self.groups = positive(self.name, "groups", groups)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"[{self.name}] Expected strides or dilation_rate to be 1, received "
                f"strides={self.strides}, dilation_rate={self.dilation_rate}."
            )
        if self.filters is not None and self.filters % self.groups:
            raise ValueError(
                f"[{self.name}] Expected filters to be a multiple of groups, received "
                f"filters={filters}, groups={groups}."
            )
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def channels(self, input_shape: Any) -> int:
        """How many channels come in: needed for the weights."""
        axis = -1 if self.data_format == "channels_last" else 1
        if input_shape[axis] is None:
            raise ValueError(
                f"[{self.name}] Expected the number of channels (axis {axis}) to be known, "
                f"received an input of shape {input_shape}."
            )
        n = int(input_shape[axis])
        if n % self.groups:
            raise ValueError(
                f"[{self.name}] Expected the number of channels to be a multiple of groups="
                f"{self.groups}, received an input of shape {input_shape}."
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: n})
        return n

    def add_bias(self, n: int | None) -> None:
        """Make the weight ``bias``, if there is one."""
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (n,), self.bias_initializer, regularizer=self.bias_regularizer,
                constraint=self.bias_constraint, name="bias",
            )  # fmt: skip

    def build(self, input_shape):
        c = self.channels(input_shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, c // self.groups, self.filters), self.kernel_initializer,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint, name="kernel",
        )  # fmt: skip
        self.add_bias(self.filters)

    def call(self, inputs):
        y = ops.conv(
            inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate,
            self.bias, in_kernel(self.activation),
        )  # fmt: skip
        return finish(y, self.activation)

    def output_channels(self, n: int) -> int:
        """How many channels go out, for n that come in."""
        assert self.filters is not None
        return self.filters

    def output_lengths(self, spatial: Any) -> tuple[Any, ...]:
        """The lengths of the spatial axes of the output."""
        padding = "same" if self.padding == "causal" else self.padding
        axes = zip(spatial, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return tuple([output_length(n, k, s, padding, d) for n, k, s, d in axes])

    def compute_output_shape(self, input_shape):
        first = self.data_format == "channels_first"
        spatial = input_shape[2:] if first else input_shape[1:-1]
        lengths = self.output_lengths(spatial)
        if any([n is not None and n < 1 for n in lengths]):
            raise ValueError(
                f"[{self.name}] The kernel is larger than the input. Expected at least "
                f"{self.kernel_size}, received an input of shape {input_shape}."
            )
        channels = self.output_channels(input_shape[1] if first else input_shape[-1])
        batch = input_shape[0]
        return (batch, channels, *lengths) if first else (batch, *lengths, channels)


class Conv1D(BaseConv):
    """Slides kernels along a sequence:  y[n, t, o] = activation(sum over k, c of
    x[n, s t + d k, c] w[k, c, o] + b[o]), with s the stride and d the dilation rate.

    Args:
        filters: how many kernels, which is the number of output channels.
        kernel_size: how many steps a kernel spans.
        strides, dilation_rate: s and d.
        padding: "valid" (none), "same" (the output has ceil(T / s) steps), "causal" (as "same", but
            no output sees a later step).
        data_format: "channels_last" (N, T, C) or "channels_first" (N, C, T).
        groups: the channels are split into so many parts that do not see each other.
        activation, use_bias, ...: as in Dense.

    Input shape: (N, T, C).
    Output shape: (N, T', filters).

    >>> tg.layers.Conv1D(3, 2)(np.zeros((1, 5, 4), "float32")).shape
    (1, 4, 3)
    """

    rank = 1
    paddings = ("valid", "same", "causal")

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = 1, groups: int = 1,
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
            use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, kernel_constraint, bias_constraint, **kwargs,
        )  # fmt: skip


class Conv2D(BaseConv):
    """Slides kernels over an image:  y[n, p, q, o] = activation(sum over i, j, c of
    x[n, s p + d i, s q + d j, c] w[i, j, c, o] + b[o]), with s the stride and d the dilation rate.

    Args:
        filters: how many kernels, which is the number of output channels.
        kernel_size, strides, dilation_rate: one integer, or (height, width).
        padding: "valid" (none) or "same" (the output has ceil(H / s) rows; the odd pixel is added
            at the end).
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).
        groups: the channels are split into so many parts that do not see each other.
        activation, use_bias, ...: as in Dense.

    Input shape: (N, H, W, C).
    Output shape: (N, H', W', filters).

    >>> tg.layers.Conv2D(8, 3, activation="relu")(np.zeros((1, 28, 28, 1), "float32")).shape
    (1, 26, 26, 8)
    """

    rank = 2

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = (1, 1), groups: int = 1,
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
            use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, kernel_constraint, bias_constraint, **kwargs,
        )  # fmt: skip


class DepthwiseConv2D(BaseConv):
    """Each channel is convolved by itself, with ``depth_multiplier`` kernels:
    y[..., c M + m] = activation(x[..., c] * w[:, :, c, m] + b[c M + m]).

    Args:
        kernel_size, strides, padding, data_format, dilation_rate, ...: as in Conv2D.
        depth_multiplier: M, the number of kernels per channel.

    Input shape: (N, H, W, C).
    Output shape: (N, H', W', C M).

    >>> tg.layers.DepthwiseConv2D(3)(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 6, 6, 4)
    """

    rank = 2

    def __init__(
        self, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        depth_multiplier: int = 1, data_format: str | None = None, dilation_rate: Any = (1, 1),
        activation: Any = None, use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            None, kernel_size, strides, padding, data_format, dilation_rate, 1, activation,
            use_bias, depthwise_initializer, bias_initializer, depthwise_regularizer,
            bias_regularizer, activity_regularizer, depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = positive(self.name, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = self.kernel_initializer
        self.depthwise_regularizer = self.kernel_regularizer
        self.depthwise_constraint = self.kernel_constraint

    def build(self, input_shape):
        c = self.channels(input_shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, c, self.depth_multiplier), self.depthwise_initializer,
            regularizer=self.depthwise_regularizer, constraint=self.depthwise_constraint,
            name="kernel",
        )  # fmt: skip
        self.add_bias(c * self.depth_multiplier)

    def call(self, inputs):
        y = ops.depthwise_conv(
            inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate,
            self.bias, in_kernel(self.activation),
        )  # fmt: skip
        return finish(y, self.activation)

    def output_channels(self, n):
        return n * self.depth_multiplier


class SeparableConv2D(BaseConv):
    """A depthwise convolution, then a 1x1 convolution that mixes the channels:
    y = activation((x * depthwise) pointwise + b).

    Args:
        filters, kernel_size, ...: as in Conv2D.
        depth_multiplier: the number of depthwise kernels per channel.

    Input shape: (N, H, W, C).
    Output shape: (N, H', W', filters).

    >>> tg.layers.SeparableConv2D(5, 3)(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 6, 6, 5)
    """

    rank = 2

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = (1, 1), depth_multiplier: int = 1,
        activation: Any = None, use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None, pointwise_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        depthwise_constraint: Any = None, pointwise_constraint: Any = None,
        bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, 1, activation,
            use_bias, depthwise_initializer, bias_initializer, depthwise_regularizer,
            bias_regularizer, activity_regularizer, depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = positive(self.name, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = self.kernel_initializer
        self.depthwise_regularizer = self.kernel_regularizer
        self.depthwise_constraint = self.kernel_constraint
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.pointwise_constraint = constraints.get(pointwise_constraint)

    def build(self, input_shape):
        c = self.channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, c, self.depth_multiplier), self.depthwise_initializer,
            regularizer=self.depthwise_regularizer, constraint=self.depthwise_constraint,
            name="depthwise_kernel",
        )  # fmt: skip
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, c * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer, constraint=self.pointwise_constraint,
            name="pointwise_kernel",
        )  # fmt: skip
        self.add_bias(self.filters)

    def call(self, inputs):
        y = ops.separable_conv(
            inputs, self.depthwise_kernel, self.pointwise_kernel, self.strides, self.padding,
            self.data_format, self.dilation_rate, self.bias, in_kernel(self.activation),
        )  # fmt: skip
        return finish(y, self.activation)


class Conv2DTranspose(BaseConv):
    """The gradient of a convolution in its image, used as a layer that enlarges: each pixel of x
    paints its kernel into y, ``strides`` apart, and overlaps add up.

    Args:
        filters, kernel_size, strides, padding, data_format, ...: as in Conv2D; the kernel is
            (KH, KW, filters, C).
        output_padding: rows and columns to add at the end; chosen to fit when None.

    Input shape: (N, H, W, C).
    Output shape: (N, H', W', filters): H s + max(K - s, 0) rows, with padding "same" H s.

    >>> tg.layers.Conv2DTranspose(3, 2, strides=2)(np.zeros((1, 4, 4, 5), "float32")).shape
    (1, 8, 8, 3)
    """

    rank = 2

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
        output_padding: Any = None, data_format: str | None = None, dilation_rate: Any = (1, 1),
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, 1, activation,
            use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, kernel_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        self.output_padding = output_padding
        if output_padding is not None:
            whole = isinstance(output_padding, int)
            pads = (output_padding,) * self.rank if whole else tuple(output_padding)
            self.output_padding = pads
            if len(pads) != self.rank or not all(
                [0 <= p < s for p, s in zip(pads, self.strides, strict=True)]
            ):
                raise ValueError(
                    f"[{self.name}] Expected 0 <= output_padding < strides, received "
                    f"output_padding={output_padding}, strides={self.strides}."
                )

    def build(self, input_shape):
        c = self.channels(input_shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, self.filters, c), self.kernel_initializer,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint, name="kernel",
        )  # fmt: skip
        self.add_bias(self.filters)

    def call(self, inputs):
        y = ops.conv_transpose(
            inputs, self.kernel, self.strides, self.padding, self.output_padding, self.data_format,
            self.dilation_rate,
        )  # fmt: skip
        if self.bias is not None:
            first = self.data_format == "channels_first"
            column = (-1, *(1,) * self.rank)
            y = y + (ops.reshape(self.bias, shape=column) if first else self.bias)
        return self.activation(y)

    def output_lengths(self, spatial):
        extra = self.output_padding or (None,) * self.rank
        return tuple([
            self._length(*axis)
            for axis in zip(
                spatial, self.kernel_size, self.strides, self.dilation_rate, extra, strict=True
            )
        ])  # fmt: skip

    def _length(self, n: int | None, k: int, s: int, d: int, extra: int | None) -> int | None:
        if n is None:
            return None
        k = (k - 1) * d + 1
        if extra is None:
            return n * s + (max(k - s, 0) if self.padding == "valid" else 0)
        return (n - 1) * s + k - (2 * (k // 2) if self.padding == "same" else 0) + extra
