/* winograd.c - 3 x 3 convolution of stride 1, float32, with a quarter of the multiplications.
 *
 * The kernel is transformed once, into 36 packed matrices. A task takes a run of 4 x 4 output
 * tiles: it transforms their inputs into 36 matrices (tiles, C), multiplies each with its kernel
 * matrix, and transforms the 36 products (tiles, O) back. Everything between lives in scratch.
 *
 * The gradient of the kernel is cut into blocks of channels and parts of the tiles. A task
 * transforms a few tiles of x and of g, adds their 36 products to 36 sums, and at the end
 * transforms the sums into its part of the gradient; the parts are added in a fixed order.
 *
 * Accuracy, relative to |x| * |w| (the convolution of the magnitudes): the error of the forward
 * pass and of the input gradient stays below 4e-6 (measured: 1e-6 for normal numbers, 3e-6 for
 * positive ones in 256 channels; a direct sum has 3e-7 and 1e-6), that of the weight gradient below
 * 2e-6 (measured 5e-7, as the direct sum: the long sum over pixels hides the transforms' errors). A
 * tile shares its rounding errors, so this holds for numbers of similar size. tg_winograd_set(0)
 * turns it off.
 *
 * It pays from 8 channels on both sides (below, the transforms cost more than they save), when at
 * least half of the tiles' pixels are inside the image, and from 16 tiles on. Groups share the
 * transforms, so the 8 channels may be those of several groups, of 16 pairs each. The forward walk
 * wants 8 channels on both sides and 128 pairs in every group, below which vectors along the pixels
 * are faster. It also has to make up for the transformed kernel: few tiles go by columns (see
 * there), many write it down and want to be the more the larger it is (512 x 512 channels are
 * 38 MB; long vectors make up for it with half as many tiles). Which way is taken depends on the
 * shapes and the instruction set alone.
 */
#include "../winograd.h"

#include <stdatomic.h>
#include <string.h>

#include "../convolution.h"
#include "../gemm.h"
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

/* The output is cut into 4 x 4 tiles, counted through all images. With a dilation d, rows (and
 * columns) d apart belong together: a tile has rows r, r + d, r + 2 d, r + 3 d. */
typedef struct {
    ptrdiff_t image, row, col;
} place;

static ptrdiff_t n_tiles_along(ptrdiff_t out, ptrdiff_t dilation)
{
    return dilation * ceil_div(out, 4 * dilation);
}

static ptrdiff_t n_tiles(const tg_winograd_problem *p)
{
    return p->n * n_tiles_along(p->oh, p->down) * n_tiles_along(p->ow, p->across);
}

static ptrdiff_t c_of_group(const tg_winograd_problem *p)
{
    return p->c / p->groups;
}

static ptrdiff_t o_of_group(const tg_winograd_problem *p)
{
    return p->o / p->groups;
}

#define PAD 16 /* elements between matrices, lest all 36 places of a channel share a cache set */

typedef struct {
    const tg_winograd_problem *p;
    float *kernel;    /* 36 times a packed matrix per group */
    float *input;     /* 36 times (all, c), by columns */
    ptrdiff_t padded; /* columns of a packed matrix */
    ptrdiff_t all;    /* tiles in all images */
    ptrdiff_t n_tasks;
    ptrdiff_t n_blocks; /* of terms of a group; of columns, by columns */
    atomic_int status;
} plan;

/* The rows of some terms of a group, for columns o0 .. o0 + o - 1 of it, in all 36 matrices.
 * Returns a tg_status. */
