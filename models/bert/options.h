/* The options of every BERT backend: one struct, and one table of rows, so that a configuration of one
 * backend is one of the others. What only one of them uses says so. The one row that differs is `precision`,
 * which a plugin appends:
 *
 *   static const CwOption rows[] = {BERT_OPTION_ROWS, {BERT_OPTION(precision), ...}};
 */
#ifndef BERT_OPTIONS_H
#define BERT_OPTIONS_H

#include <cartwright/option.h>

G_BEGIN_DECLS

typedef enum { BERT_INITIALIZE_PRETRAINED, BERT_INITIALIZE_RANDOM } BertInitialize;
typedef enum { BERT_SIDE_RIGHT, BERT_SIDE_LEFT } BertSide;

typedef struct BertOptions {
  char *model;
  gint initialize; /* BertInitialize */
  gint64 max_state_tokens, max_action_tokens;
  gint truncate_state, truncate_action; /* BertSide */
  gboolean normalize_text;
  double dropout, weight_decay, beta1, beta2, epsilon, head_learning_rate_scale, ema_decay;
  gboolean sparse_embeddings;
  gint64 freeze_layers, score_batch_tokens;
  gint precision;                            /* of the plugin's own names */
  gint64 threads, score_cache, frozen_cache; /* bert_cpu; the caches in MiB */
  gint recompute, instruction_set;           /* bert_cpu: indices of the names below */
  gint64 device, memory;                     /* bert_cuda; memory in MiB */
} BertOptions;

extern const char *const bert_initialize_names[],
    *const bert_side_names[], *const bert_recompute_names[], *const bert_instruction_set_names[];

#define BERT_OPTION(member) .name = #member, .offset = offsetof(BertOptions, member)

/* clang-format off */
#define BERT_OPTION_ROWS \
  {BERT_OPTION(model), .type = CW_OPTION_PATH, .flags = CW_OPTION_REQUIRED, \
   .help = "folder in HuggingFace's form: config.json, vocab.txt, model.safetensors"}, \
  {BERT_OPTION(initialize), .type = CW_OPTION_ENUM, .default_value = "pretrained", .values = bert_initialize_names, \
   .help = "weights from the folder, or random ones of the shape that config.json describes"}, \
  {BERT_OPTION(max_state_tokens), .type = CW_OPTION_INTEGER, .default_value = "512", .minimum = 2, .maximum = 65536, \
   .unit = "tokens", .help = "longest observation; the model's number of positions if that is less"}, \
  {BERT_OPTION(max_action_tokens), .type = CW_OPTION_INTEGER, .default_value = "64", .minimum = 2, .maximum = 65536, \
   .unit = "tokens", .help = "longest candidate action; the model's number of positions if that is less"}, \
  {BERT_OPTION(truncate_state), .type = CW_OPTION_ENUM, .default_value = "right", .values = bert_side_names, \
   .help = \
   "side that a longer observation loses; WebShop's code cuts left, which on long pages loses the instruction"}, \
  {BERT_OPTION(truncate_action), .type = CW_OPTION_ENUM, .default_value = "right", .values = bert_side_names, \
   .help = "side that a longer action loses"}, \
  {BERT_OPTION(normalize_text), .type = CW_OPTION_BOOLEAN, .default_value = "true", \
   .help = "lower-case texts and delete quotation marks, as WebShop does, before tokenising"}, \
  {BERT_OPTION(dropout), .type = CW_OPTION_NUMBER, .default_value = "-1", .minimum = -1, .maximum = 0.99, \
   .help = "probability for hidden states and attention in training; negative: as config.json says"}, \
  {BERT_OPTION(weight_decay), .type = CW_OPTION_NUMBER, .default_value = "0", .minimum = 0, .maximum = 10, \
   .help = "AdamW's decay of all tensors but biases and LayerNorm"}, \
  {BERT_OPTION(beta1), .type = CW_OPTION_NUMBER, .default_value = "0.9", .minimum = 0, .maximum = 0.9999999, \
   .help = "AdamW's decay of the first moment"}, \
  {BERT_OPTION(beta2), .type = CW_OPTION_NUMBER, .default_value = "0.999", .minimum = 0, .maximum = 0.9999999, \
   .help = "AdamW's decay of the second moment"}, \
  {BERT_OPTION(epsilon), .type = CW_OPTION_NUMBER, .default_value = "1e-6", .minimum = 1e-12, .maximum = 1, \
   .help = "AdamW's term against division by zero"}, \
  {BERT_OPTION(head_learning_rate_scale), .type = CW_OPTION_NUMBER, .default_value = "1", .minimum = 0, .maximum = 1e6, \
   .help = "the learning rate of choice head and value head, as a multiple of the encoder's"}, \
  {BERT_OPTION(freeze_layers), .type = CW_OPTION_INTEGER, .default_value = "-1", .minimum = -1, .maximum = 1000, \
   .unit = "layers", .help = "freeze the embeddings and that many first layers; -1 freezes nothing"}, \
  {BERT_OPTION(sparse_embeddings), .type = CW_OPTION_BOOLEAN, .default_value = "false", \
   .help = "a step updates only the rows of the word embeddings that have a gradient; the others neither keep their " \
           "momentum nor decay"}, \
  {BERT_OPTION(ema_decay), .type = CW_OPTION_NUMBER, .default_value = "0", .minimum = 0, .maximum = 0.9999999, \
   .help = "keep a moving average of the trained weights, at most this much of it left after a step, as a model " \
           "folder averaged/ in the saved policy; 0: none"}, \
  {BERT_OPTION(score_batch_tokens), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "8192", \
   .minimum = 1, .maximum = 16777216, .unit = "tokens", .help = "score works on about so many tokens at a time"}, \
  {BERT_OPTION(threads), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "0", .minimum = 0, \
   .maximum = 1024, .help = "bert_cpu: threads to compute with, results do not depend on it; 0: one per processor"}, \
  {BERT_OPTION(score_cache), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "256", .minimum = 0, \
   .maximum = 1048576, .unit = "MiB", \
   .help = "bert_cpu: score remembers encodings of candidates and whole decisions until the weights change, in so much " \
           "memory; results do not depend on it"}, \
  {BERT_OPTION(frozen_cache), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "256", .minimum = 0, \
   .maximum = 1048576, .unit = "MiB", \
   .help = "bert_cpu: with freeze_layers, remember what the frozen layers made of texts, in so much memory: for scoring, " \
           "and for training without dropout; results do not depend on it"}, \
  {BERT_OPTION(recompute), .type = CW_OPTION_ENUM, .flags = CW_OPTION_RESUME_SAFE, .default_value = "none", \
   .values = bert_recompute_names, \
   .help = "bert_cpu: layer: keep only each layer's output for backward and compute the rest again, for less memory and " \
           "the same gradients"}, \
  {BERT_OPTION(instruction_set), .type = CW_OPTION_ENUM, .flags = CW_OPTION_RESUME_SAFE, .default_value = "auto", \
   .values = bert_instruction_set_names, .help = "bert_cpu: vector instructions to use; auto: the best the processor has"}, \
  {BERT_OPTION(device), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "0", .minimum = 0, \
   .maximum = 1023, .help = "bert_cuda: which GPU, as CUDA numbers them"}, \
  {BERT_OPTION(memory), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "0", .minimum = 0, \
   .maximum = 1048576, .unit = "MiB", .help = "bert_cuda: device memory to use at most; 0: what is free"}
/* clang-format on */

G_END_DECLS

#endif
