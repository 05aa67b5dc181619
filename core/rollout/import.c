/* Plays recorded sessions again. An action that is a candidate where the record has it (or can be made one)
 * becomes a step of the trajectory; one that can only be taken as free text is taken without being recorded;
 * one that is impossible is passed to the environment as it stands, for that is what the recorder's
 * environment saw, and counted. A resumed import goes on behind a line of the file. Owns one session and the
 * journal. */
#include "core/rollout/import.h"
#include "core/base/interrupt.h"
#include "core/rollout/record_lines.h"
#include "core/trajectory/journal.h"
#include "core/trajectory/trajectories.h"
#include <math.h>

typedef struct {
  CwEnvironment *environment;
  CwSession *session;
  const CwImportOptions *options;
  CwImportCounts *counts;
  CwJournal *journal;
  GKeyFile *state;
  CwRandom *random;
  const char *purpose;
  guint32 seed;
} Importing;

static gboolean is_wanted(const Importing *importing, const CwRecord *record)
{
  const char *const *splits = (const char *const *)importing->options->splits;
  const char *home = record->home_split ? record->home_split : record->split;
  return !splits || !*splits || g_strv_contains(splits, "all") || (home && g_strv_contains(splits, home));
}

/* Takes an action. *recorded says whether it became a step of `builder`, *over whether the episode ended. */
static gboolean take_action(Importing *importing, CwTrajectoryBuilder *builder, const char *action,
                            gboolean *recorded, gboolean *over, GError **error)
{
  CwSession *session = importing->session;
  GError *problem = NULL;
  *recorded = *over = FALSE;
  gint candidate = cw_session_candidate_of(session, action, importing->options->add_searches, &problem);
  if (candidate >= 0)
    *recorded = TRUE;
  else if (!problem && !importing->options->add_searches)
    candidate = cw_session_candidate_of(session, action, TRUE, &problem);
  if (problem) {
    g_propagate_error(error, problem);
    return FALSE;
  }
  CwOutcome outcome = {.struct_size = sizeof outcome};
  if (*recorded) {
    /* Observed only now: the candidate may have been added. */
    CwObservation observation = {.struct_size = sizeof observation};
    if (!cw_session_observe(session, &observation, error))
      return FALSE;
    cw_trajectory_builder_decide(builder, &observation, (guint)candidate, NAN, NAN);
  }
  if (candidate >= 0) {
    if (!cw_session_step(session, (guint)candidate, &outcome, error))
      return FALSE;
    if (*recorded)
      importing->counts->n_steps++;
    else
      importing->counts->n_free_text++;
  } else {
    importing->counts->n_mismatching++;
    if ((cw_environment_feature(importing->environment)->capabilities & CW_ENVIRONMENT_FREE_TEXT) &&
        !cw_session_step_text(session, action, &outcome, error))
      return FALSE;
  }
  if (*recorded)
    cw_trajectory_builder_outcome(builder, &outcome);
  *over = outcome.terminated || outcome.truncated;
  return TRUE;
}

/* Takes the builder. */
static gboolean keep(Importing *importing, CwTrajectoryBuilder *builder, gboolean usable, gboolean over,
                     GError **error)
{
  CwImportCounts *counts = importing->counts;
  CwTrajectory *trajectory = cw_trajectory_builder_finish(builder);
  gboolean good = TRUE;
  if (!usable || trajectory->n_steps == 0)
    counts->n_unusable++;
  else if (importing->options->successful_only && !trajectory->success)
    counts->n_unsuccessful++;
  else {
    counts->n_kept++;
    counts->n_unfinished += over ? 0 : 1;
    good = cw_journal_add(importing->journal, 0, trajectory, error);
  }
  cw_trajectory_unref(trajectory);
  return good;
}

static gboolean play(Importing *importing, const CwRecord *record, GError **error)
{
  CwImportCounts *counts = importing->counts;
  guint64 number = counts->n_sessions++;
  if (!is_wanted(importing, record)) {
    counts->n_other_split++;
    return TRUE;
  }
  cw_random_restart(importing->random, importing->seed, importing->purpose, (guint64)record->goal, number);
  if (!cw_session_reset_record(importing->session, record, importing->random, error))
    return FALSE;
  CwTrajectoryBuilder *builder =
      cw_trajectory_builder_new(record->split ? record->split : "all", record->goal,
                                cw_session_goal_id(importing->session), "recorded", number, importing->seed);
  gboolean over = FALSE, usable = TRUE;
  for (guint i = 0; i < record->n_actions; i++) {
    counts->n_actions++;
    if (over) {
      counts->n_after_end++;
      continue;
    }
    gboolean recorded;
    if (!take_action(importing, builder, record->actions[i], &recorded, &over, error)) {
      g_prefix_error(error, "session '%s', action %u (%s): ", record->id ? record->id : "", i + 1,
                     record->actions[i]);
      cw_trajectory_builder_free(builder);
      return FALSE;
    }
    /* The end of the episode, with its reward, must be a step of the trajectory. */
    if (over && !recorded)
      usable = FALSE;
  }
  return keep(importing, builder, usable, over, error);
}

/* The counts as keys of the state of an unfinished file. */
static const struct {
  const char *name;
  gsize offset;
} numbers[] = {
    {"sessions", offsetof(CwImportCounts, n_sessions)},
    {"other_split", offsetof(CwImportCounts, n_other_split)},
    {"unsuccessful", offsetof(CwImportCounts, n_unsuccessful)},
    {"unusable", offsetof(CwImportCounts, n_unusable)},
    {"kept", offsetof(CwImportCounts, n_kept)},
    {"unfinished", offsetof(CwImportCounts, n_unfinished)},
    {"actions", offsetof(CwImportCounts, n_actions)},
    {"steps", offsetof(CwImportCounts, n_steps)},
    {"free_text", offsetof(CwImportCounts, n_free_text)},
    {"mismatching", offsetof(CwImportCounts, n_mismatching)},
    {"after_end", offsetof(CwImportCounts, n_after_end)},
};

