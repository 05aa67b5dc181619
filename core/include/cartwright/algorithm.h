/* What an algorithm is to the host. It is plain C on the CPU: it says what experience it wants next, receives
 * it, asks the policy for logits and values, and returns gradients with respect to them. It knows neither
 * BERT nor CUDA. Between two calls of `update` the host may evaluate, write a checkpoint or stop.
 *
 * Threads: all slots are called from the main thread. */
#ifndef CARTWRIGHT_ALGORITHM_H
#define CARTWRIGHT_ALGORITHM_H

#include <cartwright/error.h>
#include <cartwright/policy.h>
#include <cartwright/random.h>
#include <cartwright/trajectory.h>

G_BEGIN_DECLS

/* Bits that `needs` returns. The host compares them with what the policy offers before any weights are
 * loaded. */
#define CW_NEEDS_TRAINING     (1ull << 0) /* a policy that trains */
#define CW_NEEDS_VALUES       (1ull << 1) /* a value head */
#define CW_NEEDS_REFERENCE    (1ull << 2) /* a frozen copy of the policy as the stage found it */
#define CW_NEEDS_TRAJECTORIES (1ull << 3) /* the stage must name `trajectories` */
#define CW_TAKES_REFRESH                                                                                     \
  (1ull << 4) /* since ABI 1.1: trajectories may change between updates (refresh_every) */

/* The experience that an algorithm wants before the next update. The host zeroes it and sets struct_size;
 * zero episodes ask for nothing. */
typedef struct CwCollectRequest {
  gsize struct_size;
  guint n_episodes; /* complete on-policy episodes to roll out on train goals */
  guint group_size; /* consecutive episodes that share one goal; 0 and 1: none */
} CwCollectRequest;

/* The context of one update: a handle of the host. */
typedef struct CwUpdate CwUpdate;

CwPolicy *cw_update_policy(CwUpdate *update);
CwPolicy *cw_update_reference(CwUpdate *update); /* NULL unless needed */
/* The stage's random stream, for shuffling and sampling. Checkpoints save it. */
CwRandom *cw_update_random(CwUpdate *update);
/* Index of this update within the stage, from 0. */
guint64 cw_update_index(CwUpdate *update);
/* The trajectories of the stage's files, in file order. They are the same at every update, unless `needs`
 * returned CW_TAKES_REFRESH: then, when cw_update_generation has grown since the last update, they are new,
 * and pointers to the old ones are invalid. */
guint cw_update_n_trajectories(CwUpdate *update);
const CwTrajectory *cw_update_trajectory(CwUpdate *update, guint index);
/* How often the trajectories of the stage's files have been replaced or extended since the stage began. */
guint64 cw_update_generation(CwUpdate *update);
/* The episodes rolled out for this update, in episode order. */
guint cw_update_n_episodes(CwUpdate *update);
const CwTrajectory *cw_update_episode(CwUpdate *update, guint index);
/* Records a number of this update under a name (it goes into metrics.jsonl as "ALGORITHM/name"). A non-finite
 * value makes the host stop the stage with CW_ERROR_NUMERIC after the update returns. */
void cw_update_metric(CwUpdate *update, const char *name, double value);

/* A directory for the algorithm's own files, made on the first call; NULL with error when that fails. It
 * outlives the process, so a resumed stage finds it, possibly with files of a later update than the one it
 * resumes from: check what is in it before use. It is removed when the stage has finished. Names that begin
 * with a dot are the host's. */
const char *cw_update_scratch(CwUpdate *update, GError **error);
/* keep stores the policy, with its optimiser, as it is now and forgets what was kept before; restore puts the
 * policy back into the kept state. Both survive a stop: a resumed stage that comes to the same updates keeps
 * and restores the same. restore without keep is CW_ERROR_FAILED. */
gboolean cw_update_keep_policy(CwUpdate *update, GError **error);
gboolean cw_update_restore_policy(CwUpdate *update, GError **error);

typedef struct CwAlgorithmVtable {
  /* Required. */
  gpointer (*open)(gconstpointer options, GError **error);
  /* Required. Accepts NULL. */
  void (*close)(gpointer algorithm);
  /* Required. CW_NEEDS_* bits; may depend on the options; called before open. */
  guint64 (*needs)(gconstpointer options);
  /* Optional; without it nothing is collected. Called before every update. */
  gboolean (*collect)(gpointer algorithm, CwCollectRequest *request, GError **error);
  /* Required. Makes one update and sets *done when the algorithm has finished. When everything was done
   * before the call, it only sets *done. */
  gboolean (*update)(gpointer algorithm, CwUpdate *update, gboolean *done, GError **error);
  /* Optional: how many updates the stage will take, 0 when unknown; asked again after each update, for the
   * progress line and its ETA. */
  guint64 (*expected_updates)(gpointer algorithm);
  /* Required. save writes everything that must survive a stop as keys of group "algorithm"; load reads them
   * into a freshly opened object. */
  gboolean (*save)(gpointer algorithm, GKeyFile *state, GError **error);
  gboolean (*load)(gpointer algorithm, GKeyFile *state, GError **error);
  /* Required. NULL-terminated names of the metrics that it records. If there is one named "decisions", it is
   * the number of decisions learnt from so far, repetitions counted. */
  const char *const *metrics;
} CwAlgorithmVtable;

G_END_DECLS

#endif
