# Elementwise kernels: csrc/drivers/elementwise.c. Formulas: the NumPy twins.

cdef extern from *:
    enum: TG_UNARY_negative, TG_UNARY_abs, TG_UNARY_sign, TG_UNARY_exp, TG_UNARY_expm1,
    enum: TG_UNARY_log, TG_UNARY_log1p, TG_UNARY_log2, TG_UNARY_log10, TG_UNARY_sqrt,
    enum: TG_UNARY_rsqrt, TG_UNARY_square, TG_UNARY_reciprocal, TG_UNARY_sin, TG_UNARY_cos,
    enum: TG_UNARY_tan, TG_UNARY_asin, TG_UNARY_acos, TG_UNARY_atan, TG_UNARY_sinh, TG_UNARY_cosh,
    enum: TG_UNARY_tanh, TG_UNARY_asinh, TG_UNARY_acosh, TG_UNARY_atanh, TG_UNARY_erf,
    enum: TG_UNARY_floor, TG_UNARY_ceil, TG_UNARY_round, TG_UNARY_trunc, TG_UNARY_relu,
    enum: TG_UNARY_sigmoid, TG_UNARY_softplus, TG_UNARY_silu, TG_UNARY_gelu, TG_UNARY_gelu_tanh
    enum: TG_BINARY_add, TG_BINARY_subtract, TG_BINARY_multiply, TG_BINARY_divide, TG_BINARY_pow,
    enum: TG_BINARY_maximum, TG_BINARY_minimum, TG_BINARY_atan2, TG_BINARY_logaddexp,
    enum: TG_BINARY_relu_grad, TG_BINARY_tanh_grad, TG_BINARY_sigmoid_grad, TG_BINARY_silu_grad,
    enum: TG_BINARY_gelu_grad, TG_BINARY_gelu_tanh_grad
    enum: TG_COMPARE_equal, TG_COMPARE_not_equal, TG_COMPARE_less, TG_COMPARE_less_equal,
    enum: TG_COMPARE_greater, TG_COMPARE_greater_equal


# Whether out can take the result as it is; if not, NumPy decides (and names the error).
cdef bint fits(object out, int ndim, const cnp.npy_intp *shape, int typenum):
    cdef cnp.ndarray y
    cdef int i
    if not isinstance(out, cnp.ndarray):
        return False
    y = <cnp.ndarray>out
    if cnp.PyArray_TYPE(y) != typenum or cnp.PyArray_NDIM(y) != ndim:
        return False
    if not cnp.PyArray_ISBEHAVED(y):
        return False
    for i in range(ndim):
        if cnp.PyArray_DIMS(y)[i] != shape[i]:
            return False
    return True


# x, or a copy of it when it shares memory with y other than element by element.
cdef cnp.ndarray apart(cnp.ndarray x, cnp.ndarray y):
    cdef int i, ndim = cnp.PyArray_NDIM(y)
    cdef bint same = cnp.PyArray_DATA(x) == cnp.PyArray_DATA(y) and cnp.PyArray_NDIM(x) == ndim
    if x is y:
        return x
    for i in range(ndim):
        same = same and cnp.PyArray_DIMS(x)[i] == cnp.PyArray_DIMS(y)[i]
        same = same and cnp.PyArray_STRIDES(x)[i] == cnp.PyArray_STRIDES(y)[i]
    if same or not may_overlap(x, y):
        return x
    return copy(x, None)


cdef inline bint is_whole(cnp.ndarray x) noexcept:
    return cnp.PyArray_TYPE(x) == cnp.NPY_INT64 or cnp.PyArray_TYPE(x) == cnp.NPY_INT32


# Whether NumPy leaves integers what they are; all other functions give float64.
cdef inline bint keeps_integers(int op) noexcept:
    return op in (TG_UNARY_negative, TG_UNARY_abs, TG_UNARY_sign, TG_UNARY_square, TG_UNARY_floor,
                  TG_UNARY_ceil, TG_UNARY_round, TG_UNARY_trunc, TG_UNARY_relu,
                  TG_UNARY_reciprocal)


