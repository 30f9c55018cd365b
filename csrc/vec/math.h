/* math.h - elementary functions on whole vectors: vf_exp, vd_exp, vf_tanh, ...
 *
 * Method: reduce the argument with a few exact steps, evaluate a minimax polynomial
 * (coefficients.h, fitted by csrc/fit/fit_math.py), put the exponent back. All lanes take the same
 * path; only log's odd arguments and the huge ones of sin, cos, tan branch off. Consecutive vectors
 * are independent: the processor hides the latency of one behind the next.
 *
 * Every function keeps NaN, signed zeros, infinities and denormal arguments as C99 says. The
 * largest errors over all floats, in units in the last place, with FMA (tests/test_math_ulp.py
 * measures them): exp, log and their kin below 2, the others below 3. Beyond that: gelu below 5
 * on the negative side; gelu_tanh below 3 of max(|y|, |x| / 4), as the argument of its
 * exponential, cubic in x, is rounded first; pow below 5. Of gelu, gelu_tanh and silu, results
 * below 2^-96 lose digits, and below the smallest normal number may be 0.
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

/* log2 a as the sum of two floats, for positive normal a: with s = (m - 1) / (m + 1), m the
 * mantissa, ln m = 2 s + s^3 P(s^2). What each step rounds off is found with FMA and added to
 * `low`. */
TG_INLINE vf vf_log2_twice(vf a, vf shift, vf *low)
{
    vf e, f = vf_log_split(a, shift, &e), one = vf_set1(1), m = vf_add(f, one);
    vf below = vf_add(m, one), rest = vf_sub(m, vf_sub(below, one));
    vf r = vf_div(one, below), s = vf_mul(f, r);
    vf s_low = vf_mul(r, vf_fnma(s, rest, vf_fnma(s, below, f)));
    vf z = vf_mul(s, s), top = vf_add(s, s);
    vf v = vf_fma(vf_mul(s, z), vf_poly(z, tg_atanh_f32, 4), vf_add(s_low, s_low));
    vf ln = vf_add(top, v), ln_low = vf_sub(v, vf_sub(ln, top));
    vf high = vf_set1(1.44269502f), p = vf_mul(ln, high); /* log2(e) = high + 1.925963e-8 */
    vf p_low = vf_fma(ln, vf_set1(1.92596303e-8f), vf_fms(ln, high, p));
    p_low = vf_fma(ln_low, high, p_low);
    vf sum = vf_add(e, p);
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
    vf n = vf_round(t), r = vf_add(vf_sub(t, n), rest);
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

TG_INLINE vd vd_erf(vd x)
{
    vd a = vd_abs(x), z = vd_mul(x, x), e;
    vd near = vd_mul(x, vd_poly(z, tg_erf_f64, 12));
    vd tail = vd_normal_tail(vd_mul(vd_min(vd_set1(7), a), vd_set1(1.4142135623730951)), &e);
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
