/* winograd.h - the transforms of Winograd's algorithm for convolution (Winograd 1980; Lavin and
 * Gray 2015): m outputs of r taps by m + r - 1 = 6 multiplications instead of m r.
 *
 * In one dimension, y = A' [(G g) * (B' d)] is Toom-Cook multiplication through the points
 * 0, +-a, +-b and infinity. With a^2 = 1/2 and b^2 = 2 the numbers in the matrices stay within 1/6
 * and 2.83 (with the textbook's points 1 and 2 they reach 8), which keeps the rounding error small.
 * With M(x) = x (x^2 - a^2) (x^2 - b^2), the rows of B' are the coefficients of M(x) / (x - p) for
 * each point and of M(x); the rows of G are 1, p, p^2 over the value of M(x) / (x - p) at p; the
 * columns of A' are 1, p, p^2, p^3. This is F(4, 3). The output is linear in g, so transposed
 * matrices give the gradient of g from that of y, which is F(3, 4): G' [(A h) * (B' d)].
 *
 * So each of the two serves the other's gradient, and there are two maps from n numbers to 6,
 * spread3 = G and spread4 = A, and their transposes back, gather3 and gather4. F(m, r) spreads the
 * taps by spread_r and gathers outputs by gather_m; its gradient spreads that of the outputs by
 * spread_m and gathers that of the taps by gather_r.
 *
 * Two dimensions: columns first, then rows; a line is one column. Vectors run over channels.
 */

#undef TG_WINO_A
#undef TG_WINO_B
#define TG_WINO_A V_C(0.70710678118654752440) /* a; b = 2 a */
#define TG_WINO_B V_C(1.41421356237309504880)

/* t = B' d */
TG_INLINE void TG_FN(wino_input_1d)(const VT d[6], VT t[6])
{
    const VT two = V(set1)(2), half = V(set1)(V_C(0.5)), sum = V(set1)(V_C(2.5));
    VT even = V(fnma)(two, d[2], d[4]), odd = V(fnma)(two, d[1], d[3]);
    VT a = V(set1)(TG_WINO_A), b = V(set1)(TG_WINO_B);
    t[0] = V(add)(V(fnma)(sum, d[2], d[4]), d[0]);
    t[1] = V(fma)(a, odd, even);
    t[2] = V(fnma)(a, odd, even);
    even = V(fnma)(half, d[2], d[4]);
    odd = V(fnma)(half, d[1], d[3]);
    t[3] = V(fma)(b, odd, even);
    t[4] = V(fnma)(b, odd, even);
    t[5] = V(add)(V(fnma)(sum, d[3], d[5]), d[1]);
}

/* G g */
TG_INLINE void TG_FN(wino_spread3_1d)(const VT g[3], VT u[6])
{
    const VT a = V(set1)(TG_WINO_A), b = V(set1)(TG_WINO_B);
    const VT na = V(set1)(V_C(-1) / V_C(1.5)), nb = V(set1)(V_C(1) / V_C(6));
    VT even = V(fma)(V(set1)(V_C(0.5)), g[2], g[0]);
    u[0] = g[0];
    u[1] = V(mul)(na, V(fma)(a, g[1], even));
    u[2] = V(mul)(na, V(fnma)(a, g[1], even));
    even = V(fma)(V(set1)(2), g[2], g[0]);
    u[3] = V(mul)(nb, V(fma)(b, g[1], even));
    u[4] = V(mul)(nb, V(fnma)(b, g[1], even));
    u[5] = g[2];
}

/* A' m */
TG_INLINE void TG_FN(wino_gather4_1d)(const VT m[6], VT y[4])
{
    VT even_a = V(add)(m[1], m[2]), odd_a = V(sub)(m[1], m[2]);
    VT even_b = V(add)(m[3], m[4]), odd_b = V(sub)(m[3], m[4]);
    y[0] = V(add)(m[0], V(add)(even_a, even_b));
    y[1] = V(fma)(V(set1)(TG_WINO_A), odd_a, V(mul)(V(set1)(TG_WINO_B), odd_b));
    y[2] = V(fma)(V(set1)(V_C(0.5)), even_a, V(mul)(V(set1)(2), even_b));
    y[3] = V(add)(
        V(fma)(V(set1)(TG_WINO_A * V_C(0.5)), odd_a, V(mul)(V(set1)(TG_WINO_B * V_C(2)), odd_b)),
        m[5]);
}

/* A h */
TG_INLINE void TG_FN(wino_spread4_1d)(const VT g[4], VT t[6])
{
    const VT two = V(set1)(2), half = V(set1)(V_C(0.5));
    VT even = V(fma)(half, g[2], g[0]), odd = V(fma)(half, g[3], g[1]);
    VT a = V(set1)(TG_WINO_A), b = V(set1)(TG_WINO_B);
    t[0] = g[0];
    t[1] = V(fma)(a, odd, even);
    t[2] = V(fnma)(a, odd, even);
    even = V(fma)(two, g[2], g[0]);
    odd = V(fma)(two, g[3], g[1]);
    t[3] = V(fma)(b, odd, even);
    t[4] = V(fnma)(b, odd, even);
    t[5] = g[3];
}

