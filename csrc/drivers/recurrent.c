/* recurrent.c - recurrent sequences: the weights packed once, the batch shared out, one product for
 * the gradient of the weights.
 *
 * Of the simple RNN and the LSTM all weights [W; b; R] are packed, and a step's product takes in
 * its inputs, too. For few rows, or weights that are too large to be read at every step (twice as
 * large for many rows), x W + b is one product before, put where the gates will be.
 *
 * A task takes some rows of the batch through all steps, so threads meet only at the end. 16 rows
 * of a task read each packed panel of the weights once per step: enough work per byte that the
 * weights may come from the second-level cache. Weights that are too large for it come from the
 * third, once per step, and are shared by 32 rows. A smaller batch is cut in two: each half then
 * has the caches of its own core, which counts for more than the rows.
 *
 * The kernels are in kernels/recurrent.h.
 */
#include <stdatomic.h>
#include <string.h>

#include "../gemm.h"
#include "../recurrent.h"
#include "../table.h"
#include "../threads.h"

enum { ROWS_PER_TASK = 16, LEAST_ROWS = 8, LARGE_WEIGHTS = 512 << 10 };

typedef void (*cell_kernel)(const tg_recurrent_part *);

typedef struct {
    tg_recurrent_part part; /* of the whole batch */
    cell_kernel kernel;
    int dtype;
    ptrdiff_t per_task, depth; /* depth: of a product, cut */
    atomic_int status;
} recurrent_plan;

static size_t size_of(int dtype)
{
    return dtype == TG_F32 ? 4 : 8;
}

static void rows_task(void *context, ptrdiff_t task)
{
    recurrent_plan *plan = context;
    tg_recurrent_part p = plan->part;
    p.first = task * plan->per_task;
    p.n_rows = p.n_batch - p.first < plan->per_task ? p.n_batch - p.first : plan->per_task;
    p.work =
        tg_scratch(TG_SCRATCH_PACK_A, (size_t)(p.n_rows * plan->depth + 64) * size_of(plan->dtype));
    if (p.work)
        plan->kernel(&p);
    else
        atomic_store(&plan->status, TG_NO_MEMORY);
}

/* Some rows of weights: element (i, j) at i * row + j * col. */
typedef struct {
    const char *from;
    ptrdiff_t k, row, col;
} weight_rows;

/* Weights (k x n), up to three blocks of rows under each other, in panels, cut in depth: block
 * after block, each with all its panels, as recurrent_product in kernels/recurrent.h reads them. */
typedef struct {
    int dtype;
    ptrdiff_t k, n;
    weight_rows rows[3];
    char *to;
} packing;

static void pack_task(void *context, ptrdiff_t panel)
{
    const packing *p = context;
    const ptrdiff_t nr = tg_gemm_panel(p->dtype), padded = (p->n + nr - 1) / nr * nr;
    const ptrdiff_t j = panel * nr, width = p->n - j < nr ? p->n - j : nr;
    const ptrdiff_t depth = tg_gemm_depth(p->k), size = (ptrdiff_t)size_of(p->dtype);
    for (ptrdiff_t k0 = 0, k1; k0 < p->k; k0 = k1) {
        k1 = p->k - k0 < depth ? p->k : k0 + depth;
        char *to = p->to + (k0 * padded + j * (k1 - k0)) * size;
        ptrdiff_t first = 0; /* of these rows */
        for (const weight_rows *w = p->rows; w < p->rows + 3; first += w++->k) {
            const ptrdiff_t low = k0 > first ? k0 : first;
            const ptrdiff_t high = k1 < first + w->k ? k1 : first + w->k;
            if (low < high)
                tg_gemm_pack_b(p->dtype, high - low, width,
                               w->from + ((low - first) * w->row + j * w->col) * size, w->row,
                               w->col, to + (low - k0) * nr * size, (high - low) * nr);
        }
    }
}

static weight_rows rows_of(const tg_array *w)
{
    if (!w->data)
        return (weight_rows){0};
    return (weight_rows){w->data, w->ndim == 1 ? 1 : w->shape[0], w->shape[w->ndim - 1], 1};
}

