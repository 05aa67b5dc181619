/* The loader of a shop folder: streams each file through the catalogue's builder,
 * so that what is in memory is the catalogue and one record. */
#include "envs/shop/loader.h"

#include "envs/shop/json_stream.h"

#include <cartwright/error.h>

static gboolean load_items(ShopCatalogueBuilder *builder, const char *path, guint64 max_products, GError **error)
{
  ShopJsonStream *stream = shop_json_stream_open(path, SHOP_JSON_ARRAY, error);
  if (stream == NULL)
    return FALSE;
  gboolean good = TRUE;
  json_t *product;
  GError *problem = NULL;
  for (guint64 n = 0; good && (max_products == 0 || n < max_products) &&
                      (product = shop_json_stream_next(stream, NULL, &problem)) != NULL;
       n++) {
    good = shop_catalogue_builder_add(builder, product, shop_json_stream_where(stream), error);
    json_decref(product);
  }
  shop_json_stream_close(stream);
  if (problem != NULL)
    g_propagate_error(error, problem);
  return good && problem == NULL;
}

typedef gboolean (*AddRecord)(ShopCatalogueBuilder *builder, const char *asin, const json_t *record, const char *where,
                              GError **error);

static gboolean load_records(ShopCatalogueBuilder *builder, const char *path, AddRecord add, GError **error)
{
  ShopJsonStream *stream = shop_json_stream_open(path, SHOP_JSON_OBJECT, error);
  if (stream == NULL)
    return FALSE;
  gboolean good = TRUE;
  const char *asin = NULL;
  json_t *record;
  GError *problem = NULL;
  while (good && (record = shop_json_stream_next(stream, &asin, &problem)) != NULL) {
    good = add(builder, asin, record, shop_json_stream_where(stream), error);
    json_decref(record);
  }
  shop_json_stream_close(stream);
  if (problem != NULL)
    g_propagate_error(error, problem);
  return good && problem == NULL;
}

static gboolean check_attributes(const ShopCatalogue *catalogue, const char *path, GError **error)
{
  guint32 n_missing = 0, first = 0;
  for (guint32 i = 0; i < catalogue->n_products; i++)
    if (!catalogue->products[i].has_attributes && n_missing++ == 0)
      first = i;
  if (n_missing == 0)
    return TRUE;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
              "%s: no entry for product %s (%u of %u products have none); synthetic goals need the attribute file that "
              "belongs to the catalogue: name it with 'attributes_file', or set 'goals: human'",
              path, shop_string(catalogue, catalogue->products[first].asin), n_missing, catalogue->n_products);
  return FALSE;
}

ShopCatalogue *shop_load_catalogue(const char *items_file, const char *attributes_file, const char *human_file,
                                   guint64 max_products, gboolean require_attributes, GError **error)
{
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  if (!load_items(builder, items_file, max_products, error) ||
      (attributes_file != NULL &&
       !load_records(builder, attributes_file, shop_catalogue_builder_add_attributes, error)) ||
      (human_file != NULL && !load_records(builder, human_file, shop_catalogue_builder_add_humans, error))) {
    shop_catalogue_builder_free(builder);
    return NULL;
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, error);
  if (catalogue == NULL) {
    g_prefix_error(error, "%s: ", items_file);
    return NULL;
  }
  if (require_attributes && attributes_file != NULL && !check_attributes(catalogue, attributes_file, error)) {
    shop_catalogue_free(catalogue);
    return NULL;
  }
  return catalogue;
}
