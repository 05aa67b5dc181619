/* Runs what the plan lays out, and reports what came of it with the statistics of `cartwright report`. */
#include "lab/sweep/sweep.h"
#include "core/base/durable.h"
#include "lab/report/report.h"
#include "lab/sweep/jobs.h"
#include <string.h>

static char **command_line(const CwSweepRequest *request, const CwSweepRun *run)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new_null_terminated(0, g_free, TRUE);
  const char *const first[] = {request->program, "run",          request->grid.experiment,
                               "--out",          run->directory, "--quiet"};
  for (guint i = 0; i < G_N_ELEMENTS(first); i++)
    g_ptr_array_add(argv, g_strdup(first[i]));
  if (run->begun)
    g_ptr_array_add(argv, g_strdup("--resume"));
  for (char **set = run->sets; *set; set++)
    g_ptr_array_add(argv, g_strconcat("--set=", *set, NULL));
  for (const char *const *path = request->plugin_path; path && *path; path++)
    g_ptr_array_add(argv, g_strconcat("--plugin-path=", *path, NULL));
  return (char **)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
}

/* The last line of a log, or "". Free with g_free. */
static char *last_line(const char *path)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return g_strdup("");
  g_strchomp(text);
  const char *line = strrchr(text, '\n');
  return g_utf8_make_valid(line ? line + 1 : text, -1);
}

enum { INTERRUPTED = 130 };

static void tell(const CwJob *job, guint n_ended, guint n_jobs, gpointer data G_GNUC_UNUSED)
{
  g_autofree char *name = g_path_get_basename(job->log);
  name[strlen(name) - strlen(".log")] = '\0';
  if (job->status == 0) {
    g_message("%u of %u runs: %s is done", n_ended, n_jobs, name);
  } else if (job->status != INTERRUPTED) {
    g_autofree char *reason = last_line(job->log);
    g_warning("%s failed (exit status %d, see %s): %s", name, job->status, job->log, reason);
  }
}

static char *report(const CwSweepPlan *plan, const CwJob *jobs, const char *against, GError **error)
{
  g_autoptr(GPtrArray) done = g_ptr_array_new();
  gboolean drawn;
  for (guint i = 0; i < plan->runs->len; i++)
    if (jobs[i].status == 0)
      g_ptr_array_add(done, ((const CwSweepRun *)plan->runs->pdata[i])->directory);
  g_ptr_array_add(done, NULL);
  g_autofree char *directory = g_build_filename(plan->directory, "report", NULL);
  CwRunsReport *made = done->len > 1 ? cw_report_new((const char *const *)done->pdata, against, error) : NULL;
  gboolean written = made && cw_report_write(made, directory, CW_REPORT_UPDATES, &drawn, error);
  g_autofree char *text = written ? cw_report_text(made) : NULL;
  cw_report_free(made);
  return text ? g_strdup_printf("%s\nreport: %s/report.md\nresults: %s/report.json\n", text, directory,
                                directory)
              : NULL;
}

static gboolean conclude(const CwSweepPlan *plan, const CwJob *jobs, const CwSweepRequest *request,
                         char **summary, GError **error)
{
  GError *problem = NULL;
  guint n_failed = 0, n = plan->runs->len;
  for (guint i = 0; i < n; i++)
    n_failed += jobs[i].status != 0;
  *summary = report(plan, jobs, request->against, &problem);
  if (n_failed > 0) {
    g_clear_error(&problem);
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_INPUT_OUTPUT,
                "%u of %u runs failed%s; the same command tries them again and leaves the others as they are",
                n_failed, n, *summary ? " and are not in the report" : "");
  } else if (problem) {
    g_propagate_error(error, problem);
  }
  return *summary && n_failed == 0;
}

gboolean cw_sweep(const CwSweepRequest *request, CwRegistry *registry, char **summary, GError **error)
{
  CwSweepPlan *plan = cw_sweep_plan_new(&request->grid, registry, error);
  *summary = NULL;
  if (!plan)
    return FALSE;
  guint n = plan->runs->len, usual = MAX(g_get_num_processors() / plan->n_threads, 1);
  guint most = request->n_jobs > 0 ? (guint)request->n_jobs : usual;
  g_autofree CwJob *jobs = g_new0(CwJob, n);
  for (guint i = 0; i < n; i++)
    jobs[i] = (CwJob){command_line(request, plan->runs->pdata[i]),
                      ((const CwSweepRun *)plan->runs->pdata[i])->log, -1};
  for (guint i = 0; i < plan->notes->len; i++)
    g_message("%s", (const char *)plan->notes->pdata[i]);
  g_message("%s: %u runs, %u at a time", plan->directory, n, MIN(most, n));
  gboolean good = cw_make_directories(plan->directory, error) &&
                  cw_jobs_run(jobs, n, most, tell, NULL, error) &&
                  conclude(plan, jobs, request, summary, error);
  for (guint i = 0; i < n; i++)
    g_strfreev(jobs[i].argv);
  cw_sweep_plan_free(plan);
  return good;
}
