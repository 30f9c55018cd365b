/* random.h - Philox4x32-10 in tiles of 16 counters, and the numbers made of its words.
 *
 * Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Word j of
 * the counter l of a tile is number 16 j + l, so 16 counters run side by side in plain loops over
 * 16 lanes, which the compiler turns into vectors of any width, and no number ever moves sideways.
 * The words are held in 64 bits each: that is the form of the processors' 32 x 32 bit products. The
 * twin kernels/reference/random.py gives the same bits.
 */

#if V_BITS == 32
/* 64 words from the counters `counter` ... `counter + 15`. */
TG_KERNEL void TG_FN(philox)(uint64_t seed, uint64_t counter, uint32_t words[4][16])
{
    const uint64_t low = 0xFFFFFFFF;
    uint64_t c0[16], c1[16], c2[16] = {0}, c3[16] = {0}, k0 = seed & low, k1 = seed >> 32;
    for (int l = 0; l < 16; l++) {
        c0[l] = (counter + (uint64_t)l) & low;
        c1[l] = (counter + (uint64_t)l) >> 32;
    }
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < 16; l++) {
            uint64_t p0 = (c0[l] & low) * 0xD2511F53, p1 = (c2[l] & low) * 0xCD9E8D57;
            c0[l] = p1 >> 32 ^ c1[l] ^ k0;
            c2[l] = p0 >> 32 ^ c3[l] ^ k1;
            c1[l] = p1 & low;
            c3[l] = p0 & low;
        }
        k0 = (k0 + 0x9E3779B9) & low;
        k1 = (k1 + 0xBB67AE85) & low;
    }
    for (int l = 0; l < 16; l++) {
        words[0][l] = (uint32_t)c0[l];
        words[1][l] = (uint32_t)c1[l];
        words[2][l] = (uint32_t)c2[l];
        words[3][l] = (uint32_t)c3[l];
    }
}
#define TG_PER_TILE 64
#else
#define TG_PER_TILE 32
#endif

#define TG_PHILOX TG_PASTE4(tg_, philox, f32, TG_ISA)

/* One tile: in [0, 1), multiples of 2^-24 or 2^-53; with `one` added to the integer, in (0, 1]. */
TG_INLINE void TG_FN(uniform_tile)(uint64_t seed, uint64_t counter, V_T *y)
{
    uint32_t w[4][16];
    TG_PHILOX(seed, counter, w);
#if V_BITS == 32
    for (int i = 0; i < 64; i++)
        y[i] = (float)(int32_t)((&w[0][0])[i] >> 8) * 0x1p-24f;
#else
    for (int j = 0; j < 2; j++)
        for (int l = 0; l < 16; l++) { /* the upper 32 and the lower 21 bits: both sums are exact */
            double high = (double)w[2 * j][l], low = (double)(int32_t)(w[2 * j + 1][l] >> 11);
            y[16 * j + l] = high * 0x1p-32 + low * 0x1p-53;
        }
#endif
}

/* Box and Muller: of two uniform numbers u in (0, 1] and v, sqrt(-2 ln u) times cos and sin 2 pi v.
 */
TG_INLINE void TG_FN(normal_tile)(uint64_t seed, uint64_t counter, V_T *y)
{
    V_T u[TG_PER_TILE];
    TG_FN(uniform_tile)(seed, counter, u);
    for (int j = 0; j < TG_PER_TILE; j += 32)
        for (int l = 0; l < 16; l += V_LANES) {
            VT radius =
                V(add)(V(load)(u + j + l), V(set1)(V_BITS == 32 ? V_C(0x1p-24) : V_C(0x1p-53)));
            radius = V(sqrt)(V(mul)(V(set1)(-2), V(log)(radius)));
            VT angle = V(mul)(V(load)(u + j + 16 + l), V(set1)(V_C(6.283185307179586)));
            V(store)(y + j + l, V(mul)(radius, V(cos)(angle)));
            V(store)(y + j + 16 + l, V(mul)(radius, V(sin)(angle)));
        }
}

#define TG_RANDOM_KERNEL(name)                                                                     \
    TG_KERNEL void TG_FN(name)(ptrdiff_t n, V_T *y, uint64_t seed, uint64_t counter)               \
    {                                                                                              \
        V_T last[TG_PER_TILE];                                                                     \
        for (; n >= TG_PER_TILE; n -= TG_PER_TILE, y += TG_PER_TILE, counter += 16)                \
            TG_FN(name##_tile)(seed, counter, y);                                                  \
        if (n > 0) {                                                                               \
            TG_FN(name##_tile)(seed, counter, last);                                               \
            memcpy(y, last, (size_t)n * sizeof *y);                                                \
        }                                                                                          \
    }
TG_RANDOM_KERNEL(uniform)
TG_RANDOM_KERNEL(normal)
#undef TG_RANDOM_KERNEL

/* mask = 24 random bits >= threshold; y = mask ? x * scale : 0. 64 words a tile for both types. */
TG_KERNEL void TG_FN(dropout)(ptrdiff_t n, V_T *y, uint8_t *mask, const V_T *x, uint64_t seed,
                              uint64_t counter, double threshold, double scale)
{
    uint32_t w[4][16], limit = (uint32_t)threshold;
    V_T s = (V_T)scale;
    for (ptrdiff_t i = 0; i < n; i += 64, counter += 16) {
        const uint32_t *word = &w[0][0];
        TG_PHILOX(seed, counter, w);
        if (n - i >= 64) {
            for (int k = 0; k < 64; k++)
                mask[i + k] = (word[k] >> 8) >= limit;
            for (int k = 0; k < 64; k++)
                y[i + k] = (word[k] >> 8) >= limit ? x[i + k] * s : 0;
        } else {
            for (int k = 0; k < n - i; k++) {
                mask[i + k] = (word[k] >> 8) >= limit;
                y[i + k] = mask[i + k] ? x[i + k] * s : 0;
            }
        }
    }
}

#undef TG_PER_TILE
#undef TG_PHILOX
