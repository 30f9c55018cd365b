/* pooling.h - the windows of one pixel, over the channels.
 *
 * Channels are adjacent (NHWC), so every loop below runs over channels in plain C, and the compiler
 * turns it into vectors: comparisons and integer selects, which need no verb of their own. A block
 * of channels keeps its winners in L1 while the taps of the window pass by.
 *
 * A window is given by its part inside the image: `rows` x `cols` pixels, the first at x, row_step
 * and col_step elements apart. The place of its first pixel in the whole window is `place`, and a
 * row further down is `place_step` places on.
 */

#ifndef TG_POOLING_KERNEL_H
#define TG_POOLING_KERNEL_H
#include "../pooling.h"
#define TG_POOL_BLOCK 128
#endif

#undef TG_POOL_INT
#if V_BITS == 64
#define TG_POOL_INT int64_t
#else
#define TG_POOL_INT int32_t
#endif

/* Whether v takes the lead from best: it is larger, or the first NaN. */
#define TG_POOL_BEATS(v, best) (!((v) <= (best)) & ((best) == (best)))

/* Lanes where v takes the lead from best. */
TG_INLINE VM TG_FN(beats)(VT v, VT best)
{
    return V(mask_not)(V(mask_or)(V(le)(v, best), V(isnan)(best)));
}

/* The window of 2 x 2, for the usual halving: three duels. The winner's place in binary is `high`
 * (one of the lower two) and `low` (one of the right two). */
TG_INLINE VT TG_FN(duels)(VT a, VT b, VT c, VT d, VM *low, VM *high)
{
    VM right = TG_FN(beats)(b, a);
    VT best = V(select)(right, b, a);
    VM third = TG_FN(beats)(c, best);
    best = V(select)(third, c, best);
    VM fourth = TG_FN(beats)(d, best);
    *high = V(mask_or)(third, fourth);
    *low = V(mask_or)(fourth, V(mask_and)(right, V(mask_not)(third)));
    return V(select)(fourth, d, best);
}

TG_INLINE void TG_FN(max_pool_2x2)(ptrdiff_t n, const V_T *a, const V_T *b, const V_T *c,
                                   const V_T *d, V_T *y, uint8_t *index)
{
    uint8_t low[TG_POOL_BLOCK + V_LANES], high[TG_POOL_BLOCK + V_LANES];
    for (ptrdiff_t first = 0; first < n; first += TG_POOL_BLOCK) {
        ptrdiff_t end = n - first < TG_POOL_BLOCK ? n : first + TG_POOL_BLOCK, i = first;
        VM m0, m1;
        for (; i + V_LANES <= end; i += V_LANES) {
            V(store)(y + i, TG_FN(duels)(V(load)(a + i), V(load)(b + i), V(load)(c + i),
                                         V(load)(d + i), &m0, &m1));
            V(mask_store)(low + (i - first), m0);
            V(mask_store)(high + (i - first), m1);
        }
        if (i < end) {
            ptrdiff_t rest = end - i;
            V(store_tail)(y + i,
                          TG_FN(duels)(V(load_tail)(a + i, rest), V(load_tail)(b + i, rest),
                                       V(load_tail)(c + i, rest), V(load_tail)(d + i, rest), &m0,
                                       &m1),
                          rest);
            V(mask_store)(low + (i - first), m0);
            V(mask_store)(high + (i - first), m1);
        }
        for (ptrdiff_t j = 0; j < end - first; j++)
            index[first + j] = (uint8_t)(low[j] + 2 * high[j]);
    }
}

TG_KERNEL void TG_FN(max_pool)(const tg_pool_window *w, ptrdiff_t n, const V_T *x, V_T *y,
                               void *index)
{
    if (!w->wide && w->rows == 2 && w->cols == 2 && w->place == 0 && w->place_step == 2) {
        TG_FN(max_pool_2x2)
        (n, x, x + w->col_step, x + w->row_step, x + w->row_step + w->col_step, y, index);
        return;
    }
    for (ptrdiff_t first = 0; first < n; first += TG_POOL_BLOCK) {
        ptrdiff_t count = n - first < TG_POOL_BLOCK ? n - first : TG_POOL_BLOCK;
        V_T best[TG_POOL_BLOCK];
        TG_POOL_INT where[TG_POOL_BLOCK];
        for (ptrdiff_t i = 0; i < count; i++) {
            best[i] = x[first + i];
            where[i] = (TG_POOL_INT)w->place;
        }
        for (ptrdiff_t r = 0; r < w->rows; r++)
            for (ptrdiff_t q = 0; q < w->cols; q++) {
                const V_T *tap = x + r * w->row_step + q * w->col_step + first;
                const TG_POOL_INT place = (TG_POOL_INT)(w->place + r * w->place_step + q);
                for (ptrdiff_t i = 0; i < count; i++) {
                    V_T v = tap[i];
                    int beats = TG_POOL_BEATS(v, best[i]);
                    where[i] = beats ? place : where[i];
                    best[i] = beats ? v : best[i];
                }
            }
        for (ptrdiff_t i = 0; i < count; i++)
            y[first + i] = best[i];
        if (w->wide)
            for (ptrdiff_t i = 0; i < count; i++)
                ((int32_t *)index)[first + i] = (int32_t)where[i];
        else
            for (ptrdiff_t i = 0; i < count; i++)
                ((uint8_t *)index)[first + i] = (uint8_t)where[i];
    }
}

