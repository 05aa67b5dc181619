/* Makes trajectories without an environment, so that an algorithm can be tried by itself. Each turn the order
 * of the candidates changes. */
#include "conformance/check_episodes.h"
#include "conformance/check_suite.h"

#include <math.h>

#define N_TURNS   3
#define N_COLOURS 4

static const char *const colours[N_COLOURS] = {"red", "green", "blue", "white"};
static const char *const answers[N_COLOURS] = {"say red", "say green", "say blue", "say white"};

/* The decision of one turn of a goal; `right` is the candidate to take. */
typedef struct {
  char text[64];
  const char *candidates[N_COLOURS];
  guint right;
} Turn;

static void make_turn(Turn *turn, guint goal, guint number)
{
  guint colour = (goal + number) % N_COLOURS;
  g_snprintf(turn->text, sizeof turn->text, "turn %u of goal %u: the ball is %s", number, goal,
             colours[colour]);
  for (guint i = 0; i < N_COLOURS; i++) {
    guint answer = (i + goal * 3 + number) % N_COLOURS;
    turn->candidates[i] = answers[answer];
    if (answer == colour)
      turn->right = i;
  }
}

static void add_turn(CwTrajectoryBuilder *builder, const Turn *turn, guint number, guint chosen,
                     float log_probability, float value, gboolean *all_right)
{
  CwObservation observation = {.struct_size = sizeof observation,
                               .text = turn->text,
                               .candidates = turn->candidates,
                               .n_candidates = N_COLOURS};
  CwOutcome outcome = {.struct_size = sizeof outcome};
  *all_right = *all_right && chosen == turn->right;
  outcome.reward = chosen == turn->right ? 1.0f / N_TURNS : 0;
  outcome.terminated = number == N_TURNS - 1;
  outcome.success = outcome.terminated && *all_right;
  cw_trajectory_builder_decide(builder, &observation, chosen, log_probability, value);
  cw_trajectory_builder_outcome(builder, &outcome);
}

GPtrArray *cw_check_demonstrations(guint n_goals)
{
  GPtrArray *trajectories = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  for (guint i = 0; i < 2 * n_goals; i++) {
    g_autofree char *goal_id = g_strdup_printf("goal-%u", i / 2);
    CwTrajectoryBuilder *builder = cw_trajectory_builder_new(
        "train", i / 2, goal_id, i % 2 == 0 ? "expert" : "beginner", i, CW_CHECK_SEED);
    gboolean all_right = TRUE;
    for (guint number = 0; number < N_TURNS; number++) {
      Turn turn;
      make_turn(&turn, i / 2, number);
      add_turn(builder, &turn, number, i % 2 == 0 ? turn.right : (turn.right + 1) % N_COLOURS, NAN, NAN,
               &all_right);
    }
    cw_trajectory_builder_set_group(builder, i / 2);
    g_ptr_array_add(trajectories, cw_trajectory_builder_finish(builder));
  }
  return trajectories;
}

GPtrArray *cw_check_hollow_trajectories(guint n)
{
  GPtrArray *trajectories = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(trajectories, cw_trajectory_builder_finish(cw_trajectory_builder_new(
                                      "train", i, "hollow", "nobody", i, CW_CHECK_SEED)));
  return trajectories;
}

static CwTrajectory *roll_out_one(CwPolicy *policy, guint goal, guint64 group, guint64 episode,
                                  GError **error)
{
  CwTrajectoryBuilder *builder =
      cw_trajectory_builder_new("train", goal, "goal", "policy", episode, CW_CHECK_SEED);
  g_autoptr(CwRandom) random = cw_random_new(CW_CHECK_SEED, "check rollout", episode, 0);
  gboolean all_right = TRUE;
  for (guint number = 0; number < N_TURNS; number++) {
    float logits[N_COLOURS], value = 0;
    Turn turn;
    make_turn(&turn, goal, number);
    CwDecision decision = {sizeof decision, turn.text, turn.candidates, N_COLOURS};
    const CwDecision *decisions[] = {&decision};
    if (!cw_policy_score(policy, decisions, 1, logits, &value, error)) {
      cw_trajectory_builder_free(builder);
      return NULL;
    }
    guint chosen = cw_random_categorical(random, logits, N_COLOURS);
    cw_log_softmax(logits, N_COLOURS, logits);
    add_turn(builder, &turn, number, chosen, logits[chosen], value, &all_right);
  }
  cw_trajectory_builder_set_group(builder, group);
  return cw_trajectory_builder_finish(builder);
}

/* What is observed does not depend on what was said before, so that the expectation is a mean over turns. */
gboolean cw_check_play(CwPolicy *policy, guint n_goals, CwCheckPlay *play, GError **error)
{
  *play = (CwCheckPlay){0};
  for (guint i = 0; i < n_goals * N_TURNS; i++) {
    float logits[N_COLOURS];
    Turn turn;
    make_turn(&turn, i / N_TURNS, i % N_TURNS);
    CwDecision decision = {sizeof decision, turn.text, turn.candidates, N_COLOURS};
    const CwDecision *decisions[] = {&decision};
    if (!cw_policy_score(policy, decisions, 1, logits, NULL, error))
      return FALSE;
    gboolean is_best = TRUE;
    for (guint k = 0; k < N_COLOURS; k++)
      is_best = is_best && (k == turn.right || logits[k] < logits[turn.right]);
    cw_log_softmax(logits, N_COLOURS, logits);
    play->sampled += exp(logits[turn.right]) / (n_goals * N_TURNS);
    play->greedy += (double)is_best / (n_goals * N_TURNS);
  }
  return TRUE;
}

GPtrArray *cw_check_roll_out(CwPolicy *policy, const CwCollectRequest *request, guint64 index, GError **error)
{
  g_autoptr(GPtrArray) episodes = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  for (guint i = 0; i < request->n_episodes; i++) {
    guint64 episode = index * request->n_episodes + i;
    guint64 group = episode / MAX(request->group_size, 1);
    CwTrajectory *trajectory = roll_out_one(policy, (guint)(group % 16), group, episode, error);
    if (!trajectory)
      return NULL;
    g_ptr_array_add(episodes, trajectory);
  }
  return g_steal_pointer(&episodes);
}
