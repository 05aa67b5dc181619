/* The storage behind a catalogue under construction: the texts, the interning of short strings, the table of
 * ASINs, and the messages about records of the wrong shape. The builder owns growing arrays; finish hands
 * them to the ShopCatalogue as they are. catalogue_products.c and catalogue_records.c fill it. */
#include "envs/shop/catalogue/catalogue_private.h"
#include "envs/shop/text/hash.h"

#include "envs/shop/text/fail.h"
#include <string.h>

/* Texts for a file are collected up to here. */
#define FLUSH_AT (1 << 20)

ShopCatalogueBuilder *shop_catalogue_builder_new(void)
{
  ShopCatalogueBuilder *builder = g_new0(ShopCatalogueBuilder, 1);
  builder->stored = (ShopTexts){g_malloc0(1 << 16), 8, 1 << 16}; /* string 0 is "" */
  builder->words = (ShopTexts){g_malloc(1 << 16), 0, 1 << 16};
  builder->products = g_array_new(FALSE, TRUE, sizeof(ShopProduct));
  builder->strings = g_array_new(FALSE, FALSE, sizeof(ShopString));
  builder->groups = g_array_new(FALSE, FALSE, sizeof(ShopOptionGroup));
  builder->targets = g_array_new(FALSE, FALSE, sizeof(ShopOptionTarget));
  builder->humans = g_array_new(FALSE, FALSE, sizeof(ShopHumanRecord));
  builder->interned_mask = 1023;
  builder->interned = g_new0(ShopInternedSlot, builder->interned_mask + 1);
  builder->asins_mask = 1023;
  builder->asins = g_new0(guint32, builder->asins_mask + 1);
  builder->scratch = g_string_new(NULL);
  return builder;
}

void shop_catalogue_builder_free(ShopCatalogueBuilder *builder)
{
  if (!builder)
    return;
  g_free(builder->stored.bytes);
  g_free(builder->words.bytes);
  g_clear_error(&builder->trouble);
  g_clear_pointer(&builder->products, g_array_unref);
  g_clear_pointer(&builder->strings, g_array_unref);
  g_clear_pointer(&builder->groups, g_array_unref);
  g_clear_pointer(&builder->targets, g_array_unref);
  g_clear_pointer(&builder->humans, g_array_unref);
  g_free(builder->interned);
  g_free(builder->asins);
  g_string_free(builder->scratch, TRUE);
  g_free(builder);
}

ShopCatalogueBuilder *shop_catalogue_builder_new_to(ShopFileWriter *writer)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  builder->writer = writer;
  shop_file_writer_begin(writer, "catalogue/texts", 1, &builder->trouble);
  return builder;
}

const char *shop_builder_text(const ShopCatalogueBuilder *builder, ShopString string, guint32 *length)
{
  *length = 0;
  if (string == 0)
    return "";
  const char *place = builder->words.bytes + (gsize)(string & ~SHOP_STRING_INTERNED) * 4;
  memcpy(length, place, sizeof *length);
  return place + sizeof *length;
}

/* Appends a text as the arena holds it; returns where it starts. */
static gsize append_text(ShopTexts *texts, const char *text, gsize length)
{
  gsize needed = (sizeof(guint32) + length + 1 + 3) & ~(gsize)3, start = texts->length;
  if (texts->length + needed > texts->room) {
    while (texts->length + needed > texts->room)
      texts->room += texts->room / 2;
    texts->bytes = g_realloc(texts->bytes, texts->room);
  }
  char *place = texts->bytes + start;
  guint32 length32 = (guint32)length;
  memset(place + needed - 4, 0, 4);
  memcpy(place, &length32, sizeof length32);
  memcpy(place + sizeof length32, text, length);
  place[sizeof length32 + length] = '\0';
  texts->length += needed;
  return start;
}

/* Gives the file what is stored. */
static void flush_texts(ShopCatalogueBuilder *builder)
{
  if (!builder->trouble)
    shop_file_writer_append(builder->writer, builder->stored.bytes, builder->stored.length,
                            &builder->trouble);
  builder->n_written += builder->stored.length;
  builder->stored.length = 0;
}

