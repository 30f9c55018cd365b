/* reduction.c - drivers of kernels/reduction.h.
 *
 * reduce      arrays: y (outer, inner), x (outer, n, inner), both in C order; floats, or int64 but
 *             for the mean
 *             ints[0]: tg_reduce_op     floats[0]: what a mean divides by
 * arg_reduce  arrays: y (i64, outer, inner), x (outer, n, inner)     ints[0]: 1 for argmax, 0 for
 *             argmin
 * top_k       arrays: y (i64, outer, k), x (outer, n), 0 < k <= n
 * scan        arrays: y, x (outer, n, inner), both in C order     ints[0]: 1 for cumprod, 0 for
 *             cumsum, along n
 *
 * The caller merges axes, and reduces one run of axes per call. n >= 1.
 *
 * Rows longer than 65536 are cut into pieces of 32768, and the pieces' results are a new, shorter
 * row; columns are cut into groups of rows of about 32768 elements, whose results are the rows of a
 * new, smaller matrix. Both cuts, and so every bit of the result, depend on the shape alone. Pieces
 * of that size are large beside a task's overhead and small beside the whole where threads matter.
 */
#include <stdatomic.h>

#include "../reduction.h"

#include "../strided.h"
#include "../table.h"

enum { ROWS = 8192, LONG_ROW = 32768, PIECE = 32768, NARROW = 64, MIN_ROWS = 32 };

typedef tg_partial_reduction reduction;

static void produce(const reduction *r, ptrdiff_t first, ptrdiff_t n)
{
    if (r->produce)
        r->produce(r->context, first, n);
}

static void run_rows(void *context, ptrdiff_t task)
{
    const reduction *r = context;
    ptrdiff_t item = r->dtype == TG_F32 ? 4 : 8, row = task, count = 1, start = 0, n = r->n;
    if (r->pieces > 1) {
        row = task / r->pieces;
        start = task % r->pieces * r->piece_size;
        n = r->n - start < r->piece_size ? r->n - start : r->piece_size;
    } else {
        row = task * r->rows_per_task;
        count = r->outer - row < r->rows_per_task ? r->outer - row : r->rows_per_task;
    }
    void *y = r->y + (r->pieces > 1 ? task : row) * item;
    const void *x = r->x + (row * r->n + start) * item;
    produce(r, row * r->n + start, count * n);
    if (r->dtype == TG_F32)
        tg_active->reduce_f32[r->op](0, count, n, y, x, r->n);
    else
        tg_active->reduce_f64[r->op](0, count, n, y, x, r->n);
}

/* Columns j0 .. j1 - 1 of a piece. */
static void run_piece(const reduction *r, ptrdiff_t piece, ptrdiff_t j0, ptrdiff_t j1)
{
    ptrdiff_t item = r->dtype == TG_F32 ? 4 : 8, start = piece % r->pieces * r->piece_size;
    ptrdiff_t n = r->n - start < r->piece_size ? r->n - start : r->piece_size;
    void *y = r->y + (piece * r->inner + j0) * item;
    ptrdiff_t first = (piece / r->pieces * r->n + start) * r->inner;
    const void *x = r->x + (first + j0) * item;
    produce(r, first, n * r->inner);
    if (r->dtype == TG_F32)
        tg_active->reduce_f32[r->op](1, n, j1 - j0, y, x, r->inner);
    else
        tg_active->reduce_f64[r->op](1, n, j1 - j0, y, x, r->inner);
}

static void run_columns(void *context, ptrdiff_t task)
{
    const reduction *r = context;
    run_piece(r, task, 0, r->inner);
}

/* Cut x into pieces, whose results are y or, if there are several, go to the room; returns the
 * number of tasks. */
static ptrdiff_t cut(reduction *r, char *y)
{
    if (r->inner == 1) {
        r->piece_size = LONG_ROW;
        r->pieces = r->n > 2 * LONG_ROW ? (r->n + LONG_ROW - 1) / LONG_ROW : 1;
        r->rows_per_task = ROWS / r->n + 1;
    } else {
        r->piece_size = PIECE / r->inner < MIN_ROWS ? MIN_ROWS : PIECE / r->inner;
        r->pieces = (r->n + r->piece_size - 1) / r->piece_size;
    }
    r->y = r->pieces > 1 ? r->room : y;
    return r->inner == 1 && r->pieces == 1 ? (r->outer + r->rows_per_task - 1) / r->rows_per_task
                                           : r->outer * r->pieces;
}

