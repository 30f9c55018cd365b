/* vec_test_body.h - the tests of vec_test.c for one element type. */

#define L V_LANES
#define NAME_(name, bits) name##_f##bits
#define NAME(name, bits) NAME_(name, bits)
#define TEST(name) NAME(name, V_BITS)

static const V_T TEST(values)[] = {
    0,        -0.0,      1,         -1,       0.5,        -0.5,       1.5,
    2.5,      -2.5,      3.25,      -7.75,    100.5,      -1e10,      8388608.5,
    1e-20,    -1e-20,    TYPE_TINY, TYPE_MIN, -TYPE_TINY, TYPE_MAX,   -TYPE_MAX,
    INFINITY, -INFINITY, NAN,       0.1,      -0.3333,    123456.789, -4503599627370497.5};
enum { TEST(n_values) = sizeof TEST(values) / sizeof(V_T) };

/* Lane i of the vectors is value (i + shift): each value meets each other in some lane. */
static void TEST(fill)(V_T *x, int shift)
{
    for (int i = 0; i < L; i++)
        x[i] = TEST(values)[(i + shift) % TEST(n_values)];
}

#define EACH(verb, expression, want)                                                               \
    {                                                                                              \
        V(store)(r, expression);                                                                   \
        for (int i = 0; i < L; i++) {                                                              \
            V_T x = a[i], y = b[i], z = c[i];                                                      \
            (void)y, (void)z;                                                                      \
            check(verb, x, y, z, r[i], want);                                                      \
        }                                                                                          \
    }

#define EACH_MASK(verb, expression, want)                                                          \
    {                                                                                              \
        VM mask = expression;                                                                      \
        int any = 0, all = 1;                                                                      \
        V(mask_store)(bytes, mask);                                                                \
        V(store)(r, V(select)(mask, va, vb));                                                      \
        for (int i = 0; i < L; i++) {                                                              \
            V_T x = a[i], y = b[i];                                                                \
            int hit = (want) != 0;                                                                 \
            any |= hit;                                                                            \
            all &= hit;                                                                            \
            check(verb, x, y, 0, bytes[i], hit);                                                   \
            check("select", x, y, hit, r[i], hit ? x : y);                                         \
        }                                                                                          \
        check_true(verb ": mask_any", (V(mask_any)(mask) != 0) == any);                            \
        check_true(verb ": mask_all", (V(mask_all)(mask) != 0) == all);                            \
    }

static void TEST(lanes)(const V_T *a, const V_T *b, const V_T *c)
{
    V_T r[L];
    uint8_t bytes[L];
    VT va = V(load)(a), vb = V(load)(b), vc = V(load)(c);

    EACH("add", V(add)(va, vb), x + y)
    EACH("sub", V(sub)(va, vb), x - y)
    EACH("mul", V(mul)(va, vb), x * y)
    EACH("div", V(div)(va, vb), x / y)
    EACH("sqrt", V(sqrt)(va), FN(sqrt)(x))
    EACH("fma", V(fma)(va, vb, vc), TG_VEC_FMA ? FN(fma)(x, y, z) : x * y + z)
    EACH("fnma", V(fnma)(va, vb, vc), TG_VEC_FMA ? FN(fma)(-x, y, z) : z - x * y)
    EACH("fms", V(fms)(va, vb, vc), TG_VEC_FMA ? FN(fma)(x, y, -z) : x * y - z)
    EACH("neg", V(neg)(va), -x)
    EACH("abs", V(abs)(va), FN(fabs)(x))
    EACH("copysign", V(copysign)(va, vb), FN(copysign)(x, y))
    EACH("min", V(add)(V(min)(va, vb), V(zero)()), (x < y ? x : y) + 0) /* -0 + 0 = 0 */
    EACH("max", V(add)(V(max)(va, vb), V(zero)()), (x > y ? x : y) + 0)
    EACH("min_nan", V(add)(V(min_nan)(va, vb), V(zero)()), (isnan(x) || x < y ? x : y) + 0)
    EACH("max_nan", V(add)(V(max_nan)(va, vb), V(zero)()), (isnan(x) || x > y ? x : y) + 0)
    EACH("floor", V(floor)(va), FN(floor)(x))
    EACH("ceil", V(ceil)(va), FN(ceil)(x))
    EACH("trunc", V(trunc)(va), FN(trunc)(x))
    EACH("round", V(round)(va), FN(rint)(x))
    EACH("set1", V(set1)(a[0]), a[0])
    EACH("zero", V(zero)(), 0)
    EACH("iota", V(iota)(), i)

    EACH_MASK("eq", V(eq)(va, vb), x == y)
    EACH_MASK("ne", V(ne)(va, vb), x != y)
    EACH_MASK("lt", V(lt)(va, vb), x < y)
    EACH_MASK("le", V(le)(va, vb), x <= y)
    EACH_MASK("gt", V(gt)(va, vb), x > y)
    EACH_MASK("ge", V(ge)(va, vb), x >= y)
    EACH_MASK("isnan", V(isnan)(va), isnan(x))
    EACH_MASK("mask_and", V(mask_and)(V(lt)(va, vb), V(lt)(va, V(zero)())), x < y && x < 0)
    EACH_MASK("mask_or", V(mask_or)(V(lt)(va, vb), V(lt)(va, V(zero)())), x < y || x < 0)
    EACH_MASK("mask_not", V(mask_not)(V(lt)(va, vb)), !(x < y))
    EACH_MASK("never", V(lt)(va, va), 0)
    EACH_MASK("always", V(mask_not)(V(lt)(va, va)), 1)

    VT sign = V(set1)((V_T)-0.0);
    EACH("and", V (and)(va, sign), signbit(x) ? (V_T)-0.0 : (V_T)0)
    EACH("or", V(or)(va, sign), -FN(fabs)(x))
    EACH("xor", V(xor)(va, sign), -x)
}

