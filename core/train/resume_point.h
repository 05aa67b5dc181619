/* Checkpoints of a run: directories checkpoints/step-N, N being the updates so far, with
 *   policy/     weights, optimiser and random streams of the policy
 *   reference/  the frozen copy that the stage started from, if it needs one
 *   networks/   a folder like policy/ for each further network of the stage (core/train/networks.h)
 *   algorithm/  files of an algorithm whose state is too big for rows
 *   state.ini   groups "conditions", "builds" and "accepted": see
 *               core/train/conditions.h; group "run": the place in the experiment; group "stage": inside
 *               an algorithm stage, its counters and random stream; group
 *               "algorithm": the algorithm's own
 * and the manifest, which carries the experiment's fingerprint. */
#ifndef CW_RESUME_POINT_H
#define CW_RESUME_POINT_H

#include "core/train/context.h"

typedef struct CwNetworks CwNetworks;

/* Where a run stands, as a checkpoint says. */
typedef struct {
  char *name;      /* "step-12" */
  char *directory; /* of the checkpoint */
  GKeyFile *state;
  guint stage;          /* the stage to go on with; n_stages when all are done */
  gboolean inside;      /* within that (algorithm) stage, not at its start */
  guint64 step;         /* updates so far */
  guint64 metrics_size; /* bytes of metrics.jsonl that belong to it */
} CwResumePoint;

/* Writes a checkpoint and prunes old ones. `state` (may be NULL) is extended by group "run"; `networks`
 * and `algorithm` (may be NULL) write their files; `inside` as above. Refused with CW_ERROR_NUMERIC when a
 * weight is not finite. */
gboolean cw_resume_point_save(CwRun *run, guint stage, gboolean inside, GKeyFile *state, CwPolicy *reference,
                              CwNetworks *networks, CwAlgorithm *algorithm, GError **error);

/* CW_ERROR_NUMERIC with the name of the first tensor that holds a NaN or an infinity. */
gboolean cw_resume_point_check_weights(CwPolicy *policy, GError **error);

/* The newest valid checkpoint of a run directory, whose config.yaml has been compared with the experiment
 * already (cw_run_directory_check). NULL without error when none has been written; only broken ones are an
 * error. */
CwResumePoint *cw_resume_point_find(const char *directory, GError **error);
void cw_resume_point_free(CwResumePoint *resume_point); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwResumePoint, cw_resume_point_free)

/* Directory of the policy in the newest valid checkpoint of a run directory, or NULL with error. Free with
 * g_free. */
char *cw_resume_point_policy(const char *directory, GError **error);
/* Loads run->policy, and run->step, from the newest valid checkpoint of a run directory. `directory` NULL: an
 * experiment was named where a run was needed, which is CW_ERROR_CONFIGURATION. */
gboolean cw_resume_point_load_policy(CwRun *run, const char *directory, GError **error);
/* As cw_resume_point_policy, of a run directory or of one checkpoint (RUN/checkpoints/step-N). */
char *cw_resume_point_policy_of(const char *run_or_checkpoint, GError **error);

/* Name of the newest checkpoint, for messages; NULL when there is none. Free with g_free. */
char *cw_resume_point_latest_name(const char *directory);

#endif
