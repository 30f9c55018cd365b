"""Einstein's summation, lowered to views, sums and matrix products: it needs no rule of its own."""

from __future__ import annotations

import builtins
import math
from typing import Any

from tinygrad_cn.op import Placeholder, apply_as_one, as_one

from .creation import asarray
from .matmul import matrix_product
from .reduction import sum
from .shape import diagonal, permute_dims, reshape

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@as_one
def einsum(subscripts: str, *operands: Any) -> Any:
    """The sum of products that the subscripts say: one letter per axis; what is not in the output
    (after ``->``) is summed; ``...`` stands for axes that broadcast. Without ``->`` the output has
    the letters that occur once, in order of the alphabet.

    >>> tg.ops.einsum("ij,kj->ik", [[1, 2]], [[3, 4]])
    Tensor([[11.]])
    """
    if any([isinstance(x, Placeholder) for x in operands]):
        return apply_as_one(einsum, subscripts, *operands)
    if not isinstance(subscripts, str):
        raise TypeError(f"[einsum] Expected a string first, received {type(subscripts).__name__}.")
    xs = [asarray(x) for x in operands]
    terms, output = _parse(subscripts, [x.ndim for x in xs])
    lengths: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        for letter, n in zip(term, x.shape, strict=True):
            if lengths.setdefault(letter, n) == 1:
                lengths[letter] = n
            elif n not in (1, lengths[letter]):
                raise ValueError(
                    f"[einsum] Axis {letter!r} has lengths {lengths[letter]} and {n}. Expected "
                    f"equal ones, received {subscripts!r} for shapes {[x.shape for x in xs]}."
                )
    left, x = _reduce(terms[0], xs[0], set(output).union(*terms[1:]))
    for i, (term, other) in enumerate(zip(terms[1:], xs[1:], strict=True), 1):
        later = set(output).union(*terms[i + 1 :])
        right, other = _reduce(term, other, later | set(left))
        left, x = _multiply(left, x, right, other, later)
    return permute_dims(x, axes=tuple([left.index(c) for c in output]))


def _parse(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the output, with ``...`` spelt out."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(
            f"[einsum] Expected {len(terms)} operands for {subscripts!r}, received {len(ndims)}."
        )
    free = [c for c in LETTERS if c not in text]
    widest = 0
    for term, ndim in zip(terms, ndims, strict=True):
        if "..." in term:
            widest = builtins.max(widest, ndim - len(term.replace("...", "")))
    batch = "".join(free[:widest])
    spelt = []
    for term, ndim in zip(terms, ndims, strict=True):
        if "..." in term:
            n = ndim - len(term.replace("...", ""))
            term = term.replace("...", batch[widest - n :] if n > 0 else "")
        if len(term) != ndim or not builtins.all(c in LETTERS for c in term):
            raise ValueError(
                f"[einsum] Expected one letter per axis, received {subscripts!r} for operands with "
                f"{ndims} axes."
            )
        spelt.append(term)
    if arrow:
        output = output.replace("...", batch)
    else:
        joined = "".join(spelt)
        output = batch + "".join(sorted(c for c in set(joined) - {*batch} if joined.count(c) == 1))
    if len(set(output)) != len(output) or not set(output) <= set("".join(spelt)):
        raise ValueError(
            f"[einsum] Expected output letters that occur in the inputs, each once, received "
            f"{subscripts!r}."
        )
    return spelt, output


def _reduce(term: str, x: Any, keep: set[str]) -> tuple[str, Any]:
    """Repeated letters as diagonals; letters nobody else has summed away."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            i = term.index(letter)
            j = term.index(letter, i + 1)
            x = diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + letter
    gone = tuple([i for i, c in enumerate(term) if c not in keep])
    if gone:
        x = sum(x, axis=gone)
        term = "".join([c for c in term if c in keep])
    return term, x


def _multiply(left: str, x: Any, right: str, other: Any, later: set[str]) -> tuple[str, Any]:
    """The product of two operands, as a batch of matrix products (batch, rows, inner, columns)."""
    shared = [c for c in left if c in right]
    sizes = {c: (x.shape[left.index(c)], other.shape[right.index(c)]) for c in shared}
    inner = [c for c in shared if c not in later and sizes[c][0] == sizes[c][1]]
    batch = [c for c in shared if c not in inner]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    x = permute_dims(x, axes=tuple([left.index(c) for c in batch + rows + inner]))
    other = permute_dims(other, axes=tuple([right.index(c) for c in batch + inner + columns]))
    n, m, k = len(batch), len(rows), len(inner)
    row_shape, column_shape = x.shape[n : n + m], other.shape[n + k :]
    size = math.prod(x.shape[n + m :])
    a = reshape(x, shape=(*x.shape[:n], math.prod(row_shape), size))
    b = reshape(other, shape=(*other.shape[:n], size, math.prod(column_shape)))
    y = matrix_product(a, b)
    y = reshape(y, shape=(*y.shape[:-2], *row_shape, *column_shape))
    letters = batch + rows + columns
    gone = tuple([i for i, c in enumerate(letters) if c not in later])
    if gone:  # letters whose lengths were 1 and n: they broadcast before they are summed
        y = sum(y, axis=gone)
    return "".join([c for c in letters if c in later]), y
