/* Evaluates the agents of an experiment in the slots of a run. It owns the results, the agents and their
 * names; every pair of agent and selection is one phase of the run's eta and one evaluation. */
#include "lab/evaluate/evaluator.h"
#include "core/base/durable.h"

/* An agent under the name that the results give it. */
typedef struct {
  char *name;
  CwAgent agent;
  guint phase; /* of its first selection */
} Entry;

struct CwEvaluator {
  CwRun *run;
  CwResults *results;
  GArray *entries;         /* Entry */
  GPtrArray *names;        /* char *, of the entries; the last is NULL */
  CwSelection *selections; /* of a policy */
  guint n_selections;
  char *episodes; /* directory for kept episodes; NULL: none are kept */
};

static Entry *entry_at(const CwEvaluator *evaluator, guint i)
{
  return &g_array_index(evaluator->entries, Entry, i);
}

static void entry_clear(gpointer entry)
{
  g_free(((Entry *)entry)->name);
}

static void list_names(CwEvaluator *evaluator)
{
  g_ptr_array_set_size(evaluator->names, 0);
  for (guint i = 0; i < evaluator->entries->len; i++)
    g_ptr_array_add(evaluator->names, entry_at(evaluator, i)->name);
  g_ptr_array_add(evaluator->names, NULL);
}

static gboolean has_algorithm(const CwExperiment *experiment)
{
  for (guint i = 0; i < experiment->stages->len; i++)
    if (((const CwStage *)g_ptr_array_index(experiment->stages, i))->kind == CW_STAGE_ALGORITHM)
      return TRUE;
  return FALSE;
}

/* Once each, however often it is named. */
static gboolean add(CwEvaluator *evaluator, const char *name, GError **error)
{
  const CwRun *run = evaluator->run;
  for (guint i = 0; i < evaluator->entries->len; i++)
    if (g_str_equal(entry_at(evaluator, i)->name, name))
      return TRUE;
  CwAgent agent;
  CwPolicyNames names = run->experiment->policy.feature ? CW_CALLED_BY_WEIGHTS : CW_CALLED_NOTHING;
  /* "initial" whose weights are gone may have been evaluated before. */
  if (!cw_agent_find(name, names, run->environment, run->policy, "evaluate.agents", &agent, error))
    return FALSE;
  Entry entry = {.name = g_strdup(name), .agent = agent};
  if (agent.kind != CW_AGENT_POLICY)
    entry.agent.name = entry.name;
  g_array_append_val(evaluator->entries, entry);
  return TRUE;
}

static gboolean add_all(CwEvaluator *evaluator, GError **error)
{
  const CwRun *run = evaluator->run;
  const char *const *wanted = (const char *const *)run->experiment->evaluate->agents;
  gboolean named = wanted && wanted[0];
  const char *const *names = named ? wanted : cw_environment_scripts(run->environment);
  gboolean good = named || add(evaluator, "random", error);
  for (; *names && good; names++)
    good = add(evaluator, *names, error);
  if (named || !run->policy)
    return good;
  return good && add(evaluator, "initial", error) &&
         (!has_algorithm(run->experiment) || add(evaluator, "final", error));
}

static gboolean find_selections(CwEvaluator *evaluator, GError **error)
{
  char **names = evaluator->run->experiment->evaluate->selection;
  guint n = names ? g_strv_length(names) : 0;
  evaluator->n_selections = MAX(n, 1);
  evaluator->selections = g_new0(CwSelection, evaluator->n_selections);
  for (guint i = 0; i < n; i++)
    if (!cw_selection_from_name(names[i], &evaluator->selections[i])) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                  "evaluate.selection: '%s' is neither 'sample' nor 'greedy'", names[i]);
      return FALSE;
    }
  return TRUE;
}

CwEvaluator *cw_evaluator_new(CwRun *run, GError **error)
{
  CwEvaluator *evaluator = g_new0(CwEvaluator, 1);
  evaluator->run = run;
  evaluator->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
  g_array_set_clear_func(evaluator->entries, entry_clear);
  evaluator->names = g_ptr_array_new();
  evaluator->results = cw_results_new(run->experiment, run->environment, run->policy);
  if (!find_selections(evaluator, error) || !add_all(evaluator, error) ||
      !cw_agent_check_teacher(run->experiment->evaluate->advisor, run->environment, "evaluate.advisor",
                              error)) {
    cw_evaluator_free(evaluator);
    return NULL;
  }
  list_names(evaluator);
  return evaluator;
}

void cw_evaluator_free(CwEvaluator *evaluator)
{
  if (!evaluator)
    return;
  g_array_unref(evaluator->entries);
  g_ptr_array_unref(evaluator->names);
  g_free(evaluator->selections);
  g_free(evaluator->episodes);
  cw_results_free(evaluator->results);
  g_free(evaluator);
}

const char *const *cw_evaluator_names(const CwEvaluator *evaluator)
{
  return (const char *const *)evaluator->names->pdata;
}

gboolean cw_evaluator_has(const CwEvaluator *evaluator, CwWeights weights)
{
  for (guint i = 0; i < evaluator->entries->len; i++)
    if (entry_at(evaluator, i)->agent.weights == weights)
      return TRUE;
  return FALSE;
}