static void TEST(exponents)(void)
{
    const V_T mantissas[] = {1, -1, 0.5, 1.75, 1.2345678, 1.9999, 2};
    V_T r[L];
    for (int n = -EXPONENT_LIMIT - 10; n <= EXPONENT_LIMIT + 10; n++) {
        int clamped = n > EXPONENT_LIMIT    ? EXPONENT_LIMIT
                      : n < -EXPONENT_LIMIT ? -EXPONENT_LIMIT
                                            : n;
        V_T value = mantissas[(n + 3000) % 7];
        V(store)(r, V(ldexp)(V(set1)(value), V(set1)((V_T)n)));
        check("ldexp", value, n, 0, r[L - 1], FN(ldexp)(value, clamped));
        if (n == clamped) {
            V(store)(r, V(scale)(V(set1)(value), V(set1)((V_T)n)));
            check("scale", value, n, 0, r[L - 1], FN(ldexp)(value, n));
        }
        if (n > -EXPONENT_LIMIT / 2 && n < EXPONENT_LIMIT / 2 + 1) {
            V(store)(r, V(pow2)(V(set1)((V_T)n)));
            check("pow2", n, 0, 0, r[L - 1], FN(ldexp)(1, n));
        }
        V_T x = FN(ldexp)(FN(fabs)(value), n);
        if (x >= TYPE_MIN && x <= TYPE_MAX) {
            int e;
            V_T m = FN(frexp)(x, &e);
            V(store)(r, V(exponent)(V(set1)(x)));
            check("exponent", x, 0, 0, r[L - 1], e - 1);
            V(store)(r, V(mantissa)(V(set1)(x)));
            check("mantissa", x, 0, 0, r[L - 1], 2 * m);
        }
    }
    for (int n = 1 - TYPE_BIAS; n <= TYPE_BIAS; n++) {
        V_T rounder = (V_T)1.5 / TYPE_EPSILON + TYPE_BIAS;
        V(store)(r, V(to_exponent)(V(set1)(rounder + (V_T)n)));
        check("to_exponent", n, 0, 0, r[L - 1], FN(ldexp)(1, n));
    }
    const V_T wide[] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        V(store)(r, V(ldexp)(V(set1)(wide[i]), V(set1)(3)));
        check("ldexp", wide[i], 3, 0, r[0], wide[i]);
    }
    V(store)(r, V(ldexp)(V(set1)(1), V(set1)(INFINITY)));
    check("ldexp", 1, INFINITY, 0, r[0], INFINITY);
}

