/* The `synthetic` environment: a shop that is made up (generator.h) instead of loaded, for experiments and
 * tests that need no files. It feeds the products to the catalogue one by one; everything else is the shop's
 * (envs/shop). The shared part that `open` returns is a ShopWorld. The same products can be written as
 * WebShop's files, one by one. */
#include "envs/shop/environment.h"
#include "envs/synthetic/generator.h"

#include "envs/shop/text/fail.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>

/* Which shop is made up. */
typedef struct {
  gint64 products, shop_seed;
  double instructed;
} Shop;

#define SHOP_ROWS(Options)                                                                                   \
  SHOP_COUNT(Options, shop.products, "products", "1000", 5, 4294967295.0, "products",                        \
             "how many products to make up"),                                                                \
      SHOP_SEED(Options, shop.shop_seed, "shop_seed", "1",                                                   \
                "which shop; independent of the experiment's seed"),                                         \
      SHOP_NUMBER(Options, shop.instructed, "instructed", "0.5", 0.001, 1,                                   \
                  "share of the products, accessories aside, that somebody wants to buy")

typedef struct {
  Shop shop;
  ShopSettings settings;
} Options;

static const CwOption options[] = {
    SHOP_ROWS(Options),
    SHOP_SETTING_ROWS(Options, settings),
};

static SyntheticShop shop_of(const Shop *chosen)
{
  return (SyntheticShop){.n_products = (guint64)chosen->products,
                         .seed = (guint32)chosen->shop_seed,
                         .instructed = chosen->instructed};
}

static gpointer open_synthetic(gconstpointer options_struct, G_GNUC_UNUSED guint32 seed, GError **error)
{
  const Options *chosen = options_struct;
  if (chosen->settings.goals == SHOP_GOALS_HUMAN) {
    shop_fail(error, CW_ERROR_CONFIGURATION,
              "goals: human was asked for, but the generated shop has no crowd-written instructions; use "
              "goals: synthetic, or the environment 'webshop'");
    return NULL;
  }
  SyntheticShop shop = shop_of(&chosen->shop);
  g_autoptr(ShopCatalogueBuilder) builder = shop_catalogue_builder_new();
  for (guint64 i = 0; i < shop.n_products; i++) {
    g_autoptr(json_t) product = NULL, record = NULL;
    synthetic_product(&shop, i, &product, &record);
    g_autofree char *where = g_strdup_printf("generated product %" G_GUINT64_FORMAT, i);
    const char *asin = json_string_value(json_object_get(product, "asin"));
    if (!shop_catalogue_builder_add(builder, product, where, error) ||
        !shop_catalogue_builder_add_attributes(builder, asin, record, where, error))
      return NULL;
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(g_steal_pointer(&builder), error);
  if (!catalogue)
    return NULL;
  g_autofree char *name = g_strdup_printf("synthetic shop %u", shop.seed);
  return shop_world_new(catalogue, "synthetic", name, &chosen->settings, error);
}

/* The export: the same products as files of WebShop's, streamed. */

typedef struct {
  Shop shop;
} ExportOptions;

static const CwOption export_options[] = {SHOP_ROWS(ExportOptions)};

typedef struct {
  FILE *items, *records;
} Files;

/* One product into both files; FALSE with errno. */
static gboolean write_product(const Files *files, const SyntheticShop *shop, guint64 index)
{
  g_autoptr(json_t) product = NULL, record = NULL;
  synthetic_product(shop, index, &product, &record);
  return fputs(index > 0 ? ",\n" : "", files->items) >= 0 &&
         json_dumpf(product, files->items, JSON_COMPACT) == 0 &&
         fprintf(files->records, "%s\"%s\": ", index > 0 ? ",\n" : "",
                 json_string_value(json_object_get(product, "asin"))) >= 0 &&
         json_dumpf(record, files->records, JSON_COMPACT) == 0;
}

static gboolean write_products(const Files *files, const SyntheticShop *shop, const char *into,
                               CwProgressSink progress, gpointer progress_data, GError **error)
{
  gboolean good = fputs("[\n", files->items) >= 0 && fputs("{\n", files->records) >= 0;
  for (guint64 i = 0; good && i < shop->n_products; i++) {
    if (i % 256 == 0 && !progress(progress_data, "products", i, shop->n_products, error))
      return FALSE;
    good = write_product(files, shop, i);
  }
  good = good && fputs("\n]\n", files->items) >= 0 && fputs("\n}\n", files->records) >= 0 &&
         fflush(files->items) == 0 && fflush(files->records) == 0;
  return good || shop_fail_system(error, into, "cannot be written");
}

static gboolean export_synthetic(gconstpointer options_struct, const char *into, CwProgressSink progress,
                                 gpointer progress_data, GError **error)
{
  const ExportOptions *chosen = options_struct;
  SyntheticShop shop = shop_of(&chosen->shop);
  if (g_mkdir(into, 0777) != 0)
    return shop_fail_system(error, into, "cannot be written");
  g_autofree char *items_path = g_build_filename(into, "items_shuffle.json", NULL);
  g_autofree char *records_path = g_build_filename(into, "items_ins_v2.json", NULL);
  Files files = {.items = g_fopen(items_path, "wb")};
  if (!files.items)
    return shop_fail_system(error, items_path, "cannot be written");
  files.records = g_fopen(records_path, "wb");
  gboolean good = files.records ? write_products(&files, &shop, into, progress, progress_data, error)
                                : shop_fail_system(error, records_path, "cannot be written");
  if (files.records && fclose(files.records) != 0 && good)
    good = shop_fail_system(error, records_path, "cannot be written");
  if (fclose(files.items) != 0 && good)
    good = shop_fail_system(error, items_path, "cannot be written");
  return good;
}

static const CwConversion export = {
    .struct_size = sizeof export,
    .summary = "a made-up shop as a folder of WebShop's JSON files (items_shuffle.json, items_ins_v2.json)",
    .run = export_synthetic,
    CW_FEATURE_OPTIONS(export_options, ExportOptions),
};

static const CwEnvironmentVtable vtable = {
    .open = open_synthetic, SHOP_ENVIRONMENT_SLOTS, .exporter = &export};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_ENVIRONMENT,
     .name = "synthetic",
     .summary = "A made-up shop of any size under WebShop's rules; needs no files",
     .vtable = &vtable,
     .vtable_size = sizeof vtable,
     .capabilities = SHOP_ENVIRONMENT_CAPABILITIES,
     CW_FEATURE_OPTIONS(options, Options)},
};

CW_PLUGIN("synthetic", "1.0", "MIT", "A made-up shop under WebShop's rules", features);
