/* vec_avx512.h - vec.h on AVX-512 F, DQ, BW, VL: 16 floats, 8 doubles, masks in registers. */
#include <immintrin.h>

#define TG_VEC_FMA 1
#define VF_LANES 16
#define VD_LANES 8

typedef __m512 vf;
typedef __m512d vd;
typedef __mmask16 vf_mask; /* a bit per lane */
typedef __mmask8 vd_mask;

TG_INLINE __mmask16 vf_tail(ptrdiff_t n)
{
    return (__mmask16)_bzhi_u32(0xffff, (uint32_t)n);
}

TG_INLINE __mmask8 vd_tail(ptrdiff_t n)
{
    return (__mmask8)_bzhi_u32(0xff, (uint32_t)n);
}

/* clang-format off */
#define TG_AVX512_VERBS(F, T, P)                                                                   \
    TG_INLINE F F##_load(const T *p) { return _mm512_loadu_##P(p); }                               \
    TG_INLINE void F##_store(T *p, F x) { _mm512_storeu_##P(p, x); }                               \
    TG_INLINE F F##_load_tail(const T *p, ptrdiff_t n)                                             \
    { return _mm512_maskz_loadu_##P(F##_tail(n), p); }                                             \
    TG_INLINE void F##_store_tail(T *p, F x, ptrdiff_t n)                                          \
    { _mm512_mask_storeu_##P(p, F##_tail(n), x); }                                                 \
    TG_INLINE F F##_set1(T x) { return _mm512_set1_##P(x); }                                       \
    TG_INLINE F F##_zero(void) { return _mm512_setzero_##P(); }                                    \
    TG_INLINE F F##_add(F a, F b) { return _mm512_add_##P(a, b); }                                 \
    TG_INLINE F F##_sub(F a, F b) { return _mm512_sub_##P(a, b); }                                 \
    TG_INLINE F F##_mul(F a, F b) { return _mm512_mul_##P(a, b); }                                 \
    TG_INLINE F F##_div(F a, F b) { return _mm512_div_##P(a, b); }                                 \
    TG_INLINE F F##_sqrt(F a) { return _mm512_sqrt_##P(a); }                                       \
    TG_INLINE F F##_fma(F a, F b, F c) { return _mm512_fmadd_##P(a, b, c); }                       \
    TG_INLINE F F##_fnma(F a, F b, F c) { return _mm512_fnmadd_##P(a, b, c); }                     \
    TG_INLINE F F##_fms(F a, F b, F c) { return _mm512_fmsub_##P(a, b, c); }                       \
    TG_INLINE F F##_and(F a, F b) { return _mm512_and_##P(a, b); }                                 \
    TG_INLINE F F##_or(F a, F b) { return _mm512_or_##P(a, b); }                                   \
    TG_INLINE F F##_xor(F a, F b) { return _mm512_xor_##P(a, b); }                                 \
    TG_INLINE F F##_neg(F a) { return _mm512_xor_##P(a, _mm512_set1_##P((T)-0.0)); }               \
    TG_INLINE F F##_abs(F a) { return _mm512_andnot_##P(_mm512_set1_##P((T)-0.0), a); }            \
    TG_INLINE F F##_copysign(F a, F b)                                                             \
    { return F##_or(F##_abs(a), _mm512_and_##P(b, _mm512_set1_##P((T)-0.0))); }                    \
    TG_INLINE F F##_min(F a, F b) { return _mm512_min_##P(a, b); }                                 \
    TG_INLINE F F##_max(F a, F b) { return _mm512_max_##P(a, b); }                                 \
    TG_INLINE F F##_floor(F a)                                                                     \
    { return _mm512_roundscale_##P(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }                \
    TG_INLINE F F##_ceil(F a)                                                                      \
    { return _mm512_roundscale_##P(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }                \
    TG_INLINE F F##_trunc(F a)                                                                     \
    { return _mm512_roundscale_##P(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }                   \
    TG_INLINE F F##_round(F a)                                                                     \
    { return _mm512_roundscale_##P(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }            \
    TG_INLINE F##_mask F##_eq(F a, F b) { return _mm512_cmp_##P##_mask(a, b, _CMP_EQ_OQ); }        \
    TG_INLINE F##_mask F##_ne(F a, F b) { return _mm512_cmp_##P##_mask(a, b, _CMP_NEQ_UQ); }       \
    TG_INLINE F##_mask F##_lt(F a, F b) { return _mm512_cmp_##P##_mask(a, b, _CMP_LT_OQ); }        \
    TG_INLINE F##_mask F##_le(F a, F b) { return _mm512_cmp_##P##_mask(a, b, _CMP_LE_OQ); }        \
    TG_INLINE F##_mask F##_gt(F a, F b) { return _mm512_cmp_##P##_mask(a, b, _CMP_GT_OQ); }        \
    TG_INLINE F##_mask F##_ge(F a, F b) { return _mm512_cmp_##P##_mask(a, b, _CMP_GE_OQ); }        \
    TG_INLINE F##_mask F##_isnan(F a) { return _mm512_cmp_##P##_mask(a, a, _CMP_UNORD_Q); }        \
    TG_INLINE F F##_select(F##_mask m, F a, F b) { return _mm512_mask_blend_##P(m, b, a); }        \
    TG_INLINE F F##_min_nan(F a, F b) { return F##_select(F##_isnan(a), a, F##_min(a, b)); }       \
    TG_INLINE F F##_max_nan(F a, F b) { return F##_select(F##_isnan(a), a, F##_max(a, b)); }       \
    TG_INLINE F##_mask F##_mask_and(F##_mask a, F##_mask b) { return (F##_mask)(a & b); }          \
    TG_INLINE F##_mask F##_mask_or(F##_mask a, F##_mask b) { return (F##_mask)(a | b); }           \
    TG_INLINE F##_mask F##_mask_not(F##_mask a) { return (F##_mask)~a; }                           \
    TG_INLINE int F##_mask_any(F##_mask a) { return a != 0; }                                      \
    TG_INLINE int F##_mask_all(F##_mask a) { return a == (F##_mask)-1; }                           \
    TG_INLINE F F##_mantissa(F x)                                                                  \
    { return _mm512_getmant_##P(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); }                        \
    TG_INLINE F F##_exponent(F x) { return _mm512_getexp_##P(x); }
/* clang-format on */

TG_AVX512_VERBS(vf, float, ps)
TG_AVX512_VERBS(vd, double, pd)
#undef TG_AVX512_VERBS

TG_INLINE vf vf_iota(void)
{
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

TG_INLINE vd vd_iota(void)
{
    return _mm512_setr_pd(0, 1, 2, 3, 4, 5, 6, 7);
}

TG_INLINE vf vf_gather(const float *p, ptrdiff_t s)
{
    const float *q = p + 8 * s;
    return _mm512_setr_ps(p[0], p[s], p[2 * s], p[3 * s], p[4 * s], p[5 * s], p[6 * s], p[7 * s],
                          q[0], q[s], q[2 * s], q[3 * s], q[4 * s], q[5 * s], q[6 * s], q[7 * s]);
}

TG_INLINE vd vd_gather(const double *p, ptrdiff_t s)
{
    return _mm512_setr_pd(p[0], p[s], p[2 * s], p[3 * s], p[4 * s], p[5 * s], p[6 * s], p[7 * s]);
}

TG_INLINE void vf_mask_store(uint8_t *p, vf_mask m)
{
    _mm_storeu_si128((__m128i *)p, _mm_maskz_set1_epi8(m, 1));
}

TG_INLINE void vf_mask_store_tail(uint8_t *p, vf_mask m, ptrdiff_t n)
{
    _mm_mask_storeu_epi8(p, vf_tail(n), _mm_maskz_set1_epi8(m, 1));
}

TG_INLINE void vd_mask_store(uint8_t *p, vd_mask m)
{
    _mm_storel_epi64((__m128i *)p, _mm_maskz_set1_epi8(m, 1));
}

TG_INLINE void vd_mask_store_tail(uint8_t *p, vd_mask m, ptrdiff_t n)
{
    _mm_mask_storeu_epi8(p, vd_tail(n), _mm_maskz_set1_epi8(m, 1));
}

TG_INLINE vf vf_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

TG_INLINE vd vd_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

TG_INLINE vf_mask vf_mask_load(const uint8_t *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    return _mm_test_epi8_mask(v, v);
}

TG_INLINE vf_mask vf_mask_load_tail(const uint8_t *p, ptrdiff_t n)
{
    __m128i v = _mm_maskz_loadu_epi8(vf_tail(n), p);
    return _mm_test_epi8_mask(v, v);
}

TG_INLINE vd_mask vd_mask_load(const uint8_t *p)
{
    __m128i v = _mm_loadl_epi64((const __m128i *)p);
    return (vd_mask)_mm_test_epi8_mask(v, v);
}

TG_INLINE vd_mask vd_mask_load_tail(const uint8_t *p, ptrdiff_t n)
{
    __m128i v = _mm_maskz_loadu_epi8(vd_tail(n), p);
    return (vd_mask)_mm_test_epi8_mask(v, v);
}

TG_INLINE vf vf_scale(vf x, vf n)
{
    return _mm512_scalef_ps(x, n);
}

TG_INLINE vd vd_scale(vd x, vd n)
{
    return _mm512_scalef_pd(x, n);
}

TG_INLINE vf vf_to_exponent(vf x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x), 23));
}

TG_INLINE vd vd_to_exponent(vd x)
{
    return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(x), 52));
}

/* Adding 1.5 2^23 + 127 leaves n + 127 in the low bits. */
TG_INLINE vf vf_pow2(vf n)
{
    return vf_to_exponent(_mm512_add_ps(n, _mm512_set1_ps(0x1.8p23f + 127)));
}

TG_INLINE vd vd_pow2(vd n)
{
    return vd_to_exponent(_mm512_add_pd(n, _mm512_set1_pd(0x1.8p52 + 1023)));
}

/* The clamp keeps the contract at n = inf (0 * 2^inf would be NaN). */
TG_INLINE vf vf_ldexp(vf x, vf n)
{
    n = _mm512_min_ps(_mm512_max_ps(n, _mm512_set1_ps(-252)), _mm512_set1_ps(252));
    return _mm512_scalef_ps(x, n);
}

TG_INLINE vd vd_ldexp(vd x, vd n)
{
    n = _mm512_min_pd(_mm512_max_pd(n, _mm512_set1_pd(-2044)), _mm512_set1_pd(2044));
    return _mm512_scalef_pd(x, n);
}

TG_INLINE vf vf_lookup(const float *p, vf x, int shift)
{
    __m512i i = _mm512_srli_epi32(_mm512_castps_si512(x), (unsigned)shift);
    return _mm512_permutexvar_ps(i, _mm512_broadcast_f32x8(_mm256_load_ps(p))); /* each twice */
}

TG_INLINE vf vf_split(vf x, float least, vf *e)
{
    __m512i i = _mm512_castps_si512(x);
    __m512i power = _mm512_sub_epi32(i, _mm512_castps_si512(_mm512_set1_ps(least)));
    *e = _mm512_cvtepi32_ps(_mm512_srai_epi32(power, 23));
    power = _mm512_and_si512(power, _mm512_set1_epi32((int)0xff800000));
    return _mm512_castsi512_ps(_mm512_sub_epi32(i, power));
}

TG_INLINE float vf_hsum(vf x)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

TG_INLINE double vd_hsum(vd x)
{
    __m256d h = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

/* The same tree on whole vectors: swap the halves, combine, and so on; lane 0 has the result. */
/* clang-format off */
#define TG_AVX512_TREE(name, op)                                                                   \
    TG_INLINE float vf_h##name(vf x)                                                               \
    {                                                                                              \
        x = vf_##op(x, _mm512_shuffle_f32x4(x, x, _MM_SHUFFLE(1, 0, 3, 2)));               \
        x = vf_##op(x, _mm512_shuffle_f32x4(x, x, _MM_SHUFFLE(2, 3, 0, 1)));               \
        x = vf_##op(x, _mm512_permute_ps(x, _MM_SHUFFLE(1, 0, 3, 2)));                     \
        x = vf_##op(x, _mm512_permute_ps(x, _MM_SHUFFLE(2, 3, 0, 1)));                     \
        return _mm512_cvtss_f32(x);                                                                \
    }                                                                                              \
    TG_INLINE double vd_h##name(vd x)                                                              \
    {                                                                                              \
        x = vd_##op(x, _mm512_shuffle_f64x2(x, x, _MM_SHUFFLE(1, 0, 3, 2)));               \
        x = vd_##op(x, _mm512_shuffle_f64x2(x, x, _MM_SHUFFLE(2, 3, 0, 1)));               \
        x = vd_##op(x, _mm512_permute_pd(x, 0x55));                                        \
        return _mm512_cvtsd_f64(x);                                                                \
    }
/* clang-format on */
TG_AVX512_TREE(max, max_nan)
TG_AVX512_TREE(min, min_nan)
TG_AVX512_TREE(prod, mul)
#undef TG_AVX512_TREE

/* Interleave pairs, then quadruples, inside the 128-bit quarters; then transpose the quarters. */
TG_INLINE void vf_transpose(vf r[16])
{
    vf a[16];
    for (int i = 0; i < 16; i += 4) {
        vf t0 = _mm512_unpacklo_ps(r[i], r[i + 1]), t1 = _mm512_unpackhi_ps(r[i], r[i + 1]);
        vf t2 = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), t3 = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        a[i] = _mm512_shuffle_ps(t0, t2, _MM_SHUFFLE(1, 0, 1, 0));
        a[i + 1] = _mm512_shuffle_ps(t0, t2, _MM_SHUFFLE(3, 2, 3, 2));
        a[i + 2] = _mm512_shuffle_ps(t1, t3, _MM_SHUFFLE(1, 0, 1, 0));
        a[i + 3] = _mm512_shuffle_ps(t1, t3, _MM_SHUFFLE(3, 2, 3, 2));
    }
    for (int i = 0; i < 4; i++) {
        vf even0 = _mm512_shuffle_f32x4(a[i], a[i + 4], _MM_SHUFFLE(2, 0, 2, 0));
        vf even1 = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], _MM_SHUFFLE(2, 0, 2, 0));
        vf odd0 = _mm512_shuffle_f32x4(a[i], a[i + 4], _MM_SHUFFLE(3, 1, 3, 1));
        vf odd1 = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], _MM_SHUFFLE(3, 1, 3, 1));
        r[i] = _mm512_shuffle_f32x4(even0, even1, _MM_SHUFFLE(2, 0, 2, 0));
        r[i + 4] = _mm512_shuffle_f32x4(odd0, odd1, _MM_SHUFFLE(2, 0, 2, 0));
        r[i + 8] = _mm512_shuffle_f32x4(even0, even1, _MM_SHUFFLE(3, 1, 3, 1));
        r[i + 12] = _mm512_shuffle_f32x4(odd0, odd1, _MM_SHUFFLE(3, 1, 3, 1));
    }
}

TG_INLINE void vd_transpose(vd r[8])
{
    vd a[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        vd even0 = _mm512_shuffle_f64x2(a[i], a[i + 2], _MM_SHUFFLE(2, 0, 2, 0));
        vd even1 = _mm512_shuffle_f64x2(a[i + 4], a[i + 6], _MM_SHUFFLE(2, 0, 2, 0));
        vd odd0 = _mm512_shuffle_f64x2(a[i], a[i + 2], _MM_SHUFFLE(3, 1, 3, 1));
        vd odd1 = _mm512_shuffle_f64x2(a[i + 4], a[i + 6], _MM_SHUFFLE(3, 1, 3, 1));
        r[i] = _mm512_shuffle_f64x2(even0, even1, _MM_SHUFFLE(2, 0, 2, 0));
        r[i + 2] = _mm512_shuffle_f64x2(odd0, odd1, _MM_SHUFFLE(2, 0, 2, 0));
        r[i + 4] = _mm512_shuffle_f64x2(even0, even1, _MM_SHUFFLE(3, 1, 3, 1));
        r[i + 6] = _mm512_shuffle_f64x2(odd0, odd1, _MM_SHUFFLE(3, 1, 3, 1));
    }
}
