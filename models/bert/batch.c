/* Builds batches in arrays that are kept from batch to batch. The token cache owns the tokens; a builder
 * borrows them while texts are added. */
#include "models/bert/batch.h"
#include <string.h>

/* Beyond this many bytes the cache starts anew: enough for every title and button of a large shop's sessions.
 */
#define CACHE_BYTES ((gsize)64 << 20)

#define FEWEST_SLOTS 64

struct BertTokenCache {
  BertTextRules rules;
  GHashTable *states, *actions; /* text -> BertTokens */
  gsize n_bytes;
  GString *normalised;
  GArray *ids;
};

struct BertBatchBuilder {
  gboolean shares;
  GArray *slots; /* guint32: a hash table of text + 1, by text_hash; 0: free; a power of two of them */
  GArray *counts;
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

BertBatchBuilder *bert_batch_builder_new(gboolean shares)
{
  BertBatchBuilder *builder = g_new0(BertBatchBuilder, 1);
  builder->shares = shares;
  GArray **arrays[] = {&builder->ids,        &builder->row_text,       &builder->text_start,
                       &builder->text_order, &builder->decision_state, &builder->decision_pair,
                       &builder->pair_text,  &builder->pair_start,     &builder->slots,
                       &builder->counts};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    *arrays[i] = g_array_new(FALSE, FALSE, sizeof(guint32));
  builder->text_hash = g_array_new(FALSE, FALSE, sizeof(guint64));
  g_array_set_size(builder->slots, FEWEST_SLOTS);
  bert_batch_builder_clear(builder);
  return builder;
}

void bert_batch_builder_free(BertBatchBuilder *builder)
{
  if (!builder)
    return;
  GArray *arrays[] = {builder->ids,        builder->row_text,       builder->text_start,
                      builder->text_order, builder->decision_state, builder->decision_pair,
                      builder->pair_text,  builder->pair_start,     builder->text_hash,
                      builder->slots,      builder->counts};
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
  memset(builder->slots->data, 0, builder->slots->len * sizeof(guint32));
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

/* The slot of the text with these ids, or the free one where it belongs. */
static guint32 *find_slot(const BertBatchBuilder *builder, const guint32 *ids, guint n_ids, guint64 hash)
{
  guint32 *slots = (guint32 *)(gpointer)builder->slots->data, mask = builder->slots->len - 1;
  for (guint32 i = (guint32)hash & mask;; i = (i + 1) & mask) {
    if (slots[i] == 0)
      return &slots[i];
    guint32 text = slots[i] - 1, first = g_array_index(builder->text_start, guint32, text);
    if (g_array_index(builder->text_hash, guint64, text) == hash &&
        g_array_index(builder->text_start, guint32, text + 1) - first == n_ids &&
        memcmp(&g_array_index(builder->ids, guint32, first), ids, n_ids * sizeof *ids) == 0)
      return &slots[i];
  }
}

static void double_slots(BertBatchBuilder *builder)
{
  g_array_set_size(builder->slots, 2 * builder->slots->len);
  memset(builder->slots->data, 0, builder->slots->len * sizeof(guint32));
  for (guint32 text = 0; text < builder->text_hash->len; text++) {
    guint32 first = g_array_index(builder->text_start, guint32, text);
    *find_slot(builder, &g_array_index(builder->ids, guint32, first),
               g_array_index(builder->text_start, guint32, text + 1) - first,
               g_array_index(builder->text_hash, guint64, text)) = text + 1;
  }
}

static guint32 add_text(BertBatchBuilder *builder, const BertTokens *tokens)
{
  if (!builder->shares)
    return append_text(builder, tokens->ids, tokens->n_ids, tokens->hash);
  guint32 *slot = find_slot(builder, tokens->ids, tokens->n_ids, tokens->hash);
  if (*slot > 0)
    return *slot - 1;
  guint32 text = append_text(builder, tokens->ids, tokens->n_ids, tokens->hash);
  *slot = text + 1;
  if (2 * builder->text_hash->len > builder->slots->len)
    double_slots(builder);
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

/* Texts sorted by length, longest first, equal lengths as they came: counting sort. */
static guint32 *sort_texts(BertBatchBuilder *builder)
{
  guint n_texts = builder->text_hash->len;
  const guint32 *start = (const guint32 *)(gpointer)builder->text_start->data;
  g_array_set_size(builder->counts, builder->longest + 1);
  g_array_set_size(builder->text_order, n_texts);
  guint32 *counts = (guint32 *)(gpointer)builder->counts->data,
          *order = (guint32 *)(gpointer)builder->text_order->data;
  memset(counts, 0, (builder->longest + 1) * sizeof *counts);
  for (guint i = 0; i < n_texts; i++)
    counts[start[i + 1] - start[i]]++;
  for (guint length = builder->longest + 1, before = 0; length-- > 0;) {
    guint count = counts[length];
    counts[length] = before;
    before += count;
  }
  for (guint32 i = 0; i < n_texts; i++)
    order[counts[start[i + 1] - start[i]]++] = i;
  return order;
}

const BertBatch *bert_batch_builder_finish(BertBatchBuilder *builder)
{
  guint n_texts = builder->text_hash->len;
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
      .text_order = sort_texts(builder),
      .decision_state = DATA(guint32, decision_state),
      .decision_pair = DATA(guint32, decision_pair),
      .pair_text = DATA(guint32, pair_text),
      .pair_start = DATA(guint32, pair_start),
  };
#undef DATA
  return &builder->batch;
}

const BertBatch *bert_batch_builder_select(BertBatchBuilder *builder, const BertBatch *batch,
                                           const guint8 *wanted)
{
  bert_batch_builder_clear(builder);
  for (guint i = 0; i < batch->n_texts; i++)
    if (wanted[i])
      append_text(builder, batch->ids + batch->text_start[i], batch->text_start[i + 1] - batch->text_start[i],
                  batch->text_hash[i]);
  return bert_batch_builder_finish(builder);
}