/* The pieces' results are the next x. */
static void advance(reduction *r)
{
    r->produce = NULL;
    r->work = 0;
    r->x = r->y;
    r->n = r->pieces;
    r->room += r->outer * r->n * r->inner * (r->dtype == TG_F32 ? 4 : 8);
}

/* x -> y, by way of ever shorter x in the room. */
static void reduce_all(reduction *r, char *y)
{
    const double item = r->dtype == TG_F32 ? 4 : 8;
    do {
        double work = 0.025 * (double)(r->outer * r->n * r->inner) * item;
        tg_parallel(cut(r, y), work + r->work, r->inner == 1 ? run_rows : run_columns, r);
        advance(r);
    } while (r->n > 1);
}

/* Many rows of few columns: m rows side by side are one row of m * inner, in whole registers. What
 * is left over at the end (fewer than m rows) goes below the m partial rows, which are the result
 * of `wide` at the start of the room. */
static int is_narrow(const reduction *r)
{
    return r->outer == 1 && r->inner > 1 && r->inner <= NARROW / 2 && r->n >= 4 * NARROW;
}

static ptrdiff_t row_bytes(const reduction *r)
{
    return r->inner * (r->dtype == TG_F32 ? 4 : 8);
}

static reduction widened(const reduction *r)
{
    const ptrdiff_t m = NARROW / r->inner;
    reduction wide = *r;
    wide.n = r->n / m;
    wide.inner = m * r->inner;
    wide.room = r->room + (m + r->n % m) * row_bytes(r);
    return wide;
}

static void narrow(reduction *r, const reduction *wide)
{
    const ptrdiff_t m = NARROW / r->inner, rest = r->n % m, row = row_bytes(r);
    char *to = r->room;
    produce(r, (r->n - rest) * r->inner, rest * r->inner);
    r->produce = NULL;
    r->work = 0;
    memcpy(to + m * row, r->x + (r->n - rest) * row, (size_t)(rest * row));
    r->x = to;
    r->n = m + rest;
    r->room = wide->room;
}

/* Bytes: the pieces' results, and theirs (a geometric series), and what widening adds. */
static size_t room_of(const reduction *r)
{
    const ptrdiff_t n_results = r->outer * r->inner;
    if (!is_narrow(r) && r->n <= (r->inner == 1 ? 2 * LONG_ROW : MIN_ROWS))
        return 0;
    const ptrdiff_t n_pieces = r->n / (r->inner == 1 ? LONG_ROW : MIN_ROWS) + 1;
    const ptrdiff_t numbers = 2 * n_results * n_pieces + 4 * NARROW * NARROW;
    return (size_t)(numbers * (r->dtype == TG_F32 ? 4 : 8));
}

int tg_reduce_produced(const tg_reduction *wanted)
{
    reduction r = {.op = wanted->op,
                   .dtype = wanted->dtype,
                   .x = wanted->x,
                   .outer = wanted->outer,
                   .n = wanted->n,
                   .inner = wanted->inner,
                   .produce = wanted->produce,
                   .context = wanted->context,
                   .work = wanted->work};
    const ptrdiff_t n_results = r.outer * r.inner;
    if (n_results == 0)
        return TG_OK;
    const size_t room = room_of(&r);
    if (room) {
        r.room = tg_scratch(TG_SCRATCH_WORK, room);
        if (!r.room)
            return TG_NO_MEMORY;
    }
    if (is_narrow(&r)) {
        reduction wide = widened(&r);
        reduce_all(&wide, r.room);
        narrow(&r, &wide);
    }
    reduce_all(&r, wanted->y);
    if (r.op == TG_REDUCE_mean) {
        float count_f32 = (float)wanted->divisor;
        void *y = wanted->y;
        if (r.dtype == TG_F32)
            tg_active->binary_f32[TG_BINARY_divide](1, n_results, y, y, &count_f32,
                                                    TG_ONE_ROW_AND_NUMBER);
        else
            tg_active->binary_f64[TG_BINARY_divide](1, n_results, y, y, &wanted->divisor,
                                                    TG_ONE_ROW_AND_NUMBER);
    }
    return TG_OK;
}

