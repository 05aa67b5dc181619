/* Keeps the evaluations of an experiment with the facts about its environment
 * and policy, writes them as JSON and reads them back. Owns
 * the evaluations and copies of all facts. */
#include "lab/evaluate/results.h"
#include "config.h"
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

CwResults *cw_results_new(const CwExperiment *experiment, CwEnvironment *environment, CwPolicy *policy)
{
  CwResults *results = g_new0(CwResults, 1);
  const CwRegisteredFeature *feature = cw_environment_feature(environment);
  results->name = g_strdup(experiment->name);
  results->seed = (guint32)experiment->seed;
  results->confidence = experiment->evaluate->confidence;
  results->environment = g_strdup(feature->name);
  results->environment_version = g_strdup(feature->plugin->descriptor->version);
  results->environment_facts = g_strdupv((char **)cw_environment_describe(environment));
  if (policy) {
    feature = cw_policy_feature(policy);
    results->policy = g_strdup(feature->name);
    results->policy_version = g_strdup(feature->plugin->descriptor->version);
    results->policy_facts = g_strdupv((char **)cw_policy_describe(policy));
  }
  results->split = g_strdup(experiment->evaluate->split);
  results->n_goals = MAX(cw_environment_n_goals(environment, results->split, NULL), 0);
  results->n_episodes = (guint64)MIN(experiment->evaluate->episodes, results->n_goals);
  results->selections = g_strdupv(experiment->evaluate->selection);
  results->evaluations = g_ptr_array_new_with_free_func((GDestroyNotify)cw_evaluation_free);
  return results;
}

void cw_results_free(CwResults *results)
{
  if (!results)
    return;
  g_free(results->name);
  g_free(results->environment);
  g_free(results->environment_version);
  g_free(results->policy);
  g_free(results->policy_version);
  g_strfreev(results->environment_facts);
  g_strfreev(results->policy_facts);
  g_strfreev(results->accepted);
  g_free(results->split);
  g_strfreev(results->selections);
  g_ptr_array_unref(results->evaluations);
  g_free(results);
}

void cw_results_add(CwResults *results, CwEvaluation *evaluation)
{
  for (guint i = 0; i < results->evaluations->len; i++) {
    CwEvaluation *old = g_ptr_array_index(results->evaluations, i);
    if (g_str_equal(old->agent, evaluation->agent) && g_str_equal(old->selection, evaluation->selection)) {
      cw_evaluation_free(old);
      results->evaluations->pdata[i] = evaluation;
      return;
    }
  }
  g_ptr_array_add(results->evaluations, evaluation);
}

static gboolean is_on_terms(const CwResults *results, const CwEvaluation *evaluation)
{
  const char *const *selections = (const char *const *)results->selections;
  return g_str_equal(evaluation->split, results->split) && evaluation->n == results->n_episodes &&
         (!*evaluation->selection || !selections || g_strv_contains(selections, evaluation->selection));
}

const CwEvaluation *cw_results_find(const CwResults *results, const char *agent, const char *selection,
                                    guint64 step)
{
  for (guint i = 0; i < results->evaluations->len; i++) {
    const CwEvaluation *evaluation = g_ptr_array_index(results->evaluations, i);
    if (g_str_equal(evaluation->agent, agent) && g_str_equal(evaluation->selection, selection) &&
        evaluation->step == step && is_on_terms(results, evaluation))
      return evaluation;
  }
  return NULL;
}

char *cw_results_episodes_name(const char *agent, const char *selection)
{
  return g_strconcat(agent, *selection ? "-" : "", selection, ".jsonl", NULL);
}

/* Plugin, version and facts as one object of strings. */
static void append_facts(GString *json, const char *key, const char *plugin, const char *version,
                         char **facts)
{
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  g_ptr_array_add(all, (gpointer) "plugin");
  g_ptr_array_add(all, (gpointer)plugin);
  g_ptr_array_add(all, (gpointer) "version");
  g_ptr_array_add(all, (gpointer)version);
  for (; facts && *facts; facts++)
    g_ptr_array_add(all, *facts);
  g_ptr_array_add(all, NULL);
  cw_json_facts(json, key, (const char *const *)all->pdata);
}

static void append_interval(GString *json, const char *key, CwInterval interval)
{
  g_autofree char *bounds = g_strconcat(key, "_interval", NULL);
  cw_json_double(json, key, interval.mean);
  cw_json_begin(json, bounds, '[');
  cw_json_double(json, NULL, interval.low);
  cw_json_double(json, NULL, interval.high);
  cw_json_end(json, ']');
}

