# Attention by blocks: csrc/drivers/attention.c.

from tinygrad_cn.kernels.reference.attention import check_attention, check_attention_grad, scale_of

cdef extern from *:
    enum: TG_DRIVER_attention, TG_DRIVER_attention_grad


# x, or a copy whose rows are contiguous; other strides may be any.
cdef cnp.ndarray with_plain_rows(cnp.ndarray x):
    x = behaved(x)
    if cnp.PyArray_DIMS(x)[3] < 2 or cnp.PyArray_STRIDES(x)[3] == cnp.PyArray_ITEMSIZE(x):
        return x
    return contiguous(x)


# A new (B, H, T, D) array that lies in memory as x does: a (B, T, H, D) array seen transposed gives
# one that is transposed back without a copy.
cdef cnp.ndarray allocate_as(cnp.ndarray x, Py_ssize_t depth):
    cdef cnp.npy_intp shape[4]
    cdef cnp.npy_intp *dims = cnp.PyArray_DIMS(x)
    cdef bint swapped = dims[1] > 1 and cnp.PyArray_STRIDES(x)[1] < cnp.PyArray_STRIDES(x)[2]
    shape[0], shape[3] = dims[0], depth
    shape[1], shape[2] = (dims[2], dims[1]) if swapped else (dims[1], dims[2])
    y = allocate(4, shape, cnp.PyArray_TYPE(x))
    return y.transpose(0, 2, 1, 3) if swapped else y


# Describe the mask as broadcast to the scores (B, H, T, S).
cdef object prepared_mask(mask, int typenum):
    if mask is None:
        return None
    if mask.dtype != bool and cnp.PyArray_TYPE(<cnp.ndarray>mask) != typenum:
        mask = mask.astype(np.float32 if typenum == cnp.NPY_FLOAT else np.float64)
    return behaved(mask)


cdef void fill_mask(tg_array *array, mask, cnp.ndarray q, cnp.ndarray k):
    cdef cnp.npy_intp shape[4]
    if mask is None:
        array.data = NULL
        return
    shape[0], shape[1] = cnp.PyArray_DIMS(q)[0], cnp.PyArray_DIMS(q)[1]
    shape[2], shape[3] = cnp.PyArray_DIMS(q)[2], cnp.PyArray_DIMS(k)[2]
    fill_broadcast(array, mask, 4, shape)


def attention(q, k, v, mask=None, causal=False, scale=None):
    """(y, lse); see tinygrad_cn.kernels.reference.attention."""
    cdef cnp.ndarray a, b, c, y, lse
    cdef tg_call call
    q, k, v = as_array(q), as_array(k), as_array(v)
    check_attention("attention", q, k, v, mask)
    if not same_type((q, k, v), float_type(q)):
        return by_reference("attention", (q, k, v, mask, causal, scale))
    a, b, c = with_plain_rows(q), with_plain_rows(k), with_plain_rows(v)
    mask = prepared_mask(mask, cnp.PyArray_TYPE(a))
    y = allocate_as(a, cnp.PyArray_DIMS(c)[3])
    lse = allocate(3, cnp.PyArray_DIMS(a), cnp.PyArray_TYPE(a))
    cdef tuple arrays = (y, lse, a, b, c, mask)
    begin(&call, TG_DRIVER_attention)
    fill_all(&call, arrays[:5])
    fill_mask(&call.arrays[5], mask, a, b)
    call.ints[0] = bool(causal)
    call.floats[0] = scale_of(q, scale)
    launch(&call, arrays)
    return y, lse


def attention_grad(g, q, k, v, y, lse, mask=None, causal=False, scale=None):
    """(gq, gk, gv); see tinygrad_cn.kernels.reference.attention_grad."""
    cdef cnp.ndarray a, b, c, gy, out, row, gq, gk, gv
    cdef tg_call call
    check_attention_grad(g, q, k, v, y, lse, mask)
    if not same_type((q, g, k, v, y, lse), float_type(q)):
        return by_reference("attention_grad", (g, q, k, v, y, lse, mask, causal, scale))
    a, b, c = with_plain_rows(q), with_plain_rows(k), with_plain_rows(v)
    gy, out, row = with_plain_rows(g), with_plain_rows(y), contiguous(behaved(lse))
    mask = prepared_mask(mask, cnp.PyArray_TYPE(a))
    gq = allocate_as(a, cnp.PyArray_DIMS(a)[3])
    gk = allocate_as(b, cnp.PyArray_DIMS(b)[3])
    gv = allocate_as(c, cnp.PyArray_DIMS(c)[3])
    cdef tuple arrays = (gq, gk, gv, gy, a, b, c, out, row, mask)
    begin(&call, TG_DRIVER_attention_grad)
    fill_all(&call, arrays[:9])
    fill_mask(&call.arrays[9], mask, a, b)
    call.ints[0] = bool(causal)
    call.floats[0] = scale_of(q, scale)
    launch(&call, arrays)
    return gq, gk, gv
