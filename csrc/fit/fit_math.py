"""Fit the polynomials of csrc/vec/math.h and write csrc/vec/coefficients.h.

    python csrc/fit/fit_math.py            print every fit and its error
    python csrc/fit/fit_math.py --write    and write the header

remez.py says how. Tables hold the polynomials of eight intervals each, for vf_lookup:
f(c + u) = f(c) + u P(u) around a centre c of few bits, so that u is exact, at which f(c) is almost
a float: the value costs hardly more than the last rounding.

Needs mpmath.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mpmath as mp
from remez import Fit, Function, literal, rounded, solve

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
        Fit(
            "log_piece_f32",
            "P in ln(1 + f) = f - f^2/2 + f^3 P(f), |f| <= 0.067: for pow",
            log_tail,
            lambda f: f**2 + mp.mpf(10) ** -20,
            -0.067,
            0.067,
            4,
            24,
            accuracy=33,
        ),
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
            "exp2_tail_f32",
            "P in 2^r = 1 + r ln 2 + r^2 P(r), |r| <= 0.51: for gelu_tanh",
            lambda r: LN2**2 * exp_tail(r * LN2),
            lambda r: r**2 / mp.mpf(2) ** r + mp.mpf(10) ** -6,
            -0.51,
            0.51,
            4,
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
            "tail_f64",
            "P(t) / Q(t) = e^(t^2/2) Prob(normal > t), 0 <= t <= 37.7",
            tail_ratio,
            relative(tail_ratio),
            0,
            37.7,
            10,
            53,
            below=11,
        ),
        Fit(
            "tail_f32",
            "P in t e^(t^2/2) Prob(normal > t) = P(1/t^2), 5.38 <= t <= 15",
            lambda z: tail_ratio(1 / mp.sqrt(z)) / mp.sqrt(z),
            lambda z: mp.mpf("2.5"),
            1 / 15**2,
            1 / 5.38**2,
            6,
            24,
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


# --- tables ---------------------------------------------------------------------------------------


@dataclass
class Table:
    """f(t) on eight intervals. key(t) is 1 in the first, and doubles from each to the next; or, for
    `even`, it is 8 and one more in each."""

    name: str
    meaning: str
    target: Function
    degree: int
    edge: Callable[[int], mp.mpf]  # where key has come to interval k
    even: bool = False
    root: mp.mpf | None = None  # of f, is a centre
    share: float = 0.5  # where in its interval a centre is


def best_centre(f: Function, low: mp.mpf, high: mp.mpf, share: float) -> mp.mpf:
    """The multiple of 2^-12 near the middle at which f is nearest to a float."""
    middle, reach = low + (high - low) * share, (high - low) / 40
    first, last = int(mp.ceil((middle - reach) * 4096)), int((middle + reach) * 4096)
    centres = [mp.mpf(i) / 4096 for i in range(first, last + 1)]
    return min(centres, key=lambda c: abs(f(c) - rounded(f(c), 24)) / abs(f(c)))


def solve_table(table: Table) -> tuple[list[list[mp.mpf]], mp.mpf]:
    """A row of centres, then a row per coefficient. Column i is for a key of which the three bits
    that vf_lookup takes, of the mantissa or the exponent (127 in the first interval), are i."""
    rows = [[mp.mpf(0)] * 8 for _ in range(table.degree + 2)]
    worst = mp.mpf(0)
    f = table.target
    for k in range(8):
        low = table.edge(k) * (1 - mp.mpf(2) ** -20)
        high = table.edge(k + 1) * (1 + mp.mpf(2) ** -20)
        if k == 0 and f(mp.mpf(0)) == 0:
            c = mp.mpf(0)
        elif table.root is not None and low < table.root < high:
            c = rounded(table.root, 24)
        else:
            c = best_centre(f, low, high, table.share)
        value = rounded(f(c), 24)

        def quotient(u: mp.mpf, c: mp.mpf = c) -> mp.mpf:
            near = mp.mpf(10) ** -12  # here the slope will do
            return mp.diff(f, c) if abs(u) < near else (f(c + u) - f(c)) / u

        def weight(u: mp.mpf, c: mp.mpf = c, width: mp.mpf = high - low) -> mp.mpf:
            u = max(u, width / 50) if u > 0 else min(u, -width / 50)  # never 0
            return abs(u / (f(c + u) - (f(c) if abs(f(c)) < mp.mpf(10) ** -6 else 0)))

        fit = Fit("", "", quotient, weight, low - c, high - c, table.degree - 1, 24)
        fit.try_both = True
        coefficients, error = solve(fit)
        worst = max(worst, error)
        for row, number in zip(rows, [c, value, *coefficients], strict=True):
            row[k if table.even else (k + 7) % 8] = number
    return rows, worst


# 2 sqrt(2 / pi) and its cubic companion: gelu_tanh(x) = x sigmoid(LINE x + CUBIC x^3)
LINE = 2 * mp.sqrt(2 / mp.pi)
CUBIC = LINE * mp.mpf("0.044715")


def tables() -> list[Table]:
    def powers(step: str) -> Callable[[int], mp.mpf]:  # key (1 + step t)^2
        return lambda k: (SQRT2**k - 1) / mp.mpf(step)

    def quadratic(linear: str, square: str) -> Callable[[int], mp.mpf]:
        """Key 8 + linear t + square t^2."""
        a, b = mp.mpf(square), mp.mpf(linear)
        return lambda k: (mp.sqrt(b**2 + 4 * a * k) - b) / (2 * a)

    def gelu(t: mp.mpf) -> mp.mpf:
        return t * mp.erfc(t / SQRT2) / 2

    def gelu_slope(t: mp.mpf) -> mp.mpf:
        return mp.erfc(t / SQRT2) / 2 - t * mp.npdf(t)

    def silu_slope(t: mp.mpf) -> mp.mpf:
        e = mp.exp(-t)
        return e * (1 + e - t) / (1 + e) ** 2

    def gelu_tanh_slope(t: mp.mpf) -> mp.mpf:
        e = mp.exp(-(LINE * t + CUBIC * t**3))
        return (1 + e - (LINE * t + 3 * CUBIC * t**3)) / (1 + e) ** 2

    closer, wider = quadratic("1", "0.09"), quadratic("1.25", "-0.045")
    steep = 0.8  # where f falls steeply, from the low side: nothing cancels

    return [
        Table("gelu", "t Prob(normal > t)", gelu, 8, closer, True, None, steep),
        Table(
            "gelu_slope",
            "Prob(normal > t) - t density(t)",
            gelu_slope,
            8,
            closer,
            True,
            mp.findroot(gelu_slope, 0.75),
            steep,
        ),
        Table(
            "silu_slope",
            "e (1 + e - t) / (1 + e)^2, e = e^-t",
            silu_slope,
            7,
            wider,
            True,
            mp.findroot(silu_slope, 1.28),
            steep,
        ),
        Table(
            "gelu_tanh_slope",
            "(1 + e - t u') / (1 + e)^2, e = e^-u",
            gelu_tanh_slope,
            7,
            powers("1.5"),
            root=mp.findroot(gelu_tanh_slope, 0.75),
        ),
    ]


def log2_pieces() -> list[list[mp.mpf]]:
    """For m from 31/32 to 31/16, in eight intervals that end at odd multiples of 1/16: the centre
    c, the float r nearest to 1/c, and log2 c in two parts, the first of 15 bits after the point.
    c is where the float is nearest. Around 1 all is exact."""
    rows = [[mp.mpf(1)], [mp.mpf(1)], [mp.mpf(0)], [mp.mpf(0)]]
    for k in range(1, 8):
        middle = 1 + mp.mpf(k) / 8  # (1/low + 1/high) / 2 = 1/c makes f symmetric
        c0 = int((middle - 1 / (256 * middle)) * 2**20)
        centres = (mp.mpf(i) / 2**20 for i in range(c0 - 400, c0 + 400))
        c = min(centres, key=lambda c: abs(rounded(1 / c, 24) * c - 1))
        exact = mp.log(c, 2)
        high = mp.nint(exact * 2**15) / 2**15
        for row, number in zip(
            rows, [c, rounded(1 / c, 24), high, rounded(exact - high, 24)], strict=True
        ):
            row.append(number)
    return rows


HEADER = """\
/* coefficients.h - written by csrc/fit/fit_math.py; do not edit.
 *
 * Minimax polynomials, lowest power first; the comment gives the function and what the
 * approximation adds to the error, in units of half an ULP of the result.
 */