/* y = x at the place that index names. */
TG_KERNEL void TG_FN(max_pool_gather)(const tg_pool_window *w, ptrdiff_t n, const V_T *restrict x,
                                      const void *index, V_T *restrict y)
{
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = 0;
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t q = 0; q < w->cols; q++) {
            const V_T *restrict tap = x + r * w->row_step + q * w->col_step;
            const int32_t place = (int32_t)(w->place + r * w->place_step + q);
            if (w->wide) {
                const int32_t *restrict at = index;
                for (ptrdiff_t i = 0; i < n; i++)
                    y[i] = at[i] == place ? tap[i] : y[i];
            } else {
                const uint8_t *restrict at = index;
                for (ptrdiff_t i = 0; i < n; i++)
                    y[i] = at[i] == place ? tap[i] : y[i];
            }
        }
}

/* gx of one pixel of the image: for each window that covers it, g where that window chose it. Here
 * a "window" is the block of output pixels (rows x cols) that see the pixel, and the pixel's place
 * in the first of them is `place`; it falls by place_step a row, and by place_col a column. */
TG_KERNEL void TG_FN(max_pool_grad)(const tg_pool_window *w, ptrdiff_t n, const V_T *restrict g,
                                    const void *index, V_T *restrict gx)
{
    for (ptrdiff_t i = 0; i < n && w->rows * w->cols != 1; i++)
        gx[i] = 0;
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t q = 0; q < w->cols; q++) {
            const ptrdiff_t at = r * w->row_step + q * w->col_step;
            const V_T *restrict from = g + at;
            const int32_t place = (int32_t)(w->place - r * w->place_step - q * w->place_col);
            if (w->wide) {
                const int32_t *restrict chosen = (const int32_t *)index + at;
                for (ptrdiff_t i = 0; i < n; i++)
                    gx[i] =
                        (w->rows * w->cols == 1 ? 0 : gx[i]) + (chosen[i] == place ? from[i] : 0);
            } else if (w->rows * w->cols == 1) {
                const uint8_t *restrict chosen = (const uint8_t *)index + at;
                for (ptrdiff_t i = 0; i < n; i++)
                    gx[i] = chosen[i] == place ? from[i] : 0;
            } else {
                const uint8_t *restrict chosen = (const uint8_t *)index + at;
                for (ptrdiff_t i = 0; i < n; i++)
                    gx[i] += chosen[i] == place ? from[i] : 0;
            }
        }
}

/* y = the sum over the window / count. */
TG_KERNEL void TG_FN(average_pool)(const tg_pool_window *w, ptrdiff_t n, const V_T *restrict x,
                                   V_T *restrict y)
{
    const V_T count = (V_T)(w->rows * w->cols);
    for (ptrdiff_t first = 0; first < n; first += TG_POOL_BLOCK) {
        ptrdiff_t m = n - first < TG_POOL_BLOCK ? n - first : TG_POOL_BLOCK;
        V_T sum[TG_POOL_BLOCK];
        for (ptrdiff_t i = 0; i < m; i++)
            sum[i] = 0;
        for (ptrdiff_t r = 0; r < w->rows; r++)
            for (ptrdiff_t q = 0; q < w->cols; q++) {
                const V_T *restrict tap = x + r * w->row_step + q * w->col_step + first;
                for (ptrdiff_t i = 0; i < m; i++)
                    sum[i] += tap[i];
            }
        for (ptrdiff_t i = 0; i < m; i++)
            y[first + i] = sum[i] / count;
    }
}

/* gx += g / count: one window's share of one pixel. */
TG_KERNEL void TG_FN(average_pool_share)(ptrdiff_t n, V_T count, const V_T *restrict g,
                                         V_T *restrict gx)
{
    for (ptrdiff_t i = 0; i < n; i++)
        gx[i] += g[i] / count;
}

#undef TG_POOL_BEATS
