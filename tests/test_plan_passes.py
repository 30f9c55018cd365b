"""The passes of a plan, each on its own: what they change, and that results stay the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import kernels, ops
from tinygrad_cn.plan import compiled
from tinygrad_cn.plan.memory import place
from tinygrad_cn.plan.program import Buffer, Call, Program, View

pytestmark = pytest.mark.skipif(kernels.core is None, reason="the NumPy kernels are not captured")

rng = np.random.default_rng(0)


def randn(*shape: int) -> Any:
    return tg.tensor(rng.standard_normal(shape).astype(np.float32))


def replayed(function: Any, *args: Any) -> tuple[Any, Program]:
    """The result of the third call, which is a replay; and the plan's program."""
    step = tg.jit(function)
    for _ in range(3):
        result = step(*args)
    assert step.last is not None
    return result, step.last.program


def kernels_of(program: Program) -> list[str]:
    return [call.kernel for call in program.calls]


def same(a: Any, b: Any) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


# --- cross-entropy --------------------------------------------------------------------------------


def class_loss(logits: Any, labels: Any) -> Any:
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (5, 40, 11), (3, 5000)])
def test_cross_entropy_is_taken_with_its_gradient(shape: tuple, dtype: str) -> None:
    logits = tg.tensor(rng.standard_normal(shape), dtype=dtype)
    labels = tg.tensor(rng.integers(0, shape[-1], shape[:-1]))
    weights = tg.tensor(rng.uniform(0.5, 1, shape[:-1]), dtype=dtype)

    def step(logits: Any, labels: Any, weights: Any) -> Any:
        x = logits.detach().requires_grad_()
        losses = class_loss(x, labels)
        loss = ops.mean(losses * weights)
        return [losses, loss, *tg.grad(loss, [x])]

    found, program = replayed(step, logits, labels, weights)
    same(found, step(logits, labels, weights))
    assert kernels_of(program).count("cross_entropy_both") == 1
    assert "cross_entropy" not in kernels_of(program)
    assert "cross_entropy_grad" not in kernels_of(program)


def test_a_label_out_of_range_is_found_in_a_replay() -> None:
    logits, labels = randn(3, 4), tg.tensor([0, 3, 1])

    @tg.jit
    def step(logits: Any, labels: Any) -> Any:
        x = logits.detach().requires_grad_()
        return tg.grad(ops.mean(class_loss(x, labels)), [x])[0]

    for _ in range(3):
        good = step(logits, labels)
    with pytest.raises(ValueError, match=r"\[cross_entropy\] a label"):
        step(logits, tg.tensor([0, 4, 1]))
    same([step(logits, labels)], [good])


def test_a_gradient_that_depends_on_the_loss_comes_after_it() -> None:
    logits, labels = randn(5, 4), tg.tensor([0, 3, 1, 1, 2])

    def step(logits: Any, labels: Any) -> Any:
        x = logits.detach().requires_grad_()
        loss = ops.sum(ops.square(class_loss(x, labels)))
        return [loss, *tg.grad(loss, [x])]

    found, program = replayed(step, logits, labels)
    same(found, step(logits, labels))
    assert "cross_entropy_both" not in kernels_of(program)


def test_each_of_two_losses_keeps_its_own_gradient() -> None:
    a, b, labels = randn(6, 4), randn(6, 4), tg.tensor([0, 3, 1, 1, 2, 0])

    def step(a: Any, b: Any, labels: Any) -> Any:
        a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
        one, other = ops.mean(class_loss(a, labels)), ops.mean(class_loss(b * a, labels))
        return [one, other, *tg.grad(one + 3 * other, [a, b])]

    found, program = replayed(step, a, b, labels)
    same(found, step(a, b, labels))
    assert kernels_of(program).count("cross_entropy_both") == 2


# --- pooling --------------------------------------------------------------------------------------


def pooled_loss(x: Any, w: Any, size: int, strides: int, padding: str) -> Any:
    y = ops.relu(ops.conv(x, w, padding="same"))
    return (ops.max_pool(y, size, strides=strides, padding=padding) ** 2).sum()


@pytest.mark.parametrize(
    ("size", "strides", "padding"),
    [(2, 2, "valid"), (3, 2, "same"), (3, 1, "valid"), (2, 3, "same")],
)
def test_relu_moves_behind_pooling(size: int, strides: int, padding: str) -> None:
    x, w = randn(2, 7, 9, 3), randn(3, 3, 3, 4)

    def grads(x: Any, w: Any) -> Any:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        return tg.grad(pooled_loss(x, w, size, strides, padding), [x, w])

    found, program = replayed(grads, x, w)
    same(found, grads(x, w))
    assert "pooling: relu moved behind it 1 times" in program.notes
    at = kernels_of(program).index("max_pool2d_grad")
    small = [call for call in program.calls[:at] if "ReluGrad" in call.label]
    assert small and small[-1].outputs[0].shape == program.calls[at].inputs[0].shape


