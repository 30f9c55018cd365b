/* strided.h - walk operands of one shape and any strides in runs that a kernel can take.
 *
 * The axes are sorted by the strides of the output and merged where every operand allows it, so
 * that contiguous arrays become one long run and a broadcast bias a matrix. The elements, counted
 * in this order, are cut into tasks, small enough to be shared evenly. A task hands a kernel runs
 * of one row where all strides along it are 0 or 1; other operands are first gathered into a block
 * in L1, and short rows are put together, across as many axes as fill a quarter of it (a row
 * that is repeated along one axis, such as a bias, stays there). Where an operand's columns lie
 * together and rows are long, tiles of 16 rows are taken instead. A copy needs no blocks: it is
 * moved to where it goes at once.
 *
 * Blocks of 1024 numbers: at most four of them, 32 KB of doubles, live in L1 or close to it.
 */
#ifndef TG_STRIDED_H
#define TG_STRIDED_H

#include <stdint.h>
#include <string.h>

#include "table.h"
#include "tg.h"
#include "threads.h"

enum {
    TG_MAX_OPERANDS = 4,
    TG_BLOCK = 1024,
    TG_TASK = 4096,
    TG_LONG_TASK = 16384,
    TG_SHORT_ROW = 256,
    TG_SPREAD_ROW = 32,
    TG_TINY_ROW = 8, /* run_rows takes longer ones, if so many numbers stand together: */
    TG_ROWS_AT_ONCE = 128,
    TG_REPEATED_ROW = 24, /* shorter ones are cheaper from a block that is kept */
    TG_TILE_HEIGHT = 16,  /* a cache line of floats, of an operand that lies across */
    TG_TILE_WIDTH = TG_BLOCK / TG_TILE_HEIGHT
};

/* n elements: operand k starts at data[k], and its elements lie together (step[k] = 1) or are the
 * same for all (0). Operand 0 is written, with step 1. */
typedef void (*tg_run_kernel)(void *context, ptrdiff_t n, char **data, const ptrdiff_t *step);

/* The same for rows that lie row[k] elements apart. */
typedef void (*tg_run_rows_kernel)(void *context, ptrdiff_t n_rows, ptrdiff_t n, char **data,
                                   const ptrdiff_t *row, const ptrdiff_t *step);

typedef struct {
    int ndim, n_operands;
    ptrdiff_t size, per_task; /* elements */
    ptrdiff_t shape[TG_MAX_NDIM];
    ptrdiff_t strides[TG_MAX_OPERANDS][TG_MAX_NDIM]; /* elements */
    ptrdiff_t item[TG_MAX_OPERANDS];                 /* bytes */
    char *data[TG_MAX_OPERANDS];
    int is_copy; /* of operand 1, of the same item size */
    tg_run_kernel run;
    tg_run_rows_kernel run_rows; /* NULL: row by row */
    void *context;
} tg_strided;

static inline ptrdiff_t tg_item_size(int32_t dtype)
{
    return dtype == TG_U8 ? 1 : dtype == TG_F32 || dtype == TG_I32 ? 4 : 8;
}

static inline ptrdiff_t tg_n_elements(const tg_array *a)
{
    ptrdiff_t n = 1;
    for (int d = 0; d < a->ndim; d++)
        n *= a->shape[d];
    return n;
}

