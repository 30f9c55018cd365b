/* matmul_path.c - which path a matrix product takes (matmul.c goes it).
 *
 * Nine paths, chosen by shape:
 *   outer   a column times a row: no sums;
 *   dot     results of up to 4 columns (or rows, against a transposed B), with long sums and
 *           AVX-512 up to 7, or 15 when nothing is to be turned: dot products of contiguous rows,
 *           since a vector along so few columns would be mostly empty;
 *   turned  few columns of a transposed A: as rows of C^T = B^T A^T, where vectors are full, a
 *           large A streamed like the B of the rows path;
 *   rows    up to 6 rows against a B of long rows that lie 4 KB apart or are many, or of short ones
 *           and more than 1 MB, and one row against 64 KB and more: they are streamed past sums in
 *           the caches; a task takes some columns where rows are long and sums short, else some
 *           terms, and its sums are parts of the result;
 *   deep    a long sum into a small C: some of the terms by each task, which packs A and B block
 *           after block of them and adds up a C of its own;
 *   direct  A and B are read where they lie: products of few rows with a B of up to 1 MB, and all
 *           with a B of up to 3 MB when a panel is two cache lines wide (AVX-512): a tile of 10
 *           rows then computes for 20 cycles on what one cycle loads, so B may come from the
 *           second-level cache. So may a tall B of short rows in a gradient of weights, whose few
 *           rows would not pay for packing it. With panels of one line (AVX2) only a small B that
 *           lies well can be left unpacked;
 *   local   each task packs the columns that it works on, 8 panels at a time, and reads A where
 *           it lies: an A of up to 1 MB, which every task then finds in its second-level cache,
 *           and batches. What is packed is used at once, out of the cache, in the same region; of
 *           a B that comes from afar, wide pieces are packed, and A with them, block after block of
 *           a long sum;
 *   packed  B is packed once, by all threads, into panels (a transposed B on the way through
 *           registers), then each task packs its rows of A and runs the block kernel: large
 *           products; and, block after block of a sum, transposed A against some columns.
 */
#include "../gemm.h"
#include "../table.h"
#include "../tg.h"

#define DOT_COLUMNS 4          /* dot products for up to so many in any case */
#define LANES_SUM 10.0         /* fma in the time of adding up the lanes of a vector */
#define LANES_TURNED 0.7       /* the same per row, for a single column, where rows are turned */
#define TURNED_COLUMNS 8       /* at most, for the turned path */
#define STREAMED_ROWS 6        /* at most, for the rows path */
#define LONG_ROW 192           /* of B, which is streamed for a single row of A */
#define DIRECT_BYTES (3 << 20) /* of B, at most, to be read where it lies */
#define TALL_BYTES (16 << 20)  /* the same in a gradient of weights */
#define TALL_ROWS 128          /* of its transposed A, at most */
#define FAR_BYTES (1 << 20)    /* of B, from which on it is in no second-level cache */
#define FAR_COLUMNS_BYTES (2 << 20) /* the same of a transposed A */
#define DEEP_RESULTS (1 << 18)      /* at most, for a task to add up all of them */
#define LOCAL_ROWS_BYTES (1 << 20)  /* of A, at most, for each task to read all of it */

/* For `few` columns a tile's vectors are mostly empty. A dot product has full ones, but loads two
 * for every fma or so, and ends in a sum over their lanes: for a single column, whose sums are
 * taken for a square of rows at once, it pays from a few terms on. Where both factors lie as it
 * reads them, a tile would have to pack one of them; with registers for 16 sums (AVX-512) the dot
 * product then pays up to more columns. */
static int dots_pay(const tg_gemm_problem *p, ptrdiff_t few)
{
    const double k = (double)p->k, lanes = (double)tg_gemm_panel(p->dtype) / 2;
    const int wide = tg_gemm_panel(p->dtype) * tg_gemm_item(p->dtype) >= 128;
    const double cost = wide && p->a_col == 1 && p->b_row == 1 ? 1 : 2;
    const double sum = few == 1 ? LANES_TURNED : LANES_SUM;
    return (few <= DOT_COLUMNS && p->k >= 32) || (double)few * (cost * k / lanes + sum) < k;
}

int tg_gemm_is_strewn(const tg_gemm_problem *p)
{
    const ptrdiff_t nr = tg_gemm_panel(p->dtype), size = tg_gemm_item(p->dtype),
                    far = p->a_col * size;
    return nr * size == 64 && p->a_row == 1 && far >= 1024 && p->k >= 128 && p->m >= 192 &&
           p->n > 2 * nr && p->n <= 8 * nr;
}

