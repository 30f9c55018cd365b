/* matmul_pieces.c - one task's piece of a product: depth blocks, packed where that pays. */
#include <stdatomic.h>
#if !defined(_WIN32)
#include <unistd.h>
#endif

#include "../matmul_pieces.h"
#include "../threads.h"

#define PACKED_ROWS_BYTES (4 << 20)
#define CHAIN_ROWS 12 /* at least, and so many numbers, are computed before the chain's turn */
#define CHAIN_NUMBERS 4096

void tg_gemm_run(int dtype, const tg_gemm_block *block)
{
    (dtype == TG_F32 ? tg_active->gemm_block_f32 : tg_active->gemm_block_f64)(block);
}

ptrdiff_t tg_gemm_panel(int dtype)
{
    return dtype == TG_F32 ? tg_active->gemm_panel_f32 : tg_active->gemm_panel_f64;
}

void tg_gemm_pack_b(int dtype, ptrdiff_t k, ptrdiff_t n, const void *b, ptrdiff_t b_row,
                    ptrdiff_t b_col, void *out, ptrdiff_t panel)
{
    if (dtype == TG_F32)
        tg_active->gemm_pack_b_f32(k, n, b, b_row, b_col, out, panel);
    else
        tg_active->gemm_pack_b_f64(k, n, b, b_row, b_col, out, panel);
}

static void pack_a(int dtype, ptrdiff_t m, ptrdiff_t k, const void *a, ptrdiff_t a_row,
                   ptrdiff_t a_col, void *out)
{
    if (dtype == TG_F32)
        tg_active->gemm_pack_a_f32(m, k, a, a_row, a_col, out);
    else
        tg_active->gemm_pack_a_f64(m, k, a, a_row, a_col, out);
}

/* Rows [i0, i1) and columns [j0, j1), the depth block from p0 on: how many terms it has. */
static ptrdiff_t compute_depth(const tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t j0,
                               ptrdiff_t j1, ptrdiff_t p0)
{
    const tg_gemm_problem *p = x->p;
    const ptrdiff_t nr = tg_gemm_panel(p->dtype), size = tg_gemm_item(p->dtype);
    tg_gemm_block block = {.m = i1 - i0,
                           .n = j1 - j0,
                           .k = min_of(tg_gemm_depth(p->k), p->k - p0),
                           .a_row = p->a_row,
                           .a_col = p->a_col,
                           .c = x->c + (i0 * p->c_row + j0) * size,
                           .c_row = p->c_row,
                           .a_packed = x->packed_a != NULL,
                           .b_far = x->b_far,
                           .accumulate = p0 > 0};
    block.a = block.a_packed ? x->packed_a + block.m * (p0 - x->a_term) * size
                             : at(p->dtype, x->a, i0 * p->a_row + p0 * p->a_col);
    if (x->packed_b) {
        block.b =
            x->packed_b + ((p0 - x->b_term) * x->padded + (j0 - x->first_col) * block.k) * size;
        block.b_row = nr;
        block.b_panel = block.k * nr;
    } else {
        block.b = at(p->dtype, x->b, p0 * p->b_row + j0);
        block.b_row = p->b_row;
        block.b_panel = nr;
    }
    if (p0 + block.k == p->k) {
        block.bias = p->bias ? at(p->dtype, p->bias, j0) : NULL;
        block.relu = p->act == TG_ACT_RELU;
    }
    if (x->streamed)
        (p->dtype == TG_F32 ? tg_active->gemm_rows_f32 : tg_active->gemm_rows_f64)(&block);
    else
        tg_gemm_run(p->dtype, &block);
    return block.k;
}

/* All depth blocks in turn: this piece of C stays in the cache while they are added to it; if a
 * chain follows, so few rows at a time that they are in the nearest cache then, wherever they lie.
 */
void tg_gemm_piece(const tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t j0,
                   ptrdiff_t j1)
{
    const tg_gemm_problem *p = x->p;
    ptrdiff_t some = i1 - i0;
    if (p->chain && !x->packed_a)
        some = CHAIN_NUMBERS / (j1 - j0 + 1) + CHAIN_ROWS;
    for (ptrdiff_t i = i0, end; i < i1; i = end) {
        ptrdiff_t p0 = 0;
        end = min_of(i + some, i1);
        do /* once even when k is 0: the result is then bias alone */
            p0 += compute_depth(x, i, end, j0, j1, p0);
        while (p0 < p->k);
        finish(p, end - i, j1 - j0, x->c + (i * p->c_row + j0) * tg_gemm_item(p->dtype));
    }
}

