/* parts.h - a long sum is cut into parts by its shape, one for each task; here they meet. */
#ifndef TG_PARTS_H
#define TG_PARTS_H

#include <stddef.h>

/* sum (n elements) += `parts` - 1 partial sums, n elements each, in pairs, then pairs of pairs: a
 * fixed tree. Overwrites the partial sums. */
void tg_add_parts(int dtype, ptrdiff_t parts, ptrdiff_t n, void *sum, void *partial);

#endif
