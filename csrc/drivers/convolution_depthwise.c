/* convolution_depthwise.c - depthwise convolution (groups = channels = outputs) and both gradients.
 *
 * A channel meets few multiply-adds, so the arrays must pass by once and nothing may be copied.
 * Padding is left out instead of being copied around an image: in each direction the positions of
 * the result are cut into zones that meet the same taps inside the source (a long one in the
 * middle, short ones at the edges), and the kernels (kernels/convolution.h) take rectangles of
 * them. Along the top and bottom edge a rectangle is a row, along the sides a column.
 *
 *   forward           positions are pixels of y, walking over x
 *   input gradient    pixels of gx, walking over g; a stride s makes s phases in each direction,
 *                     each with the taps that meet it. A task does all phases of its rows, so that
 *                     g comes from memory once
 *   weight gradient   pixels of g, walking over x; tasks have sums of their own, added pairwise
 *
 * A task is some rows of an image; neighbours in memory, the channels of a pixel, are
 * taken one after the other (blocks of channels, which would keep more rows in the first-level
 * cache, make the walk through memory jump and were slower for every size).
 */
#include <string.h>

#include "../convolution.h"
#include "../gemm.h"
#include "../parts.h"
#include "../table.h"
#include "../threads.h"

/* One direction of a walk, with its zones. */
typedef struct {
    axis a;
    zone *zones;
    ptrdiff_t n_zones;
} side;

typedef struct {
    int dtype, act;
    const tg_chain *chain;      /* forward, or NULL */
    ptrdiff_t n, c, row_tasks;  /* row_tasks: tasks of an image */
    ptrdiff_t v_sides, h_sides; /* phases; v's come first in `sides` */
    side *sides;
    void *memory;
    const char *in, *w, *bias, *g;
    char *out, *partial;
    ptrdiff_t in_row, in_image, out_row, out_image, w_row;
    ptrdiff_t parts; /* of the weight gradient */
} depthwise;

static ptrdiff_t tap_step(const ptrdiff_t *table, const zone *z)
{
    return z->t1 - z->t0 > 1 ? table[z->t0 + 1] - table[z->t0] : 0;
}

/* Rows r (a zone of v, perhaps shortened) of an image. */
static void run_rows(const depthwise *p, ptrdiff_t image, const side *v, const zone *r, char *gw)
{
    const ptrdiff_t size = size_of(p->dtype);
    for (const side *h = p->sides + p->v_sides; h < p->sides + p->v_sides + p->h_sides; h++)
        for (const zone *s = h->zones; s < h->zones + h->n_zones; s++) {
            const int meets = r->t1 > r->t0 && s->t1 > s->t0;
            if (gw && !meets)
                continue;
            tg_depthwise_part part = {.n_rows = r->q1 - r->q0,
                                      .n = s->q1 - s->q0,
                                      .c = p->c,
                                      .tap_rows = meets ? r->t1 - r->t0 : 0,
                                      .taps = meets ? s->t1 - s->t0 : 0,
                                      .x_row = v->a.step * p->in_row,
                                      .x_step = h->a.step * p->c,
                                      .y_row = v->a.out_step * p->out_row,
                                      .y_step = h->a.out_step * p->c,
                                      .relu = p->act == TG_ACT_RELU};
            ptrdiff_t from = 0, tap = 0;
            if (meets) {
                part.x_tap_row = tap_step(v->a.offset, r) * p->in_row;
                part.x_tap = tap_step(h->a.offset, s) * p->c;
                part.w_tap_row = tap_step(v->a.tap, r) * p->w_row;
                part.w_tap = tap_step(h->a.tap, s) * p->c;
                from = (r->q0 * v->a.step + v->a.offset[r->t0]) * p->in_row +
                       (s->q0 * h->a.step + h->a.offset[s->t0]) * p->c;
                tap = v->a.tap[r->t0] * p->w_row + h->a.tap[s->t0] * p->c;
            }
            const ptrdiff_t to = image * p->out_image +
                                 (v->a.out_first + r->q0 * v->a.out_step) * p->out_row +
                                 (h->a.out_first + s->q0 * h->a.out_step) * p->c;
            part.x = p->in + (image * p->in_image + from) * size;
            if (part.n ==
                1) { /* a column: let the pixels that share weights be one below another */
                part.n = part.n_rows;
                part.n_rows = 1;
                part.x_step = part.x_row;
                part.y_step = part.y_row;
            }
            if (gw) {
                part.g = p->g + to * size;
                part.gw = gw + tap * size;
                if (p->dtype == TG_F32)
                    tg_active->depthwise_weight_grad_f32(&part);
                else
                    tg_active->depthwise_weight_grad_f64(&part);
            } else {
                part.w = p->w + tap * size;
                part.y = p->out + to * size;
                part.bias = p->bias;
                if (p->dtype == TG_F32)
                    tg_active->depthwise_f32(&part);
                else
                    tg_active->depthwise_f64(&part);
            }
        }
}

