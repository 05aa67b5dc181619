/* The search index against a scorer that computes every document's score from the texts, as the formula
 * reads: made-up catalogues and queries, with and without pruning, before and after the index went through
 * arrays; wrong arrays; and that a search in the steady state allocates nothing. */
#include "envs/shop/search/analyzer.h"
#include "envs/shop/search/bm25.h"
#include "envs/shop/search/index_private.h"
#include "envs/shop/search/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cartwright/error.h>
#include <cartwright/random.h>
#include <cmocka.h>
#include <string.h>

/* Counting allocations: the C library's functions, counted on the way. Sanitizers bring their own. */
#if !defined(__SANITIZE_ADDRESS__)
static guint64 n_allocations;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
  n_allocations++;
  return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
  n_allocations++;
  return __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size)
{
  n_allocations++;
  return __libc_realloc(memory, size);
}
#endif

/* The scorer. */

typedef struct {
  GPtrArray *asins;     /* of each document */
  GPtrArray *documents; /* GHashTable each: term → GUINT frequency */
  GHashTable *having;   /* term → in how many documents */
  GArray *lengths;      /* guint32: terms of each document */
} Reference;

static Reference *reference_new(void)
{
  Reference *reference = g_new0(Reference, 1);
  reference->asins = g_ptr_array_new_with_free_func(g_free);
  reference->documents = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
  reference->having = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  reference->lengths = g_array_new(FALSE, FALSE, sizeof(guint32));
  return reference;
}

static void reference_free(Reference *reference)
{
  g_ptr_array_unref(reference->asins);
  g_ptr_array_unref(reference->documents);
  g_hash_table_unref(reference->having);
  g_array_unref(reference->lengths);
  g_free(reference);
}

static void add_one(GHashTable *counts, const char *key)
{
  guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, key));
  g_hash_table_insert(counts, g_strdup(key), GUINT_TO_POINTER(count + 1));
}

static void collect(const char *term, gsize length, gpointer user_data)
{
  g_ptr_array_add(user_data, g_strndup(term, length));
}

static GPtrArray *terms_of(const char *text)
{
  GPtrArray *terms = g_ptr_array_new_with_free_func(g_free);
  shop_analyze(text, collect, terms);
  return terms;
}

static void reference_add(Reference *reference, const char *asin, const char *contents)
{
  GPtrArray *terms = terms_of(contents);
  GHashTable *counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < terms->len; i++) {
    if (!g_hash_table_contains(counts, terms->pdata[i]))
      add_one(reference->having, terms->pdata[i]);
    add_one(counts, terms->pdata[i]);
  }
  guint32 length = terms->len;
  g_array_append_val(reference->lengths, length);
  g_ptr_array_add(reference->documents, counts);
  g_ptr_array_add(reference->asins, g_strdup(asin));
  g_ptr_array_unref(terms);
}

typedef struct {
  float score;
  const char *asin;
  guint32 document;
} Hit;

static gint by_score(gconstpointer a, gconstpointer b)
{
  const Hit *first = a, *second = b;
  if (first->score != second->score)
    return first->score > second->score ? -1 : 1;
  int order = strcmp(first->asin, second->asin);
  return order ? order : (first->document > second->document) - (first->document < second->document);
}