ShopString shop_builder_store(ShopCatalogueBuilder *builder, const char *text, gsize length)
{
  if (length == 0)
    return 0;
  if (builder->writer && builder->stored.length > FLUSH_AT)
    flush_texts(builder);
  gsize start = builder->n_written + append_text(&builder->stored, text, length);
  return (ShopString)(start / 4);
}

static void grow_interned(ShopCatalogueBuilder *builder)
{
  guint32 mask = builder->interned_mask * 2 + 1;
  ShopInternedSlot *table = g_new0(ShopInternedSlot, (gsize)mask + 1);
  for (gsize i = 0; i <= builder->interned_mask; i++) {
    if (builder->interned[i].string == 0)
      continue;
    guint32 slot = builder->interned[i].hash & mask;
    while (table[slot].string != 0)
      slot = (slot + 1) & mask;
    table[slot] = builder->interned[i];
  }
  g_free(builder->interned);
  builder->interned = table;
  builder->interned_mask = mask;
}

ShopString shop_builder_intern(ShopCatalogueBuilder *builder, const char *text, gsize length)
{
  if (length == 0)
    return 0;
  if (builder->n_interned >= builder->interned_mask / 2)
    grow_interned(builder);
  guint32 hash = (guint32)shop_hash_bytes(0, text, length), slot = hash & builder->interned_mask;
  for (; builder->interned[slot].string != 0; slot = (slot + 1) & builder->interned_mask) {
    if (builder->interned[slot].hash != hash)
      continue;
    guint32 known_length;
    const char *known = shop_builder_text(builder, builder->interned[slot].string - 1, &known_length);
    if (known_length == length && memcmp(known, text, length) == 0)
      return builder->interned[slot].string - 1;
  }
  ShopString string = (ShopString)(append_text(&builder->words, text, length) / 4) | SHOP_STRING_INTERNED;
  builder->interned[slot] = (ShopInternedSlot){hash, string + 1};
  builder->n_interned++;
  return string;
}

guint32 *shop_builder_find_asin(const ShopCatalogueBuilder *builder, const char *asin, gsize length)
{
  guint32 slot = (guint32)shop_hash_bytes(0, asin, length) & builder->asins_mask;
  for (; builder->asins[slot] != 0; slot = (slot + 1) & builder->asins_mask) {
    guint32 known_length;
    ShopString string = g_array_index(builder->products, ShopProduct, builder->asins[slot] - 1).asin;
    const char *known = shop_builder_text(builder, string, &known_length);
    if (known_length == length && memcmp(known, asin, length) == 0)
      break;
  }
  return &builder->asins[slot];
}

void shop_builder_grow_asins(ShopCatalogueBuilder *builder)
{
  builder->asins_mask = builder->asins_mask * 2 + 1;
  g_free(builder->asins);
  builder->asins = g_new0(guint32, (gsize)builder->asins_mask + 1);
  for (guint32 i = 0; i < builder->products->len; i++) {
    guint32 length;
    const char *asin =
        shop_builder_text(builder, g_array_index(builder->products, ShopProduct, i).asin, &length);
    *shop_builder_find_asin(builder, asin, length) = i + 1;
  }
}

const char *shop_builder_kind(const json_t *value)
{
  if (!value)
    return "nothing";
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return "a list";
  case JSON_STRING:
    return "a string";
  case JSON_INTEGER:
  case JSON_REAL:
    return "a number";
  case JSON_NULL:
    return "null";
  default:
    return "true or false";
  }
}

gboolean shop_builder_wrong(GError **error, const char *where, const char *asin, const char *key,
                            const char *expected, const json_t *found)
{
  return shop_fail(error, CW_ERROR_FORMAT, "%s: %s%s: '%s' should be %s, found %s", where,
                   asin ? "product " : "product", asin ? asin : "", key, expected, shop_builder_kind(found));
}

