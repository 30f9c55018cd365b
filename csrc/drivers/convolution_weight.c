/* convolution_weight.c - the weight gradient of convolution.
 *
 * A product whose rows are (tap, channel) and whose columns are output pixels, read in place as in
 * convolution.c, times g. The pixels are cut into parts, by the shapes alone; each part has its own
 * sum, and the sums are added pairwise.
 *
 * ints as in convolution.c; arrays: gw, x, g, and, if wanted, gb: the gradient of the bias, the
 * sums of g over its pixels; all contiguous.
 */
#include <string.h>

#include "../convolution.h"
#include "../gemm.h"
#include "../parts.h"
#include "../table.h"
#include "../threads.h"
#include "../winograd.h"

#define STRIP_PIXELS 256 /* of output per product: a 16-column panel of g is then 16 KB */

typedef struct {
    walk x; /* the forward walk; its `rows` and `images` are those of a strip */
    const char *g;
    tg_column_sums *sums;  /* of g */
    char *gw, *partial;    /* partial sums of the parts after the first */
    ptrdiff_t m, n_strips; /* rows of the result of a group; strips in all */
    ptrdiff_t parts, row_parts;
    ptrdiff_t *pixel_cols, *tap_rows, *gw_rows;
    int pack;
    ptrdiff_t turned; /* 0, or how many taps are taken at once, as columns */
} weight_walk;

static char *part_sum(const weight_walk *p, ptrdiff_t part)
{
    ptrdiff_t bytes = p->m * p->x.o * size_of(p->x.dtype);
    if (p->turned) /* none of them is the result itself */
        return p->partial + part * bytes;
    return part == 0 ? p->gw : p->partial + (part - 1) * bytes;
}

/* The axis along which pixels are neighbours: the terms and, some taps at once, the columns of the
 * turned product. */
static const axis *line_of(const walk *x)
{
    return is_column(x) ? &x->v : &x->h;
}

/* A strip of the turned product: line after line of g, for each row of taps or for each tap. */
static void turned_strip(const weight_walk *p, const strip *read, const char *g, char *sum,
                         int accumulate)
{
    const walk *x = &p->x;
    const axis *line = line_of(x), *other = is_column(x) ? &x->h : &x->v;
    const ptrdiff_t size = size_of(x->dtype), n = p->turned * x->c, n_rows = read->q1 - read->q0;
    const ptrdiff_t n_lines = is_column(x) ? 1 : n_rows;
    tg_gemm_block block = {.m = x->o, .n = n, .k = is_column(x) ? n_rows : x->h.n_out};
    block.a_row = 1;
    block.a_col = x->o;
    block.b_row = line->step * x->c;
    block.b_panel = tg_gemm_panel(x->dtype);
    block.c_row = n;
    for (ptrdiff_t i = 0; i < other->n_taps; i++)
        for (ptrdiff_t j = 0; j < line->n_taps; j += p->turned) {
            const ptrdiff_t tap = (other->offset[i] - other->first) * x->pitch +
                                  (line->offset[j] - line->first) * x->c;
            block.c = sum + (i * line->n_taps + j) * x->c * x->o * size;
            for (ptrdiff_t at = 0; at < read->n_images * n_lines; at++) {
                const ptrdiff_t image = at / n_lines, q = at % n_lines;
                block.a = g + at * block.k * x->o * size;
                block.b =
                    read->in + (tap + image * read->image_step + q * other->step * x->pitch) * size;
                block.accumulate = accumulate || at > 0;
                tg_gemm_run(x->dtype, &block);
            }
        }
}

