/* matmul.c - matrix products: which blocks, which tasks. The path is chosen in matmul_path.c.
 *
 * Sums are cut every tg_gemm_depth(k) terms, in every path but `dot`: the partial sums are rounded
 * into C once, which also keeps the rounding error of long sums small. How a task computes its
 * piece stands in matmul_pieces.c; where tasks share the terms of the sums, in matmul_terms.c.
 *
 * Work is cut into at most 16 tasks, powers of two so that 2, 4 or 8 threads get equal
 * shares. A task has at least 65536 multiply-adds, a few microseconds: more than handing it out.
 *
 * ints: [0] tg_act. arrays: y (..., m, n), a (..., m, k), b (..., k, n), bias (n) or absent; the
 * axes before the last two are already broadcast (stride 0), and rows of y are contiguous; so is
 * all of y when a chain (chain.h) follows. A fifth array gets the sums of the columns of b, which
 * is then one contiguous matrix.
 */
#include <stdatomic.h>
#include <string.h>

#include "../matmul_pieces.h"
#include "../threads.h"

#define FMAS_PER_TASK 65536.0
#define STREAMED_BYTES (8 << 20) /* of a transposed A, at least, for the turned path to stream */
#define LONG_ROWS 4096           /* of B: parts of them come from memory as fast as whole rows */
#define PACKED_BYTES (32 << 20)  /* of B at once */
#define COLUMNS 8                /* panels that the rows at hand meet at once, or a multiple */

typedef struct {
    const tg_gemm_problem *p;
    uint64_t job; /* of marks on what is packed */
    int path, pack_a, by_depth;
    ptrdiff_t n_batch;              /* matrices */
    ptrdiff_t per_task;             /* matrices in a task (row_parts = col_parts = 1 if not 1) */
    ptrdiff_t row_parts, col_parts; /* of one matrix */
    ptrdiff_t first_col, n_cols;    /* the columns at hand, in the packed path */
    ptrdiff_t pack_parts;
    char *packed;
    atomic_int status;
} gemm_plan;

/* A column times a row, without bias: each row of C is B times a number, written in one go. */
static void compute_outer(const tg_gemm_problem *p, const char *a, const char *b, char *c,
                          ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t j0, ptrdiff_t j1)
{
    const int number = p->n == 1 && p->a_row == 1 && p->c_row == 1; /* times a whole column */
    const tg_binary_rows apart = {.y_row = p->c_row, .a_row = p->a_row, .b_step = 1};
    const tg_binary_rows *rows = number ? TG_ONE_ROW_AND_NUMBER : &apart;
    const ptrdiff_t n_rows = number ? 1 : i1 - i0, n = number ? i1 - i0 : j1 - j0;
    const void *column = at(p->dtype, a, i0 * p->a_row), *row = at(p->dtype, b, j0);
    void *y = c + (i0 * p->c_row + j0) * tg_gemm_item(p->dtype);
    if (p->dtype == TG_F32)
        tg_active->binary_f32[TG_BINARY_multiply](n_rows, n, y, column, row, rows);
    else
        tg_active->binary_f64[TG_BINARY_multiply](n_rows, n, y, column, row, rows);
    finish(p, i1 - i0, j1 - j0, y);
}

/* The local path: a task packs the columns that it works on. */
static int compute_local(const gemm_plan *plan, tg_gemm_matrices *x, ptrdiff_t i0, ptrdiff_t i1,
                         ptrdiff_t j0, ptrdiff_t j1)
{
    const ptrdiff_t group = COLUMNS * tg_gemm_panel(plan->p->dtype) * (plan->by_depth ? 4 : 1);
    int status = plan->pack_a && !plan->by_depth ? tg_gemm_pack_rows(x, i0, i1) : TG_OK;
    for (ptrdiff_t j = j0; j < j1 && status == TG_OK; j += group) {
        const ptrdiff_t end = min_of(j + group, j1);
        if (plan->by_depth) {
            status = tg_gemm_columns_by_depth(x, j, end);
            continue;
        }
        status = tg_gemm_pack_columns(x, j, end);
        if (i0 == 0 && tg_gemm_shares_sums(plan->p))
            tg_column_sums_share(plan->p->sums, 0, 1, j, end);
        if (status == TG_OK)
            tg_gemm_piece(x, i0, i1, j, end);
    }
    return status;
}

