/* The host's handles around an environment: its shared part and its sessions. They keep the order of calls
 * (reset, then observe and step until the end), so that an environment meets no call it cannot answer, and
 * check that what it shows can be acted on and what it says of an episode can be written down. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

#include <math.h>
#include <string.h>

/* More than any environment has; such a number was never counted. */
#define MOST_CANDIDATES 1000000
#define MOST_PARTS      10000

struct CwEnvironment {
  const CwRegisteredFeature *feature;
  const CwEnvironmentVtable *vtable;
  gpointer shared;
};

typedef enum { SESSION_NEW, SESSION_RUNNING, SESSION_OVER } SessionState;

struct CwSession {
  CwEnvironment *environment;
  gpointer object;
  SessionState state;
};

static const char *const nothing[] = {NULL};

CwEnvironment *cw_environment_open(const CwRegisteredFeature *feature, gconstpointer options, guint32 seed,
                                   GError **error)
{
  const CwEnvironmentVtable *vtable = feature->vtable.environment;
  if (!cw_feature_check_available(feature, error))
    return NULL;
  CwSlotCall call = cw_slot_begin(feature, "open");
  gpointer shared = vtable->open(options, seed, &call.failure);
  if (!cw_slot_end(&call, shared != NULL, error)) {
    vtable->close(shared);
    return NULL;
  }
  CwEnvironment *environment = g_new0(CwEnvironment, 1);
  *environment = (CwEnvironment){feature, vtable, shared};
  return environment;
}

void cw_environment_close(CwEnvironment *environment)
{
  if (!environment)
    return;
  CwSlotCall call = cw_slot_begin(environment->feature, "close");
  environment->vtable->close(environment->shared);
  cw_slot_leave(&call);
  g_free(environment);
}

const char *const *cw_environment_describe(CwEnvironment *environment)
{
  CwSlotCall call = cw_slot_begin(environment->feature, "describe");
  const char *const *pairs = environment->vtable->describe(environment->shared);
  cw_slot_leave(&call);
  return pairs ? pairs : nothing;
}

const CwRegisteredFeature *cw_environment_feature(CwEnvironment *environment)
{
  return environment->feature;
}

static gint64 n_goals_of(CwEnvironment *environment, const char *split)
{
  CwSlotCall call = cw_slot_begin(environment->feature, "n_goals");
  gint64 n = environment->vtable->n_goals(environment->shared, split);
  cw_slot_leave(&call);
  return n;
}

gint64 cw_environment_n_goals(CwEnvironment *environment, const char *split, GError **error)
{
  static const char *const usual[] = {"train", "dev", "test", "all"};
  gint64 n = n_goals_of(environment, split);
  if (n >= 0)
    return n;
  g_autoptr(GString) known = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(usual); i++)
    if (n_goals_of(environment, usual[i]) >= 0)
      g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", usual[i]);
  cw_feature_error(environment->feature, error, CW_ERROR_CONFIGURATION, "no split '%s'; it has: %s", split,
                   known->str);
  return -1;
}

const char *const *cw_environment_scripts(CwEnvironment *environment)
{
  if ((environment->feature->capabilities & CW_ENVIRONMENT_SCRIPTS) == 0)
    return nothing;
  CwSlotCall call = cw_slot_begin(environment->feature, "scripts");
  const char *const *scripts = environment->vtable->scripts(environment->shared);
  cw_slot_leave(&call);
  return scripts ? scripts : nothing;
}

char *cw_environment_answer(CwEnvironment *environment, const char *verb, const char *request, GError **error)
{
  if (!environment->vtable->answer) {
    cw_feature_error(environment->feature, error, CW_ERROR_UNSUPPORTED,
                     "answers no requests, so not '%s' either", verb);
    return NULL;
  }
  CwSlotCall call = cw_slot_begin(environment->feature, "answer");
  g_autofree char *text = environment->vtable->answer(environment->shared, verb, request, &call.failure);
  return cw_slot_end(&call, text != NULL, error) ? g_steal_pointer(&text) : NULL;
}

static gboolean check_capability(const CwEnvironment *environment, guint64 capability, const char *without,
                                 GError **error)
{
  return (environment->feature->capabilities & capability) != 0 ||
         cw_feature_error(environment->feature, error, CW_ERROR_UNSUPPORTED, "%s", without);
}

static gboolean check_records(const CwEnvironment *environment, GError **error)
{
  return check_capability(environment, CW_ENVIRONMENT_RECORDS, "reads no recorded sessions", error);
}

CwRecord *cw_environment_read_record(CwEnvironment *environment, const char *line, const char *where,
                                     GError **error)
{
  if (!check_records(environment, error))
    return NULL;
  CwSlotCall call = cw_slot_begin(environment->feature, "read_record");
  CwRecord *record = environment->vtable->read_record(environment->shared, line, where, &call.failure);
  if (cw_slot_end(&call, !call.failure, error))
    return record;
  cw_environment_free_record(environment, record);
  return NULL;
}

