/* The conformance suite of environments. It plays short episodes with random choices, writes down everything
 * that is shown, and compares transcripts: an episode may depend on its goal and its random stream, and on
 * nothing else. */
#include "conformance/check_suite.h"

#include <string.h>

#define STEP_LIMIT 10000
#define N_GOALS    3

/* The part of the environment that all checks share. */
typedef struct {
  CwEnvironment *environment;
  const char *split; /* the first of the usual splits that has goals; NULL: none */
  gint64 n_goals;
} Subject;

/* One episode being played. */
typedef struct {
  CwSession *session;
  CwRandom *random, *chooser;
  GString *transcript;
  guint n_steps;
  gboolean over;
} Player;

static gint64 pick_goal(const Subject *subject, guint i)
{
  return subject->n_goals * i / N_GOALS;
}

static void player_end(Player *player)
{
  cw_session_free(player->session);
  cw_random_free(player->random);
  cw_random_free(player->chooser);
  g_string_free(player->transcript, TRUE);
}

/* Fails the verdict when it returns FALSE; player_end is due in any case. */
static gboolean player_begin(Player *player, const Subject *subject, gint64 goal, CwVerdict *verdict)
{
  GError *error = NULL;
  player->random = cw_random_new(CW_CHECK_SEED, "check episode", (guint64)goal, 0);
  player->chooser = cw_random_new(CW_CHECK_SEED, "check choice", (guint64)goal, 0);
  player->transcript = g_string_new(NULL);
  player->n_steps = 0;
  player->over = FALSE;
  player->session = cw_session_new(subject->environment, &error);
  if (!player->session)
    return cw_verdict_fail_error(verdict, &error);
  return cw_session_reset(player->session, subject->split, goal, player->random, &error) ||
         cw_verdict_fail_error(verdict, &error);
}

static void write_observation(GString *transcript, const CwObservation *observation)
{
  g_string_append_printf(transcript, "%s\n", observation->text);
  for (guint i = 0; i < observation->n_candidates; i++)
    g_string_append_printf(transcript, "- %s\n", observation->candidates[i]);
}

static void write_outcome(GString *transcript, const CwOutcome *outcome)
{
  g_string_append_printf(transcript, "reward %.9g%s%s%s\n", outcome->reward,
                         outcome->terminated ? " terminated" : "", outcome->truncated ? " truncated" : "",
                         outcome->success ? " success" : "");
  for (guint i = 0; i < outcome->n_parts; i++)
    g_string_append_printf(transcript, "%s %.17g\n", outcome->parts[i].name, outcome->parts[i].value);
  for (guint i = 0; i < outcome->n_facts; i++)
    g_string_append_printf(transcript, "%s %s\n", outcome->facts[i].name, outcome->facts[i].text);
}

/* One step with a random choice; `as_text` hands over the candidate's text. */
static gboolean player_step(Player *player, gboolean as_text, CwVerdict *verdict)
{
  CwObservation observation;
  CwOutcome outcome;
  GError *error = NULL;
  gboolean stepped;
  guint choice;
  char *action;
  if (!cw_session_observe(player->session, &observation, &error))
    return cw_verdict_fail_error(verdict, &error);
  write_observation(player->transcript, &observation);
  choice = cw_random_below(player->chooser, observation.n_candidates);
  action = g_strdup(observation.candidates[choice]);
  g_string_append_printf(player->transcript, "> %s\n", action);
  stepped = as_text ? cw_session_step_text(player->session, action, &outcome, &error)
                    : cw_session_step(player->session, choice, &outcome, &error);
  g_free(action);
  if (!stepped)
    return cw_verdict_fail_error(verdict, &error);
  write_outcome(player->transcript, &outcome);
  player->over = outcome.terminated || outcome.truncated;
  if (++player->n_steps == STEP_LIMIT && !player->over)
    return cw_verdict_fail(verdict, "an episode of random choices was not over after %d steps", STEP_LIMIT);
  return TRUE;
}

/* A whole episode as text, or NULL with the verdict failed. Free with g_free. */
static char *play(const Subject *subject, gint64 goal, gboolean as_text, CwVerdict *verdict)
{
  Player player;
  char *transcript = NULL;
  gboolean played = player_begin(&player, subject, goal, verdict);
  while (played && !player.over)
    played = player_step(&player, as_text, verdict);
  if (played)
    transcript = g_strdup(player.transcript->str);
  player_end(&player);
  return transcript;
}

