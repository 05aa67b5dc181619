/* The shared part of a shop: catalogue, index, goals, splits and settings, the same for the shop loaded from
 * files and the generated one. Built once, read-only afterwards; sessions of any number of threads read it.
 */
#ifndef SHOP_WORLD_H
#define SHOP_WORLD_H

#include "envs/shop/catalogue/catalogue.h"
#include "envs/shop/file/file.h"
#include "envs/shop/goals/goals.h"
#include "envs/shop/goals/splits.h"
#include "envs/shop/reward/reward.h"
#include "envs/shop/reward/reward_tables.h"
#include "envs/shop/search/search.h"

#include <cartwright/option.h>

typedef enum { SHOP_OBSERVATION_TEXT, SHOP_OBSERVATION_TEXT_RICH } ShopObservationMode;
/* faithful: every quirk of the original that changes an observation, a transition or a reward; fixed: the
 * corrections of webshop-spec 11. */
typedef enum { SHOP_MODE_FAITHFUL, SHOP_MODE_FIXED } ShopMode;
/* Which token_set_ratio the reward uses: as the mode says (difflib in faithful, lcs in fixed), or one of the
 * two by name. */
typedef enum { SHOP_SIMILARITY_BY_MODE, SHOP_SIMILARITY_DIFFLIB, SHOP_SIMILARITY_LCS } ShopSimilarity;
typedef enum { SHOP_CANDIDATES_HONEST, SHOP_CANDIDATES_UPSTREAM } ShopCandidateMode;
/* What becomes of a recorded search that is not among the candidates. */
typedef enum { SHOP_SEARCHES_ADDED, SHOP_SEARCHES_NEAREST } ShopRecordedSearches;

/* The settings that every shop has, as option rows fill them. */
typedef struct ShopSettings {
  gint observation; /* ShopObservationMode */
  gint goals;       /* ShopGoalKind */
  gint mode;        /* ShopMode */
  gint candidates;  /* ShopCandidateMode */
  gint64 max_candidates;
  gint64 step_limit;
  gint split_rule; /* ShopSplitRule */
  gint64 goals_per_product;
  gint prices; /* ShopPriceRule */
  gint64 price_seed;
  gint similarity;  /* ShopSimilarity */
  char *nouns_file; /* or NULL */
  double expert_detours;
  gint recorded_searches; /* ShopRecordedSearches */
  gboolean mark_clicked;
} ShopSettings;

/* Names of the enumerations above, NULL-terminated, for option rows. */
extern const char *const shop_observation_names[];
extern const char *const shop_goal_kind_names[];
extern const char *const shop_mode_names[];
extern const char *const shop_candidate_mode_names[];
extern const char *const shop_recorded_search_names[];
extern const char *const shop_split_rule_names[];
extern const char *const shop_price_rule_names[];
extern const char *const shop_similarity_names[];

