/* matmul.h - the inner loops of GEMM (see gemm.h), written once for float and double.
 *
 * A register tile holds MR rows by NV vectors of C. For each k it loads NV vectors of B, broadcasts
 * MR elements of A and does MR x NV fma: 6 x 2 fills the 16 registers of AVX2 (12 sums, 2 of B, 1
 * of A) and asks for 8 loads per 12 fma, so the fma units are the limit, not the load ports; 10 x 2
 * does the same with 32 registers. Products of a few rows use 4 vectors, so that enough independent
 * sums hide the latency of fma; where B is a single vector, 8 rows ask for 9 loads per 8 fma. There
 * is a tile for every row count: rows are shared out evenly (7 = 4 + 3, not 6 + 1). The columns
 * that do not fill a vector are masked.
 *
 * The idea of a register tile under packed panels is Goto and van de Geijn, "Anatomy of
 * High-Performance Matrix Multiplication" (2008); the tile shapes follow BLIS.
 */

#ifndef TG_MATMUL_KERNEL_H
#define TG_MATMUL_KERNEL_H
#include "../gemm.h"

#define TG_SOON 16 /* C is met again after fewer steps than it takes to come from memory */

#if VF_LANES == 8 || VF_LANES == 1 /* 16 vector registers */
#define TG_TILE_ROWS 6
#define TG_TILE_UNROLL 4
#define TG_SMALL_B (48 << 10)
#define TG_TILE_WIDE_ROWS 3
#define TG_EACH_ROWS(X, ...)                                                                       \
    X(1, __VA_ARGS__)                                                                              \
    X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)
#define TG_EACH_WIDE_ROWS(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__)
#define TG_NARROW_ROWS 8
#define TG_EACH_NARROW_ROWS(X, ...) TG_EACH_ROWS(X, __VA_ARGS__) X(7, __VA_ARGS__) X(8, __VA_ARGS__)
#else /* 32 */
#define TG_SMALL_B (256 << 10)
#define TG_TILE_UNROLL 1
#define TG_TILE_ROWS 10 /* 12 would fit, but not 12 pointers into the general registers */
#define TG_TILE_WIDE_ROWS 6
#define TG_EACH_WIDE_ROWS(X, ...)                                                                  \
    X(1, __VA_ARGS__)                                                                              \
    X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)
#define TG_EACH_ROWS(X, ...)                                                                       \
    TG_EACH_WIDE_ROWS(X, __VA_ARGS__)                                                              \
    X(7, __VA_ARGS__) X(8, __VA_ARGS__) X(9, __VA_ARGS__) X(10, __VA_ARGS__)
#define TG_NARROW_ROWS TG_TILE_ROWS
#define TG_EACH_NARROW_ROWS TG_EACH_ROWS
#endif

#if defined(__clang__)
#define TG_UNROLL _Pragma("clang loop unroll(full)")
#define TG_NO_UNROLL _Pragma("clang loop unroll(disable)")
#elif defined(__GNUC__)
#define TG_UNROLL _Pragma("GCC unroll 16")
#define TG_NO_UNROLL _Pragma("GCC unroll 1")
#else
#define TG_UNROLL
#define TG_NO_UNROLL
#endif

/* The compiler is neither to mix one step of the sum over k with the next nor to hold the addresses
 * of several steps at once: both take more registers than there are. */
#if defined(__GNUC__)
#define TG_IN_ORDER __asm__ __volatile__("" ::: "memory")
#define TG_STEP_BY_STEP(p) __asm__("" : "+r"(p))
#else
#define TG_IN_ORDER (void)0
#define TG_STEP_BY_STEP(p) (void)0
#endif

/* How the rows of a tile's A lie: equally far apart, a pointer for every two of them (ten pointers
 * and what else the loop counts are more than the general registers: in its place in a vector
 * register one of them took 9 % of the time); where the offset tables say; side by side (A
 * transposed), so that one pointer reaches them all; packed, and B too. */
enum { TG_LIE_APART, TG_LIE_TABLE, TG_LIE_BESIDE, TG_LIE_PACKED, TG_N_LIES };

#endif

/* The tile: `mr`, `nv`, `lie` (how A lies) and `tail` (the last vector is masked) are constants in
 * every instance, so the arrays below are registers. */
