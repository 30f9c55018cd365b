/* replay_calls.c - kernel calls from a file, run with the kernels of one instruction set and with
 * the baseline's: do the results agree?
 *
 *     replay_calls FILE ISA
 *
 * The file is written by tests/neon_calls.py, which says what is in it. A call is data, so nothing
 * here knows what any driver does: each runs twice on its own copy of the memory, and then all its
 * arrays, of which the first are results, are compared. Integers must be the same, and floats
 * differ by at most TOLERANCE eps times the largest magnitude of their array: sums have other
 * orders.
 */
#include "../../csrc/tg.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, TOLERANCE = 400 };

static double number(const tg_array *a, const char *at)
{
    switch (a->dtype) {
    case TG_F32:
        return *(const float *)at;
    case TG_F64:
        return *(const double *)at;
    case TG_I64:
        return (double)*(const int64_t *)at;
    case TG_I32:
        return *(const int32_t *)at;
    default:
        return *(const uint8_t *)at;
    }
}

static ptrdiff_t item_size(const tg_array *a)
{
    return a->dtype == TG_U8 ? 1 : a->dtype == TG_F32 || a->dtype == TG_I32 ? 4 : 8;
}

/* The place of the element with this number, in C order. */
static const char *element(const tg_array *a, ptrdiff_t number)
{
    const char *at = a->data;
    for (int i = a->ndim - 1; i >= 0; i--) {
        at += number % a->shape[i] * a->strides[i] * item_size(a);
        number /= a->shape[i];
    }
    return at;
}

/* The largest difference over the largest magnitude, in eps; infinite where only one is NaN. */
static double difference(const tg_array *a, const tg_array *b)
{
    double largest = 0, worst = 0;
    ptrdiff_t n = 1;
    for (int i = 0; i < a->ndim; i++)
        n *= a->shape[i];
    for (ptrdiff_t i = 0; i < n; i++) {
        double x = number(a, element(a, i)), y = number(b, element(b, i));
        if (x == y || (isnan(x) && isnan(y)))
            x = y = isfinite(x) ? x : 0;
        else if (!(fabs(x - y) < INFINITY))
            return INFINITY;
        largest = fmax(largest, fabs(y));
        worst = fmax(worst, fabs(x - y));
    }
    if (worst == 0)
        return 0;
    double eps = a->dtype == TG_F32 ? FLT_EPSILON : a->dtype == TG_F64 ? DBL_EPSILON : 0;
    return worst / largest / eps;
}

/* Run the call on a copy of its memory, which the caller frees; NULL when there is none. */
static char *run(const char *isa, const tg_call *call, const char *memory, size_t size,
                 tg_call *placed, int *status)
{
    char *copy = aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (copy == NULL || tg_isa_select(isa) != 0)
        return NULL;
    memcpy(copy, memory, size);
    *placed = *call;
    for (int i = 0; i < call->n_arrays; i++)
        if (call->arrays[i].data != NULL)
            placed->arrays[i].data = copy + ((uintptr_t)call->arrays[i].data - 1);
    *status = tg_run(placed);
    return copy;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL)
        return 2;
    tg_init();
    static double worst[TG_N_DRIVERS];
    static int count[TG_N_DRIVERS];
    int64_t size;
    int failures = 0;
    tg_call call, one, two;
    while (fread(&size, sizeof size, 1, file) == 1) {
        char *memory = malloc((size_t)size);
        if (memory == NULL || fread(&call, sizeof call, 1, file) != 1 ||
            fread(memory, 1, (size_t)size, file) != (size_t)size)
            return 2;
        int first = 0, second = 0;
        char *a = run(argv[2], &call, memory, (size_t)size, &one, &first);
        char *b = run("baseline", &call, memory, (size_t)size, &two, &second);
        if (a == NULL || b == NULL)
            return 2;
        double found = first == second ? 0 : INFINITY;
        for (int i = 0; i < call.n_arrays; i++)
            if (call.arrays[i].data != NULL)
                found = fmax(found, difference(&one.arrays[i], &two.arrays[i]));
        count[call.driver]++;
        worst[call.driver] = fmax(worst[call.driver], found);
        if (found > TOLERANCE && ++failures <= 20)
            printf("%s, operation %td: %g eps\n", tg_driver_name(call.driver), call.ints[0], found);
        free(memory);
        free(a);
        free(b);
    }
    for (int i = 0; i < TG_N_DRIVERS; i++)
        if (count[i])
            printf("%-20s %5d calls, %8.2f eps\n", tg_driver_name(i), count[i], worst[i]);
    return failures != 0;
}
