/* table.h - the kernels that exist once per instruction set, as one struct of function pointers.
 *
 * A family states its kernels in one list, TG_TABLE_<FAMILY>(K, A, N, T), where T is float or
 * double:
 *
 *     K(name, (parameters))         a kernel: the field `name_f32` / `name_f64`, of the
 *                                   function TG_FN(name)
 *
 *     A(name, OPS, (parameters))    a kernel per operation of the list TG_<OPS> of tg.h: the array
 *                                   `name_f32[TG_N_<OPS>]` of functions TG_FN(name_<operation>)
 *
 *     N(name)                       a number, such as a tile size: `enum { TG_FN(name) = 6 }`
 *
 * and adds itself to TG_TABLE below and its header to kernels/all.h. Struct, and tables of every
 * ISA, follow from the lists; a kernel that is missing is a compile error. All return void.
 *
 * Drivers say `tg_active->unary_f32[op](n, y, x)`.
 */
#ifndef TG_TABLE_H
#define TG_TABLE_H

#include "attention.h"
#include "depthwise.h"
#include "gemm.h"
#include "planar.h"
#include "pooling.h"
#include "recurrent.h"
#include "tg.h"

/* Rows of the operands y, a, b: elements from one row to the next, and from one number of a row to
 * the next: 1 for y, and for a and b 1, or 0 for one number in the whole row. */
typedef struct {
    ptrdiff_t y_row, a_row, b_row, a_step, b_step;
} tg_binary_rows;

/* A single row, of both a and b; of a, and b is a number. */
#define TG_ONE_ROW (&(tg_binary_rows){.a_step = 1, .b_step = 1})
#define TG_ONE_ROW_AND_NUMBER (&(tg_binary_rows){.a_step = 1})

/* Contiguous y and x; y == x is allowed, as is y == a or y == b. A compared operand of stride 0 is
 * one number for all (sa, sb are 0 or 1). */
#define TG_TABLE_ELEMENTWISE(K, A, N, T)                                                           \
    A(unary, UNARY, (ptrdiff_t n, T *y, const T *x))                                               \
    A(binary, BINARY,                                                                              \
      (ptrdiff_t n_rows, ptrdiff_t n, T *y, const T *a, const T *b, const tg_binary_rows *rows))   \
    A(compare, COMPARE,                                                                            \
      (ptrdiff_t n, uint8_t *y, const T *a, ptrdiff_t sa, const T *b, ptrdiff_t sb))               \
    K(where, (ptrdiff_t n, T *y, const uint8_t *condition, ptrdiff_t sc, const T *a, ptrdiff_t sa, \
              const T *b, ptrdiff_t sb))                                                           \
    K(transpose,                                                                                   \
      (ptrdiff_t n_rows, ptrdiff_t n_cols, T *y, ptrdiff_t y_row, const T *x, ptrdiff_t x_row))

/* A row of one matrix that is added to a row of another. */
typedef struct {
    ptrdiff_t from, to;
} tg_row_move;

/* See kernels/reduction.h, extreme.h, top.h, scan.h, scatter.h, softmax.h, random.h, optimizer.h.
 */
