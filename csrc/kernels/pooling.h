/* pooling.h - a row of pooled pixels (see ../pooling.h), over the channels.
 *
 * Channels are adjacent (NHWC), so every loop runs over vectors of channels, and neighbouring
 * windows have nothing to share. The sums and leaders of some vectors stay in registers while the
 * taps of the window pass by. What compares index bytes does so for a whole row at once, into a
 * buffer (`room`), in plain C that the compiler turns into vectors: few channels then cost no more
 * than many.
 */

#ifndef TG_POOLING_KERNEL_H
#define TG_POOLING_KERNEL_H
#include "../pooling.h"

/* body(vectors, whole, i, rest) over n channels: `most` vectors at once, then one, then the rest.
 */
#define TG_POOL_CHANNELS(most, n, body)                                                            \
    do {                                                                                           \
        ptrdiff_t i_ = 0;                                                                          \
        for (; i_ + (most) * V_LANES <= (n); i_ += (most) * V_LANES)                               \
            body(most, 1, i_, 0);                                                                  \
        for (; i_ + V_LANES <= (n); i_ += V_LANES)                                                 \
            body(1, 1, i_, 0);                                                                     \
        if (i_ < (n))                                                                              \
            body(1, 0, i_, (n) - i_);                                                              \
    } while (0)
#endif

TG_INLINE VT TG_FN(pool_load)(const V_T *p, const int whole, ptrdiff_t rest)
{
    return whole ? V(load)(p) : V(load_tail)(p, rest);
}

TG_INLINE void TG_FN(pool_store)(V_T *p, VT v, const int whole, ptrdiff_t rest)
{
    if (whole)
        V(store)(p, v);
    else
        V(store_tail)(p, v, rest);
}

/* Lanes where v takes the lead from best: it is larger, or the first NaN. */
TG_INLINE VM TG_FN(beats)(VT v, VT best)
{
    return V(mask_not)(V(mask_or)(V(le)(v, best), V(isnan)(best)));
}

/* Places below 256 are exact as numbers of type V_T; `wide` places are counted apart. */
TG_INLINE void TG_FN(max_pool_vectors)(const int vectors, const int whole, ptrdiff_t rest,
                                       const tg_pool_row *p, ptrdiff_t cols, int32_t first,
                                       const V_T *x, V_T *y, uint8_t *index)
{
    VT best[4], where[4];
    V_T places[4 * V_LANES];
    TG_UNROLL for (int v = 0; v < vectors; v++)
    {
        best[v] = TG_FN(pool_load)(x + v * V_LANES, whole, rest);
        where[v] = V(set1)((V_T)first);
    }
    for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++) {
            const V_T *tap = x + r * p->row_step + q * p->c;
            const VT place = V(set1)((V_T)(first + (int32_t)r * p->window + (int32_t)q));
            TG_UNROLL for (int v = 0; v < vectors; v++)
            {
                VT here = TG_FN(pool_load)(tap + v * V_LANES, whole, rest);
                VM lead = TG_FN(beats)(here, best[v]);
                where[v] = V(select)(lead, place, where[v]);
                best[v] = V(select)(lead, here, best[v]);
            }
        }
    TG_UNROLL for (int v = 0; v < vectors; v++)
    {
        TG_FN(pool_store)(y + v * V_LANES, best[v], whole, rest);
        V(store)(places + v * V_LANES, where[v]);
    }
    for (ptrdiff_t l = 0; l < vectors * V_LANES && (whole || l < rest); l++)
        index[l] = (uint8_t)(int32_t)places[l];
}

TG_INLINE void TG_FN(max_pool_wide)(const tg_pool_row *p, ptrdiff_t cols, int32_t first,
                                    const V_T *x, V_T *y, int32_t *index)
{
    for (ptrdiff_t i = 0; i < p->c; i++) {
        y[i] = x[i];
        index[i] = first;
    }
    for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++)
            for (ptrdiff_t i = 0; i < p->c; i++) {
                V_T here = x[r * p->row_step + q * p->c + i];
                if (!(here <= y[i]) && y[i] == y[i]) {
                    y[i] = here;
                    index[i] = first + (int32_t)r * p->window + (int32_t)q;
                }
            }
}

/* The window of 2 x 2, for the usual halving: three duels. The winner's place in binary is `high`
 * (one of the lower two) and `low` (one of the right two). */
