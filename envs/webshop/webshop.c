/* The `webshop` environment: a shop loaded from WebShop's own JSON files, or from one shop file that was
 * imported from them. It finds the files; everything else is the shop's (envs/shop). The shared part that
 * `open` returns is a ShopWorld. */
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/environment.h"
#include "envs/shop/world/world_file.h"
#include "envs/webshop/own_shop.h"

#include "envs/shop/text/fail.h"
#include <string.h>

#define ITEMS_FILE      "items_shuffle_1000.json"
#define ATTRIBUTES_FILE "items_ins_v2_1000.json"
#define HUMAN_FILE      "items_human_ins.json"

/* Which files make a shop. */
typedef struct {
  char *shop, *items_file, *attributes_file, *human_file;
  gint64 products;
} Files;

#define FILE_ROWS(Options, shop_help, human_help)                                                            \
  SHOP_ROW(Options, files.shop, "shop", CW_OPTION_PATH, .flags = CW_OPTION_REQUIRED, .help = shop_help),     \
      SHOP_TEXT(Options, files.items_file, "items_file", ITEMS_FILE,                                         \
                "the products, a file in that folder (or an absolute path)"),                                \
      SHOP_TEXT(Options, files.attributes_file, "attributes_file", ATTRIBUTES_FILE,                          \
                "attributes and synthetic instructions of the products"),                                    \
      SHOP_TEXT(Options, files.human_file, "human_file", HUMAN_FILE, human_help),                            \
      SHOP_COUNT(Options, files.products, "products", "0", 0, 1e9, "products",                               \
                 "how many entries of items_file to load, from the first on; 0: all")

typedef struct {
  Files files;
  gint verify;        /* ShopFileVerify */
  gint64 file_memory; /* MiB */
  ShopSettings settings;
} Options;

static const CwOption options[] = {
    FILE_ROWS(Options, "the folder of WebShop's files, or a shop file made by cartwright import",
              "crowd-written instructions; read with goals: human"),
    SHOP_ENUM(Options, verify, "verify", "once", shop_file_verify_names,
              "of a shop file, read all contents and compare their checksums: once (unless this user has "
              "verified the unchanged file before), always, or header (never; only header and table)"),
    SHOP_COUNT(Options, file_memory, "file_memory", "0", 0, 1e9, "MiB",
               "of a shop file: an episode that starts with more file pages in this process's memory gives "
               "them back, which makes episodes slower; 0: the kernel decides"),
    SHOP_SETTING_ROWS(Options, settings),
};

/* The path of one file, checked so that the message can name the cure. */
static char *find_file(const Files *files, const char *name, const char *option, GError **error)
{
  if (!g_file_test(files->shop, G_FILE_TEST_IS_DIR)) {
    shop_fail(error, CW_ERROR_CONFIGURATION,
              "shop folder '%s' does not exist; set 'shop' to the folder that holds %s, %s and %s, or use "
              "the environment 'synthetic', which needs no files",
              files->shop, files->items_file, files->attributes_file, files->human_file);
    return NULL;
  }
  char *path = g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(files->shop, name, NULL);
  if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return path;
  shop_fail(error, CW_ERROR_CONFIGURATION,
            "'%s' is not there; copy it into the shop folder, or name the file to read with '%s'", path,
            option);
  g_free(path);
  return NULL;
}

static ShopWorld *open_folder(const Options *chosen, GError **error)
{
  const Files *files = &chosen->files;
  gboolean human = chosen->settings.goals == SHOP_GOALS_HUMAN;
  g_autofree char *items = find_file(files, files->items_file, "items_file", error);
  if (!items)
    return NULL;
  g_autofree char *attributes = find_file(files, files->attributes_file, "attributes_file", error);
  if (!attributes)
    return NULL;
  g_autofree char *crowd = human ? find_file(files, files->human_file, "human_file", error) : NULL;
  if (human && !crowd)
    return NULL;
  ShopCatalogue *catalogue =
      shop_load_catalogue(items, attributes, crowd, (guint64)files->products, !human, error);
  if (!catalogue)
    return NULL;
  g_autofree char *name = g_path_get_basename(items);
  return shop_world_new(catalogue, "webshop", name, &chosen->settings, error);
}

/* Options about the files of a folder have no meaning for a shop file, which was made of some; they are not
 * overheard.
 */
static gboolean check_no_folder_options(const Files *files, GError **error)
{
  const char *given = strcmp(files->items_file, ITEMS_FILE) != 0             ? "items_file"
                      : strcmp(files->attributes_file, ATTRIBUTES_FILE) != 0 ? "attributes_file"
                      : strcmp(files->human_file, HUMAN_FILE) != 0           ? "human_file"
                      : files->products != 0                                 ? "products"
                                                                             : NULL;
  if (!given)
    return TRUE;
  return shop_fail(error, CW_ERROR_CONFIGURATION,
                   "'%s' was given, but '%s' is a file and not a folder: a shop file holds what it was "
                   "imported from; give '%s' to 'cartwright import webshop' instead",
                   given, files->shop, given);
}

