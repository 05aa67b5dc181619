/* Opens the policy of an experiment. What the options name comes first, and stays what it was while it is
 * there; only for a run directory does a checkpoint stand in for what is gone. The caller owns the policy. */
#include "core/train/open_policy.h"
#include "core/train/conditions.h"
#include "core/train/resume_point.h"
#include <string.h>

/* The option that names the model folder, or NULL. */
static char **model_option(const CwBinding *binding)
{
  for (guint i = 0; i < binding->feature->options.n_rows; i++) {
    const CwOption *row = &binding->feature->options.rows[i];
    if (row->type == CW_OPTION_PATH && strcmp(row->name, "model") == 0)
      return (char **)(gpointer)((char *)binding->options + row->offset);
  }
  return NULL;
}

/* The policy of the run or checkpoint that `from` names. NULL without error when there is none, or when it is
 * gone and the experiment's own run has what came of it. Free with g_free. */
static char *find_weights(const CwExperiment *experiment, GError **error)
{
  const char *from = experiment->policy.from;
  gboolean gone = from && experiment->directory && !g_file_test(from, G_FILE_TEST_EXISTS);
  if (!from || gone)
    return NULL;
  char *weights = cw_resume_point_policy_of(from, error);
  if (!weights)
    g_prefix_error(error, "policy.from: ");
  return weights;
}

/* Puts a folder in the place of a model that is gone. FALSE when there is nothing to put there. */
static gboolean replace_model(const CwExperiment *experiment, const char *weights)
{
  char **model = model_option(&experiment->policy);
  if (!model || !*model || g_file_test(*model, G_FILE_TEST_EXISTS))
    return FALSE;
  char *other = weights                 ? g_strdup(weights)
                : experiment->directory ? cw_resume_point_policy(experiment->directory, NULL)
                                        : NULL;
  if (!other)
    return FALSE;
  g_message("policy.model: %s is not there any more; opening %s in its place", *model, other);
  g_free(*model);
  *model = other;
  return TRUE;
}

/* Whether the policy has the weights that the run began with. */
static gboolean is_as_it_began(const CwExperiment *experiment, CwPolicy *policy)
{
  g_autoptr(CwResumePoint) resume_point = cw_resume_point_find(experiment->directory, NULL);
  g_autoptr(GKeyFile) recorded =
      resume_point ? g_key_file_ref(resume_point->state) : cw_conditions_read(experiment->directory);
  g_autofree char *then = recorded ? cw_conditions_weights(recorded) : NULL;
  g_autofree char *now = cw_policy_fingerprint(policy);
  return then && g_strcmp0(then, now) == 0;
}

CwPolicy *cw_open_policy(CwExperiment *experiment, CwPolicyLoss *loss, GError **error)
{
  const CwBinding *binding = &experiment->policy;
  GError *problem = NULL;
  g_autofree char *weights = find_weights(experiment, &problem);
  if (problem) {
    g_propagate_error(error, problem);
    return NULL;
  }
  CwPolicyLoss lost = {.model_is_gone = replace_model(experiment, weights)};
  g_autoptr(CwPolicy) policy =
      cw_policy_open(binding->feature, binding->options, (guint32)experiment->seed, error);
  if (!policy || (weights && !cw_policy_load(policy, weights, error)))
    return NULL;
  if (experiment->directory && !weights && (lost.model_is_gone || binding->from))
    lost.initial_is_gone = !is_as_it_began(experiment, policy);
  if (loss)
    *loss = lost;
  return g_steal_pointer(&policy);
}
