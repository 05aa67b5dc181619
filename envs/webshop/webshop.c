/* The `webshop` environment: a shop loaded from WebShop's own JSON files. It
 * finds and loads the files; everything else is the shop's (envs/shop). The
 * shared part that `open` returns is a ShopWorld. */
#include "envs/shop/environment.h"
#include "envs/shop/loader.h"

#include <cartwright/error.h>

typedef struct {
  char *shop, *items_file, *attributes_file, *human_file;
  gint64 products;
  ShopSettings settings;
} Options;

static const CwOption options[] = {
    {.name = "shop",
     .type = CW_OPTION_PATH,
     .offset = offsetof(Options, shop),
     .flags = CW_OPTION_REQUIRED,
     .help = "the folder of WebShop's files"},
    {.name = "items_file",
     .type = CW_OPTION_STRING,
     .offset = offsetof(Options, items_file),
     .default_value = "items_shuffle_1000.json",
     .help = "the products, a file in that folder (or an absolute path)"},
    {.name = "attributes_file",
     .type = CW_OPTION_STRING,
     .offset = offsetof(Options, attributes_file),
     .default_value = "items_ins_v2_1000.json",
     .help = "attributes and synthetic instructions of the products"},
    {.name = "human_file",
     .type = CW_OPTION_STRING,
     .offset = offsetof(Options, human_file),
     .default_value = "items_human_ins.json",
     .help = "crowd-written instructions; read with goals: human"},
    {.name = "products",
     .type = CW_OPTION_INTEGER,
     .offset = offsetof(Options, products),
     .default_value = "0",
     .minimum = 0,
     .maximum = 1e9,
     .unit = "products",
     .help = "how many entries of items_file to load, from the first on; 0: all"},
    SHOP_SETTING_ROWS(Options, settings),
};

/* The path of one file, checked so that the message can tell the cure. */
static char *find_file(const Options *chosen, const char *name, const char *option, GError **error)
{
  if (!g_file_test(chosen->shop, G_FILE_TEST_IS_DIR)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
                "shop folder '%s' does not exist; set 'shop' to the folder that holds %s, %s and %s, or use the "
                "environment 'synthetic', which needs no files",
                chosen->shop, chosen->items_file, chosen->attributes_file, chosen->human_file);
    return NULL;
  }
  char *path = g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(chosen->shop, name, NULL);
  if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return path;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
              "'%s' is not there; copy it into the shop folder, or name the file to read with '%s'", path, option);
  g_free(path);
  return NULL;
}

static gpointer open_webshop(gconstpointer options_struct, G_GNUC_UNUSED guint32 seed, GError **error)
{
  const Options *chosen = options_struct;
  gboolean human = chosen->settings.goals == SHOP_GOALS_HUMAN;
  g_autofree char *items = find_file(chosen, chosen->items_file, "items_file", error);
  if (items == NULL)
    return NULL;
  g_autofree char *attributes = find_file(chosen, chosen->attributes_file, "attributes_file", error);
  if (attributes == NULL)
    return NULL;
  g_autofree char *crowd = human ? find_file(chosen, chosen->human_file, "human_file", error) : NULL;
  if (human && crowd == NULL)
    return NULL;
  ShopCatalogue *catalogue = shop_load_catalogue(items, attributes, crowd, (guint64)chosen->products, !human, error);
  if (catalogue == NULL)
    return NULL;
  g_autofree char *name = g_path_get_basename(items);
  return shop_world_new(catalogue, "webshop", name, &chosen->settings, error);
}

static const CwEnvironmentVtable vtable = {.open = open_webshop, SHOP_ENVIRONMENT_SLOTS};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_ENVIRONMENT,
     .name = "webshop",
     .summary = "WebShop, the simulated online shop of princeton-nlp/WebShop, from its own files",
     .vtable = &vtable,
     .vtable_size = sizeof vtable,
     .capabilities = SHOP_ENVIRONMENT_CAPABILITIES,
     CW_FEATURE_OPTIONS(options, Options)},
};

CW_PLUGIN("webshop", "1.0", "MIT", "The WebShop simulator", features);
