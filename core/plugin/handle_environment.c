/* The host's handles around an environment: its shared part and its sessions. They keep the order of calls
 * (reset, then observe and step until the end), so that an environment meets no call it cannot answer, and
 * check that what it shows can be acted on. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

#include <math.h>
#include <string.h>

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
  GError *failure = NULL;
  gpointer shared = feature->vtable.environment->open(options, seed, &failure);
  CwEnvironment *environment;
  if (!cw_slot_result(feature, "open", shared != NULL, failure, error)) {
    feature->vtable.environment->close(shared);
    return NULL;
  }
  environment = g_new0(CwEnvironment, 1);
  environment->feature = feature;
  environment->vtable = feature->vtable.environment;
  environment->shared = shared;
  return environment;
}

void cw_environment_close(CwEnvironment *environment)
{
  if (!environment)
    return;
  environment->vtable->close(environment->shared);
  g_free(environment);
}

const char *const *cw_environment_describe(CwEnvironment *environment)
{
  const char *const *pairs = environment->vtable->describe(environment->shared);

  return pairs ? pairs : nothing;
}

const CwRegisteredFeature *cw_environment_feature(CwEnvironment *environment)
{
  return environment->feature;
}

gint64 cw_environment_n_goals(CwEnvironment *environment, const char *split, GError **error)
{
  static const char *const usual[] = {"train", "dev", "test", "all"};
  gint64 n = environment->vtable->n_goals(environment->shared, split);
  GString *known;
  if (n >= 0)
    return n;
  known = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(usual); i++) {
    if (environment->vtable->n_goals(environment->shared, usual[i]) >= 0)
      g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", usual[i]);
  }
  cw_feature_error(environment->feature, error, CW_ERROR_CONFIGURATION, "no split '%s'; it has: %s", split,
                   known->str);
  g_string_free(known, TRUE);
  return -1;
}

const char *const *cw_environment_scripts(CwEnvironment *environment)
{
  const char *const *scripts = NULL;
  if ((environment->feature->capabilities & CW_ENVIRONMENT_SCRIPTS) != 0)
    scripts = environment->vtable->scripts(environment->shared);
  return scripts ? scripts : nothing;
}

char *cw_environment_answer(CwEnvironment *environment, const char *verb, const char *request, GError **error)
{
  GError *failure = NULL;
  char *text;
  if (!environment->vtable->answer) {
    cw_feature_error(environment->feature, error, CW_ERROR_UNSUPPORTED,
                     "answers no requests, so not '%s' either", verb);
    return NULL;
  }
  text = environment->vtable->answer(environment->shared, verb, request, &failure);
  if (!cw_slot_result(environment->feature, "answer", text != NULL, failure, error)) {
    g_free(text);
    return NULL;
  }
  return text;
}

static gboolean check_records(CwEnvironment *environment, GError **error)
{
  if ((environment->feature->capabilities & CW_ENVIRONMENT_RECORDS) != 0)
    return TRUE;
  cw_feature_error(environment->feature, error, CW_ERROR_UNSUPPORTED, "reads no recorded sessions");
  return FALSE;
}

CwRecord *cw_environment_read_record(CwEnvironment *environment, const char *line, const char *where,
                                     GError **error)
{
  GError *failure = NULL;
  CwRecord *record;
  if (!check_records(environment, error))
    return NULL;
  record = environment->vtable->read_record(environment->shared, line, where, &failure);
  if (!failure || cw_slot_result(environment->feature, "read_record", FALSE, failure, error))
    return record;
  cw_environment_free_record(environment, record);
  return NULL;
}

gboolean cw_environment_continues_record(CwEnvironment *environment, const char *record, const char *line)
{
  return (environment->feature->capabilities & CW_ENVIRONMENT_RECORDS) != 0 &&
         environment->vtable->continues_record &&
         environment->vtable->continues_record(environment->shared, record, line);
}

void cw_environment_free_record(CwEnvironment *environment, CwRecord *record)
{
  if (record)
    environment->vtable->free_record(environment->shared, record);
}

CwSession *cw_session_new(CwEnvironment *environment, GError **error)
{
  GError *failure = NULL;
  gpointer object = environment->vtable->session_new(environment->shared, &failure);
  CwSession *session;
  if (!cw_slot_result(environment->feature, "session_new", object != NULL, failure, error)) {
    environment->vtable->session_free(object);
    return NULL;
  }
  session = g_new0(CwSession, 1);
  session->environment = environment;
  session->object = object;
  return session;
}

void cw_session_free(CwSession *session)
{
  if (!session)
    return;
  session->environment->vtable->session_free(session->object);
  g_free(session);
}

/* After a failed reset the session waits for another. */
static gboolean finish_reset(CwSession *session, const char *slot, gboolean succeeded, GError *failure,
                             GError **error)
{
  gboolean reset = cw_slot_result(session->environment->feature, slot, succeeded, failure, error);
  session->state = reset ? SESSION_RUNNING : SESSION_NEW;
  return reset;
}

gboolean cw_session_reset(CwSession *session, const char *split, gint64 goal, CwRandom *random,
                          GError **error)
{
  CwEnvironment *environment = session->environment;
  gint64 n_goals = cw_environment_n_goals(environment, split, error);
  GError *failure = NULL;
  gboolean succeeded;
  if (n_goals < 0)
    return FALSE;
  if (goal < 0 || goal >= n_goals) {
    cw_feature_error(environment->feature, error, CW_ERROR_FAILED,
                     "no goal %" G_GINT64_FORMAT " in split '%s', which has %" G_GINT64_FORMAT
                     " (counted from 0)",
                     goal, split, n_goals);
    return FALSE;
  }
  succeeded = environment->vtable->reset(session->object, split, goal, random, &failure);
  return finish_reset(session, "reset", succeeded, failure, error);
}

