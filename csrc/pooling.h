/* pooling.h - what the pooling kernels and their driver say to each other. */
#ifndef TG_POOLING_H
#define TG_POOLING_H

#include <stddef.h>

/* A window, or the windows over a pixel: see kernels/pooling.h. Steps count elements. */
typedef struct {
    ptrdiff_t rows, cols, row_step, col_step;
    ptrdiff_t place, place_step, place_col;
    int wide; /* the index is int32, not uint8 */
} tg_pool_window;

#endif
