"""Whole models in one file: config, weights, optimizer, and what draws random numbers.

The config is JSON in the file's metadata. Layers are built again by their published or registered
names; nothing is unpickled, imported or evaluated.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cn import random, registry

from . import files, keras_files, weights
from .building import build
from .names import named_generators

SUFFIX = ".tgcn"


class Saveable:
    """The part of :class:`Model` that writes and reads files."""

    def save(self, filepath: Any, overwrite: bool = True, zipped: Any = None) -> None:
        """Write the model to one file (".tgcn"); see :func:`saving.save_model`."""
        save_model(self, filepath, overwrite, zipped)

    def save_weights(
        self, filepath: Any, overwrite: bool = True, max_shard_size: Any = None
    ) -> None:
        """Write the weights to a file (".safetensors"); see :func:`saving.save_weights`."""
        if max_shard_size is not None:
            raise ValueError("[save_weights] Weights are one file. Expected max_shard_size=None.")
        weights.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Read weights from a file; see :func:`saving.load_weights`."""
        weights.load_weights(self, filepath, skip_mismatch)


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: Any = None) -> None:
    """Write a model to one file: its layers, weights, ``compile`` arguments and optimizer state.

    Args:
        model: functional, Sequential, or of a class that
            ``@saving.register_keras_serializable()`` made known.
        filepath: ends in ".tgcn". (Keras's own ".keras" files can be read, not written.)
        overwrite: whether a file of this name may be replaced.
        zipped: not supported.

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/model.tgcn"
    >>> tg.Sequential([tg.Input((2,)), tg.layers.Dense(1)]).save(path)
    >>> tg.saving.load_model(path).count_params()
    3
    """
    path = files.check_overwrite(filepath, overwrite)
    if zipped is not None:
        raise ValueError(f"[save] Expected zipped=None, received zipped={zipped!r}.")
    if path.suffix != SUFFIX:
        raise ValueError(
            f"[save] Models are written in this package's own format. Expected a name that ends in "
            f"{SUFFIX!r}, received {path.name!r}; for weights alone use save_weights."
        )
    if not model.built:
        raise ValueError(f"[save] {model.name!r} has no weights yet. Expected a call or build().")
    config = registry.serialize_keras_object(model)
    config["build_config"] = model.get_build_config()
    notes = {"config": json.dumps(config)}
    try:
        notes["compile"] = json.dumps(model.get_compile_config())
    except ValueError as error:
        warnings.warn(f"[save] compile() is not saved: {error}", stacklevel=3)
    files.write(path, "model", _arrays(model, "compile" in notes), notes)


def _arrays(model: Any, with_optimizer: bool) -> dict[str, np.ndarray]:
    arrays = {f"model/{name}": a for name, a in weights.arrays_of(model).items()}
    generators = named_generators(model)
    arrays |= {f"generators/{name}": state for name, state in generators.items()}
    optimizer = model.optimizer if with_optimizer else None
    if optimizer is not None and optimizer.built:
        arrays |= {f"optimizer/{i}": v.data for i, v in enumerate(optimizer.variables)}
    return arrays


def load_model(
    filepath: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model that :func:`save_model` wrote (or a Keras ".keras" file of supported layers: extra
    ``keras``).

    The file is checked before anything is built from it: its kind, the config's form, that every
    name in it is known, and that the layers do not ask for more weights than the file holds.

    Args:
        filepath: the file.
        custom_objects: a dict of classes and functions to know beside the registered ones.
        compile: also do what ``compile`` did, and put the optimizer's state back.
        safe_mode: True; there is no unsafe mode.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, foreign, or names something unknown.
    """
    if not safe_mode:
        raise ValueError("[load_model] Code in files is never run. Expected safe_mode=True.")
    if str(filepath).endswith(".keras"):
        return keras_files.load_model(filepath, custom_objects, compile)
    arrays, notes = files.read(filepath, "model")
    config = _json(notes.get("config"), filepath)
    of_model = {n.removeprefix("model/"): a for n, a in arrays.items() if n.startswith("model/")}
    model = build(config, custom_objects, sum([a.size for a in of_model.values()]))
    weights.assign(weights.check(model, of_model, "load_model"), of_model)
    compiled = _json(notes.get("compile", "null"), filepath)
    if compile and compiled:
        with registry.custom_object_scope(custom_objects or {}):
            model.compile_from_config(compiled)
        _restore_optimizer(model, arrays)
    _restore_generators(model, arrays)
    return model


def _json(text: str | None, path: Any) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        raise ValueError(
            f"[load_model] {str(path)!r} holds no config that could be read."
        ) from None


def _restore_optimizer(model: Any, arrays: dict[str, np.ndarray]) -> None:
    state = {n: a for n, a in arrays.items() if n.startswith("optimizer/")}
    if state:
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        names = [f"optimizer/{i}" for i in range(len(state))]
        if set(names) != state.keys():
            raise ValueError("[load] The optimizer's state in the file is not whole.")
        model.optimizer.set_weights([state[name] for name in names])


def _restore_generators(model: Any, arrays: dict[str, np.ndarray]) -> None:
    for name, state in named_generators(model).items():
        saved = arrays.get(f"generators/{name}")
        if saved is not None and saved.shape == state.shape:
            state[...] = saved


# --- checkpoints ----------------------------------------------------------------------------------


def save_checkpoint(model: Any, filepath: Any, note: str = "") -> None:
    """Write all that training needs to go on, bit for bit: weights, optimizer state, the states of
    the default random generator and of those that layers own.

    Args:
        model: a compiled model, with weights made.
        filepath: the file.
        note: any text, given back by :func:`load_checkpoint`.
    """
    arrays = {**_arrays(model, True), "random": random.get_state()}
    files.write(Path(filepath), "checkpoint", arrays, {"note": note})


def load_checkpoint(model: Any, filepath: Any) -> str:
    """Go on from a checkpoint: put everything back where it was; returns the note.

    Args:
        model: the same model, compiled in the same way, with weights made.
        filepath: what :func:`save_checkpoint` wrote.
    """
    if not model.built:
        raise ValueError(
            f"[load_checkpoint] {model.name!r} has no weights yet. Expected Input() or build()."
        )
    arrays, notes = files.read(filepath, "checkpoint")
    of_model = {n.removeprefix("model/"): a for n, a in arrays.items() if n.startswith("model/")}
    variables = weights.check(model, of_model, "load_checkpoint")
    _restore_optimizer(model, arrays)
    weights.assign(variables, of_model)
    _restore_generators(model, arrays)
    random.set_state(arrays["random"])
    return notes.get("note", "")
