/* Building and writing out goals. ShopGoals owns its arrays; a view owns its buffers, which a session reuses,
 * so that starting an episode allocates nothing once they have grown. */
#include "envs/shop/goals/goals_private.h"

#include "envs/shop/goals/python_random.h"
#include "envs/shop/text/text.h"

#include "envs/shop/text/fail.h"
#include <math.h>
#include <string.h>

#define MOST_NAMED 5

guint64 shop_goals_n_combinations(const ShopCatalogue *catalogue, guint32 index)
{
  const ShopProduct *product = &catalogue->products[index];
  guint64 n_combinations = 1;
  for (guint32 g = 0; g < product->groups.count && n_combinations <= G_MAXINT32; g++)
    n_combinations *= catalogue->groups[product->groups.first + g].values.count;
  return n_combinations;
}

typedef struct {
  const ShopCatalogue *catalogue;
  const ShopOptionGroup *groups;
} Groups;

static gint compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
  const Groups *of = data;
  return strcmp(shop_string(of->catalogue, of->groups[*(const guint32 *)a].name),
                shop_string(of->catalogue, of->groups[*(const guint32 *)b].name));
}

/* The product's groups in ascending order of name: `order` gets their indices. */
static void sort_groups(const ShopCatalogue *catalogue, const ShopProduct *product, guint32 *order)
{
  Groups of = {catalogue, catalogue->groups + product->groups.first};
  for (guint32 i = 0; i < product->groups.count; i++)
    order[i] = i;
  g_qsort_with_data(order, (gint)product->groups.count, sizeof *order, compare_names, &of);
}

static gboolean add_synthetic(GArray *goals, const ShopCatalogue *catalogue, guint32 index, GError **error)
{
  const ShopProduct *product = &catalogue->products[index];
  guint64 n_combinations = shop_goals_n_combinations(catalogue, index);
  if (goals->len + n_combinations > G_MAXINT32)
    return shop_fail(error, CW_ERROR_UNSUPPORTED,
                     "the option combinations up to product %s make more than %d synthetic goals; load fewer "
                     "products ('products')",
                     shop_string(catalogue, product->asin), G_MAXINT32);
  for (guint32 c = 0; c < n_combinations; c++) {
    ShopGoal goal = {index, c};
    g_array_append_val(goals, goal);
  }
  return TRUE;
}

/* A goal without attributes has no reward (the original stops there): it is left out, and named in *skipped.
 */
static gboolean list_synthetic(GArray *items, const ShopCatalogue *catalogue, char **skipped, GError **error)
{
  g_autoptr(GString) names = g_string_new(NULL);
  guint32 n_skipped = 0;
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    const ShopProduct *product = &catalogue->products[i];
    if (product->instruction == SHOP_STRING_NONE)
      continue;
    if (product->instruction_attributes.count > 0) {
      if (!add_synthetic(items, catalogue, i, error))
        return FALSE;
    } else if (n_skipped++ < MOST_NAMED) {
      g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "",
                             shop_string(catalogue, product->asin));
    }
  }
  if (n_skipped > 0)
    *skipped = g_strdup_printf("%u without instruction_attributes: %s%s", n_skipped, names->str,
                               n_skipped > MOST_NAMED ? ", ..." : "");
  return TRUE;
}

static void list_human(GArray *items, const ShopCatalogue *catalogue, guint32 *n_skipped)
{
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    ShopSpan humans = catalogue->products[i].humans;
    for (guint32 h = 0; h < humans.count; h++) {
      if (catalogue->humans[humans.first + h].attributes.count == 0) {
        (*n_skipped)++;
        continue;
      }
      ShopGoal goal = {i, h};
      g_array_append_val(items, goal);
    }
  }
}

static gboolean check_any(const ShopGoals *goals, GError **error)
{
  if (goals->n_items == 0 && goals->skipped)
    shop_fail(error, CW_ERROR_FORMAT, "there is no goal: of the products with a synthetic instruction, %s",
              goals->skipped);
  else if (goals->n_items == 0)
    shop_fail(error, CW_ERROR_FORMAT,
              goals->kind == SHOP_GOALS_SYNTHETIC
                  ? "no product of the catalogue has a synthetic instruction, so there is no goal; is "
                    "'attributes_file' the one that belongs to the catalogue?"
                  : "no product of the catalogue has a crowd instruction, so there is no goal; is "
                    "'human_file' the right one?");
  return goals->n_items > 0;
}

