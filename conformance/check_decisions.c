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
static const char *const beyond_ascii[] = {"click[größe 42]", "click[漢字]", "click[☕ café naïve]"};

void cw_check_decisions_init(CwCheckDecisions *decisions)
{
  const struct {
    const char *observation;
    const char *const *candidates;
    guint n_candidates;
  } texts[] = {
      {"Instruction: I want a red cotton shirt, price lower than 20 dollars [SEP] Search", home,
       G_N_ELEMENTS(home)},
      {"Instruction: I want a red cotton shirt [SEP] Page 1 (3 results) [SEP] B0001 red shirt $15 [SEP] "
       "B0002 blue "
       "jeans $30 [SEP] B0003 red lamp $12",
       results, G_N_ELEMENTS(results)},
      {"Instruction: I want a red cotton shirt [SEP] red shirt [SEP] size: small, large [SEP] price: $15.00",
       item, G_N_ELEMENTS(item)},
      {"Thank you for shopping", single, G_N_ELEMENTS(single)},
      {"", empty, G_N_ELEMENTS(empty)},
      {NULL, decisions->long_candidates, G_N_ELEMENTS(decisions->long_candidates)},
      {"Anleitung: größe 42 – naïve café ☕ 漢字 \xf0\x9f\x9b\x92", beyond_ascii, G_N_ELEMENTS(beyond_ascii)},
  };
  GString *text = g_string_new(NULL);
  G_STATIC_ASSERT(G_N_ELEMENTS(texts) == CW_CHECK_N_DECISIONS);
  for (guint i = 0; i < LONG_WORDS; i++)
    g_string_append_printf(text, "word%u ", i);
  decisions->long_text = g_string_free(text, FALSE);
  decisions->long_candidates[0] = "click[word7]";
  decisions->long_candidates[1] = decisions->long_text;
  decisions->long_candidates[2] = "click[nothing]";
  for (guint i = 0; i < CW_CHECK_N_DECISIONS; i++) {
    CwDecision *decision = &decisions->decisions[i];
    decision->struct_size = sizeof *decision;
    decision->observation = texts[i].observation ? texts[i].observation : decisions->long_text;
    decision->candidates = texts[i].candidates;
    decision->n_candidates = texts[i].n_candidates;
    decisions->all[i] = decision;
  }
}

void cw_check_decisions_clear(CwCheckDecisions *decisions)
{
  g_clear_pointer(&decisions->long_text, g_free);
}

/* Loss and, unless NULL, its gradients, from the outputs of the plain decisions. */
static double loss_of(const CwCheckDecisions *decisions, gboolean has_values, const float *logits,
                      const float *values, float *dlogits, float *dvalues)
{
  double loss = 0;
  for (guint i = 0; i < CW_CHECK_N_PLAIN; i++) {
    guint n = decisions->all[i]->n_candidates;
    float *log_probabilities = g_new(float, n);
    cw_log_softmax(logits, n, log_probabilities);
    loss -= log_probabilities[n - 1];
    for (guint j = 0; dlogits && j < n; j++)
      *dlogits++ = (float)((exp(log_probabilities[j]) - (j == n - 1)) / CW_CHECK_N_PLAIN);
    if (has_values)
      loss += 0.5 * (values[i] - 1.0) * (values[i] - 1.0);
    if (dvalues)
      dvalues[i] = has_values ? (values[i] - 1) / CW_CHECK_N_PLAIN : 0;
    logits += n;
    g_free(log_probabilities);
  }
  return loss / CW_CHECK_N_PLAIN;
}

static gboolean has_values(CwPolicy *policy)
{
  return (cw_policy_feature(policy)->capabilities & CW_POLICY_VALUES) != 0;
}

gboolean cw_check_loss(CwPolicy *policy, const CwCheckDecisions *decisions, double *loss, GError **error)
{
  float *logits = g_new0(float, cw_count_logits(decisions->all, CW_CHECK_N_PLAIN));
  float values[CW_CHECK_N_PLAIN] = {0};
  gboolean scored = cw_policy_score(policy, decisions->all, CW_CHECK_N_PLAIN, logits, values, error);
  if (scored)
    *loss = loss_of(decisions, has_values(policy), logits, values, NULL, NULL);
  g_free(logits);
  return scored;
}

gboolean cw_check_accumulate(CwPolicy *policy, const CwCheckDecisions *decisions, double scale,
                             GError **error)
{
  guint n_logits = cw_count_logits(decisions->all, CW_CHECK_N_PLAIN), i;
  float *logits = g_new0(float, n_logits), *dlogits = g_new0(float, n_logits);
  float values[CW_CHECK_N_PLAIN] = {0}, dvalues[CW_CHECK_N_PLAIN];
  gboolean done = cw_policy_forward(policy, decisions->all, CW_CHECK_N_PLAIN, logits, values, error);
  if (done) {
    loss_of(decisions, has_values(policy), logits, values, dlogits, dvalues);
    for (i = 0; i < n_logits; i++)
      dlogits[i] *= (float)scale;
    for (i = 0; i < CW_CHECK_N_PLAIN; i++)
      dvalues[i] *= (float)scale;
    done = cw_policy_backward(policy, dlogits, dvalues, error);
  }
  g_free(logits);
  g_free(dlogits);
  return done;
}

gboolean cw_check_train(CwPolicy *policy, const CwCheckDecisions *decisions, guint n_updates,
                        double learning_rate, GError **error)
{
  for (guint i = 0; i < n_updates; i++) {
    if (!cw_check_accumulate(policy, decisions, 1, error) ||
        !cw_policy_step(policy, learning_rate, 0, NULL, error))
      return FALSE;
  }
  return TRUE;
}

gsize cw_check_tensor_size(const gint64 *shape, guint n_dimensions)
{
  gsize size = 1;
  for (guint d = 0; d < n_dimensions; d++)
    size *= (gsize)shape[d];
  return size;
}

CwPolicy *cw_check_open_policy(CwSuite *suite, const CwCheckDecisions *decisions, CwVerdict *verdict)
{
  GError *error = NULL;
  CwPolicy *policy = cw_policy_open(suite->feature, suite->options, CW_CHECK_SEED, &error);
  if (policy && (suite->feature->capabilities & CW_POLICY_TRAINS) != 0 &&
      !cw_check_train(policy, decisions, 2, 1e-3, &error)) {
    cw_policy_close(policy);
    policy = NULL;
  }
  if (!policy)
    cw_verdict_fail_error(verdict, &error);
  return policy;
}
