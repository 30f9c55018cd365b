/* math_common.h - the part of math.h that is written once for float and double (see there). */

#if V_BITS == 32
#define TG_COEFFICIENTS(name) tg_##name##_f32
#define TG_LIBM(name) name##f
#define TG_LN2_HIGH 0x1.62e4p-1f /* 14 bits: n times this is exact */
#define TG_LN2_LOW 1.42860677e-6f
#define TG_EXP_LOW -104.0f /* below, e^x rounds to 0 */
#define TG_EXP_HIGH 89.0f
#define TG_EXP_FLUSH -88.02f /* round(x / ln 2) = -127: the power becomes 0 */
#define TG_EXP_FALL 110.0f   /* x e^-x rounds to 0 */
#define TG_RAISE 64
#define TG_ROUNDER (0x1.8p23f + 127) /* see to_exponent in vec.h */
#define TG_EXPM1_LOW -18.0f
#define TG_TINY FLT_MIN
#define TG_HUGE FLT_MAX
#define TG_DENORMAL_BITS 24
#define TG_SPLIT 4097 /* 2^12 + 1: c t - (c t - t) is t with 12 bits */
#else
#define TG_COEFFICIENTS(name) tg_##name##_f64
#define TG_LIBM(name) name
#define TG_LN2_HIGH 0x1.62e42fefa38p-1 /* 42 bits */
#define TG_LN2_LOW 5.4979230187083712e-14
#define TG_EXP_LOW -746.0
#define TG_EXP_HIGH 710.0
#define TG_EXP_FLUSH -708.9
#define TG_EXP_FALL 760.0
#define TG_RAISE 512
#define TG_ROUNDER (0x1.8p52 + 1023)
#define TG_EXPM1_LOW -38.0
#define TG_TINY DBL_MIN
#define TG_HUGE DBL_MAX
#define TG_DENORMAL_BITS 53
#define TG_SPLIT 134217729
#endif

#define TG_SET(x) V(set1)(V_C(x))
#if V_BITS == 32
#define TG_LOWER TG_SET(0x1p-64) /* 2^-TG_RAISE */
#else
#define TG_LOWER TG_SET(0x1p-512)
#endif

/* c[0] + c[1] x + ... + c[n-1] x^(n-1), n >= 4, as even part + x times odd part. */
TG_INLINE VT V(poly_halves)(VT x, const V_T *c, int n)
{
    int last_even = (n - 1) & ~1, last_odd = (n & ~1) - 1;
    VT z = V(mul)(x, x), even = V(set1)(c[last_even]), odd = V(set1)(c[last_odd]);
    for (int i = last_even - 2; i >= 0; i -= 2)
        even = V(fma)(even, z, V(set1)(c[i]));
    for (int i = last_odd - 2; i >= 1; i -= 2)
        odd = V(fma)(odd, z, V(set1)(c[i]));
    return V(fma)(odd, x, even);
}

/* The same by Horner's rule; but for double, whose chains are longer than what the processor looks
 * ahead, in halves: half the length. */
TG_INLINE VT V(poly)(VT x, const V_T *c, int n)
{
    if (V_BITS == 64 && n >= 6)
        return V(poly_halves)(x, c, n);
    VT y = V(set1)(c[n - 1]);
    for (int i = n - 2; i >= 0; i--)
        y = V(fma)(y, x, V(set1)(c[i]));
    return y;
}

/* A libm function, lane by lane. */
TG_INLINE VT V(map)(VT x, V_T (*f)(V_T))
{
    V_T lanes[V_LANES];
    V(store)(lanes, x);
    for (int i = 0; i < V_LANES; i++)
        lanes[i] = f(lanes[i]);
    return V(load)(lanes);
}

/* --- exponentials ----------------------------------------------------------------------------- */