ShopGoals *shop_goals_new(const ShopCatalogue *catalogue, ShopGoalKind kind, ShopPriceRule price_rule,
                          guint64 price_seed, GError **error)
{
  if (!shop_python_random_check(error))
    return NULL;
  g_autoptr(ShopGoals) goals = g_new0(ShopGoals, 1);
  goals->kind = kind;
  GArray *items = g_array_new(FALSE, FALSE, sizeof(ShopGoal));
  gboolean good = kind == SHOP_GOALS_HUMAN || list_synthetic(items, catalogue, &goals->skipped, error);
  if (kind == SHOP_GOALS_HUMAN)
    list_human(items, catalogue, &goals->n_skipped);
  goals->n_items = items->len;
  goals->items = goals->owned[0] = g_array_free(items, FALSE);
  if (!good || !check_any(goals, error))
    return NULL;
  shop_goals_draw(goals, catalogue, price_rule, price_seed);
  g_autoptr(GRand) random = shop_python_random_new(SHOP_ORDER_SEED);
  shop_python_random_shuffle(random, goals->owned[0], goals->n_items, sizeof(ShopGoal));
  return g_steal_pointer(&goals);
}

gint shop_goal_compare(gconstpointer a, gconstpointer b)
{
  const ShopGoal *one = a, *other = b;
  if (one->product != other->product)
    return one->product < other->product ? -1 : 1;
  return one->choice < other->choice ? -1 : one->choice > other->choice;
}

char *shop_goals_digest(const ShopGoals *goals, const ShopCatalogue *catalogue)
{
  enum { DIGITS = 16 };
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_autoptr(GString) line = g_string_new(NULL);
  for (guint32 i = 0; i < goals->n_items; i++) {
    const ShopGoal *goal = &goals->items[i];
    g_string_assign(line, shop_string(catalogue, catalogue->products[goal->product].asin));
    g_string_append_c(line, ' ');
    shop_text_append_integer(line, (gint)goal->choice);
    g_string_append_c(line, ' ');
    shop_text_append_integer(line, shop_goal_price_upper(goals, catalogue, i));
    g_string_append_c(line, '\n');
    g_checksum_update(checksum, (const guchar *)line->str, (gssize)line->len);
  }
  return g_strndup(g_checksum_get_string(checksum), DIGITS);
}

static const char *const array_names[][SHOP_GOALS_N_ARRAYS] = {
    [SHOP_GOALS_SYNTHETIC] = {"goals/synthetic/items", "goals/synthetic/uppers", "goals/prices"},
    [SHOP_GOALS_HUMAN] = {"goals/human/items", "goals/human/uppers", "goals/prices"},
};

void shop_goals_arrays(const ShopGoals *goals, const ShopCatalogue *catalogue,
                       ShopArray arrays[SHOP_GOALS_N_ARRAYS])
{
  const char *const *names = array_names[goals->kind];
  gsize n_uppers = goals->kind == SHOP_GOALS_SYNTHETIC ? catalogue->n_products : catalogue->n_humans;
  arrays[0] = (ShopArray){names[0], goals->items, sizeof(ShopGoal), goals->n_items};
  arrays[1] = (ShopArray){names[1], goals->uppers, sizeof(gint32), n_uppers};
  arrays[2] = (ShopArray){names[2], goals->prices, sizeof(double), catalogue->n_products};
}

ShopGoals *shop_goals_open(const ShopCatalogue *catalogue, ShopGoalKind kind, ShopPriceRule price_rule,
                           guint64 price_seed, const ShopGoalSettings *stored, ShopArrayFinder finder,
                           gpointer source, GError **error)
{
  if (!shop_python_random_check(error))
    return NULL;
  g_autoptr(ShopGoals) goals = g_new0(ShopGoals, 1);
  ShopArray expected[SHOP_GOALS_N_ARRAYS], found[SHOP_GOALS_N_ARRAYS];
  goals->kind = kind;
  goals->n_skipped = kind == SHOP_GOALS_HUMAN ? stored->n_skipped : 0;
  shop_goals_arrays(goals, catalogue, expected);
  for (guint i = 0; i < SHOP_GOALS_N_ARRAYS; i++) {
    if (!finder(source, expected[i].name, expected[i].element_size, &found[i], error))
      return NULL;
    if (i == 0 ? found[i].n_elements > G_MAXINT32 : found[i].n_elements != expected[i].n_elements) {
      shop_fail(error, CW_ERROR_FORMAT,
                "array '%s' of the shop file does not belong to its catalogue; make the file again with "
                "'cartwright import'",
                expected[i].name);
      return NULL;
    }
  }
  goals->items = found[0].elements;
  goals->n_items = (guint32)found[0].n_elements;
  if (!check_any(goals, error))
    return NULL;
  if (stored->price_rule == price_rule && stored->price_seed == price_seed) {
    goals->uppers = found[1].elements;
    goals->prices = found[2].elements;
  } else {
    shop_goals_draw(goals, catalogue, price_rule, price_seed);
  }
  return g_steal_pointer(&goals);
}

/* How many choices each product has: its combinations of options, or its records. NULL when they cannot be
 * counted. */
