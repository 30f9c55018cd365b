/* alloc.c - a caching allocator for arrays: 64-byte aligned blocks that are kept for reuse.
 *
 * Training allocates the same sizes again and again. A fresh large block costs a system call and a
 * page fault per 4 KB of it (0.1 to 0.25 us each, several times what the arithmetic costs); a block
 * from the cache costs some tens of nanoseconds and is often still in the processor's caches.
 *
 * Sizes are rounded up to a class: 64, 128, 192, 256, then four classes per power of two
 * (2^k * 1, 1.25, 1.5, 1.75), so at most 25 % is unused and a class fits many shapes. Each class
 * has a list, last freed first out. All cached blocks are also on one list by age: when more than
 * the limit is cached, the oldest go back to the system.
 *
 * From 2 MB up blocks come from mmap, aligned to 2 MB with MADV_HUGEPAGE: far fewer page faults and
 * TLB misses.
 *
 * Blocks from 64 KB up start at a multiple of 512 bytes past a page, by turns at another one, but
 * never at its beginning, where other allocators' large blocks start. Two arrays that are walked
 * together then lie either the same distance past a page or at least 512 bytes apart, so that not
 * all of them (Adam: four) are found in the same set of the cache, and a load is not taken to want
 * what a store some bytes behind it writes: the processor compares the last 12 bits of the two
 * addresses first, and an output 64 to 256 bytes further past its page than the input costs up to
 * half as much again.
 *
 * A header of 64 bytes stands before the block and outside its size class. One lock guards it all;
 * it is held for a few list operations and never across a system call.
 */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* madvise, posix_memalign under -std=c11 */
#endif
#include <stdint.h>
#include <stdlib.h>

#include "internal.h"
#include "system.h"
#include "tg.h"

#if defined(_WIN32)
#include <malloc.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

enum { ALIGN = 64, N_CLASSES = 4 + 4 * 48, PAGE = 4096, COLOUR = 512 };
static const size_t LARGE_SIZE = (size_t)64 << 10, HUGE_SIZE = (size_t)2 << 20;

typedef struct header {
    struct header *next, *previous; /* of the same class, last freed first */
    struct header *newer, *older;   /* all cached blocks by age */
    void *base;
    size_t mapped;
    int32_t size_class;
} header;
_Static_assert(sizeof(header) <= ALIGN, "the header must fit before an aligned block");

static tg_lock lock = TG_LOCK_INIT;
static header *cached[N_CLASSES];
static header *newest, *oldest;
static size_t bytes_in_use, bytes_peak, bytes_cached, n_reuses;
static size_t cache_limit = (size_t)1 << 31;

/* ---- the system: `*mapped` is the size of a mapping, or 0 for a block of the C library ----------
 */

#if defined(_WIN32)
void *tg_system_alloc(size_t n_bytes, size_t room, void **base, size_t *mapped)
{
    *mapped = 0;
    *base = _aligned_malloc(n_bytes + room, ALIGN);
    return *base ? (char *)*base + room : NULL;
}

void tg_system_free(void *base, size_t mapped)
{
    (void)mapped;
    _aligned_free(base);
}
#else
/* How far past a page the next large block starts: room for a header, too. */
static size_t next_colour(void)
{
    static _Atomic unsigned n_blocks;
    return COLOUR * (1 + n_blocks++ % (PAGE / COLOUR - 1));
}

