/* The kernels of AVX512_BF16 for any processor: the one instruction they need beyond the others is done in
 * plain C. */
#include <glib.h>
#include <math.h>
#pragma GCC diagnostic ignored "-Wpsabi"

typedef float StandInVector __attribute__((vector_size(64)));
typedef guint32 StandInPairs __attribute__((vector_size(64)));

/* Subnormal numbers count as 0, with their sign, wherever MXCSR stands. */
static float flushed(float x)
{
  return fabsf(x) < 1.17549435e-38f ? copysignf(0, x) : x;
}

static float bf16_as_float(guint32 bits)
{
  union {
    guint32 bits;
    float value;
  } number = {.bits = bits << 16};
  return flushed(number.value);
}

/* VDPBF16PS: two fused multiply-adds, of the upper halves first, each rounded to nearest even and flushed. */
static StandInVector stand_in_multiply_pairs(StandInVector sum, StandInPairs a, StandInPairs b)
{
  for (int i = 0; i < 16; i++) {
    float total = flushed(sum[i]);
    total = flushed(fmaf(bf16_as_float(a[i] >> 16), bf16_as_float(b[i] >> 16), total));
    sum[i] = flushed(fmaf(bf16_as_float(a[i] & 0xffffu), bf16_as_float(b[i] & 0xffffu), total));
  }
  return sum;
}

#define BERT_ISA            wide_bf16
#define BERT_LANES          16
#define BERT_TILE           12
#define BERT_PORTABLE       1
#define BERT_PAIRS          1
#define BERT_MULTIPLY_PAIRS stand_in_multiply_pairs
#include "models/kernels/body.h"
