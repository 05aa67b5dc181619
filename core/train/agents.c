/* Which agents an experiment wants evaluated. That it has a policy when it names one of its states was
 * checked with the configuration. */
#include "core/train/run.h"

static gboolean has_algorithm(const CwExperiment *experiment)
{
  for (guint i = 0; i < experiment->stages->len; i++)
    if (((const CwStage *)g_ptr_array_index(experiment->stages, i))->kind == CW_STAGE_ALGORITHM)
      return TRUE;
  return FALSE;
}

static void add(GPtrArray *agents, const char *name)
{
  for (guint i = 0; i < agents->len; i++)
    if (g_str_equal(g_ptr_array_index(agents, i), name))
      return;
  g_ptr_array_add(agents, g_strdup(name));
}

static gboolean add_named(GPtrArray *agents, const char *name, const char *const *scripts, GError **error)
{
  gboolean is_policy = g_str_equal(name, "initial") || g_str_equal(name, "final");
  if (!is_policy && !g_str_equal(name, "random") && !g_strv_contains(scripts, name)) {
    g_autofree char *known = g_strjoinv(", ", (char **)scripts);
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "evaluate.agents: no agent '%s'; there are random, initial, final%s%s", name,
                *known ? " and the environment's scripts " : "; the environment has no scripts", known);
    return FALSE;
  }
  add(agents, name);
  return TRUE;
}

char **cw_run_agents(const CwExperiment *experiment, CwEnvironment *environment, GError **error)
{
  const char *const *scripts = cw_environment_scripts(environment);
  char **wanted = experiment->evaluate->agents;
  GPtrArray *agents = g_ptr_array_new_with_free_func(g_free);
  gboolean good = TRUE;
  for (guint i = 0; wanted && wanted[i] && good; i++)
    good = add_named(agents, wanted[i], scripts, error);
  if (!wanted || !wanted[0]) {
    add(agents, "random");
    for (guint i = 0; scripts[i]; i++)
      add(agents, scripts[i]);
    if (experiment->policy.feature)
      add(agents, "initial");
    if (experiment->policy.feature && has_algorithm(experiment))
      add(agents, "final");
  }
  g_ptr_array_add(agents, NULL);
  if (good)
    return (char **)g_ptr_array_free(agents, FALSE);
  g_ptr_array_unref(agents);
  return NULL;
}
