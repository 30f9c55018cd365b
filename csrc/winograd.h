/* winograd.h - convolution of stride 1, see drivers/winograd.c. */
#ifndef TG_WINOGRAD_H
#define TG_WINOGRAD_H

#include <stddef.h>

#include "chain.h"
#include "reduction.h"

/* y (n, oh, ow, o) = act(x (n, h, w, c) * kernel + bias), then the chain, if any; stride 1, taps
 * `down` rows and `across` columns apart (the dilation), `top` and `left` zeros before. Channels c
 * and o come in `groups`. The kernel is (taps_down, taps_across, c / groups, o), or, `transposed`,
 * (taps_down, taps_across, o / groups, c) with its taps in reverse. `block` is chosen by
 * tg_winograd_pays: see drivers/winograd.c. */
typedef struct {
    ptrdiff_t n, h, w, c, oh, ow, o, top, left, down, across, groups, taps_down, taps_across, block;
    const float *x, *kernel, *bias;
    float *y;
    const tg_chain *chain;
    int act, transposed;
} tg_winograd_problem;

int tg_winograd_pays(tg_winograd_problem *p);
int tg_winograd_weight_grad_pays(tg_winograd_problem *p);
int tg_winograd(const tg_winograd_problem *p); /* a tg_status */

/* gw (taps_down, taps_across, c / groups, o): the gradient of the kernel (which, like bias, y, act,
 * chain and transposed, is not used), from x and the gradient g (n, oh, ow, o) of y;
 * the sums, if wanted, are those of g. */
int tg_winograd_weight_grad(const tg_winograd_problem *p, const float *g, float *gw,
                            tg_column_sums *sums);

#endif
