/* A letter game. Goal g takes 1 + g % steps decisions, each with one right letter; the reward is the part
 * that was right. Odd goals also offer "wait", which only passes time; an episode is cut after 8 actions.
 * "say ..." passes time too, as free text. With `timeless` the text does not tell how much time has passed,
 * so that waiting leads back to where one was; with `patience` a goal that offers "wait" is a success only
 * after so many, which no text tells. The game is about spelling: "target" is the word wanted, "item" the
 * word taken. */
#include "tests/toy/toy.h"
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define STEP_LIMIT 8

typedef struct {
  const ToyEnvironmentOptions *options;
  char n_goals_text[24];
  const char *facts[5];
  gint n_resets;
} Shared;

typedef struct {
  Shared *shared;
  char split[16];
  gint64 goal;
  guint noise;
  guint n_needed, n_taken, n_right, n_steps, n_waits;
  gboolean over;
  char text[128], goal_id[40], added[64];
  const char *candidates[5];
  guint n_candidates;
  CwNamedValue parts[2];
  char target[8], taken[8];
} Session;

static gpointer open_shared(gconstpointer options, guint32 seed, GError **error)
{
  (void)seed, (void)error;
  Shared *shared = g_new0(Shared, 1);
  shared->options = options;
  g_snprintf(shared->n_goals_text, sizeof shared->n_goals_text, "%" G_GINT64_FORMAT, shared->options->goals);
  const char *facts[] = {"catalogue", "letters", "goals", shared->n_goals_text, NULL};
  memcpy(shared->facts, facts, sizeof facts);
  return shared;
}

static const char *const *describe(gpointer shared)
{
  return ((Shared *)shared)->facts;
}

static gint64 n_goals(gpointer data, const char *split)
{
  static const char *const splits[] = {"train", "dev", "test", "all", NULL};
  if (g_str_equal(split, "empty"))
    return 0;
  return g_strv_contains(splits, split) ? ((Shared *)data)->options->goals : -1;
}

static gpointer session_new(gpointer shared, GError **error)
{
  (void)error;
  Session *session = g_new0(Session, 1);
  session->shared = shared;
  return session;
}

static guint right_letter(const Session *session)
{
  return (guint)((session->goal + session->n_taken) % 3);
}

static void show(Session *session)
{
  static const char *const actions[] = {"take a", "take b", "take c", "wait"};
  g_snprintf(session->text, sizeof session->text, "goal %d step %u hint %c noise %u%s", (int)session->goal,
             session->shared->options->timeless ? session->n_taken : session->n_steps,
             'a' + (int)right_letter(session), session->noise, session->over ? " over" : "");
  memcpy(session->candidates, actions, sizeof actions);
  session->n_candidates = session->over ? 0 : session->goal % 2 ? 4 : 3;
}

static void start(Session *session, const char *split, gint64 goal, guint noise)
{
  Shared *shared = session->shared;
  *session = (Session){.shared = shared, .goal = goal, .noise = noise};
  g_strlcpy(session->split, split, sizeof session->split);
  session->n_needed = 1 + (guint)(goal % shared->options->steps);
  g_snprintf(session->goal_id, sizeof session->goal_id, "toy-%s-%d", split, (int)goal);
  show(session);
}

static void count_reset(Shared *shared)
{
  if (g_atomic_int_add(&shared->n_resets, 1) + 1 == shared->options->interrupt_at)
    raise(SIGTERM);
}

static gboolean reset(gpointer data, const char *split, gint64 goal, CwRandom *random, GError **error)
{
  (void)error;
  count_reset(((Session *)data)->shared);
  start(data, split, goal, cw_random_below(random, 1000));
  return TRUE;
}

static gboolean observe(gpointer data, CwObservation *observation, GError **error)
{
  (void)error;
  Session *session = data;
  observation->text = session->text;
  observation->candidates = session->candidates;
  observation->n_candidates = session->n_candidates;
  observation->instruction = "take the letter of the hint";
  return TRUE;
}

static gboolean step_text(gpointer data, const char *action, CwOutcome *outcome, GError **error)
{
  (void)error;
  Session *session = data;
  session->n_steps++;
  if (g_str_has_prefix(action, "take ") && action[5] >= 'a' && action[5] <= 'c' && !action[6]) {
    session->taken[session->n_taken] = action[5];
    session->n_right += (guint)(action[5] - 'a') == right_letter(session);
    session->n_taken++;
  } else {
    session->n_waits++;
  }
  session->over = session->n_taken == session->n_needed || session->n_steps == STEP_LIMIT;
  if (session->over) {
    double right = (double)session->n_right / session->n_needed;
    outcome->terminated = session->n_taken == session->n_needed;
    outcome->truncated = !outcome->terminated;
    outcome->reward = outcome->terminated ? (float)right : 0;
    outcome->success = outcome->terminated && session->n_right == session->n_needed;
    if (session->goal % 2 && session->n_waits < session->shared->options->patience)
      outcome->success = FALSE;
    for (guint i = 0; i < session->n_needed; i++)
      session->target[i] = (char)('a' + (session->goal + i) % 3);
    outcome->category = session->goal % 2 ? "odd" : "even";
    outcome->target = session->target;
    outcome->item = outcome->terminated ? session->taken : NULL;
    session->parts[0] = (CwNamedValue){"right", right};
    session->parts[1] = (CwNamedValue){"waits", session->n_waits};
    outcome->parts = session->parts;
    outcome->n_parts = 2;
  }
  show(session);
  return TRUE;
}

