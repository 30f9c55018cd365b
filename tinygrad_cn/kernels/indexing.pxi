# Gather and scatter-add of rows, or of elements along an axis: csrc/drivers/indexing.c. Formulas:
# the NumPy twins.

from tinygrad_cn.kernels.reference.indexing import _check_indices


def take(x, indices, axis=0):
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef tg_call call
    cdef cnp.ndarray a, at, y
    cdef Py_ssize_t outer = 1, width = 1
    cdef int i, ndim, n_index, along
    if (not isinstance(x, np.ndarray) or not is_kernel_type((<cnp.ndarray>x).dtype)
            or not is_index_array(indices) or not isinstance(axis, int)):
        return by_reference("take", (x, indices, axis))
    ndim, n_index = cnp.PyArray_NDIM(<cnp.ndarray>x), cnp.PyArray_NDIM(<cnp.ndarray>indices)
    if not 0 <= axis < ndim or ndim - 1 + n_index > TG_MAX_NDIM:
        return by_reference("take", (x, indices, axis))
    a, at, along = as_table(<cnp.ndarray>x), contiguous(behaved(<cnp.ndarray>indices)), axis
    for i in range(along):
        shape[i] = cnp.PyArray_DIMS(a)[i]
        outer *= shape[i]
    for i in range(n_index):
        shape[along + i] = cnp.PyArray_DIMS(at)[i]
    for i in range(along + 1, ndim):
        shape[n_index + i - 1] = cnp.PyArray_DIMS(a)[i]
        width *= cnp.PyArray_DIMS(a)[i]
    y = allocate(n_index + ndim - 1, shape, cnp.PyArray_TYPE(a))
    begin(&call, TG_DRIVER_take)
    fill_matrix(&call.arrays[0], y, 3, outer, cnp.PyArray_SIZE(at), width)
    fill_matrix(&call.arrays[1], a, 3, outer, cnp.PyArray_DIMS(a)[along], width)
    fill_matrix(&call.arrays[2], at, 1, cnp.PyArray_SIZE(at), 1, 1)
    try:
        launch(&call, (y, a, at))
    except IndexError:
        _check_indices("take", at, cnp.PyArray_DIMS(a)[along])  # names the index
        raise
    return y


# In C order, with any dtype of the core.
cdef cnp.ndarray as_table(cnp.ndarray x):
    return x if cnp.PyArray_ISCARRAY_RO(x) else copy(x)


def scatter_add(g, indices, shape, axis=0):
    cdef cnp.npy_intp sizes[TG_MAX_NDIM]
    cdef tg_call call
    cdef cnp.ndarray a, at, y
    cdef Py_ssize_t outer = 1, width = 1
    cdef int i, ndim, along
    if (not isinstance(g, np.ndarray) or float_type(<cnp.ndarray>g) < 0
            or not is_index_array(indices) or not isinstance(shape, tuple)
            or not isinstance(axis, int) or not 0 <= axis < len(shape) <= TG_MAX_NDIM
            or g.shape != shape[:axis] + indices.shape + shape[axis + 1:]):
        return by_reference("scatter_add", (g, indices, shape, axis))
    a, at, along = contiguous(behaved(<cnp.ndarray>g)), contiguous(behaved(indices)), axis
    ndim = len(shape)
    for i in range(ndim):
        sizes[i] = shape[i]
        if i < along:
            outer *= sizes[i]
        elif i > along:
            width *= sizes[i]
    y = allocate(ndim, sizes, cnp.PyArray_TYPE(a))
    begin(&call, TG_DRIVER_scatter_add)
    fill_matrix(&call.arrays[0], y, 3, outer, sizes[along], width)
    fill_matrix(&call.arrays[1], a, 3, outer, cnp.PyArray_SIZE(at), width)
    fill_matrix(&call.arrays[2], at, 1, cnp.PyArray_SIZE(at), 1, 1)
    try:
        launch(&call, (y, a, at))
    except IndexError:
        _check_indices("scatter_add", at, sizes[along])
        raise
    return y


# Do x and indices agree but for the axis, and do the kernels take the indices?
cdef bint are_columns(object x, object indices, object axis):
    return (isinstance(axis, int) and is_index_array(indices) and 0 <= axis < x.ndim
            and indices.shape[:axis] == x.shape[:axis] and indices.ndim == x.ndim
            and indices.shape[axis + 1:] == x.shape[axis + 1:])


# A call of take_along_axis or add_along_axis: arrays as (outer, ., inner), with `length` elements
# where the indices point to.
cdef object launch_columns(int driver, str name, cnp.ndarray y, cnp.ndarray x, cnp.ndarray indices,
                           int axis, Py_ssize_t length):
    cdef tg_call call
    cdef int i
    begin(&call, driver)
    fill_all(&call, (y, x, indices))
    call.ints[0] = call.ints[3] = 1
    call.ints[1], call.ints[2] = length, cnp.PyArray_DIMS(indices)[axis]
    for i in range(cnp.PyArray_NDIM(indices)):
        if i != axis:
            call.ints[0 if i < axis else 3] *= cnp.PyArray_DIMS(indices)[i]
    try:
        launch(&call, (y, x, indices))
    except IndexError:
        _check_indices(name, indices, length)  # names the index
        raise
    return y


def take_along_axis(x, indices, axis):
    cdef cnp.ndarray at
    if (not isinstance(x, np.ndarray) or not is_kernel_type((<cnp.ndarray>x).dtype)
            or cnp.PyArray_NDIM(<cnp.ndarray>x) > TG_MAX_NDIM or not are_columns(x, indices, axis)):
        return by_reference("take_along_axis", (x, indices, axis))
    at = contiguous(behaved(<cnp.ndarray>indices))
    y = allocate(cnp.PyArray_NDIM(at), cnp.PyArray_DIMS(at), cnp.PyArray_TYPE(<cnp.ndarray>x))
    return launch_columns(TG_DRIVER_take_along_axis, "take_along_axis", y,
                          as_table(<cnp.ndarray>x), at, axis, x.shape[axis])


def add_along_axis(g, indices, axis, length):
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef cnp.ndarray a, at
    cdef int i
    if (not isinstance(g, np.ndarray) or float_type(<cnp.ndarray>g) < 0
            or cnp.PyArray_NDIM(<cnp.ndarray>g) > TG_MAX_NDIM or not isinstance(length, int)
            or length < 0 or not are_columns(g, indices, axis) or g.shape != indices.shape):
        return by_reference("add_along_axis", (g, indices, axis, length))
    a, at = contiguous(behaved(<cnp.ndarray>g)), contiguous(behaved(<cnp.ndarray>indices))
    for i in range(cnp.PyArray_NDIM(a)):
        shape[i] = length if i == <int>axis else cnp.PyArray_DIMS(a)[i]
    y = allocate(cnp.PyArray_NDIM(a), shape, cnp.PyArray_TYPE(a))
    return launch_columns(TG_DRIVER_add_along_axis, "add_along_axis", y, a, at, axis, length)
