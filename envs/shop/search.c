/* An inverted index with BM25 scoring. Documents are numbered internally in
 * ASIN order, so that ties fall to the lower number. Scores are computed in
 * single precision per term, in Lucene's order of operations, and summed in
 * double precision over all documents of the query's terms. Each search
 * borrows a scratch area from a pool that the index owns. */
#include "envs/shop/search.h"

#include "envs/shop/analyzer.h"

#include <math.h>
#include <string.h>

#define BM25_K1 0.9f
#define BM25_B  0.4f

typedef struct {
  guint32 document;
  guint32 frequency;
} Posting;

typedef struct {
  gsize text;            /* offset of its bytes in index->text */
  guint32 text_length;   /* in bytes */
  guint32 first, length; /* of its postings in index->documents */
  float idf;
} Term;

typedef struct {
  const Term *term;
  guint count;
} QueryTerm;

/* What one search needs besides the index. */
typedef struct {
  double *scores;   /* per document; all 0 between searches */
  QueryTerm *terms; /* room for SHOP_INDEX_MAX_TERMS */
  guint64 *hits;    /* room for n_hits */
  guint n_hits;
} Scratch;

struct ShopIndex {
  guint32 n_documents;
  guint32 n_terms;
  Term *terms;
  char *text;     /* of all terms, one after the other */
  guint32 *slots; /* hash table of term numbers plus one; 0 is empty */
  guint32 slot_mask;
  guint32 *documents;      /* postings, term by term, ascending within a term */
  guint32 *frequencies;    /* beside them: how often the document has the term */
  float *impacts;          /* beside them: the term's score there, for a term given once */
  guint8 *lengths;         /* per document: its length as Lucene's byte */
  guint32 *numbers;        /* internal number → insertion number */
  float inverse_norm[256]; /* per length byte: 1 / (k1 * (1 - b + b * length / average)) */
  GMutex mutex;            /* guards pool */
  GPtrArray *pool;         /* of Scratch */
  /* While building. */
  GHashTable *building; /* text → GArray of Posting */
  GPtrArray *asins;
  GArray *document_lengths; /* guint32, number of terms */
};

/* Lucene's SmallFloat.intToByte4: lengths below 40 exact, then four significant bits. */
static guint8 encode_length(guint32 length)
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

static guint32 decode_length(guint8 byte)
{
  if (byte < 24)
    return byte;
  guint32 rest = byte - 24u, bits = rest & 7, exponent = rest >> 3;
  return exponent == 0 ? 24 + bits : 24 + ((bits | 8) << (exponent - 1));
}

static void free_postings(gpointer postings)
{
  g_array_unref(postings);
}

static void scratch_free(gpointer data)
{
  Scratch *scratch = data;
  g_free(scratch->scores);
  g_free(scratch->terms);
  g_free(scratch->hits);
  g_free(scratch);
}

ShopIndex *shop_index_new(void)
{
  ShopIndex *index = g_new0(ShopIndex, 1);
  index->building = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_postings);
  index->asins = g_ptr_array_new_with_free_func(g_free);
  index->document_lengths = g_array_new(FALSE, FALSE, sizeof(guint32));
  index->pool = g_ptr_array_new_with_free_func(scratch_free);
  g_mutex_init(&index->mutex);
  return index;
}

static void free_builder(ShopIndex *index)
{
  g_clear_pointer(&index->building, g_hash_table_unref);
  g_clear_pointer(&index->asins, g_ptr_array_unref);
  g_clear_pointer(&index->document_lengths, g_array_unref);
}

void shop_index_free(ShopIndex *index)
{
  if (!index)
    return;
  free_builder(index);
  g_ptr_array_unref(index->pool);
  g_mutex_clear(&index->mutex);
  g_free(index->terms);
  g_free(index->text);
  g_free(index->slots);
  g_free(index->documents);
  g_free(index->frequencies);
  g_free(index->impacts);
  g_free(index->lengths);
  g_free(index->numbers);
  g_free(index);
}

guint32 shop_index_size(const ShopIndex *index)
{
  return index->n_documents;
}

