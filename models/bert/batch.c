/* Builds batches in arrays that are kept from batch to batch. The token cache
 * owns the tokens; a builder borrows them while texts are added. */
#include "batch.h"
#include <string.h>

/* Beyond this many bytes the cache starts anew: enough for every title and button of a large shop's sessions. */
#define CACHE_BYTES ((gsize)64 << 20)

struct BertTokenCache {
  BertTextRules rules;
  GHashTable *states, *actions; /* text -> BertTokens */
  gsize n_bytes;
  GString *normalised;
  GArray *ids;
};

struct BertBatchBuilder {
  gboolean shares;
  GHashTable *texts; /* BertTokens -> index + 1 */
  guint n_action_rows, longest;
  GArray *ids, *row_text, *text_start, *text_hash, *text_order, *decision_state, *decision_pair, *pair_text,
      *pair_start;
  BertBatch batch;
};

BertTokenCache *bert_token_cache_new(const BertTextRules *rules)
{
  BertTokenCache *cache = g_new0(BertTokenCache, 1);
  cache->rules = *rules;
  cache->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  cache->actions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  cache->normalised = g_string_new(NULL);
  cache->ids = g_array_new(FALSE, FALSE, sizeof(guint32));
  return cache;
}

void bert_token_cache_free(BertTokenCache *cache)
{
  if (!cache)
    return;
  g_hash_table_destroy(cache->states);
  g_hash_table_destroy(cache->actions);
  g_string_free(cache->normalised, TRUE);
  g_array_free(cache->ids, TRUE);
  g_free(cache);
}

