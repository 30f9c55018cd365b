/* threads.c - how many threads work, and how tasks reach them.
 *
 * The default is what the process may use: its affinity mask, limited by the cgroup's CPU quota (a
 * container with 2 of 64 cores must not start 64 threads), unless OMP_NUM_THREADS or, stronger,
 * TINYGRAD_CN_NUM_THREADS says otherwise; tg_set_num_threads changes it at any time.
 *
 * A parallel region costs about a microsecond while libgomp's workers still spin, so a driver
 * states the cost of its work and small work stays on the calling thread. Serial also: a task that
 * itself asks for threads, a second thread of the program that asks while a region runs (more
 * threads than cores would only slow both), and the child of a fork (libgomp's workers exist in the
 * parent only, and waiting for them never ends).
 *
 * Tasks are dealt as one contiguous range per thread, so that a thread meets the same part of an
 * array in kernel after kernel; a thread that finishes early takes tasks from the others' ranges.
 * Every region uses the whole team, even for few tasks: libgomp ends and restarts threads when the
 * size of the team changes.
 */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "threads.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "lock.h"
#include "tg.h"

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <unistd.h>
#endif

enum { MAX_THREADS = 128 };

static atomic_int n_threads = 1;
static atomic_int forked;

/* ---- how many? ----------------------------------------------------------------------------------
 */

#if defined(__linux__)
/* quota / period, rounded up, or 0 when there is no limit. Version 2 has both in one file. */
static int quota_of(const char *path_of_quota, const char *path_of_period)
{
    char quota_text[32] = "";
    double quota = 0, period = 100000;
    FILE *file = fopen(path_of_quota, "r");
    if (!file)
        return 0;
    int n_read = fscanf(file, "%31s %lf", quota_text, &period);
    fclose(file);
    if (n_read < 1)
        return 0;
    if (path_of_period && (file = fopen(path_of_period, "r"))) {
        if (fscanf(file, "%lf", &period) != 1)
            period = 0;
        fclose(file);
    }
    quota = strtod(quota_text, NULL); /* "max" and "-1" mean no limit */
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

static int min_positive(int a, int b)
{
    return b > 0 && b < a ? b : a;
}

/* Is a name in a list such as "cpu,cpuacct"? */
static int is_listed(const char *name, const char *list)
{
    size_t length = strlen(name);
    for (; *list; list += strcspn(list, ",") + 1) {
        if (strncmp(list, name, length) == 0 && (list[length] == ',' || list[length] == 0))
            return 1;
        if (!strchr(list, ','))
            break;
    }
    return 0;
}

/* The smallest quota from the process's own group up to the root of the hierarchy. */
static int limit_by_cgroup(int n)
{
    char line[4096], path[4200], period[4200];
    FILE *file = fopen("/proc/self/cgroup", "r");
    if (!file)
        return n;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        int v2 = controllers[1] == 0;
        if (!v2 && !is_listed("cpu", controllers + 1))
            continue;
        for (;;) { /* inside a container the path may name a group that is mounted as the root */
            if (v2) {
                snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
                n = min_positive(n, quota_of(path, NULL));
            } else {
                snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
                snprintf(period, sizeof period, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
                n = min_positive(n, quota_of(path, period));
            }
            char *slash = strrchr(group, '/');
            if (!slash)
                break;
            *slash = 0;
        }
    }
    fclose(file);
    return n;
}
#endif

static int usable_processors(void)
{
#if defined(__linux__)
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                         : sysconf(_SC_NPROCESSORS_ONLN);
    return limit_by_cgroup(n > 0 ? (int)n : 1);
#elif defined(_OPENMP)
    return omp_get_num_procs();
#else
    return 1;
#endif
}

/* The first number of a variable such as "4" or "4,2", or 0. */
static int number_in(const char *variable)
{
    const char *text = getenv(variable);
    long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 ? (n < MAX_THREADS ? (int)n : MAX_THREADS) : 0;
}

void tg_after_fork_in_child(void)
{
    atomic_store(&forked, 1);
}

int tg_openmp(void)
{
#if defined(_OPENMP)
    return 1;
#else
    return 0;
#endif
}

void tg_set_num_threads(int n)
{
    n = n < 1 || !tg_openmp() ? 1 : n < MAX_THREADS ? n : MAX_THREADS;
    atomic_store(&n_threads, n);
}

int tg_num_threads(void)
{
    return atomic_load(&forked) ? 1 : atomic_load(&n_threads);
}

/* ---- scratch ------------------------------------------------------------------------------------
 */

typedef struct {
    void *block, *base;
    size_t size, mapped;
} scratch;

#if defined(_WIN32)
static __declspec(thread) scratch scratch_of_thread[TG_N_SCRATCH];
static void free_at_exit(scratch *mine)
{
    (void)mine; /* the few megabytes of an ended thread stay until the process ends */
}
#else
static _Thread_local scratch scratch_of_thread[TG_N_SCRATCH];
static pthread_key_t scratch_key;

static void free_scratch(void *all)
{
    scratch *mine = all;
    for (int i = 0; i < TG_N_SCRATCH; i++)
        if (mine[i].block) {
            tg_system_free(mine[i].base, mine[i].mapped);
            mine[i] = (scratch){0};
        }
}

static void free_at_exit(scratch *mine)
{
    pthread_setspecific(scratch_key, mine);
}
#endif

void *tg_scratch(int slot, size_t n_bytes)
{
    scratch *mine = &scratch_of_thread[slot];
    if (mine->size >= n_bytes && mine->block)
        return mine->block;
    if (mine->block)
        tg_system_free(mine->base, mine->mapped);
    *mine = (scratch){.size = n_bytes + n_bytes / 2}; /* grow in steps, not at every larger shape */
    mine->block = tg_system_alloc(mine->size, 0, &mine->base, &mine->mapped);
    free_at_exit(scratch_of_thread);
    return mine->block;
}

/* ---- tasks --------------------------------------------------------------------------------------
 */

static void run_serial(ptrdiff_t n_tasks, tg_task body, void *context)
{
    for (ptrdiff_t task = 0; task < n_tasks; task++)
        body(context, task);
}

#if defined(_OPENMP)
typedef struct {
    _Alignas(64) atomic_ptrdiff_t next; /* a cache line each: the threads count on their own */
    ptrdiff_t end;
} range;

static void deal(range *ranges, int n, ptrdiff_t n_tasks)
{
    for (int i = 0; i < n; i++) {
        atomic_store_explicit(&ranges[i].next, n_tasks * i / n, memory_order_relaxed);
        ranges[i].end = n_tasks * (i + 1) / n;
    }
}

static void take_tasks(range *ranges, int n, int me, tg_task body, void *context)
{
    for (int i = 0; i < n; i++) {
        range *r = &ranges[(me + i) % n];
        ptrdiff_t task;
        while ((task = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed)) < r->end)
            body(context, task);
    }
}