static void append_evaluation(GString *json, const CwEvaluation *evaluation, double confidence)
{
  guint n = evaluation->n;
  cw_json_begin(json, NULL, '{');
  cw_json_string(json, "agent", evaluation->agent);
  cw_json_string(json, "selection", evaluation->selection);
  cw_json_string(json, "split", evaluation->split);
  cw_json_integer(json, "updates", (gint64)evaluation->step);
  cw_json_integer(json, "episodes", n);
  append_interval(json, "score", cw_evaluation_score(evaluation, confidence));
  append_interval(json, "success", cw_evaluation_success(evaluation, confidence));
  cw_json_double(json, "steps_per_episode", cw_evaluation_mean_length(evaluation));
  cw_json_integer(json, "decisions", (gint64)evaluation->n_decisions);
  if (evaluation->n_invalid > 0)
    cw_json_integer(json, "invalid_answers", (gint64)evaluation->n_invalid);
  cw_json_double(json, "seconds", evaluation->seconds);
  cw_json_double(json, "decisions_per_second",
                 evaluation->seconds > 0 ? (double)evaluation->n_decisions / evaluation->seconds : NAN);
  cw_json_begin(json, "parts", '{');
  for (guint i = 0; i < evaluation->parts->len; i++)
    cw_json_double(json, evaluation->parts->pdata[i], g_array_index(evaluation->part_sums, double, i) / n);
  cw_json_end(json, '}');
  /* The long lists have no blanks. */
  cw_json_begin(json, "rewards", '[');
  for (guint i = 0; i < n; i++, g_string_append_c(json, i < n ? ',' : ']'))
    cw_json_double(json, NULL, evaluation->rewards[i]);
  cw_json_begin(json, "successes", '[');
  for (guint i = 0; i < n; i++, g_string_append_c(json, i < n ? ',' : ']'))
    cw_json_integer(json, NULL, evaluation->success[i]);
  cw_json_begin(json, "lengths", '[');
  for (guint i = 0; i < n; i++, g_string_append_c(json, i < n ? ',' : ']'))
    cw_json_integer(json, NULL, evaluation->lengths[i]);
  cw_json_end(json, '}');
}

char *cw_results_json(const CwResults *results)
{
  GString *json = g_string_new("{\n  ");
  cw_json_string(json, "cartwright", PACKAGE_VERSION);
  g_string_append(json, ",\n  ");
  cw_json_string(json, "name", results->name);
  g_string_append(json, ",\n  ");
  cw_json_integer(json, "seed", results->seed);
  g_string_append(json, ",\n  ");
  cw_json_double(json, "confidence", results->confidence);
  g_string_append(json, ",\n  ");
  append_facts(json, "environment", results->environment, results->environment_version,
               results->environment_facts);
  g_string_append(json, ",\n  ");
  if (results->policy)
    append_facts(json, "policy", results->policy, results->policy_version, results->policy_facts);
  else
    g_string_append(json, "\"policy\": null");
  g_string_append(json, ",\n  ");
  if (results->accepted && *results->accepted) {
    cw_json_facts(json, "accepted", (const char *const *)results->accepted);
    g_string_append(json, ",\n  ");
  }
  if (results->seconds > 0) {
    cw_json_double(json, "seconds", results->seconds);
    g_string_append(json, ",\n  ");
  }
  cw_json_begin(json, "agents", '[');
  for (guint i = 0; i < results->evaluations->len; i++) {
    g_string_append(json, i ? ",\n    " : "\n    ");
    append_evaluation(json, g_ptr_array_index(results->evaluations, i), results->confidence);
  }
  g_string_append(json, "\n  ]\n}\n");
  return g_string_free(json, FALSE);
}

gboolean cw_results_write(const CwResults *results, const char *path, GError **error)
{
  g_autofree char *json = cw_results_json(results);
  return cw_write_file(path, json, strlen(json), error);
}

static gboolean is_array_of_numbers(json_t *array, gsize n)
{
  gsize i;
  json_t *item;
  if (!json_is_array(array) || json_array_size(array) != n)
    return FALSE;
  json_array_foreach(array, i, item)
  {
    if (!json_is_number(item))
      return FALSE;
  }
  return TRUE;
}

