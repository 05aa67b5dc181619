/* Tensors, logits, values and their gradients. Every decision is computed by itself, in one order, with sums
 * in double precision: batches have no say in the result. */
#include "models/linear/model.h"

#include <math.h>
#include <string.h>

LinearModel *linear_model_new(guint32 buckets, gboolean frozen, GError **error)
{
  LinearModel *model = g_new0(LinearModel, 1);
  model->buckets = buckets;
  model->n_parameters = linear_tensor_start(model, LINEAR_N_TENSORS);
  float **vectors[] = {&model->weights, &model->gradient, &model->first_moment, &model->second_moment};
  guint n_vectors = frozen ? 1 : G_N_ELEMENTS(vectors);
  for (guint i = 0; i < n_vectors; i++) {
    *vectors[i] = g_try_new0(float, model->n_parameters);
    if (*vectors[i])
      continue;
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FAILED,
                "there are not the %" G_GSIZE_FORMAT " MiB of memory that %u buckets take; lower buckets",
                n_vectors * (model->n_parameters * sizeof(float) >> 20), buckets);
    linear_model_free(model);
    return NULL;
  }
  return model;
}

void linear_model_free(LinearModel *model)
{
  if (!model)
    return;
  g_free(model->weights);
  g_free(model->gradient);
  g_free(model->first_moment);
  g_free(model->second_moment);
  g_free(model);
}

const char *linear_tensor_name(LinearTensor tensor)
{
  static const char *const names[LINEAR_N_TENSORS] = {
      [LINEAR_CANDIDATE] = "choice.candidate", [LINEAR_CROSS] = "choice.cross",
      [LINEAR_OVERLAP] = "choice.overlap",     [LINEAR_VALUE] = "value.observation",
      [LINEAR_VALUE_BIAS] = "value.bias",
  };

  return names[tensor];
}

gsize linear_tensor_size(const LinearModel *model, LinearTensor tensor)
{
  switch (tensor) {
  case LINEAR_OVERLAP:
    return LINEAR_OVERLAPS;
  case LINEAR_VALUE_BIAS:
    return 1;
  default:
    return model->buckets;
  }
}

gsize linear_tensor_start(const LinearModel *model, LinearTensor tensor)
{
  gsize start = 0;
  for (guint before = 0; before < tensor; before++)
    start += linear_tensor_size(model, before);
  return start;
}

void linear_model_randomize(LinearModel *model, guint32 seed, double scale)
{
  CwRandom *random = cw_random_new(seed, "linear weights", 0, 0);
  for (gsize i = 0; i < model->n_parameters; i++)
    model->weights[i] = (float)(scale * cw_random_normal(random));
  cw_random_free(random);
}

void linear_input_init(LinearInput *input, const CwDecision *decision)
{
  linear_words_init(&input->observation, decision->observation, FALSE);
  input->n_candidates = decision->n_candidates;
  input->candidates = g_new(LinearWords, decision->n_candidates);
  for (guint i = 0; i < decision->n_candidates; i++)
    linear_words_init(&input->candidates[i], decision->candidates[i], TRUE);
}

void linear_input_clear(LinearInput *input)
{
  for (guint i = 0; i < input->n_candidates; i++)
    linear_words_clear(&input->candidates[i]);
  g_free(input->candidates);
  linear_words_clear(&input->observation);
}

/* The whole does not count as a word here, hence n - 1. */
static void compute_overlaps(const LinearInput *input, const LinearWords *candidate,
                             float overlaps[LINEAR_OVERLAPS])
{
  guint words = candidate->n - 1;
  guint shared = MIN(linear_words_shared(&input->observation, candidate), words);
  overlaps[0] = words > 0 ? (float)shared / (float)words : 0;
  overlaps[1] = log1pf((float)shared);
  overlaps[2] = words > 0 && shared == words;
}

/* One over the square root of a count; 0 for none. */
static float scale_of(gsize n)
{
  return n > 0 ? 1 / sqrtf((float)n) : 0;
}

/* The weights of one word paired with every word of the observation. Four sums side by side, since additions
 * to one would wait for each other. */
