/* Pure functions of rewards, values and log-probabilities: schedules, advantages, groups, moments, the
 * clipped ratio and a KL at one sample. The formulas stand with the declarations. */
#include <cartwright/learn.h>
#include <math.h>

static const char *const schedules[] = {"constant", "linear", "cosine", NULL};

static const CwOption learning_rows[] = {
    CW_NUMBER(CwLearningOptions, learning_rate, 1e-5, 0, 100,
              "peak learning rate; 1e-5 suits the fine-tuning of a BERT"),
    CW_ENUM(CwLearningOptions, schedule, "constant", schedules,
            "course of the learning rate after the warm-up; linear and cosine fall to zero"),
    CW_NUMBER(CwLearningOptions, warmup, 0, 0, 1,
              "share of the stage over which the learning rate rises to its peak"),
    CW_NUMBER(CwLearningOptions, max_gradient_norm, 1, 0, 1e9,
              "gradients are clipped to this L2 norm; 0 does not clip"),
    CW_ROW(
        CwLearningOptions, batch_tokens, gint64, CW_OPTION_INTEGER, CW_OPTION_RESUME_SAFE, "8192", 1, 1e9,
        NULL, "tokens",
        "tokens in one forward pass, at most; bounds memory, and gradients add up over the passes of a step"),
    CW_ROW(CwLearningOptions, dropout, gboolean, CW_OPTION_BOOLEAN, CW_OPTION_LATER, "true", 0, 0, NULL, NULL,
           "dropout in training, as the model's configuration has it"),
};

const CwTable cw_learning_options = CW_TABLE_OF(CwLearningOptions, learning_rows);

/* `left`: from 1 at the end of the warm-up towards 0. */
static double after_warmup(const CwLearningOptions *options, double left)
{
  double cosine = 0.5 * (1 - cos(G_PI * left));
  return options->learning_rate * (options->schedule == CW_SCHEDULE_LINEAR   ? left
                                   : options->schedule == CW_SCHEDULE_COSINE ? cosine
                                                                             : 1);
}

double cw_learning_rate(const CwLearningOptions *options, double begin, double end)
{
  if (end < options->warmup)
    return options->learning_rate * (end / options->warmup);
  return after_warmup(options, options->warmup < 1 ? CLAMP((1 - begin) / (1 - options->warmup), 0, 1) : 1);
}

double cw_learning_rate_of_step(const CwLearningOptions *options, guint64 step, guint64 total)
{
  double warmup = round(options->warmup * (double)total);
  if ((double)step < warmup)
    return options->learning_rate * ((double)step + 1) / warmup;
  return after_warmup(options, ((double)total - (double)step) / ((double)total - warmup));
}

void cw_advantages_gae(const CwStep *const *steps, guint n, const double *values, double after,
                       double discount, double lambda, double *advantages)
{
  double advantage = 0, next = after;
  for (guint t = n; t-- > 0;) {
    advantage = steps[t]->reward + discount * next - values[t] + discount * lambda * advantage;
    advantages[t] = advantage;
    next = values[t];
  }
}

void cw_returns(const CwStep *const *steps, guint n, double after, double discount, double *returns)
{
  for (guint t = n; t-- > 0;)
    after = returns[t] = steps[t]->reward + discount * after;
}

void cw_advantages_vtrace(const CwStep *const *steps, guint n, const double *values, const double *log_ratio,
                          double after, double discount, double rho, double c, double *targets,
                          double *advantages)
{
  double next_value = after, next_target = after;
  for (guint t = n; t-- > 0;) {
    double ratio = exp(log_ratio[t]), of_delta = fmin(rho, ratio), of_trace = fmin(c, ratio);
    double delta = of_delta * (steps[t]->reward + discount * next_value - values[t]);
    advantages[t] = of_delta * (steps[t]->reward + discount * next_target - values[t]);
    targets[t] = values[t] + delta + discount * of_trace * (next_target - next_value);
    next_value = values[t];
    next_target = targets[t];
  }
}

/* Means and standard deviations of the groups' rewards; the mean of equal numbers may be off by a rounding.
 */
static void measure_groups(CwUpdate *update, GArray *groups, const guint *of)
{
  for (guint g = 0; g < groups->len; g++)
    g_array_index(groups, CwGroup, g).mean /= g_array_index(groups, CwGroup, g).n;
  for (guint i = 0; i < cw_update_n_episodes(update); i++) {
    CwGroup *group = &g_array_index(groups, CwGroup, of[i]);
    group->deviation += pow(cw_update_episode(update, i)->total_reward - group->mean, 2) / group->n;
  }
  for (guint g = 0; g < groups->len; g++) {
    CwGroup *group = &g_array_index(groups, CwGroup, g);
    group->deviation = sqrt(group->deviation);
    group->tells_nothing = group->n < 2 || group->deviation <= 1e-9 * (1 + fabs(group->mean));
  }
}

GArray *cw_update_groups(CwUpdate *update, guint **of)
{
  g_autoptr(GHashTable) indices = g_hash_table_new(g_int64_hash, g_int64_equal);
  guint n = cw_update_n_episodes(update);
  GArray *groups = g_array_new(FALSE, TRUE, sizeof(CwGroup));
  *of = g_new(guint, MAX(n, 1));
  for (guint i = 0; i < n; i++) {
    const CwTrajectory *episode = cw_update_episode(update, i);
    gpointer index;
    if (!g_hash_table_lookup_extended(indices, &episode->group, NULL, &index)) {
      index = GUINT_TO_POINTER(groups->len);
      g_hash_table_insert(indices, (gpointer)&episode->group, index);
      g_array_set_size(groups, groups->len + 1);
    }
    CwGroup *group = &g_array_index(groups, CwGroup, GPOINTER_TO_UINT(index));
    (*of)[i] = GPOINTER_TO_UINT(index);
    group->n++;
    group->mean += episode->total_reward;
  }
  measure_groups(update, groups, *of);
  return groups;
}

CwMoments cw_moments(const double *numbers, const double *weight, guint n)
{
  CwMoments moments = {0};
  double squares = 0;
  for (guint i = 0; i < n; i++) {
    moments.mean += weight && weight[i] == 0 ? 0 : numbers[i];
    moments.n += !weight || weight[i] != 0;
  }
  moments.mean /= MAX(1, moments.n);
  for (guint i = 0; i < n; i++)
    squares += weight && weight[i] == 0 ? 0 : pow(numbers[i] - moments.mean, 2);
  moments.deviation = sqrt(squares / MAX(1, moments.n));
  return moments;
}

double cw_clipped_ratio(double log_p, double old, double advantage, double low, double high, double *slope)
{
  double ratio = exp(log_p - old);
  gboolean above = high > 0 && advantage > 0 && ratio > 1 + high;
  gboolean below = low > 0 && advantage < 0 && ratio < 1 - low;
  *slope = above || below ? 0 : -ratio * advantage;
  return above ? -(1 + high) * advantage : below ? -(1 - low) * advantage : -ratio * advantage;
}

double cw_k3(double log_p, double log_q, double *slope)
{
  double log_ratio = log_q - log_p;
  if (slope)
    *slope = -expm1(log_ratio);
  return expm1(log_ratio) - log_ratio;
}
