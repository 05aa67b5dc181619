/* Shuffled passes over goals. Only the present pass is kept; it is a function of the seed, the use and the
 * pass, so that any place can be asked for. */
#include "core/rollout/goal_order.h"
#include <cartwright/random.h>

struct CwGoalOrder {
  guint32 seed, n_goals;
  guint64 index, pass;
  guint32 *goals;
};

CwGoalOrder *cw_goal_order_new(guint32 seed, guint64 index, guint32 n_goals)
{
  CwGoalOrder *order = g_new0(CwGoalOrder, 1);
  order->seed = seed;
  order->index = index;
  order->n_goals = n_goals;
  order->pass = G_MAXUINT64;
  order->goals = g_new(guint32, n_goals);
  return order;
}

void cw_goal_order_free(CwGoalOrder *order)
{
  if (!order)
    return;
  g_free(order->goals);
  g_free(order);
}

gint64 cw_goal_order_at(CwGoalOrder *order, guint64 number)
{
  guint64 pass = number / order->n_goals;
  if (pass != order->pass) {
    for (guint32 i = 0; i < order->n_goals; i++)
      order->goals[i] = i;
    CwRandom *random = cw_random_new(order->seed, "goal order", order->index, pass);
    cw_random_shuffle(random, order->goals, order->n_goals);
    cw_random_free(random);
    order->pass = pass;
  }
  return order->goals[number % order->n_goals];
}
