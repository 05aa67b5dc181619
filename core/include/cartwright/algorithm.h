/* What an algorithm is to the host. It is plain C on the CPU: it says what experience it wants next, receives
 * it, asks the policy for logits and values, and returns gradients with respect to them. It knows neither
 * BERT nor CUDA. Between two calls of `update` the host may evaluate, write a checkpoint or stop.
 *
 * Threads: all slots are called from the main thread. */
#ifndef CARTWRIGHT_ALGORITHM_H
#define CARTWRIGHT_ALGORITHM_H

#include <cartwright/error.h>
#include <cartwright/option.h>
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
#define CW_TAKES_REFRESH      (1ull << 4) /* trajectories may change between updates (refresh_every) */
#define CW_TAKES_WORDS        (1ull << 5) /* learns from actions in words (CW_WORDS) as well */

/* A part of the episodes that an agent plays: "policy", "random", "reference", a script of the environment or
 * one of the algorithm's networks. */
typedef struct CwAgentShare {
  const char *agent;
  double share; /* of the episodes, drawn per episode; shares are divided by their sum */
} CwAgentShare;

/* The experience that an algorithm wants before the next update. The host zeroes it and sets struct_size;
 * zero episodes ask for nothing. What it points to lives until the update. */
typedef struct CwCollectRequest {
  gsize struct_size;
  guint n_episodes; /* episodes to roll out on train goals, complete ones unless n_steps is set */
  guint group_size; /* consecutive episodes that share one goal; 0 and 1: none */
  /* Not zero: n_episodes episodes are in play at a time, and each goes on by so many steps, into the next
   * episode where one ends. Every piece of an episode is a trajectory. They go on at the next update. */
  guint n_steps;
  /* Goals of split train to play, over and over, one per group; NULL: all, shuffled anew each round. */
  const gint64 *goals;
  guint n_goals;
  double temperature; /* logits of acting policies are divided by it; 0: 1 */
  double epsilon;     /* the share of decisions in which a candidate is drawn uniformly instead */
  /* Who plays; n_agents 0: the policy. Log-probabilities are those of the distribution that was acted by,
   * temperature and epsilon included. */
  const CwAgentShare *agents;
  guint n_agents;
  gboolean shared_environment; /* episodes of a group meet the same environment stream */
  gboolean keep_after;         /* fills CwTrajectory.after where the episode goes on or was cut */
  gboolean greedy;             /* policies take their first best candidate instead of drawing; see epsilon */
} CwCollectRequest;

/* The context of one update: a handle of the host. */
typedef struct CwUpdate CwUpdate;

CwPolicy *cw_update_policy(CwUpdate *update);
CwPolicy *cw_update_reference(CwUpdate *update); /* NULL unless needed */
/* A further network of the stage, by its name in the algorithm's table; NULL for a name that is not there. */
CwPolicy *cw_update_network(CwUpdate *update, const char *name);
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
/* Records a number of this update by its index in the algorithm's table of metrics (it goes into
 * metrics.jsonl as "ALGORITHM/name", in the order of recording). A non-finite value makes the host stop the
 * stage with CW_ERROR_NUMERIC after the update returns; an index outside the table is CW_ERROR_FAILED. */
void cw_update_record(CwUpdate *update, guint metric, double value);

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

/* A number that an algorithm records, by its index in the table of metrics. One named "decisions" is taken
 * for the number of decisions gone through with gradients so far, repetitions counted. */
typedef enum { CW_NEITHER_IS_BETTER, CW_HIGHER_IS_BETTER, CW_LOWER_IS_BETTER } CwBetter;

typedef struct CwMetric {
  const char *name;
  const char *unit; /* "nats", "decisions"; NULL when there is none */
  CwBetter better;
} CwMetric;

/* A network besides the policy: with an optimiser of its own, saved in checkpoints. The stage's key of that
 * name says what it is (`critic: {plugin: linear}`); without the key it is like the policy, and begins with
 * the weights that the policy has when the stage begins. */
typedef struct CwNetwork {
  const char *name; /* "critic", "target" */
  const char *help; /* one sentence, for the documentation */
  guint64 needs;    /* CW_POLICY_* bits */
} CwNetwork;

/* What an algorithm is. The host allocates its state, zeroed, and frees it: rows of `state` are what a
 * checkpoint keeps and brings back; the rest of the struct is working memory that `clear` frees and that is
 * rebuilt when it is needed. `options` is the struct that the feature's rows fill; it outlives the state. */
typedef struct CwAlgorithmVtable {
  /* Required. What is kept, and the size of the whole state. */
  CwTable state;
  /* Required. What is recorded. */
  const CwMetric *metrics;
  guint32 n_metrics, metric_size;
  /* Required. One update; sets *done when the algorithm has finished. May be called with work already
   * complete, and then only sets *done. */
  gboolean (*update)(gconstpointer options, gpointer state, CwUpdate *update, gboolean *done, GError **error);
  /* Optional; default: nothing is collected. Before every update. */
  gboolean (*collect)(gconstpointer options, gpointer state, CwCollectRequest *request, GError **error);
  /* Optional: CW_NEEDS_* bits besides the feature's capabilities, when they depend on the options. Before any
   * state exists. */
  guint64 (*needs)(gconstpointer options);
  /* Optional: whether options that are right one by one are right together, and numbers of the state that do
   * not begin at zero. CW_ERROR_CONFIGURATION otherwise. */
  gboolean (*open)(gconstpointer options, gpointer state, GError **error);
  /* Optional: how many updates the stage will take, 0 when unknown; asked again after each update, for the
   * progress line and its ETA. */
  guint64 (*expected_updates)(gconstpointer options, gconstpointer state);
  /* Optional: frees what the state points to, but for members with rows. Also before a state is loaded: what
   * was derived from the old numbers must go. */
  void (*clear)(gpointer state);
  /* Optional: state that is too big for rows, as files of a directory of the checkpoint; `load` is called
   * after the rows have been loaded. */
  gboolean (*save_files)(gconstpointer options, gconstpointer state, const char *directory, GError **error);
  gboolean (*load_files)(gconstpointer options, gpointer state, const char *directory, GError **error);
  /* Optional: further networks. */
  const CwNetwork *networks;
  guint32 n_networks, network_size;
} CwAlgorithmVtable;

/* A CwFeature of an algorithm. `needs`: the CW_NEEDS_* that it always has. */
#define CW_ALGORITHM(feature_name, feature_summary, algorithm_vtable, algorithm_needs, Options, rows)        \
  {                                                                                                          \
    CW_FEATURE_ALGORITHM, feature_name, feature_summary, &(algorithm_vtable), sizeof(algorithm_vtable),      \
        algorithm_needs, (rows), G_N_ELEMENTS(rows), sizeof(CwOption), sizeof(Options), NULL                 \
  }
#define CW_STATE(State, rows) .state = CW_TABLE_OF(State, rows)
#define CW_METRICS(table)                                                                                    \
  .metrics = (table), .n_metrics = G_N_ELEMENTS(table), .metric_size = sizeof(CwMetric)
#define CW_NETWORKS(table)                                                                                   \
  .networks = (table), .n_networks = G_N_ELEMENTS(table), .network_size = sizeof(CwNetwork)

G_END_DECLS

#endif
