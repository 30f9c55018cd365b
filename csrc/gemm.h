/* gemm.h - what the ISA kernels of matmul (kernels/matmul.h) and the drivers that block over them
 * (drivers/matmul.c, drivers/convolution.c) say to each other.
 *
 * The block kernel computes C (m x n) = [C +] A (m x k) B (k x n). It reads A one element at a time
 * (a broadcast), so A may be any array at all: element (i, j) is a[i * a_row + j * a_col], or, when
 * the offset tables are given, a[a_rows[i] + a_cols[j]]. With tables, the pixels of an image are
 * the rows of A and the taps of a kernel its columns: convolution without copying the image. It
 * reads B by vectors, so B is row-major (b_row is its row stride and neighbours in a row are
 * adjacent), or packed in panels of `nr` columns that lie b_panel elements apart.
 *
 * An element's sum runs over j in order, one fma each, whichever tile it falls in: results do not
 * depend on how a product is cut, packed or shared among threads. Drivers cut long sums every
 * tg_gemm_depth(k) terms, which depends on k alone, and in products of few results into parts for
 * the tasks, by the shape alone (drivers/matmul_terms.c).
 */
#ifndef TG_GEMM_H
#define TG_GEMM_H

#include <stddef.h>

#include "chain.h"
#include "reduction.h"
#include "tg.h"

#define TG_GEMM_MAX_ROWS 10 /* of a register tile, in any ISA */

typedef struct {
    ptrdiff_t m, n, k;
    const void *a;
    ptrdiff_t a_row, a_col;
    const ptrdiff_t *a_rows, *a_cols; /* both or neither */
    const void *b;
    ptrdiff_t b_row, b_panel;
    void *c;
    ptrdiff_t c_row;
    const ptrdiff_t *c_rows; /* offsets of the rows of C; NULL: i * c_row */
    const void *bias;        /* n values added at the end, or NULL */
    int a_packed;   /* A and B come from gemm_pack_a and gemm_pack_b: a_row, a_col mean nothing */
    int b_far;      /* B is packed, and may be far: ask for its next panel */
    int accumulate; /* 0: C is written, 1: added to */
    int relu;       /* max(0, .) at the end */
} tg_gemm_block;

/* Terms of a sum between two additions to C. 320 rows of a 16-column panel of B are 20 KB: with the
 * rows of A that meet it, it stays in a first-level cache of 32 KB. */
static inline ptrdiff_t tg_gemm_depth(ptrdiff_t k)
{
    ptrdiff_t n_blocks = (k + 319) / 320;
    return n_blocks <= 1 ? k : ((k + n_blocks - 1) / n_blocks + 7) / 8 * 8;
}

/* A product as the drivers see it: c = act(a b + bias), and the chain on that, for each of a grid
 * of batches. */
#define TG_GEMM_MAX_BATCH 6
typedef struct {
    int dtype, act; /* tg_dtype TG_F32 or TG_F64, tg_act */
    ptrdiff_t m, n, k;
    const void *a, *b, *bias;
    void *c;
    const tg_chain *chain;                       /* or NULL */
    tg_column_sums *sums;                        /* of the columns of b, or NULL; no batches */
    ptrdiff_t a_row, a_col, b_row, b_col, c_row; /* neighbours in a row of c are adjacent */
    int n_batch;                                 /* axes of the batch, the last one fastest */
    ptrdiff_t batch[TG_GEMM_MAX_BATCH];
    ptrdiff_t a_batch[TG_GEMM_MAX_BATCH], b_batch[TG_GEMM_MAX_BATCH], c_batch[TG_GEMM_MAX_BATCH];
} tg_gemm_problem;

int tg_gemm(const tg_gemm_problem *problem); /* drivers/matmul.c; a tg_status */

/* drivers/matmul_path.c: the path of each of the matrices. */
enum {
    TG_PATH_OUTER,
    TG_PATH_DOT,
    TG_PATH_DOT_TRANSPOSED,
    TG_PATH_TURNED,
    TG_PATH_ROWS,
    TG_PATH_DEEP,
    TG_PATH_DIRECT,
    TG_PATH_LOCAL,
    TG_PATH_PACKED
};
int tg_gemm_path(const tg_gemm_problem *problem, ptrdiff_t n_batch);

#define TG_DEEP_TERMS 1280 /* of a task in the deep path, at least: adding up is little then */

/* A transposed A and two to eight panels of columns, where a panel is one cache line wide: a tile
 * would read six numbers of each row of A^T for a dozen of cycles. */
int tg_gemm_is_strewn(const tg_gemm_problem *problem);

/* A long sum against a B that is in no second-level cache, its rows contiguous. */
int tg_gemm_is_far(const tg_gemm_problem *problem);

static inline ptrdiff_t tg_gemm_item(int dtype)
{
    return dtype == TG_F32 ? 4 : 8; /* bytes */
}

/* Kernels by dtype, for drivers that hold arrays as void pointers. */
void tg_gemm_run(int dtype, const tg_gemm_block *block);
void tg_gemm_pack_b(int dtype, ptrdiff_t k, ptrdiff_t n, const void *b, ptrdiff_t b_row,
                    ptrdiff_t b_col, void *out, ptrdiff_t panel);
ptrdiff_t tg_gemm_panel(int dtype); /* columns in a packed panel of B */
void tg_transpose(int dtype, ptrdiff_t n_rows, ptrdiff_t n_cols, void *y, ptrdiff_t y_row,
                  const void *x, ptrdiff_t x_row); /* y[i, j] = x[j, i] */

/* What follows a product: its activation (the block kernel has relu, nothing is done for that here)
 * and its chain, on rows of n elements of c, c_row apart, that have just been written. */
typedef struct {
    int dtype, act;
    const tg_chain *chain; /* or NULL */
} tg_epilogue;

void tg_gemm_finish(tg_epilogue last, ptrdiff_t m, ptrdiff_t n, void *c, ptrdiff_t c_row);

#endif
