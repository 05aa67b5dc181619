/* Decisions, steps and trajectories: what passes between environments, policies and algorithms. The host
 * fills them, plugins read them. Plugins get arrays of pointers, so the structs may grow at their ends. The
 * host owns the strings (UTF-8), which live as long as the enclosing object. */
#ifndef CARTWRIGHT_TRAJECTORY_H
#define CARTWRIGHT_TRAJECTORY_H

#include <cartwright/error.h>

G_BEGIN_DECLS

/* In the place of a candidate's number: the action is in words, and none of the candidates. */
#define CW_WORDS G_MAXUINT

typedef struct CwStep CwStep;

/* One choice to make: an observation and the actions to choose from. */
typedef struct CwDecision {
  gsize struct_size;
  const char *observation;       /* UTF-8 text */
  const char *const *candidates; /* n_candidates UTF-8 action texts */
  guint n_candidates;            /* at least 1 */
  guint step;                    /* how many steps of the episode came before, as far as they are known */
  guint64 episode;               /* index that seeded the episode's streams */
  const char *instruction;       /* the task in words; NULL when that is not known */
  const CwStep *const *history;  /* the n_history steps before, in order, as far as they were kept */
  guint n_history;
} CwDecision;

/* A named number, such as a part of the reward. */
typedef struct CwNamedValue {
  const char *name;
  double value;
} CwNamedValue;

/* A named text, such as a fact about an episode. */
typedef struct CwNamedText {
  const char *name;
  const char *text;
} CwNamedText;

/* One decision that was made, the action chosen and its reward. */
struct CwStep {
  gsize struct_size;
  const CwDecision *decision;
  guint chosen;          /* index in decision->candidates, or CW_WORDS */
  float log_probability; /* of the action under the policy that acted; NaN if unknown */
  float value;           /* that policy's value of the observation; NaN if unknown */
  float reward;          /* received on taking the action */
  gboolean terminated;   /* the episode ended by its own rules */
  gboolean truncated;    /* the episode was cut (step limit) */
  /* NULL unless they were asked for. */
  const float *probabilities;  /* n_candidates: of each candidate under the policy that acted */
  const char *advice;          /* the candidate that a script of the environment would have taken here */
  const char *action;          /* the text of the action: the candidate's, or the policy's own words */
  const char *prompt, *answer; /* of a language model: what it was asked, what it said; otherwise NULL */
};

/* One episode, from reset to its end, or a piece of one (CwCollectRequest.n_steps). */
typedef struct CwTrajectory {
  gsize struct_size;
  const char *split;   /* "train", "dev", "test" or "all" */
  gint64 goal;         /* index of the goal within the split */
  const char *goal_id; /* the environment's own name of the goal */
  const char *agent;   /* who acted: "expert", "random", "policy", ... */
  guint64 episode;     /* index that seeded the episode's streams */
  guint32 seed;        /* root seed of the run that produced it */
  double total_reward;
  gboolean success;           /* the environment's own notion: reward exactly 1 in WebShop */
  const CwStep *const *steps; /* n_steps of them, in order */
  guint n_steps;
  const CwNamedValue *parts; /* parts of the final reward, as the environment names them */
  guint n_parts;
  guint64 group; /* rollouts of one goal collected together share a group */
  /* About the episode, as CwOutcome has them; NULL when the environment does not say or it goes on. */
  const char *category, *target, *item;
  const CwNamedText *facts; /* n_facts of them: those three, under their names, and further ones */
  guint n_facts;
  guint first_step; /* of a piece: how many steps of its episode came before */
  /* What was seen after the last step, when the episode goes on or was cut: the decision whose value stands
   * for what is missing. NULL when it is over by its own rules, and when it was not asked for. */
  const CwDecision *after;
} CwTrajectory;

/* Trajectories that an algorithm keeps beyond the update in which it met them. cw_trajectory_ref counts a
 * reference to one that the host has given out, and returns it; cw_trajectory_unref (which accepts NULL)
 * gives it up. Any thread. */
const CwTrajectory *cw_trajectory_ref(const CwTrajectory *trajectory);
void cw_trajectory_unref(const CwTrajectory *trajectory);
/* A copy with memory of its own, from any trajectory, one of the caller's making included. Release it with
 * cw_trajectory_unref. */
CwTrajectory *cw_trajectory_copy(const CwTrajectory *trajectory);
/* Writes `n` trajectories into a file, one JSON text a line, in the place of what was there: the file is
 * whole or as it was. It does not hold CwDecision.instruction; a history comes back with its steps. */
gboolean cw_trajectories_write(const char *path, const CwTrajectory *const *trajectories, guint n,
                               GError **error);
/* Appends those of such a file to `trajectories`, an array whose free function is cw_trajectory_unref.
 * Nothing is appended on error. */
gboolean cw_trajectories_read(const char *path, GPtrArray *trajectories, GError **error);

G_END_DECLS

#endif
