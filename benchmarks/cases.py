"""One table of cases: each kernel at the sizes that matter, with PyTorch's way to do the same.

Images are NHWC on both sides (PyTorch's channels_last, its faster layout). A peer is given the same
arrays as tensors that share their memory, and returns a call without arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, Peer, arrays, call, f32
from benchmarks.common import torch
from benchmarks.convolutions import IMAGES, Convolution, pair
from benchmarks.sequences import attention, recurrent
from tinygrad_cn.kernels import reference


def all_cases() -> list[Case]:
    """Every case, family by family."""
    families = (matmul, convolution, transcendental, memory, softmax, normalization, pooling)
    families += (indexing, optimizer, random, attention, recurrent)
    return [case for family in families for case in family()]


# --- matmul ---------------------------------------------------------------------------------------


def matmul() -> Iterator[Case]:
    peer = lambda a, b: call(torch.matmul, a, b)  # one line reads better in a table
    for n in (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
        yield Case(
            "matmul", "matmul", f"{n}", arrays(f32(n, n), f32(n, n)), peer=peer, size=n,
            flops=2 * n**3, bytes=12 * n**2, scale=math.sqrt(n), large=n > 1024,
        )  # fmt: skip
    skinny = [(32, 784, 128), (128, 784, 512), (32, 128, 10), (768, 128, 512), (768, 512, 128)]
    skinny += [(4096, 64, 64), (64, 4096, 64), (1, 512, 512), (1, 1000, 1000)]
    skinny += [(512, 512, 1), (5000, 20, 1)]
    for m, k, n in skinny:
        yield Case(
            "matmul", "matmul", f"{m}x{k}x{n}", arrays(f32(m, k), f32(k, n)), peer=peer,
            flops=2 * m * k * n, bytes=4 * (m * k + k * n + m * n), scale=math.sqrt(k),
        )  # fmt: skip
    transposed = lambda *s: lambda rng: f32(*s)(rng).T
    yield Case(
        "matmul", "matmul", "NT 1024x512x1024", arrays(f32(1024, 512), transposed(1024, 512)),
        peer=peer, flops=2 * 1024 * 512 * 1024, scale=math.sqrt(512),
    )  # fmt: skip
    for m, k, n in ((512, 1024, 512), (128, 20000, 128)):
        yield Case(
            "matmul", "matmul", f"TN {m}x{k}x{n}", arrays(transposed(k, m), f32(k, n)), peer=peer,
            flops=2 * m * k * n, scale=math.sqrt(k),
        )  # fmt: skip
    yield Case(
        "matmul", "matmul", "batch 48x64x32x64", arrays(f32(48, 64, 32), f32(48, 32, 64)),
        peer=peer, flops=2 * 48 * 64 * 32 * 64, scale=math.sqrt(32),
    )  # fmt: skip
    for n in (64, 512):
        f64 = lambda rng, n=n: rng.standard_normal((n, n))
        yield Case(
            "matmul", "matmul", f"{n} f64", arrays(f64, f64), peer=peer, flops=2 * n**3,
            scale=math.sqrt(n),
        )  # fmt: skip


# --- convolution ----------------------------------------------------------------------------------


def _nchw(x: Any) -> Any:
    return x.permute(0, 3, 1, 2)


def _oihw(w: Any) -> Any:
    return w.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)


def _conv_grad(s: Convolution, of_input: bool) -> Peer:
    backward = torch.ops.aten.convolution_backward if torch else None
    numbers = ([s.stride] * 2, list(pair(s.padding)), [s.dilation] * 2, False, [0, 0], s.groups)
    return lambda g, x, w: call(
        backward, _nchw(g), _nchw(x), _oihw(w), None, *numbers, [of_input, not of_input, False]
    )


def convolution() -> Iterator[Case]:
    for s in IMAGES:
        (kh, kw), (pv, ph) = pair(s.kernel), pair(s.padding)
        x_shape = (s.n, *pair(s.side), s.channels)
        w_shape = (kh, kw, s.channels // s.groups, s.outputs)
        g_shape = (s.n, *s.output_sides, s.outputs)
        x, w, g = f32(*x_shape), f32(*w_shape), f32(*g_shape)
        settings = {
            "strides": (s.stride, s.stride),
            "padding": ((pv, pv), (ph, ph)),
            "dilation": (s.dilation, s.dilation),
            "groups": s.groups,
        }
        flops = 2 * math.prod(g_shape) * math.prod(w_shape[:3])
        terms = kh * kw * max(s.channels, s.outputs) / s.groups
        common = {"settings": settings, "flops": flops, "scale": 4 * math.sqrt(terms)}
        moved = 4 * (math.prod(x_shape) + math.prod(w_shape) + math.prod(g_shape))
        yield Case(
            "convolution", "conv2d", s.label, arrays(x, w), **common, bytes=moved,
            peer=lambda x, w, s=s: call(
                torch.conv2d, _nchw(x), _oihw(w), None, s.stride, pair(s.padding), s.dilation,
                s.groups,
            ),
        )  # fmt: skip
        yield Case(
            "convolution", "conv2d_input_grad", s.label, arrays(g, w, x_shape), **common,
            bytes=moved,
            peer=lambda g, w, shape, s=s: _conv_grad(s, True)(g, torch.empty(shape), w),
        )  # fmt: skip
        common["scale"] *= math.sqrt(s.n * g_shape[1])
        yield Case(
            "convolution", "conv2d_weight_grad", s.label, arrays(x, g, w_shape), **common,
            bytes=moved,
            peer=lambda x, g, shape, s=s: _conv_grad(s, False)(g, x, torch.empty(shape)),
        )  # fmt: skip


# --- elementwise ----------------------------------------------------------------------------------

SIZES = (1_000, 100_000, 10_000_000)
MAIN = ("exp", "log", "tanh", "sigmoid", "gelu", "gelu_tanh", "silu")
OTHERS = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh erf expm1 floor log10 log1p log2 negative "
    "reciprocal round rsqrt sign sin sinh softplus sqrt square tan trunc"
).split()
POSITIVE = {"log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"}
PEERS = {"gelu_tanh": "gelu", "pow": "pow", "acos": "arccos"}
GRADS = {
    "tanh_grad": "tanh_backward",
    "sigmoid_grad": "sigmoid_backward",
    "silu_grad": "silu_backward",
    "gelu_grad": "gelu_backward",
    "gelu_tanh_grad": "gelu_backward",
}


def _domain(name: str, n: int) -> Callable[[np.random.Generator], np.ndarray]:
    def make(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(n, dtype=np.float32)
        if name in POSITIVE:
            return np.abs(x) + np.float32(0.01)
        if name == "acosh":
            return np.abs(x) + np.float32(1.01)
        if name in ("acos", "asin", "atanh"):
            return np.tanh(x) * np.float32(0.99)
        return x

    return make


def _torch_unary(name: str) -> Peer:
    settings = {"approximate": "tanh"} if name == "gelu_tanh" else {}
    place = torch.nn.functional if name in ("gelu", "gelu_tanh", "silu", "softplus") else torch
    return lambda x: call(getattr(place, PEERS.get(name, name)), x, **settings)


def transcendental() -> Iterator[Case]:
    for name in MAIN:
        for n in SIZES:
            yield Case(
                "transcendental", name, f"{n:.0e}", arrays(_domain(name, n)), bytes=8 * n, size=n,
                peer=lambda x, name=name: _torch_unary(name)(x), large=n > 1e6,
            )  # fmt: skip
    exact = "abs ceil floor negative reciprocal round rsqrt sign sqrt square trunc".split()
    n = 100_000
    for name in OTHERS:
        yield Case(
            "memory" if name in exact else "transcendental", name, f"{n:.0e}",
            arrays(_domain(name, n)), bytes=8 * n,
            peer=lambda x, name=name: _torch_unary(name)(x),
        )  # fmt: skip
    for name, backward in GRADS.items():
        settings = {"approximate": "tanh"} if name == "gelu_tanh_grad" else {}
        yield Case(
            "transcendental", name, f"{n:.0e}", arrays(f32(n), f32(n)), bytes=12 * n,
            peer=lambda g, x, f=backward, s=settings: call(getattr(torch.ops.aten, f), g, x, **s),
        )  # fmt: skip
    for name in ("pow", "atan2", "logaddexp"):
        make = arrays(_domain("log", n), f32(n))
        yield Case(
            "transcendental", name, f"{n:.0e}", make, bytes=12 * n, scale=16,
            peer=lambda a, b, name=name: call(getattr(torch, name), a, b),
        )  # fmt: skip


# --- what memory bounds ---------------------------------------------------------------------------


def memory() -> Iterator[Case]:
    for n in SIZES:
        common: dict[str, Any] = {"size": n, "large": n > 1e6}
        label = f"{n:.0e}"
        yield Case(
            "memory", "add", label, arrays(f32(n), f32(n)), bytes=12 * n, **common,
            peer=lambda a, b: call(torch.add, a, b),
        )  # fmt: skip
        yield Case(
            "memory", "relu", label, arrays(f32(n)), bytes=8 * n, **common,
            peer=lambda x: call(torch.relu, x),
        )  # fmt: skip
        yield Case(
            "memory", "sum", label, arrays(f32(n)), bytes=4 * n, scale=64, **common,
            peer=lambda x: call(torch.sum, x),
        )  # fmt: skip
    n = 100_000
    for name in "subtract multiply divide maximum minimum equal not_equal less less_equal".split():
        peer = {"not_equal": "ne", "less": "lt", "less_equal": "le", "equal": "eq"}.get(name, name)
        yield Case(
            "memory", name, f"{n:.0e}", arrays(f32(n), f32(n)), bytes=12 * n,
            peer=lambda a, b, f=peer: call(getattr(torch, f), a, b),
        )  # fmt: skip
    for name, peer in (("greater", "gt"), ("greater_equal", "ge")):
        yield Case(
            "memory", name, f"{n:.0e} with a number", arrays(f32(n), 0.5), bytes=5 * n,
            peer=lambda a, b, f=peer: call(getattr(torch, f), a, b),
        )  # fmt: skip
    yield Case(
        "memory", "relu_grad", f"{n:.0e}", arrays(f32(n), f32(n)), bytes=12 * n,
        peer=lambda g, y: call(torch.ops.aten.threshold_backward, g, y, 0),
    )  # fmt: skip
    mask = lambda rng: rng.random(n) < 0.5
    yield Case(
        "memory", "where", f"{n:.0e}", arrays(mask, f32(n), f32(n)), bytes=13 * n,
        peer=lambda c, a, b: call(torch.where, c, a, b),
    )  # fmt: skip
    rows, columns = 4096, 512
    table, half = f32(rows, columns), 4 * rows * columns
    yield Case(
        "memory", "add", "bias (4096, 512)", arrays(table, f32(columns)), bytes=2 * half,
        peer=lambda a, b: call(torch.add, a, b),
    )  # fmt: skip
    yield Case(
        "memory", "copy", "transpose (4096, 512)", arrays(lambda rng: table(rng).T), bytes=2 * half,
        peer=lambda x: call(x.clone, memory_format=torch.contiguous_format),
    )  # fmt: skip
    heads, pixels = f32(32, 64, 8, 32), f32(64, 8, 8, 64)
    views = {
        "heads (32, 64, 8, 32)": (lambda rng: heads(rng).transpose(0, 2, 1, 3), 4 * 2**20),
        "every third of 3e+05": (lambda rng: f32(300_000)(rng)[::3], 8e5),
        "repeated (65536, 3)": (  # writeable, as PyTorch wants it
            lambda rng: np.lib.stride_tricks.as_strided(f32(2**16)(rng), (2**16, 3), (4, 0)),
            2**20,
        ),
    }
    for label, (make, moved) in views.items():
        yield Case(
            "memory", "copy", label, arrays(make), bytes=moved,
            peer=lambda x: call(x.clone, memory_format=torch.contiguous_format),
        )  # fmt: skip
    yield Case(
        "memory", "add", "(64, 8, 8, 64) + (64, 8, 8, 1)", arrays(pixels, f32(64, 8, 8, 1)),
        bytes=2 * 2**20, peer=lambda a, b: call(torch.add, a, b),
    )  # fmt: skip
    whole = lambda rng: rng.integers(0, 100, n)
    conversions = [("float64 to float32", lambda rng: rng.standard_normal(n), "float32", 12)]
    conversions += [("int64 to float32", whole, "float32", 12)]
    conversions += [("float32 to int64", f32(n), "int64", 12)]
    for label, make, dtype, size in conversions:
        yield Case(
            "memory", "copy", f"{n:.0e} {label}",
            arrays(make, lambda rng, dtype=dtype: np.empty(n, dtype)), bytes=size * n,
            peer=lambda x, y: call(y.copy_, x),
        )  # fmt: skip
    yield Case(
        "memory", "equal", f"{n:.0e} int64", arrays(whole, whole), bytes=17 * n,
        peer=lambda a, b: call(torch.eq, a, b),
    )  # fmt: skip
    reductions = {"sum": "sum", "mean": "mean", "max": "amax", "min": "amin", "prod": "prod"}
    reductions |= {"argmax": "argmax", "argmin": "argmin", "cumsum": "cumsum", "cumprod": "cumprod"}
    for name in ("sum", "max", "argmax"):
        yield Case(
            "memory", name, "axis 1 (10000, 3)", arrays(f32(10_000, 3)), {"axis": 1},
            bytes=120_000, scale=64,
            peer=lambda x, f=reductions[name]: call(getattr(torch, f), x, 1),
        )  # fmt: skip
    image = (16, 64, 64, 32)
    yield Case(
        "memory", "max", f"axes 1, 2 {image}", arrays(f32(*image)), {"axis": (1, 2)},
        bytes=4 * math.prod(image), peer=lambda x: call(torch.amax, x, (1, 2)),
    )  # fmt: skip
    yield Case(
        "memory", "top_k", "k 5 (256, 10000)", arrays(f32(256, 10_000)), {"k": 5}, bytes=10_240_000,
        peer=lambda x: call(torch.topk, x, 5),
    )  # fmt: skip
    for name, peer in reductions.items():
        for axis in (0, 1):
            yield Case(
                "memory", name, f"axis {axis} (4096, 512)", arrays(table), {"axis": axis},
                bytes=half * (2 if name.startswith("cum") else 1), scale=64,
                peer=lambda x, f=peer, axis=axis: call(getattr(torch, f), x, axis),
            )  # fmt: skip


def softmax() -> Iterator[Case]:
    for shape in ((64, 10), (1024, 1024), (8192, 128), (256, 32000)):
        count = math.prod(shape)
        common: dict[str, Any] = {"bytes": 8 * count, "large": count > 4e6}
        yield Case(
            "softmax", "softmax", f"{shape}", arrays(f32(*shape)), **common,
            peer=lambda x: call(torch.softmax, x, -1),
        )  # fmt: skip
        yield Case(
            "softmax", "log_softmax", f"{shape}", arrays(f32(*shape)), **common,
            peer=lambda x: call(torch.log_softmax, x, -1),
        )  # fmt: skip
    for axis in (0, 1):  # of images, and of few columns
        settings = {"axis": axis}
        for shape in ((8, 21, 64, 64), (11, 193, 13)):
            yield Case(
                "softmax", "softmax", f"{shape} axis {axis}", arrays(f32(*shape)), settings,
                bytes=8 * math.prod(shape),
                peer=lambda x, axis=axis: call(torch.softmax, x, axis),
            )  # fmt: skip
    for n, c in ((128, 10), (768, 65), (1024, 1000)):
        labels = lambda rng, n=n, c=c: rng.integers(0, c, n)
        yield Case(
            "softmax", "cross_entropy", f"({n}, {c})", arrays(f32(n, c), labels), bytes=4 * n * c,
            peer=lambda z, t: call(torch.nn.functional.cross_entropy, z, t, reduction="none"),
        )  # fmt: skip
        yield Case(
            "softmax", "cross_entropy_grad", f"({n}, {c})",
            lambda rng, n=n, c=c, labels=labels: _cross_entropy_grad_args(rng, n, c, labels),
            bytes=8 * n * c, peer=_cross_entropy_grad,
        )  # fmt: skip
    shape = (1024, 1024)
    for name, peer in (
        ("softmax_grad", "_softmax_backward_data"),
        ("log_softmax_grad", "_log_softmax_backward_data"),
    ):
        yield Case(
            "softmax", name, f"{shape}", arrays(f32(*shape), f32(*shape)), bytes=12 * 1024**2,
            scale=64,
            peer=lambda g, y, f=peer: call(getattr(torch.ops.aten, f), g, y, -1, torch.float32),
        )  # fmt: skip


def _cross_entropy_grad_args(rng: np.random.Generator, n: int, c: int, labels: Any) -> tuple:
    g, logits, classes = f32(n)(rng), f32(n, c)(rng), labels(rng)
    return g, logits, classes, reference.cross_entropy(logits, classes)[1]


def _cross_entropy_grad(g: Any, logits: Any, labels: Any, lse: Any) -> Callable[[], Any]:
    """The two kernels that PyTorch's backward runs, on what its forward has kept."""
    aten, log_p = torch.ops.aten, torch.log_softmax(logits, -1)
    weight = torch.tensor(0.0)

    def run() -> Any:
        picked = aten.nll_loss_backward(g, log_p, labels, None, 0, -100, weight)
        return aten._log_softmax_backward_data(picked, log_p, -1, torch.float32)

    return run


