/* The best documents of a query, without scoring the others. From the codes of the postings come
 * integer bounds of scores, 16 bits wide, that are never below the true score and above it by at most
 * `slack`. First every block of places gets a bound from its terms' largest codes. Blocks are
 * then visited by falling bound, and bounds added up for their documents, until no block
 * can hold one of the best. A document is a candidate while its bound, less the slack, could
 * reach the limit-th largest bound seen. Only the candidates, few more than the limit, are scored
 * as Lucene scores: single precision per term, summed in double precision in the query's order. */
#include "envs/shop/index_private.h"

#include <string.h>

/* The largest sum of bounds; leaves room in 16 bits for rounding up scales (ShopQueryTerm). */
#define BOUND_RANGE 65200.0
/* Blocks are ordered by this many bits of their bounds. */
#define ORDER_BITS 9

typedef struct {
  const ShopIndex *index;
  ShopSearchScratch *scratch;
  guint limit;
  double unit;       /* bounds per score */
  guint32 slack;     /* a document's bound exceeds unit * score by less */
  guint32 threshold; /* a document with a lower bound is not among the best; at least 1 */
  gsize n_candidates, n_kept;
  gsize n_hits;
  guint64 n_visited; /* blocks */
} Search;

typedef guint16 Bounds __attribute__((vector_size(16)));
typedef guint64 Halves __attribute__((vector_size(16)));

/* What a posting with `code` adds to a bound: at least 1, so that a bound of 0 means no posting. */
static inline guint32 code_bound(guint32 code, guint32 scale)
{
  return (code * scale >> 8) + 1;
}

/* Chooses the unit such that the sum of bounds fits. A term's bound is
 * floor(code * scale / 256) + 1 with scale = ceil(weight * unit * 256 / 255), so it is at least
 * unit * weight * code / 255; it exceeds unit * score by less than 3 + 1.001 * scale / 256. */
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
    term->scale = (guint32)((double)term->weight * search->unit * (256.0 / 255.0)) + 1;
    search->slack += (term->scale >> 8) + 5;
  }
}

/* `n` is a multiple of 16 but for the last few blocks. */
static void add_codes(guint16 *restrict bounds, const guint8 *restrict codes, gsize n, guint32 scale)
{
  for (gsize i = 0; i < n; i++) {
    guint16 high = (guint16)(codes[i] << 8);
    bounds[i] = (guint16)(bounds[i] + (guint16)(((guint32)high * (guint16)scale) >> 16) + (codes[i] != 0));
  }
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
  memset(scratch->bounds, 0, index->n_blocks * sizeof *scratch->bounds);
  for (guint i = 0; i < scratch->n_terms; i++) {
    const ShopQueryTerm *term = &scratch->terms[i];
    if (term->places)
      add_rare_maxima(index, term, scratch->bounds);
    else
      add_codes(scratch->bounds, term->maxima, index->n_blocks, term->scale);
  }
}

