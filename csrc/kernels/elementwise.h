/* elementwise.h - one value in, one value out, over contiguous runs.
 *
 * y = f(x) and y = f(a, b), this one row after row, with a or b one number for all of a row (stride
 * 0) where the driver says so; the driver gathers other strides into blocks first. In place is
 * fine: each vector is read before it is written. The functions are those of vec/math.h, by name.
 * Plain loops over one vector: the memory or the polynomial is the limit, and the processor
 * overlaps iterations by itself.
 */

#define TG_UNARY_KERNEL(name)                                                                      \
    TG_KERNEL void TG_FN(unary_##name)(ptrdiff_t n, V_T *y, const V_T *x)                          \
    {                                                                                              \
        ptrdiff_t i = 0;                                                                           \
        for (; i + V_LANES <= n; i += V_LANES)                                                     \
            V(store)(y + i, V(name)(V(load)(x + i)));                                              \
        if (i < n)                                                                                 \
            V(store_tail)(y + i, V(name)(V(load_tail)(x + i, n - i)), n - i);                      \
    }

TG_INLINE VT V(negative)(VT x)
{
    return V(neg)(x);
}

TG_UNARY(TG_UNARY_KERNEL)
#undef TG_UNARY_KERNEL

/* The binary operations that are not verbs; the gradients of activations take g first. */
TG_INLINE VT V(relu_grad)(VT g, VT y)
{
    return V(select)(V(le)(y, V(zero)()), V(zero)(), g);
}

TG_INLINE VT V(tanh_grad)(VT g, VT y)
{
    return V(mul)(g, V(fnma)(y, y, V(set1)(1)));
}

TG_INLINE VT V(sigmoid_grad)(VT g, VT y)
{
    return V(mul)(g, V(mul)(y, V(sub)(V(set1)(1), y)));
}

TG_INLINE VT V(silu_grad)(VT g, VT x)
{
    return V(mul)(g, V(silu_slope)(x));
}

TG_INLINE VT V(gelu_grad)(VT g, VT x)
{
    return V(mul)(g, V(gelu_slope)(x));
}

TG_INLINE VT V(gelu_tanh_grad)(VT g, VT x)
{
    return V(mul)(g, V(gelu_tanh_slope)(x));
}

TG_INLINE VT V(subtract)(VT a, VT b)
{
    return V(sub)(a, b);
}

TG_INLINE VT V(multiply)(VT a, VT b)
{
    return V(mul)(a, b);
}

TG_INLINE VT V(divide)(VT a, VT b)
{
    return V(div)(a, b);
}

TG_INLINE VT V(maximum)(VT a, VT b)
{
    return V(max_nan)(a, b);
}

TG_INLINE VT V(minimum)(VT a, VT b)
{
    return V(min_nan)(a, b);
}

/* The last whole vector overlaps the one before: it is computed first, since y may be a or b. */
#define TG_BINARY_LOOP(f, A, B, A_TAIL, B_TAIL)                                                    \
    {                                                                                              \
        if (n >= V_LANES) {                                                                        \
            i = n - V_LANES;                                                                       \
            const VT last = f(A, B);                                                               \
            for (i = 0; i < n - V_LANES; i += V_LANES)                                             \
                V(store)(y + i, f(A, B));                                                          \
            V(store)(y + n - V_LANES, last);                                                       \
        } else if (n > 0) {                                                                        \
            V(store_tail)(y, f(A_TAIL, B_TAIL), n);                                                \
        }                                                                                          \
    }

#define TG_BINARY_BODY(f)                                                                          \
    ptrdiff_t i = 0;                                                                               \
    if (sa && sb) {                                                                                \
        TG_BINARY_LOOP(f, V(load)(a + i), V(load)(b + i), V(load_tail)(a, n), V(load_tail)(b, n))  \
    } else if (sa) {                                                                               \
        VT c = V(set1)(*b);                                                                        \
        TG_BINARY_LOOP(f, V(load)(a + i), c, V(load_tail)(a, n), c)                                \
    } else {                                                                                       \
        VT c = V(set1)(*a);                                                                        \
        if (sb)                                                                                    \
            TG_BINARY_LOOP(f, c, V(load)(b + i), c, V(load_tail)(b, n))                            \
        else {                                                                                     \
            VT d = V(set1)(*b);                                                                    \
            TG_BINARY_LOOP(f, c, d, c, d)                                                          \
        }                                                                                          \
    }

#define TG_BINARY_KERNEL(name)                                                                     \
    TG_KERNEL void TG_FN(binary_##name)(ptrdiff_t n_rows, ptrdiff_t n, V_T *y, const V_T *a,       \
                                        const V_T *b, const tg_binary_rows *rows)                  \
    {                                                                                              \
        const tg_binary_rows r = *rows;                                                            \
        const ptrdiff_t sa = r.a_step, sb = r.b_step;                                              \
        TG_BINARY_SHORTCUT_##name;                                                                 \
        for (ptrdiff_t row = 0; row < n_rows; row++) {                                             \
            TG_BINARY_BODY(V(name))                                                                \
            y += r.y_row;                                                                          \
            a += r.a_row;                                                                          \
            b += r.b_row;                                                                          \
        }                                                                                          \
    }

/* A power that is one small number for all: the common x^2 and x^3 at the speed of products. */
TG_INLINE VT V(cube)(VT x, VT power)
{
    (void)power;
    return V(mul)(V(mul)(x, x), x);
}

#define TG_BINARY_SHORTCUT_pow                                                                     \
    if (!sb && !r.b_row && *b == 2) {                                                              \
        TG_FN(binary_multiply)                                                                     \
        (n_rows, n, y, a, a, &(tg_binary_rows){r.y_row, r.a_row, r.a_row, sa, sa});                \
        return;                                                                                    \
    }                                                                                              \
    if (!sb && !r.b_row && *b == 3) {                                                              \
        for (ptrdiff_t row = 0; row < n_rows; row++, y += r.y_row, a += r.a_row) {                 \
            TG_BINARY_BODY(V(cube))                                                                \
        }                                                                                          \
        return;                                                                                    \
    }                                                                                              \
    if (!sb && !r.b_row && *b == -1) {                                                             \
        V_T one = 1;                                                                               \
        TG_FN(binary_divide)                                                                       \
        (n_rows, n, y, &one, a, &(tg_binary_rows){r.y_row, 0, r.a_row, 0, sa});                    \
        return;                                                                                    \
    }
#define TG_BINARY_SHORTCUT_add
#define TG_BINARY_SHORTCUT_subtract
#define TG_BINARY_SHORTCUT_multiply
#define TG_BINARY_SHORTCUT_divide
#define TG_BINARY_SHORTCUT_maximum
#define TG_BINARY_SHORTCUT_minimum
#define TG_BINARY_SHORTCUT_atan2
#define TG_BINARY_SHORTCUT_logaddexp
#define TG_BINARY_SHORTCUT_relu_grad
#define TG_BINARY_SHORTCUT_tanh_grad
#define TG_BINARY_SHORTCUT_sigmoid_grad
#define TG_BINARY_SHORTCUT_silu_grad
#define TG_BINARY_SHORTCUT_gelu_grad
#define TG_BINARY_SHORTCUT_gelu_tanh_grad

TG_BINARY(TG_BINARY_KERNEL)
#undef TG_BINARY_KERNEL
#undef TG_BINARY_BODY
#undef TG_BINARY_LOOP

/* Comparisons: bytes 0 or 1. */
#define TG_COMPARE_LOOP(f, A, B, A_TAIL, B_TAIL)                                                   \
    {                                                                                              \
        for (; i + V_LANES <= n; i += V_LANES)                                                     \
            V(mask_store)(y + i, V(f)(A, B));                                                      \
        if (i < n)                                                                                 \
            V(mask_store_tail)(y + i, V(f)(A_TAIL, B_TAIL), n - i);                                \
    }

#define TG_COMPARE_KERNEL(name, f)                                                                 \
    TG_KERNEL void TG_FN(compare_##name)(ptrdiff_t n, uint8_t *y, const V_T *a, ptrdiff_t sa,      \
                                         const V_T *b, ptrdiff_t sb)                               \
    {                                                                                              \
        ptrdiff_t i = 0;                                                                           \
        if (sa && sb) {                                                                            \
            TG_COMPARE_LOOP(f, V(load)(a + i), V(load)(b + i), V(load_tail)(a + i, n - i),         \
                            V(load_tail)(b + i, n - i))                                            \
        } else if (sa) {                                                                           \
            VT c = V(set1)(*b);                                                                    \
            TG_COMPARE_LOOP(f, V(load)(a + i), c, V(load_tail)(a + i, n - i), c)                   \
        } else if (sb) {                                                                           \
            VT c = V(set1)(*a);                                                                    \
            TG_COMPARE_LOOP(f, c, V(load)(b + i), c, V(load_tail)(b + i, n - i))                   \
        } else if (n > 0) {                                                                        \
            V(mask_store_tail)(y, V(f)(V(set1)(*a), V(set1)(*b)), 1);                              \
            memset(y, *y, (size_t)n);                                                              \
        }                                                                                          \
    }
TG_COMPARE_KERNEL(equal, eq)
TG_COMPARE_KERNEL(not_equal, ne)
TG_COMPARE_KERNEL(less, lt)
TG_COMPARE_KERNEL(less_equal, le)
TG_COMPARE_KERNEL(greater, gt)
TG_COMPARE_KERNEL(greater_equal, ge)
#undef TG_COMPARE_KERNEL
#undef TG_COMPARE_LOOP

/* y = condition ? a : b; all three strides are 0 or 1. */
TG_KERNEL void TG_FN(where)(ptrdiff_t n, V_T *y, const uint8_t *condition, ptrdiff_t sc,
                            const V_T *a, ptrdiff_t sa, const V_T *b, ptrdiff_t sb)
{
    if (!sc) { /* one choice for all: a copy */
        const V_T *from = *condition ? a : b;
        ptrdiff_t step = *condition ? sa : sb;
        for (ptrdiff_t i = 0; i < n; i++)
            y[i] = from[i * step];
        return;
    }
    VT a0 = V(set1)(*a), b0 = V(set1)(*b);
    ptrdiff_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES) {
        VT u = sa ? V(load)(a + i) : a0, v = sb ? V(load)(b + i) : b0;
        V(store)(y + i, V(select)(V(mask_load)(condition + i), u, v));
    }
    if (i < n) {
        VT u = sa ? V(load_tail)(a + i, n - i) : a0, v = sb ? V(load_tail)(b + i, n - i) : b0;
        VM m = V(mask_load_tail)(condition + i, n - i);
        V(store_tail)(y + i, V(select)(m, u, v), n - i);
    }
}

