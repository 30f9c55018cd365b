/* winograd.h - the transforms of F(4 x 4, 3 x 3): a 4 x 4 piece of output from a 6 x 6 piece of
 * input with 36 multiplications instead of 144 (Winograd 1980; Lavin and Gray 2015).
 *
 * In one dimension, y = A' [(G g) * (B' d)] is Toom-Cook multiplication through the points
 * 0, +-a, +-b and infinity. With a^2 = 1/2 and b^2 = 2 the numbers in the matrices stay within 1/6
 * and 2.83 (with the textbook's points 1 and 2 they reach 8), which keeps the rounding error small.
 * With M(x) = x (x^2 - a^2) (x^2 - b^2), the rows of B' are the coefficients of M(x) / (x - p) for
 * each point and of M(x); the rows of G are 1, p, p^2 over the value of M(x) / (x - p) at p; the
 * columns of A' are 1, p, p^2, p^3. Two dimensions: columns first, then rows. Vectors run over
 * channels.
 *
 * In g the output is linear, so its gradient comes from the transposed matrices: with h the
 * gradient of y, that of g is G' [(A h) * (B' d)], F(3 x 3, 4 x 4) through the same points.
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

/* u = G g */
TG_INLINE void TG_FN(wino_kernel_1d)(const VT g[3], VT u[6])
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

/* y = A' m */
TG_INLINE void TG_FN(wino_output_1d)(const VT m[6], VT y[4])
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

/* t = A g */
TG_INLINE void TG_FN(wino_grad_1d)(const VT g[4], VT t[6])
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

/* w = G' s */
TG_INLINE void TG_FN(wino_kernel_grad_1d)(const VT s[6], VT w[3])
{
    const VT na = V(set1)(V_C(-1) / V_C(1.5)), nb = V(set1)(V_C(1) / V_C(6));
    VT even_a = V(mul)(na, V(add)(s[1], s[2])), odd_a = V(mul)(na, V(sub)(s[1], s[2]));
    VT even_b = V(mul)(nb, V(add)(s[3], s[4])), odd_b = V(mul)(nb, V(sub)(s[3], s[4]));
    w[0] = V(add)(s[0], V(add)(even_a, even_b));
    w[1] = V(fma)(V(set1)(TG_WINO_A), odd_a, V(mul)(V(set1)(TG_WINO_B), odd_b));
    w[2] = V(add)(V(fma)(V(set1)(V_C(0.5)), even_a, V(mul)(V(set1)(2), even_b)), s[5]);
}

/* A transform in one dimension, from FROM to TO numbers, applied to the columns and then to the
 * rows of the square x[r * row + q * col + channel]; the result is out[(r * TO + q) * step +
 * channel]. What lies outside an image is zero and not read: `inside`, if given, holds the first
 * row of the square in the image, the row after the last one, and the same of the columns. */
