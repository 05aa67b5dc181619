/* The conformance suite of algorithms. It plays the part of the runtime on a made-up task, with whatever
 * small policy there is, and compares the weights that come out: an algorithm may depend on its options, its
 * experience, its random stream and its saved state, and on nothing else. */
#include "conformance/check_episodes.h"
#include "conformance/check_losses.h"
#include "conformance/check_suite.h"
#include "core/plugin/errors.h"

#include <string.h>

#define MOST_UPDATES  2000 /* an algorithm is expected to be through by then; set its options so */
#define SHORT_UPDATES 12   /* updates of the checks that compare runs */
#define N_GOALS       8
#define MARGIN        0.02 /* of the mean reward of the made-up task, by which a whole run has to better it */

typedef struct {
  const CwRegisteredFeature *policy_feature;
  gpointer policy_options;
  guint64 needs;
  /* Of a whole run. */
  const char *missing_metric; /* declared, and not recorded */
  CwCheckPlay before, after;  /* how the policy plays */
  gboolean changed_weights;
} Subject;

/* A stage being run. */
typedef struct {
  CwPolicy *policy, *reference;
  GPtrArray *networks; /* CwPolicy *: of the algorithm's table */
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
  g_ptr_array_unref(stage->networks);
  cw_random_free(stage->random);
  g_ptr_array_unref(stage->trajectories);
  g_hash_table_destroy(stage->metrics);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stage, stage_end)

/* Opens the algorithm's further networks, with the policy's weights. */
static gboolean open_networks(Stage *stage, const CwSuite *suite, GError **error)
{
  const Subject *subject = suite->subject;
  for (guint i = 0; i < suite->feature->n_networks; i++) {
    CwPolicy *network =
        cw_policy_open(subject->policy_feature, subject->policy_options, CW_CHECK_SEED, error);
    if (!network)
      return FALSE;
    g_ptr_array_add(stage->networks, network);
    if (!cw_policy_blend(network, stage->policy, 1, error))
      return FALSE;
  }
  return TRUE;
}

/* Takes the trajectories over. FALSE with the verdict failed; stage_end is due in any case. */
static gboolean stage_begin(Stage *stage, CwSuite *suite, GPtrArray *trajectories, CwVerdict *verdict)
{
  const Subject *subject = suite->subject;
  *stage = (Stage){.trajectories = trajectories,
                   .metrics = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                   .networks = g_ptr_array_new_with_free_func((GDestroyNotify)cw_policy_close),
                   .random = cw_random_new(CW_CHECK_SEED, "check stage", 0, 0),
                   .policy = cw_policy_open(subject->policy_feature, subject->policy_options, CW_CHECK_SEED,
                                            &verdict->error)};
  if (stage->policy && (subject->needs & CW_NEEDS_REFERENCE) != 0)
    stage->reference = cw_policy_clone_frozen(stage->policy, &verdict->error);
  if (!verdict->error && open_networks(stage, suite, &verdict->error))
    stage->algorithm = cw_algorithm_open(suite->feature, suite->options, &verdict->error);
  if (!cw_verdict_check(verdict, !verdict->error))
    return FALSE;
  stage->update = cw_update_new(stage->policy, stage->reference, stage->random);
  cw_update_set_networks(stage->update, suite->feature->networks, (CwPolicy *const *)stage->networks->pdata,
                         stage->networks->len);
  return TRUE;
}

static gboolean begin_taught(Stage *stage, CwSuite *suite, CwVerdict *verdict)
{
  return stage_begin(stage, suite, cw_check_demonstrations(N_GOALS), verdict);
}

static gboolean note_metrics(Stage *stage, CwVerdict *verdict)
{
  const char *bad = cw_update_bad_metric(stage->update);
  for (guint i = 0; i < cw_update_n_metrics(stage->update); i++)
    g_hash_table_add(stage->metrics, g_strdup(cw_update_metric_name(stage->update, i)));
  return !bad || cw_verdict_fail(verdict, "metric '%s' is not finite in update %" G_GUINT64_FORMAT, bad,
                                 stage->index);
}

/* One update, with fresh episodes if it asks for them. An error that the algorithm may have is the verdict's,
 * which passes as yet. */
