"""Recurrent sequences: simple RNN, LSTM and GRU, with Keras's weights and conventions.

A fused op runs all steps, and its gradient ends in one matrix product for all weights. Inside, the
arrays are time-major (T, N, ...), so that a step is one contiguous block. The GRU, whose reset gate
multiplies the product with the state alone, is given x W + b, one product over all steps.

The fused ops know the default activations. `rnn` runs any step function, and the `*_step` functions
below are the same cells in plain ops: for other activations, for reading, and for the derivatives
of the fused gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cn import autograd, kernels
from tinygrad_cn.op import Identity, Op, Value, leaf, wrap

from .activation import sigmoid
from .creation import asarray
from .elementwise import where
from .joining import concat, split, stack
from .matmul import linear, matmul
from .reduction import sum
from .shape import astype, matrix_transpose, permute_dims, reshape
from .trigonometry import tanh

_identity = Identity()

# --- the cells in plain ops -----------------------------------------------------------------------


def simple_rnn_step(z, states, recurrent_kernel, activation=tanh):
    """h' = activation(z + h R), for z the input part (N, U) and states (h,)."""
    h = activation(z + matmul(states[0], recurrent_kernel))
    return h, (h,)


def lstm_step(z, states, recurrent_kernel, activation=tanh, recurrent_activation=sigmoid):
    """c' = f c + i u, h' = o activation(c'), for z (N, 4 U) = (i, f, u, o) and states (h, c)."""
    h, c = states
    i, f, u, o = split(z + matmul(h, recurrent_kernel), 4, axis=-1)
    c = recurrent_activation(f) * c + recurrent_activation(i) * activation(u)
    h = recurrent_activation(o) * activation(c)
    return h, (h, c)


def gru_step(
    z,
    states,
    recurrent_kernel,
    recurrent_bias=None,
    activation=tanh,
    recurrent_activation=sigmoid,
    reset_after=True,
    seen=None,
):
    """h' = u h + (1 - u) n, for z (N, 3 U) = parts u, r, n and states (h,).

    The reset gate r multiplies the product h R of the part n (reset_after), or h before it.
    ``seen`` stands in the products for h, if given (recurrent dropout).
    """
    (h,) = states
    seen = h if seen is None else seen
    zu, zr, zn = split(z, 3, axis=-1)
    if reset_after:
        b = matmul(seen, recurrent_kernel)
        bu, br, bn = split(b if recurrent_bias is None else b + recurrent_bias, 3, axis=-1)
        u, r = recurrent_activation(zu + bu), recurrent_activation(zr + br)
        n = activation(zn + r * bn)
    else:
        ru, rr, rn = split(recurrent_kernel, 3, axis=-1)
        u = recurrent_activation(zu + matmul(seen, ru))
        r = recurrent_activation(zr + matmul(seen, rr))
        n = activation(zn + matmul(r * seen, rn))
    h = u * h + (1 - u) * n
    return h, (h,)


def rnn(step: Callable, x: Any, states: Sequence[Any], mask: Any = None) -> tuple[Any, tuple]:
    """Run ``step`` over time: y_t, states = step(x_t, states).

    Args:
        step: a function of (N, ...) arrays and the tuple of states.
        x: (T, N, ...), time first.
        states: the initial states, (N, ...) each.
        mask: (T, N) boolean; where it is False the states stay and the output is that of the step
            before (0 at first).

    Returns:
        y (T, N, ...) and the last states.

    >>> x = tg.tensor([[[1.0]], [[2.0]]])
    >>> tg.ops.rnn(lambda x, s: (x + s[0], (x + s[0],)), x, (tg.tensor([[0.0]]),))[0]
    Tensor([[[1.]],
    <BLANKLINE>
            [[3.]]])
    """
    x, states = asarray(x), tuple([asarray(s) for s in states])
    outputs: list[Any] = []
    for t in range(x.shape[0]):
        y, new = step(x[t], states)
        if mask is not None:
            live = np.reshape(_constant(mask)[t], (-1, *[1] * (y.ndim - 1)))
            y = where(live, y, outputs[-1] if outputs else 0.0)
            new = [where(live, a, b) for a, b in zip(new, states, strict=True)]
        outputs.append(y)
        states = tuple(new)
    return stack(outputs, axis=0), states


# --- the fused steps: time-major, default activations ---------------------------------------------


