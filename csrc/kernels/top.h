/* top.h - the places of the k largest of a row, in falling order.
 *
 * By a heap of the best so far, whose branches nobody foresees. For 8 to 64 places those above the
 * least of the best so far are collected instead, and ranked when there is no more room and at the
 * end.
 */
#ifndef TG_TOP_KERNEL_H
#define TG_TOP_KERNEL_H
#define TG_RANKED 128     /* numbers at once, of which at most half are wanted */
#define TG_LEAST_RANKED 8 /* fewer come from a heap in less time */
#endif

/* Does a at i stand before b at j in falling order? NaN first, as the last in rising order. */
TG_INLINE int TG_FN(stands_before)(V_T a, int64_t i, V_T b, int64_t j)
{
    return a > b || (a != a && b == b) || ((a == b || (a != a && b != b)) && i < j);
}

/* Put (x, place) into a heap from its top, which is free, down: the last in order is on top. */
TG_INLINE void TG_FN(sift)(ptrdiff_t size, ptrdiff_t top, V_T *heap, int64_t *index, V_T x,
                           int64_t place)
{
    ptrdiff_t at = top;
    for (ptrdiff_t below; (below = 2 * at + 1) < size; at = below) {
        below += below + 1 < size &&
                 TG_FN(stands_before)(heap[below], index[below], heap[below + 1], index[below + 1]);
        if (TG_FN(stands_before)(heap[below], index[below], x, place))
            break;
        heap[at] = heap[below];
        index[at] = index[below];
    }
    heap[at] = x;
    index[at] = place;
}

/* By a heap of the best so far; vectors with none above the least of them are passed by. */
TG_INLINE void TG_FN(top_by_heap)(ptrdiff_t n, ptrdiff_t k, int64_t *index, V_T *heap, const V_T *x)
{
    for (ptrdiff_t i = 0; i < k; i++) {
        heap[i] = x[i];
        index[i] = i;
    }
    for (ptrdiff_t i = k / 2 - 1; i >= 0; i--)
        TG_FN(sift)(k, i, heap, index, heap[i], index[i]);
    for (ptrdiff_t i = k, end; i < n; i = end) {
        end = i + 4 * V_LANES < n ? i + 4 * V_LANES : n;
        if (end - i == 4 * V_LANES) {
            const VT least = V(set1)(heap[0]);
            VM low = V(le)(V(load)(x + i), least);
            for (int j = 1; j < 4; j++)
                low = V(mask_and)(low, V(le)(V(load)(x + i + j * V_LANES), least));
            if (V(mask_all)(low))
                continue;
        }
        for (ptrdiff_t j = i; j < end; j++)
            if (TG_FN(stands_before)(x[j], j, heap[0], index[0]))
                TG_FN(sift)(k, 0, heap, index, x[j], j);
    }
    for (ptrdiff_t last = k - 1; last > 0; last--) { /* the last in order leaves the heap */
        const V_T x_last = heap[0], moved = heap[last];
        const int64_t at_last = index[0], place = index[last];
        TG_FN(sift)(last, 0, heap, index, moved, place);
        heap[last] = x_last;
        index[last] = at_last;
    }
}

/* The k largest of n numbers, none NaN, to the front, in falling order, and their places with them;
 * equal ones keep their order. A number's rank is how many stand before it: counted for four
 * vectors of numbers at a time, without a branch. `value` has room for TG_RANKED. */
