/* A table of products becomes the three files that WebShop reads: products, their attributes and
 * instructions, and an empty list of crowd-written instructions. What a table lacks is made from what it has:
 * attributes are short bullets and word pairs that several products share. Rows that cannot be sold are
 * named, all of them in one message. */
#include "envs/webshop/own_shop.h"

#include "envs/shop/text/fail.h"
#include "envs/webshop/table.h"
#include <cartwright/plugin.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_COMPLAINTS  20
#define ASIN_LENGTH      10
#define MOST_ATTRIBUTES  4
#define ASKED_ATTRIBUTES 2

typedef struct {
  char *products_file;
  gboolean skip_bad;
} Options;

typedef struct {
  char *asin;
  json_t *product;       /* in WebShop's schema */
  GPtrArray *attributes; /* char *; those of the table, or made later */
  GPtrArray *pairs;      /* const char *, interned: word pairs in order */
} Item;

typedef struct {
  const Options *options;
  GPtrArray *items;      /* Item * */
  GHashTable *asins;     /* char * */
  GHashTable *frequency; /* interned pair -> how many products have it */
  GString *complaints;
  guint n_bad;
} Table;

static void item_free(gpointer data)
{
  Item *item = data;
  g_free(item->asin);
  json_decref(item->product);
  g_ptr_array_unref(item->attributes);
  g_ptr_array_unref(item->pairs);
  g_free(item);
}

/* A cell as text: strings as they are, numbers written out; "" when it is not there. Free with g_free. */
static char *text_of(const json_t *row, const char *name)
{
  const json_t *value = json_object_get(row, name);
  if (json_is_string(value))
    return g_strstrip(g_strdup(json_string_value(value)));
  if (json_is_integer(value))
    return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  return g_strdup(json_is_real(value) ? g_ascii_formatd(number, sizeof number, "%.2f", json_real_value(value))
                                      : "");
}

static void add_parts(GPtrArray *parts, const char *text, const char *separator)
{
  g_auto(GStrv) pieces = g_strsplit(text, separator, -1);
  for (char **piece = pieces; *piece; piece++)
    if (*g_strstrip(*piece))
      g_ptr_array_add(parts, g_strdup(*piece));
}

/* A list: of JSON, or the parts of a cell between bars. */
static GPtrArray *list_of(const json_t *value)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func(g_free);
  gsize i;
  json_t *item;
  if (json_is_string(value))
    add_parts(parts, json_string_value(value), "|");
  json_array_foreach((json_t *)value, i, item)
  {
    if (json_is_string(item) && *json_string_value(item))
      g_ptr_array_add(parts, g_strdup(json_string_value(item)));
  }
  return parts;
}

static json_t *values_of(const GPtrArray *values)
{
  json_t *list = json_array();
  for (guint i = 0; i < values->len; i++)
    json_array_append_new(list, json_pack("{s:s}", "value", values->pdata[i]));
  return list;
}

/* "color: red | blue; size: s | m", or a JSON object from names to lists; NULL when it cannot be read. */
static json_t *options_of(const json_t *value)
{
  g_autoptr(json_t) options = json_object();
  const char *name;
  json_t *given;
  json_object_foreach((json_t *)value, name, given)
  {
    g_autoptr(GPtrArray) values = list_of(given);
    json_object_set_new(options, name, values_of(values));
  }
  g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(g_free);
  if (json_is_string(value))
    add_parts(groups, json_string_value(value), ";");
  for (guint i = 0; i < groups->len; i++) {
    char *colon = strchr(groups->pdata[i], ':');
    if (!colon)
      return NULL;
    *colon = '\0';
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    add_parts(values, colon + 1, "|");
    if (values->len == 0 || !*g_strstrip(groups->pdata[i]))
      return NULL;
    json_object_set_new(options, groups->pdata[i], values_of(values));
  }
  return g_steal_pointer(&options);
}

/* Amounts such as 12, 12.50 or $9.99 - $19.99, as WebShop writes them; NULL when there is none. Free with
 * g_free. */
static char *price_of(const char *text)
{
  g_autoptr(GString) out = g_string_new(NULL);
  guint n = 0;
  for (const char *at = text; *at && n < 2;) {
    if (!g_ascii_isdigit(*at)) {
      if (!strchr("$ -\xe2\x82\xac\xc2\xa3", *at))
        return NULL;
      at++;
      continue;
    }
    char *end;
    double amount = g_ascii_strtod(at, &end);
    if (!(amount > 0 && amount < 1e7))
      return NULL;
    g_string_append_printf(out, "%s$", n++ ? " - " : "");
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_append(out, g_ascii_formatd(number, sizeof number, "%.2f", amount));
    at = end;
  }
  return n ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

/* The id where it can be one (letters and digits, at most ten), else one made from the row's number. */
static char *asin_of(const char *id, guint number)
{
  gsize length = strlen(id);
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum(id[i]))
      length = 0;
  return length > 0 && length <= ASIN_LENGTH ? g_ascii_strup(id, -1) : g_strdup_printf("S%09u", number);
}

