/* matmul_terms.c - products of few results with long sums: the tasks share the terms, each adds up
 * its part, and the parts are added in a fixed tree. How many there are the shape alone says. */
#include <stdatomic.h>

#include "../matmul_pieces.h"
#include "../parts.h"
#include "../threads.h"

#define MOST_PARTS 16
#define ROWS_PART_BYTES (512 << 10) /* of B, that a task of the rows path streams at least */
#define DEEP_COLUMNS 512            /* of B, packed at once */

typedef struct {
    const tg_gemm_problem *p;
    int streamed; /* the rows path */
    ptrdiff_t n_parts;
    char *others; /* the results of all parts but the first, which is C's */
    atomic_int status;
} shared_terms;

static void part_task(void *context, ptrdiff_t part)
{
    shared_terms *all = context;
    const tg_gemm_problem *p = all->p;
    const ptrdiff_t n_parts = all->n_parts, size = tg_gemm_item(p->dtype);
    const ptrdiff_t p0 = p->k * part / n_parts, p1 = p->k * (part + 1) / n_parts;
    tg_gemm_problem q = *p; /* without what comes at the end */
    q.k = p1 - p0;
    q.bias = NULL;
    q.chain = NULL;
    q.act = TG_ACT_NONE;
    tg_gemm_matrices x = {.p = &q, .streamed = all->streamed, .part = part, .n_parts = n_parts};
    x.a = at(p->dtype, p->a, p0 * p->a_col);
    x.b = at(p->dtype, p->b, p0 * p->b_row);
    x.c = part ? all->others + (part - 1) * p->m * p->n * size : p->c;
    int status = TG_OK;
    if (all->streamed)
        tg_gemm_piece(&x, 0, p->m, 0, p->n);
    else
        for (ptrdiff_t j = 0; j < p->n && status == TG_OK; j += DEEP_COLUMNS)
            status = tg_gemm_columns_by_depth(&x, j, min_of(j + DEEP_COLUMNS, p->n));
    if (status != TG_OK)
        atomic_store(&all->status, status);
}

/* What comes behind the sums, for some rows of C: about 4096 numbers. */
static ptrdiff_t rows_to_finish(const tg_gemm_problem *p)
{
    return 4096 / p->n + 1;
}

static void finish_task(void *context, ptrdiff_t task)
{
    const tg_gemm_problem *p = ((const shared_terms *)context)->p;
    const ptrdiff_t some = rows_to_finish(p), i = task * some;
    tg_gemm_finish_rows(p, min_of(some, p->m - i), p->n,
                        (char *)p->c + i * p->n * tg_gemm_item(p->dtype), p->bias);
}

static int run(shared_terms *all)
{
    const tg_gemm_problem *p = all->p;
    const ptrdiff_t count = p->m * p->n, some = rows_to_finish(p);
    all->others = tg_alloc((size_t)((all->n_parts - 1) * count * tg_gemm_item(p->dtype)) + 1);
    if (!all->others)
        return TG_NO_MEMORY;
    tg_parallel(all->n_parts, (double)count * (double)p->k * fma_nanoseconds(p->dtype), part_task,
                all);
    tg_add_parts(p->dtype, all->n_parts, count, p->c, all->others);
    tg_free(all->others);
    if (p->bias || p->chain || p->act != TG_ACT_NONE)
        tg_parallel((p->m + some - 1) / some, 0.2 * (double)count + tg_chain_work(p->chain),
                    finish_task, all);
    return atomic_load(&all->status);
}

/* A task streams some whole rows of B, which memory takes faster than short parts of all rows. */
int tg_gemm_rows(const tg_gemm_problem *p)
{
    double most = (double)p->k * (double)p->n * (double)tg_gemm_item(p->dtype);
    most /= (double)ROWS_PART_BYTES;
    most = most >= 0.5 && most < 2 && p->k >= 192 ? 2 : most; /* a part costs like a row of B */
    const double terms = (double)p->k / (double)(16 * p->m);  /* else C's are much of the traffic */
    most = terms < most ? terms : most;
    most = most < MOST_PARTS ? most : MOST_PARTS;
    shared_terms all = {.p = p, .streamed = 1};
    all.n_parts = min_of(power_of_two_below(most), p->k);
    return run(&all);
}

/* A task packs depth blocks of its terms of A and B, and uses them in the cache. */
int tg_gemm_deep(const tg_gemm_problem *p)
{
    shared_terms all = {.p = p};
    all.n_parts = power_of_two_below((double)min_of(p->k / TG_DEEP_TERMS, MOST_PARTS));
    if (p->sums)
        p->sums->shared = !tg_column_sums_need_rows(p->sums) || p->n <= DEEP_COLUMNS;
    return run(&all);
}
