/* The reward of a purchase: does the kind of product, do its attributes, the
 * chosen options and the price fit the goal. Prepared goals and products hold
 * their token sets one after the other in one byte array each. */
#include "envs/shop/reward.h"

#include "envs/shop/colour.h"
#include "envs/shop/text.h"

#include <string.h>

/* Texts this alike count as the same. */
#define MATCH_THRESHOLD 85

/* Token sets in a row. */
typedef struct {
  GByteArray *bytes;
  guint n;
} TokenSets;

struct ShopPreparedGoal {
  const char *query, *product_category;
  const ShopNounSet *nouns;
  TokenSets attributes, options;
  char **attribute_texts;
  double price_upper;
};

struct ShopPreparedProduct {
  ShopProductFacts facts;
  TokenSets attributes;
};

static const ShopTokenSet *first_set(const TokenSets *sets)
{
  return (const ShopTokenSet *)(gconstpointer)sets->bytes->data;
}

static const ShopTokenSet *next_set(const ShopTokenSet *set)
{
  return (const ShopTokenSet *)(gconstpointer)((const char *)set + shop_token_set_size(set));
}

static void add_set(TokenSets *sets, const char *text)
{
  shop_token_set_append(sets->bytes, text);
  sets->n++;
}

/* A goal's option as it is compared: its colour word if it has one; a pair otherwise in the source notation of the
 * original's language, ('size', 'xl'), of which cleaning leaves the words of name and value. */
static void add_goal_option(TokenSets *sets, const char *name, const char *value)
{
  if (!name) {
    add_set(sets, shop_colour_normalise(value));
    return;
  }
  const char *colour = shop_colour_find_equal(name, value);
  if (colour) {
    add_set(sets, colour);
    return;
  }
  GString *pair = g_string_new("(");
  shop_text_append_quoted(pair, name);
  g_string_append(pair, ", ");
  shop_text_append_quoted(pair, value);
  g_string_append_c(pair, ')');
  add_set(sets, pair->str);
  g_string_free(pair, TRUE);
}

ShopPreparedGoal *shop_prepared_goal_new(const ShopGoalFacts *facts)
{
  ShopPreparedGoal *goal = g_new0(ShopPreparedGoal, 1);
  goal->query = facts->query;
  goal->product_category = facts->product_category;
  goal->nouns = facts->nouns;
  goal->price_upper = facts->price_upper;
  goal->attributes.bytes = g_byte_array_new();
  goal->options.bytes = g_byte_array_new();
  goal->attribute_texts = g_new0(char *, facts->n_attributes + 1);
  for (guint i = 0; i < facts->n_attributes; i++) {
    goal->attribute_texts[i] = g_strdup(facts->attributes[i]);
    add_set(&goal->attributes, facts->attributes[i]);
  }
  for (guint i = 0; i < facts->n_options; i++)
    add_goal_option(&goal->options, facts->option_names ? facts->option_names[i] : NULL, facts->option_values[i]);
  return goal;
}

void shop_prepared_goal_free(ShopPreparedGoal *goal)
{
  if (!goal)
    return;
  g_byte_array_unref(goal->attributes.bytes);
  g_byte_array_unref(goal->options.bytes);
  g_strfreev(goal->attribute_texts);
  g_free(goal);
}

ShopPreparedProduct *shop_prepared_product_new(const ShopProductFacts *facts)
{
  ShopPreparedProduct *product = g_new0(ShopPreparedProduct, 1);
  product->facts = *facts;
  product->attributes.bytes = g_byte_array_new();
  for (guint i = 0; i < facts->n_attributes; i++)
    add_set(&product->attributes, facts->attributes[i]);
  return product;
}

void shop_prepared_product_free(ShopPreparedProduct *product)
{
  if (!product)
    return;
  g_byte_array_unref(product->attributes.bytes);
  g_free(product);
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
  guint n_first = split_category(first, first_parts), n_second = split_category(second, second_parts), n_common = 0;
  for (guint i = 0; i < n_first; i++)
    n_common += has_part(second_parts, n_second, first_parts[i]);
  return n_common >= 2;
}

