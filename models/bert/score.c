/* Scoring with a memory of whole decisions: they are small. A device computes a decision's logits as if it
 * were alone (BertDevice.scores_repeat), so what is remembered is bit for bit what would be computed. */
#include "models/bert/score.h"
#include "models/bert/cache.h"
#include <math.h>
#include <string.h>

/* A decision of the batch: its index in the call, and where its logits go. */
typedef struct {
  guint decision, first_logit;
} Pending;

struct BertScore {
  const BertDevice *device;
  gpointer object; /* the device's, borrowed */
  guint batch_tokens;
  gsize limit;
  guint64 version;      /* of the weights that the memory belongs to */
  BertCache *decisions; /* observation and candidates -> logits and value, NaN if that was not wanted */
  BertBatchBuilder *builder;
  GString *key;
  GArray *pending; /* Pending */
  GArray *results; /* float: logits and values of a batch */
  guint64 n_decisions, n_found;
};

/* What is being scored. */
typedef struct {
  BertScore *score;
  const CwDecision *const *decisions;
  float *logits, *values;
} Call;

BertScore *bert_score_new(const BertDevice *device, gpointer object, guint batch_tokens, gsize limit)
{
  BertScore *score = g_new0(BertScore, 1);
  score->device = device;
  score->object = object;
  score->batch_tokens = batch_tokens;
  score->limit = limit;
  score->decisions = bert_cache_new(limit);
  score->builder = bert_batch_builder_new(TRUE);
  score->key = g_string_new(NULL);
  score->pending = g_array_new(FALSE, FALSE, sizeof(Pending));
  score->results = g_array_new(FALSE, FALSE, sizeof(float));
  return score;
}

BertScore *bert_score_copy(const BertScore *score, gpointer object)
{
  return bert_score_new(score->device, object, score->batch_tokens, score->limit);
}

void bert_score_free(BertScore *score)
{
  if (!score)
    return;
  bert_cache_free(score->decisions);
  bert_batch_builder_free(score->builder);
  g_string_free(score->key, TRUE);
  g_array_free(score->pending, TRUE);
  g_array_free(score->results, TRUE);
  g_free(score);
}

/* The texts of a decision, each with its end. */
static void make_key(const CwDecision *decision, GString *key)
{
  g_string_truncate(key, 0);
  g_string_append_len(key, decision->observation, (gssize)strlen(decision->observation) + 1);
  for (guint i = 0; i < decision->n_candidates; i++)
    g_string_append_len(key, decision->candidates[i], (gssize)strlen(decision->candidates[i]) + 1);
}

static gboolean recall(const Call *call, Pending at)
{
  BertScore *score = call->score;
  guint n = call->decisions[at.decision]->n_candidates;
  score->n_decisions++;
  if (score->limit == 0)
    return FALSE;
  make_key(call->decisions[at.decision], score->key);
  const float *found = bert_cache_find(score->decisions, score->key->str, score->key->len, NULL);
  if (!found || (call->values && isnan(found[n])))
    return FALSE;
  memcpy(call->logits + at.first_logit, found, n * sizeof *found);
  if (call->values)
    call->values[at.decision] = found[n];
  score->n_found++;
  return TRUE;
}

static void remember(const Call *call, Pending at)
{
  BertScore *score = call->score;
  guint n = call->decisions[at.decision]->n_candidates;
  for (guint i = 0; i < n; i++)
    if (!isfinite(call->logits[at.first_logit + i]))
      return;
  make_key(call->decisions[at.decision], score->key);
  float *kept = bert_cache_add(score->decisions, score->key->str, score->key->len, n + 1);
  if (!kept)
    return;
  memcpy(kept, call->logits + at.first_logit, n * sizeof *kept);
  kept[n] = call->values ? call->values[at.decision] : NAN;
}

/* Scores the decisions that wait in the builder. */
static gboolean run_batch(const Call *call, GError **error)
{
  BertScore *score = call->score;
  if (score->pending->len == 0)
    return TRUE;
  const BertBatch *batch = bert_batch_builder_finish(score->builder);
  g_array_set_size(score->results, batch->n_pairs + batch->n_decisions);
  float *logits = (float *)(gpointer)score->results->data, *values = logits + batch->n_pairs;
  if (!score->device->score(score->object, batch, logits, call->values ? values : NULL, error))
    return FALSE;
  for (guint i = 0; i < score->pending->len; i++) {
    Pending at = g_array_index(score->pending, Pending, i);
    memcpy(call->logits + at.first_logit, logits + batch->decision_pair[i],
           call->decisions[at.decision]->n_candidates * sizeof *logits);
    if (call->values)
      call->values[at.decision] = values[i];
    if (score->limit > 0)
      remember(call, at);
  }
  g_array_set_size(score->pending, 0);
  bert_batch_builder_clear(score->builder);
  return TRUE;
}

gboolean bert_score_run(BertScore *score, BertTokenCache *cache, guint64 version,
                        const CwDecision *const *decisions, guint n_decisions, float *logits, float *values,
                        GError **error)
{
  Call call = {score, decisions, logits, values};
  guint n_logits = 0;
  if (score->version != version)
    bert_cache_clear(score->decisions);
  score->version = version;
  bert_token_cache_trim(cache);
  bert_batch_builder_clear(score->builder);
  g_array_set_size(score->pending, 0);
  for (guint i = 0; i < n_decisions; i++) {
    Pending at = {i, n_logits};
    n_logits += decisions[i]->n_candidates;
    if (recall(&call, at))
      continue;
    bert_batch_builder_add(score->builder, cache, decisions[i]);
    g_array_append_val(score->pending, at);
    /* Shared texts make tokens cheap, but every pair has rows of its own in the head. */
    if ((bert_batch_builder_n_rows(score->builder) >= score->batch_tokens ||
         bert_batch_builder_n_action_rows(score->builder) / 4 >= score->batch_tokens ||
         score->pending->len >= score->device->most_decisions) &&
        !run_batch(&call, error))
      return FALSE;
  }
  return run_batch(&call, error);
}

void bert_score_counts(const BertScore *score, guint64 *n_decisions, guint64 *n_found)
{
  *n_decisions = score->n_decisions;
  *n_found = score->n_found;
}
