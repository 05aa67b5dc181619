/* A comparison as a table, as JSON and as a figure. */
#include "core/base/checkpoint.h"
#include "core/base/files.h"
#include "core/base/json_text.h"
#include "lab/compare/compare.h"
#include "lab/curves/gnuplot.h"
#include <math.h>
#include <string.h>

#define SCRIPT_NAME "comparison.gnuplot"
#define DATA_NAME   "comparison.dat"

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

static void append_key(GString *json, const char *key)
{
  cw_json_append_string(json, key);
  g_string_append(json, ": ");
}

static void append_interval(GString *json, const char *key, CwInterval interval)
{
  append_key(json, key);
  g_string_append(json, "{\"mean\": ");
  cw_json_append_double(json, interval.mean);
  g_string_append(json, ", \"low\": ");
  cw_json_append_double(json, interval.low);
  g_string_append(json, ", \"high\": ");
  cw_json_append_double(json, interval.high);
  g_string_append_c(json, '}');
}

static void append_arm(GString *json, CwCompareMeasure measure, const CwArm *arm)
{
  CwBelief belief = cw_arm_belief(cw_compare_measure_kind(measure), arm);
  g_string_append_printf(json, "{\"pulls\": %" G_GUINT64_FORMAT ", \"mean\": ", arm->pulls);
  cw_json_append_double(json, arm->mean);
  g_string_append(json, ", \"posterior_mean\": ");
  cw_json_append_double(json, belief.mean);
  g_string_append(json, ", \"posterior_deviation\": ");
  cw_json_append_double(json, belief.deviation);
  g_string_append_c(json, '}');
}

static char *to_json(const CwComparison *comparison)
{
  GString *json = g_string_new("{\"environment\": ");
  cw_json_append_string(json, comparison->environment);
  g_string_append(json, ", \"environment_facts\": {");
  for (char **fact = comparison->facts; fact && fact[0] && fact[1]; fact += 2) {
    g_string_append(json, fact == comparison->facts ? "" : ", ");
    append_key(json, fact[0]);
    cw_json_append_string(json, fact[1]);
  }
  g_string_append(json, "}, \"split\": ");
  cw_json_append_string(json, comparison->split);
  g_string_append_printf(json,
                         ", \"seed\": %u, \"runs\": %u, \"rollouts\": %" G_GUINT64_FORMAT ",\n\"agents\": [",
                         comparison->seed, comparison->n_runs, comparison->n_rollouts);
  for (guint i = 0; i < comparison->n_contenders; i++) {
    g_string_append(json, i ? ",\n{\"agent\": " : "\n{\"agent\": ");
    cw_json_append_string(json, comparison->names[i]);
    g_string_append_printf(json, ", \"fixed_episodes\": %u, ", comparison->fixed[i]->n);
    append_interval(json, "fixed_success", fixed_of(comparison, CW_COMPARE_SUCCESS, i));
    g_string_append(json, ", ");
    append_interval(json, "fixed_score", fixed_of(comparison, CW_COMPARE_SCORE, i));
    for (guint measure = 0; measure < CW_COMPARE_MEASURES; measure++) {
      g_string_append(json, ", ");
      append_key(json, cw_compare_measure_name((CwCompareMeasure)measure));
      for (guint run = 0; run < comparison->n_runs; run++) {
        g_string_append(json, run ? ", " : "[");
        append_arm(json, (CwCompareMeasure)measure, &comparison->runs[measure][run].arms[i]);
      }
      g_string_append_c(json, ']');
    }
    g_string_append_c(json, '}');
  }
  g_string_append(json, "\n]}\n");
  return g_string_free(json, FALSE);
}

/* The running mean of a contender over a run: a row for every pull and one for the end. */
static void append_course(GString *data, const CwComparison *comparison, const CwBanditRun *run,
                          guint contender)
{
  double mean = 0;
  g_string_append_printf(data, "# %s: rollout, running mean in percent\n", comparison->names[contender]);
  for (guint64 i = 0; i < comparison->n_rollouts; i++) {
    if (run->pulled[i] != contender)
      continue;
    mean = run->means[i];
    g_string_append_printf(data, "%" G_GUINT64_FORMAT, i + 1);
    cw_gnuplot_append_number(data, 100 * mean);
    g_string_append_c(data, '\n');
  }
  g_string_append_printf(data, "%" G_GUINT64_FORMAT, comparison->n_rollouts);
  cw_gnuplot_append_number(data, run->arms[contender].pulls ? 100 * mean : NAN);
  g_string_append(data, "\n\n\n");
}

