/* Making and opening the reward's tables. While they are made, growing GArrays hold them; what the tables own
 * is freed with them, what a file holds is not. */
#include "envs/shop/reward/reward_tables.h"

#include "envs/shop/file/parallel.h"
#include "envs/shop/text/fail.h"

static const struct {
  const char *name;
  gsize element_size;
} layout[SHOP_REWARD_N_ARRAYS] = {
    [SHOP_REWARD_NOUN_STARTS] = {"reward/noun_starts", sizeof(guint32)},
    [SHOP_REWARD_NOUNS] = {"reward/nouns", sizeof(guint32)},
    [SHOP_REWARD_NOUN_HASHES] = {"reward/noun_hashes", sizeof(guint64)},
    [SHOP_REWARD_ATTRIBUTES] = {"reward/attributes", sizeof(ShopAttributeSlot)},
    [SHOP_REWARD_TOKEN_SETS] = {"reward/token_sets", sizeof(guint32)},
};

/* Puts an array of the tables' own in its place; `elements` is freed with them. */
static void own(ShopRewardTables *tables, ShopRewardArray which, gpointer elements, gsize n_elements)
{
  g_free(tables->owned[which]);
  tables->owned[which] = elements;
  tables->arrays[which] = (ShopArray){layout[which].name, elements, layout[which].element_size, n_elements};
}

static void own_array(ShopRewardTables *tables, ShopRewardArray which, GArray *array)
{
  gsize n_elements = array->len;
  gpointer elements = g_realloc(g_array_free(array, FALSE), MAX(n_elements, 1) * layout[which].element_size);
  own(tables, which, elements, n_elements);
}

/* Titles are tagged a batch at a time, by several threads; what they find is then taken in the order of the
 * products, so that numbers of nouns do not depend on them. */
#define BATCH 2048
/* What a thread takes at once. */
#define PIECE 64

typedef struct {
  const ShopCatalogue *catalogue;
  ShopNounFile *file; /* or NULL */
  const ShopRewardTables *stored;
  guint32 first, n;
  const ShopNounSet *known[BATCH]; /* of the file or stored; NULL: tagged */
  GPtrArray *tagged[BATCH];
} Batch;

static void tag_titles(gpointer data, guint piece)
{
  Batch *batch = data;
  for (guint i = piece * PIECE; i < MIN((piece + 1) * PIECE, batch->n); i++)
    if (!batch->known[i])
      batch->tagged[i] =
          shop_nouns_tag(shop_string(batch->catalogue, batch->catalogue->products[batch->first + i].title));
}

static void tag_batch(Batch *batch)
{
  const ShopCatalogue *catalogue = batch->catalogue;
  batch->n = MIN(BATCH, catalogue->n_products - batch->first);
  for (guint32 i = 0; i < batch->n; i++) {
    const ShopProduct *product = &catalogue->products[batch->first + i];
    batch->tagged[i] = NULL;
    batch->known[i] = NULL;
    if (batch->file)
      batch->known[i] = shop_noun_file_lookup(batch->file, shop_string(catalogue, product->asin),
                                              shop_string(catalogue, product->title));
    if (!batch->known[i] && batch->stored->arrays[SHOP_REWARD_NOUN_STARTS].elements)
      batch->known[i] = shop_reward_nouns(batch->stored, batch->first + i);
  }
  shop_in_parallel(tag_titles, (batch->n + PIECE - 1) / PIECE, batch);
}

