/* internal.h - what the files of the core that are not kernels share. */
#ifndef TG_INTERNAL_H
#define TG_INTERNAL_H

#include <stddef.h>

void tg_threads_init(void); /* threads.c: how many threads may this process use? */
void tg_alloc_init(void);   /* alloc.c: the cache limit, and what a fork must find unlocked */

/* A 64-byte aligned block straight from the system, on huge pages from 2 MB; `room` bytes before it
 * (a multiple of 64) belong to the caller. tg_system_free wants `*base` and `*mapped` back. */
void *tg_system_alloc(size_t n_bytes, size_t room, void **base, size_t *mapped);
void tg_system_free(void *base, size_t mapped);

#endif