static gboolean stage_update(Stage *stage, CwVerdict *verdict)
{
  CwCollectRequest request;
  if (!cw_algorithm_collect(stage->algorithm, &request, &verdict->error))
    return FALSE;
  if (stage->no_episodes)
    request.n_episodes = 0;
  g_autoptr(GPtrArray) episodes = cw_check_roll_out(stage->policy, &request, stage->index, &verdict->error);
  if (!episodes)
    return FALSE;
  cw_update_begin(stage->update, stage->index, stage->trajectories, episodes);
  gboolean updated = cw_algorithm_update(stage->algorithm, stage->update, &stage->done, &verdict->error) &&
                     note_metrics(stage, verdict);
  cw_update_begin(stage->update, stage->index, stage->trajectories, NULL);
  stage->index += updated;
  return updated;
}

/* Updates until it is done or has taken `limit`. */
static gboolean stage_run(Stage *stage, guint64 limit, CwVerdict *verdict)
{
  while (!stage->done && stage->index < limit)
    if (!cw_verdict_check(verdict, stage_update(stage, verdict)))
      return FALSE;
  return TRUE;
}

/* Whether the policy can be learnt with; then it is the subject's. */
static gboolean take_policy(Subject *subject, const CwRegisteredFeature *feature)
{
  g_autoptr(GError) error = NULL;
  gpointer options = cw_check_fill_options(feature, NULL, "defaults", NULL, &error);
  g_autoptr(CwPolicy) policy = error ? NULL : cw_policy_open(feature, options, CW_CHECK_SEED, NULL);
  if (policy) {
    subject->policy_feature = feature;
    subject->policy_options = options;
  } else {
    cw_options_free(&feature->options, options);
  }
  return policy != NULL;
}

/* Finds a policy to learn with: the first that has everything and opens as it is. */
static void find_policy(CwSuite *suite, CwVerdict *verdict)
{
  const guint64 wanted = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES;
  cw_registry_load_all(suite->registry, NULL);
  const GPtrArray *features = cw_registry_features(suite->registry);
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = features->pdata[i];
    if (feature->kind == CW_FEATURE_POLICY && (feature->capabilities & wanted) == wanted &&
        take_policy(suite->subject, feature))
      return;
  }
  cw_verdict_fail(verdict,
                  "no policy on the search path trains, has a value head, clones itself and opens with its "
                  "defaults, so there is nothing to learn with");
}

static void check_opening(CwSuite *suite, CwVerdict *verdict)
{
  find_policy(suite, verdict);
  if (verdict->result != CW_CHECK_PASSED)
    return;
  g_auto(Stage) stage;
  begin_taught(&stage, suite, verdict);
}

static void check_needs(CwSuite *suite, CwVerdict *verdict)
{
  const guint64 known = CW_NEEDS_TRAINING | CW_NEEDS_VALUES | CW_NEEDS_REFERENCE | CW_NEEDS_TRAJECTORIES |
                        CW_TAKES_REFRESH | CW_TAKES_WORDS;
  guint64 needs = cw_algorithm_needs(suite->feature, suite->options);
  if ((needs & ~known) != 0)
    cw_verdict_fail(verdict, "needs answers with bits that mean nothing: 0x%" G_GINT64_MODIFIER "x",
                    needs & ~known);
  if (needs != cw_algorithm_needs(suite->feature, suite->options))
    cw_verdict_fail(verdict, "needs gives two answers for the same options");
}

static void check_declared_metrics(CwSuite *suite, CwVerdict *verdict)
{
  const CwMetric *metrics = suite->feature->metrics;
  for (guint i = 0; i < suite->feature->n_metrics && verdict->result == CW_CHECK_PASSED; i++) {
    const char *name = metrics[i].name;
    if (!name || name[0] == '\0' || strpbrk(name, " /\t\n"))
      cw_verdict_fail(verdict, "metric '%s': expected a name without spaces and slashes",
                      name ? name : "(null)");
    for (guint j = 0; j < i && name; j++)
      if (strcmp(name, metrics[j].name) == 0)
        cw_verdict_fail(verdict, "metric '%s' is declared twice", name);
  }
}

/* The first metric that is declared and was not recorded, or NULL. */
static const char *find_missing_metric(const CwSuite *suite, const Stage *stage)
{
  const CwRegisteredFeature *feature = suite->feature;
  for (guint i = 0; i < feature->n_metrics; i++)
    if (!g_hash_table_contains(stage->metrics, feature->metrics[i].name))
      return feature->metrics[i].name;
  return NULL;
}

/* When it has finished, another update must do nothing. */
static void check_after_the_end(Stage *stage, CwVerdict *verdict)
{
  GByteArray *before = cw_check_copy_weights(stage->policy);
  if (stage->done && !stage_update(stage, verdict))
    cw_verdict_fail(verdict, "an update after the end failed: %s",
                    verdict->error ? verdict->error->message : "bad metrics");
  if (!cw_check_same_weights(before, cw_check_copy_weights(stage->policy)))
    cw_verdict_fail(verdict, "an update after the end changed weights");
}