static void reward_type(const ShopPreparedGoal *goal, const ShopProductFacts *product, ShopReward *reward)
{
  reward->query_match = g_str_equal(goal->query, product->query);
  reward->category_match = categories_match(goal->product_category, product->product_category);
  reward->title_score = goal->nouns->count == 0
                            ? 0.2
                            : (double)shop_noun_set_common(goal->nouns, product->nouns) / (double)goal->nouns->count;
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
  const ShopTokenSet *set = first_set(sets);
  for (guint i = 0; i < sets->n; i++, set = next_set(set))
    if (shop_token_set_exceeds(set, wanted, MATCH_THRESHOLD, variant))
      return TRUE;
  return FALSE;
}

/* Writes the texts in which an attribute may occur, in lower case, as three strings one after the other; the two
 * positions are where the second and the third begin. */
static void write_texts(const ShopProductFacts *product, GString *out, gsize starts[2])
{
  g_string_truncate(out, 0);
  shop_text_append_lower(out, product->title, strlen(product->title));
  g_string_append_c(out, '\0');
  starts[0] = out->len;
  for (guint i = 0; i < product->n_bullets; i++) {
    if (i > 0)
      g_string_append_c(out, ' ');
    shop_text_append_lower(out, product->bullets[i], strlen(product->bullets[i]));
  }
  g_string_append_c(out, '\0');
  starts[1] = out->len;
  shop_text_append_lower(out, product->description, strlen(product->description));
}

static guint match_attributes(const ShopPreparedGoal *goal, const ShopPreparedProduct *product,
                              ShopFuzzyVariant variant, GString *scratch)
{
  const ShopTokenSet *wanted = first_set(&goal->attributes);
  gboolean written = FALSE;
  gsize starts[2] = {0, 0};
  guint n_matched = 0;
  for (guint i = 0; i < goal->attributes.n; i++, wanted = next_set(wanted)) {
    const char *text = goal->attribute_texts[i];
    if (any_exceeds(&product->attributes, wanted, variant)) {
      n_matched++;
      continue;
    }
    if (!written)
      write_texts(&product->facts, scratch, starts);
    written = TRUE;
    n_matched +=
        strstr(scratch->str, text) || strstr(scratch->str + starts[0], text) || strstr(scratch->str + starts[1], text);
  }
  return n_matched;
}

static guint match_options(const ShopPreparedGoal *goal, const char *const *options, guint n_options,
                           ShopFuzzyVariant variant)
{
  TokenSets chosen = {g_byte_array_new(), 0};
  for (guint i = 0; i < n_options; i++)
    add_set(&chosen, shop_colour_normalise(options[i]));
  const ShopTokenSet *wanted = first_set(&goal->options);
  guint n_matched = 0;
  for (guint i = 0; i < goal->options.n; i++, wanted = next_set(wanted))
    n_matched += any_exceeds(&chosen, wanted, variant);
  g_byte_array_unref(chosen.bytes);
  return n_matched;
}

void shop_reward(const ShopPreparedGoal *goal, const ShopPreparedProduct *product, double price,
                 const char *const *options, guint n_options, ShopFuzzyVariant variant, GString *scratch,
                 ShopReward *reward)
{
  guint n_attributes = goal->attributes.n, n_goal_options = goal->options.n;
  double denominator = (double)(n_attributes + n_goal_options + 1);
  memset(reward, 0, sizeof *reward);
  reward_type(goal, &product->facts, reward);
  reward->r_price = price <= goal->price_upper;
  reward->n_matched_attributes = match_attributes(goal, product, variant, scratch);
  reward->n_matched_options = match_options(goal, options, n_options, variant);
  reward->has_options = n_goal_options > 0;
  reward->r_att = n_attributes > 0 ? (double)reward->n_matched_attributes / n_attributes : 0.0;
  reward->r_option = n_goal_options > 0 ? (double)reward->n_matched_options / n_goal_options : 0.0;
  reward->w_att = n_attributes / denominator;
  reward->w_option = n_goal_options / denominator;
  reward->w_price = 1.0 / denominator;
  reward->total = (reward->n_matched_attributes + reward->n_matched_options + (reward->r_price ? 1 : 0)) / denominator;
  reward->total *= reward->r_type;
}