TG_INLINE void TG_FN(gemm_tile)(const int mr, const int nv, const int lie, const int tail,
                                const tg_gemm_block *g, const V_T *a, const ptrdiff_t *a_rows,
                                const V_T *b, V_T *c, const ptrdiff_t *c_rows, const V_T *bias,
                                ptrdiff_t n_tail)
{
    const V_T *row[TG_GEMM_MAX_ROWS];
    const int table = lie == TG_LIE_TABLE, packed = lie == TG_LIE_PACKED;
    const int beside = lie == TG_LIE_BESIDE || packed, apart = lie == TG_LIE_APART;
    VT sum[TG_GEMM_MAX_ROWS][4];
    const ptrdiff_t *a_cols = g->a_cols;
    const ptrdiff_t k = g->k, a_row = g->a_row, a_col = packed ? mr : g->a_col;
    const ptrdiff_t b_row = packed ? 2 * V_LANES : g->b_row;
    TG_UNROLL for (int i = 0; i < mr; i++)
    {
        row[i] = table ? a + a_rows[i] : i && apart ? row[i - 1] + a_row : a;
        TG_UNROLL for (int j = 0; j < nv; j++) sum[i][j] = V(zero)();
    }
    /* C is met again after the loop; ask for it now, unless that is soon. */
    if (k >= TG_SOON)
        TG_UNROLL for (int i = 0; i < mr; i++)
        {
            const V_T *out = c + (table ? c_rows[i] : i * g->c_row);
            TG_PREFETCH(out);
            TG_PREFETCH(out + nv * V_LANES - 1);
        }
    /* A step of a tile of whole cache lines takes up to 20 cycles: time to ask for what the next
     * tile reads of the same row of a transposed A, and the next panel of the same row of B. */
    const int ask = sizeof(VT) == 64 && nv == 2 && (beside || apart) && !packed;
#define TG_STEP(p)                                                                                 \
    {                                                                                              \
        VT v[4];                                                                                   \
        TG_UNROLL for (int j = 0; j < nv; j++) v[j] = tail && !packed && j == nv - 1               \
                                                          ? V(load_tail)(b + j * V_LANES, n_tail)  \
                                                          : V(load)(b + j * V_LANES);              \
        if (table)                                                                                 \
            at = a_cols[p];                                                                        \
        TG_UNROLL for (int i = 0; i < mr; i++)                                                     \
        {                                                                                          \
            VT x = V(set1)(beside ? a[i] : table ? row[i][at] : row[i & ~1][(i & 1) * a_row]);     \
            TG_UNROLL for (int j = 0; j < nv; j++) sum[i][j] = V(add_product)(sum[i][j], x, v[j]); \
        }                                                                                          \
        if (ask && beside)                                                                         \
            TG_PREFETCH(a + V_LANES);                                                              \
        if (ask)                                                                                   \
            TG_UNROLL for (int j = 0; j < nv; j++) TG_PREFETCH_FAR(b + (nv + j) * V_LANES);        \
        if (beside)                                                                                \
            a += a_col;                                                                            \
        if (apart)                                                                                 \
            TG_UNROLL for (int i = 0; i < mr; i += 2)                                              \
            {                                                                                      \
                row[i] += a_col;                                                                   \
                TG_STEP_BY_STEP(row[i]);                                                           \
            }                                                                                      \
        b += b_row;                                                                                \
        if (!packed) {                                                                             \
            TG_STEP_BY_STEP(b);                                                                    \
            if (beside)                                                                            \
                TG_STEP_BY_STEP(a);                                                                \
        }                                                                                          \
        TG_IN_ORDER;                                                                               \
    }
    ptrdiff_t p = 0, at = 0;
    TG_NO_UNROLL for (; p + TG_TILE_UNROLL <= k; p += TG_TILE_UNROLL)
    {
        TG_UNROLL for (int u = 0; u < TG_TILE_UNROLL; u++)
        {
            TG_STEP(p + u);
        }
    }
    TG_NO_UNROLL for (; p < k; p++)
    {
        TG_STEP(p);
    }
#undef TG_STEP
#define TG_OUT(i) (c + (table ? c_rows[i] : (i) * c_row))
#define TG_EACH_SUM(body)                                                                          \
    TG_UNROLL for (int i = 0; i < mr; i++)                                                         \
    {                                                                                              \
        TG_UNROLL for (int j = 0; j < nv; j++)                                                     \
        {                                                                                          \
            const int masked = tail && j == nv - 1;                                                \
            (void)masked;                                                                          \
            body;                                                                                  \
        }                                                                                          \
    }
#define TG_LOAD(p) (masked ? V(load_tail)(p, n_tail) : V(load)(p))
    const int relu = g->relu;
    const ptrdiff_t c_row = g->c_row;
    if (g->accumulate)
        TG_EACH_SUM(sum[i][j] = V(add)(TG_LOAD(TG_OUT(i) + j * V_LANES), sum[i][j]))
    if (bias)
        TG_EACH_SUM(sum[i][j] = V(add)(sum[i][j], TG_LOAD(bias + j * V_LANES)))
    if (relu)
        TG_EACH_SUM(sum[i][j] = V(max)(V(zero)(), sum[i][j]))
    TG_EACH_SUM(if (masked) V(store_tail)(TG_OUT(i) + j * V_LANES, sum[i][j], n_tail);
                else V(store)(TG_OUT(i) + j * V_LANES, sum[i][j]))
#undef TG_OUT
#undef TG_EACH_SUM
#undef TG_LOAD
}

