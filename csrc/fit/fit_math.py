"""Fit the polynomials of csrc/vec/math.h and write csrc/vec/coefficients.h.

    python csrc/fit/fit_math.py            print every fit and its error
    python csrc/fit/fit_math.py --write    and write the header

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

import argparse
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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
    if fit.low < 0:
        c = [rounded(v, fit.bits) for v in coefficients]
        return remez(fit, c)
    while len(fixed) < total:
        fixed.append(rounded(coefficients[len(fixed)], fit.bits))
        coefficients, worst = remez(fit, fixed)
    return coefficients, worst


def literal(value: mp.mpf, bits: int) -> str:
    """A C literal that names the number exactly enough to be read back."""
    if bits == 24:
        single = struct.unpack("f", struct.pack("f", float(value)))[0]
        return f"{single:.9e}f"
    return f"{float(value):.17e}"


# --- what is fitted -------------------------------------------------------------------------------

ONE, HALF = mp.mpf(1), mp.mpf(1) / 2
LN2 = mp.log(2)
SQRT2 = mp.sqrt(2)


def at_zero(value: mp.mpf, f: Function) -> Function:
    return lambda x: value if x == 0 else f(x)


def series(f: Function, terms: Callable[[int], mp.mpf], n: int, near: float = 0.05) -> Function:
    """f, by its power series near 0 where the closed form cancels."""
    return lambda x: mp.fsum(terms(k) * x**k for k in range(n)) if abs(x) < near else f(x)


exp_tail = series(lambda r: (mp.exp(r) - 1 - r) / r**2, lambda k: 1 / mp.factorial(k + 2), 30)
log_tail = series(
    lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3, lambda k: mp.mpf(-1) ** k / (k + 3), 45
)


def odd(f: Function, first: mp.mpf, value0: mp.mpf) -> Function:
    """(f(x) / x - first) / z as a function of z = x^2: the P in f(x) = first x + x z P(z)."""
    return lambda z: value0 if z < mp.mpf(10) ** -24 else (f(mp.sqrt(z)) / mp.sqrt(z) - first) / z


def odd_weight(f: Function) -> Function:
    return lambda z: ONE if z == 0 else z * mp.sqrt(z) / f(mp.sqrt(z))


sin_tail = odd(mp.sin, ONE, -ONE / 6)
tan_tail = odd(mp.tan, ONE, ONE / 3)
sinh_tail = odd(mp.sinh, ONE, ONE / 6)
asin_tail = odd(mp.asin, ONE, ONE / 6)
atan_tail = odd(mp.atan, ONE, -ONE / 3)


def cos_tail(z: mp.mpf) -> mp.mpf:
    return ONE / 24 if z < mp.mpf(10) ** -12 else (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def atanh_tail(z: mp.mpf) -> mp.mpf:
    """(ln((1 + s) / (1 - s)) - 2 s) / (s z) as a function of z = s^2."""
    if z < mp.mpf(10) ** -20:
        return 2 * ONE / 3 + 2 * z / 5
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) - 2 * s) / (s * z)


def tail_ratio(t: mp.mpf) -> mp.mpf:
    return mp.exp(t * t / 2) * mp.erfc(t / SQRT2) / 2


def erf_ratio(z: mp.mpf) -> mp.mpf:
    return 2 / mp.sqrt(mp.pi) if z == 0 else mp.erf(mp.sqrt(z)) / mp.sqrt(z)


def fits() -> list[Fit]:
    edge = float(LN2 / 2) * 1.0001
    low, high = float(SQRT2 / 2 - 1) * 1.0001, float(SQRT2 - 1) * 1.0001
    quarter = float(mp.pi / 4) ** 2 * 1.001
    s2 = float(((SQRT2 - 1) / (SQRT2 + 1)) ** 2) * 1.001

    def exp_weight(r: mp.mpf) -> mp.mpf:  # relative to e^r - 1, which is the harder one
        return abs(r) if r == 0 else abs(r**2 / mp.expm1(r))

    def log_weight(f: mp.mpf) -> mp.mpf:
        return f**2 if f == 0 else abs(f**3 / mp.log1p(f))

    def relative(f: Function) -> Function:
        return lambda x: 1 / f(x)

    def cos_weight(z: mp.mpf) -> mp.mpf:
        return z**2 / mp.cos(mp.sqrt(z)) + mp.mpf(10) ** -20

    def series_weight(z: mp.mpf) -> mp.mpf:
        return z / 2 + mp.mpf(10) ** -20

    def nonzero(weight: Function) -> Function:
        return lambda x: weight(x) + mp.mpf(10) ** -20

    def two_power(r: mp.mpf) -> mp.mpf:
        return LN2 if r == 0 else mp.expm1(r * LN2) / r

    return [
        Fit(
            "exp_f32",
            "P in e^r = 1 + r + r^2 P(r), |r| <= ln 2 / 2",
            exp_tail,
            nonzero(exp_weight),
            -edge,
            edge,
            4,
            24,
        ),
        Fit("exp_f64", "the same", exp_tail, nonzero(exp_weight), -edge, edge, 9, 53),
        Fit(
            "log_f32",
            "P in ln(1 + f) = f - f^2/2 + f^3 P(f), sqrt(1/2) <= 1 + f <= sqrt(2)",
            log_tail,
            nonzero(log_weight),
            low,
            high,
            7,
            24,
        ),
        Fit(
            "log_f64",
            "P in ln(1 + f) = 2 s + s^3 P(s^2), s = f / (2 + f)",
            atanh_tail,
            series_weight,
            0,
            s2,
            6,
            53,
        ),
        Fit("atanh_f32", "the same, for pow", atanh_tail, series_weight, 0, s2, 3, 24),
        Fit(
            "exp2_f32",
            "P in 2^r = 1 + r P(r), |r| <= 0.51: for pow",
            two_power,
            lambda r: abs(r) / mp.mpf(2) ** r + mp.mpf(10) ** -6,
            -0.51,
            0.51,
            5,
            24,
        ),
        Fit(
            "sin_f32",
            "P in sin r = r + r^3 P(r^2), |r| <= pi/4",
            sin_tail,
            nonzero(odd_weight(mp.sin)),
            0,
            quarter,
            3,
            24,
        ),
        Fit("sin_f64", "the same", sin_tail, nonzero(odd_weight(mp.sin)), 0, quarter, 6, 53),
        Fit(
            "cos_f32",
            "P in cos r = 1 - r^2/2 + r^4 P(r^2)",
            cos_tail,
            cos_weight,
            0,
            quarter,
            2,
            24,
        ),
        Fit("cos_f64", "the same", cos_tail, cos_weight, 0, quarter, 5, 53),
        Fit(
            "tan_f32",
            "P in tan r = r + r^3 P(r^2), |r| <= pi/4",
            tan_tail,
            nonzero(odd_weight(mp.tan)),
            0,
            quarter,
            7,
            24,
        ),
        Fit(
            "erf_f32",
            "P in erf x = x P(x^2), |x| <= 1",
            erf_ratio,
            relative(erf_ratio),
            0,
            1.001,
            6,
            24,
        ),
        Fit(
            "erfc_f32",
            "P(x - 5/2) = 1 - erf x, 1 <= x <= 3.95, absolute error",
            lambda u: mp.erfc(u + mp.mpf("2.5")),
            lambda u: ONE,
            -1.51,
            1.45,
            12,
            24,
        ),
        Fit(
            "erf_f64",
            "P in erf x = x P(x^2), |x| <= 1",
            erf_ratio,
            relative(erf_ratio),
            0,
            1.001,
            11,
            53,
        ),
        Fit(
            "tail_f32",
            "P(t) / Q(t) = e^(t^2/2) Prob(normal > t), 0 <= t <= 13.3",
            tail_ratio,
            relative(tail_ratio),
            0,
            13.3,
            4,
            24,
            below=5,
        ),
        Fit(
            "tail_f64",
            "the same, 0 <= t <= 37.7",
            tail_ratio,
            relative(tail_ratio),
            0,
            37.7,
            10,
            53,
            below=11,
        ),
        Fit(
            "asin_f32",
            "P in asin x = x + x^3 P(x^2), |x| <= 1/2",
            asin_tail,
            nonzero(odd_weight(mp.asin)),
            0,
            0.2501,
            4,
            24,
        ),
        Fit(
            "atan_f32",
            "P in atan x = x + x^3 P(x^2), |x| <= 1",
            atan_tail,
            nonzero(odd_weight(mp.atan)),
            0,
            1.0001,
            7,
            24,
        ),
        Fit(
            "sinh_f32",
            "P in sinh x = x + x^3 P(x^2), |x| <= 1",
            sinh_tail,
            nonzero(odd_weight(mp.sinh)),
            0,
            1.0001,
            3,
            24,
        ),
    ]


HEADER = """\
/* coefficients.h - written by csrc/fit/fit_math.py; do not edit.
 *
 * Minimax polynomials, lowest power first; the comment gives the function and what the
 * approximation adds to the error, in units of half an ULP of the result.
 */
