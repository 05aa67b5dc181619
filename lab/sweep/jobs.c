/* Runs processes side by side. Each is in a group of its own: Ctrl-C at the terminal reaches this process
 * alone, which passes one signal on, for a second one would end a run at once. */
#include "lab/sweep/jobs.h"
#include "core/base/durable.h"
#include "core/base/interrupt.h"
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { PAUSE = 20000 }; /* microseconds between two looks at who has ended */

/* Between fork and exec. */
static void set_up(gpointer data G_GNUC_UNUSED)
{
  setpgid(0, 0);
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
}

static gboolean start(const CwJob *job, GPid *pid, GError **error)
{
  int log = open(job->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (log < 0) {
    cw_set_errno_error(error, "open for writing", job->log);
    return FALSE;
  }
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  gboolean good = g_spawn_async_with_fds(NULL, job->argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, set_up, NULL, pid,
                                         nothing, log, log, error);
  close(log);
  if (nothing >= 0)
    close(nothing);
  return good;
}

/* Whether the process has ended; its status then. */
static gboolean has_ended(GPid pid, int *status)
{
  int state;
  pid_t found = waitpid(pid, &state, WNOHANG);
  if (found == 0 || (found < 0 && errno == EINTR))
    return FALSE;
  *status = found < 0 ? 1 : WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
  return TRUE;
}

static void pass_on(const GPid *pids, guint n)
{
  for (guint i = 0; i < n; i++)
    if (pids[i] > 0)
      kill(pids[i], SIGTERM);
}

gboolean cw_jobs_run(CwJob *jobs, guint n_jobs, guint most, CwJobEnded ended, gpointer data, GError **error)
{
  g_autofree GPid *pids = g_new0(GPid, n_jobs + 1);
  guint n_started = 0, n_running = 0, n_ended = 0;
  gboolean stopping = FALSE, good = TRUE;
  while (n_running > 0 || (n_started < n_jobs && !stopping)) {
    if (!stopping && (cw_interrupted() || !good)) {
      stopping = TRUE;
      pass_on(pids, n_started);
    } else if (!stopping && n_running < most && n_started < n_jobs) {
      good = start(&jobs[n_started], &pids[n_started], error);
      n_running += good;
      n_started += good;
      continue;
    }
    for (guint i = 0; i < n_started; i++)
      if (pids[i] > 0 && has_ended(pids[i], &jobs[i].status)) {
        pids[i] = 0;
        n_running--;
        ended(&jobs[i], ++n_ended, n_jobs, data);
      }
    if (n_running > 0)
      g_usleep(PAUSE);
  }
  if (good && cw_interrupted())
    g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CANCELLED, "interrupted; the same command goes on");
  return good && !cw_interrupted();
}
