/* system.h - a mutex, a condition and threads, on POSIX and Windows. */
#ifndef TG_SYSTEM_H
#define TG_SYSTEM_H

#if defined(_WIN32)
#include <process.h>
#include <windows.h>
typedef SRWLOCK tg_lock;
#define TG_LOCK_INIT SRWLOCK_INIT
static inline void tg_lock_acquire(tg_lock *lock)
{
    AcquireSRWLockExclusive(lock);
}
static inline void tg_lock_release(tg_lock *lock)
{
    ReleaseSRWLockExclusive(lock);
}

typedef CONDITION_VARIABLE tg_condition;
#define TG_CONDITION_INIT CONDITION_VARIABLE_INIT
static inline void tg_condition_wait(tg_condition *condition, tg_lock *lock)
{
    SleepConditionVariableSRW(condition, lock, INFINITE, 0);
}
static inline void tg_condition_broadcast(tg_condition *condition)
{
    WakeAllConditionVariable(condition);
}

static inline void tg_yield(void)
{
    SwitchToThread();
}
static inline void tg_start_thread(void (*run)(void *), void *argument)
{
    _beginthread(run, 0, argument);
}
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
typedef pthread_mutex_t tg_lock;
#define TG_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
static inline void tg_lock_acquire(tg_lock *lock)
{
    pthread_mutex_lock(lock);
}
static inline void tg_lock_release(tg_lock *lock)
{
    pthread_mutex_unlock(lock);
}

typedef pthread_cond_t tg_condition;
#define TG_CONDITION_INIT PTHREAD_COND_INITIALIZER
static inline void tg_condition_wait(tg_condition *condition, tg_lock *lock)
{
    pthread_cond_wait(condition, lock);
}
static inline void tg_condition_broadcast(tg_condition *condition)
{
    pthread_cond_broadcast(condition);
}

static inline void tg_yield(void)
{
    sched_yield();
}

typedef struct {
    void (*run)(void *);
    void *argument;
} tg_start;

static inline void *tg_run_thread(void *given)
{
    tg_start start = *(tg_start *)given;
    free(given);
    start.run(start.argument);
    return NULL;
}

/* Signals stay with the program's own threads: Ctrl-C must reach Python. A system that refuses
 * another thread is left alone. */
static inline void tg_start_thread(void (*run)(void *), void *argument)
{
    tg_start *start = malloc(sizeof *start);
    sigset_t all, before;
    pthread_t thread;
    if (!start)
        return;
    *start = (tg_start){run, argument};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, tg_run_thread, start) == 0)
        pthread_detach(thread);
    else
        free(start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
#endif

#endif
