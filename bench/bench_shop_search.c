/* Speed of the search engine, on one thread:
 *   bench_shop_search --shop FOLDER           the products of a folder of WebShop's files
 *   bench_shop_search --shop FOLDER --mixed N N products whose words are mixed from the folder's: as long and
 * as varied as those, but alike in nothing but their category's words bench_shop_search --synthetic N N
 * made-up products with [--queries FILE] [--index FILE] [--limit N] [--seconds S]. FILE of --queries: a JSON
 * object of lists of strings (goal_query_map.json), or JSON Lines with "query" in each; without it the
 * queries are the honest candidates (envs/shop/session/queries.h) of the goals' instructions. --index keeps
 * the index of a mixed or made-up shop in a shop file and maps it the next time. Prints a Markdown table. */
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/file/file.h"
#include "envs/shop/goals/goals.h"
#include "envs/shop/search/search.h"
#include "envs/shop/session/queries.h"
#include "envs/synthetic/generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SHOP_SEED      1
#define INSTRUCTED     0.5
#define CHUNK          1000 /* products that are made at a time */
#define SAMPLES        200  /* places of a made-up shop from which goals are taken */
#define SAMPLE_SIZE    20   /* products at each of them */
#define GOALS_A_SAMPLE 10

static char *shop_folder, *queries_file, *index_file;
static gint64 n_synthetic, n_mixed;
static gint limit = 50;
static double n_seconds = 5;

static const GOptionEntry entries[] = {
    {"shop", 0, 0, G_OPTION_ARG_FILENAME, &shop_folder, "folder of WebShop's files", "FOLDER"},
    {"synthetic", 0, 0, G_OPTION_ARG_INT64, &n_synthetic, "make up N products", "N"},
    {"mixed", 0, 0, G_OPTION_ARG_INT64, &n_mixed, "mix N products from the shop's", "N"},
    {"queries", 0, 0, G_OPTION_ARG_FILENAME, &queries_file, "queries to measure", "FILE"},
    {"index", 0, 0, G_OPTION_ARG_FILENAME, &index_file, "keep the index in this shop file", "FILE"},
    {"limit", 0, 0, G_OPTION_ARG_INT, &limit, "documents wanted", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &n_seconds, "time of measuring", "S"},
    {NULL}};

static void fail(GError *error)
{
  g_printerr("%s\n", error->message);
  exit(1);
}

static double now(void)
{
  return (double)g_get_monotonic_time() * 1e-6;
}

static void add_products(ShopIndex *index, const ShopCatalogue *catalogue)
{
  g_autoptr(GString) contents = g_string_sized_new(4096);
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    g_string_truncate(contents, 0);
    shop_catalogue_append_contents(catalogue, i, contents);
    shop_index_add(index, shop_string(catalogue, catalogue->products[i].asin),
                   shop_string(catalogue, catalogue->products[i].query), contents->str);
  }
}

static ShopCatalogue *make_products(guint64 first, guint64 end)
{
  SyntheticShop shop = {.n_products = (guint64)n_synthetic, .seed = SHOP_SEED, .instructed = INSTRUCTED};
  ShopCatalogueBuilder *builder = shop_catalogue_builder_new();
  GError *error = NULL;
  for (guint64 i = first; i < end; i++) {
    json_t *product, *record;
    synthetic_product(&shop, i, &product, &record);
    if (!shop_catalogue_builder_add(builder, product, "made up", &error) ||
        !shop_catalogue_builder_add_attributes(builder, json_string_value(json_object_get(product, "asin")),
                                               record, "made up", &error))
      fail(error);
    json_decref(product);
    json_decref(record);
  }
  ShopCatalogue *catalogue = shop_catalogue_builder_finish(builder, &error);
  if (!catalogue)
    fail(error);
  return catalogue;
}

