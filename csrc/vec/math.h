/* math.h - elementary functions on whole vectors: vf_exp, vd_exp, vf_tanh, ...
 *
 * Method: reduce the argument with a few exact steps, evaluate a minimax polynomial
 * (coefficients.h, fitted by csrc/fit/fit_math.py), put the exponent back. All lanes take the same
 * path; only log's odd arguments and the huge ones of sin, cos, tan branch off. Consecutive vectors
 * are independent: the processor hides the latency of one behind the next.
 *
 * Every function keeps NaN, signed zeros, infinities and denormal arguments as C99 says. The
 * largest errors, in units in the last place, on the whole line including denormal results, with
 * FMA (tests/test_math_ulp.py measures them): exp, log and their kin below 2; the others, pow and
 * the slopes of gelu, gelu_tanh and silu below 3.
 *
 * Written once for both types in math_common.h: exp, expm1, log..., sigmoid, gelu... Here: what has
 * its own form in each. Double's rarely used functions (the inverse trigonometric and hyperbolic
 * ones, tan, pow) call libm lane by lane, as does the baseline, where no FMA makes reduction exact.
 */
#ifndef TG_VEC_MATH_H
#define TG_VEC_MATH_H

#include "coefficients.h"
#include <float.h>
#include <math.h>

#include "f32.h"
#include "math_common.h"

#include "f64.h"
#include "math_common.h"

/* --- float ------------------------------------------------------------------------------------ */

TG_INLINE vf vf_erf(vf x)
{
    vf a = vf_min(vf_set1(3.95f), vf_abs(x)); /* from there on erf rounds to 1 */
    vf near = vf_mul(x, vf_poly(vf_mul(a, a), tg_erf_f32, 7));
    vf far = vf_sub(vf_set1(1), vf_poly(vf_sub(a, vf_set1(2.5f)), tg_erfc_f32, 13));
    return vf_select(vf_lt(a, vf_set1(1)), near, vf_copysign(far, x));
}

/* The polynomial of the interval that holds t, at t: `key` and `shift` choose it (see vf_lookup);
 * `table` has the centres, then the coefficients. */
TG_INLINE vf vf_piece(vf t, vf key, int shift, const float (*table)[8], int degree)
{
    vf u = vf_sub(t, vf_lookup(table[0], key, shift)), p = vf_lookup(table[degree + 1], key, shift);
    for (int i = degree; i > 0; i--)
        p = vf_fma(p, u, vf_lookup(table[i], key, shift));
    return p;
}

#define TG_GELU_NEAR 5.38f /* the end of the intervals of gelu, whose mantissas are eighths */

TG_INLINE vf vf_gelu_piece(vf a, const float (*table)[8])
{
    a = vf_min(vf_set1(TG_GELU_NEAR), a);
    vf key = vf_fma(a, vf_fma(a, vf_set1(0.09f), vf_set1(1)), vf_set1(8));
    return vf_piece(a, key, 20, table, 8);
}

/* For a >= 5.38, z a standard normal number: a Prob(z > a) e^(a^2 / 2) as the result, a polynomial
 * of square = 1 / a^2, and e^(-a^2 / 2) = (1 + p) power 2^-64 */
TG_INLINE vf vf_gelu_tail(vf a, vf *square, vf *p, vf *power)
{
    *p = vf_normal_density(a, power);
    *square = vf_div(vf_set1(1), vf_mul(a, a));
    return vf_poly(*square, tg_tail_f32, 7);
}

static __attribute__((noinline, unused)) vf vf_gelu_far(vf x, vf y)
{
    vf square, p, power, w = vf_gelu_tail(vf_min(vf_set1(14.6f), vf_abs(x)), &square, &p, &power);
    w = vf_mul(vf_mul(vf_fma(w, p, w), power), vf_set1(-0x1p-64f));
    return vf_select(vf_lt(x, vf_set1(-TG_GELU_NEAR)), w, y);
}

