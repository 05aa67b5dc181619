/* Sessions for the tests of DPO, and the table policy that counts. Everything belongs to the caller or is
 * static. */
#include "tests/algorithms/dpo_sessions.h"

guint n_reference_scores;

static gboolean counting_score(gpointer policy, const CwDecision *const *decisions, guint n, float *logits,
                               float *values, GError **error)
{
  if (((Table *)policy)->frozen)
    n_reference_scores += n;
  return table_feature()->vtable.policy->score(policy, decisions, n, logits, values, error);
}

const CwRegisteredFeature *counting_table_feature(void)
{
  static CwPolicyVtable vtable;
  static CwRegisteredFeature feature;
  vtable = *table_feature()->vtable.policy;
  vtable.score = counting_score;
  feature = *table_feature();
  feature.vtable.policy = &vtable;
  n_reference_scores = 0;
  return &feature;
}

GPtrArray *make_sessions(const char *goals, const float *rewards)
{
  GPtrArray *list = new_trajectories();
  for (guint i = 0; goals[i]; i++) {
    char text[8], goal[2] = {goals[i], 0};
    Choice choice = {text, {"u", "v", "w"}, i % 3, rewards[i]};
    g_snprintf(text, sizeof text, "d%u", i);
    add_trajectory(list, goal, "policy", rewards[i] == 1, &choice, 1);
  }
  return list;
}
