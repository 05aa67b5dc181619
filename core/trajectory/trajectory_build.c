/* Building trajectories. A trajectory holds its strings in a pool, in which equal strings are stored once;
 * the trajectories of one file share one pool, which goes when the last of them is freed. A step, its
 * decision and its candidate pointers are one block; probabilities, where they are kept, another. */
#include "core/trajectory/trajectory_build.h"

typedef struct {
  CwStep step;
  CwDecision decision;
  const char *candidates[];
} StepBlock;

/* What a CwTrajectory handed out by this file really is. */
typedef struct {
  CwTrajectory trajectory;
  CwStringPool *pool;
} OwnedTrajectory;

struct CwStringPool {
  GStringChunk *strings;
};

struct CwTrajectoryBuilder {
  OwnedTrajectory *owned;
  GPtrArray *blocks; /* StepBlock * */
  GArray *parts;     /* CwNamedValue */
  GArray *facts;     /* CwNamedText */
};

CwStringPool *cw_string_pool_new(gsize block_size)
{
  CwStringPool *pool = g_atomic_rc_box_new0(CwStringPool);
  pool->strings = g_string_chunk_new(block_size);
  return pool;
}

CwStringPool *cw_string_pool_ref(CwStringPool *pool)
{
  return g_atomic_rc_box_acquire(pool);
}

static void clear_pool(gpointer pool)
{
  g_string_chunk_free(((CwStringPool *)pool)->strings);
}

void cw_string_pool_unref(CwStringPool *pool)
{
  g_atomic_rc_box_release_full(pool, clear_pool);
}

static const char *keep(CwStringPool *pool, const char *text)
{
  return g_string_chunk_insert_const(pool->strings, text ? text : "");
}

CwTrajectoryBuilder *cw_trajectory_builder_new_in(CwStringPool *pool, const char *split, gint64 goal,
                                                  const char *goal_id, const char *agent, guint64 episode,
                                                  guint32 seed)
{
  CwTrajectoryBuilder *builder = g_new0(CwTrajectoryBuilder, 1);
  OwnedTrajectory *owned = g_new0(OwnedTrajectory, 1);
  owned->pool = cw_string_pool_ref(pool);
  owned->trajectory = (CwTrajectory){
      .struct_size = sizeof(CwTrajectory),
      .split = keep(pool, split),
      .goal = goal,
      .goal_id = keep(pool, goal_id),
      .agent = keep(pool, agent),
      .episode = episode,
      .seed = seed,
  };
  builder->owned = owned;
  builder->blocks = g_ptr_array_new();
  builder->parts = g_array_new(FALSE, FALSE, sizeof(CwNamedValue));
  builder->facts = g_array_new(FALSE, FALSE, sizeof(CwNamedText));
  return builder;
}

CwTrajectoryBuilder *cw_trajectory_builder_new(const char *split, gint64 goal, const char *goal_id,
                                               const char *agent, guint64 episode, guint32 seed)
{
  CwStringPool *pool = cw_string_pool_new(4096);
  CwTrajectoryBuilder *builder =
      cw_trajectory_builder_new_in(pool, split, goal, goal_id, agent, episode, seed);

  cw_string_pool_unref(pool);
  return builder;
}

void cw_trajectory_builder_decide(CwTrajectoryBuilder *builder, const CwObservation *observation,
                                  guint chosen, float log_probability, float value)
{
  CwStringPool *pool = builder->owned->pool;
  StepBlock *block;
  g_return_if_fail(chosen < observation->n_candidates);
  block = g_malloc0(sizeof(StepBlock) + observation->n_candidates * sizeof(char *));
  for (guint i = 0; i < observation->n_candidates; i++)
    block->candidates[i] = keep(pool, observation->candidates[i]);
  block->decision = (CwDecision){
      .struct_size = sizeof(CwDecision),
      .observation = keep(pool, observation->text),
      .candidates = block->candidates,
      .n_candidates = observation->n_candidates,
  };
  block->step = (CwStep){
      .struct_size = sizeof(CwStep),
      .decision = &block->decision,
      .chosen = chosen,
      .log_probability = log_probability,
      .value = value,
  };
  g_ptr_array_add(builder->blocks, block);
}

