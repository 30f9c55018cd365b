# Replay: a list of recorded calls, packed into one array of tg_call and run without Python.

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef extern from "tg.h" nogil:
    int tg_run_plan(const tg_call *calls, const int *together, Py_ssize_t n, int team,
                    double *nanoseconds, Py_ssize_t *failed) noexcept


def driver_of(bytes call):
    """The name of the driver of a recorded call."""
    return tg_driver_name(call_in(call).driver).decode()


def relocate_call(bytes call, addresses):
    """A recorded call with its arrays at other addresses (None: as it was)."""
    cdef bytes moved = PyBytes_FromStringAndSize(PyBytes_AS_STRING(call), PyBytes_GET_SIZE(call))
    cdef tg_call *c = <tg_call *>call_in(moved)
    for i, address in enumerate(addresses):
        if address is not None:
            c.arrays[i].data = <void *><size_t>address
    return moved


def dtype_code(dtype):
    """The number that stands for float32 or float64 in a call."""
    return TG_F32 if dtype == np.float32 else TG_F64


def make_call(str driver, list arrays, tuple ints, cnp.ndarray last=None, double number=0):
    """A call that no kernel function made: arrays are (shape, strides in elements, dtype), to be
    placed by relocate_call, or None; `last`, if given, is one more array, where it lies now."""
    cdef bytes made = PyBytes_FromStringAndSize(NULL, sizeof(tg_call))
    cdef tg_call *c = <tg_call *>PyBytes_AS_STRING(made)
    cdef Py_ssize_t i, j
    codes = {"float32": TG_F32, "float64": TG_F64, "int64": TG_I64, "int32": TG_I32}
    begin(c, [tg_driver_name(k) for k in range(TG_N_DRIVERS)].index(driver.encode()))
    c.n_arrays = <int>len(arrays) + (last is not None)
    if c.n_arrays > TG_MAX_ARRAYS:
        raise ValueError(f"[plan] Expected at most {TG_MAX_ARRAYS} arrays, received {c.n_arrays}.")
    for i, array in enumerate(arrays):
        c.arrays[i].data = NULL
        if array is None:
            continue
        shape, strides, dtype = array
        c.arrays[i].ndim = <int>len(shape)
        c.arrays[i].dtype = codes.get(str(dtype), TG_U8)
        for j in range(c.arrays[i].ndim):
            c.arrays[i].shape[j] = shape[j]
            c.arrays[i].strides[j] = strides[j]
    if last is not None:
        fill(&c.arrays[len(arrays)], last)
    if len(ints) > TG_MAX_INTS:
        raise ValueError(f"[plan] Expected at most {TG_MAX_INTS} numbers, received {len(ints)}.")
    for i, value in enumerate(ints):
        c.ints[i] = value
    c.floats[0] = number
    return made


def copies(list arrays):
    """New arrays with the values of these, which are contiguous."""
    cdef cnp.ndarray x, y
    made = []
    for one in arrays:
        x = <cnp.ndarray>one
        if is_kernel_type(x.dtype) and cnp.PyArray_ISCARRAY_RO(x):
            y = allocate_like(x)
            memcpy(cnp.PyArray_DATA(y), cnp.PyArray_DATA(x), cnp.PyArray_NBYTES(y))
        else:
            y = x.copy()
        made.append(y)
    return made