static void weight_task(void *context, ptrdiff_t task)
{
    weight_walk *p = context;
    walk *x = &p->x;
    const ptrdiff_t size = size_of(x->dtype), nr = tg_gemm_panel(x->dtype);
    const ptrdiff_t part = task / p->row_parts, m_part = task % p->row_parts;
    const ptrdiff_t m0 = p->m * m_part / p->row_parts, m1 = p->m * (m_part + 1) / p->row_parts;
    const ptrdiff_t s0 = p->n_strips * part / p->parts;
    const ptrdiff_t s1 = p->n_strips * (part + 1) / p->parts;
    char *sum = part_sum(p, part);
    if (s0 == s1)
        memset(sum + m0 * x->o * size, 0, (size_t)((m1 - m0) * x->o * size));
    for (ptrdiff_t s = s0; s < s1; s++) {
        const strip read = tg_read_strip(x, s);
        const ptrdiff_t n_images = read.n_images, q0 = read.q0, q1 = read.q1;
        const char *in = read.in;
        const char *g = p->g + (read.image * x->v.n_out + q0) * x->h.n_out * x->o * size;
        if (!in)
            return;
        if (m_part == 0 && p->sums->y)
            tg_column_sums_share(p->sums, s, p->n_strips, 0, x->o);
        if (p->turned) {
            turned_strip(p, &read, g, sum, s > s0);
            continue;
        }
        tg_gemm_block block = {.m = m1 - m0,
                               .n = x->n_group,
                               .k = n_images * (q1 - q0) * x->h.n_out,
                               .a_rows = p->tap_rows + m0,
                               .a_cols = p->pixel_cols,
                               .c_rows = p->gw_rows + m0,
                               .accumulate = s > s0};
        for (ptrdiff_t group = 0; group < x->groups; group++) {
            block.a = in + group * x->k_group * size;
            block.b = g + group * x->n_group * size;
            block.c = sum + group * x->n_group * size;
            block.b_row = x->o;
            block.b_panel = nr;
            if (p->pack) {
                char *packed = tg_scratch(TG_SCRATCH_PACK_B, (size_t)(block.k * x->padded * size));
                if (!packed) {
                    atomic_store(&x->status, TG_NO_MEMORY);
                    return;
                }
                tg_gemm_pack_b(x->dtype, block.k, block.n, block.b, x->o, 1, packed, block.k * nr);
                block.b = packed;
                block.b_row = nr;
                block.b_panel = block.k * nr;
            }
            tg_gemm_run(x->dtype, &block);
        }
    }
}

/* How many taps the turned product takes at once; 0 where it does not pay: one vector of outputs is
 * no better than the walk's, and columns are to fill whole tiles. */
static ptrdiff_t turned_taps(const walk *x)
{
    const axis *line = line_of(x);
    const ptrdiff_t nr = tg_gemm_panel(x->dtype);
    ptrdiff_t taps = line->n_taps;
    for (ptrdiff_t t = 1; t < line->n_taps; t++)
        if (line->offset[t] != line->offset[t - 1] + 1)
            taps = 1;
    return x->groups == 1 && x->o < nr / 2 && taps * x->c >= 2 * nr ? taps : 0;
}

