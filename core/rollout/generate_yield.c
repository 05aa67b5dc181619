/* What came of generating, in numbers: counts and the yield by category, as text, as records and as the state
 * of an unfinished file. */
#include "core/base/statistics.h"
#include "core/rollout/generate.h"
#include <string.h>

#define GROUP      "generate"
#define CATEGORIES "categories"

static void free_yield(gpointer data)
{
  CwYield *yield = data;
  g_free(yield->category);
  g_free(yield);
}

void cw_generate_counts_clear(CwGenerateCounts *counts)
{
  g_clear_pointer(&counts->yields, g_ptr_array_unref);
  *counts = (CwGenerateCounts){0};
}

double cw_generate_score(const CwGenerateCounts *counts)
{
  return counts->n_episodes > 0 ? 100 * counts->reward_sum / (double)counts->n_episodes : 0;
}

/* Kept sorted by name. */
CwYield *cw_generate_yield(CwGenerateCounts *counts, const char *category)
{
  if (!counts->yields)
    counts->yields = g_ptr_array_new_with_free_func(free_yield);
  guint place = 0;
  for (; place < counts->yields->len; place++) {
    CwYield *yield = counts->yields->pdata[place];
    gint order = strcmp(yield->category, category);
    if (order == 0)
      return yield;
    if (order > 0)
      break;
  }
  CwYield *yield = g_new0(CwYield, 1);
  yield->category = g_strdup(category);
  g_ptr_array_insert(counts->yields, (gint)place, yield);
  return yield;
}

/* The plain numbers, by the names that they have in the state. */
static const struct {
  const char *name;
  gsize offset;
} numbers[] = {
    {"episodes", offsetof(CwGenerateCounts, n_episodes)},
    {"successful", offsetof(CwGenerateCounts, n_successful)},
    {"kept", offsetof(CwGenerateCounts, n_kept)},
    {"decisions", offsetof(CwGenerateCounts, n_decisions)},
    {"groups", offsetof(CwGenerateCounts, n_groups)},
    {"duplicates", offsetof(CwGenerateCounts, n_duplicates)},
    {"pruned", offsetof(CwGenerateCounts, n_pruned)},
    {"pruned_steps", offsetof(CwGenerateCounts, n_pruned_steps)},
    {"refused", offsetof(CwGenerateCounts, n_refused)},
    {"rejected", offsetof(CwGenerateCounts, n_rejected)},
};

static guint64 *number_at(const CwGenerateCounts *counts, guint i)
{
  return (guint64 *)(gpointer)((char *)counts + numbers[i].offset);
}

void cw_generate_counts_save(const CwGenerateCounts *counts, GKeyFile *state)
{
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    g_key_file_set_uint64(state, GROUP, numbers[i].name, *number_at(counts, i));
  g_key_file_set_double(state, GROUP, "reward_sum", counts->reward_sum);
  for (guint i = 0; counts->yields && i < counts->yields->len; i++) {
    const CwYield *yield = counts->yields->pdata[i];
    g_autofree char *key = g_strdup_printf("%u", i);
    g_autofree char *text =
        g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %s",
                        yield->n_episodes, yield->n_successful, yield->n_kept, yield->category);
    g_key_file_set_string(state, CATEGORIES, key, text);
  }
}

gboolean cw_generate_counts_load(CwGenerateCounts *counts, GKeyFile *state, GError **error)
{
  g_autoptr(GError) problem = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(numbers) && !problem; i++)
    *number_at(counts, i) = g_key_file_get_uint64(state, GROUP, numbers[i].name, &problem);
  if (!problem)
    counts->reward_sum = g_key_file_get_double(state, GROUP, "reward_sum", &problem);
  g_auto(GStrv) keys = g_key_file_get_keys(state, CATEGORIES, NULL, NULL);
  for (guint i = 0; keys && keys[i] && !problem; i++) {
    g_autofree char *text = g_key_file_get_string(state, CATEGORIES, keys[i], &problem);
    char *rest = text;
    guint64 values[3] = {0};
    for (guint j = 0; j < G_N_ELEMENTS(values) && text; j++)
      values[j] = g_ascii_strtoull(rest, &rest, 10);
    if (text && *rest == ' ') {
      CwYield *yield = cw_generate_yield(counts, rest + 1);
      yield->n_episodes = values[0];
      yield->n_successful = values[1];
      yield->n_kept = values[2];
    }
  }
  if (!problem)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT, "the state of an unfinished file cannot be read: %s",
              problem->message);
  return FALSE;
}

static gboolean selects(const CwGenerateRequest *request)
{
  return request->n_perfect > 0 || request->successful_only;
}

static char *ratio(guint64 n_episodes, guint64 n)
{
  return n > 0 ? g_strdup_printf("%.1f", (double)n_episodes / (double)n) : g_strdup("-");
}

