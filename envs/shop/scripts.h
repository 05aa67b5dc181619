/* Scripted shoppers. Each returns the index of the candidate it takes now, or -1
 * with error. */
#ifndef SHOP_SCRIPTS_H
#define SHOP_SCRIPTS_H

#include "envs/shop/session.h"

/* "rule" (webshop-spec 7.7): searches the instruction as it stands, opens the
 * first result, buys it without choosing an option. */
gint shop_rule_action(ShopSession *session, GError **error);

#endif
