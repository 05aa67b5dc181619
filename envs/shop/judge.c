/* The reward of a purchase in a world: gathers what reward.c compares from the
 * catalogue and the goal. The nouns of all titles are found when the world is
 * opened; everything else is prepared for the one purchase. */
#include "envs/shop/reward.h"
#include "envs/shop/world.h"

static const char **strings_of(const ShopCatalogue *catalogue, ShopSpan span)
{
  const char **strings = g_new(const char *, (gsize)span.count + 1);
  for (guint32 i = 0; i < span.count; i++)
    strings[i] = shop_string(catalogue, catalogue->strings[span.first + i]);
  return strings;
}

void shop_world_judge(const ShopWorld *world, const ShopGoalView *goal, guint32 product, const char *const *values,
                      guint n_values, ShopVerdict *verdict)
{
  const ShopCatalogue *catalogue = world->catalogue;
  const ShopProduct *wanted = &catalogue->products[goal->product], *bought = &catalogue->products[product];
  const ShopGoalFacts asked = {
      .query = shop_string(catalogue, wanted->query),
      .product_category = shop_string(catalogue, wanted->product_category),
      .nouns = world->nouns[goal->product],
      .attributes = (const char *const *)goal->attributes->pdata,
      .n_attributes = goal->attributes->len,
      .option_names = goal->option_names->len > 0 ? (const char *const *)goal->option_names->pdata : NULL,
      .option_values = (const char *const *)goal->option_values->pdata,
      .n_options = goal->option_values->len,
      .price_upper = goal->price_upper,
  };
  g_autofree const char **bullets = strings_of(catalogue, bought->bullets);
  g_autofree const char **attributes = strings_of(catalogue, bought->attributes);
  const ShopProductFacts offered = {
      .query = shop_string(catalogue, bought->query),
      .product_category = shop_string(catalogue, bought->product_category),
      .nouns = world->nouns[product],
      .title = shop_string(catalogue, bought->title),
      .bullets = bullets,
      .n_bullets = bought->bullets.count,
      .description = shop_string(catalogue, bought->description),
      .attributes = attributes,
      .n_attributes = bought->attributes.count,
  };
  ShopPreparedGoal *prepared_goal = shop_prepared_goal_new(&asked);
  ShopPreparedProduct *prepared_product = shop_prepared_product_new(&offered);
  g_autoptr(GString) scratch = g_string_sized_new(512);
  ShopReward reward;
  shop_reward(prepared_goal, prepared_product, world->goals->prices[product], values, n_values, world->fuzzy_variant,
              scratch, &reward);
  shop_prepared_goal_free(prepared_goal);
  shop_prepared_product_free(prepared_product);
  *verdict = (ShopVerdict){.reward = reward.total,
                           .attributes = reward.r_att,
                           .options = reward.has_options ? reward.r_option : 1,
                           .type = reward.r_type,
                           .price = reward.r_price ? 1 : 0};
}
