/* From the text of a query to its best documents: finds the query's terms in the dictionary and has
 * top_documents.c score them. Each search borrows a scratch area from a pool that the index owns, so that
 * nothing is allocated once as many areas exist as searches run at a time. */
#include "envs/shop/search/search.h"

#include "envs/shop/search/analyzer.h"
#include "envs/shop/search/index_private.h"

#include <string.h>

static ShopSearchScratch *borrow_scratch(const ShopIndex *index)
{
  GMutex *mutex = (GMutex *)&index->mutex;
  ShopSearchScratch *scratch = NULL;
  g_mutex_lock(mutex);
  if (index->pool->len > 0)
    scratch = g_ptr_array_steal_index_fast(index->pool, index->pool->len - 1);
  g_mutex_unlock(mutex);
  if (!scratch) {
    scratch = g_new0(ShopSearchScratch, 1);
    scratch->terms = g_new(ShopQueryTerm, SHOP_INDEX_MAX_TERMS);
    scratch->bounds = g_aligned_alloc0(index->row_stride, sizeof(guint16), 64);
  }
  return scratch;
}

static void return_scratch(const ShopIndex *index, ShopSearchScratch *scratch)
{
  GMutex *mutex = (GMutex *)&index->mutex;
  g_mutex_lock(mutex);
  g_ptr_array_add(index->pool, scratch);
  g_mutex_unlock(mutex);
}

/* The term, or NULL. Looks at most at every slot once, also in a table without an empty one. */
static const ShopIndexTerm *find_term(const ShopIndex *index, const char *text, gsize length)
{
  guint32 slot = shop_index_hash(text, length) & index->slot_mask;
  for (guint32 probes = 0; probes <= index->slot_mask && index->slots[slot]; probes++) {
    guint32 number = index->slots[slot] - 1;
    if (number >= index->n_terms)
      return NULL;
    const ShopIndexTerm *term = &index->terms[number];
    guint64 offset = term->text >> 16;
    if ((term->text & 0xFFFF) == length && offset <= index->text_size &&
        length <= index->text_size - offset && memcmp(index->text + offset, text, length) == 0)
      return term;
    slot = (slot + 1) & index->slot_mask;
  }
  return NULL;
}

typedef struct {
  const ShopIndex *index;
  ShopSearchScratch *scratch;
} QueryParse;

static void add_query_term(const char *text, gsize length, gpointer user_data)
{
  QueryParse *parse = user_data;
  ShopSearchScratch *scratch = parse->scratch;
  const ShopIndexTerm *term = find_term(parse->index, text, length);
  if (!term)
    return;
  for (guint i = 0; i < scratch->n_terms; i++)
    if (scratch->terms[i].term == term) {
      scratch->terms[i].count++;
      return;
    }
  ShopQueryTerm *query_term = &scratch->terms[scratch->n_terms];
  query_term->term = term;
  query_term->count = 1;
  scratch->n_terms += shop_index_open_term(parse->index, query_term);
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

guint shop_index_search_counted(const ShopIndex *index, const char *query, guint limit, guint32 *documents,
                                ShopSearchWork *work)
{
  /* Every term takes at least a byte, so a short query need not be counted. */
  if (strnlen(query, SHOP_INDEX_MAX_TERMS + 1) > SHOP_INDEX_MAX_TERMS && has_too_many_terms(query))
    return SHOP_INDEX_TOO_MANY_TERMS;
  limit = MIN(limit, index->n_documents);
  if (limit == 0)
    return 0;
  ShopSearchScratch *scratch = borrow_scratch(index);
  QueryParse parse = {index, scratch};
  scratch->n_terms = 0;
  shop_analyze(query, add_query_term, &parse);
  guint n = 0;
  for (guint i = 0; i < scratch->n_terms; i++)
    work->n_postings += scratch->terms[i].term->n_documents;
  work->n_terms += scratch->n_terms;
  if (scratch->n_terms > 0 && index->small)
    n = shop_small_index_search(index, scratch, limit, documents, work);
  else if (scratch->n_terms > 0)
    n = shop_index_top_documents(index, scratch, limit, documents, work);
  return_scratch(index, scratch);
  return n;
}

guint shop_index_search(const ShopIndex *index, const char *query, guint limit, guint32 *documents)
{
  ShopSearchWork work = {0};
  return shop_index_search_counted(index, query, limit, documents, &work);
}
