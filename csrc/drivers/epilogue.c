/* epilogue.c - what follows a product or a convolution, on rows of its result that have just been
 * written and are in the cache: an activation, a chain (chain.h). */
#include "../gemm.h"
#include "../table.h"

void tg_gemm_finish(tg_epilogue last, ptrdiff_t m, ptrdiff_t n, void *c, ptrdiff_t c_row)
{
    static const int op_of[] = {[TG_ACT_TANH] = TG_UNARY_tanh,
                                [TG_ACT_SIGMOID] = TG_UNARY_sigmoid,
                                [TG_ACT_GELU_TANH] = TG_UNARY_gelu_tanh};
    const int active = last.act != TG_ACT_NONE && last.act != TG_ACT_RELU;
    if (n == 0)
        return;
    if (c_row == n) { /* contiguous: one long row */
        n *= m;
        m = 1;
    }
    for (ptrdiff_t i = 0; active && i < m; i++) {
        if (last.dtype == TG_F32) {
            float *row = (float *)c + i * c_row;
            tg_active->unary_f32[op_of[last.act]](n, row, row);
        } else {
            double *row = (double *)c + i * c_row;
            tg_active->unary_f64[op_of[last.act]](n, row, row);
        }
    }
    if (last.chain)
        tg_chain_run(last.chain, c, m, n, c_row);
}
