/* Decisions per second of a policy, on decisions of real episodes. They are scored
 * in the calls in which a rollout would make them: with everything forgotten before each call, forgotten
 * once, and remembered from the round before, for policies that remember. Then they are trained on. Nothing
 * is saved. */
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include "core/base/statistics.h"
#include "core/train/context.h"
#include "core/train/resume_point.h"
#include "core/trajectory/trajectories.h"
#include "lab/bench/bench.h"
#include "lab/bench/decisions.h"
#include "lab/bench/peak.h"
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* So small that the weights stay what they are, for any number of rounds. */
#define LEARNING_RATE 1e-9
#define CLIP          1.0
/* For each of the processor's peaks. */
#define PEAK_SECONDS 0.1

/* One line of the table. */
typedef struct {
  char *work;
  guint batch;                         /* decisions per call; 0: as in a rollout */
  GArray *seconds, *processor_seconds; /* of each round */
  double operations;                   /* of one round; NaN: the policy does not count them */
  GString *found;                      /* "decisions 12 %, texts 80 %" */
  double peak_mebibytes;               /* of the process, when the line was done */
} Line;

typedef struct {
  CwRun *run;
  const CwDecisionStream *stream;
  float *logits, *values, *d_logits;
  double tokens; /* of all decisions */
  guint rounds;
  GPtrArray *lines;
  CwPeak peaks[CW_MOST_PEAKS];
  guint n_peaks;
  const CwPeak *own_peak; /* of the instructions that the policy computes with; NULL: it does not say */
} Bench;

static void line_free(gpointer data)
{
  Line *line = data;
  g_free(line->work);
  g_array_unref(line->seconds);
  g_array_unref(line->processor_seconds);
  g_string_free(line->found, TRUE);
  g_free(line);
}

static gint by_value(gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double median(GArray *seconds)
{
  g_array_sort(seconds, by_value);
  guint n = seconds->len;
  return (g_array_index(seconds, double, (n - 1) / 2) + g_array_index(seconds, double, n / 2)) / 2;
}

static void touch(const char *name, const gint64 *shape, guint n_dimensions, float *weights, float *gradient,
                  gpointer user_data)
{
  (void)name, (void)shape, (void)n_dimensions, (void)weights, (void)gradient, (void)user_data;
}

/* An editor may change weights, so what is remembered about them is void afterwards. */
static void forget(CwPolicy *policy)
{
  cw_policy_edit_tensors(policy, CW_EDIT_WEIGHTS, touch, NULL, NULL);
}

static const CwDecision *const *decisions_from(const Bench *bench, guint first)
{
  return (const CwDecision *const *)(bench->stream->decisions->pdata + first);
}

/* Time on the clock, and of the processor in all threads: what the work costs, also when others use the
 * machine. */
typedef struct {
  double seconds, processor_seconds;
} Time;

static Time now(void)
{
  struct timespec processor;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &processor);
  return (Time){(double)g_get_monotonic_time() * 1e-6,
                (double)processor.tv_sec + (double)processor.tv_nsec * 1e-9};
}

static void add_since(Time *total, Time start)
{
  Time end = now();
  total->seconds += end.seconds - start.seconds;
  total->processor_seconds += end.processor_seconds - start.processor_seconds;
}

/* One round of scoring. Time while `forgets` makes the policy forget does not count. */
static gboolean score_round(const Bench *bench, gboolean forgets, Time *time, GError **error)
{
  const GArray *calls = bench->stream->calls;
  for (guint i = 0; i + 1 < calls->len; i++) {
    guint first = g_array_index(calls, guint, i), last = g_array_index(calls, guint, i + 1);
    if (forgets)
      forget(bench->run->policy);
    Time start = now();
    if (!cw_policy_score(bench->run->policy, decisions_from(bench, first), last - first, bench->logits,
                         bench->values, error))
      return FALSE;
    add_since(time, start);
  }
  return TRUE;
}

