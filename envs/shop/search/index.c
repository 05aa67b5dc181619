/* The life of an index: empty, being built, finished, or opened over arrays that belong to others; and the
 * sizes that its arrays must have. */
#include "envs/shop/search/index_private.h"

#include "envs/shop/text/fail.h"
#include <string.h>

/* Name and element size of each array, in the order of ShopIndexArray. */
static const struct {
  const char *name;
  gsize element_size;
} descriptions[SHOP_INDEX_N_ARRAYS] = {
    [SHOP_INDEX_FACTS] = {"index/facts", sizeof(ShopIndexFacts)},
    [SHOP_INDEX_TERMS] = {"index/terms", sizeof(ShopIndexTerm)},
    [SHOP_INDEX_TEXT] = {"index/text", 1},
    [SHOP_INDEX_SLOTS] = {"index/slots", sizeof(guint32)},
    [SHOP_INDEX_RARE_PLACES] = {"index/rare_places", sizeof(guint32)},
    [SHOP_INDEX_RARE_CODES] = {"index/rare_codes", 1},
    [SHOP_INDEX_ROW_MAXIMA] = {"index/row_maxima", 1},
    [SHOP_INDEX_ROW_OFFSETS] = {"index/row_offsets", sizeof(guint32)},
    [SHOP_INDEX_RUNS] = {"index/runs", 1},
    [SHOP_INDEX_EXCEPTIONS] = {"index/exceptions", sizeof(ShopIndexException)},
    [SHOP_INDEX_LENGTHS] = {"index/lengths", 1},
    [SHOP_INDEX_RANKS] = {"index/ranks", sizeof(guint32)},
    [SHOP_INDEX_RANKED_NUMBERS] = {"index/ranked_numbers", sizeof(guint32)},
    [SHOP_INDEX_NORMS] = {"index/norms", sizeof(float)},
};

static void scratch_free(gpointer data)
{
  ShopSearchScratch *scratch = data;
  g_free(scratch->terms);
  g_aligned_free(scratch->bounds);
  g_free(scratch->candidates.keys);
  g_free(scratch->hits.keys);
  g_free(scratch->keys.keys);
  g_free(scratch->scores);
  g_free(scratch);
}

static ShopIndex *new_index(void)
{
  ShopIndex *index = g_new0(ShopIndex, 1);
  for (guint i = 0; i < SHOP_INDEX_N_ARRAYS; i++) {
    index->arrays[i].name = descriptions[i].name;
    index->arrays[i].element_size = descriptions[i].element_size;
  }
  index->pool = g_ptr_array_new_with_free_func(scratch_free);
  g_mutex_init(&index->mutex);
  return index;
}

ShopIndex *shop_index_new(void)
{
  ShopIndex *index = new_index();
  index->builder = shop_index_builder_new();
  return index;
}

void shop_index_free(ShopIndex *index)
{
  if (!index)
    return;
  shop_index_builder_free(index->builder);
  shop_small_index_free(index->small);
  g_ptr_array_unref(index->pool);
  g_mutex_clear(&index->mutex);
  for (guint i = 0; index->owned && i < SHOP_INDEX_N_ARRAYS; i++)
    g_free((gpointer)index->arrays[i].elements);
  g_free(index);
}

void shop_index_add(ShopIndex *index, const char *asin, const char *group, const char *contents)
{
  shop_index_builder_add(index->builder, asin, group, contents);
}

void shop_index_finish(ShopIndex *index)
{
  const char *wrong;
  shop_index_builder_finish(index->builder, index->arrays);
  g_clear_pointer(&index->builder, shop_index_builder_free);
  index->owned = TRUE;
  shop_index_bind(index, &wrong);
}

guint32 shop_index_size(const ShopIndex *index)
{
  return index->builder ? shop_index_builder_size(index->builder) : index->n_documents;
}

void shop_index_arrays(const ShopIndex *index, ShopArray arrays[SHOP_INDEX_N_ARRAYS])
{
  memcpy(arrays, index->arrays, sizeof index->arrays);
}

/* Whether terms have no more postings in all than the arrays hold: a small index keeps every one of them. */
static gboolean postings_fit(const ShopIndex *index)
{
  guint64 n_rare = 0, runs = 0;
  for (guint32 i = 0; i < index->n_terms; i++) {
    const ShopIndexTerm *term = &index->terms[i];
    if (term->row == SHOP_NO_ROW)
      n_rare += term->n_documents;
    else if (term->row < index->n_rows) {
      const guint32 *offsets = index->row_offsets + (gsize)term->row * ((gsize)index->n_blocks + 1);
      for (guint32 block = 0; block < index->n_blocks; block++)
        if (offsets[block] > offsets[block + 1])
          return FALSE;
      runs += offsets[index->n_blocks] - offsets[0];
    }
  }
  return n_rare <= index->n_rare && runs <= index->runs_size;
}

