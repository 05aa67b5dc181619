/* A linear model on disk: weights.bin holds a header and the weights, optimizer.bin the same header and both
 * moments. Numbers are written as they are in memory, so that loading gives back every bit; a file from a
 * machine of the other byte order fails the check of its header. */
#include "models/linear/model.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define WEIGHTS_FILE   "weights.bin"
#define OPTIMIZER_FILE "optimizer.bin"
#define FORMAT_VERSION 1u

typedef struct {
  char magic[8]; /* "CWLINEAR" */
  guint32 version;
  guint32 buckets;
  guint64 steps;
} Header;

static const char magic[8] = {'C', 'W', 'L', 'I', 'N', 'E', 'A', 'R'};

static gboolean write_file(const LinearModel *model, const char *directory, const char *name,
                           const float *first, const float *second, GError **error)
{
  gsize size = model->n_parameters * sizeof(float);
  gsize total = sizeof(Header) + size * (second ? 2 : 1);
  char *path = g_build_filename(directory, name, NULL);
  char *content = g_malloc(total);
  Header header = {.version = FORMAT_VERSION, .buckets = model->buckets, .steps = model->steps};
  GError *cause = NULL;
  gboolean written;
  memcpy(header.magic, magic, sizeof magic);
  memcpy(content, &header, sizeof header);
  memcpy(content + sizeof header, first, size);
  if (second)
    memcpy(content + sizeof header + size, second, size);
  written = g_file_set_contents(path, content, (gssize)total, &cause);
  if (!written)
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be written: %s", path,
                cause->message);
  g_clear_error(&cause);
  g_free(content);
  g_free(path);
  return written;
}

gboolean linear_model_save(const LinearModel *model, const char *directory, GError **error)
{
  return write_file(model, directory, WEIGHTS_FILE, model->weights, NULL, error) &&
         (!model->first_moment ||
          write_file(model, directory, OPTIMIZER_FILE, model->first_moment, model->second_moment, error));
}

static gboolean check_header(const char *path, const Header *header, GError **error)
{
  if (memcmp(header->magic, magic, sizeof magic) != 0 || header->version != FORMAT_VERSION) {
    g_set_error(
        error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
        "%s: expected a linear model of format %u and this machine's byte order, found something else", path,
        FORMAT_VERSION);
    return FALSE;
  }
  if (header->buckets < 2 || (header->buckets & (header->buckets - 1)) != 0) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: expected a power of two as number of buckets, found %u", path, header->buckets);
    return FALSE;
  }
  return TRUE;
}

/* Returns the numbers behind the header (n_arrays times n_parameters of them) and the header itself; free
 * with g_free. */
static float *read_file(const char *directory, const char *name, guint n_arrays, Header *header,
                        GError **error)
{
  char *path = g_build_filename(directory, name, NULL);
  char *content = NULL;
  float *numbers = NULL;
  GError *cause = NULL;
  gsize length = 0, n, i;
  if (!g_file_get_contents(path, &content, &length, &cause)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: cannot be read: %s", path,
                cause->message);
    g_error_free(cause);
    goto out;
  }
  if (length < sizeof *header) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: expected at least %zu bytes, found %" G_GSIZE_FORMAT "; the file is cut short", path,
                sizeof *header, length);
    goto out;
  }
  memcpy(header, content, sizeof *header);
  if (!check_header(path, header, error))
    goto out;
  n = linear_tensor_start(&(LinearModel){.buckets = header->buckets}, LINEAR_N_TENSORS) * n_arrays;
  if (length != sizeof *header + n * sizeof(float)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: expected %" G_GSIZE_FORMAT " bytes for %u buckets, found %" G_GSIZE_FORMAT, path,
                sizeof *header + n * sizeof(float), header->buckets, length);
    goto out;
  }
  numbers = g_memdup2(content + sizeof *header, n * sizeof(float));
  for (i = 0; i < n; i++) {
    if (!isfinite(numbers[i])) {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: number %" G_GSIZE_FORMAT " is %g", path, i,
                  numbers[i]);
      g_clear_pointer(&numbers, g_free);
      break;
    }
  }
out:
  g_free(content);
  g_free(path);
  return numbers;
}

static gboolean check_same(const LinearModel *model, const char *directory, const Header *weights,
                           const Header *optimizer, GError **error)
{
  if (weights->buckets != model->buckets || optimizer->buckets != model->buckets) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: expected a model of %u buckets, found %u; open the policy with 'buckets: %u'", directory,
                model->buckets, weights->buckets, weights->buckets);
    return FALSE;
  }
  if (weights->steps != optimizer->steps) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: " WEIGHTS_FILE " is of step %" G_GUINT64_FORMAT " and " OPTIMIZER_FILE
                " of step %" G_GUINT64_FORMAT "; they were not saved together",
                directory, weights->steps, optimizer->steps);
    return FALSE;
  }
  return TRUE;
}

gboolean linear_model_load(LinearModel *model, const char *directory, GError **error)
{
  gsize size = model->n_parameters * sizeof(float);
  gboolean frozen = !model->first_moment;
  Header of_weights, of_optimizer;
  float *weights = read_file(directory, WEIGHTS_FILE, 1, &of_weights, error);
  float *moments = NULL;
  gboolean loaded = weights != NULL;
  of_optimizer = of_weights;
  if (loaded && !frozen) {
    moments = read_file(directory, OPTIMIZER_FILE, 2, &of_optimizer, error);
    loaded = moments != NULL;
  }
  loaded = loaded && check_same(model, directory, &of_weights, &of_optimizer, error);
  if (loaded) {
    memcpy(model->weights, weights, size);
    model->steps = of_weights.steps;
  }
  if (loaded && !frozen) {
    memcpy(model->first_moment, moments, size);
    memcpy(model->second_moment, moments + model->n_parameters, size);
    memset(model->gradient, 0, size);
  }
  g_free(weights);
  g_free(moments);
  return loaded;
}

LinearModel *linear_model_read(const char *directory, GError **error)
{
  Header header;
  g_autofree float *weights = read_file(directory, WEIGHTS_FILE, 1, &header, error);
  LinearModel *model = weights ? linear_model_new(header.buckets, FALSE, error) : NULL;
  if (model)
    memcpy(model->weights, weights, model->n_parameters * sizeof(float));
  return model;
}
