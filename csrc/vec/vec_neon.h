/* vec_neon.h - vec.h on AArch64 NEON: 4 floats, 2 doubles. */
#include <arm_neon.h>

#define TG_VEC_FMA 1
#define VF_LANES 4
#define VD_LANES 2

typedef float32x4_t vf;
typedef float64x2_t vd;
typedef uint32x4_t vf_mask; /* all bits of a lane set or clear */
typedef uint64x2_t vd_mask;

/* clang-format off */
#define TG_NEON_VERBS(F, T, L, S, U)                                                               \
    TG_INLINE U F##_to_bits(F x) { return vreinterpretq_##L##_##S(x); }                            \
    TG_INLINE F F##_from_bits(U x) { return vreinterpretq_##S##_##L(x); }                          \
    TG_INLINE F F##_load(const T *p) { return vld1q_##S(p); }                                      \
    TG_INLINE void F##_store(T *p, F x) { vst1q_##S(p, x); }                                       \
    TG_INLINE F F##_load_tail(const T *p, ptrdiff_t n)                                             \
    {                                                                                              \
        T lanes[16 / sizeof(T)] = {0};                                                             \
        memcpy(lanes, p, (size_t)n * sizeof(T));                                                   \
        return vld1q_##S(lanes);                                                                   \
    }                                                                                              \
    TG_INLINE void F##_store_tail(T *p, F x, ptrdiff_t n)                                          \
    {                                                                                              \
        T lanes[16 / sizeof(T)];                                                                   \
        vst1q_##S(lanes, x);                                                                       \
        memcpy(p, lanes, (size_t)n * sizeof(T));                                                   \
    }                                                                                              \
    TG_INLINE F F##_set1(T x) { return vdupq_n_##S(x); }                                           \
    TG_INLINE F F##_zero(void) { return vdupq_n_##S(0); }                                          \
    TG_INLINE F F##_add(F a, F b) { return vaddq_##S(a, b); }                                      \
    TG_INLINE F F##_sub(F a, F b) { return vsubq_##S(a, b); }                                      \
    TG_INLINE F F##_mul(F a, F b) { return vmulq_##S(a, b); }                                      \
    TG_INLINE F F##_div(F a, F b) { return vdivq_##S(a, b); }                                      \
    TG_INLINE F F##_sqrt(F a) { return vsqrtq_##S(a); }                                            \
    TG_INLINE F F##_fma(F a, F b, F c) { return vfmaq_##S(c, a, b); }                              \
    TG_INLINE F F##_fnma(F a, F b, F c) { return vfmsq_##S(c, a, b); }                             \
    TG_INLINE F F##_neg(F a) { return vnegq_##S(a); }                                              \
    TG_INLINE F F##_fms(F a, F b, F c) { return vfmaq_##S(vnegq_##S(c), a, b); }                   \
    TG_INLINE F F##_abs(F a) { return vabsq_##S(a); }                                              \
    TG_INLINE F F##_and(F a, F b)                                                                  \
    { return F##_from_bits(vandq_##L(F##_to_bits(a), F##_to_bits(b))); }                           \
    TG_INLINE F F##_or(F a, F b)                                                                   \
    { return F##_from_bits(vorrq_##L(F##_to_bits(a), F##_to_bits(b))); }                           \
    TG_INLINE F F##_xor(F a, F b)                                                                  \
    { return F##_from_bits(veorq_##L(F##_to_bits(a), F##_to_bits(b))); }                           \
    TG_INLINE F F##_copysign(F a, F b)                                                             \
    { return vbslq_##S(F##_to_bits(vdupq_n_##S((T)-0.0)), b, a); }                                 \
    TG_INLINE F F##_floor(F a) { return vrndmq_##S(a); }                                           \
    TG_INLINE F F##_ceil(F a) { return vrndpq_##S(a); }                                            \
    TG_INLINE F F##_trunc(F a) { return vrndq_##S(a); }                                            \
    TG_INLINE F F##_round(F a) { return vrndnq_##S(a); }                                           \
    TG_INLINE F##_mask F##_eq(F a, F b) { return vceqq_##S(a, b); }                                \
    TG_INLINE F##_mask F##_lt(F a, F b) { return vcltq_##S(a, b); }                                \
    TG_INLINE F##_mask F##_le(F a, F b) { return vcleq_##S(a, b); }                                \
    TG_INLINE F##_mask F##_gt(F a, F b) { return vcgtq_##S(a, b); }                                \
    TG_INLINE F##_mask F##_ge(F a, F b) { return vcgeq_##S(a, b); }                                \
    TG_INLINE F F##_select(F##_mask m, F a, F b) { return vbslq_##S(m, a, b); }                    \
    /* vminq and vmaxq propagate NaN, as min_nan and max_nan want; min and max must give b */      \
    TG_INLINE F F##_min(F a, F b) { return vbslq_##S(vcltq_##S(a, b), a, b); }                     \
    TG_INLINE F F##_max(F a, F b) { return vbslq_##S(vcgtq_##S(a, b), a, b); }                     \
    TG_INLINE F F##_min_nan(F a, F b) { return vminq_##S(a, b); }                                  \
    TG_INLINE F F##_max_nan(F a, F b) { return vmaxq_##S(a, b); }                                  \
    TG_INLINE F##_mask F##_mask_and(F##_mask a, F##_mask b) { return vandq_##L(a, b); }            \
    TG_INLINE F##_mask F##_mask_or(F##_mask a, F##_mask b) { return vorrq_##L(a, b); }             \
    TG_INLINE F##_mask F##_mask_not(F##_mask a) { return vceqq_##L(a, vdupq_n_##L(0)); }           \
    TG_INLINE F##_mask F##_ne(F a, F b) { return F##_mask_not(vceqq_##S(a, b)); }                  \
    TG_INLINE F##_mask F##_isnan(F a) { return F##_ne(a, a); }
/* clang-format on */

TG_NEON_VERBS(vf, float, u32, f32, uint32x4_t)
TG_NEON_VERBS(vd, double, u64, f64, uint64x2_t)
#undef TG_NEON_VERBS

TG_INLINE vf vf_iota(void)
{
    const float lanes[4] = {0, 1, 2, 3};
    return vld1q_f32(lanes);
}

TG_INLINE vd vd_iota(void)
{
    const double lanes[2] = {0, 1};
    return vld1q_f64(lanes);
}

TG_INLINE vf vf_gather(const float *p, ptrdiff_t s)
{
    const float lanes[4] = {p[0], p[s], p[2 * s], p[3 * s]};
    return vld1q_f32(lanes);
}

TG_INLINE vd vd_gather(const double *p, ptrdiff_t s)
{
    const double lanes[2] = {p[0], p[s]};
    return vld1q_f64(lanes);
}

TG_INLINE int vf_mask_any(vf_mask m)
{
    return vmaxvq_u32(m) != 0;
}

TG_INLINE int vf_mask_all(vf_mask m)
{
    return vminvq_u32(m) != 0;
}

TG_INLINE int vd_mask_any(vd_mask m)
{
    return vf_mask_any(vreinterpretq_u32_u64(m));
}

TG_INLINE int vd_mask_all(vd_mask m)
{
    return vf_mask_all(vreinterpretq_u32_u64(m));
}

TG_INLINE void vf_mask_store_tail(uint8_t *p, vf_mask m, ptrdiff_t n)
{
    uint32_t lanes[4];
    vst1q_u32(lanes, m);
    for (ptrdiff_t i = 0; i < n; i++)
        p[i] = lanes[i] & 1;
}

TG_INLINE void vf_mask_store(uint8_t *p, vf_mask m)
{
    vf_mask_store_tail(p, m, VF_LANES);
}

TG_INLINE void vd_mask_store_tail(uint8_t *p, vd_mask m, ptrdiff_t n)
{
    uint64_t lanes[2];
    vst1q_u64(lanes, m);
    for (ptrdiff_t i = 0; i < n; i++)
        p[i] = lanes[i] & 1;
}

TG_INLINE void vd_mask_store(uint8_t *p, vd_mask m)
{
    vd_mask_store_tail(p, m, VD_LANES);
}

TG_INLINE vf vf_load_bytes(const uint8_t *p)
{
    const uint32_t lanes[4] = {p[0], p[1], p[2], p[3]};
    return vcvtq_f32_u32(vld1q_u32(lanes));
}

TG_INLINE vd vd_load_bytes(const uint8_t *p)
{
    const uint64_t lanes[2] = {p[0], p[1]};
    return vcvtq_f64_u64(vld1q_u64(lanes));
}

TG_INLINE vf_mask vf_mask_load_tail(const uint8_t *p, ptrdiff_t n)
{
    uint32_t lanes[4] = {0};
    for (ptrdiff_t i = 0; i < n; i++)
        lanes[i] = p[i];
    uint32x4_t m = vld1q_u32(lanes);
    return vtstq_u32(m, m);
}

TG_INLINE vf_mask vf_mask_load(const uint8_t *p)
{
    return vf_mask_load_tail(p, VF_LANES);
}

TG_INLINE vd_mask vd_mask_load_tail(const uint8_t *p, ptrdiff_t n)
{
    uint64_t lanes[2] = {0};
    for (ptrdiff_t i = 0; i < n; i++)
        lanes[i] = p[i];
    uint64x2_t m = vld1q_u64(lanes);
    return vtstq_u64(m, m);
}

TG_INLINE vd_mask vd_mask_load(const uint8_t *p)
{
    return vd_mask_load_tail(p, VD_LANES);
}

/* x 2^n by two factors 2^(n/2): neither leaves the normal range. */
TG_INLINE vf vf_scale(vf x, vf n)
{
    int32x4_t i = vcvtq_s32_f32(n);
    int32x4_t half = vshrq_n_s32(i, 1), rest = vsubq_s32(i, half), bias = vdupq_n_s32(127);
    x = vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
    return vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}

TG_INLINE vd vd_scale(vd x, vd n)
{
    int64x2_t i = vcvtq_s64_f64(n);
    int64x2_t half = vshrq_n_s64(i, 1), rest = vsubq_s64(i, half), bias = vdupq_n_s64(1023);
    x = vmulq_f64(x, vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(half, bias), 52)));
    return vmulq_f64(x, vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(rest, bias), 52)));
}

