/* normalization.h - inner loops of layer, RMS and batch normalization, forward and gradient.
 *
 * Layer and RMS norm work on rows of D contiguous elements. A row is read from memory once and from
 * L1 after that: its mean, then the squared distances from the mean (two passes: E[x^2] - mean^2
 * would cancel), then the result. RMS norm is the same with the mean taken to be 0; `centred` is a
 * constant where the function is inlined. Rows are taken by fours: then gamma and beta, and in the
 * gradient their own gradients, which are sums over rows, are read and written once for four rows.
 *
 * Batch norm works on columns of a (rows, C) array. Its statistics go through blocks of rows that
 * stay in L1: each gives its mean and squared distances in two passes, and is merged with what came
 * before by the update of Chan, Golub and LeVeque (1979). All sums are blocked, so rounding grows
 * with the block, not with the array.
 *
 * A C smaller than a vector would leave lanes idle; the driver joins p rows to one of p C columns.
 */

/* Vectors per group of columns: enough independent sums to hide the latency of an add. */
#define TG_NORM_GROUP 4

/* sum of (x - mean)^power over n elements, power 1 or 2; lanes past the end count as `mean`. What
 * is `soon` to be written is asked for meanwhile, unless NULL. */
TG_INLINE V_T TG_FN(norm_sum)(ptrdiff_t n, const V_T *x, V_T mean, int power, const V_T *soon)
{
    VT s0 = V(zero)(), s1 = s0, s2 = s0, s3 = s0, m = V(set1)(mean);
    ptrdiff_t i = 0;
#define TG_STEP(s, k)                                                                              \
    {                                                                                              \
        VT v = V(load)(x + i + k * V_LANES);                                                       \
        v = V(sub)(v, m);                                                                          \
        s = power == 2 ? V(fma)(v, v, s) : V(add)(s, v);                                           \
    }
    for (; i + 4 * V_LANES <= n; i += 4 * V_LANES) {
        if (soon)
            TG_PREFETCH_LINES(soon + i, 4 * sizeof(VT));
        TG_STEP(s0, 0)
        TG_STEP(s1, 1)
        TG_STEP(s2, 2)
        TG_STEP(s3, 3)
    }
    for (; i + V_LANES <= n; i += V_LANES)
        TG_STEP(s0, 0)
#undef TG_STEP
    V_T rest = 0;
    for (; i < n; i++)
        rest += power == 2 ? (x[i] - mean) * (x[i] - mean) : x[i] - mean;
    return V(hsum)(V(add)(V(add)(s0, s1), V(add)(s2, s3))) + rest;
}

/* k rows (1 to 4): gamma and beta are loaded once for all, and the sums of one row overlap those of
 * the next. */
TG_INLINE void TG_FN(norm_block)(int k, ptrdiff_t d, V_T *y, V_T *mean, V_T *rstd, const V_T *x,
                                 const V_T *gamma, const V_T *beta, double epsilon, int centred)
{
    V_T mu[4] = {0}, scale[4];
    VT m[4], s[4];
    if (centred)
        for (int r = 0; r < k; r++)
            mean[r] = mu[r] = TG_FN(norm_sum)(d, x + r * d, 0, 1, NULL) / (V_T)d;
    for (int r = 0; r < k; r++)
        scale[r] = TG_FN(norm_sum)(d, x + r * d, mu[r], 2, y + r * d) / (V_T)d;
    for (int r = 0; r < k; r++) {
        rstd[r] = 1 / (V_T)sqrt((double)(scale[r] + (V_T)epsilon));
        m[r] = V(set1)(mu[r]);
        s[r] = V(set1)(rstd[r]);
    }
    for (ptrdiff_t i = 0; i < d; i += V_LANES) {
        ptrdiff_t n = d - i;
        VT a = gamma ? TG_FN(load_upto)(gamma + i, n) : V(set1)(1);
        VT b = beta ? TG_FN(load_upto)(beta + i, n) : V(zero)();
        for (int r = 0; r < k; r++) {
            VT v = TG_FN(load_upto)(x + r * d + i, n);
            v = V(mul)(centred ? V(sub)(v, m[r]) : v, s[r]);
            v = centred ? V(fma)(v, a, b) : V(mul)(v, a);
            TG_FN(store_upto)(y + r * d + i, v, n);
        }
    }
}

