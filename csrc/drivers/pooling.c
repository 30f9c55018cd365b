/* pooling.c - max and average pooling of NHWC images, and their gradients.
 *
 * Padding is never stored: a window is cut to its part inside the image. A task owns some rows of
 * what is written, of the result or of the image, so a gradient is summed in a fixed order.
 *
 * ints: [0-1] window, [2-3] strides, [4-5] padding before. arrays: max_pool2d y, index, x;
 * max_pool2d_gather y, x, index; max_pool2d_grad gx, g, index; average_pool2d y, x;
 * average_pool2d_grad gx, g. All contiguous; index is uint8 or int32.
 */
#include <stdatomic.h>

#include "../pooling.h"
#include "../table.h"
#include "../tg.h"
#include "../threads.h"

#define NOWHERE (PTRDIFF_MAX / 2)

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
    tg_pool_row row;   /* what all rows have in common */
    ptrdiff_t *offset; /* of each place of a window */
    size_t room;       /* bytes of a row's buffer */
    atomic_int status;
    ptrdiff_t *v_counts; /* sizes of the windows, vertically */
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

static int overlap(const direction *d)
{
    return d->stride < d->window;
}

/* Whether every pixel lies in a window. */
static int covers(const direction *d)
{
    return d->stride <= d->window && d->out * d->stride - d->before >= d->image;
}

static int is_backward(const pooling *p)
{
    return p->kind == MAX_GRAD || p->kind == AVERAGE_GRAD;
}

static void run_row(const pooling *p, const tg_pool_row *row, const char *x, char *index,
                    void *room, char *y)
{
#define TG_RUN(T, type)                                                                            \
    switch (p->kind) {                                                                             \
    case MAX:                                                                                      \
        tg_active->max_pool_##T(row, (const type *)x, (type *)y, index);                           \
        break;                                                                                     \
    case GATHER:                                                                                   \
        tg_active->max_pool_gather_##T(row, (const type *)x, index, room, (type *)y);              \
        break;                                                                                     \
    case AVERAGE:                                                                                  \
        tg_active->average_pool_##T(row, (const type *)x, (type *)y);                              \
        break;                                                                                     \
    default:                                                                                       \
        tg_active->average_pool_grad_##T(row, (const type *)x, (type *)y);                         \
    }
    if (p->dtype == TG_F32)
        TG_RUN(f32, float)
    else
        TG_RUN(f64, double)
#undef TG_RUN
}

/* Row `i` of all rows written, of the result (forward) or of the image (backward). */
static void pool_row(const pooling *p, ptrdiff_t i, void *room)
{
    const ptrdiff_t pixel = p->c * (p->dtype == TG_F32 ? 4 : 8),
                    index_pixel = p->c * (p->wide ? 4 : 1);
    const int backward = is_backward(p);
    const ptrdiff_t written = backward ? p->v.image : p->v.out, n = i / written, r = i % written;
    tg_pool_row row = p->row;
    char *to = p->y + i * row.n * pixel;
    if (backward) {
        ptrdiff_t q = cover(&p->v, r, &row.rows);
        q = min_of(q, p->v.out - 1); /* where nothing covers the row */
        const ptrdiff_t from = (n * p->v.out + q) * p->h.out;
        row.row_counts = p->v_counts + q;
        run_row(p, &row, p->x + from * pixel, p->index ? p->index + from * index_pixel : NULL, room,
                to);
    } else {
        const ptrdiff_t q = cut(&p->v, r, &row.rows), from = (n * p->v.image + q) * p->h.image;
        row.place_row = (int32_t)((q + p->v.before - r * p->v.stride) * p->h.window);
        run_row(p, &row, p->x + from * pixel, p->index ? p->index + i * row.n * index_pixel : NULL,
                room, to);
    }
}

static ptrdiff_t n_rows(const pooling *p)
{
    return p->n * (is_backward(p) ? p->v.image : p->v.out);
}

/* Rows first .. last - 1 of the gradient of max pooling: from the side of the windows, which is
 * less work than to ask, pixel by pixel, which windows chose it. */
