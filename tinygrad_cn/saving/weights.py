"""The weights of a model by name: where they stand in it, such as "layers.0.kernel".

The names do not depend on how often a program has made a Dense before, so weights fit every model
of the same architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_cn.tensor import Variable

from . import files, keras_files
from .names import named_variables

SUFFIX = ".safetensors"


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """The values of all variables by name."""
    return {name: v.data for name, v in named_variables(model).items()}


def check(model: Any, arrays: Mapping[str, np.ndarray], who: str) -> dict[str, Variable]:
    """The variables, if each has an array of its shape and no array is left."""
    variables = named_variables(model)
    missing = [name for name in variables if name not in arrays]
    unknown = [name for name in arrays if name not in variables]
    wrong = [
        f"{name}: expected {v.shape}, received {arrays[name].shape}"
        for name, v in variables.items()
        if name in arrays and arrays[name].shape != v.shape
    ]
    if missing or unknown or wrong:
        told = [f"wrong shapes: {wrong[:4]}"] if wrong else []
        told += [f"not in the file: {missing[:4]}"] if missing else []
        told += [f"not in the model: {unknown[:4]}"] if unknown else []
        raise ValueError(f"[{who}] The weights do not fit {model.name!r}; {'; '.join(told)}.")
    return variables


def assign(variables: Mapping[str, Variable], arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays into the variables of the same names."""
    for name, variable in variables.items():
        variable.assign(arrays[name])


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights to a safetensors file.

    Args:
        model: a model or layer.
        filepath: ends in ".safetensors".
        overwrite: whether a file of this name may be replaced.
    """
    path = files.check_overwrite(filepath, overwrite)
    if path.suffix != SUFFIX:
        raise ValueError(
            f"[save_weights] Weights are written as safetensors. Expected a name that ends in "
            f"{SUFFIX!r}, received {path.name!r}."
        )
    arrays = arrays_of(model)
    if not arrays and not model.built:
        raise ValueError(
            f"[save_weights] {model.name!r} has no weights yet. Expected a call or build()."
        )
    files.write(path, "weights", arrays, {})


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> None:
    """Read weights that :func:`save_weights` wrote, or a whole model's, or Keras's ".weights.h5".

    Nothing changes unless all fit.

    Args:
        model: a model of the same architecture, with weights made.
        filepath: the file.
        skip_mismatch: leave out what does not fit.
    """
    if not model.built:
        raise ValueError(
            f"[load_weights] {model.name!r} has no weights yet. Expected a call or build()."
        )
    if str(filepath).endswith((".h5", ".hdf5", ".keras")):
        keras_files.load_weights(model, filepath)
        return
    arrays, notes = files.read(filepath)
    if notes.get(files.KIND, "weights").split("/")[0] != "weights":
        arrays = {name[6:]: a for name, a in arrays.items() if name.startswith("model/")}
    if skip_mismatch:
        own = named_variables(model)
        fitting = {n: v for n, v in own.items() if n in arrays and arrays[n].shape == v.shape}
        assign(fitting, arrays)
    else:
        assign(check(model, arrays, "load_weights"), arrays)
