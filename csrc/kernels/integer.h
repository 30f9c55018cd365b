/* integer.h - conversions between all dtypes; comparisons, arithmetic and reductions of integers.
 *
 * Included once per instruction set, not once per float type: plain loops, which the compiler
 * vectorises with the flags of the ISA. y does not overlap the inputs.
 *
 * A float becomes an integer by dropping its fraction. Where the integer cannot hold it (NaN too)
 * the result is what x86 processors, and so NumPy on them, give: the least int32 or int64, on every
 * machine; and for uint8 the low byte of the int32. Every value but 0 (NaN too) is true.
 */
#define TG_ONCE(name) TG_PASTE4(tg_, name, any, TG_ISA)

#define TG_CAST_LOOP(Y, X, value)                                                                  \
    {                                                                                              \
        Y *restrict to_y = y;                                                                      \
        const X *restrict from_x = x;                                                              \
        for (ptrdiff_t i = 0; i < n; i++) {                                                        \
            X v = from_x[i];                                                                       \
            to_y[i] = value;                                                                       \
        }                                                                                          \
    }

/* The same between int64 and a float: through int32, for which AVX2 has instructions, as long as
 * no number of a block is a misfit there. */
#if VF_LANES == 8
#define TG_CAST_LONG(Y, X, misfit, value)                                                          \
    for (ptrdiff_t first = 0, end; first < n; first = end) {                                       \
        Y *restrict to_y = y;                                                                      \
        const X *restrict from_x = x;                                                              \
        uint64_t outside = 0;                                                                      \
        end = n - first < 64 ? n : first + 64;                                                     \
        for (ptrdiff_t i = first; i < end; i++) {                                                  \
            X v = from_x[i];                                                                       \
            outside |= (uint64_t)(misfit);                                                         \
        }                                                                                          \
        if (!outside)                                                                              \
            for (ptrdiff_t i = first; i < end; i++)                                                \
                to_y[i] = (Y)(int32_t)from_x[i];                                                   \
        else                                                                                       \
            for (ptrdiff_t i = first; i < end; i++) {                                              \
                X v = from_x[i];                                                                   \
                to_y[i] = value;                                                                   \
            }                                                                                      \
    }
#else
#define TG_CAST_LONG(Y, X, misfit, value) TG_CAST_LOOP(Y, X, value)
#endif

#define TG_CAST_CASES(X, FLOAT_LOOP, I64_LOOP, misfit, I64, I32)                                   \
    if (truth)                                                                                     \
        TG_CAST_LOOP(uint8_t, X, v != 0)                                                           \
    else if (to == TG_F32)                                                                         \
        FLOAT_LOOP(float, X, misfit, (float)v)                                                     \
    else if (to == TG_F64)                                                                         \
        FLOAT_LOOP(double, X, misfit, (double)v)                                                   \
    else if (to == TG_I64)                                                                         \
        I64_LOOP(int64_t, X, misfit, I64)                                                          \
    else if (to == TG_I32)                                                                         \
        TG_CAST_LOOP(int32_t, X, I32)                                                              \
    else                                                                                           \
        TG_CAST_LOOP(uint8_t, X, (uint8_t)(I32))

#define TG_CAST_SHORT(Y, X, misfit, value) TG_CAST_LOOP(Y, X, value)

/* y = x in the dtype `to`; truth: y holds bool. */
TG_KERNEL void TG_ONCE(cast)(int to, int truth, int from, ptrdiff_t n, void *y, const void *x)
{
    switch (from) {
    case TG_F32:
        TG_CAST_CASES(float, TG_CAST_SHORT, TG_CAST_LONG, !(v >= -0x1p31f && v < 0x1p31f),
                      v >= -0x1p63f && v < 0x1p63f ? (int64_t)v : INT64_MIN,
                      v >= -0x1p31f && v < 0x1p31f ? (int32_t)v : INT32_MIN)
        return;
    case TG_F64:
        TG_CAST_CASES(double, TG_CAST_SHORT, TG_CAST_LONG, !(v >= -0x1p31 && v < 0x1p31),
                      v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN,
                      v >= -0x1p31 && v < 0x1p31 ? (int32_t)v : INT32_MIN)
        return;
    case TG_I64:
        TG_CAST_CASES(int64_t, TG_CAST_LONG, TG_CAST_SHORT, ((uint64_t)v + 0x80000000u) >> 32, v,
                      (int32_t)v)
        return;
    case TG_I32:
        TG_CAST_CASES(int32_t, TG_CAST_SHORT, TG_CAST_SHORT, 0, v, v)
        return;
    default:
        TG_CAST_CASES(uint8_t, TG_CAST_SHORT, TG_CAST_SHORT, 0, v, v)
        return;
    }
}
#undef TG_CAST_SHORT
#undef TG_CAST_LONG
#undef TG_CAST_CASES
#undef TG_CAST_LOOP

