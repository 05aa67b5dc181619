/* Cuts decisions into passes. Within what is asked for at once, decisions of like
 * cost go together, since a backend may pad the short ones to the longest, and the
 * passes are made about equally big. A cut depends only on the decisions, their
 * costs and the budget, never on what ran before. */
#include "plugins/common/batches.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
  guint index, tokens;
} Cost;

/* One pass at a time: `decisions` and the places of their numbers in the whole. */
typedef struct {
  Cost *costs; /* sorted */
  guint n;
  guint64 budget, share;
  guint start, size; /* the present pass: costs[start .. start + size - 1] */
  const CwDecision *const *all;
  const CwDecision **decisions; /* of the present pass */
  gsize *offsets;               /* of every decision's logits in the whole */
  float *logits, *values;       /* of the present pass */
} Passes;

/* By cost, equal costs by index: the same order everywhere. */
static int compare_costs(const void *a, const void *b)
{
  const Cost *x = a, *y = b;

  if (x->tokens != y->tokens)
    return x->tokens < y->tokens ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static void passes_init(Passes *passes, CwPolicy *policy, const CwDecision *const *decisions, guint n,
                        guint64 budget)
{
  guint64 total = 0;
  gsize offset = 0;

  memset(passes, 0, sizeof *passes);
  passes->all = decisions;
  passes->n = n;
  passes->budget = budget;
  passes->costs = g_new(Cost, n);
  passes->offsets = g_new(gsize, n);
  passes->decisions = g_new(const CwDecision *, n);
  for (guint i = 0; i < n; i++) {
    passes->costs[i].index = i;
    passes->costs[i].tokens = MAX(1, cw_policy_count_tokens(policy, decisions[i]));
    passes->offsets[i] = offset;
    total += passes->costs[i].tokens;
    offset += decisions[i]->n_candidates;
  }
  if (n > 0) {
    qsort(passes->costs, n, sizeof(Cost), compare_costs);
    passes->share = total / ((total + budget - 1) / budget);
  }
}

static void passes_clear(Passes *passes)
{
  g_free(passes->costs);
  g_free(passes->offsets);
  g_free(passes->decisions);
  g_free(passes->logits);
  g_free(passes->values);
}

/* Goes to the next pass and makes room for its logits and values; FALSE after the last. */
static gboolean passes_next(Passes *passes)
{
  guint64 tokens = 0;

  passes->start += passes->size;
  passes->size = 0;
  while (passes->start + passes->size < passes->n) {
    const Cost *cost = &passes->costs[passes->start + passes->size];

    if (passes->size > 0 && (tokens >= passes->share || tokens + cost->tokens > passes->budget))
      break;
    tokens += cost->tokens;
    passes->decisions[passes->size++] = passes->all[cost->index];
  }
  g_free(passes->logits);
  g_free(passes->values);
  passes->logits = g_new0(float, cw_count_logits(passes->decisions, passes->size));
  passes->values = g_new0(float, passes->size);
  return passes->size > 0;
}

gboolean common_score(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions, guint64 budget,
                      float *logits, float *values, GError **error)
{
  gboolean good = TRUE;
  Passes passes;

  passes_init(&passes, policy, decisions, n_decisions, budget);
  while (good && passes_next(&passes)) {
    const float *at = passes.logits;

    good = cw_policy_score(policy, passes.decisions, passes.size, passes.logits,
                           values ? passes.values : NULL, error);
    for (guint i = 0; good && i < passes.size; i++) {
      guint index = passes.costs[passes.start + i].index;

      memcpy(logits + passes.offsets[index], at, decisions[index]->n_candidates * sizeof(float));
      if (values)
        values[index] = passes.values[i];
      at += decisions[index]->n_candidates;
    }
  }
  passes_clear(&passes);
  return good;
}

static gboolean accumulate_pass(CwPolicy *policy, const Passes *passes, gboolean with_values,
                                CommonGradient gradient, gpointer user_data, GError **error)
{
  g_autofree float *dlogits = g_new0(float, cw_count_logits(passes->decisions, passes->size));
  g_autofree float *dvalues = with_values ? g_new0(float, passes->size) : NULL;
  gsize at = 0;

  if (!cw_policy_forward(policy, passes->decisions, passes->size, passes->logits,
                         with_values ? passes->values : NULL, error))
    return FALSE;
  for (guint i = 0; i < passes->size; i++) {
    gradient(passes->costs[passes->start + i].index, passes->logits + at, passes->values[i], dlogits + at,
             with_values ? dvalues + i : NULL, user_data);
    at += passes->decisions[i]->n_candidates;
  }
  return cw_policy_backward(policy, dlogits, dvalues, error);
}

gboolean common_accumulate(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                           guint64 budget, gboolean with_values, CommonGradient gradient, gpointer user_data,
                           GError **error)
{
  gboolean good = TRUE;
  Passes passes;

  passes_init(&passes, policy, decisions, n_decisions, budget);
  while (good && passes_next(&passes))
    good = accumulate_pass(policy, &passes, with_values, gradient, user_data, error);
  passes_clear(&passes);
  return good;
}
