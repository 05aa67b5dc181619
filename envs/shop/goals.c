/* Building and writing out goals. ShopGoals owns its arrays; a view owns its
 * buffers, which a session reuses, so that starting an episode allocates nothing
 * once they have grown. */
#include "envs/shop/goals.h"

#include "envs/shop/python_random.h"
#include "envs/shop/text.h"

#include <cartwright/error.h>
#include <string.h>

#define ORDER_SEED   233
#define LADDER_STEP  10
#define LADDER_LIMIT 1000 /* 10, 20, ... 990 */
#define LADDER_TAKEN 4

static double *draw_prices(const ShopCatalogue *catalogue, ShopPriceRule rule, ShopPythonRandom *random)
{
  double *prices = g_new(double, catalogue->n_products);
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    const ShopProduct *product = &catalogue->products[i];
    if (product->n_prices < 2)
      prices[i] = product->prices[0];
    else if (rule == SHOP_PRICES_MIDDLE)
      prices[i] = (product->prices[0] + product->prices[1]) / 2;
    else
      prices[i] = shop_python_random_uniform(random, product->prices[0], product->prices[1]);
  }
  return prices;
}

/* The larger of two drawn among the next four steps of the ladder above `price`
 * (webshop-spec 3.1). */
static gint32 draw_upper(ShopPythonRandom *random, double price)
{
  gint32 first = LADDER_STEP;
  while (first < LADDER_LIMIT && !(first > price))
    first += LADDER_STEP;
  gint32 n = MIN((LADDER_LIMIT - first) / LADDER_STEP, LADDER_TAKEN);
  if (n < 2)
    return SHOP_NO_PRICE_LIMIT;
  guint32 chosen[2];
  shop_python_random_sample(random, (guint32)n, 2, chosen);
  return first + LADDER_STEP * (gint32)MAX(chosen[0], chosen[1]);
}

/* The product's groups in ascending order of name: `order` gets their indices. */
static void sort_groups(const ShopCatalogue *catalogue, const ShopProduct *product, guint32 *order)
{
  for (guint32 i = 0; i < product->groups.count; i++) {
    const char *name = shop_string(catalogue, catalogue->groups[product->groups.first + i].name);
    guint32 j = i;
    for (; j > 0; j--) {
      const char *other = shop_string(catalogue, catalogue->groups[product->groups.first + order[j - 1]].name);
      if (strcmp(other, name) <= 0)
        break;
      order[j] = order[j - 1];
    }
    order[j] = i;
  }
}

static gboolean add_synthetic(GArray *goals, const ShopCatalogue *catalogue, guint32 index, gint32 upper,
                              GError **error)
{
  const ShopProduct *product = &catalogue->products[index];
  guint64 n_combinations = 1;
  for (guint32 g = 0; g < product->groups.count && n_combinations <= G_MAXINT32; g++)
    n_combinations *= catalogue->groups[product->groups.first + g].values.count;
  if (goals->len + n_combinations > G_MAXINT32) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_UNSUPPORTED,
                "the option combinations up to product %s make more than %d synthetic goals; load fewer products "
                "('products')",
                shop_string(catalogue, product->asin), G_MAXINT32);
    return FALSE;
  }
  for (guint32 c = 0; c < n_combinations; c++) {
    ShopGoal goal = {index, c, upper};
    g_array_append_val(goals, goal);
  }
  return TRUE;
}

static gboolean build_synthetic(GArray *items, const ShopCatalogue *catalogue, const double *prices,
                                ShopPythonRandom *random, GError **error)
{
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    const ShopProduct *product = &catalogue->products[i];
    if (product->instruction == SHOP_STRING_NONE)
      continue;
    if (product->instruction_attributes.count == 0) {
      g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                  "product %s has an instruction but its 'instruction_attributes' are empty: a synthetic goal needs at "
                  "least one",
                  shop_string(catalogue, product->asin));
      return FALSE;
    }
    if (!add_synthetic(items, catalogue, i, draw_upper(random, prices[i]), error))
      return FALSE;
  }
  return TRUE;
}

