/* Building trajectories, and reading them (JSON Lines); core/trajectory/journal.h writes them. */
#ifndef CW_TRAJECTORIES_H
#define CW_TRAJECTORIES_H

#include <cartwright/cartwright.h>

/* A trajectory under construction; copies everything it is given. Repeated strings are stored once. */
typedef struct CwTrajectoryBuilder CwTrajectoryBuilder;

CwTrajectoryBuilder *cw_trajectory_builder_new(const char *split, gint64 goal, const char *goal_id,
                                               const char *agent, guint64 episode, guint32 seed);
/* Adds the decision and the choice; reward, terminated and truncated come with finish_step. */
void cw_trajectory_builder_decide(CwTrajectoryBuilder *builder, const CwObservation *observation,
                                  guint chosen, float log_probability, float value);
/* Of the decision added last: a probability for each of its candidates. */
void cw_trajectory_builder_set_probabilities(CwTrajectoryBuilder *builder, const float *probabilities);
/* Of the decision added last, when CW_WORDS were chosen: the action, and what a language model was asked and
 * said, which may be NULL. Without words the latter two only. */
void cw_trajectory_builder_set_words(CwTrajectoryBuilder *builder, const char *words, const char *prompt,
                                     const char *answer);
void cw_trajectory_builder_outcome(CwTrajectoryBuilder *builder, const CwOutcome *outcome);
/* What is seen after the last step. */
void cw_trajectory_builder_after(CwTrajectoryBuilder *builder, const CwObservation *observation);
/* The steps so far, *n of them, valid until the next call on the builder. */
const CwStep *const *cw_trajectory_builder_history(CwTrajectoryBuilder *builder, guint *n);
/* The builder's steps are a piece of an episode: so many came before. To be called before the first. */
void cw_trajectory_builder_set_first_step(CwTrajectoryBuilder *builder, guint first_step);
void cw_trajectory_builder_set_group(CwTrajectoryBuilder *builder, guint64 group);
/* Ends the building and frees the builder. The result is released with cw_trajectory_unref. */
CwTrajectory *cw_trajectory_builder_finish(CwTrajectoryBuilder *builder);
void cw_trajectory_builder_free(CwTrajectoryBuilder *builder); /* accepts NULL */
/* All that an outcome says of an episode by name: CwNamedText, whose strings are the outcome's. Free with
 * g_array_unref. */
GArray *cw_outcome_facts(const CwOutcome *outcome);
/* Sets the advice of a finished trajectory's step: one of its candidates. */
void cw_trajectory_set_advice(CwTrajectory *trajectory, guint step, guint candidate);
/* The number of the candidate that is the step's advice; -1 without advice. */
gint cw_step_advised(const CwStep *step);

/* One line of JSON without the newline. NaN log-probabilities and values, and what a step does not have, are
 * left out. Free with g_free. */
char *cw_trajectory_to_json(const CwTrajectory *trajectory);
/* `where` is "file:line" for messages. Checks types, ranges (chosen < candidates), UTF-8. */
CwTrajectory *cw_trajectory_from_json(const char *json, gsize length, const char *where, GError **error);

#endif
