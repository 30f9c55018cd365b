# Pooling: csrc/drivers/pooling.c. As for convolution, the reference words the errors.

from tinygrad_cn.kernels.reference import pooling as pooling_reference


# Fill the integers of the call and the shape of the result. False: something does not fit.
cdef bint read_pooling(tg_call *call, const cnp.npy_intp *x, cnp.npy_intp *y, pool_size, strides,
                       padding) except -1:
    cdef cnp.npy_intp size, window, stride, before, after
    cdef int i
    (vertical, horizontal) = padding
    if len(pool_size) != 2 or len(strides) != 2 or len(vertical) != 2 or len(horizontal) != 2:
        return False
    y[0] = x[0]
    y[3] = x[3]
    for i in range(2):
        window = pool_size[i]
        stride = strides[i]
        (before, after) = horizontal if i else vertical
        if window < 1 or stride < 1 or before < 0 or after < 0 or max(before, after) >= window:
            return False
        if max(window, stride) > 1 << 30:
            return False
        size = x[1 + i] + before + after - window
        if size < 0:
            return False
        y[1 + i] = size // stride + 1
        call.ints[i] = window
        call.ints[2 + i] = stride
        call.ints[4 + i] = before
    return call.ints[0] * call.ints[1] <= 1 << 30


cdef int refuse_pooling(str op, x_shape, pool_size, strides, padding) except -1:
    pooling_reference.pool_shape(op, x_shape, pool_size, strides, padding)
    raise ValueError(
        f"[{op}] a number is too large. Expected windows and strides up to 2**30 pixels, received "
        f"pool_size={tuple(pool_size)}, strides={tuple(strides)}.")


cdef int read_image(tg_call *call, cnp.ndarray x, cnp.npy_intp *shape, str op, pool_size, strides,
                    padding) except -1:
    if (cnp.PyArray_NDIM(x) != 4
            or not read_pooling(call, cnp.PyArray_DIMS(x), shape, pool_size, strides, padding)):
        refuse_pooling(op, (<object>x).shape, pool_size, strides, padding)
    return 0


# The index as the kernels read it: contiguous, uint8 or int32 by the size of the window.
cdef cnp.ndarray read_index(str op, index, const cnp.npy_intp *shape, tg_call *call):
    cdef cnp.ndarray x = np.asarray(index)
    cdef int typenum = cnp.NPY_INT32 if call.ints[0] * call.ints[1] > 256 else cnp.NPY_UINT8
    pooling_reference._check_index(op, x, (shape[0], shape[1], shape[2], shape[3]))
    if cnp.PyArray_TYPE(x) != typenum or not cnp.PyArray_ISCARRAY_RO(x):
        x = np.ascontiguousarray(x, cnp.PyArray_DescrFromType(typenum))
    return x


def max_pool2d(x, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """Maximum and its place; see tinygrad_cn.kernels.reference.max_pool2d."""
    cdef cnp.ndarray image = np.asarray(x), y, index
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    if float_type(image) < 0:
        return by_reference("max_pool2d", (x, pool_size, strides, padding))
    begin(&call, TG_DRIVER_max_pool2d)
    read_image(&call, image, shape, "max_pool2d", pool_size, strides, padding)
    image = contiguous(image)
    y = allocate(4, shape, cnp.PyArray_TYPE(image))
    index = allocate(4, shape, cnp.NPY_INT32 if call.ints[0] * call.ints[1] > 256
                     else cnp.NPY_UINT8)
    arrays = (y, index, image)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return y, index


def max_pool2d_grad(g, index, x_shape, pool_size=(2, 2), strides=(2, 2),
                    padding=((0, 0), (0, 0))):
    """The gradient of max_pool2d; see tinygrad_cn.kernels.reference.max_pool2d_grad."""
    cdef cnp.ndarray grad = np.asarray(g), gx, chosen
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    cdef cnp.npy_intp result[4]
    cdef str op = "max_pool2d_grad"
    if float_type(grad) < 0:
        return by_reference(op, (g, index, x_shape, pool_size, strides, padding))
    begin(&call, TG_DRIVER_max_pool2d_grad)
    if (not four_numbers(x_shape, result)
            or not read_pooling(&call, result, shape, pool_size, strides, padding)):
        refuse_pooling(op, x_shape, pool_size, strides, padding)
    if not same_shape(grad, shape):
        convolution_reference.check_like(op, "g", grad, [size for size in shape])
    chosen = read_index(op, index, shape, &call)
    grad = contiguous(grad)
    gx = allocate(4, result, cnp.PyArray_TYPE(grad))
    arrays = (gx, grad, chosen)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return gx


def max_pool2d_gather(x, index, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """x at the winners; see tinygrad_cn.kernels.reference.max_pool2d_gather."""
    cdef cnp.ndarray image = np.asarray(x), y, chosen
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    cdef str op = "max_pool2d_gather"
    if float_type(image) < 0:
        return by_reference(op, (x, index, pool_size, strides, padding))
    begin(&call, TG_DRIVER_max_pool2d_gather)
    read_image(&call, image, shape, op, pool_size, strides, padding)
    chosen = read_index(op, index, shape, &call)
    image = contiguous(image)
    y = allocate(4, shape, cnp.PyArray_TYPE(image))
    arrays = (y, image, chosen)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return y


def average_pool2d(x, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """The mean of each window; see tinygrad_cn.kernels.reference.average_pool2d."""
    cdef cnp.ndarray image = np.asarray(x), y
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    if float_type(image) < 0:
        return by_reference("average_pool2d", (x, pool_size, strides, padding))
    begin(&call, TG_DRIVER_average_pool2d)
    read_image(&call, image, shape, "average_pool2d", pool_size, strides, padding)
    image = contiguous(image)
    y = allocate(4, shape, cnp.PyArray_TYPE(image))
    arrays = (y, image)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return y


def average_pool2d_grad(g, x_shape, pool_size=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0))):
    """The gradient of average_pool2d; see tinygrad_cn.kernels.reference.average_pool2d_grad."""
    cdef cnp.ndarray grad = np.asarray(g), gx
    cdef tg_call call
    cdef cnp.npy_intp shape[4]
    cdef cnp.npy_intp result[4]
    cdef str op = "average_pool2d_grad"
    if float_type(grad) < 0:
        return by_reference(op, (g, x_shape, pool_size, strides, padding))
    begin(&call, TG_DRIVER_average_pool2d_grad)
    if (not four_numbers(x_shape, result)
            or not read_pooling(&call, result, shape, pool_size, strides, padding)):
        refuse_pooling(op, x_shape, pool_size, strides, padding)
    if not same_shape(grad, shape):
        convolution_reference.check_like(op, "g", grad, [size for size in shape])
    grad = contiguous(grad)
    gx = allocate(4, result, cnp.PyArray_TYPE(grad))
    arrays = (gx, grad)
    fill_all(&call, arrays)
    launch(&call, arrays)
    return gx
