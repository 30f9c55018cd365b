/* planar.h - what the kernels of planar convolution (kernels/planar.h) and their driver
 * (drivers/convolution_planar.c) say to each other. */
#ifndef TG_PLANAR_H
#define TG_PLANAR_H

#include <stddef.h>

/* y[i * y_row + f] = act(bias[i] + sum over p < k of x[x_offsets[p] + f] w[p * m + i]) for i < m
 * and the positions f of n_vectors vectors. */
typedef struct {
    ptrdiff_t m, k, n_vectors;
    const void *x;
    const ptrdiff_t *x_offsets;
    const void *w, *bias; /* bias may be NULL */
    void *y;
    ptrdiff_t y_row;
    int relu;
} tg_planar_part;

#endif
