/* pooling.c - max and average pooling of NHWC images, and their gradients.
 *
 * Padding is never stored: a window is cut to its part inside the image. The gradients are computed
 * from the side of the image: each pixel collects from the windows that cover it. So a pixel is
 * written by one task, once, in a fixed order, and no array has to be cleared first.
 *
 * ints: [0-1] window, [2-3] strides, [4-5] padding before. arrays: max_pool2d y, index, x;
 * max_pool2d_gather y, x, index; max_pool2d_grad gx, g, index; average_pool2d y, x;
 * average_pool2d_grad gx, g. All contiguous; index is uint8 or int32.
 */
#include <string.h>

#include "../pooling.h"
#include "../table.h"
#include "../tg.h"
#include "../threads.h"

enum { MAX, GATHER, MAX_GRAD, AVERAGE, AVERAGE_GRAD };

typedef struct {
    ptrdiff_t image, out, window, stride, before;
} direction;

typedef struct {
    int kind, dtype, wide;
    direction v, h;
    ptrdiff_t n, c;
    const char *x; /* of the image's shape: x; of the result's: g */
    char *y;       /* of the result's shape: y; of the image's: gx */
    char *index;
    ptrdiff_t n_tasks;
} pooling;

static ptrdiff_t min_of(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static ptrdiff_t max_of(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

/* The part of window q inside the image: its first pixel and how many. */
static ptrdiff_t cut(const direction *d, ptrdiff_t q, ptrdiff_t *count)
{
    ptrdiff_t start = q * d->stride - d->before, first = max_of(start, 0);
    *count = min_of(start + d->window, d->image) - first;
    return first;
}

/* The windows that cover pixel p: the first and how many. */
static ptrdiff_t cover(const direction *d, ptrdiff_t p, ptrdiff_t *count)
{
    ptrdiff_t end = p + d->before; /* the pixel in padded terms; window q holds it when */
    ptrdiff_t first =
        end < d->window ? 0 : (end - d->window) / d->stride + 1; /* q s <= end < q s + w */
    *count = max_of(min_of(end / d->stride, d->out - 1) - first + 1, 0);
    return first;
}

static ptrdiff_t value_size(const pooling *p)
{
    return p->dtype == TG_F32 ? 4 : 8;
}

/* Row `row` of the result: for each pixel its window. */
static void forward_row(const pooling *p, ptrdiff_t row)
{
    const ptrdiff_t size = value_size(p), pixel = p->c * size,
                    index_pixel = p->c * (p->wide ? 4 : 1);
    const ptrdiff_t n = row / p->v.out, q = row % p->v.out;
    tg_pool_window w = {.row_step = p->h.image * p->c,
                        .col_step = p->c,
                        .place_step = p->h.window,
                        .wide = p->wide};
    const ptrdiff_t r = cut(&p->v, q, &w.rows);
    for (ptrdiff_t s = 0; s < p->h.out; s++) {
        const ptrdiff_t t = cut(&p->h, s, &w.cols), to = row * p->h.out + s;
        const char *x = p->x + ((n * p->v.image + r) * p->h.image + t) * pixel;
        char *y = p->y + to * pixel, *index = p->index ? p->index + to * index_pixel : NULL;
        w.place = (r - (q * p->v.stride - p->v.before)) * p->h.window + t -
                  (s * p->h.stride - p->h.before);
        if (p->dtype == TG_F32) {
            if (p->kind == MAX)
                tg_active->max_pool_f32(&w, p->c, (const float *)x, (float *)y, index);
            else if (p->kind == GATHER)
                tg_active->max_pool_gather_f32(&w, p->c, (const float *)x, index, (float *)y);
            else
                tg_active->average_pool_f32(&w, p->c, (const float *)x, (float *)y);
        } else {
            if (p->kind == MAX)
                tg_active->max_pool_f64(&w, p->c, (const double *)x, (double *)y, index);
            else if (p->kind == GATHER)
                tg_active->max_pool_gather_f64(&w, p->c, (const double *)x, index, (double *)y);
            else
                tg_active->average_pool_f64(&w, p->c, (const double *)x, (double *)y);
        }
    }
}

static void average_grad_pixel(const pooling *p, const tg_pool_window *w, ptrdiff_t q, ptrdiff_t s,
                               const char *g, char *gx)
{
    const ptrdiff_t size = value_size(p);
    for (ptrdiff_t i = 0; i < w->rows; i++)
        for (ptrdiff_t j = 0; j < w->cols; j++) {
            ptrdiff_t rows, cols;
            cut(&p->v, q + i, &rows);
            cut(&p->h, s + j, &cols);
            const char *from = g + (i * w->row_step + j * w->col_step) * size;
            if (p->dtype == TG_F32)
                tg_active->average_pool_share_f32(p->c, (float)(rows * cols), i + j > 0,
                                                  (const float *)from, (float *)gx);
            else
                tg_active->average_pool_share_f64(p->c, (double)(rows * cols), i + j > 0,
                                                  (const double *)from, (double *)gx);
        }
}

/* Row `row` of the image: for each pixel the windows that cover it. */
static void backward_row(const pooling *p, ptrdiff_t row)
{
    const ptrdiff_t size = value_size(p), pixel = p->c * size,
                    index_pixel = p->c * (p->wide ? 4 : 1);
    const ptrdiff_t n = row / p->v.image, r = row % p->v.image;
    tg_pool_window w = {.row_step = p->h.out * p->c,
                        .col_step = p->c,
                        .place_step = p->v.stride * p->h.window,
                        .place_col = p->h.stride,
                        .wide = p->wide};
    const ptrdiff_t q = cover(&p->v, r, &w.rows);
    for (ptrdiff_t t = 0; t < p->h.image; t++) {
        const ptrdiff_t s = cover(&p->h, t, &w.cols), from = (n * p->v.out + q) * p->h.out + s;
        char *gx = p->y + (row * p->h.image + t) * pixel;
        w.place = (r - (q * p->v.stride - p->v.before)) * p->h.window + t -
                  (s * p->h.stride - p->h.before);
        if (w.rows == 0 || w.cols == 0)
            memset(gx, 0, (size_t)pixel);
        else if (p->kind == AVERAGE_GRAD)
            average_grad_pixel(p, &w, q, s, p->x + from * pixel, gx);
        else if (p->dtype == TG_F32)
            tg_active->max_pool_grad_f32(&w, p->c, (const float *)(p->x + from * pixel),
                                         p->index + from * index_pixel, (float *)gx);
        else
            tg_active->max_pool_grad_f64(&w, p->c, (const double *)(p->x + from * pixel),
                                         p->index + from * index_pixel, (double *)gx);
    }
}

static ptrdiff_t n_rows(const pooling *p)
{
    int backward = p->kind == MAX_GRAD || p->kind == AVERAGE_GRAD;
    return p->n * (backward ? p->v.image : p->v.out);
}

static void task(void *context, ptrdiff_t i)
{
    const pooling *p = context;
    const ptrdiff_t rows = n_rows(p), last = rows * (i + 1) / p->n_tasks;
    for (ptrdiff_t row = rows * i / p->n_tasks; row < last; row++) {
        if (p->kind == MAX_GRAD || p->kind == AVERAGE_GRAD)
            backward_row(p, row);
        else
            forward_row(p, row);
    }
}

static int run(int kind, const tg_call *call, const tg_array *image, const tg_array *out,
               const tg_array *from, const tg_array *to, const tg_array *index)
{
    const ptrdiff_t *i = call->ints;
    pooling p = {.kind = kind,
                 .dtype = image->dtype,
                 .wide = index && index->dtype == TG_I32,
                 .v = {image->shape[1], out->shape[1], i[0], i[2], i[4]},
                 .h = {image->shape[2], out->shape[2], i[1], i[3], i[5]},
                 .n = image->shape[0],
                 .c = image->shape[3],
                 .x = from->data,
                 .y = to->data,
                 .index = index ? index->data : NULL};
    const ptrdiff_t rows = n_rows(&p);
    if (rows == 0 || p.c == 0)
        return TG_OK;
    p.n_tasks = min_of(rows, 64);
    const double taps = (double)out->shape[1] * (double)out->shape[2] * (double)(i[0] * i[1]);
    tg_parallel(p.n_tasks, (double)p.n * taps * (5 + 0.1 * (double)p.c), task, &p);
    return TG_OK;
}

int tg_max_pool2d(const tg_call *call)
{
    const tg_array *a = call->arrays;
    return run(MAX, call, &a[2], &a[0], &a[2], &a[0], &a[1]);
}

int tg_max_pool2d_gather(const tg_call *call)
{
    const tg_array *a = call->arrays;
    return run(GATHER, call, &a[1], &a[0], &a[1], &a[0], &a[2]);
}

int tg_max_pool2d_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    return run(MAX_GRAD, call, &a[0], &a[1], &a[1], &a[0], &a[2]);
}

int tg_average_pool2d(const tg_call *call)
{
    const tg_array *a = call->arrays;
    return run(AVERAGE, call, &a[1], &a[0], &a[1], &a[0], NULL);
}

int tg_average_pool2d_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    return run(AVERAGE_GRAD, call, &a[0], &a[1], &a[1], &a[0], NULL);
}
