# Gather and scatter-add of rows: csrc/drivers/indexing.c. Formulas: the NumPy twins.

from tinygrad_cn.kernels.reference.indexing import _check_indices


def take(x, indices):
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef tg_call call
    cdef cnp.ndarray a, at, y
    cdef Py_ssize_t width = 1
    cdef int i, ndim, n_index
    if (not isinstance(x, np.ndarray) or not is_kernel_type((<cnp.ndarray>x).dtype)
            or not is_index_array(indices)):
        return by_reference("take", (x, indices))
    ndim, n_index = cnp.PyArray_NDIM(<cnp.ndarray>x), cnp.PyArray_NDIM(<cnp.ndarray>indices)
    if ndim == 0 or ndim - 1 + n_index > TG_MAX_NDIM:
        return by_reference("take", (x, indices))
    a, at = as_table(<cnp.ndarray>x), contiguous(behaved(<cnp.ndarray>indices))
    for i in range(n_index):
        shape[i] = cnp.PyArray_DIMS(at)[i]
    for i in range(1, ndim):
        shape[n_index + i - 1] = cnp.PyArray_DIMS(a)[i]
        width *= cnp.PyArray_DIMS(a)[i]
    y = allocate(n_index + ndim - 1, shape, cnp.PyArray_TYPE(a))
    begin(&call, TG_DRIVER_take)
    fill_matrix(&call.arrays[0], y, 2, cnp.PyArray_SIZE(at), width, 1)
    fill_matrix(&call.arrays[1], a, 2, cnp.PyArray_DIMS(a)[0], width, 1)
    fill_matrix(&call.arrays[2], at, 1, cnp.PyArray_SIZE(at), 1, 1)
    try:
        launch(&call, (y, a, at))
    except IndexError:
        _check_indices("take", at, cnp.PyArray_DIMS(a)[0])  # names the index
        raise
    return y


# In C order, with any dtype of the core.
cdef cnp.ndarray as_table(cnp.ndarray x):
    return x if cnp.PyArray_ISCARRAY_RO(x) else copy(x)


def scatter_add(g, indices, shape):
    cdef cnp.npy_intp sizes[TG_MAX_NDIM]
    cdef tg_call call
    cdef cnp.ndarray a, at, y
    cdef Py_ssize_t width = 1
    cdef int i, ndim
    if (not isinstance(g, np.ndarray) or float_type(<cnp.ndarray>g) < 0
            or not is_index_array(indices) or not isinstance(shape, tuple)
            or not 0 < len(shape) <= TG_MAX_NDIM or g.shape != indices.shape + shape[1:]):
        return by_reference("scatter_add", (g, indices, shape))
    a = contiguous(behaved(<cnp.ndarray>g))
    at = contiguous(behaved(<cnp.ndarray>indices))
    ndim = len(shape)
    for i in range(ndim):
        sizes[i] = shape[i]
        if i > 0:
            width *= sizes[i]
    y = allocate(ndim, sizes, cnp.PyArray_TYPE(a))
    begin(&call, TG_DRIVER_scatter_add)
    fill_matrix(&call.arrays[0], y, 2, sizes[0], width, 1)
    fill_matrix(&call.arrays[1], a, 2, cnp.PyArray_SIZE(at), width, 1)
    fill_matrix(&call.arrays[2], at, 1, cnp.PyArray_SIZE(at), 1, 1)
    try:
        launch(&call, (y, a, at))
    except IndexError:
        _check_indices("scatter_add", at, sizes[0])
        raise
    return y
