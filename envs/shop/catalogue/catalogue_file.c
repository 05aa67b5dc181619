/* The catalogue as named arrays, for a shop file, and back. */
#include "envs/shop/catalogue/catalogue.h"

#include "envs/shop/text/fail.h"

void shop_catalogue_arrays(const ShopCatalogue *catalogue, ShopArray arrays[SHOP_CATALOGUE_N_ARRAYS])
{
  const ShopCatalogue *c = catalogue;
  arrays[0] = (ShopArray){"catalogue/products", c->products, sizeof *c->products, c->n_products};
  arrays[1] = (ShopArray){"catalogue/strings", c->strings, sizeof *c->strings, c->n_strings};
  arrays[2] = (ShopArray){"catalogue/groups", c->groups, sizeof *c->groups, c->n_groups};
  arrays[3] = (ShopArray){"catalogue/targets", c->targets, sizeof *c->targets, c->n_targets};
  arrays[4] = (ShopArray){"catalogue/humans", c->humans, sizeof *c->humans, c->n_humans};
  arrays[5] =
      (ShopArray){"catalogue/asins", c->asin_table, sizeof *c->asin_table, (gsize)c->asin_table_mask + 1};
  arrays[6] = (ShopArray){"catalogue/texts", c->arena, 1, c->arena_size};
}

ShopCatalogue *shop_catalogue_open(ShopArrayFinder finder, gpointer source, GError **error)
{
  static const ShopCatalogue nothing;
  ShopArray arrays[SHOP_CATALOGUE_N_ARRAYS];
  shop_catalogue_arrays(&nothing, arrays);
  for (guint i = 0; i < SHOP_CATALOGUE_N_ARRAYS; i++) {
    const char *name = arrays[i].name;
    if (!finder(source, name, arrays[i].element_size, &arrays[i], error))
      return NULL;
    gsize limit = i == 6 ? (gsize)SHOP_STRING_NONE * 4 : (gsize)G_MAXUINT32 + (i == 5);
    gsize n = arrays[i].n_elements;
    if (n > limit || (i == 0 && n == 0) || (i == 5 && (n < 2 || (n & (n - 1)) != 0)) || (i == 6 && n < 8)) {
      shop_fail(error, CW_ERROR_FORMAT,
                "array '%s' of the shop file has %" G_GSIZE_FORMAT
                " elements, which cannot be; make the file again with 'cartwright import'",
                name, n);
      return NULL;
    }
  }
  ShopCatalogue *catalogue = g_new0(ShopCatalogue, 1);
  catalogue->products = arrays[0].elements;
  catalogue->n_products = (guint32)arrays[0].n_elements;
  catalogue->strings = arrays[1].elements;
  catalogue->n_strings = (guint32)arrays[1].n_elements;
  catalogue->groups = arrays[2].elements;
  catalogue->n_groups = (guint32)arrays[2].n_elements;
  catalogue->targets = arrays[3].elements;
  catalogue->n_targets = (guint32)arrays[3].n_elements;
  catalogue->humans = arrays[4].elements;
  catalogue->n_humans = (guint32)arrays[4].n_elements;
  catalogue->asin_table = arrays[5].elements;
  catalogue->asin_table_mask = (guint32)(arrays[5].n_elements - 1);
  catalogue->arena = arrays[6].elements;
  catalogue->arena_size = arrays[6].n_elements;
  catalogue->is_borrowed = TRUE;
  return catalogue;
}