static void append_panel(GString *script, GString *data, const CwComparison *comparison,
                         CwCompareMeasure measure)
{
  guint index = measure * comparison->n_runs * comparison->n_contenders;
  g_string_append_printf(script, "  set title '%s' font 'Sans,12' offset 0,1.6\n  plot",
                         measure == CW_COMPARE_SUCCESS ? "Success rate (%), running mean"
                                                       : "Score (100 x mean reward), running mean");
  for (guint i = 0; i < comparison->n_contenders; i++) {
    g_autofree char *name = cw_gnuplot_quote(comparison->names[i]);
    g_string_append(script, i ? ", \\\n   " : "");
    cw_gnuplot_append_number(script, fixed_of(comparison, measure, i).mean);
    g_string_append_printf(script, " with lines linewidth 3 linecolor rgb '%s' notitle",
                           cw_gnuplot_pale_colour(i));
    for (guint run = 0; run < comparison->n_runs; run++, index++) {
      append_course(data, comparison, &comparison->runs[measure][run], i);
      g_string_append_printf(
          script,
          ", \\\n    '" DATA_NAME "' index %u using 1:2 with steps linewidth 1.5 dashtype %u "
          "linecolor rgb '%s' %s%s",
          index, run + 1, cw_gnuplot_colour(i), run ? "notitle" : "title ", run ? "" : name);
    }
  }
  g_string_append_c(script, '\n');
}

static char *draw(const CwComparison *comparison, GString *data)
{
  GString *script = g_string_new(NULL);
  g_string_append_printf(
      script,
      "# Draws comparison.png and comparison.svg from " DATA_NAME "; run: gnuplot " SCRIPT_NAME "\n"
      "# A colour is an agent, a dash pattern a run, a pale line the agent's fixed estimate.\n"
      "set border 3\nset tics nomirror\nset grid linetype 1 linewidth 0.5 linecolor rgb '#E4E4E4'\n"
      "set key at graph 0, graph 1.02 left bottom Left reverse vertical maxrows 2 samplen 2 font 'Sans,9'\n"
      "set xlabel 'rollouts of all agents' offset 0,0.5\nset lmargin 9\nset rmargin 3\nset tmargin 5\n"
      "do for [format in 'png svg'] {\n"
      "  if (format eq 'png') {\n"
      "    set terminal pngcairo noenhanced size 1200,500 font 'Sans,10'\n"
      "  } else {\n"
      "    set terminal svg noenhanced size 1200,500 font 'Sans,10' background rgb 'white'\n"
      "  }\n"
      "  set output 'comparison.'.format\n"
      "  set multiplot layout 1,2 title 'Thompson sampling (pale: fixed estimates)' font 'Sans,15'\n"
      "  set xrange [0:%" G_GUINT64_FORMAT "]\n  set yrange [0:*]\n",
      comparison->n_rollouts);
  for (guint measure = 0; measure < CW_COMPARE_MEASURES; measure++)
    append_panel(script, data, comparison, (CwCompareMeasure)measure);
  g_string_append(script, "  unset multiplot\n  set output\n}\n");
  return g_string_free(script, FALSE);
}

static gboolean write_text(const char *directory, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename(directory, name, NULL);
  return cw_write_file(path, text, strlen(text), error);
}

gboolean cw_comparison_write(const CwComparison *comparison, const char *directory, gboolean *drawn,
                             GError **error)
{
  g_autoptr(GString) data = g_string_new(NULL);
  g_autofree char *json = to_json(comparison);
  g_autofree char *script = draw(comparison, data);
  g_autoptr(GError) problem = NULL;
  if (!cw_make_directories(directory, error) || !write_text(directory, "comparison.json", json, error) ||
      !write_text(directory, DATA_NAME, data->str, error) ||
      !write_text(directory, SCRIPT_NAME, script, error))
    return FALSE;
  gboolean good = cw_gnuplot_run(directory, SCRIPT_NAME, &problem);
  if (!good)
    g_warning("no figure was drawn: %s", problem->message);
  if (drawn)
    *drawn = good;
  return TRUE;
}
