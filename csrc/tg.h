/* tg.h - all that the Python side sees of the C core.
 *
 * A kernel call is data: `tg_call` names a driver and holds its arrays (outputs first) and its
 * numbers. `tg_run` executes one call. The same struct is run at once (eager) or kept in a list
 * (a plan), so no driver takes its arguments in any other way.
 *
 * Contract of a call: the caller has checked shapes and dtypes; C asserts nothing about them and
 * returns a status only for what just running can find out (an index out of range, no memory).
 */
#ifndef TG_H
#define TG_H

#include <stddef.h>
#include <stdint.h>

#define TG_MAX_NDIM 8
#define TG_MAX_ARRAYS 12
#define TG_MAX_INTS 20
#define TG_MAX_FLOATS 8

typedef enum { TG_F32, TG_F64, TG_I64, TG_I32, TG_U8 } tg_dtype; /* TG_U8 also holds bool */

/* A strided array: strides count elements, not bytes, and may be negative or zero. */
typedef struct {
    void *data;
    int32_t ndim;
    int32_t dtype; /* tg_dtype */
    ptrdiff_t shape[TG_MAX_NDIM];
    ptrdiff_t strides[TG_MAX_NDIM];
} tg_array;

typedef struct {
    int32_t driver;   /* tg_driver */
    int32_t n_arrays; /* an absent optional array has data == NULL */
    tg_array arrays[TG_MAX_ARRAYS];
    ptrdiff_t ints[TG_MAX_INTS];
    double floats[TG_MAX_FLOATS];
} tg_call;

typedef enum { TG_OK, TG_NO_MEMORY, TG_INDEX_OUT_OF_RANGE } tg_status;

/* Each driver is `int tg_<name>(const tg_call *call)`, in drivers/<family>.c, which says what the
 * call holds. */
#define TG_DRIVERS(X)                                                                              \
    X(unary)                                                                                       \
    X(binary)                                                                                      \
    X(compare)                                                                                     \
    X(where)                                                                                       \
    X(fused)                                                                                       \
    X(fused_reduce)                                                                                \
    X(copy)                                                                                        \
    X(reduce)                                                                                      \
    X(arg_reduce)                                                                                  \
    X(top_k)                                                                                       \
    X(scan)                                                                                        \
    X(softmax)                                                                                     \
    X(softmax_grad)                                                                                \
    X(cross_entropy)                                                                               \
    X(cross_entropy_grad)                                                                          \
    X(cross_entropy_both)                                                                          \
    X(take)                                                                                        \
    X(scatter_add)                                                                                 \
    X(take_along_axis)                                                                             \
    X(add_along_axis)                                                                              \
    X(random)                                                                                      \
    X(dropout)                                                                                     \
    X(sgd)                                                                                         \
    X(adam)                                                                                        \
    X(sgd_all)                                                                                     \
    X(adam_all)                                                                                    \
    X(increment)                                                                                   \
    X(matmul)                                                                                      \
    X(conv2d)                                                                                      \
    X(conv2d_input_grad)                                                                           \
    X(conv2d_weight_grad)                                                                          \
    X(max_pool2d)                                                                                  \
    X(max_pool2d_gather)                                                                           \
    X(max_pool2d_grad)                                                                             \
    X(average_pool2d)                                                                              \
    X(average_pool2d_grad)                                                                         \
    X(layer_norm)                                                                                  \
    X(layer_norm_grad)                                                                             \
    X(batch_norm)                                                                                  \
    X(batch_norm_grad)                                                                             \
    X(attention)                                                                                   \
    X(attention_grad)                                                                              \
    X(simple_rnn)                                                                                  \
    X(simple_rnn_grad)                                                                             \
    X(lstm)                                                                                        \
    X(lstm_grad)                                                                                   \
    X(gru)                                                                                         \
    X(gru_grad)

typedef enum {
#define TG_ENUM(name) TG_DRIVER_##name,
    TG_DRIVERS(TG_ENUM)
#undef TG_ENUM
        TG_N_DRIVERS
} tg_driver;