def is_arithmetic(str kernel, int op):
    """Whether an elementwise operation takes a few instructions a number, and no polynomial."""
    if kernel == "unary":
        return keeps_integers(op) or op in (TG_UNARY_sqrt, TG_UNARY_rsqrt)
    return kernel != "binary" or op in (
        TG_BINARY_add, TG_BINARY_subtract, TG_BINARY_multiply, TG_BINARY_divide, TG_BINARY_maximum,
        TG_BINARY_minimum, TG_BINARY_relu_grad, TG_BINARY_tanh_grad, TG_BINARY_sigmoid_grad)


cdef object unary(int op, str name, object x, object out):
    cdef tg_call call
    cdef cnp.ndarray a, y
    if not isinstance(x, cnp.ndarray):
        return by_reference(name, (x, out))
    a = <cnp.ndarray>x
    if is_whole(a) and not keeps_integers(op) and out is None:
        a = converted(a, cnp.NPY_DOUBLE)
    if float_type(a) < 0 or cnp.PyArray_NDIM(a) > TG_MAX_NDIM:
        return by_reference(name, (x, out))
    a = behaved(a)
    if out is None:
        y = allocate_like(a)
    elif fits(out, cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.PyArray_TYPE(a)):
        y = <cnp.ndarray>out
        a = apart(a, y)
    else:
        return by_reference(name, (x, out))
    begin(&call, TG_DRIVER_unary)
    fill(&call.arrays[0], y)
    fill(&call.arrays[1], a)
    call.ints[0] = op
    launch(&call, (y, a))
    return y


# A Python number as an array of no dimensions: it takes the dtype of the other operand.
cdef cnp.ndarray number(double value, int typenum):
    cdef cnp.ndarray x = cnp.PyArray_EMPTY(0, NULL, typenum, 0)
    if typenum == cnp.NPY_FLOAT:
        (<float *>cnp.PyArray_DATA(x))[0] = <float>value
    else:
        (<double *>cnp.PyArray_DATA(x))[0] = value
    return x


cdef inline bint is_number(object x):
    return type(x) is float or type(x) is int or type(x) is bool


# x as an array of the dtype, or None when NumPy has to find the common dtype.
cdef object operand(object x, int typenum):
    if isinstance(x, cnp.ndarray):
        return behaved(<cnp.ndarray>x) if cnp.PyArray_TYPE(<cnp.ndarray>x) == typenum else None
    if is_number(x):
        try:
            return number(x, typenum)
        except OverflowError:  # an integer beyond all floats
            return None
    if isinstance(x, cnp.generic):
        x = as_array(x)
        return x if cnp.PyArray_TYPE(<cnp.ndarray>x) == typenum else None
    return None


cdef inline int type_of_pair(object a, object b):
    if isinstance(a, cnp.ndarray):
        return float_type(<cnp.ndarray>a)
    return float_type(<cnp.ndarray>b) if isinstance(b, cnp.ndarray) else -1


cdef inline bint is_operand(object x):
    return is_number(x) or isinstance(x, (cnp.ndarray, cnp.generic)) and is_kernel_type(x.dtype)


# The dtype in which operands of different dtypes, or of integers, meet: NumPy's; or -1 where the
# kernels do not take it.
cdef int common_type(int driver, int op, object a, object b):
    cdef cnp.dtype common
    if not (isinstance(a, cnp.ndarray) or isinstance(b, cnp.ndarray)):
        return -1
    if not (is_operand(a) and is_operand(b)):
        return -1
    common = np.result_type(a, b)
    if common.num == cnp.NPY_FLOAT or common.num == cnp.NPY_DOUBLE:
        return common.num
    if not is_kernel_type(common):
        return -1
    if driver != TG_DRIVER_binary or op in (TG_BINARY_multiply, TG_BINARY_maximum,
                                            TG_BINARY_minimum):
        return common.num
    if common.num == cnp.NPY_BOOL:  # where a sum is an `or`
        return -1
    if op == TG_BINARY_divide:
        return cnp.NPY_DOUBLE
    return common.num if op in (TG_BINARY_add, TG_BINARY_subtract) else -1


