/* convolution.c - 2-D convolution and its input gradient, NHWC and HWIO; the weight gradient is in
 * convolution_weight.c.
 *
 * All three are products whose long operand is read in place: the block kernel (gemm.h) takes the
 * rows and columns of A from offset tables, and an image needs no copy to serve as A.
 *
 *   forward           rows = output pixels, columns = (tap, channel), B = the kernel
 *   input gradient    the same walk over g, with the taps reversed and the kernel transposed; a
 *                     stride s cuts the image into s x s phases, each a walk of stride 1 with the
 *                     taps that meet it
 *   weight gradient   rows = (tap, channel), columns = output pixels, B = g
 *
 * Padding is the one thing that offsets cannot say: a task that would read outside its image copies
 * the rows it needs, with zeros around, into scratch (one pass over them, against hundreds of
 * uses). A 1 x 1 kernel of stride 1 is a plain product; larger kernels of stride 1 between many
 * channels go to winograd.c. Groups are walked one after the other; depthwise
 * convolution and groups of few channels have files of their own, convolution_depthwise.c and
 * convolution_planar.c.
 *
 * A task is some rows of an image, or some small images: at least 65536 multiply-adds, and enough
 * pixels to make up for streaming large weights.
 *
 * ints: [0] tg_act, [1-2] strides, [3-6] padding (top, bottom, left, right), [7-8] dilation,
 * [9] groups. arrays: y, x, w, bias / gx, g, w; all contiguous. A chain (chain.h) may follow.
 */
#include <stdatomic.h>
#include <string.h>

#include "../convolution.h"
#include "../gemm.h"
#include "../table.h"
#include "../tg.h"
#include "../threads.h"
#include "../winograd.h"

/* ---- what forward and input gradient share ------------------------------------------------------
 */

/* Rows of an image from the first that output row q0 reads on, with zeros where they lie outside;
 * where nothing is missing beside them, rows inside are one piece. */
static void copy_padded(const walk *p, ptrdiff_t image, ptrdiff_t q0, ptrdiff_t n_rows, char *to)
{
    const ptrdiff_t size = size_of(p->dtype), pixel = p->c * size, pitch = p->pitch * size;
    const ptrdiff_t left = min_of(max_of(-p->h.first, 0), p->h.n_read);
    const ptrdiff_t from = max_of(p->h.first, 0);
    const ptrdiff_t n = max_of(min_of(p->h.image, p->h.first + p->h.n_read) - from, 0);
    const ptrdiff_t top = q0 * p->v.step + p->v.first;
    const ptrdiff_t r0 = min_of(max_of(-top, 0), n_rows);
    const ptrdiff_t r1 = n ? max_of(min_of(p->v.image - top, n_rows), r0) : r0;
    const char *source = p->in + ((image * p->v.image + top + r0) * p->h.image + from) * pixel;
    memset(to, 0, (size_t)(r0 * pitch));
    if (n == p->h.image && n == p->h.n_read)
        memcpy(to + r0 * pitch, source, (size_t)((r1 - r0) * pitch));
    else
        for (ptrdiff_t r = r0; r < r1; r++, source += p->h.image * pixel) {
            char *row = to + r * pitch;
            memset(row, 0, (size_t)(left * pixel));
            memcpy(row + left * pixel, source, (size_t)(n * pixel));
            memset(row + (left + n) * pixel, 0, (size_t)((p->h.n_read - left - n) * pixel));
        }
    memset(to + r1 * pitch, 0, (size_t)((n_rows - r1) * pitch));
}

strip tg_read_strip(walk *p, ptrdiff_t index)
{
    const ptrdiff_t size = size_of(p->dtype), row = index % p->row_tasks;
    strip s = {.image = index / p->row_tasks * p->images,
               .q0 = p->v.n_out * row / p->row_tasks,
               .q1 = p->v.n_out * (row + 1) / p->row_tasks,
               .image_step = p->v.image * p->h.image * p->c};
    s.n_images = min_of(p->images, p->n - s.image);
    if (p->in_place) {
        ptrdiff_t first = (s.q0 * p->v.step + p->v.first) * p->pitch + p->h.first * p->c;
        s.in = p->in + (s.image * s.image_step + first) * size;
        return s;
    }
    ptrdiff_t n_read = (s.q1 - s.q0 - p->v.n_out) * p->v.step + p->v.n_read;
    s.image_step = n_read * p->pitch;
    char *copy = tg_scratch(TG_SCRATCH_WORK, (size_t)(s.n_images * s.image_step * size));
    if (!copy)
        atomic_store(&p->status, TG_NO_MEMORY);
    for (ptrdiff_t i = 0; copy && i < s.n_images; i++)
        copy_padded(p, s.image + i, s.q0, n_read, copy + i * s.image_step * size);
    s.in = copy;
    return s;
}

