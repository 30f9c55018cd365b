"""Products that end in elementwise calls, and take sums of bias gradients along.

Bit for bit what the calls by themselves compute: on every path, for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cn as tg
from tinygrad_cn import kernels, ops
from tinygrad_cn.plan import bias_gradients, products
from tinygrad_cn.plan.program import Program

pytestmark = pytest.mark.skipif(kernels.core is None, reason="the NumPy kernels are not captured")

rng = np.random.default_rng(0)


@pytest.fixture
def folds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small results and polynomials, too."""
    monkeypatch.setattr(products, "NEAR", 0)
    monkeypatch.setattr(products, "FAR", 0)
    monkeypatch.setattr(bias_gradients, "NEAR", 0)


@pytest.fixture(params=[1, 2, 3, 8])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    yield request.param
    tg.set_num_threads(before)


def randn(*shape: int, dtype: str = "float32") -> Any:
    return tg.tensor(rng.standard_normal(shape).astype(dtype))


def replayed(function: Callable, *args: Any) -> Program:
    """Compare the third call, a replay, with eager execution; return the plan's program."""
    step = tg.jit(function)
    for _ in range(3):
        found = step(*args)
    for one, other in zip(found, function(*args), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert step.last is not None
    return step.last.program


def labels(program: Program) -> list[str]:
    return [call.label for call in program.calls]


def count(program: Program, *kernels: str) -> int:
    return sum(call.kernel in kernels for call in program.calls)


# One or two of each path of csrc/drivers/matmul_path.c: (m, k, n), A transposed?, B transposed?
PATHS = [
    ((70, 1, 90), False, False),  # outer
    ((300, 64, 3), False, False),  # dot
    ((3, 64, 300), False, True),
    ((900, 70, 5), True, False),  # turned
    ((4, 600, 4096), False, False),  # rows
    ((1, 1024, 4096), False, False),
    ((8, 5200, 60), False, False),  # deep
    ((60, 2600, 90), True, False),
    ((30, 40, 50), False, False),  # direct
    ((5, 7, 3), False, False),
    ((200, 128, 256), False, False),  # local
    ((128, 700, 512), True, False),  # local, by depth
    ((600, 500, 650), False, True),  # packed
    ((512, 768, 128), True, False),  # packed, by depth
]
CHAINS: dict[str, Callable] = {
    "residual": lambda y, r: [y + r],
    "product kept": lambda y, r: [y, ops.relu(y) - r],
    "two results": lambda y, r: [y * r, ops.maximum(y, r) / 2.0],
    "where": lambda y, r: [ops.where(y > r, y * 3.0, r)],
    "polynomial": lambda y, r: [ops.tanh(y) * r],
    "row": lambda y, r: [(y - r[:1]) * r],
    "column": lambda y, r: [y * r[:, :1]],
}


@pytest.mark.usefixtures("folds_all")
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(("shape", "a_turned", "b_turned"), PATHS)
def test_a_product_ends_in_a_chain(
    shape: tuple, a_turned: bool, b_turned: bool, chain: str, threads: int
) -> None:
    m, k, n = shape
    a = randn(k, m) if a_turned else randn(m, k)
    b = randn(n, k) if b_turned else randn(k, n)
    bias, r = randn(n), randn(m, n)

    def step(a: Any, b: Any, bias: Any, r: Any) -> Any:
        a, b = a.T if a_turned else a, b.T if b_turned else b
        product = a @ b if k == 1 or a_turned else ops.linear(a, b, bias)
        return CHAINS[chain](product, r)

    program = replayed(step, a, b, bias, r)
    assert len(program.calls) == 1


@pytest.mark.usefixtures("folds_all")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 5, 8, 7), (2, 3, 90, 100)])
def test_a_batch_of_products_ends_in_a_chain(shape: tuple, dtype: str) -> None:
    a, b = randn(*shape, dtype=dtype), randn(*shape[:2], shape[3], shape[2], dtype=dtype)
    r = randn(shape[2], shape[2], dtype=dtype)
    program = replayed(lambda a, b, r: [(a @ b) * 0.5 + r], a, b, r)
    assert len(program.calls) == 1


