/* Checks across sections: who writes what a stage reads, which agents there can be, whether policy and
 * environment can do what is asked of them. They run on the filled experiment before anything is loaded and
 * only add complaints; whatever a section has already been blamed for reads as absent here. */
#include "core/base/printable.h"
#include "core/experiment/experiment_private.h"
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

/* What must be otherwise before a file can have this name, or NULL; `plain` says what a plain one is. The
 * name leaves room for what is hung on to it while the file is written (core/base/durable.h). */
static const char *fault_of_name(const char *name, const char *plain)
{
  enum { LONGEST = 200 };
  if (*name == '\0' || *name == '.' || strchr(name, '/'))
    return plain;
  if (strlen(name) > LONGEST)
    return "expected at most 200 bytes";
  return cw_is_printable(name, "") ? NULL : "expected a name without control characters";
}

/* Whether the name is like those of trajectories that are generated anew: refresh-STAGE-GENERATION-NAME. */
static gboolean is_refreshed_name(const char *name)
{
  return g_regex_match_simple("^refresh-[0-9]+-[0-9]+-", name, 0, 0);
}

/* An agent that is none of `builtin` must be a script; their names are only known once the environment is
 * open, so here it must have some and the name must look like one. */
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
    cw_diagnostics_error(check->diagnostics, place,
                         "%s names %s, but environment '%s' has no scripts; expected %s%s", owner, shown,
                         scriptless->name, names, cure);
  else if (!cw_is_name(agent))
    cw_diagnostics_error(check->diagnostics, place, "%s names %s; expected %s or the name of a script%s",
                         owner, shown, names, cure);
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
      cw_diagnostics_error(check->diagnostics, cw_experiment_item_place(value, i),
                           "%s in evaluate names '%s' twice", key, items[i]);
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
      cw_diagnostics_error(
          check->diagnostics, place,
          "agents in evaluate names '%s', which needs a policy; the experiment has no 'policy'", agent);
  }
}

/* Where a key of generate: was written, or, when it was not, the stage. */
static CwPlace generate_place(const Check *check, guint i, const char *key, const CwStage *stage)
{
  const CwYamlNode *value = cw_yaml_get(cw_yaml_get(stage_node(check, i), "generate"), key);
  return value ? value->place : stage->place;
}

/* A teacher's choices are no episode of anybody: nothing can be told from how it ended, and no script can act
 * next to it. */
static void check_teacher(const Check *check, guint i, const CwStage *stage)
{
  const CwGenerateOptions *options = stage->generate;
  CwPlace place = generate_place(check, i, "teacher", stage);
  if (!options->teacher)
    return;
  if (options->agent && strcmp(options->agent, "policy") != 0 && strcmp(options->agent, "random") != 0)
    cw_diagnostics_error(check->diagnostics, place,
                         "teacher in generate is for agents policy and random, found '%s'", options->agent);
  if (options->successful_only || options->perfect > 0 || options->prune_loops)
    cw_diagnostics_error(
        check->diagnostics, place,
        "teacher in generate does not go with 'perfect', 'successful_only' and 'prune_loops': the "
        "episodes are the agent's, the recorded choices are not");
}

