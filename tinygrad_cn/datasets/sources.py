"""Where data come from: scikit-learn's own, files on disk, or a download that is checked and
kept."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import struct
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_cn import random

Split = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def bundled(name: str) -> Any:
    """A data set that scikit-learn carries: an object with ``data``, ``target`` and names."""
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError(
            f"[datasets] The data set {name!r} is carried by scikit-learn, which is not installed. "
            "Expected: pip install tinygrad_cn[demo]"
        ) from None
    return getattr(datasets, f"load_{name}")()


def split(x: np.ndarray, y: np.ndarray, test_split: float, seed: int) -> Split:
    """The samples in random order, the last ``test_split`` of them apart."""
    if not 0 <= test_split < 1:
        raise ValueError(f"[load_data] Expected 0 <= test_split < 1, received {test_split}.")
    order = random.permutation(len(x), random.SeedGenerator(seed))
    x, y = x[order], y[order]
    n = len(x) - round(len(x) * test_split)
    return (x[:n], y[:n]), (x[n:], y[n:])


# --- IDX files, as MNIST is published -------------------------------------------------------------
_IDX_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Any) -> np.ndarray:
    """An array from an IDX file (also ".gz"): two zero bytes, a byte for the type, a byte for the
    number of axes, their lengths as big-endian uint32, then the numbers."""
    path = Path(path)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_DTYPES:
        raise ValueError(f"[datasets] {str(path)!r} is not an IDX file.")
    n_axes = data[3]
    begin = 4 + 4 * n_axes
    if len(data) < begin:
        raise ValueError(f"[datasets] {str(path)!r} is damaged: its header is cut short.")
    shape = struct.unpack(f">{n_axes}I", data[4:begin])
    dtype = np.dtype(_IDX_DTYPES[data[2]])
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(data) - begin != expected:
        raise ValueError(
            f"[datasets] {str(path)!r} is damaged. Expected {expected} bytes of numbers for shape "
            f"{shape}, received {len(data) - begin}."
        )
    array = np.frombuffer(data, dtype, offset=begin).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_images(name: str, path: Any, mirrors: Sequence[str], checksums: Sequence[str]) -> Split:
    """The four IDX files of MNIST or Fashion-MNIST: from a folder, an ".npz", or downloaded."""
    if path is not None and Path(path).suffix == ".npz":
        with np.load(_there(name, Path(path)), allow_pickle=False) as file:
            return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])
    if path is not None:
        found = [_idx_in(name, Path(path), one) for one in IDX_FILES]
    else:
        folder = cache_folder() / name
        found = [
            download(name, folder / f"{one}.gz", [f"{m}{one}.gz" for m in mirrors], checksum)
            for one, checksum in zip(IDX_FILES, checksums, strict=True)
        ]
    x_train, y_train, x_test, y_test = map(read_idx, found)
    return (x_train, y_train), (x_test, y_test)


def _idx_in(name: str, folder: Path, file: str) -> Path:
    """The file in the folder, whichever of the usual spellings it has."""
    for spelling in (file, f"{file}.gz", file.replace("-idx", ".idx")):
        if (folder / spelling).is_file():
            return folder / spelling
    raise FileNotFoundError(
        f"[{name}] There is no {file} (or {file}.gz) in {str(folder)!r}. Expected a folder with "
        f"{', '.join(IDX_FILES)}."
    )


def _there(name: str, path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"[{name}] There is no file {str(path)!r}.")
    return path


# --- downloads ------------------------------------------------------------------------------------
def cache_folder() -> Path:
    """Where downloads are kept: TINYGRAD_CN_HOME, or .cache/tinygrad_cn in the home folder."""
    home = os.environ.get("TINYGRAD_CN_HOME")
    return Path(home) if home else Path.home() / ".cache" / "tinygrad_cn"


def download(name: str, path: Path, urls: Sequence[str], md5: str) -> Path:
    """The file, downloaded from the first address that answers, unless it is there already. The
    checksum decides whether it is the right one."""
    if path.is_file() and _md5(path.read_bytes()) == md5:
        return path
    told = []
    for url in urls:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                data = answer.read()
        except (urllib.error.URLError, OSError) as error:
            told.append(f"{url}: {error}")
            continue
        if _md5(data) != md5:
            told.append(f"{url}: the checksum differs")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_bytes(data)
        os.replace(part, path)
        return path
    lines = "\n  ".join(told)
    raise OSError(
        f"[{name}] The data could not be downloaded (is there a network?):\n  {lines}\n"
        f"Expected one of: a network; {path.name} and the other files in {str(path.parent)!r}; "
        f"load_data(path=FOLDER) with a folder of IDX files. datasets.digits needs no download."
    )


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# --- tables ---------------------------------------------------------------------------------------
def read_table(path: Any, target: str | None = None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """A CSV file with a line of names: features, target, and the names of the features.

    Args:
        path: the file.
        target: the name of the target column; the last column when None.

    Lines with an empty or unreadable number are left out.
    """
    path = _there("datasets", Path(path))
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if len(rows) < 2:
        raise ValueError(
            f"[datasets] {str(path)!r}: expected a line of names and lines of numbers."
        )
    names = [name.strip().strip('"') for name in rows[0]]
    folded = [name.lower() for name in names]
    if target is not None and target.lower() not in folded:
        raise ValueError(f"[datasets] {str(path)!r} has no column {target!r}, only {names}.")
    column = folded.index(target.lower()) if target is not None else len(names) - 1
    numbers = [parsed for row in rows[1:] if (parsed := _numbers(row, len(names))) is not None]
    if not numbers:
        raise ValueError(f"[datasets] {str(path)!r} has no line of {len(names)} numbers.")
    table = np.array(numbers, np.float64)
    features = [i for i in range(len(names)) if i != column]
    return table[:, features], table[:, column], [names[i] for i in features]


def _numbers(row: list[str], n: int) -> list[float] | None:
    if len(row) != n:
        return None
    try:
        return [float(cell) for cell in row]
    except ValueError:
        return None
