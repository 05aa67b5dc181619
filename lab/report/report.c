/* Gathers runs into rows: which runs are one experiment, whether all of them can be compared, which untrained
 * agents are the same, and the statistics of each row. The report owns the runs; rows borrow from them. */
#include "lab/report/report.h"
#include <cartwright/error.h>
#include <math.h>
#include <string.h>

static void row_free(gpointer data)
{
  CwReportRow *row = data;
  g_ptr_array_unref(row->experiments);
  g_ptr_array_unref(row->runs);
  g_ptr_array_unref(row->evaluations);
  g_free(row);
}

void cw_report_free(CwRunsReport *report)
{
  if (!report)
    return;
  g_ptr_array_unref(report->rows);
  g_ptr_array_unref(report->names);
  g_ptr_array_unref(report->notes);
  g_ptr_array_unref(report->runs);
  g_free(report->against);
  g_free(report);
}

static gboolean has_name(const GPtrArray *names, const char *name)
{
  return g_ptr_array_find_with_equal_func((GPtrArray *)names, name, g_str_equal, NULL);
}

static void note(CwRunsReport *report, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(CwRunsReport *report, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_ptr_array_add(report->notes, g_strdup_vprintf(format, arguments));
  va_end(arguments);
}

static gboolean check_pair(const CwReportRun *first, const CwReportRun *run, GError **error)
{
  g_autofree char *difference = cw_report_run_environment_difference(first, run);
  const CwEvaluation *one = first->results->evaluations->pdata[0],
                     *other = run->results->evaluations->pdata[0];
  if (difference)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s and %s do not play in the same environment, so that their results cannot be compared: %s",
                first->directory, run->directory, difference);
  else if (!g_str_equal(one->split, other->split) || one->n != other->n)
    g_set_error(
        error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
        "%s and %s were not evaluated on the same goals, so that their results cannot be compared: %u of "
        "split '%s' and %u of '%s'",
        first->directory, run->directory, one->n, one->split, other->n, other->split);
  else
    return TRUE;
  return FALSE;
}

/* The first run of the same experiment before run `i`, or NULL. */
static CwReportRun *sibling_of(const CwRunsReport *report, guint i)
{
  const CwReportRun *run = report->runs->pdata[i];
  for (guint j = 0; j < i; j++) {
    CwReportRun *other = report->runs->pdata[j];
    if (g_str_equal(other->results->name, run->results->name))
      return other;
  }
  return NULL;
}

static gboolean check_seeds(const CwRunsReport *report, guint i, GError **error)
{
  const CwReportRun *run = report->runs->pdata[i];
  for (guint j = 0; j < i; j++) {
    const CwReportRun *other = report->runs->pdata[j];
    if (other->results->seed != run->results->seed || !g_str_equal(other->results->name, run->results->name))
      continue;
    g_set_error(
        error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
        "%s and %s are both experiment '%s' with seed %u; name one of them, or give their experiments "
        "different names",
        other->directory, run->directory, run->results->name, run->results->seed);
    return FALSE;
  }
  return TRUE;
}

static gboolean check_runs(CwRunsReport *report, GError **error)
{
  g_autoptr(GHashTable) noted = g_hash_table_new(g_str_hash, g_str_equal);
  const CwReportRun *drawn = NULL; /* the first with a curve */
  for (guint i = 0; i < report->runs->len; i++) {
    const CwReportRun *run = report->runs->pdata[i], *sibling = sibling_of(report, i);
    if (!check_pair(report->runs->pdata[0], run, error) || !check_seeds(report, i, error))
      return FALSE;
    if (!sibling)
      g_ptr_array_add(report->names, run->results->name);
    const char *path = sibling ? cw_report_run_other_difference(sibling, run) : NULL;
    if (path && g_hash_table_add(noted, run->results->name))
      note(report, "the runs of %s differ in more than their seed: %s", run->results->name, path);
    for (char **accepted = run->results->accepted; accepted && accepted[0] && accepted[1]; accepted += 2)
      note(report, "%s went on with another %s: %s", run->directory, accepted[0], accepted[1]);
    if (run->unread_timings > 0)
      note(report, "%s/timings.jsonl has %" G_GUINT64_FORMAT " lines that were not written to their end",
           run->directory, run->unread_timings);
    if (drawn && run->points_terms && !g_str_equal(drawn->points_terms, run->points_terms))
      note(report, "the learning curves of %s and %s were made differently: %s; %s", drawn->directory,
           run->directory, drawn->points_terms, run->points_terms);
    if (!drawn && run->points_terms)
      drawn = run;
  }
  return TRUE;
}

