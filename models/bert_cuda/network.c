/* The order of kernels and products, forward and backward. Everything is enqueued on one stream; nothing here
 * waits. */
#include "models/bert_cuda/network.h"

/* ---- places of weights ---- */

/* The same tensor in another block. */
static float *in_block(const BertPass *pass, float *block, const float *tensor)
{
  return block + (tensor - pass->weights->map->block);
}

static const float *weight(const BertPass *pass, const float *tensor)
{
  return in_block(pass, pass->weights->block, tensor);
}

/* A weight matrix as the encoder's products read it. */
static BertMatrix matrix(const BertPass *pass, const float *tensor, gsize n_inputs, gboolean transposed)
{
  gsize offset = (gsize)(tensor - pass->weights->map->block);
  const void *data = pass->weights->bf16 ? (const void *)((const char *)pass->weights->bf16 + 2 * offset)
                                         : (const void *)(pass->weights->block + offset);
  return (BertMatrix){data, n_inputs, transposed, pass->context->bf16};
}

static const BertConfig *config_of(const BertPass *pass)
{
  return &pass->weights->layout->config;
}

static BertMask mask_of(const BertDropout *dropout, gint layer, BertSite site)
{
  return (BertMask){dropout->seed, dropout->forward, bert_dropout_place(layer, site, 0), dropout->threshold,
                    dropout->scale};
}

/* ---- memory ---- */

static void *take_activations(const BertPass *pass, BertArena *arena, gsize n_columns)
{
  return bert_arena_take(arena, pass->placed.head.n_rows * n_columns, pass->context->bf16 ? 2 : 4);
}

static BertNorm take_norm(const BertPass *pass, BertArena *arena, const float *norm_weight,
                          const float *norm_bias, gboolean keeps)
{
  BertNorm norm = {.weight = weight(pass, norm_weight),
                   .bias = weight(pass, norm_bias),
                   .epsilon = (float)config_of(pass)->layer_norm_epsilon};
  if (keeps) {
    norm.sum = take_activations(pass, arena, config_of(pass)->hidden_size);
    norm.mean = bert_device_take(arena, float, pass->placed.head.n_rows);
    norm.inverse = bert_device_take(arena, float, pass->placed.head.n_rows);
  }
  return norm;
}

static void take_encoder(BertPass *pass, BertArena *arena)
{
  const BertConfig *config = config_of(pass);
  const BertParameters *map = pass->weights->map;
  gsize h = config->hidden_size, f = config->intermediate_size;
  BertLayerMemory spare = {0};
  pass->embeddings_norm = take_norm(pass, arena, map->embeddings_norm_weight, map->embeddings_norm_bias,
                                    pass->trains && pass->first_trained == BERT_LAYER_EMBEDDINGS);
  pass->shared = take_activations(pass, arena, h);
  pass->activated = take_activations(pass, arena, f);
  void *input = take_activations(pass, arena, h);
  g_free(pass->layers);
  pass->layers = g_new0(BertLayerMemory, config->n_layers);
  for (guint i = 0; i < config->n_layers; i++) {
    BertLayerMemory *memory = &pass->layers[i];
    gboolean keeps = pass->trains && (gint)i >= pass->first_trained, takes = keeps || !spare.projections;
    if (takes) {
      memory->projections = take_activations(pass, arena, 3 * h);
      memory->context = take_activations(pass, arena, h);
      memory->attention_out = take_activations(pass, arena, h);
      memory->intermediate = keeps ? take_activations(pass, arena, f) : pass->activated;
      memory->log_sums =
          keeps ? bert_device_take(arena, float, pass->placed.head.n_rows * config->n_heads) : NULL;
      if (!keeps)
        spare = *memory;
      /* So that measuring, where every pointer is NULL, takes the shared ones once as well. */
      if (!keeps && !spare.projections)
        spare.projections = pass;
    } else {
      *memory = spare;
    }
    memory->input = input;
    memory->attention_norm = take_norm(pass, arena, map->layers[i].attention_norm_weight,
                                       map->layers[i].attention_norm_bias, keeps);
    memory->output_norm =
        take_norm(pass, arena, map->layers[i].output_norm_weight, map->layers[i].output_norm_bias, keeps);
    if (keeps)
      input = take_activations(pass, arena, h);
  }
  pass->hidden_states = input;
}

