/* neon.c - the kernels for AArch64, where NEON is always present. Compiled with its own flags
 * (setup.py). */
#define TG_ISA neon
#define TG_VEC_HEADER "vec_neon.h"
#include "../kernels/all.h"
