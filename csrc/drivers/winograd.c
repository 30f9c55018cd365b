/* winograd.c - 3 x 3 convolution of stride 1, float32, with a quarter of the multiplications.
 *
 * The kernel is transformed once, into 36 packed matrices. A task takes a run of 4 x 4 output
 * tiles: it transforms their inputs into 36 matrices (tiles, C), multiplies each with its kernel
 * matrix, and transforms the 36 products (tiles, O) back. Everything between lives in scratch.
 *
 * Accuracy: relative to |x| * |w| (the convolution of the magnitudes) the error stays below 2e-6
 * (measured: 5e-7 for 128 channels of normal numbers; a direct sum has 1e-7). tg_winograd_set(0)
 * turns it off.
 *
 * It pays from about 32 channels on both sides (below, the transforms cost more than they save),
 * when at least half of the tiles' pixels are inside the image, and from 96 tiles on, which make up
 * for the transformed kernel (four times the kernel). Which way is taken depends on the shapes
 * alone.
 */
#include "../winograd.h"

#include <stdatomic.h>
#include <string.h>

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

static ptrdiff_t min_of(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static ptrdiff_t max_of(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

int tg_winograd_pays(const tg_winograd_problem *p)
{
    const ptrdiff_t tiles = ((p->oh + 3) / 4) * ((p->ow + 3) / 4);
    const double used = (double)(p->oh * p->ow) / (double)(16 * tiles);
    return tg_winograd_enabled() && p->c >= 32 && p->o >= 32 && used >= 0.5 && p->n * tiles >= 96;
}

typedef struct {
    const tg_winograd_problem *p;
    float *kernel;         /* 36 packed matrices */
    ptrdiff_t padded;      /* columns of one */
    ptrdiff_t across, all; /* tiles in a row of an image; in all images */
    ptrdiff_t n_tasks;
    atomic_int status;
} plan;

/* A few terms' rows of all 36 kernel matrices. */
static void kernel_task(void *context, ptrdiff_t term)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t depth = tg_gemm_depth(p->c), k0 = term / depth * depth;
    const ptrdiff_t k = min_of(depth, p->c - k0), nr = tg_gemm_panel(TG_F32);
    float *out = t->kernel + k0 * t->padded + (term - k0) * nr;
    const ptrdiff_t tap = p->c * p->o;
    if (p->transposed) /* from the last tap backwards; a column's terms lie p->c apart */
        tg_active->wino_kernel_f32(p->o, p->kernel + 8 * tap + term, -3 * tap, -tap, p->c, out,
                                   p->c * t->padded, k * nr);
    else
        tg_active->wino_kernel_f32(p->o, p->kernel + term * p->o, 3 * tap, tap, 1, out,
                                   p->c * t->padded, k * nr);
}

static void transform_input(const plan *t, ptrdiff_t tile, float *out, ptrdiff_t f_step,
                            float *room)
{
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t down = (p->oh + 3) / 4, image = tile / (down * t->across);
    const ptrdiff_t top = tile / t->across % down * 4 - p->top;
    const ptrdiff_t left = tile % t->across * 4 - p->left;
    const float *x = p->x + image * p->h * p->w * p->c;
    if (top >= 0 && left >= 0 && top + 6 <= p->h && left + 6 <= p->w) {
        tg_active->wino_input_f32(p->c, x + (top * p->w + left) * p->c, p->w * p->c, p->c, out,
                                  f_step);
        return;
    }
    const ptrdiff_t from = min_of(max_of(left, 0), p->w), to = max_of(min_of(left + 6, p->w), from);
    memset(room, 0, (size_t)(36 * p->c) * sizeof(float));
    for (ptrdiff_t r = max_of(top, 0); r < min_of(top + 6, p->h); r++)
        memcpy(room + ((r - top) * 6 + from - left) * p->c, x + (r * p->w + from) * p->c,
               (size_t)((to - from) * p->c) * sizeof(float));
    tg_active->wino_input_f32(p->c, room, 6 * p->c, p->c, out, f_step);
}

static void tile_task(void *context, ptrdiff_t task)
{
    plan *t = context;
    const tg_winograd_problem *p = t->p;
    const ptrdiff_t first = t->all * task / t->n_tasks,
                    n = t->all * (task + 1) / t->n_tasks - first;
    const ptrdiff_t nr = tg_gemm_panel(TG_F32), down = (p->oh + 3) / 4;
    const ptrdiff_t v_step = n * p->c, m_step = n * p->o, depth = tg_gemm_depth(p->c);
    float *v = tg_scratch(TG_SCRATCH_PACK_A, (size_t)(36 * (v_step + p->c)) * sizeof(float));
    float *m = tg_scratch(TG_SCRATCH_WORK, (size_t)(36 * m_step) * sizeof(float));
    if (!v || !m) {
        atomic_store(&t->status, TG_NO_MEMORY);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        transform_input(t, first + i, v + i * p->c, v_step, v + 36 * v_step);
    for (ptrdiff_t f = 0; f < 36; f++) {
        tg_gemm_block block = {.m = n,
                               .n = p->o,
                               .a_row = p->c,
                               .a_col = 1,
                               .b_row = nr,
                               .c = m + f * m_step,
                               .c_row = p->o};
        for (ptrdiff_t k0 = 0; k0 < p->c; k0 += block.k) {
            block.k = min_of(depth, p->c - k0);
            block.a = v + f * v_step + k0;
            block.b = t->kernel + (f * p->c + k0) * t->padded;
            block.b_panel = block.k * nr;
            block.accumulate = k0 > 0;
            tg_gemm_run(TG_F32, &block);
        }
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const ptrdiff_t tile = first + i, image = tile / (down * t->across);
        const ptrdiff_t row = tile / t->across % down * 4, col = tile % t->across * 4;
        const ptrdiff_t rows = min_of(4, p->oh - row), cols = min_of(4, p->ow - col);
        float *y = p->y + ((image * p->oh + row) * p->ow + col) * p->o;
        tg_active->wino_output_f32(p->o, m + i * p->o, m_step, y, p->ow * p->o, p->o, rows, cols,
                                   p->bias, p->act == TG_ACT_RELU);
        if (p->act > TG_ACT_RELU)
            for (ptrdiff_t r = 0; r < rows; r++)
                tg_gemm_activate(TG_F32, p->act, 1, cols * p->o, y + r * p->ow * p->o, 0, NULL);
    }
}

int tg_winograd(const tg_winograd_problem *p)
{
    const ptrdiff_t nr = tg_gemm_panel(TG_F32), down = (p->oh + 3) / 4;
    plan t = {.p = p, .padded = (p->o + nr - 1) / nr * nr, .across = (p->ow + 3) / 4};
    t.all = p->n * down * t.across;
    t.kernel = tg_alloc((size_t)(36 * p->c * t.padded) * sizeof(float));
    if (!t.kernel)
        return TG_NO_MEMORY;
    tg_parallel(p->c, 4.0 * (double)(p->c * p->o), kernel_task, &t);
    /* Tiles enough to use each load of a kernel matrix many times, few enough that what lies
     * between the transforms stays in the second-level cache. */
    const ptrdiff_t bytes = 36 * (p->c + p->o) * (ptrdiff_t)sizeof(float);
    const ptrdiff_t tiles = max_of(512 * 1024 / bytes, 32);
    t.n_tasks = max_of((t.all + tiles - 1) / tiles, min_of(t.all / 12, 4));
    if (t.n_tasks > 1)
        t.n_tasks += t.n_tasks & 1; /* even, for two threads */
    tg_parallel(t.n_tasks, (double)t.all * 36.0 * (double)(p->c * p->o) / 25.0, tile_task, &t);
    tg_free(t.kernel);
    return atomic_load(&t.status);
}
