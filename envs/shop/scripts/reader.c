/* The reader: a shopper who knows nothing but what stands on the pages. It asks for what the instruction
 * says, opens the results from the first on, goes back from a product that lacks an option or costs too much,
 * and buys the first that fits with the options chosen. What it remembers is in the session, so that it can
 * also say what it would do where another agent has gone. */
#include "envs/shop/scripts/scripts.h"
#include "envs/shop/session/queries.h"
#include "envs/shop/text/text.h"

#include <string.h>

/* So many products are looked at; when none fits, the first is bought after all. With the search and four
 * steps to choose two options and to buy, that stays within fifteen steps. */
#define MOST_LOOKS 5

/* The place, among those made from an instruction, of the query that names the wanted options twice. On train
 * goals of the 1,000-product shop it serves the reader better than the two before it
 * (docs/results/taught.md). */
#define BEST_QUERY 2

typedef struct {
  guint32 settling; /* nothing else is left to look at: the first product is bought */
  guint32 n_clicks; /* options clicked on the present product */
} Memory;

/* A wanted option, as the instruction words it; texts are not terminated. */
typedef struct {
  const char *name, *value;
  gsize name_length, value_length;
} Wanted;

static gboolean is_text(const ShopCatalogue *catalogue, ShopString string, const char *text, gsize length)
{
  return shop_string_length(catalogue, string) == length &&
         memcmp(shop_string(catalogue, string), text, length) == 0;
}

/* Takes the first "name: value" off *rest, which ends at `end`. */
static gboolean next_wanted(const char **rest, const char *end, Wanted *wanted)
{
  static const char separator[] = ", and ";
  if (*rest >= end)
    return FALSE;
  const char *start = *rest, *stop = g_strstr_len(start, end - start, separator);
  *rest = stop ? stop + strlen(separator) : end;
  stop = stop ? stop : end;
  const char *colon = g_strstr_len(start, stop - start, ": ");
  *wanted = (Wanted){.name = start,
                     .name_length = colon ? (gsize)(colon - start) : 0,
                     .value = colon ? colon + strlen(": ") : start};
  wanted->value_length = (gsize)(stop - wanted->value);
  return TRUE;
}

/* The candidate that chooses a wanted option, of the group of that name if there are several; -1 when the
 * page has none. *clicked says whether it is chosen already. */
static gint find_option(ShopSession *session, const Wanted *wanted, gboolean *clicked)
{
  const ShopCatalogue *catalogue = shop_session_world(session)->catalogue;
  const ShopProduct *product = &catalogue->products[shop_session_product(session)];
  guint n;
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  gint found = -1;
  for (guint i = 0; i < n; i++) {
    if (candidates[i].kind != SHOP_ACTION_OPTION)
      continue;
    const ShopOptionTarget *target = &catalogue->targets[candidates[i].argument];
    if (!is_text(catalogue, target->value, wanted->value, wanted->value_length))
      continue;
    const ShopOptionGroup *group = &catalogue->groups[product->groups.first + target->group];
    gboolean named = is_text(catalogue, group->name, wanted->name, wanted->name_length);
    if (found >= 0 && !named)
      continue;
    found = (gint)i;
    *clicked = shop_session_selected(session, target->group) == target->value;
    if (named)
      break;
  }
  return found;
}

static gint on_search_page(ShopSession *session, gpointer data)
{
  ((Memory *)data)->settling = FALSE;
  guint n, n_queries = 0;
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  while (n_queries < n && candidates[n_queries].kind == SHOP_ACTION_SEARCH)
    n_queries++;
  return (gint)MIN(BEST_QUERY + 1, n_queries) - 1;
}

static gboolean is_affordable(const ShopSession *session, guint32 product)
{
  return shop_session_world(session)->catalogue->products[product].prices[0] <=
         shop_session_goal(session)->price_upper;
}

static gint on_results_page(ShopSession *session, gpointer data)
{
  Memory *memory = data;
  guint n, n_looks;
  const guint32 *looks = shop_session_all_visited(session, &n_looks);
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  memory->n_clicks = 0;
  for (guint i = 0; i < n && n_looks < MOST_LOOKS; i++)
    if (candidates[i].kind == SHOP_ACTION_ITEM && !shop_session_visited(session, candidates[i].argument) &&
        is_affordable(session, candidates[i].argument))
      return (gint)i;
  memory->settling = TRUE;
  for (guint i = 0; i < n; i++)
    if (candidates[i].kind == SHOP_ACTION_ITEM && (n_looks == 0 || candidates[i].argument == looks[0]))
      return (gint)i;
  return shop_script_find(session, SHOP_ACTION_BACK_TO_SEARCH, G_MAXUINT32);
}

static gint on_item_page(ShopSession *session, gpointer data)
{
  Memory *memory = data;
  g_autoptr(GString) text = g_string_new(NULL);
  const char *instruction = shop_session_goal(session)->instruction->str, *rest, *end;
  shop_text_append_lower(text, instruction, strlen(instruction));
  gint open = -1;
  gboolean fits = TRUE;
  Wanted wanted;
  shop_queries_find_options(text->str, &rest, &end);
  while (next_wanted(&rest, end, &wanted)) {
    gboolean clicked = FALSE;
    gint option = find_option(session, &wanted, &clicked);
    fits = fits && option >= 0;
    if (open < 0 && option >= 0 && !clicked)
      open = option;
  }
  guint n_looks;
  const guint32 *looks = shop_session_all_visited(session, &n_looks);
  gboolean is_last_resort = memory->settling && n_looks > 0 && shop_session_product(session) == looks[0];
  if (!fits && !is_last_resort)
    return shop_script_find(session, SHOP_ACTION_PREVIOUS, G_MAXUINT32);
  /* A click that a quirk of the site swallows is not made for ever. */
  return open >= 0 && memory->n_clicks++ < 2 * MOST_LOOKS
             ? open
             : shop_script_find(session, SHOP_ACTION_BUY, G_MAXUINT32);
}

gint shop_reader_action(ShopSession *session, GError **error)
{
  static const ShopScript script = {"reader", on_search_page, on_results_page, on_item_page};
  return shop_script_act(session, &script, shop_session_script_memory(session, sizeof(Memory)), error);
}