#ifndef TG_VEC_COEFFICIENTS_H
#define TG_VEC_COEFFICIENTS_H
"""


def matrix(name: str, rows: list[list[mp.mpf]]) -> str:
    lines = [f"static const TG_TABLE_ALIGN float tg_{name}[{len(rows)}][8] = {{"]
    for row in rows:
        numbers = [literal(v, 24) for v in row]
        lines += ["    {" + ", ".join(numbers[:4]) + ",", "     " + ", ".join(numbers[4:]) + "},"]
    return "\n".join(lines) + "\n};\n"


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
    for table in tables():
        name = f"{table.name}_f32"
        if arguments.only and name not in arguments.only:
            continue
        rows, worst = solve_table(table)
        scaled = worst * mp.mpf(2) ** 24
        print(f"{name} degree {table.degree}, 8 intervals  {float(scaled):.4f} 1/2 ULP")
        end = float(table.edge(8))
        text = f"{table.meaning}, 0 <= t <= {end:.2f}: {float(scaled):.3f} 1/2 ULP"
        parts.append(f"/* {text}; centres, then coefficients */")
        parts.append(matrix(name, rows))
    if not arguments.only:
        parts.append("/* c, 1/c, log2 c in two parts: for pow */")
        parts.append(matrix("log2_pieces_f32", log2_pieces()))
        parts.append("/* gelu_tanh(x) = x / (1 + 2^-(LINE x + CUBIC x^3)), each in two parts */")
        line, cubic = LINE / LN2, CUBIC / LN2
        high = mp.nint(line * 2**20) / 2**20
        for name, value in {
            "LINE": high,
            "LINE_LOW": line - high,
            "CUBIC": rounded(cubic, 24),
            "CUBIC_LOW": cubic - rounded(cubic, 24),
        }.items():
            parts.append(f"#define TG_GELU_TANH_{name} {literal(value, 24)}")
    parts.append("#endif\n")
    if arguments.write:
        target = Path(__file__).resolve().parent.parent / "vec" / "coefficients.h"
        target.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