/* Terms p0 .. p1 - 1 of group g, for the rows of a block. */
static void run_terms(const walk *p, tg_gemm_block *block, ptrdiff_t g, const char *in, char *out,
                      ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t size = size_of(p->dtype), nr = tg_gemm_panel(p->dtype);
    const ptrdiff_t depth = tg_gemm_depth(p->k);
    block->a = in + g * p->k_group * size;
    block->c = out + g * p->n_group * size;
    block->accumulate = 0;
    do { /* once even without terms: the result is then bias alone */
        const ptrdiff_t start = p0 / max_of(depth, 1) * depth; /* of what is packed together */
        block->k = min_of(start + depth, p1) - p0;
        block->a_cols = p->a_cols + p0;
        if (p->packed) {
            block->b = p->packed + ((g * p->k + start) * p->padded + (p0 - start) * nr) * size;
            block->b_row = nr;
            block->b_panel = min_of(depth, p->k - start) * nr;
        } else {
            block->b = p->w + (g * p->w_group + p0 * p->w_k) * size;
            block->b_row = p->w_k;
            block->b_panel = nr;
        }
        p0 += block->k;
        const int done = p0 >= p1;
        block->bias = done && p->bias ? p->bias + g * p->n_group * size : NULL;
        block->relu = done && p->act == TG_ACT_RELU;
        tg_gemm_run(p->dtype, block);
        block->accumulate = 1;
    } while (p0 < p1);
}

/* Rows q0 .. q1 - 1 of some images, zone by zone: rows beside the upper and lower edge leave out
 * the rows of taps that are outside. (Columns do not: their taps lie apart in the kernel, and
 * reading it again for a few columns costs more than the zeros.) */
static void zone_blocks(const walk *p, const char *in, char *out, ptrdiff_t n_images, ptrdiff_t q0,
                        ptrdiff_t q1)
{
    const ptrdiff_t row_terms = p->h.n_taps * p->k_group;
    for (ptrdiff_t g = 0; g < p->groups; g++)
        for (const zone *z = p->zones; z < p->zones + p->n_zones; z++)
            for (ptrdiff_t q = max_of(z->q0, q0), end = min_of(z->q1, q1), n_rows; q < end;
                 q += n_rows) {
                /* The tables have places for all images of a full task. */
                n_rows = n_images == p->images ? end - q : 1;
                const ptrdiff_t at = p->images * (q - q0) * p->h.n_out;
                tg_gemm_block block = {.m = n_rows * n_images * p->h.n_out,
                                       .n = p->n_group,
                                       .a_rows = p->a_rows + at,
                                       .c_rows = p->c_rows + at};
                run_terms(p, &block, g, in, out, z->t0 * row_terms, z->t1 * row_terms);
            }
}

static void walk_task(void *context, ptrdiff_t task)
{
    walk *p = context;
    const ptrdiff_t size = size_of(p->dtype);
    const strip s = tg_read_strip(p, task);
    const ptrdiff_t image = s.image, n_images = s.n_images, q0 = s.q0, q1 = s.q1;
    const char *in = s.in;
    if (!in)
        return;
    char *out =
        p->out + (image * p->out_image + (p->v.out_first + q0 * p->v.out_step) * p->out_row +
                  p->h.out_first * p->o) *
                     size;
    if (p->by_zones) {
        zone_blocks(p, in, out, n_images, q0, q1);
    } else {
        tg_gemm_block block = {.m = n_images * (q1 - q0) * p->h.n_out,
                               .n = p->n_group,
                               .a_rows = p->a_rows,
                               .c_rows = p->c_rows};
        for (ptrdiff_t g = 0; g < p->groups; g++)
            run_terms(p, &block, g, in, out, 0, p->k);
    }
    /* rows of the result, or, where a task writes whole ones, some rows at once */
    const ptrdiff_t row = p->v.out_step * p->out_row, pixel = p->h.out_step * p->o;
    const ptrdiff_t some = pixel == p->o && row == p->h.n_out * p->o ? q1 - q0 : 1;
    for (ptrdiff_t i = 0; i < n_images; i++)
        for (ptrdiff_t q = 0; q < q1 - q0; q += some)
            tg_gemm_finish((tg_epilogue){p->dtype, p->act, p->chain}, some * p->h.n_out, p->o,
                           out + (i * p->out_image + q * row) * size, pixel);
}

