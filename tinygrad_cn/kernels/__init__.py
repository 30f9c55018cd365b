"""The kernels: functions on NumPy arrays that do all the computing of the package.

They exist twice, with the same names, arguments and results: compiled (`_core`, over the C code in
csrc/) and in plain NumPy (`reference`: the specification, and what to read). The compiled ones are
used; TINYGRAD_CN_KERNELS=reference in the environment chooses the others.
"""

import os

from tinygrad_cn.kernels.reference import *  # noqa: F403 - the list of names is reference.__all__
from tinygrad_cn.kernels.reference import __all__ as _names

__all__ = list(_names)

CHOICE = os.environ.get("TINYGRAD_CN_KERNELS") or "compiled"

if CHOICE == "compiled":
    try:
        from tinygrad_cn.kernels._core import *  # noqa: F403 - the same names, compiled
    except ModuleNotFoundError as error:
        if error.name != "tinygrad_cn.kernels._core":
            raise
        raise ImportError(
            "[kernels] the compiled kernels are missing: this copy of tinygrad_cn was not built, or "
            "was built for another Python. Expected the module tinygrad_cn.kernels._core (from a "
            "source tree: `pip install -e .`), or TINYGRAD_CN_KERNELS=reference in the environment "
            "to run on NumPy alone."
        ) from error
elif CHOICE != "reference":
    raise ValueError(
        "[kernels] unknown choice of kernels. Expected 'compiled' or 'reference', "
        f"received TINYGRAD_CN_KERNELS={CHOICE!r}."
    )
