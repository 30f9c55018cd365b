/* extreme.h - where the largest of a row or of a column is; or the smallest, which is the largest
 * of the numbers with their signs turned.
 *
 * One walk keeps, lane by lane, the best so far and the place where it was met, as a number of the
 * same type: places stay below 2^24. The first NaN wins, as in NumPy, and of equal numbers the
 * first. Rows: four at a time, as each step waits for the one before; then a square block of them
 * is turned in registers, so that a row is a lane, and the lanes are compared. A row that is
 * shorter than a vector is turned at once. The next four rows are fetched ahead: the processor
 * does so by itself for one stream, less well for four that end soon.
 */

TG_INLINE VT TG_FN(turn_sign)(int largest, VT x)
{
    return V(xor)(x, V(set1)(largest ? V_C(0) : V_C(-0.0)));
}

/* A candidate that stands after all seen so far. */
TG_INLINE void TG_FN(arg_next)(VT *best, VT *at, VT x, VT place)
{
    VM better = V(mask_and)(V(mask_not)(V(le)(x, *best)), V(eq)(*best, *best));
    *best = V(select)(better, x, *best);
    *at = V(select)(better, place, *at);
}

/* A candidate that may stand before. */
TG_INLINE void TG_FN(arg_any)(VT *best, VT *at, VT x, VT place)
{
    VM same = V(mask_or)(V(eq)(x, *best), V(mask_and)(V(isnan)(x), V(isnan)(*best)));
    VM better = V(mask_and)(V(mask_not)(V(le)(x, *best)), V(eq)(*best, *best));
    better = V(mask_or)(better, V(mask_and)(same, V(lt)(place, *at)));
    *best = V(select)(better, x, *best);
    *at = V(select)(better, place, *at);
}

TG_INLINE void TG_FN(store_places)(ptrdiff_t n, int64_t *index, VT at)
{
    V_T lanes[V_LANES];
    V(store)(lanes, at);
    for (ptrdiff_t i = 0; i < n; i++)
        index[i] = (int64_t)lanes[i];
}

/* index[i] for n_rows rows, a multiple of V_LANES, of n >= 1 numbers. */
TG_KERNEL void TG_FN(arg_rows)(int largest, ptrdiff_t n_rows, ptrdiff_t n, int64_t *index,
                               const V_T *x)
{
    enum { TOGETHER = V_LANES < 4 ? V_LANES : 4 };
    const VM there = V(lt)(V(iota)(), V(set1)((V_T)(n % V_LANES)));
    const VT least = V(set1)(-INFINITY);
    for (ptrdiff_t row = 0; row < n_rows; row += V_LANES, x += V_LANES * n, index += V_LANES) {
        VT best[V_LANES], at[V_LANES];
        if (n <= V_LANES) {
            for (int k = 0; k < V_LANES; k++)
                best[k] = TG_FN(turn_sign)(largest, V(load_tail)(x + k * n, n));
            V(transpose)(best);
            VT first = V(zero)();
            for (int i = 1; i < n; i++)
                TG_FN(arg_next)(&best[0], &first, best[i], V(set1)((V_T)i));
            TG_FN(store_places)(V_LANES, index, first);
            continue;
        }
        for (int k = 0; k < V_LANES; k += TOGETHER) {
            const V_T *p = x + k * n;
            VT b[TOGETHER], a[TOGETHER];
            for (int r = 0; r < TOGETHER; r++) {
                b[r] = TG_FN(turn_sign)(largest, V(load)(p + r * n));
                a[r] = V(iota)();
            }
            ptrdiff_t i = V_LANES;
            VT place = V(add)(V(iota)(), V(set1)(V_LANES));
            for (; i + V_LANES <= n; i += V_LANES) {
                for (int r = 0; r < TOGETHER; r++) {
                    VT next = V(load)(p + r * n + i);
                    TG_PREFETCH(p + (r + TOGETHER) * n + i);
                    TG_FN(arg_next)(&b[r], &a[r], TG_FN(turn_sign)(largest, next), place);
                }
                place = V(add)(place, V(set1)(V_LANES));
            }
            if (i < n)
                for (int r = 0; r < TOGETHER; r++) {
                    VT rest = TG_FN(turn_sign)(largest, V(load_tail)(p + r * n + i, n - i));
                    TG_FN(arg_next)(&b[r], &a[r], V(select)(there, rest, least), place);
                }
            for (int r = 0; r < TOGETHER; r++) {
                best[k + r] = b[r];
                at[k + r] = a[r];
            }
        }
        V(transpose)(best);
        V(transpose)(at);
        for (int i = 1; i < V_LANES; i++)
            TG_FN(arg_any)(&best[0], &at[0], best[i], at[i]);
        TG_FN(store_places)(V_LANES, index, at[0]);
    }
}

/* `count` vectors of columns, or, with a tail, part of one. */
TG_INLINE void TG_FN(arg_strip)(int largest, ptrdiff_t n_rows, int count, ptrdiff_t tail, V_T *best,
                                int64_t *index, const V_T *x, ptrdiff_t x_row)
{
    VT b[4], at[4];
    for (int k = 0; k < count; k++) {
        VT first = tail ? V(load_tail)(x, tail) : V(load)(x + k * V_LANES);
        b[k] = TG_FN(turn_sign)(largest, first);
        at[k] = V(zero)();
    }
    VT place = V(set1)(1);
    for (ptrdiff_t row = 1; row < n_rows; row++) {
        const V_T *p = x + row * x_row;
        for (int k = 0; k < count; k++) {
            VT next = tail ? V(load_tail)(p, tail) : V(load)(p + k * V_LANES);
            if (count == 4 && k * V_LANES * sizeof(V_T) % 64 == 0)
                TG_PREFETCH(p + (count + k) * V_LANES); /* of the next strip, a row apart */
            TG_FN(arg_next)(&b[k], &at[k], TG_FN(turn_sign)(largest, next), place);
        }
        place = V(add)(place, V(set1)(1));
    }
    for (int k = 0; k < count; k++) {
        V(store_tail)(best + k * V_LANES, b[k], tail ? tail : V_LANES);
        TG_FN(store_places)(tail ? tail : V_LANES, index + k * V_LANES, at[k]);
    }
}

/* The best of each of n columns (its sign turned, for the smallest) and its row. */
TG_KERNEL void TG_FN(arg_columns)(int largest, ptrdiff_t n_rows, ptrdiff_t n, V_T *best,
                                  int64_t *index, const V_T *x, ptrdiff_t x_row)
{
    ptrdiff_t j = 0;
    for (; j + 4 * V_LANES <= n; j += 4 * V_LANES)
        TG_FN(arg_strip)(largest, n_rows, 4, 0, best + j, index + j, x + j, x_row);
    for (; j + V_LANES <= n; j += V_LANES)
        TG_FN(arg_strip)(largest, n_rows, 1, 0, best + j, index + j, x + j, x_row);
    if (j < n)
        TG_FN(arg_strip)(largest, n_rows, 1, n - j, best + j, index + j, x + j, x_row);
}

/* Better of two candidates per column, whose places count `step` rows, the first being `first`. */
TG_KERNEL void TG_FN(arg_merge)(ptrdiff_t n, V_T *best, int64_t *index, const V_T *other,
                                const int64_t *place, ptrdiff_t step, ptrdiff_t first)
{
    for (ptrdiff_t j = 0; j < n; j++) {
        V_T b = best[j], c = other[j];
        int64_t at = first + step * place[j];
        int same = c == b || (c != c && b != b);
        if (same ? at < index[j] : !(c <= b) && b == b) {
            best[j] = c;
            index[j] = at;
        }
    }
}
