"""Scaled dot-product attention in plain NumPy: what the compiled kernel must compute.

The compiled kernel walks the keys by blocks and never holds the (T, S) scores; this twin writes the
same formula straight down.
"""

import math

import numpy as np


def check_attention(op, q, k, v, mask):
    shapes = f"received q.shape={np.shape(q)}, k.shape={np.shape(k)}, v.shape={np.shape(v)}."
    if not np.ndim(q) == np.ndim(k) == np.ndim(v) == 4:
        raise ValueError(
            f"[{op}] queries, keys and values are 4-D. Expected q (B, H, T, D), k (B, H, S, D), "
            f"v (B, H, S, E), {shapes}"
        )
    fits = q.shape[:2] == k.shape[:2] == v.shape[:2] and q.shape[3] == k.shape[3]
    if not fits or k.shape[2] != v.shape[2]:
        raise ValueError(
            f"[{op}] queries, keys and values do not fit together. Expected q (B, H, T, D), "
            f"k (B, H, S, D), v (B, H, S, E), {shapes}"
        )
    if mask is not None:
        full = (*q.shape[:3], k.shape[2])
        try:
            fits = np.broadcast_shapes(mask.shape, full) == full
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"[{op}] the mask does not broadcast to the scores. Expected (B, H, T, S)={full}, "
                f"received mask.shape={mask.shape}."
            )
        if mask.dtype.kind not in "bf":
            raise TypeError(
                f"[{op}] a mask is boolean (True: may attend) or is added to the scores. Expected "
                f"bool or float, received mask.dtype={mask.dtype}."
            )


def check_attention_grad(g, q, k, v, y, lse, mask):
    check_attention("attention_grad", q, k, v, mask)
    if g.shape != y.shape or y.shape != (*q.shape[:3], v.shape[3]) or lse.shape != q.shape[:3]:
        raise ValueError(
            f"[attention_grad] g, y and lse do not fit q and v. Expected g and y of shape "
            f"{(*q.shape[:3], v.shape[3])} and lse of shape {q.shape[:3]}, received "
            f"g.shape={g.shape}, y.shape={y.shape}, lse.shape={lse.shape}."
        )


def scale_of(q, scale):
    return q.dtype.type(1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale)


def _scores(q, k, mask, causal, scale):
    """scale q k^T with what may not be attended at -inf."""
    s = np.matmul(q, np.swapaxes(k, -1, -2)) * scale
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask.astype(s.dtype)
    if causal:
        s = np.where(np.tri(q.shape[2], k.shape[2], dtype=bool), s, -np.inf)
    return s


def _exp_from(s, top):
    """exp(s - top), 0 where top is -inf (a row with nothing to attend)."""
    return np.exp(s - np.where(np.isneginf(top), 0, top))


@np.errstate(all="ignore")
def attention(q, k, v, mask=None, causal=False, scale=None):
    """y = softmax(scale q k^T + mask) v, each query over the keys it may attend.

    Args:
        q: (B, H, T, D). k: (B, H, S, D). v: (B, H, S, E).
        mask: broadcastable to (B, H, T, S): boolean, True where a query may attend a key (Keras's
            convention), or float, added to the scaled scores.
        causal: query t attends keys 0 .. t only (the lower triangle, also when T != S).
        scale: 1 / sqrt(D) when None.

    Returns:
        y (B, H, T, E), and lse (B, H, T), the log of the sum of exp of each row's scores. A query
        with nothing to attend gets y = 0 and lse = -inf; its gradients are 0.
    """
    check_attention("attention", q, k, v, mask)
    s = _scores(q, k, mask, causal, scale_of(q, scale)).astype(q.dtype, copy=False)
    top = s.max(axis=-1, initial=-np.inf, keepdims=True)
    p = _exp_from(s, top)
    total = p.sum(axis=-1, keepdims=True)
    empty = total == 0
    y = np.matmul(p / np.where(empty, 1, total), v)
    return y, (top + np.log(total))[..., 0]


@np.errstate(all="ignore")
def attention_grad(g, q, k, v, y, lse, mask=None, causal=False, scale=None):
    """Gradients of `attention` in q, k and v, from its results.

    With p = exp(scores - lse), d = rowsum(g y) and gs = scale p (g v^T - d):
    gq = gs k, gk = gs^T q, gv = p^T g.

    Returns:
        gq, gk, gv with the shapes of q, k, v.
    """
    check_attention_grad(g, q, k, v, y, lse, mask)
    scale = scale_of(q, scale)
    p = _exp_from(_scores(q, k, mask, causal, scale), lse[..., None]).astype(q.dtype, copy=False)
    gs = p * (np.matmul(g, np.swapaxes(v, -1, -2)) - (g * y).sum(axis=-1, keepdims=True)) * scale
    gk = np.matmul(np.swapaxes(gs, -1, -2), q)
    return np.matmul(gs, k), gk, np.matmul(np.swapaxes(p, -1, -2), g)