/* The share number `index` of all rows of all images. */
static void run_share(const depthwise *p, ptrdiff_t index, char *gw)
{
    const ptrdiff_t image = index / p->row_tasks, part = index % p->row_tasks;
    for (const side *v = p->sides; v < p->sides + p->v_sides; v++) {
        const ptrdiff_t q0 = v->a.n_out * part / p->row_tasks;
        const ptrdiff_t q1 = v->a.n_out * (part + 1) / p->row_tasks;
        for (const zone *z = v->zones; z < v->zones + v->n_zones; z++) {
            const zone r = {max_of(z->q0, q0), min_of(z->q1, q1), z->t0, z->t1};
            if (r.q0 < r.q1)
                run_rows(p, image, v, &r, gw);
        }
    }
}

static void walk_task(void *context, ptrdiff_t task)
{
    const depthwise *p = context;
    run_share(p, task, NULL);
    if (p->act > TG_ACT_RELU || p->chain) { /* only forward, whose tasks write whole rows */
        const axis *v = &p->sides->a;
        const ptrdiff_t part = task % p->row_tasks, q0 = v->n_out * part / p->row_tasks;
        const ptrdiff_t n = (v->n_out * (part + 1) / p->row_tasks - q0) * p->out_row;
        tg_gemm_finish(
            (tg_epilogue){p->dtype, p->act, p->chain}, 1, n,
            p->out + (task / p->row_tasks * p->out_image + q0 * p->out_row) * size_of(p->dtype), n);
    }
}

static void weight_task(void *context, ptrdiff_t task)
{
    const depthwise *p = context;
    const ptrdiff_t bytes = p->sides[0].a.n_taps * p->w_row * size_of(p->dtype);
    const ptrdiff_t shares = p->n * p->row_tasks;
    char *gw = task ? p->partial + (task - 1) * bytes : p->out;
    memset(gw, 0, (size_t)bytes);
    for (ptrdiff_t i = shares * task / p->parts; i < shares * (task + 1) / p->parts; i++)
        run_share(p, i, gw);
}

/* Make the sides: one per direction, or, backward, one per phase. */
static int make_sides(depthwise *p, const problem *q, int backward)
{
    p->v_sides = backward ? min_of(q->v.stride, q->v.image) : 1;
    p->h_sides = backward ? min_of(q->h.stride, q->h.image) : 1;
    const ptrdiff_t n = p->v_sides + p->h_sides;
    const ptrdiff_t taps = p->v_sides * q->v.kernel + p->h_sides * q->h.kernel;
    p->memory = tg_alloc((size_t)n * sizeof(side) + (size_t)(2 * taps + n) * sizeof(zone) +
                         (size_t)(2 * taps) * sizeof(ptrdiff_t));
    if (!p->memory)
        return TG_NO_MEMORY;
    p->sides = p->memory;
    zone *zones = (zone *)(p->sides + n);
    ptrdiff_t *table = (ptrdiff_t *)(zones + 2 * taps + n);
    for (ptrdiff_t i = 0; i < n; i++) {
        const int vertical = i < p->v_sides;
        const direction *d = vertical ? &q->v : &q->h;
        side *s = &p->sides[i];
        s->a = backward ? backward_axis(d, vertical ? i : i - p->v_sides, table)
                        : forward_axis(d, table);
        s->zones = zones;
        s->n_zones = cut_zones(&s->a, zones);
        zones += 2 * d->kernel + 1;
        table += 2 * d->kernel;
    }
    return TG_OK;
}

