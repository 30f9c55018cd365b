/* parts.c - adding up partial sums: see ../parts.h. A task adds all parts of some elements. */
#include "../parts.h"

#include "../table.h"
#include "../tg.h"
#include "../threads.h"

enum { ELEMENTS = 4096 }; /* of a task: 16 KB of floats from each part */

typedef struct {
    int dtype;
    ptrdiff_t parts, n, n_tasks;
    char *sum, *partial;
} addition;

static void add_task(void *context, ptrdiff_t task)
{
    const addition *p = context;
    const ptrdiff_t first = p->n * task / p->n_tasks, size = p->dtype == TG_F32 ? 4 : 8;
    const ptrdiff_t count = p->n * (task + 1) / p->n_tasks - first;
    for (ptrdiff_t gap = 1; gap < p->parts; gap *= 2)
        for (ptrdiff_t i = 0; i + gap < p->parts; i += 2 * gap) {
            char *to = i ? p->partial + (i - 1) * p->n * size : p->sum;
            char *from = p->partial + (i + gap - 1) * p->n * size;
            if (p->dtype == TG_F32) {
                float *a = (float *)to + first;
                tg_active->binary_f32[TG_BINARY_add](1, count, a, a, (float *)from + first,
                                                     TG_ONE_ROW);
            } else {
                double *a = (double *)to + first;
                tg_active->binary_f64[TG_BINARY_add](1, count, a, a, (double *)from + first,
                                                     TG_ONE_ROW);
            }
        }
}

void tg_add_parts(int dtype, ptrdiff_t parts, ptrdiff_t n, void *sum, void *partial)
{
    addition p = {dtype, parts, n, (n + ELEMENTS - 1) / ELEMENTS, sum, partial};
    const double bytes = (double)(parts * n) * (dtype == TG_F32 ? 4 : 8);
    tg_parallel(p.n_tasks, 0.05 * bytes, add_task, &p);
}