gboolean cw_environment_continues_record(CwEnvironment *environment, const char *record, const char *line)
{
  if ((environment->feature->capabilities & CW_ENVIRONMENT_RECORDS) == 0 ||
      !environment->vtable->continues_record)
    return FALSE;
  CwSlotCall call = cw_slot_begin(environment->feature, "continues_record");
  gboolean continues = environment->vtable->continues_record(environment->shared, record, line);
  cw_slot_leave(&call);
  return continues;
}

void cw_environment_free_record(CwEnvironment *environment, CwRecord *record)
{
  if (!record)
    return;
  CwSlotCall call = cw_slot_begin(environment->feature, "free_record");
  environment->vtable->free_record(environment->shared, record);
  cw_slot_leave(&call);
}

CwSession *cw_session_new(CwEnvironment *environment, GError **error)
{
  CwSlotCall call = cw_slot_begin(environment->feature, "session_new");
  gpointer object = environment->vtable->session_new(environment->shared, &call.failure);
  if (!cw_slot_end(&call, object != NULL, error)) {
    environment->vtable->session_free(object);
    return NULL;
  }
  CwSession *session = g_new0(CwSession, 1);
  session->environment = environment;
  session->object = object;
  return session;
}

void cw_session_free(CwSession *session)
{
  if (!session)
    return;
  CwSlotCall call = cw_slot_begin(session->environment->feature, "session_free");
  session->environment->vtable->session_free(session->object);
  cw_slot_leave(&call);
  g_free(session);
}

/* After a failed reset the session waits for another. */
static gboolean end_reset(CwSession *session, CwSlotCall *call, gboolean succeeded, GError **error)
{
  gboolean reset = cw_slot_end(call, succeeded, error);
  session->state = reset ? SESSION_RUNNING : SESSION_NEW;
  return reset;
}

gboolean cw_session_reset(CwSession *session, const char *split, gint64 goal, CwRandom *random,
                          GError **error)
{
  CwEnvironment *environment = session->environment;
  gint64 n_goals = cw_environment_n_goals(environment, split, error);
  if (n_goals < 0)
    return FALSE;
  if (goal < 0 || goal >= n_goals)
    return cw_feature_error(environment->feature, error, CW_ERROR_FAILED,
                            "no goal %" G_GINT64_FORMAT " in split '%s', which has %" G_GINT64_FORMAT
                            " (counted from 0)",
                            goal, split, n_goals);
  CwSlotCall call = cw_slot_begin(environment->feature, "reset");
  gboolean succeeded = environment->vtable->reset(session->object, split, goal, random, &call.failure);
  return end_reset(session, &call, succeeded, error);
}

gboolean cw_session_reset_record(CwSession *session, const CwRecord *record, CwRandom *random, GError **error)
{
  const CwEnvironment *environment = session->environment;
  if (!check_records(environment, error))
    return FALSE;
  CwSlotCall call = cw_slot_begin(environment->feature, "reset_record");
  gboolean succeeded = environment->vtable->reset_record(session->object, record, random, &call.failure);
  return end_reset(session, &call, succeeded, error);
}

static gboolean check_running(const CwSession *session, const char *call, GError **error)
{
  return session->state == SESSION_RUNNING ||
         cw_feature_error(
             session->environment->feature, error, CW_ERROR_FAILED, "%s %s; reset the session first", call,
             session->state == SESSION_NEW ? "before the first reset" : "after the end of the episode");
}

/* Most texts are ASCII, which is seen fast, eight bytes at a time. */
static gboolean is_utf8(const char *text, const char **end)
{
  gsize length = strlen(text), i = 0;
  guint64 word = 0, bits = 0;
  for (; i + sizeof word <= length; i += sizeof word) {
    memcpy(&word, text + i, sizeof word);
    bits |= word;
  }
  word = 0;
  memcpy(&word, text + i, length - i);
  return ((bits | word) & 0x8080808080808080u) == 0 || g_utf8_validate(text, (gssize)length, end);
}

/* `i` of `n` candidates; n = 0: not a candidate but `what`. */
static gboolean check_shown(const CwRegisteredFeature *feature, const char *what, guint i, guint n,
                            const char *text, GError **error)
{
  const char *end;
  if (is_utf8(text, &end))
    return TRUE;
  g_autofree char *which = n > 0 ? g_strdup_printf("candidate %u of %u", i, n) : g_strdup(what);
  g_autofree char *start = g_strndup(text, MIN(40, (gsize)(end - text)));
  return cw_feature_error(feature, error, CW_ERROR_FORMAT,
                          "observe: expected UTF-8, found byte 0x%02x at byte %" G_GSIZE_FORMAT
                          " of %s, which begins with \"%s\"; convert its texts to UTF-8",
                          (guchar)*end, (gsize)(end - text), which, start);
}