static void run_parallel(int n, ptrdiff_t n_tasks, tg_task body, void *context)
{
    range ranges[MAX_THREADS];
    deal(ranges, n, n_tasks);
#pragma omp parallel num_threads(n)
    take_tasks(ranges, n, omp_get_thread_num(), body, context);
}

/* ---- a team: one region for a list of kernels
 * ---------------------------------------------------- */

typedef struct {
    range ranges[MAX_THREADS];
    tg_task body;
    void *context;
    int n, over;
    _Alignas(64) atomic_uint round;   /* counts what the leader has handed out */
    _Alignas(64) atomic_int finished; /* workers that are through with this round */
} team;

static _Thread_local team *led; /* by this thread, while it is not itself inside a task */

/* Wait a little. Long waits yield: with fewer cores than threads the one waited for needs this
 * core. */
static void relax(int n_waits)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
    if (n_waits % 4096 == 4095)
        sched_yield();
}

static void run_in_team(team *t, ptrdiff_t n_tasks, tg_task body, void *context)
{
    deal(t->ranges, t->n, n_tasks);
    t->body = body;
    t->context = context;
    atomic_store_explicit(&t->finished, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->round, 1, memory_order_release);
    led = NULL;
    take_tasks(t->ranges, t->n, 0, body, context);
    led = t;
    for (int i = 0; atomic_load_explicit(&t->finished, memory_order_acquire) < t->n - 1; i++)
        relax(i);
}

static void follow(team *t, int me)
{
    for (unsigned seen = 0;; seen++) {
        for (int i = 0; atomic_load_explicit(&t->round, memory_order_acquire) == seen; i++)
            relax(i);
        if (t->over)
            return;
        take_tasks(t->ranges, t->n, me, t->body, t->context);
        atomic_fetch_add_explicit(&t->finished, 1, memory_order_release);
    }
}

