/* Fills, loads and saves the weights of encoder and choice head. The file's tensors are matched to the layout
 * by name; what a pretrained encoder lacks (head, rows of the extra tokens) is drawn from random streams, one
 * per tensor, so that it depends on the seed and the tensor's name alone. */
#include "models/bert/weights.h"
#include "models/bert/file.h"

#include <math.h>
#include <string.h>

#include <cartwright/error.h>
#include <cartwright/random.h>

#include "models/bert/safetensors.h"
#include "models/bert/tokenizer.h"

#define STANDARD_DEVIATION 0.02

/* ---- initialisation ---- */

/* A stream that depends on the tensor's name, not on its place in the layout. */
static CwRandom *stream_of(guint32 seed, const char *purpose, const BertTensorInfo *tensor)
{
  guint64 hash = G_GUINT64_CONSTANT(0xcbf29ce484222325); /* FNV-1a */
  for (const char *p = tensor->name; *p != '\0'; p++)
    hash = (hash ^ (guint8)*p) * G_GUINT64_CONSTANT(0x100000001b3);
  return cw_random_new(seed, purpose, hash, 0);
}

static void fill_normal(float *out, gsize n, CwRandom *random)
{
  for (gsize i = 0; i < n; i++)
    out[i] = (float)(STANDARD_DEVIATION * cw_random_normal(random));
}

static void fill_uniform(float *out, gsize n, double low, double high, CwRandom *random)
{
  for (gsize i = 0; i < n; i++)
    out[i] = (float)(low + (high - low) * cw_random_uniform(random));
}

static void fill_constant(float *out, gsize n, float value)
{
  for (gsize i = 0; i < n; i++)
    out[i] = value;
}

/* Head tensors: PyTorch's defaults for linear layers, spec §7.2 for dot_scale. */
static void initialise_head_tensor(BertParameters *weights, const BertTensorInfo *tensor, guint32 seed)
{
  CwRandom *random = stream_of(seed, "bert-weights", tensor);
  guint h = weights->layout->config.hidden_size;
  float *out = weights->block + tensor->offset;
  if (strcmp(tensor->name, "attn.dot_scale") == 0) {
    fill_uniform(out, tensor->n_elements, 1.0 / sqrt(h), 1.0, random);
  } else {
    guint n_inputs = h;
    if (g_str_has_prefix(tensor->name, "linear_1."))
      n_inputs = 4 * h;
    else if (g_str_has_prefix(tensor->name, "linear_3.2."))
      n_inputs = BERT_VALUE_HIDDEN;
    double bound = 1.0 / sqrt(n_inputs);
    fill_uniform(out, tensor->n_elements, -bound, bound, random);
  }
  cw_random_free(random);
}

static void initialise_encoder_tensor(BertParameters *weights, const BertTensorInfo *tensor, guint32 seed)
{
  float *out = weights->block + tensor->offset;
  if (tensor->n_dimensions == 2) {
    CwRandom *random = stream_of(seed, "bert-weights", tensor);
    fill_normal(out, tensor->n_elements, random);
    cw_random_free(random);
  } else {
    fill_constant(out, tensor->n_elements, g_str_has_suffix(tensor->name, "LayerNorm.weight") ? 1.0f : 0.0f);
  }
}

static gboolean is_head(const BertLayout *layout, const BertTensorInfo *tensor)
{
  return tensor->layer == (gint)layout->config.n_layers;
}

void bert_weights_initialise(BertParameters *weights, guint32 seed)
{
  const BertLayout *layout = weights->layout;
  for (guint i = 0; i < layout->n_tensors; i++)
    if (is_head(layout, &layout->tensors[i]))
      initialise_head_tensor(weights, &layout->tensors[i], seed);
    else
      initialise_encoder_tensor(weights, &layout->tensors[i], seed);
}

/* ---- loading ---- */

/* One call of bert_weights_load. */
typedef struct {
  BertParameters *weights;
  const BertSafetensors *file;
  guint32 seed;
  char *prefix;     /* of the encoder's tensors in the file: "bert.", "", ... */
  GHashTable *used; /* const BertTensor * → itself: tensors of the file that have a place */
  BertLoadSummary summary;
  GError **error;
} Loader;

/* The file's tensor of that name, LayerNorm's old names included. */
static const BertTensor *find_spelling(const BertSafetensors *file, const char *name)
{
  const BertTensor *tensor = bert_safetensors_find(file, name);
  gboolean is_weight = g_str_has_suffix(name, "LayerNorm.weight");
  if (!tensor && (is_weight || g_str_has_suffix(name, "LayerNorm.bias"))) {
    char *old =
        g_strdup_printf("%.*s%s", (int)(strrchr(name, '.') + 1 - name), name, is_weight ? "gamma" : "beta");
    tensor = bert_safetensors_find(file, old);
    g_free(old);
  }
  return tensor;
}

