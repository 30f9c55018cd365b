/* winograd.c - convolution of stride 1, float32, with a quarter of the multiplications.
 *
 * F(4 x 4, 3 x 3) computes 4 x 4 outputs of 3 x 3 taps at 6 x 6 places with 36 multiplications
 * instead of 144. A kernel of one row or column goes in lines, by F(4, 3) or F(3, 4) at 6 places. A
 * larger kernel is cut into blocks of taps, filled up with zeros, whose products are added before
 * they are transformed back: 5 x 5 taps are 4 blocks, with 144 multiplications for 16 pixels
 * instead of 400; 7 taps in a line are 2 blocks of 4, with 12 for 3 pixels instead of 21.
 *
 * The kernel is transformed once, into a packed matrix for each place. A task takes a run of tiles:
 * it transforms their inputs into a matrix (tiles, C) for each place, multiplies each with its
 * kernel matrix, and transforms the products (tiles, O) back. Everything between lives in scratch.
 *
 * The gradient of the kernel is cut into blocks of channels and parts of the tiles. A task
 * transforms a few tiles of x and of g, adds their products to a sum for each place, and at the end
 * transforms the sums into its part of the gradient, for one block of taps; the parts are added in
 * a fixed order.
 *
 * Accuracy, relative to |x| * |w| (the convolution of the magnitudes): the error of the forward
 * pass and of the input gradient stays below 4e-6 (measured: 1e-6 for normal numbers, 3e-6 for
 * positive ones in 256 channels; a direct sum has 3e-7 and 1e-6), that of the weight gradient below
 * 2e-6 (measured 5e-7, as the direct sum: the long sum over pixels hides the transforms' errors). A
 * tile shares its rounding errors, so this holds for numbers of similar size. tg_winograd_set(0)
 * turns it off.
 *
 * It pays from 8 channels on both sides (below, the transforms cost more than they save), when it
 * saves enough products, and from 16 tiles on. Groups share the transforms, so the 8 channels may
 * be those of several groups, of 16 pairs each. The forward walk wants 8 channels on both sides and
 * 128 pairs in every group, below which vectors along the pixels are faster. It also has to make up
 * for the transformed kernel: few tiles go by columns (see there), many write it down and want to
 * be the more the larger it is (512 x 512 channels are 38 MB; long vectors make up for it with half
 * as many tiles). Which way is taken depends on the shapes and the instruction set alone.
 */
#include "../winograd.h"

#include <stdatomic.h>
#include <string.h>

#include "../convolution.h"
#include "../gemm.h"
#include "../parts.h"
#include "../table.h"
#include "../tg.h"
#include "../threads.h"

static atomic_int enabled = 1;

void tg_winograd_set(int on)
{
    atomic_store(&enabled, on);
}

int tg_winograd_enabled(void)
{
    return atomic_load(&enabled);
}

/* ---- tiles, blocks of taps, places
 * --------------------------------------------------------------- */

static int is_line(const tg_winograd_problem *p)
{
    return p->taps_down == 1 || p->taps_across == 1;
}

static ptrdiff_t n_places(const tg_winograd_problem *p)
{
    return is_line(p) ? 6 : 36;
}

/* Taps of a block, outputs of a tile and inputs of a tile in a direction of `taps`: 3 or 4, 4 or 3,
 * and 6; in a direction of one tap each is 1. */
static ptrdiff_t block_side(const tg_winograd_problem *p, ptrdiff_t taps)
{
    return taps == 1 ? 1 : p->block;
}

static ptrdiff_t tile_side(const tg_winograd_problem *p, ptrdiff_t taps)
{
    return taps == 1 ? 1 : 7 - p->block;
}

static ptrdiff_t input_side(ptrdiff_t taps)
{
    return taps == 1 ? 1 : 6;
}

/* The output is cut into tiles, counted through all images. With a dilation d, rows (and columns) d
 * apart belong together: a tile has rows r, r + d, r + 2 d, r + 3 d. */
typedef struct {
    ptrdiff_t image, row, col;
} place;

static ptrdiff_t tiles_down(const tg_winograd_problem *p)
{
    return p->down * ceil_div(p->oh, tile_side(p, p->taps_down) * p->down);
}