void cw_trajectory_builder_set_probabilities(CwTrajectoryBuilder *builder, const float *probabilities)
{
  g_return_if_fail(builder->blocks->len > 0);
  StepBlock *block = builder->blocks->pdata[builder->blocks->len - 1];
  g_free((gpointer)block->step.probabilities);
  block->step.probabilities = g_memdup2(probabilities, block->decision.n_candidates * sizeof *probabilities);
}

void cw_trajectory_set_advice(CwTrajectory *trajectory, guint step, guint candidate)
{
  g_return_if_fail(step < trajectory->n_steps);
  StepBlock *block = (StepBlock *)trajectory->steps[step];
  g_return_if_fail(candidate < block->decision.n_candidates);
  block->step.advice = block->candidates[candidate];
}

/* The advice is a candidate's own string; equal candidates share theirs, and the first of them counts. */
gint cw_step_advised(const CwStep *step)
{
  for (guint i = 0; step->advice && i < step->decision->n_candidates; i++)
    if (step->advice == step->decision->candidates[i])
      return (gint)i;
  return -1;
}

void cw_trajectory_builder_add_part(CwTrajectoryBuilder *builder, const char *name, double value)
{
  CwNamedValue part = {keep(builder->owned->pool, name), value};
  g_array_append_val(builder->parts, part);
}

void cw_trajectory_builder_add_fact(CwTrajectoryBuilder *builder, const char *name, const char *text)
{
  CwNamedText fact = {keep(builder->owned->pool, name), keep(builder->owned->pool, text)};
  g_array_append_val(builder->facts, fact);
}

void cw_trajectory_builder_outcome(CwTrajectoryBuilder *builder, const CwOutcome *outcome)
{
  StepBlock *block;
  g_return_if_fail(builder->blocks->len > 0);
  block = builder->blocks->pdata[builder->blocks->len - 1];
  block->step.reward = outcome->reward;
  block->step.terminated = outcome->terminated;
  block->step.truncated = outcome->truncated;
  builder->owned->trajectory.total_reward += outcome->reward;
  if (!outcome->terminated && !outcome->truncated)
    return;
  builder->owned->trajectory.success = outcome->success;
  g_array_set_size(builder->parts, 0);
  for (guint i = 0; i < outcome->n_parts; i++)
    cw_trajectory_builder_add_part(builder, outcome->parts[i].name, outcome->parts[i].value);
  g_array_set_size(builder->facts, 0);
  for (guint i = 0; i < outcome->n_facts; i++)
    cw_trajectory_builder_add_fact(builder, outcome->facts[i].name, outcome->facts[i].text);
}

void cw_trajectory_builder_set_group(CwTrajectoryBuilder *builder, guint64 group)
{
  builder->owned->trajectory.group = group;
}

void cw_trajectory_builder_set_result(CwTrajectoryBuilder *builder, double total_reward, gboolean success)
{
  builder->owned->trajectory.total_reward = total_reward;
  builder->owned->trajectory.success = success;
}

CwTrajectory *cw_trajectory_builder_finish(CwTrajectoryBuilder *builder)
{
  CwTrajectory *trajectory = &builder->owned->trajectory;
  trajectory->n_steps = builder->blocks->len;
  trajectory->n_parts = builder->parts->len;
  /* The step is a block's first member, so the array of blocks is one of steps. */
  trajectory->steps = (const CwStep *const *)g_ptr_array_free(builder->blocks, FALSE);
  trajectory->parts = (const CwNamedValue *)g_array_free(builder->parts, FALSE);
  trajectory->n_facts = builder->facts->len;
  trajectory->facts = (const CwNamedText *)g_array_free(builder->facts, FALSE);
  g_free(builder);
  return trajectory;
}

void cw_trajectory_builder_free(CwTrajectoryBuilder *builder)
{
  if (builder)
    cw_trajectory_free(cw_trajectory_builder_finish(builder));
}

void cw_trajectory_free(CwTrajectory *trajectory)
{
  OwnedTrajectory *owned = (OwnedTrajectory *)trajectory;
  if (!trajectory)
    return;
  for (guint i = 0; i < trajectory->n_steps; i++) {
    g_free((gpointer)trajectory->steps[i]->probabilities);
    g_free((gpointer)trajectory->steps[i]);
  }
  g_free((gpointer)trajectory->steps);
  g_free((gpointer)trajectory->parts);
  g_free((gpointer)trajectory->facts);
  cw_string_pool_unref(owned->pool);
  g_free(owned);
}