static inline ptrdiff_t tg_magnitude(ptrdiff_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* All operands have the shape of operands[0] (broadcast axes have stride 0). */
static inline void tg_strided_init(tg_strided *s, const tg_array *operands, int n_operands)
{
    const tg_array *y = &operands[0];
    int order[TG_MAX_NDIM], n_axes = 0;
    s->n_operands = n_operands;
    s->is_copy = 0;
    s->run_rows = NULL;
    s->size = tg_n_elements(y);
    for (int k = 0; k < n_operands; k++) {
        s->data[k] = operands[k].data;
        s->item[k] = tg_item_size(operands[k].dtype);
    }
    for (int d = 0; d < y->ndim; d++) { /* insertion by falling stride of y; axes of 1 drop out */
        if (y->shape[d] == 1)
            continue;
        int at = n_axes++;
        while (at > 0 && tg_magnitude(y->strides[order[at - 1]]) < tg_magnitude(y->strides[d])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = d;
    }
    s->ndim = 0;
    for (int i = 0; i < n_axes; i++) {
        int d = order[i], last = s->ndim - 1, merge = last >= 0;
        for (int k = 0; k < n_operands && merge; k++)
            merge = s->strides[k][last] == operands[k].strides[d] * y->shape[d];
        if (!merge)
            s->shape[last = s->ndim++] = 1;
        s->shape[last] *= y->shape[d];
        for (int k = 0; k < n_operands; k++)
            s->strides[k][last] = operands[k].strides[d];
    }
    if (s->ndim == 0) {
        s->shape[s->ndim++] = 1;
        for (int k = 0; k < n_operands; k++)
            s->strides[k][0] = 1;
    }
}

/* memcpy for many short rows: up to some hundred bytes the call would cost more than the bytes. */
static inline void tg_copy_row(char *to, const char *from, size_t n_bytes)
{
    if (n_bytes > 512 || n_bytes < 8) {
        memcpy(to, from, n_bytes);
    } else if (n_bytes >= 32) {
        for (size_t i = 0; i + 32 < n_bytes; i += 32)
            memcpy(to + i, from + i, 32);
        memcpy(to + n_bytes - 32, from + n_bytes - 32, 32); /* what is left, and some once more */
    } else if (n_bytes >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n_bytes - 16, from + n_bytes - 16, 16);
    } else {
        memcpy(to, from, 8);
        memcpy(to + n_bytes - 8, from + n_bytes - 8, 8);
    }
}

/* The compiler makes vectors of the loop where it knows the strides. */
#define TG_MOVE_ROWS(T, to_column, from_column)                                                    \
    for (ptrdiff_t i = 0; i < rows; i++) {                                                         \
        T *y = (T *)to + i * to_row;                                                               \
        const T *x = (const T *)from + i * from_row;                                               \
        for (ptrdiff_t j = 0; j < columns; j++)                                                    \
            y[j * (to_column)] = x[j * (from_column)];                                             \
    }
/* A number per row. */
#define TG_FILL_ROWS(T)                                                                            \
    for (ptrdiff_t i = 0; i < rows; i++) {                                                         \
        T *y = (T *)to + i * to_row;                                                               \
        const T x = ((const T *)from)[i * from_row], four[4] = {x, x, x, x};                       \
        for (ptrdiff_t j = 0; j + 4 <= columns; j += 4)                                            \
            memcpy(y + j, four, sizeof four);                                                      \
        if (columns >= 4)                                                                          \
            memcpy(y + columns - 4, four, sizeof four);                                            \
        for (ptrdiff_t j = 0; columns < 4 && j < columns; j++)                                     \
            y[j] = x;                                                                              \
    }
#define TG_MOVE_BLOCK(T)                                                                           \
    if (to_column == 1 && from_column == 0)                                                        \
        TG_FILL_ROWS(T)                                                                            \
    else if (to_column == 1 && from_column == 2)                                                   \
        TG_MOVE_ROWS(T, 1, 2)                                                                      \
    else if (to_column == 1 && from_column == 3)                                                   \
        TG_MOVE_ROWS(T, 1, 3)                                                                      \
    else if (to_column == 1 && from_column == -1)                                                  \
        TG_MOVE_ROWS(T, 1, -1)                                                                     \
    else                                                                                           \
        TG_MOVE_ROWS(T, to_column, from_column)

/* Copy rows x columns elements between any strides; very short rows are taken as columns. */
static inline void tg_move_block(ptrdiff_t item, ptrdiff_t rows, ptrdiff_t columns, void *to,
                                 ptrdiff_t to_row, ptrdiff_t to_column, const void *from,
                                 ptrdiff_t from_row, ptrdiff_t from_column)
{
    if (columns < 8 && rows > columns && !(to_column == 1 && from_column == 1)) {
        ptrdiff_t n = rows, to_n = to_row, from_n = from_row;
        rows = columns, to_row = to_column, from_row = from_column;
        columns = n, to_column = to_n, from_column = from_n;
    }
    if (to_column == 1 && from_column == 1 && from_row == 0 && to_row == columns && rows > 0) {
        const size_t row = (size_t)(columns * item), all = (size_t)rows * row;
        tg_copy_row(to, from, row);
        for (size_t n = row; n < all; n *= 2) /* what is there once more */
            memcpy((char *)to + n, to, n < all - n ? n : all - n);
    } else if (to_column == 1 && from_column == 1) {
        for (ptrdiff_t i = 0; i < rows; i++)
            tg_copy_row((char *)to + i * to_row * item, (const char *)from + i * from_row * item,
                        (size_t)(columns * item));
    } else if (item == 1) {
        TG_MOVE_BLOCK(uint8_t)
    } else if (item == 4) {
        TG_MOVE_BLOCK(uint32_t)
    } else {
        TG_MOVE_BLOCK(uint64_t)
    }
}

/* The same for `from` with rows and columns exchanged: whole squares are turned in the registers.
 */
static inline void tg_move_turned(ptrdiff_t item, ptrdiff_t rows, ptrdiff_t columns, void *to,
                                  ptrdiff_t to_row, const void *from, ptrdiff_t from_column)
{
    if (item == 4)
        tg_active->transpose_f32(rows, columns, to, to_row, from, from_column);
    else if (item == 8)
        tg_active->transpose_f64(rows, columns, to, to_row, from, from_column);
    else
        tg_move_block(item, rows, columns, to, to_row, 1, from, 1, from_column);
}

/* What a block holds: so many copies of the row at `from`. */
typedef struct {
    const char *from;
    ptrdiff_t rows;
} tg_kept;

/* Rows of a block: `rows` of them, counted on from `index` across the axes from `first` on. Operand
 * k is moved to the block, where they lie together, or back. */
static inline void tg_move_rows(const tg_strided *s, int k, const ptrdiff_t *index, int first,
                                ptrdiff_t rows, char *array, char *block, int back)
{
    const int inner = s->ndim - 1, outer = inner - 1;
    const ptrdiff_t *strides = s->strides[k], item = s->item[k], columns = s->shape[inner];
    ptrdiff_t at[TG_MAX_NDIM];
    for (int d = first; d < inner; d++)
        at[d] = index[d];
    for (ptrdiff_t n; rows > 0; rows -= n, block += n * columns * item) {
        n = s->shape[outer] - at[outer];
        n = n < rows ? n : rows;
        if (back)
            tg_move_block(item, n, columns, array, strides[outer], strides[inner], block, columns,
                          1);
        else if (strides[outer] == 1 && n >= 4 && columns >= 8)
            tg_move_turned(item, n, columns, block, columns, array, strides[inner]);
        else
            tg_move_block(item, n, columns, block, columns, 1, array, strides[outer],
                          strides[inner]);
        at[outer] += n;
        array += n * strides[outer] * item;
        for (int d = outer; d > first && at[d] == s->shape[d]; d--) {
            at[d] = 0;
            at[d - 1]++;
            array += (strides[d - 1] - s->shape[d] * strides[d]) * item;
        }
    }
}

/* How operand k lies across the axes from `first` on: TG_TOGETHER, or TG_ONE_NUMBER repeated, both
 * of which a kernel takes as they are, or TG_APART. The output is never repeated. */
enum { TG_APART = -1, TG_ONE_NUMBER, TG_TOGETHER };
static inline int tg_lies(const tg_strided *s, int k, int first)
{
    int together = 1, repeated = k > 0;
    ptrdiff_t expected = 1;
    for (int d = s->ndim - 1; d >= first; d--) {
        together &= s->strides[k][d] == expected;
        repeated &= s->strides[k][d] == 0;
        expected *= s->shape[d];
    }
    return together ? TG_TOGETHER : repeated ? TG_ONE_NUMBER : TG_APART;
}

/* Run `rows` whole rows from `index` on, which start at at[k] for operand k; first: see
 * tg_move_rows; lies: see tg_lies. What lies apart goes through a block; a repeated row that is in
 * its block already is not copied again. */
static inline void tg_run_block(const tg_strided *s, const ptrdiff_t *index, int first,
                                const int *lies, ptrdiff_t rows, char **at,
                                char (*blocks)[TG_BLOCK * 8], tg_kept *kept)
{
    char *data[TG_MAX_OPERANDS];
    ptrdiff_t step[TG_MAX_OPERANDS];
    const int inner = s->ndim - 1, outer = inner - 1;
    const ptrdiff_t columns = s->shape[inner];
    if (s->is_copy) {
        tg_move_block(s->item[0], rows, columns, at[0], s->strides[0][outer], s->strides[0][inner],
                      at[1], s->strides[1][outer], s->strides[1][inner]);
        return;
    }
    for (int k = 0; k < s->n_operands; k++) {
        data[k] = at[k];
        step[k] = lies[k] != TG_ONE_NUMBER;
        if (lies[k] != TG_APART)
            continue;
        data[k] = blocks[k];
        const int repeated = first == outer && s->strides[k][outer] == 0;
        if (k == 0 || (repeated && kept[k].from == at[k] && kept[k].rows >= rows))
            continue;
        tg_move_rows(s, k, index, first, rows, at[k], blocks[k], 0);
        kept[k] = (tg_kept){repeated ? at[k] : NULL, rows};
    }
    s->run(s->context, rows * columns, data, step);
    if (lies[0] == TG_APART)
        tg_move_rows(s, 0, index, first, rows, at[0], blocks[0], 1);
}

/* Run a piece of one row, of at most TG_BLOCK elements. */
static inline void tg_run_piece(const tg_strided *s, ptrdiff_t n, char **at,
                                char (*blocks)[TG_BLOCK * 8])
{
    char *data[TG_MAX_OPERANDS];
    ptrdiff_t step[TG_MAX_OPERANDS];
    const int inner = s->ndim - 1;
    if (s->is_copy) {
        tg_move_block(s->item[0], 1, n, at[0], 0, s->strides[0][inner], at[1], 0,
                      s->strides[1][inner]);
        return;
    }
    for (int k = 0; k < s->n_operands; k++) {
        const ptrdiff_t stride = s->strides[k][inner];
        step[k] = !(k > 0 && stride == 0);
        data[k] = !step[k] || stride == 1 ? at[k] : blocks[k];
        if (k > 0 && data[k] != at[k])
            tg_move_block(s->item[k], 1, n, blocks[k], 0, 1, at[k], 0, stride);
    }
    s->run(s->context, n, data, step);
    if (data[0] != at[0])
        tg_move_block(s->item[0], 1, n, at[0], 0, s->strides[0][inner], blocks[0], 0, 1);
}

/* Run `rows` rows of `columns` elements whose operands need no block. May move `at` along. */
static inline void tg_run_some_rows(const tg_strided *s, ptrdiff_t rows, ptrdiff_t columns,
                                    char **at, const ptrdiff_t *next, const ptrdiff_t *step)
{
    if (s->run_rows) {
        s->run_rows(s->context, rows, columns, at, next, step);
        return;
    }
    for (ptrdiff_t row = 0; row < rows; row++) {
        s->run(s->context, columns, at, step);
        for (int k = 0; k < s->n_operands; k++)
            at[k] += next[k] * s->item[k];
    }
}

static inline void tg_run_rows(const tg_strided *s, ptrdiff_t rows, ptrdiff_t columns, char **at)
{
    ptrdiff_t step[TG_MAX_OPERANDS], next[TG_MAX_OPERANDS];
    int inner = s->ndim - 1;
    for (int k = 0; k < s->n_operands; k++) {
        step[k] = s->strides[k][inner];
        next[k] = inner > 0 ? s->strides[k][inner - 1] : 0;
    }
    tg_run_some_rows(s, rows, columns, at, next, step);
}

/* Along long rows an operand that lies across, with its columns together, would be read a few
 * numbers of each line at a time: it is turned tile by tile, some rows at once. */
static inline int tg_lies_across(const tg_strided *s, int k)
{
    const ptrdiff_t *strides = s->strides[k];
    return strides[s->ndim - 2] == 1 && strides[s->ndim - 1] > 1;
}

static inline int tg_takes_tiles(const tg_strided *s)
{
    const int inner = s->ndim - 1;
    int across = 0;
    if (inner == 0 || s->shape[inner] < TG_SHORT_ROW || s->shape[inner - 1] < 4 || s->is_copy ||
        s->strides[0][inner] != 1)
        return 0;
    for (int k = 1; k < s->n_operands; k++) {
        across |= tg_lies_across(s, k);
        if (!tg_lies_across(s, k) && s->strides[k][inner] != 0 && s->strides[k][inner] != 1)
            return 0;
    }
    return across;
}

static void tg_tiles_task(void *context, ptrdiff_t task)
{
    const tg_strided *s = context;
    _Alignas(64) char blocks[TG_MAX_OPERANDS][TG_BLOCK * 8];
    const int inner = s->ndim - 1, outer = inner - 1;
    const ptrdiff_t columns = s->shape[inner], all = s->size / columns;
    const ptrdiff_t per_task = s->per_task / columns, first = task * per_task;
    const ptrdiff_t end = first + per_task < all ? first + per_task : all;
    for (ptrdiff_t row = first, n_rows; row < end; row += n_rows) {
        ptrdiff_t offset[TG_MAX_OPERANDS] = {0}, rest = row;
        n_rows = s->shape[outer] - row % s->shape[outer];
        n_rows = n_rows < end - row ? n_rows : end - row;
        n_rows = n_rows < TG_TILE_HEIGHT ? n_rows : TG_TILE_HEIGHT;
        for (int d = outer; d >= 0; rest /= s->shape[d--])
            for (int k = 0; k < s->n_operands; k++)
                offset[k] += rest % s->shape[d] * s->strides[k][d];
        for (ptrdiff_t j = 0, n; j < columns; j += n) {
            char *data[TG_MAX_OPERANDS];
            ptrdiff_t step[TG_MAX_OPERANDS], next[TG_MAX_OPERANDS];
            n = columns - j < TG_TILE_WIDTH ? columns - j : TG_TILE_WIDTH;
            for (int k = 0; k < s->n_operands; k++) {
                step[k] = s->strides[k][inner];
                next[k] = s->strides[k][outer];
                data[k] = s->data[k] + (offset[k] + j * step[k]) * s->item[k];
                if (k > 0 && tg_lies_across(s, k)) {
                    tg_move_turned(s->item[k], n_rows, n, blocks[k], n, data[k], step[k]);
                    data[k] = blocks[k];
                    step[k] = 1;
                    next[k] = n;
                }
            }
            tg_run_some_rows(s, n_rows, n, data, next, step);
        }
    }
}

/* Move `index` on: n elements along a row, and past it and the rest of `rows` rows at its end. */
static inline void tg_advance(const tg_strided *s, ptrdiff_t *index, ptrdiff_t rows, ptrdiff_t n)
{
    const int inner = s->ndim - 1;
    index[inner] += n;
    if (index[inner] < s->shape[inner])
        return;
    index[inner] = 0;
    if (inner > 0)
        index[inner - 1] += rows;
    for (int d = inner - 1; d > 0 && index[d] >= s->shape[d]; d--) {
        ptrdiff_t over = index[d] < 2 * s->shape[d] ? 1 : index[d] / s->shape[d];
        index[d] -= over * s->shape[d];
        index[d - 1] += over;
    }
}

static void tg_strided_task(void *context, ptrdiff_t task)
{
    const tg_strided *s = context;
    _Alignas(64) char blocks[TG_MAX_OPERANDS][TG_BLOCK * 8];
    tg_kept kept[TG_MAX_OPERANDS] = {0};
    int inner = s->ndim - 1;
    ptrdiff_t columns = s->shape[inner], index[TG_MAX_NDIM], limit = s->size;
    int direct = 1, spread = 0;
    for (int k = 0; k < s->n_operands; k++) {
        direct &= s->strides[k][inner] == 1 || (k > 0 && s->strides[k][inner] == 0);
        spread |= inner > 0 && s->strides[k][inner] == 0 && s->strides[k][inner - 1] != 0;
    }
    /* To fill a block with a number per row takes longer than a call per row of that many, and a
     * call for some rows at once less than any block, unless what it holds is used again. */
    const int at_once =
        direct && s->run_rows && s->ndim > 1 && s->shape[inner - 1] * columns >= TG_ROWS_AT_ONCE;
    const ptrdiff_t short_row = at_once            ? spread ? TG_TINY_ROW : TG_REPEATED_ROW
                                : direct && spread ? TG_SPREAD_ROW
                                                   : TG_SHORT_ROW;
    const int grouped = s->ndim > 1 && columns < short_row;
    int first = inner - 1; /* of the axes that a block spans: so many that they fill a quarter */
    ptrdiff_t spanned = grouped ? s->shape[first] : 1; /* rows */
    for (; grouped && !s->is_copy && first > 0 && 4 * spanned * columns < TG_BLOCK; first--)
        spanned *= s->shape[first - 1];
    int lies[TG_MAX_OPERANDS];
    for (int k = 0; k < s->n_operands && grouped; k++)
        lies[k] = tg_lies(s, k, first);
    ptrdiff_t at = task * s->per_task, rest = at;
    ptrdiff_t end = at + s->per_task < limit ? at + s->per_task : limit;
    char *pointers[TG_MAX_OPERANDS];
    for (int d = inner; d >= 0; d--) {
        index[d] = rest % s->shape[d];
        rest /= s->shape[d];
    }
    while (at < end) {
        ptrdiff_t n = columns - index[inner], rows = 1;
        n = n < end - at ? n : end - at;
        for (int k = 0; k < s->n_operands; k++) {
            ptrdiff_t offset = 0;
            for (int d = 0; d <= inner; d++)
                offset += index[d] * s->strides[k][d];
            pointers[k] = s->data[k] + offset * s->item[k];
        }
        if (grouped) {
            ptrdiff_t before = 0;
            for (int d = first; d < inner; d++)
                before = before * s->shape[d] + index[d];
            rows = TG_BLOCK / columns;
            rows = rows < spanned - before ? rows : spanned - before;
            rows = rows < (end - at) / columns ? rows : (end - at) / columns;
            tg_run_block(s, index, first, lies, rows, pointers, blocks, kept);
        } else if (direct) {
            if (inner > 0 && n == columns) {
                ptrdiff_t left = s->shape[inner - 1] - index[inner - 1];
                rows = left < (end - at) / columns ? left : (end - at) / columns;
            }
            tg_run_rows(s, rows, n, pointers);
        } else {
            n = n < TG_BLOCK ? n : TG_BLOCK;
            tg_run_piece(s, n, pointers, blocks);
        }
        at += rows * n;
        tg_advance(s, index, rows, n);
    }
}

/* Run the whole; `cost` is the time of an element in nanoseconds of one core. */
static inline void tg_strided_run(tg_strided *s, tg_run_kernel run, void *context, double cost)
{
    if (s->size == 0)
        return;
    ptrdiff_t columns = s->shape[s->ndim - 1];
    s->per_task = cost * (double)s->size < 1e5 || cost > 0.3 ? TG_TASK : TG_LONG_TASK;
    if (s->ndim > 1 && columns < TG_SHORT_ROW)
        s->per_task = s->per_task / columns * columns;
    const int tiles = tg_takes_tiles(s);
    if (tiles) {
        const ptrdiff_t heights = s->per_task / (columns * TG_TILE_HEIGHT);
        s->per_task = (heights > 1 ? heights : 1) * TG_TILE_HEIGHT * columns;
    }
    s->run = run;
    s->context = context;
    tg_parallel((s->size + s->per_task - 1) / s->per_task, cost * (double)s->size,
                tiles ? tg_tiles_task : tg_strided_task, s);
}

#endif
