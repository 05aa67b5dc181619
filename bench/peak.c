/* Twelve independent chains of fused multiply-adds per vector width. */
#include "peak.h"

#define CHAINS 12
#define ROUNDS 200000

#define PEAK(name, lanes, attribute)                                                                                   \
  typedef float name##_vector __attribute__((vector_size(lanes * 4)));                                                 \
  attribute static float name(void)                                                                                    \
  {                                                                                                                    \
    name##_vector sum[CHAINS], factor = (name##_vector){0} + 0.999f, term = (name##_vector){0} + 1e-3f, total = {0};   \
    for (int i = 0; i < CHAINS; i++)                                                                                   \
      sum[i] = term * (float)i;                                                                                        \
    for (int round = 0; round < ROUNDS; round++) {                                                                     \
      _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * factor + term;                       \
    }                                                                                                                  \
    for (int i = 0; i < CHAINS; i++)                                                                                   \
      total += sum[i];                                                                                                 \
    return total[0];                                                                                                   \
  }

#if defined(__x86_64__)
PEAK(peak_avx512, 16, __attribute__((target("avx512f,fma"), optimize("O3"))))
PEAK(peak_avx2, 8, __attribute__((target("avx2,fma"), optimize("O3"))))
#endif
PEAK(peak_generic, 4, __attribute__((optimize("O3"))))

double bench_peak(const char *instruction_set, double seconds)
{
  float (*run)(void) = peak_generic;
  int lanes = 4;
#if defined(__x86_64__)
  if (g_str_equal(instruction_set, "avx512")) {
    run = peak_avx512;
    lanes = 16;
  } else if (g_str_equal(instruction_set, "avx2")) {
    run = peak_avx2;
    lanes = 8;
  }
#endif
  double best = 0;
  gint64 end = g_get_monotonic_time() + (gint64)(seconds * 1e6);
  volatile float sink = 0;
  do {
    gint64 start = g_get_monotonic_time();
    sink = run();
    gint64 time = MAX(g_get_monotonic_time() - start, 1);
    best = MAX(best, 2e-3 * CHAINS * lanes * ROUNDS / (double)time);
  } while (g_get_monotonic_time() < end);
  (void)sink;
  return best;
}
