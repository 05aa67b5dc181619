/* Scoring with a memory. While the weights stay as they are, a decision that was scored before is looked up,
 * and of any other only the texts that the encoder has not met since then go through it. The encoder treats
 * every text as if it were alone, so what is remembered is bit for bit what would be computed. */
#include "models/bert/cache.h"
#include "models/bert_cpu/policy.h"
#include <math.h>
#include <string.h>

/* The part of the memory that is for whole decisions: they are small. */
#define DECISIONS_SHARE 4

/* A decision of the batch: its index in the call, and where its logits go. */
typedef struct {
  guint decision, first_logit;
} Pending;

struct BertScore {
  gsize limit;
  guint64 version;      /* of the network that the memory belongs to */
  BertCache *decisions; /* observation and candidates -> logits and value, NaN if that was not wanted */
  BertCache *texts;     /* ids of a candidate -> the last layer's output */
  BertBatchBuilder *builder, *encoder_builder;
  BertWorkspace *workspace;
  GString *key;
  GArray *pending; /* Pending */
  guint64 n_decisions, n_decisions_found, n_texts, n_texts_found, n_tokens, n_tokens_found;
};

/* What is being scored. */
typedef struct {
  BertCpu *policy;
  const CwDecision *const *decisions;
  float *logits, *values;
} Call;

BertScore *bert_score_new(gsize limit)
{
  BertScore *score = g_new0(BertScore, 1);
  score->limit = limit;
  score->decisions = bert_cache_new(limit / DECISIONS_SHARE);
  score->texts = bert_cache_new(limit - limit / DECISIONS_SHARE);
  score->builder = bert_batch_builder_new(TRUE);
  score->encoder_builder = bert_batch_builder_new(FALSE);
  score->workspace = bert_workspace_new();
  score->key = g_string_new(NULL);
  score->pending = g_array_new(FALSE, FALSE, sizeof(Pending));
  return score;
}

void bert_score_free(BertScore *score)
{
  if (!score)
    return;
  bert_cache_free(score->decisions);
  bert_cache_free(score->texts);
  bert_batch_builder_free(score->builder);
  bert_batch_builder_free(score->encoder_builder);
  bert_workspace_free(score->workspace);
  g_string_free(score->key, TRUE);
  g_array_free(score->pending, TRUE);
  g_free(score);
}

gsize bert_score_limit(const BertScore *score)
{
  return score->limit;
}

/* The texts of a decision, each with its end. */
static void make_key(const CwDecision *decision, GString *key)
{
  g_string_truncate(key, 0);
  g_string_append_len(key, decision->observation, (gssize)strlen(decision->observation) + 1);
  for (guint i = 0; i < decision->n_candidates; i++)
    g_string_append_len(key, decision->candidates[i], (gssize)strlen(decision->candidates[i]) + 1);
}

static gboolean recall_decision(const Call *call, Pending at)
{
  BertScore *score = call->policy->score;
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
  score->n_decisions_found++;
  return TRUE;
}