/* Pack one depth block of one group's weights: the terms of a tap lie together, taps need not. */
static void pack_task(void *context, ptrdiff_t task)
{
    walk *p = context;
    const ptrdiff_t size = size_of(p->dtype), nr = tg_gemm_panel(p->dtype);
    const ptrdiff_t depth = tg_gemm_depth(p->k), n_blocks = ceil_div(p->k, depth);
    const ptrdiff_t g = task / n_blocks, p0 = task % n_blocks * depth;
    const ptrdiff_t k = min_of(depth, p->k - p0);
    char *to = p->packed + (g * p->k + p0) * p->padded * size;
    for (ptrdiff_t done = 0, n; done < k; done += n) {
        ptrdiff_t t = (p0 + done) / p->k_group, term = (p0 + done) % p->k_group;
        n = min_of(p->k_group - term, k - done);
        ptrdiff_t from = p->w_taps[t] + g * p->w_group + term * p->w_k;
        tg_gemm_pack_b(p->dtype, n, p->n_group, p->w + from * size, p->w_k, p->w_n,
                       to + done * nr * size, k * nr);
    }
}

/* Nothing reaches these pixels (a stride larger than the kernel): they are 0. */
static void zero_task(void *context, ptrdiff_t row)
{
    walk *p = context;
    const ptrdiff_t size = size_of(p->dtype), q = row % p->v.n_out;
    char *out =
        p->out + (row / p->v.n_out * p->out_image +
                  (p->v.out_first + q * p->v.out_step) * p->out_row + p->h.out_first * p->o) *
                     size;
    for (ptrdiff_t i = 0; i < p->h.n_out; i++)
        memset(out + i * p->h.out_step * p->o * size, 0, (size_t)(p->o * size));
    tg_gemm_finish((tg_epilogue){p->dtype, p->act, p->chain}, p->h.n_out, p->o, out,
                   p->h.out_step * p->o);
}

#define ZONE_TERMS                                                                                 \
    16 /* channels of a group at least: an edge adds to the result once per tap row */

static void choose_tasks(walk *p, double fmas_per_pixel, ptrdiff_t weight_bytes)
{
    const ptrdiff_t pixels = p->v.n_out * p->h.n_out, all = p->n * pixels;
    ptrdiff_t wanted = (ptrdiff_t)(FMAS_PER_TASK / (fmas_per_pixel + 1)) + 1;
    wanted = max_of(max_of(wanted, all / 64), weight_bytes > 512 * 1024 ? 64 : 24);
    p->images = p->row_tasks = 1;
    if (wanted >= pixels) {
        p->images = min_of(ceil_div(wanted, pixels), p->n);
        p->images = ceil_div(p->n, ceil_div(p->n, p->images)); /* even shares */
    } else {
        p->row_tasks = min_of(ceil_div(pixels, wanted), p->v.n_out);
    }
    p->rows = ceil_div(p->v.n_out, p->row_tasks);
}

