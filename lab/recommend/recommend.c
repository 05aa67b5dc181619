/* Rolls out groups of k episodes on a goal and judges the list when the last of a group is there. Only the
 * measures of each goal are kept. */
#include "lab/recommend/recommend.h"
#include "lab/recommend/ranking.h"

typedef struct {
  const CwRecommendRequest *request;
  CwRanking *ranking; /* of the present goal */
  char *target;       /* of the present goal; NULL: not known yet */
  guint64 n_episodes, n_total, n_none, n_items, n_first, n_hits;
  GArray *of_target, *of_rewards; /* double per goal */
  CwWorkProgress progress;
  gpointer user_data;
} Recommending;

static gboolean finish_goal(Recommending *recommending, GError **error)
{
  guint k = recommending->request->k;
  if (!recommending->target) {
    g_set_error_literal(
        error, CW_RUN_ERROR, CW_ERROR_UNSUPPORTED,
        "the environment does not tell what a goal asks for and what an episode ended with (facts "
        "'target' and 'item'), so that recommendations cannot be judged");
    return FALSE;
  }
  cw_ranking_sort(recommending->ranking);
  gint place = cw_ranking_place(recommending->ranking, recommending->target);
  double of_target = cw_ranking_ndcg_of_target(recommending->ranking, recommending->target, k);
  double of_rewards = cw_ranking_ndcg_of_rewards(recommending->ranking, recommending->target, k);
  recommending->n_first += place == 0 ? 1 : 0;
  recommending->n_hits += place >= 0 && (guint)place < k ? 1 : 0;
  recommending->n_items += recommending->ranking->items->len;
  g_array_append_val(recommending->of_target, of_target);
  g_array_append_val(recommending->of_rewards, of_rewards);
  g_clear_pointer(&recommending->ranking, cw_ranking_free);
  g_clear_pointer(&recommending->target, g_free);
  return TRUE;
}

static gboolean episode_finished(CwEpisode *episode, gpointer user_data, GError **error)
{
  Recommending *recommending = user_data;
  const char *target = cw_episode_fact(episode, "target"), *item = cw_episode_fact(episode, "item");
  if (!recommending->ranking)
    recommending->ranking = cw_ranking_new();
  if (target && !recommending->target)
    recommending->target = g_strdup(target);
  if (item)
    cw_ranking_add(recommending->ranking, item, episode->total_reward);
  else
    recommending->n_none++;
  recommending->n_episodes++;
  if (recommending->n_episodes % recommending->request->k == 0 && !finish_goal(recommending, error))
    return FALSE;
  if (recommending->progress) {
    char text[64];
    guint n = MAX(recommending->of_target->len, 1);
    g_snprintf(text, sizeof text, "hit rate %.1f%%", 100 * (double)recommending->n_hits / n);
    recommending->progress(recommending->n_episodes, recommending->n_total, text, recommending->user_data);
  }
  return TRUE;
}

static CwInterval in_percent(CwInterval interval)
{
  return (CwInterval){100 * interval.mean, 100 * interval.low, 100 * interval.high};
}

static CwInterval of_values(const GArray *values, double confidence)
{
  return cw_bootstrap_interval((const double *)(gconstpointer)values->data, values->len, confidence);
}

gboolean cw_recommend(CwRollout *rollout, const CwAgent *agent, const CwRecommendRequest *request,
                      CwRecommendation *result, CwWorkProgress progress, gpointer user_data, GError **error)
{
  gint64 n_goals = cw_environment_n_goals(cw_rollout_environment(rollout), request->split, error);
  if (n_goals < 0)
    return FALSE;
  guint64 n = MIN(request->n_goals, (guint64)n_goals);
  if (n == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "cannot recommend on split '%s': there are no goals", request->split);
    return FALSE;
  }
  g_autofree gint64 *goals = g_new(gint64, n);
  for (guint64 i = 0; i < n; i++)
    goals[i] = (gint64)i;
  Recommending recommending = {.request = request,
                               .n_total = n * request->k,
                               .of_target = g_array_new(FALSE, FALSE, sizeof(double)),
                               .of_rewards = g_array_new(FALSE, FALSE, sizeof(double)),
                               .progress = progress,
                               .user_data = user_data};
  CwRolloutPlan plan = {.seed = request->seed,
                        .purpose = "recommend",
                        .split = request->split,
                        .goals = goals,
                        .n_episodes = n * request->k,
                        .group_size = request->k,
                        .stoppable = TRUE};
  gboolean good = cw_rollout_run(rollout, &plan, agent, episode_finished, &recommending, NULL, error);
  if (good) {
    *result = (CwRecommendation){
        .n_goals = (guint)n,
        .hit_first = in_percent(cw_wilson_interval(recommending.n_first, n, request->confidence)),
        .hit = in_percent(cw_wilson_interval(recommending.n_hits, n, request->confidence)),
        .ndcg_target = of_values(recommending.of_target, request->confidence),
        .ndcg_rewards = of_values(recommending.of_rewards, request->confidence),
        .n_items = (double)recommending.n_items / (double)n,
        .none = (double)recommending.n_none / (double)recommending.n_total,
    };
  }
  cw_ranking_free(recommending.ranking);
  g_free(recommending.target);
  g_array_unref(recommending.of_target);
  g_array_unref(recommending.of_rewards);
  return good;
}