static void note_single_seeds(CwRunsReport *report)
{
  for (guint i = 0; i < report->names->len; i++) {
    const char *name = report->names->pdata[i];
    guint n = 0;
    for (guint j = 0; j < report->runs->len; j++)
      n += g_str_equal(((const CwReportRun *)report->runs->pdata[j])->results->name, name);
    if (n == 1)
      note(report, "%s has one seed: its intervals say nothing about other seeds", name);
  }
}

static gboolean is_trained(const char *agent)
{
  return g_str_equal(agent, "final");
}

static void add_to_row(CwReportRow *row, CwReportRun *run, CwEvaluation *evaluation)
{
  guint place = 0;
  while (place < row->runs->len &&
         ((const CwReportRun *)row->runs->pdata[place])->results->seed < run->results->seed)
    place++;
  g_ptr_array_insert(row->runs, (gint)place, run);
  g_ptr_array_insert(row->evaluations, (gint)place, evaluation);
}

static CwReportRow *row_of(CwRunsReport *report, const char *experiment, const CwEvaluation *evaluation)
{
  for (guint i = 0; i < report->rows->len; i++) {
    CwReportRow *row = report->rows->pdata[i];
    if (g_str_equal(row->experiments->pdata[0], experiment) && g_str_equal(row->agent, evaluation->agent) &&
        g_str_equal(row->selection, evaluation->selection))
      return row;
  }
  CwReportRow *row = g_new0(CwReportRow, 1);
  row->experiments = g_ptr_array_new();
  row->runs = g_ptr_array_new();
  row->evaluations = g_ptr_array_new();
  row->agent = evaluation->agent;
  row->selection = evaluation->selection;
  row->trained = is_trained(evaluation->agent);
  g_ptr_array_add(row->experiments, (gpointer)experiment);
  g_ptr_array_add(report->rows, row);
  return row;
}

static gint find_seed(const CwReportRow *row, guint32 seed)
{
  for (guint i = 0; i < row->runs->len; i++)
    if (((const CwReportRun *)row->runs->pdata[i])->results->seed == seed)
      return (gint)i;
  return -1;
}

static gboolean is_same(const CwEvaluation *a, const CwEvaluation *b)
{
  return a->n == b->n && memcmp(a->rewards, b->rewards, a->n * sizeof *a->rewards) == 0 &&
         memcmp(a->success, b->success, a->n * sizeof *a->success) == 0 &&
         memcmp(a->lengths, b->lengths, a->n * sizeof *a->lengths) == 0;
}

/* Untrained agents are the same agent when they did the same with every seed that both have; scripts are so
 * too when there is no such seed. */
static gboolean is_same_agent(const CwReportRow *a, const CwReportRow *b)
{
  gboolean any = FALSE;
  if (a->trained || !g_str_equal(a->agent, b->agent) || !g_str_equal(a->selection, b->selection))
    return FALSE;
  for (guint i = 0; i < b->runs->len; i++) {
    gint place = find_seed(a, ((const CwReportRun *)b->runs->pdata[i])->results->seed);
    if (place >= 0 && !is_same(a->evaluations->pdata[place], b->evaluations->pdata[i]))
      return FALSE;
    any |= place >= 0;
  }
  return any || !*a->selection;
}

static void merge(CwReportRow *row, const CwReportRow *other)
{
  for (guint i = 0; i < other->experiments->len; i++)
    g_ptr_array_add(row->experiments, other->experiments->pdata[i]);
  for (guint i = 0; i < other->runs->len; i++) {
    CwReportRun *run = other->runs->pdata[i];
    if (find_seed(row, run->results->seed) < 0)
      add_to_row(row, run, other->evaluations->pdata[i]);
  }
}

static gboolean is_alone(const CwRunsReport *report, const CwReportRow *row)
{
  for (guint i = 0; i < report->rows->len; i++) {
    const CwReportRow *other = report->rows->pdata[i];
    if (other != row && g_str_equal(other->agent, row->agent) &&
        g_str_equal(other->selection, row->selection))
      return FALSE;
  }
  return TRUE;
}

/* Untrained agents first; otherwise the order stays. */
static void sort_rows(CwRunsReport *report)
{
  GPtrArray *sorted = g_ptr_array_new_with_free_func(row_free);
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < report->rows->len; i++) {
      CwReportRow *row = report->rows->pdata[i];
      if (row->trained == (pass == 1))
        g_ptr_array_add(sorted, row);
    }
  g_ptr_array_set_free_func(report->rows, NULL);
  g_ptr_array_unref(report->rows);
  report->rows = sorted;
}

static void add_rows(CwRunsReport *report, const char *name)
{
  for (guint i = 0; i < report->runs->len; i++) {
    CwReportRun *run = report->runs->pdata[i];
    for (guint e = 0; g_str_equal(run->results->name, name) && e < run->results->evaluations->len; e++) {
      CwEvaluation *evaluation = run->results->evaluations->pdata[e];
      add_to_row(row_of(report, name, evaluation), run, evaluation);
    }
  }
}

