/* The scripted expert: it knows the goal and shops as a careful person would. It tries the queries an agent
 * may choose from, turns pages to the product, opens it, reads about it, selects the wanted options and buys.
 * Now and then it strays: a poorer query first, a look at another product of the page, a look at the
 * description or the features. It takes only actions that are candidates. */
#ifndef SHOP_EXPERT_H
#define SHOP_EXPERT_H

#include "envs/shop/session/session.h"

/* The candidate the expert takes now. The setting expert_detours is its chance of straying where it could; at
 * most two other products are opened in an episode. Its randomness comes from the session's stream. Called
 * once per step. -1 with CW_ENVIRONMENT_ERROR when the page has no candidate to go on with. */
gint shop_expert_action(ShopSession *session, GError **error);

#endif
