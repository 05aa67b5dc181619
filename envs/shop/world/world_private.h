/* What building a world and opening one from a shop file share. */
#ifndef SHOP_WORLD_PRIVATE_H
#define SHOP_WORLD_PRIVATE_H

#include "envs/shop/world/world.h"

/* A world with nothing but its catalogue (taken over), name and settings. */
ShopWorld *shop_world_begin(ShopCatalogue *catalogue, const char *prefix, const char *name,
                            const ShopSettings *settings);
/* Adds the facts; frees the world and returns NULL unless `good`. */
ShopWorld *shop_world_end(ShopWorld *world, gboolean good);

/* Draws the goals anew where the settings ask for another program's protocol. */
gboolean shop_world_follow_protocol(ShopWorld *world, GError **error);

ShopIndex *shop_world_build_index(const ShopCatalogue *catalogue);
/* The last product of each lower-cased title, as the original's map from titles; free with g_free. */
guint32 *shop_world_find_title_owners(const ShopCatalogue *catalogue);

/* world_reward.c */
ShopRewardPool *shop_reward_pool_new(void);
void shop_reward_pool_free(ShopRewardPool *pool); /* accepts NULL */

#endif
