/* recurrent.h - the steps of a simple RNN, an LSTM and a GRU, forward and gradient, for some rows
 * of the batch through the whole sequence (see ../recurrent.h).
 *
 * A step is one product of the rows' inputs and states, side by side, with the weights of both,
 * which lie packed in panels for all steps, and one pass over the units that computes gates and
 * state. The product is written where the gates go, which then take its place: memory of its own
 * would only crowd the weights out of the cache. A GRU, whose reset gate multiplies the product
 * with the state alone, is given that with the inputs. Rows of a batch never meet, so threads share
 * the batch and need no barrier between steps. The formulas stand in
 * tinygrad_cn/kernels/reference/recurrent.py, under the same names.
 *
 * A gradient walks the steps backwards and carries gh, the gradient of the state. It writes the
 * gradient of the gates' arguments (gz) for all steps; the gradient of the weights is then one
 * product over all steps, left to the caller.
 */
#include "../recurrent.h"

/* c [+]= a W for the rows at hand, W (k x n) in panels, cut in depth as the packing driver cut it;
 * its first `terms` rows only. Where a packed tile is the faster one, the rows of a are packed too:
 * each panel reads them. */
TG_INLINE void TG_FN(recurrent_product)(const tg_recurrent_part *part, ptrdiff_t n, ptrdiff_t k,
                                        ptrdiff_t terms, const V_T *a, ptrdiff_t a_row,
                                        const V_T *bias, V_T *c, ptrdiff_t c_row, int accumulate)
{
    const V_T *weights = part->weights;
    const ptrdiff_t m = part->n_rows;
    const ptrdiff_t depth = tg_gemm_depth(k), nr = 2 * V_LANES, padded = (n + nr - 1) / nr * nr;
    ptrdiff_t k0 = 0;
    do { /* once even when there are no terms: the result is then bias alone */
        const ptrdiff_t block = k - k0 < depth ? k - k0 : depth;
        tg_gemm_block g = {.m = m, .n = n, .k = terms - k0 < block ? terms - k0 : block};
        g.a = a + k0;
        g.a_row = a_row;
        g.a_col = 1;
        g.a_packed = TG_TILE_UNROLL > 1 && m >= 4 && n >= 4 * nr;
        if (g.a_packed) {
            TG_FN(gemm_pack_a)(m, g.k, g.a, a_row, 1, part->work);
            g.a = part->work;
        }
        g.b = weights + k0 * padded;
        g.b_row = nr;
        g.b_panel = nr * block;
        g.c = c;
        g.c_row = c_row;
        g.accumulate = accumulate || k0 > 0;
        g.bias = k0 + block >= terms ? bias : NULL;
        TG_FN(gemm_block)(&g);
        k0 += block;
    } while (k0 < terms);
}

/* What the gates of step t take, n numbers a row, to c: joined[t] [W; b; R], without R where there
 * is no h0; or, where x W + b is there already, h R added. */
TG_INLINE void TG_FN(joined_product)(const tg_recurrent_part *p, ptrdiff_t t, ptrdiff_t n, V_T *c)
{
    const ptrdiff_t row = p->joined_row, skipped = p->apart ? row - p->units : 0;
    const ptrdiff_t terms = row - skipped - (t == 0 && !p->has_h0 ? p->units : 0);
    const V_T *a = (const V_T *)p->joined + (t * p->n_batch + p->first) * row + skipped;
    if (terms > 0 || !p->apart)
        TG_FN(recurrent_product)(p, n, row - skipped, terms, a, row, NULL, c, n, p->apart);
}

/* h of row r after step t to where the next step reads it. */
TG_INLINE void TG_FN(pass_on)(const tg_recurrent_part *p, ptrdiff_t t, ptrdiff_t r, const V_T *h)
{
    const ptrdiff_t row = p->joined_row;
    if (t + 1 < p->n_steps)
        memcpy((V_T *)p->joined + ((t + 1) * p->n_batch + r + 1) * row - p->units, h,
               (size_t)p->units * sizeof(V_T));
}

#define TG_LOAD(p) TG_FN(load_upto)((p) + i, n)
#define TG_STORE(p, v) TG_FN(store_upto)((p) + i, v, n)
#define TG_EACH_UNIT for (ptrdiff_t i = 0, n = u; i < u; i += V_LANES, n -= V_LANES)
/* Bring the same place of the next step near: the product in between takes longer than memory does.
 */
#define TG_NEXT(p) TG_PREFETCH((p) + i + next)
#define TG_LIVE(t, r) (!p->mask || p->mask[(t) * p->mask_step + (r) * p->mask_row])