/* The rows that fill a ShopSettings which is member `settings` of struct `Options`. */
#define SHOP_SETTING(Options, settings, member) offsetof(Options, settings.member)
#define SHOP_SETTING_ROWS(Options, settings)                                                                 \
  {.name = "observation",                                                                                    \
   .type = CW_OPTION_ENUM,                                                                                   \
   .offset = SHOP_SETTING(Options, settings, observation),                                                   \
   .default_value = "text_rich",                                                                             \
   .values = shop_observation_names,                                                                         \
   .help = "how a page is written: text (pieces joined by [SEP]) or text_rich (a line a piece, buttons "     \
           "marked)"},                                                                                       \
      {.name = "goals",                                                                                      \
       .type = CW_OPTION_ENUM,                                                                               \
       .offset = SHOP_SETTING(Options, settings, goals),                                                     \
       .default_value = "synthetic",                                                                         \
       .values = shop_goal_kind_names,                                                                       \
       .help =                                                                                               \
           "the instructions to shop for: synthetic (one per option combination) or human (crowd-written)"}, \
      {.name = "mode",                                                                                       \
       .type = CW_OPTION_ENUM,                                                                               \
       .offset = SHOP_SETTING(Options, settings, mode),                                                      \
       .default_value = "faithful",                                                                          \
       .values = shop_mode_names,                                                                            \
       .help = "faithful: the original with its quirks; fixed: with its defects corrected"},                 \
      {.name = "candidates",                                                                                 \
       .type = CW_OPTION_ENUM,                                                                               \
       .offset = SHOP_SETTING(Options, settings, candidates),                                                \
       .default_value = "honest",                                                                            \
       .values = shop_candidate_mode_names,                                                                  \
       .help =                                                                                               \
           "the actions to choose from: honest (queries made from the instruction, nothing dropped by "      \
           "looking at "                                                                                     \
           "the goal) or upstream (privileged queries and a random cut to 16, as the original wrapper)"},    \
      {.name = "max_candidates",                                                                             \
       .type = CW_OPTION_INTEGER,                                                                            \
       .offset = SHOP_SETTING(Options, settings, max_candidates),                                            \
       .default_value = "0",                                                                                 \
       .minimum = 0,                                                                                         \
       .maximum = 100000,                                                                                    \
       .unit = "actions",                                                                                    \
       .help = "honest candidates are cut after so many, in page order; 0: never"},                          \
      {.name = "step_limit",                                                                                 \
       .type = CW_OPTION_INTEGER,                                                                            \
       .offset = SHOP_SETTING(Options, settings, step_limit),                                                \
       .default_value = "100",                                                                               \
       .minimum = 0,                                                                                         \
       .maximum = 1000000,                                                                                   \
       .unit = "steps",                                                                                      \
       .help = "an episode is truncated after so many steps; 0: never"},                                     \
      {.name = "split_rule",                                                                                 \
       .type = CW_OPTION_ENUM,                                                                               \
       .offset = SHOP_SETTING(Options, settings, split_rule),                                                \
       .default_value = "by_product",                                                                        \
       .values = shop_split_rule_names,                                                                      \
       .help = "by_product: a hash of the ASIN puts a product in train, dev or test; upstream: goals 0-499 " \
               "test, "                                                                                      \
               "500-1499 dev, the rest train"},                                                              \
      {.name = "goals_per_product",                                                                          \
       .type = CW_OPTION_INTEGER,                                                                            \
       .offset = SHOP_SETTING(Options, settings, goals_per_product),                                         \
       .default_value = "5",                                                                                 \
       .minimum = 0,                                                                                         \
       .maximum = 1000000,                                                                                   \
       .unit = "goals",                                                                                      \
       .help = "by_product takes at most so many goals of a product; 0: all"},                               \
      {.name = "expert_detours",                                                                             \
       .type = CW_OPTION_NUMBER,                                                                             \
       .offset = SHOP_SETTING(Options, settings, expert_detours),                                            \
       .default_value = "0.1",                                                                               \
       .minimum = 0,                                                                                         \
       .maximum = 1,                                                                                         \
       .help = "how often the scripted expert strays where it could: a poorer query, another product, a "    \
               "look around"},                                                                               \
      {.name = "recorded_searches",                                                                          \
       .type = CW_OPTION_ENUM,                                                                               \
       .offset = SHOP_SETTING(Options, settings, recorded_searches),                                         \
       .default_value = "added",                                                                             \
       .values = shop_recorded_search_names,                                                                 \
       .help =                                                                                               \
           "a recorded search that an import may add to the candidates: added as it is, or replaced by the " \
           "nearest candidate, whose results are most like its own"},                                        \
      {.name = "mark_clicked",                                                                               \
       .type = CW_OPTION_BOOLEAN,                                                                            \
       .offset = SHOP_SETTING(Options, settings, mark_clicked),                                              \
       .default_value = "false",                                                                             \
       .help = "candidates that were clicked already, products opened since the last search page and "       \
               "chosen options, "                                                                            \
               "begin with '[clicked button] '"},                                                            \
      {.name = "prices",                                                                                     \
       .type = CW_OPTION_ENUM,                                                                               \
       .offset = SHOP_SETTING(Options, settings, prices),                                                    \
       .default_value = "drawn",                                                                             \
       .values = shop_price_rule_names,                                                                      \
       .help = "what a price range stands for in the reward: drawn (uniform, from price_seed) or middle"},   \
      {.name = "price_seed",                                                                                 \
       .type = CW_OPTION_INTEGER,                                                                            \
       .offset = SHOP_SETTING(Options, settings, price_seed),                                                \
       .default_value = "233",                                                                               \
       .minimum = 0,                                                                                         \
       .maximum = 4294967295.0,                                                                              \
       .help =                                                                                               \
           "seeds the price draws and the price bounds of the goals (the original draws them unseeded)"},    \
      {.name = "similarity",                                                                                 \
       .type = CW_OPTION_ENUM,                                                                               \
       .offset = SHOP_SETTING(Options, settings, similarity),                                                \
       .default_value = "by_mode",                                                                           \
       .values = shop_similarity_names,                                                                      \
       .help = "the matcher behind the reward's token_set_ratio: difflib (thefuzz alone), lcs (with "        \
               "Levenshtein), or "                                                                           \
               "by_mode: difflib in faithful, lcs in fixed"},                                                \
  {                                                                                                          \
    .name = "nouns_file", .type = CW_OPTION_PATH, .offset = SHOP_SETTING(Options, settings, nouns_file),     \
    .help =                                                                                                  \
        "nouns of the titles as a tagger of yours found them: a JSON object from ASIN or title to a list; "  \
        "without it the built-in tagger finds them"                                                          \
  }

/* The buffers of shop_world_reward, one set for each call that runs at a time. */
typedef struct ShopRewardPool ShopRewardPool;

typedef struct ShopWorld {
  char *prefix; /* of goal ids: "webshop" */
  char *name;   /* of the catalogue, for people */
  ShopSettings settings;
  ShopCatalogue *catalogue;
  ShopIndex *index; /* document numbers are product indices */
  ShopGoals *goals;
  ShopSplits *splits;
  ShopRewardTables *rewards;
  ShopRewardPool *reward_pool;
  ShopFuzzyVariant fuzzy_variant;
  const guint32
      *title_owner; /* with upstream candidates: per product the last one with the same lower-cased title */
  guint32 *owned_title_owner; /* the same, when it is not the file's */
  gboolean nouns_are_given;   /* the shop file was made with a file of nouns */
  ShopFile *file;             /* that the rest lies in, or NULL */
  char **facts;               /* NULL-terminated pairs for describe */
} ShopWorld;

/* Builds index, goals and splits over `catalogue`, which is taken over (also on failure). */
ShopWorld *shop_world_new(ShopCatalogue *catalogue, const char *prefix, const char *name,
                          const ShopSettings *settings, GError **error);
void shop_world_free(ShopWorld *world); /* accepts NULL */

/* The reward of buying `product` with the chosen option values for `goal`. Any number of threads may call it;
 * nothing is allocated once as many calls as run at a time have grown their buffers. */
void shop_world_reward(const ShopWorld *world, const ShopGoalView *goal, guint32 product,
                       const char *const *values, guint n_values, ShopReward *reward);

#endif
