/* Building a catalogue from WebShop's raw records, one at a time. The builder
 * owns growing arrays and an arena; finish hands them to the ShopCatalogue as
 * they are. Schema errors name the record, the key, and what was found instead. */
#include "envs/shop/catalogue.h"

#include "envs/shop/action.h"
#include "envs/shop/catalogue_private.h"
#include "envs/shop/price.h"
#include "envs/shop/text.h"

#include <cartwright/error.h>
#include <string.h>

#define MAX_ASIN 10

struct ShopCatalogueBuilder {
  char *arena;
  gsize arena_size, arena_room;
  GArray *products, *strings, *groups, *targets, *humans;
  guint32 *interned; /* open addressing: ShopString + 1, 0 empty */
  guint32 interned_mask, n_interned;
  guint32 *asins; /* the same with product index + 1 */
  guint32 asins_mask;
  GString *scratch;
};

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

static const char *text_of(const ShopCatalogueBuilder *builder, ShopString string, guint32 *length)
{
  memcpy(length, builder->arena + (gsize)string * 4, sizeof *length);
  return builder->arena + (gsize)string * 4 + sizeof *length;
}

static ShopString store(ShopCatalogueBuilder *builder, const char *text, gsize length)
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
    const char *text = text_of(builder, builder->interned[i] - 1, &length);
    guint32 slot = (guint32)shop_hash_bytes(0, text, length) & mask;
    while (table[slot] != 0)
      slot = (slot + 1) & mask;
    table[slot] = builder->interned[i];
  }
  g_free(builder->interned);
  builder->interned = table;
  builder->interned_mask = mask;
}

static ShopString intern(ShopCatalogueBuilder *builder, const char *text, gsize length)
{
  if (length == 0)
    return 0;
  if (builder->n_interned >= builder->interned_mask / 2)
    grow_interned(builder);
  guint32 slot = (guint32)shop_hash_bytes(0, text, length) & builder->interned_mask;
  for (; builder->interned[slot] != 0; slot = (slot + 1) & builder->interned_mask) {
    guint32 known_length;
    const char *known = text_of(builder, builder->interned[slot] - 1, &known_length);
    if (known_length == length && memcmp(known, text, length) == 0)
      return builder->interned[slot] - 1;
  }
  ShopString string = store(builder, text, length);
  builder->interned[slot] = string + 1;
  builder->n_interned++;
  return string;
}

static guint32 *find_asin(const ShopCatalogueBuilder *builder, const char *asin, gsize length)
{
  guint32 slot = (guint32)shop_hash_bytes(0, asin, length) & builder->asins_mask;
  for (; builder->asins[slot] != 0; slot = (slot + 1) & builder->asins_mask) {
    guint32 known_length;
    ShopString string = g_array_index(builder->products, ShopProduct, builder->asins[slot] - 1).asin;
    const char *known = text_of(builder, string, &known_length);
    if (known_length == length && memcmp(known, asin, length) == 0)
      break;
  }
  return &builder->asins[slot];
}

static void grow_asins(ShopCatalogueBuilder *builder)
{
  builder->asins_mask = builder->asins_mask * 2 + 1;
  g_free(builder->asins);
  builder->asins = g_new0(guint32, (gsize)builder->asins_mask + 1);
  for (guint32 i = 0; i < builder->products->len; i++) {
    guint32 length;
    const char *asin = text_of(builder, g_array_index(builder->products, ShopProduct, i).asin, &length);
    *find_asin(builder, asin, length) = i + 1;
  }
}

/* Messages. */

static const char *kind_of(const json_t *value)
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

static gboolean wrong(GError **error, const char *where, const char *asin, const char *key, const char *expected,
                      const json_t *found)
{
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "%s: %s%s: '%s' should be %s, found %s", where,
              asin != NULL ? "product " : "product", asin != NULL ? asin : "", key, expected, kind_of(found));
  return FALSE;
}

/* A required string, interned or not. */
static gboolean take_string(ShopCatalogueBuilder *builder, const json_t *object, const char *key, gboolean interned,
                            ShopString *out, const char *where, const char *asin, GError **error)
{
  const json_t *value = json_object_get(object, key);
  if (!json_is_string(value))
    return wrong(error, where, asin, key, "a string", value);
  const char *text = json_string_value(value);
  gsize length = json_string_length(value);
  *out = interned ? intern(builder, text, length) : store(builder, text, length);
  return TRUE;
}

