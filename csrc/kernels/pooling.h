/* pooling.h - the windows of one pixel, over the channels.
 *
 * Channels are adjacent (NHWC), so every loop below runs over channels, and neighbouring windows
 * have nothing to share. The sums and leaders of some vectors of channels stay in registers while
 * the taps of the window pass by. Loops over index bytes are plain C, which the compiler turns into
 * vectors.
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

/* `vectors` neighbouring vectors of channels through the whole window, the leaders and their places
 * (below 256, so exact as numbers) in registers; `rest` channels in a vector that is not whole. */
TG_INLINE void TG_FN(max_pool_vectors)(const int vectors, const int whole, ptrdiff_t rest,
                                       const tg_pool_window *w, const V_T *x, V_T *y,
                                       uint8_t *index)
{
    VT best[4], where[4];
    V_T places[4 * V_LANES];
    TG_UNROLL for (int i = 0; i < vectors; i++)
    {
        best[i] = whole ? V(load)(x + i * V_LANES) : V(load_tail)(x, rest);
        where[i] = V(set1)((V_T)w->place);
    }
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t q = 0; q < w->cols; q++) {
            const V_T *tap = x + r * w->row_step + q * w->col_step;
            const VT place = V(set1)((V_T)(w->place + r * w->place_step + q));
            TG_UNROLL for (int i = 0; i < vectors; i++)
            {
                VT v = whole ? V(load)(tap + i * V_LANES) : V(load_tail)(tap, rest);
                VM lead = TG_FN(beats)(v, best[i]);
                where[i] = V(select)(lead, place, where[i]);
                best[i] = V(select)(lead, v, best[i]);
            }
        }
    TG_UNROLL for (int i = 0; i < vectors; i++)
    {
        if (whole)
            V(store)(y + i * V_LANES, best[i]);
        else
            V(store_tail)(y, best[i], rest);
        V(store)(places + i * V_LANES, where[i]);
    }
    for (ptrdiff_t j = 0; j < vectors * V_LANES && (whole || j < rest); j++)
        index[j] = (uint8_t)(int32_t)places[j];
}

/* Windows of more than 256 places. */
TG_INLINE void TG_FN(max_pool_wide)(const tg_pool_window *w, ptrdiff_t n, const V_T *x, V_T *y,
                                    int32_t *index)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] = x[i];
        index[i] = (int32_t)w->place;
    }
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t q = 0; q < w->cols; q++) {
            const V_T *tap = x + r * w->row_step + q * w->col_step;
            const int32_t place = (int32_t)(w->place + r * w->place_step + q);
            for (ptrdiff_t i = 0; i < n; i++) {
                int beats = TG_POOL_BEATS(tap[i], y[i]);
                index[i] = beats ? place : index[i];
                y[i] = beats ? tap[i] : y[i];
            }
        }
}

