/* Any number of decisions through a policy in passes that fit a token budget. How
 * they are cut has no say in the result beyond the rounding of sums. */
#ifndef COMMON_BATCHES_H
#define COMMON_BATCHES_H

#include <cartwright/cartwright.h>

/* cw_policy_score on decisions in passes of at most `budget` tokens (a decision that
 * costs more goes alone). Logits and values (NULL: not wanted) come in the order of
 * the decisions. */
gboolean common_score(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions, guint64 budget,
                      float *logits, float *values, GError **error);

/* What one decision adds to the loss: given its logits and its value (0 without a value
 * head), writes d(loss)/d(logit) into `dlogits`, which is zero before, and
 * d(loss)/d(value) into `dvalue`, which is NULL when values play no part. */
typedef void (*CommonGradient)(guint index, const float *logits, float value, float *dlogits, float *dvalue,
                               gpointer user_data);

/* Forward and backward over decisions in the same passes as common_score: gradients
 * add up in the policy, no step is taken. Called once per decision, in an order of
 * its own, with the decision's index. A gradient that is not finite stops it with
 * CW_ERROR_NUMERIC. */
gboolean common_accumulate(CwPolicy *policy, const CwDecision *const *decisions, guint n_decisions,
                           guint64 budget, gboolean with_values, CommonGradient gradient, gpointer user_data,
                           GError **error);

#endif