/* --- column sums that another kernel takes along -------------------------------------------------
 */

static char *target(const tg_column_sums *s)
{
    return is_narrow(&s->all) ? s->all.room : s->y;
}

int tg_column_sums_begin(tg_column_sums *s, const tg_array *y, const void *x, ptrdiff_t n)
{
    s->y = y->data;
    s->shared = 0;
    if (!s->y)
        return TG_OK;
    s->all = (tg_partial_reduction){.op = TG_REDUCE_sum, .dtype = y->dtype, .outer = 1, .n = n};
    s->all.inner = y->shape[y->ndim - 1];
    s->all.x = x;
    const size_t room = room_of(&s->all);
    s->memory = s->all.room = room ? tg_alloc(room) : NULL;
    if (room && !s->memory)
        return TG_NO_MEMORY;
    s->level = is_narrow(&s->all) ? widened(&s->all) : s->all;
    cut(&s->level, target(s));
    return TG_OK;
}

int tg_column_sums_need_rows(const tg_column_sums *s)
{
    return is_narrow(&s->all);
}

void tg_column_sums_share(const tg_column_sums *s, ptrdiff_t i, ptrdiff_t of, ptrdiff_t j0,
                          ptrdiff_t j1)
{
    const ptrdiff_t first = s->level.pieces * i / of, last = s->level.pieces * (i + 1) / of;
    const int all = is_narrow(&s->all);
    for (ptrdiff_t piece = first; piece < last; piece++)
        run_piece(&s->level, piece, all ? 0 : j0, all ? s->level.inner : j1);
}

int tg_column_sums_end(tg_column_sums *s, int status)
{
    if (!s->y)
        return status;
    if (!s->shared)
        reduce_all(&s->level, target(s));
    else
        advance(&s->level);
    if (s->level.n > 1)
        reduce_all(&s->level, target(s));
    if (is_narrow(&s->all)) {
        narrow(&s->all, &s->level);
        reduce_all(&s->all, s->y);
    }
    tg_free(s->memory);
    return status;
}

/* One outer block: integers are rarely many. */
static void run_integers(void *context, ptrdiff_t block)
{
    const tg_reduction *r = context;
    tg_active->reduce_integers(r->op, r->n, r->inner, (int64_t *)r->y + block * r->inner,
                               (const int64_t *)r->x + block * r->n * r->inner);
}

int tg_reduce(const tg_call *call)
{
    const tg_array *y = &call->arrays[0], *x = &call->arrays[1];
    tg_reduction wanted = {.op = (int)call->ints[0],
                           .dtype = y->dtype,
                           .outer = x->shape[0],
                           .n = x->shape[1],
                           .inner = x->shape[2],
                           .divisor = call->floats[0],
                           .y = y->data,
                           .x = x->data};
    if (wanted.dtype != TG_I64)
        return tg_reduce_produced(&wanted);
    double n_elements = (double)wanted.outer * (double)wanted.n * (double)wanted.inner;
    if (wanted.outer * wanted.inner > 0)
        tg_parallel(wanted.outer, 0.5 * n_elements, run_integers, &wanted);
    return TG_OK;
}

/* --- where the largest is -----------------------------------------------------------------------
 */

enum {
    ARG_ROW = 1536,    /* numbers: rows of up to so many go side by side */
    ARG_TOGETHER = 16, /* rows of a task, or a multiple: the lanes of any ISA divide it */
    ARG_ROWS = 2048    /* of NARROW columns, in a task */
};

