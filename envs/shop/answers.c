/* The verbs of a shop. Every request is checked key by key; an answer is one line of JSON. */
#include "envs/shop/answers.h"

#include "envs/shop/records/records.h"
#include "envs/shop/scripts/oracle.h"
#include "envs/shop/session/queries.h"
#include "envs/shop/session/session.h"
#include "envs/shop/stock.h"
#include "envs/shop/text/text.h"

#include "envs/shop/text/fail.h"
#include <string.h>

#define MAX_RESULTS 50

/* Complains about a key that is not in the NULL-terminated list. */
static gboolean check_keys(const json_t *request, const char *verb, const char *const *known, GError **error)
{
  if (!json_is_object(request))
    return shop_fail(error, CW_ERROR_FORMAT, "%s: the request should be a JSON object", verb);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)request, key, value)
  {
    if (!g_strv_contains(known, key)) {
      g_autofree char *list = g_strjoinv("', '", (char **)known);
      return shop_fail(error, CW_ERROR_FORMAT, "%s: unknown key '%s'; there are '%s'", verb, key, list);
    }
  }
  return TRUE;
}

static char *dump(json_t *answer)
{
  g_autoptr(json_t) owned = answer;
  char *text = json_dumps(owned, JSON_COMPACT | JSON_PRESERVE_ORDER), *copy = g_strdup(text);
  free(text);
  return copy;
}

/* A goal number, or its id. */
static gint64 read_goal(const ShopWorld *world, const char *verb, const json_t *value, GError **error)
{
  if (json_is_string(value))
    return shop_goal_index(world, json_string_value(value), error);
  if (!json_is_integer(value)) {
    shop_fail(error, CW_ERROR_FORMAT, "%s: 'goal' should be a goal's number or \"%s_N\"", verb,
              world->prefix);
    return -1;
  }
  json_int_t index = json_integer_value(value);
  if (index < 0 || index >= world->goals->n_items) {
    shop_fail(error, CW_ERROR_FORMAT,
              "%s: goal %" JSON_INTEGER_FORMAT " does not exist; there are %u goals (from 0 on)", verb, index,
              world->goals->n_items);
    return -1;
  }
  return index;
}

static char *answer_search(const ShopWorld *world, const json_t *request, GError **error)
{
  static const char *const keys[] = {"query", "page", "all", NULL};
  if (!check_keys(request, "search", keys, error))
    return NULL;
  const json_t *query = json_object_get(request, "query"), *page = json_object_get(request, "page");
  if (!json_is_string(query)) {
    shop_fail(error, CW_ERROR_FORMAT, "search: 'query' should be a string");
    return NULL;
  }
  if (page && (!json_is_integer(page) || json_integer_value(page) < 1)) {
    shop_fail(error, CW_ERROR_FORMAT, "search: 'page' should be a number from 1 on");
    return NULL;
  }
  json_int_t first = ((page ? MIN(json_integer_value(page), MAX_RESULTS) : 1) - 1) * SHOP_ITEMS_PER_PAGE;
  g_autoptr(GString) lower = g_string_new(NULL);
  shop_text_append_lower(lower, json_string_value(query), json_string_length(query));
  guint32 documents[MAX_RESULTS];
  guint n = shop_index_search(world->index, lower->str, MAX_RESULTS, documents);
  if (n == SHOP_INDEX_TOO_MANY_TERMS) {
    shop_fail(error, CW_ERROR_FORMAT, "search: the query has more than %d different terms",
              SHOP_INDEX_MAX_TERMS);
    return NULL;
  }
  json_t *asins = json_array();
  json_int_t shown = json_is_true(json_object_get(request, "all")) ? MAX_RESULTS : SHOP_ITEMS_PER_PAGE;
  for (json_int_t i = first; i < MIN((json_int_t)n, first + shown); i++)
    json_array_append_new(
        asins, json_string(shop_string(world->catalogue, world->catalogue->products[documents[i]].asin)));
  return dump(json_pack("{s:O, s:i, s:o}", "query", query, "total", (int)n, "asins", asins));
}

/* The chosen values of a list, or of an object from names to values. */
static gboolean read_options(const json_t *options, GPtrArray *values, GError **error)
{
  if (!options || json_is_null(options))
    return TRUE;
  if (!json_is_array(options) && !json_is_object(options))
    return shop_fail(error, CW_ERROR_FORMAT,
                     "score: 'options' should be a list of values or an object of names and values");
  const char *key;
  gsize i;
  json_t *value;
  json_array_foreach((json_t *)options, i, value) g_ptr_array_add(values, (gpointer)json_string_value(value));
  json_object_foreach((json_t *)options, key, value)
      g_ptr_array_add(values, (gpointer)json_string_value(value));
  for (guint v = 0; v < values->len; v++)
    if (!values->pdata[v])
      return shop_fail(error, CW_ERROR_FORMAT, "score: option number %u should be a string", v + 1);
  return TRUE;
}