/* A list of strings; a missing or null one is empty. */
static gboolean take_strings(ShopCatalogueBuilder *builder, const json_t *value, const char *key, gboolean interned,
                             ShopSpan *out, const char *where, const char *asin, GError **error)
{
  *out = (ShopSpan){builder->strings->len, 0};
  if (value == NULL || json_is_null(value))
    return TRUE;
  if (!json_is_array(value))
    return wrong(error, where, asin, key, "a list of strings", value);
  for (gsize i = 0; i < json_array_size(value); i++)
    if (!json_is_string(json_array_get(value, i))) {
      g_autofree char *element = g_strdup_printf("%s[%" G_GSIZE_FORMAT "]", key, i);
      return wrong(error, where, asin, element, "a string", json_array_get(value, i));
    }
  for (gsize i = 0; i < json_array_size(value); i++) {
    const json_t *element = json_array_get(value, i);
    const char *text = json_string_value(element);
    gsize length = json_string_length(element);
    ShopString string = interned ? intern(builder, text, length) : store(builder, text, length);
    g_array_append_val(builder->strings, string);
  }
  out->count = builder->strings->len - out->first;
  return TRUE;
}

/* Options. */

/* Trimmed, every '/' as " | ", in lower case (webshop-spec 1.5). */
static ShopString intern_option_value(ShopCatalogueBuilder *builder, const char *text, gsize length)
{
  shop_text_trim(&text, &length);
  g_autoptr(GString) bars = g_string_sized_new(length + 8);
  for (gsize i = 0; i < length; i++) {
    if (text[i] == '/')
      g_string_append(bars, " | ");
    else
      g_string_append_c(bars, text[i]);
  }
  g_string_truncate(builder->scratch, 0);
  shop_text_append_lower(builder->scratch, bars->str, bars->len);
  return intern(builder, builder->scratch->str, builder->scratch->len);
}

static gboolean take_option_values(ShopCatalogueBuilder *builder, const char *name, const json_t *contents,
                                   ShopSpan *values, const char *where, const char *asin, GError **error)
{
  g_autofree char *key = g_strdup_printf("customization_options.%s", name);
  *values = (ShopSpan){builder->strings->len, 0};
  if (!json_is_array(contents))
    return wrong(error, where, asin, key, "null or a list of objects", contents);
  for (gsize i = 0; i < json_array_size(contents); i++) {
    const json_t *option = json_array_get(contents, i);
    const json_t *value = json_object_get(option, "value");
    if (!json_is_string(value)) {
      g_autofree char *element =
          g_strdup_printf("%s[%" G_GSIZE_FORMAT "]%s", key, i, json_is_object(option) ? ".value" : "");
      return wrong(error, where, asin, element, json_is_object(option) ? "a string" : "an object with 'value'",
                   json_is_object(option) ? value : option);
    }
    ShopString string = intern_option_value(builder, json_string_value(value), json_string_length(value));
    g_array_append_val(builder->strings, string);
    values->count++;
  }
  return TRUE;
}

/* "click[VALUE]" or "click[GROUP: VALUE]". */
static ShopString intern_click(ShopCatalogueBuilder *builder, const ShopOptionGroup *group, ShopString value)
{
  guint32 length;
  const char *text;
  g_string_assign(builder->scratch, "click[");
  if (group != NULL) {
    text = text_of(builder, group->name, &length);
    g_string_append_len(builder->scratch, text, length);
    g_string_append(builder->scratch, ": ");
  }
  text = text_of(builder, value, &length);
  g_string_append_len(builder->scratch, text, length);
  g_string_append_c(builder->scratch, ']');
  return intern(builder, builder->scratch->str, builder->scratch->len);
}