#define TG_WINO_SQUARE(name, FROM, TO)                                                             \
    TG_INLINE void TG_FN(wino_##name##_vector)(const int plain, ptrdiff_t left, const V_T *x,      \
                                               ptrdiff_t row, ptrdiff_t col, V_T *out,             \
                                               ptrdiff_t step, const ptrdiff_t inside[4])          \
    {                                                                                              \
        VT d[FROM], t[TO], columns[TO][FROM];                                                      \
        for (int q = 0; q < FROM; q++) {                                                           \
            const int in_columns = plain || (q >= inside[2] && q < inside[3]);                     \
            TG_UNROLL for (int r = 0; r < FROM; r++)                                               \
            {                                                                                      \
                const int exists = plain || (in_columns && r >= inside[0] && r < inside[1]);       \
                const V_T *from = exists ? x + r * row + q * col : x;                              \
                d[r] = plain ? V(load)(from) : V(load_tail)(from, exists ? left : 0);              \
            }                                                                                      \
            TG_FN(wino_##name##_1d)(d, t);                                                         \
            TG_UNROLL for (int r = 0; r < TO; r++) columns[r][q] = t[r];                           \
        }                                                                                          \
        for (int r = 0; r < TO; r++) {                                                             \
            TG_FN(wino_##name##_1d)(columns[r], t);                                                \
            TG_UNROLL for (int q = 0; q < TO; q++)                                                 \
            {                                                                                      \
                V_T *to = out + (r * TO + q) * step;                                               \
                if (plain || left == V_LANES)                                                      \
                    V(store)(to, t[q]);                                                            \
                else                                                                               \
                    V(store_tail)(to, t[q], left);                                                 \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    TG_KERNEL void TG_FN(wino_##name)(ptrdiff_t c, const V_T *x, ptrdiff_t row, ptrdiff_t col,     \
                                      V_T *out, ptrdiff_t step, const ptrdiff_t *inside)           \
    {                                                                                              \
        const ptrdiff_t all[4] = {0, FROM, 0, FROM};                                               \
        ptrdiff_t j = 0;                                                                           \
        for (; !inside && j + V_LANES <= c; j += V_LANES)                                          \
            TG_FN(wino_##name##_vector)(1, V_LANES, x + j, row, col, out + j, step, all);          \
        for (; j < c; j += V_LANES)                                                                \
            TG_FN(wino_##name##_vector)                                                            \
        (0, c - j < V_LANES ? c - j : V_LANES, x + j, row, col, out + j, step,                     \
         inside ? inside : all);                                                                   \
    }

/* B' d B of a 6 x 6 piece of an image; A g A' of a 4 x 4 piece of the output's gradient; G' s G,
 * the gradient of the kernel at its 9 taps, from the 36 sums. */
TG_WINO_SQUARE(input, 6, 6)
TG_WINO_SQUARE(grad, 4, 6)
TG_WINO_SQUARE(kernel_grad, 6, 3)
#undef TG_WINO_SQUARE

/* The first `rows` x `cols` pixels of a 4 x 4 piece of output: A' m A, + bias, relu. */
TG_KERNEL void TG_FN(wino_output)(ptrdiff_t c, const V_T *m, ptrdiff_t f_step, V_T *y,
                                  ptrdiff_t row, ptrdiff_t col, ptrdiff_t rows, ptrdiff_t cols,
                                  const V_T *bias, int relu)
{
    for (ptrdiff_t j = 0; j < c; j += V_LANES) {
        const ptrdiff_t left = c - j;
        const int whole = left >= V_LANES;
        VT d[6], t[4], columns[4][6], start = V(zero)();
        if (bias)
            start = whole ? V(load)(bias + j) : V(load_tail)(bias + j, left);
        for (int q = 0; q < 6; q++) {
            TG_UNROLL for (int r = 0; r < 6; r++)
            {
                const V_T *from = m + (r * 6 + q) * f_step + j;
                d[r] = whole ? V(load)(from) : V(load_tail)(from, left);
            }
            TG_FN(wino_output_1d)(d, t);
            TG_UNROLL for (int r = 0; r < 4; r++) columns[r][q] = t[r];
        }
        for (int r = 0; r < rows; r++) {
            TG_FN(wino_output_1d)(columns[r], t);
            for (int q = 0; q < cols; q++) {
                V_T *to = y + r * row + q * col + j;
                VT v = V(add)(t[q], start);
                v = relu ? V(max)(V(zero)(), v) : v;
                if (whole)
                    V(store)(to, v);
                else
                    V(store_tail)(to, v, left);
            }
        }
    }
}

/* One term's row of the 36 transformed kernels: element o of tap (i, j) is w[i * row + j * col +
 * o], and vector v of the result for f goes to out + f * f_step + v / 2 * panel + v % 2 * L, the
 * place in a packed panel; columns past n are 0. */
TG_KERNEL void TG_FN(wino_kernel)(ptrdiff_t n, const V_T *w, ptrdiff_t row, ptrdiff_t col, V_T *out,
                                  ptrdiff_t f_step, ptrdiff_t panel)
{
    const ptrdiff_t vectors = (n + 2 * V_LANES - 1) / (2 * V_LANES) * 2;
    for (ptrdiff_t v = 0; v < vectors; v++) {
        const ptrdiff_t first = v * V_LANES, left = n - first;
        V_T *to = out + v / 2 * panel + v % 2 * V_LANES;
        VT g[3], u[6], columns[6][3];
        for (int j = 0; j < 3; j++) {
            for (int i = 0; i < 3; i++) {
                const V_T *from = w + i * row + j * col + first;
                g[i] = left >= V_LANES ? V(load)(from)
                       : left > 0      ? V(load_tail)(from, left)
                                       : V(zero)();
            }
            TG_FN(wino_kernel_1d)(g, u);
            TG_UNROLL for (int i = 0; i < 6; i++) columns[i][j] = u[i];
        }
        for (int i = 0; i < 6; i++) {
            TG_FN(wino_kernel_1d)(columns[i], u);
            TG_UNROLL for (int j = 0; j < 6; j++) V(store)(to + (i * 6 + j) * f_step, u[j]);
        }
    }
}
