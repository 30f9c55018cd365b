/* threads.h - the one place that decides how many threads work, and hands out tasks.
 *
 * A driver splits its work into tasks by the shapes alone and calls `tg_parallel`; which thread
 * runs which task never changes a result, so results are bitwise the same for any number of
 * threads.
 */
#ifndef TG_THREADS_H
#define TG_THREADS_H

#include <stddef.h>
#include <stdint.h>

typedef void (*tg_task)(void *context, ptrdiff_t task);

/* Run body(context, 0 .. n_tasks-1). `work` is the cost of the whole in nanoseconds of one core, a
 * rough estimate: where handing tasks out would cost more than it gains, the caller runs them all.
 */
void tg_parallel(ptrdiff_t n_tasks, double work, tg_task body, void *context);

/* Run leader(context) with the team of threads awake beside it and kept for it: for a list of
 * kernels. */
void tg_team(void (*leader)(void *context), void *context);

/* The number of threads of the team that this thread leads at the moment; 1 if it leads none. */
int tg_team_size(void);

/* Hand tasks to that team whatever they cost. */
void tg_run_by_team(ptrdiff_t n_tasks, tg_task body, void *context);

/* Run leader(context) with every tg_parallel in it on this thread alone. */
void tg_alone(void (*leader)(void *context), void *context);

/* A 64-byte aligned scratch block of the calling thread, kept between calls: `slot` tells blocks
 * apart that are needed at once. NULL when there is no memory. */
enum { TG_SCRATCH_PACK_A, TG_SCRATCH_PACK_B, TG_SCRATCH_WORK, TG_N_SCRATCH };
void *tg_scratch(int slot, size_t n_bytes);

/* A mark says what the scratch block of the calling thread holds, so that the next task need not
 * compute it again. Whoever asks for the block by tg_scratch wipes the mark off; tg_scratch_marked
 * returns the block if it has this very mark, else NULL. A job is a number of tg_new_job. */
typedef struct {
    uint64_t job;
    const void *from;
    ptrdiff_t first, last;
} tg_mark;

uint64_t tg_new_job(void);
void tg_scratch_mark(int slot, tg_mark mark);
void *tg_scratch_marked(int slot, tg_mark mark);

#endif