/* Short rows, as many as vectors take together; a row that is long or left over by itself. */
static void run_arg_rows(void *context, ptrdiff_t task)
{
    const reduction *r = context;
    ptrdiff_t row = task * r->rows_per_task, end = row + r->rows_per_task;
    int64_t *y = (int64_t *)r->y;
    end = end < r->outer ? end : r->outer;
    if (r->n <= ARG_ROW) {
        ptrdiff_t lanes = r->dtype == TG_F32 ? tg_active->lanes_f32 : tg_active->lanes_f64;
        ptrdiff_t count = (end - row) / lanes * lanes;
        if (r->dtype == TG_F32)
            tg_active->arg_rows_f32(r->op == TG_REDUCE_max, count, r->n, y + row,
                                    (const float *)r->x + row * r->n);
        else
            tg_active->arg_rows_f64(r->op == TG_REDUCE_max, count, r->n, y + row,
                                    (const double *)r->x + row * r->n);
        row += count;
    }
    for (; row < end; row++) {
        const ptrdiff_t at = row * r->n;
        ptrdiff_t index;
        if (r->dtype == TG_F32)
            tg_active->arg_row_f32(r->op == TG_REDUCE_max, r->n, &index, (const float *)r->x + at);
        else
            tg_active->arg_row_f64(r->op == TG_REDUCE_max, r->n, &index, (const double *)r->x + at);
        y[row] = index;
    }
}

/* A long row: the pieces' extremes at once, then a look into the
 * first piece that has the best of them. */
static void arg_long_row(reduction *r, ptrdiff_t row)
{
    reduction pieces = *r;
    pieces.outer = 1;
    pieces.pieces = (r->n + LONG_ROW - 1) / LONG_ROW;
    pieces.piece_size = LONG_ROW;
    pieces.y = r->room;
    ptrdiff_t item = r->dtype == TG_F32 ? 4 : 8, piece, index, start, left;
    pieces.x = r->x + row * r->n * item;
    tg_parallel(pieces.pieces, 0.025 * (double)(r->n * item), run_rows, &pieces);
    if (r->dtype == TG_F32) {
        const float *part = (const float *)r->room, *x = (const float *)pieces.x;
        float best;
        tg_active->reduce_f32[r->op](0, 1, pieces.pieces, &best, part, 1);
        tg_active->find_first_f32(pieces.pieces, part, best, &piece);
        start = piece * LONG_ROW;
        left = r->n - start < LONG_ROW ? r->n - start : LONG_ROW;
        tg_active->find_first_f32(left, x + start, best, &index);
    } else {
        const double *part = (const double *)r->room, *x = (const double *)pieces.x;
        double best;
        tg_active->reduce_f64[r->op](0, 1, pieces.pieces, &best, part, 1);
        tg_active->find_first_f64(pieces.pieces, part, best, &piece);
        start = piece * LONG_ROW;
        left = r->n - start < LONG_ROW ? r->n - start : LONG_ROW;
        tg_active->find_first_f64(left, x + start, best, &index);
    }
    ((int64_t *)r->y)[row] = start + index;
}

/* Columns: the best of a strip of them over a piece of the rows is a candidate, with its place in
 * the piece. Few columns are walked with several rows side by side, which fills the registers. */
typedef struct {
    const reduction *r;
    ptrdiff_t side, rows, width; /* rows side by side, and the matrix that they make */
    ptrdiff_t pieces, strips;
    char *best; /* the candidates: (outer, pieces, width), then (outer, inner) of the rows left */
    int64_t *place;
} arg_matrix;

static void best_of_columns(const arg_matrix *m, ptrdiff_t n_rows, ptrdiff_t width, ptrdiff_t to,
                            ptrdiff_t from)
{
    const reduction *r = m->r;
    const int largest = r->op == TG_REDUCE_max;
    const ptrdiff_t step = width == r->inner ? r->inner : m->width;
    if (r->dtype == TG_F32)
        tg_active->arg_columns_f32(largest, n_rows, width, (float *)m->best + to, m->place + to,
                                   (const float *)r->x + from, step);
    else
        tg_active->arg_columns_f64(largest, n_rows, width, (double *)m->best + to, m->place + to,
                                   (const double *)r->x + from, step);
}

static void run_arg_columns(void *context, ptrdiff_t task)
{
    const arg_matrix *m = context;
    ptrdiff_t column = task % m->strips * NARROW, part = task / m->strips;
    ptrdiff_t first = part % m->pieces * ARG_ROWS, block = part / m->pieces;
    ptrdiff_t width = m->width - column < NARROW ? m->width - column : NARROW;
    ptrdiff_t n_rows = m->rows - first < ARG_ROWS ? m->rows - first : ARG_ROWS;
    best_of_columns(m, n_rows, width, part * m->width + column,
                    block * m->r->n * m->r->inner + first * m->width + column);
}

