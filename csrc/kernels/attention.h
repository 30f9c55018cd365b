/* attention.h - the inner loops of attention (see ../attention.h), forward and gradient.
 *
 * The scores are computed transposed, keys by queries: K (a block of its rows) times Q^T (a block
 * of queries, transposed once into panels, the scale multiplied in). So a vector holds the scores
 * of neighbouring queries for one key, and the maximum and the sum over keys need no shuffles; K
 * and V are read as they lie in memory, rows of any stride, without a copy; and the tile of scores
 * is already the transposed operand that the next product wants:
 *
 *     forward     y += P V                               P^T is the tile: A is read by columns
 *     gradient    gv += P^T g,  gk += S^T q,  gq += S k
 *
 * Forward keeps for each query the largest score so far and the sum of exp(score - largest); when a
 * block brings a larger one, what has been summed is scaled down (Milakov and Gimelshein, 2018; Dao
 * et al., FlashAttention, 2022). The gradient computes P again from the log-sum-exp of each row.
 *
 * What a query may not attend has the score -inf. A row of nothing but -inf has a sum of 0: y = 0
 * and lse = -inf, and 0 takes the place of the largest score, since -inf - -inf is NaN.
 */
#include "../attention.h"

#define TG_Q TG_ATTENTION_QUERIES
#define TG_K TG_ATTENTION_KEYS
#define TG_STRIP                                                                                   \
    (2 * V_LANES > 16 ? 2 * V_LANES                                                                \
                      : 16) /* queries that are taken at once, forward and on the diagonal */

/* Rows of queries into panels: element (i, d) of `rows` goes to row d, column i. */
TG_INLINE void TG_FN(attention_pack)(ptrdiff_t n, ptrdiff_t depth, const V_T *rows,
                                     ptrdiff_t stride, V_T scale, V_T *panels)
{
    const ptrdiff_t nr = 2 * V_LANES, size = (n + nr - 1) / nr * nr * depth;
    if (depth == 0)
        return;
    TG_FN(gemm_pack_b)(depth, n, rows, 1, stride, panels, depth * TG_FN(gemm_panel));
    if (scale != 1)
        for (ptrdiff_t i = 0; i < size; i += V_LANES)
            V(store)(panels + i, V(mul)(V(load)(panels + i), V(set1)(scale)));
}

/* tile (n_keys x n, its rows `tile_row` apart) = rows of K or V times panels. */
TG_INLINE void TG_FN(attention_product)(ptrdiff_t n_keys, ptrdiff_t n, ptrdiff_t depth,
                                        const V_T *rows, ptrdiff_t stride, const V_T *panels,
                                        V_T *tile, ptrdiff_t tile_row)
{
    tg_gemm_block g = {.m = n_keys, .n = (n + V_LANES - 1) / V_LANES * V_LANES, .k = depth};
    g.a = rows;
    g.a_row = stride;
    g.a_col = 1;
    g.b = panels;
    g.b_row = 2 * V_LANES;
    g.b_panel = 2 * V_LANES * depth;
    g.c = tile;
    g.c_row = tile_row;
    TG_FN(gemm_block)(&g);
}

/* c (m x n, rows c_row apart) [+]= A B, A an operand of any strides, B of contiguous rows. */
TG_INLINE void TG_FN(attention_add)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const V_T *a,
                                    ptrdiff_t a_row, ptrdiff_t a_col, const V_T *b, ptrdiff_t b_row,
                                    V_T *c, ptrdiff_t c_row, int accumulate)
{
    tg_gemm_block g = {.m = m, .n = n, .k = k, .accumulate = accumulate};
    if (n == 0)
        return;
    g.a = a;
    g.a_row = a_row;
    g.a_col = a_col;
    g.b = b;
    g.b_row = b_row;
    g.b_panel = 2 * V_LANES;
    g.c = c;
    g.c_row = c_row;
    TG_FN(gemm_block)(&g);
}