static void *map_huge(size_t n_bytes, void **base, size_t *mapped)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = next_colour();
    size_t wanted = (before + n_bytes + page - 1) / page * page;
    char *start =
        mmap(NULL, wanted + HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    char *aligned = (char *)(((uintptr_t)start + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE);
    if (aligned > start)
        munmap(start, (size_t)(aligned - start));
    if (start + HUGE_SIZE > aligned)
        munmap(aligned + wanted, (size_t)(start + HUGE_SIZE - aligned));
#if defined(MADV_HUGEPAGE)
    madvise(aligned, wanted, MADV_HUGEPAGE);
#endif
    *base = aligned;
    *mapped = wanted;
    return aligned + before;
}

void *tg_system_alloc(size_t n_bytes, size_t room, void **base, size_t *mapped)
{
    if (n_bytes >= HUGE_SIZE)
        return map_huge(n_bytes, base, mapped);
    *mapped = 0;
    if (n_bytes >= LARGE_SIZE) {
        int status = posix_memalign(base, PAGE, n_bytes + PAGE);
        return status == 0 ? (char *)*base + next_colour() : NULL;
    }
    return posix_memalign(base, ALIGN, n_bytes + room) == 0 ? (char *)*base + room : NULL;
}

void tg_system_free(void *base, size_t mapped)
{
    if (mapped)
        munmap(base, mapped);
    else
        free(base);
}
#endif

/* ---- size classes -------------------------------------------------------------------------------
 */

/* Class 0..3: 64, 128, 192, 256. Class 4 + 4 (k - 8) + j: 2^k (1 + (j + 1) / 4) for k >= 8. */
static int class_of(size_t n_bytes)
{
    if (n_bytes <= 256)
        return n_bytes ? (int)((n_bytes - 1) / 64) : 0;
    int k = 8;
    while ((n_bytes - 1) >> (k + 1))
        k++;
    return 4 + 4 * (k - 8) + (int)(((n_bytes - 1) >> (k - 2)) & 3);
}

static size_t class_size(int size_class)
{
    if (size_class < 4)
        return (size_t)64 * (size_t)(size_class + 1);
    int k = 8 + (size_class - 4) / 4, j = (size_class - 4) % 4;
    return ((size_t)(j + 5)) << (k - 2);
}

/* ---- the cache; every function here is called with the lock held --------------------------------
 */

static void push(header *h)
{
    h->previous = NULL;
    h->next = cached[h->size_class];
    if (h->next)
        h->next->previous = h;
    cached[h->size_class] = h;
    h->newer = NULL;
    h->older = newest;
    *(newest ? &newest->newer : &oldest) = h;
    newest = h;
    bytes_cached += class_size(h->size_class);
}

static void take_out(header *h)
{
    *(h->previous ? &h->previous->next : &cached[h->size_class]) = h->next;
    if (h->next)
        h->next->previous = h->previous;
    *(h->newer ? &h->newer->older : &newest) = h->older;
    *(h->older ? &h->older->newer : &oldest) = h->newer;
    bytes_cached -= class_size(h->size_class);
}

/* Take the oldest blocks out until at most `limit` bytes are cached; a list linked by `next`. */
static header *take_oldest(size_t limit)
{
    header *list = NULL;
    while (bytes_cached > limit) {
        header *h = oldest;
        take_out(h);
        h->next = list;
        list = h;
    }
    return list;
}

/* ---- public -------------------------------------------------------------------------------------
 */

static void give_back(header *list)
{
    while (list) {
        header *next = list->next;
        tg_system_free(list->base, list->mapped);
        list = next;
    }
}

static header *from_system(int size_class)
{
    void *base;
    size_t mapped;
    char *block = tg_system_alloc(class_size(size_class), ALIGN, &base, &mapped);
    if (!block)
        return NULL;
    header *h = (header *)(block - ALIGN);
    h->base = base;
    h->mapped = mapped;
    h->size_class = size_class;
    return h;
}

void *tg_alloc(size_t n_bytes)
{
    if (n_bytes > (size_t)PTRDIFF_MAX / 2)
        return NULL;
    int size_class = class_of(n_bytes);

    tg_lock_acquire(&lock);
    header *h = cached[size_class];
    if (h) {
        take_out(h);
        n_reuses++;
    }
    tg_lock_release(&lock);

    if (!h)
        h = from_system(size_class);
    if (!h) { /* perhaps the cache holds what is missing */
        tg_empty_cache();
        h = from_system(size_class);
    }
    if (!h)
        return NULL;

    tg_lock_acquire(&lock);
    bytes_in_use += class_size(size_class);
    if (bytes_in_use > bytes_peak)
        bytes_peak = bytes_in_use;
    tg_lock_release(&lock);
    return (char *)h + ALIGN;
}

void tg_free(void *block)
{
    if (!block)
        return;
    header *h = (header *)((char *)block - ALIGN);
    tg_lock_acquire(&lock);
    bytes_in_use -= class_size(h->size_class);
    push(h);
    header *list = take_oldest(cache_limit);
    tg_lock_release(&lock);
    give_back(list);
}

void tg_empty_cache(void)
{
    tg_lock_acquire(&lock);
    header *list = take_oldest(0);
    tg_lock_release(&lock);
    give_back(list);
}

void tg_set_cache_limit(size_t n_bytes)
{
    tg_lock_acquire(&lock);
    cache_limit = n_bytes;
    header *list = take_oldest(cache_limit);
    tg_lock_release(&lock);
    give_back(list);
}

void tg_memory_stats(size_t stats[4])
{
    tg_lock_acquire(&lock);
    stats[0] = bytes_in_use;
    stats[1] = bytes_peak;
    stats[2] = bytes_cached;
    stats[3] = n_reuses;
    tg_lock_release(&lock);
}

/* A fork copies the lock as it is; holding it over the fork means that no other thread does. */
#if !defined(_WIN32)
static void before_fork(void)
{
    tg_lock_acquire(&lock);
}

static void after_fork(void)
{
    tg_lock_release(&lock);
}
#endif

/* Cache at most a quarter of the memory, and at most 2 GB. */
void tg_alloc_init(void)
{
#if !defined(_WIN32)
    pthread_atfork(before_fork, after_fork, after_fork);
#if defined(_SC_PHYS_PAGES)
    size_t quarter = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 4;
    if (quarter > 0 && quarter < cache_limit)
        cache_limit = quarter;
#endif
#endif
}
