/* normalization.c - layer, RMS and batch normalization: which rows make a task, and the sums over
 * rows.
 *
 * A sum over rows (gradients of gamma and beta, statistics of a batch) is cut into at most 32
 * chunks by the shape alone; each task sums one chunk into its own scratch, and the chunks are
 * added in order: in double, as there are few of them. So results do not depend on the number of
 * threads.
 *
 * The kernels are in kernels/normalization.h, which says how they work and how accurate they are.
 */
#include <math.h>
#include <string.h>

#include "../chain.h"
#include "../table.h"
#include "../threads.h"

enum { MAX_CHUNKS = 32, LEAST_ROWS = 16 };
enum { CHAIN_NUMBERS = 4096 }; /* that are written before the chain works on them */

typedef struct {
    int dtype, kind; /* kind: 0 layer norm, 1 RMS norm */
    ptrdiff_t rows, width, per_task, n_tasks;
    double epsilon;
    void *y, *mean, *rstd; /* in a gradient y is gx */
    const void *g, *x, *gamma, *beta;
    char *sums; /* two rows of `width` for each task */
    const void *scale, *a, *b, *c;
    const tg_chain *chain; /* or NULL */
} norm;

static ptrdiff_t size_of(int dtype)
{
    return dtype == TG_F32 ? 4 : 8;
}

static double get(int dtype, const void *p, ptrdiff_t i)
{
    return dtype == TG_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void set(int dtype, void *p, ptrdiff_t i, double value)
{
    if (dtype == TG_F32)
        ((float *)p)[i] = (float)value;
    else
        ((double *)p)[i] = value;
}

/* p + i elements; NULL stays NULL. */
static void *at(const norm *n, const void *p, ptrdiff_t i)
{
    return p ? (char *)p + i * size_of(n->dtype) : NULL;
}

static ptrdiff_t rows_of(const norm *n, ptrdiff_t task)
{
    ptrdiff_t left = n->rows - task * n->per_task;
    return left < n->per_task ? left : n->per_task;
}

static void cut(norm *n, ptrdiff_t rows, ptrdiff_t most_tasks, ptrdiff_t least_rows)
{
    ptrdiff_t per_task = (rows + most_tasks - 1) / most_tasks;
    n->rows = rows;
    n->per_task = per_task < least_rows ? least_rows : per_task;
    n->n_tasks = (rows + n->per_task - 1) / n->per_task;
}

static double element_cost(const norm *n, double nanoseconds)
{
    return (double)n->rows * (double)n->width * (n->dtype == TG_F32 ? 1 : 2) * nanoseconds;
}

/* ---- layer and RMS norm -------------------------------------------------------------------------
 */

static void rows_task(void *context, ptrdiff_t task)
{
    const norm *n = context;
    const ptrdiff_t r = task * n->per_task, e = r * n->width, rows = rows_of(n, task);
    void *y = at(n, n->y, e), *mean = at(n, n->mean, r), *rstd = at(n, n->rstd, r);
    const void *x = at(n, n->x, e);
    if (n->dtype == TG_F32)
        (n->kind ? tg_active->rms_norm_f32 : tg_active->layer_norm_f32)(
            rows, n->width, y, mean, rstd, x, n->gamma, n->beta, n->epsilon);
    else
        (n->kind ? tg_active->rms_norm_f64 : tg_active->layer_norm_f64)(
            rows, n->width, y, mean, rstd, x, n->gamma, n->beta, n->epsilon);
}

/* ints: [0] kind. floats: [0] epsilon. arrays: y (R, D), mean (R) or absent, rstd (R), x (R, D),
 * gamma (D) or absent, beta (D) or absent; all contiguous. */
int tg_layer_norm(const tg_call *call)
{
    const tg_array *a = call->arrays;
    norm n = {.dtype = a[0].dtype, .kind = (int)call->ints[0], .width = a[0].shape[1]};
    n.epsilon = call->floats[0];
    n.y = a[0].data;
    n.mean = a[1].data;
    n.rstd = a[2].data;
    n.x = a[3].data;
    n.gamma = a[4].data;
    n.beta = a[5].data;
    cut(&n, a[0].shape[0], 64, n.width >= 4096 ? 1 : 4096 / (n.width + 1) + 1);
    tg_parallel(n.n_tasks, element_cost(&n, 0.4), rows_task, &n);
    return TG_OK;
}

static void rows_grad_task(void *context, ptrdiff_t task)
{
    const norm *n = context;
    const ptrdiff_t r = task * n->per_task, e = r * n->width, rows = rows_of(n, task);
    void *gx = at(n, n->y, e), *ggamma = at(n, n->sums, 2 * task * n->width);
    void *gbeta = at(n, ggamma, n->width);
    const void *g = at(n, n->g, e), *x = at(n, n->x, e);
    const void *mean = at(n, n->mean, r), *rstd = at(n, n->rstd, r);
    memset(ggamma, 0, (size_t)(2 * n->width * size_of(n->dtype)));
    if (n->dtype == TG_F32)
        (n->kind ? tg_active->rms_norm_grad_f32 : tg_active->layer_norm_grad_f32)(
            rows, n->width, gx, ggamma, gbeta, g, x, n->gamma, mean, rstd);
    else
        (n->kind ? tg_active->rms_norm_grad_f64 : tg_active->layer_norm_grad_f64)(
            rows, n->width, gx, ggamma, gbeta, g, x, n->gamma, mean, rstd);
}

/* Row `which` of the sums of each task, all added: a loop over columns inside, for the cache. */
static void add_chunks(const norm *n, int which, void *out)
{
    if (n->dtype == TG_F32) {
        float *y = out;
        memset(y, 0, (size_t)n->width * sizeof *y);
        for (ptrdiff_t t = 0; t < n->n_tasks; t++) {
            const float *p = (const float *)n->sums + (2 * t + which) * n->width;
            for (ptrdiff_t i = 0; i < n->width; i++)
                y[i] += p[i];
        }
    } else {
        double *y = out;
        memset(y, 0, (size_t)n->width * sizeof *y);
        for (ptrdiff_t t = 0; t < n->n_tasks; t++) {
            const double *p = (const double *)n->sums + (2 * t + which) * n->width;
            for (ptrdiff_t i = 0; i < n->width; i++)
                y[i] += p[i];
        }
    }
}

/* ints: [0] kind. arrays: gx (R, D), ggamma (D), gbeta (D) or absent, g (R, D), x (R, D), gamma (D)
 * or absent, mean (R) or absent, rstd (R); all contiguous. */
int tg_layer_norm_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    norm n = {.dtype = a[0].dtype, .kind = (int)call->ints[0], .width = a[0].shape[1]};
    n.y = a[0].data;
    n.g = a[3].data;
    n.x = a[4].data;
    n.gamma = a[5].data;
    n.mean = a[6].data;
    n.rstd = a[7].data;
    cut(&n, a[0].shape[0], MAX_CHUNKS, LEAST_ROWS);
    n.sums = tg_alloc((size_t)(2 * (n.n_tasks + 1) * n.width * size_of(n.dtype)));
    if (!n.sums)
        return TG_NO_MEMORY;
    tg_parallel(n.n_tasks, element_cost(&n, 0.7), rows_grad_task, &n);
    add_chunks(&n, 0, a[1].data);
    if (a[2].data)
        add_chunks(&n, 1, a[2].data);
    tg_free(n.sums);
    return TG_OK;
}

