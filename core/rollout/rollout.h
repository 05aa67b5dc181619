/* Rolling out episodes: many environment slots stepped together, one batched policy score per round. Every
 * episode has random streams of its own, derived from (seed, purpose, goal, episode), so that what happens in
 * it depends neither on the number of slots nor on what else runs. */
#ifndef CW_ROLLOUT_H
#define CW_ROLLOUT_H

#include "core/rollout/agent.h"

/* What is to be rolled out. Episodes first_episode … first_episode + n_episodes - 1 are run; group_size
 * consecutive ones share a goal. Zeroed members have useful defaults. */
typedef struct {
  guint32 seed;        /* of the run */
  const char *purpose; /* of the streams: "evaluate", "generate", ... */
  const char *split;   /* of the goals */
  const gint64 *goals; /* one per group: ceil(n_episodes / group_size) of them */
  guint64 first_episode;
  guint64 first_group; /* number of the first group, as trajectories carry it */
  guint64 n_episodes;
  guint group_size;            /* 0 and 1: every episode has a goal of its own */
  gboolean keep_steps;         /* record trajectories; otherwise only the outcome of each episode */
  gboolean keep_probabilities; /* and in them, of a policy, the probability of every candidate */
  /* A script of the environment, or NULL. With it the trajectories record what that script would have done in
   * each state where the agent has come (DAgger: Ross, Gordon and Bagnell 2011), not what the agent did;
   * their `agent` is "TEACHER/AGENT". Not with a SCRIPT: scripts share the session's memory. */
  const char *teacher;
  double temperature;          /* of acting policies: logits are divided by it; 0: 1 */
  double epsilon;              /* the share of their decisions in which a candidate is drawn uniformly */
  gboolean shared_environment; /* episodes of a group meet the same environment stream */
  gboolean keep_after;         /* with keep_steps: the observation after an episode, or piece, that was cut */
  /* Agents among whom that of each episode is drawn, by their shares, in the place of the one given; n_agents
   * 0: none. */
  const CwAgent *agents;
  const double *shares;
  guint n_agents;
  gboolean stoppable; /* give up with CW_ERROR_CANCELLED when an interrupt has arrived */
} CwRolloutPlan;

/* A finished episode. Owned by the rollout and valid during the callback. */
typedef struct {
  guint64 episode;
  gint64 goal;
  guint64 group;
  double total_reward; /* of the episode so far, as n_steps */
  gboolean over;       /* FALSE: a piece of an episode that goes on */
  gboolean success;
  gboolean truncated;
  guint n_steps;
  guint n_invalid;           /* steps at which the policy's answer held no action */
  const CwNamedValue *parts; /* of the reward; n_parts of them */
  guint n_parts;
  const CwNamedText *facts; /* about the episode; n_facts of them */
  guint n_facts;
  gboolean enough;          /* set by the callback: no more episodes are wanted, the rollout ends well */
  CwTrajectory *trajectory; /* NULL without keep_steps; the callback may take it with g_steal_pointer */
} CwEpisode;

/* The text of a fact, or NULL when there is none of that name. */
const char *cw_episode_fact(const CwEpisode *episode, const char *name);

/* Called for every episode, in episode order. FALSE with an error stops the rollout. */
typedef gboolean (*CwEpisodeFunction)(CwEpisode *episode, gpointer user_data, GError **error);

/* `done` of `total` units of work (0: unknown), with a short text about it. */
typedef void (*CwWorkProgress)(guint64 done, guint64 total, const char *text, gpointer user_data);

/* The slots: sessions of one environment, used again by every call. */
typedef struct CwRollout CwRollout;

CwRollout *cw_rollout_new(CwEnvironment *environment, guint n_slots, GError **error);
void cw_rollout_free(CwRollout *rollout); /* accepts NULL */
CwEnvironment *cw_rollout_environment(CwRollout *rollout);
/* An episode that is not over after so many steps ends there, truncated; the first one is warned of. 0, as at
 * the start: never. */
void cw_rollout_set_step_limit(CwRollout *rollout, guint step_limit);

/* Moves `random` to where the environment's stream of an episode of such a plan starts, so that the episode
 * can be stepped again. */
void cw_rollout_restart_environment(CwRandom *random, guint32 seed, const char *purpose, gint64 goal,
                                    guint64 episode);

/* Runs complete episodes to their ends. *n_decisions (may be NULL) is the number of actions taken, also after
 * a failure. */
gboolean cw_rollout_run(CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent,
                        CwEpisodeFunction finished, gpointer user_data, guint64 *n_decisions, GError **error);

/* Pieces of episodes: every slot plays `n_steps` steps further, into the plan's next episode where one ends.
 * The plan has goals for n_slots times (n_steps + 1) episodes, of which *n_started are begun; first_episode
 * and first_group count on from call to call. Pieces are delivered slot by slot, each slot's in order. What
 * is in play stays in the slots, so nothing else may run in such a rollout; other agents than before are
 * CW_ERROR_CONFIGURATION. */
gboolean cw_rollout_run_pieces(CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent,
                               guint n_steps, CwEpisodeFunction piece, gpointer user_data, guint64 *n_started,
                               GError **error);
/* The episodes in play as keys of `group`, for a checkpoint; and back into a new rollout of as many slots, by
 * playing their actions again. */
void cw_rollout_save_pieces(const CwRollout *rollout, GKeyFile *state, const char *group);
gboolean cw_rollout_load_pieces(CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent,
                                GKeyFile *state, const char *group, GError **error);
guint cw_rollout_n_slots(const CwRollout *rollout);

#endif
