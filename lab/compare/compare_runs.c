/* Opens what is to be compared: the environment of the first experiment, once, and a policy of each. */
#include "lab/compare/compare_runs.h"
#include "core/train/context.h"
#include "core/train/open_policy.h"
#include "core/train/resume_point.h"

typedef struct {
  char *name;
  CwPolicy *policy;
} Operand;

typedef struct {
  const CwCompared *compared;
  Operand *operands;
  guint n_operands;
  CwRun run;          /* of the first, without its policy */
  GArray *contenders; /* CwContender */
} Opened;

static char *name_of(const Opened *opened, const char *path)
{
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  g_autofree char *base = g_path_get_basename(absolute);
  char *dot = g_strrstr(base, ".yaml");
  if (dot && !dot[5])
    *dot = '\0';
  for (guint i = 0; i < opened->n_operands; i++)
    if (g_strcmp0(opened->operands[i].name, base) == 0)
      return g_strdup(path); /* two runs of one name: by their paths */
  return g_steal_pointer(&base);
}

static CwPolicy *open_policy(const CwCompared *compared, const char *name, GError **error)
{
  if (!compared->experiment->policy.feature) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: the experiment has no 'policy' to compare; name scripts and random with --agents", name);
    return NULL;
  }
  CwPolicy *policy = cw_open_policy(compared->experiment, NULL, error);
  if (!policy || !compared->directory)
    return policy;
  g_autofree char *directory = cw_resume_point_policy(compared->directory, error);
  if (directory && cw_policy_load(policy, directory, error))
    return policy;
  cw_policy_close(policy);
  return NULL;
}

static gboolean check_environment(const Opened *opened, guint other, GError **error)
{
  g_autofree char *difference = cw_experiment_difference(opened->compared[0].experiment,
                                                         opened->compared[other].experiment, "environment");
  if (!difference)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "%s and %s do not play in the same environment, so that their results cannot be compared: %s",
              opened->operands[0].name, opened->operands[other].name, difference);
  return FALSE;
}

static gboolean open_operands(Opened *opened, guint n, CwSelection selection, GError **error)
{
  for (guint i = 0; i < n; i++) {
    Operand *operand = &opened->operands[i];
    operand->name = name_of(opened, opened->compared[i].path);
    opened->n_operands = i + 1;
    if (i > 0 && !check_environment(opened, i, error))
      return FALSE;
    operand->policy = open_policy(&opened->compared[i], operand->name, error);
    if (!operand->policy)
      return FALSE;
    CwContender contender = {operand->name, {CW_AGENT_POLICY, operand->name, operand->policy, selection}};
    g_array_append_val(opened->contenders, contender);
  }
  return TRUE;
}

static gboolean add_scripts(Opened *opened, char **scripts, GError **error)
{
  for (char **name = scripts; name && *name; name++) {
    CwContender contender = {.name = *name};
    if (!cw_agent_find(*name, CW_CALLED_NOTHING, opened->run.environment, NULL, "--agents", &contender.agent,
                       error))
      return FALSE;
    g_array_append_val(opened->contenders, contender);
  }
  return TRUE;
}

static CwComparison *compare(Opened *opened, const CwCompareRequest *request, GError **error)
{
  CwRun *run = &opened->run;
  cw_eta_begin(run->eta, cw_eta_add(run->eta, "compare", 0), "compare", 0, 0);
  CwComparison *result = cw_compare(run->rollout, (const CwContender *)(gpointer)opened->contenders->data,
                                    opened->contenders->len, request, cw_run_progress, run, error);
  cw_eta_end(run->eta);
  return result;
}

CwComparison *cw_compare_runs(const CwCompared *compared, guint n, char **scripts, CwSelection selection,
                              const CwCompareRequest *request, gboolean quiet, GError **error)
{
  Opened opened = {.compared = compared,
                   .operands = g_new0(Operand, n),
                   .contenders = g_array_new(FALSE, FALSE, sizeof(CwContender))};
  CwComparison *result = NULL;
  if (open_operands(&opened, n, selection, error) &&
      cw_run_open(&opened.run, compared[0].experiment, FALSE, quiet, error) &&
      add_scripts(&opened, scripts, error))
    result = compare(&opened, request, error);
  if (opened.run.experiment)
    cw_run_close(&opened.run);
  for (guint i = 0; i < opened.n_operands; i++) {
    cw_policy_close(opened.operands[i].policy);
    g_free(opened.operands[i].name);
  }
  g_array_unref(opened.contenders);
  g_free(opened.operands);
  return result;
}