static gboolean step(gpointer data, guint candidate, CwOutcome *outcome, GError **error)
{
  Session *session = data;
  if (candidate < session->n_candidates)
    return step_text(session, session->candidates[candidate], outcome, error);
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED, "no candidate %u", candidate);
  return FALSE;
}

static const char *goal_id(gpointer session)
{
  return ((Session *)session)->goal_id;
}

static const char *const *scripts(gpointer shared)
{
  static const char *const names[] = {"best", "worst", "broken", NULL};
  (void)shared;
  return names;
}

static gint scripted_action(gpointer data, const char *script, GError **error)
{
  Session *session = data;
  guint right = right_letter(session);
  if (g_str_equal(script, "best"))
    return (gint)right;
  if (g_str_equal(script, "worst"))
    return (gint)(right + 1) % 3;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED, "script 'broken' gives up on goal %d",
              (int)session->goal);
  return -1;
}

static void free_record(gpointer shared, CwRecord *record)
{
  (void)shared;
  json_decref(record->reserved);
  g_free((char *)record->overrides);
  g_free((char **)record->actions);
  g_free((char **)record->observations);
  g_free(record);
}

static const char **texts_of(json_t *array, guint *n)
{
  *n = (guint)json_array_size(array);
  const char **texts = g_new0(const char *, *n + 1);
  for (guint i = 0; i < *n; i++)
    texts[i] = json_string_value(json_array_get(array, i));
  return texts;
}

static CwRecord *read_record(gpointer shared, const char *line, const char *where, GError **error)
{
  json_error_t problem;
  if (!*line)
    return NULL;
  json_t *root = json_loads(line, 0, &problem);
  (void)shared;
  if (!json_is_object(root) || !json_is_array(json_object_get(root, "actions"))) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "%s: expected a toy session", where);
    json_decref(root);
    return NULL;
  }
  CwRecord *record = g_new0(CwRecord, 1);
  record->struct_size = sizeof *record;
  record->reserved = root;
  record->id = json_string_value(json_object_get(root, "id"));
  record->split = json_string_value(json_object_get(root, "split"));
  record->goal = json_integer_value(json_object_get(root, "goal"));
  record->overrides = g_strdup_printf("%d", (int)json_integer_value(json_object_get(root, "noise")));
  record->actions = texts_of(json_object_get(root, "actions"), &record->n_actions);
  record->observations = texts_of(json_object_get(root, "observations"), &record->n_observations);
  return record;
}

static gboolean reset_record(gpointer session, const CwRecord *record, CwRandom *random, GError **error)
{
  (void)random, (void)error;
  count_reset(((Session *)session)->shared);
  start(session, record->split, record->goal, (guint)g_ascii_strtoull(record->overrides, NULL, 10));
  return TRUE;
}

static gint candidate_of(gpointer data, const char *action, gboolean may_add, GError **error)
{
  (void)error;
  Session *session = data;
  for (guint i = 0; i < session->n_candidates; i++)
    if (g_str_equal(session->candidates[i], action))
      return (gint)i;
  if (!may_add || !g_str_has_prefix(action, "say "))
    return -1;
  g_strlcpy(session->added, action, sizeof session->added);
  session->candidates[session->n_candidates] = session->added;
  return (gint)session->n_candidates++;
}

static char *answer(gpointer shared, const char *verb, const char *request, GError **error)
{
  (void)shared;
  json_t *root = json_loads(request, 0, NULL);
  const char *query = json_string_value(json_object_get(root, "query"));
  char *reply = NULL;
  if (g_str_equal(verb, "search") && query && *query)
    reply = g_strdup_printf("{\"query\": \"%s\", \"total\": %d}", query, (int)strlen(query));
  else if (g_str_equal(verb, "score") && json_is_integer(json_object_get(root, "goal")))
    reply = g_strdup_printf("{\"reward\": %d}", (int)json_integer_value(json_object_get(root, "goal")));
  else
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "cannot answer %s %s", verb, request);
  json_decref(root);
  return reply;
}

const CwEnvironmentVtable toy_environment = {
    .open = open_shared,
    .close = g_free,
    .describe = describe,
    .n_goals = n_goals,
    .session_new = session_new,
    .session_free = g_free,
    .reset = reset,
    .observe = observe,
    .step = step,
    .step_text = step_text,
    .goal_id = goal_id,
    .scripts = scripts,
    .scripted_action = scripted_action,
    .read_record = read_record,
    .free_record = free_record,
    .reset_record = reset_record,
    .candidate_of = candidate_of,
    .answer = answer,
    .importer = &toy_import,
    .exporter = &toy_export,
};