/* A required string, interned or not. */
gboolean shop_builder_take_string(ShopCatalogueBuilder *builder, const json_t *object, const char *key,
                                  gboolean interned, ShopString *out, const char *where, const char *asin,
                                  GError **error)
{
  const json_t *value = json_object_get(object, key);
  if (!json_is_string(value))
    return shop_builder_wrong(error, where, asin, key, "a string", value);
  const char *text = json_string_value(value);
  gsize length = json_string_length(value);
  *out = interned ? shop_builder_intern(builder, text, length) : shop_builder_store(builder, text, length);
  return TRUE;
}

/* A list of strings; a missing or null one is empty. */
gboolean shop_builder_take_strings(ShopCatalogueBuilder *builder, const json_t *value, const char *key,
                                   gboolean interned, ShopSpan *out, const char *where, const char *asin,
                                   GError **error)
{
  *out = (ShopSpan){builder->strings->len, 0};
  if (!value || json_is_null(value))
    return TRUE;
  if (!json_is_array(value))
    return shop_builder_wrong(error, where, asin, key, "a list of strings", value);
  for (gsize i = 0; i < json_array_size(value); i++)
    if (!json_is_string(json_array_get(value, i))) {
      g_autofree char *element = g_strdup_printf("%s[%" G_GSIZE_FORMAT "]", key, i);
      return shop_builder_wrong(error, where, asin, element, "a string", json_array_get(value, i));
    }
  for (gsize i = 0; i < json_array_size(value); i++) {
    const json_t *element = json_array_get(value, i);
    const char *text = json_string_value(element);
    gsize length = json_string_length(element);
    ShopString string =
        interned ? shop_builder_intern(builder, text, length) : shop_builder_store(builder, text, length);
    g_array_append_val(builder->strings, string);
  }
  out->count = builder->strings->len - out->first;
  return TRUE;
}

static guint64 hash_string(const ShopCatalogue *catalogue, guint64 hash, ShopString string)
{
  if (string == SHOP_STRING_NONE)
    return shop_hash_bytes(hash + 1, "", 0);
  return shop_hash_bytes(hash, shop_string(catalogue, string), shop_string_length(catalogue, string));
}

static guint64 hash_strings(const ShopCatalogue *catalogue, guint64 hash, ShopSpan span)
{
  hash = shop_hash_bytes(hash + span.count, "", 0);
  for (guint32 i = 0; i < span.count; i++)
    hash = hash_string(catalogue, hash, catalogue->strings[span.first + i]);
  return hash;
}

guint64 shop_catalogue_checksum(const ShopCatalogue *catalogue, gboolean with_humans)
{
  return shop_catalogue_checksum_part(catalogue, with_humans, 0, 0, catalogue->n_products);
}

guint64 shop_catalogue_checksum_part(const ShopCatalogue *catalogue, gboolean with_humans, guint64 hash,
                                     guint32 first, guint32 count)
{
  for (guint32 i = first; i < first + count; i++) {
    const ShopProduct *p = &catalogue->products[i];
    const ShopString strings[] = {p->asin,     p->title, p->description,      p->price_tag,
                                  p->category, p->query, p->product_category, p->instruction};
    for (guint s = 0; s < G_N_ELEMENTS(strings); s++)
      hash = hash_string(catalogue, hash, strings[s]);
    hash = hash_strings(catalogue, hash, p->bullets);
    hash = hash_strings(catalogue, hash, p->attributes);
    hash = hash_strings(catalogue, hash, p->instruction_attributes);
    for (guint32 g = 0; g < p->groups.count; g++) {
      const ShopOptionGroup *group = &catalogue->groups[p->groups.first + g];
      hash = hash_strings(catalogue, hash_string(catalogue, hash, group->name), group->values);
    }
    for (guint32 h = 0; with_humans && h < p->humans.count; h++) {
      const ShopHumanRecord *human = &catalogue->humans[p->humans.first + h];
      hash = hash_strings(catalogue, hash_string(catalogue, hash, human->instruction), human->attributes);
      hash =
          hash_strings(catalogue, hash_strings(catalogue, hash, human->option_names), human->option_values);
    }
  }
  return hash;
}

static gconstpointer hand_over(GArray *array, guint32 *n)
{
  *n = array->len;
  return g_array_free(array, FALSE);
}