/* Gradients of the mean cross-entropy of the chosen candidates. */
static void imitate(const Bench *bench, guint first, guint n)
{
  for (guint i = 0, at = 0; i < n; i++) {
    const CwStep *step = g_ptr_array_index(bench->stream->steps, first + i);
    guint n_candidates = step->decision->n_candidates;
    cw_log_softmax(bench->logits + at, n_candidates, bench->d_logits + at);
    for (guint k = 0; k < n_candidates; k++)
      bench->d_logits[at + k] = (expf(bench->d_logits[at + k]) - (k == step->chosen)) / (float)n;
    at += n_candidates;
  }
}

static gboolean train_round(const Bench *bench, guint batch, Time *time, GError **error)
{
  CwPolicy *policy = bench->run->policy;
  guint n_decisions = bench->stream->decisions->len;
  Time start = now();
  for (guint first = 0; first < n_decisions; first += batch) {
    guint n = MIN(batch, n_decisions - first);
    if (!cw_policy_forward(policy, decisions_from(bench, first), n, TRUE, bench->logits, NULL, error))
      return FALSE;
    imitate(bench, first, n);
    if (!cw_policy_backward(policy, bench->d_logits, NULL, error) ||
        !cw_policy_step(policy, LEARNING_RATE, CLIP, NULL, error))
      return FALSE;
  }
  add_since(time, start);
  return TRUE;
}

static GArray *counters_now(CwPolicy *policy)
{
  guint n;
  const CwNamedValue *counters = cw_policy_counters(policy, &n);
  GArray *copy = g_array_new(FALSE, FALSE, sizeof *counters);
  g_array_append_vals(copy, counters, n);
  return copy;
}

static double growth(const GArray *before, const GArray *after, const char *name)
{
  for (guint i = 0; i < after->len && i < before->len; i++)
    if (g_str_equal(g_array_index(after, CwNamedValue, i).name, name))
      return g_array_index(after, CwNamedValue, i).value - g_array_index(before, CwNamedValue, i).value;
  return NAN;
}

/* NAME_found as a share of NAME, for every such pair that moved. */
static void tell_found(Line *line, const GArray *before, const GArray *after)
{
  for (guint i = 0; i < after->len; i++) {
    const char *name = g_array_index(after, CwNamedValue, i).name;
    g_autofree char *found = g_strconcat(name, "_found", NULL);
    double all = growth(before, after, name), part = growth(before, after, found);
    const char *slash = strrchr(name, '/');
    if (all > 0 && !isnan(part))
      g_string_append_printf(line->found, "%s%s %.1f %%", line->found->len ? ", " : "",
                             slash ? slash + 1 : name, 100 * part / all);
  }
}

typedef enum { WORK_COLD, WORK_STREAM, WORK_WARM, WORK_TRAIN } Work;

static gboolean measure(Bench *bench, Work work, guint batch, GError **error)
{
  static const char *const names[] = {"score, forgetting", "score, from nothing", "score, again", "train"};
  CwPolicy *policy = bench->run->policy;
  Line *line = g_new0(Line, 1);
  *line = (Line){.work = g_strdup(names[work]),
                 .batch = batch,
                 .seconds = g_array_new(FALSE, FALSE, sizeof(double)),
                 .processor_seconds = g_array_new(FALSE, FALSE, sizeof(double)),
                 .found = g_string_new(NULL)};
  g_ptr_array_add(bench->lines, line);
  guint phase = cw_eta_add(bench->run->eta, names[work], bench->rounds);
  cw_eta_begin(bench->run->eta, phase, names[work], 0, 0);
  gboolean good = TRUE;
  for (guint round = 0; round < bench->rounds && good; round++) {
    Time time = {0};
    if (work == WORK_STREAM)
      forget(policy);
    g_autoptr(GArray) before = counters_now(policy);
    good = work == WORK_TRAIN ? train_round(bench, batch, &time, error)
                              : score_round(bench, work == WORK_COLD, &time, error);
    g_autoptr(GArray) after = counters_now(policy);
    g_array_append_val(line->seconds, time.seconds);
    g_array_append_val(line->processor_seconds, time.processor_seconds);
    line->operations = growth(before, after, "operations");
    if (round + 1 == bench->rounds)
      tell_found(line, before, after);
    cw_eta_update(bench->run->eta, round + 1, bench->rounds, NULL);
  }
  cw_eta_end(bench->run->eta);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  line->peak_mebibytes = (double)usage.ru_maxrss / 1024;
  return good;
}

