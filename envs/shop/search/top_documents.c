/* The best documents of a query, without scoring the others. From the codes of the postings come integer
 * bounds of scores, 16 bits wide, that are never below the true score and above it by at most
 * `slack`. First every block of places gets a bound from its terms' largest codes. Blocks are
 * then visited by falling bound, and bounds added up for their documents, until no block can hold one of the
 * best. A document is a candidate while its bound, less the slack, could reach the limit-th largest bound
 * seen; it may turn out to have none of the terms. Only the candidates, few more than the limit, are scored
 * as Lucene scores: single precision per term, summed in double precision in the query's order.
 */
#include "envs/shop/search/index_private.h"

#include <string.h>

/* The largest sum of bounds; leaves room in 16 bits for rounding up scales (ShopQueryTerm). */
#define BOUND_RANGE 65200.0
/* In how many steps blocks are visited from the largest bound down. */
#define N_TIERS 16

typedef struct {
  const ShopIndex *index;
  ShopSearchScratch *scratch;
  guint limit;
  double unit;                /* bounds per score */
  guint32 slack;              /* a document's bound exceeds unit * score by less */
  guint32 threshold;          /* a document with a lower bound is not among the best; at least 1 */
  gsize n_candidates, n_kept; /* now, and after the last cut */
  guint32 ranked_bound;       /* the limit-th largest bound at the last cut */
  gsize n_hits;
  guint64 n_visited; /* blocks */
} Search;

typedef guint16 Bounds __attribute__((vector_size(16)));
typedef guint64 Halves __attribute__((vector_size(16)));

/* What a posting with `code` adds to a bound. */
static inline guint16 code_bound(guint32 code, guint32 scale)
{
  return (guint16)((code * scale >> 8) + 1);
}

/* Chooses the unit such that the sum of bounds fits. A term's bound is floor(code * scale / 256) + 1 with
 * scale = ceil(weight * unit * 256 / 255), so it is at least unit * weight * code / 255; it exceeds unit *
 * score by less than 3 + 1.001 * scale / 256. */
static void set_scales(Search *search)
{
  ShopSearchScratch *scratch = search->scratch;
  double total = 0.0;
  for (guint i = 0; i < scratch->n_terms; i++) {
    ShopQueryTerm *term = &scratch->terms[i];
    term->weight = (float)term->count * term->term->idf;
    total += (double)term->weight;
  }
  search->unit = (BOUND_RANGE - 2.0 * scratch->n_terms) / total;
  search->slack = 1;
  for (guint i = 0; i < scratch->n_terms; i++) {
    ShopQueryTerm *term = &scratch->terms[i];
    term->scale = (guint16)((double)term->weight * search->unit * (256.0 / 255.0) + 1.0);
    search->slack += (term->scale >> 8) + 5;
  }
}

/* Adds what `n` codes (a multiple of SHOP_ROW_UNIT) add to bounds, but for the 1 that each adds: those are
 * added at once for all terms. Not inlined, because only with an argument of 16 bits does the compiler use
 * the vector instruction for the high half of a product. */
static __attribute__((noinline)) void add_codes(guint16 *restrict bounds, const guint8 *restrict codes,
                                                gsize n, guint16 scale)
{
  for (; n > 0; n -= SHOP_ROW_UNIT, bounds += SHOP_ROW_UNIT, codes += SHOP_ROW_UNIT)
    for (guint i = 0; i < SHOP_ROW_UNIT; i++) {
      guint16 high = (guint16)(codes[i] << 8);
      bounds[i] = (guint16)(bounds[i] + (guint16)(((guint32)high * (guint32)scale) >> 16));
    }
}

static void fill_bounds(guint16 *bounds, gsize n, guint value)
{
  for (gsize i = 0; i < n; i++)
    bounds[i] = (guint16)value;
}

