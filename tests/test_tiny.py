"""A few lines on each thing that must work before anything else is worth testing. Under a
second."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cn as tg


def test_arithmetic_and_broadcasting():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal((2 * x + tg.tensor([10.0, 20.0])).numpy(), [[12, 24], [16, 28]])


def test_gradient_of_a_reused_tensor():
    x = tg.tensor(3.0, requires_grad=True)
    y = x * x
    (y * y + y).backward()  # x^4 + x^2
    assert x.grad.item() == 4 * 27 + 6


def test_second_derivative():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    first = tg.grad((x**3).sum(), x, create_graph=True)
    np.testing.assert_allclose(tg.grad(first.sum(), x).numpy(), [6, 12])


def test_matmul_and_its_gradient():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 7)), rng.standard_normal((7, 3))
    x, w = tg.tensor(a, requires_grad=True), tg.tensor(b, requires_grad=True)
    y = x @ w
    np.testing.assert_allclose(y.numpy(), a @ b)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.ones((5, 3)) @ b.T)
    np.testing.assert_allclose(w.grad.numpy(), a.T @ np.ones((5, 3)))


def test_convolution_and_pooling():
    x = tg.tensor(np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1))
    w = tg.tensor(np.ones((3, 3, 1, 1), dtype=np.float32))
    np.testing.assert_array_equal(tg.ops.conv(x, w).numpy().ravel(), [45, 54, 81, 90])
    np.testing.assert_array_equal(tg.ops.max_pool(x, 2).numpy().ravel(), [5, 7, 13, 15])


def test_cross_entropy_of_equal_logits():
    loss = tg.ops.sparse_categorical_crossentropy([3], np.zeros((1, 10)), from_logits=True)
    assert loss.item() == pytest.approx(np.log(10))


def test_no_grad_records_nothing():
    x = tg.tensor(1.0, requires_grad=True)
    with tg.no_grad():
        assert not (x * 2).requires_grad


def test_a_network_learns():
    x = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.float32([[0], [1], [1], [0]])
    model = tg.Sequential(
        [
            tg.Input(shape=(2,)),
            tg.layers.Dense(8, activation="tanh"),
            tg.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=tg.optimizers.Adam(0.1), loss="binary_crossentropy")
    model.fit(x, y, epochs=100, batch_size=4, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0).round(), y)


def test_an_error_names_what_was_expected_and_received():
    with pytest.raises(ValueError, match=r"\[matmul\].*Expected.*received"):
        tg.tensor(np.ones((2, 3))) @ tg.tensor(np.ones((4, 5)))
