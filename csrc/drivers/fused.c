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

#include "../reduction.h"
#include "../table.h"
#include "../threads.h"

enum { BLOCK = 1024, MAX_REGISTERS = 8, INSTRUCTION = 6, BLOCKS_PER_TASK = 8 };
enum { UNARY, BINARY, COMPARE, WHERE };

typedef enum { ADJACENT, SAME, SCATTERED } layout; /* of an operand, along the outputs' elements */

typedef struct {
    const tg_array *arrays;
    const int32_t *program;
    ptrdiff_t n_arrays, n_instructions, n;
    int dtype;
    layout layouts[TG_MAX_ARRAYS];
} chain;

static ptrdiff_t size_of(int dtype)
{
    return dtype == TG_U8 ? 1 : dtype == TG_F32 || dtype == TG_I32 ? 4 : 8;
}

static layout layout_of(const tg_array *a)
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
    return adjacent ? ADJACENT : same ? SAME : SCATTERED;
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

#define TG_INSTRUCTION(T, suffix)                                                                  \
    static void instruction_##suffix(const int32_t *i, ptrdiff_t n, void *y, void *const *x,       \
                                     const ptrdiff_t *step)                                        \
    {                                                                                              \
        switch (i[0]) {                                                                            \
        case UNARY:                                                                                \
            tg_active->unary_##suffix[i[1]](n, y, x[0]);                                           \
            break;                                                                                 \
        case BINARY:                                                                               \
            tg_active->binary_##suffix[i[1]](                                                      \
                1, n, y, x[0], x[1], &(tg_binary_rows){.a_step = step[0], .b_step = step[1]});     \
            break;                                                                                 \
        case COMPARE:                                                                              \
            tg_active->compare_##suffix[i[1]](n, y, x[0], step[0], x[1], step[1]);                 \
            break;                                                                                 \
        default:                                                                                   \
            tg_active->where_##suffix(n, y, x[0], step[0], x[1], step[1], x[2], step[2]);          \
        }                                                                                          \
    }
TG_INSTRUCTION(float, f32)
TG_INSTRUCTION(double, f64)

static void run_block(const chain *c, ptrdiff_t first, ptrdiff_t n)
{
    _Alignas(64) char gathered[TG_MAX_ARRAYS][8 * BLOCK], registers[MAX_REGISTERS][8 * BLOCK];
    char *operands[TG_MAX_ARRAYS + MAX_REGISTERS];
    for (int i = 0; i < c->n_arrays; i++) {
        const tg_array *a = &c->arrays[i];
        operands[i] = a->data;
        if (c->layouts[i] == ADJACENT)
            operands[i] += first * size_of(a->dtype);
        else if (c->layouts[i] == SCATTERED)
            gather(operands[i] = gathered[i], a, first, n);
    }
    for (int i = 0; i < MAX_REGISTERS; i++)
        operands[TG_MAX_ARRAYS + i] = registers[i];
    for (ptrdiff_t k = 0; k < c->n_instructions; k++) {
        const int32_t *i = c->program + k * INSTRUCTION;
        void *x[3];
        ptrdiff_t step[3];
        for (int j = 0; j < 3; j++) {
            int o = i[3 + j];
            x[j] = operands[o];
            step[j] = o >= TG_MAX_ARRAYS || c->layouts[o] != SAME;
        }
        (c->dtype == TG_F32 ? instruction_f32 : instruction_f64)(i, n, operands[i[2]], x, step);
    }
}

static void run_elements(const void *context, ptrdiff_t first, ptrdiff_t n)
{
    for (ptrdiff_t end = first + n; first < end; first += BLOCK)
        run_block(context, first, end - first < BLOCK ? end - first : BLOCK);
}

static void run_task(void *context, ptrdiff_t task)
{
    const chain *c = context;
    ptrdiff_t per_task = (ptrdiff_t)BLOCK * BLOCKS_PER_TASK, first = task * per_task;
    run_elements(c, first, c->n - first < per_task ? c->n - first : per_task);
}

static chain chain_of(const tg_call *call, const tg_array *arrays)
{
    chain c = {.arrays = arrays,
               .n_arrays = call->ints[0] + call->ints[1],
               .n_instructions = call->ints[2],
               .dtype = (int)call->ints[3],
               .n = 1};
    c.program = arrays[c.n_arrays].data;
    for (int i = 0; i < arrays[0].ndim; i++)
        c.n *= arrays[0].shape[i];
    for (int i = 0; i < c.n_arrays; i++)
        c.layouts[i] = layout_of(&arrays[i]);
    for (ptrdiff_t k = 0; k < c.n_instructions; k++) {
        const int32_t *i = c.program + k * INSTRUCTION;
        if (i[0] == UNARY && i[3] < TG_MAX_ARRAYS && c.layouts[i[3]] == SAME)
            c.layouts[i[3]] = SCATTERED; /* a unary kernel reads adjacent numbers only */
    }
    return c;
}

/* 0.25 ns an element: an instruction on data in the first-level cache */
static double work_of(const chain *c)
{
    return 0.25 * (double)(c->n * c->n_instructions);
}

int tg_fused(const tg_call *call)
{
    chain c = chain_of(call, call->arrays);
    ptrdiff_t per_task = (ptrdiff_t)BLOCK * BLOCKS_PER_TASK;
    tg_parallel((c.n + per_task - 1) / per_task, work_of(&c), run_task, &c);
    return TG_OK;
}

int tg_fused_reduce(const tg_call *call)
{
    chain c = chain_of(call, call->arrays + 1);
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
                           .work = work_of(&c)};
    return tg_reduce_produced(&wanted);
}