void cw_evaluator_leave_out(CwEvaluator *evaluator, CwWeights weights)
{
  for (guint i = evaluator->entries->len; i-- > 0;)
    if (entry_at(evaluator, i)->agent.weights == weights)
      g_array_remove_index(evaluator->entries, i);
  list_names(evaluator);
}

static guint n_selections(const CwEvaluator *evaluator, const Entry *entry)
{
  return entry->agent.kind == CW_AGENT_POLICY ? evaluator->n_selections : 1;
}

gboolean cw_evaluator_keep_episodes(CwEvaluator *evaluator, const char *directory, GError **error)
{
  if (evaluator->run->experiment->evaluate->keep_episodes == 0)
    return TRUE;
  evaluator->episodes = g_build_filename(directory, "episodes", NULL);
  return cw_make_directories(evaluator->episodes, error);
}

void cw_evaluator_plan(CwEvaluator *evaluator)
{
  for (guint i = 0; i < evaluator->entries->len; i++) {
    Entry *entry = entry_at(evaluator, i);
    g_autofree char *kind = g_strconcat("episodes of ", entry->agent.name, NULL);
    for (guint s = 0; s < n_selections(evaluator, entry); s++) {
      guint phase = cw_eta_add(evaluator->run->eta, kind, evaluator->results->n_episodes);
      if (s == 0)
        entry->phase = phase;
    }
  }
}

/* Where the episodes of that evaluation are kept. Free with g_free. */
static char *episodes_path(const CwEvaluator *evaluator, const char *name, const char *selection)
{
  g_autofree char *file = cw_results_episodes_name(name, selection);
  return g_build_filename(evaluator->episodes, file, NULL);
}

/* The script that `evaluate.advisor` means. */
static const char *advisor_of(const CwRun *run)
{
  const char *named = run->experiment->evaluate->advisor;
  if (named)
    return named;
  return g_strv_contains(cw_environment_scripts(run->environment), "expert") ? "expert" : NULL;
}

static gboolean evaluate(CwEvaluator *evaluator, const Entry *entry, const CwAgent *agent, guint phase,
                         GError **error)
{
  CwRun *run = evaluator->run;
  const CwEvaluateOptions *options = run->experiment->evaluate;
  const char *selection = agent->kind == CW_AGENT_POLICY ? cw_selection_name(agent->selection) : "";
  guint64 step = agent->weights == CW_WEIGHTS_FINAL ? run->step : 0;
  if (cw_results_find(evaluator->results, entry->name, selection, step)) {
    cw_eta_skip(run->eta, phase);
    return TRUE;
  }
  g_autofree char *label = g_strjoin(" ", "evaluate", entry->name, *selection ? selection : NULL, NULL);
  cw_eta_begin(run->eta, phase, label, 0, 0);
  g_autofree char *kept_path = evaluator->episodes ? episodes_path(evaluator, entry->name, selection) : NULL;
  CwKeptEpisodes kept = {kept_path, (guint64)options->keep_episodes, options->record && options->record[0],
                         advisor_of(run)};
  CwEvaluation *evaluation =
      cw_evaluate(run->rollout, agent, entry->name, options->split, (guint64)options->episodes,
                  (guint32)run->experiment->seed, kept_path ? &kept : NULL, cw_run_progress, run, error);
  cw_eta_end(run->eta);
  if (!evaluation)
    return FALSE;
  evaluation->step = step;
  cw_results_add(evaluator->results, evaluation);
  if (!run->directory)
    return TRUE;
  g_autofree char *path = cw_run_path(run, "evaluation.json");
  return cw_results_write(evaluator->results, path, error);
}

/* Whether nobody can play as the entry any more: the weights that the run began with are gone, and what they
 * did has not been kept. */
static gboolean is_gone(const CwEvaluator *evaluator, const Entry *entry)
{
  if (entry->agent.weights != CW_WEIGHTS_INITIAL || !evaluator->run->loss.initial_is_gone)
    return FALSE;
  for (guint s = 0; s < n_selections(evaluator, entry); s++) {
    if (cw_results_find(evaluator->results, entry->name, cw_selection_name(evaluator->selections[s]), 0))
      continue;
    g_warning("'%s' is not evaluated: the weights that the run began with are not there any more",
              entry->name);
    return TRUE;
  }
  return FALSE;
}

gboolean cw_evaluator_run(CwEvaluator *evaluator, guint weights, GError **error)
{
  for (guint i = 0; i < evaluator->entries->len; i++) {
    const Entry *entry = entry_at(evaluator, i);
    if (!(entry->agent.weights & weights) || is_gone(evaluator, entry))
      continue;
    for (guint s = 0; s < n_selections(evaluator, entry); s++) {
      CwAgent agent = entry->agent;
      agent.selection = evaluator->selections[s];
      if (!evaluate(evaluator, entry, &agent, entry->phase + s, error))
        return FALSE;
    }
  }
  return TRUE;
}

CwResults *cw_evaluator_results(CwEvaluator *evaluator)
{
  return evaluator->results;
}

char *cw_evaluator_table(const CwEvaluator *evaluator)
{
  return cw_results_table(evaluator->results, cw_evaluator_names(evaluator));
}
