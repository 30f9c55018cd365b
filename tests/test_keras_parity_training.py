"""Losses, metrics, optimizers, schedules, regularizers and activations give Keras's numbers.

The numbers are stored (``keras_vectors.py`` makes them anew), so that no test needs Keras.
"""

import pathlib

import keras_cases as cases
import numpy as np
import pytest

import tinygrad_cn as tg

DATA = pathlib.Path(__file__).parent / "data"


def load(name):
    with np.load(DATA / f"keras_{name}.npz") as file:
        return dict(file)


VECTORS = {name: load(name) for name in ("losses", "metrics", "optimizers", "others")}


def close(actual, expected, tolerance=2e-6):
    actual = np.asarray(actual)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", cases.LOSSES)
def test_loss(name):
    kind, settings, data = cases.LOSSES[name]
    expected = VECTORS["losses"]
    t, p = cases.pair(data)
    tolerance = 2e-5 if name in ("CTC", "Circle", "MeanAbsolutePercentageError") else 2e-6
    x = tg.Tensor(p, requires_grad=True)
    value = getattr(tg.losses, kind)(**settings)(t, x)
    close(value, expected[f"{name}|value"], tolerance)
    value.backward()
    close(x.grad, expected[f"{name}|gradient"], tolerance)
    each = getattr(tg.losses, kind)(**settings, reduction=None)(t, p)
    close(each, expected[f"{name}|each"], tolerance)
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
        if f"{name}|{reduction}" in expected:
            weighted = getattr(tg.losses, kind)(**settings, reduction=reduction)
            actual = weighted(t, p, sample_weight=cases.WEIGHTS)
            close(actual, expected[f"{name}|{reduction}"], tolerance)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", cases.METRICS)
def test_metric(name, weighted):
    kind, settings, data = cases.METRICS[name]
    metric = getattr(tg.metrics, kind)(**settings)
    for seed in (0, 1):
        args = cases.pair(data or "numbers", seed)
        weights = cases.WEIGHTS
        if name in cases.WHOLE_WEIGHTS:
            weights = np.ceil(weights).astype("int32")
            if name == "BinaryIoU":
                weights = np.repeat(weights, 4)
        if data is None:
            args = (args[1][:, 0],)
        metric.update_state(*args, sample_weight=weights if weighted else None)
    close(
        metric.result(), VECTORS["metrics"][f"{name}|{'weighted' if weighted else 'plain'}"], 1e-5
    )


@pytest.mark.parametrize("name", cases.OPTIMIZERS)
def test_optimizer(name):
    kind, settings = cases.OPTIMIZERS[name]
    variables = [tg.Variable(v) for v in cases.optimizer_start()]
    optimizer = getattr(tg.optimizers, kind)(**settings)
    for step in range(cases.OPTIMIZER_STEPS):
        grads = [tg.Tensor(g) for g in cases.optimizer_gradients(step)]
        optimizer.apply_gradients(zip(grads, variables, strict=True))
    optimizer.finalize_variable_values(variables)
    for i, v in enumerate(variables):
        close(v, VECTORS["optimizers"][f"{name}|{i}"], 2e-5)


@pytest.mark.parametrize("name", cases.SCHEDULES)
def test_schedule(name):
    kind, args, settings = cases.SCHEDULES[name]
    schedule = getattr(tg.optimizers.schedules, kind)(*args, **settings)
    rates = np.array([schedule(step) for step in cases.SCHEDULE_STEPS])
    close(rates, VECTORS["others"][f"{name}|schedule"])


@pytest.mark.parametrize("name", cases.REGULARIZERS)
def test_regularizer(name):
    kind, settings = cases.REGULARIZERS[name]
    x = tg.Tensor(cases.optimizer_start()[0], requires_grad=True)
    value = getattr(tg.regularizers, kind)(**settings)(x)
    close(value, VECTORS["others"][f"{name}|value"])
    value.backward()
    close(x.grad, VECTORS["others"][f"{name}|gradient"])


@pytest.mark.parametrize("name", cases.CONSTRAINTS)
def test_constraint(name):
    kind, settings = cases.CONSTRAINTS[name]
    constraint = tg.constraints.get(getattr(tg.constraints, kind)(**settings))
    close(constraint(cases.optimizer_start()[0]), VECTORS["others"][f"{name}|constraint"])
    again = tg.constraints.deserialize(tg.constraints.serialize(constraint))
    assert again.get_config() == constraint.get_config()


@pytest.mark.parametrize("name", cases.ACTIVATIONS)
def test_activation(name):
    x = tg.Tensor(cases.activation_input(), requires_grad=True)
    y = tg.activations.get(name)(x)
    close(y, VECTORS["others"][f"{name}|activation"], 3e-6)
    (y * np.arange(y.size, dtype="float32").reshape(y.shape)).sum().backward()
    close(x.grad, VECTORS["others"][f"{name}|activation gradient"], 2e-5)