/* Apply the mask and the diagonal to a tile: queries q0 .. q0 + n, keys k0 .. k0 + n_keys. */
TG_INLINE void TG_FN(attention_mask)(const tg_attention_part *p, ptrdiff_t q0, ptrdiff_t n,
                                     ptrdiff_t k0, ptrdiff_t n_keys, V_T *tile, ptrdiff_t tile_row)
{
    const V_T hidden = (V_T)-INFINITY;
    if (p->mask_kind == TG_MASK_BOOL && p->mask_row == 0) { /* of keys only: padding */
        const uint8_t *mask = (const uint8_t *)p->mask + k0 * p->mask_col;
        for (ptrdiff_t j = 0; j < n_keys; j++)
            if (!mask[j * p->mask_col])
                for (ptrdiff_t i = 0; i < n; i++)
                    tile[j * tile_row + i] = hidden;
    } else if (p->mask_kind == TG_MASK_BOOL) {
        for (ptrdiff_t i = 0; i < n; i++) {
            const uint8_t *mask = (const uint8_t *)p->mask + (q0 + i) * p->mask_row;
            for (ptrdiff_t j = 0; j < n_keys; j++) {
                V_T s = tile[j * tile_row + i];
                tile[j * tile_row + i] = mask[(k0 + j) * p->mask_col] ? s : hidden;
            }
        }
    } else if (p->mask_kind == TG_MASK_ADDED) {
        for (ptrdiff_t i = 0; i < n; i++) {
            const V_T *mask = (const V_T *)p->mask + (q0 + i) * p->mask_row;
            for (ptrdiff_t j = 0; j < n_keys; j++)
                tile[j * tile_row + i] += mask[(k0 + j) * p->mask_col];
        }
    }
    if (p->causal)
        for (ptrdiff_t j = q0 < k0 ? 0 : q0 + 1 - k0; j < n_keys; j++)
            for (ptrdiff_t i = 0; i < n && q0 + i < k0 + j; i++)
                tile[j * tile_row + i] = hidden;
}

/* One vector of queries over a tile: the new maximum, exp(score - maximum) in place, their sum.
 * Returns exp(old maximum - new maximum), by which older sums shrink. */
TG_INLINE VT TG_FN(attention_softmax)(ptrdiff_t n_keys, V_T *tile, V_T *largest, V_T *total)
{
    VT old = V(load)(largest), m0 = old, m1 = old, m2 = old, m3 = old;
    ptrdiff_t j = 0;
    for (; j + 4 <= n_keys; j += 4) {
        m0 = V(max)(V(load)(tile + j * TG_STRIP), m0);
        m1 = V(max)(V(load)(tile + (j + 1) * TG_STRIP), m1);
        m2 = V(max)(V(load)(tile + (j + 2) * TG_STRIP), m2);
        m3 = V(max)(V(load)(tile + (j + 3) * TG_STRIP), m3);
    }
    for (; j < n_keys; j++)
        m0 = V(max)(V(load)(tile + j * TG_STRIP), m0);
    m0 = V(max)(V(max)(m0, m1), V(max)(m2, m3));
    VT top = V(select)(V(eq)(m0, V(set1)((V_T)-INFINITY)), V(zero)(), m0);
    VT s0 = V(zero)(), s1 = s0;
    for (j = 0; j + 2 <= n_keys; j += 2) {
        VT e0 = V(exp_flush)(V(sub)(V(load)(tile + j * TG_STRIP), top));
        VT e1 = V(exp_flush)(V(sub)(V(load)(tile + (j + 1) * TG_STRIP), top));
        V(store)(tile + j * TG_STRIP, e0);
        V(store)(tile + (j + 1) * TG_STRIP, e1);
        s0 = V(add)(s0, e0);
        s1 = V(add)(s1, e1);
    }
    for (; j < n_keys; j++) {
        VT e0 = V(exp_flush)(V(sub)(V(load)(tile + j * TG_STRIP), top));
        V(store)(tile + j * TG_STRIP, e0);
        s0 = V(add)(s0, e0);
    }
    VT shrink = V(exp_flush)(V(sub)(old, top));
    V(store)(largest, m0);
    V(store)(total, V(fma)(V(load)(total), shrink, V(add)(s0, s1)));
    return shrink;
}

/* A strip of n queries from q0 on meets a block of keys. The tile of scores is small (16 KB with
 * AVX-512) and stays in the first-level cache from one product to the next. */
TG_INLINE void TG_FN(attention_strip)(const tg_attention_part *p, ptrdiff_t q0, ptrdiff_t n,
                                      ptrdiff_t k0, const V_T *panels, V_T *sums, V_T *tile,
                                      V_T *largest, V_T *total, V_T *shrink)
{
    const ptrdiff_t e = p->value_depth;
    const ptrdiff_t n_keys = p->causal && q0 + n < p->n_keys ? q0 + n : p->n_keys;
    const ptrdiff_t nk = n_keys - k0 < TG_K ? n_keys - k0 : TG_K;
    int shrinks = 0;
    if (nk <= 0)
        return;
    TG_FN(attention_product)(nk, n, p->depth, (const V_T *)p->k + k0 * p->k_row, p->k_row, panels,
                             tile, TG_STRIP);
    if (p->mask_kind || (p->causal && k0 + nk > q0 + 1))
        TG_FN(attention_mask)(p, q0, n, k0, nk, tile, TG_STRIP);
    for (ptrdiff_t i = 0; i < n; i += V_LANES) {
        VT s = TG_FN(attention_softmax)(nk, tile + i, largest + i, total + i);
        shrinks |= V(mask_any)(V(ne)(s, V(set1)(1)));
        V(store)(shrink + i, s);
    }
    if (k0 && shrinks)
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t c = 0; c < e; c++)
                sums[i * e + c] *= shrink[i];
    TG_FN(attention_add)(n, e, nk, tile, 1, TG_STRIP, (const V_T *)p->v + k0 * p->v_row, p->v_row,
                         sums, e, k0 > 0);
}

