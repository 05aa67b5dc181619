/* Matches what an algorithm needs against what a policy offers, before anything heavy is loaded. */
#include "core/plugin/handles.h"

char *cw_policy_capabilities_text(guint64 bits)
{
  static const struct {
    guint64 bit;
    const char *name;
  } names[] = {{CW_POLICY_TRAINS, "training"},
               {CW_POLICY_VALUES, "a value head"},
               {CW_POLICY_CLONES, "frozen copies of itself"},
               {CW_POLICY_ON_DEVICE, "computing on an accelerator"},
               {CW_POLICY_ACTS, "choosing by itself"},
               {CW_POLICY_WORDS, "learning from actions in words"},
               {CW_POLICY_HISTORY, "reading the steps before"}};
  g_autoptr(GPtrArray) found = g_ptr_array_new();
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (bits & names[i].bit)
      g_ptr_array_add(found, (gpointer)names[i].name);
  g_ptr_array_add(found, NULL);
  return found->len > 1 ? g_strjoinv(", ", (char **)found->pdata) : NULL;
}

void cw_match_network(const char *algorithm_name, const CwNetwork *network, const CwRegisteredFeature *policy,
                      CwPlace place, CwDiagnostics *diagnostics)
{
  g_autofree char *missing = cw_policy_capabilities_text(network->needs & ~policy->capabilities);
  if (missing)
    cw_diagnostics_error(diagnostics, place,
                         "network '%s' of algorithm '%s' needs a policy that offers %s; policy '%s' does not",
                         network->name, algorithm_name, missing, policy->name);
}

void cw_match_capabilities(const char *algorithm_name, guint64 needs, const CwRegisteredFeature *policy,
                           gboolean has_trajectories, CwPlace place, CwDiagnostics *diagnostics)
{
  const guint64 of_policy = CW_NEEDS_TRAINING | CW_NEEDS_VALUES | CW_NEEDS_REFERENCE;
  if ((needs & CW_NEEDS_TRAJECTORIES) != 0 && !has_trajectories)
    cw_diagnostics_error(diagnostics, place,
                         "algorithm '%s' needs trajectories; add 'trajectories' to this stage",
                         algorithm_name);
  if (!policy) {
    if ((needs & of_policy) != 0)
      cw_diagnostics_error(diagnostics, place,
                           "algorithm '%s' needs a policy; the experiment has no 'policy'", algorithm_name);
    return;
  }
  if ((needs & CW_NEEDS_TRAINING) != 0 && (policy->capabilities & CW_POLICY_TRAINS) == 0)
    cw_diagnostics_error(diagnostics, place,
                         "algorithm '%s' needs a policy that trains; policy '%s' only scores", algorithm_name,
                         policy->name);
  if ((needs & CW_NEEDS_VALUES) != 0 && (policy->capabilities & CW_POLICY_VALUES) == 0)
    cw_diagnostics_error(diagnostics, place, "algorithm '%s' needs a value head; policy '%s' has none",
                         algorithm_name, policy->name);
  if ((needs & CW_NEEDS_REFERENCE) != 0 && (policy->capabilities & CW_POLICY_CLONES) == 0)
    cw_diagnostics_error(diagnostics, place,
                         "algorithm '%s' needs a frozen reference; policy '%s' cannot clone itself",
                         algorithm_name, policy->name);
}