static void build_human(GArray *items, const ShopCatalogue *catalogue, const double *prices, ShopPythonRandom *random,
                        guint32 *n_skipped)
{
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    ShopSpan humans = catalogue->products[i].humans;
    for (guint32 h = 0; h < humans.count; h++) {
      if (catalogue->humans[humans.first + h].attributes.count == 0) {
        (*n_skipped)++;
        continue;
      }
      ShopGoal goal = {i, h, draw_upper(random, prices[i])};
      g_array_append_val(items, goal);
    }
  }
}

ShopGoals *shop_goals_new(const ShopCatalogue *catalogue, ShopGoalKind kind, ShopPriceRule price_rule,
                          guint64 price_seed, GError **error)
{
  ShopPythonRandom random;
  ShopGoals *goals = g_new0(ShopGoals, 1);
  goals->kind = kind;
  shop_python_random_seed(&random, price_seed);
  goals->prices = draw_prices(catalogue, price_rule, &random);

  GArray *items = g_array_new(FALSE, FALSE, sizeof(ShopGoal));
  shop_python_random_seed(&random, price_seed);
  gboolean good = TRUE;
  if (kind == SHOP_GOALS_SYNTHETIC)
    good = build_synthetic(items, catalogue, goals->prices, &random, error);
  else
    build_human(items, catalogue, goals->prices, &random, &goals->n_skipped);
  goals->n_items = items->len;
  goals->items = (ShopGoal *)(gpointer)g_array_free(items, FALSE);
  if (good && goals->n_items == 0) {
    good = FALSE;
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                kind == SHOP_GOALS_SYNTHETIC
                    ? "no product of the catalogue has a synthetic instruction, so there is no goal; is "
                      "'attributes_file' the one that belongs to the catalogue?"
                    : "no product of the catalogue has a crowd instruction, so there is no goal; is 'human_file' the "
                      "right one?");
  }
  if (!good) {
    shop_goals_free(goals);
    return NULL;
  }
  shop_python_random_seed(&random, ORDER_SEED);
  shop_python_random_shuffle(&random, goals->items, goals->n_items, sizeof(ShopGoal));
  return goals;
}

void shop_goals_free(ShopGoals *goals)
{
  if (goals == NULL)
    return;
  g_free(goals->items);
  g_free(goals->prices);
  g_free(goals);
}

double *shop_goals_cumulative_weights(const ShopGoals *goals, const ShopCatalogue *catalogue)
{
  double *cumulative = g_new(double, (gsize)goals->n_items + 1);
  g_autoptr(GHashTable) counts = g_hash_table_new(NULL, NULL); /* interned ShopString -> goals that have it */
  gboolean synthetic = goals->kind == SHOP_GOALS_SYNTHETIC;
  for (guint32 i = 0; synthetic && i < goals->n_items; i++) {
    ShopSpan attributes = catalogue->products[goals->items[i].product].instruction_attributes;
    for (guint32 a = 0; a < attributes.count; a++) {
      gpointer key = GUINT_TO_POINTER(catalogue->strings[attributes.first + a]);
      g_hash_table_insert(counts, key, GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, key)) + 1));
    }
  }
  cumulative[0] = 0;
  for (guint32 i = 0; i < goals->n_items; i++) {
    double weight = 1;
    if (synthetic) {
      ShopSpan attributes = catalogue->products[goals->items[i].product].instruction_attributes;
      weight = 0;
      for (guint32 a = 0; a < attributes.count; a++)
        weight += 1.0 / GPOINTER_TO_UINT(
                            g_hash_table_lookup(counts, GUINT_TO_POINTER(catalogue->strings[attributes.first + a])));
      weight /= attributes.count;
    }
    cumulative[i + 1] = cumulative[i] + weight;
  }
  return cumulative;
}

ShopGoalView *shop_goal_view_new(void)
{
  ShopGoalView *view = g_new0(ShopGoalView, 1);
  view->instruction = g_string_sized_new(256);
  view->attributes = g_ptr_array_new();
  view->option_names = g_ptr_array_new();
  view->option_values = g_ptr_array_new();
  return view;
}

void shop_goal_view_free(ShopGoalView *view)
{
  if (view == NULL)
    return;
  g_string_free(view->instruction, TRUE);
  g_ptr_array_free(view->attributes, TRUE);
  g_ptr_array_free(view->option_names, TRUE);
  g_ptr_array_free(view->option_values, TRUE);
  g_free(view);
}

