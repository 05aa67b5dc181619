/* The loader of a shop folder: streams each file through the catalogue's builder, so that what is in memory
 * is the catalogue and one record. */
#include "envs/shop/catalogue/loader.h"

#include "envs/shop/catalogue/json_stream.h"

#include "envs/shop/text/fail.h"

/* Elements between two reports. */
#define REPORT_EVERY 256

/* Where the loading stands, and whom to tell. */
typedef struct {
  ShopCatalogueBuilder *builder;
  CwReport report; /* or NULL */
  gpointer report_data;
} Loading;

static gboolean tell(const Loading *loading, const char *doing, const ShopJsonStream *stream, guint64 n,
                     GError **error)
{
  guint64 length;
  if (!loading->report || n % REPORT_EVERY != 0)
    return TRUE;
  guint64 position = shop_json_stream_position(stream, &length);
  return loading->report(loading->report_data, doing, position, length, error);
}

static gboolean load_items(const Loading *loading, const char *path, guint64 max_products, GError **error)
{
  ShopJsonStream *stream = shop_json_stream_open(path, SHOP_JSON_ARRAY, error);
  if (!stream)
    return FALSE;
  gboolean good = TRUE;
  json_t *product;
  GError *problem = NULL;
  for (guint64 n = 0; good && (max_products == 0 || n < max_products) &&
                      (product = shop_json_stream_next(stream, NULL, &problem));
       n++) {
    good = shop_catalogue_builder_add(loading->builder, product, shop_json_stream_where(stream), error) &&
           tell(loading, "products", stream, n, error);
    json_decref(product);
  }
  shop_json_stream_close(stream);
  if (problem)
    g_propagate_error(error, problem);
  return good && !problem;
}

typedef gboolean (*AddRecord)(ShopCatalogueBuilder *builder, const char *asin, const json_t *record,
                              const char *where, GError **error);

static gboolean load_records(const Loading *loading, const char *path, AddRecord add, const char *doing,
                             GError **error)
{
  ShopJsonStream *stream = shop_json_stream_open(path, SHOP_JSON_OBJECT, error);
  if (!stream)
    return FALSE;
  gboolean good = TRUE;
  const char *asin = NULL;
  json_t *record;
  GError *problem = NULL;
  for (guint64 n = 0; good && (record = shop_json_stream_next(stream, &asin, &problem)); n++) {
    good = add(loading->builder, asin, record, shop_json_stream_where(stream), error) &&
           tell(loading, doing, stream, n, error);
    json_decref(record);
  }
  shop_json_stream_close(stream);
  if (problem)
    g_propagate_error(error, problem);
  return good && !problem;
}

static gboolean check_attributes(const ShopCatalogue *catalogue, const char *path, GError **error)
{
  guint32 n_missing = 0, first = 0;
  for (guint32 i = 0; i < catalogue->n_products; i++)
    if (!catalogue->products[i].has_attributes && n_missing++ == 0)
      first = i;
  if (n_missing == 0)
    return TRUE;
  return shop_fail(
      error, CW_ERROR_FORMAT,
      "%s: no entry for product %s (%u of %u products have none); synthetic goals need the attribute "
      "file that "
      "belongs to the catalogue: name it with 'attributes_file', or set 'goals: human'",
      path, shop_string(catalogue, catalogue->products[first].asin), n_missing, catalogue->n_products);
}

ShopCatalogue *shop_load_catalogue(const char *items_file, const char *attributes_file,
                                   const char *human_file, guint64 max_products, gboolean require_attributes,
                                   GError **error)
{
  ShopCatalogue *catalogue = shop_load_catalogue_into(
      shop_catalogue_builder_new(), items_file, attributes_file, human_file, max_products, NULL, NULL, error);
  if (catalogue && require_attributes && attributes_file &&
      !check_attributes(catalogue, attributes_file, error)) {
    shop_catalogue_free(catalogue);
    return NULL;
  }
  return catalogue;
}

ShopCatalogue *shop_load_catalogue_into(ShopCatalogueBuilder *builder, const char *items_file,
                                        const char *attributes_file, const char *human_file,
                                        guint64 max_products, CwReport report, gpointer report_data,
                                        GError **error)
{
  Loading loading = {builder, report, report_data};
  if (!load_items(&loading, items_file, max_products, error) ||
      (attributes_file && !load_records(&loading, attributes_file, shop_catalogue_builder_add_attributes,
                                        "attributes", error)) ||
      (human_file &&
       !load_records(&loading, human_file, shop_catalogue_builder_add_humans, "instructions", error))) {
    shop_catalogue_builder_free(builder);
    return NULL;
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, error);
  if (!catalogue)
    g_prefix_error(error, "%s: ", items_file);
  return catalogue;
}