static ptrdiff_t tiles_across(const tg_winograd_problem *p)
{
    return p->across * ceil_div(p->ow, tile_side(p, p->taps_across) * p->across);
}

static ptrdiff_t n_tiles(const tg_winograd_problem *p)
{
    return p->n * tiles_down(p) * tiles_across(p);
}

static ptrdiff_t blocks_across(const tg_winograd_problem *p)
{
    return ceil_div(p->taps_across, block_side(p, p->taps_across));
}

static ptrdiff_t n_kernel_blocks(const tg_winograd_problem *p)
{
    return ceil_div(p->taps_down, block_side(p, p->taps_down)) * blocks_across(p);
}

static ptrdiff_t c_of_group(const tg_winograd_problem *p)
{
    return p->c / p->groups;
}

static ptrdiff_t o_of_group(const tg_winograd_problem *p)
{
    return p->o / p->groups;
}

/* A rectangle of pixels or taps, `row` and `col` elements apart. */
typedef struct {
    ptrdiff_t row, col, rows, cols;
} rectangle;

/* The transforms take a line as a column. */
static rectangle upright(const tg_winograd_problem *p, rectangle a)
{
    return p->taps_down > 1 ? a : (rectangle){a.col, a.row, a.cols, a.rows};
}

/* The taps of a block that exist, `tap` elements apart: the first one goes to *down, *across. */
static rectangle taps_of_block(const tg_winograd_problem *p, ptrdiff_t block, ptrdiff_t tap,
                               ptrdiff_t *down, ptrdiff_t *across)
{
    const ptrdiff_t rows = block_side(p, p->taps_down), cols = block_side(p, p->taps_across);
    *down = block / blocks_across(p) * rows;
    *across = block % blocks_across(p) * cols;
    return (rectangle){p->taps_across * tap, tap, min_of(rows, p->taps_down - *down),
                       min_of(cols, p->taps_across - *across)};
}

/* The first output of a tile; the others lie a dilation further each. */
static place tile_place(const tg_winograd_problem *p, ptrdiff_t tile)
{
    const ptrdiff_t down = tiles_down(p), across = tiles_across(p);
    const ptrdiff_t row = tile / across % down, col = tile % across;
    const ptrdiff_t rows = tile_side(p, p->taps_down), cols = tile_side(p, p->taps_across);
    return (place){tile / (down * across), row / p->down * rows * p->down + row % p->down,
                   col / p->across * cols * p->across + col % p->across};
}

/* How many of a tile's rows (or columns) lie inside the image. */
static ptrdiff_t tile_size(ptrdiff_t out, ptrdiff_t first, ptrdiff_t dilation, ptrdiff_t side)
{
    return min_of(max_of(ceil_div(out - first, dilation), 0), side);
}

/* ---- transforms
 * ---------------------------------------------------------------------------------- */

#define PAD 16 /* elements between matrices, lest all 36 places of a channel share a cache set */

typedef struct {
    const tg_winograd_problem *p;
    float *kernel;    /* for each place a packed matrix per block of taps and group */
    float *input;     /* for each place (all, c), by columns */
    ptrdiff_t padded; /* columns of a packed matrix */
    ptrdiff_t all;    /* tiles in all images */
    ptrdiff_t n_tasks;
    ptrdiff_t n_blocks; /* of terms of a group; of columns, by columns */
    atomic_int status;
} plan;

typedef void (*spread)(ptrdiff_t c, const float *x, ptrdiff_t row, ptrdiff_t col,
                       const ptrdiff_t *inside, int line, float *out, ptrdiff_t step,
                       ptrdiff_t panel);

static spread spread_of(ptrdiff_t side)
{
    return side == 3 ? tg_active->wino_spread3_f32 : tg_active->wino_spread4_f32;
}

typedef void (*gather)(ptrdiff_t c, const float *m, ptrdiff_t step, int line, float *y,
                       ptrdiff_t row, ptrdiff_t col, ptrdiff_t rows, ptrdiff_t cols,
                       const float *bias, int relu);

static gather gather_of(ptrdiff_t side)
{
    return side == 3 ? tg_active->wino_gather3_f32 : tg_active->wino_gather4_f32;
}

/* The rows of some terms of a part (block * groups + group), for columns o0 .. o0 + o - 1 of the
 * group, at all places. Returns a tg_status. */
