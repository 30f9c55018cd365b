/* table.h - the kernels that exist once per instruction set, as one struct of function pointers.
 *
 * A family states its kernels in one list, TG_TABLE_<FAMILY>(K, A, N, T), where T is float or
 * double:
 *     K(name, (parameters))            a kernel: field `name_f32` / `name_f64`, function TG_FN(name)
 *     A(name, OPS, (parameters))       a kernel per operation of the list TG_<OPS> of tg.h: the array
 *                                      `name_f32[TG_N_<OPS>]` of functions TG_FN(name_<operation>)
 *     N(name)                          a number, for instance a tile size: `enum { TG_FN(name) = 6 }`
 * and adds itself to TG_TABLE below and its header to kernels/all.h. Struct, and tables of every ISA,
 * follow from the lists; a kernel that is missing is a compile error. All return void.
 *
 * Drivers say `tg_active->unary_f32[op](n, y, x)`.
 */
#ifndef TG_TABLE_H
#define TG_TABLE_H

#include "tg.h"

/* Contiguous y and x; y == x is allowed, as is y == a or y == b. A binary operand of stride 0 is one
 * number for all (sa, sb are 0 or 1). */
#define TG_TABLE_ELEMENTWISE(K, A, N, T)                                                           \
    A(unary, UNARY, (ptrdiff_t n, T * y, const T *x))                                              \
    A(binary, BINARY, (ptrdiff_t n, T * y, const T *a, ptrdiff_t sa, const T *b, ptrdiff_t sb))    \
    A(compare, COMPARE,                                                                            \
      (ptrdiff_t n, uint8_t *y, const T *a, ptrdiff_t sa, const T *b, ptrdiff_t sb))

#define TG_TABLE(K, A, N, T)

#define TG_FIELD_K_F32(name, parameters) void(*name##_f32) parameters;
#define TG_FIELD_K_F64(name, parameters) void(*name##_f64) parameters;
#define TG_FIELD_A_F32(name, OPS, parameters) void(*name##_f32[TG_N_##OPS]) parameters;
#define TG_FIELD_A_F64(name, OPS, parameters) void(*name##_f64[TG_N_##OPS]) parameters;
#define TG_FIELD_N_F32(name) ptrdiff_t name##_f32;
#define TG_FIELD_N_F64(name) ptrdiff_t name##_f64;

typedef struct {
    const char *isa;
    ptrdiff_t lanes_f32, lanes_f64;
    TG_TABLE(TG_FIELD_K_F32, TG_FIELD_A_F32, TG_FIELD_N_F32, float)
    TG_TABLE(TG_FIELD_K_F64, TG_FIELD_A_F64, TG_FIELD_N_F64, double)
} tg_table;

/* The table in use. It changes only by tg_isa_select, which nobody calls while kernels run. */
extern const tg_table *tg_active;

#endif