static gboolean is_stop_word(const char *word)
{
  static const char *const words[] = {"and",  "for", "the", "with", "from", "that", "this",
                                      "your", "are", "our", "you",  "all",  "its",  "has",
                                      "can",  "not", "per", "one",  NULL};
  return strlen(word) < 3 || g_strv_contains(words, word);
}

/* Adds a phrase once, and counts the products that have it. */
static void add_phrase(Table *table, Item *item, const char *phrase)
{
  const char *known = g_intern_string(phrase);
  if (g_ptr_array_find(item->pairs, known, NULL))
    return;
  g_ptr_array_add(item->pairs, (gpointer)known);
  guint n = GPOINTER_TO_UINT(g_hash_table_lookup(table->frequency, known));
  g_hash_table_insert(table->frequency, (gpointer)known, GUINT_TO_POINTER(n + 1));
}

/* A bullet of up to three words is a phrase as a whole; of any longer text its word pairs are. */
static void add_pairs(Table *table, Item *item, const char *text, gboolean is_bullet)
{
  g_autofree char *lower = g_utf8_strdown(text, -1);
  enum { SHORT = 3 };
  g_auto(GStrv) plain = g_strsplit(g_strstrip(lower), " ", SHORT + 1);
  if (is_bullet && *lower && g_strv_length(plain) <= SHORT) {
    add_phrase(table, item, lower);
    return;
  }
  g_auto(GStrv) words = g_strsplit_set(lower, " ,.;:()[]/\"'!?&+*\t\n", -1);
  const char *before = NULL;
  for (char **word = words; *word; word++) {
    if (!**word)
      continue;
    gboolean counts = !is_stop_word(*word) && g_ascii_isalpha(**word);
    if (counts && before) {
      g_autofree char *pair = g_strdup_printf("%s %s", before, *word);
      add_phrase(table, item, pair);
    }
    before = counts ? *word : NULL;
  }
}

/* What is wrong with a row, or NULL; then *item is made. */
static const char *take(Table *table, const json_t *row, guint number, Item **item)
{
  g_autofree char *title = text_of(row, "title"), *price_text = text_of(row, "price"),
                  *id = text_of(row, "id"), *category = text_of(row, "category"),
                  *query = text_of(row, "query"), *description = text_of(row, "description"),
                  *image = text_of(row, "image");
  const char *shape = json_string_value(json_object_get(row, ""));
  if (shape)
    return g_intern_string(shape);
  if (!*title)
    return "no title";
  g_autofree char *price = price_of(price_text);
  if (!price)
    return "the price is no amount such as 12.50 or $9.99 - $19.99";
  g_autoptr(json_t) options = options_of(json_object_get(row, "options"));
  if (!options)
    return "the options are not of the form 'color: red | blue; size: s | m'";
  g_autofree char *asin = asin_of(id, number);
  if (!g_hash_table_add(table->asins, g_strdup(asin)))
    return "another row has the same id";
  g_autoptr(GPtrArray) bullets = list_of(json_object_get(row, "bullets"));
  json_t *list = json_array(), *images = json_array();
  for (guint i = 0; i < bullets->len; i++)
    json_array_append_new(list, json_string(bullets->pdata[i]));
  if (*image)
    json_array_append_new(images, json_string(image));
  const char *kind = *category ? category : "other";
  Item *made = *item = g_new0(Item, 1);
  made->product =
      json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:O, s:s, s:s, s:i}", "asin", asin, "name", title,
                "full_description", description, "pricing", price, "images", images, "product_category", kind,
                "average_rating", "", "small_description", list, "customization_options", options, "category",
                kind, "query", *query ? query : kind, "page", 1);
  made->asin = g_steal_pointer(&asin);
  made->attributes = list_of(json_object_get(row, "attributes"));
  made->pairs = g_ptr_array_new();
  for (guint i = 0; i < bullets->len; i++)
    add_pairs(table, made, bullets->pdata[i], TRUE);
  add_pairs(table, made, title, FALSE);
  return NULL;
}

static gboolean take_row(gpointer data, json_t *row, guint line, G_GNUC_UNUSED GError **error)
{
  Table *table = data;
  Item *item = NULL;
  const char *complaint = take(table, row, table->items->len + table->n_bad + 1, &item);
  if (!complaint) {
    g_ptr_array_add(table->items, item);
    return TRUE;
  }
  if (table->n_bad++ < MOST_COMPLAINTS)
    g_string_append_printf(table->complaints, "\n%s:%u: %s", table->options->products_file, line, complaint);
  return TRUE;
}

