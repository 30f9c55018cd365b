/* attention.c - attention: which head and which queries make a task.
 *
 * Forward, a task is one block of queries of one head: no two tasks write the same place. In the
 * gradient the queries of a head add to the same gk and gv, so a task is a whole head, unless there
 * are too few heads to go round: then a head's queries are shared out to several tasks with gk and
 * gv of their own, which a second pass adds in order. Memory stays O(T): at most 16 such parts.
 *
 * The kernels are in kernels/attention.h.
 */
#include <string.h>

#include "../attention.h"
#include "../table.h"
#include "../threads.h"
#include <stdatomic.h>

#define TASKS_WANTED 16

typedef struct {
    const tg_call *call;
    int dtype;
    ptrdiff_t heads, per_task, n_parts; /* queries of a task, tasks of a head */
    char *sums;                         /* gk and gv of each task, when n_parts > 1 */
    atomic_int status;
} attention_plan;

static void *element(const tg_array *a, ptrdiff_t b, ptrdiff_t h)
{
    ptrdiff_t size = a->dtype == TG_F32 ? 4 : a->dtype == TG_F64 ? 8 : 1;
    return a->data ? (char *)a->data + (b * a->strides[0] + h * a->strides[1]) * size : NULL;
}

/* The arrays q, k, v and the mask of one head, and the queries of one task. 0: no memory. */
static int describe(attention_plan *plan, ptrdiff_t task, const tg_array *q, const tg_array *k,
                    const tg_array *v, const tg_array *mask, tg_attention_part *p)
{
    const ptrdiff_t head = task / plan->n_parts, b = head / plan->heads, h = head % plan->heads;
    const ptrdiff_t first = task % plan->n_parts * plan->per_task, left = q->shape[2] - first;
    *p = (tg_attention_part){.first = first,
                             .n_queries = left < plan->per_task ? left : plan->per_task,
                             .n_keys = k->shape[2],
                             .depth = q->shape[3],
                             .value_depth = v->shape[3],
                             .causal = (int)plan->call->ints[0],
                             .scale = plan->call->floats[0]};
    p->q = element(q, b, h);
    p->k = element(k, b, h);
    p->v = element(v, b, h);
    p->q_row = q->strides[2];
    p->k_row = k->strides[2];
    p->v_row = v->strides[2];
    if (mask->data) {
        p->mask_kind = mask->dtype == TG_U8 ? TG_MASK_BOOL : TG_MASK_ADDED;
        p->mask = element(mask, b, h);
        p->mask_row = mask->strides[2];
        p->mask_col = mask->strides[3];
    }
    size_t size = (size_t)tg_attention_work(p->depth, p->value_depth) * 8;
    p->work = tg_scratch(TG_SCRATCH_WORK, size);
    if (!p->work)
        atomic_store(&plan->status, TG_NO_MEMORY);
    return p->work != NULL;
}

static double cost(const attention_plan *plan, const tg_array *q, const tg_array *k,
                   const tg_array *v, double products)
{
    double scores = (double)q->shape[0] * (double)q->shape[1] * (double)q->shape[2] *
                    (double)k->shape[2] * (plan->dtype == TG_F32 ? 1 : 2);
    return scores * (0.3 + products * (double)(q->shape[3] + v->shape[3]) / 80);
}

static void forward_task(void *context, ptrdiff_t task)
{
    attention_plan *plan = context;
    const tg_array *a = plan->call->arrays;
    const ptrdiff_t head = task / plan->n_parts;
    tg_attention_part p;
    if (!describe(plan, task, &a[2], &a[3], &a[4], &a[5], &p))
        return;
    p.y = element(&a[0], head / plan->heads, head % plan->heads);
    p.y_row = a[0].strides[2];
    p.lse = element(&a[1], head / plan->heads, head % plan->heads);
    (plan->dtype == TG_F32 ? tg_active->attention_f32 : tg_active->attention_f64)(&p);
}

/* ints: [0] causal. floats: [0] scale. arrays: y (B, H, T, E), lse (B, H, T), q (B, H, T, D), k (B,
 * H, S, D), v (B, H, S, E), mask (B, H, T, S; bool or of q's dtype) or absent. Rows are contiguous
 * but for the mask's; lse is contiguous. */
int tg_attention(const tg_call *call)
{
    const tg_array *a = call->arrays, *q = &a[2];
    attention_plan plan = {.call = call, .dtype = q->dtype, .heads = q->shape[1], .status = TG_OK};
    plan.per_task = TG_ATTENTION_QUERIES;
    plan.n_parts = (q->shape[2] + TG_ATTENTION_QUERIES - 1) / TG_ATTENTION_QUERIES;
    tg_parallel(q->shape[0] * q->shape[1] * plan.n_parts, cost(&plan, q, &a[3], &a[4], 1),
                forward_task, &plan);
    return atomic_load(&plan.status);
}

static void clear_rows(const tg_array *a, void *rows)
{
    const size_t size = a->dtype == TG_F32 ? 4 : 8, n_bytes = (size_t)a->shape[3] * size;
    for (ptrdiff_t i = 0; i < a->shape[2]; i++)
        memset((char *)rows + (size_t)(i * a->strides[2]) * size, 0, n_bytes);
}

