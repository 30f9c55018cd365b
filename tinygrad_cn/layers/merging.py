"""Layers that make one tensor of several."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import ops

from .layer import Layer


class Merge(Layer):
    """What elementwise merging layers share: a list of inputs whose shapes broadcast; inputs of
    fewer axes get axes of length 1 after the batch axis."""

    supports_masking = True
    least = 2

    def merge(self, a: Any, b: Any) -> Any:
        """Two of the inputs as one."""
        raise TypeError(f"[{type(self).__name__}] A subclass of Merge defines merge(a, b).")

    def build(self, input_shape):
        if not isinstance(input_shape, (list, tuple)) or not all(
            [isinstance(shape, (list, tuple)) for shape in input_shape]
        ):
            raise ValueError(
                f"[{self.name}] Expected a list of inputs, received one of shape {input_shape}."
            )
        if len(input_shape) < self.least:
            raise ValueError(
                f"[{self.name}] Expected at least {self.least} inputs, received {len(input_shape)}."
            )
        self.compute_output_shape(input_shape)

    def call(self, inputs):
        n = max([x.ndim for x in inputs])
        total, *rest = [_widen(x, n) for x in inputs]
        for x in rest:
            total = self.merge(total, x)
        return total

    def compute_mask(self, inputs, mask=None):
        """An entry counts if it counts in any input; all do if an input has no mask."""
        masks = [m for m in mask or [] if m is not None]
        if len(masks) != len(inputs):
            return None
        merged = masks[0]
        for m in masks[1:]:
            merged = ops.logical_or(merged, m)
        return merged

    def compute_output_shape(self, input_shape):
        n = max(map(len, input_shape))
        wide = [(*s[:1], *[1] * (n - len(s)), *s[1:]) for s in input_shape]
        merged = []
        for lengths in zip(*wide, strict=True):
            told = {length for length in lengths if length not in (1, None)}
            if len(told) > 1:
                raise ValueError(
                    f"[{self.name}] The shapes do not broadcast. Expected equal lengths or 1, "
                    f"received {[tuple(s) for s in input_shape]}."
                )
            merged.append(told.pop() if told else None if None in lengths else 1)
        return tuple(merged)


def _widen(x: Any, n: int) -> Any:
    if x.ndim == n:
        return x
    return ops.reshape(x, shape=(*x.shape[:1], *[1] * (n - x.ndim), *x.shape[1:]))


class Add(Merge):
    """y = x1 + x2 + ...

    Input shape: a list of shapes that broadcast.
    Output shape: the broadcast shape.

    >>> tg.layers.Add()([tg.tensor([[1.0]]), tg.tensor([[2.0]])])
    Tensor([[3.]])
    """

    def merge(self, a, b):
        return a + b


class Subtract(Merge):
    """y = x1 - x2, of exactly two inputs.

    Input shape: a list of two shapes that broadcast.
    Output shape: the broadcast shape.

    >>> tg.layers.Subtract()([tg.tensor([[1.0]]), tg.tensor([[2.0]])])
    Tensor([[-1.]])
    """

    def build(self, input_shape):
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"[{self.name}] Expected 2 inputs, received {len(input_shape)}.")

    def merge(self, a, b):
        return a - b


class Multiply(Merge):
    """y = x1 x2 ..., element by element.

    Input shape: a list of shapes that broadcast.
    Output shape: the broadcast shape.

    >>> tg.layers.Multiply()([tg.tensor([[3.0]]), tg.tensor([[2.0]])])
    Tensor([[6.]])
    """

    def merge(self, a, b):
        return a * b


class Average(Merge):
    """y = (x1 + x2 + ...) / n.

    Input shape: a list of shapes that broadcast.
    Output shape: the broadcast shape.

    >>> tg.layers.Average()([tg.tensor([[1.0]]), tg.tensor([[2.0]])])
    Tensor([[1.5]])
    """

    def merge(self, a, b):
        return a + b

    def call(self, inputs):
        return super().call(inputs) / len(inputs)


class Maximum(Merge):
    """y = the largest of x1, x2, ..., element by element.

    Input shape: a list of shapes that broadcast.
    Output shape: the broadcast shape.

    >>> tg.layers.Maximum()([tg.tensor([[1.0]]), tg.tensor([[2.0]])])
    Tensor([[2.]])
    """

    def merge(self, a, b):
        return ops.maximum(a, b)


class Minimum(Merge):
    """y = the smallest of x1, x2, ..., element by element.

    Input shape: a list of shapes that broadcast.
    Output shape: the broadcast shape.

    >>> tg.layers.Minimum()([tg.tensor([[1.0]]), tg.tensor([[2.0]])])
    Tensor([[1.]])
    """

    def merge(self, a, b):
        return ops.minimum(a, b)


class Concatenate(Layer):
    """The inputs one after the other, along an axis.

    Args:
        axis: the axis.

    Input shape: a list of shapes that differ in that axis only.
    Output shape: the same, the lengths of that axis added up.

    >>> tg.layers.Concatenate()([tg.tensor([[1.0]]), tg.tensor([[2.0, 3.0]])])
    Tensor([[1., 2., 3.]])
    """

    supports_masking = True

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape):
        if not input_shape or not isinstance(input_shape[0], (tuple, list)):
            raise ValueError(
                f"[{self.name}] Expected a list of inputs, received one of shape {input_shape}."
            )
        self.compute_output_shape(input_shape)

    def call(self, inputs):
        return ops.concat(inputs, axis=self.axis)

    def compute_mask(self, inputs, mask=None):
        """The masks, put together as the inputs are; where an input has none, all counts. A step
        counts if any of its features does."""
        if mask is None or all([m is None for m in mask]):
            return None
        ndim = inputs[0].ndim
        full = []
        for x, m in zip(inputs, mask, strict=True):
            if m is None:
                m = ops.asarray(np.ones(x.shape, bool))
            wide = ops.reshape(m, shape=(*m.shape, *[1] * (ndim - m.ndim)))
            full.append(ops.broadcast_to(wide, shape=x.shape))
        return ops.any(ops.concat(full, axis=self.axis), axis=tuple(range(min(2, ndim - 1), ndim)))

    def compute_output_shape(self, input_shape):
        shapes = [tuple(s) for s in input_shape]
        ndim = len(shapes[0])
        if not -ndim <= self.axis < ndim or {len(s) for s in shapes} != {ndim}:
            raise ValueError(
                f"[{self.name}] Expected inputs with equally many axes, axis={self.axis} among "
                f"them, received {shapes}."
            )
        axis = self.axis % ndim
        for i in range(ndim):
            if i != axis and len({s[i] for s in shapes} - {None}) > 1:
                raise ValueError(
                    f"[{self.name}] Expected shapes that differ in axis {axis} only, received "
                    f"{shapes}."
                )
        lengths = [s[axis] for s in shapes]
        total = None if None in lengths else sum(lengths)
        known = [next((s[i] for s in shapes if s[i] is not None), None) for i in range(ndim)]
        return (*known[:axis], total, *known[axis + 1 :])


class Dot(Layer):
    """The product of two tensors, summed over an axis of each, sample by sample.

    Args:
        axes: the axis of both, or one of each; the batch axis 0 is not summed over.
        normalize: divide by the lengths along these axes before: the cosine of the angle.

    Input shape: a list of two shapes.
    Output shape: the axes of the first but the summed one, then those of the second but batch and
        the summed one; (N, 1) for two matrices.

    >>> tg.layers.Dot(1)([tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0, 4.0]])])
    Tensor([[11.]])
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int) and (
            len(axes) != 2 or not all(isinstance(a, int) for a in axes)
        ):
            raise ValueError(
                f"[{self.name}] Expected axes to be 1 or 2 integers, received {axes!r}."
            )
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        self.normalize = bool(normalize)

    def _both(self, shapes: Any) -> tuple[int, int]:
        if not isinstance(shapes, (list, tuple)) or len(shapes) != 2:
            raise ValueError(f"[{self.name}] Expected 2 inputs, received shapes {shapes}.")
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        a, b = [axis % len(s) for axis, s in zip(axes, shapes, strict=True)]
        if a == 0 or b == 0:
            raise ValueError(
                f"[{self.name}] Expected axes other than the batch, received {self.axes}."
            )
        n, m = shapes[0][a], shapes[1][b]
        if None not in (n, m) and n != m:
            raise ValueError(
                f"[{self.name}] Expected equal lengths of the axes {axes}, received shapes "
                f"{shapes}."
            )
        return a, b

    def build(self, input_shape):
        self._both(input_shape)

    def call(self, inputs):
        x1, x2 = inputs
        a, b = self._both([x1.shape, x2.shape])
        if self.normalize:
            x1, x2 = _unit(x1, a), _unit(x2, b)
        x1, x2 = ops.moveaxis(x1, a, -1), ops.moveaxis(x2, b, -1)
        outer1, outer2, n = x1.shape[1:-1], x2.shape[1:-1], x1.shape[0]
        rows = ops.reshape(x1, shape=(n, int(np.prod(outer1)), x1.shape[-1]))
        columns = ops.reshape(x2, shape=(n, int(np.prod(outer2)), x2.shape[-1]))
        y = ops.matmul(rows, ops.matrix_transpose(columns))
        return ops.reshape(y, shape=(n, *(outer1 + outer2 or (1,))))

    def compute_output_shape(self, input_shape):
        a, b = self._both(input_shape)
        first, second = [tuple(s) for s in input_shape]
        rest = first[1:a] + first[a + 1 :] + second[1:b] + second[b + 1 :]
        return (first[0], *(rest or (1,)))


def _unit(x: Any, axis: int) -> Any:
    """x divided by its length along an axis."""
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))


def add(inputs: Any, **kwargs: Any) -> Any:
    """``Add()(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """``Subtract()(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """``Multiply()(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """``Average()(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """``Maximum()(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """``Minimum()(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """``Concatenate(axis)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """``Dot(axes)(inputs)``."""
    return Dot(axes, **kwargs)(inputs)
