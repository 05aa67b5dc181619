/* Tables for the kernels: tiles of attention, places of decisions, who uses which text, and the rows that
 * make up each row of the embeddings' gradients, in an order that depends on the batch alone. They travel in
 * one copy. */
#include "models/bert_cuda/plan.h"
#include <string.h>

/* Rows summed by one block. */
#define PIECE_ROWS 64

enum {
  IDS,
  ROW_TEXT,
  TEXT_START,
  TEXT_HASH,
  PAIR_START,
  TILES,
  PLACES,
  ACTION_SOURCE,
  ACTION_PLACE,
  STATE_SOURCE,
  USE_START,
  USES,
  SCATTER_ROWS,
  PIECES,
  TARGETS,
  OFFSETS,
  N_TABLES
};

struct BertPlan {
  const BertBatch *batch;
  GArray *tables[N_TABLES]; /* of guint32 unless `sizes` says otherwise */
  GArray *counts;           /* scratch */
  BertPlaced placed;
  char *pinned;
  gsize pinned_size;
};

static gsize item_size(guint table)
{
  return table == PLACES ? sizeof(BertDecisionPlace)
                         : (table == TEXT_HASH || table == OFFSETS ? sizeof(guint64) : sizeof(guint32));
}

BertPlan *bert_plan_new(void)
{
  BertPlan *plan = g_new0(BertPlan, 1);
  for (guint i = 0; i < N_TABLES; i++)
    plan->tables[i] = g_array_new(FALSE, FALSE, (guint)item_size(i));
  plan->counts = g_array_new(FALSE, TRUE, sizeof(guint32));
  return plan;
}

void bert_plan_free(BertPlan *plan)
{
  if (!plan)
    return;
  for (guint i = 0; i < N_TABLES; i++)
    g_array_free(plan->tables[i], TRUE);
  g_array_free(plan->counts, TRUE);
  if (plan->pinned)
    (void)cudaFreeHost(plan->pinned);
  g_free(plan);
}

static void append(BertPlan *plan, guint table, guint32 value)
{
  g_array_append_val(plan->tables[table], value);
}

static void copy(BertPlan *plan, guint table, gconstpointer data, guint n)
{
  g_array_append_vals(plan->tables[table], data, n);
}

static guint32 *zeroed_counts(BertPlan *plan, guint n)
{
  g_array_set_size(plan->counts, 0);
  g_array_set_size(plan->counts, n);
  return (guint32 *)(gpointer)plan->counts->data;
}

/* Longest texts first: their tiles take longest. */
static void add_tiles(BertPlan *plan, guint tile)
{
  const BertBatch *batch = plan->batch;
  for (guint i = 0; i < batch->n_texts; i++) {
    guint text = batch->text_order[i], length = batch->text_start[text + 1] - batch->text_start[text];
    for (guint first = 0; first < length; first += tile) {
      append(plan, TILES, text);
      append(plan, TILES, first);
    }
  }
  plan->placed.n_tiles = plan->tables[TILES]->len / 2;
}

static void add_decisions(BertPlan *plan)
{
  const BertBatch *batch = plan->batch;
  BertHead *head = &plan->placed.head;
  guint64 attention = 0;
  guint state_offset = 0;
  for (guint d = 0; d < batch->n_decisions; d++) {
    guint state = batch->decision_state[d], first = batch->pair_start[batch->decision_pair[d]];
    BertDecisionPlace place = {.state_row = batch->text_start[state],
                               .length = batch->text_start[state + 1] - batch->text_start[state],
                               .action_row = first,
                               .n_actions = batch->pair_start[batch->decision_pair[d + 1]] - first,
                               .state_offset = state_offset,
                               .attention = attention};
    g_array_append_val(plan->tables[PLACES], place);
    attention += (guint64)place.n_actions * place.length;
    state_offset += place.length;
    head->most_actions = MAX(head->most_actions, place.n_actions);
    head->longest_state = MAX(head->longest_state, place.length);
    for (guint i = 0; i < place.n_actions; i++)
      append(plan, ACTION_PLACE, d);
    for (guint i = 0; i < place.length; i++)
      append(plan, STATE_SOURCE, place.state_row + i);
  }
  for (guint pair = 0; pair < batch->n_pairs; pair++) {
    guint first = batch->text_start[batch->pair_text[pair]];
    for (guint i = 0; i < batch->pair_start[pair + 1] - batch->pair_start[pair]; i++)
      append(plan, ACTION_SOURCE, first + i);
  }
  plan->placed.n_attention = attention;
  head->n_state_rows = state_offset;
}