/* NULL when the object is not one that append_evaluation wrote. */
static CwEvaluation *evaluation_from_json(json_t *object)
{
  const char *agent, *selection, *split;
  json_int_t updates, episodes, decisions;
  double seconds;
  json_t *parts, *rewards, *successes, *lengths;
  if (json_unpack(object, "{s:s, s:s, s:s, s:I, s:I, s:I, s:F, s:o, s:o, s:o, s:o}", "agent", &agent,
                  "selection", &selection, "split", &split, "updates", &updates, "episodes", &episodes,
                  "decisions", &decisions, "seconds", &seconds, "parts", &parts, "rewards", &rewards,
                  "successes", &successes, "lengths", &lengths) != 0)
    return NULL;
  gsize n = json_array_size(rewards);
  if (n == 0 || (json_int_t)n != episodes || !is_array_of_numbers(rewards, n) ||
      !is_array_of_numbers(successes, n) || !is_array_of_numbers(lengths, n) || !json_is_object(parts))
    return NULL;
  CwEvaluation *evaluation = g_new0(CwEvaluation, 1);
  evaluation->agent = g_strdup(agent);
  evaluation->selection = g_strdup(selection);
  evaluation->split = g_strdup(split);
  evaluation->n = (guint)n;
  evaluation->step = (guint64)updates;
  evaluation->n_decisions = (guint64)decisions;
  evaluation->n_invalid = (guint64)MAX(json_integer_value(json_object_get(object, "invalid_answers")), 0);
  evaluation->seconds = seconds;
  evaluation->rewards = g_new(double, n);
  evaluation->success = g_new(guint8, n);
  evaluation->lengths = g_new(guint, n);
  for (gsize i = 0; i < n; i++) {
    evaluation->rewards[i] = json_number_value(json_array_get(rewards, i));
    evaluation->success[i] = json_number_value(json_array_get(successes, i)) != 0;
    evaluation->lengths[i] = (guint)json_number_value(json_array_get(lengths, i));
  }
  evaluation->parts = g_ptr_array_new_with_free_func(g_free);
  evaluation->part_sums = g_array_new(FALSE, FALSE, sizeof(double));
  const char *name;
  json_t *mean;
  json_object_foreach(parts, name, mean)
  {
    double sum = json_number_value(mean) * (double)n;
    g_ptr_array_add(evaluation->parts, g_strdup(name));
    g_array_append_val(evaluation->part_sums, sum);
  }
  return evaluation;
}

/* NULL with error when the file is not one that cw_results_write wrote. `cure` ends the message. */
static json_t *read_json(const char *path, GPtrArray *evaluations, const char *cure, GError **error)
{
  json_error_t problem;
  json_t *root = json_load_file(path, 0, &problem), *agent;
  json_t *agents = json_object_get(root, "agents");
  gboolean good = json_is_array(agents);
  gsize i;
  json_array_foreach(agents, i, agent)
  {
    CwEvaluation *evaluation = evaluation_from_json(agent);
    if (evaluation)
      g_ptr_array_add(evaluations, evaluation);
    else
      good = FALSE;
  }
  if (good)
    return root;
  if (root)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s: not a file of results as cartwright writes it%s%s",
                path, *cure ? "; remove it " : "", cure);
  else
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s:%d:%d: %s%s%s", path, problem.line, problem.column,
                problem.text, *cure ? "; remove the file " : "", cure);
  json_decref(root);
  return NULL;
}

gboolean cw_results_read(CwResults *results, const char *path, GError **error)
{
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify)cw_evaluation_free);
  json_t *root = read_json(path, read, "to have the evaluations repeated", error);
  while (root && read->len > 0) {
    CwEvaluation *evaluation = g_ptr_array_steal_index(read, 0);
    if (is_on_terms(results, evaluation))
      cw_results_add(results, evaluation);
    else
      cw_evaluation_free(evaluation);
  }
  json_decref(root);
  return root != NULL;
}

/* Feature, version and facts of an object that append_facts wrote. */
static char **facts_from_json(json_t *object, char **feature, char **version)
{
  GPtrArray *facts = g_ptr_array_new();
  const char *key;
  json_t *value;
  json_object_foreach(object, key, value)
  {
    const char *text = json_string_value(value);
    if (g_str_equal(key, "plugin"))
      *feature = g_strdup(text);
    else if (g_str_equal(key, "version"))
      *version = g_strdup(text);
    else if (text) {
      g_ptr_array_add(facts, g_strdup(key));
      g_ptr_array_add(facts, g_strdup(text));
    }
  }
  g_ptr_array_add(facts, NULL);
  return (char **)g_ptr_array_free(facts, FALSE);
}

CwResults *cw_results_load(const char *path, GError **error)
{
  CwResults *results = g_new0(CwResults, 1);
  results->evaluations = g_ptr_array_new_with_free_func((GDestroyNotify)cw_evaluation_free);
  json_t *root = read_json(path, results->evaluations, "", error), *environment, *policy;
  char *no_plugin = NULL, *no_version = NULL; /* an object of accepted conditions has neither */
  const char *name;
  json_int_t seed;
  if (root && json_unpack(root, "{s:s, s:I, s:F, s?F, s:o, s:o}", "name", &name, "seed", &seed, "confidence",
                          &results->confidence, "seconds", &results->seconds, "environment", &environment,
                          "policy", &policy) == 0) {
    results->name = g_strdup(name);
    results->seed = (guint32)seed;
    results->environment_facts =
        facts_from_json(environment, &results->environment, &results->environment_version);
    results->accepted = facts_from_json(json_object_get(root, "accepted"), &no_plugin, &no_version);
    if (json_is_object(policy))
      results->policy_facts = facts_from_json(policy, &results->policy, &results->policy_version);
    json_decref(root);
    return results;
  }
  if (root)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s: not a file of results as cartwright writes it",
                path);
  json_decref(root);
  cw_results_free(results);
  return NULL;
}
