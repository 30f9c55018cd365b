/* depthwise.h - what the kernels of depthwise convolution (kernels/convolution.h) and their driver
 * (drivers/convolution_depthwise.c) say to each other. */
#ifndef TG_DEPTHWISE_H
#define TG_DEPTHWISE_H

#include <stddef.h>

/* A rectangle of output positions that all meet the same taps, and meet them inside the source.
 * Steps count elements: from row to row, from pixel to pixel, from tap to tap. Position (i, j)
 * meets tap (r, q) at x[i * x_row + j * x_step + r * x_tap_row + q * x_tap]. */
typedef struct {
    ptrdiff_t n_rows, n, c; /* positions of the rectangle, and their channels */
    ptrdiff_t tap_rows, taps;
    const void *x;
    ptrdiff_t x_row, x_step, x_tap_row, x_tap;
    ptrdiff_t w_tap_row, w_tap;
    ptrdiff_t y_row, y_step;
    const void *w; /* read, and y written, by the forward walk */
    void *y;
    const void *g; /* read (it lies as y does), and gw added to, by the weight gradient */
    void *gw;
    const void *bias; /* or NULL */
    int relu;
} tg_depthwise_part;

#endif