static void add_rare_maxima(const ShopIndex *index, const ShopQueryTerm *term, guint16 *bounds)
{
  const guint32 *places = term->places + term->term->first;
  const guint8 *codes = index->rare_codes + term->term->first;
  for (guint32 i = 0, n = term->term->n_documents; i < n;) {
    guint32 block = places[i] >> SHOP_BLOCK_BITS;
    guint8 largest = 0;
    for (; i < n && places[i] >> SHOP_BLOCK_BITS == block; i++)
      largest = MAX(largest, codes[i]);
    if (block < index->n_blocks)
      bounds[block] = (guint16)(bounds[block] + code_bound(largest, term->scale));
  }
}

static void bound_blocks(Search *search)
{
  const ShopIndex *index = search->index;
  ShopSearchScratch *scratch = search->scratch;
  guint n_frequent = 0;
  for (guint i = 0; i < scratch->n_terms; i++)
    n_frequent += !scratch->terms[i].places;
  fill_bounds(scratch->bounds, index->row_stride, n_frequent);
  for (guint i = 0; i < scratch->n_terms; i++) {
    const ShopQueryTerm *term = &scratch->terms[i];
    if (term->places)
      add_rare_maxima(index, term, scratch->bounds);
    else
      add_codes(scratch->bounds, term->maxima, index->row_stride, term->scale);
  }
}

static void add_block(const ShopQueryTerm *term, guint16 *bounds)
{
  if (term->places)
    for (guint32 i = 0; i < term->n; i++)
      bounds[term->places[i] & (SHOP_BLOCK_SIZE - 1)] += code_bound(term->codes[i], term->scale);
  else if (shop_is_dense(term))
    add_codes(bounds, term->codes, SHOP_BLOCK_SIZE, term->scale);
  else
    for (guint32 i = 0; i < term->n; i++)
      bounds[term->low[i]] += code_bound(term->codes[i], term->scale);
}

/* The limit-th largest bound of the candidates. */
static guint32 find_ranked_bound(Search *search)
{
  ShopSearchScratch *scratch = search->scratch;
  gsize n = search->n_candidates;
  guint64 *keys = shop_keys_reserve(&scratch->keys, 2 * n);
  for (gsize i = 0; i < n; i++)
    keys[i] = scratch->candidates.keys[i] >> 32;
  return (guint32)shop_find_ranked(keys, keys + n, n, search->limit);
}

/* Drops the candidates that `limit` others surpass for certain. The rest stay in their order. */
static void cut_candidates(Search *search)
{
  guint64 *candidates = search->scratch->candidates.keys;
  if (search->n_candidates > search->limit) {
    search->ranked_bound = find_ranked_bound(search);
    if (search->ranked_bound > search->slack)
      search->threshold = MAX(search->threshold, search->ranked_bound - search->slack);
    gsize n = 0;
    for (gsize i = 0; i < search->n_candidates; i++) {
      candidates[n] = candidates[i];
      n += candidates[i] >> 32 >= search->threshold;
    }
    search->n_candidates = n;
  }
  search->n_kept = search->n_candidates;
}

/* Whether one of 16 bounds is at least `least`. */
static inline gboolean any_reaches(const guint16 *bounds, guint32 least)
{
  const Bounds *chunk = (const Bounds *)(const void *)bounds;
  Bounds wanted = (Bounds){0} + (guint16)least;
  Halves any = (Halves)(chunk[0] >= wanted) | (Halves)(chunk[1] >= wanted);
  return (any[0] | any[1]) != 0;
}

static void collect_block(Search *search, guint32 block, const guint16 *bounds)
{
  ShopSearchScratch *scratch = search->scratch;
  guint32 threshold = search->threshold;
  guint64 *candidates = shop_keys_reserve(&scratch->candidates, search->n_candidates + SHOP_BLOCK_SIZE);
  gsize n = search->n_candidates;
  for (guint32 i = 0; i < SHOP_BLOCK_SIZE; i += 16) {
    if (!any_reaches(bounds + i, threshold))
      continue;
    for (guint32 j = i; j < i + 16; j++) {
      candidates[n] = (guint64)bounds[j] << 32 | (block << SHOP_BLOCK_BITS | j);
      n += bounds[j] >= threshold;
    }
  }
  search->n_candidates = n;
}