/* Word pairs that some other product has and most have not come first, then the others. */
static void make_attributes(const Table *table, Item *item)
{
  guint limit = MAX(2, table->items->len / 4);
  for (guint pass = 0; pass < 2 && item->attributes->len < MOST_ATTRIBUTES; pass++)
    for (guint i = 0; i < item->pairs->len && item->attributes->len < MOST_ATTRIBUTES; i++) {
      guint n = GPOINTER_TO_UINT(g_hash_table_lookup(table->frequency, item->pairs->pdata[i]));
      gboolean is_shared = n >= 2 && n <= limit;
      if (is_shared == (pass == 0))
        g_ptr_array_add(item->attributes, g_strdup(item->pairs->pdata[i]));
    }
  if (item->attributes->len == 0)
    g_ptr_array_add(item->attributes,
                    g_utf8_strdown(json_string_value(json_object_get(item->product, "name")), -1));
}

static json_t *entry_of(const Item *item)
{
  g_autoptr(GString) text = g_string_new("Find me ");
  json_t *all = json_array(), *asked = json_array();
  for (guint i = 0; i < item->attributes->len; i++) {
    json_array_append_new(all, json_string(item->attributes->pdata[i]));
    if (i >= ASKED_ATTRIBUTES)
      continue;
    json_array_append_new(asked, json_string(item->attributes->pdata[i]));
    g_string_append_printf(text, "%s%s", i ? ", " : "", (const char *)item->attributes->pdata[i]);
  }
  g_string_append_printf(text, " %s", json_string_value(json_object_get(item->product, "query")));
  return json_pack("{s:o, s:s, s:o}", "attributes", all, "instruction", text->str, "instruction_attributes",
                   asked);
}

static gboolean write_json(const char *folder, const char *name, json_t *value, GError **error)
{
  g_autoptr(json_t) owned = value;
  g_autofree char *path = g_build_filename(folder, name, NULL);
  if (json_dump_file(owned, path, JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER) == 0)
    return TRUE;
  return shop_fail(error, CW_ERROR_INPUT_OUTPUT, "%s could not be written: %s", path, g_strerror(errno));
}

static gboolean write_shop(const Table *table, const char *into, GError **error)
{
  json_t *products = json_array(), *entries = json_object();
  for (guint i = 0; i < table->items->len; i++) {
    Item *item = table->items->pdata[i];
    if (item->attributes->len == 0)
      make_attributes(table, item);
    json_array_append(products, item->product);
    json_object_set_new(entries, item->asin, entry_of(item));
  }
  gboolean good = mkdir(into, 0777) == 0 || shop_fail(error, CW_ERROR_INPUT_OUTPUT,
                                                      "%s could not be made: %s", into, g_strerror(errno));
  good = write_json(into, "items_shuffle_1000.json", products, good ? error : NULL) && good;
  good = write_json(into, "items_ins_v2_1000.json", entries, good ? error : NULL) && good;
  return write_json(into, "items_human_ins.json", json_object(), good ? error : NULL) && good;
}

static gboolean check(const Table *table, GError **error)
{
  const char *path = table->options->products_file;
  if (table->n_bad > 0 && !table->options->skip_bad)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "%u of %u rows cannot be sold; mend them, or leave them out with skip_bad=true:%s%s",
                     table->n_bad, table->n_bad + table->items->len, table->complaints->str,
                     table->n_bad > MOST_COMPLAINTS ? "\n..." : "");
  return table->items->len > 0 ||
         shop_fail(error, CW_ERROR_FORMAT,
                   "%s: no product; expected a line of names (title, price, ...) and rows", path);
}

static gboolean import_table(gconstpointer options, const char *into, CwProgressSink progress,
                             gpointer progress_data, GError **error)
{
  Table table = {.options = options};
  table.items = g_ptr_array_new_with_free_func(item_free);
  table.asins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  table.frequency = g_hash_table_new(NULL, NULL);
  table.complaints = g_string_new(NULL);
  gboolean good = table_read(table.options->products_file, take_row, &table, error) && check(&table, error) &&
                  progress(progress_data, "products", table.items->len, table.items->len, error) &&
                  write_shop(&table, into, error);
  if (good && table.n_bad > 0)
    g_warning("%u rows were left out:%s", table.n_bad, table.complaints->str);
  g_ptr_array_unref(table.items);
  g_hash_table_unref(table.asins);
  g_hash_table_unref(table.frequency);
  g_string_free(table.complaints, TRUE);
  return good;
}

static const CwOption options[] = {
    {.name = "products_file",
     .type = CW_OPTION_PATH,
     .offset = offsetof(Options, products_file),
     .flags = CW_OPTION_REQUIRED,
     .help = "the table: CSV or JSON Lines with title and price, and if they are there id, category, query, "
             "description, "
             "bullets, attributes, options, image"},
    {.name = "skip_bad",
     .type = CW_OPTION_BOOLEAN,
     .offset = offsetof(Options, skip_bad),
     .default_value = "false",
     .help = "leave rows out that cannot be sold, instead of refusing the table"},
};

const CwConversion own_shop_import = {
    .struct_size = sizeof own_shop_import,
    .summary =
        "a table of products into a folder in WebShop's schema, with a goal for every combination of options",
    .run = import_table,
    CW_FEATURE_OPTIONS(options, Options),
};