/* A whole run: it must end, say honestly how long it takes, record nothing that it did not declare, and have
 * nothing more to do afterwards. */
static void check_run(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  g_auto(Stage) stage;
  if (!begin_taught(&stage, suite, verdict) ||
      !cw_verdict_check(verdict, cw_check_play(stage.policy, N_GOALS, &subject->before, &verdict->error)))
    return;
  g_autoptr(GByteArray) weights = cw_check_copy_weights(stage.policy);
  if (!stage_run(&stage, MOST_UPDATES, verdict) ||
      !cw_verdict_check(verdict, cw_check_play(stage.policy, N_GOALS, &subject->after, &verdict->error)))
    return;
  subject->changed_weights =
      !cw_check_same_weights(g_steal_pointer(&weights), cw_check_copy_weights(stage.policy));
  guint64 expected = cw_algorithm_expected_updates(stage.algorithm);
  if (!stage.done)
    cw_verdict_fail(verdict, "it was not done after %d updates; give it smaller options", MOST_UPDATES);
  else if (expected != 0 && expected < stage.index)
    cw_verdict_fail(verdict, "it expected %" G_GUINT64_FORMAT " updates and took %" G_GUINT64_FORMAT,
                    expected, stage.index);
  subject->missing_metric = find_missing_metric(suite, &stage);
  check_after_the_end(&stage, verdict);
}

/* Some metrics come only with certain options, so this is no failure. */
static void check_missing_metrics(CwSuite *suite, CwVerdict *verdict)
{
  const Subject *subject = suite->subject;
  if (subject->missing_metric)
    cw_verdict_skip(verdict, "with these options it did not record the metric '%s' that it declares",
                    subject->missing_metric);
}

/* Imitating the demonstrations, preferring the better ones and seeking reward all lead to better play. */
static void check_learning(CwSuite *suite, CwVerdict *verdict)
{
  const Subject *subject = suite->subject;
  const CwCheckPlay *before = &subject->before, *after = &subject->after;
  if ((subject->needs & CW_NEEDS_TRAINING) == 0)
    cw_verdict_skip(verdict, "it does not train a policy");
  else if (!subject->changed_weights)
    cw_verdict_fail(verdict,
                    "a whole run changed no weight of the policy; see that every forward is followed "
                    "by backward and step, and that the slopes are not all zero");
  else if (after->sampled < before->sampled + 1e-7 && after->greedy < before->greedy + MARGIN)
    cw_verdict_fail(verdict,
                    "a whole run made the policy no better at the made-up task: the mean reward was %.5g and "
                    "is %.5g; look for a wrong sign in the loss or its slopes",
                    before->sampled, after->sampled);
  else if (after->sampled < before->sampled + MARGIN && after->greedy < before->greedy + MARGIN)
    cw_verdict_skip(
        verdict,
        "with these options a whole run bettered the mean reward of the made-up task by %.2g only, "
        "too little to be sure; give it options with which it learns (--options), such as a "
        "larger learning_rate",
        after->sampled - before->sampled);
}

static void check_slopes(CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Stage) stage;
  CwLossWatch watch;
  cw_check_slopes_begin(&watch, verdict);
  if (begin_taught(&stage, suite, verdict))
    stage_run(&stage, SHORT_UPDATES, verdict);
  cw_check_losses_end(&watch);
}

static void check_purity(CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Stage) stage;
  CwLossWatch watch;
  cw_check_purity_begin(&watch, verdict);
  if (begin_taught(&stage, suite, verdict))
    stage_run(&stage, SHORT_UPDATES, verdict);
  cw_check_losses_end(&watch);
}

static gboolean same_weights(const Stage *a, const Stage *b)
{
  return cw_check_same_weights(cw_check_copy_weights(a->policy), cw_check_copy_weights(b->policy));
}

static void check_repetition(CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Stage) a, b;
  gboolean begun = begin_taught(&a, suite, verdict);
  begun = begin_taught(&b, suite, verdict) && begun;
  if (begun && stage_run(&a, SHORT_UPDATES, verdict) && stage_run(&b, SHORT_UPDATES, verdict) &&
      !same_weights(&a, &b))
    cw_verdict_fail(verdict, "the same run twice gives different weights");
}

/* A policy's state, by way of a directory. */
static gboolean move_policy(CwPolicy *from, CwPolicy *to, GError **error)
{
  char *directory = cw_check_make_directory(error);
  gboolean moved =
      directory && cw_policy_save(from, directory, error) && cw_policy_load(to, directory, error);
  cw_policy_set_steps(to, cw_policy_steps(from));
  cw_check_forget_directory(directory);
  return moved;
}

