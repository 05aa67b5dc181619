/* Adding a product of WebShop's raw schema to a catalogue under construction (docs/spec 1.2 to 1.5):
 * title, texts, price, and the option groups with what a click on each value reaches. */
#include "envs/shop/catalogue/catalogue_private.h"
#include "envs/shop/catalogue/price.h"
#include "envs/shop/text/action.h"
#include "envs/shop/text/text.h"

#include "envs/shop/text/fail.h"
#include <string.h>

#define MAX_ASIN 10

/* Trimmed, every '/' as " | ", in lower case (docs/spec 1.5). */
static ShopString intern_option_value(ShopCatalogueBuilder *builder, const char *text, gsize length)
{
  shop_text_trim(&text, &length);
  g_string_truncate(builder->scratch, 0);
  if (memchr(text, '/', length)) {
    g_autoptr(GString) bars = g_string_new_len(text, (gssize)length);
    g_string_replace(bars, "/", " | ", 0);
    shop_text_append_lower(builder->scratch, bars->str, bars->len);
  } else {
    shop_text_append_lower(builder->scratch, text, length);
  }
  return shop_builder_intern(builder, builder->scratch->str, builder->scratch->len);
}

static gboolean take_option_values(ShopCatalogueBuilder *builder, const char *name, const json_t *contents,
                                   ShopSpan *values, const char *where, const char *asin, GError **error)
{
  g_autofree char *key = g_strdup_printf("customization_options.%s", name);
  *values = (ShopSpan){builder->strings->len, 0};
  gboolean iterates = json_is_array(contents) || ((json_is_string(contents) || json_is_object(contents)) &&
                                                  shop_json_is_falsy(contents));
  if (!iterates)
    return shop_builder_wrong(error, where, asin, key, "null or a list of objects", contents);
  for (gsize i = 0; i < json_array_size(contents); i++) {
    const json_t *option = json_array_get(contents, i);
    const json_t *value = json_object_get(option, "value");
    if (!json_is_string(value)) {
      g_autofree char *element =
          g_strdup_printf("%s[%" G_GSIZE_FORMAT "]%s", key, i, json_is_object(option) ? ".value" : "");
      return shop_builder_wrong(error, where, asin, element,
                                json_is_object(option) ? "a string" : "an object with 'value'",
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
  if (group) {
    text = shop_builder_text(builder, group->name, &length);
    g_string_append_len(builder->scratch, text, length);
    g_string_append(builder->scratch, ": ");
  }
  text = shop_builder_text(builder, value, &length);
  g_string_append_len(builder->scratch, text, length);
  g_string_append_c(builder->scratch, ']');
  return shop_builder_intern(builder, builder->scratch->str, builder->scratch->len);
}

/* Whether a click on `value` is something else than the choice of an option. */
static gboolean is_special(const ShopCatalogueBuilder *builder, ShopString value, ShopString action)
{
  static const char *const labels[] = {"back to search", "< prev",  "next >",     "description", "features",
                                       "reviews",        "buy now", "attributes", "search"};
  guint32 length;
  const char *text = shop_builder_text(builder, value, &length);
  for (guint i = 0; i < G_N_ELEMENTS(labels); i++)
    if (strcmp(text, labels[i]) == 0)
      return TRUE;
  ShopActionText parts;
  guint32 action_length;
  return !shop_action_parse(shop_builder_text(builder, action, &action_length), FALSE, &parts) ||
         parts.argument_length != length || parts.name_length != strlen("click");
}

/* The click on every value of every group. A value that several groups offer reaches the last of them.
 * `targets` maps values to places in builder->targets, as many as there are clicks in all. */
static void add_plain_targets(ShopCatalogueBuilder *builder, ShopProduct *product, GHashTable *targets)
{
  product->targets = (ShopSpan){builder->targets->len, 0};
  for (guint32 g = 0; g < product->groups.count; g++) {
    ShopSpan values = g_array_index(builder->groups, ShopOptionGroup, product->groups.first + g).values;
    for (guint32 v = 0; v < values.count; v++) {
      ShopString value = g_array_index(builder->strings, ShopString, values.first + v);
      gpointer known;
      if (g_hash_table_lookup_extended(targets, GUINT_TO_POINTER(value), NULL, &known)) {
        g_array_index(builder->targets, ShopOptionTarget, GPOINTER_TO_UINT(known)).group = g;
        continue;
      }
      ShopOptionTarget target = {value, intern_click(builder, NULL, value), g, 0};
      target.special = is_special(builder, value, target.action);
      g_hash_table_insert(targets, GUINT_TO_POINTER(value), GUINT_TO_POINTER(builder->targets->len));
      g_array_append_val(builder->targets, target);
    }
  }
  product->targets.count = builder->targets->len - product->targets.first;
}

/* The values that a plain click does not reach. */
static void add_shadowed_targets(ShopCatalogueBuilder *builder, ShopProduct *product, GHashTable *targets)
{
  g_autoptr(GHashTable) first_actions =
      g_hash_table_new(NULL, NULL); /* of a value, its first shadowed action */
  product->shadowed = (ShopSpan){builder->targets->len, 0};
  for (guint32 g = 0; g < product->groups.count; g++) {
    const ShopOptionGroup group = g_array_index(builder->groups, ShopOptionGroup, product->groups.first + g);
    for (guint32 v = 0; v < group.values.count; v++) {
      ShopString value = g_array_index(builder->strings, ShopString, group.values.first + v);
      gpointer key = GUINT_TO_POINTER(value), known;
      guint place = GPOINTER_TO_UINT(g_hash_table_lookup(targets, key));
      const ShopOptionTarget *plain = &g_array_index(builder->targets, ShopOptionTarget, place);
      if (plain->group == g && !plain->special)
        continue;
      ShopOptionTarget target = {value, intern_click(builder, &group, value), g, 0};
      gboolean is_known = g_hash_table_lookup_extended(first_actions, key, NULL, &known);
      if (is_known && GPOINTER_TO_UINT(known) == target.action)
        continue;
      if (!is_known)
        g_hash_table_insert(first_actions, key, GUINT_TO_POINTER(target.action));
      g_array_append_val(builder->targets, target);
    }
  }
  product->shadowed.count = builder->targets->len - product->shadowed.first;
}

static gboolean take_group(ShopCatalogueBuilder *builder, const char *name, const json_t *contents,
                           GHashTable *groups, const char *where, const char *asin, GError **error)
{
  ShopOptionGroup group;
  gpointer known;
  g_string_truncate(builder->scratch, 0);
  shop_text_append_lower(builder->scratch, name, strlen(name));
  group.name = shop_builder_intern(builder, builder->scratch->str, builder->scratch->len);
  if (!take_option_values(builder, name, contents, &group.values, where, asin, error))
    return FALSE;
  if (g_hash_table_lookup_extended(groups, GUINT_TO_POINTER(group.name), NULL, &known)) {
    g_array_index(builder->groups, ShopOptionGroup, GPOINTER_TO_UINT(known)).values = group.values;
    return TRUE;
  }
  g_hash_table_insert(groups, GUINT_TO_POINTER(group.name), GUINT_TO_POINTER(builder->groups->len));
  g_array_append_val(builder->groups, group);
  return TRUE;
}

static gboolean take_options(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product,
                             const char *where, const char *asin, GError **error)
{
  product->groups.first = builder->groups->len;
  const json_t *options = json_object_get(object, "customization_options");
  if (!options)
    return shop_builder_wrong(error, where, asin, "customization_options", "an object, null or \"\"",
                              options);
  if (!shop_json_is_falsy(options) && !json_is_object(options))
    return shop_builder_wrong(error, where, asin, "customization_options", "an object, null or \"\"",
                              options);
  g_autoptr(GHashTable) groups = g_hash_table_new(NULL, NULL), targets = g_hash_table_new(NULL, NULL);
  const char *name;
  json_t *contents;
  json_object_foreach((json_t *)options, name, contents)
  {
    if (!json_is_null(contents) && !take_group(builder, name, contents, groups, where, asin, error))
      return FALSE;
  }
  product->groups.count = builder->groups->len - product->groups.first;
  add_plain_targets(builder, product, targets);
  add_shadowed_targets(builder, product, targets);
  return TRUE;
}

static gboolean take_price(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product,
                           const char *where, const char *asin, GError **error)
{
  const json_t *pricing = json_object_get(object, "pricing");
  const char *text = json_string_value(pricing);
  if (!text && !shop_json_is_falsy(pricing))
    return shop_builder_wrong(error, where, asin, "pricing", "a string such as \"$10.99\" or null", pricing);
  if (!shop_price_parse(text, product->prices, &product->n_prices))
    return shop_fail(
        error, CW_ERROR_FORMAT,
        "%s: product %s: 'pricing' should hold amounts such as \"$10.99\" or \"$5.00 - $7.50\", found \"%s\"",
        where, asin, text);
  g_string_truncate(builder->scratch, 0);
  shop_price_append_tag(builder->scratch, product->prices, product->n_prices);
  product->price_tag = shop_builder_intern(builder, builder->scratch->str, builder->scratch->len);
  return TRUE;
}

static gboolean take_bullets(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product,
                             const char *where, const char *asin, GError **error)
{
  const json_t *bullets = json_object_get(object, "small_description");
  if (json_is_string(bullets)) {
    ShopString bullet = shop_builder_store(builder, json_string_value(bullets), json_string_length(bullets));
    product->bullets = (ShopSpan){builder->strings->len, 1};
    g_array_append_val(builder->strings, bullet);
    return TRUE;
  }
  if (!json_is_array(bullets))
    return shop_builder_wrong(error, where, asin, "small_description", "a string or a list of strings",
                              bullets);
  return shop_builder_take_strings(builder, bullets, "small_description", FALSE, &product->bullets, where,
                                   asin, error);
}

static gboolean take_title(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product,
                           const char *where, const char *asin, GError **error)
{
  if (!shop_builder_take_string(builder, object, "name", FALSE, &product->title, where, asin, error))
    return FALSE;
  const json_t *name = json_object_get(object, "name");
  g_string_assign(builder->scratch, SHOP_ITEM_ACTION_START);
  shop_text_append_lower(builder->scratch, json_string_value(name), json_string_length(name));
  g_string_append_c(builder->scratch, ']');
  product->item_action = shop_builder_store(builder, builder->scratch->str, builder->scratch->len);
  return TRUE;
}

static gboolean take_query(ShopCatalogueBuilder *builder, const json_t *object, ShopProduct *product,
                           const char *where, const char *asin, GError **error)
{
  const json_t *query = json_object_get(object, "query");
  if (!json_is_string(query))
    return shop_builder_wrong(error, where, asin, "query", "a string", query);
  g_string_truncate(builder->scratch, 0);
  shop_text_append_lower(builder->scratch, json_string_value(query), json_string_length(query));
  const char *text = builder->scratch->str;
  gsize length = builder->scratch->len;
  shop_text_trim(&text, &length);
  product->query = shop_builder_intern(builder, text, length);
  return TRUE;
}

gboolean shop_catalogue_builder_add(ShopCatalogueBuilder *builder, const json_t *object, const char *where,
                                    GError **error)
{
  if (!json_is_object(object))
    return shop_fail(error, CW_ERROR_FORMAT, "%s: expected a product (an object), found %s", where,
                     shop_builder_kind(object));
  const json_t *asin_value = json_object_get(object, "asin");
  if (!json_is_string(asin_value))
    return shop_builder_wrong(error, where, NULL, "asin", "a string", asin_value);
  const char *asin = json_string_value(asin_value);
  gsize asin_length = json_string_length(asin_value);
  if (strcmp(asin, "nan") == 0 || g_utf8_strlen(asin, -1) > MAX_ASIN ||
      *shop_builder_find_asin(builder, asin, asin_length) != 0)
    return TRUE;

  ShopProduct product = {0};
  product.instruction = SHOP_STRING_NONE;
  if (!shop_builder_take_string(builder, object, "category", TRUE, &product.category, where, asin, error) ||
      !take_query(builder, object, &product, where, asin, error) ||
      !shop_builder_take_string(builder, object, "product_category", TRUE, &product.product_category, where,
                                asin, error) ||
      !take_title(builder, object, &product, where, asin, error) ||
      !shop_builder_take_string(builder, object, "full_description", FALSE, &product.description, where, asin,
                                error) ||
      !take_bullets(builder, object, &product, where, asin, error) ||
      !take_price(builder, object, &product, where, asin, error) ||
      !take_options(builder, object, &product, where, asin, error))
    return FALSE;
  product.asin = shop_builder_intern(builder, asin, asin_length);
  ShopString dummy = shop_builder_intern(builder, "DUMMY_ATTR", strlen("DUMMY_ATTR"));
  product.attributes = (ShopSpan){builder->strings->len, 1};
  g_array_append_val(builder->strings, dummy);

  if (builder->products->len >= builder->asins_mask / 2)
    shop_builder_grow_asins(builder);
  guint32 *slot = shop_builder_find_asin(builder, asin, asin_length);
  g_array_append_val(builder->products, product);
  *slot = builder->products->len;
  return TRUE;
}
