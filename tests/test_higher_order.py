"""Derivatives of derivatives, Jacobians and Hessians, and checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import ops
from tinygrad_cn.testing import assert_close, check_grads

A = np.array([[2.0, 1.0], [1.0, 3.0]])


def point(*values):
    return tg.Tensor(np.array(values, np.float64))


def quadratic(x):
    return 0.5 * (x @ A @ x)


@pytest.mark.parametrize("order", range(1, 7))
def test_any_order_of_a_power(order):
    x = tg.Tensor(np.array(1.5), requires_grad=True)
    y = x**6
    for _ in range(order):
        y = tg.grad(y, x, create_graph=True)
    factor = np.prod(np.arange(6, 6 - order, -1))
    np.testing.assert_allclose(y.item(), factor * 1.5 ** (6 - order))


@pytest.mark.parametrize(
    "name", ["tanh", "sigmoid", "exp", "sin", "softplus", "gelu", "silu", "erf"]
)
def test_third_and_fourth_order(name):
    check_grads(getattr(ops, name), np.array([0.3, -0.7]), order=4, rtol=1e-4)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ops.softmax(x),
        lambda x: ops.log_softmax(x),
        lambda x: ops.logsumexp(x),
        lambda x: ops.sparse_categorical_crossentropy(np.array([0, 2]), x, True),
        lambda x: ops.layer_normalization(x),
        lambda x: ops.conv(x.reshape(1, 2, 3), x[:, :, None].reshape(2, 3, 1)),
        lambda x: ops.prod(x),
        lambda x: ops.norm(x),
    ],
)
def test_third_order_of_fused_and_bilinear_ops(f):
    x = np.random.default_rng(0).standard_normal((2, 3))
    check_grads(f, x, order=3, rtol=1e-4, atol=1e-5)


def test_backward_with_create_graph_can_be_differentiated():
    x = tg.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    assert g.requires_grad and g.tolist() == [3.0, 12.0]
    x.grad = None
    (g * g).sum().backward()  # d/dx (3 x^2)^2 = 36 x^3
    assert x.grad.tolist() == [36.0, 288.0]


def test_a_gradient_penalty_trains():
    w = tg.Tensor(np.array([[1.0], [2.0]]), requires_grad=True)
    x = tg.Tensor(np.array([[1.0, -1.0]]), requires_grad=True)
    gx = tg.grad((x @ w).tanh().sum(), x, create_graph=True)
    penalty = (ops.norm(gx) - 1) ** 2
    check_grads(lambda w: (ops.norm(w * (1 - ((x.detach() @ w).tanh()) ** 2)) - 1) ** 2, w)
    expected = (ops.norm(w * (1 - ((x.detach() @ w).tanh()) ** 2)) - 1) ** 2
    np.testing.assert_allclose(penalty.item(), expected.item())
    np.testing.assert_allclose(tg.grad(penalty, w).data, tg.grad(expected, w).data)


def test_gradients_without_create_graph_are_constants():
    x = tg.Tensor(np.array([1.0]), requires_grad=True)
    assert not tg.grad(x**2, x).requires_grad


# --- whole matrices -------------------------------------------------------------------------------


def test_jacobian():
    x = point(1.0, 2.0)
    j = tg.jacobian(lambda x: ops.stack([x[0] * x[1], x[0], x[1] ** 2]), x)
    assert j.tolist() == [[2.0, 1.0], [1.0, 0.0], [0.0, 4.0]]
    w = tg.Tensor(np.ones((2, 3)))
    jx, jw = tg.jacobian(lambda x, w: x @ w, (x, w))
    assert jx.shape == (3, 2) and jw.shape == (3, 2, 3)
    assert_close(jx, w.data.T)
    assert tg.jacobian(lambda x: x.sum(), x).shape == (2,)
    assert tg.jacobian(lambda x: tg.tensor(np.ones(3)), x).tolist() == [[0.0, 0.0]] * 3


def test_hessian_is_the_matrix_of_a_quadratic_form():
    assert tg.hessian(quadratic, point(1.0, -2.0)).tolist() == A.tolist()
    h = tg.hessian(lambda x: (x**3).sum() + x[0] * x[1], point(1.0, 2.0))
    assert h.tolist() == [[6.0, 1.0], [1.0, 12.0]]
    assert tg.hessian(lambda x: x.sum(), point(1.0, 2.0)).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(ValueError, match=r"\[hessian\].*scalar.*\(2,\)"):
        tg.hessian(lambda x: x, point(1.0, 2.0))


def test_hessian_of_a_network_is_symmetric_and_right():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((5, 3)), np.array([0, 1, 2, 1, 0])

    def loss(w):
        return ops.sparse_categorical_crossentropy(
            t, (x @ w.reshape(3, 4)).tanh()[:, :3], True
        ).mean()

    w = tg.Tensor(rng.standard_normal(12))
    h = tg.hessian(loss, w).data
    np.testing.assert_allclose(h, h.T, atol=1e-12)
    v = rng.standard_normal(12)
    np.testing.assert_allclose(h @ v, tg.hvp(loss, w, tg.Tensor(v)).data, atol=1e-12)
    check_grads(loss, w)


def test_products_with_the_jacobian_from_both_sides():
    def f(x):
        return ops.stack([x[0] * x[1], x[0].exp()])

    x, v, g = point(1.0, 2.0), point(0.5, -1.0), point(3.0, 4.0)
    j = tg.jacobian(f, x).data
    y, pull = tg.vjp(f, x)
    assert_close(pull(g)[0], g.data @ j)
    assert_close(pull(2 * g)[0], 2 * (g.data @ j))
    z, dy = tg.jvp(f, (x,), (v,))
    assert_close(dy, j @ v.data)
    assert_close(y, z)
    assert not (y.requires_grad or dy.requires_grad or pull(g)[0].requires_grad)


def test_jvp_of_many_inputs_and_outputs():
    (y, z), (dy, dz) = tg.jvp(
        lambda a, b: (a * b, a + 1), (point(2.0), point(3.0)), (point(1.0), point(10.0))
    )
    assert [t.tolist() for t in (y, z, dy, dz)] == [[6.0], [3.0], [23.0], [1.0]]
    _, dy = tg.jvp(lambda a: tg.tensor(np.ones(2)), point(1.0), point(1.0))
    assert dy.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"\[jvp\]"):
        tg.jvp(lambda a: a, (point(1.0),), ())


def test_derivatives_nest():
    x = point(0.5, 1.5)
    third = tg.jacobian(lambda x: tg.hessian(lambda x: (x**4).sum(), x), x)
    assert third[0, 0, 0].item() == 12.0 and third[1, 1, 1].item() == 36.0
    assert third.data.sum() == 48.0
    twice = tg.jvp(lambda x: tg.jvp(lambda x: x**3, x, point(1.0, 1.0))[1], x, point(1.0, 1.0))[1]
    np.testing.assert_allclose(twice.data, 6 * x.data)
    check_grads(lambda x: tg.hvp(quadratic, x * x, x), x.data, order=1)


def test_derivatives_of_a_function_with_weights_of_its_own():
    w = tg.Tensor(np.array([3.0]), requires_grad=True)
    assert tg.jacobian(lambda x: w * x**2, point(2.0)).tolist() == [[12.0]]
    assert w.grad is None


# --- checkpoints ----------------------------------------------------------------------------------


def block(x, w):
    return ops.tanh(x @ w).exp()


def test_checkpoint_changes_no_value_and_no_gradient():
    rng = np.random.default_rng(0)
    x0, w0, v0 = rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4)

    def run(apply):
        x, w, v = (tg.Tensor(a, requires_grad=True) for a in (x0, w0, v0))
        h = apply(block, x, w)
        h = apply(lambda h: block(h, w) * v, h)  # w and v are found, not given
        y = (h * v).sum()
        y.backward()
        return [y.data, x.grad.data, w.grad.data, v.grad.data]

    plain = run(lambda f, *xs: f(*xs))
    for a, b in zip(run(tg.checkpoint), plain, strict=True):
        np.testing.assert_array_equal(a, b)


def test_checkpoint_keeps_the_inputs_only():
    x = tg.Tensor(np.ones((3, 4)), requires_grad=True)
    w = tg.Tensor(np.ones((4, 4)), requires_grad=True)
    y = tg.checkpoint(block, x, w)
    assert y.node.op.name == "Checkpoint" and y.node.parents == (x.node, w.node)


def test_checkpoint_of_found_tensors_that_depend_on_each_other():
    x0 = np.array([0.3, 0.4])
    x = tg.Tensor(x0, requires_grad=True)
    h = x * x
    y = tg.checkpoint(lambda: (h * x).sin().sum())
    y.backward()
    np.testing.assert_allclose(x.grad.data, np.cos(x0**3) * 3 * x0**2)


def test_checkpoint_to_second_order_and_under_no_grad():
    check_grads(lambda x, w: tg.checkpoint(block, x, w), np.ones((2, 2)) / 3, A / 5)
    with tg.no_grad():
        assert not tg.checkpoint(
            lambda x: x * 2, tg.Tensor(np.ones(2), requires_grad=True)
        ).requires_grad
    assert tg.checkpoint(lambda x, n: x * n, tg.tensor([1.0]), 3).tolist() == [3.0]
    with pytest.raises(TypeError, match=r"\[checkpoint\]"):
        tg.checkpoint(lambda: 3)


def test_checkpoint_draws_the_same_random_numbers_again():
    tg.random.seed(5)
    x = tg.Tensor(np.ones(100, np.float32), requires_grad=True)
    y = tg.checkpoint(lambda x: x * tg.random.uniform((100,)), x)
    after = tg.random.uniform((3,)).tolist()
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)
    tg.random.seed(5)
    tg.random.uniform((100,))
    assert tg.random.uniform((3,)).tolist() == after


def test_checkpoint_rewinds_the_generators_of_layers_also_in_captured_steps():
    layer = tg.layers.Dropout(0.5, seed=3)

    def step(x):
        x = tg.Tensor(x, requires_grad=True)
        y = tg.checkpoint(lambda x: layer(x, training=True) * tg.random.uniform((200,)), x)
        return y, tg.grad(y.sum(), x)

    for run in (step, tg.jit(step)):
        draws = []
        for _ in range(4):
            y, g = run(tg.ops.ones(200))
            np.testing.assert_array_equal(y.data, g.data)
            draws.append(y.data.copy())
        assert not np.array_equal(draws[2], draws[3])
