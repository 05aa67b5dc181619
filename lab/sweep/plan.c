/* Lays out a sweep. Every run is an ordinary one, of the sweep's file with some values set, in a directory of
 * its own; its name says which values, so that the runs of one name differ in their seeds. The plan owns the
 * runs. */
#include "lab/sweep/plan.h"
#include "core/train/directory.h"
#include <string.h>

enum { MOST_RUNS = 10000 };

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, text);
  return FALSE;
}

static gpointer copy_text(gconstpointer text, gpointer data G_GNUC_UNUSED)
{
  return g_strdup(text);
}

static void run_free(gpointer data)
{
  CwSweepRun *run = data;
  g_free(run->name);
  g_free(run->directory);
  g_free(run->log);
  g_strfreev(run->sets);
  g_free(run);
}

void cw_sweep_plan_free(CwSweepPlan *plan)
{
  if (!plan)
    return;
  g_ptr_array_unref(plan->runs);
  g_ptr_array_unref(plan->notes);
  g_free(plan->directory);
  g_free(plan);
}

static gboolean read_seed(const char *text, guint64 *seed, GError **error)
{
  return g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, seed, NULL) ||
         refuse(error, "--seeds: expected seeds such as 1..5 or 1,4,7, found '%s'", text);
}

/* guint64 in the order in which they are named. */
static GArray *read_seeds(const char *text, GError **error)
{
  g_autoptr(GArray) seeds = g_array_new(FALSE, FALSE, sizeof(guint64));
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  for (char **part = parts; *part; part++) {
    char *dots = strstr(*part, "..");
    guint64 first, last;
    if (dots)
      *dots = '\0';
    if (!read_seed(*part, &first, error) || !read_seed(dots ? dots + 2 : *part, &last, error))
      return NULL;
    if (last < first || last - first >= MOST_RUNS) {
      refuse(error, "--seeds: from %s to %s is no range of at most %d seeds", *part, dots + 2, MOST_RUNS);
      return NULL;
    }
    for (guint64 seed = first; seed <= last; seed++)
      g_array_append_val(seeds, seed);
  }
  return g_steal_pointer(&seeds);
}

/* The end of the value that begins at `text`: a comma outside of quotes and brackets, or the end. */
static const char *end_of_value(const char *text)
{
  guint depth = 0;
  char quote = '\0';
  for (; *text && (*text != ',' || depth > 0 || quote); text++) {
    if (quote)
      quote = *text == quote ? '\0' : quote;
    else if (*text == '"' || *text == '\'')
      quote = *text;
    else if (strchr("[{", *text))
      depth++;
    else if (strchr("]}", *text) && depth > 0)
      depth--;
  }
  return text;
}

/* The values of "KEY=a,b", NULL after a complaint. Free with g_strfreev. */
static char **read_values(const char *axis, GError **error)
{
  const char *equals = strchr(axis, '=');
  g_autoptr(GPtrArray) values = g_ptr_array_new_null_terminated(0, g_free, TRUE);
  if (!equals || equals == axis || equals[1] == '\0') {
    refuse(error, "--grid: expected KEY=VALUE,VALUE such as stages.1.learning_rate=1e-4,1e-3, found '%s'",
           axis);
    return NULL;
  }
  if (g_str_has_prefix(axis, "environment.") || g_str_has_prefix(axis, "seed=")) {
    refuse(error, "--grid: %.*s %s", (int)(equals - axis), axis,
           *axis == 's'
               ? "is what --seeds is for"
               : "makes other environments, whose results cannot be reported together; sweep each by itself");
    return NULL;
  }
  for (const char *start = equals + 1, *end;; start = end + 1) {
    end = end_of_value(start);
    if (end == start) {
      refuse(error, "--grid: a value is missing in '%s'", axis);
      return NULL;
    }
    g_ptr_array_add(values, g_strndup(start, end - start));
    if (*end == '\0')
      return (char **)g_ptr_array_free(g_steal_pointer(&values), FALSE);
  }
}

/* What names call a key: its last part, or all of it where another key has the same last part. */
static const char *short_key(const char *const *grid, guint i)
{
  gsize length = strcspn(grid[i], "=");
  const char *dot = g_strrstr_len(grid[i], (gssize)length, "."), *part = dot ? dot + 1 : grid[i];
  for (guint k = 0; grid[k]; k++) {
    const char *other_dot = g_strrstr_len(grid[k], (gssize)strcspn(grid[k], "="), ".");
    const char *other = other_dot ? other_dot + 1 : grid[k];
    if (k != i && strcspn(part, "=") == strcspn(other, "=") && strncmp(part, other, strcspn(part, "=")) == 0)
      return grid[i];
  }
  return part;
}

/* A point of the grid: what is set, and the name that says so. */
typedef struct {
  GString *name;
  GPtrArray *sets; /* char * */
} Point;

static void point_free(gpointer data)
{
  Point *point = data;
  g_string_free(point->name, TRUE);
  g_ptr_array_unref(point->sets);
  g_free(point);
}

/* The point, further on by one value of axis `i`. */
static Point *point_with(const Point *point, const char *const *grid, guint i, const char *value)
{
  const char *key = short_key(grid, i);
  Point *more = g_new0(Point, 1);
  more->name = g_string_new(point->name->str);
  more->sets = g_ptr_array_copy(point->sets, copy_text, NULL);
  g_ptr_array_set_free_func(more->sets, g_free);
  g_autofree char *plain = g_strdelimit(g_strdup(value), "/ \t\n", '_');
  g_string_append_printf(more->name, "%s%.*s=%s", point->name->len ? "," : "", (int)strcspn(key, "="), key,
                         plain);
  g_ptr_array_add(more->sets, g_strdup_printf("%.*s=%s", (int)strcspn(grid[i], "="), grid[i], value));
  return more;
}