class SimpleRNNSteps(Op):
    """states[t + 1] = tanh(x[t] W + b + states[t] R), states[0] = h0; see kernels.reference."""

    extra = ("joined",)

    def forward(x, kernel, recurrent_kernel, bias, h0, mask):
        return kernels.simple_rnn(x, kernel, recurrent_kernel, bias, h0, mask)

    def vjp(g, x, kernel, recurrent_kernel, bias, h0, mask, y, joined, needs):
        given = x, kernel, recurrent_kernel, bias, h0
        gz, gweights, *initial = _simple_rnn_grad(g, *given, y, joined, mask)
        return *_parts(gz, gweights, kernel, bias, needs), *(initial or (None,)), None


class SimpleRNNStepsGrad(Op):
    """The gradients of SimpleRNNSteps in x[t] W + b + states[t] R, in [W; b; R], and in h0 if there
    is one."""

    many = True

    def forward(g, x, kernel, recurrent_kernel, bias, h0, states, joined, mask):
        kept = states, joined
        return _present(kernels.simple_rnn_grad(g, *kept, recurrent_kernel, mask, h0 is not None))

    def reference(g, x, kernel, recurrent_kernel, bias, h0, states, joined, mask):
        def run(z, r, h0):
            return _all_states(lambda a, s: simple_rnn_step(a, s, r), z, (h0,), mask)[:1]

        given = _linear(x, kernel, bias), recurrent_kernel, _or_zeros(h0, states)
        gz, gr, gh0 = _pull_back(run, given, (g,))
        return gz, _stacked(x, gz, bias, gr), *([] if h0 is None else [gh0])


class LSTMSteps(Op):
    """(i, f, u, o) = x[t] W + b + states[t] R; c = sigmoid(f) c + sigmoid(i) tanh(u);
    states[t + 1] = sigmoid(o) tanh(c); the outputs are all states and the last c."""

    many = True
    extra = ("cells", "gates", "joined")

    def forward(x, kernel, recurrent_kernel, bias, h0, c0, mask):
        given = x, kernel, recurrent_kernel, bias, h0, c0
        states, cells, gates, joined = kernels.lstm(*given, mask)
        return states, cells[-1], cells, gates, joined

    def vjp(g, x, kernel, recurrent_kernel, bias, h0, c0, mask, y, cells, gates, joined, needs):
        given = x, kernel, recurrent_kernel, bias, h0, c0
        gz, gweights, *initial = _lstm_grad(*g, *given, cells, gates, joined, mask)
        return *_parts(gz, gweights, kernel, bias, needs), *(initial or (None, None)), None


class LSTMStepsGrad(Op):
    """The gradients of LSTMSteps in x[t] W + b + states[t] R and in [W; b; R]; with an h0 or c0, in
    both of them."""

    many = True

    def forward(g, gc, x, kernel, recurrent_kernel, bias, h0, c0, cells, gates, joined, mask):
        kept, initial = (cells, gates, joined), h0 is not None or c0 is not None
        return _present(kernels.lstm_grad(g, gc, *kept, recurrent_kernel, mask, initial))

    def reference(g, gc, x, kernel, recurrent_kernel, bias, h0, c0, cells, gates, joined, mask):
        def run(z, r, h0, c0):
            states, cells = _all_states(lambda a, s: lstm_step(a, s, r), z, (h0, c0), mask)
            return states, cells[-1]

        initial = _or_zeros(h0, cells), _or_zeros(c0, cells)
        given = _linear(x, kernel, bias), recurrent_kernel, *initial
        gz, gr, *ends = _pull_back(run, given, (g, gc))
        return gz, _stacked(x, gz, bias, gr), *([] if h0 is None and c0 is None else ends)


class GRUSteps(Op):
    """u, r = sigmoid of the parts of z[t] + b, b = states[t] R + recurrent_bias;
    n = tanh(z[t] + r b), states[t + 1] = u states[t] + (1 - u) n."""

    extra = ("gates",)

    def forward(z, recurrent_kernel, recurrent_bias, h0, mask):
        return kernels.gru(z, recurrent_kernel, recurrent_bias, h0, mask)

    def vjp(g, z, recurrent_kernel, recurrent_bias, h0, mask, y, gates):
        grads = _gru_grad(g, z, recurrent_kernel, recurrent_bias, h0, y, gates, mask)
        gz, gr, gb, *initial = grads
        return gz, gr, gb, *(initial or (None,)), None


