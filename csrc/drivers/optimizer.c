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
    int64_t n, first;           /* `first`: the number of elements before, set by the driver */
} tensor;

typedef struct update {
    tensor *tensors;
    ptrdiff_t n_tensors, n;
    int dtype, nesterov;
    void (*move)(const struct update *u, tensor piece);
    float c_f32[5];
    double c_f64[5];
} update;

static void move_sgd(const update *u, tensor t)
{
    if (u->dtype == TG_F32)
        tg_active->sgd_f32(t.n, (float *)t.p, (float *)t.m, (float *)t.g, u->c_f32, u->nesterov);
    else
        tg_active->sgd_f64(t.n, (double *)t.p, (double *)t.m, (double *)t.g, u->c_f64, u->nesterov);
}

static void move_adam(const update *u, tensor t)
{
    if (u->dtype == TG_F32)
        tg_active->adam_f32(t.n, (float *)t.p, (float *)t.m, (float *)t.v, (float *)t.vhat,
                            (float *)t.g, u->c_f32);
    else
        tg_active->adam_f64(t.n, (double *)t.p, (double *)t.m, (double *)t.v, (double *)t.vhat,
                            (double *)t.g, u->c_f64);
}

static char *at(char *base, ptrdiff_t bytes)
{
    return base ? base + bytes : NULL;
}

/* A task is TG_TASK elements of all tensors in a row, so that tasks are equal: a thread that is
 * done early takes tasks from another, and with them its part of the cache. */
static void run_task(void *context, ptrdiff_t task)
{
    const update *u = context;
    ptrdiff_t begin = task * TG_TASK, end = begin + TG_TASK < u->n ? begin + TG_TASK : u->n;
    for (const tensor *t = u->tensors; t < u->tensors + u->n_tensors && t->first < end; t++) {
        ptrdiff_t low = t->first > begin ? 0 : begin - t->first;
        ptrdiff_t high = t->first + t->n < end ? t->n : end - t->first;
        ptrdiff_t bytes = low * tg_item_size(u->dtype);
        if (low < high)
            u->move(u, (tensor){at(t->p, bytes), at(t->m, bytes), at(t->v, bytes),
                                at(t->vhat, bytes), at(t->g, bytes), high - low, 0});
    }
}

static int run_update(update *u, double cost)
{
    for (int i = 0; i < 5; i++)
        u->c_f32[i] = (float)u->c_f64[i];
    for (ptrdiff_t i = 0; i < u->n_tensors; i++) {
        u->tensors[i].first = u->n;
        u->n += u->tensors[i].n;
    }
    tg_parallel((u->n + TG_TASK - 1) / TG_TASK, cost * (double)u->n, run_task, u);
    return TG_OK;
}

static int sgd(update *u, const double *rate, const double *hyper, int nesterov)
{
    u->move = move_sgd;
    u->nesterov = nesterov;
    u->c_f64[0] = *rate;
    u->c_f64[1] = hyper[0];
    u->c_f64[2] = *rate * hyper[1];
    return run_update(u, 0.3);
}

static int adam(update *u, const double *rate, const int64_t *step, const double *hyper)
{
    double t = (double)*step;
    u->move = move_adam;
    u->c_f64[0] = *rate * sqrt(1 - pow(hyper[1], t)) / (1 - pow(hyper[0], t));
    u->c_f64[1] = 1 - hyper[0];
    u->c_f64[2] = 1 - hyper[1];
    u->c_f64[3] = hyper[2];
    u->c_f64[4] = *rate * hyper[3];
    return run_update(u, 0.8);
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
