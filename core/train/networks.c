/* Opens, saves, loads and closes the further networks of a stage. In a checkpoint each has a folder
 * networks/NAME, and state.ini has the steps of its optimiser under its name in group "networks". */
#include "core/train/networks.h"
#include "core/base/durable.h"
#include "core/train/conditions.h"

#define GROUP "networks" /* of the checkpoint's state.ini */

struct CwNetworks {
  const CwNetwork *table;
  CwPolicy **policies; /* n */
  guint n;
};

/* Weights of the run or checkpoint that the key `from` names. */
static gboolean take_weights(CwPolicy *policy, const char *from, GError **error)
{
  g_autofree char *directory = from ? cw_resume_point_policy_of(from, error) : NULL;
  return !from || (directory && cw_policy_load(policy, directory, error));
}

/* The network of a key. A stage that goes on can do without what it began with: the checkpoint has it. */
static CwPolicy *open_own(CwRun *run, guint stage, const char *name, const CwBinding *binding,
                          const CwResumePoint *resume_point, GError **error)
{
  guint32 seed = (guint32)run->experiment->seed;
  gboolean gone = resume_point && binding->from && !g_file_test(binding->from, G_FILE_TEST_EXISTS);
  g_autoptr(CwPolicy) policy = cw_policy_open(binding->feature, binding->options, seed, error);
  if (policy && take_weights(policy, gone ? NULL : binding->from, error) &&
      cw_conditions_add_network(run->conditions, stage, name, policy, !gone,
                                resume_point ? resume_point->directory : run->directory, error))
    return g_steal_pointer(&policy);
  return NULL;
}

static CwPolicy *open_like_policy(CwRun *run, GError **error)
{
  const CwBinding *binding = &run->experiment->policy;
  g_autoptr(CwPolicy) policy =
      cw_policy_open(binding->feature, binding->options, (guint32)run->experiment->seed, error);
  return policy && cw_policy_blend(policy, run->policy, 1, error) ? g_steal_pointer(&policy) : NULL;
}

static gboolean load(CwPolicy *policy, const char *name, const CwResumePoint *resume_point, GError **error)
{
  g_autofree char *directory = g_build_filename(resume_point->directory, GROUP, name, NULL);
  if (!cw_policy_load(policy, directory, error))
    return FALSE;
  cw_policy_set_steps(policy, g_key_file_get_uint64(resume_point->state, GROUP, name, NULL));
  return TRUE;
}

CwNetworks *cw_networks_open(CwRun *run, guint stage, const CwResumePoint *resume_point, GError **error)
{
  const CwStage *written = g_ptr_array_index(run->experiment->stages, stage);
  const CwRegisteredFeature *algorithm = written->algorithm.feature;
  g_autoptr(CwNetworks) networks = g_new0(CwNetworks, 1);
  networks->table = algorithm->networks;
  networks->policies = g_new0(CwPolicy *, algorithm->n_networks);
  networks->n = algorithm->n_networks;
  for (guint i = 0; i < networks->n; i++) {
    const CwBinding *binding = &written->networks[i];
    const char *name = networks->table[i].name;
    networks->policies[i] = binding->feature ? open_own(run, stage, name, binding, resume_point, error)
                                             : open_like_policy(run, error);
    if (!networks->policies[i] || (resume_point && !load(networks->policies[i], name, resume_point, error))) {
      g_prefix_error(error, "network '%s': ", name);
      return NULL;
    }
  }
  return g_steal_pointer(&networks);
}

void cw_networks_free(CwNetworks *networks)
{
  if (!networks)
    return;
  for (guint i = 0; i < networks->n; i++)
    cw_policy_close(networks->policies[i]);
  g_free(networks->policies);
  g_free(networks);
}

void cw_networks_show(CwNetworks *networks, CwUpdate *update)
{
  cw_update_set_networks(update, networks->table, networks->policies, networks->n);
}

gboolean cw_networks_save(CwNetworks *networks, const char *directory, GKeyFile *state, GError **error)
{
  for (guint i = 0; networks && i < networks->n; i++) {
    const char *name = networks->table[i].name;
    CwPolicy *policy = networks->policies[i];
    g_autofree char *into = g_build_filename(directory, GROUP, name, NULL);
    if (!cw_resume_point_check_weights(policy, error) || !cw_make_directories(into, error) ||
        !cw_policy_save(policy, into, error)) {
      g_prefix_error(error, "network '%s': ", name);
      return FALSE;
    }
    g_key_file_set_uint64(state, GROUP, name, cw_policy_steps(policy));
  }
  return TRUE;
}
