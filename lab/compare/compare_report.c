/* A comparison as a table, as JSON and as a figure. */
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include "lab/compare/compare.h"
#include "lab/curves/gnuplot.h"
#include <math.h>
#include <string.h>

static const char note[] = "Thompson sampling pulls an agent the more often the better it seems. An agent "
                           "that loses is judged by few\n"
                           "rollouts, and its mean is biased downwards: bad luck at the start is never made "
                           "good. Runs of one bandit differ\n"
                           "by chance of goals, actions and pulls. To say how good an agent is, take the "
                           "fixed columns, where all agents "
                           "play\n"
                           "the same goals.\n";

static CwInterval fixed_of(const CwComparison *comparison, CwCompareMeasure measure, guint contender)
{
  const CwEvaluation *evaluation = comparison->fixed[contender];
  return measure == CW_COMPARE_SUCCESS ? cw_evaluation_success(evaluation, comparison->confidence)
                                       : cw_evaluation_score(evaluation, comparison->confidence);
}

static void append_measure(GString *text, const CwComparison *comparison, CwCompareMeasure measure)
{
  g_autoptr(GPtrArray) headings = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  g_ptr_array_add(headings, g_strdup("agent"));
  g_ptr_array_add(headings,
                  g_strdup_printf("fixed %u", comparison->n_contenders ? comparison->fixed[0]->n : 0));
  g_ptr_array_add(headings, g_strdup_printf("%g%% interval", 100 * comparison->confidence));
  for (guint run = 0; run < comparison->n_runs; run++) {
    g_ptr_array_add(headings, g_strdup_printf("run %u: mean", run + 1));
    g_ptr_array_add(headings, g_strdup("pulls"));
    g_ptr_array_add(headings, g_strdup("posterior"));
  }
  for (guint i = 0; i < comparison->n_contenders; i++) {
    g_autoptr(GPtrArray) row = g_ptr_array_new();
    CwInterval fixed = fixed_of(comparison, measure, i);
    g_ptr_array_add(row, g_strdup(comparison->names[i]));
    g_ptr_array_add(row, g_strdup_printf("%.1f", fixed.mean));
    g_ptr_array_add(row, g_strdup_printf("%.1f-%.1f", fixed.low, fixed.high));
    for (guint run = 0; run < comparison->n_runs; run++) {
      const CwArm *arm = &comparison->runs[measure][run].arms[i];
      CwBelief belief = cw_arm_belief(cw_compare_measure_kind(measure), arm);
      g_ptr_array_add(row, arm->pulls ? g_strdup_printf("%.1f", 100 * arm->mean) : g_strdup("-"));
      g_ptr_array_add(row, g_strdup_printf("%" G_GUINT64_FORMAT, arm->pulls));
      g_ptr_array_add(row, g_strdup_printf("%.1f+-%.1f", 100 * belief.mean, 100 * belief.deviation));
    }
    g_ptr_array_add(row, NULL);
    g_ptr_array_add(rows, g_ptr_array_free(g_steal_pointer(&row), FALSE));
  }
  g_autofree char *table = cw_format_table((const char *const *)headings->pdata, headings->len, rows);
  g_string_append_printf(text, "\n%s\n%s",
                         measure == CW_COMPARE_SUCCESS ? "success %, Beta-Bernoulli bandit"
                                                       : "score (100 x mean reward), Gaussian bandit",
                         table);
}

char *cw_comparison_table(const CwComparison *comparison)
{
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "environment: %s\n", comparison->environment);
  for (char **fact = comparison->facts; fact && fact[0] && fact[1]; fact += 2)
    g_string_append_printf(text, "  %s: %s\n", fact[0], fact[1]);
  g_string_append_printf(text,
                         "split: %s; seed %u; %u runs of %" G_GUINT64_FORMAT
                         " rollouts by each bandit; posterior: mean+-standard deviation\n",
                         comparison->split, comparison->seed, comparison->n_runs, comparison->n_rollouts);
  for (guint measure = 0; measure < CW_COMPARE_MEASURES; measure++)
    append_measure(text, comparison, (CwCompareMeasure)measure);
  g_string_append_printf(text, "\n%s", note);
  return g_string_free(text, FALSE);
}

static void append_arm(GString *json, CwCompareMeasure measure, const CwArm *arm)
{
  CwBelief belief = cw_arm_belief(cw_compare_measure_kind(measure), arm);
  cw_json_begin(json, NULL, '{');
  cw_json_integer(json, "pulls", (gint64)arm->pulls);
  cw_json_double(json, "mean", arm->mean);
  cw_json_double(json, "posterior_mean", belief.mean);
  cw_json_double(json, "posterior_deviation", belief.deviation);
  cw_json_end(json, '}');
}

