/* vec.h - the SIMD contract: the verbs that every kernel is written on.
 *
 * An ISA stub (csrc/isa/) defines TG_ISA and TG_VEC_HEADER and includes kernels/all.h, which
 * includes this file; nothing else knows which instruction set is meant. vec_scalar.h is the
 * specification: the other headers give the same values lane by lane (but see `fma`).
 *
 * Each verb exists for float (`vf_add`, type `vf`, VF_LANES lanes) and for double (`vd_add`, `vd`,
 * VD_LANES). A kernel is written once for both: it says `V(add)`, `VT`, `V_T` and is included
 * twice, after f32.h and after f64.h (see there). Below, T is float or double, v the vector type,
 * m the mask type (`vf_mask`, `vd_mask`; VM in generic code), L the number of lanes.
 *
 * memory      v load(const T *p)              unaligned, L elements
 *             void store(T *p, v x)
 *             v load_tail(const T *p, n)      lanes >= n are 0 and their memory is not touched;
 *             void store_tail(T *p, v x, n)   0 <= n <= L (n: ptrdiff_t)
 *             v load_bytes(const uint8_t *p)  L bytes as numbers
 *             v gather(const T *p, s)         lane i = p[i * s], any stride s
 *             v set1(T), v zero(), v iota()   iota: lane i = i
 * arithmetic  add sub mul div sqrt            correctly rounded
 *             fma(a,b,c) = a b + c, fnma(a,b,c) = c - a b, fms(a,b,c) = a b - c
 *                                             rounded once where TG_VEC_FMA is 1, else twice
 *             add_product(sum,a,b) = fma(a,b,sum), for loops whose sums fill the registers
 *             neg abs                         sign bit only: exact for NaN and -0
 *             copysign(a,b)                   |a| with the sign of b
 *             min max                         if either is NaN: b. So max(x, c) with a constant c
 *                                             drops a NaN in x and max(c, x) keeps it.
 *                                             min(-0,+0) may be either zero.
 *             min_nan max_nan                 if either is NaN: NaN
 *             floor ceil trunc round          round: to nearest, ties to even
 * comparison  m eq ne lt le gt ge(a,b)        with NaN: false, ne true
 *             m isnan(a)
 *             v select(m, a, b)               m ? a : b, lane by lane
 * masks       mask_and mask_or mask_not       mask_any, mask_all: int
 *             mask_store(uint8_t *p, m)       L bytes 0 or 1;  mask_store_tail(p, m, n)
 *             m mask_load(const uint8_t *p)   byte != 0;       mask_load_tail(p, n)
 * bits        and or xor(a,b)                 of the floats' bits
 * exponent    v ldexp(v x, v n)               x 2^n, n integral; right down to denormals and up to
 *                                             inf for |x| in [1/2, 2]. n is clamped to
 *                                             +-252 (float), +-2044 (double)
 *             v scale(v x, v n)               the same without the clamp
 *             v pow2(v n)                     2^n for integral |n| < 127 (float), < 1023 (double),
 *                                             and 0 for n = -127 (-1023)
 *             v exponent(v x)                 floor(log2 x) for positive normal x
 *             v mantissa(v x)                 x / 2^exponent(x), in [1, 2), likewise
 *             v to_exponent(v x)              the bits of x, moved left into the exponent: 2^n for
 *                                             x = 1.5 2^23 + 127 + n (float), which rounding y
 *                                             to n by adding that number to it leaves
 *             vf vf_split(x, float least, vf *e)
 *                                             x = 2^e m with m in [least, 2 least) for positive
 *                                             normal x, 1/2 < least <= 1; for float only
 * table       vf vf_lookup(const float *p, x, int shift)
 *                                             p[the three bits of x from bit `shift` on], of 8
 *                                             numbers on a multiple of 32 bytes; for float only
 * lanes       T hsum, hprod, hmax, hmin(v)    the fixed tree: lane i with lane i + L/2, then L/4...
 *                                             hmax, hmin: NaN if any lane is
 *             void transpose(v r[L])          the L x L block in the registers, in place
 *
 * Integer work (counters, bytes, indices) is left to plain loops: each stub is compiled with its
 * own flags, so the compiler vectorises them for that ISA.
 */
#ifndef TG_VEC_H
#define TG_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A kernel of the ISA being compiled is static and called tg_<name>_<dtype>__<isa>: nothing that an
 * AVX file emits can be the copy that the linker keeps for an older machine. */
#define TG_PASTE4_(a, b, c, d) a##b##_##c##__##d
#define TG_PASTE4(a, b, c, d) TG_PASTE4_(a, b, c, d)

#if defined(__GNUC__)
#define TG_INLINE static inline __attribute__((always_inline, unused))
#define TG_KERNEL static __attribute__((unused))
#define TG_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TG_PREFETCH(p) __builtin_prefetch(p)
#define TG_PREFETCH_FAR(p) __builtin_prefetch(p, 0, 2) /* into the second-level cache */
#else
#define TG_INLINE static inline
#define TG_KERNEL static
#define TG_UNLIKELY(x) (x)
#define TG_PREFETCH(p) ((void)(p))
#define TG_PREFETCH_FAR(p) ((void)(p))
#endif

/* Ask for the lines of n_bytes at p. A pass that only reads does so for what the next pass writes,
 * since a store has to wait for its line: memory would rest in one pass and hold up the other. */
#define TG_PREFETCH_LINES(p, n_bytes)                                                              \
    for (ptrdiff_t line_ = 0; line_ < (ptrdiff_t)(n_bytes); line_ += 64)                           \
    TG_PREFETCH((const char *)(p) + line_)

/* of the tables of vf_lookup */
#define TG_TABLE_ALIGN _Alignas(32)

#include TG_VEC_HEADER

#if !defined(TG_VEC_ADD_PRODUCT)
TG_INLINE vf vf_add_product(vf sum, vf a, vf b)
{
    return vf_fma(a, b, sum);
}
TG_INLINE vd vd_add_product(vd sum, vd a, vd b)
{
    return vd_fma(a, b, sum);
}
#endif

#endif
