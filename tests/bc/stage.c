#include "tests/bc/stage.h"
#include <math.h>

static gpointer fill(const CwRegisteredFeature *feature, const char *yaml)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *root = yaml ? cw_yaml_parse_text(yaml, "test.yaml", diagnostics) : NULL;
  gpointer options = cw_options_fill(&feature->options, root, NULL, feature->name, diagnostics);
  g_autofree char *complaints = cw_diagnostics_text(diagnostics);
  if (*complaints)
    fail_msg("%s", complaints);
  cw_yaml_free(root);
  cw_diagnostics_free(diagnostics);
  return options;
}

static const CwRegisteredFeature *find(CwRegistry *registry, CwFeatureKind kind, const char *name)
{
  GError *error = NULL;
  const CwRegisteredFeature *feature = cw_registry_find(registry, kind, name, &error);
  if (!feature)
    fail_msg("%s", error->message);
  return feature;
}

Stage *stage_new(const char *yaml, GPtrArray *trajectories, const CwRegisteredFeature *feature)
{
  return stage_open("bc", yaml, trajectories, feature);
}

Stage *stage_open(const char *algorithm, const char *yaml, GPtrArray *trajectories,
                  const CwRegisteredFeature *feature)
{
  Stage *stage = g_new0(Stage, 1);
  GError *error = NULL;
  stage->registry = cw_registry_new(NULL);
  stage->feature = find(stage->registry, CW_FEATURE_ALGORITHM, algorithm);
  stage->options = fill(stage->feature, yaml);
  if (!feature) {
    feature = find(stage->registry, CW_FEATURE_POLICY, "linear");
    stage->policy_options = fill(feature, "buckets: 1024\ninitial_scale: 0.1\n");
  }
  stage->policy = cw_policy_open(feature, stage->policy_options, 7, &error);
  assert_null(error);
  if (cw_algorithm_needs(stage->feature, stage->options) & CW_NEEDS_REFERENCE)
    stage->reference = cw_policy_clone_frozen(stage->policy, &error);
  assert_null(error);
  stage->random = cw_random_new(7, "stage", 0, 0);
  stage->algorithm = cw_algorithm_open(stage->feature, stage->options, &error);
  assert_null(error);
  stage->update = cw_update_new(stage->policy, stage->reference, stage->random);
  stage->trajectories = trajectories ? trajectories : new_trajectories();
  stage->episodes = new_trajectories();
  return stage;
}

void stage_free(Stage *stage)
{
  cw_policy_close(stage->reference);
  if (stage->policy_options) {
    CwOptionTable table = cw_policy_feature(stage->policy)->options;
    cw_policy_close(stage->policy);
    cw_options_free(&table, stage->policy_options);
  } else {
    cw_policy_close(stage->policy);
  }
  cw_algorithm_close(stage->algorithm);
  cw_update_free(stage->update);
  cw_random_free(stage->random);
  cw_options_free(&stage->feature->options, stage->options);
  cw_registry_free(stage->registry);
  g_ptr_array_free(stage->trajectories, TRUE);
  g_ptr_array_free(stage->episodes, TRUE);
  g_free(stage);
}

gboolean stage_update(Stage *stage)
{
  gboolean done = FALSE;
  GError *error = NULL;
  cw_update_begin(stage->update, stage->index++, stage->trajectories, stage->episodes);
  if (!cw_algorithm_update(stage->algorithm, stage->update, &done, &error))
    fail_msg("%s", error->message);
  assert_null(cw_update_bad_metric(stage->update));
  return done;
}

char *stage_update_fails(Stage *stage, CwErrorCode code)
{
  gboolean done = FALSE;
  GError *error = NULL;
  char *message;
  cw_update_begin(stage->update, stage->index++, stage->trajectories, stage->episodes);
  assert_false(cw_algorithm_update(stage->algorithm, stage->update, &done, &error));
  assert_non_null(error);
  assert_int_equal(error->code, code);
  message = g_strdup(error->message);
  g_error_free(error);
  return message;
}

double stage_metric(const Stage *stage, const char *name)
{
  for (guint i = 0; i < cw_update_n_metrics(stage->update); i++)
    if (strcmp(cw_update_metric_name(stage->update, i), name) == 0)
      return cw_update_metric_value(stage->update, i);
  return NAN;
}

GPtrArray *new_trajectories(void)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)cw_trajectory_unref);
}

CwTrajectory *add_trajectory(GPtrArray *list, const char *goal_id, const char *agent, gboolean success,
                             const Choice *choices, guint n_choices)
{
  CwTrajectoryBuilder *builder = cw_trajectory_builder_new("train", list->len, goal_id, agent, list->len, 1);
  for (guint i = 0; i < n_choices; i++) {
    CwObservation observation = {sizeof observation, choices[i].text, choices[i].candidates, 0, NULL};
    CwOutcome outcome = {.struct_size = sizeof outcome, .reward = choices[i].reward};
    while (choices[i].candidates[observation.n_candidates])
      observation.n_candidates++;
    outcome.terminated = i + 1 == n_choices;
    outcome.success = success;
    cw_trajectory_builder_decide(builder, &observation, choices[i].chosen, NAN, NAN);
    cw_trajectory_builder_outcome(builder, &outcome);
  }
  g_ptr_array_add(list, cw_trajectory_builder_finish(builder));
  return list->pdata[list->len - 1];
}

void assert_near(double value, double expected, double tolerance)
{
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("expected %.17g, found %.17g", expected, value);
}

GPtrArray *make_rows(guint n)
{
  GPtrArray *list = new_trajectories();
  for (guint i = 0; i < n; i++) {
    g_autofree char *goal = g_strdup_printf("goal_%u", i);
    g_autofree char *a = g_strdup_printf("d%u", 3 * i);
    g_autofree char *b = g_strdup_printf("d%u long %0*d", 3 * i + 1, (int)(1 + i * 7 % 20), 0);
    g_autofree char *c = g_strdup_printf("d%u longer %0*d", 3 * i + 2, (int)(1 + i * 11 % 30), 0);
    const Choice choices[] = {
        {a, {"u", "v"}, i % 2, 0}, {b, {"u", "v", "w"}, i % 3, 0.25f}, {c, {"u", "v", "w", "x"}, i % 4, 1}};

    add_trajectory(list, goal, "expert", i % 2 == 0, choices, 3);
  }
  return list;
}