/* Nanoseconds of an image: a quarter of the speed of a product. */
static double cost(const problem *q, int dtype)
{
    const double per_pixel = (double)(q->c * (q->v.kernel * q->h.kernel + 4));
    return (double)(q->v.out * q->h.out) * per_pixel / FMAS_PER_NS(dtype) * 4;
}

#define TASK_NS 5000 /* of a task, at least */

static ptrdiff_t row_tasks(const problem *q, ptrdiff_t rows, int dtype)
{
    return max_of(min_of((ptrdiff_t)(cost(q, dtype) / TASK_NS), rows / 4), 1);
}

static int run_walk(depthwise *p, const problem *q, int backward)
{
    if (q->n * p->out_image == 0)
        return TG_OK;
    int status = make_sides(p, q, backward);
    if (status != TG_OK)
        return status;
    p->row_tasks = row_tasks(q, backward ? q->v.image : q->v.out, p->dtype);
    tg_parallel(p->n * p->row_tasks, (double)q->n * cost(q, p->dtype), walk_task, p);
    tg_free(p->memory);
    return TG_OK;
}

/* The arrays that a walk reads and writes: images of x into images of y, or backward. */
static depthwise describe(const problem *q, int dtype, const void *in, const void *w, void *out,
                          int backward)
{
    const ptrdiff_t x_row = q->h.image * q->c, x_image = q->v.image * x_row;
    const ptrdiff_t y_row = q->h.out * q->c, y_image = q->v.out * y_row;
    return (depthwise){.dtype = dtype,
                       .n = q->n,
                       .c = q->c,
                       .in = in,
                       .w = w,
                       .out = out,
                       .in_row = backward ? y_row : x_row,
                       .in_image = backward ? y_image : x_image,
                       .out_row = backward ? x_row : y_row,
                       .out_image = backward ? x_image : y_image,
                       .w_row = q->h.kernel * q->c};
}

int tg_depthwise(const problem *q, tg_epilogue last, const void *x, const void *w, const void *bias,
                 void *y)
{
    depthwise p = describe(q, last.dtype, x, w, y, 0);
    p.act = last.act;
    p.chain = last.chain;
    p.bias = bias;
    return run_walk(&p, q, 0);
}

int tg_depthwise_input_grad(const problem *q, int dtype, const void *g, const void *w, void *gx)
{
    depthwise p = describe(q, dtype, g, w, gx, 1);
    return run_walk(&p, q, 1);
}

/* The rows and images of `out` are those of g here. */
int tg_depthwise_weight_grad(const problem *q, int dtype, const void *x, const void *g, void *gw)
{
    depthwise p = describe(q, dtype, x, NULL, gw, 0);
    p.g = g;
    const ptrdiff_t n = q->v.kernel * p.w_row;
    if (n == 0)
        return TG_OK;
    int status = make_sides(&p, q, 0);
    if (status != TG_OK)
        return status;
    p.row_tasks = row_tasks(q, q->v.out, dtype);
    const double ns = (double)q->n * cost(q, dtype);
    p.parts = 1;
    while (p.parts < 16 && 2 * p.parts <= p.n * p.row_tasks && ns / (double)p.parts >= 2 * TASK_NS)
        p.parts *= 2;
    if (p.parts > 1) {
        p.partial = tg_alloc((size_t)((p.parts - 1) * n * size_of(dtype)));
        if (!p.partial) {
            tg_free(p.memory);
            return TG_NO_MEMORY;
        }
    }
    tg_parallel(p.parts, ns, weight_task, &p);
    if (p.parts > 1)
        tg_add_parts(dtype, p.parts, n, gw, p.partial);
    tg_free(p.partial);
    tg_free(p.memory);
    return TG_OK;
}
