/* The conformance suite of algorithms. It plays the part of the runtime on a made-up task, with whatever
 * small policy there is, and compares the weights that come out: an algorithm may depend on its options, its
 * experience, its random stream and its saved state, and on nothing else. */
#include "conformance/check_episodes.h"
#include "conformance/check_suite.h"

#include <string.h>

#define MOST_UPDATES  2000 /* an algorithm is expected to be through by then; set its options so */
#define SHORT_UPDATES 12   /* updates of the checks that compare runs */
#define N_GOALS       8

typedef struct {
  const CwRegisteredFeature *policy_feature;
  gpointer policy_options;
  guint64 needs;
  const char *missing_metric; /* declared, and not recorded in a whole run */
} Subject;

/* A stage being run. */
typedef struct {
  CwPolicy *policy, *reference;
  CwAlgorithm *algorithm;
  CwRandom *random;
  CwUpdate *update;
  GPtrArray *trajectories;
  GHashTable *metrics; /* names recorded so far */
  guint64 index;
  gboolean no_episodes, done;
} Stage;

static void stage_end(Stage *stage)
{
  cw_update_free(stage->update);
  cw_algorithm_close(stage->algorithm);
  cw_policy_close(stage->reference);
  cw_policy_close(stage->policy);
  cw_random_free(stage->random);
  g_ptr_array_free(stage->trajectories, TRUE);
  g_hash_table_destroy(stage->metrics);
}

/* Takes the trajectories over. FALSE with the verdict failed; stage_end is due in any case. */
static gboolean stage_begin(Stage *stage, CwSuite *suite, GPtrArray *trajectories, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  GError *error = NULL;
  memset(stage, 0, sizeof *stage);
  stage->trajectories = trajectories;
  stage->metrics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  stage->random = cw_random_new(CW_CHECK_SEED, "check stage", 0, 0);
  stage->policy = cw_policy_open(subject->policy_feature, subject->policy_options, CW_CHECK_SEED, &error);
  if (stage->policy && (subject->needs & CW_NEEDS_REFERENCE) != 0)
    stage->reference = cw_policy_clone_frozen(stage->policy, &error);
  if (!error)
    stage->algorithm = cw_algorithm_open(suite->feature, suite->options, &error);
  if (error)
    return cw_verdict_fail_error(verdict, &error);
  stage->update = cw_update_new(stage->policy, stage->reference, stage->random);
  return TRUE;
}

static gboolean note_metrics(Stage *stage, CwSuite *suite, CwVerdict *verdict)
{
  const char *bad = cw_update_bad_metric(stage->update);
  for (guint i = 0; i < cw_update_n_metrics(stage->update); i++) {
    const char *name = cw_update_metric_name(stage->update, i);
    if (!g_strv_contains(suite->feature->vtable.algorithm->metrics, name))
      return cw_verdict_fail(verdict, "it recorded a metric '%s' that it does not declare", name);
    g_hash_table_add(stage->metrics, g_strdup(name));
  }
  return !bad || cw_verdict_fail(verdict, "metric '%s' is not finite in update %" G_GUINT64_FORMAT, bad,
                                 stage->index);
}

/* One update, with fresh episodes if it asks for them. */
static gboolean stage_update(Stage *stage, CwSuite *suite, GError **error, CwVerdict *verdict)
{
  CwCollectRequest request;
  GPtrArray *episodes;
  gboolean updated;
  if (!cw_algorithm_collect(stage->algorithm, &request, error))
    return FALSE;
  if (stage->no_episodes)
    request.n_episodes = 0;
  episodes = cw_check_roll_out(stage->policy, &request, stage->index, error);
  if (!episodes)
    return FALSE;
  cw_update_begin(stage->update, stage->index, stage->trajectories, episodes);
  updated = cw_algorithm_update(stage->algorithm, stage->update, &stage->done, error) &&
            note_metrics(stage, suite, verdict);
  cw_update_begin(stage->update, stage->index, stage->trajectories, NULL);
  g_ptr_array_free(episodes, TRUE);
  stage->index += updated;
  return updated;
}

/* Updates until it is done or has taken `limit`. */
static gboolean stage_run(Stage *stage, CwSuite *suite, guint64 limit, CwVerdict *verdict)
{
  GError *error = NULL;
  while (!stage->done && stage->index < limit) {
    if (!stage_update(stage, suite, &error, verdict))
      return error ? cw_verdict_fail_error(verdict, &error) : FALSE;
  }
  return TRUE;
}