# x as an array of the dtype, converted if need be; None for a number beyond the dtype.
cdef object converted(object x, int typenum):
    cdef cnp.ndarray a
    if is_number(x):
        try:
            return np.array(x, cnp.PyArray_DescrFromType(typenum))
        except OverflowError:
            return None
    a = behaved(as_array(x))
    if cnp.PyArray_TYPE(a) == typenum:
        return a
    return copy(a, allocate(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), typenum))


# The shape that a and b broadcast to: the number of dimensions, or -1.
cdef int broadcast(cnp.npy_intp *shape, int ndim, cnp.ndarray x) noexcept:
    cdef int i, n = cnp.PyArray_NDIM(x), shift
    if n > TG_MAX_NDIM:
        return -1
    if n > ndim:
        for i in range(ndim):
            shape[n - 1 - i] = shape[ndim - 1 - i]
        for i in range(n - ndim):
            shape[i] = 1
        ndim = n
    shift = ndim - n
    for i in range(n):
        if shape[shift + i] == 1:
            shape[shift + i] = cnp.PyArray_DIMS(x)[i]
        elif cnp.PyArray_DIMS(x)[i] != 1 and cnp.PyArray_DIMS(x)[i] != shape[shift + i]:
            return -1
    return ndim


cdef int refuse_shapes(str name, object a, object b) except -1:
    by_reference(name, (a, b))  # its error says which axis disagrees


cdef object pair_by_reference(int driver, str name, object a, object b, object out):
    return by_reference(name, (a, b, out) if driver == TG_DRIVER_binary else (a, b))


cdef object binary(int driver, int op, str name, object a, object b, object out):
    cdef tg_call call
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef cnp.ndarray u, v, y
    cdef int ndim, typenum = type_of_pair(a, b)
    x = operand(a, typenum) if typenum >= 0 else None
    z = operand(b, typenum) if x is not None else None
    if z is None:
        typenum = common_type(driver, op, a, b)
        x = converted(a, typenum) if typenum >= 0 else None
        z = converted(b, typenum) if x is not None else None
        if z is None:
            return pair_by_reference(driver, name, a, b, out)
    u, v = <cnp.ndarray>x, <cnp.ndarray>z
    if cnp.PyArray_NDIM(u) > TG_MAX_NDIM or cnp.PyArray_NDIM(v) > TG_MAX_NDIM:
        return pair_by_reference(driver, name, a, b, out)
    ndim = broadcast(shape, broadcast(shape, 0, u), v)
    if ndim < 0:
        refuse_shapes(name, a, b)
    if out is None:
        y = allocate(ndim, shape, typenum if driver == TG_DRIVER_binary else cnp.NPY_BOOL)
    elif fits(out, ndim, shape, typenum):
        y = <cnp.ndarray>out
        u, v = apart(u, y), apart(v, y)
    else:
        return pair_by_reference(driver, name, a, b, out)
    begin(&call, driver)
    fill(&call.arrays[0], y)
    fill_broadcast(&call.arrays[1], u, ndim, shape)
    fill_broadcast(&call.arrays[2], v, ndim, shape)
    call.ints[0] = op
    launch(&call, (y, u, v))
    return y


def where(condition, a, b):
    """a where condition is true (not 0), else b."""
    cdef tg_call call
    cdef cnp.npy_intp shape[TG_MAX_NDIM]
    cdef cnp.ndarray c, u, v, y
    cdef int ndim, typenum = type_of_pair(a, b)
    if not isinstance(condition, cnp.ndarray) or not is_kernel_type(condition.dtype):
        return by_reference("where", (condition, a, b))
    x = operand(a, typenum) if typenum >= 0 else None
    z = operand(b, typenum) if x is not None else None
    if z is None:
        typenum = common_type(TG_DRIVER_where, 0, a, b)
        x = converted(a, typenum) if typenum >= 0 else None
        z = converted(b, typenum) if x is not None else None
    c = <cnp.ndarray>condition
    if z is None or cnp.PyArray_NDIM(c) > TG_MAX_NDIM:
        return by_reference("where", (condition, a, b))
    if cnp.PyArray_TYPE(c) != cnp.NPY_BOOL and cnp.PyArray_TYPE(c) != cnp.NPY_UINT8:
        c = converted(c, cnp.NPY_BOOL)
    u, v = <cnp.ndarray>x, <cnp.ndarray>z
    if cnp.PyArray_NDIM(u) > TG_MAX_NDIM or cnp.PyArray_NDIM(v) > TG_MAX_NDIM:
        return by_reference("where", (condition, a, b))
    ndim = broadcast(shape, broadcast(shape, 0, u), v)
    ndim = broadcast(shape, ndim, c) if ndim >= 0 else ndim
    if ndim < 0:
        return by_reference("where", (condition, a, b))  # its error says which axis disagrees
    y = allocate(ndim, shape, typenum)
    begin(&call, TG_DRIVER_where)
    fill(&call.arrays[0], y)
    fill_broadcast(&call.arrays[1], c, ndim, shape)
    fill_broadcast(&call.arrays[2], u, ndim, shape)
    fill_broadcast(&call.arrays[3], v, ndim, shape)
    launch(&call, (y, c, u, v))
    return y


