/* Searching a catalogue of thousands. There, adding up the scores of all postings costs less than pruning, if
 * they are at hand: so an index of that size keeps, in addition to its arrays, every posting with its score
 * for a term that the query has once. They are made from the arrays when the index is opened. */
#include "envs/shop/search/index_private.h"

#include <string.h>

struct ShopSmallIndex {
  guint32 *starts; /* n_terms + 1: of each term's postings */
  guint32 *ranks;  /* of the postings' documents */
  float *scores;
  guint32 *frequencies;
  float *norms; /* per rank */
};

void shop_small_index_free(ShopSmallIndex *small)
{
  if (!small)
    return;
  g_free(small->starts);
  g_free(small->ranks);
  g_free(small->scores);
  g_free(small->frequencies);
  g_free(small->norms);
  g_free(small);
}

static void add_posting(const ShopIndex *index, ShopSmallIndex *small, const ShopQueryTerm *term,
                        guint32 place, guint8 code, guint32 *n)
{
  if (code == 0 || place >= index->n_documents || index->ranks[place] >= index->n_documents)
    return;
  guint32 frequency = shop_index_frequency(index, term->term, place, code);
  float norm = index->norms[index->lengths[place]];
  small->ranks[*n] = index->ranks[place];
  small->frequencies[*n] = frequency;
  small->scores[*n] = shop_bm25_score(term->term->idf, frequency, norm);
  ++*n;
}

ShopSmallIndex *shop_small_index_new(const ShopIndex *index)
{
  ShopSmallIndex *small = g_new0(ShopSmallIndex, 1);
  gsize room = 0;
  guint32 n = 0;
  small->starts = g_new(guint32, (gsize)index->n_terms + 1);
  small->norms = g_new0(float, index->n_documents);
  for (guint32 place = 0; place < index->n_documents; place++)
    if (index->ranks[place] < index->n_documents)
      small->norms[index->ranks[place]] = index->norms[index->lengths[place]];
  for (guint32 i = 0; i < index->n_terms; i++) {
    ShopQueryTerm term = {.term = &index->terms[i]};
    small->starts[i] = n;
    if (!shop_index_open_term(index, &term))
      continue;
    gsize wanted = n + (gsize)index->n_blocks * SHOP_BLOCK_SIZE;
    if (wanted > room) {
      room = 2 * wanted;
      small->ranks = g_renew(guint32, small->ranks, room);
      small->frequencies = g_renew(guint32, small->frequencies, room);
      small->scores = g_renew(float, small->scores, room);
    }
    for (guint32 block = 0; block < index->n_blocks; block++) {
      shop_index_open_block(index, &term, block);
      for (guint32 k = 0; k < term.n; k++) {
        guint32 low = term.places            ? term.places[k] & (SHOP_BLOCK_SIZE - 1)
                      : shop_is_dense(&term) ? k
                                             : term.low[k];
        add_posting(index, small, &term, block << SHOP_BLOCK_BITS | low, term.codes[k], &n);
      }
    }
  }
  small->starts[index->n_terms] = n;
  small->ranks = g_renew(guint32, small->ranks, n);
  small->frequencies = g_renew(guint32, small->frequencies, n);
  small->scores = g_renew(float, small->scores, n);
  return small;
}

static void add_scores(const ShopSmallIndex *small, const ShopQueryTerm *term, guint32 number, double *scores)
{
  guint32 start = small->starts[number], end = small->starts[number + 1];
  const guint32 *ranks = small->ranks;
  if (term->count == 1) {
    for (guint32 i = start; i < end; i++)
      scores[ranks[i]] += (double)small->scores[i];
    return;
  }
  float weight = (float)term->count * term->term->idf;
  for (guint32 i = start; i < end; i++)
    scores[ranks[i]] += (double)shop_bm25_score(weight, small->frequencies[i], small->norms[ranks[i]]);
}

/* Moves the scores of matching documents to the scratch's hits, leaving zeros. When four times the limit have
 * gathered, they are cut to the best; from then on a document must beat the worst of those. */
static gsize collect_hits(ShopSearchScratch *scratch, guint32 n_documents, guint limit)
{
  gsize room = 4 * (gsize)limit, n = 0;
  guint64 *hits = shop_keys_reserve(&scratch->hits, room + 1);
  double *scores = scratch->scores;
  guint64 least = shop_make_hit(0.0f, 0); /* what a document without the terms has at most */
  for (guint32 rank = 0; rank < n_documents; rank++) {
    guint64 hit = shop_make_hit((float)scores[rank], rank);
    scores[rank] = 0.0;
    hits[n] = hit;
    n += hit > least;
    if (n < room)
      continue;
    n = shop_keep_largest(hits, n, limit, &scratch->keys);
    least = hits[0];
    for (gsize i = 1; i < n; i++)
      least = MIN(least, hits[i]);
  }
  return n;
}

guint shop_small_index_search(const ShopIndex *index, ShopSearchScratch *scratch, guint limit,
                              guint32 *documents, ShopSearchWork *work)
{
  if (!scratch->scores)
    scratch->scores = g_new0(double, index->n_documents);
  for (guint i = 0; i < scratch->n_terms; i++)
    add_scores(index->small, &scratch->terms[i], (guint32)(scratch->terms[i].term - index->terms),
               scratch->scores);
  gsize n = collect_hits(scratch, index->n_documents, limit);
  n = shop_rank_keys(scratch->hits.keys, n, limit, &scratch->keys);
  work->n_bounded += index->n_documents;
  work->n_scored += index->n_documents;
  return shop_index_write_documents(index, scratch->hits.keys, (guint)n, documents);
}