#define TG_TABLE_REDUCTION(K, A, N, T)                                                             \
    A(reduce, REDUCE,                                                                              \
      (int columns, ptrdiff_t n_rows, ptrdiff_t n, T *y, const T *x, ptrdiff_t x_row))             \
    K(find_first, (ptrdiff_t n, const T *x, T value, ptrdiff_t *index))                            \
    K(arg_row, (int largest, ptrdiff_t n, ptrdiff_t *index, const T *x))                           \
    K(top_row, (ptrdiff_t n, ptrdiff_t k, int64_t *index, T *heap, const T *x))                    \
    K(arg_rows, (int largest, ptrdiff_t n_rows, ptrdiff_t n, int64_t *index, const T *x))          \
    K(arg_columns, (int largest, ptrdiff_t n_rows, ptrdiff_t n, T *best, int64_t *index,           \
                    const T *x, ptrdiff_t x_row))                                                  \
    K(arg_merge, (ptrdiff_t n, T *best, int64_t *index, const T *other, const int64_t *place,      \
                  ptrdiff_t step, ptrdiff_t first))                                                \
    K(cumsum_rows, (ptrdiff_t n_rows, ptrdiff_t n, T *y, const T *x))                              \
    K(cumprod_rows, (ptrdiff_t n_rows, ptrdiff_t n, T *y, const T *x))                             \
    K(cumsum_columns, (ptrdiff_t n_rows, ptrdiff_t width, ptrdiff_t step, T *y, const T *x))       \
    K(cumprod_columns, (ptrdiff_t n_rows, ptrdiff_t width, ptrdiff_t step, T *y, const T *x))      \
    K(clear, (ptrdiff_t n, T *y))                                                                  \
    K(scatter_add_rows, (ptrdiff_t n_cleared, T *cleared, ptrdiff_t n, const tg_row_move *moves,   \
                         ptrdiff_t width, const T *g, T *y))

#define TG_TABLE_SOFTMAX(K, A, N, T)                                                               \
    K(softmax, (ptrdiff_t n_rows, ptrdiff_t n, T *y, const T *x))                                  \
    K(log_softmax, (ptrdiff_t n_rows, ptrdiff_t n, T *y, const T *x))                              \
    K(softmax_grad, (ptrdiff_t n_rows, ptrdiff_t n, T *gx, const T *g, const T *y))                \
    K(log_softmax_grad, (ptrdiff_t n_rows, ptrdiff_t n, T *gx, const T *g, const T *y))            \
    K(softmax_columns,                                                                             \
      (int is_log, ptrdiff_t n, ptrdiff_t width, ptrdiff_t row, T *y, const T *x))                 \
    K(softmax_grad_columns,                                                                        \
      (int is_log, ptrdiff_t n, ptrdiff_t width, ptrdiff_t row, T *gx, const T *g, const T *y))    \
    K(row_log_sum, (ptrdiff_t n_rows, ptrdiff_t n, T *m, T *log_sum, const T *x))                  \
    K(cross_entropy_grad, (ptrdiff_t n, T *gx, const T *x, T lse, T g))

#define TG_TABLE_RANDOM(K, A, N, T)                                                                \
    K(uniform, (ptrdiff_t n, T *y, uint64_t seed, uint64_t counter))                               \
    K(normal, (ptrdiff_t n, T *y, uint64_t seed, uint64_t counter))                                \
    K(dropout, (ptrdiff_t n, T *y, uint8_t *mask, const T *x, uint64_t seed, uint64_t counter,     \
                double threshold, double scale))

#define TG_TABLE_OPTIMIZER(K, A, N, T)                                                             \
    K(sgd, (ptrdiff_t n, T *p, T *v, const T *g, const T *c, int nesterov))                        \
    K(adam, (ptrdiff_t n, T *p, T *m, T *v, T *vhat, const T *g, const T *c))

/* See gemm.h and kernels/matmul.h. */
#define TG_TABLE_MATMUL(K, A, N, T)                                                                \
    N(gemm_panel)                                                                                  \
    K(gemm_block, (const tg_gemm_block *block))                                                    \
    K(gemm_rows, (const tg_gemm_block *block))                                                     \
    K(gemm_pack_a,                                                                                 \
      (ptrdiff_t m, ptrdiff_t k, const T *a, ptrdiff_t a_row, ptrdiff_t a_col, T *out))            \
    K(gemm_pack_b, (ptrdiff_t k, ptrdiff_t n, const T *b, ptrdiff_t b_row, ptrdiff_t b_col,        \
                    T *out, ptrdiff_t panel))                                                      \
    K(gemm_dot, (ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const T *a, ptrdiff_t a_row, const T *bt,  \
                 ptrdiff_t bt_row, T *c, ptrdiff_t c_row, ptrdiff_t c_col))

