/* The reward of a purchase: does the kind of product, do its attributes, the chosen options and the price fit
 * the goal. Prepared goals and products borrow the token sets that exist and hold the others in one byte
 * array each. */
#include "envs/shop/reward/reward.h"

#include "envs/shop/reward/colour.h"
#include "envs/shop/text/find_lower.h"
#include "envs/shop/text/text.h"

#include <string.h>

/* Texts this alike count as the same. */
#define MATCH_THRESHOLD 85

/* Token sets: those that the facts bring along, or our own, in a row. */
typedef struct {
  const ShopTokenSet *const *given; /* NULL: our own */
  GByteArray *bytes;
  guint n;
} TokenSets;

struct ShopPreparedGoal {
  ShopGoalFacts facts;
  TokenSets attributes, options;
  GString *pair;
};

struct ShopPreparedProduct {
  ShopProductFacts facts;
  TokenSets attributes;
};

/* Goes through token sets. */
typedef struct {
  const TokenSets *sets;
  const ShopTokenSet *next;
  guint i;
} Walk;

static Walk walk(const TokenSets *sets)
{
  return (Walk){sets, (const ShopTokenSet *)(gconstpointer)sets->bytes->data, 0};
}

static const ShopTokenSet *next_set(Walk *walk)
{
  if (walk->i == walk->sets->n)
    return NULL;
  guint i = walk->i++;
  if (walk->sets->given)
    return walk->sets->given[i];
  const ShopTokenSet *set = walk->next;
  walk->next = (const ShopTokenSet *)(gconstpointer)((const char *)set + shop_token_set_size(set));
  return set;
}

static void add_set(TokenSets *sets, const char *text)
{
  shop_token_set_append(sets->bytes, text);
  sets->n++;
}

static void set_all(TokenSets *sets, const ShopTokenSet *const *given, const char *const *texts, guint n)
{
  g_byte_array_set_size(sets->bytes, 0);
  sets->given = given;
  sets->n = given ? n : 0;
  for (guint i = 0; !given && i < n; i++)
    add_set(sets, texts[i]);
}

/* A goal's option as it is compared: its colour word if it has one; a pair otherwise in the source notation
 * of the original's language, ('size', 'xl'), of which cleaning leaves the words of name and value. */
static void add_goal_option(ShopPreparedGoal *goal, const char *name, const char *value)
{
  TokenSets *sets = &goal->options;
  if (!name) {
    add_set(sets, shop_colour_normalise(value));
    return;
  }
  const char *colour = shop_colour_find_equal(name, value);
  if (colour) {
    add_set(sets, colour);
    return;
  }
  g_string_assign(goal->pair, "(");
  shop_text_append_quoted(goal->pair, name);
  g_string_append(goal->pair, ", ");
  shop_text_append_quoted(goal->pair, value);
  g_string_append_c(goal->pair, ')');
  add_set(sets, goal->pair->str);
}

ShopPreparedGoal *shop_prepared_goal_new(void)
{
  ShopPreparedGoal *goal = g_new0(ShopPreparedGoal, 1);
  goal->attributes.bytes = g_byte_array_new();
  goal->options.bytes = g_byte_array_new();
  goal->pair = g_string_new(NULL);
  return goal;
}

void shop_prepared_goal_set(ShopPreparedGoal *goal, const ShopGoalFacts *facts)
{
  goal->facts = *facts;
  set_all(&goal->attributes, facts->attribute_sets, facts->attributes, facts->n_attributes);
  set_all(&goal->options, NULL, NULL, 0);
  for (guint i = 0; i < facts->n_options; i++)
    add_goal_option(goal, facts->option_names ? facts->option_names[i] : NULL, facts->option_values[i]);
}

void shop_prepared_goal_free(ShopPreparedGoal *goal)
{
  if (!goal)
    return;
  g_byte_array_unref(goal->attributes.bytes);
  g_byte_array_unref(goal->options.bytes);
  g_string_free(goal->pair, TRUE);
  g_free(goal);
}

ShopPreparedProduct *shop_prepared_product_new(void)
{
  ShopPreparedProduct *product = g_new0(ShopPreparedProduct, 1);
  product->attributes.bytes = g_byte_array_new();
  return product;
}

void shop_prepared_product_set(ShopPreparedProduct *product, const ShopProductFacts *facts)
{
  product->facts = *facts;
  set_all(&product->attributes, facts->attribute_sets, facts->attributes, facts->n_attributes);
}

void shop_prepared_product_free(ShopPreparedProduct *product)
{
  if (!product)
    return;
  g_byte_array_unref(product->attributes.bytes);
  g_free(product);
}

void shop_reward_scratch_init(ShopRewardScratch *scratch)
{
  scratch->text = g_string_new(NULL);
  scratch->lower = g_string_new(NULL);
  scratch->bytes = g_byte_array_new();
}

void shop_reward_scratch_clear(ShopRewardScratch *scratch)
{
  g_string_free(scratch->text, TRUE);
  g_string_free(scratch->lower, TRUE);
  g_byte_array_unref(scratch->bytes);
}

/* ------------------------------------------------------------------ type reward */

/* A part of a category path. */
typedef struct {
  const char *text;
  gsize length;
} Part;

#define SEPARATOR "\xe2\x80\xba" /* U+203A */
#define MAX_PARTS 64

static gboolean has_part(const Part *parts, guint n, Part part)
{
  for (guint i = 0; i < n; i++)
    if (parts[i].length == part.length && memcmp(parts[i].text, part.text, part.length) == 0)
      return TRUE;
  return FALSE;
}

