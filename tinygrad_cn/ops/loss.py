"""Cross-entropies, with the names and formulas of keras.ops. Targets never broadcast in silence.

From logits they are computed on logarithms throughout: nothing overflows, and no digit is lost for
a class whose probability is nearly 0 or 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Placeholder, Value, apply_as_one, as_one

from .activation import sigmoid
from .comparison import less
from .creation import asarray
from .elementwise import clip, log, where
from .indexing import one_hot, take_along_axis
from .reduction import sum
from .shape import _axis, astype, expand_dims, moveaxis, squeeze
from .softmax import log_softmax, softmax

EPSILON = 1e-7  # Keras's backend.epsilon()


class CrossEntropy(Op):
    """y = -ln softmax(logits)[label], per row;  glogits = g (softmax(logits) - onehot(label))."""

    extra = ("lse",)

    def forward(logits, labels):
        return kernels.cross_entropy(logits, labels)

    def vjp(g, logits, labels, lse):
        return cross_entropy_grad(g, logits, labels, lse), None


class CrossEntropyGrad(Op):
    """glogits = g (e^(logits - lse) - onehot(label)), lse = ln sum e^logits per row."""

    def forward(g, logits, labels, lse):
        return kernels.cross_entropy_grad(g, logits, labels, lse)

    def reference(g, logits, labels, lse):
        hot = one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        return expand_dims(g, -1) * (softmax(logits) - hot)


class BinaryCrossEntropy(Op):
    """y = max(x, 0) - x t + ln(1 + e^-|x|), t the target, x its logit;  gx = g (sigmoid(x) - t),
    gt = -g x."""

    def forward(target, logits):
        hinge = kernels.subtract(kernels.relu(logits), kernels.multiply(logits, target))
        return kernels.add(hinge, kernels.softplus(kernels.negative(kernels.abs(logits))))

    def vjp(g, target, logits, needs):
        gt = -g * logits if needs[0] else None
        return gt, g * (sigmoid(logits) - target) if needs[1] else None


cross_entropy = CrossEntropy()
cross_entropy_grad = CrossEntropyGrad()
_binary_cross_entropy = BinaryCrossEntropy()


@as_one
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """-ln p[target], p the probabilities: softmax(output) if ``from_logits``, else output / sum,
    clipped to [1e-7, 1 - 1e-7].

    Args:
        target: integer classes, of the shape of output without its axis (or with 1 there).
        output: the classes along ``axis``.

    Raises:
        ValueError: a label is out of range, or the shapes do not fit.

    >>> tg.ops.sparse_categorical_crossentropy(np.array([1]), [[0, 0]], from_logits=True).round(3)
    Tensor([0.693])
    """
    if isinstance(target, Placeholder) or isinstance(output, Placeholder):
        return apply_as_one(sparse_categorical_crossentropy, target, output, from_logits, axis)
    output = asarray(output)
    op = "sparse_categorical_crossentropy"
    at = _axis(op, axis, output.ndim)
    if not isinstance(target, (Value, np.ndarray)):
        target = np.asarray(target)
    labels = target.data if isinstance(target, Value) else target
    if labels.ndim == output.ndim and labels.shape[at] == 1:
        target = squeeze(target, at)
        labels = target.data
    if labels.dtype.kind == "f":  # Keras casts: labels read from a file are often floats
        target = astype(target, np.int64)
        labels = target.data
    shape = output.shape[:at] + output.shape[at + 1 :]
    if labels.shape != shape:
        raise ValueError(
            f"[{op}] Expected one label per row: target.shape={shape}, received "
            f"target.shape={labels.shape} for output.shape={output.shape}."
        )
    if at != output.ndim - 1:
        output = moveaxis(output, at, -1)
    if from_logits:
        return cross_entropy(output, target)
    if labels.size and not 0 <= labels.min() <= labels.max() < output.shape[-1]:
        raise ValueError(
            f"[{op}] A label is out of range. Expected 0 <= label < {output.shape[-1]}, received "
            f"{labels.min()} to {labels.max()}."
        )
    if labels.dtype.kind == "i":  # a replay does not look: no negative one may count from the end
        target = where(less(target, 0), np.int64(output.shape[-1]), target)
    p = squeeze(take_along_axis(output, expand_dims(target, -1), -1), -1) / sum(output, axis=-1)
    return -log(clip(p, EPSILON, 1 - EPSILON))


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """-sum target ln p along the axis, p the probabilities: softmax(output) if ``from_logits``,
    else output / sum, clipped to [1e-7, 1 - 1e-7]. The shapes of target and output agree.

    >>> tg.ops.categorical_crossentropy([[0, 1]], [[0.5, 0.5]]).round(3)
    Tensor([0.693])
    """
    target, output = _same_shape("categorical_crossentropy", target, output)
    at = _axis("categorical_crossentropy", axis, output.ndim)
    log_p = log_softmax(output, at) if from_logits else log(_probabilities(output, at))
    return -sum(target * log_p, axis=at)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-target ln p - (1 - target) ln(1 - p), elementwise, p the probability: sigmoid(output) if
    ``from_logits``, else output clipped to [1e-7, 1 - 1e-7]. The shapes agree.

    >>> tg.ops.binary_crossentropy([1, 0], [0.5, 0.5]).round(3)
    Tensor([0.693, 0.693])
    """
    target, output = _same_shape("binary_crossentropy", target, output)
    if from_logits:
        return _binary_cross_entropy(target, output)
    p = clip(output, EPSILON, 1 - EPSILON)
    return -(target * log(p) + (1 - target) * log(1 - p))


def _probabilities(output: Any, axis: int) -> Any:
    return clip(output / sum(output, axis=axis, keepdims=True), EPSILON, 1 - EPSILON)


def _same_shape(op: str, target: Any, output: Any) -> tuple[Any, Any]:
    target, output = asarray(target), asarray(output)
    if target.dtype.kind != "f":
        target = target.astype(output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            f"[{op}] Targets do not broadcast. Expected equal shapes, received "
            f"target.shape={target.shape}, output.shape={output.shape}."
        )
    return target, output