/* Run a walk whose axes, sizes and strides are set. */
static int run_walk(walk *p)
{
    const ptrdiff_t size = size_of(p->dtype), nr = tg_gemm_panel(p->dtype);
    const ptrdiff_t taps = p->v.n_taps * p->h.n_taps;
    if (p->n == 0 || p->v.n_out <= 0 || p->h.n_out <= 0 || p->o == 0)
        return TG_OK;
    p->k = taps * p->k_group;
    if (p->k == 0 && !p->bias && p->act == TG_ACT_NONE) {
        tg_parallel(p->n * p->v.n_out, 0.1 * (double)(p->n * p->v.n_out * p->h.n_out * p->o),
                    zero_task, p);
        return TG_OK;
    }
    if (tg_planar_pays(p))
        return tg_planar(p);
    p->in_place = inside(&p->v) && inside(&p->h);
    p->by_zones = !inside(&p->v) && p->h.n_taps * p->k_group >= ZONE_TERMS;
    p->pitch = (p->in_place ? p->h.image : p->h.n_read) * p->c;
    const double fmas_per_pixel = (double)p->k * (double)p->o;
    choose_tasks(p, fmas_per_pixel, p->k * p->o * size);
    const ptrdiff_t pixels = p->images * p->rows * p->h.n_out;
    const ptrdiff_t strip = (p->rows - 1) * p->v.step + p->v.n_read - (p->v.n_out - 1) * p->v.step;
    const ptrdiff_t image_step = (p->in_place ? p->v.image : strip) * p->pitch;

    p->a_rows = tg_alloc((size_t)(2 * pixels + p->k + taps) * sizeof(ptrdiff_t) +
                         (size_t)(2 * p->v.n_taps + 1) * sizeof(zone));
    if (!p->a_rows)
        return TG_NO_MEMORY;
    p->c_rows = p->a_rows + pixels;
    p->a_cols = p->c_rows + pixels;
    p->w_taps = p->a_cols + p->k;
    p->zones = (zone *)(p->w_taps + taps);
    p->n_zones = p->by_zones ? cut_zones(&p->v, p->zones) : 0;
    for (ptrdiff_t row = 0, i = 0; i < p->images * p->rows; i++) {
        /* by zones: the same row of all images together, so that zones are ranges */
        const ptrdiff_t image = p->by_zones ? i % p->images : i / p->rows;
        const ptrdiff_t q = p->by_zones ? i / p->images : i % p->rows;
        for (ptrdiff_t r = 0; r < p->h.n_out; r++, row++) {
            p->a_rows[row] = image * image_step + q * p->v.step * p->pitch + r * p->h.step * p->c;
            p->c_rows[row] =
                image * p->out_image + q * p->v.out_step * p->out_row + r * p->h.out_step * p->o;
        }
    }
    for (ptrdiff_t tv = 0, i = 0; tv < p->v.n_taps; tv++)
        for (ptrdiff_t th = 0; th < p->h.n_taps; th++) {
            ptrdiff_t at =
                (p->v.offset[tv] - p->v.first) * p->pitch + (p->h.offset[th] - p->h.first) * p->c;
            p->w_taps[tv * p->h.n_taps + th] =
                p->v.tap[tv] * p->w_tap_row + p->h.tap[th] * p->w_tap;
            for (ptrdiff_t term = 0; term < p->k_group; term++)
                p->a_cols[i++] = at + term;
        }

    /* Weights that are not rows of B must be packed; others when many pixels use them and the rows
     * of a panel would crowd the cache. */
    const double all = (double)p->n * (double)(p->v.n_out * p->h.n_out);
    p->packed = NULL;
    p->padded = ceil_div(p->n_group, nr) * nr;
    if (p->k &&
        (!p->w_is_b || (all >= 48 && (p->w_k * size % 1024 == 0 || p->k * p->o * size > 65536)))) {
        size_t bytes = (size_t)(p->groups * p->k * p->padded * size);
        p->packed = tg_alloc(bytes);
        if (!p->packed) {
            tg_free(p->a_rows);
            return TG_NO_MEMORY;
        }
        tg_parallel(p->groups * ceil_div(p->k, tg_gemm_depth(p->k)), 0.2 * (double)bytes, pack_task,
                    p);
    }
    tg_parallel(ceil_div(p->n, p->images) * p->row_tasks,
                all * fmas_per_pixel / FMAS_PER_NS(p->dtype), walk_task, p);
    if (p->packed)
        tg_free(p->packed);
    tg_free(p->a_rows);
    return atomic_load(&p->status);
}

/* ---- the calls ----------------------------------------------------------------------------------
 */

