/* Lays a report out: the same tables as aligned text for a terminal and as Markdown for a document, and
 * everything as JSON. */
#include "core/base/json_text.h"
#include "core/base/printable.h"
#include "core/base/progress.h"
#include "lab/report/report.h"
#include <math.h>

typedef struct {
  char *title;
  GPtrArray *headings; /* char * */
  GPtrArray *rows;     /* char ** of as many */
} Table;

static void free_row(gpointer row)
{
  g_strfreev(row);
}

static Table *table_new(const char *title)
{
  Table *table = g_new(Table, 1);
  *table = (Table){g_strdup(title), g_ptr_array_new_with_free_func(g_free),
                   g_ptr_array_new_with_free_func(free_row)};
  return table;
}

static void table_free(gpointer data)
{
  Table *table = data;
  g_free(table->title);
  g_ptr_array_unref(table->headings);
  g_ptr_array_unref(table->rows);
  g_free(table);
}

static void heading(Table *table, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void heading(Table *table, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_ptr_array_add(table->headings, g_strdup_vprintf(format, arguments));
  va_end(arguments);
}

static void cell(GPtrArray *row, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void cell(GPtrArray *row, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_ptr_array_add(row, g_strdup_vprintf(format, arguments));
  va_end(arguments);
}

static void add_row(Table *table, GPtrArray *row)
{
  g_ptr_array_add(row, NULL);
  g_ptr_array_add(table->rows, g_ptr_array_free(row, FALSE));
}

static GPtrArray *begin_row(const CwReportRow *row)
{
  GPtrArray *cells = g_ptr_array_new();
  g_ptr_array_add(cells, cw_report_row_label(row));
  cell(cells, "%s", row->agent);
  cell(cells, "%s", *row->selection ? row->selection : "-");
  return cells;
}

static void begin_headings(Table *table)
{
  heading(table, "experiment");
  heading(table, "agent");
  heading(table, "selection");
}

static void cell_measure(GPtrArray *cells, CwInterval interval, CwSpread spread, guint n_seeds)
{
  cell(cells, "%.1f", interval.mean);
  cell(cells, "%.1f-%.1f", interval.low, interval.high);
  if (n_seeds > 1)
    cell(cells, "%.1f-%.1f", spread.low, spread.high);
  else
    cell(cells, "-");
}

static guint n_episodes_of(const CwReportRow *row)
{
  guint n = 0;
  for (guint i = 0; i < row->evaluations->len; i++)
    n += ((const CwEvaluation *)row->evaluations->pdata[i])->n;
  return n;
}

static Table *results_table(const CwRunsReport *report)
{
  Table *table = table_new("Results");
  begin_headings(table);
  heading(table, "seeds");
  heading(table, "episodes");
  for (guint i = 0; i < 2; i++) {
    heading(table, i ? "success %%" : "score");
    heading(table, "%g%% interval", 100 * report->confidence);
    heading(table, "of seeds");
  }
  heading(table, "steps/episode");
  heading(table, "decisions/s");
  for (guint i = 0; i < report->rows->len; i++) {
    const CwReportRow *row = report->rows->pdata[i];
    GPtrArray *cells = begin_row(row);
    cell(cells, "%u", row->runs->len);
    cell(cells, "%u", n_episodes_of(row));
    cell_measure(cells, row->score, row->score_of_seeds, row->runs->len);
    cell_measure(cells, row->success, row->success_of_seeds, row->runs->len);
    cell(cells, "%.1f", row->steps_per_episode);
    cell(cells, "%.0f", row->decisions_per_second);
    add_row(table, cells);
  }
  return table;
}

static Table *differences_table(const CwRunsReport *report)
{
  g_autofree char *title = g_strdup_printf("Difference to %s on the same goals", report->against);
  Table *table = table_new(title);
  begin_headings(table);
  for (guint i = 0; i < 2; i++) {
    heading(table, i ? "success %%" : "score");
    heading(table, "%g%% interval", 100 * report->confidence);
  }
  for (guint i = 0; i < report->rows->len; i++) {
    const CwReportRow *row = report->rows->pdata[i];
    if (!row->compared)
      continue;
    GPtrArray *cells = begin_row(row);
    cell(cells, "%+.1f", row->score_difference.mean);
    cell(cells, "%+.1f to %+.1f", row->score_difference.low, row->score_difference.high);
    cell(cells, "%+.1f", row->success_difference.mean);
    cell(cells, "%+.1f to %+.1f", row->success_difference.low, row->success_difference.high);
    add_row(table, cells);
  }
  return table;
}

/* The first row of each trained experiment: the others differ only in how they choose. */
static gboolean is_first(const CwRunsReport *report, guint i)
{
  const CwReportRow *row = report->rows->pdata[i];
  for (guint j = 0; row->trained && j < i; j++) {
    const CwReportRow *other = report->rows->pdata[j];
    if (other->trained && other->experiments->pdata[0] == row->experiments->pdata[0])
      return FALSE;
  }
  return row->trained;
}

static Table *costs_table(const CwRunsReport *report)
{
  Table *table = table_new("Training, mean over seeds");
  static const char *const names[] = {"experiment",       "seeds",     "updates", "decisions collected",
                                      "decisions learnt", "wall time", "of seeds"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    heading(table, "%s", names[i]);
  for (guint i = 0; i < report->rows->len; i++) {
    const CwReportRow *row = report->rows->pdata[i];
    if (!is_first(report, i))
      continue;
    g_autofree char *mean = cw_format_duration(row->cost.seconds);
    g_autofree char *low = cw_format_duration(row->seconds.low),
                    *high = cw_format_duration(row->seconds.high);
    GPtrArray *cells = g_ptr_array_new();
    cell(cells, "%s", (const char *)row->experiments->pdata[0]);
    cell(cells, "%u", row->runs->len);
    cell(cells, "%.0f", row->cost.updates);
    cell(cells, "%.0f", row->cost.collected);
    cell(cells, "%.0f", row->cost.learnt);
    cell(cells, "%s", mean);
    if (row->runs->len > 1)
      cell(cells, "%s-%s", low, high);
    else
      cell(cells, "-");
    add_row(table, cells);
  }
  return table;
}

/* The mean of a part over seeds and goals; an episode without it counts as 0. */
static double part_of(const CwReportRow *row, const char *name)
{
  double sum = 0;
  for (guint i = 0; i < row->evaluations->len; i++) {
    const CwEvaluation *evaluation = row->evaluations->pdata[i];
    guint place;
    if (g_ptr_array_find_with_equal_func(evaluation->parts, name, g_str_equal, &place))
      sum += g_array_index(evaluation->part_sums, double, place) / evaluation->n;
  }
  return sum / row->evaluations->len;
}

/* Names of all parts, in order of appearance, borrowed from the evaluations. */
static GPtrArray *parts_of(const CwRunsReport *report)
{
  GPtrArray *names = g_ptr_array_new();
  for (guint i = 0; i < report->rows->len; i++) {
    const CwReportRow *row = report->rows->pdata[i];
    for (guint e = 0; e < row->evaluations->len; e++) {
      const CwEvaluation *evaluation = row->evaluations->pdata[e];
      for (guint p = 0; p < evaluation->parts->len; p++)
        if (!g_ptr_array_find_with_equal_func(names, evaluation->parts->pdata[p], g_str_equal, NULL))
          g_ptr_array_add(names, evaluation->parts->pdata[p]);
    }
  }
  return names;
}

static Table *parts_table(const CwRunsReport *report)
{
  g_autoptr(GPtrArray) names = parts_of(report);
  Table *table = table_new("Mean parts of the reward");
  begin_headings(table);
  for (guint i = 0; i < names->len; i++)
    heading(table, "%s", (const char *)names->pdata[i]);
  for (guint i = 0; i < report->rows->len && names->len > 0; i++) {
    GPtrArray *cells = begin_row(report->rows->pdata[i]);
    for (guint p = 0; p < names->len; p++)
      cell(cells, "%.3f", part_of(report->rows->pdata[i], names->pdata[p]));
    add_row(table, cells);
  }
  return table;
}

/* Those that have rows. */
static GPtrArray *tables_of(const CwRunsReport *report)
{
  GPtrArray *tables = g_ptr_array_new_with_free_func(table_free);
  Table *all[] = {results_table(report), report->against ? differences_table(report) : NULL,
                  costs_table(report), parts_table(report)};
  for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
    if (all[i] && all[i]->rows->len > 0)
      g_ptr_array_add(tables, all[i]);
    else if (all[i])
      table_free(all[i]);
  }
  return tables;
}

/* "bc (seeds 1, 2, 3), ppo (seeds 1, 2)". */
static char *experiments_text(const CwRunsReport *report)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < report->names->len; i++) {
    const char *name = report->names->pdata[i];
    guint n = 0;
    g_string_append_printf(text, "%s%s (seeds ", i ? ", " : "", name);
    for (guint j = 0; j < report->runs->len; j++) {
      const CwReportRun *run = report->runs->pdata[j];
      if (g_str_equal(run->results->name, name))
        g_string_append_printf(text, "%s%u", n++ ? ", " : "", run->results->seed);
    }
    g_string_append_c(text, ')');
  }
  return g_string_free(text, FALSE);
}

