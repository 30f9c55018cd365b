/* softmax.h - softmax, its logarithm, their gradients, and what cross-entropy needs, row by row.
 *
 * A row stays in L1 between its three passes (largest element, exponentials and their sum, scale).
 * The exponentials are summed in registers over 1024 elements, and those sums in double. A row
 * whose largest element is -inf or inf, or that holds NaN, becomes NaN, as the formula gives.
 *
 * Along another axis than the last one, columns are taken some vectors side by side, down all rows;
 * the terms of their sums are added up by 64.
 *
 * Rows of up to 32 elements (classes, more often than not) are taken a vector's worth at a time, a
 * row per lane: no sums across lanes, no half-empty vectors.
 */
#define TG_SMALL_ROW 32
#define TG_LOG_ROWS 32
#define TG_SUM_ROWS 64

/* V_LANES short rows: e[j] = e^(x[j] - m) of the lanes' rows; gives the sums and m. */
TG_INLINE VT TG_FN(small_rows)(ptrdiff_t n, VT *e, const V_T *x, VT *m)
{
    VT sum = V(zero)();
    *m = V(set1)(-INFINITY);
    for (ptrdiff_t j = 0; j < n; j++) {
        e[j] = V(gather)(x + j, n);
        *m = V(max_nan)(*m, e[j]);
    }
    for (ptrdiff_t j = 0; j < n; j++) {
        e[j] = V(exp_flush)(V(sub)(e[j], *m));
        sum = V(add)(sum, e[j]);
    }
    return sum;
}

/* y[i, j] = lane i of columns[j] */
TG_INLINE void TG_FN(scatter_rows)(ptrdiff_t n, V_T *y, const VT *columns)
{
    V_T lanes[TG_SMALL_ROW][V_LANES];
    for (ptrdiff_t j = 0; j < n; j++)
        V(store)(lanes[j], columns[j]);
    for (ptrdiff_t i = 0; i < V_LANES; i++)
        for (ptrdiff_t j = 0; j < n; j++)
            y[i * n + j] = lanes[j][i];
}

/* The largest element of a row; NaN if there is one. The row that is `soon` to be written, unless
 * NULL, is asked for meanwhile. */
TG_INLINE V_T TG_FN(row_max)(ptrdiff_t n, const V_T *x, const V_T *soon)
{
    VT low = V(set1)(-INFINITY), m0 = low, m1 = low;
    ptrdiff_t i = 0;
    for (; i + 2 * V_LANES <= n; i += 2 * V_LANES) {
        if (soon)
            TG_PREFETCH_LINES(soon + i, 2 * sizeof(VT));
        m0 = V(max_nan)(m0, V(load)(x + i));
        m1 = V(max_nan)(m1, V(load)(x + i + V_LANES));
    }
    for (; i < n; i += V_LANES) {
        ptrdiff_t m = n - i < V_LANES ? n - i : V_LANES;
        VM there = V(lt)(V(iota)(), V(set1)((V_T)m));
        m0 = V(max_nan)(m0, V(select)(there, V(load_tail)(x + i, m), low));
    }
    return V(hmax)(V(max_nan)(m0, m1));
}

/* sum e^(x - shift); the terms go to y unless it is NULL. */
TG_INLINE double TG_FN(row_exp)(ptrdiff_t n, V_T *y, const V_T *x, V_T shift)
{
    VT m = V(set1)(shift);
    double total = 0;
    for (ptrdiff_t start = 0; start < n; start += 1024) {
        ptrdiff_t end = start + 1024 < n ? start + 1024 : n, i = start;
        VT sum = V(zero)();
        for (; i + V_LANES <= end; i += V_LANES) {
            VT e = V(exp_flush)(V(sub)(V(load)(x + i), m));
            if (y)
                V(store)(y + i, e);
            sum = V(add)(sum, e);
        }
        if (i < end) {
            VM there = V(lt)(V(iota)(), V(set1)((V_T)(end - i)));
            VT e = V(exp_flush)(V(sub)(V(load_tail)(x + i, end - i), m));
            if (y)
                V(store_tail)(y + i, e, end - i);
            sum = V(add)(sum, V(select)(there, e, V(zero)()));
        }
        total += V(hsum)(sum);
    }
    return total;
}

