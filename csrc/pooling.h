/* pooling.h - what the pooling kernels and their driver say to each other. */
#ifndef TG_POOLING_H
#define TG_POOLING_H

#include <stddef.h>
#include <stdint.h>

/* A row of n pixels of the result (forward) or, for the gradient of the average, of the image. What
 * pixel i meets is a block of rows x cols[i] pixels on the other side, its first one first[i]
 * elements from where the row starts: its window's part inside the image, or the windows that cover
 * it. Places count through a window. */
typedef struct {
    ptrdiff_t n, c, rows, row_step;
    const ptrdiff_t *first, *cols;
    const int32_t *place; /* of the first pixel met, within its row of the window */
    int32_t place_row;    /* and what the row adds */
    int32_t window;       /* columns of a window */
    /* Average, backward: which window of a row is the first met, and the sizes of windows; those of
     * the rows met, but of all columns. */
    const ptrdiff_t *first_window, *row_counts, *col_counts;
    int wide; /* the index is int32, not uint8 */
} tg_pool_row;

/* A row of n windows of max pooling, `stride` pixels apart, as the gradient meets the image, whose
 * rows have `width` pixels. */
typedef struct {
    ptrdiff_t n, c, width, window, stride, before; /* window: its columns */
    ptrdiff_t first;                               /* element of the first window's first tap */
    ptrdiff_t row0, row1; /* rows of the window that are the caller's to write, */
    ptrdiff_t low;        /* in elements, from here on: */
    size_t size;
    const ptrdiff_t *offset; /* of each place of a window */
    size_t places;
    int wide;  /* as above; and if not: */
    int alone; /* channels fill vectors, and no two windows meet: taps are written, not added to */
} tg_pool_scatter;

#endif
