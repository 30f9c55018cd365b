# Layer, RMS and batch normalization: csrc/drivers/normalization.c.

from tinygrad_cn.kernels.reference.normalization import check_batch, check_like, check_rows

cdef extern from *:
    enum: TG_DRIVER_layer_norm, TG_DRIVER_layer_norm_grad
    enum: TG_DRIVER_batch_norm, TG_DRIVER_batch_norm_grad

cdef enum: LAYER_NORM = 0, RMS_NORM = 1


# The arrays of a call whose dtype must be that of the first; None is allowed.
cdef bint same_type(tuple arrays, int typenum):
    for a in arrays:
        if a is not None and (not isinstance(a, cnp.ndarray)
                              or cnp.PyArray_TYPE(<cnp.ndarray>a) != typenum):
            return False
    return typenum >= 0


cdef object contiguous_or_none(a):
    return None if a is None else contiguous(behaved(<cnp.ndarray>a))


# Describe a contiguous x as (rows, width).
cdef void fill_rows(tg_array *array, cnp.ndarray x, Py_ssize_t rows, Py_ssize_t width) noexcept:
    array.data = cnp.PyArray_DATA(x)
    array.ndim = 2
    array.dtype = TG_F32 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT else TG_F64
    array.shape[0] = rows
    array.shape[1] = width
    array.strides[0] = width
    array.strides[1] = 1


cdef Py_ssize_t n_rows_of(cnp.ndarray x) noexcept:
    cdef Py_ssize_t rows = 1
    cdef int i
    for i in range(cnp.PyArray_NDIM(x) - 1):
        rows *= cnp.PyArray_DIMS(x)[i]
    return rows


cdef tuple rows_forward(int kind, x, gamma, beta, double epsilon):
    cdef cnp.ndarray a = contiguous(behaved(x)), y = allocate_like(a), mean, rstd
    cdef int ndim = cnp.PyArray_NDIM(a), typenum = cnp.PyArray_TYPE(a)
    cdef Py_ssize_t width = cnp.PyArray_DIMS(a)[ndim - 1], rows = n_rows_of(a)
    cdef tg_call call
    rstd = allocate(ndim - 1, cnp.PyArray_DIMS(a), typenum)
    mean = allocate(ndim - 1, cnp.PyArray_DIMS(a), typenum) if kind == LAYER_NORM else None
    gamma, beta = contiguous_or_none(gamma), contiguous_or_none(beta)
    cdef tuple arrays = (y, mean, rstd, a, gamma, beta)
    begin(&call, TG_DRIVER_layer_norm)
    fill_all(&call, arrays)
    fill_rows(&call.arrays[0], y, rows, width)
    fill_rows(&call.arrays[3], a, rows, width)
    call.ints[0] = kind
    call.floats[0] = epsilon
    launch(&call, arrays)
    return (y, mean, rstd) if kind == LAYER_NORM else (y, rstd)


cdef tuple rows_backward(int kind, g, x, gamma, mean, rstd):
    cdef cnp.ndarray a = contiguous(behaved(x)), b = contiguous(behaved(g)), gx = allocate_like(a)
    cdef cnp.ndarray ggamma, gbeta
    cdef int ndim = cnp.PyArray_NDIM(a), typenum = cnp.PyArray_TYPE(a)
    cdef Py_ssize_t width = cnp.PyArray_DIMS(a)[ndim - 1], rows = n_rows_of(a)
    cdef tg_call call
    ggamma = allocate(1, &cnp.PyArray_DIMS(a)[ndim - 1], typenum)
    gbeta = allocate_like(ggamma) if kind == LAYER_NORM else None
    gamma, mean, rstd = map(contiguous_or_none, (gamma, mean, rstd))
    cdef tuple arrays = (gx, ggamma, gbeta, b, a, gamma, mean, rstd)
    begin(&call, TG_DRIVER_layer_norm_grad)
    fill_all(&call, arrays)
    fill_rows(&call.arrays[0], gx, rows, width)
    fill_rows(&call.arrays[3], b, rows, width)
    fill_rows(&call.arrays[4], a, rows, width)
    call.ints[0] = kind
    launch(&call, arrays)
    return (gx, ggamma, gbeta) if kind == LAYER_NORM else (gx, ggamma)


def layer_norm(x, gamma=None, beta=None, epsilon=1e-3):
    """(y, mean, rstd); see tinygrad_cn.kernels.reference.layer_norm."""
    x = as_array(x)
    if not same_type((x, gamma, beta), float_type(x)):
        return by_reference("layer_norm", (x, gamma, beta, epsilon))
    check_rows("layer_norm", x, gamma=gamma, beta=beta)
    return rows_forward(LAYER_NORM, x, gamma, beta, epsilon)


