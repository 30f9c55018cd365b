/* optimizer.c - drivers of kernels/optimizer.h, over flat contiguous arrays, in place.
 *
 * sgd       arrays: p, velocity (or absent), g, rate (f64), hyper (f64: momentum, weight decay)
 *           ints[0]: 1 for nesterov
 * adam      arrays: p, m, v, vhat (or absent), g, rate (f64), step (i64, 1 at first), hyper (f64:
 *           beta 1, beta 2, epsilon, weight decay)
 * increment arrays: a counter (i64)
 *
 * Rate and step are read when the call runs: a replay sees those of its step.
 */
#include <math.h>

#include "../strided.h"
#include "../table.h"

typedef struct {
    const tg_array *arrays;
    ptrdiff_t n;
    int nesterov;
    float c_f32[5];
    double c_f64[5];
} update;

static void *part(const tg_array *a, ptrdiff_t start)
{
    return a->data ? (char *)a->data + start * tg_item_size(a->dtype) : NULL;
}

static void run_sgd(void *context, ptrdiff_t task)
{
    const update *u = context;
    const tg_array *a = u->arrays;
    ptrdiff_t start = task * TG_TASK, n = u->n - start < TG_TASK ? u->n - start : TG_TASK;
    void *p = part(&a[0], start), *v = part(&a[1], start), *g = part(&a[2], start);
    if (a[0].dtype == TG_F32)
        tg_active->sgd_f32(n, p, v, g, u->c_f32, u->nesterov);
    else
        tg_active->sgd_f64(n, p, v, g, u->c_f64, u->nesterov);
}

static void run_adam(void *context, ptrdiff_t task)
{
    const update *u = context;
    const tg_array *a = u->arrays;
    ptrdiff_t start = task * TG_TASK, n = u->n - start < TG_TASK ? u->n - start : TG_TASK;
    void *p = part(&a[0], start), *m = part(&a[1], start), *v = part(&a[2], start);
    void *vhat = part(&a[3], start), *g = part(&a[4], start);
    if (a[0].dtype == TG_F32)
        tg_active->adam_f32(n, p, m, v, vhat, g, u->c_f32);
    else
        tg_active->adam_f64(n, p, m, v, vhat, g, u->c_f64);
}

static int run_update(update *u, tg_task body, double cost)
{
    for (int i = 0; i < 5; i++)
        u->c_f32[i] = (float)u->c_f64[i];
    u->n = tg_n_elements(&u->arrays[0]);
    tg_parallel((u->n + TG_TASK - 1) / TG_TASK, cost * (double)u->n, body, u);
    return TG_OK;
}

int tg_sgd(const tg_call *call)
{
    double rate = *(const double *)call->arrays[3].data;
    const double *h = call->arrays[4].data;
    update u = {.arrays = call->arrays, .nesterov = call->ints[0] != 0};
    u.c_f64[0] = rate;
    u.c_f64[1] = h[0];
    u.c_f64[2] = rate * h[1];
    return run_update(&u, run_sgd, 0.3);
}

int tg_adam(const tg_call *call)
{
    double rate = *(const double *)call->arrays[5].data;
    double step = (double)*(const int64_t *)call->arrays[6].data;
    const double *h = call->arrays[7].data;
    update u = {.arrays = call->arrays};
    u.c_f64[0] = rate * sqrt(1 - pow(h[1], step)) / (1 - pow(h[0], step));
    u.c_f64[1] = 1 - h[0];
    u.c_f64[2] = 1 - h[1];
    u.c_f64[3] = h[2];
    u.c_f64[4] = rate * h[3];
    return run_update(&u, run_adam, 0.8);
}

int tg_increment(const tg_call *call)
{
    ++*(int64_t *)call->arrays[0].data;
    return TG_OK;
}
