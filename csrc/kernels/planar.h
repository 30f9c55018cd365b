/* planar.h - convolution between few channels: vectors run along the pixels of a plane.
 *
 * A register tile holds some outputs by some vectors of pixels. For each term (a tap of a channel)
 * it loads the pixels and broadcasts the outputs' weights, as the tile of matmul.h does with rows
 * and columns. Fewer outputs take more vectors, so that there are always enough independent sums.
 */

#ifndef TG_PLANAR_KERNEL_H
#define TG_PLANAR_KERNEL_H
#include "../planar.h"
/* Registers hold the sums, the vectors of x and one weight: 16 or 32 of them. */
#if VF_LANES == 8 || VF_LANES == 1
#define TG_PLANAR_ROWS 4
#define TG_EACH_PLANAR(X) X(1, 6) X(2, 5) X(3, 3) X(4, 3)
#else
#define TG_PLANAR_ROWS 8
#define TG_EACH_PLANAR(X) X(1, 8) X(2, 8) X(3, 6) X(4, 5) X(5, 4) X(6, 4) X(7, 3) X(8, 3)
#endif
#endif

TG_INLINE void TG_FN(planar_tile)(const int rows, const int vectors, const tg_planar_part *p,
                                  const V_T *x, const V_T *w, V_T *y, const V_T *bias)
{
    VT sum[8][8];
    const ptrdiff_t *offsets = p->x_offsets;
    const ptrdiff_t k = p->k, m = p->m;
    TG_UNROLL for (int i = 0; i < rows; i++)
    {
        VT start = bias ? V(set1)(bias[i]) : V(zero)();
        TG_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = start;
    }
    for (ptrdiff_t q = 0; q < k; q++, w += m) {
        const V_T *from = x + offsets[q];
        VT v[8];
        TG_UNROLL for (int j = 0; j < vectors; j++) v[j] = V(load)(from + j * V_LANES);
        TG_UNROLL for (int i = 0; i < rows; i++)
        {
            VT weight = V(set1)(w[i]);
            TG_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = V(fma)(v[j], weight, sum[i][j]);
        }
    }
    if (p->relu)
        TG_UNROLL for (int i = 0; i < rows; i++)
        {
            TG_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = V(max)(V(zero)(), sum[i][j]);
        }
    TG_UNROLL for (int i = 0; i < rows; i++)
    {
        TG_UNROLL for (int j = 0; j < vectors; j++)
            V(store)(y + i * p->y_row + j * V_LANES, sum[i][j]);
    }
}

#define TG_DEFINE_PLANAR(rows, vectors)                                                            \
    TG_KERNEL void TG_FN(planar_##rows)(const tg_planar_part *p, const V_T *w, V_T *y,             \
                                        const V_T *bias)                                           \
    {                                                                                              \
        const V_T *x = p->x;                                                                       \
        ptrdiff_t left = p->n_vectors;                                                             \
        for (; left >= vectors; left -= vectors, x += vectors * V_LANES, y += vectors * V_LANES)   \
            TG_FN(planar_tile)(rows, vectors, p, x, w, y, bias);                                   \
        for (; left >= 2; left -= 2, x += 2 * V_LANES, y += 2 * V_LANES)                           \
            TG_FN(planar_tile)(rows, 2, p, x, w, y, bias);                                         \
        if (left)                                                                                  \
            TG_FN(planar_tile)(rows, 1, p, x, w, y, bias);                                         \
    }
TG_EACH_PLANAR(TG_DEFINE_PLANAR)
#undef TG_DEFINE_PLANAR

TG_KERNEL void TG_FN(planar)(const tg_planar_part *p)
{
    const ptrdiff_t n_tiles = (p->m + TG_PLANAR_ROWS - 1) / TG_PLANAR_ROWS;
    for (ptrdiff_t t = 0, i = 0, rows; t < n_tiles; t++, i += rows) {
        const V_T *w = (const V_T *)p->w + i, *bias = p->bias ? (const V_T *)p->bias + i : NULL;
        V_T *y = (V_T *)p->y + i * p->y_row;
        rows = (p->m - i) / (n_tiles - t);
#define TG_PLANAR_CASE(rows, vectors)                                                              \
    case rows:                                                                                     \
        TG_FN(planar_##rows)(p, w, y, bias);                                                       \
        break;
        switch (rows) {
            TG_EACH_PLANAR(TG_PLANAR_CASE)
        }
#undef TG_PLANAR_CASE
    }
}
