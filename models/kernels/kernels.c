/* Chooses the kernels for the processor at hand. The tables are constant, but for that of AMX, which is made
 * once from AVX512_BF16's; the choice is made at every call, from what the compiler's run time found at
 * start-up. The system gives AMX's registers only to processes that ask: the first question whether AMX is
 * there asks. */
#include "models/kernels/kernels.h"

extern const BertKernels bert_kernels_generic;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define BERT_HAS_X86_KERNELS 1
extern const BertKernels bert_kernels_avx2, bert_kernels_avx512, bert_kernels_avx512_bf16;
#if defined(__linux__) && __GNUC__ >= 11
#define BERT_HAS_AMX 1
#include <cpuid.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
void bert_kernels_use_tiles(BertKernels *table); /* amx.c */
#endif
#endif

#ifdef BERT_HAS_X86_KERNELS
static gboolean has_avx512(void)
{
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

static gboolean has_avx512_bf16(void)
{
  return has_avx512() && __builtin_cpu_supports("avx512bf16");
}
#endif

#ifdef BERT_HAS_AMX
/* AMX_BF16 and AMX_TILE are bits 22 and 24 of CPUID 7.0 EDX. */
static gboolean processor_has_amx(void)
{
  unsigned a, b, c, d;
  return has_avx512_bf16() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1);
}

/* Asks for the tile registers, for this process and all its threads, and looks whether it has them. 0, or
 * what the system said. */
static int ask_for_tiles(void)
{
  enum { GET_PERMISSION = 0x1022, ASK_PERMISSION = 0x1023, TILE_DATA = 18 }; /* arch_prctl's */
  unsigned long allowed = 0;
  int asked = syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA) == 0 ? 0 : errno;
  if (syscall(SYS_arch_prctl, GET_PERMISSION, &allowed) == 0 && (allowed >> TILE_DATA & 1))
    return 0;
  return asked ? asked : EPERM;
}

static char amx_obstacle[200];

/* The table, or NULL with amx_obstacle set. bert_kernels_use_tiles is itself compiled for AMX's processors,
 * so no other may run it. */
static const BertKernels *amx(void)
{
  static BertKernels table;
  static gsize is_known;
  if (g_once_init_enter(&is_known)) {
    int refused = 0;
    if (!processor_has_amx())
      g_strlcpy(amx_obstacle, "the processor has no AMX_BF16", sizeof amx_obstacle);
    else if ((refused = ask_for_tiles()) != 0)
      g_snprintf(amx_obstacle, sizeof amx_obstacle,
                 "the system does not let this process use AMX (arch_prctl: %s)", g_strerror(refused));
    else {
      table = bert_kernels_avx512_bf16;
      bert_kernels_use_tiles(&table);
    }
    g_once_init_leave(&is_known, 1);
  }
  return amx_obstacle[0] ? NULL : &table;
}
#endif

const BertKernels *bert_kernels_named(const char *name)
{
#ifdef BERT_HAS_X86_KERNELS
  __builtin_cpu_init();
#ifdef BERT_HAS_AMX
  if (g_str_equal(name, "amx"))
    return amx();
#endif
  if (g_str_equal(name, "avx512_bf16"))
    return has_avx512_bf16() ? &bert_kernels_avx512_bf16 : NULL;
  if (g_str_equal(name, "avx512"))
    return has_avx512() ? &bert_kernels_avx512 : NULL;
  if (g_str_equal(name, "avx2"))
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")
               ? &bert_kernels_avx2
               : NULL;
#endif
  return g_str_equal(name, "generic") ? &bert_kernels_generic : NULL;
}

const char *bert_kernels_obstacle(const char *name)
{
  if (bert_kernels_named(name))
    return NULL;
#ifdef BERT_HAS_AMX
  if (g_str_equal(name, "amx"))
    return amx_obstacle;
#endif
  return "the processor has no such instructions, or this build no kernels for them";
}

const BertKernels *bert_kernels(void)
{
  static const char *const names[] = {"amx", "avx512_bf16", "avx512", "avx2"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    const BertKernels *kernels = bert_kernels_named(names[i]);
    if (kernels)
      return kernels;
  }
  return &bert_kernels_generic;
}

/* Processor kinds and what products of bf16 numbers do on them; the first row that fits counts. Peaks of one
 * thread in f32 and bf16: Zen 4 (AMD family 25, model 17) 118 and 237 GFLOP/s; Intel family 6, model 207
 * without AMX 178 and 88; Intel with AMX 213, 113 by VDPBF16PS and 3,254 by tiles. Runs record
 * the sentences and compare them when they go on. */
static const struct {
  const char *kernels, *vendor; /* NULL: any */
  gboolean prefers_bf16;
  const char *reason;
} kinds[] = {
    {"amx", NULL, TRUE, "AMX multiplies bf16 numbers many times as fast as floats"},
    {"avx512_bf16", "amd", TRUE, "VDPBF16PS multiplies twice as fast as floats on this kind of processor"},
    {"avx512_bf16", NULL, FALSE, "VDPBF16PS multiplies half as fast as floats on this kind of processor"},
    {NULL, NULL, FALSE, "bf16 numbers are widened to floats here, which takes longer and saves memory only"},
};

static gboolean is_of(const char *vendor)
{
#ifdef BERT_HAS_X86_KERNELS
  __builtin_cpu_init();
  return !vendor || (g_str_equal(vendor, "amd") && __builtin_cpu_is("amd"));
#else
  return !vendor;
#endif
}

gboolean bert_kernels_prefer_bf16(const BertKernels *kernels, const char **reason)
{
  guint i = 0;
  while (kinds[i].kernels && !(g_str_equal(kinds[i].kernels, kernels->name) && is_of(kinds[i].vendor)))
    i++;
  *reason = kinds[i].reason;
  return kinds[i].prefers_bf16;
}
