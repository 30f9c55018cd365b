/* baseline.c - the kernels for any machine, one lane; the compiler vectorises the plain loops.
 * Compiled with its own flags (setup.py). */
#define TG_ISA baseline
#define TG_VEC_HEADER "vec_scalar.h"
#include "../kernels/all.h"
