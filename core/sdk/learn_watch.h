/* Looking on while losses are called: the conformance suite calls them again, elsewhere and in another order.
 * Nobody else does, and nothing of it is installed. */
#ifndef CW_LEARN_WATCH_H
#define CW_LEARN_WATCH_H

#include <cartwright/learn.h>

/* A call of cw_accumulate that went well. All arrays have n entries, in the order of the call. */
typedef struct {
  const CwItems *items;
  const guint32 *indices; /* of the items; NULL: all */
  guint n;
  const float *const *logits; /* what the network gave: a logit per candidate, of words one log-probability */
  const double *values;
  const double *losses;  /* weight times loss */
  const double *reports; /* CW_MOST_REPORTS each */
  CwLoss loss;
  gconstpointer data;
} CwLossCall;

typedef void (*CwLossWatcher)(const CwLossCall *call, gpointer user_data);

/* From the main thread; a NULL watcher ends it. */
void cw_watch_losses(CwLossWatcher watcher, gpointer user_data);

/* `weight` times the loss of item `index` under `logits` and `value`. `dlogits` (as many as there are logits)
 * and *dvalue get what its slopes amount to, times the weight, `reports` (CW_MOST_REPORTS, zeroed) what it
 * reports. */
double cw_loss_at(const CwItems *items, guint index, const float *logits, double value, double weight,
                  CwLoss loss, gconstpointer data, float *dlogits, double *dvalue, double *reports);

#endif
