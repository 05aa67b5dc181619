/* The conformance suite of environments. It plays short episodes with random choices, writes down everything
 * that is shown, and compares transcripts: an episode may depend on its goal and its random stream, and on
 * nothing else. */
#include "conformance/check_suite.h"
#include "core/plugin/errors.h"
#include "core/trajectory/trajectories.h"

#include <string.h>

#define STEP_LIMIT 10000
#define N_GOALS    3

/* The part of the environment that all checks share. */
typedef struct {
  CwEnvironment *environment;
  const char *split; /* the first of the usual splits that has goals; NULL: none */
  gint64 n_goals;
} Subject;

/* How an episode is played; its transcript must not show it. */
typedef enum {
  PLAIN,
  CHECKING_TEXTS,
  AS_TEXT,         /* candidates are given as text */
  OBSERVING,       /* everything is observed three times */
  AFTER_A_RESET,   /* a first step is taken, and the session reset */
  RESTORING,       /* before every step the session is saved, and another one goes on */
  REFUSING_CHOICES /* a wrong candidate before every right one */
} Way;

/* One episode being played. */
typedef struct {
  CwEnvironment *environment;
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
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Player, player_end)

static gboolean player_reset(Player *player, const Subject *subject, gint64 goal, CwVerdict *verdict)
{
  cw_random_restart(player->random, CW_CHECK_SEED, "check episode", (guint64)goal, 0);
  cw_random_restart(player->chooser, CW_CHECK_SEED, "check choice", (guint64)goal, 0);
  g_string_truncate(player->transcript, 0);
  player->n_steps = 0;
  player->over = FALSE;
  return cw_verdict_check(
      verdict, cw_session_reset(player->session, subject->split, goal, player->random, &verdict->error));
}

/* Fails the verdict when it returns FALSE; player_end is due in any case. */
static gboolean player_begin(Player *player, const Subject *subject, gint64 goal, CwVerdict *verdict)
{
  player->random = cw_random_new(CW_CHECK_SEED, "check episode", 0, 0);
  player->chooser = cw_random_new(CW_CHECK_SEED, "check choice", 0, 0);
  player->transcript = g_string_new(NULL);
  player->environment = subject->environment;
  player->session = cw_session_new(subject->environment, &verdict->error);
  return cw_verdict_check(verdict, player->session != NULL) && player_reset(player, subject, goal, verdict);
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
  g_autoptr(GArray) facts = cw_outcome_facts(outcome);
  for (guint i = 0; i < facts->len; i++) {
    const CwNamedText *fact = &g_array_index(facts, CwNamedText, i);
    g_string_append_printf(transcript, "%s %s\n", fact->name, fact->text);
  }
}

/* The handle sees to what is observed. */
static gboolean check_text(const char *what, const char *text, CwVerdict *verdict)
{
  const char *end;
  return g_utf8_validate(text, -1, &end) ||
         cw_verdict_fail(verdict, "%s is not UTF-8 at byte %" G_GSIZE_FORMAT ": \"%.40s\"", what,
                         (gsize)(end - text), text);
}

static gboolean refuses(Player *player, guint n_candidates, CwVerdict *verdict)
{
  CwOutcome outcome;
  if (cw_session_step(player->session, n_candidates, &outcome, &verdict->error))
    return cw_verdict_fail(verdict, "step took candidate %u of %u (counted from 0) instead of refusing it",
                           n_candidates, n_candidates);
  g_clear_error(&verdict->error);
  return TRUE;
}

/* Goes on in a new session, from the saved state of the present one. */
static gboolean move_on(Player *player, CwVerdict *verdict)
{
  g_autoptr(GBytes) state = cw_session_save(player->session, &verdict->error);
  CwSession *other = state ? cw_session_new(player->environment, &verdict->error) : NULL;
  gboolean restored = other && cw_session_restore(other, state, player->random, &verdict->error);
  if (other) {
    cw_session_free(player->session);
    player->session = other;
  }
  return cw_verdict_check(verdict, restored);
}

/* What the way of playing does before a choice. */
static gboolean prepare(Player *player, Way way, CwObservation *observation, CwVerdict *verdict)
{
  guint n = way == OBSERVING ? 4 : way == REFUSING_CHOICES ? 2 : 1;
  if (way == RESTORING && !move_on(player, verdict))
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (!cw_verdict_check(verdict, cw_session_observe(player->session, observation, &verdict->error)) ||
        (way == REFUSING_CHOICES && i == 0 && !refuses(player, observation->n_candidates, verdict)))
      return FALSE;
  return TRUE;
}