static char *answer_score(const ShopWorld *world, const json_t *request, GError **error)
{
  static const char *const keys[] = {"goal", "asin", "options", "price_upper", NULL};
  if (!check_keys(request, "score", keys, error))
    return NULL;
  gint64 index = read_goal(world, "score", json_object_get(request, "goal"), error);
  if (index < 0)
    return NULL;
  const json_t *bound = json_object_get(request, "price_upper");
  const char *asin = json_string_value(json_object_get(request, "asin"));
  gint64 product = asin ? shop_catalogue_find(world->catalogue, asin) : -1;
  g_autoptr(GPtrArray) values = g_ptr_array_new();
  gboolean good = asin || shop_fail(error, CW_ERROR_FORMAT, "score: 'asin' should be a string");
  good = good && (product >= 0 ||
                  shop_fail(error, CW_ERROR_FORMAT, "score: no product '%s' in this catalogue", asin));
  good = good && (!bound || json_is_number(bound) ||
                  shop_fail(error, CW_ERROR_FORMAT, "score: 'price_upper' should be a number"));
  if (!good || !read_options(json_object_get(request, "options"), values, error))
    return NULL;
  g_autoptr(ShopGoalView) goal = shop_goal_view_new();
  shop_goal_view_set(goal, world->catalogue, world->goals, (guint32)index);
  if (bound)
    shop_goal_view_set_price_upper(goal, json_number_value(bound));
  ShopReward reward;
  shop_world_reward(world, goal, (guint32)product, (const char *const *)values->pdata, values->len, &reward);
  g_autofree char *id = g_strdup_printf("%s_%u", world->prefix, goal->index);
  return dump(json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "goal", id, "asin", asin, "reward",
                        reward.total, "attributes", reward.r_att, "options",
                        reward.has_options ? reward.r_option : 1.0, "type", reward.r_type, "price",
                        reward.r_price ? 1.0 : 0.0));
}

static json_t *list_of(const GPtrArray *strings)
{
  json_t *list = json_array();
  for (guint i = 0; i < strings->len; i++)
    json_array_append_new(list, json_string(strings->pdata[i]));
  return list;
}

static char *answer_goal(const ShopWorld *world, const json_t *request, GError **error)
{
  static const char *const keys[] = {"goal", NULL};
  if (json_is_object(request)) {
    if (!check_keys(request, "goal", keys, error))
      return NULL;
    request = json_object_get(request, "goal");
  }
  gint64 index = read_goal(world, "goal", request, error);
  if (index < 0)
    return NULL;
  const ShopCatalogue *catalogue = world->catalogue;
  g_autoptr(ShopGoalView) goal = shop_goal_view_new();
  shop_goal_view_set(goal, catalogue, world->goals, (guint32)index);
  const ShopProduct *product = &catalogue->products[goal->product];
  json_t *options;
  if (world->goals->kind == SHOP_GOALS_HUMAN && goal->option_names->len == 0) {
    options = list_of(goal->option_values);
  } else {
    options = json_object();
    for (guint i = 0; i < goal->option_names->len; i++)
      json_object_set_new(options, goal->option_names->pdata[i], json_string(goal->option_values->pdata[i]));
  }
  g_autofree char *id = g_strdup_printf("%s_%u", world->prefix, goal->index);
  json_t *answer =
      json_pack("{s:s, s:s, s:s, s:o, s:o, s:f, s:s, s:s, s:s, s:s, s:f}", "goal", id, "asin",
                shop_string(catalogue, product->asin), "instruction", goal->instruction->str, "attributes",
                list_of(goal->attributes), "options", options, "price_upper", goal->price_upper, "name",
                shop_string(catalogue, product->title), "category", shop_string(catalogue, product->category),
                "query", shop_string(catalogue, product->query), "product_category",
                shop_string(catalogue, product->product_category), "price",
                shop_goal_price(world->goals, catalogue, goal->index, goal->product));
  return dump(answer);
}

/* What the oracle reaches with one query: an object of the answer. */
static json_t *reach_of_query(const ShopWorld *world, const ShopGoalView *goal, const char *query,
                              const char *kind)
{
  g_autoptr(GString) lower = g_string_new(NULL);
  shop_text_append_lower(lower, query, strlen(query));
  guint32 documents[MAX_RESULTS], best, best_on_page;
  guint n = shop_index_search(world->index, lower->str, MAX_RESULTS, documents);
  n = n == SHOP_INDEX_TOO_MANY_TERMS ? 0 : n;
  ShopReach reach, on_page;
  shop_oracle_products(world, goal, documents, n, &best, &reach);
  shop_oracle_products(world, goal, documents, MIN(n, SHOP_ITEMS_PER_PAGE), &best_on_page, &on_page);
  gint rank = 0;
  for (guint i = 0; i < n && rank == 0; i++)
    rank = documents[i] == goal->product ? (gint)i + 1 : 0;
  json_t *object =
      json_pack("{s:s, s:i, s:i, s:f, s:b, s:f}", "query", lower->str, "total", (int)n, "rank", rank,
                "reward", reach.reward, "certain", reach.is_certain, "first_page", on_page.reward);
  if (kind)
    json_object_set_new(object, "kind", json_string(kind));
  return object;
}

