/* Checks across sections: who writes what a stage reads, which agents there can
 * be, whether policy and environment can do what is asked of them. They run on
 * the filled experiment before anything is loaded and only add complaints;
 * whatever a section has already been blamed for reads as absent here. */
#include "core/config/experiment_parts.h"
#include "core/plugin/handles.h"
#include <string.h>

typedef struct {
  const CwExperiment *experiment;
  const CwYamlNode *root;
  CwDiagnostics *diagnostics;
} Check;

CwPlace cw_experiment_item_place(const CwYamlNode *value, guint i)
{
  if (value->kind == CW_YAML_SEQUENCE && i < value->items->len)
    return ((const CwYamlNode *)g_ptr_array_index(value->items, i))->place;
  return value->place;
}

static const CwYamlNode *stage_node(const Check *check, guint i)
{
  return g_ptr_array_index(cw_yaml_get(check->root, "stages")->items, i);
}

static gboolean has_policy(const Check *check)
{
  return cw_yaml_get_pair(check->root, "policy") != NULL;
}

/* The environment, when it is known and lacks a capability. */
static const CwRegisteredFeature *environment_without(const Check *check, guint64 capability)
{
  const CwRegisteredFeature *environment = check->experiment->environment.feature;
  return environment && !(environment->capabilities & capability) ? environment : NULL;
}

static gboolean is_identifier(const char *name)
{
  return g_ascii_islower(*name) && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static gboolean is_file_name(const char *name)
{
  return *name != '\0' && *name != '.' && !strchr(name, '/');
}

/* An agent that is none of `builtin` must be a script; their names are only known
 * once the environment is open, so here it must have some and the name must look like one. */
static void check_agent(const Check *check, const char *agent, const char *const *builtin, const char *owner,
                        CwPlace place)
{
  if (g_strv_contains(builtin, agent))
    return;
  const CwRegisteredFeature *scriptless = environment_without(check, CW_ENVIRONMENT_SCRIPTS);
  g_autofree char *names = g_strjoinv(", ", (char **)builtin);
  g_autofree char *shown = cw_display_text(agent);
  const char *near = cw_suggest(agent, builtin);
  g_autofree char *cure = near ? g_strdup_printf("; did you mean '%s'?", near) : g_strdup("");
  if (scriptless)
    cw_diagnostics_error(check->diagnostics, place, "%s names %s, but environment '%s' has no scripts; expected %s%s",
                         owner, shown, scriptless->name, names, cure);
  else if (!is_identifier(agent))
    cw_diagnostics_error(check->diagnostics, place, "%s names %s; expected %s or the name of a script%s", owner, shown,
                         names, cure);
}

/* The index of the item among the earlier ones of the list, or -1. */
static gint earlier_item(char *const *items, guint i)
{
  for (guint j = 0; j < i; j++)
    if (strcmp(items[j], items[i]) == 0)
      return j;
  return -1;
}

static void check_list_items(const Check *check, const char *key, char *const *items)
{
  const CwYamlNode *value = cw_yaml_get(cw_yaml_get(check->root, "evaluate"), key);
  for (guint i = 0; value && items && items[i]; i++)
    if (earlier_item(items, i) >= 0)
      cw_diagnostics_error(check->diagnostics, cw_experiment_item_place(value, i), "%s in evaluate names '%s' twice",
                           key, items[i]);
}

static void check_evaluate(const Check *check)
{
  static const char *const builtin[] = {"random", "initial", "final", NULL};
  const CwEvaluateOptions *evaluate = check->experiment->evaluate;
  const CwYamlNode *section = cw_yaml_get(check->root, "evaluate");
  const CwYamlNode *agents = cw_yaml_get(section, "agents"), *selection = cw_yaml_get(section, "selection");
  check_list_items(check, "agents", evaluate->agents);
  check_list_items(check, "selection", evaluate->selection);
  if (selection && evaluate->selection && !evaluate->selection[0])
    cw_diagnostics_error(check->diagnostics, selection->place,
                         "selection in evaluate is an empty list; expected sample, greedy or both");
  for (guint i = 0; agents && evaluate->agents && evaluate->agents[i]; i++) {
    const char *agent = evaluate->agents[i];
    CwPlace place = cw_experiment_item_place(agents, i);
    check_agent(check, agent, builtin, "agents in evaluate", place);
    if (!has_policy(check) && (strcmp(agent, "initial") == 0 || strcmp(agent, "final") == 0))
      cw_diagnostics_error(check->diagnostics, place,
                           "agents in evaluate names '%s', which needs a policy; the experiment has no 'policy'",
                           agent);
  }
}

static void check_generate(const Check *check, guint i, const CwStage *stage)
{
  static const char *const builtin[] = {"random", "policy", NULL};
  const CwYamlNode *value = cw_yaml_get(cw_yaml_get(stage_node(check, i), "generate"), "agent");
  const char *agent = stage->generate->agent;
  if (!value || !agent)
    return;
  check_agent(check, agent, builtin, "agent in generate", value->place);
  if (strcmp(agent, "policy") == 0 && !has_policy(check))
    cw_diagnostics_error(check->diagnostics, value->place,
                         "agent in generate is 'policy', but the experiment has no 'policy'");
}

static void check_import(const Check *check, guint i, const CwStage *stage)
{
  const CwRegisteredFeature *recordless = environment_without(check, CW_ENVIRONMENT_RECORDS);
  const CwYamlNode *value = cw_yaml_get(cw_yaml_get(stage_node(check, i), "import"), "sessions");
  const char *sessions = stage->import->sessions;
  if (recordless)
    cw_diagnostics_error(check->diagnostics, stage->place,
                         "import needs an environment that reads recorded sessions; environment '%s' does not",
                         recordless->name);
  if (value && sessions && !g_file_test(sessions, G_FILE_TEST_EXISTS))
    cw_diagnostics_error(check->diagnostics, value->place, "sessions in import is '%s'; there is no such file",
                         sessions);
}

/* The stage before `end` (and from `begin`) that writes `name`, or -1. */
static gint writer_of(const Check *check, const char *name, guint begin, guint end)
{
  for (guint i = begin; i < end; i++) {
    const CwStage *stage = g_ptr_array_index(check->experiment->stages, i);
    if (stage && stage->into && strcmp(stage->into, name) == 0)
      return i;
  }
  return -1;
}

static void check_into(const Check *check, guint i, const CwStage *stage)
{
  const CwYamlNode *value = cw_yaml_get(stage_node(check, i), "into");
  if (!value || !stage->into)
    return;
  g_autofree char *shown = cw_display_text(stage->into);
  gint earlier = writer_of(check, stage->into, 0, i);
  if (!is_file_name(stage->into))
    cw_diagnostics_error(check->diagnostics, value->place,
                         "into is %s; expected a plain file name such as expert.jsonl", shown);
  else if (earlier >= 0) {
    g_autofree char *where = cw_place_text(cw_yaml_get(stage_node(check, earlier), "into")->place);
    cw_diagnostics_error(check->diagnostics, value->place, "into is %s, which an earlier stage writes already (%s)",
                         shown, where);
  }
}

static void check_trajectories(const Check *check, guint i, const CwStage *stage, const char *what)
{
  guint n_stages = check->experiment->stages->len;
  char **names = stage->options->trajectories;
  const CwYamlNode *value = cw_yaml_get(stage_node(check, i), "trajectories");
  for (guint j = 0; value && names && names[j]; j++) {
    CwPlace place = cw_experiment_item_place(value, j);
    if (writer_of(check, names[j], 0, i) >= 0 ||
        (g_file_test(names[j], G_FILE_TEST_EXISTS) && !g_file_test(names[j], G_FILE_TEST_IS_DIR)))
      continue;
    gint later = writer_of(check, names[j], i + 1, n_stages);
    g_autoptr(GPtrArray) written = g_ptr_array_new();
    for (guint k = 0; k < i; k++) {
      const CwStage *earlier = g_ptr_array_index(check->experiment->stages, k);
      if (earlier && earlier->into)
        g_ptr_array_add(written, earlier->into);
    }
    g_ptr_array_add(written, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)written->pdata);
    g_autofree char *shown = cw_display_text(names[j]);
    const char *near = cw_suggest(names[j], (const char *const *)written->pdata);
    if (later >= 0)
      cw_diagnostics_error(check->diagnostics, place,
                           "trajectories in %s names %s, which a later stage writes; move that stage before "
                           "this one",
                           what, shown);
    else
      cw_diagnostics_error(check->diagnostics, place,
                           "trajectories in %s names %s, which is neither a file nor written by an earlier "
                           "stage (they write: %s)%s%s%s",
                           what, shown, *list ? list : "nothing", near ? "; did you mean '" : "", near ? near : "",
                           near ? "'?" : "");
  }
}

