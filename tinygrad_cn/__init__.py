"""tinygrad_cn: a small deep-learning engine to read, to learn from, and to be fast with.

The names are Keras 3's, so that ``import tinygrad_cn as keras`` runs a Keras program, and those of
the engine below: ``Tensor``, ``grad``, ``jit``, ... What has to do with models is loaded when it is
first used: a program that needs tensors only starts fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import ops
from ._version import __version__
from .autograd import grad, value_and_grad
from .mode import enable_grad, is_grad_enabled, no_grad
from .op import Op
from .ops import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from .tensor import Tensor, Variable, from_dlpack, stop_gradient, tensor

if TYPE_CHECKING:
    from . import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        initializers,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        random,
        registry,
        regularizers,
        testing,
        tree,
        utils,
    )
    from .anomaly import AnomalyError, detect_anomaly
    from .config import (
        empty_cache,
        get_config,
        get_isa,
        get_num_threads,
        get_winograd,
        memory_stats,
        num_threads,
        set_cache_limit,
        set_isa,
        set_num_threads,
        set_winograd,
        show_config,
        using_isa,
        using_winograd,
    )
    from .derivatives import checkpoint, hessian, hvp, jacobian, jvp, vjp
    from .initializers import Initializer
    from .layers import Input, InputSpec, Layer
    from .losses import Loss
    from .metrics import Metric
    from .models import Model, Sequential
    from .optimizers import Optimizer
    from .plan import CaptureError, explain_plan
    from .plan.jit import jit
    from .regularizers import Regularizer
    from .symbolic import KerasTensor
    from .viewer import explain

__all__ = [
    "AnomalyError",
    "CaptureError",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Op",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Tensor",
    "Variable",
    "__version__",
    "activations",
    "arange",
    "asarray",
    "backend",
    "callbacks",
    "checkpoint",
    "config",
    "constraints",
    "detect_anomaly",
    "empty",
    "empty_cache",
    "empty_like",
    "enable_grad",
    "explain",
    "explain_plan",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "get_config",
    "get_isa",
    "get_num_threads",
    "get_winograd",
    "grad",
    "hessian",
    "hvp",
    "initializers",
    "is_grad_enabled",
    "jacobian",
    "jit",
    "jvp",
    "layers",
    "linspace",
    "losses",
    "memory_stats",
    "metrics",
    "models",
    "no_grad",
    "num_threads",
    "ones",
    "ones_like",
    "ops",
    "optimizers",
    "random",
    "registry",
    "regularizers",
    "set_cache_limit",
    "set_isa",
    "set_num_threads",
    "set_winograd",
    "show_config",
    "stop_gradient",
    "tensor",
    "testing",
    "tree",
    "using_isa",
    "using_winograd",
    "utils",
    "value_and_grad",
    "vjp",
    "zeros",
    "zeros_like",
]

_MODULES = (
    "activations backend callbacks config constraints datasets initializers layers losses metrics "
    "models optimizers random registry regularizers saving schedules testing tree utils viewer"
).split()
_HOMES = {
    "anomaly": "AnomalyError detect_anomaly",
    "config": (
        "empty_cache get_config get_isa get_num_threads get_winograd memory_stats num_threads "
        "set_cache_limit set_isa set_num_threads set_winograd show_config using_isa using_winograd"
    ),
    "derivatives": "checkpoint hessian hvp jacobian jvp vjp",
    "initializers": "Initializer",
    "layers": "Input InputSpec Layer",
    "losses": "Loss",
    "metrics": "Metric",
    "models": "Model Sequential",
    "optimizers": "Optimizer",
    "plan": "CaptureError explain_plan jit",
    "regularizers": "Regularizer",
    "symbolic": "KerasTensor",
    "viewer": "explain",
}
_LATER = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load what is asked for the first time (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LATER:
        value = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_LATER} - {"TYPE_CHECKING", "Any", "importlib"})
