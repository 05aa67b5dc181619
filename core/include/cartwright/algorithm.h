/* The algorithm seam. An algorithm is plain C on the host: it says what experience it wants next, receives
 * it, asks the policy for logits and values, and gives back gradients with respect to them. It knows neither
 * BERT nor CUDA. One call of `update` is one unit of progress: the host may evaluate, checkpoint or stop
 * between any two.
 *
 * Threads: all slots are called from the main thread. */
#ifndef CARTWRIGHT_ALGORITHM_H
#define CARTWRIGHT_ALGORITHM_H

#include <cartwright/error.h>
#include <cartwright/policy.h>
#include <cartwright/random.h>
#include <cartwright/trajectory.h>

G_BEGIN_DECLS

/* What `needs` answers; matched before any weights are loaded. */
#define CW_NEEDS_TRAINING     (1ull << 0) /* a policy that trains */
#define CW_NEEDS_VALUES       (1ull << 1) /* a value head */
#define CW_NEEDS_REFERENCE    (1ull << 2) /* a frozen copy of the policy as the stage found it */
#define CW_NEEDS_TRAJECTORIES (1ull << 3) /* the stage must name `trajectories` */
#define CW_TAKES_REFRESH                                                                                     \
  (1ull << 4) /* since ABI 1.1: trajectories may change between updates (refresh_every) */

/* The experience wanted before the next update. The host zeroes it and sets struct_size; leaving it zero asks
 * for nothing. */
typedef struct CwCollectRequest {
  gsize struct_size;
  guint n_episodes; /* complete on-policy episodes to roll out on train goals */
  guint group_size; /* consecutive episodes that share one goal; 0 and 1: none */
} CwCollectRequest;

/* One update's context: a handle of the host. */
typedef struct CwUpdate CwUpdate;

CwPolicy *cw_update_policy(CwUpdate *update);
CwPolicy *cw_update_reference(CwUpdate *update); /* NULL unless needed */
/* The stage's stream, for shuffling and sampling. Saved in checkpoints. */
CwRandom *cw_update_random(CwUpdate *update);
/* Index of this update within the stage, from 0. */
guint64 cw_update_index(CwUpdate *update);
/* The stage's offline trajectories, in file order: the same at every update, unless the algorithm answers
 * CW_TAKES_REFRESH. Then they are others, and pointers to the old ones are dead, when cw_update_generation
 * has grown since the update before. */
guint cw_update_n_trajectories(CwUpdate *update);
const CwTrajectory *cw_update_trajectory(CwUpdate *update, guint index);
/* How often the offline trajectories have been made anew since the stage began. */
guint64 cw_update_generation(CwUpdate *update);
/* The episodes rolled out for this update, in episode order. */
guint cw_update_n_episodes(CwUpdate *update);
const CwTrajectory *cw_update_episode(CwUpdate *update, guint index);
/* Records a number of this update under a name (it goes into metrics.jsonl as "ALGORITHM/name"). A non-finite
 * value makes the host stop the stage with CW_ERROR_NUMERIC after the update returns. */
void cw_update_metric(CwUpdate *update, const char *name, double value);

/* A directory of this stage for files of the algorithm's own, made when first asked for; NULL with error when
 * it cannot be. It outlives the process, so that a resumed stage finds it, but a resumed stage may also be at
 * an earlier update than the files; and it is removed when the stage has finished. What is found in it must
 * be checked before it is believed. Names beginning with a dot are the host's. */
const char *cw_update_scratch(CwUpdate *update, GError **error);
/* Remembers the policy, with its optimiser, as it is now, in the place of what was remembered before; restore
 * brings it back. Both survive a stop: a resumed stage that comes to the same updates keeps and restores the
 * same. Nothing kept: restore is CW_ERROR_FAILED. */
gboolean cw_update_keep_policy(CwUpdate *update, GError **error);
gboolean cw_update_restore_policy(CwUpdate *update, GError **error);

typedef struct CwAlgorithmVtable {
  /* Required. */
  gpointer (*open)(gconstpointer options, GError **error);
  /* Required. Accepts NULL. */
  void (*close)(gpointer algorithm);
  /* Required. CW_NEEDS_* bits; may depend on the options; called before open. */
  guint64 (*needs)(gconstpointer options);
  /* Optional; default: nothing is collected. Before every update. */
  gboolean (*collect)(gpointer algorithm, CwCollectRequest *request, GError **error);
  /* Required. One update; sets *done when the algorithm has finished. May be called with work already
   * complete, and then only sets *done. */
  gboolean (*update)(gpointer algorithm, CwUpdate *update, gboolean *done, GError **error);
  /* Optional: how many updates the stage will take, 0 when unknown; asked again after each update, for the
   * progress line and its ETA. */
  guint64 (*expected_updates)(gpointer algorithm);
  /* Required. Everything that must survive a stop, as keys of group "algorithm"; load restores it on a
   * freshly opened object. */
  gboolean (*save)(gpointer algorithm, GKeyFile *state, GError **error);
  gboolean (*load)(gpointer algorithm, GKeyFile *state, GError **error);
  /* Required. NULL-terminated names of the metrics it records. One named "decisions" is taken for the number
   * of decisions gone through with gradients so far, repetitions counted. */
  const char *const *metrics;
} CwAlgorithmVtable;

G_END_DECLS

#endif