def normalization() -> Iterator[Case]:
    rows, width = 4096, 512
    x, v, count = f32(rows, width), f32(width), rows * width
    aten = torch.ops.aten if torch else None
    positive = lambda n: lambda rng: rng.random(n, dtype=np.float32) + np.float32(0.5)
    yield Case(
        "normalization", "layer_norm", "(4096, 512)", arrays(x, v, v), bytes=8 * count, scale=16,
        peer=lambda x, w, b: call(torch.layer_norm, x, (width,), w, b, 1e-3),
    )  # fmt: skip
    yield Case(
        "normalization", "layer_norm_grad", "(4096, 512)",
        arrays(x, x, v, f32(rows), positive(rows)), bytes=12 * count, scale=256,
        peer=lambda g, x, w, m, r: call(
            aten.native_layer_norm_backward, g, x, (width,), m[:, None], r[:, None], w, w,
            [True] * 3,
        ),
    )  # fmt: skip
    yield Case(
        "normalization", "rms_norm", "(4096, 512)", arrays(x, v), bytes=8 * count, scale=16,
        peer=lambda x, w: call(torch.nn.functional.rms_norm, x, (width,), w, 1e-6),
    )  # fmt: skip
    yield Case(
        "normalization", "rms_norm_grad", "(4096, 512)", arrays(x, x, v, positive(rows)),
        bytes=12 * count, scale=256,
    )  # fmt: skip
    image = f32(32, 32, 32, 64)
    count = 32 * 32 * 32 * 64
    yield Case(
        "normalization", "batch_norm", "(32, 32, 32, 64)", arrays(image, f32(64), f32(64)),
        bytes=12 * count, scale=64,
        peer=lambda x, w, b: call(
            torch.batch_norm, _nchw(x), w, b, None, None, True, 0.1, 1e-3, False
        ),
    )  # fmt: skip
    yield Case(
        "normalization", "batch_norm_grad", "(32, 32, 32, 64)",
        arrays(image, image, f32(64), f32(64), positive(64)), bytes=20 * count, scale=1024,
        peer=lambda g, x, w, m, v: call(
            aten.native_batch_norm_backward, _nchw(g), _nchw(x), w, None, None, m, v.rsqrt(), True,
            1e-3, [True] * 3,
        ),
    )  # fmt: skip


