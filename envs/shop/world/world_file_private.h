/* What a shop file holds in addition to the arrays of its parts. */
#ifndef SHOP_WORLD_FILE_PRIVATE_H
#define SHOP_WORLD_FILE_PRIVATE_H

#include "envs/shop/world/world_file.h"
#include "envs/shop/world/world_private.h"

#define SHOP_WORLD_FACTS        "shop/facts"        /* one ShopWorldFacts */
#define SHOP_WORLD_NAME         "shop/name"         /* of the catalogue: bytes, with the NUL */
#define SHOP_WORLD_TITLE_OWNERS "shop/title_owners" /* guint32 per product */

typedef struct ShopWorldFacts {
  guint64 checksums[2]; /* of the catalogue without and with the crowd's instructions */
  ShopGoalSettings goals;
  guint32 has_humans, nouns_are_given; /* 0 or 1 */
  guint32 n_without_attributes, first_without_attributes;
} ShopWorldFacts;

/* The array that is there when goals of a kind are. */
static inline const char *shop_world_goals_array(ShopGoalKind kind)
{
  return kind == SHOP_GOALS_SYNTHETIC ? "goals/synthetic/items" : "goals/human/items";
}

#endif
