"""The compiled kernels: the same functions as tinygrad_cn.kernels.reference, run by the C core.

This file holds what all families share: arrays from the caching allocator, the one place where a
call is run, and the configuration of the core. Each family is one .pxi: it checks its arguments,
allocates the result, describes the call and launches it. No arithmetic happens here.
"""

import os

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.string cimport memset

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cimport numpy as cnp

import numpy as np

from tinygrad_cn.kernels import reference

cnp.import_array()

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) PyObject *tg_recorder = NULL;
    #else
    static _Thread_local PyObject *tg_recorder = NULL;
    #endif
    """
    PyObject *tg_recorder  # of this thread, or NULL


# Below this NumPy's own allocation is as fast, and needs no second object.
cdef enum: POOL_FROM_BYTES = 4096

# Below this the call ends sooner than handing the GIL over and back would pay off.
cdef enum: RELEASE_GIL_FROM_ELEMENTS = 4096


# --- arrays ---------------------------------------------------------------------------------------


@cython.final
@cython.freelist(64)
cdef class Block:
    """The owner of a block of the allocator: the base object of an array that lives in it."""
    cdef void *data

    def __dealloc__(self):
        tg_free(self.data)


cdef inline size_t item_size(int typenum) noexcept:
    if typenum == cnp.NPY_FLOAT or typenum == cnp.NPY_INT32:
        return 4
    return 1 if typenum == cnp.NPY_BOOL or typenum == cnp.NPY_UINT8 else 8


cdef cnp.ndarray allocate(int ndim, const cnp.npy_intp *shape, int typenum):
    cdef size_t n_bytes = item_size(typenum)
    cdef Block block
    cdef cnp.ndarray y
    cdef int i, j
    for i in range(ndim):
        if shape[i] > 0 and n_bytes > <size_t>PY_SSIZE_T_MAX // <size_t>shape[i]:
            raise MemoryError("[allocate] no memory for an array. Received "
                              f"shape={tuple([shape[j] for j in range(ndim)])}.")
        n_bytes *= <size_t>shape[i]
    if n_bytes < POOL_FROM_BYTES:
        return cnp.PyArray_EMPTY(ndim, <cnp.npy_intp *>shape, typenum, 0)
    block = Block.__new__(Block)
    block.data = tg_alloc(n_bytes)
    if block.data == NULL:
        raise MemoryError(f"[allocate] no memory for an array. Received n_bytes={n_bytes}.")
    y = cnp.PyArray_SimpleNewFromData(ndim, <cnp.npy_intp *>shape, typenum, block.data)
    cnp.set_array_base(y, block)
    return y


cdef cnp.ndarray allocate_like(cnp.ndarray x):
    return allocate(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), cnp.PyArray_TYPE(x))


cdef cnp.ndarray as_array(object x):
    return <cnp.ndarray>x if isinstance(x, cnp.ndarray) else np.asarray(x)


# The first byte of x and the one after its last; strides may be negative.
cdef void byte_bounds(cnp.ndarray x, char **low, char **high) noexcept:
    cdef Py_ssize_t span
    cdef int i
    low[0] = high[0] = <char *>cnp.PyArray_DATA(x)
    if cnp.PyArray_SIZE(x) == 0:
        return
    high[0] += cnp.PyArray_ITEMSIZE(x)
    for i in range(cnp.PyArray_NDIM(x)):
        span = (cnp.PyArray_DIM(x, i) - 1) * cnp.PyArray_STRIDE(x, i)
        if span > 0:
            high[0] += span
        else:
            low[0] += span


cdef bint may_overlap(cnp.ndarray x, cnp.ndarray y) noexcept:
    cdef char *x_low
    cdef char *x_high
    cdef char *y_low
    cdef char *y_high
    byte_bounds(x, &x_low, &x_high)
    byte_bounds(y, &y_low, &y_high)
    return x_low < y_high and y_low < x_high


cdef int float_type(cnp.ndarray x) noexcept:
    cdef int typenum = cnp.PyArray_TYPE(x)
    return typenum if typenum == cnp.NPY_FLOAT or typenum == cnp.NPY_DOUBLE else -1


cdef cnp.ndarray behaved(cnp.ndarray x):
    if cnp.PyArray_ISBEHAVED_RO(x):
        return x
    return by_reference("copy", (x,))


cdef cnp.ndarray contiguous(cnp.ndarray x):
    cdef tg_call call
    cdef cnp.ndarray y
    if cnp.PyArray_ISCARRAY_RO(x):
        return x
    if float_type(x) < 0 or cnp.PyArray_NDIM(x) > TG_MAX_NDIM or not cnp.PyArray_ISBEHAVED_RO(x):
        return by_reference("copy", (x,))
    y = allocate_like(x)
    begin(&call, TG_DRIVER_copy)
    fill(&call.arrays[0], y)
    fill(&call.arrays[1], x)
    launch(&call, (y, x))
    return y


# --- calls ----------------------------------------------------------------------------------------


cdef void begin(tg_call *call, int driver) noexcept:
    call.driver = driver
    memset(&call.ints[0], 0, TG_MAX_INTS * sizeof(call.ints[0]))
    memset(&call.floats[0], 0, TG_MAX_FLOATS * sizeof(call.floats[0]))


cdef inline int dtype_of(cnp.ndarray x) noexcept:
    cdef int typenum = cnp.PyArray_TYPE(x)
    if typenum == cnp.NPY_FLOAT:
        return TG_F32
    if typenum == cnp.NPY_DOUBLE:
        return TG_F64
    if cnp.PyArray_ITEMSIZE(x) == 8:
        return TG_I64
    return TG_I32 if cnp.PyArray_ITEMSIZE(x) == 4 else TG_U8


cdef inline int shift_of(int dtype) noexcept:
    return 0 if dtype == TG_U8 else 2 if dtype == TG_F32 or dtype == TG_I32 else 3


cdef void fill(tg_array *array, cnp.ndarray x) noexcept:
    cdef int i, ndim = cnp.PyArray_NDIM(x), dtype = dtype_of(x), shift = shift_of(dtype)
    cdef const cnp.npy_intp *shape = cnp.PyArray_DIMS(x)
    cdef const cnp.npy_intp *strides = cnp.PyArray_STRIDES(x)
    array.data = cnp.PyArray_DATA(x)
    array.ndim = ndim
    array.dtype = dtype
    for i in range(ndim):
        array.shape[i] = shape[i]
        array.strides[i] = strides[i] >> shift


cdef void fill_broadcast(tg_array *array, cnp.ndarray x, int ndim,
                         const cnp.npy_intp *shape) noexcept:
    cdef int i, dtype = dtype_of(x), shift = shift_of(dtype)
    cdef int missing = ndim - cnp.PyArray_NDIM(x)
    cdef const cnp.npy_intp *own = cnp.PyArray_DIMS(x)
    cdef const cnp.npy_intp *strides = cnp.PyArray_STRIDES(x)
    array.data = cnp.PyArray_DATA(x)
    array.ndim = ndim
    array.dtype = dtype
    for i in range(ndim):
        array.shape[i] = shape[i]
        if i < missing or own[i - missing] == 1:
            array.strides[i] = 0
        else:
            array.strides[i] = strides[i - missing] >> shift


cdef void fill_all(tg_call *call, tuple arrays) noexcept:
    cdef Py_ssize_t i
    cdef PyObject *x
    for i in range(PyTuple_GET_SIZE(arrays)):
        x = <PyObject *>PyTuple_GET_ITEM(arrays, i)
        if x == <PyObject *>None:
            call.arrays[i].data = NULL
        else:
            fill(&call.arrays[i], <cnp.ndarray>x)


cdef inline bint is_large(const tg_call *call) noexcept:
    cdef Py_ssize_t n_elements
    cdef int i, j
    for i in range(call.n_arrays):
        if call.arrays[i].data != NULL:
            n_elements = 1
            for j in range(call.arrays[i].ndim):
                n_elements *= call.arrays[i].shape[j]
            if n_elements >= RELEASE_GIL_FROM_ELEMENTS:
                return True
    return False


cdef int launch(tg_call *call, tuple arrays) except -1:
    cdef int status
    call.n_arrays = <int>PyTuple_GET_SIZE(arrays)
    if tg_recorder != NULL:
        (<object>tg_recorder).record(
            PyBytes_FromStringAndSize(<char *>call, sizeof(tg_call)), arrays)
    if is_large(call):
        with nogil:
            status = tg_run(call)
    else:
        status = tg_run(call)
    if status != TG_OK:
        fail(status, call.driver)
    return 0


cdef int fail(int status, int driver) except -1:
    name = tg_driver_name(driver).decode()
    if status == TG_NO_MEMORY:
        raise MemoryError(f"[{name}] no memory for scratch space.")
    raise IndexError(f"[{name}] an index is out of range.")


cdef object by_reference(str name, tuple arguments):
    if tg_recorder != NULL:
        (<object>tg_recorder).refuse(name)
    return getattr(reference, name)(*arguments)


# --- recording ------------------------------------------------------------------------------------


def set_recorder(recorder):
    """Let `recorder` see every kernel call of this thread; None ends it. Returns the previous one.

    Before a call runs, `recorder.record(call, arrays)` gets a copy of its tg_call struct as bytes
    and its ndarrays in order (None where an optional one is absent). `recorder.refuse(name)` tells
    of a kernel that NumPy computed instead, which no replay would repeat.
    """
    global tg_recorder
    previous = <object>tg_recorder if tg_recorder != NULL else None
    cdef PyObject *old = tg_recorder
    if recorder is None:
        tg_recorder = NULL
    else:
        Py_INCREF(recorder)
        tg_recorder = <PyObject *>recorder
    Py_XDECREF(old)
    return previous


cdef const tg_call *call_in(bytes call) except NULL:
    if PyBytes_GET_SIZE(call) != sizeof(tg_call):
        raise ValueError("[call] the bytes are not a kernel call. "
                         f"Expected {sizeof(tg_call)} of them, received len(call)={len(call)}.")
    return <const tg_call *>PyBytes_AS_STRING(call)


def run_call(bytes call):
    """Run a recorded call once more, on the same memory. The caller keeps its arrays alive."""
    cdef const tg_call *c = call_in(call)
    cdef int status
    with nogil:
        status = tg_run(c)
    if status != TG_OK:
        fail(status, c.driver)


def describe_call(bytes call):
    """A recorded call as a dict: driver, arrays (address, dtype, shape, strides), ints, floats."""
    cdef const tg_call *c = call_in(call)
    cdef const tg_array *a
    cdef int i, j
    dtypes = {TG_F32: "float32", TG_F64: "float64", TG_I64: "int64", TG_I32: "int32",
              TG_U8: "uint8"}
    arrays = []
    for i in range(c.n_arrays):
        a = &c.arrays[i]
        arrays.append(None if a.data == NULL else {
            "address": <size_t>a.data,
            "dtype": dtypes[a.dtype],
            "shape": tuple([a.shape[j] for j in range(a.ndim)]),
            "strides": tuple([a.strides[j] for j in range(a.ndim)]),
        })
    return {
        "driver": tg_driver_name(c.driver).decode(),
        "arrays": arrays,
        "ints": [c.ints[i] for i in range(TG_MAX_INTS)],
        "floats": [c.floats[i] for i in range(TG_MAX_FLOATS)],
    }


# --- configuration --------------------------------------------------------------------------------


def isa_name():
    """The instruction set whose kernels are used."""
    return tg_isa_name().decode()


def isa_found():
    """The instruction sets that this machine and this build have, best first."""
    return tuple(tg_isa_found().decode().split())


def isa_select(str name):
    """Use the kernels of another instruction set. Not while a kernel runs."""
    encoded = name.encode()
    if tg_isa_select(encoded) != 0:
        raise ValueError("[isa_select] this machine or this build lacks the instruction set. "
                         f"Expected one of {isa_found()}, received name={name!r}.")


def compiler():
    """The compiler that built the core, with its version."""
    return tg_compiler().decode()


def openmp():
    """Whether the core was built with OpenMP."""
    return tg_openmp() != 0


def num_threads():
    """How many threads a large kernel uses."""
    return tg_num_threads()


def set_num_threads(int n):
    """Let a large kernel use n threads."""
    if n < 1:
        raise ValueError(f"[set_num_threads] too few threads. Expected n >= 1, received n={n}.")
    tg_set_num_threads(n)


def empty(shape, dtype):
    """A new array, its values whatever the memory held. See the NumPy twin."""
    cdef cnp.npy_intp sizes[TG_MAX_NDIM]
    cdef int i, ndim
    cdef cnp.dtype descr = dtype if isinstance(dtype, cnp.dtype) else np.dtype(dtype)
    if not isinstance(shape, tuple) or len(shape) > TG_MAX_NDIM or not is_kernel_type(descr):
        return np.empty(shape, descr)
    ndim = len(shape)
    for i in range(ndim):
        sizes[i] = shape[i]
        if sizes[i] < 0:
            return np.empty(shape, descr)  # raises what NumPy raises
    return allocate(ndim, sizes, descr.num)


cdef bint is_kernel_type(cnp.dtype descr) noexcept:
    return descr.num in (
        cnp.NPY_FLOAT, cnp.NPY_DOUBLE, cnp.NPY_INT64, cnp.NPY_INT32, cnp.NPY_UINT8, cnp.NPY_BOOL
    ) and descr.byteorder != 62 and descr.byteorder != 60  # '>' and '<': not the native order


def empty_cache():
    """Give the cached memory back to the system."""
    tg_empty_cache()


def set_cache_limit(size_t n_bytes):
    """Keep at most so many bytes for reuse."""
    tg_set_cache_limit(n_bytes)


def memory_stats():
    """Bytes in use, the most that were, bytes cached for reuse, and how often that helped."""
    cdef size_t stats[4]
    tg_memory_stats(stats)
    return {"in_use": stats[0], "peak": stats[1], "cached": stats[2], "reuses": stats[3]}


def _read_environment():
    name = os.environ.get("TINYGRAD_CN_ISA", "")
    if name and name not in isa_found():
        raise ValueError("[config] this machine or this build lacks the instruction set. "
                         f"Expected one of {isa_found()}, received TINYGRAD_CN_ISA={name!r}.")
    if name:
        isa_select(name)
    threads = os.environ.get("TINYGRAD_CN_NUM_THREADS", "")
    if threads and not (threads.isdecimal() and int(threads) > 0):
        raise ValueError("[config] the number of threads is not one. Expected a positive integer, "
                         f"received TINYGRAD_CN_NUM_THREADS={threads!r}.")


tg_init()
_read_environment()

# --- the families ---------------------------------------------------------------------------------

include "elementwise.pxi"
include "normalization.pxi"
include "optimizer.pxi"
include "random.pxi"
include "indexing.pxi"
include "softmax.pxi"
include "reduction.pxi"
include "attention.pxi"
include "recurrent.pxi"
include "matmul.pxi"
include "convolution.pxi"
include "pooling.pxi"
include "plan.pxi"

# A kernel that is public here has a twin in the reference; that list is also the list of exports.
__all__ = [name for name in reference.__all__ if name in globals()]