TG_KERNEL void TG_FN(max_pool)(const tg_pool_window *w, ptrdiff_t n, const V_T *x, V_T *y,
                               void *index)
{
    uint8_t *places = index;
    ptrdiff_t i = 0;
    if (w->wide) {
        TG_FN(max_pool_wide)(w, n, x, y, index);
        return;
    }
    if (w->rows == 2 && w->cols == 2 && w->place == 0 && w->place_step == 2) {
        TG_FN(max_pool_2x2)
        (n, x, x + w->col_step, x + w->row_step, x + w->row_step + w->col_step, y, places);
        return;
    }
    for (; i + 4 * V_LANES <= n; i += 4 * V_LANES)
        TG_FN(max_pool_vectors)(4, 1, 0, w, x + i, y + i, places + i);
    for (; i + V_LANES <= n; i += V_LANES)
        TG_FN(max_pool_vectors)(1, 1, 0, w, x + i, y + i, places + i);
    if (i < n)
        TG_FN(max_pool_vectors)(1, 0, n - i, w, x + i, y + i, places + i);
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
    const ptrdiff_t row = w->row_step, col = w->col_step;
    const int32_t place = (int32_t)w->place, up = (int32_t)w->place_step;
    const int32_t back = (int32_t)w->place_col;
#define TG_SHARE(at, where) (chosen[i + (at)] == (where) ? g[i + (at)] : 0)
    if (!w->wide && w->rows <= 2 && w->cols <= 2) { /* each sum in one go */
        const uint8_t *restrict chosen = index;
        const ptrdiff_t other = w->cols == 2 ? col : row;
        const int32_t there = place - (w->cols == 2 ? back : up);
        if (w->rows * w->cols == 1)
            for (ptrdiff_t i = 0; i < n; i++)
                gx[i] = TG_SHARE(0, place);
        else if (w->rows * w->cols == 2)
            for (ptrdiff_t i = 0; i < n; i++)
                gx[i] = TG_SHARE(0, place) + TG_SHARE(other, there);
        else
            for (ptrdiff_t i = 0; i < n; i++)
                gx[i] = TG_SHARE(0, place) + TG_SHARE(col, place - back) +
                        TG_SHARE(row, place - up) + TG_SHARE(row + col, place - up - back);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        gx[i] = 0;
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t q = 0; q < w->cols; q++) {
            const ptrdiff_t at = r * row + q * col;
            const int32_t here = place - (int32_t)r * up - (int32_t)q * back;
            if (w->wide) {
                const int32_t *restrict chosen = index;
                for (ptrdiff_t i = 0; i < n; i++)
                    gx[i] += TG_SHARE(at, here);
            } else {
                const uint8_t *restrict chosen = index;
                for (ptrdiff_t i = 0; i < n; i++)
                    gx[i] += TG_SHARE(at, here);
            }
        }
#undef TG_SHARE
}

/* `vectors` neighbouring vectors of channels summed over the window, / count. */
TG_INLINE void TG_FN(average_pool_vectors)(const int vectors, const int whole, ptrdiff_t rest,
                                           const tg_pool_window *w, const V_T *x, V_T *y)
{
    const VT count = V(set1)((V_T)(w->rows * w->cols));
    VT sum[8];
    TG_UNROLL for (int i = 0; i < vectors; i++) sum[i] = V(zero)();
    for (ptrdiff_t r = 0; r < w->rows; r++)
        for (ptrdiff_t q = 0; q < w->cols; q++) {
            const V_T *tap = x + r * w->row_step + q * w->col_step;
            TG_UNROLL for (int i = 0; i < vectors; i++) sum[i] =
                V(add)(sum[i], whole ? V(load)(tap + i * V_LANES) : V(load_tail)(tap, rest));
        }
    TG_UNROLL for (int i = 0; i < vectors; i++)
    {
        if (whole)
            V(store)(y + i * V_LANES, V(div)(sum[i], count));
        else
            V(store_tail)(y, V(div)(sum[i], count), rest);
    }
}

/* y = the sum over the window / count. */
TG_KERNEL void TG_FN(average_pool)(const tg_pool_window *w, ptrdiff_t n, const V_T *restrict x,
                                   V_T *restrict y)
{
    ptrdiff_t i = 0;
    for (; i + 8 * V_LANES <= n; i += 8 * V_LANES)
        TG_FN(average_pool_vectors)(8, 1, 0, w, x + i, y + i);
    for (; i + 2 * V_LANES <= n; i += 2 * V_LANES)
        TG_FN(average_pool_vectors)(2, 1, 0, w, x + i, y + i);
    for (; i + V_LANES <= n; i += V_LANES)
        TG_FN(average_pool_vectors)(1, 1, 0, w, x + i, y + i);
    if (i < n)
        TG_FN(average_pool_vectors)(1, 0, n - i, w, x + i, y + i);
}

/* gx = g / count, or, `more`, gx += it: one window's share of one pixel. */
TG_KERNEL void TG_FN(average_pool_share)(ptrdiff_t n, V_T count, int more, const V_T *restrict g,
                                         V_T *restrict gx)
{
    if (more)
        for (ptrdiff_t i = 0; i < n; i++)
            gx[i] += g[i] / count;
    else
        for (ptrdiff_t i = 0; i < n; i++)
            gx[i] = g[i] / count;
}

#undef TG_POOL_BEATS