/* As shop_index_search, but for queries that are not too long. */
static guint reference_search(const Reference *reference, const char *query, guint limit, guint32 *documents)
{
  GPtrArray *words = terms_of(query), *terms = g_ptr_array_new();
  GHashTable *counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < words->len; i++) {
    if (!g_hash_table_contains(counts, words->pdata[i]))
      g_ptr_array_add(terms, words->pdata[i]);
    add_one(counts, words->pdata[i]);
  }
  guint64 total = 0;
  guint32 n_filled = 0;
  for (guint d = 0; d < reference->lengths->len; d++) {
    total += g_array_index(reference->lengths, guint32, d);
    n_filled += g_array_index(reference->lengths, guint32, d) > 0;
  }
  float norms[256];
  shop_bm25_fill_norms((float)((double)total / MAX(n_filled, 1)), norms);
  GArray *hits = g_array_new(FALSE, FALSE, sizeof(Hit));
  for (guint32 d = 0; d < reference->documents->len; d++) {
    double score = 0;
    float norm = norms[shop_bm25_encode_length(g_array_index(reference->lengths, guint32, d))];
    gboolean found = FALSE;
    for (guint t = 0; t < terms->len; t++) {
      guint frequency =
          GPOINTER_TO_UINT(g_hash_table_lookup(reference->documents->pdata[d], terms->pdata[t]));
      guint having = GPOINTER_TO_UINT(g_hash_table_lookup(reference->having, terms->pdata[t]));
      if (frequency == 0)
        continue;
      float weight = (float)GPOINTER_TO_UINT(g_hash_table_lookup(counts, terms->pdata[t])) *
                     shop_bm25_idf(n_filled, having);
      score += (double)shop_bm25_score(weight, frequency, norm);
      found = TRUE;
    }
    if (found)
      g_array_append_vals(hits, &(Hit){(float)score, reference->asins->pdata[d], d}, 1);
  }
  g_array_sort(hits, by_score);
  guint n = MIN(hits->len, limit);
  for (guint i = 0; i < n; i++)
    documents[i] = g_array_index(hits, Hit, i).document;
  g_array_unref(hits);
  g_hash_table_unref(counts);
  g_ptr_array_unref(terms);
  g_ptr_array_unref(words);
  return n;
}

/* Arrays as a shop file would hand them out, copied so that nothing of the first index is used by accident.
 */

static gboolean find_array(gpointer source, const char *name, gsize element_size, ShopArray *array,
                           GError **error)
{
  for (const ShopArray *stored = source; stored < (ShopArray *)source + SHOP_INDEX_N_ARRAYS; stored++)
    if (g_str_equal(stored->name, name) && stored->element_size == element_size) {
      *array = *stored;
      return TRUE;
    }
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "no array '%s'", name);
  return FALSE;
}

static void copy_arrays(const ShopIndex *index, ShopArray arrays[SHOP_INDEX_N_ARRAYS])
{
  shop_index_arrays(index, arrays);
  for (guint i = 0; i < SHOP_INDEX_N_ARRAYS; i++)
    arrays[i].elements = g_memdup2(arrays[i].elements, arrays[i].n_elements * arrays[i].element_size);
}

static void free_arrays(ShopArray arrays[SHOP_INDEX_N_ARRAYS])
{
  for (guint i = 0; i < SHOP_INDEX_N_ARRAYS; i++)
    g_free((gpointer)arrays[i].elements);
}

/* Makes an index of few documents search like one of many. */
static void prune(ShopIndex *index)
{
  g_clear_pointer(&index->small, shop_small_index_free);
}

/* Made-up catalogues. The words of rank r come about 1/r as often as the first. */

static const char *const odd_words[] = {"3.5mm", "caf\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80",
                                        "don't", "x_large",     "the",          "\xe2\x98\x85",
                                        "1,000", "women's"};

static void append_word(GString *text, CwRandom *random, guint vocabulary)
{
  if (cw_random_below(random, 40) == 0)
    g_string_append(text, odd_words[cw_random_below(random, G_N_ELEMENTS(odd_words))]);
  else
    g_string_append_printf(text, "w%u",
                           (guint)((double)vocabulary * cw_random_uniform(random) *
                                   cw_random_uniform(random) * cw_random_uniform(random)));
  g_string_append_c(text, cw_random_below(random, 10) == 0 ? ',' : ' ');
}

/* `alike`: how many of ten documents repeat the one before, so that many scores are equal. */
static void make_catalogue(CwRandom *random, guint n, guint vocabulary, guint alike, ShopIndex *index,
                           Reference *reference)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n; i++) {
    char asin[16], group[8];
    g_snprintf(asin, sizeof asin, "B%08X", (guint32)(i * 2654435761u));
    g_snprintf(group, sizeof group, "%u", cw_random_below(random, 1 + n / 100));
    if (cw_random_below(random, 10) >= alike) {
      guint n_words = cw_random_below(random, cw_random_below(random, 50) == 0 ? 600 : 40);
      g_string_truncate(text, 0);
      for (guint w = 0; w < n_words; w++)
        append_word(text, random, vocabulary);
      for (guint w = cw_random_below(random, 60) == 0 ? 30 + cw_random_below(random, 300) : 0; w > 0; w--)
        g_string_append(text, " w0");
    }
    shop_index_add(index, asin, group, text->str);
    reference_add(reference, asin, text->str);
  }
  shop_index_finish(index);
  g_string_free(text, TRUE);
}

