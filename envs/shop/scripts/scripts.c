/* The rule agent, which keeps no memory and never looks at the goal, and what the scripts have in common. */
#include "envs/shop/scripts/scripts.h"

#include "envs/shop/text/fail.h"

#include <string.h>

gint shop_script_find(ShopSession *session, ShopActionKind kind, guint32 argument)
{
  guint n;
  const ShopCandidate *candidates = shop_session_candidates(session, &n);
  for (guint i = 0; i < n; i++)
    if (candidates[i].kind == kind && (argument == G_MAXUINT32 || candidates[i].argument == argument))
      return (gint)i;
  return -1;
}

guint shop_script_rank(const guint32 *results, guint n, guint32 product)
{
  for (guint i = 0; i < n; i++)
    if (results[i] == product)
      return i;
  return G_MAXUINT;
}

gint shop_script_approach(ShopSession *session, guint rank, guint32 product)
{
  guint page = rank / SHOP_ITEMS_PER_PAGE + 1, present = (guint)shop_session_page_number(session);
  if (page == present)
    return shop_script_find(session, SHOP_ACTION_ITEM, product);
  return shop_script_find(session, page > present ? SHOP_ACTION_NEXT : SHOP_ACTION_PREVIOUS, G_MAXUINT32);
}

guint shop_script_search(const ShopWorld *world, const char *action, guint32 *found)
{
  const char *argument = action + strlen("search[");
  g_autofree char *query = g_strndup(argument, strlen(argument) - 1);
  guint n = shop_index_search(world->index, query, SHOP_SCRIPT_RESULTS, found);
  return n == SHOP_INDEX_TOO_MANY_TERMS ? 0 : n;
}

gint shop_script_act(ShopSession *session, const ShopScript *script, gpointer memory, GError **error)
{
  ShopPage page = shop_session_page(session);
  gint candidate = page == SHOP_PAGE_SEARCH    ? script->on_search(session, memory)
                   : page == SHOP_PAGE_RESULTS ? script->on_results(session, memory)
                   : page == SHOP_PAGE_ITEM    ? script->on_item(session, memory)
                   : page == SHOP_PAGE_SUB     ? shop_script_find(session, SHOP_ACTION_PREVIOUS, G_MAXUINT32)
                                               : -1;
  if (candidate < 0)
    candidate = shop_script_find(session, SHOP_ACTION_BUY, G_MAXUINT32);
  if (candidate < 0)
    candidate = shop_script_find(session, SHOP_ACTION_BACK_TO_SEARCH, G_MAXUINT32);
  if (candidate < 0)
    shop_fail(
        error, CW_ERROR_FAILED,
        "the %s finds nothing to do on this page: expected a search, a product, 'buy now' or 'back to "
        "search' among the candidates; with upstream candidates or max_candidates they may have been cut",
        script->name);
  return candidate;
}

gint shop_rule_action(ShopSession *session, GError **error)
{
  guint n_candidates;
  const ShopCandidate *candidates = shop_session_candidates(session, &n_candidates);
  ShopPage page = shop_session_page(session);
  ShopActionKind wanted = page == SHOP_PAGE_RESULTS ? SHOP_ACTION_ITEM
                          : page == SHOP_PAGE_ITEM  ? SHOP_ACTION_BUY
                          : page == SHOP_PAGE_SUB   ? SHOP_ACTION_PREVIOUS
                                                    : SHOP_ACTION_SEARCH;
  if (page == SHOP_PAGE_SEARCH)
    return (gint)shop_session_add_search(session, shop_session_goal(session)->instruction->str);
  for (guint i = 0; i < n_candidates; i++)
    if (candidates[i].kind == wanted)
      return (gint)i;
  if (page == SHOP_PAGE_RESULTS && n_candidates > 0)
    return 0; /* nothing was found: back to the search page, until the step limit */
  shop_fail(error, CW_ERROR_FAILED, "script 'rule': the episode is over, reset first");
  return -1;
}