static const char *fact_of(CwPolicy *policy, const char *name)
{
  const char *const *facts = cw_policy_describe(policy);
  for (guint i = 0; facts && facts[i]; i += 2)
    if (g_str_equal(facts[i], name))
      return facts[i + 1];
  return NULL;
}

/* A policy that computes on the processor has the facts instruction_set and precision. */
static void measure_peaks(Bench *bench)
{
  const char *set = fact_of(bench->run->policy, "instruction_set");
  const char *precision = fact_of(bench->run->policy, "precision");
  if (!set)
    return;
  bench->n_peaks = cw_peaks(PEAK_SECONDS, bench->peaks);
  for (guint i = 0; i < bench->n_peaks; i++)
    if (!bench->peaks[i].bf16 ||
        (g_strcmp0(precision, "bf16") == 0 && g_str_equal(bench->peaks[i].instruction_set, set)))
      bench->own_peak = &bench->peaks[i];
}

/* "1,8,32" as numbers. */
static GArray *batches_of(const char *text, GError **error)
{
  GArray *batches = g_array_new(FALSE, FALSE, sizeof(guint));
  g_auto(GStrv) words = g_strsplit(text, ",", -1);
  for (char **word = words; *word; word++) {
    guint64 value;
    if (!g_ascii_string_to_unsigned(*word, 10, 1, 1000000, &value, NULL)) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                  "--batch: expected numbers from 1 to 1000000 with commas between, found '%s'", *word);
      g_array_unref(batches);
      return NULL;
    }
    guint batch = (guint)value;
    g_array_append_val(batches, batch);
  }
  return batches;
}

static gboolean keep_trajectory(CwEpisode *episode, gpointer user_data, GError **error)
{
  (void)error;
  g_ptr_array_add(user_data, g_steal_pointer(&episode->trajectory));
  return TRUE;
}

/* Rolls episodes out, on the first goals of the split. */
static gboolean roll_out(CwRun *run, const CwBenchPolicy *arguments, GPtrArray *trajectories, GError **error)
{
  const char *name = arguments->agent ? arguments->agent : "policy";
  const char *split = arguments->split ? arguments->split : run->experiment->evaluate->split;
  CwAgent agent;
  if (!cw_run_find_agent(run, name, CW_CALLED_POLICY, "--agent", &agent, error))
    return FALSE;
  gint64 n_goals = cw_environment_n_goals(run->environment, split, error);
  if (n_goals < 0)
    return FALSE;
  if (n_goals == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "split '%s' has no goals", split);
    return FALSE;
  }
  g_autofree gint64 *goals = g_new(gint64, arguments->episodes);
  for (gint i = 0; i < arguments->episodes; i++)
    goals[i] = i % n_goals;
  CwRolloutPlan plan = {.seed = (guint32)run->experiment->seed,
                        .purpose = "bench",
                        .split = split,
                        .goals = goals,
                        .n_episodes = (guint64)arguments->episodes,
                        .keep_steps = TRUE,
                        .stoppable = TRUE};
  return cw_rollout_run(run->rollout, &plan, &agent, keep_trajectory, trajectories, NULL, error);
}

static CwDecisionStream *open_stream(CwRun *run, const CwBenchPolicy *arguments, GError **error)
{
  GPtrArray *trajectories = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  gboolean good = arguments->trajectories ? cw_trajectories_read(arguments->trajectories, trajectories, error)
                                          : roll_out(run, arguments, trajectories, error);
  if (!good) {
    g_ptr_array_unref(trajectories);
    return NULL;
  }
  CwDecisionStream *stream = cw_decision_stream_new(trajectories, (guint)run->experiment->rollout->slots,
                                                    (guint)arguments->decisions);
  if (stream->decisions->len > 0)
    return stream;
  g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                      "the episodes have no decisions to measure with");
  cw_decision_stream_free(stream);
  return NULL;
}