/* G' s */
TG_INLINE void TG_FN(wino_gather3_1d)(const VT s[6], VT w[3])
{
    const VT na = V(set1)(V_C(-1) / V_C(1.5)), nb = V(set1)(V_C(1) / V_C(6));
    VT even_a = V(mul)(na, V(add)(s[1], s[2])), odd_a = V(mul)(na, V(sub)(s[1], s[2]));
    VT even_b = V(mul)(nb, V(add)(s[3], s[4])), odd_b = V(mul)(nb, V(sub)(s[3], s[4]));
    w[0] = V(add)(s[0], V(add)(even_a, even_b));
    w[1] = V(fma)(V(set1)(TG_WINO_A), odd_a, V(mul)(V(set1)(TG_WINO_B), odd_b));
    w[2] = V(add)(V(fma)(V(set1)(V_C(0.5)), even_a, V(mul)(V(set1)(2), even_b)), s[5]);
}

/* A transform in one dimension, from FROM to 6 numbers, applied to the columns and then to the rows
 * of the square x[r * row + q * col + channel], or to a line, its first column; the result is
 * out[(r * 6 + q) * step + channel], out[r * step + channel] of a line. With a `panel`, vector v of
 * the channels goes to out + v / 2 * panel + v % 2 * L, the place in a packed panel, which zeros
 * fill up. What lies outside an image or a kernel is zero and not read: `inside`, if given, holds
 * the first row of the square inside, the row after the last one, and the same of the columns.
 * `nv` vectors are taken at once: a cache line, lest pixels that meet in one set of the cache push
 * each other out between the halves of their lines; `plain` says that all of the square is inside,
 * `whole` that the vectors have all their channels. */
