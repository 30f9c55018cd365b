/* convolution.h - depthwise convolution (groups = channels = outputs): no sum over channels, so no
 * matrix product. Vectors run over channels; the sums of a few neighbouring pixels stay in
 * registers over all taps. A kernel is bound by its loads (one fma needs one load of x, unless it
 * is shared), so where neighbours read what their neighbours read, each load serves all taps of a
 * row.
 */

#ifndef TG_CONVOLUTION_KERNEL_H
#define TG_CONVOLUTION_KERNEL_H
#include "../depthwise.h"
#define TG_DEPTHWISE_PIXELS                                                                        \
    8                       /* that share a load of the weights: 8 sums hide the latency of fma    \
                             */
#define TG_DEPTHWISE_TAPS 9 /* that share a load of g: all of a 3 x 3 kernel */
#endif

TG_INLINE VT TG_FN(conv_load)(const V_T *p, const int whole, ptrdiff_t n)
{
    return whole ? V(load)(p) : V(load_tail)(p, n);
}

/* Some neighbouring pixels, one vector of channels. With `slide` > 0, a row has that many taps, and
 * the next pixel meets each where this one meets the tap after it. Either way a sum takes the taps
 * in their order. */
TG_INLINE void TG_FN(depthwise_vector)(const int pixels, const int slide, const int whole,
                                       ptrdiff_t width, const tg_depthwise_part *p, const V_T *x,
                                       const V_T *w, V_T *y, const V_T *bias)
{
    const ptrdiff_t x_step = p->x_step, x_tap = p->x_tap, w_tap = p->w_tap, y_step = p->y_step;
    VT sum[TG_DEPTHWISE_PIXELS], start = bias ? TG_FN(conv_load)(bias, whole, width) : V(zero)();
    TG_UNROLL for (int i = 0; i < pixels; i++) sum[i] = start;
    for (ptrdiff_t r = 0; r < p->tap_rows; r++, x += p->x_tap_row, w += p->w_tap_row) {
        if (slide) {
            VT tap[8];
            TG_UNROLL for (int t = 0; t < slide; t++) tap[t] =
                TG_FN(conv_load)(w + t * w_tap, whole, width);
            TG_UNROLL for (int j = 0; j < pixels + slide - 1; j++)
            {
                VT v = TG_FN(conv_load)(x + j * x_step, whole, width);
                TG_UNROLL for (int t = 0; t < slide; t++) if (j >= t && j - t < pixels) sum[j - t] =
                    V(add_product)(sum[j - t], v, tap[t]);
            }
            continue;
        }
        for (ptrdiff_t t = 0; t < p->taps; t++) {
            VT v = TG_FN(conv_load)(w + t * w_tap, whole, width);
            TG_UNROLL for (int i = 0; i < pixels; i++) sum[i] =
                V(fma)(TG_FN(conv_load)(x + t * x_tap + i * x_step, whole, width), v, sum[i]);
        }
    }
    TG_UNROLL for (int i = 0; i < pixels; i++)
    {
        if (p->relu)
            sum[i] = V(max)(V(zero)(), sum[i]);
        if (whole)
            V(store)(y + i * y_step, sum[i]);
        else
            V(store_tail)(y + i * y_step, sum[i], width);
    }
}

/* The same pixels, all channels: what their addresses take to work out is small beside it. */
#define TG_DEPTHWISE_NAME_(pixels, slide) depthwise_##pixels##_##slide
#define TG_DEPTHWISE_FN(pixels, slide) TG_FN(TG_DEPTHWISE_NAME_(pixels, slide))
#define TG_DEFINE_DEPTHWISE(pixels, slide)                                                         \
    TG_KERNEL void TG_DEPTHWISE_FN(pixels, slide)(const tg_depthwise_part *p, const V_T *x,        \
                                                  V_T *y)                                          \
    {                                                                                              \
        const V_T *w = p->w, *bias = p->bias;                                                      \
        ptrdiff_t j = 0;                                                                           \
        for (; j + V_LANES <= p->c; j += V_LANES)                                                  \
            TG_FN(depthwise_vector)                                                                \
        (pixels, slide, 1, V_LANES, p, x + j, w + j, y + j, bias ? bias + j : NULL);               \
        if (j < p->c)                                                                              \
            TG_FN(depthwise_vector)                                                                \
        (pixels, slide, 0, p->c - j, p, x + j, w + j, y + j, bias ? bias + j : NULL);              \
    }
