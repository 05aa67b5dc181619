/* The stages that write trajectory files: generate and import. */
#include "core/run/generate.h"
#include "core/run/import.h"
#include "core/run/stages.h"

static char *output_path(const CwRun *run, const CwStage *stage)
{
  return g_build_filename(run->directory, "trajectories", stage->into, NULL);
}

static char *begin(CwRun *run, guint index, const char *what)
{
  char *label = g_strdup_printf("%u/%u %s", index + 1, run->experiment->stages->len, what);
  cw_outlook_begin(run->outlook, run->phases[index], label, 0, 0);
  g_free(label);
  return g_strdup_printf("%s-%u", what, index);
}

/* One record of metrics.jsonl about what the stage wrote. */
static void begin_record(CwRun *run, guint index)
{
  cw_metrics_begin(run->metrics);
  cw_metrics_integer(run->metrics, "step", (gint64)run->step);
  cw_metrics_integer(run->metrics, "stage", index);
}

gboolean cw_stage_generate(CwRun *run, guint index, GError **error)
{
  const CwStage *stage = g_ptr_array_index(run->experiment->stages, index);
  const CwGenerateOptions *options = stage->generate;
  CwAgent agent = {.kind = CW_AGENT_SCRIPT, .name = options->agent};
  if (g_str_equal(options->agent, "random"))
    agent.kind = CW_AGENT_RANDOM;
  else if (g_str_equal(options->agent, "policy"))
    agent = (CwAgent){CW_AGENT_POLICY, "policy", run->policy, CW_SELECT_SAMPLE};
  char *purpose = begin(run, index, "generate");
  char *path = output_path(run, stage);
  CwGenerateRequest request = {.split = options->split,
                               .n_episodes = (guint64)options->episodes,
                               .successful_only = options->successful_only,
                               .purpose = purpose,
                               .seed = (guint32)run->experiment->seed};
  CwGenerateCounts counts;
  gboolean good = cw_generate(run->rollout, &agent, &request, path, &counts, cw_run_report, run, error);
  cw_outlook_end(run->outlook);
  if (good) {
    g_message("%s: %" G_GUINT64_FORMAT " episodes of '%s' on split '%s', score %.1f, %" G_GUINT64_FORMAT
              " successful, %" G_GUINT64_FORMAT " kept",
              path, counts.n_episodes, options->agent, options->split, 100 * counts.mean_reward, counts.n_successful,
              counts.n_kept);
    begin_record(run, index);
    cw_metrics_integer(run->metrics, "generate/episodes", (gint64)counts.n_episodes);
    cw_metrics_integer(run->metrics, "generate/successful", (gint64)counts.n_successful);
    cw_metrics_integer(run->metrics, "generate/kept", (gint64)counts.n_kept);
    cw_metrics_number(run->metrics, "generate/score", 100 * counts.mean_reward);
    good = cw_metrics_end(run->metrics, error);
  }
  g_free(path);
  g_free(purpose);
  return good;
}

gboolean cw_stage_import(CwRun *run, guint index, GError **error)
{
  const CwStage *stage = g_ptr_array_index(run->experiment->stages, index);
  char *purpose = begin(run, index, "import");
  char *path = output_path(run, stage);
  CwImportCounts counts;
  gboolean good = cw_import(run->environment, stage->import, purpose, (guint32)run->experiment->seed, path, &counts,
                            cw_run_report, run, error);
  cw_outlook_end(run->outlook);
  if (good) {
    char *summary = cw_import_summary(&counts);
    if (counts.n_mismatching || counts.n_unusable || counts.n_after_end)
      g_warning("%s: %s", stage->import->sessions, summary);
    else
      g_message("%s: %s", stage->import->sessions, summary);
    g_free(summary);
    begin_record(run, index);
    cw_metrics_integer(run->metrics, "import/sessions", (gint64)counts.n_sessions);
    cw_metrics_integer(run->metrics, "import/kept", (gint64)counts.n_kept);
    cw_metrics_integer(run->metrics, "import/other_split", (gint64)counts.n_other_split);
    cw_metrics_integer(run->metrics, "import/unsuccessful", (gint64)counts.n_unsuccessful);
    cw_metrics_integer(run->metrics, "import/unusable", (gint64)counts.n_unusable);
    cw_metrics_integer(run->metrics, "import/steps", (gint64)counts.n_steps);
    cw_metrics_integer(run->metrics, "import/free_text", (gint64)counts.n_free_text);
    cw_metrics_integer(run->metrics, "import/impossible", (gint64)counts.n_mismatching);
    cw_metrics_integer(run->metrics, "import/after_end", (gint64)counts.n_after_end);
    good = cw_metrics_end(run->metrics, error);
  }
  g_free(path);
  g_free(purpose);
  return good;
}