static int transform_kernel(const tg_winograd_problem *p, ptrdiff_t group, ptrdiff_t term,
                            ptrdiff_t n, ptrdiff_t o0, ptrdiff_t o, float *out, ptrdiff_t f_step,
                            ptrdiff_t panel)
{
    const ptrdiff_t terms = c_of_group(p), of_group = o_of_group(p);
    const float *w = p->kernel + term * p->o + group * of_group + o0;
    ptrdiff_t tap = terms * p->o, row = p->o;
    if (p->transposed) { /* from the last tap backwards; turned round, so that rows are contiguous
                          */
        float *turned = tg_scratch(TG_SCRATCH_WORK, (size_t)(9 * n * o) * sizeof(float));
        if (!turned)
            return TG_NO_MEMORY;
        for (ptrdiff_t i = 0; i < 9; i++)
            tg_active->transpose_f32(
                n, o, turned + i * n * o, o,
                p->kernel + ((8 - i) * of_group + o0) * p->c + group * terms + term, p->c);
        w = turned;
        tap = n * o;
        row = o;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        tg_active->wino_kernel_f32(o, w + i * row, 3 * tap, tap, out + i * tg_gemm_panel(TG_F32),
                                   f_step, panel);
    return TG_OK;
}

#define TERMS 16 /* whose rows a task transforms */

static void kernel_task(void *context, ptrdiff_t task)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t group = task / t->n_blocks, terms = c_of_group(p), depth = tg_gemm_depth(terms);
    const ptrdiff_t first = task % t->n_blocks * TERMS, last = min_of(first + TERMS, terms);
    const ptrdiff_t nr = tg_gemm_panel(TG_F32);
    for (ptrdiff_t term = first, n; term < last; term += n) {
        const ptrdiff_t k0 = term / depth * depth, k = min_of(depth, terms - k0);
        n = min_of(k0 + k, last) - term;
        float *out = t->kernel + (group * terms + k0) * t->padded + (term - k0) * nr;
        if (transform_kernel(p, group, term, n, 0, o_of_group(p), out, p->c * t->padded, k * nr))
            atomic_store(&t->status, TG_NO_MEMORY);
    }
}

/* The first output of a tile; the others lie a dilation further each. */
static place tile_place(const tg_winograd_problem *p, ptrdiff_t tile)
{
    const ptrdiff_t down = n_tiles_along(p->oh, p->down);
    const ptrdiff_t across = n_tiles_along(p->ow, p->across);
    const ptrdiff_t row = tile / across % down, col = tile % across;
    return (place){tile / (down * across), row / p->down * 4 * p->down + row % p->down,
                   col / p->across * 4 * p->across + col % p->across};
}

/* How many of a tile's 4 rows (or columns) lie inside the image. */
static ptrdiff_t tile_size(ptrdiff_t out, ptrdiff_t first, ptrdiff_t dilation)
{
    return min_of(max_of(ceil_div(out - first, dilation), 0), 4);
}

/* Transform the square of `side` x `side` pixels, a dilation apart, that starts at (top, left) of
 * an image (h, w) whose pixels have `pixel` channels: c of them, zeros outside the image. */
typedef void (*transform)(ptrdiff_t c, const float *x, ptrdiff_t row, ptrdiff_t col, float *out,
                          ptrdiff_t f_step, const ptrdiff_t *inside);
static void transform_square(const tg_winograd_problem *p, transform run, ptrdiff_t side,
                             ptrdiff_t c, const float *x, ptrdiff_t h, ptrdiff_t w, ptrdiff_t pixel,
                             ptrdiff_t top, ptrdiff_t left, float *out, ptrdiff_t f_step)
{
    const ptrdiff_t inside[] = {ceil_div(max_of(-top, 0), p->down),
                                min_of(ceil_div(max_of(h - top, 0), p->down), side),
                                ceil_div(max_of(-left, 0), p->across),
                                min_of(ceil_div(max_of(w - left, 0), p->across), side)};
    const int whole = !inside[0] && inside[1] == side && !inside[2] && inside[3] == side;
    run(c, x + (top * w + left) * pixel, p->down * w * pixel, p->across * pixel, out, f_step,
        whole ? NULL : inside);
}

/* The input of the tile at a place, c channels from c0 on. */
static void transform_input(const tg_winograd_problem *p, place at, ptrdiff_t c0, ptrdiff_t c,
                            float *out, ptrdiff_t f_step)
{
    transform_square(p, tg_active->wino_input_f32, 6, c, p->x + at.image * p->h * p->w * p->c + c0,
                     p->h, p->w, p->c, at.row - p->top, at.col - p->left, out, f_step);
}