static int transform_kernel(const tg_winograd_problem *p, ptrdiff_t part, ptrdiff_t term,
                            ptrdiff_t n, ptrdiff_t o0, ptrdiff_t o, float *out, ptrdiff_t f_step,
                            ptrdiff_t panel)
{
    const ptrdiff_t terms = c_of_group(p), of_group = o_of_group(p), group = part % p->groups;
    const ptrdiff_t tap = terms * p->o, nr = tg_gemm_panel(TG_F32);
    ptrdiff_t down, across, row = p->o;
    rectangle a = taps_of_block(p, part / p->groups, tap, &down, &across);
    const float *w =
        p->kernel + down * a.row + across * a.col + term * p->o + group * of_group + o0;
    if (p->transposed) { /* from the last tap backwards; turned round, so that rows are contiguous
                          */
        float *turned =
            tg_scratch(TG_SCRATCH_WORK, (size_t)(a.rows * a.cols * n * o) * sizeof(float));
        if (!turned)
            return TG_NO_MEMORY;
        const float *last = p->kernel + (p->taps_down - 1 - down) * a.row +
                            (p->taps_across - 1 - across) * a.col + o0 * p->c + group * terms +
                            term;
        for (ptrdiff_t i = 0; i < a.rows; i++)
            for (ptrdiff_t j = 0; j < a.cols; j++)
                tg_active->transpose_f32(n, o, turned + (i * a.cols + j) * n * o, o,
                                         last - i * a.row - j * a.col, p->c);
        w = turned;
        a.row = a.cols * n * o;
        a.col = n * o;
        row = o;
    }
    const int whole =
        a.rows == block_side(p, p->taps_down) && a.cols == block_side(p, p->taps_across);
    a = upright(p, a);
    const ptrdiff_t inside[] = {0, a.rows, 0, a.cols};
    const spread run = spread_of(p->block);
    for (ptrdiff_t i = 0; i < n; i++)
        run(o, w + i * row, a.row, a.col, whole ? NULL : inside, is_line(p), out + i * nr, f_step,
            panel);
    return TG_OK;
}

#define TERMS 16 /* whose rows a task transforms */

static void kernel_task(void *context, ptrdiff_t task)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t part = task / t->n_blocks, terms = c_of_group(p), depth = tg_gemm_depth(terms);
    const ptrdiff_t first = task % t->n_blocks * TERMS, last = min_of(first + TERMS, terms);
    const ptrdiff_t nr = tg_gemm_panel(TG_F32), rows = n_kernel_blocks(p) * p->c;
    for (ptrdiff_t term = first, n; term < last; term += n) {
        const ptrdiff_t k0 = term / depth * depth, k = min_of(depth, terms - k0);
        n = min_of(k0 + k, last) - term;
        float *out = t->kernel + (part * terms + k0) * t->padded + (term - k0) * nr;
        if (transform_kernel(p, part, term, n, 0, o_of_group(p), out, rows * t->padded, k * nr))
            atomic_store(&t->status, TG_NO_MEMORY);
    }
}

/* Transform the rows x cols pixels, a dilation apart, that start at (top, left) of an image (h, w)
 * whose pixels have `pixel` channels: c of them, zeros outside the image. */
static void transform_pixels(const tg_winograd_problem *p, spread run, ptrdiff_t rows,
                             ptrdiff_t cols, ptrdiff_t c, const float *x, ptrdiff_t h, ptrdiff_t w,
                             ptrdiff_t pixel, ptrdiff_t top, ptrdiff_t left, float *out,
                             ptrdiff_t f_step)
{
    const ptrdiff_t inside[] = {ceil_div(max_of(-top, 0), p->down),
                                min_of(ceil_div(max_of(h - top, 0), p->down), rows),
                                ceil_div(max_of(-left, 0), p->across),
                                min_of(ceil_div(max_of(w - left, 0), p->across), cols)};
    const ptrdiff_t turned[] = {inside[2], inside[3], inside[0], inside[1]};
    const int whole = !inside[0] && inside[1] == rows && !inside[2] && inside[3] == cols;
    const rectangle a =
        upright(p, (rectangle){.row = p->down * w * pixel, .col = p->across * pixel});
    run(c, x + (top * w + left) * pixel, a.row, a.col,
        whole              ? NULL
        : p->taps_down > 1 ? inside
                           : turned,
        is_line(p), out, f_step, 0);
}