/* Finds a policy to learn with: the first that has everything and opens as it is. */
static void find_policy(CwSuite *suite, CwVerdict *verdict)
{
  const guint64 wanted = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES;
  Subject *subject = suite->subject;
  const GPtrArray *features;
  cw_registry_load_all(suite->registry, NULL);
  features = cw_registry_features(suite->registry);
  for (guint i = 0; i < features->len && !subject->policy_feature; i++) {
    const CwRegisteredFeature *feature = features->pdata[i];
    CwPolicy *policy = NULL;
    gpointer options;
    GError *error = NULL;
    if (feature->kind != CW_FEATURE_POLICY || (feature->capabilities & wanted) != wanted)
      continue;
    options = cw_check_fill_options(feature, NULL, "defaults", NULL, &error);
    if (!error)
      policy = cw_policy_open(feature, options, CW_CHECK_SEED, &error);
    if (policy) {
      subject->policy_feature = feature;
      subject->policy_options = options;
    } else {
      cw_options_free(&feature->options, options);
    }
    cw_policy_close(policy);
    g_clear_error(&error);
  }
  if (!subject->policy_feature)
    cw_verdict_fail(verdict,
                    "no policy on the search path trains, has a value head, clones itself and opens with its "
                    "defaults, so there is nothing to learn with");
}

static void check_opening(CwSuite *suite, CwVerdict *verdict)
{
  Stage stage;
  find_policy(suite, verdict);
  if (verdict->result != CW_CHECK_PASSED)
    return;
  stage_begin(&stage, suite, cw_check_demonstrations(N_GOALS), verdict);
  stage_end(&stage);
  suite->feature->vtable.algorithm->close(NULL);
}

static void check_needs(CwSuite *suite, CwVerdict *verdict)
{
  const guint64 known =
      CW_NEEDS_TRAINING | CW_NEEDS_VALUES | CW_NEEDS_REFERENCE | CW_NEEDS_TRAJECTORIES | CW_TAKES_REFRESH;
  guint64 needs = cw_algorithm_needs(suite->feature, suite->options);

  if ((needs & ~known) != 0)
    cw_verdict_fail(verdict, "needs answers with bits that mean nothing: 0x%" G_GINT64_MODIFIER "x",
                    needs & ~known);
  if (needs != cw_algorithm_needs(suite->feature, suite->options))
    cw_verdict_fail(verdict, "needs gives two answers for the same options");
}

static void check_declared_metrics(CwSuite *suite, CwVerdict *verdict)
{
  const char *const *names = suite->feature->vtable.algorithm->metrics;
  for (guint i = 0; names[i]; i++) {
    if (names[i][0] == '\0' || strpbrk(names[i], " /\t\n"))
      cw_verdict_fail(verdict, "metric '%s': expected a name without spaces and slashes", names[i]);
    for (guint j = 0; j < i; j++) {
      if (strcmp(names[i], names[j]) == 0)
        cw_verdict_fail(verdict, "metric '%s' is declared twice", names[i]);
    }
  }
}

/* A whole run: it must end, say honestly how long it takes, record nothing that it did not declare, and have
 * nothing more to do afterwards. */
static void check_run(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  const char *const *names = suite->feature->vtable.algorithm->metrics;
  GByteArray *before;
  guint64 expected;
  Stage stage;
  GError *error = NULL;
  if (stage_begin(&stage, suite, cw_check_demonstrations(N_GOALS), verdict) &&
      stage_run(&stage, suite, MOST_UPDATES, verdict)) {
    expected = cw_algorithm_expected_updates(stage.algorithm);
    if (!stage.done)
      cw_verdict_fail(verdict, "it was not done after %d updates; give it smaller options", MOST_UPDATES);
    else if (expected != 0 && expected < stage.index)
      cw_verdict_fail(verdict, "it expected %" G_GUINT64_FORMAT " updates and took %" G_GUINT64_FORMAT,
                      expected, stage.index);
    for (guint i = 0; names[i]; i++) {
      if (!g_hash_table_contains(stage.metrics, names[i]) && !subject->missing_metric)
        subject->missing_metric = names[i];
    }
    before = cw_check_copy_weights(stage.policy);
    if (stage.done && !stage_update(&stage, suite, &error, verdict))
      cw_verdict_fail(verdict, "an update after the end failed: %s", error ? error->message : "bad metrics");
    g_clear_error(&error);
    if (!cw_check_same_weights(before, cw_check_copy_weights(stage.policy)))
      cw_verdict_fail(verdict, "an update after the end changed weights");
  }
  stage_end(&stage);
}

/* Some metrics come only with certain options, so this is no failure. */
static void check_missing_metrics(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  if (subject->missing_metric)
    cw_verdict_skip(verdict, "with these options it did not record the metric '%s' that it declares",
                    subject->missing_metric);
}

static void check_repetition(CwSuite *suite, CwVerdict *verdict)
{
  Stage a, b;
  gboolean begun = stage_begin(&a, suite, cw_check_demonstrations(N_GOALS), verdict);
  begun = stage_begin(&b, suite, cw_check_demonstrations(N_GOALS), verdict) && begun;
  if (begun && stage_run(&a, suite, SHORT_UPDATES, verdict) && stage_run(&b, suite, SHORT_UPDATES, verdict) &&
      !cw_check_same_weights(cw_check_copy_weights(a.policy), cw_check_copy_weights(b.policy)))
    cw_verdict_fail(verdict, "the same run twice gives different weights");
  stage_end(&a);
  stage_end(&b);
}