/* e^r - 1 for |r| <= ln 2 / 2 */
TG_INLINE VT V(expm1_core)(VT r)
{
    VT p = V(poly)(r, TG_COEFFICIENTS(exp), V_BITS == 32 ? 5 : 10);
    return V(fma)(V(mul)(r, r), p, r);
}

/* r = x - n ln 2 */
TG_INLINE VT V(reduce_exp)(VT x, VT *n)
{
    *n = V(round)(V(mul)(x, TG_SET(1.4426950408889634)));
    VT r = V(fnma)(*n, TG_SET(TG_LN2_HIGH), x);
    return V(fnma)(*n, TG_SET(TG_LN2_LOW), r);
}

TG_INLINE VT V(expm1_reduced)(VT x, VT *n)
{
    return V(expm1_core)(V(reduce_exp)(x, n));
}

TG_INLINE VT V(exp_reduced)(VT x, VT *n)
{
    return V(add)(V(expm1_reduced)(x, n), TG_SET(1));
}

TG_INLINE VT V(exp)(VT x)
{
    VT n, y = V(exp_reduced)(V(max)(TG_SET(TG_EXP_LOW), V(min)(TG_SET(TG_EXP_HIGH), x)), &n);
    return V(scale)(y, n);
}

/* x = n ln 2 + r: r, and 2^(n + raise), with fewer steps than pow2(n); n + raise > -127 (-1023). */
TG_INLINE VT V(reduce_exp_raised)(VT x, V_T raise, VT *power)
{
    VT rounder = V(set1)(TG_ROUNDER + raise);
    VT m = V(fma)(x, TG_SET(1.4426950408889634), rounder), n = V(sub)(m, rounder);
    *power = V(to_exponent)(m);
    VT r = V(fnma)(n, TG_SET(TG_LN2_HIGH), x);
    return V(fnma)(n, TG_SET(TG_LN2_LOW), r);
}

/* e^x for x <= 0, with 0 instead of denormal results: cheaper, for softmax and the like. */
TG_INLINE VT V(exp_flush)(VT x)
{
    VT power, r = V(reduce_exp_raised)(V(max)(TG_SET(TG_EXP_FLUSH), x), 0, &power);
    return V(fma)(V(expm1_core)(r), power, power);
}

/* e^-a 2^TG_RAISE for 0 <= a <= TG_EXP_FALL. The factor TG_LOWER, put in last of all, makes the
 * result a denormal number where it must be, with one rounding. */
TG_INLINE VT V(exp_raised)(VT a)
{
    VT power, r = V(reduce_exp_raised)(V(neg)(a), TG_RAISE, &power);
    return V(fma)(V(expm1_core)(r), power, power);
}

/* |x|, but no more than where e^-|x| |x| rounds to 0 */
TG_INLINE VT V(exp_range)(VT x)
{
    return V(min)(TG_SET(TG_EXP_FALL), V(abs)(x));
}

/* 2^n (p + 1) - 1, halved on the way: 2^n may be infinite where the result is not. */
TG_INLINE VT V(expm1_scaled)(VT p, VT n)
{
    VT h = V(pow2)(V(sub)(n, TG_SET(1)));
    VT y = V(fma)(h, p, V(sub)(h, TG_SET(0.5)));
    return V(add)(y, y);
}

TG_INLINE VT V(expm1)(VT x)
{
    VT n, p = V(max)(TG_SET(TG_EXPM1_LOW), V(min)(TG_SET(TG_EXP_HIGH), x));
    p = V(expm1_reduced)(p, &n);
    return V(copysign)(V(expm1_scaled)(p, n), x);
}

/* -m / (2 + m) with m = e^(-2 |x|) - 1: relative accuracy near 0 and near 1. */
TG_INLINE VT V(tanh)(VT x)
{
    VT n, a = V(min)(TG_SET(-TG_EXPM1_LOW), V(add)(V(abs)(x), V(abs)(x)));
    VT p = V(expm1_reduced)(V(neg)(a), &n), m = V(expm1_scaled)(p, n);
    return V(copysign)(V(div)(m, V(add)(TG_SET(2), m)), x);
}

