"""Pictures with matplotlib: curves of training, and labels that Chinese fonts can show.

matplotlib is asked for only when something is drawn (``pip install tinygrad_cn[demo]``).
"""

from __future__ import annotations

import os
from typing import Any

# Chinese fonts of Linux, Windows and macOS, the most even ones first.
CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "SimHei", "SimSun", "Noto Serif CJK SC", "Noto Sans CJK JP",
    "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip


def pyplot() -> Any:
    """matplotlib.pyplot, set up so that Chinese shows; without a display it draws to files."""
    try:
        import matplotlib
    except ImportError:
        raise ImportError(
            "[plots] Pictures need matplotlib. Expected: pip install tinygrad_cn[demo]"
        ) from None
    if not os.environ.get("DISPLAY") and not os.environ.get("MPLBACKEND") and os.name == "posix":
        matplotlib.use("agg", force=False)
    import matplotlib.pyplot as plt

    matplotlib.rcParams["font.family"] = ["sans-serif"]
    matplotlib.rcParams["font.sans-serif"] = [*_installed(), "DejaVu Sans"]
    matplotlib.rcParams["axes.unicode_minus"] = False  # many Chinese fonts lack that sign
    return plt


def _installed() -> list[str]:
    """The fonts of the list that this machine has."""
    from matplotlib import font_manager

    names = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in CJK_FONTS if name in names]


def label(chinese: str, english: str) -> str:
    """The Chinese words and the English ones, or these alone where no Chinese font is installed:
    a label never becomes a row of boxes."""
    pyplot()
    return f"{chinese} {english}" if _installed() else english


def draw_history(
    history: dict[str, list[float]],
    epochs: list[int],
    path: Any = None,
    title: str | None = None,
    show: bool = False,
) -> Any:
    """The curves of a training run: one panel per measure, training and validation together."""
    plt = pyplot()
    measures = [name for name in history if not name.startswith("val_")]
    if not measures:
        raise ValueError("[plot] There is nothing to draw. Expected at least one epoch.")
    figure, panels = plt.subplots(
        1, len(measures), figsize=(4.2 * len(measures), 3.4), squeeze=False, layout="constrained"
    )
    for panel, name in zip(panels[0], measures, strict=True):
        x = [epoch + 1 for epoch in epochs]
        panel.plot(x, history[name], label=label("训练", "training"), marker=_marker(x))
        if f"val_{name}" in history:
            told = label("验证", "validation")
            panel.plot(x, history[f"val_{name}"], label=told, marker=_marker(x))
            panel.legend()
        panel.set_title(name)
        panel.set_xlabel(label("轮次", "epoch"))
        panel.grid(alpha=0.3)
    if title:
        figure.suptitle(title)
    return finish(figure, path, show)


def _marker(x: list[int]) -> str | None:
    return "o" if len(x) < 3 else None


def finish(figure: Any, path: Any = None, show: bool = False) -> Any:
    """Write the figure to a file, show it, and give its memory back."""
    plt = pyplot()
    if path is not None:
        figure.savefig(path, dpi=120)
    if show:
        plt.show()
    plt.close(figure)
    return figure
