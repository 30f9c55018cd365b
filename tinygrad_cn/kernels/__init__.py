"""The kernels: functions on NumPy arrays that do all the computing of the package.

They exist twice, with the same names, arguments and results: compiled (`_core`, over the C code in
csrc/) and in plain NumPy (`reference`: the specification, and what to read). The compiled ones are
used; TINYGRAD_CN_KERNELS=reference in the environment chooses the others.
"""

import os
from typing import Any

from tinygrad_cn.kernels.reference import *  # noqa: F403 - the list of names is reference.__all__
from tinygrad_cn.kernels.reference import __all__ as _names

__all__ = list(_names)

CHOICE = os.environ.get("TINYGRAD_CN_KERNELS") or "compiled"
if CHOICE not in ("compiled", "reference"):
    raise ValueError(
        "[kernels] unknown choice of kernels. Expected 'compiled' or 'reference', "
        f"received TINYGRAD_CN_KERNELS={CHOICE!r}."
    )

# The compiled module, for what is not a kernel: threads, memory, replay. None with the reference.
core: Any = None

# Only the compiled kernels tell a recorder of their calls, and can be replayed.
can_capture = CHOICE == "compiled"

if can_capture:
    try:
        import tinygrad_cn.kernels._core as core  # noqa: F401 - read as kernels.core
    except ModuleNotFoundError as error:
        raise ImportError(
            "[kernels] the compiled kernels are missing: this copy of tinygrad_cn was not built, "
            "or was built for another Python. Expected the module tinygrad_cn.kernels._core (from "
            "a source tree: `pip install -e .`), or TINYGRAD_CN_KERNELS=reference in the "
            "environment to run on NumPy alone."
        ) from error
    from tinygrad_cn.kernels._core import *  # noqa: F403 - the same names, compiled
    from tinygrad_cn.kernels._core import (  # noqa: F401 - for tinygrad_cn.plan
        Plan,
        describe_call,
        driver_of,
        relocate_call,
        set_recorder,
    )