/* Operations by processor time, of what as many threads as took it could do; "-" where it is not known. */
static char *share_of_peak(const Bench *bench, Line *line)
{
  if (!bench->own_peak || isnan(line->operations))
    return g_strdup("-");
  double speed = line->operations / MAX(median(line->processor_seconds), 1e-9) * 1e-9;
  return g_strdup_printf("%.0f %%", 100 * speed / bench->own_peak->speed);
}

/* One line of text, or none. */
static char *text_of_peaks(const Bench *bench)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < bench->n_peaks; i++)
    g_string_append_printf(text, "%s %s: %.0f GFLOP/s", i ? ";" : "peak of one thread:", bench->peaks[i].name,
                           bench->peaks[i].speed);
  if (bench->own_peak)
    g_string_append_printf(text, "; 'of peak' is by processor time, of %s\n", bench->own_peak->name);
  return g_string_free(text, FALSE);
}

/* Free with g_free. */
static char *table_of(const Bench *bench)
{
  static const char *const headings[] = {"work",    "batch",   "decisions/s", "tokens/s",
                                         "GFLOP/s", "of peak", "peak memory", "looked up"};
  GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  double n = bench->stream->decisions->len;
  for (guint i = 0; i < bench->lines->len; i++) {
    Line *line = g_ptr_array_index(bench->lines, i);
    double seconds = MAX(median(line->seconds), 1e-9);
    char **cells = g_new0(char *, G_N_ELEMENTS(headings) + 1);
    cells[0] = g_strdup(line->work);
    cells[1] = line->batch ? g_strdup_printf("%u", line->batch) : g_strdup("rollout");
    cells[2] = g_strdup_printf("%.1f", n / seconds);
    cells[3] = g_strdup_printf("%.0f", bench->tokens / seconds);
    cells[4] =
        isnan(line->operations) ? g_strdup("-") : g_strdup_printf("%.1f", line->operations / seconds * 1e-9);
    cells[5] = share_of_peak(bench, line);
    cells[6] = g_strdup_printf("%.0f MiB", line->peak_mebibytes);
    cells[7] = g_strdup(line->found->len ? line->found->str : "-");
    g_ptr_array_add(rows, cells);
  }
  g_autofree char *table = cw_format_table(headings, G_N_ELEMENTS(headings), rows);
  g_autofree char *peaks = text_of_peaks(bench);
  g_ptr_array_unref(rows);
  return g_strdup_printf("%u decisions of %u episodes in %u calls, %.0f tokens; medians of %u rounds\n%s%s",
                         bench->stream->decisions->len, bench->stream->trajectories->len,
                         bench->stream->calls->len - 1, bench->tokens, bench->rounds, table, peaks);
}

static void append_numbers(GString *json, const char *key, const GArray *numbers)
{
  cw_json_begin(json, key, '[');
  for (guint i = 0; i < numbers->len; i++)
    cw_json_double(json, NULL, g_array_index(numbers, double, i));
  cw_json_end(json, ']');
}