/* ---- batch norm ---------------------------------------------------------------------------------
 */

/* Rows that are read as one, so that narrow rows fill vectors. */
static ptrdiff_t joined_rows(ptrdiff_t rows, ptrdiff_t columns)
{
    ptrdiff_t p = columns >= 64 ? 1 : 64 / columns;
    return rows >= 4 * p ? p : 1;
}

static void moments_task(void *context, ptrdiff_t task)
{
    const norm *n = context;
    void *mean = at(n, n->sums, 2 * task * n->width), *m2 = at(n, mean, n->width);
    const void *x = at(n, n->x, task * n->per_task * n->width);
    if (n->dtype == TG_F32)
        tg_active->column_moments_f32(rows_of(n, task), n->width, mean, m2, x);
    else
        tg_active->column_moments_f64(rows_of(n, task), n->width, mean, m2, x);
}

static void sums_task(void *context, ptrdiff_t task)
{
    const norm *n = context;
    void *sum_g = at(n, n->sums, 2 * task * n->width), *sum_gc = at(n, sum_g, n->width);
    const ptrdiff_t e = task * n->per_task * n->width;
    if (n->dtype == TG_F32)
        tg_active->column_sums_f32(rows_of(n, task), n->width, sum_g, sum_gc, at(n, n->g, e),
                                   at(n, n->x, e), n->mean);
    else
        tg_active->column_sums_f64(rows_of(n, task), n->width, sum_g, sum_gc, at(n, n->g, e),
                                   at(n, n->x, e), n->mean);
}

static void normalize_rows(const norm *n, ptrdiff_t rows, ptrdiff_t e)
{
    void *y = at(n, n->y, e);
    const void *x = at(n, n->x, e);
    if (n->g && n->dtype == TG_F32)
        tg_active->normalize_columns_grad_f32(rows, n->width, y, at(n, n->g, e), x, n->mean, n->a,
                                              n->b, n->c);
    else if (n->g)
        tg_active->normalize_columns_grad_f64(rows, n->width, y, at(n, n->g, e), x, n->mean, n->a,
                                              n->b, n->c);
    else if (n->dtype == TG_F32)
        tg_active->normalize_columns_f32(rows, n->width, y, x, n->mean, n->a, n->c);
    else
        tg_active->normalize_columns_f64(rows, n->width, y, x, n->mean, n->a, n->c);
}