/* See kernels/normalization.h. */
#define TG_TABLE_NORMALIZATION(K, A, N, T)                                                         \
    K(layer_norm, (ptrdiff_t n_rows, ptrdiff_t d, T *y, T *mean, T *rstd, const T *x,              \
                   const T *gamma, const T *beta, double epsilon))                                 \
    K(rms_norm, (ptrdiff_t n_rows, ptrdiff_t d, T *y, T *mean, T *rrms, const T *x,                \
                 const T *gamma, const T *beta, double epsilon))                                   \
    K(layer_norm_grad, (ptrdiff_t n_rows, ptrdiff_t d, T *gx, T *ggamma, T *gbeta, const T *g,     \
                        const T *x, const T *gamma, const T *mean, const T *rstd))                 \
    K(rms_norm_grad, (ptrdiff_t n_rows, ptrdiff_t d, T *gx, T *ggamma, T *gbeta, const T *g,       \
                      const T *x, const T *gamma, const T *mean, const T *rrms))                   \
    K(column_moments, (ptrdiff_t n_rows, ptrdiff_t width, T *mean, T *m2, const T *x))             \
    K(column_sums, (ptrdiff_t n_rows, ptrdiff_t width, T *sum_g, T *sum_gc, const T *g,            \
                    const T *x, const T *mean))                                                    \
    K(normalize_columns, (ptrdiff_t n_rows, ptrdiff_t width, T *y, const T *x, const T *mean,      \
                          const T *scale, const T *shift))                                         \
    K(normalize_columns_grad, (ptrdiff_t n_rows, ptrdiff_t width, T *gx, const T *g, const T *x,   \
                               const T *mean, const T *a, const T *b, const T *c))

/* See attention.h and recurrent.h, here and in kernels/. */
#define TG_TABLE_ATTENTION(K, A, N, T)                                                             \
    K(attention, (const tg_attention_part *part))                                                  \
    K(attention_grad, (const tg_attention_part *part))

#define TG_TABLE_RECURRENT(K, A, N, T)                                                             \
    K(simple_rnn, (const tg_recurrent_part *part))                                                 \
    K(simple_rnn_grad, (const tg_recurrent_part *part))                                            \
    K(lstm, (const tg_recurrent_part *part))                                                       \
    K(lstm_grad, (const tg_recurrent_part *part))                                                  \
    K(gru, (const tg_recurrent_part *part))                                                        \
    K(gru_grad, (const tg_recurrent_part *part))

/* See kernels/convolution.h. */
#define TG_TABLE_CONVOLUTION(K, A, N, T)                                                           \
    K(depthwise, (const tg_depthwise_part *part))                                                  \
    K(depthwise_weight_grad, (const tg_depthwise_part *part))                                      \
    K(planar, (const tg_planar_part *part))                                                        \
    K(conv_add_shares, (ptrdiff_t n, ptrdiff_t n_taps, ptrdiff_t c, const T *shares,               \
                        ptrdiff_t share_step, T *row, ptrdiff_t step, ptrdiff_t tap_step))

/* See kernels/pooling.h. */
#define TG_TABLE_POOLING(K, A, N, T)                                                               \
    K(max_pool, (const tg_pool_row *p, const T *x, T *y, void *index))                             \
    K(max_pool_gather, (const tg_pool_row *p, const T *x, const void *index, T *room, T *y))       \
    K(max_pool_grad, (const tg_pool_scatter *p, const T *g, const void *index, T *gx))             \
    K(average_pool, (const tg_pool_row *p, const T *x, T *y))                                      \
    K(average_pool_grad, (const tg_pool_row *p, const T *g, T *gx))

/* See kernels/winograd.h. */
#define TG_WINO_SPREAD_ARGS(T)                                                                     \
    (ptrdiff_t c, const T *x, ptrdiff_t row, ptrdiff_t col, const ptrdiff_t *inside, int line,     \
     T *out, ptrdiff_t step, ptrdiff_t panel)
#define TG_WINO_GATHER_ARGS(T)                                                                     \
    (ptrdiff_t c, const T *m, ptrdiff_t step, int line, T *y, ptrdiff_t row, ptrdiff_t col,        \
     ptrdiff_t rows, ptrdiff_t cols, const T *bias, int relu)