/* Rows [i0, i1) and columns [j0, j1) of the matrix product whose A, B, C begin at a, b, c. */
static int compute(const gemm_plan *plan, const char *a, const char *b, char *c, ptrdiff_t i0,
                   ptrdiff_t i1, ptrdiff_t j0, ptrdiff_t j1)
{
    const tg_gemm_problem *p = plan->p;
    const ptrdiff_t nr = tg_gemm_panel(p->dtype), group = 2 * COLUMNS * nr;
    tg_gemm_matrices x = {.p = p, .job = plan->job, .a = a, .b = b, .c = c, .n_parts = 1};
    x.streamed = plan->path == TG_PATH_ROWS;
    if (plan->path == TG_PATH_OUTER) {
        compute_outer(p, a, b, c, i0, i1, j0, j1);
        return TG_OK;
    }
    if (plan->path == TG_PATH_LOCAL)
        return compute_local(plan, &x, i0, i1, j0, j1);
    x.packed_b = plan->packed;
    x.b_far = plan->packed != NULL;
    x.first_col = plan->first_col;
    x.padded = (plan->n_cols + nr - 1) / nr * nr;
    if (plan->path == TG_PATH_DIRECT && i0 == 0 && tg_gemm_shares_sums(p))
        tg_column_sums_share(p->sums, 0, 1, j0, j1);
    if (!plan->pack_a) {
        tg_gemm_piece(&x, i0, i1, j0, j1);
        return TG_OK;
    }
    const ptrdiff_t most = tg_gemm_rows_at_once(p, plan->by_depth);
    const ptrdiff_t n_pieces = (i1 - i0 + most - 1) / most;
    for (ptrdiff_t piece = 0, i = i0, m; piece < n_pieces; piece++, i += m) {
        m = (i1 - i) / (n_pieces - piece);
        if (plan->by_depth) {
            if (tg_gemm_rows_by_depth(&x, i, i + m, j0, j1) != TG_OK)
                return TG_NO_MEMORY;
            continue;
        }
        if (tg_gemm_pack_rows(&x, i, i + m) != TG_OK)
            return TG_NO_MEMORY;
        for (ptrdiff_t j = j0; j < j1; j += group)
            tg_gemm_piece(&x, i, i + m, j, min_of(j + group, j1));
    }
    return TG_OK;
}

void tg_transpose(int dtype, ptrdiff_t n_rows, ptrdiff_t n_cols, void *y, ptrdiff_t y_row,
                  const void *x, ptrdiff_t x_row)
{
    if (dtype == TG_F32)
        tg_active->transpose_f32(n_rows, n_cols, y, y_row, x, x_row);
    else
        tg_active->transpose_f64(n_rows, n_cols, y, y_row, x, x_row);
}

/* `rows` vectors of k elements made contiguous, in scratch unless they are so already. */
static const void *contiguous_rows(int dtype, ptrdiff_t rows, ptrdiff_t k, const void *x,
                                   ptrdiff_t row, ptrdiff_t col)
{
    if (col == 1)
        return x;
    char *out = tg_scratch(TG_SCRATCH_PACK_B, (size_t)(rows * k * tg_gemm_item(dtype)));
    if (out && row == 1) {
        tg_transpose(dtype, rows, k, out, k, x, col);
        return out;
    }
    for (ptrdiff_t i = 0; out && i < rows; i++)
        for (ptrdiff_t p = 0; p < k; p++) {
            if (dtype == TG_F32)
                ((float *)out)[i * k + p] = ((const float *)x)[i * row + p * col];
            else
                ((double *)out)[i * k + p] = ((const double *)x)[i * row + p * col];
        }
    return out;
}

static void dots(int dtype, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const void *a, ptrdiff_t a_row,
                 const void *bt, ptrdiff_t bt_row, void *c, ptrdiff_t c_row, ptrdiff_t c_col)
{
    if (dtype == TG_F32)
        tg_active->gemm_dot_f32(m, n, k, a, a_row, bt, bt_row, c, c_row, c_col);
    else
        tg_active->gemm_dot_f64(m, n, k, a, a_row, bt, bt_row, c, c_row, c_col);
}