def test_relu_stays_where_others_read_what_was_spread() -> None:
    x = randn(2, 4, 4, 3)

    def grads(x: Any) -> Any:
        x = x.detach().requires_grad_()
        y = ops.relu(x)
        loss = (ops.max_pool(y, 2) ** 2).sum()
        return tg.grad(loss, [x, y])  # the gradient of y is wanted as well

    found, program = replayed(grads, x)
    same(found, grads(x))
    assert "pooling: relu moved behind it 0 times" in program.notes


# --- reductions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["sum", "mean", "max", "prod"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), 2])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 1), (300, 7, 3), (70, 1000, 2), (5, 3, 40000)])
def test_reductions_are_taken_where_their_input_is_made(op: str, axis: Any, shape: tuple) -> None:
    x, w = randn(*shape), randn(*shape[1:])

    def step(x: Any, w: Any) -> Any:
        y = ops.tanh(x) * w
        return [getattr(ops, op)(y, axis=axis), y]

    found, program = replayed(step, x, w)
    same(found, step(x, w))
    assert "fused_reduce" in kernels_of(program) and "reduce" not in kernels_of(program)[:1]


def test_a_bias_gradient_is_summed_where_relu_grad_makes_it() -> None:
    x, w, b = randn(64, 20), randn(20, 30), randn(30)

    def step(x: Any, w: Any, b: Any) -> Any:
        w, b = w.detach().requires_grad_(), b.detach().requires_grad_()
        return tg.grad((ops.linear(x, w, b, activation="relu") ** 2).sum(), [w, b])

    found, program = replayed(step, x, w, b)
    same(found, step(x, w, b))
    assert "reduce" not in kernels_of(program)


# --- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("Adam", {}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {}),
    ],
)
def test_updates_of_a_step_are_one_call(name: str, settings: dict) -> None:
    shapes = [(3,), (50, 130), (), (4, 0), (9000,), (1,)]
    values = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    def trained(jit: bool) -> Any:
        variables = [tg.Variable(v) for v in values]
        optimizer = getattr(tg.optimizers, name)(0.01, weight_decay=0.1, **settings)

        def step(x: Any) -> Any:
            return optimizer.minimize(
                lambda: sum([ops.sum(ops.sin(v * x)) for v in variables]), variables
            )

        run = tg.jit(step) if jit else step
        for k in range(6):
            run(tg.tensor(1.0 + k))
        return variables, run

    captured, run = trained(True)
    same(captured, trained(False)[0])
    kernel = "sgd_all" if name == "SGD" else "adam_all"
    assert kernels_of(run.last.program).count(kernel) == 1
    assert f"{len(shapes)} variables" in tg.explain_plan(run)


def test_updates_with_other_settings_stay_apart() -> None:
    a, b = tg.Variable(np.ones(5)), tg.Variable(np.ones(5))
    first, second = tg.optimizers.Adam(0.1), tg.optimizers.Adam(0.2)

    @tg.jit
    def step() -> Any:
        loss = ops.sum(a * a * b)
        grads = tg.grad(loss, [a, b])
        first.apply(grads[:1], [a])
        second.apply(grads[1:], [b])
        return loss

    for _ in range(4):
        step()
    assert kernels_of(step.last.program).count("adam") == 2


# --- schedule -------------------------------------------------------------------------------------


def test_independent_products_stand_side_by_side() -> None:
    x, w, g = randn(64, 96), randn(96, 64), randn(64, 64)

    def step(x: Any, w: Any, g: Any) -> Any:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        y = ops.tanh(x) @ w
        return [y, *tg.grad((y * g).sum(), [x, w])]

    threads = tg.get_num_threads()
    for n in (1, 2, 3):
        tg.set_num_threads(n)
        try:
            found, program = replayed(step, x, w, g)
            same(found, step(x, w, g))
        finally:
            tg.set_num_threads(threads)
    assert [call.together for call in program.calls if call.kernel == "matmul"] == [1, 2, 1]