static void add_strings(GPtrArray *array, const ShopCatalogue *catalogue, ShopSpan span)
{
  g_ptr_array_set_size(array, 0);
  for (guint32 i = 0; i < span.count; i++)
    g_ptr_array_add(array, (gpointer)shop_string(catalogue, catalogue->strings[span.first + i]));
}

/* Combination number `choice`: the last name in order varies fastest. */
static void set_synthetic_options(ShopGoalView *view, const ShopCatalogue *catalogue, const ShopProduct *product,
                                  guint32 choice)
{
  guint32 few[16], n = product->groups.count;
  guint32 *order = n <= G_N_ELEMENTS(few) ? few : g_new(guint32, n);
  sort_groups(catalogue, product, order);
  g_ptr_array_set_size(view->option_names, (gint)n);
  g_ptr_array_set_size(view->option_values, (gint)n);
  for (guint32 i = n; i-- > 0;) {
    const ShopOptionGroup *group = &catalogue->groups[product->groups.first + order[i]];
    ShopString value = catalogue->strings[group->values.first + choice % group->values.count];
    choice /= group->values.count;
    view->option_names->pdata[i] = (gpointer)shop_string(catalogue, group->name);
    view->option_values->pdata[i] = (gpointer)shop_string(catalogue, value);
  }
  if (order != few)
    g_free(order);
}

void shop_goal_view_set(ShopGoalView *view, const ShopCatalogue *catalogue, const ShopGoals *goals, guint32 index)
{
  const ShopGoal *goal = &goals->items[index];
  const ShopProduct *product = &catalogue->products[goal->product];
  view->index = index;
  view->product = goal->product;
  g_string_truncate(view->instruction, 0);
  if (goals->kind == SHOP_GOALS_SYNTHETIC) {
    view->attribute_strings = product->instruction_attributes;
    set_synthetic_options(view, catalogue, product, goal->choice);
    g_string_append(view->instruction, shop_string(catalogue, product->instruction));
    for (guint i = 0; i < view->option_values->len; i++) {
      g_string_append(view->instruction, i == 0 ? " with " : ", and ");
      g_string_append(view->instruction, view->option_names->pdata[i]);
      g_string_append(view->instruction, ": ");
      g_string_append(view->instruction, view->option_values->pdata[i]);
    }
  } else {
    const ShopHumanRecord *human = &catalogue->humans[product->humans.first + goal->choice];
    view->attribute_strings = human->attributes;
    add_strings(view->option_names, catalogue, human->option_names);
    add_strings(view->option_values, catalogue, human->option_values);
    const char *text = shop_string(catalogue, human->instruction);
    gsize length = shop_string_length(catalogue, human->instruction);
    while (length > 0 && *text == '.')
      text++, length--;
    while (length > 0 && text[length - 1] == '.')
      length--;
    g_string_append_len(view->instruction, text, (gssize)length);
  }
  add_strings(view->attributes, catalogue, view->attribute_strings);
  view->length_without_price = view->instruction->len;
  shop_goal_view_set_price_upper(view, goal->price_upper);
}

void shop_goal_view_set_price_upper(ShopGoalView *view, double price_upper)
{
  view->price_upper = price_upper;
  g_string_truncate(view->instruction, view->length_without_price);
  if (price_upper != SHOP_NO_PRICE_LIMIT) {
    char amount[64];
    g_string_append(view->instruction, ", and price lower than ");
    g_string_append(view->instruction, g_ascii_formatd(amount, sizeof amount, "%.2f", price_upper));
    g_string_append(view->instruction, " dollars");
  }
}

void shop_goal_append_published(GString *out, const char *instruction)
{
  g_autoptr(GString) lower = g_string_new(NULL);
  shop_text_append_lower(lower, instruction, strlen(instruction));
  gsize kept = 0;
  for (gsize i = 0; i < lower->len; i++)
    if (lower->str[i] != '"' && lower->str[i] != '\'')
      lower->str[kept++] = lower->str[i];
  const char *text = lower->str;
  shop_text_trim(&text, &kept);
  const char *clause = g_strstr_len(text, (gssize)kept, ", and price lower than");
  g_string_append_len(out, text, clause != NULL ? clause - text : (gssize)kept);
}
