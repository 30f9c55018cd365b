"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.op import Op, Value

from .comparison import logical_and, not_equal
from .creation import asarray
from .elementwise import exp, where
from .matmul import matmul, matrix_transpose
from .reduction import max, sum


class Attention(Op):
    """y = softmax(scale q k^T + mask) v;  with p the softmax and gs = p (g v^T - rowsum(g y)):
    gq = scale gs k,  gk = scale gs^T q,  gv = p^T g. The scores are never all in memory."""

    extra = ("lse",)

    def forward(q, k, v, mask, *, causal=False, scale=None):
        return kernels.attention(q, k, v, mask, causal, scale)

    def vjp(g, q, k, v, mask, y, lse, causal, scale):
        grads = attention_grad(g, q, k, v, y, lse, mask, causal=causal, scale=scale)
        return *grads, None


class AttentionGrad(Op):
    """The gradients of Attention in q, k and v."""

    many = True

    def forward(g, q, k, v, y, lse, mask, *, causal, scale):
        return kernels.attention_grad(g, q, k, v, y, lse, mask, causal, scale)

    def reference(g, q, k, v, y, lse, mask, *, causal, scale):
        p = _probabilities(q, k, mask, causal, scale)
        gp = matmul(g, matrix_transpose(v))
        gs = p * (gp - sum(p * gp, axis=-1, keepdims=True)) * _scale_of(q, scale)
        gk = matmul(matrix_transpose(gs), q)
        return matmul(gs, k), gk, matmul(matrix_transpose(p), g)


_attention = Attention()
attention_grad = AttentionGrad()


def attention(
    q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, scale: float | None = None
) -> Any:
    """y = softmax(scale q k^T + mask) v (Vaswani et al., 2017), by blocks of keys with a running
    softmax (Dao et al., 2022): memory grows with T, not with T S.

    Args:
        q: (B, H, T, D). k: (B, H, S, D). v: (B, H, S, E). Transposed views need no copy.
        mask: a constant that broadcasts to (B, H, T, S): boolean, True where a query may attend a
            key (Keras's convention), or float, added to the scaled scores. A query with nothing to
            attend gives 0.
        causal: query t attends keys 0 .. t only, also when T != S.
        scale: 1 / sqrt(D) when None.

    Returns:
        y (B, H, T, E).

    >>> q = tg.tensor(np.zeros((1, 1, 2, 3), "float32"))
    >>> v = tg.tensor([[[[1.0], [3.0]]]])
    >>> tg.ops.attention(q, q, v, causal=True)
    Tensor([[[[1.],
              [2.]]]])
    """
    if isinstance(mask, Value) and mask.node is not None:
        return matmul(attention_weights(q, k, mask, causal, scale), v)
    q, k, v = asarray(q), asarray(k), asarray(v)
    return _attention(q, k, v, mask, causal=causal, scale=scale)


def attention_weights(
    q: Any, k: Any, mask: Any = None, causal: bool = False, scale: float | None = None
) -> Any:
    """softmax(scale q k^T + mask), (B, H, T, S): attention in plain ops, for those who want to see
    the weights, drop some of them, or differentiate the mask. The arguments are `attention`'s.

    >>> q = tg.tensor(np.zeros((1, 1, 2, 3), "float32"))
    >>> tg.ops.attention_weights(q, q, causal=True)
    Tensor([[[[1. , 0. ],
              [0.5, 0.5]]]])
    """
    return _probabilities(asarray(q), asarray(k), mask, causal, scale)


def _scale_of(q: Any, scale: float | None) -> float:
    return 1 / math.sqrt(q.shape[-1] or 1) if scale is None else scale


def _probabilities(q: Any, k: Any, mask: Any, causal: bool, scale: float | None) -> Any:
    """The softmax of the scores; 0 in rows with nothing to attend."""
    s = matmul(q, matrix_transpose(k)) * _scale_of(q, scale)
    allowed = np.tri(q.shape[-2], k.shape[-2], dtype=bool) if causal else None
    if mask is not None:
        mask = asarray(mask)
        seen = mask
        if mask.dtype != bool:
            s = s + mask
            seen = not_equal(mask, -math.inf)  # -inf - -inf would be NaN: such keys are hidden
        allowed = seen if allowed is None else logical_and(seen, allowed)
    if allowed is None:
        top = max(s, axis=-1, keepdims=True).detach()
        e = exp(s - top)
        return e / sum(e, axis=-1, keepdims=True)
    s = where(allowed, s, -math.inf)
    top = max(s, axis=-1, keepdims=True).detach()
    e = where(allowed, exp(where(allowed, s - where(top == -math.inf, 0.0, top), 0.0)), 0.0)
    total = sum(e, axis=-1, keepdims=True)
    return e / where(total == 0.0, 1.0, total)
