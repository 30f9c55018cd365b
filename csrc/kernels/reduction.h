/* reduction.h - sums, products and extremes of rows and of columns.
 *
 * A row is summed in 64 (double: 32) virtual lanes, whatever the register: lane l adds the elements
 * l, l + 64, ...; after 4096 elements the lanes are folded, the upper half onto the lower, down to
 * one number, and these numbers form a binary tree. So the error grows with log n, and every
 * instruction set adds in the same order. 64 lanes are eight AVX2 registers: enough independent
 * additions to hide their latency. max and min keep a NaN.
 *
 * Columns: 64 at a time are held in registers over 32 rows, then added to the result; the driver
 * gives a few hundred rows at once and combines their results the same way. Where these are fewer
 * than eight registers, they are held over several such blocks of rows at once: one addition waits
 * for the one before. The next 64 columns are fetched ahead, as they lie a whole row apart.
 */

#if V_BITS == 32
#define TG_VIRTUAL 64
#else
#define TG_VIRTUAL 32
#endif
#define TG_N_ACC (TG_VIRTUAL / V_LANES)
#define TG_N_SHORT (V_LANES >= TG_VIRTUAL / 4 ? 1 : TG_VIRTUAL / 4 / V_LANES)
#define TG_SHORT (8 * TG_VIRTUAL)
#define TG_BLOCK_ROW 4096
#define TG_BLOCK_COLUMN 32
#define TG_N_CHAINS (TG_N_ACC < 8 ? 8 : TG_N_ACC)