static const BertTensor *find_in_file(const Loader *loader, const BertTensorInfo *tensor)
{
  if (is_head(loader->weights->layout, tensor))
    return find_spelling(loader->file, tensor->name);
  g_autofree char *name = g_strconcat(loader->prefix, tensor->name + strlen("bert."), NULL);
  return find_spelling(loader->file, name);
}

static char *shape_text(const gint64 *shape, guint n_dimensions)
{
  GString *text = g_string_new("[");
  for (guint i = 0; i < n_dimensions; i++)
    g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", shape[i]);
  return g_string_free(g_string_append_c(text, ']'), FALSE);
}

static gboolean fail_shape(const Loader *loader, const BertTensorInfo *expected, const BertTensor *found)
{
  char *expected_shape = shape_text(expected->shape, expected->n_dimensions);
  char *found_shape = shape_text(found->shape, found->n_dimensions);
  g_set_error(
      loader->error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
      "%s: tensor '%s': expected shape %s, found %s; config.json and the weights belong to different models",
      bert_safetensors_file(loader->file), found->name, expected_shape, found_shape);
  g_free(expected_shape);
  g_free(found_shape);
  return FALSE;
}

/* Draws the word embedding rows that the file does not have. */
static void add_rows(Loader *loader, const BertTensorInfo *tensor, const BertTensor *found)
{
  gsize h = (gsize)tensor->shape[1], n_present = (gsize)found->shape[0] * h;
  CwRandom *random = stream_of(loader->seed, "bert-new-rows", tensor);
  fill_normal(loader->weights->block + tensor->offset + n_present, tensor->n_elements - n_present, random);
  cw_random_free(random);
  loader->summary.n_new_rows = (guint)(tensor->shape[0] - found->shape[0]);
}

static gboolean load_tensor(Loader *loader, const BertTensorInfo *tensor, const BertTensor *found)
{
  gboolean same = found->n_dimensions == tensor->n_dimensions;
  for (guint i = 0; same && i < tensor->n_dimensions; i++)
    same = found->shape[i] == tensor->shape[i];
  float *out = loader->weights->block + tensor->offset;
  gboolean is_words = out == loader->weights->word_embeddings;
  gboolean lacks_rows = is_words && found->n_dimensions == 2 && found->shape[1] == tensor->shape[1] &&
                        found->shape[0] < tensor->shape[0] &&
                        found->shape[0] + BERT_N_EXTRA_TOKENS >= tensor->shape[0];
  if (!same && !lacks_rows)
    return fail_shape(loader, tensor, found);
  if (!bert_type_is_float(found->type))
    return bert_fail(loader->error, CW_ERROR_FORMAT,
                     "%s: tensor '%s': expected type F32, F16, BF16 or F64, found %s",
                     bert_safetensors_file(loader->file), found->name, bert_type_name(found->type));
  bert_tensor_read_floats(found, 0, found->n_elements, out);
  for (gsize i = 0; i < found->n_elements; i++)
    if (!isfinite(out[i]))
      return bert_fail(loader->error, CW_ERROR_NUMERIC,
                       "%s: tensor '%s' is not finite (element %" G_GSIZE_FORMAT
                       " is %g); the model is broken, or too large for f32",
                       bert_safetensors_file(loader->file), found->name, i, (double)out[i]);
  if (lacks_rows)
    add_rows(loader, tensor, found);
  g_hash_table_add(loader->used, (gpointer)found);
  return TRUE;
}

static gboolean load_encoder(Loader *loader)
{
  const BertLayout *layout = loader->weights->layout;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (is_head(layout, tensor))
      continue;
    const BertTensor *found = find_in_file(loader, tensor);
    if (!found)
      return bert_fail(
          loader->error, CW_ERROR_FORMAT,
          "%s: tensor '%s%s' is missing; the file has to hold the whole encoder that config.json "
          "describes",
          bert_safetensors_file(loader->file), loader->prefix, tensor->name + strlen("bert."));
    if (!load_tensor(loader, tensor, found))
      return FALSE;
  }
  return TRUE;
}

/* Loads the head tensors that belong to the value head (or do not), or initialises them all if the file has
 * none. */
static gboolean load_head(Loader *loader, gboolean value_head, gboolean *loaded)
{
  const BertLayout *layout = loader->weights->layout;
  const char *present = NULL, *missing = NULL;
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *tensor = &layout->tensors[i];
    if (!is_head(layout, tensor) || g_str_has_prefix(tensor->name, "linear_3.") != value_head)
      continue;
    const BertTensor *found = find_in_file(loader, tensor);
    if (!found) {
      missing = tensor->name;
      initialise_head_tensor(loader->weights, tensor, loader->seed);
    } else if (load_tensor(loader, tensor, found)) {
      present = tensor->name;
    } else {
      return FALSE;
    }
  }
  if (present && missing)
    return bert_fail(loader->error, CW_ERROR_FORMAT,
                     "%s: tensor '%s' is missing although '%s' is there; a %s is loaded whole or not at all",
                     bert_safetensors_file(loader->file), missing, present,
                     value_head ? "value head" : "choice head");
  *loaded = present != NULL;
  return TRUE;
}