static void make_query(CwRandom *random, guint vocabulary, GString *query)
{
  static const guint lengths[] = {0, 1, 1, 2, 3, 5, 8, 20, 150};
  g_string_truncate(query, 0);
  for (guint n = lengths[cw_random_below(random, G_N_ELEMENTS(lengths))]; n > 0; n--) {
    append_word(query, random, vocabulary);
    if (cw_random_below(random, 8) == 0)
      g_string_append(query, " w0 w1 w0 ");
    if (cw_random_below(random, 8) == 0)
      g_string_append(query, " nowhere ");
  }
}

static void compare(CwRandom *random, guint n, guint vocabulary, guint alike, guint n_queries)
{
  static const guint limits[] = {1, 10, 50, 50, 50, 700};
  ShopIndex *index = shop_index_new();
  Reference *reference = reference_new();
  make_catalogue(random, n, vocabulary, alike, index, reference);
  ShopArray arrays[SHOP_INDEX_N_ARRAYS];
  copy_arrays(index, arrays);
  GError *error = NULL;
  ShopIndex *opened = shop_index_open_arrays(find_array, arrays, &error);
  assert_non_null(opened);
  assert_int_equal(shop_index_size(opened), n);
  assert_true((opened->small != NULL) == (n <= SHOP_SMALL_INDEX));
  prune(opened);
  GString *query = g_string_new(NULL);
  for (guint i = 0; i < n_queries; i++) {
    guint32 expected[700], found[700];
    guint limit = limits[cw_random_below(random, G_N_ELEMENTS(limits))];
    make_query(random, vocabulary, query);
    guint n_expected = reference_search(reference, query->str, limit, expected);
    assert_int_equal(shop_index_search(index, query->str, limit, found), n_expected);
    assert_memory_equal(found, expected, n_expected * sizeof *found);
    memset(found, 0, sizeof found);
    assert_int_equal(shop_index_search(opened, query->str, limit, found), n_expected);
    assert_memory_equal(found, expected, n_expected * sizeof *found);
  }
  g_string_free(query, TRUE);
  shop_index_free(opened);
  free_arrays(arrays);
  shop_index_free(index);
  reference_free(reference);
}

static void test_every_result_is_that_of_scoring_all_documents(G_GNUC_UNUSED void **state)
{
  CwRandom *random = cw_random_new(3, "test-index", 0, 0);
  compare(random, 1, 5, 0, 50);
  compare(random, 40, 30, 3, 200);
  compare(random, 256, 2000, 0, 100);
  compare(random, 700, 12, 0, 100);
  compare(random, 3000, 300, 2, 60);
  compare(random, 3000, 20000, 0, 60);
  compare(random, 2500, 60, 9, 60);
  compare(random, SHOP_SMALL_INDEX + 2000, 600, 1, 40);
  cw_random_free(random);
}

static ShopIndex *make_index(guint n)
{
  ShopIndex *index = shop_index_new();
  for (guint i = 0; i < n; i++) {
    char asin[16], contents[64];
    g_snprintf(asin, sizeof asin, "B%06u", i);
    g_snprintf(contents, sizeof contents, "red shoe size%u pack%u", i % 7, i % 300);
    shop_index_add(index, asin, "", contents);
  }
  shop_index_finish(index);
  return index;
}