static gboolean reach_of_queries(const ShopWorld *world, const ShopGoalView *goal, const json_t *queries,
                                 json_t *list, GError **error)
{
  if (!json_is_array(queries))
    return shop_fail(error, CW_ERROR_FORMAT, "oracle: 'queries' should be a list of strings");
  gsize i;
  json_t *query;
  json_array_foreach((json_t *)queries, i, query)
  {
    if (!json_is_string(query))
      return shop_fail(error, CW_ERROR_FORMAT, "oracle: query number %" G_GSIZE_FORMAT " should be a string",
                       i + 1);
    json_array_append_new(list, reach_of_query(world, goal, json_string_value(query), NULL));
  }
  return TRUE;
}

/* What the choice oracle gets out of the queries given, or of those that honest candidates hold. */
static char *answer_oracle(const ShopWorld *world, const json_t *request, GError **error)
{
  static const char *const keys[] = {"goal", "queries", NULL};
  if (!check_keys(request, "oracle", keys, error))
    return NULL;
  gint64 index = read_goal(world, "oracle", json_object_get(request, "goal"), error);
  if (index < 0)
    return NULL;
  g_autoptr(ShopGoalView) goal = shop_goal_view_new();
  shop_goal_view_set(goal, world->catalogue, world->goals, (guint32)index);
  g_autoptr(json_t) list = json_array();
  const json_t *queries = json_object_get(request, "queries");
  if (queries && !reach_of_queries(world, goal, queries, list, error))
    return NULL;
  if (!queries) {
    g_autoptr(GPtrArray) actions = g_ptr_array_new_with_free_func(shop_queries_free);
    guint n = 0, kinds[SHOP_MAX_QUERIES];
    shop_queries_make(goal->instruction->str, actions, &n, kinds);
    for (guint i = 0; i < n; i++) {
      const GString *action = actions->pdata[i];
      g_autofree char *query = g_strndup(action->str + strlen("search["), action->len - strlen("search[]"));
      json_array_append_new(list, reach_of_query(world, goal, query, shop_query_kind_names[kinds[i]]));
    }
  }
  g_autofree char *id = g_strdup_printf("%s_%u", world->prefix, goal->index);
  const char *asin = shop_string(world->catalogue, world->catalogue->products[goal->product].asin);
  return dump(json_pack("{s:s, s:s, s:s, s:O}", "goal", id, "asin", asin, "instruction",
                        goal->instruction->str, "queries", list));
}

static char *answer_products(const ShopWorld *world, const json_t *request, GError **error)
{
  static const char *const keys[] = {"first", "count", "asins", NULL};
  json_t *answer =
      check_keys(request, "products", keys, error) ? shop_stock_products(world, request, error) : NULL;
  return answer ? dump(answer) : NULL;
}

static char *answer_stock(const ShopWorld *world, const json_t *request, GError **error)
{
  static const char *const keys[] = {NULL};
  return check_keys(request, "stock", keys, error) ? dump(shop_stock_list(world, request, error)) : NULL;
}

static char *answer_reward(const ShopWorld *world, const json_t *request, GError **error)
{
  static const char *const keys[] = {"goal", "price_upper", "asin", "options", "price", NULL};
  json_t *answer =
      check_keys(request, "reward", keys, error) ? shop_stock_reward(world, request, error) : NULL;
  return answer ? dump(answer) : NULL;
}

static const struct {
  const char *name;
  char *(*answer)(const ShopWorld *world, const json_t *request, GError **error);
} verbs[] = {
    {"search", answer_search}, {"score", answer_score},       {"goal", answer_goal},
    {"oracle", answer_oracle}, {"products", answer_products}, {"stock", answer_stock},
    {"reward", answer_reward},
};

char *shop_answer(const ShopWorld *world, const char *verb, const char *request, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS(verbs); i++) {
    if (strcmp(verb, verbs[i].name) != 0)
      continue;
    json_error_t problem;
    g_autoptr(json_t) object = json_loads(request, JSON_DECODE_ANY, &problem);
    if (!object) {
      shop_fail(error, CW_ERROR_FORMAT, "%s: the request is not valid JSON: %s (byte %d)", verb, problem.text,
                problem.position);
      return NULL;
    }
    return verbs[i].answer(world, object, error);
  }
  g_autoptr(GString) names = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
    g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", verbs[i].name);
  shop_fail(error, CW_ERROR_UNSUPPORTED, "a shop knows no verb '%s'; there are %s", verb, names->str);
  return NULL;
}
