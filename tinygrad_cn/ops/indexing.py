"""Indexing: part of a tensor, by position.

A key of integers, slices, None and ... is a view (`shape.GetItem`). A key with integer arrays or a
boolean mask copies, as in NumPy; rows of axis 0 take the fast kernels. Each way of taking is closed
with its way of adding back: the gradient of ``x[key]`` adds g into zeros at key, whose gradient is
``g[key]`` again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cn import kernels
from tinygrad_cn.mode import mode, value_of
from tinygrad_cn.op import Op, Placeholder, Value, apply_as_one, as_one, wrap

from .creation import FLOAT, asarray
from .joining import _scatter_add, _take
from .shape import _axis, basic_getitem, broadcast_to, flatten, reshape

_BASIC = (int, slice, type(None), type(...), np.integer)


class GetAt(Op):
    """y = x[key], a copy, for a key with integer arrays or a mask;  gx = zeros, g added at key.

    The arrays are inputs (x is the first one); in ``key`` stands ARRAY for each.
    """

    extra = ("places",)

    def forward(*xs, key):
        return xs[0][_filled_in(key, xs[1:])], xs[1:]

    def vjp(g, xs_shape, places, key):
        return add_at(g, *places, shape=xs_shape, key=key), *[None] * len(places)


class AddAt(Op):
    """y = zeros to which x is added at key (again where key repeats);  gx = g[key]."""

    extra = ("places",)

    def forward(*xs, shape, key):
        y = np.zeros(shape, xs[0].dtype)
        np.add.at(y, _filled_in(key, xs[1:]), xs[0])
        return y, xs[1:]

    def vjp(g, places, key):
        return get_at(g, *places, key=key), *[None] * len(places)


class SetAt(Op):
    """y = x, but for the values at key: how a captured step writes to places in arrays."""

    def forward(*xs, key):
        y = xs[0].copy()
        y[_filled_in(key, xs[2:])] = xs[1]
        return y


ARRAY = np.ndarray  # stands in a key for the next array
get_at = GetAt()
add_at = AddAt()
_set_at = SetAt()


def _filled_in(key: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    places = iter(arrays)
    return tuple([next(places) if k is ARRAY else k for k in key])


def getitem(x: Any, key: Any) -> Any:
    """x[key], by NumPy's rules.

    Integers, slices, None and ... give a view. Integer arrays or lists, boolean masks, and mixtures
    with them give a copy; the gradient of an element taken twice is the sum of both.

    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.ops.getitem(x, (slice(None), -1))
    Tensor([2., 4.])
    >>> x[x > 2]
    Tensor([3., 4.])
    """
    if type(key) is not tuple:
        key = (key,)
    for k in key:
        if not isinstance(k, _BASIC) or k is True or k is False:
            return _advanced(x, key)
    if ... not in key:
        key = (*key, ...)  # so that the result is a view also where no axis is left
    try:
        return basic_getitem(x, key=key)
    except IndexError as error:
        raise _index_error(x, key, error) from None


def _advanced(x: Any, key: tuple[Any, ...]) -> Any:
    """x[key] where key holds an array, a list or a mask."""
    plain = tuple([_index(k) for k in key])
    first = plain[0]
    if len(plain) == 1 and isinstance(first, np.ndarray) and first.dtype.kind in "iu":
        if x.ndim == 0:
            raise IndexError(f"[getitem] A tensor without axes takes no index, received {key}.")
        return _take(x, key[0] if isinstance(key[0], Value) else first)
    for p in plain:
        if isinstance(p, np.ndarray) and p.dtype.kind == "b":
            value_of(p, "x[mask], whose shape depends on the mask,")
    try:
        return get_at(x, *_arrays(key, plain), key=_template(plain))
    except IndexError as error:
        raise _index_error(x, plain, error) from None


def _template(plain: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key with ARRAY in place of each array."""
    return tuple([ARRAY if isinstance(p, np.ndarray) else p for p in plain])


def _arrays(key: tuple[Any, ...], plain: tuple[Any, ...]) -> list[Any]:
    """The arrays of the key."""
    pairs = [(k, p) for k, p in zip(key, plain, strict=True) if isinstance(p, np.ndarray)]
    return [k if isinstance(k, Value) else p for k, p in pairs]