static void normalize_task(void *context, ptrdiff_t task)
{
    const norm *n = context;
    const ptrdiff_t all = rows_of(n, task), some = n->chain ? CHAIN_NUMBERS / n->width + 1 : all;
    for (ptrdiff_t row = 0, rows; row < all; row += rows) {
        const ptrdiff_t e = (task * n->per_task + row) * n->width;
        rows = all - row < some ? all - row : some;
        normalize_rows(n, rows, e);
        if (n->chain)
            tg_chain_run(n->chain, at(n, n->y, e), rows, n->width, n->width);
    }
}

/* Run a pass over the joined rows, then over the rows that are left, whose sums follow those of the
 * other tasks: entry n_tasks, `columns` wide. */
static void pass(norm *n, ptrdiff_t rows, ptrdiff_t columns, tg_task body, double cost)
{
    const ptrdiff_t joined = n->width / columns, done = rows / joined * joined;
    tg_parallel(n->n_tasks, element_cost(n, cost), body, n);
    if (done < rows) {
        norm rest = *n;
        rest.width = columns;
        rest.rows = rest.per_task = rows - done;
        rest.y = at(n, n->y, done * columns);
        rest.x = at(n, n->x, done * columns);
        rest.g = at(n, n->g, done * columns);
        rest.sums = at(n, n->sums, 2 * n->n_tasks * n->width);
        body(&rest, 0);
    }
}

/* The same `columns` numbers over and over, up to the width of the joined rows. */
static void repeat(const norm *n, void *row, ptrdiff_t columns)
{
    for (ptrdiff_t i = columns; i < n->width; i += columns)
        memcpy(at(n, row, i), row, (size_t)(columns * size_of(n->dtype)));
}

/* Sum number i of every column: its place in n->sums, how far behind it the second row is, and its
 * weight, the rows it stands for. 0 when there are no more: those of the tasks, then of the rest.
 */
static double entry(const norm *n, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t i, ptrdiff_t *place,
                    ptrdiff_t *second)
{
    const ptrdiff_t joined = n->width / columns, task = i / joined;
    *second = task < n->n_tasks ? n->width : columns;
    *place = 2 * task * n->width + (task < n->n_tasks ? i % joined * columns : 0);
    if (task < n->n_tasks)
        return (double)rows_of(n, task);
    return task == n->n_tasks && i % joined == 0 ? (double)(rows % joined) : 0;
}

/* sum += weight values, and sum += values + weight (means - mean)^2, for n columns in double. */
static void add_weighted(int dtype, ptrdiff_t n, double *sum, const void *values, double weight)
{
    for (ptrdiff_t c = 0; c < n && dtype == TG_F32; c++)
        sum[c] += weight * (double)((const float *)values)[c];
    for (ptrdiff_t c = 0; c < n && dtype == TG_F64; c++)
        sum[c] += weight * ((const double *)values)[c];
}

static void add_spread(int dtype, ptrdiff_t n, double *sum, const void *values, const void *means,
                       const double *mean, double weight)
{
    for (ptrdiff_t c = 0; c < n && dtype == TG_F32; c++) {
        double delta = (double)((const float *)means)[c] - mean[c];
        sum[c] += (double)((const float *)values)[c] + weight * delta * delta;
    }
    for (ptrdiff_t c = 0; c < n && dtype == TG_F64; c++) {
        double delta = ((const double *)means)[c] - mean[c];
        sum[c] += ((const double *)values)[c] + weight * delta * delta;
    }
}

static int begin(norm *n, const tg_array *x, double epsilon)
{
    const ptrdiff_t columns = x->shape[1], joined = joined_rows(x->shape[0], columns);
    n->dtype = x->dtype;
    n->width = joined * columns;
    n->epsilon = epsilon;
    n->x = x->data;
    cut(n, x->shape[0] / joined, MAX_CHUNKS, LEAST_ROWS);
    n->sums = tg_alloc((size_t)((2 * (n->n_tasks + 1) + 4) * n->width * size_of(n->dtype) +
                                2 * columns * (ptrdiff_t)sizeof(double)));
    return n->sums ? TG_OK : TG_NO_MEMORY;
}

/* floats: [0] epsilon. arrays: y (R, C), mean (C), var (C), x (R, C), gamma (C) or absent, beta (C)
 * or absent; all contiguous, R >= 1. A chain (chain.h) may follow. */