#define TG_TILE_NAME_(mr, nv, lie, tail) gemm_tile_##mr##x##nv##_##lie##tail
#define TG_TILE(mr, nv, lie, tail)                                                                 \
    TG_KERNEL void TG_FN(TG_TILE_NAME_(mr, nv, lie, tail))(                                        \
        const tg_gemm_block *g, const V_T *a, const ptrdiff_t *a_rows, const V_T *b, V_T *c,       \
        const ptrdiff_t *c_rows, const V_T *bias, ptrdiff_t n_tail)                                \
    {                                                                                              \
        TG_FN(gemm_tile)                                                                           \
        (mr, nv, lie, tail, g, a, a_rows, b, c, c_rows, bias, n_tail);                             \
    }
#define TG_TILE_ENTRY(mr, nv, lie, tail) TG_FN(TG_TILE_NAME_(mr, nv, lie, tail)),
#define TG_TILES_OF(lie)                                                                           \
    TG_EACH_NARROW_ROWS(TG_TILE, 1, lie, 0)                                                        \
    TG_EACH_NARROW_ROWS(TG_TILE, 1, lie, 1)                                                        \
    TG_EACH_ROWS(TG_TILE, 2, lie, 0)                                                               \
    TG_EACH_ROWS(TG_TILE, 2, lie, 1) TG_EACH_WIDE_ROWS(TG_TILE, 4, lie, 0)
#define TG_ENTRIES_OF(lie)                                                                         \
    {                                                                                              \
        {{TG_EACH_NARROW_ROWS(TG_TILE_ENTRY, 1, lie, 0)},                                          \
         {TG_EACH_NARROW_ROWS(TG_TILE_ENTRY, 1, lie, 1)}},                                         \
        {                                                                                          \
            {TG_EACH_ROWS(TG_TILE_ENTRY, 2, lie, 0)},                                              \
            {                                                                                      \
                TG_EACH_ROWS(TG_TILE_ENTRY, 2, lie, 1)                                             \
            }                                                                                      \
        }                                                                                          \
    }

TG_TILES_OF(0)
TG_TILES_OF(1)
TG_TILES_OF(2)
TG_TILES_OF(3)

typedef void (*TG_FN(gemm_tile_fn))(const tg_gemm_block *, const V_T *, const ptrdiff_t *,
                                    const V_T *, V_T *, const ptrdiff_t *, const V_T *, ptrdiff_t);

/* [lie][vectors - 1][tail][rows - 1] */
static const TG_FN(gemm_tile_fn) TG_FN(gemm_tiles)[TG_N_LIES][2][2][TG_NARROW_ROWS] = {
    TG_ENTRIES_OF(0), TG_ENTRIES_OF(1), TG_ENTRIES_OF(2), TG_ENTRIES_OF(3)};
static const TG_FN(gemm_tile_fn) TG_FN(gemm_wide_tiles)[TG_LIE_PACKED][TG_TILE_WIDE_ROWS] = {
    {TG_EACH_WIDE_ROWS(TG_TILE_ENTRY, 4, 0, 0)},
    {TG_EACH_WIDE_ROWS(TG_TILE_ENTRY, 4, 1, 0)},
    {TG_EACH_WIDE_ROWS(TG_TILE_ENTRY, 4, 2, 0)},
};

#undef TG_TILE
#undef TG_TILE_ENTRY
#undef TG_TILES_OF
#undef TG_ENTRIES_OF

/* Rows are shared out evenly among tiles: the last `larger` of them have one more than `least`. */
typedef struct {
    ptrdiff_t n_tiles, least, larger;
} TG_FN(tile_rows);

