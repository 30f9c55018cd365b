/* convolution.h - the geometry of a convolution: which places of the source an output position
 * reads.
 *
 * Forward, input gradient and weight gradient are walks over positions; in each direction (rows,
 * columns) a walk is an `axis`.
 */
#ifndef TG_CONVOLUTION_H
#define TG_CONVOLUTION_H

#include <stdatomic.h>

#include "gemm.h"
#include "tg.h"
#include "winograd.h"

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
    for (ptrdiff_t t = d->kernel - 1; t >= 0; t--) { /* so that the offsets ascend */
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

/* Positions q0 .. q1 - 1 meet taps t0 .. t1 - 1 inside the source (t0 == t1: none). */
typedef struct {
    ptrdiff_t q0, q1, t0, t1;
} zone;

/* Cut the positions into zones, at most 2 * n_taps + 1; returns how many. */
static inline ptrdiff_t cut_zones(const axis *a, zone *zones)
{
    ptrdiff_t n = 0;
    for (ptrdiff_t q = 0; q < a->n_out; q++) {
        zone z = {.q0 = q, .q1 = q + 1};
        while (z.t0 < a->n_taps && q * a->step + a->offset[z.t0] < 0)
            z.t0++;
        z.t1 = z.t0;
        while (z.t1 < a->n_taps && q * a->step + a->offset[z.t1] < a->image)
            z.t1++;
        if (n && zones[n - 1].t0 == z.t0 && zones[n - 1].t1 == z.t1)
            zones[n - 1].q1 = q + 1;
        else
            zones[n++] = z;
    }
    return n;
}

/* ---- the problem and the walk over it -----------------------------------------------------------
 */

typedef struct {
    direction v, h;
    ptrdiff_t n, c, o, groups;
} problem;

/* x (N, H, W, C), w (KH, KW, C / groups, O), y (N, OH, OW, O). An image of one row becomes one
 * column: the same memory, and rows are what tasks are made of. */
static inline problem read_problem(const tg_call *call, const tg_array *x, const tg_array *w,
                                   const tg_array *y)
{
    const ptrdiff_t *i = call->ints;
    problem p = {{x->shape[1], w->shape[0], y->shape[1], i[1], i[3], i[7]},
                 {x->shape[2], w->shape[1], y->shape[2], i[2], i[5], i[8]},
                 x->shape[0],
                 x->shape[3],
                 w->shape[3],
                 i[9]};
    if (p.v.image == 1 && p.v.kernel == 1 && p.v.out == 1 && p.v.before == 0) {
        direction d = p.v;
        p.v = p.h;
        p.h = d;
    }
    return p;
}

/* A 1 x 1 kernel of stride 1 without padding sees each pixel once. */
static inline int is_product(const problem *p)
{
    return p->v.kernel == 1 && p->h.kernel == 1 && p->v.stride == 1 && p->h.stride == 1 &&
           p->v.out == p->v.image && p->h.out == p->h.image && p->groups == 1;
}

static inline int is_depthwise(const problem *p)
{
    return p->groups == p->c && p->groups == p->o;
}

static inline int is_winograd_shape(const problem *p, int dtype)
{
    return dtype == TG_F32 && p->v.kernel * p->h.kernel > 1 && p->v.stride == 1 && p->h.stride == 1;
}

#define FMAS_PER_TASK 65536
#define FMAS_PER_NS(dtype) ((dtype) == TG_F32 ? 32.0 : 16.0)

/* A walk over all positions; see drivers/convolution.c. */
typedef struct {
    int dtype, act;
    axis v, h;                          /* vertical, horizontal */
    ptrdiff_t n, c, o;                  /* images; channels of the source; of the result */
    ptrdiff_t groups, k_group, n_group; /* per group: terms at a tap, columns of the result */
    const char *in, *w, *bias;
    char *out;
    const tg_chain *chain;        /* or NULL */
    ptrdiff_t out_row, out_image; /* elements from row to row, image to image of the result */
    ptrdiff_t w_tap_row, w_tap;   /* elements from one kernel row, one tap, to the next */
    ptrdiff_t w_group, w_k, w_n;  /* and per group, term, column */
    int w_is_b;                   /* the weights of a group are rows of B as they lie */
    int in_place;
    int by_zones; /* rows of taps outside the image are left out */
    zone *zones;  /* of v */
    ptrdiff_t n_zones;
    ptrdiff_t pitch;        /* elements from row to row of what is read */
    ptrdiff_t images, rows; /* of a task; images > 1 only with whole images */
    ptrdiff_t row_tasks;    /* per image */
    ptrdiff_t k;            /* terms in all */
    ptrdiff_t *a_rows, *a_cols, *c_rows, *w_taps;
    char *packed;
    ptrdiff_t padded; /* columns of a group in packed form */
    atomic_int status;
} walk;

/* Output rows q0 .. q1 - 1 of some images, and what the walk reads for them. */
typedef struct {
    ptrdiff_t image, n_images, q0, q1;
    ptrdiff_t image_step; /* elements from image to image of `in` */
    const char *in;       /* NULL: no memory, which the walk's status says then */
} strip;

/* Strip number `index`: in place, or, beside an edge, copied with zeros around. */
strip tg_read_strip(walk *p, ptrdiff_t index);

/* The problem of the forward pass and of the weight gradient for Winograd's algorithm. */
static inline tg_winograd_problem winograd_problem(const problem *p, const tg_array *x)
{
    return (tg_winograd_problem){.n = p->n,
                                 .h = p->v.image,
                                 .w = p->h.image,
                                 .c = p->c,
                                 .oh = p->v.out,
                                 .ow = p->h.out,
                                 .o = p->o,
                                 .top = p->v.before,
                                 .left = p->h.before,
                                 .down = p->v.dilation,
                                 .across = p->h.dilation,
                                 .groups = p->groups,
                                 .taps_down = p->v.kernel,
                                 .taps_across = p->h.kernel,
                                 .x = x->data};
}

/* Sequences are images of one column (see read_problem): its rows are the pixels of a line. */
static inline int is_column(const walk *p)
{
    return p->h.image == 1 && p->h.n_read == 1 && p->h.n_out == 1 && p->h.step == 1;
}

/* convolution_planar.c: a walk whose axes, sizes and strides are set, with the terms counted. */
int tg_planar_pays(const walk *p);
int tg_planar(walk *p); /* a tg_status */

/* convolution_depthwise.c; each returns a tg_status. */
int tg_depthwise(const problem *p, tg_epilogue last, const void *x, const void *w, const void *bias,
                 void *y);
int tg_depthwise_input_grad(const problem *p, int dtype, const void *g, const void *w, void *gx);
int tg_depthwise_weight_grad(const problem *p, int dtype, const void *x, const void *g, void *gw);

#endif