/* The input of the tile at a place for a block of the kernel, c channels from c0 on. */
static void transform_input(const tg_winograd_problem *p, place at, ptrdiff_t block, ptrdiff_t c0,
                            ptrdiff_t c, float *out, ptrdiff_t f_step)
{
    ptrdiff_t down, across;
    taps_of_block(p, block, 0, &down, &across);
    transform_pixels(p, tg_active->wino_input_f32, input_side(p->taps_down),
                     input_side(p->taps_across), c, p->x + at.image * p->h * p->w * p->c + c0, p->h,
                     p->w, p->c, at.row - p->top + down * p->down,
                     at.col - p->left + across * p->across, out, f_step);
}

/* Activation and chain on what the tiles from the first on have written: neighbours in a row are
 * taken together, so that the rows that they work on are long. */
static void finish_tiles(const tg_winograd_problem *p, ptrdiff_t first, ptrdiff_t n, ptrdiff_t o0,
                         ptrdiff_t o)
{
    const tg_epilogue last = {TG_F32, p->act, p->chain};
    const ptrdiff_t row = p->down * p->ow * p->o;
    if (p->act <= TG_ACT_RELU && !p->chain)
        return;
    for (ptrdiff_t i = 0, count; i < n; i += count) {
        const place at = tile_place(p, first + i);
        const ptrdiff_t rows = tile_size(p->oh, at.row, p->down, tile_side(p, p->taps_down));
        ptrdiff_t cols = 0;
        for (count = 0; i + count < n && (count == 0 || p->across == 1); count++) {
            const place next = tile_place(p, first + i + count);
            if (next.image != at.image || next.row != at.row)
                break;
            cols += tile_size(p->ow, next.col, p->across, tile_side(p, p->taps_across));
        }
        float *y = p->y + ((at.image * p->oh + at.row) * p->ow + at.col) * p->o + o0;
        if (cols * p->o == row) /* whole rows follow each other */
            tg_gemm_finish(last, rows * cols, o, y, p->o);
        else
            for (ptrdiff_t r = 0; r < rows; r++)
                tg_gemm_finish(last, cols, o, y + r * row, p->across * p->o);
    }
}

/* Transform the products m (n, o) at all places of the tiles from the first on into channels o0 ..
 * of y. */
static void write_tiles(const tg_winograd_problem *p, ptrdiff_t first, ptrdiff_t n, const float *m,
                        ptrdiff_t m_step, ptrdiff_t o0, ptrdiff_t o)
{
    const gather run = gather_of(7 - p->block);
    rectangle a = {.row = p->down * p->ow * p->o, .col = p->across * p->o};
    for (ptrdiff_t i = 0; i < n; i++) {
        const place at = tile_place(p, first + i);
        a.rows = tile_size(p->oh, at.row, p->down, tile_side(p, p->taps_down));
        a.cols = tile_size(p->ow, at.col, p->across, tile_side(p, p->taps_across));
        const rectangle u = upright(p, a);
        float *y = p->y + ((at.image * p->oh + at.row) * p->ow + at.col) * p->o + o0;
        run(o, m + i * o, m_step, is_line(p), y, u.row, u.col, u.rows, u.cols,
            p->bias ? p->bias + o0 : NULL, p->act == TG_ACT_RELU);
    }
    finish_tiles(p, first, n, o0, o);
}

/* ---- forward and input gradient
 * ------------------------------------------------------------------ */

