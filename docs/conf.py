"""Sphinx: the documents as a site, `make docs`. The course's pages become notebooks too."""

import runpy
from pathlib import Path

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = "tinygrad_cn"
author = copyright = "tinygrad_cn developers"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_extra_path = ["_build/extra"]
exclude_patterns = ["_build"]
# Links to folders of the source, which a site does not hold.
suppress_warnings = ["myst.xref_missing"]


def setup(app):
    """Before the pages are read, make what they show."""
    make = runpy.run_path(str(Path(__file__).parent / "make_pages.py"))["main"]
    make(Path(__file__).parent / "_build/extra")
    app.add_html_math_renderer("mathml", (write_math("inline"), None), (write_math("block"), None))
    app.connect("html-page-context", offer_notebook)


def offer_notebook(app, name, template, context, tree):
    """Below each chapter a link to the notebook made from it."""
    if name.startswith("course/"):
        words = "下载为 Jupyter 笔记本" if "zh-CN" in name else "Download as a Jupyter notebook"
        link = f'<p><a href="{Path(name).name}.ipynb" download>{words}</a></p>'
        context["body"] += link


def write_math(display):
    """Formulas as MathML, which browsers draw by themselves: no script from elsewhere."""

    def visit(writer, node):
        writer.body.append(convert(node.astext(), display=display))
        raise SkipNode

    return visit
