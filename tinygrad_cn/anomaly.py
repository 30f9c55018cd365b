"""Which op made the first NaN or infinity?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .autograd import _send
from .mode import mode, set_mode
from .op import Node, Value

_PACKAGE = str(Path(__file__).parent)


class AnomalyError(ArithmeticError):
    """An op with finite inputs had an output that is not finite.

    Attributes: ``op``, its name; ``direction``, "forward" or "backward"; ``scope``, the layer;
    ``index`` of the first such element; ``where``, the user's (file, line) of the forward.
    """

    op: str
    direction: str
    scope: str
    index: tuple[int, ...]
    where: tuple[str, int] | None


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Check each op in the block, forward and backward: the first one that turns finite inputs into
    NaN or infinity raises `AnomalyError`, which says what and where it is.

    >>> x = tg.tensor([1.0, 0.0], requires_grad=True)
    >>> with tg.detect_anomaly():
    ...     y = tg.ops.log(x)
    Traceback (most recent call last):
    tinygrad_cn.anomaly.AnomalyError: [Log] forward made -inf at index (1,) ...
    """
    before = mode.get().observer

    def check(
        op: Any, args: tuple[Any, ...], settings: dict[str, Any], out: Any, node: Node | None
    ) -> None:
        for y in out if isinstance(out, tuple) else (out,):
            if not _finite(y.data) and all(map(_finite, map(_array, args))):
                raise _error(op, args, y.data)
        if before is not None:
            before(op, args, settings, out, node)

    with set_mode(observer=check):
        yield


def _error(op: Any, args: tuple[Any, ...], y: np.ndarray) -> AnomalyError:
    """The report: what the op was, what it was given, where in the user's code."""
    index = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(~np.isfinite(y))))[: y.ndim]
    frame, rule, user = sys._getframe(2), None, None
    while frame is not None and user is None:
        if frame.f_code is _send.__code__:
            rule = frame.f_locals["node"]  # the node whose rule is being computed
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            user = frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment] # None above the outermost
    where = user if rule is None else rule.where
    scope = mode.get().scope if rule is None else rule.scope
    name = op.name if rule is None else rule.op.name
    direction = "forward" if rule is None else "backward"
    shapes = ", ".join(str(np.shape(_array(a))) for a in args)
    text = f"[{name}] {direction} made {y[index]} at index {index} of an output of shape {y.shape}"
    text += f", from finite inputs of shapes {shapes}"
    values = [_at(_array(a), y.shape, index) for a in args]
    text += f" (there: {', '.join(v for v in values if v)})" if any(values) else ""
    text += f"; in {op.name}, a step of its rule" if rule is not None else ""
    text += f"; in layer {scope}" if scope else ""
    text += ". The forward was called" if rule is not None else ". Called"
    text += f" at {where[0]}:{where[1]}." if where else " from an unknown line."
    error = AnomalyError(text)
    error.op, error.direction, error.scope, error.index = name, direction, scope, index
    error.where = where
    return error


def _at(x: Any, shape: tuple[int, ...], index: tuple[int, ...]) -> str:
    """The element of an operand that broadcasts to the output, as text; "" if it does not."""
    try:
        return f"{np.broadcast_to(x, shape)[index]}"
    except (ValueError, TypeError):
        return ""


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def _finite(x: Any) -> bool:
    x = np.asarray(0 if x is None else x)
    return x.dtype.kind != "f" or bool(np.isfinite(x).all())