def copy(x, out=None):
    """A new array in C order and native byte order with the values of x; or x written into out,
    which may have any strides and another dtype. Floats lose their fraction in integers; one that
    the integer cannot hold gives what NumPy gives on x86: the least int32 or int64, or for uint8
    the low byte of the int32. All but 0 is True."""
    cdef tg_call call
    cdef cnp.ndarray a, y
    cdef int typenum
    if not isinstance(x, cnp.ndarray) or not is_kernel_type((<cnp.ndarray>x).dtype):
        return by_reference("copy", (x, out))
    a = <cnp.ndarray>x
    if cnp.PyArray_NDIM(a) > TG_MAX_NDIM or not cnp.PyArray_ISBEHAVED_RO(a):
        return by_reference("copy", (x, out))
    typenum = cnp.PyArray_TYPE(a)
    if out is None:
        y = allocate_like(a)
    elif not isinstance(out, cnp.ndarray) or not is_kernel_type((<cnp.ndarray>out).dtype):
        return by_reference("copy", (x, out))
    elif fits(out, cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.PyArray_TYPE(out)):
        y = <cnp.ndarray>out
        if cnp.PyArray_TYPE(y) == typenum:
            a = apart(a, y)
        elif may_overlap(a, y):
            a = copy(a)
    else:
        return by_reference("copy", (x, out))
    begin(&call, TG_DRIVER_copy)
    fill(&call.arrays[0], y)
    fill(&call.arrays[1], a)
    call.ints[0] = cnp.PyArray_TYPE(y) == cnp.NPY_BOOL and typenum != cnp.NPY_BOOL
    launch(&call, (y, a))
    return y


# --- the operations by name -----------------------------------------------------------------------


def negative(x, out=None):
    return unary(TG_UNARY_negative, "negative", x, out)


def _abs(x, out=None):
    return unary(TG_UNARY_abs, "abs", x, out)


def sign(x, out=None):
    return unary(TG_UNARY_sign, "sign", x, out)


def exp(x, out=None):
    return unary(TG_UNARY_exp, "exp", x, out)


def expm1(x, out=None):
    return unary(TG_UNARY_expm1, "expm1", x, out)


def log(x, out=None):
    return unary(TG_UNARY_log, "log", x, out)


def log1p(x, out=None):
    return unary(TG_UNARY_log1p, "log1p", x, out)


def log2(x, out=None):
    return unary(TG_UNARY_log2, "log2", x, out)


def log10(x, out=None):
    return unary(TG_UNARY_log10, "log10", x, out)


def sqrt(x, out=None):
    return unary(TG_UNARY_sqrt, "sqrt", x, out)


def rsqrt(x, out=None):
    return unary(TG_UNARY_rsqrt, "rsqrt", x, out)


def square(x, out=None):
    return unary(TG_UNARY_square, "square", x, out)


def reciprocal(x, out=None):
    return unary(TG_UNARY_reciprocal, "reciprocal", x, out)


def sin(x, out=None):
    return unary(TG_UNARY_sin, "sin", x, out)


def cos(x, out=None):
    return unary(TG_UNARY_cos, "cos", x, out)


def tan(x, out=None):
    return unary(TG_UNARY_tan, "tan", x, out)