static void add_term(const char *text, gsize length, gpointer user_data)
{
  ShopIndex *index = user_data;
  char key[3 * SHOP_TOKEN_LIMIT + 1];
  memcpy(key, text, length);
  key[length] = '\0';
  GArray *postings = g_hash_table_lookup(index->building, key);
  if (!postings) {
    postings = g_array_new(FALSE, FALSE, sizeof(Posting));
    g_hash_table_insert(index->building, g_strdup(key), postings);
  }
  guint32 document = index->n_documents;
  if (postings->len > 0 && g_array_index(postings, Posting, postings->len - 1).document == document)
    g_array_index(postings, Posting, postings->len - 1).frequency++;
  else
    g_array_append_vals(postings, &(Posting){document, 1}, 1);
  g_array_index(index->document_lengths, guint32, document)++;
}

void shop_index_add(ShopIndex *index, const char *asin, const char *contents)
{
  guint32 none = 0;
  g_ptr_array_add(index->asins, g_strdup(asin));
  g_array_append_val(index->document_lengths, none);
  shop_analyze(contents, add_term, index);
  index->n_documents++;
}

static gint compare_asins(gconstpointer a, gconstpointer b, gpointer asins)
{
  guint32 first = *(const guint32 *)a, second = *(const guint32 *)b;
  int order = strcmp(g_ptr_array_index((GPtrArray *)asins, first), g_ptr_array_index((GPtrArray *)asins, second));
  return order ? order : (first > second) - (first < second);
}

static gint compare_postings(gconstpointer a, gconstpointer b)
{
  const Posting *first = a, *second = b;
  return (first->document > second->document) - (first->document < second->document);
}

/* Fills numbers, lengths and the norms; returns the number of documents that
 * have terms, over which alone Lucene averages. `internal` receives the
 * internal number of each insertion number. */
static guint32 order_documents(ShopIndex *index, guint32 *internal)
{
  guint32 n = index->n_documents, n_filled = 0;
  guint64 total = 0;
  index->numbers = g_new(guint32, n);
  index->lengths = g_new(guint8, n);
  for (guint32 i = 0; i < n; i++)
    index->numbers[i] = i;
  g_qsort_with_data(index->numbers, (gint)n, sizeof(guint32), compare_asins, index->asins);
  for (guint32 i = 0; i < n; i++) {
    guint32 length = g_array_index(index->document_lengths, guint32, index->numbers[i]);
    internal[index->numbers[i]] = i;
    index->lengths[i] = encode_length(length);
    total += length;
    n_filled += length > 0;
  }
  float average = (float)((double)total / (double)MAX(n_filled, 1));
  for (guint byte = 0; byte < 256; byte++)
    index->inverse_norm[byte] =
        1.0f / (BM25_K1 * ((1.0f - BM25_B) + BM25_B * (float)decode_length((guint8)byte) / average));
  return n_filled;
}

static guint32 hash_text(const char *text, gsize length)
{
  guint32 hash = 2166136261u; /* FNV-1a */
  for (gsize i = 0; i < length; i++)
    hash = (hash ^ (guchar)text[i]) * 16777619u;
  return hash ^ (hash >> 15);
}

/* The slot of a term, or the empty one where it would go. */
static guint32 find_slot(const ShopIndex *index, const char *text, gsize length)
{
  guint32 slot = hash_text(text, length) & index->slot_mask;
  for (; index->slots[slot]; slot = (slot + 1) & index->slot_mask) {
    const Term *term = &index->terms[index->slots[slot] - 1];
    if (term->text_length == length && memcmp(index->text + term->text, text, length) == 0)
      break;
  }
  return slot;
}

/* The score of a term in a document, in Lucene's order of operations. */
static float score_term(float weight, guint32 frequency, float inverse_norm)
{
  return weight - weight / (1.0f + (float)frequency * inverse_norm);
}

static void finish_term(ShopIndex *index, Term *term, GArray *postings)
{
  g_array_sort(postings, compare_postings);
  for (guint32 i = 0; i < term->length; i++) {
    const Posting *posting = &g_array_index(postings, Posting, i);
    index->documents[term->first + i] = posting->document;
    index->frequencies[term->first + i] = posting->frequency;
    index->impacts[term->first + i] =
        score_term(term->idf, posting->frequency, index->inverse_norm[index->lengths[posting->document]]);
  }
}

