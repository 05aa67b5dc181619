/* The `synthetic` environment: a shop that is made up (generator.h) instead of
 * loaded, for experiments and tests that need no files. It feeds the products to
 * the catalogue one by one; everything else is the shop's (envs/shop). The shared
 * part that `open` returns is a ShopWorld. */
#include "envs/shop/environment.h"
#include "envs/synthetic/generator.h"

#include <cartwright/error.h>

typedef struct {
  gint64 products, shop_seed;
  double instructed;
  ShopSettings settings;
} Options;

static const CwOption options[] = {
    {.name = "products",
     .type = CW_OPTION_INTEGER,
     .offset = offsetof(Options, products),
     .default_value = "1000",
     .minimum = 5,
     .maximum = 4294967295.0,
     .unit = "products",
     .help = "how many products to make up"},
    {.name = "shop_seed",
     .type = CW_OPTION_INTEGER,
     .offset = offsetof(Options, shop_seed),
     .default_value = "1",
     .minimum = 0,
     .maximum = 4294967295.0,
     .help = "which shop; independent of the experiment's seed"},
    {.name = "instructed",
     .type = CW_OPTION_NUMBER,
     .offset = offsetof(Options, instructed),
     .default_value = "0.5",
     .minimum = 0.001,
     .maximum = 1,
     .help = "share of the products, accessories aside, that somebody wants to buy"},
    SHOP_SETTING_ROWS(Options, settings),
};

static gpointer open_synthetic(gconstpointer options_struct, G_GNUC_UNUSED guint32 seed, GError **error)
{
  const Options *chosen = options_struct;
  if (chosen->settings.goals == SHOP_GOALS_HUMAN) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
                "goals: human was asked for, but the generated shop has no crowd-written instructions; use goals: "
                "synthetic, or the environment 'webshop'");
    return NULL;
  }
  SyntheticShop shop = {
      .n_products = (guint64)chosen->products, .seed = (guint32)chosen->shop_seed, .instructed = chosen->instructed};
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  gboolean ok = TRUE;
  for (guint64 i = 0; i < shop.n_products && ok; i++) {
    json_t *product, *record;
    synthetic_product(&shop, i, &product, &record);
    g_autofree char *where = g_strdup_printf("generated product %" G_GUINT64_FORMAT, i);
    ok = shop_catalogue_builder_add(builder, product, where, error) &&
         shop_catalogue_builder_add_attributes(builder, json_string_value(json_object_get(product, "asin")), record,
                                               where, error);
    json_decref(product);
    json_decref(record);
  }
  if (!ok) {
    shop_catalogue_builder_free(builder);
    return NULL;
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, error);
  if (catalogue == NULL)
    return NULL;
  g_autofree char *name = g_strdup_printf("synthetic shop %u", shop.seed);
  return shop_world_new(catalogue, "synthetic", name, &chosen->settings, error);
}

static const CwEnvironmentVtable vtable = {.open = open_synthetic, SHOP_ENVIRONMENT_SLOTS};

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