static void make_rows(CwRunsReport *report)
{
  for (guint i = 0; i < report->names->len; i++)
    add_rows(report, report->names->pdata[i]);
  for (guint i = 0; i < report->rows->len; i++)
    for (guint j = i + 1; j < report->rows->len;) {
      if (!is_same_agent(report->rows->pdata[i], report->rows->pdata[j])) {
        j++;
        continue;
      }
      merge(report->rows->pdata[i], report->rows->pdata[j]);
      g_ptr_array_remove_index(report->rows, j);
    }
  for (guint i = 0; i < report->rows->len; i++) {
    CwReportRow *row = report->rows->pdata[i];
    row->shared = !row->trained && is_alone(report, row) && (!*row->selection || row->experiments->len > 1);
  }
  sort_rows(report);
}

char *cw_report_row_label(const CwReportRow *row)
{
  if (row->shared)
    return g_strdup("-");
  GString *label = g_string_new(NULL);
  for (guint i = 0; i < row->experiments->len; i++)
    g_string_append_printf(label, "%s%s", i ? ", " : "", (const char *)row->experiments->pdata[i]);
  return g_string_free(label, FALSE);
}

typedef double (*Measure)(const CwEvaluation *evaluation, guint goal);

static double score_at(const CwEvaluation *evaluation, guint goal)
{
  return 100 * evaluation->rewards[goal];
}

static double success_at(const CwEvaluation *evaluation, guint goal)
{
  return evaluation->success[goal] ? 100 : 0;
}

/* A row per run, a column per goal. Free with free_table. */
static double **table_of(const CwReportRow *row, Measure measure)
{
  double **table = g_new0(double *, row->runs->len);
  for (guint i = 0; i < row->runs->len; i++) {
    const CwEvaluation *evaluation = row->evaluations->pdata[i];
    table[i] = g_new(double, evaluation->n);
    for (guint goal = 0; goal < evaluation->n; goal++)
      table[i][goal] = measure(evaluation, goal);
  }
  return table;
}

static void free_table(double **table, const CwReportRow *row)
{
  for (guint i = 0; i < row->runs->len; i++)
    g_free(table[i]);
  g_free(table);
}

static guint n_goals_of(const CwReportRow *row)
{
  return ((const CwEvaluation *)row->evaluations->pdata[0])->n;
}

static CwInterval interval_of(const CwReportRow *row, Measure measure, double confidence, CwSpread *of_seeds)
{
  guint n_runs = row->runs->len, n_goals = n_goals_of(row);
  double **table = table_of(row, measure);
  CwInterval interval = cw_crossed_interval((const double *const *)table, n_runs, n_goals, confidence);
  *of_seeds = (CwSpread){INFINITY, -INFINITY};
  for (guint i = 0; i < n_runs; i++) {
    double sum = 0;
    for (guint goal = 0; goal < n_goals; goal++)
      sum += table[i][goal];
    of_seeds->low = MIN(of_seeds->low, sum / n_goals);
    of_seeds->high = MAX(of_seeds->high, sum / n_goals);
  }
  free_table(table, row);
  return interval;
}

/* Where all episodes or none succeeded, drawing from them shows no doubt; Wilson's interval for one episode a
 * goal does. */
static void widen_success(CwInterval *success, guint n_goals, double confidence)
{
  if (success->mean > 0 && success->mean < 100) {
    success->low = MAX(success->low, 0);
    success->high = MIN(success->high, 100);
    return;
  }
  CwInterval wilson = cw_wilson_interval(success->mean > 0 ? n_goals : 0, n_goals, confidence);
  *success = (CwInterval){success->mean, 100 * wilson.low, 100 * wilson.high};
}

static void describe_row(CwReportRow *row, double confidence)
{
  double n = row->runs->len, decisions = 0, seconds = 0;
  row->score = interval_of(row, score_at, confidence, &row->score_of_seeds);
  row->success = interval_of(row, success_at, confidence, &row->success_of_seeds);
  widen_success(&row->success, n_goals_of(row), confidence);
  row->seconds = (CwSpread){INFINITY, -INFINITY};
  for (guint i = 0; i < row->runs->len; i++) {
    const CwEvaluation *evaluation = row->evaluations->pdata[i];
    const CwReportCost *cost = &((const CwReportRun *)row->runs->pdata[i])->cost;
    row->steps_per_episode += cw_evaluation_mean_length(evaluation) / n;
    decisions += (double)evaluation->n_decisions;
    seconds += evaluation->seconds;
    row->cost.updates += (double)evaluation->step / n;
    row->cost.collected += cost->collected / n;
    row->cost.learnt += cost->learnt / n;
    row->cost.seconds += cost->seconds / n;
    row->seconds.low = MIN(row->seconds.low, cost->seconds);
    row->seconds.high = MAX(row->seconds.high, cost->seconds);
  }
  row->decisions_per_second = decisions / MAX(seconds, 1e-6);
}

