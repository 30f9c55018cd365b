/* convolution_planar.c - convolution and input gradient into few channels (of a group).
 *
 * With 1 to a dozen channels in a group of the result a vector along the channels is mostly empty.
 * So a task turns the pixels that it reads into planes, one per channel, with the padding around
 * them, and vectors run along the pixels (kernels/planar.h): a row of a plane follows the other
 * without a gap, so a vector may hold the end of one row and the beginning of the next, and the
 * few positions beyond a row's end are computed in vain. With a stride s, pixels s apart are
 * neighbours in a plane, of which there are then s in each direction. The planes of the result are
 * turned back.
 *
 * It pays when the empty lanes of the channels' vectors would cost more than the turning and what
 * is computed in vain; see tg_planar_pays.
 */
#include <string.h>

#include "../convolution.h"
#include "../gemm.h"
#include "../table.h"
#include "../threads.h"

typedef struct {
    walk *p;
    char *w;                      /* (groups, k, n_group) */
    ptrdiff_t *offsets;           /* of the k terms in a group's planes */
    ptrdiff_t pitch, rows, plane; /* of a plane: a row, rows of the longest task, elements in all */
    ptrdiff_t y_plane;
    ptrdiff_t row_tasks, images; /* tasks of an image, or images of a task */
} planar;

static ptrdiff_t lanes(int dtype)
{
    return dtype == TG_F32 ? tg_active->lanes_f32 : tg_active->lanes_f64;
}

/* Pixels first .. first + n_read - 1 of a line of an image (those inside it) to planes, `step`
 * apart to the same; the lines of neighbouring pixels are `next` elements apart. */
static void read_line(const planar *t, ptrdiff_t first, ptrdiff_t n_read, ptrdiff_t step,
                      ptrdiff_t image, const char *in, char *planes, ptrdiff_t next)
{
    const walk *p = t->p;
    const ptrdiff_t size = size_of(p->dtype), set = t->plane * p->v.step * p->h.step;
    for (ptrdiff_t phase = 0; phase < step; phase++) {
        /* places first + phase + i * step, i0 <= i < i1, are inside the image */
        const ptrdiff_t start = first + phase;
        const ptrdiff_t i0 = start < 0 ? ceil_div(-start, step) : 0;
        const ptrdiff_t i1 = min_of(ceil_div(image - start, step), ceil_div(n_read - phase, step));
        if (i0 < i1)
            tg_transpose(p->dtype, p->c, i1 - i0, planes + (phase * next + i0) * size, set,
                         in + (start + i0 * step) * p->c * size, step * p->c);
    }
}

/* The planes of what output rows q0 .. q1 - 1 of an image read. */
static void read_planes(const planar *t, ptrdiff_t image, ptrdiff_t q0, ptrdiff_t q1, char *planes)
{
    const walk *p = t->p;
    const ptrdiff_t size = size_of(p->dtype), down = p->v.step, across = p->h.step;
    const ptrdiff_t n_read = (q1 - q0 - p->v.n_out) * down + p->v.n_read;
    const ptrdiff_t row_size = p->h.image * p->c * size, top = q0 * down + p->v.first;
    const char *in = p->in + image * p->v.image * row_size;
    if (!p->in_place)
        memset(planes, 0, (size_t)(p->c * t->plane * down * across * size));
    if (is_column(p)) {
        read_line(t, top, n_read, down, p->v.image, in, planes, t->plane);
        return;
    }
    for (ptrdiff_t r = 0; r < n_read; r++)
        if (top + r >= 0 && top + r < p->v.image)
            read_line(t, p->h.first, p->h.n_read, across, p->h.image, in + (top + r) * row_size,
                      planes + (r % down * across * t->plane + r / down * t->pitch) * size,
                      t->plane);
}

/* Some pixels of the result, `step` elements apart, from its planes. */
static void write_line(const planar *t, ptrdiff_t n, const char *y, char *out, ptrdiff_t step)
{
    const walk *p = t->p;
    tg_transpose(p->dtype, n, p->o, out, step, y, t->y_plane);
    tg_gemm_finish((tg_epilogue){p->dtype, p->act, p->chain}, n, p->o, out, step);
}

