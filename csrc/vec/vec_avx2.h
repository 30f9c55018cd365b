/* vec_avx2.h - vec.h on AVX2 + FMA: 8 floats, 4 doubles. */
#include <immintrin.h>

#define TG_VEC_FMA 1
#define VF_LANES 8
#define VD_LANES 4

typedef __m256 vf;
typedef __m256d vd;
typedef __m256 vf_mask; /* all bits of a lane set or clear */
typedef __m256d vd_mask;

/* Reading at -n from the middle gives n lanes of ones, then zeros. */
static const int32_t tg_tail_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

TG_INLINE __m256i vf_tail(ptrdiff_t n)
{
    return _mm256_loadu_si256((const __m256i *)(tg_tail_mask + 8 - n));
}

TG_INLINE __m256i vd_tail(ptrdiff_t n)
{
    return _mm256_loadu_si256((const __m256i *)(tg_tail_mask + 8 - 2 * n));
}

/* In pieces, as a masked store takes AMD's processors up to 12 cycles. */
TG_INLINE void vf_store_tail(float *p, __m256 x, ptrdiff_t n)
{
    if (n >= 8) {
        _mm256_storeu_ps(p, x);
        return;
    }
    __m128 y = _mm256_castps256_ps128(x);
    if (n & 4) {
        _mm_storeu_ps(p, y);
        y = _mm256_extractf128_ps(x, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, y);
        y = _mm_movehl_ps(y, y);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, y);
}

TG_INLINE void vd_store_tail(double *p, __m256d x, ptrdiff_t n)
{
    vf_store_tail((float *)p, _mm256_castpd_ps(x), 2 * n);
}

