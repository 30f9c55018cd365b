/* random.c - drivers of kernels/random.h: the counter of a task follows from its place.
 *
 * random   arrays: y, state (i64: seed, offset)           ints[0]: 0 uniform, 1 normal
 * dropout  arrays: y, mask (u8), state, x                 floats[0]: rate
 *
 * All in C order. The state is read when the call runs, and its offset moves on by the counters
 * used.
 */
#include <math.h>

#include "../strided.h"
#include "../table.h"

typedef struct {
    const tg_call *call;
    uint64_t seed, offset;
    ptrdiff_t n, per_tile;
    double threshold, scale;
} draw;

/* TG_TASK elements are whole tiles of 16 counters. */
static uint64_t counter_of(const draw *d, ptrdiff_t start)
{
    return d->offset + (uint64_t)(start / d->per_tile * 16);
}

static void begin(draw *d, const tg_call *call, const tg_array *state, ptrdiff_t per_tile)
{
    int64_t *s = state->data;
    d->call = call;
    d->n = tg_n_elements(&call->arrays[0]);
    d->per_tile = per_tile;
    d->seed = (uint64_t)s[0];
    d->offset = (uint64_t)s[1];
    s[1] = (int64_t)counter_of(d, d->n + per_tile - 1);
}

static void run_random(void *context, ptrdiff_t task)
{
    const draw *d = context;
    const tg_array *y = &d->call->arrays[0];
    ptrdiff_t start = task * TG_TASK, n = d->n - start < TG_TASK ? d->n - start : TG_TASK;
    int normal = d->call->ints[0] != 0;
    if (y->dtype == TG_F32)
        (normal ? tg_active->normal_f32 : tg_active->uniform_f32)(n, (float *)y->data + start,
                                                                  d->seed, counter_of(d, start));
    else
        (normal ? tg_active->normal_f64 : tg_active->uniform_f64)(n, (double *)y->data + start,
                                                                  d->seed, counter_of(d, start));
}

int tg_random(const tg_call *call)
{
    draw d;
    begin(&d, call, &call->arrays[1], call->arrays[0].dtype == TG_F32 ? 64 : 32);
    tg_parallel((d.n + TG_TASK - 1) / TG_TASK, (call->ints[0] ? 2 : 0.8) * (double)d.n, run_random,
                &d);
    return TG_OK;
}

static void run_dropout(void *context, ptrdiff_t task)
{
    const draw *d = context;
    const tg_array *a = d->call->arrays;
    ptrdiff_t start = task * TG_TASK, n = d->n - start < TG_TASK ? d->n - start : TG_TASK;
    uint8_t *mask = (uint8_t *)a[1].data + start;
    uint64_t counter = counter_of(d, start);
    if (a[0].dtype == TG_F32)
        tg_active->dropout_f32(n, (float *)a[0].data + start, mask,
                               (const float *)a[3].data + start, d->seed, counter, d->threshold,
                               d->scale);
    else
        tg_active->dropout_f64(n, (double *)a[0].data + start, mask,
                               (const double *)a[3].data + start, d->seed, counter, d->threshold,
                               d->scale);
}

int tg_dropout(const tg_call *call)
{
    draw d;
    double rate = call->floats[0];
    begin(&d, call, &call->arrays[2], 64);
    d.threshold = ceil(rate * 0x1p24);
    d.scale = rate < 1 ? 1 / (1 - rate) : 0;
    tg_parallel((d.n + TG_TASK - 1) / TG_TASK, (double)d.n, run_dropout, &d);
    return TG_OK;
}