static void append_contender(GString *json, const CwComparison *comparison, guint i)
{
  g_string_append(json, i ? ",\n" : "\n");
  cw_json_begin(json, NULL, '{');
  cw_json_string(json, "agent", comparison->names[i]);
  cw_json_integer(json, "fixed_episodes", comparison->fixed[i]->n);
  cw_json_interval(json, "fixed_success", fixed_of(comparison, CW_COMPARE_SUCCESS, i));
  cw_json_interval(json, "fixed_score", fixed_of(comparison, CW_COMPARE_SCORE, i));
  for (guint measure = 0; measure < CW_COMPARE_MEASURES; measure++) {
    cw_json_begin(json, cw_compare_measure_name((CwCompareMeasure)measure), '[');
    for (guint run = 0; run < comparison->n_runs; run++)
      append_arm(json, (CwCompareMeasure)measure, &comparison->runs[measure][run].arms[i]);
    cw_json_end(json, ']');
  }
  cw_json_end(json, '}');
}

static char *to_json(const CwComparison *comparison)
{
  GString *json = g_string_new("{");
  cw_json_string(json, "environment", comparison->environment);
  cw_json_facts(json, "environment_facts", (const char *const *)comparison->facts);
  cw_json_string(json, "split", comparison->split);
  cw_json_integer(json, "seed", comparison->seed);
  cw_json_integer(json, "runs", comparison->n_runs);
  cw_json_integer(json, "rollouts", (gint64)comparison->n_rollouts);
  g_string_append(json, ",\n");
  cw_json_begin(json, "agents", '[');
  for (guint i = 0; i < comparison->n_contenders; i++)
    append_contender(json, comparison, i);
  g_string_append(json, "\n]}\n");
  return g_string_free(json, FALSE);
}

/* The running mean of a contender over a run: a row for every pull and one for the end. */
static void append_means(CwFigure *figure, const CwComparison *comparison, const CwBanditRun *run,
                         guint contender)
{
  double mean = 0;
  g_string_append_printf(figure->data, "# %s: rollout, running mean in percent\n",
                         comparison->names[contender]);
  for (guint64 i = 0; i < comparison->n_rollouts; i++) {
    if (run->pulled[i] != contender)
      continue;
    mean = run->means[i];
    g_string_append_printf(figure->data, "%" G_GUINT64_FORMAT, i + 1);
    cw_figure_number(figure, 100 * mean);
    g_string_append_c(figure->data, '\n');
  }
  g_string_append_printf(figure->data, "%" G_GUINT64_FORMAT, comparison->n_rollouts);
  cw_figure_number(figure, run->arms[contender].pulls ? 100 * mean : NAN);
  g_string_append(figure->data, "\n\n\n");
}

static void append_panel(CwFigure *figure, const CwComparison *comparison, CwCompareMeasure measure)
{
  guint block = measure * comparison->n_runs * comparison->n_contenders;
  cw_figure_row(figure, "panel", measure + 1, 0, 0, "",
                measure == CW_COMPARE_SUCCESS ? "Success rate (%), running mean"
                                              : "Score (100 x mean reward), running mean");
  for (guint i = 0; i < comparison->n_contenders; i++)
    cw_figure_row(figure, "level", measure + 1, fixed_of(comparison, measure, i).mean, i, "", "");
  for (guint i = 0; i < comparison->n_contenders; i++)
    for (guint run = 0; run < comparison->n_runs; run++) {
      g_autofree char *number = g_strdup_printf("%u", run);
      append_means(figure, comparison, &comparison->runs[measure][run], i);
      cw_figure_row(figure, "line", measure + 1, block++, i, number, comparison->names[i]);
    }
}

gboolean cw_comparison_write(const CwComparison *comparison, const char *directory, gboolean *drawn,
                             GError **error)
{
  g_autofree char *json = to_json(comparison), *path = g_build_filename(directory, "comparison.json", NULL);
  g_autoptr(CwFigure) figure = cw_figure_new();
  g_autoptr(GError) problem = NULL;
  cw_figure_row(figure, "figure", CW_COMPARE_MEASURES, (double)comparison->n_rollouts, 0, "",
                "Thompson sampling (pale: fixed estimates)");
  for (guint measure = 0; measure < CW_COMPARE_MEASURES; measure++)
    append_panel(figure, comparison, (CwCompareMeasure)measure);
  if (!cw_make_directories(directory, error) || !cw_write_file(path, json, strlen(json), error))
    return FALSE;
  gboolean good = cw_figure_draw(figure, directory, "comparison", cw_gnuplot_comparison, &problem);
  if (drawn)
    *drawn = good;
  if (good)
    return TRUE;
  if (g_error_matches(problem, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT)) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
  }
  g_warning("no figure was drawn: %s", problem->message);
  return TRUE;
}
