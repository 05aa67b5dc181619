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
  guint32 first, length; /* of its postings in index->postings */
  float idf;
} Term;

/* What one search needs besides the index. */
typedef struct {
  double *scores;   /* per document; all 0 between searches */
  guint32 *touched; /* documents with a score */
  GArray *terms;    /* QueryTerm */
} Scratch;

typedef struct {
  const Term *term;
  guint count;
} QueryTerm;

struct ShopIndex {
  guint32 n_documents;
  GHashTable *terms; /* text → Term, or → GArray of Posting while building */
  Posting *postings;
  guint8 *lengths;         /* per document: its length as Lucene's byte */
  guint32 *numbers;        /* internal number → insertion number */
  float inverse_norm[256]; /* per length byte: 1 / (k1 * (1 - b + b * length / average)) */
  GMutex mutex;            /* guards pool */
  GPtrArray *pool;         /* of Scratch */
  /* While building. */
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

ShopIndex *shop_index_new(void)
{
  ShopIndex *index = g_new0(ShopIndex, 1);
  index->terms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_postings);
  index->asins = g_ptr_array_new_with_free_func(g_free);
  index->document_lengths = g_array_new(FALSE, FALSE, sizeof(guint32));
  index->pool = g_ptr_array_new();
  g_mutex_init(&index->mutex);
  return index;
}

static void scratch_free(Scratch *scratch)
{
  g_free(scratch->scores);
  g_free(scratch->touched);
  g_array_unref(scratch->terms);
  g_free(scratch);
}

