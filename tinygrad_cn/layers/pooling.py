"""Pooling: the maximum or the mean of windows, or of all there is."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_cn import ops

from .convolution import check_format, check_padding, output_length, per_axis
from .input_spec import InputSpec
from .layer import Layer


class Pooling(Layer):
    """What pooling layers share: arguments and shapes."""

    float_inputs = True
    rank: ClassVar[int]

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = per_axis(self.name, "pool_size", pool_size, self.rank)
        strides = self.pool_size if strides is None else strides
        self.strides = per_axis(self.name, "strides", strides, self.rank)
        self.padding = check_padding(self.name, padding, ("valid", "same"))
        self.data_format = check_format(self.name, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def compute_output_shape(self, input_shape):
        first = self.data_format == "channels_first"
        spatial = input_shape[2:] if first else input_shape[1:-1]
        axes = zip(spatial, self.pool_size, self.strides, strict=True)
        lengths = [output_length(n, k, s, self.padding) for n, k, s in axes]
        if any([n is not None and n < 1 for n in lengths]):
            raise ValueError(
                f"[{self.name}] The window is larger than the input. Expected at least "
                f"{self.pool_size}, received an input of shape {input_shape}."
            )
        if first:
            return (*input_shape[:2], *lengths)
        return (input_shape[0], *lengths, input_shape[-1])


class MaxPooling2D(Pooling):
    """The largest value in each window of an image, channel by channel; its gradient goes to the
    first place that has it.

    Args:
        pool_size: the window: one integer, or (height, width).
        strides: from window to window; the window's size when None.
        padding: "valid" (whole windows only) or "same" (ceil(H / stride) of them).
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).

    Input shape: (N, H, W, C).
    Output shape: (N, H', W', C).

    >>> tg.layers.MaxPooling2D()(tg.tensor([[[[1.0], [2.0]], [[3.0], [4.0]]]])).numpy()
    array([[[[4.]]]], dtype=float32)
    """

    rank = 2

    def __init__(
        self, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid",
        data_format: str | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def call(self, inputs):
        return ops.max_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class AveragePooling2D(Pooling):
    """The mean of each window of an image, channel by channel; padding does not count.

    Args:
        pool_size, strides, padding, data_format: as in MaxPooling2D.

    Input shape: (N, H, W, C).
    Output shape: (N, H', W', C).

    >>> x = tg.tensor([[[[1.0], [2.0]], [[3.0], [4.0]]]])
    >>> tg.layers.AveragePooling2D((2, 2))(x).numpy()
    array([[[[2.5]]]], dtype=float32)
    """

    rank = 2

    def call(self, inputs):
        return ops.average_pool(
            inputs, self.pool_size, self.strides, self.padding, self.data_format
        )


class MaxPooling1D(MaxPooling2D):
    """The largest value in each window of a sequence, channel by channel.

    Args:
        pool_size, strides, padding, data_format: as in MaxPooling2D, with one axis.

    Input shape: (N, T, C).
    Output shape: (N, T', C).

    >>> tg.layers.MaxPooling1D()(tg.tensor([[[1.0], [3.0], [2.0]]])).numpy()
    array([[[3.]]], dtype=float32)
    """

    rank = 1

    def __init__(
        self, pool_size: Any = 2, strides: Any = None, padding: str = "valid",
        data_format: str | None = None, name: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling1D(AveragePooling2D):
    """The mean of each window of a sequence, channel by channel; padding does not count.

    Args:
        pool_size, strides, padding, data_format: as in MaxPooling2D, with one axis.

    Input shape: (N, T, C).
    Output shape: (N, T', C).

    >>> tg.layers.AveragePooling1D(2)(tg.tensor([[[1.0], [3.0], [2.0]]])).numpy()
    array([[[2.]]], dtype=float32)
    """

    rank = 1


class GlobalPooling(Layer):
    """What global pooling layers share: all spatial axes become one number per channel."""

    float_inputs = True
    rank: ClassVar[int]

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = check_format(self.name, data_format)
        self.keepdims = bool(keepdims)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def axes(self) -> tuple[int, ...]:
        """The spatial axes."""
        start = 2 if self.data_format == "channels_first" else 1
        return tuple(range(start, start + self.rank))

    def compute_output_shape(self, input_shape):
        axes = self.axes
        if self.keepdims:
            return tuple([1 if i in axes else n for i, n in enumerate(input_shape)])
        return tuple([n for i, n in enumerate(input_shape) if i not in axes])


class GlobalMaxPooling2D(GlobalPooling):
    """The largest value of each channel of an image.

    Args:
        data_format: as in MaxPooling2D.
        keepdims: keep the spatial axes, with length 1.

    Input shape: (N, H, W, C).
    Output shape: (N, C).

    >>> tg.layers.GlobalMaxPooling2D()(np.ones((1, 3, 3, 2), "float32")).shape
    (1, 2)
    """

    rank = 2

    def call(self, inputs):
        return ops.max(inputs, axis=self.axes, keepdims=self.keepdims)


class GlobalAveragePooling2D(GlobalPooling):
    """The mean of each channel of an image.

    Args:
        data_format: as in MaxPooling2D.
        keepdims: keep the spatial axes, with length 1.

    Input shape: (N, H, W, C).
    Output shape: (N, C).

    >>> tg.layers.GlobalAveragePooling2D()(np.ones((1, 3, 3, 2), "float32")).shape
    (1, 2)
    """

    rank = 2

    def call(self, inputs):
        return ops.mean(inputs, axis=self.axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(GlobalMaxPooling2D):
    """The largest value of each channel of a sequence.

    Args:
        data_format: as in MaxPooling1D.
        keepdims: keep the axis of steps, with length 1.

    Input shape: (N, T, C).
    Output shape: (N, C).

    >>> tg.layers.GlobalMaxPooling1D()(np.ones((1, 3, 2), "float32")).shape
    (1, 2)
    """

    rank = 1


class GlobalAveragePooling1D(GlobalPooling):
    """The mean of each channel of a sequence, over the steps that count.

    Args:
        data_format: as in MaxPooling1D.
        keepdims: keep the axis of steps, with length 1.

    Input shape: (N, T, C), with or without a mask (N, T).
    Output shape: (N, C).

    >>> tg.layers.GlobalAveragePooling1D()(np.ones((1, 3, 2), "float32")).shape
    (1, 2)
    """

    rank = 1
    supports_masking = True

    def call(self, inputs, mask=None):
        axis = self.axes[0]
        if mask is None:
            return ops.mean(inputs, axis=axis, keepdims=self.keepdims)
        weight = ops.expand_dims(ops.astype(mask, dtype=inputs.dtype), axis=3 - axis)
        total = ops.sum(inputs * weight, axis=axis, keepdims=self.keepdims)
        return total / ops.sum(weight, axis=axis, keepdims=self.keepdims)

    def compute_mask(self, inputs, mask=None):
        return None


class AdaptivePooling(Layer):
    """What adaptive pooling layers share: arguments and shapes."""

    float_inputs = True
    rank: ClassVar[int]

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = per_axis(self.name, "output_size", output_size, self.rank)
        self.data_format = check_format(self.name, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def compute_output_shape(self, input_shape):
        if self.data_format == "channels_first":
            return (*input_shape[:2], *self.output_size)
        return (input_shape[0], *self.output_size, input_shape[-1])


class AdaptiveMaxPooling2D(AdaptivePooling):
    """The largest value in each of a fixed number of windows, whatever the size of the image; the
    i-th of k windows over n rows reaches from floor(i n / k) to ceil((i + 1) n / k).

    Args:
        output_size: k: one integer, or (height, width).
        data_format: "channels_last" (N, H, W, C) or "channels_first" (N, C, H, W).

    Input shape: (N, H, W, C).
    Output shape: (N, height, width, C).

    >>> tg.layers.AdaptiveMaxPooling2D((2, 3))(np.ones((1, 5, 7, 4), "float32")).shape
    (1, 2, 3, 4)
    """

    rank = 2

    def call(self, inputs):
        return ops.adaptive_max_pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling2D(AdaptivePooling):
    """The mean of each of a fixed number of windows, whatever the size of the image.

    Args:
        output_size, data_format: as in AdaptiveMaxPooling2D.

    Input shape: (N, H, W, C).
    Output shape: (N, height, width, C).

    >>> tg.layers.AdaptiveAveragePooling2D(2)(np.ones((1, 5, 7, 4), "float32")).shape
    (1, 2, 2, 4)
    """

    rank = 2

    def call(self, inputs):
        return ops.adaptive_average_pool(inputs, self.output_size, self.data_format)


class AdaptiveMaxPooling1D(AdaptiveMaxPooling2D):
    """The largest value in each of a fixed number of windows, whatever the length of the sequence.

    Args:
        output_size, data_format: as in AdaptiveMaxPooling2D, with one axis.

    Input shape: (N, T, C).
    Output shape: (N, output_size, C).

    >>> x = tg.tensor([[[1.0], [3.0], [2.0], [4.0], [0.0]]])
    >>> tg.layers.AdaptiveMaxPooling1D(2)(x).numpy().ravel()
    array([3., 4.], dtype=float32)
    """

    rank = 1


class AdaptiveAveragePooling1D(AdaptiveAveragePooling2D):
    """The mean of each of a fixed number of windows, whatever the length of the sequence.

    Args:
        output_size, data_format: as in AdaptiveMaxPooling2D, with one axis.

    Input shape: (N, T, C).
    Output shape: (N, output_size, C).

    >>> x = tg.tensor([[[1.0], [3.0], [2.0], [4.0], [0.0]]])
    >>> tg.layers.AdaptiveAveragePooling1D(2)(x).numpy().ravel()
    array([2., 2.], dtype=float32)
    """

    rank = 1