int tg_conv2d(const tg_call *call)
{
    const tg_array *y = &call->arrays[0], *x = &call->arrays[1], *w = &call->arrays[2];
    problem p = read_problem(call, x, w, y);
    ptrdiff_t pixels = p.n * p.v.out * p.h.out;
    tg_chain room;
    const tg_chain *chain = tg_chain_behind(call, &room);
    if (is_product(&p)) {
        tg_gemm_problem product = {.dtype = y->dtype,
                                   .act = (int)call->ints[0],
                                   .chain = chain,
                                   .m = pixels,
                                   .n = p.o,
                                   .k = p.c,
                                   .a = x->data,
                                   .b = w->data,
                                   .bias = call->arrays[3].data,
                                   .c = y->data,
                                   .a_row = p.c,
                                   .a_col = 1,
                                   .b_row = p.o,
                                   .b_col = 1,
                                   .c_row = p.o};
        return tg_gemm(&product);
    }
    if (is_winograd_shape(&p, y->dtype)) {
        tg_winograd_problem fast = winograd_problem(&p, x);
        fast.kernel = w->data;
        fast.bias = call->arrays[3].data;
        fast.y = y->data;
        fast.act = (int)call->ints[0];
        fast.chain = chain;
        if (tg_winograd_pays(&fast))
            return tg_winograd(&fast);
    }
    if (is_depthwise(&p))
        return tg_depthwise(&p, (tg_epilogue){y->dtype, (int)call->ints[0], chain}, x->data,
                            w->data, call->arrays[3].data, y->data);
    ptrdiff_t *table = tg_alloc((size_t)(2 * (p.v.kernel + p.h.kernel)) * sizeof(ptrdiff_t));
    if (!table)
        return TG_NO_MEMORY;
    walk a = {.dtype = y->dtype,
              .act = (int)call->ints[0],
              .chain = chain,
              .v = forward_axis(&p.v, table),
              .h = forward_axis(&p.h, table + 2 * p.v.kernel),
              .n = p.n,
              .c = p.c,
              .o = p.o,
              .groups = p.groups,
              .k_group = p.c / p.groups,
              .n_group = p.o / p.groups,
              .in = x->data,
              .w = w->data,
              .bias = call->arrays[3].data,
              .out = y->data,
              .out_row = p.h.out * p.o,
              .out_image = p.v.out * p.h.out * p.o,
              .w_group = p.o / p.groups,
              .w_k = p.o,
              .w_n = 1,
              .w_is_b = 1};
    a.w_tap = a.k_group * p.o;
    a.w_tap_row = p.h.kernel * a.w_tap;
    int status = run_walk(&a);
    tg_free(table);
    return status;
}

/* ---- input gradient of few channels
 * -------------------------------------------------------------- */

/* With few channels (pictures) a vector along the channels would be mostly empty. So the roles
 * change: one product g (pixels, O) times the kernel as (O, taps x C) has all taps' shares side by
 * side, and each is then added where it belongs, a row of pixels at a time. */
typedef struct {
    const problem *p;
    int dtype;
    const char *g;
    char *gx, *packed;
    const tg_chain *chain;          /* or NULL */
    ptrdiff_t n, padded, row_tasks; /* columns of the product; tasks of an image */
    atomic_int status;
} few;

