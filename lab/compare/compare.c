/* Runs the bandits. The rewards of every agent are kept per run as far as they have been rolled out; a bandit
 * that needs more asks for a block of them. */
#include "lab/compare/compare.h"
#include "core/rollout/goal_order.h"

#define BLOCK 32 /* episodes rolled out at a time */

/* The result of an episode. */
typedef struct {
  double reward;
  gboolean success;
} Played;

typedef struct {
  CwRollout *rollout;
  const CwContender *contenders;
  const CwCompareRequest *request;
  CwComparison *comparison;
  GArray **played; /* per contender: Played of the present run */
  CwGoalOrder *goals;
  guint run; /* the present one */
  guint64 n_done, n_total;
  CwWorkProgress progress;
  gpointer user_data;
} Comparing;

const char *cw_compare_measure_name(CwCompareMeasure measure)
{
  return measure == CW_COMPARE_SUCCESS ? "success" : "score";
}

CwBanditKind cw_compare_measure_kind(CwCompareMeasure measure)
{
  return measure == CW_COMPARE_SUCCESS ? CW_BANDIT_BERNOULLI : CW_BANDIT_GAUSSIAN;
}

static gboolean note_episode(CwEpisode *episode, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  Played played = {episode->total_reward, episode->success};
  g_array_append_val((GArray *)user_data, played);
  return TRUE;
}

/* Rolls out the next block of a contender. */
static gboolean roll_out(Comparing *comparing, guint contender, GError **error)
{
  const CwCompareRequest *request = comparing->request;
  GArray *played = comparing->played[contender];
  g_autofree char *purpose = g_strdup_printf("compare-%u", comparing->run);
  gint64 goals[BLOCK];
  CwRolloutPlan plan = {.seed = request->seed,
                        .purpose = purpose,
                        .split = request->split,
                        .goals = goals,
                        .first_episode = played->len,
                        .n_episodes = MIN(BLOCK, request->n_rollouts - played->len),
                        .stoppable = TRUE};
  for (guint64 i = 0; i < plan.n_episodes; i++)
    goals[i] = cw_goal_order_at(comparing->goals, plan.first_episode + i);
  comparing->comparison->n_episodes += plan.n_episodes;
  return cw_rollout_run(comparing->rollout, &plan, &comparing->contenders[contender].agent, note_episode,
                        played, NULL, error);
}

static void report(Comparing *comparing, const char *text)
{
  if (comparing->progress)
    comparing->progress(comparing->n_done, comparing->n_total, text, comparing->user_data);
}

static gboolean run_bandit(Comparing *comparing, CwCompareMeasure measure, GError **error)
{
  CwComparison *comparison = comparing->comparison;
  CwBanditRun *run = &comparison->runs[measure][comparing->run];
  g_autofree char *purpose = g_strconcat("compare ", cw_compare_measure_name(measure), NULL);
  g_autofree char *text = g_strdup_printf("%s, run %u", cw_compare_measure_name(measure), comparing->run + 1);
  CwRandom *random = cw_random_new(comparison->seed, purpose, comparing->run, 0);
  gboolean good = TRUE;
  for (guint64 i = 0; i < comparison->n_rollouts && good; i++) {
    guint chosen =
        cw_bandit_choose(cw_compare_measure_kind(measure), run->arms, comparison->n_contenders, random);
    CwArm *arm = &run->arms[chosen];
    const GArray *played = comparing->played[chosen];
    good = arm->pulls < played->len || roll_out(comparing, chosen, error);
    if (good) {
      const Played *episode = &g_array_index(played, Played, (guint)arm->pulls);
      cw_arm_add(arm, measure == CW_COMPARE_SUCCESS ? (episode->success ? 1 : 0) : episode->reward);
      run->pulled[i] = chosen;
      run->means[i] = arm->mean;
      comparing->n_done++;
      report(comparing, text);
    }
  }
  cw_random_free(random);
  return good;
}

static gboolean run_bandits(Comparing *comparing, guint32 n_goals, GError **error)
{
  CwComparison *comparison = comparing->comparison;
  gboolean good = TRUE;
  for (guint run = 0; run < comparison->n_runs && good; run++) {
    comparing->run = run;
    comparing->goals = cw_goal_order_new(comparison->seed, run, n_goals);
    for (guint i = 0; i < comparison->n_contenders; i++)
      g_array_set_size(comparing->played[i], 0);
    for (guint measure = 0; measure < CW_COMPARE_MEASURES && good; measure++)
      good = run_bandit(comparing, (CwCompareMeasure)measure, error);
    cw_goal_order_free(comparing->goals);
  }
  return good;
}