static gboolean check_observation(const CwSession *session, const CwObservation *observation, GError **error)
{
  const CwRegisteredFeature *feature = session->environment->feature;
  guint n = observation->n_candidates;
  if (!observation->text)
    return cw_feature_error(feature, error, CW_ERROR_FAILED, "observe: expected a text, found NULL");
  if (n == 0 || !observation->candidates)
    return session->state == SESSION_OVER ||
           cw_feature_error(feature, error, CW_ERROR_FAILED,
                            "observe: expected at least one candidate while the episode runs, found none");
  if (n > MOST_CANDIDATES)
    return cw_feature_error(feature, error, CW_ERROR_FAILED,
                            "observe: expected at most %d candidates, found n_candidates %u", MOST_CANDIDATES,
                            n);
  for (guint i = 0; i < n; i++)
    if (!observation->candidates[i])
      return cw_feature_error(feature, error, CW_ERROR_FAILED, "observe: candidate %u of %u is NULL", i, n);
  for (guint i = 0; i < n; i++)
    if (!check_shown(feature, NULL, i, n, observation->candidates[i], error))
      return FALSE;
  return check_shown(feature, "the observation", 0, 0, observation->text, error) &&
         (!observation->instruction ||
          check_shown(feature, "the instruction", 0, 0, observation->instruction, error));
}

gboolean cw_session_observe(CwSession *session, CwObservation *observation, GError **error)
{
  *observation = (CwObservation){.struct_size = sizeof *observation};
  if (session->state == SESSION_NEW)
    return check_running(session, "observe", error);
  CwSlotCall call = cw_slot_begin(session->environment->feature, "observe");
  gboolean succeeded = session->environment->vtable->observe(session->object, observation, &call.failure);
  return cw_slot_end(&call, succeeded, error) && check_observation(session, observation, error);
}

/* Whether a name of a part or fact can be written down: "part 2 of 5". */
static gboolean check_name(const CwRegisteredFeature *feature, const char *slot, const char *what, guint i,
                           guint n, const char *name, GError **error)
{
  return (name && g_utf8_validate(name, -1, NULL)) ||
         cw_feature_error(feature, error, CW_ERROR_FAILED, "%s: the name of %s %u of %u is %s", slot, what, i,
                          n, name ? "not UTF-8" : "NULL");
}

static gboolean check_count(const CwRegisteredFeature *feature, const char *slot, const char *what, guint n,
                            gconstpointer array, GError **error)
{
  if (n > MOST_PARTS)
    return cw_feature_error(feature, error, CW_ERROR_FAILED, "%s: expected at most %d %s, found %u", slot,
                            MOST_PARTS, what, n);
  return n == 0 || array ||
         cw_feature_error(feature, error, CW_ERROR_FAILED, "%s: expected %u %s, found NULL", slot, n, what);
}

/* `text` may be NULL. */
static gboolean check_fact(const CwRegisteredFeature *feature, const char *slot, const char *name,
                           const char *text, GError **error)
{
  return !text || g_utf8_validate(text, -1, NULL) ||
         cw_feature_error(feature, error, CW_ERROR_FAILED, "%s: fact '%s' is not UTF-8", slot, name);
}

