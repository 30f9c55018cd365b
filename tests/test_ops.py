# ruff: noqa: E501 # a table is read by its rows
"""Every op of the table, in every way: values, derivatives, dtypes, layouts, shapes, kernel sets."""

from __future__ import annotations

from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from op_cases import BINARY, CASES, COMPARISONS, LOGIC, UNARY, Case, draw

import tinygrad_cn as tg
from tinygrad_cn import config, kernels, ops
from tinygrad_cn.kernels import reference
from tinygrad_cn.testing import assert_close, check_grads, tolerance

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def outputs(y):
    return y if isinstance(y, tuple) else (y,)


def values_and_gradients(case: Case, arrays) -> list[np.ndarray]:
    """The outputs, and the gradients of their sum weighted by fixed numbers."""
    xs = [tg.Tensor(x) for x in arrays]
    for x in xs:
        x.requires_grad = True
    ys = outputs(case(*xs))
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.5, 1, y.shape).astype(y.dtype) for y in ys]
    grads = tg.grad(ys, xs, weights, allow_unused=True)
    return [y.data for y in ys] + [g.data for g in grads if g is not None]


def assert_all_close(actual, expected, rtol):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert a.shape == b.shape
        scale = max(1.0, np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in CASES if case.oracle], ids=str)
def test_values_are_numpys(case):
    xs = case.inputs()
    expected = case.oracle(*xs, **case.settings)
    expected = expected if isinstance(expected, (tuple, list)) else (expected,)
    for y, e in zip(outputs(case(*map(tg.Tensor, xs))), expected, strict=True):
        assert_close(y, np.asarray(e, np.float64), n=case.n, rtol=1e-11, atol=1e-11)


@each_case
def test_derivatives_are_those_of_finite_differences(case):
    check_grads(case, *case.inputs(), order=case.order)


@each_case
def test_float32_is_float64_rounded(case):
    xs = case.inputs(dtype="float32")
    found = values_and_gradients(case, xs)
    assert all(a.dtype == np.float32 for a in found)
    exact = values_and_gradients(case, [x.astype("float64") for x in xs])
    assert_all_close(found, exact, 8 * tolerance("float32", case.n))


LAYOUTS = {
    "strided": lambda x: np.repeat(x, 2, -1)[..., ::2] if x.ndim else x,
    "negative": lambda x: np.flip(np.flip(x).copy()),
    "fortran": np.asfortranarray,
    "transposed": lambda x: np.swapaxes(np.swapaxes(x, 0, -1).copy(), 0, -1) if x.ndim else x,
    "offset": lambda x: np.concatenate([x[:1], x])[1:],
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": lambda x: _unaligned(x),
}


def _unaligned(x):
    buffer = np.zeros(x.nbytes + 1, np.uint8)[1:]
    y = np.frombuffer(buffer, x.dtype).reshape(x.shape)
    y[...] = x
    return y


@pytest.mark.parametrize("layout", LAYOUTS)
@each_case
def test_layout_of_the_inputs_does_not_matter(case, layout):
    xs = case.inputs()
    expected = values_and_gradients(case, xs)
    arranged = [LAYOUTS[layout](x) for x in xs]
    for x in arranged:
        x.flags.writeable = False
    assert_all_close(values_and_gradients(case, arranged), expected, 1e-12)


@each_case
def test_inputs_are_not_written_to(case):
    xs = case.inputs()
    values_and_gradients(case, xs)
    for x, before in zip(xs, case.inputs(), strict=True):
        np.testing.assert_array_equal(x, before)


@each_case
@each_dtype
def test_kernel_sets_agree(case, dtype, monkeypatch):
    if kernels.CHOICE == "reference":
        pytest.skip("only the NumPy kernels are here")
    xs = case.inputs(dtype=dtype)
    found = {isa: None for isa in config.isas()}
    for isa in found:
        with config.using_isa(isa):
            found[isa] = values_and_gradients(case, xs)
    for name in kernels.__all__:
        monkeypatch.setattr(kernels, name, getattr(reference, name))
    expected = values_and_gradients(case, xs)
    for result in found.values():
        assert_all_close(result, expected, 8 * tolerance(dtype, case.n))