static void test_arrays_of_contradicting_sizes_are_refused(G_GNUC_UNUSED void **state)
{
  ShopIndex *index = make_index(1000);
  ShopArray arrays[SHOP_INDEX_N_ARRAYS];
  guint n_refused = 0;
  for (guint i = 0; i < SHOP_INDEX_N_ARRAYS; i++) {
    shop_index_arrays(index, arrays);
    if (arrays[i].n_elements == 0)
      continue;
    arrays[i].n_elements--;
    GError *error = NULL;
    ShopIndex *opened = shop_index_open_arrays(find_array, arrays, &error);
    if (!opened) {
      n_refused++;
      assert_true(g_error_matches(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT));
      assert_true(g_str_has_prefix(error->message, "the array 'index/"));
      assert_true(g_str_has_suffix(error->message,
                                   "' of the search index has a size that contradicts the others; make "
                                   "the shop file anew"));
      g_error_free(error);
    }
    shop_index_free(opened);
  }
  assert_int_equal(n_refused, 12);
  arrays[0].name = "index/other";
  GError *error = NULL;
  assert_null(shop_index_open_arrays(find_array, arrays, &error));
  assert_string_equal(error->message, "no array 'index/facts'");
  g_error_free(error);
  shop_index_free(index);
}

/* A wrong byte anywhere may be refused or give wrong results, but no reading out of bounds (which valgrind
 * and the sanitizers see), and never a document that does not exist. */
static void test_wrong_contents_are_survived(G_GNUC_UNUSED void **state)
{
  CwRandom *random = cw_random_new(4, "test-index", 0, 0);
  ShopIndex *index = make_index(1000);
  ShopArray arrays[SHOP_INDEX_N_ARRAYS];
  guint n_opened = 0;
  for (guint round = 0; round < 600; round++) {
    copy_arrays(index, arrays);
    for (guint i = 0; i < 3; i++) {
      ShopArray *array =
          &arrays[round % 3 == 0 ? 1 + cw_random_below(random, SHOP_INDEX_N_ARRAYS - 1) : 1 + round % 13];
      gsize size = array->n_elements * array->element_size;
      if (size > 0)
        ((guint8 *)array->elements)[cw_random_below(random, (guint32)size)] =
            (guint8)cw_random_below(random, 256);
    }
    GError *error = NULL;
    ShopIndex *opened = shop_index_open_arrays(find_array, arrays, &error);
    n_opened += opened != NULL;
    g_clear_error(&error);
    if (!opened) {
      free_arrays(arrays);
      continue;
    }
    guint32 documents[50];
    guint n = shop_index_search(opened, "red shoes size3 pack7 pack7 pack8 size4 pack299", 50, documents);
    for (guint i = 0; i < n; i++)
      assert_true(documents[i] < 1000);
    prune(opened);
    n = shop_index_search(opened, "red shoes size3 pack7 pack7 pack8 size4 pack299", 50, documents);
    for (guint i = 0; i < n; i++)
      assert_true(documents[i] < 1000);
    shop_index_free(opened);
    free_arrays(arrays);
  }
  assert_true(n_opened > 400);
  shop_index_free(index);
  cw_random_free(random);
}

static void test_a_search_in_the_steady_state_allocates_nothing(G_GNUC_UNUSED void **state)
{
#if defined(__SANITIZE_ADDRESS__)
  skip();
#else
  guint64 start = n_allocations;
  g_free(g_malloc(10));
  if (n_allocations == start)
    skip(); /* something else replaces the allocator: valgrind */
  static const char *const queries[] = {"red shoes", "size3 pack7 red", "pack8 pack9 pack10 shoe", "",
                                        "nothing"};
  for (guint pruned = 0; pruned < 2; pruned++) {
    ShopIndex *index = make_index(2000);
    guint64 before = 0;
    if (pruned)
      prune(index);
    for (guint round = 0; round < 3; round++) {
      before = n_allocations;
      for (guint i = 0; i < G_N_ELEMENTS(queries); i++) {
        guint32 documents[50];
        shop_index_search(index, queries[i], 50, documents);
      }
    }
    assert_int_equal(n_allocations - before, 0);
    shop_index_free(index);
  }
#endif
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_result_is_that_of_scoring_all_documents),
      cmocka_unit_test(test_arrays_of_contradicting_sizes_are_refused),
      cmocka_unit_test(test_wrong_contents_are_survived),
      cmocka_unit_test(test_a_search_in_the_steady_state_allocates_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