void shop_index_finish(ShopIndex *index)
{
  guint32 *internal = g_new(guint32, index->n_documents);
  guint32 n_filled = order_documents(index, internal), n_postings = 0;
  GHashTableIter iterator;
  gpointer key, value;
  GString *text = g_string_new(NULL);
  g_hash_table_iter_init(&iterator, index->building);
  while (g_hash_table_iter_next(&iterator, &key, &value))
    n_postings += ((GArray *)value)->len;
  index->documents = g_new(guint32, n_postings);
  index->frequencies = g_new(guint32, n_postings);
  index->impacts = g_new(float, n_postings);
  index->terms = g_new(Term, g_hash_table_size(index->building));
  index->slot_mask = (1u << g_bit_storage(2ul * g_hash_table_size(index->building) + 1)) - 1;
  index->slots = g_new0(guint32, (gsize)index->slot_mask + 1);
  n_postings = 0;
  g_hash_table_iter_init(&iterator, index->building);
  while (g_hash_table_iter_next(&iterator, &key, &value)) {
    GArray *postings = value;
    Term *term = &index->terms[index->n_terms++];
    *term = (Term){text->len, (guint32)strlen(key), n_postings, postings->len,
                   (float)log(1.0 + ((double)n_filled - postings->len + 0.5) / (postings->len + 0.5))};
    g_string_append(text, key);
    index->text = text->str;
    index->slots[find_slot(index, key, term->text_length)] = index->n_terms;
    for (guint i = 0; i < postings->len; i++)
      g_array_index(postings, Posting, i).document = internal[g_array_index(postings, Posting, i).document];
    finish_term(index, term, postings);
    n_postings += postings->len;
    g_hash_table_iter_remove(&iterator);
  }
  index->text = g_string_free(text, FALSE);
  g_free(internal);
  free_builder(index);
}

static Scratch *borrow_scratch(const ShopIndex *index)
{
  GMutex *mutex = (GMutex *)&index->mutex;
  Scratch *scratch = NULL;
  g_mutex_lock(mutex);
  if (index->pool->len > 0)
    scratch = g_ptr_array_steal_index_fast(index->pool, index->pool->len - 1);
  g_mutex_unlock(mutex);
  if (!scratch) {
    scratch = g_new0(Scratch, 1);
    scratch->scores = g_new0(double, index->n_documents);
    scratch->terms = g_new(QueryTerm, SHOP_INDEX_MAX_TERMS);
  }
  return scratch;
}

static void return_scratch(const ShopIndex *index, Scratch *scratch)
{
  GMutex *mutex = (GMutex *)&index->mutex;
  g_mutex_lock(mutex);
  g_ptr_array_add(index->pool, scratch);
  g_mutex_unlock(mutex);
}

typedef struct {
  const ShopIndex *index;
  QueryTerm *terms;
  guint n_terms;
} QueryParse;

static void add_query_term(const char *text, gsize length, gpointer user_data)
{
  QueryParse *parse = user_data;
  guint32 number = parse->index->slots[find_slot(parse->index, text, length)];
  if (!number)
    return;
  const Term *term = &parse->index->terms[number - 1];
  for (guint i = 0; i < parse->n_terms; i++)
    if (parse->terms[i].term == term) {
      parse->terms[i].count++;
      return;
    }
  parse->terms[parse->n_terms++] = (QueryTerm){term, 1};
}

static void accumulate(const ShopIndex *index, const QueryTerm *query_term, double *scores)
{
  const Term *term = query_term->term;
  const guint32 *documents = index->documents + term->first;
  if (query_term->count == 1) {
    const float *impacts = index->impacts + term->first;
    for (guint32 i = 0; i < term->length; i++)
      scores[documents[i]] += (double)impacts[i];
    return;
  }
  const guint32 *frequencies = index->frequencies + term->first;
  float weight = (float)query_term->count * term->idf;
  for (guint32 i = 0; i < term->length; i++)
    scores[documents[i]] +=
        (double)score_term(weight, frequencies[i], index->inverse_norm[index->lengths[documents[i]]]);
}

/* A hit as one number: the larger is the better. Positive floats order as their bits do. */
static guint64 make_hit(float score, guint32 document)
{
  guint32 bits;
  memcpy(&bits, &score, sizeof bits);
  return (guint64)bits << 32 | (G_MAXUINT32 - document);
}

