/* How fast any environment is on one thread. An agent that takes random candidates
 * plays episodes on random goals; every step takes a candidate and looks at the next observation with its
 * candidates. Rounds of equal length, and the median of their rates. */
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include "core/base/statistics.h"
#include "core/plugin/handles.h"
#include "lab/bench/bench.h"
#include <string.h>
#include <time.h>

#define WARM_UP_ROUNDS 1
#define MAX_KINDS      16
#define MAX_KIND       31
/* Between two looks at the clock. */
#define BURST 16

/* What one kind of step took: actions that are equal up to a bracket, such as "search[...]". */
typedef struct {
  char name[MAX_KIND + 1];
  guint64 n;
  double seconds;
} Kind;

typedef struct {
  const CwBenchEnvironment *arguments;
  CwEnvironment *environment;
  CwSession *session;
  CwRandom *chance, *choice;
  const char *split;
  gint64 n_goals;
  double open_seconds;
  CwObservation observation;
  gboolean over;
  guint64 n_episodes, n_steps;
  Kind kinds[MAX_KINDS];
  guint n_kinds;
} Bench;

/* A line of the table. */
typedef struct {
  char *work;
  GArray *rates; /* double, one per round */
} Line;

static double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static gboolean observe(Bench *bench, GError **error)
{
  bench->observation = (CwObservation){.struct_size = sizeof bench->observation};
  return cw_session_observe(bench->session, &bench->observation, error);
}

static gboolean reset(Bench *bench, GError **error)
{
  gint64 goal = (gint64)(cw_random_uint64(bench->choice) % (guint64)bench->n_goals);
  bench->over = FALSE;
  return cw_session_reset(bench->session, bench->split, goal, bench->chance, error) && observe(bench, error);
}

static gboolean take(Bench *bench, guint candidate, GError **error)
{
  CwOutcome outcome = {.struct_size = sizeof outcome};
  if (!cw_session_step(bench->session, candidate, &outcome, error))
    return FALSE;
  bench->over = outcome.terminated || outcome.truncated;
  return observe(bench, error);
}

static guint choose(Bench *bench)
{
  return cw_random_below(bench->choice, bench->observation.n_candidates);
}

/* The kinds of work; each measures for `seconds` and gives things per second. */

static gboolean run_steps(Bench *bench, double seconds, double *rate, GError **error)
{
  double start = now(), passed = 0;
  guint64 n = 0;
  for (; passed < seconds; passed = now() - start)
    for (guint i = 0; i < BURST; i++, n++) {
      bench->n_episodes += bench->over;
      if ((bench->over && !reset(bench, error)) || !take(bench, choose(bench), error))
        return FALSE;
    }
  bench->n_steps += n;
  *rate = (double)n / passed;
  return TRUE;
}

static gboolean run_resets(Bench *bench, double seconds, double *rate, GError **error)
{
  double start = now(), passed = 0;
  guint64 n = 0;
  for (; passed < seconds; passed = now() - start)
    for (guint i = 0; i < BURST; i++, n++)
      if (!reset(bench, error))
        return FALSE;
  *rate = (double)n / passed;
  bench->over = TRUE;
  return TRUE;
}

static Kind *kind_of(Bench *bench, const char *action)
{
  gsize length = MIN(strcspn(action, "["), MAX_KIND);
  for (guint i = 0; i < bench->n_kinds; i++)
    if (strncmp(bench->kinds[i].name, action, length) == 0 && bench->kinds[i].name[length] == '\0')
      return &bench->kinds[i];
  if (bench->n_kinds == MAX_KINDS)
    return NULL;
  Kind *kind = &bench->kinds[bench->n_kinds++];
  *kind = (Kind){0};
  memcpy(kind->name, action, length);
  return kind;
}

/* Times every step by itself, which costs two looks at the clock. */
static gboolean run_kinds(Bench *bench, double seconds, GError **error)
{
  double start = now(), passed = 0;
  while (passed < seconds) {
    if (bench->over && !reset(bench, error))
      return FALSE;
    guint candidate = choose(bench);
    Kind *kind = kind_of(bench, bench->observation.candidates[candidate]);
    double before = now();
    if (!take(bench, candidate, error))
      return FALSE;
    double after = now();
    passed = after - start;
    if (kind) {
      kind->seconds += after - before;
      kind->n++;
    }
  }
  return TRUE;
}

static void line_free(gpointer data)
{
  Line *line = data;
  g_free(line->work);
  g_array_unref(line->rates);
  g_free(line);
}

static Line *line_named(GPtrArray *lines, const char *work)
{
  for (guint i = 0; i < lines->len; i++)
    if (g_str_equal(((Line *)lines->pdata[i])->work, work))
      return lines->pdata[i];
  Line *line = g_new0(Line, 1);
  line->work = g_strdup(work);
  line->rates = g_array_new(FALSE, FALSE, sizeof(double));
  g_ptr_array_add(lines, line);
  return line;
}

static void add_rate(GPtrArray *lines, const char *work, double rate)
{
  g_array_append_val(line_named(lines, work)->rates, rate);
}

