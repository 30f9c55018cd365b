/* threads.c - how many threads work, and how tasks reach them.
 *
 * The default is what the process may use: its affinity mask, limited by the cgroup's CPU quota (a
 * container with 2 of 64 cores must not start 64 threads), unless OMP_NUM_THREADS or, stronger,
 * TINYGRAD_CN_NUM_THREADS says otherwise; tg_set_num_threads changes it at any time.
 *
 * The workers are the threads of an OpenMP region that lives as long as the program. The thread
 * that asks, the leader, deals a job's tasks as one contiguous range per thread, so that a thread
 * meets the same part of an array in kernel after kernel; a thread that is through with its own
 * range takes tasks from the others'. A region for every kernel would be simpler and is not enough:
 * it ends when all its threads have come, and a thread that sleeps, or whose core another program
 * or another library's spinning thread holds, comes milliseconds late. Here the leader begins at
 * once and waits only for workers that have taken a task: a late worker costs its help, nothing
 * else.
 *
 * Workers spin for a while after a job, which makes the next one cheap to hand out, then sleep. A
 * driver states the cost of its work; what is too small for that price stays on the calling thread.
 * Serial also: a task that itself asks for threads, a second thread of the program that asks while
 * a job runs (more threads than cores would only slow both), and the child of a fork (the workers
 * exist in the parent only).
 */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "threads.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"
#include "system.h"
#include "tg.h"

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
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
    tg_mark mark;
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
    mine->mark = (tg_mark){0};
    if (mine->size >= n_bytes && mine->block)
        return mine->block;
    if (mine->block)
        tg_system_free(mine->base, mine->mapped);
    *mine = (scratch){.size = n_bytes + n_bytes / 2}; /* grow in steps, not at every larger shape */
    mine->block = tg_system_alloc(mine->size, 0, &mine->base, &mine->mapped);
    free_at_exit(scratch_of_thread);
    return mine->block;
}

uint64_t tg_new_job(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

void tg_scratch_mark(int slot, tg_mark mark)
{
    scratch_of_thread[slot].mark = mark;
}

void *tg_scratch_marked(int slot, tg_mark mark)
{
    const scratch *mine = &scratch_of_thread[slot];
    const tg_mark is = mine->mark;
    const int same = is.job == mark.job && is.from == mark.from && is.first == mark.first &&
                     is.last == mark.last;
    return same ? mine->block : NULL;
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

/* The gate tells all of a job's state in one number: which round it is, whether workers may still
 * enter, and how many are inside. What they need to know first lies in the same cache line. */
static struct {
    _Alignas(64) atomic_uint_least64_t gate;
    int n; /* threads of this job */
    tg_task body;
    void *context;
    range ranges[MAX_THREADS];
    atomic_char asleep[MAX_THREADS]; /* by worker; set and cleared with the lock held */
    int thread[MAX_THREADS];         /* what the system calls those who are asleep */
    tg_lock lock;
    tg_condition called; /* where they sleep */
    int n_workers;
    atomic_flag is_led;
} team = {.lock = TG_LOCK_INIT, .called = TG_CONDITION_INIT, .is_led = ATOMIC_FLAG_INIT};

static const uint64_t INSIDE = 1, OPEN = 1 << 16, ROUND = 1 << 17;

static _Thread_local int leads; /* this thread leads the team and is not itself inside a task */
static _Thread_local int alone; /* see tg_alone */

static double nanoseconds(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

enum { WAITS_TO_YIELD = 4096 };

/* Wait a little. Long waits yield: with fewer cores than threads the one waited for needs this
 * core. */
static void relax(int n_waits)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
    if (n_waits % WAITS_TO_YIELD == WAITS_TO_YIELD - 1)
        tg_yield();
}

static void take_tasks(int me)
{
    for (int i = 0; i < team.n; i++) {
        range *r = &team.ranges[(me + i) % team.n];
        ptrdiff_t task;
        while ((task = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed)) < r->end)
            team.body(team.context, task);
    }
}

/* ---- a worker ---- */

/* A worker spins this long for the next job: the Python code between two kernels is shorter, and
 * other programs and other libraries' threads soon have the core. */
static const double SPIN_NANOSECONDS = 500e3;

static void sleep_until_called(int me, uint64_t seen)
{
#if defined(__linux__)
    cpu_set_t usual; /* see keep_off */
    int known = sched_getaffinity(0, sizeof usual, &usual) == 0;
#endif
    tg_lock_acquire(&team.lock);
#if defined(__linux__)
    team.thread[me] = (int)syscall(SYS_gettid);
#endif
    atomic_store(&team.asleep[me], 1);
    while (atomic_load(&team.gate) / ROUND == seen)
        tg_condition_wait(&team.called, &team.lock);
    atomic_store(&team.asleep[me], 0);
    tg_lock_release(&team.lock);
#if defined(__linux__)
    if (known)
        sched_setaffinity(0, sizeof usual, &usual);
#endif
}

/* The gate, once its round is another than `seen`. */
static uint64_t next_round(int me, uint64_t seen, double spin)
{
    double start = nanoseconds();
    for (int i = 1;; i++) {
        uint64_t gate = atomic_load(&team.gate);
        if (gate / ROUND != seen)
            return gate;
        relax(i);
        if (i % WAITS_TO_YIELD == 0 && nanoseconds() - start > spin)
            sleep_until_called(me, seen);
    }
}

static void follow(int me)
{
    double spin = SPIN_NANOSECONDS;
    for (uint64_t seen = 0;;) {
        uint64_t gate = next_round(me, seen, spin);
        seen = gate / ROUND;
        while (gate & OPEN && gate / ROUND == seen)
            if (atomic_compare_exchange_weak(&team.gate, &gate, gate + INSIDE)) {
                spin = me < team.n ? SPIN_NANOSECONDS : 0; /* fewer threads are wanted now */
                if (me < team.n)
                    take_tasks(me);
                atomic_fetch_sub(&team.gate, INSIDE);
                break;
            }
    }
}

/* Its own thread, as a region has to be begun by one of the threads that it consists of. */
static void run_workers(void *first_and_number)
{
    int first = (int)(intptr_t)first_and_number / MAX_THREADS;
    int n = (int)(intptr_t)first_and_number % MAX_THREADS;
#pragma omp parallel num_threads(n)
    follow(first + omp_get_thread_num());
}

/* ---- the leader ---- */

/* A system that refuses more threads is no error: the leader does what nobody takes. */
static void recruit(int n)
{
    int missing = n - 1 - team.n_workers;
    if (missing > 0) {
        tg_start_thread(run_workers,
                        (void *)(intptr_t)((team.n_workers + 1) * MAX_THREADS + missing));
        team.n_workers += missing;
    }
}

/* Become the leader, unless there is one or one thread is all there is to be. */
static int take_the_lead(void)
{
    int n = tg_num_threads();
    if (n == 1 || atomic_flag_test_and_set(&team.is_led))
        return 0;
    recruit(n);
    team.n = n;
    leads = 1;
    return 1;
}

static void give_up_the_lead(void)
{
    leads = 0;
    atomic_flag_clear(&team.is_led);
}

/* Does one of the workers sleep that n threads need? */
static int is_asleep(int n)
{
    for (int i = 1; i < n; i++)
        if (atomic_load(&team.asleep[i]))
            return 1;
    return 0;
}

#if defined(__linux__)
/* Linux may wake a thread on the core of the one that calls it, behind which it then waits for
 * milliseconds beside an idle core (a virtual machine's idle cores look taken). So a sleeper may
 * wake on any core but the caller's; once awake it allows itself all of them again. */
static void keep_off(int thread, int cpu)
{
    cpu_set_t set;
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(thread, sizeof set, &set) != 0)
        return;
    CPU_CLR(cpu, &set);
    if (CPU_COUNT(&set) > 0)
        sched_setaffinity(thread, sizeof set, &set);
}
#endif

