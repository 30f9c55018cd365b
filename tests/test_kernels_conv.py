"""Convolution and pooling: geometry of every kind against the reference, in both precisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import DTYPES, assert_same, each_isa, one_and_many_threads

from tinygrad_cn import config, kernels
from tinygrad_cn.kernels import reference
from tinygrad_cn.kernels.reference import convolution, pooling

pytestmark = pytest.mark.skipif(
    not kernels.can_capture, reason="compares the compiled kernels with the reference"
)

NO_PADDING = ((0, 0), (0, 0))

# (images, height, width, channels), (kernel), outputs, strides, padding, dilation, groups
CASES = [
    ((2, 9, 11, 3), (3, 3), 8, (1, 1), NO_PADDING, (1, 1), 1),
    ((2, 28, 28, 1), (3, 3), 32, (1, 1), NO_PADDING, (1, 1), 1),
    ((2, 28, 28, 1), (5, 5), 6, (1, 1), ((2, 2), (2, 2)), (1, 1), 1),
    ((3, 13, 13, 32), (3, 3), 64, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((1, 16, 15, 64), (3, 3), 40, (2, 2), ((0, 1), (1, 0)), (1, 1), 1),
    ((2, 8, 8, 130), (3, 3), 70, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 30, 31, 3), (7, 7), 20, (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
    ((5, 4, 4, 48), (1, 1), 33, (1, 1), NO_PADDING, (1, 1), 1),
    ((2, 9, 9, 5), (1, 1), 6, (2, 3), NO_PADDING, (1, 1), 1),
    ((2, 5, 7, 4), (2, 2), 3, (3, 4), ((0, 2), (3, 0)), (1, 1), 1),
    ((2, 12, 10, 6), (3, 2), 9, (1, 2), ((2, 2), (1, 1)), (2, 3), 1),
    ((2, 10, 10, 12), (3, 3), 8, (1, 1), ((1, 1), (1, 1)), (1, 1), 4),
    ((2, 10, 9, 40), (3, 3), 40, (1, 1), ((1, 1), (1, 1)), (1, 1), 40),
    ((1, 14, 14, 24), (5, 3), 24, (2, 1), ((2, 2), (1, 1)), (1, 2), 24),
    # depthwise: taps of a row that slide over 2, 3, 5 and 7 columns, strides, dilation, edges only
    ((2, 15, 15, 20), (3, 3), 20, (2, 2), ((1, 1), (1, 1)), (1, 1), 20),
    ((2, 11, 20, 17), (2, 2), 17, (1, 1), ((0, 1), (1, 0)), (1, 1), 17),
    ((1, 12, 19, 33), (5, 5), 33, (1, 1), ((2, 2), (2, 2)), (1, 1), 33),
    ((2, 9, 23, 16), (7, 7), 16, (1, 1), ((3, 3), (3, 3)), (1, 1), 16),
    ((1, 13, 17, 6), (3, 3), 6, (2, 3), ((4, 7), (5, 5)), (2, 1), 6),
    ((3, 2, 2, 40), (5, 5), 40, (1, 1), ((2, 2), (2, 2)), (1, 1), 40),
    ((2, 7, 8, 9), (2, 2), 9, (3, 3), NO_PADDING, (1, 1), 9),
    ((2, 14, 12, 1), (3, 3), 1, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    # few channels in a group: planes, phases of planes, several rows and images in a task
    ((2, 40, 37, 3), (3, 3), 3, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((3, 21, 18, 24), (3, 5), 12, (2, 3), ((5, 0), (4, 6)), (2, 1), 4),
    ((1, 70, 66, 32), (3, 3), 32, (1, 1), ((1, 1), (1, 1)), (1, 1), 8),
    ((9, 6, 5, 15), (3, 3), 10, (1, 1), ((1, 1), (0, 2)), (1, 1), 5),
    ((20, 12, 12, 6), (5, 5), 16, (1, 1), NO_PADDING, (1, 1), 1),
    ((4, 17, 19, 5), (3, 3), 48, (2, 1), ((1, 0), (1, 1)), (1, 2), 1),
    ((2, 6, 6, 8), (3, 3), 16, (1, 1), ((1, 1), (1, 1)), (1, 1), 8),
    ((2, 1, 300, 7), (1, 5), 18, (1, 2), ((0, 0), (2, 2)), (1, 1), 1),
    ((70, 2, 2, 20), (2, 2), 17, (1, 1), ((1, 0), (0, 1)), (1, 1), 1),
    # few outputs: the turned product of the weight gradient, rows of taps at once or tap by tap
    ((5, 12, 11, 24), (3, 3), 3, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 20, 22, 40), (3, 5), 1, (2, 1), ((1, 2), (2, 2)), (1, 2), 1),
    ((30, 5, 6, 35), (2, 2), 2, (1, 3), ((0, 1), (1, 0)), (2, 1), 1),
    ((2, 33, 9, 64), (1, 1), 3, (1, 1), NO_PADDING, (1, 1), 1),
    ((1, 1, 90, 33), (1, 7), 2, (1, 2), ((0, 0), (3, 6)), (1, 1), 1),
    ((3, 40, 37, 17), (5, 5), 5, (1, 1), ((2, 2), (2, 2)), (1, 1), 1),
    ((9, 14, 15, 50), (3, 3), 7, (1, 1), NO_PADDING, (1, 1), 1),
    ((0, 5, 5, 3), (3, 3), 4, (1, 1), NO_PADDING, (1, 1), 1),
    ((0, 5, 5, 30), (3, 3), 2, (1, 1), NO_PADDING, (1, 1), 1),
    ((2, 3, 3, 30), (3, 3), 2, (1, 1), ((2, 0), (1, 1)), (2, 2), 1),
    ((3, 1, 76, 66), (1, 2), 3, (1, 1), NO_PADDING, (1, 1), 1),
    ((2, 1, 600, 32), (1, 7), 1, (1, 1), ((0, 0), (3, 3)), (1, 1), 1),
    ((2, 1, 90, 40), (1, 4), 2, (1, 3), ((0, 0), (2, 5)), (1, 2), 1),
    ((5, 90, 1, 34), (3, 1), 4, (2, 1), ((1, 1), (0, 0)), (1, 1), 1),
    ((2, 5, 5, 0), (3, 3), 4, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 5, 5, 3), (3, 3), 0, (1, 1), NO_PADDING, (1, 1), 1),
]


def arguments(case, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x_shape, kernel, outputs, strides, padding, dilation, groups = case
    w_shape = (*kernel, x_shape[3] // groups, outputs)
    settings = (strides, padding, dilation, groups)
    y_shape = convolution.output_shape("conv2d", x_shape, w_shape, *settings)
    x, w, g = (rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape, y_shape))
    return x, w, g, settings


def three(module, x, w, g, settings, bias=None, activation=None):
    return (
        module.conv2d(x, w, *settings, bias, activation),
        module.conv2d_input_grad(g, w, x.shape, *settings),
        module.conv2d_weight_grad(x, g, w.shape, *settings),
    )


def assert_convolution(x, w, g, settings, bias=None, activation=None):
    found = three(kernels, x, w, g, settings, bias, activation)
    wide = [a.astype(np.float64) for a in (x, w, g)]
    bias = None if bias is None else bias.astype(np.float64)
    expected = three(reference, *wide, settings, bias, activation)
    taps, pixels = w.shape[0] * w.shape[1], int(np.prod(g.shape[:3]))
    terms = (taps * w.shape[2], taps * w.shape[3], pixels)
    for a, b, n in zip(found, expected, terms, strict=True):
        assert_same(a, b.astype(x.dtype), n, scale=4)


@each_isa
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(case, dtype, isa):
    x, w, g, settings = arguments(case, dtype)
    bias = np.linspace(-1, 1, w.shape[3]).astype(dtype)
    assert_convolution(x, w, g, settings, bias, "relu")


@pytest.mark.parametrize("activation", [None, "relu", "tanh", "sigmoid", "gelu_tanh"])
@pytest.mark.parametrize("case", [CASES[0], CASES[7], CASES[12], CASES[23]], ids=str)
def test_epilogue(case, activation):
    x, w, _, settings = arguments(case, np.float32)
    bias = np.linspace(-1, 1, w.shape[3]).astype(np.float32)
    for b in (None, bias):
        found = kernels.conv2d(x, w, *settings, b, activation)
        assert_same(found, reference.conv2d(x, w, *settings, b, activation), w[..., 0].size, 8)


@pytest.mark.parametrize("n", [1, 5, 46, 59])
def test_epilogue_of_a_last_task_with_fewer_images(n):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 3, 3, 16), dtype=np.float32)
    w = rng.standard_normal((3, 3, 16, 4), dtype=np.float32)
    settings = {"padding": ((1, 1), (1, 1)), "activation": "tanh"}
    found = kernels.conv2d(x, w, **settings)
    assert_same(found, reference.conv2d(x, w, **settings), 144, 8)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_threads_change_no_bit(case):
    x, w, g, settings = arguments(case, np.float32)
    one_and_many_threads(lambda: list(three(kernels, x, w, g, settings)))


WINOGRAD = [
    ((7, 20, 17, 33), (3, 3), 36, (1, 1), ((2, 2), (3, 1)), (2, 3), 1),
    ((6, 16, 16, 64), (3, 3), 64, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((11, 13, 13, 32), (3, 3), 50, (1, 1), NO_PADDING, (1, 1), 1),
    ((4, 19, 22, 40), (3, 3), 35, (1, 1), ((2, 1), (0, 2)), (1, 1), 1),
    ((12, 10, 11, 330), (3, 3), 34, (1, 1), ((3, 3), (4, 0)), (1, 1), 1),
    ((11, 9, 12, 100), (3, 3), 65, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((5, 14, 15, 150), (3, 3), 36, (1, 1), ((1, 1), (1, 1)), (1, 2), 2),
    ((6, 13, 16, 60), (3, 3), 85, (1, 1), ((1, 1), (1, 1)), (1, 1), 5),
    # larger kernels: blocks of 3 x 3 taps
    ((4, 16, 15, 33), (5, 5), 36, (1, 1), ((2, 2), (2, 2)), (1, 1), 1),
    ((3, 20, 31, 96), (3, 7), 90, (1, 1), ((1, 1), (3, 3)), (1, 2), 2),
    ((6, 12, 16, 64), (7, 7), 60, (1, 1), ((3, 3), (3, 3)), (1, 1), 1),
    # lines
    ((4, 17, 17, 120), (1, 7), 66, (1, 1), ((0, 0), (3, 3)), (1, 1), 1),
    ((4, 17, 17, 90), (7, 1), 64, (1, 1), ((3, 3), (0, 0)), (1, 1), 1),
    ((3, 38, 10, 180), (7, 1), 190, (1, 1), ((3, 1), (1, 2)), (2, 2), 2),
    ((6, 1, 95, 65), (1, 3), 70, (1, 1), ((0, 0), (1, 1)), (1, 1), 1),
    # a large kernel for few tiles: by columns
    ((4, 7, 8, 130), (3, 3), 200, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 13, 14, 140), (3, 3), 190, (1, 1), ((2, 2), (1, 3)), (2, 1), 2),
]


@each_isa
@pytest.mark.parametrize("case", WINOGRAD, ids=str)
def test_winograd(case, isa):
    x, w, g, settings = arguments(case, np.float32)
    bias = np.linspace(-1, 1, w.shape[3]).astype(np.float32)
    assert_convolution(x, w, g, settings, bias, "relu")
    one_and_many_threads(lambda: list(three(kernels, x, w, g, settings)))


@pytest.mark.parametrize("case", WINOGRAD, ids=str)
@pytest.mark.parametrize("positive", [False, True])
def test_winograd_error_bound_and_switch(case, positive):
    x, w, g, settings = arguments(case, np.float32)
    if positive:
        x, w, g = np.abs(x), np.abs(w), np.abs(g)
    wide = [a.astype(np.float64) for a in (x, w, g)]
    exact = three(reference, *wide, settings)
    sizes = three(reference, *[np.abs(a) for a in wide], settings)
    with config.using_winograd(True):
        fast = three(kernels, x, w, g, settings)
    with config.using_winograd(False):
        direct = three(kernels, x, w, g, settings)
    for a, b, y, size in zip(fast, direct, exact, sizes, strict=True):
        assert not np.array_equal(a, b)
        inside = size > 0  # far in the padding there is nothing to sum
        assert np.max(np.abs(a - y)[inside] / size[inside]) < 4e-6
        assert np.max(np.abs(b - y)[inside] / size[inside]) < 2e-6


def test_winograd_is_a_setting():
    before = config.get_winograd()
    with config.using_winograd(not before):
        assert config.get_winograd() is config.get_config()["winograd"] is not before
    assert config.get_winograd() is before
    with pytest.raises(TypeError, match=r"\[set_winograd\].*received on='off'"):
        config.set_winograd("off")


sizes = st.tuples(st.integers(1, 3), st.integers(1, 14), st.integers(1, 14))
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
small_pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.tuples(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), st.tuples(st.integers(0, 3), st.integers(0, 3))
)


@given(
    sizes, pairs, small_pairs, paddings, small_pairs, st.sampled_from([1, 1, 2, 3]),
    st.sampled_from([1, 2, 3, 5, 8, 17]), st.sampled_from([1, 2, 3, 10, 17, 33]),
    st.sampled_from(DTYPES),
)  # fmt: skip
def test_any_geometry(
    size, kernel, strides, padding, dilation, groups, per_group, out_per_group, dtype
):
    case = ((*size, per_group * groups), kernel, out_per_group * groups)
    try:
        x, w, g, settings = arguments((*case, strides, padding, dilation, groups), dtype)
    except ValueError:
        return
    assert_convolution(x, w, g, settings)


def test_operands_of_any_layout(rng):
    x = rng.standard_normal((3, 9, 4, 8)).astype(">f4").transpose(2, 1, 3, 0)
    w = rng.standard_normal((10, 3, 3, 3)).astype(np.float32).transpose(1, 2, 3, 0)[:, ::-1]
    x.setflags(write=False)
    native = np.ascontiguousarray(x, np.float32)
    assert_same(kernels.conv2d(x, w), reference.conv2d(native, w), 27, 4)


def test_nan_stays_with_its_pixels(rng):
    x, w = rng.standard_normal((1, 8, 8, 4)).astype("f4"), np.ones((3, 3, 4, 20), "f4")
    x[0, 0, 0, 0] = np.nan
    y = kernels.conv2d(x, w, padding=((1, 1), (1, 1)))
    assert np.isnan(y[0, :2, :2]).all()
    assert np.isfinite(y[0, 3:, 3:]).all()


@pytest.mark.parametrize("module", [kernels, reference])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"strides": (0, 1)}, r"bad strides.*received strides=\(0, 1\)"),
        ({"strides": (1,)}, "bad strides"),
        ({"dilation": (1, 0)}, "bad dilation"),
        ({"padding": ((0, 0), (-1, 0))}, "bad padding"),
        ({"groups": 4}, r"channels do not fit.*x.shape=\(2, 9, 9, 6\), w.shape=\(3, 3, 6, 4\)"),
        ({"dilation": (9, 9)}, "kernel is larger than the padded image"),
        ({"bias": np.ones(3, "f4")}, r"Expected shape \(4,\), received bias.shape=\(3,\)"),
        ({"activation": "swish"}, "unknown activation"),
    ],
)
def test_bad_convolutions(module, changed, message):
    with pytest.raises(ValueError, match=message):
        module.conv2d(np.ones((2, 9, 9, 6), "f4"), np.ones((3, 3, 6, 4), "f4"), **changed)


@pytest.mark.parametrize("module", [kernels, reference])
def test_bad_gradients(module):
    x, w, g, settings = arguments(CASES[0], np.float32)
    for call, message in [
        (lambda: module.conv2d_input_grad(g[:1], w, x.shape, *settings), "g does not fit"),
        (lambda: module.conv2d_input_grad(g, w, x.shape[:3], *settings), "wrong number of axes"),
        (lambda: module.conv2d_weight_grad(x, g[..., :3], w.shape, *settings), "g does not fit"),
        (lambda: module.conv2d_weight_grad(x, g, (3, 3, 9, 8), *settings), "channels do not fit"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


# --- pooling --------------------------------------------------------------------------------------

POOLS = [
    ((2, 8, 8, 16), (2, 2), (2, 2), NO_PADDING),
    ((2, 9, 7, 3), (2, 2), (2, 2), ((0, 1), (0, 1))),
    ((2, 9, 9, 130), (3, 3), (2, 2), ((1, 1), (1, 1))),
    ((1, 6, 10, 5), (3, 2), (1, 1), ((2, 0), (1, 1))),
    ((3, 5, 5, 8), (1, 2), (3, 4), NO_PADDING),
    ((1, 20, 18, 9), (17, 16), (1, 2), ((3, 0), (0, 0))),
    ((2, 7, 7, 33), (7, 7), (7, 7), NO_PADDING),
    ((2, 8, 11, 45), (2, 2), (2, 2), NO_PADDING),
    ((1, 10, 13, 9), (3, 3), (3, 6), ((1, 1), (0, 0))),
    ((2, 9, 14, 21), (2, 3), (2, 3), ((1, 0), (2, 1))),
    ((0, 4, 4, 2), (2, 2), (2, 2), NO_PADDING),
]


def assert_pooling(x, settings):
    y, index = kernels.max_pool2d(x, *settings)
    expected, places = reference.max_pool2d(x, *settings)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(index, places)
    assert y.dtype == x.dtype and index.dtype == places.dtype
    g = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    np.testing.assert_array_equal(
        kernels.max_pool2d_gather(x, index, *settings),
        reference.max_pool2d_gather(x, index, *settings),
    )
    for name, arguments in [
        ("max_pool2d_grad", (g, index, x.shape)),
        ("average_pool2d", (x,)),
        ("average_pool2d_grad", (g, x.shape)),
    ]:
        found = getattr(kernels, name)(*arguments, *settings)
        assert_same(found, getattr(reference, name)(*arguments, *settings), g.size)


@each_isa
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pooling(case, dtype, isa):
    shape, *settings = case
    rng = np.random.default_rng(0)
    assert_pooling(rng.standard_normal(shape).astype(dtype), settings)
    ties = rng.integers(-2, 3, shape).astype(dtype)
    assert_pooling(ties, settings)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", POOLS[:3], ids=str)
def test_the_first_nan_wins(case, dtype, rng):
    shape, *settings = case
    x = rng.standard_normal(shape).astype(dtype)
    x.reshape(-1)[rng.integers(0, x.size, x.size // 5)] = np.nan
    x.reshape(-1)[rng.integers(0, x.size, x.size // 5)] = -np.inf
    y, index = kernels.max_pool2d(x, *settings)
    expected, places = reference.max_pool2d(x, *settings)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(index, places)


@given(sizes, st.integers(1, 40), pairs, small_pairs, paddings, st.sampled_from(DTYPES))
def test_any_pooling(size, channels, pool_size, strides, padding, dtype):
    x = np.random.default_rng(0).standard_normal((*size, channels)).astype(dtype)
    settings = (pool_size, strides, padding)
    try:
        pooling.pool_shape("max_pool2d", x.shape, *settings)
    except ValueError as error:
        with pytest.raises(ValueError) as raised:
            kernels.max_pool2d(x, *settings)
        assert str(raised.value) == str(error)
        return
    assert_pooling(x, settings)


def test_pooling_threads_change_no_bit(rng):
    x = rng.standard_normal((4, 40, 40, 32)).astype(np.float32)
    y, index = kernels.max_pool2d(x, (3, 3), (2, 2))
    settings = ((3, 3), (2, 2), NO_PADDING)
    one_and_many_threads(
        lambda: [
            *kernels.max_pool2d(x, *settings),
            kernels.max_pool2d_grad(y, index, x.shape, *settings),
            kernels.average_pool2d_grad(y, x.shape, *settings),
        ]
    )


def test_pooling_of_integers():
    x = np.arange(32).reshape(1, 4, 4, 2)
    y, index = kernels.max_pool2d(x)
    assert y.dtype == x.dtype and (index == 3).all()
    assert kernels.average_pool2d(x).dtype == np.float64


def test_a_wrong_index_is_refused(rng):
    x = rng.standard_normal((1, 4, 4, 2)).astype(np.float32)
    y, index = kernels.max_pool2d(x)
    with pytest.raises(ValueError, match=r"index does not fit.*\(1, 2, 2, 2\)"):
        kernels.max_pool2d_grad(y, index[..., :1], x.shape)
    with pytest.raises(TypeError, match="index must hold integers"):
        kernels.max_pool2d_grad(y, index.astype(np.float32), x.shape)