TG_INLINE TG_FN(tile_rows) TG_FN(share_rows)(ptrdiff_t m, int most)
{
    const ptrdiff_t n = (m + most - 1) / most;
    return (TG_FN(tile_rows)){n, n ? m / n : 0, n ? m % n : 0};
}

TG_INLINE ptrdiff_t TG_FN(rows_of_tile)(const TG_FN(tile_rows) * s, ptrdiff_t tile)
{
    return s->least + (tile >= s->n_tiles - s->larger);
}

/* The tiles, by their rows, for each panel of a block but the last and for the last one. */
typedef struct {
    const TG_FN(gemm_tile_fn) * whole, *last;
    ptrdiff_t tail; /* columns in the last vector, 0 for all */
} TG_FN(gemm_panels);

TG_INLINE void TG_FN(gemm_tile_at)(const tg_gemm_block *g, const TG_FN(gemm_panels) * panels,
                                   ptrdiff_t i, ptrdiff_t rows, ptrdiff_t panel)
{
    const ptrdiff_t j = panel * 2 * V_LANES;
    const V_T *bias = g->bias;
    const int table = g->a_rows != NULL, last = j + 2 * V_LANES > g->n;
    (last ? panels->last : panels->whole)[rows - 1](
        g, table ? g->a : (const V_T *)g->a + i * g->a_row, table ? g->a_rows + i : NULL,
        (const V_T *)g->b + panel * g->b_panel, (V_T *)g->c + j + (table ? 0 : i * g->c_row),
        table ? g->c_rows + i : NULL, bias ? bias + j : NULL, panels->tail);
}

/* A block: panels of columns outside (a panel of B stays in the first-level cache), rows inside. A
 * B of up to TG_SMALL_B bytes comes fast enough from the caches for the rows to be outside: C is
 * then written row after row, which memory takes up to twice as fast as pieces of rows. */
TG_KERNEL void TG_FN(gemm_block)(const tg_gemm_block *given)
{
    tg_gemm_block copy = *given, *g = &copy;
    const int lie = g->a_rows       ? TG_LIE_TABLE
                    : g->a_packed   ? TG_LIE_PACKED
                    : g->a_row == 1 ? TG_LIE_BESIDE
                                    : TG_LIE_APART;
    const ptrdiff_t nr = 2 * V_LANES, n_panels = (g->n + nr - 1) / nr;
    const ptrdiff_t rest = g->n - (n_panels - 1) * nr; /* columns of the last panel */
    const int narrow = g->n <= V_LANES && !g->a_packed;
    const TG_FN(tile_rows) share = TG_FN(share_rows)(g->m, narrow ? TG_NARROW_ROWS : TG_TILE_ROWS);
    const TG_FN(gemm_panels)
        panels = {.whole = TG_FN(gemm_tiles)[lie][1][0],
                  .last = TG_FN(gemm_tiles)[lie][rest > V_LANES][rest % V_LANES != 0],
                  .tail = rest % V_LANES};
    ptrdiff_t first = 0; /* the panels before are done */
    if (g->a_packed)
        g->a_row = g->k;
    if (g->b_panel == nr && g->m <= TG_TILE_WIDE_ROWS && !g->a_packed && g->m > 0)
        for (; (first + 2) * nr <= g->n; first += 2)
            TG_FN(gemm_wide_tiles)
    [lie][g->m - 1](g, g->a, g->a_rows, (const V_T *)g->b + first *nr, (V_T *)g->c + first *nr,
                    g->c_rows, g->bias ? (const V_T *)g->bias + first *nr : NULL, 0);
    if (g->k * g->n * (ptrdiff_t)sizeof(V_T) <= TG_SMALL_B) {
        for (ptrdiff_t t = 0, i = 0, rows; t < share.n_tiles; t++, i += rows) {
            rows = TG_FN(rows_of_tile)(&share, t);
            for (ptrdiff_t panel = first; panel < n_panels; panel++)
                TG_FN(gemm_tile_at)(g, &panels, i, rows, panel);
        }
    } else {
        /* Each tile asks for its share of the next panel, where that comes from afar. */
        const ptrdiff_t bytes = g->b_far ? g->k * nr * (ptrdiff_t)sizeof(V_T) : 0;
        const ptrdiff_t part = (bytes / (share.n_tiles + 1) + 64) / 64 * 64;
        for (ptrdiff_t panel = first; panel < n_panels; panel++) {
            const char *next = (const char *)((const V_T *)g->b + (panel + 1) * g->b_panel);
            ptrdiff_t asked = panel + 1 < n_panels ? 0 : bytes;
            for (ptrdiff_t t = 0, i = 0, rows; t < share.n_tiles; t++, i += rows) {
                const ptrdiff_t end = asked + part < bytes ? asked + part : bytes;
                for (; asked < end; asked += 64)
                    TG_PREFETCH_FAR(next + asked);
                rows = TG_FN(rows_of_tile)(&share, t);
                TG_FN(gemm_tile_at)(g, &panels, i, rows, panel);
            }
        }
    }
}