static void check_algorithm(const Check *check, guint i, const CwStage *stage, gboolean filled)
{
  const CwRegisteredFeature *feature = stage->algorithm.feature;
  const CwRegisteredFeature *policy = check->experiment->policy.feature;
  if (!feature) {
    check_trajectories(check, i, stage, "the stage");
    return;
  }
  g_autofree char *what = g_strdup_printf("algorithm '%s'", feature->name);
  if (!has_policy(check))
    cw_diagnostics_error(check->diagnostics, stage->place, "%s needs a policy; the experiment has no 'policy'", what);
  if (filled) {
    /* A policy that was named but not found says nothing about what it can do. */
    guint64 needs = cw_algorithm_needs(feature, stage->algorithm.options);
    gboolean has_trajectories = stage->options->trajectories && stage->options->trajectories[0];
    cw_match_capabilities(feature->name, policy ? needs : needs & CW_NEEDS_TRAJECTORIES, policy, has_trajectories,
                          stage->place, check->diagnostics);
  }
  check_trajectories(check, i, stage, what);
}

static void check_name(const Check *check)
{
  const CwYamlNode *value = cw_yaml_get(check->root, "name");
  g_autofree char *shown = cw_display_text(check->experiment->name);
  if (!is_file_name(check->experiment->name))
    cw_diagnostics_error(check->diagnostics, value ? value->place : check->root->place,
                         "name in the experiment is %s; expected a plain name such as demo, without '/'", shown);
}

void cw_experiment_check(const CwExperiment *experiment, const CwYamlNode *root, const gboolean *filled,
                         CwDiagnostics *diagnostics)
{
  const Check check = {experiment, root, diagnostics};
  check_name(&check);
  check_evaluate(&check);
  for (guint i = 0; i < experiment->stages->len; i++) {
    const CwStage *stage = g_ptr_array_index(experiment->stages, i);
    if (!stage)
      continue;
    if (stage->kind == CW_STAGE_ALGORITHM)
      check_algorithm(&check, i, stage, filled[i]);
    else
      check_into(&check, i, stage);
    if (stage->kind == CW_STAGE_GENERATE)
      check_generate(&check, i, stage);
    else if (stage->kind == CW_STAGE_IMPORT)
      check_import(&check, i, stage);
  }
}
