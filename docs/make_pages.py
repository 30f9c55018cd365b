"""Make what the site shows beside its text: live pages of examples, and notebooks of the course.

python docs/make_pages.py FOLDER
"""

from __future__ import annotations

import doctest
import json
import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(folder: Path) -> None:
    """Write live/NAME.html for each example to explain, course/NAME.ipynb for each chapter."""
    for kind in ("live", "course"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for example in sorted((ROOT / "examples/explain").glob("*.py")):
        runpy.run_path(str(example))["main"]().save(folder / "live" / f"{example.stem}.html")
    for chapter in sorted((ROOT / "docs/course").glob("*.md")):
        made = json.dumps(notebook(chapter.read_text("utf-8")), ensure_ascii=False, indent=1)
        (folder / "course" / f"{chapter.stem}.ipynb").write_text(made, "utf-8")


def notebook(text: str) -> dict:
    """The chapter as a Jupyter notebook: its programs are cells, without prompts and results."""
    cells = []
    for i, part in enumerate(re.split(r"^```python\n(.*?)^```\n", text, flags=re.M | re.S)):
        if i % 2:
            examples = doctest.DocTestParser().get_examples(part)
            source = "".join(example.source for example in examples) or part
            code = {"execution_count": None, "outputs": []}
            cells.append({"cell_type": "code", "metadata": {}, "source": source.rstrip(), **code})
        elif frameless := re.sub(r"^<iframe.*\n", "", part, flags=re.M).strip():
            cells.append({"cell_type": "markdown", "metadata": {}, "source": frameless})
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