/* n <= TG_Q queries from q0 on, over all keys they may attend: a block of keys and values is
 * brought near once and meets all strips. */
TG_INLINE void TG_FN(attention_queries)(const tg_attention_part *p, ptrdiff_t q0, ptrdiff_t n)
{
    const ptrdiff_t wider = p->depth > p->value_depth ? p->depth : p->value_depth;
    V_T *panels = p->work, *sums = panels + TG_Q * wider, *tile = sums + TG_Q * wider;
    V_T *largest = tile + TG_STRIP * TG_K, *total = largest + TG_Q, *shrink = total + TG_Q;
    const ptrdiff_t e = p->value_depth;
    const ptrdiff_t n_keys = p->causal && q0 + n < p->n_keys ? q0 + n : p->n_keys;
    TG_FN(attention_pack)(n, p->depth, (const V_T *)p->q + q0 * p->q_row, p->q_row, (V_T)p->scale,
                          panels);
    for (ptrdiff_t i = 0; i < TG_Q; i++) {
        largest[i] = (V_T)-INFINITY;
        total[i] = 0;
    }
    for (ptrdiff_t k0 = 0; k0 < n_keys; k0 += TG_K)
        for (ptrdiff_t i = 0; i < n; i += TG_STRIP)
            TG_FN(attention_strip)(p, q0 + i, n - i < TG_STRIP ? n - i : TG_STRIP, k0,
                                   panels + i * p->depth, sums + i * e, tile, largest + i,
                                   total + i, shrink);
    for (ptrdiff_t i = 0; i < n; i++) {
        V_T *y = (V_T *)p->y + (q0 + i) * p->y_row;
        int nothing = total[i] == 0;
        V_T inverse = nothing ? 0 : 1 / total[i];
        for (ptrdiff_t c = 0; c < e; c++)
            y[c] = nothing ? 0 : sums[i * e + c] * inverse;
    }
    for (ptrdiff_t i = 0; i < n; i += V_LANES) {
        VT sum = V(load)(total + i), lse = V(add)(V(load)(largest + i), V(log)(sum));
        lse = V(select)(V(eq)(sum, V(zero)()), V(set1)((V_T)-INFINITY), lse);
        TG_FN(store_upto)((V_T *)p->lse + q0 + i, lse, n - i);
    }
}

TG_KERNEL void TG_FN(attention)(const tg_attention_part *p)
{
    for (ptrdiff_t i = 0; i < p->n_queries; i += TG_Q)
        TG_FN(attention_queries)(p, p->first + i,
                                 p->n_queries - i < TG_Q ? p->n_queries - i : TG_Q);
}

/* The tile of scores becomes P = exp(score - lse), and that of g v^T becomes P (g v^T - d) scale.
 */
TG_INLINE void TG_FN(attention_score_grad)(ptrdiff_t n_keys, ptrdiff_t n, V_T *tile, V_T *gtile,
                                           const V_T *lse, const V_T *d, V_T scale)
{
    VT s = V(set1)(scale);
    for (ptrdiff_t j = 0; j < n_keys; j++, tile += TG_Q, gtile += TG_Q)
        for (ptrdiff_t i = 0; i < n; i += V_LANES) {
            VT e = V(exp_flush)(V(sub)(V(load)(tile + i), V(load)(lse + i)));
            V(store)(tile + i, e);
            e = V(mul)(V(mul)(e, s), V(sub)(V(load)(gtile + i), V(load)(d + i)));
            V(store)(gtile + i, e);
        }
}

/* What the gradient keeps of a block of queries: both operands in panels, sums of gq, two tiles. */
typedef struct {
    V_T *panels, *gpanels, *gq, *tile, *gtile, *lse, *d;
} TG_FN(attention_block);