static void check_generate(const Check *check, guint i, const CwStage *stage)
{
  static const char *const builtin[] = {"random", "policy", NULL};
  const CwYamlNode *value = cw_yaml_get(stage_node(check, i), "generate");
  const CwGenerateOptions *options = stage->generate;
  CwPlace place = generate_place(check, i, "agent", stage);
  gboolean is_policy = options->agent && strcmp(options->agent, "policy") == 0;
  if (options->agent)
    check_agent(check, options->agent, builtin, "agent in generate", place);
  if (is_policy && !has_policy(check) && !cw_yaml_get(stage_node(check, i), "policy"))
    cw_diagnostics_error(check->diagnostics, place,
                         "agent in generate is 'policy', but the experiment has no 'policy'");
  if (options->agent && !is_policy && stage->policy.feature)
    cw_diagnostics_error(check->diagnostics, stage->policy.place,
                         "policy next to generate is for agent 'policy', found agent '%s'", options->agent);
  if (options->agent && !is_policy && options->policy_from)
    cw_diagnostics_error(check->diagnostics, generate_place(check, i, "policy_from", stage),
                         "policy_from in generate is for agent 'policy', found agent '%s'", options->agent);
  gboolean is_empty = value->kind == CW_YAML_SCALAR && *value->scalar == '\0';
  if ((value->kind == CW_YAML_MAPPING || is_empty) && options->episodes == 0 && options->perfect == 0)
    cw_diagnostics_error(check->diagnostics, stage->place,
                         "generate needs 'episodes' (how many to roll out) or 'perfect' (how many to find)");
  if (options->rejected_into && !options->successful_only && options->perfect == 0)
    cw_diagnostics_error(
        check->diagnostics, generate_place(check, i, "rejected_into", stage),
        "rejected_into in generate needs 'perfect' or 'successful_only': otherwise nothing is "
        "rejected");
  check_teacher(check, i, stage);
}

static void check_import(const Check *check, guint i, const CwStage *stage)
{
  const CwRegisteredFeature *recordless = environment_without(check, CW_ENVIRONMENT_RECORDS);
  const CwYamlNode *value = cw_yaml_get(cw_yaml_get(stage_node(check, i), "import"), "sessions");
  const char *sessions = stage->import->sessions;
  if (recordless)
    cw_diagnostics_error(
        check->diagnostics, stage->place,
        "import needs an environment that reads recorded sessions; environment '%s' does not",
        recordless->name);
  if (value && sessions && !check->experiment->directory && !g_file_test(sessions, G_FILE_TEST_EXISTS))
    cw_diagnostics_error(check->diagnostics, value->place,
                         "sessions in import is '%s'; there is no such file", sessions);
}

/* The names of the files that a stage writes, NULL-terminated. */
static void files_of(const CwStage *stage, const char *files[3])
{
  guint n = 0;
  if (stage && stage->into)
    files[n++] = stage->into;
  if (stage && stage->generate && stage->generate->rejected_into)
    files[n++] = stage->generate->rejected_into;
  files[n] = NULL;
}

/* The stage before `end` (and from `begin`) that writes `name`, or -1. */
static gint writer_of(const Check *check, const char *name, guint begin, guint end)
{
  for (guint i = begin; i < end; i++) {
    const char *files[3];
    files_of(g_ptr_array_index(check->experiment->stages, i), files);
    if (g_strv_contains(files, name))
      return i;
  }
  return -1;
}

/* A file that stage `i` writes, as `key` at `place` says. */
static void check_file(const Check *check, guint i, const char *key, const char *name, CwPlace place)
{
  g_autofree char *shown = cw_display_text(name);
  gint earlier = writer_of(check, name, 0, i);
  const char *fault = fault_of_name(name, "expected a plain file name such as expert.jsonl");
  if (fault)
    cw_diagnostics_error(check->diagnostics, place, "%s is %s; %s", key, shown, fault);
  else if (is_refreshed_name(name))
    cw_diagnostics_error(check->diagnostics, place,
                         "%s is %s; names like refresh-1-2-... are those of trajectories that refresh_every "
                         "generates anew: choose another",
                         key, shown);
  else if (earlier >= 0) {
    const CwYamlNode *node = stage_node(check, earlier);
    const CwYamlNode *into = cw_yaml_get(node, "into");
    g_autofree char *where = cw_place_text(into ? into->place : node->place);
    cw_diagnostics_error(check->diagnostics, place, "%s is %s, which an earlier stage writes already (%s)",
                         key, shown, where);
  }
}

