/* Reading the postings of an index: where those of a term and a block are, and what a code says. Nothing that
 * the arrays say is believed before it is known to be inside them, since they may come from a file. */
#include "envs/shop/search/index_private.h"

gboolean shop_index_open_term(const ShopIndex *index, ShopQueryTerm *query_term)
{
  const ShopIndexTerm *term = query_term->term;
  query_term->n = 0;
  query_term->places = NULL;
  if (!(term->idf > 0.0f && term->idf < 1e6f))
    return FALSE;
  if (term->row == SHOP_NO_ROW) {
    query_term->places = index->rare_places;
    return term->first <= index->n_rare && term->n_documents <= index->n_rare - term->first &&
           term->n_documents <= index->n_documents;
  }
  if (term->row >= index->n_rows || term->first > index->runs_size)
    return FALSE;
  query_term->maxima = index->row_maxima + (gsize)term->row * index->row_stride;
  query_term->offsets = index->row_offsets + (gsize)term->row * ((gsize)index->n_blocks + 1);
  return TRUE;
}

static guint32 first_place_from(const guint32 *places, guint32 n, guint32 place)
{
  guint32 first = 0;
  while (n > 0) {
    guint32 half = n / 2;
    if (places[first + half] < place) {
      first += half + 1;
      n -= half + 1;
    } else
      n = half;
  }
  return first;
}

void shop_index_open_block(const ShopIndex *index, ShopQueryTerm *term, guint32 block)
{
  if (term->places) {
    const guint32 *places = index->rare_places + term->term->first;
    guint32 place = block << SHOP_BLOCK_BITS, n = term->term->n_documents;
    guint32 first = first_place_from(places, n, place), end = first;
    while (end < n && end - first < SHOP_BLOCK_SIZE && places[end] >> SHOP_BLOCK_BITS == block)
      end++;
    term->places = places + first;
    term->codes = index->rare_codes + term->term->first + first;
    term->n = end - first;
    return;
  }
  term->n = 0;
  if (term->maxima[block] == 0)
    return;
  guint64 room = index->runs_size - term->term->first;
  guint32 start = term->offsets[block], end = term->offsets[block + 1], size = end - start;
  if (start > end || end > room || size > SHOP_BLOCK_SIZE)
    return;
  term->low = term->codes = index->runs + term->term->first + start;
  term->n = size == SHOP_BLOCK_SIZE ? size : size / 2;
  if (size != SHOP_BLOCK_SIZE)
    term->codes += term->n;
}

static guint32 find_exception(const ShopIndex *index, const ShopIndexTerm *term, guint32 place)
{
  guint64 first = term->first_exception, end = MIN(term[1].first_exception, index->n_exceptions);
  while (first < end) {
    guint64 middle = (first + end) / 2;
    if (index->exceptions[middle].place == place)
      return index->exceptions[middle].frequency;
    if (index->exceptions[middle].place < place)
      first = middle + 1;
    else
      end = middle;
  }
  return 0;
}

guint32 shop_index_frequency(const ShopIndex *index, const ShopIndexTerm *term, guint32 place, guint8 code)
{
  const guint8 *codes = index->codes[index->lengths[place]];
  guint32 frequency = 1;
  while (frequency <= SHOP_BM25_CODED_FREQUENCIES && codes[frequency] < code)
    frequency++;
  if (frequency <= SHOP_BM25_CODED_FREQUENCIES && codes[frequency + 1] != code)
    return frequency;
  guint32 exception = find_exception(index, term, place);
  return exception ? exception : frequency;
}

guint shop_index_write_documents(const ShopIndex *index, const guint64 *hits, guint n, guint32 *documents)
{
  guint n_documents = 0;
  for (guint i = 0; i < n; i++) {
    guint32 rank = shop_hit_rank(hits[i]);
    guint32 number = rank < index->n_documents ? index->ranked_numbers[rank] : G_MAXUINT32;
    if (number < index->n_documents)
      documents[n_documents++] = number;
  }
  return n_documents;
}
