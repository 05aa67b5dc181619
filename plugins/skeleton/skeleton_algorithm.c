/* A skeleton to copy: REINFORCE (Williams 1992) in a page. Each update rolls out
 * some episodes, weighs every action by what its episode brought beyond the mean
 * of the batch, and takes one step. An algorithm sees logits and gives back
 * d(loss)/d(logit); what computes them is none of its business. */
#include <cartwright/cartwright.h>
#include <math.h>
#include <stddef.h>

#define BATCH 64 /* decisions in one forward, whatever the number of episodes */

typedef struct {
  gint64 updates, episodes;
  double learning_rate, clip;
} Options;

static const CwOption rows[] = {
    {.name = "updates",
     .type = CW_OPTION_INTEGER,
     .offset = offsetof(Options, updates),
     .default_value = "100",
     .minimum = 1,
     .maximum = 1e9,
     .help = "optimiser steps to take"},
    {.name = "episodes",
     .type = CW_OPTION_INTEGER,
     .offset = offsetof(Options, episodes),
     .default_value = "16",
     .minimum = 1,
     .maximum = 1e6,
     .help = "episodes rolled out for each update"},
    {.name = "learning_rate",
     .type = CW_OPTION_NUMBER,
     .offset = offsetof(Options, learning_rate),
     .default_value = "0.1",
     .minimum = 0,
     .maximum = 100,
     .flags = CW_OPTION_RESUME_SAFE,
     .help = "size of a step"},
    {.name = "clip",
     .type = CW_OPTION_NUMBER,
     .offset = offsetof(Options, clip),
     .default_value = "1",
     .minimum = 0,
     .maximum = 1e6,
     .help = "largest global norm of the gradient; 0: any"},
};

typedef struct {
  const Options *options;
  guint64 done; /* updates: all that a checkpoint has to keep */
} Reinforce;

static gpointer open_algorithm(gconstpointer options, GError **error)
{
  Reinforce *reinforce = g_new0(Reinforce, 1);

  (void)error;
  reinforce->options = options;
  return reinforce;
}

static guint64 needs(gconstpointer options)
{
  (void)options;
  return CW_NEEDS_TRAINING;
}

static gboolean collect(gpointer algorithm, CwCollectRequest *request, GError **error)
{
  (void)error;
  request->n_episodes = (guint)((Reinforce *)algorithm)->options->episodes;
  return TRUE;
}

/* Adds the gradient of -sum of weight log pi(chosen) over one batch of steps; returns that sum through loss.
 */
static gboolean add_batch(CwPolicy *policy, const GPtrArray *steps, const GArray *weights, guint start,
                          double *loss, GError **error)
{
  guint n = MIN(BATCH, steps->len - start), i, j;
  const CwDecision *decisions[BATCH] = {NULL};
  float *logits, *dlogits, *at;
  gboolean added;

  for (i = 0; i < n; i++)
    decisions[i] = ((const CwStep *)steps->pdata[start + i])->decision;
  logits = g_new(float, cw_count_logits(decisions, n));
  dlogits = g_new(float, cw_count_logits(decisions, n));
  added = cw_policy_forward(policy, decisions, n, logits, NULL, error);
  for (i = 0, at = logits; added && i < n; at += decisions[i++]->n_candidates) {
    double weight = g_array_index(weights, double, start + i);
    guint chosen = ((const CwStep *)steps->pdata[start + i])->chosen;

    cw_log_softmax(at, decisions[i]->n_candidates, at);
    *loss -= weight * at[chosen];
    for (j = 0; j < decisions[i]->n_candidates;
         j++) /* d(-log pi(chosen)) / d(logit j) = pi(j) - [j = chosen] */
      dlogits[at - logits + j] = (float)(weight * (exp(at[j]) - (j == chosen)));
  }
  added = added && cw_policy_backward(policy, dlogits, NULL, error);
  g_free(logits);
  g_free(dlogits);
  return added;
}

static gboolean update(gpointer algorithm, CwUpdate *context, gboolean *done, GError **error)
{
  Reinforce *reinforce = algorithm;
  const Options *options = reinforce->options;
  guint n_episodes = cw_update_n_episodes(context), i, j;
  GPtrArray *steps;
  GArray *weights;
  double mean = 0, loss = 0, norm = 0;
  gboolean updated = TRUE;

  *done = reinforce->done >= (guint64)options->updates;
  if (*done)
    return TRUE;
  if (n_episodes == 0) {
    g_set_error(error, CW_ALGORITHM_ERROR, CW_ERROR_FAILED,
                "expected %" G_GINT64_FORMAT " episodes, found none", options->episodes);
    return FALSE;
  }
  steps = g_ptr_array_new();
  weights = g_array_new(FALSE, FALSE, sizeof(double));
  for (i = 0; i < n_episodes; i++)
    mean += cw_update_episode(context, i)->total_reward / n_episodes;
  for (i = 0; i < n_episodes; i++) {
    const CwTrajectory *episode = cw_update_episode(context, i);
    double weight = (episode->total_reward - mean) / n_episodes;

    for (j = 0; j < episode->n_steps; j++) {
      g_ptr_array_add(steps, (gpointer)episode->steps[j]);
      g_array_append_val(weights, weight);
    }
  }
  for (i = 0; updated && i < steps->len; i += BATCH)
    updated = add_batch(cw_update_policy(context), steps, weights, i, &loss, error);
  updated = updated &&
            cw_policy_step(cw_update_policy(context), options->learning_rate, options->clip, &norm, error);
  g_ptr_array_free(steps, TRUE);
  g_array_free(weights, TRUE);
  if (!updated)
    return FALSE;
  cw_update_metric(context, "return", mean);
  cw_update_metric(context, "loss", loss);
  cw_update_metric(context, "gradient_norm", norm);
  reinforce->done++;
  *done = reinforce->done >= (guint64)options->updates;
  return TRUE;
}

static guint64 expected_updates(gpointer algorithm)
{
  return (guint64)((Reinforce *)algorithm)->options->updates;
}

static gboolean save(gpointer algorithm, GKeyFile *state, GError **error)
{
  (void)error;
  g_key_file_set_uint64(state, "algorithm", "done", ((Reinforce *)algorithm)->done);
  return TRUE;
}

static gboolean load(gpointer algorithm, GKeyFile *state, GError **error)
{
  GError *failure = NULL;
  guint64 done = g_key_file_get_uint64(state, "algorithm", "done", &failure);

  if (failure != NULL) {
    g_propagate_error(error, failure);
    return FALSE;
  }
  ((Reinforce *)algorithm)->done = done;
  return TRUE;
}

static const char *const metrics[] = {"return", "loss", "gradient_norm", NULL};

static const CwAlgorithmVtable vtable = {
    .open = open_algorithm,
    .close = g_free,
    .needs = needs,
    .collect = collect,
    .update = update,
    .expected_updates = expected_updates,
    .save = save,
    .load = load,
    .metrics = metrics,
};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_ALGORITHM,
     .name = "skeleton_algorithm",
     .summary = "REINFORCE with the batch's mean return as baseline: a skeleton to copy",
     .vtable = &vtable,
     .vtable_size = sizeof vtable,
     CW_FEATURE_OPTIONS(rows, Options)},
};

CW_PLUGIN("skeleton_algorithm", "1.0", "MIT", "A skeleton algorithm", features);
