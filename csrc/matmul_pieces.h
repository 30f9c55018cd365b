/* matmul_pieces.h - a piece of a product, computed by one task: what the drivers matmul.c (which
 * pieces), matmul_terms.c (sums shared among tasks) and matmul_pieces.c (their computation) say to
 * each other. */
#ifndef TG_MATMUL_PIECES_H
#define TG_MATMUL_PIECES_H

#include <stdint.h>

#include "gemm.h"
#include "table.h"
#include "tg.h"

static inline ptrdiff_t min_of(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static inline ptrdiff_t power_of_two_below(double x)
{
    ptrdiff_t p = 1;
    while (2.0 * (double)p <= x)
        p *= 2;
    return p;
}

static inline const void *at(int dtype, const void *p, ptrdiff_t offset)
{
    return (const char *)p + offset * tg_gemm_item(dtype);
}

/* What the functions below need to know of the matrices at hand. */
typedef struct {
    const tg_gemm_problem *p;
    uint64_t job;
    int streamed;                    /* by gemm_rows */
    int b_far;                       /* see tg_gemm_block */
    const char *a, *b;               /* the matrices; a from its row i0 on when packed in tiles */
    const char *packed_a, *packed_b; /* or NULL */
    ptrdiff_t a_term, b_term;        /* the first ones of what is packed */
    ptrdiff_t first_col, padded;     /* of packed_b: the column it begins with, and its columns */
    char *c;
    ptrdiff_t part, n_parts; /* of all terms: what p is */
} tg_gemm_matrices;

static inline int tg_gemm_shares_sums(const tg_gemm_problem *p)
{
    return p->sums && p->sums->shared;
}

/* Activation and chain of an m x n piece of C. */
static inline void finish(const tg_gemm_problem *p, ptrdiff_t m, ptrdiff_t n, void *c)
{
    tg_gemm_finish((tg_epilogue){p->dtype, p->act, p->chain}, m, n, c, p->c_row);
}

/* Of a float (or double) on one core, in a product of a good shape. */
static inline double fma_nanoseconds(int dtype)
{
    return (dtype == TG_F32 ? 1 : 2) / 36.0;
}

/* Rows [i0, i1) and columns [j0, j1) of C, all depth blocks in turn. */
void tg_gemm_piece(const tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t j0,
                   ptrdiff_t j1);

/* Rows of A to pack at once. */
ptrdiff_t tg_gemm_rows_at_once(const tg_gemm_problem *p, int by_depth);

/* Rows [i0, i1) of A in tiles, columns [j0, j1) of B in panels, depth after depth; a tg_status, as
 * is what the next two return. */
int tg_gemm_pack_rows(tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1);
int tg_gemm_pack_columns(tg_gemm_matrices *x, ptrdiff_t j0, ptrdiff_t j1);

/* Some columns meet the rows once: a depth block of the rows is packed and used in the cache. */
int tg_gemm_rows_by_depth(tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t j0,
                          ptrdiff_t j1);

/* All rows meet some columns, which come from afar: a depth block of both is packed and used. */
int tg_gemm_columns_by_depth(tg_gemm_matrices *x, ptrdiff_t j0, ptrdiff_t j1);

/* Bias, activation and chain of an m x n piece of C that has been computed without them. */
void tg_gemm_finish_rows(const tg_gemm_problem *p, ptrdiff_t m, ptrdiff_t n, char *c,
                         const void *bias);

/* The rows path and the deep path of one matrix: matmul_terms.c; a tg_status. */
int tg_gemm_rows(const tg_gemm_problem *p);
int tg_gemm_deep(const tg_gemm_problem *p);

#endif
