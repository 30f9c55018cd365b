/* elementwise.c - drivers of kernels/elementwise.h: broadcasting, strides, tasks (../strided.h).
 *
 * unary     arrays: y, x            ints[0]: tg_unary_op
 * binary    arrays: y, a, b         ints[0]: tg_binary_op      of one dtype; for integers: add,
 *                                            subtract, multiply, maximum, minimum
 * compare   arrays: y (u8), a, b    ints[0]: tg_compare_op     a, b of one dtype, any
 * where     arrays: y, condition (u8), a, b                    y, a, b of one dtype, any
 * copy      arrays: y, x            ints[0]: 1 when y holds bool; any dtypes, x is converted
 *
 * The inputs are described with the shape of y: a repeated axis has stride 0. y may be an input,
 * with the same strides; other overlaps are the caller's to avoid.
 */
#include "../strided.h"
#include "../table.h"

/* Nanoseconds of an element, roughly, from L2: only to decide whether threads pay off. */
static double unary_cost(ptrdiff_t op, int32_t dtype)
{
    switch (op) {
    case TG_UNARY_negative:
    case TG_UNARY_abs:
    case TG_UNARY_sign:
    case TG_UNARY_square:
    case TG_UNARY_floor:
    case TG_UNARY_ceil:
    case TG_UNARY_round:
    case TG_UNARY_trunc:
    case TG_UNARY_relu:
        return dtype == TG_F32 ? 0.08 : 0.16;
    case TG_UNARY_tan:
    case TG_UNARY_asin:
    case TG_UNARY_acos:
    case TG_UNARY_atan:
    case TG_UNARY_sinh:
    case TG_UNARY_cosh:
    case TG_UNARY_asinh:
    case TG_UNARY_acosh:
    case TG_UNARY_atanh:
        return dtype == TG_F32 ? 0.5 : 10;
    default:
        return dtype == TG_F32 ? 0.35 : 1;
    }
}

static double binary_cost(ptrdiff_t op, int32_t dtype)
{
    switch (op) {
    case TG_BINARY_pow:
    case TG_BINARY_atan2:
        return dtype == TG_F32 ? 1 : 20;
    case TG_BINARY_logaddexp:
    case TG_BINARY_silu_grad:
    case TG_BINARY_gelu_grad:
    case TG_BINARY_gelu_tanh_grad:
        return dtype == TG_F32 ? 0.6 : 1.5;
    default:
        return dtype == TG_F32 ? 0.12 : 0.24;
    }
}

typedef struct {
    ptrdiff_t op;
    int32_t dtype;
} operation;

static void run_unary(void *context, ptrdiff_t n, char **data, const ptrdiff_t *step)
{
    const operation *o = context;
    void *y = data[0], *x = data[1];
    ptrdiff_t count = step[1] ? n : 1; /* a repeated number is computed once */
    if (o->dtype == TG_F32)
        tg_active->unary_f32[o->op](count, y, x);
    else
        tg_active->unary_f64[o->op](count, y, x);
    if (!step[1])
        tg_move_block(o->dtype == TG_F32 ? 4 : 8, 1, n, y, 0, 1, y, 0, 0);
}

int tg_unary(const tg_call *call)
{
    tg_strided s;
    operation o = {call->ints[0], call->arrays[0].dtype};
    tg_strided_init(&s, call->arrays, 2);
    tg_strided_run(&s, run_unary, &o, unary_cost(o.op, o.dtype));
    return TG_OK;
}

static void run_binary_rows(void *context, ptrdiff_t n_rows, ptrdiff_t n, char **data,
                            const ptrdiff_t *row, const ptrdiff_t *step)
{
    const operation *o = context;
    void *y = data[0], *a = data[1], *b = data[2];
    const tg_binary_rows rows = {row[0], row[1], row[2], step[1], step[2]};
    if (o->dtype == TG_F32)
        tg_active->binary_f32[o->op](n_rows, n, y, a, b, &rows);
    else
        tg_active->binary_f64[o->op](n_rows, n, y, a, b, &rows);
}

static int is_float(int32_t dtype)
{
    return dtype == TG_F32 || dtype == TG_F64;
}

