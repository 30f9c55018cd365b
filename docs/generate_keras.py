"""Writes docs/keras.md: which public names of Keras 3 there are here.

    python docs/generate_keras.py

It needs Keras (the `peers` extra) to ask which names there are.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

MODULES = (
    "activations callbacks constraints initializers layers losses metrics models ops "
    "ops.linalg optimizers optimizers.schedules random regularizers saving tree "
    "utils"
).split()

HEAD = """# Keras 3, name by name

`import tinygrad_cn as keras` runs a Keras program that keeps to the names under *works*: the same
arguments, defaults and formulas. The names under *not here* raise AttributeError; an argument that
is not supported raises ValueError or TypeError with the reason.

以 `import tinygrad_cn as keras` 可以运行只用到 *works* 一栏名字的 Keras 程序：
参数、默认值、公式都相同。
*not here* 一栏的名字会引发 AttributeError；不支持的参数会引发 ValueError 或 TypeError，并说明原因。

Made by `python docs/generate_keras.py` from Keras {version}.
"""


def names(module: object) -> list[str]:
    """The public names of a module that are no modules themselves."""
    return sorted(
        name
        for name in dir(module)
        if not name.startswith("_") and type(getattr(module, name)).__name__ != "module"
    )


def main() -> None:
    """Compare, and write the page."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    import tinygrad_cn

    parts = [HEAD.format(version=keras.__version__)]
    pairs = [("keras", keras, tinygrad_cn)]
    for name in MODULES:
        theirs = importlib.import_module(f"keras.{name}")
        mine: object | None = tinygrad_cn
        for step in name.split("."):
            mine = getattr(mine, step, None)
        pairs.append((f"keras.{name}", theirs, mine))
    for title, theirs, ours in pairs:
        here = [n for n in names(theirs) if ours is not None and hasattr(ours, n)]
        away = [n for n in names(theirs) if n not in here]
        parts.append(f"## {title}: {len(here)} of {len(here) + len(away)}\n")
        for label, found in (("works", here), ("not here", away)):
            if found:
                parts.append(f"*{label}*: " + ", ".join(f"`{n}`" for n in found) + "\n")
    path = Path(__file__).with_name("keras.md")
    path.write_text("\n".join(parts), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