static const CwResults *results_of(const CwRunsReport *report)
{
  return ((const CwReportRun *)report->runs->pdata[0])->results;
}

static const CwEvaluation *evaluation_of(const CwRunsReport *report)
{
  return results_of(report)->evaluations->pdata[0];
}

static const char about[] =
    "score: 100 x mean reward; intervals: bootstrap over seeds and goals; of seeds: least and "
    "greatest mean of a seed";

char *cw_report_text(const CwRunsReport *report)
{
  GString *text = g_string_new(NULL);
  g_autoptr(GPtrArray) tables = tables_of(report);
  g_autofree char *experiments = experiments_text(report);
  const CwResults *results = results_of(report);
  const CwEvaluation *evaluation = evaluation_of(report);
  g_string_append_printf(text, "environment: %s %s\n", results->environment, results->environment_version);
  for (char **fact = results->environment_facts; fact && fact[0] && fact[1]; fact += 2) {
    g_autofree char *key = cw_printable(fact[0], ""), *value = cw_printable(fact[1], "");
    g_string_append_printf(text, "  %s: %s\n", key, value);
  }
  g_string_append_printf(text, "experiments: %s\nsplit: %s, goals 0 to %u\n%s\n", experiments,
                         evaluation->split, evaluation->n - 1, about);
  for (guint i = 0; i < report->notes->len; i++)
    g_string_append_printf(text, "note: %s\n", (const char *)report->notes->pdata[i]);
  for (guint i = 0; i < tables->len; i++) {
    const Table *table = tables->pdata[i];
    g_autofree char *lines =
        cw_format_table((const char *const *)table->headings->pdata, table->headings->len, table->rows);
    g_string_append_printf(text, "\n%s\n%s", table->title, lines);
  }
  return g_string_free(text, FALSE);
}

