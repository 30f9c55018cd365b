"""Captured steps with every layer leave nothing to Python; constraints hold in them too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tests import layer_cases
from tests.test_jit_training import Head, same_training
from tinygrad_cn import kernels, layers, ops

pytestmark = pytest.mark.skipif(kernels.core is None, reason="the NumPy kernels are not captured")

rng = np.random.default_rng(0)


def unbroken(model: Any) -> None:
    """All of a step is replayed from C."""
    calls = model._plans["learn"].last.program.calls
    assert [call.label for call in calls if call.python is not None] == []


@pytest.mark.parametrize("case", layer_cases.CASES, ids=lambda case: case.id)
def test_layers(case: Any) -> None:
    model = Head(layer_cases.make(layers, case))
    model.compile("sgd", "mse", jit_compile=True)
    x, y = case.inputs(batch=4), rng.standard_normal((4, 1), np.float32)
    model.fit(x, y, epochs=4, verbose=0)
    unbroken(model)


class OnSphere(tg.constraints.Constraint):
    """A user's own constraint, in ops."""

    def __call__(self, w: Any) -> Any:
        return w / ops.sqrt(ops.sum(w * w) + 1e-9)


@pytest.mark.parametrize("how", [{}, {"use_ema": True}, {"gradient_accumulation_steps": 3}])
def test_constraints(how: dict[str, Any]) -> None:
    def make() -> Any:
        first = layers.Dense(8, "relu", kernel_constraint="max_norm", bias_constraint="non_neg")
        return tg.Sequential([tg.Input((5,)), first, layers.Dense(1, kernel_constraint=OnSphere())])

    own = np.random.default_rng(1)
    x, y = own.standard_normal((6, 5), np.float32), own.standard_normal((6, 1), np.float32) - 2
    model = same_training(make, x, y, optimizer=lambda: tg.optimizers.SGD(0.3, **how))
    unbroken(model)
    if not how:
        first, second = model.layers
        assert first.bias.numpy().min() == 0
        assert np.linalg.norm(first.kernel.numpy(), axis=0).max() <= 2
        assert np.linalg.norm(second.kernel.numpy()) == pytest.approx(1)
