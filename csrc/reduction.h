/* reduction.h - a reduction whose input is made piece by piece, just before it is read. */
#ifndef TG_REDUCTION_H
#define TG_REDUCTION_H

#include "tg.h"

/* Writes the elements first .. first + n - 1 of the input, in C order. */
typedef void (*tg_produce)(const void *context, ptrdiff_t first, ptrdiff_t n);

typedef struct {
    int op, dtype;             /* tg_reduce_op, TG_F32 or TG_F64 */
    ptrdiff_t outer, n, inner; /* x is (outer, n, inner), y (outer, inner) */
    double divisor;            /* of a mean */
    void *y;
    const void *x;
    tg_produce produce; /* NULL: x is there */
    const void *context;
    double work; /* of producing all of x, in nanoseconds of one core */
} tg_reduction;

int tg_reduce_produced(const tg_reduction *wanted);

/* A reduction on its way: a level of it, in pieces whose results are the x of the next level. */
typedef struct {
    ptrdiff_t op;
    int32_t dtype;
    ptrdiff_t outer, n, inner;    /* of x */
    ptrdiff_t pieces, piece_size; /* along n */
    ptrdiff_t rows_per_task;      /* of the results, when inner == 1 */
    char *y, *room;               /* the result, and memory for the pieces' results */
    const char *x;
    tg_produce produce; /* of x; NULL once it is there */
    const void *context;
    double work; /* of producing it */
} tg_partial_reduction;

/* The sums of the columns of a matrix (the gradient of a bias), taken along by a kernel that reads
 * the matrix anyway: its tasks run the pieces, while the rows are in the cache. The pieces, and the
 * order of the additions, are those of `reduce`. */
typedef struct {
    tg_partial_reduction all, level; /* level: what is to be reduced next */
    char *y;                         /* NULL: nothing to do */
    void *memory;
    int shared; /* the kernel says so before its tasks share the pieces; else the end runs them */
} tg_column_sums;

/* The sums y (inner > 1; or absent) of the rows of x (n, inner), n > 0. A tg_status. */
int tg_column_sums_begin(tg_column_sums *sums, const tg_array *y, const void *x, ptrdiff_t n);

/* Must whoever shares the pieces take all columns at once? */
int tg_column_sums_need_rows(const tg_column_sums *sums);

/* Share number i of `of`, for columns j0 .. j1 - 1: about that part of the rows. */
void tg_column_sums_share(const tg_column_sums *sums, ptrdiff_t i, ptrdiff_t of, ptrdiff_t j0,
                          ptrdiff_t j1);

/* After the kernel, whose status it returns. */
int tg_column_sums_end(tg_column_sums *sums, int status);

#endif
