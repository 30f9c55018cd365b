/* indexing.c - rows or single elements gathered, and added back.
 *
 * take         arrays: y (outer, n, width), x (outer, rows, width), indices (n; i64 or i32)
 * scatter_add  arrays: y (outer, rows, width), g (outer, n, width), indices (n)
 * take_along_axis   arrays: y (outer, m, inner), x (outer, n, inner), indices (outer, m, inner)
 * add_along_axis    arrays: y (outer, n, inner), g (outer, m, inner), indices (outer, m, inner)
 *              ints: outer, n, m, inner; the arrays may have any axes that make these
 *
 * All in C order. A negative index counts from the end. The indices are checked before anything is
 * written. scatter_add splits y[o] into blocks of rows, each of which is cleared and then added to
 * in the order of the indices, so the sums are always the same; add_along_axis splits into columns,
 * of which each is added up in the order of its indices.
 */
#include "../strided.h"
#include "../table.h"

/* Blocks of the rows that are added to: cleared and added to in a first-level cache, if there are
 * rows enough for the threads. */
enum { BLOCK_BYTES = 16 << 10, LEAST_BLOCKS = 8, MOST_BLOCKS = 1 << 14 };

typedef struct {
    const tg_array *y, *x, *indices;
    ptrdiff_t outer, n, width, n_rows, item;
    ptrdiff_t per_task; /* rows */
} gather;

/* The row of an index. */
static inline ptrdiff_t row_at(const gather *s, ptrdiff_t i)
{
    ptrdiff_t row = s->indices->dtype == TG_I32 ? ((const int32_t *)s->indices->data)[i]
                                                : (ptrdiff_t)((const int64_t *)s->indices->data)[i];
    return row + (row < 0 ? s->n_rows : 0);
}

static int indices_fit(const gather *s)
{
    int fit;
    tg_active->indices_fit(s->indices->dtype, s->n, s->indices->data, s->n_rows, &fit);
    return fit;
}

/* Ask for the first lines of a row; the processor finds the rest of a long row by itself. */
static inline void prefetch(const char *row, size_t bytes)
{
#if defined(__GNUC__)
    for (size_t i = 0; i < bytes && i < 512; i += 64)
        __builtin_prefetch(row + i);
#else
    (void)row;
    (void)bytes;
#endif
}

/* Rows [start, end) of those that the indices name in one x. */
static void take_rows(const gather *s, ptrdiff_t start, ptrdiff_t end, const char *x, char *y)
{
    const size_t bytes = (size_t)(s->width * s->item);
    const tg_array at = *s->indices; /* here, what is written to y cannot be part of it */
    const gather here = {.indices = &at, .n_rows = s->n_rows};
    /* Rows of these lengths are a move or a few; the processor runs ahead over many of them. */
#define TAKE(size)                                                                                 \
    case size:                                                                                     \
        for (ptrdiff_t i = start; i < end; i++)                                                    \
            memcpy(y + i * (size), x + row_at(&here, i) * (size), size);                           \
        break;
    switch (bytes) {
        TAKE(4)
        TAKE(8)
        TAKE(12)
        TAKE(16)
        TAKE(20)
        TAKE(24)
        TAKE(32)
        TAKE(40)
        TAKE(48)
        TAKE(64)
        TAKE(128)
    default:
        for (ptrdiff_t i = start; i < end; i++) {
            prefetch(x + (size_t)row_at(s, i + 3 < end ? i + 3 : i) * bytes, bytes);
            memcpy(y + (size_t)i * bytes, x + (size_t)row_at(s, i) * bytes, bytes);
        }
    }
#undef TAKE
}

static void run_take(void *context, ptrdiff_t task)
{
    const gather *s = context;
    const ptrdiff_t all = s->outer * s->n, row = s->width * s->item;
    ptrdiff_t start = task * s->per_task, end = start + s->per_task;
    end = end < all ? end : all;
    for (ptrdiff_t o = start / s->n; start < end; o++) {
        const ptrdiff_t first = o * s->n, stop = end < first + s->n ? end : first + s->n;
        take_rows(s, start - first, stop - first, (const char *)s->x->data + o * s->n_rows * row,
                  (char *)s->y->data + first * row);
        start = stop;
    }
}

int tg_take(const tg_call *call)
{
    const tg_array *a = call->arrays;
    gather s = {.y = &a[0], .x = &a[1], .indices = &a[2], .outer = a[0].shape[0]};
    s.n = a[0].shape[1];
    s.width = a[0].shape[2];
    s.n_rows = a[1].shape[1];
    s.item = tg_item_size(a[0].dtype);
    if (!indices_fit(&s))
        return TG_INDEX_OUT_OF_RANGE;
    const ptrdiff_t all = s.outer * s.n;
    if (s.width == 0)
        return TG_OK;
    s.per_task = TG_TASK / s.width + 1;
    tg_parallel((all + s.per_task - 1) / s.per_task, 0.3 * (double)(all * s.width), run_take, &s);
    return TG_OK;
}

