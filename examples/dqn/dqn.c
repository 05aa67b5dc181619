/* Q-learning with a replay memory and a target network (Mnih et al. 2015), as a plugin out of the tree. The
 * policy's logits are taken for the values Q(s, a) of its actions, as they are. It acts greedily, but for a
 * share of decisions that falls; every decision is kept, and learnt from many times. What the memory holds is
 * a file of the checkpoint, so that a stopped run goes on to the same bytes. */
#include <cartwright/cartwright.h>
#include <math.h>

typedef struct {
  gint64 updates, episodes, steps, batch, capacity, n_step, target_every;
  double discount, target_share, epsilon, last_epsilon, falling;
  gboolean double_q, bootstrap;
  CwLearningOptions learning;
} Options;

static const CwOption options_rows[] = {
    CW_INTEGER(Options, updates, 200, 1, 1e9, "rounds of collecting episodes and learning"),
    CW_COUNT(Options, episodes, 8, 1, 1e6, "episodes", "episodes collected for each update"),
    CW_INTEGER(Options, steps, 16, 1, 1e6, "optimiser steps of an update"),
    CW_COUNT(Options, batch, 32, 1, 1e6, "decisions", "decisions in one step, drawn from all that are kept"),
    CW_COUNT(Options, capacity, 100000, 1, 1e9, "decisions", "the oldest episodes beyond it are forgotten"),
    CW_INTEGER(Options, n_step, 1, 1, 1000, "rewards that are summed before a value stands for the rest"),
    CW_COUNT(Options, target_every, 64, 1, 1e9, "steps", "how often the target network is moved"),
    CW_NUMBER(Options, target_share, 1, 0, 1, "how far it is moved to the policy; 1 copies"),
    CW_NUMBER(Options, discount, 0.95, 0, 1, "discount of rewards"),
    CW_NUMBER(Options, epsilon, 1, 0, 1, "share of random actions at the beginning"),
    CW_NUMBER(Options, last_epsilon, 0.05, 0, 1, "share of random actions at the end"),
    CW_NUMBER(Options, falling, 0.5, 0, 1, "share of the stage over which it falls from one to the other"),
    CW_BOOLEAN(Options, double_q, true, "let the policy choose the action that the target network values"),
    CW_BOOLEAN(Options, bootstrap, true, "an episode cut by the step limit would go on; false: it was over"),
    CW_TABLE(Options, learning, cw_learning_options),
    CW_DEFAULT("learning_rate", "0.01"),
    CW_DEFAULT("dropout", "false"),
};

typedef struct {
  gint64 updates, steps, learnt; /* optimiser steps; decisions learnt from */
  gint64 kept;                   /* episodes in the memory: as many as the file has */
  GPtrArray *memory;             /* const CwTrajectory *, the oldest first; NULL: none yet */
} State;

static const CwOption state_rows[] = {CW_KEEP_INTEGER(State, updates), CW_KEEP_INTEGER(State, steps),
                                      CW_KEEP_INTEGER(State, learnt), CW_KEEP_INTEGER(State, kept)};

enum { LOSS, Q, TARGET, RETURN, SUCCESS, EPSILON, KEPT, RATE, STEPS, DECISIONS };
static const CwMetric metrics[] = {
    {"loss", NULL, CW_LOWER_IS_BETTER},          {"q", NULL, CW_NEITHER_IS_BETTER},
    {"target", NULL, CW_NEITHER_IS_BETTER},      {"return", NULL, CW_HIGHER_IS_BETTER},
    {"success", NULL, CW_HIGHER_IS_BETTER},      {"epsilon", NULL, CW_NEITHER_IS_BETTER},
    {"kept", "decisions", CW_NEITHER_IS_BETTER}, {"learning_rate", NULL, CW_NEITHER_IS_BETTER},
    {"steps", NULL, CW_NEITHER_IS_BETTER},       {"decisions", "decisions", CW_NEITHER_IS_BETTER},
};

static const CwNetwork networks[] = {
    {"target", "values the actions that may follow; moved to the policy now and then", CW_POLICY_TRAINS}};

static void clear(gpointer state)
{
  g_clear_pointer(&((State *)state)->memory, g_ptr_array_unref);
}

static GPtrArray *memory_of(State *state)
{
  if (!state->memory)
    state->memory = g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
  return state->memory;
}

static double epsilon_now(const Options *options, const State *state)
{
  double done = (double)state->updates / (double)options->updates;
  double fallen = options->falling > 0 ? fmin(1, done / options->falling) : 1;
  return options->epsilon + fallen * (options->last_epsilon - options->epsilon);
}