static void remember_decision(const Call *call, Pending at)
{
  BertScore *score = call->policy->score;
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

/* Encodes the texts of the batch that are not remembered. What is returned says where each text's states are;
 * `wanted` (n_texts) gets which were encoded now. */
static const float **encode(BertCpu *policy, BertPass *pass, const BertBatch *batch, guint8 *wanted)
{
  BertScore *score = policy->score;
  gsize h = policy->shared->layout->config.hidden_size;
  const float **states = bert_take(pass->workspace, const float *, batch->n_texts);
  for (guint i = 0; i < batch->n_texts; i++) {
    guint n_ids = batch->text_start[i + 1] - batch->text_start[i];
    states[i] =
        bert_cache_find(score->texts, batch->ids + batch->text_start[i], n_ids * sizeof *batch->ids, NULL);
    wanted[i] = !states[i];
    score->n_texts_found += !wanted[i];
    score->n_tokens_found += wanted[i] ? 0 : n_ids;
  }
  score->n_texts += batch->n_texts;
  score->n_tokens += batch->n_rows;
  pass->batch = bert_batch_builder_select(score->encoder_builder, batch, wanted);
  if (pass->batch->n_texts == 0)
    return states;
  policy->operations += bert_frozen_forward(policy->frozen, pass);
  for (guint i = 0, k = 0; i < batch->n_texts; i++)
    if (wanted[i])
      states[i] = pass->hidden_states + pass->batch->text_start[k++] * h;
  return states;
}

/* Keeps the candidates that were encoded now. A state comes with the same candidates again, if it comes
 * again, and then the decision is found: keeping its many rows would not pay. */
static void remember_candidates(BertCpu *policy, const BertBatch *batch, const float *const *states,
                                guint8 *wanted)
{
  gsize h = policy->shared->layout->config.hidden_size;
  for (guint pair = 0; pair < batch->n_pairs; pair++) {
    guint text = batch->pair_text[pair];
    gsize n_ids = batch->text_start[text + 1] - batch->text_start[text];
    float *kept = wanted[text] ? bert_cache_add(policy->score->texts, batch->ids + batch->text_start[text],
                                                n_ids * sizeof *batch->ids, n_ids * h)
                               : NULL;
    if (kept)
      memcpy(kept, states[text], n_ids * h * sizeof *kept);
    wanted[text] = 0;
  }
}

/* Scores the decisions that wait in the builder. */
static void run_batch(const Call *call)
{
  BertCpu *policy = call->policy;
  BertScore *score = policy->score;
  if (score->pending->len == 0)
    return;
  const BertBatch *batch = bert_batch_builder_finish(score->builder);
  bert_workspace_clear(score->workspace);
  BertPass pass = {.network = &policy->network, .workspace = score->workspace};
  guint8 *wanted = bert_take(pass.workspace, guint8, batch->n_texts);
  float *logits = bert_take(pass.workspace, float, batch->n_pairs);
  float *values = bert_take(pass.workspace, float, batch->n_decisions);
  pass.text_states = encode(policy, &pass, batch, wanted);
  pass.batch = batch;
  bert_head_forward(&pass, logits, call->values ? values : NULL);
  policy->operations += bert_head_operations(pass.network, batch);
  for (guint i = 0; i < score->pending->len; i++) {
    Pending at = g_array_index(score->pending, Pending, i);
    memcpy(call->logits + at.first_logit, logits + batch->decision_pair[i],
           call->decisions[at.decision]->n_candidates * sizeof *logits);
    if (call->values)
      call->values[at.decision] = values[i];
    if (score->limit > 0)
      remember_decision(call, at);
  }
  if (score->limit > 0)
    remember_candidates(policy, batch, pass.text_states, wanted);
  g_array_set_size(score->pending, 0);
  bert_batch_builder_clear(score->builder);
}

gboolean bert_cpu_score(BertCpu *policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                        float *values, GError **error)
{
  BertScore *score = policy->score;
  Call call = {policy, decisions, logits, values};
  guint n_logits = 0;
  if (score->version != policy->network.version) {
    bert_cache_clear(score->decisions);
    bert_cache_clear(score->texts);
    score->version = policy->network.version;
  }
  bert_token_cache_trim(policy->cache);
  bert_batch_builder_clear(score->builder);
  g_array_set_size(score->pending, 0);
  for (guint i = 0; i < n_decisions; i++) {
    Pending at = {i, n_logits};
    n_logits += decisions[i]->n_candidates;
    if (recall_decision(&call, at))
      continue;
    bert_batch_builder_add(score->builder, policy->cache, decisions[i]);
    g_array_append_val(score->pending, at);
    /* Shared texts make tokens cheap, but every pair has rows of its own in the head. */
    if (bert_batch_builder_n_rows(score->builder) >= policy->score_batch_tokens ||
        bert_batch_builder_n_action_rows(score->builder) / 4 >= policy->score_batch_tokens)
      run_batch(&call);
  }
  run_batch(&call);
  return bert_cpu_check_finite(policy, "logit", logits, n_logits, error) &&
         (!values || bert_cpu_check_finite(policy, "value", values, n_decisions, error));
}

const CwNamedValue *bert_cpu_counters(BertCpu *policy)
{
  const BertScore *score = policy->score;
  const BertFrozenCounts *frozen = bert_frozen_counts(policy->frozen);
  const CwNamedValue counters[BERT_N_COUNTERS] = {{"score/decisions", (double)score->n_decisions},
                                                  {"score/decisions_found", (double)score->n_decisions_found},
                                                  {"score/texts", (double)score->n_texts},
                                                  {"score/texts_found", (double)score->n_texts_found},
                                                  {"score/tokens", (double)score->n_tokens},
                                                  {"score/tokens_found", (double)score->n_tokens_found},
                                                  {"frozen_texts", (double)frozen->n_texts},
                                                  {"frozen_texts_found", (double)frozen->n_texts_found},
                                                  {"frozen_tokens", (double)frozen->n_tokens},
                                                  {"frozen_tokens_found", (double)frozen->n_tokens_found},
                                                  {"operations", policy->operations}};
  memcpy(policy->counters, counters, sizeof counters);
  return policy->counters;
}
