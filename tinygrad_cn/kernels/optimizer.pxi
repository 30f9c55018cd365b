# Optimizer steps in place: csrc/drivers/optimizer.c. Formulas: the NumPy twins.

from tinygrad_cn.kernels.reference.optimizer import _check


# Whether the core can update these arrays in place: same dtype and shape, in C order, writable.
cdef bint in_place(cnp.ndarray p, tuple others):
    if float_type(p) < 0 or cnp.PyArray_NDIM(p) > TG_MAX_NDIM or not cnp.PyArray_ISCARRAY(p):
        return False
    for x in others:
        if x is not None and not cnp.PyArray_ISCARRAY(<cnp.ndarray>x):
            return False
    return True


def sgd(p, g, velocity, hyper, nesterov=False):
    cdef tg_call call
    _check("sgd", p, {"g": g, "velocity": velocity}, hyper, 3)
    if not in_place(p, (velocity,)) or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>hyper):
        return by_reference("sgd", (p, g, velocity, hyper, nesterov))
    cdef tuple arrays = (p, velocity, contiguous(behaved(g)), hyper)
    begin(&call, TG_DRIVER_sgd)
    fill_all(&call, arrays)
    call.ints[0] = 1 if nesterov else 0
    launch(&call, arrays)


def adam(p, g, m, v, hyper, vhat=None):
    cdef tg_call call
    _check("adam", p, {"g": g, "m": m, "v": v, "vhat": vhat}, hyper, 6)
    if not in_place(p, (m, v, vhat)) or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>hyper):
        return by_reference("adam", (p, g, m, v, hyper, vhat))
    cdef tuple arrays = (p, m, v, vhat, contiguous(behaved(g)), hyper)
    begin(&call, TG_DRIVER_adam)
    fill_all(&call, arrays)
    launch(&call, arrays)
