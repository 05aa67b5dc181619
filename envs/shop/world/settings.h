/* The settings that every shop has, and the rows of an option table that fill them. */
#ifndef SHOP_SETTINGS_H
#define SHOP_SETTINGS_H

#include <cartwright/option.h>

typedef enum { SHOP_OBSERVATION_TEXT, SHOP_OBSERVATION_TEXT_RICH } ShopObservationMode;
/* faithful: every quirk of the original that changes an observation, a transition or a reward; fixed: the
 * corrections of docs/spec 11. */
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
  gint protocol;    /* ShopProtocol */
  gint similarity;  /* ShopSimilarity */
  char *nouns_file; /* or NULL */
  double expert_detours;
  gint recorded_searches; /* ShopRecordedSearches */
  gboolean mark_clicked;
  gboolean show_attributes;
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
extern const char *const shop_protocol_names[];

/* A row of an option table for `member` of struct `Options`, called `key`. */
#define SHOP_ROW(Options, member, key, kind, ...)                                                            \
  {                                                                                                          \
    .name = key, .type = kind, .offset = offsetof(Options, member), __VA_ARGS__                              \
  }
#define SHOP_TEXT(Options, member, key, start, text)                                                         \
  SHOP_ROW(Options, member, key, CW_OPTION_STRING, .default_value = start, .help = text)
#define SHOP_PATH(Options, member, key, text) SHOP_ROW(Options, member, key, CW_OPTION_PATH, .help = text)
#define SHOP_ENUM(Options, member, key, start, names, text)                                                  \
  SHOP_ROW(Options, member, key, CW_OPTION_ENUM, .default_value = start, .values = names, .help = text)
#define SHOP_NUMBER(Options, member, key, start, low, high, text)                                            \
  SHOP_ROW(Options, member, key, CW_OPTION_NUMBER, .default_value = start, .minimum = low, .maximum = high,  \
           .help = text)
#define SHOP_COUNT(Options, member, key, start, low, high, of, text)                                         \
  SHOP_ROW(Options, member, key, CW_OPTION_INTEGER, .default_value = start, .minimum = low, .maximum = high, \
           .unit = of, .help = text)
#define SHOP_SEED(Options, member, key, start, text)                                                         \
  SHOP_COUNT(Options, member, key, start, 0, 4294967295.0, NULL, text)

/* Rows that several tables have. */
#define SHOP_NOUNS_ROW(Options, member)                                                                      \
  SHOP_PATH(Options, member, "nouns_file",                                                                   \
            "nouns of the titles as a tagger of yours found them: a JSON object from ASIN or title to a "    \
            "list; without it the built-in tagger finds them")
#define SHOP_PRICES_ROW(Options, member, text)                                                               \
  SHOP_ENUM(Options, member, "prices", "drawn", shop_price_rule_names, text)
#define SHOP_GOALS_PER_PRODUCT_ROW(Options, member, text)                                                    \
  SHOP_COUNT(Options, member, "goals_per_product", "5", 0, 1000000, "goals", text)

/* The rows that fill a ShopSettings which is member `s` of struct `Options`. */
#define SHOP_SETTING_ROWS(Options, s)                                                                        \
  SHOP_ENUM(                                                                                                 \
      Options, s.observation, "observation", "text_rich", shop_observation_names,                            \
      "how a page is written: text (pieces joined by [SEP]) or text_rich (a line a piece, buttons marked)"), \
      SHOP_ENUM(                                                                                             \
          Options, s.goals, "goals", "synthetic", shop_goal_kind_names,                                      \
          "the instructions to shop for: synthetic (one per option combination) or human (crowd-written)"),  \
      SHOP_ENUM(Options, s.mode, "mode", "faithful", shop_mode_names,                                        \
                "faithful: the original with its quirks; fixed: with its defects corrected"),                \
      SHOP_ENUM(Options, s.candidates, "candidates", "honest", shop_candidate_mode_names,                    \
                "the actions to choose from: honest (queries made from the instruction, nothing dropped by " \
                "looking at the goal) or upstream (privileged queries and a random cut to 16, as the "       \
                "original wrapper)"),                                                                        \
      SHOP_COUNT(Options, s.max_candidates, "max_candidates", "0", 0, 100000, "actions",                     \
                 "honest candidates are cut after so many, in page order; 0: never"),                        \
      SHOP_COUNT(Options, s.step_limit, "step_limit", "100", 0, 1000000, "steps",                            \
                 "an episode is truncated after so many steps; 0: never"),                                   \
      SHOP_ENUM(Options, s.split_rule, "split_rule", "by_product", shop_split_rule_names,                    \
                "by_product: a hash of the ASIN puts a product in train, dev or test; upstream: goals "      \
                "0-499 test, 500-1499 dev, the rest train; verl_first_validation: test is the 256 episodes " \
                "of verl-agent's first validation with env.seed = price_seed, and there is no train (with "  \
                "protocol: verl_agent)"),                                                                    \
      SHOP_GOALS_PER_PRODUCT_ROW(Options, s.goals_per_product,                                               \
                                 "by_product takes at most so many goals of a product; 0: all"),             \
      SHOP_NUMBER(Options, s.expert_detours, "expert_detours", "0.1", 0, 1,                                  \
                  "how often the scripted expert strays where it could: a poorer query, another product, a " \
                  "look around"),                                                                            \
      SHOP_ENUM(Options, s.recorded_searches, "recorded_searches", "added", shop_recorded_search_names,      \
                "a recorded search that an import may add to the candidates: added as it is, or replaced "   \
                "by the nearest candidate, whose results are most like its own"),                            \
      SHOP_ROW(Options, s.mark_clicked, "mark_clicked", CW_OPTION_BOOLEAN, .default_value = "false",         \
               .help = "candidates that were clicked already, products opened since the last search page "   \
                       "and chosen options, begin with '[clicked button] '"),                                \
      SHOP_ROW(Options, s.show_attributes, "show_attributes", CW_OPTION_BOOLEAN, .flags = CW_OPTION_LATER,   \
               .default_value = "false",                                                                     \
               .help = "items have a fourth sub page, Attributes, as the site has with --attrs"),            \
      SHOP_PRICES_ROW(                                                                                       \
          Options, s.prices,                                                                                 \
          "what a price range stands for in the reward: drawn (uniform, from price_seed) or middle"),        \
      SHOP_SEED(                                                                                             \
          Options, s.price_seed, "price_seed", "233",                                                        \
          "seeds the price draws and the price bounds of the goals (the original draws them unseeded)"),     \
      SHOP_ROW(                                                                                              \
          Options, s.protocol, "protocol", CW_OPTION_ENUM, .flags = CW_OPTION_LATER,                         \
          .default_value = "cartwright", .values = shop_protocol_names,                                      \
          .help =                                                                                            \
              "whose random numbers draw prices, bounds and goal order from price_seed, and whose matcher "  \
              "by_mode means: cartwright, or princeton, verl_agent, agentgym, minimal as those programs "    \
              "do"),                                                                                         \
      SHOP_ENUM(                                                                                             \
          Options, s.similarity, "similarity", "by_mode", shop_similarity_names,                             \
          "the matcher behind the reward's token_set_ratio: difflib (thefuzz alone), lcs (with "             \
          "Levenshtein), or by_mode: the protocol's, and of cartwright difflib in faithful, lcs in fixed"),  \
      SHOP_NOUNS_ROW(Options, s.nouns_file)

#endif
