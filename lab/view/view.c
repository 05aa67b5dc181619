/* Makes the page: the template with its style and scripts, and the data as JSON inside. The data are the
 * report's JSON, the runs' configurations and learning curves, and the kept episodes. The page loads nothing:
 * its Content-Security-Policy admits the one style and the one script that are in it, by their hashes. */
#include "lab/view/view.h"
#include "config.h"
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include "core/trajectory/trajectories.h"
#include "lab/evaluate/kept_episodes.h"
#include "lab/view/episode_lists.h"
#include "lab/view/page_files.h"
#include <string.h>

/* Numbers that are the data of a figure: updates, decisions learnt from, seconds, score, success. */
static void append_points(GString *json, const CwReportRun *run)
{
  cw_json_begin(json, "points", '[');
  for (guint i = 0; i < run->points->len; i++) {
    const CwReportPoint *point = &g_array_index(run->points, CwReportPoint, i);
    cw_json_begin(json, NULL, '[');
    cw_json_double(json, NULL, point->cost.updates);
    cw_json_double(json, NULL, point->cost.learnt);
    cw_json_double(json, NULL, point->cost.seconds);
    cw_json_double(json, NULL, point->score);
    cw_json_double(json, NULL, point->success);
    cw_json_end(json, ']');
  }
  cw_json_end(json, ']');
}

/* Key and value in turn, as pairs in their order. */
static void append_pairs(GString *json, const char *key, const char *const *texts, guint n)
{
  cw_json_begin(json, key, '[');
  for (guint i = 0; i + 1 < n; i += 2) {
    cw_json_begin(json, NULL, '[');
    cw_json_string(json, NULL, texts[i]);
    cw_json_string(json, NULL, texts[i + 1]);
    cw_json_end(json, ']');
  }
  cw_json_end(json, ']');
}

static void append_facts(GString *json, const char *key, char **facts)
{
  append_pairs(json, key, (const char *const *)facts, facts ? g_strv_length(facts) : 0);
}

static void append_run(GString *json, const CwReportRun *run)
{
  const CwResults *results = run->results;
  cw_json_begin(json, NULL, '{');
  cw_json_string(json, "name", results->name);
  cw_json_integer(json, "seed", results->seed);
  cw_json_string(json, "directory", run->directory);
  cw_json_string(json, "environment", results->environment);
  cw_json_string(json, "policy", results->policy ? results->policy : "");
  append_facts(json, "environment_facts", results->environment_facts);
  append_facts(json, "policy_facts", results->policy_facts);
  cw_json_string(json, "terms", run->points_terms ? run->points_terms : "");
  append_points(json, run);
  append_pairs(json, "values", (const char *const *)run->values->pdata, run->values->len);
  cw_json_end(json, '}');
}

/* The episodes of one evaluation as an object, if it has kept any. */
static gboolean append_group(GString *json, CwEpisodeLists *lists, const CwRunsReport *report, guint run,
                             const CwEvaluation *evaluation, guint64 most, CwViewCounts *counts,
                             GError **error)
{
  const char *directory = ((const CwReportRun *)report->runs->pdata[run])->directory;
  g_autoptr(GPtrArray) episodes = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  if (!cw_kept_episodes_read(directory, evaluation, episodes, error))
    return FALSE;
  if (episodes->len == 0)
    return TRUE;
  guint n = (guint)MIN(most, episodes->len);
  counts->n_episodes += n;
  counts->n_left_out += episodes->len - n;
  g_string_append_c(json, json->str[json->len - 1] == '[' ? '\n' : ',');
  cw_json_begin(json, NULL, '{');
  cw_json_integer(json, "run", run);
  cw_json_string(json, "agent", evaluation->agent);
  cw_json_string(json, "selection", evaluation->selection);
  cw_json_integer(json, "evaluated", evaluation->n);
  cw_json_begin(json, "episodes", '[');
  for (guint i = 0; i < n; i++) {
    g_string_append(json, i ? ",\n" : "\n");
    cw_episode_lists_append(lists, json, episodes->pdata[i]);
  }
  cw_json_end(json, ']');
  cw_json_end(json, '}');
  return TRUE;
}

static gboolean append_groups(GString *json, CwEpisodeLists *lists, const CwRunsReport *report, guint64 most,
                              CwViewCounts *counts, GError **error)
{
  for (guint r = 0; r < report->runs->len && most > 0; r++) {
    const CwResults *results = ((const CwReportRun *)report->runs->pdata[r])->results;
    for (guint e = 0; e < results->evaluations->len; e++)
      if (!append_group(json, lists, report, r, results->evaluations->pdata[e], most, counts, error))
        return FALSE;
  }
  return TRUE;
}