static int run_weight_walk(weight_walk *p)
{
    walk *x = &p->x;
    const ptrdiff_t size = size_of(x->dtype), nr = tg_gemm_panel(x->dtype);
    const ptrdiff_t taps = x->v.n_taps * x->h.n_taps, pixels = x->v.n_out * x->h.n_out;
    p->m = taps * x->k_group;
    if (p->m == 0 || x->o == 0)
        return TG_OK;
    x->in_place = inside(&x->v) && inside(&x->h);
    x->pitch = (x->in_place ? x->h.image : x->h.n_read) * x->c;
    x->padded = ceil_div(x->n_group, nr) * nr;
    x->images = x->row_tasks = 1;
    if (pixels <= STRIP_PIXELS)
        x->images = max_of(min_of(STRIP_PIXELS / pixels, x->n), 1);
    else
        x->row_tasks = min_of(ceil_div(pixels, STRIP_PIXELS), x->v.n_out);
    x->rows = ceil_div(x->v.n_out, x->row_tasks);
    p->n_strips = ceil_div(x->n, x->images) * x->row_tasks;
    p->pack = p->m >= 48 && x->o > nr;
    p->turned = turned_taps(x);

    /* Up to 16 tasks of at least 65536 multiply-adds. Parts of the pixels cost a sum each (4 MB in
     * all), parts of the rows read the image again. */
    const double fmas = (double)p->m * (double)x->o * (double)x->n * (double)pixels;
    const double sum_bytes = (double)p->m * (double)x->o * (double)size;
    ptrdiff_t tasks = 1;
    while (tasks < 16 && fmas / (double)(2 * tasks) >= FMAS_PER_TASK)
        tasks *= 2;
    p->parts = 1;
    while (p->parts < tasks && 2 * p->parts <= p->n_strips &&
           (double)(2 * p->parts) * sum_bytes <= 4e6)
        p->parts *= 2;
    p->row_parts = p->turned ? 1 : min_of(tasks / p->parts, ceil_div(p->m, 24));

    const ptrdiff_t strip_pixels = x->images * x->rows * x->h.n_out;
    p->pixel_cols = tg_alloc((size_t)(strip_pixels + 2 * p->m) * sizeof(ptrdiff_t));
    const ptrdiff_t n_sums = p->parts - !p->turned, count = p->m * x->o;
    p->partial = n_sums > 0 ? tg_alloc((size_t)(n_sums * count * size)) : NULL;
    if (!p->pixel_cols || (n_sums > 0 && !p->partial)) {
        if (p->pixel_cols)
            tg_free(p->pixel_cols);
        return TG_NO_MEMORY;
    }
    p->tap_rows = p->pixel_cols + strip_pixels;
    p->gw_rows = p->tap_rows + p->m;
    const ptrdiff_t strip = (x->rows - 1) * x->v.step + x->v.n_read - (x->v.n_out - 1) * x->v.step;
    const ptrdiff_t image_step = (x->in_place ? x->v.image : strip) * x->pitch;
    for (ptrdiff_t i = 0, image = 0; image < x->images; image++)
        for (ptrdiff_t q = 0; q < x->rows; q++)
            for (ptrdiff_t r = 0; r < x->h.n_out; r++)
                p->pixel_cols[i++] =
                    image * image_step + q * x->v.step * x->pitch + r * x->h.step * x->c;
    for (ptrdiff_t tv = 0, i = 0; tv < x->v.n_taps; tv++)
        for (ptrdiff_t th = 0; th < x->h.n_taps; th++)
            for (ptrdiff_t term = 0; term < x->k_group; term++, i++) {
                p->tap_rows[i] = (x->v.offset[tv] - x->v.first) * x->pitch +
                                 (x->h.offset[th] - x->h.first) * x->c + term;
                p->gw_rows[i] = i * x->o;
            }
    p->sums->shared = 1;
    tg_parallel(p->parts * p->row_parts, fmas / FMAS_PER_NS(x->dtype), weight_task, p);
    if (p->parts > 1)
        tg_add_parts(x->dtype, p->parts, count, part_sum(p, 0), part_sum(p, 1));
    for (ptrdiff_t first = 0, n = p->turned * x->c; p->turned && first < p->m; first += n)
        tg_transpose(x->dtype, n, x->o, p->gw + first * x->o * size, x->o,
                     p->partial + first * x->o * size, n);
    tg_free(p->partial);
    tg_free(p->pixel_cols);
    return atomic_load(&x->status);
}

static int weight_grad(const tg_call *call, tg_column_sums *sums)
{
    const tg_array *gw = &call->arrays[0], *x = &call->arrays[1], *g = &call->arrays[2];
    problem p = read_problem(call, x, gw, g);
    if (is_winograd_shape(&p, g->dtype)) {
        tg_winograd_problem fast = winograd_problem(&p, x);
        if (tg_winograd_weight_grad_pays(&fast))
            return tg_winograd_weight_grad(&fast, g->data, gw->data, sums);
    }
    if (is_depthwise(&p))
        return tg_depthwise_weight_grad(&p, gw->dtype, x->data, g->data, gw->data);
    ptrdiff_t *table = tg_alloc((size_t)(2 * (p.v.kernel + p.h.kernel)) * sizeof(ptrdiff_t));
    if (!table)
        return TG_NO_MEMORY;
    weight_walk a = {.x = {.dtype = gw->dtype,
                           .v = forward_axis(&p.v, table),
                           .h = forward_axis(&p.h, table + 2 * p.v.kernel),
                           .n = p.n,
                           .c = p.c,
                           .o = p.o,
                           .groups = p.groups,
                           .k_group = p.c / p.groups,
                           .n_group = p.o / p.groups,
                           .in = x->data},
                     .g = g->data,
                     .sums = sums,
                     .gw = gw->data};
    int status = run_weight_walk(&a);
    tg_free(table);
    return status;
}

int tg_conv2d_weight_grad(const tg_call *call)
{
    const tg_array none = {.data = NULL}, *g = &call->arrays[2];
    tg_column_sums sums;
    int status = tg_column_sums_begin(&sums, call->n_arrays > 3 ? &call->arrays[3] : &none, g->data,
                                      g->shape[0] * g->shape[1] * g->shape[2]);
    return status == TG_OK ? tg_column_sums_end(&sums, weight_grad(call, &sums)) : status;
}