/* Everything a checkpoint holds, from one stage to another. */
static gboolean move_state(Stage *from, Stage *to, CwVerdict *verdict)
{
  g_autoptr(GKeyFile) written = g_key_file_new(), read = g_key_file_new();
  GError **error = &verdict->error;
  char *directory = cw_check_make_directory(error);
  gboolean moved = directory && move_policy(from->policy, to->policy, error);
  for (guint i = 0; moved && i < from->networks->len; i++)
    moved = move_policy(from->networks->pdata[i], to->networks->pdata[i], error);
  cw_algorithm_save(from->algorithm, written);
  g_autofree char *text = g_key_file_to_data(written, NULL, NULL);
  moved = moved && g_key_file_load_from_data(read, text, strlen(text), G_KEY_FILE_NONE, error) &&
          cw_algorithm_load(to->algorithm, read, error) &&
          (!cw_algorithm_has_files(from->algorithm) ||
           (cw_algorithm_save_files(from->algorithm, directory, error) &&
            cw_algorithm_load_files(to->algorithm, directory, error)));
  g_autofree char *random = cw_random_save(from->random);
  cw_random_load(to->random, random);
  to->index = from->index;
  to->done = from->done;
  cw_check_forget_directory(directory);
  return cw_verdict_check(verdict, moved);
}

/* Goes on with the state of `first`, which has made `half` updates, and compares with the whole run. */
static void resume_at(const Stage *whole, Stage *first, guint64 half, CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Stage) second;
  if (!begin_taught(&second, suite, verdict) || !stage_run(first, half, verdict) ||
      !move_state(first, &second, verdict) || !stage_run(&second, SHORT_UPDATES, verdict))
    return;
  if (second.index != whole->index)
    cw_verdict_fail(verdict,
                    "stopped after %" G_GUINT64_FORMAT " updates and resumed, it takes %" G_GUINT64_FORMAT
                    " updates instead of %" G_GUINT64_FORMAT,
                    half, second.index, whole->index);
  if (!same_weights(whole, &second))
    cw_verdict_fail(
        verdict, "stopped after %" G_GUINT64_FORMAT " updates and resumed, it ends with other weights", half);
}

static void check_resuming(CwSuite *suite, CwVerdict *verdict)
{
  g_auto(Stage) whole, first;
  gboolean begun = begin_taught(&whole, suite, verdict);
  begun = begin_taught(&first, suite, verdict) && begun;
  if (!begun || !stage_run(&whole, SHORT_UPDATES, verdict))
    return;
  for (guint64 half = 0; half < whole.index && verdict->result == CW_CHECK_PASSED;
       half += MAX(whole.index / 2, 1))
    resume_at(&whole, &first, half, suite, verdict);
}

/* Without experience it must say so or be done, within a few calls. */
static void check_starving(CwSuite *suite, GPtrArray *trajectories, const char *what, CwVerdict *verdict)
{
  g_auto(Stage) stage;
  if (!stage_begin(&stage, suite, trajectories, verdict))
    return;
  stage.no_episodes = TRUE;
  while (!stage.done && stage.index < MOST_UPDATES && stage_update(&stage, verdict))
    ;
  if (!verdict->error && !stage.done && verdict->result == CW_CHECK_PASSED)
    cw_verdict_fail(verdict, "given %s it neither ends nor fails", what);
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
      {"opens", check_opening, NULL},
      {"needs_what_is_known", check_needs, NULL},
      {"declares_its_metrics", check_declared_metrics, NULL},
      {"runs_to_its_end_with_declared_metrics", check_run, NULL},
      {"records_every_declared_metric", check_missing_metrics, NULL},
      {"learns_the_made_up_task", check_learning, NULL},
      {"slopes_match_finite_differences", check_slopes, NULL},
      {"losses_are_pure", check_purity, NULL},
      {"same_run_gives_the_same_weights", check_repetition, NULL},
      {"resumed_run_gives_the_same_weights", check_resuming, NULL},
      {"no_experience_is_named_or_ends", check_no_experience, NULL},
      {"trajectories_without_steps_are_named_or_end", check_hollow_experience, NULL},
  };
  Subject subject = {.needs = cw_algorithm_needs(suite->feature, suite->options)};
  suite->subject = &subject;
  cw_suite_run(suite, checks, G_N_ELEMENTS(checks));
  if (subject.policy_feature)
    cw_options_free(&subject.policy_feature->options, subject.policy_options);
}
