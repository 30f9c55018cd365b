/* fused.c - a chain of elementwise operations in one pass over memory.
 *
 * A plan (tinygrad_cn/plan) turns neighbouring elementwise calls of one shape into a little
 * program, and this interpreter runs it block by block: each instruction is one call of the very
 * kernel that the eager operation uses, on 1024 elements, and what only the chain itself reads
 * stays in registers: blocks that live in the first-level cache. An instruction costs some 5 ns a
 * block to interpret; a pass over memory that does not happen saves far more.
 *
 * arrays: the outputs (contiguous, all of one shape), the inputs (any strides, broadcast to that
 *         shape), and the program: int32, INSTRUCTION numbers for each instruction.
 * ints:   number of outputs, of inputs, of instructions; the dtype of the arithmetic.
 *
 * fused_reduce does the same, and reduces one of the outputs; each piece of it is made just before
 * it is read. arrays: the reduction's result, then as above. ints: as above, then the number of the
 * output (from 0), the tg_reduce_op, and (outer, n, inner), the shape that it is reduced as.
 * floats[0]: what a mean divides by.
 *
 * An instruction is (kind, operation, destination, a, b, c). An operand below TG_MAX_ARRAYS is that
 * array of the call, one from TG_MAX_ARRAYS up a register. What comparisons yield, and `where`
 * asks, are bytes; all else has the dtype of the arithmetic.
 */
#include <string.h>

#include "../chain.h"
#include "../reduction.h"
#include "../table.h"
#include "../threads.h"

enum { BLOCK = 1024, MAX_REGISTERS = 8, INSTRUCTION = 6, BLOCKS_PER_TASK = 8 };
enum { UNARY, BINARY, COMPARE, WHERE };

static ptrdiff_t size_of(int dtype)
{
    return dtype == TG_U8 ? 1 : dtype == TG_F32 || dtype == TG_I32 ? 4 : 8;
}

static tg_layout layout_of(const tg_array *a)
{
    ptrdiff_t expected = 1;
    int adjacent = 1, same = 1;
    for (int i = a->ndim - 1; i >= 0; i--) {
        if (a->shape[i] != 1) {
            adjacent &= a->strides[i] == expected;
            same &= a->strides[i] == 0;
        }
        expected *= a->shape[i];
    }
    return adjacent ? TG_ADJACENT : same ? TG_SAME : TG_SCATTERED;
}

static void copy_run(char *to, const char *from, ptrdiff_t n, ptrdiff_t size, ptrdiff_t step)
{
    if (step == size) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        memcpy(to + i * size, from + i * step, (size_t)size);
}

/* The elements first .. first + n - 1, counted as in the outputs, copied to `to`. */
static void gather(char *to, const tg_array *a, ptrdiff_t first, ptrdiff_t n)
{
    ptrdiff_t size = size_of(a->dtype), index[TG_MAX_NDIM], rest = first;
    const char *from = a->data;
    int last = a->ndim - 1; /* what is scattered has an axis */
    for (int i = last; i >= 0; i--) {
        index[i] = rest % a->shape[i];
        rest /= a->shape[i];
        from += index[i] * a->strides[i] * size;
    }
    ptrdiff_t step = a->strides[last] * size;
    while (n > 0) {
        ptrdiff_t run = a->shape[last] - index[last] < n ? a->shape[last] - index[last] : n;
        copy_run(to, from, run, size, step);
        to += run * size;
        n -= run;
        from -= index[last] * step; /* to the start of the next row */
        index[last] = 0;
        for (int i = last - 1; i >= 0; i--) {
            from += a->strides[i] * size;
            if (++index[i] < a->shape[i])
                break;
            from -= index[i] * a->strides[i] * size;
            index[i] = 0;
        }
    }
}

/* Where an operand of a block lies: its rows and the elements of a row, `row` and `step` apart. */
typedef struct {
    char *at;
    ptrdiff_t row, step, size; /* size: bytes of an element */
} operand;

static void *row_of(const operand *x, ptrdiff_t row)
{
    return x->at + row * x->row * x->size;
}

#define TG_INSTRUCTION(T, suffix)                                                                  \
    static void instruction_##suffix(const int32_t *i, ptrdiff_t n_rows, ptrdiff_t n,              \
                                     const operand *y, const operand *a, const operand *b,         \
                                     const operand *c)                                             \
    {                                                                                              \
        if (i[0] == BINARY) {                                                                      \
            const tg_binary_rows rows = {y->row, a->row, b->row, a->step, b->step};                \
            tg_active->binary_##suffix[i[1]](n_rows, n, (T *)y->at, (T *)a->at, (T *)b->at,        \
                                             &rows);                                               \
            return;                                                                                \
        }                                                                                          \
        for (ptrdiff_t r = 0; r < n_rows; r++) {                                                   \
            void *to = row_of(y, r);                                                               \
            const void *from = row_of(a, r), *other = row_of(b, r);                                \
            if (i[0] == UNARY)                                                                     \
                tg_active->unary_##suffix[i[1]](n, to, from);                                      \
            else if (i[0] == COMPARE)                                                              \
                tg_active->compare_##suffix[i[1]](n, to, from, a->step, other, b->step);           \
            else                                                                                   \
                tg_active->where_##suffix(n, to, from, a->step, other, b->step, row_of(c, r),      \
                                          c->step);                                                \
        }                                                                                          \
    }
TG_INSTRUCTION(float, f32)
TG_INSTRUCTION(double, f64)