static void few_task(void *context, ptrdiff_t task)
{
    few *f = context;
    const direction *v = &f->p->v, *h = &f->p->h;
    const ptrdiff_t size = size_of(f->dtype), nr = tg_gemm_panel(f->dtype), c = f->p->c;
    const ptrdiff_t image = task / f->row_tasks, part = task % f->row_tasks;
    const ptrdiff_t r0 = v->image * part / f->row_tasks, r1 = v->image * (part + 1) / f->row_tasks;
    /* Rows q of g that reach rows r0 .. r1 - 1 of the image: r = q stride - before + tap dilation.
     */
    const ptrdiff_t lowest = r0 + v->before - (v->kernel - 1) * v->dilation;
    const ptrdiff_t q0 = lowest > 0 ? ceil_div(lowest, v->stride) : 0;
    const ptrdiff_t q1 = min_of((r1 - 1 + v->before) / v->stride + 1, v->out);
    const ptrdiff_t m = max_of(q1 - q0, 0) * h->out;
    const ptrdiff_t width =
        max_of((h->out - 1) * h->stride + (h->kernel - 1) * h->dilation + 1, h->before + h->image);
    char *shares = tg_scratch(TG_SCRATCH_PACK_A, (size_t)(m * f->n * size + 64));
    char *rows = tg_scratch(TG_SCRATCH_WORK, (size_t)((r1 - r0) * width * c * size + 64));
    if (!shares || !rows) {
        atomic_store(&f->status, TG_NO_MEMORY);
        return;
    }
    memset(rows, 0, (size_t)((r1 - r0) * width * c * size));
    const ptrdiff_t depth = tg_gemm_depth(f->p->o);
    tg_gemm_block block = {
        .m = m, .n = f->n, .a_row = f->p->o, .a_col = 1, .b_row = nr, .c = shares, .c_row = f->n};
    for (ptrdiff_t k0 = 0; k0 < f->p->o; k0 += block.k) {
        block.k = min_of(depth, f->p->o - k0);
        block.a = f->g + ((image * v->out + q0) * h->out * f->p->o + k0) * size;
        block.b = f->packed + k0 * f->padded * size;
        block.b_panel = block.k * nr;
        block.accumulate = k0 > 0;
        if (m)
            tg_gemm_run(f->dtype, &block);
    }
    for (ptrdiff_t q = q0; q < q1; q++)
        for (ptrdiff_t t = 0; t < v->kernel; t++) {
            const ptrdiff_t r = q * v->stride - v->before + t * v->dilation;
            if (r < r0 || r >= r1)
                continue;
            const char *from = shares + ((q - q0) * h->out * f->n + t * h->kernel * c) * size;
            char *to = rows + (r - r0) * width * c * size;
            if (f->dtype == TG_F32)
                tg_active->conv_add_shares_f32(h->out, h->kernel, c, (const float *)from, f->n,
                                               (float *)to, h->stride * c, h->dilation * c);
            else
                tg_active->conv_add_shares_f64(h->out, h->kernel, c, (const double *)from, f->n,
                                               (double *)to, h->stride * c, h->dilation * c);
        }
    const ptrdiff_t row_bytes = h->image * c * size;
    char *gx = f->gx + (image * v->image + r0) * row_bytes;
    for (ptrdiff_t r = r0; r < r1; r++)
        memcpy(gx + (r - r0) * row_bytes, rows + ((r - r0) * width + h->before) * c * size,
               (size_t)row_bytes);
    tg_gemm_finish((tg_epilogue){.dtype = f->dtype, .chain = f->chain}, r1 - r0, h->image * c, gx,
                   h->image * c);
}

/* In fma's of a vector for an image: the product and the addition of the shares, against what the
 * walk along the channels and the one along the planes (convolution_planar.c) take; the latter
 * slows down when its rows of g outgrow the first-level cache. Measured on a Zen 4. */
static int few_pays(const problem *p, int dtype)
{
    const double n_lanes = (double)(dtype == TG_F32 ? tg_active->lanes_f32 : tg_active->lanes_f64);
    const ptrdiff_t lanes = (ptrdiff_t)n_lanes, width = p->h.kernel * p->c;
    const ptrdiff_t taps = p->v.kernel * p->h.kernel, strides = p->v.stride * p->h.stride;
    if (p->groups > 1 || p->o == 0 || p->c >= lanes)
        return 0;
    const double add =
        width < 6 || p->h.dilation > 1 ? 1.5 * (double)width : 8 * (double)ceil_div(width, lanes);
    const double per_g =
        (double)(ceil_div(taps * p->c, lanes) * (p->o + 5)) + (double)p->v.kernel * add + 10;
    const double pitch = 1 + (double)((p->h.kernel - 1) * p->h.dilation) / (double)p->h.image;
    const double crowd = p->o * p->v.kernel * lanes * 5 * size_of(dtype) > 48 << 10 ? 1.6 : 1;
    const double terms = (double)(taps * p->o) / (double)strides;
    const double planes = terms * (double)p->c / n_lanes * pitch * 1.1 * crowd +
                          0.5 * ((double)p->o / (double)strides + (double)p->c);
    const double per_pixel = planes < terms ? planes : terms;
    return per_g * (double)(p->v.out * p->h.out) < per_pixel * (double)(p->v.image * p->h.image);
}

