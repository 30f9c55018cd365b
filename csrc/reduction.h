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

#endif