cdef class Plan:
    """Calls to be run in order, over and over. Whoever makes it keeps their arrays alive.

    `together` says for each call how many from it on are independent of each other: at least 1.
    """
    cdef tg_call *calls
    cdef int *together
    cdef readonly Py_ssize_t n

    def __cinit__(self, list calls, list together):
        cdef Py_ssize_t i
        self.n = len(calls)
        self.calls = <tg_call *>malloc(max(self.n, 1) * sizeof(tg_call))
        self.together = <int *>malloc(max(self.n, 1) * sizeof(int))
        if self.calls == NULL or self.together == NULL:
            raise MemoryError(f"[plan] no memory for {self.n} calls.")
        for i in range(self.n):
            memcpy(&self.calls[i], call_in(calls[i]), sizeof(tg_call))
            self.together[i] = together[i]
            if not 1 <= self.together[i] <= self.n - i:
                raise ValueError(f"[plan] Expected 1 to {self.n - i}, received {together[i]}.")

    def __dealloc__(self):
        free(self.calls)
        free(self.together)

    def run(self, bint team):
        """Run the calls, by a team of threads or on this one alone."""
        cdef int status
        cdef Py_ssize_t failed
        with nogil:
            status = tg_run_plan(self.calls, self.together, self.n, team, NULL, &failed)
        if status != TG_OK:
            self.fail(status, self.calls[failed].driver)

    def times(self, bint team):
        """Run the calls; return the nanoseconds that each took."""
        cdef int status
        cdef Py_ssize_t failed
        measured = np.zeros(self.n)
        cdef double *nanoseconds = <double *>cnp.PyArray_DATA(<cnp.ndarray>measured)
        with nogil:
            status = tg_run_plan(self.calls, self.together, self.n, team, nanoseconds, &failed)
        if status != TG_OK:
            self.fail(status, self.calls[failed].driver)
        return measured

    cdef int fail(self, int status, int driver) except -1:
        """Raise what the kernel raises that runs by itself, if with fewer details."""
        if status != TG_NO_MEMORY and driver in (TG_DRIVER_cross_entropy,
                                                 TG_DRIVER_cross_entropy_both):
            raise ValueError("[cross_entropy] a label is out of range.")
        return fail(status, driver)

    cdef int point(self, Py_ssize_t call, int array, char *address) except -1:
        """Let one array of one call lie elsewhere."""
        if not 0 <= call < self.n or not 0 <= array < self.calls[call].n_arrays:
            raise IndexError(f"[plan] Expected a call below {self.n}, received {call}, {array}.")
        self.calls[call].arrays[array].data = address
        return 0


# Whether an array shares memory with one of the spans (low, high), which are sorted and apart.
cdef bint meets(cnp.ndarray x, const cnp.int64_t *spans, Py_ssize_t n) noexcept:
    cdef cnp.int64_t low = <cnp.int64_t>cnp.PyArray_DATA(x)
    cdef cnp.int64_t high = low + cnp.PyArray_NBYTES(x)
    cdef Py_ssize_t first = 0, last = n, middle
    while first < last:  # the first span that ends behind the array's start
        middle = (first + last) // 2
        if spans[2 * middle + 1] <= low:
            first = middle + 1
        else:
            last = middle
    return first < n and spans[2 * first] < high


def fill_inputs(given, list inputs, list bound, cnp.ndarray written):
    """Take in a step's arguments: copy them into the arrays that stand for them in its plan, or,
    where `bound` has a list of places (plan, call, array, offset) and not None, let these places
    point to the argument itself, which the caller keeps alive during the run; not if it lies where
    the plan writes, in the spans (low, high) of `written`.

    False, with the inputs in no particular state, unless each is an array, or a Tensor without a
    node, of the shape and dtype of its input.
    """
    cdef Py_ssize_t i, n = len(inputs)
    cdef cnp.ndarray mine, x
    if len(given) != n:
        return False
    for i in range(n):
        one = given[i]
        if not isinstance(one, cnp.ndarray):
            if getattr(one, "node", one) is not None:
                return False
            one = one.data
        x = <cnp.ndarray>one
        mine = <cnp.ndarray>inputs[i]
        if (cnp.PyArray_TYPE(x) != cnp.PyArray_TYPE(mine)
                or not cnp.PyArray_SAMESHAPE(x, mine)):
            return False
        places = bound[i]
        if not cnp.PyArray_ISCARRAY_RO(x):
            cnp.PyArray_CopyInto(mine, x)
            x = mine
        elif places is None or meets(x, <const cnp.int64_t *>cnp.PyArray_DATA(written),
                                     cnp.PyArray_SIZE(written) // 2):
            memcpy(cnp.PyArray_DATA(mine), cnp.PyArray_DATA(x), cnp.PyArray_NBYTES(mine))
            x = mine
        if places is not None:
            for plan, call, array, offset in places:
                (<Plan>plan).point(call, array, <char *>cnp.PyArray_DATA(x) + <size_t>offset)
    return True
