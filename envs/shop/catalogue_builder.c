/* The storage behind a catalogue under construction: the arena, the interning of
 * short strings, the table of ASINs, and the messages about records of the wrong
 * shape. The builder owns growing arrays; finish hands them to the ShopCatalogue
 * as they are. catalogue_products.c and catalogue_records.c fill it. */
#include "envs/shop/catalogue_private.h"

#include <cartwright/error.h>
#include <string.h>

ShopCatalogueBuilder *shop_catalogue_builder_new(void)
{
  ShopCatalogueBuilder *builder = g_new0(ShopCatalogueBuilder, 1);
  builder->arena_room = 1 << 16;
  builder->arena = g_malloc0(builder->arena_room);
  builder->arena_size = 8; /* string 0 is "" */
  builder->products = g_array_new(FALSE, TRUE, sizeof(ShopProduct));
  builder->strings = g_array_new(FALSE, FALSE, sizeof(ShopString));
  builder->groups = g_array_new(FALSE, FALSE, sizeof(ShopOptionGroup));
  builder->targets = g_array_new(FALSE, FALSE, sizeof(ShopOptionTarget));
  builder->humans = g_array_new(FALSE, FALSE, sizeof(ShopHumanRecord));
  builder->interned_mask = 1023;
  builder->interned = g_new0(guint32, builder->interned_mask + 1);
  builder->asins_mask = 1023;
  builder->asins = g_new0(guint32, builder->asins_mask + 1);
  builder->scratch = g_string_new(NULL);
  return builder;
}

void shop_catalogue_builder_free(ShopCatalogueBuilder *builder)
{
  if (builder == NULL)
    return;
  g_free(builder->arena);
  g_array_free(builder->products, TRUE);
  g_array_free(builder->strings, TRUE);
  g_array_free(builder->groups, TRUE);
  g_array_free(builder->targets, TRUE);
  g_array_free(builder->humans, TRUE);
  g_free(builder->interned);
  g_free(builder->asins);
  g_string_free(builder->scratch, TRUE);
  g_free(builder);
}

const char *shop_builder_text(const ShopCatalogueBuilder *builder, ShopString string, guint32 *length)
{
  memcpy(length, builder->arena + (gsize)string * 4, sizeof *length);
  return builder->arena + (gsize)string * 4 + sizeof *length;
}

ShopString shop_builder_store(ShopCatalogueBuilder *builder, const char *text, gsize length)
{
  if (length == 0)
    return 0;
  gsize needed = (sizeof(guint32) + length + 1 + 3) & ~(gsize)3;
  if (builder->arena_size + needed > builder->arena_room) {
    while (builder->arena_size + needed > builder->arena_room)
      builder->arena_room += builder->arena_room / 2;
    builder->arena = g_realloc(builder->arena, builder->arena_room);
  }
  char *place = builder->arena + builder->arena_size;
  guint32 length32 = (guint32)length;
  memset(place + needed - 4, 0, 4);
  memcpy(place, &length32, sizeof length32);
  memcpy(place + sizeof length32, text, length);
  place[sizeof length32 + length] = '\0';
  ShopString string = (ShopString)(builder->arena_size / 4);
  builder->arena_size += needed;
  return string;
}

static void grow_interned(ShopCatalogueBuilder *builder)
{
  guint32 mask = builder->interned_mask * 2 + 1;
  guint32 *table = g_new0(guint32, (gsize)mask + 1);
  for (gsize i = 0; i <= builder->interned_mask; i++) {
    if (builder->interned[i] == 0)
      continue;
    guint32 length;
    const char *text = shop_builder_text(builder, builder->interned[i] - 1, &length);
    guint32 slot = (guint32)shop_hash_bytes(0, text, length) & mask;
    while (table[slot] != 0)
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
  guint32 slot = (guint32)shop_hash_bytes(0, text, length) & builder->interned_mask;
  for (; builder->interned[slot] != 0; slot = (slot + 1) & builder->interned_mask) {
    guint32 known_length;
    const char *known = shop_builder_text(builder, builder->interned[slot] - 1, &known_length);
    if (known_length == length && memcmp(known, text, length) == 0)
      return builder->interned[slot] - 1;
  }
  ShopString string = shop_builder_store(builder, text, length);
  builder->interned[slot] = string + 1;
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
    const char *asin = shop_builder_text(builder, g_array_index(builder->products, ShopProduct, i).asin, &length);
    *shop_builder_find_asin(builder, asin, length) = i + 1;
  }
}

const char *shop_builder_kind(const json_t *value)
{
  if (value == NULL)
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

gboolean shop_builder_wrong(GError **error, const char *where, const char *asin, const char *key, const char *expected,
                            const json_t *found)
{
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "%s: %s%s: '%s' should be %s, found %s", where,
              asin != NULL ? "product " : "product", asin != NULL ? asin : "", key, expected, shop_builder_kind(found));
  return FALSE;
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
  if (value == NULL || json_is_null(value))
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
  guint64 hash = 0;
  for (guint32 i = 0; i < catalogue->n_products; i++) {
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
      hash = hash_strings(catalogue, hash_strings(catalogue, hash, human->option_names), human->option_values);
    }
  }
  return hash;
}

static gconstpointer hand_over(GArray *array, guint32 *n)
{
  *n = array->len;
  return g_array_free(array, FALSE);
}

ShopCatalogue *shop_catalogue_builder_finish(ShopCatalogueBuilder *builder, GError **error)
{
  if (builder->products->len == 0 || builder->arena_size / 4 >= SHOP_STRING_NONE) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                builder->products->len == 0 ? "the catalogue holds no product" : "the catalogue's texts exceed 16 GiB");
    shop_catalogue_builder_free(builder);
    return NULL;
  }
  ShopCatalogue *catalogue = g_new0(ShopCatalogue, 1);
  catalogue->arena = g_realloc(builder->arena, builder->arena_size);
  catalogue->arena_size = builder->arena_size;
  catalogue->asin_table = builder->asins;
  catalogue->asin_table_mask = builder->asins_mask;
  catalogue->products = hand_over(builder->products, &catalogue->n_products);
  catalogue->strings = hand_over(builder->strings, &catalogue->n_strings);
  catalogue->groups = hand_over(builder->groups, &catalogue->n_groups);
  catalogue->targets = hand_over(builder->targets, &catalogue->n_targets);
  catalogue->humans = hand_over(builder->humans, &catalogue->n_humans);
  catalogue->checksum = shop_catalogue_checksum(catalogue, TRUE);
  g_free(builder->interned);
  g_string_free(builder->scratch, TRUE);
  g_free(builder);
  return catalogue;
}