/* Rows of g in the order of the blocks of y that they are added to. */
typedef struct {
    const gather *s;
    int shift; /* a block has 2^shift rows */
    ptrdiff_t n_blocks;
    const ptrdiff_t *ends; /* of each block's moves */
    const tg_row_move *moves;
} scatter;

static void run_scatter_add(void *context, ptrdiff_t task)
{
    const scatter *c = context;
    const gather *s = c->s;
    const ptrdiff_t o = task / c->n_blocks, block = task % c->n_blocks;
    const ptrdiff_t first = block ? c->ends[block - 1] : 0, n = c->ends[block] - first;
    const ptrdiff_t row = block << c->shift, rows = (ptrdiff_t)1 << c->shift;
    const ptrdiff_t cleared = (rows < s->n_rows - row ? rows : s->n_rows - row) * s->width;
    const ptrdiff_t from = o * s->n * s->width, to = o * s->n_rows * s->width;
    if (s->y->dtype == TG_F32) {
        float *y = (float *)s->y->data + to;
        tg_active->scatter_add_rows_f32(cleared, y + row * s->width, n, c->moves + first, s->width,
                                        (const float *)s->x->data + from, y);
    } else {
        double *y = (double *)s->y->data + to;
        tg_active->scatter_add_rows_f64(cleared, y + row * s->width, n, c->moves + first, s->width,
                                        (const double *)s->x->data + from, y);
    }
}

/* Counting sort of the indices by their blocks, in which they keep their order. */
static void order_by_blocks(const gather *s, int shift, ptrdiff_t n_blocks, ptrdiff_t *ends,
                            tg_row_move *moves)
{
    memset(ends, 0, (size_t)n_blocks * sizeof *ends);
    for (ptrdiff_t i = 0; i < s->n; i++)
        ends[row_at(s, i) >> shift]++;
    for (ptrdiff_t block = 0, start = 0, count; block < n_blocks; block++, start += count) {
        count = ends[block];
        ends[block] = start;
    }
    for (ptrdiff_t i = 0; i < s->n; i++) {
        const ptrdiff_t row = row_at(s, i);
        moves[ends[row >> shift]++] = (tg_row_move){i, row};
    }
}

int tg_scatter_add(const tg_call *call)
{
    const tg_array *a = call->arrays;
    gather s = {.y = &a[0], .x = &a[1], .indices = &a[2], .outer = a[0].shape[0]};
    s.n = a[1].shape[1];
    s.width = a[0].shape[2];
    s.n_rows = a[0].shape[1];
    s.item = tg_item_size(a[0].dtype);
    if (!indices_fit(&s))
        return TG_INDEX_OUT_OF_RANGE;
    if (s.width == 0 || s.n_rows == 0 || s.outer == 0)
        return TG_OK;
    scatter c = {.s = &s};
    const ptrdiff_t least = s.outer < LEAST_BLOCKS ? LEAST_BLOCKS / s.outer : 1;
    while ((s.width * s.item << c.shift) < BLOCK_BYTES && s.n_rows >> c.shift > least)
        c.shift++;
    while (s.n_rows >> c.shift > MOST_BLOCKS)
        c.shift++;
    c.n_blocks = ((s.n_rows - 1) >> c.shift) + 1;
    tg_row_move *moves =
        tg_alloc((size_t)s.n * sizeof *moves + (size_t)c.n_blocks * sizeof(ptrdiff_t));
    if (!moves)
        return TG_NO_MEMORY;
    ptrdiff_t *ends = (ptrdiff_t *)(moves + s.n);
    order_by_blocks(&s, c.shift, c.n_blocks, ends, moves);
    c.ends = ends;
    c.moves = moves;
    const double work = 0.1 * (double)(s.n_rows * s.width) + 0.2 * (double)(s.n * (s.width + 4));
    tg_parallel(s.outer * c.n_blocks, (double)s.outer * work, run_scatter_add, &c);
    tg_free(moves);
    return TG_OK;
}

typedef struct {
    const tg_array *y, *x, *indices;
    ptrdiff_t outer, n, m, inner; /* n: along the axis where the indices point to */
    ptrdiff_t per_task, strips;   /* values of outer in a task; parts of inner */
    int fit;
} columns;

enum { COLUMNS_PER_STRIP = 1024 };

