/* partial.h - the first n elements at p, a whole vector at most: rows that do not end with a
 * vector. */
TG_INLINE VT TG_FN(load_upto)(const V_T *p, ptrdiff_t n)
{
    return n >= V_LANES ? V(load)(p) : V(load_tail)(p, n);
}

TG_INLINE void TG_FN(store_upto)(V_T *p, VT v, ptrdiff_t n)
{
    if (n >= V_LANES)
        V(store)(p, v);
    else
        V(store_tail)(p, v, n);
}
