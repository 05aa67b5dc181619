/* What the parts of a run share: the opened environment and policy, the writers, and how far it is. The
 * commands that only evaluate, generate or play open one too, without a directory. */
#ifndef CW_RUN_CONTEXT_H
#define CW_RUN_CONTEXT_H

#include "core/base/eta.h"
#include "core/base/metrics.h"
#include "core/experiment/experiment.h"
#include "core/rollout/rollout.h"
#include "core/train/open_policy.h"

/* What the bytes of a run depend on besides its configuration (core/train/conditions.h). */
typedef struct CwConditions CwConditions;

typedef struct {
  CwExperiment *experiment; /* not owned */
  char *directory;          /* NULL without one */
  CwEnvironment *environment;
  CwPolicy *policy;  /* NULL when the experiment has none */
  CwPolicyLoss loss; /* what it was opened without */
  CwRollout *rollout;
  CwMetrics *metrics, *timings; /* NULL without a directory */
  CwEvents *events;             /* what goes into metrics, for TensorBoard; NULL without a directory */
  CwConditions *conditions;     /* NULL without a directory */
  CwEta *eta;
  guint *phases; /* numbers of the stages in the eta */
  guint64 step;  /* updates of all stages so far */
  gint64 start;  /* monotonic time at which this process began */
} CwRun;

/* Opens environment, policy and slots. `with_policy`: FALSE leaves the policy out. The experiment must
 * outlive it. Close also after a failure. */
gboolean cw_run_open(CwRun *run, CwExperiment *experiment, gboolean with_policy, gboolean quiet,
                     GError **error);
void cw_run_close(CwRun *run);

/* RUN/name, for example of "metrics.jsonl". Free with g_free. */
char *cw_run_path(const CwRun *run, const char *name);

/* A CwWorkProgress whose user data is the CwRun. */
void cw_run_progress(guint64 done, guint64 total, const char *text, gpointer run);

/* The stage before `stage` that writes a trajectory file of that name, or -1: then the name is a path. */
gint cw_run_writer_of(const CwRun *run, guint stage, const char *name);

/* As cw_agent_find; an experiment without a policy has no name for it, and one whose first weights are gone
 * has no "initial". */
gboolean cw_run_find_agent(const CwRun *run, const char *name, CwPolicyNames names, const char *key,
                           CwAgent *agent, GError **error);

#endif
