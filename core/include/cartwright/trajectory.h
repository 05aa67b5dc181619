/* Decisions, steps and trajectories: what passes between environments, policies and algorithms. The host
 * fills them, plugins read them. Plugins get arrays of pointers, so the structs may grow at their ends. The
 * host owns the strings (UTF-8), which live as long as the enclosing object. */
#ifndef CARTWRIGHT_TRAJECTORY_H
#define CARTWRIGHT_TRAJECTORY_H

#include <glib.h>

G_BEGIN_DECLS

/* One choice to make: an observation and the actions to choose from. */
typedef struct CwDecision {
  gsize struct_size;
  const char *observation;       /* UTF-8 text */
  const char *const *candidates; /* n_candidates UTF-8 action texts */
  guint n_candidates;            /* at least 1 */
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
typedef struct CwStep {
  gsize struct_size;
  const CwDecision *decision;
  guint chosen;          /* index in decision->candidates */
  float log_probability; /* of the chosen action under the policy that acted; NaN if unknown */
  float value;           /* that policy's value of the observation; NaN if unknown */
  float reward;          /* received on taking the action */
  gboolean terminated;   /* the episode ended by its own rules */
  gboolean truncated;    /* the episode was cut (step limit) */
  /* NULL unless they were asked for. */
  const float *probabilities; /* n_candidates: of each candidate under the policy that acted */
  const char *advice;         /* the candidate that a script of the environment would have taken here */
} CwStep;

/* One episode, from reset to its end. */
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
  const CwNamedText
      *facts; /* about the episode, as the environment names them (CwOutcome); n_facts of them */
  guint n_facts;
} CwTrajectory;

G_END_DECLS

#endif
