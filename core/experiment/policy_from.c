/* `policy: {from: RUN}`: the policy of another run, with its plugin and its options, under what the file says
 * itself. The weights come when the policy is opened (core/train/open_policy.h). */
#include "core/config/paths.h"
#include "core/experiment/experiment_private.h"
#include <string.h>

/* The configuration of a run, or of the run that a checkpoint (RUN/checkpoints/step-N) belongs to; NULL when
 * there is none. Free with g_free. */
static char *configuration_of(const char *run_or_checkpoint)
{
  static const char *const steps[] = {"", "../.."};
  for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
    char *path = g_build_filename(run_or_checkpoint, steps[i], "config.yaml", NULL);
    g_autofree char *state = g_build_filename(run_or_checkpoint, "state.ini", NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS) && (i == 0 || g_file_test(state, G_FILE_TEST_EXISTS)))
      return path;
    g_free(path);
  }
  return NULL;
}

/* The run's policy, to be freed with cw_yaml_free; NULL after a complaint. */
static CwYamlNode *policy_of(const char *configuration, CwPlace place, CwDiagnostics *diagnostics)
{
  CwYamlNode *policy = NULL;
  g_autoptr(CwYamlNode) root = cw_yaml_parse_file(configuration, diagnostics);
  CwYamlPair *pair = root ? (CwYamlPair *)cw_yaml_get_pair(root, "policy") : NULL;
  if (pair && pair->value->kind == CW_YAML_MAPPING)
    policy = g_steal_pointer(&pair->value);
  else if (root)
    cw_diagnostics_error(diagnostics, place, "from in policy names a run without a policy (%s)",
                         configuration);
  for (guint i = 0; policy && i < policy->items->len; i++)
    if (strcmp(((CwYamlPair *)g_ptr_array_index(policy->items, i))->key, "from") == 0)
      cw_yaml_remove(policy, i--);
  return policy;
}

gboolean cw_experiment_take_policy(CwYamlNode **mapping, gboolean may_be_gone, CwDiagnostics *diagnostics)
{
  const CwYamlNode *from = cw_yaml_get(*mapping, "from");
  g_autofree char *problem = NULL, *expanded = NULL;
  if (!from || from->kind != CW_YAML_SCALAR || from->faulty || *from->scalar == '\0' ||
      (!from->quoted && strcmp(from->scalar, "null") == 0))
    return TRUE; /* whatever is wrong with it is found where options are filled */
  if (!(expanded = cw_path_expand(from->scalar, &problem))) {
    cw_diagnostics_error(diagnostics, from->place, "from in policy %s", problem);
    return FALSE;
  }
  g_autofree char *path = cw_path_find(expanded, from->place, NULL), *configuration = configuration_of(path);
  if (!configuration && may_be_gone && cw_yaml_get(*mapping, "plugin"))
    return TRUE;
  if (!configuration) {
    g_autofree char *shown = cw_display_text(path);
    cw_diagnostics_error(diagnostics, from->place,
                         "from in policy is %s; expected a run directory or one of its checkpoints "
                         "(RUN/checkpoints/step-N)",
                         shown);
    return FALSE;
  }
  CwYamlNode *policy = policy_of(configuration, from->place, diagnostics);
  if (policy)
    *mapping = cw_yaml_merge(policy, *mapping);
  return policy != NULL;
}
