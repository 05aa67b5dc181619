/* Sessions that are reset and stepped together. Each has its own random stream and its view, which is filled
 * by the thread that stepped it, so that pages are written in parallel too. A failure belongs to its session
 * and is reported when all are done. */
#include "core/embed/environment.h"
#include "core/embed/workers.h"
#include "core/trajectory/trajectories.h"

#include <string.h>

typedef struct {
  CwEmbedEnvironment *environment;
  CwSession *session;
  CwRandom *random;
  CwEmbedView view;
  GArray *parts; /* CwEmbedNumber */
  GArray *facts; /* CwEmbedText */
  GError *failure;
} Slot;

struct CwEmbedVector {
  Slot *slots;
  guint n_slots;
  CwWorkers *workers;
  gboolean *is_named; /* scratch: the sessions that a call has named */
};

/* One call, as the workers see it. */
typedef struct {
  CwEmbedVector *vector;
  const guint *sessions; /* or NULL */
  const CwEmbedReset *resets;
  const CwEmbedAction *actions;
} Call;

static gboolean slot_open(Slot *slot, CwEmbedEnvironment *environment, guint number, GError **error)
{
  slot->environment = cw_embed_ref(environment);
  slot->view.struct_size = sizeof slot->view;
  slot->view.goal_id = "";
  slot->parts = g_array_new(FALSE, FALSE, sizeof(CwEmbedNumber));
  slot->facts = g_array_new(FALSE, FALSE, sizeof(CwEmbedText));
  slot->random = cw_random_new(environment->seed, "embed.environment", number, 0);
  slot->session = cw_session_new(environment->environment, error);
  return slot->session != NULL;
}

static void slot_clear(Slot *slot)
{
  cw_session_free(slot->session);
  cw_random_free(slot->random);
  if (slot->parts)
    g_array_free(slot->parts, TRUE);
  if (slot->facts)
    g_array_free(slot->facts, TRUE);
  g_clear_error(&slot->failure);
  cw_embed_unref(slot->environment);
}

CwEmbedVector *cw_embed_vector_new(CwEmbedEnvironment *const *environments, guint n_environments,
                                   guint n_sessions, guint n_threads, GError **error)
{
  if (n_environments == 0 || n_sessions == 0 || n_threads == 0) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
                "a vector needs at least one environment, one session and one thread; found %u, %u and %u",
                n_environments, n_sessions, n_threads);
    return NULL;
  }
  CwEmbedVector *vector = g_new0(CwEmbedVector, 1);
  vector->slots = g_new0(Slot, n_sessions);
  vector->is_named = g_new0(gboolean, n_sessions);
  vector->workers = cw_workers_new(n_threads, error);
  gboolean good = vector->workers != NULL;
  for (guint i = 0; good && i < n_sessions; i++) {
    vector->n_slots = i + 1;
    good = slot_open(&vector->slots[i], environments[i % n_environments], i, error);
  }
  if (good)
    return vector;
  cw_embed_vector_free(vector);
  return NULL;
}

void cw_embed_vector_free(CwEmbedVector *vector)
{
  if (!vector)
    return;
  cw_workers_free(vector->workers);
  for (guint i = 0; i < vector->n_slots; i++)
    slot_clear(&vector->slots[i]);
  g_free(vector->slots);
  g_free(vector->is_named);
  g_free(vector);
}

guint cw_embed_vector_n_sessions(const CwEmbedVector *vector)
{
  return vector->n_slots;
}

/* The observation into the view. */
static gboolean look(Slot *slot, GError **error)
{
  CwEmbedView *view = &slot->view;
  CwObservation observation;
  if (!cw_session_observe(slot->session, &observation, error))
    return FALSE;
  gboolean is_over = view->terminated || view->truncated;
  view->text = observation.text;
  view->candidates = is_over ? NULL : observation.candidates;
  view->n_candidates = is_over ? 0 : observation.n_candidates;
  view->instruction = observation.instruction;
  return TRUE;
}

