/* optimizer.h - one step of SGD or Adam over flat arrays: every number is read and written once.
 *
 * Adam is bound by memory, even out of the third-level cache: 28 bytes move per number. (A root by
 * estimate and Newton's step instead of the square root gained 5 % with AVX-512, lost 10 % with
 * AVX2.)
 */

/* p -= decay p; v = momentum v - lr g; p += v, or with nesterov p += momentum v - lr g. Without
 * a velocity (NULL): p -= lr g. */
TG_INLINE VT TG_FN(sgd_value)(VT p, VT g, VT *v, int has_velocity, const V_T *c, int nesterov)
{
    VT lr = V(set1)(c[0]), momentum = V(set1)(c[1]);
    p = V(fnma)(V(set1)(c[2]), p, p);
    if (!has_velocity)
        return V(fnma)(lr, g, p);
    VT step = V(mul)(lr, g);
    *v = V(fms)(momentum, *v, step);
    return V(add)(p, nesterov ? V(fms)(momentum, *v, step) : *v);
}

/* c: lr, momentum, lr * weight decay */
TG_KERNEL void TG_FN(sgd)(ptrdiff_t n, V_T *p, V_T *v, const V_T *g, const V_T *c, int nesterov)
{
    ptrdiff_t i = 0;
    VT velocity = V(zero)();
    for (; i + V_LANES <= n; i += V_LANES) {
        if (v)
            velocity = V(load)(v + i);
        V(store)(p + i, TG_FN(sgd_value)(V(load)(p + i), V(load)(g + i), &velocity, v != NULL, c,
                                         nesterov));
        if (v)
            V(store)(v + i, velocity);
    }
    if (i < n) {
        ptrdiff_t m = n - i;
        if (v)
            velocity = V(load_tail)(v + i, m);
        VT value = TG_FN(sgd_value)(V(load_tail)(p + i, m), V(load_tail)(g + i, m), &velocity,
                                    v != NULL, c, nesterov);
        V(store_tail)(p + i, value, m);
        if (v)
            V(store_tail)(v + i, velocity, m);
    }
}

/* m += (1 - b1) (g - m); v += (1 - b2) (g^2 - v); p -= alpha m / (sqrt(v) + epsilon) */
TG_INLINE VT TG_FN(adam_value)(VT p, VT g, VT *m, VT *v, VT *vhat, int amsgrad, const V_T *c)
{
    p = V(fnma)(V(set1)(c[4]), p, p);
    *m = V(fma)(V(set1)(c[1]), V(sub)(g, *m), *m);
    *v = V(fma)(V(set1)(c[2]), V(fms)(g, g, *v), *v);
    if (amsgrad)
        *vhat = V(max_nan)(*vhat, *v);
    VT below = V(add)(V(sqrt)(amsgrad ? *vhat : *v), V(set1)(c[3]));
    return V(sub)(p, V(div)(V(mul)(V(set1)(c[0]), *m), below));
}

/* c: alpha, 1 - beta 1, 1 - beta 2, epsilon, lr * weight decay. vhat may be NULL. */
TG_KERNEL void TG_FN(adam)(ptrdiff_t n, V_T *p, V_T *m, V_T *v, V_T *vhat, const V_T *g,
                           const V_T *c)
{
    ptrdiff_t i = 0;
    VT h = V(zero)();
    for (; i + V_LANES <= n; i += V_LANES) {
        VT mi = V(load)(m + i), vi = V(load)(v + i);
        if (vhat)
            h = V(load)(vhat + i);
        VT value = TG_FN(adam_value)(V(load)(p + i), V(load)(g + i), &mi, &vi, &h, vhat != NULL, c);
        V(store)(p + i, value);
        V(store)(m + i, mi);
        V(store)(v + i, vi);
        if (vhat)
            V(store)(vhat + i, h);
    }
    if (i < n) {
        ptrdiff_t k = n - i;
        VT mi = V(load_tail)(m + i, k), vi = V(load_tail)(v + i, k);
        if (vhat)
            h = V(load_tail)(vhat + i, k);
        VT value = TG_FN(adam_value)(V(load_tail)(p + i, k), V(load_tail)(g + i, k), &mi, &vi, &h,
                                     vhat != NULL, c);
        V(store_tail)(p + i, value, k);
        V(store_tail)(m + i, mi, k);
        V(store_tail)(v + i, vi, k);
        if (vhat)
            V(store_tail)(vhat + i, h, k);
    }
}