/* Comparisons as in elementwise.h, of operands of one integer dtype. */
#define TG_COMPARE_LOOP(T, test, A, B)                                                             \
    for (ptrdiff_t i = 0; i < n; i++)                                                              \
        to[i] = (A)test(B);

#define TG_COMPARE_TYPE(T, test)                                                                   \
    {                                                                                              \
        const T *restrict u = a;                                                                   \
        const T *restrict v = b;                                                                   \
        const T u0 = *u, v0 = *v;                                                                  \
        if (sa && sb)                                                                              \
            TG_COMPARE_LOOP(T, test, u[i], v[i])                                                   \
        else if (sa)                                                                               \
            TG_COMPARE_LOOP(T, test, u[i], v0)                                                     \
        else if (sb)                                                                               \
            TG_COMPARE_LOOP(T, test, u0, v[i])                                                     \
        else                                                                                       \
            TG_COMPARE_LOOP(T, test, u0, v0)                                                       \
    }

#define TG_COMPARE_OP(name, test)                                                                  \
    case TG_COMPARE_##name:                                                                        \
        if (dtype == TG_I64)                                                                       \
            TG_COMPARE_TYPE(int64_t, test)                                                         \
        else if (dtype == TG_I32)                                                                  \
            TG_COMPARE_TYPE(int32_t, test)                                                         \
        else                                                                                       \
            TG_COMPARE_TYPE(uint8_t, test)                                                         \
        return;

TG_KERNEL void TG_ONCE(compare_integers)(int op, int dtype, ptrdiff_t n, uint8_t *y, const void *a,
                                         ptrdiff_t sa, const void *b, ptrdiff_t sb)
{
    uint8_t *restrict to = y;
    switch (op) {
        TG_COMPARE_OP(equal, ==)
        TG_COMPARE_OP(not_equal, !=)
        TG_COMPARE_OP(less, <)
        TG_COMPARE_OP(less_equal, <=)
        TG_COMPARE_OP(greater, >)
        TG_COMPARE_OP(greater_equal, >=)
    }
}

/* Sums and products wrap around, as NumPy's. y may be a or b. */
#define TG_INTEGER_LOOP(T, value)                                                                  \
    for (ptrdiff_t i = 0; i < n; i++) {                                                            \
        const T u = ((const T *)a)[i * sa], v = ((const T *)b)[i * sb];                            \
        ((T *)y)[i] = (T)(value);                                                                  \
    }

#define TG_INTEGER_OPS(T, U)                                                                       \
    switch (op) {                                                                                  \
    case TG_BINARY_add:                                                                            \
        TG_INTEGER_LOOP(T, (U)u + (U)v)                                                            \
        return;                                                                                    \
    case TG_BINARY_subtract:                                                                       \
        TG_INTEGER_LOOP(T, (U)u - (U)v)                                                            \
        return;                                                                                    \
    case TG_BINARY_multiply:                                                                       \
        TG_INTEGER_LOOP(T, (U)u * (U)v)                                                            \
        return;                                                                                    \
    case TG_BINARY_maximum:                                                                        \
        TG_INTEGER_LOOP(T, u > v ? u : v)                                                          \
        return;                                                                                    \
    default:                                                                                       \
        TG_INTEGER_LOOP(T, u < v ? u : v)                                                          \
        return;                                                                                    \
    }

