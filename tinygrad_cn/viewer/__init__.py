"""See a gradient: the graph of your own tensors, with every number, forward and backward.

>>> x = tg.tensor(3.0, requires_grad=True)
>>> y = x * x + 2 * x
>>> trace = tg.explain(y)
>>> print(trace.text("en").splitlines()[-1])
  dx = 3 + 3 + 2 = 8   (added up)
"""

from __future__ import annotations

import html
import os
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from tinygrad_cn.op import Value

from . import page, text
from .trace import Trace

__all__ = ["Explanation", "explain"]


class Explanation(Trace):
    """What :func:`explain` returns: a trace that can be shown, saved and read."""

    title = "tinygrad_cn"

    def html(self) -> str:
        """The page: one file, which asks nothing of the network."""
        return page.page(self, self.title)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the page to a file; returns its path."""
        target = Path(path)
        target.write_text(self.html(), encoding="utf-8")
        return target

    def show(self) -> Path:
        """Open the page in a browser; where there is none, say where the page is."""
        handle, name = tempfile.mkstemp(prefix="tinygrad_cn_", suffix=".html")
        os.close(handle)
        target = self.save(name)
        if not webbrowser.open(target.as_uri()):
            print(f"No browser could be opened. The page is {target}")
        return target

    def text(self, language: str = "zh") -> str:
        """The derivation line by line, in Chinese ("zh") or English ("en")."""
        return text.text(self, language)

    def _repr_html_(self) -> str:
        style = "width:100%;height:640px;border:1px solid #8888"
        return f'<iframe style="{style}" srcdoc="{html.escape(self.html())}"></iframe>'


def explain(tensor: Any, gradient: Any = None, title: str | None = None) -> Explanation:
    """The recorded graph of a tensor with all its numbers, and its backward pass in steps.

    The graph stays usable: nothing is freed, and no ``.grad`` changes. Tensors are called by the
    names of the variables that hold them where ``explain`` is called. Hooks of the user's run, as
    in any backward pass.

    Args:
        tensor: the result to explain, before ``backward``.
        gradient: the gradient to start from; 1 everywhere if None.
        title: of the page.

    Raises TypeError for what is no Tensor, ValueError for one without a graph, RuntimeError for a
    graph that an earlier backward has freed.
    """
    frame = sys._getframe(1)
    names = {
        name: value
        for scope in (frame.f_globals, frame.f_locals)
        for name, value in list(scope.items())
        if isinstance(value, Value) and value.node is not None and not name.startswith("_")
    }
    made = Explanation(tensor, gradient, names)
    if title is not None:
        made.title = title
    return made