static gpointer open_webshop(gconstpointer options_struct, G_GNUC_UNUSED guint32 seed, GError **error)
{
  const Options *chosen = options_struct;
  const char *shop = chosen->files.shop;
  if (!g_file_test(shop, G_FILE_TEST_EXISTS) || g_file_test(shop, G_FILE_TEST_IS_DIR))
    return open_folder(chosen, error);
  if (!check_no_folder_options(&chosen->files, error))
    return NULL;
  ShopWorld *world =
      shop_world_open(shop, (ShopFileVerify)chosen->verify, "webshop", &chosen->settings, error);
  if (world)
    shop_file_bound(world->file, (gsize)chosen->file_memory << 20);
  return world;
}

/* The import: the folder's files into one shop file. */
typedef struct {
  Files files;
  char *nouns_file;
  gint prices;
  gint64 price_seed, goals_per_product;
} ImportOptions;

static const CwOption import_options[] = {
    FILE_ROWS(ImportOptions, "the folder of WebShop's files",
              "crowd-written instructions; when it is not there the shop file has none, and goals: human is "
              "refused"),
    SHOP_NOUNS_ROW(ImportOptions, nouns_file),
    SHOP_PRICES_ROW(ImportOptions, prices,
                    "the prices and bounds to store; an experiment with others makes its own on opening"),
    SHOP_SEED(ImportOptions, price_seed, "price_seed", "233", "as prices"),
    SHOP_GOALS_PER_PRODUCT_ROW(
        ImportOptions, goals_per_product,
        "the by_product splits to store; an experiment with another number makes its own on opening"),
};

static gboolean import_webshop(gconstpointer options_struct, const char *into, CwProgressSink progress,
                               gpointer progress_data, GError **error)
{
  const ImportOptions *chosen = options_struct;
  const Files *files = &chosen->files;
  g_autofree char *items = find_file(files, files->items_file, "items_file", error);
  if (!items)
    return FALSE;
  g_autofree char *attributes = find_file(files, files->attributes_file, "attributes_file", error);
  if (!attributes)
    return FALSE;
  GError *absent = NULL;
  g_autofree char *crowd = find_file(files, files->human_file, "human_file", &absent);
  if (!crowd && strcmp(files->human_file, HUMAN_FILE) != 0) {
    g_propagate_error(error, absent);
    return FALSE;
  }
  g_clear_error(&absent);
  ShopSources sources = {.items_file = items,
                         .attributes_file = attributes,
                         .human_file = crowd,
                         .nouns_file = chosen->nouns_file,
                         .max_products = (guint64)files->products,
                         .settings = {.price_rule = (guint32)chosen->prices,
                                      .price_seed = (guint64)chosen->price_seed,
                                      .goals_per_product = (guint64)chosen->goals_per_product}};
  return shop_world_import(&sources, into, progress, progress_data, error);
}

static const CwConversion import = {
    .struct_size = sizeof import,
    .summary = "WebShop's JSON files into one shop file, which opens at once and is shared by all processes",
    .run = import_webshop,
    CW_FEATURE_OPTIONS(import_options, ImportOptions),
};

static const CwEnvironmentVtable vtable = {.open = open_webshop, SHOP_ENVIRONMENT_SLOTS, .importer = &import};

/* The same environment under the name that somebody's own shop is imported by. */
static const CwEnvironmentVtable own_vtable = {
    .open = open_webshop, SHOP_ENVIRONMENT_SLOTS, .importer = &own_shop_import};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_ENVIRONMENT,
     .name = "webshop",
     .summary = "WebShop, the simulated online shop of princeton-nlp/WebShop, from its own files",
     .vtable = &vtable,
     .vtable_size = sizeof vtable,
     .capabilities = SHOP_ENVIRONMENT_CAPABILITIES,
     CW_FEATURE_OPTIONS(options, Options)},
    {.kind = CW_FEATURE_ENVIRONMENT,
     .name = "shop",
     .summary = "a shop of your own, imported from a table of products; the same environment as webshop",
     .vtable = &own_vtable,
     .vtable_size = sizeof own_vtable,
     .capabilities = SHOP_ENVIRONMENT_CAPABILITIES,
     CW_FEATURE_OPTIONS(options, Options)},
};

CW_PLUGIN("webshop", "1.0", "MIT", "The WebShop simulator", features);