#define TG_DEPTHWISE_ENTRY(pixels, slide) TG_DEPTHWISE_FN(pixels, slide),
#define TG_EACH_PIXELS(X, slide)                                                                   \
    X(1, slide)                                                                                    \
    X(2, slide) X(3, slide) X(4, slide) X(5, slide) X(6, slide) X(7, slide) X(8, slide)
TG_EACH_PIXELS(TG_DEFINE_DEPTHWISE, 0)
TG_EACH_PIXELS(TG_DEFINE_DEPTHWISE, 2)
TG_EACH_PIXELS(TG_DEFINE_DEPTHWISE, 3)
TG_EACH_PIXELS(TG_DEFINE_DEPTHWISE, 5)
TG_EACH_PIXELS(TG_DEFINE_DEPTHWISE, 7)

/* y = act(sum over taps of x w + bias) for a rectangle. */
TG_KERNEL void TG_FN(depthwise)(const tg_depthwise_part *p)
{
    static void (*const functions[][TG_DEPTHWISE_PIXELS])(const tg_depthwise_part *, const V_T *,
                                                          V_T *) = {
        {TG_EACH_PIXELS(TG_DEPTHWISE_ENTRY, 0)}, {TG_EACH_PIXELS(TG_DEPTHWISE_ENTRY, 2)},
        {TG_EACH_PIXELS(TG_DEPTHWISE_ENTRY, 3)}, {TG_EACH_PIXELS(TG_DEPTHWISE_ENTRY, 5)},
        {TG_EACH_PIXELS(TG_DEPTHWISE_ENTRY, 7)},
    };
    const ptrdiff_t slide = p->x_tap == p->x_step && p->n > 1 ? p->taps : 0;
    const int which = slide == 2 ? 1 : slide == 3 ? 2 : slide == 5 ? 3 : slide == 7 ? 4 : 0;
    const ptrdiff_t groups = (p->n + TG_DEPTHWISE_PIXELS - 1) / TG_DEPTHWISE_PIXELS;
    for (ptrdiff_t row = 0; row < p->n_rows; row++)
        for (ptrdiff_t group = 0, i = 0, pixels; group < groups; group++, i += pixels) {
            pixels = (p->n - i) / (groups - group); /* even shares: 9 = 4 + 5, not 8 + 1 */
            functions[which][pixels - 1](p, (const V_T *)p->x + row * p->x_row + i * p->x_step,
                                         (V_T *)p->y + row * p->y_row + i * p->y_step);
        }
}
#undef TG_DEPTHWISE_NAME_
#undef TG_DEPTHWISE_FN
#undef TG_DEFINE_DEPTHWISE
#undef TG_DEPTHWISE_ENTRY
#undef TG_EACH_PIXELS

/* gw of some taps += sum over the rectangle of x g, for one vector of channels. */
TG_INLINE void TG_FN(depthwise_taps)(const int taps, const int whole, ptrdiff_t width,
                                     const tg_depthwise_part *p, const V_T *x,
                                     const ptrdiff_t *x_taps, const V_T *g, V_T *gw,
                                     const ptrdiff_t *w_taps)
{
    const ptrdiff_t x_step = p->x_step, y_step = p->y_step, n = p->n;
    VT sum[TG_DEPTHWISE_TAPS];
    const V_T *from[TG_DEPTHWISE_TAPS];
    TG_UNROLL for (int t = 0; t < taps; t++)
    {
        sum[t] = V(zero)();
        from[t] = x + x_taps[t];
    }
    for (ptrdiff_t row = 0; row < p->n_rows; row++, g += p->y_row) {
        const V_T *at = g;
        for (ptrdiff_t i = 0, j = row * p->x_row; i < n; i++, j += x_step, at += y_step) {
            VT v = TG_FN(conv_load)(at, whole, width);
            TG_UNROLL for (int t = 0; t < taps; t++) sum[t] =
                V(fma)(TG_FN(conv_load)(from[t] + j, whole, width), v, sum[t]);
        }
    }
    TG_UNROLL for (int t = 0; t < taps; t++)
    {
        V_T *to = gw + w_taps[t];
        VT y = V(add)(TG_FN(conv_load)(to, whole, width), sum[t]);
        if (whole)
            V(store)(to, y);
        else
            V(store_tail)(to, y, width);
    }
}

