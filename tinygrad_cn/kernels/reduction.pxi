# Reductions: csrc/drivers/reduction.c. Formulas: the NumPy twins.

cdef extern from *:
    enum: TG_REDUCE_sum, TG_REDUCE_mean, TG_REDUCE_prod, TG_REDUCE_max, TG_REDUCE_min


# A bit for each axis to reduce, or -1 where NumPy has to name the error.
cdef int axes_mask(object axis, int ndim):
    cdef int mask = 0, at
    if axis is None:
        return (1 << ndim) - 1
    for value in (axis if isinstance(axis, tuple) else (axis,)):
        if not isinstance(value, (int, np.integer)) or not -ndim <= value < ndim:
            return -1
        at = <int>value + (ndim if value < 0 else 0)
        if mask >> at & 1:
            return -1
        mask |= 1 << at
    return mask


# Describe a contiguous block of memory as (a, b, c).
cdef void fill_matrix(tg_array *array, cnp.ndarray x, int ndim, Py_ssize_t a, Py_ssize_t b,
                      Py_ssize_t c) noexcept:
    array.data = cnp.PyArray_DATA(x)
    array.ndim = ndim
    array.dtype = dtype_of(x)
    array.shape[0], array.shape[1], array.shape[2] = a, b, c
    array.strides[0] = b * c if ndim == 3 else b if ndim == 2 else 1
    array.strides[1] = c if ndim == 3 else 1
    array.strides[2] = 1


# Neighbouring axes that are all kept or all reduced are one; each run of reduced axes is one call,
# the last run first: what it leaves is smaller, and in C order again.
cdef cnp.ndarray reduce_runs(int op, cnp.ndarray x, int mask, cnp.ndarray y):
    cdef Py_ssize_t length[TG_MAX_NDIM]
    cdef Py_ssize_t outer, inner, count = 1
    cdef cnp.npy_intp shape[1]
    cdef int reduced[TG_MAX_NDIM]
    cdef int i, last, n_runs = 0, left = 0, typenum = cnp.PyArray_TYPE(x)
    cdef tg_call call
    cdef cnp.ndarray to
    for i in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_DIMS(x)[i] == 1:
            continue
        if n_runs > 0 and reduced[n_runs - 1] == (mask >> i & 1):
            length[n_runs - 1] *= cnp.PyArray_DIMS(x)[i]
        else:
            length[n_runs] = cnp.PyArray_DIMS(x)[i]
            reduced[n_runs] = mask >> i & 1
            left += reduced[n_runs]
            n_runs += 1
    if left == 0:  # only axes of length 1
        length[n_runs] = 1
        reduced[n_runs] = 1
        left = 1
        n_runs += 1
    while left > 0:
        last = n_runs - 1
        while not reduced[last]:
            last -= 1
        outer = inner = 1
        for i in range(last):
            outer *= length[i]
        for i in range(last + 1, n_runs):
            inner *= length[i]
        count *= length[last]
        to = y
        if left > 1:
            shape[0] = outer * inner
            to = allocate(1, shape, typenum)
        begin(&call, TG_DRIVER_reduce)
        fill_matrix(&call.arrays[0], to, 2, outer, inner, 1)
        fill_matrix(&call.arrays[1], x, 3, outer, length[last], inner)
        call.ints[0] = TG_REDUCE_sum if op == TG_REDUCE_mean and left > 1 else op
        call.floats[0] = count
        launch(&call, (to, x))
        x = to
        if last + 1 < n_runs:  # the kept runs on both sides are neighbours now
            length[last] = length[last + 1]
            reduced[last] = 0
            if last > 0:
                length[last - 1] *= length[last]
            n_runs = last if last > 0 else 1
        else:
            n_runs = last
        left -= 1
    return y


cdef object reduce_axes(int op, cnp.ndarray a, int mask, bint keepdims):
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef int i, ndim = cnp.PyArray_NDIM(a), n_kept = 0
    for i in range(ndim):
        if not mask >> i & 1:
            shape[n_kept] = cnp.PyArray_DIMS(a)[i]
            n_kept += 1
        elif keepdims:
            shape[n_kept] = 1
            n_kept += 1
    if mask == (1 << ndim) - 1 and cnp.PyArray_IS_F_CONTIGUOUS(a):
        a = a.T  # all elements in the order of memory
    if not cnp.PyArray_ISCARRAY_RO(a):
        a = copy(a)
    return reduce_runs(op, a, mask, allocate(n_kept, shape, cnp.PyArray_TYPE(a)))


cdef object reduce(int op, str name, object x, object axis, bint keepdims):
    cdef cnp.ndarray a
    cdef int mask, typenum
    cdef bint extreme = op == TG_REDUCE_max or op == TG_REDUCE_min
    if not isinstance(x, np.ndarray) or not is_kernel_type((<cnp.ndarray>x).dtype):
        return by_reference(name, (x, axis, keepdims))
    a = <cnp.ndarray>x
    typenum = cnp.PyArray_TYPE(a)
    mask = axes_mask(axis, cnp.PyArray_NDIM(a)) if cnp.PyArray_NDIM(a) <= TG_MAX_NDIM else -1
    if mask < 0 or cnp.PyArray_SIZE(a) == 0:  # NumPy knows what the sum of nothing is
        return by_reference(name, (x, axis, keepdims))
    if float_type(a) >= 0:
        return reduce_axes(op, behaved(a), mask, keepdims)
    if op == TG_REDUCE_mean:
        return reduce_axes(op, converted(a, cnp.NPY_DOUBLE), mask, keepdims)
    if typenum == cnp.NPY_UINT8 and not extreme:  # NumPy's uint64
        return by_reference(name, (x, axis, keepdims))
    y = reduce_axes(op, converted(a, cnp.NPY_INT64), mask, keepdims)
    return converted(y, typenum) if extreme else y