static void tile_task(void *context, ptrdiff_t task)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t first = t->all * task / t->n_tasks,
                    n = t->all * (task + 1) / t->n_tasks - first;
    const ptrdiff_t nr = tg_gemm_panel(TG_F32), places = n_places(p);
    const ptrdiff_t terms = c_of_group(p), depth = tg_gemm_depth(terms);
    const ptrdiff_t n_blocks = n_kernel_blocks(p), rows = n_blocks * p->c;
    const ptrdiff_t v_step = n * rows + PAD, m_step = n * p->o + PAD;
    float *v = tg_scratch(TG_SCRATCH_PACK_A, (size_t)(places * v_step) * sizeof(float));
    float *m = tg_scratch(TG_SCRATCH_WORK, (size_t)(places * m_step) * sizeof(float));
    if (!v || !m) {
        atomic_store(&t->status, TG_NO_MEMORY);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t block = 0; block < n_blocks; block++)
            transform_input(p, tile_place(p, first + i), block, 0, p->c,
                            v + i * rows + block * p->c, v_step);
    tg_gemm_block product = {
        .m = n, .n = o_of_group(p), .a_row = rows, .a_col = 1, .b_row = nr, .c_row = p->o};
    for (ptrdiff_t f = 0; f < places; f++)
        for (ptrdiff_t part = 0; part < n_blocks * p->groups; part++) {
            product.c = m + f * m_step + part % p->groups * product.n;
            for (ptrdiff_t k0 = 0; k0 < terms; k0 += product.k) {
                const ptrdiff_t row = part * terms + k0;
                product.k = min_of(depth, terms - k0);
                product.a = v + f * v_step + row;
                product.b = t->kernel + (f * rows + row) * t->padded;
                product.b_panel = product.k * nr;
                product.accumulate = k0 > 0 || part >= p->groups;
                tg_gemm_run(TG_F32, &product);
            }
        }
    write_tiles(p, first, n, m, m_step, 0, p->o);
}

/* The transformed kernel is four times the kernel, which few tiles do not make up for where it is
 * large: it would go to memory and come back. So with few tiles all of them are transformed first,
 * and a task takes some columns of the result: it transforms a little of the kernel, which stays in
 * the second-level cache, and adds its products to 36 sums. */
#define FEW_TILES 32
#define COLUMNS 64 /* of a task */
#define DEPTH 32   /* terms transformed together */

static int goes_by_columns(const tg_winograd_problem *p)
{
    return n_kernel_blocks(p) == 1 && !is_line(p) && n_tiles(p) <= FEW_TILES &&
           c_of_group(p) * o_of_group(p) >= COLUMNS * COLUMNS;
}

static ptrdiff_t input_step(const plan *t)
{
    return t->all * t->p->c + PAD;
}

static void input_task(void *context, ptrdiff_t tile)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    transform_input(p, tile_place(p, tile), 0, 0, p->c, t->input + tile * p->c, input_step(t));
}

static void column_task(void *context, ptrdiff_t task)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t group = task / t->n_blocks, block = task % t->n_blocks;
    const ptrdiff_t terms = c_of_group(p), of_group = o_of_group(p), nr = tg_gemm_panel(TG_F32);
    const ptrdiff_t o0 = of_group * block / t->n_blocks;
    const ptrdiff_t o = of_group * (block + 1) / t->n_blocks - o0;
    const ptrdiff_t m_step = t->all * o + PAD, w_step = DEPTH * ceil_div(o, nr) * nr + PAD;
    float *m = tg_scratch(TG_SCRATCH_PACK_A, (size_t)(36 * m_step) * sizeof(float));
    float *w = tg_scratch(TG_SCRATCH_PACK_B, (size_t)(36 * w_step) * sizeof(float));
    int status = m && w ? TG_OK : TG_NO_MEMORY;
    tg_gemm_block product = {
        .m = t->all, .n = o, .a_row = p->c, .a_col = 1, .b_row = nr, .c_row = o};
    for (ptrdiff_t term = 0; term < terms && status == TG_OK; term += product.k) {
        product.k = min_of(DEPTH, terms - term);
        product.b_panel = product.k * nr;
        status = transform_kernel(p, group, term, product.k, o0, o, w, w_step, product.b_panel);
        for (ptrdiff_t f = 0; f < 36 && status == TG_OK; f++) {
            product.a = t->input + f * input_step(t) + group * terms + term;
            product.b = w + f * w_step;
            product.c = m + f * m_step;
            tg_gemm_run(TG_F32, &product);
        }
        product.accumulate = 1;
    }
    if (status == TG_OK)
        write_tiles(p, 0, t->all, m, m_step, group * of_group + o0, o);
    else
        atomic_store(&t->status, status);
}

