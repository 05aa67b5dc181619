/* What an open model is to every backend: folder, layout, the options' rules for texts, initial weights. */
#ifndef BERT_MODEL_H
#define BERT_MODEL_H

#include "models/bert/batch.h"
#include "models/bert/model_folder.h"
#include "models/bert/options.h"
#include "models/bert/weights.h"

G_BEGIN_DECLS

/* What a policy and its frozen copies share; reference counted (g_atomic_rc_box). */
typedef struct BertShared {
  BertModelFolder folder;
  BertLayout *layout;
  char *model; /* the path given */
} BertShared;

/* Opens options->model and checks the options against it; weights are not read. */
BertShared *bert_shared_open(const BertOptions *options, GError **error);
void bert_shared_release(BertShared *shared); /* accepts NULL */

/* Fills `weights` as options->initialize says. */
gboolean bert_shared_load_weights(const BertShared *shared, const BertOptions *options, guint32 seed,
                                  BertParameters *weights, GError **error);

/* How texts become tokens; lengths are cut to the model's number of positions. */
BertTextRules bert_text_rules(const BertShared *shared, const BertOptions *options);

/* The probabilities of dropout in training: the option's, or config.json's where that is negative. */
double bert_hidden_dropout(const BertShared *shared, const BertOptions *options);
double bert_attention_dropout(const BertShared *shared, const BertOptions *options);

/* Fails with CW_ERROR_NUMERIC because a gradient is not finite, naming its first bad tensor. Returns FALSE.
 */
gboolean bert_fail_bad_gradient(const BertParameters *gradient, GError **error);

G_END_DECLS

#endif
