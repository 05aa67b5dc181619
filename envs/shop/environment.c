/* The environment slots over a ShopWorld. The shared part is the world; a session is a ShopSession with the
 * goal's name and the array of candidate texts that the host sees. The order of calls, splits, goal numbers
 * and names of scripts are checked by the host's handle. */
#include "envs/shop/environment.h"

#include "envs/shop/answers.h"
#include "envs/shop/records/records.h"
#include "envs/shop/records/site_log.h"
#include "envs/shop/scripts/expert.h"
#include "envs/shop/scripts/oracle.h"
#include "envs/shop/scripts/scripts.h"

#include "envs/shop/text/fail.h"
#include <string.h>

typedef struct {
  ShopSession *session;
  char goal_id[64];
  GPtrArray *texts;
} Slot;

void shop_environment_close(gpointer shared)
{
  shop_world_free(shared);
}

const char *const *shop_environment_describe(gpointer shared)
{
  return (const char *const *)((ShopWorld *)shared)->facts;
}

gint64 shop_environment_n_goals(gpointer shared, const char *split)
{
  const ShopWorld *world = shared;
  gint which = shop_split_from_name(split);
  return which < 0 ? -1 : (gint64)world->splits->n_goals[which];
}

gpointer shop_environment_session_new(gpointer shared, G_GNUC_UNUSED GError **error)
{
  Slot *slot = g_new0(Slot, 1);
  slot->session = shop_session_new(shared);
  slot->texts = g_ptr_array_new();
  return slot;
}

void shop_environment_session_free(gpointer session)
{
  Slot *slot = session;
  if (!slot)
    return;
  shop_session_free(slot->session);
  g_ptr_array_free(slot->texts, TRUE);
  g_free(slot);
}

ShopSession *shop_environment_session(gpointer session)
{
  return ((Slot *)session)->session;
}

/* Nothing is read of a shop file that somebody is changing. */
static gboolean check_file(const Slot *slot, GError **error)
{
  const ShopFile *file = shop_session_world(slot->session)->file;
  return !file || shop_file_check(file, error);
}

gboolean shop_environment_reset(gpointer session, const char *split, gint64 goal, CwRandom *random,
                                GError **error)
{
  Slot *slot = session;
  const ShopWorld *world = shop_session_world(slot->session);
  if (!check_file(slot, error))
    return FALSE;
  ShopSplit which = (ShopSplit)shop_split_from_name(split);
  shop_session_reset(slot->session, shop_splits_goal(world->splits, which, (guint32)goal), random);
  return TRUE;
}

gboolean shop_environment_observe(gpointer session, CwObservation *observation, G_GNUC_UNUSED GError **error)
{
  Slot *slot = session;
  guint n_candidates;
  const ShopCandidate *candidates = shop_session_candidates(slot->session, &n_candidates);
  g_ptr_array_set_size(slot->texts, (gint)n_candidates);
  for (guint i = 0; i < n_candidates; i++)
    slot->texts->pdata[i] = (gpointer)candidates[i].text;
  observation->text = shop_session_observation(slot->session, NULL);
  observation->candidates = (const char *const *)slot->texts->pdata;
  observation->n_candidates = n_candidates;
  observation->instruction = shop_session_goal(slot->session)->instruction->str;
  return TRUE;
}

gboolean shop_environment_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  Slot *slot = session;
  guint n_candidates;
  if (!check_file(slot, error))
    return FALSE;
  shop_session_candidates(slot->session, &n_candidates);
  if (candidate >= n_candidates)
    return shop_fail(error, CW_ERROR_FAILED, "candidate %u was taken, but the page has %u", candidate,
                     n_candidates);
  shop_session_step(slot->session, candidate, outcome);
  return TRUE;
}

gboolean shop_environment_step_text(gpointer session, const char *action, CwOutcome *outcome,
                                    G_GNUC_UNUSED GError **error)
{
  Slot *slot = session;
  shop_session_step_text(slot->session, action, outcome);
  return TRUE;
}

GBytes *shop_environment_save_session(gpointer session, GError **error)
{
  return shop_session_save(((Slot *)session)->session, error);
}

gboolean shop_environment_restore_session(gpointer session, GBytes *state, CwRandom *random, GError **error)
{
  return check_file(session, error) && shop_session_restore(((Slot *)session)->session, state, random, error);
}

const char *shop_environment_goal_id(gpointer session)
{
  Slot *slot = session;
  g_snprintf(slot->goal_id, sizeof slot->goal_id, "%s_%u", shop_session_world(slot->session)->prefix,
             shop_session_goal(slot->session)->index);
  return slot->goal_id;
}

static const struct {
  const char *name;
  gint (*act)(ShopSession *session, GError **error);
} scripts[] = {
    {"rule", shop_rule_action},
    {"reader", shop_reader_action},
    {"expert", shop_expert_action},
    {"oracle", shop_oracle_action},
};

const char *const *shop_environment_scripts(G_GNUC_UNUSED gpointer shared)
{
  static const char *const names[] = {"rule", "reader", "expert", "oracle", NULL};
  G_STATIC_ASSERT(G_N_ELEMENTS(names) == G_N_ELEMENTS(scripts) + 1);
  return names;
}

gint shop_environment_scripted_action(gpointer session, const char *script, GError **error)
{
  Slot *slot = session;
  guint i = 0;
  if (!check_file(slot, error))
    return -1;
  while (strcmp(script, scripts[i].name) != 0)
    i++;
  return scripts[i].act(slot->session, error);
}

CwRecord *shop_environment_read_record(gpointer shared, const char *line, const char *where, GError **error)
{
  return shop_record_read(shared, line, where, error);
}

void shop_environment_free_record(G_GNUC_UNUSED gpointer shared, CwRecord *record)
{
  shop_record_free(record);
}

gboolean shop_environment_reset_record(gpointer session, const CwRecord *record, CwRandom *random,
                                       GError **error)
{
  Slot *slot = session;
  if (!shop_environment_reset(session, record->split, record->goal, random, error))
    return FALSE;
  shop_record_apply(record, slot->session);
  return TRUE;
}

gboolean shop_environment_continues_record(G_GNUC_UNUSED gpointer shared, const char *record,
                                           const char *line)
{
  return shop_site_log_continues(record, line);
}

gint shop_environment_candidate_of(gpointer session, const char *action, gboolean may_add,
                                   G_GNUC_UNUSED GError **error)
{
  return shop_session_candidate_of(shop_environment_session(session), action, may_add);
}

char *shop_environment_answer(gpointer shared, const char *verb, const char *request, GError **error)
{
  return shop_answer(shared, verb, request, error);
}