TG_KERNEL void TG_FN(softmax)(ptrdiff_t n_rows, ptrdiff_t n, V_T *y, const V_T *x)
{
    ptrdiff_t row = 0;
    for (; n <= TG_SMALL_ROW && row + V_LANES <= n_rows; row += V_LANES) {
        VT e[TG_SMALL_ROW], m, scale = V(div)(V(set1)(1), TG_FN(small_rows)(n, e, x, &m));
        for (ptrdiff_t j = 0; j < n; j++)
            e[j] = V(mul)(e[j], scale);
        TG_FN(scatter_rows)(n, y, e);
        x += V_LANES * n;
        y += V_LANES * n;
    }
    for (; row < n_rows; row++, x += n, y += n) {
        V_T scale = (V_T)(1 / TG_FN(row_exp)(n, y, x, TG_FN(row_max)(n, x, y)));
        TG_FN(binary_multiply)(1, n, y, y, &scale, TG_ONE_ROW_AND_NUMBER);
    }
}

/* The largest element m of each row, and ln sum e^(x - m). */
TG_KERNEL void TG_FN(row_log_sum)(ptrdiff_t n_rows, ptrdiff_t n, V_T *m, V_T *log_sum, const V_T *x)
{
    ptrdiff_t row = 0;
    for (; n <= TG_SMALL_ROW && row + V_LANES <= n_rows; row += V_LANES, x += V_LANES * n) {
        VT e[TG_SMALL_ROW], largest;
        V(store)(log_sum + row, TG_FN(small_rows)(n, e, x, &largest));
        V(store)(m + row, largest);
    }
    for (; row < n_rows; row++, x += n) {
        m[row] = TG_FN(row_max)(n, x, NULL);
        log_sum[row] = (V_T)TG_FN(row_exp)(n, NULL, x, m[row]);
    }
    TG_FN(unary_log)(n_rows, log_sum, log_sum);
}

TG_KERNEL void TG_FN(log_softmax)(ptrdiff_t n_rows, ptrdiff_t n, V_T *y, const V_T *x)
{
    ptrdiff_t row = 0;
    for (; n <= TG_SMALL_ROW && row + V_LANES <= n_rows; row += V_LANES) {
        VT e[TG_SMALL_ROW], m, log_sum = V(log)(TG_FN(small_rows)(n, e, x, &m));
        for (ptrdiff_t j = 0; j < n; j++)
            e[j] = V(sub)(V(sub)(V(gather)(x + j, n), m), log_sum);
        TG_FN(scatter_rows)(n, y, e);
        x += V_LANES * n;
        y += V_LANES * n;
    }
    while (row < n_rows) { /* several rows, for the sake of their logarithms */
        V_T m[TG_LOG_ROWS], log_sum[TG_LOG_ROWS];
        ptrdiff_t count = n_rows - row < TG_LOG_ROWS ? n_rows - row : TG_LOG_ROWS;
        TG_FN(row_log_sum)(count, n, m, log_sum, x);
        for (ptrdiff_t k = 0; k < count; k++, row++, x += n, y += n) {
            VT mv = V(set1)(m[k]), lv = V(set1)(log_sum[k]);
            ptrdiff_t i = 0;
            for (; i + V_LANES <= n; i += V_LANES)
                V(store)(y + i, V(sub)(V(sub)(V(load)(x + i), mv), lv));
            if (i < n)
                V(store_tail)(y + i, V(sub)(V(sub)(V(load_tail)(x + i, n - i), mv), lv), n - i);
        }
    }
}

/* sum g y over at most 1024 elements, in four chains. `soon`: see row_max. */
TG_INLINE V_T TG_FN(block_dot)(ptrdiff_t n, const V_T *g, const V_T *y, const V_T *soon)
{
    VT sum[4] = {V(zero)(), V(zero)(), V(zero)(), V(zero)()};
    ptrdiff_t i = 0;
    for (; i + 4 * V_LANES <= n; i += 4 * V_LANES) {
        TG_PREFETCH_LINES(soon + i, 4 * sizeof(VT));
        for (int k = 0; k < 4; k++)
            sum[k] = V(fma)(V(load)(g + i + k * V_LANES), V(load)(y + i + k * V_LANES), sum[k]);
    }
    for (; i + V_LANES <= n; i += V_LANES)
        sum[0] = V(fma)(V(load)(g + i), V(load)(y + i), sum[0]);
    if (i < n)
        sum[1] = V(fma)(V(load_tail)(g + i, n - i), V(load_tail)(y + i, n - i), sum[1]);
    return V(hsum)(V(add)(V(add)(sum[0], sum[1]), V(add)(sum[2], sum[3])));
}

