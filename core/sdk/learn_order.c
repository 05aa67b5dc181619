/* Orders of items, the batches they are cut into, and steps over them for several epochs. */
#include <cartwright/learn.h>
#include <stdlib.h>

void cw_order_shuffle(CwOrder *order, CwRandom *random, guint n, guint most)
{
  order->items = g_renew(guint32, order->items, MAX(n, 1));
  order->n = n;
  order->most = most;
  for (guint i = 0; i < n; i++)
    order->items[i] = i;
  cw_random_shuffle(random, order->items, n);
}

static int ascending(const void *a, const void *b)
{
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
  return (x > y) - (x < y);
}

void cw_order_epoch(CwOrder *order, guint32 seed, const char *purpose, guint64 epoch, guint n, guint most)
{
  CwRandom *random = cw_random_new(seed, purpose, 0, epoch);
  cw_order_shuffle(order, random, n, most);
  cw_random_free(random);
  for (guint b = 0; b < cw_order_n_batches(order); b++) {
    guint size;
    const guint32 *batch = cw_order_batch(order, b, &size);
    qsort(order->items + (batch - order->items), size, sizeof *batch, ascending);
  }
}

void cw_order_clear(CwOrder *order)
{
  g_free(order->items);
  *order = (CwOrder){0};
}

guint cw_order_n_batches(const CwOrder *order)
{
  return order->most == 0 ? MIN(order->n, 1) : (order->n + order->most - 1) / order->most;
}

const guint32 *cw_order_batch(const CwOrder *order, guint number, guint *n)
{
  guint n_batches = cw_order_n_batches(order);
  guint64 start = (guint64)number * order->n / n_batches, end = ((guint64)number + 1) * order->n / n_batches;
  *n = (guint)(end - start);
  return order->items + start;
}

gboolean cw_learn_epochs(CwUpdate *update, CwPolicy *network, const CwItems *items, CwOrder *order,
                         guint epochs, const CwLearningOptions *options, double learning_rate, CwLoss loss,
                         gconstpointer data, CwStepTaken taken, gpointer taken_data, GError **error)
{
  for (guint epoch = 0; epoch < epochs; epoch++) {
    if (epoch > 0)
      cw_order_shuffle(order, cw_update_random(update), order->n, order->most);
    for (guint batch = 0; batch < cw_order_n_batches(order); batch++) {
      guint n;
      const guint32 *indices = cw_order_batch(order, batch, &n);
      CwSums sums;
      if (!cw_learn(update, network, items, indices, n, options, learning_rate, loss, data, &sums, error))
        return FALSE;
      if (taken(epoch, batch, &sums, taken_data))
        return TRUE;
    }
  }
  return TRUE;
}