static void planar_task(void *context, ptrdiff_t task)
{
    planar *t = context;
    walk *p = t->p;
    const ptrdiff_t size = size_of(p->dtype), set = t->plane * p->v.step * p->h.step;
    const ptrdiff_t part = task % t->row_tasks, first = task / t->row_tasks * t->images;
    const ptrdiff_t q0 = p->v.n_out * part / t->row_tasks;
    const ptrdiff_t q1 = p->v.n_out * (part + 1) / t->row_tasks;
    const ptrdiff_t n = (q1 - q0 - 1) * t->pitch + p->h.n_out;
    /* Vectors at the end of the last plane read beyond it. */
    char *planes = tg_scratch(TG_SCRATCH_WORK, (size_t)((p->c * set + 2 * t->y_plane) * size));
    char *y = tg_scratch(TG_SCRATCH_PACK_A, (size_t)(p->o * t->y_plane * size));
    if (!planes || !y) {
        atomic_store(&p->status, TG_NO_MEMORY);
        return;
    }
    for (ptrdiff_t image = first; image < min_of(first + t->images, p->n); image++) {
        read_planes(t, image, q0, q1, planes);
        for (ptrdiff_t g = 0; g < p->groups; g++) {
            const tg_planar_part part = {.m = p->n_group,
                                         .k = p->k,
                                         .n_vectors = ceil_div(n, lanes(p->dtype)),
                                         .x = planes + g * p->k_group * set * size,
                                         .x_offsets = t->offsets,
                                         .w = t->w + g * p->k * p->n_group * size,
                                         .bias = p->bias ? p->bias + g * p->n_group * size : NULL,
                                         .y = y + g * p->n_group * t->y_plane * size,
                                         .y_row = t->y_plane,
                                         .relu = p->act == TG_ACT_RELU};
            if (p->dtype == TG_F32)
                tg_active->planar_f32(&part);
            else
                tg_active->planar_f64(&part);
        }
        char *out =
            p->out + (image * p->out_image + (p->v.out_first + q0 * p->v.out_step) * p->out_row +
                      p->h.out_first * p->o) *
                         size;
        const ptrdiff_t row = p->v.out_step * p->out_row;
        if (is_column(p))
            write_line(t, q1 - q0, y, out, row);
        else
            for (ptrdiff_t q = q0; q < q1; q++)
                write_line(t, p->h.n_out, y + (q - q0) * t->pitch * size,
                           out + (q - q0) * row * size, p->h.out_step * p->o);
    }
}

/* In fma's of a vector per position of the result, for one group: along the channels a tile of one
 * vector is filled as far as they go; along the pixels a tenth more than there are is computed, and
 * each number is turned. */
int tg_planar_pays(const walk *p)
{
    const double n_lanes = (double)lanes(p->dtype);
    const double k = (double)(p->v.n_taps * p->h.n_taps * p->k_group), m = (double)p->n_group;
    const double pitch = (double)ceil_div(p->h.n_read, p->h.step) / (double)p->h.n_out;
    const double turned = (double)(p->k_group * p->v.step * p->h.step + p->n_group);
    const double beside = k * (double)ceil_div(p->n_group, (ptrdiff_t)n_lanes) + 1;
    return k > 0 && k * m / n_lanes * pitch * 1.1 + turned * 0.5 < 0.9 * beside;
}

/* An odd number of cache lines (for float): the same pixel of all planes is written at once, and
 * must not fall into the same few sets of the cache. */
static ptrdiff_t plane_size(ptrdiff_t n)
{
    return ((n + 15) / 16 | 1) * 16;
}

int tg_planar(walk *p)
{
    const ptrdiff_t size = size_of(p->dtype), down = p->v.step, across = p->h.step;
    planar t = {.p = p, .pitch = ceil_div(p->h.n_read, across)};
    p->in_place = inside(&p->v) && inside(&p->h); /* no zeros needed */
    /* Tasks of 65536 multiply-adds at least, and of planes that fit into half a second-level
     * cache. */
    const double fmas = (double)(p->v.n_out * p->h.n_out) * (double)p->k * (double)p->o;
    const double bytes = (double)(p->v.n_out * p->h.n_out * (p->c * down * across + p->o) * size);
    t.row_tasks = min_of(max_of((ptrdiff_t)(bytes / (256 << 10)), (ptrdiff_t)(fmas / 1e6)),
                         p->v.n_out / (2 * p->v.n_taps));
    t.row_tasks = max_of(t.row_tasks, 1);
    t.images = t.row_tasks > 1 ? 1 : max_of((ptrdiff_t)(FMAS_PER_TASK / (fmas + 1)), 1);
    t.rows = ceil_div(p->v.n_out, t.row_tasks);
    const ptrdiff_t n_read = (t.rows - p->v.n_out) * down + p->v.n_read;
    t.plane = plane_size(ceil_div(n_read, down) * t.pitch);
    t.y_plane = plane_size(t.rows * t.pitch + 15); /* whole vectors */

    t.w = tg_alloc((size_t)(p->groups * p->k * p->n_group * size + p->k * 8));
    if (!t.w)
        return TG_NO_MEMORY;
    t.offsets = (ptrdiff_t *)t.w;
    t.w = (char *)(t.offsets + p->k);
    for (ptrdiff_t tv = 0, i = 0; tv < p->v.n_taps; tv++)
        for (ptrdiff_t th = 0; th < p->h.n_taps; th++)
            for (ptrdiff_t term = 0; term < p->k_group; term++, i++) {
                const ptrdiff_t r = p->v.offset[tv] - p->v.first, c = p->h.offset[th] - p->h.first;
                const ptrdiff_t plane = (term * down + r % down) * across + c % across;
                t.offsets[i] = plane * t.plane + r / down * t.pitch + c / across;
                const ptrdiff_t from =
                    p->v.tap[tv] * p->w_tap_row + p->h.tap[th] * p->w_tap + term * p->w_k;
                for (ptrdiff_t g = 0; g < p->groups; g++)
                    for (ptrdiff_t j = 0; j < p->n_group; j++)
                        memcpy(t.w + ((g * p->k + i) * p->n_group + j) * size,
                               p->w + (from + g * p->w_group + j * p->w_n) * size, (size_t)size);
            }
    tg_parallel(ceil_div(p->n, t.images) * t.row_tasks,
                (double)p->n * fmas / FMAS_PER_NS(p->dtype) * 1.5, planar_task, &t);
    tg_free(t.offsets);
    return atomic_load(&p->status);
}
