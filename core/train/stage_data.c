/* The stages that write trajectory files: generate and import. */
#include "core/rollout/generate.h"
#include "core/rollout/import.h"
#include "core/train/stages.h"

static char *output_path(const CwRun *run, const char *name)
{
  return g_build_filename(run->directory, "trajectories", name, NULL);
}

static char *begin(CwRun *run, guint index, const char *what)
{
  g_autofree char *label = g_strdup_printf("%u/%u %s", index + 1, run->experiment->stages->len, what);
  cw_eta_begin(run->eta, run->phases[index], label, 0, 0);
  return g_strdup_printf("%s-%u", what, index);
}

/* One record of metrics.jsonl about what the stage wrote. */
static void begin_record(CwRun *run, guint index)
{
  cw_metrics_begin(run->metrics);
  cw_metrics_integer(run->metrics, "step", (gint64)run->step);
  cw_metrics_integer(run->metrics, "stage", index);
}

/* What it took, also when it was broken off: a resumed stage writes a record of its own. */
static gboolean record_seconds(CwRun *run, guint index, const char *what, gint64 start, GError **error)
{
  g_autofree char *name = g_strconcat("seconds/", what, NULL);
  cw_metrics_begin(run->timings);
  cw_metrics_integer(run->timings, "step", (gint64)run->step);
  cw_metrics_integer(run->timings, "stage", index);
  cw_metrics_number(run->timings, name, (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
  return cw_metrics_end(run->timings, error);
}

CwGenerateRequest cw_stage_generate_request(const CwRun *run, const CwGenerateOptions *options)
{
  return (CwGenerateRequest){.split = options->split,
                             .n_episodes =
                                 (guint64)(options->episodes ? options->episodes : 100 * options->perfect),
                             .n_perfect = (guint64)options->perfect,
                             .per_goal = (guint)options->per_goal,
                             .successful_only = options->successful_only,
                             .prune_loops = options->prune_loops,
                             .teacher = options->teacher,
                             .probabilities = options->record && options->record[0],
                             .shuffled = options->shuffle,
                             .seed = (guint32)run->experiment->seed,
                             .resumable = TRUE};
}

/* The agent that the stage names; *opened is a policy of its own, to be closed, if it has one: another
 * plugin's, or this one's with other weights. */
static gboolean choose_agent(CwRun *run, const CwStage *stage, CwAgent *agent, CwPolicy **opened,
                             GError **error)
{
  const CwGenerateOptions *options = stage->generate;
  const CwBinding *binding = stage->policy.feature ? &stage->policy : &run->experiment->policy;
  *opened = NULL;
  *agent = (CwAgent){CW_AGENT_POLICY, "policy", NULL, CW_SELECT_SAMPLE, CW_WEIGHTS_PRESENT};
  if (!stage->policy.feature &&
      !cw_run_find_agent(run, options->agent, CW_CALLED_POLICY, "generate.agent", agent, error))
    return FALSE;
  const char *from = options->policy_from ? options->policy_from : stage->policy.from;
  if (agent->kind != CW_AGENT_POLICY || (!from && agent->policy))
    return TRUE;
  g_autofree char *directory = from ? cw_resume_point_policy_of(from, error) : NULL;
  if (from && !directory)
    return FALSE;
  *opened = cw_policy_open(binding->feature, binding->options, (guint32)run->experiment->seed, error);
  agent->policy = *opened;
  return *opened && (!directory || cw_policy_load(*opened, directory, error));
}

void cw_stage_generate_tell(const CwGenerateCounts *counts, const CwGenerateRequest *request,
                            const char *agent, const char *path)
{
  g_autofree char *summary = cw_generate_summary(counts, request, agent);
  g_message("%s: %s", path, summary);
  if (counts->n_kept < request->n_perfect)
    g_warning("%s: %" G_GUINT64_FORMAT " perfect trajectories were wanted and %" G_GUINT64_FORMAT
              " found in the %" G_GUINT64_FORMAT " episodes that 'episodes' allows; going on with those",
              path, request->n_perfect, counts->n_kept, counts->n_episodes);
}

gboolean cw_stage_generate(CwRun *run, guint index, GError **error)
{
  const CwStage *stage = g_ptr_array_index(run->experiment->stages, index);
  const CwGenerateOptions *options = stage->generate;
  g_autofree char *purpose = begin(run, index, "generate");
  g_autofree char *path = output_path(run, stage->into);
  g_autofree char *rejected = options->rejected_into ? output_path(run, options->rejected_into) : NULL;
  CwGenerateRequest request = cw_stage_generate_request(run, options);
  request.purpose = purpose;
  request.rejected_path = rejected;
  request.order = index;
  CwGenerateCounts counts = {0};
  CwAgent agent;
  CwPolicy *opened;
  gint64 start = g_get_monotonic_time();
  gboolean good = choose_agent(run, stage, &agent, &opened, error) &&
                  cw_generate(run->rollout, &agent, &request, path, &counts, cw_run_progress, run, error);
  cw_policy_close(opened);
  cw_eta_end(run->eta);
  good = record_seconds(run, index, "generate", start, good ? error : NULL) && good;
  if (good) {
    cw_stage_generate_tell(&counts, &request, options->agent, path);
    begin_record(run, index);
    cw_generate_record(&counts, &request, "generate", run->metrics);
    good = cw_metrics_end(run->metrics, error);
  }
  cw_generate_counts_clear(&counts);
  return good;
}

static gboolean record_import(CwRun *run, guint index, const char *sessions, const CwImportCounts *counts,
                              GError **error)
{
  g_autofree char *summary = cw_import_summary(counts);
  if (counts->n_mismatching || counts->n_unusable || counts->n_after_end)
    g_warning("%s: %s", sessions, summary);
  else
    g_message("%s: %s", sessions, summary);
  begin_record(run, index);
  cw_metrics_integer(run->metrics, "import/sessions", (gint64)counts->n_sessions);
  cw_metrics_integer(run->metrics, "import/kept", (gint64)counts->n_kept);
  cw_metrics_integer(run->metrics, "import/other_split", (gint64)counts->n_other_split);
  cw_metrics_integer(run->metrics, "import/unsuccessful", (gint64)counts->n_unsuccessful);
  cw_metrics_integer(run->metrics, "import/unusable", (gint64)counts->n_unusable);
  cw_metrics_integer(run->metrics, "import/steps", (gint64)counts->n_steps);
  cw_metrics_integer(run->metrics, "import/free_text", (gint64)counts->n_free_text);
  cw_metrics_integer(run->metrics, "import/impossible", (gint64)counts->n_mismatching);
  cw_metrics_integer(run->metrics, "import/after_end", (gint64)counts->n_after_end);
  return cw_metrics_end(run->metrics, error);
}

gboolean cw_stage_import(CwRun *run, guint index, GError **error)
{
  const CwStage *stage = g_ptr_array_index(run->experiment->stages, index);
  g_autofree char *purpose = begin(run, index, "import"), *path = output_path(run, stage->into);
  CwImportCounts counts;
  gint64 start = g_get_monotonic_time();
  gboolean good = cw_import(run->environment, stage->import, purpose, (guint32)run->experiment->seed, path,
                            TRUE, &counts, cw_run_progress, run, error);
  cw_eta_end(run->eta);
  return record_seconds(run, index, "import", start, good ? error : NULL) && good &&
         record_import(run, index, stage->import->sessions, &counts, error);
}