TG_INLINE void TG_FN(norm_rows)(ptrdiff_t n_rows, ptrdiff_t d, V_T *y, V_T *mean, V_T *rstd,
                                const V_T *x, const V_T *gamma, const V_T *beta, double epsilon,
                                int centred)
{
    ptrdiff_t r = 0;
    for (; r + 4 <= n_rows; r += 4)
        TG_FN(norm_block)(4, d, y + r * d, mean + r, rstd + r, x + r * d, gamma, beta, epsilon,
                          centred);
    for (; r < n_rows; r++)
        TG_FN(norm_block)(1, d, y + r * d, mean + r, rstd + r, x + r * d, gamma, beta, epsilon,
                          centred);
}

TG_KERNEL void TG_FN(layer_norm)(ptrdiff_t n_rows, ptrdiff_t d, V_T *y, V_T *mean, V_T *rstd,
                                 const V_T *x, const V_T *gamma, const V_T *beta, double epsilon)
{
    TG_FN(norm_rows)(n_rows, d, y, mean, rstd, x, gamma, beta, epsilon, 1);
}

TG_KERNEL void TG_FN(rms_norm)(ptrdiff_t n_rows, ptrdiff_t d, V_T *y, V_T *mean, V_T *rrms,
                               const V_T *x, const V_T *gamma, const V_T *beta, double epsilon)
{
    TG_FN(norm_rows)(n_rows, d, y, rrms, rrms, x, gamma, beta, epsilon, 0);
    (void)mean;
}

/* With n = (x - mean) rstd and w = g gamma, the means over one row of w and of w n. `soon`: see
 * norm_sum. */
TG_INLINE void TG_FN(norm_row_means)(ptrdiff_t d, const V_T *g, const V_T *x, const V_T *gamma,
                                     V_T mean, V_T rstd, int centred, const V_T *soon, V_T *mean_w,
                                     V_T *mean_wn)
{
    VT sw0 = V(zero)(), sw1 = sw0, sn0 = sw0, sn1 = sw0, m = V(set1)(mean);
#define TG_STEP(sw, sn, at, n)                                                                     \
    {                                                                                              \
        VT w = TG_FN(load_upto)(g + (at), n), c = TG_FN(load_upto)(x + (at), n);                   \
        if (gamma)                                                                                 \
            w = V(mul)(w, TG_FN(load_upto)(gamma + (at), n));                                      \
        if (centred) {                                                                             \
            c = V(sub)(c, m);                                                                      \
            sw = V(add)(sw, w);                                                                    \
        }                                                                                          \
        sn = V(fma)(w, c, sn);                                                                     \
    }
    ptrdiff_t i = 0;
    for (; i + 2 * V_LANES <= d; i += 2 * V_LANES) {
        TG_PREFETCH_LINES(soon + i, 2 * sizeof(VT));
        TG_STEP(sw0, sn0, i, V_LANES)
        TG_STEP(sw1, sn1, i + V_LANES, V_LANES)
    }
    for (; i < d; i += V_LANES) /* w is 0 past the end, whatever x - mean is there */
        TG_STEP(sw0, sn0, i, d - i)
#undef TG_STEP
    *mean_w = V(hsum)(V(add)(sw0, sw1)) / (V_T)d;
    *mean_wn = V(hsum)(V(add)(sn0, sn1)) * rstd / (V_T)d;
}