static int by_columns(plan *t)
{
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t o = o_of_group(p);
    const double pairs = (double)(p->c * o);
    t->n_blocks = max_of(ceil_div(o, COLUMNS), min_of(ceil_div(o, COLUMNS / 2), 4));
    t->input = tg_alloc((size_t)(36 * input_step(t)) * sizeof(float));
    if (!t->input)
        return TG_NO_MEMORY;
    tg_parallel(t->all, 10.0 * (double)(t->all * p->c), input_task, t);
    if (atomic_load(&t->status) == TG_OK)
        tg_parallel(p->groups * t->n_blocks, pairs * (2 + (double)t->all * 36.0 / 25.0),
                    column_task, t);
    tg_free(t->input);
    return atomic_load(&t->status);
}

/* Products of a pair of channels. */
static ptrdiff_t n_products(const tg_winograd_problem *p)
{
    return n_places(p) * n_tiles(p) * n_kernel_blocks(p);
}

/* Rows of taps that meet the image, over all rows of y: the others cost a direct sum nothing. */
static ptrdiff_t n_rows_met(const tg_winograd_problem *p)
{
    ptrdiff_t n = 0;
    for (ptrdiff_t q = 0; q < p->oh; q++)
        for (ptrdiff_t t = 0; t < p->taps_down; t++) {
            const ptrdiff_t row = q - p->top + t * p->down;
            n += row >= 0 && row < p->h;
        }
    return n;
}

/* Choose the tiles with fewer products (squares of fours would round too much), and tell whether
 * the products and what comes on top take less time than a direct sum. One square block shall halve
 * the products, and make up for the transforms of few channels (the numbers are those of a Zen 3).
 * With several, or in lines, there are more numbers to transform for what is saved:
 * each costs as much as some products, more where 16 registers are too few for squares (measured on
 * a Zen 4), and is in as many products as there are channels on the other side. */
static int saves_time(tg_winograd_problem *p, int of_kernel)
{
    p->block = 4;
    const ptrdiff_t with_fours = n_products(p);
    p->block = 3;
    if (is_line(p) && with_fours < n_products(p))
        p->block = 4;
    const double fast = (double)n_products(p), n_blocks = (double)n_kernel_blocks(p);
    const double direct = (double)(p->taps_down * p->taps_across * p->n * p->oh * p->ow);
    const double c = (double)c_of_group(p), o = (double)o_of_group(p);
    if (n_blocks == 1 && !is_line(p))
        return 2 * fast <= direct && (of_kernel || fast * (1 + 7.4 / c + 7.4 / o) <= 0.7 * direct);
    const double cost = is_line(p) || tg_active->lanes_f32 >= 16 ? 16 : 24;
    const double inputs = cost / o, tiles = (double)n_tiles(p);
    if (of_kernel)
        return fast * (1 + inputs + cost / c + 6 / tiles) <= 1.15 * direct;
    const double outputs = cost / (n_blocks * c), kernel = 20 / tiles;
    const double met = (double)n_rows_met(p) / (double)(p->taps_down * p->oh);
    return fast * (1 + inputs + outputs + kernel) <= (is_line(p) ? 0.85 : 0.94 * met) * direct;
}

int tg_winograd_pays(tg_winograd_problem *p)
{
    const ptrdiff_t c = c_of_group(p), o = o_of_group(p);
    if (!tg_winograd_enabled() || c < 8 || o < 8 || c * o < 128 || !saves_time(p, 0))
        return 0;
    const ptrdiff_t all = n_tiles(p);
    /* per pair of channels: products and the kernel's transform against a direct sum */
    if (goes_by_columns(p))
        return 1.3 * (double)(36 * all + 100) < 9.0 * (double)(p->n * p->oh * p->ow);
    return all >= 16 &&
           (double)(n_kernel_blocks(p) * c * p->o) <= 520.0 * (double)(tg_active->lanes_f32 * all);
}

int tg_winograd_weight_grad_pays(tg_winograd_problem *p)
{
    return tg_winograd_enabled() && p->c >= 8 && p->o >= 8 && c_of_group(p) * o_of_group(p) >= 16 &&
           saves_time(p, 1) && n_tiles(p) >= 16;
}