@each_case
def test_captured_steps_compute_the_same(case):
    if not kernels.can_capture:
        pytest.skip("only compiled kernels are captured")

    def step(*arguments):
        xs = [tg.Tensor(x, requires_grad=True) for x in arguments]
        ys = outputs(case(*xs))
        grads = tg.grad([y.sum() for y in ys if y.dtype.kind == "f"], xs, allow_unused=True)
        return [*ys, *[g for g in grads if g is not None]]

    captured = tg.jit(step)
    for seed in range(
        4
    ):  # the first runs eagerly, one is captured, then it is replayed on new data
        inputs = [tg.Tensor(x) for x in case.inputs(seed, "float32")]
        found, expected = captured(*inputs), step(*inputs)
        rtol = 8 * tolerance("float32", case.n)
        assert_all_close([y.data for y in found], [y.data for y in expected], rtol)


# --- elementwise: any shape -----------------------------------------------------------------------


each_unary = pytest.mark.parametrize(
    ("name", "oracle", "domain"), UNARY, ids=[name for name, *_ in UNARY]
)
each_binary = pytest.mark.parametrize(
    ("name", "oracle", "domain"), BINARY, ids=[name for name, *_ in BINARY]
)


@each_unary
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (1000,), (3, 1, 5)])
def test_unary_in_any_shape(name, oracle, domain, shape):
    x = draw(np.random.default_rng(0), shape, *domain)
    found = values_and_gradients(Case(name, getattr(ops, name), oracle, (shape,)), [x])
    assert [a.shape for a in found] == [shape, shape]
    np.testing.assert_allclose(found[0], oracle(x) if x.size else x, rtol=1e-12, atol=1e-13)


@each_binary
@pytest.mark.parametrize(
    "shapes",
    [((), ()), ((), (2, 3)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((0, 3), (3,)), ((4, 1, 5), (3, 1))],
    ids=str,
)
def test_binary_broadcasts(name, oracle, domain, shapes):
    rng = np.random.default_rng(0)
    a, b = (draw(rng, shape, *domain) for shape in shapes)
    op = getattr(ops, name)
    np.testing.assert_allclose(op(a, b).data, oracle(a, b), rtol=1e-12)
    found = values_and_gradients(Case(name, op, oracle, shapes), [a, b])
    assert [g.shape for g in found[1:]] == [a.shape, b.shape]
    check_grads(op, a, b, order=1)


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4),
    st.sampled_from(BINARY),
    st.integers(0, 100),
)
def test_binary_of_drawn_shapes(shapes, binary, seed):
    name, oracle, domain = binary
    rng = np.random.default_rng(seed)
    a, b = (draw(rng, shape, *domain) for shape in shapes.input_shapes)
    y = getattr(ops, name)(tg.Tensor(a), tg.Tensor(b))
    assert y.shape == shapes.result_shape
    np.testing.assert_allclose(y.data, oracle(a, b), rtol=1e-12, atol=1e-13)
    check_grads(getattr(ops, name), a, b, order=1)


@given(
    hnp.array_shapes(min_dims=0, max_dims=4, max_side=4), st.data(), st.booleans(),
    st.sampled_from(["sum", "mean", "max", "min", "prod", "var", "std"]),
)  # fmt: skip
def test_reductions_of_drawn_shapes(shape, data, keepdims, name):
    axes = st.lists(st.integers(0, len(shape) - 1), unique=True) if shape else st.just([])
    axis = data.draw(st.one_of(st.none(), axes.map(tuple)))
    x = draw(np.random.default_rng(0), shape, "distinct", -2, 2)
    y = getattr(ops, name)(tg.Tensor(x), axis=axis, keepdims=keepdims)
    e = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    assert y.shape == e.shape
    np.testing.assert_allclose(y.data, e, rtol=1e-11, atol=1e-12)
    if name != "std" or np.all(e > 0.01):
        check_grads(lambda x: getattr(ops, name)(x, axis=axis, keepdims=keepdims), x, order=1)


@given(hnp.array_shapes(max_dims=4, max_side=4), st.data())
def test_slices_of_drawn_shapes(shape, data):
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    x = np.random.default_rng(0).standard_normal(shape)
    t = tg.Tensor(x, requires_grad=True)
    y = t[key]
    np.testing.assert_array_equal(y.data, x[key])
    y.sum().backward()
    expected = np.zeros(shape)
    expected[key] = 1
    np.testing.assert_array_equal(t.grad.data, expected)


