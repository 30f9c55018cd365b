"""jit: a step is captured once as a list of kernel calls, and replayed from C."""

from .capture import CaptureError
from .explain import explain_plan
from .jit import Jit, jit

__all__ = ["CaptureError", "Jit", "explain_plan", "jit"]