static gsize count_bytes(const ShopIndex *index)
{
  ShopArray arrays[SHOP_INDEX_N_ARRAYS];
  gsize n = 0;
  shop_index_arrays(index, arrays);
  for (guint i = 0; i < SHOP_INDEX_N_ARRAYS; i++)
    n += arrays[i].n_elements * arrays[i].element_size;
  return n;
}

static double peak_mebibytes(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss / 1024;
}

static void finish(ShopIndex *index, double seconds_of_adding)
{
  double start = now();
  shop_index_finish(index);
  printf("adding took %.1f s, finishing %.1f s; the process's memory rose to %.0f MiB\n\n", seconds_of_adding,
         now() - start, peak_mebibytes());
}

/* Times the index's own part apart from the making of the products. */
static ShopIndex *build_synthetic(G_GNUC_UNUSED const ShopCatalogue *catalogue_of_shop)
{
  ShopIndex *index = shop_index_new();
  double seconds = 0, start;
  for (guint64 i = 0; i < (guint64)n_synthetic; i += CHUNK) {
    ShopCatalogue *catalogue = make_products(i, MIN(i + CHUNK, (guint64)n_synthetic));
    start = now();
    add_products(index, catalogue);
    seconds += now() - start;
    shop_catalogue_free(catalogue);
  }
  finish(index, seconds);
  return index;
}

/* Every product starts from one of the shop's: half of its words stay, a third gives way to words of its
 * category, the rest is dropped. Two numbers stand for its model. */
static ShopIndex *build_mixed(const ShopCatalogue *catalogue)
{
  ShopIndex *index = shop_index_new();
  CwRandom *random = cw_random_new(SHOP_SEED, "bench-mixed", 0, 0);
  GHashTable *categories = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
  char ***words = g_new(char **, catalogue->n_products);
  g_autoptr(GString) text = g_string_new(NULL);
  double seconds = 0;
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    gpointer category = GUINT_TO_POINTER(catalogue->products[i].category);
    GPtrArray *pool = g_hash_table_lookup(categories, category);
    if (!pool)
      g_hash_table_insert(categories, category, pool = g_ptr_array_new());
    g_string_truncate(text, 0);
    shop_catalogue_append_contents(catalogue, i, text);
    words[i] = g_strsplit(text->str, " ", -1);
    for (char **word = words[i]; *word; word++)
      g_ptr_array_add(pool, *word);
  }
  for (guint64 n = 0; n < (guint64)n_mixed; n++) {
    guint32 i = cw_random_below(random, catalogue->n_products);
    const GPtrArray *pool =
        g_hash_table_lookup(categories, GUINT_TO_POINTER(catalogue->products[i].category));
    g_autofree char *group = g_strdup_printf("%s %u", shop_string(catalogue, catalogue->products[i].query),
                                             cw_random_below(random, 8));
    g_autofree char *asin = g_strdup_printf("B%09X", (guint32)n * 2654435761u);
    g_string_truncate(text, 0);
    for (char **word = words[i]; *word; word++) {
      guint32 percent = cw_random_below(random, 100);
      if (percent < 85)
        g_string_append_printf(
            text, "%s ",
            percent < 50 ? *word : (const char *)g_ptr_array_index(pool, cw_random_below(random, pool->len)));
    }
    g_string_append_printf(text, "m%u x%u", cw_random_below(random, 2000000), cw_random_below(random, 20000));
    double start = now();
    shop_index_add(index, asin, group, text->str);
    seconds += now() - start;
  }
  for (guint32 i = 0; i < catalogue->n_products; i++)
    g_strfreev(words[i]);
  g_free(words);
  g_hash_table_unref(categories);
  cw_random_free(random);
  finish(index, seconds);
  return index;
}

static void write_index(const ShopIndex *index)
{
  ShopArray arrays[SHOP_INDEX_N_ARRAYS];
  GError *error = NULL;
  ShopFileWriter *writer = shop_file_writer_new(index_file, &error);
  shop_index_arrays(index, arrays);
  for (guint i = 0; writer && i < SHOP_INDEX_N_ARRAYS; i++)
    if (!shop_file_writer_add(writer, &arrays[i], &error))
      fail(error);
  if (!writer || !shop_file_writer_finish(writer, &error))
    fail(error);
  shop_file_writer_free(writer);
}