/* Text in Markdown: it starts no cell, no tag and no line. */
static void append_markdown(GString *text, const char *before, const char *words)
{
  g_autofree char *shown = cw_printable(words, "");
  g_string_append(text, before);
  for (const char *p = shown; *p; p++) {
    if (*p == '|' || *p == '<')
      g_string_append_c(text, '\\');
    g_string_append_c(text, *p);
  }
}

static void append_cells(GString *text, char **cells, guint n)
{
  for (guint i = 0; i < n; i++) {
    append_markdown(text, "| ", cells[i]);
    g_string_append_c(text, ' ');
  }
  g_string_append(text, "|\n");
}

char *cw_report_markdown(const CwRunsReport *report)
{
  GString *text = g_string_new(NULL);
  g_autoptr(GPtrArray) tables = tables_of(report);
  g_autofree char *experiments = experiments_text(report);
  const CwResults *results = results_of(report);
  const CwEvaluation *evaluation = evaluation_of(report);
  append_markdown(text, "- environment: ", results->environment);
  append_markdown(text, " ", results->environment_version);
  for (char **fact = results->environment_facts; fact && fact[0] && fact[1]; fact += 2) {
    append_markdown(text, ", ", fact[0]);
    append_markdown(text, " ", fact[1]);
  }
  append_markdown(text, "\n- experiments: ", experiments);
  append_markdown(text, "\n- split: ", evaluation->split);
  g_string_append_printf(text, ", goals 0 to %u\n- %s\n", evaluation->n - 1, about);
  for (guint i = 0; i < report->notes->len; i++) {
    append_markdown(text, "- note: ", report->notes->pdata[i]);
    g_string_append_c(text, '\n');
  }
  for (guint i = 0; i < tables->len; i++) {
    const Table *table = tables->pdata[i];
    guint n = table->headings->len;
    append_markdown(text, "\n", table->title);
    g_string_append(text, ":\n\n");
    append_cells(text, (char **)table->headings->pdata, n);
    for (guint column = 0; column < n; column++)
      g_string_append(text, "|---");
    g_string_append(text, "|\n");
    for (guint row = 0; row < table->rows->len; row++)
      append_cells(text, table->rows->pdata[row], n);
  }
  return g_string_free(text, FALSE);
}