static gboolean have_same_seeds(const CwReportRow *a, const CwReportRow *b)
{
  for (guint i = 0; i < a->runs->len && a->runs->len == b->runs->len; i++)
    if (find_seed(b, ((const CwReportRun *)a->runs->pdata[i])->results->seed) != (gint)i)
      return FALSE;
  return a->runs->len == b->runs->len;
}

static CwInterval difference_of(const CwReportRow *a, const CwReportRow *b, Measure measure,
                                double confidence)
{
  double **of_a = table_of(a, measure), **of_b = table_of(b, measure);
  CwInterval interval =
      cw_crossed_difference((const double *const *)of_a, a->runs->len, (const double *const *)of_b,
                            b->runs->len, have_same_seeds(a, b), n_goals_of(a), confidence);
  free_table(of_a, a);
  free_table(of_b, b);
  return interval;
}

/* The rows that `against` names: an experiment's trained policy, or else an untrained agent. */
static GPtrArray *find_against(const CwRunsReport *report)
{
  GPtrArray *found = g_ptr_array_new();
  gboolean experiment = has_name(report->names, report->against);
  for (guint i = 0; i < report->rows->len; i++) {
    CwReportRow *row = report->rows->pdata[i];
    if (experiment ? row->trained && g_str_equal(row->experiments->pdata[0], report->against)
                   : !row->trained && g_str_equal(row->agent, report->against))
      g_ptr_array_add(found, row);
  }
  return found;
}

/* The one with the row's own selection, or the only one. */
static const CwReportRow *choose_against(const GPtrArray *found, const CwReportRow *row)
{
  const CwReportRow *chosen = NULL;
  guint n = 0;
  for (guint i = 0; i < found->len; i++) {
    const CwReportRow *other = found->pdata[i];
    if (!g_str_equal(other->selection, row->selection))
      continue;
    chosen = other;
    n++;
  }
  if (n == 0 && found->len == 1)
    return found->pdata[0];
  return n == 1 ? chosen : NULL;
}

static gboolean compare_with(CwRunsReport *report, GError **error)
{
  g_autoptr(GPtrArray) found = find_against(report);
  if (found->len == 0) {
    GString *known = g_string_new(NULL);
    for (guint i = 0; i < report->names->len; i++)
      g_string_append_printf(known, "%s%s", i ? ", " : "", (const char *)report->names->pdata[i]);
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "--against: there is no trained policy of an experiment '%s' and no untrained agent of that "
                "name; the "
                "experiments are %s",
                report->against, known->str);
    g_string_free(known, TRUE);
    return FALSE;
  }
  for (guint i = 0; i < report->rows->len; i++) {
    CwReportRow *row = report->rows->pdata[i];
    const CwReportRow *other = choose_against(found, row);
    if (!other || other == row)
      continue;
    row->compared = TRUE;
    row->score_difference = difference_of(row, other, score_at, report->confidence);
    row->success_difference = difference_of(row, other, success_at, report->confidence);
  }
  return TRUE;
}

static gboolean read_runs(CwRunsReport *report, const char *const *directories, GError **error)
{
  for (guint i = 0; directories[i]; i++) {
    CwReportRun *run;
    if (!cw_report_run_read(directories[i], &run, error))
      return FALSE;
    if (run)
      g_ptr_array_add(report->runs, run);
    else
      g_warning("%s: the run has not finished; it is left out", directories[i]);
  }
  if (report->runs->len > 0)
    return TRUE;
  g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                      "none of the runs has finished; continue them with 'cartwright run RUN --resume'");
  return FALSE;
}

CwRunsReport *cw_report_new(const char *const *directories, const char *against, GError **error)
{
  CwRunsReport *report = g_new0(CwRunsReport, 1);
  report->runs = g_ptr_array_new_with_free_func((GDestroyNotify)cw_report_run_free);
  report->rows = g_ptr_array_new_with_free_func(row_free);
  report->names = g_ptr_array_new();
  report->notes = g_ptr_array_new_with_free_func(g_free);
  report->against = g_strdup(against);
  gboolean good = read_runs(report, directories, error) && check_runs(report, error);
  if (good) {
    report->confidence = ((const CwReportRun *)report->runs->pdata[0])->results->confidence;
    make_rows(report);
    for (guint i = 0; i < report->rows->len; i++)
      describe_row(report->rows->pdata[i], report->confidence);
    note_single_seeds(report);
    good = !against || compare_with(report, error);
  }
  if (!good)
    g_clear_pointer(&report, cw_report_free);
  return report;
}
