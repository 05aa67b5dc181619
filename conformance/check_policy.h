/* What the parts of the policy suite share: a handful of decisions, and training on them. */
#ifndef CW_CHECK_POLICY_H
#define CW_CHECK_POLICY_H

#include "conformance/check_suite.h"

/* The decisions that policies are tried on: plain ones first (the first CW_CHECK_N_PLAIN), then one
 * candidate, empty texts, a very long text, and text beyond ASCII. */
#define CW_CHECK_N_PLAIN     3
#define CW_CHECK_N_DECISIONS 7
const CwDecision *const *cw_check_decisions(void);

/* The suite's subject is a CwPolicy for scoring only: checks that change a policy open their own. */

/* Opens the feature's policy and trains it for two updates, if it trains, so that nothing is zero that need
 * not be; NULL with the verdict failed. */
CwPolicy *cw_check_open_policy(CwSuite *suite, CwVerdict *verdict);

/* forward and backward of the loss below on the plain decisions, times `scale`. */
gboolean cw_check_accumulate(CwPolicy *policy, double scale, GError **error);
/* cw_check_accumulate and a step; `n_updates` times. */
gboolean cw_check_train(CwPolicy *policy, guint n_updates, double learning_rate, GError **error);
/* The loss in evaluation: cross-entropy of the last candidate plus half the squared distance of the value
 * from 1, mean over the plain decisions. */
gboolean cw_check_loss(CwPolicy *policy, double *loss, GError **error);

/* What the policy does in the plain decisions, as text, drawn from fixed streams; NULL with the verdict
 * failed. Free with g_strfreev. */
char **cw_check_words(CwPolicy *policy, CwVerdict *verdict);

/* The checks of policies that act, and of those that act in words. */
void cw_check_acts_alike(CwSuite *suite, CwVerdict *verdict);
void cw_check_greedy_acts(CwSuite *suite, CwVerdict *verdict);
void cw_check_act_log_probabilities(CwSuite *suite, CwVerdict *verdict);
void cw_check_word_gradients(CwSuite *suite, CwVerdict *verdict);

/* The checks of policies that train, for the suite's list. */
void cw_check_gradients(CwSuite *suite, CwVerdict *verdict);
void cw_check_gradients_add_up(CwSuite *suite, CwVerdict *verdict);
void cw_check_training_lowers_loss(CwSuite *suite, CwVerdict *verdict);
void cw_check_step_clears_gradients(CwSuite *suite, CwVerdict *verdict);
void cw_check_clipping(CwSuite *suite, CwVerdict *verdict);
void cw_check_bad_gradient(CwSuite *suite, CwVerdict *verdict);
void cw_check_save_and_load(CwSuite *suite, CwVerdict *verdict);
void cw_check_failed_load(CwSuite *suite, CwVerdict *verdict);
void cw_check_saved_model_opens(CwSuite *suite, CwVerdict *verdict);
void cw_check_clone(CwSuite *suite, CwVerdict *verdict);
void cw_check_policies_apart(CwSuite *suite, CwVerdict *verdict);

#endif
