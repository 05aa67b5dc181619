/* The conformance suite of policies, third part: acting. What is random in a decision comes from its own
 * stream, so an act depends on nothing else; and words are as likely as their act said. */
#include "conformance/check_policy.h"
#include <math.h>
#include <string.h>

#define PURPOSE   "check act"
#define TOLERANCE 1e-3 /* of a log-probability: absolute, as single precision sums it */

/* The acts of a batch, with texts of their own. */
typedef struct {
  CwAct *acts;
  char **words; /* NULL-terminated; "" for a candidate */
  guint n;
} Acts;

static void acts_clear(Acts *acts)
{
  g_free(acts->acts);
  g_strfreev(acts->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Acts, acts_clear)

/* Acts in `n` decisions; the stream of decision i is that of index first + i. FALSE with the verdict failed.
 */
static gboolean act(CwPolicy *policy, guint first, guint n, gboolean greedy, guint64 luck, Acts *acts,
                    CwVerdict *verdict)
{
  const CwActing how = {.struct_size = sizeof how, .greedy = greedy, .temperature = 1};
  g_autoptr(GPtrArray) random = g_ptr_array_new_with_free_func((GDestroyNotify)cw_random_free);
  *acts = (Acts){g_new0(CwAct, n), g_new0(char *, n + 1), n};
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(random, cw_random_new(CW_CHECK_SEED, PURPOSE, first + i, luck));
  gboolean acted = cw_policy_act(policy, cw_check_decisions() + first, n, (CwRandom *const *)random->pdata,
                                 &how, acts->acts, &verdict->error);
  for (guint i = 0; acted && i < n; i++)
    acts->words[i] = g_strdup(acts->acts[i].candidate == CW_WORDS ? acts->acts[i].words : "");
  return cw_verdict_check(verdict, acted);
}

static gboolean differ(float a, float b)
{
  return isnan(a) != isnan(b) || fabs((double)a - b) > TOLERANCE;
}

static void compare(const Acts *many, guint at, const Acts *one, const char *when, CwVerdict *verdict)
{
  const CwDecision *decision = cw_check_decisions()[at];
  const CwAct *a = &many->acts[at], *b = &one->acts[0];
  if (a->candidate != b->candidate || strcmp(many->words[at], one->words[0]) != 0)
    cw_verdict_fail(
        verdict, "in \"%.40s\" it does candidate %d, words \"%.40s\", and %s candidate %d, \"%.40s\"",
        decision->observation, (gint)a->candidate, many->words[at], when, (gint)b->candidate, one->words[0]);
  else if (differ(a->log_probability, b->log_probability))
    cw_verdict_fail(verdict, "in \"%.40s\" the log-probability of the act is %.9g, and %s %.9g",
                    decision->observation, a->log_probability, when, b->log_probability);
}

void cw_check_acts_alike(CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Acts) all = {0};
  if (!act(suite->subject, 0, CW_CHECK_N_DECISIONS, FALSE, 0, &all, verdict))
    return;
  for (guint i = 0; i < CW_CHECK_N_DECISIONS; i++) {
    g_auto(Acts) alone = {0};
    if (act(suite->subject, i, 1, FALSE, 0, &alone, verdict))
      compare(&all, i, &alone, "alone with an equal stream", verdict);
  }
}

void cw_check_greedy_acts(CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Acts) all = {0};
  if (!act(suite->subject, 0, CW_CHECK_N_PLAIN, TRUE, 0, &all, verdict))
    return;
  for (guint i = 0; i < CW_CHECK_N_PLAIN; i++) {
    g_auto(Acts) again = {0};
    if (act(suite->subject, i, 1, TRUE, 1, &again, verdict))
      compare(&all, i, &again, "greedy with another stream", verdict);
  }
}

char **cw_check_words(CwPolicy *policy, CwVerdict *verdict)
{
  g_auto(Acts) acts = {0};
  if (!act(policy, 0, CW_CHECK_N_PLAIN, FALSE, 0, &acts, verdict))
    return NULL;
  for (guint i = 0; i < CW_CHECK_N_PLAIN; i++)
    if (acts.acts[i].candidate != CW_WORDS) {
      g_free(acts.words[i]);
      acts.words[i] = g_strdup(cw_check_decisions()[i]->candidates[acts.acts[i].candidate]);
    }
  return g_steal_pointer(&acts.words);
}

void cw_check_act_log_probabilities(CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Acts) acts = {0};
  float log_probabilities[CW_CHECK_N_DECISIONS];
  if (!act(suite->subject, 0, CW_CHECK_N_DECISIONS, FALSE, 0, &acts, verdict))
    return;
  for (guint i = 0; i < CW_CHECK_N_DECISIONS; i++) {
    const CwAct *said = &acts.acts[i];
    if (said->candidate != CW_WORDS || isnan(said->log_probability))
      continue;
    const char *words = acts.words[i];
    if (!cw_verdict_check(verdict, cw_policy_score_words(suite->subject, cw_check_decisions() + i, &words, 1,
                                                         log_probabilities, NULL, &verdict->error)))
      return;
    if (differ(said->log_probability, log_probabilities[0]))
      cw_verdict_fail(verdict, "act says that the log-probability of \"%.40s\" is %.9g, forward_words %.9g",
                      words, said->log_probability, log_probabilities[0]);
  }
}