static void take_head(BertPass *pass, BertArena *arena)
{
  const BertParameters *map = pass->weights->map;
  BertHead *head = &pass->placed.head;
  gsize h = config_of(pass)->hidden_size, rows = head->n_action_rows;
  head->h = (uint32_t)h;
  head->input_weight = weight(pass, map->attention_input_weight);
  head->memory_weight = weight(pass, map->attention_memory_weight);
  head->dot_scale = weight(pass, map->attention_dot_scale);
  head->linear_1_bias = weight(pass, map->linear_1_bias);
  head->linear_2_weight = weight(pass, map->linear_2_weight);
  head->linear_2_bias = weight(pass, map->linear_2_bias);
  head->value_hidden_bias = weight(pass, map->value_hidden_bias);
  head->value_output_weight = weight(pass, map->value_output_weight);
  head->value_output_bias = weight(pass, map->value_output_bias);
  head->states = pass->context->bf16 ? bert_device_take(arena, float, head->n_rows *h) : pass->hidden_states;
  head->actions = bert_device_take(arena, float, rows *h);
  head->scaled = bert_device_take(arena, float, rows *h);
  head->input_scores = bert_device_take(arena, float, rows);
  head->memory_scores = bert_device_take(arena, float, head->n_rows);
  head->attention = bert_device_take(arena, float, pass->placed.n_attention);
  head->largest = bert_device_take(arena, float, rows);
  head->q = bert_device_take(arena, float, rows);
  head->where = bert_device_take(arena, uint32_t, rows);
  head->read = bert_device_take(arena, float, rows *h);
  head->summary = bert_device_take(arena, float, head->n_pairs *h);
  head->features = bert_device_take(arena, float, rows * 4 * h);
  head->hidden = bert_device_take(arena, float, rows *h);
  head->mean = bert_device_take(arena, float, head->n_pairs *h);
  head->value_input = bert_device_take(arena, float, head->n_decisions *h);
  head->value_hidden = bert_device_take(arena, float, (gsize)head->n_decisions *BERT_VALUE_HIDDEN);
  pass->logits = bert_device_take(arena, float, head->n_pairs);
  pass->values = bert_device_take(arena, float, head->n_decisions);
}

gboolean bert_pass_take(BertPass *pass, BertPlan *plan, BertArena *arena, GError **error)
{
  if (!bert_plan_place(plan, pass->context, arena, &pass->placed, error))
    return FALSE;
  take_encoder(pass, arena);
  take_head(pass, arena);
  return TRUE;
}

void bert_pass_clear(BertPass *pass)
{
  g_free(pass->layers);
  pass->layers = NULL;
}

/* ---- forward ---- */

static BertAttention attention_of(const BertPass *pass, guint layer)
{
  const BertConfig *config = config_of(pass);
  const BertLayerMemory *memory = &pass->layers[layer];
  return (BertAttention){.h = config->hidden_size,
                         .n_heads = config->n_heads,
                         .n_tiles = pass->placed.n_tiles,
                         .tiles = pass->placed.tiles,
                         .projections = memory->projections,
                         .bias = weight(pass, pass->weights->map->layers[layer].query_bias),
                         .mask = mask_of(&pass->attention_dropout, (gint)layer, BERT_SITE_ATTENTION),
                         .log_sums = memory->log_sums};
}