/* The index in the file, or one that is built and kept there. */
static ShopIndex *open_index(ShopIndex *(*build)(const ShopCatalogue *), const ShopCatalogue *catalogue)
{
  if (!index_file || !g_file_test(index_file, G_FILE_TEST_EXISTS)) {
    ShopIndex *index = build(catalogue);
    if (index_file)
      write_index(index);
    return index;
  }
  GError *error = NULL;
  ShopFile *file =
      shop_file_open(index_file, SHOP_FILE_VERIFY_HEADER, &error); /* open until the process ends */
  if (!file)
    fail(error);
  double start = now();
  ShopIndex *index = shop_index_open_arrays(shop_file_find, file, &error);
  if (!index)
    fail(error);
  printf("opening the index in the mapped file took %.2f ms\n\n", 1e3 * (now() - start));
  return index;
}

/* The honest search candidates of some goals of a catalogue, without "search[" and "]". */
static void add_candidates(const ShopCatalogue *catalogue, guint n_goals, GPtrArray *queries)
{
  GError *error = NULL;
  ShopGoals *goals = shop_goals_new(catalogue, SHOP_GOALS_SYNTHETIC, SHOP_PRICES_MIDDLE, 1, &error);
  if (!goals) { /* a sample without an instruction */
    g_clear_error(&error);
    return;
  }
  ShopGoalView *view = shop_goal_view_new();
  GPtrArray *actions = g_ptr_array_new_with_free_func(shop_queries_free);
  for (guint32 i = 0; i < MIN(goals->n_items, n_goals); i++) {
    guint n = 0;
    shop_goal_view_set(view, catalogue, goals, i);
    shop_queries_make(view->instruction->str, actions, &n, NULL);
    for (guint k = 0; k < n; k++) {
      const GString *action = actions->pdata[k];
      g_ptr_array_add(queries, g_strndup(action->str + strlen("search["), action->len - strlen("search[]")));
    }
  }
  g_ptr_array_unref(actions);
  shop_goal_view_free(view);
  shop_goals_free(goals);
}

static void add_strings(json_t *value, GPtrArray *queries)
{
  gsize i;
  json_t *element;
  if (json_is_string(value))
    g_ptr_array_add(queries, g_utf8_strdown(json_string_value(value), -1));
  json_array_foreach(value, i, element) add_strings(element, queries);
}

static void read_queries(GPtrArray *queries)
{
  char *text;
  GError *error = NULL;
  if (!g_file_get_contents(queries_file, &text, NULL, &error))
    fail(error);
  json_t *map = json_loads(text, 0, NULL), *value;
  const char *key;
  if (map) {
    json_object_foreach(map, key, value) add_strings(value, queries);
    json_decref(map);
  } else {
    char **lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
      json_t *record = json_loads(*line, 0, NULL);
      add_strings(json_object_get(record, "query"), queries);
      json_decref(record);
    }
    g_strfreev(lines);
  }
  g_free(text);
}

