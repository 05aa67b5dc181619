/* Recorded sessions stepped again, action by action, every recorded observation compared byte for byte with
 * the environment's. Of each session that differs the first difference is described. */
#include "core/rollout/replay.h"
#include "core/rollout/record_lines.h"
#include <string.h>

#define CONTEXT_BYTES 60

typedef struct {
  CwEnvironment *environment;
  CwSession *session;
  CwRandom *random;
  guint32 seed;
  guint64 n_sessions;
  CwReplayCounts *counts;
  CwReplayDifference describe;
  gpointer user_data;
  gboolean described; /* the present session's first difference */
} Replay;

/* The text around byte `at`, on one line. Free with g_free. */
static char *excerpt(const char *text, gsize at)
{
  gsize length = strlen(text);
  const char *start = text + (at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0);
  const char *end = text + MIN(at + CONTEXT_BYTES, length);
  while (start > text && ((guchar)*start & 0xc0) == 0x80)
    start--;
  while (*end && ((guchar)*end & 0xc0) == 0x80)
    end++;
  GString *result = g_string_new(start > text ? "..." : "");
  for (const char *p = start; p < end; p++) {
    if (p == text + at)
      g_string_append(result, ">>>");
    if (*p == '\n')
      g_string_append(result, "\\n");
    else if (*p == '\t')
      g_string_append(result, "\\t");
    else
      g_string_append_c(result, *p);
  }
  if (at >= length)
    g_string_append(result, ">>>(end)");
  g_string_append(result, *end ? "..." : "");
  return g_string_free(result, FALSE);
}

static void describe_difference(Replay *replay, const CwRecord *record, const char *where, guint turn,
                                const char *expected, const char *found)
{
  if (replay->described)
    return;
  replay->described = TRUE;
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_printf(text, "%s: session '%s', turn %u", where, record->id ? record->id : "", turn + 1);
  if (turn > 0)
    g_string_append_printf(text, " (after %s)", record->actions[turn - 1]);
  if (!found) {
    g_string_append(text, ": the episode is over, the record goes on\n");
  } else {
    gsize at = 0;
    while (expected[at] && expected[at] == found[at])
      at++;
    while (at > 0 && ((guchar)expected[at] & 0xc0) == 0x80)
      at--;
    g_autofree char *expected_text = excerpt(expected, at), *found_text = excerpt(found, at);
    g_string_append_printf(text, ": differs at byte %" G_GSIZE_FORMAT "\n  recorded: %s\n  here:     %s\n",
                           at + 1, expected_text, found_text);
  }
  replay->describe(text->str, replay->user_data);
}

/* Compares observation `turn`; `over`: the episode has ended and nothing is expected to be seen. */
static gboolean compare(Replay *replay, const CwRecord *record, const char *where, guint turn,
                        gboolean ended_early, GError **error)
{
  const char *expected = turn < record->n_observations ? record->observations[turn] : NULL;
  if (!expected)
    return TRUE;
  replay->counts->n_turns++;
  CwObservation observation = {.struct_size = sizeof observation};
  if (!ended_early && !cw_session_observe(replay->session, &observation, error))
    return FALSE;
  const char *found = ended_early ? NULL : observation.text;
  if (found && g_str_equal(expected, found))
    replay->counts->n_identical++;
  else
    describe_difference(replay, record, where, turn, expected, found);
  return TRUE;
}

static gboolean replay_record(Replay *replay, const CwRecord *record, const char *where, GError **error)
{
  cw_random_restart(replay->random, replay->seed, "replay.environment", (guint64)record->goal,
                    replay->n_sessions++);
  replay->described = FALSE;
  if (!cw_session_reset_record(replay->session, record, replay->random, error))
    return FALSE;
  gboolean over = FALSE;
  if (!compare(replay, record, where, 0, FALSE, error))
    return FALSE;
  for (guint i = 0; i < record->n_actions; i++) {
    CwOutcome outcome = {.struct_size = sizeof outcome};
    gboolean ended_early = over;
    if (!over && !cw_session_step_text(replay->session, record->actions[i], &outcome, error)) {
      g_prefix_error(error, "action %u (%s): ", i + 1, record->actions[i]);
      return FALSE;
    }
    over = over || outcome.terminated || outcome.truncated;
    if (!compare(replay, record, where, i + 1, ended_early, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean replay_lines(Replay *replay, CwLines *lines, GError **error)
{
  GError *problem = NULL;
  const char *line;
  while ((line = cw_record_lines_next(lines, replay->environment, &problem))) {
    CwRecord *record = cw_environment_read_record(replay->environment, line, cw_lines_where(lines), &problem);
    if (problem)
      break;
    if (!record)
      continue;
    if (record->struct_size > G_STRUCT_OFFSET(CwRecord, as_recorded))
      record->as_recorded = TRUE;
    gboolean good = replay_record(replay, record, cw_lines_where(lines), &problem);
    if (!good)
      g_prefix_error(&problem, "%s: session '%s': ", cw_lines_where(lines), record->id ? record->id : "");
    cw_environment_free_record(replay->environment, record);
    if (!good)
      break;
  }
  if (!problem)
    return TRUE;
  g_propagate_error(error, problem);
  return FALSE;
}

gboolean cw_replay(const CwExperiment *experiment, const char *path, CwReplayCounts *counts,
                   CwReplayDifference describe, gpointer user_data, GError **error)
{
  const CwBinding *binding = &experiment->environment;
  Replay replay = {
      .seed = (guint32)experiment->seed, .counts = counts, .describe = describe, .user_data = user_data};
  *counts = (CwReplayCounts){0};
  CwLines *lines = cw_lines_open(path, error);
  replay.environment =
      lines ? cw_environment_open(binding->feature, binding->options, replay.seed, error) : NULL;
  replay.session = replay.environment ? cw_session_new(replay.environment, error) : NULL;
  replay.random = cw_random_new(replay.seed, "replay.environment", 0, 0);
  gboolean good = replay.session && replay_lines(&replay, lines, error);
  if (good && counts->n_turns == 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: nothing was compared: expected sessions with recorded observations, found "
                "%" G_GUINT64_FORMAT " sessions and no observation in them",
                path, replay.n_sessions);
    good = FALSE;
  }
  cw_session_free(replay.session);
  cw_random_free(replay.random);
  cw_environment_close(replay.environment);
  cw_lines_close(lines);
  return good;
}
