"""Data as ``fit``, ``evaluate`` and ``predict`` take it, cut into batches (x, y, sample_weight).

Arrays (also pandas objects, Tensors, lists and dicts of them) are cut here; anything else that can
be iterated over is taken to yield batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from . import kernels, random, tree
from .op import Value

Batch = tuple[Any, Any, Any]
DRAWN_BYTES = 1 << 20  # of shuffled rows at once: few calls, and little memory
_END = object()


class PyDataset:
    """A dataset by index: a subclass defines ``__len__`` (how many batches) and ``__getitem__(i)``
    (the batch: (x, y) or (x, y, sample_weight)).

    >>> class Ones(tg.utils.PyDataset):
    ...     def __len__(self): return 2
    ...     def __getitem__(self, i): return np.ones((4, 3)), np.ones((4, 1))
    >>> len(Ones())
    2
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        if workers != 1 or use_multiprocessing:
            raise ValueError(
                "[PyDataset] Batches are made in this process. Expected workers=1 and "
                f"use_multiprocessing=False, received {workers} and {use_multiprocessing}."
            )
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        raise TypeError(f"[{type(self).__name__}] A subclass of PyDataset defines __len__().")

    def __getitem__(self, index: int) -> Any:
        raise TypeError(f"[{type(self).__name__}] A subclass of PyDataset defines __getitem__().")

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class ArrayBatches:
    """Arrays cut into batches.

    Args:
        x, y, sample_weight: arrays, or structures of them, of one length.
        batch_size: 32 when None.
        shuffle: draw a new order for each epoch.
        class_weight: {class: weight of its samples}.
        dtype: what floating arrays are converted to.
        who: the method that was called, for messages.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        shuffle: bool = False,
        class_weight: Any = None,
        dtype: Any = np.float32,
        who: str = "fit",
    ) -> None:
        self.x, self.y = arrays(x, dtype, "x", who), arrays(y, dtype, "y", who)
        self.weight = arrays(sample_weight, dtype, "sample_weight", who)
        if class_weight is not None:
            if self.weight is not None:
                raise ValueError(f"[{who}] Expected class_weight or sample_weight, received both.")
            self.weight = weights_of_classes(self.y, class_weight, who)
        if self.x is None:
            raise ValueError(f"[{who}] Expected data in x, received None.")
        self.n = check_lengths(who, self.x, self.y, self.weight)
        self.batch_size = check_batch_size(32 if batch_size is None else batch_size, who)
        self.shuffle = shuffle
        if shuffle:  # rows are gathered from whole arrays: once in C order, not for every batch
            self.x, self.y, self.weight = (
                _map(np.ascontiguousarray, part) for part in (self.x, self.y, self.weight)
            )

    def __len__(self) -> int:
        return math.ceil(self.n / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = random.permutation(self.n) if self.shuffle else None
        x, y, weight = self.x, self.y, self.weight
        group = self.n if order is None else self._rows_drawn_at_once()
        for first in range(0, self.n, max(group, 1)):
            end = min(first + group, self.n)
            if order is not None:
                rows = order[first:end]
                x, y, weight = (_drawn(part, rows) for part in (self.x, self.y, self.weight))
            for start in range(0, end - first, self.batch_size):
                at = slice(start, start + self.batch_size)
                yield _cut(x, at), _cut(y, at), _cut(weight, at)

    def _rows_drawn_at_once(self) -> int:
        """Whole batches: to draw several of small rows costs little more than to draw one."""
        parts = tree.flatten([self.x, self.y, self.weight])
        n_bytes = sum([a.nbytes for a in parts if a is not None]) // max(self.n, 1)
        return max(DRAWN_BYTES // max(n_bytes * self.batch_size, 1), 1) * self.batch_size


class IterableBatches:
    """Batches that something else makes: a generator, a PyDataset, a list-like of batches, ...

    Args:
        source: an iterable of x, (x, y) or (x, y, sample_weight).
        steps: how many batches make an epoch; None: until the source ends.
        class_weight: {class: weight of its samples}.
        dtype: what floating arrays are converted to.
        who: the method that was called, for messages.
    """

    def __init__(
        self, source: Any, steps: int | None = None, class_weight: Any = None,
        dtype: Any = np.float32, who: str = "fit", shuffle: bool = False,
    ) -> None:  # fmt: skip
        self.source, self.steps, self.dtype, self.who = source, steps, dtype, who
        self.class_weight, self.shuffle = class_weight, shuffle
        self.indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        self.once = not self.indexed and iter(source) is source
        self._current: Iterator[Any] | None = None

    def __len__(self) -> int:
        """How many batches an epoch has; 0 if that is not known."""
        if self.steps is not None:
            return self.steps
        return len(self.source) if hasattr(self.source, "__len__") else 0

    def _start(self) -> Iterator[Any]:
        if not self.indexed:
            return iter(self.source)
        n = len(self.source)
        order = random.permutation(n).tolist() if self.shuffle else range(n)
        return (self.source[i] for i in order)

    def __iter__(self) -> Iterator[Batch]:
        if self.indexed and hasattr(self.source, "on_epoch_begin"):
            self.source.on_epoch_begin()
        if self.steps is None or self._current is None:  # else go on where the last epoch stopped
            self._current = self._start()
        made, started_at = 0, -1
        while made != self.steps:
            batch = next(self._current, _END)
            if batch is _END:
                if self.steps is None or self.once or started_at == made:
                    break
                self._current, started_at = self._start(), made
                continue
            made += 1
            yield self._standard(batch)
        if self.indexed and hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()

    def _standard(self, batch: Any) -> Batch:
        x, y, w = unpack_x_y_sample_weight(batch)
        x, y, w = [
            arrays(part, self.dtype, name, self.who)
            for part, name in ((x, "x"), (y, "y"), (w, "sample_weight"))
        ]
        if self.class_weight is not None:
            if w is not None:
                raise ValueError(
                    f"[{self.who}] Expected class_weight or sample_weight, received both."
                )
            w = weights_of_classes(y, self.class_weight, self.who)
        check_lengths(self.who, x, y, w)
        return x, y, w


def batches(
    who: str,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: Any = False,
    class_weight: Any = None,
    dtype: Any = np.float32,
) -> Any:
    """The batches of whatever ``fit`` and its kin were given."""
    if steps is not None:
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ValueError(f"[{who}] Expected a number of steps >= 1, received {steps!r}.")
        steps = int(steps)
    if shuffle not in (True, False, None):
        raise ValueError(f"[{who}] Expected shuffle True or False, received {shuffle!r}.")
    if not is_batches(x):
        found = ArrayBatches(
            x, y, sample_weight, batch_size, bool(shuffle), class_weight, dtype, who
        )
        return found if steps is None else Limited(found, steps)
    for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
        if value is not None:
            raise ValueError(
                f"[{who}] x yields batches, which hold all there is. Expected {name}=None, "
                f"received {name} of {type(value).__name__}."
            )
    mix = bool(shuffle) and isinstance(x, PyDataset)
    return IterableBatches(x, steps, class_weight, dtype, who, mix)


class Limited:
    """The first so many batches; starts again from the first when they end."""

    def __init__(self, inner: ArrayBatches, steps: int) -> None:
        self.inner, self.steps = inner, steps
        self._current: Iterator[Batch] = iter(())

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.steps):
            batch = next(self._current, None)
            if batch is None:
                self._current = iter(self.inner)
                batch = next(self._current)
            yield batch


def is_batches(x: Any) -> bool:
    """Does x yield batches, rather than be an array or a structure of arrays?"""
    if isinstance(x, PyDataset):
        return True
    plain = isinstance(x, (np.ndarray, Value, list, tuple, dict)) or hasattr(x, "__array__")
    return not plain and isinstance(x, Iterable)


def arrays(structure: Any, dtype: Any, name: str = "x", who: str = "fit") -> Any:
    """Arrays in place of what can be turned into them; floating ones in ``dtype``.

    A list is a list of inputs if it holds arrays, and one array if it holds numbers.
    """
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {k: arrays(v, dtype, f"{name}[{k!r}]", who) for k, v in structure.items()}
    if isinstance(structure, (list, tuple)) and structure and _holds_arrays(structure):
        made = [arrays(v, dtype, f"{name}[{i}]", who) for i, v in enumerate(structure)]
        return tuple(made) if isinstance(structure, tuple) else made
    try:
        array = structure.data if isinstance(structure, Value) else np.asarray(structure)
    except ValueError as error:  # a list of lists of several lengths
        raise ValueError(
            f"[{who}] {name} is not one array ({error}) Expected rows of equal lengths, as "
            "utils.pad_sequences makes them."
        ) from None
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"[{who}] {name} holds no numbers. Expected integers or floats, received "
            f"dtype={array.dtype}, shape={array.shape}."
        )
    if array.ndim == 0:
        raise ValueError(
            f"[{who}] Expected {name} to have a batch axis, received the number {array}."
        )
    wanted = np.dtype(dtype)
    if array.dtype.kind == "f" and array.dtype != wanted:
        array = array.astype(wanted)
    return array


def _holds_arrays(structure: Any) -> bool:
    return any([hasattr(v, "shape") and np.ndim(v) > 0 for v in structure]) or any(
        [isinstance(v, dict) for v in structure]
    )


def _cut(part: Any, at: slice) -> Any:
    if part is None or isinstance(part, np.ndarray):
        return part if part is None else part[at]
    return _map(lambda a: a[at], part)


def _drawn(part: Any, rows: np.ndarray) -> Any:
    return _map(lambda a: kernels.take(a, rows), part)


def _map(function: Any, structure: Any) -> Any:
    if structure is None:
        return None
    return tree.map_structure(lambda a: a if a is None else function(a), structure)


def check_lengths(who: str, *parts: Any) -> int:
    """The number of samples, which must be the same everywhere."""
    found = [
        (name, len(a))
        for name, part in zip(("x", "y", "sample_weight"), parts, strict=True)
        if part is not None
        for a in tree.flatten(part)
        if a is not None
    ]
    if not found:
        raise ValueError(f"[{who}] Expected data, received none.")
    if len({n for _, n in found}) > 1:
        listed = ", ".join([f"{name}: {n}" for name, n in found[:8]])
        more = f", ... ({len(found)} arrays)" if len(found) > 8 else ""
        hint = (
            " In a list of arrays each is an input of its own, not a sample; np.stack joins them."
        )
        raise ValueError(
            f"[{who}] The numbers of samples differ. Expected the same everywhere, received "
            f"{listed}{more}.{hint if any([isinstance(part, list) for part in parts]) else ''}"
        )
    return found[0][1]


def check_batch_size(batch_size: Any, who: str) -> int:
    """A number of samples."""
    good = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not good or batch_size < 1:
        raise ValueError(f"[{who}] Expected batch_size >= 1, received batch_size={batch_size!r}.")
    return int(batch_size)


def weights_of_classes(y: Any, class_weight: dict[int, float], who: str) -> np.ndarray:
    """The weight of each sample, by its class: an integer, or the largest of a row."""
    if not isinstance(y, np.ndarray) or y.ndim > 2:
        raise ValueError(
            f"[{who}] class_weight needs one output of class numbers or rows. Expected y (N,), "
            f"(N, 1) or (N, C), received {_shapes(y)}."
        )
    numbers = (int, float, np.generic)
    if not isinstance(class_weight, dict) or not all(isinstance(c, numbers) for c in class_weight):
        raise ValueError(
            f"[{who}] Expected class_weight {{class number: weight}}, received {class_weight!r}."
        )
    if y.ndim == 2:
        y = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0]
    weight = np.ones(len(y), np.float32)
    for label, value in class_weight.items():
        weight[y == label] = value
    return weight


def _shapes(structure: Any) -> Any:
    return tree.map_structure(lambda a: getattr(a, "shape", a), structure)


def split(fraction: float, *parts: Any) -> tuple[Any, Any]:
    """All but the last samples, and the last ones: ``validation_split`` of ``fit``."""
    if not 0 < fraction < 1:
        raise ValueError(f"[fit] Expected 0 < validation_split < 1, received {fraction!r}.")
    n = min([len(a) for a in tree.flatten(parts[0])])
    at = math.floor(n * (1 - fraction))
    if at == 0 or at == n:
        raise ValueError(
            f"[fit] {n} samples cannot be split. Expected at least one in each part, received "
            f"validation_split={fraction}."
        )
    first = tuple([_map(lambda a: a[:at], part) for part in parts])
    return first, tuple([_map(lambda a: a[at:], part) for part in parts])


def unpack_x_y_sample_weight(data: Any) -> Batch:
    """(x, y, sample_weight) of x, (x,), (x, y) or (x, y, sample_weight); None where missing."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"[data] Expected x, (x, y) or (x, y, sample_weight), received a tuple of {len(data)}."
        )
    x, y, w = (*data, None, None)[:3]
    return x, y, w


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The shortest tuple that :func:`unpack_x_y_sample_weight` understands."""
    if y is None:
        return x if not isinstance(x, (tuple, list)) else (x,)
    return (x, y) if sample_weight is None else (x, y, sample_weight)