def pooling() -> Iterator[Case]:
    shape, small = (32, 32, 32, 64), (32, 16, 16, 64)
    count = math.prod(shape)
    window = lambda rng: rng.integers(0, 4, small, dtype=np.uint8)
    functional = torch.nn.functional if torch else None
    label = f"2x2 {shape}"
    yield Case(
        "pooling", "max_pool2d", label, arrays(f32(*shape)), bytes=5.25 * count,
        peer=lambda x: call(functional.max_pool2d, _nchw(x), 2, return_indices=True),
    )  # fmt: skip
    yield Case(
        "pooling", "max_pool2d_grad", label, arrays(f32(*small), window, shape), bytes=5.25 * count,
        peer=_max_pool_grad,
    )  # fmt: skip
    yield Case(
        "pooling", "max_pool2d_gather", label, arrays(f32(*shape), window), bytes=2.25 * count,
    )  # fmt: skip
    yield Case(
        "pooling", "average_pool2d", label, arrays(f32(*shape)), bytes=5 * count,
        peer=lambda x: call(functional.avg_pool2d, _nchw(x), 2),
    )  # fmt: skip
    yield Case(
        "pooling", "average_pool2d_grad", label, arrays(f32(*small), shape), bytes=5 * count,
        peer=lambda g, shape: call(
            torch.ops.aten.avg_pool2d_backward, _nchw(g), _nchw(torch.empty(shape)),
            [2, 2], [2, 2], [0, 0], False, True, None,
        ),
    )  # fmt: skip