#define TG_TABLE_WINOGRAD(K, A, N, T)                                                              \
    K(wino_input, TG_WINO_SPREAD_ARGS(T))                                                          \
    K(wino_spread3, TG_WINO_SPREAD_ARGS(T))                                                        \
    K(wino_spread4, TG_WINO_SPREAD_ARGS(T))                                                        \
    K(wino_gather3, TG_WINO_GATHER_ARGS(T))                                                        \
    K(wino_gather4, TG_WINO_GATHER_ARGS(T))

/* Kernels of any dtype, once per instruction set: K(name, (parameters)) is the field `name`. See
 * kernels/integer.h. */
#define TG_TABLE_ONCE(K)                                                                           \
    K(cast, (int to, int truth, int from, ptrdiff_t n, void *y, const void *x))                    \
    K(compare_integers, (int op, int dtype, ptrdiff_t n, uint8_t *y, const void *a, ptrdiff_t sa,  \
                         const void *b, ptrdiff_t sb))                                             \
    K(binary_integers, (int op, int dtype, ptrdiff_t n, void *y, const void *a, ptrdiff_t sa,      \
                        const void *b, ptrdiff_t sb))                                              \
    K(reduce_integers, (int op, ptrdiff_t n_rows, ptrdiff_t n, int64_t *y, const int64_t *x))      \
    K(indices_fit, (int dtype, ptrdiff_t n, const void *indices, int64_t limit, int *fit))

#define TG_TABLE(K, A, N, T)                                                                       \
    TG_TABLE_ELEMENTWISE(K, A, N, T)                                                               \
    TG_TABLE_REDUCTION(K, A, N, T)                                                                 \
    TG_TABLE_SOFTMAX(K, A, N, T)                                                                   \
    TG_TABLE_RANDOM(K, A, N, T)                                                                    \
    TG_TABLE_OPTIMIZER(K, A, N, T)                                                                 \
    TG_TABLE_CONVOLUTION(K, A, N, T)                                                               \
    TG_TABLE_MATMUL(K, A, N, T)                                                                    \
    TG_TABLE_WINOGRAD(K, A, N, T)                                                                  \
    TG_TABLE_POOLING(K, A, N, T)                                                                   \
    TG_TABLE_NORMALIZATION(K, A, N, T)                                                             \
    TG_TABLE_ATTENTION(K, A, N, T)                                                                 \
    TG_TABLE_RECURRENT(K, A, N, T)

#define TG_FIELD_ONCE(name, parameters) void(*name) parameters;
#define TG_FIELD_K_F32(name, parameters) void(*name##_f32) parameters;
#define TG_FIELD_K_F64(name, parameters) void(*name##_f64) parameters;
#define TG_FIELD_A_F32(name, OPS, parameters) void(*name##_f32[TG_N_##OPS]) parameters;
#define TG_FIELD_A_F64(name, OPS, parameters) void(*name##_f64[TG_N_##OPS]) parameters;
#define TG_FIELD_N_F32(name) ptrdiff_t name##_f32;
#define TG_FIELD_N_F64(name) ptrdiff_t name##_f64;

typedef struct {
    const char *isa;
    ptrdiff_t lanes_f32, lanes_f64;
    TG_TABLE_ONCE(TG_FIELD_ONCE)
    TG_TABLE(TG_FIELD_K_F32, TG_FIELD_A_F32, TG_FIELD_N_F32, float)
    TG_TABLE(TG_FIELD_K_F64, TG_FIELD_A_F64, TG_FIELD_N_F64, double)
} tg_table;

/* The table in use. It changes only by tg_isa_select, which nobody calls while kernels run. */
extern const tg_table *tg_active;

/* n numbers of y = 0. */
static inline void tg_clear(int dtype, ptrdiff_t n, void *y)
{
    if (dtype == TG_F32)
        tg_active->clear_f32(n, y);
    else
        tg_active->clear_f64(n, y);
}

#endif