int tg_gemm_is_far(const tg_gemm_problem *p)
{
    const double bytes = (double)p->k * (double)p->n * (double)tg_gemm_item(p->dtype);
    return p->b_col == 1 && bytes > FAR_BYTES && p->k > tg_gemm_depth(p->k);
}

/* Worth packing both factors for, when one of them is far and would else be met in short pieces. */
static int is_deep(const tg_gemm_problem *p)
{
    const double term = (double)p->k * (double)tg_gemm_item(p->dtype);
    const int columns = p->a_row == 1 && p->a_col != 1; /* of A are contiguous */
    const int far =
        (double)p->n * term > FAR_BYTES || (columns && (double)p->m * term > FAR_COLUMNS_BYTES);
    const ptrdiff_t least = columns ? TURNED_COLUMNS : tg_gemm_panel(p->dtype);
    return p->k >= 2 * TG_DEEP_TERMS && p->c_row == p->n && p->m > STREAMED_ROWS && far &&
           p->n > least && (double)p->m * (double)p->n <= DEEP_RESULTS;
}

int tg_gemm_path(const tg_gemm_problem *p, ptrdiff_t n_batch)
{
    if (p->k == 0)
        return TG_PATH_DIRECT;
    if (p->k == 1 && p->b_col == 1 && !p->bias && p->act == TG_ACT_NONE)
        return TG_PATH_OUTER;
    if (p->a_col == 1 && dots_pay(p, p->n))
        return TG_PATH_DOT;
    if (p->b_row == 1 && p->b_col != 1 && dots_pay(p, p->m))
        return TG_PATH_DOT_TRANSPOSED;
    if (p->a_row == 1 && p->a_col != 1 && p->n <= TURNED_COLUMNS && p->m >= 4 * p->n)
        return TG_PATH_TURNED;
    if (n_batch == 1 && is_deep(p))
        return TG_PATH_DEEP;
    const double size = (double)tg_gemm_item(p->dtype), bytes = (double)p->k * (double)p->n * size;
    const ptrdiff_t nr = tg_gemm_panel(p->dtype);
    if (p->b_col == 1) {
        /* Rows of B that lie a power of two apart meet in few sets of the caches. */
        const ptrdiff_t apart = p->b_row * tg_gemm_item(p->dtype);
        double streamed = apart % 4096 == 0 ? 64 << 10 : apart % 1024 == 0 ? 2 << 20 : 8 << 20;
        if (p->m == 1 && p->n >= LONG_ROW) /* a tile of one row loads more than it computes */
            streamed = 64 << 10;
        if (p->n < 128) /* short rows come from the caches as fast for a tile */
            streamed = FAR_BYTES;
        if (p->m <= STREAMED_ROWS && p->n > nr && bytes > streamed)
            return TG_PATH_ROWS;
        /* Few rows use a panel too rarely to pay for packing it, unless B comes from far away,
         * which takes long pieces of its rows faster than those of a panel; and with few columns
         * tasks are cut along the rows, each of which would pack all of B. */
        if ((p->m < (p->n < 4 * nr ? 48 : 26) && bytes <= FAR_BYTES) || p->n <= nr)
            return TG_PATH_DIRECT;
        /* A row of a panel of two cache lines comes from the second-level cache in the time that
         * its fma take; one line does not, when rows that lie badly or are many push each other out
         * of the first level. */
        int lies_badly = apart % 1024 == 0 || bytes > 128 * 1024;
        int tall = p->a_row == 1 && p->m <= TALL_ROWS && apart >= 1024 && apart <= 2048;
        double most = tall ? TALL_BYTES : DIRECT_BYTES;
        if (nr * tg_gemm_item(p->dtype) >= 128 ? bytes <= most : !lies_badly)
            return TG_PATH_DIRECT;
    }
    /* Columns of a transposed A that lie a large power of two apart share few sets of the cache. */
    int scattered = p->a_row == 1 && p->a_col * tg_gemm_item(p->dtype) % 2048 == 0 && p->k >= 64;
    int fits = (double)p->m * (double)p->k * size <= LOCAL_ROWS_BYTES && !scattered;
    return n_batch > 1 || fits ? TG_PATH_LOCAL : TG_PATH_PACKED;
}