/* The different parts of a path; what is beyond MAX_PARTS is left out. */
static guint split_category(const char *path, Part *parts)
{
  guint n = 0;
  for (;;) {
    const char *end = strstr(path, SEPARATOR);
    Part part = {path, end ? (gsize)(end - path) : strlen(path)};
    shop_text_trim(&part.text, &part.length);
    if (n < MAX_PARTS && !has_part(parts, n, part))
      parts[n++] = part;
    if (!end)
      return n;
    path = end + strlen(SEPARATOR);
  }
}

static gboolean categories_match(const char *first, const char *second)
{
  Part first_parts[MAX_PARTS], second_parts[MAX_PARTS];
  guint n_first = split_category(first, first_parts), n_second = split_category(second, second_parts),
        n_common = 0;
  for (guint i = 0; i < n_first; i++)
    n_common += has_part(second_parts, n_second, first_parts[i]);
  return n_common >= 2;
}

static void reward_type(const ShopGoalFacts *goal, const ShopProductFacts *product, ShopReward *reward)
{
  reward->query_match = g_str_equal(goal->query, product->query);
  reward->category_match = categories_match(goal->product_category, product->product_category);
  reward->title_score = goal->nouns->count == 0 ? 0.2
                                                : (double)shop_noun_set_common(goal->nouns, product->nouns) /
                                                      (double)goal->nouns->count;
  reward->r_type = 1.0;
  if (!(reward->query_match || reward->category_match || reward->title_score > 0.2))
    reward->r_type = 0.5;
  if (reward->title_score < 0.1)
    reward->r_type = 0.1;
  if (reward->title_score == 0.0)
    reward->r_type = 0.0;
}

/* ------------------------------------------------------- attributes and options */

static gboolean any_exceeds(const TokenSets *sets, const ShopTokenSet *wanted, ShopFuzzyVariant variant)
{
  Walk have = walk(sets);
  for (const ShopTokenSet *set; (set = next_set(&have));)
    if (shop_token_set_exceeds(set, wanted, MATCH_THRESHOLD, variant))
      return TRUE;
  return FALSE;
}

/* The texts in which an attribute may occur: title, bullets joined by blanks (in `joined`), description. */
enum { N_TEXTS = 3 };

static void find_texts(const ShopProductFacts *product, GString *joined, ShopLowerText texts[N_TEXTS])
{
  g_string_truncate(joined, 0);
  for (guint i = 0; i < product->n_bullets; i++) {
    if (i > 0)
      g_string_append_c(joined, ' ');
    g_string_append(joined, product->bullets[i]);
  }
  texts[0] = shop_lower_text(product->title, strlen(product->title));
  texts[1] = shop_lower_text(joined->str, joined->len);
  texts[2] = shop_lower_text(product->description, strlen(product->description));
}

static guint match_attributes(const ShopPreparedGoal *goal, const ShopPreparedProduct *product,
                              ShopFuzzyVariant variant, ShopRewardScratch *scratch)
{
  Walk asked = walk(&goal->attributes);
  ShopLowerText texts[N_TEXTS];
  gboolean found = FALSE; /* the texts: only when an attribute has to be looked for */
  guint n_matched = 0;
  for (guint i = 0; i < goal->attributes.n; i++) {
    gboolean matches = any_exceeds(&product->attributes, next_set(&asked), variant);
    if (!matches && !found)
      find_texts(&product->facts, scratch->text, texts);
    found = found || !matches;
    for (guint t = 0; !matches && t < N_TEXTS; t++)
      matches = shop_lower_text_holds(&texts[t], goal->facts.attributes[i], scratch->lower);
    n_matched += matches;
  }
  return n_matched;
}

static guint match_options(const ShopPreparedGoal *goal, const char *const *options, guint n_options,
                           ShopFuzzyVariant variant, GByteArray *scratch)
{
  TokenSets chosen = {NULL, scratch, 0};
  g_byte_array_set_size(scratch, 0);
  for (guint i = 0; i < n_options; i++)
    add_set(&chosen, shop_colour_normalise(options[i]));
  Walk asked = walk(&goal->options);
  guint n_matched = 0;
  for (const ShopTokenSet *wanted; (wanted = next_set(&asked));)
    n_matched += any_exceeds(&chosen, wanted, variant);
  return n_matched;
}

void shop_reward(const ShopPreparedGoal *goal, const ShopPreparedProduct *product, double price,
                 const char *const *options, guint n_options, ShopFuzzyVariant variant,
                 ShopRewardScratch *scratch, ShopReward *reward)
{
  guint n_attributes = goal->attributes.n, n_goal_options = goal->options.n;
  double denominator = (double)(n_attributes + n_goal_options + 1);
  memset(reward, 0, sizeof *reward);
  reward_type(&goal->facts, &product->facts, reward);
  reward->r_price = price <= goal->facts.price_upper;
  reward->n_matched_attributes = match_attributes(goal, product, variant, scratch);
  reward->n_matched_options = match_options(goal, options, n_options, variant, scratch->bytes);
  reward->has_options = n_goal_options > 0;
  reward->r_att = n_attributes > 0 ? (double)reward->n_matched_attributes / n_attributes : 0.0;
  reward->r_option = n_goal_options > 0 ? (double)reward->n_matched_options / n_goal_options : 0.0;
  reward->w_att = n_attributes / denominator;
  reward->w_option = n_goal_options / denominator;
  reward->w_price = 1.0 / denominator;
  reward->total =
      (reward->n_matched_attributes + reward->n_matched_options + (reward->r_price ? 1 : 0)) / denominator;
  reward->total *= reward->r_type;
}