static void swap_hits(guint64 *hits, guint i, guint j)
{
  guint64 hit = hits[i];
  hits[i] = hits[j];
  hits[j] = hit;
}

/* Moves the `keep` best of n hits to the front, in no order (0 < keep < n). */
static void select_hits(guint64 *hits, guint n, guint keep)
{
  guint first = 0, last = n - 1;
  while (first < last) {
    swap_hits(hits, first + (last - first) / 2, last);
    guint64 pivot = hits[last];
    guint store = first;
    for (guint i = first; i < last; i++) { /* no branch: it could not be predicted */
      guint64 hit = hits[i];
      hits[i] = hits[store];
      hits[store] = hit;
      store += hit > pivot;
    }
    swap_hits(hits, store, last);
    if (store == keep || store + 1 == keep)
      return;
    if (store > keep)
      last = store - 1;
    else
      first = store + 1;
  }
}

static void sort_hits(guint64 *hits, guint n)
{
  for (guint i = 1; i < n; i++) {
    guint64 hit = hits[i];
    guint j = i;
    for (; j > 0 && hits[j - 1] < hit; j--)
      hits[j] = hits[j - 1];
    hits[j] = hit;
  }
}

/* Moves the best documents of the scratch to `documents`, clearing the scores. Candidates gather in a buffer, which is
 * cut back to the best `limit` whenever it is full; from then on a candidate must beat the worst of those. */
static guint collect_best(const ShopIndex *index, Scratch *scratch, guint limit, guint32 *documents)
{
  guint room = 4 * limit, n = 0;
  if (scratch->n_hits < room) {
    scratch->hits = g_renew(guint64, scratch->hits, room);
    scratch->n_hits = room;
  }
  double *scores = scratch->scores;
  guint64 *hits = scratch->hits;
  float worst = 0.0f;
  for (guint32 document = 0; document < index->n_documents; document++) {
    float score = (float)scores[document];
    scores[document] = 0.0;
    hits[n] = make_hit(score, document);
    n += score > worst;
    if (n < room)
      continue;
    select_hits(hits, n, limit);
    n = limit;
    guint32 bits = (guint32)(hits[0] >> 32);
    for (guint i = 1; i < limit; i++)
      bits = MIN(bits, (guint32)(hits[i] >> 32));
    memcpy(&worst, &bits, sizeof worst);
  }
  if (n > limit) {
    select_hits(hits, n, limit);
    n = limit;
  }
  sort_hits(hits, n);
  for (guint i = 0; i < n; i++)
    documents[i] = index->numbers[G_MAXUINT32 - (guint32)hits[i]];
  return n;
}

static void count_term(const char *text, gsize length, gpointer user_data)
{
  (void)text;
  (void)length;
  (*(guint *)user_data)++;
}

static void collect_term(const char *text, gsize length, gpointer user_data)
{
  g_hash_table_add(user_data, g_strndup(text, length));
}

/* Whether the query has more different terms than Lucene accepts, be they in the index or not. */
static gboolean has_too_many_terms(const char *query)
{
  guint count = 0;
  shop_analyze(query, count_term, &count);
  if (count <= SHOP_INDEX_MAX_TERMS)
    return FALSE;
  GHashTable *terms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  shop_analyze(query, collect_term, terms);
  count = g_hash_table_size(terms);
  g_hash_table_unref(terms);
  return count > SHOP_INDEX_MAX_TERMS;
}

guint shop_index_search(const ShopIndex *index, const char *query, guint limit, guint32 *documents)
{
  /* Every term takes at least a byte, so a short query need not be counted. */
  if (strnlen(query, SHOP_INDEX_MAX_TERMS + 1) > SHOP_INDEX_MAX_TERMS && has_too_many_terms(query))
    return SHOP_INDEX_TOO_MANY_TERMS;
  limit = MIN(limit, index->n_documents);
  if (limit == 0)
    return 0;
  Scratch *scratch = borrow_scratch(index);
  QueryParse parse = {index, scratch->terms, 0};
  shop_analyze(query, add_query_term, &parse);
  for (guint i = 0; i < parse.n_terms; i++)
    accumulate(index, &parse.terms[i], scratch->scores);
  guint n = parse.n_terms > 0 ? collect_best(index, scratch, limit, documents) : 0;
  return_scratch(index, scratch);
  return n;
}