/* Run the kernel over the batch, with these weights. */
static int run(recurrent_plan *plan, packing pack)
{
    tg_recurrent_part *p = &plan->part;
    const ptrdiff_t nr = tg_gemm_panel(plan->dtype);
    pack.dtype = plan->dtype;
    pack.k = pack.rows[0].k + pack.rows[1].k + pack.rows[2].k;
    pack.to = tg_alloc((size_t)(pack.k * (pack.n + nr)) * size_of(plan->dtype) + 64);
    if (!pack.to)
        return TG_NO_MEMORY;
    const double n_weights = (double)(pack.k * pack.n);
    tg_parallel((pack.n + nr - 1) / nr, n_weights * 0.3, pack_task, &pack);
    p->weights = pack.to;
    plan->depth = tg_gemm_depth(pack.k);
    const int large = n_weights * (double)size_of(plan->dtype) > LARGE_WEIGHTS;
    const ptrdiff_t most = large ? 2 * ROWS_PER_TASK : ROWS_PER_TASK;
    plan->per_task = p->n_batch > most ? most : (p->n_batch + 1) / 2;
    if (p->n_batch > 0) {
        double rows = (double)(p->n_steps * p->n_batch);
        double work = rows * (n_weights / 40 + (double)(pack.k > pack.n ? pack.k : pack.n));
        ptrdiff_t n_tasks = (p->n_batch + plan->per_task - 1) / plan->per_task;
        tg_parallel(n_tasks, work * (plan->dtype == TG_F32 ? 1 : 2), rows_task, plan);
    }
    tg_free(pack.to);
    return atomic_load(&plan->status);
}

/* A gradient, with the transpose of the recurrent kernel (U, width). */
static int run_backward(recurrent_plan *plan, const tg_array *recurrent)
{
    const ptrdiff_t u = recurrent->shape[0], width = recurrent->shape[1];
    return run(plan, (packing){.n = u, .rows = {{recurrent->data, width, 1, width}}});
}

/* The initial state (or carried gradient): a copy, or zeros when there is none. */
static void start(const recurrent_plan *plan, void *to, const tg_array *from)
{
    size_t n_bytes = (size_t)(plan->part.n_batch * plan->part.units) * size_of(plan->dtype);
    if (n_bytes && from->data)
        memcpy(to, from->data, n_bytes);
    else if (n_bytes)
        memset(to, 0, n_bytes);
}

/* `kept`: the states, or the cells, (T + 1, N, U). */
static recurrent_plan describe(const tg_array *kept, const tg_array *mask)
{
    recurrent_plan plan = {.dtype = kept->dtype};
    plan.part.n_steps = kept->shape[0] - 1;
    plan.part.n_batch = kept->shape[1];
    plan.part.units = kept->shape[2];
    plan.part.states = kept->data;
    plan.part.mask = mask->data;
    plan.part.mask_step = mask->data ? mask->strides[0] : 0;
    plan.part.mask_row = mask->data ? mask->strides[1] : 0;
    return plan;
}

/* What joined holds before the run: inputs, ones, and h0 or zeros. */
typedef struct {
    const recurrent_plan *plan;
    const tg_array *x;
    const char *h0;
    int ones;
} joining;

#define JOIN_ROW(T)                                                                                \
    do {                                                                                           \
        const T *from = (const T *)x->data + step * x->strides[0] + i * x->strides[1];             \
        T *to = (T *)p->joined + (step * p->n_batch + i) * p->joined_row;                          \
        for (ptrdiff_t j = 0; j < x->shape[2]; j++)                                                \
            *to++ = from[j * x->strides[2]];                                                       \
        if (join->ones)                                                                            \
            *to++ = 1;                                                                             \
        for (ptrdiff_t j = 0; step == 0 && j < p->units; j++)                                      \
            to[j] = join->h0 ? ((const T *)join->h0)[i * p->units + j] : 0;                        \
    } while (0)

static void join_task(void *context, ptrdiff_t step)
{
    const joining *join = context;
    const tg_recurrent_part *p = &join->plan->part;
    const tg_array *x = join->x;
    for (ptrdiff_t i = 0; i < p->n_batch; i++) {
        if (join->plan->dtype == TG_F32)
            JOIN_ROW(float);
        else
            JOIN_ROW(double);
    }
}
#undef JOIN_ROW

/* The forward run of a simple RNN or an LSTM. a: x (T, N, D), any strides; kernel (D, width),
 * recurrent_kernel (U, width), bias (width) and h0 (N, U), each of these two or absent. `gates`:
 * where the product goes. */
