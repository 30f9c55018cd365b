/* vec_test.c - every verb of csrc/vec against plain C, for one instruction set.
 *
 * Built by tests/test_vec.py with the flags of that set and -DTG_VEC_HEADER. Prints each lane that
 * is wrong, and returns whether any was.
 */
#define _GNU_SOURCE
#define TG_ISA test
#include "../../csrc/vec/vec.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int failures;

static void check(const char *verb, double x, double y, double z, double got, double want)
{
    if (memcmp(&got, &want, sizeof got) == 0 || (isnan(got) && isnan(want)))
        return;
    if (++failures <= 40)
        printf("%s(%.9g, %.9g, %.9g): got %.17g, want %.17g\n", verb, x, y, z, got, want);
}

static void check_true(const char *what, int holds)
{
    if (!holds && ++failures <= 40)
        printf("%s\n", what);
}

/* A page of memory with forbidden pages on both sides: what is read or written beyond crashes. */
static char *guarded_page(size_t *size)
{
    *size = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 3 * *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + *size, *size, PROT_READ | PROT_WRITE) != 0)
        return NULL;
    return p + *size;
}

#include "../../csrc/vec/f32.h"
#define FN(name) name##f
#define TYPE_MAX 3.40282347e+38f
#define TYPE_MIN 1.17549435e-38f
#define TYPE_TINY 1.40129846e-45f
#define TYPE_EPSILON 1.1920929e-07f /* 2^-23 */
#define TYPE_BIAS 127
#define EXPONENT_LIMIT 252
#include "vec_test_body.h"

#undef FN
#undef TYPE_MAX
#undef TYPE_MIN
#undef TYPE_TINY
#undef TYPE_EPSILON
#undef TYPE_BIAS
#undef EXPONENT_LIMIT
#include "../../csrc/vec/f64.h"
#define FN(name) name
#define TYPE_MAX 1.7976931348623157e+308
#define TYPE_MIN 2.2250738585072014e-308
#define TYPE_TINY 4.9406564584124654e-324
#define TYPE_EPSILON 2.220446049250313e-16 /* 2^-52 */
#define TYPE_BIAS 1023
#define EXPONENT_LIMIT 2044
#include "vec_test_body.h"

/* The verbs that only float has. */
static void test_bits(void)
{
    static const TG_TABLE_ALIGN float table[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    float x[VF_LANES], r[VF_LANES], e[VF_LANES];
    for (float least = 0.53125f; least <= 1; least += 0.09375f) {
        for (int i = 0; i < 4000; i++) {
            for (int j = 0; j < VF_LANES; j++)
                x[j] = ldexpf(1 + (float)((i * 37 + j * 101) % 4096) / 4096, i % 250 - 125);
            vf split, part = vf_split(vf_load(x), least, &split);
            vf_store(r, part);
            vf_store(e, split);
            for (int j = 0; j < VF_LANES; j++) {
                check("split", x[j], least, e[j], ldexp(r[j], (int)e[j]), x[j]);
                check_true("split: the mantissa is outside", r[j] >= least && r[j] < 2 * least);
            }
            for (int shift = 20; shift <= 23; shift += 3) {
                vf_store(r, vf_lookup(table, vf_load(x), shift));
                for (int j = 0; j < VF_LANES; j++) {
                    int n, m = (int)(frexpf(x[j], &n) * 16) & 7;
                    check("lookup", x[j], shift, 0, r[j], shift == 20 ? m : (n + 126) & 7);
                }
            }
        }
    }
}

int main(void)
{
    test_bits();
    test_all_f32();
    test_all_f64();
    printf("%d lanes of float, %d of double, %d failures\n", VF_LANES, VD_LANES, failures);
    return failures != 0;
}
