/* The numbers of BM25 that do not depend on a query. Single and double precision are mixed as in Lucene,
 * whose results must be met bit by bit. */
#include "envs/shop/search/bm25.h"

#include <math.h>

#define BM25_K1 0.9f
#define BM25_B  0.4f

/* Lengths below 40 exact, then four significant bits. */
guint8 shop_bm25_encode_length(guint32 length)
{
  if (length < 24)
    return (guint8)length;
  guint32 rest = length - 24;
  guint bits = rest ? g_bit_storage(rest) : 0;
  if (bits < 4)
    return (guint8)(24 + rest);
  guint shift = bits - 4;
  return (guint8)(24 + (((rest >> shift) & 7) | ((shift + 1) << 3)));
}

guint32 shop_bm25_decode_length(guint8 byte)
{
  if (byte < 24)
    return byte;
  guint32 rest = byte - 24u, bits = rest & 7, exponent = rest >> 3;
  return exponent == 0 ? 24 + bits : 24 + ((bits | 8) << (exponent - 1));
}

void shop_bm25_fill_norms(float average, float norms[256])
{
  for (guint byte = 0; byte < 256; byte++)
    norms[byte] =
        1.0f /
        (BM25_K1 * ((1.0f - BM25_B) + BM25_B * (float)shop_bm25_decode_length((guint8)byte) / average));
}

float shop_bm25_idf(guint32 n_documents, guint32 n_having)
{
  return (float)log(1.0 + ((double)n_documents - n_having + 0.5) / (n_having + 0.5));
}

/* The margin of a thousandth covers the rounding of the single-precision score, which is below 3e-7 of the
 * weight. */
guint8 shop_bm25_code(guint32 frequency, float inverse_norm)
{
  double x = (double)frequency * (double)inverse_norm;
  double code = ceil(255.0 * (x / (1.0 + x)) + 0.001);
  return code >= 255.0 ? 255
         : code > 1.0  ? (guint8)code
                       : 1; /* 1 for no number, which a wrong file may give */
}

void shop_bm25_fill_codes(const float norms[256], ShopBm25Codes codes)
{
  for (guint length = 0; length < 256; length++) {
    codes[length][0] = 0;
    for (guint frequency = 1; frequency <= SHOP_BM25_CODED_FREQUENCIES + 1; frequency++)
      codes[length][frequency] = shop_bm25_code(frequency, norms[length]);
  }
}

gboolean shop_bm25_is_exception(const ShopBm25Codes codes, guint8 length, guint32 frequency)
{
  return frequency > SHOP_BM25_CODED_FREQUENCIES || codes[length][frequency] == codes[length][frequency - 1];
}
