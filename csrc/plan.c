/* plan.c - replay: run a list of kernel calls with nothing in between.
 *
 * A captured training step is an array of tg_call. Replaying it is a loop over tg_run. With a team,
 * one parallel region spans the loop, and each kernel hands its tasks to threads that already wait
 * for them (threads.c); a step that is over in a few microseconds runs faster on one thread. Calls
 * of about the same cost that do not depend on each other stand side by side in a plan: a team runs
 * such calls at once, a thread each, which spares them the splitting and the waiting. Whatever way
 * is taken, the same tasks compute the same results.
 */
#include <stdatomic.h>
#include <time.h>

#include "tg.h"
#include "threads.h"

typedef struct {
    const tg_call *calls;
    const int32_t *together;
    ptrdiff_t n;
    double *nanoseconds;
    ptrdiff_t failed;
    int status;
} replay;

typedef struct {
    const tg_call *calls;
    atomic_int status;
} group;

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void run_member(void *context, ptrdiff_t i)
{
    group *g = context;
    int status = tg_run(&g->calls[i]);
    if (status != TG_OK)
        atomic_store(&g->status, status);
}

/* How many of the calls from i on the team should run at the same time, one thread each. */
static ptrdiff_t at_once(const replay *r, ptrdiff_t i)
{
    int n = tg_team_size();
    return n > 1 ? r->together[i] - r->together[i] % n : 0;
}

static void run_all(void *context)
{
    replay *r = context;
    for (ptrdiff_t i = 0, n; i < r->n && r->status == TG_OK; i += n) {
        double start = r->nanoseconds ? now() : 0;
        r->failed = i; /* unless it ends well, and another follows */
        n = at_once(r, i);
        if (n > 1) {
            group g = {.calls = r->calls + i, .status = TG_OK};
            tg_run_by_team(n, run_member, &g);
            r->status = atomic_load(&g.status);
        } else {
            n = 1;
            r->status = tg_run(&r->calls[i]);
        }
        if (r->nanoseconds)
            r->nanoseconds[i] = now() - start;
    }
}

int tg_run_plan(const tg_call *calls, const int32_t *together, ptrdiff_t n, int team,
                double *nanoseconds, ptrdiff_t *failed)
{
    replay r = {calls, together, n, nanoseconds, 0, TG_OK};
    if (team)
        tg_team(run_all, &r);
    else
        tg_alone(run_all, &r);
    *failed = r.failed;
    return r.status;
}