/* x Prob(z < x) = max(x, 0) - |x| Prob(z > |x|): the sum never cancels. Beyond 5.38 the second
 * term is less than half an ULP of x, so only the negative lanes need more. */
TG_INLINE vf vf_gelu(vf x)
{
    vf w = vf_gelu_piece(vf_abs(x), tg_gelu_f32);
    vf y = vf_copysign(vf_sub(vf_max(vf_zero(), x), w), x);
    vf_mask far = vf_lt(x, vf_set1(-TG_GELU_NEAR));
    return TG_UNLIKELY(vf_mask_any(far)) ? vf_gelu_far(x, y) : y;
}

static __attribute__((noinline, unused)) vf vf_gelu_slope_far(vf x, vf y)
{
    vf square, p, power, a = vf_min(vf_set1(14.6f), vf_abs(x));
    vf w = vf_gelu_tail(a, &square, &p, &power);
    w = vf_mul(a, vf_fms(w, square, vf_set1(0.398942280f)));
    w = vf_mul(vf_mul(vf_fma(w, p, w), power), vf_set1(0x1p-64f));
    w = vf_select(vf_lt(x, vf_zero()), w, vf_sub(vf_set1(1), w));
    return vf_select(vf_gt(vf_abs(x), vf_set1(TG_GELU_NEAR)), w, y);
}

/* Prob(z < x) + x density(x) = 1 minus the same of -x. Where it is 0, near -3/4, an interval has
 * its centre, so that the relative error stays small there too. */
TG_INLINE vf vf_gelu_slope(vf x)
{
    vf a = vf_abs(x), w = vf_gelu_piece(a, tg_gelu_slope_f32);
    vf y = vf_select(vf_lt(x, vf_zero()), w, vf_sub(vf_set1(1), w));
    vf_mask far = vf_gt(a, vf_set1(TG_GELU_NEAR));
    return TG_UNLIKELY(vf_mask_any(far)) ? vf_gelu_slope_far(x, y) : y;
}

#define TG_SILU_NEAR 9.99f /* just below 10, the end of the intervals */

static __attribute__((noinline, unused)) vf vf_silu_slope_far(vf x, vf y)
{
    vf raised, a = vf_exp_range(x); /* raised: e^-a 2^64 = (1 + p) raised */
    vf p = vf_expm1_core(vf_reduce_exp_raised(vf_neg(a), 64, &raised));
    vf e = vf_mul(vf_fma(p, raised, raised), vf_set1(0x1p-64f));
    vf w = vf_add(vf_sub(vf_set1(1), a), e); /* over (1 + e)^2, where e is below 5e-5 */
    w = vf_fma(w, vf_mul(e, vf_fms(e, vf_set1(3), vf_set1(2))), w);
    w = vf_mul(vf_mul(vf_fma(w, p, w), raised), vf_set1(0x1p-64f));
    w = vf_select(vf_lt(x, vf_zero()), w, vf_sub(vf_set1(1), w));
    return vf_select(vf_gt(vf_abs(x), vf_set1(TG_SILU_NEAR)), w, y);
}

/* Also f'(x) = 1 - f'(-x) has silu, and f'(-a) = e (1 + e - a) / (1 + e)^2 with e = e^-a. Again the
 * root, at a = 1.2785, is a centre. */
TG_INLINE vf vf_silu_slope(vf x)
{
    vf abs = vf_abs(x), a = vf_min(vf_set1(TG_SILU_NEAR), abs);
    vf key = vf_fma(a, vf_fma(a, vf_set1(-0.045f), vf_set1(1.25f)), vf_set1(8));
    vf w = vf_piece(a, key, 20, tg_silu_slope_f32, 7);
    vf y = vf_select(vf_lt(x, vf_zero()), w, vf_sub(vf_set1(1), w));
    vf_mask far = vf_gt(abs, vf_set1(TG_SILU_NEAR));
    return TG_UNLIKELY(vf_mask_any(far)) ? vf_silu_slope_far(x, y) : y;
}

