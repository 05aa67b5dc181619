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
  gint references;
} OwnedTrajectory;

struct CwStringPool {
  GStringChunk *strings;
};

struct CwTrajectoryBuilder {
  OwnedTrajectory *owned;
  GPtrArray *blocks; /* StepBlock * */
  GArray *parts;     /* CwNamedValue */
  GArray *facts;     /* CwNamedText */
  StepBlock *after;  /* its decision is what was seen after the last step; NULL: nothing */
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
  owned->references = 1;
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

/* The decision that an observation asks for after the steps so far; the step is zeroed. */
static StepBlock *new_block(CwTrajectoryBuilder *builder, const CwObservation *observation)
{
  const CwTrajectory *trajectory = &builder->owned->trajectory;
  CwStringPool *pool = builder->owned->pool;
  StepBlock *block = g_malloc0(sizeof(StepBlock) + observation->n_candidates * sizeof(char *));
  for (guint i = 0; i < observation->n_candidates; i++)
    block->candidates[i] = keep(pool, observation->candidates[i]);
  block->decision = (CwDecision){
      .struct_size = sizeof(CwDecision),
      .observation = keep(pool, observation->text),
      .candidates = block->candidates,
      .n_candidates = observation->n_candidates,
      .step = trajectory->first_step + builder->blocks->len,
      .episode = trajectory->episode,
      .instruction = observation->instruction ? keep(pool, observation->instruction) : NULL,
      .n_history = builder->blocks->len,
  };
  return block;
}

void cw_trajectory_builder_decide(CwTrajectoryBuilder *builder, const CwObservation *observation,
                                  guint chosen, float log_probability, float value)
{
  g_return_if_fail(chosen < observation->n_candidates || chosen == CW_WORDS);
  StepBlock *block = new_block(builder, observation);
  block->step = (CwStep){
      .struct_size = sizeof(CwStep),
      .decision = &block->decision,
      .chosen = chosen,
      .log_probability = log_probability,
      .value = value,
      .action = chosen == CW_WORDS ? "" : block->candidates[chosen],
  };
  g_ptr_array_add(builder->blocks, block);
}

void cw_trajectory_builder_set_words(CwTrajectoryBuilder *builder, const char *words, const char *prompt,
                                     const char *answer)
{
  g_return_if_fail(builder->blocks->len > 0);
  StepBlock *block = builder->blocks->pdata[builder->blocks->len - 1];
  CwStringPool *pool = builder->owned->pool;
  if (words)
    block->step.action = keep(pool, words);
  block->step.prompt = prompt ? keep(pool, prompt) : NULL;
  block->step.answer = answer ? keep(pool, answer) : NULL;
}

void cw_trajectory_builder_after(CwTrajectoryBuilder *builder, const CwObservation *observation)
{
  g_free(builder->after);
  builder->after = new_block(builder, observation);
}

/* The step is a block's first member, so the array of blocks is one of steps. */
const CwStep *const *cw_trajectory_builder_history(CwTrajectoryBuilder *builder, guint *n)
{
  *n = builder->blocks->len;
  return (const CwStep *const *)builder->blocks->pdata;
}

void cw_trajectory_builder_set_first_step(CwTrajectoryBuilder *builder, guint first_step)
{
  builder->owned->trajectory.first_step = first_step;
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

GArray *cw_outcome_facts(const CwOutcome *outcome)
{
  const CwNamedText typed[] = {
      {"category", outcome->category}, {"target", outcome->target}, {"item", outcome->item}};
  GArray *facts = g_array_new(FALSE, FALSE, sizeof(CwNamedText));
  for (guint i = 0; i < G_N_ELEMENTS(typed); i++)
    if (typed[i].text)
      g_array_append_val(facts, typed[i]);
  if (outcome->facts)
    g_array_append_vals(facts, outcome->facts, outcome->n_facts);
  return facts;
}

void cw_trajectory_builder_outcome(CwTrajectoryBuilder *builder, const CwOutcome *outcome)
{
  g_return_if_fail(builder->blocks->len > 0);
  StepBlock *block = builder->blocks->pdata[builder->blocks->len - 1];
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
  g_autoptr(GArray) facts = cw_outcome_facts(outcome);
  for (guint i = 0; i < facts->len; i++) {
    const CwNamedText *fact = &g_array_index(facts, CwNamedText, i);
    cw_trajectory_builder_add_fact(builder, fact->name, fact->text);
  }
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

static const char *fact_named(const CwTrajectory *trajectory, const char *name)
{
  for (guint i = 0; i < trajectory->n_facts; i++)
    if (g_str_equal(trajectory->facts[i].name, name))
      return trajectory->facts[i].text;
  return NULL;
}

CwTrajectory *cw_trajectory_builder_finish(CwTrajectoryBuilder *builder)
{
  CwTrajectory *trajectory = &builder->owned->trajectory;
  trajectory->n_steps = builder->blocks->len;
  trajectory->n_parts = builder->parts->len;
  trajectory->steps = (const CwStep *const *)g_ptr_array_free(builder->blocks, FALSE);
  for (guint i = 0; i < trajectory->n_steps; i++)
    ((StepBlock *)trajectory->steps[i])->decision.history = trajectory->steps;
  if (builder->after) {
    builder->after->decision.history = trajectory->steps;
    trajectory->after = &builder->after->decision;
  }
  trajectory->parts = (const CwNamedValue *)g_array_free(builder->parts, FALSE);
  trajectory->n_facts = builder->facts->len;
  trajectory->facts = (const CwNamedText *)g_array_free(builder->facts, FALSE);
  trajectory->category = fact_named(trajectory, "category");
  trajectory->target = fact_named(trajectory, "target");
  trajectory->item = fact_named(trajectory, "item");
  g_free(builder);
  return trajectory;
}

void cw_trajectory_builder_free(CwTrajectoryBuilder *builder)
{
  if (builder)
    cw_trajectory_unref(cw_trajectory_builder_finish(builder));
}

const CwTrajectory *cw_trajectory_ref(const CwTrajectory *trajectory)
{
  g_atomic_int_inc(&((OwnedTrajectory *)trajectory)->references);
  return trajectory;
}

void cw_trajectory_unref(const CwTrajectory *trajectory)
{
  OwnedTrajectory *owned = (OwnedTrajectory *)trajectory;
  if (!trajectory || !g_atomic_int_dec_and_test(&owned->references))
    return;
  for (guint i = 0; i < trajectory->n_steps; i++) {
    g_free((gpointer)trajectory->steps[i]->probabilities);
    g_free((gpointer)trajectory->steps[i]);
  }
  g_free((gpointer)trajectory->steps);
  g_free((gpointer)trajectory->parts);
  g_free((gpointer)trajectory->facts);
  if (trajectory->after)
    g_free((char *)trajectory->after - offsetof(StepBlock, decision));
  cw_string_pool_unref(owned->pool);
  g_free(owned);
}

static CwObservation observation_of(const CwDecision *decision)
{
  return (CwObservation){.struct_size = sizeof(CwObservation),
                         .text = decision->observation,
                         .candidates = decision->candidates,
                         .n_candidates = decision->n_candidates,
                         .instruction = decision->instruction};
}

static void copy_step(CwTrajectoryBuilder *builder, const CwStep *step)
{
  CwObservation observation = observation_of(step->decision);
  cw_trajectory_builder_decide(builder, &observation, step->chosen, step->log_probability, step->value);
  cw_trajectory_builder_set_words(builder, step->chosen == CW_WORDS ? step->action : NULL, step->prompt,
                                  step->answer);
  if (step->probabilities)
    cw_trajectory_builder_set_probabilities(builder, step->probabilities);
  StepBlock *block = builder->blocks->pdata[builder->blocks->len - 1];
  block->step.reward = step->reward;
  block->step.terminated = step->terminated;
  block->step.truncated = step->truncated;
}

CwTrajectory *cw_trajectory_copy(const CwTrajectory *trajectory)
{
  CwTrajectoryBuilder *builder =
      cw_trajectory_builder_new(trajectory->split, trajectory->goal, trajectory->goal_id, trajectory->agent,
                                trajectory->episode, trajectory->seed);
  cw_trajectory_builder_set_first_step(builder, trajectory->first_step);
  cw_trajectory_builder_set_group(builder, trajectory->group);
  for (guint i = 0; i < trajectory->n_steps; i++)
    copy_step(builder, trajectory->steps[i]);
  for (guint i = 0; i < trajectory->n_parts; i++)
    cw_trajectory_builder_add_part(builder, trajectory->parts[i].name, trajectory->parts[i].value);
  for (guint i = 0; i < trajectory->n_facts; i++)
    cw_trajectory_builder_add_fact(builder, trajectory->facts[i].name, trajectory->facts[i].text);
  if (trajectory->after) {
    CwObservation observation = observation_of(trajectory->after);
    cw_trajectory_builder_after(builder, &observation);
  }
  cw_trajectory_builder_set_result(builder, trajectory->total_reward, trajectory->success);
  CwTrajectory *copy = cw_trajectory_builder_finish(builder);
  for (guint i = 0; i < trajectory->n_steps; i++) {
    gint advised = cw_step_advised(trajectory->steps[i]);
    if (advised >= 0)
      cw_trajectory_set_advice(copy, i, (guint)advised);
  }
  return copy;
}