/* The gates' sigmoid and tanh: math.h's, without the steps that serve denormal results. */
#define TG_GATE_LOW (V_BITS == 32 ? -18 : -38) /* from here down e^x - 1 rounds to -1 */
TG_INLINE VT TG_FN(gate_sigmoid)(VT x)
{
    VT e = V(exp_flush)(V(neg)(V(abs)(x))), one = V(set1)(1);
    return V(div)(V(select)(V(lt)(x, V(zero)()), e, one), V(add)(one, e));
}

TG_INLINE VT TG_FN(gate_tanh)(VT x)
{
    VT power, a = V(max)(V(set1)(TG_GATE_LOW), V(mul)(V(set1)(-2), V(abs)(x)));
    VT p = V(expm1_core)(V(reduce_exp_raised)(a, 0, &power));
    VT m = V(fma)(p, power, V(sub)(power, V(set1)(1))); /* e^(-2 |x|) - 1 */
    return V(copysign)(V(div)(m, V(add)(V(set1)(2), m)), x);
}

/* s (1 - s) with s a sigmoid's value, and 1 - t^2 with t a tanh's: their slopes. */
TG_INLINE VT TG_FN(sigmoid_slope)(VT s)
{
    return V(fnma)(s, s, s);
}

TG_INLINE VT TG_FN(tanh_slope)(VT t)
{
    return V(fnma)(t, t, V(set1)(1));
}

TG_KERNEL void TG_FN(simple_rnn)(const tg_recurrent_part *p)
{
    const ptrdiff_t u = p->units, step = p->n_batch * u, end = p->first + p->n_rows;
    for (ptrdiff_t t = 0; t < p->n_steps; t++) {
        V_T *old = (V_T *)p->states + t * step, *new = old + step;
        TG_FN(joined_product)(p, t, u, new + p->first *u);
        for (ptrdiff_t r = p->first; r < end; r++) {
            V_T *h = new + r *u;
            TG_EACH_UNIT TG_STORE(h, TG_FN(gate_tanh)(TG_LOAD(h)));
            if (!TG_LIVE(t, r))
                memcpy(h, old + r * u, (size_t)u * sizeof(V_T));
            TG_FN(pass_on)(p, t, r, h);
        }
    }
}

TG_KERNEL void TG_FN(simple_rnn_grad)(const tg_recurrent_part *p)
{
    const ptrdiff_t u = p->units, step = p->n_batch * u, end = p->first + p->n_rows;
    for (ptrdiff_t t = p->n_steps - 1; t >= 0; t--) {
        const V_T *h = (const V_T *)p->states + (t + 1) * step, *g = (const V_T *)p->g + t * step;
        V_T *gz = (V_T *)p->gz + t * step, *gh = p->gh0;
        for (ptrdiff_t r = p->first; r < end; r++) {
            const ptrdiff_t at = r * u;
            int live = TG_LIVE(t, r);
            TG_EACH_UNIT
            {
                VT gs = TG_LOAD(gh + at), next = TG_LOAD(g + at);
                VT slope = TG_FN(tanh_slope)(TG_LOAD(h + at));
                TG_STORE(gz + at, live ? V(mul)(gs, slope) : V(zero)());
                TG_STORE(gh + at, live ? next : V(add)(next, gs));
            }
        }
        if (t > 0 || p->has_h0)
            TG_FN(recurrent_product)(p, u, u, u, gz + p->first * u, u, NULL, gh + p->first * u, u,
                                     1);
    }
}