def _max_pool_grad(g: Any, index: Any, shape: Any) -> Callable[[], Any]:
    x = _nchw(torch.randn(shape))
    places = torch.nn.functional.max_pool2d(x, 2, return_indices=True)[1]
    numbers = ([2, 2], [2, 2], [0, 0], [1, 1], False)
    return call(torch.ops.aten.max_pool2d_with_indices_backward, _nchw(g), x, *numbers, places)


def indexing() -> Iterator[Case]:
    rows = lambda rng: rng.integers(0, 10_000, (32, 128))
    moved = 8 * 32 * 128 * 128
    yield Case(
        "indexing", "take", "4096 of (10000, 128)", arrays(f32(10_000, 128), rows), bytes=moved,
        peer=lambda x, i: call(torch.nn.functional.embedding, i, x),
    )  # fmt: skip
    yield Case(
        "indexing", "scatter_add", "4096 into (10000, 128)",
        arrays(f32(32, 128, 128), rows, (10_000, 128)), bytes=moved + 4 * 10_000 * 128, scale=8,
        peer=lambda g, i, s: call(
            torch.ops.aten.embedding_dense_backward, g, i, s[0], -1, False
        ),
    )  # fmt: skip
    column = lambda rng: rng.integers(0, 1000, (4096, 1))
    yield Case(
        "indexing", "take_along_axis", "1 of each row of (4096, 1000)",
        arrays(f32(4096, 1000), column, 1), bytes=4096 * 16,
        peer=lambda x, i, axis: call(torch.gather, x, axis, i),
    )  # fmt: skip
    yield Case(
        "indexing", "add_along_axis", "1 to each row of (4096, 1000)",
        arrays(f32(4096, 1), column, 1, 1000), bytes=4 * 4096 * 1000,
        peer=lambda g, i, axis, n: lambda: torch.zeros(4096, n).scatter_add_(axis, i, g),
    )  # fmt: skip