def test_a_chain_of_products_stays_a_chain() -> None:
    x, w = randn(64, 64), randn(64, 64)
    found, program = replayed(lambda x, w: [x @ w @ w @ w], x, w)
    same(found, [x @ w @ w @ w])
    assert [call.together for call in program.calls] == [1, 1, 1]


def test_what_runs_at_the_same_time_shares_no_memory() -> None:
    """Two calls of a group: what one reads may not be where the other writes."""

    def buffer() -> Buffer:
        return Buffer(None, 0, 256)

    def view(buffer: Buffer) -> View:
        return View(buffer, 0, (64,), (4,), np.dtype(np.float32))

    def make(*arrays: View) -> Call:
        return Call("unary", list(arrays), 1)

    a, b, c, d, e = (view(buffer()) for _ in range(5))
    calls = [make(a, e), make(b, e), make(c, a), make(d, b), make(e, c, d)]
    calls[2].together, calls[3].together = 2, 1  # c reads a while d is written
    starts, _ = place(Program(calls, [], [e]))
    assert starts[a.buffer] != starts[d.buffer] and starts[b.buffer] != starts[c.buffer]


def shared(program: Program) -> list[str]:
    """The kernels of which an output lies where an input does."""
    starts, _ = place(program)
    at = {b: starts.get(b, b.address) for b in program.buffers() if b.nbytes}
    return [
        call.kernel
        for call in program.calls
        if {at[v.buffer] for v in call.outputs} & {at[v.buffer] for v in call.inputs}
        and call.kernel != "increment"
    ]


def test_results_take_the_place_of_what_nobody_reads_later() -> None:
    x, w, y = randn(40, 40), randn(40, 40), randn(40, 40)

    def step(x: Any, w: Any, y: Any) -> Any:
        return [ops.power(x @ w, y)]

    found, program = replayed(step, x, w, y)
    same(found, step(x, w, y))
    assert shared(program) == ["binary"]

    def kept(x: Any, w: Any, y: Any) -> Any:
        a = x @ w
        return [ops.power(a, y), a]  # a is a result

    def turned(x: Any, w: Any, y: Any) -> Any:
        a = x @ w
        return [ops.power(a, a.T)]  # each number is read twice

    for function in (kept, turned):
        found, program = replayed(function, x, w, y)
        same(found, function(x, w, y))
        assert shared(program) == []


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_normalizations_and_lstms_are_written_over(
    masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = tg.layers
    seen: list[str] = []

    def spy(program: Program) -> Any:
        seen.extend(shared(program))
        return place(program)

    monkeypatch.setattr(compiled, "place", spy)
    x = rng.standard_normal((6, 9, 5)).astype(np.float32)
    x[:, 5:] *= not masked

    def trained(jit: bool) -> list[np.ndarray]:
        tg.utils.set_random_seed(3)
        stack = [layers.Masking()] if masked else []
        stack += [layers.LSTM(7, return_sequences=True), layers.LayerNormalization()]
        stack += [layers.LSTM(11), layers.BatchNormalization(), layers.Dense(3)]
        model = tg.Sequential(stack)
        model.compile("sgd", "mse", jit_compile=jit)
        model.fit(x, rng.permutation(6)[:, None] * np.ones(3), epochs=4, verbose=0, shuffle=False)
        return model.get_weights()

    state = rng.bit_generator.state
    captured = trained(True)
    assert {"lstm_grad", "layer_norm_grad", "batch_norm_grad"} <= set(seen)
    rng.bit_generator.state = state
    for a, b in zip(captured, trained(False), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


# --- inputs ---------------------------------------------------------------------------------------


def test_large_inputs_are_read_where_they_are() -> None:
    seen = tg.jit(lambda x: [ops.tanh(x).sum(axis=0), x * 2.0])
    for k in range(6):
        x = rng.standard_normal((200, 300)).astype(np.float32)
        if k == 4:
            x = np.asfortranarray(x)  # is copied
        before = x.copy()
        same(seen(tg.tensor(x)), [ops.tanh(tg.tensor(x)).sum(axis=0), tg.tensor(x) * 2.0])
        np.testing.assert_array_equal(x, before)
        del x
    assert seen.last is not None and seen.last.bound[0]
    tg.explain_plan(seen)  # runs the calls again, though the last argument is gone


def test_inputs_that_are_returned_or_written_are_copied() -> None:
    x = randn(200, 300)
    step = tg.jit(lambda x: [x, x + 1.0])
    for _ in range(4):
        found = step(x)
    assert step.last is not None and step.last.bound == [None]
    found[0].numpy()[...] = 0
    assert np.any(x.numpy() != 0)
