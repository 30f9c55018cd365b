"""Matrix products in plain NumPy: what the compiled GEMM must compute."""

import numpy as np

_GELU_SCALE = 0.7978845608028654  # sqrt(2 / pi)

_ACTIVATIONS = {
    None: lambda y: y,
    "relu": lambda y: np.maximum(y, 0),
    "tanh": np.tanh,
    "sigmoid": lambda y: 0.5 * (1 + np.tanh(0.5 * y)),
    "gelu_tanh": lambda y: 0.5 * y * (1 + np.tanh(_GELU_SCALE * (y + 0.044715 * y**3))),
}


def check_activation(op, activation):
    """Raise unless `activation` can be folded into the product."""
    if activation not in _ACTIVATIONS:
        raise ValueError(
            f"[{op}] unknown activation. Expected one of None, 'relu', 'tanh', 'sigmoid', "
            f"'gelu_tanh', received activation={activation!r}."
        )


def finish(op, y, bias, activation):
    """y + bias over the last axis, then the activation: the epilogue of a product."""
    check_activation(op, activation)
    if bias is not None:
        bias = np.asarray(bias)
        if y.ndim == 0 or bias.shape != y.shape[-1:]:
            raise ValueError(
                f"[{op}] bias must hold one value per output column. Expected shape "
                f"{y.shape[-1:]}, received bias.shape={bias.shape}."
            )
        y = y + bias
    return _ACTIVATIONS[activation](y)


def check_matmul(a, b):
    """Raise unless the shapes of a and b can be multiplied."""
    shapes = f"received a.shape={a.shape}, b.shape={b.shape}."
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"[matmul] a scalar has no columns. Expected at least one axis, {shapes}")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"[matmul] inner sizes differ. Expected a (..., m, k) and b (..., k, n), {shapes}"
        )
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(
            f"[matmul] batch axes do not broadcast. Expected equal sizes or 1, {shapes}"
        ) from None


def matmul(a, b, bias=None, activation=None):
    """y = activation(a @ b + bias).

    Args:
        a: (..., m, k). b: (..., k, n). The leading axes broadcast; a vector is a row on the left
            and a column on the right, as in `numpy.matmul`.
        bias: (n,) or None.
        activation: None, "relu", "tanh", "sigmoid" or "gelu_tanh".

    Returns:
        (..., m, n).
    """
    a, b = np.asarray(a), np.asarray(b)
    check_matmul(a, b)
    return finish("matmul", np.matmul(a, b), bias, activation)