static void take_elements(ShopIndex *index)
{
  const ShopArray *arrays = index->arrays;
  index->terms = arrays[SHOP_INDEX_TERMS].elements;
  index->text = arrays[SHOP_INDEX_TEXT].elements;
  index->text_size = arrays[SHOP_INDEX_TEXT].n_elements;
  index->slots = arrays[SHOP_INDEX_SLOTS].elements;
  index->rare_places = arrays[SHOP_INDEX_RARE_PLACES].elements;
  index->rare_codes = arrays[SHOP_INDEX_RARE_CODES].elements;
  index->n_rare = arrays[SHOP_INDEX_RARE_CODES].n_elements;
  index->row_maxima = arrays[SHOP_INDEX_ROW_MAXIMA].elements;
  index->row_offsets = arrays[SHOP_INDEX_ROW_OFFSETS].elements;
  index->runs = arrays[SHOP_INDEX_RUNS].elements;
  index->runs_size = arrays[SHOP_INDEX_RUNS].n_elements;
  index->exceptions = arrays[SHOP_INDEX_EXCEPTIONS].elements;
  index->n_exceptions = arrays[SHOP_INDEX_EXCEPTIONS].n_elements;
  index->lengths = arrays[SHOP_INDEX_LENGTHS].elements;
  index->ranks = arrays[SHOP_INDEX_RANKS].elements;
  index->ranked_numbers = arrays[SHOP_INDEX_RANKED_NUMBERS].elements;
  index->norms = arrays[SHOP_INDEX_NORMS].elements;
}

gboolean shop_index_bind(ShopIndex *index, const char **wrong)
{
  const ShopArray *arrays = index->arrays;
  if (arrays[SHOP_INDEX_FACTS].n_elements != 1) {
    *wrong = arrays[SHOP_INDEX_FACTS].name;
    return FALSE;
  }
  const ShopIndexFacts *facts = arrays[SHOP_INDEX_FACTS].elements;
  gsize n_slots = arrays[SHOP_INDEX_SLOTS].n_elements;
  index->n_documents = facts->n_documents;
  index->n_blocks = (guint32)(((guint64)facts->n_documents + SHOP_BLOCK_SIZE - 1) / SHOP_BLOCK_SIZE);
  index->row_stride = shop_index_row_stride(index->n_blocks);
  index->n_terms = facts->n_terms;
  index->n_rows = facts->n_rows;
  const struct {
    ShopIndexArray array;
    gsize n_elements;
  } expected[] = {
      {SHOP_INDEX_TERMS, (gsize)index->n_terms + 1},
      {SHOP_INDEX_RARE_CODES, arrays[SHOP_INDEX_RARE_PLACES].n_elements},
      {SHOP_INDEX_ROW_MAXIMA, (gsize)index->n_rows * index->row_stride},
      {SHOP_INDEX_ROW_OFFSETS, (gsize)index->n_rows * ((gsize)index->n_blocks + 1)},
      {SHOP_INDEX_LENGTHS, (gsize)index->n_blocks * SHOP_BLOCK_SIZE},
      {SHOP_INDEX_RANKS, index->n_documents},
      {SHOP_INDEX_RANKED_NUMBERS, index->n_documents},
      {SHOP_INDEX_NORMS, 256},
  };
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
    if (arrays[expected[i].array].n_elements != expected[i].n_elements) {
      *wrong = arrays[expected[i].array].name;
      return FALSE;
    }
  if (n_slots == 0 || (n_slots & (n_slots - 1)) != 0 || n_slots > G_GUINT64_CONSTANT(1) << 32) {
    *wrong = arrays[SHOP_INDEX_SLOTS].name;
    return FALSE;
  }
  index->slot_mask = (guint32)(n_slots - 1);
  take_elements(index);
  shop_bm25_fill_codes(index->norms, index->codes);
  if (index->n_documents <= SHOP_SMALL_INDEX && !postings_fit(index)) {
    *wrong = arrays[SHOP_INDEX_TERMS].name;
    return FALSE;
  }
  if (index->n_documents <= SHOP_SMALL_INDEX)
    index->small = shop_small_index_new(index);
  return TRUE;
}

ShopIndex *shop_index_open_arrays(ShopArrayFinder find, gpointer source, GError **error)
{
  ShopIndex *index = new_index();
  const char *wrong;
  for (guint i = 0; i < SHOP_INDEX_N_ARRAYS; i++)
    if (!find(source, descriptions[i].name, descriptions[i].element_size, &index->arrays[i], error)) {
      shop_index_free(index);
      return NULL;
    }
  if (!shop_index_bind(index, &wrong)) {
    shop_fail(
        error, CW_ERROR_FORMAT,
        "the array '%s' of the search index has a size that contradicts the others; make the shop file anew",
        wrong);
    shop_index_free(index);
    return NULL;
  }
  return index;
}
