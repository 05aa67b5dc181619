/* One shopper in a shop: the state machine of docs/spec 5. Search page, results, item, sub page, done;
 * keywords, page number, chosen options, visited items. A session belongs to one thread at a time and owns
 * every buffer that it hands out; nothing is allocated per step once its buffers have grown. */
#ifndef SHOP_SESSION_H
#define SHOP_SESSION_H

#include "envs/shop/world/world.h"

#include <cartwright/environment.h>

#define SHOP_ITEMS_PER_PAGE 10

typedef struct ShopSession ShopSession;

typedef enum { SHOP_PAGE_SEARCH, SHOP_PAGE_RESULTS, SHOP_PAGE_ITEM, SHOP_PAGE_SUB, SHOP_PAGE_DONE } ShopPage;
typedef enum { SHOP_SUB_DESCRIPTION, SHOP_SUB_FEATURES, SHOP_SUB_REVIEWS, SHOP_SUB_ATTRIBUTES } ShopSubPage;

typedef enum {
  SHOP_ACTION_NONE, /* does nothing here */
  SHOP_ACTION_SEARCH,
  SHOP_ACTION_BACK_TO_SEARCH,
  SHOP_ACTION_NEXT,
  SHOP_ACTION_PREVIOUS,
  SHOP_ACTION_ITEM,   /* argument: product index */
  SHOP_ACTION_OPTION, /* argument: index in the catalogue's targets */
  SHOP_ACTION_SUB,    /* argument: ShopSubPage */
  SHOP_ACTION_BUY,
  SHOP_ACTION_ADDRESS /* argument: a result page's number, as guint32 */
} ShopActionKind;

/* How a page is written as an observation. */
typedef enum { SHOP_FORM_TEXT, SHOP_FORM_TEXT_RICH } ShopForm;
/* Appends the present page in a form of its own. */
typedef void (*ShopPageWriter)(const ShopSession *session, GString *out);

/* A chosen option. */
typedef struct ShopSelection {
  guint32 group; /* within the product's groups */
  ShopString value;
} ShopSelection;

typedef struct ShopCandidate {
  const char *text; /* as the policy sees it */
  ShopActionKind kind;
  guint32 argument;
} ShopCandidate;

ShopSession *shop_session_new(const ShopWorld *world);
void shop_session_free(ShopSession *session); /* accepts NULL */

/* Starts on goal `index` of ShopGoals.items. `random` decides random result lists and the upstream cut; it is
 * the caller's. */
void shop_session_reset(ShopSession *session, guint32 index, CwRandom *random);
/* After reset, before the first step: another price bound. */
void shop_session_set_price_upper(ShopSession *session, double price_upper);
/* Until the next reset: what a purchase costs, in place of the price drawn for a product with a range of them
 * that holds this one; NaN: as drawn. */
void shop_session_set_price(ShopSession *session, double price);
/* Until the next reset: another form of the observation than the settings'. */
void shop_session_set_form(ShopSession *session, ShopForm form);
/* The same, for a visit to the site: on a result page, action "address[N]" then goes to page N, as a visitor
 * does who types its address. The site has a page for every number, also below 1. And "search[WORDS]"
 * searches for all that stands in the outer brackets, also for nothing, as the site's form does;
 * and "<a> WORDS" finds attributes, of which the simulation has no map. */
void shop_session_set_writer(ShopSession *session, ShopPageWriter writer);
/* Until the next reset: items have the sub page Attributes, whatever the settings say. */
void shop_session_show_attributes(ShopSession *session);

/* The present page as text; lives until the next step or reset. */
const char *shop_session_observation(ShopSession *session, gsize *length);
/* The candidates of the present page; live until the next step or reset. */
const ShopCandidate *shop_session_candidates(ShopSession *session, guint *n_candidates);
/* Makes sure that a search for `query` (any case) is among the candidates and returns its index. An added one
 * is gone after the next step. */
guint shop_session_add_search(ShopSession *session, const char *query);
/* The index of the candidate that does what `action` does here; a search that is not among them is added with
 * `may_add`. -1 when there is none. */
gint shop_session_candidate_of(ShopSession *session, const char *action, gboolean may_add);

/* Takes candidate number `candidate`, or an action given as text. */
void shop_session_step(ShopSession *session, guint candidate, CwOutcome *outcome);
void shop_session_step_text(ShopSession *session, const char *action, CwOutcome *outcome);

/* The state of a running session, and back into any session of the same world; its writer is not kept. Bytes
 * that are no state are an error, after which the session waits for a reset. */
GBytes *shop_session_save(ShopSession *session, GError **error);
gboolean shop_session_restore(ShopSession *session, GBytes *state, CwRandom *random, GError **error);

/* What an action text would do here: its kind and, in *argument, what it acts on. */
ShopActionKind shop_session_resolve(ShopSession *session, const char *action, guint32 *argument);

/* What scripts and tests may look at. */
const ShopWorld *shop_session_world(const ShopSession *session);
const ShopGoalView *shop_session_goal(const ShopSession *session);
CwRandom *shop_session_random(const ShopSession *session);
ShopPage shop_session_page(const ShopSession *session);
ShopSubPage shop_session_sub_page(const ShopSession *session);
/* On the done page: what the purchase was worth. */
const ShopReward *shop_session_reward(const ShopSession *session);
/* The chosen options, in the order in which their groups were first chosen. */
const ShopSelection *shop_session_selections(const ShopSession *session, guint *n_selections);
/* The items of the whole result list, best first, whatever page is shown. */
const guint32 *shop_session_results(const ShopSession *session, guint *n_results);
gint shop_session_page_number(const ShopSession *session);
/* The items of the page that is shown, as indices first .. end - 1 of the results. */
void shop_session_shown(const ShopSession *session, guint *first, guint *end);
/* The keywords of the present result list: the lower-cased query. */
const char *shop_session_keywords(const ShopSession *session);
/* On item, sub and done pages: the product shown. */
guint32 shop_session_product(const ShopSession *session);
/* The chosen value of a group of the shown product (index within its groups), or SHOP_STRING_NONE. */
ShopString shop_session_selected(const ShopSession *session, guint32 group);
gboolean shop_session_visited(const ShopSession *session, guint32 product);
/* The products opened since the last search page, in order, each once. */
const guint32 *shop_session_all_visited(const ShopSession *session, guint *n);
/* What the last step did, with its argument as in ShopCandidate; SHOP_ACTION_NONE before the first. */
ShopActionKind shop_session_taken(const ShopSession *session, guint32 *argument);
gint64 shop_session_n_steps(const ShopSession *session);
/* Appends the address that the original shows for this page (docs/spec 5.7). */
void shop_session_append_url(const ShopSession *session, GString *url);
/* Memory of a scripted agent: `size` bytes (at most 256), all zero at the first call after reset. */
gpointer shop_session_script_memory(ShopSession *session, gsize size);

#endif