/* Whether a click on `value` is something else than the choice of an option. */
static gboolean is_special(const ShopCatalogueBuilder *builder, ShopString value, ShopString action)
{
  static const char *const labels[] = {"back to search", "< prev",  "next >",     "description", "features",
                                       "reviews",        "buy now", "attributes", "search"};
  guint32 length;
  const char *text = text_of(builder, value, &length);
  for (guint i = 0; i < G_N_ELEMENTS(labels); i++)
    if (strcmp(text, labels[i]) == 0)
      return TRUE;
  ShopActionText parts;
  guint32 action_length;
  return !shop_action_parse(text_of(builder, action, &action_length), FALSE, &parts) ||
         parts.argument_length != length || parts.name_length != strlen("click");
}

static ShopOptionTarget *find_target(ShopCatalogueBuilder *builder, ShopSpan span, ShopString value)
{
  for (guint32 t = span.first; t < span.first + span.count; t++) {
    ShopOptionTarget *target = &g_array_index(builder->targets, ShopOptionTarget, t);
    if (target->value == value)
      return target;
  }
  return NULL;
}

static void add_targets(ShopCatalogueBuilder *builder, ShopProduct *product)
{
  product->targets = (ShopSpan){builder->targets->len, 0};
  for (guint32 g = 0; g < product->groups.count; g++) {
    ShopSpan values = g_array_index(builder->groups, ShopOptionGroup, product->groups.first + g).values;
    for (guint32 v = 0; v < values.count; v++) {
      ShopString value = g_array_index(builder->strings, ShopString, values.first + v);
      ShopOptionTarget *known = find_target(builder, product->targets, value);
      if (known != NULL) {
        known->group = g;
        continue;
      }
      ShopOptionTarget target = {value, intern_click(builder, NULL, value), g, 0};
      target.special = is_special(builder, value, target.action);
      g_array_append_val(builder->targets, target);
      product->targets.count++;
    }
  }
  product->shadowed = (ShopSpan){builder->targets->len, 0};
  for (guint32 g = 0; g < product->groups.count; g++) {
    const ShopOptionGroup group = g_array_index(builder->groups, ShopOptionGroup, product->groups.first + g);
    for (guint32 v = 0; v < group.values.count; v++) {
      ShopString value = g_array_index(builder->strings, ShopString, group.values.first + v);
      const ShopOptionTarget *plain = find_target(builder, product->targets, value);
      if (plain->group == g && !plain->special)
        continue;
      ShopOptionTarget target = {value, intern_click(builder, &group, value), g, 0};
      const ShopOptionTarget *known = find_target(builder, product->shadowed, value);
      if (known != NULL && known->action == target.action)
        continue;
      g_array_append_val(builder->targets, target);
      product->shadowed.count++;
    }
  }
}

static gboolean take_options(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product,
                             const char *where, const char *asin, GError **error)
{
  product->groups.first = builder->groups->len;
  const json_t *options = json_object_get(object, "customization_options");
  if (options == NULL)
    return wrong(error, where, asin, "customization_options", "an object, null or \"\"", options);
  gboolean empty = json_is_null(options) || (json_is_string(options) && json_string_length(options) == 0) ||
                   (json_is_array(options) && json_array_size(options) == 0);
  if (!empty && !json_is_object(options))
    return wrong(error, where, asin, "customization_options", "an object, null or \"\"", options);
  const char *name;
  json_t *contents;
  if (!empty)
    json_object_foreach((json_t *)options, name, contents)
    {
      if (json_is_null(contents))
        continue;
      ShopOptionGroup group;
      g_string_truncate(builder->scratch, 0);
      shop_text_append_lower(builder->scratch, name, strlen(name));
      group.name = intern(builder, builder->scratch->str, builder->scratch->len);
      if (!take_option_values(builder, name, contents, &group.values, where, asin, error))
        return FALSE;
      guint32 g = product->groups.first;
      while (g < builder->groups->len && g_array_index(builder->groups, ShopOptionGroup, g).name != group.name)
        g++;
      if (g < builder->groups->len)
        g_array_index(builder->groups, ShopOptionGroup, g).values = group.values;
      else
        g_array_append_val(builder->groups, group);
    }
  product->groups.count = builder->groups->len - product->groups.first;
  add_targets(builder, product);
  return TRUE;
}

/* Products. */