/* The nouns of every title: those of the file, else those that the tables hold already, else the tagger's. */
static gboolean find_nouns(ShopRewardTables *tables, const ShopCatalogue *catalogue, const char *nouns_file,
                           CwProgressSink progress, gpointer progress_data, GError **error)
{
  const ShopArray *stored = &tables->arrays[SHOP_REWARD_NOUN_HASHES];
  g_autoptr(ShopNounWords) words = shop_noun_words_new(stored->elements, (guint32)stored->n_elements);
  g_autoptr(ShopNounFile) file = nouns_file ? shop_noun_file_load(nouns_file, words, error) : NULL;
  if (nouns_file && !file)
    return FALSE;
  gboolean good = TRUE;
  guint32 *starts = g_new(guint32, catalogue->n_products);
  GArray *nouns = g_array_new(FALSE, FALSE, sizeof(guint32));
  g_autofree Batch *batch = g_new0(Batch, 1);
  *batch = (Batch){.catalogue = catalogue, .file = file, .stored = tables};
  for (; good && batch->first < catalogue->n_products; batch->first += batch->n) {
    tag_batch(batch);
    for (guint32 i = 0; i < batch->n; i++) {
      GPtrArray *tagged = batch->tagged[i];
      g_autofree ShopNounSet *made =
          tagged ? shop_noun_set_new(words, (const char *const *)tagged->pdata, tagged->len) : NULL;
      const ShopNounSet *set = made ? made : batch->known[i];
      starts[batch->first + i] = nouns->len;
      g_array_append_vals(nouns, set, (guint)(shop_noun_set_size(set) / sizeof(guint32)));
      g_clear_pointer(&batch->tagged[i], g_ptr_array_unref);
    }
    good =
        !progress || progress(progress_data, "nouns", batch->first + batch->n, catalogue->n_products, error);
  }
  guint32 n_hashes;
  const guint64 *hashes = shop_noun_words_hashes(words, &n_hashes);
  gpointer copy = g_memdup2(hashes, n_hashes * sizeof *hashes);
  own(tables, SHOP_REWARD_NOUN_STARTS, starts, catalogue->n_products);
  own_array(tables, SHOP_REWARD_NOUNS, nouns);
  own(tables, SHOP_REWARD_NOUN_HASHES, copy, n_hashes);
  return good;
}

/* The table of attributes under construction. */
typedef struct {
  const ShopCatalogue *catalogue;
  ShopAttributeSlot *slots;
  gsize mask, n_used;
  GByteArray *sets;
} Attributes;

static ShopAttributeSlot *find_slot(const Attributes *attributes, ShopString attribute)
{
  gsize slot = shop_reward_attribute_slot(attribute, attributes->mask);
  while (attributes->slots[slot].attribute != attribute && attributes->slots[slot].attribute != 0)
    slot = (slot + 1) & attributes->mask;
  return &attributes->slots[slot];
}

static void grow(Attributes *attributes)
{
  gsize n_old = attributes->mask + 1;
  ShopAttributeSlot *old = attributes->slots;
  attributes->mask = attributes->mask * 2 + 1;
  attributes->slots = g_new0(ShopAttributeSlot, attributes->mask + 1);
  for (gsize i = 0; i < n_old; i++)
    if (old[i].attribute != 0)
      *find_slot(attributes, old[i].attribute) = old[i];
  g_free(old);
}

static void add_attributes(Attributes *attributes, ShopSpan span)
{
  for (guint32 i = 0; i < span.count; i++) {
    ShopString attribute = attributes->catalogue->strings[span.first + i];
    ShopAttributeSlot *slot = find_slot(attributes, attribute);
    if (attribute == 0 || slot->attribute == attribute)
      continue;
    slot->attribute = attribute;
    slot->set = shop_token_set_append(attributes->sets, shop_string(attributes->catalogue, attribute)) / 4;
    if (++attributes->n_used > attributes->mask / 2)
      grow(attributes);
  }
}

static void find_attributes(ShopRewardTables *tables, const ShopCatalogue *catalogue)
{
  Attributes attributes = {.catalogue = catalogue, .mask = 1023, .sets = g_byte_array_new()};
  attributes.slots = g_new0(ShopAttributeSlot, attributes.mask + 1);
  shop_token_set_append(attributes.sets, "");
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    add_attributes(&attributes, catalogue->products[i].attributes);
    add_attributes(&attributes, catalogue->products[i].instruction_attributes);
  }
  for (guint32 i = 0; i < catalogue->n_humans; i++)
    add_attributes(&attributes, catalogue->humans[i].attributes);
  gsize n_words = attributes.sets->len / sizeof(guint32);
  own(tables, SHOP_REWARD_ATTRIBUTES, attributes.slots, attributes.mask + 1);
  own(tables, SHOP_REWARD_TOKEN_SETS, g_byte_array_free(attributes.sets, FALSE), n_words);
}

ShopRewardTables *shop_reward_tables_new(const ShopCatalogue *catalogue, const char *nouns_file,
                                         GError **error)
{
  return shop_reward_tables_new_reporting(catalogue, nouns_file, NULL, NULL, error);
}

ShopRewardTables *shop_reward_tables_new_reporting(const ShopCatalogue *catalogue, const char *nouns_file,
                                                   CwProgressSink progress, gpointer progress_data,
                                                   GError **error)
{
  g_autoptr(ShopRewardTables) tables = g_new0(ShopRewardTables, 1);
  if (!find_nouns(tables, catalogue, nouns_file, progress, progress_data, error))
    return NULL;
  find_attributes(tables, catalogue);
  return g_steal_pointer(&tables);
}