/* gx = rstd (w - mean_w - n mean_wn) of k rows (1 to 4); ggamma += g n, gbeta += g. */
TG_INLINE void TG_FN(norm_grad_block)(int k, ptrdiff_t d, V_T *gx, V_T *ggamma, V_T *gbeta,
                                      const V_T *g, const V_T *x, const V_T *gamma, const V_T *mean,
                                      const V_T *rstd, int centred)
{
    VT m[4], s[4], mw[4], mwn[4];
    for (int r = 0; r < k; r++) {
        V_T mean_w, mean_wn, mu = centred ? mean[r] : 0;
        TG_FN(norm_row_means)(d, g + r * d, x + r * d, gamma, mu, rstd[r], centred, gx + r * d,
                              &mean_w, &mean_wn);
        m[r] = V(set1)(mu);
        s[r] = V(set1)(rstd[r]);
        mw[r] = V(set1)(mean_w);
        mwn[r] = V(set1)(mean_wn);
    }
    for (ptrdiff_t i = 0; i < d; i += V_LANES) {
        ptrdiff_t n = d - i;
        VT ga = gamma ? TG_FN(load_upto)(gamma + i, n) : V(set1)(1);
        VT sum_gn = TG_FN(load_upto)(ggamma + i, n);
        VT sum_g = centred ? TG_FN(load_upto)(gbeta + i, n) : V(zero)();
        for (int r = 0; r < k; r++) {
            VT c = TG_FN(load_upto)(x + r * d + i, n), gr = TG_FN(load_upto)(g + r * d + i, n);
            c = V(mul)(centred ? V(sub)(c, m[r]) : c, s[r]);
            VT w = centred ? V(fms)(gr, ga, mw[r]) : V(mul)(gr, ga);
            sum_gn = V(fma)(gr, c, sum_gn);
            sum_g = V(add)(sum_g, gr);
            TG_FN(store_upto)(gx + r * d + i, V(mul)(V(fnma)(c, mwn[r], w), s[r]), n);
        }
        TG_FN(store_upto)(ggamma + i, sum_gn, n);
        if (centred)
            TG_FN(store_upto)(gbeta + i, sum_g, n);
    }
}

TG_INLINE void TG_FN(norm_grad_rows)(ptrdiff_t n_rows, ptrdiff_t d, V_T *gx, V_T *ggamma,
                                     V_T *gbeta, const V_T *g, const V_T *x, const V_T *gamma,
                                     const V_T *mean, const V_T *rstd, int centred)
{
    ptrdiff_t r = 0;
    for (; r + 4 <= n_rows; r += 4)
        TG_FN(norm_grad_block)(4, d, gx + r * d, ggamma, gbeta, g + r * d, x + r * d, gamma,
                               mean + r, rstd + r, centred);
    for (; r < n_rows; r++)
        TG_FN(norm_grad_block)(1, d, gx + r * d, ggamma, gbeta, g + r * d, x + r * d, gamma,
                               mean + r, rstd + r, centred);
}

/* Adds to ggamma and gbeta, which the driver has set to 0. */
TG_KERNEL void TG_FN(layer_norm_grad)(ptrdiff_t n_rows, ptrdiff_t d, V_T *gx, V_T *ggamma,
                                      V_T *gbeta, const V_T *g, const V_T *x, const V_T *gamma,
                                      const V_T *mean, const V_T *rstd)
{
    TG_FN(norm_grad_rows)(n_rows, d, gx, ggamma, gbeta, g, x, gamma, mean, rstd, 1);
}

/* mean and gbeta are not used. */
TG_KERNEL void TG_FN(rms_norm_grad)(ptrdiff_t n_rows, ptrdiff_t d, V_T *gx, V_T *ggamma, V_T *gbeta,
                                    const V_T *g, const V_T *x, const V_T *gamma, const V_T *mean,
                                    const V_T *rrms)
{
    TG_FN(norm_grad_rows)(n_rows, d, gx, ggamma, gbeta, g, x, gamma, rrms, rrms, 0);
    (void)mean;
}

/* One block of rows of w <= TG_NORM_GROUP V_LANES columns: merge its mean and its sum of squared
 * distances with those of the n_before rows in mean and m2. */