TG_INLINE void TG_FN(max_pool_2x2)(const int vectors, const int whole, ptrdiff_t rest, ptrdiff_t c,
                                   ptrdiff_t row, const V_T *x, V_T *y, uint8_t *index)
{
    uint8_t low[4 * V_LANES], high[4 * V_LANES];
    TG_UNROLL for (int v = 0; v < vectors; v++)
    {
        const V_T *tap = x + v * V_LANES;
        VT a = TG_FN(pool_load)(tap, whole, rest), b = TG_FN(pool_load)(tap + c, whole, rest);
        VT d = TG_FN(pool_load)(tap + row, whole, rest);
        VT e = TG_FN(pool_load)(tap + row + c, whole, rest);
        VM right = TG_FN(beats)(b, a);
        VT best = V(select)(right, b, a);
        VM third = TG_FN(beats)(d, best);
        best = V(select)(third, d, best);
        VM fourth = TG_FN(beats)(e, best);
        TG_FN(pool_store)(y + v * V_LANES, V(select)(fourth, e, best), whole, rest);
        V(mask_store)(high + v * V_LANES, V(mask_or)(third, fourth));
        V(mask_store)(low + v * V_LANES,
                      V(mask_or)(fourth, V(mask_and)(right, V(mask_not)(third))));
    }
    for (ptrdiff_t l = 0; l < vectors * V_LANES && (whole || l < rest); l++)
        index[l] = (uint8_t)(low[l] + 2 * high[l]);
}

TG_KERNEL void TG_FN(max_pool)(const tg_pool_row *p, const V_T *from, V_T *y, void *index)
{
    const ptrdiff_t c = p->c;
    uint8_t *places = index;
    for (ptrdiff_t s = 0; s < p->n; s++, y += c) {
        const V_T *x = from + p->first[s];
        const int32_t place = p->place_row + p->place[s];
        if (p->wide) {
            TG_FN(max_pool_wide)(p, p->cols[s], place, x, y, (int32_t *)index + s * c);
            continue;
        }
        if (p->rows == 2 && p->cols[s] == 2 && place == 0 && p->window == 2) {
#define TG_BODY(vectors, whole, i, rest)                                                           \
    TG_FN(max_pool_2x2)(vectors, whole, rest, c, p->row_step, x + i, y + i, places + i)
            TG_POOL_CHANNELS(4, c, TG_BODY);
#undef TG_BODY
        } else {
#define TG_BODY(vectors, whole, i, rest)                                                           \
    TG_FN(max_pool_vectors)(vectors, whole, rest, p, p->cols[s], place, x + i, y + i, places + i)
            TG_POOL_CHANNELS(4, c, TG_BODY);
#undef TG_BODY
        }
        places += c;
    }
}

/* y = x where the index is `place`, n times. */
TG_INLINE void TG_FN(pool_choose)(ptrdiff_t n, const V_T *restrict x, const void *index, int wide,
                                  int32_t place, V_T *restrict y)
{
    const int32_t *restrict words = index;
    const uint8_t *restrict bytes = index;
    if (wide)
        for (ptrdiff_t i = 0; i < n; i++)
            y[i] = words[i] == place ? x[i] : y[i];
    else
        for (ptrdiff_t i = 0; i < n; i++)
            y[i] = bytes[i] == place ? x[i] : y[i];
}

/* y = x at the place that index names. `room` holds a row of the result. */
TG_KERNEL void TG_FN(max_pool_gather)(const tg_pool_row *p, const V_T *from, const void *index,
                                      V_T *room, V_T *y)
{
    const ptrdiff_t c = p->c, n = p->n * c;
    for (ptrdiff_t i = 0; i < n; i++)
        room[i] = y[i] = 0;
    for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t j = 0; j < p->window; j++) {
            for (ptrdiff_t s = 0; s < p->n; s++) { /* tap j of every window, side by side */
                const ptrdiff_t q = j - p->place[s];
                const V_T *x = from + p->first[s] + r * p->row_step + q * c;
                if (q >= 0 && q < p->cols[s])
                    for (ptrdiff_t i = 0; i < c; i++)
                        room[s * c + i] = x[i];
            }
            TG_FN(pool_choose)
            (n, room, index, p->wide, p->place_row + (int32_t)(r * p->window + j), y);
        }
}