static void layer_forward(BertPass *pass, guint layer, void *output)
{
  BertContext *context = pass->context;
  const BertConfig *config = config_of(pass);
  const BertLayer *map = &pass->weights->map->layers[layer];
  BertLayerMemory *memory = &pass->layers[layer];
  const BertTexts *texts = &pass->placed.texts;
  gboolean bf16 = context->bf16, tanh_form = config->activation == BERT_ACTIVATION_GELU_NEW;
  gsize rows = pass->placed.head.n_rows, h = config->hidden_size, f = config->intermediate_size;
  BertAttention attention = attention_of(pass, layer);
  BertMask mask = mask_of(&pass->hidden_dropout, (gint)layer, BERT_SITE_ATTENTION_OUTPUT);
  void *x = memory->attention_norm.sum ? memory->attention_norm.sum : pass->shared;
  bert_gemm(context, rows, 3 * h, h, bert_matrix(memory->input, h, bf16),
            matrix(pass, map->query_weight, h, TRUE), memory->projections, 3 * h, bf16, FALSE);
  bert_fused_attention(context->stream, bf16, texts, &attention, memory->context);
  bert_gemm(context, rows, h, h, bert_matrix(memory->context, h, bf16),
            matrix(pass, map->attention_output_weight, h, TRUE), x, h, bf16, FALSE);
  bert_add_norm(context->stream, bf16, (uint32_t)rows, (uint32_t)h, texts, x,
                weight(pass, map->attention_output_bias), memory->input, &memory->attention_norm, &mask,
                memory->attention_out);
  bert_gemm(context, rows, f, h, bert_matrix(memory->attention_out, h, bf16),
            matrix(pass, map->intermediate_weight, h, TRUE), memory->intermediate, f, bf16, FALSE);
  bert_gelu(context->stream, bf16, tanh_form, (uint32_t)rows, (uint32_t)f, memory->intermediate,
            weight(pass, map->intermediate_bias), pass->activated);
  x = memory->output_norm.sum ? memory->output_norm.sum : pass->shared;
  mask = mask_of(&pass->hidden_dropout, (gint)layer, BERT_SITE_OUTPUT);
  bert_gemm(context, rows, h, f, bert_matrix(pass->activated, f, bf16),
            matrix(pass, map->output_weight, f, TRUE), x, h, bf16, FALSE);
  bert_add_norm(context->stream, bf16, (uint32_t)rows, (uint32_t)h, texts, x, weight(pass, map->output_bias),
                memory->attention_out, &memory->output_norm, &mask, output);
}

static void head_forward(BertPass *pass)
{
  BertContext *context = pass->context;
  const BertParameters *map = pass->weights->map;
  BertHead *head = &pass->placed.head;
  gsize h = head->h;
  if (context->bf16)
    bert_to_floats(context->stream, TRUE, head->n_rows * h, pass->hidden_states, (float *)head->states);
  bert_head_read(context->stream, head);
  bert_gemm(context, head->n_action_rows, h, 4 * h, bert_matrix(head->features, 4 * h, FALSE),
            bert_transpose(weight(pass, map->linear_1_weight), 4 * h, FALSE), head->hidden, h, FALSE, FALSE);
  bert_head_logits(context->stream, head, pass->logits);
  bert_gemm(context, head->n_decisions, BERT_VALUE_HIDDEN, h, bert_matrix(head->value_input, h, FALSE),
            bert_transpose(weight(pass, map->value_hidden_weight), h, FALSE), head->value_hidden,
            BERT_VALUE_HIDDEN, FALSE, FALSE);
  bert_head_values(context->stream, head, BERT_VALUE_HIDDEN, pass->values);
}

void bert_pass_forward(BertPass *pass)
{
  const BertConfig *config = config_of(pass);
  const BertParameters *map = pass->weights->map;
  BertMask mask = mask_of(&pass->hidden_dropout, BERT_LAYER_EMBEDDINGS, BERT_SITE_EMBEDDINGS);
  bert_embed(pass->context->stream, pass->context->bf16, pass->placed.head.n_rows, config->hidden_size,
             &pass->placed.texts, weight(pass, map->word_embeddings), weight(pass, map->position_embeddings),
             weight(pass, map->token_type_embeddings), &pass->embeddings_norm, &mask, pass->layers[0].input);
  for (guint i = 0; i < config->n_layers; i++)
    layer_forward(pass, i, i + 1 < config->n_layers ? pass->layers[i + 1].input : pass->hidden_states);
  head_forward(pass);
}

/* ---- backward ---- */

/* Buffers of the encoder's backward pass. */
typedef struct {
  BertPass *pass;
  float *gradient;     /* the block */
  void *d_hidden;      /* T x h: gradient of the residual stream */
  void *d_branch;      /* T x h: of a product's result before dropout */
  void *d_wide;        /* T x f */
  void *d_context;     /* T x h */
  void *d_projections; /* T x 3h */
  float *delta;        /* T x heads */
  float *partials;
} Backward;