/* Everything a checkpoint holds, from one stage to another. */
static gboolean move_state(Stage *from, Stage *to, CwVerdict *verdict)
{
  GKeyFile *written = g_key_file_new(), *read = g_key_file_new();
  GError *error = NULL;
  char *directory = cw_check_make_directory(&error);
  char *text = NULL, *random;
  gboolean moved = directory && cw_policy_save(from->policy, directory, &error) &&
                   cw_policy_load(to->policy, directory, &error) &&
                   cw_algorithm_save(from->algorithm, written, &error);

  if (moved) {
    text = g_key_file_to_data(written, NULL, NULL);
    moved = g_key_file_load_from_data(read, text, strlen(text), G_KEY_FILE_NONE, &error) &&
            cw_algorithm_load(to->algorithm, read, &error);
  }
  random = cw_random_save(from->random);
  cw_random_load(to->random, random);
  to->index = from->index;
  to->done = from->done;
  g_free(random);
  g_free(text);
  g_key_file_free(written);
  g_key_file_free(read);
  cw_check_forget_directory(directory);
  return moved || cw_verdict_fail_error(verdict, &error);
}

static void check_resuming(CwSuite *suite, CwVerdict *verdict)
{
  Stage whole, first, second;
  gboolean begun = stage_begin(&whole, suite, cw_check_demonstrations(N_GOALS), verdict);
  begun = stage_begin(&first, suite, cw_check_demonstrations(N_GOALS), verdict) && begun;
  begun = stage_begin(&second, suite, cw_check_demonstrations(N_GOALS), verdict) && begun;
  if (begun && stage_run(&whole, suite, SHORT_UPDATES, verdict)) {
    for (guint64 half = 0; half < whole.index && verdict->result == CW_CHECK_PASSED;
         half += MAX(whole.index / 2, 1)) {
      if (!stage_run(&first, suite, half, verdict) || !move_state(&first, &second, verdict) ||
          !stage_run(&second, suite, SHORT_UPDATES, verdict))
        break;
      if (second.index != whole.index)
        cw_verdict_fail(verdict,
                        "stopped after %" G_GUINT64_FORMAT " updates and resumed, it takes %" G_GUINT64_FORMAT
                        " updates instead of %" G_GUINT64_FORMAT,
                        half, second.index, whole.index);
      if (!cw_check_same_weights(cw_check_copy_weights(whole.policy), cw_check_copy_weights(second.policy)))
        cw_verdict_fail(verdict,
                        "stopped after %" G_GUINT64_FORMAT " updates and resumed, it ends with other weights",
                        half);
      stage_end(&second);
      if (!stage_begin(&second, suite, cw_check_demonstrations(N_GOALS), verdict))
        break;
    }
  }
  stage_end(&whole);
  stage_end(&first);
  stage_end(&second);
}

/* Without experience it must say so or be done, within a few calls. */
static void check_starving(CwSuite *suite, GPtrArray *trajectories, const char *what, CwVerdict *verdict)
{
  GError *error = NULL;
  Stage stage;
  if (stage_begin(&stage, suite, trajectories, verdict)) {
    stage.no_episodes = TRUE;
    while (!stage.done && stage.index < MOST_UPDATES && stage_update(&stage, suite, &error, verdict))
      ;
    if (!error && !stage.done && verdict->result == CW_CHECK_PASSED)
      cw_verdict_fail(verdict, "given %s it neither ends nor fails", what);
    g_clear_error(&error);
  }
  stage_end(&stage);
}

static void check_no_experience(CwSuite *suite, CwVerdict *verdict)
{
  check_starving(suite, cw_check_demonstrations(0), "no trajectories and no episodes", verdict);
}

static void check_hollow_experience(CwSuite *suite, CwVerdict *verdict)
{
  check_starving(suite, cw_check_hollow_trajectories(4), "trajectories without steps", verdict);
}

void cw_check_algorithm(CwSuite *suite)
{
  static const CwCheck checks[] = {
      {"opens", check_opening},
      {"needs_what_is_known", check_needs},
      {"declares_its_metrics", check_declared_metrics},
      {"runs_to_its_end_with_declared_metrics", check_run},
      {"records_every_declared_metric", check_missing_metrics},
      {"same_run_gives_the_same_weights", check_repetition},
      {"resumed_run_gives_the_same_weights", check_resuming},
      {"no_experience_is_named_or_ends", check_no_experience},
      {"trajectories_without_steps_are_named_or_end", check_hollow_experience},
  };
  Subject subject = {.needs = cw_algorithm_needs(suite->feature, suite->options)};

  suite->subject = &subject;
  cw_suite_run(suite, checks, G_N_ELEMENTS(checks));
  if (subject.policy_feature)
    cw_options_free(&subject.policy_feature->options, subject.policy_options);
}