/* vmaxnmq drops a NaN in n. */
TG_INLINE vf vf_ldexp(vf x, vf n)
{
    return vf_scale(x, vminnmq_f32(vmaxnmq_f32(n, vdupq_n_f32(-252)), vdupq_n_f32(252)));
}

TG_INLINE vd vd_ldexp(vd x, vd n)
{
    return vd_scale(x, vminnmq_f64(vmaxnmq_f64(n, vdupq_n_f64(-2044)), vdupq_n_f64(2044)));
}

TG_INLINE vf vf_to_exponent(vf x)
{
    return vf_from_bits(vshlq_n_u32(vf_to_bits(x), 23));
}

TG_INLINE vd vd_to_exponent(vd x)
{
    return vd_from_bits(vshlq_n_u64(vd_to_bits(x), 52));
}

TG_INLINE vf vf_pow2(vf n)
{
    int32x4_t i = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(i, 23));
}

TG_INLINE vd vd_pow2(vd n)
{
    int64x2_t i = vaddq_s64(vcvtq_s64_f64(n), vdupq_n_s64(1023));
    return vreinterpretq_f64_s64(vshlq_n_s64(i, 52));
}

TG_INLINE vf vf_exponent(vf x)
{
    int32x4_t e = vreinterpretq_s32_u32(vshrq_n_u32(vf_to_bits(x), 23));
    return vcvtq_f32_s32(vsubq_s32(e, vdupq_n_s32(127)));
}

