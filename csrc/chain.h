/* chain.h - a chain of elementwise operations (drivers/fused.c) on the elements of an array.
 *
 * A call of a product, a convolution or a batch normalization may end in a chain: whoever writes a
 * piece of the result runs the chain on it at once, while the piece is in the cache. The chain's
 * arrays, as in a call of `fused`, then begin at arrays[TG_CHAIN_ARRAYS], its numbers at
 * ints[TG_CHAIN_INTS].
 */
#ifndef TG_CHAIN_H
#define TG_CHAIN_H

#include "tg.h"

enum { TG_CHAIN_ARRAYS = 6, TG_CHAIN_INTS = 16 };

typedef enum { TG_ADJACENT, TG_SAME, TG_SCATTERED } tg_layout; /* along the outputs' elements */

typedef struct {
    const tg_array *arrays; /* outputs, inputs */
    const int32_t *program;
    const char *base; /* of the result that the chain follows */
    ptrdiff_t n_arrays, n_instructions, n;
    int dtype;
    tg_layout layouts[TG_MAX_ARRAYS];
} tg_chain;

/* The chain of a call, described in `room`; NULL if it has none. */
const tg_chain *tg_chain_behind(const tg_call *call, tg_chain *room);

/* Run it on rows of n > 0 elements, `row` apart, the first of which has been written to `from`. */
void tg_chain_run(const tg_chain *chain, const void *from, ptrdiff_t n_rows, ptrdiff_t n,
                  ptrdiff_t row);

/* Run it on all elements. */
void tg_chain_run_all(const tg_chain *chain);

/* What it takes in all, in nanoseconds of one core; 0 for none. */
double tg_chain_work(const tg_chain *chain);

#endif