/* e^-u = (1 + p) 2^n: p, and 2^(n + 64), for u = 2 sqrt(2 / pi) (a + 0.044715 a^3), 0 <= a <= 11.
 * A u that is rounded would cost u ULP, so u / ln 2 = a (line + cubic a^2) is found in two parts:
 * `line` has so few bits that line - q is exact. */
TG_INLINE vf vf_gelu_tanh_exp(vf a, vf *power)
{
#if TG_VEC_FMA
    vf line = vf_set1(TG_GELU_TANH_LINE), cubic = vf_set1(TG_GELU_TANH_CUBIC);
    vf rounder = vf_set1(0x1.8p23f + 127 + 64);
    vf z = vf_mul(a, a), z_low = vf_fms(a, a, z), q = vf_fma(z, cubic, line);
    vf m = vf_fnma(a, q, rounder);
    *power = vf_to_exponent(m);
    vf low = vf_fma(z, vf_set1(TG_GELU_TANH_CUBIC_LOW), vf_set1(TG_GELU_TANH_LINE_LOW));
    low = vf_add(vf_fma(z_low, cubic, low), vf_fma(z, cubic, vf_sub(line, q)));
    vf r = vf_fnma(a, low, vf_fnma(a, q, vf_sub(rounder, m)));
    /* 2^r - 1 = r ln 2 + r^2 P(r), of which only the last sum is rounded at its size */
    vf tail = vf_fma(r, vf_poly(r, tg_exp2_tail_f32, 5), vf_set1(-1.90465430e-9f));
    return vf_fma(r, vf_set1(0.693147182f), vf_mul(r, tail));
#else /* one lane: in double */
    double u = (double)a * (1.5957691216057308 + 1.5957691216057308 * 0.044715 * a * a);
    double n = rint(u * 1.4426950408889634);
    *power = vf_pow2((float)(64 - n));
    return vf_expm1_core((float)(n * 0.69314718055994531 - u));
#endif
}

TG_INLINE vf vf_gelu_tanh(vf x)
{
    vf e, a = vf_min(vf_set1(11.0f), vf_abs(x)), p = vf_gelu_tanh_exp(a, &e);
    return vf_gated(x, a, p, e);
}

/* The same slope with u(a) for a is e^-u w, w = (1 + e - a u') / (1 + e)^2. 1 + 1.5 a goes up by
 * sqrt 2 from one interval of w to the next, its square by 2. */
TG_INLINE vf vf_gelu_tanh_slope(vf x)
{
    vf power, a = vf_min(vf_set1(11), vf_abs(x)), p = vf_gelu_tanh_exp(a, &power);
    vf s = vf_fma(a, vf_set1(1.5f), vf_set1(1)), key = vf_min(vf_set1(255), vf_mul(s, s));
    vf w = vf_piece(a, key, 23, tg_gelu_tanh_slope_f32, 7);
    w = vf_mul(vf_mul(vf_fma(w, p, w), power), vf_set1(0x1p-64f));
    return vf_select(vf_lt(x, vf_zero()), w, vf_sub(vf_set1(1), w));
}

/* atan(x) for 0 <= x <= 1, and asin(x) for 0 <= x <= 1/2 with z = x^2 */
TG_INLINE vf vf_atan_core(vf x)
{
    vf z = vf_mul(x, x);
    return vf_fma(vf_mul(x, z), vf_poly(z, tg_atan_f32, 8), x);
}

TG_INLINE vf vf_asin_core(vf x, vf z)
{
    return vf_fma(vf_mul(x, z), vf_poly(z, tg_asin_f32, 5), x);
}

#define TG_HALF_PI 1.57079637f
#define TG_HALF_PI_LOW -4.37113883e-8f

TG_INLINE vf vf_atan(vf x)
{
    vf a = vf_abs(x);
    vf_mask big = vf_gt(a, vf_set1(1));
    vf p = vf_atan_core(vf_select(big, vf_div(vf_set1(1), a), a));
    vf rest = vf_add(vf_sub(vf_set1(TG_HALF_PI), p), vf_set1(TG_HALF_PI_LOW));
    return vf_copysign(vf_select(big, rest, p), x);
}