TG_KERNEL void TG_FN(lstm)(const tg_recurrent_part *p)
{
    const ptrdiff_t u = p->units, step = p->n_batch * u, end = p->first + p->n_rows;
    for (ptrdiff_t t = 0; t < p->n_steps; t++) {
        V_T *gates = (V_T *)p->gates + 4 * t * step;
        V_T *h = (V_T *)p->states + t * step, *c = (V_T *)p->cells + t * step;
        TG_FN(joined_product)(p, t, 4 * u, gates + 4 * p->first * u);
        for (ptrdiff_t r = p->first; r < end; r++) {
            V_T *gr = gates + 4 * r * u, *hr = h + r * u, *cr = c + r * u;
            TG_EACH_UNIT
            {
                VT in = TG_FN(gate_sigmoid)(TG_LOAD(gr));
                VT forget = TG_FN(gate_sigmoid)(TG_LOAD(gr + u));
                VT value = TG_FN(gate_tanh)(TG_LOAD(gr + 2 * u));
                VT out = TG_FN(gate_sigmoid)(TG_LOAD(gr + 3 * u));
                VT cell = V(fma)(forget, TG_LOAD(cr), V(mul)(in, value));
                TG_STORE(gr, in);
                TG_STORE(gr + u, forget);
                TG_STORE(gr + 2 * u, value);
                TG_STORE(gr + 3 * u, out);
                TG_STORE(cr + step, cell);
            }
            /* A pass of its own: with it the chain above would be longer than what the processor
             * looks ahead, and the next units' work could not fill the gaps. */
            TG_EACH_UNIT
            {
                VT top = TG_FN(gate_tanh)(TG_LOAD(cr + step));
                TG_STORE(hr + step, V(mul)(TG_LOAD(gr + 3 * u), top));
            }
            if (!TG_LIVE(t, r)) {
                memcpy(hr + step, hr, (size_t)u * sizeof(V_T));
                memcpy(cr + step, cr, (size_t)u * sizeof(V_T));
            }
            TG_FN(pass_on)(p, t, r, hr + step);
        }
    }
}

TG_KERNEL void TG_FN(lstm_grad)(const tg_recurrent_part *p)
{
    const ptrdiff_t u = p->units, step = p->n_batch * u, end = p->first + p->n_rows;
    for (ptrdiff_t t = p->n_steps - 1; t >= 0; t--) {
        const V_T *gates = (const V_T *)p->gates + 4 * t * step, *g = (const V_T *)p->g + t * step;
        const V_T *old = (const V_T *)p->cells + t * step, *new = old + step;
        V_T *gz = (V_T *)p->gz + 4 * t * step, *gh = p->gh0, *gc = p->gc0;
        const ptrdiff_t next = t > 0 ? -4 * step : 0;
        for (ptrdiff_t r = p->first; r < end; r++) {
            const ptrdiff_t at = r * u;
            const V_T *gr = gates + 4 * at;
            V_T *gzr = gz + 4 * at;
            if (!TG_LIVE(t, r)) {
                memset(gzr, 0, (size_t)(4 * u) * sizeof(V_T));
                TG_EACH_UNIT TG_STORE(gh + at, V(add)(TG_LOAD(gh + at), TG_LOAD(g + at)));
                continue;
            }
            TG_EACH_UNIT
            {
                TG_NEXT(gr);
                TG_NEXT(gr + u);
                TG_NEXT(gr + 2 * u);
                TG_NEXT(gr + 3 * u);
                VT in = TG_LOAD(gr), forget = TG_LOAD(gr + u), value = TG_LOAD(gr + 2 * u);
                VT out = TG_LOAD(gr + 3 * u), top = TG_FN(gate_tanh)(TG_LOAD(new + at));
                VT gs = TG_LOAD(gh + at);
                VT gcell = V(fma)(V(mul)(gs, out), TG_FN(tanh_slope)(top), TG_LOAD(gc + at));
                VT gin = V(mul)(V(mul)(gcell, value), TG_FN(sigmoid_slope)(in));
                VT gforget = V(mul)(V(mul)(gcell, TG_LOAD(old + at)), TG_FN(sigmoid_slope)(forget));
                VT gvalue = V(mul)(V(mul)(gcell, in), TG_FN(tanh_slope)(value));
                VT gout = V(mul)(V(mul)(gs, top), TG_FN(sigmoid_slope)(out));
                TG_STORE(gzr, gin);
                TG_STORE(gzr + u, gforget);
                TG_STORE(gzr + 2 * u, gvalue);
                TG_STORE(gzr + 3 * u, gout);
                TG_STORE(gc + at, V(mul)(gcell, forget));
                TG_STORE(gh + at, TG_LOAD(g + at));
            }
        }
        if (t > 0 || p->has_h0)
            TG_FN(recurrent_product)(p, u, 4 * u, 4 * u, gz + 4 * p->first * u, 4 * u, NULL,
                                     gh + p->first * u, u, 1);
    }
}