static int compute_dots(const gemm_plan *plan, const char *a, const char *b, char *c, ptrdiff_t i0,
                        ptrdiff_t i1, ptrdiff_t j0, ptrdiff_t j1)
{
    const tg_gemm_problem *p = plan->p;
    ptrdiff_t m = i1 - i0, n = j1 - j0;
    char *out = c + (i0 * p->c_row + j0) * tg_gemm_item(p->dtype);
    a = at(p->dtype, a, i0 * p->a_row);
    b = at(p->dtype, b, j0 * p->b_col);
    if (plan->path == TG_PATH_DOT) {
        const void *bt = contiguous_rows(p->dtype, n, p->k, b, p->b_col, p->b_row);
        if (!bt)
            return TG_NO_MEMORY;
        dots(p->dtype, m, n, p->k, a, p->a_row, bt, p->b_row == 1 ? p->b_col : p->k, out, p->c_row,
             1);
    } else {
        const void *rows = contiguous_rows(p->dtype, m, p->k, a, p->a_row, p->a_col);
        if (!rows)
            return TG_NO_MEMORY;
        dots(p->dtype, n, m, p->k, b, p->b_col, rows, p->a_col == 1 ? p->a_row : p->k, out, 1,
             p->c_row);
    }
    tg_gemm_finish_rows(p, m, n, out, p->bias ? at(p->dtype, p->bias, j0) : NULL);
    return TG_OK;
}

/* Rows [i0, i1) of C as columns of C^T = B^T A^T: few rows and, along the columns of a transposed
 * A, full vectors. */
static int compute_turned(const gemm_plan *plan, const char *a, const char *b, char *c,
                          ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t j0, ptrdiff_t j1)
{
    const tg_gemm_problem *p = plan->p;
    const ptrdiff_t size = tg_gemm_item(p->dtype), width = i1 - i0;
    tg_gemm_problem turned = {.dtype = p->dtype, .m = p->n, .n = width, .k = p->k};
    turned.a_row = p->b_col;
    turned.a_col = p->b_row;
    turned.b_row = p->a_col;
    turned.c_row = width;
    (void)j0, (void)j1; /* all columns: see cut */
    tg_gemm_matrices x = {.p = &turned, .a = b, .b = at(p->dtype, a, i0), .n_parts = 1};
    x.streamed = (double)p->m * (double)p->k * (double)size >= STREAMED_BYTES;
    x.c = tg_scratch(TG_SCRATCH_PACK_B, (size_t)(p->n * width * size));
    if (!x.c)
        return TG_NO_MEMORY;
    tg_gemm_piece(&x, 0, p->n, 0, width);
    char *out = c + i0 * p->c_row * size;
    tg_transpose(p->dtype, width, p->n, out, p->c_row, x.c, width);
    tg_gemm_finish_rows(p, width, p->n, out, p->bias);
    return TG_OK;
}

typedef struct {
    ptrdiff_t a, b, c; /* in elements */
} offsets;

static offsets matrix_of_batch(const tg_gemm_problem *p, ptrdiff_t i)
{
    offsets o = {0};
    for (int d = p->n_batch - 1; d >= 0; i /= p->batch[d--]) {
        const ptrdiff_t place = i % p->batch[d];
        o.a += place * p->a_batch[d];
        o.b += place * p->b_batch[d];
        o.c += place * p->c_batch[d];
    }
    return o;
}

static void compute_task(void *context, ptrdiff_t task)
{
    gemm_plan *plan = context;
    const tg_gemm_problem *p = plan->p;
    ptrdiff_t parts = plan->row_parts * plan->col_parts, part = task % parts;
    /* The parts of one matrix that share what a task packs, rows or columns, follow each other, so
     * that a thread need not pack it again. */
    const int by_rows = plan->path == TG_PATH_PACKED;
    ptrdiff_t row = by_rows ? part / plan->col_parts : part % plan->row_parts;
    ptrdiff_t col = by_rows ? part % plan->col_parts : part / plan->row_parts;
    ptrdiff_t i0 = p->m * row / plan->row_parts, i1 = p->m * (row + 1) / plan->row_parts;
    ptrdiff_t nr = tg_gemm_panel(p->dtype), panels = (plan->n_cols + nr - 1) / nr;
    ptrdiff_t j0 = panels * col / plan->col_parts * nr;
    ptrdiff_t j1 = min_of(panels * (col + 1) / plan->col_parts * nr, plan->n_cols);
    ptrdiff_t first = task / parts * plan->per_task;
    ptrdiff_t last = min_of(first + plan->per_task, plan->n_batch);
    for (ptrdiff_t i = first; i < last; i++) {
        const offsets o = matrix_of_batch(p, i);
        int dot = plan->path == TG_PATH_DOT || plan->path == TG_PATH_DOT_TRANSPOSED;
        int status = (dot                            ? compute_dots
                      : plan->path == TG_PATH_TURNED ? compute_turned
                                                     : compute)(
            plan, at(p->dtype, p->a, o.a), at(p->dtype, p->b, o.b), (char *)at(p->dtype, p->c, o.c),
            i0, i1, plan->first_col + j0, plan->first_col + j1);
        if (status != TG_OK)
            atomic_store(&plan->status, status);
    }
}