/* --- logarithms ------------------------------------------------------------------------------- */

/* The t in ln(1 + f) = f + t, for sqrt(1/2) <= 1 + f <= sqrt(2) */
TG_INLINE VT V(log_tail)(VT f)
{
#if V_BITS == 32
    VT p = V(poly)(f, tg_log_f32, 8);
    return V(mul)(V(mul)(f, f), V(fma)(f, p, TG_SET(-0.5)));
#else
    /* 2 s = f - s f: the first term is exact, and the others are smaller */
    VT s = V(div)(f, V(add)(f, TG_SET(2))), z = V(mul)(s, s);
    return V(mul)(s, V(fms)(z, V(poly)(z, tg_log_f64, 7), f));
#endif
}

/* x = 2^e (1 + f); x positive and normal, or (then e is corrected by `shift`) scaled before. */
TG_INLINE VT V(log_split)(VT x, VT shift, VT *e)
{
#if V_BITS == 32
    VT m = vf_split(x, 0.707106781f, e);
    *e = V(sub)(*e, shift);
    return V(sub)(m, TG_SET(1));
#else
    VT m = V(mantissa)(x);
    VM big = V(gt)(m, TG_SET(1.4142135623730951));
    *e = V(sub)(V(exponent)(x), shift);
    *e = V(select)(big, V(add)(*e, TG_SET(1)), *e);
    return V(sub)(V(select)(big, V(mul)(m, TG_SET(0.5)), m), TG_SET(1));
#endif
}

/* ln x times `scale`, where 2^e is worth e (high + low): for the bases e, 2 and 10. */
TG_INLINE VT V(log_base)(VT x, V_T scale, V_T high, V_T low)
{
    VM plain = V(mask_and)(V(ge)(x, TG_SET(TG_TINY)), V(le)(x, TG_SET(TG_HUGE)));
    VT normal = x, shift = V(zero)(), e;
    int odd = !V(mask_all)(plain);
    if (TG_UNLIKELY(odd)) { /* the denormal ones, up to the normal range */
        VM small = V(lt)(x, TG_SET(TG_TINY));
        shift = V(select)(small, TG_SET(TG_DENORMAL_BITS), shift);
        normal = V(scale)(x, shift);
    }
    VT f = V(log_split)(normal, shift, &e), t = V(log_tail)(f), y;
    if (scale == 1) {
        y = V(fma)(e, V(set1)(high), V(add)(f, V(fma)(e, V(set1)(low), t)));
    } else {
        y = V(mul)(V(add)(f, t), V(set1)(scale));
        y = V(fma)(e, V(set1)(high), V(fma)(e, V(set1)(low), y));
    }
    if (TG_UNLIKELY(odd)) {
        y = V(select)(V(le)(x, V(zero)()), TG_SET(NAN), y);
        y = V(select)(V(eq)(x, V(zero)()), TG_SET(-INFINITY), y);
        VM finite = V(le)(x, TG_SET(TG_HUGE)); /* inf and NaN: themselves */
        y = V(select)(finite, y, x);
    }
    return y;
}

TG_INLINE VT V(log)(VT x)
{
    return V(log_base)(x, 1, TG_LN2_HIGH, TG_LN2_LOW);
}

TG_INLINE VT V(log2)(VT x)
{
    return V(log_base)(x, V_C(1.4426950408889634), 1, 0);
}

TG_INLINE VT V(log10)(VT x)
{
#if V_BITS == 32
    return V(log_base)(x, 0.434294482f, 0x1.344p-2f, 4.60503898e-6f); /* log10(2), in two parts */
#else
    return V(log_base)(x, 0.43429448190325182, 0x1.34413509f78p-2, 2.8363394551044964e-14);
#endif
}