static gboolean check_outcome(const CwRegisteredFeature *feature, const char *slot, const CwOutcome *outcome,
                              GError **error)
{
  if (!isfinite(outcome->reward))
    return cw_feature_error(feature, error, CW_ERROR_NUMERIC, "%s: the reward is %g", slot, outcome->reward);
  if (!check_count(feature, slot, "parts", outcome->n_parts, outcome->parts, error) ||
      !check_count(feature, slot, "facts", outcome->n_facts, outcome->facts, error) ||
      !check_fact(feature, slot, "category", outcome->category, error) ||
      !check_fact(feature, slot, "target", outcome->target, error) ||
      !check_fact(feature, slot, "item", outcome->item, error))
    return FALSE;
  for (guint i = 0; i < outcome->n_parts; i++) {
    const CwNamedValue *part = &outcome->parts[i];
    if (!check_name(feature, slot, "part", i, outcome->n_parts, part->name, error))
      return FALSE;
    if (!isfinite(part->value))
      return cw_feature_error(feature, error, CW_ERROR_NUMERIC, "%s: part '%s' is %g", slot, part->name,
                              part->value);
  }
  for (guint i = 0; i < outcome->n_facts; i++) {
    const CwNamedText *fact = &outcome->facts[i];
    if (!check_name(feature, slot, "fact", i, outcome->n_facts, fact->name, error))
      return FALSE;
    if (!fact->text)
      return cw_feature_error(feature, error, CW_ERROR_FAILED, "%s: fact '%s' is NULL", slot, fact->name);
    if (!check_fact(feature, slot, fact->name, fact->text, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean end_step(CwSession *session, CwSlotCall *call, gboolean succeeded, const CwOutcome *outcome,
                         GError **error)
{
  if (!cw_slot_end(call, succeeded, error))
    return FALSE;
  if (outcome->terminated || outcome->truncated)
    session->state = SESSION_OVER;
  return check_outcome(call->feature, call->slot, outcome, error);
}

gboolean cw_session_step(CwSession *session, guint candidate, CwOutcome *outcome, GError **error)
{
  *outcome = (CwOutcome){.struct_size = sizeof *outcome};
  if (!check_running(session, "step", error))
    return FALSE;
  CwSlotCall call = cw_slot_begin(session->environment->feature, "step");
  gboolean stepped = session->environment->vtable->step(session->object, candidate, outcome, &call.failure);
  return end_step(session, &call, stepped, outcome, error);
}

gboolean cw_session_step_text(CwSession *session, const char *action, CwOutcome *outcome, GError **error)
{
  const CwEnvironment *environment = session->environment;
  *outcome = (CwOutcome){.struct_size = sizeof *outcome};
  if (!check_capability(environment, CW_ENVIRONMENT_FREE_TEXT,
                        "takes no free text; choose one of the candidates", error) ||
      !check_running(session, "step_text", error))
    return FALSE;
  CwSlotCall call = cw_slot_begin(environment->feature, "step_text");
  gboolean stepped = environment->vtable->step_text(session->object, action, outcome, &call.failure);
  return end_step(session, &call, stepped, outcome, error);
}

static gboolean check_restores(const CwSession *session, GError **error)
{
  const CwRegisteredFeature *feature = session->environment->feature;
  return (feature->capabilities & CW_ENVIRONMENT_RESTORES) != 0 ||
         cw_feature_error(feature, error, CW_ERROR_UNSUPPORTED, "cannot save its sessions and restore them");
}

GBytes *cw_session_save(CwSession *session, GError **error)
{
  if (!check_restores(session, error) || !check_running(session, "save", error))
    return NULL;
  CwSlotCall call = cw_slot_begin(session->environment->feature, "save_session");
  GBytes *state = session->environment->vtable->save_session(session->object, &call.failure);
  if (cw_slot_end(&call, state != NULL, error))
    return state;
  g_clear_pointer(&state, g_bytes_unref);
  return NULL;
}

gboolean cw_session_restore(CwSession *session, GBytes *state, CwRandom *random, GError **error)
{
  if (!check_restores(session, error))
    return FALSE;
  CwSlotCall call = cw_slot_begin(session->environment->feature, "restore_session");
  gboolean restored =
      session->environment->vtable->restore_session(session->object, state, random, &call.failure);
  return end_reset(session, &call, restored, error);
}

gboolean cw_session_repeat(CwSession *session, const CwStep *step, CwOutcome *outcome, GError **error)
{
  return step->chosen == CW_WORDS ? cw_session_step_text(session, step->action, outcome, error)
                                  : cw_session_step(session, step->chosen, outcome, error);
}

const char *cw_session_goal_id(CwSession *session)
{
  const CwEnvironmentVtable *vtable = session->environment->vtable;
  if (!vtable->goal_id || session->state == SESSION_NEW)
    return "";
  CwSlotCall call = cw_slot_begin(session->environment->feature, "goal_id");
  const char *id = vtable->goal_id(session->object);
  cw_slot_leave(&call);
  return id ? id : "";
}

gint cw_session_scripted_action(CwSession *session, const char *script, GError **error)
{
  CwEnvironment *environment = session->environment;
  const char *const *scripts = cw_environment_scripts(environment);
  if (!g_strv_contains(scripts, script)) {
    g_autofree char *known = g_strjoinv(", ", (char **)scripts);
    cw_feature_error(environment->feature, error, CW_ERROR_CONFIGURATION,
                     "no scripted agent '%s'; it has: %s", script, *known ? known : "none");
    return -1;
  }
  if (!check_running(session, "scripted_action", error))
    return -1;
  CwSlotCall call = cw_slot_begin(environment->feature, "scripted_action");
  gint candidate = environment->vtable->scripted_action(session->object, script, &call.failure);
  return cw_slot_end(&call, candidate >= 0, error) ? candidate : -1;
}

gint cw_session_candidate_of(CwSession *session, const char *action, gboolean may_add, GError **error)
{
  CwEnvironment *environment = session->environment;
  if (!check_records(environment, error) || !check_running(session, "candidate_of", error))
    return -1;
  CwSlotCall call = cw_slot_begin(environment->feature, "candidate_of");
  gint candidate = environment->vtable->candidate_of(session->object, action, may_add, &call.failure);
  return cw_slot_end(&call, !call.failure, error) ? candidate : -1;
}