TG_INLINE void TG_FN(rank_best)(ptrdiff_t n, ptrdiff_t k, V_T *value, int64_t *place)
{
    enum { GROUP = 4 * V_LANES };
    const VT one = V(set1)(1), zero = V(zero)();
    V_T best[TG_RANKED], ranks[GROUP];
    int64_t at[TG_RANKED];
    for (ptrdiff_t i = n; i < TG_RANKED && i % GROUP; i++)
        value[i] = -INFINITY;
#define TG_COUNT(v, before) rank[v] = V(add)(rank[v], V(select)(before, one, zero))
    for (ptrdiff_t j = 0; j < n; j += GROUP) {
        VT mine[4], rank[4];
        TG_UNROLL for (int v = 0; v < 4; v++)
        {
            mine[v] = V(load)(value + j + v * V_LANES);
            rank[v] = zero;
        }
        for (ptrdiff_t i = 0; i < j; i++) {
            const VT other = V(set1)(value[i]);
            TG_UNROLL for (int v = 0; v < 4; v++) TG_COUNT(v, V(ge)(other, mine[v]));
        }
        TG_UNROLL for (int u = 0; u < 4; u++) for (int l = 0; l < V_LANES; l++)
        {
            const VT other = V(set1)(value[j + u * V_LANES + l]);
            const VM later = V(gt)(V(iota)(), V(set1)((V_T)l));
            TG_UNROLL for (int v = 0; v < 4; v++)
                TG_COUNT(v, v < u   ? V(gt)(other, mine[v])
                            : v > u ? V(ge)(other, mine[v])
                                    : V(mask_or)(V(gt)(other, mine[v]),
                                                 V(mask_and)(V(eq)(other, mine[v]), later)));
        }
        for (ptrdiff_t i = j + GROUP; i < n; i++) {
            const VT other = V(set1)(value[i]);
            TG_UNROLL for (int v = 0; v < 4; v++) TG_COUNT(v, V(gt)(other, mine[v]));
        }
        TG_UNROLL for (int v = 0; v < 4; v++) V(store)(ranks + v * V_LANES, rank[v]);
        for (ptrdiff_t i = j; i < j + GROUP && i < n; i++) {
            const ptrdiff_t r = (ptrdiff_t)ranks[i - j];
            best[r] = value[i];
            at[r] = place[i];
        }
    }
#undef TG_COUNT
    memcpy(value, best, (size_t)k * sizeof *best);
    memcpy(place, at, (size_t)k * sizeof *at);
}

/* Returns 0 if it meets a NaN. */
TG_INLINE int TG_FN(top_by_rank)(ptrdiff_t n, ptrdiff_t k, int64_t *index, const V_T *x)
{
    enum { CHUNK = 4 * V_LANES };
    V_T value[TG_RANKED];
    int64_t place[TG_RANKED];
    const ptrdiff_t first = 4 * k < TG_RANKED / 2 ? TG_RANKED / 2 : TG_RANKED;
    ptrdiff_t count = 0, i = 0, end = first < n ? first : n;
    int nan = 0;
    for (; i < end; i++, count++) {
        value[i] = x[i];
        place[i] = i;
        nan |= x[i] != x[i];
    }
    for (; i < n && !nan; i = end) {
        if (i == first || count > TG_RANKED - CHUNK) {
            TG_FN(rank_best)(count, k, value, place);
            count = k;
        }
        const V_T least = value[k - 1];
        end = i + CHUNK < n ? i + CHUNK : n;
        if (end - i == CHUNK) {
            const VT limit = V(set1)(least);
            VM low = V(le)(V(load)(x + i), limit);
            for (int j = 1; j < 4; j++)
                low = V(mask_and)(low, V(le)(V(load)(x + i + j * V_LANES), limit));
            if (V(mask_all)(low))
                continue;
        }
        for (ptrdiff_t j = i; j < end; j++) { /* written in any case, kept if it is above */
            value[count] = x[j];
            place[count] = j;
            count += !(x[j] <= least);
            nan |= x[j] != x[j];
        }
    }
    if (nan)
        return 0;
    TG_FN(rank_best)(count, k, value, place);
    memcpy(index, place, (size_t)k * sizeof *index);
    return 1;
}

/* 0 < k <= n. `heap` has room for k. */
TG_KERNEL void TG_FN(top_row)(ptrdiff_t n, ptrdiff_t k, int64_t *index, V_T *heap, const V_T *x)
{
    if (V_LANES == 1 || k < TG_LEAST_RANKED || k > TG_RANKED / 2 ||
        !TG_FN(top_by_rank)(n, k, index, x))
        TG_FN(top_by_heap)(n, k, index, heap, x);
}
