/* The options that every BERT backend has, as members of a struct and as rows. A backend's options struct
 * begins with them and goes on with its own:
 *
 *   typedef struct { union { struct { BERT_OPTION_MEMBERS }; BertOptions bert; }; gint64 threads; }
 * BertCpuOptions; static const CwOption rows[] = {BERT_OPTION_ROWS(BertCpuOptions),
 * {BERT_OPTION(BertCpuOptions, threads), ...}};
 */
#ifndef BERT_OPTIONS_H
#define BERT_OPTIONS_H

#include <cartwright/option.h>

G_BEGIN_DECLS

typedef enum { BERT_INITIALIZE_PRETRAINED, BERT_INITIALIZE_RANDOM } BertInitialize;
typedef enum { BERT_SIDE_RIGHT, BERT_SIDE_LEFT } BertSide;

#define BERT_OPTION_MEMBERS                                                                                  \
  char *model;                                                                                               \
  gint initialize;                                                                                           \
  gint64 max_state_tokens, max_action_tokens;                                                                \
  gint truncate_state, truncate_action;                                                                      \
  gboolean normalize_text;                                                                                   \
  double dropout, weight_decay, beta1, beta2, epsilon, head_learning_rate_scale, ema_decay;                  \
  gboolean sparse_embeddings;                                                                                \
  gint64 freeze_layers, score_batch_tokens;

typedef struct BertOptions {
  BERT_OPTION_MEMBERS
} BertOptions;

extern const char *const bert_initialize_names[], *const bert_side_names[];

#define BERT_OPTION(Options, member) .name = #member, .offset = offsetof(Options, member)

/* clang-format off */
#define BERT_OPTION_ROWS(Options) \
  {BERT_OPTION(Options, model), .type = CW_OPTION_PATH, .flags = CW_OPTION_REQUIRED, \
   .help = "folder in HuggingFace's form: config.json, vocab.txt, model.safetensors"}, \
  {BERT_OPTION(Options, initialize), .type = CW_OPTION_ENUM, .default_value = "pretrained", .values = bert_initialize_names, \
   .help = "weights from the folder, or random ones of the shape that config.json describes"}, \
  {BERT_OPTION(Options, max_state_tokens), .type = CW_OPTION_INTEGER, .default_value = "512", .minimum = 2, .maximum = 65536, \
   .unit = "tokens", .help = "longest observation; the model's number of positions if that is less"}, \
  {BERT_OPTION(Options, max_action_tokens), .type = CW_OPTION_INTEGER, .default_value = "64", .minimum = 2, .maximum = 65536, \
   .unit = "tokens", .help = "longest candidate action; the model's number of positions if that is less"}, \
  {BERT_OPTION(Options, truncate_state), .type = CW_OPTION_ENUM, .default_value = "right", .values = bert_side_names, \
   .help = \
   "side that a longer observation loses; WebShop's code cuts left, which on long pages loses the instruction"}, \
  {BERT_OPTION(Options, truncate_action), .type = CW_OPTION_ENUM, .default_value = "right", .values = bert_side_names, \
   .help = "side that a longer action loses"}, \
  {BERT_OPTION(Options, normalize_text), .type = CW_OPTION_BOOLEAN, .default_value = "true", \
   .help = "lower-case texts and delete quotation marks, as WebShop does, before tokenising"}, \
  {BERT_OPTION(Options, dropout), .type = CW_OPTION_NUMBER, .default_value = "-1", .minimum = -1, .maximum = 0.99, \
   .help = "probability for hidden states and attention in training; negative: as config.json says"}, \
  {BERT_OPTION(Options, weight_decay), .type = CW_OPTION_NUMBER, .default_value = "0", .minimum = 0, .maximum = 10, \
   .help = "AdamW's decay of all tensors but biases and LayerNorm"}, \
  {BERT_OPTION(Options, beta1), .type = CW_OPTION_NUMBER, .default_value = "0.9", .minimum = 0, .maximum = 0.9999999, \
   .help = "AdamW's decay of the first moment"}, \
  {BERT_OPTION(Options, beta2), .type = CW_OPTION_NUMBER, .default_value = "0.999", .minimum = 0, .maximum = 0.9999999, \
   .help = "AdamW's decay of the second moment"}, \
  {BERT_OPTION(Options, epsilon), .type = CW_OPTION_NUMBER, .default_value = "1e-6", .minimum = 1e-12, .maximum = 1, \
   .help = "AdamW's term against division by zero"}, \
  {BERT_OPTION(Options, head_learning_rate_scale), .type = CW_OPTION_NUMBER, .default_value = "1", .minimum = 0, .maximum = 1e6, \
   .help = "the learning rate of choice head and value head, as a multiple of the encoder's"}, \
  {BERT_OPTION(Options, freeze_layers), .type = CW_OPTION_INTEGER, .default_value = "-1", .minimum = -1, .maximum = 1000, \
   .unit = "layers", .help = "freeze the embeddings and that many first layers; -1 freezes nothing"}, \
  {BERT_OPTION(Options, sparse_embeddings), .type = CW_OPTION_BOOLEAN, .default_value = "false", \
   .help = "a step updates only the rows of the word embeddings that have a gradient; the others neither keep their " \
           "momentum nor decay"}, \
  {BERT_OPTION(Options, ema_decay), .type = CW_OPTION_NUMBER, .default_value = "0", .minimum = 0, .maximum = 0.9999999, \
   .help = "keep a moving average of the trained weights, at most this much of it left after a step, as a model " \
           "folder averaged/ in the saved policy; 0: none"}, \
  {BERT_OPTION(Options, score_batch_tokens), .type = CW_OPTION_INTEGER, .flags = CW_OPTION_RESUME_SAFE, .default_value = "8192", \
   .minimum = 1, .maximum = 16777216, .unit = "tokens", .help = "score works on about so many tokens at a time"}
/* clang-format on */

G_END_DECLS

#endif
