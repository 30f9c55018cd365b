"""One optimizer step in plain NumPy, in place on the parameters and the optimizer's state.

The numbers that may change from step to step come in `hyper`, a float64 array, so that a captured
step sees new values. The formulas are Keras 3's; weight decay is decoupled: first p -= lr wd p.
"""

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _check(op: str, p: Array, others: dict[str, Array | None], hyper: Array, slots: int) -> None:
    for name, value in others.items():
        if value is None:
            continue
        if value.shape != p.shape:
            raise ValueError(
                f"[{op}] shapes do not match. Expected {name}.shape == p.shape, "
                f"received p.shape={p.shape}, {name}.shape={value.shape}."
            )
        if value.dtype != p.dtype:
            raise TypeError(
                f"[{op}] dtypes do not match. Expected {name}.dtype == p.dtype, "
                f"received p.dtype={p.dtype}, {name}.dtype={value.dtype}."
            )
    if hyper.dtype != np.float64 or hyper.shape != (slots,):
        raise ValueError(
            f"[{op}] hyper does not fit. Expected a float64 array of shape ({slots},), "
            f"received hyper.dtype={hyper.dtype}, hyper.shape={hyper.shape}."
        )


def sgd(p: Array, g: Array, velocity: Array | None, hyper: Array, nesterov: bool = False) -> None:
    """Stochastic gradient descent; hyper = (learning rate, momentum, weight decay).

    p -= lr g without a velocity; else v = momentum v - lr g, and p += v, or with nesterov
    p += momentum v - lr g.
    """
    _check("sgd", p, {"g": g, "velocity": velocity}, hyper, 3)
    lr, momentum, decay = (p.dtype.type(h) for h in (hyper[0], hyper[1], hyper[0] * hyper[2]))
    with np.errstate(all="ignore"):
        p -= decay * p
        if velocity is None:
            p -= lr * g
        else:
            velocity[...] = momentum * velocity - lr * g
            p += momentum * velocity - lr * g if nesterov else velocity


def adam(p: Array, g: Array, m: Array, v: Array, hyper: Array, vhat: Array | None = None) -> None:
    """Adam (Kingma and Ba, 2015), with a maximum in vhat AMSGrad (Reddi et al., 2018).

    hyper = (learning rate, beta 1, beta 2, epsilon, weight decay, step), the first step is 1.
    m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);
    p -= lr sqrt(1 - b2^step) / (1 - b1^step) m / (sqrt(v) + epsilon).
    """
    _check("adam", p, {"g": g, "m": m, "v": v, "vhat": vhat}, hyper, 6)
    lr, beta1, beta2, epsilon, decay, step = (float(h) for h in hyper)
    real = p.dtype.type
    alpha = real(lr * math.sqrt(1.0 - beta2**step) / (1.0 - beta1**step))
    with np.errstate(all="ignore"):
        p -= real(lr * decay) * p
        m += real(1.0 - beta1) * (g - m)
        v += real(1.0 - beta2) * (g * g - v)
        if vhat is not None:
            np.maximum(vhat, v, out=vhat)
        p -= alpha * m / (np.sqrt(v if vhat is None else vhat) + real(epsilon))