static int run_joined(recurrent_plan *plan, const tg_array *joined, const tg_array *a, void *gates)
{
    tg_recurrent_part *p = &plan->part;
    const tg_array *kernel = &a[1], *recurrent = &a[2], *bias = &a[3];
    const ptrdiff_t width = kernel->shape[1], row = joined->shape[2];
    packing pack = {.n = width, .rows = {rows_of(kernel), rows_of(bias), rows_of(recurrent)}};
    joining join = {.plan = plan, .x = &a[0], .h0 = a[4].data, .ones = bias->data != NULL};
    int status = TG_OK;
    p->joined = joined->data;
    p->joined_row = row;
    p->has_h0 = join.h0 != NULL;
    tg_parallel(p->n_steps, (double)(p->n_steps * p->n_batch * kernel->shape[0]), join_task, &join);
    const double most = p->n_batch > 2 * ROWS_PER_TASK ? 2 * LARGE_WEIGHTS : LARGE_WEIGHTS;
    p->apart =
        p->n_batch < LEAST_ROWS || (double)(row * width) * (double)size_of(plan->dtype) > most;
    if (p->apart) {
        tg_gemm_problem g = {.dtype = plan->dtype, .n = width, .k = kernel->shape[0]};
        g.m = p->n_steps * p->n_batch;
        g.a = joined->data;
        g.a_row = row;
        g.a_col = 1;
        g.b = kernel->data;
        g.b_row = width;
        g.b_col = 1;
        g.bias = bias->data;
        g.c = gates;
        g.c_row = width;
        status = tg_gemm(&g);
        pack = (packing){.n = width, .rows = {rows_of(recurrent)}};
    }
    return status == TG_OK ? run(plan, pack) : status;
}

/* gweights (D + 1 + U, width) = joined^T gz, summed over steps and rows. */
static int joined_grad(const recurrent_plan *plan, const tg_array *out, const tg_array *joined,
                       const void *gz)
{
    tg_gemm_problem g = {.dtype = plan->dtype, .m = out->shape[0], .n = out->shape[1]};
    g.k = plan->part.n_steps * plan->part.n_batch;
    g.a = joined->data;
    g.a_row = 1;
    g.a_col = g.m;
    g.b = gz;
    g.b_row = g.n;
    g.b_col = 1;
    g.c = out->data;
    g.c_row = g.n;
    return tg_gemm(&g);
}

/* Of a GRU: grecurrent (U, width) = sum over steps and rows of h^T ga: one product over (T N),
 * without the first step where its h is 0; and the gradient of its bias, the sum of the rows of ga:
 * the product with a row of ones, one element of stride 0. */
static int weight_grad(const recurrent_plan *plan, const tg_array *out, const void *ga, void *bias)
{
    static const float one_f32 = 1;
    static const double one_f64 = 1;
    const tg_recurrent_part *p = &plan->part;
    const ptrdiff_t all = p->n_steps * p->n_batch, size = (ptrdiff_t)size_of(plan->dtype);
    const ptrdiff_t skipped = p->has_h0 || all == 0 ? 0 : p->n_batch;
    tg_gemm_problem g = {.dtype = plan->dtype, .m = p->units, .n = out->shape[1]};
    g.k = all - skipped;
    g.a = (const char *)p->states + skipped * p->units * size;
    g.a_row = 1;
    g.a_col = p->units;
    g.b = (const char *)ga + skipped * g.n * size;
    g.b_row = g.n;
    g.b_col = 1;
    g.c = out->data;
    g.c_row = g.n;
    int status = tg_gemm(&g);
    if (status != TG_OK)
        return status;
    g.m = 1;
    g.k = all;
    g.a = plan->dtype == TG_F32 ? (const void *)&one_f32 : &one_f64;
    g.a_row = g.a_col = 0;
    g.b = ga;
    g.c = bias;
    return tg_gemm(&g);
}

#define KERNEL(plan, name) ((plan).dtype == TG_F32 ? tg_active->name##_f32 : tg_active->name##_f64)

/* ints of the gradients: [0] whether there was an h0 (or c0); if not, gh0 and gc0 are work space.
 *
 * arrays: states (T + 1, N, U), joined (T, N, D + 1 + U), x (T, N, D), kernel (D, U),
 * recurrent_kernel (U, U), bias (U) or absent, h0 (N, U) or absent, mask (T, N) bool, or absent.
 * Here and below all but x and the mask are contiguous; without a bias joined has no 1. */
int tg_simple_rnn(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[0], &a[7]);
    const ptrdiff_t step = plan.part.n_batch * plan.part.units;
    plan.kernel = KERNEL(plan, simple_rnn);
    start(&plan, a[0].data, &a[6]);
    return run_joined(&plan, &a[1], &a[2],
                      (char *)a[0].data + step * (ptrdiff_t)size_of(plan.dtype));
}

