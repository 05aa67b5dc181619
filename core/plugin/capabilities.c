/* Matches what an algorithm needs against what a policy offers, before anything heavy is loaded. */
#include "core/plugin/handles.h"

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
