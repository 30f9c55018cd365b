# What Cython sees of the C core (csrc/tg.h), and the helpers that every family's .pxi uses.
cimport numpy as cnp


cdef extern from "tg.h" nogil:
    enum: TG_MAX_NDIM, TG_MAX_ARRAYS, TG_MAX_INTS, TG_MAX_FLOATS
    enum: TG_F32, TG_F64, TG_I64, TG_I32, TG_U8
    enum: TG_OK, TG_NO_MEMORY, TG_INDEX_OUT_OF_RANGE
    enum: TG_N_DRIVERS
    enum: TG_ACT_NONE, TG_ACT_RELU, TG_ACT_TANH, TG_ACT_SIGMOID, TG_ACT_GELU_TANH

    ctypedef struct tg_array:
        void *data
        int ndim
        int dtype
        Py_ssize_t shape[8]  # TG_MAX_NDIM; the C compiler knows the true sizes
        Py_ssize_t strides[8]

    ctypedef struct tg_call:
        int driver
        int n_arrays
        tg_array arrays[12]
        Py_ssize_t ints[20]
        double floats[8]

    # The drivers; arguments: see csrc/drivers/<family>.c.
    enum: TG_DRIVER_unary, TG_DRIVER_binary, TG_DRIVER_compare, TG_DRIVER_where, TG_DRIVER_copy
    enum: TG_DRIVER_reduce, TG_DRIVER_arg_reduce, TG_DRIVER_top_k, TG_DRIVER_scan
    enum: TG_DRIVER_softmax, TG_DRIVER_softmax_grad
    enum: TG_DRIVER_cross_entropy, TG_DRIVER_cross_entropy_grad, TG_DRIVER_cross_entropy_both
    enum: TG_DRIVER_take, TG_DRIVER_scatter_add
    enum: TG_DRIVER_take_along_axis, TG_DRIVER_add_along_axis
    enum: TG_DRIVER_random, TG_DRIVER_dropout
    enum: TG_DRIVER_sgd, TG_DRIVER_adam, TG_DRIVER_increment
    enum: TG_DRIVER_matmul
    enum: TG_DRIVER_conv2d, TG_DRIVER_conv2d_input_grad, TG_DRIVER_conv2d_weight_grad
    enum: TG_DRIVER_max_pool2d, TG_DRIVER_max_pool2d_gather, TG_DRIVER_max_pool2d_grad
    enum: TG_DRIVER_average_pool2d, TG_DRIVER_average_pool2d_grad

    int tg_run(const tg_call *call) noexcept
    const char *tg_driver_name(int driver) noexcept
    void tg_init() noexcept

    const char *tg_isa_name() noexcept
    const char *tg_isa_found() noexcept
    int tg_isa_select(const char *name) noexcept
    const char *tg_compiler() noexcept

    int tg_openmp() noexcept
    int tg_num_threads() noexcept
    void tg_set_num_threads(int n) noexcept

    void *tg_alloc(size_t n_bytes) noexcept
    void tg_free(void *block) noexcept
    void tg_empty_cache() noexcept
    void tg_set_cache_limit(size_t n_bytes) noexcept
    void tg_memory_stats(size_t *stats) noexcept


# --- arrays ---------------------------------------------------------------------------------------

# A new C-ordered array, not initialised. From 4 KB up its memory comes from tg_alloc.
cdef cnp.ndarray allocate(int ndim, const cnp.npy_intp *shape, int typenum)
cdef cnp.ndarray allocate_like(cnp.ndarray x)

# np.asarray(x), without a Python call when x is an ndarray.
cdef cnp.ndarray as_array(object x)

# Whether the memory from the first to the last byte of x and y has a part in common.
cdef bint may_overlap(cnp.ndarray x, cnp.ndarray y) noexcept

# NPY_FLOAT or NPY_DOUBLE when the compiled kernels take x (its byte order may be foreign), else -1.
cdef int float_type(cnp.ndarray x) noexcept

# x itself, or a copy that is aligned and in native byte order.
cdef cnp.ndarray behaved(cnp.ndarray x)

# x itself, or a copy that is also in C order.
cdef cnp.ndarray contiguous(cnp.ndarray x)

# --- calls ----------------------------------------------------------------------------------------
#
#     cdef tg_call call
#     begin(&call, TG_DRIVER_softmax)
#     fill(&call.arrays[0], y)                  (or fill_all(&call, (y, x)) for all in one line)
#     fill(&call.arrays[1], x)
#     call.ints[0] = axis
#     launch(&call, (y, x))

# Name the driver; ints and floats are 0.
cdef void begin(tg_call *call, int driver) noexcept

# Describe x, which must be `behaved`, have a dtype of tg_dtype and at most TG_MAX_NDIM dimensions.
cdef void fill(tg_array *array, cnp.ndarray x) noexcept

# Describe x as broadcast to a shape (which it fits): repeated dimensions have stride 0.
cdef void fill_broadcast(tg_array *array, cnp.ndarray x, int ndim,
                         const cnp.npy_intp *shape) noexcept

# Fill every array of the call with its ndarray, or as absent for None.
cdef void fill_all(tg_call *call, tuple arrays) noexcept

# Run the call, whose arrays are those of the tuple, in order. The only place where that happens:
# the GIL is released for large arrays, a status becomes an exception, a recorder gets the call.
cdef int launch(tg_call *call, tuple arrays) except -1

# The result of the NumPy twin: for dtypes and ranks that the compiled kernels do not take.
cdef object by_reference(str name, tuple arguments)