static void pack_task(void *context, ptrdiff_t task)
{
    gemm_plan *plan = context;
    const tg_gemm_problem *p = plan->p;
    ptrdiff_t nr = tg_gemm_panel(p->dtype), panels = (plan->n_cols + nr - 1) / nr;
    ptrdiff_t depth = tg_gemm_depth(p->k), size = tg_gemm_item(p->dtype);
    ptrdiff_t p0 = task / plan->pack_parts * depth, k = min_of(depth, p->k - p0);
    ptrdiff_t part = task % plan->pack_parts;
    ptrdiff_t j0 = panels * part / plan->pack_parts * nr;
    ptrdiff_t j1 = min_of(panels * (part + 1) / plan->pack_parts * nr, plan->n_cols);
    if (j1 <= j0)
        return;
    tg_gemm_pack_b(p->dtype, k, j1 - j0,
                   at(p->dtype, p->b, p0 * p->b_row + (plan->first_col + j0) * p->b_col), p->b_row,
                   p->b_col, plan->packed + (p0 * panels * nr + j0 * k) * size, k * nr);
    if (tg_gemm_shares_sums(p))
        tg_column_sums_share(p->sums, task / plan->pack_parts, (p->k + depth - 1) / depth,
                             plan->first_col + j0, plan->first_col + j1);
}

static int run_packed(gemm_plan *plan, double fmas)
{
    const tg_gemm_problem *p = plan->p;
    ptrdiff_t nr = tg_gemm_panel(p->dtype), size = tg_gemm_item(p->dtype);
    ptrdiff_t most = (ptrdiff_t)((double)PACKED_BYTES / ((double)p->k * (double)size)) / nr * nr;
    ptrdiff_t step = most < nr * 8 ? nr * 8 : most;
    for (plan->first_col = 0; plan->first_col < p->n; plan->first_col += step) {
        plan->n_cols = min_of(step, p->n - plan->first_col);
        ptrdiff_t panels = (plan->n_cols + nr - 1) / nr, depth = tg_gemm_depth(p->k);
        double bytes = (double)p->k * (double)(panels * nr) * (double)size;
        if (bytes > (double)(PTRDIFF_MAX / 2))
            return TG_NO_MEMORY;
        plan->packed = tg_scratch(TG_SCRATCH_PACK_B, (size_t)bytes);
        if (!plan->packed)
            return TG_NO_MEMORY;
        plan->pack_parts = min_of(panels, 8);
        tg_parallel((p->k + depth - 1) / depth * plan->pack_parts,
                    bytes * (p->b_col == 1 ? 0.08 : 0.2), pack_task, plan);
        tg_parallel(plan->row_parts * plan->col_parts,
                    fmas * fma_nanoseconds(p->dtype) * (double)plan->n_cols / (double)p->n,
                    compute_task, plan);
    }
    return atomic_load(&plan->status);
}