static int by_tiles(plan *t)
{
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t nr = tg_gemm_panel(TG_F32), n_parts = n_kernel_blocks(p) * p->groups;
    const ptrdiff_t rows = n_kernel_blocks(p) * p->c, o = o_of_group(p), places = n_places(p);
    t->padded = ceil_div(o, nr) * nr;
    t->kernel = tg_alloc((size_t)(places * rows * t->padded) * sizeof(float));
    if (!t->kernel)
        return TG_NO_MEMORY;
    t->n_blocks = ceil_div(c_of_group(p), TERMS);
    tg_parallel(n_parts * t->n_blocks, (double)(places * rows * o) / 9.0, kernel_task, t);
    /* Tiles enough to use each load of a kernel matrix many times, few enough that what lies
     * between the transforms stays in the second-level cache. */
    const ptrdiff_t bytes = places * (rows + p->o) * (ptrdiff_t)sizeof(float);
    const ptrdiff_t tiles = max_of(512 * 1024 / bytes, 32);
    t->n_tasks = max_of(ceil_div(t->all, tiles), min_of(t->all / 12, 4));
    if (t->n_tasks > 1)
        t->n_tasks += t->n_tasks & 1; /* even, for two threads */
    tg_parallel(t->n_tasks, (double)(t->all * places) * (double)(rows * o) / 25.0, tile_task, t);
    tg_free(t->kernel);
    return atomic_load(&t->status);
}

int tg_winograd(const tg_winograd_problem *p)
{
    plan t = {.p = p, .all = n_tiles(p)};
    return goes_by_columns(p) ? by_columns(&t) : by_tiles(&t);
}

/* ---- weight gradient
 * ----------------------------------------------------------------------------- */

/* A task sums over some tiles for a block of the kernel's taps and channels: a part of a group, or
 * some small groups. The 36 sums of its block are 590 KB for 64 x 64: a chunk of tiles is long
 * enough for them to be fetched rarely, though its transforms then come from the third-level cache.
 */
#define BLOCK 64
#define CHUNK 64 /* tiles, at most */

typedef struct {
    const tg_winograd_problem *p;
    const float *g;
    tg_column_sums *sums; /* of g */
    float *gw, *partial;
    ptrdiff_t sets, c_blocks, o_blocks; /* of groups; of a group */
    ptrdiff_t parts, n_chunks, chunk;   /* chunk: tiles at most */
    atomic_int status;
} weight_plan;

static ptrdiff_t kernel_size(const tg_winograd_problem *p)
{
    return p->taps_down * p->taps_across * c_of_group(p) * p->o;
}

static float *part_sum(const weight_plan *t, ptrdiff_t part)
{
    return part == 0 ? t->gw : t->partial + (part - 1) * kernel_size(t->p);
}