static gboolean measure(Bench *bench, GPtrArray *lines, GError **error)
{
  double seconds = bench->arguments->seconds;
  for (gint round = -WARM_UP_ROUNDS; round < bench->arguments->rounds; round++) {
    double steps, resets;
    bench->n_kinds = 0;
    if (!run_steps(bench, seconds, &steps, error) || !run_resets(bench, seconds, &resets, error) ||
        !run_kinds(bench, seconds, error))
      return FALSE;
    if (round < 0)
      continue;
    add_rate(lines, "steps, resets included", steps);
    add_rate(lines, "resets", resets);
    for (guint i = 0; i < bench->n_kinds; i++) {
      g_autofree char *work = g_strdup_printf("step: %s", bench->kinds[i].name);
      add_rate(lines, work, (double)bench->kinds[i].n / MAX(bench->kinds[i].seconds, 1e-12));
    }
  }
  return TRUE;
}

static gboolean open_bench(Bench *bench, const CwExperiment *experiment, GError **error)
{
  const CwBinding *binding = &experiment->environment;
  guint32 seed = bench->arguments->seed >= 0 ? (guint32)bench->arguments->seed : (guint32)experiment->seed;
  double start = now();
  bench->environment =
      cw_environment_open(binding->feature, binding->options, (guint32)experiment->seed, error);
  bench->open_seconds = now() - start;
  if (!bench->environment)
    return FALSE;
  bench->split = bench->arguments->split ? bench->arguments->split : experiment->evaluate->split;
  bench->n_goals = cw_environment_n_goals(bench->environment, bench->split, error);
  if (bench->n_goals < 0)
    return FALSE;
  if (bench->n_goals == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "split '%s' has no goals", bench->split);
    return FALSE;
  }
  bench->session = cw_session_new(bench->environment, error);
  bench->chance = cw_random_new(seed, "bench.environment", 0, 0);
  bench->choice = cw_random_new(seed, "bench.choice", 0, 0);
  bench->over = TRUE;
  return bench->session != NULL;
}

static void close_bench(Bench *bench)
{
  cw_session_free(bench->session);
  cw_environment_close(bench->environment);
  cw_random_free(bench->chance);
  cw_random_free(bench->choice);
}

static gint by_value(gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* The processor's name, or "unknown processor". Free with g_free. */
static char *processor_name(void)
{
  g_autofree char *text = NULL;
  if (g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL)) {
    const char *line = strstr(text, "model name");
    const char *colon = line ? strchr(line, ':') : NULL;
    if (colon)
      return g_strstrip(g_strndup(colon + 1, strcspn(colon + 1, "\n")));
  }
  return g_strdup("unknown processor");
}

/* Free with g_free. */
static char *table_of(const Bench *bench, const GPtrArray *lines)
{
  static const char *const headings[] = {"work", "per second", "lowest", "highest", "microseconds each"};
  GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  for (guint i = 0; i < lines->len; i++) {
    const Line *line = lines->pdata[i];
    g_array_sort(line->rates, by_value);
    guint n = line->rates->len;
    const double *rates = (const double *)(gpointer)line->rates->data;
    double median = (rates[(n - 1) / 2] + rates[n / 2]) / 2;
    char **cells = g_new0(char *, G_N_ELEMENTS(headings) + 1);
    cells[0] = g_strdup(line->work);
    cells[1] = g_strdup_printf("%.0f", median);
    cells[2] = g_strdup_printf("%.0f", rates[0]);
    cells[3] = g_strdup_printf("%.0f", rates[n - 1]);
    cells[4] = g_strdup_printf("%.3f", 1e6 / median);
    g_ptr_array_add(rows, cells);
  }
  g_autofree char *processor = processor_name(),
                  *table = cw_format_table(headings, G_N_ELEMENTS(headings), rows);
  g_ptr_array_unref(rows);
  return g_strdup_printf("environment '%s', %" G_GINT64_FORMAT " goals of split '%s', opened in %.3f s\n"
                         "one thread of %s; medians of %d rounds of %g s; %.1f steps an episode\n%s",
                         cw_environment_feature(bench->environment)->name, bench->n_goals, bench->split,
                         bench->open_seconds, processor, bench->arguments->rounds, bench->arguments->seconds,
                         (double)bench->n_steps / (double)MAX(bench->n_episodes, 1), table);
}

static gboolean write_json(const Bench *bench, const GPtrArray *lines, const char *path, GError **error)
{
  g_autofree char *processor = processor_name();
  g_autoptr(GString) json = g_string_new("{");
  cw_json_facts(json, "environment", cw_environment_describe(bench->environment));
  cw_json_string(json, "split", bench->split);
  cw_json_string(json, "processor", processor);
  cw_json_double(json, "open_seconds", bench->open_seconds);
  cw_json_double(json, "round_seconds", bench->arguments->seconds);
  cw_json_begin(json, "per_second", '{');
  for (guint i = 0; i < lines->len; i++) {
    const Line *line = lines->pdata[i];
    cw_json_begin(json, line->work, '[');
    for (guint k = 0; k < line->rates->len; k++)
      cw_json_double(json, NULL, g_array_index(line->rates, double, k));
    cw_json_end(json, ']');
  }
  g_string_append(json, "}}\n");
  return cw_write_file(path, json->str, json->len, error);
}

gboolean cw_bench_environment(const CwExperiment *experiment, const CwBenchEnvironment *arguments,
                              char **table, GError **error)
{
  Bench bench = {.arguments = arguments};
  GPtrArray *lines = g_ptr_array_new_with_free_func(line_free);
  gboolean good = open_bench(&bench, experiment, error) && measure(&bench, lines, error);
  if (good)
    *table = table_of(&bench, lines);
  good = good && (!arguments->json || write_json(&bench, lines, arguments->json, error));
  g_ptr_array_unref(lines);
  close_bench(&bench);
  return good;
}
