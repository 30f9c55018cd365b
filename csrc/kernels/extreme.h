/* extreme.h - where the largest of a row or of a column is; or the smallest, which is the largest
 * with all signs turned.
 *
 * Of short rows and of columns one walk keeps, lane by lane, the best so far and the place where it
 * was met, as a number of the same type: places stay below 2^24. The first NaN wins, as in NumPy,
 * and of equal numbers the first. Rows: four at a time, as each step waits for the one before; then
 * a square block of them is turned in registers, so that a row is a lane, and the lanes are
 * compared. A row that is shorter than a vector is turned at once. The next four rows are fetched
 * ahead: the processor does so by itself for one stream, less well for four that end soon.
 */

TG_INLINE VT TG_FN(turn_sign)(const int largest, VT x)
{
    return largest ? x : V(neg)(x);
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

/* The place in one long row: the extreme of each piece, then a look into the first that has the
 * best of them, which is in the first-level cache or near. */
TG_KERNEL void TG_FN(arg_row)(int largest, ptrdiff_t n, ptrdiff_t *index, const V_T *x)
{
    enum { PIECE = 2048 };
    V_T best = 0;
    ptrdiff_t start = 0, at;
    for (ptrdiff_t i = 0; i < n; i += PIECE) {
        V_T found;
        const ptrdiff_t size = n - i < PIECE ? n - i : PIECE;
        (largest ? TG_FN(reduce_max) : TG_FN(reduce_min))(0, 1, size, &found, x + i, size);
        if (i == 0 || (best == best && !(largest ? found <= best : found >= best))) {
            best = found;
            start = i;
        }
    }
    TG_FN(find_first)(n - start, x + start, best, &at);
    *index = start + at;
}

/* index[i] for n_rows rows, a multiple of V_LANES, of n >= 1 numbers. A row with a NaN is looked at
 * again: to mind it at every step takes a tenth longer. */
TG_INLINE void TG_FN(arg_rows_of)(const int largest, ptrdiff_t n_rows, ptrdiff_t n, int64_t *index,
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
        VM nan = V(lt)(least, least); /* none */
        for (int k = 0; k < V_LANES; k += TOGETHER) {
            const V_T *p = x + k * n;
            VT b[TOGETHER], a[TOGETHER];
            for (int r = 0; r < TOGETHER; r++) {
                b[r] = TG_FN(turn_sign)(largest, V(load)(p + r * n));
                a[r] = V(iota)();
                nan = V(mask_or)(nan, V(isnan)(b[r]));
            }
            ptrdiff_t i = V_LANES;
            VT place = V(add)(V(iota)(), V(set1)(V_LANES));
            for (; i + V_LANES <= n; i += V_LANES) {
                for (int r = 0; r < TOGETHER; r++) {
                    VT next = TG_FN(turn_sign)(largest, V(load)(p + r * n + i));
                    TG_PREFETCH(p + (r + TOGETHER) * n + i);
                    VM better = V(gt)(next, b[r]);
                    b[r] = V(select)(better, next, b[r]);
                    a[r] = V(select)(better, place, a[r]);
                    nan = V(mask_or)(nan, V(isnan)(next));
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
        if (TG_UNLIKELY(V(mask_any)(nan)))
            for (ptrdiff_t k = 0, found; k < V_LANES; k++) {
                TG_FN(arg_row)(largest, n, &found, x + k * n);
                index[k] = (int64_t)found;
            }
    }
}

TG_KERNEL void TG_FN(arg_rows)(int largest, ptrdiff_t n_rows, ptrdiff_t n, int64_t *index,
                               const V_T *x)
{
    if (largest)
        TG_FN(arg_rows_of)(1, n_rows, n, index, x);
    else
        TG_FN(arg_rows_of)(0, n_rows, n, index, x);
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