/* Left to itself, a compiler whose registers are all taken copies sums to and fro. */
#if defined(__GNUC__)
#define TG_VEC_ADD_PRODUCT
#define TG_ADD_PRODUCT(F, P)                                                                       \
    TG_INLINE F F##_add_product(F sum, F a, F b)                                                   \
    {                                                                                              \
        __asm__("vfmadd231" #P " %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));                        \
        return sum;                                                                                \
    }
TG_ADD_PRODUCT(vf, ps)
TG_ADD_PRODUCT(vd, pd)
#endif

/* clang-format off */
#define TG_AVX2_VERBS(F, T, P)                                                                     \
    TG_INLINE F F##_load(const T *p) { return _mm256_loadu_##P(p); }                               \
    TG_INLINE void F##_store(T *p, F x) { _mm256_storeu_##P(p, x); }                               \
    TG_INLINE F F##_load_tail(const T *p, ptrdiff_t n)                                             \
    { return _mm256_maskload_##P(p, F##_tail(n)); }                                                \
    TG_INLINE F F##_set1(T x) { return _mm256_set1_##P(x); }                                       \
    TG_INLINE F F##_zero(void) { return _mm256_setzero_##P(); }                                    \
    TG_INLINE F F##_add(F a, F b) { return _mm256_add_##P(a, b); }                                 \
    TG_INLINE F F##_sub(F a, F b) { return _mm256_sub_##P(a, b); }                                 \
    TG_INLINE F F##_mul(F a, F b) { return _mm256_mul_##P(a, b); }                                 \
    TG_INLINE F F##_div(F a, F b) { return _mm256_div_##P(a, b); }                                 \
    TG_INLINE F F##_sqrt(F a) { return _mm256_sqrt_##P(a); }                                       \
    TG_INLINE F F##_fma(F a, F b, F c) { return _mm256_fmadd_##P(a, b, c); }                       \
    TG_INLINE F F##_fnma(F a, F b, F c) { return _mm256_fnmadd_##P(a, b, c); }                     \
    TG_INLINE F F##_fms(F a, F b, F c) { return _mm256_fmsub_##P(a, b, c); }                       \
    TG_INLINE F F##_and(F a, F b) { return _mm256_and_##P(a, b); }                                 \
    TG_INLINE F F##_or(F a, F b) { return _mm256_or_##P(a, b); }                                   \
    TG_INLINE F F##_xor(F a, F b) { return _mm256_xor_##P(a, b); }                                 \
    TG_INLINE F F##_neg(F a) { return _mm256_xor_##P(a, _mm256_set1_##P((T)-0.0)); }               \
    TG_INLINE F F##_abs(F a) { return _mm256_andnot_##P(_mm256_set1_##P((T)-0.0), a); }            \
    TG_INLINE F F##_copysign(F a, F b)                                                             \
    { return F##_or(F##_abs(a), _mm256_and_##P(b, _mm256_set1_##P((T)-0.0))); }                    \
    TG_INLINE F F##_min(F a, F b) { return _mm256_min_##P(a, b); }                                 \
    TG_INLINE F F##_max(F a, F b) { return _mm256_max_##P(a, b); }                                 \
    TG_INLINE F F##_floor(F a) { return _mm256_floor_##P(a); }                                     \
    TG_INLINE F F##_ceil(F a) { return _mm256_ceil_##P(a); }                                       \
    TG_INLINE F F##_trunc(F a)                                                                     \
    { return _mm256_round_##P(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }                        \
    TG_INLINE F F##_round(F a)                                                                     \
    { return _mm256_round_##P(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }                 \
    TG_INLINE F##_mask F##_eq(F a, F b) { return _mm256_cmp_##P(a, b, _CMP_EQ_OQ); }               \
    TG_INLINE F##_mask F##_ne(F a, F b) { return _mm256_cmp_##P(a, b, _CMP_NEQ_UQ); }              \
    TG_INLINE F##_mask F##_lt(F a, F b) { return _mm256_cmp_##P(a, b, _CMP_LT_OQ); }               \
    TG_INLINE F##_mask F##_le(F a, F b) { return _mm256_cmp_##P(a, b, _CMP_LE_OQ); }               \
    TG_INLINE F##_mask F##_gt(F a, F b) { return _mm256_cmp_##P(a, b, _CMP_GT_OQ); }               \
    TG_INLINE F##_mask F##_ge(F a, F b) { return _mm256_cmp_##P(a, b, _CMP_GE_OQ); }               \
    TG_INLINE F##_mask F##_isnan(F a) { return _mm256_cmp_##P(a, a, _CMP_UNORD_Q); }               \
    TG_INLINE F F##_select(F##_mask m, F a, F b) { return _mm256_blendv_##P(b, a, m); }            \
    TG_INLINE F F##_min_nan(F a, F b) { return F##_select(F##_isnan(a), a, F##_min(a, b)); }       \
    TG_INLINE F F##_max_nan(F a, F b) { return F##_select(F##_isnan(a), a, F##_max(a, b)); }       \
    TG_INLINE F##_mask F##_mask_and(F##_mask a, F##_mask b) { return _mm256_and_##P(a, b); }       \
    TG_INLINE F##_mask F##_mask_or(F##_mask a, F##_mask b) { return _mm256_or_##P(a, b); }         \
    TG_INLINE F##_mask F##_mask_not(F##_mask a)                                                    \
    { return _mm256_xor_##P(a, _mm256_cast##P##_ones()); }                                         \
    TG_INLINE int F##_mask_any(F##_mask a) { return _mm256_movemask_##P(a) != 0; }                 \
    TG_INLINE int F##_mask_all(F##_mask a)                                                         \
    { return _mm256_movemask_##P(a) == (1 << (32 / (int)sizeof(T))) - 1; }
/* clang-format on */

#define _mm256_castps_ones() _mm256_castsi256_ps(_mm256_set1_epi32(-1))
#define _mm256_castpd_ones() _mm256_castsi256_pd(_mm256_set1_epi32(-1))
TG_AVX2_VERBS(vf, float, ps)
TG_AVX2_VERBS(vd, double, pd)
#undef _mm256_castps_ones
#undef _mm256_castpd_ones
#undef TG_AVX2_VERBS

TG_INLINE vf vf_iota(void)
{
    return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7);
}

TG_INLINE vd vd_iota(void)
{
    return _mm256_setr_pd(0, 1, 2, 3);
}

TG_INLINE vf vf_gather(const float *p, ptrdiff_t s)
{
    return _mm256_setr_ps(p[0], p[s], p[2 * s], p[3 * s], p[4 * s], p[5 * s], p[6 * s], p[7 * s]);
}

TG_INLINE vd vd_gather(const double *p, ptrdiff_t s)
{
    return _mm256_setr_pd(p[0], p[s], p[2 * s], p[3 * s]);
}

TG_INLINE void vf_mask_store_tail(uint8_t *p, vf_mask m, ptrdiff_t n)
{
    __m256i v = _mm256_castps_si256(m);
    __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    int64_t bytes = _mm_cvtsi128_si64(_mm_packs_epi16(w, w)) & 0x0101010101010101;
    memcpy(p, &bytes, (size_t)n);
}

TG_INLINE void vf_mask_store(uint8_t *p, vf_mask m)
{
    vf_mask_store_tail(p, m, VF_LANES);
}

TG_INLINE void vd_mask_store_tail(uint8_t *p, vd_mask m, ptrdiff_t n)
{
    __m256i v = _mm256_castpd_si256(m);
    __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    w = _mm_packs_epi32(w, w); /* a lane was two of the 16-bit numbers: one now */
    int32_t bytes = _mm_cvtsi128_si32(_mm_packs_epi16(w, w)) & 0x01010101;
    memcpy(p, &bytes, (size_t)n);
}

TG_INLINE void vd_mask_store(uint8_t *p, vd_mask m)
{
    vd_mask_store_tail(p, m, VD_LANES);
}

TG_INLINE vf vf_load_bytes(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

TG_INLINE vd vd_load_bytes(const uint8_t *p)
{
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
}

TG_INLINE vf_mask vf_mask_load_tail(const uint8_t *p, ptrdiff_t n)
{
    int64_t bytes = 0;
    memcpy(&bytes, p, (size_t)n);
    __m256i v = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes));
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(v, _mm256_setzero_si256()));
}

TG_INLINE vf_mask vf_mask_load(const uint8_t *p)
{
    return vf_mask_load_tail(p, VF_LANES);
}

TG_INLINE vd_mask vd_mask_load_tail(const uint8_t *p, ptrdiff_t n)
{
    int32_t bytes = 0;
    memcpy(&bytes, p, (size_t)n);
    __m256i v = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(bytes));
    return _mm256_castsi256_pd(_mm256_cmpgt_epi64(v, _mm256_setzero_si256()));
}

TG_INLINE vd_mask vd_mask_load(const uint8_t *p)
{
    return vd_mask_load_tail(p, VD_LANES);
}

/* x 2^n by two factors 2^(n/2): neither leaves the normal range. */
TG_INLINE vf vf_scale(vf x, vf n)
{
    __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
    __m256i bias = _mm256_set1_epi32(127), rest = _mm256_sub_epi32(i, half);
    half = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    rest = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(half)), _mm256_castsi256_ps(rest));
}

TG_INLINE vf vf_ldexp(vf x, vf n)
{
    return vf_scale(x, _mm256_min_ps(_mm256_max_ps(n, _mm256_set1_ps(-252)), _mm256_set1_ps(252)));
}

TG_INLINE vf vf_to_exponent(vf x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 23));
}

