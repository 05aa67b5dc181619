/* Reading a catalogue: look-up by ASIN and the texts derived from a product. The arrays belong to the
 * catalogue, which the builder (catalogue_builder.c) hands over complete. */
#include "envs/shop/catalogue/catalogue.h"

#include "envs/shop/catalogue/catalogue_private.h"
#include "envs/shop/text/hash.h"
#include "envs/shop/text/text.h"

#include <string.h>

void shop_catalogue_free(ShopCatalogue *catalogue)
{
  if (!catalogue)
    return;
  if (!catalogue->is_borrowed) {
    g_free((gpointer)catalogue->products);
    g_free((gpointer)catalogue->strings);
    g_free((gpointer)catalogue->groups);
    g_free((gpointer)catalogue->targets);
    g_free((gpointer)catalogue->humans);
    g_free((gpointer)catalogue->arena);
    g_free((gpointer)catalogue->asin_table);
  }
  g_free(catalogue);
}

gint64 shop_catalogue_find(const ShopCatalogue *catalogue, const char *asin)
{
  gsize length = strlen(asin);
  guint32 slot = (guint32)shop_hash_bytes(0, asin, length) & catalogue->asin_table_mask;
  for (guint32 entry; (entry = catalogue->asin_table[slot]) != 0;
       slot = (slot + 1) & catalogue->asin_table_mask) {
    ShopString known = catalogue->products[entry - 1].asin;
    if (shop_string_length(catalogue, known) == length &&
        memcmp(shop_string(catalogue, known), asin, length) == 0)
      return (gint64)entry - 1;
  }
  return -1;
}

const char *shop_catalogue_lower_title(const ShopCatalogue *catalogue, guint32 product, gsize *length)
{
  ShopString action = catalogue->products[product].item_action;
  *length = shop_string_length(catalogue, action) - strlen(SHOP_ITEM_ACTION_START) - 1;
  return shop_string(catalogue, action) + strlen(SHOP_ITEM_ACTION_START);
}

void shop_catalogue_append_contents(const ShopCatalogue *catalogue, guint32 product, GString *contents)
{
  const ShopProduct *p = &catalogue->products[product];
  gsize length;
  const char *title = shop_catalogue_lower_title(catalogue, product, &length);
  g_string_append_len(contents, title, (gssize)length);
  g_string_append_c(contents, ' ');
  shop_text_append_lower(contents, shop_string(catalogue, p->description),
                         shop_string_length(catalogue, p->description));
  g_string_append_c(contents, ' ');
  if (p->bullets.count > 0) {
    ShopString bullet = catalogue->strings[p->bullets.first];
    shop_text_append_lower(contents, shop_string(catalogue, bullet), shop_string_length(catalogue, bullet));
  }
  g_string_append_c(contents, ' ');
  for (guint32 i = 0; i < p->groups.count; i++) {
    const ShopOptionGroup *group = &catalogue->groups[p->groups.first + i];
    if (i > 0)
      g_string_append(contents, ", and ");
    g_string_append(contents, shop_string(catalogue, group->name));
    g_string_append(contents, ": ");
    for (guint32 j = 0; j < group->values.count; j++) {
      if (j > 0)
        g_string_append(contents, ", ");
      g_string_append(contents, shop_string(catalogue, catalogue->strings[group->values.first + j]));
    }
  }
}