/* Some channels of a window, its taps in columns [q0, q1): the tap that the index names takes g,
 * the others take 0, which changes no sum; where no other window has a part in them, they are
 * written. Of a single vector all but `rest` lanes are the next pixel's, and take 0. */
TG_INLINE void TG_FN(max_pool_grad_vectors)(const int vectors, ptrdiff_t rest, const int alone,
                                            const tg_pool_scatter *p, ptrdiff_t q0, ptrdiff_t q1,
                                            const V_T *restrict g, const uint8_t *restrict index,
                                            V_T *restrict gx)
{
    const ptrdiff_t c = p->c, row0 = p->row0, row1 = p->row1, window = p->window;
    const ptrdiff_t gap = (p->width - (q1 - q0)) * c;
    VT place[4], value[4];
    TG_UNROLL for (int v = 0; v < vectors; v++)
    {
        place[v] = V(load_bytes)(index + v * V_LANES);
        value[v] = V(load)(g + v * V_LANES);
    }
    if (rest)
        value[0] = V(select)(V(lt)(V(iota)(), V(set1)((V_T)rest)), value[0], V(zero)());
    for (ptrdiff_t r = row0; r < row1; r++, gx += gap) {
        VT here = V(set1)((V_T)(r * window + q0));
        for (ptrdiff_t q = q0; q < q1; q++, gx += c, here = V(add)(here, V(set1)(1)))
            TG_UNROLL for (int v = 0; v < vectors; v++)
            {
                VT share = V(select)(V(eq)(place[v], here), value[v], V(zero)());
                if (!alone)
                    share = V(add)(V(load)(gx + v * V_LANES), share);
                V(store)(gx + v * V_LANES, share);
            }
    }
}

TG_INLINE void TG_FN(max_pool_grad_windows)(const int vectors, const int alone,
                                            const tg_pool_scatter *p, const V_T *restrict g,
                                            const void *restrict index, V_T *restrict gx)
{
    const ptrdiff_t c = p->c, n = p->n, step = p->stride * c, low = p->low;
    const ptrdiff_t filled = c / V_LANES * V_LANES, *restrict offset = p->offset;
    const size_t size = p->size, places = p->places;
    const int wide = p->wide;
    ptrdiff_t at = p->first;
    const uint8_t *bytes = index;
    const int32_t *words = index;
    for (ptrdiff_t s = 0; s < n; s++, g += c, bytes += c, words += c, at += step) {
        ptrdiff_t i = 0;
        if (vectors) {
            const ptrdiff_t left = p->before - s * p->stride, right = p->width + left;
            const ptrdiff_t q0 = left > 0 ? left : 0, q1 = p->window < right ? p->window : right;
            V_T *inside = gx + (at + (p->row0 * p->width + q0) * c);
            /* First what fills no vector, if there is one: of windows, and of pixels in the image's
             * row; it spills zeros over channels that are written next. (To add, and so to read
             * back what overlapping stores have just written, would take longer than one by one.)
             */
            const ptrdiff_t rest = c - filled;
            const int spills = alone && rest && (n - s) * c - filled >= V_LANES &&
                               (right - q1 + 1) * c - filled >= V_LANES;
            if (spills)
                TG_FN(max_pool_grad_vectors)
            (1, rest, alone, p, q0, q1, g + filled, bytes + filled, inside + filled);
            for (; i + 4 * V_LANES <= filled; i += 4 * V_LANES)
                TG_FN(max_pool_grad_vectors)
            (4, 0, alone, p, q0, q1, g + i, bytes + i, inside + i);
            for (; i < filled; i += V_LANES)
                TG_FN(max_pool_grad_vectors)
            (1, 0, alone, p, q0, q1, g + i, bytes + i, inside + i);
            if (spills)
                continue;
            for (ptrdiff_t r = p->row0; alone && rest && r < p->row1; r++)
                for (ptrdiff_t q = q0; q < q1; q++)
                    TG_FN(clear)(rest, gx + (at + (r * p->width + q) * c + filled));
        }
        for (; i < c; i++) {
            const size_t place = !wide                       ? bytes[i]
                                 : (size_t)words[i] < places ? (size_t)words[i]
                                                             : places;
            const ptrdiff_t to = at + offset[place] + i;
            if ((size_t)(to - low) < size)
                gx[to] += g[i];
        }
    }
}