static double sum_pairs(const float *cross, guint32 mask, const LinearWords *observation, guint32 word)
{
  double sums[4] = {0, 0, 0, 0};
  guint i;
  for (i = 0; i + 4 <= observation->n; i += 4) {
    sums[0] += cross[linear_words_pair(observation->hashes[i], word) & mask];
    sums[1] += cross[linear_words_pair(observation->hashes[i + 1], word) & mask];
    sums[2] += cross[linear_words_pair(observation->hashes[i + 2], word) & mask];
    sums[3] += cross[linear_words_pair(observation->hashes[i + 3], word) & mask];
  }
  for (; i < observation->n; i++)
    sums[i % 4] += cross[linear_words_pair(observation->hashes[i], word) & mask];
  return sums[0] + sums[1] + (sums[2] + sums[3]);
}

static float score_candidate(const LinearModel *model, const LinearInput *input, const LinearWords *candidate)
{
  const float *weights = model->weights + linear_tensor_start(model, LINEAR_CANDIDATE);
  const float *cross = model->weights + linear_tensor_start(model, LINEAR_CROSS);
  const float *overlap = model->weights + linear_tensor_start(model, LINEAR_OVERLAP);
  const LinearWords *observation = &input->observation;
  guint32 mask = model->buckets - 1;
  double of_words = 0, of_pairs = 0, logit;
  float overlaps[LINEAR_OVERLAPS];
  for (guint i = 0; i < candidate->n; i++) {
    guint32 word = candidate->hashes[i];
    of_words += weights[word & mask];
    of_pairs += sum_pairs(cross, mask, observation, word);
  }
  logit = of_words * scale_of(candidate->n) + of_pairs * scale_of((gsize)candidate->n * observation->n);
  compute_overlaps(input, candidate, overlaps);
  for (guint i = 0; i < LINEAR_OVERLAPS; i++)
    logit += overlap[i] * overlaps[i];
  return (float)logit;
}

void linear_model_forward(const LinearModel *model, const LinearInput *input, float *logits, float *value)
{
  const float *weights = model->weights + linear_tensor_start(model, LINEAR_VALUE);
  double sum = 0;
  for (guint i = 0; i < input->n_candidates; i++)
    logits[i] = score_candidate(model, input, &input->candidates[i]);
  if (!value)
    return;
  for (guint i = 0; i < input->observation.n; i++)
    sum += weights[input->observation.hashes[i] & (model->buckets - 1)];
  *value = (float)(sum * scale_of(input->observation.n) +
                   model->weights[linear_tensor_start(model, LINEAR_VALUE_BIAS)]);
}

static void add_candidate_gradient(LinearModel *model, const LinearInput *input, const LinearWords *candidate,
                                   float dlogit)
{
  float *weights = model->gradient + linear_tensor_start(model, LINEAR_CANDIDATE);
  float *cross = model->gradient + linear_tensor_start(model, LINEAR_CROSS);
  float *overlap = model->gradient + linear_tensor_start(model, LINEAR_OVERLAP);
  const LinearWords *observation = &input->observation;
  float dword = dlogit * scale_of(candidate->n);
  float dpair = dlogit * scale_of((gsize)candidate->n * observation->n);
  guint32 mask = model->buckets - 1;
  float overlaps[LINEAR_OVERLAPS];
  for (guint i = 0; i < candidate->n; i++) {
    guint32 word = candidate->hashes[i];
    weights[word & mask] += dword;
    for (guint j = 0; j < observation->n; j++)
      cross[linear_words_pair(observation->hashes[j], word) & mask] += dpair;
  }
  compute_overlaps(input, candidate, overlaps);
  for (guint i = 0; i < LINEAR_OVERLAPS; i++)
    overlap[i] += dlogit * overlaps[i];
}

void linear_model_backward(LinearModel *model, const LinearInput *input, const float *dlogits, float dvalue)
{
  float *weights = model->gradient + linear_tensor_start(model, LINEAR_VALUE);
  float dword = dvalue * scale_of(input->observation.n);
  for (guint i = 0; i < input->n_candidates; i++)
    add_candidate_gradient(model, input, &input->candidates[i], dlogits[i]);
  for (guint i = 0; i < input->observation.n; i++)
    weights[input->observation.hashes[i] & (model->buckets - 1)] += dword;
  model->gradient[linear_tensor_start(model, LINEAR_VALUE_BIAS)] += dvalue;
}