static gboolean evaluate_fixed(Comparing *comparing, GError **error)
{
  CwComparison *comparison = comparing->comparison;
  const CwCompareRequest *request = comparing->request;
  for (guint i = 0; i < comparison->n_contenders; i++) {
    const CwContender *contender = &comparing->contenders[i];
    g_autofree char *text = g_strdup_printf("evaluating %s", contender->name);
    report(comparing, text);
    comparison->fixed[i] = cw_evaluate(comparing->rollout, &contender->agent, contender->name, request->split,
                                       request->n_fixed, request->seed, NULL, NULL, NULL, error);
    if (!comparison->fixed[i])
      return FALSE;
    comparing->n_done += comparison->fixed[i]->n;
  }
  return TRUE;
}

static CwComparison *comparison_new(CwEnvironment *environment, const CwContender *contenders,
                                    guint n_contenders, const CwCompareRequest *request)
{
  CwComparison *comparison = g_new0(CwComparison, 1);
  const CwRegisteredFeature *feature = cw_environment_feature(environment);
  comparison->n_contenders = n_contenders;
  comparison->n_runs = request->n_runs;
  comparison->n_rollouts = request->n_rollouts;
  comparison->split = g_strdup(request->split);
  comparison->environment = g_strdup_printf("%s %s", feature->name, feature->plugin->descriptor->version);
  comparison->facts = g_strdupv((char **)cw_environment_describe(environment));
  comparison->seed = request->seed;
  comparison->confidence = request->confidence;
  comparison->names = g_new0(char *, n_contenders + 1);
  comparison->fixed = g_new0(CwEvaluation *, n_contenders);
  for (guint i = 0; i < n_contenders; i++)
    comparison->names[i] = g_strdup(contenders[i].name);
  for (guint measure = 0; measure < CW_COMPARE_MEASURES; measure++) {
    comparison->runs[measure] = g_new0(CwBanditRun, request->n_runs);
    for (guint i = 0; i < request->n_runs; i++)
      comparison->runs[measure][i] =
          (CwBanditRun){g_new0(CwArm, n_contenders), g_new0(guint32, request->n_rollouts),
                        g_new0(double, request->n_rollouts)};
  }
  return comparison;
}

CwComparison *cw_compare(CwRollout *rollout, const CwContender *contenders, guint n_contenders,
                         const CwCompareRequest *request, CwWorkProgress progress, gpointer user_data,
                         GError **error)
{
  CwEnvironment *environment = cw_rollout_environment(rollout);
  gint64 n_goals = cw_environment_n_goals(environment, request->split, error);
  if (n_goals < 0)
    return NULL;
  if (n_goals == 0 || n_goals > G_MAXUINT32) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "cannot compare on split '%s', which has %s goals", request->split,
                n_goals == 0 ? "no" : "too many");
    return NULL;
  }
  Comparing comparing = {.rollout = rollout,
                         .contenders = contenders,
                         .request = request,
                         .comparison = comparison_new(environment, contenders, n_contenders, request),
                         .played = g_new(GArray *, n_contenders),
                         .n_total = CW_COMPARE_MEASURES * request->n_runs * request->n_rollouts +
                                    n_contenders * MIN(request->n_fixed, (guint64)n_goals),
                         .progress = progress,
                         .user_data = user_data};
  for (guint i = 0; i < n_contenders; i++)
    comparing.played[i] = g_array_new(FALSE, FALSE, sizeof(Played));
  gboolean good = evaluate_fixed(&comparing, error) && run_bandits(&comparing, (guint32)n_goals, error);
  for (guint i = 0; i < n_contenders; i++)
    g_array_unref(comparing.played[i]);
  g_free(comparing.played);
  if (!good)
    g_clear_pointer(&comparing.comparison, cw_comparison_free);
  return comparing.comparison;
}

void cw_comparison_free(CwComparison *comparison)
{
  if (!comparison)
    return;
  for (guint i = 0; i < comparison->n_contenders; i++)
    cw_evaluation_free(comparison->fixed[i]);
  for (guint measure = 0; measure < CW_COMPARE_MEASURES; measure++) {
    for (guint i = 0; i < comparison->n_runs; i++) {
      g_free(comparison->runs[measure][i].arms);
      g_free(comparison->runs[measure][i].pulled);
      g_free(comparison->runs[measure][i].means);
    }
    g_free(comparison->runs[measure]);
  }
  g_strfreev(comparison->names);
  g_strfreev(comparison->facts);
  g_free(comparison->fixed);
  g_free(comparison->split);
  g_free(comparison->environment);
  g_free(comparison);
}