static void visit_block(Search *search, guint32 block)
{
  guint16 bounds[SHOP_BLOCK_SIZE] __attribute__((aligned(64)));
  ShopSearchScratch *scratch = search->scratch;
  guint n_dense = 0;
  for (guint i = 0; i < scratch->n_terms; i++) {
    shop_index_open_block(search->index, &scratch->terms[i], block);
    n_dense += shop_is_dense(&scratch->terms[i]);
  }
  fill_bounds(bounds, SHOP_BLOCK_SIZE, n_dense);
  for (guint i = 0; i < scratch->n_terms; i++)
    add_block(&scratch->terms[i], bounds);
  collect_block(search, block, bounds);
  search->n_visited++;
}

/* Visits blocks in tiers of falling bounds, so that the threshold rises early. */
static void visit_blocks(Search *search)
{
  const guint16 *bounds = search->scratch->bounds;
  guint32 n_blocks = search->index->n_blocks, largest = 0;
  for (guint32 block = 0; block < n_blocks; block++)
    largest = MAX(largest, bounds[block]);
  guint32 step = largest / N_TIERS + 1;
  for (guint32 ceiling = largest + 1; ceiling > search->threshold;) {
    guint32 floor = MAX(search->threshold, ceiling > step ? ceiling - step : 1);
    for (guint32 chunk = 0; chunk < n_blocks; chunk += 16) {
      if (!any_reaches(bounds + chunk, floor))
        continue;
      for (guint32 block = chunk; block < MIN(chunk + 16, n_blocks); block++) {
        if (bounds[block] < MAX(floor, search->threshold) || bounds[block] >= ceiling)
          continue;
        visit_block(search, block);
        if (search->n_candidates > search->n_kept + MAX(search->limit, search->n_kept / 2))
          cut_candidates(search);
      }
    }
    ceiling = floor;
  }
  cut_candidates(search);
}

/* The candidates of one block while they are scored. */
typedef struct {
  guint n;
  guint8 lows[SHOP_BLOCK_SIZE]; /* of their places */
  float norms[SHOP_BLOCK_SIZE];
  double scores[SHOP_BLOCK_SIZE];
  guint8 numbers[SHOP_BLOCK_SIZE]; /* low byte of a place → its candidate, where `present` */
  guint8 present[SHOP_BLOCK_SIZE];
} Scoring;

static inline void add_score(const Search *search, const ShopQueryTerm *term, guint32 block, Scoring *scoring,
                             guint number, guint8 code)
{
  guint32 place = block << SHOP_BLOCK_BITS | scoring->lows[number];
  guint32 frequency = shop_index_frequency(search->index, term->term, place, code);
  scoring->scores[number] += (double)shop_bm25_score(term->weight, frequency, scoring->norms[number]);
}

/* Adds a term's scores. Of a sparse run first the postings of candidates are picked, without branches. */
static void add_scores(const Search *search, const ShopQueryTerm *term, guint32 block, Scoring *scoring)
{
  if (shop_is_dense(term)) {
    for (guint i = 0; i < scoring->n; i++)
      if (term->codes[scoring->lows[i]])
        add_score(search, term, block, scoring, i, term->codes[scoring->lows[i]]);
    return;
  }
  guint8 picked[SHOP_BLOCK_SIZE];
  guint n_picked = 0;
  for (guint i = 0; i < term->n; i++) {
    picked[n_picked] = (guint8)i;
    n_picked += scoring->present[term->places ? term->places[i] & (SHOP_BLOCK_SIZE - 1) : term->low[i]];
  }
  for (guint i = 0; i < n_picked; i++) {
    guint32 low = term->places ? term->places[picked[i]] & (SHOP_BLOCK_SIZE - 1) : term->low[picked[i]];
    add_score(search, term, block, scoring, scoring->numbers[low], term->codes[picked[i]]);
  }
}

