"""What the documents say is true: their programs run, and print what is written beside them."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cn

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/course/*.md")])
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
EXTRAS = {"sklearn", "matplotlib", "onnx", "onnxruntime", "starlette", "uvicorn", "mpi4py", "h5py"}
MODULES = [
    info.name
    for info in pkgutil.walk_packages(tinygrad_cn.__path__, "tinygrad_cn.")
    if not info.name.endswith("__main__")
]


class Checker(doctest.OutputChecker):
    """Numbers may differ in the last digit of a float32: instruction sets round differently."""

    NUMBER = re.compile(r"(?<![\w.])[-+]?\d*\.\d*(?:e[-+]?\d+)?(?!\w)")

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if super().check_output(want, got, optionflags):
            return True
        texts = ["".join(self.NUMBER.sub("#", text).split()) for text in (want, got)]
        expected, actual = (
            [float(number) for number in self.NUMBER.findall(text) if number.strip("+-") != "."]
            for text in (want, got)
        )
        if texts[0] != texts[1] or len(expected) != len(actual):
            return False
        return np.allclose(actual, expected, rtol=2e-6, atol=1e-7)


def programs(page: Path) -> list[tuple[int, str]]:
    """(line, text) of each block fenced as python."""
    text = page.read_text(encoding="utf-8")
    blocks = re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text[: block.start(1)].count("\n"), block[1]) for block in blocks]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_programs_of_a_page_run(page, tmp_path, monkeypatch):
    """A page's blocks run one after the other, as its reader would type them."""
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "__page__"}
    runner = doctest.DocTestRunner(Checker(), optionflags=FLAGS)
    for line, text in programs(page):
        if ">>>" in text:
            name = (
                f"{page.name}:{line}"  # of its own, so that doctest finds its lines and no others
            )
            test = doctest.DocTestParser().get_doctest(text, names, name, str(page), line)
            report: list[str] = []
            runner.run(test, out=report.append, clear_globs=False)
            assert runner.failures == 0, "".join(report)
            names.update(test.globs)
        else:
            exec(compile("\n" * line + text, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_chapters_become_notebooks_and_live_pages(tmp_path):
    runpy.run_path(str(ROOT / "docs/make_pages.py"))["main"](tmp_path)
    made = sorted(tmp_path.glob("course/*.ipynb"))
    assert len(made) == len(list(ROOT.glob("docs/course/*.md"))) > 0
    for path in made:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        programs = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        names: dict = {}
        for program in programs:
            exec(program, names)
        assert len(programs) > 3 and names["x"].grad is None and "```" not in str(cells)
    for chapter in ROOT.glob("docs/course/*.md"):
        for name in re.findall(r'src="\.\./(live/\w+\.html)', chapter.read_text(encoding="utf-8")):
            assert (tmp_path / name).read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if error.name and error.name.split(".")[0] in EXTRAS:
            pytest.skip(f"{error.name} is not installed")
        raise
    names = {"tg": tinygrad_cn, "np": np, "tmp_path": tmp_path}
    runner = doctest.DocTestRunner(Checker(), optionflags=FLAGS)
    report: list[str] = []
    for test in doctest.DocTestFinder().find(module, extraglobs=names):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