/* Fails with the first line in which the transcripts differ. */
static gboolean compare_transcripts(const char *expected, const char *found, const char *when,
                                    CwVerdict *verdict)
{
  guint line = 1;
  while (*expected != '\0' && *expected == *found) {
    line += *expected == '\n';
    expected++;
    found++;
  }
  if (*expected == *found)
    return TRUE;
  return cw_verdict_fail(verdict,
                         "%s, the episode differs from line %u on: expected \"%.60s\", found \"%.60s\"", when,
                         line, expected, found);
}

static gboolean has_goals(const Subject *subject, CwVerdict *verdict)
{
  return subject->split || cw_verdict_skip(verdict, "no split has a goal");
}

static void check_description(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  cw_check_description(cw_environment_describe(subject->environment), verdict);
}

static void check_splits(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  const CwEnvironmentVtable *vtable = suite->feature->vtable.environment;
  GError *error = NULL;
  if (!subject->split)
    cw_verdict_fail(verdict, "expected goals in one of train, dev, test and all, found none");
  if (cw_environment_n_goals(subject->environment, "no such split", &error) != -1)
    cw_verdict_fail(verdict, "n_goals: expected -1 for a split that does not exist");
  g_clear_error(&error);
  if (subject->split &&
      cw_environment_n_goals(subject->environment, subject->split, NULL) != subject->n_goals)
    cw_verdict_fail(verdict, "n_goals: two answers for split '%s'", subject->split);
  vtable->close(NULL);
  vtable->session_free(NULL);
}

static void check_observing_changes_nothing(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  char *expected = NULL, *found = NULL;
  Player player;
  CwObservation observation;
  GError *error = NULL;
  if (!has_goals(subject, verdict))
    return;
  expected = play(subject, 0, FALSE, verdict);
  if (expected && player_begin(&player, subject, 0, verdict)) {
    while (!player.over) {
      for (guint i = 0; i < 3; i++)
        cw_session_observe(player.session, &observation, &error);
      if (error ? !cw_verdict_fail_error(verdict, &error) : !player_step(&player, FALSE, verdict))
        break;
    }
    found = g_strdup(player.transcript->str);
    player_end(&player);
  }
  if (found && verdict->result == CW_CHECK_PASSED)
    compare_transcripts(expected, found, "when everything is observed three times", verdict);
  g_free(expected);
  g_free(found);
}

static void check_reset_starts_anew(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  char *expected;
  Player player;
  GError *error = NULL;
  gboolean played;
  if (!has_goals(subject, verdict))
    return;
  expected = play(subject, 0, FALSE, verdict);
  played = expected && player_begin(&player, subject, 0, verdict);
  if (played) {
    played = player_step(&player, FALSE, verdict);
    g_string_truncate(player.transcript, 0);
    cw_random_restart(player.random, CW_CHECK_SEED, "check episode", 0, 0);
    cw_random_restart(player.chooser, CW_CHECK_SEED, "check choice", 0, 0);
    player.n_steps = 0;
    player.over = FALSE;
    if (played && !cw_session_reset(player.session, subject->split, 0, player.random, &error))
      played = cw_verdict_fail_error(verdict, &error);
    while (played && !player.over)
      played = player_step(&player, FALSE, verdict);
    if (played)
      compare_transcripts(expected, player.transcript->str, "after a reset in its middle", verdict);
    player_end(&player);
  }
  g_free(expected);
}

static gboolean check_text(const char *what, const char *text, CwVerdict *verdict)
{
  const char *end;
  if (!text)
    return cw_verdict_fail(verdict, "%s is NULL", what);
  if (!g_utf8_validate(text, -1, &end))
    return cw_verdict_fail(verdict, "%s is not UTF-8 at byte %" G_GSIZE_FORMAT ": \"%.40s\"", what,
                           (gsize)(end - text), text);
  return TRUE;
}

static gboolean check_texts_now(CwSession *session, CwVerdict *verdict)
{
  CwObservation observation;
  GError *error = NULL;
  gboolean sound;
  if (!cw_session_observe(session, &observation, &error))
    return cw_verdict_fail_error(verdict, &error);
  sound = check_text("the observation", observation.text, verdict) &&
          (!observation.instruction || check_text("the instruction", observation.instruction, verdict));
  for (guint i = 0; sound && i < observation.n_candidates; i++) {
    char *what = g_strdup_printf("candidate %u of %u", i, observation.n_candidates);
    sound = check_text(what, observation.candidates[i], verdict);
    g_free(what);
  }
  return sound;
}

static void check_texts(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  gboolean sound = has_goals(subject, verdict);
  Player player;
  for (guint i = 0; sound && i < N_GOALS; i++) {
    sound = player_begin(&player, subject, pick_goal(subject, i), verdict) &&
            check_text("the goal's id", cw_session_goal_id(player.session), verdict);
    while (sound && !player.over)
      sound = check_texts_now(player.session, verdict) && player_step(&player, FALSE, verdict);
    player_end(&player);
  }
}

