"""The shape of the house: who may import whom, how long a file may be, what an import costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_cn import kernels
from tinygrad_cn.kernels import reference

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinygrad_cn"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Arrows run one way, layers -> tensor -> ops -> autograd -> kernels. For the modules at the bottom,
# all that they may import of the package; for the rest, what they may not.
ONLY: dict[str, set[str]] = {
    "kernels": set(),
    "mode": set(),
    "op": {"kernels", "mode"},
    "autograd": {"kernels", "mode", "op"},
    "ops": {"kernels", "mode", "op", "autograd"},
    "methods": {"kernels", "mode", "op", "autograd", "ops"},
    "tensor": {"kernels", "mode", "op", "autograd", "ops", "methods", "numpy_protocol"},
}
TOP = {"layers", "models", "optimizers", "losses", "metrics", "callbacks", "cli", "demo"}
NEVER = {"plan": TOP, "random": TOP, "config": TOP, "registry": TOP}
# These stand on the public face alone.
OUTSIDE = {"viewer", "serving", "distribute", "interop", "cli", "demo", "__main__"}
# A viewer of graphs also looks at what graphs are made of.
BESIDES = {"viewer": {"op", "mode", "autograd", "tensor"}}


def imports(name: str, inside_functions: bool) -> set[str]:
    """The package's modules that a module imports, when it is loaded or inside its functions."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    lazy = {
        node
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    typing_only = {
        node
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and "TYPE_CHECKING" in ast.unparse(guard.test)
        for node in ast.walk(guard)
    }
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree):
        if node in typing_only or (node in lazy) != inside_functions:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULES else base)
    return {name for name in found if name.split(".")[0] == "tinygrad_cn"}


def part(module: str) -> str:
    """The part of the house a module belongs to: tinygrad_cn.ops.shape -> ops."""
    return [*module.split("."), ""][1]


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_one_way(name):
    of = part(name)
    targets = {part(target) for target in imports(name, False) | imports(name, True)} - {of}
    if of in ONLY:
        assert targets <= ONLY[of]
    assert not targets & NEVER.get(of, set())
    if of in OUTSIDE - {"cli", "demo", "__main__"}:
        assert targets <= {""} | BESIDES.get(of, set()), "expected `import tinygrad_cn` only"
    if of not in OUTSIDE | {""}:
        assert not targets & OUTSIDE


@pytest.mark.parametrize("name", MODULES)
def test_no_import_inside_functions_of_the_engine(name):
    if part(name) in ONLY.keys() | {"plan", "layers", "losses", "optimizers"}:
        assert not imports(name, True)


def test_modules_do_not_import_each_other_in_a_circle():
    edges = {name: imports(name, False) & MODULES.keys() - {name} for name in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for target in edges[name]:
                # a package's __init__ gathers its parts; that a part names its package is no circle
                if not name.startswith(f"{target}."):
                    visit(target, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


def source_files() -> list[Path]:
    patterns = ("tinygrad_cn/**/*.py", "csrc/**/*.[ch]", "tinygrad_cn/**/*.p[xy][xdi]")
    patterns += ("tests/*.py", "benchmarks/*", "examples/**/*.py", "*.py")
    files = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(files)


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_enough_to_read(path):
    budget = {".py": 600, ".pyi": 600}.get(path.suffix, 800)
    if path == PACKAGE / "autograd.py":
        budget = 250
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= budget


@pytest.mark.parametrize("name", kernels.__all__)
def test_compiled_kernel_has_the_signature_of_its_twin(name):
    if kernels.CHOICE != "compiled":
        pytest.skip("the NumPy kernels are in use")
    compiled, twin = inspect.signature(getattr(kernels, name)), getattr(reference, name)
    expected = inspect.signature(twin)
    assert list(compiled.parameters) == list(expected.parameters)
    for ours, theirs in zip(
        compiled.parameters.values(), expected.parameters.values(), strict=True
    ):
        assert ours.default == theirs.default
        assert ours.kind == theirs.kind


def test_importing_the_package_loads_nothing_heavy():
    heavy = "sklearn matplotlib scipy pandas torch jax keras tensorflow argparse onnx".split()
    code = (
        "import sys, numpy; before = set(sys.modules); import tinygrad_cn; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & set(heavy)
