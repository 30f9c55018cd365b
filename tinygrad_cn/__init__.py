"""tinygrad_cn: a small deep-learning engine to read, to learn from, and to be fast with."""

from . import (
    activations, callbacks, initializers, layers, losses, metrics, models, ops, optimizers, random,
    regularizers, registry, testing, tree, utils,
)  # fmt: skip
from .anomaly import AnomalyError, detect_anomaly
from .autograd import grad, value_and_grad
from .data import PyDataset
from .derivatives import checkpoint, hessian, hvp, jacobian, jvp, vjp
from .initializers import Initializer
from .layers import Input, InputSpec, Layer
from .losses import Loss
from .metrics import Metric
from .mode import enable_grad, is_grad_enabled, no_grad
from .models import Model, Sequential
from .op import Op
from .ops import (
    arange, asarray, empty, empty_like, eye, full, full_like, linspace, ones, ones_like, zeros,
    zeros_like,
)  # fmt: skip
from .optimizers import Optimizer
from .plan import CaptureError, explain_plan, jit
from .regularizers import Regularizer
from .symbolic import SymbolicTensor as KerasTensor
from .tensor import Tensor, Variable, from_dlpack, stop_gradient, tensor