static void scatter_rows(const pooling *p, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t size = p->dtype == TG_F32 ? 4 : 8, row = p->h.image * p->c;
    const ptrdiff_t lanes = p->dtype == TG_F32 ? tg_active->lanes_f32 : tg_active->lanes_f64;
    tg_pool_scatter w = {.n = p->h.out,
                         .c = p->c,
                         .width = p->h.image,
                         .window = p->h.window,
                         .stride = p->h.stride,
                         .before = p->h.before,
                         .offset = p->offset,
                         .places = (size_t)(p->v.window * p->h.window),
                         .wide = p->wide,
                         .alone = !p->wide && p->c >= lanes && !overlap(&p->v) && !overlap(&p->h)};
    if (!w.alone || !covers(&p->v) || !covers(&p->h))
        tg_clear(p->dtype, (last - first) * row, p->y + first * row * size);
    for (ptrdiff_t begin = first, end; begin < last; begin = end) { /* image by image */
        const ptrdiff_t n = begin / p->v.image, r0 = begin % p->v.image;
        end = min_of(last, (n + 1) * p->v.image);
        const ptrdiff_t r1 = end - n * p->v.image;
        ptrdiff_t count, q = cover(&p->v, r0, &count);
        const ptrdiff_t q1 = cover(&p->v, r1 - 1, &count) + count;
        char *gx = p->y + n * p->v.image * row * size;
        w.low = r0 * row;
        w.size = (size_t)((r1 - r0) * row);
        for (; q < q1; q++) {
            const ptrdiff_t at = (n * p->v.out + q) * p->h.out * p->c;
            const ptrdiff_t top = q * p->v.stride - p->v.before;
            const char *index = p->index + at * (p->wide ? 4 : 1);
            w.first = top * row - p->h.before * p->c;
            w.row0 = max_of(r0 - top, 0);
            w.row1 = min_of(r1 - top, p->v.window);
            if (p->dtype == TG_F32)
                tg_active->max_pool_grad_f32(&w, (const float *)p->x + at, index, (float *)gx);
            else
                tg_active->max_pool_grad_f64(&w, (const double *)p->x + at, index, (double *)gx);
        }
    }
}

static void task(void *context, ptrdiff_t i)
{
    pooling *p = context;
    const ptrdiff_t rows = n_rows(p), last = rows * (i + 1) / p->n_tasks;
    void *room = NULL;
    if (p->kind == MAX_GRAD) {
        scatter_rows(p, rows * i / p->n_tasks, last);
        return;
    }
    if (p->room && !(room = tg_scratch(TG_SCRATCH_WORK, p->room))) {
        atomic_store(&p->status, TG_NO_MEMORY);
        return;
    }
    for (ptrdiff_t row = rows * i / p->n_tasks; row < last; row++)
        pool_row(p, row, room);
}

/* What the pixels of a row meet is the same in every row. */
static int make_tables(pooling *p)
{
    const direction *h = &p->h;
    const ptrdiff_t n = is_backward(p) ? h->image : h->out;
    const ptrdiff_t places = p->v.window * h->window, indices = max_of(places, 255) + 1;
    ptrdiff_t *first = tg_alloc((size_t)(3 * n + h->out + p->v.out + indices) * sizeof(ptrdiff_t) +
                                (size_t)n * sizeof(int32_t));
    if (!first)
        return TG_NO_MEMORY;
    ptrdiff_t *cols = first + n, *first_window = cols + n, *h_counts = first_window + n;
    p->v_counts = h_counts + h->out;
    p->offset = p->v_counts + p->v.out;
    int32_t *place = (int32_t *)(p->offset + indices);
    for (ptrdiff_t i = 0; i < indices; i++)
        p->offset[i] = i < places ? (i / h->window * h->image + i % h->window) * p->c : NOWHERE;
    for (ptrdiff_t i = 0; i < n; i++) {
        const ptrdiff_t at = is_backward(p) ? cover(h, i, &cols[i]) : cut(h, i, &cols[i]);
        const ptrdiff_t pixel = is_backward(p) ? i : at, window = is_backward(p) ? at : i;
        first[i] = at * p->c;
        first_window[i] = at < h->out ? at : 0; /* a pixel that no window covers reads one count */
        place[i] = (int32_t)(pixel + h->before - window * h->stride);
    }
    for (ptrdiff_t i = 0; i < h->out; i++)
        cut(h, i, &h_counts[i]);
    for (ptrdiff_t i = 0; i < p->v.out; i++)
        cut(&p->v, i, &p->v_counts[i]);
    p->row = (tg_pool_row){.n = n,
                           .c = p->c,
                           .row_step = (is_backward(p) ? h->out : h->image) * p->c,
                           .first = first,
                           .cols = cols,
                           .place = place,
                           .window = (int32_t)h->window,
                           .first_window = first_window,
                           .col_counts = h_counts,
                           .wide = p->wide};
    return TG_OK;
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
    if (make_tables(&p) != TG_OK)
        return TG_NO_MEMORY;
    /* Windows that reach into the rows of two tasks are read by both. */
    p.n_tasks = min_of(kind == MAX_GRAD ? max_of(rows / (6 * i[0]), 1) : rows, 64);
    if (kind == GATHER)
        p.room = (size_t)(p.h.out * p.c) * (p.dtype == TG_F32 ? 4 : 8);
    const double taps = (double)out->shape[1] * (double)out->shape[2] * (double)(i[0] * i[1]);
    tg_parallel(p.n_tasks, (double)p.n * taps * (5 + 0.1 * (double)p.c), task, &p);
    tg_free((void *)p.row.first);
    return atomic_load(&p.status);
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