@given(
    st.integers(1, 4), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5),
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3),
)  # fmt: skip
def test_matmul_of_drawn_shapes(k, m, n, _, batch):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((*batch.input_shapes[0], m, k))
    b = rng.standard_normal((*batch.input_shapes[1], k, n))
    np.testing.assert_allclose(ops.matmul(a, b).data, a @ b, rtol=1e-11, atol=1e-12)
    check_grads(ops.matmul, a, b, order=1)


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_comparisons(name, dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2, (3, 4)).astype(dtype) for _ in range(2))
    y = getattr(ops, name)(a, b)
    assert y.dtype == bool
    np.testing.assert_array_equal(y.data, getattr(np, name)(a, b))
    x = tg.Tensor(np.array([np.nan, 1.0, np.inf]))
    np.testing.assert_array_equal(getattr(ops, name)(x, 1.0).data, getattr(np, name)(x.data, 1.0))


@pytest.mark.parametrize("name", LOGIC)
def test_logic(name):
    a, b = np.array([0.0, 0.0, 2.0, 3.0]), np.array([0, 1, 0, 1])
    np.testing.assert_array_equal(getattr(ops, name)(a, b).data, getattr(np, name)(a, b))
    np.testing.assert_array_equal(ops.logical_not(a).data, np.logical_not(a))


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
def test_bitwise(name):
    a, b = np.array([1, 2, 7]), np.array([3, 3, 4])
    np.testing.assert_array_equal(getattr(ops, name)(a, b).data, getattr(np, name)(a, b))
    t = tg.tensor(np.array([True, False]))
    assert (~t).tolist() == [False, True] and (t | ~t).all() and not (t & ~t).any()


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
def test_classes_of_numbers(name):
    x = np.array([0.0, -1.0, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(getattr(ops, name)(x).data, getattr(np, name)(x))


@pytest.mark.parametrize("name", ["argmax", "argmin", "any", "all", "count_nonzero"])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_without_gradient(name, axis, keepdims):
    x = np.random.default_rng(0).integers(0, 3, (3, 4, 5)).astype(float)
    y = getattr(ops, name)(tg.Tensor(x, requires_grad=True), axis=axis, keepdims=keepdims)
    e = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(y.data, e)
    assert y.shape == np.shape(e) and not y.requires_grad


# --- awkward points -------------------------------------------------------------------------------


def slope(f, *values):
    xs = [tg.Tensor(np.array(v, np.float64), requires_grad=True) for v in values]
    f(*xs).sum().backward()
    grads = [x.grad.tolist() for x in xs]
    return grads[0] if len(grads) == 1 else grads


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (ops.abs, 0.0, 0.0),
        (ops.relu, 0.0, 0.0),
        (ops.leaky_relu, 0.0, 0.2),
        (ops.elu, 0.0, 1.0),
        (ops.relu6, [0.0, 6.0], [0.0, 0.0]),
        (ops.sqrt, 0.0, np.inf),
        (ops.norm, [0.0, 0.0], [0.0, 0.0]),
        (ops.std, [1.0, 1.0], [0.0, 0.0]),
        (lambda x: ops.norm(x, 3, 0), [0.0, 0.0], [0.0, 0.0]),
        (ops.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
        (ops.min, [1.0, 1.0, 3.0], [0.5, 0.5, 0.0]),
        (lambda x: ops.clip(x, -1, 1), [-1.0, 1.0, 2.0], [1.0, 1.0, 0.0]),
        (lambda x: x**0, [0.0, 2.0], [0.0, 0.0]),
        (lambda x: x**1, [0.0, 2.0], [1.0, 1.0]),
        (lambda x: 0.0**x, [1.0, 2.0], [0.0, 0.0]),
        (ops.log_sigmoid, [-1e4, 1e4], [1.0, 0.0]),
        (lambda x: ops.softmax(x)[0], [1e4, 0.0], [0.0, 0.0]),
        (lambda x: ops.log_softmax(x)[0], [1e4, 0.0], [0.0, 0.0]),
        (ops.logsumexp, [1e4, 1e4], [0.5, 0.5]),
        (ops.logsumexp, [-np.inf, 0.0], [0.0, 1.0]),
        (ops.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        (ops.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
        (ops.cumprod, [0.0, 2.0, 3.0], [9.0, 0.0, 0.0]),
        (lambda x: ops.max_pool(x.reshape(1, 4, 1), 2), [5.0, 5.0, 1.0, 2.0], [1.0, 0.0, 0.0, 1.0]),
        (lambda x: ops.binary_crossentropy([1.0], x, True), [0.0], [-0.5]),
    ],
)  # fmt: skip
def test_slope_at_an_awkward_point(f, x, expected):
    with np.errstate(all="ignore"):
        assert slope(f, x) == expected


def test_ties_of_two_operands_share_the_gradient():
    assert slope(ops.maximum, 1.0, 1.0) == [0.5, 0.5]
    assert slope(ops.minimum, 1.0, 1.0) == [0.5, 0.5]
    assert slope(ops.atan2, 0.0, 0.0) == [0.0, 0.0]
    assert slope(ops.pow, 0.0, 0.0) == [0.0, 0.0]


def test_gradient_of_the_gradient_of_a_product_with_zeros():
    check_grads(ops.prod, np.array([0.0, 2.0, 0.0, 3.0]))
    check_grads(ops.cumprod, np.array([2.0, 0.0, 3.0, 0.0]))
    check_grads(ops.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]))
    check_grads(ops.linalg.det, np.diag([0.0, 0.0, 3.0]))


def test_nothing_is_a_sum_of_zero():
    assert ops.sum(np.zeros((0, 3)), axis=0).tolist() == [0, 0, 0]
    assert ops.prod(np.zeros((0, 3)), axis=0).tolist() == [1, 1, 1]
    with pytest.raises(ValueError):
        ops.max(np.zeros(0))


# --- promotion ------------------------------------------------------------------------------------

DTYPES = [np.dtype(c) for c in "?bhilBHILfd"]


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "where", "concat"])
def test_promotion_is_numpys(name):
    for a in DTYPES:
        for b in DTYPES:
            x, y = np.ones(2, a), np.ones(2, b)
            if name == "where":
                assert ops.where(True, x, y).dtype == np.where(True, x, y).dtype
            elif name == "concat":
                assert ops.concat([x, y]).dtype == np.concatenate([x, y]).dtype
            else:
                assert getattr(ops, name)(x, y).dtype == getattr(np, name)(x, y).dtype, (a, b)


