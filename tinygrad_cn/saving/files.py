"""Files of named arrays: the safetensors format, written whole or not at all, and read with
suspicion.

The format holds a JSON header and raw numbers, nothing that could be executed. A new file is
written under a temporary name, forced to disk and renamed: whatever happens, the old one or the new
one is there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

KIND = "tinygrad_cn"  # the key of the metadata that says what a file is
VERSION = "1"


def write(path: Any, kind: str, arrays: Mapping[str, np.ndarray], notes: Mapping[str, str]) -> None:
    """Write arrays and notes to a file.

    Args:
        path: the file; replaced if it is there.
        kind: "weights", "model" or "checkpoint".
        arrays: by name. They are copied to C order and native byte order first.
        notes: text by name.

    Raises:
        OSError: there is no such folder, or the file could not be written (a full disk, say).
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"[save] There is no folder {str(path.parent)!r} for {path.name!r}."
        )
    plain = {
        name: np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        for name, array in arrays.items()
    }
    metadata = {"format": "np", KIND: f"{kind}/{VERSION}", **notes}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        save_file(plain, temporary, metadata)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except SafetensorError as error:
        raise OSError(f"[save] {str(path)!r} could not be written ({error}).") from None
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Let the new name reach the disk, too (systems other than POSIX see to that themselves)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Any, *kinds: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and notes of a file.

    Args:
        path: the file.
        kinds: which are wanted; none: any safetensors file.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is damaged, or something else than was wanted.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"[load] There is no file {str(path)!r}.")
    try:
        with safe_open(path, framework="numpy") as file:
            notes = dict(file.metadata() or {})
            found = notes.get(KIND, "").split("/")
            if kinds and (found[0] not in kinds or found[1:] != [VERSION]):
                said = "/".join(found) if found[0] else "a file of something else"
                wanted = " or ".join(f"{kind}/{VERSION}" for kind in kinds)
                raise ValueError(f"[load] {str(path)!r}: expected {wanted}, received {said}.")
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"[load] {str(path)!r} is damaged or not a safetensors file ({error})."
        ) from None
    return arrays, notes


def check_overwrite(path: Any, overwrite: bool) -> Path:
    """The path, if it may be written to."""
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"[save] {str(path)!r} is there. Expected a new name, or overwrite=True."
        )
    if path.is_dir():
        raise IsADirectoryError(f"[save] {str(path)!r} is a folder. Expected the name of a file.")
    return path
