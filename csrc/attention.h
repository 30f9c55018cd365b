/* attention.h - what the ISA kernels of attention (kernels/attention.h) and its driver
 * (drivers/attention.c) say to each other: one head, and a range of its queries. */
#ifndef TG_ATTENTION_H
#define TG_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

/* Queries and keys in a block. A tile of scores is 64 x 128 floats, 32 KB: with a block of keys and
 * one of values (128 x 64 floats, 32 KB each) it stays in a second-level cache of 256 KB, and each
 * product over it is long enough to pay for loading and storing what it adds to. */
enum { TG_ATTENTION_QUERIES = 64, TG_ATTENTION_KEYS = 128 };

enum { TG_MASK_NONE, TG_MASK_BOOL, TG_MASK_ADDED };

/* Rows of q, k, v, g, y and the gradients are contiguous; *_row is the distance between rows. */
typedef struct {
    ptrdiff_t first, n_queries; /* the range of queries */
    ptrdiff_t n_keys, depth, value_depth;
    const void *q, *k, *v; /* of query 0 and key 0 */
    ptrdiff_t q_row, k_row, v_row;
    void *y, *lse;
    ptrdiff_t y_row;
    int mask_kind, causal;
    const void *mask; /* of query 0 and key 0 */
    ptrdiff_t mask_row, mask_col;
    double scale;
    /* the gradient: gq is written; gk and gv (of all keys) are added to */
    const void *g;
    ptrdiff_t g_row;
    void *gq, *gk, *gv;
    ptrdiff_t gq_row, gk_row, gv_row;
    void *work; /* tg_attention_work(depth, value_depth) elements, 64-byte aligned */
} tg_attention_part;

/* Elements of scratch: queries and gradients transposed into panels, sums of y or gq, two tiles of
 * scores, four numbers per query. Panels may be wider than the queries by a vector. */
static inline ptrdiff_t tg_attention_work(ptrdiff_t depth, ptrdiff_t value_depth)
{
    ptrdiff_t wider = depth > value_depth ? depth : value_depth;
    return TG_ATTENTION_QUERIES * (3 * wider + 2 * TG_ATTENTION_KEYS + 4) + 256;
}

#endif
