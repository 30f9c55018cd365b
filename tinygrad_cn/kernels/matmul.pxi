# Matrix products: csrc/drivers/matmul.c.

from tinygrad_cn.kernels.reference.matmul import check_activation, check_matmul


cdef int activation_code(str op, activation) except -1:
    if activation is None:
        return TG_ACT_NONE
    check_activation(op, activation)
    return {"relu": TG_ACT_RELU, "tanh": TG_ACT_TANH, "sigmoid": TG_ACT_SIGMOID,
            "gelu_tanh": TG_ACT_GELU_TANH}[activation]


# A bias as a contiguous array of n numbers of y's dtype; None stays None. Its dtype must not be
# wider than y's: then the result would be, and NumPy computes it.
cdef object prepared_bias(str op, bias, cnp.npy_intp n, int typenum):
    cdef cnp.ndarray b
    if bias is None:
        return None
    b = np.asarray(bias)
    if cnp.PyArray_NDIM(b) != 1 or cnp.PyArray_DIMS(b)[0] != n:
        raise ValueError(
            f"[{op}] bias must hold one value per output column. Expected shape ({n},), "
            f"received bias.shape={np.shape(bias)}.")
    if cnp.PyArray_TYPE(b) != typenum:
        b = b.astype(cnp.PyArray_DescrFromType(typenum))
    return contiguous(behaved(b))


cdef bint keeps_type(bias, int typenum):
    return (bias is None or np.result_type(
        np.asarray(bias), cnp.PyArray_DescrFromType(typenum)).num == typenum)


def matmul(a, b, bias=None, activation=None):
    """y = activation(a @ b + bias); see tinygrad_cn.kernels.reference.matmul."""
    cdef cnp.ndarray x = np.asarray(a), w = np.asarray(b), y
    cdef tg_call call
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef cnp.npy_intp size, other
    cdef int x_ndim = cnp.PyArray_NDIM(x), w_ndim = cnp.PyArray_NDIM(w), typenum = float_type(x)
    cdef int ndim = max(x_ndim, w_ndim), i, j, act
    cdef bint fits = x_ndim >= 2 and w_ndim >= 2
    if (typenum < 0 or cnp.PyArray_TYPE(w) != typenum or ndim > TG_MAX_NDIM
            or not keeps_type(bias, typenum)):
        return by_reference("matmul", (a, b, bias, activation))
    if fits and cnp.PyArray_DIMS(x)[x_ndim - 1] != cnp.PyArray_DIMS(w)[w_ndim - 2]:
        fits = False
    for i in range(ndim - 2):
        j = i - (ndim - x_ndim)
        size = cnp.PyArray_DIMS(x)[j] if j >= 0 else 1
        j = i - (ndim - w_ndim)
        other = cnp.PyArray_DIMS(w)[j] if j >= 0 else 1
        if size != other and size != 1 and other != 1:
            fits = False
        shape[i] = other if size == 1 else size
    if not fits:
        check_matmul(x, w)
        return vector_matmul(x, w, bias, activation)
    act = activation_code("matmul", activation)
    shape[ndim - 2] = cnp.PyArray_DIMS(x)[x_ndim - 2]
    shape[ndim - 1] = cnp.PyArray_DIMS(w)[w_ndim - 1]
    bias = prepared_bias("matmul", bias, shape[ndim - 1], typenum)
    x = behaved(x)
    w = behaved(w)
    y = allocate(ndim, shape, typenum)
    begin(&call, TG_DRIVER_matmul)
    fill(&call.arrays[0], y)
    shape[ndim - 2] = cnp.PyArray_DIMS(x)[x_ndim - 2]
    shape[ndim - 1] = cnp.PyArray_DIMS(x)[x_ndim - 1]
    fill_broadcast(&call.arrays[1], x, ndim, shape)
    shape[ndim - 2] = cnp.PyArray_DIMS(w)[w_ndim - 2]
    shape[ndim - 1] = cnp.PyArray_DIMS(w)[w_ndim - 1]
    fill_broadcast(&call.arrays[2], w, ndim, shape)
    if bias is None:
        call.arrays[3].data = NULL
    else:
        fill(&call.arrays[3], bias)
    call.ints[0] = act
    launch(&call, (y, x, w, bias))
    return y


# A vector on the left is a row, on the right a column; its axis is dropped from the result.
cdef object vector_matmul(cnp.ndarray x, cnp.ndarray w, bias, activation):
    cdef bint row = x.ndim == 1, column = w.ndim == 1
    if column and bias is not None:
        raise ValueError("[matmul] a matrix times a vector has no columns for a bias. "
                         f"Expected bias=None, received bias.shape={np.shape(bias)}.")
    y = matmul(x[None, :] if row else x, w[:, None] if column else w, bias, activation)
    if column:
        y = y[..., 0]
    return y[..., 0] if row and column else y[..., 0, :] if row else y
