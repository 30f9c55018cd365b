/* math.h - elementary functions on whole vectors: vf_exp, vd_exp, vf_tanh, ...
 *
 * Method: reduce the argument with a few exact steps, evaluate a minimax polynomial (coefficients.h,
 * fitted by csrc/fit/fit_math.py), put the exponent back. All lanes take the same path; only log's
 * odd arguments and the huge ones of sin, cos, tan branch off. Horner's rule throughout: consecutive
 * vectors are independent, so the processor hides the latency of one behind the next.
 *
 * Every function keeps NaN, signed zeros, infinities and denormal arguments as C99 says. The largest
 * errors over all floats, in units in the last place, with FMA (tests/test_math_ulp.py measures them):
 * exp, log and their kin below 2, the others below 3; gelu_tanh loses digits with |x|^3 where it
 * nears 0 on the negative side, as the formula does. Results of gelu and gelu_tanh below the smallest
 * normal number may be 0.
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

/* a^b = 2^(b log2 a) in double: 45 bits of the logarithm, of which |b log2 a| < 150 eats 8. The
 * a beyond 2^+-500 stand for inf and 0. */
TG_INLINE vd vd_pow_wide(vd a, vd b)
{
    vd e = vd_exponent(a), m = vd_mantissa(a);
    vd_mask big = vd_gt(m, vd_set1(1.4142135623730951));
    m = vd_select(big, vd_mul(m, vd_set1(0.5)), m);
    e = vd_select(big, vd_add(e, vd_set1(1)), e);
    vd f = vd_sub(m, vd_set1(1)), s = vd_div(f, vd_add(m, vd_set1(1))), z = vd_mul(s, s);
    vd l = vd_mul(s, vd_fma(z, vd_poly(z, tg_log2_wide, 5), vd_set1(2)));
    l = vd_fma(l, vd_set1(1.4426950408889634), e);
    l = vd_select(vd_lt(a, vd_set1(0x1p-500)), vd_set1(-1e60), l);
    l = vd_select(vd_gt(a, vd_set1(0x1p500)), vd_set1(1e60), l);
    vd t = vd_max(vd_set1(-200), vd_min(vd_set1(200), vd_mul(b, l)));
    vd n = vd_round(t), r = vd_sub(t, n);
    return vd_mul(vd_fma(r, vd_poly(r, tg_exp2_wide, 7), vd_set1(1)), vd_pow2(n));
}

TG_INLINE vf vf_pow(vf a, vf b)
{
    /* With finite stand-ins for 0 and inf, b log2 |a| has the right sign, and 1^inf and 0^0 are 1. */
    vf aa = vf_abs(a), big = vf_set1(FLT_MAX);
    vf bb = vf_max(vf_neg(big), vf_min(big, b));
    float from_a[VF_LANES], from_b[VF_LANES];
    double wide_a[VF_LANES], wide_b[VF_LANES];
    vf_store(from_a, aa);
    vf_store(from_b, bb);
    for (int i = 0; i < VF_LANES; i++) {
        wide_a[i] = from_a[i];
        wide_b[i] = from_b[i];
    }
    for (int i = 0; i < VF_LANES; i += VD_LANES) {
        vd w = vd_max(vd_set1(0x1p-1000), vd_min(vd_set1(0x1p1000), vd_load(wide_a + i)));
        vd_store(wide_a + i, vd_pow_wide(w, vd_load(wide_b + i)));
    }
    for (int i = 0; i < VF_LANES; i++)
        from_a[i] = (float)wide_a[i];
    vf y = vf_load(from_a);
    /* a < 0: NaN unless b is an integer, negative when b is odd */
    vf half = vf_mul(b, vf_set1(0.5f));
    vf_mask whole = vf_eq(vf_round(b), b);
    vf_mask even = vf_eq(vf_round(half), half);
    vf nan = vf_set1(NAN);
    y = vf_select(vf_mask_and(whole, vf_mask_not(even)), vf_copysign(y, a), y);
    vf_mask infinite = vf_eq(aa, vf_set1(INFINITY));
    vf_mask root = vf_mask_and(vf_lt(a, vf_zero()), vf_mask_not(vf_mask_or(whole, infinite)));
    y = vf_select(root, nan, y);
    vf_mask unity = vf_mask_or(vf_eq(a, vf_set1(1)), vf_eq(b, vf_zero()));
    y = vf_select(vf_mask_or(vf_isnan(a), vf_isnan(b)), nan, y);
    return vf_select(unity, vf_set1(1), y);
}

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