int tg_batch_norm(const tg_call *call)
{
    const tg_array *a = call->arrays;
    const ptrdiff_t rows = a[3].shape[0], columns = a[3].shape[1];
    norm n = {0};
    if (columns == 0)
        return TG_OK;
    if (begin(&n, &a[3], call->floats[0]) != TG_OK)
        return TG_NO_MEMORY;
    tg_chain room;
    n.y = a[0].data;
    n.chain = tg_chain_behind(call, &room);
    pass(&n, rows, columns, moments_task, 0.2);
    char *mean = at(&n, n.sums, 2 * (n.n_tasks + 1) * n.width), *scale = at(&n, mean, n.width);
    char *shift = at(&n, scale, n.width);
    double *mu = (double *)at(&n, mean, 4 * n.width), *m2 = mu + columns, weight;
    ptrdiff_t place, second;
    memset(mu, 0, (size_t)(2 * columns) * sizeof *mu);
    for (ptrdiff_t i = 0; (weight = entry(&n, rows, columns, i, &place, &second)) > 0; i++)
        add_weighted(n.dtype, columns, mu, at(&n, n.sums, place), weight / (double)rows);
    for (ptrdiff_t i = 0; (weight = entry(&n, rows, columns, i, &place, &second)) > 0; i++)
        add_spread(n.dtype, columns, m2, at(&n, n.sums, place + second), at(&n, n.sums, place), mu,
                   weight);
    for (ptrdiff_t c = 0; c < columns; c++) {
        set(n.dtype, a[1].data, c, mu[c]);
        set(n.dtype, a[2].data, c, m2[c] / (double)rows);
        set(n.dtype, mean, c, mu[c]);
        double gamma = a[4].data ? get(n.dtype, a[4].data, c) : 1;
        set(n.dtype, scale, c, gamma / sqrt(get(n.dtype, a[2].data, c) + n.epsilon));
        set(n.dtype, shift, c, a[5].data ? get(n.dtype, a[5].data, c) : 0);
    }
    repeat(&n, mean, columns);
    repeat(&n, scale, columns);
    repeat(&n, shift, columns);
    n.mean = mean;
    n.a = scale;
    n.c = shift;
    pass(&n, rows, columns, normalize_task, 0.2);
    tg_free(n.sums);
    return TG_OK;
}

/* floats: [0] epsilon. arrays: gx (R, C), ggamma (C), gbeta (C), g (R, C), x (R, C), gamma (C) or
 * absent, mean (C), var (C); all contiguous, R >= 1. */
int tg_batch_norm_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    const ptrdiff_t rows = a[4].shape[0], columns = a[4].shape[1];
    norm n = {0};
    if (columns == 0)
        return TG_OK;
    if (begin(&n, &a[4], call->floats[0]) != TG_OK)
        return TG_NO_MEMORY;
    char *mean = at(&n, n.sums, 2 * (n.n_tasks + 1) * n.width), *ka = at(&n, mean, n.width);
    char *kb = at(&n, ka, n.width), *kc = at(&n, kb, n.width);
    memcpy(mean, a[6].data, (size_t)(columns * size_of(n.dtype)));
    repeat(&n, mean, columns);
    n.mean = mean;
    n.y = a[0].data;
    n.g = a[3].data;
    pass(&n, rows, columns, sums_task, 0.3);
    double *sum_g = (double *)at(&n, mean, 4 * n.width), *sum_gc = sum_g + columns;
    ptrdiff_t place, second;
    memset(sum_g, 0, (size_t)(2 * columns) * sizeof *sum_g);
    for (ptrdiff_t i = 0; entry(&n, rows, columns, i, &place, &second) > 0; i++) {
        add_weighted(n.dtype, columns, sum_g, at(&n, n.sums, place), 1);
        add_weighted(n.dtype, columns, sum_gc, at(&n, n.sums, place + second), 1);
    }
    for (ptrdiff_t c = 0; c < columns; c++) {
        double rstd = 1 / sqrt(get(n.dtype, a[7].data, c) + n.epsilon);
        double scale = (a[5].data ? get(n.dtype, a[5].data, c) : 1) * rstd;
        set(n.dtype, a[1].data, c, sum_gc[c] * rstd);
        set(n.dtype, a[2].data, c, sum_g[c]);
        set(n.dtype, ka, c, scale);
        set(n.dtype, kb, c, -scale * rstd * rstd * sum_gc[c] / (double)rows);
        set(n.dtype, kc, c, -scale * sum_g[c] / (double)rows);
    }
    repeat(&n, ka, columns);
    repeat(&n, kb, columns);
    repeat(&n, kc, columns);
    n.a = ka;
    n.b = kb;
    n.c = kc;
    pass(&n, rows, columns, normalize_task, 0.3);
    tg_free(n.sums);
    return TG_OK;
}