def asin(x, out=None):
    return unary(TG_UNARY_asin, "asin", x, out)


def acos(x, out=None):
    return unary(TG_UNARY_acos, "acos", x, out)


def atan(x, out=None):
    return unary(TG_UNARY_atan, "atan", x, out)


def sinh(x, out=None):
    return unary(TG_UNARY_sinh, "sinh", x, out)


def cosh(x, out=None):
    return unary(TG_UNARY_cosh, "cosh", x, out)


def tanh(x, out=None):
    return unary(TG_UNARY_tanh, "tanh", x, out)


def asinh(x, out=None):
    return unary(TG_UNARY_asinh, "asinh", x, out)


def acosh(x, out=None):
    return unary(TG_UNARY_acosh, "acosh", x, out)


def atanh(x, out=None):
    return unary(TG_UNARY_atanh, "atanh", x, out)


def erf(x, out=None):
    return unary(TG_UNARY_erf, "erf", x, out)


def floor(x, out=None):
    return unary(TG_UNARY_floor, "floor", x, out)


def ceil(x, out=None):
    return unary(TG_UNARY_ceil, "ceil", x, out)


def _round(x, out=None):
    return unary(TG_UNARY_round, "round", x, out)


def trunc(x, out=None):
    return unary(TG_UNARY_trunc, "trunc", x, out)


def relu(x, out=None):
    return unary(TG_UNARY_relu, "relu", x, out)


def sigmoid(x, out=None):
    return unary(TG_UNARY_sigmoid, "sigmoid", x, out)


def softplus(x, out=None):
    return unary(TG_UNARY_softplus, "softplus", x, out)


def silu(x, out=None):
    return unary(TG_UNARY_silu, "silu", x, out)


def gelu(x, out=None):
    return unary(TG_UNARY_gelu, "gelu", x, out)


def gelu_tanh(x, out=None):
    return unary(TG_UNARY_gelu_tanh, "gelu_tanh", x, out)


def add(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_add, "add", a, b, out)


def subtract(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_subtract, "subtract", a, b, out)


def multiply(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_multiply, "multiply", a, b, out)


def divide(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_divide, "divide", a, b, out)


def _pow(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_pow, "pow", a, b, out)


def maximum(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_maximum, "maximum", a, b, out)


def minimum(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_minimum, "minimum", a, b, out)


def atan2(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_atan2, "atan2", a, b, out)


def logaddexp(a, b, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_logaddexp, "logaddexp", a, b, out)


def relu_grad(g, y, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_relu_grad, "relu_grad", g, y, out)


def tanh_grad(g, y, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_tanh_grad, "tanh_grad", g, y, out)


def sigmoid_grad(g, y, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_sigmoid_grad, "sigmoid_grad", g, y, out)


def silu_grad(g, x, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_silu_grad, "silu_grad", g, x, out)


def gelu_grad(g, x, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_gelu_grad, "gelu_grad", g, x, out)


def gelu_tanh_grad(g, x, out=None):
    return binary(TG_DRIVER_binary, TG_BINARY_gelu_tanh_grad, "gelu_tanh_grad", g, x, out)


def equal(a, b):
    return binary(TG_DRIVER_compare, TG_COMPARE_equal, "equal", a, b, None)


def not_equal(a, b):
    return binary(TG_DRIVER_compare, TG_COMPARE_not_equal, "not_equal", a, b, None)


def less(a, b):
    return binary(TG_DRIVER_compare, TG_COMPARE_less, "less", a, b, None)


def less_equal(a, b):
    return binary(TG_DRIVER_compare, TG_COMPARE_less_equal, "less_equal", a, b, None)


def greater(a, b):
    return binary(TG_DRIVER_compare, TG_COMPARE_greater, "greater", a, b, None)


def greater_equal(a, b):
    return binary(TG_DRIVER_compare, TG_COMPARE_greater_equal, "greater_equal", a, b, None)


# Built-in functions that the rest of this module means when it says so: see reduction.pxi.
for _function in (_abs, _round, _pow):
    _function.__name__ = _function.__qualname__ = _function.__name__[1:]
    globals()[_function.__name__] = _function