#define TG_WINO_SPREAD(name, FROM)                                                                 \
    TG_INLINE void TG_FN(wino_##name##_vectors)(                                                   \
        const int nv, const int plain, const int whole, const int line, ptrdiff_t left,            \
        const V_T *x, ptrdiff_t row, ptrdiff_t col, const ptrdiff_t inside[4], V_T *out,           \
        ptrdiff_t step, int fill)                                                                  \
    {                                                                                              \
        static const V_T zeros[2 * V_LANES];                                                       \
        VT d[FROM], t[6], columns[2][6][FROM];                                                     \
        for (int q = 0; q < (line ? 1 : FROM); q++) {                                              \
            const int in_columns = plain || (q >= inside[2] && q < inside[3]);                     \
            TG_UNROLL for (int v = 0; v < nv; v++)                                                 \
            {                                                                                      \
                TG_UNROLL for (int r = 0; r < FROM; r++)                                           \
                {                                                                                  \
                    const int exists = plain || (in_columns && r >= inside[0] && r < inside[1]);   \
                    const V_T *from = (exists ? x + r * row + q * col : zeros) + v * V_LANES;      \
                    d[r] = whole ? V(load)(from) : V(load_tail)(from, left);                       \
                }                                                                                  \
                TG_FN(wino_##name##_1d)(d, t);                                                     \
                TG_UNROLL for (int r = 0; r < 6; r++) columns[v][r][q] = t[r];                     \
            }                                                                                      \
        }                                                                                          \
        for (int r = 0; r < (line ? 1 : 6); r++)                                                   \
            TG_UNROLL for (int v = 0; v < nv; v++)                                                 \
            {                                                                                      \
                if (!line)                                                                         \
                    TG_FN(wino_##name##_1d)(columns[v][r], t);                                     \
                TG_UNROLL for (int q = 0; q < 6; q++)                                              \
                {                                                                                  \
                    V_T *to = out + (r * 6 + q) * step + v * V_LANES;                              \
                    if (whole || fill)                                                             \
                        V(store)(to, t[q]);                                                        \
                    else                                                                           \
                        V(store_tail)(to, t[q], left);                                             \
                }                                                                                  \
            }                                                                                      \
    }                                                                                              \
    TG_KERNEL void TG_FN(wino_##name)(ptrdiff_t c, const V_T *x, ptrdiff_t row, ptrdiff_t col,     \
                                      const ptrdiff_t *inside, int line, V_T *out, ptrdiff_t step, \
                                      ptrdiff_t panel)                                             \
    {                                                                                              \
        enum { PAIR = V_LANES * sizeof(V_T) < 64 ? 2 : 1 };                                        \
        const ptrdiff_t nr = 2 * V_LANES, width = panel ? (c + nr - 1) / nr * nr : c;              \
        const ptrdiff_t all[4] = {0, FROM, 0, FROM}, *range = inside ? inside : all;               \
        const int fill = panel != 0;                                                               \
        for (ptrdiff_t j = 0, n; j < width; j += n * V_LANES) {                                    \
            const ptrdiff_t rest = c - j < V_LANES ? c - j : V_LANES, left = rest > 0 ? rest : 0;  \
            const V_T *from = left ? x + j : x;                                                    \
            V_T *to = panel ? out + j / nr * panel + j % nr : out + j;                             \
            const int whole = left == V_LANES, pair = !line && c - j >= PAIR * V_LANES;            \
            n = pair ? PAIR : 1;                                                                   \
            if (line && whole && !inside)                                                          \
                TG_FN(wino_##name##_vectors)                                                       \
            (1, 1, 1, 1, left, from, row, col, range, to, step, fill);                             \
            else if (line || !whole) TG_FN(wino_##name##_vectors)(1, 0, 0, line, left, from, row,  \
                                                                  col, range, to, step, fill);     \
            else if (pair && !inside) TG_FN(wino_##name##_vectors)(PAIR, 1, 1, 0, left, from, row, \
                                                                   col, range, to, step, fill);    \
            else if (pair) TG_FN(wino_##name##_vectors)(PAIR, 0, 1, 0, left, from, row, col,       \
                                                        range, to, step, fill);                    \
            else TG_FN(wino_##name##_vectors)(1, 0, 1, 0, left, from, row, col, range, to, step,   \
                                              fill);                                               \
        }                                                                                          \
    }

TG_WINO_SPREAD(input, 6)
TG_WINO_SPREAD(spread3, 3)
TG_WINO_SPREAD(spread4, 4)
#undef TG_WINO_SPREAD

/* The way back, from the places m[(r * 6 + q) * step + channel] to the first rows x cols of the
 * TO x TO numbers y[r * row + q * col + channel]; of a line, from m[r * step + channel] to the
 * first rows of TO. Then + bias, relu. */
#define TG_WINO_GATHER(name, TO)                                                                   \
    TG_INLINE void TG_FN(wino_##name##_vector)(                                                    \
        const int whole, const int line, ptrdiff_t left, const V_T *m, ptrdiff_t step, V_T *y,     \
        ptrdiff_t row, ptrdiff_t col, ptrdiff_t rows, ptrdiff_t cols, VT start, int relu)          \
    {                                                                                              \
        VT d[6], t[TO], columns[TO][6];                                                            \
        for (int q = 0; q < (line ? 1 : 6); q++) {                                                 \
            TG_UNROLL for (int r = 0; r < 6; r++)                                                  \
            {                                                                                      \
                const V_T *from = m + (line ? r : r * 6 + q) * step;                               \
                d[r] = whole ? V(load)(from) : V(load_tail)(from, left);                           \
            }                                                                                      \
            TG_FN(wino_##name##_1d)(d, t);                                                         \
            TG_UNROLL for (int r = 0; r < TO; r++) columns[r][q] = t[r];                           \
        }                                                                                          \
        for (int r = 0; r < rows; r++) {                                                           \
            if (!line)                                                                             \
                TG_FN(wino_##name##_1d)(columns[r], t);                                            \
            for (int q = 0; q < cols; q++) {                                                       \
                V_T *to = y + r * row + q * col;                                                   \
                VT v = V(add)(line ? columns[r][0] : t[q], start);                                 \
                v = relu ? V(max)(V(zero)(), v) : v;                                               \
                if (whole)                                                                         \
                    V(store)(to, v);                                                               \
                else                                                                               \
                    V(store_tail)(to, v, left);                                                    \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    TG_KERNEL void TG_FN(wino_##name)(ptrdiff_t c, const V_T *m, ptrdiff_t step, int line, V_T *y, \
                                      ptrdiff_t row, ptrdiff_t col, ptrdiff_t rows,                \
                                      ptrdiff_t cols, const V_T *bias, int relu)                   \
    {                                                                                              \
        ptrdiff_t j = 0;                                                                           \
        for (; j + V_LANES <= c; j += V_LANES) {                                                   \
            const VT start = bias ? V(load)(bias + j) : V(zero)();                                 \
            if (line)                                                                              \
                TG_FN(wino_##name##_vector)                                                        \
            (1, 1, V_LANES, m + j, step, y + j, row, col, rows, cols, start, relu);                \
            else TG_FN(wino_##name##_vector)(1, 0, V_LANES, m + j, step, y + j, row, col, rows,    \
                                             cols, start, relu);                                   \
        }                                                                                          \
        if (j < c) {                                                                               \
            const VT start = bias ? V(load_tail)(bias + j, c - j) : V(zero)();                     \
            if (line)                                                                              \
                TG_FN(wino_##name##_vector)                                                        \
            (0, 1, c - j, m + j, step, y + j, row, col, rows, cols, start, relu);                  \
            else TG_FN(wino_##name##_vector)(0, 0, c - j, m + j, step, y + j, row, col, rows,      \
                                             cols, start, relu);                                   \
        }                                                                                          \
    }

TG_WINO_GATHER(gather3, 3)
TG_WINO_GATHER(gather4, 4)
#undef TG_WINO_GATHER
