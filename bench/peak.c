/* Twelve independent chains of fused multiply-adds per vector width. */
#include "peak.h"
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define HAS_BF16 1
#endif

#define CHAINS 12
#define ROUNDS 200000

#define PEAK(name, lanes, attribute)                                                                         \
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

#if defined(__x86_64__)
PEAK(peak_avx512, 16, __attribute__((target("avx512f,fma"), optimize("O3"))))
PEAK(peak_avx2, 8, __attribute__((target("avx2,fma"), optimize("O3"))))
#endif
PEAK(peak_generic, 4, __attribute__((optimize("O3"))))

#ifdef HAS_BF16
__attribute__((target("avx512f,avx512bf16"), optimize("O3"))) static float peak_bf16(void)
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

double bench_peak(const char *instruction_set, gboolean halves, double seconds)
{
  float (*run)(void) = peak_generic;
  int operations = 2 * 4; /* of an instruction */
#if defined(__x86_64__)
  if (g_str_has_prefix(instruction_set, "avx512")) {
    run = peak_avx512;
    operations = 2 * 16;
  } else if (g_str_equal(instruction_set, "avx2")) {
    run = peak_avx2;
    operations = 2 * 8;
  }
#endif
#ifdef HAS_BF16
  if (halves && g_str_equal(instruction_set, "avx512_bf16")) {
    run = peak_bf16;
    operations = 4 * 16;
  }
#else
  (void)halves;
#endif
  double best = 0;
  gint64 end = g_get_monotonic_time() + (gint64)(seconds * 1e6);
  volatile float sink = 0;
  do {
    gint64 start = g_get_monotonic_time();
    sink = run();
    gint64 time = MAX(g_get_monotonic_time() - start, 1);
    best = MAX(best, 1e-3 * CHAINS * operations * ROUNDS / (double)time);
  } while (g_get_monotonic_time() < end);
  (void)sink;
  return best;
}
