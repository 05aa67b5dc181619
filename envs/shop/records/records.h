/* Recorded sessions of other people's agents, as JSON lines. */
#ifndef SHOP_RECORDS_H
#define SHOP_RECORDS_H

#include "envs/shop/session/session.h"

#include <cartwright/environment.h>

/* Reads one line, in either of two forms, or the lines of a session of WebShop's own log (site_log.h):
 *   {"goal_id": "webshop_N", "turns": [{"from": "site", "text": OBSERVATION},
 *   {"from": "agent", "text": "Thought: ... Action: click[...]"}, ...]}, the turns
 *   alternating from the site's first page on, N counting the goals after the
 *   shuffle (split "all");
 *   {"states": [OBSERVATION, ...], "actions": [ACTION, ...]}, WebShop's imitation
 *   data (docs/spec 1.2): the goal is the first one that reads as the
 *   instruction on the first page does. Without "actions", "action_idxs" are
 *   indices into "available_actions".
 * The price bound is taken from that instruction, because the recording site drew it unseeded. A blank line
 * gives NULL without error. */
CwRecord *shop_record_read(const ShopWorld *world, const char *line, const char *where, GError **error);
void shop_record_free(CwRecord *record); /* accepts NULL */

/* After reset to the record's goal: what the recording fixes beyond it (bound, price, a page of attributes),
 * and with as_recorded the form of its observations. */
void shop_record_apply(const CwRecord *record, ShopSession *session);

/* Reads the price bound back out of `overrides`; FALSE when it holds none. */
gboolean shop_record_price_upper(const CwRecord *record, double *price_upper);

/* The first goal from number `from` on whose published form (shop_goal_append_published) is this, with `view`
 * set to it; -1. */
gint64 shop_goal_reading(const ShopWorld *world, const char *published, gint64 from, ShopGoalView *view);

/* A goal's index from "PREFIX_N"; -1 with error when it is malformed or too large. */
gint64 shop_goal_index(const ShopWorld *world, const char *goal_id, GError **error);

#endif
