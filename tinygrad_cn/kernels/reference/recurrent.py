"""Simple RNN, LSTM and GRU over whole sequences in plain NumPy: what the compiled kernels compute.

Arrays are time-major, (T, N, ...): a step is then one contiguous block.

`states` holds one more step than the input: states[0] is the initial state and states[t + 1] the
state after step t. Where mask[t, n] is False the step keeps the state.

What goes into the products of a step of the simple RNN and the LSTM stands side by side in one
array, joined[t] = [x_t, 1, h_{t-1}] (N, D + 1 + U), without the 1 if there is no bias. All that is
linear in a step is then one product, joined[t] [W; b; R], and so is the gradient of all three:
joined^T gz. In the GRU the part of the state is kept apart, for its reset gate multiplies that
alone; its x W + b is computed outside, for all steps at once.

The gates are stored after their activation; the gradients need nothing else.
"""

import numpy as np


def _sigmoid(x):
    """1 / (1 + exp(-x)), with exp of nothing positive."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def check_gru(op, z, recurrent_kernel, recurrent_bias=None, h0=None, mask=None):
    if np.ndim(z) != 3 or np.ndim(recurrent_kernel) != 2:
        raise ValueError(
            f"[{op}] wrong number of dimensions. Expected z (T, N, 3 U) and recurrent_kernel "
            f"(U, 3 U), received z.shape={np.shape(z)}, recurrent_kernel.shape="
            f"{np.shape(recurrent_kernel)}."
        )
    n_steps, n_rows, width = z.shape
    units = recurrent_kernel.shape[0]
    if width != 3 * units:
        raise ValueError(
            f"[{op}] z and recurrent_kernel do not fit. Expected z (T, N, 3 U) and "
            f"recurrent_kernel (U, 3 U), received z.shape={z.shape}, "
            f"recurrent_kernel.shape={recurrent_kernel.shape}."
        )
    expected = {
        "recurrent_kernel": (recurrent_kernel, (units, width)),
        "recurrent_bias": (recurrent_bias, (width,)),
        "h0": (h0, (n_rows, units)),
        "mask": (mask, (n_steps, n_rows)),
    }
    _check_shapes(op, expected, f"z of shape {z.shape}")
    return n_steps, n_rows, units


def _check_shapes(op, expected, whose):
    for name, (array, shape) in expected.items():
        if array is not None and array.shape != shape:
            raise ValueError(
                f"[{op}] {name} does not fit. Expected shape {shape} for {whose}, received "
                f"{name}.shape={array.shape}."
            )


def check_joined(op, x, kernel, recurrent_kernel, n_gates, bias, h0=None, c0=None, mask=None):
    """For the cells that are given the inputs and their kernel; returns T, N, D, U."""
    if np.ndim(x) != 3 or np.ndim(kernel) != 2 or np.ndim(recurrent_kernel) != 2:
        raise ValueError(
            f"[{op}] wrong number of dimensions. Expected x (T, N, D), kernel (D, {n_gates} U) and "
            f"recurrent_kernel (U, {n_gates} U), received x.shape={np.shape(x)}, kernel.shape="
            f"{np.shape(kernel)}, recurrent_kernel.shape={np.shape(recurrent_kernel)}."
        )
    (n_steps, n_rows, n_inputs), units = x.shape, len(recurrent_kernel)
    width = n_gates * units
    expected = {
        "kernel": (kernel, (n_inputs, width)),
        "recurrent_kernel": (recurrent_kernel, (units, width)),
        "bias": (bias, (width,)),
        "h0": (h0, (n_rows, units)),
        "c0": (c0, (n_rows, units)),
        "mask": (mask, (n_steps, n_rows)),
    }
    _check_shapes(op, expected, f"x (T, N, D) of shape {x.shape} and {units} units")
    return n_steps, n_rows, n_inputs, units


def check_sequence_grad(op, g, kept):
    """``kept``: the states or the cells, (T + 1, N, U)."""
    if g.shape != kept.shape:
        raise ValueError(
            f"[{op}] g does not fit. Expected shape {kept.shape}, received g.shape={g.shape}."
        )


def check_joined_grad(op, g, kept, joined, recurrent_kernel, width, mask):
    units = len(recurrent_kernel)
    check_sequence_grad(op, g, kept)
    fit = kept.ndim == 3 and joined.ndim == 3 and joined.shape[-1] >= units == kept.shape[-1]
    fit = fit and joined.shape[:-1] == (len(kept) - 1, kept.shape[1])
    if not fit or recurrent_kernel.shape != (units, width):
        raise ValueError(
            f"[{op}] joined and recurrent_kernel do not fit. Expected (T, N, D + U), with a bias "
            f"(T, N, D + 1 + U), and (U, {width}) for g.shape={g.shape}, received joined.shape="
            f"{joined.shape}, recurrent_kernel.shape={recurrent_kernel.shape}."
        )
    _check_shapes(op, {"mask": (mask, joined.shape[:-1])}, f"joined of shape {joined.shape}")


def check_lstm_grad(g, gc, cells, gates, joined, recurrent_kernel, mask):
    width = 4 * len(recurrent_kernel)
    check_joined_grad("lstm_grad", g, cells, joined, recurrent_kernel, width, mask)
    expected = {"gates": (gates, (*joined.shape[:-1], width)), "gc": (gc, cells.shape[1:])}
    _check_shapes("lstm_grad", expected, f"cells of shape {cells.shape}")


def _start(n_steps, initial, shape, dtype):
    states = np.zeros((n_steps + 1, *shape), dtype)
    if initial is not None:
        states[0] = initial
    return states


def _product(states, t, recurrent_kernel, h0):
    """h_{t-1} R. Without h0 that of the first step has no terms: 0 even where R is infinite."""
    terms = 0 if t == 0 and h0 is None else len(recurrent_kernel)
    return np.matmul(states[t][:, :terms], recurrent_kernel[:terms])


def _weight_grad(states, ga, initial):
    """The sum over steps and rows of h^T ga, as one product; without the first step if its h is the
    zeros of no h0."""
    units, width = states.shape[-1], ga.shape[-1]
    first = 0 if initial else 1
    return np.matmul(states[first:-1].reshape(-1, units).T, ga[first:].reshape(-1, width))


def _join(x, bias, units):
    """joined, its states still to come."""
    n_steps, n_rows, n_inputs = x.shape
    joined = np.zeros((n_steps, n_rows, n_inputs + (bias is not None) + units), x.dtype)
    joined[..., :n_inputs] = x
    if bias is not None:
        joined[..., n_inputs] = 1
    return joined


def _stack(kernel, bias, recurrent_kernel):
    """[W; b; R]."""
    rows = [kernel, recurrent_kernel] if bias is None else [kernel, bias[None], recurrent_kernel]
    return np.concatenate(rows)


def _joined_product(joined, t, weights, units, h0):
    """joined[t] [W; b; R], without the terms of R where there is no h0: R may be infinite."""
    terms = len(weights) - (units if t == 0 and h0 is None else 0)
    return np.matmul(joined[t][:, :terms], weights[:terms])


def _joined_grad(joined, gz):
    """The gradient of [W; b; R]."""
    return np.matmul(joined.reshape(-1, joined.shape[-1]).T, gz.reshape(-1, gz.shape[-1]))


@np.errstate(all="ignore")
def simple_rnn(x, kernel, recurrent_kernel, bias=None, h0=None, mask=None):
    """h_t = tanh(x_t W + b + h_{t-1} R).

    Args:
        x: (T, N, D). kernel: W, (D, U). recurrent_kernel: R, (U, U). bias: b, (U,), or None.
        h0: (N, U), zeros when None. mask: (T, N) boolean.

    Returns:
        states (T + 1, N, U), joined (T, N, D + 1 + U).
    """
    n_steps, n_rows, _, units = check_joined(
        "simple_rnn", x, kernel, recurrent_kernel, 1, bias, h0, mask=mask
    )
    states = _start(n_steps, h0, (n_rows, units), x.dtype)
    joined, weights = _join(x, bias, units), _stack(kernel, bias, recurrent_kernel)
    for t in range(n_steps):
        joined[t, :, len(weights) - units :] = states[t]
        h = np.tanh(_joined_product(joined, t, weights, units, h0))
        states[t + 1] = h if mask is None else np.where(mask[t, :, None], h, states[t])
    return states, joined


@np.errstate(all="ignore")
def simple_rnn_grad(g, states, joined, recurrent_kernel, mask=None, initial=True):
    """Gradients of `simple_rnn`; g (T + 1, N, U) belongs to states, row 0 included.

    ``initial`` is False where there was no h0: states[0] is 0, and nobody asks for its gradient.

    Returns:
        gz (T, N, U), that of x_t W + b + h_{t-1} R; gweights (D + 1 + U, U), that of [W; b; R]; gh0
        (N, U), None without ``initial``.
    """
    units = len(recurrent_kernel)
    check_joined_grad("simple_rnn_grad", g, states, joined, recurrent_kernel, units, mask)
    gz = np.zeros(states[1:].shape, states.dtype)
    gh = g[-1]
    for t in reversed(range(len(gz))):
        live = gh if mask is None else np.where(mask[t, :, None], gh, 0)
        gz[t] = live * (1 - states[t + 1] ** 2)
        gh = g[t] + (gh - live) + np.matmul(gz[t], recurrent_kernel.T)
    return gz, _joined_grad(joined, gz), np.array(gh) if initial else None


@np.errstate(all="ignore")
def lstm(x, kernel, recurrent_kernel, bias=None, h0=None, c0=None, mask=None):
    """i, f, o = sigmoid(a), u = tanh(a) of the parts (i, f, u, o) of a = x_t W + b + h_{t-1} R;
    c_t = f c_{t-1} + i u;  h_t = o tanh(c_t).

    Args:
        x: (T, N, D). kernel: W, (D, 4 U). recurrent_kernel: R, (U, 4 U). bias: b, (4 U,), or None.
        h0, c0: (N, U), zeros when None. mask: (T, N) boolean.

    Returns:
        states (T + 1, N, U), cells (T + 1, N, U), gates (T, N, 4 U) = (i, f, u, o), joined (T, N,
        D + 1 + U).
    """
    n_steps, n_rows, _, units = check_joined(
        "lstm", x, kernel, recurrent_kernel, 4, bias, h0, c0, mask
    )
    states = _start(n_steps, h0, (n_rows, units), x.dtype)
    cells = _start(n_steps, c0, (n_rows, units), x.dtype)
    gates = np.empty((n_steps, n_rows, 4 * units), x.dtype)
    joined, weights = _join(x, bias, units), _stack(kernel, bias, recurrent_kernel)
    for t in range(n_steps):
        joined[t, :, len(weights) - units :] = states[t]
        a = _joined_product(joined, t, weights, units, h0)
        i, f, u, o = np.split(a, 4, axis=-1)
        i, f, u, o = _sigmoid(i), _sigmoid(f), np.tanh(u), _sigmoid(o)
        gates[t] = np.concatenate([i, f, u, o], axis=-1)
        c = f * cells[t] + i * u
        h = o * np.tanh(c)
        live = True if mask is None else mask[t, :, None]
        cells[t + 1] = np.where(live, c, cells[t])
        states[t + 1] = np.where(live, h, states[t])
    return states, cells, gates, joined


@np.errstate(all="ignore")
def lstm_grad(g, gc, cells, gates, joined, recurrent_kernel, mask=None, initial=True):
    """Gradients of `lstm`; g (T + 1, N, U) belongs to states, gc (N, U) or None to cells[-1].

    ``initial`` is False where there was neither h0 nor c0.

    Returns:
        gz (T, N, 4 U), that of x_t W + b + h_{t-1} R; gweights (D + 1 + U, 4 U), that of [W; b; R];
        gh0 (N, U), gc0 (N, U), None without ``initial``.
    """
    check_lstm_grad(g, gc, cells, gates, joined, recurrent_kernel, mask)
    gz = np.zeros(gates.shape, cells.dtype)
    gh = g[-1]
    gc = np.zeros_like(gh) if gc is None else gc
    for t in reversed(range(len(gz))):
        i, f, u, o = np.split(gates[t], 4, axis=-1)
        top = np.tanh(cells[t + 1])
        live = np.ones((len(gh), 1), bool) if mask is None else mask[t, :, None]
        gh_live = np.where(live, gh, 0)
        gc_live = np.where(live, gc, 0) + gh_live * o * (1 - top**2)
        gz[t] = np.concatenate(
            [
                gc_live * u * i * (1 - i),
                gc_live * cells[t] * f * (1 - f),
                gc_live * i * (1 - u**2),
                gh_live * top * o * (1 - o),
            ],
            axis=-1,
        )
        gc = np.where(live, gc_live * f, gc)
        gh = g[t] + np.where(live, 0, gh) + np.matmul(gz[t], recurrent_kernel.T)
    ends = (np.array(gh), np.array(gc)) if initial else (None, None)
    return gz, _joined_grad(joined, gz), *ends


@np.errstate(all="ignore")
def gru(z, recurrent_kernel, recurrent_bias=None, h0=None, mask=None):
    """The GRU with the reset gate after the product (Keras's and cuDNN's).

    With (az, ar, ah) the parts of z_t and (bz, br, bh) those of h_{t-1} R + recurrent_bias:
    u = sigmoid(az + bz);  r = sigmoid(ar + br);  n = tanh(ah + r bh);  h_t = u h_{t-1} + (1 - u) n.

    Args:
        z: (T, N, 3 U), the inputs times their kernel, input bias added. recurrent_kernel: R,
            (U, 3 U). recurrent_bias: (3 U,). h0: (N, U), zeros when None. mask: (T, N) boolean.

    Returns:
        states (T + 1, N, U), gates (T, N, 4 U) = (u, r, n, bh).
    """
    n_steps, n_rows, units = check_gru("gru", z, recurrent_kernel, recurrent_bias, h0, mask)
    states = _start(n_steps, h0, (n_rows, units), z.dtype)
    gates = np.empty((n_steps, n_rows, 4 * units), z.dtype)
    for t in range(n_steps):
        b = _product(states, t, recurrent_kernel, h0)
        bz, br, bh = np.split(b if recurrent_bias is None else b + recurrent_bias, 3, axis=-1)
        az, ar, ah = np.split(z[t], 3, axis=-1)
        u, r = _sigmoid(az + bz), _sigmoid(ar + br)
        n = np.tanh(ah + r * bh)
        gates[t] = np.concatenate([u, r, n, bh], axis=-1)
        h = u * states[t] + (1 - u) * n
        states[t + 1] = h if mask is None else np.where(mask[t, :, None], h, states[t])
    return states, gates


@np.errstate(all="ignore")
def gru_grad(g, states, gates, recurrent_kernel, mask=None, initial=True):
    """Gradients of `gru`; g (T + 1, N, U) belongs to states, row 0 included.

    ``initial`` is False where there was no h0.

    Returns:
        gz (T, N, 3 U), grecurrent_kernel (U, 3 U), grecurrent_bias (3 U,), gh0 (N, U), None without
        ``initial``.
    """
    check_sequence_grad("gru_grad", g, states)
    units = states.shape[-1]
    check_gru("gru_grad", gates[..., : 3 * units], recurrent_kernel, mask=mask)
    gz = np.zeros((*gates.shape[:2], 3 * units), states.dtype)
    gb = np.zeros_like(gz)  # the gradient of h R + recurrent_bias: differs from gz in the last part
    gh = g[-1]
    for t in reversed(range(len(gz))):
        u, r, n, bh = np.split(gates[t], 4, axis=-1)
        live = np.ones((len(gh), 1), bool) if mask is None else mask[t, :, None]
        gh_live = np.where(live, gh, 0)
        gu = gh_live * (states[t] - n) * u * (1 - u)
        gn = gh_live * (1 - u) * (1 - n**2)
        gr = gn * bh * r * (1 - r)
        gz[t] = np.concatenate([gu, gr, gn], axis=-1)
        gb[t] = np.concatenate([gu, gr, gn * r], axis=-1)
        gh = g[t] + np.where(live, gh_live * u, gh) + np.matmul(gb[t], recurrent_kernel.T)
    gh0 = np.array(gh) if initial else None
    return gz, _weight_grad(states, gb, initial), gb.sum(axis=(0, 1)), gh0