def test_promotion_table_of_the_documents():
    page = (Path(__file__).parents[1] / "docs" / "tensors.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in page.splitlines()
            if line.startswith("| **")]  # fmt: skip
    kinds = [row[0] for row in rows]
    assert kinds == ["bool", "int32", "int64", "float16", "float32", "float64"]
    for kind, *results in rows:
        x = tg.Tensor(np.ones(2, kind))
        found = [(x + np.ones(2, other)).dtype for other in kinds] + [
            (x + 1).dtype,
            (x + 1.0).dtype,
        ]
        assert [str(dtype) for dtype in found] == results


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_python_numbers_are_weak(dtype):
    x = tg.Tensor(np.ones(2, dtype))
    assert (x + 1).dtype == (x.data + 1).dtype
    assert (2.5 * x).dtype == (2.5 * x.data).dtype
    assert (True & (x > 0)).dtype == bool
    assert (x / 2).dtype == (x.data / 2).dtype


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "cumsum"])
def test_reductions_keep_numpys_dtype(name, dtype):
    x = np.ones((2, 3), dtype)
    assert getattr(ops, name)(x).dtype == getattr(np, name)(x).dtype


def test_clip_takes_the_dtype_of_its_bounds():
    x = np.float32([-2, 0, 2])
    for low, high in ((-1, np.float64(1)), (np.float64(-1), 1), (-1, 1), (-1.5, None), (None, 1)):
        y = ops.clip(x, low, high)
        assert y.dtype == np.clip(x, low, high).dtype
        np.testing.assert_array_equal(y.numpy(), np.clip(x, low, high))


