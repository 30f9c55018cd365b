"""The differentiable functions, a file per family. Names are NumPy's and the array API's; those of
neural networks are keras.ops'. Other common names for the same function are aliases."""

from . import linalg
from .activation import (
    celu, elu, gelu, gelu_tanh, glu, hard_shrink, hard_sigmoid, hard_silu, hard_swish, hard_tanh,
    leaky_relu, log_sigmoid, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softplus, softsign,
    squareplus, swish, tanh_shrink,
)  # fmt: skip
from .attention import attention, attention_weights
from .comparison import (
    bitwise_and, bitwise_invert, bitwise_or, bitwise_xor, equal, greater, greater_equal, isclose,
    isfinite, isinf, isnan, less, less_equal, logical_and, logical_not, logical_or, logical_xor,
    not_equal,
)  # fmt: skip
from .convolution import conv, conv_transpose, depthwise_conv, separable_conv
from .creation import (
    arange, asarray, empty, empty_like, eye, full, full_like, linspace, ones, ones_like, zeros,
    zeros_like,
)  # fmt: skip
from .einsum import einsum
from .elementwise import (
    abs, absolute, add, ceil, clip, divide, exp, expm1, floor, floor_divide, log, log1p, log2, log10,
    logaddexp, maximum, minimum, mod, multiply, negative, positive, pow, power, reciprocal,
    remainder, round, rsqrt, sign, sqrt, square, subtract, true_divide, trunc, where,
)  # fmt: skip
from .indexing import (
    gather, getitem, nonzero, one_hot, scatter, scatter_add, setitem, take, take_along_axis,
)  # fmt: skip
from .joining import (
    concat, concatenate, meshgrid, pad, repeat, roll, split, stack, tile, unstack,
)  # fmt: skip
from .linalg import cross, kron, norm, trace, vecdot
from .loss import (
    binary_crossentropy, categorical_crossentropy, cross_entropy, sparse_categorical_crossentropy,
)  # fmt: skip
from .matmul import dot, linear, matmul, outer, tensordot
from .normalization import (
    batch_normalization, batch_normalization_training, layer_normalization, rms_normalization,
)  # fmt: skip
from .pooling import average_pool, max_pool
from .recurrent import gru, gru_step, lstm, lstm_step, rnn, simple_rnn, simple_rnn_step
from .reduction import (
    all, amax, amin, any, argmax, argmin, count_nonzero, cumprod, cumsum, max, mean, min,
    prod, std, sum, sum_to, var,
)  # fmt: skip
from .shape import (
    astype, broadcast_to, cast, copy, diag, diagonal, expand_dims, flatten, flip, matrix_transpose,
    moveaxis, permute_dims, ravel, reshape, squeeze, swapaxes, transpose, tril, triu,
)  # fmt: skip
from .softmax import log_softmax, logsumexp, softmax
from .sorting import argsort, median, sort, top_k, topk
from .trigonometry import (
    acos, acosh, asin, asinh, atan, atan2, atanh, cos, cosh, erf, sin, sinh, tan, tanh,
)  # fmt: skip