static void add_row(GPtrArray *rows, const char *name, guint64 n_episodes, guint64 n_successful,
                    guint64 n_kept)
{
  char **row = g_new0(char *, 6);
  row[0] = g_strdup(name);
  row[1] = g_strdup_printf("%" G_GUINT64_FORMAT, n_episodes);
  row[2] = g_strdup_printf("%" G_GUINT64_FORMAT, n_successful);
  row[3] = g_strdup_printf("%" G_GUINT64_FORMAT, n_kept);
  row[4] = ratio(n_episodes, n_successful);
  g_ptr_array_add(rows, row);
}

static void append_table(GString *text, const CwGenerateCounts *counts)
{
  static const char *const headings[] = {"category", "rollouts", "perfect", "kept", "rollouts per perfect"};
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  for (guint i = 0; i < counts->yields->len; i++) {
    const CwYield *yield = counts->yields->pdata[i];
    add_row(rows, yield->category, yield->n_episodes, yield->n_successful, yield->n_kept);
  }
  add_row(rows, "all", counts->n_episodes, counts->n_successful, counts->n_kept);
  g_autofree char *table = cw_format_table(headings, G_N_ELEMENTS(headings), rows);
  g_string_append_c(text, '\n');
  g_string_append(text, g_strchomp(table));
}

char *cw_generate_summary(const CwGenerateCounts *counts, const CwGenerateRequest *request, const char *agent)
{
  GString *text = g_string_new(NULL);
  g_string_append_printf(text,
                         "%" G_GUINT64_FORMAT
                         " episodes of '%s' on split '%s', score %.1f, %" G_GUINT64_FORMAT
                         " successful, %" G_GUINT64_FORMAT " kept",
                         counts->n_episodes, agent, request->split, cw_generate_score(counts),
                         counts->n_successful, counts->n_kept);
  if (request->n_perfect > 0)
    g_string_append_printf(text, " of %" G_GUINT64_FORMAT " wanted, %" G_GUINT64_FORMAT " duplicates dropped",
                           request->n_perfect, counts->n_duplicates);
  if (request->prune_loops)
    g_string_append_printf(text,
                           ", %" G_GUINT64_FORMAT " pruned by %" G_GUINT64_FORMAT " steps, %" G_GUINT64_FORMAT
                           " not to be pruned",
                           counts->n_pruned, counts->n_pruned_steps, counts->n_refused);
  if (request->rejected_path)
    g_string_append_printf(text, ", %" G_GUINT64_FORMAT " rejected siblings", counts->n_rejected);
  if (selects(request) && counts->yields)
    append_table(text, counts);
  return g_string_free(text, FALSE);
}

static void record(CwMetrics *metrics, const char *prefix, const char *name, guint64 value)
{
  g_autofree char *key = g_strconcat(prefix, "/", name, NULL);
  cw_metrics_integer(metrics, key, (gint64)value);
}

static void record_yield(CwMetrics *metrics, const char *prefix, guint64 n_episodes, guint64 n_successful)
{
  g_autofree char *key = g_strconcat(prefix, "/rollouts_per_perfect", NULL);
  if (n_successful > 0)
    cw_metrics_number(metrics, key, (double)n_episodes / (double)n_successful);
}

void cw_generate_record(const CwGenerateCounts *counts, const CwGenerateRequest *request, const char *prefix,
                        CwMetrics *metrics)
{
  g_autofree char *score = g_strconcat(prefix, "/score", NULL);
  record(metrics, prefix, "episodes", counts->n_episodes);
  record(metrics, prefix, "successful", counts->n_successful);
  record(metrics, prefix, "kept", counts->n_kept);
  cw_metrics_number(metrics, score, cw_generate_score(counts));
  if (request->n_perfect > 0) {
    record(metrics, prefix, "wanted", request->n_perfect);
    record(metrics, prefix, "duplicates", counts->n_duplicates);
  }
  if (request->prune_loops) {
    record(metrics, prefix, "pruned", counts->n_pruned);
    record(metrics, prefix, "pruned_steps", counts->n_pruned_steps);
    record(metrics, prefix, "not_pruned", counts->n_refused);
  }
  if (request->rejected_path)
    record(metrics, prefix, "rejected", counts->n_rejected);
  record(metrics, prefix, "decisions", counts->n_decisions);
  if (!selects(request))
    return;
  record_yield(metrics, prefix, counts->n_episodes, counts->n_successful);
  for (guint i = 0; counts->yields && i < counts->yields->len; i++) {
    const CwYield *yield = counts->yields->pdata[i];
    g_autofree char *of_category = g_strconcat(prefix, "/", yield->category, NULL);
    record(metrics, of_category, "episodes", yield->n_episodes);
    record(metrics, of_category, "successful", yield->n_successful);
    record(metrics, of_category, "kept", yield->n_kept);
    record_yield(metrics, of_category, yield->n_episodes, yield->n_successful);
  }
}
