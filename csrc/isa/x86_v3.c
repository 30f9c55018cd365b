/* x86_v3.c - the kernels for x86-64-v3 (AVX2, FMA, BMI2): 2013 onwards. Compiled with its own flags
 * (setup.py). */
#define TG_ISA x86_v3
#define TG_VEC_HEADER "vec_avx2.h"
#include "../kernels/all.h"