static gboolean take_price(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product, const char *where,
                           const char *asin, GError **error)
{
  const json_t *pricing = json_object_get(object, "pricing");
  const char *text = NULL;
  if (json_is_string(pricing))
    text = json_string_value(pricing);
  else if (pricing != NULL && !json_is_null(pricing))
    return wrong(error, where, asin, "pricing", "a string such as \"$10.99\" or null", pricing);
  if (!shop_price_parse(text, product->prices, &product->n_prices)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "%s: product %s: 'pricing' should hold amounts such as \"$10.99\" or \"$5.00 - $7.50\", found \"%s\"",
                where, asin, text);
    return FALSE;
  }
  g_string_truncate(builder->scratch, 0);
  shop_price_append_tag(builder->scratch, product->prices, product->n_prices);
  product->price_tag = intern(builder, builder->scratch->str, builder->scratch->len);
  return TRUE;
}

static gboolean take_bullets(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product,
                             const char *where, const char *asin, GError **error)
{
  const json_t *bullets = json_object_get(object, "small_description");
  if (json_is_string(bullets)) {
    ShopString bullet = store(builder, json_string_value(bullets), json_string_length(bullets));
    product->bullets = (ShopSpan){builder->strings->len, 1};
    g_array_append_val(builder->strings, bullet);
    return TRUE;
  }
  if (!json_is_array(bullets))
    return wrong(error, where, asin, "small_description", "a string or a list of strings", bullets);
  return take_strings(builder, bullets, "small_description", FALSE, &product->bullets, where, asin, error);
}

static gboolean take_title(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product, const char *where,
                           const char *asin, GError **error)
{
  if (!take_string(builder, object, "name", FALSE, &product->title, where, asin, error))
    return FALSE;
  const json_t *name = json_object_get(object, "name");
  g_string_assign(builder->scratch, SHOP_ITEM_ACTION_START);
  shop_text_append_lower(builder->scratch, json_string_value(name), json_string_length(name));
  g_string_append_c(builder->scratch, ']');
  product->item_action = store(builder, builder->scratch->str, builder->scratch->len);
  return TRUE;
}

static gboolean take_query(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product, const char *where,
                           const char *asin, GError **error)
{
  const json_t *query = json_object_get(object, "query");
  if (!json_is_string(query))
    return wrong(error, where, asin, "query", "a string", query);
  g_string_truncate(builder->scratch, 0);
  shop_text_append_lower(builder->scratch, json_string_value(query), json_string_length(query));
  const char *text = builder->scratch->str;
  gsize length = builder->scratch->len;
  shop_text_trim(&text, &length);
  product->query = intern(builder, text, length);
  return TRUE;
}

gboolean shop_catalogue_builder_add(ShopCatalogueBuilder *builder, const json_t *object, const char *where,
                                    GError **error)
{
  if (!json_is_object(object)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "%s: expected a product (an object), found %s", where,
                kind_of(object));
    return FALSE;
  }
  const json_t *asin_value = json_object_get(object, "asin");
  if (!json_is_string(asin_value))
    return wrong(error, where, NULL, "asin", "a string", asin_value);
  const char *asin = json_string_value(asin_value);
  gsize asin_length = json_string_length(asin_value);
  if (strcmp(asin, "nan") == 0 || g_utf8_strlen(asin, -1) > MAX_ASIN || *find_asin(builder, asin, asin_length) != 0)
    return TRUE;

  ShopProduct product = {0};
  product.instruction = SHOP_STRING_NONE;
  if (!take_string(builder, object, "category", TRUE, &product.category, where, asin, error) ||
      !take_query(builder, object, &product, where, asin, error) ||
      !take_string(builder, object, "product_category", TRUE, &product.product_category, where, asin, error) ||
      !take_title(builder, object, &product, where, asin, error) ||
      !take_string(builder, object, "full_description", FALSE, &product.description, where, asin, error) ||
      !take_bullets(builder, object, &product, where, asin, error) ||
      !take_price(builder, object, &product, where, asin, error) ||
      !take_options(builder, object, &product, where, asin, error))
    return FALSE;
  product.asin = intern(builder, asin, asin_length);
  ShopString dummy = intern(builder, "DUMMY_ATTR", strlen("DUMMY_ATTR"));
  product.attributes = (ShopSpan){builder->strings->len, 1};
  g_array_append_val(builder->strings, dummy);

  if (builder->products->len >= builder->asins_mask / 2)
    grow_asins(builder);
  guint32 *slot = find_asin(builder, asin, asin_length);
  g_array_append_val(builder->products, product);
  *slot = builder->products->len;
  return TRUE;
}

