/* The decisions that policies are tried on, and a small task to train them with. */
#include "conformance/check_policy.h"

#include <math.h>
#include <string.h>

#define LONG_WORDS 3000

static const char *const home[] = {"search[red cotton shirt]", "click[help]"};
static const char *const results[] = {"click[B0001 red shirt]", "click[B0002 blue jeans]",
                                      "click[B0003 red lamp]", "click[next page]", "click[back to search]"};
static const char *const item[] = {"click[small]", "click[large]", "click[buy now]"};
static const char *const single[] = {"click[back to search]"};
static const char *const empty[] = {"", "click[buy now]", " "};
static const char *long_candidates[] = {"click[word7]", NULL, "click[nothing]"};
static const char *const beyond_ascii[] = {"click[größe 42]", "click[漢字]", "click[☕ café naïve]"};

#define DECISION(text, candidates)                                                                           \
  {                                                                                                          \
    sizeof(CwDecision), text, candidates, G_N_ELEMENTS(candidates)                                           \
  }

static CwDecision texts[CW_CHECK_N_DECISIONS] = {
    DECISION("Instruction: I want a red cotton shirt, price lower than 20 dollars [SEP] Search", home),
    DECISION(
        "Instruction: I want a red cotton shirt [SEP] Page 1 (3 results) [SEP] B0001 red shirt $15 [SEP] "
        "B0002 blue jeans $30 [SEP] B0003 red lamp $12",
        results),
    DECISION(
        "Instruction: I want a red cotton shirt [SEP] red shirt [SEP] size: small, large [SEP] price: $15.00",
        item),
    DECISION("Thank you for shopping", single),
    DECISION("", empty),
    DECISION(NULL, long_candidates),
    DECISION("Anleitung: größe 42 – naïve café ☕ 漢字 \xf0\x9f\x9b\x92", beyond_ascii),
};

/* The long text is made when it is first needed, and kept. */
const CwDecision *const *cw_check_decisions(void)
{
  static const CwDecision *all[CW_CHECK_N_DECISIONS];
  if (all[0])
    return all;
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < LONG_WORDS; i++)
    g_string_append_printf(text, "word%u ", i);
  long_candidates[1] = g_string_free(text, FALSE);
  for (guint i = 0; i < CW_CHECK_N_DECISIONS; i++) {
    if (!texts[i].observation)
      texts[i].observation = long_candidates[1];
    all[i] = &texts[i];
  }
  return all;
}

/* Loss and, unless NULL, its gradients, from the outputs of the plain decisions. */
static double loss_of(gboolean has_values, const float *logits, const float *values, float *dlogits,
                      float *dvalues)
{
  double loss = 0;
  for (guint i = 0; i < CW_CHECK_N_PLAIN; i++) {
    guint n = texts[i].n_candidates;
    g_autofree float *log_probabilities = g_new(float, n);
    cw_log_softmax(logits, n, log_probabilities);
    loss -= log_probabilities[n - 1];
    for (guint j = 0; dlogits && j < n; j++)
      *dlogits++ = (float)((exp(log_probabilities[j]) - (j == n - 1)) / CW_CHECK_N_PLAIN);
    if (has_values)
      loss += 0.5 * (values[i] - 1.0) * (values[i] - 1.0);
    if (dvalues)
      dvalues[i] = has_values ? (values[i] - 1) / CW_CHECK_N_PLAIN : 0;
    logits += n;
  }
  return loss / CW_CHECK_N_PLAIN;
}

static gboolean has_values(CwPolicy *policy)
{
  return (cw_policy_feature(policy)->capabilities & CW_POLICY_VALUES) != 0;
}

gboolean cw_check_loss(CwPolicy *policy, double *loss, GError **error)
{
  const CwDecision *const *decisions = cw_check_decisions();
  g_autofree float *logits = g_new0(float, cw_count_logits(decisions, CW_CHECK_N_PLAIN));
  float values[CW_CHECK_N_PLAIN] = {0};
  if (!cw_policy_score(policy, decisions, CW_CHECK_N_PLAIN, logits, values, error))
    return FALSE;
  *loss = loss_of(has_values(policy), logits, values, NULL, NULL);
  return TRUE;
}

gboolean cw_check_accumulate(CwPolicy *policy, double scale, GError **error)
{
  const CwDecision *const *decisions = cw_check_decisions();
  guint n_logits = cw_count_logits(decisions, CW_CHECK_N_PLAIN);
  g_autofree float *logits = g_new0(float, n_logits), *dlogits = g_new0(float, n_logits);
  float values[CW_CHECK_N_PLAIN] = {0}, dvalues[CW_CHECK_N_PLAIN];
  if (!cw_policy_forward(policy, decisions, CW_CHECK_N_PLAIN, TRUE, logits, values, error))
    return FALSE;
  loss_of(has_values(policy), logits, values, dlogits, dvalues);
  for (guint i = 0; i < n_logits; i++)
    dlogits[i] *= (float)scale;
  for (guint i = 0; i < CW_CHECK_N_PLAIN; i++)
    dvalues[i] *= (float)scale;
  return cw_policy_backward(policy, dlogits, dvalues, error);
}

gboolean cw_check_train(CwPolicy *policy, guint n_updates, double learning_rate, GError **error)
{
  for (guint i = 0; i < n_updates; i++)
    if (!cw_check_accumulate(policy, 1, error) || !cw_policy_step(policy, learning_rate, 0, NULL, error))
      return FALSE;
  return TRUE;
}

CwPolicy *cw_check_open_policy(CwSuite *suite, CwVerdict *verdict)
{
  CwPolicy *policy = cw_policy_open(suite->feature, suite->options, CW_CHECK_SEED, &verdict->error);
  if (policy && cw_suite_can(suite, CW_POLICY_TRAINS) && !cw_check_train(policy, 2, 1e-3, &verdict->error))
    g_clear_pointer(&policy, cw_policy_close);
  cw_verdict_check(verdict, policy != NULL);
  return policy;
}
