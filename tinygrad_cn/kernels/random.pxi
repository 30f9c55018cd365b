# Random numbers: csrc/drivers/random.c. Formulas, and the order of the numbers: the NumPy twins.


cdef bint is_state(object state):
    if not isinstance(state, np.ndarray):
        return False
    cdef cnp.ndarray s = <cnp.ndarray>state
    return (cnp.PyArray_TYPE(s) == cnp.NPY_INT64 and cnp.PyArray_NDIM(s) == 1
            and cnp.PyArray_DIMS(s)[0] == 2 and cnp.PyArray_ISCARRAY(s))


cdef object draw(bint is_normal, str name, object state, object shape, object dtype):
    cdef tg_call call
    cdef cnp.ndarray y
    cdef cnp.dtype descr = np.dtype(dtype)
    if (not is_state(state) or not isinstance(shape, tuple)
            or descr.num not in (cnp.NPY_FLOAT, cnp.NPY_DOUBLE)):
        return by_reference(name, (state, shape, dtype))
    y = empty(shape, descr.newbyteorder("="))
    if not cnp.PyArray_ISCARRAY(y) or cnp.PyArray_NDIM(y) > TG_MAX_NDIM:
        return by_reference(name, (state, shape, dtype))
    begin(&call, TG_DRIVER_random)
    fill(&call.arrays[0], y)
    fill(&call.arrays[1], <cnp.ndarray>state)
    call.ints[0] = is_normal
    launch(&call, (y, state))
    return y


def uniform(state, shape, dtype):
    return draw(False, "uniform", state, shape, dtype)


def normal(state, shape, dtype):
    return draw(True, "normal", state, shape, dtype)


def dropout(x, rate, state):
    cdef tg_call call
    cdef cnp.ndarray a, y, mask
    if (not isinstance(x, np.ndarray) or float_type(<cnp.ndarray>x) < 0 or not is_state(state)
            or cnp.PyArray_NDIM(<cnp.ndarray>x) > TG_MAX_NDIM or not 0.0 <= rate <= 1.0):
        return by_reference("dropout", (x, rate, state))
    a = contiguous(behaved(<cnp.ndarray>x))
    y = allocate_like(a)
    mask = allocate(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.NPY_UINT8)
    begin(&call, TG_DRIVER_dropout)
    fill(&call.arrays[0], y)
    fill(&call.arrays[1], mask)
    fill(&call.arrays[2], <cnp.ndarray>state)
    fill(&call.arrays[3], a)
    call.floats[0] = rate
    launch(&call, (y, mask, state, a))
    return y, mask
