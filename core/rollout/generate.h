/* Generating trajectories: an agent plays goals of a split, and its episodes are written to a file: all of
 * them, the successful ones, or as many different perfect ones as are wanted (rejection sampling). */
#ifndef CW_GENERATE_H
#define CW_GENERATE_H

#include "core/base/metrics.h"
#include "core/rollout/rollout.h"

/* Zeroed members have useful defaults. */
typedef struct {
  const char *split;  /* of the goals */
  guint64 n_episodes; /* how many to roll out; with n_perfect: at most */
  guint64 n_perfect;  /* keep different successful episodes until there are so many; 0: as n_episodes says */
  guint per_goal;     /* consecutive episodes on each goal, 0 and 1: one */
  gboolean successful_only;  /* keep only successful episodes; n_perfect implies it */
  gboolean prune_loops;      /* cut loops out of what is kept */
  const char *rejected_path; /* where unsuccessful episodes go whose goal had a successful one too;
                                may be NULL */
  const char *teacher; /* a script of the environment whose choices are recorded in place of the agent's; may
                          be NULL */
  gboolean probabilities; /* record, of a policy, the probability of every candidate */
  const char *purpose;    /* of the random streams */
  guint32 seed;
  gboolean
      shuffled;  /* goals in shuffled passes; otherwise 0, 1, 2, ... wrapping round; n_perfect implies it */
  guint64 order; /* with shuffled: tells this use from others */
  guint64 first_group; /* goals that earlier calls of this use went through */
  gboolean resumable;  /* go on with what an interrupted call left */
} CwGenerateRequest;

/* How often a kind of goal came up and how often with success. */
typedef struct {
  char *category; /* the environment's fact of that name */
  guint64 n_episodes, n_successful, n_kept;
} CwYield;

typedef struct {
  guint64 n_episodes, n_successful, n_kept;
  guint64 n_decisions;              /* of those episodes */
  guint64 n_groups;                 /* goals gone through, one after the other */
  guint64 n_duplicates;             /* successful, but the same actions on the same goal are kept already */
  guint64 n_pruned, n_pruned_steps; /* kept episodes with loops cut, and the steps that this saved */
  guint64 n_refused;  /* kept as they were: without the loop the environment would have gone another way */
  guint64 n_rejected; /* written to rejected_path */
  double reward_sum;
  GPtrArray *yields; /* CwYield *, by category; empty when the environment tells none */
} CwGenerateCounts;

void cw_generate_counts_clear(CwGenerateCounts *counts);
double cw_generate_score(const CwGenerateCounts *counts); /* 100 × mean reward */

/* Writes `path` (and rejected_path), each as a whole or not at all. Nothing kept is an error; fewer than
 * n_perfect is not, and n_kept tells. What is written depends neither on the number of slots nor on
 * interruptions. `counts` is cleared first; clear it afterwards. */
gboolean cw_generate(CwRollout *rollout, const CwAgent *agent, const CwGenerateRequest *request,
                     const char *path, CwGenerateCounts *counts, CwWorkProgress progress, gpointer user_data,
                     GError **error);

/* Sentences about what was done, without the file's name, and, if the environment tells categories and
 * episodes were selected, a table of the yield. Free with g_free. */
char *cw_generate_summary(const CwGenerateCounts *counts, const CwGenerateRequest *request,
                          const char *agent);
/* Adds numbers "PREFIX/..." to a record that has been begun. */
void cw_generate_record(const CwGenerateCounts *counts, const CwGenerateRequest *request, const char *prefix,
                        CwMetrics *metrics);

/* The counts as keys of group "generate", and back; FALSE with error when they are not there. */
void cw_generate_counts_save(const CwGenerateCounts *counts, GKeyFile *state);
gboolean cw_generate_counts_load(CwGenerateCounts *counts, GKeyFile *state, GError **error);
/* The yield of a category, made when it is new. */
CwYield *cw_generate_yield(CwGenerateCounts *counts, const char *category);

#endif