static void run_binary(void *context, ptrdiff_t n, char **data, const ptrdiff_t *step)
{
    const operation *o = context;
    if (is_float(o->dtype))
        run_binary_rows(context, 1, n, data, (const ptrdiff_t[3]){0}, step);
    else
        tg_active->binary_integers((int)o->op, o->dtype, n, data[0], data[1], step[1], data[2],
                                   step[2]);
}

int tg_binary(const tg_call *call)
{
    tg_strided s;
    operation o = {call->ints[0], call->arrays[0].dtype};
    tg_strided_init(&s, call->arrays, 3);
    s.run_rows = is_float(o.dtype) ? run_binary_rows : NULL;
    tg_strided_run(&s, run_binary, &o, binary_cost(o.op, o.dtype));
    return TG_OK;
}

static void run_compare(void *context, ptrdiff_t n, char **data, const ptrdiff_t *step)
{
    const operation *o = context;
    void *y = data[0], *a = data[1], *b = data[2];
    if (o->dtype == TG_F32)
        tg_active->compare_f32[o->op](n, y, a, step[1], b, step[2]);
    else if (o->dtype == TG_F64)
        tg_active->compare_f64[o->op](n, y, a, step[1], b, step[2]);
    else
        tg_active->compare_integers((int)o->op, o->dtype, n, y, a, step[1], b, step[2]);
}

int tg_compare(const tg_call *call)
{
    tg_strided s;
    operation o = {call->ints[0], call->arrays[1].dtype};
    tg_strided_init(&s, call->arrays, 3);
    tg_strided_run(&s, run_compare, &o, 0.025 * (double)s.item[1]);
    return TG_OK;
}

/* A choice only moves bits: integers go as floats of their size. */
static void run_where(void *context, ptrdiff_t n, char **data, const ptrdiff_t *step)
{
    ptrdiff_t item = *(const ptrdiff_t *)context;
    const uint8_t *condition = (const uint8_t *)data[1];
    void *y = data[0], *a = data[2], *b = data[3];
    if (item == 4)
        tg_active->where_f32(n, y, condition, step[1], a, step[2], b, step[3]);
    else if (item == 8)
        tg_active->where_f64(n, y, condition, step[1], a, step[2], b, step[3]);
    else
        for (ptrdiff_t i = 0; i < n; i++)
            data[0][i] = condition[i * step[1]] ? data[2][i * step[2]] : data[3][i * step[3]];
}

int tg_where(const tg_call *call)
{
    tg_strided s;
    tg_strided_init(&s, call->arrays, 4);
    tg_strided_run(&s, run_where, &s.item[0], 0.15);
    return TG_OK;
}

/* --- copy ------------------------------------------------------------------------------------- */

static void run_copy(void *context, ptrdiff_t n, char **data, const ptrdiff_t *step)
{
    ptrdiff_t item = *(const ptrdiff_t *)context;
    if (step[1])
        memcpy(data[0], data[1], (size_t)(n * item));
    else
        tg_move_block(item, 1, n, data[0], 0, 1, data[1], 0, 0);
}

typedef struct {
    int to, truth, from;
    ptrdiff_t item; /* of y */
} conversion;

static void run_cast(void *context, ptrdiff_t n, char **data, const ptrdiff_t *step)
{
    const conversion *c = context;
    tg_active->cast(c->to, c->truth, c->from, step[1] ? n : 1, data[0], data[1]);
    if (!step[1])
        tg_move_block(c->item, 1, n, data[0], 0, 1, data[0], 0, 0);
}

/* A transposed copy: y's fastest axis is not x's. Tiles of 64 x 64: both sides are read and written
 * in whole cache lines, and 32 KB of lines stay in L1. */
enum { TILE = 64 };

typedef struct {
    const tg_strided *s;
    int across; /* the axis along which x lies together */
    ptrdiff_t n_down, n_across;
} turned;

