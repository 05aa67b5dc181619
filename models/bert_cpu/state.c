/* A policy as a folder: the model in HuggingFace's form, which `open` accepts,
 * and beside it what training needs to go on exactly: the moments and gradients
 * of the optimiser in optimizer.safetensors, counters in bert_cpu.state. */
#include "bert/safetensors.h"
#include "policy.h"
#include <string.h>

#define STATE_FILE     "bert_cpu.state"
#define OPTIMIZER_FILE "optimizer.safetensors"
#define WEIGHTS_FILE   "model.safetensors"
#define STATE_GROUP    "bert_cpu"
#define STATE_VERSION  1

typedef struct {
  const char *prefix;
  BertParameters *parameters;
} Part;

/* Gradients are only there between a backward and its step. */
static guint parts_of(const BertOptimizer *optimizer, gboolean with_gradient, Part parts[3])
{
  parts[0] = (Part){"moment1.", optimizer->moment1};
  parts[1] = (Part){"moment2.", optimizer->moment2};
  parts[2] = (Part){"gradient.", optimizer->gradient};
  return with_gradient ? 3 : 2;
}

static gboolean save_optimizer(const BertOptimizer *optimizer, const char *directory, GError **error)
{
  const BertLayout *layout = optimizer->layout;
  GArray *tensors = g_array_new(FALSE, TRUE, sizeof(BertTensor));
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  Part parts[3];
  guint n_parts = parts_of(optimizer, !optimizer->is_clear, parts);
  for (guint p = 0; p < n_parts; p++)
    for (guint i = 0; i < layout->n_tensors; i++) {
      const BertTensorInfo *info = &layout->tensors[i];
      if (!bert_optimizer_trains(optimizer, info))
        continue;
      char *name = g_strconcat(parts[p].prefix, info->name, NULL);
      g_ptr_array_add(names, name);
      BertTensor tensor = {.name = name,
                           .type = BERT_TYPE_F32,
                           .n_dimensions = info->n_dimensions,
                           .data = parts[p].parameters->block + info->offset};
      memcpy(tensor.shape, info->shape, sizeof info->shape);
      g_array_append_val(tensors, tensor);
    }
  char *file = g_build_filename(directory, OPTIMIZER_FILE, NULL);
  gboolean written =
      bert_safetensors_write(file, (const BertTensor *)(gpointer)tensors->data, tensors->len, NULL, error);
  g_free(file);
  g_array_free(tensors, TRUE);
  g_ptr_array_free(names, TRUE);
  return written;
}

static gboolean save_counters(const BertCpu *policy, const char *directory, GError **error)
{
  GKeyFile *state = g_key_file_new();
  g_key_file_set_integer(state, STATE_GROUP, "version", STATE_VERSION);
  g_key_file_set_uint64(state, STATE_GROUP, "seed", policy->seed);
  g_key_file_set_uint64(state, STATE_GROUP, "forwards", policy->n_forwards);
  g_key_file_set_uint64(state, STATE_GROUP, "steps", policy->optimizer->n_steps);
  gsize length;
  char *text = g_key_file_to_data(state, &length, NULL), *file = g_build_filename(directory, STATE_FILE, NULL);
  GError *problem = NULL;
  gboolean written = g_file_set_contents_full(
      file, text, (gssize)length, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, &problem);
  if (!written) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: %s", file, problem->message);
    g_error_free(problem);
  }
  g_free(file);
  g_free(text);
  g_key_file_free(state);
  return written;
}

gboolean bert_cpu_save(BertCpu *policy, const char *directory, GError **error)
{
  const BertShared *shared = policy->shared;
  char *file = g_build_filename(directory, WEIGHTS_FILE, NULL);
  gboolean saved = bert_model_folder_write(&shared->layout->config, shared->folder.tokenizer, directory, error) &&
                   bert_weights_save(policy->weights, file, error) &&
                   (!policy->trains ||
                    (save_optimizer(policy->optimizer, directory, error) && save_counters(policy, directory, error)));
  g_free(file);
  return saved;
}

static gboolean read_tensor(const BertSafetensors *file, const char *prefix, const BertTensorInfo *info, float *to,
                            GError **error)
{
  char *name = g_strconcat(prefix, info->name, NULL);
  const BertTensor *tensor = bert_safetensors_find(file, name);
  gboolean fits = tensor && tensor->type == BERT_TYPE_F32 && tensor->n_dimensions == info->n_dimensions;
  for (guint i = 0; fits && i < info->n_dimensions; i++)
    fits = tensor->shape[i] == info->shape[i];
  if (fits)
    bert_tensor_read_floats(tensor, 0, info->n_elements, to);
  else
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: tensor '%s' is %s; the folder was saved by a policy with another model or other frozen layers",
                bert_safetensors_file(file), name, tensor ? "of another shape or type" : "missing");
  g_free(name);
  return fits;
}

