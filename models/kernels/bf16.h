/* One bf16 number from a float and back: what every table rounds with. */
#ifndef BERT_KERNELS_BF16_H
#define BERT_KERNELS_BF16_H

#include "models/kernels/kernels.h"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

/* Bits are rounded as whole numbers, so it is the same on every processor and flushes nothing. */
static inline BertBf16 bf16_of(float x)
{
  union {
    float value;
    guint32 bits;
  } number = {.value = x};
  guint32 rounded = (number.bits + 0x7fffu + ((number.bits >> 16) & 1u)) >> 16;
  guint32 quiet = (number.bits >> 16) | 0x40u;
  return (BertBf16)((number.bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

static inline float float_of(BertBf16 bf16)
{
  union {
    guint32 bits;
    float value;
  } number = {.bits = (guint32)bf16 << 16};
  return number.value;
}

/* n numbers at once, where the processor has it by its instruction, to the same bits. */
static inline void bf16_round(gsize n, const float *x, BertBf16 *bf16)
{
  gsize i = 0;
#ifdef __AVX512BF16__
  /* The instruction takes subnormal numbers for 0: vectors that have any go the other way. */
  enum { FLOATS = 16, SUBNORMAL = 0x20 };
  for (; i + 2 * FLOATS <= n; i += 2 * FLOATS) {
    __m512 low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + FLOATS);
    if (G_UNLIKELY(_mm512_fpclass_ps_mask(low, SUBNORMAL) | _mm512_fpclass_ps_mask(high, SUBNORMAL)))
      for (gsize j = i; j < i + 2 * FLOATS; j++)
        bf16[j] = bf16_of(x[j]);
    else
      _mm512_storeu_si512(bf16 + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
#endif
  for (; i < n; i++)
    bf16[i] = bf16_of(x[i]);
}

#endif
