/* What the two attention sources share: where a block's work is, dropout of a tile of scores, and the sums
 * that backward begins with. Included by kernel sources only. */
#ifndef BERT_CUDA_ATTENTION_H
#define BERT_CUDA_ATTENTION_H

#include "models/bert_cuda/dropout.h"

typedef struct {
  uint32_t text, first, start, length, head, width;
} BertItem;

static __device__ __forceinline__ BertItem bert_item(const BertTexts &texts, const BertAttention &attention)
{
  BertItem item;
  item.text = attention.tiles[2 * blockIdx.x];
  item.first = attention.tiles[2 * blockIdx.x + 1];
  item.start = texts.start[item.text];
  item.length = texts.start[item.text + 1] - item.start;
  item.head = blockIdx.y;
  item.width = attention.h / attention.n_heads;
  return item;
}

/* keep[query][key] for a tile of queries x keys, keys a multiple of 32: the 32 elements from a key on are one
 * word of 16 Philox blocks, or the halves of two. All threads of the block take part. */
static __device__ __forceinline__ void bert_fill_mask(uint8_t *keep, uint32_t n_queries, uint32_t n_keys,
                                                      const BertTexts &texts, const BertAttention &attention,
                                                      const BertItem &item, uint32_t first_query,
                                                      uint32_t first_key)
{
  const BertMask &mask = attention.mask;
  uint32_t padded = (item.length + 15) / 16 * 16;
  for (uint32_t i = threadIdx.x; i < n_queries * n_keys / 2; i += blockDim.x) {
    uint32_t query = i / (n_keys / 2), key = i % (n_keys / 2) * 2;
    uint32_t element = (first_query + query) * padded + first_key + key, within = element % BERT_MASK_GROUP;
    uint4 words = bert_philox(mask, mask.place | item.head, texts.hash[item.text],
                              element / BERT_MASK_GROUP * 16 + within % 32 / 2);
    uint32_t word = within / 32, bits = word == 0   ? words.x
                                        : word == 1 ? words.y
                                        : word == 2 ? words.z
                                                    : words.w;
    keep[query * n_keys + key] = (bits & 0xffffu) >= mask.threshold;
    keep[query * n_keys + key + 1] = (bits >> 16) >= mask.threshold;
  }
}

/* delta = d_context . context of a row and head: the softmax gradient's sum over keys, dropout included. */
template <class T>
static __global__ void bert_delta_kernel(uint32_t n, uint32_t n_heads, uint32_t width, const T *context,
                                         const T *d_context, float *delta)
{
  uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= n)
    return;
  size_t at = (size_t)(index / n_heads) * n_heads * width + index % n_heads * width;
  float total = 0;
  for (uint32_t c = 0; c < width; c += 8) {
    Bert8 x = bert_load8(context + at + c), y = bert_load8(d_context + at + c);
#pragma unroll
    for (int i = 0; i < 8; i++)
      total += x.x[i] * y.x[i];
  }
  delta[index] = total;
}

template <class T>
static void bert_launch_delta(cudaStream_t stream, uint32_t n_rows, const BertAttention *attention,
                              const void *context, const void *d_context, float *delta)
{
  uint32_t n = n_rows * attention->n_heads;
  BERT_LAUNCH(bert_delta_kernel<T>, dim3((n + 127) / 128), dim3(128), 0, stream, n, attention->n_heads,
              attention->h / attention->n_heads, static_cast<const T *>(context),
              static_cast<const T *>(d_context), delta);
}

#endif
