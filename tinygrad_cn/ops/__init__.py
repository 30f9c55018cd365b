"""The differentiable functions, a file per family."""

from .elementwise import (
    abs, add, divide, equal, exp, greater, greater_equal, less, less_equal, log, maximum, minimum,
    multiply, negative, not_equal, power, reciprocal, sign, sqrt, square, subtract, where,
)  # fmt: skip
from .matmul import matmul, matrix_transpose
from .reduction import max, mean, min, sum, sum_to
from .shape import astype, broadcast_to, permute_dims, reshape
