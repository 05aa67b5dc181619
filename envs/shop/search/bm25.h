/* BM25 as Lucene 8 computes it and Anserini configures it (specification section 4.2), and the one-byte code
 * in which the index keeps a term's score: coarse, but never below the true score, so that pruning is safe.
 */
#ifndef SHOP_BM25_H
#define SHOP_BM25_H

#include <glib.h>

/* Frequencies up to this one follow from a posting's code and its document's length; larger ones are kept
 * next to the postings. */
#define SHOP_BM25_CODED_FREQUENCIES 8

/* codes[length byte][frequency]; one column more than are decoded, to see where two frequencies share a code.
 */
typedef guint8 ShopBm25Codes[256][SHOP_BM25_CODED_FREQUENCIES + 2];

/* Lucene's SmallFloat.intToByte4 of a document's number of terms, and back. */
guint8 shop_bm25_encode_length(guint32 length);
guint32 shop_bm25_decode_length(guint8 byte);

/* Fills norms[byte] = 1 / (k1 * (1 - b + b * length / average)). `average` is over the documents that have
 * terms. */
void shop_bm25_fill_norms(float average, float norms[256]);

/* The weight of a term: idf over `n_documents` documents with terms, `n_having` of which have it. */
float shop_bm25_idf(guint32 n_documents, guint32 n_having);

/* The code of a posting, 1 to 255: weight * code / 255 is at least what
 * shop_bm25_score gives, and weight * (code - 1.001) / 255 is below
 * the exact value of the formula. */
guint8 shop_bm25_code(guint32 frequency, float inverse_norm);

/* Fills the codes of the small frequencies. */
void shop_bm25_fill_codes(const float norms[256], ShopBm25Codes codes);

/* Whether `code` does not give `frequency`: too large, or a smaller frequency has the same code. */
gboolean shop_bm25_is_exception(const ShopBm25Codes codes, guint8 length, guint32 frequency);

/* The score of a term in a document, in Lucene's order of operations; `weight` is idf times the number of
 * times that the query has the term. */
static inline float shop_bm25_score(float weight, guint32 frequency, float inverse_norm)
{
  return weight - weight / (1.0f + (float)frequency * inverse_norm);
}

#endif