/* Rows of A packed at once: with one depth they take half of the second-level cache, which also
 * holds a panel of B and the piece of C that they meet; all packed ones at most 4 MB. */
ptrdiff_t tg_gemm_rows_at_once(const tg_gemm_problem *p, int by_depth)
{
    static _Atomic ptrdiff_t cache; /* bytes */
    ptrdiff_t size = tg_gemm_item(p->dtype),
              l2 = atomic_load_explicit(&cache, memory_order_relaxed);
    if (l2 == 0) {
        l2 = 512 << 10; /* where nobody tells */
#if defined(_SC_LEVEL2_CACHE_SIZE)
        long told = sysconf(_SC_LEVEL2_CACHE_SIZE);
        if (told >= 128 << 10 && told <= 8 << 20)
            l2 = told;
#endif
        atomic_store_explicit(&cache, l2, memory_order_relaxed);
    }
    const ptrdiff_t depth = tg_gemm_depth(p->k), terms = by_depth ? depth : p->k;
    return min_of(PACKED_ROWS_BYTES / (terms * size), l2 * 15 / 32 / (depth * size)) + 1;
}

/* Rows [i0, i1) of A in tiles, depth after depth. */
int tg_gemm_pack_rows(tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1)
{
    const tg_gemm_problem *p = x->p;
    const ptrdiff_t depth = tg_gemm_depth(p->k), m = i1 - i0, size = tg_gemm_item(p->dtype);
    const tg_mark mark = {x->job, x->a, i0, i1};
    x->packed_a = tg_scratch_marked(TG_SCRATCH_PACK_A, mark);
    if (x->packed_a)
        return TG_OK;
    char *out = tg_scratch(TG_SCRATCH_PACK_A, (size_t)((m * p->k + 64) * size));
    x->packed_a = out;
    for (ptrdiff_t p0 = 0; out && p0 < p->k; p0 += depth)
        pack_a(p->dtype, m, min_of(depth, p->k - p0),
               at(p->dtype, x->a, i0 * p->a_row + p0 * p->a_col), p->a_row, p->a_col,
               out + m * p0 * size);
    tg_scratch_mark(TG_SCRATCH_PACK_A, mark);
    return out ? TG_OK : TG_NO_MEMORY;
}

/* Some columns meet the rows once: a depth block of the rows is packed and used in the cache. */
int tg_gemm_rows_by_depth(tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t j0,
                          ptrdiff_t j1)
{
    const tg_gemm_problem *p = x->p;
    const ptrdiff_t depth = tg_gemm_depth(p->k), m = i1 - i0, size = tg_gemm_item(p->dtype);
    char *out = tg_scratch(TG_SCRATCH_PACK_A, (size_t)((m * depth + 64) * size));
    if (!out)
        return TG_NO_MEMORY;
    x->packed_a = out;
    for (ptrdiff_t p0 = 0; p0 < p->k; p0 += depth) {
        pack_a(p->dtype, m, min_of(depth, p->k - p0),
               at(p->dtype, x->a, i0 * p->a_row + p0 * p->a_col), p->a_row, p->a_col, out);
        x->a_term = p0;
        compute_depth(x, i0, i1, j0, j1, p0);
    }
    finish(p, m, j1 - j0, x->c + (i0 * p->c_row + j0) * size);
    return TG_OK;
}

/* All rows meet some columns, which come from afar: a depth block of both is packed and used. Only
 * rows of A that meet one or two panels are read where they lie. */