/* gx = y (g - sum g y) */
TG_KERNEL void TG_FN(softmax_grad)(ptrdiff_t n_rows, ptrdiff_t n, V_T *gx, const V_T *g,
                                   const V_T *y)
{
    for (ptrdiff_t row = 0; row < n_rows; row++, g += n, y += n, gx += n) {
        double total = 0;
        ptrdiff_t i = 0;
        for (ptrdiff_t start = 0; start < n; start += 1024)
            total += TG_FN(block_dot)(n - start < 1024 ? n - start : 1024, g + start, y + start,
                                      gx + start);
        VT s = V(set1)((V_T)total);
        for (; i + V_LANES <= n; i += V_LANES)
            V(store)(gx + i, V(mul)(V(load)(y + i), V(sub)(V(load)(g + i), s)));
        if (i < n) {
            VT rest = V(sub)(V(load_tail)(g + i, n - i), s);
            V(store_tail)(gx + i, V(mul)(V(load_tail)(y + i, n - i), rest), n - i);
        }
    }
}

/* gx = g - e^y sum g */
TG_KERNEL void TG_FN(log_softmax_grad)(ptrdiff_t n_rows, ptrdiff_t n, V_T *gx, const V_T *g,
                                       const V_T *y)
{
    for (ptrdiff_t row = 0; row < n_rows; row++, g += n, y += n, gx += n) {
        V_T sum;
        TG_FN(reduce_rows_sum)(1, n, &sum, g, n);
        VT s = V(set1)(sum);
        ptrdiff_t i = 0;
        for (; i + V_LANES <= n; i += V_LANES)
            V(store)(gx + i, V(fnma)(V(exp_flush)(V(load)(y + i)), s, V(load)(g + i)));
        if (i < n) {
            VT e = V(exp_flush)(V(load_tail)(y + i, n - i));
            V(store_tail)(gx + i, V(fnma)(e, s, V(load_tail)(g + i, n - i)), n - i);
        }
    }
}

/* gx = g e^(x - lse) for one row; the driver subtracts g at the label. */
TG_KERNEL void TG_FN(cross_entropy_grad)(ptrdiff_t n, V_T *gx, const V_T *x, V_T lse, V_T g)
{
    VT l = V(set1)(lse), s = V(set1)(g);
    ptrdiff_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES)
        V(store)(gx + i, V(mul)(V(exp_flush)(V(sub)(V(load)(x + i), l)), s));
    if (i < n) {
        VT e = V(exp_flush)(V(sub)(V(load_tail)(x + i, n - i), l));
        V(store_tail)(gx + i, V(mul)(e, s), n - i);
    }
}

/* Softmax down n rows, `row` elements apart, of `vectors` neighbouring vectors of columns; the last
 * one holds `rest` columns. */
TG_INLINE void TG_FN(softmax_strip)(const int vectors, int is_log, ptrdiff_t n, ptrdiff_t row,
                                    ptrdiff_t rest, V_T *y, const V_T *x)
{
    VT m[2], total[2], sum[2];
#define TG_EACH_VECTOR for (int v = 0; v < vectors; v++)
#define TG_COLUMNS(v) (v == vectors - 1 ? rest : V_LANES)
#define TG_AT(i, v) ((i) * row + (v) * V_LANES)
    TG_EACH_VECTOR
    {
        m[v] = V(set1)(-INFINITY);
        total[v] = V(zero)();
    }
    for (ptrdiff_t i = 0; i < n; i++)
        TG_EACH_VECTOR m[v] = V(max_nan)(m[v], TG_FN(load_upto)(x + TG_AT(i, v), TG_COLUMNS(v)));
    for (ptrdiff_t start = 0; start < n; start += TG_SUM_ROWS) {
        const ptrdiff_t end = start + TG_SUM_ROWS < n ? start + TG_SUM_ROWS : n;
        TG_EACH_VECTOR sum[v] = V(zero)();
        for (ptrdiff_t i = start; i < end; i++)
            TG_EACH_VECTOR
            {
                VT here = TG_FN(load_upto)(x + TG_AT(i, v), TG_COLUMNS(v));
                here = V(exp_flush)(V(sub)(here, m[v]));
                sum[v] = V(add)(sum[v], here);
                if (!is_log)
                    TG_FN(store_upto)(y + TG_AT(i, v), here, TG_COLUMNS(v));
            }
        TG_EACH_VECTOR total[v] = V(add)(total[v], sum[v]);
    }
    TG_EACH_VECTOR total[v] = is_log ? V(log)(total[v]) : V(div)(V(set1)(1), total[v]);
    for (ptrdiff_t i = 0; i < n; i++)
        TG_EACH_VECTOR
        {
            VT here = TG_FN(load_upto)((is_log ? x : y) + TG_AT(i, v), TG_COLUMNS(v));
            here = is_log ? V(sub)(V(sub)(here, m[v]), total[v]) : V(mul)(here, total[v]);
            TG_FN(store_upto)(y + TG_AT(i, v), here, TG_COLUMNS(v));
        }
}