/* Tails, right against a page that must not be touched. */
static void TEST(tails)(void)
{
    size_t size;
    char *page = guarded_page(&size);
    check_true("no memory for the guarded page", page != NULL);
    if (!page)
        return;
    V_T *end = (V_T *)(page + size), *start = (V_T *)page;
    V_T r[L];
    for (int n = 0; n <= L; n++) {
        for (int i = 0; i < n; i++)
            end[i - n] = (V_T)(i + 1);
        V(store)(r, V(load_tail)(end - n, n));
        for (int i = 0; i < L; i++)
            check("load_tail", n, i, 0, r[i], i < n ? i + 1 : 0);

        for (int i = 0; i < L; i++)
            start[i] = -1;
        V(store_tail)(start, V(add)(V(iota)(), V(set1)(1)), n);
        V(store_tail)(end - n, V(iota)(), n);
        for (int i = 0; i < L; i++)
            check("store_tail", n, i, 0, start[i], i < n ? i + 1 : -1);
        for (int i = 0; i < n; i++)
            check("store_tail", n, i, 1, end[i - n], i);

        uint8_t *bytes = (uint8_t *)end - n, kept[L + 1];
        for (int i = 0; i < n; i++)
            bytes[i] = (uint8_t)(i % 3 == 1 ? 255 : i % 3);
        V(store)(r, V(select)(V(mask_load_tail)(bytes, n), V(set1)(1), V(zero)()));
        for (int i = 0; i < L; i++)
            check("mask_load_tail", n, i, 0, r[i], i < n && i % 3 != 0);
        memset(kept, 7, sizeof kept);
        V(mask_store_tail)(kept, V(lt)(V(iota)(), V(set1)(2)), n);
        for (int i = 0; i <= L; i++)
            check("mask_store_tail", n, i, 0, kept[i], i < n ? i < 2 : 7);
    }
    uint8_t bytes[L];
    for (int i = 0; i < L; i++)
        bytes[i] = (uint8_t)(i % 2 ? 2 * i : 0);
    V(store)(r, V(select)(V(mask_load)(bytes), V(set1)(1), V(zero)()));
    for (int i = 0; i < L; i++)
        check("mask_load", i, 0, 0, r[i], i % 2);
    for (int i = 0; i < L; i++)
        bytes[i] = (uint8_t)(255 - 15 * i);
    V(store)(r, V(load_bytes)(bytes));
    for (int i = 0; i < L; i++)
        check("load_bytes", i, 0, 0, r[i], 255 - 15 * i);
}

static void TEST(across)(void)
{
    V_T memory[L * L + 40], r[L];
    for (int i = 0; i < L * L + 40; i++)
        memory[i] = (V_T)(i * 0.37 - 3);

    V_T tree[L];
    memcpy(tree, memory, sizeof tree);
    for (int half = L / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            tree[i] += tree[i + half];
    check("hsum", 0, 0, 0, V(hsum)(V(load)(memory)), tree[0]);

    memcpy(tree, memory, sizeof tree);
    for (int half = L / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            tree[i] *= tree[i + half];
    check("hprod", 0, 0, 0, V(hprod)(V(load)(memory)), tree[0]);

    for (int at = 0; at < L; at++) { /* the extreme, and a NaN, in each lane */
        for (int i = 0; i < L; i++)
            r[i] = (V_T)((i * 5) % L);
        r[at] = 1000;
        check("hmax", at, 0, 0, V(hmax)(V(load)(r)), 1000);
        r[at] = -1000;
        check("hmin", at, 0, 0, V(hmin)(V(load)(r)), -1000);
        r[at] = NAN;
        check("hmax", at, NAN, 0, V(hmax)(V(load)(r)), NAN);
        check("hmin", at, NAN, 0, V(hmin)(V(load)(r)), NAN);
    }

    const ptrdiff_t strides[] = {0, 1, 2, L, -1, -2};
    for (int s = 0; s < 6; s++) {
        const V_T *p = memory + (strides[s] < 0 ? 2 * L : 0);
        V(store)(r, V(gather)(p, strides[s]));
        for (int i = 0; i < L; i++)
            check("gather", (double)strides[s], i, 0, r[i], p[i * strides[s]]);
    }

    VT rows[L];
    for (int i = 0; i < L; i++)
        rows[i] = V(load)(memory + i * L);
    V(transpose)(rows);
    for (int i = 0; i < L; i++) {
        V(store)(r, rows[i]);
        for (int j = 0; j < L; j++)
            check("transpose", i, j, 0, r[j], memory[j * L + i]);
    }
}

static void TEST(test_all)(void)
{
    V_T a[L], b[L], c[L];
    for (int i = 0; i < TEST(n_values); i++)
        for (int j = 0; j < TEST(n_values); j++) {
            TEST(fill)(a, i);
            TEST(fill)(b, i + j);
            TEST(fill)(c, 3 * i + 7 * j);
            TEST(lanes)(a, b, c);
        }
    TEST(exponents)();
    TEST(tails)();
    TEST(across)();
}

#undef EACH
#undef EACH_MASK
#undef TEST
#undef NAME
#undef NAME_
#undef L