/* One step with a random choice. */
static gboolean player_step(Player *player, Way way, CwVerdict *verdict)
{
  CwObservation observation;
  CwOutcome outcome;
  if (!prepare(player, way, &observation, verdict))
    return FALSE;
  write_observation(player->transcript, &observation);
  guint choice = cw_random_below(player->chooser, observation.n_candidates);
  g_autofree char *action = g_strdup(observation.candidates[choice]);
  g_string_append_printf(player->transcript, "> %s\n", action);
  gboolean stepped = way == AS_TEXT ? cw_session_step_text(player->session, action, &outcome, &verdict->error)
                                    : cw_session_step(player->session, choice, &outcome, &verdict->error);
  if (!cw_verdict_check(verdict, stepped))
    return FALSE;
  write_outcome(player->transcript, &outcome);
  player->over = outcome.terminated || outcome.truncated;
  return player->over || ++player->n_steps < STEP_LIMIT ||
         cw_verdict_fail(verdict, "an episode of random choices was not over after %d steps", STEP_LIMIT);
}

/* A whole episode as text, or NULL with the verdict failed. Free with g_free. */
static char *play(const Subject *subject, gint64 goal, Way way, CwVerdict *verdict)
{
  g_auto(Player) player = {0};
  if (!player_begin(&player, subject, goal, verdict) ||
      (way == CHECKING_TEXTS && !check_text("the goal's id", cw_session_goal_id(player.session), verdict)) ||
      (way == AFTER_A_RESET &&
       (!player_step(&player, way, verdict) || !player_reset(&player, subject, goal, verdict))))
    return NULL;
  while (!player.over)
    if (!player_step(&player, way, verdict))
      return NULL;
  return g_strdup(player.transcript->str);
}

/* Fails with the first line in which the transcripts differ; either may be NULL. */
static void compare_transcripts(const char *expected, const char *found, const char *when, CwVerdict *verdict)
{
  guint line = 1;
  if (!expected || !found)
    return;
  for (; *expected != '\0' && *expected == *found; expected++, found++)
    line += *expected == '\n';
  if (*expected != *found)
    cw_verdict_fail(verdict, "%s, the episode differs from line %u on: expected \"%.60s\", found \"%.60s\"",
                    when, line, expected, found);
}

/* Plays a goal plainly in the one environment and in some way in the other. */
static void compare_ways(const Subject *subject, const Subject *other, gint64 goal, Way way, const char *when,
                         CwVerdict *verdict)
{
  g_autofree char *expected = play(subject, goal, PLAIN, verdict);
  g_autofree char *found = expected ? play(other, goal, way, verdict) : NULL;
  compare_transcripts(expected, found, when, verdict);
}

static gboolean has_goals(CwSuite *suite, CwVerdict *verdict)
{
  return ((Subject *)suite->subject)->split || cw_verdict_skip(verdict, "no split has a goal");
}

static void check_description(CwSuite *suite, CwVerdict *verdict)
{
  cw_check_description(cw_environment_describe(((Subject *)suite->subject)->environment), verdict);
}

static void check_splits(CwSuite *suite, CwVerdict *verdict)
{
  Subject *subject = suite->subject;
  if (!subject->split)
    cw_verdict_fail(verdict, "expected goals in one of train, dev, test and all, found none");
  if (cw_environment_n_goals(subject->environment, "no such split", NULL) != -1)
    cw_verdict_fail(verdict, "n_goals: expected -1 for a split that does not exist");
  if (subject->split &&
      cw_environment_n_goals(subject->environment, subject->split, NULL) != subject->n_goals)
    cw_verdict_fail(verdict, "n_goals: two answers for split '%s'", subject->split);
  CwSlotCall call = cw_slot_begin(suite->feature, "close(NULL) or session_free(NULL)");
  suite->feature->vtable.environment->close(NULL);
  suite->feature->vtable.environment->session_free(NULL);
  cw_slot_leave(&call);
}

static void check_texts(CwSuite *suite, CwVerdict *verdict)
{
  for (guint i = 0; i < N_GOALS && verdict->result == CW_CHECK_PASSED; i++)
    g_free(play(suite->subject, pick_goal(suite->subject, i), CHECKING_TEXTS, verdict));
}

static void check_random_play_ends(CwSuite *suite, CwVerdict *verdict)
{
  for (guint i = 0; i < N_GOALS; i++)
    g_free(play(suite->subject, pick_goal(suite->subject, i), PLAIN, verdict));
}

