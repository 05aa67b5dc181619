/* Tiny tasks with known optima, rolled out for a stage as the runtime does it. */
#ifndef TASKS_H
#define TASKS_H

#include "core/rollout/rollout.h"
#include "tests/bc/stage.h"
#include "tests/bc/table.h"

#define TASK_STATES  4
#define TASK_ACTIONS 4
#define TASK_OVER    G_MAXUINT

/* A deterministic task of a few states. It starts in state 0. The observation of state s of goal g is row 16
 * g + s of a table: "d18". */
typedef struct {
  guint n_goals, step_limit;
  guint n_actions[TASK_STATES];
  float rewards[TASK_STATES][TASK_ACTIONS];
  guint next[TASK_STATES][TASK_ACTIONS]; /* TASK_OVER: the episode is over */
  gboolean bernoulli;                    /* a reward is the probability of a reward of 1 */
  guint shift;                           /* goal g has the actions turned round by g * shift */
} Task;

/* Four arms that pay 1 with probabilities 0.1, 0.4, 0.9 and 0.2. */
extern const Task bandit;
/* State 0: action 0 pays 0.3 and leads to state 1, action 1 pays nothing and leads to state 2. There state 1
 * pays at most 0.2, state 2 at most 1, so that the best return is 1, by way of the action that pays less. */
extern const Task two_steps;

CwEnvironment *task_open(const Task *task);

/* Asks the algorithm what it wants, rolls that out into stage->episodes and updates. */
gboolean task_update(Stage *stage, CwEnvironment *environment);
/* Updates until the algorithm is done. */
void task_run(Stage *stage, CwEnvironment *environment);

/* Rolls out `n` episodes of the stage's policy into `list`, group_size of them on one goal. */
void task_roll_out(Stage *stage, CwEnvironment *environment, guint n, guint group_size, guint64 first_episode,
                   GPtrArray *list);

/* The softmax of a table's row. */
double table_probability(const Table *table, guint row, guint n, guint action);

#endif