static int few_input_grad(const problem *p, int dtype, const char *g, const char *w, char *gx,
                          const tg_chain *chain)
{
    const ptrdiff_t nr = tg_gemm_panel(dtype), size = size_of(dtype);
    few f = {.p = p, .dtype = dtype, .g = g, .gx = gx, .chain = chain};
    f.n = p->v.kernel * p->h.kernel * p->c;
    if (p->n * p->v.image * p->h.image * p->c == 0)
        return TG_OK;
    f.padded = ceil_div(f.n, nr) * nr;
    f.packed = tg_alloc((size_t)(f.padded * p->o * size));
    if (!f.packed)
        return TG_NO_MEMORY;
    const ptrdiff_t depth = tg_gemm_depth(p->o);
    for (ptrdiff_t k0 = 0; k0 < p->o; k0 += depth) {
        const ptrdiff_t k = min_of(depth, p->o - k0);
        tg_gemm_pack_b(dtype, k, f.n, w + k0 * size, 1, p->o, f.packed + k0 * f.padded * size,
                       k * nr);
    }
    /* The shares of a task should stay in the second-level cache. */
    const double bytes = (double)(p->v.out * p->h.out) * (double)(f.n * size);
    f.row_tasks = min_of(max_of((ptrdiff_t)(bytes / (192 * 1024)), 1),
                         max_of(p->v.image / (2 * p->v.kernel), 1));
    const double fmas = (double)(p->n * p->v.out * p->h.out) * (double)(f.n * p->o);
    tg_parallel(p->n * f.row_tasks, 2 * fmas / FMAS_PER_NS(dtype), few_task, &f);
    tg_free(f.packed);
    return atomic_load(&f.status);
}

int tg_conv2d_input_grad(const tg_call *call)
{
    const tg_array *gx = &call->arrays[0], *g = &call->arrays[1], *w = &call->arrays[2];
    problem p = read_problem(call, gx, w, g);
    tg_chain room;
    const tg_chain *chain = tg_chain_behind(call, &room);
    if (is_product(&p)) {
        tg_gemm_problem product = {.dtype = g->dtype,
                                   .chain = chain,
                                   .m = p.n * p.v.out * p.h.out,
                                   .n = p.c,
                                   .k = p.o,
                                   .a = g->data,
                                   .b = w->data,
                                   .c = gx->data,
                                   .a_row = p.o,
                                   .a_col = 1,
                                   .b_row = 1,
                                   .b_col = p.o,
                                   .c_row = p.c};
        return tg_gemm(&product);
    }
    if (is_winograd_shape(&p, g->dtype)) {
        tg_winograd_problem fast = {.n = p.n,
                                    .h = p.v.out,
                                    .w = p.h.out,
                                    .c = p.o,
                                    .oh = p.v.image,
                                    .ow = p.h.image,
                                    .o = p.c,
                                    .top = (p.v.kernel - 1) * p.v.dilation - p.v.before,
                                    .left = (p.h.kernel - 1) * p.h.dilation - p.h.before,
                                    .down = p.v.dilation,
                                    .across = p.h.dilation,
                                    .groups = p.groups,
                                    .taps_down = p.v.kernel,
                                    .taps_across = p.h.kernel,
                                    .x = g->data,
                                    .kernel = w->data,
                                    .y = gx->data,
                                    .chain = chain,
                                    .transposed = 1};
        if (tg_winograd_pays(&fast))
            return tg_winograd(&fast);
    }
    if (is_depthwise(&p)) {
        int status = tg_depthwise_input_grad(&p, g->dtype, g->data, w->data, gx->data);
        if (chain && status == TG_OK)
            tg_chain_run_all(chain); /* a task writes rows of all phases */
        return status;
    }
    if (few_pays(&p, g->dtype))
        return few_input_grad(&p, g->dtype, g->data, w->data, gx->data, chain);
    ptrdiff_t *table = tg_alloc((size_t)(2 * (p.v.kernel + p.h.kernel)) * sizeof(ptrdiff_t));
    if (!table)
        return TG_NO_MEMORY;
    int status = TG_OK;
    for (ptrdiff_t i = 0; i < min_of(p.v.stride, p.v.image) && status == TG_OK; i++)
        for (ptrdiff_t j = 0; j < min_of(p.h.stride, p.h.image) && status == TG_OK; j++) {
            walk a = {.dtype = g->dtype,
                      .chain = chain,
                      .v = backward_axis(&p.v, i, table),
                      .h = backward_axis(&p.h, j, table + 2 * p.v.kernel),
                      .n = p.n,
                      .c = p.o,
                      .o = p.c,
                      .groups = p.groups,
                      .k_group = p.o / p.groups,
                      .n_group = p.c / p.groups,
                      .in = g->data,
                      .w = w->data,
                      .out = gx->data,
                      .out_row = p.h.image * p.c,
                      .out_image = p.v.image * p.h.image * p.c,
                      .w_group = p.o / p.groups,
                      .w_k = 1,
                      .w_n = p.o};
            a.w_tap = a.n_group * p.o;
            a.w_tap_row = p.h.kernel * a.w_tap;
            status = run_walk(&a);
        }
    tg_free(table);
    return status;
}