TG_INLINE vd vd_exponent(vd x)
{
    int64x2_t e = vreinterpretq_s64_u64(vshrq_n_u64(vd_to_bits(x), 52));
    return vcvtq_f64_s64(vsubq_s64(e, vdupq_n_s64(1023)));
}

TG_INLINE vf vf_mantissa(vf x)
{
    return vbslq_f32(vdupq_n_u32(0x007fffff), x, vdupq_n_f32(1));
}

TG_INLINE vd vd_mantissa(vd x)
{
    return vbslq_f64(vdupq_n_u64(0x000fffffffffffff), x, vdupq_n_f64(1));
}

/* Not vaddvq: it adds neighbours, and the contract adds halves. */
/* The four bytes of lane i are p's bytes 4 k to 4 k + 3. */
TG_INLINE vf vf_lookup(const float *p, vf x, int shift)
{
    uint32x4_t k = vshlq_u32(vf_to_bits(x), vdupq_n_s32(-shift));
    k = vandq_u32(k, vdupq_n_u32(7));
    k = vmlaq_u32(vdupq_n_u32(0x03020100), k, vdupq_n_u32(0x04040404));
    uint8x16x2_t table = {{vld1q_u8((const uint8_t *)p), vld1q_u8((const uint8_t *)p + 16)}};
    return vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u32(k)));
}

