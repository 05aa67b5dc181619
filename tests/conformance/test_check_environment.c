/* The conformance suite of environments must be able to fail: a real environment with one slot replaced by a
 * faulty one, and the check that has to notice. */
#include "tests/conformance/noticed.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_environment_noticed(const CwEnvironmentVtable *vtable, const char *failure)
{
  CwRegisteredFeature feature = *sound.environment;
  feature.vtable.environment = vtable;
  assert_noticed(&feature, NULL, failure);
}

static gboolean printing_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  printf("stepping\n");
  return sound.environment->vtable.environment->step(session, candidate, outcome, error);
}

static void test_printing_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.step = printing_step;
  assert_environment_noticed(&vtable, "standard_output_is_left_alone: texts_are_utf8 printed \"stepping");
}

static gboolean gambling_reset(gpointer session, const char *split, gint64 goal, CwRandom *random,
                               GError **error)
{
  if (rand() < 0)
    return FALSE;
  return sound.environment->vtable.environment->reset(session, split, goal, random, error);
}

static void test_global_generator_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.reset = gambling_reset;
  assert_environment_noticed(&vtable,
                             "global_random_generator_is_left_alone: texts_are_utf8 used rand(), random() or "
                             "srand(); take a CwRandom instead\n");
}

/* Each reset goes its own way. */
static gboolean moody_reset(gpointer session, const char *split, gint64 goal, CwRandom *random,
                            GError **error)
{
  static guint64 mood;
  cw_random_restart(random, 1, "mood", mood++, 0);
  return sound.environment->vtable.environment->reset(session, split, goal, random, error);
}

static void test_episode_of_its_own_mind_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.reset = moody_reset;
  assert_environment_noticed(&vtable,
                             "same_streams_give_the_same_episode: with equal random streams, the episode "
                             "differs from line ");
}

static gboolean endless_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  gboolean stepped = sound.environment->vtable.environment->step(session, candidate, outcome, error);
  outcome->terminated = FALSE;
  return stepped;
}

static void test_endless_episode_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.step = endless_step;
  assert_environment_noticed(
      &vtable, "random_play_ends: an episode of random choices was not over after 10000 steps\n");
}

static gboolean lenient_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  const CwEnvironmentVtable *vtable = sound.environment->vtable.environment;
  return vtable->step(session, candidate, outcome, NULL) || vtable->step(session, 0, outcome, error);
}

static void test_accepted_wrong_candidate_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.step = lenient_step;
  assert_environment_noticed(&vtable,
                             "wrong_candidate_is_refused_and_loses_nothing: step took candidate 5 of 5 "
                             "(counted from 0) instead of refusing it\n");
}

static gboolean garbled_observe(gpointer session, CwObservation *observation, GError **error)
{
  gboolean observed = sound.environment->vtable.environment->observe(session, observation, error);
  observation->instruction = "colour\xff";
  return observed;
}

static void test_text_that_is_not_utf8_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.observe = garbled_observe;
  assert_environment_noticed(&vtable,
                             "texts_are_utf8: environment 'skeleton_environment': observe: expected UTF-8, "
                             "found byte 0xff at byte 6 of the instruction, which begins with \"colour\"; "
                             "convert its texts to UTF-8\n");
}

static const char *const *odd_description(gpointer object)
{
  static const char *const odd[] = {"game", "ball", "left over", NULL};
  (void)object;
  return odd;
}

static void test_description_without_pairs_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.describe = odd_description;
  assert_environment_noticed(&vtable,
                             "describes_itself_in_pairs: expected pairs of key and value, found 3 strings; "
                             "'left over' has no value\n");
}

static gint lost_script(gpointer session, const char *script, GError **error)
{
  (void)session, (void)script, (void)error;
  return 77;
}

static void test_script_outside_of_the_candidates_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.scripted_action = lost_script;
  assert_environment_noticed(&vtable, "scripts_finish: script 'expert' takes candidate 77 of 5\n");
}

static gpointer no_environment(gconstpointer options, guint32 seed, GError **error)
{
  (void)options, (void)seed;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_INPUT_OUTPUT, "catalogue.json: no such file");
  return NULL;
}

static void test_environment_that_does_not_open_is_noticed(void **state)
{
  CwEnvironmentVtable vtable = *sound.environment->vtable.environment;
  (void)state;
  vtable.open = no_environment;
  assert_environment_noticed(&vtable,
                             "opens: environment 'skeleton_environment': catalogue.json: no such file\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_printing_is_noticed),
      cmocka_unit_test(test_global_generator_is_noticed),
      cmocka_unit_test(test_episode_of_its_own_mind_is_noticed),
      cmocka_unit_test(test_endless_episode_is_noticed),
      cmocka_unit_test(test_accepted_wrong_candidate_is_noticed),
      cmocka_unit_test(test_text_that_is_not_utf8_is_noticed),
      cmocka_unit_test(test_description_without_pairs_is_noticed),
      cmocka_unit_test(test_script_outside_of_the_candidates_is_noticed),
      cmocka_unit_test(test_environment_that_does_not_open_is_noticed),
  };

  return cmocka_run_group_tests_name("check environment", tests, find_plugins, forget_plugins);
}