/* gradient (outputs x inputs) += d_y^T x over n_rows. */
static void weight_gradient(const Backward *run, const float *tensor, gsize n_rows, gsize n_outputs,
                            gsize n_inputs, const void *d_y, const void *x, gboolean bf16)
{
  bert_gemm(run->pass->context, n_outputs, n_inputs, n_rows, bert_transpose(d_y, n_outputs, bf16),
            bert_matrix(x, n_inputs, bf16), in_block(run->pass, run->gradient, tensor), n_inputs, FALSE,
            TRUE);
}

/* Adds the partial sums of some vectors of n that follow each other, `stride` floats per block of rows.
 */
static void add_partials(const Backward *run, gsize n_rows, gsize stride, gsize first, gsize n,
                         const float *tensor)
{
  bert_sum_partials(run->pass->context->stream, bert_sum_blocks((uint32_t)n_rows), stride,
                    run->partials + first, (uint32_t)n, in_block(run->pass, run->gradient, tensor));
}

/* The head's column sums: gradient += sum of rows of x (of `map`, if any), weighted. */
static void column_gradient(const Backward *run, const float *tensor, gsize n_rows, gsize n, const float *x,
                            const float *weights, const float *y, const uint32_t *map)
{
  bert_column_sums(run->pass->context->stream, FALSE, (uint32_t)n_rows, (uint32_t)n, x, weights, y, map,
                   run->partials);
  add_partials(run, n_rows, n, 0, n, tensor);
}

static void norm_backward(const Backward *run, const BertNorm *norm, const BertMask *before,
                          const BertMask *after, void *branch, const float *norm_weight,
                          const float *norm_bias, const float *branch_bias)
{
  const BertPass *pass = run->pass;
  gsize rows = pass->placed.head.n_rows, h = config_of(pass)->hidden_size;
  bert_norm_backward(pass->context->stream, pass->context->bf16, (uint32_t)rows, (uint32_t)h,
                     &pass->placed.texts, norm, before, after, run->d_hidden, branch, run->partials);
  add_partials(run, rows, 3 * h, 0, h, norm_weight);
  add_partials(run, rows, 3 * h, h, h, norm_bias);
  if (branch)
    add_partials(run, rows, 3 * h, 2 * h, h, branch_bias);
}

static void layer_backward(const Backward *run, guint layer)
{
  BertPass *pass = run->pass;
  BertContext *context = pass->context;
  const BertConfig *config = config_of(pass);
  const BertLayer *map = &pass->weights->map->layers[layer];
  const BertLayerMemory *memory = &pass->layers[layer];
  gboolean bf16 = context->bf16, tanh_form = config->activation == BERT_ACTIVATION_GELU_NEW;
  gsize rows = pass->placed.head.n_rows, h = config->hidden_size, f = config->intermediate_size;
  BertAttention attention = attention_of(pass, layer);
  const BertMask none = {0};
  BertMask mask = mask_of(&pass->hidden_dropout, (gint)layer, BERT_SITE_OUTPUT);
  norm_backward(run, &memory->output_norm, &none, &mask, run->d_branch, map->output_norm_weight,
                map->output_norm_bias, map->output_bias);
  bert_gemm(context, rows, f, h, bert_matrix(run->d_branch, h, bf16),
            matrix(pass, map->output_weight, f, FALSE), run->d_wide, f, bf16, FALSE);
  bert_gelu_backward(context->stream, bf16, tanh_form, (uint32_t)rows, (uint32_t)f, memory->intermediate,
                     weight(pass, map->intermediate_bias), run->d_wide, pass->activated, run->partials);
  add_partials(run, rows, f, 0, f, map->intermediate_bias);
  weight_gradient(run, map->output_weight, rows, h, f, run->d_branch, pass->activated, bf16);
  weight_gradient(run, map->intermediate_weight, rows, f, h, run->d_wide, memory->attention_out, bf16);
  bert_gemm(context, rows, h, f, bert_matrix(run->d_wide, f, bf16),
            matrix(pass, map->intermediate_weight, h, FALSE), run->d_hidden, h, bf16, TRUE);

  mask = mask_of(&pass->hidden_dropout, (gint)layer, BERT_SITE_ATTENTION_OUTPUT);
  norm_backward(run, &memory->attention_norm, &none, &mask, run->d_branch, map->attention_norm_weight,
                map->attention_norm_bias, map->attention_output_bias);
  weight_gradient(run, map->attention_output_weight, rows, h, h, run->d_branch, memory->context, bf16);
  bert_gemm(context, rows, h, h, bert_matrix(run->d_branch, h, bf16),
            matrix(pass, map->attention_output_weight, h, FALSE), run->d_context, h, bf16, FALSE);
  bert_fused_attention_backward(context->stream, bf16, &pass->placed.texts, &attention, (uint32_t)rows,
                                memory->context, run->d_context, run->delta, run->d_projections);
  bert_column_sums(context->stream, bf16, (uint32_t)rows, (uint32_t)(3 * h), run->d_projections, NULL, NULL,
                   NULL, run->partials);
  add_partials(run, rows, 3 * h, 0, 3 * h, map->query_bias);
  weight_gradient(run, map->query_weight, rows, 3 * h, h, run->d_projections, memory->input, bf16);
  if ((gint)layer > pass->first_trained) /* something below it is trained too */
    bert_gemm(context, rows, h, 3 * h, bert_matrix(run->d_projections, 3 * h, bf16),
              matrix(pass, map->query_weight, h, FALSE), run->d_hidden, h, bf16, TRUE);
}