def layer_norm_grad(g, x, gamma, mean, rstd):
    """(gx, ggamma, gbeta); see tinygrad_cn.kernels.reference.layer_norm_grad."""
    if not same_type((g, x, gamma, mean, rstd), float_type(x)):
        return by_reference("layer_norm_grad", (g, x, gamma, mean, rstd))
    check_rows("layer_norm_grad", x, gamma=gamma)
    check_like("layer_norm_grad", "g", g, x.shape)
    check_like("layer_norm_grad", "mean", mean, x.shape[: x.ndim - 1])
    check_like("layer_norm_grad", "rstd", rstd, x.shape[: x.ndim - 1])
    return rows_backward(LAYER_NORM, g, x, gamma, mean, rstd)


def rms_norm(x, gamma=None, epsilon=1e-6):
    """(y, rrms); see tinygrad_cn.kernels.reference.rms_norm."""
    x = as_array(x)
    if not same_type((x, gamma), float_type(x)):
        return by_reference("rms_norm", (x, gamma, epsilon))
    check_rows("rms_norm", x, gamma=gamma)
    return rows_forward(RMS_NORM, x, gamma, None, epsilon)


def rms_norm_grad(g, x, gamma, rrms):
    """(gx, ggamma); see tinygrad_cn.kernels.reference.rms_norm_grad."""
    if not same_type((g, x, gamma, rrms), float_type(x)):
        return by_reference("rms_norm_grad", (g, x, gamma, rrms))
    check_rows("rms_norm_grad", x, gamma=gamma)
    check_like("rms_norm_grad", "g", g, x.shape)
    check_like("rms_norm_grad", "rrms", rrms, x.shape[: x.ndim - 1])
    return rows_backward(RMS_NORM, g, x, gamma, None, rrms)


def batch_norm(x, gamma=None, beta=None, epsilon=1e-3):
    """(y, mean, var); see tinygrad_cn.kernels.reference.batch_norm."""
    cdef cnp.ndarray a, y, mean, var
    cdef tg_call call
    cdef int last
    x = as_array(x)
    if not same_type((x, gamma, beta), float_type(x)):
        return by_reference("batch_norm", (x, gamma, beta, epsilon))
    check_rows("batch_norm", x, gamma=gamma, beta=beta)
    check_batch("batch_norm", x)
    a = contiguous(behaved(x))
    last = cnp.PyArray_NDIM(a) - 1
    y = allocate_like(a)
    mean = allocate(1, &cnp.PyArray_DIMS(a)[last], cnp.PyArray_TYPE(a))
    var = allocate_like(mean)
    gamma, beta = contiguous_or_none(gamma), contiguous_or_none(beta)
    cdef tuple arrays = (y, mean, var, a, gamma, beta)
    begin(&call, TG_DRIVER_batch_norm)
    fill_all(&call, arrays)
    fill_rows(&call.arrays[0], y, n_rows_of(a), cnp.PyArray_DIMS(a)[last])
    fill_rows(&call.arrays[3], a, n_rows_of(a), cnp.PyArray_DIMS(a)[last])
    call.floats[0] = epsilon
    launch(&call, arrays)
    return y, mean, var


def batch_norm_grad(g, x, gamma, mean, var, epsilon=1e-3):
    """(gx, ggamma, gbeta); see tinygrad_cn.kernels.reference.batch_norm_grad."""
    cdef cnp.ndarray a, b, gx, ggamma, gbeta
    cdef tg_call call
    cdef int last
    if not same_type((g, x, gamma, mean, var), float_type(x)):
        return by_reference("batch_norm_grad", (g, x, gamma, mean, var, epsilon))
    check_rows("batch_norm_grad", x, gamma=gamma, mean=mean, var=var)
    check_like("batch_norm_grad", "g", g, x.shape)
    check_batch("batch_norm_grad", x)
    a, b = contiguous(behaved(x)), contiguous(behaved(g))
    last = cnp.PyArray_NDIM(a) - 1
    gx = allocate_like(a)
    ggamma = allocate(1, &cnp.PyArray_DIMS(a)[last], cnp.PyArray_TYPE(a))
    gbeta = allocate_like(ggamma)
    gamma, mean, var = map(contiguous_or_none, (gamma, mean, var))
    cdef tuple arrays = (gx, ggamma, gbeta, b, a, gamma, mean, var)
    begin(&call, TG_DRIVER_batch_norm_grad)
    fill_all(&call, arrays)
    fill_rows(&call.arrays[0], gx, n_rows_of(a), cnp.PyArray_DIMS(a)[last])
    fill_rows(&call.arrays[3], b, n_rows_of(a), cnp.PyArray_DIMS(a)[last])
    fill_rows(&call.arrays[4], a, n_rows_of(a), cnp.PyArray_DIMS(a)[last])
    call.floats[0] = epsilon
    launch(&call, arrays)
    return gx, ggamma, gbeta
