/* recurrent.c - recurrent sequences: the weights packed once, the batch shared out, one product for
 * the gradient of the weights.
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

enum { ROWS_PER_TASK = 16, LARGE_WEIGHTS = 512 << 10 };

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

/* The weights W (k x n; element (i, j) at i * row + j * col) in panels, cut in depth: block after
 * block, each with all its panels, as recurrent_product in kernels/recurrent.h reads them. */
typedef struct {
    int dtype;
    ptrdiff_t k, n, row, col;
    const char *from;
    char *to;
} packing;

static void pack_task(void *context, ptrdiff_t panel)
{
    const packing *p = context;
    const ptrdiff_t nr = tg_gemm_panel(p->dtype), padded = (p->n + nr - 1) / nr * nr;
    const ptrdiff_t j = panel * nr, width = p->n - j < nr ? p->n - j : nr;
    const ptrdiff_t depth = tg_gemm_depth(p->k), size = (ptrdiff_t)size_of(p->dtype);
    for (ptrdiff_t k0 = 0; k0 < p->k; k0 += depth) {
        ptrdiff_t rows = p->k - k0 < depth ? p->k - k0 : depth;
        tg_gemm_pack_b(p->dtype, rows, width, p->from + (k0 * p->row + j * p->col) * size, p->row,
                       p->col, p->to + (k0 * padded + j * rows) * size, rows * nr);
    }
}

/* Run the kernel over the batch. `weights` is the recurrent kernel (U, width). */
static int run(recurrent_plan *plan, const tg_array *weights, int transposed)
{
    tg_recurrent_part *p = &plan->part;
    const ptrdiff_t u = weights->shape[0], width = weights->shape[1],
                    nr = tg_gemm_panel(plan->dtype);
    packing pack = {.dtype = plan->dtype, .from = weights->data};
    pack.k = transposed ? width : u;
    pack.n = transposed ? u : width;
    pack.row = transposed ? 1 : width;
    pack.col = transposed ? width : 1;
    pack.to = tg_alloc((size_t)(pack.k * (pack.n + nr)) * size_of(plan->dtype) + 64);
    if (!pack.to)
        return TG_NO_MEMORY;
    tg_parallel((pack.n + nr - 1) / nr, (double)(u * width) * 0.3, pack_task, &pack);
    p->weights = pack.to;
    plan->depth = tg_gemm_depth(pack.k);
    const int large = (size_t)(u * width) * size_of(plan->dtype) > LARGE_WEIGHTS;
    const ptrdiff_t most = large ? 2 * ROWS_PER_TASK : ROWS_PER_TASK;
    plan->per_task = p->n_batch > most ? most : (p->n_batch + 1) / 2;
    if (p->n_batch > 0) {
        double fmas = (double)(p->n_steps * p->n_batch) * (double)(u * width);
        double units = (double)(p->n_steps * p->n_batch) * (double)width;
        ptrdiff_t n_tasks = (p->n_batch + plan->per_task - 1) / plan->per_task;
        tg_parallel(n_tasks, (fmas / 40 + units) * (plan->dtype == TG_F32 ? 1 : 2), rows_task,
                    plan);
    }
    tg_free(pack.to);
    return atomic_load(&plan->status);
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

static recurrent_plan describe(const tg_array *states, const tg_array *mask)
{
    recurrent_plan plan = {.dtype = states->dtype};
    plan.part.n_steps = states->shape[0] - 1;
    plan.part.n_batch = states->shape[1];
    plan.part.units = states->shape[2];
    plan.part.states = states->data;
    plan.part.mask = mask->data;
    plan.part.mask_step = mask->data ? mask->strides[0] : 0;
    plan.part.mask_row = mask->data ? mask->strides[1] : 0;
    return plan;
}

/* grecurrent (U, width) = sum over steps and rows of h^T ga: one product over (T N), without the
 * first step where its h is 0. With `bias` its gradient, the sum of the rows of ga: the product
 * with a row of ones, one element of stride 0. */
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
    if (!bias || status != TG_OK)
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
 * arrays: states (T + 1, N, U), z (T, N, U), recurrent_kernel (U, U), h0 (N, U) or absent, mask (T,
 * N) bool, any strides, or absent. Here and below all but the mask are contiguous. */
int tg_simple_rnn(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[0], &a[4]);
    plan.kernel = KERNEL(plan, simple_rnn);
    plan.part.z = a[1].data;
    plan.part.has_h0 = a[3].data != NULL;
    start(&plan, a[0].data, &a[3]);
    return run(&plan, &a[2], 0);
}

/* arrays: gz (T, N, U), grecurrent_kernel (U, U), gh0 (N, U), g (T + 1, N, U), states,
 * recurrent_kernel, mask or absent. */
int tg_simple_rnn_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[4], &a[6]);
    const ptrdiff_t last = plan.part.n_steps * plan.part.n_batch * plan.part.units;
    plan.kernel = KERNEL(plan, simple_rnn_grad);
    plan.part.has_h0 = (int)call->ints[0];
    plan.part.g = a[3].data;
    plan.part.gz = a[0].data;
    plan.part.gh0 = a[2].data;
    tg_array g_last = {.data = (char *)a[3].data + last * (ptrdiff_t)size_of(plan.dtype)};
    start(&plan, plan.part.gh0, &g_last);
    int status = run(&plan, &a[5], 1);
    return status == TG_OK ? weight_grad(&plan, &a[1], a[0].data, NULL) : status;
}

/* arrays: states, cells (T + 1, N, U), gates (T, N, 4 U), z (T, N, 4 U), recurrent_kernel (U, 4 U),
 * h0 (N, U) or absent, c0 likewise, mask or absent. */
int tg_lstm(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[0], &a[7]);
    plan.kernel = KERNEL(plan, lstm);
    plan.part.cells = a[1].data;
    plan.part.gates = a[2].data;
    plan.part.z = a[3].data;
    plan.part.has_h0 = a[5].data != NULL;
    start(&plan, a[0].data, &a[5]);
    start(&plan, a[1].data, &a[6]);
    return run(&plan, &a[4], 0);
}

/* arrays: gz (T, N, 4 U), grecurrent_kernel, gh0, gc0 (N, U), g (T + 1, N, U), gc (N, U) or absent,
 * states, cells, gates, recurrent_kernel, mask or absent. */
int tg_lstm_grad(const tg_call *call)
{
    const tg_array *a = call->arrays;
    recurrent_plan plan = describe(&a[6], &a[10]);
    const ptrdiff_t last = plan.part.n_steps * plan.part.n_batch * plan.part.units;
    plan.kernel = KERNEL(plan, lstm_grad);
    plan.part.has_h0 = (int)call->ints[0];
    plan.part.g = a[4].data;
    plan.part.cells = a[7].data;
    plan.part.gates = a[8].data;
    plan.part.gz = a[0].data;
    plan.part.gh0 = a[2].data;
    plan.part.gc0 = a[3].data;
    tg_array g_last = {.data = (char *)a[4].data + last * (ptrdiff_t)size_of(plan.dtype)};
    start(&plan, plan.part.gh0, &g_last);
    start(&plan, plan.part.gc0, &a[5]);
    int status = run(&plan, &a[9], 1);
    return status == TG_OK ? weight_grad(&plan, &a[1], a[0].data, NULL) : status;
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
    return run(&plan, &a[3], 0);
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
    int status = run(&plan, &a[8], 1);
    return status == TG_OK ? weight_grad(&plan, &a[2], a[1].data, a[3].data) : status;
}
