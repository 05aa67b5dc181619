/* The slots of the environment vtable over a ShopWorld, the same for every shop. A plugin adds its own
 * `open`, which returns a ShopWorld:
 *   static const CwEnvironmentVtable vtable = {.open = my_open, SHOP_ENVIRONMENT_SLOTS};
 * Their contracts are those of <cartwright/environment.h>. */
#ifndef SHOP_ENVIRONMENT_H
#define SHOP_ENVIRONMENT_H

#include "envs/shop/session/session.h"

#include <cartwright/environment.h>
#include <cartwright/plugin.h>

#define SHOP_ENVIRONMENT_CAPABILITIES                                                                        \
  (CW_ENVIRONMENT_SCRIPTS | CW_ENVIRONMENT_RECORDS | CW_ENVIRONMENT_FREE_TEXT | CW_ENVIRONMENT_RESTORES)

#define SHOP_ENVIRONMENT_SLOTS                                                                               \
  .close = shop_environment_close, .describe = shop_environment_describe,                                    \
  .n_goals = shop_environment_n_goals, .session_new = shop_environment_session_new,                          \
  .session_free = shop_environment_session_free, .reset = shop_environment_reset,                            \
  .observe = shop_environment_observe, .step = shop_environment_step,                                        \
  .step_text = shop_environment_step_text, .goal_id = shop_environment_goal_id,                              \
  .scripts = shop_environment_scripts, .scripted_action = shop_environment_scripted_action,                  \
  .read_record = shop_environment_read_record, .continues_record = shop_environment_continues_record,        \
  .free_record = shop_environment_free_record, .reset_record = shop_environment_reset_record,                \
  .candidate_of = shop_environment_candidate_of, .answer = shop_environment_answer,                          \
  .save_session = shop_environment_save_session, .restore_session = shop_environment_restore_session

void shop_environment_close(gpointer shared);
const char *const *shop_environment_describe(gpointer shared);
gint64 shop_environment_n_goals(gpointer shared, const char *split);
gpointer shop_environment_session_new(gpointer shared, GError **error);
void shop_environment_session_free(gpointer session);
gboolean shop_environment_reset(gpointer session, const char *split, gint64 goal, CwRandom *random,
                                GError **error);
gboolean shop_environment_observe(gpointer session, CwObservation *observation, GError **error);
gboolean shop_environment_step(gpointer session, guint candidate, CwOutcome *outcome, GError **error);
gboolean shop_environment_step_text(gpointer session, const char *action, CwOutcome *outcome, GError **error);
const char *shop_environment_goal_id(gpointer session);
const char *const *shop_environment_scripts(gpointer shared);
gint shop_environment_scripted_action(gpointer session, const char *script, GError **error);
gboolean shop_environment_continues_record(gpointer shared, const char *record, const char *line);
CwRecord *shop_environment_read_record(gpointer shared, const char *line, const char *where, GError **error);
void shop_environment_free_record(gpointer shared, CwRecord *record);
gboolean shop_environment_reset_record(gpointer session, const CwRecord *record, CwRandom *random,
                                       GError **error);
gint shop_environment_candidate_of(gpointer session, const char *action, gboolean may_add, GError **error);
GBytes *shop_environment_save_session(gpointer session, GError **error);
gboolean shop_environment_restore_session(gpointer session, GBytes *state, CwRandom *random, GError **error);
char *shop_environment_answer(gpointer shared, const char *verb, const char *request, GError **error);

/* The session behind an environment's session, for scripts and tests. */
ShopSession *shop_environment_session(gpointer session);

#endif