#ifndef TG_VEC_COEFFICIENTS_H
#define TG_VEC_COEFFICIENTS_H
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the polynomials of csrc/vec/math.h.")
    parser.add_argument("--write", action="store_true", help="write csrc/vec/coefficients.h")
    parser.add_argument("only", nargs="*", help="names of fits; all without")
    arguments = parser.parse_args()
    parts = [HEADER]
    for fit in fits():
        if arguments.only and fit.name not in arguments.only:
            continue
        coefficients, worst = solve(fit)
        scaled = worst * mp.mpf(2) ** (fit.accuracy or fit.bits)
        unit = f"2^-{fit.accuracy}" if fit.accuracy else "1/2 ULP"
        print(f"{fit.name:10} degree {fit.degree}/{fit.below}  {float(scaled):.4f} {unit}")
        sys.stdout.flush()
        kind = "float" if fit.bits == 24 else "double"
        values = [literal(c, fit.bits) for c in coefficients]
        arrays = {fit.name: values}
        if fit.below:
            stem, suffix = fit.name.rsplit("_", 1)
            one, n_top = literal(ONE, fit.bits), fit.degree + 1
            arrays = {f"{stem}_top_{suffix}": values[:n_top]}
            arrays[f"{stem}_below_{suffix}"] = [one, *values[n_top:]]
        parts.append(f"/* {fit.meaning}: {float(scaled):.3f} {unit} */")
        for name, numbers in arrays.items():
            lines = [f"static const {kind} tg_{name}[{len(numbers)}] = {{"]
            rows = range(0, len(numbers), 3)
            lines += ["    " + ", ".join(numbers[i : i + 3]) + "," for i in rows]
            parts.append("\n".join(lines) + "\n};\n")
    parts.append("#endif\n")
    if arguments.write:
        target = Path(__file__).resolve().parent.parent / "vec" / "coefficients.h"
        target.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