static void call_sleepers(void)
{
    tg_lock_acquire(&team.lock);
#if defined(__linux__)
    int cpu = sched_getcpu();
    for (int i = 1; i < team.n; i++)
        if (atomic_load(&team.asleep[i]))
            keep_off(team.thread[i], cpu);
#endif
    tg_condition_broadcast(&team.called);
    tg_lock_release(&team.lock);
}

void tg_run_by_team(ptrdiff_t n_tasks, tg_task body, void *context)
{
    for (int i = 0; i < team.n; i++) {
        atomic_store_explicit(&team.ranges[i].next, n_tasks * i / team.n, memory_order_relaxed);
        team.ranges[i].end = n_tasks * (i + 1) / team.n;
    }
    team.body = body;
    team.context = context;
    uint64_t closed = atomic_load_explicit(&team.gate, memory_order_relaxed) + ROUND;
    atomic_store(&team.gate, closed + OPEN);
    if (is_asleep(team.n))
        call_sleepers();
    leads = 0;
    take_tasks(0);
    leads = 1;
    /* closed only while nobody is inside: who comes later finds the gate shut */
    for (int i = 0;; i++) {
        uint64_t gate = closed + OPEN;
        if (atomic_load(&team.gate) == gate &&
            atomic_compare_exchange_strong(&team.gate, &gate, closed))
            return;
        relax(i);
    }
}

/* Nanoseconds of work below which handing it out gains nothing. */
static const double LEAST_WORK = 2000;

/* Calling sleepers takes some 20 us of the leader and they come up to 100 us later: they are called
 * for large work, and when they have missed as much small work as would have paid for it. */
static const double WORTH_A_CALL = 200e3;
static _Thread_local double missed;

static int is_worth_a_team(double work)
{
    if (work < LEAST_WORK)
        return 0;
    if (is_asleep(tg_num_threads())) {
        missed += work;
        if (missed < WORTH_A_CALL)
            return 0;
    }
    missed = 0;
    return 1;
}

void tg_parallel(ptrdiff_t n_tasks, double work, tg_task body, void *context)
{
    if (alone || n_tasks < 2 || !is_worth_a_team(work)) {
        run_serial(n_tasks, body, context);
    } else if (leads) {
        tg_run_by_team(n_tasks, body, context);
    } else if (take_the_lead()) {
        tg_run_by_team(n_tasks, body, context);
        give_up_the_lead();
    } else {
        run_serial(n_tasks, body, context);
    }
}

int tg_team_size(void)
{
    return leads ? team.n : 1;
}

void tg_alone(void (*leader)(void *context), void *context)
{
    alone = 1;
    leader(context);
    alone = 0;
}

static void nothing(void *context, ptrdiff_t task)
{
    (void)context;
    (void)task;
}

void tg_team(void (*leader)(void *context), void *context)
{
    if (!take_the_lead()) {
        leader(context);
        return;
    }
    if (is_asleep(team.n))
        tg_run_by_team(team.n, nothing, NULL); /* awake when the first kernel needs them */
    leader(context);
    give_up_the_lead();
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
