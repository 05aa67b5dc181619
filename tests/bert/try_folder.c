/* What bert_cpu makes of a model folder, for compare_folders.py: try_folder FOLDER OUT < TEXTS. The first
 * line is a state, the others are its candidates. Saves the policy as OUT and prints one JSON object: the ids
 * of the texts, the last layer's output for them, the candidates' logits and the state's value. */
#include "models/bert_cpu/device.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *floats(const float *x, gsize n)
{
  json_t *list = json_array();
  for (gsize i = 0; i < n; i++)
    json_array_append_new(list, json_real((double)x[i]));
  return list;
}

/* The texts of a decision, one after the other, through the encoder alone. */
static void encode(BertPolicy *policy, const CwDecision *decision, json_t *all_ids, json_t *all_states)
{
  const BertCpu *cpu = policy->object;
  gsize h = cpu->network.config->hidden_size;
  for (guint i = 0; i <= decision->n_candidates; i++) {
    CwDecision one = {sizeof one, i == 0 ? decision->observation : decision->candidates[i - 1], NULL, 0};
    BertBatchBuilder *builder = bert_batch_builder_new(TRUE);
    bert_batch_builder_add(builder, policy->cache, &one);
    const BertBatch *batch = bert_batch_builder_finish(builder);
    BertPass pass = {.network = &cpu->network, .batch = batch, .workspace = bert_workspace_new()};
    bert_encoder_forward(&pass);
    json_t *ids = json_array();
    for (guint k = 0; k < batch->n_rows; k++)
      json_array_append_new(ids, json_integer(batch->ids[k]));
    json_array_append_new(all_ids, ids);
    json_array_append_new(all_states, floats(pass.hidden_states, batch->n_rows * h));
    bert_workspace_free(pass.workspace);
    bert_batch_builder_free(builder);
  }
}

int main(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GIOChannel) input = g_io_channel_unix_new(0);
  char *line;
  gsize end;
  if (argc != 3)
    return 2;
  g_io_channel_set_encoding(input, NULL, NULL);
  while (g_io_channel_read_line(input, &line, NULL, &end, NULL) == G_IO_STATUS_NORMAL) {
    line[end] = '\0';
    g_ptr_array_add(texts, line);
  }
  BertOptions options = {.model = argv[1],
                         .max_state_tokens = 512,
                         .max_action_tokens = 512,
                         .freeze_layers = -1,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .epsilon = 1e-6,
                         .head_learning_rate_scale = 1,
                         .threads = 1,
                         .score_batch_tokens = 8192};
  BertPolicy *policy = bert_policy_open(&bert_cpu_device, &options, 7, &error);
  CwDecision decision = {sizeof decision, texts->pdata[0], (const char *const *)texts->pdata + 1,
                         texts->len - 1};
  const CwDecision *decisions = &decision;
  g_autofree float *logits = g_new(float, texts->len);
  float value;
  (void)g_mkdir_with_parents(argv[2], 0777);
  if (!policy || !bert_policy_save(policy, argv[2], &error) ||
      !bert_policy_score(policy, &decisions, 1, logits, &value, &error)) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  json_t *ids = json_array(), *states = json_array();
  encode(policy, &decision, ids, states);
  json_t *root = json_pack("{s:o, s:o, s:o, s:f}", "ids", ids, "states", states, "logits",
                           floats(logits, texts->len - 1), "value", (double)value);
  json_dumpf(root, stdout, JSON_COMPACT);
  json_decref(root);
  bert_policy_close(policy);
  return 0;
}