TG_INLINE vd vd_to_exponent(vd x)
{
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(x), 52));
}

/* Adding 1.5 2^23 + 127 leaves n + 127 in the low bits. */
TG_INLINE vf vf_pow2(vf n)
{
    return vf_to_exponent(_mm256_add_ps(n, _mm256_set1_ps(0x1.8p23f + 127)));
}

/* Adding 1.5 2^52 + 1023 leaves n + 1023 in the low bits. */
TG_INLINE vd vd_pow2(vd n)
{
    return vd_to_exponent(_mm256_add_pd(n, _mm256_set1_pd(0x1.8p52 + 1023)));
}

TG_INLINE vd vd_scale(vd x, vd n)
{
    vd half = vd_trunc(_mm256_mul_pd(n, _mm256_set1_pd(0.5)));
    return _mm256_mul_pd(_mm256_mul_pd(x, vd_pow2(half)), vd_pow2(_mm256_sub_pd(n, half)));
}

TG_INLINE vd vd_ldexp(vd x, vd n)
{
    n = _mm256_min_pd(_mm256_max_pd(n, _mm256_set1_pd(-2044)), _mm256_set1_pd(2044));
    return vd_scale(x, n);
}

TG_INLINE vf vf_exponent(vf x)
{
    __m256i e = _mm256_srli_epi32(_mm256_castps_si256(x), 23);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(e, _mm256_set1_epi32(127)));
}

/* A small integer under the bits of 2^52 is the double 2^52 + integer. */
TG_INLINE vd vd_exponent(vd x)
{
    __m256i e = _mm256_srli_epi64(_mm256_castpd_si256(x), 52);
    vd magic = _mm256_set1_pd(0x1p52);
    vd biased = _mm256_castsi256_pd(_mm256_or_si256(e, _mm256_castpd_si256(magic)));
    return _mm256_sub_pd(biased, _mm256_set1_pd(0x1p52 + 1023));
}

