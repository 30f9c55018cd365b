"""docs/ops.md is what docs/generate_ops.py makes of the code, and the names in it exist."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cn import ops

PATH = Path(__file__).parents[1] / "docs" / "generate_ops.py"
spec = importlib.util.spec_from_file_location("generate_ops", PATH)
generate_ops = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate_ops)


def test_page_is_up_to_date():
    assert generate_ops.PAGE.read_text(encoding="utf-8") == generate_ops.page(), (
        "expected docs/ops.md as `python docs/generate_ops.py` writes it"
    )


def test_every_public_function_is_on_the_page():
    page = generate_ops.page()
    for name, value in vars(ops).items():
        if callable(value) and not name.startswith("_"):
            assert f"`{name}`" in page, name


def test_every_op_has_a_formula():
    for line in generate_ops.page().splitlines():
        if line.startswith("| `"):
            _, name, formula, gradient, *_ = line.replace("\\|", "").split("|")
            assert formula.strip() and gradient.strip(), name


def exists(root, names):
    for name in names.split(", "):
        found = root
        for part in name.split("."):
            found = getattr(found, part, None)
            assert found is not None, name


def test_names_in_pytorch_exist():
    torch = pytest.importorskip("torch", reason="PyTorch tells which names it has")
    for name in [*generate_ops.TORCH, *generate_ops.TORCH_AS.values()]:
        base, _, last = name.partition(", ")
        exists(torch, base)
        if last:
            exists(torch.nn.functional, last)


def test_names_in_keras_exist(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras tells which names it has")
    for name in [*generate_ops.KERAS, *generate_ops.KERAS_AS.values()]:
        exists(keras.ops, name)


def test_names_in_the_array_api_exist_in_numpy():
    for name in [*generate_ops.ARRAY_API, *generate_ops.ARRAY_API_AS.values()]:
        exists(np, name)