/* The data, or NULL with error. */
static char *data_json(const CwRunsReport *report, guint64 most, CwViewCounts *counts, GError **error)
{
  g_autoptr(GString) json = g_string_new(NULL);
  CwEpisodeLists *lists = cw_episode_lists_new();
  g_autofree char *rows = cw_report_json(report);
  cw_json_begin(json, NULL, '{');
  cw_json_string(json, "cartwright", PACKAGE_VERSION);
  cw_json_double(json, "z", cw_normal_quantile((1 + report->confidence) / 2));
  g_string_append_printf(json, ",\n\"report\": %s,\n", rows);
  cw_json_begin(json, "runs", '[');
  for (guint i = 0; i < report->runs->len; i++)
    append_run(json, report->runs->pdata[i]);
  cw_json_end(json, ']');
  cw_json_begin(json, "groups", '[');
  gboolean good = append_groups(json, lists, report, most, counts, error);
  cw_json_end(json, ']');
  g_string_append(json, ",\n");
  cw_episode_lists_finish(lists, json);
  cw_json_end(json, '}');
  cw_episode_lists_free(lists);
  return good ? g_string_free(g_steal_pointer(&json), FALSE) : NULL;
}

/* "'sha256-...'", as a Content-Security-Policy names what is inline. Free with g_free. */
static char *hash_of(const char *text)
{
  guint8 digest[32];
  gsize length = sizeof digest;
  GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(checksum, (const guchar *)text, -1);
  g_checksum_get_digest(checksum, digest, &length);
  g_checksum_free(checksum);
  g_autofree char *base64 = g_base64_encode(digest, length);
  return g_strdup_printf("'sha256-%s'", base64);
}

/* JSON inside of a script element ends at no "</script>": '<' stands in strings only, where it can be written
 * as an escape. */
static void append_data(GString *page, const char *json)
{
  for (const char *next; (next = strchr(json, '<')); json = next + 1) {
    g_string_append_len(page, json, next - json);
    g_string_append(page, "\\u003c");
  }
  g_string_append(page, json);
}

/* The text that a mark "@NAME@" of the template stands for goes onto the page; FALSE for any other "@". */
static gboolean append_mark(GString *page, const char *mark, const char *title, const char *json)
{
  if (g_str_has_prefix(mark, "@TITLE@")) {
    g_autofree char *escaped = g_markup_escape_text(title, -1);
    g_string_append(page, escaped);
  } else if (g_str_has_prefix(mark, "@POLICY@")) {
    g_autofree char *script = hash_of(cw_page_script), *style = hash_of(cw_page_style);
    g_string_append_printf(
        page, "default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'", script,
        style);
  } else if (g_str_has_prefix(mark, "@STYLE@"))
    g_string_append(page, cw_page_style);
  else if (g_str_has_prefix(mark, "@SCRIPT@"))
    g_string_append(page, cw_page_script);
  else if (g_str_has_prefix(mark, "@DATA@"))
    append_data(page, json);
  else
    return FALSE;
  return TRUE;
}

static char *title_of(const CwRunsReport *report)
{
  GString *title = g_string_new(NULL);
  for (guint i = 0; i < report->names->len; i++)
    g_string_append_printf(title, "%s%s", i ? ", " : "", (const char *)report->names->pdata[i]);
  return g_string_free(title, FALSE);
}

char *cw_view_page(const CwRunsReport *report, guint64 most_episodes, CwViewCounts *counts, GError **error)
{
  *counts = (CwViewCounts){0};
  g_autofree char *json = data_json(report, most_episodes, counts, error);
  if (!json)
    return NULL;
  g_autofree char *title = title_of(report);
  GString *page = g_string_sized_new(strlen(json) + 128 * 1024);
  const char *rest = cw_page_html;
  for (const char *mark; (mark = strchr(rest, '@'));) {
    g_string_append_len(page, rest, mark - rest);
    gboolean known = append_mark(page, mark, title, json);
    if (!known)
      g_string_append_c(page, '@');
    rest = known ? strchr(mark + 1, '@') + 1 : mark + 1;
  }
  g_string_append(page, rest);
  return g_string_free(page, FALSE);
}

gboolean cw_view_write(const CwRunsReport *report, guint64 most_episodes, const char *path,
                       CwViewCounts *counts, GError **error)
{
  g_autofree char *page = cw_view_page(report, most_episodes, counts, error);
  return page && cw_write_file(path, page, strlen(page), error);
}
