# Simple RNN, LSTM and GRU over whole sequences: csrc/drivers/recurrent.c.

from tinygrad_cn.kernels.reference.recurrent import (
    check_gru,
    check_joined,
    check_joined_grad,
    check_lstm_grad,
    check_sequence_grad,
)

cdef extern from *:
    enum: TG_DRIVER_simple_rnn, TG_DRIVER_simple_rnn_grad
    enum: TG_DRIVER_lstm, TG_DRIVER_lstm_grad
    enum: TG_DRIVER_gru, TG_DRIVER_gru_grad


# A new (a, b, c) array of x's dtype.
cdef cnp.ndarray allocate_3d(cnp.ndarray x, Py_ssize_t a, Py_ssize_t b, Py_ssize_t c):
    cdef cnp.npy_intp shape[3]
    shape[0], shape[1], shape[2] = a, b, c
    return allocate(3, shape, cnp.PyArray_TYPE(x))


# A new (a, b) array of x's dtype.
cdef cnp.ndarray allocate_2d(cnp.ndarray x, Py_ssize_t a, Py_ssize_t b):
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = a, b
    return allocate(2, shape, cnp.PyArray_TYPE(x))


# A new state (N, U) for states (T + 1, N, U).
cdef cnp.ndarray allocate_state(cnp.ndarray states):
    return allocate(2, &cnp.PyArray_DIMS(states)[1], cnp.PyArray_TYPE(states))


# The mask as it lies in memory (its strides do not matter).
cdef object boolean(mask):
    return None if mask is None else np.asarray(mask, bool)


def simple_rnn(x, kernel, recurrent_kernel, bias=None, h0=None, mask=None):
    """(states, joined); see tinygrad_cn.kernels.reference.simple_rnn."""
    cdef cnp.ndarray a, states, joined
    cdef tg_call call
    n_steps, n_rows, n_inputs, units = check_joined("simple_rnn", x, kernel, recurrent_kernel, 1,
                                                    bias, h0, mask=mask)
    if not same_type((x, kernel, recurrent_kernel, bias, h0), float_type(x)):
        return by_reference("simple_rnn", (x, kernel, recurrent_kernel, bias, h0, mask))
    a = behaved(x)
    states = allocate_3d(a, n_steps + 1, n_rows, units)
    joined = allocate_3d(a, n_steps, n_rows, n_inputs + (bias is not None) + units)
    cdef tuple arrays = (states, joined, a, contiguous_or_none(kernel),
                         contiguous_or_none(recurrent_kernel), contiguous_or_none(bias),
                         contiguous_or_none(h0), boolean(mask))
    begin(&call, TG_DRIVER_simple_rnn)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return states, joined


def simple_rnn_grad(g, states, joined, recurrent_kernel, mask=None, initial=True):
    """(gz, gweights, gh0); see tinygrad_cn.kernels.reference.simple_rnn_grad."""
    cdef cnp.ndarray s, j, w, gz, gw, gh0
    cdef tg_call call
    units = len(recurrent_kernel)
    check_joined_grad("simple_rnn_grad", g, states, joined, recurrent_kernel, units, mask)
    if not same_type((g, states, joined, recurrent_kernel), float_type(states)):
        args = (g, states, joined, recurrent_kernel, mask, initial)
        return by_reference("simple_rnn_grad", args)
    s, j = contiguous(behaved(states)), contiguous(behaved(joined))
    w = contiguous(behaved(recurrent_kernel))
    gz = allocate_3d(s, s.shape[0] - 1, s.shape[1], s.shape[2])
    gw, gh0 = allocate_2d(s, j.shape[2], s.shape[2]), allocate_state(s)
    cdef tuple arrays = (gz, gw, gh0, contiguous_or_none(g), s, j, w, boolean(mask))
    begin(&call, TG_DRIVER_simple_rnn_grad)
    call.ints[0] = bool(initial)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return gz, gw, gh0 if initial else None


