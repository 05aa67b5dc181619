/* Finds agents by name. The names that mean a policy depend on the place: a stage has one policy, an
 * evaluation looks at it before and after training. */
#include "core/rollout/agent.h"

static gboolean is_called(const char *name, CwPolicyNames names, CwWeights *weights)
{
  *weights = g_str_equal(name, "initial") ? CW_WEIGHTS_INITIAL
             : g_str_equal(name, "final") ? CW_WEIGHTS_FINAL
                                          : CW_WEIGHTS_PRESENT;
  return names == CW_CALLED_BY_WEIGHTS ? *weights != CW_WEIGHTS_PRESENT
                                       : names == CW_CALLED_POLICY && g_str_equal(name, "policy");
}

gboolean cw_agent_find(const char *name, CwPolicyNames names, CwEnvironment *environment, CwPolicy *policy,
                       const char *key, CwAgent *agent, GError **error)
{
  static const char *const called[] = {"", ", policy", ", initial, final"};
  const char *const *scripts = cw_environment_scripts(environment);
  CwWeights weights;
  if (policy && is_called(name, names, &weights))
    *agent = (CwAgent){CW_AGENT_POLICY, "policy", policy, CW_SELECT_SAMPLE, weights};
  else if (g_str_equal(name, "random"))
    *agent = (CwAgent){.kind = CW_AGENT_RANDOM, .name = name, .weights = CW_WEIGHTS_PRESENT};
  else if (g_strv_contains(scripts, name))
    *agent = (CwAgent){.kind = CW_AGENT_SCRIPT, .name = name, .weights = CW_WEIGHTS_PRESENT};
  else {
    g_autofree char *known = g_strjoinv(", ", (char **)scripts);
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "%s: no agent '%s'; there are random%s%s%s", key,
                name, called[names], *known ? ", " : "", known);
    return FALSE;
  }
  return TRUE;
}

gboolean cw_agent_check_teacher(const char *name, CwEnvironment *environment, const char *key, GError **error)
{
  const char *const *scripts = cw_environment_scripts(environment);
  if (!name || g_strv_contains(scripts, name))
    return TRUE;
  g_autofree char *known = g_strjoinv(", ", (char **)scripts);
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "%s: no script '%s' in the environment; there are %s", key, name, *known ? known : "none");
  return FALSE;
}

const char *cw_selection_name(CwSelection selection)
{
  return selection == CW_SELECT_GREEDY ? "greedy" : "sample";
}

gboolean cw_selection_from_name(const char *name, CwSelection *selection)
{
  if (!g_str_equal(name, "sample") && !g_str_equal(name, "greedy"))
    return FALSE;
  *selection = g_str_equal(name, "greedy") ? CW_SELECT_GREEDY : CW_SELECT_SAMPLE;
  return TRUE;
}
