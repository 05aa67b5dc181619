/* Runs generate stages again. Generation g of a file is RUN/trajectories/refresh-STAGE-g-NAME; which goals
 * come next is remembered per generate stage, so that refreshes go through the goals one after the other.
 * Whether a file is there follows from the seed, like its contents: a process that goes back to an earlier
 * checkpoint writes the same again. */
#include "core/train/refresh.h"
#include "core/train/stages.h"
#include <string.h>
#include <sys/stat.h>

#define GROUP "refresh"

struct CwRefresh {
  CwRun *run;
  guint stage;
  const CwStageOptions *options;
  guint64 generation;
  guint64 *n_groups; /* per stage of the experiment: goals gone through by its refreshes */
};

static const CwStage *stage_at(const CwRun *run, guint i)
{
  return g_ptr_array_index(run->experiment->stages, i);
}

CwRefresh *cw_refresh_new(CwRun *run, guint stage)
{
  CwRefresh *refresh = g_new0(CwRefresh, 1);
  refresh->run = run;
  refresh->stage = stage;
  refresh->options = stage_at(run, stage)->options;
  refresh->n_groups = g_new0(guint64, run->experiment->stages->len);
  return refresh;
}

void cw_refresh_free(CwRefresh *refresh)
{
  if (!refresh)
    return;
  g_free(refresh->n_groups);
  g_free(refresh);
}

gboolean cw_refresh_is_due(const CwRefresh *refresh, guint64 n_updates)
{
  gint64 every = refresh->options->refresh_every;
  return every > 0 && n_updates / (guint64)every > refresh->generation;
}

guint64 cw_refresh_generation(const CwRefresh *refresh)
{
  return refresh->generation;
}

static char *path_of(const CwRefresh *refresh, guint64 generation, const char *name)
{
  g_autofree char *file = generation == 0 ? g_strdup(name)
                                          : g_strdup_printf("refresh-%u-%" G_GUINT64_FORMAT "-%s",
                                                            refresh->stage, generation, name);
  return g_build_filename(refresh->run->directory, "trajectories", file, NULL);
}

/* A generate stage that can be run again with the present policy. */
static gboolean is_refreshable(const CwRefresh *refresh, gint writer)
{
  if (refresh->options->refresh_every == 0 || writer < 0)
    return FALSE;
  const CwStage *stage = stage_at(refresh->run, (guint)writer);
  return stage->generate && !stage->policy.feature && g_str_equal(stage->generate->agent, "policy");
}

static gboolean has_content(const char *path)
{
  struct stat status;
  return stat(path, &status) == 0 && status.st_size > 0;
}

/* The generations of a file that count: the newest, or all. */
static void add_generations(const CwRefresh *refresh, const char *name, GPtrArray *paths)
{
  guint first = paths->len;
  for (guint64 i = refresh->generation + 1; i > 0; i--) {
    g_autofree char *path = path_of(refresh, i - 1, name);
    if (i == 1 || has_content(path))
      g_ptr_array_insert(paths, (gint)first, g_steal_pointer(&path));
    if (refresh->options->refresh_mode == CW_REFRESH_REPLACE && paths->len > first)
      return;
  }
}

char **cw_refresh_paths(const CwRefresh *refresh)
{
  GPtrArray *paths = g_ptr_array_new();
  for (char **name = refresh->options->trajectories; name && *name; name++) {
    gint writer = cw_run_writer_of(refresh->run, refresh->stage, *name);
    if (is_refreshable(refresh, writer))
      add_generations(refresh, *name, paths);
    else
      g_ptr_array_add(paths, writer >= 0 ? path_of(refresh, 0, *name) : g_strdup(*name));
  }
  g_ptr_array_add(paths, NULL);
  return (char **)g_ptr_array_free(paths, FALSE);
}

static gboolean record(CwRefresh *refresh, const CwGenerateCounts *counts, const CwGenerateRequest *request,
                       GError **error)
{
  CwMetrics *metrics = refresh->run->metrics;
  cw_metrics_begin(metrics);
  cw_metrics_integer(metrics, "step", (gint64)refresh->run->step);
  cw_metrics_integer(metrics, "stage", refresh->stage);
  cw_metrics_integer(metrics, "refresh", (gint64)refresh->generation + 1);
  cw_generate_record(counts, request, "generate", metrics);
  return cw_metrics_end(metrics, error);
}