def test_gradients_have_the_dtype_of_their_input():
    a = tg.Tensor(np.ones(3, np.float32), requires_grad=True)
    b = tg.Tensor(np.ones(3), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype == np.float32 and b.grad.dtype == np.float64


def test_lists_and_numbers_become_float32():
    assert tg.tensor([1, 2]).dtype == np.float32
    assert tg.tensor([[1.5], [2]]).dtype == np.float32
    assert tg.tensor(3).dtype == np.float32
    assert tg.tensor([True]).dtype == bool
    assert tg.tensor(np.arange(3)).dtype == np.int64
    assert tg.tensor([np.float64(1)]).dtype == np.float64
    assert ops.exp([0, 1]).dtype == np.float32 and ops.sqrt(2.0).dtype == np.float32
    assert ops.where([True, False], 1.0, 0).dtype == np.float32


def test_complex_and_text_are_refused():
    with pytest.raises(TypeError, match="dtype=complex128"):
        tg.tensor(np.ones(2, complex))
    with pytest.raises(TypeError, match="dtype"):
        tg.tensor(["a"])
    with pytest.raises(TypeError, match="complex64"):
        tg.tensor([1.0]).astype("complex64")


def test_half_precision_is_an_array_like_others():
    x = tg.Tensor(np.array([1.0, 2.0], np.float16), requires_grad=True)
    y = (x * x).sum()
    y.backward()
    assert y.dtype == np.float16 and x.grad.dtype == np.float16 and x.grad.tolist() == [2, 4]


# --- errors ---------------------------------------------------------------------------------------


def test_shapes_that_do_not_broadcast_are_named_with_the_axis():
    with pytest.raises(ValueError, match=r"\[add\].*axis -1.*\(2, 3\).*\(2, 4\)"):
        tg.tensor(np.ones((2, 3))) + tg.tensor(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"\[maximum\].*axis -2"):
        ops.maximum(np.ones((2, 3)), np.ones((3, 3)))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.matmul(np.ones((2, 3)), np.ones((4, 5))), ValueError, r"\[matmul\].*\(2, 3\).*\(4, 5\)"),
        (lambda: ops.matmul(np.ones(3), np.ones((4, 5))), ValueError, r"\[matmul\].*\(3,\).*\(4, 5\)"),
        (lambda: ops.matmul(1.0, np.ones(3)), ValueError, r"\[matmul\]"),
        (lambda: ops.reshape(np.ones(6), (4, 2)), ValueError, r"\[reshape\].*6.*\(4, 2\)"),
        (lambda: ops.broadcast_to(np.ones(3), (2,)), ValueError, r"\[broadcast_to\]"),
        (lambda: ops.concat([np.ones((2, 3)), np.ones((2, 4))]), ValueError, r"\[concat\].*axis 1.*xs\[1\]"),
        (lambda: ops.concat([np.ones(3), np.ones((2, 4))]), ValueError, r"\[concat\].*axes"),
        (lambda: ops.concat([]), ValueError, r"\[concat\]"),
        (lambda: ops.stack([np.ones(3), np.ones(4)]), ValueError, r"\[stack\].*xs\[1\]"),
        (lambda: ops.split(np.ones(5), 2), ValueError, r"\[split\].*5"),
        (lambda: ops.squeeze(np.ones((2, 1)), 0), ValueError, r"\[squeeze\]"),
        (lambda: ops.expand_dims(np.ones(2), 5), ValueError, r"\[expand_dims\].*axis"),
        (lambda: ops.moveaxis(np.ones((2, 3)), 0, (0, 1)), ValueError, r"\[moveaxis\]"),
        (lambda: ops.transpose(np.ones((2, 3)), (0,)), ValueError, r"\[transpose\]"),
        (lambda: ops.sum(np.ones((2, 3)), axis=2), ValueError, "axis"),
        (lambda: ops.pad(np.ones(3), -1), ValueError, r"\[pad\]"),
        (lambda: ops.repeat(np.ones(3), [1, 2]), ValueError, r"\[repeat\]"),
        (lambda: ops.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((4, 5))), ValueError, r"\[einsum\].*'j'.*3 and 4"),
        (lambda: ops.einsum("ij", np.ones(3)), ValueError, r"\[einsum\]"),
        (lambda: ops.tensordot(np.ones((2, 3)), np.ones((4, 5)), 1), ValueError, r"\[tensordot\]"),
        (lambda: ops.topk(np.ones(3), 4), ValueError, r"\[topk\].*k=4"),
        (lambda: ops.take(np.ones(3), 3), IndexError, r"\[take\].*3"),
        (lambda: ops.take(np.ones(3), [0.5]), IndexError, r"\[take\].*integer"),
        (lambda: ops.take_along_axis(np.ones((2, 3)), [[5]], 1), IndexError, r"\[take_along_axis\].*5"),
        (lambda: ops.one_hot([0.5], 2), IndexError, r"\[one_hot\]"),
        (lambda: ops.linear(np.ones((2, 3)), np.ones((4, 5))), ValueError, r"\[linear\].*\(2, 3\).*\(4, 5\)"),
        (lambda: ops.linear(np.ones((2, 3)), np.ones((3, 5)), activation="softmax"), ValueError, r"softmax"),
        (lambda: ops.conv(np.ones((1, 5, 5, 3)), np.ones((3, 3, 2, 4))), ValueError, r"channels"),
        (lambda: ops.conv(np.ones((1, 2, 2, 3)), np.ones((3, 3, 3, 4))), ValueError, r"larger"),
        (lambda: ops.conv(np.ones((5, 3)), np.ones((3, 3, 4))), ValueError, r"\[conv\].*\(5, 3\)"),
        (lambda: ops.conv(np.ones((1, 5, 5, 3)), np.ones((3, 3, 4))), ValueError, r"\[conv\].*4 axes"),
        (lambda: ops.conv(np.ones((1, 5, 3)), np.ones((3, 3, 4)), padding="full"), ValueError, r"'full'"),
        (lambda: ops.conv(np.ones((1, 5, 3)), np.ones((3, 3, 4)), strides=0), ValueError, r"strides=0"),
        (lambda: ops.conv(np.ones((1, 5, 3)), np.ones((3, 3, 4)), data_format="NHWC"), ValueError, r"NHWC"),
        (lambda: ops.conv_transpose(np.ones((1, 5, 3)), np.ones((3, 3, 4))), ValueError, r"\[conv_transpose\]"),
        (lambda: ops.max_pool(np.ones((1, 2, 2, 1)), 3), ValueError, r"larger"),
        (lambda: ops.max_pool(np.ones((1, 4, 1)), 2, padding="causal"), ValueError, r"causal"),
        (lambda: ops.sparse_categorical_crossentropy([0, 4], np.ones((2, 3)), True), ValueError, r"label.*4"),
        (lambda: ops.sparse_categorical_crossentropy([0, -1], np.ones((2, 3))), ValueError, r"label.*-1"),
        (lambda: ops.sparse_categorical_crossentropy([0], np.ones((2, 3)), True), ValueError, r"\(2, 3\)"),
        (lambda: ops.categorical_crossentropy(np.ones(3), np.ones((2, 3))), ValueError, r"do not broadcast"),
        (lambda: ops.binary_crossentropy(np.ones((2, 1)), np.ones(2)), ValueError, r"do not broadcast"),
        (lambda: ops.linalg.inv(np.zeros((2, 2))), np.linalg.LinAlgError, r"\[inv\].*\(2, 2\)"),
        (lambda: ops.linalg.cholesky(-np.eye(2)), np.linalg.LinAlgError, r"\[cholesky\]"),
        (lambda: ops.linalg.inv(np.ones(3)), ValueError, r"\[inv\].*\(3,\)"),
        (lambda: ops.linalg.inv(np.ones((2, 3))), np.linalg.LinAlgError, r"\[inv\]"),
        (lambda: ops.linalg.svd(np.ones((2, 3)), full_matrices=True), ValueError, r"\[svd\]"),
        (lambda: ops.norm(np.ones(3), "fro", 0), ValueError, r"\[norm\]"),
        (lambda: ops.meshgrid(np.ones(2), indexing="yx"), ValueError, r"yx"),
        (lambda: tg.tensor([1.0]).reshape(2), ValueError, r"\[reshape\]"),
        (lambda: tg.random.bernoulli(2.0), ValueError, r"\[bernoulli\]"),
    ],
)  # fmt: skip
def test_error_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- creation and random --------------------------------------------------------------------------