static void embeddings_backward(const Backward *run)
{
  const BertPass *pass = run->pass;
  const BertParameters *map = pass->weights->map;
  const BertMask none = {0};
  BertMask mask = mask_of(&pass->hidden_dropout, BERT_LAYER_EMBEDDINGS, BERT_SITE_EMBEDDINGS);
  norm_backward(run, &pass->embeddings_norm, &mask, &none, NULL, map->embeddings_norm_weight,
                map->embeddings_norm_bias, NULL);
  bert_scatter_rows(pass->context->stream, pass->context->bf16, config_of(pass)->hidden_size, run->d_hidden,
                    &pass->placed.scatter, run->partials, run->gradient);
}

static void value_backward(const Backward *run, const BertHeadGradient *d)
{
  const BertPass *pass = run->pass;
  const BertParameters *map = pass->weights->map;
  const BertHead *head = &pass->placed.head;
  gsize h = head->h, n = head->n_decisions;
  bert_head_values_backward(pass->context->stream, head, BERT_VALUE_HIDDEN, d);
  bert_gemm(pass->context, n, h, BERT_VALUE_HIDDEN, bert_matrix(d->d_value_hidden, BERT_VALUE_HIDDEN, FALSE),
            bert_matrix(weight(pass, map->value_hidden_weight), h, FALSE), d->d_value_input, h, FALSE, FALSE);
  weight_gradient(run, map->value_hidden_weight, n, BERT_VALUE_HIDDEN, h, d->d_value_hidden,
                  head->value_input, FALSE);
  column_gradient(run, map->value_hidden_bias, n, BERT_VALUE_HIDDEN, d->d_value_hidden, NULL, NULL, NULL);
  column_gradient(run, map->value_output_weight, n, BERT_VALUE_HIDDEN, head->value_hidden, d->d_values, NULL,
                  NULL);
  bert_add_sum(pass->context->stream, (uint32_t)n, d->d_values,
               in_block(pass, run->gradient, map->value_output_bias));
}