TG_INLINE vf vf_atan2(vf y, vf x)
{
    vf ax = vf_abs(x), ay = vf_abs(y), top = vf_min(ax, ay), below = vf_max(ax, ay);
    vf q = vf_div(top, below);
    /* 0/0 and inf/inf: the angles of C99 are those of 0 and 1 */
    vf one = vf_select(vf_eq(below, vf_zero()), vf_zero(), vf_set1(1));
    q = vf_select(vf_eq(top, below), one, q);
    vf p = vf_atan_core(q);
    vf rest = vf_add(vf_sub(vf_set1(TG_HALF_PI), p), vf_set1(TG_HALF_PI_LOW));
    p = vf_select(vf_gt(ay, ax), rest, p);
    rest = vf_add(vf_sub(vf_set1(2 * TG_HALF_PI), p), vf_set1(2 * TG_HALF_PI_LOW));
    p = vf_select(vf_lt(vf_copysign(vf_set1(1), x), vf_zero()), rest, p);
    p = vf_copysign(p, y);
    return vf_select(vf_mask_or(vf_isnan(x), vf_isnan(y)), vf_add(x, y), p);
}

TG_INLINE vf vf_asin(vf x)
{
    /* beyond 1/2: asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)); beyond 1 the root is NaN */
    vf a = vf_abs(x), half = vf_set1(0.5f);
    vf_mask big = vf_gt(a, half);
    vf z = vf_select(big, vf_fnma(a, half, half), vf_mul(a, a));
    vf p = vf_asin_core(vf_select(big, vf_sqrt(z), a), z);
    vf rest = vf_add(vf_fnma(p, vf_set1(2), vf_set1(TG_HALF_PI)), vf_set1(TG_HALF_PI_LOW));
    return vf_copysign(vf_select(big, rest, p), x);
}

TG_INLINE vf vf_acos(vf x)
{
    vf a = vf_abs(x), half = vf_set1(0.5f);
    vf_mask big = vf_gt(a, half), negative = vf_lt(x, vf_zero());
    vf z = vf_select(big, vf_fnma(a, half, half), vf_mul(a, a));
    vf p = vf_asin_core(vf_select(big, vf_sqrt(z), x), z);
    vf twice = vf_add(p, p);
    vf left = vf_add(vf_sub(vf_set1(2 * TG_HALF_PI), twice), vf_set1(2 * TG_HALF_PI_LOW));
    vf middle = vf_add(vf_sub(vf_set1(TG_HALF_PI), p), vf_set1(TG_HALF_PI_LOW));
    return vf_select(big, vf_select(negative, left, twice), middle);
}

/* e^|x| / 2, which is finite where cosh is. */
TG_INLINE vf vf_half_exp(vf a)
{
    vf n, y = vf_exp_reduced(vf_min(vf_set1(90), a), &n);
    vf h = vf_pow2(vf_sub(n, vf_set1(2)));
    return vf_mul(vf_add(y, y), h);
}

TG_INLINE vf vf_cosh(vf x)
{
    vf h = vf_half_exp(vf_abs(x));
    return vf_add(h, vf_div(vf_set1(0.25f), h));
}

TG_INLINE vf vf_sinh(vf x)
{
    vf a = vf_abs(x), h = vf_half_exp(a), z = vf_mul(x, x);
    vf far = vf_copysign(vf_sub(h, vf_div(vf_set1(0.25f), h)), x);
    vf near = vf_fma(vf_mul(x, z), vf_poly(z, tg_sinh_f32, 4), x);
    return vf_select(vf_lt(a, vf_set1(1)), near, far);
}

/* ln(1 + z) with 1 + z = |x| + sqrt(x^2 + 1); from 1e10 on that is 2 |x|, and x^2 may overflow. */
TG_INLINE vf vf_asinh(vf x)
{
    vf a = vf_abs(x), one = vf_set1(1);
    vf_mask big = vf_gt(a, vf_set1(1e10f));
    vf z = vf_mul(a, a);
    vf arg = vf_add(a, vf_div(z, vf_add(one, vf_sqrt(vf_add(one, z)))));
    vf y = vf_log1p(vf_select(big, a, arg));
    return vf_copysign(vf_add(y, vf_select(big, vf_set1(0.693147181f), vf_zero())), x);
}

