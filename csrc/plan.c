/* plan.c - replay: run a list of kernel calls with nothing in between.
 *
 * A captured training step is an array of tg_call. Replaying it is a loop over tg_run. With a team,
 * one parallel region spans the loop, and each kernel hands its tasks to threads that already wait
 * for them (threads.c); a step that is over in a few microseconds runs faster on one thread. Either
 * way the same tasks compute the same results.
 */
#include <time.h>

#include "tg.h"
#include "threads.h"

typedef struct {
    const tg_call *calls;
    ptrdiff_t n;
    double *nanoseconds;
    int status;
} replay;

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void run_all(void *context)
{
    replay *r = context;
    for (ptrdiff_t i = 0; i < r->n && r->status == TG_OK; i++) {
        double start = r->nanoseconds ? now() : 0;
        r->status = tg_run(&r->calls[i]);
        if (r->nanoseconds)
            r->nanoseconds[i] = now() - start;
    }
}

int tg_run_plan(const tg_call *calls, ptrdiff_t n, int team, double *nanoseconds)
{
    replay r = {calls, n, nanoseconds, TG_OK};
    if (team)
        tg_team(run_all, &r);
    else
        tg_alone(run_all, &r);
    return r.status;
}