def lstm(x, kernel, recurrent_kernel, bias=None, h0=None, c0=None, mask=None):
    """(states, cells, gates, joined); see tinygrad_cn.kernels.reference.lstm."""
    cdef cnp.ndarray a, states, cells, gates, joined
    cdef tg_call call
    n_steps, n_rows, n_inputs, units = check_joined("lstm", x, kernel, recurrent_kernel, 4, bias,
                                                    h0, c0, mask)
    if not same_type((x, kernel, recurrent_kernel, bias, h0, c0), float_type(x)):
        return by_reference("lstm", (x, kernel, recurrent_kernel, bias, h0, c0, mask))
    a = behaved(x)
    states = allocate_3d(a, n_steps + 1, n_rows, units)
    cells, gates = allocate_like(states), allocate_3d(a, n_steps, n_rows, 4 * units)
    joined = allocate_3d(a, n_steps, n_rows, n_inputs + (bias is not None) + units)
    cdef tuple arrays = (states, cells, gates, joined, a, contiguous_or_none(kernel),
                         contiguous_or_none(recurrent_kernel), contiguous_or_none(bias),
                         contiguous_or_none(h0), contiguous_or_none(c0), boolean(mask))
    begin(&call, TG_DRIVER_lstm)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return states, cells, gates, joined


def lstm_grad(g, gc, cells, gates, joined, recurrent_kernel, mask=None, initial=True):
    """(gz, gweights, gh0, gc0); see tinygrad_cn.kernels.reference.lstm_grad."""
    cdef cnp.ndarray c, a, j, w, gz, gw, gh0, gc0
    cdef tg_call call
    check_lstm_grad(g, gc, cells, gates, joined, recurrent_kernel, mask)
    if not same_type((g, gc, cells, gates, joined, recurrent_kernel), float_type(cells)):
        args = (g, gc, cells, gates, joined, recurrent_kernel, mask, initial)
        return by_reference("lstm_grad", args)
    c, a = contiguous(behaved(cells)), contiguous(behaved(gates))
    j, w = contiguous(behaved(joined)), contiguous(behaved(recurrent_kernel))
    gz, gw = allocate_like(a), allocate_2d(c, j.shape[2], a.shape[2])
    gh0, gc0 = allocate_state(c), allocate_state(c)
    cdef tuple arrays = (gz, gw, gh0, gc0, contiguous_or_none(g), contiguous_or_none(gc), c, a, j,
                         w, boolean(mask))
    begin(&call, TG_DRIVER_lstm_grad)
    call.ints[0] = bool(initial)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return (gz, gw, gh0, gc0) if initial else (gz, gw, None, None)


def gru(z, recurrent_kernel, recurrent_bias=None, h0=None, mask=None):
    """(states, gates); see tinygrad_cn.kernels.reference.gru."""
    cdef cnp.ndarray a, states, gates
    cdef tg_call call
    n_steps, n_rows, units = check_gru("gru", z, recurrent_kernel, recurrent_bias, h0, mask)
    if not same_type((z, recurrent_kernel, recurrent_bias, h0), float_type(z)):
        return by_reference("gru", (z, recurrent_kernel, recurrent_bias, h0, mask))
    a = contiguous(behaved(z))
    states = allocate_3d(a, n_steps + 1, n_rows, units)
    gates = allocate_3d(a, n_steps, n_rows, 4 * units)
    cdef tuple arrays = (states, gates, a, contiguous_or_none(recurrent_kernel),
                         contiguous_or_none(recurrent_bias), contiguous_or_none(h0), boolean(mask))
    begin(&call, TG_DRIVER_gru)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return states, gates


def gru_grad(g, states, gates, recurrent_kernel, mask=None, initial=True):
    """(gz, grecurrent_kernel, grecurrent_bias, gh0); see the reference's gru_grad."""
    cdef cnp.ndarray s, a, w, gz, gb, gw, gbias, gh0
    cdef tg_call call
    check_sequence_grad("gru_grad", g, states)
    units = states.shape[2]
    check_gru("gru_grad", gates[..., : 3 * units], recurrent_kernel, mask=mask)
    if not same_type((g, states, gates, recurrent_kernel), float_type(states)):
        return by_reference("gru_grad", (g, states, gates, recurrent_kernel, mask, initial))
    s, a = contiguous(behaved(states)), contiguous(behaved(gates))
    w = contiguous(behaved(recurrent_kernel))
    gz = allocate_3d(s, s.shape[0] - 1, s.shape[1], 3 * units)
    gb, gw, gh0 = allocate_like(gz), allocate_like(w), allocate_state(s)
    gbias = allocate(1, &cnp.PyArray_DIMS(w)[1], cnp.PyArray_TYPE(w))
    cdef tuple arrays = (gz, gb, gw, gbias, gh0, contiguous_or_none(g), s, a, w, boolean(mask))
    begin(&call, TG_DRIVER_gru_grad)
    call.ints[0] = bool(initial)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return gz, gw, gbias, gh0 if initial else None
