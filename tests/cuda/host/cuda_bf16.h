/* bf16 numbers: the upper half of a float. */
#ifndef CW_HOST_CUDA_BF16_H
#define CW_HOST_CUDA_BF16_H

#include "cuda_runtime.h"

struct __nv_bfloat16 {
  unsigned short bits;
};

/* To the nearest, ties to even; NaN stays NaN. */
static inline __nv_bfloat16 __float2bfloat16(float x)
{
  unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return {0x7fff};
  return {static_cast<unsigned short>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}

static inline float __bfloat162float(__nv_bfloat16 x)
{
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}

#endif
