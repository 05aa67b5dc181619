/* The rule agent: the baseline that every learnt agent has to beat. It keeps no
 * memory and never looks at the goal. */
#include "envs/shop/scripts.h"

#include <cartwright/error.h>

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
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED, "script 'rule': the episode is over, reset first");
  return -1;
}
