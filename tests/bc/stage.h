/* A stage of one algorithm without the runtime: options from YAML, a policy, its frozen copy if the algorithm
 * needs one, trajectories and episodes, and updates one by one. */
#ifndef STAGE_H
#define STAGE_H

#include "core/plugin/handles.h"
#include "core/trajectory/trajectories.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  CwRegistry *registry;
  const CwRegisteredFeature *feature; /* of the algorithm */
  gpointer options, policy_options;
  CwPolicy *policy, *reference;
  CwRandom *random;
  CwAlgorithm *algorithm;
  CwUpdate *update;
  guint64 index;
  GPtrArray *trajectories,
      *episodes; /* the episodes of the next update, to be changed at will; at first none */
} Stage;

/* Takes the trajectories (NULL: none). `feature` NULL: the plugin "linear" with small tables, opened by the
 * stage. Otherwise a policy of that feature, whose open ignores its options. */
Stage *stage_open(const char *algorithm, const char *yaml, GPtrArray *trajectories,
                  const CwRegisteredFeature *feature);
/* The same of "bc". */
Stage *stage_new(const char *yaml, GPtrArray *trajectories, const CwRegisteredFeature *feature);
void stage_free(Stage *stage);
/* One update; fails the test on an error. Returns whether the algorithm is done. */
gboolean stage_update(Stage *stage);
/* One update that must fail; returns the message, to be freed with g_free. */
char *stage_update_fails(Stage *stage, CwErrorCode code);
/* A metric of the last update; NaN when it was not recorded. */
double stage_metric(const Stage *stage, const char *name);

/* A list of trajectories; add_trajectory appends one of `n_steps` decisions, each with the given text,
 * candidates and choice. */
typedef struct {
  const char *text;
  const char *candidates[8]; /* NULL-terminated */
  guint chosen;
  float reward;
} Choice;

GPtrArray *new_trajectories(void);
CwTrajectory *add_trajectory(GPtrArray *list, const char *goal_id, const char *agent, gboolean success,
                             const Choice *choices, guint n_choices);
/* `n` trajectories of three decisions, rows 3i to 3i + 2 of a table, with 2, 3 and 4 candidates. The texts
 * differ in length; trajectories of even number are successful. */
GPtrArray *make_rows(guint n);

/* Fails the test unless the value is within the tolerance. */
void assert_near(double value, double expected, double tolerance);

#endif