/* The gradient of the same: gx = y (g - sum g y), or g - e^y sum g. */
TG_INLINE void TG_FN(softmax_grad_strip)(const int vectors, int is_log, ptrdiff_t n, ptrdiff_t row,
                                         ptrdiff_t rest, V_T *gx, const V_T *g, const V_T *y)
{
    VT total[2], sum[2];
    TG_EACH_VECTOR total[v] = V(zero)();
    for (ptrdiff_t start = 0; start < n; start += TG_SUM_ROWS) {
        const ptrdiff_t end = start + TG_SUM_ROWS < n ? start + TG_SUM_ROWS : n;
        TG_EACH_VECTOR sum[v] = V(zero)();
        for (ptrdiff_t i = start; i < end; i++)
            TG_EACH_VECTOR
            {
                const VT there = TG_FN(load_upto)(g + TG_AT(i, v), TG_COLUMNS(v));
                sum[v] = is_log ? V(add)(sum[v], there)
                                : V(fma)(there, TG_FN(load_upto)(y + TG_AT(i, v), TG_COLUMNS(v)),
                                         sum[v]);
            }
        TG_EACH_VECTOR total[v] = V(add)(total[v], sum[v]);
    }
    for (ptrdiff_t i = 0; i < n; i++)
        TG_EACH_VECTOR
        {
            const VT there = TG_FN(load_upto)(g + TG_AT(i, v), TG_COLUMNS(v));
            const VT here = TG_FN(load_upto)(y + TG_AT(i, v), TG_COLUMNS(v));
            TG_FN(store_upto)
            (gx + TG_AT(i, v),
             is_log ? V(fnma)(V(exp_flush)(here), total[v], there)
                    : V(mul)(here, V(sub)(there, total[v])),
             TG_COLUMNS(v));
        }
}
#undef TG_EACH_VECTOR
#undef TG_COLUMNS
#undef TG_AT

TG_KERNEL void TG_FN(softmax_columns)(int is_log, ptrdiff_t n, ptrdiff_t width, ptrdiff_t row,
                                      V_T *y, const V_T *x)
{
    ptrdiff_t j = 0;
    for (; j + 2 * V_LANES <= width; j += 2 * V_LANES)
        TG_FN(softmax_strip)(2, is_log, n, row, V_LANES, y + j, x + j);
    for (; j < width; j += V_LANES)
        TG_FN(softmax_strip)
    (1, is_log, n, row, width - j < V_LANES ? width - j : V_LANES, y + j, x + j);
}

TG_KERNEL void TG_FN(softmax_grad_columns)(int is_log, ptrdiff_t n, ptrdiff_t width, ptrdiff_t row,
                                           V_T *gx, const V_T *g, const V_T *y)
{
    ptrdiff_t j = 0;
    for (; j + 2 * V_LANES <= width; j += 2 * V_LANES)
        TG_FN(softmax_grad_strip)(2, is_log, n, row, V_LANES, gx + j, g + j, y + j);
    for (; j < width; j += V_LANES)
        TG_FN(softmax_grad_strip)
    (1, is_log, n, row, width - j < V_LANES ? width - j : V_LANES, gx + j, g + j, y + j);
}

#undef TG_SMALL_ROW
#undef TG_LOG_ROWS
#undef TG_SUM_ROWS
