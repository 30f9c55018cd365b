/* lock.h - a mutex and the moment of a fork, on POSIX and Windows. */
#ifndef TG_LOCK_H
#define TG_LOCK_H

#if defined(_WIN32)
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
#else
#include <pthread.h>
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
#endif

#endif
