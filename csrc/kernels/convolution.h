/* convolution.h - depthwise convolution (groups = channels = outputs): no sum over channels, so no
 * matrix product. Vectors run over channels; a group of pixels shares each load of the weights, and
 * its sums stay in registers over all taps.
 */

#ifndef TG_CONVOLUTION_KERNEL_H
#define TG_CONVOLUTION_KERNEL_H
#define TG_DEPTHWISE_PIXELS 6
#define TG_DEPTHWISE_TAPS 6
#endif

TG_INLINE VT TG_FN(conv_load)(const V_T *p, const int whole, ptrdiff_t n)
{
    return whole ? V(load)(p) : V(load_tail)(p, n);
}

/* y (n pixels, y_step apart) = act(sum over taps of x[tap + pixel * x_step] w[w_tap] + bias), for one
 * vector of channels. */
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

TG_KERNEL void TG_FN(depthwise)(ptrdiff_t n, ptrdiff_t c, ptrdiff_t n_taps, const V_T *x,
                                ptrdiff_t x_step, const ptrdiff_t *x_taps, const V_T *w,
                                const ptrdiff_t *w_taps, V_T *y, ptrdiff_t y_step, const V_T *bias,
                                int relu)
{
    enum { P = TG_DEPTHWISE_PIXELS };
    for (ptrdiff_t i = 0; i < n; i += P) {
        const V_T *from = x + i * x_step;
        V_T *to = y + i * y_step;
        ptrdiff_t left = n - i < P ? n - i : P;
        for (ptrdiff_t j = 0; j < c; j += V_LANES) {
            const V_T *b = bias ? bias + j : NULL;
            ptrdiff_t width = c - j;
            if (left == P && width >= V_LANES)
                TG_FN(depthwise_vector)
            (P, 1, width, n_taps, from + j, x_step, x_taps, w + j, w_taps, to + j, y_step, b, relu);
            else if (left == P) TG_FN(depthwise_vector)(P, 0, width, n_taps, from + j, x_step,
                                                        x_taps, w + j, w_taps, to + j, y_step, b,
                                                        relu);
            else for (ptrdiff_t q = 0; q < left; q++) TG_FN(depthwise_vector)(
                1, 0, width < V_LANES ? width : V_LANES, n_taps, from + q * x_step + j, x_step,
                x_taps, w + j, w_taps, to + q * y_step + j, y_step, b, relu);
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
                                            const V_T *x, ptrdiff_t x_step,
                                            const ptrdiff_t *x_taps, const V_T *g,
                                            ptrdiff_t g_step, V_T *gw, const ptrdiff_t *w_taps)
{
    enum { P = TG_DEPTHWISE_TAPS };
    for (ptrdiff_t j = 0; j < c; j += V_LANES) {
        ptrdiff_t width = c - j < V_LANES ? c - j : V_LANES, t = 0;
        for (; t + P <= n_taps; t += P)
            if (width == V_LANES)
                TG_FN(depthwise_taps)
        (P, 1, width, n, x + j, x_step, x_taps + t, g + j, g_step, gw + j, w_taps + t);
        else TG_FN(depthwise_taps)(P, 0, width, n, x + j, x_step, x_taps + t, g + j, g_step, gw + j,
                                   w_taps + t);
        for (; t + 3 <= n_taps; t += 3)
            TG_FN(depthwise_taps)
        (3, 0, width, n, x + j, x_step, x_taps + t, g + j, g_step, gw + j, w_taps + t);
        for (; t < n_taps; t++)
            TG_FN(depthwise_taps)
        (1, 0, width, n, x + j, x_step, x_taps + t, g + j, g_step, gw + j, w_taps + t);
    }
}