TG_INLINE void TG_FN(moments_block)(ptrdiff_t n_rows, ptrdiff_t w, ptrdiff_t stride, const V_T *x,
                                    ptrdiff_t n_before, V_T *mean, V_T *m2)
{
    VT sum[TG_NORM_GROUP], mu[TG_NORM_GROUP], sq[TG_NORM_GROUP];
    V_T total = (V_T)(n_before + n_rows), rows = (V_T)n_rows;
    VT share = V(set1)(rows / total), cross = V(set1)((V_T)n_before * (rows / total));
    for (int k = 0; k < TG_NORM_GROUP; k++)
        sum[k] = sq[k] = V(zero)();
    if (w == TG_NORM_GROUP * V_LANES) {
        for (ptrdiff_t r = 0; r < n_rows; r++)
            for (int k = 0; k < TG_NORM_GROUP; k++)
                sum[k] = V(add)(sum[k], V(load)(x + r * stride + k * V_LANES));
        for (int k = 0; k < TG_NORM_GROUP; k++)
            mu[k] = V(div)(sum[k], V(set1)(rows));
        for (ptrdiff_t r = 0; r < n_rows; r++)
            for (int k = 0; k < TG_NORM_GROUP; k++) {
                VT c = V(sub)(V(load)(x + r * stride + k * V_LANES), mu[k]);
                sq[k] = V(fma)(c, c, sq[k]);
            }
    } else {
        for (ptrdiff_t r = 0; r < n_rows; r++)
            for (int k = 0; k * V_LANES < w; k++)
                sum[k] =
                    V(add)(sum[k], TG_FN(load_upto)(x + r * stride + k * V_LANES, w - k * V_LANES));
        for (int k = 0; k * V_LANES < w; k++)
            mu[k] = V(div)(sum[k], V(set1)(rows));
        for (ptrdiff_t r = 0; r < n_rows; r++)
            for (int k = 0; k * V_LANES < w; k++) {
                VT c = TG_FN(load_upto)(x + r * stride + k * V_LANES, w - k * V_LANES);
                c = V(sub)(c, mu[k]);
                sq[k] = V(fma)(c, c, sq[k]);
            }
    }
    for (int k = 0; k * V_LANES < w; k++) {
        ptrdiff_t n = w - k * V_LANES;
        V_T *pm = mean + k * V_LANES, *p2 = m2 + k * V_LANES;
        if (n_before) {
            VT old = TG_FN(load_upto)(pm, n), delta = V(sub)(mu[k], old);
            VT both = V(add)(TG_FN(load_upto)(p2, n), sq[k]);
            mu[k] = V(fma)(delta, share, old);
            sq[k] = V(fma)(V(mul)(delta, delta), cross, both);
        }
        TG_FN(store_upto)(pm, mu[k], n);
        TG_FN(store_upto)(p2, sq[k], n);
    }
}

/* mean[c] and m2[c] = sum (x - mean)^2 of every column of (n_rows >= 1, width) elements. */
TG_KERNEL void TG_FN(column_moments)(ptrdiff_t n_rows, ptrdiff_t width, V_T *mean, V_T *m2,
                                     const V_T *x)
{
    const ptrdiff_t group = TG_NORM_GROUP * V_LANES, l1 = 16384 / (ptrdiff_t)sizeof(V_T);
    ptrdiff_t block = l1 / width < 16 ? 16 : l1 / width > 128 ? 128 : l1 / width;
    for (ptrdiff_t r = 0; r < n_rows; r += block) {
        ptrdiff_t rows = n_rows - r < block ? n_rows - r : block;
        for (ptrdiff_t c = 0; c < width; c += group)
            TG_FN(moments_block)(rows, width - c < group ? width - c : group, width,
                                 x + r * width + c, r, mean + c, m2 + c);
    }
}

/* One block of rows of w <= TG_NORM_GROUP V_LANES columns: sum_g and sum_gc are added to, unless it
 * is the first. */
