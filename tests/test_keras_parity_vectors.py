"""Every layer gives Keras's outputs and gradients for the same weights and inputs.

The numbers are stored (``keras_vectors.py`` makes them anew), so that no test here needs Keras.
"""

import pathlib

import keras_layer_cases as cases
import numpy as np
import pytest

import tinygrad_cn as tg

with np.load(pathlib.Path(__file__).parent / "data" / "keras_layers.npz") as file:
    EXPECTED = dict(file)


def close(actual, expected, what, atol=3e-5):
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, what
    np.testing.assert_allclose(actual, expected, rtol=3e-5, atol=atol, err_msg=what)


@pytest.mark.parametrize("name", [*cases.LAYERS, *cases.WRAPPERS])
def test_layer(name):
    layer = cases.make_layer(tg.layers, name)
    inputs, call = cases.layer_inputs(name)
    xs = tg.tree.map_structure(lambda x: tg.Tensor(x, requires_grad=True), inputs)
    call = {k: tg.Tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
    layer(*xs, **call)
    assert [w.name.rsplit("/", 1)[-1] for w in layer.weights] == EXPECTED[f"{name}|names"].tolist()
    layer.set_weights(cases.layer_weights([w.shape for w in layer.weights]))
    outputs = tg.tree.flatten(layer(*xs, **call))
    for i, y in enumerate(outputs):
        close(y, EXPECTED[f"{name}|output {i}"], f"output {i}")
    assert f"{name}|output {len(outputs)}" not in EXPECTED
    total = sum([(y * y).sum() for y in outputs])
    targets = [*tg.tree.flatten(xs), *layer.trainable_weights]
    gradients = tg.grad(total, targets, allow_unused=True)
    for i, (g, x) in enumerate(zip(gradients, targets, strict=True)):
        g = np.zeros(x.shape) if g is None else g
        close(g, EXPECTED[f"{name}|gradient {i}"], f"gradient {i}", atol=1e-4)
    for i, w in enumerate(layer.weights):
        if f"{name}|state {i}" in EXPECTED:
            close(w, EXPECTED[f"{name}|state {i}"], f"state {w.name}")