static guint32 *count_choices(const ShopGoals *goals, const ShopCatalogue *catalogue)
{
  g_autofree guint32 *n_choices = g_new0(guint32, catalogue->n_products);
  guint64 n_combinations = 0;
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    const ShopProduct *product = &catalogue->products[i];
    if (goals->kind == SHOP_GOALS_HUMAN) {
      n_choices[i] = product->humans.count;
    } else if (product->instruction != SHOP_STRING_NONE) {
      guint64 n = shop_goals_n_combinations(catalogue, i);
      n_combinations += n;
      n_choices[i] = product->instruction_attributes.count > 0 ? (guint32)MIN(n, G_MAXINT32) : 0;
    }
  }
  return n_combinations <= G_MAXINT32 ? g_steal_pointer(&n_choices) : NULL;
}

gboolean shop_goals_check(const ShopGoals *goals, const ShopCatalogue *catalogue, GError **error)
{
  g_autofree guint32 *n_choices = count_choices(goals, catalogue);
  gboolean good = n_choices != NULL;
  for (guint32 i = 0; good && i < goals->n_items; i++) {
    const ShopGoal *goal = &goals->items[i];
    good = goal->product < catalogue->n_products && goal->choice < n_choices[goal->product];
  }
  for (guint32 i = 0; good && i < catalogue->n_products; i++)
    good = isfinite(goals->prices[i]);
  return good ||
         shop_fail(error, CW_ERROR_FORMAT,
                   "array '%s' of the shop file holds what cannot be; make the file again with 'cartwright "
                   "import'",
                   array_names[goals->kind][0]);
}

void shop_goals_free(ShopGoals *goals)
{
  if (!goals)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(goals->owned); i++)
    g_free(goals->owned[i]);
  g_free(goals->skipped);
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
      g_hash_table_insert(counts, key,
                          GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, key)) + 1));
    }
  }
  cumulative[0] = 0;
  for (guint32 i = 0; i < goals->n_items; i++) {
    double weight = 1;
    if (synthetic) {
      ShopSpan attributes = catalogue->products[goals->items[i].product].instruction_attributes;
      weight = 0;
      for (guint32 a = 0; a < attributes.count; a++)
        weight += 1.0 / GPOINTER_TO_UINT(g_hash_table_lookup(
                            counts, GUINT_TO_POINTER(catalogue->strings[attributes.first + a])));
      weight /= attributes.count;
    }
    cumulative[i + 1] = cumulative[i] + weight;
  }
  return cumulative;
}

ShopGoalView *shop_goal_view_new(void)
{
  ShopGoalView *view = g_new0(ShopGoalView, 1);
  view->instruction = g_string_sized_new(127);
  view->attributes = g_ptr_array_new();
  view->option_names = g_ptr_array_new();
  view->option_values = g_ptr_array_new();
  return view;
}

void shop_goal_view_free(ShopGoalView *view)
{
  if (!view)
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
static void set_synthetic_options(ShopGoalView *view, const ShopCatalogue *catalogue,
                                  const ShopProduct *product, guint32 choice)
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

void shop_goal_view_set(ShopGoalView *view, const ShopCatalogue *catalogue, const ShopGoals *goals,
                        guint32 index)
{
  const ShopGoal *goal = &goals->items[index];
  const ShopProduct *product = &catalogue->products[goal->product];
  view->index = index;
  view->product = goal->product;
  view->price_paid = NAN;
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
  shop_goal_view_set_price_upper(view, shop_goal_price_upper(goals, catalogue, index));
}

double shop_goal_view_price(const ShopGoalView *view, const ShopCatalogue *catalogue, const ShopGoals *goals,
                            guint32 product)
{
  const ShopProduct *bought = &catalogue->products[product];
  double low = MIN(bought->prices[0], bought->prices[1]), high = MAX(bought->prices[0], bought->prices[1]);
  gboolean fits =
      bought->n_prices == 2 && view->price_paid >= low && view->price_paid <= high; /* NaN fits nowhere */
  return fits ? view->price_paid : shop_goal_price(goals, catalogue, view->index, product);
}

void shop_goal_view_set_price_upper(ShopGoalView *view, double price_upper)
{
  view->price_upper = price_upper;
  g_string_truncate(view->instruction, view->length_without_price);
  if (price_upper != SHOP_NO_PRICE_LIMIT) {
    char amount[64];
    g_string_append(view->instruction, SHOP_PRICE_CLAUSE);
    if (price_upper >= 0 && price_upper < G_MAXINT32 && price_upper == (gint32)price_upper) {
      shop_text_append_integer(view->instruction, (gint32)price_upper);
      g_string_append(view->instruction, ".00");
    } else {
      g_string_append(view->instruction, g_ascii_formatd(amount, sizeof amount, "%.2f", price_upper));
    }
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
  g_string_append_len(out, text, clause ? clause - text : (gssize)kept);
}