# image, kernel, settings of ops.conv
CONVOLUTIONS = [
    ((2, 13, 13, 32), (3, 3, 32, 64), {}),  # Winograd
    ((3, 20, 9, 16), (3, 3, 16, 16), {"padding": "same", "dilation_rate": 2}),
    ((40, 3, 3, 70), (3, 3, 70, 70), {"padding": "same"}),
    ((1, 8, 8, 128), (3, 3, 128, 128), {"padding": "same"}),  # by columns
    ((2, 1, 90, 16), (1, 5, 16, 16), {}),  # in lines
    ((5, 9, 9, 16), (3, 3, 16, 4), {"padding": "same"}),  # by zones
    ((3, 12, 11, 24), (3, 3, 24, 30), {"strides": 2, "padding": "same"}),  # in phases
    ((3, 40, 1, 16), (3, 1, 16, 16), {"strides": (1, 2)}),
    ((3, 1, 30, 16), (1, 3, 16, 16), {"strides": (2, 1)}),
    ((2, 9, 9, 8), (2, 2, 8, 8), {"strides": 3}),  # pixels that nothing reaches
    ((2, 30, 30, 3), (5, 5, 3, 8), {}),  # few channels
    ((2, 30, 30, 1), (3, 3, 1, 2), {}),
    ((2, 10, 11, 24), (1, 1, 24, 20), {}),  # a product
    ((3, 12, 12, 16), (3, 3, 1, 16), {}),  # depthwise
    ((3, 12, 12, 16), (3, 3, 1, 16), {"strides": 2}),
    ((2, 12, 12, 32), (3, 3, 4, 64), {"padding": "same"}),
]


@pytest.mark.usefixtures("folds_all")
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize(("image", "kernel", "settings"), CONVOLUTIONS)
def test_a_convolution_ends_in_a_chain(
    image: tuple, kernel: tuple, settings: dict, activation: str | None, threads: int
) -> None:
    x, w, b = randn(*image), randn(*kernel), randn(kernel[-1])

    def step(x: Any, w: Any, b: Any) -> Any:
        y = ops.conv(x, w, bias=b, activation=activation, **settings)
        return [y * 0.5 + b]

    program = replayed(step, x, w, b)
    assert len(program.calls) == 1


@pytest.mark.usefixtures("folds_all")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("image", "kernel", "settings"), CONVOLUTIONS)
def test_the_gradients_of_a_convolution_take_others_along(
    image: tuple, kernel: tuple, settings: dict, dtype: str, threads: int
) -> None:
    """The input's ends in the gradient of relu, the kernel's sums that of the bias."""
    x, w, b = (
        randn(*image, dtype=dtype),
        randn(*kernel, dtype=dtype),
        randn(kernel[-1], dtype=dtype),
    )
    g = randn(*ops.conv(x, w, **settings).shape, dtype=dtype)

    def step(x: Any, w: Any, b: Any, g: Any) -> Any:
        x, w, b = [v.detach().requires_grad_() for v in (x, w, b)]
        y = ops.conv(ops.relu(x), w, bias=b, **settings)
        return tg.grad((y * g).sum(), [x, w, b])

    program = replayed(step, x, w, b, g)
    assert "Conv2DInputGrad+ReluGrad" in labels(program)
    assert "Conv2DWeightGrad+SumTo" in labels(program)


@pytest.mark.usefixtures("folds_all")
@pytest.mark.parametrize("shape", [(300, 7), (64, 64), (5, 3), (10000, 33)])
def test_batch_norm_ends_in_a_chain(shape: tuple, threads: int) -> None:
    x, gamma, beta = randn(*shape), randn(shape[-1]), randn(shape[-1])

    def step(x: Any, gamma: Any, beta: Any) -> Any:
        y, mean, variance = ops.batch_normalization_training(x, gamma, beta)
        return [ops.relu(y), mean, variance]

    program = replayed(step, x, gamma, beta)
    assert "BatchNorm+Relu" in labels(program)


# --- what does not end in a chain -----------------------------------------------------------------


def test_what_would_read_beyond_the_piece_stays_apart() -> None:
    x, w, r = randn(96, 64), randn(64, 96), randn(96, 96)

    def step(x: Any, w: Any, r: Any) -> Any:
        y = x @ w
        return [y + y.T * r]

    assert count(replayed(step, x, w, r), "binary", "fused") == 1


