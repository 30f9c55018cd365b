# Simple RNN, LSTM and GRU over whole sequences: csrc/drivers/recurrent.c.

from tinygrad_cn.kernels.reference.recurrent import check_sequence, check_sequence_grad

cdef extern from *:
    enum: TG_DRIVER_simple_rnn, TG_DRIVER_simple_rnn_grad
    enum: TG_DRIVER_lstm, TG_DRIVER_lstm_grad
    enum: TG_DRIVER_gru, TG_DRIVER_gru_grad


# A new (a, b, c) array of x's dtype.
cdef cnp.ndarray allocate_3d(cnp.ndarray x, Py_ssize_t a, Py_ssize_t b, Py_ssize_t c):
    cdef cnp.npy_intp shape[3]
    shape[0], shape[1], shape[2] = a, b, c
    return allocate(3, shape, cnp.PyArray_TYPE(x))


# A new state (N, U) for states (T + 1, N, U).
cdef cnp.ndarray allocate_state(cnp.ndarray states):
    return allocate(2, &cnp.PyArray_DIMS(states)[1], cnp.PyArray_TYPE(states))


# The mask as it lies in memory (its strides do not matter).
cdef object boolean(mask):
    return None if mask is None else np.asarray(mask, bool)


def simple_rnn(z, recurrent_kernel, h0=None, mask=None):
    """states; see tinygrad_cn.kernels.reference.simple_rnn."""
    cdef cnp.ndarray a, states
    cdef tg_call call
    n_steps, n_rows, units = check_sequence("simple_rnn", z, recurrent_kernel, 1, h0, mask=mask)
    if not same_type((z, recurrent_kernel, h0), float_type(z)):
        return by_reference("simple_rnn", (z, recurrent_kernel, h0, mask))
    a = contiguous(behaved(z))
    states = allocate_3d(a, n_steps + 1, n_rows, units)
    cdef tuple arrays = (states, a, contiguous_or_none(recurrent_kernel), contiguous_or_none(h0),
                         boolean(mask))
    begin(&call, TG_DRIVER_simple_rnn)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return states


def simple_rnn_grad(g, states, recurrent_kernel, mask=None, initial=True):
    """(gz, grecurrent_kernel, gh0); see tinygrad_cn.kernels.reference.simple_rnn_grad."""
    cdef cnp.ndarray s, w, gz, gw, gh0
    cdef tg_call call
    check_sequence_grad("simple_rnn_grad", g, states)
    check_sequence("simple_rnn_grad", states[1:], recurrent_kernel, 1, mask=mask)
    if not same_type((g, states, recurrent_kernel), float_type(states)):
        return by_reference("simple_rnn_grad", (g, states, recurrent_kernel, mask, initial))
    s, w = contiguous(behaved(states)), contiguous(behaved(recurrent_kernel))
    gz = allocate_3d(s, s.shape[0] - 1, s.shape[1], s.shape[2])
    gw, gh0 = allocate_like(w), allocate_state(s)
    cdef tuple arrays = (gz, gw, gh0, contiguous_or_none(g), s, w, boolean(mask))
    begin(&call, TG_DRIVER_simple_rnn_grad)
    call.ints[0] = bool(initial)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return gz, gw, gh0 if initial else None


def lstm(z, recurrent_kernel, h0=None, c0=None, mask=None):
    """(states, cells, gates); see tinygrad_cn.kernels.reference.lstm."""
    cdef cnp.ndarray a, states, cells, gates
    cdef tg_call call
    n_steps, n_rows, units = check_sequence("lstm", z, recurrent_kernel, 4, h0, c0, mask)
    if not same_type((z, recurrent_kernel, h0, c0), float_type(z)):
        return by_reference("lstm", (z, recurrent_kernel, h0, c0, mask))
    a = contiguous(behaved(z))
    states, gates = allocate_3d(a, n_steps + 1, n_rows, units), allocate_like(a)
    cells = allocate_like(states)
    cdef tuple arrays = (states, cells, gates, a, contiguous_or_none(recurrent_kernel),
                         contiguous_or_none(h0), contiguous_or_none(c0), boolean(mask))
    begin(&call, TG_DRIVER_lstm)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return states, cells, gates


def lstm_grad(g, gc, states, cells, gates, recurrent_kernel, mask=None, initial=True):
    """(gz, grecurrent_kernel, gh0, gc0); see tinygrad_cn.kernels.reference.lstm_grad."""
    cdef cnp.ndarray s, c, a, w, gz, gw, gh0, gc0
    cdef tg_call call
    check_sequence_grad("lstm_grad", g, states, cells)
    check_sequence("lstm_grad", gates, recurrent_kernel, 4, c0=gc, mask=mask)
    if not same_type((g, gc, states, cells, gates, recurrent_kernel), float_type(states)):
        args = (g, gc, states, cells, gates, recurrent_kernel, mask, initial)
        return by_reference("lstm_grad", args)
    s, c = contiguous(behaved(states)), contiguous(behaved(cells))
    a, w = contiguous(behaved(gates)), contiguous(behaved(recurrent_kernel))
    gz, gw, gh0, gc0 = allocate_like(a), allocate_like(w), allocate_state(s), allocate_state(s)
    cdef tuple arrays = (gz, gw, gh0, gc0, contiguous_or_none(g), contiguous_or_none(gc), s, c, a,
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
    n_steps, n_rows, units = check_sequence("gru", z, recurrent_kernel, 3, h0, mask=mask,
                                            recurrent_bias=recurrent_bias)
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
    check_sequence("gru_grad", gates[..., : 3 * units], recurrent_kernel, 3, mask=mask)
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