TG_KERNEL void TG_ONCE(binary_integers)(int op, int dtype, ptrdiff_t n, void *y, const void *a,
                                        ptrdiff_t sa, const void *b, ptrdiff_t sb)
{
    if (dtype == TG_I64)
        TG_INTEGER_OPS(int64_t, uint64_t)
    else if (dtype == TG_I32)
        TG_INTEGER_OPS(int32_t, uint32_t)
    else
        TG_INTEGER_OPS(uint8_t, uint8_t)
}
#undef TG_INTEGER_OPS
#undef TG_INTEGER_LOOP

/* y[j] = x[0, j] op x[1, j] ...; n_rows >= 1. The order of exact operations does not matter: a
 * single column is taken as some, so that it vectorises, whose results are then a column. */
#define TG_SOME 32

#define TG_REDUCE_ROWS(value, n_rows, n, to, from)                                                 \
    for (ptrdiff_t i = 0; i < (n_rows); i++)                                                       \
        for (ptrdiff_t j = 0; j < (n); j++) {                                                      \
            const int64_t u = (to)[j], v = (from)[i * (n) + j];                                    \
            (to)[j] = (int64_t)(value);                                                            \
        }
#define TG_REDUCE_LOOP(value)                                                                      \
    {                                                                                              \
        if (n == 1 && n_rows >= 2 * TG_SOME) {                                                     \
            int64_t some[TG_SOME];                                                                 \
            const ptrdiff_t m = n_rows / TG_SOME - 1;                                              \
            memcpy(some, x, sizeof some);                                                          \
            x += TG_SOME;                                                                          \
            TG_REDUCE_ROWS(value, m, TG_SOME, some, x)                                             \
            x += m * TG_SOME;                                                                      \
            n_rows -= (m + 1) * TG_SOME;                                                           \
            *y = *some;                                                                            \
            TG_REDUCE_ROWS(value, TG_SOME - 1, 1, y, some + 1)                                     \
        } else {                                                                                   \
            memcpy(y, x, (size_t)n * sizeof *y);                                                   \
            x += n;                                                                                \
            n_rows--;                                                                              \
        }                                                                                          \
        if (n == 1) {                                                                              \
            int64_t u = *y;                                                                        \
            for (ptrdiff_t i = 0; i < n_rows; i++) {                                               \
                const int64_t v = x[i];                                                            \
                u = (int64_t)(value);                                                              \
            }                                                                                      \
            *y = u;                                                                                \
        } else {                                                                                   \
            TG_REDUCE_ROWS(value, n_rows, n, y, x)                                                 \
        }                                                                                          \
    }

TG_KERNEL void TG_ONCE(reduce_integers)(int op, ptrdiff_t n_rows, ptrdiff_t n, int64_t *y,
                                        const int64_t *x)
{
    if (op == TG_REDUCE_sum)
        TG_REDUCE_LOOP((uint64_t)u + (uint64_t)v)
    else if (op == TG_REDUCE_prod)
        TG_REDUCE_LOOP((uint64_t)u * (uint64_t)v)
    else if (op == TG_REDUCE_max)
        TG_REDUCE_LOOP(u > v ? u : v)
    else
        TG_REDUCE_LOOP(u < v ? u : v)
}
#undef TG_REDUCE_LOOP
#undef TG_REDUCE_ROWS
#undef TG_SOME

/* Whether all indices are at least -limit and below limit: without branches, so that it
 * vectorises. */
#define TG_FIT_LOOP(T)                                                                             \
    for (ptrdiff_t i = 0; i < n; i++)                                                              \
        outside |=                                                                                 \
            (((const T *)indices)[i] < (T) - limit) | (((const T *)indices)[i] > (T)(limit - 1));

TG_KERNEL void TG_ONCE(indices_fit)(int dtype, ptrdiff_t n, const void *indices, int64_t limit,
                                    int *fit)
{
    int outside = 0;
    if (dtype == TG_I32) {
        limit = limit < (int64_t)1 << 31 ? limit : (int64_t)1 << 31;
        TG_FIT_LOOP(int32_t)
    } else {
        TG_FIT_LOOP(int64_t)
    }
    *fit = !outside;
}
#undef TG_FIT_LOOP
#undef TG_COMPARE_OP
#undef TG_COMPARE_TYPE
#undef TG_COMPARE_LOOP