/* For every text the pairs and decisions that use it, in rising order. */
static void add_uses(BertPlan *plan)
{
  const BertBatch *batch = plan->batch;
  guint32 *position = zeroed_counts(plan, batch->n_texts + 1);
  for (guint i = 0; i < batch->n_pairs; i++)
    position[batch->pair_text[i] + 1]++;
  for (guint i = 0; i < batch->n_decisions; i++)
    position[batch->decision_state[i] + 1]++;
  for (guint i = 0; i < batch->n_texts; i++)
    position[i + 1] += position[i];
  copy(plan, USE_START, position, batch->n_texts + 1);
  g_array_set_size(plan->tables[USES], batch->n_pairs + batch->n_decisions);
  guint32 *uses = (guint32 *)(gpointer)plan->tables[USES]->data;
  for (guint i = 0; i < batch->n_pairs; i++)
    uses[position[batch->pair_text[i]]++] = i;
  for (guint i = 0; i < batch->n_decisions; i++)
    uses[position[batch->decision_state[i]]++] = batch->n_pairs + i;
}

/* The scatter rows first .. last-1 make up the gradient at `offset`. */
static void add_target(BertPlan *plan, guint first, guint last, guint64 offset)
{
  guint first_piece = plan->tables[PIECES]->len / 2;
  for (guint row = first; row < last; row += PIECE_ROWS) {
    append(plan, PIECES, row);
    append(plan, PIECES, MIN(PIECE_ROWS, last - row));
  }
  append(plan, TARGETS, first_piece);
  append(plan, TARGETS, plan->tables[PIECES]->len / 2 - first_piece);
  g_array_append_val(plan->tables[OFFSETS], offset);
}

static void add_scatter(BertPlan *plan, const BertParameters *parameters)
{
  const BertBatch *batch = plan->batch;
  gsize h = parameters->layout->config.hidden_size;
  guint vocabulary = parameters->layout->config.vocabulary_size;
  GArray *rows = plan->tables[SCATTER_ROWS];
  /* Words: rows sorted by id, equal ids in the order of rows. */
  guint32 *start = zeroed_counts(plan, vocabulary + 1);
  for (guint row = 0; row < batch->n_rows; row++)
    start[batch->ids[row] + 1]++;
  for (guint id = 0; id < vocabulary; id++)
    start[id + 1] += start[id];
  g_array_set_size(rows, batch->n_rows);
  guint32 *sorted = (guint32 *)(gpointer)rows->data;
  for (guint row = 0; row < batch->n_rows; row++)
    sorted[start[batch->ids[row]]++] = row; /* start[id] ends where id + 1 begins */
  guint64 words = (guint64)(parameters->word_embeddings - parameters->block);
  for (guint first = 0, last; first < batch->n_rows; first = last) {
    guint32 id = batch->ids[sorted[first]];
    last = start[id];
    add_target(plan, first, last, words + id * h);
  }
  guint64 positions = (guint64)(parameters->position_embeddings - parameters->block);
  for (guint position = 0; position < batch->longest; position++) {
    guint first = rows->len;
    for (guint i = 0; i < batch->n_texts; i++) {
      guint text = batch->text_order[i];
      if (batch->text_start[text + 1] - batch->text_start[text] <= position)
        break; /* the rest is shorter still */
      append(plan, SCATTER_ROWS, batch->text_start[text] + position);
    }
    add_target(plan, first, rows->len, positions + position * h);
  }
  guint first = rows->len;
  for (guint row = 0; row < batch->n_rows; row++)
    append(plan, SCATTER_ROWS, row);
  add_target(plan, first, rows->len, (guint64)(parameters->token_type_embeddings - parameters->block));
  plan->placed.scatter.n_pieces = plan->tables[PIECES]->len / 2;
  plan->placed.scatter.n_targets = plan->tables[TARGETS]->len / 2;
}