def test_a_product_may_not_overwrite_its_own_factors() -> None:
    start, g = rng.standard_normal((96, 96)).astype(np.float32) / 10, randn(96, 96)

    def run(jit: bool) -> np.ndarray:
        w = tg.Variable(start)

        def step(g: Any) -> Any:
            w.assign(w - 0.1 * (w @ g))
            return [w.sum()]

        wanted = tg.jit(step) if jit else step
        for _ in range(5):
            wanted(g)
        return w.numpy()

    np.testing.assert_array_equal(run(True), run(False))


def test_an_argument_in_the_memory_of_a_variable_is_what_it_was_at_the_beginning() -> None:
    start, c = rng.standard_normal((128, 128)).astype(np.float32) / 12, randn(128, 128)

    def run(jit: bool) -> np.ndarray:
        w = tg.Variable(start)
        optimizer = tg.optimizers.Adagrad()

        def step(a: Any, c: Any) -> Any:
            gradient = tg.grad(((a @ w) * c).sum(), [w])
            optimizer.apply(gradient, [w])
            return (a @ c).sum()

        wanted = tg.jit(step) if jit else step
        for _ in range(6):
            wanted(w.detach() if jit else tg.tensor(w.numpy().copy()), c)
        return w.numpy()

    np.testing.assert_array_equal(run(True), run(False))


@pytest.mark.parametrize("rows", [8, 128, 12000])
def test_chains_are_left_apart_where_they_gain_nothing(rows: int) -> None:
    x, w = randn(rows, 64), randn(64, 96)
    program = replayed(lambda x, w: [ops.tanh(x @ w)], x, w)
    assert len(program.calls) == (1 if rows == 12000 else 2)
    program = replayed(lambda x, w: [ops.abs(x @ w)], x, w)
    assert len(program.calls) == (2 if rows == 8 else 1)


# --- sums -----------------------------------------------------------------------------------------

ROWS = [(30, 40, 50), (900, 33, 20), (128, 700, 512), (512, 768, 128), (100, 128, 256)]
ROWS += [
    (1, 700, 512),
    (5, 3000, 2),
    (10, 300, 17),
    (784, 32, 128),
    (128, 2000, 900),
    (600, 1000, 650),
    (200, 5000, 100),
    (100, 6000, 9),
    (20, 9000, 1000),
    (40, 25000, 12),
]


@pytest.mark.usefixtures("folds_all")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("inputs", "rows", "units"), ROWS)
def test_bias_gradients_come_along_with_those_of_weights(
    inputs: int, rows: int, units: int, dtype: str, threads: int
) -> None:
    x, w = randn(rows, inputs, dtype=dtype), randn(inputs, units, dtype=dtype)
    b, g = randn(units, dtype=dtype), randn(rows, units, dtype=dtype)

    def step(x: Any, w: Any, b: Any, g: Any) -> Any:
        w, b = w.detach().requires_grad_(), b.detach().requires_grad_()
        return tg.grad((ops.linear(x, w, b) * g).sum(), [w, b])

    program = replayed(step, x, w, b, g)
    assert count(program, "reduce", "fused_reduce") == 0


def test_a_sum_that_the_next_product_needs_stays_where_it_is() -> None:
    """The sum over the rows of g is a factor of g before the product reads it."""
    x, g = randn(200, 64), randn(200, 96)

    def step(x: Any, g: Any) -> Any:
        return [x.T @ g, (x * g.sum(axis=0)[:64]).T @ g]

    program = replayed(step, x, g)
    assert count(program, "matmul") == 2


def test_training_with_chains_and_sums_is_eager_training() -> None:

    x = rng.standard_normal((256, 8, 8, 3)).astype(np.float32)
    y = rng.integers(0, 5, 256)

    def trained(jit: Any) -> list[np.ndarray]:
        tg.utils.set_random_seed(4)
        layers = tg.layers
        model = tg.Sequential(
            [
                layers.Input((8, 8, 3)),
                layers.Conv2D(16, 3, padding="same"),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Conv2D(16, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(128, activation="relu"),
                layers.Dropout(0.3),
                layers.Dense(5),
            ]
        )
        loss = tg.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("rmsprop", loss=loss, jit_compile=jit)
        model.fit(x, y, epochs=2, batch_size=64, verbose=0)
        return model.get_weights()

    for one, other in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(one, other)