/* y (n) += sum over q < count of a[q * a_col] times row q of B, for up to 4 rows of A and y at
 * once: `rows` x `count` multipliers wait in registers while the rows of B stream by, `nv` vectors
 * at a time: a cache line, where registers allow it, lest rows that meet in one set of the cache
 * push each other out between the halves of a line. */
TG_INLINE void TG_FN(gemm_stream)(const int rows, const int count, const int nv, ptrdiff_t n,
                                  const V_T *a, ptrdiff_t a_row, ptrdiff_t a_col, const V_T *b,
                                  ptrdiff_t b_row, V_T *y, ptrdiff_t y_row)
{
    VT x[4][8];
    TG_UNROLL for (int i = 0; i < rows; i++)
    {
        TG_UNROLL for (int q = 0; q < count; q++) x[i][q] = V(set1)(a[i * a_row + q * a_col]);
    }
    for (ptrdiff_t j = 0; j < n; j += nv * V_LANES) { /* y has whole vectors, B need not */
        const int whole = n - j >= nv * V_LANES;
        VT sum[4][2];
        TG_UNROLL for (int i = 0; i < rows; i++)
        {
            TG_UNROLL for (int v = 0; v < nv; v++) sum[i][v] =
                V(load)(y + i * y_row + j + v * V_LANES);
        }
        TG_UNROLL for (int q = 0; q < count; q++)
        {
            if (rows > 2) /* whose pieces are short: the processor does not foresee the next ones */
                TG_PREFETCH(b + (q + count) * b_row + j);
            TG_UNROLL for (int v = 0; v < nv; v++)
            {
                const V_T *from = b + q * b_row + j + v * V_LANES;
                const ptrdiff_t left = n - j - v * V_LANES;
                VT u = whole      ? V(load)(from)
                       : left > 0 ? V(load_tail)(from, left < V_LANES ? left : V_LANES)
                                  : V(zero)();
                TG_UNROLL for (int i = 0; i < rows; i++) sum[i][v] = V(fma)(x[i][q], u, sum[i][v]);
            }
        }
        TG_UNROLL for (int i = 0; i < rows; i++)
        {
            TG_UNROLL for (int v = 0; v < nv; v++)
                V(store)(y + i * y_row + j + v * V_LANES, sum[i][v]);
        }
    }
}

/* m = 1 to 4 rows: y (m x n) += A (m x k) B, some rows of B at a time. */
TG_INLINE void TG_FN(gemm_stream_rows)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const V_T *a,
                                       ptrdiff_t a_row, ptrdiff_t a_col, const V_T *b,
                                       ptrdiff_t b_row, V_T *y, ptrdiff_t y_row)
{
    ptrdiff_t p = 0;
#define TG_STREAM(rows, count, nv)                                                                 \
    for (; p + (count) <= k; p += (count))                                                         \
        TG_FN(gemm_stream)                                                                         \
    (rows, count, nv, n, a + p * a_col, a_row, a_col, b + p * b_row, b_row, y, y_row);
    if (m == 1) {
        TG_STREAM(1, 8, 2)
        TG_STREAM(1, 1, 2)
    } else if (m == 2) {
        TG_STREAM(2, TG_TILE_ROWS >= 10 ? 8 : 4, 2)
        TG_STREAM(2, 1, 2)
    } else if (m == 3) {
        TG_STREAM(3, TG_TILE_ROWS >= 10 ? 6 : 3, 1)
        TG_STREAM(3, 1, 1)
    } else {
        TG_STREAM(4, TG_TILE_ROWS >= 10 ? 6 : 2, 1)
        TG_STREAM(4, 1, 1)
    }
#undef TG_STREAM
}

/* A block of up to 8 rows against a large B that is not packed: tiles would read it in short
 * pieces, a page apart; here long pieces of the rows of B stream by, and the sums stay near.
 * More than 4 rows are two halves, which meet some rows of B while these are in that cache too. */