/* At most BLOCK elements: rows of n, `row` apart, the first of them number `first`. */
static void run_block(const tg_chain *c, ptrdiff_t first, ptrdiff_t n_rows, ptrdiff_t n,
                      ptrdiff_t row)
{
    _Alignas(64) char gathered[TG_MAX_ARRAYS][8 * BLOCK], registers[MAX_REGISTERS][8 * BLOCK];
    operand operands[TG_MAX_ARRAYS + MAX_REGISTERS];
    for (int i = 0; i < c->n_arrays; i++) {
        const tg_array *a = &c->arrays[i];
        operand *o = &operands[i];
        *o = (operand){.at = a->data, .size = size_of(a->dtype)};
        if (c->layouts[i] == TG_SAME)
            continue;
        o->step = 1;
        o->row = row;
        if (c->layouts[i] == TG_ADJACENT) {
            o->at += first * o->size;
            continue;
        }
        o->at = gathered[i];
        o->row = n;
        for (ptrdiff_t r = 0; r < n_rows; r++)
            gather(row_of(o, r), a, first + r * row, n);
    }
    for (ptrdiff_t k = 0; k < c->n_instructions; k++) {
        const int32_t *i = c->program + k * INSTRUCTION, to = i[2];
        if (to >= TG_MAX_ARRAYS)
            operands[to] = (operand){registers[to - TG_MAX_ARRAYS], n, 1, size_of(c->dtype)};
        if (i[0] == COMPARE)
            operands[to].size = 1;
        (c->dtype == TG_F32 ? instruction_f32 : instruction_f64)(
            i, n_rows, n, &operands[to], &operands[i[3]], &operands[i[4]], &operands[i[5]]);
    }
}

static void run_elements(const void *context, ptrdiff_t first, ptrdiff_t n)
{
    for (ptrdiff_t end = first + n; first < end; first += BLOCK)
        run_block(context, first, 1, end - first < BLOCK ? end - first : BLOCK, 0);
}

static void run_task(void *context, ptrdiff_t task)
{
    const tg_chain *c = context;
    ptrdiff_t per_task = (ptrdiff_t)BLOCK * BLOCKS_PER_TASK, first = task * per_task;
    run_elements(c, first, c->n - first < per_task ? c->n - first : per_task);
}

static tg_chain chain_of(const tg_array *arrays, const ptrdiff_t *ints)
{
    tg_chain c = {.arrays = arrays,
                  .n_arrays = ints[0] + ints[1],
                  .n_instructions = ints[2],
                  .dtype = (int)ints[3],
                  .n = 1};
    c.program = arrays[c.n_arrays].data;
    for (int i = 0; i < arrays[0].ndim; i++)
        c.n *= arrays[0].shape[i];
    for (int i = 0; i < c.n_arrays; i++)
        c.layouts[i] = layout_of(&arrays[i]);
    for (ptrdiff_t k = 0; k < c.n_instructions; k++) {
        const int32_t *i = c.program + k * INSTRUCTION;
        if (i[0] == UNARY && i[3] < TG_MAX_ARRAYS && c.layouts[i[3]] == TG_SAME)
            c.layouts[i[3]] = TG_SCATTERED; /* a unary kernel reads adjacent numbers only */
    }
    return c;
}

const tg_chain *tg_chain_behind(const tg_call *call, tg_chain *room)
{
    const ptrdiff_t *ints = call->ints + TG_CHAIN_INTS;
    if (ints[2] == 0)
        return NULL;
    *room = chain_of(call->arrays + TG_CHAIN_ARRAYS, ints);
    room->base = call->arrays[0].data;
    return room;
}

void tg_chain_run(const tg_chain *c, const void *from, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t row)
{
    ptrdiff_t first = ((const char *)from - c->base) / size_of(c->dtype);
    if (n_rows == 1 || n == row || n >= BLOCK) { /* long rows */
        const ptrdiff_t length = n == row ? n_rows * n : n, count = n == row ? 1 : n_rows;
        for (ptrdiff_t r = 0; r < count; r++)
            run_elements(c, first + r * row, length);
        return;
    }
    for (ptrdiff_t r = 0, some = BLOCK / n; r < n_rows; r += some)
        run_block(c, first + r * row, n_rows - r < some ? n_rows - r : some, n, row);
}

/* 0.25 ns an element: an instruction on data in the first-level cache */
double tg_chain_work(const tg_chain *c)
{
    return c ? 0.25 * (double)(c->n * c->n_instructions) : 0;
}

void tg_chain_run_all(const tg_chain *c)
{
    ptrdiff_t per_task = (ptrdiff_t)BLOCK * BLOCKS_PER_TASK;
    tg_parallel((c->n + per_task - 1) / per_task, tg_chain_work(c), run_task, (void *)c);
}

int tg_fused(const tg_call *call)
{
    const tg_chain c = chain_of(call->arrays, call->ints);
    tg_chain_run_all(&c);
    return TG_OK;
}

int tg_fused_reduce(const tg_call *call)
{
    const tg_chain c = chain_of(call->arrays + 1, call->ints);
    const ptrdiff_t *ints = call->ints + 4;
    tg_reduction wanted = {.op = (int)ints[1],
                           .dtype = c.dtype,
                           .outer = ints[2],
                           .n = ints[3],
                           .inner = ints[4],
                           .divisor = call->floats[0],
                           .y = call->arrays[0].data,
                           .x = c.arrays[ints[0]].data,
                           .produce = run_elements,
                           .context = &c,
                           .work = tg_chain_work(&c)};
    return tg_reduce_produced(&wanted);
}