def _index(k: Any) -> Any:
    """One part of a key as NumPy takes it; a list as an array, an empty one as no positions."""
    if isinstance(k, _BASIC):
        return k
    array = k.data if isinstance(k, Value) else np.asarray(k)
    if array.size == 0 and not hasattr(k, "dtype"):
        array = array.astype(np.intp)
    if array.dtype.kind not in "biu":
        raise IndexError(
            "[getitem] Only integers, slices, None, ..., integer and boolean arrays are indices; "
            f"received {k!r:.80} of dtype {array.dtype}."
        )
    return array


def _index_error(x: Any, key: tuple[Any, ...], error: IndexError) -> IndexError:
    parts = [f"{k.dtype} array {k.shape}" if isinstance(k, np.ndarray) else f"{k}" for k in key]
    return IndexError(f"[getitem] {error}. Received x.shape={x.shape}, key=({', '.join(parts)}).")


def setitem(x: Value, key: Any, value: Any) -> None:
    """x.data[key] = value, in place, by NumPy's rules; the Tensor's checks come before."""
    key = key if type(key) is tuple else (key,)
    plain = tuple([_index(k) for k in key])
    # a Python integer that the dtype cannot hold is refused, as NumPy does, not wrapped around
    whole = x.data.dtype if type(value) is int else None
    source = value.data if isinstance(value, Value) else np.asarray(value, whole)
    if source.dtype.kind == "f" and x.data.dtype.kind != "f":
        raise TypeError(
            "[setitem] Floats do not fit in. Expected integers or bools, received "
            f"value.dtype={source.dtype} for x.dtype={x.data.dtype}."
        )
    try:
        if all(isinstance(k, _BASIC) and not isinstance(k, bool) for k in plain):
            target = x.data[plain if ... in plain else (*plain, ...)]
            lead = source.ndim - target.ndim
            if lead > 0 and source.shape[:lead] == (1,) * lead:
                source = source.reshape(source.shape[lead:])
            np.broadcast_to(source, target.shape)  # raises before anything is written
            if target.size:
                kernels.copy(np.broadcast_to(source, target.shape), target)
        elif mode.get().capture is None:
            x.data[plain] = source
        else:  # a replay is to write again
            y = _set_at(x, source, *_arrays(key, plain), key=_template(plain))
            kernels.copy(y.data, x.data)
    except IndexError as error:
        raise _index_error(x, plain, error) from None
    except ValueError:
        raise ValueError(
            "[setitem] The value does not fit the place. Expected one that broadcasts to it, "
            f"received value.shape={source.shape} for x.shape={x.data.shape}, key={key!r:.80}."
        ) from None


# --- by positions ---------------------------------------------------------------------------------


def _positions(op: str, indices: Any) -> Any:
    """Indices as an integer Tensor or array."""
    array = indices.data if isinstance(indices, Value) else np.asarray(indices)
    if array.size == 0 and not hasattr(indices, "dtype"):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise IndexError(f"[{op}] Expected integer indices, received dtype={array.dtype}.")
    return indices if isinstance(indices, Value) else array


