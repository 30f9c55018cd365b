/* scan.h - running sums and products: y[i] = x[0] op ... op x[i].
 *
 * The elements are taken one after the other, as NumPy does, so the results are NumPy's to the bit;
 * what goes side by side are rows, or columns. Rows: a square block of them is turned in registers,
 * so that a vector holds one column of the block, and turned back. A single chain waits four cycles
 * for each addition; a block of 8 or 16 rows hides that.
 */

#define TG_SCAN_SUM(a, b) ((a) + (b))
#define TG_SCAN_PRODUCT(a, b) ((a) * (b))

/* `first` changes no x: -0 + x and 1 x. */
#define TG_DEFINE_SCAN(name, op, scalar, first)                                                    \
    /* `count` rows from column j on, one number each at a time, after the sums in acc */          \
    TG_INLINE void TG_FN(few_##name)(int count, ptrdiff_t j, ptrdiff_t n, V_T *y, const V_T *x,    \
                                     V_T *acc)                                                     \
    {                                                                                              \
        for (; j < n; j++)                                                                         \
            for (int k = 0; k < count; k++)                                                        \
                y[k * n + j] = acc[k] = scalar(acc[k], x[k * n + j]);                              \
    }                                                                                              \
    TG_KERNEL void TG_FN(name##_rows)(ptrdiff_t n_rows, ptrdiff_t n, V_T *y, const V_T *x)         \
    {                                                                                              \
        V_T lanes[V_LANES];                                                                        \
        ptrdiff_t row = 0;                                                                         \
        for (; row + V_LANES <= n_rows; row += V_LANES) {                                          \
            const V_T *from = x + row * n;                                                         \
            V_T *to = y + row * n;                                                                 \
            VT acc = V(set1)(first);                                                               \
            ptrdiff_t j = 0;                                                                       \
            for (; j + V_LANES <= n; j += V_LANES) {                                               \
                VT block[V_LANES];                                                                 \
                for (int k = 0; k < V_LANES; k++)                                                  \
                    block[k] = V(load)(from + k * n + j);                                          \
                V(transpose)(block);                                                               \
                for (int k = 0; k < V_LANES; k++)                                                  \
                    block[k] = acc = op(acc, block[k]);                                            \
                V(transpose)(block);                                                               \
                for (int k = 0; k < V_LANES; k++)                                                  \
                    V(store)(to + k * n + j, block[k]);                                            \
            }                                                                                      \
            V(store)(lanes, acc);                                                                  \
            TG_FN(few_##name)(V_LANES, j, n, to, from, lanes);                                     \
        }                                                                                          \
        for (; row + 4 <= n_rows; row += 4) {                                                      \
            V_T acc[4] = {first, first, first, first};                                             \
            TG_FN(few_##name)(4, 0, n, y + row * n, x + row * n, acc);                             \
        }                                                                                          \
        for (; row < n_rows; row++) {                                                              \
            V_T acc = first;                                                                       \
            TG_FN(few_##name)(1, 0, n, y + row * n, x + row * n, &acc);                            \
        }                                                                                          \
    }                                                                                              \
    /* width columns; few are kept in registers all the way down, many go row by row */            \
    TG_KERNEL void TG_FN(name##_columns)(ptrdiff_t n_rows, ptrdiff_t width, ptrdiff_t step,        \
                                         V_T *y, const V_T *x)                                     \
    {                                                                                              \
        ptrdiff_t j = 0;                                                                           \
        if (width > 4 * V_LANES) {                                                                 \
            j = width / V_LANES * V_LANES;                                                         \
            memcpy(y, x, (size_t)j * sizeof(V_T));                                                 \
            for (ptrdiff_t row = 1; row < n_rows; row++) {                                         \
                const V_T *from = x + row * step;                                                  \
                V_T *to = y + row * step;                                                          \
                for (ptrdiff_t i = 0; i < j; i += V_LANES)                                         \
                    V(store)(to + i, op(V(load)(to - step + i), V(load)(from + i)));               \
            }                                                                                      \
        }                                                                                          \
        for (; j < width; j += V_LANES) {                                                          \
            ptrdiff_t m = width - j < V_LANES ? width - j : V_LANES;                               \
            VT acc = V(set1)(first);                                                               \
            for (ptrdiff_t row = 0; row < n_rows; row++) {                                         \
                acc = op(acc, V(load_tail)(x + row * step + j, m));                                \
                V(store_tail)(y + row * step + j, acc, m);                                         \
            }                                                                                      \
        }                                                                                          \
    }

TG_DEFINE_SCAN(cumsum, V(add), TG_SCAN_SUM, V_C(-0.0))
TG_DEFINE_SCAN(cumprod, V(mul), TG_SCAN_PRODUCT, V_C(1))
#undef TG_DEFINE_SCAN
#undef TG_SCAN_SUM
#undef TG_SCAN_PRODUCT
