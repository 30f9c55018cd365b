/* vec_scalar.h - vec.h with one lane: the specification, and the fallback for any machine. The
 * compiler still vectorises plain loops over it for the baseline (SSE2 on x86-64). */
#include <math.h>

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define TG_VEC_FMA 1
#else
#define TG_VEC_FMA 0 /* fma() would be a call into libm, and slow */
#endif

/* clang-format off */
#define TG_SCALAR_VERBS(F, T, BITS, MANTISSA, BIAS, SUFFIX)                                        \
    typedef T F;                                                                                   \
    typedef int F##_mask;                                                                          \
    TG_INLINE BITS F##_to_bits(T x) { BITS b; memcpy(&b, &x, sizeof b); return b; }                \
    TG_INLINE T F##_from_bits(BITS b) { T x; memcpy(&x, &b, sizeof x); return x; }                 \
    TG_INLINE F F##_load(const T *p) { return *p; }                                                \
    TG_INLINE void F##_store(T *p, F x) { *p = x; }                                                \
    TG_INLINE F F##_load_tail(const T *p, ptrdiff_t n) { return n > 0 ? *p : (T)0; }               \
    TG_INLINE void F##_store_tail(T *p, F x, ptrdiff_t n) { if (n > 0) *p = x; }                   \
    TG_INLINE F F##_gather(const T *p, ptrdiff_t s) { (void)s; return *p; }                        \
    TG_INLINE F F##_set1(T x) { return x; }                                                        \
    TG_INLINE F F##_zero(void) { return 0; }                                                       \
    TG_INLINE F F##_iota(void) { return 0; }                                                       \
    TG_INLINE F F##_add(F a, F b) { return a + b; }                                                \
    TG_INLINE F F##_sub(F a, F b) { return a - b; }                                                \
    TG_INLINE F F##_mul(F a, F b) { return a * b; }                                                \
    TG_INLINE F F##_div(F a, F b) { return a / b; }                                                \
    TG_INLINE F F##_sqrt(F a) { return sqrt##SUFFIX(a); }                                          \
    TG_INLINE F F##_fma(F a, F b, F c) { return TG_VEC_FMA ? fma##SUFFIX(a, b, c) : a * b + c; }   \
    TG_INLINE F F##_fnma(F a, F b, F c) { return TG_VEC_FMA ? fma##SUFFIX(-a, b, c) : c - a * b; } \
    TG_INLINE F F##_fms(F a, F b, F c) { return TG_VEC_FMA ? fma##SUFFIX(a, b, -c) : a * b - c; }  \
    TG_INLINE F F##_neg(F a) { return -a; }                                                        \
    TG_INLINE F F##_abs(F a) { return fabs##SUFFIX(a); }                                           \
    TG_INLINE F F##_copysign(F a, F b) { return copysign##SUFFIX(a, b); }                          \
    TG_INLINE F F##_min(F a, F b) { return a < b ? a : b; }                                        \
    TG_INLINE F F##_max(F a, F b) { return a > b ? a : b; }                                        \
    TG_INLINE F F##_min_nan(F a, F b) { return a < b || a != a ? a : b; }                          \
    TG_INLINE F F##_max_nan(F a, F b) { return a > b || a != a ? a : b; }                          \
    TG_INLINE F F##_floor(F a) { return floor##SUFFIX(a); }                                        \
    TG_INLINE F F##_ceil(F a) { return ceil##SUFFIX(a); }                                          \
    TG_INLINE F F##_trunc(F a) { return trunc##SUFFIX(a); }                                        \
    TG_INLINE F F##_round(F a) { return rint##SUFFIX(a); }                                         \
    TG_INLINE F##_mask F##_eq(F a, F b) { return a == b; }                                         \
    TG_INLINE F##_mask F##_ne(F a, F b) { return a != b; }                                         \
    TG_INLINE F##_mask F##_lt(F a, F b) { return a < b; }                                          \
    TG_INLINE F##_mask F##_le(F a, F b) { return a <= b; }                                         \
    TG_INLINE F##_mask F##_gt(F a, F b) { return a > b; }                                          \
    TG_INLINE F##_mask F##_ge(F a, F b) { return a >= b; }                                         \
    TG_INLINE F##_mask F##_isnan(F a) { return a != a; }                                           \
    TG_INLINE F F##_select(F##_mask m, F a, F b) { return m ? a : b; }                             \
    TG_INLINE F##_mask F##_mask_and(F##_mask a, F##_mask b) { return a & b; }                      \
    TG_INLINE F##_mask F##_mask_or(F##_mask a, F##_mask b) { return a | b; }                       \
    TG_INLINE F##_mask F##_mask_not(F##_mask a) { return !a; }                                     \
    TG_INLINE int F##_mask_any(F##_mask a) { return a; }                                           \
    TG_INLINE int F##_mask_all(F##_mask a) { return a; }                                           \
    TG_INLINE void F##_mask_store(uint8_t *p, F##_mask m) { *p = (uint8_t)m; }                     \
    TG_INLINE void F##_mask_store_tail(uint8_t *p, F##_mask m, ptrdiff_t n)                        \
    { if (n > 0) *p = (uint8_t)m; }                                                                \
    TG_INLINE F F##_load_bytes(const uint8_t *p) { return *p; }                                    \
    TG_INLINE F##_mask F##_mask_load(const uint8_t *p) { return *p != 0; }                         \
    TG_INLINE F##_mask F##_mask_load_tail(const uint8_t *p, ptrdiff_t n) { return n > 0 && *p; }   \
    TG_INLINE F F##_and(F a, F b) { return F##_from_bits(F##_to_bits(a) & F##_to_bits(b)); }       \
    TG_INLINE F F##_or(F a, F b) { return F##_from_bits(F##_to_bits(a) | F##_to_bits(b)); }        \
    TG_INLINE F F##_xor(F a, F b) { return F##_from_bits(F##_to_bits(a) ^ F##_to_bits(b)); }       \
    /* 2^n in two factors, so that neither leaves the normal range */                              \
    TG_INLINE F F##_scale(F x, F n)                                                                \
    {                                                                                              \
        int32_t i = n == n ? (int32_t)n : 0, half = i / 2;                                         \
        x *= F##_from_bits((BITS)(half + BIAS) << MANTISSA);                                       \
        return x * F##_from_bits((BITS)(i - half + BIAS) << MANTISSA);                             \
    }                                                                                              \
    TG_INLINE F F##_ldexp(F x, F n)                                                                \
    {                                                                                              \
        const T limit = 2 * (BIAS - 1);                                                            \
        return F##_scale(x, F##_min(F##_max(n, -limit), limit));                                   \
    }                                                                                              \
    TG_INLINE F F##_to_exponent(F x) { return F##_from_bits(F##_to_bits(x) << MANTISSA); }         \
    TG_INLINE F F##_pow2(F n)                                                                      \
    { return F##_from_bits((BITS)((n == n ? (int32_t)n : 0) + BIAS) << MANTISSA); }                \
    TG_INLINE F F##_exponent(F x) { return (T)((int32_t)(F##_to_bits(x) >> MANTISSA) - BIAS); }    \
    TG_INLINE F F##_mantissa(F x)                                                                  \
    {                                                                                              \
        const BITS low = ((BITS)1 << MANTISSA) - 1;                                                \
        return F##_from_bits((F##_to_bits(x) & low) | (BITS)BIAS << MANTISSA);                     \
    }                                                                                              \
    TG_INLINE T F##_hsum(F x) { return x; }                                                        \
    TG_INLINE T F##_hprod(F x) { return x; }                                                       \
    TG_INLINE T F##_hmax(F x) { return x; }                                                        \
    TG_INLINE T F##_hmin(F x) { return x; }                                                        \
    TG_INLINE void F##_transpose(F *r) { (void)r; }
/* clang-format on */

TG_SCALAR_VERBS(vf, float, uint32_t, 23, 127, f)
TG_SCALAR_VERBS(vd, double, uint64_t, 52, 1023, )
#undef TG_SCALAR_VERBS

TG_INLINE vf vf_lookup(const float *p, vf x, int shift)
{
    return p[vf_to_bits(x) >> shift & 7];
}

TG_INLINE vf vf_split(vf x, float least, vf *e)
{
    uint32_t power = (vf_to_bits(x) - vf_to_bits(least)) & 0xff800000;
    *e = (float)((int32_t)power / (1 << 23));
    return vf_from_bits(vf_to_bits(x) - power);
}

#define VF_LANES 1
#define VD_LANES 1