static void append_cost(GString *json, const CwReportCost *cost)
{
  cw_json_begin(json, "training", '{');
  cw_json_double(json, "updates", cost->updates);
  cw_json_double(json, "decisions_collected", cost->collected);
  cw_json_double(json, "decisions_learnt", cost->learnt);
  cw_json_double(json, "seconds", cost->seconds);
  cw_json_end(json, '}');
}

static void append_seed(GString *json, const CwReportRow *row, guint i)
{
  const CwReportRun *run = row->runs->pdata[i];
  const CwEvaluation *evaluation = row->evaluations->pdata[i];
  double score = 0, success = 0;
  for (guint goal = 0; goal < evaluation->n; goal++) {
    score += 100 * evaluation->rewards[goal] / evaluation->n;
    success += 100.0 * evaluation->success[goal] / evaluation->n;
  }
  g_string_append(json, i ? ",\n     " : "\n     ");
  cw_json_begin(json, NULL, '{');
  cw_json_integer(json, "seed", run->results->seed);
  cw_json_string(json, "run", run->directory);
  cw_json_double(json, "score", score);
  cw_json_double(json, "success", success);
  cw_json_double(json, "steps_per_episode", cw_evaluation_mean_length(evaluation));
  if (row->trained)
    append_cost(json, &run->cost);
  cw_json_end(json, '}');
}

static void append_report_row(GString *json, const CwReportRow *row, const GPtrArray *parts)
{
  cw_json_begin(json, NULL, '{');
  cw_json_begin(json, "experiments", '[');
  for (guint i = 0; i < row->experiments->len; i++)
    cw_json_string(json, NULL, row->experiments->pdata[i]);
  cw_json_end(json, ']');
  cw_json_string(json, "agent", row->agent);
  cw_json_string(json, "selection", row->selection);
  cw_json_integer(json, "episodes", n_episodes_of(row));
  cw_json_interval(json, "score", row->score);
  cw_json_interval(json, "success", row->success);
  cw_json_double(json, "steps_per_episode", row->steps_per_episode);
  cw_json_double(json, "decisions_per_second", row->decisions_per_second);
  cw_json_begin(json, "parts", '{');
  for (guint i = 0; i < parts->len; i++)
    cw_json_double(json, parts->pdata[i], part_of(row, parts->pdata[i]));
  cw_json_end(json, '}');
  if (row->compared) {
    cw_json_interval(json, "score_difference", row->score_difference);
    cw_json_interval(json, "success_difference", row->success_difference);
  }
  if (row->trained)
    append_cost(json, &row->cost);
  cw_json_begin(json, "seeds", '[');
  for (guint i = 0; i < row->runs->len; i++)
    append_seed(json, row, i);
  g_string_append(json, "]}");
}

char *cw_report_json(const CwRunsReport *report)
{
  GString *json = g_string_new("{");
  g_autoptr(GPtrArray) parts = parts_of(report);
  const CwResults *results = results_of(report);
  cw_json_string(json, "environment", results->environment);
  cw_json_string(json, "environment_version", results->environment_version);
  cw_json_facts(json, "environment_facts", (const char *const *)results->environment_facts);
  cw_json_string(json, "split", evaluation_of(report)->split);
  cw_json_integer(json, "goals", evaluation_of(report)->n);
  cw_json_double(json, "confidence", report->confidence);
  if (report->against)
    cw_json_string(json, "against", report->against);
  cw_json_begin(json, "notes", '[');
  for (guint i = 0; i < report->notes->len; i++)
    cw_json_string(json, NULL, report->notes->pdata[i]);
  cw_json_end(json, ']');
  cw_json_begin(json, "rows", '[');
  for (guint i = 0; i < report->rows->len; i++) {
    g_string_append(json, i ? ",\n  " : "\n  ");
    append_report_row(json, report->rows->pdata[i], parts);
  }
  g_string_append(json, "\n]}\n");
  return g_string_free(json, FALSE);
}