/* Writes the blocks with postings to scratch->order, roughly by falling bound; returns how many. */
static guint32 order_blocks(Search *search)
{
  guint32 starts[1 << ORDER_BITS] = {0}, n = 0, n_blocks = search->index->n_blocks;
  const guint16 *bounds = search->scratch->bounds;
  for (guint32 block = 0; block < n_blocks; block++)
    starts[bounds[block] >> (16 - ORDER_BITS)]++;
  for (guint i = 1 << ORDER_BITS; i-- > 0;) {
    guint32 count = starts[i];
    starts[i] = n;
    n += count;
  }
  for (guint32 block = 0; block < n_blocks; block++)
    search->scratch->order[starts[bounds[block] >> (16 - ORDER_BITS)]++] = block;
  return n;
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

/* Points a term at its postings in a block. */
static void open_block(const ShopIndex *index, ShopQueryTerm *term, guint32 block)
{
  if (term->places) {
    const guint32 *places = index->rare_places + term->term->first;
    guint32 place = block << SHOP_BLOCK_BITS, n = term->term->n_documents;
    guint32 first = first_place_from(places, n, place), end = first;
    while (end < n && places[end] >> SHOP_BLOCK_BITS == block)
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

static void add_block(const ShopQueryTerm *term, guint16 *bounds)
{
  if (term->places)
    for (guint32 i = 0; i < term->n; i++)
      bounds[term->places[i] & (SHOP_BLOCK_SIZE - 1)] += (guint16)code_bound(term->codes[i], term->scale);
  else if (term->n == SHOP_BLOCK_SIZE)
    add_codes(bounds, term->codes, SHOP_BLOCK_SIZE, term->scale);
  else
    for (guint32 i = 0; i < term->n; i++)
      bounds[term->low[i]] += (guint16)code_bound(term->codes[i], term->scale);
}

static guint64 *grow(guint64 *elements, gsize *room, gsize wanted)
{
  if (wanted <= *room)
    return elements;
  *room = wanted + wanted / 2;
  return g_renew(guint64, elements, *room);
}

static void swap_keys(guint64 *keys, gsize i, gsize j)
{
  guint64 key = keys[i];
  keys[i] = keys[j];
  keys[j] = key;
}

/* Moves the `keep` largest of n keys to the front, in no order but that the smallest of them is the last (0 < keep <=
 * n).
 */
static void select_largest(guint64 *keys, gsize n, gsize keep)
{
  gsize first = 0, last = n - 1;
  while (first < last) {
    swap_keys(keys, first + (last - first) / 2, last);
    guint64 pivot = keys[last];
    gsize store = first;
    for (gsize i = first; i < last; i++) { /* no branch: it could not be predicted */
      guint64 key = keys[i];
      keys[i] = keys[store];
      keys[store] = key;
      store += key > pivot;
    }
    swap_keys(keys, store, last);
    if (store + 1 == keep)
      return;
    if (store >= keep)
      last = store - 1;
    else
      first = store + 1;
  }
}

/* Drops the candidates that more than `limit` others surpass, be their bounds as wrong as can be. */
static void cut_candidates(Search *search)
{
  guint64 *candidates = search->scratch->candidates;
  if (search->n_candidates > search->limit) {
    select_largest(candidates, search->n_candidates, search->limit);
    guint32 bound = (guint32)(candidates[search->limit - 1] >> 32);
    if (bound > search->slack)
      search->threshold = MAX(search->threshold, bound - search->slack);
    gsize n = search->limit;
    for (gsize i = n; i < search->n_candidates; i++) {
      candidates[n] = candidates[i];
      n += candidates[i] >> 32 >= search->threshold;
    }
    search->n_candidates = n;
  }
  search->n_kept = search->n_candidates;
}

static void collect_block(Search *search, guint32 block, const guint16 *bounds)
{
  ShopSearchScratch *scratch = search->scratch;
  guint32 threshold = search->threshold;
  scratch->candidates = grow(scratch->candidates, &scratch->candidate_room, search->n_candidates + SHOP_BLOCK_SIZE);
  guint64 *candidates = scratch->candidates;
  gsize n = search->n_candidates;
  Bounds least;
  for (guint i = 0; i < sizeof least / sizeof *bounds; i++)
    least[i] = (guint16)threshold;
  for (guint32 i = 0; i < SHOP_BLOCK_SIZE; i += 16) {
    const Bounds *chunk = (const Bounds *)(const void *)(bounds + i);
    Halves any = (Halves)(chunk[0] >= least) | (Halves)(chunk[1] >= least);
    if ((any[0] | any[1]) == 0)
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
  guint16 bounds[SHOP_BLOCK_SIZE] __attribute__((aligned(64))) = {0};
  for (guint i = 0; i < search->scratch->n_terms; i++) {
    ShopQueryTerm *term = &search->scratch->terms[i];
    open_block(search->index, term, block);
    add_block(term, bounds);
  }
  collect_block(search, block, bounds);
}

static void visit_blocks(Search *search)
{
  guint32 n = order_blocks(search);
  for (guint32 i = 0; i < n; i++) {
    guint32 block = search->scratch->order[i], bound = search->scratch->bounds[block];
    if (bound >> (16 - ORDER_BITS) < search->threshold >> (16 - ORDER_BITS))
      break;
    if (bound < search->threshold)
      continue;
    visit_block(search, block);
    search->n_visited++;
    if (search->n_candidates > search->n_kept + MAX(search->limit, search->n_kept / 2))
      cut_candidates(search);
  }
  cut_candidates(search);
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

static guint32 find_frequency(const ShopIndex *index, const ShopIndexTerm *term, guint32 place, guint8 code)
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
  guint32 frequency = find_frequency(search->index, term->term, place, code);
  scoring->scores[number] += (double)shop_bm25_score(term->weight, frequency, scoring->norms[number]);
}

/* Adds a term's scores. Of a sparse run first the postings of candidates are picked, without branches. */
static void add_scores(const Search *search, const ShopQueryTerm *term, guint32 block, Scoring *scoring)
{
  if (term->n == SHOP_BLOCK_SIZE && !term->places) {
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

/* A hit as one number: the larger is the better. Positive floats order as their bits do. */
static guint64 make_hit(float score, guint32 rank)
{
  guint32 bits;
  memcpy(&bits, &score, sizeof bits);
  return (guint64)bits << 32 | (G_MAXUINT32 - rank);
}

/* Sorts distinct keys, largest first. */
static void sort_falling(guint64 *keys, gsize n)
{
  while (n > 24) {
    gsize half = n / 2;
    select_largest(keys, n, half);
    sort_falling(keys, half);
    keys += half;
    n -= half;
  }
  for (gsize i = 1; i < n; i++) {
    guint64 key = keys[i];
    gsize j = i;
    for (; j > 0 && keys[j - 1] < key; j--)
      keys[j] = keys[j - 1];
    keys[j] = key;
  }
}

/* Scores candidates of one block, given by place << 32, and adds them to the hits. */
static void score_block(Search *search, guint32 block, const guint64 *candidates, guint n)
{
  const ShopIndex *index = search->index;
  Scoring scoring;
  scoring.n = n;
  memset(scoring.present, 0, sizeof scoring.present);
  for (guint i = 0; i < n; i++) {
    guint32 place = (guint32)(candidates[i] >> 32), low = place & (SHOP_BLOCK_SIZE - 1);
    scoring.lows[i] = (guint8)low;
    scoring.norms[i] = index->norms[index->lengths[place]];
    scoring.scores[i] = 0.0;
    scoring.numbers[low] = (guint8)i;
    scoring.present[low] = 1;
  }
  for (guint i = 0; i < search->scratch->n_terms; i++) {
    ShopQueryTerm *term = &search->scratch->terms[i];
    open_block(index, term, block);
    add_scores(search, term, block, &scoring);
  }
  for (guint i = 0; i < n; i++) {
    guint32 place = (guint32)(candidates[i] >> 32);
    if (place < index->n_documents)
      search->scratch->hits[search->n_hits++] = make_hit((float)scoring.scores[i], index->ranks[place]);
  }
}

/* Scores candidates, block by block. */
static void score_candidates(Search *search, guint64 *candidates, gsize n)
{
  for (gsize i = 0; i < n; i++)
    candidates[i] = candidates[i] << 32 | candidates[i] >> 32;
  sort_falling(candidates, n);
  for (gsize i = 0; i < n;) {
    gsize first = i;
    guint32 block = (guint32)(candidates[i] >> (32 + SHOP_BLOCK_BITS));
    while (i < n && candidates[i] >> (32 + SHOP_BLOCK_BITS) == block)
      i++;
    score_block(search, block, candidates + first, (guint)(i - first));
  }
}

/* Keeps the candidates whose bound reaches the score of the worst hit; the bound of every document whose score is not
 * lower does. Returns how many. */
static gsize drop_surpassed(const Search *search, guint64 *candidates, gsize n)
{
  guint64 worst = G_MAXUINT64;
  for (gsize i = 0; i < search->n_hits; i++)
    worst = MIN(worst, search->scratch->hits[i]);
  guint32 bits = (guint32)(worst >> 32);
  float score;
  memcpy(&score, &bits, sizeof score);
  double threshold = search->unit * (double)score * (1.0 - 1e-6);
  gsize kept = 0;
  for (gsize i = 0; i < n; i++) {
    guint64 candidate = candidates[i];
    candidates[kept] = candidate;
    kept += (double)(candidate >> 32) >= threshold;
  }
  return kept;
}

guint shop_index_top_documents(const ShopIndex *index, ShopSearchScratch *scratch, guint limit, guint32 *documents,
                               ShopSearchWork *work)
{
  Search search = {.index = index, .scratch = scratch, .limit = limit, .threshold = 1};
  set_scales(&search);
  bound_blocks(&search);
  visit_blocks(&search);
  scratch->hits = grow(scratch->hits, &scratch->hit_room, search.n_candidates);
  /* The candidates with the best bounds come first; what they score is a sharper threshold for the others. */
  gsize first = MIN(search.n_candidates, limit);
  score_candidates(&search, scratch->candidates, first);
  if (search.n_candidates > first) {
    guint64 *others = scratch->candidates + first;
    score_candidates(&search, others, drop_surpassed(&search, others, search.n_candidates - first));
  }
  for (guint i = 0; i < scratch->n_terms; i++)
    work->n_postings += scratch->terms[i].term->n_documents;
  work->n_terms += scratch->n_terms;
  work->n_bounded += search.n_visited * SHOP_BLOCK_SIZE;
  work->n_scored += search.n_hits;
  guint n = (guint)MIN(search.n_hits, limit);
  if (search.n_hits > n)
    select_largest(scratch->hits, search.n_hits, n);
  sort_falling(scratch->hits, n);
  guint n_documents = 0;
  for (guint i = 0; i < n; i++) {
    guint32 rank = G_MAXUINT32 - (guint32)scratch->hits[i];
    guint32 number = rank < index->n_documents ? index->ranked_numbers[rank] : G_MAXUINT32;
    if (number < index->n_documents)
      documents[n_documents++] = number;
  }
  return n_documents;
}
