/* Dropout masks on the device, the same bits as bert_cpu's (models/bert/dropout.h): Philox 4x32-10 (Salmon et
 * al. 2011) with key {seed, forward} and counter {block, place, text}. Included by kernel sources only. */
#ifndef BERT_CUDA_DROPOUT_H
#define BERT_CUDA_DROPOUT_H

#include "models/bert_cuda/kernels.h"

#define BERT_MASK_GROUP 128 /* elements that share 16 blocks */

static __device__ __forceinline__ uint4 bert_philox(const BertMask &mask, uint32_t place, uint64_t text,
                                                    uint32_t block)
{
  uint32_t c0 = block, c1 = place, c2 = (uint32_t)text, c3 = (uint32_t)(text >> 32);
  uint32_t key0 = mask.seed, key1 = mask.forward;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    uint32_t high0 = __umulhi(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
    uint32_t high1 = __umulhi(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
    c0 = high1 ^ c1 ^ key0;
    c2 = high0 ^ c3 ^ key1;
    c1 = low1;
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return uint4{c0, c1, c2, c3};
}

/* Drops elements first .. first + 7 of (place, text); first is a multiple of 8. They are halves of four
 * blocks' same word. */
static __device__ __forceinline__ void bert_drop8(const BertMask &mask, uint64_t text, uint32_t first,
                                                  Bert8 &x)
{
  uint32_t within = first % BERT_MASK_GROUP, word = within / 32;
  uint32_t block = first / BERT_MASK_GROUP * 16 + within % 32 / 2;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    uint4 words = bert_philox(mask, mask.place, text, block + i);
    uint32_t bits = word == 0 ? words.x : word == 1 ? words.y : word == 2 ? words.z : words.w;
    x.x[2 * i] = (bits & 0xffffu) < mask.threshold ? 0.0f : x.x[2 * i] * mask.scale;
    x.x[2 * i + 1] = (bits >> 16) < mask.threshold ? 0.0f : x.x[2 * i + 1] * mask.scale;
  }
}

#endif
