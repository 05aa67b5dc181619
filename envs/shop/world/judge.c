/* The reward of a purchase in a world: gathers what reward.c compares from the catalogue, its reward tables
 * and the goal, in buffers from a pool that the world owns, so that sessions need none of their own. */
#include "envs/shop/reward/reward.h"
#include "envs/shop/world/world.h"

typedef struct {
  ShopPreparedGoal *goal;
  ShopPreparedProduct *product;
  GPtrArray *bullets;          /* const char * */
  GPtrArray *wanted, *offered; /* const ShopTokenSet * of the attributes of either side */
  ShopRewardScratch scratch;
} Judge;

struct ShopJudges {
  GMutex lock;
  GPtrArray *idle; /* Judge * */
};

static Judge *judge_new(void)
{
  Judge *judge = g_new0(Judge, 1);
  judge->goal = shop_prepared_goal_new();
  judge->product = shop_prepared_product_new();
  judge->bullets = g_ptr_array_new();
  judge->wanted = g_ptr_array_new();
  judge->offered = g_ptr_array_new();
  shop_reward_scratch_init(&judge->scratch);
  return judge;
}

static void judge_free(gpointer data)
{
  Judge *judge = data;
  shop_prepared_goal_free(judge->goal);
  shop_prepared_product_free(judge->product);
  g_ptr_array_free(judge->bullets, TRUE);
  g_ptr_array_free(judge->wanted, TRUE);
  g_ptr_array_free(judge->offered, TRUE);
  shop_reward_scratch_clear(&judge->scratch);
  g_free(judge);
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

static void judge_purchase(Judge *judge, const ShopWorld *world, const ShopGoalView *goal, guint32 product,
                           const char *const *values, guint n_values, ShopVerdict *verdict)
{
  const ShopCatalogue *catalogue = world->catalogue;
  const ShopProduct *wanted = &catalogue->products[goal->product], *bought = &catalogue->products[product];
  const ShopGoalFacts asked = {
      .query = shop_string(catalogue, wanted->query),
      .product_category = shop_string(catalogue, wanted->product_category),
      .nouns = shop_reward_nouns(world->rewards, goal->product),
      .attributes = (const char *const *)goal->attributes->pdata,
      .attribute_sets = sets_of(world, goal->attribute_strings, judge->wanted),
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
      .bullets = strings_of(catalogue, bought->bullets, judge->bullets),
      .n_bullets = bought->bullets.count,
      .description = shop_string(catalogue, bought->description),
      .attribute_sets = sets_of(world, bought->attributes, judge->offered),
      .n_attributes = bought->attributes.count,
  };
  ShopReward reward;
  shop_prepared_goal_set(judge->goal, &asked);
  shop_prepared_product_set(judge->product, &offered);
  shop_reward(judge->goal, judge->product, shop_goal_view_price(goal, catalogue, world->goals, product),
              values, n_values, world->fuzzy_variant, &judge->scratch, &reward);
  *verdict = (ShopVerdict){.reward = reward.total,
                           .attributes = reward.r_att,
                           .options = reward.has_options ? reward.r_option : 1,
                           .type = reward.r_type,
                           .price = reward.r_price ? 1 : 0};
}

ShopJudges *shop_judges_new(void)
{
  ShopJudges *judges = g_new0(ShopJudges, 1);
  g_mutex_init(&judges->lock);
  judges->idle = g_ptr_array_new_with_free_func(judge_free);
  return judges;
}

void shop_judges_free(ShopJudges *judges)
{
  if (!judges)
    return;
  g_ptr_array_unref(judges->idle);
  g_mutex_clear(&judges->lock);
  g_free(judges);
}

void shop_world_judge(const ShopWorld *world, const ShopGoalView *goal, guint32 product,
                      const char *const *values, guint n_values, ShopVerdict *verdict)
{
  ShopJudges *judges = world->judges;
  Judge *judge = NULL;
  g_mutex_lock(&judges->lock);
  if (judges->idle->len > 0)
    judge = g_ptr_array_steal_index_fast(judges->idle, judges->idle->len - 1);
  g_mutex_unlock(&judges->lock);
  if (!judge)
    judge = judge_new();
  judge_purchase(judge, world, goal, product, values, n_values, verdict);
  g_mutex_lock(&judges->lock);
  g_ptr_array_add(judges->idle, judge);
  g_mutex_unlock(&judges->lock);
}