static gboolean collect(gconstpointer data, gpointer state, CwCollectRequest *request,
                        GError **error G_GNUC_UNUSED)
{
  const Options *options = data;
  if (((State *)state)->updates < options->updates)
    request->n_episodes = (guint)options->episodes;
  request->greedy = TRUE;
  request->epsilon = epsilon_now(options, state);
  request->keep_after = options->bootstrap;
  return TRUE;
}

/* A decision of the memory. */
typedef struct {
  const CwTrajectory *episode;
  guint step;
} Place;

/* Keeps this update's episodes and forgets the oldest ones that are too many. All decisions that are kept: to
 * be freed with g_array_unref. */
static GArray *remember(const Options *options, State *state, CwUpdate *update)
{
  GPtrArray *memory = memory_of(state);
  GArray *places = g_array_new(FALSE, FALSE, sizeof(Place));
  guint64 n = 0;
  guint first;
  for (guint i = 0; i < cw_update_n_episodes(update); i++)
    g_ptr_array_add(memory, (gpointer)cw_trajectory_ref(cw_update_episode(update, i)));
  for (first = memory->len; first > 0; first--) {
    n += ((const CwTrajectory *)memory->pdata[first - 1])->n_steps;
    if (n > (guint64)options->capacity && first < memory->len)
      break;
  }
  g_ptr_array_remove_range(memory, 0, first);
  state->kept = memory->len;
  for (guint i = 0; i < memory->len; i++) {
    Place place = {memory->pdata[i], 0};
    for (; place.step < place.episode->n_steps; place.step++)
      if (place.episode->steps[place.step]->chosen != CW_WORDS)
        g_array_append_val(places, place);
  }
  return places;
}

/* One batch. `next` has a made-up step for each decision that is followed by another: `of` is which. */
typedef struct {
  guint n, n_next;
  const CwStep **steps, **next;
  CwStep *made;
  guint *of;
  double *target, *discount;
} Batch;

/* With n = n_step: target = r_t + ... + discount^(n-1) r_(t+n-1); what follows is worth discount^n max Q. */
static void add(Batch *batch, const Options *options, const Place *place)
{
  const CwTrajectory *episode = place->episode;
  guint i = batch->n++, at = place->step, end = (guint)MIN(episode->n_steps, at + options->n_step);
  double discount = 1;
  batch->steps[i] = episode->steps[at];
  for (batch->target[i] = 0; at < end; at++, discount *= options->discount)
    batch->target[i] += discount * episode->steps[at]->reward;
  const CwDecision *next = end < episode->n_steps ? episode->steps[end]->decision : episode->after;
  if (!next)
    return;
  batch->made[batch->n_next] = (CwStep){.struct_size = sizeof(CwStep), .decision = next};
  batch->next[batch->n_next] = &batch->made[batch->n_next];
  batch->discount[batch->n_next] = discount;
  batch->of[batch->n_next++] = i;
}

static gsize best(const CwScores *scores, guint i)
{
  gsize best = scores->first[i];
  for (gsize k = best; k < scores->first[i + 1]; k++)
    best = scores->logits[k] > scores->logits[best] ? k : best;
  return best;
}

/* Adds what follows to the targets: Q of the target network at its own best action, or at the policy's (van
 * Hasselt et al. 2016). */
static gboolean add_next(Batch *batch, const Options *options, CwUpdate *update, GError **error)
{
  CwItems items = {.steps = batch->next, .n = batch->n_next};
  g_auto(CwScores) target = {0};
  g_auto(CwScores) policy = {0};
  if (!cw_score(update, cw_update_network(update, "target"), &items, NULL, &options->learning, &target,
                error) ||
      (options->double_q && !cw_score(update, NULL, &items, NULL, &options->learning, &policy, error)))
    return FALSE;
  for (guint i = 0; i < batch->n_next; i++)
    batch->target[batch->of[i]] +=
        batch->discount[i] * target.logits[best(options->double_q ? &policy : &target, i)];
  return TRUE;
}

/* Huber's loss of Q(s, a) - target. */
static double loss(const CwView *view, CwSlopes *slopes, gconstpointer data)
{
  guint action = view->step->chosen;
  double target = ((const double *)data)[view->index], error = view->logits[action] - target;
  slopes->logits[action] = CLAMP(error, -1, 1);
  slopes->report[Q] = view->logits[action];
  slopes->report[TARGET] = target;
  return fabs(error) <= 1 ? 0.5 * error * error : fabs(error) - 0.5;
}

