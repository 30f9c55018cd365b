/* recurrent.h - what the ISA kernels of recurrent sequences (kernels/recurrent.h) and their driver
 * (drivers/recurrent.c) say to each other: some rows of the batch, through all steps. */
#ifndef TG_RECURRENT_H
#define TG_RECURRENT_H

#include <stddef.h>
#include <stdint.h>

/* Arrays are contiguous and time-major, (T, N, ...), with U units; a null pointer is an absent one.
 */
typedef struct {
    ptrdiff_t n_steps, n_batch, units;
    ptrdiff_t first, n_rows; /* the rows of the batch to do */
    const void *weights;     /* in panels: [W; b; R]; or R alone, for a gradient its transpose */
    void *work;              /* room for the left side of a product */
    void *joined;            /* (T, N, joined_row): x_t, 1 if there is a bias, and h_{t-1} */
    ptrdiff_t joined_row;
    int apart;                    /* x W + b is where the gates go: only h R is to be added */
    const void *z, *bias;         /* GRU only: x W + b, and the recurrent bias */
    int has_h0;                   /* else states[0] is 0 and its gradient not wanted */
    void *states, *cells, *gates; /* (T + 1, N, U), (T + 1, N, U), (T, N, 4 U) */
    const uint8_t *mask;
    ptrdiff_t mask_step, mask_row;
    /* the gradient */
    const void *g;   /* of states (T + 1, N, U) */
    void *gz, *gb;   /* (T, N, width); gb: GRU only */
    void *gh0, *gc0; /* (N, U): also where the gradient of the state is carried */
} tg_recurrent_part;

#endif
