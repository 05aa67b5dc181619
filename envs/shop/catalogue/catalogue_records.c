/* Attaching the entries of the attribute file and of the crowd's file to the products of a catalogue under
 * construction. */
#include "envs/shop/catalogue/catalogue_private.h"

#include <string.h>

static ShopProduct *known_product(ShopCatalogueBuilder *builder, const char *asin)
{
  guint32 entry = *shop_builder_find_asin(builder, asin, strlen(asin));
  return entry == 0 ? NULL : &g_array_index(builder->products, ShopProduct, entry - 1);
}

gboolean shop_catalogue_builder_add_attributes(ShopCatalogueBuilder *builder, const char *asin,
                                               const json_t *record, const char *where, GError **error)
{
  ShopProduct *product = known_product(builder, asin);
  if (!product)
    return TRUE;
  if (!json_is_object(record))
    return shop_builder_wrong(error, where, asin, "(entry)", "an object with 'attributes'", record);
  const json_t *attributes = json_object_get(record, "attributes");
  if (attributes && !json_is_array(attributes))
    return shop_builder_wrong(error, where, asin, "attributes", "a list of strings", attributes);
  if (attributes && !shop_builder_take_strings(builder, attributes, "attributes", TRUE, &product->attributes,
                                               where, asin, error))
    return FALSE;
  product->has_attributes = 1;
  const json_t *instruction = json_object_get(record, "instruction");
  if (instruction && !json_is_null(instruction)) {
    if (!json_is_string(instruction))
      return shop_builder_wrong(error, where, asin, "instruction", "a string or null", instruction);
    product->instruction =
        shop_builder_store(builder, json_string_value(instruction), json_string_length(instruction));
  }
  return shop_builder_take_strings(builder, json_object_get(record, "instruction_attributes"),
                                   "instruction_attributes", TRUE, &product->instruction_attributes, where,
                                   asin, error);
}

static gboolean take_human_options(ShopCatalogueBuilder *builder, const json_t *record,
                                   ShopHumanRecord *human, const char *where, const char *asin,
                                   GError **error)
{
  const json_t *options = json_object_get(record, "instruction_options");
  human->option_names = (ShopSpan){builder->strings->len, 0};
  if (!json_is_object(options))
    return shop_builder_take_strings(builder, options, "instruction_options", TRUE, &human->option_values,
                                     where, asin, error);
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)options, name, value)
  {
    if (!json_is_string(value))
      return shop_builder_wrong(error, where, asin, "instruction_options",
                                "a list of strings, or an object of strings", value);
    ShopString string = shop_builder_intern(builder, name, strlen(name));
    g_array_append_val(builder->strings, string);
    human->option_names.count++;
  }
  human->option_values = (ShopSpan){builder->strings->len, human->option_names.count};
  json_object_foreach((json_t *)options, name, value)
  {
    ShopString string = shop_builder_intern(builder, json_string_value(value), json_string_length(value));
    g_array_append_val(builder->strings, string);
  }
  return TRUE;
}

gboolean shop_catalogue_builder_add_humans(ShopCatalogueBuilder *builder, const char *asin,
                                           const json_t *records, const char *where, GError **error)
{
  ShopProduct *product = known_product(builder, asin);
  if (!product)
    return TRUE;
  if (!json_is_array(records))
    return shop_builder_wrong(error, where, asin, "(entry)", "a list of records", records);
  product->humans = (ShopSpan){builder->humans->len, 0};
  for (gsize i = 0; i < json_array_size(records); i++) {
    const json_t *record = json_array_get(records, i);
    if (!json_is_object(record))
      return shop_builder_wrong(error, where, asin, "(record)", "an object with 'instruction'", record);
    ShopHumanRecord human;
    if (!shop_builder_take_string(builder, record, "instruction", FALSE, &human.instruction, where, asin,
                                  error) ||
        !shop_builder_take_strings(builder, json_object_get(record, "instruction_attributes"),
                                   "instruction_attributes", TRUE, &human.attributes, where, asin, error) ||
        !take_human_options(builder, record, &human, where, asin, error))
      return FALSE;
    g_array_append_val(builder->humans, human);
    product->humans.count++;
  }
  return TRUE;
}