/* As log, but with f from x itself: f = 2^-e (1 + x) - 1 = 2^-e x + (2^-e - 1), one rounding. */
TG_INLINE VT V(log1p)(VT x)
{
    VM plain = V(mask_and)(V(gt)(x, TG_SET(-1)), V(lt)(x, TG_SET(1e30)));
    int odd = !V(mask_all)(plain);
    VT c = x;
    if (TG_UNLIKELY(odd))
        c = V(select)(plain, x, V(zero)());
    VT u = V(add)(c, TG_SET(1)), e;
    (void)V(log_split)(u, V(zero)(), &e);
    VT s = V(pow2)(V(neg)(e));
    VT f = V(add)(V(mul)(c, s), V(sub)(s, TG_SET(1)));
    VT y = V(add)(f, V(fma)(e, TG_SET(TG_LN2_LOW), V(log_tail)(f)));
    y = V(fma)(e, TG_SET(TG_LN2_HIGH), y);
    y = V(select)(V(eq)(c, V(zero)()), c, y); /* -0 */
    if (TG_UNLIKELY(odd)) {
        VT far = V(select)(V(le)(x, TG_SET(-1)), V(add)(x, TG_SET(1)), x);
        y = V(select)(plain, y, V(log)(far)); /* log(0) = -inf, log(< 0) = NaN */
    }
    return y;
}

/* ln(1 + x) for 0 <= x <= 1 */
TG_INLINE VT V(log1p_unit)(VT x)
{
    VM big = V(gt)(x, TG_SET(0.41421356237309503));
    VT half = TG_SET(0.5);
    VT f = V(select)(big, V(fms)(x, half, half), x);
    VT low = V(select)(big, TG_SET(TG_LN2_LOW), V(zero)());
    VT high = V(select)(big, TG_SET(TG_LN2_HIGH), V(zero)());
    return V(add)(high, V(add)(f, V(add)(low, V(log_tail)(f))));
}

/* --- activations ------------------------------------------------------------------------------ */

/* sigmoid(x) = top / (1 + e) with e = e^-|x| and top = e for x < 0, else 1: nothing overflows, and
 * both tails have their digits. */
TG_INLINE VT V(sigmoid)(VT x)
{
    VT e = V(exp_raised)(V(exp_range)(x)), below = V(fma)(e, TG_LOWER, TG_SET(1));
    VT top = V(select)(V(lt)(x, V(zero)()), e, V(div)(TG_SET(1), TG_LOWER));
    return V(mul)(V(div)(top, below), TG_LOWER);
}

/* x / (1 + e^-x) = max(x, 0) - |x| e / (1 + e), where the sum does not cancel. e is (1 + p) power
 * 2^-TG_RAISE: e^-|x| or, for gelu_tanh, of another argument; |x| power is exact. */
TG_INLINE VT V(gated)(VT x, VT a, VT p, VT power)
{
    VT e = V(fma)(p, power, power), top = V(mul)(a, power);
    VT w = V(div)(V(fma)(p, top, top), V(fma)(e, TG_LOWER, TG_SET(1)));
    return V(copysign)(V(fnma)(w, TG_LOWER, V(max)(V(zero)(), x)), x);
}

TG_INLINE VT V(silu)(VT x)
{
    VT power, a = V(exp_range)(x);
    VT p = V(expm1_core)(V(reduce_exp_raised)(V(neg)(a), TG_RAISE, &power));
    return V(gated)(x, a, p, power);
}

TG_INLINE VT V(softplus)(VT x)
{
    VT e = V(mul)(V(exp_raised)(V(exp_range)(x)), TG_LOWER);
    return V(add)(V(max)(V(zero)(), x), V(log1p_unit)(e));
}

TG_INLINE VT V(logaddexp)(VT a, VT b)
{
    VT d = V(select)(V(eq)(a, b), V(zero)(), V(sub)(a, b)); /* inf - inf */
    VT e = V(mul)(V(exp_raised)(V(exp_range)(d)), TG_LOWER);
    return V(add)(V(max_nan)(a, b), V(log1p_unit)(e));
}

