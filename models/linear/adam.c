/* The optimiser of the linear model: AdamW with a global norm clip. */
#include "models/linear/model.h"

#include <math.h>
#include <string.h>

static gboolean check_gradient(const LinearModel *model, GError **error)
{
  for (guint tensor = 0; tensor < LINEAR_N_TENSORS; tensor++) {
    const float *gradient = model->gradient + linear_tensor_start(model, tensor);
    gsize size = linear_tensor_size(model, tensor), i;
    for (i = 0; i < size; i++) {
      if (!isfinite(gradient[i])) {
        g_set_error(error, CW_POLICY_ERROR, CW_ERROR_NUMERIC,
                    "step: element %" G_GSIZE_FORMAT " of the gradient of %s is %g; no weight was changed", i,
                    linear_tensor_name(tensor), gradient[i]);
        return FALSE;
      }
    }
  }
  return TRUE;
}

static double norm_of(const float *vector, gsize n)
{
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (double)vector[i] * vector[i];
  return sqrt(sum);
}

static void apply(LinearModel *model, const LinearAdam *adam, double learning_rate, double scale)
{
  float beta1 = (float)adam->beta1, beta2 = (float)adam->beta2, epsilon = (float)adam->epsilon;
  float rate = (float)(learning_rate / (1 - pow(adam->beta1, (double)model->steps)));
  float correction = (float)(1 / sqrt(1 - pow(adam->beta2, (double)model->steps)));
  float keep = (float)(1 - learning_rate * adam->weight_decay);
  float clip = (float)scale;
  for (gsize i = 0; i < model->n_parameters; i++) {
    float gradient = model->gradient[i] * clip;
    model->first_moment[i] = beta1 * model->first_moment[i] + (1 - beta1) * gradient;
    model->second_moment[i] = beta2 * model->second_moment[i] + (1 - beta2) * gradient * gradient;
    model->weights[i] =
        keep * model->weights[i] -
        rate * model->first_moment[i] / (sqrtf(model->second_moment[i]) * correction + epsilon);
  }
}

gboolean linear_model_step(LinearModel *model, const LinearAdam *adam, double learning_rate, double max_norm,
                           double *gradient_norm, GError **error)
{
  gboolean sound = check_gradient(model, error);
  if (sound) {
    double norm = norm_of(model->gradient, model->n_parameters);
    model->steps++;
    apply(model, adam, learning_rate, max_norm > 0 && norm > max_norm ? max_norm / norm : 1);
    if (gradient_norm)
      *gradient_norm = norm;
  }
  memset(model->gradient, 0, model->n_parameters * sizeof(float));
  return sound;
}