TG_KERNEL void TG_FN(gemm_rows)(const tg_gemm_block *g)
{
    enum { ALL = 16384, SOME = 24 }; /* a multiple of all counts that gemm_stream_rows takes */
    V_T sum[ALL];
    const ptrdiff_t m = g->m, half = m <= 4 ? m : (m + 1) / 2, some = m <= 4 ? g->k : SOME;
    const ptrdiff_t whole = (g->n + 2 * V_LANES - 1) / (2 * V_LANES) * 2 * V_LANES;
    const ptrdiff_t most = ALL / (m < 3 ? m : m <= 4 ? 4 : 8), width = most < whole ? most : whole;
    for (ptrdiff_t j = 0; j < g->n; j += width) {
        const ptrdiff_t n = g->n - j < width ? g->n - j : width;
        const V_T *a = g->a, *b = (const V_T *)g->b + j;
        for (ptrdiff_t i = 0; i < m * width; i += V_LANES)
            V(store)(sum + i, V(zero)());
        for (ptrdiff_t p = 0; p < g->k; p += some)
            for (ptrdiff_t i = 0; i < m; i += half)
                TG_FN(gemm_stream_rows)
        (m - i < half ? m - i : half, n, g->k - p < some ? g->k - p : some,
         a + i * g->a_row + p * g->a_col, g->a_row, g->a_col, b + p * g->b_row, g->b_row,
         sum + i * width, width);
        for (ptrdiff_t i = 0; i < m; i++) {
            V_T *c = (V_T *)g->c + i * g->c_row + j;
            const V_T *bias = g->bias ? (const V_T *)g->bias + j : NULL, *from = sum + i * width;
            for (ptrdiff_t q = 0; q < n; q++) {
                V_T y = g->accumulate ? c[q] + from[q] : from[q];
                y = bias ? y + bias[q] : y;
                c[q] = g->relu && y < 0 ? 0 : y;
            }
        }
    }
}

/* Columns of B (element (p, j) is b[p * b_row + j * b_col]) in panels of 2 vectors, the last one
 * filled up with zeros; panel q starts at out + q * panel. */
TG_KERNEL void TG_FN(gemm_pack_b)(ptrdiff_t k, ptrdiff_t n, const V_T *b, ptrdiff_t b_row,
                                  ptrdiff_t b_col, V_T *out, ptrdiff_t panel)
{
    enum { GROUP = 8 }; /* vectors of a row of B copied in one go: what lies together is read so */
    const ptrdiff_t nr = 2 * V_LANES;
    ptrdiff_t j = 0;
    for (ptrdiff_t n_vectors; b_col == 1 && (n_vectors = (n - j) / V_LANES) > 0;
         j += n_vectors * V_LANES) {
        n_vectors = n_vectors < GROUP ? n_vectors : GROUP;
        const V_T *from = b + j;
        V_T *to = out + j / nr * panel;
        for (ptrdiff_t p = 0; p < k; p++, from += b_row, to += nr)
            for (ptrdiff_t q = 0; q < n_vectors; q++) {
                TG_PREFETCH(from + 8 * b_row + q * V_LANES);
                V(store)(to + q / 2 * panel + q % 2 * V_LANES, V(load)(from + q * V_LANES));
            }
    }
    for (; j < n; j += V_LANES) {
        ptrdiff_t width = n - j < V_LANES ? n - j : V_LANES, p = 0;
        const V_T *from = b + j * b_col;
        V_T *to = out + j / nr * panel + j % nr;
        if (b_col == 1) {
            for (; p < k; p++)
                V(store)(to + p * nr, V(load_tail)(from + p * b_row, width));
        } else if (b_row == 1) { /* columns are contiguous: squares of L x L are turned round */
            for (; p + V_LANES <= k; p += V_LANES) {
                VT square[V_LANES];
                TG_UNROLL for (int i = 0; i < V_LANES; i++) square[i] =
                    i < width ? V(load)(from + i * b_col + p) : V(zero)();
                V(transpose)(square);
                TG_UNROLL for (int i = 0; i < V_LANES; i++) V(store)(to + (p + i) * nr, square[i]);
            }
        }
        for (; p < k; p++)
            for (ptrdiff_t i = 0; i < V_LANES; i++)
                to[p * nr + i] = i < width ? from[p * b_row + i * b_col] : 0;
    }
    if ((n - 1) % nr < V_LANES) /* the second vector of the last panel has no column at all */
        for (ptrdiff_t p = 0; p < k; p++)
            V(store)(out + (n - 1) / nr * panel + p * nr + V_LANES, V(zero)());
}

