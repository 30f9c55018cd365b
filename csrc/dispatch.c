/* dispatch.c - what this machine can do, which table of kernels is used, and how a call is run.
 *
 * Compiled without ISA flags and apart from every kernel: the detector must itself run anywhere.
 * `__builtin_cpu_supports` asks the processor and the operating system (saved registers, XGETBV);
 * asking CPUID alone would find AVX where the system does not save its registers.
 *
 * setup.py defines TG_HAVE_<isa> for each stub that the compiler could build.
 */
#include <string.h>

#include "internal.h"
#include "table.h"

extern const tg_table tg_table__baseline;

#if defined(TG_HAVE_x86_v3)
extern const tg_table tg_table__x86_v3;
static int has_x86_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
}
#endif

#if defined(TG_HAVE_x86_v4)
extern const tg_table tg_table__x86_v4;
static int has_x86_v4(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}
#endif

#if defined(TG_HAVE_neon)
extern const tg_table tg_table__neon;
#endif

static int always(void)
{
    return 1;
}

static const struct {
    const tg_table *table;
    int (*has)(void);
} candidates[] = {
/* best first */
#if defined(TG_HAVE_x86_v4)
    {&tg_table__x86_v4, has_x86_v4},
#endif
#if defined(TG_HAVE_x86_v3)
    {&tg_table__x86_v3, has_x86_v3},
#endif
#if defined(TG_HAVE_neon)
    {&tg_table__neon, always},
#endif
    {&tg_table__baseline, always},
};
enum { N_CANDIDATES = sizeof candidates / sizeof *candidates };

const tg_table *tg_active = &tg_table__baseline;

int tg_isa_select(const char *name)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    for (int i = 0; i < N_CANDIDATES; i++)
        if ((!name || strcmp(name, candidates[i].table->isa) == 0) && candidates[i].has()) {
            tg_active = candidates[i].table;
            return 0;
        }
    return -1;
}

const char *tg_isa_name(void)
{
    return tg_active->isa;
}

const char *tg_isa_found(void)
{
    static char names[16 * N_CANDIDATES]; /* tg_init fills it before anyone else can ask */
    if (!names[0])
        for (int i = 0; i < N_CANDIDATES; i++)
            if (candidates[i].has()) {
                strcat(names, names[0] ? " " : "");
                strcat(names, candidates[i].table->isa);
            }
    return names;
}

const char *tg_compiler(void)
{
#define TG_STRING_(x) #x
#define TG_STRING(x) TG_STRING_(x)
#if defined(__clang__)
    return "clang " TG_STRING(__clang_major__) "." TG_STRING(__clang_minor__);
#elif defined(__GNUC__)
    return "gcc " TG_STRING(__GNUC__) "." TG_STRING(__GNUC_MINOR__);
#else
    return "unknown compiler";
#endif
}

void tg_init(void)
{
    tg_isa_select(NULL);
    tg_isa_found();
    tg_threads_init();
    tg_alloc_init();
}

#define TG_ENTRY(name) [TG_DRIVER_##name] = tg_##name,
static int (*const drivers[TG_N_DRIVERS])(const tg_call *) = {TG_DRIVERS(TG_ENTRY)};
#undef TG_ENTRY
#define TG_ENTRY(name) [TG_DRIVER_##name] = #name,
static const char *const driver_names[TG_N_DRIVERS] = {TG_DRIVERS(TG_ENTRY)};
#undef TG_ENTRY

int tg_run(const tg_call *call)
{
    return drivers[call->driver](call);
}

const char *tg_driver_name(int driver)
{
    return driver_names[driver];
}