/* The lanes of acc[0 .. n) folded to one number; lanes of registers beyond n were never used. */
#define TG_DEFINE_FOLD(name, op, hop)                                                              \
    TG_INLINE V_T TG_FN(fold_##name)(VT * acc, int n)                                              \
    {                                                                                              \
        for (int half = TG_N_ACC / 2; half > 0; half /= 2)                                         \
            for (int i = 0; i + half < n && i < half; i++)                                         \
                acc[i] = op(acc[i], acc[i + half]);                                                \
        return hop(acc[0]);                                                                        \
    }

/* n <= TG_BLOCK_ROW elements */
#define TG_DEFINE_BLOCK(name, op, hop, identity)                                                   \
    TG_DEFINE_FOLD(name, op, hop)                                                                  \
    TG_INLINE V_T TG_FN(block_##name)(ptrdiff_t n, const V_T *x)                                   \
    {                                                                                              \
        VT lanes[TG_N_ACC]; /* in memory, for the end of the row; `acc` stays in registers */      \
        ptrdiff_t i = 0;                                                                           \
        int used = 0, k = 0;                                                                       \
        if (n >= TG_VIRTUAL) {                                                                     \
            VT acc[TG_N_ACC];                                                                      \
            for (int j = 0; j < TG_N_ACC; j++)                                                     \
                acc[j] = V(load)(x + j * V_LANES);                                                 \
            for (i = TG_VIRTUAL; i + TG_VIRTUAL <= n; i += TG_VIRTUAL)                             \
                for (int j = 0; j < TG_N_ACC; j++)                                                 \
                    acc[j] = op(acc[j], V(load)(x + i + j * V_LANES));                             \
            for (int j = 0; j < TG_N_ACC; j++)                                                     \
                lanes[j] = acc[j];                                                                 \
            used = TG_N_ACC;                                                                       \
        }                                                                                          \
        for (; i + V_LANES <= n; k++, i += V_LANES)                                                \
            lanes[k] = k < used ? op(lanes[k], V(load)(x + i)) : V(load)(x + i);                   \
        if (i < n) { /* the rest of a vector: the missing lanes change nothing */                  \
            VM there = V(lt)(V(iota)(), V(set1)((V_T)(n - i)));                                    \
            VT rest = V(select)(there, V(load_tail)(x + i, n - i), V(set1)(identity));             \
            lanes[k] = k < used ? op(lanes[k], rest) : rest;                                       \
            k++;                                                                                   \
        }                                                                                          \
        return TG_FN(fold_##name)(lanes, used ? used : k);                                         \
    }

#define TG_SCALAR_SUM(a, b) ((a) + (b))
#define TG_SCALAR_PROD(a, b) ((a) * (b))
#define TG_SCALAR_MAX(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define TG_SCALAR_MIN(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))

/* Short rows, n < TG_SHORT: a quarter of the lanes, as most of the time would go into folding them;
 * and those of several rows are folded at once, turned so that a row is a lane. The tree is that of
 * the verb `hop`. */
#define TG_DEFINE_SHORT(name, op, hop, identity)                                                   \
    TG_INLINE VT TG_FN(short_##name)(ptrdiff_t n, const V_T *x)                                    \
    {                                                                                              \
        VT acc[TG_N_SHORT];                                                                        \
        for (int j = 0; j < TG_N_SHORT; j++)                                                       \
            acc[j] = V(set1)(identity);                                                            \
        ptrdiff_t i = 0;                                                                           \
        for (; i + TG_N_SHORT * V_LANES <= n; i += TG_N_SHORT * V_LANES)                           \
            for (int j = 0; j < TG_N_SHORT; j++)                                                   \
                acc[j] = op(acc[j], V(load)(x + i + j * V_LANES));                                 \
        for (int j = 0; j < TG_N_SHORT; j++) {                                                     \
            ptrdiff_t left = n - i - j * V_LANES;                                                  \
            left = left < 0 ? 0 : left < V_LANES ? left : V_LANES;                                 \
            VM there = V(lt)(V(iota)(), V(set1)((V_T)left));                                       \
            VT rest = V(load_tail)(x + (left ? i + j * V_LANES : 0), left);                        \
            acc[j] = op(acc[j], V(select)(there, rest, V(set1)(identity)));                        \
        }                                                                                          \
        for (int half = TG_N_SHORT / 2; half > 0; half /= 2)                                       \
            for (int j = 0; j < half; j++)                                                         \
                acc[j] = op(acc[j], acc[j + half]);                                                \
        return acc[0];                                                                             \
    }                                                                                              \
    TG_INLINE void TG_FN(short_rows_##name)(ptrdiff_t n_rows, ptrdiff_t n, V_T *y, const V_T *x,   \
                                            ptrdiff_t x_row)                                       \
    {                                                                                              \
        const VM there = V(lt)(V(iota)(), V(set1)((V_T)n));                                        \
        const VT none = V(set1)(identity);                                                         \
        ptrdiff_t row = 0;                                                                         \
        for (; row + V_LANES <= n_rows; row += V_LANES) {                                          \
            VT acc[V_LANES];                                                                       \
            if (n < V_LANES) {                                                                     \
                for (int k = 0; k < V_LANES; k++) {                                                \
                    VT all = V(load_tail)(x + (row + k) * x_row, n);                               \
                    acc[k] = op(none, V(select)(there, all, none));                                \
                }                                                                                  \
            } else {                                                                               \
                for (int k = 0; k < V_LANES; k++)                                                  \
                    acc[k] = TG_FN(short_##name)(n, x + (row + k) * x_row);                        \
            }                                                                                      \
            V(transpose)(acc);                                                                     \
            for (int half = V_LANES / 2; half > 0; half /= 2)                                      \
                for (int k = 0; k < half; k++)                                                     \
                    acc[k] = op(acc[k], acc[k + half]);                                            \
            V(store)(y + row, acc[0]);                                                             \
        }                                                                                          \
        for (; row < n_rows; row++)                                                                \
            y[row] = hop(TG_FN(short_##name)(n, x + row * x_row));                                 \
    }

/* y[i] = the row i of x, n >= 1: the blocks as a binary counter; the carries build the tree. */
#define TG_DEFINE_ROWS(name, op, hop, scalar, identity)                                            \
    TG_DEFINE_BLOCK(name, op, hop, identity)                                                       \
    TG_DEFINE_SHORT(name, op, hop, identity)                                                       \
    TG_KERNEL void TG_FN(reduce_rows_##name)(ptrdiff_t n_rows, ptrdiff_t n, V_T *y, const V_T *x,  \
                                             ptrdiff_t x_row)                                      \
    {                                                                                              \
        if (n < TG_SHORT) {                                                                        \
            TG_FN(short_rows_##name)(n_rows, n, y, x, x_row);                                      \
            return;                                                                                \
        }                                                                                          \
        for (ptrdiff_t row = 0; row < n_rows; row++, x += x_row) {                                 \
            if (n <= TG_BLOCK_ROW) {                                                               \
                y[row] = TG_FN(block_##name)(n, x);                                                \
                continue;                                                                          \
            }                                                                                      \
            V_T level[48];                                                                         \
            int depth = 0;                                                                         \
            ptrdiff_t count = 0;                                                                   \
            for (ptrdiff_t i = 0; i < n; i += TG_BLOCK_ROW) {                                      \
                ptrdiff_t m = n - i < TG_BLOCK_ROW ? n - i : TG_BLOCK_ROW;                         \
                level[depth++] = TG_FN(block_##name)(m, x + i);                                    \
                for (ptrdiff_t c = count++; c & 1; c >>= 1, depth--)                               \
                    level[depth - 2] = scalar(level[depth - 2], level[depth - 1]);                 \
            }                                                                                      \
            for (; depth > 1; depth--)                                                             \
                level[depth - 2] = scalar(level[depth - 2], level[depth - 1]);                     \
            y[row] = level[0];                                                                     \
        }                                                                                          \
    }

/* y[j] = x[0, j] op x[1, j] ...; n_rows >= 1. `count` vectors of the columns, over `blocks` blocks
 * of n_rows rows at once, whose results are then added to y in turn. */
#define TG_DEFINE_COLUMNS(name, op)                                                                \
    TG_INLINE void TG_FN(blocks_##name)(ptrdiff_t n_rows, int count, int blocks, int first,        \
                                        V_T *y, const V_T *x, ptrdiff_t x_row)                     \
    {                                                                                              \
        VT acc[TG_N_CHAINS];                                                                       \
        for (int b = 0; b < blocks; b++)                                                           \
            for (int k = 0; k < count; k++)                                                        \
                acc[b * count + k] = V(load)(x + b * TG_BLOCK_COLUMN * x_row + k * V_LANES);       \
        for (ptrdiff_t r = 1; r < n_rows; r++)                                                     \
            for (int b = 0; b < blocks; b++) {                                                     \
                const V_T *p = x + (b * TG_BLOCK_COLUMN + r) * x_row;                              \
                for (int k = 0; k < count; k++) {                                                  \
                    if (count == TG_N_ACC && k * V_LANES * sizeof(V_T) % 64 == 0)                  \
                        TG_PREFETCH(p + TG_VIRTUAL + k * V_LANES);                                 \
                    acc[b * count + k] = op(acc[b * count + k], V(load)(p + k * V_LANES));         \
                }                                                                                  \
            }                                                                                      \
        for (int k = 0; k < count; k++) {                                                          \
            VT sum = first ? acc[k] : op(V(load)(y + k * V_LANES), acc[k]);                        \
            for (int b = 1; b < blocks; b++)                                                       \
                sum = op(sum, acc[b * count + k]);                                                 \
            V(store)(y + k * V_LANES, sum);                                                        \
        }                                                                                          \
    }                                                                                              \
    TG_INLINE void TG_FN(strip_##name)(ptrdiff_t n_rows, int count, int blocks, V_T *y,            \
                                       const V_T *x, ptrdiff_t x_row)                              \
    {                                                                                              \
        const ptrdiff_t one = TG_BLOCK_COLUMN, step = blocks * one;                                \
        ptrdiff_t row = 0;                                                                         \
        if (blocks > 1)                                                                            \
            for (; row + step <= n_rows; row += step)                                              \
                TG_FN(blocks_##name)(one, count, blocks, row == 0, y, x + row * x_row, x_row);     \
        for (; row < n_rows; row += one) {                                                         \
            ptrdiff_t m = n_rows - row < one ? n_rows - row : one;                                 \
            TG_FN(blocks_##name)(m, count, 1, row == 0, y, x + row * x_row, x_row);                \
        }                                                                                          \
    }                                                                                              \
    TG_KERNEL void TG_FN(reduce_columns_##name)(ptrdiff_t n_rows, ptrdiff_t n, V_T *y,             \
                                                const V_T *x, ptrdiff_t x_row)                     \
    {                                                                                              \
        ptrdiff_t j = 0;                                                                           \
        for (; j + TG_VIRTUAL <= n; j += TG_VIRTUAL)                                               \
            TG_FN(strip_##name)(n_rows, TG_N_ACC, TG_N_CHAINS / TG_N_ACC, y + j, x + j, x_row);    \
        for (; j + TG_VIRTUAL / 2 <= n; j += TG_VIRTUAL / 2)                                       \
            TG_FN(strip_##name)(n_rows, TG_N_ACC / 2, TG_N_CHAINS / TG_N_ACC * 2, y + j, x + j,    \
                                x_row);                                                            \
        for (; j + V_LANES <= n; j += V_LANES)                                                     \
            TG_FN(strip_##name)(n_rows, 1, 8, y + j, x + j, x_row);                                \
        if (j == n)                                                                                \
            return;                                                                                \
        VT total = V(zero)();                                                                      \
        for (ptrdiff_t row = 0; row < n_rows; row += TG_BLOCK_COLUMN) {                            \
            ptrdiff_t end = row + TG_BLOCK_COLUMN < n_rows ? row + TG_BLOCK_COLUMN : n_rows;       \
            VT acc = V(load_tail)(x + row * x_row + j, n - j);                                     \
            for (ptrdiff_t r = row + 1; r < end; r++)                                              \
                acc = op(acc, V(load_tail)(x + r * x_row + j, n - j));                             \
            total = row ? op(total, acc) : acc;                                                    \
        }                                                                                          \
        V(store_tail)(y + j, total, n - j);                                                        \
    }

#define TG_DEFINE_REDUCTION(name, op, hop, scalar, identity)                                       \
    TG_DEFINE_ROWS(name, op, hop, scalar, identity)                                                \
    TG_DEFINE_COLUMNS(name, op)                                                                    \
    TG_KERNEL void TG_FN(reduce_##name)(int columns, ptrdiff_t n_rows, ptrdiff_t n, V_T *y,        \
                                        const V_T *x, ptrdiff_t x_row)                             \
    {                                                                                              \
        (columns ? TG_FN(reduce_columns_##name) : TG_FN(reduce_rows_##name))(n_rows, n, y, x,      \
                                                                             x_row);               \
    }

TG_DEFINE_REDUCTION(sum, V(add), V(hsum), TG_SCALAR_SUM, 0)
TG_DEFINE_REDUCTION(mean, V(add), V(hsum), TG_SCALAR_SUM, 0) /* the driver divides */
TG_DEFINE_REDUCTION(prod, V(mul), V(hprod), TG_SCALAR_PROD, 1)
TG_DEFINE_REDUCTION(max, V(max_nan), V(hmax), TG_SCALAR_MAX, -INFINITY)
TG_DEFINE_REDUCTION(min, V(min_nan), V(hmin), TG_SCALAR_MIN, INFINITY)

/* The first i < n with x[i] == value, or, when value is NaN, with x[i] NaN. It exists. */
TG_KERNEL void TG_FN(find_first)(ptrdiff_t n, const V_T *x, V_T value, ptrdiff_t *index)
{
    VT v = V(set1)(value);
    ptrdiff_t i = 0;
    if (value == value) {
        for (; i + 4 * V_LANES <= n; i += 4 * V_LANES) { /* one branch for four */
            const VM a = V(mask_or)(V(eq)(V(load)(x + i), v), V(eq)(V(load)(x + i + V_LANES), v));
            const VM b = V(mask_or)(V(eq)(V(load)(x + i + 2 * V_LANES), v),
                                    V(eq)(V(load)(x + i + 3 * V_LANES), v));
            if (V(mask_any)(V(mask_or)(a, b)))
                break;
        }
        while (i + V_LANES <= n && !V(mask_any)(V(eq)(V(load)(x + i), v)))
            i += V_LANES;
        while (i < n && x[i] != value)
            i++;
    } else {
        while (i + V_LANES <= n && !V(mask_any)(V(isnan)(V(load)(x + i))))
            i += V_LANES;
        while (i < n && x[i] == x[i])
            i++;
    }
    *index = i;
}

#undef TG_DEFINE_REDUCTION
#undef TG_DEFINE_COLUMNS
#undef TG_DEFINE_ROWS
#undef TG_DEFINE_BLOCK
#undef TG_DEFINE_FOLD
#undef TG_SCALAR_SUM
#undef TG_SCALAR_PROD
#undef TG_SCALAR_MAX
#undef TG_SCALAR_MIN
#undef TG_VIRTUAL
#undef TG_N_ACC
#undef TG_DEFINE_SHORT
#undef TG_N_SHORT
#undef TG_SHORT
#undef TG_BLOCK_ROW
#undef TG_BLOCK_COLUMN
#undef TG_N_CHAINS