#define TG_PROTOTYPE(name) int tg_##name(const tg_call *call);
TG_DRIVERS(TG_PROTOTYPE)
#undef TG_PROTOTYPE

int tg_run(const tg_call *call);
const char *tg_driver_name(int driver);

void tg_init(void); /* once, before anything else: detect the machine, set the defaults */

/* plan.c: run calls[0 .. n-1] in order, in one parallel region (team != 0) or on this thread alone;
 * stops at the first that fails. together[i] is how many calls from i on are independent of each
 * other, 1 if just this one. `nanoseconds`, when not NULL, gets the time of each; `failed` gets the
 * number of the call that failed, if one did. */
int tg_run_plan(const tg_call *calls, const int32_t *together, ptrdiff_t n, int team,
                double *nanoseconds, ptrdiff_t *failed);

/* Elementwise operations: ints[0] in a call of `unary`, `binary`, `compare` or `reduce`. */
/* clang-format off */
#define TG_UNARY(X) \
    X(negative) X(abs) X(sign) X(exp) X(expm1) X(log) X(log1p) X(log2) X(log10) X(sqrt) \
    X(rsqrt) X(square) X(reciprocal) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) \
    X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(erf) X(floor) X(ceil) X(round) X(trunc) \
    X(relu) X(sigmoid) X(softplus) X(silu) X(gelu) X(gelu_tanh)
#define TG_BINARY(X) \
    X(add) X(subtract) X(multiply) X(divide) X(pow) X(maximum) X(minimum) X(atan2) \
    X(logaddexp) X(relu_grad) X(tanh_grad) X(sigmoid_grad) X(silu_grad) X(gelu_grad) \
    X(gelu_tanh_grad)
#define TG_COMPARE(X) \
    X(equal) X(not_equal) X(less) X(less_equal) X(greater) X(greater_equal)
#define TG_REDUCE(X) \
    X(sum) X(mean) X(prod) X(max) X(min)
/* clang-format on */

typedef enum {
#define TG_ENUM(name) TG_UNARY_##name,
    TG_UNARY(TG_ENUM) TG_N_UNARY
#undef TG_ENUM
} tg_unary_op;
typedef enum {
#define TG_ENUM(name) TG_BINARY_##name,
    TG_BINARY(TG_ENUM) TG_N_BINARY
#undef TG_ENUM
} tg_binary_op;
typedef enum {
#define TG_ENUM(name) TG_COMPARE_##name,
    TG_COMPARE(TG_ENUM) TG_N_COMPARE
#undef TG_ENUM
} tg_compare_op;
typedef enum {
#define TG_ENUM(name) TG_REDUCE_##name,
    TG_REDUCE(TG_ENUM) TG_N_REDUCE
#undef TG_ENUM
} tg_reduce_op;

/* The activation folded into the last block of a matmul or convolution. */
typedef enum { TG_ACT_NONE, TG_ACT_RELU, TG_ACT_TANH, TG_ACT_SIGMOID, TG_ACT_GELU_TANH } tg_act;

/* dispatch.c: which instruction set the kernels use. */
const char *tg_isa_name(void);       /* in use: "baseline", "x86_v3", "x86_v4", "neon" */
const char *tg_isa_found(void);      /* space separated, best first */
int tg_isa_select(const char *name); /* NULL: the best. 0, or -1 when this machine lacks it */
const char *tg_compiler(void);

/* drivers/winograd.c: whether float32 convolutions may use it (they may, at first). */
void tg_winograd_set(int on);
int tg_winograd_enabled(void);

/* threads.c */
int tg_openmp(void); /* 1 when built with OpenMP */
int tg_num_threads(void);
void tg_set_num_threads(int n);
void tg_after_fork_in_child(void); /* the child runs serial: a fork copies no workers */

/* alloc.c: 64-byte aligned blocks that are kept for reuse. */
void *tg_alloc(size_t n_bytes);
void tg_free(void *block); /* NULL is allowed */
void tg_empty_cache(void);
void tg_set_cache_limit(size_t n_bytes); /* at most this much is kept for reuse */
void tg_memory_stats(size_t stats[4]);   /* bytes in use, peak in use, bytes cached, reuses */

#endif