static void weight_task(void *context, ptrdiff_t task)
{
    weight_plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t n_blocks = n_kernel_blocks(p), block = task % n_blocks;
    const ptrdiff_t of_set = t->c_blocks * t->o_blocks, index = task / n_blocks;
    const ptrdiff_t part = index / (t->sets * of_set);
    const ptrdiff_t set = index / of_set % t->sets, group0 = p->groups * set / t->sets;
    const ptrdiff_t groups = p->groups * (set + 1) / t->sets - group0;
    const ptrdiff_t c_block = index % of_set / t->o_blocks;
    const ptrdiff_t o_block = index % t->o_blocks;
    const ptrdiff_t terms = c_of_group(p), first_term = terms * c_block / t->c_blocks;
    const ptrdiff_t first_o = o_of_group(p) * o_block / t->o_blocks;
    /* Of a group: c x o sums; of all groups of the set: channels c0 .., o0 .. */
    const ptrdiff_t c = terms * (c_block + 1) / t->c_blocks - first_term;
    const ptrdiff_t o = o_of_group(p) * (o_block + 1) / t->o_blocks - first_o;
    const ptrdiff_t all_c = groups * c, c0 = group0 * terms + first_term;
    const ptrdiff_t all_o = groups * o, o0 = group0 * o_of_group(p) + first_o;
    const ptrdiff_t last = t->n_chunks * (part + 1) / t->parts, all = n_tiles(p);
    const ptrdiff_t x_step = t->chunk * all_c + PAD, g_step = t->chunk * all_o + PAD;
    const ptrdiff_t s_step = groups * c * o + PAD, places = n_places(p);
    float *sums =
        tg_scratch(TG_SCRATCH_WORK, (size_t)(places * (x_step + g_step + s_step)) * sizeof(float));
    if (!sums) {
        atomic_store(&t->status, TG_NO_MEMORY);
        return;
    }
    float *x_tiles = sums + places * s_step, *g_tiles = x_tiles + places * x_step;
    tg_gemm_block product = {.m = c,
                             .n = o,
                             .a_row = 1,
                             .a_col = all_c,
                             .b_row = all_o,
                             .b_panel = tg_gemm_panel(TG_F32),
                             .c_row = o};
    for (ptrdiff_t chunk = t->n_chunks * part / t->parts; chunk < last; chunk++) {
        const ptrdiff_t first = all * chunk / t->n_chunks;
        product.k = all * (chunk + 1) / t->n_chunks - first;
        for (ptrdiff_t i = 0; i < product.k; i++) {
            const place at = tile_place(p, first + i);
            transform_input(p, at, block, c0, all_c, x_tiles + i * all_c, x_step);
            transform_pixels(p, spread_of(7 - p->block), tile_side(p, p->taps_down),
                             tile_side(p, p->taps_across), all_o,
                             t->g + at.image * p->oh * p->ow * p->o + o0, p->oh, p->ow, p->o,
                             at.row, at.col, g_tiles + i * all_o, g_step);
        }
        if (t->sums->shared && block == 0 && c_block == 0)
            tg_column_sums_share(t->sums, chunk, t->n_chunks, o0, o0 + all_o);
        for (ptrdiff_t f = 0; f < places; f++)
            for (ptrdiff_t group = 0; group < groups; group++) {
                product.a = x_tiles + f * x_step + group * c;
                product.b = g_tiles + f * g_step + group * o;
                product.c = sums + f * s_step + group * c * o;
                tg_gemm_run(TG_F32, &product);
            }
        product.accumulate = 1;
    }
    ptrdiff_t down, across;
    const rectangle a = taps_of_block(p, block, terms * p->o, &down, &across);
    float *gw = part_sum(t, part) + down * a.row + across * a.col + first_term * p->o + o0;
    const rectangle u = upright(p, a);
    const gather run = gather_of(p->block);
    for (ptrdiff_t group = 0; group < groups; group++)
        for (ptrdiff_t i = 0; i < c; i++)
            run(o, sums + (group * c + i) * o, s_step, is_line(p), gw + i * p->o + group * o, u.row,
                u.col, u.rows, u.cols, NULL, 0);
}

int tg_winograd_weight_grad(const tg_winograd_problem *p, const float *g, float *gw,
                            tg_column_sums *sums)
{
    const ptrdiff_t all = n_tiles(p), terms = c_of_group(p), o = o_of_group(p);
    weight_plan t = {.p = p,
                     .g = g,
                     .sums = sums,
                     .gw = gw,
                     .c_blocks = ceil_div(terms, BLOCK),
                     .o_blocks = ceil_div(o, BLOCK),
                     .parts = 1};
    const ptrdiff_t of_set = max_of(BLOCK / max_of(terms, o), 1);
    t.sets = ceil_div(p->groups, of_set);
    const ptrdiff_t blocks = t.sets * t.c_blocks * t.o_blocks * n_kernel_blocks(p);
    while (blocks * t.parts < 16 && all >= 2 * CHUNK * t.parts)
        t.parts *= 2;
    t.n_chunks = ceil_div(all, CHUNK * t.parts) * t.parts; /* as many in each part */
    t.chunk = ceil_div(all, t.n_chunks);
    const ptrdiff_t size = kernel_size(p);
    if (t.parts > 1) {
        t.partial = tg_alloc((size_t)((t.parts - 1) * size) * sizeof(float));
        if (!t.partial)
            return TG_NO_MEMORY;
    }
    const int whole_rows = t.sets == 1 && t.o_blocks == 1;
    sums->shared = sums->y && (whole_rows || !tg_column_sums_need_rows(sums));
    tg_parallel(blocks * t.parts, (double)n_products(p) * (double)(terms * p->o) / 20.0,
                weight_task, &t);
    if (t.parts > 1)
        tg_add_parts(TG_F32, t.parts, size, t.gw, t.partial);
    tg_free(t.partial);
    return atomic_load(&t.status);
}