static void check_same_streams(CwSuite *suite, CwVerdict *verdict)
{
  for (guint i = 0; i < N_GOALS; i++)
    compare_ways(suite->subject, suite->subject, pick_goal(suite->subject, i), PLAIN,
                 "with equal random streams", verdict);
}

static void check_observing_changes_nothing(CwSuite *suite, CwVerdict *verdict)
{
  compare_ways(suite->subject, suite->subject, 0, OBSERVING, "when everything is observed three times",
               verdict);
}

static void check_reset_starts_anew(CwSuite *suite, CwVerdict *verdict)
{
  compare_ways(suite->subject, suite->subject, 0, AFTER_A_RESET, "after a reset in its middle", verdict);
}

static void check_wrong_candidates(CwSuite *suite, CwVerdict *verdict)
{
  compare_ways(suite->subject, suite->subject, 0, REFUSING_CHOICES, "after wrong candidates were refused",
               verdict);
}

static void check_text_steps(CwSuite *suite, CwVerdict *verdict)
{
  if (cw_suite_can(suite, CW_ENVIRONMENT_FREE_TEXT))
    compare_ways(suite->subject, suite->subject, 0, AS_TEXT, "when candidates are given as text", verdict);
  else
    cw_verdict_skip(verdict, "it takes no free text");
}

static void check_restored_sessions(CwSuite *suite, CwVerdict *verdict)
{
  if (cw_suite_can(suite, CW_ENVIRONMENT_RESTORES))
    for (guint i = 0; i < N_GOALS && verdict->result == CW_CHECK_PASSED; i++)
      compare_ways(suite->subject, suite->subject, pick_goal(suite->subject, i), RESTORING,
                   "when every step is taken by a session restored from the one before", verdict);
  else
    cw_verdict_skip(verdict, "it does not save its sessions");
}

static void check_sessions_apart(CwSuite *suite, CwVerdict *verdict)
{
  const Subject *subject = suite->subject;
  const gint64 goals[2] = {0, subject->n_goals - 1};
  g_autofree char *first = play(subject, goals[0], PLAIN, verdict);
  g_autofree char *second = play(subject, goals[1], PLAIN, verdict);
  g_auto(Player) one = {0}, other = {0};
  Player *players[] = {&one, &other};
  gboolean played = player_begin(&one, subject, goals[0], verdict);
  played = player_begin(&other, subject, goals[1], verdict) && played;
  for (guint i = 0; played && !(one.over && other.over); i = 1 - i)
    played = players[i]->over || player_step(players[i], PLAIN, verdict);
  if (!played)
    return;
  compare_transcripts(first, one.transcript->str, "beside another session", verdict);
  compare_transcripts(second, other.transcript->str, "beside another session", verdict);
}

static gboolean play_script(Player *player, const char *script, CwVerdict *verdict)
{
  CwObservation observation;
  CwOutcome outcome;
  while (!player->over) {
    if (!cw_verdict_check(verdict, cw_session_observe(player->session, &observation, &verdict->error)))
      return FALSE;
    gint candidate = cw_session_scripted_action(player->session, script, &verdict->error);
    if (!cw_verdict_check(verdict, candidate >= 0))
      return FALSE;
    if ((guint)candidate >= observation.n_candidates)
      return cw_verdict_fail(verdict, "script '%s' takes candidate %d of %u", script, candidate,
                             observation.n_candidates);
    if (!cw_verdict_check(verdict,
                          cw_session_step(player->session, (guint)candidate, &outcome, &verdict->error)))
      return FALSE;
    player->over = outcome.terminated || outcome.truncated;
    if (++player->n_steps == STEP_LIMIT && !player->over)
      return cw_verdict_fail(verdict, "script '%s' was not through after %d steps", script, STEP_LIMIT);
  }
  return TRUE;
}

static void check_scripts_finish(CwSuite *suite, CwVerdict *verdict)
{
  const Subject *subject = suite->subject;
  const char *const *scripts = cw_environment_scripts(subject->environment);
  if (!scripts[0])
    cw_verdict_skip(verdict, "it has no scripted agents");
  for (; *scripts; scripts++)
    for (guint i = 0; i < N_GOALS && verdict->result == CW_CHECK_PASSED; i++) {
      g_auto(Player) player = {0};
      if (player_begin(&player, subject, pick_goal(subject, i), verdict))
        play_script(&player, *scripts, verdict);
    }
}