/* Runs generate stage `writer` again. */
static gboolean generate(CwRefresh *refresh, guint writer, CwWorkProgress progress, gpointer user_data,
                         GError **error)
{
  CwRun *run = refresh->run;
  const CwStage *stage = stage_at(run, writer);
  g_autofree char *purpose = g_strdup_printf("refresh-%u-%u", refresh->stage, writer);
  g_autofree char *path = path_of(refresh, refresh->generation + 1, stage->into);
  g_autofree char *rejected = stage->generate->rejected_into
                                  ? path_of(refresh, refresh->generation + 1, stage->generate->rejected_into)
                                  : NULL;
  CwGenerateRequest request = cw_stage_generate_request(run, stage->generate);
  request.purpose = purpose;
  request.rejected_path = rejected;
  request.shuffled = TRUE;
  request.order = ((guint64)(refresh->stage + 1) << 32) | writer;
  request.first_group = refresh->n_groups[writer];
  CwAgent agent = {CW_AGENT_POLICY, "policy", run->policy, CW_SELECT_SAMPLE};
  CwGenerateCounts counts = {0};
  GError *problem = NULL;
  gboolean good = cw_generate(run->rollout, &agent, &request, path, &counts, progress, user_data, &problem);
  if (!good && g_error_matches(problem, CW_RUN_ERROR, CW_ERROR_FAILED) && counts.n_episodes > 0) {
    g_warning("%s; going on with the trajectories from before", problem->message);
    g_clear_error(&problem);
    good = TRUE;
  } else if (good)
    cw_stage_generate_tell(&counts, &request, "policy", path);
  if (good) {
    refresh->n_groups[writer] += counts.n_groups;
    good = record(refresh, &counts, &request, &problem);
  }
  cw_generate_counts_clear(&counts);
  if (!good)
    g_propagate_error(error, problem);
  return good;
}

gboolean cw_refresh_run(CwRefresh *refresh, CwWorkProgress progress, gpointer user_data, GError **error)
{
  guint n_stages = refresh->run->experiment->stages->len;
  g_autofree guint64 *before = g_memdup2(refresh->n_groups, n_stages * sizeof *refresh->n_groups);
  g_autofree gboolean *done = g_new0(gboolean, n_stages);
  for (char **name = refresh->options->trajectories; name && *name; name++) {
    gint writer = cw_run_writer_of(refresh->run, refresh->stage, *name);
    if (!is_refreshable(refresh, writer) || done[writer])
      continue;
    done[writer] = TRUE;
    if (!generate(refresh, (guint)writer, progress, user_data, error)) {
      /* All of it counts or nothing: the next try begins where this one did. */
      memcpy(refresh->n_groups, before, n_stages * sizeof *before);
      return FALSE;
    }
  }
  refresh->generation++;
  return TRUE;
}

void cw_refresh_save(const CwRefresh *refresh, GKeyFile *state)
{
  g_key_file_set_uint64(state, GROUP, "generation", refresh->generation);
  for (guint i = 0; i < refresh->run->experiment->stages->len; i++) {
    g_autofree char *key = g_strdup_printf("groups_%u", i);
    if (refresh->n_groups[i] > 0)
      g_key_file_set_uint64(state, GROUP, key, refresh->n_groups[i]);
  }
}

gboolean cw_refresh_load(CwRefresh *refresh, GKeyFile *state, GError **error)
{
  if (refresh->options->refresh_every == 0)
    return TRUE;
  GError *problem = NULL;
  refresh->generation = g_key_file_get_uint64(state, GROUP, "generation", &problem);
  for (guint i = 0; i < refresh->run->experiment->stages->len && !problem; i++) {
    g_autofree char *key = g_strdup_printf("groups_%u", i);
    if (g_key_file_has_key(state, GROUP, key, NULL))
      refresh->n_groups[i] = g_key_file_get_uint64(state, GROUP, key, &problem);
  }
  if (!problem)
    return TRUE;
  g_propagate_error(error, problem);
  return FALSE;
}