static void reset_one(gpointer data, guint i)
{
  const Call *call = data;
  Slot *slot = &call->vector->slots[call->sessions ? call->sessions[i] : i];
  const CwEmbedReset *reset = &call->resets[i];
  CwEmbedView *view = &slot->view;
  *view = (CwEmbedView){.struct_size = sizeof *view, .goal_id = ""};
  cw_random_restart(slot->random, slot->environment->seed, "embed.environment", (guint64)reset->goal,
                    reset->episode);
  if (cw_session_reset(slot->session, reset->split, reset->goal, slot->random, &slot->failure) &&
      look(slot, &slot->failure))
    view->goal_id = cw_session_goal_id(slot->session);
}

static void take_outcome(Slot *slot, const CwOutcome *outcome)
{
  CwEmbedView *view = &slot->view;
  view->reward = outcome->reward;
  view->total_reward += view->reward;
  view->n_steps++;
  view->terminated = outcome->terminated;
  view->truncated = outcome->truncated;
  view->success = outcome->success;
  g_array_set_size(slot->parts, 0);
  g_array_set_size(slot->facts, 0);
  g_autoptr(GArray) facts = cw_outcome_facts(outcome);
  for (guint i = 0; outcome->parts && i < outcome->n_parts; i++) {
    CwEmbedNumber part = {outcome->parts[i].name, outcome->parts[i].value};
    g_array_append_val(slot->parts, part);
  }
  for (guint i = 0; i < facts->len; i++) {
    const CwNamedText *named = &g_array_index(facts, CwNamedText, i);
    CwEmbedText fact = {named->name, named->text};
    g_array_append_val(slot->facts, fact);
  }
  view->parts = (const CwEmbedNumber *)(gpointer)slot->parts->data;
  view->facts = (const CwEmbedText *)(gpointer)slot->facts->data;
  view->n_parts = slot->parts->len;
  view->n_facts = slot->facts->len;
}

static gboolean step(Slot *slot, const CwEmbedAction *action, CwOutcome *outcome, GError **error)
{
  if (action->text)
    return cw_session_step_text(slot->session, action->text, outcome, error);
  gboolean is_running = slot->view.text && !slot->view.terminated && !slot->view.truncated;
  if (is_running && action->candidate >= slot->view.n_candidates) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
                "there is no candidate %u: the view has %u (counted from 0)", action->candidate,
                slot->view.n_candidates);
    return FALSE;
  }
  return cw_session_step(slot->session, action->candidate, outcome, error);
}

static void step_one(gpointer data, guint i)
{
  const Call *call = data;
  Slot *slot = &call->vector->slots[call->sessions ? call->sessions[i] : i];
  CwOutcome outcome;
  if (!step(slot, &call->actions[i], &outcome, &slot->failure))
    return;
  take_outcome(slot, &outcome);
  look(slot, &slot->failure);
}

static gboolean refuse(GError **error, const char *format, guint found, guint expected)
{
  g_autofree char *text = g_strdup_printf(format, found, expected);
  g_set_error_literal(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION, text);
  return FALSE;
}

static gboolean check_sessions(CwEmbedVector *vector, const guint *sessions, guint n, GError **error)
{
  if (!sessions)
    return n == vector->n_slots ||
           refuse(error,
                  "found %u resets or actions for %u sessions; name the sessions, or give one for each", n,
                  vector->n_slots);
  gboolean good = TRUE;
  guint n_checked = 0;
  for (; good && n_checked < n; n_checked++) {
    guint session = sessions[n_checked];
    good =
        session < vector->n_slots ||
        refuse(error, "there is no session %u: the vector has %u (counted from 0)", session, vector->n_slots);
    if (good && vector->is_named[session])
      good = refuse(error, "session %u is named twice in one call with %u sessions", session, n);
    else if (good)
      vector->is_named[session] = TRUE;
  }
  for (guint i = 0; i < n_checked; i++)
    if (sessions[i] < vector->n_slots)
      vector->is_named[sessions[i]] = FALSE;
  return good;
}