int tg_gemm_columns_by_depth(tg_gemm_matrices *x, ptrdiff_t j0, ptrdiff_t j1)
{
    const tg_gemm_problem *p = x->p;
    const ptrdiff_t depth = tg_gemm_depth(p->k), nr = tg_gemm_panel(p->dtype);
    const ptrdiff_t size = tg_gemm_item(p->dtype);
    x->first_col = j0;
    x->padded = (j1 - j0 + nr - 1) / nr * nr;
    const ptrdiff_t n_blocks = (p->k + depth - 1) / depth;
    const int pack = p->a_col != 1 || x->padded > 2 * nr;
    char *columns = tg_scratch(TG_SCRATCH_PACK_B, (size_t)(depth * x->padded * size));
    char *rows = tg_scratch(TG_SCRATCH_PACK_A, (size_t)((p->m * depth + 64) * size));
    if (!columns || !rows)
        return TG_NO_MEMORY;
    x->packed_a = pack ? rows : NULL;
    x->packed_b = columns;
    for (ptrdiff_t p0 = 0, k; p0 < p->k; p0 += k) {
        x->a_term = x->b_term = p0;
        k = min_of(depth, p->k - p0);
        if (pack)
            pack_a(p->dtype, p->m, k, at(p->dtype, x->a, p0 * p->a_col), p->a_row, p->a_col, rows);
        tg_gemm_pack_b(p->dtype, k, j1 - j0, at(p->dtype, x->b, p0 * p->b_row + j0 * p->b_col),
                       p->b_row, p->b_col, columns, k * nr);
        if (tg_gemm_shares_sums(p))
            tg_column_sums_share(p->sums, x->part * n_blocks + p0 / depth, x->n_parts * n_blocks,
                                 j0, j1);
        compute_depth(x, 0, p->m, j0, j1, p0);
    }
    finish(p, p->m, j1 - j0, x->c + j0 * size);
    return TG_OK;
}

/* Columns [j0, j1) of B in panels, depth after depth. */
int tg_gemm_pack_columns(tg_gemm_matrices *x, ptrdiff_t j0, ptrdiff_t j1)
{
    const tg_gemm_problem *p = x->p;
    const ptrdiff_t depth = tg_gemm_depth(p->k), nr = tg_gemm_panel(p->dtype);
    const ptrdiff_t size = tg_gemm_item(p->dtype);
    const tg_mark mark = {x->job, x->b, j0, j1};
    x->first_col = j0;
    x->padded = (j1 - j0 + nr - 1) / nr * nr;
    x->packed_b = tg_scratch_marked(TG_SCRATCH_PACK_B, mark);
    if (x->packed_b)
        return TG_OK;
    char *out = tg_scratch(TG_SCRATCH_PACK_B, (size_t)(p->k * x->padded * size));
    x->packed_b = out;
    for (ptrdiff_t p0 = 0; out && p0 < p->k; p0 += depth) {
        ptrdiff_t k = min_of(depth, p->k - p0);
        tg_gemm_pack_b(p->dtype, k, j1 - j0, at(p->dtype, x->b, p0 * p->b_row + j0 * p->b_col),
                       p->b_row, p->b_col, out + p0 * x->padded * size, k * nr);
    }
    tg_scratch_mark(TG_SCRATCH_PACK_B, mark);
    return out ? TG_OK : TG_NO_MEMORY;
}
/* Bias and activation of an m x n piece of C, for the paths with few columns. */
void tg_gemm_finish_rows(const tg_gemm_problem *p, ptrdiff_t m, ptrdiff_t n, char *c,
                         const void *bias)
{
    const int together = p->c_row == n, column = together && n == 1; /* one number for all */
    const tg_binary_rows apart = {.y_row = p->c_row, .a_row = p->c_row, .a_step = 1, .b_step = 1};
    const tg_binary_rows *rows = column ? TG_ONE_ROW_AND_NUMBER : &apart;
    const ptrdiff_t n_rows = column ? 1 : m, length = column ? m : n;
    const ptrdiff_t n_runs = p->act != TG_ACT_RELU ? 0 : together ? 1 : m;
    const ptrdiff_t run = together ? m * n : n;
#define FINISH(T, suffix)                                                                          \
    do {                                                                                           \
        if (bias)                                                                                  \
            tg_active->binary_##suffix[TG_BINARY_add](n_rows, length, (T *)c, (T *)c, bias, rows); \
        for (ptrdiff_t i = 0; i < n_runs; i++)                                                     \
            tg_active->unary_##suffix[TG_UNARY_relu](run, (T *)c + i * p->c_row,                   \
                                                     (T *)c + i * p->c_row);                       \
    } while (0)
    if (p->dtype == TG_F32)
        FINISH(float, f32);
    else
        FINISH(double, f64);
#undef FINISH
    finish(p, m, n, c);
}
