/* Lays out the table that a run ends with: first the facts that a score means nothing without, then a row per
 * agent, then the parts of the reward. */
#include "lab/evaluate/results.h"

static void free_row(gpointer row)
{
  g_strfreev(row);
}

static char *interval_text(CwInterval interval)
{
  return g_strdup_printf("%.1f-%.1f", interval.low, interval.high);
}

static const char *selection_text(const CwEvaluation *evaluation)
{
  return *evaluation->selection ? evaluation->selection : "-";
}

static char *scores_table(const CwResults *results, const GPtrArray *evaluations)
{
  char *interval = g_strdup_printf("%g%% interval", 100 * results->confidence);
  const char *headings[] = {"agent",  "selection", "score",         interval,     "success %",
                            interval, "episodes",  "steps/episode", "decisions/s"};
  GPtrArray *rows = g_ptr_array_new_with_free_func(free_row);
  for (guint i = 0; i < evaluations->len; i++) {
    const CwEvaluation *evaluation = g_ptr_array_index(evaluations, i);
    CwInterval score = cw_evaluation_score(evaluation, results->confidence);
    CwInterval success = cw_evaluation_success(evaluation, results->confidence);
    char **row = g_new0(char *, G_N_ELEMENTS(headings) + 1);
    row[0] = g_strdup(evaluation->agent);
    row[1] = g_strdup(selection_text(evaluation));
    row[2] = g_strdup_printf("%.1f", score.mean);
    row[3] = interval_text(score);
    row[4] = g_strdup_printf("%.1f", success.mean);
    row[5] = interval_text(success);
    row[6] = g_strdup_printf("%u", evaluation->n);
    row[7] = g_strdup_printf("%.1f", cw_evaluation_mean_length(evaluation));
    row[8] = g_strdup_printf("%.0f", (double)evaluation->n_decisions / MAX(evaluation->seconds, 1e-6));
    g_ptr_array_add(rows, row);
  }
  char *table = cw_format_table(headings, G_N_ELEMENTS(headings), rows);
  g_ptr_array_unref(rows);
  g_free(interval);
  return table;
}

/* A line for each agent whose answers sometimes held no action. */
static void append_invalid(GString *text, const GPtrArray *evaluations)
{
  for (guint i = 0; i < evaluations->len; i++) {
    const CwEvaluation *evaluation = g_ptr_array_index(evaluations, i);
    if (evaluation->n_invalid > 0)
      g_string_append_printf(
          text, "%s %s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " answers held no action (%.1f%%)\n",
          evaluation->agent, selection_text(evaluation), evaluation->n_invalid, evaluation->n_decisions,
          100.0 * (double)evaluation->n_invalid / (double)evaluation->n_decisions);
  }
}

static gint find_part(const GPtrArray *parts, const char *name)
{
  for (guint i = 0; i < parts->len; i++)
    if (g_str_equal(g_ptr_array_index(parts, i), name))
      return (gint)i;
  return -1;
}

/* NULL when no episode had parts. */
static char *parts_table(const GPtrArray *evaluations)
{
  GPtrArray *headings = g_ptr_array_new();
  g_ptr_array_add(headings, (gpointer) "agent");
  g_ptr_array_add(headings, (gpointer) "selection");
  for (guint i = 0; i < evaluations->len; i++) {
    const CwEvaluation *evaluation = g_ptr_array_index(evaluations, i);
    for (guint p = 0; p < evaluation->parts->len; p++)
      if (find_part(headings, g_ptr_array_index(evaluation->parts, p)) < 0)
        g_ptr_array_add(headings, g_ptr_array_index(evaluation->parts, p));
  }
  char *table = NULL;
  if (headings->len > 2) {
    GPtrArray *rows = g_ptr_array_new_with_free_func(free_row);
    for (guint i = 0; i < evaluations->len; i++) {
      const CwEvaluation *evaluation = g_ptr_array_index(evaluations, i);
      char **row = g_new0(char *, headings->len + 1);
      row[0] = g_strdup(evaluation->agent);
      row[1] = g_strdup(selection_text(evaluation));
      for (guint h = 2; h < headings->len; h++) {
        gint p = find_part(evaluation->parts, g_ptr_array_index(headings, h));
        double sum = p < 0 ? 0 : g_array_index(evaluation->part_sums, double, p);
        row[h] = g_strdup_printf("%.3f", sum / evaluation->n);
      }
      g_ptr_array_add(rows, row);
    }
    table = cw_format_table((const char *const *)headings->pdata, headings->len, rows);
    g_ptr_array_unref(rows);
  }
  g_ptr_array_unref(headings);
  return table;
}

static void append_fact_lines(GString *text, const char *what, const char *plugin, const char *version,
                              char **facts)
{
  g_string_append_printf(text, "%s: %s %s\n", what, plugin, version);
  for (guint i = 0; facts && facts[i] && facts[i + 1]; i += 2)
    g_string_append_printf(text, "  %s: %s\n", facts[i], facts[i + 1]);
}

static GPtrArray *select_evaluations(const CwResults *results, const char *const *agents)
{
  GPtrArray *selected = g_ptr_array_new();
  for (guint a = 0; agents && agents[a]; a++)
    for (guint i = 0; i < results->evaluations->len; i++) {
      CwEvaluation *evaluation = g_ptr_array_index(results->evaluations, i);
      if (g_str_equal(evaluation->agent, agents[a]))
        g_ptr_array_add(selected, evaluation);
    }
  for (guint i = 0; !agents && i < results->evaluations->len; i++)
    g_ptr_array_add(selected, g_ptr_array_index(results->evaluations, i));
  return selected;
}

char *cw_results_table(const CwResults *results, const char *const *agents)
{
  GPtrArray *evaluations = select_evaluations(results, agents);
  GString *text = g_string_new(NULL);
  append_fact_lines(text, "environment", results->environment, results->environment_version,
                    results->environment_facts);
  if (results->policy)
    append_fact_lines(text, "policy", results->policy, results->policy_version, results->policy_facts);
  for (char **accepted = results->accepted; accepted && accepted[0] && accepted[1]; accepted += 2)
    g_string_append_printf(text, "accepted on resuming: another %s: %s\n", accepted[0], accepted[1]);
  if (evaluations->len > 0) {
    const CwEvaluation *first = g_ptr_array_index(evaluations, 0);
    g_string_append_printf(
        text, "split: %s, goals 0 to %u of %" G_GINT64_FORMAT "; seed %u; score: 100 x mean reward\n\n",
        first->split, first->n - 1, results->n_goals, results->seed);
    char *scores = scores_table(results, evaluations);
    char *parts = parts_table(evaluations);
    g_string_append(text, scores);
    append_invalid(text, evaluations);
    if (parts)
      g_string_append_printf(text, "\nmean parts of the reward\n%s", parts);
    g_free(scores);
    g_free(parts);
  }
  g_ptr_array_unref(evaluations);
  return g_string_free(text, FALSE);
}