void shop_index_free(ShopIndex *index)
{
  if (!index)
    return;
  for (guint i = 0; i < index->pool->len; i++)
    scratch_free(g_ptr_array_index(index->pool, i));
  g_ptr_array_unref(index->pool);
  g_mutex_clear(&index->mutex);
  g_hash_table_unref(index->terms);
  g_clear_pointer(&index->asins, g_ptr_array_unref);
  g_clear_pointer(&index->document_lengths, g_array_unref);
  g_free(index->postings);
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
  GArray *postings = g_hash_table_lookup(index->terms, key);
  if (!postings) {
    postings = g_array_new(FALSE, FALSE, sizeof(Posting));
    g_hash_table_insert(index->terms, g_strdup(key), postings);
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

/* The average length counts only documents that have terms, as Lucene does. */
static void compute_norms(ShopIndex *index, guint64 total, guint32 n_filled)
{
  float average = (float)((double)total / (double)MAX(n_filled, 1));
  for (guint byte = 0; byte < 256; byte++)
    index->inverse_norm[byte] =
        1.0f / (BM25_K1 * ((1.0f - BM25_B) + BM25_B * (float)decode_length((guint8)byte) / average));
}

void shop_index_finish(ShopIndex *index)
{
  guint32 n = index->n_documents;
  guint32 *internal = g_new(guint32, n); /* insertion number → internal number */
  index->numbers = g_new(guint32, n);
  index->lengths = g_new(guint8, n);
  for (guint32 i = 0; i < n; i++)
    index->numbers[i] = i;
  g_qsort_with_data(index->numbers, (gint)n, sizeof(guint32), compare_asins, index->asins);
  guint64 total = 0;
  guint32 n_filled = 0;
  for (guint32 i = 0; i < n; i++) {
    guint32 length = g_array_index(index->document_lengths, guint32, index->numbers[i]);
    internal[index->numbers[i]] = i;
    index->lengths[i] = encode_length(length);
    total += length;
    n_filled += length > 0;
  }
  compute_norms(index, total, n_filled);

  GHashTable *terms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  GArray *all = g_array_new(FALSE, FALSE, sizeof(Posting));
  GHashTableIter iterator;
  gpointer text, value;
  g_hash_table_iter_init(&iterator, index->terms);
  while (g_hash_table_iter_next(&iterator, &text, &value)) {
    GArray *postings = value;
    for (guint i = 0; i < postings->len; i++) {
      Posting *posting = &g_array_index(postings, Posting, i);
      posting->document = internal[posting->document];
    }
    g_array_sort(postings, compare_postings);
    Term *term = g_new(Term, 1);
    term->first = all->len;
    term->length = postings->len;
    term->idf = (float)log(1.0 + ((double)n_filled - postings->len + 0.5) / (postings->len + 0.5));
    g_array_append_vals(all, postings->data, postings->len);
    g_hash_table_iter_steal(&iterator);
    g_array_unref(postings);
    g_hash_table_insert(terms, text, term);
  }
  g_hash_table_unref(index->terms);
  index->terms = terms;
  index->postings = (Posting *)(gpointer)g_array_free(all, FALSE);
  g_free(internal);
  g_clear_pointer(&index->asins, g_ptr_array_unref);
  g_clear_pointer(&index->document_lengths, g_array_unref);
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
    scratch->touched = g_new(guint32, index->n_documents);
    scratch->terms = g_array_new(FALSE, FALSE, sizeof(QueryTerm));
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
  GArray *terms;
} QueryParse;

static void add_query_term(const char *text, gsize length, gpointer user_data)
{
  QueryParse *parse = user_data;
  char key[3 * SHOP_TOKEN_LIMIT + 1];
  memcpy(key, text, length);
  key[length] = '\0';
  const Term *term = g_hash_table_lookup(parse->index->terms, key);
  if (!term)
    return;
  for (guint i = 0; i < parse->terms->len; i++)
    if (g_array_index(parse->terms, QueryTerm, i).term == term) {
      g_array_index(parse->terms, QueryTerm, i).count++;
      return;
    }
  g_array_append_vals(parse->terms, &(QueryTerm){term, 1}, 1);
}

/* Adds a term's scores; returns the new number of touched documents. */
static guint32 accumulate(const ShopIndex *index, const QueryTerm *query_term, Scratch *scratch, guint32 n_touched)
{
  const Term *term = query_term->term;
  const Posting *postings = index->postings + term->first;
  float weight = (float)query_term->count * term->idf;
  for (guint32 i = 0; i < term->length; i++) {
    guint32 document = postings[i].document;
    float norm = index->inverse_norm[index->lengths[document]];
    if (scratch->scores[document] == 0.0)
      scratch->touched[n_touched++] = document;
    scratch->scores[document] += (double)(weight - weight / (1.0f + (float)postings[i].frequency * norm));
  }
  return n_touched;
}

typedef struct {
  float score;
  guint32 document;
} Hit;

static gboolean is_better(const Hit *a, const Hit *b)
{
  return a->score != b->score ? a->score > b->score : a->document < b->document;
}

/* Sifts `hit` down from `position` in a heap whose root is the worst. */
static void sift_down(Hit *heap, guint n, guint position, Hit hit)
{
  for (;;) {
    guint child = 2 * position + 1;
    if (child >= n)
      break;
    if (child + 1 < n && is_better(&heap[child], &heap[child + 1]))
      child++;
    if (!is_better(&hit, &heap[child]))
      break;
    heap[position] = heap[child];
    position = child;
  }
  heap[position] = hit;
}

/* Moves the best documents of the scratch to `documents`, clearing the scores. */
static guint collect_best(const ShopIndex *index, Scratch *scratch, guint32 n_touched, guint limit, guint32 *documents)
{
  Hit small[64], *heap = limit <= G_N_ELEMENTS(small) ? small : g_new(Hit, limit);
  guint n = 0;
  for (guint32 i = 0; i < n_touched; i++) {
    guint32 document = scratch->touched[i];
    Hit hit = {(float)scratch->scores[document], document};
    scratch->scores[document] = 0.0;
    if (n < limit) {
      heap[n++] = hit;
      if (n == limit)
        for (guint position = n / 2; position-- > 0;)
          sift_down(heap, n, position, heap[position]);
    } else if (limit > 0 && is_better(&hit, &heap[0]))
      sift_down(heap, n, 0, hit);
  }
  if (n < limit)
    for (guint position = n / 2; position-- > 0;)
      sift_down(heap, n, position, heap[position]);
  for (guint left = n; left > 0; left--) {
    documents[left - 1] = index->numbers[heap[0].document];
    sift_down(heap, left - 1, 0, heap[left - 1]);
  }
  if (heap != small)
    g_free(heap);
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
  Scratch *scratch = borrow_scratch(index);
  QueryParse parse = {index, scratch->terms};
  g_array_set_size(scratch->terms, 0);
  shop_analyze(query, add_query_term, &parse);
  guint32 n_touched = 0;
  for (guint i = 0; i < scratch->terms->len; i++)
    n_touched = accumulate(index, &g_array_index(scratch->terms, QueryTerm, i), scratch, n_touched);
  guint n = collect_best(index, scratch, n_touched, limit, documents);
  return_scratch(index, scratch);
  return n;
}
