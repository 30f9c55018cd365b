# Convolution: csrc/drivers/convolution.c. The reference states what fits together, and its check
# words every error; here it is called only for arguments that do not pass the quick test.

from tinygrad_cn.kernels.reference import convolution as convolution_reference

cdef extern from "tg.h" nogil:
    void tg_winograd_set(int on) noexcept
    int tg_winograd_enabled() noexcept


def set_winograd(bint on):
    """See tinygrad_cn.set_winograd."""
    tg_winograd_set(on)


def winograd():
    """See tinygrad_cn.get_winograd."""
    return bool(tg_winograd_enabled())


# Fill the integers of the call and the shape of the result. False: something does not fit.
cdef bint read_convolution(tg_call *call, const cnp.npy_intp *x, const cnp.npy_intp *w,
                           cnp.npy_intp *y, strides, padding, dilation,
                           cnp.npy_intp groups) except -1:
    cdef cnp.npy_intp size, stride, before, after, dil
    cdef int i
    (vertical, horizontal) = padding
    if len(strides) != 2 or len(dilation) != 2 or len(vertical) != 2 or len(horizontal) != 2:
        return False
    if groups < 1 or w[2] > x[3] or x[3] != w[2] * groups or w[3] % groups:
        return False
    y[0] = x[0]
    y[3] = w[3]
    for i in range(2):
        stride = strides[i]
        dil = dilation[i]
        (before, after) = horizontal if i else vertical
        if stride < 1 or dil < 1 or before < 0 or after < 0 or w[i] < 1:
            return False
        if max(stride, dil, before, after) > 1 << 30 or w[i] > 1 << 30:
            return False
        size = x[1 + i] + before + after - dil * (w[i] - 1) - 1
        if size < 0:
            return False
        y[1 + i] = size // stride + 1
        call.ints[1 + i] = stride
        call.ints[3 + 2 * i] = before
        call.ints[4 + 2 * i] = after
        call.ints[7 + i] = dil
    call.ints[9] = groups
    return True


# Raise what the reference raises. What it lets pass is too large for the compiled kernels.
cdef int refuse_convolution(str op, x_shape, w_shape, strides, padding, dilation,
                            groups) except -1:
    convolution_reference.output_shape(op, x_shape, w_shape, strides, padding, dilation, groups)
    raise ValueError(
        f"[{op}] a number is too large. Expected strides, padding and dilation up to 2**30, "
        f"received strides={strides!r}, padding={padding!r}, dilation={dilation!r}.")


cdef bint four_numbers(shape, cnp.npy_intp *sizes) except -1:
    cdef int i
    if len(shape) != 4:
        return False
    for i in range(4):
        sizes[i] = shape[i]
        if sizes[i] < 0:
            return False
    return True


cdef bint same_shape(cnp.ndarray x, const cnp.npy_intp *shape) noexcept:
    cdef int i
    if cnp.PyArray_NDIM(x) != 4:
        return False
    for i in range(4):
        if cnp.PyArray_DIMS(x)[i] != shape[i]:
            return False
    return True


def conv2d(x, w, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, bias=None,
           activation=None):
    """Convolution, NHWC and HWIO; see tinygrad_cn.kernels.reference.conv2d."""
    cdef cnp.ndarray image = np.asarray(x), kernel = np.asarray(w), y
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    cdef int typenum = float_type(image)
    if typenum < 0 or cnp.PyArray_TYPE(kernel) != typenum or not keeps_type(bias, typenum):
        return by_reference("conv2d", (x, w, strides, padding, dilation, groups, bias, activation))
    begin(&call, TG_DRIVER_conv2d)
    if (cnp.PyArray_NDIM(image) != 4 or cnp.PyArray_NDIM(kernel) != 4
            or not read_convolution(&call, cnp.PyArray_DIMS(image), cnp.PyArray_DIMS(kernel), shape,
                                    strides, padding, dilation, groups)):
        refuse_convolution("conv2d", (<object>image).shape, (<object>kernel).shape, strides,
                           padding, dilation, groups)
    call.ints[0] = activation_code("conv2d", activation)
    bias = prepared_bias("conv2d", bias, shape[3], typenum)
    image = contiguous(image)
    kernel = contiguous(kernel)
    y = allocate(4, shape, typenum)
    arrays = (y, image, kernel, bias)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return y


def conv2d_input_grad(g, w, x_shape, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1),
                      groups=1):
    """The gradient of conv2d in x; see tinygrad_cn.kernels.reference.conv2d_input_grad."""
    cdef cnp.ndarray grad = np.asarray(g), kernel = np.asarray(w), gx
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    cdef cnp.npy_intp result[4]
    cdef int typenum = float_type(grad)
    cdef str op = "conv2d_input_grad"
    if typenum < 0 or cnp.PyArray_TYPE(kernel) != typenum:
        return by_reference(op, (g, w, x_shape, strides, padding, dilation, groups))
    begin(&call, TG_DRIVER_conv2d_input_grad)
    if (not four_numbers(x_shape, result) or cnp.PyArray_NDIM(kernel) != 4
            or not read_convolution(&call, result, cnp.PyArray_DIMS(kernel), shape, strides,
                                    padding, dilation, groups)):
        refuse_convolution(op, x_shape, (<object>kernel).shape, strides, padding, dilation,
                           groups)
    if not same_shape(grad, shape):
        convolution_reference.check_like(op, "g", grad, [size for size in shape])
    grad = contiguous(grad)
    kernel = contiguous(kernel)
    gx = allocate(4, result, typenum)
    arrays = (gx, grad, kernel)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return gx


def conv2d_weight_grad(x, g, w_shape, strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1),
                       groups=1):
    """The gradient of conv2d in w; see tinygrad_cn.kernels.reference.conv2d_weight_grad."""
    cdef cnp.ndarray image = np.asarray(x), grad = np.asarray(g), gw
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    cdef cnp.npy_intp result[4]
    cdef int typenum = float_type(image)
    cdef str op = "conv2d_weight_grad"
    if typenum < 0 or cnp.PyArray_TYPE(grad) != typenum:
        return by_reference(op, (x, g, w_shape, strides, padding, dilation, groups))
    begin(&call, TG_DRIVER_conv2d_weight_grad)
    if (cnp.PyArray_NDIM(image) != 4 or not four_numbers(w_shape, result)
            or not read_convolution(&call, cnp.PyArray_DIMS(image), result, shape, strides, padding,
                                    dilation, groups)):
        refuse_convolution(op, (<object>image).shape, w_shape, strides, padding, dilation,
                           groups)
    if not same_shape(grad, shape):
        convolution_reference.check_like(op, "g", grad, [size for size in shape])
    image = contiguous(image)
    grad = contiguous(grad)
    gw = allocate(4, result, typenum)
    arrays = (gw, image, grad)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return gw