/* Cut one matrix into at most `parts` pieces, a power of two of them along each side. */
static void cut(gemm_plan *plan, ptrdiff_t parts)
{
    const tg_gemm_problem *p = plan->p;
    const ptrdiff_t nr = tg_gemm_panel(p->dtype);
    ptrdiff_t least_rows = 12, least_cols = 2 * nr; /* of a piece */
    switch (plan->path) {
    case TG_PATH_DOT:
        least_rows = 4;
        break;
    case TG_PATH_DOT_TRANSPOSED:
        least_cols = nr;
        break;
    case TG_PATH_TURNED:
        least_rows = 8 * nr;
        least_cols = p->n; /* compute_turned takes all columns */
        break;
    case TG_PATH_ROWS:
        least_rows = p->m;
        least_cols = plan->n_batch > 1 ? 384 : LONG_ROWS / 4;
        break;
    case TG_PATH_PACKED:
        least_rows = 96;
        if (plan->by_depth)
            least_cols = p->n;
        break;
    case TG_PATH_LOCAL: /* every piece packs its columns: cut them first */
        least_rows = 64;
        if (p->chain) /* which works on rows of the piece */
            least_cols = COLUMNS * nr;
        if (plan->by_depth) { /* and memory takes long pieces of the rows of B faster */
            const ptrdiff_t width = p->n / power_of_two_below(2 * tg_num_threads() - 1);
            least_cols = width < 2 * nr ? 2 * nr : min_of(width, 32 * nr);
            least_rows = p->m;
        }
    }
    ptrdiff_t most_rows = power_of_two_below((double)p->m / (double)least_rows);
    ptrdiff_t most_cols = power_of_two_below((double)p->n / (double)least_cols);
    ptrdiff_t all = power_of_two_below((double)parts);
    if (plan->path == TG_PATH_LOCAL) {
        plan->col_parts = min_of(most_cols, all);
        plan->row_parts = min_of(most_rows, all / plan->col_parts);
    } else {
        plan->row_parts = min_of(most_rows, all);
        plan->col_parts = min_of(most_cols, all / plan->row_parts);
    }
}

/* One matrix, or many of the same shape. */
static int run(const tg_gemm_problem *p, ptrdiff_t n_batch)
{
    gemm_plan plan = {.p = p, .n_batch = n_batch, .per_task = 1, .n_cols = p->n};
    double one = (double)p->m * (double)p->n * (double)p->k, all = one * (double)n_batch;
    double wanted = all / FMAS_PER_TASK, most = 16;
    ptrdiff_t n_tasks = power_of_two_below(wanted < most ? wanted : most);
    plan.path = tg_gemm_path(p, n_batch);
    if (plan.path == TG_PATH_DEEP)
        return tg_gemm_deep(p);
    const int strewn = n_batch == 1 && tg_gemm_is_strewn(p);
    plan.path = strewn ? TG_PATH_PACKED : plan.path;
    plan.by_depth = strewn || (plan.path == TG_PATH_LOCAL && n_batch == 1 && tg_gemm_is_far(p));
    if (plan.path == TG_PATH_LOCAL || plan.path == TG_PATH_PACKED)
        plan.job = tg_new_job();
    if (p->sums) /* the paths in which tasks meet all rows of B */
        p->sums->shared = plan.path >= TG_PATH_DIRECT && !tg_column_sums_need_rows(p->sums);
    cut(&plan, n_batch >= n_tasks ? 1 : n_tasks / n_batch);
    if (n_batch > n_tasks)
        plan.per_task = (n_batch + n_tasks - 1) / n_tasks;
    /* Packed rows of A are read once per panel of B: worth it when there are many panels, and
     * needed when the rows lie a large power of two apart and push each other out of the cache. */
    const int whole =
        plan.path == TG_PATH_PACKED || (plan.path == TG_PATH_LOCAL && plan.col_parts == 1);
    const int many = p->m >= 32 && p->n >= 8 * tg_gemm_panel(p->dtype) && p->k >= 64;
    plan.pack_a = (whole && many) || plan.by_depth;
    if (plan.path == TG_PATH_PACKED)
        return run_packed(&plan, one);
    const int long_sums = p->k >= 128 * p->m || p->n < LONG_ROWS;
    if (plan.path == TG_PATH_ROWS && n_batch == 1 && p->c_row == p->n && long_sums)
        return tg_gemm_rows(p);
    tg_parallel((n_batch + plan.per_task - 1) / plan.per_task * plan.row_parts * plan.col_parts,
                all * fma_nanoseconds(p->dtype) + tg_chain_work(p->chain), compute_task, &plan);
    return atomic_load(&plan.status);
}

