/* The reward of a purchase in a world: gathers what reward.c compares from the catalogue, its reward tables
 * and the goal, in buffers from a pool that the world owns, so that sessions need none of their own. */
#include "envs/shop/world/world_private.h"

typedef struct {
  ShopPreparedGoal *goal;
  ShopPreparedProduct *product;
  GPtrArray *bullets;          /* const char * */
  GPtrArray *wanted, *offered; /* const ShopTokenSet * of the attributes of either side */
  ShopRewardScratch scratch;
} Buffers;

struct ShopRewardPool {
  GMutex lock;
  GPtrArray *idle; /* Buffers * */
};

static Buffers *buffers_new(void)
{
  Buffers *buffers = g_new0(Buffers, 1);
  buffers->goal = shop_prepared_goal_new();
  buffers->product = shop_prepared_product_new();
  buffers->bullets = g_ptr_array_new();
  buffers->wanted = g_ptr_array_new();
  buffers->offered = g_ptr_array_new();
  shop_reward_scratch_init(&buffers->scratch);
  return buffers;
}

static void buffers_free(gpointer data)
{
  Buffers *buffers = data;
  shop_prepared_goal_free(buffers->goal);
  shop_prepared_product_free(buffers->product);
  g_ptr_array_free(buffers->bullets, TRUE);
  g_ptr_array_free(buffers->wanted, TRUE);
  g_ptr_array_free(buffers->offered, TRUE);
  shop_reward_scratch_clear(&buffers->scratch);
  g_free(buffers);
}

static const ShopTokenSet *const *sets_of(const ShopWorld *world, ShopSpan span, GPtrArray *sets)
{
  g_ptr_array_set_size(sets, 0);
  for (guint32 i = 0; i < span.count; i++)
    g_ptr_array_add(
        sets, (gpointer)shop_reward_token_set(world->rewards, world->catalogue->strings[span.first + i]));
  return (const ShopTokenSet *const *)sets->pdata;
}

static const char *const *strings_of(const ShopCatalogue *catalogue, ShopSpan span, GPtrArray *strings)
{
  g_ptr_array_set_size(strings, 0);
  for (guint32 i = 0; i < span.count; i++)
    g_ptr_array_add(strings, (gpointer)shop_string(catalogue, catalogue->strings[span.first + i]));
  return (const char *const *)strings->pdata;
}

static void fill(Buffers *buffers, const ShopWorld *world, const ShopGoalView *goal, guint32 product,
                 const char *const *values, guint n_values, ShopReward *reward)
{
  const ShopCatalogue *catalogue = world->catalogue;
  const ShopProduct *wanted = &catalogue->products[goal->product], *bought = &catalogue->products[product];
  const ShopGoalFacts asked = {
      .query = shop_string(catalogue, wanted->query),
      .product_category = shop_string(catalogue, wanted->product_category),
      .nouns = shop_reward_nouns(world->rewards, goal->product),
      .attributes = (const char *const *)goal->attributes->pdata,
      .attribute_sets = sets_of(world, goal->attribute_strings, buffers->wanted),
      .n_attributes = goal->attributes->len,
      .option_names = goal->option_names->len > 0 ? (const char *const *)goal->option_names->pdata : NULL,
      .option_values = (const char *const *)goal->option_values->pdata,
      .n_options = goal->option_values->len,
      .price_upper = goal->price_upper,
  };
  const ShopProductFacts offered = {
      .query = shop_string(catalogue, bought->query),
      .product_category = shop_string(catalogue, bought->product_category),
      .nouns = shop_reward_nouns(world->rewards, product),
      .title = shop_string(catalogue, bought->title),
      .bullets = strings_of(catalogue, bought->bullets, buffers->bullets),
      .n_bullets = bought->bullets.count,
      .description = shop_string(catalogue, bought->description),
      .attribute_sets = sets_of(world, bought->attributes, buffers->offered),
      .n_attributes = bought->attributes.count,
  };
  shop_prepared_goal_set(buffers->goal, &asked);
  shop_prepared_product_set(buffers->product, &offered);
  shop_reward(buffers->goal, buffers->product, shop_goal_view_price(goal, catalogue, world->goals, product),
              values, n_values, world->fuzzy_variant, &buffers->scratch, reward);
}

ShopRewardPool *shop_reward_pool_new(void)
{
  ShopRewardPool *pool = g_new0(ShopRewardPool, 1);
  g_mutex_init(&pool->lock);
  pool->idle = g_ptr_array_new_with_free_func(buffers_free);
  return pool;
}

void shop_reward_pool_free(ShopRewardPool *pool)
{
  if (!pool)
    return;
  g_ptr_array_unref(pool->idle);
  g_mutex_clear(&pool->lock);
  g_free(pool);
}

void shop_world_reward(const ShopWorld *world, const ShopGoalView *goal, guint32 product,
                       const char *const *values, guint n_values, ShopReward *reward)
{
  ShopRewardPool *pool = world->reward_pool;
  Buffers *buffers = NULL;
  g_mutex_lock(&pool->lock);
  if (pool->idle->len > 0)
    buffers = g_ptr_array_steal_index_fast(pool->idle, pool->idle->len - 1);
  g_mutex_unlock(&pool->lock);
  if (!buffers)
    buffers = buffers_new();
  fill(buffers, world, goal, product, values, n_values, reward);
  g_mutex_lock(&pool->lock);
  g_ptr_array_add(pool->idle, buffers);
  g_mutex_unlock(&pool->lock);
}
