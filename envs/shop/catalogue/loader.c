/* The loader of a shop folder: streams each file through the catalogue's builder, so that what is in memory
 * is the catalogue and one record. */
#include "envs/shop/catalogue/loader.h"

#include "envs/shop/catalogue/json_stream.h"
#include "envs/shop/text/fail.h"

/* Elements between two reports. */
#define REPORT_EVERY 256

/* Where the loading stands, and whom to show it to. */
typedef struct {
  ShopCatalogueBuilder *builder;
  CwProgressSink progress; /* or NULL */
  gpointer progress_data;
} Loading;

static gboolean report_position(const Loading *loading, const char *doing, const ShopJsonStream *stream,
                                guint64 n, GError **error)
{
  guint64 length;
  if (!loading->progress || n % REPORT_EVERY != 0)
    return TRUE;
  guint64 position = shop_json_stream_position(stream, &length);
  return loading->progress(loading->progress_data, doing, position, length, error);
}

typedef gboolean (*Add)(ShopCatalogueBuilder *builder, const char *asin, const json_t *record,
                        const char *where, GError **error);

static gboolean add_product(ShopCatalogueBuilder *builder, G_GNUC_UNUSED const char *asin,
                            const json_t *product, const char *where, GError **error)
{
  return shop_catalogue_builder_add(builder, product, where, error);
}

/* Adds the elements of a file, at most `most` of them. */
static gboolean load(const Loading *loading, const char *path, ShopJsonKind kind, guint64 most, Add add,
                     const char *doing, GError **error)
{
  g_autoptr(ShopJsonStream) stream = shop_json_stream_open(path, kind, error);
  if (!stream)
    return FALSE;
  for (guint64 n = 0; n < most; n++) {
    const char *asin = NULL;
    GError *problem = NULL;
    g_autoptr(json_t) element = shop_json_stream_next(stream, &asin, &problem);
    if (problem)
      g_propagate_error(error, problem);
    if (!element)
      return !problem;
    if (!add(loading->builder, asin, element, shop_json_stream_where(stream), error) ||
        !report_position(loading, doing, stream, n, error))
      return FALSE;
  }
  return TRUE;
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
      "%s: no entry for product %s (%u of %u products have none); synthetic goals need the attribute file "
      "that belongs to the catalogue: name it with 'attributes_file', or set 'goals: human'",
      path, shop_string(catalogue, catalogue->products[first].asin), n_missing, catalogue->n_products);
}

ShopCatalogue *shop_load_catalogue(const char *items_file, const char *attributes_file,
                                   const char *human_file, guint64 max_products, gboolean require_attributes,
                                   GError **error)
{
  g_autoptr(ShopCatalogue) catalogue = shop_load_catalogue_into(
      shop_catalogue_builder_new(), items_file, attributes_file, human_file, max_products, NULL, NULL, error);
  if (catalogue && require_attributes && attributes_file &&
      !check_attributes(catalogue, attributes_file, error))
    return NULL;
  return g_steal_pointer(&catalogue);
}

ShopCatalogue *shop_load_catalogue_into(ShopCatalogueBuilder *builder, const char *items_file,
                                        const char *attributes_file, const char *human_file,
                                        guint64 max_products, CwProgressSink progress, gpointer progress_data,
                                        GError **error)
{
  Loading loading = {builder, progress, progress_data};
  guint64 most = max_products > 0 ? max_products : G_MAXUINT64;
  if (!load(&loading, items_file, SHOP_JSON_ARRAY, most, add_product, "products", error) ||
      (attributes_file && !load(&loading, attributes_file, SHOP_JSON_OBJECT, G_MAXUINT64,
                                shop_catalogue_builder_add_attributes, "attributes", error)) ||
      (human_file && !load(&loading, human_file, SHOP_JSON_OBJECT, G_MAXUINT64,
                           shop_catalogue_builder_add_humans, "instructions", error))) {
    shop_catalogue_builder_free(builder);
    return NULL;
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, error);
  if (!catalogue)
    g_prefix_error(error, "%s: ", items_file);
  return catalogue;
}