/* The rows of a tile of A take so many vectors, the last of them in part. */
enum { TG_FN(tile_vectors) = (TG_TILE_ROWS + V_LANES - 1) / V_LANES };

/* A transposed A: its columns, the `rows` elements of each k of a tile, are contiguous. Some of
 * them are taken for all tiles before the next ones, so that what lies together is read together.
 */
TG_INLINE void TG_FN(gemm_pack_columns)(ptrdiff_t m, ptrdiff_t k, const V_T *a, ptrdiff_t a_col,
                                        V_T *out)
{
    enum { COLUMNS = 16, VECTORS = TG_FN(tile_vectors) };
    const TG_FN(tile_rows) share = TG_FN(share_rows)(m, TG_TILE_ROWS);
    for (ptrdiff_t p0 = 0; p0 < k; p0 += COLUMNS)
        for (ptrdiff_t t = 0, first = 0, rows; t < share.n_tiles; t++, first += rows) {
            rows = TG_FN(rows_of_tile)(&share, t);
            const int whole = first + VECTORS * V_LANES <= m; /* vectors end inside the matrix */
            ptrdiff_t p = p0, end = p0 + COLUMNS < k ? p0 + COLUMNS : k - 1;
            const V_T *from = a + first + p * a_col;
            V_T *to = out + first * k + p * rows;
            for (; whole && p < end; p++, from += a_col, to += rows) {
                TG_PREFETCH(from + COLUMNS * a_col);
                TG_UNROLL for (int v = 0; v < VECTORS; v++)
                    V(store)(to + v * V_LANES, V(load)(from + v * V_LANES));
            }
            for (end = p0 + COLUMNS < k ? p0 + COLUMNS : k; p < end; p++, from += a_col, to += rows)
                for (ptrdiff_t i = 0; i < rows; i++)
                    to[i] = from[i];
        }
}

/* A (m x k) in the tiles that gemm_block takes, each with its rows of one k side by side: element
 * (i, p) of a tile of `rows` rows is out[p * rows + i], and the tile of row i starts at out + i *
 * k. Stores are whole vectors, whose last lanes the next k overwrites: up to 16 elements past the
 * end are written. */
TG_KERNEL void TG_FN(gemm_pack_a)(ptrdiff_t m, ptrdiff_t k, const V_T *a, ptrdiff_t a_row,
                                  ptrdiff_t a_col, V_T *out)
{
    enum { VECTORS = TG_FN(tile_vectors) };
    const TG_FN(tile_rows) share = TG_FN(share_rows)(m, TG_TILE_ROWS);
    if (a_row == 1 && a_col != 1) {
        TG_FN(gemm_pack_columns)(m, k, a, a_col, out);
        return;
    }
    for (ptrdiff_t t = 0, first = 0, rows; t < share.n_tiles; t++, first += rows) {
        rows = TG_FN(rows_of_tile)(&share, t);
        const V_T *from = a + first * a_row;
        V_T *to = out + first * k;
        ptrdiff_t p = 0;
        for (; a_col == 1 && p + V_LANES <= k; p += V_LANES) {
            VT square[VECTORS][V_LANES];
            TG_UNROLL for (int v = 0; v < VECTORS; v++)
            {
                TG_UNROLL for (int i = 0; i < V_LANES; i++)
                {
                    const ptrdiff_t row = v * V_LANES + i;
                    square[v][i] = row < rows ? V(load)(from + row * a_row + p) : V(zero)();
                }
                V(transpose)(square[v]);
            }
            TG_UNROLL for (int i = 0; i < V_LANES; i++)
            {
                TG_UNROLL for (int v = 0; v < VECTORS; v++)
                    V(store)(to + (p + i) * rows + v * V_LANES, square[v][i]);
            }
        }
        for (; p < k; p++)
            for (ptrdiff_t i = 0; i < rows; i++)
                to[p * rows + i] = from[i * a_row + p * a_col];
    }
}

/* C (m x n, any strides) = A B for few columns: the rows of A and the columns of B (bt: n x k) are
 * contiguous, and each element is a dot product. A block of rows and columns shares the loads. The
 * sum has V_LANES x 2 interleaved parts, of which `lanes` gets V_LANES, row by row. */