/* What stands before "embeddings.word_embeddings.weight" in the file's names; NULL with error if that is
 * nowhere, or in two places: a file of two encoders. */
static char *find_prefix(const BertSafetensors *file, GError **error)
{
  static const char words[] = "embeddings.word_embeddings.weight";
  const char *found = NULL;
  for (guint i = 0; i < bert_safetensors_n_tensors(file); i++) {
    const char *name = bert_safetensors_tensor(file, i)->name;
    gsize length = strlen(name) - MIN(strlen(words), strlen(name));
    if (strcmp(name + length, words) != 0 || (length > 0 && name[length - 1] != '.'))
      continue;
    if (found && strcmp(found, name) != 0) {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                  "%s: tensors '%s' and '%s' are the words of two encoders; leave one encoder in the file",
                  bert_safetensors_file(file), found, name);
      return NULL;
    }
    found = name;
  }
  return found ? g_strndup(found, strlen(found) - strlen(words)) : g_strdup("bert.");
}

/* Whether the name is one of the encoder's, but for tables that newer versions no longer save. */
static gboolean is_of_encoder(const char *name, const char *prefix)
{
  if (!g_str_has_prefix(name, prefix))
    return FALSE;
  const char *bare = name + strlen(prefix);
  return g_str_has_prefix(bare, "encoder.") ||
         (g_str_has_prefix(bare, "embeddings.") && strcmp(bare, "embeddings.position_ids") != 0 &&
          strcmp(bare, "embeddings.token_type_ids") != 0);
}

gboolean bert_weights_uses(const BertSafetensors *file, const char *name)
{
  static const char *const heads[] = {"attn.", "linear_1.", "linear_2.", "linear_3."};
  g_autofree char *prefix = find_prefix(file, NULL);
  gboolean used = prefix && is_of_encoder(name, prefix);
  for (guint i = 0; i < G_N_ELEMENTS(heads); i++)
    used |= g_str_has_prefix(name, heads[i]);
  return used;
}

/* Tensors of other parts are nobody's business here; an unknown one within the encoder would change what it
 * computes. */
static gboolean check_rest(Loader *loader)
{
  for (guint i = 0; i < bert_safetensors_n_tensors(loader->file); i++) {
    const BertTensor *tensor = bert_safetensors_tensor(loader->file, i);
    if (g_hash_table_contains(loader->used, tensor))
      continue;
    if (is_of_encoder(tensor->name, loader->prefix))
      return bert_fail(loader->error, CW_ERROR_FORMAT,
                       "%s: tensor '%s' has no place in a BERT encoder of %u layers with a choice head",
                       bert_safetensors_file(loader->file), tensor->name,
                       loader->weights->layout->config.n_layers);
    loader->summary.n_ignored++;
  }
  return TRUE;
}

gboolean bert_weights_load_tensors(BertParameters *weights, const BertSafetensors *tensors, guint32 seed,
                                   BertLoadSummary *summary, GError **error)
{
  Loader loader = {.weights = weights, .file = tensors, .seed = seed, .error = error};
  loader.prefix = find_prefix(tensors, error);
  if (!loader.prefix)
    return FALSE;
  loader.used = g_hash_table_new(g_direct_hash, g_direct_equal);
  gboolean ok = load_encoder(&loader) && load_head(&loader, FALSE, &loader.summary.head_loaded) &&
                load_head(&loader, TRUE, &loader.summary.value_head_loaded) && check_rest(&loader);
  if (ok && summary)
    *summary = loader.summary;
  g_hash_table_destroy(loader.used);
  g_free(loader.prefix);
  return ok;
}

gboolean bert_weights_load(BertParameters *weights, const char *file, guint32 seed, BertLoadSummary *summary,
                           GError **error)
{
  BertSafetensors *tensors = g_str_has_suffix(file, ".index.json") ? bert_safetensors_open_index(file, error)
                                                                   : bert_safetensors_open(file, error);
  if (!tensors)
    return FALSE;
  gboolean ok = bert_weights_load_tensors(weights, tensors, seed, summary, error);
  bert_safetensors_close(tensors);
  return ok;
}

gboolean bert_weights_save(const BertParameters *weights, const char *file, GError **error)
{
  const BertLayout *layout = weights->layout;
  BertTensor *tensors = g_new0(BertTensor, layout->n_tensors);
  for (guint i = 0; i < layout->n_tensors; i++) {
    const BertTensorInfo *info = &layout->tensors[i];
    tensors[i] = (BertTensor){.name = info->name,
                              .type = BERT_TYPE_F32,
                              .n_dimensions = info->n_dimensions,
                              .shape = {info->shape[0], info->shape[1]},
                              .data = weights->block + info->offset};
  }
  gboolean ok = bert_safetensors_write(file, tensors, layout->n_tensors, NULL, error);
  g_free(tensors);
  return ok;
}