/* The first failure in order of the call; the others are dropped. */
static gboolean run(const Call *call, guint n, CwWork work, GError **error)
{
  GError *first = NULL;
  cw_workers_run(call->vector->workers, n, work, (gpointer)call);
  for (guint i = 0; i < n; i++) {
    guint session = call->sessions ? call->sessions[i] : i;
    GError *failure = g_steal_pointer(&call->vector->slots[session].failure);
    if (!failure)
      continue;
    if (first) {
      g_error_free(failure);
      continue;
    }
    first = failure;
    g_prefix_error(&first, "session %u: ", session);
  }
  if (first)
    g_propagate_error(error, first);
  return !first;
}

gboolean cw_embed_vector_reset(CwEmbedVector *vector, const guint *sessions, const CwEmbedReset *resets,
                               guint n, GError **error)
{
  Call call = {.vector = vector, .sessions = sessions, .resets = resets};
  return check_sessions(vector, sessions, n, error) && run(&call, n, reset_one, error);
}

gboolean cw_embed_vector_step(CwEmbedVector *vector, const guint *sessions, const CwEmbedAction *actions,
                              guint n, GError **error)
{
  Call call = {.vector = vector, .sessions = sessions, .actions = actions};
  return check_sessions(vector, sessions, n, error) && run(&call, n, step_one, error);
}

const CwEmbedView *cw_embed_vector_view(const CwEmbedVector *vector, guint session)
{
  return session < vector->n_slots ? &vector->slots[session].view : NULL;
}

static Slot *slot_at(CwEmbedVector *vector, guint session, GError **error)
{
  if (session < vector->n_slots)
    return &vector->slots[session];
  refuse(error, "there is no session %u: the vector has %u (counted from 0)", session, vector->n_slots);
  return NULL;
}

/* The stream, rewards and steps so far, and the environment's own state. */
#define STATE_TYPE "(sdtay)"

GBytes *cw_embed_vector_save(CwEmbedVector *vector, guint session, GError **error)
{
  Slot *slot = slot_at(vector, session, error);
  g_autoptr(GBytes) inner = slot ? cw_session_save(slot->session, error) : NULL;
  if (!inner)
    return NULL;
  g_autofree char *random = cw_random_save(slot->random);
  g_autoptr(GVariant) state =
      g_variant_ref_sink(g_variant_new("(sdt@ay)", random, slot->view.total_reward, slot->view.n_steps,
                                       g_variant_new_from_bytes(G_VARIANT_TYPE("ay"), inner, TRUE)));
  return g_variant_get_data_as_bytes(state);
}

gboolean cw_embed_vector_restore(CwEmbedVector *vector, guint session, GBytes *state, GError **error)
{
  Slot *slot = slot_at(vector, session, error);
  const char *random;
  if (!slot)
    return FALSE;
  g_autoptr(GVariant) value =
      g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(STATE_TYPE), state, FALSE));
  CwEmbedView *view = &slot->view;
  *view = (CwEmbedView){.struct_size = sizeof *view, .goal_id = ""};
  g_autoptr(GVariant) inner = NULL;
  g_variant_get(value, "(&sdt@ay)", &random, &view->total_reward, &view->n_steps, &inner);
  if (!g_variant_is_normal_form(value) || !cw_random_load(slot->random, random)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "session %u: expected what cw_embed_vector_save returned, found %" G_GSIZE_FORMAT
                " other bytes; restore what a vector has saved",
                session, g_bytes_get_size(state));
    return FALSE;
  }
  g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes(inner);
  if (!cw_session_restore(slot->session, bytes, slot->random, error) || !look(slot, error))
    return FALSE;
  view->goal_id = cw_session_goal_id(slot->session);
  return TRUE;
}

gint cw_embed_vector_script(CwEmbedVector *vector, guint session, const char *script, GError **error)
{
  Slot *slot = slot_at(vector, session, error);
  return slot ? cw_session_scripted_action(slot->session, script, error) : -1;
}