class GRUStepsGrad(Op):
    """The gradients of GRUSteps in z, recurrent_kernel, recurrent_bias and h0, if there is one."""

    many = True

    def forward(g, z, recurrent_kernel, recurrent_bias, h0, states, gates, mask):
        grads = kernels.gru_grad(g, states, gates, recurrent_kernel, mask, h0 is not None)
        return _present(grads)

    def reference(g, z, recurrent_kernel, recurrent_bias, h0, states, gates, mask):
        def run(z, r, b, h0):
            return _all_states(lambda a, s: gru_step(a, s, r, b), z, (h0,), mask)[:1]

        if recurrent_bias is None:
            recurrent_bias = wrap(np.zeros(z.shape[-1], z.dtype))
        initial = _or_zeros(h0, states)
        grads = _pull_back(run, (z, recurrent_kernel, recurrent_bias, initial), (g,))
        return grads if h0 is not None else grads[:3]


_simple_rnn = SimpleRNNSteps()
_simple_rnn_grad = SimpleRNNStepsGrad()
_lstm = LSTMSteps()
_lstm_grad = LSTMStepsGrad()
_gru = GRUSteps()
_gru_grad = GRUStepsGrad()


def _linear(x, kernel, bias):
    """x W + b at all steps, as plain ops."""
    z = matmul(x, kernel)
    return z if bias is None else z + bias


def _stacked(x, gz, bias, gr):
    """The gradient of [W; b; R], from that of x W + b + h R and that of R, as plain ops."""
    n = gz.shape[0] * gz.shape[1]
    rows, g = (reshape(a, shape=(n, a.shape[-1])) for a in (x, gz))
    gb = [] if bias is None else [sum(g, axis=0, keepdims=True)]
    return concat([matmul(matrix_transpose(rows), g), *gb, gr])


def _parts(gz, gweights, kernel, bias, needs):
    """The gradients of x, kernel, recurrent_kernel and bias, from those of x W + b + h R and of
    [W; b; R]."""
    d = len(kernel)
    gx = matmul(gz, matrix_transpose(kernel)) if needs[0] else None
    if bias is None:
        return gx, gweights[:d], gweights[d:], None
    return gx, gweights[:d], gweights[d + 1 :], gweights[d]


def _all_states(step, z, states, mask):
    """Every state at all times, (T + 1, N, U) each: rnn with the states as its output."""
    kept = [list(states)]
    for t in range(z.shape[0]):
        _, states = rnn(step, z[t : t + 1], kept[-1], None if mask is None else mask[t : t + 1])
        kept.append(list(states))
    return [stack(list(over_time), axis=0) for over_time in zip(*kept, strict=True)]


def _pull_back(run, inputs, gs):
    """The gradients of run(*inputs), outputs weighted by gs, with respect to each input."""
    aliases = [_identity(x) if x.node is not None else wrap(x.data, leaf(x)) for x in inputs]
    outputs = run(*aliases)
    found = autograd.grad(outputs, aliases, gs, create_graph=True, allow_unused=True)
    pairs = zip(aliases, found, strict=True)
    return [wrap(np.zeros_like(x.data)) if g is None else g for x, g in pairs]


def _present(grads):
    return tuple([g for g in grads if g is not None])


def _or_zeros(initial, states):
    if initial is None:
        return wrap(np.zeros(states.shape[1:], states.dtype))
    return initial


# --- the public sequences -------------------------------------------------------------------------


def simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    h0: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
) -> tuple[Any, Any]:
    """h_t = tanh(x_t W + h_{t-1} R + b) over a whole sequence (Elman, 1990).

    Args:
        x: (N, T, D). kernel: W, (D, U). recurrent_kernel: R, (U, U). bias: (U,) or None.
        h0: the initial state, (N, U); zeros when None.
        mask: (N, T) boolean; a step where it is False keeps the state and repeats the output.
        go_backwards: run from the last step to the first; y is in the order of the run.

    Returns:
        y (N, T, U), the h of every step, and the last h (N, U).

    >>> one = tg.tensor([[1.0]])
    >>> y, h = tg.ops.simple_rnn(tg.tensor([[[0.0], [0.0]]]), one, one, h0=tg.tensor([[0.0]]))
    >>> y.shape, h.shape
    ((1, 2, 1), (1, 1))
    """
    x, mask = _time_major("simple_rnn", x, kernel, mask, go_backwards)
    states = _simple_rnn(*_promoted(x, kernel, recurrent_kernel, bias, h0), mask)
    return _outputs(states, h0, mask), states[-1]


def lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    h0: Any = None,
    c0: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
) -> tuple[Any, Any, Any]:
    """The LSTM over a whole sequence (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

    i, f, u, o are the parts of x_t W + h_{t-1} R + b;
    c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(u);  h_t = sigmoid(o) tanh(c_t).

    Args:
        x: (N, T, D). kernel: W, (D, 4 U). recurrent_kernel: R, (U, 4 U). bias: (4 U,) or None.
        h0, c0: the initial states, (N, U); zeros when None.
        mask: (N, T) boolean; a step where it is False keeps the state and repeats the output.
        go_backwards: run from the last step to the first; y is in the order of the run.

    Returns:
        y (N, T, U), the h of every step, and the last h and c (N, U).

    >>> w = tg.tensor(np.ones((1, 4), "float32"))
    >>> y, h, c = tg.ops.lstm(tg.tensor([[[0.0], [0.0]]]), w, w)
    >>> y.shape, h.shape, c.shape
    ((1, 2, 1), (1, 1), (1, 1))
    """
    x, mask = _time_major("lstm", x, kernel, mask, go_backwards)
    states, c = _lstm(*_promoted(x, kernel, recurrent_kernel, bias, h0, c0), mask)
    return _outputs(states, h0, mask), states[-1], c


def gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    h0: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
) -> tuple[Any, Any]:
    """The GRU over a whole sequence (Cho et al., 2014), its reset gate after the product.

    With a = x_t W + bias[0] and b = h_{t-1} R + bias[1]: u, r = sigmoid(a + b) of their first two
    parts, n = tanh(a + r b) of their third;  h_t = u h_{t-1} + (1 - u) n.

    Args:
        x: (N, T, D). kernel: W, (D, 3 U). recurrent_kernel: R, (U, 3 U). bias: (2, 3 U) or None.
        h0: the initial state, (N, U); zeros when None.
        mask: (N, T) boolean; a step where it is False keeps the state and repeats the output.
        go_backwards: run from the last step to the first; y is in the order of the run.

    Returns:
        y (N, T, U), the h of every step, and the last h (N, U).

    >>> w = tg.tensor(np.ones((1, 3), "float32"))
    >>> y, h = tg.ops.gru(tg.tensor([[[0.0], [0.0]]]), w, w)
    >>> y.shape, h.shape
    ((1, 2, 1), (1, 1))
    """
    input_bias, recurrent_bias = (None, None) if bias is None else (bias[0], bias[1])
    x, mask = _time_major("gru", x, kernel, mask, go_backwards)
    states = _gru(linear(x, kernel, input_bias), recurrent_kernel, recurrent_bias, h0, mask)
    return _outputs(states, h0, mask), states[-1]


def _constant(mask: Any) -> Any:
    return mask.data if isinstance(mask, Value) else np.asarray(mask)


def _promoted(*given):
    """The arrays in the type that NumPy promotes them to, a floating one."""
    arrays = [None if a is None else asarray(a) for a in given]
    dtype = np.result_type(np.float16, *[a.dtype for a in arrays if a is not None])
    return [a if a is None or a.dtype == dtype else astype(a, dtype=dtype) for a in arrays]


def _time_major(op, x, kernel, mask, go_backwards):
    """x and the mask, time first, in the order of the run."""
    x, kernel = asarray(x), asarray(kernel)
    if x.ndim != 3 or kernel.ndim != 2 or x.shape[2] != kernel.shape[0]:
        raise ValueError(
            f"[{op}] x and kernel do not fit. Expected x (N, T, D) and kernel (D, ...), "
            f"received x.shape={x.shape}, kernel.shape={kernel.shape}."
        )
    n_rows, n_steps, _ = x.shape
    if mask is not None:
        mask = _constant(mask)
        if mask.shape != (n_rows, n_steps) or mask.dtype != bool:
            raise ValueError(
                f"[{op}] mask must be boolean with one value per step. Expected shape "
                f"{(n_rows, n_steps)}, received mask.shape={mask.shape}, dtype={mask.dtype}."
            )
        mask = mask.T[::-1] if go_backwards else mask.T
    x = permute_dims(x, axes=(1, 0, 2))
    return x[::-1] if go_backwards else x, mask


def _outputs(states, h0, mask):
    """The states after each step, batch first. Before its first live step a row has put out
    nothing: 0, as in Keras, although its state is h0."""
    y = states[1:]
    if mask is not None and h0 is not None:
        y = where(np.logical_or.accumulate(mask, axis=0)[:, :, None], y, 0.0)
    return permute_dims(y, axes=(1, 0, 2))
