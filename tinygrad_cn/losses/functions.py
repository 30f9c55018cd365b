"""The losses as functions: a value per sample, from y_true and y_pred of one shape.

With t for ``y_true`` and p for ``y_pred``; means and sums are over the last axis unless an ``axis``
is given. Formulas and defaults are Keras 3's. Targets of 0 and 1 mean what they say in hinge losses
too: they are then read as -1 and 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn import ops
from tinygrad_cn.op import wrap

from .base import EPSILON, as_tensor, pair

# --- regression -----------------------------------------------------------------------------------


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """mean((t - p)^2)

    >>> tg.losses.mean_squared_error([[0.0, 1.0]], [[1.0, 3.0]])
    Tensor([2.5])
    """
    t, p = pair("mean_squared_error", y_true, y_pred)
    return ops.mean(ops.square(t - p), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """mean(|t - p|)

    >>> tg.losses.mean_absolute_error([[0.0, 1.0]], [[1.0, 3.0]])
    Tensor([1.5])
    """
    t, p = pair("mean_absolute_error", y_true, y_pred)
    return ops.mean(ops.abs(t - p), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 mean(|t - p| / max(|t|, 1e-7))"""
    t, p = pair("mean_absolute_percentage_error", y_true, y_pred)
    return 100 * ops.mean(ops.abs((t - p) / ops.maximum(ops.abs(t), EPSILON)), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """mean((ln(1 + t) - ln(1 + p))^2), both at least 1e-7"""
    t, p = pair("mean_squared_logarithmic_error", y_true, y_pred)
    ratio = ops.log(ops.maximum(p, EPSILON) + 1) - ops.log(ops.maximum(t, EPSILON) + 1)
    return ops.mean(ops.square(ratio), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """mean of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2, with e = p - t (Huber,
    1964)

    >>> tg.losses.huber([[0.0, 0.0]], [[1.0, 3.0]])
    Tensor([1.5])
    """
    t, p = pair("huber", y_true, y_pred)
    e = p - t
    size = ops.abs(e)
    linear = delta * size - 0.5 * delta * delta
    return ops.mean(ops.where(size <= delta, 0.5 * ops.square(e), linear), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """mean(ln cosh(p - t)): like e^2 / 2 for small errors, |e| - ln 2 for large ones"""
    t, p = pair("log_cosh", y_true, y_pred)
    e = p - t
    return ops.mean(e + ops.softplus(-2.0 * e) - math.log(2.0), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """-sum(t p) / (|t| |p|): -1 for the same direction, 1 for the opposite one"""
    t, p = pair("cosine_similarity", y_true, y_pred)
    return -ops.sum(_unit(t, axis) * _unit(p, axis), axis=axis)


def _unit(x: Any, axis: int) -> Any:
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), EPSILON**2))


# --- distributions --------------------------------------------------------------------------------


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """mean(-t ln p - (1 - t) ln(1 - p)), the log loss; with ``from_logits`` p = sigmoid(y_pred).

    Probabilities are kept within [1e-7, 1 - 1e-7]. Logits need no such limit, and are exact.

    >>> tg.losses.binary_crossentropy([[1.0, 0.0]], [[0.5, 0.5]])
    Tensor([0.6931472])
    """
    t, p = pair("binary_crossentropy", y_true, y_pred)
    if label_smoothing:
        t = t * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return ops.mean(ops.binary_crossentropy(t, p, from_logits=from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """mean((1 - q)^gamma crossentropy), q the probability given to the truth (Lin et al., 2017):
    what is already right weighs less. ``apply_class_balancing`` weighs 1 by alpha and 0 by 1 -
    alpha."""
    t, p = pair("binary_focal_crossentropy", y_true, y_pred)
    if label_smoothing:
        t = t * (1.0 - label_smoothing) + 0.5 * label_smoothing
    p = ops.sigmoid(p) if from_logits else p
    loss = ops.binary_crossentropy(t, p) * (1 - (t * p + (1 - t) * (1 - p))) ** gamma
    if apply_class_balancing:
        loss = loss * (t * alpha + (1 - t) * (1 - alpha))
    return ops.mean(loss, axis=axis)


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """-sum(t ln p), t one-hot or a distribution; with ``from_logits`` p = softmax(y_pred).

    >>> tg.losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
    Tensor([0.6931472])
    """
    t, p = pair("categorical_crossentropy", y_true, y_pred)
    t = _smooth(t, label_smoothing, axis)
    return ops.categorical_crossentropy(t, p, from_logits=from_logits, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """-sum(alpha (1 - p)^gamma t ln p) (Lin et al., 2017)"""
    t, p = pair("categorical_focal_crossentropy", y_true, y_pred)
    t = _smooth(t, label_smoothing, axis)
    p = ops.softmax(p, axis=axis) if from_logits else p
    p = ops.clip(p / ops.sum(p, axis=axis, keepdims=True), EPSILON, 1 - EPSILON)
    return -ops.sum(alpha * (1 - p) ** gamma * t * ops.log(p), axis=axis)


def _smooth(t: Any, label_smoothing: float, axis: int) -> Any:
    return t * (1.0 - label_smoothing) + label_smoothing / t.shape[axis] if label_smoothing else t


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Any:
    """-ln p[t], t the number of the class; with ``from_logits`` p = softmax(y_pred).

    Args:
        y_true: integers, of the shape of y_pred without its class axis (which may stand as 1).
        ignore_class: samples of this class get 0 (any number, -1 say).

    Raises:
        ValueError: a label that is no class; the message names the row.

    >>> tg.losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]])
    Tensor([0.6931472])
    """
    t, p = labels("sparse_categorical_crossentropy", y_true, y_pred, axis)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(t, p, from_logits=from_logits, axis=axis)
    keep = ops.not_equal(t, ignore_class)
    t = ops.where(keep, t, 0)
    values = ops.sparse_categorical_crossentropy(t, p, from_logits=from_logits, axis=axis)
    return ops.where(keep, values, 0.0)


def labels(name: str, y_true: Any, y_pred: Any, axis: int = -1) -> tuple[Any, Any]:
    """Class numbers and predictions as Tensors whose shapes agree."""
    p = as_tensor(y_pred)
    t = as_tensor(y_true)
    if t.ndim == p.ndim and t.shape[axis] == 1:
        t = ops.reshape(t, shape=tuple(np.delete(t.shape, axis).tolist()))
    if t.dtype.kind == "f":
        if not (t.data == np.floor(t.data)).all():
            raise ValueError(f"[{name}] Expected class numbers, received fractions in y_true.")
        t = ops.astype(t, dtype=np.dtype("int64"))
    expected = tuple(np.delete(p.shape, axis).tolist())
    if t.shape != expected:
        raise ValueError(
            f"[{name}] y_true and y_pred do not match. Expected y_true of shape {expected} (class "
            f"numbers), received y_true.shape={t.shape}, y_pred.shape={p.shape}."
        )
    return t, p


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float = 0.5) -> Any:
    """(1 - p[t]^q) / q (Zhang and Sabuncu, 2018): cross-entropy for q near 0, less moved by wrong
    labels the nearer q is to 1"""
    t, p = labels("categorical_generalized_cross_entropy", y_true, y_pred)
    onehot = ops.one_hot(t, p.shape[-1], dtype=p.dtype)
    return (1 - ops.sum(p * onehot, axis=-1) ** q) / q


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """sum(t ln(t / p)), both kept within [1e-7, 1] (Kullback and Leibler, 1951)"""
    t, p = pair("kl_divergence", y_true, y_pred)
    t, p = ops.clip(t, EPSILON, 1.0), ops.clip(p, EPSILON, 1.0)
    return ops.sum(t * ops.log(t / p), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """mean(p - t ln(p + 1e-7)): counts t with the expectation p"""
    t, p = pair("poisson", y_true, y_pred)
    return ops.mean(p - t * ops.log(p + EPSILON), axis=-1)


# --- margins --------------------------------------------------------------------------------------


def hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 - t p, 0)), t = -1 or 1

    >>> tg.losses.hinge([[0.0, 1.0]], [[0.5, 0.5]])
    Tensor([1.])
    """
    t, p = pair("hinge", y_true, y_pred)
    return ops.mean(ops.maximum(1 - _signed(t) * p, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 - t p, 0)^2), t = -1 or 1"""
    t, p = pair("squared_hinge", y_true, y_pred)
    return ops.mean(ops.square(ops.maximum(1 - _signed(t) * p, 0.0)), axis=-1)


def _signed(t: Any) -> Any:
    other = ops.max(ops.abs(t * (t - 1)))  # 0 if each target is 0 or 1
    return ops.where(ops.equal(other, 0.0), 2 * t - 1, t)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(max((1 - t) p) - sum(t p) + 1, 0), t one-hot"""
    t, p = pair("categorical_hinge", y_true, y_pred)
    return ops.maximum(ops.max((1 - t) * p, axis=-1) - ops.sum(t * p, axis=-1) + 1, 0.0)


# --- overlap of regions, and distances ------------------------------------------------------------


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """1 - 2 sum(t p) / (sum(t) + sum(p)) over ``axis`` (all axes when None)"""
    t, p = pair("dice", y_true, y_pred)
    total = ops.sum(t, axis=axis) + ops.sum(p, axis=axis)
    return 1 - 2 * ops.sum(t * p, axis=axis) / (total + EPSILON)


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None
) -> Any:
    """1 - s / (s + alpha sum(t (1 - p)) + beta sum((1 - t) p)) with s = sum(t p) (Salehi et al.,
    2017), over ``axis`` (all axes when None)"""
    t, p = pair("tversky", y_true, y_pred)
    both = ops.sum(t * p, axis=axis)
    missed, extra = ops.sum((1 - p) * t, axis=axis), ops.sum(p * (1 - t), axis=axis)
    return 1 - both / (both + alpha * missed + beta * extra + EPSILON)


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> Any:
    """The circle loss of embeddings of length 1 (Sun et al., 2020): pulls together those of one
    label and pushes apart the others, the farther from the aim the harder.

    Args:
        y_true: (N,) labels. y_pred: (N, D), normalized.
        ref_labels, ref_embeddings: what to compare with; the batch itself when None.
        remove_diagonal: leave out the pairs of a sample with itself.
    """
    p = as_tensor(y_pred)
    t = ops.reshape(as_tensor(y_true), shape=(-1,))
    other = p if ref_embeddings is None else as_tensor(ref_embeddings)
    other_t = t if ref_labels is None else ops.reshape(as_tensor(ref_labels), shape=(-1,))
    if p.ndim != 2 or len(t.data) != len(p.data) or len(other_t.data) != len(other.data):
        raise ValueError(
            f"[circle] Expected a label for each row of y_pred (N, D), received "
            f"y_true.shape={t.shape}, y_pred.shape={p.shape}."
        )
    far = ops.maximum(1 - p @ ops.permute_dims(other, axes=(1, 0)), 0.0)
    same = ops.equal(t[:, None], other_t[None, :])
    different = ops.logical_not(same)
    if remove_diagonal:
        same = ops.logical_and(same, wrap(np.eye(*same.shape) == 0))
    pull = -gamma * ops.maximum(margin + far, 0.0) * (margin - far)
    push = gamma * ops.maximum(1 + margin - far, 0.0) * (1 - margin - far)
    return ops.softplus(_logsumexp(pull, same) + _logsumexp(push, different))


def _logsumexp(x: Any, chosen: Any) -> Any:
    """ln of the sum of e^x over the chosen of each row; -inf where none is."""
    x = ops.where(chosen, x, -math.inf)
    top = ops.max(x, axis=1, keepdims=True).detach()
    top = ops.where(top == -math.inf, 0.0, top)
    return ops.log(ops.sum(ops.exp(x - top), axis=1)) + ops.reshape(top, shape=(-1,))


# --- sequences ------------------------------------------------------------------------------------


def ctc(y_true: Any, y_pred: Any) -> Any:
    """-ln of the probability that a sequence of predictions reads as the labels, when repeated
    classes are merged and blanks dropped (Graves et al., 2006).

    The states are the labels with a blank before, between and after them; alpha[s], the
    log-probability to be in state s, moves on by ``alpha'[s] = ln p[s] + logsumexp(alpha[s],
    alpha[s - 1], alpha[s - 2])``, where the jump of two is open only between different labels.

    Args:
        y_true: (N, L) class numbers; 0 is the blank and fills up short rows.
        y_pred: (N, T, classes) logits.

    Returns:
        (N,).
    """
    p, t = as_tensor(y_pred), as_tensor(y_true)
    if t.ndim != 2 or p.ndim != 3 or t.shape[0] != p.shape[0]:
        raise ValueError(
            f"[ctc] Expected y_true (N, L) and y_pred (N, T, classes), received "
            f"y_true.shape={t.shape}, y_pred.shape={p.shape}."
        )
    target = ops.astype(t, dtype=np.dtype(np.int64))
    if ((target.data < 0) | (target.data >= p.shape[-1])).any():
        raise ValueError(f"[ctc] Expected class numbers below {p.shape[-1]} in y_true.")
    n, length = target.shape
    pairs = ops.stack([np.zeros((n, length), np.int64), target], axis=2)
    states = ops.pad(ops.reshape(pairs, shape=(n, 2 * length)), ((0, 0), (0, 1)))
    two_back = ops.pad(states, ((0, 0), (2, 0)))[:, : 2 * length + 1]
    jump = ops.logical_and(states != two_back, np.arange(2 * length + 1) > 1)
    jump = ops.logical_and(states != 0, jump)
    chosen = ops.one_hot(states, p.shape[-1], dtype=p.dtype)  # (N, S, classes)
    log_p = ops.log_softmax(p, axis=-1) @ ops.permute_dims(chosen, axes=(0, 2, 1))
    shift = [np.eye(2 * length + 1, k=k, dtype=p.dtype) for k in (1, 2)]
    low = -1e5 if p.dtype == np.float32 else -1e30  # stands for ln 0: keeps products finite
    alpha = wrap(np.where(np.arange(2 * length + 1) == 0, 0.0, low).astype(p.dtype))
    alpha = ops.broadcast_to(alpha, shape=states.shape)
    for step in range(p.shape[1]):
        one = alpha @ wrap(shift[0])
        one = ops.where(np.arange(2 * length + 1) < 1, low, one)
        two = ops.where(jump, alpha @ wrap(shift[1]), low)
        before = (
            _log_add(_log_add(alpha, one), two)
            if step
            else ops.where(np.arange(2 * length + 1) < 2, 0.0, low)
        )
        alpha = ops.maximum(before + log_p[:, step], low)
    ends = 2 * ops.sum(ops.astype(target != 0, dtype=p.dtype), axis=1, keepdims=True)
    last = np.arange(2 * length + 1)
    final = ops.logical_or(ops.equal(last, ends), ops.equal(last, ends - 1))
    return -_logsumexp(alpha, final)


def _log_add(a: Any, b: Any) -> Any:
    """ln(e^a + e^b)"""
    return ops.maximum(a, b) + ops.log(1 + ops.exp(-ops.abs(a - b)))
