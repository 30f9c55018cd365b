"""One optimizer step in plain NumPy, in place on the parameters and the optimizer's state.

What may change from step to step, the learning rate and the step count, comes in arrays, so that a
captured step sees new values. The formulas are Keras 3's; weight decay is decoupled: first
p -= rate wd p.
"""

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _check(
    op: str, p: Array, others: dict[str, Array | None], rate: Array, hyper: Array, slots: int
) -> None:
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
    for name, numbers, shape in (("rate", rate, ()), ("hyper", hyper, (slots,))):
        if numbers.dtype != np.float64 or numbers.shape != shape:
            raise ValueError(
                f"[{op}] {name} does not fit. Expected a float64 array of shape {shape}, "
                f"received {name}.dtype={numbers.dtype}, {name}.shape={numbers.shape}."
            )


def _check_counter(op: str, counter: Array) -> None:
    if counter.dtype != np.int64 or counter.shape != ():
        raise ValueError(
            f"[{op}] the counter does not fit. Expected an int64 array of shape (), "
            f"received dtype={counter.dtype}, shape={counter.shape}."
        )


def sgd(
    p: Array,
    g: Array,
    velocity: Array | None,
    rate: Array,
    hyper: Array,
    nesterov: bool = False,
) -> None:
    """Stochastic gradient descent; hyper = (momentum, weight decay).

    p -= rate g without a velocity; else v = momentum v - rate g, and p += v, or with nesterov
    p += momentum v - rate g.
    """
    _check("sgd", p, {"g": g, "velocity": velocity}, rate, hyper, 2)
    lr, momentum, decay = (p.dtype.type(h) for h in (rate, hyper[0], rate * hyper[1]))
    with np.errstate(all="ignore"):
        p -= decay * p
        if velocity is None:
            p -= lr * g
        else:
            velocity[...] = momentum * velocity - lr * g
            p += momentum * velocity - lr * g if nesterov else velocity


def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    rate: Array,
    step: Array,
    hyper: Array,
    vhat: Array | None = None,
) -> None:
    """Adam (Kingma and Ba, 2015), with a maximum in vhat AMSGrad (Reddi et al., 2018).

    hyper = (beta 1, beta 2, epsilon, weight decay), the first step is 1.
    m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);
    p -= rate sqrt(1 - b2^step) / (1 - b1^step) m / (sqrt(v) + epsilon).
    """
    _check("adam", p, {"g": g, "m": m, "v": v, "vhat": vhat}, rate, hyper, 4)
    _check_counter("adam", step)
    beta1, beta2, epsilon, decay = (float(h) for h in hyper)
    lr, t, real = float(rate), int(step), p.dtype.type
    alpha = real(lr * math.sqrt(1.0 - beta2**t) / (1.0 - beta1**t))
    with np.errstate(all="ignore"):
        p -= real(lr * decay) * p
        m += real(1.0 - beta1) * (g - m)
        v += real(1.0 - beta2) * (g * g - v)
        if vhat is not None:
            np.maximum(vhat, v, out=vhat)
        p -= alpha * m / (np.sqrt(v if vhat is None else vhat) + real(epsilon))


def increment(counter: Array) -> None:
    """Count one more: counter += 1, in place."""
    _check_counter("increment", counter)
    counter += 1
