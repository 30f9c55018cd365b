"""Write docs/ops.md: which ops exist, their formulas and gradients, and what they are called
elsewhere.

    python docs/generate_ops.py

Everything but the other libraries' names is read from the code: a formula is the first line of a
docstring, a gradient what stands there after the semicolon.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from tinygrad_cn import ops
from tinygrad_cn.op import Op

PAGE = Path(__file__).with_name("ops.md")

MODULES = (
    "elementwise trigonometry comparison reduction softmax sorting shape joining indexing matmul "
    "einsum linalg activation convolution pooling normalization attention recurrent loss creation "
    "extras"
).split()

ARRAY_API = set(
    "abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan "
    "atan2 atanh bitwise_and bitwise_invert bitwise_or bitwise_xor broadcast_to ceil clip "
    "concat cos cosh count_nonzero divide diff empty empty_like equal exp expand_dims expm1 eye "
    "flip floor floor_divide full full_like greater greater_equal hypot isfinite isinf isnan "
    "less less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or "
    "logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis "
    "multiply negative nonzero not_equal ones ones_like permute_dims positive pow prod "
    "reciprocal remainder repeat reshape roll round sign sin sinh sort sqrt square squeeze "
    "stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu trunc "
    "unstack var vecdot where zeros zeros_like".split()
)
ARRAY_API |= {
    f"linalg.{name}"
    for name in (
        "cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power outer "
        "pinv qr slogdet solve svd svdvals tensordot trace vector_norm vecdot"
    ).split()
}
ARRAY_API_AS = {"cumsum": "cumulative_sum", "cumprod": "cumulative_prod"}

TORCH = set(
    "abs acos acosh add all amax amin any arange argmax argmin argsort asarray asin asinh atan "
    "atan2 atanh bitwise_and bitwise_or bitwise_xor broadcast_to ceil clip concat cos cosh "
    "count_nonzero cross cumprod cumsum deg2rad diag diagonal diff divide dot einsum empty "
    "empty_like equal erf erfc exp exp2 expm1 eye flatten flip fliplr flipud floor floor_divide "
    "full full_like gather greater greater_equal hstack hypot inner isclose isfinite isinf "
    "isnan kron less less_equal linspace log log10 log1p log2 logaddexp logdet logical_and "
    "logical_not logical_or logical_xor logsumexp matmul maximum mean median meshgrid minimum "
    "moveaxis multiply nan_to_num negative nonzero outer positive pow prod rad2deg reciprocal "
    "remainder reshape roll rot90 round rsqrt sigmoid sign sin sinh sort split sqrt square "
    "squeeze stack std subtract sum swapaxes tan tanh tensordot tile topk trace tril triu trunc "
    "var vdot vstack where zeros zeros_like ones ones_like allclose".split()
)
TORCH |= {
    f"linalg.{name}"
    for name in (
        "inv solve det slogdet cholesky qr svd svdvals eigh eigvalsh pinv matrix_power "
        "vector_norm matrix_norm vecdot norm"
    ).split()
}
TORCH_AS = {
    "max": "amax", "min": "amin", "equal": "eq", "not_equal": "ne", "astype": "Tensor.to",
    "permute_dims": "permute", "transpose": "Tensor.T", "matrix_transpose": "Tensor.mT",
    "expand_dims": "unsqueeze", "repeat": "repeat_interleave", "unstack": "unbind",
    "take": "index_select", "take_along_axis": "gather", "scatter_add": "index_add",
    "copy": "clone", "bitwise_invert": "bitwise_not", "norm": "linalg.norm",
    "vecdot": "linalg.vecdot", "pad": "nn.functional.pad", "one_hot": "nn.functional.one_hot",
    "softmax": "softmax", "log_softmax": "log_softmax", "stop_gradient": "Tensor.detach",
    "conv": "nn.functional.conv1d, conv2d", "conv_transpose": "nn.functional.conv_transpose2d",
    "adaptive_average_pool": "nn.functional.adaptive_avg_pool1d, adaptive_avg_pool2d",
    "adaptive_max_pool": "nn.functional.adaptive_max_pool1d, adaptive_max_pool2d",
    "max_pool": "nn.functional.max_pool1d, max_pool2d",
    "average_pool": "nn.functional.avg_pool1d, avg_pool2d",
    "linear": "nn.functional.linear", "hard_silu": "nn.functional.hardswish",
    "hard_sigmoid": "nn.functional.hardsigmoid", "hard_tanh": "nn.functional.hardtanh",
    "hard_shrink": "nn.functional.hardshrink", "soft_shrink": "nn.functional.softshrink",
    "tanh_shrink": "nn.functional.tanhshrink", "log_sigmoid": "nn.functional.logsigmoid",
    "layer_normalization": "nn.functional.layer_norm",
    "rms_normalization": "nn.functional.rms_norm",
    "batch_normalization": "nn.functional.batch_norm", "normalize": "nn.functional.normalize",
    "attention": "nn.functional.scaled_dot_product_attention",
    "cross_entropy": "nn.functional.cross_entropy",
    "sparse_categorical_crossentropy": "nn.functional.cross_entropy",
    "categorical_crossentropy": "nn.functional.cross_entropy",
    "binary_crossentropy": "nn.functional.binary_cross_entropy",
    **{name: f"nn.functional.{name}" for name in
       "relu relu6 elu celu selu gelu silu leaky_relu softplus softsign mish glu".split()},
}  # fmt: skip

KERAS = set(
    "abs adaptive_average_pool adaptive_max_pool add all amax amin any arange argmax argmin "
    "argsort average average_pool "
    "batch_normalization binary_crossentropy bitwise_and bitwise_invert bitwise_or bitwise_xor "
    "broadcast_to categorical_crossentropy cbrt ceil celu clip conv conv_transpose "
    "convert_to_numpy copy cos cosh count_nonzero cross cumprod cumsum deg2rad depthwise_conv "
    "diag diagonal diff divide dot einsum elu empty empty_like equal erf erfc exp exp2 "
    "expand_dims expm1 eye flip fliplr flipud floor floor_divide full full_like gelu glu "
    "greater greater_equal hard_shrink hard_sigmoid hard_silu hard_tanh hstack hypot identity "
    "inner isclose isfinite isinf isnan kron layer_normalization leaky_relu less less_equal "
    "linspace log log10 log1p log2 log_sigmoid log_softmax logaddexp logdet logical_and "
    "logical_not logical_or logical_xor logsumexp matmul max max_pool maximum mean median "
    "meshgrid min minimum mod moments moveaxis multiply nan_to_num ndim negative nonzero norm "
    "normalize not_equal one_hot ones ones_like outer pad power prod ptp rad2deg reciprocal "
    "relu relu6 repeat reshape rms_normalization roll rot90 round rsqrt scatter selu "
    "separable_conv shape sigmoid sign silu sin sinh size soft_shrink softmax softplus softsign "
    "sort sparse_categorical_crossentropy split sqrt square squareplus squeeze stack std "
    "stop_gradient subtract sum swapaxes take take_along_axis tan tanh tanh_shrink tensordot "
    "tile trace transpose tri tril triu trunc unstack var vdot vstack where zeros zeros_like "
    "allclose".split()
)
KERAS |= {f"linalg.{name}" for name in ("inv solve det cholesky qr svd eigh norm pinv").split()}
KERAS_AS = {
    "asarray": "convert_to_tensor", "astype": "cast", "concat": "concatenate", "topk": "top_k",
    "pow": "power", "remainder": "mod", "flatten": "ravel", "permute_dims": "transpose",
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "attention": "dot_product_attention",
    "getitem": "get_item",
}  # fmt: skip


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    lines = [
        "# Which ops exist",
        "",
        "Written by `docs/generate_ops.py` from the code; do not edit. Each is a function of",
        "`tinygrad_cn.ops` (and many a method of `Tensor`); shapes broadcast as in NumPy. In a",
        "gradient, `g` is the gradient of the result `y`, `gx` that of `x`. *by its parts*: the",
        "function is made of others, whose gradients are followed. All can be differentiated to "
        "any",
        "order. A dash: the library has no such function.",
    ]
    seen: set[int] = set()
    for name in MODULES:
        module = sys.modules[f"tinygrad_cn.ops.{name}"]
        rows = [row(*entry) for entry in entries(module, seen)]
        if not rows:
            continue
        title = {"extras": "further functions", "einsum": "Einstein's summation"}.get(name, name)
        lines += ["", f"## {title[0].upper()}{title[1:]}", "", summary(module), ""]
        lines += ["| op | y | gradient | array API | PyTorch | Keras |", "|-" * 6 + "|", *rows]
    return "\n".join(lines) + "\n"


def entries(module: Any, seen: set[int]) -> list[tuple[str, Any, list[str]]]:
    """(name, function, aliases) of the public functions that a module defines."""
    found: dict[int, tuple[str, Any, list[str]]] = {}
    linear = module.__name__.endswith(".linalg")
    for space, prefix in ((ops, ""), (ops.linalg, "linalg.")) if linear else ((ops, ""),):
        for name, value in vars(space).items():
            of = (
                type(value).__module__
                if isinstance(value, Op)
                else getattr(value, "__module__", "")
            )
            if name.startswith("_") or of != module.__name__ or not callable(value):
                continue
            if inspect.isclass(value) or (prefix and hasattr(ops, name)):
                continue
            if id(value) in found:
                found[id(value)][2].append(name)
            elif id(value) not in seen:
                found[id(value)] = (prefix + name, value, [])
    seen |= found.keys()
    return sorted(found.values(), key=lambda entry: entry[0].removeprefix("linalg."))


def row(name: str, function: Any, aliases: list[str]) -> str:
    """A line of the table."""
    formula, gradient = explain(name, function)
    also = f" ({', '.join(f'`{alias}`' for alias in sorted(aliases))})" if aliases else ""
    names = [
        elsewhere(name, aliases, known, renamed)
        for known, renamed in ((ARRAY_API, ARRAY_API_AS), (TORCH, TORCH_AS), (KERAS, KERAS_AS))
    ]
    cells = [f"`{name}`{also}", formula, gradient, *names]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def elsewhere(name: str, aliases: list[str], known: set[str], renamed: dict[str, str]) -> str:
    if name in renamed:
        return f"`{renamed[name]}`"
    for candidate in (name, f"linalg.{name}", *aliases):
        if candidate in known:
            return f"`{candidate}`"
    return "–"


def explain(name: str, function: Any) -> tuple[str, str]:
    """The formula and the gradient, from docstrings: the function's own, or that of the op whose
    name it has (`softmax` calls an instance of `Softmax`)."""
    text = sentence(function)
    op = function if isinstance(function, Op) else namesake(name, function)
    if op is None:
        constant = function.__module__.endswith((".creation", ".comparison")) or name in NO_GRADIENT
        return text, "none" if constant else "by its parts"
    formula, _, gradient = sentence(op).partition(";  ")
    if not op.differentiable:
        return text.partition(";  ")[0], "none"
    return (formula if function is op else text).partition(";  ")[0], gradient or "by its reference"


NO_GRADIENT = {"argsort", "nonzero", "one_hot", "shape", "ndim", "size", "allclose", "setitem"}
NO_GRADIENT |= {"convert_to_numpy", "stop_gradient", "identity", "tri"}


def namesake(name: str, function: Any) -> Op | None:
    """The op instance of the function's module whose class has the function's name."""
    wanted = {name.removeprefix("linalg.").replace("_", "") + suffix for suffix in ("", "2d")}
    for value in vars(sys.modules[function.__module__]).values():
        if isinstance(value, Op) and value.name.lower() in wanted:
            return value
    return None


def sentence(thing: Any) -> str:
    """The first paragraph of a docstring, on one line, without its final stop."""
    doc = inspect.getdoc(thing) or ""
    paragraph = doc.split("\n\n")[0]
    # a semicolon and two spaces, or a new line, come before the gradient
    paragraph = re.sub(r";\s*\n\s*", ";  ", paragraph)
    return re.sub(r"\s*\n\s*", " ", paragraph).rstrip(".")


def summary(module: Any) -> str:
    """The first paragraph of a module's docstring."""
    return re.sub(r"\s*\n\s*", " ", (module.__doc__ or "").split("\n\n")[0])


if __name__ == "__main__":
    main()