/* e^(-t^2 / 2) = (1 + p) 2^n: p, and 2^(n + TG_RAISE). Rounding t^2 would cost t^2 / 2 ULP: what
 * was lost goes into the reduced argument. */
TG_INLINE VT V(normal_density)(VT t, VT *power)
{
    VT half = TG_SET(-0.5), s = V(mul)(t, t);
#if TG_VEC_FMA
    VT low = V(fms)(t, t, s);
#else /* from the exact products of the halves of t */
    VT c = V(mul)(t, TG_SET(TG_SPLIT)), top = V(sub)(c, V(sub)(c, t)), rest = V(sub)(t, top);
    VT low = V(sub)(V(mul)(top, top), s);
    low = V(add)(V(add)(low, V(mul)(V(add)(top, top), rest)), V(mul)(rest, rest));
#endif
    VT r = V(reduce_exp_raised)(V(mul)(s, half), TG_RAISE, power);
    return V(expm1_core)(V(fma)(low, half, r));
}

/* --- sine and cosine -------------------------------------------------------------------------- */

#if TG_VEC_FMA

#if V_BITS == 32
#define TG_TRIG_END 1e5f
#define TG_HALF_PI_1 1.57079637e0f
#define TG_HALF_PI_2 -4.37113883e-8f
#define TG_HALF_PI_3 -1.71512451e-15f
#else
#define TG_TRIG_END 1e9
#define TG_HALF_PI_1 1.5707963267948966
#define TG_HALF_PI_2 6.123233995736766e-17
#define TG_HALF_PI_3 -1.4973849048591698e-33
#endif

/* x = n pi/2 + r, |r| <= pi/4, for |x| < TG_TRIG_END: pi/2 in three parts, so that with FMA only
 * the last product rounds. */
TG_INLINE VT V(reduce_trig)(VT x, VT *n)
{
    *n = V(round)(V(mul)(x, TG_SET(0.63661977236758138)));
    VT r = V(fnma)(*n, TG_SET(TG_HALF_PI_1), x);
    r = V(fnma)(*n, TG_SET(TG_HALF_PI_2), r);
    return V(fnma)(*n, TG_SET(TG_HALF_PI_3), r);
}

TG_INLINE VT V(sin_cos)(VT x, VT *sine, VT *cosine)
{
    VT n, r = V(reduce_trig)(x, &n);
    VT z = V(mul)(r, r);
    VT s = V(poly)(z, TG_COEFFICIENTS(sin), V_BITS == 32 ? 4 : 7);
    VT c = V(poly)(z, TG_COEFFICIENTS(cos), V_BITS == 32 ? 3 : 6);
    *sine = V(fma)(V(mul)(r, z), s, r);
    *cosine = V(fma)(V(mul)(z, z), c, V(fnma)(z, TG_SET(0.5), TG_SET(1)));
    return n;
}

/* The lanes beyond TG_TRIG_END (and inf, NaN) from libm, which reduces with hundreds of bits. */
static __attribute__((noinline, unused)) VT V(trig_far)(VT x, VT y, V_T (*f)(V_T))
{
    V_T from[V_LANES], to[V_LANES];
    V(store)(from, x);
    V(store)(to, y);
    for (int i = 0; i < V_LANES; i++)
        if (!(TG_LIBM(fabs)(from[i]) < TG_TRIG_END))
            to[i] = f(from[i]);
    return V(load)(to);
}

