"""Recurrent sequences: compiled against NumPy for every instruction set; the ops on top."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import DTYPES, assert_same, compiled, each_isa, one_and_many_threads

import tinygrad_cn as tg
from tinygrad_cn.kernels import reference

pytestmark = pytest.mark.skipif(compiled is None, reason="the package was built without a compiler")

GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
CELLS = sorted(GATES)
SHAPES = [  # T, N, U and D, the inputs of a step
    (1, 1, 1, 1), (3, 2, 5, 3), (5, 33, 16, 9), (7, 4, 40, 50), (4, 17, 130, 1), (2, 3, 400, 20),
    (2, 9, 60, 400), (3, 12, 40, 0), (0, 2, 3, 4), (3, 0, 4, 2),
]  # fmt: skip


class Case:
    """One sequence of a cell; ``forward`` and ``backward`` run either set of kernels.

    A GRU is given x W + b for x, and no kernel.
    """

    def __init__(self, cell, shape, dtype, mask=False, initial=True, bias=True, seed=0):
        t, n, u, d = shape
        rng, width = np.random.default_rng(seed), GATES[cell] * u

        def draw(*size):
            return rng.normal(size=size).astype(dtype)

        self.cell, self.mask = cell, None
        self.x, self.g, self.gc = draw(t, n, d), draw(t + 1, n, u), draw(n, u)
        self.kernel = [draw(d, width) / np.dtype(dtype).type(max(d, 1) ** 0.5)]
        if cell == "gru":
            self.x, self.kernel = draw(t, n, width), []
        self.weights = draw(u, width) / np.dtype(dtype).type(u**0.5)
        self.initial = [draw(n, u) if initial else None for _ in range(1 + (cell == "lstm"))]
        self.bias = draw(width) if bias else None
        if mask:
            self.mask = rng.random((n, t)).T > 0.3  # not in C order

    def forward(self, kernels):
        run = getattr(kernels, self.cell)
        return run(self.x, *self.kernel, self.weights, self.bias, *self.initial, self.mask)

    def backward(self, kernels, saved):
        run = getattr(kernels, f"{self.cell}_grad")
        g = (self.g,)
        if self.cell == "lstm":
            g, saved = (self.g, self.gc), saved[1:]
        grads = run(*g, *saved, self.weights, self.mask, self.initial[0] is not None)
        return tuple(x for x in grads if x is not None)

    def check(self):
        terms = len(self.x) * (self.x.shape[1] + self.x.shape[2] + self.weights.shape[1])
        saved = self.forward(reference)
        assert_same(self.forward(compiled), saved, terms)
        assert_same(self.backward(compiled, saved), self.backward(reference, saved), terms, scale=4)


@each_isa
@pytest.mark.parametrize("mask", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_against_reference(cell, shape, dtype, mask, isa):
    Case(cell, shape, dtype, mask).check()
    Case(cell, shape, dtype, mask, initial=False, bias=False).check()


@given(
    st.sampled_from(CELLS),
    st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 70), st.integers(1, 50)),
    st.sampled_from(DTYPES),
    st.booleans(),
)
def test_any_shape(cell, shape, dtype, mask):
    Case(cell, shape, dtype, mask, seed=shape[2]).check()


@pytest.mark.parametrize("kernels", [compiled, reference], ids=["compiled", "reference"])
@pytest.mark.parametrize("cell", CELLS)
def test_no_initial_state_has_no_gradient(cell, kernels):
    case = Case(cell, (4, 6, 5, 3), "float32", initial=False)
    saved = case.forward(kernels)
    without = case.backward(kernels, saved)
    case.initial = [np.zeros((6, 5), "float32")] * len(case.initial)
    zeros = case.backward(kernels, saved)
    assert len(without) == len(zeros) - len(case.initial)
    for a, b in zip(without, zeros, strict=False):
        # NumPy's BLAS may add up a product without the zeros in another order.
        np.testing.assert_allclose(a, b, *((0, 0) if kernels is compiled else (1e-5, 1e-6)))


@pytest.mark.parametrize("cell", CELLS)
def test_no_initial_state_meets_no_infinity(cell):
    case = Case(cell, (1, 6, 5, 3), "float32", initial=False)
    case.weights[2] = np.inf
    case.g[0] = np.inf  # belongs to the state before the first step
    for kernels in (compiled, reference):
        saved = case.forward(kernels)
        for x in (*saved, *case.backward(kernels, saved)):
            assert np.isfinite(x).all()


@pytest.mark.parametrize("cell", CELLS)
def test_any_layout(cell):
    case = Case(cell, (4, 6, 5, 3), "float32")
    for name in ("x", "g", "weights"):
        array = getattr(case, name)
        setattr(case, name, np.asfortranarray(array)[::-1])
    case.weights.flags.writeable = False
    case.check()


@each_isa
@pytest.mark.parametrize("cell", CELLS)
def test_nan_stays_in_its_row(cell, isa):
    case = Case(cell, (5, 20, 9, 7), "float32")
    case.x[2, 7, 0] = np.nan
    saved = case.forward(compiled)
    bad = np.isnan(saved[0]).any(axis=2)
    assert bad[3:, 7].all() and bad.sum() == 3
    gradient = case.backward(compiled, saved)[0]
    assert np.isnan(gradient[:, 7]).any() and not np.isnan(np.delete(gradient, 7, axis=1)).any()


@each_isa
@pytest.mark.parametrize("cell", CELLS)
def test_masked_steps_ignore_their_input(cell, isa):
    """Even NaN, and even in the gradient."""
    case = Case(cell, (5, 20, 9, 7), "float32", mask=True)
    kept = case.forward(compiled)[0]
    case.x[~case.mask] = np.nan
    saved = case.forward(compiled)
    np.testing.assert_array_equal(saved[0], kept)
    gz = case.backward(compiled, saved)[0]
    assert (gz[~case.mask] == 0).all() and np.isfinite(gz).all()


@pytest.mark.parametrize("cell", CELLS)
def test_bitwise_equal_for_any_number_of_threads(cell):
    case = Case(cell, (9, 70, 48, 30), "float32", mask=True)

    def run():
        saved = case.forward(compiled)
        return [*saved, *case.backward(compiled, saved)]

    one_and_many_threads(run)


@pytest.mark.parametrize("kernels", [compiled, reference], ids=["compiled", "reference"])
def test_errors(kernels):
    x, w, r = (np.ones(shape, "float32") for shape in [(2, 3, 4), (4, 8), (2, 8)])
    with pytest.raises(ValueError, match=r"\[lstm\] wrong number of dim.*x.shape=\(3, 4\)"):
        kernels.lstm(x[0], w, r)
    with pytest.raises(ValueError, match=r"\[lstm\] kernel .*\(4, 8\).*kernel.shape=\(3, 8\)"):
        kernels.lstm(x, w[1:], r)
    with pytest.raises(ValueError, match=r"\[simple_rnn\] recurrent_kernel .*\(2, 2\).*\(2, 8\)"):
        kernels.simple_rnn(x, w[:, :2], r)
    with pytest.raises(ValueError, match=r"\[gru\] z and recurrent_kernel do not fit"):
        kernels.gru(x, r)
    with pytest.raises(ValueError, match=r"\[lstm\] bias .*\(8,\).*bias.shape=\(2, 8\)"):
        kernels.lstm(x, w, r, r)
    with pytest.raises(ValueError, match=r"\[lstm\] h0 .*\(3, 2\).*h0.shape=\(2, 2\)"):
        kernels.lstm(x, w, r, h0=r[:, :2])
    with pytest.raises(ValueError, match=r"\[lstm\] mask .*\(2, 3\).*mask.shape=\(3, 2\)"):
        kernels.lstm(x, w, r, mask=np.ones((3, 2), bool))
    states, cells, gates, joined = kernels.lstm(x, w, r)
    with pytest.raises(ValueError, match=r"\[lstm_grad\] g does not fit"):
        kernels.lstm_grad(states[1:], None, cells, gates, joined, r)
    with pytest.raises(ValueError, match=r"\[lstm_grad\] joined and recurrent_kernel do not fit"):
        kernels.lstm_grad(states, None, cells, gates, joined[1:], r)
    with pytest.raises(ValueError, match=r"\[lstm_grad\] gates .*\(2, 3, 8\).*\(2, 3, 7\)"):
        kernels.lstm_grad(states, None, cells, gates[..., 1:], joined, r)
    with pytest.raises(ValueError, match=r"\[simple_rnn_grad\] mask .*\(2, 3\).*\(3, 2\)"):
        kernels.simple_rnn_grad(states, states, joined, r[:, :2], np.ones((3, 2), bool))


# --- the ops on top -------------------------------------------------------------------------------


def op_arguments(cell, n=3, t=4, d=2, u=2):
    rng = np.random.default_rng(0)
    width = GATES[cell] * u
    bias = (2, width) if cell == "gru" else (width,)
    sizes = [(n, t, d), (d, width), (u, width), bias, (n, u)] + [(n, u)] * (cell == "lstm")
    return [rng.normal(size=size) for size in sizes]


def plain(cell, x, kernel, recurrent_kernel, bias, h0, c0=None, mask=None):
    """The same sequence, one step after the other, in plain ops."""
    x = tg.ops.permute_dims(x, axes=(1, 0, 2))
    steps = {
        "simple_rnn": tg.ops.simple_rnn_step, "lstm": tg.ops.lstm_step, "gru": tg.ops.gru_step
    }  # fmt: skip
    more = (bias[1],) if cell == "gru" else ()
    z = x @ kernel + (bias[0] if cell == "gru" else bias)
    states = (h0,) if c0 is None else (h0, c0)
    y, states = tg.ops.rnn(
        lambda z, s: steps[cell](z, s, recurrent_kernel, *more),
        z,
        states,
        None if mask is None else mask.T,
    )
    return tg.ops.permute_dims(y, axes=(1, 0, 2)), *states


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_op_runs_the_step_over_time(cell, masked):
    args = [tg.tensor(a) for a in op_arguments(cell)]
    mask = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]], bool) if masked else None
    found = getattr(tg.ops, cell)(*args, mask=mask)
    for a, b in zip(found, plain(cell, *args, mask=mask), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    backwards = getattr(tg.ops, cell)(*args, mask=mask, go_backwards=True)
    args[0] = args[0].numpy()[:, ::-1]
    flipped = getattr(tg.ops, cell)(*args, mask=None if mask is None else mask[:, ::-1])
    for a, b in zip(backwards, flipped, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_both_orders(cell, masked):
    mask = np.array([[1, 0, 1], [0, 1, 0]], bool) if masked else None
    args = op_arguments(cell, n=2, t=3)

    def f(*args):
        return sum(tg.ops.sum(y * y) for y in getattr(tg.ops, cell)(*args, mask=mask))

    tg.testing.check_grads(f, *args, order=2)
    tg.testing.check_grads(lambda x, w, r: getattr(tg.ops, cell)(x, w, r)[0], *args[:3], order=2)


@pytest.mark.parametrize("cell", CELLS)
def test_other_types_are_promoted(cell):
    args = [a.astype("float32") for a in op_arguments(cell)[:3]]
    run = getattr(tg.ops, cell)
    for dtype in ("int64", "bool", "uint8", "float16", "float64"):
        x = (np.abs(args[0]) * 3).astype(dtype)
        wanted = np.result_type(x, np.float32)
        y = run(x, *args[1:])[0]
        assert y.dtype == wanted
        same = run(x.astype(wanted), *[a.astype(wanted) for a in args[1:]])[0]
        np.testing.assert_allclose(y, same, rtol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_without_inputs(cell):
    args = op_arguments(cell, d=0)[1:3]
    x = np.zeros((2, 3, 0))
    h0 = np.ones((2, 2))
    tg.testing.check_grads(lambda w, r: getattr(tg.ops, cell)(x, w, r, h0=h0)[0], *args, order=2)


def test_gru_with_the_reset_gate_before_the_product():
    rng = np.random.default_rng(0)
    z, h, r = [tg.tensor(rng.normal(size=size)) for size in [(2, 6), (2, 2), (2, 6)]]
    y, _ = tg.ops.gru_step(z, (h,), r, reset_after=False)
    u, reset = (1 / (1 + np.exp(-(z.numpy() + (h @ r).numpy())[:, i : i + 2])) for i in (0, 2))
    n = np.tanh(z.numpy()[:, 4:] + (reset * h.numpy()) @ r.numpy()[:, 4:])
    np.testing.assert_allclose(y, u * h.numpy() + (1 - u) * n)


def test_errors_of_the_ops():
    x, w, r = np.ones((2, 3, 4)), np.ones((4, 8)), np.ones((2, 8))
    with pytest.raises(ValueError, match=r"\[lstm\] x and kernel do not fit.*x.shape=\(3, 4\)"):
        tg.ops.lstm(x[0], w, r)
    with pytest.raises(ValueError, match=r"\[lstm\] mask must be boolean.*\(2, 3\)"):
        tg.ops.lstm(x, w, r, mask=np.ones((3, 2), bool))