TG_INLINE vf vf_acosh(vf x)
{
    vf_mask big = vf_gt(x, vf_set1(1e10f));
    vf t = vf_sub(x, vf_set1(1));
    vf arg = vf_add(t, vf_sqrt(vf_fma(t, t, vf_add(t, t))));
    vf y = vf_log1p(vf_select(big, x, arg));
    y = vf_add(y, vf_select(big, vf_set1(0.693147181f), vf_zero()));
    return vf_select(vf_lt(x, vf_set1(1)), vf_set1(NAN), y);
}

TG_INLINE vf vf_atanh(vf x)
{
    vf a = vf_abs(x);
    vf y = vf_log1p(vf_div(vf_add(a, a), vf_sub(vf_set1(1), a)));
    return vf_copysign(vf_mul(vf_set1(0.5f), y), x);
}

#if TG_VEC_FMA

/* log2 a as the sum of two floats, for positive normal a = 2^e m: of the interval that holds m, c
 * and r ~ 1 / c (relative difference below 2^-33) give f = (m - c) r, exactly with FMA, and
 * log2 m = log2 c + log2(1 + f). What each step rounds off goes into `low`. */
TG_INLINE vf vf_log2_twice(vf a, vf shift, vf *low)
{
    vf e, m = vf_split(a, 0.96875f, &e), key = vf_add(m, vf_set1(0.0625f)), half = vf_set1(-0.5f);
    vf d = vf_sub(m, vf_lookup(tg_log2_pieces_f32[0], key, 20));
    vf r = vf_lookup(tg_log2_pieces_f32[1], key, 20);
    vf f = vf_mul(d, r), f_low = vf_fms(d, r, f), z = vf_mul(f, f), z_low = vf_fms(f, f, z);
    f_low = vf_fnma(f_low, f, f_low); /* f_low / (1 + f) */
    /* ln(1 + f) = f - z / 2 + f z P(f) */
    vf ln = vf_fma(z, half, f), ln_low = vf_fma(z, half, vf_sub(f, ln));
    vf rest = vf_fma(vf_mul(f, z), vf_poly(f, tg_log_piece_f32, 5), vf_fma(z_low, half, f_low));
    ln_low = vf_add(ln_low, rest);
    vf high = vf_set1(1.44269502f), p = vf_mul(ln, high); /* log2(e) = high + 1.925963e-8 */
    vf p_low = vf_fma(ln, vf_set1(1.92596303e-8f), vf_fms(ln, high, p));
    p_low = vf_fma(ln_low, high, p_low);
    e = vf_add(vf_sub(e, shift), vf_lookup(tg_log2_pieces_f32[2], key, 20)); /* exact */
    vf sum = vf_add(e, p);
    p_low = vf_add(p_low, vf_lookup(tg_log2_pieces_f32[3], key, 20));
    *low = vf_add(vf_sub(p, vf_sub(sum, e)), p_low);
    return sum;
}

/* 2^(b l), l a logarithm in two parts */
TG_INLINE vf vf_exp2_product(vf b, vf l, vf low)
{
    vf t = vf_mul(b, l), one = vf_set1(1);
    vf rest = vf_fma(b, low, vf_fms(b, l, t)); /* NaN when t is infinite: max drops it */
    rest = vf_min(vf_max(rest, vf_set1(-1)), one);
    t = vf_max(vf_set1(-200), vf_min(vf_set1(200), t));
    vf n = vf_round(vf_add(t, rest)), r = vf_add(vf_sub(t, n), rest);
    return vf_scale(vf_fma(r, vf_poly(r, tg_exp2_f32, 6), one), n);
}