gboolean cw_session_reset_record(CwSession *session, const CwRecord *record, CwRandom *random, GError **error)
{
  GError *failure = NULL;
  gboolean succeeded;
  if (!check_records(session->environment, error))
    return FALSE;
  succeeded = session->environment->vtable->reset_record(session->object, record, random, &failure);
  return finish_reset(session, "reset_record", succeeded, failure, error);
}

static gboolean check_running(CwSession *session, const char *call, GError **error)
{
  if (session->state == SESSION_RUNNING)
    return TRUE;
  cw_feature_error(session->environment->feature, error, CW_ERROR_FAILED, "%s %s; reset the session first",
                   call,
                   session->state == SESSION_NEW ? "before the first reset" : "after the end of the episode");
  return FALSE;
}

gboolean cw_session_observe(CwSession *session, CwObservation *observation, GError **error)
{
  const CwRegisteredFeature *feature = session->environment->feature;
  GError *failure = NULL;
  gboolean succeeded;
  memset(observation, 0, sizeof *observation);
  observation->struct_size = sizeof *observation;
  if (session->state == SESSION_NEW)
    return check_running(session, "observe", error);
  succeeded = session->environment->vtable->observe(session->object, observation, &failure);
  if (!cw_slot_result(feature, "observe", succeeded, failure, error))
    return FALSE;
  if (!observation->text) {
    cw_feature_error(feature, error, CW_ERROR_FAILED, "observe: expected a text, found NULL");
    return FALSE;
  }
  if (session->state == SESSION_RUNNING && (observation->n_candidates == 0 || !observation->candidates)) {
    cw_feature_error(feature, error, CW_ERROR_FAILED,
                     "observe: expected at least one candidate while the episode runs, found none");
    return FALSE;
  }
  return TRUE;
}

static gboolean finish_step(CwSession *session, const char *slot, gboolean succeeded, GError *failure,
                            CwOutcome *outcome, GError **error)
{
  const CwRegisteredFeature *feature = session->environment->feature;
  if (!cw_slot_result(feature, slot, succeeded, failure, error))
    return FALSE;
  if (outcome->terminated || outcome->truncated)
    session->state = SESSION_OVER;
  if (!isfinite(outcome->reward)) {
    cw_feature_error(feature, error, CW_ERROR_NUMERIC, "%s: the reward is %g", slot, outcome->reward);
    return FALSE;
  }
  return TRUE;
}

gboolean cw_session_step(CwSession *session, guint candidate, CwOutcome *outcome, GError **error)
{
  GError *failure = NULL;
  gboolean succeeded;
  memset(outcome, 0, sizeof *outcome);
  outcome->struct_size = sizeof *outcome;
  if (!check_running(session, "step", error))
    return FALSE;
  succeeded = session->environment->vtable->step(session->object, candidate, outcome, &failure);
  return finish_step(session, "step", succeeded, failure, outcome, error);
}

gboolean cw_session_step_text(CwSession *session, const char *action, CwOutcome *outcome, GError **error)
{
  GError *failure = NULL;
  gboolean succeeded;
  memset(outcome, 0, sizeof *outcome);
  outcome->struct_size = sizeof *outcome;
  if ((session->environment->feature->capabilities & CW_ENVIRONMENT_FREE_TEXT) == 0) {
    cw_feature_error(session->environment->feature, error, CW_ERROR_UNSUPPORTED,
                     "takes no free text; choose one of the candidates");
    return FALSE;
  }
  if (!check_running(session, "step_text", error))
    return FALSE;
  succeeded = session->environment->vtable->step_text(session->object, action, outcome, &failure);
  return finish_step(session, "step_text", succeeded, failure, outcome, error);
}

const char *cw_session_goal_id(CwSession *session)
{
  const CwEnvironmentVtable *vtable = session->environment->vtable;
  const char *id = NULL;
  if (vtable->goal_id && session->state != SESSION_NEW)
    id = vtable->goal_id(session->object);
  return id ? id : "";
}

gint cw_session_scripted_action(CwSession *session, const char *script, GError **error)
{
  CwEnvironment *environment = session->environment;
  const char *const *scripts = cw_environment_scripts(environment);
  GError *failure = NULL;
  gint candidate;

  if (!g_strv_contains(scripts, script)) {
    char *known = g_strjoinv(", ", (char **)scripts);
    cw_feature_error(environment->feature, error, CW_ERROR_CONFIGURATION,
                     "no scripted agent '%s'; it has: %s", script, known[0] != '\0' ? known : "none");
    g_free(known);
    return -1;
  }
  if (!check_running(session, "scripted_action", error))
    return -1;
  candidate = environment->vtable->scripted_action(session->object, script, &failure);
  return cw_slot_result(environment->feature, "scripted_action", candidate >= 0, failure, error) ? candidate
                                                                                                 : -1;
}

gint cw_session_candidate_of(CwSession *session, const char *action, gboolean may_add, GError **error)
{
  CwEnvironment *environment = session->environment;
  GError *failure = NULL;
  gint candidate;
  if (!check_records(environment, error) || !check_running(session, "candidate_of", error))
    return -1;
  candidate = environment->vtable->candidate_of(session->object, action, may_add, &failure);
  if (failure)
    return cw_slot_result(environment->feature, "candidate_of", FALSE, failure, error) ? candidate : -1;
  return candidate;
}
