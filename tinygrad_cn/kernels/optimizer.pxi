# Optimizer steps in place: csrc/drivers/optimizer.c. Formulas: the NumPy twins.

from tinygrad_cn.kernels.reference.optimizer import _check, _check_counter


# Whether the core can update these arrays in place: same dtype and shape, in C order, writable;
# and read these numbers.
cdef bint in_place(cnp.ndarray p, tuple others, tuple numbers):
    if float_type(p) < 0 or cnp.PyArray_NDIM(p) > TG_MAX_NDIM or not cnp.PyArray_ISCARRAY(p):
        return False
    for x in others:
        if x is not None and not cnp.PyArray_ISCARRAY(<cnp.ndarray>x):
            return False
    for x in numbers:
        if not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>x):
            return False
    return True


def sgd(p, g, velocity, rate, hyper, nesterov=False):
    cdef tg_call call
    _check("sgd", p, {"g": g, "velocity": velocity}, rate, hyper, 2)
    if not in_place(p, (velocity,), (rate, hyper)):
        return by_reference("sgd", (p, g, velocity, rate, hyper, nesterov))
    cdef tuple arrays = (p, velocity, contiguous(behaved(g)), rate, hyper)
    begin(&call, TG_DRIVER_sgd)
    fill_all(&call, arrays)
    call.ints[0] = 1 if nesterov else 0
    launch(&call, arrays)


def adam(p, g, m, v, rate, step, hyper, vhat=None):
    cdef tg_call call
    _check("adam", p, {"g": g, "m": m, "v": v, "vhat": vhat}, rate, hyper, 4)
    _check_counter("adam", step)
    if not in_place(p, (m, v, vhat), (rate, step, hyper)):
        return by_reference("adam", (p, g, m, v, rate, step, hyper, vhat))
    cdef tuple arrays = (p, m, v, vhat, contiguous(behaved(g)), rate, step, hyper)
    begin(&call, TG_DRIVER_adam)
    fill_all(&call, arrays)
    launch(&call, arrays)


def increment(counter):
    cdef tg_call call
    _check_counter("increment", counter)
    if not cnp.PyArray_ISCARRAY(<cnp.ndarray>counter):
        return by_reference("increment", (counter,))
    cdef tuple arrays = (counter,)
    begin(&call, TG_DRIVER_increment)
    fill_all(&call, arrays)
    launch(&call, arrays)