static ShopProduct *known_product(ShopCatalogueBuilder *builder, const char *asin)
{
  guint32 entry = *find_asin(builder, asin, strlen(asin));
  return entry == 0 ? NULL : &g_array_index(builder->products, ShopProduct, entry - 1);
}

gboolean shop_catalogue_builder_add_attributes(ShopCatalogueBuilder *builder, const char *asin, const json_t *record,
                                               const char *where, GError **error)
{
  ShopProduct *product = known_product(builder, asin);
  if (product == NULL)
    return TRUE;
  if (!json_is_object(record))
    return wrong(error, where, asin, "(entry)", "an object with 'attributes'", record);
  const json_t *attributes = json_object_get(record, "attributes");
  if (!json_is_array(attributes))
    return wrong(error, where, asin, "attributes", "a list of strings", attributes);
  if (!take_strings(builder, attributes, "attributes", TRUE, &product->attributes, where, asin, error))
    return FALSE;
  product->has_attributes = 1;
  const json_t *instruction = json_object_get(record, "instruction");
  if (instruction != NULL && !json_is_null(instruction)) {
    if (!json_is_string(instruction))
      return wrong(error, where, asin, "instruction", "a string or null", instruction);
    product->instruction = store(builder, json_string_value(instruction), json_string_length(instruction));
  }
  return take_strings(builder, json_object_get(record, "instruction_attributes"), "instruction_attributes", TRUE,
                      &product->instruction_attributes, where, asin, error);
}

static gboolean take_human_options(ShopCatalogueBuilder *builder, const json_t *record, ShopHumanRecord *human,
                                   const char *where, const char *asin, GError **error)
{
  const json_t *options = json_object_get(record, "instruction_options");
  human->option_names = (ShopSpan){builder->strings->len, 0};
  if (!json_is_object(options))
    return take_strings(builder, options, "instruction_options", TRUE, &human->option_values, where, asin, error);
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)options, name, value)
  {
    if (!json_is_string(value))
      return wrong(error, where, asin, "instruction_options", "a list of strings, or an object of strings", value);
    ShopString string = intern(builder, name, strlen(name));
    g_array_append_val(builder->strings, string);
    human->option_names.count++;
  }
  human->option_values = (ShopSpan){builder->strings->len, human->option_names.count};
  json_object_foreach((json_t *)options, name, value)
  {
    ShopString string = intern(builder, json_string_value(value), json_string_length(value));
    g_array_append_val(builder->strings, string);
  }
  return TRUE;
}

gboolean shop_catalogue_builder_add_humans(ShopCatalogueBuilder *builder, const char *asin, const json_t *records,
                                           const char *where, GError **error)
{
  ShopProduct *product = known_product(builder, asin);
  if (product == NULL)
    return TRUE;
  if (!json_is_array(records))
    return wrong(error, where, asin, "(entry)", "a list of records", records);
  product->humans = (ShopSpan){builder->humans->len, 0};
  for (gsize i = 0; i < json_array_size(records); i++) {
    const json_t *record = json_array_get(records, i);
    if (!json_is_object(record))
      return wrong(error, where, asin, "(record)", "an object with 'instruction'", record);
    ShopHumanRecord human;
    if (!take_string(builder, record, "instruction", FALSE, &human.instruction, where, asin, error) ||
        !take_strings(builder, json_object_get(record, "instruction_attributes"), "instruction_attributes", TRUE,
                      &human.attributes, where, asin, error) ||
        !take_human_options(builder, record, &human, where, asin, error))
      return FALSE;
    g_array_append_val(builder->humans, human);
    product->humans.count++;
  }
  return TRUE;
}

/* Finishing. */

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

static guint64 hash_catalogue(const ShopCatalogue *catalogue)
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
    for (guint32 h = 0; h < p->humans.count; h++) {
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
  catalogue->checksum = hash_catalogue(catalogue);
  g_free(builder->interned);
  g_string_free(builder->scratch, TRUE);
  g_free(builder);
  return catalogue;
}
