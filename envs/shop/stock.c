/* A shop's contents as JSON. Requests come from our own Python, so what is missing is refused in one
 * sentence. */
#include "envs/shop/stock.h"

#include "envs/shop/text/fail.h"
#include <string.h>

static json_t *text_of(const ShopCatalogue *catalogue, ShopString string)
{
  return string == SHOP_STRING_NONE
             ? json_null()
             : json_stringn(shop_string(catalogue, string), shop_string_length(catalogue, string));
}

static json_t *texts_of(const ShopCatalogue *catalogue, ShopSpan span)
{
  json_t *list = json_array();
  for (guint32 i = span.first; i < span.first + span.count; i++)
    json_array_append_new(list, text_of(catalogue, catalogue->strings[i]));
  return list;
}

static json_t *options_of(const ShopCatalogue *catalogue, ShopSpan groups)
{
  json_t *list = json_array();
  for (guint32 g = groups.first; g < groups.first + groups.count; g++) {
    const ShopOptionGroup *group = &catalogue->groups[g];
    json_array_append_new(
        list, json_pack("[o, o]", text_of(catalogue, group->name), texts_of(catalogue, group->values)));
  }
  return list;
}

static json_t *humans_of(const ShopCatalogue *catalogue, ShopSpan humans)
{
  json_t *list = json_array();
  for (guint32 h = humans.first; h < humans.first + humans.count; h++) {
    const ShopHumanRecord *human = &catalogue->humans[h];
    json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "instruction",
                                          text_of(catalogue, human->instruction), "attributes",
                                          texts_of(catalogue, human->attributes), "option_names",
                                          texts_of(catalogue, human->option_names), "option_values",
                                          texts_of(catalogue, human->option_values)));
  }
  return list;
}

static json_t *prices_of(const ShopProduct *product)
{
  return product->n_prices > 1 ? json_pack("[f, f]", product->prices[0], product->prices[1])
                               : json_pack("[f]", product->prices[0]);
}

static json_t *product_of(const ShopCatalogue *catalogue, guint32 index)
{
  const ShopProduct *product = &catalogue->products[index];
  return json_pack(
      "{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "index", (int)index,
      "asin", text_of(catalogue, product->asin), "title", text_of(catalogue, product->title), "description",
      text_of(catalogue, product->description), "bullets", texts_of(catalogue, product->bullets),
      "attributes", texts_of(catalogue, product->attributes), "category",
      text_of(catalogue, product->category), "query", text_of(catalogue, product->query), "product_category",
      text_of(catalogue, product->product_category), "price", text_of(catalogue, product->price_tag),
      "prices", prices_of(product), "options", options_of(catalogue, product->groups), "instruction",
      text_of(catalogue, product->instruction), "instruction_attributes",
      texts_of(catalogue, product->instruction_attributes), "humans", humans_of(catalogue, product->humans));
}

json_t *shop_stock_products(const ShopWorld *world, const json_t *request, GError **error)
{
  const ShopCatalogue *catalogue = world->catalogue;
  const json_t *asins = json_object_get(request, "asins");
  json_int_t first = json_integer_value(json_object_get(request, "first"));
  json_int_t count = json_integer_value(json_object_get(request, "count"));
  if (!asins && (first < 0 || count < 0 || first + count > catalogue->n_products)) {
    shop_fail(error, CW_ERROR_FORMAT,
              "products: %" JSON_INTEGER_FORMAT " products from %" JSON_INTEGER_FORMAT
              " on were asked for; there are %u",
              count, first, catalogue->n_products);
    return NULL;
  }
  json_t *list = json_array();
  for (json_int_t i = first; !asins && i < first + count; i++)
    json_array_append_new(list, product_of(catalogue, (guint32)i));
  for (gsize i = 0; i < json_array_size(asins); i++) {
    const char *asin = json_string_value(json_array_get(asins, i));
    gint64 index = asin ? shop_catalogue_find(catalogue, asin) : -1;
    json_array_append_new(list, index < 0 ? json_null() : product_of(catalogue, (guint32)index));
  }
  return json_pack("{s:o}", "products", list);
}

