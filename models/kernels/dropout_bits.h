/* Dropout masks from Philox 4x32-10 (Salmon et al. 2011). Part of body.h. */

/* Sixteen Philox blocks, first_block and on: word w of block i goes to words[w][i]. */
#if LANES == 8 && !defined(BERT_PORTABLE)
/* Numbers lie in 64-bit lanes, whose upper halves may hold anything: the multiplication reads the lower ones.
 */
static inline void philox(guint32 key0, guint32 key1, guint32 first_block, guint32 place, guint64 text,
                          guint32 words[4][16])
{
  const __m256i multiplier0 = _mm256_set1_epi64x(0xD2511F53), multiplier1 = _mm256_set1_epi64x(0xCD9E8D57);
  const __m256i lower = _mm256_set_epi32(0, 0, 0, 0, 6, 4, 2, 0);
  /* Eight blocks fit into the registers. */
  for (guint32 bf16 = 0; bf16 < 16; bf16 += 8) {
    guint32 round_key0 = key0, round_key1 = key1;
    __m256i c0[2], c1[2], c2[2], c3[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      c0[i] = _mm256_add_epi32(_mm256_set1_epi64x(first_block + bf16 + 4 * (guint32)i),
                               _mm256_set_epi64x(3, 2, 1, 0));
      c1[i] = _mm256_set1_epi64x(place);
      c2[i] = _mm256_set1_epi64x((guint32)text);
      c3[i] = _mm256_set1_epi64x((gint64)(text >> 32));
    }
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      __m256i wide_key0 = _mm256_set1_epi64x(round_key0), wide_key1 = _mm256_set1_epi64x(round_key1);
#pragma GCC unroll 2
      for (int i = 0; i < 2; i++) {
        __m256i product0 = _mm256_mul_epu32(c0[i], multiplier0),
                product1 = _mm256_mul_epu32(c2[i], multiplier1);
        c0[i] = _mm256_xor_si256(_mm256_srli_epi64(product1, 32), _mm256_xor_si256(c1[i], wide_key0));
        c2[i] = _mm256_xor_si256(_mm256_srli_epi64(product0, 32), _mm256_xor_si256(c3[i], wide_key1));
        c1[i] = product1;
        c3[i] = product0;
      }
      round_key0 += 0x9E3779B9u;
      round_key1 += 0xBB67AE85u;
    }
#pragma GCC unroll 2
    for (guint32 i = 0; i < 2; i++) {
      guint32 at = bf16 + 4 * i;
      _mm_storeu_si128((void *)&words[0][at],
                       _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c0[i], lower)));
      _mm_storeu_si128((void *)&words[1][at],
                       _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c1[i], lower)));
      _mm_storeu_si128((void *)&words[2][at],
                       _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c2[i], lower)));
      _mm_storeu_si128((void *)&words[3][at],
                       _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c3[i], lower)));
    }
  }
}
#elif LANES == 16 && !defined(BERT_PORTABLE)
static inline void philox(guint32 key0, guint32 key1, guint32 first_block, guint32 place, guint64 text,
                          guint32 words[4][16])
{
  __m512i c0[2], c1[2], c2[2], c3[2];
  const __m512i multiplier0 = _mm512_set1_epi64(0xD2511F53), multiplier1 = _mm512_set1_epi64(0xCD9E8D57);
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    c0[i] = _mm512_add_epi32(_mm512_set1_epi64(first_block + 8 * (guint32)i),
                             _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    c1[i] = _mm512_set1_epi64(place);
    c2[i] = _mm512_set1_epi64((guint32)text);
    c3[i] = _mm512_set1_epi64((gint64)(text >> 32));
  }
  for (int round = 0; round < 10; round++) {
    __m512i round_key0 = _mm512_set1_epi64(key0), round_key1 = _mm512_set1_epi64(key1);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
      __m512i product0 = _mm512_mul_epu32(c0[i], multiplier0),
              product1 = _mm512_mul_epu32(c2[i], multiplier1);
      c0[i] = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(product1, 32), c1[i]), round_key0);
      c2[i] = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(product0, 32), c3[i]), round_key1);
      c1[i] = product1;
      c3[i] = product0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    _mm256_storeu_si256((void *)&words[0][8 * i], _mm512_cvtepi64_epi32(c0[i]));
    _mm256_storeu_si256((void *)&words[1][8 * i], _mm512_cvtepi64_epi32(c1[i]));
    _mm256_storeu_si256((void *)&words[2][8 * i], _mm512_cvtepi64_epi32(c2[i]));
    _mm256_storeu_si256((void *)&words[3][8 * i], _mm512_cvtepi64_epi32(c3[i]));
  }
}
#else
static inline void philox(guint32 key0, guint32 key1, guint32 first_block, guint32 place, guint64 text,
                          guint32 words[4][16])
{
  guint32 *c0 = words[0], *c1 = words[1], *c2 = words[2], *c3 = words[3];
  for (int i = 0; i < 16; i++) {
    c0[i] = first_block + (guint32)i;
    c1[i] = place;
    c2[i] = (guint32)text;
    c3[i] = (guint32)(text >> 32);
  }
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 16; i++) {
      guint64 product0 = (guint64)0xD2511F53u * c0[i], product1 = (guint64)0xCD9E8D57u * c2[i];
      c0[i] = (guint32)(product1 >> 32) ^ c1[i] ^ key0;
      c2[i] = (guint32)(product0 >> 32) ^ c3[i] ^ key1;
      c1[i] = (guint32)product1;
      c3[i] = (guint32)product0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}
#endif

static const guint16 *dropout_bits(const BertDropout *dropout, guint32 place, guint64 text, gsize first,
                                   gsize n, guint16 *buffer)
{
  gsize group = first / BERT_DROPOUT_GROUP, last = (first + n + BERT_DROPOUT_GROUP - 1) / BERT_DROPOUT_GROUP;
  for (gsize g = group; g < last; g++) {
    guint32 words[4][16];
    philox(dropout->seed, dropout->forward, (guint32)(16 * g), place, text, words);
    guint16 *to = buffer + (g - group) * BERT_DROPOUT_GROUP;
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
    memcpy(to, words, sizeof words);
#else
    for (int w = 0; w < 4; w++)
      for (int i = 0; i < 16; i++) {
        to[32 * w + 2 * i] = (guint16)words[w][i];
        to[32 * w + 2 * i + 1] = (guint16)(words[w][i] >> 16);
      }
#endif
  }
  return buffer + first % BERT_DROPOUT_GROUP;
}

static void dropout_apply(gsize n, const BertDropout *dropout, const guint16 *bits, const float *x,
                          float *output)
{
  gint32 threshold = (gint32)dropout->threshold;
  float scale = dropout->scale;
  for (gsize i = 0; i < n; i++)
    output[i] = (gint32)bits[i] < threshold ? 0.0f : x[i] * scale;
}