/* arrays: gz (T, N, U), gweights (D + 1 + U, U), gh0 (N, U), g (T + 1, N, U), states, joined,
 * recurrent_kernel, mask or absent. */
int tg_simple_rnn_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[4], &a[7]);
    const ptrdiff_t last = plan.part.n_steps * plan.part.n_batch * plan.part.units;
    plan.kernel = KERNEL(plan, simple_rnn_grad);
    plan.part.has_h0 = (int)call->ints[0];
    plan.part.g = a[3].data;
    plan.part.gz = a[0].data;
    plan.part.gh0 = a[2].data;
    tg_array g_last = {.data = (char *)a[3].data + last * (ptrdiff_t)size_of(plan.dtype)};
    start(&plan, plan.part.gh0, &g_last);
    int status = run_backward(&plan, &a[6]);
    return status == TG_OK ? joined_grad(&plan, &a[1], &a[5], a[0].data) : status;
}

/* arrays: states, cells (T + 1, N, U), gates (T, N, 4 U), joined, x, kernel (D, 4 U),
 * recurrent_kernel (U, 4 U), bias (4 U) or absent, h0 (N, U) or absent, c0 likewise, mask or
 * absent.
 */
int tg_lstm(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[0], &a[10]);
    plan.kernel = KERNEL(plan, lstm);
    plan.part.cells = a[1].data;
    plan.part.gates = a[2].data;
    start(&plan, a[0].data, &a[8]);
    start(&plan, a[1].data, &a[9]);
    return run_joined(&plan, &a[3], &a[4], a[2].data);
}

/* arrays: gz (T, N, 4 U), gweights (D + 1 + U, 4 U), gh0, gc0 (N, U), g (T + 1, N, U), gc (N, U) or
 * absent, cells, gates, joined, recurrent_kernel, mask or absent. */
int tg_lstm_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[6], &a[10]);
    const ptrdiff_t last = plan.part.n_steps * plan.part.n_batch * plan.part.units;
    plan.kernel = KERNEL(plan, lstm_grad);
    plan.part.has_h0 = (int)call->ints[0];
    plan.part.g = a[4].data;
    plan.part.cells = a[6].data;
    plan.part.gates = a[7].data;
    plan.part.gz = a[0].data;
    plan.part.gh0 = a[2].data;
    plan.part.gc0 = a[3].data;
    tg_array g_last = {.data = (char *)a[4].data + last * (ptrdiff_t)size_of(plan.dtype)};
    start(&plan, plan.part.gh0, &g_last);
    start(&plan, plan.part.gc0, &a[5]);
    int status = run_backward(&plan, &a[9]);
    return status == TG_OK ? joined_grad(&plan, &a[1], &a[8], a[0].data) : status;
}

/* arrays: states (T + 1, N, U), gates (T, N, 4 U), z (T, N, 3 U), recurrent_kernel (U, 3 U),
 * recurrent_bias (3 U) or absent, h0 (N, U) or absent, mask or absent. */
int tg_gru(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[0], &a[6]);
    plan.kernel = KERNEL(plan, gru);
    plan.part.gates = a[1].data;
    plan.part.z = a[2].data;
    plan.part.has_h0 = a[5].data != NULL;
    plan.part.bias = a[4].data;
    start(&plan, a[0].data, &a[5]);
    return run(&plan, (packing){.n = a[3].shape[1], .rows = {rows_of(&a[3])}});
}

/* arrays: gz (T, N, 3 U), gb (T, N, 3 U: the gradient of h R + recurrent_bias), grecurrent_kernel
 * (U, 3 U), grecurrent_bias (3 U), gh0 (N, U), g (T + 1, N, U), states, gates, recurrent_kernel,
 * mask or absent. */
int tg_gru_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[6], &a[9]);
    const ptrdiff_t last = plan.part.n_steps * plan.part.n_batch * plan.part.units;
    plan.kernel = KERNEL(plan, gru_grad);
    plan.part.has_h0 = (int)call->ints[0];
    plan.part.g = a[5].data;
    plan.part.gates = a[7].data;
    plan.part.gz = a[0].data;
    plan.part.gb = a[1].data;
    plan.part.gh0 = a[4].data;
    tg_array g_last = {.data = (char *)a[5].data + last * (ptrdiff_t)size_of(plan.dtype)};
    start(&plan, plan.part.gh0, &g_last);
    int status = run_backward(&plan, &a[8]);
    return status == TG_OK ? weight_grad(&plan, &a[2], a[1].data, a[3].data) : status;
}