TG_KERNEL void TG_FN(depthwise_weight_grad)(const tg_depthwise_part *p)
{
    ptrdiff_t x_taps[TG_DEPTHWISE_TAPS], w_taps[TG_DEPTHWISE_TAPS];
    int n = 0;
    for (ptrdiff_t r = 0; r < p->tap_rows; r++)
        for (ptrdiff_t q = 0; q < p->taps; q++) {
            x_taps[n] = r * p->x_tap_row + q * p->x_tap;
            w_taps[n++] = r * p->w_tap_row + q * p->w_tap;
            if (n < TG_DEPTHWISE_TAPS && (r + 1 < p->tap_rows || q + 1 < p->taps))
                continue;
            ptrdiff_t j = 0;
#define TG_TAPS(taps)                                                                              \
    case taps:                                                                                     \
        for (; j + V_LANES <= p->c; j += V_LANES)                                                  \
            TG_FN(depthwise_taps)                                                                  \
        (taps, 1, V_LANES, p, (const V_T *)p->x + j, x_taps, (const V_T *)p->g + j,                \
         (V_T *)p->gw + j, w_taps);                                                                \
        if (j < p->c)                                                                              \
            TG_FN(depthwise_taps)                                                                  \
        (taps, 0, p->c - j, p, (const V_T *)p->x + j, x_taps, (const V_T *)p->g + j,               \
         (V_T *)p->gw + j, w_taps);                                                                \
        break;
            switch (n) {
                TG_TAPS(1)
                TG_TAPS(2)
                TG_TAPS(3)
                TG_TAPS(4)
                TG_TAPS(5)
                TG_TAPS(6)
                TG_TAPS(7)
                TG_TAPS(8)
                TG_TAPS(9)
            }
#undef TG_TAPS
            n = 0;
        }
}

/* Add what n pixels of g give to a row of the image: share (t, i) of pixel p goes to element
 * p * step + t * tap_step + i. Taps that lie side by side are one run of numbers. Neighbouring
 * pixels add to the same places, so they are not taken one after the other: an addition would wait
 * for the one before to reach the cache. May add zeros to V_LANES elements past the last one. */
TG_KERNEL void TG_FN(conv_add_shares)(ptrdiff_t n, ptrdiff_t n_taps, ptrdiff_t c,
                                      const V_T *restrict shares, ptrdiff_t share_step,
                                      V_T *restrict row, ptrdiff_t step, ptrdiff_t tap_step)
{
    const ptrdiff_t width = n_taps * c;
    if (tap_step == c && width >= 6) { /* less would be a mostly empty vector */
        const ptrdiff_t apart = (width + V_LANES) / step + 1;
        for (ptrdiff_t first = 0; first < apart; first++)
            for (ptrdiff_t p = first; p < n; p += apart) {
                const V_T *from = shares + p * share_step;
                V_T *to = row + p * step;
                for (ptrdiff_t j = 0; j < width; j += V_LANES) {
                    VT v = width - j >= V_LANES ? V(load)(from + j)
                                                : V(load_tail)(from + j, width - j);
                    V(store)(to + j, V(add)(V(load)(to + j), v));
                }
            }
        return;
    }
    for (ptrdiff_t t = 0; t < n_taps; t++)
        for (ptrdiff_t i = 0; i < c; i++) {
            const V_T *from = shares + t * c + i;
            V_T *to = row + t * tap_step + i;
            for (ptrdiff_t p = 0; p < n; p++)
                to[p * step] += from[p * share_step];
        }
}
