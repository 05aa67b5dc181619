/* Saving and loading of policies, the same for every backend. Blocks are on the host and belong to the
 * caller. */
#include "models/bert/state.h"
#include "models/bert/safetensors.h"
#include <cartwright/cartwright.h>
#include <errno.h>
#include <string.h>

#define STATE_FILE     "training.state"
#define OPTIMIZER_FILE "optimizer.safetensors"
#define WEIGHTS_FILE   "model.safetensors"
#define AVERAGED       "averaged"
#define STATE_GROUP    "training"
#define STATE_VERSION  1

typedef struct {
  const char *prefix;
  BertParameters *parameters;
} Part;

/* Gradients are only there between a backward and its step. */
static guint parts_of(const BertTrainingState *state, gboolean with_gradient, Part parts[3])
{
  parts[0] = (Part){"moment1.", state->moment1};
  parts[1] = (Part){"moment2.", state->moment2};
  parts[2] = (Part){"gradient.", state->gradient};
  return with_gradient ? 3 : 2;
}

static gboolean save_optimizer(const BertLayout *layout, const BertTrainingState *state,
                               const char *directory, GError **error)
{
  GArray *tensors = g_array_new(FALSE, TRUE, sizeof(BertTensor));
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  Part parts[3];
  guint n_parts = parts_of(state, state->has_gradient, parts);
  for (guint p = 0; p < n_parts; p++)
    for (guint i = 0; i < layout->n_tensors; i++) {
      const BertTensorInfo *info = &layout->tensors[i];
      if (info->layer < state->first_trained)
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

static gboolean save_counters(const BertTrainingState *counters, const char *directory, GError **error)
{
  GKeyFile *state = g_key_file_new();
  g_key_file_set_integer(state, STATE_GROUP, "version", STATE_VERSION);
  g_key_file_set_uint64(state, STATE_GROUP, "seed", counters->seed);
  g_key_file_set_uint64(state, STATE_GROUP, "steps", counters->n_steps);
  gsize length;
  char *text = g_key_file_to_data(state, &length, NULL),
       *file = g_build_filename(directory, STATE_FILE, NULL);
  GError *problem = NULL;
  gboolean written =
      g_file_set_contents_full(file, text, (gssize)length,
                               G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, &problem);
  if (!written) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: %s", file, problem->message);
    g_error_free(problem);
  }
  g_free(file);
  g_free(text);
  g_key_file_free(state);
  return written;
}

static gboolean save_model(const BertShared *shared, const BertParameters *weights, const char *directory,
                           GError **error)
{
  char *file = g_build_filename(directory, WEIGHTS_FILE, NULL);
  gboolean saved =
      bert_model_folder_write(&shared->layout->config, shared->folder.tokenizer, directory, error) &&
      bert_weights_save(weights, file, error);
  g_free(file);
  return saved;
}

static gboolean save_averaged(const BertShared *shared, const BertParameters *averaged, const char *directory,
                              GError **error)
{
  char *folder = g_build_filename(directory, AVERAGED, NULL);
  gboolean saved = g_mkdir_with_parents(folder, 0777) == 0;
  if (!saved)
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be created: %s", folder,
                g_strerror(errno));
  saved = saved && save_model(shared, averaged, folder, error);
  g_free(folder);
  return saved;
}

gboolean bert_state_save(const BertShared *shared, const BertParameters *weights,
                         const BertTrainingState *state, const char *directory, GError **error)
{
  return save_model(shared, weights, directory, error) &&
         (!state || (save_optimizer(shared->layout, state, directory, error) &&
                     (!state->averaged || save_averaged(shared, state->averaged, directory, error)) &&
                     save_counters(state, directory, error)));
}

static gboolean read_tensor(const BertSafetensors *file, const char *prefix, const BertTensorInfo *info,
                            float *to, GError **error)
{
  char *name = g_strconcat(prefix, info->name, NULL);
  const BertTensor *tensor = bert_safetensors_find(file, name);
  gboolean fits = tensor && tensor->type == BERT_TYPE_F32 && tensor->n_dimensions == info->n_dimensions;
  for (guint i = 0; fits && i < info->n_dimensions; i++)
    fits = tensor->shape[i] == info->shape[i];
  if (fits)
    bert_tensor_read_floats(tensor, 0, info->n_elements, to);
  else
    g_set_error(
        error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
        "%s: tensor '%s' is %s; the folder was saved by a policy with another model or other frozen layers",
        bert_safetensors_file(file), name, tensor ? "of another shape or type" : "missing");
  g_free(name);
  return fits;
}

static gboolean load_optimizer(const BertLayout *layout, BertTrainingState *state, const char *directory,
                               GError **error)
{
  char *path = g_build_filename(directory, OPTIMIZER_FILE, NULL);
  BertSafetensors *file = bert_safetensors_open(path, error);
  g_free(path);
  if (!file)
    return FALSE;
  gboolean read = TRUE;
  state->has_gradient = FALSE;
  for (guint i = 0; i < bert_safetensors_n_tensors(file); i++)
    state->has_gradient |= g_str_has_prefix(bert_safetensors_tensor(file, i)->name, "gradient.");
  Part parts[3];
  guint n_parts = parts_of(state, state->has_gradient, parts);
  for (guint p = 0; read && p < n_parts; p++)
    for (guint i = 0; read && i < layout->n_tensors; i++)
      if (layout->tensors[i].layer >= state->first_trained)
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
  return !problem;
}

static gboolean same_shape(const BertConfig *a, const BertConfig *b)
{
  return a->vocabulary_size == b->vocabulary_size && a->hidden_size == b->hidden_size &&
         a->n_layers == b->n_layers && a->n_heads == b->n_heads &&
         a->intermediate_size == b->intermediate_size && a->max_positions == b->max_positions &&
         a->n_token_types == b->n_token_types;
}

static gboolean check_config(const BertShared *shared, const char *directory, GError **error)
{
  char *file = g_build_filename(directory, "config.json", NULL);
  BertConfig config;
  gboolean good = bert_config_read(file, &config, error);
  if (good && !same_shape(&config, &shared->layout->config)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: describes a model of another shape than %s",
                file, shared->model);
    good = FALSE;
  }
  g_free(file);
  return good;
}

/* A folder of a policy that kept no average is no error. */
static gboolean load_averaged(BertTrainingState *state, guint32 seed, const char *directory, GError **error)
{
  char *file = g_build_filename(directory, AVERAGED, WEIGHTS_FILE, NULL);
  state->has_averaged = state->averaged && g_file_test(file, G_FILE_TEST_EXISTS);
  gboolean loaded = !state->has_averaged || bert_weights_load(state->averaged, file, seed, NULL, error);
  g_free(file);
  return loaded;
}

gboolean bert_state_load(const BertShared *shared, BertParameters *weights, BertTrainingState *state,
                         guint32 seed, const char *directory, GError **error)
{
  static const char *const keys[] = {"seed", "steps"};
  guint64 counters[G_N_ELEMENTS(keys)];
  if (!check_config(shared, directory, error))
    return FALSE;
  char *file = g_build_filename(directory, WEIGHTS_FILE, NULL);
  gboolean loaded = bert_weights_load(weights, file, seed, NULL, error);
  g_free(file);
  if (!loaded || !state)
    return loaded;
  if (!load_counters(directory, keys, counters, G_N_ELEMENTS(keys), error) ||
      !load_optimizer(shared->layout, state, directory, error) ||
      !load_averaged(state, seed, directory, error))
    return FALSE;
  state->seed = (guint32)counters[0];
  state->n_steps = counters[1];
  return TRUE;
}