static void head_backward(const Backward *run, BertArena *arena, const float *d_logits, const float *d_values)
{
  BertPass *pass = run->pass;
  BertContext *context = pass->context;
  const BertParameters *map = pass->weights->map;
  BertHead *head = &pass->placed.head;
  gsize h = head->h, rows = head->n_action_rows;
  BertHeadGradient d = {.d_logits = d_logits, .d_values = d_values};
  d.d_linear_1 = bert_device_take(arena, float, rows *h);
  d.d_features = bert_device_take(arena, float, rows * 4 * h);
  d.d_actions = bert_device_take(arena, float, rows *h);
  d.d_read = bert_device_take(arena, float, rows *h);
  d.through = bert_device_take(arena, float, rows *h);
  d.d_largest = bert_device_take(arena, float, rows);
  d.d_attention = bert_device_take(arena, float, pass->placed.n_attention);
  d.totals = bert_device_take(arena, float, head->n_state_rows);
  d.d_states = bert_device_take(arena, float, head->n_state_rows *h);
  d.d_value_hidden = bert_device_take(arena, float, (gsize)head->n_decisions *BERT_VALUE_HIDDEN);
  d.d_value_input = bert_device_take(arena, float, head->n_decisions *h);
  if (!arena->base)
    return;
  if (d_values)
    value_backward(run, &d);
  else
    d.d_value_input = NULL;
  bert_head_logits_backward(context->stream, head, &d);
  bert_gemm(context, rows, 4 * h, h, bert_matrix(d.d_linear_1, h, FALSE),
            bert_matrix(weight(pass, map->linear_1_weight), 4 * h, FALSE), d.d_features, 4 * h, FALSE, FALSE);
  bert_head_read_backward(context->stream, head, &d);
  weight_gradient(run, map->linear_1_weight, rows, h, 4 * h, d.d_linear_1, head->features, FALSE);
  column_gradient(run, map->linear_1_bias, rows, h, d.d_linear_1, NULL, NULL, NULL);
  column_gradient(run, map->linear_2_weight, head->n_pairs, h, head->mean, d_logits, NULL, NULL);
  bert_add_sum(context->stream, head->n_pairs, d_logits, in_block(pass, run->gradient, map->linear_2_bias));
  column_gradient(run, map->attention_input_weight, rows, h, head->actions, d.d_largest, NULL, NULL);
  column_gradient(run, map->attention_dot_scale, rows, h, head->actions, NULL, d.through, NULL);
  column_gradient(run, map->attention_memory_weight, head->n_state_rows, h, head->states, d.totals, NULL,
                  head->state_source);
  if (pass->first_trained < (gint)config_of(pass)->n_layers)
    bert_head_collect(context->stream, context->bf16, head, &d, run->d_hidden);
}

/* Floats that the partial sums of any step need. */
static gsize partials_size(const BertPass *pass)
{
  const BertConfig *config = config_of(pass);
  const BertHead *head = &pass->placed.head;
  gsize h = config->hidden_size, wide = MAX(3 * h, (gsize)config->intermediate_size);
  gsize encoder = bert_sum_blocks(head->n_rows) * wide;
  gsize longest = MAX(MAX(head->n_action_rows, head->n_state_rows), head->n_pairs);
  gsize in_head =
      bert_sum_blocks((uint32_t)longest) * h + bert_sum_blocks(head->n_decisions) * BERT_VALUE_HIDDEN;
  return MAX(MAX(encoder, in_head), pass->placed.scatter.n_pieces * h);
}

void bert_pass_backward(BertPass *pass, BertArena *arena, const float *d_logits, const float *d_values,
                        float *gradient)
{
  const BertConfig *config = config_of(pass);
  gint n_layers = (gint)config->n_layers, lowest = MAX(pass->first_trained, 0);
  gsize h = config->hidden_size;
  Backward run = {.pass = pass, .gradient = gradient};
  run.partials = bert_device_take(arena, float, partials_size(pass));
  if (pass->first_trained < n_layers) {
    run.d_hidden = take_activations(pass, arena, h);
    run.d_branch = take_activations(pass, arena, h);
    run.d_wide = take_activations(pass, arena, config->intermediate_size);
    run.d_context = take_activations(pass, arena, h);
    run.d_projections = take_activations(pass, arena, 3 * h);
    run.delta = bert_device_take(arena, float, pass->placed.head.n_rows * config->n_heads);
  }
  head_backward(&run, arena, d_logits, d_values);
  if (!arena->base)
    return;
  for (gint layer = n_layers - 1; layer >= lowest; layer--)
    layer_backward(&run, (guint)layer);
  if (pass->first_trained == BERT_LAYER_EMBEDDINGS)
    embeddings_backward(&run);
}
