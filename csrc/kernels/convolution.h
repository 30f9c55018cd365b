/* convolution.h - depthwise convolution (groups = channels = outputs): no sum over channels, so no
 * matrix product. Vectors run over channels; a group of pixels shares each load of the weights, and
 * its sums stay in registers over all taps.
 */

#ifndef TG_CONVOLUTION_KERNEL_H
#define TG_CONVOLUTION_KERNEL_H
#define TG_DEPTHWISE_PIXELS                                                                        \
    8                       /* that share a load of the weights: 8 sums hide the latency of fma    \
                             */
#define TG_DEPTHWISE_TAPS 9 /* that share a load of g: all of a 3 x 3 kernel */
#endif

TG_INLINE VT TG_FN(conv_load)(const V_T *p, const int whole, ptrdiff_t n)
{
    return whole ? V(load)(p) : V(load_tail)(p, n);
}

/* y (n pixels, y_step apart) = act(sum over taps of x[tap + pixel * x_step] w[w_tap] + bias), for
 * one vector of channels. */
TG_INLINE void TG_FN(depthwise_vector)(const int pixels, const int whole, ptrdiff_t width,
                                       ptrdiff_t n_taps, const V_T *x, ptrdiff_t x_step,
                                       const ptrdiff_t *x_taps, const V_T *w,
                                       const ptrdiff_t *w_taps, V_T *y, ptrdiff_t y_step,
                                       const V_T *bias, int relu)
{
    VT sum[TG_DEPTHWISE_PIXELS], start = bias ? TG_FN(conv_load)(bias, whole, width) : V(zero)();
    TG_UNROLL for (int i = 0; i < pixels; i++) sum[i] = start;
    for (ptrdiff_t t = 0; t < n_taps; t++) {
        VT v = TG_FN(conv_load)(w + w_taps[t], whole, width);
        const V_T *from = x + x_taps[t];
        TG_UNROLL for (int i = 0; i < pixels; i++) sum[i] =
            V(fma)(TG_FN(conv_load)(from + i * x_step, whole, width), v, sum[i]);
    }
    TG_UNROLL for (int i = 0; i < pixels; i++)
    {
        if (relu)
            sum[i] = V(max)(V(zero)(), sum[i]);
        if (whole)
            V(store)(y + i * y_step, sum[i]);
        else
            V(store_tail)(y + i * y_step, sum[i], width);
    }
}

/* A row of n pixels. */
TG_KERNEL void TG_FN(depthwise)(ptrdiff_t n, ptrdiff_t c, ptrdiff_t n_taps, const V_T *x,
                                ptrdiff_t x_step, const ptrdiff_t *x_taps, const V_T *w,
                                const ptrdiff_t *w_taps, V_T *y, ptrdiff_t y_step, const V_T *bias,
                                int relu)
{
    const ptrdiff_t groups = (n + TG_DEPTHWISE_PIXELS - 1) / TG_DEPTHWISE_PIXELS;
    for (ptrdiff_t j = 0; j < c; j += V_LANES) {
        const V_T *b = bias ? bias + j : NULL;
        const ptrdiff_t width = c - j;
        for (ptrdiff_t group = 0, i = 0, pixels; group < groups; group++, i += pixels) {
            const V_T *from = x + i * x_step + j;
            V_T *to = y + i * y_step + j;
            pixels = (n - i) / (groups - group); /* even shares: 8 = 4 + 4, not 6 + 2 */
#define TG_PIXELS(p)                                                                               \
    case p:                                                                                        \
        if (width >= V_LANES)                                                                      \
            TG_FN(depthwise_vector)                                                                \
        (p, 1, width, n_taps, from, x_step, x_taps, w + j, w_taps, to, y_step, b, relu);           \
        else TG_FN(depthwise_vector)(p, 0, width, n_taps, from, x_step, x_taps, w + j, w_taps, to, \
                                     y_step, b, relu);                                             \
        break;
            switch (pixels) {
                TG_PIXELS(1)
                TG_PIXELS(2)
                TG_PIXELS(3)
                TG_PIXELS(4)
                TG_PIXELS(5)
                TG_PIXELS(6)
                TG_PIXELS(7)
                TG_PIXELS(8)
            }
#undef TG_PIXELS
        }
    }
}

/* gw[w_tap + c] += sum over n pixels of x[tap + pixel * x_step + c] g[pixel * g_step + c]. */
TG_INLINE void TG_FN(depthwise_taps)(const int taps, const int whole, ptrdiff_t width, ptrdiff_t n,
                                     const V_T *x, ptrdiff_t x_step, const ptrdiff_t *x_taps,
                                     const V_T *g, ptrdiff_t g_step, V_T *gw,
                                     const ptrdiff_t *w_taps)
{
    VT sum[TG_DEPTHWISE_TAPS];
    const V_T *from[TG_DEPTHWISE_TAPS];
    TG_UNROLL for (int t = 0; t < taps; t++)
    {
        sum[t] = V(zero)();
        from[t] = x + x_taps[t];
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        VT v = TG_FN(conv_load)(g + i * g_step, whole, width);
        TG_UNROLL for (int t = 0; t < taps; t++) sum[t] =
            V(fma)(TG_FN(conv_load)(from[t] + i * x_step, whole, width), v, sum[t]);
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

TG_KERNEL void TG_FN(depthwise_weight_grad)(ptrdiff_t n, ptrdiff_t c, ptrdiff_t n_taps,
                                            const V_T *x, ptrdiff_t x_step, const ptrdiff_t *x_taps,
                                            const V_T *g, ptrdiff_t g_step, V_T *gw,
                                            const ptrdiff_t *w_taps)
{
    for (ptrdiff_t j = 0; j < c; j += V_LANES) {
        const ptrdiff_t width = c - j < V_LANES ? c - j : V_LANES;
        ptrdiff_t t = 0;
#define TG_TAPS(taps)                                                                              \
    for (; t + taps <= n_taps; t += taps) {                                                        \
        if (width == V_LANES)                                                                      \
            TG_FN(depthwise_taps)                                                                  \
        (taps, 1, width, n, x + j, x_step, x_taps + t, g + j, g_step, gw + j, w_taps + t);         \
        else TG_FN(depthwise_taps)(taps, 0, width, n, x + j, x_step, x_taps + t, g + j, g_step,    \
                                   gw + j, w_taps + t);                                            \
    }
        TG_TAPS(9)
        TG_TAPS(5)
        TG_TAPS(2)
        TG_TAPS(1)
#undef TG_TAPS
    }
}

/* Add what n pixels of g give to a row of the image: share (t, i) of pixel p goes to element
 * p * step + t * tap_step + i. Taps outside, so that neighbouring additions do not wait for each
 * other. */
TG_KERNEL void TG_FN(conv_add_shares)(ptrdiff_t n, ptrdiff_t n_taps, ptrdiff_t c,
                                      const V_T *restrict shares, ptrdiff_t share_step,
                                      V_T *restrict row, ptrdiff_t step, ptrdiff_t tap_step)
{
    for (ptrdiff_t t = 0; t < n_taps; t++)
        for (ptrdiff_t i = 0; i < c; i++) {
            const V_T *from = shares + t * c + i;
            V_T *to = row + t * tap_step + i;
            for (ptrdiff_t p = 0; p < n; p++)
                to[p * step] += from[p * share_step];
        }
}
