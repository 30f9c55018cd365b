"""What a layer accepts: checked when a new shape comes, so that errors name the layer."""

from __future__ import annotations

from typing import Any

from tinygrad_cn import tree


class InputSpec:
    """A description of an input; None fields accept anything.

    Args:
        dtype: the dtype's name.
        shape: lengths of the axes, None where free.
        ndim, min_ndim, max_ndim: the number of axes.
        axes: a dict {axis: length}.
        allow_last_axis_squeeze: accept a missing or additional last axis of length 1.
        name: the name of the input in error messages.
        optional: whether None may stand in its place.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): n for axis, n in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional

    def __repr__(self) -> str:
        told = {k: v for k, v in vars(self).items() if v not in (None, {}, False)}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in told.items())})"

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same InputSpec."""
        return dict(vars(self))

    def problem(self, shape: tuple[Any, ...], dtype: Any) -> str | None:
        """What is wrong with an input of this shape, as "expected ..."; None if nothing is."""
        if self.dtype is not None and str(dtype) != str(self.dtype):
            return f"dtype {self.dtype}"
        if self.ndim is not None and len(shape) != self.ndim and not self._squeezes(shape):
            return f"{self.ndim} axes" + (f" {self.shape}" if self.shape else "")
        if self.max_ndim is not None and len(shape) > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        if self.min_ndim is not None and len(shape) < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        for axis, n in self.axes.items():
            if n is not None and -len(shape) <= axis < len(shape) and shape[axis] not in (None, n):
                return f"length {n} of axis {axis}"
        if self.shape is not None and len(shape) == len(self.shape):
            for n, m in zip(self.shape, shape, strict=True):
                if n is not None and m not in (None, n):
                    return f"shape {self.shape}"
        return None

    def _squeezes(self, shape: tuple[Any, ...]) -> bool:
        assert self.ndim is not None
        if not self.allow_last_axis_squeeze:
            return False
        return len(shape) == self.ndim - 1 or (
            len(shape) == self.ndim + 1 and shape[-1] in (1, None)
        )


def check(spec: Any, inputs: Any, layer: str) -> None:
    """Raise ValueError, naming the layer, if inputs (tensors or shapes' holders) do not fit."""
    specs, found = tree.flatten(spec), tree.flatten(inputs)
    if len(specs) != len(found):
        raise ValueError(f"[{layer}] Expected {len(specs)} inputs, received {len(found)}.")
    for i, (one, x) in enumerate(zip(specs, found, strict=True)):
        if one is None or (x is None and one.optional):
            continue
        if not hasattr(x, "shape"):
            raise ValueError(f"[{layer}] Expected a tensor as input {i}, received {x!r}.")
        problem = one.problem(tuple(x.shape), x.dtype)
        if problem:
            which = f" {one.name or i}" if len(specs) > 1 or one.name else ""
            raise ValueError(
                f"[{layer}] The input{which} does not fit. Expected {problem}, received "
                f"shape={tuple(x.shape)}, dtype={x.dtype}."
            )