/* Queries i .. i + n of the block that starts at q0 meet keys k0 .. k0 + nk. */
TG_INLINE void TG_FN(attention_grad_part)(const tg_attention_part *p,
                                          const TG_FN(attention_block) * w, ptrdiff_t q0,
                                          ptrdiff_t i, ptrdiff_t n, ptrdiff_t k0, ptrdiff_t nk)
{
    const ptrdiff_t depth = p->depth, e = p->value_depth;
    const V_T *q = (const V_T *)p->q + (q0 + i) * p->q_row;
    const V_T *g = (const V_T *)p->g + (q0 + i) * p->g_row;
    const V_T *k = (const V_T *)p->k + k0 * p->k_row, *v = (const V_T *)p->v + k0 * p->v_row;
    V_T *gk = (V_T *)p->gk + k0 * p->gk_row, *gv = (V_T *)p->gv + k0 * p->gv_row;
    V_T *tile = w->tile + i, *gtile = w->gtile + i;
    TG_FN(attention_product)(nk, n, depth, k, p->k_row, w->panels + i * depth, tile, TG_Q);
    if (p->mask_kind || (p->causal && k0 + nk > q0 + i + 1))
        TG_FN(attention_mask)(p, q0 + i, n, k0, nk, tile, TG_Q);
    TG_FN(attention_product)(nk, n, e, v, p->v_row, w->gpanels + i * e, gtile, TG_Q);
    TG_FN(attention_score_grad)(nk, n, tile, gtile, w->lse + i, w->d + i, (V_T)p->scale);
    TG_FN(attention_add)(nk, e, n, tile, TG_Q, 1, g, p->g_row, gv, p->gv_row, 1);
    TG_FN(attention_add)(nk, depth, n, gtile, TG_Q, 1, q, p->q_row, gk, p->gk_row, 1);
    TG_FN(attention_add)(n, depth, nk, gtile, 1, TG_Q, k, p->k_row, w->gq + i * depth, depth,
                         k0 > 0);
}

TG_INLINE void TG_FN(attention_grad_queries)(const tg_attention_part *p, ptrdiff_t q0, ptrdiff_t n)
{
    const ptrdiff_t depth = p->depth, e = p->value_depth, wider = depth > e ? depth : e;
    const ptrdiff_t n_keys = p->causal && q0 + n < p->n_keys ? q0 + n : p->n_keys;
    const V_T *g = (const V_T *)p->g + q0 * p->g_row, *y = (const V_T *)p->y + q0 * p->y_row;
    TG_FN(attention_block) w = {.panels = p->work};
    w.gpanels = w.panels + TG_Q * wider;
    w.gq = w.gpanels + TG_Q * wider;
    w.tile = w.gq + TG_Q * wider;
    w.gtile = w.tile + TG_Q * TG_K;
    w.lse = w.gtile + TG_Q * TG_K;
    w.d = w.lse + TG_Q;
    TG_FN(attention_pack)(n, depth, (const V_T *)p->q + q0 * p->q_row, p->q_row, (V_T)p->scale,
                          w.panels);
    TG_FN(attention_pack)(n, e, g, p->g_row, 1, w.gpanels);
    for (ptrdiff_t i = 0; i < TG_Q; i++) {
        V_T lse = i < n ? ((const V_T *)p->lse)[q0 + i] : 0;
        VT sum = V(zero)();
        for (ptrdiff_t c = 0; i < n && c < e; c += V_LANES)
            sum = V(fma)(TG_FN(load_upto)(g + i * p->g_row + c, e - c),
                         TG_FN(load_upto)(y + i * p->y_row + c, e - c), sum);
        w.lse[i] = lse == (V_T)-INFINITY ? 0 : lse;
        w.d[i] = V(hsum)(sum);
    }
    if (n_keys == 0)
        memset(w.gq, 0, (size_t)(n * depth) * sizeof(V_T));
    for (ptrdiff_t k0 = 0; k0 < n_keys; k0 += TG_K) {
        ptrdiff_t nk = n_keys - k0 < TG_K ? n_keys - k0 : TG_K;
        if (!p->causal || k0 + nk <= q0 + 1) {
            TG_FN(attention_grad_part)(p, &w, q0, 0, n, k0, nk);
            continue;
        }
        for (ptrdiff_t i = 0; i < n;
             i += TG_STRIP) { /* on the diagonal strips skip what is hidden */
            ptrdiff_t rows = n - i < TG_STRIP ? n - i : TG_STRIP, seen = q0 + i + rows - k0;
            if (seen > 0)
                TG_FN(attention_grad_part)(p, &w, q0, i, rows, k0, seen < nk ? seen : nk);
        }
    }
    for (ptrdiff_t i = 0; i < n; i++)
        memcpy((V_T *)p->gq + (q0 + i) * p->gq_row, w.gq + i * depth, (size_t)depth * sizeof(V_T));
}

TG_KERNEL void TG_FN(attention_grad)(const tg_attention_part *p)
{
    for (ptrdiff_t i = 0; i < p->n_queries; i += TG_Q) {
        ptrdiff_t n = p->n_queries - i < TG_Q ? p->n_queries - i : TG_Q;
        TG_FN(attention_grad_queries)(p, p->first + i, n);
    }
}

#undef TG_Q
#undef TG_K
#undef TG_STRIP