TG_INLINE void TG_FN(sums_block)(ptrdiff_t n_rows, ptrdiff_t w, ptrdiff_t stride, const V_T *g,
                                 const V_T *x, const V_T *mean, int first, V_T *sum_g, V_T *sum_gc)
{
    VT s[TG_NORM_GROUP], p[TG_NORM_GROUP], m[TG_NORM_GROUP];
    for (int k = 0; k < TG_NORM_GROUP; k++)
        s[k] = p[k] = m[k] = V(zero)();
    for (int k = 0; k * V_LANES < w; k++)
        m[k] = TG_FN(load_upto)(mean + k * V_LANES, w - k * V_LANES);
    if (w == TG_NORM_GROUP * V_LANES) {
        for (ptrdiff_t r = 0; r < n_rows; r++)
            for (int k = 0; k < TG_NORM_GROUP; k++) {
                VT v = V(load)(g + r * stride + k * V_LANES);
                s[k] = V(add)(s[k], v);
                p[k] = V(fma)(v, V(sub)(V(load)(x + r * stride + k * V_LANES), m[k]), p[k]);
            }
    } else {
        for (ptrdiff_t r = 0; r < n_rows; r++)
            for (int k = 0; k * V_LANES < w; k++) {
                VT v = TG_FN(load_upto)(g + r * stride + k * V_LANES, w - k * V_LANES);
                VT c = TG_FN(load_upto)(x + r * stride + k * V_LANES, w - k * V_LANES);
                s[k] = V(add)(s[k], v);
                p[k] = V(fma)(v, V(sub)(c, m[k]), p[k]);
            }
    }
    for (int k = 0; k * V_LANES < w; k++) {
        ptrdiff_t n = w - k * V_LANES;
        V_T *to_s = sum_g + k * V_LANES, *to_p = sum_gc + k * V_LANES;
        TG_FN(store_upto)(to_s, first ? s[k] : V(add)(s[k], TG_FN(load_upto)(to_s, n)), n);
        TG_FN(store_upto)(to_p, first ? p[k] : V(add)(p[k], TG_FN(load_upto)(to_p, n)), n);
    }
}

/* sum_g[c] = sum g and sum_gc[c] = sum g (x - mean) of every column, by blocks of rows in L1. */
TG_KERNEL void TG_FN(column_sums)(ptrdiff_t n_rows, ptrdiff_t width, V_T *sum_g, V_T *sum_gc,
                                  const V_T *g, const V_T *x, const V_T *mean)
{
    const ptrdiff_t group = TG_NORM_GROUP * V_LANES, l1 = 8192 / (ptrdiff_t)sizeof(V_T);
    ptrdiff_t block = l1 / width < 16 ? 16 : l1 / width > 128 ? 128 : l1 / width;
    for (ptrdiff_t r = 0; r < n_rows; r += block) {
        ptrdiff_t rows = n_rows - r < block ? n_rows - r : block;
        for (ptrdiff_t c = 0; c < width; c += group)
            TG_FN(sums_block)(rows, width - c < group ? width - c : group, width, g + r * width + c,
                              x + r * width + c, mean + c, r == 0, sum_g + c, sum_gc + c);
    }
}

/* y = (x - mean) scale + shift, each a row of `width` values. */
TG_KERNEL void TG_FN(normalize_columns)(ptrdiff_t n_rows, ptrdiff_t width, V_T *y, const V_T *x,
                                        const V_T *mean, const V_T *scale, const V_T *shift)
{
    for (ptrdiff_t r = 0; r < n_rows; r++, x += width, y += width) {
        ptrdiff_t i = 0;
        for (; i + V_LANES <= width; i += V_LANES) {
            VT c = V(sub)(V(load)(x + i), V(load)(mean + i));
            V(store)(y + i, V(fma)(c, V(load)(scale + i), V(load)(shift + i)));
        }
        for (; i < width; i++)
            y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
    }
}

/* gx = g a + (x - mean) b + c. */
TG_KERNEL void TG_FN(normalize_columns_grad)(ptrdiff_t n_rows, ptrdiff_t width, V_T *gx,
                                             const V_T *g, const V_T *x, const V_T *mean,
                                             const V_T *a, const V_T *b, const V_T *c)
{
    for (ptrdiff_t r = 0; r < n_rows; r++, g += width, x += width, gx += width) {
        ptrdiff_t i = 0;
        for (; i + V_LANES <= width; i += V_LANES) {
            VT d = V(sub)(V(load)(x + i), V(load)(mean + i));
            VT v = V(fma)(d, V(load)(b + i), V(load)(c + i));
            V(store)(gx + i, V(fma)(V(load)(g + i), V(load)(a + i), v));
        }
        for (; i < width; i++)
            gx[i] = g[i] * a[i] + ((x[i] - mean[i]) * b[i] + c[i]);
    }
}

#undef TG_NORM_GROUP