/* y[i, j] = x[j, i] for a square in the registers, or what there is of one at the edges; too little
 * of one is moved number by number. */
TG_INLINE void TG_FN(transpose_square)(ptrdiff_t rows, ptrdiff_t cols, V_T *y, ptrdiff_t y_row,
                                       const V_T *x, ptrdiff_t x_row)
{
    VT block[V_LANES];
    if (rows >= V_LANES && cols >= V_LANES) {
        for (int k = 0; k < V_LANES; k++)
            block[k] = V(load)(x + k * x_row);
        V(transpose)(block);
        for (int k = 0; k < V_LANES; k++)
            V(store)(y + k * y_row, block[k]);
        return;
    }
    rows = rows < V_LANES ? rows : V_LANES;
    cols = cols < V_LANES ? cols : V_LANES;
    if (rows * cols > 4 * V_LANES) {
        for (ptrdiff_t k = 0; k < V_LANES; k++)
            block[k] = k < cols ? V(load_tail)(x + k * x_row, rows) : V(zero)();
        V(transpose)(block);
        for (ptrdiff_t k = 0; k < rows; k++)
            V(store_tail)(y + k * y_row, block[k], cols);
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < cols; j++)
            y[i * y_row + j] = x[j * x_row + i];
}

/* The same for n_rows x n_cols of y, along the rows of whichever lie closer together. The driver
 * keeps large ones small enough for L1. */
TG_KERNEL void TG_FN(transpose)(ptrdiff_t n_rows, ptrdiff_t n_cols, V_T *y, ptrdiff_t y_row,
                                const V_T *x, ptrdiff_t x_row)
{
    const int along_x = x_row < y_row;
    const ptrdiff_t n_outer = along_x ? n_cols : n_rows, n_inner = along_x ? n_rows : n_cols;
    for (ptrdiff_t p = 0; p < n_outer; p += V_LANES)
        for (ptrdiff_t q = 0; q < n_inner; q += V_LANES) {
            const ptrdiff_t i = along_x ? q : p, j = along_x ? p : q;
            TG_FN(transpose_square)(n_rows - i, n_cols - j, y + i * y_row + j, y_row,
                                    x + j * x_row + i, x_row);
        }
}