TG_INLINE void TG_FN(gemm_dot_lanes)(const int rows, const int cols, ptrdiff_t k, const V_T *a,
                                     ptrdiff_t a_row, const V_T *bt, ptrdiff_t bt_row, VT *lanes)
{
    VT even[4][2], odd[4][2];
    ptrdiff_t p = 0;
    TG_UNROLL for (int i = 0; i < rows; i++)
    {
        TG_UNROLL for (int j = 0; j < cols; j++) even[i][j] = odd[i][j] = V(zero)();
    }
#define TG_DOT(sum, load)                                                                          \
    {                                                                                              \
        VT x[2];                                                                                   \
        TG_UNROLL for (int j = 0; j < cols; j++) x[j] = load(bt + j * bt_row + p);                 \
        TG_UNROLL for (int i = 0; i < rows; i++)                                                   \
        {                                                                                          \
            VT y = load(a + i * a_row + p);                                                        \
            TG_UNROLL for (int j = 0; j < cols; j++) sum[i][j] = V(fma)(y, x[j], sum[i][j]);       \
        }                                                                                          \
    }
#define TG_LOAD_LEFT(from) V(load_tail)(from, k - p < V_LANES ? k - p : V_LANES)
    while (p + 2 * V_LANES <= k) {
        TG_DOT(even, V(load))
        p += V_LANES;
        TG_DOT(odd, V(load))
        p += V_LANES;
    }
    for (; p < k; p += V_LANES)
        TG_DOT(even, TG_LOAD_LEFT)
#undef TG_DOT
#undef TG_LOAD_LEFT
    TG_UNROLL for (int i = 0; i < rows; i++)
    {
        TG_UNROLL for (int j = 0; j < cols; j++) lanes[i * cols + j] =
            V(add)(even[i][j], odd[i][j]);
    }
}

/* The lanes added up by the fixed tree of hsum. */
TG_INLINE void TG_FN(gemm_dot_block)(const int rows, const int cols, ptrdiff_t k, const V_T *a,
                                     ptrdiff_t a_row, const V_T *bt, ptrdiff_t bt_row, V_T *c,
                                     ptrdiff_t c_row, ptrdiff_t c_col)
{
    VT lanes[8];
    TG_FN(gemm_dot_lanes)(rows, cols, k, a, a_row, bt, bt_row, lanes);
    TG_UNROLL for (int i = 0; i < rows; i++)
    {
        TG_UNROLL for (int j = 0; j < cols; j++) c[i * c_row + j * c_col] =
            V(hsum)(lanes[i * cols + j]);
    }
}

/* One column for V_LANES rows: the same tree for all of them at once, a row in each lane. */
TG_INLINE void TG_FN(gemm_dot_column)(ptrdiff_t k, const V_T *a, ptrdiff_t a_row, const V_T *bt,
                                      V_T *c)
{
    enum { ROWS = V_LANES < 4 ? V_LANES : 4 };
    VT lanes[V_LANES];
    TG_UNROLL for (int i = 0; i < V_LANES; i += ROWS)
        TG_FN(gemm_dot_lanes)(ROWS, 1, k, a + i * a_row, a_row, bt, 0, lanes + i);
    V(transpose)(lanes);
    for (int half = V_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] = V(add)(lanes[i], lanes[i + half]);
    V(store)(c, lanes[0]);
}

TG_KERNEL void TG_FN(gemm_dot)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const V_T *a, ptrdiff_t a_row,
                               const V_T *bt, ptrdiff_t bt_row, V_T *c, ptrdiff_t c_row,
                               ptrdiff_t c_col)
{
    enum { COLS = TG_TILE_ROWS >= 10 ? 2 : 1 }; /* 16 sums need 32 registers */
    ptrdiff_t i = 0;
    for (; n == 1 && c_row == 1 && i + V_LANES <= m; i += V_LANES)
        TG_FN(gemm_dot_column)(k, a + i * a_row, a_row, bt, c + i);
#define TG_DOTS(rows, cols)                                                                        \
    for (; j + (cols) <= n; j += (cols))                                                           \
        TG_FN(gemm_dot_block)                                                                      \
    (rows, cols, k, a + i * a_row, a_row, bt + j * bt_row, bt_row, c + i * c_row + j * c_col,      \
     c_row, c_col);
    for (; i + 4 <= m; i += 4) {
        ptrdiff_t j = 0;
        TG_DOTS(4, COLS)
        TG_DOTS(4, 1)
    }
    for (; i < m; i++) {
        ptrdiff_t j = 0;
        TG_DOTS(1, COLS)
        TG_DOTS(1, 1)
    }
#undef TG_DOTS
}

enum { TG_FN(gemm_panel) = 2 * V_LANES };