/* Reads into `fresh`, an optimizer of the same layout that nothing uses yet. */
static gboolean load_optimizer(BertOptimizer *fresh, const char *directory, GError **error)
{
  char *path = g_build_filename(directory, OPTIMIZER_FILE, NULL);
  BertSafetensors *file = bert_safetensors_open(path, error);
  g_free(path);
  if (!file)
    return FALSE;
  const BertLayout *layout = fresh->layout;
  gboolean has_gradient = FALSE, read = TRUE;
  for (guint i = 0; i < bert_safetensors_n_tensors(file); i++)
    has_gradient |= g_str_has_prefix(bert_safetensors_tensor(file, i)->name, "gradient.");
  Part parts[3];
  guint n_parts = parts_of(fresh, has_gradient, parts);
  for (guint p = 0; read && p < n_parts; p++)
    for (guint i = 0; read && i < layout->n_tensors; i++)
      if (bert_optimizer_trains(fresh, &layout->tensors[i]))
        read = read_tensor(file, parts[p].prefix, &layout->tensors[i],
                           parts[p].parameters->block + layout->tensors[i].offset, error);
  bert_safetensors_close(file);
  return read;
}

/* Whole numbers of the state file, in the order of `keys`. */
static gboolean load_counters(const char *directory, const char *const *keys, guint64 *counters, guint n,
                              GError **error)
{
  char *path = g_build_filename(directory, STATE_FILE, NULL);
  GKeyFile *state = g_key_file_new();
  GError *problem = NULL;
  gboolean loaded = g_key_file_load_from_file(state, path, G_KEY_FILE_NONE, &problem);
  if (loaded && g_key_file_get_integer(state, STATE_GROUP, "version", &problem) != STATE_VERSION && !problem)
    g_set_error(&problem, CW_POLICY_ERROR, CW_ERROR_FORMAT, "its version is not %d", STATE_VERSION);
  for (guint i = 0; !problem && i < n; i++)
    counters[i] = g_key_file_get_uint64(state, STATE_GROUP, keys[i], &problem);
  if (problem) {
    gboolean absent = problem->domain == G_FILE_ERROR;
    g_set_error(error, CW_POLICY_ERROR, absent ? CW_ERROR_INPUT_OUTPUT : CW_ERROR_FORMAT,
                "%s: %s; the folder must be one that a training policy saved", path, problem->message);
    g_error_free(problem);
  }
  g_key_file_free(state);
  g_free(path);
  return problem == NULL;
}

static gboolean same_shape(const BertConfig *a, const BertConfig *b)
{
  return a->vocabulary_size == b->vocabulary_size && a->hidden_size == b->hidden_size && a->n_layers == b->n_layers &&
         a->n_heads == b->n_heads && a->intermediate_size == b->intermediate_size &&
         a->max_positions == b->max_positions && a->n_token_types == b->n_token_types;
}

static gboolean check_config(const BertCpu *policy, const char *directory, GError **error)
{
  char *file = g_build_filename(directory, "config.json", NULL);
  BertConfig config;
  gboolean good = bert_config_read(file, &config, error);
  if (good && !same_shape(&config, &policy->shared->layout->config)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: describes a model of another shape than %s", file,
                policy->shared->model);
    good = FALSE;
  }
  g_free(file);
  return good;
}

gboolean bert_cpu_load(BertCpu *policy, const char *directory, GError **error)
{
  static const char *const keys[] = {"seed", "forwards", "steps"};
  guint64 counters[G_N_ELEMENTS(keys)];
  if (!check_config(policy, directory, error))
    return FALSE;
  char *file = g_build_filename(directory, WEIGHTS_FILE, NULL);
  BertParameters *weights = bert_parameters_new(policy->shared->layout);
  BertOptimizer *optimizer = NULL;
  gboolean loaded = bert_weights_load(weights, file, policy->seed, NULL, error);
  g_free(file);
  if (loaded && policy->trains) {
    optimizer = bert_optimizer_new(policy->shared->layout, policy->kernels, policy->pool, &policy->optimizer->rules,
                                   policy->optimizer->first_trained);
    loaded = load_counters(directory, keys, counters, G_N_ELEMENTS(keys), error) &&
             load_optimizer(optimizer, directory, error);
  }
  if (!loaded) {
    bert_parameters_free(weights);
    bert_optimizer_free(optimizer);
    return FALSE;
  }
  memcpy(policy->weights->block, weights->block, policy->shared->layout->n_floats * sizeof(float));
  bert_parameters_free(weights);
  if (optimizer) {
    bert_optimizer_free(policy->optimizer);
    policy->optimizer = optimizer;
    policy->seed = (guint32)counters[0];
    policy->hidden_dropout.seed = policy->attention_dropout.seed = policy->seed;
    policy->n_forwards = counters[1];
    optimizer->n_steps = counters[2];
    bert_optimizer_find_rows(optimizer);
  }
  policy->can_go_backward = FALSE;
  bert_network_refresh(&policy->network);
  return TRUE;
}