TG_KERNEL void TG_FN(gru)(const tg_recurrent_part *p)
{
    const ptrdiff_t u = p->units, step = p->n_batch * u, end = p->first + p->n_rows;
    for (ptrdiff_t t = 0; t < p->n_steps; t++) {
        const V_T *z = (const V_T *)p->z + 3 * t * step;
        const ptrdiff_t next = t + 1 < p->n_steps ? 3 * step : 0;
        V_T *gates = (V_T *)p->gates + 4 * t * step, *h = (V_T *)p->states + t * step;
        TG_FN(recurrent_product)(p, 3 * u, u, t == 0 && !p->has_h0 ? 0 : u, h + p->first * u, u,
                                 p->bias, gates + 4 * p->first * u, 4 * u, 0);
        for (ptrdiff_t r = p->first; r < end; r++) {
            const V_T *zr = z + 3 * r * u;
            V_T *gr = gates + 4 * r * u, *hr = h + r * u;
            int live = TG_LIVE(t, r);
            TG_EACH_UNIT
            {
                TG_NEXT(zr);
                TG_NEXT(zr + u);
                TG_NEXT(zr + 2 * u);
                VT update = TG_FN(gate_sigmoid)(V(add)(TG_LOAD(zr), TG_LOAD(gr)));
                VT reset = TG_FN(gate_sigmoid)(V(add)(TG_LOAD(zr + u), TG_LOAD(gr + u)));
                VT bh = TG_LOAD(gr + 2 * u), old = TG_LOAD(hr);
                VT value = TG_FN(gate_tanh)(V(fma)(reset, bh, TG_LOAD(zr + 2 * u)));
                VT new = V(fma)(update, V(sub)(old, value), value); /* u h + (1 - u) n */
                TG_STORE(gr, update);
                TG_STORE(gr + u, reset);
                TG_STORE(gr + 2 * u, value);
                TG_STORE(gr + 3 * u, bh);
                TG_STORE(hr + step, live ? new : old);
            }
        }
    }
}

TG_KERNEL void TG_FN(gru_grad)(const tg_recurrent_part *p)
{
    const ptrdiff_t u = p->units, step = p->n_batch * u, end = p->first + p->n_rows;
    for (ptrdiff_t t = p->n_steps - 1; t >= 0; t--) {
        const V_T *gates = (const V_T *)p->gates + 4 * t * step, *g = (const V_T *)p->g + t * step;
        const V_T *old = (const V_T *)p->states + t * step;
        V_T *gz = (V_T *)p->gz + 3 * t * step, *gb = (V_T *)p->gb + 3 * t * step, *gh = p->gh0;
        const ptrdiff_t next = t > 0 ? -4 * step : 0;
        for (ptrdiff_t r = p->first; r < end; r++) {
            const ptrdiff_t at = r * u;
            const V_T *gr = gates + 4 * at;
            V_T *gzr = gz + 3 * at, *gbr = gb + 3 * at;
            if (!TG_LIVE(t, r)) {
                memset(gzr, 0, (size_t)(3 * u) * sizeof(V_T));
                memset(gbr, 0, (size_t)(3 * u) * sizeof(V_T));
                TG_EACH_UNIT TG_STORE(gh + at, V(add)(TG_LOAD(gh + at), TG_LOAD(g + at)));
                continue;
            }
            TG_EACH_UNIT
            {
                TG_NEXT(gr);
                TG_NEXT(gr + u);
                TG_NEXT(gr + 2 * u);
                TG_NEXT(gr + 3 * u);
                VT update = TG_LOAD(gr), reset = TG_LOAD(gr + u), value = TG_LOAD(gr + 2 * u);
                VT gs = TG_LOAD(gh + at), kept = V(mul)(gs, update);
                VT gn = V(mul)(V(sub)(gs, kept), TG_FN(tanh_slope)(value));
                VT gu = V(mul)(V(mul)(gs, V(sub)(TG_LOAD(old + at), value)),
                               TG_FN(sigmoid_slope)(update));
                VT greset = V(mul)(V(mul)(gn, TG_LOAD(gr + 3 * u)), TG_FN(sigmoid_slope)(reset));
                TG_STORE(gzr, gu);
                TG_STORE(gzr + u, greset);
                TG_STORE(gzr + 2 * u, gn);
                TG_STORE(gbr, gu);
                TG_STORE(gbr + u, greset);
                TG_STORE(gbr + 2 * u, V(mul)(gn, reset));
                TG_STORE(gh + at, V(add)(TG_LOAD(g + at), kept));
            }
        }
        if (t > 0 || p->has_h0)
            TG_FN(recurrent_product)(p, u, 3 * u, 3 * u, gb + 3 * p->first * u, 3 * u, NULL,
                                     gh + p->first * u, u, 1);
    }
}

#undef TG_LOAD
#undef TG_STORE
#undef TG_EACH_UNIT
#undef TG_NEXT
#undef TG_GATE_LOW
#undef TG_LIVE
