"""tinygrad_cn: a small deep-learning engine to read, to learn from, and to be fast with."""

from . import ops, random, testing
from .anomaly import AnomalyError, detect_anomaly
from .autograd import grad, value_and_grad
from .derivatives import checkpoint, hessian, hvp, jacobian, jvp, vjp
from .mode import enable_grad, is_grad_enabled, no_grad
from .op import Op
from .ops import (
    arange, asarray, empty, empty_like, eye, full, full_like, linspace, ones, ones_like, zeros,
    zeros_like,
)  # fmt: skip
from .tensor import Tensor, Variable, from_dlpack, stop_gradient, tensor
