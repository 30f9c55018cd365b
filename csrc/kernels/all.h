/* all.h - every kernel, compiled for the ISA of the stub that includes this file, and at the end
 * the table of them. Kernel headers have no include guards: each is included for float, then for
 * double.
 */
#include "../table.h"
#include "../vec/vec.h"

#include "../vec/math.h"

#include "integer.h"

#include "../vec/f32.h"
#include "each.h"

#include "../vec/f64.h"
#include "each.h"

#define TG_STRING_(x) #x
#define TG_STRING(x) TG_STRING_(x)
#define TG_ENTRY_ONCE(name, parameters) .name = TG_ONCE(name),
#define TG_ENTRY_K(name, parameters) .TG_FIELD(name) = TG_FN(name),
#define TG_ENTRY_N(name) .TG_FIELD(name) = TG_FN(name),
#define TG_ENTRY_A(name, OPS, parameters) .TG_FIELD(name) = {TG_##OPS(TG_ENTRY_##OPS)},
#define TG_ENTRY_UNARY(op) [TG_UNARY_##op] = TG_FN(unary_##op),
#define TG_ENTRY_BINARY(op) [TG_BINARY_##op] = TG_FN(binary_##op),
#define TG_ENTRY_COMPARE(op) [TG_COMPARE_##op] = TG_FN(compare_##op),
#define TG_ENTRY_REDUCE(op) [TG_REDUCE_##op] = TG_FN(reduce_##op),

#define TG_TABLE_OF_(isa) tg_table__##isa
#define TG_TABLE_OF(isa) TG_TABLE_OF_(isa)

extern const tg_table TG_TABLE_OF(TG_ISA);
/* clang-format off */
const tg_table TG_TABLE_OF(TG_ISA) = {
    .isa = TG_STRING(TG_ISA),
    .lanes_f32 = VF_LANES,
    .lanes_f64 = VD_LANES,
    TG_TABLE_ONCE(TG_ENTRY_ONCE)
#include "../vec/f32.h"
    TG_TABLE(TG_ENTRY_K, TG_ENTRY_A, TG_ENTRY_N, float)
#include "../vec/f64.h"
    TG_TABLE(TG_ENTRY_K, TG_ENTRY_A, TG_ENTRY_N, double)
};
/* clang-format on */