static void grad_task(void *context, ptrdiff_t task)
{
    attention_plan *plan = context;
    const tg_array *a = plan->call->arrays, *gk = &a[1], *gv = &a[2];
    const ptrdiff_t head = task / plan->n_parts, b = head / plan->heads, h = head % plan->heads;
    tg_attention_part p;
    if (!describe(plan, task, &a[4], &a[5], &a[6], &a[9], &p))
        return;
    p.gq = element(&a[0], b, h);
    p.gq_row = a[0].strides[2];
    p.g = element(&a[3], b, h);
    p.g_row = a[3].strides[2];
    p.y = element(&a[7], b, h);
    p.y_row = a[7].strides[2];
    p.lse = element(&a[8], b, h);
    if (plan->n_parts == 1) {
        p.gk = element(gk, b, h);
        p.gk_row = gk->strides[2];
        p.gv = element(gv, b, h);
        p.gv_row = gv->strides[2];
        clear_rows(gk, p.gk);
        clear_rows(gv, p.gv);
    } else {
        const size_t size = plan->dtype == TG_F32 ? 4 : 8;
        const size_t n = (size_t)p.n_keys, n_bytes = n * (size_t)(p.depth + p.value_depth) * size;
        p.gk = plan->sums + (size_t)task * n_bytes;
        p.gk_row = p.depth;
        p.gv = (char *)p.gk + n * (size_t)p.depth * size;
        p.gv_row = p.value_depth;
        memset(p.gk, 0, n_bytes);
    }
    (plan->dtype == TG_F32 ? tg_active->attention_grad_f32 : tg_active->attention_grad_f64)(&p);
}

/* One row of one head's gk or gv: the sum of the parts. */
static void add_row(const attention_plan *plan, const tg_array *out, ptrdiff_t head, ptrdiff_t row,
                    ptrdiff_t part_size, ptrdiff_t offset)
{
    const ptrdiff_t n = out->shape[3], first = head * plan->n_parts * part_size + offset + row * n;
    void *to = element(out, head / plan->heads, head % plan->heads);
    if (plan->dtype == TG_F32) {
        float *y = (float *)to + row * out->strides[2];
        memset(y, 0, (size_t)n * sizeof *y);
        for (ptrdiff_t part = 0; part < plan->n_parts; part++)
            for (ptrdiff_t i = 0; i < n; i++)
                y[i] += ((const float *)plan->sums)[first + part * part_size + i];
    } else {
        double *y = (double *)to + row * out->strides[2];
        memset(y, 0, (size_t)n * sizeof *y);
        for (ptrdiff_t part = 0; part < plan->n_parts; part++)
            for (ptrdiff_t i = 0; i < n; i++)
                y[i] += ((const double *)plan->sums)[first + part * part_size + i];
    }
}

static void add_task(void *context, ptrdiff_t head)
{
    const attention_plan *plan = context;
    const tg_array *gk = &plan->call->arrays[1], *gv = &plan->call->arrays[2];
    const ptrdiff_t n = gk->shape[2], size = n * (gk->shape[3] + gv->shape[3]);
    for (ptrdiff_t row = 0; row < n; row++) {
        add_row(plan, gk, head, row, size, 0);
        add_row(plan, gv, head, row, size, n * gk->shape[3]);
    }
}

/* ints: [0] causal. floats: [0] scale. arrays: gq, gk, gv, g (B, H, T, E), q, k, v, y (B, H, T, E),
 * lse (B, H, T), mask or absent; as in tg_attention. */
int tg_attention_grad(const tg_call *call)
{
    const tg_array *a = call->arrays, *q = &a[4], *gk = &a[1], *gv = &a[2];
    const ptrdiff_t n_heads = q->shape[0] * q->shape[1];
    const ptrdiff_t n_blocks = (q->shape[2] + TG_ATTENTION_QUERIES - 1) / TG_ATTENTION_QUERIES;
    attention_plan plan = {.call = call, .dtype = q->dtype, .heads = q->shape[1], .status = TG_OK};
    if (n_heads == 0)
        return TG_OK;
    ptrdiff_t parts = (TASKS_WANTED + n_heads - 1) / n_heads;
    parts = parts < n_blocks ? parts : n_blocks < 1 ? 1 : n_blocks;
    plan.per_task = (n_blocks + parts - 1) / parts * TG_ATTENTION_QUERIES;
    plan.n_parts = plan.per_task ? (q->shape[2] + plan.per_task - 1) / plan.per_task : 1;
    if (plan.n_parts > 1) {
        size_t size = q->dtype == TG_F32 ? 4 : 8;
        size *= (size_t)(n_heads * plan.n_parts * gk->shape[2]);
        plan.sums = tg_alloc(size * (size_t)(gk->shape[3] + gv->shape[3]));
        if (!plan.sums)
            return TG_NO_MEMORY;
    }
    double work = cost(&plan, q, &a[5], &a[6], 2.5);
    tg_parallel(n_heads * plan.n_parts, work, grad_task, &plan);
    if (plan.n_parts > 1) {
        tg_parallel(n_heads, work / 64, add_task, &plan);
        tg_free(plan.sums);
    }
    return atomic_load(&plan.status);
}
