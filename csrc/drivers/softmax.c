/* softmax.c - drivers of kernels/softmax.h: groups of rows as tasks.
 *
 * softmax             arrays: y, x (rows, n)               ints: [0] 1 for the logarithm,
 * softmax_grad        arrays: gx, g, y (rows, n)                 [1] inner; see below
 * cross_entropy       arrays: loss, lse (rows), logits (rows, n), labels (rows; i64 or i32)
 * cross_entropy_grad  arrays: gx (rows, n), g (rows), logits (rows, n), labels (rows), lse (rows)
 * cross_entropy_both  arrays: loss, lse, gx, logits, labels, g: each row first one way, then the
 *                     other, while it is in the cache (only in plans)
 *
 * Softmax of the middle axis of (rows, n / inner, inner) is that of columns; of (rows, n), inner
 * is 1.
 *
 * All in C order. A task is about 4096 elements. The labels are checked before anything is written.
 */
#include "../strided.h"
#include "../table.h"

typedef struct {
    const tg_call *call;
    ptrdiff_t n_rows, n, rows_per_task;
} rows_of;

static rows_of split(const tg_call *call, const tg_array *matrix)
{
    rows_of r = {call, matrix->shape[0], matrix->shape[1], 0};
    r.rows_per_task = r.n ? TG_TASK / r.n + 1 : 1;
    return r;
}

static void run(rows_of *r, tg_task body, double cost)
{
    ptrdiff_t n_tasks = (r->n_rows + r->rows_per_task - 1) / r->rows_per_task;
    if (r->n > 0)
        tg_parallel(n_tasks, cost * (double)(r->n_rows * r->n), body, r);
}

static ptrdiff_t rows_of_task(const rows_of *r, ptrdiff_t task, ptrdiff_t *first)
{
    *first = task * r->rows_per_task;
    return r->n_rows - *first < r->rows_per_task ? r->n_rows - *first : r->rows_per_task;
}

static void run_softmax(void *context, ptrdiff_t task)
{
    const rows_of *r = context;
    const tg_array *a = r->call->arrays;
    ptrdiff_t first, count = rows_of_task(r, task, &first), at = first * r->n;
    int is_log = r->call->ints[0] != 0;
    if (a[0].dtype == TG_F32) {
        float *y = (float *)a[0].data + at, *x = (float *)a[1].data + at;
        (is_log ? tg_active->log_softmax_f32 : tg_active->softmax_f32)(count, r->n, y, x);
    } else {
        double *y = (double *)a[0].data + at, *x = (double *)a[1].data + at;
        (is_log ? tg_active->log_softmax_f64 : tg_active->softmax_f64)(count, r->n, y, x);
    }
}

/* Strips of the columns of one matrix after the other. */
typedef struct {
    const tg_call *call;
    ptrdiff_t n, inner, width, n_strips;
} columns_of;

static int run_columns(const tg_call *call, tg_task body, double cost)
{
    const tg_array *a = &call->arrays[0];
    columns_of c = {.call = call, .inner = call->ints[1], .n = a->shape[1] / call->ints[1]};
    c.width = (TG_TASK / c.n + 16) / 16 * 16; /* whole cache lines */
    c.n_strips = (c.inner + c.width - 1) / c.width;
    tg_parallel(a->shape[0] * c.n_strips, cost * (double)tg_n_elements(a), body, &c);
    return TG_OK;
}

static ptrdiff_t columns_of_task(const columns_of *c, ptrdiff_t task, ptrdiff_t *at)
{
    const ptrdiff_t j = task % c->n_strips * c->width;
    *at = task / c->n_strips * c->n * c->inner + j;
    return c->inner - j < c->width ? c->inner - j : c->width;
}

static void run_softmax_columns(void *context, ptrdiff_t task)
{
    const columns_of *c = context;
    const tg_array *a = c->call->arrays;
    const int is_log = c->call->ints[0] != 0;
    ptrdiff_t at, width = columns_of_task(c, task, &at);
    if (a[0].dtype == TG_F32)
        tg_active->softmax_columns_f32(is_log, c->n, width, c->inner, (float *)a[0].data + at,
                                       (const float *)a[1].data + at);
    else
        tg_active->softmax_columns_f64(is_log, c->n, width, c->inner, (double *)a[0].data + at,
                                       (const double *)a[1].data + at);
}

static void run_softmax_grad_columns(void *context, ptrdiff_t task)
{
    const columns_of *c = context;
    const tg_array *a = c->call->arrays;
    const int is_log = c->call->ints[0] != 0;
    ptrdiff_t at, width = columns_of_task(c, task, &at);
    if (a[0].dtype == TG_F32)
        tg_active->softmax_grad_columns_f32(is_log, c->n, width, c->inner, (float *)a[0].data + at,
                                            (const float *)a[1].data + at,
                                            (const float *)a[2].data + at);
    else
        tg_active->softmax_grad_columns_f64(is_log, c->n, width, c->inner, (double *)a[0].data + at,
                                            (const double *)a[1].data + at,
                                            (const double *)a[2].data + at);
}

int tg_softmax(const tg_call *call)
{
    if (call->ints[1] > 1)
        return run_columns(call, run_softmax_columns, call->arrays[0].dtype == TG_F32 ? 0.6 : 1.5);
    rows_of r = split(call, &call->arrays[0]);
    run(&r, run_softmax, call->arrays[0].dtype == TG_F32 ? 0.6 : 1.5);
    return TG_OK;
}