@as_one
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at these positions of an axis (of x flattened, if None). Negative positions
    count from the end. Shape: that of x, with the axis replaced by the axes of indices.

    >>> tg.ops.take([[1, 2], [3, 4]], [1, 0, 1], axis=0)
    Tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """
    if isinstance(indices, Placeholder):
        return apply_as_one(take, x, indices, axis)
    indices = _positions("take", indices)
    if axis is None:
        return _take(flatten(x), indices)
    x = asarray(x)
    return _take(x, indices, axis=_axis("take", axis, x.ndim))


class TakeAlongAxis(Op):
    """y[i, j, ...] = x[i, indices[i, j, ...], ...];  gx = zeros to which g is added there."""

    def forward(x, indices, *, axis):
        return kernels.take_along_axis(x, indices, axis)

    def vjp(g, x_shape, indices, axis):
        return _add_along_axis(g, indices, length=x_shape[axis], axis=axis), None


class AddAlongAxis(Op):
    """y = zeros, with x added at indices along the axis;  gx = g there."""

    def forward(x, indices, *, length, axis):
        return kernels.add_along_axis(x, indices, axis, length)

    def vjp(g, indices, axis):
        return _take_along_axis(g, indices, axis=axis), None


_take_along_axis = TakeAlongAxis()
_add_along_axis = AddAlongAxis()


@as_one
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """y[i, j, ...] = x[i, indices[i, j, ...], ...], the position along ``axis`` replaced; `gather`
    of PyTorch. The other axes of x and indices broadcast.

    >>> tg.ops.take_along_axis([[1, 2], [3, 4]], np.array([[1], [0]]), axis=1)
    Tensor([[2.],
            [3.]])
    """
    if isinstance(x, Placeholder) or isinstance(indices, Placeholder):
        return apply_as_one(take_along_axis, x, indices, axis)
    indices = _positions("take_along_axis", indices)
    positions = indices.data if isinstance(indices, Value) else indices
    if axis is None:
        x, axis, positions = flatten(x), 0, positions.reshape(-1)
    x = asarray(x)
    at = _axis("take_along_axis", axis, x.ndim)
    if positions.ndim != x.ndim:
        raise ValueError(
            "[take_along_axis] Expected as many axes in both, received "
            f"x.shape={x.shape}, indices.shape={positions.shape}."
        )

    def with_length(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
        return (*shape[:at], n, *shape[at + 1 :])

    given = positions.shape
    shape = np.broadcast_shapes(with_length(x.shape, 1), with_length(positions.shape, 1))
    whole = with_length(shape, x.shape[at])
    x = x if x.shape == whole else broadcast_to(x, shape=whole)
    positions = np.broadcast_to(positions, with_length(shape, positions.shape[at]))
    if isinstance(indices, Value):
        positions = broadcast_to(reshape(indices, shape=given), shape=positions.shape)
    return _take_along_axis(x, positions, axis=at)


gather = take_along_axis


def scatter_add(x: Any, indices: Any, updates: Any) -> Any:
    """x with updates[i] added to row indices[i] of axis 0; rows named twice get both.

    Args:
        x: (V, ...). indices: integers of any shape (I). updates: (I, ...).

    >>> tg.ops.scatter_add(tg.ops.zeros(3), [0, 2, 0], tg.tensor([1.0, 2.0, 3.0]))
    Tensor([4., 0., 2.])
    """
    x, updates = asarray(x), asarray(updates)
    return x + _scatter_add(updates, _positions("scatter_add", indices), shape=x.shape)


def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros of ``shape`` with values[i] added at the position indices[i] (keras.ops.scatter).

    Args:
        indices: (I, K) integers: each row names the first K coordinates. values: (I, ...).

    >>> tg.ops.scatter([[0, 1], [1, 0]], tg.tensor([5.0, 6.0]), (2, 2))
    Tensor([[0., 5.],
            [6., 0.]])
    """
    positions = _positions("scatter", indices)
    positions = positions.data if isinstance(positions, Value) else positions
    values, shape, n = asarray(values), tuple(shape), positions.shape[-1]
    if n > len(shape) or values.shape != (*positions.shape[:-1], *shape[n:]):
        raise ValueError(
            f"[scatter] Expected values of shape {(*positions.shape[:-1], *shape[n:])}, received "
            f"indices.shape={positions.shape}, values.shape={values.shape}, shape={shape}."
        )
    places = np.moveaxis(positions, -1, 0)
    return add_at(values, *places, shape=shape, key=(ARRAY,) * len(places))


class OneHot(Op):
    """y = 1 at the position that x names along a new axis, else 0."""

    def forward(x, *, num_classes, axis, dtype):
        labels = np.expand_dims(x, axis)
        shape = [1] * labels.ndim
        shape[axis] = num_classes
        hot = kernels.equal(labels, np.arange(num_classes).reshape(shape))
        return kernels.copy(hot, kernels.empty(hot.shape, dtype))


_one_hot = OneHot()


@as_one
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Any:
    """1 at the position that x names along a new axis, else 0; all 0 for a position out of range.

    >>> tg.ops.one_hot([0, 2], 3)
    Tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    if isinstance(x, Placeholder):
        return apply_as_one(one_hot, x, num_classes, axis, dtype)
    labels = _positions("one_hot", x)
    return _one_hot(labels, num_classes=num_classes, axis=axis, dtype=np.dtype(dtype or FLOAT))


def nonzero(x: Any) -> tuple[Any, ...]:
    """The positions of the elements that are not 0, one integer vector per axis.

    >>> tg.ops.nonzero([0, 3, 4])
    (Tensor([1, 2], dtype=int64),)
    """
    return tuple([wrap(i) for i in np.nonzero(value_of(asarray(x).data, "nonzero()"))])