/* FNV-1a over the ids, then the finaliser of MurmurHash3, so that short texts differ in all bits. */
static guint64 hash_ids(const guint32 *ids, guint n_ids)
{
  guint64 hash = 14695981039346656037u;
  for (guint i = 0; i < n_ids; i++)
    hash = (hash ^ ids[i]) * 1099511628211u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

static const BertTokens *look_up(BertTokenCache *cache, GHashTable *table, const char *text, guint max_tokens,
                                 BertTruncation side)
{
  BertTokens *tokens = g_hash_table_lookup(table, text);
  if (tokens)
    return tokens;
  const char *source = text;
  if (cache->rules.normalises) {
    bert_normalise_text(text, cache->normalised);
    source = cache->normalised->str;
  }
  g_array_set_size(cache->ids, 0);
  guint n_ids = bert_tokenizer_encode(cache->rules.tokenizer, source, max_tokens, side, cache->ids);
  tokens = g_malloc(sizeof *tokens + n_ids * sizeof *tokens->ids);
  tokens->n_ids = n_ids;
  memcpy(tokens->ids, cache->ids->data, n_ids * sizeof *tokens->ids);
  tokens->hash = hash_ids(tokens->ids, n_ids);
  g_hash_table_insert(table, g_strdup(text), tokens);
  cache->n_bytes += strlen(text) + sizeof *tokens + n_ids * sizeof *tokens->ids + 64;
  return tokens;
}

const BertTokens *bert_token_cache_state(BertTokenCache *cache, const char *text)
{
  return look_up(cache, cache->states, text, cache->rules.max_state_tokens, cache->rules.truncate_state);
}

const BertTokens *bert_token_cache_action(BertTokenCache *cache, const char *text)
{
  return look_up(cache, cache->actions, text, cache->rules.max_action_tokens, cache->rules.truncate_action);
}

void bert_token_cache_trim(BertTokenCache *cache)
{
  if (cache->n_bytes <= CACHE_BYTES)
    return;
  g_hash_table_remove_all(cache->states);
  g_hash_table_remove_all(cache->actions);
  cache->n_bytes = 0;
}

static guint tokens_hash(gconstpointer key)
{
  const BertTokens *tokens = key;
  return (guint)tokens->hash;
}

static gboolean tokens_equal(gconstpointer a, gconstpointer b)
{
  const BertTokens *x = a, *y = b;
  return x == y ||
         (x->hash == y->hash && x->n_ids == y->n_ids && memcmp(x->ids, y->ids, x->n_ids * sizeof *x->ids) == 0);
}

BertBatchBuilder *bert_batch_builder_new(gboolean shares)
{
  BertBatchBuilder *builder = g_new0(BertBatchBuilder, 1);
  builder->shares = shares;
  builder->texts = g_hash_table_new(tokens_hash, tokens_equal);
  GArray **arrays[] = {&builder->ids,        &builder->row_text,       &builder->text_start,
                       &builder->text_order, &builder->decision_state, &builder->decision_pair,
                       &builder->pair_text,  &builder->pair_start};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    *arrays[i] = g_array_new(FALSE, FALSE, sizeof(guint32));
  builder->text_hash = g_array_new(FALSE, FALSE, sizeof(guint64));
  bert_batch_builder_clear(builder);
  return builder;
}

void bert_batch_builder_free(BertBatchBuilder *builder)
{
  if (!builder)
    return;
  g_hash_table_destroy(builder->texts);
  GArray *arrays[] = {builder->ids,        builder->row_text,       builder->text_start,
                      builder->text_order, builder->decision_state, builder->decision_pair,
                      builder->pair_text,  builder->pair_start,     builder->text_hash};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_array_free(arrays[i], TRUE);
  g_free(builder);
}

static void append(GArray *array, guint32 value)
{
  g_array_append_val(array, value);
}

void bert_batch_builder_clear(BertBatchBuilder *builder)
{
  g_hash_table_remove_all(builder->texts);
  GArray *arrays[] = {builder->ids,        builder->row_text,       builder->text_start,
                      builder->text_order, builder->decision_state, builder->decision_pair,
                      builder->pair_text,  builder->pair_start,     builder->text_hash};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_array_set_size(arrays[i], 0);
  append(builder->text_start, 0);
  append(builder->decision_pair, 0);
  append(builder->pair_start, 0);
  builder->n_action_rows = 0;
  builder->longest = 0;
}

static guint32 append_text(BertBatchBuilder *builder, const guint32 *ids, guint n_ids, guint64 hash)
{
  guint32 text = builder->text_hash->len;
  g_array_append_vals(builder->ids, ids, n_ids);
  for (guint i = 0; i < n_ids; i++)
    append(builder->row_text, text);
  append(builder->text_start, builder->ids->len);
  g_array_append_val(builder->text_hash, hash);
  builder->longest = MAX(builder->longest, n_ids);
  return text;
}

static guint32 add_text(BertBatchBuilder *builder, const BertTokens *tokens)
{
  guint32 found = GPOINTER_TO_UINT(builder->shares ? g_hash_table_lookup(builder->texts, tokens) : NULL);
  if (found > 0)
    return found - 1;
  guint32 text = append_text(builder, tokens->ids, tokens->n_ids, tokens->hash);
  if (builder->shares)
    g_hash_table_insert(builder->texts, (gpointer)tokens, GUINT_TO_POINTER(text + 1));
  return text;
}

void bert_batch_builder_add(BertBatchBuilder *builder, BertTokenCache *cache, const CwDecision *decision)
{
  append(builder->decision_state, add_text(builder, bert_token_cache_state(cache, decision->observation)));
  for (guint i = 0; i < decision->n_candidates; i++) {
    const BertTokens *tokens = bert_token_cache_action(cache, decision->candidates[i]);
    append(builder->pair_text, add_text(builder, tokens));
    builder->n_action_rows += tokens->n_ids;
    append(builder->pair_start, builder->n_action_rows);
  }
  append(builder->decision_pair, builder->pair_text->len);
}

guint bert_batch_builder_n_rows(const BertBatchBuilder *builder)
{
  return builder->ids->len;
}

guint bert_batch_builder_n_action_rows(const BertBatchBuilder *builder)
{
  return builder->n_action_rows;
}

static gint by_length(gconstpointer a, gconstpointer b, gpointer data)
{
  const guint32 *start = data;
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
  guint32 x_length = start[x + 1] - start[x], y_length = start[y + 1] - start[y];
  return x_length != y_length ? (x_length < y_length ? 1 : -1) : (x < y ? -1 : x > y);
}

const BertBatch *bert_batch_builder_finish(BertBatchBuilder *builder)
{
  guint n_texts = builder->text_hash->len;
  g_array_set_size(builder->text_order, n_texts);
  guint32 *order = (guint32 *)(gpointer)builder->text_order->data;
  for (guint32 i = 0; i < n_texts; i++)
    order[i] = i;
  g_qsort_with_data(order, (gint)n_texts, sizeof *order, by_length, builder->text_start->data);
#define DATA(type, array) ((type *)(gpointer)builder->array->data)
  builder->batch = (BertBatch){
      .n_texts = n_texts,
      .n_rows = builder->ids->len,
      .n_pairs = builder->pair_text->len,
      .n_action_rows = builder->n_action_rows,
      .n_decisions = builder->decision_state->len,
      .longest = builder->longest,
      .ids = DATA(guint32, ids),
      .row_text = DATA(guint32, row_text),
      .text_start = DATA(guint32, text_start),
      .text_hash = DATA(guint64, text_hash),
      .text_order = order,
      .decision_state = DATA(guint32, decision_state),
      .decision_pair = DATA(guint32, decision_pair),
      .pair_text = DATA(guint32, pair_text),
      .pair_start = DATA(guint32, pair_start),
  };
#undef DATA
  return &builder->batch;
}

const BertBatch *bert_batch_builder_select(BertBatchBuilder *builder, const BertBatch *batch, const guint8 *wanted)
{
  bert_batch_builder_clear(builder);
  for (guint i = 0; i < batch->n_texts; i++)
    if (wanted[i])
      append_text(builder, batch->ids + batch->text_start[i], batch->text_start[i + 1] - batch->text_start[i],
                  batch->text_hash[i]);
  return bert_batch_builder_finish(builder);
}
