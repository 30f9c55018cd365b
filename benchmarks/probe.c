/* probe.c - what the machine can do at best: the yardstick of the benchmarks.
 *
 * Peak: 12 independent chains of fused multiply-adds held in registers, enough to hide a latency of
 * four to six cycles on two units. Bandwidth: STREAM's triad a = b + s c and a plain read over
 * arrays far larger than the caches; a triad counts 12 bytes per element, as STREAM does, though
 * most machines also read what they are about to write.
 *
 * Build: cc -O3 -march=native -fopenmp probe.c (without -fopenmp it measures one thread).
 * Use: ./a.out THREADS prints one line of JSON, GFLOP/s and GB/s, the best of several passes.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12
#define BLOCK 65536
#define STEPS 2000000L
#define PASSES 7
#define KEEP(array) __asm__ volatile("" : : "r"(array) : "memory") /* its values are wanted */

typedef float vf __attribute__((vector_size(BYTES)));
typedef float vf_anywhere __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef double vd __attribute__((vector_size(BYTES)));

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The chains converge to b / (1 - a), so no value overflows or becomes subnormal; none begins
 * there, or the compiler would see that it stays and leave its work out. */
#define PEAK(NAME, VEC, REAL)                                                                      \
    static double NAME(REAL a, REAL b, volatile REAL *sink)                                        \
    {                                                                                              \
        VEC acc[CHAINS], va = (VEC){0} + a, vb = (VEC){0} + b, sum = (VEC){0};                     \
        for (int i = 0; i < CHAINS; i++)                                                           \
            acc[i] = vb * (REAL)(i + 3);                                                           \
        for (long step = 0; step < STEPS; step++) {                                                \
            acc[0] = acc[0] * va + vb, acc[1] = acc[1] * va + vb, acc[2] = acc[2] * va + vb;       \
            acc[3] = acc[3] * va + vb, acc[4] = acc[4] * va + vb, acc[5] = acc[5] * va + vb;       \
            acc[6] = acc[6] * va + vb, acc[7] = acc[7] * va + vb, acc[8] = acc[8] * va + vb;       \
            acc[9] = acc[9] * va + vb, acc[10] = acc[10] * va + vb, acc[11] = acc[11] * va + vb;   \
        }                                                                                          \
        for (int i = 0; i < CHAINS; i++)                                                           \
            sum += acc[i];                                                                         \
        *sink = sum[0] + sum[1];                                                                   \
        return 2.0 * CHAINS * STEPS * (double)(sizeof(VEC) / sizeof(REAL));                        \
    }
PEAK(peak_f32, vf, float)
PEAK(peak_f64, vd, double)

static double run_peak(int threads, int wide)
{
    double best = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        double flops = 0, start = now();
#pragma omp parallel num_threads(threads) reduction(+ : flops)
        {
            volatile float f;
            volatile double d;
            flops += wide ? peak_f64(0.5, 1.0, &d) : peak_f32(0.5f, 1.0f, &f);
        }
        double rate = flops / (now() - start);
        best = rate > best ? rate : best;
    }
    (void)threads;
    return best * 1e-9;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
#ifndef _OPENMP
    threads = 1;
#endif
    const ptrdiff_t n = 32L << 20; /* three arrays of 128 MB */
    float *a = malloc((size_t)n * sizeof *a), *b = malloc((size_t)n * sizeof *b);
    float *c = malloc((size_t)n * sizeof *c);
    if (!a || !b || !c)
        return 1;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < n; i++)
        a[i] = 0, b[i] = 1, c[i] = 2;

    double triad = 0, read = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        double start = now();
#pragma omp parallel for num_threads(threads) schedule(static)
        for (ptrdiff_t i = 0; i < n; i++)
            a[i] = b[i] + 3.0f * c[i];
        KEEP(a);
        double rate = 12.0 * (double)n / (now() - start);
        triad = rate > triad ? rate : triad;

        /* Four sums, so that no addition waits for the one before it. */
        double total = 0;
        start = now();
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : total)
        for (ptrdiff_t at = 0; at < n; at += BLOCK) {
            vf sums[4] = {{0}};
            for (ptrdiff_t i = at; i < at + BLOCK; i += (ptrdiff_t)(4 * BYTES / sizeof *b)) {
                const vf_anywhere *x = (const vf_anywhere *)(b + i);
                sums[0] += x[0], sums[1] += x[1], sums[2] += x[2], sums[3] += x[3];
            }
            total += (double)(sums[0] + sums[1] + sums[2] + sums[3])[0];
        }
        KEEP(&total);
        rate = 4.0 * (double)n / (now() - start);
        read = rate > read ? rate : read;
    }
    printf("{\"threads\": %d, \"vector_bytes\": %d, \"f32\": %.1f, \"f64\": %.1f, \"triad\": %.1f, "
           "\"read\": %.1f}\n",
           threads, BYTES, run_peak(threads, 0), run_peak(threads, 1), triad * 1e-9, read * 1e-9);
    free(a), free(b), free(c);
    return 0;
}