static columns columns_of(const tg_call *call)
{
    const tg_array *a = call->arrays;
    columns c = {.y = &a[0], .x = &a[1], .indices = &a[2]};
    c.outer = call->ints[0];
    c.n = call->ints[1];
    c.m = call->ints[2];
    c.inner = call->ints[3];
    tg_active->indices_fit(a[2].dtype, c.outer * c.m * c.inner, a[2].data, c.n, &c.fit);
    c.per_task = TG_TASK / (c.m * c.inner + 1) + 1;
    c.strips = c.inner / COLUMNS_PER_STRIP + 1;
    return c;
}

static void run_columns(const columns *c, double work, void (*body)(void *, ptrdiff_t))
{
    ptrdiff_t n_tasks = (c->outer + c->per_task - 1) / c->per_task * c->strips;
    if (c->inner > 0)
        tg_parallel(n_tasks, work, body, (void *)c);
}

/* For each element of a task: `at` is its number among the indices, `to` that of the element which
 * its index, `row`, points to. One index for each row of x, the common case, is one long loop. */
#define EACH_INDEX(I, statement)                                                                   \
    for (ptrdiff_t o = first; o < end; o++)                                                        \
        for (ptrdiff_t j = 0; j < c->m; j++)                                                       \
            for (ptrdiff_t i = left; i < right; i++) {                                             \
                const ptrdiff_t at = (o * c->m + j) * c->inner + i;                                \
                ptrdiff_t row = (ptrdiff_t)((const I *)c->indices->data)[at];                      \
                row += row < 0 ? n : 0;                                                            \
                const ptrdiff_t to = (o * n + row) * c->inner + i * step;                          \
                statement;                                                                         \
            }
#define EACH(statement)                                                                            \
    if (c->indices->dtype == TG_I32) {                                                             \
        EACH_INDEX(int32_t, statement)                                                             \
    } else {                                                                                       \
        EACH_INDEX(int64_t, statement)                                                             \
    }
#define COLUMNS_OF_TASK                                                                            \
    const columns *c = context;                                                                    \
    const int single = c->m == 1 && c->inner == 1;                                                 \
    const ptrdiff_t n = c->n, step = single ? n : 1; /* from i to i + 1 of x */                    \
    const ptrdiff_t o0 = task / c->strips * c->per_task, strip = task % c->strips;                 \
    const ptrdiff_t o1 = o0 + c->per_task < c->outer ? o0 + c->per_task : c->outer;                \
    const ptrdiff_t i0 = strip * COLUMNS_PER_STRIP;                                                \
    const ptrdiff_t i1 = strip + 1 < c->strips ? i0 + COLUMNS_PER_STRIP : c->inner;                \
    const ptrdiff_t first = single ? 0 : o0, end = single ? 1 : o1;                                \
    const ptrdiff_t left = single ? o0 : i0, right = single ? o1 : i1;

static void run_take_along_axis(void *context, ptrdiff_t task)
{
    COLUMNS_OF_TASK
    const void *x = c->x->data;
    void *y = c->y->data;
    switch (tg_item_size(c->y->dtype)) {
    case 1:
        EACH(((uint8_t *)y)[at] = ((const uint8_t *)x)[to])
        break;
    case 4:
        EACH(((uint32_t *)y)[at] = ((const uint32_t *)x)[to])
        break;
    default:
        EACH(((uint64_t *)y)[at] = ((const uint64_t *)x)[to])
    }
}

int tg_take_along_axis(const tg_call *call)
{
    columns c = columns_of(call);
    if (!c.fit)
        return TG_INDEX_OUT_OF_RANGE;
    run_columns(&c, 1.0 * (double)(c.outer * c.m * c.inner), run_take_along_axis);
    return TG_OK;
}

static void run_add_along_axis(void *context, ptrdiff_t task)
{
    COLUMNS_OF_TASK
    if (c->y->dtype == TG_F32)
        EACH(((float *)c->y->data)[to] += ((const float *)c->x->data)[at])
    else
        EACH(((double *)c->y->data)[to] += ((const double *)c->x->data)[at])
}

enum { CLEARED = 8 * TG_TASK }; /* elements of a task */

static void run_clear(void *context, ptrdiff_t task)
{
    const tg_array *y = context;
    ptrdiff_t first = task * CLEARED, left = tg_n_elements(y) - first;
    tg_clear(y->dtype, left < CLEARED ? left : CLEARED,
             (char *)y->data + first * tg_item_size(y->dtype));
}

int tg_add_along_axis(const tg_call *call)
{
    columns c = columns_of(call);
    if (!c.fit)
        return TG_INDEX_OUT_OF_RANGE;
    const ptrdiff_t n = tg_n_elements(c.y);
    tg_parallel((n + CLEARED - 1) / CLEARED, 0.1 * (double)n, run_clear, (void *)c.y);
    run_columns(&c, 1.5 * (double)(c.outer * c.m * c.inner), run_add_along_axis);
    return TG_OK;
}
