"""Minimax polynomials and rational functions in 50-digit arithmetic, with rounded coefficients.

Each fit is a weighted minimax one, found by Remez's exchange on a fine grid in 50-digit arithmetic:
between exchanges, the coefficients c and the levelled error e solve, at the n + 1 reference points,

    sum_j c_j phi_j(x_i) + (-1)^i e / w(x_i) = f(x_i).

The coefficients are then rounded to the format one by one, the most important (lowest) first, and
the others are fitted again each time, so that they make up for the rounding (all at once where the
interval has 0 inside, as the higher powers alone vanish there). The printed error is
the largest |w (f - fit)| with the rounded coefficients and exact evaluation, in units of half an
ULP of 1 (2^-24 or 2^-53): what the approximation adds to the error of the arithmetic.

Rational fits P/Q solve the linearised system with the weight 1/Q of the step before; then Q is
rounded, and P fitted again as the polynomial that is nearest to f Q.

Needs mpmath.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import mpmath as mp

mp.mp.dps = 50

Function = Callable[[mp.mpf], mp.mpf]


@dataclass
class Fit:
    """f(x) ~ sum c_j x^(power j) on [low, high] (over 1 + sum d_j x^(power j) when below > 0)."""

    name: str
    meaning: str
    target: Function
    weight: Function
    low: float
    high: float
    degree: int
    bits: int  # 24: float, 53: double
    below: int = 0
    accuracy: int = 0  # the half ULP of the printed error; 0: that of bits
    first: mp.mpf | None = None  # a fixed lowest coefficient
    try_both: bool = False  # ways of rounding, where 0 is inside


def rounded(value: mp.mpf, bits: int) -> mp.mpf:
    """The nearest float or double (exponents are never extreme here)."""
    if value == 0:
        return mp.mpf(0)
    exponent = int(mp.floor(mp.log(abs(value), 2))) - bits + 1
    return mp.nint(mp.ldexp(value, -exponent)) * mp.ldexp(mp.mpf(1), exponent)


def chebyshev_grid(low: mp.mpf, high: mp.mpf, n: int) -> list[mp.mpf]:
    return [
        (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / n)
        for i in range(n)
    ]


def extrema(errors: Sequence[mp.mpf], count: int) -> list[int]:
    """Indices of `count` alternating peaks of the error: the largest of each run of one sign."""
    peaks: list[int] = []
    for i, e in enumerate(errors):
        if peaks and (errors[peaks[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    while len(peaks) > count:  # drop the smaller end, or the smallest pair inside
        if len(peaks) == count + 1 or abs(errors[peaks[0]]) > abs(errors[peaks[-1]]):
            peaks.pop(-1 if abs(errors[peaks[0]]) > abs(errors[peaks[-1]]) else 0)
        else:
            peaks.pop(0)
    return peaks


def remez(fit: Fit, fixed: Sequence[mp.mpf]) -> tuple[list[mp.mpf], mp.mpf]:
    """The coefficients (numerator, then denominator without its leading 1) and the error."""
    n_top, n_below = fit.degree + 1, fit.below
    n_free = n_top + n_below - len(fixed)
    grid = chebyshev_grid(mp.mpf(fit.low), mp.mpf(fit.high), max(600, 24 * n_free))
    f = [fit.target(x) for x in grid]
    w = [fit.weight(x) for x in grid]
    powers = [[x**j for j in range(max(n_top, n_below + 1))] for x in grid]
    q = [mp.mpf(1)] * len(grid)

    def row(i: int) -> list[mp.mpf]:
        return powers[i][:n_top] + [-f[i] * p for p in powers[i][1 : n_below + 1]]

    def error(c: Sequence[mp.mpf]) -> list[mp.mpf]:
        top = [mp.fdot(p[:n_top], c[:n_top]) for p in powers]
        for i, p in enumerate(powers):
            q[i] = 1 + mp.fdot(p[1 : n_below + 1], c[n_top:])
        return [w[i] * (f[i] - top[i] / q[i]) for i in range(len(grid))]

    if n_free == 0:
        return list(fixed), max(abs(e) for e in error(fixed))
    reference = [
        int((len(grid) - 1) * (1 - mp.cos(mp.pi * i / n_free)) / 2) for i in range(n_free + 1)
    ]
    best: tuple[list[mp.mpf], mp.mpf] | None = None
    for _ in range(60):
        a, b = mp.matrix(n_free + 1), mp.matrix(n_free + 1, 1)
        for k, i in enumerate(reference):
            r = row(i)
            for j in range(n_free):
                a[k, j] = r[len(fixed) + j]
            a[k, n_free] = (-1) ** k * q[i] / w[i]
            b[k] = f[i] - mp.fdot(r[: len(fixed)], fixed)
        solution = mp.lu_solve(a, b)
        c = [*fixed, *(solution[j] for j in range(n_free))]
        e = error(c)
        worst = max(abs(v) for v in e)
        if best is None or worst < best[1]:
            best = c, worst
        peaks = extrema(e, n_free + 1)
        if len(peaks) < n_free + 1:
            break
        level = abs(solution[n_free])
        reference = peaks
        if level > 0 and worst / level < 1.001:
            break
    assert best is not None
    return best


def solve(fit: Fit) -> tuple[list[mp.mpf], mp.mpf]:
    """Fit, round the coefficients one after the other, fit the others again."""
    fixed: list[mp.mpf] = [] if fit.first is None else [fit.first]
    total = fit.degree + 1 + fit.below
    coefficients, _ = remez(fit, fixed)
    if fit.below:  # the rounded denominator, then the numerator as a polynomial
        q = [rounded(v, fit.bits) for v in coefficients[fit.degree + 1 :]]

        def below(x: mp.mpf) -> mp.mpf:
            return 1 + mp.fdot([x ** (j + 1) for j in range(fit.below)], q)

        top = replace(
            fit,
            below=0,
            target=lambda x: fit.target(x) * below(x),
            weight=lambda x: fit.weight(x) / below(x),
        )
        c, worst = solve(top)
        return [*c, *q], worst
    at_once = None
    if fit.low < 0:
        at_once = remez(fit, [rounded(v, fit.bits) for v in coefficients])
        if not fit.try_both:
            return at_once
    while len(fixed) < total:
        fixed.append(rounded(coefficients[len(fixed)], fit.bits))
        coefficients, worst = remez(fit, fixed)
    return at_once if at_once is not None and at_once[1] < worst else (coefficients, worst)


def literal(value: mp.mpf, bits: int) -> str:
    """A C literal that names the number exactly enough to be read back."""
    if bits == 24:
        single = struct.unpack("f", struct.pack("f", float(value)))[0]
        return f"{single:.9e}f"
    return f"{float(value):.17e}"