/* Transform the 36 products m (n, o) of the tiles from the first on into channels o0 .. of y. */
static void write_tiles(const tg_winograd_problem *p, ptrdiff_t first, ptrdiff_t n, const float *m,
                        ptrdiff_t m_step, ptrdiff_t o0, ptrdiff_t o)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const place at = tile_place(p, first + i);
        const ptrdiff_t rows = tile_size(p->oh, at.row, p->down);
        const ptrdiff_t cols = tile_size(p->ow, at.col, p->across);
        const ptrdiff_t row = p->down * p->ow * p->o, col = p->across * p->o;
        float *y = p->y + ((at.image * p->oh + at.row) * p->ow + at.col) * p->o + o0;
        tg_active->wino_output_f32(o, m + i * o, m_step, y, row, col, rows, cols,
                                   p->bias ? p->bias + o0 : NULL, p->act == TG_ACT_RELU);
        if (p->act > TG_ACT_RELU)
            for (ptrdiff_t r = 0; r < rows; r++)
                tg_gemm_activate(TG_F32, p->act, cols, o, y + r * row, col, NULL);
    }
}

static void tile_task(void *context, ptrdiff_t task)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t first = t->all * task / t->n_tasks,
                    n = t->all * (task + 1) / t->n_tasks - first;
    const ptrdiff_t nr = tg_gemm_panel(TG_F32);
    const ptrdiff_t v_step = n * p->c + PAD, m_step = n * p->o + PAD;
    const ptrdiff_t terms = c_of_group(p), depth = tg_gemm_depth(terms);
    float *v = tg_scratch(TG_SCRATCH_PACK_A, (size_t)(36 * v_step) * sizeof(float));
    float *m = tg_scratch(TG_SCRATCH_WORK, (size_t)(36 * m_step) * sizeof(float));
    if (!v || !m) {
        atomic_store(&t->status, TG_NO_MEMORY);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        transform_input(p, tile_place(p, first + i), 0, p->c, v + i * p->c, v_step);
    tg_gemm_block block = {
        .m = n, .n = o_of_group(p), .a_row = p->c, .a_col = 1, .b_row = nr, .c_row = p->o};
    for (ptrdiff_t f = 0; f < 36; f++)
        for (ptrdiff_t group = 0; group < p->groups; group++) {
            block.c = m + f * m_step + group * block.n;
            for (ptrdiff_t k0 = 0; k0 < terms; k0 += block.k) {
                const ptrdiff_t term = group * terms + k0;
                block.k = min_of(depth, terms - k0);
                block.a = v + f * v_step + term;
                block.b = t->kernel + (f * p->c + term) * t->padded;
                block.b_panel = block.k * nr;
                block.accumulate = k0 > 0;
                tg_gemm_run(TG_F32, &block);
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
    return n_tiles(p) <= FEW_TILES && c_of_group(p) * o_of_group(p) >= COLUMNS * COLUMNS;
}

static ptrdiff_t input_step(const plan *t)
{
    return t->all * t->p->c + PAD;
}

static void input_task(void *context, ptrdiff_t tile)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    transform_input(p, tile_place(p, tile), 0, p->c, t->input + tile * p->c, input_step(t));
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

/* How much of the tiles lies inside the image. */
static double tiles_used(const tg_winograd_problem *p)
{
    return (double)(p->n * p->oh * p->ow) / (double)(16 * n_tiles(p));
}

int tg_winograd_pays(const tg_winograd_problem *p)
{
    const ptrdiff_t c = c_of_group(p), o = o_of_group(p), all = n_tiles(p);
    if (!tg_winograd_enabled() || c < 8 || o < 8 || c * o < 128 || tiles_used(p) < 0.5)
        return 0;
    /* per pair of channels: products and the kernel's transform against a direct sum */
    if (goes_by_columns(p))
        return 1.3 * (double)(36 * all + 100) < 9.0 * (double)(p->n * p->oh * p->ow);
    return all >= 16 && (double)(c * p->o) <= 520.0 * (double)(tg_active->lanes_f32 * all);
}

int tg_winograd_weight_grad_pays(const tg_winograd_problem *p)
{
    return tg_winograd_enabled() && p->c >= 8 && p->o >= 8 && c_of_group(p) * o_of_group(p) >= 16 &&
           n_tiles(p) >= 16 && tiles_used(p) >= 0.5;
}

int tg_winograd(const tg_winograd_problem *p)
{
    const ptrdiff_t nr = tg_gemm_panel(TG_F32);
    plan t = {.p = p, .padded = ceil_div(o_of_group(p), nr) * nr, .all = n_tiles(p)};
    if (goes_by_columns(p))
        return by_columns(&t);
    t.kernel = tg_alloc((size_t)(36 * p->c * t.padded) * sizeof(float));
    if (!t.kernel)
        return TG_NO_MEMORY;
    t.n_blocks = ceil_div(c_of_group(p), TERMS);
    tg_parallel(p->groups * t.n_blocks, 4.0 * (double)(p->c * o_of_group(p)), kernel_task, &t);
    /* Tiles enough to use each load of a kernel matrix many times, few enough that what lies
     * between the transforms stays in the second-level cache. */
    const ptrdiff_t bytes = 36 * (p->c + p->o) * (ptrdiff_t)sizeof(float);
    const ptrdiff_t tiles = max_of(512 * 1024 / bytes, 32);
    t.n_tasks = max_of((t.all + tiles - 1) / tiles, min_of(t.all / 12, 4));
    if (t.n_tasks > 1)
        t.n_tasks += t.n_tasks & 1; /* even, for two threads */
    tg_parallel(t.n_tasks, (double)t.all * 36.0 * (double)(p->c * o_of_group(p)) / 25.0, tile_task,
                &t);
    tg_free(t.kernel);
    return atomic_load(&t.status);
}

/* ---- weight gradient ----------------------------------------------------------------------------
 */

/* A task sums over some tiles for a block of the kernel's channels: a part of a group, or some
 * small groups. The 36 sums of its block (590 KB for 64 x 64) and the transforms of a chunk of
 * tiles should stay in the second-level cache; a chunk is long enough for its sums to be fetched
 * rarely. */
#define BLOCK 64

typedef struct {
    const tg_winograd_problem *p;
    const float *g;
    float *gw, *partial;
    ptrdiff_t sets, c_blocks, o_blocks; /* of groups; of a group */
    ptrdiff_t parts, n_chunks, chunk;   /* chunk: tiles at most */
    atomic_int status;
} weight_plan;

static float *part_sum(const weight_plan *t, ptrdiff_t part)
{
    return part == 0 ? t->gw : t->partial + (part - 1) * 9 * c_of_group(t->p) * t->p->o;
}

static void weight_task(void *context, ptrdiff_t task)
{
    weight_plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t of_set = t->c_blocks * t->o_blocks, part = task / (t->sets * of_set);
    const ptrdiff_t set = task / of_set % t->sets, group0 = p->groups * set / t->sets;
    const ptrdiff_t groups = p->groups * (set + 1) / t->sets - group0;
    const ptrdiff_t c_block = task % of_set / t->o_blocks, o_block = task % t->o_blocks;
    const ptrdiff_t terms = c_of_group(p), first_term = terms * c_block / t->c_blocks;
    const ptrdiff_t first_o = o_of_group(p) * o_block / t->o_blocks;
    /* Of a group: c x o sums; of all groups of the set: channels c0 .., o0 .. */
    const ptrdiff_t c = terms * (c_block + 1) / t->c_blocks - first_term;
    const ptrdiff_t o = o_of_group(p) * (o_block + 1) / t->o_blocks - first_o;
    const ptrdiff_t all_c = groups * c, c0 = group0 * terms + first_term;
    const ptrdiff_t all_o = groups * o, o0 = group0 * o_of_group(p) + first_o;
    const ptrdiff_t last = t->n_chunks * (part + 1) / t->parts, all = n_tiles(p);
    const ptrdiff_t x_step = t->chunk * all_c + PAD, g_step = t->chunk * all_o + PAD;
    const ptrdiff_t s_step = groups * c * o + PAD;
    float *sums =
        tg_scratch(TG_SCRATCH_WORK, (size_t)(36 * (x_step + g_step + s_step)) * sizeof(float));
    if (!sums) {
        atomic_store(&t->status, TG_NO_MEMORY);
        return;
    }
    float *x_tiles = sums + 36 * s_step, *g_tiles = x_tiles + 36 * x_step;
    tg_gemm_block block = {.m = c,
                           .n = o,
                           .a_row = 1,
                           .a_col = all_c,
                           .b_row = all_o,
                           .b_panel = tg_gemm_panel(TG_F32),
                           .c_row = o};
    for (ptrdiff_t chunk = t->n_chunks * part / t->parts; chunk < last; chunk++) {
        const ptrdiff_t first = all * chunk / t->n_chunks;
        block.k = all * (chunk + 1) / t->n_chunks - first;
        for (ptrdiff_t i = 0; i < block.k; i++) {
            const place at = tile_place(p, first + i);
            transform_input(p, at, c0, all_c, x_tiles + i * all_c, x_step);
            transform_square(p, tg_active->wino_grad_f32, 4, all_o,
                             t->g + at.image * p->oh * p->ow * p->o + o0, p->oh, p->ow, p->o,
                             at.row, at.col, g_tiles + i * all_o, g_step);
        }
        for (ptrdiff_t f = 0; f < 36; f++)
            for (ptrdiff_t group = 0; group < groups; group++) {
                block.a = x_tiles + f * x_step + group * c;
                block.b = g_tiles + f * g_step + group * o;
                block.c = sums + f * s_step + group * c * o;
                tg_gemm_run(TG_F32, &block);
            }
        block.accumulate = 1;
    }
    float *gw = part_sum(t, part) + first_term * p->o + o0;
    for (ptrdiff_t group = 0; group < groups; group++)
        for (ptrdiff_t i = 0; i < c; i++)
            tg_active->wino_kernel_grad_f32(o, sums + (group * c + i) * o, 6 * s_step, s_step,
                                            gw + i * p->o + group * o, terms * p->o, NULL);
}

int tg_winograd_weight_grad(const tg_winograd_problem *p, const float *g, float *gw)
{
    const ptrdiff_t all = n_tiles(p), terms = c_of_group(p), o = o_of_group(p);
    weight_plan t = {.p = p,
                     .g = g,
                     .gw = gw,
                     .c_blocks = ceil_div(terms, BLOCK),
                     .o_blocks = ceil_div(o, BLOCK),
                     .parts = 1,
                     .chunk = max_of(min_of(4096 / (p->c + p->o), 64), 32)};
    const ptrdiff_t of_set = max_of(BLOCK / max_of(terms, o), 1);
    t.sets = ceil_div(p->groups, of_set);
    t.n_chunks = ceil_div(all, t.chunk);
    const ptrdiff_t blocks = t.sets * t.c_blocks * t.o_blocks;
    while (blocks * t.parts < 16 && 4 * t.parts <= t.n_chunks)
        t.parts *= 2;
    const ptrdiff_t size = 9 * terms * p->o;
    if (t.parts > 1) {
        t.partial = tg_alloc((size_t)((t.parts - 1) * size) * sizeof(float));
        if (!t.partial)
            return TG_NO_MEMORY;
    }
    tg_parallel(blocks * t.parts, (double)all * (double)(terms * p->o) * (36 / 20.0), weight_task,
                &t);
    if (t.parts > 1)
        tg_add_parts(TG_F32, t.parts, size, t.gw, t.partial);
    tg_free(t.partial);
    return atomic_load(&t.status);
}