def test_creation():
    assert_close(ops.zeros((2, 3)), np.zeros((2, 3), np.float32))
    assert_close(ops.ones(2, dtype="float64"), np.ones(2))
    assert_close(ops.full((2,), 7), np.full(2, 7, np.float32))
    assert_close(ops.full((2,), np.float64(7)), np.full(2, 7.0))
    assert_close(ops.arange(2, 8, 3), np.array([2, 5]))
    assert_close(ops.arange(1.0, 2.0, 0.5), np.array([1, 1.5], np.float32))
    assert_close(ops.linspace(0, 1, 5), np.linspace(0, 1, 5, dtype=np.float32))
    assert_close(ops.eye(2, 3, 1), np.eye(2, 3, 1, np.float32))
    x = np.ones((2, 3), np.float64)
    for like in (ops.zeros_like, ops.ones_like, ops.empty_like):
        assert like(x).shape == (2, 3) and like(x).dtype == np.float64
    assert_close(ops.full_like(x, 2), x * 2)
    assert ops.empty((3,)).shape == (3,)
    assert_close(
        ops.one_hot(np.array([1, 3, -1]), 3), np.array([[0, 1, 0], [0] * 3, [0] * 3], np.float32)
    )
    assert_close(ops.one_hot([[1]], 2, axis=0).reshape(2), np.array([0, 1], np.float32))