static guint64 *number_at(CwImportCounts *counts, guint i)
{
  return (guint64 *)(gpointer)((char *)counts + numbers[i].offset);
}

static gboolean mark(Importing *importing, guint64 n_lines, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    g_key_file_set_uint64(importing->state, "import", numbers[i].name, *number_at(importing->counts, i));
  g_key_file_set_uint64(importing->state, "import", "lines", n_lines);
  return cw_journal_mark(importing->journal, importing->state, error);
}

/* Takes up what an interrupted call left: its counts, and how many lines it has read. */
static gboolean take_up(Importing *importing, CwLines *lines, guint64 *n_lines, GError **error)
{
  GKeyFile *state = cw_journal_state(importing->journal);
  GError *problem = NULL;
  *n_lines = 0;
  if (!state)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(numbers) && !problem; i++)
    *number_at(importing->counts, i) = g_key_file_get_uint64(state, "import", numbers[i].name, &problem);
  if (!problem)
    *n_lines = g_key_file_get_uint64(state, "import", "lines", &problem);
  for (guint64 i = 0; i < *n_lines && !problem; i++)
    cw_lines_next(lines, &problem);
  if (!problem)
    return TRUE;
  g_propagate_prefixed_error(error, problem, "cannot go on with an unfinished import: ");
  return FALSE;
}

static gboolean import_lines(Importing *importing, CwLines *lines, CwWorkProgress progress,
                             gpointer user_data, GError **error)
{
  GError *problem = NULL;
  const char *line;
  guint64 n;
  if (!take_up(importing, lines, &n, error))
    return FALSE;
  while ((line = cw_record_lines_next(lines, importing->environment, &problem))) {
    n = cw_lines_number(lines);
    if (cw_interrupted()) {
      g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_CANCELLED, "stopped on request");
      return FALSE;
    }
    CwRecord *record =
        cw_environment_read_record(importing->environment, line, cw_lines_where(lines), &problem);
    if (problem)
      break;
    if (record) {
      gboolean good = play(importing, record, &problem);
      cw_environment_free_record(importing->environment, record);
      if (!good) {
        g_prefix_error(&problem, "%s: ", cw_lines_where(lines));
        break;
      }
    }
    if (!mark(importing, n, &problem))
      break;
    if (progress) {
      char text[64];
      g_snprintf(text, sizeof text, "%" G_GUINT64_FORMAT " kept", importing->counts->n_kept);
      progress(n, cw_lines_count(lines), text, user_data);
    }
  }
  if (!problem)
    return TRUE;
  g_propagate_error(error, problem);
  return FALSE;
}

gboolean cw_import(CwEnvironment *environment, const CwImportOptions *options, const char *purpose,
                   guint32 seed, const char *path, gboolean resumable, CwImportCounts *counts,
                   CwWorkProgress progress, gpointer user_data, GError **error)
{
  *counts = (CwImportCounts){0};
  const CwRegisteredFeature *feature = cw_environment_feature(environment);
  if (!(feature->capabilities & CW_ENVIRONMENT_RECORDS)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "environment '%s' cannot read recorded sessions",
                feature->name);
    return FALSE;
  }
  CwLines *lines = cw_lines_open(options->sessions, error);
  if (!lines)
    return FALSE;
  Importing importing = {
      .environment = environment, .options = options, .counts = counts, .purpose = purpose, .seed = seed};
  gboolean good = (importing.session = cw_session_new(environment, error)) &&
                  (importing.journal = cw_journal_open(path, NULL, resumable, error));
  if (good) {
    importing.state = g_key_file_new();
    importing.random = cw_random_new(seed, purpose, 0, 0);
    good = import_lines(&importing, lines, progress, user_data, error);
  }
  if (importing.journal && !good)
    cw_journal_leave(g_steal_pointer(&importing.journal));
  if (good && counts->n_kept == 0) {
    g_autofree char *summary = cw_import_summary(counts);
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FAILED, "%s: nothing to import: %s", options->sessions,
                summary);
    good = FALSE;
  }
  if (good)
    good = cw_journal_commit(g_steal_pointer(&importing.journal), error);
  cw_journal_discard(importing.journal);
  g_clear_pointer(&importing.state, g_key_file_unref);
  cw_session_free(importing.session);
  cw_random_free(importing.random);
  cw_lines_close(lines);
  return good;
}

char *cw_import_summary(const CwImportCounts *counts)
{
  GString *text = g_string_new(NULL);
  g_string_append_printf(text,
                         "%" G_GUINT64_FORMAT " sessions: %" G_GUINT64_FORMAT " kept (%" G_GUINT64_FORMAT
                         " of them unfinished), %" G_GUINT64_FORMAT " in other splits, %" G_GUINT64_FORMAT
                         " unsuccessful, %" G_GUINT64_FORMAT " unusable; ",
                         counts->n_sessions, counts->n_kept, counts->n_unfinished, counts->n_other_split,
                         counts->n_unsuccessful, counts->n_unusable);
  g_string_append_printf(
      text,
      "%" G_GUINT64_FORMAT " actions: %" G_GUINT64_FORMAT " became steps, %" G_GUINT64_FORMAT
      " taken as free text without a step, %" G_GUINT64_FORMAT " impossible, %" G_GUINT64_FORMAT
      " after the end",
      counts->n_actions, counts->n_steps, counts->n_free_text, counts->n_mismatching, counts->n_after_end);
  return g_string_free(text, FALSE);
}