/* Scores candidates of one block and adds them to the hits. */
static void score_block(Search *search, guint32 block, const guint64 *candidates, guint n)
{
  const ShopIndex *index = search->index;
  Scoring scoring;
  scoring.n = n;
  memset(scoring.present, 0, sizeof scoring.present);
  for (guint i = 0; i < n; i++) {
    guint32 place = (guint32)candidates[i], low = place & (SHOP_BLOCK_SIZE - 1);
    scoring.lows[i] = (guint8)low;
    scoring.norms[i] = index->norms[index->lengths[place]];
    scoring.scores[i] = 0.0;
    scoring.numbers[low] = (guint8)i;
    scoring.present[low] = 1;
  }
  for (guint i = 0; i < search->scratch->n_terms; i++) {
    ShopQueryTerm *term = &search->scratch->terms[i];
    shop_index_open_block(index, term, block);
    add_scores(search, term, block, &scoring);
  }
  for (guint i = 0; i < n; i++) {
    guint32 place = (guint32)candidates[i];
    if (place < index->n_documents && scoring.scores[i] > 0.0)
      search->scratch->hits.keys[search->n_hits++] =
          shop_make_hit((float)scoring.scores[i], index->ranks[place]);
  }
}

/* Scores the candidates with bounds from `least` to below `end`, block by block. */
static void score_candidates(Search *search, double least, guint32 end)
{
  const guint64 *candidates = search->scratch->candidates.keys;
  guint64 chosen[SHOP_BLOCK_SIZE];
  for (gsize i = 0; i < search->n_candidates;) {
    guint32 block = (guint32)candidates[i] >> SHOP_BLOCK_BITS;
    guint n = 0;
    for (; i < search->n_candidates && (guint32)candidates[i] >> SHOP_BLOCK_BITS == block; i++) {
      chosen[n] = candidates[i];
      n += (double)(candidates[i] >> 32) >= least && candidates[i] >> 32 < end;
    }
    if (n > 0)
      score_block(search, block, chosen, n);
  }
}

/* The least bound that a document can have whose score is not lower than that of the worst hit. */
static double bound_of_worst_hit(const Search *search)
{
  guint64 worst = G_MAXUINT64;
  for (gsize i = 0; i < search->n_hits; i++)
    worst = MIN(worst, search->scratch->hits.keys[i]);
  return search->unit * (double)shop_hit_score(worst) * (1.0 - 1e-6);
}

/* Scores all candidates that may be among the best. When there are many, because of many alike, the most
 * promising come first: their scores are a sharper threshold for the others. */
static void score_all(Search *search)
{
  shop_keys_reserve(&search->scratch->hits, search->n_candidates);
  if (search->n_candidates <= 2 * (gsize)search->limit) {
    score_candidates(search, 0.0, G_MAXUINT32);
    return;
  }
  score_candidates(search, search->ranked_bound, G_MAXUINT32);
  double least = search->n_hits < search->limit ? 0.0 : bound_of_worst_hit(search);
  score_candidates(search, least, search->ranked_bound);
}

guint shop_index_top_documents(const ShopIndex *index, ShopSearchScratch *scratch, guint limit,
                               guint32 *documents, ShopSearchWork *work)
{
  Search search = {.index = index, .scratch = scratch, .limit = limit, .threshold = 1};
  set_scales(&search);
  bound_blocks(&search);
  visit_blocks(&search);
  score_all(&search);
  work->n_bounded += search.n_visited * SHOP_BLOCK_SIZE;
  work->n_scored += search.n_hits;
  guint n = (guint)shop_rank_keys(scratch->hits.keys, search.n_hits, limit, &scratch->keys);
  return shop_index_write_documents(index, scratch->hits.keys, n, documents);
}
