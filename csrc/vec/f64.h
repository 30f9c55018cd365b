/* f64.h - from here on generic kernels mean double. No include guard: kernels/all.h includes it
 * once for the kernels and once for the table.
 *
 *     TG_KERNEL void TG_FN(unary_square)(ptrdiff_t n, V_T *y, const V_T *x)
 *     {
 *         for (ptrdiff_t i = 0; i < n; i += V_LANES) {
 *             ptrdiff_t m = n - i;
 *             VT v = m >= V_LANES ? V(load)(x + i) : V(load_tail)(x + i, m);
 *             ...
 */
#undef V_T
#undef VT
#undef VM
#undef V
#undef V_LANES
#undef V_BITS
#undef V_C
#undef TG_FN
#undef TG_FIELD

#define V_T double        /* the element */
#define VT vd             /* the vector */
#define VM vd_mask        /* the mask */
#define V(verb) vd_##verb /* a verb of vec.h */
#define V_LANES VD_LANES
#define V_BITS 64            /* for #if V_BITS == 32 around constants that differ */
#define V_C(x) ((double)(x)) /* a constant of the element type */
#define TG_FN(name) TG_PASTE4(tg_, name, f64, TG_ISA)
#define TG_FIELD(name) name##_f64 /* its name in struct tg_table */