def optimizer() -> Iterator[Case]:
    def fused(name: str, p: Any, g: Any) -> Callable[[], Any]:
        p = p.clone().requires_grad_()
        p.grad = g
        return getattr(torch.optim, name)([p], lr=1e-3, fused=True).step

    zeros = lambda n: lambda rng: np.zeros(n, dtype=np.float32)
    for n in (10_000, 1_000_000):
        rate, step = (lambda rng: np.array(1e-3)), (lambda rng: np.array(1))
        hyper = lambda rng: np.array([0.9, 0.999, 1e-7, 0.0])
        make = arrays(f32(n), f32(n), zeros(n), zeros(n), rate, step, hyper)
        yield Case(
            "optimizer", "adam", f"{n:.0e}", make, bytes=28 * n, size=n, scale=64,
            peer=lambda p, g, *state: fused("Adam", p, g),
        )  # fmt: skip
        hyper = lambda rng: np.array([0.0, 0.0])
        yield Case(
            "optimizer", "sgd", f"{n:.0e}", arrays(f32(n), f32(n), None, rate, hyper), bytes=12 * n,
            size=n, peer=lambda p, g, *state: fused("SGD", p, g),
        )  # fmt: skip


def random() -> Iterator[Case]:
    n = 1_000_000
    state = lambda rng: np.array([7, 0])
    yield Case(
        "random", "uniform", "1e+06", arrays(state, (n,), np.float32), bytes=4 * n,
        peer=lambda s, shape, d: call(torch.rand, shape),
    )  # fmt: skip
    yield Case(
        "random", "normal", "1e+06", arrays(state, (n,), np.float32), bytes=4 * n, scale=64,
        peer=lambda s, shape, d: call(torch.randn, shape),
    )  # fmt: skip
    yield Case(
        "random", "dropout", "1e+06", arrays(f32(n), 0.5, state), bytes=9 * n,
        peer=lambda x, rate, s: call(torch.native_dropout, x, rate, True),
    )  # fmt: skip
