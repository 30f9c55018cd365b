# Softmax and cross-entropy: csrc/drivers/softmax.c. Formulas: the NumPy twins.

from tinygrad_cn.kernels.reference.softmax import _check_labels


# The axis counted from the front, or -1 where NumPy decides.
cdef int row_axis(object axis, cnp.ndarray x) noexcept:
    cdef int ndim = cnp.PyArray_NDIM(x)
    if not isinstance(axis, int) or ndim > TG_MAX_NDIM or not -ndim <= axis < ndim:
        return -1
    return <int>axis + (ndim if axis < 0 else 0)


# Elements from one number to the next along an axis of a contiguous array.
cdef Py_ssize_t inner_of(cnp.ndarray x, int axis) noexcept:
    cdef Py_ssize_t inner = 1
    cdef int d
    for d in range(axis + 1, cnp.PyArray_NDIM(x)):
        inner *= cnp.PyArray_DIMS(x)[d]
    return inner


# An array of the call as a matrix (rows, n * inner).
cdef void fill_slices(tg_call *call, int i, cnp.ndarray a, Py_ssize_t n, Py_ssize_t inner) noexcept:
    fill_matrix(&call.arrays[i], a, 2, cnp.PyArray_SIZE(a) // (n * inner), n * inner, 1)
    call.ints[1] = inner


cdef object softmax_by(bint is_log, str name, object x, object axis):
    cdef tg_call call
    cdef cnp.ndarray a, y
    cdef Py_ssize_t n, inner
    cdef int at
    if not isinstance(x, np.ndarray) or float_type(<cnp.ndarray>x) < 0:
        return by_reference(name, (x, axis))
    a = <cnp.ndarray>x
    at = row_axis(axis, a)
    if at < 0 or cnp.PyArray_SIZE(a) == 0:
        return by_reference(name, (x, axis))
    n, inner = cnp.PyArray_DIMS(a)[at], inner_of(a, at)
    a = contiguous(behaved(a))
    y = allocate_like(a)
    begin(&call, TG_DRIVER_softmax)
    fill_slices(&call, 0, y, n, inner)
    fill_slices(&call, 1, a, n, inner)
    call.ints[0] = is_log
    launch(&call, (y, a))
    return y


cdef object softmax_grad_by(bint is_log, str name, object g, object y, object axis):
    cdef tg_call call
    cdef cnp.ndarray a, b, gx
    cdef Py_ssize_t n, inner
    cdef int at
    if (not isinstance(y, np.ndarray) or float_type(<cnp.ndarray>y) < 0
            or not same_type((y, g), cnp.PyArray_TYPE(<cnp.ndarray>y)) or y.shape != g.shape):
        return by_reference(name, (g, y, axis))
    a, b = <cnp.ndarray>g, <cnp.ndarray>y
    at = row_axis(axis, b)
    if at < 0 or cnp.PyArray_SIZE(b) == 0:
        return by_reference(name, (g, y, axis))
    n, inner = cnp.PyArray_DIMS(b)[at], inner_of(b, at)
    a, b = contiguous(behaved(a)), contiguous(behaved(b))
    gx = allocate_like(b)
    begin(&call, TG_DRIVER_softmax_grad)
    fill_slices(&call, 0, gx, n, inner)
    fill_slices(&call, 1, a, n, inner)
    fill_slices(&call, 2, b, n, inner)
    call.ints[0] = is_log
    launch(&call, (gx, a, b))
    return gx


def softmax(x, axis=-1):
    return softmax_by(False, "softmax", x, axis)


def log_softmax(x, axis=-1):
    return softmax_by(True, "log_softmax", x, axis)


def softmax_grad(g, y, axis=-1):
    return softmax_grad_by(False, "softmax_grad", g, y, axis)


def log_softmax_grad(g, y, axis=-1):
    return softmax_grad_by(True, "log_softmax_grad", g, y, axis)


# Integers that the core reads: int64 or int32.
cdef bint is_index_array(object x):
    if not isinstance(x, np.ndarray):
        return False
    cdef cnp.dtype descr = (<cnp.ndarray>x).dtype
    return descr.kind == b"i"[0] and descr.itemsize in (4, 8)


cdef bint are_rows(object logits, object labels):
    return (isinstance(logits, np.ndarray) and float_type(<cnp.ndarray>logits) >= 0
            and is_index_array(labels) and cnp.PyArray_NDIM(<cnp.ndarray>logits) > 0
            and labels.shape == logits.shape[: logits.ndim - 1]
            and cnp.PyArray_SIZE(<cnp.ndarray>logits) > 0)


def cross_entropy(logits, labels):
    cdef tg_call call
    cdef cnp.ndarray a, b, loss, lse
    cdef Py_ssize_t n, n_rows
    if not are_rows(logits, labels):
        return by_reference("cross_entropy", (logits, labels))
    a, b = contiguous(behaved(logits)), contiguous(behaved(labels))
    n = cnp.PyArray_DIMS(a)[cnp.PyArray_NDIM(a) - 1]
    n_rows = cnp.PyArray_SIZE(a) // n
    loss = allocate(cnp.PyArray_NDIM(b), cnp.PyArray_DIMS(b), cnp.PyArray_TYPE(a))
    lse = allocate(cnp.PyArray_NDIM(b), cnp.PyArray_DIMS(b), cnp.PyArray_TYPE(a))
    begin(&call, TG_DRIVER_cross_entropy)
    fill_matrix(&call.arrays[0], loss, 1, n_rows, 1, 1)
    fill_matrix(&call.arrays[1], lse, 1, n_rows, 1, 1)
    fill_matrix(&call.arrays[2], a, 2, n_rows, n, 1)
    fill_matrix(&call.arrays[3], b, 1, n_rows, 1, 1)
    try:
        launch(&call, (loss, lse, a, b))
    except IndexError:
        _check_labels("cross_entropy", a, b)  # names the row
        raise
    return loss, lse


def cross_entropy_grad(g, logits, labels, lse):
    cdef tg_call call
    cdef cnp.ndarray a, b, c, d, gx
    cdef Py_ssize_t n, n_rows
    if (not are_rows(logits, labels) or not same_type((logits, g, lse), float_type(logits))
            or g.shape != labels.shape or lse.shape != labels.shape):
        return by_reference("cross_entropy_grad", (g, logits, labels, lse))
    a, b = contiguous(behaved(logits)), contiguous(behaved(labels))
    c, d = contiguous(behaved(g)), contiguous(behaved(lse))
    n = cnp.PyArray_DIMS(a)[cnp.PyArray_NDIM(a) - 1]
    n_rows = cnp.PyArray_SIZE(a) // n
    gx = allocate_like(a)
    begin(&call, TG_DRIVER_cross_entropy_grad)
    fill_matrix(&call.arrays[0], gx, 2, n_rows, n, 1)
    fill_matrix(&call.arrays[1], c, 1, n_rows, 1, 1)
    fill_matrix(&call.arrays[2], a, 2, n_rows, n, 1)
    fill_matrix(&call.arrays[3], b, 1, n_rows, 1, 1)
    fill_matrix(&call.arrays[4], d, 1, n_rows, 1, 1)
    try:
        launch(&call, (gx, c, a, b, d))
    except IndexError:
        _check_labels("cross_entropy_grad", a, b)
        raise
    return gx