TG_INLINE vf vf_split(vf x, float least, vf *e)
{
    uint32x4_t power = vsubq_u32(vf_to_bits(x), vf_to_bits(vdupq_n_f32(least)));
    *e = vcvtq_f32_s32(vshrq_n_s32(vreinterpretq_s32_u32(power), 23));
    power = vandq_u32(power, vdupq_n_u32(0xff800000));
    return vf_from_bits(vsubq_u32(vf_to_bits(x), power));
}

TG_INLINE float vf_hsum(vf x)
{
    float32x2_t s = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}

TG_INLINE double vd_hsum(vd x)
{
    return vgetq_lane_f64(x, 0) + vgetq_lane_f64(x, 1);
}

TG_INLINE float vf_hprod(vf x)
{
    float32x2_t p = vmul_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(p, 0) * vget_lane_f32(p, 1);
}

TG_INLINE double vd_hprod(vd x)
{
    return vgetq_lane_f64(x, 0) * vgetq_lane_f64(x, 1);
}

TG_INLINE float vf_hmax(vf x)
{
    return vmaxvq_f32(x);
}

TG_INLINE float vf_hmin(vf x)
{
    return vminvq_f32(x);
}

TG_INLINE double vd_hmax(vd x)
{
    return vmaxvq_f64(x);
}

TG_INLINE double vd_hmin(vd x)
{
    return vminvq_f64(x);
}

TG_INLINE void vd_transpose(vd r[2])
{
    vd low = vzip1q_f64(r[0], r[1]);
    r[1] = vzip2q_f64(r[0], r[1]);
    r[0] = low;
}

/* 2 x 2 blocks of floats are pairs seen as doubles: interleave within, then between. */
TG_INLINE void vf_transpose(vf r[4])
{
    vd t[4];
    for (int i = 0; i < 4; i += 2) {
        t[i] = vreinterpretq_f64_f32(vtrn1q_f32(r[i], r[i + 1]));
        t[i + 1] = vreinterpretq_f64_f32(vtrn2q_f32(r[i], r[i + 1]));
    }
    for (int i = 0; i < 2; i++) {
        r[i] = vreinterpretq_f32_f64(vzip1q_f64(t[i], t[i + 2]));
        r[i + 2] = vreinterpretq_f32_f64(vzip2q_f64(t[i], t[i + 2]));
    }
}