def test_further_functions_without_gradient():
    x = tg.tensor([[1.0, np.nan, np.inf, -np.inf]])
    assert ops.shape(x) == (1, 4) and ops.ndim(x) == 2 and ops.size(x) == 4
    assert ops.convert_to_numpy(x) is x.data and not ops.stop_gradient(x).requires_grad
    assert ops.nan_to_num(x, posinf=9, neginf=-9).tolist() == [[1, 0, 9, -9]]
    assert ops.nan_to_num(x).data.max() == np.finfo(np.float32).max
    assert_close(ops.tri(2, 3, 1), np.tri(2, 3, 1, np.float32))
    assert_close(ops.identity(2), np.eye(2, dtype=np.float32))
    assert ops.allclose([1.0], [1.0 + 1e-7]) and not ops.allclose([1.0], [1.1])


def test_random_bernoulli():
    tg.random.seed(3)
    x = tg.random.bernoulli(0.25, (10000,))
    assert set(x.tolist()) == {0.0, 1.0} and abs(x.mean().item() - 0.25) < 0.02
    assert tg.random.bernoulli([0.0, 1.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_positions_are_those_of_numpy(dtype):
    x = np.array([[3, 1, np.nan, -0.0, 0, -np.nan, -np.inf], [1, 1, 2, np.inf, -5, 0, -0.0]], dtype)
    np.testing.assert_array_equal(ops.argsort(x).data, np.argsort(x, stable=True))
    np.testing.assert_array_equal(ops.argsort(x.T, axis=0).data, np.argsort(x.T, 0, stable=True))
    for at in (ops.argsort(x, descending=True), ops.topk(x, 7)[1], ops.topk(x.T, 7, 0)[1].T):
        assert at.tolist() == [[2, 5, 0, 1, 3, 4, 6], [3, 2, 0, 1, 5, 6, 4]]  # equal ones in order
    np.testing.assert_array_equal(ops.sort(x).data, np.sort(x))
    assert [i.tolist() for i in ops.nonzero(np.array([[0, 1], [2, 0]]))] == [[0, 1], [1, 0]]
    assert np.isnan(ops.median(x, axis=1).data).tolist() == [True, False]


@pytest.mark.parametrize(
    "name", ["gather", "concatenate", "ravel", "cast", "absolute", "mod", "swish"]
)
def test_aliases_are_the_same_function(name):
    other = {
        "gather": "take_along_axis", "concatenate": "concat", "ravel": "flatten", "cast": "astype",
        "absolute": "abs", "mod": "remainder", "swish": "silu",
    }  # fmt: skip
    assert getattr(ops, name) is getattr(ops, other[name])


def test_fused_bias_and_activation_is_their_composition():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 5)), rng.standard_normal(5)
    for name in ("relu", "tanh", "sigmoid"):
        f = getattr(ops, name)
        fused = Case(name, ops.linear, None, (), settings={"activation": name})
        plain = Case(name, lambda x, w, b, f=f: f(x @ w + b), None, ())
        assert_all_close(
            values_and_gradients(fused, [x, w, b]), values_and_gradients(plain, [x, w, b]), 1e-12
        )


def test_views_share_memory_and_copies_do_not():
    x = tg.tensor(np.arange(12.0).reshape(3, 4))
    views = [
        x[1:], x[:, 0], x[0, 0], x.T, x.reshape(4, 3), x.flatten(), x[None], ops.flip(x),
        x.diagonal(), ops.split(x, 3)[1], x.detach(), x.swapaxes(0, 1), ops.broadcast_to(x, (2, 3, 4)),
    ]  # fmt: skip
    copies = [x[[0, 1]], x[x > 0], x + 0, x.copy(), x.T.flatten(), ops.pad(x, 1), ops.roll(x, 1)]
    assert all(np.shares_memory(x.data, v.data) for v in views)
    assert not any(np.shares_memory(x.data, c.data) for c in copies)
