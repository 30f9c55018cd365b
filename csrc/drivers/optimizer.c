/* optimizer.c - drivers of kernels/optimizer.h, over flat contiguous arrays, in place.
 *
 * sgd       arrays: p, velocity (or absent), g, rate (f64), hyper (f64: momentum, weight decay)
 *           ints[0]: 1 for nesterov
 * adam      arrays: p, m, v, vhat (or absent), g, rate (f64), step (i64, 1 at first), hyper (f64:
 *           beta 1, beta 2, epsilon, weight decay)
 * sgd_all   arrays: rate, hyper, tensors (i64, as in `tensor` below)
 *           ints: number of tensors, dtype, nesterov
 * adam_all  arrays: rate, step, hyper, tensors    ints: number of tensors, dtype
 * increment arrays: a counter (i64)
 *
 * The two with "all" are what a plan makes of the calls of one step: one parallel region, and large
 * tensors beside small ones.
 *
 * Rate and step are read when the call runs: a replay sees those of its step.
 */
#include <math.h>

#include "../strided.h"
#include "../table.h"

typedef struct {
    char *p, *m, *v, *vhat, *g; /* vhat may be NULL, and so may m, the velocity of sgd */
    int64_t n, first_task;      /* the latter is for the driver */
} tensor;

typedef struct {
    tensor *tensors;
    ptrdiff_t n_tensors;
    int dtype, nesterov;
    float c_f32[5];
    double c_f64[5];
} update;

typedef struct {
    void *p, *m, *v, *vhat, *g;
    ptrdiff_t n;
} piece;

static void *at(char *base, ptrdiff_t bytes)
{
    return base ? base + bytes : NULL;
}

/* The elements of a task: TG_TASK of one tensor, or what is left of it. */
static piece piece_of(const update *u, ptrdiff_t task)
{
    const tensor *t = u->tensors + u->n_tensors - 1;
    while (t->first_task > task)
        t--;
    ptrdiff_t start = (task - t->first_task) * TG_TASK, bytes = start * tg_item_size(u->dtype);
    ptrdiff_t n = t->n - start < TG_TASK ? t->n - start : TG_TASK;
    return (piece){at(t->p, bytes),    at(t->m, bytes), at(t->v, bytes),
                   at(t->vhat, bytes), at(t->g, bytes), n};
}

static void run_sgd(void *context, ptrdiff_t task)
{
    const update *u = context;
    piece t = piece_of(u, task);
    if (u->dtype == TG_F32)
        tg_active->sgd_f32(t.n, t.p, t.m, t.g, u->c_f32, u->nesterov);
    else
        tg_active->sgd_f64(t.n, t.p, t.m, t.g, u->c_f64, u->nesterov);
}

static void run_adam(void *context, ptrdiff_t task)
{
    const update *u = context;
    piece t = piece_of(u, task);
    if (u->dtype == TG_F32)
        tg_active->adam_f32(t.n, t.p, t.m, t.v, t.vhat, t.g, u->c_f32);
    else
        tg_active->adam_f64(t.n, t.p, t.m, t.v, t.vhat, t.g, u->c_f64);
}

static int run_update(update *u, tg_task body, double cost)
{
    ptrdiff_t n_tasks = 0, n = 0;
    for (int i = 0; i < 5; i++)
        u->c_f32[i] = (float)u->c_f64[i];
    for (ptrdiff_t i = 0; i < u->n_tensors; i++) {
        u->tensors[i].first_task = n_tasks;
        n_tasks += (u->tensors[i].n + TG_TASK - 1) / TG_TASK;
        n += u->tensors[i].n;
    }
    tg_parallel(n_tasks, cost * (double)n, body, u);
    return TG_OK;
}

static int sgd(update *u, const double *rate, const double *hyper, int nesterov)
{
    u->nesterov = nesterov;
    u->c_f64[0] = *rate;
    u->c_f64[1] = hyper[0];
    u->c_f64[2] = *rate * hyper[1];
    return run_update(u, run_sgd, 0.3);
}

static int adam(update *u, const double *rate, const int64_t *step, const double *hyper)
{
    double t = (double)*step;
    u->c_f64[0] = *rate * sqrt(1 - pow(hyper[1], t)) / (1 - pow(hyper[0], t));
    u->c_f64[1] = 1 - hyper[0];
    u->c_f64[2] = 1 - hyper[1];
    u->c_f64[3] = hyper[2];
    u->c_f64[4] = *rate * hyper[3];
    return run_update(u, run_adam, 0.8);
}

int tg_sgd(const tg_call *call)
{
    const tg_array *a = call->arrays;
    tensor t = {.p = a[0].data, .m = a[1].data, .g = a[2].data, .n = tg_n_elements(&a[0])};
    update u = {.tensors = &t, .n_tensors = 1, .dtype = a[0].dtype};
    return sgd(&u, a[3].data, a[4].data, call->ints[0] != 0);
}

int tg_adam(const tg_call *call)
{
    const tg_array *a = call->arrays;
    tensor t = {a[0].data, a[1].data, a[2].data, a[3].data, a[4].data, tg_n_elements(&a[0]), 0};
    update u = {.tensors = &t, .n_tensors = 1, .dtype = a[0].dtype};
    return adam(&u, a[5].data, a[6].data, a[7].data);
}

int tg_sgd_all(const tg_call *call)
{
    const tg_array *a = call->arrays;
    update u = {.tensors = a[2].data, .n_tensors = call->ints[0], .dtype = (int)call->ints[1]};
    return sgd(&u, a[0].data, a[1].data, call->ints[2] != 0);
}

int tg_adam_all(const tg_call *call)
{
    const tg_array *a = call->arrays;
    update u = {.tensors = a[3].data, .n_tensors = call->ints[0], .dtype = (int)call->ints[1]};
    return adam(&u, a[0].data, a[1].data, a[2].data);
}

int tg_increment(const tg_call *call)
{
    ++*(int64_t *)call->arrays[0].data;
    return TG_OK;
}
