"""tinygrad_cn: a small deep-learning engine to read, to learn from, and to be fast with."""

from .autograd import grad, value_and_grad
from .mode import enable_grad, is_grad_enabled, no_grad
from .op import Op
from .tensor import Tensor, tensor
