"""jit: a step is captured once as a list of kernel calls, and replayed from C."""

from .capture import CaptureError
from .explain import explain_plan
from .jit import jit

__all__ = ["CaptureError", "explain_plan", "jit"]