static void check_random_play_ends(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  if (!has_goals(subject, verdict))
    return;
  for (guint i = 0; i < N_GOALS; i++)
    g_free(play(subject, pick_goal(subject, i), FALSE, verdict));
}

static void check_same_streams(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  if (!has_goals(subject, verdict))
    return;
  for (guint i = 0; i < N_GOALS; i++) {
    char *expected = play(subject, pick_goal(subject, i), FALSE, verdict);
    char *found = play(subject, pick_goal(subject, i), FALSE, verdict);
    if (expected && found)
      compare_transcripts(expected, found, "with equal random streams", verdict);
    g_free(expected);
    g_free(found);
  }
}

static void check_sessions_apart(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  gint64 goals[2] = {0, subject->n_goals - 1};
  char *expected[2] = {NULL, NULL};
  Player players[2];
  gboolean played;
  if (!has_goals(subject, verdict))
    return;
  for (guint i = 0; i < 2; i++)
    expected[i] = play(subject, goals[i], FALSE, verdict);
  played = player_begin(&players[0], subject, goals[0], verdict);
  played = player_begin(&players[1], subject, goals[1], verdict) && played;
  for (guint i = 0; played && !(players[0].over && players[1].over); i = 1 - i) {
    if (!players[i].over)
      played = player_step(&players[i], FALSE, verdict);
  }
  for (guint i = 0; i < 2; i++) {
    if (played && expected[i])
      compare_transcripts(expected[i], players[i].transcript->str, "beside another session", verdict);
    player_end(&players[i]);
    g_free(expected[i]);
  }
}

static gboolean play_script(Player *player, const char *script, CwVerdict *verdict)
{
  GError *error = NULL;
  CwObservation observation;
  CwOutcome outcome;
  gint candidate;
  while (!player->over) {
    if (!cw_session_observe(player->session, &observation, &error))
      return cw_verdict_fail_error(verdict, &error);
    candidate = cw_session_scripted_action(player->session, script, &error);
    if (candidate < 0)
      return cw_verdict_fail_error(verdict, &error);
    if ((guint)candidate >= observation.n_candidates)
      return cw_verdict_fail(verdict, "script '%s' takes candidate %d of %u", script, candidate,
                             observation.n_candidates);
    if (!cw_session_step(player->session, (guint)candidate, &outcome, &error))
      return cw_verdict_fail_error(verdict, &error);
    player->over = outcome.terminated || outcome.truncated;
    if (++player->n_steps == STEP_LIMIT && !player->over)
      return cw_verdict_fail(verdict, "script '%s' was not through after %d steps", script, STEP_LIMIT);
  }
  return TRUE;
}

static void check_scripts_finish(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  const char *const *scripts = cw_environment_scripts(subject->environment);
  gboolean sound = has_goals(subject, verdict);
  Player player;
  if (sound && !scripts[0])
    sound = cw_verdict_skip(verdict, "it has no scripted agents");
  for (guint i = 0; sound && scripts[i]; i++) {
    for (guint j = 0; sound && j < N_GOALS; j++) {
      sound = player_begin(&player, subject, pick_goal(subject, j), verdict) &&
              play_script(&player, scripts[i], verdict);
      player_end(&player);
    }
  }
}

/* A wrong candidate before every right one: each must be refused, and the episode must not notice. */
static void check_wrong_candidates(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  char *expected;
  Player player;
  gboolean played;
  if (!has_goals(subject, verdict))
    return;
  expected = play(subject, 0, FALSE, verdict);
  played = player_begin(&player, subject, 0, verdict);
  while (played && !player.over) {
    CwObservation observation;
    CwOutcome outcome;
    GError *error = NULL;
    if (!cw_session_observe(player.session, &observation, &error)) {
      played = cw_verdict_fail_error(verdict, &error);
    } else if (cw_session_step(player.session, observation.n_candidates, &outcome, &error)) {
      played =
          cw_verdict_fail(verdict, "step took candidate %u of %u (counted from 0) instead of refusing it",
                          observation.n_candidates, observation.n_candidates);
    } else {
      g_clear_error(&error);
      played = player_step(&player, FALSE, verdict);
    }
  }
  if (played && expected)
    compare_transcripts(expected, player.transcript->str, "after wrong candidates were refused", verdict);
  player_end(&player);
  g_free(expected);
}

