/* scatter.h - rows added to the rows of a table, as in the gradient of an embedding. */

/* y = 0. memset clears some KB that are in no cache with `rep stosb`, at half the speed. */
TG_KERNEL void TG_FN(clear)(ptrdiff_t n, V_T *y)
{
    ptrdiff_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES)
        V(store)(y + i, V(zero)());
    if (i < n)
        V(store_tail)(y + i, V(zero)(), n - i);
}

/* cleared[0 .. n_cleared) = 0, then y[moves[i].to] += g[moves[i].from] for i in order, of rows of
 * `width` numbers each. A row of g comes from anywhere: it is asked for some rows ahead. */
TG_KERNEL void TG_FN(scatter_add_rows)(ptrdiff_t n_cleared, V_T *cleared, ptrdiff_t n,
                                       const tg_row_move *moves, ptrdiff_t width, const V_T *g,
                                       V_T *y)
{
    const ptrdiff_t asked = width < 256 ? width : 256; /* the processor finds the rest by itself */
    ptrdiff_t j;
    TG_FN(clear)(n_cleared, cleared);
    for (ptrdiff_t i = 0; i < n; i++) {
        const V_T *soon = g + moves[i + 4 < n ? i + 4 : i].from * width;
        const V_T *from = g + moves[i].from * width;
        V_T *to = y + moves[i].to * width;
        for (j = 0; j < asked; j += 64 / (ptrdiff_t)sizeof(V_T))
            TG_PREFETCH(soon + j);
        for (j = 0; j + V_LANES <= width; j += V_LANES)
            V(store)(to + j, V(add)(V(load)(to + j), V(load)(from + j)));
        for (; j < width; j++)
            to[j] += from[j];
    }
}