/* The powers of which an a is not positive and normal, or a b infinite or NaN. */
static __attribute__((noinline, unused)) vf vf_pow_special(vf a, vf b)
{
    vf aa = vf_abs(a), zero = vf_zero(), one = vf_set1(1), inf = vf_set1(INFINITY), low;
    vf_mask small = vf_lt(aa, vf_set1(FLT_MIN));
    vf shift = vf_select(small, vf_set1(24), zero);
    vf l = vf_log2_twice(vf_select(small, vf_mul(aa, vf_set1(0x1p24f)), aa), shift, &low);
    vf bb = vf_max(vf_set1(-FLT_MAX), vf_min(vf_set1(FLT_MAX), b));
    vf y = vf_exp2_product(bb, l, low);
    /* |a| = 0 and inf */
    vf_mask is_zero = vf_eq(aa, zero), is_inf = vf_eq(aa, inf);
    y = vf_select(is_inf, vf_select(vf_gt(b, zero), inf, zero), y);
    y = vf_select(is_zero, vf_select(vf_gt(b, zero), zero, inf), y);
    /* a < 0: NaN unless b is an integer, negative when b is odd */
    vf half = vf_mul(b, vf_set1(0.5f));
    vf_mask whole = vf_eq(vf_round(b), b), even = vf_eq(vf_round(half), half);
    y = vf_select(vf_mask_and(whole, vf_mask_not(even)), vf_copysign(y, a), y);
    vf_mask root = vf_mask_and(vf_lt(a, zero), vf_mask_not(vf_mask_or(whole, is_inf)));
    vf_mask nan = vf_mask_or(root, vf_mask_or(vf_isnan(a), vf_isnan(b)));
    y = vf_select(nan, vf_set1(NAN), y);
    return vf_select(vf_mask_or(vf_eq(a, one), vf_eq(b, zero)), one, y);
}

/* a^b = 2^(b log2 a): the logarithm needs 8 digits more than a float has, as its integer part
 * counts for nothing in the end. */
TG_INLINE vf vf_pow(vf a, vf b)
{
    vf_mask plain = vf_mask_and(vf_ge(a, vf_set1(FLT_MIN)), vf_le(a, vf_set1(FLT_MAX)));
    plain = vf_mask_and(plain, vf_le(vf_abs(b), vf_set1(FLT_MAX)));
    if (TG_UNLIKELY(!vf_mask_all(plain)))
        return vf_pow_special(a, b);
    vf low, l = vf_log2_twice(a, vf_zero(), &low);
    return vf_exp2_product(b, l, low);
}

#else

TG_INLINE vf vf_pow(vf a, vf b)
{
    float x[VF_LANES], y[VF_LANES];
    vf_store(x, a);
    vf_store(y, b);
    for (int i = 0; i < VF_LANES; i++)
        x[i] = powf(x[i], y[i]);
    return vf_load(x);
}

#endif

/* --- double ----------------------------------------------------------------------------------- */

/* Prob(z > t) e^(t^2 / 2) for a standard normal number z, 0 <= t <= 39: a quotient of
 * polynomials whose coefficients are all positive, so that nothing cancels. */
TG_INLINE vd vd_tail_ratio(vd t)
{
    return vd_div(vd_poly_halves(t, tg_tail_top_f64, 11), vd_poly_halves(t, tg_tail_below_f64, 12));
}

/* As for float. */
TG_INLINE vd vd_gelu(vd x)
{
    vd e, a = vd_min(vd_set1(39), vd_abs(x)), p = vd_normal_density(a, &e);
    vd w = vd_mul(a, vd_tail_ratio(a));
    w = vd_mul(vd_fma(w, p, w), e);
    return vd_copysign(vd_fnma(w, vd_set1(0x1p-512), vd_max(vd_zero(), x)), x);
}

TG_INLINE vd vd_gelu_slope(vd x)
{
    vd e, a = vd_min(vd_set1(39), vd_abs(x)), p = vd_normal_density(a, &e);
    vd w = vd_fnma(a, vd_set1(0.39894228040143268), vd_tail_ratio(a)); /* tail - a density */
    w = vd_mul(vd_mul(vd_fma(w, p, w), e), vd_set1(0x1p-512));
    return vd_select(vd_lt(x, vd_zero()), w, vd_sub(vd_set1(1), w));
}