json_t *shop_stock_list(const ShopWorld *world, G_GNUC_UNUSED const json_t *request,
                        G_GNUC_UNUSED GError **error)
{
  const ShopCatalogue *catalogue = world->catalogue;
  const ShopGoals *goals = world->goals;
  json_t *prices = json_array(), *pairs = json_array(), *attributes = json_object();
  g_autofree ShopGoal *in_load_order = g_memdup2(goals->items, goals->n_items * sizeof(ShopGoal));
  qsort(in_load_order, goals->n_items, sizeof(ShopGoal), shop_goal_compare);
  for (guint32 i = 0; i < catalogue->n_products; i++)
    json_array_append_new(prices, prices_of(&catalogue->products[i]));
  for (guint32 i = 0; i < goals->n_items; i++) {
    const ShopGoal *goal = &in_load_order[i];
    json_array_append_new(pairs, json_pack("[i, i]", (int)goal->product, (int)goal->choice));
    if (goals->kind == SHOP_GOALS_HUMAN || (i > 0 && goal[-1].product == goal->product))
      continue;
    char key[16];
    g_snprintf(key, sizeof key, "%u", goal->product);
    json_object_set_new(attributes, key,
                        texts_of(catalogue, catalogue->products[goal->product].instruction_attributes));
  }
  return json_pack("{s:s, s:i, s:o, s:o, s:o}", "kind", shop_goal_kind_names[goals->kind], "products",
                   (int)catalogue->n_products, "prices", prices, "goals", pairs, "attributes", attributes);
}

/* Whether the catalogue has that goal, as `kind` numbers them. */
static gboolean is_goal(const ShopWorld *world, const ShopGoal *goal)
{
  const ShopCatalogue *catalogue = world->catalogue;
  if (goal->product >= catalogue->n_products)
    return FALSE;
  if (world->goals->kind == SHOP_GOALS_HUMAN)
    return goal->choice < catalogue->products[goal->product].humans.count;
  return goal->choice < shop_goals_n_combinations(catalogue, goal->product) &&
         catalogue->products[goal->product].instruction != SHOP_STRING_NONE;
}

static json_t *reward_of(const ShopReward *reward)
{
  json_t *parts =
      json_pack("{s:f, s:f, s:f, s:f, s:b, s:b, s:f, s:b, s:f}", "reward", reward->total, "r_type",
                reward->r_type, "r_att", reward->r_att, "w_att", reward->w_att, "query_match",
                reward->query_match, "category_match", reward->category_match, "title_score",
                reward->title_score, "r_price", reward->r_price, "w_price", reward->w_price);
  if (reward->has_options) {
    json_object_set_new(parts, "r_option", json_real(reward->r_option));
    json_object_set_new(parts, "w_option", json_real(reward->w_option));
  }
  return parts;
}

json_t *shop_stock_reward(const ShopWorld *world, const json_t *request, GError **error)
{
  const json_t *pair = json_object_get(request, "goal"), *options = json_object_get(request, "options");
  const char *asin = json_string_value(json_object_get(request, "asin"));
  ShopGoal item = {(guint32)json_integer_value(json_array_get(pair, 0)),
                   (guint32)json_integer_value(json_array_get(pair, 1))};
  gint64 product = asin ? shop_catalogue_find(world->catalogue, asin) : -1;
  g_autoptr(GPtrArray) values = g_ptr_array_new();
  for (gsize i = 0; i < json_array_size(options); i++)
    if (json_is_string(json_array_get(options, i)))
      g_ptr_array_add(values, (gpointer)json_string_value(json_array_get(options, i)));
  if (json_array_size(pair) != 2 || !is_goal(world, &item) || product < 0 ||
      values->len != json_array_size(options)) {
    shop_fail(
        error, CW_ERROR_FORMAT,
        "reward: expected 'goal' as [PRODUCT, CHOICE] of this shop, 'asin' of a product, 'options' as a list "
        "of strings; found goal [%u, %u], asin '%s'",
        item.product, item.choice, asin ? asin : "none");
    return NULL;
  }
  ShopGoals one = *world->goals;
  one.items = &item;
  one.n_items = 1;
  g_autoptr(ShopGoalView) goal = shop_goal_view_new();
  shop_goal_view_set(goal, world->catalogue, &one, 0);
  const json_t *bound = json_object_get(request, "price_upper"), *price = json_object_get(request, "price");
  if (json_is_number(bound))
    shop_goal_view_set_price_upper(goal, json_number_value(bound));
  if (json_is_number(price))
    goal->price_paid = json_number_value(price);
  ShopReward reward;
  shop_world_reward(world, goal, (guint32)product, (const char *const *)values->pdata, values->len, &reward);
  return reward_of(&reward);
}