void bert_plan_make(BertPlan *plan, const BertBatch *batch, gboolean bf16, const BertParameters *embeddings)
{
  guint tile = bf16 ? BERT_ATTENTION_BF16_TILE : BERT_ATTENTION_TILE;
  plan->batch = batch;
  for (guint i = 0; i < N_TABLES; i++)
    g_array_set_size(plan->tables[i], 0);
  plan->placed = (BertPlaced){.head = {.n_rows = batch->n_rows,
                                       .n_texts = batch->n_texts,
                                       .n_decisions = batch->n_decisions,
                                       .n_pairs = batch->n_pairs,
                                       .n_action_rows = batch->n_action_rows}};
  copy(plan, IDS, batch->ids, batch->n_rows);
  copy(plan, ROW_TEXT, batch->row_text, batch->n_rows);
  copy(plan, TEXT_START, batch->text_start, batch->n_texts + 1);
  copy(plan, TEXT_HASH, batch->text_hash, batch->n_texts);
  copy(plan, PAIR_START, batch->pair_start, batch->n_pairs + 1);
  add_tiles(plan, tile);
  add_decisions(plan);
  add_uses(plan);
  if (embeddings)
    add_scatter(plan, embeddings);
}

const BertPlaced *bert_plan_counts(const BertPlan *plan)
{
  return &plan->placed;
}

/* Tables lie behind each other on 16-byte boundaries. */
static gsize table_bytes(const BertPlan *plan, guint table)
{
  return (plan->tables[table]->len * item_size(table) + 15) / 16 * 16;
}

gboolean bert_plan_place(BertPlan *plan, BertContext *context, BertArena *arena, BertPlaced *placed,
                         GError **error)
{
  gsize size = 0;
  for (guint i = 0; i < N_TABLES; i++)
    size += table_bytes(plan, i);
  *placed = plan->placed;
  char *memory = bert_device_take(arena, char, size);
  if (!memory)
    return TRUE;
  if (plan->pinned_size < size) {
    if (plan->pinned)
      (void)cudaFreeHost(plan->pinned);
    plan->pinned = NULL;
    plan->pinned_size = 0;
    gpointer pinned = NULL;
    if (!bert_cuda_check(cudaMallocHost(&pinned, size + size / 4), "taking pinned memory", error))
      return FALSE;
    plan->pinned = pinned;
    plan->pinned_size = size + size / 4;
  }
  const void *places[N_TABLES];
  gsize offset = 0;
  for (guint i = 0; i < N_TABLES; i++) {
    gsize n_bytes = plan->tables[i]->len * item_size(i), whole = table_bytes(plan, i);
    if (n_bytes > 0)
      memcpy(plan->pinned + offset, plan->tables[i]->data, n_bytes);
    memset(plan->pinned + offset + n_bytes, 0, whole - n_bytes);
    places[i] = memory + offset;
    offset += whole;
  }
  placed->texts = (BertTexts){places[IDS], places[ROW_TEXT], places[TEXT_START], places[TEXT_HASH]};
  placed->tiles = places[TILES];
  BertHead *head = &placed->head;
  head->places = places[PLACES];
  head->text_start = places[TEXT_START];
  head->row_text = places[ROW_TEXT];
  head->pair_start = places[PAIR_START];
  head->action_source = places[ACTION_SOURCE];
  head->action_place = places[ACTION_PLACE];
  head->state_source = places[STATE_SOURCE];
  head->use_start = places[USE_START];
  head->uses = places[USES];
  placed->scatter.rows = places[SCATTER_ROWS];
  placed->scatter.pieces = places[PIECES];
  placed->scatter.targets = places[TARGETS];
  placed->scatter.offsets = places[OFFSETS];
  return bert_cuda_check(cudaMemcpyAsync(memory, plan->pinned, size, cudaMemcpyHostToDevice, context->stream),
                         "sending a batch", error);
}
