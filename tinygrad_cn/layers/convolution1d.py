"""Depthwise, separable and transposed convolutions of sequences (N, T, C)."""

from __future__ import annotations

from typing import Any

from .convolution import Conv2DTranspose, DepthwiseConv2D, SeparableConv2D


class DepthwiseConv1D(DepthwiseConv2D):
    """Each channel of a sequence is convolved by itself, with ``depth_multiplier`` kernels:
    y[..., c M + m] = activation(x[..., c] * w[:, c, m] + b[c M + m]).

    Args:
        kernel_size, strides, padding ("valid" or "same"), data_format, dilation_rate, ...: as in
            Conv1D.
        depth_multiplier: M, the number of kernels per channel.

    Input shape: (N, T, C).
    Output shape: (N, T', C M).

    >>> tg.layers.DepthwiseConv1D(3)(np.zeros((1, 8, 4), "float32")).shape
    (1, 6, 4)
    """

    rank = 1

    def __init__(
        self, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        depth_multiplier: int = 1, data_format: str | None = None, dilation_rate: Any = 1,
        activation: Any = None, use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation,
            use_bias, depthwise_initializer, bias_initializer, depthwise_regularizer,
            bias_regularizer, activity_regularizer, depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip


class SeparableConv1D(SeparableConv2D):
    """A depthwise convolution of a sequence, then one with kernels of one step that mixes the
    channels:  y = activation((x * depthwise) pointwise + b).

    Args:
        filters, kernel_size, ...: as in Conv1D; padding "valid" or "same".
        depth_multiplier: the number of depthwise kernels per channel.

    Input shape: (N, T, C).
    Output shape: (N, T', filters).

    >>> tg.layers.SeparableConv1D(5, 3)(np.zeros((1, 8, 4), "float32")).shape
    (1, 6, 5)
    """

    rank = 1

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        data_format: str | None = None, dilation_rate: Any = 1, depth_multiplier: int = 1,
        activation: Any = None, use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None, pointwise_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        depthwise_constraint: Any = None, pointwise_constraint: Any = None,
        bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
            activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer,
            depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer,
            depthwise_constraint, pointwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip


class Conv1DTranspose(Conv2DTranspose):
    """The gradient of a convolution in its sequence, used as a layer that lengthens: each step of x
    paints its kernel into y, ``strides`` apart, and overlaps add up.

    Args:
        filters, kernel_size, strides, padding ("valid" or "same"), data_format, ...: as in Conv1D;
            the kernel is (K, filters, C).
        output_padding: steps to add at the end; chosen to fit when None.

    Input shape: (N, T, C).
    Output shape: (N, T', filters): T s + max(K - s, 0) steps, with padding "same" T s.

    >>> tg.layers.Conv1DTranspose(3, 2, strides=2)(np.zeros((1, 4, 5), "float32")).shape
    (1, 8, 3)
    """

    rank = 1

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
        output_padding: Any = None, data_format: str | None = None, dilation_rate: Any = 1,
        activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate,
            activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
