/* x86_v4.c - the kernels for x86-64-v4 (AVX-512 F, BW, DQ, VL). Compiled with its own flags
 * (setup.py). */
#define TG_ISA x86_v4
#define TG_VEC_HEADER "vec_avx512.h"
#include "../kernels/all.h"
