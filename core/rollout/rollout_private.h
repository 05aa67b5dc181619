/* The slots of a rollout, and a round of them, for the files of this room that roll out whole episodes
 * (rollout.c) and pieces (rollout_pieces.c). */
#ifndef CW_ROLLOUT_PRIVATE_H
#define CW_ROLLOUT_PRIVATE_H

#include "core/rollout/rollout.h"
#include "core/trajectory/trajectories.h"

typedef struct {
  CwSession *session;
  CwRandom *environment_random, *action_random;
  gboolean running;
  CwTrajectoryBuilder *builder; /* NULL when nobody wants the steps */
  CwEpisode *episode;           /* under construction while running */
  CwObservation observation;    /* the present one; its strings belong to the session */
  guint taught;                 /* with a teacher: what it would do now */
  guint agent;                  /* who plays this episode, in CwRolling.agents */
  GPtrArray *actions;           /* char *, of the episode so far; NULL where they are not kept */
  GPtrArray *pieces;            /* CwEpisode * of this call, in order; NULL with whole episodes */
} CwSlot;

struct CwRollout {
  CwEnvironment *environment;
  CwSlot *slots;
  guint n_slots;
  char *agents;     /* names of those that play pieces; NULL: none yet */
  guint step_limit; /* 0: none */
  gboolean has_warned;
};

/* One call that rolls out. */
typedef struct {
  CwRollout *rollout;
  const CwRolloutPlan *plan;
  const CwAgent *agents; /* those that play */
  const double *shares;  /* of the agents; NULL with a single one */
  guint n_agents;
  char *action_purpose, *agent_purpose;
  gboolean reads_history; /* a policy does */
  guint64 n_started, n_delivered, n_decisions;
  gboolean enough;      /* the receiver wants no more episodes */
  GHashTable *finished; /* &episode->episode -> CwEpisode, not yet delivered */
  /* The batch of a round. */
  GPtrArray *running;  /* CwSlot * that one agent plays */
  CwDecision *batch;   /* n_slots */
  GPtrArray *pointers; /* const CwDecision *, into batch */
  GArray *logits;      /* float */
  float *values;       /* n_slots */
} CwRolling;

void cw_rolling_init(CwRolling *rolling, CwRollout *rollout, const CwRolloutPlan *plan, const CwAgent *agent);
void cw_rolling_clear(CwRolling *rolling);
/* Puts an episode of the plan into a slot: number `number`, counted from first_episode. */
gboolean cw_rolling_start(CwRolling *rolling, CwSlot *slot, guint64 number, GError **error);
/* Begins to record steps, of a slot whose episode has begun, if anybody wants them. */
void cw_rolling_record(CwRolling *rolling, CwSlot *slot);
/* Every running slot makes one step. */
gboolean cw_rolling_round(CwRolling *rolling, GError **error);

void cw_slot_clear(CwSlot *slot);
void cw_episode_free(gpointer episode); /* accepts NULL */
/* Makes the present observation current; with a script (may be NULL) also asks what it would do. */
gboolean cw_slot_observe(CwSlot *slot, const char *script, gint *chosen, GError **error);

#endif