/* e (1 + e - a u') / (1 + e)^2 with e = e^-u, here times 2^512 */
TG_INLINE vd vd_gated_slope(vd x, vd a_slope, vd e)
{
    vd one = vd_set1(1), low = vd_set1(0x1p-512), below = vd_fma(e, low, one);
    vd w = vd_div(vd_mul(e, vd_sub(below, a_slope)), vd_mul(below, below));
    w = vd_mul(w, low);
    return vd_select(vd_lt(x, vd_zero()), w, vd_sub(one, w));
}

TG_INLINE vd vd_silu_slope(vd x)
{
    vd a = vd_exp_range(x);
    return vd_gated_slope(x, a, vd_exp_raised(a));
}

#define TG_GELU_LINE 1.5957691216057308 /* 2 sqrt(2 / pi): tanh(u) = 2 sigmoid(2 u) - 1 */
#define TG_GELU_CUBIC (0.044715 * TG_GELU_LINE)

TG_INLINE vd vd_gelu_tanh(vd x)
{
    vd a = vd_min(vd_set1(21.5), vd_abs(x));
    vd u = vd_fma(vd_mul(a, a), vd_set1(TG_GELU_CUBIC), vd_set1(TG_GELU_LINE));
    vd power, r = vd_reduce_exp_raised(vd_neg(vd_mul(u, a)), 512, &power);
    return vd_gated(x, a, vd_expm1_core(r), power);
}

TG_INLINE vd vd_gelu_tanh_slope(vd x)
{
    vd a = vd_min(vd_set1(21.5), vd_abs(x)), z = vd_mul(a, a), line = vd_set1(TG_GELU_LINE);
    vd u = vd_fma(z, vd_set1(TG_GELU_CUBIC), line);
    vd du = vd_fma(z, vd_set1(3 * TG_GELU_CUBIC), line);
    return vd_gated_slope(x, vd_mul(du, a), vd_exp_raised(vd_mul(u, a)));
}

TG_INLINE vd vd_erf(vd x)
{
    vd a = vd_abs(x), z = vd_mul(x, x), e;
    vd near = vd_mul(x, vd_poly(z, tg_erf_f64, 12));
    vd t = vd_mul(vd_min(vd_set1(7), a), vd_set1(1.4142135623730951));
    vd p = vd_normal_density(t, &e), tail = vd_tail_ratio(t);
    tail = vd_mul(vd_mul(vd_fma(tail, p, tail), e), vd_set1(0x1p-512));
    vd far = vd_copysign(vd_fnma(tail, vd_set1(2), vd_set1(1)), x);
    return vd_select(vd_lt(a, vd_set1(1)), near, far);
}

#define TG_LIBM1(name)                                                                             \
    TG_INLINE vd vd_##name(vd x)                                                                   \
    {                                                                                              \
        return vd_map(x, name);                                                                    \
    }
TG_LIBM1(tan)
TG_LIBM1(asin)
TG_LIBM1(acos)
TG_LIBM1(atan)
TG_LIBM1(sinh)
TG_LIBM1(cosh)
TG_LIBM1(asinh)
TG_LIBM1(acosh)
TG_LIBM1(atanh)
#undef TG_LIBM1

#define TG_LIBM2(name)                                                                             \
    TG_INLINE vd vd_##name(vd a, vd b)                                                             \
    {                                                                                              \
        double x[VD_LANES], y[VD_LANES];                                                           \
        vd_store(x, a);                                                                            \
        vd_store(y, b);                                                                            \
        for (int i = 0; i < VD_LANES; i++)                                                         \
            x[i] = name(x[i], y[i]);                                                               \
        return vd_load(x);                                                                         \
    }
TG_LIBM2(pow)
TG_LIBM2(atan2)
#undef TG_LIBM2

#endif