static void nothing(void *context, ptrdiff_t task)
{
    (void)context;
    (void)task;
}

/* Nanoseconds of a region with n threads: the least of some, measured when first needed. When other
 * programs hold the cores at that moment it takes milliseconds, which says nothing about later: the
 * measuring ends soon and counts as no more than what a large idle machine needs. */
static double region_cost(int n)
{
    static atomic_int measured_for;
    static _Atomic double cost;
    const double most = 20e-6, patience = 1e-3;
    if (atomic_load(&measured_for) != n) {
        double least = most, began = omp_get_wtime(), start = began;
        for (int i = 0; i < 20 && start - began < patience; i++) {
            run_parallel(n, n, nothing, NULL);
            double now = omp_get_wtime();
            if (i > 0 && now - start < least) /* the first region starts the threads */
                least = now - start;
            start = now;
        }
        atomic_store(&cost, least * 1e9);
        atomic_store(&measured_for, n);
    }
    return atomic_load(&cost);
}

static atomic_flag region_runs = ATOMIC_FLAG_INIT;

/* Below this even the fastest region gains nothing, and its cost is not asked for. */
static const double LEAST_WORK = 4000;

static _Thread_local int alone; /* see tg_alone */

/* Handing tasks to a waiting team costs less than this. */
static const double LEAST_WORK_IN_TEAM = 1500;

void tg_parallel(ptrdiff_t n_tasks, double work, tg_task body, void *context)
{
    if (led && n_tasks > 1 && work > LEAST_WORK_IN_TEAM) {
        run_in_team(led, n_tasks, body, context);
        return;
    }
    int n = tg_num_threads();
    if (alone || n == 1 || n_tasks < 2 || work < LEAST_WORK || omp_in_parallel() ||
        atomic_flag_test_and_set(&region_runs)) {
        run_serial(n_tasks, body, context);
        return;
    }
    /* the workers may sleep: a margin of 2 over the cost measured while they spin */
    if (work - work / n > 2 * region_cost(n))
        run_parallel(n, n_tasks, body, context);
    else
        run_serial(n_tasks, body, context);
    atomic_flag_clear(&region_runs);
}

int tg_team_size(void)
{
    return led ? led->n : 1;
}

void tg_run_by_team(ptrdiff_t n_tasks, tg_task body, void *context)
{
    run_in_team(led, n_tasks, body, context);
}

void tg_alone(void (*leader)(void *context), void *context)
{
    alone = 1;
    leader(context);
    alone = 0;
}

void tg_team(void (*leader)(void *context), void *context)
{
    int n = tg_num_threads();
    if (n == 1 || omp_in_parallel() || atomic_flag_test_and_set(&region_runs)) {
        leader(context);
        return;
    }
    team t = {.n = n};
#pragma omp parallel num_threads(n)
    {
        int me = omp_get_thread_num();
        if (me == 0) {
            t.n = omp_get_num_threads();
            led = &t;
            leader(context);
            led = NULL;
            t.over = 1;
            atomic_fetch_add_explicit(&t.round, 1, memory_order_release);
        } else {
            follow(&t, me);
        }
    }
    atomic_flag_clear(&region_runs);
}
#else
int tg_team_size(void)
{
    return 1;
}

void tg_run_by_team(ptrdiff_t n_tasks, tg_task body, void *context)
{
    run_serial(n_tasks, body, context);
}

void tg_alone(void (*leader)(void *context), void *context)
{
    leader(context);
}

void tg_team(void (*leader)(void *context), void *context)
{
    leader(context);
}

void tg_parallel(ptrdiff_t n_tasks, double work, tg_task body, void *context)
{
    (void)work;
    run_serial(n_tasks, body, context);
}
#endif

void tg_threads_init(void)
{
#if !defined(_WIN32)
    pthread_key_create(&scratch_key, free_scratch);
    pthread_atfork(NULL, NULL, tg_after_fork_in_child);
#endif
    int n = number_in("TINYGRAD_CN_NUM_THREADS");
    if (n == 0)
        n = number_in("OMP_NUM_THREADS");
    tg_set_num_threads(n > 0 ? n : usable_processors());
}