/* The best of the candidates for the columns of an outer block. */
static void merge_candidates(void *context, ptrdiff_t block)
{
    const arg_matrix *m = context;
    const reduction *r = m->r;
    int64_t *y = (int64_t *)r->y + block * r->inner;
    ptrdiff_t start = block * m->pieces * m->width, rest = r->n - m->rows * m->side;
    ptrdiff_t left = r->outer * m->pieces * m->width + block * r->inner;
    ptrdiff_t n_candidates = m->pieces * m->side + (rest > 0);
    if (rest > 0)
        best_of_columns(m, rest, r->inner, left, (block * r->n + m->rows * m->side) * r->inner);
    for (ptrdiff_t j = 0; j < r->inner; j++)
        y[j] = m->side * m->place[start + j];
    for (ptrdiff_t i = 1; i < n_candidates; i++) {
        int is_rest = i == m->pieces * m->side;
        ptrdiff_t from = is_rest ? left : start + i * r->inner, step = is_rest ? 1 : m->side;
        ptrdiff_t first =
            is_rest ? m->rows * m->side : i / m->side * ARG_ROWS * m->side + i % m->side;
        if (r->dtype == TG_F32)
            tg_active->arg_merge_f32(r->inner, (float *)m->best + start, y,
                                     (const float *)m->best + from, m->place + from, step, first);
        else
            tg_active->arg_merge_f64(r->inner, (double *)m->best + start, y,
                                     (const double *)m->best + from, m->place + from, step, first);
    }
}

static int arg_columns(reduction *r)
{
    arg_matrix m = {.r = r, .side = 1};
    if (r->inner <= NARROW / 2 && r->n >= 4 * NARROW)
        m.side = NARROW / r->inner;
    m.rows = r->n / m.side;
    m.width = r->inner * m.side;
    m.pieces = (m.rows + ARG_ROWS - 1) / ARG_ROWS;
    m.strips = (m.width + NARROW - 1) / NARROW;
    const int direct = m.pieces == 1 && m.side == 1;
    ptrdiff_t n_candidates = r->outer * (m.pieces * m.width + r->inner);
    m.best = tg_scratch(TG_SCRATCH_WORK, (size_t)n_candidates * 2 * sizeof(double));
    if (!m.best)
        return TG_NO_MEMORY;
    m.place = direct ? (int64_t *)r->y : (int64_t *)m.best + n_candidates;
    tg_parallel(r->outer * m.pieces * m.strips, 0.2 * (double)(r->outer * r->n * r->inner),
                run_arg_columns, &m);
    if (!direct)
        tg_parallel(r->outer, (double)n_candidates, merge_candidates, &m);
    return TG_OK;
}

int tg_arg_reduce(const tg_call *call)
{
    const tg_array *y = &call->arrays[0], *x = &call->arrays[1];
    reduction r = {.op = call->ints[0] ? TG_REDUCE_max : TG_REDUCE_min, .dtype = x->dtype};
    r.y = y->data;
    r.x = x->data;
    r.outer = x->shape[0];
    r.n = x->shape[1];
    r.inner = x->shape[2];
    if (r.inner > 1)
        return arg_columns(&r);
    if (r.n > 2 * LONG_ROW) {
        r.room = tg_scratch(TG_SCRATCH_WORK, (size_t)(r.n / LONG_ROW + 1) * sizeof(double));
        if (!r.room)
            return TG_NO_MEMORY;
        for (ptrdiff_t row = 0; row < r.outer; row++)
            arg_long_row(&r, row);
        return TG_OK;
    }
    r.rows_per_task =
        r.n <= ARG_ROW ? (ROWS / r.n / ARG_TOGETHER + 1) * ARG_TOGETHER : ROWS / r.n + 1;
    ptrdiff_t n_tasks = (r.outer + r.rows_per_task - 1) / r.rows_per_task;
    tg_parallel(n_tasks, 0.2 * (double)(r.outer * r.n), run_arg_rows, &r);
    return TG_OK;
}

typedef struct {
    const tg_array *y, *x;
    ptrdiff_t per_task;
    atomic_int status;
} top_k;

