/* convolution.h - the geometry of a convolution: which places of the source an output position
 * reads.
 *
 * Forward, input gradient and weight gradient are walks over positions; in each direction (rows,
 * columns) a walk is an `axis`.
 */
#ifndef TG_CONVOLUTION_H
#define TG_CONVOLUTION_H

#include "tg.h"

static inline ptrdiff_t size_of(int dtype)
{
    return dtype == TG_F32 ? 4 : 8;
}

static inline ptrdiff_t min_of(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static inline ptrdiff_t max_of(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

static inline ptrdiff_t ceil_div(ptrdiff_t a, ptrdiff_t b)
{
    return (a + b - 1) / b;
}

/* sum (n elements) += `parts` - 1 partial sums, n elements each, in pairs, then pairs of pairs: a
 * fixed tree. Overwrites the partial sums. */
void tg_add_parts(int dtype, ptrdiff_t parts, ptrdiff_t n, void *sum, void *partial);

/* ---- geometry -----------------------------------------------------------------------------------
 */

/* One direction of a convolution as the caller states it. */
typedef struct {
    ptrdiff_t image, kernel, out, stride, before, dilation;
} direction;

/* One direction of a walk: output position q reads the places q * step + offset[t], which count
 * from the first pixel of the image, and may lie outside it. */
typedef struct {
    ptrdiff_t image, n_out, step, n_taps;
    ptrdiff_t *offset, *tap;       /* of each tap that takes part: where it reads, which it is */
    ptrdiff_t first, n_read;       /* the places read: first .. first + n_read - 1 */
    ptrdiff_t out_first, out_step; /* position q is pixel out_first + q * out_step of the result */
} axis;

static inline int inside(const axis *a)
{
    return a->first >= 0 && a->first + a->n_read <= a->image;
}

static inline void measure(axis *a)
{
    ptrdiff_t low = a->offset[0], high = a->offset[0];
    for (ptrdiff_t t = 1; t < a->n_taps; t++) {
        low = min_of(low, a->offset[t]);
        high = max_of(high, a->offset[t]);
    }
    a->first = low;
    a->n_read = (a->n_out - 1) * a->step + high - low + 1;
}

/* The walk of the forward pass; `table` has room for two numbers per tap. */
static inline axis forward_axis(const direction *d, ptrdiff_t *table)
{
    axis a = {.image = d->image,
              .n_out = d->out,
              .step = d->stride,
              .n_taps = d->kernel,
              .offset = table,
              .tap = table + d->kernel,
              .out_step = 1};
    for (ptrdiff_t t = 0; t < d->kernel; t++) {
        a.offset[t] = t * d->dilation - d->before;
        a.tap[t] = t;
    }
    measure(&a);
    return a;
}

/* The walk over g for the pixels phase, phase + stride, ... of the image. */
static inline axis backward_axis(const direction *d, ptrdiff_t phase, ptrdiff_t *table)
{
    axis a = {.image = d->out,
              .n_out = ceil_div(d->image - phase, d->stride),
              .step = 1,
              .offset = table,
              .tap = table + d->kernel,
              .out_first = phase,
              .out_step = d->stride};
    for (ptrdiff_t t = 0; t < d->kernel; t++) {
        ptrdiff_t place = phase + d->before - t * d->dilation;
        if (place % d->stride == 0) {
            a.offset[a.n_taps] = place / d->stride;
            a.tap[a.n_taps++] = t;
        }
    }
    if (a.n_taps)
        measure(&a);
    return a;
}

#endif