/* sin(x + shift pi/2): quadrant n + shift picks sine or cosine, and the sign. */
TG_INLINE VT V(sin_shifted)(VT x, V_T shift, V_T (*f)(V_T))
{
    VT s, c, n = V(sin_cos)(x, &s, &c);
    VT turns = V(mul)(V(add)(n, V(set1)(shift)), TG_SET(0.25));
    VT quarter = V(sub)(turns, V(floor)(turns)); /* 0, 1/4, 1/2, 3/4 */
    VT half = V(add)(quarter, quarter);
    VT y = V(select)(V(eq)(half, V(round)(half)), s, c); /* 0 and 1: sine; 1/2, 3/2: cosine */
    VT sign = V(select)(V(ge)(quarter, TG_SET(0.5)), TG_SET(-0.0), V(zero)());
    y = V(xor)(y, sign);
    VM far = V(mask_not)(V(lt)(V(abs)(x), TG_SET(TG_TRIG_END)));
    return TG_UNLIKELY(V(mask_any)(far)) ? V(trig_far)(x, y, f) : y;
}

TG_INLINE VT V(sin)(VT x)
{
    /* 0 - 0 pi/2 is +0 for -0 too: the sign comes back from x where nothing was subtracted */
    VT y = V(sin_shifted)(x, 0, TG_LIBM(sin));
    return V(select)(V(eq)(x, V(zero)()), x, y);
}

TG_INLINE VT V(cos)(VT x)
{
    return V(sin_shifted)(x, 1, TG_LIBM(cos));
}

#if V_BITS == 32
TG_INLINE vf vf_tan(vf x)
{
    vf n, r = vf_reduce_trig(x, &n), z = vf_mul(r, r), half = vf_mul(n, vf_set1(0.5f));
    vf t = vf_fma(vf_mul(r, z), vf_poly(z, tg_tan_f32, 8), r);
    t = vf_select(vf_eq(vf_round(half), half), t, vf_div(vf_set1(-1), t));
    t = vf_select(vf_eq(x, vf_zero()), x, t);
    vf_mask far = vf_mask_not(vf_lt(vf_abs(x), vf_set1(TG_TRIG_END)));
    return TG_UNLIKELY(vf_mask_any(far)) ? vf_trig_far(x, t, tanf) : t;
}
#endif

#undef TG_TRIG_END
#undef TG_HALF_PI_1
#undef TG_HALF_PI_2
#undef TG_HALF_PI_3

#else

TG_INLINE VT V(sin)(VT x)
{
    return V(map)(x, TG_LIBM(sin));
}

TG_INLINE VT V(cos)(VT x)
{
    return V(map)(x, TG_LIBM(cos));
}

#if V_BITS == 32
TG_INLINE vf vf_tan(vf x)
{
    return vf_map(x, tanf);
}
#endif

#endif

/* --- short ones ------------------------------------------------------------------------------- */

TG_INLINE VT V(rsqrt)(VT x)
{
    return V(div)(TG_SET(1), V(sqrt)(x));
}

TG_INLINE VT V(square)(VT x)
{
    return V(mul)(x, x);
}

TG_INLINE VT V(reciprocal)(VT x)
{
    return V(div)(TG_SET(1), x);
}

TG_INLINE VT V(relu)(VT x)
{
    return V(max)(V(zero)(), x);
}

TG_INLINE VT V(sign)(VT x)
{
    VT y = V(select)(V(lt)(x, V(zero)()), TG_SET(-1), V(zero)());
    y = V(select)(V(gt)(x, V(zero)()), TG_SET(1), y);
    return V(select)(V(isnan)(x), x, y);
}

#undef TG_COEFFICIENTS
#undef TG_LIBM
#undef TG_LN2_HIGH
#undef TG_LN2_LOW
#undef TG_EXP_LOW
#undef TG_EXP_HIGH
#undef TG_EXP_FLUSH
#undef TG_EXP_FALL
#undef TG_RAISE
#undef TG_ROUNDER
#undef TG_LOWER
#undef TG_EXPM1_LOW
#undef TG_TINY
#undef TG_HUGE
#undef TG_DENORMAL_BITS
#undef TG_SPLIT
#undef TG_SET