static void check_text_steps(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  char *expected, *found;
  if ((suite->feature->capabilities & CW_ENVIRONMENT_FREE_TEXT) == 0) {
    cw_verdict_skip(verdict, "it takes no free text");
    return;
  }
  if (!has_goals(subject, verdict))
    return;
  expected = play(subject, 0, FALSE, verdict);
  found = play(subject, 0, TRUE, verdict);
  if (expected && found)
    compare_transcripts(expected, found, "when candidates are given as text", verdict);
  g_free(expected);
  g_free(found);
}

static void check_records(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  GError *error = NULL;
  CwRecord *record;
  if ((suite->feature->capabilities & CW_ENVIRONMENT_RECORDS) == 0) {
    cw_verdict_skip(verdict, "it reads no recorded sessions");
    return;
  }
  record = cw_environment_read_record(subject->environment, "", "blank.jsonl:1", &error);
  if (record || error)
    cw_verdict_fail(verdict, "read_record: expected a blank line to be skipped: %s",
                    error ? error->message : "it became a record");
  cw_environment_free_record(subject->environment, record);
  g_clear_error(&error);
  record = cw_environment_read_record(subject->environment, "{ not a record", "broken.jsonl:7", &error);
  if (record || !error)
    cw_verdict_fail(verdict, "read_record: expected a line that is no record to be refused");
  else if (!strstr(error->message, "broken.jsonl:7"))
    cw_verdict_fail(verdict, "read_record: expected a message that says where (broken.jsonl:7), found: %s",
                    error->message);
  cw_environment_free_record(subject->environment, record);
  g_clear_error(&error);
}

static void check_answers(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  GError *error = NULL;
  char *text;
  if (!suite->feature->vtable.environment->answer) {
    cw_verdict_skip(verdict, "it answers no requests");
    return;
  }
  text = cw_environment_answer(subject->environment, "no such verb", "{}", &error);
  if (text)
    cw_verdict_fail(verdict, "answer: expected an unknown verb to be refused");
  else if (!g_error_matches(error, CW_ENVIRONMENT_ERROR, CW_ERROR_UNSUPPORTED))
    cw_verdict_fail(verdict, "answer: expected an unknown verb to be CW_ERROR_UNSUPPORTED, found: %s",
                    error ? error->message : "no error");
  g_clear_error(&error);
  g_free(text);
}

static void check_reopening(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  Subject second = *subject;
  char *expected, *found;
  GError *error = NULL;
  if (!has_goals(subject, verdict))
    return;
  second.environment = cw_environment_open(suite->feature, suite->options, CW_CHECK_SEED, &error);
  if (!second.environment) {
    cw_verdict_fail_error(verdict, &error);
    return;
  }
  expected = play(subject, 0, FALSE, verdict);
  found = play(&second, 0, FALSE, verdict);
  if (expected && found)
    compare_transcripts(expected, found, "when the environment is opened once more", verdict);
  cw_environment_close(second.environment);
  g_free(expected);
  g_free(found);
}

static void open_subject(CwSuite *suite, CwVerdict *verdict)
{
  static const char *const usual[] = {"train", "all", "dev", "test"};
  Subject *subject = suite->subject;
  GError *error = NULL;
  subject->environment = cw_environment_open(suite->feature, suite->options, CW_CHECK_SEED, &error);
  if (!subject->environment) {
    cw_verdict_fail_error(verdict, &error);
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS(usual) && !subject->split; i++) {
    subject->n_goals = cw_environment_n_goals(subject->environment, usual[i], NULL);
    if (subject->n_goals > 0)
      subject->split = usual[i];
  }
}

void cw_check_environment(CwSuite *suite)
{
  static const CwCheck checks[] = {
      {"opens", open_subject},
      {"describes_itself_in_pairs", check_description},
      {"knows_its_splits", check_splits},
      {"texts_are_utf8", check_texts},
      {"random_play_ends", check_random_play_ends},
      {"same_streams_give_the_same_episode", check_same_streams},
      {"observing_changes_nothing", check_observing_changes_nothing},
      {"reset_starts_anew", check_reset_starts_anew},
      {"sessions_do_not_disturb_each_other", check_sessions_apart},
      {"reopening_gives_the_same_episode", check_reopening},
      {"wrong_candidate_is_refused_and_loses_nothing", check_wrong_candidates},
      {"text_of_a_candidate_is_that_candidate", check_text_steps},
      {"scripts_finish", check_scripts_finish},
      {"records_are_read_with_care", check_records},
      {"unknown_request_is_refused", check_answers},
  };
  Subject subject = {0};

  suite->subject = &subject;
  cw_suite_run(suite, checks, G_N_ELEMENTS(checks));
  cw_environment_close(subject.environment);
}