static void run_softmax_grad(void *context, ptrdiff_t task)
{
    const rows_of *r = context;
    const tg_array *a = r->call->arrays;
    ptrdiff_t first, count = rows_of_task(r, task, &first), at = first * r->n;
    int is_log = r->call->ints[0] != 0;
    if (a[0].dtype == TG_F32) {
        float *gx = (float *)a[0].data + at, *g = (float *)a[1].data + at;
        float *y = (float *)a[2].data + at;
        (is_log ? tg_active->log_softmax_grad_f32 : tg_active->softmax_grad_f32)(count, r->n, gx, g,
                                                                                 y);
    } else {
        double *gx = (double *)a[0].data + at, *g = (double *)a[1].data + at;
        double *y = (double *)a[2].data + at;
        (is_log ? tg_active->log_softmax_grad_f64 : tg_active->softmax_grad_f64)(count, r->n, gx, g,
                                                                                 y);
    }
}

int tg_softmax_grad(const tg_call *call)
{
    if (call->ints[1] > 1)
        return run_columns(call, run_softmax_grad_columns, 0.4);
    rows_of r = split(call, &call->arrays[0]);
    run(&r, run_softmax_grad, 0.4);
    return TG_OK;
}

static ptrdiff_t label_at(const tg_array *labels, ptrdiff_t row)
{
    if (labels->dtype == TG_I32)
        return ((const int32_t *)labels->data)[row];
    return (ptrdiff_t)((const int64_t *)labels->data)[row];
}

static int labels_fit(const tg_array *labels, ptrdiff_t n_rows, ptrdiff_t n)
{
    for (ptrdiff_t row = 0; row < n_rows; row++) {
        ptrdiff_t label = label_at(labels, row);
        if (label < 0 || label >= n)
            return 0;
    }
    return 1;
}

static void run_cross_entropy(void *context, ptrdiff_t task)
{
    const rows_of *r = context;
    const tg_array *a = r->call->arrays;
    ptrdiff_t first, count = rows_of_task(r, task, &first);
    if (a[0].dtype == TG_F32) {
        float *loss = (float *)a[0].data + first, *lse = (float *)a[1].data + first;
        const float *x = (const float *)a[2].data + first * r->n;
        tg_active->row_log_sum_f32(count, r->n, lse, loss, x);
        for (ptrdiff_t i = 0; i < count; i++) {
            float m = lse[i], log_sum = loss[i];
            loss[i] = log_sum - (x[i * r->n + label_at(&a[3], first + i)] - m);
            lse[i] = log_sum + m;
        }
    } else {
        double *loss = (double *)a[0].data + first, *lse = (double *)a[1].data + first;
        const double *x = (const double *)a[2].data + first * r->n;
        tg_active->row_log_sum_f64(count, r->n, lse, loss, x);
        for (ptrdiff_t i = 0; i < count; i++) {
            double m = lse[i], log_sum = loss[i];
            loss[i] = log_sum - (x[i * r->n + label_at(&a[3], first + i)] - m);
            lse[i] = log_sum + m;
        }
    }
}

int tg_cross_entropy(const tg_call *call)
{
    rows_of r = split(call, &call->arrays[2]);
    if (!labels_fit(&call->arrays[3], r.n_rows, r.n))
        return TG_INDEX_OUT_OF_RANGE;
    run(&r, run_cross_entropy, 0.6);
    return TG_OK;
}

static void run_cross_entropy_grad(void *context, ptrdiff_t task)
{
    const rows_of *r = context;
    const tg_array *a = r->call->arrays;
    ptrdiff_t first, count = rows_of_task(r, task, &first);
    for (ptrdiff_t row = first; row < first + count; row++) {
        ptrdiff_t label = label_at(&a[3], row), at = row * r->n;
        if (a[0].dtype == TG_F32) {
            float g = ((const float *)a[1].data)[row], *gx = (float *)a[0].data + at;
            const float *x = (const float *)a[2].data + at;
            tg_active->cross_entropy_grad_f32(r->n, gx, x, ((const float *)a[4].data)[row], g);
            gx[label] -= g;
        } else {
            double g = ((const double *)a[1].data)[row], *gx = (double *)a[0].data + at;
            const double *x = (const double *)a[2].data + at;
            tg_active->cross_entropy_grad_f64(r->n, gx, x, ((const double *)a[4].data)[row], g);
            gx[label] -= g;
        }
    }
}

int tg_cross_entropy_grad(const tg_call *call)
{
    rows_of r = split(call, &call->arrays[0]);
    if (!labels_fit(&call->arrays[3], r.n_rows, r.n))
        return TG_INDEX_OUT_OF_RANGE;
    run(&r, run_cross_entropy_grad, 0.6);
    return TG_OK;
}

static void run_cross_entropy_both(void *context, ptrdiff_t task)
{
    rows_of *two = context;
    run_cross_entropy(&two[0], task);
    run_cross_entropy_grad(&two[1], task);
}

int tg_cross_entropy_both(const tg_call *call)
{
    const tg_array *a = call->arrays;
    tg_call losses = {.arrays = {a[0], a[1], a[3], a[4]}};
    tg_call grads = {.arrays = {a[2], a[5], a[3], a[4], a[1]}};
    rows_of two[] = {split(&losses, &a[3]), split(&grads, &a[3])};
    if (!labels_fit(&a[4], two[0].n_rows, two[0].n))
        return TG_INDEX_OUT_OF_RANGE;
    run(two, run_cross_entropy_both, 1.2);
    return TG_OK;
}