cdef object arg_reduce(bint largest, str name, object x, object axis, bint keepdims):
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef cnp.ndarray a, y
    cdef Py_ssize_t n, inner = 1
    cdef int i, at, ndim, n_kept = 0
    cdef tg_call call
    if not isinstance(x, np.ndarray) or float_type(<cnp.ndarray>x) < 0:
        return by_reference(name, (x, axis, keepdims))
    a = <cnp.ndarray>x
    ndim = cnp.PyArray_NDIM(a)
    if (ndim > TG_MAX_NDIM or cnp.PyArray_SIZE(a) == 0 or isinstance(axis, tuple)
            or axes_mask(axis, ndim) < 0):
        return by_reference(name, (x, axis, keepdims))
    at = -1 if axis is None else <int>axis + (ndim if axis < 0 else 0)
    n = cnp.PyArray_SIZE(a) if axis is None else cnp.PyArray_DIMS(a)[at]
    for i in range(ndim):
        if keepdims or (axis is not None and i != at):
            shape[n_kept] = 1 if axis is None or i == at else cnp.PyArray_DIMS(a)[i]
            n_kept += 1
        if axis is not None and i > at:
            inner *= cnp.PyArray_DIMS(a)[i]
    a = contiguous(behaved(a))
    y = allocate(n_kept, shape, cnp.NPY_INT64)
    begin(&call, TG_DRIVER_arg_reduce)
    fill_matrix(&call.arrays[0], y, 2, cnp.PyArray_SIZE(a) // (n * inner), inner, 1)
    fill_matrix(&call.arrays[1], a, 3, cnp.PyArray_SIZE(a) // (n * inner), n, inner)
    call.ints[0] = largest
    launch(&call, (y, a))
    return y


def top_k(x, k):
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef tg_call call
    cdef cnp.ndarray a, y
    cdef Py_ssize_t n, count
    cdef int i, ndim
    if (not isinstance(x, np.ndarray) or float_type(<cnp.ndarray>x) < 0
            or not isinstance(k, (int, np.integer))):
        return by_reference("top_k", (x, k))
    a = <cnp.ndarray>x
    ndim, count = cnp.PyArray_NDIM(a), k
    if (not 0 < ndim <= TG_MAX_NDIM or cnp.PyArray_SIZE(a) == 0
            or not 0 < count <= cnp.PyArray_DIMS(a)[ndim - 1]):
        return by_reference("top_k", (x, k))
    for i in range(ndim):
        shape[i] = cnp.PyArray_DIMS(a)[i]
    n, shape[ndim - 1] = shape[ndim - 1], count
    a = contiguous(behaved(a))
    y = allocate(ndim, shape, cnp.NPY_INT64)
    begin(&call, TG_DRIVER_top_k)
    fill_matrix(&call.arrays[0], y, 2, cnp.PyArray_SIZE(a) // n, count, 1)
    fill_matrix(&call.arrays[1], a, 2, cnp.PyArray_SIZE(a) // n, n, 1)
    launch(&call, (y, a))
    return y


cdef object scan(bint product, str name, object x, object axis):
    cdef tg_call call
    cdef cnp.ndarray a, y
    cdef Py_ssize_t n, inner = 1
    cdef int i, at, ndim
    if not isinstance(x, np.ndarray) or float_type(<cnp.ndarray>x) < 0:
        return by_reference(name, (x, axis))
    a = <cnp.ndarray>x
    ndim = cnp.PyArray_NDIM(a)
    if (ndim > TG_MAX_NDIM or cnp.PyArray_SIZE(a) == 0 or not isinstance(axis, (int, np.integer))
            or not -ndim <= axis < ndim):
        return by_reference(name, (x, axis))
    at = <int>axis + (ndim if axis < 0 else 0)
    n = cnp.PyArray_DIMS(a)[at]
    for i in range(at + 1, ndim):
        inner *= cnp.PyArray_DIMS(a)[i]
    a = contiguous(behaved(a))
    y = allocate_like(a)
    begin(&call, TG_DRIVER_scan)
    fill_matrix(&call.arrays[0], y, 3, cnp.PyArray_SIZE(a) // (n * inner), n, inner)
    fill_matrix(&call.arrays[1], a, 3, cnp.PyArray_SIZE(a) // (n * inner), n, inner)
    call.ints[0] = product
    launch(&call, (y, a))
    return y


# `sum`, `max` and others are names of Cython's fast built-ins, which the rest of this module uses:
# the kernels get their public names in the module's dictionary only.
def _sum(x, axis=None, keepdims=False):
    return reduce(TG_REDUCE_sum, "sum", x, axis, keepdims)


def mean(x, axis=None, keepdims=False):
    return reduce(TG_REDUCE_mean, "mean", x, axis, keepdims)


def prod(x, axis=None, keepdims=False):
    return reduce(TG_REDUCE_prod, "prod", x, axis, keepdims)


def _max(x, axis=None, keepdims=False):
    return reduce(TG_REDUCE_max, "max", x, axis, keepdims)


def _min(x, axis=None, keepdims=False):
    return reduce(TG_REDUCE_min, "min", x, axis, keepdims)


def argmax(x, axis=None, keepdims=False):
    return arg_reduce(True, "argmax", x, axis, keepdims)


def argmin(x, axis=None, keepdims=False):
    return arg_reduce(False, "argmin", x, axis, keepdims)


def cumsum(x, axis):
    return scan(False, "cumsum", x, axis)


def cumprod(x, axis):
    return scan(True, "cumprod", x, axis)


for _function in (_sum, _max, _min):
    _function.__name__ = _function.__qualname__ = _function.__name__[1:]
    globals()[_function.__name__] = _function