/* A batch of A against one B is one taller A; an axis of length 1 is none. */
static void fold_batch(tg_gemm_problem *p)
{
    int kept = 0;
    for (int d = 0; d < p->n_batch; d++) {
        if (p->batch[d] == 1)
            continue;
        p->batch[kept] = p->batch[d];
        p->a_batch[kept] = p->a_batch[d];
        p->b_batch[kept] = p->b_batch[d];
        p->c_batch[kept++] = p->c_batch[d];
    }
    p->n_batch = kept;
    while (p->n_batch > 0) {
        int d = p->n_batch - 1;
        int tall =
            p->m == 1 || (p->a_batch[d] == p->m * p->a_row && p->c_batch[d] == p->m * p->c_row);
        if (p->b_batch[d] != 0 || !tall)
            break;
        if (p->m == 1) {
            p->a_row = p->a_batch[d];
            p->c_row = p->c_batch[d];
        }
        p->m *= p->batch[d];
        p->n_batch = d;
    }
}

int tg_gemm(const tg_gemm_problem *problem)
{
    tg_gemm_problem p = *problem;
    fold_batch(&p);
    ptrdiff_t n_batch = 1;
    for (int d = 0; d < p.n_batch; d++)
        n_batch *= p.batch[d];
    if (p.m == 0 || p.n == 0 || n_batch == 0)
        return TG_OK;
    if (p.n == 1)
        p.b_col = 1;
    if (p.k == 1) /* a column: its stride along k is free */
        p.a_col = 1;
    if (p.m == 1)
        p.a_row = p.k, p.c_row = p.n;
    if (p.n == 1 && p.a_col != 1 && p.a_row == 1 && p.c_row == 1 && !p.bias) {
        /* Transposed matrix times vector: c^T = b^T a^T reads the columns of A by vectors. */
        tg_gemm_problem q = p;
        q.m = 1, q.n = p.m, q.c_row = p.m;
        q.a = p.b, q.a_row = p.k, q.a_col = p.b_row;
        q.b = p.a, q.b_row = p.a_col, q.b_col = 1;
        memcpy(q.a_batch, p.b_batch, sizeof q.a_batch);
        memcpy(q.b_batch, p.a_batch, sizeof q.b_batch);
        p = q;
    }
    /* Large matrices one after the other, each by all threads; small ones side by side. */
    double one = (double)p.m * (double)p.n * (double)p.k;
    if (n_batch == 1 || one < 64 * FMAS_PER_TASK)
        return run(&p, n_batch);
    tg_gemm_problem single = p;
    single.n_batch = 0;
    for (ptrdiff_t i = 0; i < n_batch; i++) {
        const offsets o = matrix_of_batch(&p, i);
        single.a = at(p.dtype, p.a, o.a);
        single.b = at(p.dtype, p.b, o.b);
        single.c = (char *)at(p.dtype, p.c, o.c);
        int status = run(&single, 1);
        if (status != TG_OK)
            return status;
    }
    return TG_OK;
}

int tg_matmul(const tg_call *call)
{
    const tg_array *y = &call->arrays[0], *a = &call->arrays[1], *b = &call->arrays[2];
    int last = y->ndim - 1, row = y->ndim - 2;
    tg_chain chain;
    tg_gemm_problem p = {
        .dtype = y->dtype,
        .act = (int)call->ints[0],
        .m = y->shape[row],
        .n = y->shape[last],
        .k = a->shape[last],
        .a = a->data,
        .b = b->data,
        .bias = call->arrays[3].data,
        .c = y->data,
        .chain = tg_chain_behind(call, &chain),
        .a_row = a->strides[row],
        .a_col = a->strides[last],
        .b_row = b->strides[row],
        .b_col = b->strides[last],
        .c_row = y->strides[row],
        .n_batch = row,
    };
    for (int d = 0; d < row; d++) {
        p.batch[d] = y->shape[d];
        p.a_batch[d] = a->strides[d];
        p.b_batch[d] = b->strides[d];
        p.c_batch[d] = y->strides[d];
    }
    if (call->n_arrays <= 4 || !call->arrays[4].data)
        return tg_gemm(&p);
    tg_column_sums sums;
    p.sums = &sums;
    int status = tg_column_sums_begin(&sums, &call->arrays[4], b->data, p.k);
    return status == TG_OK ? tg_column_sums_end(&sums, tg_gemm(&p)) : status;
}