static void copy_tile(void *context, ptrdiff_t task)
{
    const turned *t = context;
    const tg_strided *s = t->s;
    int inner = s->ndim - 1;
    ptrdiff_t j = task % t->n_across * TILE, i = task / t->n_across % t->n_down * TILE;
    ptrdiff_t rest = task / t->n_across / t->n_down, to = 0, from = 0;
    for (int d = inner - 1; d >= 0; d--) {
        if (d == t->across)
            continue;
        to += rest % s->shape[d] * s->strides[0][d];
        from += rest % s->shape[d] * s->strides[1][d];
        rest /= s->shape[d];
    }
    ptrdiff_t rows = s->shape[t->across] - i, columns = s->shape[inner] - j, item = s->item[0];
    rows = rows < TILE ? rows : TILE;
    columns = columns < TILE ? columns : TILE;
    ptrdiff_t y_row = s->strides[0][t->across], x_row = s->strides[1][inner];
    char *y = s->data[0] + (to + i * y_row + j) * item;
    const char *x = s->data[1] + (from + j * x_row + i) * item;
    tg_move_turned(item, rows, columns, y, y_row, x, x_row);
}

/* Whole rows are copied in the order of y, unless x is then read with longer steps than another
 * order writes with: of the two axes outside a row the shorter one goes inside, where both arrays
 * are read or written in as many streams as it is long, if that is enough for a turn of the loop.
 */
enum { NEAR = 512 }; /* numbers */

static void put_near_inside(tg_strided *s)
{
    int i = s->ndim - 3, j = s->ndim - 2;
    if (s->shape[i] >= s->shape[j] || s->shape[i] * s->shape[j + 1] < NEAR ||
        tg_magnitude(s->strides[1][i]) >= tg_magnitude(s->strides[1][j]))
        return;
    ptrdiff_t n = s->shape[i];
    s->shape[i] = s->shape[j];
    s->shape[j] = n;
    for (int k = 0; k < 2; k++) {
        ptrdiff_t stride = s->strides[k][i];
        s->strides[k][i] = s->strides[k][j];
        s->strides[k][j] = stride;
    }
}

/* Memory that lies in one piece on both sides: cut no shorter than the library copies it fast. */
typedef struct {
    char *to;
    const char *from;
    ptrdiff_t n_bytes;
} whole;

enum { COPIED = 1 << 17 }; /* bytes, by a task */

static void copy_piece(void *context, ptrdiff_t task)
{
    const whole *w = context;
    const ptrdiff_t first = task * COPIED, left = w->n_bytes - first;
    memcpy(w->to + first, w->from + first, (size_t)(left < COPIED ? left : COPIED));
}

int tg_copy(const tg_call *call)
{
    tg_strided s;
    tg_strided_init(&s, call->arrays, 2);
    conversion c = {call->arrays[0].dtype, (int)call->ints[0], call->arrays[1].dtype, s.item[0]};
    if (c.to != c.from || c.truth) {
        tg_strided_run(&s, run_cast, &c, 0.02 * (double)(s.item[0] + s.item[1]));
        return TG_OK;
    }
    int inner = s.ndim - 1, across = -1;
    ptrdiff_t size = s.size;
    if (s.ndim == 1 && s.strides[0][0] == 1 && s.strides[1][0] == 1) {
        whole w = {call->arrays[0].data, call->arrays[1].data, size * s.item[0]};
        tg_parallel((w.n_bytes + COPIED - 1) / COPIED, 0.02 * (double)w.n_bytes, copy_piece, &w);
        return TG_OK;
    }
    for (int d = 0; d < inner && s.strides[1][inner] != 1; d++)
        if (s.strides[1][d] == 1 && s.shape[d] >= 4)
            across = d;
    if (across >= 0 && s.strides[0][inner] == 1 && s.shape[inner] >= 4 && size > 0) {
        turned t = {&s, across, (s.shape[across] + TILE - 1) / TILE,
                    (s.shape[inner] + TILE - 1) / TILE};
        ptrdiff_t others = size / s.shape[across] / s.shape[inner];
        tg_parallel(others * t.n_down * t.n_across, 0.3 * (double)size, copy_tile, &t);
        return TG_OK;
    }
    if (s.ndim > 2 && s.strides[1][inner] == 1)
        put_near_inside(&s);
    s.is_copy = 1;
    tg_strided_run(&s, run_copy, &s.item[0], 0.02 * (double)s.item[0]);
    return TG_OK;
}