static void check_records(CwSuite *suite, CwVerdict *verdict)
{
  CwEnvironment *environment = ((Subject *)suite->subject)->environment;
  if (!cw_suite_can(suite, CW_ENVIRONMENT_RECORDS)) {
    cw_verdict_skip(verdict, "it reads no recorded sessions");
    return;
  }
  g_autoptr(GError) of_blank = NULL, of_broken = NULL;
  CwRecord *record = cw_environment_read_record(environment, "", "blank.jsonl:1", &of_blank);
  if (record || of_blank)
    cw_verdict_fail(verdict, "read_record: expected a blank line to be skipped: %s",
                    of_blank ? of_blank->message : "it became a record");
  cw_environment_free_record(environment, record);
  record = cw_environment_read_record(environment, "{ not a record", "broken.jsonl:7", &of_broken);
  if (record || !of_broken)
    cw_verdict_fail(verdict, "read_record: expected a line that is no record to be refused");
  else if (!strstr(of_broken->message, "broken.jsonl:7"))
    cw_verdict_fail(verdict, "read_record: expected a message that says where (broken.jsonl:7), found: %s",
                    of_broken->message);
  cw_environment_free_record(environment, record);
}

static void check_answers(CwSuite *suite, CwVerdict *verdict)
{
  if (!suite->feature->vtable.environment->answer) {
    cw_verdict_skip(verdict, "it answers no requests");
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autofree char *text =
      cw_environment_answer(((Subject *)suite->subject)->environment, "no such verb", "{}", &error);
  if (text)
    cw_verdict_fail(verdict, "answer: expected an unknown verb to be refused");
  else if (!g_error_matches(error, CW_ENVIRONMENT_ERROR, CW_ERROR_UNSUPPORTED))
    cw_verdict_fail(verdict, "answer: expected an unknown verb to be CW_ERROR_UNSUPPORTED, found: %s",
                    error ? error->message : "no error");
}

static void check_reopening(CwSuite *suite, CwVerdict *verdict)
{
  Subject second = *(Subject *)suite->subject;
  g_autoptr(CwEnvironment) environment =
      cw_environment_open(suite->feature, suite->options, CW_CHECK_SEED, &verdict->error);
  second.environment = environment;
  if (cw_verdict_check(verdict, environment != NULL))
    compare_ways(suite->subject, &second, 0, PLAIN, "when the environment is opened once more", verdict);
}

static void open_subject(CwSuite *suite, CwVerdict *verdict)
{
  static const char *const usual[] = {"train", "all", "dev", "test"};
  Subject *subject = suite->subject;
  subject->environment = cw_environment_open(suite->feature, suite->options, CW_CHECK_SEED, &verdict->error);
  if (!cw_verdict_check(verdict, subject->environment != NULL))
    return;
  for (guint i = 0; i < G_N_ELEMENTS(usual) && !subject->split; i++) {
    subject->n_goals = cw_environment_n_goals(subject->environment, usual[i], NULL);
    if (subject->n_goals > 0)
      subject->split = usual[i];
  }
}

void cw_check_environment(CwSuite *suite)
{
  static const CwCheck checks[] = {
      {"opens", open_subject, NULL},
      {"describes_itself_in_pairs", check_description, NULL},
      {"knows_its_splits", check_splits, NULL},
      {"texts_are_utf8", check_texts, has_goals},
      {"random_play_ends", check_random_play_ends, has_goals},
      {"same_streams_give_the_same_episode", check_same_streams, has_goals},
      {"observing_changes_nothing", check_observing_changes_nothing, has_goals},
      {"reset_starts_anew", check_reset_starts_anew, has_goals},
      {"sessions_do_not_disturb_each_other", check_sessions_apart, has_goals},
      {"reopening_gives_the_same_episode", check_reopening, has_goals},
      {"wrong_candidate_is_refused_and_loses_nothing", check_wrong_candidates, has_goals},
      {"text_of_a_candidate_is_that_candidate", check_text_steps, has_goals},
      {"restored_session_goes_on_the_same", check_restored_sessions, has_goals},
      {"scripts_finish", check_scripts_finish, has_goals},
      {"records_are_read_with_care", check_records, NULL},
      {"unknown_request_is_refused", check_answers, NULL},
  };
  Subject subject = {0};
  suite->subject = &subject;
  cw_suite_run(suite, checks, G_N_ELEMENTS(checks));
  cw_environment_close(subject.environment);
}