static gint by_value(gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double quantile(GArray *values, double q)
{
  g_array_sort(values, by_value);
  return g_array_index(values, double, (guint)(q * (values->len - 1)));
}

/* Rounds over all queries; each figure is the median of its values in the rounds. */
static void measure(const ShopIndex *index, const GPtrArray *queries)
{
  enum { RATE, P50, P99, LONGEST, N_FIGURES };
  GArray *figures[N_FIGURES], *times = g_array_new(FALSE, FALSE, sizeof(double));
  guint32 *documents = g_new(guint32, limit);
  ShopSearchWork work = {0};
  for (guint i = 0; i < N_FIGURES; i++)
    figures[i] = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < queries->len; i++)
    shop_index_search_counted(index, queries->pdata[i], (guint)limit, documents, &work);
  double end = now() + n_seconds;
  for (guint round = 0; round < 5 || now() < end; round++) {
    gint64 start = g_get_monotonic_time();
    for (guint i = 0; i < queries->len; i++)
      shop_index_search(index, queries->pdata[i], (guint)limit, documents);
    double rate = (double)queries->len / ((double)(g_get_monotonic_time() - start) * 1e-6);
    g_array_append_val(figures[RATE], rate);
    g_array_set_size(times, 0);
    for (guint i = 0; i < queries->len; i++) {
      struct timespec before, after;
      clock_gettime(CLOCK_MONOTONIC, &before);
      shop_index_search(index, queries->pdata[i], (guint)limit, documents);
      clock_gettime(CLOCK_MONOTONIC, &after);
      double time =
          (double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) * 1e-6;
      g_array_append_val(times, time);
    }
    double p50 = quantile(times, 0.5), p99 = quantile(times, 0.99), longest = quantile(times, 1);
    g_array_append_val(figures[P50], p50);
    g_array_append_val(figures[P99], p99);
    g_array_append_val(figures[LONGEST], longest);
  }
  double n = queries->len;
  printf("| products | index MiB | queries | terms | searches/s | p50 ms | p99 ms | longest ms | postings of "
         "the terms | "
         "documents bounded | documents scored |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
  printf("| %u | %.1f | %u | %.1f | %.0f | %.4f | %.4f | %.3f | %.0f | %.2f %% | %.1f |\n",
         shop_index_size(index), (double)count_bytes(index) / (1 << 20), queries->len,
         (double)work.n_terms / n, quantile(figures[RATE], 0.5), quantile(figures[P50], 0.5),
         quantile(figures[P99], 0.5), quantile(figures[LONGEST], 0.5), (double)work.n_postings / n,
         100.0 * (double)work.n_bounded / n / shop_index_size(index), (double)work.n_scored / n);
  for (guint i = 0; i < N_FIGURES; i++)
    g_array_unref(figures[i]);
  g_array_unref(times);
  g_free(documents);
}

int main(int argc, char **argv)
{
  GOptionContext *context = g_option_context_new("- speed of the search engine");
  GError *error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    g_printerr("%s\n", error->message);
    return 2;
  }
  g_option_context_free(context);
  if ((!shop_folder) == (n_synthetic <= 0)) {
    g_printerr("give --shop FOLDER or --synthetic N\n");
    return 2;
  }
  GPtrArray *queries = g_ptr_array_new_with_free_func(g_free);
  ShopIndex *index;
  if (shop_folder) {
    char *items = g_build_filename(shop_folder, "items_shuffle_1000.json", NULL);
    char *attributes = g_build_filename(shop_folder, "items_ins_v2_1000.json", NULL);
    ShopCatalogue *catalogue = shop_load_catalogue(items, attributes, NULL, 0, TRUE, &error);
    if (!catalogue)
      fail(error);
    if (n_mixed > 0)
      index = open_index(build_mixed, catalogue);
    else {
      index = shop_index_new();
      add_products(index, catalogue);
      shop_index_finish(index);
    }
    if (!queries_file)
      add_candidates(catalogue, G_MAXUINT, queries);
    shop_catalogue_free(catalogue);
    g_free(items);
    g_free(attributes);
  } else {
    index = open_index(build_synthetic, NULL);
    for (guint64 i = 0; i < SAMPLES && !queries_file; i++) {
      guint64 first = i * (guint64)n_synthetic / SAMPLES;
      ShopCatalogue *catalogue = make_products(first, MIN(first + SAMPLE_SIZE, (guint64)n_synthetic));
      add_candidates(catalogue, GOALS_A_SAMPLE, queries);
      shop_catalogue_free(catalogue);
    }
  }
  if (queries_file)
    read_queries(queries);
  measure(index, queries);
  shop_index_free(index);
  g_ptr_array_unref(queries);
  return 0;
}
