/* Independent chains of multiply-adds on registers, for every instruction set. Nothing is read from memory,
 * so it is what no product can pass. Time is the thread's processor time: others may use the machine. */
#include "lab/bench/peak.h"
#include <time.h>
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAS_X86 1
#include <immintrin.h>
#if defined(__linux__) && __GNUC__ >= 11
#define HAS_AMX 1
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#define CHAINS 12
#define ROUNDS 200000

#define FLOATS(name, lanes, attribute)                                                                       \
  typedef float name##_vector __attribute__((vector_size(lanes * 4)));                                       \
  attribute static float name(void)                                                                          \
  {                                                                                                          \
    name##_vector sum[CHAINS], factor = (name##_vector){0} + 0.999f, term = (name##_vector){0} + 1e-3f,      \
                               total = {0};                                                                  \
    for (int i = 0; i < CHAINS; i++)                                                                         \
      sum[i] = term * (float)i;                                                                              \
    for (int round = 0; round < ROUNDS; round++) {                                                           \
      _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * factor + term;             \
    }                                                                                                        \
    for (int i = 0; i < CHAINS; i++)                                                                         \
      total += sum[i];                                                                                       \
    return total[0];                                                                                         \
  }

FLOATS(floats_generic, 4, __attribute__((optimize("O3"))))

static gboolean always(void)
{
  return TRUE;
}

#ifdef HAS_X86
FLOATS(floats_avx512, 16, __attribute__((target("avx512f,fma"), optimize("O3"))))
FLOATS(floats_avx2, 8, __attribute__((target("avx2,fma"), optimize("O3"))))

static gboolean has_avx2(void)
{
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static gboolean has_avx512(void)
{
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
}

static gboolean has_avx512_bf16(void)
{
  return has_avx512() && __builtin_cpu_supports("avx512bf16");
}

__attribute__((target("avx512f,avx512bf16"), optimize("O3"))) static float pairs_avx512(void)
{
  __m512 sum[CHAINS], total = _mm512_setzero_ps();
  __m512bh small =
      (__m512bh)_mm512_set1_epi16(0x2000); /* 2^-63: products are normal numbers and sums stay small */
  for (int i = 0; i < CHAINS; i++)
    sum[i] = _mm512_set1_ps((float)i);
  for (int round = 0; round < ROUNDS; round++) {
    _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_dpbf16_ps(sum[i], small, small);
    __asm__ volatile("" : "+v"(small)); /* or the sums of all rounds would be one */
  }
  for (int i = 0; i < CHAINS; i++)
    total = _mm512_add_ps(total, sum[i]);
  return _mm512_reduce_add_ps(total);
}
#endif

#ifdef HAS_AMX
#define TILE_CHAINS 4
#define TILE_ROUNDS 10000

/* CPUID 7.0 EDX 22 and 24, and the system's permission for the tile registers (18), which the process asks
 * for. */
static gboolean has_amx(void)
{
  enum { GET_PERMISSION = 0x1022, ASK_PERMISSION = 0x1023, TILE_DATA = 18 };
  unsigned a, b, c, d;
  unsigned long allowed = 0;
  if (!has_avx512_bf16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1))
    return FALSE;
  (void)syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA);
  return syscall(SYS_arch_prctl, GET_PERMISSION, &allowed) == 0 && (allowed >> TILE_DATA & 1);
}

/* Numbers that are not all zero: those take less power, and so run faster. */
__attribute__((target("amx-tile,amx-bf16"))) static float tiles(void)
{
  static const struct {
    guint8 palette, start, reserved[14];
    guint16 bytes[16];
    guint8 rows[16];
  } whole __attribute__((aligned(64))) = {
      .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
  guint16 numbers[16][32];
  float sums[16][16];
  for (int i = 0; i < 16 * 32; i++)
    numbers[i / 32][i % 32] = (guint16)(0x2000 + i * 37 % 256);
  _tile_loadconfig(&whole);
  __asm__ volatile("" ::: "memory");
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, numbers, 64);
  _tile_loadd(5, numbers, 64);
  for (int round = 0; round < TILE_ROUNDS; round++) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_stored(0, sums, 64);
  _tile_release();
  return sums[0][0];
}
#endif

/* The best of either kind of number first. */
static const struct {
  const char *name, *instruction_set;
  gboolean bf16;
  gboolean (*is_there)(void);
  float (*run)(void);
  double operations; /* of a run */
} kinds[] = {
#ifdef HAS_AMX
    {"bf16, AMX", "amx", TRUE, has_amx, tiles, 2.0 * 16 * 16 * 32 * TILE_CHAINS *TILE_ROUNDS},
#endif
#ifdef HAS_X86
    {"bf16, VDPBF16PS", "avx512_bf16", TRUE, has_avx512_bf16, pairs_avx512, 4.0 * 16 * CHAINS *ROUNDS},
    {"f32, AVX-512", "avx512", FALSE, has_avx512, floats_avx512, 2.0 * 16 * CHAINS *ROUNDS},
    {"f32, AVX2", "avx2", FALSE, has_avx2, floats_avx2, 2.0 * 8 * CHAINS *ROUNDS},
#endif
    {"f32, 128 bits", "generic", FALSE, always, floats_generic, 2.0 * 4 * CHAINS *ROUNDS},
};

static double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double speed_of(guint kind, double seconds)
{
  double best = 0, end = now() + seconds;
  volatile float sink = 0;
  do {
    double start = now();
    sink = kinds[kind].run();
    best = MAX(best, 1e-9 * kinds[kind].operations / MAX(now() - start, 1e-9));
  } while (now() < end);
  (void)sink;
  return best;
}

guint cw_peaks(double seconds, CwPeak peaks[CW_MOST_PEAKS])
{
  guint n = 0;
#ifdef HAS_X86
  __builtin_cpu_init();
#endif
  for (int bf16 = 0; bf16 < 2; bf16++)
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
      if (kinds[i].bf16 != bf16 || !kinds[i].is_there())
        continue;
      peaks[n++] = (CwPeak){kinds[i].name, kinds[i].instruction_set, bf16, speed_of(i, seconds)};
      if (!bf16)
        break;
    }
  return n;
}

double cw_peak(const char *instruction_set, gboolean bf16, double seconds)
{
  guint i = 0;
  if (!bf16 && !g_str_equal(instruction_set, "avx2") && !g_str_equal(instruction_set, "generic"))
    instruction_set = "avx512";
  while (i + 1 < G_N_ELEMENTS(kinds) && !g_str_equal(kinds[i].instruction_set, instruction_set))
    i++;
  return speed_of(i, seconds);
}