/* A row of windows, the first at gx + p->first (which may lie outside the image), adds g where its
 * index says. What fills no vector is taken one by one: the offsets of indices that are none of the
 * window's places lead nowhere. */
TG_KERNEL void TG_FN(max_pool_grad)(const tg_pool_scatter *p, const V_T *g, const void *index,
                                    V_T *gx)
{
    if (p->wide || p->c < V_LANES)
        TG_FN(max_pool_grad_windows)(0, 0, p, g, index, gx);
    else if (p->alone)
        TG_FN(max_pool_grad_windows)(1, 1, p, g, index, gx);
    else
        TG_FN(max_pool_grad_windows)(1, 0, p, g, index, gx);
}

/* `vectors` neighbouring vectors of channels: the sum over the window times `scale`. */
TG_INLINE void TG_FN(average_pool_vectors)(const int vectors, const int whole, ptrdiff_t rest,
                                           const tg_pool_row *p, ptrdiff_t cols, V_T scale,
                                           const V_T *x, V_T *y)
{
    VT sum[8];
    TG_UNROLL for (int v = 0; v < vectors; v++) sum[v] = V(zero)();
    for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++) {
            const V_T *tap = x + r * p->row_step + q * p->c;
            TG_UNROLL for (int v = 0; v < vectors; v++) sum[v] =
                V(add)(sum[v], TG_FN(pool_load)(tap + v * V_LANES, whole, rest));
        }
    TG_UNROLL for (int v = 0; v < vectors; v++)
        TG_FN(pool_store)(y + v * V_LANES, V(mul)(sum[v], V(set1)(scale)), whole, rest);
}

TG_KERNEL void TG_FN(average_pool)(const tg_pool_row *p, const V_T *from, V_T *y)
{
    for (ptrdiff_t s = 0; s < p->n; s++, y += p->c) {
        const V_T *x = from + p->first[s], scale = 1 / (V_T)(p->rows * p->cols[s]);
#define TG_BODY(vectors, whole, i, rest)                                                           \
    TG_FN(average_pool_vectors)(vectors, whole, rest, p, p->cols[s], scale, x + i, y + i)
        TG_POOL_CHANNELS(4, p->c, TG_BODY);
#undef TG_BODY
    }
}

/* gx of one pixel of the image: the shares of the windows that cover it. */
TG_INLINE void TG_FN(average_pool_grad_vectors)(const int vectors, const int whole, ptrdiff_t rest,
                                                const tg_pool_row *p, const ptrdiff_t *col_counts,
                                                ptrdiff_t cols, const V_T *g, V_T *gx)
{
    ptrdiff_t count = p->row_counts[0] * col_counts[0];
    VT sum[4], scale = V(set1)(1 / (V_T)count);
    TG_UNROLL for (int v = 0; v < vectors; v++) sum[v] = V(zero)();
    for (ptrdiff_t r = 0; r < p->rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++) {
            const V_T *from = g + r * p->row_step + q * p->c;
            if (p->row_counts[r] * col_counts[q] != count) { /* only at the border */
                count = p->row_counts[r] * col_counts[q];
                scale = V(set1)(1 / (V_T)count);
            }
            TG_UNROLL for (int v = 0; v < vectors; v++) sum[v] =
                V(fma)(scale, TG_FN(pool_load)(from + v * V_LANES, whole, rest), sum[v]);
        }
    TG_UNROLL for (int v = 0; v < vectors; v++)
        TG_FN(pool_store)(gx + v * V_LANES, sum[v], whole, rest);
}

TG_KERNEL void TG_FN(average_pool_grad)(const tg_pool_row *p, const V_T *g, V_T *gx)
{
    const ptrdiff_t c = p->c;
    for (ptrdiff_t t = 0; t < p->n; t++, gx += c) {
        const V_T *from = g + p->first[t];
        const ptrdiff_t *counts = p->col_counts + p->first_window[t];
#define TG_BODY(vectors, whole, i, rest)                                                           \
    TG_FN(average_pool_grad_vectors)(vectors, whole, rest, p, counts, p->cols[t], from + i, gx + i)
        TG_POOL_CHANNELS(4, c, TG_BODY);
#undef TG_BODY
    }
}