/* What a table of another catalogue, or a damaged one, would break. */
static gboolean check(const ShopRewardTables *tables, const ShopCatalogue *catalogue, GError **error)
{
  const ShopArray *starts = &tables->arrays[SHOP_REWARD_NOUN_STARTS];
  const ShopArray *slots = &tables->arrays[SHOP_REWARD_ATTRIBUTES];
  if (starts->n_elements != catalogue->n_products)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "array '%s' has %" G_GSIZE_FORMAT " elements for %u products; make the shop file again",
                     starts->name, starts->n_elements, catalogue->n_products);
  if (slots->n_elements == 0 || (slots->n_elements & (slots->n_elements - 1)) != 0)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "array '%s' has %" G_GSIZE_FORMAT
                     " elements, expected a power of two; make the shop file again",
                     slots->name, slots->n_elements);
  return TRUE;
}

static gboolean check_nouns(const ShopArray *starts, const ShopArray *nouns)
{
  const guint32 *first = starts->elements, *words = nouns->elements;
  gsize n = nouns->n_elements, header = sizeof(ShopNounSet) / sizeof *words;
  for (gsize i = 0; i < starts->n_elements; i++) {
    const ShopNounSet *set = (const ShopNounSet *)(gconstpointer)(words + first[i]);
    if (first[i] > n || n - first[i] < header || set->n_numbers > n - first[i] - header)
      return FALSE;
  }
  return TRUE;
}

/* A look-up ends at an empty slot. */
static gboolean check_slots(const ShopArray *slots, const ShopArray *sets)
{
  const ShopAttributeSlot *slot = slots->elements;
  const guint32 *words = sets->elements;
  gsize n_empty = 0;
  for (gsize i = 0; i < slots->n_elements; i++) {
    n_empty += slot[i].attribute == 0;
    if (slot[i].set >= sets->n_elements ||
        !shop_token_set_check((const ShopTokenSet *)(gconstpointer)(words + slot[i].set),
                              (sets->n_elements - slot[i].set) * sizeof *words))
      return FALSE;
  }
  return n_empty > 0;
}

gboolean shop_reward_tables_check(const ShopRewardTables *tables, GError **error)
{
  const ShopArray *arrays = tables->arrays;
  const char *wrong = NULL;
  if (!check_nouns(&arrays[SHOP_REWARD_NOUN_STARTS], &arrays[SHOP_REWARD_NOUNS]))
    wrong = arrays[SHOP_REWARD_NOUNS].name;
  else if (arrays[SHOP_REWARD_NOUN_HASHES].n_elements > G_MAXINT32)
    wrong = arrays[SHOP_REWARD_NOUN_HASHES].name;
  else if (!check_slots(&arrays[SHOP_REWARD_ATTRIBUTES], &arrays[SHOP_REWARD_TOKEN_SETS]))
    wrong = arrays[SHOP_REWARD_TOKEN_SETS].name;
  return !wrong ||
         shop_fail(
             error, CW_ERROR_FORMAT,
             "array '%s' of the shop file holds what cannot be; make the file again with 'cartwright import'",
             wrong);
}

ShopRewardTables *shop_reward_tables_open(const ShopCatalogue *catalogue, ShopArrayFinder finder,
                                          gpointer source, GError **error)
{
  g_autoptr(ShopRewardTables) tables = g_new0(ShopRewardTables, 1);
  for (guint i = 0; i < SHOP_REWARD_N_ARRAYS; i++)
    if (!finder(source, layout[i].name, layout[i].element_size, &tables->arrays[i], error))
      return NULL;
  return check(tables, catalogue, error) ? g_steal_pointer(&tables) : NULL;
}

gboolean shop_reward_tables_take_nouns(ShopRewardTables *tables, const ShopCatalogue *catalogue,
                                       const char *nouns_file, GError **error)
{
  return find_nouns(tables, catalogue, nouns_file, NULL, NULL, error);
}

void shop_reward_tables_free(ShopRewardTables *tables)
{
  if (!tables)
    return;
  for (guint i = 0; i < SHOP_REWARD_N_ARRAYS; i++)
    g_free(tables->owned[i]);
  g_free(tables);
}