static void run_top_k(void *context, ptrdiff_t task)
{
    top_k *t = context;
    const ptrdiff_t n = t->x->shape[1], k = t->y->shape[1], row = task * t->per_task;
    const ptrdiff_t left = t->x->shape[0] - row,
                    end = row + (left < t->per_task ? left : t->per_task);
    void *heap = tg_scratch(TG_SCRATCH_WORK, (size_t)k * sizeof(double));
    if (!heap) {
        atomic_store(&t->status, TG_NO_MEMORY);
        return;
    }
    for (ptrdiff_t i = row; i < end; i++) {
        int64_t *index = (int64_t *)t->y->data + i * k;
        if (t->x->dtype == TG_F32)
            tg_active->top_row_f32(n, k, index, heap, (const float *)t->x->data + i * n);
        else
            tg_active->top_row_f64(n, k, index, heap, (const double *)t->x->data + i * n);
    }
}

int tg_top_k(const tg_call *call)
{
    top_k t = {.y = &call->arrays[0], .x = &call->arrays[1]};
    const ptrdiff_t outer = t.x->shape[0], n = t.x->shape[1];
    t.per_task = ROWS / n + 1;
    tg_parallel((outer + t.per_task - 1) / t.per_task, 0.5 * (double)(outer * n), run_top_k, &t);
    return atomic_load(&t.status);
}

/* --- running sums and products ------------------------------------------------------------------
 */

/* Rows to a task: whole registers of them. Columns: narrow enough for every thread to have some. */
enum { SCAN_ROWS = 16, STRIP = 128, WIDE_STRIP = 1024 };

typedef struct {
    int product;
    int32_t dtype;
    ptrdiff_t outer, n, inner;
    ptrdiff_t per_task; /* rows, or columns */
    ptrdiff_t strips;   /* of columns */
    char *y;
    const char *x;
} scan;

static void scan_rows(void *context, ptrdiff_t task)
{
    const scan *s = context;
    ptrdiff_t row = task * s->per_task, count = s->outer - row;
    ptrdiff_t at = row * s->n * (s->dtype == TG_F32 ? 4 : 8);
    void *y = s->y + at;
    const void *x = s->x + at;
    count = count < s->per_task ? count : s->per_task;
    if (s->dtype == TG_F32)
        (s->product ? tg_active->cumprod_rows_f32 : tg_active->cumsum_rows_f32)(count, s->n, y, x);
    else
        (s->product ? tg_active->cumprod_rows_f64 : tg_active->cumsum_rows_f64)(count, s->n, y, x);
}

static void scan_columns(void *context, ptrdiff_t task)
{
    const scan *s = context;
    ptrdiff_t column = task % s->strips * s->per_task, width = s->inner - column;
    ptrdiff_t at = task / s->strips * s->n * s->inner + column;
    at *= s->dtype == TG_F32 ? 4 : 8;
    void *y = s->y + at;
    const void *x = s->x + at;
    width = width < s->per_task ? width : s->per_task;
    if (s->dtype == TG_F32)
        (s->product ? tg_active->cumprod_columns_f32
                    : tg_active->cumsum_columns_f32)(s->n, width, s->inner, y, x);
    else
        (s->product ? tg_active->cumprod_columns_f64
                    : tg_active->cumsum_columns_f64)(s->n, width, s->inner, y, x);
}

int tg_scan(const tg_call *call)
{
    const tg_array *y = &call->arrays[0], *x = &call->arrays[1];
    scan s = {.product = call->ints[0] != 0, .dtype = y->dtype, .y = y->data, .x = x->data};
    s.outer = x->shape[0];
    s.n = x->shape[1];
    s.inner = x->shape[2];
    double work = 0.3 * (double)(s.outer * s.n * s.inner);
    if (s.inner == 1) {
        s.per_task = (ROWS / s.n / SCAN_ROWS + 1) * SCAN_ROWS;
        tg_parallel((s.outer + s.per_task - 1) / s.per_task, work, scan_rows, &s);
    } else {
        s.per_task = s.outer < SCAN_ROWS ? STRIP : WIDE_STRIP;
        s.strips = (s.inner + s.per_task - 1) / s.per_task;
        tg_parallel(s.outer * s.strips, work, scan_columns, &s);
    }
    return TG_OK;
}
