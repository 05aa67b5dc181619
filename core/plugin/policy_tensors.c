/* What is done with a policy's tensors: weights and gradients as flat arrays, averages of two policies, the
 * fingerprint of all weights, and the search for the first one that is not finite. Everything goes through
 * the backend's visit_tensors and edit_tensors; nothing is kept between calls. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"
#include <math.h>
#include <string.h>

gsize cw_tensor_size(const gint64 *shape, guint n_dimensions)
{
  gsize size = 1;
  for (guint i = 0; i < n_dimensions; i++)
    size *= (gsize)shape[i];
  return size;
}

static void add_to_checksum(const char *name, const gint64 *shape, guint n_dimensions, const float *weights,
                            const float *gradient G_GNUC_UNUSED, gpointer checksum)
{
  gsize size = cw_tensor_size(shape, n_dimensions) * sizeof *weights;
  g_checksum_update(checksum, (const guchar *)name, (gssize)strlen(name) + 1);
  g_checksum_update(checksum, (const guchar *)weights, (gssize)size);
}

char *cw_policy_fingerprint(CwPolicy *policy)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  if (!cw_policy_visit_tensors(policy, add_to_checksum, checksum, NULL))
    return NULL;
  return g_strdup(g_checksum_get_string(checksum));
}

static void note_bad_tensor(const char *name, const gint64 *shape, guint n_dimensions, const float *weights,
                            const float *gradient G_GNUC_UNUSED, gpointer user_data)
{
  char **first = user_data;
  gsize size = cw_tensor_size(shape, n_dimensions);
  for (gsize i = 0; i < size && !*first; i++)
    if (!isfinite(weights[i]))
      *first = g_strdup(name);
}

char *cw_policy_bad_tensor(CwPolicy *policy)
{
  char *name = NULL;
  cw_policy_visit_tensors(policy, note_bad_tensor, &name, NULL);
  return name;
}

static void count_weights(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions,
                          const float *weights G_GNUC_UNUSED, const float *gradient G_GNUC_UNUSED, gpointer n)
{
  *(gsize *)n += cw_tensor_size(shape, n_dimensions);
}

gsize cw_policy_n_weights(CwPolicy *policy)
{
  gsize n = 0;
  return cw_policy_visit_tensors(policy, count_weights, &n, NULL) ? n : 0;
}

/* A flat array that a visit walks through; `share` is for blending. */
typedef struct {
  float *into;
  const float *from;
  gboolean gradient;
  double share;
  gsize at;
} Flat;

static void copy_out(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions,
                     const float *weights, const float *gradient, gpointer user_data)
{
  Flat *flat = user_data;
  gsize size = cw_tensor_size(shape, n_dimensions);
  const float *source = flat->gradient ? gradient : weights;
  if (source)
    memcpy(flat->into + flat->at, source, size * sizeof *source);
  else
    memset(flat->into + flat->at, 0, size * sizeof *source);
  flat->at += size;
}

static void copy_in(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions, float *weights,
                    float *gradient, gpointer user_data)
{
  Flat *flat = user_data;
  gsize size = cw_tensor_size(shape, n_dimensions);
  float *target = flat->gradient ? gradient : weights;
  if (target)
    memcpy(target, flat->from + flat->at, size * sizeof *target);
  flat->at += size;
}

static gboolean check_size(CwPolicy *policy, gsize n, GError **error)
{
  gsize expected = cw_policy_n_weights(policy);
  return n == expected || expected == 0 ||
         cw_feature_error(cw_policy_feature(policy), error, CW_ERROR_FAILED,
                          "expected an array of %" G_GSIZE_FORMAT " numbers, found %" G_GSIZE_FORMAT
                          "; ask cw_policy_n_weights",
                          expected, n);
}

static gboolean get(CwPolicy *policy, gboolean gradient, float *into, gsize n, GError **error)
{
  Flat flat = {.into = into, .gradient = gradient};
  return check_size(policy, n, error) && cw_policy_visit_tensors(policy, copy_out, &flat, error);
}

static gboolean set(CwPolicy *policy, gboolean gradient, const float *from, gsize n, GError **error)
{
  Flat flat = {.from = from, .gradient = gradient};
  return check_size(policy, n, error) &&
         cw_policy_edit_tensors(policy, gradient ? CW_EDIT_GRADIENTS : CW_EDIT_WEIGHTS, copy_in, &flat,
                                error);
}

gboolean cw_policy_get_weights(CwPolicy *policy, float *weights, gsize n, GError **error)
{
  return get(policy, FALSE, weights, n, error);
}

gboolean cw_policy_get_gradient(CwPolicy *policy, float *gradient, gsize n, GError **error)
{
  return get(policy, TRUE, gradient, n, error);
}

gboolean cw_policy_set_weights(CwPolicy *policy, const float *weights, gsize n, GError **error)
{
  return set(policy, FALSE, weights, n, error);
}

gboolean cw_policy_set_gradient(CwPolicy *policy, const float *gradient, gsize n, GError **error)
{
  return set(policy, TRUE, gradient, n, error);
}

static void clear_gradient(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions,
                           float *weights G_GNUC_UNUSED, float *gradient, gpointer user_data G_GNUC_UNUSED)
{
  if (gradient)
    memset(gradient, 0, cw_tensor_size(shape, n_dimensions) * sizeof *gradient);
}

gboolean cw_policy_zero_gradient(CwPolicy *policy, GError **error)
{
  return cw_policy_edit_tensors(policy, CW_EDIT_GRADIENTS, clear_gradient, NULL, error);
}

static void blend_in(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions, float *weights,
                     float *gradient G_GNUC_UNUSED, gpointer user_data)
{
  Flat *flat = user_data;
  gsize size = cw_tensor_size(shape, n_dimensions);
  const float *from = flat->from + flat->at;
  for (gsize i = 0; i < size; i++)
    weights[i] =
        flat->share == 1 ? from[i] : (float)(weights[i] + flat->share * ((double)from[i] - weights[i]));
  flat->at += size;
}

gboolean cw_policy_blend(CwPolicy *to, CwPolicy *from, double share, GError **error)
{
  gsize n = cw_policy_n_weights(from);
  g_autofree float *weights = g_new(float, MAX(n, 1));
  Flat flat = {.from = weights, .share = share};
  return cw_policy_get_weights(from, weights, n, error) && check_size(to, n, error) &&
         cw_policy_edit_tensors(to, CW_EDIT_WEIGHTS, blend_in, &flat, error);
}