static gboolean learn(const Options *options, State *state, CwUpdate *update, const GArray *places,
                      double rate, CwSums *sums, GError **error)
{
  guint n = (guint)options->batch;
  g_autofree const CwStep **steps = g_new(const CwStep *, n), **next = g_new(const CwStep *, n);
  g_autofree CwStep *made = g_new(CwStep, n);
  g_autofree guint *of = g_new(guint, n);
  g_autofree double *target = g_new(double, n), *discount = g_new(double, n);
  Batch batch = {
      .steps = steps, .next = next, .made = made, .of = of, .target = target, .discount = discount};
  for (guint i = 0; i < n; i++)
    add(&batch, options,
        &g_array_index(places, Place, cw_random_below(cw_update_random(update), places->len)));
  CwItems items = {.steps = batch.steps, .n = n};
  if (!add_next(&batch, options, update, error) ||
      !cw_learn(update, NULL, &items, NULL, 0, &options->learning, rate, loss, target, sums, error))
    return FALSE;
  state->learnt += n;
  return ++state->steps % options->target_every != 0 ||
         cw_policy_blend(cw_update_network(update, "target"), cw_update_policy(update), options->target_share,
                         error);
}

static gboolean update_once(gconstpointer data, gpointer object, CwUpdate *update, gboolean *done,
                            GError **error)
{
  const Options *options = data;
  State *state = object;
  if (state->updates >= options->updates)
    return *done = TRUE;
  g_auto(CwSteps) steps = {0};
  if (!cw_update_steps(update, FALSE, &steps, error))
    return FALSE;
  double total = (double)options->updates, sum[TARGET + 1] = {0};
  double rate = cw_learning_rate(&options->learning, (double)state->updates / total,
                                 (double)(state->updates + 1) / total);
  g_autoptr(GArray) places = remember(options, state, update);
  for (gint64 i = 0; i < options->steps && places->len > 0; i++) {
    CwSums sums;
    if (!learn(options, state, update, places, rate, &sums, error))
      return FALSE;
    sum[LOSS] += sums.loss / (double)options->steps;
    sum[Q] += sums.sum[Q] / sums.n / (double)options->steps;
    sum[TARGET] += sums.sum[TARGET] / sums.n / (double)options->steps;
  }
  for (guint i = LOSS; i <= TARGET; i++)
    cw_update_record(update, i, sum[i]);
  cw_update_record(update, RETURN, cw_update_mean_return(update));
  cw_update_record(update, SUCCESS, cw_update_success(update));
  cw_update_record(update, EPSILON, epsilon_now(options, state));
  cw_update_record(update, KEPT, places->len);
  cw_update_record(update, RATE, rate);
  cw_update_record(update, STEPS, (double)state->steps);
  cw_update_record(update, DECISIONS, (double)state->learnt);
  *done = ++state->updates >= options->updates;
  return TRUE;
}

static gboolean save_files(gconstpointer options G_GNUC_UNUSED, gconstpointer data, const char *directory,
                           GError **error)
{
  const State *state = data;
  g_autofree char *path = g_build_filename(directory, "memory.jsonl", NULL);
  return state->kept == 0 || cw_trajectories_write(path, (const CwTrajectory *const *)state->memory->pdata,
                                                   state->memory->len, error);
}

static gboolean load_files(gconstpointer options G_GNUC_UNUSED, gpointer state, const char *directory,
                           GError **error)
{
  g_autofree char *path = g_build_filename(directory, "memory.jsonl", NULL);
  return ((State *)state)->kept == 0 || cw_trajectories_read(path, memory_of(state), error);
}

static guint64 expected_updates(gconstpointer options, gconstpointer state G_GNUC_UNUSED)
{
  return (guint64)((const Options *)options)->updates;
}

static const CwAlgorithmVtable vtable = {CW_STATE(State, state_rows),
                                         CW_METRICS(metrics),
                                         CW_NETWORKS(networks),
                                         .update = update_once,
                                         .collect = collect,
                                         .clear = clear,
                                         .expected_updates = expected_updates,
                                         .save_files = save_files,
                                         .load_files = load_files};

static const CwFeature features[] = {CW_ALGORITHM("dqn",
                                                  "Q-learning with a replay memory and a target network",
                                                  vtable, CW_NEEDS_TRAINING, Options, options_rows)};

CW_PLUGIN("dqn", "1.0", "MIT", "Deep Q-learning", features);