/* Every point of the grid: Point *. */
static GPtrArray *make_points(const char *const *grid, GError **error)
{
  GPtrArray *points = g_ptr_array_new_with_free_func(point_free);
  Point *origin = g_new0(Point, 1);
  origin->name = g_string_new(NULL);
  origin->sets = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(points, origin);
  for (guint i = 0; grid && grid[i]; i++) {
    g_auto(GStrv) values = read_values(grid[i], error);
    GPtrArray *more = g_ptr_array_new_with_free_func(point_free);
    for (guint p = 0; values && p < points->len && more->len <= MOST_RUNS; p++)
      for (char **value = values; *value; value++)
        g_ptr_array_add(more, point_with(points->pdata[p], grid, i, *value));
    g_ptr_array_unref(points);
    points = more;
    if (!values) {
      g_ptr_array_unref(points);
      return NULL;
    }
  }
  return points;
}

static CwSweepRun *run_new(const CwSweepGrid *grid, const char *directory, const char *name,
                           const Point *point, guint64 seed)
{
  CwSweepRun *run = g_new0(CwSweepRun, 1);
  g_autoptr(GPtrArray) sets = g_ptr_array_new_null_terminated(0, g_free, TRUE);
  g_autofree char *quoted = cw_options_quote(name);
  g_ptr_array_add(sets, g_strconcat("name=", quoted, NULL));
  g_ptr_array_add(sets, g_strdup_printf("seed=%" G_GUINT64_FORMAT, seed));
  for (guint i = 0; grid->sets && grid->sets[i]; i++)
    g_ptr_array_add(sets, g_strdup(grid->sets[i]));
  for (guint i = 0; i < point->sets->len; i++)
    g_ptr_array_add(sets, g_strdup(point->sets->pdata[i]));
  run->name = g_strdup(name);
  run->directory = g_strdup_printf("%s/%s-%" G_GUINT64_FORMAT, directory, name, seed);
  run->log = g_strconcat(run->directory, ".log", NULL);
  run->sets = (char **)g_ptr_array_free(g_steal_pointer(&sets), FALSE);
  run->begun = cw_run_directory_is_used(run->directory);
  return run;
}

/* How many threads a run of the experiment computes with, as far as its policy's options say. */
static guint threads_of(const CwExperiment *experiment)
{
  const CwBinding *binding = &experiment->policy;
  for (guint i = 0; binding->feature && i < binding->feature->options.n_rows; i++) {
    const CwOption *row = &binding->feature->options.rows[i];
    if (row->type != CW_OPTION_INTEGER || strcmp(row->name, "threads") != 0)
      continue;
    gint64 n = *(const gint64 *)(gconstpointer)((const char *)binding->options + row->offset);
    return n > 0 ? (guint)n : g_get_num_processors();
  }
  return 1;
}

static gboolean check_run(CwSweepPlan *plan, const CwSweepGrid *grid, const CwSweepRun *run,
                          CwRegistry *registry, GError **error)
{
  CwExperiment *experiment =
      cw_experiment_load(grid->experiment, (const char *const *)run->sets, registry, error);
  if (!experiment) {
    g_prefix_error(error, "%s:\n", run->name);
    return FALSE;
  }
  plan->n_threads = MAX(plan->n_threads, threads_of(experiment));
  if (plan->runs->len == 0)
    g_ptr_array_extend(plan->notes, experiment->notes, copy_text, NULL);
  gboolean good = !run->begun || cw_run_directory_check(run->directory, experiment, TRUE, FALSE, NULL, error);
  cw_experiment_free(experiment);
  return good;
}

static gboolean add_run(CwSweepPlan *plan, const CwSweepGrid *grid, const char *name, const Point *point,
                        guint64 seed, CwRegistry *registry, GError **error)
{
  CwSweepRun *run = run_new(grid, plan->directory, name, point, seed);
  gboolean good = check_run(plan, grid, run, registry, error);
  for (guint i = 0; good && i < plan->runs->len; i++)
    if (g_str_equal(((CwSweepRun *)plan->runs->pdata[i])->directory, run->directory))
      good = refuse(error, "two runs of the sweep are called %s; name every value and every seed once",
                    run->directory);
  if (plan->runs->len == MOST_RUNS)
    good = refuse(error, "more than %d runs; a sweep is never that large", MOST_RUNS);
  g_ptr_array_add(plan->runs, run);
  return good;
}

CwSweepPlan *cw_sweep_plan_new(const CwSweepGrid *grid, CwRegistry *registry, GError **error)
{
  g_autoptr(GArray) seeds = read_seeds(grid->seeds, error);
  g_autoptr(GPtrArray) points = seeds ? make_points(grid->grid, error) : NULL;
  CwExperiment *experiment =
      points ? cw_experiment_load(grid->experiment, grid->sets, registry, error) : NULL;
  if (!experiment)
    return NULL;
  CwSweepPlan *plan = g_new0(CwSweepPlan, 1);
  plan->runs = g_ptr_array_new_with_free_func(run_free);
  plan->notes = g_ptr_array_new_with_free_func(g_free);
  plan->directory =
      grid->directory ? g_strdup(grid->directory) : g_strdup_printf("runs/%s-sweep", experiment->name);
  gboolean good = TRUE;
  for (guint i = 0; i < points->len; i++)
    for (guint k = 0; good && k < seeds->len; k++) {
      const Point *point = points->pdata[i];
      good = add_run(plan, grid, point->name->len ? point->name->str : experiment->name, point,
                     g_array_index(seeds, guint64, k), registry, error);
    }
  cw_experiment_free(experiment);
  if (!good)
    g_clear_pointer(&plan, cw_sweep_plan_free);
  return plan;
}