static void move_string(ShopString *string, guint32 base)
{
  if (*string != SHOP_STRING_NONE && (*string & SHOP_STRING_INTERNED) != 0)
    *string = base + (*string & ~SHOP_STRING_INTERNED);
}

/* Interned strings move behind the others, which end at `base`. */
static void move_strings(ShopCatalogueBuilder *builder, guint32 base)
{
  for (guint i = 0; i < builder->products->len; i++) {
    ShopProduct *p = &g_array_index(builder->products, ShopProduct, i);
    ShopString *strings[] = {&p->asin,     &p->title, &p->item_action,      &p->description, &p->price_tag,
                             &p->category, &p->query, &p->product_category, &p->instruction};
    for (guint s = 0; s < G_N_ELEMENTS(strings); s++)
      move_string(strings[s], base);
  }
  for (guint i = 0; i < builder->strings->len; i++)
    move_string(&g_array_index(builder->strings, ShopString, i), base);
  for (guint i = 0; i < builder->groups->len; i++)
    move_string(&g_array_index(builder->groups, ShopOptionGroup, i).name, base);
  for (guint i = 0; i < builder->targets->len; i++) {
    move_string(&g_array_index(builder->targets, ShopOptionTarget, i).value, base);
    move_string(&g_array_index(builder->targets, ShopOptionTarget, i).action, base);
  }
  for (guint i = 0; i < builder->humans->len; i++)
    move_string(&g_array_index(builder->humans, ShopHumanRecord, i).instruction, base);
}

/* Writes what texts there are left, or joins both parts in memory; the arena, or NULL with `trouble` or for a
 * builder with a file. */
static char *finish_texts(ShopCatalogueBuilder *builder)
{
  if (builder->writer) {
    flush_texts(builder);
    if (!builder->trouble)
      shop_file_writer_append(builder->writer, builder->words.bytes, builder->words.length,
                              &builder->trouble);
    if (!builder->trouble)
      shop_file_writer_end(builder->writer, &builder->trouble);
    return NULL;
  }
  char *arena = g_realloc(builder->stored.bytes, builder->stored.length + builder->words.length);
  memcpy(arena + builder->stored.length, builder->words.bytes, builder->words.length);
  builder->stored.bytes = NULL;
  return arena;
}

static gboolean check_sizes(const ShopCatalogueBuilder *builder, GError **error)
{
  gsize limit = (gsize)SHOP_STRING_INTERNED * 4;
  gboolean fits = builder->n_written + builder->stored.length < limit && builder->words.length < limit - 8;
  if (builder->products->len > 0 && fits)
    return TRUE;
  return shop_fail(error, CW_ERROR_FORMAT,
                   fits ? "the catalogue holds no product" : "the catalogue's texts exceed 8 GiB");
}

ShopCatalogue *shop_catalogue_builder_finish(ShopCatalogueBuilder *builder, GError **error)
{
  ShopCatalogue *catalogue = NULL;
  if (check_sizes(builder, error)) {
    gsize stored = builder->n_written + builder->stored.length, words = builder->words.length;
    char *arena = finish_texts(builder);
    if (builder->trouble) {
      g_propagate_error(error, g_steal_pointer(&builder->trouble));
    } else {
      move_strings(builder, (guint32)(stored / 4));
      catalogue = g_new0(ShopCatalogue, 1);
      catalogue->arena = arena;
      catalogue->arena_size = stored + words;
      catalogue->asin_table = g_steal_pointer(&builder->asins);
      catalogue->asin_table_mask = builder->asins_mask;
      catalogue->products = hand_over(g_steal_pointer(&builder->products), &catalogue->n_products);
      catalogue->strings = hand_over(g_steal_pointer(&builder->strings), &catalogue->n_strings);
      catalogue->groups = hand_over(g_steal_pointer(&builder->groups), &catalogue->n_groups);
      catalogue->targets = hand_over(g_steal_pointer(&builder->targets), &catalogue->n_targets);
      catalogue->humans = hand_over(g_steal_pointer(&builder->humans), &catalogue->n_humans);
      catalogue->checksum = arena ? shop_catalogue_checksum(catalogue, TRUE) : 0;
    }
  }
  shop_catalogue_builder_free(builder);
  return catalogue;
}
