"""A case: one kernel on one size, and PyTorch's way to do the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Peer = Callable[..., Callable[[], Any]]


@dataclass(frozen=True)
class Case:
    family: str
    kernel: str  # its name in tinygrad_cn.kernels
    label: str
    make: Callable[[np.random.Generator], tuple]  # the arguments
    settings: dict[str, Any] = field(default_factory=dict)
    peer: Peer | None = None
    run: Callable[[Any], Callable] | None = None  # given the kernels, the function; None: kernel
    flops: float = 0  # per call
    bytes: float = 0  # that must be moved per call, each array once
    size: int = 0  # where the label is a size: for the growth plot
    scale: float = 1.0  # how much rounding the check allows
    large: bool = False  # left out of quick runs

    @property
    def name(self) -> str:
        return f"{self.kernel} {self.label}"

    def function(self, kernels: Any) -> Callable[..., Any]:
        """What is timed, from the compiled kernels or from the reference."""
        return self.run(kernels) if self.run else getattr(kernels, self.kernel)


def f32(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.standard_normal(shape, dtype=np.float32)


def arrays(*makers: Any) -> Callable[[np.random.Generator], tuple]:
    """Arguments from makers; what is no function is passed as it is."""
    return lambda rng: tuple(make(rng) if inspect.isfunction(make) else make for make in makers)


def call(function: Any, *args: Any, **settings: Any) -> Callable[[], Any]:
    return lambda: function(*args, **settings)