static void check_into(const Check *check, guint i, const CwStage *stage)
{
  const CwYamlNode *value = cw_yaml_get(stage_node(check, i), "into");
  const char *rejected = stage->generate ? stage->generate->rejected_into : NULL;
  if (value && stage->into)
    check_file(check, i, "into", stage->into, value->place);
  if (!rejected)
    return;
  CwPlace place = generate_place(check, i, "rejected_into", stage);
  check_file(check, i, "rejected_into", rejected, place);
  if (stage->into && strcmp(stage->into, rejected) == 0)
    cw_diagnostics_error(check->diagnostics, place,
                         "rejected_into is the same file as into; give it another name");
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
      const char *files[3];
      files_of(g_ptr_array_index(check->experiment->stages, k), files);
      for (guint file = 0; files[file]; file++)
        g_ptr_array_add(written, (gpointer)files[file]);
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
    else if (!check->experiment->directory)
      cw_diagnostics_error(check->diagnostics, place,
                           "trajectories in %s names %s, which is neither a file nor written by an earlier "
                           "stage (they write: %s)%s%s%s",
                           what, shown, *list ? list : "nothing", near ? "; did you mean '" : "",
                           near ? near : "", near ? "'?" : "");
  }
}

/* There must be something to generate anew, and an algorithm that bears it. */
static void check_refresh(const Check *check, guint i, const CwStage *stage, const char *what,
                          gboolean filled)
{
  const CwYamlNode *value = cw_yaml_get(stage_node(check, i), "refresh_every");
  char **names = stage->options->trajectories;
  gboolean generated = FALSE;
  if (!value || stage->options->refresh_every == 0)
    return;
  for (guint j = 0; names && names[j]; j++) {
    gint writer = writer_of(check, names[j], 0, i);
    const CwStage *earlier = writer >= 0 ? g_ptr_array_index(check->experiment->stages, writer) : NULL;
    generated |= earlier && earlier->generate && !earlier->policy.feature &&
                 g_strcmp0(earlier->generate->agent, "policy") == 0;
  }
  if (!generated)
    cw_diagnostics_error(
        check->diagnostics, value->place,
        "refresh_every in %s needs trajectories that a generate stage with agent 'policy' writes", what);
  if (filled && !(cw_algorithm_needs(stage->algorithm.feature, stage->algorithm.options) & CW_TAKES_REFRESH))
    cw_diagnostics_error(check->diagnostics, value->place,
                         "%s cannot take other trajectories while it learns; leave refresh_every out", what);
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
    cw_diagnostics_error(check->diagnostics, stage->place,
                         "%s needs a policy; the experiment has no 'policy'", what);
  if (filled) {
    /* A policy that was named but not found says nothing about what it can do. */
    guint64 needs = cw_algorithm_needs(feature, stage->algorithm.options);
    gboolean has_trajectories = stage->options->trajectories && stage->options->trajectories[0];
    cw_match_capabilities(feature->name, policy ? needs : needs & CW_NEEDS_TRAJECTORIES, policy,
                          has_trajectories, stage->place, check->diagnostics);
  }
  for (guint k = 0; k < feature->n_networks; k++) {
    const CwBinding *network = &stage->networks[k];
    const gboolean is_named = cw_yaml_get(stage_node(check, i), feature->networks[k].name) != NULL;
    const CwRegisteredFeature *backend = is_named ? network->feature : policy;
    if (backend)
      cw_match_network(feature->name, &feature->networks[k], backend,
                       is_named ? network->place : stage->place, check->diagnostics);
  }
  check_trajectories(check, i, stage, what);
  check_refresh(check, i, stage, what, filled);
}

static void check_name(const Check *check)
{
  const CwYamlNode *value = cw_yaml_get(check->root, "name");
  g_autofree char *shown = cw_display_text(check->experiment->name);
  const char *fault =
      fault_of_name(check->experiment->name, "expected a plain name such as demo, without '/'");
  if (fault)
    cw_diagnostics_error(check->diagnostics, value ? value->place : check->root->place,
                         "name in the experiment is %s; %s", shown, fault);
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