static gboolean write_json(const Bench *bench, const char *path, GError **error)
{
  g_autoptr(GString) json = g_string_new("{");
  cw_json_integer(json, "decisions", bench->stream->decisions->len);
  cw_json_integer(json, "tokens", (gint64)bench->tokens);
  cw_json_facts(json, "policy", cw_policy_describe(bench->run->policy));
  cw_json_begin(json, "peaks", '[');
  for (guint i = 0; i < bench->n_peaks; i++) {
    cw_json_begin(json, NULL, '{');
    cw_json_string(json, "name", bench->peaks[i].name);
    cw_json_double(json, "gflops", bench->peaks[i].speed);
    cw_json_end(json, '}');
  }
  cw_json_end(json, ']');
  cw_json_begin(json, "lines", '[');
  for (guint i = 0; i < bench->lines->len; i++) {
    const Line *line = g_ptr_array_index(bench->lines, i);
    cw_json_begin(json, NULL, '{');
    cw_json_string(json, "work", line->work);
    cw_json_integer(json, "batch", line->batch);
    cw_json_double(json, "operations", line->operations);
    cw_json_integer(json, "peak_mebibytes", (gint64)(line->peak_mebibytes + 0.5));
    append_numbers(json, "seconds", line->seconds);
    append_numbers(json, "processor_seconds", line->processor_seconds);
    cw_json_end(json, '}');
  }
  g_string_append(json, "]}\n");
  return cw_write_file(path, json->str, json->len, error);
}

static gboolean measure_all(Bench *bench, const CwBenchPolicy *arguments, GError **error)
{
  CwPolicy *policy = bench->run->policy;
  g_autoptr(GArray) batches = batches_of(arguments->batch ? arguments->batch : "16", error);
  gboolean streams = !arguments->work || !g_str_equal(arguments->work, "train");
  gboolean scores = streams && g_strcmp0(arguments->work, "stream") != 0;
  gboolean trains = !arguments->work || g_str_equal(arguments->work, "train");
  trains = trains && (cw_policy_feature(policy)->capabilities & CW_POLICY_TRAINS) != 0;
  if (!batches)
    return FALSE;
  if (scores && !measure(bench, WORK_COLD, 0, error))
    return FALSE;
  if (streams && (!measure(bench, WORK_STREAM, 0, error) || !measure(bench, WORK_WARM, 0, error)))
    return FALSE;
  for (guint i = 0; trains && i < batches->len; i++)
    if (!measure(bench, WORK_TRAIN, g_array_index(batches, guint, i), error))
      return FALSE;
  return TRUE;
}

static gboolean open_policy(CwRun *run, const char *directory, GError **error)
{
  if (!run->policy) {
    g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                        "the experiment has no policy to measure");
    return FALSE;
  }
  if (!directory)
    return TRUE;
  g_autofree char *trained = cw_resume_point_policy(directory, error);
  return trained && cw_policy_load(run->policy, trained, error);
}

static gboolean measure_stream(CwRun *run, const CwDecisionStream *stream, const CwBenchPolicy *arguments,
                               char **table, GError **error)
{
  const CwDecision *const *decisions = (const CwDecision *const *)stream->decisions->pdata;
  guint n = stream->decisions->len, n_logits = cw_count_logits(decisions, n);
  Bench bench = {.run = run,
                 .stream = stream,
                 .logits = g_new(float, n_logits),
                 .values = g_new(float, n),
                 .d_logits = g_new(float, n_logits),
                 .rounds = (guint)arguments->rounds,
                 .lines = g_ptr_array_new_with_free_func(line_free)};
  for (guint i = 0; i < n; i++)
    bench.tokens += cw_policy_count_tokens(run->policy, decisions[i]);
  measure_peaks(&bench);
  gboolean good = measure_all(&bench, arguments, error);
  if (good)
    *table = table_of(&bench);
  good = good && (!arguments->json || write_json(&bench, arguments->json, error));
  g_free(bench.logits);
  g_free(bench.values);
  g_free(bench.d_logits);
  g_ptr_array_unref(bench.lines);
  return good;
}

gboolean cw_bench_policy(CwExperiment *experiment, const CwBenchPolicy *arguments, char **table,
                         GError **error)
{
  CwRun run;
  CwDecisionStream *stream = NULL;
  gboolean good = cw_run_open(&run, experiment, TRUE, arguments->quiet, error) &&
                  open_policy(&run, arguments->directory, error) &&
                  (stream = open_stream(&run, arguments, error)) &&
                  (arguments->export ? cw_decision_stream_write(stream, arguments->export, error)
                                     : measure_stream(&run, stream, arguments, table, error));
  cw_decision_stream_free(stream);
  cw_run_close(&run);
  return good;
}