TG_INLINE vf vf_mantissa(vf x)
{
    vf low = _mm256_castsi256_ps(_mm256_set1_epi32(0x007fffff));
    return _mm256_or_ps(_mm256_and_ps(x, low), _mm256_set1_ps(1));
}

TG_INLINE vd vd_mantissa(vd x)
{
    vd low = _mm256_castsi256_pd(_mm256_set1_epi64x(0x000fffffffffffff));
    return _mm256_or_pd(_mm256_and_pd(x, low), _mm256_set1_pd(1));
}

TG_INLINE vf vf_lookup(const float *p, vf x, int shift)
{
    __m256i i = _mm256_srli_epi32(_mm256_castps_si256(x), shift); /* higher bits are ignored */
    return _mm256_permutevar8x32_ps(_mm256_load_ps(p), i);
}

TG_INLINE vf vf_split(vf x, float least, vf *e)
{
    __m256i i = _mm256_castps_si256(x);
    __m256i power = _mm256_sub_epi32(i, _mm256_castps_si256(_mm256_set1_ps(least)));
    *e = _mm256_cvtepi32_ps(_mm256_srai_epi32(power, 23));
    power = _mm256_and_si256(power, _mm256_set1_epi32((int)0xff800000));
    return _mm256_castsi256_ps(_mm256_sub_epi32(i, power));
}

TG_INLINE float vf_hsum(vf x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

TG_INLINE double vd_hsum(vd x)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

/* The same tree on whole vectors: swap the halves, combine, and so on; lane 0 has the result. */
/* clang-format off */
#define TG_AVX2_TREE(name, op)                                                                     \
    TG_INLINE float vf_h##name(vf x)                                                               \
    {                                                                                              \
        x = vf_##op(x, _mm256_permute2f128_ps(x, x, 1));                                   \
        x = vf_##op(x, _mm256_permute_ps(x, _MM_SHUFFLE(1, 0, 3, 2)));                     \
        x = vf_##op(x, _mm256_permute_ps(x, _MM_SHUFFLE(2, 3, 0, 1)));                     \
        return _mm256_cvtss_f32(x);                                                                \
    }                                                                                              \
    TG_INLINE double vd_h##name(vd x)                                                              \
    {                                                                                              \
        x = vd_##op(x, _mm256_permute2f128_pd(x, x, 1));                                   \
        x = vd_##op(x, _mm256_permute_pd(x, 5));                                           \
        return _mm256_cvtsd_f64(x);                                                                \
    }
/* clang-format on */
TG_AVX2_TREE(max, max_nan)
TG_AVX2_TREE(min, min_nan)
TG_AVX2_TREE(prod, mul)
#undef TG_AVX2_TREE

/* Interleave pairs, then quadruples, inside the 128-bit halves; then exchange the halves. */
TG_INLINE void vf_transpose(vf r[8])
{
    vf a[8];
    for (int i = 0; i < 8; i += 4) {
        vf t0 = _mm256_unpacklo_ps(r[i], r[i + 1]), t1 = _mm256_unpackhi_ps(r[i], r[i + 1]);
        vf t2 = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), t3 = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        a[i] = _mm256_shuffle_ps(t0, t2, _MM_SHUFFLE(1, 0, 1, 0));
        a[i + 1] = _mm256_shuffle_ps(t0, t2, _MM_SHUFFLE(3, 2, 3, 2));
        a[i + 2] = _mm256_shuffle_ps(t1, t3, _MM_SHUFFLE(1, 0, 1, 0));
        a[i + 3] = _mm256_shuffle_ps(t1, t3, _MM_SHUFFLE(3, 2, 3, 2));
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
    }
}

TG_INLINE void vd_transpose(vd r[4])
{
    vd t0 = _mm256_unpacklo_pd(r[0], r[1]), t1 = _mm256_unpackhi_pd(r[0], r[1]);
    vd t2 = _mm256_unpacklo_pd(r[2], r[3]), t3 = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(t0, t2, 0x20);
    r[1] = _mm256_permute2f128_pd(t1, t3, 0x20);
    r[2] = _mm256_permute2f128_pd(t0, t2, 0x31);
    r[3] = _mm256_permute2f128_pd(t1, t3, 0x31);
}
