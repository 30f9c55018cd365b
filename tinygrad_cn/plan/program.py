"""A captured step as data: buffers, views of them, and the calls that read and write them.

What capture hands over is a list of kernel calls on live arrays. Here each array becomes a
:class:`View` of a :class:`Buffer`, so that a pass can ask who reads what, and memory can be moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAX_INTS = 20  # TG_MAX_INTS: in a call's numbers the floats come after so many
NEAR = 16 << 10  # bytes that stay in the first-level cache until they are read

# Per driver of csrc/tg.h: how many arrays at the front of its call it writes, and which of these it
# reads as well. A driver that is missing here cannot be captured.
_ONE = "unary binary compare where fused copy reduce arg_reduce top_k softmax softmax_grad take "
_ONE += "scatter_add cross_entropy_grad matmul conv2d conv2d_input_grad conv2d_weight_grad scan "
_ONE += "max_pool2d_gather max_pool2d_grad average_pool2d average_pool2d_grad take_along_axis "
_ONE += "add_along_axis"
WRITES: dict[str, tuple[int, tuple[int, ...]]] = {
    **{name: (1, ()) for name in _ONE.split()},
    "cross_entropy": (2, ()),
    "cross_entropy_both": (3, ()),
    "max_pool2d": (2, ()),
    "random": (2, (1,)),  # the state of the generator moves on
    "dropout": (3, (2,)),
    "sgd": (2, (0, 1)),
    "adam": (4, (0, 1, 2, 3)),
    "increment": (1, (0,)),
    "layer_norm": (3, ()),
    "layer_norm_grad": (3, ()),
    "batch_norm": (3, ()),
    "batch_norm_grad": (3, ()),
    "attention": (2, ()),
    "attention_grad": (3, ()),
    "simple_rnn_grad": (3, ()),
    "simple_rnn": (2, ()),
    "lstm": (4, ()),
    "lstm_grad": (4, ()),
    "gru": (2, ()),
    "gru_grad": (5, ()),
}


@dataclass(eq=False, slots=True)
class Buffer:
    """A block of memory that one or more arrays are views of."""

    owner: Any  # the array that owns it; None once the buffer may lie anywhere
    address: int
    nbytes: int
    role: str = "temporary"  # or "input", "outside" (parameters, state, constants), "kept"

    def __repr__(self) -> str:
        return f"<{self.role} of {self.nbytes} bytes>"


@dataclass(frozen=True, slots=True)
class View:
    """An array of a call: where in which buffer its elements lie."""

    buffer: Buffer
    offset: int  # of the element (0, 0, ...), in bytes
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in bytes
    dtype: np.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """The memory that the elements take, each counted once."""
        distinct = [n for n, stride in zip(self.shape, self.strides, strict=True) if stride]
        return int(np.prod(distinct, dtype=np.int64)) * self.dtype.itemsize

    def on(self, memory: np.ndarray, start: int) -> np.ndarray:
        """The same view where the buffer begins at byte ``start`` of ``memory``."""
        at = start + self.offset
        return np.ndarray(self.shape, self.dtype, memory, at, self.strides)


@dataclass(eq=False, slots=True)
class Call:
    """One kernel call; or, for an op without a compiled kernel, the op, which runs in Python."""

    kernel: str
    arrays: list[View | None]  # outputs first
    n_outputs: int
    updates: tuple[int, ...] = ()  # the outputs that are read as well
    numbers: tuple = ()  # ints and floats
    record: bytes = b""  # the tg_call
    python: Any = None  # (op, arguments, settings)
    label: str = ""  # the op that made the call
    # Per output: the number of the captured call that computed it; None: a pass invented it.
    origin: tuple[int | None, ...] = ()
    together: int = 1  # this call and the next ones, so many in all, are independent of each other
    members: list[Call] = field(default_factory=list)  # the updates that were merged into this one
    also: tuple[int, ...] = ()  # further outputs, which a pass put behind the inputs

    @property
    def outputs(self) -> list[View]:
        """The views that the call writes."""
        written = self.arrays[: self.n_outputs] + [self.arrays[i] for i in self.also]
        return [view for view in written if view is not None]

    @property
    def inputs(self) -> list[View]:
        """The views that the call reads."""
        behind = range(self.n_outputs, len(self.arrays))
        read = [self.arrays[i] for i in (*self.updates, *behind) if i not in self.also]
        return [view for view in read if view is not None]

    @property
    def flops(self) -> int:
        """Multiplications and additions of a product or a convolution; 0 of anything else."""
        shapes = [v.shape for v in self.arrays if v is not None]
        if self.kernel == "matmul":
            return 2 * math.prod(shapes[0]) * shapes[1][-1]
        if self.kernel.startswith("conv2d"):
            kinds = {"conv2d": (0, 2), "conv2d_input_grad": (1, 2), "conv2d_weight_grad": (2, 0)}
            image, weights = (shapes[i] for i in kinds[self.kernel])
            return 2 * math.prod(image[:3]) * math.prod(weights)
        return 0


@dataclass(eq=False, slots=True)
class Program:
    """The calls of a step in order, the arrays given to it, and those it returns."""

    calls: list[Call]
    inputs: list[View]
    results: list[View]
    notes: list[str] = field(default_factory=list)  # what the passes did

    def buffers(self) -> Iterator[Buffer]:
        """Each buffer once, in order of first use."""
        seen: set[Buffer] = set()
        views = [view for call in self.calls for view in call.arrays if view is not None]
        for view in [*self.inputs, *views, *self.results]:
            if view.buffer not in seen:
                seen.add(view.buffer)
                yield view.buffer


def depends(call: Call, others: list[Call]) -> bool:
    """Does the call read or write what one of the others writes, or write what one reads?"""
    mine = {view.buffer for view in call.outputs}
    touched = mine | {view.buffer for view in call.inputs}
    return any(
        touched & {view.buffer for view in other.outputs}
        or mine & {view.buffer for view in other.inputs}
        for other in others
    )


def maker_before(
    calls: list[Call | None], at: int, wanted: set[Buffer]
) -> tuple[int, list[Call]] | None:
    """The last call before number ``at`` that writes one of the buffers: its number, and the calls
    in between. None stands for a call that a pass took out."""
    passed: list[Call] = []
    for i in range(at - 1, -1, -1):
        call = calls[i]
        if call is not None:
            if any(view.buffer in wanted for view in call.outputs):
                return i, passed
            passed.append(call)
    return None


def parts(view: View | None) -> tuple | None:
    """Shape, strides in elements, and dtype: what kernels.core.make_call wants of an array."""
    if view is None:
        return None
    strides = tuple([stride // view.dtype.itemsize for stride in view.strides])
    return view.shape, strides, view.dtype


def root(array: np.ndarray) -> np.ndarray:
    """The array that ``array`` is, through however many views, a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class Buffers:
    """The buffers behind arrays: arrays that share memory get the same one."""

    def __init__(self) -> None:
        self._of_owner: dict[int, Buffer] = {}

    def of(self, array: np.ndarray) -> Buffer:
        """The buffer that the array lies in."""
        owner = root(array)
        buffer = self._of_owner.get(id(owner))
        if buffer is None:
            low, high = np.lib.array_utils.byte_bounds(owner)
            buffer = self._of_owner[id(owner)] = Buffer(owner, low, high - low)
        return buffer

    def view(self, array: np.ndarray) -> View:
        """The array as a view."""
        buffer = self.of(array)
        at = array.__array_interface__["data"][0] - buffer.address
        return View(buffer, at, array.shape, _plain(array.shape, array.strides), array.dtype)

    def described(self, array: np.ndarray, described: dict) -> View:
        """An array of a call as the call sees it (its shape may be broadcast)."""
        buffer = self.of(array)
        dtype = np.dtype(described["dtype"])
        strides = tuple([stride * dtype.itemsize for stride in described["strides"]])
        at = described["address"] - buffer.address
        return View(buffer, at, described["shape"], _plain(described["shape"], strides), dtype)


def _plain(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, 0 where an axis has one element: there any number would do."""
    return tuple([0 if n == 1 else stride for n, stride in zip(shape, strides, strict=True)])
