/* One bf16 number from a float and back: what every table rounds with. */
#ifndef BERT_KERNELS_BF16_H
#define BERT_KERNELS_BF16_H

#include "models/kernels/kernels.h"

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

#endif
